"""Indexing: reading, writing and accumulating at NumPy's indices.

What comes in: an array, index arrays, and a static `spec` that says how they combine. What goes out: the
elements read, or a new array with elements written. The one idea: all of NumPy's indexing is one primitive
``index`` whose transpose ``index_add`` accumulates into the cotangent that is already there, and
``index_set``, which is a write as a value.

A spec is a tuple of entries: ``("s", start, stop, step)`` a slice, ``("i", n)`` an integer, ``("n",)`` a new
axis, ``("a",)`` the next index operand (an integer array; boolean masks are turned into these beforehand).
Axes beyond the last entry are taken whole. Where the axes of index arrays go is NumPy's rule ("advanced
indexing" in its user guide): index arrays and integers broadcast together, and their axes take the place of
the first of them if they all stand side by side, else they come first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import ArrayType, Const, Handle, Primitive
from wengert.primitives.structure import broadcast, reshape, select, sum_to, transpose

__all__ = [
    "Spec",
    "add_in_place",
    "basic_index",
    "index",
    "index_add",
    "index_set",
    "index_shape",
    "numpy_key",
    "set_in_place",
    "slice_axis",
    "to_spec",
]

Spec = tuple[tuple[Any, ...], ...]
_NEW_AXIS = ("n",)
_ARRAY = ("a",)
_WHOLE = ("s", None, None, None)


def to_spec(key: tuple[Any, ...]) -> Spec:
    """The spec of a basic index: integers, slices and None (Ellipsis already expanded)."""
    out: list[tuple[Any, ...]] = []
    for k in key:
        if k is None:
            out.append(_NEW_AXIS)
        elif isinstance(k, slice):
            out.append(("s", k.start, k.stop, k.step))
        else:
            out.append(("i", int(k)))
    return tuple(out)


_KEYS: dict[Spec, tuple[Any, ...]] = {}


def numpy_key(spec: Spec, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """The NumPy index of a spec (kept, where no arrays take part)."""
    found = _KEYS.get(spec) if not arrays else None
    if found is not None:
        return found
    rest = iter(arrays)
    key = tuple(slice(*e[1:]) if e[0] == "s" else e[1] if e[0] == "i" else None if e[0] == "n" else next(rest)
                for e in spec)
    if not arrays:
        if len(_KEYS) > 10_000:
            _KEYS.clear()
        _KEYS[spec] = key
    return key


# ---------------------------------------------------------------- shapes

def _count(spec: Spec) -> int:
    return sum(e[0] == "a" for e in spec)


def _place(spec: Spec) -> int:
    """How many axes of the result stand before those of the index arrays."""
    at = [k for k, e in enumerate(spec) if e[0] in "ai"]
    if at[-1] - at[0] + 1 != len(at):
        return 0
    return sum(e[0] in "sn" for e in spec[:at[0]])


def index_shape(shape: tuple[int, ...], spec: Spec, arrays: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """The shape of ``x[...]`` for an x of this shape and index arrays of those shapes."""
    out: list[int] = []
    axis = 0
    for e in spec:
        if e[0] == "n":
            out.append(1)
            continue
        if axis == len(shape):
            raise IndexError(f"too many indices for array: array is {len(shape)}-dimensional")
        n = shape[axis]
        if e[0] == "s":
            out.append(len(range(*slice(*e[1:]).indices(n))))
        elif e[0] == "i" and not -n <= e[1] < n:
            raise IndexError(f"index {e[1]} is out of bounds for axis {axis} with size {n}")
        axis += 1
    out.extend(shape[axis:])
    if arrays:
        place = _place(spec)
        try:
            out[place:place] = np.broadcast_shapes(*arrays)
        except ValueError:
            raise IndexError("shape mismatch: indexing arrays could not be broadcast together with shapes "
                             + " ".join(map(str, arrays))) from None
    return tuple(out)


def _shapes(types: Any) -> tuple[tuple[int, ...], ...]:
    return tuple([t.shape for t in types])


# ---------------------------------------------------------------- reading

index: Primitive = Primitive(
    "index",
    type=lambda x, *arrays, spec: ArrayType(index_shape(x.shape, spec, _shapes(arrays)), x.dtype),
    evaluate=lambda x, *arrays, spec: x[numpy_key(spec, arrays)],
    linear="jointly",
    structural=True,
    into=True,
    transpose=lambda ct, i, ops, *, spec, into: _index_transpose(ct, ops, spec, into),
    batch=lambda n, ops, batched, *, spec: _index_batch(n, ops, batched, spec),
    sample=lambda rng: [
        ((_draw(rng, 4, 3),), {"spec": (("s", 1, None, 2), ("i", -1))}),
        ((_draw(rng, 4, 3), np.array([0, 2, 2])), {"spec": (_ARRAY,)}),
        ((_draw(rng, 4, 3), np.array([[0], [1]]), np.array([2, 0])), {"spec": (_ARRAY, _ARRAY)}),
        ((_draw(rng, 4, 3, 2), np.array([1, -2])), {"spec": (_WHOLE, _ARRAY)}),
        (
            (_draw(rng, 2, 3, 4), np.array([1, 0]), np.array([3, 3])),
            {"spec": (_ARRAY, _WHOLE, _NEW_AXIS, _ARRAY)},
        ),
        ((_draw(rng, 2, 3, 4), np.array([3, 0])), {"spec": (("i", 1), ("s", None, None, -1), _ARRAY)}),
        ((_draw(rng, 3),), {"spec": (_NEW_AXIS, ("s", None, None, -1))}),
        ((_draw(rng, 3) * (1.0 + 2.0j), np.array(1)), {"spec": (_ARRAY,)}),
        ((_draw(rng, 3, 0), np.array([], np.intp)), {"spec": (_ARRAY,)}),
    ],
)


def _draw(rng: np.random.Generator, *shape: int) -> Any:
    return rng.normal(size=shape)


def _index_transpose(ct: Any, ops: Any, spec: Spec, into: Any) -> Any:
    arrays = [ops[1 + k] for k in range(_count(spec))]
    if into is None:
        x = ops.types[0]
        into = broadcast(Handle(ct.build, Const(np.zeros((), x.dtype))), shape=x.shape)
    return index_add(into, ct, *arrays, spec=spec)


# ---------------------------------------------------------------- writing and accumulating

def _written_type(x: ArrayType, v: ArrayType, *arrays: ArrayType, spec: Spec) -> ArrayType:
    shape = index_shape(x.shape, spec, _shapes(arrays))
    if x.dtype != v.dtype:
        raise TypeError(f"a write of {v.dtype} into {x.dtype}")
    if v.shape != shape and np.broadcast_shapes(v.shape, shape) != shape:
        raise ValueError(f"could not broadcast input array from shape {v.shape} into shape {shape}")
    return x


def add_in_place(out: Any, v: Any, arrays: tuple[Any, ...], spec: Spec) -> None:
    """``out[index] += v``, with repeated indices counted as often as they occur."""
    key = numpy_key(spec, arrays)
    if all(np.ndim(a) == 0 for a in arrays):
        out[key] += v
        return
    shape = index_shape(out.shape, spec, tuple([np.shape(a) for a in arrays]))
    if np.ndim(v) and np.shape(v) != shape:  # NumPy 2.4 reads past the end when `add.at` broadcasts
        v = np.array(np.broadcast_to(v, shape))
    np.add.at(out, key, v)


def set_in_place(out: Any, v: Any, arrays: tuple[Any, ...], spec: Spec) -> None:
    """``out[index] = v``."""
    out[numpy_key(spec, arrays)] = v


def _add_evaluate(x: Any, v: Any, *arrays: Any, spec: Spec) -> Any:
    out = np.array(x)
    add_in_place(out, v, arrays, spec)
    return out


def _set_evaluate(x: Any, v: Any, *arrays: Any, spec: Spec) -> Any:
    out = np.array(x)
    set_in_place(out, v, arrays, spec)
    return out


def _add_transpose(ct: Any, i: int, ops: Any, *, spec: Spec) -> Any:
    if i == 0:
        return ct
    return sum_to(index(ct, *[ops[2 + k] for k in range(_count(spec))], spec=spec), ops.types[1].shape)


def _set_transpose(ct: Any, i: int, ops: Any, *, spec: Spec) -> Any:
    arrays = [ops[2 + k] for k in range(_count(spec))]
    if i == 0:
        return index_set(ct, Const(np.zeros((), ct.dtype)), *arrays, spec=spec)
    read = index(ct, *arrays, spec=spec)
    if any(n != 1 for a in arrays for n in a.shape):  # of several writes to one place the last one counts
        read = select(_last_writer(ct, read.shape, arrays, spec), read, Const(np.zeros((), ct.dtype)))
    return sum_to(read, ops.types[1].shape)


def _last_writer(ct: Any, shape: tuple[int, ...], arrays: Any, spec: Spec) -> Any:
    """Where the value that was written last is one's own: write the order of the writes, and read it back."""
    from wengert.primitives.elementwise import equal
    size = int(np.prod(shape))
    order = Handle(ct.build, Const(np.arange(size).reshape(shape)))
    none = broadcast(Handle(ct.build, Const(np.asarray(-1))), shape=ct.shape)
    return equal(index(index_set(none, order, *arrays, spec=spec), *arrays, spec=spec), order)


