"""Sums of squares: Gauss-Newton and Levenberg-Marquardt.

What comes in: a function that gives residuals, and a starting point, a tree. What goes out: a `Descent` of half their sum of
squares. The one idea: each step solves a linear least-squares problem, by a factorization of the Jacobian where that is small,
and by products with it where it is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.api import jacobian as jacobian_of
from wengert.api import jvp, vjp
from wengert.errors import InputError, kind_of
from wengert.flatten import flatten
from wengert.progress import Progress
from wengert.staging import jit, kept
from wengert.structured import call

from .line_search import Backtracking, Line, StrongWolfe
from .problem import Array, Descent, Layout, tolerance_of, whole_number

__all__ = ["gauss_newton", "levenberg_marquardt"]

Function = Callable[..., Any]
Callback = Callable[[int, Any, Any], Any]

CONVERGED = ("the gradient is within the tolerance", "the sum of squares can be reduced by its rounding alone",
             "the step is as small as the rounding of the point")
STUCK = "no step decreases the sum of squares: its rounding is reached, or the Jacobian is not its own"
DENSE = 4_000_000  # entries of a Jacobian that is made and factorized; of larger ones there are products
DAMPING = 1e-3  # the first, of scaled variables


def gauss_newton(
    residuals: Function, x0: Any, jacobian: Function | None = None, *,
    line_search: Backtracking | StrongWolfe = Backtracking(), iterations: int = 200,  # noqa: B008 (immutable)
    tolerance: float = 1e-10, callback: Callback | None = None,
) -> Descent:
    """Gauss-Newton with a line search: ``min ½ |r(x)|²`` by ``x ← x + s h``, h the least-squares solution of ``J h = −r``.

    Where residuals are small or nearly linear it converges as Newton's method does; where J has dependent columns, or the
    residuals are large, `levenberg_marquardt` is the safer one.

    Parameters
    ----------
    residuals, x0, jacobian, iterations, tolerance, callback
        As of `levenberg_marquardt`.
    line_search : Backtracking or StrongWolfe

    Returns
    -------
    Descent
        Its value is ``½ |r|²``, its gradients are ``Jᵀ r``.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> t = np.linspace(0.0, 1.0, 9)
    >>> y = 2.0 * np.exp(-3.0 * t)
    >>> found = wg.optim.gauss_newton(lambda p: p["a"] * np.exp(-p["k"] * t) - y, {"a": 1.0, "k": 1.0})
    >>> round(found.x["a"], 9), round(found.x["k"], 9), found.converged
    (np.float64(2.0), np.float64(3.0), True)

    References
    ----------
    J. Nocedal, S. J. Wright, Numerical Optimization, 2nd ed. (2006), section 10.3.
    """
    if not isinstance(line_search, Backtracking | StrongWolfe):
        raise InputError(f"gauss_newton: line_search is wg.optim.Backtracking(...) or StrongWolfe(...), not {line_search!r}")
    return _Fit("gauss_newton", residuals, x0, jacobian, _Searched(line_search), iterations, tolerance, callback).result()


def levenberg_marquardt(
    residuals: Function, x0: Any, jacobian: Function | None = None, *, iterations: int = 200, tolerance: float = 1e-10,
    callback: Callback | None = None,
) -> Descent:
    """Levenberg-Marquardt: ``min ½ |r(x)|²`` by ``x ← x + h``, h of least ``|J h + r|² + μ |D h|²``.

    D holds the norms of the columns of J, the largest so far (Moré), so that units do not matter; of a Jacobian too large to be
    made D is 1. μ falls where the sum of squares does what the linear model says, and rises where it does not (Nielsen).

    Parameters
    ----------
    residuals : callable
        r, from a point to an array, or a tree of arrays or numbers, real or complex.
    x0 : float, ndarray of float or complex, or tree of these
        Where to begin; it is not changed. What is no float and what lies below `Frozen` stays as it is.
    jacobian : callable, optional
        From a point to the Jacobian as `wg.jacobian` gives it of the one array that `residuals` returns, real: exact, or an
        estimate such as ``lambda x: wg.numeric.jacobian(r, x)``. The default is exact: made by the cheapest mode, compiled, and
        factorized, or of more than four million entries given by its products, with which LSMR solves.
    iterations : int
        The most steps.
    tolerance : float
        End where the Euclidean norm of the gradient, ``Jᵀ r``, is at most this. It also ends, converged, where the linear model
        promises to reduce the sum of squares by no more than its rounding, or the step is no more than that of the point.
    callback : callable, optional
        ``callback(k, x, g)`` before each step, g the gradient; ends it by returning True.

    Returns
    -------
    Descent
        Its value is ``½ |r|²``, its gradients are ``Jᵀ r``.

    Raises
    ------
    InputError
        x0 without floats, residuals that are no numbers, a Jacobian of another shape.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> rosenbrock = lambda x: np.array([10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]])
    >>> found = wg.optim.levenberg_marquardt(rosenbrock, np.array([-1.2, 1.0]))
    >>> np.round(found.x, 12), found.converged
    (array([1., 1.]), True)

    References
    ----------
    K. Levenberg, A method for the solution of certain non-linear problems in least squares, Quart. Appl. Math. 2 (1944). D. W.
    Marquardt, An algorithm for least-squares estimation of nonlinear parameters, SIAM J. Appl. Math. 11 (1963). J. J. Moré, The
    Levenberg-Marquardt algorithm: Implementation and theory, Lecture Notes in Math. 630 (1978). H. B. Nielsen, Damping
    parameter in Marquardt's method, IMM-REP-1999-05 (1999). D. C.-L. Fong, M. Saunders, LSMR: An iterative algorithm for sparse
    least-squares problems, SIAM J. Sci. Comput. 33 (2011).
    """
    return _Fit("levenberg_marquardt", residuals, x0, jacobian, _Damped(), iterations, tolerance, callback).result()


# ---------------------------------------------------------------- residuals, and their linear model

class _Dense:
    """The Jacobian at a point, made: a triangle R and Qᵀ r are all that damping needs."""

    def __init__(self, r: Array, J: Array):
        self.gradient = J.T @ r
        self.norms = np.linalg.norm(J, axis=0)
        Q, self.R = np.linalg.qr(J)
        self.right = -(Q.T @ r)

    def solve(self, damping: float, D: Array) -> tuple[Array, float]:
        """h of least ``|J h + r|² + damping |D h|²``, and how much less ``½ |J h + r|²`` is than ``½ |r|²``."""
        scaled, right = self.R / D, self.right
        if damping:
            n = len(D)
            scaled = np.concatenate([scaled, math.sqrt(damping) * np.eye(n)])
            right = np.concatenate([right, np.zeros(n)])
        h = _solution(scaled, right)
        if h is None:  # of many the shortest: in the variables' own units, unless these are damped
            scaled, unit = (scaled, D) if damping else (self.R, np.ones_like(D))
            h = np.asarray(np.linalg.lstsq(scaled, right)[0]) / unit
        else:
            h = h / D
        moved = self.R @ h
        return h, float(self.right @ moved - 0.5 * moved @ moved)


def _solution(A: Array, b: Array) -> Array | None:
    """Of least ``|A h − b|``; None where columns of A depend on each other, or nearly so."""
    from scipy.linalg import solve_triangular
    if len(A) < A.shape[1]:
        return None
    Q, R = np.linalg.qr(A)
    sizes = np.abs(np.diag(R))
    return np.asarray(solve_triangular(R, Q.T @ b)) if np.min(sizes) > 1e-10 * np.max(sizes) else None


class _Products:
    """The Jacobian at a point by its products; variables have the scale of the Jacobian at the first point, and no other."""

    def __init__(self, r: Array, forward: Function, backward: Function, n: int, scale: float):
        from scipy.sparse.linalg import LinearOperator
        self.r, self.gradient, self.norms = r, backward(r), np.ones(n)
        self.J = LinearOperator((r.size, n), matvec=lambda v: forward(np.ravel(v)), rmatvec=lambda u: backward(np.ravel(u)),
                                dtype=np.float64)
        size = float(r @ r)
        self.scale = scale or (float(self.gradient @ self.gradient) / size if size else 1.0)  # at most JᵀJ's largest eigenvalue

    def solve(self, damping: float, D: Array) -> tuple[Array, float]:
        from scipy.sparse.linalg import lsmr
        h = lsmr(self.J, -self.r, damp=math.sqrt(damping * self.scale), atol=1e-10, btol=1e-10, maxiter=10 * len(D))[0]
        moved = self.J.matvec(h)
        return h, float(-(self.r @ moved) - 0.5 * moved @ moved)


class _Residuals:
    """Residuals and their linear models at vectors, counted; what a `Line` asks of a function is half their sum of squares."""

    def __init__(self, who: str, residuals: Function, x0: Any, jacobian: Function | None):
        if jacobian is not None and not callable(jacobian):
            raise InputError(f"{who}: the Jacobian is a function, not {kind_of(jacobian)}; leave it out: it is exact then")
        self.who, self.layout, self.given = who, Layout(who, x0), jacobian
        self.evaluations = self.gradient_evaluations = 0
        self.scale = 0.0  # of large Jacobians, once known
        if jacobian is None:
            self.program = kept(who, residuals).again(_flat, (self.layout,))
            self.jacobian = jacobian_of(self.program)
            self.forward = jit(lambda x, v, *fixed: jvp(lambda y: call(self.program, y, *fixed), (x,), (v,))[1])
            self.backward = jit(lambda x, u, *fixed: vjp(lambda y: call(self.program, y, *fixed), x)[1](u)[0])
        else:
            self.program = _flat(residuals, self.layout)

    def at(self, x: Array) -> Array:
        self.evaluations += 1
        return np.asarray(self.program(x, *self.layout.fixed), np.float64)

    def linear(self, x: Array, r: Array) -> _Dense | _Products:
        """The linear model at x, where the residuals are r."""
        self.gradient_evaluations += 1
        fixed = self.layout.fixed
        if self.given is not None:
            return _Dense(r, self._matrix(self.given(self.layout.unpack(x)), r.size))
        if r.size * x.size > DENSE:
            forward, backward = (lambda v: self.forward(x, v, *fixed)), (lambda u: self.backward(x, u, *fixed))
            found = _Products(r, forward, backward, x.size, self.scale)
            self.scale = found.scale
            return found
        return _Dense(r, np.asarray(self.jacobian(x, *fixed)))

    def value(self, x: Array) -> float:
        r = self.at(x)
        return 0.5 * float(r @ r)

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        r = self.at(x)
        return 0.5 * float(r @ r), self.linear(x, r).gradient

    def gradient_at(self, x: Array) -> Array:
        return self.value_and_gradient(x)[1]

    def _matrix(self, J: Any, m: int) -> Array:
        """A Jacobian of the user's, the blocks of a tree side by side."""
        leaves, spec = flatten(J)
        layout = self.layout
        if spec == layout.spec and len(leaves) == len(layout.moving):
            blocks = [np.asarray(b) for b, moves in zip(leaves, layout.moving, strict=True) if moves]
            sizes = [math.prod(shape) for shape, _ in layout.shapes]
            if all(b.size == m * n and b.dtype.kind in "fiu" for b, n in zip(blocks, sizes, strict=True)):
                return np.concatenate([np.reshape(b, (m, n)) for b, n in zip(blocks, sizes, strict=True)], 1).astype(np.float64)
        raise InputError(f"{self.who}: the Jacobian has shapes {[np.shape(b) for b in leaves]}; of {m} residuals and x0 of "
                         f"shapes {[shape for shape, _ in layout.shapes]} it is what wg.jacobian gives, real")


