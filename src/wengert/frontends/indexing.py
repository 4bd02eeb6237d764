"""NumPy's indexing on tracers: reads, views and writes.

What comes in: any key that NumPy takes. What goes out: one ``index`` or ``index_set`` equation. The one
idea: a key becomes a static spec (slices, integers, new axes) and index arrays; basic reads of an array are
views.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np

from wengert.errors import ConversionError, MutationError, UnsupportedError
from wengert.frontends.lens import is_c_ordered
from wengert.frontends.selected import Selected, pick, put_back, unplaced
from wengert.frontends.trace import require_plain, user_line
from wengert.frontends.tracer import INDEXING, Tracer, as_traced
from wengert.primitives.index import index, index_add, index_set, index_shape, set_in_place
from wengert.primitives.structure import convert, reshape, select

__all__ = ["Key", "add_at", "get_item", "normalize", "same_root", "set_item", "write_at", "written"]

_ARRAY = ("a",)
_WHOLE = ("s", None, None, None)


class Key(NamedTuple):
    """A key, taken apart: the spec, its index arrays, and what NumPy makes of the result.

    `lifted` is the shape of the array with an axis of length 1 for each 0-d boolean, `basic` whether the
    result is a view (then index arrays are integers of NumPy), `ellipsis` whether a 0-d result is an array.
    """

    spec: tuple[tuple[Any, ...], ...]
    arrays: tuple[Any, ...]
    lifted: tuple[int, ...]
    basic: bool
    ellipsis: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what is read."""
        return index_shape(self.lifted, self.spec, tuple(a.shape for a in self.arrays))


def normalize(shape: tuple[int, ...], key: Any) -> Key:
    """A key for an array of this shape, taken apart."""
    parts = [_element(k) for k in (key if isinstance(key, tuple) else (key,))]
    consumed = sum(_axes_taken(k) for k in parts)
    dots = sum(k is Ellipsis for k in parts)
    if dots > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if consumed > len(shape):
        raise IndexError(f"too many indices for array: array is {len(shape)}-dimensional, but {consumed} "
                         f"were indexed")
    lifted = list(shape)
    spec: list[tuple[Any, ...]] = []
    arrays: list[Any] = []
    axis, basic = 0, True
    for k in parts:
        if k is None:
            spec.append(("n",))
        elif k is Ellipsis:
            spec.extend([_WHOLE] * (len(shape) - consumed))
            axis += len(shape) - consumed
        elif type(k) is slice:
            spec.append(("s", k.start, k.stop, k.step))
            axis += 1
        elif type(k) is int:
            if not -lifted[axis] <= k < lifted[axis]:
                raise IndexError(f"index {k} is out of bounds for axis {axis} with size {lifted[axis]}")
            spec.append(("i", k))
            axis += 1
        elif k.dtype.kind == "b":
            basic = False
            found = _mask_places(k, lifted, axis)
            spec.extend([_ARRAY] * len(found))
            arrays.extend(found)
            axis += len(found)
        else:
            basic = basic and not k.shape and isinstance(k, Tracer) and k.kind != "box"
            spec.append(_ARRAY)
            arrays.append(k)
            axis += 1
    return Key(tuple(spec), tuple(arrays), tuple(lifted), basic, dots > 0)


def _element(k: Any) -> Any:
    """One element of a key: an int, a slice of ints, None, Ellipsis, or an index array (perhaps traced)."""
    if k is None or k is Ellipsis or type(k) is int:
        return k
    if isinstance(k, slice):
        return slice(*[None if e is None else operator.index(e) for e in (k.start, k.stop, k.step)])
    if isinstance(k, (bool, np.bool_)):
        return np.asarray(k)
    if isinstance(k, (int, np.integer)):
        return int(k)
    if isinstance(k, (list, tuple)):
        k = as_traced(k)
    if isinstance(k, Tracer):
        if k.dtype.kind == "b":
            return np.asarray(k.concrete("a boolean index"))
        if k.dtype.kind not in "iu":
            raise IndexError("arrays used as indices must be of integer (or boolean) type")
        if k.build is None and not k.shape and k.kind != "box":
            return int(k.cell)
        return k.frozen() if k.shape or k.kind == "box" else k
    require_plain(k)
    array = np.asarray(k)
    if array.size == 0 and array.dtype.kind == "f" and isinstance(k, list):
        array = array.astype(np.intp)
    if array.dtype.kind not in "iub":
        raise IndexError("only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer "
                         "or "
                         "boolean arrays are valid indices")
    return array


def _axes_taken(k: Any) -> int:
    if k is None or k is Ellipsis:
        return 0
    return k.ndim if isinstance(k, np.ndarray) and k.dtype.kind == "b" else 1


def _mask_places(k: Any, lifted: list[int], axis: int) -> tuple[Any, ...]:
    """The places where a mask is true; a 0-d mask takes no axis, so it is given one of length 1."""
    if k.ndim == 0:
        lifted.insert(axis, 1)
        return (np.zeros(int(bool(k)), np.intp),)
    for a, n in enumerate(k.shape):
        if lifted[axis + a] != n:
            raise IndexError(f"boolean index did not match indexed array along axis {axis + a}; size of axis "
                             f"is "
                             f"{lifted[axis + a]} but size of corresponding boolean axis is {n}")
    return np.nonzero(k)


# ---------------------------------------------------------------- reading

