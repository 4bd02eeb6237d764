"""Arithmetic: ufuncs with keywords, powers, selection, copies.

What comes in: NumPy calls with their whole signatures. What goes out: primitives. The one idea: an implementation
takes what the NumPy function takes, in the same order, and is registered under that function.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import (
    FUNCTIONS,
    METHODS,
    PROPERTIES,
    Tracer,
    as_traced,
    constant,
    implements,
    ufunc_call,
)
from wengert.graph import REGISTRY
from wengert.primitives.structure import convert, select

__all__: list[str] = []


def method(*names: str, property: bool = False) -> Any:
    """Register an implementation as methods (or attributes) of arrays."""
    def register(implementation: Any) -> Any:
        for name in names:
            METHODS[name] = implementation
            if property:
                PROPERTIES.add(name)
        return implementation
    return register


def _with_keywords(ufunc: Any, inputs: Any, out: Any, where: Any, dtype: Any, casting: str, unknown: Any) -> Any:
    """``ufunc(..., out=, where=, dtype=)``."""
    if unknown and (getattr(ufunc, "signature", None) is None or not set(unknown) <= {"axis", "axes"}):
        raise UnsupportedError(f"np.{ufunc.__name__}({', '.join(unknown)}=...) cannot be traced (at {user_line()})")
    if dtype is not None:
        inputs = tuple(x.astype(dtype) if isinstance(x, Tracer) else np.asarray(x, dtype) for x in inputs)
    # axis= and axes= belong to generalized ufuncs (matmul, vecdot), which are functions here
    result = FUNCTIONS[ufunc](*inputs, **unknown) if unknown else ufunc_call(ufunc, *inputs)
    if isinstance(result, tuple):  # of several results, each into its own array
        return tuple([_into(target, part, ufunc, where) for target, part in zip(
            out if out is not None else (None,) * len(result), result, strict=True)])
    return _into(out[0] if isinstance(out, tuple) else out, result, ufunc, where)


def _into(target: Any, result: Any, ufunc: Any, where: Any) -> Any:
    """One result, written into the array given, where asked for."""
    if where is not True:
        if target is None:
            raise UnsupportedError(f"np.{ufunc.__name__}(where=...) without out= leaves values undefined "
                                   f"(at {user_line()}); use np.where")
        result = FUNCTIONS[np.where](where, result, target)
    return result if target is None else write_out(target, result)


def write_out(target: Any, result: Any) -> Any:
    """``out=``: the result is written into the array given."""
    if not isinstance(target, Tracer):
        raise UnsupportedError(
            f"out= is an ordinary array at {user_line()}, which cannot hold a traced value. Make the array inside "
            f"the function, or leave out= away")
    target[...] = result
    return target


FUNCTIONS["ufunc with keywords"] = _with_keywords
_ABOVE = {np.less: True, np.less_equal: True, np.not_equal: True, np.greater: False, np.greater_equal: False, np.equal: False}
_MIRRORED = {np.less: np.greater, np.less_equal: np.greater_equal, np.greater: np.less, np.greater_equal: np.less_equal}


def _beyond(ufunc: Any, inputs: Any) -> Any:
    """A Python integer that the other operand's dtype does not hold: comparisons have an answer, all else NumPy's error."""
    if ufunc not in _ABOVE:
        raise
    x, y = inputs
    if not isinstance(x, Tracer):
        x, y, ufunc = y, x, _MIRRORED.get(ufunc, ufunc)
    above = _ABOVE[ufunc] == (y > 0 or ufunc in (np.equal, np.not_equal))
    return ufunc_call(np.equal if above else np.not_equal, x, x)


FUNCTIONS["integer beyond the dtype"] = _beyond


def _power(x: Any, y: Any) -> Any:
    """``x ** y``; NumPy's short cuts for Python exponents of arrays, and the C library's powers of numbers, to the last bit."""
    if isinstance(x, Tracer) and type(y) in (int, float) and x.dtype.kind in "fc":
        if y == 1:
            return ufunc_call(np.positive, x)
        if not _is_number(x) and y == 2:
            return ufunc_call(np.square, x)
        if not _is_number(x) and y == -1:
            return ufunc_call(np.reciprocal, x)
        if not _is_number(x) and y == 0.5:
            return ufunc_call(np.sqrt, x)
        if type(y) is int or y == 2:
            out = REGISTRY["integer_power"](x, n=int(y))
            out.kind = x.kind if x.kind == "scalar" else ""
            return out
    if _is_number(x) and _is_number(y):
        operands = common(x, y)
        if next(o for o in operands if isinstance(o, Tracer)).dtype.kind == "f":
            out = REGISTRY["scalar_power"](*operands)
            scalars = [type(z) in (int, float) or getattr(z, "kind", "") == "scalar" for z in (x, y)]
            out.kind = "scalar" if all(scalars) else ""
            return out
    return ufunc_call(np.power, x, y)


def _is_number(x: Any) -> bool:
    """Whether x is a number, not an array without axes: the operators of numbers are not those of arrays."""
    if isinstance(x, Tracer):
        return not x.shape and x.kind != "box"
    return isinstance(x, (int, float, np.generic))


FUNCTIONS["pow"] = _power


@implements(np.where)
def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """``np.where``: the arm not taken contributes exactly nothing to the derivative."""
    if x is None and y is None:
        return FUNCTIONS[np.nonzero](condition)
    condition, x, y = as_traced(condition), as_traced(x), as_traced(y)
    x, y = common(x, y)
    if getattr(condition, "dtype", None) != np.bool_:
        condition = ufunc_call(np.not_equal, condition, 0) if isinstance(condition, Tracer) \
            else np.asarray(condition).astype(bool)
    return select(condition, x, y)


def common(*xs: Any) -> list[Any]:
    """Operands in their common dtype (Python numbers take the dtype of the others)."""
    xs = tuple([np.asarray(x) if isinstance(x, (list, tuple)) else x for x in map(as_traced, xs)])
    kinds = [x.dtype if isinstance(x, Tracer) and x.kind != "scalar" else
             0.0 if isinstance(x, Tracer) and x.dtype.kind == "f" else
             0j if isinstance(x, Tracer) else x for x in xs]
    dtype = np.result_type(*kinds)
    return [(x if x.dtype == dtype else convert(x, dtype=dtype)) if isinstance(x, Tracer)
            else constant(x, dtype) for x in xs]


@method("__copy__")
def copy(a: Any) -> Any:
    """``copy.copy``."""
    return a.copy()


@method("astype")
def astype(x: Tracer, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True,
           copy: bool = True) -> Any:
    """``ndarray.astype``: conversion to integers is locally constant, and its derivative is zero."""
    dtype = np.dtype(dtype)
    if x.dtype != dtype:
        out = convert(x, dtype=dtype)
        out.kind = "box" if x.kind == "box" else ""
        return out
    return x.copy(order) if copy else x


@implements(np.astype)
def np_astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """``np.astype``."""
    return astype(x, dtype, copy=copy)
