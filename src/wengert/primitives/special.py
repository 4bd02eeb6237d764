"""Special functions of SciPy: error functions, gamma and beta, logistic and information-theoretic ones.

What comes in: names of ufuncs of ``scipy.special``. What goes out: primitives with their partials. The one idea: a
derivative that cancels in its textbook form (``1 - 2 x dawsn(x)``, ``psi(a) - psi(a + b)``) gets a function of its own that
does not, closed under differentiation. SciPy is imported when a value is first asked for.

Formulas are in Abramowitz and Stegun and in the NIST Digital Library of Mathematical Functions (DLMF), chapters 5, 7 and 8.
Edges: ``xlogy`` and ``entr`` have their one-sided slopes at 0 (``log y`` and infinity); ``huber`` and ``pseudo_huber`` have 0
where both arguments are 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.graph import ArrayType, Const, Missing, Primitive
from wengert.primitives.elementary import (
    absolute,
    cbrt_partial,
    cosine,
    exp,
    expm1,
    log,
    log1p,
    sign,
    sin,
    tanh,
)
from wengert.primitives.elementwise import ANY, broadcast_type, elementwise, equal, greater, logical_and
from wengert.primitives.sampling import complex_too, interval
from wengert.primitives.structure import select

__all__ = ["POSITIVE", "UNIT", "erf", "erfc", "expit", "gammaln", "last_dtype", "polygamma", "psi", "special", "with_order"]

POSITIVE = (0.4, 3.0)
UNIT = (0.1, 0.9)
ROOT_PI = math.sqrt(math.pi)
ROOT_TWO_PI = math.sqrt(2.0 * math.pi)


def from_scipy(name: str) -> Callable[..., Any]:
    """Evaluation by the function of that name in ``scipy.special``."""
    def evaluate(*operands: Any) -> Any:
        import scipy.special
        return getattr(scipy.special, name)(*operands)
    return evaluate


def special(name: str, *, partials: Any, sample: Any, ufunc: str | None = None, **slots: Any) -> Any:
    """The primitive of a ufunc of ``scipy.special``; `ufunc` is its name there, if another."""
    return elementwise(name, from_scipy(ufunc or name), partials=partials, sample=sample, ufunc=ufunc or name, **slots)


def with_order(name: str, *, partials: Any, sample: Any, **slots: Any) -> Any:
    """The same for a ufunc whose orders or parameters may be of another dtype than its argument, the last operand."""
    found = from_scipy(name)
    return elementwise(name, lambda *operands: _cast(found(*operands), operands[-1]), type=last_dtype, partials=partials,
                       sample=sample, ufunc=name, **slots)


def last_dtype(*types: ArrayType) -> ArrayType:
    """Orders and parameters may be integers or real where the argument, the last operand, is complex."""
    return ArrayType(np.broadcast_shapes(*[t.shape for t in types]), types[-1].dtype)


def zero_where(p: Any, x: Any) -> Any:
    """0 where p holds, else x."""
    return select(p, Const(np.zeros((), x.dtype)), x)


def _cast(value: Any, like: Any) -> Any:
    return np.asarray(value).astype(np.asarray(like).dtype)[()]


# ---------------------------------------------------------------- error functions

erf = special("erf", partials=lambda y, x: 2.0 / ROOT_PI * exp(-(x * x)), sample=complex_too(ANY))
erfc = special("erfc", partials=lambda y, x: -2.0 / ROOT_PI * exp(-(x * x)), sample=complex_too(ANY))
erfi = special("erfi", partials=lambda y, x: 2.0 / ROOT_PI * exp(x * x), sample=complex_too(ANY))
erfinv = special("erfinv", partials=lambda y, x: 0.5 * ROOT_PI * exp(y * y), sample=interval((-0.9, 0.9)))
erfcinv = special("erfcinv", partials=lambda y, x: -0.5 * ROOT_PI * exp(y * y), sample=interval((0.1, 1.9)))


def _erfcx_derivative(x: Any, *, n: int) -> Any:
    """``d^n erfcx = (-2)^n n! e^{x²} iⁿerfc(x)`` (DLMF 7.18.6), by the recurrence of iⁿerfc (7.18.7).

    Forward it is stable to the left; to the right the ratios of neighbors are a continued fraction (Gautschi 1961).
    """
    import scipy.special
    z = np.asarray(x, np.complex128 if np.iscomplexobj(x) else np.float64)
    with np.errstate(all="ignore"):
        base = scipy.special.erfcx(z)
        before, here = np.full_like(z, 2.0 / ROOT_PI), base
        for k in range(1, n + 1):
            before, here = here, (before - 2.0 * z * here) / (2.0 * k)
        right = np.real(z) > 1.0
        if np.any(right):
            w = np.where(right, z, 1.0)
            ratio, product = np.zeros_like(w), base
            for k in range(n + 200, 0, -1):
                ratio = 1.0 / (2.0 * w + 2.0 * (k + 1) * ratio)
                if k <= n:
                    product = product * ratio
            here = np.where(right, product, here)
    return _cast((-2.0) ** n * math.factorial(n) * here, x)


def _orders(bounds: tuple[float, float], complex_: bool = False, orders: tuple[int, ...] = (1, 2)) -> Any:
    """Samples of a family numbered by n."""
    def sample(rng: np.random.Generator) -> Any:
        out: list[Any] = [((rng.uniform(*bounds, 3),), {"n": n}) for n in orders] + [((rng.uniform(*bounds),), {"n": 1})]
        if complex_:
            out.append(((rng.uniform(*bounds, 3) + 1j * rng.uniform(0.1, 1.0, 3),), {"n": 1}))
        return out
    return sample


def family(name: str, evaluate: Callable[..., Any], sample: Any) -> Any:
    """A function numbered by n, whose derivative is the next one."""
    primitive: Primitive = elementwise(name, evaluate, type=lambda x, *, n: x, sample=sample,
                            partials=lambda y, x, *, n: primitive(x, n=n + 1))
    return primitive


erfcx_derivative = family("erfcx_derivative", _erfcx_derivative, _orders((-2.0, 4.0), True))
erfcx = special("erfcx", partials=lambda y, x: erfcx_derivative(x, n=1), sample=complex_too(ANY))
# w(z) = erfcx(-iz)
wofz = special("wofz", partials=lambda y, z: -1j * erfcx_derivative(-1j * z, n=1),
               sample=lambda rng: [((rng.normal(size=3) + 1j * rng.normal(size=3),), {})])


def _dawsn_derivative(x: Any, *, n: int) -> Any:
    """The n-th derivative of Dawson's integral: from ``D' = 1 - 2xD``; far out by the asymptotic series (DLMF 7.12)."""
    import scipy.special
    z = np.asarray(x, np.complex128 if np.iscomplexobj(x) else np.float64)
    before, here = scipy.special.dawsn(z), 1.0 - 2.0 * z * scipy.special.dawsn(z)
    for k in range(1, n):
        before, here = here, -2.0 * z * here - 2.0 * k * before
    far = (np.abs(z) > 8.0) & (not np.iscomplexobj(z))
    if np.any(far):
        w = np.where(far, z, 9.0)
        total, odd = np.zeros_like(w), 0.5
        for k in range(26):
            total += odd * math.perm(2 * k + n, n) / w ** (2 * k + 1 + n)
            odd *= (2 * k + 1) / 2.0
        here = np.where(far, (-1.0) ** n * total, here)
    return _cast(here, x)


dawsn_derivative = family("dawsn_derivative", _dawsn_derivative, _orders(ANY, True))
dawsn = special("dawsn", partials=lambda y, x: dawsn_derivative(x, n=1), sample=complex_too(ANY))

# ---------------------------------------------------------------- the normal distribution


ndtr = special("ndtr", partials=lambda y, x: exp(-0.5 * (x * x)) / ROOT_TWO_PI, sample=complex_too(ANY))


def _log_ndtr_derivative(x: Any, *, n: int) -> Any:
    """The n-th derivative of ``log ndtr``: of m = density / distribution function, which has ``m' = -m (x + m)``.

    To the left that cancels; there ``m = s + 1/(s + 2/(s + 3/...))`` with s = -x (Laplace; DLMF 7.9.2), and the derivatives of
    the fraction are taken level by level, where all terms have one sign but for a small part.
    """
    import scipy.special
    if n == 1 or np.iscomplexobj(x):
        z = np.asarray(x, np.result_type(x, np.float64))
        return _cast(_log_ndtr_upward(z, math.sqrt(2.0 / math.pi) / scipy.special.erfcx(z * -math.sqrt(0.5)), n), x)
    z = np.asarray(x, np.float64)
    with np.errstate(all="ignore"):
        left = z < -1.5
        s = np.where(left, -z, 2.0)
        jet = [np.zeros_like(s) for _ in range(n)]  # Taylor coefficients of a level in s
        for k in range(60 + int(600 / np.min(s, initial=2.0) ** 2), 0, -1):
            jet = _divided(float(k), [s + jet[0], *[c + (j == 1) for j, c in enumerate(jet[1:], 1)]])
        far = [s + jet[0], *[c + (j == 1) for j, c in enumerate(jet[1:], 1)]][n - 1]
        near = np.where(left, 0.0, z)
        mills = np.exp(-0.5 * near * near) / ROOT_TWO_PI / scipy.special.ndtr(near)
        out = np.where(left, (-1.0) ** (n - 1) * math.factorial(n - 1) * far, _log_ndtr_upward(near, mills, n))
        return _cast(np.where(z == -np.inf, -1.0 if n == 2 else 0.0, np.where(z == np.inf, 0.0, out)), x)


def _divided(number: float, jet: list[Any]) -> list[Any]:
    """The Taylor coefficients of a number over a series."""
    out = [number / jet[0]]
    for k in range(1, len(jet)):
        out.append(-sum((jet[j] * out[k - j] for j in range(1, k + 1)), np.zeros_like(jet[0])) / jet[0])
    return out


def _log_ndtr_upward(z: Any, mills: Any, n: int) -> Any:
    """``m' = -m (x + m)``, differentiated by the rule of Leibniz."""
    found = [mills]
    for k in range(n - 1):
        rest = [found[0] + z, *[d + (j == 1) for j, d in enumerate(found[1:], 1)]]
        found.append(-sum(math.comb(k, j) * found[j] * np.where(found[j] == 0.0, 0.0, rest[k - j]) for j in range(k + 1)))
    return found[n - 1]


