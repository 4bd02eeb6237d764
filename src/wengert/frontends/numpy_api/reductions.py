"""Reductions and cumulative functions on tracers, and the methods of ufuncs.

What comes in: NumPy calls with their whole signatures. What goes out: reductions over non-negative axes.
The one idea: what ``where=`` leaves out is replaced by the neutral element, by selection, so it contributes
exactly nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.lens import is_c_ordered
from wengert.frontends.numpy_api.arithmetic import method, write_out
from wengert.frontends.numpy_api.structure import as_array, axes_of, axis_of
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced, implements, ufunc_call
from wengert.primitives import reduce as r
from wengert.primitives import structure as s
from wengert.primitives.elementary import root

__all__ = ["cumulative", "finished", "given", "kept", "masks", "safe_sqrt", "selected", "summed"]

_NO = np._NoValue


# ---------------------------------------------------------------- arguments


def given(x: Any) -> bool:
    """Whether an optional argument was given."""
    return x is not None and x is not _NO


def _true(keepdims: Any) -> bool:
    return keepdims is not _NO and bool(keepdims)


def masks(where: Any) -> bool:
    """Whether ``where=`` leaves anything out."""
    return given(where) and where is not True


def selected(a: Tracer, where: Any, neutral: Any) -> Tracer:
    """`a` with the neutral element where `where` is False."""
    if not masks(where):
        return a
    where = as_traced(where)
    mask = where if isinstance(where, Tracer) else np.asarray(where, bool)
    return s.select(mask, a, neutral if isinstance(neutral, Tracer) else a.dtype.type(neutral))


def kept(a: Tracer, result: Any, axes: tuple[int, ...], keepdims: Any) -> Any:
    """The result with the reduced axes as `keepdims` asks; it lies in memory as the array does."""
    if _true(keepdims):
        result = s.keep_axes(result, axes)
    if isinstance(result, Tracer) and result.ndim > 1 and is_c_ordered(a):
        result.order = "C"
    return result


def finished(result: Any, out: Any) -> Any:
    """The result, written into ``out=`` if that was given."""
    out = out[0] if isinstance(out, tuple) else out
    return write_out(out, result) if given(out) else result


def _in_dtype(a: Any, dtype: Any) -> Tracer:
    """The dtype in which NumPy adds: small integers and booleans become the platform's integer."""
    a = as_array(a)
    if given(dtype):
        return a if a.dtype == np.dtype(dtype) else s.convert(a, dtype=np.dtype(dtype))
    if a.dtype.kind in "bui" and a.dtype.itemsize <= np.dtype(int).itemsize:
        wide = np.dtype(np.uint if a.dtype.kind == "u" else int)
        return a if a.dtype == wide else s.convert(a, dtype=wide)
    return a


def _start(initial: Any, dtype: np.dtype[Any]) -> Any:
    """``initial=`` as a scalar of this dtype."""
    initial = as_traced(initial)
    if isinstance(initial, Tracer):
        return initial if initial.dtype == dtype else s.convert(initial, dtype=dtype)
    return np.asarray(initial).astype(dtype)


def safe_sqrt(v: Tracer) -> Any:
    """``sqrt(v)``, whose derivative at 0 is taken to be 0: for standard deviations and norms.

    The derivatives of its even powers are those of the polynomial in `v`.
    """
    return root(v)


# ---------------------------------------------------------------- sums and products


def summed(a: Tracer, axes: tuple[int, ...], where: Any = None, initial: Any = None) -> Any:
    """A sum in the dtype of the array, in the order in which NumPy adds."""
    if not masks(where) and not given(initial):
        return s.reduce_sum(a, axes=axes)
    mask: Any = np.asarray(True)
    if masks(where):
        where = as_traced(where)
        mask = where if isinstance(where, Tracer) else np.asarray(where, bool)
        shape = np.broadcast_shapes(mask.shape, a.shape)
        if shape != a.shape:
            a = s.broadcast(a, shape=shape)
        mask = mask if mask.shape == shape else s.broadcast(mask, shape=shape)
        a = selected(a, mask, 0)
    return r.masked_sum(a, mask, _start(initial if given(initial) else 0, a.dtype), axes=axes)


@implements(np.sum)
@method("sum")
def sum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """``np.sum``."""
    a = _in_dtype(a, dtype)
    axes = axes_of(axis, a.ndim)
    return finished(kept(a, summed(a, axes, where, initial), axes, keepdims), out)


@implements(np.prod)
@method("prod")
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = None,
) -> Any:
    """``np.prod``; exact derivatives at zeros, at every order."""
    a = selected(_in_dtype(a, dtype), where, 1)
    axes = axes_of(axis, a.ndim)
    if given(initial) and (len(axes) == 1 or len(axes) == a.ndim):  # NumPy begins with it
        x, k = (a, axes[0]) if len(axes) == 1 else (s.reshape(a, shape=(a.type.size,)), 0)
        first = s.broadcast(
            _start(initial, a.dtype), shape=tuple([1 if j == k else n for j, n in enumerate(x.shape)])
        )
        result = r.reduce_prod(s.concatenate(first, x, axis=k), axes=(k,))
    else:
        result = r.reduce_prod(a, axes=axes)
        if given(initial):
            result = ufunc_call(np.multiply, result, _start(initial, a.dtype))
    return finished(kept(a, result, axes, keepdims), out)


