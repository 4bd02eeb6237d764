"""Bessel, Airy, elliptic and hypergeometric functions, and integrals of elementary functions.

What comes in: names of ufuncs of ``scipy.special``. What goes out: primitives with the partial of the argument. The one
idea: each family is closed under differentiation (``2 J_v' = J_(v-1) - J_(v+1)``; DLMF 10.6, 10.29, 15.5), so every order
of derivative is there. The derivative with regard to the order of a Bessel function, or the parameters of a
hypergeometric one, has no such form and is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.graph import Const, Missing, Primitive
from wengert.primitives.elementary import cos, cosh, exp, log, sign, sin, square, trunc
from wengert.primitives.elementwise import ANY, elementwise, equal, imag, real
from wengert.primitives.sampling import complex_too, interval
from wengert.primitives.special import POSITIVE, UNIT, exprel, from_scipy, last_dtype, special, with_order
from wengert.primitives.structure import convert, select

__all__ = ["airy", "ellipe", "ellipk", "hyp2f1", "i0", "i1", "iv", "j0", "j1", "jv", "kv", "lambertw", "yv"]

ORDER = Missing("the derivative of a Bessel function with regard to its order is not known; it is taken as a constant only if "
                "it is not differentiated (a number, or wg.stop_gradient(order))")
PARAMETER = Missing("the derivative of a hypergeometric function with regard to its parameters is not known")


def _order_and_argument(complex_: bool = True, only_complex: bool = False) -> Any:
    """An order in (0.3, 2) and an argument."""
    def sample(rng: np.random.Generator) -> Any:
        order, x = rng.uniform(0.3, 2.0, 3), rng.uniform(*POSITIVE, 3)
        column = rng.uniform(*POSITIVE, (2, 1))
        out: list[Any] = [] if only_complex else [((order, x), {}), ((order[0], x[0]), {}), ((order[0], column), {})]
        if complex_ or only_complex:
            out.append(((order, x + 1j * rng.uniform(0.2, 1.0, 3)), {}))
        return out
    return sample


def _of_order(name: str, partial: Callable[..., Any], sample: Any) -> Any:
    return with_order(name, partials=(ORDER, partial), sample=sample)


# ---------------------------------------------------------------- Bessel functions

jv: Primitive = _of_order("jv", lambda y, v, x: 0.5 * (jv(v - 1.0, x) - jv(v + 1.0, x)), _order_and_argument())
yv: Primitive = _of_order("yv", lambda y, v, x: 0.5 * (yv(v - 1.0, x) - yv(v + 1.0, x)), _order_and_argument())


def _iv(v: Any, x: Any) -> Any:
    """SciPy's, but for NaN at arguments next to 0: there ``(x/2)^v / Γ(v + 1)``."""
    import scipy.special
    out = np.asarray(scipy.special.iv(v, x))
    small = np.isnan(out) & (np.abs(x) < 1e-280)
    if np.any(small):
        order, at = np.broadcast_arrays(v, np.where(small, x, 1.0))
        out = np.where(small, np.power(0.5 * at, order) * scipy.special.rgamma(order + 1.0), out)
    return out.astype(np.asarray(x).dtype)[()]


iv: Primitive = elementwise("iv", _iv, type=last_dtype, ufunc="iv", sample=_order_and_argument(), partials=(
    ORDER, lambda y, v, x: 0.5 * (iv(v - 1.0, x) + iv(v + 1.0, x))))
kv: Primitive = _of_order("kv", lambda y, v, x: -0.5 * (kv(v - 1.0, x) + kv(v + 1.0, x)), _order_and_argument())
kve: Primitive = _of_order("kve", lambda y, v, x: y - 0.5 * (kve(v - 1.0, x) + kve(v + 1.0, x)), _order_and_argument())
hankel1: Primitive = _of_order("hankel1", lambda y, v, x: 0.5 * (hankel1(v - 1.0, x) - hankel1(v + 1.0, x)),
                    _order_and_argument(only_complex=True))
hankel2: Primitive = _of_order("hankel2", lambda y, v, x: 0.5 * (hankel2(v - 1.0, x) - hankel2(v + 1.0, x)),
                    _order_and_argument(only_complex=True))
hankel1e: Primitive = _of_order("hankel1e", lambda y, v, x: 0.5 * (hankel1e(v - 1.0, x) - hankel1e(v + 1.0, x)) - 1j * y,
                     _order_and_argument(only_complex=True))
hankel2e: Primitive = _of_order("hankel2e", lambda y, v, x: 0.5 * (hankel2e(v - 1.0, x) - hankel2e(v + 1.0, x)) + 1j * y,
                     _order_and_argument(only_complex=True))