log_ndtr_derivative = family("log_ndtr_derivative", _log_ndtr_derivative, _orders((-6.0, 2.0), True))
log_ndtr = special("log_ndtr", partials=lambda y, x: log_ndtr_derivative(x, n=1), sample=complex_too(ANY))
ndtri = special("ndtri", partials=lambda y, p: ROOT_TWO_PI * exp(0.5 * (y * y)), sample=interval(UNIT))
ndtri_exp = special("ndtri_exp", partials=lambda y, x: 1.0 / log_ndtr_derivative(y, n=1), sample=interval((-3.0, -0.2)))
owens_t = special("owens_t", sample=interval(ANY, ANY), partials=(
    lambda y, h, a: erf(a * h * math.sqrt(0.5)) * exp(-0.5 * (h * h)) * (-0.5 / ROOT_TWO_PI),
    lambda y, h, a: exp(-0.5 * (h * h) * (1.0 + a * a)) / (2.0 * math.pi * (1.0 + a * a))))

# ---------------------------------------------------------------- gamma and polygamma


_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)


def _hurwitz(s: int, q: Any) -> Any:
    """``Σ (q + k)^-s`` for complex q, by Euler and Maclaurin (DLMF 25.11.28)."""
    steps = 20 + int(max(0.0, -np.min(np.real(q), initial=0.0)))
    if steps > 100_000:
        return np.full_like(q, np.nan)
    total = np.zeros_like(q)
    for k in range(steps):
        total += (q + k) ** -s
    w = q + steps
    total += w ** (1 - s) / (s - 1) + 0.5 * w ** -s
    rising = float(s)
    for j, b in enumerate(_BERNOULLI, 1):
        total += b / math.factorial(2 * j) * rising * w ** (1 - s - 2 * j)
        rising *= (s + 2 * j - 1) * (s + 2 * j)
    return total