# ---------------------------------------------------------------- extremes


def _extreme(
    primitive: Any, ufunc: np.ufunc, a: Any, axis: Any, out: Any, keepdims: Any, initial: Any, where: Any
) -> Any:
    a = as_array(a)
    axes = axes_of(axis, a.ndim)
    if masks(where):
        if not given(initial):
            raise ValueError(
                f"reduction operation '{ufunc.__name__}' does not have an identity, so to use a where mask "
                f"one has to specify 'initial'"
            )
        a = selected(a, where, initial)
    if not given(initial):
        return finished(kept(a, primitive(a, axes=axes), axes, keepdims), out)
    start = _start(initial, a.dtype)
    if 0 in [a.shape[k] for k in axes]:
        result = as_array(
            s.broadcast(start, shape=tuple([n for k, n in enumerate(a.shape) if k not in axes]))
        )
    else:
        result = ufunc_call(ufunc, primitive(a, axes=axes), start)
    return finished(kept(a, result, axes, keepdims), out)


@implements(np.max, np.amax)
@method("max")
def max(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = None
) -> Any:
    """``np.max``; ties share the derivative evenly."""
    return _extreme(r.reduce_max, np.maximum, a, axis, out, keepdims, initial, where)


@implements(np.min, np.amin)
@method("min")
def min(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = None
) -> Any:
    """``np.min``; ties share the derivative evenly."""
    return _extreme(r.reduce_min, np.minimum, a, axis, out, keepdims, initial, where)


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """``np.ptp``."""
    return finished(ufunc_call(np.subtract, max(a, axis, None, keepdims), min(a, axis, None, keepdims)), out)


# ---------------------------------------------------------------- truth and places


def _boolean(a: Any) -> Tracer:
    a = as_array(a)
    return a if a.dtype == np.bool_ else ufunc_call(np.not_equal, a, 0)


def _logical(primitive: Any, neutral: bool, a: Any, axis: Any, out: Any, keepdims: Any, where: Any) -> Any:
    a = selected(_boolean(a), where, neutral)
    axes = axes_of(axis, a.ndim)
    return finished(kept(a, primitive(a, axes=axes), axes, keepdims), out)


@implements(np.any)
@method("any")
def any(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = None) -> Any:
    """``np.any``."""
    return _logical(r.reduce_any, False, a, axis, out, keepdims, where)


@implements(np.all)
@method("all")
def all(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = None) -> Any:
    """``np.all``."""
    return _logical(r.reduce_all, True, a, axis, out, keepdims, where)


def _position(primitive: Any, a: Any, axis: Any, out: Any, keepdims: Any) -> Any:
    a = as_array(a)
    flat = axis is None or not a.ndim
    x = s.reshape(a, shape=(a.type.size,)) if flat else a
    k = 0 if flat else axis_of(axis, a.ndim)
    result = primitive(x, axis=k)
    if _true(keepdims):
        result = s.reshape(result, shape=(1,) * a.ndim) if flat else s.keep_axes(result, (k,))
    return finished(result, out)


@implements(np.argmax)
@method("argmax")
def argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """``np.argmax``: integers."""
    return _position(r.argmax, a, axis, out, keepdims)


@implements(np.argmin)
@method("argmin")
def argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """``np.argmin``: integers."""
    return _position(r.argmin, a, axis, out, keepdims)


# ---------------------------------------------------------------- cumulative


def _running_sum(x: Any, *, axis: int) -> Any:
    return r.cumsum(x, axis=axis, reverse=False)


def cumulative(function: Callable[..., Any], a: Tracer, axis: Any, out: Any) -> Any:
    """A cumulative function along one axis; None means the array made flat."""
    if axis is None or not a.ndim:
        a, axis = s.reshape(a, shape=(a.type.size,)), 0
    return finished(function(a, axis=axis_of(axis, a.ndim)), out)


@implements(np.cumsum)
@method("cumsum")
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """``np.cumsum``."""
    return cumulative(_running_sum, _in_dtype(a, dtype), axis, out)


@implements(np.cumprod)
@method("cumprod")
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """``np.cumprod``; exact derivatives at zeros, at every order."""
    return cumulative(r.cumprod, _in_dtype(a, dtype), axis, out)


def _with_neutral(function: Any, neutral: int, x: Any, axis: Any, dtype: Any, out: Any, include: bool) -> Any:
    x = _in_dtype(x, dtype)
    x = x if x.ndim else s.reshape(x, shape=(1,))
    if axis is None and x.ndim > 1:
        raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
    k = axis_of(0 if axis is None else axis, x.ndim)
    result = function(x, axis=k)
    if include:
        shape = tuple([1 if a == k else n for a, n in enumerate(x.shape)])
        result = s.concatenate(np.full(shape, neutral, x.dtype), result, axis=k)
    return finished(result, out)


