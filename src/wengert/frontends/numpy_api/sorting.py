"""Sorting, searching and sets: sort, argsort, partition, searchsorted, unique and the like, on tracers.

What comes in: NumPy calls. What goes out: sorted arrays whose tangents are permuted, and integers. The one
idea: an order is locally constant; where only its size decides a shape (unique, the set functions) it is
taken from the values. At a tie the derivative goes with the permutation of a stable sort, whatever `kind`
says.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.frontends.lens import is_c_ordered
from wengert.frontends.numpy_api.arithmetic import method
from wengert.frontends.numpy_api.stacking import concatenate, gather
from wengert.frontends.numpy_api.structure import as_array, axis_of
from wengert.frontends.tracer import FUNCTIONS, Tracer, implements, value_of
from wengert.primitives import sort as p
from wengert.primitives import structure as s

__all__ = ["argsort", "searchsorted", "sort", "unique"]


# ---------------------------------------------------------------- sort and partition


def _kind(kind: Any, order: Any, stable: Any) -> str:
    if order is not None:
        raise ValueError("Cannot specify order when the array has no fields.")
    if kind is not None and stable is not None:
        raise ValueError(
            "`kind` and keyword parameters can't be provided at the same time. Use only one of them."
        )
    if kind is not None:
        return {"q": "quicksort", "h": "heapsort", "m": "mergesort", "s": "stable"}.get(
            kind[:1].lower(), kind
        )
    return "stable" if stable else "quicksort"


def _line(a: Any, axis: Any) -> tuple[Tracer, int]:
    """The array and its axis; None means the array made flat."""
    a = as_array(a)
    if axis is None:
        return s.reshape(a, shape=(a.type.size,)), 0
    return a, axis_of(axis, a.ndim)


def _laid_out(result: Any, a: Tracer) -> Any:
    """The sorted copy lies in memory as the array did."""
    result.order = "C" if is_c_ordered(a) else ""
    return result


@implements(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """``np.sort``."""
    kind = _kind(kind, order, stable)
    a, axis = _line(a, axis)
    return _laid_out(p.sort(a, axis=axis, kind=kind), a)


@method("sort")
def _sort_method(
    x: Tracer, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> None:
    """``ndarray.sort``: a write."""
    x.write(p.sort(x, axis=axis_of(axis, x.ndim), kind=_kind(kind, order, stable)))


@implements(np.argsort)
@method("argsort")
def argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """``np.argsort``: integers, in NumPy's own order at ties."""
    kind = _kind(kind, order, stable)
    a = as_array(a)
    if not a.ndim:
        return np.argsort(value_of(a))
    a, axis = _line(a, axis)
    return p.argsort(a, axis=axis, kind=kind)


def _places(kth: Any, kind: str, order: Any) -> tuple[int, ...]:
    if kind != "introselect":
        raise ValueError(f"select kind must be 'introselect' (got {kind!r})")
    if order is not None:
        raise ValueError("Cannot specify order when the array has no fields.")
    kth = np.asarray(value_of(kth))
    if kth.dtype.kind not in "iub":
        raise TypeError("Partition index must be integer")
    return tuple(kth.ravel().tolist())


@implements(np.partition)
def partition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    """``np.partition``, in the very order in which NumPy leaves the elements."""
    places = _places(kth, kind, order)
    a, axis = _line(a, axis)
    return _laid_out(p.partition(a, axis=axis, kth=places), a)


