"""Shapes: reshape, transpose, broadcast, flip, diagonals, on tracers.

What comes in: NumPy calls. What goes out: structural primitives. The one idea: axes are made non-negative
here, once, and a result that looks at its operand's memory says so (`view`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.lens import KINDS, is_c_ordered, stand_in
from wengert.frontends.numpy_api.arithmetic import method
from wengert.frontends.trace import require_plain, user_line
from wengert.frontends.tracer import Tracer, as_traced, implements
from wengert.primitives import structure as s
from wengert.primitives.index import to_spec

__all__ = ["as_array", "axis_of", "axes_of", "basic_view", "reshape", "transpose", "view"]


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


def as_array(a: Any) -> Tracer:
    """Anything array-like as a tracer; ordinary arrays are copied."""
    a = as_traced(a)
    require_plain(a)
    return a if isinstance(a, Tracer) else Tracer(None, None, np.array(a))


def view(x: Tracer, kind: str, payload: Any) -> Any:
    """A view of `x`, of a kind of `lens.KINDS`."""
    return x.view_through(kind, payload, KINDS[kind].read(x, payload))


def basic_view(x: Tracer, *key: Any) -> Any:
    """``x[key]`` for slices, integers and None, always an array."""
    return view(x, "index", (to_spec(key), ()))


def shape_of(shape: Any) -> tuple[int, ...]:
    """A shape given as an integer or a sequence of integers."""
    if isinstance(shape, Tracer) and shape.shape:
        shape = shape.concrete("a shape").tolist()
    return tuple(int(n) for n in shape) if isinstance(shape, (tuple, list, np.ndarray)) else (int(shape),)


# ---------------------------------------------------------------- reshape

def memory_order(a: Tracer, order: str) -> str:
    """"C" or "F" for any of NumPy's order letters; "A" and "K" ask how the array lies in memory."""
    if order in ("C", "F"):
        return order
    if order not in ("A", "K"):
        raise ValueError(f"order must be one of 'C', 'F', 'A', or 'K' (got '{order}')")
    model = stand_in(a)
    if model is not None and model.flags.c_contiguous:
        return "C"
    if model is not None and order == "A":
        return "F" if model.flags.f_contiguous else "C"
    raise UnsupportedError(f"order={order!r} depends on how the array lies in memory, which is not known at "
                           f"{user_line()}; say order='C' or 'F'")