def _polygamma(x: Any, *, n: int) -> Any:
    import scipy.special
    if n == 0:
        return scipy.special.psi(x)
    if np.iscomplexobj(x):
        z = np.asarray(x, np.complex128)
        with np.errstate(all="ignore"):
            return _cast((-1.0) ** (n + 1) * math.factorial(n) * _hurwitz(n + 1, z), x)
    return _cast(scipy.special.polygamma(n, x), x)


polygamma = family("polygamma", _polygamma, _orders(POSITIVE, True, (0, 1, 3)))
psi = special("psi", partials=lambda y, x: polygamma(x, n=1), sample=complex_too(POSITIVE))
gamma = special("gamma", partials=lambda y, x: y * psi(x), sample=complex_too(POSITIVE))
gammaln = special("gammaln", partials=lambda y, x: psi(x), sample=interval(POSITIVE))
loggamma = special("loggamma", partials=lambda y, x: psi(x), sample=complex_too(POSITIVE))
gammasgn = special("gammasgn", partials=None, differentiable=False, sample=interval(POSITIVE))


def _rgamma_partial(y: Any, x: Any) -> Any:
    """``-psi/gamma``; to the left by reflection, ``1/gamma(x) = sin(πx) gamma(1-x) / π``, which passes through the zeros."""
    from wengert.graph import REGISTRY
    if x.dtype.kind == "c":
        return -psi(x) * y
    left = greater(0.5, x)
    inner, outer = select(left, x, Const(np.zeros((), x.dtype))), select(left, Const(np.ones((), x.dtype)), x)
    mirrored = gamma(1.0 - inner)
    turn = math.pi * inner
    reflected = mirrored * (REGISTRY["cos"](turn) - sin(turn) * psi(1.0 - inner) / math.pi)
    return select(left, reflected, -psi(outer) * y)


