"""Reductions that leave NaN out, on tracers; the order statistics among them are in `quantiles`.

What comes in: NumPy calls. What goes out: the same reductions of an array in which NaN is replaced by the
neutral element. The one idea: the replacement is a selection, so an element that is NaN contributes exactly
nothing, to the value or to the derivative.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from wengert.frontends.numpy_api import reductions as plain
from wengert.frontends.numpy_api.reductions import finished, given, kept, masks, safe_sqrt, selected
from wengert.frontends.numpy_api.statistics import divided, mean, var
from wengert.frontends.numpy_api.structure import as_array, axes_of
from wengert.frontends.tracer import FUNCTIONS, Tracer, implements, ufunc_call
from wengert.primitives import reduce as r
from wengert.primitives import structure as s
from wengert.primitives.elementwise import conj, real

__all__: list[str] = []


def _there(a: Tracer) -> Any:
    """Where the array is not NaN; None if it cannot be."""
    return ufunc_call(np.logical_not, ufunc_call(np.isnan, a)) if a.dtype.kind in "fc" else None


def _replaced(a: Any, neutral: float) -> tuple[Tracer, Any]:
    a = as_array(a)
    there = _there(a)
    return (a, None) if there is None else (selected(a, there, neutral), there)


# ---------------------------------------------------------------- sums and products


@implements(np.nansum)
def nansum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """``np.nansum``."""
    return plain.sum(_replaced(a, 0)[0], axis, dtype, out, keepdims, initial, where)


@implements(np.nanprod)
def nanprod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """``np.nanprod``."""
    return plain.prod(_replaced(a, 1)[0], axis, dtype, out, keepdims, initial, where)


@implements(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """``np.nancumsum``."""
    return plain.cumsum(_replaced(a, 0)[0], axis, dtype, out)


@implements(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """``np.nancumprod``."""
    return plain.cumprod(_replaced(a, 1)[0], axis, dtype, out)


# ---------------------------------------------------------------- extremes


def _nan_extreme(
    primitive: Any,
    ufunc: np.ufunc,
    worst: float,
    a: Any,
    axis: Any,
    out: Any,
    keepdims: Any,
    initial: Any,
    where: Any,
) -> Any:
    a = as_array(a)
    there = _there(a)
    function = plain.max if primitive is r.reduce_max else plain.min
    if there is None:
        return function(a, axis, out, keepdims, initial, where)
    axes = axes_of(axis, a.ndim)
    if masks(where) or given(initial):
        return finished(function(selected(a, there, worst), axis, None, keepdims, initial, where), out)
    result = primitive(selected(a, there, worst), axes=axes)
    some = r.reduce_any(there, axes=axes)
    if some.value is not None and not np.all(some.value):
        warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=4)
    if some.value is None or not np.all(some.value):
        result = s.select(some, result, a.dtype.type(np.nan))
    return finished(kept(a, result, axes, keepdims), out)


@implements(np.nanmax)
def nanmax(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = None
) -> Any:
    """``np.nanmax``; ties share the derivative evenly."""
    return _nan_extreme(r.reduce_max, np.fmax, -np.inf, a, axis, out, keepdims, initial, where)


@implements(np.nanmin)
def nanmin(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = None
) -> Any:
    """``np.nanmin``; ties share the derivative evenly."""
    return _nan_extreme(r.reduce_min, np.fmin, np.inf, a, axis, out, keepdims, initial, where)


def _fmax_reducer(function: Any) -> Any:
    def reduce(
        array: Any,
        axis: Any = 0,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            array = as_array(array).astype(dtype) if given(dtype) else as_array(array)
            return function(array, axis if array.ndim or axis != 0 else (), out, keepdims, initial, where)

    return reduce


FUNCTIONS[(np.fmax, "reduce")] = _fmax_reducer(nanmax)
FUNCTIONS[(np.fmin, "reduce")] = _fmax_reducer(nanmin)


def _nan_position(function: Any, worst: float, a: Any, axis: Any, out: Any, keepdims: Any) -> Any:
    a, there = _replaced(a, worst)
    if (
        there is not None
        and there.value is not None
        and there.value.size
        and not np.all(np.any(there.value, axis=axis))
    ):
        raise ValueError("All-NaN slice encountered")
    return function(a, axis, out, keepdims=keepdims)


@implements(np.nanargmax)
def nanargmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """``np.nanargmax``: integers."""
    return _nan_position(plain.argmax, -np.inf, a, axis, out, keepdims)


@implements(np.nanargmin)
def nanargmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """``np.nanargmin``: integers."""
    return _nan_position(plain.argmin, np.inf, a, axis, out, keepdims)


# ---------------------------------------------------------------- means and variances


def _inexact(dtype: Any) -> Any:
    if given(dtype) and np.dtype(dtype).kind not in "fc":
        raise TypeError("If a is inexact, then dtype must be inexact")
    return dtype if given(dtype) else None


def _counts(there: Any, axis: Any, keepdims: Any, where: Any) -> Any:
    return plain.sum(there, axis, np.intp, None, keepdims, None, where)


def _warn_if(bad: Any, message: str) -> None:
    if bad.value is not None and np.any(bad.value):
        warnings.warn(message, RuntimeWarning, stacklevel=4)


def _over(total: Any, count: Any) -> Any:
    """Divided by the count of each lane; 0 / 0 is NaN without a second warning."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return divided(total, count)


@implements(np.nanmean)
def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = None
) -> Any:
    """``np.nanmean``."""
    a, there = _replaced(a, 0)
    if there is None:
        return mean(a, axis, dtype, out, keepdims, where=where)
    count = _counts(there, axis, keepdims, where)
    result = _over(plain.sum(a, axis, _inexact(dtype), None, keepdims, None, where), count)
    _warn_if(count == 0, "Mean of empty slice")
    return finished(result, out)


@implements(np.nanvar)
def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = None,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """``np.nanvar``."""
    x, there = _replaced(a, 0)
    if there is None:
        return var(x, axis, dtype, out, ddof, keepdims, where=where, mean=mean, correction=correction)
    dtype = _inexact(dtype)
    if given(correction):
        if ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    count = _counts(there, axis, True, where)
    center = mean if given(mean) else _over(plain.sum(x, axis, dtype, None, True, None, where), count)
    d = ufunc_call(np.subtract, x, center)
    d = selected(d if d.dtype == x.dtype else s.convert(d, dtype=x.dtype), there, 0)
    squares = real(d * conj(d)) if d.dtype.kind == "c" else d * d
    result = plain.sum(squares, axis, dtype, None, keepdims, None, where)
    left = s.reshape(count, shape=result.shape) - ddof
    result = _over(result, left)
    bad = ufunc_call(np.less_equal, left, 0)
    if bad.value is None or np.any(bad.value):
        _warn_if(bad, "Degrees of freedom <= 0 for slice.")
        result = s.select(bad, result.dtype.type(np.nan), result)
    return finished(result, out)


@implements(np.nanstd)
def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = None,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """``np.nanstd``; where the spread is 0 the derivative is 0."""
    v = nanvar(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction)
    return finished(safe_sqrt(v), out)
