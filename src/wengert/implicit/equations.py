"""Equations that are not linear: roots, fixed points, minima and least squares.

What comes in: a function of x, which may use traced values from around it, and where to start. What goes out: the x that
solves. The one idea: SciPy solves, with exact derivatives of the function; what is differentiated is the equation that the
result fulfills. For more unknowns than a dense matrix is good for, Newton's method runs with a sparse Jacobian.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert import scipy_solvers, solutions
from wengert.errors import ConvergenceError, InputError, kind_of
from wengert.solutions import Call, Equation, Function

__all__ = ["fixed_point", "least_squares", "minimize", "root"]

_NEWTON_STEPS = 50
_HALVINGS = 30
_ROUNDING = 1e-6  # relative size of a step that rounding may keep from getting shorter
_HESSIAN = ("newton-cg", "trust-ncg", "trust-exact", "trust-krylov", "dogleg")
_NO_GRADIENT = ("nelder-mead", "powell", "cobyla", "cobyqa")


def _prepared(name: str, f: Any, x0: Any, args: Any) -> tuple[Any, Function]:
    """The start, and the function as a graph of x."""
    if not callable(f):
        raise InputError(f"{name}: the first argument is a function, not {kind_of(f)}")
    start = scipy_solvers.start_of(name, x0)
    args = args if isinstance(args, tuple) else (args,)
    return start, Function(name, lambda x: scipy_solvers.user_call(f, x, *args), [solutions.real(start.shape)])


def _found(name: str, function: Function, start: Any, run: Callable[..., Any], read: Callable[..., Any], equation: Equation,
           linear_solver: str | None, key: Any, more: Sequence[Function] = (), bounds: Sequence[Any] = ()) -> Any:
    if linear_solver not in (None, "dense", "sparse", "gmres", "cg", "bicgstab"):
        raise InputError(f"{name}: linear_solver is 'dense', 'sparse', 'gmres', 'cg', 'bicgstab' or None, not "
                         f"{linear_solver!r}")
    call = Call(name, run, read, key)
    return solutions.solve(call, [function, *more], [start, *bounds], start.shape, equation, method=linear_solver,
                           bounds=bounds).x


def root(f: Callable[..., Any], x0: Any, args: Any = (), *, method: str | None = None, tol: float = 1e-10,
         options: dict[str, Any] | None = None, linear_solver: str | None = None) -> Any:
    """The x with ``f(x, *args) = 0``.

    Parameters
    ----------
    f : callable
        Gives an array of as many elements as x has.
    x0 : array
        Where to start, of any shape; the derivative with regard to it is zero.
    args : tuple
        Further arguments of f.
    method : str, optional
        "newton" (damped, with the exact Jacobian, sparse where that is cheap), or one of ``scipy.optimize.root``, which gets
        the exact Jacobian if it takes one. The default is "hybr" for up to 500 unknowns, and "newton" for more.
    tol : float
    options : dict, optional
        Of SciPy's solver.
    linear_solver : {"dense", "sparse", "gmres", "cg", "bicgstab"}, optional
        How systems with ``∂f/∂x`` are solved in the derivative (and in Newton's method).

    Returns
    -------
    array
        Of the shape of x0.

    Raises
    ------
    ConvergenceError
        If the solver did not converge.
    numpy.linalg.LinAlgError
        If a derivative is taken where ``∂f/∂x`` is singular.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.grad(lambda a: wg.implicit.root(lambda x: x**3 + x - a, 1.0))(2.0)  # 1 / (3 x² + 1), x = 1
    np.float64(0.25)
    """
    start, function = _prepared("root", f, x0, args)
    size = int(np.prod(start.shape))
    if function.graph is not None:
        solutions.root(function.graph)  # there have to be as many equations as unknowns
    if not size:
        return start
    method = method or ("hybr" if size <= solutions.DENSE or function.graph is None else "newton")
    if method == "newton":
        return _by_newton(function, start, tol, linear_solver)
    return _by_scipy(function, start, method, tol, options, linear_solver)


def _by_newton(function: Function, start: Any, tol: float, linear_solver: str | None) -> Any:
    if function.graph is None:
        raise InputError("root: method='newton' needs the Jacobian of f, and f branches on x; use np.where, or "
                         "another method")
    matrix, system = solutions.jacobian_system(solutions.root(function.graph), linear_solver)

    def run(functions: Any, at: Any) -> Any:
        return _newton(functions[0], functions[1], at[0], tol, system)
    return _found("root", function, start, run, lambda out, at: (out, True, _way(out, at)), solutions.root, linear_solver,
                  ("newton", tol, system), [solutions.of_graph(function, matrix)])


def _by_scipy(function: Function, start: Any, method: str, tol: float, options: Any, linear_solver: str | None) -> Any:
    more: list[Function] = []
    if method in ("hybr", "lm") and function.graph is not None:
        more.append(solutions.of_graph(function, solutions.jacobian(function.graph)))

    def run(functions: Any, at: Any) -> Any:
        from scipy import optimize
        shape = np.shape(at[0])
        out = optimize.root(lambda x: np.ravel(functions[0](np.reshape(x, shape))), np.ravel(at[0]), method=method, tol=tol,
                            jac=(lambda x: functions[1](np.reshape(x, shape))) if more else None, options=options)
        if not out.success:
            raise ConvergenceError(f"root: {method} did not converge: {' '.join(out.message.split())}")
        return out
    return _found("root", function, start, run, lambda out, at: (out.x, True, _way(out.x, at)), solutions.root, linear_solver,
                  (method, tol, scipy_solvers.frozen(options), bool(more)), more)


def _way(x: Any, at: Any) -> Any:
    return scipy_solvers.report_way(np.ravel(x), np.ravel(at[0]))


def _newton(f: Any, entries: Any, start: Any, tol: float, system: Any) -> Any:
    """Newton's method; a step after which the next one would not be shorter is halved.

    The test does not depend on how the equations are scaled (the natural monotonicity test of Deuflhard, "Newton Methods for
    Nonlinear Problems", 2004, section 3.3).
    """
    x, left = np.array(start, float), f(start)
    for _ in range(_NEWTON_STEPS):
        if not np.isfinite(left).all():
            raise ConvergenceError("root: the function is not finite at the start of Newton's method")
        found = entries(x)
        solve = solutions.solver_of_arrays(system, found if isinstance(found, tuple) else (found,), x.shape)
        step = solve(left)
        size, scale = _largest(step), max(_largest(x), _largest(x - start))
        if size <= tol * scale:
            return x - step
        for halvings in range(_HALVINGS):
            length = 0.5**halvings
            new = x - length * step
            left = f(new)
            if np.isfinite(left).all() and _largest(solve(left)) <= (1.0 - 0.25 * length) * size:
                break
        else:
            if size <= _ROUNDING * scale:
                return x
            raise ConvergenceError(f"root: Newton's method finds no step that leads nearer to a root; a whole one has length "
                                   f"{size:.1e}")
        x = new
    raise ConvergenceError(f"root: Newton's method did not converge in {_NEWTON_STEPS} steps; the last has length {size:.1e}")


def _largest(x: Any) -> float:
    return float(np.max(np.abs(x), initial=0.0))


def fixed_point(g: Callable[..., Any], x0: Any, args: Any = (), *, method: str = "del2", tol: float = 1e-12, maxiter: int = 500,
                linear_solver: str | None = None) -> Any:
    """The x with ``g(x, *args) = x``, by ``scipy.optimize.fixed_point``.

    Parameters
    ----------
    g : callable
        Gives an array of the shape of x.
    x0 : array
    args : tuple
    method : {"del2", "iteration"}
        With Steffensen's acceleration, element by element, or without.
    tol : float
        Relative change of x at which it is found.
    maxiter : int
    linear_solver : str, optional
        As in `root`.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> round(wg.grad(lambda a: wg.implicit.fixed_point(lambda x: a * np.cos(x), 1.0))(1.0), 6)  # cos x / (1 + sin x)
    np.float64(0.441611)
    """
    start, function = _prepared("fixed_point", g, x0, args)
    if function.graph is not None:
        solutions.fixed_point(function.graph)

    def run(functions: Any, at: Any) -> Any:
        from scipy import optimize
        try:
            return optimize.fixed_point(functions[0], at[0], xtol=tol, maxiter=maxiter, method=method)
        except RuntimeError as error:
            raise ConvergenceError(f"fixed_point: {error}") from None
    return _found("fixed_point", function, start, run, lambda out, at: (out, True, _way(out, at)), solutions.fixed_point,
                  linear_solver, (method, tol, maxiter))


def minimize(f: Callable[..., Any], x0: Any, args: Any = (), *, method: str | None = None, bounds: Any = None,
             tol: float = 1e-10, options: dict[str, Any] | None = None, linear_solver: str | None = None) -> Any:
    """The x at which ``f(x, *args)`` is least, nearby: argmin.

    The equation of which the derivative is taken is ``∂f/∂x = 0``; where a bound holds an element of x, it is ``x = bound``.

    Parameters
    ----------
    f : callable
        Gives one number.
    x0 : array
    args : tuple
    method : str, optional
        Of ``scipy.optimize.minimize``; it gets the exact gradient, and the exact Hessian if it takes one. The default is
        "BFGS", or "L-BFGS-B" with bounds or for more than 500 unknowns.
    bounds : sequence of pairs, or Bounds, optional
    tol : float
    options : dict, optional
    linear_solver : str, optional
        As in `root`.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> def best(a):
    ...     return wg.implicit.minimize(lambda x: np.sum((x - a) ** 2) + x[0] * x[1], np.zeros(2))
    >>> wg.jacobian(best)(np.array([1.0, 2.0])).round(6)
    array([[ 1.333333, -0.666667],
           [-0.666667,  1.333333]])
    """
    start, function = _prepared("minimize", f, x0, args)
    size = int(np.prod(start.shape))
    limits = scipy_solvers.limits(bounds, size)
    method = method or ("L-BFGS-B" if limits is not None or size > solutions.DENSE else "BFGS")
    more: list[Function] = []
    if function.graph is not None and method.lower() not in _NO_GRADIENT:
        more.append(solutions.of_graph(function, solutions.gradient(function.graph)))
        if method.lower() in _HESSIAN:
            more.append(solutions.of_graph(function, solutions.jacobian(solutions.gradient(function.graph))))
    if method.lower() == "l-bfgs-b":  # what tol means there is how little f falls, which goes with the square of x
        options = {"ftol": tol**2, **(options or {})}
    if limits is not None and len(start.shape) != 1:
        raise InputError(f"minimize: with bounds, x0 has one axis, not shape {start.shape}")

    def run(functions: Any, at: Any) -> Any:
        from scipy import optimize
        shape = np.shape(at[0])
        flat = [lambda x, h=h: h(np.reshape(x, shape)) for h in functions]
        words = {"jac": lambda x: np.ravel(flat[1](x))} if len(flat) > 1 else {}
        words.update({"hess": flat[2]} if len(flat) > 2 else {})
        return optimize.minimize(flat[0], np.ravel(at[0]), method=method, tol=tol, options=options,
                                 bounds=optimize.Bounds(at[1], at[2]) if len(at) > 1 else None, **words)
    return _found("minimize", function, start, run, lambda out, at: (out.x, out.success, _way(out.x, at)), solutions.gradient,
                  linear_solver, (method, tol, scipy_solvers.frozen(options)), more, limits or ())


def least_squares(f: Callable[..., Any], x0: Any, args: Any = (), *, bounds: Any = None, method: str = "trf",
                  tol: float = 1e-12, options: dict[str, Any] | None = None, linear_solver: str | None = None) -> Any:
    """The x at which ``Σ f(x, *args)²`` is least, nearby.

    Parameters
    ----------
    f : callable
        Gives the residuals, an array.
    x0 : array (n,)
    args : tuple
    bounds : pair, or Bounds, optional
        ``(lower, upper)``.
    method : {"trf", "dogbox", "lm"}
        Of ``scipy.optimize.least_squares``; it gets the exact Jacobian.
    tol : float
        Its ``xtol``, ``ftol`` and ``gtol``.
    options : dict, optional
        Further arguments of it.
    linear_solver : str, optional
        As in `root`.

    Examples
    --------
    The derivative of a fitted slope with regard to the data:

    >>> import numpy as np
    >>> import wengert as wg
    >>> t = np.array([0.0, 1.0, 2.0])
    >>> def slope(y):
    ...     return wg.implicit.least_squares(lambda p: p[0] + p[1] * t - y, np.zeros(2))[1]
    >>> wg.grad(slope)(np.array([1.0, 2.0, 2.5])).round(6) + 0.0
    array([-0.5,  0. ,  0.5])
    """
    start, function = _prepared("least_squares", f, x0, args)
    if len(start.shape) != 1:
        raise InputError(f"least_squares: x0 has one axis, not shape {start.shape}")
    limits = scipy_solvers.limits_of_pair(bounds, start.shape[0])
    exact = function.graph is not None
    more = [solutions.of_graph(function, solutions.jacobian(function.graph))] if function.graph is not None else []

    def run(functions: Any, at: Any) -> Any:
        from scipy import optimize
        words = {"bounds": (at[1], at[2])} if len(at) > 1 else {}
        return optimize.least_squares(lambda x: np.ravel(functions[0](x)), at[0], functions[1] if exact else "3-point",
                                      method=method, xtol=tol, ftol=tol, gtol=tol, **words, **(options or {}))
    return _found("least_squares", function, start, run, lambda out, at: (out.x, out.success, _way(out.x, at)),
                  solutions.normal, linear_solver, (method, tol, scipy_solvers.frozen(options), exact), more, limits or ())