rgamma = special("rgamma", partials=_rgamma_partial, sample=complex_too(POSITIVE))


def _psi_rise(a: Any, b: Any, *, n: int) -> Any:
    """``psi⁽ⁿ⁾(a + b) - psi⁽ⁿ⁾(a)``, accurate where the two are nearly equal.

    The recurrence moves a up to 10 + n (all terms have one sign); there the asymptotic series (DLMF 5.11.2, 5.15.9) is
    subtracted term by term.
    """
    x, d = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    with np.errstate(all="ignore"):
        plain = _polygamma(x + d, n=n) - _polygamma(x, n=n)
        inside = (x > 0) & (x + d > 0)
        low, rise = np.where(inside, x, 1.0), np.where(inside, d, 0.0)
        sign = (-1.0) ** (n + 1)

        def fallen(power: int) -> Any:
            """``(low + rise)^-power - low^-power``."""
            return low ** -power * np.expm1(-power * np.log1p(rise / low))
        total = np.zeros_like(low)
        for _ in range(10 + n):
            step = low < 10.0 + n
            total += np.where(step, rise / (low * (low + rise)) if n == 0 else sign * math.factorial(n) * fallen(n + 1), 0.0)
            low = low + step
        ratio = np.log1p(rise / low)
        if n == 0:
            total += ratio + 0.5 * rise / (low * (low + rise))
        else:
            total += sign * (math.factorial(n - 1) * fallen(n) + 0.5 * math.factorial(n) * fallen(n + 1))
        for j, bernoulli in enumerate(_BERNOULLI[:7], 1):
            total += sign * bernoulli * (math.factorial(2 * j + n - 1) / math.factorial(2 * j)) * fallen(2 * j + n)
        return _cast(np.where(inside, total, plain), a)


