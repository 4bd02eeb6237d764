"""Descent to a minimum: along the gradient, along conjugate directions, by L-BFGS.

What comes in: a function, or a gradient of it from anywhere, and a starting point. What goes out: a `Descent`. The one idea:
the methods differ in the direction that they make of the gradients so far; all else is one loop.
"""

from __future__ import annotations

import math
import operator
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.api import grad
from wengert.errors import InputError, kind_of
from wengert.progress import Progress

from .line_search import Backtracking, Line, StrongWolfe
from .problem import Array, Descent, Objective, tolerance_of, whole_number

__all__ = ["conjugate_gradient", "gradient_descent", "lbfgs"]

CONVERGED = "the gradient is within the tolerance"
STUCK = "no step decreases the function: its rounding is reached"
EXACT = 1e-6  # the tolerance, where the gradient is exact
HUGE = 1e50  # below minus this there is no minimum
REDRAWN = 20  # gradients in turn that are the same, of one that is random
IDLE = 10  # steps in turn that make neither the value nor the gradient less

Function = Callable[..., Any]
Callback = Callable[[int, Any, Any], Any]
Search = Backtracking | StrongWolfe


def gradient_descent(
    f: Function | None, x0: Any, gradient: Function | None = None, *, step: Any = Backtracking(),  # noqa: B008 (immutable)
    iterations: int = 1000, tolerance: float | None = None, callback: Callback | None = None,
) -> Descent:
    """Gradient descent, ``x_{k+1} = x_k − s_k g(x_k)``.

    Parameters
    ----------
    f : callable or None
        A scalar function. It may be None where only the gradient is needed: then one is given, and the step is no line search.
    x0 : float, ndarray of float or complex, or tree of these
        Where to begin; it is not changed. What is no float and what lies below `Frozen` stays as it is.
    gradient : callable, optional
        g, from a point to what is subtracted from it. The default is the gradient of f, compiled with f. It may be an estimate:
        ``lambda x: wg.numeric.random_gradient(f, x, seed=rng)``; then f is called as it stands.
    step : float, schedule or line search
        s_k: a number, a function of k = 0, 1, ..., `Backtracking`, or `StrongWolfe`.
    iterations : int
        The most steps.
    tolerance : float, optional
        End where the Euclidean norm of g is at most this. The default is 1e-6 for the gradient of f itself, also if it is given
        as ``wg.grad(f)``; for another, whose norm may be beside the point, there is no such end.
    callback : callable, optional
        ``callback(k, x, g)`` before each step; ends the descent by returning True.

    Returns
    -------
    Descent
        It ends, unconverged, where the gradient is not finite (the step was too large), and where no step decreases f. A
        gradient that is random is drawn anew in that case.

    Raises
    ------
    InputError
        x0 without floats, a gradient that does not fit, a step that is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> f = lambda p: np.sum((p["a"] - 3.0) ** 2) + p["b"] ** 2
    >>> found = wg.optim.gradient_descent(f, {"a": np.zeros(2), "b": 1.0}, step=0.25)
    >>> np.round(found.x["a"], 6), found.converged, found.iterations
    (array([3., 3.]), True, 24)

    With a gradient from evaluations alone:

    >>> rng = np.random.default_rng(0)
    >>> estimate = lambda p: wg.numeric.random_gradient(f, p, seed=rng)
    >>> found = wg.optim.gradient_descent(f, {"a": np.zeros(2), "b": 1.0}, estimate, step=0.15, iterations=100)
    >>> bool(found.value < 1e-6)
    True

    References
    ----------
    A.-L. Cauchy, Méthode générale pour la résolution des systèmes d'équations, C. R. Acad. Sci. 25 (1847).
    """
    if f is None and isinstance(step, Search):
        raise InputError("gradient_descent: a line search compares values of f, and f is None; give f, or step=0.1")
    return _Run("gradient_descent", f, x0, gradient, _Steepest(), step, iterations, tolerance, callback).result()


