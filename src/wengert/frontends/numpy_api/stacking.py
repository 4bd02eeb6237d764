"""Joining, splitting, repeating: concatenate, stack, block, split, tile, roll, insert, delete.

What comes in: NumPy calls. What goes out: concatenations, broadcasts and gathers. The one idea: where NumPy
only rearranges elements by static rules, the rearrangement is asked of NumPy, on an array of element
numbers, and done as one gather (`gather`).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.lens import is_c_ordered
from wengert.frontends.numpy_api.arithmetic import common, method, write_out
from wengert.frontends.numpy_api.structure import (
    as_array,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    axis_of,
    basic_view,
    moveaxis,
    shape_of,
    swapaxes,
)
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import Tracer, as_traced, implements
from wengert.primitives import structure as s
from wengert.primitives.index import index

__all__ = ["concatenate", "gather", "stack"]


def gather(x: Tracer, places: Any) -> Any:
    """A new array of elements of `x`, given by their numbers in C order."""
    return index(s.reshape(x, shape=(x.type.size,)), np.asarray(places, np.intp), spec=(("a",),))


def _numbers(x: Any) -> Any:
    return np.arange(x.type.size).reshape(x.shape)


def _finish(result: Any, out: Any, dtype: Any, casting: Any) -> Any:
    if dtype is not None and np.dtype(dtype) != result.dtype:
        if not np.can_cast(result.dtype, dtype, casting):
            raise TypeError(f"Cannot cast array data from {result.dtype!r} to {np.dtype(dtype)!r} according "
                            f"to the rule "
                            f"'{casting}'")
        result = result.astype(dtype)
    return result if out is None else write_out(out, result)


# ---------------------------------------------------------------- joining

def _sequence(arrays: Any, function: str) -> list[Any]:
    if isinstance(arrays, Tracer):
        return list(arrays)
    if not isinstance(arrays, (list, tuple)):
        arrays = list(arrays)
    if not arrays:
        raise ValueError(f"need at least one array to {function}")
    return [as_array(a) for a in arrays]


def _strong(arrays: list[Any]) -> list[Any]:
    """Arrays in their common dtype; here Python numbers count as the arrays that NumPy makes of them."""
    return common(*[Tracer(a.build, a.current(), a.cell) if a.kind == "scalar" else a for a in arrays])


def _joined(arrays: list[Any], axis: int) -> Any:
    shapes = [a.shape for a in arrays]
    if len({len(shape) for shape in shapes}) > 1:
        raise ValueError("all the input array dimensions except for the concatenation axis must match "
                         "exactly, but the "
                         f"arrays have shapes {shapes}")
    out = s.concatenate(*_strong(arrays), axis=axis)
    out.order = "C" if all(map(is_c_ordered, arrays)) else ""
    return out


@implements(np.concatenate)
def concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    """``np.concatenate``."""
    parts = _sequence(arrays, "concatenate")
    if axis is None:
        parts, axis = [s.reshape(a, shape=(a.type.size,)) for a in parts], 0
    if any(not a.shape for a in parts):
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    return _finish(_joined(parts, axis_of(axis, parts[0].ndim)), out, dtype, casting)


@implements(np.stack)
def stack(
    arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    """``np.stack``."""
    parts = _sequence(arrays, "stack")
    shape = parts[0].shape
    if any(a.shape != shape for a in parts):
        raise ValueError("all input arrays must have the same shape")
    axis = axis_of(axis, len(shape) + 1)
    lifted = (*shape[:axis], 1, *shape[axis:])
    result = _joined([s.reshape(a, shape=lifted) for a in parts], axis)
    result.order = "C" if all(map(is_c_ordered, parts)) else ""
    return _finish(result, out, dtype, casting)


def _each(function: Any, arrays: list[Any]) -> list[Any]:
    return [function(a) for a in arrays]


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """``np.vstack``."""
    return concatenate(_each(atleast_2d, _sequence(tup, "concatenate")), 0, dtype=dtype, casting=casting)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """``np.hstack``."""
    parts = _each(atleast_1d, _sequence(tup, "concatenate"))
    return concatenate(parts, 0 if parts[0].ndim == 1 else 1, dtype=dtype, casting=casting)


@implements(np.dstack)
def dstack(tup: Any) -> Any:
    """``np.dstack``."""
    return concatenate(_each(atleast_3d, _sequence(tup, "concatenate")), 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Any:
    """``np.column_stack``: vectors become columns."""
    parts = _sequence(tup, "concatenate")
    return concatenate([swapaxes(atleast_2d(a), 0, 1) if a.ndim < 2 else a for a in parts], 1)


def _depth(arrays: Any) -> int:
    return 1 + max(_depth(a) for a in arrays) if isinstance(arrays, list) and arrays else 0


@implements(np.block)
def block(arrays: Any) -> Any:
    """``np.block``: the innermost lists are joined along the last axis, the next along the one before, ..."""
    def arrays_of(a: Any) -> Any:
        return [x for e in a for x in arrays_of(e)] if isinstance(a, list) else [as_array(a)]
    depth = _depth(arrays)
    ndim = max(depth, *[a.ndim for a in arrays_of(arrays)])

    def join(a: Any, level: int) -> Any:
        if isinstance(a, list):
            if not a:
                raise ValueError("List at arrays cannot be empty")
            return concatenate([join(e, level + 1) for e in a], axis=ndim - depth + level)
        if level != depth:
            raise ValueError("List depths are mismatched")
        a = as_array(a)
        return basic_view(a, *[None] * (ndim - a.ndim), *[slice(None)] * a.ndim)
    return join(arrays, 0).copy() if depth == 0 else join(arrays, 0)


@implements(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """``np.append``."""
    return concatenate((as_array(arr), as_array(values)), axis)


# ---------------------------------------------------------------- splitting

@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[Any]:
    """``np.array_split``: views."""
    ary = as_array(ary)
    axis = axis_of(axis, ary.ndim)
    n = ary.shape[axis]
    if np.ndim(indices_or_sections):
        cuts = [0, *[int(k) for k in indices_or_sections], n]
    else:
        sections = int(indices_or_sections)
        if sections <= 0:
            raise ValueError("number sections must be larger than 0.")
        each, extras = divmod(n, sections)
        cuts = [0]
        for k in range(sections):
            cuts.append(cuts[-1] + each + (k < extras))
    before = [slice(None)] * axis
    return [basic_view(ary, *before, slice(a, b)) for a, b in pairwise(cuts)]


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[Any]:
    """``np.split``."""
    ary = as_array(ary)
    if not np.ndim(indices_or_sections) and ary.shape[axis_of(axis, ary.ndim)] % int(indices_or_sections):
        raise ValueError("array split does not result in an equal division")
    return array_split(ary, indices_or_sections, axis)


@implements(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """``np.hsplit``."""
    if ary.ndim == 0:
        raise ValueError("hsplit only works on arrays of 1 or more dimensions")
    return split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


@implements(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """``np.vsplit``."""
    if ary.ndim < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return split(ary, indices_or_sections, 0)


@implements(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """``np.dsplit``."""
    if ary.ndim < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return split(ary, indices_or_sections, 2)


def unstack(x: Any, /, *, axis: Any = 0) -> tuple[Any, ...]:
    """``np.unstack``: views."""
    x = as_array(x)
    if not x.shape:
        raise ValueError("Input array must be at least 1-d.")
    return tuple(moveaxis(x, axis, 0))


if hasattr(np, "unstack"):  # NumPy 2.1
    implements(np.unstack)(unstack)


# ---------------------------------------------------------------- repeating and rolling

@implements(np.repeat)
@method("repeat")
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """``np.repeat``: one count, or one for each element along the axis."""
    a = as_array(a)
    counts = repeats.concrete("a count") if isinstance(repeats, Tracer) else np.asarray(repeats)
    if axis is None:
        a, axis = s.reshape(a, shape=(a.type.size,)), 0
    axis = axis_of(axis, a.ndim)
    before = (("s", None, None, None),) * axis
    return index(a, np.repeat(np.arange(a.shape[axis]), counts), spec=(*before, ("a",)))


@implements(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """``np.tile``: a broadcast and a reshape."""
    a = as_array(A)
    reps = shape_of(reps)
    ndim = max(len(reps), a.ndim)
    reps = (1,) * (ndim - len(reps)) + reps
    shape = (1,) * (ndim - a.ndim) + a.shape
    if all(r == 1 for r in reps):
        return s.reshape(a, shape=shape)
    lifted = s.reshape(a, shape=tuple(m for n in shape for m in (1, n)))
    spread = s.broadcast(lifted, shape=tuple(m for r, n in zip(reps, shape, strict=True) for m in (r, n)))
    return s.reshape(spread, shape=tuple(r * n for r, n in zip(reps, shape, strict=True)))


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """``np.roll``: two slices for each axis, joined the other way round."""
    a = as_array(a)
    if axis is None:
        flat = s.reshape(a, shape=(a.type.size,))
        return s.reshape(roll(flat, shift, 0), shape=a.shape)
    shifts, axes = np.broadcast_arrays(np.asarray(shift, int), np.asarray(axis, int))
    if shifts.ndim > 1:
        raise ValueError("'shift' and 'axis' should be scalars or 1D sequences")
    for k, ax in zip(shifts.ravel().tolist(), axes.ravel().tolist(), strict=True):
        where = axis_of(ax, a.ndim)
        n = a.shape[where]
        k = k % n if n else 0
        if k:
            before = (slice(None),) * where
            a = s.concatenate(a[(*before, slice(n - k, None))], a[(*before, slice(0, n - k))], axis=where)
    return a.copy()


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """``np.resize``: elements in C order, over and over."""
    a = as_array(a)
    return gather(a, np.resize(_numbers(a), shape_of(new_shape))) if a.type.size else \
        Tracer(None, None, np.zeros(shape_of(new_shape), a.dtype))


@method("resize")
def _resize_method(x: Tracer, *args: Any, **keywords: Any) -> Any:
    raise UnsupportedError(f"x.resize(...) at {user_line()} changes an array in place; write x = "
                           f"np.resize(x, shape)")


@implements(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """``np.trim_zeros`` has no derivative: what it cuts depends on the values."""
    raise UnsupportedError(f"np.trim_zeros at {user_line()} cuts by value; take a slice with bounds that are "
                           f"integers")


# ---------------------------------------------------------------- inserting and deleting

def _static(obj: Any) -> Any:
    return obj.concrete("an index") if isinstance(obj, Tracer) else obj


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    """``np.delete``: the elements that NumPy keeps."""
    a = as_array(arr)
    return gather(a, np.delete(_numbers(a), _static(obj), axis))


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """``np.insert``: values are converted to the dtype of the array, as NumPy does."""
    a, v = as_array(arr), as_array(values)
    if v.dtype != a.dtype:
        from wengert.frontends.indexing import written
        v = as_array(written(a, v))
    numbers = _numbers(a)
    places = np.insert(numbers, _static(obj), _numbers(v) + numbers.size, axis)
    both = s.concatenate(s.reshape(a, shape=(a.type.size,)), s.reshape(v, shape=(v.type.size,)), axis=0)
    return gather(both, places)


# ---------------------------------------------------------------- grids

@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """``np.meshgrid``; with ``copy=False`` the results are views."""
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    n = len(xi)
    out = []
    for k, x in enumerate(xi):
        place = 1 - k if indexing == "xy" and n > 1 and k < 2 else k
        x = as_array(x)
        flat = x if x.ndim == 1 else x.reshape(-1)
        out.append(basic_view(flat, *[slice(None) if j == place else None for j in range(n)]))
    if not sparse:
        from wengert.frontends.numpy_api.structure import broadcast_arrays
        out = list(broadcast_arrays(*out))
    return tuple([x.copy() for x in out]) if copy else tuple(out)


@implements(np.ix_)
def ix_(*args: Any) -> Any:
    """``np.ix_`` of integers or booleans."""
    return np.ix_(*[a.concrete("an index") if isinstance(a, Tracer) else as_traced(a) for a in args])


