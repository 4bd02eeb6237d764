"""Order statistics: median, percentile, quantile and their nan-variants on tracers.

What comes in: NumPy calls. What goes out: a ``sort``, a gather and an interpolation. The one idea: NumPy's
formulas (R. J. Hyndman and Y. Fan, Sample quantiles in statistical packages, 1996) say between which two
sorted elements a quantile lies and how far; the number of elements is one for all lanes, or, where NaN is
left out, one for each.

The derivative with regard to q is that of the interpolation, the right one at an element; a discrete method
is locally constant in q.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.numpy_api.arithmetic import write_out
from wengert.frontends.numpy_api.structure import as_array, axes_of
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced, implements, ufunc_call
from wengert.primitives import sort as p
from wengert.primitives import structure as s
from wengert.primitives.index import index

__all__ = ["quantile"]

_NO = np._NoValue
_WHOLE = ("s", None, None, None)


# ---------------------------------------------------------------- where a quantile lies


def _linear(alpha: float, beta: float) -> Callable[[Any, Any], Any]:
    return lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1


def _boundary(shift: float, stays: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """One of the two neighbors of ``n q - 1 - shift``: the lower where `stays`, never below 0."""

    def places(n: Any, q: Any) -> Any:
        at = n * q - 1 - shift if shift else n * q - 1
        lower = np.floor(at)
        return np.maximum(_integers(np.where(stays(at - lower, lower), lower, lower + 1)), 0)

    return places


def _integers(x: Any) -> Any:
    return x.astype(np.intp)


# Methods whose result is one of the elements: n, q -> its place.
_DISCRETE: dict[str, Callable[[Any, Any], Any]] = {
    "inverted_cdf": _boundary(0.0, lambda gamma, lower: gamma == 0),
    "closest_observation": _boundary(0.5, lambda gamma, lower: (gamma == 0) & (lower % 2 == 1)),
    "lower": lambda n, q: _integers(np.floor((n - 1) * q)),
    "higher": lambda n, q: _integers(np.ceil((n - 1) * q)),
    "nearest": lambda n, q: _integers(np.around((n - 1) * q)),
}
# Methods that interpolate: n, q -> a place between two elements.
_CONTINUOUS: dict[str, Callable[[Any, Any], Any]] = {
    "averaged_inverted_cdf": lambda n, q: n * q - 1,
    "interpolated_inverted_cdf": _linear(0, 1),
    "hazen": _linear(0.5, 0.5),
    "weibull": _linear(0, 0),
    "linear": lambda n, q: (n - 1) * q,
    "median_unbiased": _linear(1 / 3.0, 1 / 3.0),
    "normal_unbiased": _linear(3 / 8.0, 3 / 8.0),
    "midpoint": lambda n, q: 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q)),
}


def _fixed(method: str, gamma: Any, at: Any) -> Any:
    """How far to go from the lower neighbor, for the methods that do not just interpolate."""
    if method == "averaged_inverted_cdf":
        gamma = np.where(gamma == 0, 0.5, 1.0)
    elif method == "midpoint":
        gamma = np.where(at % 1 == 0, 0.0, 0.5)
    return gamma if gamma.dtype == at.dtype else gamma.astype(at.dtype)


# ---------------------------------------------------------------- lanes


class _Lanes:
    """The sorted array, its reduced axes made one and first, and what is left to do with a result."""

    def __init__(self, a: Any, axis: Any, keepdims: Any):
        self.axes = axes_of(axis, a.ndim)
        self.rest = tuple([k for k in range(a.ndim) if k not in self.axes])
        self.shape = tuple([a.shape[k] for k in self.rest])
        order = (*self.axes, *self.rest)
        x = a if order == tuple(range(a.ndim)) else s.transpose(a, axes=order)
        self.count = math.prod(a.shape[k] for k in self.axes)
        x = x if len(self.axes) == 1 else s.reshape(x, shape=(self.count, *self.shape))
        self.sorted = p.sort(x, axis=0, kind="quicksort")
        self.kept = (
            tuple([1 if k in self.axes else n for k, n in enumerate(a.shape)])
            if _true(keepdims)
            else self.shape
        )

    def at(self, places: Any, each: bool = False) -> Any:
        """The sorted elements at these places, which stand in front.

        With `each`, the last axes of `places` are those of the lanes.
        """
        if each:
            grids = np.ogrid[tuple(slice(n) for n in self.shape)] if self.shape else ()
            return self.sorted.apply(
                index, (self.sorted, places, *grids), {"spec": (("a",),) * (1 + len(self.shape))}
            )
        return self.sorted.apply(index, (self.sorted, places), {"spec": (("a",),)})

    def finish(self, result: Any, front: tuple[int, ...], out: Any) -> Any:
        if self.kept != self.shape:
            result = s.reshape(result, shape=(*front, *self.kept))
        return result if out is None else write_out(out, result)


def _true(keepdims: Any) -> bool:
    return keepdims is not _NO and bool(keepdims)


# ---------------------------------------------------------------- quantile


def _checked(a: Any, q: Any, weights: Any, name: str, hundred: bool) -> tuple[Tracer, Any, bool]:
    """The operands, and whether q is a Python number (the result keeps the dtype of the array then)."""
    if weights is not None and weights is not _NO:
        raise UnsupportedError(
            f"np.{name}(weights=...) cannot be traced (at {user_line()}); leave the weights away, or "
            f"sort, and take the place from np.cumsum of the sorted weights"
        )
    a, q = as_array(a), as_traced(q)
    if a.dtype.kind == "c":
        raise TypeError("a must be an array of real numbers")
    weak = type(q) in (int, float) or (isinstance(q, Tracer) and q.kind == "scalar")
    q = q if isinstance(q, Tracer) else np.asarray(q)
    if hundred:
        q = (
            ufunc_call(np.true_divide, q, 100)
            if isinstance(q, Tracer)
            else np.asarray(np.true_divide(q, 100))
        )
    plain = q.value if isinstance(q, Tracer) else q
    if plain is not None and not (np.all(plain >= 0) and np.all(plain <= 1)):
        raise ValueError(
            "Percentiles must be in the range [0, 100]"
            if hundred
            else "Quantiles must be in the range [0, 1]"
        )
    if q.ndim > 2:
        raise ValueError("q must be a scalar or 1d")
    return a, q, weak


def _neighbors(at: Any, last: Any, traced_q: bool, method: str) -> tuple[Any, Any]:
    """Places of the two neighbors: the last element from `last` on, the first below 0."""
    lower = np.floor(at)
    above = at >= last
    if traced_q and method == "linear":  # at q = 1 the derivative is that from the left
        lower = np.maximum(np.where(above, last - 1, lower), 0)
        return _integers(lower), _integers(np.minimum(lower + 1, last))
    lower, upper = np.where(above, last, lower), np.where(above, last, lower + 1)
    return _integers(np.where(at < 0, 0, lower)), _integers(np.where(at < 0, 0, upper))


def _interpolated(low: Any, high: Any, t: Any, weak: bool) -> Any:
    """``low + (high - low) t``, from the nearer end, as NumPy computes it."""
    near, back = t >= 0.5, 1 - t
    step = high - low
    dtype = (
        np.result_type(step.dtype, np.float64 if step.dtype.kind in "bui" else step.dtype) if weak else None
    )
    if dtype is not None:
        t, back = (x.astype(dtype) if x.dtype != dtype else x for x in (t, back))
    return FUNCTIONS[np.where](near, high - step * back, low + step * t)


def _compute(lanes: _Lanes, n: Any, q: Any, method: str, weak: bool) -> Any:
    """The quantiles, with the axes of q in front. `n` is a number, or one for each lane."""
    front, each = q.shape, np.ndim(n) > 0
    if each:
        q = q.reshape(front + (1,) * len(lanes.shape))
        n = n.astype(q.dtype) if q.dtype.kind == "f" else n
    if method not in _DISCRETE and method not in _CONTINUOUS:
        raise ValueError(f"{method!r} is not a valid method. Use one of: {(*_DISCRETE, *_CONTINUOUS)}")
    if method in _DISCRETE:
        return lanes.at(_DISCRETE[method](n, q), each)
    at = (
        np.asarray(_CONTINUOUS[method](n, q))
        if not isinstance(q, Tracer) and not isinstance(n, Tracer)
        else _CONTINUOUS[method](n, q)
    )
    if method == "linear" and at.dtype.kind in "iu":
        return lanes.at(at, each)
    lower, upper = _neighbors(at, n - 1, isinstance(q, Tracer), method)
    low, high = lanes.at(lower, each), lanes.at(upper, each)
    above = at >= n - 1
    distance = at - (lower if isinstance(q, Tracer) and method == "linear" else np.where(above, -1, lower))
    gamma = _fixed(method, distance, at)
    if not each:
        gamma = gamma.reshape(front + (1,) * len(lanes.shape))
    return _interpolated(low, high, gamma, weak)


@implements(np.quantile)
def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """``np.quantile``; q may be traced."""
    return _quantile(a, q, axis, out, method, keepdims, weights, "quantile", False)


@implements(np.percentile)
def percentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """``np.percentile``; q may be traced."""
    return _quantile(a, q, axis, out, method, keepdims, weights, "percentile", True)


def _quantile(
    a: Any, q: Any, axis: Any, out: Any, method: str, keepdims: Any, weights: Any, name: str, hundred: bool
) -> Any:
    a, q, weak = _checked(a, q, weights, name, hundred)
    lanes = _Lanes(a, axis, keepdims)
    if not lanes.count:
        raise IndexError(f"index -1 is out of bounds for axis 0 with size 0 (np.{name} of no elements)")
    result = _compute(lanes, lanes.count, q, method, weak)
    if a.dtype.kind == "f":
        last = lanes.at(np.asarray(-1))
        result = FUNCTIONS[np.where](ufunc_call(np.isnan, last), last, result)
    return lanes.finish(result, q.shape, out)


# ---------------------------------------------------------------- without NaN


def _counts(a: Any, lanes: _Lanes) -> Any:
    """How many elements of each lane are not NaN (they are sorted to the front)."""
    there = ufunc_call(np.logical_not, ufunc_call(np.isnan, lanes.sorted))
    n = FUNCTIONS[np.sum](there, 0)
    plain = n.value if n.value is not None else np.ones(())
    if not np.all(plain):
        warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=5)
    if n.value is None:
        return n
    return np.asarray(plain) if lanes.shape else int(plain)


def _nan_quantile(
    a: Any, q: Any, axis: Any, out: Any, method: str, keepdims: Any, weights: Any, name: str, hundred: bool
) -> Any:
    if as_array(a).dtype.kind != "f":
        return _quantile(a, q, axis, out, method, keepdims, weights, name, hundred)
    a, q, weak = _checked(a, q, weights, name, hundred)
    if not a.type.size:
        return FUNCTIONS[np.nanmean](a, axis, out=out, keepdims=keepdims)
    lanes = _Lanes(a, axis, keepdims)
    if q.ndim == 2 and len(lanes.axes) > 1 and lanes.shape:
        raise UnsupportedError(
            f"np.{name} with a matrix of quantiles and several axes (at {user_line()}): NumPy mixes up the "
            f"axes of the result. Make the quantiles a vector"
        )
    n = _counts(a, lanes)
    # a lane of NaN alone is treated as one element, which is NaN
    n = (
        ufunc_call(np.maximum, n, 1)
        if isinstance(n, Tracer)
        else np.maximum(n, 1)
        if np.ndim(n)
        else max(n, 1)
    )
    return lanes.finish(_compute(lanes, n, q, method, weak), q.shape, out)


@implements(np.nanquantile)
def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """``np.nanquantile``: NaN contributes nothing to the value or the derivative."""
    return _nan_quantile(a, q, axis, out, method, keepdims, weights, "nanquantile", False)


@implements(np.nanpercentile)
def nanpercentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """``np.nanpercentile``."""
    return _nan_quantile(a, q, axis, out, method, keepdims, weights, "nanpercentile", True)


# ---------------------------------------------------------------- median


@implements(np.median)
def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    """``np.median``: the mean of the middle elements."""
    a = as_array(a)
    lanes = _Lanes(a, axis, keepdims)
    n = lanes.count
    middle = index(lanes.sorted, spec=(("s", n // 2 - (1 - n % 2) if n else 0, n // 2 + 1, None),))
    result = FUNCTIONS[np.mean](middle, 0)
    if a.dtype.kind in "fc" and n and a.type.size:
        last = lanes.at(np.asarray(-1))
        result = FUNCTIONS[np.where](ufunc_call(np.isnan, last), last, result)
    return lanes.finish(result, (), out)


@implements(np.nanmedian)
def nanmedian(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    """``np.nanmedian``: NaN contributes nothing to the value or the derivative."""
    a = as_array(a)
    if not a.type.size:
        return FUNCTIONS[np.nanmean](a, axis, out=out, keepdims=keepdims)
    if a.dtype.kind not in "fc":
        return median(a, axis, out, keepdims=keepdims)
    lanes = _Lanes(a, axis, keepdims)
    n = _counts(a, lanes)
    n = ufunc_call(np.maximum, n, 1) if isinstance(n, Tracer) else np.maximum(n, 1)
    lower, upper = (n - 1) // 2, n // 2
    low, high = lanes.at(lower, True), lanes.at(upper, True)
    both = FUNCTIONS[np.mean](FUNCTIONS[np.stack]([low, high]), 0)
    return lanes.finish(FUNCTIONS[np.where](lower == upper, low, both), (), out)
