"""NumPy's functions that loop in Python: over elements or rows, or with a function of the user's.

What comes in: ``np.vectorize(f)(x)``, ``np.apply_along_axis``, ``np.fromiter``, ``np.ndenumerate``. What goes out: the traced
results, stacked. The one idea: they are loops in Python, so the loop is run here, with the user's function reached.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends import warned
from wengert.frontends.numpy_api.structure import as_array, axes_of
from wengert.frontends.reach import CALLS, INSTANCES, on_call, reach
from wengert.frontends.registry import FUNCTIONS, implements
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import Tracer, as_traced

__all__: list[str] = []


def _vectorized(function: np.vectorize, *args: Any, **kwargs: Any) -> Any:
    """A call of an instance of ``np.vectorize``: as there, the first element decides the dtype of the result."""
    args = tuple([as_traced(a) for a in args])
    if not any(isinstance(a, Tracer) for a in (*args, *kwargs.values())):
        return function(*args, **kwargs)
    if kwargs or function.excluded or function.signature is not None or not args:
        raise UnsupportedError(f"np.vectorize with keywords, excluded arguments or a signature cannot be traced (at "
                               f"{user_line()}); use wg.vmap, or a loop")
    arrays = FUNCTIONS[np.broadcast_arrays](*args)
    shape = arrays[0].shape
    places = list(np.ndindex(shape))
    if not places:
        raise UnsupportedError(f"np.vectorize of an empty traced array cannot be traced (at {user_line()})")
    rows = [reach(function.pyfunc)(*[a[k] for a in arrays]) for k in places]
    dtypes = list(function.otypes or ())
    if not isinstance(rows[0], tuple):
        return _gathered(rows, shape, dtypes[0] if dtypes else None)
    return tuple([_gathered(column, shape, dtypes[k] if dtypes else None) for k, column in enumerate(zip(*rows, strict=True))])


def _gathered(values: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    dtype = np.dtype(dtype) if dtype is not None else as_array(values[0]).dtype
    return as_array(list(values)).astype(dtype).reshape(shape)


INSTANCES[np.vectorize] = _vectorized


CALLS[np.geterr], CALLS[np.seterr] = warned.modes, warned.set_modes


@implements(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    """``np.apply_over_axes``."""
    out = as_array(a)
    for axis in np.atleast_1d(axes).tolist():
        result = reach(func)(out, axis)
        out = result if result.ndim == out.ndim else FUNCTIONS[np.expand_dims](result, axis)
    return out


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: Any, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """``np.apply_along_axis``."""
    array = as_array(arr)
    axis, = axes_of(axis, array.ndim)
    rows = FUNCTIONS[np.moveaxis](array, axis, -1)
    outer = rows.shape[:-1]
    if 0 in outer:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    results = [as_array(reach(func1d)(rows[k], *args, **kwargs)) for k in np.ndindex(outer)]
    out = FUNCTIONS[np.stack](results).astype(results[0].dtype).reshape((*outer, *results[0].shape))
    inner = results[0].ndim
    places = list(range(len(outer)))
    places[axis:axis] = range(len(outer), len(outer) + inner)
    return FUNCTIONS[np.transpose](out, places)


@on_call(np.fromiter)
def fromiter(iter: Any, dtype: Any, count: int = -1, *, like: Any = None) -> Any:
    """``np.fromiter``: the iterator is drained first."""
    from itertools import islice
    values = list(iter if count < 0 else islice(iter, count))
    if not any(isinstance(v, Tracer) for v in values):
        return np.fromiter(values, dtype, count)
    if len(values) < count:
        raise ValueError(f"iterator too short: Expected {count} but iterator had only {len(values)} items.")
    return as_array(values).astype(np.dtype(dtype))


@on_call(np.ndenumerate)
def ndenumerate(arr: Any) -> Any:
    """``np.ndenumerate``."""
    arr = as_traced(arr)
    return ((k, arr[k]) for k in np.ndindex(arr.shape)) if isinstance(arr, Tracer) else np.ndenumerate(arr)


@on_call(np.nditer)
def nditer(op: Any, *args: Any, **kwargs: Any) -> Any:
    """``np.nditer``, of ordinary arrays only."""
    if any(isinstance(as_traced(x), Tracer) for x in (op if isinstance(op, (list, tuple)) else [op])):
        raise UnsupportedError(f"np.nditer cannot be traced (at {user_line()}); write for v in x.flat, or loop over "
                               f"np.ndindex(x.shape)")
    return np.nditer(op, *args, **kwargs)
