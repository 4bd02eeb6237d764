"""Reductions: extremes, products, cumulative sums and products.

What comes in: an array and axes. What goes out: the reduced array. The one idea: an extreme selects its tangent (split
evenly among ties, never a product with zero), and a product is differentiated without a division, so zeros are exact
at every order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import ArrayType, Const, Primitive
from wengert.primitives.elementwise import equal, logical_not, logical_or, not_equal
from wengert.primitives.sampling import cases
from wengert.primitives.structure import broadcast, concatenate, convert, flip, full, keep_axes, reduce_sum, reshape, select, transpose

__all__ = ["argmax", "argmin", "cumprod", "cumsum", "reduce_all", "reduce_any", "reduce_max", "reduce_min", "reduce_prod"]


def _without(x: ArrayType, axes: tuple[int, ...], dtype: Any = None) -> ArrayType:
    return ArrayType(tuple(n for a, n in enumerate(x.shape) if a not in axes), dtype or x.dtype)


def _shifted(primitive_name: str) -> Any:
    """Batching of a reduction: the axes move by one."""
    def batch(n: int, ops: Any, batched: Any, *, axes: tuple[int, ...]) -> Any:
        from wengert.graph import REGISTRY
        return REGISTRY[primitive_name](ops[0], axes=tuple(a + 1 for a in axes))
    return batch


# ---------------------------------------------------------------- extremes

def _extreme_jvp(y: Any, operands: Any, tangents: Any, *, axes: tuple[int, ...]) -> Any:
    """The mean of the tangents of the elements that equal the extreme (of those that are NaN, if it is NaN)."""
    (x,), (t,) = operands, tangents
    top = broadcast(keep_axes(y, axes), shape=x.shape)
    chosen = logical_or(equal(x, top), not_equal(x, x))
    count = reduce_sum(convert(chosen, dtype=x.dtype), axes=axes)
    picked = select(chosen, t, Const(np.zeros((), t.dtype)))
    return reduce_sum(picked, axes=axes) / count


def _extreme(name: str, ufunc: np.ufunc) -> Primitive:
    return Primitive(name, type=lambda x, *, axes: _without(x, axes), evaluate=lambda x, *, axes: ufunc.reduce(x, axis=axes),
                     jvp=_extreme_jvp, batch=_shifted(name),
                     sample=cases(((2, 3), {"axes": (1,)}), ((4,), {"axes": (0,)}), ((2, 3, 2), {"axes": (0, 2)})))


reduce_max = _extreme("reduce_max", np.maximum)
reduce_min = _extreme("reduce_min", np.minimum)


def _logical(name: str, ufunc: np.ufunc) -> Primitive:
    return Primitive(name, type=lambda x, *, axes: _without(x, axes, np.bool_), evaluate=lambda x, *, axes: ufunc.reduce(x, axis=axes),
                     differentiable=False, batch=_shifted(name), sample=cases(((2, 3), {"axes": (1,)}), ((), {"axes": ()})))


reduce_any = _logical("reduce_any", np.logical_or)
reduce_all = _logical("reduce_all", np.logical_and)


def _position(name: str, function: Any) -> Primitive:
    return Primitive(name, type=lambda x, *, axis: _without(x, (axis,), np.intp), evaluate=lambda x, *, axis: function(x, axis=axis),
                     differentiable=False, sample=cases(((2, 3), {"axis": 1}), ((4,), {"axis": 0})),
                     batch=lambda n, ops, batched, *, axis: _position_of(name)(ops[0], axis=axis + 1))


def _position_of(name: str) -> Primitive:
    return argmax if name == "argmax" else argmin


argmax = _position("argmax", np.argmax)
argmin = _position("argmin", np.argmin)

# ---------------------------------------------------------------- products


def _prod_jvp(y: Any, operands: Any, tangents: Any, *, axes: tuple[int, ...]) -> Any:
    """``Σ_i t_i Π_{j≠i} x_j``, with the products of the others from both sides: no division, so zeros are exact."""
    (x,), (t,) = operands, tangents
    rows, back = _rows(x, axes), _rows(t, axes)
    n = rows.shape[-1]
    if n == 0:
        return None
    ones = full(np.ones((), x.dtype), (*rows.shape[:-1], 1), rows)
    last = rows.ndim - 1
    from wengert.primitives.index import slice_axis
    before = concatenate(ones, cumprod(slice_axis(rows, last, 0, n - 1), axis=last), axis=last)
    turned = flip(rows, axes=(last,))
    after = flip(concatenate(ones, cumprod(slice_axis(turned, last, 0, n - 1), axis=last), axis=last), axes=(last,))
    return reduce_sum(back * (before * after), axes=(last,))


def _rows(x: Any, axes: tuple[int, ...]) -> Any:
    """The reduced axes, moved last and made one."""
    rest = tuple(a for a in range(x.ndim) if a not in axes)
    order = (*rest, *axes)
    moved = x if order == tuple(range(x.ndim)) else transpose(x, axes=order)
    shape = tuple(x.shape[a] for a in rest)
    size = int(np.prod([x.shape[a] for a in axes], dtype=int))
    return reshape(moved, shape=(*shape, size))


reduce_prod = Primitive(
    "reduce_prod", type=lambda x, *, axes: _without(x, axes),
    evaluate=lambda x, *, axes: np.multiply.reduce(x, axis=axes, dtype=x.dtype), jvp=_prod_jvp, batch=_shifted("reduce_prod"),
    sample=cases(((2, 3), {"axes": (1,)}), ((4,), {"axes": (0,)}), ((2, 3, 2), {"axes": (0, 2)}), ((2, 0), {"axes": (1,)})))

# ---------------------------------------------------------------- cumulative


def _reverse_cumsum(ct: Any, axis: int) -> Any:
    return flip(cumsum(flip(ct, axes=(axis,)), axis=axis), axes=(axis,))


cumsum = Primitive(
    "cumsum", type=lambda x, *, axis: x, evaluate=lambda x, *, axis: np.cumsum(x, axis=axis, dtype=x.dtype), linear="jointly",
    structural=True, transpose=lambda ct, i, ops, *, axis: _reverse_cumsum(ct, axis),
    batch=lambda n, ops, batched, *, axis: cumsum(ops[0], axis=axis + 1),
    sample=cases(((4,), {"axis": 0}), ((2, 3), {"axis": 1}), ((2, 0), {"axis": 1})))


def _cumprod_jvp(y: Any, operands: Any, tangents: Any, *, axis: int) -> Any:
    """The pairs (product, tangent) multiply as dual numbers: ``(p, q)(x, t) = (p x, q x + p t)``.

    By doubling strides (Hillis and Steele 1986): log n passes, no division, so zeros are exact.
    """
    (x,), (t,) = operands, tangents
    n = x.shape[axis]
    from wengert.primitives.index import slice_axis
    step = 1
    while step < n:
        head_x, head_t = slice_axis(x, axis, 0, step), slice_axis(t, axis, 0, step)
        low_x, low_t = slice_axis(x, axis, 0, n - step), slice_axis(t, axis, 0, n - step)
        high_x, high_t = slice_axis(x, axis, step, n), slice_axis(t, axis, step, n)
        t = concatenate(head_t, low_t * high_x + high_t * low_x, axis=axis)
        x = concatenate(head_x, low_x * high_x, axis=axis)
        step *= 2
    return t


cumprod = Primitive(
    "cumprod", type=lambda x, *, axis: x, evaluate=lambda x, *, axis: np.cumprod(x, axis=axis, dtype=x.dtype), jvp=_cumprod_jvp,
    batch=lambda n, ops, batched, *, axis: cumprod(ops[0], axis=axis + 1),
    sample=cases(((5,), {"axis": 0}), ((2, 3), {"axis": 1}), ((2, 3), {"axis": 0}), ((2, 0), {"axis": 1})))


def _running(name: str, ufunc: np.ufunc) -> Primitive:
    """Running extreme: the tangent of the first element that reached it."""
    def jvp(y: Any, operands: Any, tangents: Any, *, axis: int) -> Any:
        from wengert.primitives.index import index
        (x,), (t,) = operands, tangents
        n = x.shape[axis]
        if n == 0:
            return None
        places = Const(np.arange(n).reshape([-1 if a == axis else 1 for a in range(x.ndim)]))
        reached = equal(x, y)
        first = slice_first(reached, y, axis)
        at = running_max(select(first, broadcast_const(places, x), broadcast_const(Const(np.zeros((), np.intp)), x)), axis=axis)
        arrays = [at if a == axis else Const(np.arange(x.shape[a]).reshape([-1 if b == a else 1 for b in range(x.ndim)]))
                  for a in range(x.ndim)]
        return index(t, *arrays, spec=(("a",),) * x.ndim)
    return Primitive(name, type=lambda x, *, axis: x, evaluate=lambda x, *, axis: ufunc.accumulate(x, axis=axis), jvp=jvp,
                     batch=lambda n, ops, batched, *, axis: _running_of(name)(ops[0], axis=axis + 1),
                     sample=cases(((5,), {"axis": 0}), ((2, 3), {"axis": 1})))


def broadcast_const(c: Const, like: Any) -> Any:
    """A constant, in the shape of `like`."""
    from wengert.graph import Handle
    h = Handle(like.build, c)
    return h if h.shape == like.shape else broadcast(h, shape=like.shape)


def slice_first(reached: Any, y: Any, axis: int) -> Any:
    """Where the running extreme changes (and at the start): the elements that set it."""
    from wengert.primitives.index import slice_axis
    n = y.shape[axis]
    start = slice_axis(equal(y, y), axis, 0, 1)
    start = logical_or(start, logical_not(start))
    moved = not_equal(slice_axis(y, axis, 1, n), slice_axis(y, axis, 0, n - 1))
    return concatenate(start, moved, axis=axis) if n > 1 else start


def _running_of(name: str) -> Primitive:
    return running_max if name == "running_max" else running_min


running_max = _running("running_max", np.maximum)
running_min = _running("running_min", np.minimum)
