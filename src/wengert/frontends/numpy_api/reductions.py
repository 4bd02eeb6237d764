"""Reductions and cumulative functions of NumPy on tracers.

What comes in: NumPy calls with their whole signatures. What goes out: reductions over non-negative axes. The one idea:
``where=`` replaces what is left out by the neutral element, by selection, so it contributes exactly nothing; the
nan-variants are the same with ``where = not nan``.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.numpy_api.arithmetic import method, write_out
from wengert.frontends.numpy_api.structure import as_array, axes_of, axis_of
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, implements, ufunc_call
from wengert.primitives import reduce as r
from wengert.primitives import structure as s

__all__ = ["mean", "sum", "var"]

_NO = np._NoValue  # type: ignore[attr-defined]


def _given(x: Any) -> bool:
    return x is not None and x is not _NO


def _masked(a: Tracer, where: Any, neutral: Any) -> Tracer:
    """`a` with the neutral element where `where` is False."""
    if not _given(where) or where is True:
        return a
    mask = where if isinstance(where, Tracer) else np.asarray(where, bool)
    return FUNCTIONS[np.where](mask, a, a.dtype.type(neutral))  # type: ignore[no-any-return]


def _kept(result: Any, axes: tuple[int, ...], keepdims: Any) -> Any:
    return s.keep_axes(result, axes) if keepdims is True or (keepdims is not _NO and keepdims) else result


def _finish(result: Any, out: Any) -> Any:
    return result if out is None else write_out(out, result)


def _in_dtype(a: Any, dtype: Any, promote: bool = True) -> Tracer:
    """The dtype in which NumPy sums: small integers and booleans become the platform's integer."""
    a = as_array(a)
    if _given(dtype):
        return a.astype(dtype)
    if promote and a.dtype.kind in "bui" and a.dtype.itemsize <= np.dtype(int).itemsize:
        return a.astype(np.uint if a.dtype.kind == "u" else int)
    return a


@implements(np.sum)
@method("sum")
def sum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None,
        where: Any = None) -> Any:
    """``np.sum``."""
    a = _masked(_in_dtype(a, dtype), where, 0)
    axes = axes_of(axis, a.ndim)
    result = s.reduce_sum(a, axes=axes)
    if _given(initial):
        result = result + initial
    return _finish(_kept(result, axes, keepdims), out)


@implements(np.prod)
@method("prod")
def prod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None,
         where: Any = None) -> Any:
    """``np.prod``; exact derivatives at zeros, at every order."""
    a = _masked(_in_dtype(a, dtype), where, 1)
    axes = axes_of(axis, a.ndim)
    result = r.reduce_prod(a, axes=axes)
    if _given(initial):
        result = result * initial
    return _finish(_kept(result, axes, keepdims), out)


def _extreme(primitive: Any, ufunc: np.ufunc, a: Any, axis: Any, out: Any, keepdims: Any, initial: Any, where: Any) -> Any:
    a = as_array(a)
    if _given(where) and where is not True:
        if not _given(initial):
            raise ValueError(f"reduction operation '{ufunc.__name__}' does not have an identity, so to use a where mask one "
                             f"has to specify 'initial'")
        a = _masked(a, where, initial)
    axes = axes_of(axis, a.ndim)
    if _given(initial):
        if 0 in [a.shape[k] for k in axes]:
            return _finish(_kept(s.full(np.asarray(initial, a.dtype), tuple(n for k, n in enumerate(a.shape) if k not in axes), a),
                                 axes, keepdims), out)
        return _finish(_kept(ufunc_call(ufunc, primitive(a, axes=axes), initial), axes, keepdims), out)
    return _finish(_kept(primitive(a, axes=axes), axes, keepdims), out)


@implements(np.max, np.amax)
@method("max")
def max(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = None) -> Any:
    """``np.max``; ties share the derivative evenly."""
    return _extreme(r.reduce_max, np.maximum, a, axis, out, keepdims, initial, where)


@implements(np.min, np.amin)
@method("min")
def min(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = None) -> Any:
    """``np.min``; ties share the derivative evenly."""
    return _extreme(r.reduce_min, np.minimum, a, axis, out, keepdims, initial, where)


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """``np.ptp``."""
    return _finish(max(a, axis, keepdims=keepdims) - min(a, axis, keepdims=keepdims), out)


@implements(np.any)
@method("any")
def any(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = None) -> Any:
    """``np.any``."""
    a = _masked(_boolean(a), where, False)
    axes = axes_of(axis, a.ndim)
    return _finish(_kept(r.reduce_any(a, axes=axes), axes, keepdims), out)


