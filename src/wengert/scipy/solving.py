"""`least_squares`, `root` and `solve_ivp` of SciPy, with exact Jacobians.

What comes in: what SciPy's function of the same name takes. What goes out: its result. The one idea: as for `minimize`, what
the user does not give is filled in where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .adapter import Adapter
from .points import Layout, refuse_traced

__all__ = ["least_squares", "root", "solve_ivp"]

Function = Callable[..., Any]


def least_squares(fun: Function, x0: Any, jac: Any = None, bounds: Any = (-np.inf, np.inf), method: str = "trf", *,
                  args: Any = (), kwargs: Any = None, jac_sparsity: Any = None, callback: Any = None, sparsity: Any = None,
                  **options: Any) -> Any:
    """`scipy.optimize.least_squares` with the exact Jacobian.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args, **kwargs)``, to the vector of residuals (an array, a list of numbers; a tree is one vector).
    x0 : array_like of shape (n,), or tree
        As for `minimize`.
    bounds
        As SciPy's; with a tree, a pair of numbers or of trees like x0.
    jac : optional
        The default is the exact Jacobian; what is given is passed on.
    sparsity : "detect", "local", or matrix, optional
        A sparse Jacobian. A `jac_sparsity` is taken for it: the values are exact, and an entry that the pattern misses is an
        error.
    method, args, kwargs, callback, **options
        As SciPy's.

    Returns
    -------
    scipy.optimize.OptimizeResult

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.scipy.least_squares(lambda x: [10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]], [-1.2, 1.0]).x.round(6)
    array([1., 1.])
    """
    import scipy.optimize
    layout = Layout("least_squares", x0)
    exact = jac is None
    if exact and sparsity is None:
        sparsity, jac_sparsity = jac_sparsity, None
    args = args if isinstance(args, tuple) else (args,)
    s = Adapter("least_squares", fun, layout, "vector", 0, sparsity).started(layout.start, *args, **(kwargs or {}))
    options.update({} if jac_sparsity is None else {"jac_sparsity": jac_sparsity})
    options.update({} if callback is None else {"callback": layout.callback(callback)})
    found = scipy.optimize.least_squares(s.fun, layout.start, s.jac if exact else _of_vectors(layout, jac),
                                         layout.bounds("least_squares", bounds), method,
                                         args=args, kwargs=kwargs or {}, **options)
    return layout.result(found)


def root(fun: Function, x0: Any, args: Any = (), method: str = "hybr", jac: Any = None, tol: float | None = None,
         callback: Any = None, options: Any = None) -> Any:
    """`scipy.optimize.root` with the exact Jacobian, for the methods that take one (hybr and lm).

    Parameters
    ----------
    fun : callable
        ``fun(x, *args)``, to as many numbers as x has.
    x0 : array_like, or tree
        As for `minimize`.
    jac : optional
        The default is the exact Jacobian; what is given is passed on.
    args, method, tol, callback, options
        As SciPy's.

    Returns
    -------
    scipy.optimize.OptimizeResult

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.scipy.root(lambda x: [x[0] + 0.5 * (x[0] - x[1]) ** 3 - 1.0, 0.5 * (x[1] - x[0]) ** 3 + x[1]], [0.0, 0.0]).x
    array([0.8411639, 0.1588361])
    """
    import scipy.optimize
    layout = Layout("root", x0)
    if jac is True:  # fun gives its own Jacobian
        return scipy.optimize.root(fun, x0, args, method, jac, tol, callback, options)
    s = Adapter("root", fun, layout, "vector").started(layout.start, *(args if isinstance(args, tuple) else (args,)))
    exact = jac is None and method.lower() in ("hybr", "lm")
    transposed = exact and bool((options or {}).get("col_deriv"))
    given = (lambda *a: s.jac(*a).T) if transposed else s.jac if exact else _of_vectors(layout, jac)
    found = scipy.optimize.root(s.fun, layout.start, args, method, given, tol, layout.callback(callback), options)
    return layout.result(found)


def _of_vectors(layout: Layout, f: Any) -> Any:
    return (lambda x, *args, **kwargs: f(layout.unpack(x), *args, **kwargs)) if callable(f) and layout.tree else f


def solve_ivp(fun: Function, t_span: Any, y0: Any, method: Any = "RK45", *rest: Any, args: Any = None, sparsity: Any = None,
              **options: Any) -> Any:
    """`scipy.integrate.solve_ivp` with the right-hand side compiled and its exact Jacobian for Radau, BDF and LSODA.

    Parameters
    ----------
    fun : callable
        ``fun(t, y, *args)``, to the derivative of y (an array, or a list of numbers).
    sparsity : "detect", "local", or matrix, optional
        A sparse Jacobian, for Radau and BDF. A `jac_sparsity` is taken for it.
    t_span, y0, method, *rest, args, **options
        As SciPy's; a `jac` that is given is passed on.

    Returns
    -------
    scipy.integrate._ivp.ivp.OdeResult

    Examples
    --------
    >>> import wengert as wg
    >>> def robertson(t, y):
    ...     a, b, c = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
    ...     return [b - a, a - b - c, c]
    >>> wg.scipy.solve_ivp(robertson, (0.0, 40.0), [1.0, 0.0, 0.0], "Radau", rtol=1e-8, atol=1e-12).y[0, -1].round(6)
    np.float64(0.715827)
    """
    import scipy.integrate
    stiff = str(getattr(method, "__name__", method)) in ("Radau", "BDF", "LSODA")
    if sparsity is None and options.get("jac") is None and stiff:
        sparsity = options.pop("jac_sparsity", None)
    s = Adapter("solve_ivp", fun, Layout("solve_ivp", None), "vector", 1, sparsity)
    refuse_traced("solve_ivp", t_span, y0)
    s.started(float(t_span[0]), np.asarray(y0), *(args or ()))
    if stiff and options.get("jac") is None and not np.iscomplexobj(y0):
        options["jac"] = s.jac
    return scipy.integrate.solve_ivp(s.fun, t_span, y0, method, *rest, args=args, **options)