def conjugate_gradient(
    f: Function, x0: Any, gradient: Function | None = None, *, formula: str = "hager-zhang",
    line_search: Search = StrongWolfe(curvature=0.1), iterations: int = 1000,  # noqa: B008 (immutable)
    tolerance: float | None = None, callback: Callback | None = None,
) -> Descent:
    """Nonlinear conjugate gradients, ``d_{k+1} = −g_{k+1} + β_k d_k``, ``x_{k+1} = x_k + s_k d_k``.

    With y = g_{k+1} − g_k, β_k is ``|g_{k+1}|² / |g_k|²`` ("fletcher-reeves"), ``max(0, y·g_{k+1} / |g_k|²)``
    ("polak-ribiere"), or ``(y − 2 d_k |y|² / d_k·y)·g_{k+1} / d_k·y``, bounded below ("hager-zhang"). On a quadratic function
    of n variables, with exact steps, n steps suffice.

    Parameters
    ----------
    f, x0, gradient, iterations, tolerance, callback
        As of `gradient_descent`. Directions are made of differences of gradients: one that is estimated needs little noise.
    formula : {"hager-zhang", "polak-ribiere", "fletcher-reeves"}
    line_search : StrongWolfe or Backtracking

    Returns
    -------
    Descent

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> rosenbrock = lambda x: np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
    >>> found = wg.optim.conjugate_gradient(rosenbrock, np.array([-1.2, 1.0]))
    >>> np.round(found.x, 5), found.converged
    (array([1., 1.]), True)

    References
    ----------
    R. Fletcher, C. M. Reeves, Function minimization by conjugate gradients, Comput. J. 7 (1964). E. Polak, G. Ribière, Note sur
    la convergence de méthodes de directions conjuguées, R.I.R.O. 3 (1969). W. W. Hager, H. Zhang, A new conjugate gradient
    method with guaranteed descent and an efficient line search, SIAM J. Optim. 16 (2005).
    """
    if formula not in _FORMULAS:
        raise InputError(f"conjugate_gradient: formula={formula!r} is none of {', '.join(_FORMULAS)}")
    _require_search("conjugate_gradient", f, line_search)
    return _Run("conjugate_gradient", f, x0, gradient, _Conjugate(_FORMULAS[formula]), line_search, iterations, tolerance,
                callback).result()


def lbfgs(
    f: Function, x0: Any, gradient: Function | None = None, *, memory: int = 10,
    line_search: Search = StrongWolfe(), iterations: int = 1000,  # noqa: B008 (immutable)
    tolerance: float | None = None, callback: Callback | None = None,
) -> Descent:
    """L-BFGS: Newton's direction, with the inverse Hessian from the last `memory` steps and differences of gradients.

    Parameters
    ----------
    f, x0, gradient, iterations, tolerance, callback
        As of `gradient_descent`. Curvature is read off differences of gradients: one that is estimated needs little noise.
    memory : int
        How many steps are kept.
    line_search : StrongWolfe or Backtracking

    Returns
    -------
    Descent

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> rosenbrock = lambda x: np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
    >>> found = wg.optim.lbfgs(rosenbrock, np.zeros(50))
    >>> bool(np.max(np.abs(found.x - 1.0)) < 1e-6), found.converged
    (True, True)

    References
    ----------
    D. C. Liu, J. Nocedal, On the limited memory BFGS method for large scale optimization, Math. Program. 45 (1989).
    """
    _require_search("lbfgs", f, line_search)
    rule = _LimitedMemory(whole_number("lbfgs", "memory", memory, 1))
    return _Run("lbfgs", f, x0, gradient, rule, line_search, iterations, tolerance, callback).result()


def _require_search(who: str, f: Any, search: Any) -> None:
    if f is None:
        raise InputError(f"{who}: the line search compares values of f, and f is None")
    if not isinstance(search, Search):
        raise InputError(f"{who}: line_search is wg.optim.StrongWolfe(...) or wg.optim.Backtracking(...), not {search!r}")


# ---------------------------------------------------------------- directions

class _Steepest:
    """Against the gradient."""

    unit = False  # whether 1 is the natural step

    def direction(self, g: Array) -> Array:
        return -g

    def note(self, s: Array, y: Array, g: Array) -> None:
        """A step was taken, by s; the gradient changed by y, to g."""

    def forget(self) -> bool:
        """Go back to the beginning; whether there was anything to forget."""
        return False