@implements(np.all)
@method("all")
def all(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = None) -> Any:
    """``np.all``."""
    a = _masked(_boolean(a), where, True)
    axes = axes_of(axis, a.ndim)
    return _finish(_kept(r.reduce_all(a, axes=axes), axes, keepdims), out)


def _boolean(a: Any) -> Tracer:
    a = as_array(a)
    return a if a.dtype == np.bool_ else ufunc_call(np.not_equal, a, 0)  # type: ignore[no-any-return]


def _arg(primitive: Any, a: Any, axis: Any, out: Any, keepdims: Any) -> Any:
    a = as_array(a)
    flat = axis is None
    x = s.reshape(a, shape=(a.type.size,)) if flat else a
    k = 0 if flat else axis_of(axis, a.ndim)
    result = primitive(x, axis=k)
    if keepdims is True:
        result = s.reshape(result, shape=(1,) * a.ndim) if flat else s.keep_axes(result, (k,))
    return _finish(result, out)


@implements(np.argmax)
@method("argmax")
def argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """``np.argmax``: integers."""
    return _arg(r.argmax, a, axis, out, keepdims)


@implements(np.argmin)
@method("argmin")
def argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """``np.argmin``: integers."""
    return _arg(r.argmin, a, axis, out, keepdims)


# ---------------------------------------------------------------- means and variances


def _count(a: Tracer, axes: tuple[int, ...], where: Any, keepdims: Any) -> Any:
    """How many elements each result stands for."""
    if not _given(where) or where is True:
        return math.prod(a.shape[k] for k in axes)
    if not isinstance(where, Tracer):
        return np.sum(np.broadcast_to(np.asarray(where, bool), a.shape), axis=axes, keepdims=keepdims is True)
    mask = where if where.shape == a.shape else s.broadcast(where, shape=a.shape)
    return sum(mask.astype(int), axes, keepdims=keepdims is True)


def _floating(a: Any, dtype: Any) -> Tracer:
    a = as_array(a)
    if _given(dtype):
        return a.astype(dtype)
    return a.astype(float) if a.dtype.kind in "bui" else a


@implements(np.mean)
@method("mean")
def mean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = None) -> Any:
    """``np.mean``."""
    a = _floating(a, dtype)
    axes = axes_of(axis, a.ndim)
    total = sum(a, axes, keepdims=keepdims, where=where)
    return _finish(ufunc_call(np.divide, total, _count(a, axes, where, keepdims)), out)


@implements(np.var)
@method("var")
def var(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False, *,
        where: Any = None, mean: Any = None, correction: Any = None) -> Any:
    """``np.var``."""
    ddof = correction if _given(correction) else ddof
    a = _floating(a, dtype)
    axes = axes_of(axis, a.ndim)
    center = mean if _given(mean) else FUNCTIONS[np.mean](a, axes, keepdims=True, where=where)
    d = a - center
    squared = ufunc_call(np.square, d) if a.dtype.kind != "c" else \
        ufunc_call(np.square, FUNCTIONS[np.real](d)) + ufunc_call(np.square, FUNCTIONS[np.imag](d))
    total = sum(squared, axes, keepdims=keepdims, where=where)
    count = _count(a, axes, where, keepdims) - ddof
    if isinstance(count, Tracer) or np.ndim(count):
        return _finish(ufunc_call(np.divide, total, ufunc_call(np.maximum, count, 0) if isinstance(count, Tracer)
                                  else np.maximum(count, 0)), out)
    return _finish(ufunc_call(np.divide, total, builtins.max(count, 0)), out)


@implements(np.std)
@method("std")
def std(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False, *,
        where: Any = None, mean: Any = None, correction: Any = None) -> Any:
    """``np.std``; where the spread is 0 the derivative is the subgradient 0."""
    v = FUNCTIONS[np.var](a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction)
    return _finish(safe_sqrt(v), out)


def safe_sqrt(v: Tracer) -> Any:
    """``sqrt(v)`` whose derivative at 0 is 0: the root is taken of what is selected."""
    zero = ufunc_call(np.equal, v, 0)
    one = s.full(np.ones((), v.dtype), v.shape, v)
    return s.select(zero, s.zeros_like(v), ufunc_call(np.sqrt, s.select(zero, one, v)))