if hasattr(np, "cumulative_sum"):  # came with NumPy 2.1

    @implements(np.cumulative_sum)
    def cumulative_sum(
        x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
    ) -> Any:
        """``np.cumulative_sum``."""
        return _with_neutral(_running_sum, 0, x, axis, dtype, out, include_initial)

    @implements(np.cumulative_prod)
    def cumulative_prod(
        x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
    ) -> Any:
        """``np.cumulative_prod``."""
        return _with_neutral(r.cumprod, 1, x, axis, dtype, out, include_initial)


# ---------------------------------------------------------------- methods of ufuncs


def _reducer(function: Any) -> Any:
    """``ufunc.reduce``, whose default axis is 0."""

    def reduce(
        array: Any,
        axis: Any = 0,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        array = as_array(array)
        axis = () if axis == 0 and not array.ndim else axis
        if function in (sum, prod):
            return function(array, axis, dtype, out, keepdims, initial, where)
        if given(dtype):
            array = array.astype(dtype)
        if function in (max, min):
            return function(array, axis, out, keepdims, initial, where)
        if given(initial):
            raise UnsupportedError(f"initial= of a logical reduction cannot be traced (at {user_line()})")
        return function(array, axis, out, keepdims, where=where)

    return reduce


def _accumulator(function: Any, wide: bool) -> Any:
    def accumulate(array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        array = (
            _in_dtype(array, dtype)
            if wide
            else as_array(array)
            if not given(dtype)
            else as_array(array).astype(dtype)
        )
        if not array.ndim:
            raise TypeError("cannot accumulate on a scalar")
        return cumulative(function, array, axis, out)

    return accumulate


for _ufunc, _function in (
    (np.add, sum),
    (np.multiply, prod),
    (np.maximum, max),
    (np.minimum, min),
    (np.logical_or, any),
    (np.logical_and, all),
):
    FUNCTIONS[(_ufunc, "reduce")] = _reducer(_function)
for _ufunc, _running in (
    (np.add, _running_sum),
    (np.multiply, r.cumprod),
    (np.maximum, r.cummax),
    (np.minimum, r.cummin),
):
    FUNCTIONS[(_ufunc, "accumulate")] = _accumulator(_running, _ufunc in (np.add, np.multiply))


def _lanes(ufunc: np.ufunc, array: Any, axis: Any, dtype: Any) -> tuple[list[Any], Tracer, int]:
    """The slices of an array along the axis of a reduction by any ufunc of two operands."""
    a = as_array(array)
    a = a.astype(dtype) if given(dtype) else a
    axes = axes_of(axis, a.ndim)
    if ufunc.nin != 2 or ufunc.nout != 1:
        raise ValueError("reduce only supported for binary functions")
    if len(axes) != 1:
        raise UnsupportedError(
            f"np.{ufunc.__name__}.reduce over {len(axes)} axes cannot be traced (at {user_line()}); reduce "
            f"over one axis after the other"
        )
    k = axes[0]
    return [a[(slice(None),) * k + (i,)] for i in range(a.shape[k])], a, k


def _reduce(
    ufunc: np.ufunc,
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """``ufunc.reduce`` for any other ufunc: one application after the other, as NumPy does it."""
    if masks(where):
        raise UnsupportedError(f"np.{ufunc.__name__}.reduce(where=...) cannot be traced (at {user_line()})")
    parts, a, k = _lanes(ufunc, array, axis, dtype)
    if given(initial):
        parts.insert(0, initial)
    elif not parts:
        if ufunc.identity is None:
            raise ValueError(f"zero-size array to reduction operation {ufunc.__name__} which has no identity")
        return ufunc.reduce(np.zeros(a.shape, a.dtype), axis=k, keepdims=_true(keepdims))
    result = parts[0]
    for part in parts[1:]:
        result = ufunc_call(ufunc, result, part)
    return finished(kept(a, as_array(result), (k,), keepdims), out)


def _accumulate(ufunc: np.ufunc, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
    """``ufunc.accumulate`` for any other ufunc."""
    parts, a, k = _lanes(ufunc, array, axis, dtype)
    for i in range(1, len(parts)):
        parts[i] = ufunc_call(ufunc, parts[i - 1], parts[i])
    return finished(FUNCTIONS[np.stack](parts, k) if parts else a.copy(), out)


def _outer(ufunc: np.ufunc, a: Any, b: Any, /, **keywords: Any) -> Any:
    """``ufunc.outer``: every element of a with every element of b."""
    a, b = as_traced(a), as_traced(b)
    shape = (*np.shape(a), *(1,) * np.ndim(b))
    if shape != np.shape(a):
        a = s.reshape(a if isinstance(a, Tracer) else np.asarray(a), shape=shape)
    return ufunc_call(ufunc, a, b, **keywords)


def _reduceat(ufunc: np.ufunc, *args: Any, **keywords: Any) -> Any:
    raise UnsupportedError(
        f"np.{ufunc.__name__}.reduceat cannot be traced (at {user_line()}); reduce slices, or use np.add.at"
    )


FUNCTIONS["reduce"] = _reduce
FUNCTIONS["accumulate"] = _accumulate
FUNCTIONS["outer"] = _outer
FUNCTIONS["reduceat"] = _reduceat