_psi_rise_of: Primitive = elementwise(
    "psi_rise", _psi_rise, type=lambda a, b, *, n: broadcast_type(a, b), partials=(
        lambda y, a, b, *, n: _psi_rise_of(a, b, n=n + 1), lambda y, a, b, *, n: polygamma(a + b, n=n + 1)),
    sample=lambda rng: [((rng.uniform(*POSITIVE, 3), rng.uniform(*POSITIVE, 3)), {"n": n}) for n in (0, 1)])


def psi_rise(a: Any, b: Any) -> Any:
    """``psi(a + b) - psi(a)``."""
    return _psi_rise_of(a, b, n=0)


poch = special("poch", sample=interval(POSITIVE, POSITIVE), partials=(
    lambda y, z, m: y * psi_rise(z, m), lambda y, z, m: y * psi(z + m)))
beta = special("beta", sample=interval(POSITIVE, POSITIVE), partials=(
    lambda y, a, b: -y * psi_rise(a, b), lambda y, a, b: -y * psi_rise(b, a)))
betaln = special("betaln", sample=interval(POSITIVE, POSITIVE), partials=(
    lambda y, a, b: -psi_rise(a, b), lambda y, a, b: -psi_rise(b, a)))
binom = special("binom", sample=interval((3.2, 6.0), (0.4, 2.0)), partials=(
    lambda y, n, k: y * psi_rise(n - k + 1.0, k), lambda y, n, k: y * (psi(n - k + 1.0) - psi(k + 1.0))))
ZETA = Missing("the derivative of the zeta function with regard to its exponent is not known")
riemann_zeta = elementwise("riemann_zeta", from_scipy("zeta"), partials=(ZETA,), sample=complex_too((2.0, 4.0)))
zeta: Primitive = special("zeta_of_two", ufunc="zeta", sample=interval((2.0, 4.0), POSITIVE), partials=(
    ZETA, lambda y, x, q: -x * zeta(x + 1.0, q)))

# ---------------------------------------------------------------- logistic



def _logistic_density(x: Any) -> Any:
    with np.errstate(under="ignore"):
        fall = np.exp(-np.abs(x))
        return fall / np.square(1.0 + fall)


# σ(x) σ(-x), the derivative of the logistic function σ; its own is stated, for σ(-x) - σ(x) has no digit left near 0.
logistic_density: Primitive = elementwise("logistic_density", _logistic_density, sample=interval(ANY),
                                          partials=lambda y, x: -y * tanh(0.5 * x))
expit = special("expit", partials=lambda y, x: logistic_density(x), sample=interval(ANY))
logit = special("logit", partials=lambda y, x: 1.0 / (x * (1.0 - x)), sample=interval(UNIT))
log_expit = special("log_expit", partials=lambda y, x: expit(-x), sample=interval(ANY))

# ---------------------------------------------------------------- logarithms, entropies, losses


def _ratio(x: Any, y: Any) -> Any:
    """x / y; 0 where both are 0, for the function is constantly 0 along x = 0."""
    return zero_where(logical_and(equal(x, 0.0), equal(y, 0.0)), x / y)


def _log_ratio(x: Any, y: Any) -> Any:
    with np.errstate(all="ignore"):
        ratio = np.divide(x, y)
        out_of_range = (np.abs(ratio) < np.finfo(np.asarray(ratio).dtype).tiny) | np.isinf(ratio)
        return np.where(out_of_range, np.log(x) - np.log(y), np.log(ratio))[()]


# log(x / y): its derivatives are those of two logarithms, and the quotient may be out of range.
log_ratio = elementwise("log_ratio", _log_ratio, sample=interval(POSITIVE, POSITIVE), partials=(
    lambda out, x, y: 1.0 / x, lambda out, x, y: -1.0 / y))
