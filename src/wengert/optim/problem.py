"""The function that is to be made small, as one of a real vector.

What comes in: a user's function of a tree, and where to begin. What goes out: values and gradients at real vectors, counted.
The one idea: what is trained of a tree is one vector of float64 (a complex number is two entries), and all methods move that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.api import value_and_grad
from wengert.errors import ConversionError, InputError, kind_of, not_a_function
from wengert.flatten import flatten, leaf_names, trainable
from wengert.staging import kept
from wengert.structured import call, is_traced, is_tracing, user_line

__all__ = ["Descent", "Layout", "Objective", "tolerance_of", "whole_number"]

Array = np.ndarray
Function = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Descent:
    """What the methods of `wg.optim` that run to the end give.

    Attributes
    ----------
    x : tree
        The last point, of the structure, shapes and dtypes of x0.
    value : float or None
        The function there; half the sum of squares of residuals; None if there was no function.
    converged : bool
        Whether it ended within the tolerance.
    reason : str
        Why it ended.
    iterations : int
        How many steps were taken.
    evaluations : int
        How often the function (or the residuals) was evaluated, alone or with its gradient.
    gradient_evaluations : int
        How often the gradient (or Jacobian) was; one that is estimated evaluates its function several times each.
    values : ndarray or None
        f(x_k) at each point, x0 first.
    gradient_norms : ndarray
        |g_k| likewise.
    steps : ndarray
        |x_{k+1} − x_k|.
    """

    x: Any
    value: float | None
    converged: bool
    reason: str
    iterations: int
    evaluations: int
    gradient_evaluations: int
    values: Array | None
    gradient_norms: Array
    steps: Array

    def __str__(self) -> str:
        value = "" if self.value is None else f", value {self.value:.6g}"
        last = f", gradient {self.gradient_norms[-1]:.3g}" if self.gradient_norms.size else ""
        return f"{self.reason} after {self.iterations:,} iterations{value}{last}"


class Layout:
    """How a tree is a real vector.

    Attributes
    ----------
    start : ndarray
        x0.
    fixed : list
        The leaves that do not move.
    eps : float
        The rounding of the coarsest dtype among those that do.
    """

    def __init__(self, who: str, x0: Any):
        leaves, self.spec = flatten(x0)
        if is_tracing() and any(map(is_traced, leaves)):
            raise ConversionError(f"{who}: x0 is traced at {user_line()}, and the derivative would be lost in the iterations; "
                                  "inside a differentiated function call wg.implicit.minimize or wg.implicit.least_squares: "
                                  "there the solution has a derivative")
        self.moving = trainable(x0)
        if not any(self.moving):
            raise InputError(f"{who}: x0 holds no float that may move; write 3.0 for 3, or convert it: x0.astype(float)")
        moved = [np.asarray(leaf) for leaf, moves in zip(leaves, self.moving, strict=True) if moves]
        self.who, self.shapes = who, [(leaf.shape, leaf.dtype) for leaf in moved]
        self.start = self._vector(moved)
        self.fixed = [leaf for leaf, moves in zip(leaves, self.moving, strict=True) if not moves]
        self.eps = max(float(np.finfo(leaf.dtype).eps) for leaf in moved)

    def __repr__(self) -> str:
        """What tells one layout from another: functions of trees are kept by it."""
        return f"{self.who} {self.spec!r} {self.moving} {self.shapes}"

    def unpack(self, vector: Any, fixed: Any = None) -> Any:
        """The tree of a vector, traced or not; `fixed` are the leaves that do not move, if not x0's."""
        rest, shapes, start = iter(self.fixed if fixed is None else fixed), iter(self.shapes), 0
        leaves = []
        for moves in self.moving:
            if not moves:
                leaves.append(next(rest))
                continue
            shape, dtype = next(shapes)
            size = math.prod(shape)
            part = vector[start:start + size]
            start += size
            if dtype.kind == "c":
                part = part + 1j * vector[start:start + size]
                start += size
            leaves.append((np.reshape(part, shape) if shape else part[0]).astype(dtype))
        return self.spec.unflatten(leaves)

    def pack(self, tree: Any, what: str) -> Array:
        """The vector of a gradient, checked."""
        leaves, spec = flatten(tree)
        if spec != self.spec:
            raise InputError(f"{self.who}: {what} has the structure {spec!r}, and x0 {self.spec!r}")
        names = leaf_names(spec, "x0")
        parts: list[Array] = []
        for leaf, name in [(leaf, n) for leaf, n, moves in zip(leaves, names, self.moving, strict=True) if moves]:
            shape, dtype = self.shapes[len(parts)]
            part = np.zeros(shape, dtype) if leaf is None else np.asarray(leaf)
            if part.shape != shape or part.dtype.kind not in "fciu":
                raise InputError(f"{self.who}: {what} is {part.dtype}{list(part.shape)} where {name} is {dtype}{list(shape)}")
            if part.dtype.kind == "c" and dtype.kind != "c":
                raise InputError(f"{self.who}: {what} is complex where {name} is real")
            parts.append(part.astype(dtype) if dtype.kind == "c" else part)
        return self._vector(parts)

    def _vector(self, leaves: list[Array]) -> Array:
        parts = [np.ravel(p) for leaf in leaves for p in ((leaf.real, leaf.imag) if leaf.dtype.kind == "c" else (leaf,))]
        return np.concatenate(parts).astype(np.float64)


