"""Functions of ``scipy.special`` that are no ufuncs, on tracers.

What comes in: SciPy calls with their whole signatures. What goes out: primitives. The one idea: registered by name, so
that SciPy is imported by the user or not at all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.numpy_api.arithmetic import common, write_out
from wengert.frontends.numpy_api.structure import as_array, axes_of
from wengert.frontends.scipy_api import scipy_function
from wengert.frontends.scipy_data import data
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, ufunc_call
from wengert.primitives import bessel, softmax, special
from wengert.primitives import structure as s
from wengert.primitives.spherical import spherical

__all__: list[str] = []


def _floating(x: Any) -> Tracer:
    """An array of floats: integers and booleans become float64."""
    x = as_array(x)
    return x if x.dtype.kind in "fc" else s.convert(x, dtype=np.dtype(float))


def _ufunc(name: str, *operands: Any) -> Any:
    """A ufunc of SciPy on tracers or plain values."""
    import scipy.special
    return ufunc_call(getattr(scipy.special, name), *[as_array(o) if isinstance(o, list) else o for o in operands])


def _plain(x: Any, what: str) -> Any:
    return x.concrete(what) if isinstance(x, Tracer) else x


# ---------------------------------------------------------------- sums of exponentials

@scipy_function("scipy.special.logsumexp")
def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """``scipy.special.logsumexp``; where all is -inf its derivative is 0."""
    operands = [_floating(a)] if b is None else [as_array(x) for x in common(_floating(a), b)]
    shape = np.broadcast_shapes(*[x.shape for x in operands])
    operands = [s.broadcast(x, shape=shape) if x.shape != shape else x for x in operands]
    axes = axes_of(axis, len(shape))
    if return_sign and operands[0].dtype.kind == "c":
        raise UnsupportedError(f"logsumexp(return_sign=True) of complex numbers cannot be traced (at {user_line()}); use "
                               f"logsumexp without it")
    out = softmax.logsumexp(*operands, axes=axes, signed=bool(return_sign))
    out = s.keep_axes(out, axes) if keepdims else out
    if not return_sign:
        return out
    sign = softmax.logsumexp_sign(*operands, axes=axes)
    return out, s.keep_axes(sign, axes) if keepdims else sign


@scipy_function("scipy.special.softmax")
def softmax_(x: Any, axis: Any = None) -> Any:
    """``scipy.special.softmax``."""
    x = _floating(x)
    return softmax.softmax(x, axes=axes_of(axis, x.ndim))


@scipy_function("scipy.special.log_softmax")
def log_softmax(x: Any, axis: Any = None) -> Any:
    """``scipy.special.log_softmax``."""
    x = _floating(x)
    return softmax.log_softmax(x, axes=axes_of(axis, x.ndim))


@scipy_function("scipy.special.softplus")
def softplus(x: Any, **kwargs: Any) -> Any:
    """``scipy.special.softplus``: log(1 + e^x)."""
    return ufunc_call(np.logaddexp, 0, _floating(x), **kwargs)


# ---------------------------------------------------------------- gamma and relatives

@scipy_function("scipy.special.polygamma")
def polygamma(n: Any, x: Any) -> Any:
    """``scipy.special.polygamma``, in double precision as there; the orders are constants."""
    orders, x = np.asarray(_plain(n, "the order of polygamma")), _floating(x)
    if np.any(orders != np.floor(orders)):
        raise UnsupportedError(f"polygamma at {user_line()} is differentiated for whole orders only")
    if x.dtype == np.float32:
        x = s.convert(x, dtype=np.dtype(float))
    shape = np.broadcast_shapes(orders.shape, x.shape)
    out = None
    for k in np.unique(orders):
        value = s.broadcast(special.polygamma(x, n=int(k)), shape=shape)
        out = value if out is None else s.select(np.broadcast_to(orders == k, shape), value, out)
    return s.broadcast(x, shape=shape) if out is None else out


@scipy_function("scipy.special.multigammaln")
def multigammaln(a: Any, d: Any) -> Any:
    """``scipy.special.multigammaln``: ``d(d-1)/4 log π + Σ gammaln(a - (j-1)/2)``."""
    a = _floating(a)
    given = np.asarray(_plain(d, "the dimension of multigammaln"))
    if given.ndim or np.floor(given) != given:
        raise ValueError("d should be a positive integer (dimension)")
    d = int(given)
    if a.value is not None and np.any(a.value <= 0.5 * (d - 1)):
        raise ValueError(f"condition a ({a.value}) > 0.5 * (d-1) ({0.5 * (d - 1)}) not met")
    terms = [_ufunc("gammaln", a - (j - 1.0) / 2) for j in range(1, d + 1)]
    return (d * (d - 1) * 0.25) * np.log(np.pi) + FUNCTIONS[np.sum](FUNCTIONS[np.stack](terms), axis=0)


@scipy_function("scipy.special.comb")
def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    """``scipy.special.comb``: by gamma functions unless exact."""
    if exact:
        import scipy.special
        return scipy.special.comb(_plain(N, "comb"), _plain(k, "comb"), exact=True, repetition=repetition)
    n, k = _floating(N), _floating(k)
    if repetition:
        trivial = ufunc_call(np.logical_and, k == 0, n >= 0)
        return FUNCTIONS[np.where](trivial, 1.0, _ufunc("binom", n + k - 1, k))
    inside = ufunc_call(np.logical_and, ufunc_call(np.logical_and, k <= n, n >= 0), k >= 0)
    return FUNCTIONS[np.where](inside, _ufunc("binom", n, k), 0.0)


@scipy_function("scipy.special.factorial")
def factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    """``scipy.special.factorial``: gamma(n + 1); 0 for negative n unless ``extend="complex"``."""
    if exact:
        import scipy.special
        return scipy.special.factorial(_plain(n, "factorial"), exact=True, extend=extend)
    x = _floating(n)
    out = _ufunc("gamma", x + 1)
    return FUNCTIONS[np.where](x < 0, 0.0, out) if extend == "zero" else out


@scipy_function("scipy.special.zeta")
def zeta(x: Any, q: Any = None, out: Any = None) -> Any:
    """``scipy.special.zeta``: differentiable in q only."""
    x = _floating(x)
    result = special.riemann_zeta(x) if q is None else special.zeta(*common(x, _floating(q)))
    return result if out is None else write_out(out, result)


# ---------------------------------------------------------------- others

@scipy_function("scipy.special.lambertw")
def lambertw(z: Any, k: Any = 0, tol: float = 1e-8) -> Any:
    """``scipy.special.lambertw``, of one branch; the result is complex."""
    branch = np.asarray(_plain(k, "the branch of lambertw"))
    if branch.ndim:
        raise UnsupportedError(f"lambertw of several branches at once (at {user_line()}); call it once for each")
    z = _floating(z)
    return bessel.lambertw(z if z.dtype == np.complex128 else s.convert(z, dtype=np.dtype(complex)), k=int(branch))


# ---------------------------------------------------------------- spherical Bessel functions, derivatives of Bessel functions

def _order(n: Any) -> Any:
    """The order of a Bessel function, which is not differentiated."""
    plain = np.asarray(_plain(n, "the order of a Bessel function"))
    if isinstance(n, Tracer) and n.build is not None and n.dtype.kind not in "biu":
        raise UnsupportedError(f"the derivative in the order of a Bessel function is not known (at {user_line()}); take it "
                               f"from outside of what is differentiated")
    return plain


def _by_order(orders: Any, x: Any, one: Any) -> Any:
    """``one(n, x)`` for each order n, which are whole constants and broadcast against x."""
    orders, x = _order(orders), data(x)
    if np.any(orders != np.floor(orders)) or np.any(orders < 0):
        raise UnsupportedError(f"orders of spherical Bessel functions are whole numbers from 0 on (at {user_line()})")
    shape, out = np.broadcast_shapes(orders.shape, x.shape), None
    for n in np.unique(orders):
        value = s.broadcast(one(int(n), x), shape=shape)
        out = value if out is None else s.select(np.broadcast_to(orders == n, shape), value, out)
    return s.broadcast(x, shape=shape) if out is None else out


def _spherical(name: str, below: float, above: float) -> None:
    primitive = spherical[name]

    def function(n: Any, z: Any, derivative: bool = False) -> Any:
        def one(n: int, z: Any) -> Any:
            if not derivative:
                return primitive(z, n=n)
            after = primitive(z, n=n + 1) * above
            return after if not n else (primitive(z, n=n - 1) * (below * n) + after * (n + 1.0)) / (2.0 * n + 1.0)
        return _by_order(n, z, one)
    scipy_function(f"scipy.special.{name}")(function)


for _name, _below, _above in (("spherical_jn", 1.0, -1.0), ("spherical_yn", 1.0, -1.0), ("spherical_in", 1.0, 1.0),
                              ("spherical_kn", -1.0, -1.0)):
    _spherical(_name, _below, _above)


def _derivatives(name: str, ufunc: str, sign: float, outer: float) -> None:
    """``f_v^(n) = (outer / 2)^n Σ_i sign^i C(n, i) f_{v - n + 2i}`` (DLMF 10.6.7, 10.29.5)."""
    import math

    def function(v: Any, z: Any, n: int = 1) -> Any:
        n = int(_plain(n, f"the order of scipy.special.{name}"))
        v = _order(v)
        total = None
        for i in range(n + 1):
            term = _ufunc(ufunc, v - n + 2.0 * i, _floating(z)) * (sign ** i * math.comb(n, i) * (0.5 * outer) ** n)
            total = term if total is None else total + term
        return total
    scipy_function(f"scipy.special.{name}")(function)


for _name, _of, _sign, _outer in (("jvp", "jv", -1.0, 1.0), ("yvp", "yv", -1.0, 1.0), ("ivp", "iv", 1.0, 1.0),
                                  ("kvp", "kv", 1.0, -1.0), ("h1vp", "hankel1", -1.0, 1.0), ("h2vp", "hankel2", -1.0, 1.0)):
    _derivatives(_name, _of, _sign, _outer)


@scipy_function("scipy.special.perm")
def perm(N: Any, k: Any, exact: bool = False) -> Any:
    """``scipy.special.perm``: ``(N - k + 1)`` to the rising power k."""
    if exact:
        raise UnsupportedError(f"perm(exact=True) at {user_line()} counts in whole numbers; use exact=False")
    N, k = _floating(N), np.asarray(_plain(k, "k of perm"), float)
    inside = (k <= (N.value if N.value is not None else N)) & (k >= 0)
    return FUNCTIONS[np.where](inside, _ufunc("poch", N - k + 1.0, k), 0.0)