xlogy = special("xlogy", sample=complex_too(POSITIVE, POSITIVE), partials=(
    lambda out, x, y: log(y), lambda out, x, y: _ratio(x, y)))
xlog1py = special("xlog1py", sample=complex_too(POSITIVE, POSITIVE), partials=(
    lambda out, x, y: log1p(y), lambda out, x, y: _ratio(x, 1.0 + y)))
entr = special("entr", partials=lambda y, x: -1.0 - log(x), sample=interval(POSITIVE))
rel_entr = special("rel_entr", sample=interval(POSITIVE, POSITIVE), partials=(
    lambda out, x, y: 1.0 + log_ratio(x, y), lambda out, x, y: -_ratio(x, y)))


def _gap_ratio(x: Any, y: Any) -> Any:
    with np.errstate(all="ignore"):
        x, y = np.asarray(x), np.asarray(y)
        return np.where((x == 0.0) & (y == 0.0), 0.0, (y - x) / y).astype(x.dtype)[()]


# (y - x) / y, and 0 where both are 0; in y it rises by x / y², not by the difference of 1 / y and (y - x) / y².
gap_ratio = elementwise("gap_ratio", _gap_ratio, sample=interval(POSITIVE, POSITIVE), partials=(
    lambda out, x, y: -1.0 / y, lambda out, x, y: _ratio(_ratio(x, y), y)))
kl_div = special("kl_div", sample=interval(POSITIVE, POSITIVE), partials=(
    lambda out, x, y: log_ratio(x, y), lambda out, x, y: gap_ratio(x, y)))


def _huber_slope(y: Any, delta: Any, r: Any) -> Any:
    return select(greater(absolute(r), delta), sign(r) * delta, r)


def _huber_delta(y: Any, delta: Any, r: Any) -> Any:
    return select(greater(absolute(r), delta), absolute(r) - delta, Const(np.zeros((), y.dtype)))


huber = special("huber", partials=(_huber_delta, _huber_slope), sample=interval((0.5, 1.0), (-3.0, 3.0)))


def _pseudo_huber_delta(y: Any, delta: Any, r: Any) -> Any:
    """``δ (s - 1)² / s`` with ``s = √(1 + (r/δ)²)``: ``r sin t tan²(t/2)`` of the angle t whose tangent is r/δ."""
    rise = cosine(r, delta)
    half = rise / (1.0 + cosine(delta, r))
    return r * rise * (half * half)


def _pseudo_huber_slope(y: Any, delta: Any, r: Any) -> Any:
    return delta * cosine(r, delta)


pseudo_huber = special("pseudo_huber", partials=(_pseudo_huber_delta, _pseudo_huber_slope),
                       sample=interval((0.5, 1.0), (-3.0, 3.0)))

# ---------------------------------------------------------------- exponentials


def _exprel_derivative(x: Any, *, n: int) -> Any:
    """``∫₀¹ tⁿ e^{xt} dt``, the n-th derivative of ``(e^x - 1)/x``.

    A series with terms of one sign for |x| < n + 10 (Kummer's transformation to the left, DLMF 13.2.39), else
    integration by parts, which is stable there.
    """
    z = np.asarray(x, np.float64)
    with np.errstate(all="ignore"):
        reach = n + 10.0
        small = np.clip(z, -reach, reach)
        size, positive = np.abs(small), np.zeros_like(small)
        term = np.ones_like(small)
        negative = np.zeros_like(small)
        other = np.full_like(small, 1.0 / (n + 1))
        for k in range(60 + 4 * n):
            positive += term / (k + n + 1)
            negative += other
            term = term * size / (k + 1)
            other = other * size / (k + n + 2)
        series = np.where(small >= 0, positive, np.exp(small) * negative)
        big = np.where(np.abs(z) > reach, z, 1.0)
        up = big > 0  # there all of it over e^x, which may overflow
        size = np.where(up, 1.0, np.exp(-np.abs(big)))
        parts = np.where(up, -np.expm1(-big), np.expm1(np.minimum(big, 0.0))) / big
        for k in range(1, n + 1):
            parts = (size - k * parts) / big
        half = np.where(up, np.exp(0.5 * big), 1.0)
        parts = np.where(z == np.inf, np.inf, half * parts * half)
        return _cast(np.where(np.abs(z) > reach, parts, series), x)


