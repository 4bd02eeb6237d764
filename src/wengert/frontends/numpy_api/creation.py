"""Creation: np.array of nested lists, full, linspace, arange and the like, with traced values inside.

What comes in: NumPy calls. What goes out: arrays made of traced numbers, or ordinary arrays that traced
values can be written into. The one idea: an array that depends on no traced value is a cell without a trace
(``Tracer(None, None, array)``); the others are computed in NumPy's own steps, to the last bit.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from wengert.errors import MutationError, UnsupportedError
from wengert.frontends.indexing import written
from wengert.frontends.lens import KINDS, settle, stand_in
from wengert.frontends.numpy_api.arithmetic import method
from wengert.frontends.numpy_api.structure import as_array, basic_view, moveaxis, shape_of, view
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import Tracer, implements, ufunc_call
from wengert.primitives import structure as s

__all__ = ["array", "linspace"]


# ---------------------------------------------------------------- np.array

def _leaves(x: Any) -> tuple[tuple[int, ...], list[Any]]:
    """The shape of nested lists, and what stands in them, in C order."""
    if not isinstance(x, (list, tuple)):
        return (), [x]
    shapes, leaves = [], []
    for e in x:
        shape, inner = _leaves(e)
        shapes.append(shape)
        leaves.extend(inner)
    if len(set(shapes)) > 1:
        raise _ragged()
    return (len(x), *(shapes[0] if shapes else ())), leaves


def _ragged() -> ValueError:
    return ValueError("setting an array element with a sequence. The requested array has an inhomogeneous "
                      "shape")


def _from_lists(x: Any) -> Tracer:
    """One array of nested lists: equal leaves are joined, runs of ordinary ones as one constant."""
    shape, leaves = _flat_lists(x)
    inner = _shape_of_leaf(leaves[0]) if leaves else ()
    if any(_shape_of_leaf(e) != inner for e in leaves):
        raise _ragged()
    dtype = np.result_type(*{_dtype_of_leaf(e) for e in leaves}) if leaves else np.dtype(float)
    parts: list[Any] = []
    run: list[Any] = []
    for e in [*leaves, None]:
        if e is not None and not isinstance(e, Tracer):
            run.append(e)
            continue
        if run:
            parts.append(np.array(run, dtype).reshape(len(run), *inner))
            run = []
        if e is not None:
            e = e if e.dtype == dtype else s.convert(e, dtype=dtype)
            parts.append(s.reshape(e, shape=(1, *inner)))
    joined = s.concatenate(*parts, axis=0) if len(parts) > 1 else parts[0]
    return s.reshape(joined, shape=(*shape, *inner))


def _of_objects(x: Any, ndmin: int) -> np.ndarray[Any, Any]:
    """An ordinary array of Python objects, some of them traced numbers: NumPy computes with them one by one."""
    shape, leaves = _flat_lists(x)
    if any(_shape_of_leaf(e) for e in leaves):
        raise UnsupportedError(f"an array of Python objects is made of traced arrays at {user_line()}; leave out dtype=object")
    out = np.empty(len(leaves), np.dtype(object))
    for k, leaf in enumerate(leaves):
        out[k] = leaf
    return out.reshape((1,) * (ndmin - len(shape)) + tuple(shape))


def _flat_lists(x: Any) -> tuple[tuple[int, ...], list[Any]]:
    """As `_leaves`; arrays among lists of the same shape are taken apart first."""
    def opened(e: Any, depth: int) -> Any:
        if isinstance(e, (list, tuple)):
            return [opened(k, depth - 1) for k in e]
        return list(e) if depth > 0 and isinstance(e, (Tracer, np.ndarray)) and e.ndim else e
    try:
        return _leaves(x)
    except ValueError:
        depth = _depth_of(x)
        for d in range(1, depth + 1):
            try:
                return _leaves(opened(x, d))
            except ValueError:
                continue
        raise


def _depth_of(x: Any) -> int:
    return 1 + max((_depth_of(e) for e in x), default=0) if isinstance(x, (list, tuple)) else 0


def _shape_of_leaf(x: Any) -> tuple[int, ...]:
    return x.shape if isinstance(x, Tracer) else np.shape(x)


def _dtype_of_leaf(x: Any) -> np.dtype[Any]:
    dtype = x.dtype if isinstance(x, Tracer) else np.asarray(x).dtype
    if dtype.kind == "O":
        raise UnsupportedError(f"an array of Python objects meets a traced value at {user_line()}")
    return dtype


@implements(np.array)
def array(
    object: Any,
    dtype: Any = None,
    *,
    copy: Any = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    ndmax: int = 0,
    like: Any = None,
) -> Any:
    """``np.array``: of a tracer, or of nested lists that hold tracers."""
    if isinstance(object, Tracer):
        same = dtype is None or np.dtype(dtype) == object.dtype
        if not copy and same and object.kind != "scalar" and (object.shape or object.kind == "box"):
            out = object
        else:
            out = Tracer(
                object.build, object.current(), None if object.cell is None else np.array(object.cell)
            )
            out = out if same else s.convert(out, dtype=np.dtype(dtype))
            out.order = "C" if order == "C" else "F" if order == "F" else out.order
    elif dtype is not None and np.dtype(dtype).kind == "O":
        return _of_objects(object, ndmin)
    else:
        out = _from_lists(object)
        out.order = "C"
        if dtype is not None and np.dtype(dtype) != out.dtype:
            out = s.convert(out, dtype=np.dtype(dtype))
    if out.ndim < ndmin:
        out = basic_view(out, *[None] * (ndmin - out.ndim), *[slice(None)] * out.ndim)
    if not out.shape and out.kind != "box":
        out.kind = "box"
    return out


@implements(np.asarray, np.asanyarray)
def asarray(
    a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None, like: Any = None
) -> Any:
    """``np.asarray``: an array is given back as it is."""
    out = array(a, dtype, copy=copy)
    return out if order in (None, "K", "A") else _laid_out(out, order)


def _laid_out(a: Tracer, order: str) -> Any:
    """The array itself if it lies in memory so, else a copy; undecided until a write if that is not known."""
    model = stand_in(a)
    if model is not None and (model.flags.c_contiguous if order == "C" else model.flags.f_contiguous):
        return a
    out = view(a, "contiguous", order)
    settle(out, must=False)
    return out


@implements(np.ascontiguousarray)
def ascontiguousarray(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
    """``np.ascontiguousarray``: at least 1-d."""
    return _laid_out(array(a, dtype, copy=None, ndmin=1), "C")


@implements(np.asfortranarray)
def asfortranarray(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
    """``np.asfortranarray``."""
    return _laid_out(array(a, dtype, copy=None), "F")


@implements(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """``np.copy``: always an array."""
    out = as_array(a).copy(order)
    out.kind = "" if out.shape else "box"
    return out


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    """``np.copyto``: a write."""
    if not isinstance(dst, Tracer):
        raise MutationError(f"np.copyto into an ordinary array at {user_line()}, which cannot hold a traced "
                            f"value; make the "
                            f"array inside the function")
    src = as_array(src)
    if src.kind != "scalar" and not np.can_cast(src.dtype, dst.dtype, casting):
        raise TypeError(f"Cannot cast array data from {src.dtype!r} to {dst.dtype!r} according to the rule "
                        f"'{casting}'")
    if where is not True:
        src = s.select(
            where if isinstance(where, Tracer) else np.asarray(where, bool), written(dst, src), dst
        )
    dst[...] = src


# ---------------------------------------------------------------- arrays like another, filled arrays

def _cell(a: Any) -> Tracer:
    return Tracer(None, None, a, kind="" if a.ndim else "box")


def _like(a: Any, dtype: Any, order: str, shape: Any, value: Any) -> Tracer:
    a = as_array(a)
    shape = a.shape if shape is None else shape_of(shape)
    model = stand_in(a) if order in ("K", "A") else None
    out = np.full(shape, value, dtype or a.dtype, "F" if order == "F" or (
        model is not None and model.flags.f_contiguous and not model.flags.c_contiguous) else "C")
    cell = _cell(out)
    if model is None and order in ("K", "A") and out.ndim > 1:
        cell.order = ""
    return cell


@implements(np.zeros_like, np.empty_like)
def zeros_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *,
               device: Any = None) -> Any:
    """``np.zeros_like`` (and ``empty_like``): an array that the function made."""
    return _like(a, dtype, order, shape, 0)


@implements(np.ones_like)
def ones_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *,
              device: Any = None) -> Any:
    """``np.ones_like``."""
    return _like(a, dtype, order, shape, 1)


@implements(np.full_like)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """``np.full_like``."""
    out = _like(a, dtype, order, shape, 0)
    out[...] = fill_value
    return out


@implements(np.full)
def full(
    shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", *, device: Any = None, like: Any = None
) -> Any:
    """``np.full`` with a traced value."""
    value = as_array(fill_value)
    out = _cell(np.zeros(shape_of(shape), dtype or value.dtype, order))  # type: ignore[call-overload]
    out[...] = value
    return out


@method("fill")
def fill(x: Tracer, value: Any) -> None:
    """``ndarray.fill``."""
    x[...] = value


# ---------------------------------------------------------------- ranges

@implements(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """``np.linspace``, in NumPy's own steps; the last element is `stop` itself."""
    num = operator.index(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    kinds = [x.dtype if isinstance(x, Tracer) and x.kind != "scalar" else
             0j if isinstance(x, Tracer) and x.dtype.kind == "c" else 0.0 if isinstance(x, Tracer) else x
             for x in (start, stop)]
    dt = np.result_type(*kinds, 0.0)
    if all(k is None or isinstance(k, (int, float)) for k in kinds):
        dt = np.dtype(float)
    start, stop = _as_dtype(start, dt), _as_dtype(stop, dt)
    div = num - 1 if endpoint else num
    delta = ufunc_call(np.subtract, stop, start)
    y: Any = np.arange(0, num, dtype=dt).reshape((-1,) + (1,) * delta.ndim)
    step: Any = np.nan
    if div > 0:
        step = ufunc_call(np.divide, delta, div)
        if np.any(step.concrete("np.linspace") == 0) if step.value is not None else False:
            y = ufunc_call(np.multiply, y / dt.type(div), delta)
        else:
            y = ufunc_call(np.multiply, y, step)
    else:
        y = ufunc_call(np.multiply, y, delta)
    y = ufunc_call(np.add, y, start)
    if endpoint and num > 1:
        y[-1, ...] = stop
    y = moveaxis(y, 0, axis) if axis != 0 else y
    if dtype is not None and np.dtype(dtype) != dt:
        y = ufunc_call(np.floor, y) if np.dtype(dtype).kind in "iu" else y
        y = s.convert(y, dtype=np.dtype(dtype))
    return (y, step) if retstep else y


def _as_dtype(x: Any, dtype: np.dtype[Any]) -> Tracer:
    x = as_array(x)
    if x.dtype != dtype:
        x = s.convert(x, dtype=dtype)
    return Tracer(x.build, x.current(), x.cell)


@implements(np.logspace)
def logspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None,
             axis: int = 0) -> Any:
    """``np.logspace``."""
    if base.shape if isinstance(base, Tracer) else np.ndim(base):
        raise UnsupportedError(f"np.logspace with an array of bases at {user_line()}; write base ** "
                               f"np.linspace(...)")
    y = ufunc_call(np.power, base, linspace(start, stop, num, endpoint, axis=axis))
    return y if dtype is None else y.astype(dtype)


