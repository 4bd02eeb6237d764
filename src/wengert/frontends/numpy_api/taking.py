"""Taking and putting: take, choose, compress, put, place, ufunc.at, nonzero and the like.

What comes in: NumPy calls. What goes out: ``index``, ``index_set`` and ``index_add``. The one idea: each is
NumPy's own indexing with another way to say where; places that depend on values (nonzero, masks) are
concrete integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import MutationError
from wengert.frontends.indexing import add_at, get_item, normalize, same_root, write_at, written
from wengert.frontends.numpy_api.arithmetic import method, write_out
from wengert.frontends.numpy_api.stacking import gather, stack
from wengert.frontends.numpy_api.structure import as_array, axis_of
from wengert.frontends.selected import places_of
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced, implements, ufunc_call
from wengert.primitives import structure as s
from wengert.primitives.index import index, index_set

__all__ = ["Flat"]


def _plain(x: Any, what: str) -> Any:
    return np.asarray(x.concrete(what) if isinstance(x, Tracer) else x)


def _integers(indices: Any) -> Any:
    """Index arrays as they are if traced, else as an array of integers."""
    indices = as_traced(indices)
    if not isinstance(indices, Tracer):
        indices = np.asarray(indices)
        indices = indices.astype(np.intp) if indices.size == 0 or indices.dtype.kind == "b" else indices
    if indices.dtype.kind not in "iu":
        raise TypeError(f"Cannot cast array data from {indices.dtype!r} to dtype('int64') according to the "
                        f"rule 'safe'")
    return indices


def _in_range(indices: Any, n: int, mode: str) -> Any:
    """Indices of an axis of length n, by NumPy's mode; "raise" leaves the check to the index itself."""
    if mode == "raise":
        return indices
    if mode not in ("wrap", "clip"):
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    if mode == "wrap":
        return (
            ufunc_call(np.remainder, indices, n) if isinstance(indices, Tracer) else np.remainder(indices, n)
        )
    if isinstance(indices, Tracer):
        return ufunc_call(np.minimum, ufunc_call(np.maximum, indices, 0), n - 1)
    return np.clip(indices, 0, n - 1)


def _own_cell(a: Any, name: str) -> Tracer:
    if not isinstance(a, Tracer):
        raise MutationError(f"np.{name} writes a traced value into an ordinary array at {user_line()}; make "
                            f"the array "
                            f"inside the function (np.zeros(n), a.copy())")
    return a


# ---------------------------------------------------------------- taking

@implements(np.take)
@method("take")
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    """``np.take``."""
    a = as_array(a)
    if axis is None:
        a, axis = s.reshape(a, shape=(a.type.size,)), 0
    axis = axis_of(axis, a.ndim)
    places = _in_range(_integers(indices), a.shape[axis], mode)
    result = a.apply(index, (a, places), {"spec": (("s", None, None, None),) * axis + (("a",),)})
    return result if out is None else write_out(out, result)


def _along(shape: tuple[int, ...], indices: Any, axis: int) -> tuple[Any, ...]:
    """The index arrays of ``take_along_axis``."""
    grids = list(np.ogrid[tuple(slice(n) for n in shape)]) if shape else []
    if indices.ndim != len(shape):
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    grids[axis] = indices
    return tuple(grids)


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """``np.take_along_axis``."""
    arr, indices = as_array(arr), _integers(indices)
    if axis is None:
        if indices.ndim != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        arr, axis = s.reshape(arr, shape=(arr.type.size,)), 0
    return get_item(arr, _along(arr.shape, indices, axis_of(axis, arr.ndim)))


