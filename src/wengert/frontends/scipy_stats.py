"""Distributions of ``scipy.stats`` on tracers: densities, distribution functions and their inverses.

What comes in: ``norm.logpdf(x, loc, scale)``, also of frozen distributions. What goes out: its formula, in double
precision as SciPy computes it. The one idea: a distribution is a table of formulas in the standardized variable, on a
support; location, scale, arguments that are not allowed and values outside the support are the same for all.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.scipy_api import scipy_function
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced, ufunc_call
from wengert.primitives import structure as s

__all__ = ["LOG_ROOT", "TABLE", "Distribution", "all_positive", "frozen", "log1mexp", "method_of", "sp", "unsupported"]

Formula = Callable[..., Any]


class _Special:
    """The ufuncs of ``scipy.special``, which is there by the time that one of its distributions is called."""

    def __getattr__(self, name: str) -> Any:
        import scipy.special
        ufunc = getattr(scipy.special, name)
        return lambda *xs: ufunc_call(ufunc, *xs) if any(isinstance(x, Tracer) for x in xs) else ufunc(*xs)


sp: Any = _Special()


@dataclass(frozen=True)
class Distribution:
    """Formulas in the standardized variable and the shape parameters.

    Attributes
    ----------
    logpdf, pdf, cdf, sf, ppf, isf, logcdf, logsf
        What is not stated follows from the others.
    low, high : float or callable
        The support, a function of the shape parameters if it moves with them.
    open : bool
        Whether the formulas do not hold at the lower end of the support.
    middle : float or callable
        A place inside.
    allowed : callable
        Whether the shape parameters are.
    shapes : int
        How many there are.
    discrete : bool
        Then ``logpdf`` is the logarithm of the probability of an integer, and there is no scale.
    """

    logpdf: Formula
    cdf: Formula | None = None
    sf: Formula | None = None
    ppf: Formula | None = None
    isf: Formula | None = None
    logcdf: Formula | None = None
    logsf: Formula | None = None
    pdf: Formula | None = None
    low: Any = -np.inf
    high: Any = np.inf
    open: bool = False
    middle: Any = 0.5
    allowed: Formula = field(default=lambda *shapes: np.asarray(True) if not shapes else all_positive(*shapes))
    shapes: int = 0
    discrete: bool = False

    def formula(self, name: str) -> Formula | None:
        """A formula as stated, or from the others."""
        name = {"pmf": "pdf", "logpmf": "logpdf"}.get(name, name) if self.discrete else name
        stated: Formula | None = getattr(self, name, None) if name in _METHODS else None
        if stated is not None:
            return stated
        base, outer = _FROM.get(name, ("", np.exp))
        inner = self.formula(base) if base else None
        return None if inner is None else lambda *xs: outer(inner(*xs))


def _density(logarithm: Any) -> Any:
    """``exp``, and 0 with the derivative 0 where the logarithm is infinite."""
    none = _plain(logarithm) == -np.inf
    return _masked(~none, np.exp(logarithm if not isinstance(none, Tracer) and not np.any(none) else FUNCTIONS[np.where](
        none, 0.0, logarithm)), 0.0)


_FROM: dict[str, tuple[str, Formula]] = {"pdf": ("logpdf", _density), "logcdf": ("cdf", np.log), "logsf": ("sf", np.log)}


def all_positive(*shapes: Any) -> Any:
    out = _plain(shapes[0]) > 0
    for x in shapes[1:]:
        out = out & (_plain(x) > 0)
    return out


def _plain(x: Any) -> Any:
    """What decides between cases: a value, or a traced condition where there is none."""
    return x.value if isinstance(x, Tracer) and x.value is not None else x


_DENSITIES, _INVERSES = ("pdf", "logpdf", "pmf", "logpmf"), ("ppf", "isf")
_METHODS = ("pdf", "logpdf", "cdf", "sf", "ppf", "isf", "logcdf", "logsf")
# Below and above the support.
_OUTSIDE = {
    "pdf": (0.0, 0.0), "logpdf": (-np.inf, -np.inf), "pmf": (0.0, 0.0), "logpmf": (-np.inf, -np.inf), "cdf": (0.0, 1.0),
    "sf": (1.0, 0.0), "logcdf": (-np.inf, 0.0), "logsf": (0.0, -np.inf)}


def log1mexp(x: Any) -> Any:
    """``log(1 - exp(-x))``."""
    return np.log(-np.expm1(-x))


def _cotangent(q: Any) -> Any:
    """``cot(π q)`` for q up to one half, and 0 beyond."""
    at, where = _plain(q), FUNCTIONS[np.where]
    near = (at > 0.0) & (at < 0.5)
    return where(near, 1.0 / np.tan(np.pi * where(near, q, 0.25)), where(at == 0.0, np.inf, 0.0))


LOG_ROOT = 0.5 * np.log(2.0 * np.pi)
TABLE = {
    "norm": Distribution(
        lambda z: -z * z / 2.0 - LOG_ROOT, cdf=lambda z: sp.ndtr(z), sf=lambda z: sp.ndtr(-z),
        ppf=lambda q: sp.ndtri(q), isf=lambda q: -sp.ndtri(q), logcdf=lambda z: sp.log_ndtr(z),
        logsf=lambda z: sp.log_ndtr(-z),
        pdf=lambda z: np.exp(-z * z / 2.0) / np.sqrt(2.0 * np.pi)),
    "expon": Distribution(
        lambda z: -z, cdf=lambda z: -np.expm1(-z), sf=lambda z: np.exp(-z), ppf=lambda q: -np.log1p(-q),
        isf=lambda q: -np.log(q), logcdf=log1mexp, logsf=lambda z: -z, low=0.0),
    "uniform": Distribution(
        lambda z: z * 0.0, cdf=lambda z: z * 1.0, sf=lambda z: 1.0 - z, ppf=lambda q: q * 1.0, isf=lambda q: 1.0 - q,
        low=0.0, high=1.0),
    "gamma": Distribution(
        lambda z, a: sp.xlogy(a - 1.0, z) - z - sp.gammaln(a), cdf=lambda z, a: sp.gammainc(a, z),
        sf=lambda z, a: sp.gammaincc(a, z), ppf=lambda q, a: sp.gammaincinv(a, q),
        isf=lambda q, a: sp.gammainccinv(a, q), low=0.0, shapes=1),
    "chi2": Distribution(
        lambda z, k: sp.xlogy(k / 2.0 - 1.0, z) - z / 2.0 - sp.gammaln(k / 2.0) - k * (np.log(2.0) / 2.0),
        cdf=lambda z, k: sp.gammainc(k / 2.0, z / 2.0), sf=lambda z, k: sp.gammaincc(k / 2.0, z / 2.0),
        ppf=lambda q, k: 2.0 * sp.gammaincinv(k / 2.0, q), isf=lambda q, k: 2.0 * sp.gammainccinv(k / 2.0, q), low=0.0,
        shapes=1),
    "beta": Distribution(
        lambda z, a, b: sp.xlog1py(b - 1.0, -z) + sp.xlogy(a - 1.0, z) - sp.betaln(a, b),
        cdf=lambda z, a, b: sp.betainc(a, b, z), sf=lambda z, a, b: sp.betaincc(a, b, z),
        ppf=lambda q, a, b: sp.betaincinv(a, b, q), isf=lambda q, a, b: sp.betainccinv(a, b, q), low=0.0, high=1.0,
        shapes=2),
    "t": Distribution(
        lambda z, k: sp.gammaln((k + 1.0) / 2.0) - sp.gammaln(k / 2.0) - (
            np.log(k * np.pi) + (k + 1.0) * np.log1p(z * z / k)) / 2.0,
        cdf=lambda z, k: sp.stdtr(k, z), sf=lambda z, k: sp.stdtr(k, -z), ppf=lambda q, k: sp.stdtrit(k, q),
        isf=lambda q, k: -sp.stdtrit(k, q), shapes=1),
    "cauchy": Distribution(
        lambda z: -np.log(np.pi) - np.log1p(z * z), cdf=lambda z: np.arctan2(1.0, -z) / np.pi,
        sf=lambda z: np.arctan2(1.0, z) / np.pi, ppf=lambda q: _cotangent(1.0 - q) - _cotangent(q),
        isf=lambda q: _cotangent(q) - _cotangent(1.0 - q)),
    "logistic": Distribution(
        lambda z: sp.log_expit(z) + sp.log_expit(-z), cdf=lambda z: sp.expit(z), sf=lambda z: sp.expit(-z),
        ppf=lambda q: sp.logit(q), isf=lambda q: -sp.logit(q), logcdf=lambda z: sp.log_expit(z),
        logsf=lambda z: sp.log_expit(-z)),
    "lognorm": Distribution(
        lambda z, k: -np.square(np.log(z) / k) / 2.0 - np.log(k * z) - LOG_ROOT,
        cdf=lambda z, k: sp.ndtr(np.log(z) / k),
        sf=lambda z, k: sp.ndtr(-np.log(z) / k), ppf=lambda q, k: np.exp(k * sp.ndtri(q)),
        isf=lambda q, k: np.exp(-k * sp.ndtri(q)), logcdf=lambda z, k: sp.log_ndtr(np.log(z) / k),
        logsf=lambda z, k: sp.log_ndtr(-np.log(z) / k), low=0.0, open=True, shapes=1),
    "poisson": Distribution(
        lambda k, mu: sp.xlogy(k, mu) - sp.gammaln(k + 1.0) - mu, cdf=lambda k, mu: sp.gammaincc(np.floor(k) + 1.0, mu),
        sf=lambda k, mu: sp.gammainc(np.floor(k) + 1.0, mu), low=0.0, middle=1.0, shapes=1, discrete=True,
        allowed=lambda mu: _plain(mu) >= 0),
    "bernoulli": Distribution(
        lambda k, p: sp.xlogy(k, p) + sp.xlog1py(1.0 - k, -p), cdf=lambda k, p: 1.0 - p * (_plain(k) < 1.0),
        sf=lambda k, p: p * (_plain(k) < 1.0), low=0.0, high=1.0, middle=1.0, shapes=1, discrete=True,
        allowed=lambda p: (_plain(p) >= 0) & (_plain(p) <= 1)),
}


# ---------------------------------------------------------------- location, scale, support

def _double(x: Any) -> Any:
    """In double precision, as SciPy computes."""
    x = as_traced(x)
    if isinstance(x, Tracer):
        return x if x.dtype == np.float64 else s.convert(x, dtype=np.dtype(float))
    return np.asarray(x, float)


def _evaluated(name: str, method: str, args: Any, kwds: Any) -> Any:
    """One method of one distribution."""
    known = TABLE[name]
    formula = known.formula(method)
    if formula is None:
        raise unsupported(f"scipy.stats.{name}.{method}")
    x, shapes, loc, scale = _bound(name, known, args, kwds)
    good = known.allowed(*shapes) & (_plain(scale) > 0)
    where = FUNCTIONS[np.where]
    if method in _INVERSES:
        inside = (_plain(x) >= 0) & (_plain(x) <= 1) & good
        out = formula(where(inside, x, 0.5), *shapes)
        ends = [v(*shapes) if callable(v) else v for v in (known.low, known.high)]
        for place, end in zip((0.0, 1.0) if method == "ppf" else (1.0, 0.0), ends, strict=True):
            out = _masked(~((_plain(x) == place) & ~np.isfinite(_plain(out))), out, end)
        return _masked(inside, out * scale + loc, np.nan)
    z = (x - loc) / scale
    at = _plain(z)
    low, high, middle = [_plain(v(*shapes)) if callable(v) else v for v in (known.low, known.high, known.middle)]
    inside = ((at > low) if known.open else (at >= low)) & (at <= high) & good
    if known.discrete and method in _DENSITIES:
        inside = inside & (at == np.floor(at))
    out = formula(where(inside, z, middle), *shapes)
    if not known.discrete and method == "pdf":
        out = out / scale
    elif not known.discrete and method == "logpdf":
        out = out - np.log(scale)
    below, above = _OUTSIDE[method]
    out = _masked(inside, out, where((at <= low) if known.open else (at < low), below, above))
    return _masked(good & (at == at), out, np.nan)


def _masked(mask: Any, x: Any, other: Any) -> Any:
    """``where(mask, x, other)``, or x if the mask holds everywhere."""
    return x if not isinstance(mask, Tracer) and np.all(mask) else FUNCTIONS[np.where](mask, x, other)


def _bound(name: str, known: Distribution, args: Any, kwds: Any) -> tuple[Any, list[Any], Any, Any]:
    """The argument, the shape parameters, location and scale."""
    names = [n.strip() for n in (getattr(sys.modules["scipy.stats"], name).shapes or "").split(",") if n.strip()]
    order = ["x", *names, "loc"] + ([] if known.discrete else ["scale"])
    kwds = {"x" if k in ("q", "k") and k not in names else k: v for k, v in kwds.items()}
    if len(args) > len(order) or set(kwds) - set(order) or set(order[:len(args)]) & set(kwds):
        raise TypeError(f"scipy.stats.{name} takes {', '.join(order)}")
    given: dict[str, Any] = {"loc": 0.0, "scale": 1.0, **dict(zip(order, args, strict=False)), **kwds}
    missing = [n for n in order if n not in given]
    if missing:
        raise TypeError(f"scipy.stats.{name}: missing {', '.join(missing)}")
    return (_double(given["x"]), [_double(given[n]) for n in names], _double(given["loc"]), _double(given["scale"]))


def unsupported(what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{what} cannot be traced (at {user_line()}). The densities, distribution functions and their inverses of "
        f"{', '.join(TABLE)} can, and the densities of multivariate_normal, multivariate_t, dirichlet, multinomial, wishart "
        f"and invwishart; write others with np and scipy.special functions, or wrap the call: wg.opaque(f, derivative=...)")


class _Frozen:
    """A distribution with traced parameters."""

    def __init__(self, name: str, args: Any, kwds: Any):
        self._given = name, args, kwds

    def __getattr__(self, method: str) -> Any:
        name, args, kwds = self._given
        if TABLE[name].formula(method) is None:
            raise unsupported(f"scipy.stats.{name}.{method}")
        bound = self.__dict__[method] = lambda x: _evaluated(name, method, (x, *args), kwds)  # the same whenever it is read
        return bound


def _name_of(distribution: Any) -> str:
    """The name of one of SciPy's own distributions, or ""."""
    name = getattr(distribution, "name", "")
    stats = sys.modules.get("scipy.stats")
    own = isinstance(name, str) and stats is not None and type(getattr(stats, name, None)) is type(distribution)
    return name if own else ""