def get_item(x: Tracer, key: Any) -> Any:
    """``x[key]``: a view for a basic key, a copy for an advanced one."""
    key = unplaced(x, key)
    picked = pick(x, key) if type(key) is Tracer else None
    if picked is not None:
        return picked
    k = normalize(x.shape, key)
    if k.basic:
        out = x.apply(index, (x, *k.arrays), {"spec": k.spec})
        if out.shape or k.ellipsis:
            out = x.view_through("index", (k.spec, k.arrays), out)
            out.kind = "" if out.shape else "box"
        return out
    lifted = x if k.lifted == x.shape else reshape(x, shape=k.lifted)
    out = x.apply(index, (lifted, *k.arrays), {"spec": k.spec})
    if is_c_ordered(x) and all(e == _ARRAY for e in k.spec) and all(a.ndim == 1 for a in k.arrays):
        out.order = "C"  # other keys may give an array that lies in memory in another order
    return out


# ---------------------------------------------------------------- writing

def set_item(x: Tracer, key: Any, value: Any) -> None:
    """``x[key] = value``."""
    value, key = as_traced(value), unplaced(x, key)
    if isinstance(value, Selected):
        x.write(select(key, written(x, put_back(x, key, value)), x))
        return
    if _is_mask(x, key):
        if _scalar(value):
            x.write(select(key, written(x, value), x))
            return
        if same_root(x, value):
            raise MutationError(
                f"x[mask] = value at {user_line()}, where value looks at the memory of x: NumPy's result "
                f"depends on the "
                f"order of the writes. Write x[mask] = value.copy()")
    k = normalize(x.shape, key)
    if k.shape == () and not k.ellipsis and np.shape(value) != ():
        _element_from_array(x, value)
    if isinstance(value, Tracer) and value.lens is not None and value.lens.base is x and k.basic \
            and value.lens.kind == "index" and _same_key(value.lens.payload, k) \
            and value.lens.version == value.lens.stamp():
        return  # the second half of ``x[i] += y``: the view has written already
    write_at(x, k, value)


def _element_from_array(x: Tracer, value: Any) -> None:
    """Let this installation's NumPy warn of, or refuse, an array with axes where one element is written."""
    given = np.zeros(value.shape, value.dtype) if isinstance(value, Tracer) else value
    np.zeros((), x.dtype)[()] = given


def _same_key(payload: Any, k: Key) -> bool:
    spec, arrays = payload
    return spec == k.spec and all(a is b for a, b in zip(arrays, k.arrays, strict=True))


def write_at(x: Tracer, k: Key, value: Any) -> None:
    """Write at a key that is taken apart; of several writes to one place the last counts."""
    value = _squeezed(written(x, value), len(k.shape))
    if x.build is None and x.lens is None and not isinstance(value, Tracer) and (x.shape or x.kind == "box") \
            and not any(isinstance(a, Tracer) for a in k.arrays) and k.lifted == x.shape:
        x.admit_write()
        set_in_place(x.cell, value, k.arrays, k.spec)
        x.version += 1
        return
    lifted = x if k.lifted == x.shape else reshape(x, shape=k.lifted)
    new = x.apply(index_set, (lifted, value, *k.arrays), {"spec": k.spec})
    x.write(new if k.lifted == x.shape else reshape(new, shape=x.shape))


def add_at(x: Tracer, k: Key, value: Any) -> None:
    """``np.add.at(x, k, value)``: repeated indices count as often as they occur."""
    value = _squeezed(written(x, value), len(k.shape))
    lifted = x if k.lifted == x.shape else reshape(x, shape=k.lifted)
    new = x.apply(index_add, (lifted, value, *k.arrays), {"spec": k.spec})
    x.write(new if k.lifted == x.shape else reshape(new, shape=x.shape))


def _squeezed(value: Any, room: int) -> Any:
    """The value without leading axes of length 1 that have no place in what it is written into."""
    extra = value.ndim - room
    if extra <= 0 or set(value.shape[:extra]) != {1}:
        return value
    return reshape(value, shape=value.shape[extra:])


def same_root(x: Tracer, value: Any) -> bool:
    """Whether a value may look at the memory of `x`."""
    return isinstance(value, Tracer) and bool(value.shape) and any(a is b for a in x.roots() for b in value.roots())


def _is_mask(x: Tracer, key: Any) -> bool:
    dtype = getattr(key, "dtype", None)
    return dtype == np.bool_ and key.shape == x.shape and key.shape != ()


def _scalar(value: Any) -> bool:
    return np.ndim(value) == 0 if not isinstance(value, Tracer) else value.ndim == 0


def written(x: Tracer, value: Any) -> Any:
    """The value in the dtype of the array, as NumPy would cast it; never losing a derivative."""
    if isinstance(value, Tracer) and value.type and value.build is None:
        value = np.array(value.cell)
    if not isinstance(value, Tracer):
        require_plain(value)
        if value is None or (isinstance(value, np.ndarray) and value.dtype == object):
            raise UnsupportedError(f"an array of Python objects is written into a traced array at "
                                   f"{user_line()}")
        out = np.empty(np.shape(value), x.dtype)
        out[...] = value
        return out if out.ndim else out[()]
    if value.dtype == x.dtype:
        return value
    if value.type.inexact and x.dtype.kind not in "fc":
        raise ConversionError(
            f"a traced {value.dtype} would be cut to {x.dtype} by a write at {user_line()}, and its "
            f"derivative "
            f"lost. Make the array with a float dtype, for example np.zeros(n) or x.astype(float)")
    if value.dtype.kind == "c" and x.dtype.kind != "c":
        raise TypeError(f"a complex value is written into a {x.dtype} array at {user_line()}; take its real "
                        f"part, "
                        f"or make the array with dtype=complex")
    return convert(value, dtype=x.dtype)


INDEXING["get"] = get_item
INDEXING["set"] = set_item
