"""Interpolation in several dimensions, and by one polynomial, from ``scipy.interpolate`` on tracers.

What comes in: values on a grid, at scattered points, or at nodes. What goes out: a weighted sum of the values around a point.
The one idea: which values those are (the cell of a grid, the simplex of a triangulation) is locally constant; the weights are
formulas in the point and the places of the data.

Radial basis functions: Fasshauer, Meshfree Approximation Methods with MATLAB (2007), chapters 6 and 8.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from wengert.frontends.scipy_api import scipy_function, scipy_object
from wengert.frontends.scipy_data import chosen, data, known, plain, refuse, require, take
from wengert.frontends.scipy_interpolate import increasing, interp1d, shaped
from wengert.frontends.scipy_splines import basis_derivative, interval, make_interp_spline
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced

__all__: list[str] = []


def _points(x: Any, d: int) -> Any:
    """Points along the last axis; a tuple of coordinate arrays is broadcast."""
    if isinstance(x, tuple):
        x = FUNCTIONS[np.stack](FUNCTIONS[np.broadcast_arrays](*[data(v) for v in x]), -1)
    x = data(x)
    x = np.reshape(x, (1, 1)) if not x.ndim else x
    if d == 1 and x.shape[-1] != 1:
        x = x[..., None]
    if x.shape[-1] != d:
        raise ValueError(f"The requested sample points xi have dimension {x.shape[-1]} but this interpolator has dimension {d}")
    return x


# ---------------------------------------------------------------- grids

_DEGREES = {"slinear": 1, "cubic": 3, "quintic": 5}


class _Grid:
    """``RegularGridInterpolator`` with traced data, or at traced points."""

    def __init__(self, points: Any, values: Any, method: str, bounds_error: bool, fill_value: Any):
        if method not in ("linear", "nearest", *_DEGREES):
            refuse("scipy.interpolate.RegularGridInterpolator", f"method={method!r} is not traced; use 'linear', 'nearest', "
                   f"'slinear', 'cubic' or 'quintic'")
        grid, self.values, self.method = [data(p) for p in points], data(values), method
        for i, p in enumerate(grid):
            falls = known(p[0] > p[-1]) if p.shape[0] > 1 and i < self.values.ndim else False
            if not isinstance(falls, Tracer) and falls:
                grid[i], self.values = p[::-1], FUNCTIONS[np.flip](self.values, i)
        self.grid = [increasing(p, "The points in dimension must be strictly ascending or descending") for p in grid]
        if len(self.grid) > self.values.ndim:
            raise ValueError(f"There are {len(self.grid)} point arrays, but values has {self.values.ndim} dimensions")
        if any(p.shape[0] != n for p, n in zip(self.grid, self.values.shape)):
            raise ValueError(f"There are {[p.shape[0] for p in self.grid]} points and values of shape {self.values.shape}")
        self.bounds_error, self.fill_value = bounds_error, fill_value
        self.tensor: Any = None

    def __call__(self, xi: Any, method: Any = None, *, nu: Any = None) -> Any:
        if nu is not None:
            refuse("scipy.interpolate.RegularGridInterpolator", "nu= is not traced; take the derivative")
        if method not in (None, self.method):
            return _Grid(self.grid, self.values, method, self.bounds_error, self.fill_value)(xi)
        d = len(self.grid)
        xi = _points(xi, d)
        shape, at = xi.shape[:-1], np.reshape(xi, (-1, d))
        inside: Any = True
        for i, p in enumerate(self.grid):
            inside = inside & (at[:, i] >= p[0]) & (at[:, i] <= p[-1])
        if self.bounds_error:
            at = require(at, inside, "One of the requested xi is out of bounds")
        out = self._inside(at)
        if not self.bounds_error and self.fill_value is not None:
            out = chosen(shaped(inside, out.ndim), out, self.fill_value)
            out = chosen(shaped(FUNCTIONS[np.all](at == at, axis=1), out.ndim), out, np.nan)
        return np.reshape(out, (*shape, *self.values.shape[d:]))

    def _inside(self, at: Any) -> Any:
        if self.method in _DEGREES:
            knots, c, degrees = self._coefficients()
            return _tensor(knots, c, degrees, at)
        corners: list[list[tuple[Any, Any]]] = []
        for i, p in enumerate(self.grid):
            n, x = p.shape[0], at[:, i]
            if n == 1:
                corners.append([(known(np.searchsorted(p, x) * 0), 1.0)])
                continue
            j = known(np.minimum(np.maximum(FUNCTIONS[np.searchsorted](p, x, "right") - 1, 0), n - 2))
            low = take(p, j)
            t = (x - low) / (take(p, j + 1) - low)
            if self.method == "nearest":
                corners.append([(known(FUNCTIONS[np.where](known(t) <= 0.5, j, j + 1)), 1.0)])
            else:
                corners.append([(j, 1.0 - t), (j + 1, t)])
        return _summed(self.values, corners, at)

    def _coefficients(self) -> Any:
        if self.tensor is None:
            k, c, knots = _DEGREES[self.method], self.values, []
            for i, p in enumerate(self.grid):
                made = make_interp_spline(p, np.moveaxis(c, i, 0), k)
                c = np.moveaxis(made.c, 0, i)
                knots.append(made.t)
            self.tensor = knots, c, [k] * len(knots)
        return self.tensor


def _summed(values: Any, corners: list[list[tuple[Any, Any]]], at: Any) -> Any:
    """``Σ weights · values`` over the product of the places of each axis."""
    d, total = len(corners), None
    tail = values.shape[d:]
    flat = np.reshape(values, (-1, *tail))
    for corner in itertools.product(*corners):
        place, weight = 0, 1.0
        for (j, w), n in zip(corner, values.shape):
            place, weight = place * n + j, weight * w
        found = take(flat, place)
        term = shaped(weight, found.ndim) * found if not isinstance(weight, float) else found
        total = term if total is None else total + term
    return total + 0.0 * shaped(at[:, 0], 1 + len(tail))


def _tensor(knots: Any, c: Any, degrees: Any, at: Any, nu: Any = None) -> Any:
    """A tensor product of B-splines at points."""
    corners = []
    for i, (t, k) in enumerate(zip(knots, degrees)):
        t = data(t)
        n = t.shape[0] - k - 1
        j = interval(t, k, n, at[:, i])
        weights = basis_derivative(t, k, at[:, i], j, 0 if nu is None else int(nu[i]))
        corners.append([(j + (m - k), w) for m, w in enumerate(weights)])
    return _summed(data(c), corners, at)


@scipy_function("scipy.interpolate.RegularGridInterpolator", as_given=True)
def regular_grid(points: Any, values: Any, method: str = "linear", bounds_error: bool = True, fill_value: Any = np.nan,
                 **solver: Any) -> _Grid:
    """``scipy.interpolate.RegularGridInterpolator`` on an ascending grid."""
    return _Grid(points, values, method, bounds_error, fill_value)


@scipy_object("scipy.interpolate.RegularGridInterpolator")
def _grid_made_outside(made: Any) -> _Grid:
    found = _Grid(made._grid, made._values, made.method, made.bounds_error, made.fill_value)
    if made._spline is not None:
        found.tensor = made._spline.t, made._spline.c, made._spline.k
    return found


@scipy_function("scipy.interpolate.interpn", as_given=True)
def interpn(points: Any, values: Any, xi: Any, method: str = "linear", bounds_error: bool = True,
            fill_value: Any = np.nan) -> Any:
    """``scipy.interpolate.interpn``."""
    if method == "splinef2d":
        refuse("scipy.interpolate.interpn", "method='splinef2d' is not traced; use 'cubic'")
    return _Grid(points, values, method, bounds_error, fill_value)(xi)


@scipy_object("scipy.interpolate.RectBivariateSpline")
def _bivariate_made_outside(made: Any) -> Any:
    tx, ty, c = made.tck
    kx, ky = made.degrees
    return _Bivariate([tx, ty], np.reshape(c, (len(tx) - kx - 1, len(ty) - ky - 1)), [kx, ky])


class _Bivariate:
    """``RectBivariateSpline`` at traced points; what lies outside is moved to the edge, as FITPACK does."""

    def __init__(self, knots: Any, c: Any, degrees: Any):
        self.knots, self.c, self.degrees = knots, c, degrees

    def __call__(self, x: Any, y: Any, dx: int = 0, dy: int = 0, grid: bool = True) -> Any:
        x, y = data(x), data(y)
        if grid:
            x, y = np.reshape(x, (-1, 1)), np.reshape(y, (1, -1))
        x, y = FUNCTIONS[np.broadcast_arrays](x, y)
        at = [np.minimum(np.maximum(np.reshape(v, (-1,)), t[0]), t[-1]) for v, t in zip((x, y), self.knots)]
        return np.reshape(_tensor(self.knots, self.c, self.degrees, np.stack(at, 1), (dx, dy)), x.shape)

    def ev(self, xi: Any, yi: Any, dx: int = 0, dy: int = 0) -> Any:
        return self(xi, yi, dx, dy, False)


# ---------------------------------------------------------------- triangulations

class _Simplices:
    """``LinearNDInterpolator`` with traced data, or at traced points: barycentric coordinates in the triangulation."""

    def __init__(self, points: Any, values: Any, fill_value: Any, triangulation: Any):
        self.points, self.values, self.fill_value = points, values, fill_value
        self.triangulation = triangulation

    def __call__(self, *xi: Any) -> Any:
        d = self.points.shape[-1]
        where = _points(xi[0] if len(xi) == 1 else xi, d)
        shape, at = where.shape[:-1], np.reshape(where, (-1, d))
        simplex = self.triangulation.find_simplex(plain(at, "the simplex of a point"))
        inside, corners = simplex >= 0, self.triangulation.simplices[simplex]
        at = chosen(inside[:, None], at, 0.0)
        last = take(self.points, corners[:, d])
        sides = np.swapaxes(take(self.points, corners[:, :d]) - last[:, None, :], 1, 2)
        weights = np.linalg.solve(sides, (at - last)[..., None])[..., 0]
        weights = np.concatenate([weights, 1.0 - np.sum(weights, 1, keepdims=True)], 1)
        tail = self.values.ndim - 1
        found = take(self.values, corners)
        out = np.sum(np.reshape(weights, (*weights.shape, *[1] * tail)) * found, 1)
        return np.reshape(chosen(shaped(inside, out.ndim), out, self.fill_value), (*shape, *self.values.shape[1:]))


@scipy_function("scipy.interpolate.LinearNDInterpolator")
def linear_nd(points: Any, values: Any, fill_value: Any = np.nan, rescale: bool = False) -> _Simplices:
    """``scipy.interpolate.LinearNDInterpolator``; the triangulation is locally constant."""
    import scipy.spatial
    if rescale:
        refuse("scipy.interpolate.LinearNDInterpolator", "rescale= is not traced; scale the points")
    if type(points).__name__ == "Delaunay":
        return _Simplices(points.points, data(values), fill_value, points)
    points = data(points)
    return _Simplices(points, data(values), fill_value, scipy.spatial.Delaunay(plain(points, "a triangulation")))


@scipy_object("scipy.interpolate.LinearNDInterpolator")
def _linear_nd_made_outside(made: Any) -> _Simplices:
    if made.scale is not None:
        refuse("scipy.interpolate.LinearNDInterpolator", "rescale= is not traced; scale the points")
    values = np.asarray(made.values)
    return _Simplices(made.points, values[:, 0] if made.values_shape == () else values.reshape(-1, *made.values_shape),
                      made.fill_value, made.tri)


@scipy_function("scipy.interpolate.griddata", as_given=True)
def griddata(points: Any, values: Any, xi: Any, method: str = "linear", fill_value: Any = np.nan, rescale: bool = False) -> Any:
    """``scipy.interpolate.griddata``: linear, or the nearest value."""
    points = data(_points(points, len(points)) if isinstance(points, tuple) else points)
    if points.ndim == 1 or points.shape[-1] == 1:
        if method not in ("linear", "nearest", "cubic"):
            raise ValueError(f"Unknown interpolation method {method!r} for 1 dimensional data")
        xi = xi[0] if isinstance(xi, tuple) else xi
        fill = "extrapolate" if method == "nearest" else fill_value
        return interp1d(np.reshape(points, (-1,)), values, method, 0, bounds_error=False, fill_value=fill)(xi)
    if method == "linear":
        return linear_nd(points, values, fill_value, rescale)(xi)
    if method != "nearest" or rescale:
        refuse("scipy.interpolate.griddata", f"method={method!r} with rescale={rescale} has no rule; use method='linear', or "
               f"RBFInterpolator")
    import scipy.spatial
    at = _points(xi, points.shape[-1])
    nearest = scipy.spatial.cKDTree(plain(points, "the nearest point")).query(plain(at, "the nearest point"))[1]
    return take(data(values), nearest)


# ---------------------------------------------------------------- radial basis functions

def _root(r2: Any) -> Any:
    """The distance, with derivative 0 where it is 0."""
    apart, where = known(r2 > 0), FUNCTIONS[np.where]
    return where(apart, np.sqrt(where(apart, r2, 1.0)), 0.0)


def _plate(r2: Any) -> Any:
    apart, where = known(r2 > 0), FUNCTIONS[np.where]
    return where(apart, 0.5 * r2 * np.log(where(apart, r2, 1.0)), 0.0)


# name -> function of the squared distance, and the least degree of the polynomial
_KERNELS: dict[str, tuple[Any, int]] = {
    "linear": (lambda r2: -_root(r2), 0), "thin_plate_spline": (_plate, 1), "cubic": (lambda r2: r2 * _root(r2), 1),
    "quintic": (lambda r2: -r2 * r2 * _root(r2), 2), "multiquadric": (lambda r2: -np.sqrt(r2 + 1.0), 0),
    "inverse_multiquadric": (lambda r2: 1.0 / np.sqrt(r2 + 1.0), -1),
    "inverse_quadratic": (lambda r2: 1.0 / (r2 + 1.0), -1), "gaussian": (lambda r2: np.exp(-r2), -1)}


def _powers(d: int, degree: int) -> Any:
    return np.array([p for p in itertools.product(range(degree + 1), repeat=d) if sum(p) <= degree], int).reshape(-1, d)


def _monomials(x: Any, powers: Any) -> Any:
    """``x ** p`` for each row of powers, without a power of zero."""
    columns = []
    for p in powers:
        term = x[:, 0] * 0.0 + 1.0
        for i, k in enumerate(p):
            for _ in range(k):
                term = term * x[:, i]
        columns.append(term)
    return np.stack(columns, 1)


class _Radial:
    """``RBFInterpolator`` with traced data, or at traced points."""

    def __init__(self, y: Any, kernel: str, epsilon: Any, powers: Any, shift: Any, scale: Any):
        self.y, self.kernel, self.epsilon, self.powers, self.shift, self.scale = y, kernel, epsilon, powers, shift, scale
        self.coefficients: Any = None
        self.tail: tuple[int, ...] = ()

    def _kernel(self, x: Any) -> Any:
        gaps = (x[:, None, :] - self.y[None, :, :]) * self.epsilon
        return _KERNELS[self.kernel][0](np.sum(gaps * gaps, -1))

    def _polynomials(self, x: Any) -> Any:
        return _monomials((x - self.shift) / self.scale, self.powers)

    def fit(self, d: Any, smoothing: Any) -> None:
        n, m = self.y.shape[0], len(self.powers)
        matrix, right = self._kernel(self.y) + smoothing * np.eye(n), np.reshape(d, (n, -1))
        if m:
            p = self._polynomials(self.y)
            matrix = np.concatenate([np.concatenate([matrix, p], 1), np.concatenate([p.T, np.zeros((m, m))], 1)])
            right = np.concatenate([right, np.zeros((m, right.shape[1]))])
        self.coefficients, self.tail = np.linalg.solve(matrix, right), d.shape[1:]

    def __call__(self, x: Any) -> Any:
        x = data(x)
        if x.ndim != 2 or x.shape[1] != self.y.shape[1]:
            raise ValueError(f"Expected the second axis of `x` to have length {self.y.shape[1]}.")
        vectors = self._kernel(x)
        if len(self.powers):
            vectors = np.concatenate([vectors, self._polynomials(x)], 1)
        return np.reshape(vectors @ self.coefficients, (x.shape[0], *self.tail))


@scipy_function("scipy.interpolate.RBFInterpolator")
def rbf(y: Any, d: Any, neighbors: Any = None, smoothing: Any = 0.0, kernel: str = "thin_plate_spline", epsilon: Any = None,
        degree: Any = None) -> _Radial:
    """``scipy.interpolate.RBFInterpolator`` over all points."""
    if neighbors is not None:
        refuse("scipy.interpolate.RBFInterpolator", "neighbors= is not traced; leave it away")
    kernel = kernel.lower()
    if kernel not in _KERNELS:
        raise ValueError(f"`kernel` must be one of {set(_KERNELS)}.")
    y, d, smoothing = data(y), data(d), data(smoothing)
    if epsilon is None:
        if kernel not in ("linear", "thin_plate_spline", "cubic", "quintic"):
            raise ValueError(f"`epsilon` must be specified if `kernel` is not one of the scale-invariant ones, not {kernel}.")
        epsilon = 1.0
    degree = max(_KERNELS[kernel][1], 0) if degree is None else int(degree)
    top, bottom = np.max(y, axis=0), np.min(y, axis=0)
    half = 0.5 * (top - bottom)
    where = FUNCTIONS[np.where]
    made = _Radial(y, kernel, as_traced(epsilon), _powers(y.shape[1], degree), 0.5 * (top + bottom),
                   where(known(half == 0.0), 1.0, half))
    made.fit(d, np.reshape(smoothing, (-1, 1)) if smoothing.ndim else smoothing)
    return made


@scipy_object("scipy.interpolate.RBFInterpolator")
def _rbf_made_outside(made: Any) -> _Radial:
    if made.neighbors is not None or np.dtype(made.d_dtype).kind == "c":
        refuse("scipy.interpolate.RBFInterpolator", "neighbors= and complex data are not traced")
    found = _Radial(made.y, made.kernel, made.epsilon, made.powers, made._shift, made._scale)
    found.coefficients, found.tail = made._coeffs, made.d_shape
    return found


# ---------------------------------------------------------------- one polynomial

class _Polynomial:
    """The polynomial through the values at distinct nodes, by Lagrange's products: no division by a distance to a node."""

    def __init__(self, x: Any, y: Any, axis: int):
        self.x, self.axis = data(x), axis
        y = data(y)
        self.y = np.moveaxis(y, axis, 0) if axis % max(y.ndim, 1) else y
        at = plain(self.x, "the nodes of a polynomial") if not isinstance(self.x, Tracer) or self.x.value is not None else None
        if at is not None and len(np.unique(at)) < len(at):
            refuse("scipy.interpolate", "a node that is given twice stands for a derivative, which is not traced")

    def __call__(self, x: Any, der: Any = None) -> Any:
        if der:
            refuse("scipy.interpolate", "der= is not traced; take the derivative")
        at, n = data(x), self.x.shape[0]
        flat = np.reshape(at, (-1, 1))
        gaps = self.x[:, None] - self.x[None, :] + np.eye(n)
        one = flat * 0.0 + 1.0
        ahead = np.concatenate([one, np.cumprod((flat - self.x)[:, :-1], 1)], 1)
        behind = np.concatenate([one, np.cumprod((flat - self.x)[:, :0:-1], 1)], 1)[:, ::-1]
        weights = ahead * behind / np.prod(gaps, axis=1)
        out = weights @ np.reshape(self.y, (n, -1))
        from wengert.frontends.scipy_interpolate import _with_points_at
        return _with_points_at(np.reshape(out, (*at.shape, *self.y.shape[1:])), at.ndim, self.axis)


@scipy_function("scipy.interpolate.BarycentricInterpolator", "scipy.interpolate.KroghInterpolator")
def _polynomial(xi: Any, yi: Any = None, axis: int = 0, **rest: Any) -> _Polynomial:
    if yi is None or any(v is not None for v in rest.values()):
        refuse("scipy.interpolate", "only nodes, values and axis= are traced")
    return _Polynomial(xi, yi, axis)


@scipy_object("scipy.interpolate.BarycentricInterpolator", "scipy.interpolate.KroghInterpolator")
def _polynomial_made_outside(made: Any) -> _Polynomial:
    found = _Polynomial(made.xi, made.yi.reshape((made.n, *made._y_extra_shape)), 0)
    found.axis = made._y_axis
    return found


@scipy_function("scipy.interpolate.barycentric_interpolate", "scipy.interpolate.krogh_interpolate")
def barycentric_interpolate(xi: Any, yi: Any, x: Any, der: Any = 0, axis: int = 0, **rest: Any) -> Any:
    """``scipy.interpolate.barycentric_interpolate`` and ``krogh_interpolate``."""
    return _Polynomial(xi, yi, axis)(x, der)