@implements(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False) -> Any:
    """``np.average``; weights may be traced."""
    a = as_array(a)
    if weights is None:
        result = mean(a, axis, keepdims=keepdims)
        total: Any = np.full(result.shape, math.prod(a.shape) / math.prod(result.shape or (1,)))[()]
        return (result, total) if returned else result
    w = weights if isinstance(weights, Tracer) else np.asarray(weights)
    if w.shape != a.shape:
        if axis is None:
            raise TypeError("Axis must be specified when shapes of a and weights differ.")
        axes = tuple(axis_of(k, a.ndim) for k in (axis if isinstance(axis, tuple) else (axis,)))
        if w.shape != tuple(a.shape[k] for k in axes):
            raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
        order = np.argsort(axes)
        w = FUNCTIONS[np.transpose](w, tuple(order)) if isinstance(w, Tracer) else np.transpose(w, tuple(order))
        shape = tuple(a.shape[k] if k in axes else 1 for k in range(a.ndim))
        w = s.reshape(w, shape=shape) if isinstance(w, Tracer) else np.reshape(w, shape)
    scale = np.sum(w * np.ones(a.shape) if not isinstance(w, Tracer) else w + np.zeros(a.shape), axis=axis, keepdims=bool(keepdims is True))
    if not isinstance(scale, Tracer) and np.any(np.asarray(scale) == 0):
        raise ZeroDivisionError("Weights sum to zero, can't be normalized")
    result = ufunc_call(np.divide, sum(a * w, axis, keepdims=keepdims), scale)
    return (result, scale) if returned else result


# ---------------------------------------------------------------- cumulative


def _cumulative(primitive: Any, a: Any, axis: Any, dtype: Any, out: Any) -> Any:
    a = _in_dtype(a, dtype)
    if axis is None:
        a = s.reshape(a, shape=(a.type.size,))
        axis = 0
    return _finish(primitive(a, axis=axis_of(axis, a.ndim)), out)


@implements(np.cumsum)
@method("cumsum")
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """``np.cumsum``."""
    return _cumulative(r.cumsum, a, axis, dtype, out)


@implements(np.cumprod)
@method("cumprod")
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """``np.cumprod``; exact derivatives at zeros."""
    return _cumulative(r.cumprod, a, axis, dtype, out)


def _with_initial(primitive: Any, neutral: float, x: Any, axis: Any, dtype: Any, out: Any, include_initial: bool) -> Any:
    x = _in_dtype(x, dtype)
    if axis is None:
        if x.ndim != 1:
            raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
        axis = 0
    k = axis_of(axis, x.ndim)
    result = primitive(x, axis=k)
    if include_initial:
        shape = tuple(1 if a == k else n for a, n in enumerate(x.shape))
        result = s.concatenate(s.full(np.asarray(neutral, x.dtype), shape, x), result, axis=k)
    return _finish(result, out)


@implements(np.cumulative_sum)
def cumulative_sum(x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False) -> Any:
    """``np.cumulative_sum``."""
    return _with_initial(r.cumsum, 0.0, x, axis, dtype, out, include_initial)


@implements(np.cumulative_prod)
def cumulative_prod(x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False) -> Any:
    """``np.cumulative_prod``."""
    return _with_initial(r.cumprod, 1.0, x, axis, dtype, out, include_initial)


# ---------------------------------------------------------------- methods of ufuncs


def _reducer(function: Any) -> Any:
    def reduce(array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None,
               where: Any = True) -> Any:
        if isinstance(out, tuple):
            out = out[0]
        keywords = {"dtype": dtype} if dtype is not None else {}
        return function(array, axis, out=out, keepdims=keepdims, initial=initial, where=where, **keywords)
    return reduce


def _logical_reducer(function: Any) -> Any:
    def reduce(array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None,
               where: Any = True) -> Any:
        return function(array, axis, out[0] if isinstance(out, tuple) else out, keepdims, where=where)
    return reduce


for _ufunc, _function in ((np.add, sum), (np.multiply, prod), (np.maximum, max), (np.minimum, min)):
    FUNCTIONS[(_ufunc, "reduce")] = _reducer(_function)
FUNCTIONS[(np.logical_or, "reduce")] = _logical_reducer(any)
FUNCTIONS[(np.logical_and, "reduce")] = _logical_reducer(all)
for _ufunc, _primitive in ((np.add, r.cumsum), (np.multiply, r.cumprod), (np.maximum, r.cummax), (np.minimum, r.cummin)):
    FUNCTIONS[(_ufunc, "accumulate")] = (lambda p: lambda array, axis=0, dtype=None, out=None: _cumulative(
        p, array, axis, dtype, out[0] if isinstance(out, tuple) else out))(_primitive)