@method("partition")
def _partition_method(
    x: Tracer, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> None:
    """``ndarray.partition``: a write."""
    x.write(p.partition(x, axis=axis_of(axis, x.ndim), kth=_places(kth, kind, order)))


@implements(np.argpartition)
@method("argpartition")
def argpartition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    """``np.argpartition``: integers."""
    places = _places(kth, kind, order)
    a, axis = _line(a, axis)
    return p.argpartition(a, axis=axis, kth=places)


@implements(np.lexsort)
def lexsort(keys: Any, axis: Any = -1) -> Any:
    """``np.lexsort``: concrete integers."""
    keys = value_of(keys) if isinstance(keys, Tracer) else [value_of(k) for k in keys]
    return np.lexsort(keys, axis)


@implements(np.sort_complex)
def sort_complex(a: Any) -> Any:
    """``np.sort_complex``."""
    out = sort(a)
    if out.dtype.kind == "c":
        return out
    return out.astype("F" if out.dtype.char in "bhBH" else "G" if out.dtype.char == "g" else "D")


# ---------------------------------------------------------------- search


@implements(np.searchsorted)
@method("searchsorted")
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """``np.searchsorted``: integers."""
    a, v = as_array(a), as_array(v)
    if a.ndim != 1:
        raise ValueError("object too deep for desired array")
    side = {"l": "left", "r": "right"}.get(side[:1].lower(), side)
    if sorter is not None:
        sorter = as_array(sorter)
        if sorter.shape != a.shape:
            raise ValueError("sorter.size must equal len(a)")
        a = a[sorter]
    dtype = np.result_type(a.dtype, v.dtype)
    return p.searchsorted(
        a if a.dtype == dtype else s.convert(a, dtype=dtype),
        v if v.dtype == dtype else s.convert(v, dtype=dtype),
        side=side,
    )


# ---------------------------------------------------------------- unique


@implements(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Any = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """``np.unique``: of equal elements the first carries the derivative; the rest are concrete integers."""
    a = as_array(ar)
    plain = np.asarray(a.concrete("np.unique"))
    keywords: dict[str, Any] = {"axis": axis, "equal_nan": equal_nan}
    if not sorted:
        keywords["sorted"] = False
    found: Any = np.unique(  # type: ignore[call-overload]
        plain,
        return_index=return_index,
        return_inverse=return_inverse,
        return_counts=return_counts,
        **keywords,
    )
    values, *rest = found if isinstance(found, tuple) else (found,)
    if axis is not None and a.ndim > 1:
        first = np.unique(plain, return_index=True, axis=axis, equal_nan=equal_nan)[1]
        out = FUNCTIONS[np.take](a, first, axis)
    else:
        ordered, first = np.unique(plain, return_index=True, equal_nan=equal_nan)
        if not sorted:  # NumPy's order is that of a hash table
            first = first[np.searchsorted(ordered, values)]
        out = gather(a, first)
    return (out, *rest) if rest else out


def _unique_results() -> None:
    """The functions of the array API, which give named tuples."""
    from numpy.lib import _arraysetops_impl as names

    @implements(np.unique_all)
    def unique_all(x: Any) -> Any:
        return names.UniqueAllResult(*unique(x, True, True, True, equal_nan=False))

    @implements(np.unique_inverse)
    def unique_inverse(x: Any) -> Any:
        return names.UniqueInverseResult(*unique(x, return_inverse=True, equal_nan=False))

    @implements(np.unique_counts)
    def unique_counts(x: Any) -> Any:
        return names.UniqueCountsResult(*unique(x, return_counts=True, equal_nan=False))

    @implements(np.unique_values)
    def unique_values(x: Any) -> Any:
        plain = np.unique_values(np.asarray(as_array(x).concrete("np.unique_values")))
        return unique(x, equal_nan=False, sorted=bool(np.all(plain[:-1] <= plain[1:])))


_unique_results()


# ---------------------------------------------------------------- sets


@implements(np.isin)
def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Any:
    """``np.isin``: concrete booleans."""
    return np.isin(
        value_of(as_array(element)), value_of(as_array(test_elements)), assume_unique, invert, kind=kind
    )


def _flat(a: Any) -> Any:
    a = as_array(a)
    return s.reshape(a, shape=(a.type.size,))


def _kept(a: Tracer, mask: Any) -> Any:
    return gather(a, np.nonzero(mask)[0])


@implements(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    """``np.union1d``."""
    return unique(concatenate((_flat(ar1), _flat(ar2))))


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """``np.setdiff1d``."""
    a = _flat(ar1) if assume_unique else unique(ar1)
    return _kept(a, ~np.isin(value_of(a), value_of(as_array(ar2))))


@implements(np.intersect1d)
def intersect1d(ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False) -> Any:
    """``np.intersect1d``: the elements of the first array."""
    a = as_array(ar1)
    out, first, second = np.intersect1d(value_of(a), value_of(as_array(ar2)), assume_unique, True)
    dtype = np.result_type(a.dtype, out.dtype)
    values = gather(a, first)
    values = values if values.dtype == dtype else s.convert(values, dtype=dtype)
    return (values, first, second) if return_indices else values


@implements(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """``np.setxor1d``."""
    a, b = (_flat(x) if assume_unique else unique(x) for x in (ar1, ar2))
    both = sort(concatenate((a, b)))
    plain = np.asarray(value_of(both))
    if not plain.size:
        return both
    apart = np.concatenate(([True], plain[1:] != plain[:-1], [True]))
    return _kept(both, apart[1:] & apart[:-1])