@implements(np.reshape)
def reshape(a: Any, /, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: Any = None) -> Any:
    """``np.reshape``: a view where NumPy gives one."""
    shape = shape_of(newshape if shape is None else shape)
    if not isinstance(a, Tracer):
        a = as_traced(a)
        if not isinstance(a, Tracer):
            return np.reshape(a, shape, order)  # type: ignore[call-overload]
    if -1 in shape:
        known = math.prod(n for n in shape if n != -1)
        if shape.count(-1) > 1:
            raise ValueError("can only specify one unknown dimension")
        if known == 0 or a.type.size % known:
            raise ValueError(f"cannot reshape array of size {a.type.size} into shape {shape}")
        shape = tuple(a.type.size // known if n == -1 else n for n in shape)
    payload = (shape, memory_order(a, order))
    if copy:
        return KINDS["reshape"].read(a, payload)
    return view(a, "reshape", payload)


@method("reshape")
def _reshape_method(x: Tracer, *shape: Any, order: str = "C", copy: Any = None) -> Any:
    return reshape(x, shape[0] if len(shape) == 1 else shape, order=order, copy=copy)


@implements(np.ravel)
@method("ravel")
def ravel(a: Any, order: str = "C") -> Any:
    """``np.ravel``: a view where the array is contiguous, else a copy."""
    a = as_array(a)
    return view(a, "ravel", ((a.type.size,), memory_order(a, order)))


@method("flatten")
def flatten(x: Tracer, order: str = "C") -> Any:
    """``ndarray.flatten``: always a copy."""
    return KINDS["ravel"].read(x, ((x.type.size,), memory_order(x, order)))


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    """``np.expand_dims``."""
    a = as_array(a)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    places = axes_of(tuple(axes), a.ndim + len(axes))
    return basic_view(a, *[None if k in places else slice(None) for k in range(a.ndim + len(axes))])


@implements(np.squeeze)
@method("squeeze")
def squeeze(a: Any, axis: Any = None) -> Any:
    """``np.squeeze``."""
    a = as_array(a)
    places = tuple(k for k, n in enumerate(a.shape) if n == 1) if axis is None else axes_of(axis, a.ndim)
    if any(a.shape[k] != 1 for k in places):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return basic_view(a, *[0 if k in places else slice(None) for k in range(a.ndim)])


def _at_least(ndim: int, arrays: Sequence[Any]) -> Any:
    results = []
    for a in arrays:
        a = as_array(a)
        if a.ndim < ndim:
            missing = ndim - a.ndim
            before = {2: missing, 3: 1 if a.ndim <= 1 else 0}.get(ndim, missing)
            a = basic_view(a, *[None] * before, *[slice(None)] * a.ndim, *[None] * (missing - before))
        results.append(a)
    return results[0] if len(results) == 1 else tuple(results)


@implements(np.atleast_1d)
def atleast_1d(*arys: Any) -> Any:
    """``np.atleast_1d``."""
    return _at_least(1, arys)


@implements(np.atleast_2d)
def atleast_2d(*arys: Any) -> Any:
    """``np.atleast_2d``."""
    return _at_least(2, arys)


@implements(np.atleast_3d)
def atleast_3d(*arys: Any) -> Any:
    """``np.atleast_3d``: (n,) becomes (1, n, 1)."""
    return _at_least(3, arys)


# ---------------------------------------------------------------- transpose

@implements(np.transpose, np.permute_dims)
def transpose(a: Any, axes: Any = None) -> Any:
    """``np.transpose``."""
    a = as_array(a)
    order = tuple(range(a.ndim))[::-1] if axes is None else tuple(axis_of(k, a.ndim) for k in axes)
    if sorted(order) != list(range(a.ndim)):
        raise ValueError("axes don't match array")
    return view(a, "transpose", order)


@method("transpose")
def _transpose_method(x: Tracer, *axes: Any) -> Any:
    return transpose(x, None if not axes or axes[0] is None else
                     axes[0] if isinstance(axes[0], (tuple, list)) else axes)


@method("T", property=True)
def _t(x: Tracer) -> Any:
    return transpose(x)


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
@method("mT", property=True)
def matrix_transpose(x: Any, /) -> Any:
    """``np.matrix_transpose``: the last two axes."""
    x = as_array(x)
    if x.ndim < 2:
        raise ValueError("matrix transpose with ndim < 2 is undefined")
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


@implements(np.swapaxes)
@method("swapaxes")
def swapaxes(a: Any, axis1: Any, axis2: Any) -> Any:
    """``np.swapaxes``."""
    a = as_array(a)
    order = list(range(a.ndim))
    i, j = axis_of(axis1, a.ndim), axis_of(axis2, a.ndim)
    order[i], order[j] = order[j], order[i]
    return transpose(a, tuple(order))


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """``np.moveaxis``."""
    a = as_array(a)
    sources = [axis_of(k, a.ndim) for k in (source if isinstance(source, (tuple, list)) else (source,))]
    targets = [
        axis_of(k, a.ndim)
        for k in (destination if isinstance(destination, (tuple, list)) else (destination,))
    ]
    if len(sources) != len(targets):
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
    if len(set(sources)) != len(sources) or len(set(targets)) != len(targets):
        raise ValueError("repeated axis")
    order = [k for k in range(a.ndim) if k not in sources]
    for target, source in sorted(zip(targets, sources, strict=True)):
        order.insert(target, source)
    return transpose(a, tuple(order))


@implements(np.rollaxis)
def rollaxis(a: Any, axis: Any, start: int = 0) -> Any:
    """``np.rollaxis``."""
    a = as_array(a)
    axis = axis_of(axis, a.ndim)
    start = int(start) + a.ndim if start < 0 else int(start)
    if not 0 <= start <= a.ndim:
        raise np.exceptions.AxisError(f"'start' arg requires {-a.ndim} <= start < {a.ndim + 1}")
    return moveaxis(a, axis, start - 1 if axis < start else start)


# ---------------------------------------------------------------- broadcast

@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    """``np.broadcast_to``: a read-only view."""
    return view(as_array(array), "broadcast", shape_of(shape))


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    """``np.broadcast_arrays``: arrays of the common shape are given back as they are."""
    arrays = [as_array(a) for a in args]
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    return tuple([a if a.shape == shape else broadcast_to(a, shape) for a in arrays])


# ---------------------------------------------------------------- flip and turn

@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    """``np.flip``: a view."""
    m = as_array(m)
    axes = axes_of(axis, m.ndim)
    return basic_view(m, *[slice(None, None, -1) if k in axes else slice(None) for k in range(m.ndim)])


@implements(np.fliplr)
def fliplr(m: Any) -> Any:
    """``np.fliplr``."""
    if m.ndim < 2:
        raise ValueError("Input must be >= 2-d.")
    return flip(m, 1)


@implements(np.flipud)
def flipud(m: Any) -> Any:
    """``np.flipud``."""
    if m.ndim < 1:
        raise ValueError("Input must be >= 1-d.")
    return flip(m, 0)


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """``np.rot90``: views."""
    m = as_array(m)
    if len(axes) != 2:
        raise ValueError("len(axes) must be 2.")
    if axes[0] == axes[1] or abs(axes[0] - axes[1]) == m.ndim:
        raise ValueError("Axes must be different.")
    if not all(-m.ndim <= a < m.ndim for a in axes):
        raise ValueError(f"Axes={tuple(axes)} out of range for array of ndim={m.ndim}.")
    k = int(k) % 4
    if k == 0:
        return basic_view(m)
    if k == 2:
        return flip(flip(m, axes[0]), axes[1])
    return swapaxes(flip(m, axes[1]), *axes) if k == 1 else flip(swapaxes(m, *axes), axes[1])


# ---------------------------------------------------------------- diagonals and triangles

@implements(np.linalg.diagonal)
def _linalg_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """``np.linalg.diagonal``: of the last two axes."""
    return diagonal(x, offset, -2, -1)


@implements(np.diagonal)
@method("diagonal")
def diagonal(a: Any, offset: int = 0, axis1: Any = 0, axis2: Any = 1) -> Any:
    """``np.diagonal``: a read-only view."""
    a = as_array(a)
    if a.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    i, j = axis_of(axis1, a.ndim), axis_of(axis2, a.ndim)
    if i == j:
        raise ValueError("axis1 and axis2 cannot be the same")
    return view(a, "diagonal", (int(offset), i, j))


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """``np.diag``: a matrix with this diagonal, or the diagonal of a matrix (a read-only view)."""
    v = as_array(v)
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ValueError("Input must be 1- or 2-d.")
    k, n = int(k), v.shape[0] + abs(int(k))
    out = Tracer(None, None, np.zeros((n, n), v.dtype))
    rows = np.arange(v.shape[0])
    out[rows + max(-k, 0), rows + max(k, 0)] = v
    return out


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """``np.diagflat``."""
    return diag(flatten(as_array(v)), k)


def _triangle(m: Any, k: int, lower: bool) -> Any:
    m = as_array(m)
    rows, columns = m.shape[-2:] if m.ndim > 1 else (*m.shape, *m.shape)
    mask = np.tri(rows, columns, k=int(k) if lower else int(k) - 1, dtype=bool)
    zero = m.dtype.type(0)
    out = s.select(mask, m, zero) if lower else s.select(mask, zero, m)
    out.order = "C" if is_c_ordered(m) else ""
    return out


@implements(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    """``np.tril``."""
    return _triangle(m, k, True)


@implements(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    """``np.triu``."""
    return _triangle(m, k, False)


# ---------------------------------------------------------------- plain facts

@implements(np.shape)
def shape(a: Any) -> tuple[int, ...]:
    """``np.shape``."""
    return as_array(a).shape


@implements(np.ndim)
def ndim(a: Any) -> int:
    """``np.ndim``."""
    return as_array(a).ndim


@implements(np.size)
def size(a: Any, axis: Any = None) -> int:
    """``np.size``."""
    shape = as_array(a).shape
    return math.prod(shape) if axis is None else math.prod(shape[k] for k in axes_of(axis, len(shape)))


@method("size", property=True)
def _size(x: Tracer) -> int:
    return x.type.size


@method("itemsize", property=True)
def _itemsize(x: Tracer) -> int:
    return x.dtype.itemsize


@method("nbytes", property=True)
def _nbytes(x: Tracer) -> int:
    return x.dtype.itemsize * x.type.size