class _Conjugate(_Steepest):
    def __init__(self, formula: Callable[[Array, Array, Array, Array], float]):
        self.formula = formula
        self.last: Array | None = None
        self.beta = 0.0

    def direction(self, g: Array) -> Array:
        d = -g if self.last is None else -g + self.beta * self.last
        self.last = d
        return d

    def note(self, s: Array, y: Array, g: Array) -> None:
        assert self.last is not None
        self.beta = self.formula(g, g - y, y, self.last)
        if not math.isfinite(self.beta):
            self.last = None

    def forget(self) -> bool:
        had, self.last = self.last is not None and self.beta != 0.0, None
        self.beta = 0.0
        return had


def _ratio(a: float, b: float) -> float:
    return a / b if b else 0.0


def _fletcher_reeves(g: Array, before: Array, y: Array, d: Array) -> float:
    return _ratio(float(g @ g), float(before @ before))


def _polak_ribiere(g: Array, before: Array, y: Array, d: Array) -> float:
    return max(0.0, _ratio(float(y @ g), float(before @ before)))


def _hager_zhang(g: Array, before: Array, y: Array, d: Array) -> float:
    along = float(d @ y)
    beta = _ratio(float(y @ g) - 2.0 * _ratio(float(y @ y), along) * float(d @ g), along)
    return max(beta, -_ratio(1.0, float(np.linalg.norm(d)) * min(0.01, float(np.linalg.norm(before)))))


_FORMULAS = {"hager-zhang": _hager_zhang, "polak-ribiere": _polak_ribiere, "fletcher-reeves": _fletcher_reeves}


class _LimitedMemory(_Steepest):
    def __init__(self, memory: int):
        self.pairs: deque[tuple[Array, Array, float]] = deque(maxlen=memory)

    @property
    def unit(self) -> bool:  # type: ignore[override]
        return bool(self.pairs)

    def direction(self, g: Array) -> Array:
        """The two loops of Liu and Nocedal."""
        d, weights = -g, []
        for s, y, curvature in reversed(self.pairs):
            weights.append(float(s @ d) / curvature)
            d = d - weights[-1] * y
        if self.pairs:
            s, y, curvature = self.pairs[-1]
            d = d * (curvature / float(y @ y))
        for s, y, curvature in self.pairs:
            d = d + (weights.pop() - float(y @ d) / curvature) * s
        return d

    def note(self, s: Array, y: Array, g: Array) -> None:
        curvature = float(s @ y)
        if curvature > 1e-10 * float(np.linalg.norm(s)) * float(np.linalg.norm(y)):  # else it says nothing, or is rounding
            self.pairs.append((s, y, curvature))

    def forget(self) -> bool:
        had = bool(self.pairs)
        self.pairs.clear()
        return had


# ---------------------------------------------------------------- the loop

def _is_gradient_of(f: Any, gradient: Any) -> bool:
    """Whether it is ``wg.grad(f)``, which is what would be taken anyway."""
    kind, given = getattr(gradient, "recipe", None) or (None, ())
    return kind is grad and given[:1] == (f,) and given[1:] in ((), (0,), (0, False))


