"""Products: dot, matmul and their relatives on tracers.

What comes in: NumPy calls. What goes out: `contract` equations. The one idea: each function only says which
axes meet; NumPy itself raises the error where shapes do not fit.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.lens import in_c_order
from wengert.frontends.numpy_api.arithmetic import method, write_out
from wengert.frontends.numpy_api.structure import axis_of
from wengert.frontends.trace import require_plain, user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced, implements
from wengert.graph import Const
from wengert.primitives import structure as s
from wengert.primitives.contract import contract, contract_labels, diagonal, matmul
from wengert.primitives.elementwise import conj, multiply, negative, subtract
from wengert.primitives.index import index

__all__ = ["finished", "operands"]


def operands(*xs: Any) -> list[Any]:
    """Operands as arrays (traced or not) of their common dtype; Python numbers count as arrays here."""
    xs = tuple([x if isinstance(x, Tracer) else as_traced(x) for x in xs])
    for x in xs:
        require_plain(x)
    xs = tuple([x if isinstance(x, Tracer) else np.asarray(x) for x in xs])
    dtype = np.result_type(*[x.dtype for x in xs])
    if dtype.kind == "O":
        raise UnsupportedError(f"an array of Python objects meets a traced value at {user_line()}; stack traced "
                               f"values with np.array([...]) inside the function, or np.stack")
    return [x if x.dtype == dtype else s.convert(x, dtype=dtype) for x in xs]


def finished(result: Any, out: Any) -> Any:
    """The result, written into ``out=`` if that was given."""
    return result if out is None else write_out(out, result)


def _raise_as(function: Callable[..., Any], *xs: Any, **keywords: Any) -> None:
    """Let NumPy raise its own error for these shapes."""
    zero = np.zeros((), bool)
    function(*[np.broadcast_to(zero, x.shape) for x in xs], **keywords)


# ---------------------------------------------------------------- dot, matmul and the other gufuncs

@implements(np.dot)
@method("dot")
def dot(a: Any, b: Any, out: Any = None) -> Any:
    """``np.dot``."""
    a, b = operands(a, b)
    if a.ndim == 0 or b.ndim == 0:
        return finished(multiply(a, b), out)
    at = max(b.ndim - 2, 0)
    if a.shape[-1] != b.shape[at]:
        _raise_as(np.dot, a, b)
    return finished(in_c_order(_meet(a, a.ndim - 1, b, at, "dot")), out)


def _meet(a: Any, i: int, b: Any, j: int, by: str) -> Any:
    """Sum over axis i of a and axis j of b; the others follow, those of a first."""
    la = [("a", k) if k != i else "sum" for k in range(a.ndim)]
    lb = [("b", k) if k != j else "sum" for k in range(b.ndim)]
    return contract_labels(a, la, b, lb, [k for k in (*la, *lb) if k != "sum"], by)


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    """``np.inner``."""
    a, b = operands(a, b)
    if a.ndim == 0 or b.ndim == 0:
        return multiply(a, b)
    if a.shape[-1] != b.shape[-1]:
        _raise_as(np.inner, a, b)
    return in_c_order(_meet(a, a.ndim - 1, b, b.ndim - 1, "inner"))


def _stacks(function: Any, a: Any, b: Any, least_a: int, least_b: int,
            core: tuple[int, int]) -> tuple[Any, Any]:
    """Operands of a gufunc whose core axes `core` have to agree."""
    a, b = operands(a, b)
    if a.ndim < least_a or b.ndim < least_b or a.shape[core[0]] != b.shape[core[1] if b.ndim > 1 else -1]:
        _raise_as(function, a, b)
    return a, b


def _moved(function: Any, a: Any, b: Any, axes: Any, ranks: tuple[int, int]) -> tuple[Any, Any]:
    """The operands with the core axes that ``axes=`` names moved to the end."""
    out = []
    for x, given, rank in zip((a, b), axes, ranks, strict=False):
        x = x if isinstance(x, Tracer) else np.asarray(x)
        given = tuple(given) if isinstance(given, (tuple, list)) else (given,)
        if len(given) != rank:
            raise ValueError(f"{function.__name__}: axes item should be a tuple of length {rank}")
        out.append(_axes_last(x, given))
    return out[0], out[1]


def _axes_last(x: Any, axes: tuple[Any, ...]) -> Any:
    last = [axis_of(k, x.ndim) for k in axes]
    order = (*[k for k in range(x.ndim) if k not in last], *last)
    return x if order == tuple(range(x.ndim)) else s.transpose(x, axes=order)


def _axes_back(x: Any, axes: tuple[Any, ...]) -> Any:
    """The last axes put at these places: the inverse of `_axes_last`."""
    places = [axis_of(k, x.ndim) for k in axes]
    order = [k for k in range(x.ndim) if k not in places] + places
    return s.transpose(x, axes=tuple(int(k) for k in np.argsort(order)))


@implements(np.matmul, np.linalg.matmul)
def _matmul(x1: Any, x2: Any, /, axes: Any = None) -> Any:
    """``np.matmul``, and ``@``."""
    if axes is not None:
        x1, x2 = _moved(np.matmul, x1, x2, axes, (2, 2))
    a, b = _stacks(np.matmul, x1, x2, 1, 1, (-1, -2))
    _check_stacks(np.matmul, a, b, 2, 2)
    result = matmul(a, b, by="matmul")
    if axes is None and result.ndim < 4:  # more axes of stacks may be laid out in another order
        result = in_c_order(result)
    return result if axes is None or len(axes) < 3 else _axes_back(result, tuple(axes[2]))


def _check_stacks(function: Any, a: Any, b: Any, core_a: int, core_b: int) -> None:
    try:
        np.broadcast_shapes(a.shape[:-core_a], b.shape[:-core_b])
    except ValueError:
        _raise_as(function, a, b)
        raise


def _vecdot(x1: Any, x2: Any, /, axis: Any = -1, axes: Any = None) -> Any:
    """``np.vecdot``: the first operand is conjugated."""
    if axes is not None:
        x1, x2 = _moved(np.vecdot, x1, x2, axes, (1, 1))
    elif axis != -1:
        x1, x2 = _moved(np.vecdot, x1, x2, (axis, axis), (1, 1))
    a, b = _stacks(np.vecdot, x1, x2, 1, 1, (-1, -1))
    _check_stacks(np.vecdot, a, b, 1, 1)
    row, column = s.reshape(conj(a), shape=(*a.shape[:-1], 1, a.shape[-1])), s.reshape(b, shape=(*b.shape, 1))
    out = matmul(row, column, by="matmul")
    return s.reshape(out, shape=out.shape[:-2])


def _matvec(x1: Any, x2: Any, /, axes: Any = None) -> Any:
    """``np.matvec``."""
    if axes is not None:
        x1, x2 = _moved(np.matvec, x1, x2, axes, (2, 1))
    a, b = _stacks(np.matvec, x1, x2, 2, 1, (-1, -1))
    _check_stacks(np.matvec, a, b, 2, 1)
    out = matmul(a, s.reshape(b, shape=(*b.shape, 1)), by="matmul")
    out = s.reshape(out, shape=out.shape[:-1])
    return out if axes is None or len(axes) < 3 else _axes_back(out, _one(axes[2]))


def _vecmat(x1: Any, x2: Any, /, axes: Any = None) -> Any:
    """``np.vecmat``: the vector is conjugated."""
    if axes is not None:
        x1, x2 = _moved(np.vecmat, x1, x2, axes, (1, 2))
    a, b = _stacks(np.vecmat, x1, x2, 1, 2, (-1, -2))
    _check_stacks(np.vecmat, a, b, 1, 2)
    row = s.reshape(conj(a), shape=(*a.shape[:-1], 1, a.shape[-1]))
    out = matmul(row, b, by="matmul")
    out = s.reshape(out, shape=(*out.shape[:-2], out.shape[-1]))
    return out if axes is None or len(axes) < 3 else _axes_back(out, _one(axes[2]))


def _one(axes: Any) -> tuple[Any, ...]:
    return tuple(axes) if isinstance(axes, (tuple, list)) else (axes,)


_GUFUNCS: dict[str, Callable[..., Any]] = dict(vecdot=_vecdot, matvec=_matvec, vecmat=_vecmat)
for _name, _function in _GUFUNCS.items():
    if hasattr(np, _name):  # the last two came with NumPy 2.2
        FUNCTIONS[getattr(np, _name)] = _function


@implements(np.linalg.vecdot)
def _linalg_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """``np.linalg.vecdot``."""
    return _vecdot(x1, x2, axis=axis)


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    """``np.vdot``: both flattened, the first conjugated."""
    a, b = operands(a, b)
    a, b = s.reshape(a, shape=(a.size,)), s.reshape(b, shape=(b.size,))
    if a.shape != b.shape:
        _raise_as(np.vdot, a, b)
    return contract(conj(a), b, spec="a,a->", by="dot")


# ---------------------------------------------------------------- outer, kron, tensordot, cross

@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    """``np.outer``."""
    a, b = operands(a, b)
    return finished(in_c_order(multiply(s.reshape(a, shape=(a.size, 1)), s.reshape(b, shape=(1, b.size)))), out)


@implements(np.linalg.outer)
def _linalg_outer(x1: Any, x2: Any, /) -> Any:
    x1, x2 = operands(x1, x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"Input arrays must be one-dimensional, but they are {x1.ndim=} and {x2.ndim=}.")
    return outer(x1, x2)


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    """``np.kron``."""
    a, b = operands(a, b)
    n = max(a.ndim, b.ndim)
    sa, sb = (1,) * (n - a.ndim) + a.shape, (1,) * (n - b.ndim) + b.shape
    if not a.ndim or not b.ndim:
        return multiply(a, b)
    first = s.reshape(a, shape=tuple([k for size in sa for k in (size, 1)]))
    second = s.reshape(b, shape=tuple([k for size in sb for k in (1, size)]))
    return in_c_order(s.reshape(multiply(first, second), shape=tuple([p * q for p, q in zip(sa, sb, strict=True)])))


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """``np.tensordot``."""
    a, b = operands(a, b)
    try:
        axes_a, axes_b = iter(axes)
    except TypeError:
        axes_a, axes_b = range(-axes, 0), range(axes)
    axes_a, axes_b = list(_one_list(axes_a)), list(_one_list(axes_b))
    if len(set(axes_a)) != len(axes_a) or len(set(axes_b)) != len(axes_b):
        raise ValueError("duplicate axes are not allowed in tensordot")
    if [a.shape[i] for i in axes_a] != [b.shape[j] for j in axes_b]:
        raise ValueError("shape-mismatch for sum")
    axes_a, axes_b = [axis_of(i, a.ndim) for i in axes_a], [axis_of(j, b.ndim) for j in axes_b]
    la = [("sum", axes_a.index(k)) if k in axes_a else ("a", k) for k in range(a.ndim)]
    lb = [("sum", axes_b.index(k)) if k in axes_b else ("b", k) for k in range(b.ndim)]
    # the sum runs in the order in which a's axes are named, as in NumPy
    order = (*[k for k in range(a.ndim) if k not in axes_a], *axes_a)
    if axes_a != sorted(axes_a):
        a, la = s.transpose(a, axes=order), [la[k] for k in order]
    return in_c_order(contract_labels(a, la, b, lb, [k for k in (*la, *lb) if k[0] != "sum"], "tensordot"))


def _one_list(axes: Any) -> Any:
    return axes if hasattr(axes, "__len__") else [axes]


@implements(np.linalg.tensordot)
def _linalg_tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    return tensordot(x1, x2, axes)


@implements(np.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """``np.cross``."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = operands(a, b)
    if not a.ndim or not b.ndim:
        raise ValueError("At least one array has zero dimension")
    a, b = _axes_last(a, (axisa,)), _axes_last(b, (axisb,))
    n, m = a.shape[-1], b.shape[-1]
    if n not in (2, 3) or m not in (2, 3):
        raise ValueError("incompatible dimensions for cross product\n(dimension must be 2 or 3)")
    if n == m == 3:
        out = subtract(multiply(_turned(a, (1, 2, 0)), _turned(b, (2, 0, 1))),
                       multiply(_turned(a, (2, 0, 1)), _turned(b, (1, 2, 0))))
        return _axes_back(out, (axisc,))
    warnings.warn("Arrays of 2-dimensional vectors are deprecated. Use arrays of 3-dimensional vectors "
                  "instead. (deprecated in NumPy 2.0)", DeprecationWarning, stacklevel=2)
    return _planar_cross(a, b, axisc)


