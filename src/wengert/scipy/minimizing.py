"""`scipy.optimize.minimize`, with exact derivatives for the methods that take them.

What comes in: what `scipy.optimize.minimize` takes. What goes out: its result. The one idea: a derivative that the user does
not give is filled in, for the objective and for each constraint, and for no method that would not use it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wengert.errors import InputError

from .adapter import Adapter
from .points import Layout

__all__ = ["minimize"]

Function = Callable[..., Any]
GRADIENT = {"cg", "bfgs", "newton-cg", "l-bfgs-b", "tnc", "slsqp", "dogleg", "trust-ncg", "trust-krylov", "trust-exact",
            "trust-constr", "_custom"}
PRODUCTS = {"newton-cg", "trust-ncg", "trust-krylov", "trust-constr", "_custom"}  # products are all they need of the Hessian
SPARSE = {"newton-cg", "trust-constr", "_custom"}  # the other two compute with it as with an array
HESSIAN = {"dogleg", "trust-exact"}  # they factor it
CONSTRAINED = {"slsqp", "trust-constr", "_custom"}


def minimize(fun: Function, x0: Any, args: Any = (), method: Any = None, jac: Any = None, hess: Any = None, hessp: Any = None,
             bounds: Any = None, constraints: Any = (), tol: float | None = None, callback: Any = None, options: Any = None, *,
             sparsity: Any = None) -> Any:
    """`scipy.optimize.minimize` with exact gradients, Hessians and constraint Jacobians.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args)``, to one number. What is compiled stays with the function: a second call begins at once.
    x0 : array_like of shape (n,), or tree
        Of a tree (a dict, a dataclass, a list of arrays, an array of two axes and more), fun takes trees, and so does
        `callback`; the result's `x` and `jac` are trees. Integers beside floats, functions and
        what is `Frozen` stay as they are.
    bounds
        As SciPy's; with a tree also a pair (lower, upper) of numbers or of trees like x0.
    jac, hess, hessp : optional
        The default is the exact derivative where the method uses it: `hess` for those that factor it, else `hessp`.
    constraints
        As SciPy's. Jacobians and Hessians that were left at SciPy's defaults ("2-point" and `BFGS`) are exact.
    args, method, tol, callback, options
        As SciPy's.
    sparsity : "detect", "local", or matrix, optional
        A sparse Hessian for Newton-CG and trust-constr; a word makes the constraints' sparse for trust-constr, too.

    Returns
    -------
    scipy.optimize.OptimizeResult

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> def rosenbrock(x):
    ...     return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
    >>> wg.scipy.minimize(rosenbrock, [-1.2, 1.0], method="trust-exact").x.round(6)
    array([1., 1.])
    """
    import scipy.optimize
    args = args if isinstance(args, tuple) else (args,)
    if jac is True:  # fun gives its own gradient
        if Layout("minimize", x0).tree is not None:
            raise InputError("minimize: jac=True is of functions of vectors; with a tree, let fun return the value alone, its "
                             "gradient is exact")
        return scipy.optimize.minimize(fun, x0, args, method, jac, hess, hessp, bounds, constraints, tol, callback, options)
    layout = Layout("minimize", x0)
    s = Adapter("minimize", fun, layout, "number", 0, sparsity).started(layout.start, *args)
    name = method_name(method, bounds, constraints)
    exact = jac is None and name in GRADIENT
    if layout.tree is not None and (callable(hess) or callable(hessp)):
        raise InputError("minimize: with a tree, hess and hessp are of vectors; leave them out, they are exact then")
    if exact and hess is None and hessp is None:
        if name in HESSIAN or (name in SPARSE and sparsity is not None):
            hess = s.hess
        elif name in PRODUCTS:
            hessp = s.hessp
    found = scipy.optimize.minimize(
        s.fun if exact else s.value, layout.start, args, method, s.jac if exact else _of_vectors(layout, jac),
        hess, hessp, layout.bounds("minimize", bounds), _constraints(s, constraints, name), tol,
        layout.callback(callback), options)
    return layout.result(found)


def method_name(method: Any, bounds: Any, constraints: Any) -> str:
    """What SciPy will use."""
    if method is None:
        return "slsqp" if _several(constraints) else "bfgs" if bounds is None else "l-bfgs-b"
    return "_custom" if callable(method) else str(method).lower()


def _of_vectors(layout: Layout, f: Any) -> Any:
    """The user's own gradient, of trees, as one of vectors."""
    if not callable(f) or layout.tree is None:
        return f
    return lambda x, *args: layout.pack("minimize", f(layout.unpack(x), *args))


# ---------------------------------------------------------------- constraints

def _several(constraints: Any) -> list[Any]:
    """One constraint or a sequence of them, as a list."""
    from scipy.optimize import LinearConstraint, NonlinearConstraint
    single = isinstance(constraints, (dict, LinearConstraint, NonlinearConstraint))
    return [constraints] if single else list(constraints)


def _constraints(s: Adapter, constraints: Any, name: str) -> Any:
    try:
        several = _several(constraints)
    except TypeError:  # SciPy says what is wrong with it
        return constraints
    return [_filled(s, c, name) for c in several]


def _filled(s: Adapter, c: Any, name: str) -> Any:
    """A constraint with exact derivatives where SciPy would take differences or updates."""
    from scipy.optimize import BFGS, NonlinearConstraint
    sparsity = s.sparsity if isinstance(s.sparsity, str) and name == "trust-constr" else None
    if isinstance(c, dict) and callable(c.get("fun")) and c.get("jac") is None:
        if name == "trust-constr" and str(c.get("type")).lower() in ("eq", "ineq"):
            inner = s.constraining(c["fun"], tuple(c.get("args", ())), sparsity)
            upper = 0.0 if str(c["type"]).lower() == "eq" else float("inf")
            return NonlinearConstraint(inner.value, 0.0, upper, inner.jac, inner.curvature)
        inner = s.constraining(c["fun"], (), sparsity)
        return {**c, "fun": inner.value, **({"jac": inner.jac} if name in CONSTRAINED else {})}
    if isinstance(c, NonlinearConstraint):
        inner = s.constraining(c.fun, (), sparsity)
        exact = name in CONSTRAINED and isinstance(c.jac, str) and c.jac == "2-point"
        jac = inner.jac if exact else c.jac
        hess = inner.curvature if exact and type(c.hess) is BFGS and name != "slsqp" else c.hess
        return NonlinearConstraint(inner.value, c.lb, c.ub, jac, hess, c.keep_feasible, c.finite_diff_rel_step,
                                   c.finite_diff_jac_sparsity)
    return c