def frozen(distribution: Any, args: Any, kwds: Any) -> Any:
    """``norm(loc, scale)`` with traced parameters; None if this is no distribution of SciPy's."""
    name = _name_of(distribution)
    if not name:
        return None
    if name not in TABLE:
        raise unsupported(f"scipy.stats.{name}")
    return _Frozen(name, args, kwds)


def method_of(function: Any) -> Any:
    """The implementation of a method of a distribution, frozen or not; None if it is no such method."""
    if type(function) is not types.MethodType:
        return None
    owner: Any = function.__self__
    method = function.__name__
    inner = getattr(owner, "dist", None)
    name = _name_of(owner if inner is None else inner)
    if name not in TABLE or TABLE[name].formula(method) is None:
        many = type(owner).__name__.endswith(("_gen", "_frozen")) and (type(owner).__module__ or "").startswith("scipy.stats")
        return _multivariate(owner, method) if name or many else None
    if inner is None:
        return lambda *args, **kwds: _evaluated(name, method, args, kwds)
    return lambda x: _evaluated(name, method, (x, *owner.args), owner.kwds)


# ---------------------------------------------------------------- distributions of vectors and matrices

def _multivariate(owner: Any, method: str) -> Any:
    from wengert.frontends.scipy_multivariate import LOGARITHMS
    kind = type(owner).__name__
    name, is_frozen = kind.removesuffix("_gen").removesuffix("_frozen"), kind.endswith("_frozen")
    if name not in LOGARITHMS or method not in ("pdf", "logpdf", "pmf", "logpmf"):
        raise unsupported(f"scipy.stats.{getattr(owner, 'name', kind)}.{method}")
    names, logarithm = LOGARITHMS[name]
    given: dict[str, Any] = {}
    if is_frozen:
        if name == "multivariate_normal":
            given = {"mean": owner.mean, "cov": owner.cov}
        else:
            given = {n: getattr(owner, n) for n in names}
    out: Any = (lambda *args, **kwds: np.exp(logarithm(*args, **given, **kwds))) if method in ("pdf", "pmf") else (
        lambda *args, **kwds: logarithm(*args, **given, **kwds))
    return out