def _scaled(name: str, step: float, part: Any) -> Any:
    """``f_v(x) e^{-|part(x)|}``: not holomorphic, for the modulus of a part is not."""
    def jvp(y: Any, operands: Any, tangents: Any) -> Any:
        (v, x), (order, t) = operands, tangents
        if order is not None:
            from wengert.errors import MissingRuleError
            raise MissingRuleError(f"{name}: {ORDER.reason}")
        v = v if v.dtype.kind == "f" else convert(v, dtype=np.empty(0, x.dtype).real.dtype)
        one, other = primitive(v - 1.0, x), primitive(v + 1.0, x)
        slope = 0.5 * (one + other if step > 0 else one - other)
        fall = part(t) * sign(part(x)) if x.dtype.kind == "c" else (t * sign(x) if part is real else None)
        if fall is None:
            return t * slope
        return t * slope - y * (fall if fall.dtype == y.dtype else convert(fall, dtype=y.dtype))
    def sample(rng: np.random.Generator) -> Any:
        order, x = np.array([0, 1, 2]), rng.uniform(*POSITIVE, 3)
        return [((order, x), {}), ((order, x + 1j * rng.uniform(0.2, 1.0, 3)), {})]
    primitive = with_order(name, partials=None, jvp=jvp, sample=sample)
    return primitive


ive = _scaled("ive", 1.0, real)
jve = _scaled("jve", -1.0, imag)
yve = _scaled("yve", -1.0, imag)


def _of_integer(name: str, fractional: Any) -> Any:
    """A function of integer order (SciPy cuts a float to one); its derivative is the one of real order."""
    def slope(y: Any, n: Any, x: Any) -> Any:
        order = trunc(n if n.dtype == x.dtype else convert(n, dtype=x.dtype))
        part = fractional(order - 1.0, x), fractional(order + 1.0, x)
        return -0.5 * (part[0] + part[1]) if fractional is kv else 0.5 * (part[0] - part[1])
    return with_order(name, partials=(ORDER, slope),
                   sample=lambda rng: [((np.array([0, 1, 2]), rng.uniform(*POSITIVE, 3)), {})])


kn = _of_integer("kn", kv)
yn = _of_integer("yn", yv)

j0 = special("j0", partials=lambda y, x: -j1(x), sample=interval(ANY))
j1: Primitive = special("j1", partials=lambda y, x: 0.5 * (j0(x) - jv(_number(2.0, x), x)), sample=interval(ANY))
y0 = special("y0", partials=lambda y, x: -y1(x), sample=interval(POSITIVE))
y1: Primitive = special("y1", partials=lambda y, x: 0.5 * (y0(x) - yv(_number(2.0, x), x)), sample=interval(POSITIVE))
i0 = special("i0", partials=lambda y, x: i1(x), sample=interval(ANY))
i1: Primitive = special("i1", partials=lambda y, x: 0.5 * (i0(x) + iv(_number(2.0, x), x)), sample=interval(ANY))
k0 = special("k0", partials=lambda y, x: -k1(x), sample=interval(POSITIVE))
k1: Primitive = special("k1", partials=lambda y, x: -0.5 * (k0(x) + kv(_number(2.0, x), x)), sample=interval(POSITIVE))


_FAR = 25.0


def _scaled_derivative(x: Any, *, of: str, n: int) -> Any:
    """The n-th derivative of i0e, i1e, k0e or k1e.

    In closed form it is a difference of terms that grow alike. Far out the asymptotic series (DLMF 10.40) is differentiated
    term by term; nearer, from the second on, ``(1/π) ∫ cos(vθ) e^{-x(1 - cos θ)} dθ`` and ``∫ cosh(vt) e^{-x(cosh t - 1)} dt``
    (DLMF 10.32), by the rule of trapezoids, which converges geometrically for both.
    """
    order, size = int(of[1]), np.abs(np.asarray(x, np.float64))
    with np.errstate(all="ignore"):
        far = size >= _FAR
        w = np.where(far, _FAR, size)
        near = (_near_i if of[0] == "i" else _near_k)(w, order, n)
        w = np.where(far, size, _FAR)
        term, total = w ** (-0.5 - n) * math.prod(0.5 + j for j in range(n)), np.zeros_like(w)
        for k in range(30):
            total += term
            rise = (4 * order * order - (2 * k + 1) ** 2) / (8.0 * (k + 1)) * (0.5 + k + n) / (0.5 + k)
            term = term * (-rise if of[0] == "i" else rise) / w
        scale = math.sqrt(0.5 / math.pi) if of[0] == "i" else math.sqrt(0.5 * math.pi)
        out = np.where(far, (-1.0) ** n * scale * total, near)
        if of[0] == "k":
            out = np.where(np.less(x, 0.0), np.nan, out)
        elif (n + order) % 2:
            out = out * np.sign(x)
        return out.astype(np.asarray(x).dtype)[()]