def _flat(residuals: Function, layout: Layout) -> Function:
    def flat(vector: Any, *fixed: Any) -> Any:
        return _stacked(layout.who, call(residuals, layout.unpack(vector, fixed)))
    flat.__name__ = flat.__qualname__ = getattr(residuals, "__qualname__", "residuals")
    return flat


def _stacked(who: str, found: Any) -> Any:
    """Residuals as one real vector."""
    parts: list[Any] = []
    for leaf in flatten(found)[0]:
        if leaf is None or isinstance(leaf, str):
            raise InputError(f"{who}: the residuals are numbers, and there is {kind_of(leaf)}")
        part = np.reshape(leaf, (-1,))
        parts += [part.real, part.imag] if part.dtype.kind == "c" else [part]
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)


# ---------------------------------------------------------------- the loop

class _Searched:
    """Along the solution of the linear problem, as far as a line search says."""

    def __init__(self, search: Any):
        self.search = search

    def step(self, fit: _Fit) -> str:
        h, promised = fit.model.solve(0.0, np.maximum(fit.model.norms, np.finfo(float).tiny))
        if reason := fit.small(h, promised):
            return reason
        line = Line(fit.residuals, fit.x, fit.value, fit.model.gradient, h)  # type: ignore[arg-type]
        s = self.search.find(line, 1.0) if line.slope < 0.0 else None
        if s is None:
            return STUCK
        x = fit.x + s * h
        fit.move(x, fit.residuals.at(x))
        return ""