def _turned(x: Any, order: tuple[int, ...]) -> Any:
    """The components along the last axis, permuted."""
    if not isinstance(x, Tracer):
        return x[..., list(order)]
    spec = (*[("s", None, None, None)] * (x.ndim - 1), ("a",))
    return index(x, Const(np.array(order)), spec=spec)


def _planar_cross(a: Any, b: Any, axisc: int) -> Any:
    """The cross product where one of the vectors, or both, lie in the plane."""
    a0, a1 = a[..., 0], a[..., 1]
    b0, b1 = b[..., 0], b[..., 1]
    last = subtract(multiply(a0, b1), multiply(a1, b0))
    if a.shape[-1] == b.shape[-1]:
        return last
    if a.shape[-1] == 2:
        b2 = b[..., 2]
        parts = [multiply(a1, b2), negative(multiply(a0, b2)), last]
    else:
        a2 = a[..., 2]
        parts = [negative(multiply(a2, b1)), multiply(a2, b0), last]
    parts = [s.reshape(s.broadcast(p, shape=last.shape), shape=(*last.shape, 1)) for p in parts]
    return _axes_back(s.concatenate(*parts, axis=last.ndim), (axisc,))


@implements(np.linalg.cross)
def _linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    x1, x2 = operands(x1, x2)
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ValueError(f"Both input arrays must be (arrays of) 3-dimensional vectors, but they are "
                         f"{x1.shape[axis]} and {x2.shape[axis]} dimensional instead.")
    return cross(x1, x2, axis=axis)


