"""Differences, integrals, interpolation and correlation on tracers.

What comes in: NumPy calls. What goes out: slices and arithmetic in NumPy's own steps, so values agree to
the last bit. The one idea: which interval a point falls into is locally constant; the line through its two
ends is differentiated with regard to the point, the knots and the values alike. At an inner knot the
derivative is that of the interval to the right, at the last one that of the interval to the left.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.frontends.numpy_api.products import operands
from wengert.frontends.numpy_api.sorting import argsort, searchsorted
from wengert.frontends.numpy_api.stacking import concatenate
from wengert.frontends.numpy_api.structure import as_array, axis_of
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced, implements, ufunc_call
from wengert.primitives import structure as s
from wengert.primitives.correlate import correlate as correlate_
from wengert.primitives.elementwise import conj, imag, make_complex, real

__all__ = ["convolve", "correlate", "diff", "interp", "strong"]

_NO = np._NoValue


def strong(x: Any) -> Tracer:
    """As an array; a Python number counts as the array that NumPy makes of it."""
    x = as_array(x)
    return Tracer(x.build, x.current(), x.cell) if x.kind == "scalar" else x


def _along(ndim: int, axis: int, key: Any) -> tuple[Any, ...]:
    return (slice(None),) * axis + (key,) + (slice(None),) * (ndim - axis - 1)


# ---------------------------------------------------------------- differences


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: Any = -1, prepend: Any = _NO, append: Any = _NO) -> Any:
    """``np.diff``."""
    if n == 0:
        return a
    if n < 0:
        raise ValueError("order must be non-negative but got " + repr(n))
    a = as_array(a)
    if a.ndim == 0:
        raise ValueError("diff requires input that is at least one dimensional")
    axis = axis_of(axis, a.ndim)
    parts = [_edge(prepend, a, axis), [a], _edge(append, a, axis)]
    if len(parts[0]) + len(parts[2]):
        a = concatenate([x for part in parts for x in part], axis)
    ufunc = np.not_equal if a.dtype == np.bool_ else np.subtract
    upper, lower = _along(a.ndim, axis, slice(1, None)), _along(a.ndim, axis, slice(None, -1))
    for _ in range(n):
        a = ufunc_call(ufunc, a[upper], a[lower])
    return a


def _edge(x: Any, a: Tracer, axis: int) -> list[Any]:
    if x is _NO:
        return []
    x = strong(x)
    return (
        [x] if x.ndim else [s.broadcast(x, shape=tuple(1 if k == axis else n for k, n in enumerate(a.shape)))]
    )


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """``np.ediff1d``."""
    a = strong(ary)
    a = s.reshape(a, shape=(a.type.size,))
    ends: list[Any] = []
    for x, name in ((to_begin, "to_begin"), (to_end, "to_end")):
        if x is None:
            ends.append([])
            continue
        whole = type(x) in (int, float, complex)
        if not np.can_cast(np.result_type(a.dtype, x) if whole else strong(x).dtype, a.dtype, "same_kind"):
            raise TypeError(
                f"dtype of `{name}` must be compatible with input `ary` under the `same_kind` rule."
            )
        x = strong(x)
        x = s.reshape(x, shape=(x.type.size,))
        ends.append([x if x.dtype == a.dtype else s.convert(x, dtype=a.dtype)])
    inner = ufunc_call(np.subtract, a[1:], a[:-1])
    return concatenate([*ends[0], inner, *ends[1]]) if ends[0] or ends[1] else inner


# ---------------------------------------------------------------- gradient


def _spacing(distances: Any, length: int) -> Any:
    """One number, or the differences of coordinates.

    Traced coordinates are never taken for evenly spaced ones: the derivative needs every one of them.
    """
    distances = as_traced(distances)
    if np.ndim(distances) == 0:
        return distances
    if not isinstance(distances, Tracer):
        distances = np.asarray(distances)
    if distances.ndim != 1:
        raise ValueError("distances must be either scalars or 1d")
    if distances.shape[0] != length:
        raise ValueError("when 1d, distances must match the length of the corresponding dimension")
    steps = diff(distances.astype(np.float64) if distances.dtype.kind in "iu" else distances)
    if not isinstance(distances, Tracer):
        steps = steps.value
        if (steps == steps[0]).all():
            return steps[0]
    return steps


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """``np.gradient``; the spacings may be traced."""
    f = strong(f)
    axes = (
        tuple(range(f.ndim))
        if axis is None
        else tuple([axis_of(k, f.ndim) for k in (axis if isinstance(axis, (tuple, list)) else (axis,))])
    )
    if len(set(axes)) != len(axes):
        raise ValueError("repeated axis")
    if not varargs:
        steps: list[Any] = [1.0] * len(axes)
    elif len(varargs) == 1 and np.ndim(as_traced(varargs[0])) == 0:
        steps = list(varargs) * len(axes)
    elif len(varargs) == len(axes):
        steps = [_spacing(d, f.shape[k]) for d, k in zip(varargs, axes, strict=True)]
    else:
        raise TypeError("invalid number of arguments")
    if edge_order > 2:
        raise ValueError("'edge_order' greater than 2 not supported")
    if f.dtype.kind not in "fc":
        f = f.astype(np.float64)
    results = [_gradient_along(f, k, d, edge_order) for k, d in zip(axes, steps, strict=True)]
    return results[0] if len(axes) == 1 else tuple(results)


def _gradient_along(f: Tracer, axis: int, d: Any, edge_order: int) -> Any:
    """One partial derivative: second-order differences inside, `edge_order` ones at the ends."""
    if f.shape[axis] < edge_order + 1:
        raise ValueError(
            "Shape of array too small to calculate a numerical gradient, at least (edge_order + 1) "
            "elements are required."
        )

    def part(start: int | None, stop: int | None) -> Any:
        return f[_along(f.ndim, axis, slice(start, stop))]

    def at(k: int) -> Any:
        return f[_along(f.ndim, axis, k)]

    even = np.ndim(d) == 0
    if even:
        inside = (part(2, None) - part(None, -2)) / (2.0 * d)
        first, last = d, d
    else:
        shape = tuple([-1 if k == axis else 1 for k in range(f.ndim)])
        a, b, c = [w.reshape(shape) for w in _weights(d[:-1], d[1:])]
        inside = a * part(None, -2) + b * part(1, -1) + c * part(2, None)
        first, last = d[0], d[-1]
    if edge_order == 1:
        start, end = (at(1) - at(0)) / first, (at(-1) - at(-2)) / last
    else:
        a, b, c = (-1.5 / d, 2.0 / d, -0.5 / d) if even else _start_weights(d[0], d[1])
        start = a * at(0) + b * at(1) + c * at(2)
        a, b, c = (0.5 / d, -2.0 / d, 1.5 / d) if even else _end_weights(d[-2], d[-1])
        end = a * at(-3) + b * at(-2) + c * at(-1)
    keep = _along(f.ndim, axis, None)
    return concatenate([x.astype(f.dtype, copy=False) for x in (start[keep], inside, end[keep])], axis)


def _weights(p: Any, q: Any) -> tuple[Any, Any, Any]:
    return -q / (p * (p + q)), (q - p) / (p * q), p / (q * (p + q))


def _start_weights(p: Any, q: Any) -> tuple[Any, Any, Any]:
    return -(2.0 * p + q) / (p * (p + q)), (p + q) / (p * q), -p / (q * (p + q))


def _end_weights(p: Any, q: Any) -> tuple[Any, Any, Any]:
    return q / (p * (p + q)), -(q + p) / (p * q), (2.0 * q + p) / (q * (p + q))


# ---------------------------------------------------------------- integrals


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Any:
    """``np.trapezoid``."""
    y = strong(y)
    axis = axis_of(axis, y.ndim)
    d = dx
    if x is not None:
        x = strong(x)
        if x.ndim == 1:
            d = diff(x)
            d = s.reshape(d, shape=tuple([d.shape[0] if k == axis else 1 for k in range(y.ndim)]))
        else:
            d = diff(x, axis=axis)
    upper, lower = _along(y.ndim, axis, slice(1, None)), _along(y.ndim, axis, slice(None, -1))
    return FUNCTIONS[np.sum](d * (y[upper] + y[lower]) / 2.0, axis)


if hasattr(np, "trapz"):  # until NumPy 2.3
    FUNCTIONS[np.trapz] = trapezoid  # noqa: NPY201


# ---------------------------------------------------------------- interpolation


def _as(x: Any, dtype: Any) -> Any:
    x = strong(x)
    return x if x.dtype == dtype else s.convert(x, dtype=np.dtype(dtype))


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """``np.interp``: differentiable in the points, the knots, the values, `left` and `right`."""
    fp = as_array(fp)
    is_complex = fp.dtype.kind == "c"
    x, xp = _as(x, np.float64), _as(xp, np.float64)
    fp = _as(fp, np.complex128 if is_complex else np.float64)
    if xp.ndim != 1 or fp.ndim != 1:
        raise ValueError(
            "Data points must be 1-D sequences" if period is not None else "object too deep for desired array"
        )
    if xp.shape != fp.shape:
        raise ValueError("fp and xp are not of the same length")
    if period is not None:
        if period == 0:
            raise ValueError("period must be a non-zero value")
        period, left, right = abs(period), None, None
        x, xp = x % period, xp % period
        order = argsort(xp)
        xp, fp = xp[order], fp[order]
        xp = concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = concatenate([fp[-1:], fp, fp[:1]])
    if not xp.shape[0]:
        raise ValueError("array of sample points is empty")
    left, right = fp[0] if left is None else left, fp[-1] if right is None else right
    if not is_complex:
        return _interpolate(x, xp, fp, left, right, False)
    left, right = _as(left, np.complex128), _as(right, np.complex128)
    return make_complex(
        *[_interpolate(x, xp, take(fp), take(left), take(right), True) for take in (real, imag)]
    )


def _interpolate(x: Any, xp: Any, fp: Any, left: Any, right: Any, by_inverse: bool) -> Any:
    """Real values; NumPy's complex version multiplies by the inverse of a step where the real one divides."""
    where, n = FUNCTIONS[np.where], xp.shape[0]
    first, last = xp[0], xp[-1]
    if n == 1:
        return where(x < first, left, where(x > first, right, fp[0]))
    j = ufunc_call(np.minimum, ufunc_call(np.maximum, searchsorted(xp, x, "right") - 1, 0), n - 2)
    x0, y0, x1, y1 = xp[j], fp[j], xp[j + 1], fp[j + 1]
    with np.errstate(
        invalid="ignore", divide="ignore", over="ignore"
    ):  # NumPy does not warn of infinite values here
        slope = (y1 - y0) * (1.0 / (x1 - x0)) if by_inverse else (y1 - y0) / (x1 - x0)
        inside, at_end = slope * (x - x0) + y0, y1 + slope * (x - x1)
        if (
            inside.value is None or np.isnan(inside.value).any()
        ):  # infinite values: from the other end, as NumPy does
            other = slope * (x - x1) + y1
            other = where((y0 == y1) & ufunc_call(np.isnan, other), y0, other)
            inside = where(x == x0, y0, where(ufunc_call(np.isnan, inside), other, inside))
            at_end = where(ufunc_call(np.isnan, at_end), y1, at_end)
    return where(x < first, left, where(x > last, right, where(x == last, at_end, inside)))


