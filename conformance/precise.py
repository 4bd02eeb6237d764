"""NumPy programs in mpmath: the same program, in as many digits as wanted.

What comes in: the names that a case uses. What goes out: `NP`, `SP` and `MATH`, for `np`, `sp` and `math`, on object arrays of
mpmath numbers. The one idea: NumPy's own machinery (broadcasting, indexing, writes, sums, products) works on arrays of objects,
so only functions of numbers and matrix factorizations have to be given.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy
from mpmath import mp


def elementwise(function: Callable[..., Any], count: int = 1) -> Callable[..., Any]:
    apply = numpy.frompyfunc(lambda *xs: function(*[mp.mpmathify(x) for x in xs]), count, 1)
    return lambda *xs, **_: apply(*xs)


def numbers(a: Any) -> numpy.ndarray:
    """An object array of mpmath numbers."""
    return numpy.frompyfunc(mp.mpmathify, 1, 1)(numpy.asarray(a, dtype=object)) + mp.zero


def matrix(a: Any) -> Any:
    return mp.matrix(numpy.asarray(a, dtype=object).tolist())


def array(m: Any) -> numpy.ndarray:
    return numpy.array(m.tolist(), dtype=object).reshape(m.rows, m.cols)


def solve(a: Any, b: Any) -> numpy.ndarray:
    b = numpy.asarray(b, dtype=object)
    columns = [array(mp.lu_solve(matrix(a), matrix(b.reshape(len(b), -1)[:, k : k + 1]))) for k in range(b.size // len(b))]
    return numpy.concatenate(columns, axis=1).reshape(b.shape)


def eigh(a: Any, **_: Any) -> tuple[numpy.ndarray, numpy.ndarray]:
    a = numpy.asarray(a, dtype=object)
    lower = numpy.tril(a) + numpy.tril(a, -1).T  # NumPy reads the lower triangle
    w, q = mp.eigsy(matrix(lower))
    return array(w).ravel(), array(q)


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    u, s, v = mp.svd_r(matrix(a))
    return (array(u), array(s).ravel(), array(v)) if compute_uv else array(s).ravel()


def qr(a: Any) -> tuple[numpy.ndarray, numpy.ndarray]:
    q, r = mp.qr(matrix(a), mode="skinny")
    return array(q), array(r)


def slogdet(a: Any) -> tuple[Any, Any]:
    d = mp.det(matrix(a))
    return mp.sign(d), mp.log(abs(d))


def det(a: Any) -> Any:
    """By cofactors, which singular matrices do not disturb."""
    return a[0, 0] if len(a) == 1 else sum((-1) ** k * a[0, k] * det(numpy.delete(a[1:], k, axis=1)) for k in range(len(a)))


def pinv(a: Any) -> numpy.ndarray:
    a = numpy.asarray(a, dtype=object)
    return solve(a.T @ a, a.T) if a.shape[0] >= a.shape[1] else solve(a @ a.T, a).T


def norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    a = numpy.asarray(a, dtype=object)
    if ord in (None, 2, "fro") and not (ord == 2 and a.ndim == 2 and axis is None):
        squares = (a * a).sum(axis=axis, keepdims=keepdims)
        return elementwise(mp.sqrt)(squares)
    if ord == "nuc":
        return sum(svd(a, compute_uv=False))
    if ord == 2:
        return max(svd(a, compute_uv=False))
    if ord == 1 and a.ndim == 1:
        return abs(a).sum(axis=axis)
    if ord == numpy.inf and a.ndim == 1:
        return abs(a).max()
    return elementwise(lambda s: s ** (mp.one / ord))((abs(a) ** ord).sum(axis=axis))


def logsumexp(a: Any, axis: Any = None, b: Any = None) -> Any:
    powers = elementwise(mp.exp)(a)
    return elementwise(mp.log)(numpy.sum(powers if b is None else powers * b, axis=axis))


def interp(x: Any, xp: Any, fp: Any) -> numpy.ndarray:
    def at(v: Any) -> Any:
        k = max(1, min(len(xp) - 1, int(numpy.searchsorted(xp, float(v)))))
        return fp[k - 1] + (fp[k] - fp[k - 1]) / mp.mpf(xp[k] - xp[k - 1]) * (v - xp[k - 1])

    return elementwise(at)(x)


def filled(value: Any) -> Callable[..., numpy.ndarray]:
    def make(shape: Any, *_: Any, **__: Any) -> numpy.ndarray:
        return numpy.full(shape if isinstance(shape, (int, tuple)) else numpy.shape(shape), mp.mpf(value), dtype=object)

    return make


class Namespace(types.SimpleNamespace):
    """Names of its own, and a module's for all others."""

    def __getattr__(self, name: str) -> Any:
        if "_module" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.__dict__["_module"], name)