def _write_sample(rng: np.random.Generator) -> Any:
    return [((_draw(rng, 4, 3), _draw(rng, 2)), {"spec": (("s", 0, 4, 2), ("i", 1))}),
            ((_draw(rng, 4, 3), _draw(rng, 3, 3), np.array([0, 2, 2])), {"spec": (_ARRAY,)}),
            ((_draw(rng, 2, 3, 4), _draw(rng, 2, 3, 1), np.array([1, 0]), np.array([3, 3])),
             {"spec": (_ARRAY, _WHOLE, _NEW_AXIS, _ARRAY)}),
            ((_draw(rng, 2, 3, 4), _draw(rng, 1), np.array([[1, 0], [1, 1]])), {"spec": (_WHOLE, _ARRAY)}),
            ((_draw(rng, 3), _draw(rng)), {"spec": (("i", 1),)}),
            ((_draw(rng, 3), _draw(rng), np.array(-1)), {"spec": (_ARRAY,)}),
            ((_draw(rng, 3) + 0.5j, _draw(rng, 2) - 1.0j), {"spec": (("s", None, None, -2),)}),
            ((_draw(rng, 0, 2), _draw(rng, 0, 2)), {"spec": ()})]


index_add: Primitive = Primitive(
    "index_add",
    type=_written_type,
    evaluate=_add_evaluate,
    linear="jointly",
    structural=True,
    transpose=_add_transpose,
    sample=_write_sample,
    batch=lambda n, ops, batched, *, spec: _write_batch(index_add, n, ops, batched, spec),
)
index_set: Primitive = Primitive(
    "index_set",
    type=_written_type,
    evaluate=_set_evaluate,
    linear="jointly",
    structural=True,
    transpose=_set_transpose,
    sample=_write_sample,
    batch=lambda n, ops, batched, *, spec: _write_batch(index_set, n, ops, batched, spec),
)