exprel_derivative = family("exprel_derivative", _exprel_derivative, _orders((-3.0, 3.0)))
exprel = special("exprel", partials=lambda y, x: exprel_derivative(x, n=1), sample=interval(ANY))
cosm1 = special("cosm1", partials=lambda y, x: -sin(x), sample=interval(ANY))
exp10 = special("exp10", partials=lambda y, x: math.log(10.0) * y, sample=interval(ANY))
special("special_exp2", ufunc="exp2", partials=lambda y, x: math.log(2.0) * y, sample=interval(ANY))
special("special_expm1", ufunc="expm1", partials=lambda y, x: exp(x), sample=complex_too(ANY))
special("special_log1p", ufunc="log1p", partials=lambda y, x: 1.0 / (1.0 + x), sample=complex_too((-0.5, 2.0)))
special("special_cbrt", ufunc="cbrt", partials=cbrt_partial, sample=interval(POSITIVE))
special("special_round", ufunc="round", partials=None, differentiable=False, sample=interval(ANY))
powm1 = special("powm1", sample=interval(POSITIVE, ANY), partials=(
    lambda out, x, y: y * (x ** (y - 1.0)), lambda out, x, y: (x ** y) * log(x)))

# ---------------------------------------------------------------- the transformations of Box and Cox


def _boxcox(name: str, logarithm: Any, sample: Any) -> Any:
    """``exprel(λ L) L`` with L the logarithm: smooth through λ = 0."""
    def slope(y: Any, x: Any, rate: Any) -> Any:
        return (x if logarithm is log else 1.0 + x) ** (rate - 1.0)

    def rate_slope(y: Any, x: Any, rate: Any) -> Any:
        level = logarithm(x)
        return level * level * exprel_derivative(rate * level, n=1)
    return special(name, partials=(slope, rate_slope), sample=sample)


def _inv_boxcox(name: str, inverse: Any, sample: Any) -> Any:
    """With L the logarithm of the result (plus 1), ``L exprel(λ L) = y``, so ``dL = (dy - L² exprel'(λ L) dλ) e^{-λ L}``."""
    def parts(out: Any) -> Any:
        return (log(out), out) if inverse is exp else (log1p(out), 1.0 + out)

    def slope(out: Any, y: Any, rate: Any) -> Any:
        level, size = parts(out)
        return size * exp(-rate * level)

    def rate_slope(out: Any, y: Any, rate: Any) -> Any:
        level, size = parts(out)
        return -size * (level * level * exprel_derivative(rate * level, n=1)) * exp(-rate * level)
    return special(name, partials=(slope, rate_slope), sample=sample)


boxcox = _boxcox("boxcox", log, interval(POSITIVE, ANY))
boxcox1p = _boxcox("boxcox1p", log1p, interval(POSITIVE, ANY))
inv_boxcox = _inv_boxcox("inv_boxcox", exp, interval(POSITIVE, (0.2, 2.0)))
inv_boxcox1p = _inv_boxcox("inv_boxcox1p", expm1, interval(POSITIVE, (0.2, 2.0)))

# ---------------------------------------------------------------- angles in degrees

DEGREE = math.pi / 180.0
sindg = special("sindg", partials=lambda y, x: DEGREE * cosdg(x), sample=interval((-80.0, 80.0)))
cosdg: Primitive = special("cosdg", partials=lambda y, x: -DEGREE * sindg(x), sample=interval((-80.0, 80.0)))
tandg = special("tandg", partials=lambda y, x: DEGREE * (1.0 + y * y), sample=interval((-80.0, 80.0)))
cotdg = special("cotdg", partials=lambda y, x: -DEGREE * (1.0 + y * y), sample=interval((10.0, 80.0)))
