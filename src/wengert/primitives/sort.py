"""Sorting: the order of elements along an axis, and its inverse.

What comes in: an array. What goes out: its elements in another order, or the order itself as integers. The
one idea: a sort is a permutation that is locally constant, so its tangent is the tangent permuted
(``permute``), and the transpose puts the elements back. At a tie the derivative goes with the permutation
of a stable sort.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import ArrayType, Const, Primitive
from wengert.primitives.structure import broadcast, reshape

__all__ = ["argpartition", "argsort", "partition", "permute", "searchsorted", "sort", "take_along"]


# ---------------------------------------------------------------- permuting


def _permute_type(x: ArrayType, places: ArrayType, *, axis: int, inverse: bool) -> ArrayType:
    if x.shape != places.shape:
        raise ValueError(f"permute: {x} by places of shape {places.shape}")
    return x


def _permute_evaluate(x: Any, places: Any, *, axis: int, inverse: bool) -> Any:
    x = np.asarray(x)
    if not inverse:
        return np.take_along_axis(x, places, axis)
    out = np.empty_like(x)
    np.put_along_axis(out, places, x, axis)
    return out


def _lifted(n: int, ops: Any, batched: Any) -> list[Any]:
    """All operands with the lanes first."""
    return [
        o if b else broadcast(reshape(o, shape=(1, *o.shape)), shape=(n, *o.shape))
        for o, b in zip(ops, batched, strict=True)
    ]


def _permute_sample(rng: np.random.Generator) -> Any:
    def case(shape: tuple[int, ...], axis: int, inverse: bool, factor: complex = 1.0) -> Any:
        places = np.argsort(rng.normal(size=shape), axis=axis)
        return (rng.normal(size=shape) * factor, places), {"axis": axis, "inverse": inverse}

    return [
        case((4,), 0, False),
        case((4,), 0, True),
        case((2, 3), 1, False),
        case((3, 2), 0, True, 1.0 - 2.0j),
        case((2, 0), 1, False),
    ]


# ``y[i] = x[places[i]]`` along an axis, for a permutation; with `inverse`, ``y[places[i]] = x[i]``.
permute: Primitive = Primitive(
    "permute",
    type=_permute_type,
    evaluate=_permute_evaluate,
    linear="jointly",
    structural=True,
    transpose=lambda ct, i, ops, *, axis, inverse: permute(ct, ops[1], axis=axis, inverse=not inverse),
    batch=lambda n, ops, batched, *, axis, inverse: permute(
        *_lifted(n, ops, batched), axis=axis + 1, inverse=inverse
    ),
    sample=_permute_sample,
)


def take_along(x: Any, places: Any, axis: int) -> Any:
    """``np.take_along_axis`` of handles, for places that may repeat."""
    from wengert.primitives.index import index

    grids = [
        places if a == axis else Const(np.arange(n).reshape([-1 if b == a else 1 for b in range(x.ndim)]))
        for a, n in enumerate(x.shape)
    ]
    return index(x, *grids, spec=(("a",),) * x.ndim)


# ---------------------------------------------------------------- sort, partition


def _along(shape: tuple[int, ...], **params: Any) -> Any:
    """Samples without ties."""

    def sample(rng: np.random.Generator) -> Any:
        out = []
        for size, axis, factor in (
            (shape, len(shape) - 1, 1.0),
            ((5,), 0, 1.0),
            ((3, 4, 2), 1, 1.0),
            ((4, 2), 0, 1.0 + 0.5j),
            ((0, 4), 1, 1.0),
        ):
            count = int(np.prod(size))
            values = rng.permutation(count).reshape(size) + rng.uniform(0.1, 0.9, size)
            out.append(((values * factor,), {"axis": axis, **params}))
        return out

    return sample


argsort: Primitive = Primitive(
    "argsort",
    type=lambda x, *, axis, kind: ArrayType(x.shape, np.intp),
    evaluate=lambda x, *, axis, kind: np.argsort(x, axis=axis, kind=kind),
    differentiable=False,
    batch=lambda n, ops, batched, *, axis, kind: argsort(ops[0], axis=axis + 1, kind=kind),
    sample=_along((2, 3), kind="stable"),
)


def _sort_jvp(y: Any, operands: Any, tangents: Any, *, axis: int, kind: str) -> Any:
    order = argsort(operands[0], axis=axis, kind="stable")
    return permute(tangents[0], order, axis=axis, inverse=False)


sort: Primitive = Primitive(
    "sort",
    type=lambda x, *, axis, kind: x,
    evaluate=lambda x, *, axis, kind: np.sort(x, axis=axis, kind=kind),
    jvp=_sort_jvp,
    kinks=lambda y, x, *, axis, kind: argsort(x, axis=axis, kind="stable"),
    batch=lambda n, ops, batched, *, axis, kind: sort(ops[0], axis=axis + 1, kind=kind),
    sample=_along((2, 3), kind="quicksort"),
)


def _partition_jvp(y: Any, operands: Any, tangents: Any, *, axis: int, kth: tuple[int, ...]) -> Any:
    """The permutation from x to NumPy's very result: both are sorted, and their ranks compared."""
    t = permute(tangents[0], argsort(operands[0], axis=axis, kind="stable"), axis=axis, inverse=False)
    return permute(t, argsort(y, axis=axis, kind="stable"), axis=axis, inverse=True)


partition: Primitive = Primitive(
    "partition",
    type=lambda x, *, axis, kth: x,
    evaluate=lambda x, *, axis, kth: np.partition(x, kth, axis=axis),
    jvp=_partition_jvp,
    kinks=lambda y, x, *, axis, kth: argsort(x, axis=axis, kind="stable"),
    batch=lambda n, ops, batched, *, axis, kth: partition(ops[0], axis=axis + 1, kth=kth),
    sample=_along((2, 3), kth=(1,)),
)

argpartition: Primitive = Primitive(
    "argpartition",
    type=lambda x, *, axis, kth: ArrayType(x.shape, np.intp),
    evaluate=lambda x, *, axis, kth: np.argpartition(x, kth, axis=axis),
    differentiable=False,
    batch=lambda n, ops, batched, *, axis, kth: argpartition(ops[0], axis=axis + 1, kth=kth),
    sample=_along((2, 3), kth=(1,)),
)


# ---------------------------------------------------------------- search


def _search_type(a: ArrayType, v: ArrayType, *, side: str) -> ArrayType:
    if a.ndim != 1:
        raise ValueError("object too deep for desired array")
    return ArrayType(v.shape, np.intp)


def _search_batch(n: int, ops: Any, batched: Any, *, side: str) -> Any:
    if not batched[0]:
        return searchsorted(*ops, side=side)
    from wengert.primitives.lanes import over_lanes

    return over_lanes(searchsorted, n, ops, batched, {"side": side})


def _search_sample(rng: np.random.Generator) -> Any:
    a = np.sort(rng.normal(size=5))
    return [
        ((a, rng.normal(size=shape)), {"side": side})
        for shape, side in (((3,), "left"), ((), "right"), ((2, 3), "left"))
    ]


searchsorted: Primitive = Primitive(
    "searchsorted",
    type=_search_type,
    evaluate=lambda a, v, *, side: np.searchsorted(a, v, side),
    differentiable=False,
    batch=_search_batch,
    sample=_search_sample,
)
