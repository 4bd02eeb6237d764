"""A function under the probe: every evaluation counted, checked and flattened.

What comes in: the user's function, the point, and the choices of method, order, accuracy and step. What goes
out: lines through the point, ready to be searched, and results in the user's shapes and dtypes. The one idea:
the search sees flat float64 or complex128 arrays only; all questions of shape, dtype and failure are settled
here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .search import FIRST, Found, Line, at_given_step, extrapolate, search
from .weights import stencil

__all__ = ["METHODS", "Estimate", "Probe", "Scheme", "as_point", "line", "scale", "scheme_of", "solve"]

Array = NDArray[Any]

METHODS = ("central", "forward", "backward", "complex", "richardson")


@dataclass(frozen=True)
class Estimate:
    """A derivative with what is known about it.

    Attributes
    ----------
    value : ndarray or scalar
        The derivative. NaN where no step gave a finite number.
    error : ndarray or scalar of float64
        Bound of the absolute error, truncation and rounding together, as estimated from the values of the
        function: no finite number of samples can prove it. Infinite where `value` is NaN.
    step : ndarray or scalar of float64
        The step in x that gave `value`, per element; 0 where nothing had to be evaluated.
    evaluations : int
        How many times the function was called.
    """

    value: Any
    error: Any
    step: Any
    evaluations: int


@dataclass(frozen=True)
class Scheme:
    """The choices of a caller, checked: see `scheme_of`."""

    name: str
    method: str
    order: int
    accuracy: int
    step: Any
    with_error: bool

    @property
    def with_noise(self) -> bool:
        """Whether the noise of f matters: it does not for the bare value at a given step."""
        return self.with_error or self.step is None or self.method == "richardson"


def scheme_of(
    name: str, method: str, order: int, accuracy: int | None, step: Any, with_error: bool
) -> Scheme:
    """Check the choices and fill in the default accuracy: 2 around the point, 1 on one side of it."""
    if method not in METHODS:
        names = ", ".join(map(repr, METHODS))
        raise ValueError(f"{name}: unknown method {method!r}; the methods are {names}")
    if not isinstance(order, int | np.integer) or order < 1:
        raise ValueError(f"{name}: order must be a whole number from 1 up, not {order!r}")
    if accuracy is None:
        accuracy = 1 if method in ("forward", "backward") else 2
    elif method in ("complex", "richardson"):
        raise ValueError(f"{name}: method={method!r} has no accuracy to choose; leave accuracy out")
    if not isinstance(accuracy, int | np.integer) or accuracy < 1:
        raise ValueError(f"{name}: accuracy must be a whole number from 1 up, not {accuracy!r}")
    if method == "central" and accuracy % 2:
        raise ValueError(f"{name}: a central formula has even accuracy, not {accuracy}; write {accuracy + 1}")
    if step is not None and method == "complex" and order > 1:
        raise ValueError(f"{name}: with method='complex' and order {order} the step is searched, not given")
    if step is not None:
        step = np.asarray(step, float)
        if not np.all(np.isfinite(step) & (step > 0)):
            raise ValueError(f"{name}: step must be positive and finite, not {step}")
    return Scheme(name, method, int(order), int(accuracy), step, with_error)


def as_point(name: str, x: Any, what: str = "x") -> Array:
    """`x` as an array of floating or complex dtype, or a TypeError that says what to write instead."""
    point = np.asarray(x)
    if point.dtype.kind in "iub":
        raise TypeError(
            f"{name}: {what} has dtype {point.dtype}; integer inputs have no derivative; write 3.0 for 3, "
            f"or pass {what}.astype(float)"
        )
    if point.dtype.kind not in "fc":
        raise TypeError(f"{name}: {what} must be an array of floats, not of {point.dtype}")
    return point


class Probe:
    """The function at points near x, as flat float64 or complex128 arrays; the calls are counted.

    Away from x a step may leave the domain: NumPy's warnings are silenced there, and errors of arithmetic
    count as NaN. The first such error is kept, to be raised if no step gives a number.
    """

    def __init__(self, name: str, f: Callable[[Any], Any], x: Array, scalar: bool) -> None:
        self.name, self.f, self.x, self.scalar = name, f, x, scalar
        self.count = 0
        self.failure: Exception | None = None
        self.measured: Array | None = None
        out = self.call(x)
        self.shape, self.dtype = out.shape, out.dtype
        self.center = self.flat(out)
        self.size = self.center.size
        self.eps_x = float(np.finfo(x.dtype).eps)
        self.eps = max(float(np.finfo(self.dtype).eps), self.eps_x)

    def call(self, point: Array) -> Array:
        """f at a point: copies go in and come out, so f may write into its argument and reuse its answer."""
        self.count += 1
        out = np.array(self.f(point[()] if self.scalar else point.copy()))
        if out.dtype.kind in "iub":
            out = out.astype(float)
        if out.dtype.kind not in "fc":
            raise TypeError(f"{self.name}: f must return numbers, not {out.dtype}")
        return out

    def flat(self, out: Array) -> Array:
        if out.shape != self.shape:
            raise ValueError(f"{self.name}: f returned the shape {self.shape} at x and {out.shape} near x")
        return out.astype(np.result_type(out.dtype, np.float64)).reshape(-1)

    def near(self, point: Array) -> Array:
        """f at a point near x, flat; NaN where f fails for want of a number."""
        with np.errstate(all="ignore"):
            try:
                out = self.call(point)
            except (ArithmeticError, ValueError) as error:
                self.failure = self.failure or error
                return np.full(self.center.shape, np.nan, self.center.dtype)
        values = self.flat(out)
        if values.dtype.kind == "c" and self.dtype.kind != "c":  # left the domain where f is real
            values = np.where(values.imag == 0, values.real, np.nan)
        return values

    def noise(self) -> Array:
        """The error of the values of f, measured: fourth and fifth differences of values at tiny distances.

        A smooth function contributes nothing there; errors of standard deviation σ give k-th differences of
        variance σ²·(2k)!/(k!)² (R. W. Hamming, Introduction to Applied Numerical Analysis, 1971; J. J. Moré
        and S. M. Wild, Estimating computational noise, SIAM J. Sci. Comput. 33 (2011), 1292-1314).
        """
        if self.measured is None:
            # Some sixty units in the last place apart, and not on the grid of the values of simple functions.
            apart = 57.3 * self.eps_x * scale(self.x)
            deviation, flat = self.deviation(apart)
            for _ in range(3):  # where f does not move at all, it may be rounding its values: look wider
                if not np.any(flat):
                    break
                apart = 256 * apart
                wider, still = self.deviation(apart)
                deviation, flat = np.where(flat, wider, deviation), flat & still
            self.measured = np.where(np.isfinite(deviation), 3 * deviation, 0.0)
        return self.measured

    def deviation(self, apart: Array) -> tuple[Array, Array]:
        """The standard deviation of the errors of seven values of f so far apart, and where all are equal."""
        rows = [self.center]
        with np.errstate(all="ignore"):
            for k in range(1, 7):
                rows.append(self.near(self.x + np.asarray(k * apart).astype(self.x.dtype)))
            values = np.stack(rows)
            squares = [np.mean(np.abs(np.diff(values, k, axis=0)) ** 2, axis=0) for k in (4, 5)]
        deviation = np.sqrt(np.maximum(squares[0] / math.comb(8, 4), squares[1] / math.comb(10, 5)))
        return deviation, np.all(values == values[0], axis=0)

    def finish(self, value: Array, error: Array, step: Array, shape: tuple[int, ...], dtype: Any) -> Estimate:
        """Flat results in the shape and dtype that the caller expects; rounding to it adds to the error."""
        if self.failure is not None and value.size and np.all(np.isinf(error)):
            raise self.failure
        target = np.dtype(dtype)
        if np.finfo(target).eps > np.finfo(np.float64).eps:
            error = error + np.finfo(target).eps * np.abs(value)
        error = np.where(np.isnan(error), np.inf, error)
        with np.errstate(over="ignore"):
            parts = value.astype(target), error.astype(float), step.astype(float)
        value, error, step = (part.reshape(shape)[()] for part in parts)
        return Estimate(value, error, step, self.count)

    def result_dtype(self) -> Any:
        """The dtype of a derivative in a real direction."""
        return np.result_type(self.dtype, self.x.real.dtype)


def scale(x: Array) -> Array:
    """A power of two near max(|x|, 1), so that steps of so many times it are added to x without rounding."""
    size = np.where(np.isfinite(x), np.maximum(np.abs(x), 1.0), 1.0).astype(float)
    return np.exp2(np.floor(np.log2(size)))


def line(probe: Probe, direction: Array, grain: Array | float, with_noise: bool = True) -> Line:
    """The line x + τ·direction. Real directions keep the dtype of x. Measuring the noise may be spared."""

    def sample(tau: float) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):
            point = probe.x + np.asarray(tau * direction).astype(probe.x.dtype)
        values = probe.near(point)
        return values, np.abs(values)

    noise = probe.noise() if with_noise else 0.0
    return Line(sample, (probe.center, np.abs(probe.center)), probe.eps, grain, noise)


def solve(along: Line, scheme: Scheme, order: int | None = None) -> Found:
    """The derivative of a line by the method, accuracy and step of the scheme, in units of τ."""
    order = order or scheme.order
    with np.errstate(all="ignore"):
        if scheme.method in ("richardson", "complex"):
            first = 1.0 if scheme.step is not None and scheme.method == "richardson" else FIRST
            return extrapolate(along, stencil(order, "central", 2), first)
        formula = stencil(order, scheme.method, scheme.accuracy)
        if scheme.step is not None:
            return at_given_step(along, formula, scheme.with_error)
        return search(along, formula)
