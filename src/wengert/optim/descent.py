"""Gradient descent.

What comes in: a gradient, a starting point, a step. What goes out: a `Descent`. The one idea: trees are flattened once; in
between the point is a list of arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import InputError, kind_of
from wengert.flatten import flatten, is_inexact, leaf_names
from wengert.progress import Progress

__all__ = ["Descent", "gradient_descent"]

Array = np.ndarray
CONVERGED = "the gradient is within the tolerance"


@dataclass(frozen=True, eq=False)
class Descent:
    """What `gradient_descent` gives.

    Attributes
    ----------
    x : tree
        The last point, of the structure, shapes and dtypes of x0.
    value : float or None
        The function there, if it was asked for.
    converged : bool
        Whether the gradient came down to the tolerance.
    reason : str
        Why it ended.
    iterations : int
        How many steps were taken.
    evaluations : int
        How often the gradient was called; one that is estimated evaluates its function several times each.
    gradient_norms : ndarray
        |g_k| at each point, x0 first.
    values : ndarray or None
        f(x_k) likewise, if it was asked for.
    """

    x: Any
    value: float | None
    converged: bool
    reason: str
    iterations: int
    evaluations: int
    gradient_norms: Array
    values: Array | None

    def __str__(self) -> str:
        value = "" if self.value is None else f", value {self.value:.6g}"
        last = f", gradient {self.gradient_norms[-1]:.3g}" if self.gradient_norms.size else ""
        return f"{self.reason} after {self.iterations:,} iterations{value}{last}"


def gradient_descent(
    gradient: Callable[[Any], Any], x0: Any, *, step: float | Callable[[int], float], iterations: int = 1000,
    tolerance: float = 0.0, value: Callable[[Any], Any] | None = None, callback: Callable[[int, Any, Any], Any] | None = None,
) -> Descent:
    """Gradient descent, ``x_{k+1} = x_k − s_k g(x_k)``.

    Parameters
    ----------
    gradient : callable
        g, from a point to what is subtracted from it: ``wg.grad(f)``, or an estimate such as
        ``lambda x: wg.numeric.random_gradient(f, x, seed=rng)``.
    x0 : float, ndarray of float, or tree of these
        Where to begin; it is not changed.
    step : float or callable
        s_k: a number, or a schedule, a function of k = 0, 1, ...
    iterations : int
        The most steps.
    tolerance : float
        End where the Euclidean norm of g is at most this; a gradient that is estimated has a norm beside the point.
    value : callable, optional
        f itself, evaluated at each point for the history.
    callback : callable, optional
        ``callback(k, x, g)`` before each step; ends the descent by returning True.

    Returns
    -------
    Descent
        The descent also ends, unconverged, where the gradient is not finite: the step was too large.

    Raises
    ------
    InputError
        x0 without floats, a gradient of another structure or shape, a step that is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> f = lambda p: np.sum((p["a"] - 3.0) ** 2) + p["b"] ** 2
    >>> found = wg.optim.gradient_descent(wg.grad(f), {"a": np.zeros(2), "b": 1.0}, step=0.25, tolerance=1e-6)
    >>> np.round(found.x["a"], 6), found.converged, found.iterations
    (array([3., 3.]), True, 24)

    With a gradient from evaluations alone:

    >>> rng = np.random.default_rng(0)
    >>> estimate = lambda p: wg.numeric.random_gradient(f, p, seed=rng)
    >>> found = wg.optim.gradient_descent(estimate, {"a": np.zeros(2), "b": 1.0}, step=0.15, value=f, iterations=100)
    >>> bool(found.value < 1e-6)
    True

    References
    ----------
    A.-L. Cauchy, Méthode générale pour la résolution des systèmes d'équations simultanées, C. R. Acad. Sci. 25 (1847).
    """
    if not callable(gradient):
        raise InputError(f"gradient_descent: the gradient is a function, not {kind_of(gradient)}; write wg.grad(f)")
    if isinstance(iterations, bool) or not isinstance(iterations, (int, np.integer)) or iterations < 0:
        raise InputError(f"gradient_descent: iterations is a whole number from 0 up, not {iterations!r}")
    return _descend(gradient, _Start(x0), step, int(iterations), tolerance, value, callback)


def _descend(gradient: Callable[[Any], Any], start: _Start, step: float | Callable[[int], float], iterations: int,
             tolerance: float, value: Callable[[Any], Any] | None, callback: Callable[[int, Any, Any], Any] | None) -> Descent:
    leaves = start.leaves
    norms: list[float] = []
    values: list[float] = []
    reason = ""
    with Progress(iterations) as progress:
        while True:
            k = len(norms)
            x = start.tree(leaves)
            if value is not None:
                values.append(_value(value(x)))
            given = gradient(x)
            g = start.like(given)
            norms.append(math.sqrt(sum(float(np.vdot(part, part).real) for part in g)))
            if not math.isfinite(norms[-1]):
                reason = "the gradient is not finite (take a smaller step)"
            elif norms[-1] <= tolerance:
                reason = CONVERGED
            elif callback is not None and callback(k, x, given):
                reason = "ended by the callback"
            elif k == iterations:
                reason = "all iterations are done"
            if reason:
                break
            s = _step(step, k)
            leaves = [_moved(leaf, s, part) for leaf, part in zip(leaves, g, strict=True)]
            progress(f"gradient {norms[-1]:.3g}", k + 1)
    history = np.array(values) if value is not None else None
    return Descent(start.tree(leaves), values[-1] if values else None, reason == CONVERGED, reason, k, len(norms),
                   np.array(norms), history)


class _Start:
    """The structure of the starting point: its floats, and how they are put back."""

    def __init__(self, x0: Any):
        self.all, self.spec = flatten(x0)
        self.moving = [k for k, leaf in enumerate(self.all) if is_inexact(leaf)]
        if not self.moving:
            raise InputError("gradient_descent: x0 holds no float; write 3.0 for 3, or convert it: x0.astype(float)")
        self.leaves = [np.array(self.all[k]) for k in self.moving]

    def tree(self, leaves: list[Array]) -> Any:
        out = list(self.all)
        for k, leaf in zip(self.moving, leaves, strict=True):
            like = self.all[k]
            out[k] = leaf.copy() if isinstance(like, np.ndarray) else leaf[()]
        return self.spec.unflatten(out)

    def like(self, gradient: Any) -> list[Array]:
        """The parts of a gradient that belong to the floats, checked."""
        leaves, spec = flatten(gradient)
        if spec != self.spec:
            raise InputError(f"gradient_descent: the gradient has the structure {spec!r}, and x0 {self.spec!r}")
        parts = [np.asarray(leaves[k]) for k in self.moving]
        for k, part in zip(self.moving, parts, strict=True):
            if part.shape != np.shape(self.all[k]) or part.dtype.kind not in "fciu":
                name = leaf_names(self.spec, "x0")[k]
                raise InputError(f"gradient_descent: the gradient is {part.dtype.name}{list(part.shape)} where {name} "
                                 f"is {np.asarray(self.all[k]).dtype.name}{list(np.shape(self.all[k]))}")
        return parts


def _moved(leaf: Array, step: float, direction: Array) -> Array:
    if direction.dtype.kind == "c" and leaf.dtype.kind != "c":
        raise InputError("gradient_descent: the gradient is complex where x0 is real")
    return np.asarray(leaf - step * direction, leaf.dtype)


def _step(step: float | Callable[[int], float], k: int) -> float:
    s = float(step(k) if callable(step) else step)
    if not (math.isfinite(s) and s > 0):
        raise InputError(f"gradient_descent: the step is {s} at iteration {k}; it has to be positive and finite")
    return s


def _value(found: Any) -> float:
    if np.shape(found) != () or np.iscomplexobj(found):
        raise InputError(f"gradient_descent: value is a function that returns a real number, not {np.shape(found)}")
    return float(found)
