"""Shapes: reshape, transpose, broadcast, stacks and creation, on tracers.

What comes in: NumPy calls. What goes out: structural primitives. The one idea: axes are made non-negative here,
once, and a result that looks at its operand's memory says so (`view_through`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.frontends.numpy_api.arithmetic import common, method
from wengert.frontends.tracer import Tracer, as_traced, implements
from wengert.primitives import structure as s

__all__ = ["axis_of", "axes_of", "reshape", "stack"]


def axis_of(axis: Any, ndim: int) -> int:
    """One axis, made non-negative."""
    k = int(axis)
    if not -ndim <= k < ndim:
        raise np.exceptions.AxisError(k, ndim)
    return k % ndim if ndim else 0


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Axes (None for all, an integer, a tuple), made non-negative, distinct and sorted."""
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(axis_of(a, ndim) for a in (axis if isinstance(axis, (tuple, list)) else (axis,)))
    if len(set(axes)) != len(axes):
        raise ValueError("duplicate value in 'axis'")
    return tuple(sorted(axes))


@implements(np.reshape)
def reshape(a: Any, /, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: Any = None) -> Any:
    """``np.reshape``."""
    shape = newshape if shape is None else shape
    shape = tuple(int(n) for n in (shape if isinstance(shape, (tuple, list)) else (shape,)))
    if -1 in shape:
        known = math.prod(n for n in shape if n != -1)
        if shape.count(-1) > 1:
            raise ValueError("can only specify one unknown dimension")
        if known == 0 or math.prod(a.shape) % known:
            raise ValueError(f"cannot reshape array of size {math.prod(a.shape)} into shape {shape}")
        shape = tuple(math.prod(a.shape) // known if n == -1 else n for n in shape)
    if order == "F":
        turned = s.reshape(s.transpose(a, axes=tuple(range(a.ndim))[::-1]), shape=shape[::-1])
        return a.view_through("reshape", shape, s.transpose(turned, axes=tuple(range(len(shape)))[::-1]))
    return a.view_through("reshape", shape, s.reshape(a, shape=shape))


@method("reshape")
def _reshape_method(x: Tracer, *shape: Any, order: str = "C", copy: Any = None) -> Any:
    return reshape(x, shape[0] if len(shape) == 1 else shape, order=order)


@implements(np.transpose, np.permute_dims)
def transpose(a: Any, axes: Any = None) -> Any:
    """``np.transpose``."""
    order = tuple(range(a.ndim))[::-1] if axes is None else tuple(axis_of(k, a.ndim) for k in axes)
    if sorted(order) != list(range(a.ndim)):
        raise ValueError("axes don't match array")
    return a.view_through("transpose", order, s.transpose(a, axes=order))


@method("transpose")
def _transpose_method(x: Tracer, *axes: Any) -> Any:
    return transpose(x, None if not axes or axes[0] is None else axes[0] if isinstance(axes[0], tuple) else axes)


@method("T", property=True)
def _t(x: Tracer) -> Any:
    return transpose(x)


@method("size", property=True)
def _size(x: Tracer) -> int:
    return x.type.size


@implements(np.stack)
def stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """``np.stack``."""
    arrays = common(*[as_traced(a) for a in arrays])
    shape = arrays[0].shape
    if any(a.shape != shape for a in arrays):
        raise ValueError("all input arrays must have the same shape")
    axis = axis_of(axis, len(shape) + 1)
    lifted = (*shape[:axis], 1, *shape[axis:])
    return s.concatenate(*[s.reshape(a, shape=lifted) if isinstance(a, Tracer) else np.reshape(a, lifted)
                           for a in arrays], axis=axis)


@implements(np.array, np.asarray)
def array(a: Any, dtype: Any = None, **keywords: Any) -> Any:
    """``np.array`` of a tracer, or of nested lists that hold tracers."""
    if isinstance(a, Tracer):
        out = a.copy()
        return out if dtype is None else out.astype(dtype)
    out = stack([array(e) if isinstance(e, (list, tuple)) else e for e in a])
    return out if dtype is None else out.astype(dtype)


@implements(np.sum)
@method("sum")
def sum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None,
        where: Any = None) -> Any:
    """``np.sum``."""
    axes = axes_of(axis, a.ndim)
    result = s.reduce_sum(a, axes=axes) if axes else a
    return s.keep_axes(result, axes) if keepdims else result