def _near_i(w: Any, order: int, n: int) -> Any:
    import scipy.special as sp
    if n == 1:
        return sp.i1e(w) - sp.i0e(w) if order == 0 else 0.5 * (sp.i0e(w) + sp.ive(2.0, w)) - sp.i1e(w)
    steps, total = 40 + n, np.zeros_like(w)
    for j in range(1, steps + 1):
        fall = 2.0 * math.sin(0.5 * math.pi * j / steps) ** 2
        total += math.cos(order * math.pi * j / steps) * fall ** n * (0.5 if j == steps else 1.0) * np.exp(-w * fall)
    return (-1.0) ** n / steps * total


def _near_k(w: Any, order: int, n: int) -> Any:
    import scipy.special as sp
    if n == 1:
        out = sp.k0e(w) - sp.k1e(w) if order == 0 else sp.k1e(w) - 0.5 * (sp.k0e(w) + sp.kve(2.0, w))
    else:
        v, total = np.where(w < 1.0, 1.0, w), np.zeros_like(w)
        for t in np.arange(1, 51) * 0.1:
            fall = 2.0 * math.sinh(0.5 * t) ** 2
            total += 0.1 * math.cosh(order * t) * fall ** n * np.exp(-v * fall)
        close = sum(math.comb(n, j) * sp.kvp(order, w, j) for j in range(n + 1)) * np.exp(w)
        out = np.where(w < 1.0, close, (-1.0) ** n * total)
    pole = (-1.0) ** n * math.factorial(n - 1 + order) / w ** (n + order)  # of -log x and 1 / x
    return np.where(w < 1e-20, pole, out)


scaled_derivative: Primitive = elementwise(
    "scaled_derivative", _scaled_derivative, type=lambda x, *, of, n: x,
    partials=lambda y, x, *, of, n: scaled_derivative(x, of=of, n=n + 1),
    sample=lambda rng: [((rng.uniform(*POSITIVE, 3),), {"of": of, "n": n}) for of in ("i0e", "i1e", "k0e", "k1e")
                        for n in (1, 2)])
i0e = special("i0e", partials=lambda y, x: scaled_derivative(x, of="i0e", n=1), kinks=lambda y, x: sign(x),
              sample=interval(ANY))
i1e = special("i1e", partials=lambda y, x: scaled_derivative(x, of="i1e", n=1), sample=interval(ANY))
k0e = special("k0e", partials=lambda y, x: scaled_derivative(x, of="k0e", n=1), sample=interval(POSITIVE))
k1e = special("k1e", partials=lambda y, x: scaled_derivative(x, of="k1e", n=1), sample=interval(POSITIVE))


def _number(value: float, like: Any) -> Any:
    return Const(np.full((), value, like.dtype))


# ---------------------------------------------------------------- hypergeometric and elliptic functions

hyp0f1: Primitive = with_order("hyp0f1", sample=_order_and_argument(), partials=(
    PARAMETER, lambda y, b, z: hyp0f1(b + 1.0, z) / _like(b, z)))
hyp1f1: Primitive = with_order("hyp1f1", sample=interval(POSITIVE, POSITIVE, ANY), partials=(
    PARAMETER, PARAMETER, lambda y, a, b, z: hyp1f1(a + 1.0, b + 1.0, z) * _like(a / b, z)))
hyp2f1: Primitive = with_order("hyp2f1", sample=interval(POSITIVE, POSITIVE, (3.0, 5.0), (-0.8, 0.8), shapes=(
    ((3,),) * 4, ((),) * 4)), partials=(
    PARAMETER, PARAMETER, PARAMETER, lambda y, a, b, c, z: hyp2f1(a + 1.0, b + 1.0, c + 1.0, z) * _like(a * b / c, z)))


def _like(parameter: Any, z: Any) -> Any:
    return parameter if parameter.dtype == z.dtype else convert(parameter, dtype=z.dtype)


def _series(a: float, b: float, c: float, z: Any) -> Any:
    """2F1 with fixed parameters, which are real for complex z too."""
    kind = np.empty(0, z.dtype).real.dtype
    return hyp2f1(*[Const(np.full((), p, kind)) for p in (a, b, c)], z)


