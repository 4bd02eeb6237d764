"""Piecewise polynomials of ``scipy.interpolate`` on tracers: cubic splines, monotone ones, and the like.

What comes in: ``CubicSpline(x, y)`` of traced data, or an object made outside that is called with a traced point. What goes
out: the polynomial of the interval that holds the point. The one idea: all are coefficients between breakpoints, so a call
is a search, a gather and Horner's scheme; building them is a formula in the data, with a banded system for the splines.
At a breakpoint the derivative is that of the polynomial to the right (at the last one, to the left), as in the value.

de Boor, A Practical Guide to Splines (1978), chapter IV; Fritsch and Butland, SIAM J. Sci. Stat. Comput. 5 (1984); Akima,
J. ACM 17 (1970).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.frontends.scipy_api import scipy_function, scipy_object
from wengert.frontends.scipy_data import chosen, data, known, plain, refuse, require, take
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced
from wengert.primitives.banded import solve_banded

__all__ = ["PiecewisePolynomial", "increasing", "shaped", "solve_tridiagonal"]


def increasing(x: Any, message: str = "`x` must be strictly increasing sequence.") -> Any:
    """x, if it is."""
    return require(x, x[1:] > x[:-1], message)


def shaped(v: Any, n: int) -> Any:
    """A vector along the first of n axes."""
    return np.reshape(v, (v.shape[0],) + (1,) * (n - 1))


def solve_tridiagonal(lower: Any, middle: Any, upper: Any, b: Any) -> Any:
    """``lower[i] x[i] + middle[i + 1] x[i + 1] + upper[i + 1] x[i + 2] = b[i + 1]``; unknowns along the first axis."""
    zero = np.zeros(1)
    ab = np.stack([np.concatenate([zero, upper]), middle, np.concatenate([lower, zero])])
    right = np.reshape(b, (b.shape[0], -1))
    if right.dtype != ab.dtype:
        ab = ab.astype(right.dtype)
    return np.reshape(solve_banded(ab, right, 1), b.shape)


class PiecewisePolynomial:
    """``c[i, j]``: the factor of ``(t - x[j]) ** (k - 1 - i)`` in the interval from ``x[j]`` to ``x[j + 1]``.

    What ``scipy.interpolate.PPoly`` and its descendants are when they hold or meet traced values.
    """

    def __init__(self, c: Any, x: Any, extrapolate: Any = None, axis: int = 0):
        self.c, self.x, self.axis = data(c), data(x), axis
        self.extrapolate = True if extrapolate is None else extrapolate
        if not isinstance(self.x, Tracer) and self.x[-1] < self.x[0]:
            refuse("scipy.interpolate.PPoly", "decreasing breakpoints are not traced")

    def _how(self, extrapolate: Any) -> Any:
        return self.extrapolate if extrapolate is None else extrapolate

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        if nu < 0:
            return self.antiderivative(-nu)(x, 0, extrapolate)
        extrapolate, at = self._how(extrapolate), data(x)
        shape, at, ends = at.shape, np.reshape(at, (-1,)), self.x[[0, -1]]
        inside = (at >= ends[0]) & (at <= ends[1])
        if extrapolate == "periodic":
            at = ends[0] + (at - ends[0]) % (ends[1] - ends[0])
        place = np.minimum(np.maximum(FUNCTIONS[np.searchsorted](self.x, at, "right") - 1, 0), self.x.shape[0] - 2)
        away = shaped(at - take(self.x, place), self.c.ndim - 1)
        out = _horner(take(self.c, known(place), 1), away, nu)
        if extrapolate is False or extrapolate == 0:
            out = chosen(shaped(inside, out.ndim), out, np.nan)
        out = np.reshape(out, (*shape, *self.c.shape[2:]))
        return _with_points_at(out, len(shape), self.axis)

    def derivative(self, nu: int = 1) -> PiecewisePolynomial:
        """The derivative, piece by piece."""
        if nu < 0:
            return self.antiderivative(-nu)
        k, c = self.c.shape[0], self.c
        if nu:
            factors = np.array([_falling(k - 1 - i, nu) for i in range(k - nu)])
            c = c[:k - nu] * shaped(factors, c.ndim) if k > nu else c[:1] * 0.0
        return PiecewisePolynomial(c, self.x, self.extrapolate, self.axis)

    def antiderivative(self, nu: int = 1) -> PiecewisePolynomial:
        """The continuous antiderivative that is 0 at the first breakpoint."""
        if nu <= 0:
            return self.derivative(-nu)
        k = self.c.shape[0]
        c = self.c / shaped(np.arange(k, 0, -1.0), self.c.ndim)
        widths = shaped(self.x[1:] - self.x[:-1], c.ndim - 1)
        rises = np.cumsum(_horner(np.concatenate([c, c[:1] * 0.0]), widths, 0), 0)
        starts = np.concatenate([rises[:1] * 0.0, rises[:-1]])
        raised = PiecewisePolynomial(np.concatenate([c, starts[None]]), self.x,
                                     False if self.extrapolate == "periodic" else self.extrapolate, self.axis)
        return raised.antiderivative(nu - 1) if nu > 1 else raised

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Any:
        """The integral from a to b."""
        extrapolate = self._how(extrapolate)
        if extrapolate == "periodic":
            refuse("integrate", "the integral of a periodic function is not traced; add those of its periods")
        whole = self.antiderivative()
        return whole(b, 0, extrapolate) - whole(a, 0, extrapolate)

    def _refused(self, *args: Any, **kwargs: Any) -> Any:
        refuse("scipy.interpolate", "where a spline takes a value has no rule here; find it outside, and use the derivative "
               "of an implicit function")

    roots = solve = _refused


def _falling(p: int, nu: int) -> float:
    return float(math.perm(p, nu))


def _horner(c: Any, away: Any, nu: int) -> Any:
    """The derivative of order nu of the polynomials whose factors stand along the first axis, the highest power first."""
    k = c.shape[0]
    if nu >= k:
        return c[0] * 0.0 * away
    out = c[0] * _falling(k - 1, nu) if nu else c[0]
    for i in range(1, k - nu):
        out = out * away + (c[i] * _falling(k - 1 - i, nu) if nu else c[i])
    return out if k - nu > 1 else out + away * 0.0


def _with_points_at(out: Any, n: int, axis: int) -> Any:
    """The n axes of the points, which lead, moved to where the axis of the data was."""
    if not axis:
        return out
    order = list(range(n, n + axis)) + list(range(n)) + list(range(n + axis, out.ndim))
    return np.transpose(out, order)


@scipy_object("scipy.interpolate.PPoly", "scipy.interpolate.CubicHermiteSpline", "scipy.interpolate.CubicSpline",
              "scipy.interpolate.PchipInterpolator", "scipy.interpolate.Akima1DInterpolator")
def _made_outside(made: Any) -> PiecewisePolynomial:
    return PiecewisePolynomial(made.c, made.x, made.extrapolate, made.axis)


@scipy_function("scipy.interpolate.PPoly")
def ppoly(c: Any, x: Any, extrapolate: Any = None, axis: int = 0) -> PiecewisePolynomial:
    """``scipy.interpolate.PPoly``."""
    if axis:
        refuse("scipy.interpolate.PPoly", "axis= is not traced; move the axes of c")
    return PiecewisePolynomial(c, x, extrapolate)


# ---------------------------------------------------------------- from data

def _prepared(x: Any, y: Any, axis: int, least: int = 2) -> tuple[Any, Any, int]:
    """Points, and values with theirs along the first axis."""
    x, y = data(x), data(y)
    if x.ndim != 1:
        raise ValueError("`x` must be 1-dimensional.")
    if x.dtype.kind == "c":
        raise ValueError("`x` must contain real values.")
    if x.shape[0] < least:
        raise ValueError(f"`x` must contain at least {least} elements.")
    axis = axis % max(y.ndim, 1)
    if not y.ndim or y.shape[axis] != x.shape[0]:
        raise ValueError(f"The length of `y` along `axis`={axis} doesn't match the length of `x`")
    x = increasing(x)
    return x, np.moveaxis(y, axis, 0) if axis else y, axis


def _hermite(x: Any, y: Any, slopes: Any, extrapolate: Any, axis: int) -> PiecewisePolynomial:
    """Cubics with these values and slopes at the breakpoints."""
    h = shaped(x[1:] - x[:-1], y.ndim)
    chord = (y[1:] - y[:-1]) / h
    bend = (slopes[:-1] + slopes[1:] - 2.0 * chord) / h
    c = np.stack([bend / h, (chord - slopes[:-1]) / h - bend, slopes[:-1] + 0.0 * chord, y[:-1] + 0.0 * chord])
    return PiecewisePolynomial(c, x, extrapolate, axis)


@scipy_function("scipy.interpolate.CubicHermiteSpline")
def cubic_hermite_spline(x: Any, y: Any, dydx: Any, axis: int = 0, extrapolate: Any = None) -> PiecewisePolynomial:
    """``scipy.interpolate.CubicHermiteSpline``."""
    x, y, place = _prepared(x, y, axis)
    slopes = data(dydx)
    slopes = np.moveaxis(slopes, place, 0) if place else slopes
    if slopes.shape != y.shape:
        raise ValueError("The shapes of `y` and `dydx` must be identical.")
    return _hermite(x, y, slopes, extrapolate, place)


@scipy_function("scipy.interpolate.PchipInterpolator")
def pchip(x: Any, y: Any, axis: int = 0, extrapolate: Any = None) -> PiecewisePolynomial:
    """``scipy.interpolate.PchipInterpolator``: slopes are weighted harmonic means of the chords on both sides."""
    x, y, place = _prepared(x, y, axis)
    h = shaped(x[1:] - x[:-1], y.ndim)
    chord = (y[1:] - y[:-1]) / h
    if x.shape[0] == 2:
        return _hermite(x, y, np.concatenate([chord, chord]), extrapolate, place)
    left, right = chord[:-1], chord[1:]
    flat = known(np.sign(left) * np.sign(right) <= 0)
    where = FUNCTIONS[np.where]
    w1, w2 = 2.0 * h[1:] + h[:-1], h[1:] + 2.0 * h[:-1]
    harmonic = (w1 + w2) / (w1 / where(flat, 1.0, left) + w2 / where(flat, 1.0, right))
    inner = where(flat, 0.0, harmonic)
    ends = [_edge(h[0], h[1], chord[0], chord[1]), _edge(h[-1], h[-2], chord[-1], chord[-2])]
    return _hermite(x, y, np.concatenate([ends[0][None], inner, ends[1][None]]), extrapolate, place)


def _edge(h0: Any, h1: Any, m0: Any, m1: Any) -> Any:
    """The slope at an end: of the parabola through three points, limited so that the cubic stays monotone."""
    where = FUNCTIONS[np.where]
    d = ((2.0 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    steep = (np.sign(m0) != np.sign(m1)) & (np.abs(d) > 3.0 * np.abs(m0))
    return where(known(np.sign(d) != np.sign(m0)), 0.0, where(known(steep), 3.0 * m0, d))


@scipy_function("scipy.interpolate.pchip_interpolate")
def pchip_interpolate(xi: Any, yi: Any, x: Any, der: Any = 0, axis: int = 0) -> Any:
    """``scipy.interpolate.pchip_interpolate``."""
    made = pchip(xi, yi, axis)
    return made(x, int(der)) if np.ndim(der) == 0 else [made(x, int(k)) for k in der]


@scipy_function("scipy.interpolate.Akima1DInterpolator")
def akima(x: Any, y: Any, axis: int = 0, *, method: str = "akima", extrapolate: Any = None) -> PiecewisePolynomial:
    """``scipy.interpolate.Akima1DInterpolator``: slopes weigh the chords on both sides by how the others change."""
    if method not in ("akima", "makima"):
        raise NotImplementedError(f"`method`={method} is unsupported.")
    x, y, place = _prepared(x, y, axis)
    extrapolate = False if extrapolate is None else extrapolate
    chord = (y[1:] - y[:-1]) / shaped(x[1:] - x[:-1], y.ndim)
    if x.shape[0] == 2:
        return _hermite(x, y, np.concatenate([chord, chord]), extrapolate, place)
    first, second = 2.0 * chord[:1] - chord[1:2], 3.0 * chord[:1] - 2.0 * chord[1:2]
    last, final = 2.0 * chord[-1:] - chord[-2:-1], 3.0 * chord[-1:] - 2.0 * chord[-2:-1]
    m = np.concatenate([second, first, chord, last, final])
    change = np.abs(m[1:] - m[:-1])
    if method == "makima":
        change = change + np.abs(0.5 * (m[1:] + m[:-1]))
    ahead, behind = change[2:], change[:-2]
    total = ahead + behind
    where, value = FUNCTIONS[np.where], known(total)
    straight = value <= 1e-9 * FUNCTIONS[np.max](value, initial=-np.inf)
    slopes = (ahead * m[1:-2] + behind * m[2:-1]) / where(straight, 1.0, total)
    return _hermite(x, y, where(straight, 0.5 * (m[3:] + m[:-3]), slopes), extrapolate, place)


# ---------------------------------------------------------------- cubic splines

_NAMED = {"natural": (2, 0.0), "clamped": (1, 0.0), "not-a-knot": "not-a-knot", "periodic": "periodic"}


def _end(condition: Any, shape: tuple[int, ...]) -> Any:
    """A condition at one end: "not-a-knot", or the order of a derivative and its value."""
    if isinstance(condition, str):
        if condition not in _NAMED:
            raise ValueError(f"bc_type={condition} is not allowed.")
        condition = _NAMED[condition]
    if isinstance(condition, str):
        return condition
    order, value = condition
    order = plain(order, "the order of a derivative in bc_type")
    if order not in (1, 2):
        raise ValueError("The specified derivative order must be 1 or 2.")
    value = data(value)
    if value.shape not in (shape, ()):
        raise ValueError(f"`deriv_value` shape {value.shape} is not the expected one {shape}.")
    return int(order), value + np.zeros(shape)


@scipy_function("scipy.interpolate.CubicSpline", as_given=True)
def cubic_spline(x: Any, y: Any, axis: int = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None) -> PiecewisePolynomial:
    """``scipy.interpolate.CubicSpline``: a tridiagonal system for the slopes."""
    x, y, place = _prepared(x, y, axis)
    if isinstance(bc_type, str) and bc_type == "periodic":
        gap = np.abs(known(y[0] - y[-1]))
        y = require(y, gap <= 1e-15 + 1e-15 * np.abs(known(y[-1])),
                    "The first and last `y` point along axis must be identical when bc_type='periodic'.")
        slopes = _periodic(x, y)
        return _hermite(x, y, slopes, "periodic" if extrapolate is None else extrapolate, place)
    pair = (bc_type, bc_type) if isinstance(bc_type, str) else bc_type
    if len(pair) != 2:
        raise ValueError("`bc_type` must contain 2 elements to specify start and end conditions.")
    if any(isinstance(c, str) and c == "periodic" for c in pair):
        raise ValueError("'periodic' `bc_type` is defined for both curve ends and cannot be used with other boundary "
                         "conditions.")
    first, last = [_end(c, y.shape[1:]) for c in pair]
    return _hermite(x, y, _slopes(x, y, first, last), extrapolate, place)


def _slopes(x: Any, y: Any, first: Any, last: Any) -> Any:
    n, h = x.shape[0], x[1:] - x[:-1]
    chord = (y[1:] - y[:-1]) / shaped(h, y.ndim)
    if n == 2:  # a cubic has no third derivative to match: the chord's slope, as SciPy has it
        first, last = [(1, chord[0]) if isinstance(c, str) else c for c in (first, last)]
    if n == 3 and isinstance(first, str) and isinstance(last, str):
        return _parabola(h, chord)
    rows = [_end_row(h, chord, first, 1.0), _end_row(h[::-1], chord[::-1], last, -1.0)]
    wide = shaped(h, y.ndim)
    lower = np.concatenate([h[1:], rows[1][1][None]])
    middle = np.concatenate([rows[0][0][None], 2.0 * (h[:-1] + h[1:]), rows[1][0][None]])
    upper = np.concatenate([rows[0][1][None], h[:-1]])
    inner = 3.0 * (wide[1:] * chord[:-1] + wide[:-1] * chord[1:])
    b = np.concatenate([rows[0][2][None], inner, rows[1][2][None]])
    return solve_tridiagonal(lower, middle, upper, b)


def _end_row(h: Any, chord: Any, condition: Any, toward: float) -> tuple[Any, Any, Any]:
    """Factors of the slopes at an end and beside it, and the right side; `toward` the interior: 1 or -1."""
    one = h[0] * 0.0 + 1.0
    if isinstance(condition, str):
        d = h[0] + h[1]
        return h[1], d, ((h[0] + 2.0 * d) * h[1] * chord[0] + h[0] * h[0] * chord[1]) / d
    order, value = condition
    if order == 1:
        return one, one * 0.0, value + 0.0 * chord[0]
    return 2.0 * one, one, 3.0 * chord[0] - toward * 0.5 * value * h[0]


def _parabola(h: Any, chord: Any) -> Any:
    """Slopes of the parabola through three points."""
    bend = (chord[1] - chord[0]) / (h[0] + h[1])
    return np.stack([chord[0] - bend * h[0], chord[0] + bend * h[0], chord[1] + bend * h[1]])


def _periodic(x: Any, y: Any) -> Any:
    """Slopes of the periodic spline: the cyclic system, bordered by its last unknown."""
    n, h = x.shape[0], x[1:] - x[:-1]
    chord = (y[1:] - y[:-1]) / shaped(h, y.ndim)
    if n == 2:
        return np.concatenate([chord, chord]) * 0.0
    if n == 3:  # one interior point: two equations
        slope = (shaped(1.0 / h, y.ndim) * chord).sum(0) / (1.0 / h).sum(0)
        return np.stack([slope, slope, slope])
    wide = shaped(h, y.ndim)
    before, around = np.concatenate([h[-1:], h[:-1]]), np.concatenate([wide[-1:], wide[:-1]])
    b = 3.0 * (wide * np.concatenate([chord[-1:], chord[:-1]]) + around * chord)  # rows 0 .. n - 2 of the cyclic system
    m = n - 2  # unknowns 0 .. n - 3, with that at n - 2 apart
    middle, lower, upper = 2.0 * (before + h), h, before
    ends = np.zeros(m)
    start, stop = ends.copy(), ends.copy()
    start[0], stop[-1] = 1.0, 1.0
    border = -(lower[0] * start + upper[m - 1] * stop)
    both = np.concatenate([np.reshape(b[:m], (m, -1)), np.reshape(border, (m, 1))], 1)
    solved = solve_tridiagonal(lower[1:m], middle[:m], upper[:m - 1], both)
    given, moved = solved[:, :-1], solved[:, -1:]
    right = np.reshape(b[m], (1, -1))
    final = (right - upper[m] * given[:1] - lower[m] * given[-1:]) / (middle[m] + upper[m] * moved[:1] + lower[m] * moved[-1:])
    slopes = given + moved * final
    return np.reshape(np.concatenate([slopes, final, slopes[:1]]), y.shape)


# ---------------------------------------------------------------- interp1d

_STEPS = {"nearest", "nearest-up", "previous", "next"}
_DEGREES = {"zero": 0, "slinear": 1, "quadratic": 2, "cubic": 3}


class _Interp1d:
    """``scipy.interpolate.interp1d`` with traced data, or at a traced point."""

    def __init__(self, x: Any, y: Any, kind: Any, axis: int, bounds_error: Any, fill_value: Any):
        self.x, self.axis, self.kind = x, axis, kind
        self.y = np.moveaxis(y, axis, 0) if axis else y
        self.bounds_error, self.fill_value = bounds_error, fill_value
        self.spline: Any = None
        if kind not in _STEPS and kind != "linear":
            from wengert.frontends.scipy_splines import make_interp_spline
            self.spline = make_interp_spline(x, self.y, _DEGREES.get(kind, kind))

    def __call__(self, x: Any) -> Any:
        at = data(x)
        shape, at = at.shape, np.reshape(at, (-1,))
        below, above = at < self.x[0], at > self.x[-1]
        if self.bounds_error:
            at = require(at, ~below, "A value in x_new is below the interpolation range.")
            at = require(at, ~above, "A value in x_new is above the interpolation range.")
        out = self._inside(at)
        if not isinstance(self.fill_value, str) and not self.bounds_error:
            low, high = self.fill_value
            for outside, value in ((below, low), (above, high)):
                out = chosen(~shaped(outside, out.ndim), out, value)
        return _with_points_at(np.reshape(out, (*shape, *self.y.shape[1:])), len(shape), self.axis)

    def _inside(self, at: Any) -> Any:
        if self.spline is not None:
            return self.spline(at)
        search, n = FUNCTIONS[np.searchsorted], self.x.shape[0]
        if self.kind == "linear":
            j = np.minimum(np.maximum(search(self.x, at, "left"), 1), n - 1)
            x0, x1, y0, y1 = [take(v, j - k) for v in (self.x, self.y) for k in (1, 0)]
            return shaped(at - x0, self.y.ndim) * ((y1 - y0) / shaped(x1 - x0, self.y.ndim)) + y0
        if self.kind in ("nearest", "nearest-up"):
            x = known(self.x)
            j = search(x[:-1] + (x[1:] - x[:-1]) / 2.0, at, "left" if self.kind == "nearest" else "right")
        else:
            j = search(self.x, at, "right") - 1 if self.kind == "previous" else search(self.x, at, "left")
        return take(self.y, np.minimum(np.maximum(j, 0), n - 1)) + 0.0 * shaped(at, self.y.ndim)


@scipy_function("scipy.interpolate.interp1d", as_given=True)
def interp1d(x: Any, y: Any, kind: Any = "linear", axis: int = -1, copy: bool = True, bounds_error: Any = None,
             fill_value: Any = np.nan, assume_sorted: bool = False) -> Any:
    """``scipy.interpolate.interp1d``: kinds that are steps are constant between the points."""
    x, y = data(x), data(y)
    axis = axis % max(y.ndim, 1)
    if x.ndim != 1 or x.shape[0] != y.shape[axis]:
        raise ValueError(f"x and y arrays must be equal in length along interpolation axis, got {x.shape} and {y.shape}.")
    if not assume_sorted:
        order = FUNCTIONS[np.argsort](x) if isinstance(x, Tracer) else np.argsort(x, kind="mergesort")
        x, y = take(x, order), take(y, order, axis)
    if not (kind in _STEPS or kind == "linear" or kind in _DEGREES or type(kind) is int):
        raise NotImplementedError(f"{kind} is unsupported: Use fitpack routines for other types.")
    extrapolated = isinstance(fill_value, str)
    if extrapolated and bounds_error:
        raise ValueError("Cannot extrapolate and raise at the same time.")
    if extrapolated and kind in ("previous", "next"):  # what was before the first point, or comes after the last one?
        ends = take(y, 0, axis), take(y, -1, axis)
        fill_value, extrapolated = (np.nan, ends[1]) if kind == "previous" else (ends[0], np.nan), False
    given = not extrapolated and (isinstance(fill_value, (tuple, Tracer)) or not np.all(np.isnan(fill_value)))
    bounds_error = not extrapolated and not given if bounds_error is None else bool(bounds_error)
    fill: Any = fill_value
    if not extrapolated:
        fill = fill_value if isinstance(fill_value, tuple) else (fill_value, fill_value)
        fill = tuple([data(as_traced(v)) for v in fill])
    return _Interp1d(x, y, kind, axis, bounds_error, fill)


@scipy_object("scipy.interpolate.interp1d")
def _interp1d_made_outside(made: Any) -> _Interp1d:
    fill = made.fill_value
    fill = fill if isinstance(fill, (str, tuple)) else (fill, fill)
    y = made._y.reshape(made.x.shape + made._y_extra_shape)  # points first; what is public has them where they were
    found = _Interp1d(made.x, y, made._kind if made._kind != "spline" else "linear", 0, made.bounds_error, fill)
    found.axis = made._y_axis
    if made._kind == "spline":
        from wengert.frontends.scipy_splines import made_outside
        found.spline = made_outside(made._spline)
    return found