# ---------------------------------------------------------------- batching

class _Lifted:
    """An index over lanes: the spec and index arrays of the batch, and where its axes come out.

    Lanes of x under plain index arrays are one more full slice; under batched index arrays, one more index
    array, the number of the lane, in front. `axes` are the axes of ``x[...]`` under the new spec in the order
    (lanes, axes of one lane).
    """

    def __init__(self, n: int, x_batched: bool, arrays: list[Any], marks: list[bool], spec: Spec, ndim: int):
        place = _place(spec) if arrays else 0
        width = max([len(a.shape) - b for a, b in zip(arrays, marks, strict=True)], default=0)
        rest = ndim - width
        self.arrays = arrays
        if not any(marks):
            self.spec: Spec = (_WHOLE, *spec)
            apart = bool(arrays) and _place(self.spec) == 0  # (index axes, lanes, rest)
            self.axes = (
                (width, *range(width), *range(width + 1, ndim + 1)) if apart else tuple(range(ndim + 1))
            )
            return
        self.arrays = [_lane_first(a, n, b, width) for a, b in zip(arrays, marks, strict=True)]
        self.spec = spec
        if not x_batched:  # (rest before, lanes, index axes, rest behind)
            self.axes = (place, *range(place), *range(place + 1, ndim + 1))
            return
        lanes = np.arange(n).reshape((n,) + (1,) * width)
        like = next(a for a in arrays if isinstance(a, Handle))
        self.arrays.insert(0, Handle(like.build, Const(lanes)))
        self.spec = (_ARRAY, *spec)  # (lanes, index axes, rest), whether or not they stand side by side
        behind = range(width + 1, width + 1 + rest)
        self.axes = (0, *behind[:place], *range(1, width + 1), *behind[place:])