# ---------------------------------------------------------------- correlation

_MODES = {0: "valid", 1: "same", 2: "full"}


def _slide(a: Any, v: Any, mode: Any) -> Any:
    """``Σ_i a[i + k] v[i]`` for the shifts k of a mode, the longer operand first, as in NumPy."""
    n, m = a.shape[0], v.shape[0]
    if n < m:
        return s.flip(_slide(v, a, mode), axes=(0,))
    mode = _MODES.get(mode, mode)
    if mode == "valid":
        return correlate_(a, v, mode="valid")
    full = correlate_(a, v, mode="full")
    if mode == "full":
        return full
    if mode != "same":
        np.correlate([1.0], [1.0], mode)  # NumPy's own error
    start = m - 1 - m // 2
    return full[start : start + n]


def _vectors(a: Any, v: Any) -> list[Any]:
    out = [x if x.ndim else s.reshape(x, shape=(1,)) for x in map(as_array, operands(a, v))]
    if any(x.ndim > 1 for x in out):
        raise ValueError("object too deep for desired array")
    return out


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    """``np.convolve``."""
    a, v = _vectors(a, v)
    for x, name in ((a, "a"), (v, "v")):
        if not x.shape[0]:
            raise ValueError(f"{name} cannot be empty")
    if v.shape[0] > a.shape[0]:
        a, v = v, a
    return _slide(a, s.flip(v, axes=(0,)), mode)


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    """``np.correlate``: the second operand is conjugated."""
    a, v = _vectors(a, v)
    if not a.shape[0] or not v.shape[0]:
        raise ValueError(f"{'first' if not a.shape[0] else 'second'} array argument cannot be empty")
    return _slide(a, conj(v), mode)
