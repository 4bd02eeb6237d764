"""Distances between vectors, from ``scipy.spatial``, on tracers.

What comes in: rows of observations; weights, variances, powers. What goes out: distances of pairs. The one idea: a metric is a
formula along the last axis, so one formula serves two vectors, all pairs of two sets and the pairs of one. Where vectors
coincide, a distance that has a kink there has the derivative 0, as `np.linalg.norm` does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.frontends import flow
from wengert.frontends.reach import call as reach_call
from wengert.frontends.scipy_api import scipy_function
from wengert.frontends.scipy_data import chosen, data, plain, refuse, require, take
from wengert.frontends.trace import active_frame
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced

__all__: list[str] = []

_sum, _norm, _where = FUNCTIONS[np.sum], FUNCTIONS[np.linalg.norm], FUNCTIONS[np.where]
Metric = Callable[..., Any]
METRICS: dict[str, Metric] = {}
_SHORT = {"euclidean": "euclid eu e", "sqeuclidean": "sqe sqeuclid", "cityblock": "cblock cb c",
          "chebyshev": "chebychev cheby cheb ch", "minkowski": "mi m pnorm", "cosine": "cos", "correlation": "co",
          "seuclidean": "se s", "mahalanobis": "mahal mah", "jensenshannon": "js"}


def _metric(f: Metric) -> Metric:
    """Register a metric by its name, and SciPy's function of two vectors."""
    name = f.__name__

    def of_two(u: Any, v: Any, *args: Any, **words: Any) -> Any:
        u, v = data(u), data(v)
        if u.ndim != 1 or v.ndim != 1:
            raise ValueError("Input vector should be 1-D.")
        return f(u, v, *args, **words)
    METRICS[name] = f
    for short in _SHORT.get(name, "").split():
        METRICS[short] = f
    scipy_function(f"scipy.spatial.distance.{name}")(of_two)
    return f


def _weights(w: Any) -> Any:
    if w is None:
        return 1.0
    w = data(as_traced(w))
    return require(w, w >= 0, "Input weights should be all non-negative")


@_metric
def minkowski(u: Any, v: Any, p: Any = 2, w: Any = None) -> Any:
    """``(Σ w |u - v|^p)^(1/p)``."""
    if isinstance(p, Tracer):
        p = require(p, p > 0, "p must be greater than 0")
        total = _sum(_weights(w) * np.abs(u - v) ** p, axis=-1)
        apart = total > 0
        return _where(apart, _where(apart, total, 1.0) ** (1.0 / p), 0.0)
    if p <= 0:
        raise ValueError("p must be greater than 0")
    if w is None:
        return _norm(u - v, ord=p, axis=-1)
    w = _weights(w)
    return _norm((w != 0 if p == np.inf else w ** (1.0 / p)) * (u - v), ord=p, axis=-1)


@_metric
def euclidean(u: Any, v: Any, w: Any = None) -> Any:
    """``√Σ w (u - v)²``."""
    return minkowski(u, v, 2, w)


@_metric
def sqeuclidean(u: Any, v: Any, w: Any = None) -> Any:
    """``Σ w (u - v)²``."""
    return _sum(_weights(w) * (u - v) ** 2, axis=-1)


@_metric
def cityblock(u: Any, v: Any, w: Any = None) -> Any:
    """``Σ w |u - v|``."""
    return _sum(_weights(w) * np.abs(u - v), axis=-1)


@_metric
def chebyshev(u: Any, v: Any, w: Any = None) -> Any:
    """``max |u - v|``, where the weight is not zero."""
    return minkowski(u, v, np.inf, w)


@_metric
def correlation(u: Any, v: Any, w: Any = None, centered: bool = True) -> Any:
    """One minus the cosine of the angle between the centered vectors."""
    w = 1.0 / u.shape[-1] if w is None else _weights(w)
    w = w / _sum(w) if not isinstance(w, float) else w
    if centered:
        u, v = [x - _sum(w * x, axis=-1, keepdims=True) for x in (u, v)]
    return 1.0 - _sum(w * u * v, axis=-1) / np.sqrt(_sum(w * u * u, axis=-1) * _sum(w * v * v, axis=-1))


@_metric
def cosine(u: Any, v: Any, w: Any = None) -> Any:
    """One minus the cosine of the angle."""
    return correlation(u, v, w, centered=False)


@_metric
def canberra(u: Any, v: Any, w: Any = None) -> Any:
    """``Σ w |u - v| / (|u| + |v|)``, and 0 for 0 / 0."""
    whole = np.abs(u) + np.abs(v)
    return _sum(_weights(w) * np.abs(u - v) / chosen(whole != 0, whole, 1.0), axis=-1)


@_metric
def braycurtis(u: Any, v: Any, w: Any = None) -> Any:
    """``Σ w |u - v| / Σ w |u + v|``."""
    return cityblock(u, v, w) / cityblock(u, -v, w)


@_metric
def seuclidean(u: Any, v: Any, V: Any) -> Any:
    """``√Σ (u - v)² / V``."""
    return _norm((u - v) / np.sqrt(data(as_traced(V))), axis=-1)


@_metric
def mahalanobis(u: Any, v: Any, VI: Any) -> Any:
    """``√ (u - v)ᵀ VI (u - v)``."""
    difference = u - v
    return _root(_sum(FUNCTIONS[np.matmul](difference, data(as_traced(VI))) * difference, axis=-1))


