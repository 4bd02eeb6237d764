"""The error of a difference quotient against its step: a V, of truncation on one side and rounding on the other.

What comes in: a real function, a point, a direction. What goes out: forward differences, central differences and the
complex step at every step from 1 down to 1e-16, their errors, and where theory puts the least of them. The one idea: each
term of the error is a power of the step, so in logarithms all curves are straight lines that cross.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .differences import directional_estimate
from .probe import Estimate, as_point

__all__ = ["StepCurve", "step_curve"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StepCurve:
    """Difference quotients at many steps; draw them with `plot`.

    Attributes
    ----------
    steps : ndarray
        h, from large to small.
    forward, central, complex_step : ndarray
        The quotient at each step; `complex_step` is NaN where f does not compute with complex numbers.
    derivative, uncertainty : float
        What they are held against, and how far that may be off.
    rounding : float
        The error of a value of f, as a number.
    second, third : float
        The second and the third derivative along the direction, as estimated; they set the truncation errors
        ``h |f''| / 2`` and ``h² |f'''| / 6``.
    """

    steps: Array
    forward: Array
    central: Array
    complex_step: Array
    derivative: float
    uncertainty: float
    rounding: float
    second: float
    third: float

    def errors(self, method: str) -> Array:
        """|quotient − derivative| of "forward", "central" or "complex_step" at each step."""
        return np.abs(getattr(self, method) - self.derivative)

    def predicted(self, method: str) -> Array:
        """Truncation and rounding: ``h |f''| / 2 + 2 ρ / h`` for "forward", ``h² |f'''| / 6 + ρ / h`` for "central"."""
        if method == "forward":
            return self.steps * abs(self.second) / 2 + 2 * self.rounding / self.steps
        return self.steps ** 2 * abs(self.third) / 6 + self.rounding / self.steps

    @property
    def best_forward(self) -> float:
        """The step of least error by theory, ``2 √(ρ / |f''|)``; infinite where f'' is 0."""
        return 2 * float(np.sqrt(_over(self.rounding, abs(self.second))))

    @property
    def best_central(self) -> float:
        """The step of least error by theory, ``∛(3 ρ / |f'''|)``; infinite where f''' is 0."""
        return float(np.cbrt(_over(3 * self.rounding, abs(self.third))))

    def plot(self, file: Any) -> None:
        """Draw the curves into a file (PNG, PDF or SVG); Matplotlib is needed, ``pip install 'wengert[plot]'``."""
        from matplotlib.figure import Figure
        figure = Figure(figsize=(7.5, 5), layout="constrained")
        axes = figure.add_subplot()
        drawn = (("forward", "C0", self.best_forward), ("central", "C1", self.best_central), ("complex_step", "C2", np.inf))
        least = np.finfo(float).eps * (abs(self.derivative) or 1.0) / 4
        for method, color, best in drawn:
            shown = np.maximum(self.errors(method), least)
            axes.loglog(self.steps, shown, ".-", color=color, linewidth=1, markersize=4, label=method.replace("_", " "))
            if method != "complex_step":
                axes.loglog(self.steps, self.predicted(method), "--", color=color, linewidth=1, alpha=0.6)
            if np.isfinite(best):
                axes.axvline(best, color=color, linestyle=":", linewidth=1.2)
                axes.annotate(f"h = {best:.1e}", (best, 0.98), xycoords=("data", "axes fraction"), rotation=90, va="top",
                              ha="right", color=color, fontsize=9)
        axes.plot([], [], "--", color="gray", linewidth=1, label="theory: truncation + rounding")
        axes.plot([], [], ":", color="gray", label="best step by theory")
        axes.set(xlabel="step h", ylabel="error of the derivative (exact: at the bottom)", ylim=(least / 2, None))
        figure.legend(loc="outside lower center", ncols=3)
        axes.grid(alpha=0.3)
        figure.savefig(file, dpi=110)


def _over(a: float, b: float) -> float:
    return a / b if b else float("inf")


def _point(x: Any) -> Array:
    point = as_point("step_curve", x)
    if point.dtype.kind == "c":
        raise TypeError("step_curve: x is complex; write f as a function of its real and imaginary parts")
    if not point.size:
        raise ValueError("step_curve: x is an empty array; pass one with elements")
    return point


def step_curve(f: Callable[[Any], Any], x: Any, direction: Any = None, *, steps: Any = None) -> StepCurve:
    """The difference quotients of f at x along a direction, at every step from 1 to 1e-16.

    Parameters
    ----------
    f : callable
        Takes a float or an array of x's shape, returns a real number.
    x : float or ndarray of float
    direction : ndarray of x.shape, optional
        v of the derivative ``d/dt f(x + t v)`` at 0; by default all ones, divided by √d.
    steps : array_like, optional
        Other steps, positive.

    Returns
    -------
    StepCurve
        The derivative that all are held against is the complex step's where f is analytic and computes with complex
        numbers, else Richardson's; with its error estimate.

    Raises
    ------
    TypeError, ValueError
        As for `directional`; ValueError also where f is not finite at x.

    Examples
    --------
    >>> curve = step_curve(lambda x: x ** 2, 2.0, steps=[0.01])
    >>> round(float(curve.forward[0]), 10), round(float(curve.central[0]), 10), curve.derivative
    (4.01, 4.0, 4.0)
    >>> f"{step_curve(lambda x: x ** 3, 1.0).best_central:.0e}"
    '4e-06'

    References
    ----------
    W. Squire and G. Trapp, SIAM Rev. 40 (1998), 110-112, have this figure.
    """
    point = _point(x)
    v = np.full(point.shape, 1 / np.sqrt(point.size)) if direction is None else np.asarray(direction, float)
    h = 10.0 ** -np.linspace(0, 16, 129) if steps is None else np.atleast_1d(np.asarray(steps, float))
    if h.ndim != 1 or not np.all(np.isfinite(h) & (h > 0)):
        raise ValueError("step_curve: steps must be positive and finite, and in one dimension")
    scalar = not isinstance(x, np.ndarray)

    def at(t: Any) -> Any:
        moved = point + t * v
        with np.errstate(all="ignore"):
            return np.asarray(f(moved[()] if scalar else moved))

    found = _reference(f, x, v)
    center = float(at(0.0))
    if not np.isfinite(center):
        raise ValueError(f"step_curve: f is {center} at x, where it has no derivative; take a point where it is finite")
    after, before = (np.array([float(at(sign * t)) for t in h]) for sign in (1.0, -1.0))
    second, third = (_derivative(f, x, v, order) for order in (2, 3))
    eps = float(np.finfo(np.result_type(point.dtype, np.asarray(f(x)).dtype)).eps)
    return StepCurve(h, (after - center) / h, (after - before) / (2 * h), _complex(at, h), float(found.value),
                     float(found.error), eps / 2 * max(abs(center), np.finfo(float).tiny), second, third)


def _reference(f: Callable[[Any], Any], x: Any, v: Array) -> Estimate:
    try:
        found = directional_estimate(f, x, v, method="complex")
    except (TypeError, ValueError):
        found = directional_estimate(f, x, v, method="richardson")
    if np.iscomplexobj(found.value):
        raise TypeError("step_curve: f must return a real number; take its real or its imaginary part")
    if np.shape(found.value) != ():
        raise TypeError(f"step_curve: f must return a number, not an array of shape {np.shape(found.value)}")
    return found


def _derivative(f: Callable[[Any], Any], x: Any, v: Array, order: int) -> float:
    """A higher derivative, or 0 where it cannot be told from 0."""
    found = directional_estimate(f, x, v, order=order, method="richardson")
    return float(found.value) if abs(found.value) > found.error else 0.0


def _complex(at: Callable[[Any], Any], steps: Array) -> Array:
    """The complex step at each step; NaN where f refuses complex numbers or drops the imaginary part."""
    out = np.full(steps.shape, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        for k, h in enumerate(steps):
            try:
                value = at(1j * h)
            except (TypeError, ValueError, np.exceptions.ComplexWarning):
                break
            if value.dtype.kind == "c":
                out[k] = value.imag / h
    return out