def _outer(ufunc: np.ufunc, a: Any, b: Any, **keywords: Any) -> Any:
    """``ufunc.outer(a, b)``."""
    shape = (*np.shape(a), *(1,) * np.ndim(b))
    return ufunc_call(ufunc, FUNCTIONS[np.reshape](a, shape) if isinstance(a, Tracer) else np.reshape(a, shape), b, **keywords)


FUNCTIONS["outer"] = _outer

# ---------------------------------------------------------------- the nan-variants


def _not_nan(a: Any) -> tuple[Tracer, Any]:
    a = as_array(a)
    return a, ufunc_call(np.logical_not, ufunc_call(np.isnan, a)) if a.dtype.kind in "fc" else None


def _both(mask: Any, where: Any) -> Any:
    return mask if not _given(where) or where is True else ufunc_call(np.logical_and, mask, where)


def _nan_variant(original: Any, function: Any) -> None:
    def variant(a: Any, axis: Any = None, *args: Any, where: Any = None, **keywords: Any) -> Any:
        a, mask = _not_nan(a)
        if mask is None:
            return function(a, axis, *args, **keywords)
        return function(a, axis, *args, where=_both(mask, where), **keywords)
    FUNCTIONS[original] = variant


_nan_variant(np.nansum, sum)
_nan_variant(np.nanprod, prod)


def _nan_extreme(original: Any, function: Any, neutral: float) -> None:
    def variant(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = None) -> Any:
        a, mask = _not_nan(a)
        if mask is None:
            return function(a, axis, out, keepdims, initial, where)
        axes = axes_of(axis, a.ndim)
        none_left = ufunc_call(np.logical_not, any(mask, axes, keepdims=keepdims))
        kept = _masked(a, _both(mask, where), neutral)
        result = function(kept, axis, None, keepdims, initial)
        known = none_left.value
        if known is None or np.any(known):
            if known is not None:
                import warnings
                warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=4)
            result = FUNCTIONS[np.where](none_left, np.nan, result)
        return _finish(result, out)
    FUNCTIONS[original] = variant


_nan_extreme(np.nanmax, max, -np.inf)
_nan_extreme(np.nanmin, min, np.inf)


@implements(np.nanmean)
def nanmean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = None) -> Any:
    """``np.nanmean``: NaN entries contribute nothing, to the value or the derivative."""
    a, mask = _not_nan(a)
    return mean(a, axis, dtype, out, keepdims, where=None if mask is None else _both(mask, where))


@implements(np.nanvar)
def nanvar(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False, *,
           where: Any = None, mean: Any = None, correction: Any = None) -> Any:
    """``np.nanvar``."""
    a, mask = _not_nan(a)
    kept = _masked(a, mask, 0)
    return FUNCTIONS[np.var](kept, axis, dtype, out, ddof, keepdims, where=_both(mask, where), mean=mean, correction=correction)


@implements(np.nanstd)
def nanstd(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False, *,
           where: Any = None, mean: Any = None, correction: Any = None) -> Any:
    """``np.nanstd``."""
    return _finish(safe_sqrt(nanvar(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction)), out)


def _nan_cumulative(original: Any, primitive: Any, neutral: float) -> None:
    def variant(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        a, mask = _not_nan(a)
        return _cumulative(primitive, _masked(a, mask, neutral), axis, dtype, out)
    FUNCTIONS[original] = variant


_nan_cumulative(np.nancumsum, r.cumsum, 0.0)
_nan_cumulative(np.nancumprod, r.cumprod, 1.0)


def _nan_position(original: Any, function: Any, neutral: float) -> None:
    def variant(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
        a, mask = _not_nan(a)
        if mask is not None and not np.all(np.any(mask.concrete("nanargmax"), axis=axis)):
            raise ValueError("All-NaN slice encountered")
        return function(_masked(a, mask, neutral), axis, out, keepdims=keepdims)
    FUNCTIONS[original] = variant


_nan_position(np.nanargmax, argmax, -np.inf)
_nan_position(np.nanargmin, argmin, np.inf)


def refuse_reduceat(*args: Any, **kwargs: Any) -> Any:
    """``ufunc.reduceat``: not traced."""
    raise UnsupportedError(f"ufunc.reduceat cannot be traced (at {user_line()}); sum slices, or use np.add.at")


FUNCTIONS["reduceat"] = refuse_reduceat
