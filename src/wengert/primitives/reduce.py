"""Reductions: extremes, products, cumulative sums, products and extremes, sums with a mask and a start.

What comes in: an array and axes. What goes out: the reduced array. The one idea: an extreme selects its
tangent (split evenly among ties, never a product with zero), and a product is differentiated by the product
rule along a tree, without a division, so that zeros are exact at every order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import REGISTRY, ArrayType, Const, Handle, Primitive
from wengert.primitives.elementwise import equal, logical_and, logical_or, not_equal
from wengert.primitives.sampling import cases
from wengert.primitives.sort import take_along
from wengert.primitives.structure import (
    broadcast,
    concatenate,
    convert,
    full,
    keep_axes,
    reduce_sum,
    reshape,
    select,
    transpose,
)

__all__ = [
    "argmax",
    "argmin",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "masked_sum",
    "reduce_all",
    "reduce_any",
    "reduce_max",
    "reduce_min",
    "reduce_prod",
]


def _without(x: ArrayType, axes: tuple[int, ...], dtype: Any = None) -> ArrayType:
    return ArrayType(tuple([n for a, n in enumerate(x.shape) if a not in axes]), dtype or x.dtype)


def _axes_moved(name: str) -> Any:
    """Batching of a reduction: the axes move by one."""
    return lambda n, ops, batched, *, axes: REGISTRY[name](ops[0], axes=tuple([a + 1 for a in axes]))


def _axis_moved(name: str) -> Any:
    return lambda n, ops, batched, *, axis: REGISTRY[name](ops[0], axis=axis + 1)


def _apart(shape: tuple[int, ...], params: dict[str, Any], factor: complex = 1.0) -> Any:
    """A case without ties and zeros, whose elements are well apart."""

    def case(rng: np.random.Generator) -> Any:
        size = int(np.prod(shape, dtype=int))
        x = (rng.permutation(size).reshape(shape) - size / 2.0 + rng.uniform(0.2, 0.8, shape)) / max(
            size / 4.0, 1.0
        )
        return (x * factor,), params

    return case


def _several(*cases_: Any) -> Any:
    return lambda rng: [case(rng) for case in cases_]


def slice_axis(x: Any, axis: int, start: int, stop: int, step: int = 1) -> Any:
    """``x[:, ..., start:stop:step]`` along one axis."""
    from wengert.primitives.index import slice_axis as read

    return read(x, axis, start, stop, step)


# ---------------------------------------------------------------- extremes


def _extreme_jvp(y: Any, operands: Any, tangents: Any, *, axes: tuple[int, ...]) -> Any:
    """The mean of the tangents of the elements that equal the extreme; if it is NaN, of those that are."""
    (x,), (t,) = operands, tangents
    top = broadcast(keep_axes(y, axes), shape=x.shape)
    chosen = logical_or(equal(x, top), not_equal(x, x))
    count = reduce_sum(convert(chosen, dtype=x.dtype), axes=axes)
    return reduce_sum(select(chosen, t, Const(np.zeros((), t.dtype))), axes=axes) / count


def _extreme(name: str, ufunc: np.ufunc) -> Primitive:
    def type_of(x: ArrayType, *, axes: tuple[int, ...]) -> ArrayType:
        out = _without(x, axes)
        if out.size and not x.size:
            raise ValueError(f"zero-size array to reduction operation {ufunc.__name__} which has no identity")
        return out

    return Primitive(
        name,
        type=type_of,
        evaluate=lambda x, *, axes: ufunc.reduce(x, axis=axes),
        jvp=_extreme_jvp,
        kinks=lambda y, x, *, axes: equal(x, broadcast(keep_axes(y, axes), shape=x.shape)),
        batch=_axes_moved(name),
        sample=_several(
            _apart((2, 3), {"axes": (1,)}),
            _apart((4,), {"axes": (0,)}),
            _apart((), {"axes": ()}),
            _apart((2, 3, 2), {"axes": (0, 2)}),
            _apart((0, 3), {"axes": (1,)}),
            _apart((2, 3), {"axes": (0,)}, 1.0 - 0.5j),
        ),
    )


reduce_max = _extreme("reduce_max", np.maximum)
reduce_min = _extreme("reduce_min", np.minimum)


def _logical(name: str, ufunc: np.ufunc) -> Primitive:
    return Primitive(
        name,
        type=lambda x, *, axes: _without(x, axes, np.bool_),
        evaluate=lambda x, *, axes: ufunc.reduce(x, axis=axes),
        differentiable=False,
        batch=_axes_moved(name),
        sample=cases(((2, 3), {"axes": (1,)}), ((), {"axes": ()}), ((2, 0), {"axes": (1,)})),
    )


reduce_any = _logical("reduce_any", np.logical_or)
reduce_all = _logical("reduce_all", np.logical_and)


def _position(name: str, function: Any) -> Primitive:
    def type_of(x: ArrayType, *, axis: int) -> ArrayType:
        if not x.shape[axis] and x.size == 0:
            raise ValueError(f"attempt to get {name} of an empty sequence")
        return _without(x, (axis,), np.intp)

    return Primitive(
        name,
        type=type_of,
        evaluate=lambda x, *, axis: function(x, axis=axis),
        differentiable=False,
        sample=cases(((2, 3), {"axis": 1}), ((4,), {"axis": 0})),
        batch=_axis_moved(name),
    )


argmax = _position("argmax", np.argmax)
argmin = _position("argmin", np.argmin)


# ---------------------------------------------------------------- a sum with a mask and a start


def _masked_evaluate(x: Any, mask: Any, start: Any, *, axes: tuple[int, ...]) -> Any:
    where = mask if np.ndim(mask) or not mask else True
    return np.add.reduce(x, axis=axes, dtype=np.asarray(x).dtype, where=where, initial=start)


def _masked_transpose(ct: Any, i: int, ops: Any, *, axes: tuple[int, ...]) -> Any:
    if i == 2:
        return reduce_sum(ct, axes=tuple(range(ct.ndim)))
    spread = broadcast(keep_axes(ct, axes), shape=ops.types[0].shape)
    return select(ops[1], spread, Const(np.zeros((), ct.dtype)))


def _masked_batch(n: int, ops: Any, batched: Any, *, axes: tuple[int, ...]) -> Any:
    """Lanes with a start of their own add it at the end."""
    x, mask, start = ops
    shape = x.shape if batched[0] else (n, *x.shape)
    x = x if batched[0] else broadcast(reshape(x, shape=(1, *x.shape)), shape=shape)
    if not batched[1] and mask.ndim:
        mask = broadcast(reshape(mask, shape=(1, *mask.shape)), shape=shape)
    elif mask.ndim == 1 and len(shape) > 1:
        mask = broadcast(reshape(mask, shape=(n,) + (1,) * (len(shape) - 1)), shape=shape)
    axes = tuple([a + 1 for a in axes])
    if not batched[2]:
        return masked_sum(x, mask, start, axes=axes)
    out = masked_sum(x, mask, Const(np.zeros((), x.dtype)), axes=axes)
    return out + reshape(start, shape=(n,) + (1,) * (out.ndim - 1))


def _masked_sample(rng: np.random.Generator) -> Any:
    def case(
        shape: tuple[int, ...], axes: tuple[int, ...], factor: complex = 1.0, masked: bool = True
    ) -> Any:
        mask = rng.random(shape) < 0.6 if masked else np.asarray(True)
        return (rng.normal(size=shape) * factor, mask, rng.normal() * np.asarray(factor)), {"axes": axes}

    return [
        case((2, 3), (1,)),
        case((4,), (0,)),
        case((3, 2), (0, 1), 1.0 + 2.0j),
        case((0, 2), (0,)),
        case((), ()),
        case((2, 3), (0,), masked=False),
    ]


# ``np.add.reduce(x, axes, where=mask, initial=start)``: NumPy adds in another order than
# without a mask. The mask has the shape of x, or none (a single True).
masked_sum: Primitive = Primitive(
    "masked_sum",
    type=lambda x, mask, start, *, axes: _without(x, axes),
    evaluate=_masked_evaluate,
    linear="jointly",
    structural=True,
    transpose=_masked_transpose,
    batch=_masked_batch,
    sample=_masked_sample,
)


# ---------------------------------------------------------------- products


def _rows(x: Any, axes: tuple[int, ...]) -> Any:
    """The reduced axes, moved last and made one."""
    rest = tuple([a for a in range(x.ndim) if a not in axes])
    order = (*rest, *axes)
    moved = x if order == tuple(range(x.ndim)) else transpose(x, axes=order)
    size = int(np.prod([x.shape[a] for a in axes], dtype=int))
    return reshape(moved, shape=(*[x.shape[a] for a in rest], size))


def _prod_jvp(y: Any, operands: Any, tangents: Any, *, axes: tuple[int, ...]) -> Any:
    """The product rule along a balanced tree.

    Halves are multiplied as dual numbers, ``(a, s)(b, t) = (ab, sb + at)``.

    The number of operations is in proportion to the number of elements, and there is no division.
    """
    x, t = _rows(operands[0], axes), _rows(tangents[0], axes)
    n, last = x.shape[-1], x.ndim - 1
    if n == 0:
        return None
    while n > 1:
        half = n // 2
        (a, b), (p, q) = [[slice_axis(v, last, 0, half), slice_axis(v, last, half, 2 * half)] for v in (x, t)]
        odd = [slice_axis(v, last, n - 1, n) for v in (x, t)] if n % 2 else None
        x, t = a * b, p * b + a * q
        if odd is not None:
            x, t = concatenate(x, odd[0], axis=last), concatenate(t, odd[1], axis=last)
        n = x.shape[-1]
    return reshape(t, shape=y.shape)


reduce_prod: Primitive = Primitive(
    "reduce_prod",
    type=lambda x, *, axes: _without(x, axes),
    evaluate=lambda x, *, axes: np.multiply.reduce(x, axis=axes, dtype=np.asarray(x).dtype),
    jvp=_prod_jvp,
    batch=_axes_moved("reduce_prod"),
    sample=_several(
        _apart((2, 3), {"axes": (1,)}),
        _apart((5,), {"axes": (0,)}),
        _apart((2, 3, 2), {"axes": (0, 2)}),
        _apart((2, 0), {"axes": (1,)}),
        _apart((), {"axes": ()}),
        _apart((4, 2), {"axes": (0,)}, 1.0 + 0.5j),
    ),
)


# ---------------------------------------------------------------- cumulative


def _cumsum_evaluate(x: Any, *, axis: int, reverse: bool) -> Any:
    x = np.asarray(x)
    if not reverse:
        return np.cumsum(x, axis=axis, dtype=x.dtype)
    return np.flip(np.cumsum(np.flip(x, axis), axis=axis, dtype=x.dtype), axis)


cumsum: Primitive = Primitive(
    "cumsum",
    type=lambda x, *, axis, reverse: x,
    evaluate=_cumsum_evaluate,
    linear="jointly",
    structural=True,
    transpose=lambda ct, i, ops, *, axis, reverse: cumsum(ct, axis=axis, reverse=not reverse),
    batch=lambda n, ops, batched, *, axis, reverse: cumsum(ops[0], axis=axis + 1, reverse=reverse),
    sample=_several(
        _apart((4,), {"axis": 0, "reverse": False}),
        _apart((2, 3), {"axis": 1, "reverse": True}),
        _apart((2, 0), {"axis": 1, "reverse": False}),
        _apart((3, 2), {"axis": 0, "reverse": False}, 1.0 - 2.0j),
    ),
)


def _cumprod_jvp(y: Any, operands: Any, tangents: Any, *, axis: int) -> Any:
    """Dual numbers again, in a parallel prefix: neighbors are multiplied, prefixes of pairs give all.

    R. E. Ladner and M. J. Fischer, Parallel prefix computation (1980). The number of operations is in
    proportion to the number of elements, and there is no division.
    """
    return _prefix(operands[0], tangents[0], axis)[1]


def _prefix(x: Any, t: Any, axis: int) -> tuple[Any, Any]:
    n = x.shape[axis]
    if n < 2:
        return x, t
    (a, b), (p, q) = [[slice_axis(v, axis, 0, n - 1, 2), slice_axis(v, axis, 1, n, 2)] for v in (x, t)]
    pairs, rates = _prefix(a * b, p * b + a * q, axis)  # the products up to each odd place
    first_x, first_t = slice_axis(x, axis, 0, 1), slice_axis(t, axis, 0, 1)
    more = (n - 1) // 2
    if not more:
        return concatenate(first_x, pairs, axis=axis), concatenate(first_t, rates, axis=axis)
    next_x, next_t = slice_axis(x, axis, 2, n, 2), slice_axis(t, axis, 2, n, 2)
    low, low_t = slice_axis(pairs, axis, 0, more), slice_axis(rates, axis, 0, more)
    even = concatenate(first_x, low * next_x, axis=axis)
    even_t = concatenate(first_t, low_t * next_x + low * next_t, axis=axis)
    return _interleaved(even, pairs, axis), _interleaved(even_t, rates, axis)


def _interleaved(even: Any, odd: Any, axis: int) -> Any:
    """``even[0], odd[0], even[1], odd[1], ...`` along an axis; there may be one more of the even ones."""
    count = odd.shape[axis]
    spread = [
        reshape(slice_axis(v, axis, 0, count), shape=(*v.shape[:axis], count, 1, *v.shape[axis + 1 :]))
        for v in (even, odd)
    ]
    both = reshape(
        concatenate(*spread, axis=axis + 1), shape=(*odd.shape[:axis], 2 * count, *odd.shape[axis + 1 :])
    )
    if even.shape[axis] == count:
        return both
    return concatenate(both, slice_axis(even, axis, count, count + 1), axis=axis)


cumprod: Primitive = Primitive(
    "cumprod",
    type=lambda x, *, axis: x,
    evaluate=lambda x, *, axis: np.cumprod(x, axis=axis, dtype=np.asarray(x).dtype),
    jvp=_cumprod_jvp,
    batch=_axis_moved("cumprod"),
    sample=_several(
        _apart((5,), {"axis": 0}),
        _apart((2, 3), {"axis": 1}),
        _apart((3, 2), {"axis": 0}),
        _apart((2, 0), {"axis": 1}),
        _apart((1,), {"axis": 0}),
        _apart((6,), {"axis": 0}, 1.0 + 0.5j),
    ),
)


def _running_jvp(y: Any, operands: Any, tangents: Any, *, axis: int) -> Any:
    """The tangent of the first element that reached the running extreme."""
    t = tangents[0]
    n = y.shape[axis]
    if n < 2:
        return t
    before, after = slice_axis(y, axis, 0, n - 1), slice_axis(y, axis, 1, n)
    moved = logical_and(not_equal(after, before), equal(before, before))  # a NaN stays
    start = full(np.asarray(True), tuple([1 if a == axis else k for a, k in enumerate(y.shape)]), y)
    moved = concatenate(start, moved, axis=axis)
    places = Handle(y.build, Const(np.arange(n).reshape([-1 if a == axis else 1 for a in range(y.ndim)])))
    places = select(moved, places, Const(np.zeros((), places.dtype)))
    return take_along(t, cummax(places, axis=axis), axis)


def _running(name: str, ufunc: np.ufunc) -> Primitive:
    return Primitive(
        name,
        type=lambda x, *, axis: x,
        evaluate=lambda x, *, axis: ufunc.accumulate(x, axis=axis),
        jvp=_running_jvp,
        kinks=lambda y, x, *, axis: equal(x, y),
        batch=_axis_moved(name),
        sample=_several(
            _apart((5,), {"axis": 0}),
            _apart((2, 3), {"axis": 1}),
            _apart((4, 2), {"axis": 0}),
            _apart((1,), {"axis": 0}),
            _apart((2, 0), {"axis": 1}),
        ),
    )


cummax: Primitive = _running("cummax", np.maximum)
cummin: Primitive = _running("cummin", np.minimum)