class _Run:
    """A descent under way."""

    def __init__(self, who: str, f: Function | None, x0: Any, gradient: Function | None, rule: _Steepest, step: Any,
                 iterations: int, tolerance: float | None, callback: Callback | None):
        self.iterations = whole_number(who, "iterations", iterations)
        self.who, self.rule, self.step, self.callback = who, rule, step, callback
        gradient = None if _is_gradient_of(f, gradient) else gradient
        self.objective = Objective(who, f, x0, gradient)
        unless = EXACT if gradient is None else -1.0
        self.tolerance = unless if tolerance is None else tolerance_of(who, tolerance)
        self.x = self.objective.layout.start
        self.norms: list[float] = []
        self.values: list[float] = []
        self.steps: list[float] = []
        self.guess = 0.0  # what the last step says of the length of the next
        self.least, self.idle = [math.inf, math.inf], 0  # value and |g| so far, and steps that made neither less

    def result(self) -> Descent:
        self.value, self.g = self.objective.value_and_gradient(self.x)
        with Progress(self.iterations) as progress:
            self._record()
            reason = self._reason()
            while not reason:
                reason = self._advance()
                if not reason:
                    self._record()
                    reason = self._reason()
                    progress(f"gradient {self.norms[-1]:.3g}", len(self.steps))
        known = self.objective.f is not None
        return Descent(self.objective.layout.unpack(self.x), self.values[-1] if known else None, reason == CONVERGED, reason,
                       len(self.steps), self.objective.evaluations, self.objective.gradient_evaluations,
                       np.array(self.values) if known else None, np.array(self.norms), np.array(self.steps))

    def _record(self) -> None:
        self.values.append(self.value)
        with np.errstate(all="ignore"):
            self.norms.append(float(np.linalg.norm(self.g)))
        found = [self.value, self.norms[-1]]
        self.idle = 0 if any(map(operator.lt, found, self.least)) else self.idle + 1
        self.least = list(map(min, found, self.least))

    def _reason(self) -> str:
        """Why it ends here, if it does."""
        k = len(self.steps)
        if self.value < -HUGE:
            return "the function falls without bound"
        if not math.isfinite(self.norms[-1]):
            what = "the norm of the gradient overflows" if np.all(np.isfinite(self.g)) else "the gradient is not finite"
            return what + (" (take a smaller step)" if k else " at x0")
        if self.objective.f is not None and not math.isfinite(self.value):
            return "the function is not finite" + (" (take a smaller step)" if k else " at x0")
        if self.norms[-1] <= self.tolerance:
            return CONVERGED
        if self.callback is not None:
            layout = self.objective.layout
            if self.callback(k, layout.unpack(self.x), layout.unpack(self.g, [None] * len(layout.fixed))):
                return "ended by the callback"
        if self.idle >= IDLE and self.objective.gradient is None and isinstance(self.step, Search):
            return STUCK
        return "all iterations are done" if k == self.iterations else ""

    def _advance(self) -> str:
        """A step; if there is none, why."""
        if isinstance(self.step, Search):
            with np.errstate(over="ignore", invalid="ignore"):  # products of gradients far out
                return self._search()
        s = _size(self.who, self.step, len(self.steps))
        self._move(-s * self.g, None)
        return ""

    def _move(self, change: Array, line: tuple[float, Array] | None) -> None:
        x = self.x + change
        self.value, g = line if line is not None else self.objective.value_and_gradient(x)
        self.rule.note(change, g - self.g, g)
        self.x, self.g = x, g
        self.steps.append(float(np.linalg.norm(change)))

    def _search(self) -> str:
        d = self.rule.direction(self.g)
        if float(d @ self.g) >= 0.0 and self.rule.forget():
            d = self.rule.direction(self.g)
        line = Line(self.objective, self.x, self.value, self.g, d)
        s = self.step.find(line, self._first(line)) if line.slope < 0.0 else None
        if s is not None:
            self.guess = s if isinstance(self.step, Backtracking) else s * line.slope
            line.slope_at(s)
            self._move(s * d, (line.values[s], line.gradients[s]))
            return ""
        if self.rule.forget():
            return self._search()
        if self.objective.gradient is None:
            return STUCK
        for _ in range(REDRAWN):  # a gradient that is random may do when it is drawn again
            again = self.objective.gradient_at(self.x)
            if not np.array_equal(again, self.g):
                self.g = again
                self.steps.append(0.0)
                return ""
        return f"{STUCK}, or the gradient is not its own"

    def _first(self, line: Line) -> float:
        """The step to try first: 1 where the direction knows its length. Else what would change f as much as the last did, or
        twice the last step if the search only shortens."""
        if self.rule.unit:
            return 1.0
        if self.guess:
            return 2.0 * self.guess if isinstance(self.step, Backtracking) else self.guess / line.slope
        return 1.0 / float(np.linalg.norm(line.direction))


def _size(who: str, step: Any, k: int) -> float:
    s = step(k) if callable(step) else step
    if isinstance(s, str) or s is None or np.shape(s) != ():
        raise InputError(f"{who}: the step is {kind_of(s)}; it is a number, a schedule, wg.optim.Backtracking() "
                         "or wg.optim.StrongWolfe()")
    s = float(s)
    if not (math.isfinite(s) and s > 0):
        raise InputError(f"{who}: the step is {s} at iteration {k}; it has to be positive and finite")
    return s