def _lane_first(a: Any, n: int, batched: bool, width: int) -> Any:
    """An index array with the lanes first and `width` axes behind them."""
    inner = a.shape[1:] if batched else a.shape
    return reshape(a, shape=((n,) if batched else (1,)) + (1,) * (width - len(inner)) + inner)


def _permuted(x: Any, axes: tuple[int, ...]) -> Any:
    return x if axes == tuple(range(len(axes))) else transpose(x, axes=axes)


def _index_batch(n: int, ops: Any, batched: Any, spec: Spec) -> Any:
    x, arrays = ops[0], list(ops[1:])
    inner = x.shape[1:] if batched[0] else x.shape
    lanes = tuple([a.shape[1:] if b else a.shape for a, b in zip(arrays, batched[1:], strict=True)])
    ndim = len(index_shape(inner, spec, lanes))
    lifted = _Lifted(n, batched[0], arrays, list(batched[1:]), spec, ndim)
    return _permuted(index(x, *lifted.arrays, spec=lifted.spec), lifted.axes)


def _write_batch(write: Primitive, n: int, ops: Any, batched: Any, spec: Spec) -> Any:
    x, v, arrays = ops[0], ops[1], list(ops[2:])
    if not batched[0]:
        x = broadcast(reshape(x, shape=(1, *x.shape)), shape=(n, *x.shape))
    lanes = tuple([a.shape[1:] if b else a.shape for a, b in zip(arrays, batched[2:], strict=True)])
    ndim = len(index_shape(x.shape[1:], spec, lanes))
    lifted = _Lifted(n, True, arrays, list(batched[2:]), spec, ndim)
    if batched[1] or lifted.axes != tuple(range(ndim + 1)):
        inner = v.shape[1:] if batched[1] else v.shape
        v = reshape(v, shape=((n,) if batched[1] else (1,)) + (1,) * (ndim - len(inner)) + inner)
        v = _permuted(v, tuple(int(a) for a in np.argsort(lifted.axes)))
    return write(x, v, *lifted.arrays, spec=lifted.spec)


# ---------------------------------------------------------------- in short

def basic_index(x: Any, key: tuple[Any, ...]) -> Any:
    """``x[key]`` for integers, slices and None."""
    return index(x, spec=to_spec(key))


def slice_axis(x: Any, axis: int, start: int, stop: int, step: int | None = None) -> Any:
    """``x[:, ..., start:stop:step]`` along one axis."""
    return basic_index(x, (slice(None),) * axis + (slice(start, stop, step),))
