"""Norms of vectors and matrices on tracers.

What comes in: an array, an order, axes. What goes out: the norm. The one idea: a root is taken of what is selected,
so where a norm is 0 its derivative is the subgradient 0, in both modes, and so are its further derivatives. At other
kinks (orders 1, inf, 2 of matrices, "nuc") it is the subgradient of `abs`, `max` and the singular values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.frontends.numpy_api.reductions import safe_sqrt
from wengert.frontends.numpy_api.structure import as_array, axis_of
from wengert.frontends.tracer import FUNCTIONS, Tracer, implements, ufunc_call
from wengert.primitives import decompose as d
from wengert.primitives import structure as s
from wengert.primitives.contract import contract

__all__ = ["norm"]


def _squares(x: Tracer) -> Tracer:
    if x.dtype.kind == "c":
        re, im = FUNCTIONS[np.real](x), FUNCTIONS[np.imag](x)
        return ufunc_call(np.square, re) + ufunc_call(np.square, im)
    return ufunc_call(np.square, x)


def _dot_square(x: Tracer) -> Tracer:
    """The sum of all |x|² as NumPy's `norm` computes it: by `dot`."""
    flat = s.reshape(x, shape=(x.type.size,))
    parts = [FUNCTIONS[np.real](flat), FUNCTIONS[np.imag](flat)] if x.dtype.kind == "c" else [flat]
    squares = [contract(p, p, spec="a,a->", by="dot") for p in parts]
    return squares[0] if len(squares) == 1 else squares[0] + squares[1]


def _vector(x: Tracer, order: Any, axes: tuple[int, ...]) -> Any:
    """``(Σ |x|^p)^(1/p)`` over axes."""
    total, magnitude = FUNCTIONS[np.sum], lambda: ufunc_call(np.absolute, x)
    if order is None or order == 2:
        return safe_sqrt(total(_squares(x), axes))
    if order == np.inf:
        return FUNCTIONS[np.max](magnitude(), axes)
    if order == -np.inf:
        return FUNCTIONS[np.min](magnitude(), axes)
    if order == 0:
        return total(ufunc_call(np.not_equal, x, 0).astype(FUNCTIONS[np.real](x).dtype), axes)
    if order == 1:
        return total(magnitude(), axes)
    if isinstance(order, str):
        raise ValueError(f"Invalid norm order '{order}' for vectors")
    a = magnitude()
    zero, one = a.dtype.type(0), a.dtype.type(1)
    if order > 0:
        powers = ufunc_call(np.power, a, order)
    else:  # an element 0 makes the norm 0: a kink
        at_zero = ufunc_call(np.equal, a, 0)
        powers = s.select(at_zero, a.dtype.type(np.inf), ufunc_call(np.power, s.select(at_zero, one, a), order))
    sums = total(powers, axes)
    nothing = ufunc_call(np.equal, sums, 0)
    root = ufunc_call(np.power, s.select(nothing, one, sums), np.reciprocal(order, dtype=a.dtype))
    return s.select(nothing, zero, root)


def _matrix(x: Tracer, order: Any, axes: tuple[int, int]) -> Any:
    row, column = axes
    if order in (None, "fro", "f"):
        return _vector(x, 2, (row, column))
    if order in (1, -1, np.inf, -np.inf):
        summed, rest = (row, column) if abs(order) == 1 else (column, row)
        sums = FUNCTIONS[np.sum](ufunc_call(np.absolute, x), summed)
        rest -= rest > summed
        return (FUNCTIONS[np.max] if order > 0 else FUNCTIONS[np.min])(sums, rest)
    if order in (2, -2, "nuc"):
        values = d.svdvals(FUNCTIONS[np.moveaxis](x, (row, column), (-2, -1)))
        return FUNCTIONS[{2: np.max, -2: np.min, "nuc": np.sum}[order]](values, -1)
    raise ValueError("Invalid norm order for matrices.")


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """``np.linalg.norm``, all orders; the derivative at 0 is 0."""
    x = as_array(x)
    if x.dtype.kind in "bui":
        x = x.astype(float)
    every = axis is None
    if every and (ord is None or (ord in ("f", "fro") and x.ndim == 2) or (ord == 2 and x.ndim == 1)):
        out = safe_sqrt(_dot_square(x))
        return s.reshape(out, shape=(1,) * x.ndim) if keepdims else out
    axes = tuple(range(x.ndim)) if every else tuple(axis_of(a, x.ndim) for a in (axis if isinstance(axis, tuple) else (axis,)))
    if len(axes) not in (1, 2):
        raise ValueError("Improper number of dimensions to norm.")
    if len(set(axes)) != len(axes):
        raise ValueError("Duplicate axes given.")
    out = _vector(x, ord, axes) if len(axes) == 1 else _matrix(x, ord, axes)  # type: ignore[arg-type]
    return s.keep_axes(out, tuple(sorted(axes))) if keepdims else out


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """``np.linalg.vector_norm``."""
    x = as_array(x)
    axes = (
        tuple(range(x.ndim))
        if axis is None
        else tuple(axis_of(a, x.ndim) for a in (axis if isinstance(axis, tuple) else (axis,)))
    )
    out = _vector(x if x.dtype.kind in "fc" else x.astype(float), ord, axes)
    return s.keep_axes(out, tuple(sorted(axes))) if keepdims else out


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """``np.linalg.matrix_norm``."""
    return norm(x, ord, axis=(-2, -1), keepdims=keepdims)