ELEMENTARY: dict[str, Callable[..., Any]] = {
    **{name: getattr(mp, name) for name in "sin cos tan sinh cosh tanh exp expm1 log log1p log10 sqrt".split()},
    "arcsin": mp.asin,
    "arccos": mp.acos,
    "arctan": mp.atan,
    "arcsinh": mp.asinh,
    "arccosh": mp.acosh,
    "arctanh": mp.atanh,
    "log2": lambda x: mp.log(x, 2),
    "exp2": lambda x: mp.mpf(2) ** x,
    "sinc": lambda x: mp.sincpi(x),
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
    "sign": mp.sign,
    "floor": mp.floor,
    "ceil": mp.ceil,
    "rint": mp.nint,
    "trunc": lambda x: mp.floor(x) if x > 0 else mp.ceil(x),
    "cbrt": lambda x: mp.cbrt(x) if x >= 0 else -mp.cbrt(-x),
    "real": mp.re,
    "imag": mp.im,
    "conj": mp.conj,
    "abs": abs,
    "deg2rad": lambda x: x * mp.pi / 180,
    "i0": lambda x: mp.besseli(0, x),
    "angle": mp.arg,
    "isnan": mp.isnan,
}
PAIRS: dict[str, Callable[..., Any]] = {
    "arctan2": mp.atan2,
    "hypot": mp.hypot,
    "power": lambda a, b: a**b,
    "logaddexp": lambda a, b: mp.log(mp.exp(a) + mp.exp(b)),
    "copysign": lambda a, b: abs(a) if b >= 0 else -abs(a),
    "fmod": lambda a, b: a - b * ELEMENTARY["trunc"](a / b),
    "float_power": lambda a, b: a**b,
    "heaviside": lambda a, b: mp.one if a > 0 else (b if a == 0 else mp.zero),
    "logaddexp2": lambda a, b: mp.log(mp.mpf(2) ** a + mp.mpf(2) ** b, 2),
}
FUNCTIONS = {name: elementwise(f) for name, f in ELEMENTARY.items()} | {name: elementwise(f, 2) for name, f in PAIRS.items()}
LINALG = Namespace(
    _module=numpy.linalg,
    solve=solve,
    inv=lambda a: array(matrix(a) ** -1),
    det=det,
    eigh=eigh,
    eigvalsh=lambda a: eigh(a)[0],
    svd=svd,
    svdvals=lambda a: svd(a, compute_uv=False),
    slogdet=slogdet,
    pinv=pinv,
    norm=norm,
    qr=qr,
    cholesky=lambda a: array(mp.cholesky(matrix(a))),
    lstsq=lambda a, b, rcond=None: (solve(a.T @ a, a.T @ b), None, None, None),
    eigvals=lambda a: numpy.array(mp.eig(matrix(a), left=False, right=False), dtype=object),
)
NP = Namespace(
    _module=numpy,
    **FUNCTIONS,
    linalg=LINALG,
    zeros=filled(0),
    ones=filled(1),
    empty=filled(0),
    zeros_like=lambda a, **_: filled(0)(numpy.shape(a)),
    ones_like=lambda a, **_: filled(1)(numpy.shape(a)),
    empty_like=lambda a, **_: filled(0)(numpy.shape(a)),
    full=lambda shape, v, *_: numpy.full(shape, v, dtype=object),
    eye=lambda n, *a, **_: numbers(numpy.eye(n, *a)),
    std=lambda a, **k: FUNCTIONS["sqrt"](numpy.var(a, **k)),
    array=lambda a, *_, **__: numpy.array(a),
    interp=interp,
)
SPECIAL = {
    "gamma": mp.gamma,
    "gammaln": lambda x: mp.log(abs(mp.gamma(x))),
    "digamma": mp.digamma,
    "psi": mp.digamma,
    "erf": mp.erf,
    "erfc": mp.erfc,
    "erfinv": mp.erfinv,
    "expit": lambda x: 1 / (1 + mp.exp(-x)),
    "logit": lambda x: mp.log(x / (1 - x)),
    "j0": lambda x: mp.besselj(0, x),
    "j1": lambda x: mp.besselj(1, x),
    "y0": lambda x: mp.bessely(0, x),
    "i0": lambda x: mp.besseli(0, x),
    "i1": lambda x: mp.besseli(1, x),
    "i0e": lambda x: mp.besseli(0, x) * mp.exp(-abs(x)),
    "k0": lambda x: mp.besselk(0, x),
    "ndtr": mp.ncdf,
    "log_ndtr": lambda x: mp.log(mp.ncdf(x)),
    "exp1": mp.e1,
    "expi": mp.ei,
    "lambertw": lambda x: mp.lambertw(x).real,
    "dawsn": lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x),
    "erfcx": lambda x: mp.exp(x * x) * mp.erfc(x),
    "log_expit": lambda x: -mp.log1p(mp.exp(-x)),
    "spence": lambda x: mp.polylog(2, 1 - x).real,
    "sinc": mp.sincpi,
    "ellipk": mp.ellipk,
    "ellipe": mp.ellipe,
    "entr": lambda x: -x * mp.log(x),
    "log1p": mp.log1p,
}
SPECIAL_PAIRS = {
    "beta": mp.beta,
    "betaln": lambda a, b: mp.log(mp.beta(a, b)),
    "xlogy": lambda x, y: x * mp.log(y) if x else mp.zero,
    "xlog1py": lambda x, y: x * mp.log1p(y) if x else mp.zero,
    "jv": mp.besselj,
    "kv": mp.besselk,
    "iv": mp.besseli,
    "gammainc": lambda a, x: mp.gammainc(a, 0, x, regularized=True),
    "zeta": mp.zeta,
    "gammaincc": lambda a, x: mp.gammainc(a, x, mp.inf, regularized=True),
    "rel_entr": lambda x, y: x * mp.log(x / y),
}
SP = Namespace(
    special=Namespace(
        _module=types.SimpleNamespace(),
        logsumexp=logsumexp,
        softmax=lambda a, axis=None: FUNCTIONS["exp"](a) / sum(FUNCTIONS["exp"](a)),
        betainc=lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True),
        log_softmax=lambda a, axis=None: a - logsumexp(a),
        **{name: elementwise(f) for name, f in SPECIAL.items()},
        **{name: elementwise(f, 2) for name, f in SPECIAL_PAIRS.items()},
    ),
    linalg=Namespace(
        _module=LINALG,
        expm=lambda a: array(mp.expm(matrix(a))),
        cholesky=lambda a, lower=False: LINALG.cholesky(a) if lower else LINALG.cholesky(a).T,
        logm=lambda a: array(mp.logm(matrix(a))).astype(object),
    ),
)
MATH = Namespace(
    _module=mp, fabs=abs, pow=lambda a, b: mp.mpmathify(a) ** b, erf=mp.erf, lgamma=lambda x: mp.log(abs(mp.gamma(x)))
)
NAMES = {"np": NP, "sp": SP, "math": MATH}
