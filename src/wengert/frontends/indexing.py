"""NumPy's indexing on tracers: reads, views and writes.

What comes in: any key that NumPy takes. What goes out: one ``index`` or ``index_set`` equation. The one idea: a key
becomes a static spec (slices, integers, new axes) and index arrays; basic reads of an array are views.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from wengert.errors import ConversionError, UnsupportedError
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import INDEXING, Tracer, as_traced
from wengert.graph import ArrayType
from wengert.primitives.index import index, index_set, set_in_place
from wengert.primitives.structure import convert, reshape, select

__all__ = ["get_item", "normalize", "set_item"]

_ARRAY = ("a",)


def normalize(shape: tuple[int, ...], key: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """The spec of a key for an array of this shape, and its index arrays."""
    parts = list(key) if isinstance(key, tuple) else [key]
    parts = [_element(k) for k in parts]
    consumed = sum(_axes_taken(k) for k in parts)
    if sum(k is Ellipsis for k in parts) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if consumed > len(shape):
        raise IndexError(f"too many indices for array: array is {len(shape)}-dimensional, but {consumed} were indexed")
    spec: list[tuple[Any, ...]] = []
    arrays: list[Any] = []
    axis = 0
    for k in parts:
        if k is Ellipsis:
            free = len(shape) - consumed
            spec.extend([("s", None, None, None)] * free)
            axis += free
        elif k is None:
            spec.append(("n",))
        elif type(k) is slice:
            spec.append(("s", k.start, k.stop, k.step))
            axis += 1
        elif type(k) is int:
            if not -shape[axis] <= k < shape[axis]:
                raise IndexError(f"index {k} is out of bounds for axis {axis} with size {shape[axis]}")
            spec.append(("i", k))
            axis += 1
        else:
            axis += _array_entry(k, shape, axis, spec, arrays)
    return tuple(spec), arrays


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
            return k.concrete("a boolean index")
        if k.dtype.kind not in "iu":
            raise IndexError("arrays used as indices must be of integer (or boolean) type")
        return k if k.build is not None else k.cell
    array = np.asarray(k)
    if array.size == 0 and array.dtype.kind == "f" and isinstance(k, list):
        array = array.astype(np.intp)
    if array.dtype.kind not in "iub":
        raise IndexError("only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or "
                         "boolean arrays are valid indices")
    return array


def _axes_taken(k: Any) -> int:
    if k is None or k is Ellipsis:
        return 0
    return k.ndim if isinstance(k, np.ndarray) and k.dtype.kind == "b" else 1


def _array_entry(k: Any, shape: tuple[int, ...], axis: int, spec: list[Any], arrays: list[Any]) -> int:
    """Append an index array; a boolean one becomes the integers of its true places."""
    if isinstance(k, np.ndarray) and k.dtype.kind == "b":
        if k.ndim == 0:
            spec.extend([("n",), _ARRAY])
            raise UnsupportedError(f"a 0-d boolean index at {user_line()}: write x[None] or x[:0]")
        if k.shape != shape[axis:axis + k.ndim]:
            raise IndexError(f"boolean index did not match indexed array along axis {axis}; size of axis is "
                             f"{shape[axis]} but size of corresponding boolean axis is {k.shape[0]}")
        for places in np.nonzero(k):
            spec.append(_ARRAY)
            arrays.append(places)
        return k.ndim
    spec.append(_ARRAY)
    arrays.append(k)
    return 1


def get_item(x: Tracer, key: Any) -> Any:
    """``x[key]``: a view for a basic key, a copy for an advanced one."""
    spec, arrays = normalize(x.shape, key)
    out = x.apply(index, (x, *arrays), {"spec": spec})
    return out if arrays else x.view_through("index", spec, out)


def set_item(x: Tracer, key: Any, value: Any) -> None:
    """``x[key] = value``."""
    value = as_traced(value)
    if _is_mask(x, key) and _scalar(value):
        value = _written(x, value)
        x.write(select(key, value, x))
        return
    spec, arrays = normalize(x.shape, key)
    if isinstance(value, Tracer) and value.lens is not None and value.lens.base is x and not arrays \
            and value.lens.kind == "index" and value.lens.payload == spec \
            and value.lens.version == value.root().version:
        return  # the second half of ``x[i] += y``: the view has written already
    value = _written(x, value)
    if x.build is None and x.lens is None and not isinstance(value, Tracer) and x.kind != "argument" \
            and not any(isinstance(a, Tracer) for a in arrays):
        set_in_place(x.cell, value, tuple(arrays), spec)
        x.version += 1
        return
    room = index.type(x.type, *[_type(a) for a in arrays], spec=spec).ndim
    if isinstance(value, Tracer) and value.ndim > room and set(value.shape[:value.ndim - room]) <= {1}:
        value = reshape(value, shape=value.shape[value.ndim - room:])
    x.write(x.apply(index_set, (x, value, *arrays), {"spec": spec}))


def _type(a: Any) -> ArrayType:
    return a.type if isinstance(a, Tracer) else ArrayType(a.shape, a.dtype)


def _is_mask(x: Tracer, key: Any) -> bool:
    dtype = getattr(key, "dtype", None)
    return dtype == np.bool_ and key.shape == x.shape and key.shape != ()


def _scalar(value: Any) -> bool:
    return np.ndim(value) == 0 if not isinstance(value, Tracer) else value.ndim == 0


def _written(x: Tracer, value: Any) -> Any:
    """The value in the dtype of the array, as NumPy would cast it; never losing a derivative."""
    if not isinstance(value, Tracer):
        out = np.empty(np.shape(value), x.dtype)
        out[...] = value
        return out if out.ndim else out[()]
    if value.dtype == x.dtype:
        return value
    if value.type.inexact and x.dtype.kind not in "fc":
        raise ConversionError(
            f"a traced {value.dtype} would be cut to {x.dtype} by a write at {user_line()}, and its derivative "
            f"lost. Make the array with a float dtype, for example np.zeros(n) or x.astype(float)")
    if value.dtype.kind == "c" and x.dtype.kind != "c":
        raise TypeError(f"a complex value is written into a {x.dtype} array at {user_line()}; take its real part, "
                        f"or make the array with dtype=complex")
    return convert(value, dtype=x.dtype)


INDEXING["get"] = get_item
INDEXING["set"] = set_item