@implements(np.geomspace)
def geomspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """``np.geomspace``, in NumPy's own steps, of real endpoints of one sign."""
    ends = [as_array(x) for x in (start, stop)]
    dt = np.result_type(
        *[x.dtype for x in ends], np.float32 if all(x.dtype == np.float32 for x in ends) else np.float64
    )
    if dt.kind == "c":
        raise UnsupportedError(f"np.geomspace of complex endpoints at {user_line()}; write "
                               f"np.exp(np.linspace(...))")
    first, last = [_as_dtype(x, dt) for x in ends]
    sign = np.sign(first.concrete("np.geomspace"))
    if np.any(sign == 0) or np.any(last.concrete("np.geomspace") == 0):
        raise ValueError("Geometric sequence cannot include zero")
    low, high = first / sign, last / sign
    result = logspace(ufunc_call(np.log10, low), ufunc_call(np.log10, high), num, endpoint)
    if num > 0:
        result[0] = low
        if num > 1 and endpoint:
            result[-1] = high
    result = ufunc_call(np.multiply, result, sign)
    result = moveaxis(result, 0, axis) if axis != 0 else result
    return result if dtype is None or np.dtype(dtype) == dt else result.astype(dtype)


@implements(np.arange)
def arange(
    *args: Any,
    start: Any = None,
    stop: Any = None,
    step: Any = None,
    dtype: Any = None,
    device: Any = None,
    like: Any = None,
) -> Any:
    """``np.arange`` with traced bounds: the count is fixed by their values, the elements follow them."""
    if len(args) > 3:
        dtype, args = args[3], args[:3]
    given = list(args)
    if len(given) == 1 and stop is None:
        given = [0, *given]
    first, last, by = (given + [start, stop, step][len(given):]) if len(given) < 3 else given
    first, by = 0 if first is None else first, 1 if by is None else by
    values: list[Any] = [x.concrete("np.arange") if isinstance(x, Tracer) else x for x in (first, last, by)]
    numbers: list[Any] = [np.asarray(v)[()] if isinstance(v, np.ndarray) else v for v in values]
    model: Any = np.arange(*numbers, dtype=dtype)
    if not any(isinstance(x, Tracer) and x.type.inexact for x in (first, by)) or model.dtype.kind not in "fc":
        return _cell(model)
    first, by = _as_dtype(first, model.dtype), _as_dtype(by, model.dtype)
    step = ufunc_call(
        np.subtract, ufunc_call(np.add, first, by), first
    )  # NumPy's step: what it adds to the first
    return ufunc_call(np.add, first, ufunc_call(np.multiply, np.arange(len(model), dtype=model.dtype), step))


