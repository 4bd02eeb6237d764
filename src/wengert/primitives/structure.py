"""Structure: primitives that move, repeat or convert elements and compute nothing.

What comes in: arrays. What goes out: the same elements in another arrangement or dtype. The one idea: each
is linear with coefficients 0 and 1, so its transpose is again an arrangement (or a sum), and the masks of
strong zeros travel through the same transposes as booleans.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.graph import ArrayType, Const, Handle, Primitive
from wengert.primitives.sampling import cases

__all__ = ["broadcast", "concatenate", "convert", "flip", "full", "pad", "reduce_sum", "reshape", "select",
           "sum_to", "transpose", "zeros_like"]


def _same_dtype(*types: ArrayType) -> np.dtype[Any]:
    if len({t.dtype for t in types}) != 1:
        raise TypeError(f"operands of different dtypes: {', '.join(map(str, types))}")
    return types[0].dtype


# ---------------------------------------------------------------- reshape, transpose, broadcast, sum

def _reshape_type(x: ArrayType, *, shape: tuple[int, ...]) -> ArrayType:
    out = ArrayType(shape, x.dtype)
    if out.size != x.size:
        raise ValueError(f"cannot reshape array of size {x.size} into shape {shape}")
    return out


reshape: Primitive = Primitive(
    "reshape", type=_reshape_type,
    evaluate=lambda x, *, shape: np.reshape(x, shape)[()],  # a number is a copy: whoever owns the array may write into it
    linear="jointly", structural=True,
    transpose=lambda ct, i, ops, *, shape: reshape(ct, shape=ops.types[0].shape),
    batch=lambda n, ops, batched, *, shape: reshape(ops[0], shape=(n, *shape)),
    sample=cases(((6,), {"shape": (2, 3)}), ((2, 0), {"shape": (0,)}), ((1,), {"shape": ()})))

transpose: Primitive = Primitive(
    "transpose", type=lambda x, *, axes: ArrayType(tuple(x.shape[a] for a in axes), x.dtype),
    evaluate=lambda x, *, axes: np.transpose(x, axes), linear="jointly", structural=True,
    transpose=lambda ct, i, ops, *, axes: transpose(ct, axes=tuple(int(a) for a in np.argsort(axes))),
    batch=lambda n, ops, batched, *, axes: transpose(ops[0], axes=(0, *(a + 1 for a in axes))),
    sample=cases(((2, 3, 4), {"axes": (2, 0, 1)}), ((2, 3), {"axes": (1, 0)})))


def _broadcast_type(x: ArrayType, *, shape: tuple[int, ...]) -> ArrayType:
    if np.broadcast_shapes(x.shape, shape) != tuple(shape):
        raise ValueError(f"cannot broadcast shape {x.shape} to {shape}")
    return ArrayType(shape, x.dtype)


def _broadcast_batch(n: int, ops: Any, batched: Any, *, shape: tuple[int, ...]) -> Any:
    inner = ops[0].shape[1:]
    lead = reshape(ops[0], shape=(n,) + (1,) * (len(shape) - len(inner)) + inner)
    return broadcast(lead, shape=(n, *shape))


broadcast: Primitive = Primitive(
    "broadcast", type=_broadcast_type, evaluate=lambda x, *, shape: np.broadcast_to(x, shape),
    linear="jointly", structural=True,
    transpose=lambda ct, i, ops, *, shape: sum_to(ct, ops.types[0].shape),
    batch=_broadcast_batch,
    sample=cases(((3,), {"shape": (2, 3)}), ((2, 1), {"shape": (4, 2, 3)}), ((), {"shape": (2,)})))

# A sum in the operand's own dtype: on booleans it is "any", which is what masks need.
reduce_sum: Primitive = Primitive(
    "reduce_sum",
    type=lambda x, *, axes: ArrayType(tuple(s for a, s in enumerate(x.shape) if a not in axes), x.dtype),
    evaluate=lambda x, *, axes: np.add.reduce(x, axis=axes, dtype=x.dtype),
    linear="jointly", structural=True,
    transpose=lambda ct, i, ops, *, axes: broadcast(keep_axes(ct, axes), shape=ops.types[0].shape),
    batch=lambda n, ops, batched, *, axes: reduce_sum(ops[0], axes=tuple(a + 1 for a in axes)),
    sample=cases(((2, 3), {"axes": (0,)}), ((2, 3), {"axes": (0, 1)}), ((2, 0), {"axes": (1,)}),
                 ((2, 3, 4), {"axes": (0, 2)})))


def keep_axes(x: Any, axes: tuple[int, ...]) -> Any:
    """Put back, with length 1, the axes that a reduction took away."""
    shape = list(x.shape)
    for a in sorted(axes):
        shape.insert(a, 1)
    return reshape(x, shape=tuple(shape)) if axes else x


def sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    """Sum a broadcast result back to `shape`: the transpose of broadcasting."""
    if x.shape == shape:
        return x
    extra = x.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        a + extra for a, s in enumerate(shape) if s == 1 and x.shape[a + extra] != 1)
    out = reduce_sum(x, axes=axes) if axes else x
    return out if out.shape == shape else reshape(out, shape=shape)


# ---------------------------------------------------------------- convert, select, full

def _convert_transpose(ct: Any, i: int, ops: Any, *, dtype: np.dtype[Any]) -> Any:
    """Under Re<a, b> the transpose of real -> complex takes the real part."""
    to = ops.types[0].dtype
    if ct.dtype.kind == "c" and to.kind != "c":
        from wengert.graph import REGISTRY
        ct = REGISTRY["real"](ct)
    return ct if ct.dtype == to else convert(ct, dtype=to)


def _convert_evaluate(x: Any, *, dtype: np.dtype[Any]) -> Any:
    if np.asarray(x).dtype.kind == "c" and dtype.kind != "c":
        x = np.real(x)
    return np.asarray(x).astype(dtype)[()]


def _convert_type(x: ArrayType, *, dtype: np.dtype[Any]) -> ArrayType:
    if dtype.kind not in "biufc":
        raise UnsupportedError(f"a traced value cannot be converted to dtype {dtype}, which is not one of numbers. Keep it a "
                               f"float, or take wg.stop_gradient(x) if a constant is meant")
    return ArrayType(x.shape, dtype)


convert: Primitive = Primitive(
    "convert", type=_convert_type, evaluate=_convert_evaluate,
    linear="jointly", structural=True, transpose=_convert_transpose,
    batch=lambda n, ops, batched, *, dtype: convert(ops[0], dtype=dtype),
    sample=lambda rng: [((rng.normal(size=3).astype(np.float32),), {"dtype": np.dtype(np.float64)}),
                        ((rng.normal(size=2),), {"dtype": np.dtype(np.complex128)}),
                        ((rng.normal(size=()),), {"dtype": np.dtype(np.complex128)}),
                        ((rng.normal(size=2) + 1j * rng.normal(size=2),), {"dtype": np.dtype(np.float64)})])


def _select_type(p: ArrayType, a: ArrayType, b: ArrayType, *, strong: bool = False) -> ArrayType:
    if p.dtype.kind != "b":
        raise TypeError(f"select needs a boolean predicate, got {p}")
    return ArrayType(np.broadcast_shapes(p.shape, a.shape, b.shape), _same_dtype(a, b))


def _select_evaluate(p: Any, a: Any, b: Any, *, strong: bool = False) -> Any:
    out: Any = np.where(p, a, b)
    return out[()]


def _select_transpose(ct: Any, i: int, ops: Any, *, strong: bool = False) -> Any:
    zero = Const(np.zeros((), ct.dtype))
    chosen = select(ops[0], ct, zero) if i == 1 else select(ops[0], zero, ct)
    return sum_to(chosen, ops.types[i].shape)


# `strong`: a mask that strong zeros laid over what one contraction reads.
select: Primitive = Primitive(
    "select", type=_select_type, evaluate=_select_evaluate, elementwise=True,
    linear="jointly", structural=True, transpose=_select_transpose,
    sample=lambda rng: [((np.array([True, False, True]), rng.normal(size=3), rng.normal(size=3)), {}),
                        ((rng.normal(size=(2, 3)) > 0, rng.normal(size=3), rng.normal(size=(2, 1))), {})])


def full(value: Any, shape: tuple[int, ...], like: Handle) -> Any:
    """A constant array in the graph of `like`: one scalar constant, broadcast."""
    if like.build is None:  # an array that belongs to no graph
        return np.full(shape, value)
    scalar = type(like)(like.build, Const(value)) if not isinstance(value, Handle) else value
    return broadcast(scalar, shape=shape) if shape != scalar.shape else scalar


def zeros_like(x: Handle) -> Any:
    """Zeros of the type of `x`, in its graph."""
    return full(np.zeros((), x.dtype), x.shape, x)


# ---------------------------------------------------------------- concatenate, pad, flip

def _concatenate_type(*xs: ArrayType, axis: int) -> ArrayType:
    shape = list(xs[0].shape)
    for x in xs[1:]:
        if x.ndim != xs[0].ndim or any(
            a != b for k, (a, b) in enumerate(zip(x.shape, shape, strict=True)) if k != axis
        ):
            raise ValueError(f"cannot concatenate {', '.join(map(str, xs))} along axis {axis}")
    shape[axis] = sum(x.shape[axis] for x in xs)
    return ArrayType(tuple(shape), _same_dtype(*xs))


def _concatenate_transpose(ct: Any, i: int, ops: Any, *, axis: int) -> Any:
    from wengert.primitives.index import slice_axis
    start = sum(t.shape[axis] for t in ops.types[:i])
    return slice_axis(ct, axis, start, start + ops.types[i].shape[axis])


def _concatenate_batch(n: int, ops: Any, batched: Any, *, axis: int) -> Any:
    lifted = [o if b else broadcast(reshape(o, shape=(1, *o.shape)), shape=(n, *o.shape))
              for o, b in zip(ops, batched, strict=True)]
    return concatenate(*lifted, axis=axis + 1)


concatenate: Primitive = Primitive(
    "concatenate",
    type=_concatenate_type,
    evaluate=lambda *xs, axis: np.concatenate(xs, axis),
    linear="jointly",
    structural=True,
    transpose=_concatenate_transpose,
    batch=_concatenate_batch,
    sample=lambda rng: [
        ((rng.normal(size=(2, 3)), rng.normal(size=(1, 3))), {"axis": 0}),
        ((rng.normal(size=(2, 3)), rng.normal(size=(2, 0)), rng.normal(size=(2, 1))), {"axis": 1}),
        ((rng.normal(size=2) + 1j, rng.normal(size=1) - 2j), {"axis": 0}),
    ],
)


def _pad_transpose(ct: Any, i: int, ops: Any, *, widths: tuple[tuple[int, int], ...]) -> Any:
    from wengert.primitives.index import basic_index
    return basic_index(ct, tuple(slice(lo, n - hi) for (lo, hi), n in zip(widths, ct.shape, strict=True)))


def _pad_evaluate(x: Any, *, widths: tuple[tuple[int, int], ...]) -> Any:
    x = np.asarray(x)
    out = np.zeros([n + lo + hi for n, (lo, hi) in zip(x.shape, widths, strict=True)], x.dtype)
    out[tuple([slice(lo, lo + n) for n, (lo, _) in zip(x.shape, widths, strict=True)])] = x
    return out


# Zeros around an array; the other modes of np.pad are made of gathers and selections.
pad: Primitive = Primitive(
    "pad", type=lambda x, *, widths: ArrayType(
        tuple(n + lo + hi for n, (lo, hi) in zip(x.shape, widths, strict=True)), x.dtype),
    evaluate=_pad_evaluate, linear="jointly", structural=True, transpose=_pad_transpose,
    batch=lambda n, ops, batched, *, widths: pad(ops[0], widths=((0, 0), *widths)),
    sample=cases(((3,), {"widths": ((1, 2),)}), ((2, 2), {"widths": ((0, 1), (2, 0))}), ((), {"widths": ()}),
                 ((0, 2), {"widths": ((1, 0), (0, 0))})))

flip: Primitive = Primitive(
    "flip", type=lambda x, *, axes: x, evaluate=lambda x, *, axes: np.flip(x, axes),
    linear="jointly", structural=True, transpose=lambda ct, i, ops, *, axes: flip(ct, axes=axes),
    batch=lambda n, ops, batched, *, axes: flip(ops[0], axes=tuple(a + 1 for a in axes)),
    sample=cases(((3,), {"axes": (0,)}), ((2, 3), {"axes": (0, 1)}), ((2, 0), {"axes": (1,)})))