@implements(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    """``np.put_along_axis``: a write."""
    arr, indices = _own_cell(arr, "put_along_axis"), _integers(indices)
    if axis is None:
        flat = s.reshape(arr, shape=(arr.type.size,))
        flat[indices] = values
        arr.write(s.reshape(flat, shape=arr.shape))
        return
    arr[_along(arr.shape, indices, axis_of(axis, arr.ndim))] = values


@implements(np.choose)
@method("choose")
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """``np.choose``: element by element, one of several arrays."""
    choices = list(choices) if isinstance(choices, (Tracer, np.ndarray)) else choices
    arrays = [as_array(c) for c in choices]
    a = _in_range(_integers(a), len(arrays), mode)
    shape = np.broadcast_shapes(a.shape, *[c.shape for c in arrays])
    if (
        np.any(_plain(a, "np.choose") < 0)
        if mode == "raise" and not (isinstance(a, Tracer) and a.value is None)
        else False
    ):
        raise ValueError("invalid entry in choice array")
    stacked = stack([s.broadcast(c, shape=shape) for c in arrays])
    grids = np.ogrid[tuple(slice(n) for n in shape)] if shape else ()
    result = stacked.apply(index, (stacked, a, *grids), {"spec": (("a",),) * (len(shape) + 1)})
    return result if out is None else write_out(out, result)


@implements(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    """``np.compress``."""
    where = _plain(condition, "np.compress")
    if where.ndim != 1:
        raise ValueError("condition must be a 1-d array")
    return take(a, np.nonzero(where)[0], axis, out)


@method("compress")
def _compress_method(x: Tracer, condition: Any, axis: Any = None, out: Any = None) -> Any:
    return compress(condition, x, axis, out)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """``np.extract``."""
    return gather(as_array(arr), np.nonzero(_plain(condition, "np.extract").ravel())[0])


# ---------------------------------------------------------------- putting

@implements(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """``np.put``: a write at places in C order; values are repeated."""
    a = _own_cell(a, "put")
    n = a.type.size
    places = _in_range(_integers(ind), n, mode)
    places = places.reshape(-1)
    v = as_array(v)
    if not places.shape[0] or not v.type.size:
        return
    repeated = gather(v, np.resize(np.arange(v.type.size), places.shape))
    flat = s.reshape(a, shape=(n,))
    new = flat.apply(index_set, (flat, written(a, repeated), places), {"spec": (("a",),)})
    a.write(s.reshape(new, shape=a.shape))


@method("put")
def _put_method(x: Tracer, indices: Any, values: Any, mode: str = "raise") -> None:
    put(x, indices, values, mode)


@implements(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    """``np.putmask``: a write where the mask is true; values are repeated by place."""
    a, values = _own_cell(a, "putmask"), as_array(values)
    mask = as_array(mask)
    if mask.shape != a.shape:
        raise ValueError("putmask: mask and data must be the same size")
    if not values.type.size:
        return
    spread = (
        values if values.shape == a.shape else gather(values, np.resize(np.arange(values.type.size), a.shape))
    )
    if mask.dtype != np.bool_:
        mask = ufunc_call(np.not_equal, mask, 0)
    a.write(s.select(mask, written(a, spread), a))


@implements(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    """``np.place``: a write of the first values into the true places, in order."""
    arr, vals = _own_cell(arr, "place"), as_array(vals)
    if same_root(arr, vals):
        raise MutationError(f"np.place at {user_line()}, with values that look at the memory written into: "
                            f"NumPy's result "
                            f"depends on the order of the writes. Copy the values first")
    places = np.nonzero(_plain(mask, "np.place").ravel())[0]
    if not places.size:
        return
    if not vals.type.size:
        raise ValueError("Cannot insert from an empty array!")
    put(arr, places, gather(vals, np.resize(np.arange(vals.type.size), places.shape)))


@implements(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """``np.fill_diagonal``: a write; values are repeated along the diagonal."""
    a = _own_cell(a, "fill_diagonal")
    numbers = np.zeros(a.shape, bool)
    np.fill_diagonal(numbers, True, wrap=wrap)
    put(a, np.nonzero(numbers.ravel())[0], val)


# ---------------------------------------------------------------- ufunc.at

def _at(ufunc: np.ufunc, a: Any, indices: Any, *operand: Any) -> None:
    """``ufunc.at(a, indices, b)``: repeated indices are worked off one after the other, in order."""
    a = _own_cell(a, f"{ufunc.__name__}.at")
    value: Any = as_traced(operand[0]) if operand else None
    if same_root(a, value):
        value = value.copy()
    key = normalize(a.shape, indices)
    if operand:
        value = as_array(value)
        value = Tracer(value.build, value.current(), value.cell)  # Python numbers count as float64 here
    if ufunc in (np.add, np.subtract) and np.result_type(a.dtype, value.dtype) == a.dtype:
        add_at(a, key, ufunc_call(np.negative, value) if ufunc is np.subtract else value)
        return
    if any(isinstance(k, Tracer) and k.value is None for k in key.arrays):
        raise MutationError(f"np.{ufunc.__name__}.at with indices that have no value here, at {user_line()}: "
                            f"they might "
                            f"repeat")
    numbers = np.arange(a.type.size).reshape(key.lifted)
    plain = tuple([_plain(k, "an index") for k in key.arrays])
    places = np.asarray(index.evaluate(numbers, *plain, spec=key.spec))
    if operand:
        value = s.broadcast(value, shape=places.shape)
        value = s.reshape(value, shape=(places.size,))
    turn = _turns(places.ravel())
    for k in range(int(turn.max()) + 1 if turn.size else 0):
        now = np.nonzero(turn == k)[0]
        where = places.ravel()[now]
        read = gather(a, where)
        new = ufunc_call(ufunc, read, gather(value, now)) if operand else ufunc_call(ufunc, read)
        put(a, where, _fits(a, ufunc, new))


def _fits(a: Tracer, ufunc: np.ufunc, value: Any) -> Any:
    if not np.can_cast(value.dtype, a.dtype, "same_kind"):
        raise TypeError(f"Cannot cast ufunc '{ufunc.__name__}' output from {value.dtype!r} to {a.dtype!r} "
                        f"with casting "
                        f"rule 'same_kind'")
    return value


def _turns(places: Any) -> Any:
    """How often each place has occurred before."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    starts = np.searchsorted(ordered, ordered)
    turn = np.empty(len(places), np.intp)
    turn[order] = np.arange(len(places)) - starts
    return turn


FUNCTIONS["at"] = _at


# ---------------------------------------------------------------- places that depend on values

@implements(np.nonzero)
@method("nonzero")
def nonzero(a: Any) -> Any:
    """``np.nonzero``: concrete integers, or what stands for them where no value is known."""
    return places_of(a) or np.nonzero(_plain(as_traced(a), "np.nonzero"))


@implements(np.argwhere)
def argwhere(a: Any) -> Any:
    """``np.argwhere``."""
    return np.argwhere(_plain(as_traced(a), "np.argwhere"))


@implements(np.flatnonzero)
def flatnonzero(a: Any) -> Any:
    """``np.flatnonzero``."""
    found = places_of(s.reshape(a, shape=(a.size,)) if isinstance(a, Tracer) and a.value is None else a)
    return found[0] if found else np.flatnonzero(_plain(as_traced(a), "np.flatnonzero"))


@implements(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """``np.count_nonzero``."""
    a = as_traced(a)
    if not isinstance(a, Tracer) or a.value is not None:
        return np.count_nonzero(_plain(a, "np.count_nonzero"), axis, keepdims=keepdims)
    out = FUNCTIONS[np.sum](ufunc_call(np.not_equal, a, np.zeros((), a.dtype)[()]), axis=axis, keepdims=keepdims)
    if axis is None and not keepdims:
        out.kind = "scalar"  # a Python int
    return out


@implements(np.tril_indices_from)
def tril_indices_from(arr: Any, k: int = 0) -> Any:
    """``np.tril_indices_from``."""
    return np.tril_indices(arr.shape[-2], k=k, m=arr.shape[-1])


@implements(np.triu_indices_from)
def triu_indices_from(arr: Any, k: int = 0) -> Any:
    """``np.triu_indices_from``."""
    return np.triu_indices(arr.shape[-2], k=k, m=arr.shape[-1])


@implements(np.diag_indices_from)
def diag_indices_from(arr: Any) -> Any:
    """``np.diag_indices_from``."""
    return np.diag_indices_from(np.empty(arr.shape, bool))


def _on_values(function: Any) -> None:
    def implementation(*args: Any, **kwargs: Any) -> Any:
        def plain(x: Any) -> Any:
            if isinstance(x, tuple):
                return tuple([plain(e) for e in x])
            return x.concrete(f"np.{function.__name__}") if isinstance(x, Tracer) else x
        return function(*[plain(x) for x in args], **{k: plain(v) for k, v in kwargs.items()})
    implements(function)(implementation)


for _f in (np.ravel_multi_index, np.unravel_index):
    _on_values(_f)


# ---------------------------------------------------------------- x.flat

class Flat:
    """``x.flat``: elements in C order, read as copies and written in place."""

    __slots__ = ("array",)

    def __init__(self, array: Tracer):
        self.array = array

    def _elements(self) -> Any:
        return s.reshape(self.array, shape=(self.array.type.size,))

    def __getitem__(self, key: Any) -> Any:
        out = self._elements()[key]
        return out.copy() if isinstance(out, Tracer) and out.shape else out

    def __setitem__(self, key: Any, value: Any) -> None:
        elements = self._elements()
        k = normalize(elements.shape, key)
        value = as_array(value)
        if value.type.size == 1:
            write_at(elements, k, s.reshape(value, shape=()))
            self.array.write(s.reshape(elements, shape=self.array.shape))
        else:
            key = key.concrete("an index") if isinstance(key, Tracer) else key
            put(self.array, np.arange(elements.shape[0])[key], value)

    def __len__(self) -> int:
        return self.array.type.size

    def __iter__(self) -> Any:
        return iter(self._elements())

    def copy(self) -> Any:
        """All elements, as a new array."""
        return self._elements().copy()


@method("flat", property=True)
def _flat(x: Tracer) -> Flat:
    return Flat(x)
