"""Counting: bincount, digitize and histograms on tracers.

What comes in: NumPy calls. What goes out: integers, sums of weights, and bin edges. The one idea: which bin
an element falls into is locally constant, so counts have no derivative; sums of weights are linear in the
weights, and edges that NumPy takes from the data depend on its least and largest element.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.numpy_api.arithmetic import common
from wengert.frontends.numpy_api.calculus import diff, strong
from wengert.frontends.numpy_api.creation import linspace
from wengert.frontends.numpy_api.sorting import searchsorted
from wengert.frontends.numpy_api.stacking import concatenate, gather
from wengert.frontends.numpy_api.structure import as_array
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced, implements, value_of
from wengert.primitives import structure as s
from wengert.primitives.index import index_add

__all__ = ["bincount", "digitize", "histogram"]


def _plain(x: Any) -> Any:
    return np.asarray(value_of(as_traced(x)))


def _summed(places: Any, weights: Tracer, length: int) -> Any:
    """The sums of the weights that belong to each place, added in order."""
    zeros = np.zeros(length, weights.dtype)
    return weights.apply(index_add, (zeros, weights, places), {"spec": (("a",),)})


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """``np.bincount``: the weights may be traced."""
    places = _plain(x)
    counts = np.bincount(places, minlength=int(minlength))
    if weights is None:
        return counts
    weights = strong(weights)
    if weights.dtype.kind == "c":
        raise TypeError(
            "Cannot cast array data from dtype('complex128') to dtype('float64') according to the rule 'safe'"
        )
    if weights.shape != places.shape:
        raise ValueError("The weights and list don't have the same length.")
    weights = weights if weights.dtype == np.float64 else s.convert(weights, dtype=np.dtype(np.float64))
    return _summed(places, weights, len(counts))


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """``np.digitize``: integers."""
    x, bins = as_array(x), as_array(bins)
    if x.dtype.kind == "c":
        raise TypeError("x may not be complex")
    edges = np.asarray(bins.concrete("np.digitize"))
    side = "left" if right else "right"
    if np.all(edges[:-1] <= edges[1:]):
        return searchsorted(bins, x, side)
    if not np.all(edges[:-1] >= edges[1:]):
        raise ValueError("bins must be monotonically increasing or decreasing")
    return len(edges) - searchsorted(bins[::-1], x, side)


# ---------------------------------------------------------------- histogram


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """``np.histogram_bin_edges``: the outer edges are the least and the largest element."""
    bins = as_traced(bins)
    if np.ndim(bins):
        return bins if isinstance(bins, Tracer) else np.asarray(bins)
    a = strong(a)
    plain = np.asarray(a.concrete("np.histogram"))
    edges = np.histogram_bin_edges(plain, value_of(bins), _plain_range(range), weights)
    if isinstance(bins, str) and a.build is not None and a.dtype.kind in "fc":
        raise UnsupportedError(
            f"bins={bins!r} at {user_line()}: how many bins there are, and their edges, would depend on the "
            f"traced values. Give a number of bins, or the edges"
        )
    first, last = (
        (FUNCTIONS[np.min](a), FUNCTIONS[np.max](a))
        if range is None and plain.size
        else (0, 1)
        if range is None
        else tuple(range)
    )
    if value_of(first) == value_of(last):
        first, last = first - 0.5, last + 0.5
    if not any(isinstance(e, Tracer) for e in (first, last)):
        return edges
    return linspace(first, last, len(edges), dtype=edges.dtype)


def _plain_range(range: Any) -> Any:
    return None if range is None else tuple([value_of(e) for e in range])


@implements(np.histogram)
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """``np.histogram``: differentiable in the weights and the edges."""
    a, bins = strong(a), as_traced(bins)
    plain = np.asarray(a.concrete("np.histogram"))
    edges = histogram_bin_edges(a, bins, range)
    if weights is None:
        counts: Any = np.histogram(plain, value_of(bins), _plain_range(range))[0]
    else:
        weights = strong(weights)
        if weights.shape != a.shape:
            raise ValueError("weights should have the same shape as a.")
        flat = s.reshape(weights, shape=(weights.type.size,))
        counts = (
            _evenly(plain.ravel(), value_of(as_array(edges)), flat)
            if np.ndim(bins) == 0
            else _unevenly(plain.ravel(), np.asarray(value_of(as_array(edges))), flat)
        )
    if not density:
        return counts, edges
    widths = diff(edges).astype(float)
    return counts / widths / FUNCTIONS[np.sum](counts), edges


@implements(np.histogram2d)
def histogram2d(x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """``np.histogram2d``: differentiable in the weights and the edges."""
    points, bins = [strong(x), strong(y)], as_traced(bins)
    each = list(bins) if np.ndim(bins) == 2 or (isinstance(bins, (list, tuple)) and len(bins) == 2) else [bins, bins]
    ranges = [None, None] if range is None else list(range)
    edges = [histogram_bin_edges(v, b, r) for v, b, r in zip(points, each, ranges, strict=True)]
    places: Any = 0
    inside: Any = np.ones(points[0].shape, bool)
    for v, e in zip(points, edges, strict=True):
        at, ends = np.asarray(v.concrete("np.histogram2d")), np.asarray(value_of(as_array(e)))
        inside = inside & (at >= ends[0]) & (at <= ends[-1])
        places = places * (len(ends) - 1) + np.minimum(np.searchsorted(ends, at, "right") - 1, len(ends) - 2)
    chosen = np.flatnonzero(inside)
    shape = tuple([int(e.shape[0]) - 1 for e in edges])
    counted = strong(np.ones(points[0].shape) if weights is None else weights)
    summed = _summed(places[chosen], _double(gather(counted, chosen)), shape[0] * shape[1])
    counts: Any = s.reshape(summed, shape=shape)
    if density:
        wide, high = [diff(as_array(e)) for e in edges]
        counts = counts / wide[:, None] / high[None, :] / FUNCTIONS[np.sum](counts)
    return counts, *edges


_BLOCK = 65536  # NumPy adds up in blocks of this size


def _blocks(n: int) -> list[slice]:
    return [slice(k, min(k + _BLOCK, n)) for k in np.arange(0, n, _BLOCK).tolist()]


def _evenly(a: Any, edges: Any, weights: Tracer) -> Any:
    """Sums of weights over bins of one width; an element on the last edge belongs to the last bin."""
    n = len(edges) - 1
    total: Any = as_array(np.zeros(n, weights.dtype))
    for block in _blocks(len(a)):
        inside = np.nonzero((a[block] >= edges[0]) & (a[block] <= edges[-1]))[0] + block.start
        places = np.minimum(np.searchsorted(edges, a[inside].astype(edges.dtype), "right") - 1, n - 1)
        part = _summed(places, _double(gather(weights, inside)), n)
        total = total + (part if part.dtype == weights.dtype else s.convert(part, dtype=weights.dtype))
    return total


def _double(weights: Tracer) -> Any:
    dtype = np.dtype(complex if weights.dtype.kind == "c" else float)
    return weights if weights.dtype == dtype else s.convert(weights, dtype=dtype)


def _unevenly(a: Any, edges: Any, weights: Tracer) -> Any:
    """Sums of weights over any bins: differences of cumulative sums in sorted order."""
    total: Any = as_array(np.zeros(len(edges), weights.dtype))
    for block in _blocks(len(a)):
        order = np.argsort(a[block])
        ordered = a[block][order]
        sums = FUNCTIONS[np.cumsum](gather(weights, order + block.start))
        places = np.concatenate(
            (np.searchsorted(ordered, edges[:-1], "left"), np.searchsorted(ordered, edges[-1:], "right"))
        )
        zero, sums = common(np.zeros(1, weights.dtype), sums)
        total = total + gather(concatenate([zero, sums]), places)
    return diff(total)