# ---------------------------------------------------------------- Python's statistics

@scipy_function("statistics.mean", "statistics.fmean")
def mean(data: Any, weights: Any = None) -> Any:
    """``statistics.mean`` and ``fmean``."""
    xs = FUNCTIONS[np.array](list(data)) if not isinstance(data, Tracer) else data
    if not xs.shape[0]:
        raise sys.modules["statistics"].StatisticsError("mean requires at least one data point")
    return FUNCTIONS[np.average](xs, weights=weights).tolist()


def _spread(delta: int, root: bool) -> Callable[..., Any]:
    def function(data: Any, center: Any = None) -> Any:
        xs = FUNCTIONS[np.array](list(data)) if not isinstance(data, Tracer) else data
        n = xs.shape[0]
        if n <= delta:
            raise sys.modules["statistics"].StatisticsError(f"variance requires at least {delta + 1} data points")
        if center is not None:
            xs = xs - center
            out = FUNCTIONS[np.sum](xs * xs) / float(n - delta)
            return (out ** 0.5 if root else out).tolist()
        return FUNCTIONS[np.std if root else np.var](xs, ddof=delta).tolist()
    return function


for _names, _delta, _root in (("variance", 1, False), ("pvariance", 0, False), ("stdev", 1, True), ("pstdev", 0, True)):
    scipy_function(f"statistics.{_names}")(_spread(_delta, _root))
scipy_function("statistics.median")(lambda data: FUNCTIONS[np.median](FUNCTIONS[np.array](list(data))).tolist())
