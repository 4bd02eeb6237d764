"""How far to go along a direction.

What comes in: a function along a line, φ(s) = f(x + s d), and a first guess. What goes out: a step that meets the conditions,
or None where there is none. The one idea: where φ changes by no more than its rounding, its slope says whether it fell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import InputError

from .problem import Array, Objective

__all__ = ["Backtracking", "Line", "StrongWolfe"]

NOISE = 1e3  # roundings of a value that a comparison of two does not see


class Line:
    """f along a line, every point of which is evaluated once.

    Attributes
    ----------
    value, slope : float
        φ(0) and φ′(0).
    noise : float
        What of a value may be rounding.
    """

    def __init__(self, objective: Objective, x: Array, value: float, gradient: Array, direction: Array):
        self.objective, self.x, self.direction = objective, x, direction
        self.value, self.slope = value, float(gradient @ direction)
        self.noise = NOISE * objective.layout.eps * abs(value)
        self.values: dict[float, float] = {}
        self.gradients: dict[float, Array] = {}

    def value_at(self, s: float) -> float:
        """φ(s), infinity where it is not a number."""
        if s not in self.values:
            with np.errstate(all="ignore"):
                self._keep(s, self.objective.value(self.x + s * self.direction))
        return self.values[s]

    def slope_at(self, s: float) -> float:
        """φ′(s)."""
        if s not in self.gradients:
            with np.errstate(all="ignore"):
                if s in self.values:
                    self.gradients[s] = self.objective.gradient_at(self.x + s * self.direction)
                else:
                    value, self.gradients[s] = self.objective.value_and_gradient(self.x + s * self.direction)
                    self._keep(s, value)
        with np.errstate(all="ignore"):
            return float(self.gradients[s] @ self.direction)

    def _keep(self, s: float, value: float) -> None:
        self.values[s] = value if math.isfinite(value) else math.inf


@dataclass(frozen=True)
class Backtracking:
    """The first of s, factor · s, factor² · s, ... with sufficient decrease (Armijo), ``φ(s) ≤ φ(0) + c s φ′(0)``.

    It compares values alone, so the gradient may be an estimate.

    Parameters
    ----------
    decrease : float
        c, between 0 and 1.
    factor : float
        Between 0 and 1.
    most : int
        How many steps are tried.

    References
    ----------
    L. Armijo, Minimization of functions having Lipschitz continuous first partial derivatives, Pacific J. Math. 16 (1966).

    Examples
    --------
    >>> import wengert as wg
    >>> found = wg.optim.gradient_descent(lambda x: x ** 4, 3.0, step=wg.optim.Backtracking(factor=0.25), tolerance=1e-6)
    >>> found.converged, bool(abs(found.x) < 0.01)
    (True, True)
    """

    decrease: float = 1e-4
    factor: float = 0.5
    most: int = 60

    def __post_init__(self) -> None:
        _fractions(self, "decrease", "factor")

    def find(self, line: Line, first: float) -> float | None:
        s = first
        for _ in range(self.most):
            if line.value_at(s) <= line.value + self.decrease * s * line.slope and line.value_at(s) < line.value:
                return s
            s *= self.factor
        return None


@dataclass(frozen=True)
class StrongWolfe:
    """A step of sufficient decrease whose slope is small enough, ``|φ′(s)| ≤ c₂ |φ′(0)|``.

    The interval grows until it holds such a step, and shrinks by cubic interpolation. Where φ changes by no more than rounding,
    ``φ′(s) ≤ (2 c₁ − 1) φ′(0)`` stands for the decrease.

    Parameters
    ----------
    decrease : float
        c₁, below ½.
    curvature : float
        c₂, above c₁; small for a search that is nearly exact.
    most : int
        How many steps are tried.

    References
    ----------
    J. Nocedal, S. J. Wright, Numerical Optimization, 2nd ed. (2006), algorithms 3.5 and 3.6. W. W. Hager, H. Zhang, A new
    conjugate gradient method with guaranteed descent and an efficient line search, SIAM J. Optim. 16 (2005), of the last
    condition.

    Examples
    --------
    >>> import wengert as wg
    >>> search = wg.optim.StrongWolfe(curvature=0.01)
    >>> wg.optim.lbfgs(lambda x: x ** 2, 3.0, line_search=search).iterations
    1
    """

    decrease: float = 1e-4
    curvature: float = 0.9
    most: int = 40

    def __post_init__(self) -> None:
        _fractions(self, "decrease", "curvature")
        if not self.decrease < min(self.curvature, 0.5):
            raise InputError(f"StrongWolfe: decrease is {self.decrease}; it lies below 1/2 and below curvature, "
                             f"{self.curvature}")

    def find(self, line: Line, first: float) -> float | None:
        below, s = 0.0, first
        for k in range(self.most):
            slope = line.slope_at(s)
            if not self._falls(line, s) or (k and line.values[s] > self._value(line, below) + line.noise):
                return self._shrink(line, below, s, self.most - k)
            if abs(slope) <= -self.curvature * line.slope:
                return s
            if slope >= 0:
                return self._shrink(line, s, below, self.most - k)
            guess = _cubic(line, below, s)
            below, s = s, min(max(guess, 2.0 * s), 10.0 * s) if math.isfinite(guess) and guess > s else 4.0 * s
        return self._lower(line, below)

    def _falls(self, line: Line, s: float) -> bool:
        """Whether there is sufficient decrease."""
        value = line.value_at(s)
        if value <= line.value + self.decrease * s * line.slope and value < line.value:
            return True
        return abs(value - line.value) <= line.noise and line.slope_at(s) <= (2.0 * self.decrease - 1.0) * line.slope

    def _lower(self, line: Line, s: float) -> float | None:
        """A step without the curvature wanted, if its value is less for certain."""
        return s if s and line.values[s] < line.value else None

    def _value(self, line: Line, s: float) -> float:
        return line.values[s] if s else line.value

    def _shrink(self, line: Line, low: float, high: float, most: int) -> float | None:
        """Between `low`, of sufficient decrease (or 0), and `high` there is a step; half of the interval goes at the latest."""
        for _ in range(most):
            width = high - low
            s = _cubic(line, low, high)
            inside = min(low, high) + 0.1 * abs(width) <= s <= max(low, high) - 0.1 * abs(width)
            if not inside:
                nearer = low + 0.1 * width if math.isfinite(s) and abs(s - low) < abs(s - high) else low + 0.5 * width
                s = nearer if line.values.get(high, 0.0) < math.inf else low + 0.1 * width
            if s in (low, high) or abs(width) <= 1e-16 * max(abs(low), abs(high)):
                break
            slope = line.slope_at(s)
            if not self._falls(line, s) or line.values[s] > self._value(line, low) + line.noise:
                high = s
                continue
            if abs(slope) <= -self.curvature * line.slope:
                return s
            if slope * (high - low) >= 0:
                high = low
            low = s
        return self._lower(line, low)


def _cubic(line: Line, a: float, b: float) -> float:
    """Where the cubic with the values and slopes at a and b is least; NaN where it has no minimum."""
    fa, fb = (line.values[s] if s else line.value for s in (a, b))
    ga, gb = (line.slope_at(s) if s else line.slope for s in (a, b))
    if not all(map(math.isfinite, (fa, fb, ga, gb))):
        return math.nan
    if abs(fa - fb) <= line.noise:  # the values say nothing: the zero of the slope
        return a - ga * (b - a) / (gb - ga) if gb != ga else math.nan
    d = ga + gb - 3.0 * (fa - fb) / (a - b)
    under = d * d - ga * gb
    if under < 0.0:
        return math.nan
    root = math.copysign(math.sqrt(under), b - a)
    below = gb - ga + 2.0 * root
    return b - (b - a) * (gb + root - d) / below if below else math.nan


def _fractions(owner: Any, *names: str) -> None:
    for name in names:
        if not 0.0 < getattr(owner, name) < 1.0:
            raise InputError(f"{type(owner).__name__}: {name} is {getattr(owner, name)}; it lies between 0 and 1")