ellipk = special("ellipk", partials=lambda y, m: math.pi / 8 * _series(1.5, 1.5, 2.0, m), sample=interval((-2.0, 0.9)))
ellipe = special("ellipe", partials=lambda y, m: -math.pi / 8 * _series(0.5, 1.5, 2.0, m), sample=interval((-2.0, 0.9)))
# 2F1(3/2, 3/2; 2; m) = 2F1(1/2, 1/2; 2; m) / (1 - m) (DLMF 15.8.1), which is finite at m = 1.
ellipkm1 = special("ellipkm1", partials=lambda y, p: -math.pi / 8 * _series(0.5, 0.5, 2.0, 1.0 - p) / p, sample=interval(UNIT))
spence = special("spence", partials=lambda y, z: (
    -_series(1.0, 1.0, 2.0, 1.0 - z) if z.dtype.kind == "c" else -1.0 / exprel(log(z))), sample=complex_too(POSITIVE))

# ---------------------------------------------------------------- exponential, sine and Fresnel integrals

expi = special("expi", partials=lambda y, x: exp(x) / x, sample=complex_too(POSITIVE))
exp1 = special("exp1", partials=lambda y, x: -exp(-x) / x, sample=complex_too(POSITIVE))


def _expn_slope(y: Any, n: Any, x: Any) -> Any:
    """``-E_(n-1)``, and for n = 0, ``E_0 = e^-x/x`` itself. SciPy cuts a float order to an integer."""
    n = trunc(n) if n.dtype.kind == "f" else n
    first = equal(n, 0)
    return select(first, -y * (1.0 + 1.0 / x), -expn(select(first, n, n - 1), x))


expn = with_order("expn", sample=lambda rng: [((np.array([0, 1, 3]), rng.uniform(*POSITIVE, 3)), {})],
               partials=(Missing("the order of expn is an integer"), _expn_slope))


def _several(name: str, count: int, jvp: Callable[..., Any], sample: Any) -> Primitive:
    """A ufunc with several results; `jvp` gives the slope of each."""
    def tangents_of(results: Any, operands: Any, tangents: Any, *, needed: tuple[bool, ...]) -> Any:
        (x,), (t,) = operands, tangents
        slopes = jvp(results, x)
        return tuple([t * s() if n else None for s, n in zip(slopes, needed, strict=True)])
    return elementwise(name, from_scipy(name), type=lambda x: (x,) * count, multiple=True, jvp=tangents_of, ufunc=name,
                       sample=sample)


def _sinc(x: Any) -> Any:
    from wengert.graph import REGISTRY
    return REGISTRY["sinc"](x / math.pi)


def _sinhc(x: Any) -> Any:
    """``sinh(x)/x``: 1 at 0, with its derivatives; the mean of two relative exponentials, of one sign for real x."""
    if x.dtype.kind == "c":
        return _sinc(1j * x)
    from wengert.graph import REGISTRY
    exprel = REGISTRY["exprel"]
    return 0.5 * (exprel(x) + exprel(-x))


sici = _several("sici", 2, lambda r, x: (lambda: _sinc(x), lambda: cos(x) / x), complex_too(POSITIVE))
shichi = _several("shichi", 2, lambda r, x: (lambda: _sinhc(x), lambda: cosh(x) / x), complex_too(POSITIVE))
fresnel = _several("fresnel", 2, lambda r, x: (lambda: sin(square(x) * (0.5 * math.pi)),
                                                  lambda: cos(square(x) * (0.5 * math.pi))), complex_too(ANY))
airy = _several("airy", 4, lambda r, x: (lambda: r[1], lambda: x * r[0], lambda: r[3], lambda: x * r[2]), complex_too(ANY))

# ---------------------------------------------------------------- inverse functions


def _lambertw(z: Any, *, k: int) -> Any:
    import scipy.special
    return np.asarray(scipy.special.lambertw(z, k)).astype(np.asarray(z).dtype)[()]


lambertw = elementwise("lambertw", _lambertw, type=lambda z, *, k: z, partials=lambda y, z, *, k: exp(-y) / (1.0 + y),
                       sample=lambda rng: [((rng.normal(size=3) + 1j * rng.normal(size=3),), {"k": k}) for k in (0, -1, 2)])
wrightomega = special("wrightomega", partials=lambda y, z: y / (1.0 + y), sample=complex_too(POSITIVE))

# ---------------------------------------------------------------- np.i0

numpy_i0 = elementwise("numpy_i0", np.i0, partials=lambda y, x: i1(x), sample=interval(ANY))
