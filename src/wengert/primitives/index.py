"""Indexing: reading, writing and accumulating at NumPy's indices.

What comes in: an array, index arrays, and a static `spec` that says how they combine. What goes out: the
elements read, or a new array with elements written. The one idea: all of NumPy's indexing is one primitive
``index`` whose transpose ``index_add`` accumulates into the cotangent that is already there, and ``index_set``,
which is a write as a value.

A spec is a tuple of entries: ``("s", start, stop, step)`` a slice, ``("i", n)`` an integer, ``("n",)`` a new
axis, ``("a",)`` the next index operand (an integer array; boolean masks are turned into these beforehand).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import ArrayType, Const, Handle, Primitive
from wengert.primitives.structure import broadcast, reshape, select, transpose

__all__ = ["basic_index", "index", "index_add", "index_set", "slice_axis", "to_spec"]

Spec = tuple[tuple[Any, ...], ...]
_NEW_AXIS = ("n",)
_ARRAY = ("a",)


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


def _key(spec: Spec, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """The NumPy index of a spec (kept, where no arrays take part)."""
    found = _KEYS.get(spec)
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


def _index_shape(shape: tuple[int, ...], spec: Spec, arrays: tuple[ArrayType, ...]) -> tuple[int, ...]:
    """The shape of ``x[...]``, found by indexing an array that takes no memory."""
    stand_ins = tuple(np.broadcast_to(np.zeros((), np.intp), a.shape) for a in arrays)
    model = np.broadcast_to(np.zeros((), np.bool_), shape)
    if not arrays:
        return model[_key(spec, ())].shape
    if 0 in shape:  # zeros would be out of bounds on an empty axis; only the count matters
        model = np.broadcast_to(np.zeros((), np.bool_), tuple(max(n, 1) for n in shape))
        probe = model[_key(spec, stand_ins)]
        return probe.shape if all(e[0] != "s" for e in spec) else _empty_shape(shape, spec, stand_ins)
    return model[_key(spec, stand_ins)].shape


def _empty_shape(shape: tuple[int, ...], spec: Spec, stand_ins: tuple[Any, ...]) -> tuple[int, ...]:
    sliced = [e if e[0] in "sin" else ("s", None, None, None) for e in spec]
    lengths = np.broadcast_to(np.zeros((), np.bool_), shape)
    del sliced
    return lengths[_key(spec, tuple(np.zeros(s.shape, np.intp) for s in stand_ins))].shape


def _count(spec: Spec) -> int:
    return sum(e[0] == "a" for e in spec)


index = Primitive(
    "index", type=lambda x, *arrays, spec: ArrayType(_index_shape(x.shape, spec, arrays), x.dtype),
    evaluate=lambda x, *arrays, spec: x[_key(spec, arrays)],
    linear="jointly", structural=True, into=True,
    transpose=lambda ct, i, ops, *, spec, into: _index_transpose(ct, ops, spec, into),
    batch=lambda n, ops, batched, *, spec: _index_batch(n, ops, batched, spec),
    sample=lambda rng: [((rng.normal(size=(4, 3)),), {"spec": (("s", 1, None, 2), ("i", -1))}),
                        ((rng.normal(size=(4, 3)), np.array([0, 2, 2])), {"spec": (_ARRAY,)}),
                        ((rng.normal(size=(4, 3)), np.array([[0], [1]]), np.array([2, 0])), {"spec": (_ARRAY, _ARRAY)}),
                        ((rng.normal(size=3),), {"spec": (_NEW_AXIS, ("s", None, None, -1))})])


def _index_transpose(ct: Any, ops: Any, spec: Spec, into: Any) -> Any:
    arrays = [ops[1 + k] for k in range(_count(spec))]
    if into is None:
        x = ops.types[0]
        into = broadcast(Handle(ct.build, Const(np.zeros((), x.dtype))), shape=x.shape)
    return index_add(into, ct, *arrays, spec=spec)


def _index_batch(n: int, ops: Any, batched: Any, spec: Spec) -> Any:
    """Batched x, plain indices: one more full slice. Batched indices: one more index array."""
    if not any(batched[1:]):
        return _with_full_slice(n, ops[0], ops[1:], spec)
    return _indices_batched(n, ops, batched, spec)


def _first_axis_of_arrays(spec: Spec) -> int | None:
    """Where NumPy puts the axes of index arrays: in place if they are adjacent, else first."""
    places = [k for k, e in enumerate(spec) if e[0] in "ai"]
    adjacent = all(b - a == 1 for a, b in zip(places, places[1:], strict=False))
    if not _count(spec):
        return None
    return None if not adjacent else sum(1 for e in spec[:places[0]] if e[0] in "sn")


def _with_full_slice(n: int, x: Any, arrays: Any, spec: Spec) -> Any:
    out = index(x, *arrays, spec=(("s", None, None, None), *spec))
    if _count(spec) and _first_axis_of_arrays(spec) is None:
        # non-adjacent index arrays: their axes come first, the batch axis after them
        width = max(len(a.shape) for a in arrays)
        axes = (width, *range(width), *range(width + 1, out.ndim))
        out = transpose(out, axes=axes)
    return out


def _indices_batched(n: int, ops: Any, batched: Any, spec: Spec) -> Any:
    x, arrays = ops[0], list(ops[1:])
    width = max(len(a.shape) - b for a, b in zip(arrays, batched[1:], strict=True))
    lifted = []
    for a, b in zip(arrays, batched[1:], strict=True):
        inner = a.shape[1:] if b else a.shape
        lead = (n,) if b else (1,)
        lifted.append(reshape(a, shape=lead + (1,) * (width - len(inner)) + inner))
    like = ops[0] if isinstance(ops[0], Handle) else arrays[0]
    if batched[0]:
        lanes = np.arange(n).reshape((n,) + (1,) * width)
        # the lane index and all others are made adjacent by moving integers into arrays; new axes and slices follow NumPy
        spec = (_ARRAY, *spec)
        lifted = [Handle(like.build, Const(lanes)), *lifted]
    out = index(x, *lifted, spec=spec)
    first = _first_axis_of_arrays(spec)
    if first:
        axes = (first, *range(first), *range(first + 1, out.ndim))
        return transpose(out, axes=axes)
    if batched[0] and first is None and width + 1 < out.ndim:
        return _restore_place(out, spec, width)
    return out


def _restore_place(out: Any, spec: Spec, width: int) -> Any:
    """The lane index made the index arrays non-adjacent, so NumPy moved their axes first: move them back."""
    place = _first_axis_of_arrays(spec[1:])
    if not place:
        return out
    rest = list(range(width + 1, out.ndim))
    return transpose(out, axes=(0, *rest[:place], *range(1, width + 1), *rest[place:]))


def _written_type(x: ArrayType, v: ArrayType, *arrays: ArrayType, spec: Spec) -> ArrayType:
    shape = _index_shape(x.shape, spec, arrays)
    if x.dtype != v.dtype:
        raise TypeError(f"a write of {v.dtype} into {x.dtype}")
    if np.broadcast_shapes(v.shape, shape) != shape:
        raise ValueError(f"could not broadcast input array from shape {v.shape} into shape {shape}")
    return x


def _add_evaluate(x: Any, v: Any, *arrays: Any, spec: Spec) -> Any:
    out = np.array(x)
    add_in_place(out, v, arrays, spec)
    return out


def add_in_place(out: Any, v: Any, arrays: tuple[Any, ...], spec: Spec) -> None:
    """``out[index] += v``, with repeated indices counted as often as they occur."""
    key = _key(spec, arrays)
    if arrays:
        np.add.at(out, key, v)
    else:
        out[key] += v


def set_in_place(out: Any, v: Any, arrays: tuple[Any, ...], spec: Spec) -> None:
    """``out[index] = v``."""
    out[_key(spec, arrays)] = v


def _set_evaluate(x: Any, v: Any, *arrays: Any, spec: Spec) -> Any:
    out = np.array(x)
    out[_key(spec, arrays)] = v
    return out


def _add_transpose(ct: Any, i: int, ops: Any, *, spec: Spec) -> Any:
    if i == 0:
        return ct
    from wengert.primitives.structure import sum_to
    return sum_to(index(ct, *[ops[2 + k] for k in range(_count(spec))], spec=spec), ops.types[1].shape)


def _set_transpose(ct: Any, i: int, ops: Any, *, spec: Spec) -> Any:
    from wengert.primitives.structure import sum_to
    arrays = [ops[2 + k] for k in range(_count(spec))]
    if i == 0:
        return index_set(ct, Const(np.zeros((), ct.dtype)), *arrays, spec=spec)
    read = index(ct, *arrays, spec=spec)
    if arrays:  # of several writes to one place the last one counts
        read = select(_last_writer(ct, read.shape, arrays, spec), read, Const(np.zeros((), ct.dtype)))
    return sum_to(read, ops.types[1].shape)


def _last_writer(ct: Any, shape: tuple[int, ...], arrays: Any, spec: Spec) -> Any:
    from wengert.primitives.elementwise import equal
    size = int(np.prod(shape))
    order = Handle(ct.build, Const(np.arange(size).reshape(shape)))
    none = broadcast(Handle(ct.build, Const(np.asarray(-1))), shape=ct.shape)
    return equal(index(index_set(none, order, *arrays, spec=spec), *arrays, spec=spec), order)


def _write_batch(primitive_name: str) -> Any:
    def batch(n: int, ops: Any, batched: Any, *, spec: Spec) -> Any:
        from wengert.graph import REGISTRY
        from wengert.primitives.lanes import over_lanes
        write = REGISTRY[primitive_name]
        if any(batched[2:]) or _count(spec):
            return over_lanes(write, n, ops, batched, {"spec": spec})
        x = ops[0] if batched[0] else broadcast(reshape(ops[0], shape=(1, *ops[0].shape)), shape=(n, *ops[0].shape))
        v = ops[1]
        if batched[1]:
            target = len(_index_shape(x.shape[1:], spec, ()))
            v = reshape(v, shape=(n,) + (1,) * (target - (v.ndim - 1)) + v.shape[1:])
        return write(x, v, spec=(("s", None, None, None), *spec))
    return batch


def _write_sample(rng: np.random.Generator) -> Any:
    return [((rng.normal(size=(4, 3)), rng.normal(size=2)), {"spec": (("s", 0, 4, 2), ("i", 1))}),
            ((rng.normal(size=(4, 3)), rng.normal(size=(3, 3)), np.array([0, 2, 2])), {"spec": (_ARRAY,)}),
            ((rng.normal(size=3), rng.normal(size=())), {"spec": (("i", 1),)})]


index_add = Primitive("index_add", type=_written_type, evaluate=_add_evaluate, linear="jointly", structural=True,
                      transpose=_add_transpose, batch=_write_batch("index_add"), sample=_write_sample)
index_set = Primitive("index_set", type=_written_type, evaluate=_set_evaluate, linear="jointly", structural=True,
                      transpose=_set_transpose, batch=_write_batch("index_set"), sample=_write_sample)


def basic_index(x: Any, key: tuple[Any, ...]) -> Any:
    """``x[key]`` for integers, slices and None."""
    return index(x, spec=to_spec(key))


def slice_axis(x: Any, axis: int, start: int, stop: int, step: int | None = None) -> Any:
    """``x[:, ..., start:stop:step]`` along one axis."""
    return basic_index(x, (slice(None),) * axis + (slice(start, stop, step),))