class Objective:
    """The function and its gradient at vectors; what was evaluated is counted.

    Without a `gradient` the function is differentiated and compiled. A gradient that is given may be any estimate, and the
    function anything that can be called; it may then be None, where values are not needed.
    """

    def __init__(self, who: str, f: Function | None, x0: Any, gradient: Function | None):
        if (f is None and gradient is None) or (f is not None and not callable(f)):
            raise InputError(f"{who}: {not_a_function(f)}")
        if gradient is not None and not callable(gradient):
            raise InputError(f"{who}: the gradient is a function, not {kind_of(gradient)}; write wg.grad(f), or leave it out")
        self.who, self.f, self.gradient = who, f, gradient
        self.layout = Layout(who, x0)
        self.evaluations = self.gradient_evaluations = 0
        if gradient is None:
            self.program = kept(who, f).again(_flat, (self.layout,))
            self.both = value_and_grad(self.program)

    def value(self, vector: Array) -> float:
        self.evaluations += 1
        if self.gradient is None:
            return self._number(self.program(vector, *self.layout.fixed))
        assert self.f is not None
        return self._number(self.f(self.layout.unpack(vector)))

    def value_and_gradient(self, vector: Array) -> tuple[float, Array]:
        """The value is NaN where there is no function."""
        if self.gradient is None:
            self.evaluations += 1
            self.gradient_evaluations += 1
            value, gradient = self.both(vector, *self.layout.fixed)
            return float(value), gradient
        value = math.nan if self.f is None else self.value(vector)
        return value, self.gradient_at(vector)

    def gradient_at(self, vector: Array) -> Array:
        if self.gradient is None:
            return self.value_and_gradient(vector)[1]
        self.gradient_evaluations += 1
        return self.layout.pack(self.gradient(self.layout.unpack(vector)), "the gradient")

    def _number(self, found: Any) -> float:
        if np.shape(found) != () or np.iscomplexobj(found):
            raise InputError(f"{self.who}: the function returns a real number, not {np.shape(found) or 'a complex one'}")
        return float(found)


def _flat(f: Function, layout: Layout) -> Function:
    def flat(vector: Any, *fixed: Any) -> Any:
        return call(f, layout.unpack(vector, fixed))
    flat.__name__ = flat.__qualname__ = getattr(f, "__qualname__", "f")
    return flat


def tolerance_of(who: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not value >= 0:
        raise InputError(f"{who}: the tolerance is a number from 0 up, not {value!r}")
    return float(value)


def whole_number(who: str, name: str, value: Any, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(f"{who}: {name} is a whole number from {least} up, not {value!r}")
    return int(value)