@implements(np.vander)
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    """``np.vander``: powers by repeated multiplication."""
    x = as_array(x)
    if x.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    n = x.shape[0] if N is None else int(N)
    dtype = np.promote_types(x.dtype, int)
    x = x if x.dtype == dtype else s.convert(x, dtype=dtype)
    out = _cell(np.ones((x.shape[0], n), dtype))
    power = x
    for k in range(1, n):
        out[:, k if increasing else n - 1 - k] = power
        power = ufunc_call(np.multiply, power, x)
    return out


# ---------------------------------------------------------------- facts about dtypes and memory

@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> Any:
    """``np.result_type``."""
    return np.result_type(*[0.0 if isinstance(x, Tracer) and x.kind == "scalar" and x.dtype.kind == "f" else
                            0j if isinstance(x, Tracer) and x.kind == "scalar" else
                            x.dtype if isinstance(x, Tracer) else x for x in arrays_and_dtypes])


@implements(np.can_cast)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """``np.can_cast``."""
    return np.can_cast(from_.dtype if isinstance(from_, Tracer) else from_, to, casting)


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """``np.iscomplexobj``."""
    return bool(as_array(x).dtype.kind == "c")


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """``np.isrealobj``."""
    return not iscomplexobj(x)


@implements(np.may_share_memory, np.shares_memory)
def shares_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    """``np.shares_memory``, exactly (also for ``may_share_memory``, which may say True too often)."""
    if not (isinstance(a, Tracer) and isinstance(b, Tracer)):
        return False
    for x in (a, b):
        above: Tracer | None = x
        while above is not None:
            settle(above)
            above = above.lens.base if above.lens is not None else None
    (root, *others), (other, *more) = a.roots(), b.roots()
    if others or more:
        raise UnsupportedError(f"np.shares_memory of what is one of two arrays, depending on a branch (at {user_line()})")
    if root is not other:
        return False
    numbers = np.arange(math.prod(root.shape)).reshape(root.shape)
    return bool(np.intersect1d(_seen(a, numbers), _seen(b, numbers)).size)


def _seen(t: Tracer, numbers: Any) -> Any:
    """The numbers of the elements of the root that `t` looks at."""
    if t.lens is None:
        return numbers
    look = KINDS[t.lens.kind].model
    base = _seen(t.lens.base, numbers)
    return base if look is None else look(base, t.lens.payload)