@_metric
def jensenshannon(p: Any, q: Any, base: Any = None) -> Any:
    """``√ (KL(p, m) + KL(q, m)) / 2``, m the mean of the two distributions."""
    from scipy.special import rel_entr
    p, q = [x / _sum(x, axis=-1, keepdims=True) for x in (p, q)]
    mean = (p + q) / 2.0
    total = _sum(rel_entr(p, mean) + rel_entr(q, mean), axis=-1) / 2.0
    return _root(total if base is None else total / np.log(base))


def _root(x: Any) -> Any:
    """The square root, with the derivative 0 at 0."""
    return _where(x > 0, np.sqrt(chosen(x > 0, x, 1.0)), 0.0)


# ---------------------------------------------------------------- all pairs

def _rows(x: Any, name: str) -> Any:
    x = data(as_traced(x))
    if x.ndim != 2:
        raise ValueError(f"{name} must be a 2-dimensional array.")
    return x


def _distances(name: str, metric: Any, whole: Any, out: Any, words: dict[str, Any]) -> tuple[Metric, bool]:
    """The metric of the arrays of all pairs, and whether it takes a pair at a time."""
    if out is not None:
        refuse(name, "out= is not traced; use the result")
    own = callable(metric)
    if own and (getattr(metric, "__module__", "") or "").startswith("scipy.spatial"):
        metric, own = metric.__name__, False
    if own:
        how = flow.call if active_frame() is not None else reach_call
        return (lambda u, v: how(metric, u, v, **words)), True
    f = METRICS.get(metric.lower())
    if f is None:
        there_are = ", ".join(sorted({m.__name__ for m in METRICS.values()}))
        refuse(name, f"the distance {metric!r} is not traced; there are {there_are}")
    assert f is not None
    words = {k: v for k, v in words.items() if v is not None}
    if f is seuclidean and "V" not in words:
        words["V"] = FUNCTIONS[np.var](whole(), axis=0, ddof=1)
    if f is mahalanobis and "VI" not in words:
        words["VI"] = FUNCTIONS[np.linalg.inv](FUNCTIONS[np.atleast_2d](FUNCTIONS[np.cov](whole().T)))
    return (lambda u, v: f(u, v, **words)), False


@scipy_function("scipy.spatial.distance.cdist")
def cdist(XA: Any, XB: Any, metric: Any = "euclidean", *, out: Any = None, **kwargs: Any) -> Any:
    """``scipy.spatial.distance.cdist``: between the rows of two arrays."""
    a, b = _rows(XA, "XA"), _rows(XB, "XB")
    if a.shape[1] != b.shape[1]:
        raise ValueError("XA and XB must have the same number of columns (i.e. feature dimension.)")
    f, single = _distances("scipy.spatial.distance.cdist", metric, lambda: FUNCTIONS[np.concatenate]([a, b]), out, kwargs)
    if single:
        found = [f(a[i], b[j]) for i in range(a.shape[0]) for j in range(b.shape[0])]
        return FUNCTIONS[np.reshape](FUNCTIONS[np.array](found), (a.shape[0], b.shape[0]))
    return f(a[:, None, :], b[None, :, :])


@scipy_function("scipy.spatial.distance.pdist")
def pdist(X: Any, metric: Any = "euclidean", *, out: Any = None, **kwargs: Any) -> Any:
    """``scipy.spatial.distance.pdist``: between the rows of one array, each pair once."""
    x = _rows(X, "X")
    f, single = _distances("scipy.spatial.distance.pdist", metric, lambda: x, out, kwargs)
    i, j = np.triu_indices(x.shape[0], 1)
    if single:
        return FUNCTIONS[np.array]([f(x[a], x[b]) for a, b in zip(i, j, strict=True)])
    return f(take(x, i), take(x, j))


@scipy_function("scipy.spatial.distance.squareform")
def squareform(X: Any, force: str = "no", checks: bool = True) -> Any:
    """``scipy.spatial.distance.squareform``: from the pairs to the matrix, or back."""
    x = as_traced(X)
    if x.ndim == 1 and force.lower() != "tovector":
        n = round(0.5 + np.sqrt(0.25 + 2.0 * x.shape[0]))
        if n * (n - 1) // 2 != x.shape[0]:
            raise ValueError("Incompatible vector size. It must be a binomial coefficient n choose 2 for some integer n >= 2.")
        i, j = np.triu_indices(n, 1)
        place = np.zeros((n, n), int)
        place[i, j] = place[j, i] = np.arange(x.shape[0])
        return _where(np.eye(n, dtype=bool), 0.0, take(x, place)) if x.shape[0] else np.zeros((n, n))
    if x.ndim == 2 and force.lower() != "tomatrix":
        if x.shape[0] != x.shape[1]:
            raise ValueError("The matrix argument must be square.")
        if checks:
            x = require(x, np.abs(x - x.T) <= 1e-5 * np.abs(x) + 1e-8, "Distance matrix 'X' must be symmetric.")
            x = require(x, FUNCTIONS[np.diagonal](x) == 0, "Distance matrix 'X' diagonal must be zero.")
        return x[np.triu_indices(x.shape[0], 1)]
    raise ValueError("The first argument must be one or two dimensional array, as force= says.")


@scipy_function("scipy.spatial.distance_matrix")
def distance_matrix(x: Any, y: Any, p: Any = 2.0, threshold: int = 1000000) -> Any:
    """``scipy.spatial.distance_matrix``: of Minkowski's distances."""
    return cdist(x, y, "minkowski", p=plain(p, "the power of a distance"))