# ---------------------------------------------------------------- chains and traces

@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """``np.linalg.multi_dot``: in the order of least cost."""
    arrays = [x if isinstance(x, Tracer) else as_traced(x) for x in arrays]
    arrays = [x if isinstance(x, Tracer) else np.asarray(x) for x in arrays]
    if len(arrays) < 2:
        raise ValueError("Expecting at least two arrays.")
    if len(arrays) == 2:
        return dot(arrays[0], arrays[1], out)
    row, column = arrays[0].ndim == 1, arrays[-1].ndim == 1
    if row:
        arrays[0] = s.reshape(arrays[0], shape=(1, *arrays[0].shape))
    if column:
        arrays[-1] = s.reshape(arrays[-1], shape=(*arrays[-1].shape, 1))
    for x in arrays:
        if x.ndim != 2:
            raise np.linalg.LinAlgError(f"{x.ndim}-dimensional array given. Array must be two-dimensional")
    result = _chain(arrays, _split_points(arrays), 0, len(arrays) - 1)
    keep = result.shape[row:2 - column]
    return finished(result if not row and not column else s.reshape(result, shape=keep), out)


def _split_points(arrays: list[Any]) -> dict[tuple[int, int], int]:
    """Where to split each stretch of a chain (Cormen et al., Introduction to Algorithms, section 15.2)."""
    n = len(arrays)
    p = [x.shape[0] for x in arrays] + [arrays[-1].shape[1]]
    if n == 3:  # NumPy breaks a tie of three the other way
        first = p[0] * p[2] * (p[1] + p[3]) < p[1] * p[3] * (p[0] + p[2])
        return {(0, 2): 1 if first else 0, (0, 1): 0, (1, 2): 1}
    cost = {(i, i): 0 for i in range(n)}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            costs = [cost[i, k] + cost[k + 1, j] + p[i] * p[k + 1] * p[j + 1] for k in range(i, j)]
            cost[i, j] = min(costs)
            split[i, j] = i + costs.index(cost[i, j])
    return split


def _chain(arrays: list[Any], split: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if i == j:
        return arrays[i]
    k = split[i, j]
    return dot(_chain(arrays, split, i, k), _chain(arrays, split, k + 1, j))


@implements(np.trace)
@method("trace")
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    """``np.trace``."""
    a = as_traced(a)
    i, j = axis_of(axis1, a.ndim), axis_of(axis2, a.ndim)
    if a.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    if i == j:
        raise ValueError("axis1 and axis2 cannot be the same")
    return FUNCTIONS[np.sum](diagonal(a, i, j, int(offset)), -1, dtype, out)


@implements(np.linalg.trace)
def _linalg_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return trace(x, offset, -2, -1, dtype)