class _Damped:
    """The damped step, damped more until the sum of squares falls."""

    def __init__(self) -> None:
        self.damping, self.growth = DAMPING, 2.0
        self.D: Array | None = None

    def step(self, fit: _Fit) -> str:
        norms = fit.model.norms if self.D is None else np.maximum(self.D, fit.model.norms)
        self.D = np.where(norms > 0.0, norms, 1.0)
        while True:
            h, promised = fit.model.solve(self.damping, self.D)
            if reason := fit.small(h, promised):
                return reason
            with np.errstate(all="ignore"):
                r = fit.residuals.at(fit.x + h)
            value = 0.5 * float(r @ r)
            gain = (fit.value - value) / promised if math.isfinite(value) else -1.0
            if gain > 0.0:
                self.damping *= max(1.0 / 3.0, 1.0 - (2.0 * gain - 1.0) ** 3)
                self.growth = 2.0
                fit.move(fit.x + h, r)
                return ""
            self.damping *= self.growth
            self.growth *= 2.0
            if not math.isfinite(self.damping):
                return STUCK


class _Fit:
    """Least squares under way."""

    def __init__(self, who: str, residuals: Function, x0: Any, jacobian: Function | None, rule: Any, iterations: int,
                 tolerance: float, callback: Callback | None):
        self.iterations = whole_number(who, "iterations", iterations)
        self.residuals, self.rule = _Residuals(who, residuals, x0, jacobian), rule
        self.tolerance, self.callback = tolerance_of(who, tolerance), callback
        self.x = self.residuals.layout.start
        self.values: list[float] = []
        self.norms: list[float] = []
        self.steps: list[float] = []

    def result(self) -> Descent:
        r = self.residuals.at(self.x)
        if not r.size:
            raise InputError(f"{self.residuals.who}: there are no residuals; any x0 would do")
        with np.errstate(over="ignore"):
            finite = np.isfinite(r @ r)
        if not finite:
            what = "sum of squares overflows" if np.all(np.isfinite(r)) else "residuals are not finite"
            raise InputError(f"{self.residuals.who}: the {what} at x0")
        self._look(r)
        with Progress(self.iterations) as progress:
            reason = self._reason()
            while not reason:
                reason = self.rule.step(self) or self._reason()
                progress(f"half the sum of squares {self.value:.6g}", len(self.steps))
        return Descent(self.residuals.layout.unpack(self.x), self.value, reason in CONVERGED, reason, len(self.steps),
                       self.residuals.evaluations, self.residuals.gradient_evaluations, np.array(self.values),
                       np.array(self.norms), np.array(self.steps))

    def _look(self, r: Array) -> None:
        self.value = 0.5 * float(r @ r)
        self.model = self.residuals.linear(self.x, r)
        self.values.append(self.value)
        self.norms.append(float(np.linalg.norm(self.model.gradient)))

    def move(self, x: Array, r: Array) -> None:
        self.steps.append(float(np.linalg.norm(x - self.x)))
        self.x = x
        self._look(r)

    def small(self, h: Array, promised: float) -> str:
        """Why a step would be the last, if it is too small to count."""
        eps = self.residuals.layout.eps
        if not promised > eps * self.value:
            return CONVERGED[1]
        return CONVERGED[2] if np.linalg.norm(h) <= eps * np.linalg.norm(self.x) else ""

    def _reason(self) -> str:
        k, layout = len(self.steps), self.residuals.layout
        if not math.isfinite(self.norms[-1]):
            return "the Jacobian is not finite"
        if self.norms[-1] <= self.tolerance:
            return CONVERGED[0]
        if self.callback is not None and self.callback(
                k, layout.unpack(self.x), layout.unpack(self.model.gradient, [None] * len(layout.fixed))):
            return "ended by the callback"
        return "all iterations are done" if k == self.iterations else ""
