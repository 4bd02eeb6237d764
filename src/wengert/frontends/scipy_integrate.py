"""Quadrature of samples, from ``scipy.integrate``, on tracers.

What comes in: samples, and where they were taken (or their distance). What goes out: the integral. The one idea: each
rule is a weighted sum over slices along one axis; the weights are formulas in the distances, so these may be traced
too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.numpy_api.structure import as_array, axis_of
from wengert.frontends.scipy_api import scipy_function
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced

__all__: list[str] = []


@scipy_function("scipy.integrate.trapezoid")
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """``scipy.integrate.trapezoid``: as NumPy's."""
    return FUNCTIONS[np.trapezoid](y, x, dx, axis)


def _prepared(y: Any, x: Any, axis: int) -> tuple[Any, Any]:
    """The samples with the axis last, and the distances between them (None: constant)."""
    y = as_array(y)
    axis = axis_of(axis, y.ndim)
    y = FUNCTIONS[np.moveaxis](y, axis, -1)
    if x is None:
        return y, None
    x = as_traced(x)
    x = x if isinstance(x, Tracer) else np.asarray(x)
    if x.ndim != 1:
        if x.ndim != y.ndim:
            raise ValueError("If given, shape of x must be 1-D or the same as y.")
        x = FUNCTIONS[np.moveaxis](x, axis, -1) if isinstance(x, Tracer) else np.moveaxis(x, axis, -1)
    if x.shape[-1] != y.shape[-1]:
        raise ValueError("If given, length of x along axis must be the same as y.")
    return y, x[..., 1:] - x[..., :-1]


@scipy_function("scipy.integrate.cumulative_trapezoid")
def cumulative_trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Any:
    """``scipy.integrate.cumulative_trapezoid``."""
    if as_array(y).shape[axis] == 0:
        raise ValueError("At least one point is required along `axis`.")
    if initial is not None and (isinstance(initial, Tracer) or initial != 0):
        raise ValueError("`initial` must be `None` or `0`.")
    ndim = as_array(y).ndim
    y, steps = _prepared(y, x, axis)
    out = FUNCTIONS[np.cumsum]((dx if steps is None else steps) * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)
    if initial is not None:
        out = FUNCTIONS[np.concatenate]([np.zeros((*out.shape[:-1], 1), out.dtype), out], axis=-1)
    return FUNCTIONS[np.moveaxis](out, -1, axis_of(axis, ndim))


def _parabolas(y: Any, steps: Any, dx: Any) -> Any:
    """Simpson's rule over an odd number of samples: one parabola over each pair of intervals."""
    left, middle, right = y[..., 0:-2:2], y[..., 1:-1:2], y[..., 2::2]
    if steps is None:
        return FUNCTIONS[np.sum](left + 4.0 * middle + right, axis=-1) * (dx / 3.0)
    h0, h1 = steps[..., 0::2], steps[..., 1::2]
    total, product = h0 + h1, h0 * h1
    ratio = _over(h0, h1)
    weighted = left * (2.0 - _over(1.0, ratio)) + middle * (total * _over(total, product)) + right * (2.0 - ratio)
    return FUNCTIONS[np.sum](total / 6.0 * weighted, axis=-1)


def _over(a: Any, b: Any) -> Any:
    """``a / b``, and 0 where b is 0, as SciPy has it."""
    known = b.value if isinstance(b, Tracer) and b.value is not None else b
    flat = known == 0
    if not isinstance(flat, Tracer) and not np.any(flat):
        return a / b
    where = FUNCTIONS[np.where]
    return where(flat, 0.0, a / where(flat, 1.0, b))


@scipy_function("scipy.integrate.simpson")
def simpson(y: Any, x: Any = None, *, dx: Any = 1.0, axis: int = -1) -> Any:
    """``scipy.integrate.simpson``; an even number of samples ends with a parabola over the last three (Cartwright)."""
    y, steps = _prepared(y, x, axis)
    n = y.shape[-1]
    if n == 0:
        raise UnsupportedError(f"scipy.integrate.simpson of no samples at {user_line()}")
    if n % 2:
        return _parabolas(y, steps, dx)
    if n == 2:
        return 0.5 * (dx if steps is None else steps[..., -1]) * (y[..., -1] + y[..., -2])
    h0, h1 = (dx, dx) if steps is None else (steps[..., -2], steps[..., -1])
    alpha = _over(2.0 * h1 * h1 + 3.0 * h0 * h1, 6.0 * (h0 + h1))
    beta = _over(h1 * h1 + 3.0 * h0 * h1, 6.0 * h0)
    eta = _over(h1 * h1 * h1, 6.0 * h0 * (h0 + h1))
    whole = _parabolas(y[..., :-1], None if steps is None else steps[..., :-1], dx)
    return whole + alpha * y[..., -1] + beta * y[..., -2] - eta * y[..., -3]
