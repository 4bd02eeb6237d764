"""B-splines of ``scipy.interpolate`` on tracers.

What comes in: knots, coefficients and a degree, or data to interpolate. What goes out: values, derivatives and integrals. The
one idea: at a point only ``k + 1`` basis functions are not zero; de Boor's recurrence gives them from the knots around
the interval, which a search finds, and a banded system of their values at the data gives the coefficients.

de Boor, A Practical Guide to Splines (1978), chapters IX, X and XIII.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.frontends.scipy_api import scipy_function, scipy_object
from wengert.frontends.scipy_data import chosen, data, known, plain, refuse, require, take
from wengert.frontends.scipy_interpolate import _with_points_at, increasing, shaped
from wengert.frontends.tracer import FUNCTIONS, Tracer
from wengert.primitives.banded import solve_banded

__all__ = ["Spline", "made_outside", "make_interp_spline"]


def interval(t: Any, k: int, n: int, x: Any) -> Any:
    """The j in ``k .. n - 1`` with ``t[j] <= x < t[j + 1]``; the first and the last one also hold what lies outside."""
    return known(np.minimum(np.maximum(FUNCTIONS[np.searchsorted](t[k:n], x, "right") + (k - 1), k), n - 1))


def basis(t: Any, k: int, x: Any, j: Any) -> list[Any]:
    """The basis functions ``j - k .. j`` of degree k at points of the interval j."""
    values = [x * 0.0 + 1.0]
    right = [take(t, j + i) - x for i in range(1, k + 1)]
    left = [x - take(t, j + 1 - i) for i in range(1, k + 1)]
    for d in range(1, k + 1):
        carried, new = None, []
        for r in range(d):
            part = values[r] / (right[r] + left[d - r - 1])
            new.append(right[r] * part if carried is None else carried + right[r] * part)
            carried = left[d - r - 1] * part
        values = [*new, carried]
    return values


def basis_derivative(t: Any, k: int, x: Any, j: Any, nu: int) -> list[Any]:
    """Their derivatives of order nu."""
    if not nu:
        return basis(t, k, x, j)
    if nu > k:
        return [x * 0.0] * (k + 1)
    lower = basis_derivative(t, k - 1, x, j, nu - 1)
    scaled = [k * lower[i] / (take(t, j + i + 1) - take(t, j + i + 1 - k)) for i in range(k)]
    return [-scaled[0], *[scaled[i - 1] - scaled[i] for i in range(1, k)], scaled[-1]]


class Spline:
    """``Σ_i c[i] B_i(x)``: what ``scipy.interpolate.BSpline`` is when it holds or meets traced values."""

    def __init__(self, t: Any, c: Any, k: int, extrapolate: Any = True, axis: int = 0):
        self.t, self.c, self.k, self.axis = data(t), data(c), int(plain(k, "the degree of a spline")), axis
        self.extrapolate = extrapolate
        if self.t.shape[0] < 2 * self.k + 2:
            raise ValueError(f"Need at least {2 * self.k + 2} knots for degree {self.k}")
        if self.c.shape[0] < self.t.shape[0] - self.k - 1:
            raise ValueError("Knots, coefficients and degree are inconsistent.")

    @property
    def tck(self) -> tuple[Any, Any, int]:
        return self.t, self.c, self.k

    @property
    def n(self) -> int:
        """Number of basis functions."""
        return int(self.t.shape[0]) - self.k - 1

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        if nu:
            return self.derivative(nu)(x, 0, self.extrapolate if extrapolate is None else extrapolate)
        extrapolate, at = self.extrapolate if extrapolate is None else extrapolate, data(x)
        shape, at = at.shape, np.reshape(at, (-1,))
        low, high = self.t[self.k], self.t[self.n]
        inside = (at >= low) & (at <= high)
        if isinstance(extrapolate, str) and extrapolate == "periodic":
            at = low + (at - low) % (high - low)
        j = interval(self.t, self.k, self.n, at)
        total: Any = 0.0
        for i, b in enumerate(basis(self.t, self.k, at, j)):
            total = total + shaped(b, self.c.ndim) * take(self.c, j + (i - self.k))
        if not extrapolate:
            total = chosen(shaped(inside, total.ndim), total, np.nan)
        return _with_points_at(np.reshape(total, (*shape, *self.c.shape[1:])), len(shape), self.axis)

    def derivative(self, nu: int = 1) -> Spline:
        """The spline of lower degree that is the derivative."""
        if nu < 0:
            return self.antiderivative(-nu)
        t, c, k = self.t, self.c[:self.n], self.k
        for _ in range(nu):
            if not k:
                return Spline(t, c * 0.0, 0, self.extrapolate, self.axis)
            widths = t[k + 1:-1] - t[1:-k - 1]
            flat = known(widths == 0)
            c = (c[1:] - c[:-1]) * k / shaped(FUNCTIONS[np.where](flat, 1.0, widths), c.ndim)
            c = chosen(~shaped(flat, c.ndim), c, 0.0)
            t, k = t[1:-1], k - 1
        return Spline(t, c, k, self.extrapolate, self.axis)

    def antiderivative(self, nu: int = 1) -> Spline:
        """The spline of higher degree whose derivative this is, 0 at the left end."""
        if nu < 0:
            return self.derivative(-nu)
        t, c, k = self.t, self.c[:self.n], self.k
        for _ in range(nu):
            sums = np.cumsum(c * shaped(t[k + 1:] - t[:-k - 1], c.ndim), 0) / (k + 1)
            c = np.concatenate([sums[:1] * 0.0, sums])
            t, k = np.concatenate([t[:1], t, t[-1:]]), k + 1
        periodic = isinstance(self.extrapolate, str)
        return Spline(t, c, k, False if periodic else self.extrapolate, self.axis)

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Any:
        """The integral from a to b; without extrapolation the spline counts as 0 outside."""
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        if isinstance(extrapolate, str):
            refuse("integrate", "the integral of a periodic function is not traced; add those of its periods")
        a, b, whole = data(a), data(b), self.antiderivative()
        if not extrapolate:
            low, high = self.t[self.k], self.t[self.n]
            a, b = [np.minimum(np.maximum(v, low), high) for v in (a, b)]
        return whole(b, 0, True) - whole(a, 0, True)


@scipy_object("scipy.interpolate.BSpline")
def made_outside(made: Any) -> Spline:
    return Spline(made.t, made.c, made.k, made.extrapolate, made.axis)


@scipy_object("scipy.interpolate.UnivariateSpline", "scipy.interpolate.InterpolatedUnivariateSpline",
              "scipy.interpolate.LSQUnivariateSpline")
def _univariate_made_outside(made: Any) -> Any:
    return _Univariate(made._eval_args, made.ext)


class _Univariate:
    """``UnivariateSpline`` and its descendants at a traced point."""

    def __init__(self, tck: Any, ext: Any):
        self.tck, self.ext = tck, ext

    def __call__(self, x: Any, nu: int = 0, ext: Any = None) -> Any:
        return splev(x, self.tck, nu, self.ext if ext is None else ext)

    def integral(self, a: Any, b: Any) -> Any:
        return splint(a, b, self.tck)

    def derivative(self, n: int = 1) -> Any:
        return _Univariate(splder(self.tck, n), 1 if self.ext in (3, "const") else self.ext)

    def antiderivative(self, n: int = 1) -> Any:
        return _Univariate(splantider(self.tck, n), self.ext)


@scipy_function("scipy.interpolate.InterpolatedUnivariateSpline", as_given=True)
def interpolated_univariate_spline(x: Any, y: Any, w: Any = None, bbox: Any = (None, None), k: int = 3, ext: Any = 0,
                                   check_finite: bool = False) -> Any:
    """``scipy.interpolate.InterpolatedUnivariateSpline``; the weights do not matter."""
    if any(b is not None for b in bbox):
        refuse("InterpolatedUnivariateSpline", "bbox= is not traced; leave it away")
    return _Univariate(splrep(x, y, k=k), ext)


@scipy_function("scipy.interpolate.BSpline")
def bspline(t: Any, c: Any, k: Any, extrapolate: Any = True, axis: int = 0) -> Spline:
    """``scipy.interpolate.BSpline``."""
    t, c = data(t), data(c)
    axis = axis % c.ndim
    t = require(t, t[1:] >= t[:-1], "Knots must be in a non-decreasing order.")
    return Spline(t, np.moveaxis(c, axis, 0) if axis else c, k, extrapolate, axis)


# ---------------------------------------------------------------- interpolation

_NAMED: dict[str, Any] = {"natural": [(2, None)], "clamped": [(1, None)], "not-a-knot": None}


def _ends(condition: Any, shape: tuple[int, ...]) -> list[tuple[int, Any]]:
    """Orders and values of the derivatives at one end."""
    if isinstance(condition, str):
        if condition not in _NAMED:
            raise ValueError(f"Unknown boundary condition: {condition}")
        condition = _NAMED[condition]
    return [(int(plain(nu, "the order of a derivative in bc_type")), np.zeros(shape) if v is None else data(v))
            for nu, v in condition or []]


def _knots(x: Any, k: int, derivatives: bool) -> Any:
    """Where SciPy puts the knots of an interpolant, as many as conditions."""
    n = x.shape[0]
    if derivatives:
        inner = x[1:-1]
    elif k % 2:
        inner = x[(k + 1) // 2:n - (k + 1) // 2]
    else:
        inner = (0.5 * (x[1:] + x[:-1]))[k // 2:n - 1 - k // 2]
    return np.concatenate([*[x[:1]] * (k + 1), inner, *[x[-1:]] * (k + 1)])


@scipy_function("scipy.interpolate.make_interp_spline", as_given=True)
def make_interp_spline(x: Any, y: Any, k: int = 3, t: Any = None, bc_type: Any = None, axis: int = 0,
                       check_finite: bool = True) -> Spline:
    """``scipy.interpolate.make_interp_spline``."""
    x, y = data(x), data(y)
    axis = axis % max(y.ndim, 1)
    if axis:
        y = np.moveaxis(y, axis, 0)
    if isinstance(bc_type, str) and bc_type == "periodic":
        refuse("make_interp_spline", "bc_type='periodic' is not traced; use CubicSpline(bc_type='periodic')")
    if x.ndim != 1 or x.shape[0] != y.shape[0]:
        raise ValueError(f"Shapes of x {x.shape} and y {y.shape} are incompatible")
    x = increasing(x, "Expect x to not have duplicates or to be increasing")
    if k == 0:
        return Spline(np.concatenate([x, x[-1:]]), y, 0, True, axis)
    pair = (bc_type, bc_type) if bc_type is None or isinstance(bc_type, str) else bc_type
    first, last = [_ends(c, y.shape[1:]) for c in pair]
    if t is None:
        if k == 3 and (first or last) and not (first and last):
            refuse("make_interp_spline", "a condition at one end only needs knots: give t=")
        t = _knots(x, k, bool(first or last))
    t = data(t)
    n = t.shape[0] - k - 1
    if n != x.shape[0] + len(first) + len(last):
        raise ValueError(f"The number of derivatives at boundaries does not match: expected {n - x.shape[0]}, got "
                         f"{len(first)}+{len(last)}")
    where = np.concatenate([*[x[:1]] * len(first), x, *[x[-1:]] * len(last)])
    c = _collocated(t, k, where, [nu for nu, _ in first], [nu for nu, _ in last], np.concatenate(
        [*[np.reshape(v, (1, *y.shape[1:])) for _, v in first], y, *[np.reshape(v, (1, *y.shape[1:])) for _, v in last]]))
    return Spline(t, c, k, True, axis)


def _collocated(t: Any, k: int, where: Any, first: list[int], last: list[int], right: Any) -> Any:
    """The coefficients of the spline that takes these values (and derivatives at the ends): a banded system."""
    n, j = where.shape[0], interval(t, k, where.shape[0], where)
    rows = [basis(t, k, where, j)]
    entries = np.stack(rows[0], 1)
    for at, orders in ((slice(0, len(first)), first), (slice(n - len(last), n), last)):
        if orders:
            known_rows = [np.stack([np.reshape(b, ()) for b in basis_derivative(t, k, where[i], j[i], nu)])[None]
                          for i, nu in zip(range(n)[at], orders, strict=True)]
            parts = [entries[:at.start], *known_rows, entries[at.stop:]]
            entries = np.concatenate([p for p in parts if p.shape[0]])
    band = k + max(len(first), len(last))
    columns = np.reshape(j, (-1, 1)) + np.arange(-k, 1)
    at = (band + np.arange(n)[:, None] - columns) * n + columns
    ab = np.reshape(np.zeros((2 * band + 1) * n), (-1,))
    ab = np.reshape(_scattered(ab.shape[0], at, entries), (2 * band + 1, n))
    flat = np.reshape(right, (n, -1))
    if isinstance(flat, Tracer) or isinstance(ab, Tracer):
        ab = ab.astype(flat.dtype) if ab.dtype != flat.dtype else ab
    return np.reshape(solve_banded(ab, flat, band), right.shape)


def _scattered(size: int, at: Any, values: Any) -> Any:
    """A vector with these values at these places, and 0 elsewhere."""
    out = FUNCTIONS[np.zeros_like](values, shape=(size,)) if isinstance(values, Tracer) else np.zeros(size)
    out[np.reshape(at, (-1,))] = np.reshape(values, (-1,))
    return out


# ---------------------------------------------------------------- FITPACK's names

@scipy_function("scipy.interpolate.splrep", as_given=True)
def splrep(x: Any, y: Any, w: Any = None, xb: Any = None, xe: Any = None, k: int = 3, task: int = 0, s: Any = None,
           t: Any = None, full_output: int = 0, per: int = 0, quiet: int = 1) -> Any:
    """``scipy.interpolate.splrep`` without smoothing: the coefficients are followed by k + 1 zeros."""
    if (s is None and w is not None) or (s is not None and plain(s, "the smoothing of splrep") != 0):
        refuse("scipy.interpolate.splrep", "smoothing chooses knots by the data, which has no derivative; use s=0")
    if task or t is not None or per or full_output or xb is not None or xe is not None:
        refuse("scipy.interpolate.splrep", "only x, y and k are traced")
    made = make_interp_spline(x, y, k)
    return made.t, np.concatenate([made.c, np.zeros(k + 1)]), k


def _spline(tck: Any) -> Spline:
    if isinstance(tck, Spline):
        return tck
    if type(tck).__name__ == "BSpline":
        return made_outside(tck)
    t, c, k = tck
    return Spline(t, c, k)


@scipy_function("scipy.interpolate.splev", as_given=True)
def splev(x: Any, tck: Any, der: int = 0, ext: Any = 0) -> Any:
    """``scipy.interpolate.splev``."""
    ext = {"extrapolate": 0, "zeros": 1, "raise": 2, "const": 3}.get(ext, ext)
    if ext not in (0, 1, 2, 3):
        raise ValueError(f"ext = {ext} not in (0, 1, 2, 3) ")
    if not isinstance(tck, Spline) and type(tck).__name__ != "BSpline" and isinstance(tck[1], (list, tuple)):
        return [splev(x, (tck[0], c, tck[2]), der, ext) for c in tck[1]]
    made = _spline(tck)
    at = data(x)
    low, high = made.t[made.k], made.t[made.n]
    if ext == 3 and not der:  # derivatives extrapolate, whatever ext is
        at = np.minimum(np.maximum(at, low), high)
    inside = (at >= low) & (at <= high)
    if ext == 2:
        at = require(at, inside, "Found x value not in the domain")
    out = made(at, der, True)
    return chosen(inside, out, 0.0) if ext == 1 else out


@scipy_function("scipy.interpolate.splint", as_given=True)
def splint(a: Any, b: Any, tck: Any, full_output: int = 0) -> Any:
    """``scipy.interpolate.splint``: the spline counts as 0 outside."""
    if full_output:
        refuse("scipy.interpolate.splint", "full_output= is not traced")
    return _spline(tck).integrate(a, b, False)


@scipy_function("scipy.interpolate.splder", as_given=True)
def splder(tck: Any, n: int = 1) -> Any:
    """``scipy.interpolate.splder``: coefficients followed by zeros up to the number of knots."""
    return _padded(_spline(tck).derivative(n))


@scipy_function("scipy.interpolate.splantider", as_given=True)
def splantider(tck: Any, n: int = 1) -> Any:
    """``scipy.interpolate.splantider``."""
    return _padded(_spline(tck).antiderivative(n))


def _padded(made: Spline) -> Any:
    return made.t, np.concatenate([made.c, np.zeros((made.k + 1, *made.c.shape[1:]))]), made.k
