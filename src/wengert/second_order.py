"""Second-order products without the matrix.

What comes in: a function, a point, a direction. What goes out: the Hessian times the direction, or the Gauss-Newton matrix
times it. The one idea: ``∇²f(x) v`` is a derivative of a derivative, and each of the two may be taken forward or in reverse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wengert.api import grad, jacfwd, pulled, pushed
from wengert.errors import InputError, kind_of, not_a_function
from wengert.finite import look

__all__ = ["MODES", "gauss_newton_product", "hvp"]

Function = Callable[..., Any]


def _forward_over_reverse(f: Function, x: tuple[Any, ...], v: tuple[Any, ...]) -> Any:
    return pushed("hvp", grad(f, tuple(range(len(x)))), x, v)[1]


def _reverse_over_forward(f: Function, x: tuple[Any, ...], v: tuple[Any, ...]) -> Any:
    return grad(lambda *point: pushed("hvp", f, point, v)[1], tuple(range(len(x))))(*x)


def _reverse_over_reverse(f: Function, x: tuple[Any, ...], v: tuple[Any, ...]) -> Any:
    """The Hessian is symmetric: its transpose times v."""
    return pulled("hvp", grad(f, tuple(range(len(x)))), x)[1](v)


def _forward_over_forward(f: Function, x: tuple[Any, ...], v: tuple[Any, ...]) -> Any:
    return jacfwd(lambda *point: pushed("hvp", f, point, v)[1], tuple(range(len(x))))(*x)


MODES: dict[str, Callable[[Function, tuple[Any, ...], tuple[Any, ...]], Any]] = {
    "forward-over-reverse": _forward_over_reverse, "reverse-over-forward": _reverse_over_forward,
    "reverse-over-reverse": _reverse_over_reverse, "forward-over-forward": _forward_over_forward}


def hvp(f: Function, primals: Any, tangents: Any, mode: str = "forward-over-reverse") -> Any:
    """Hessian-vector product, ``∇²f(x) v``, without the matrix.

    Parameters
    ----------
    f : callable
        A scalar function.
    primals : array, tree, or tuple of arguments
    tangents : the same structure
        If `primals` is a tuple it is taken as the arguments of f, else as the one argument.
    mode : str
        "forward-over-reverse" is the cheapest as a rule: the gradient, carried along v. "reverse-over-forward" and
        "reverse-over-reverse" give the same product at the cost of a few gradients. "forward-over-forward" needs no reverse
        mode, and one pass for each input: for few inputs, or long loops whose tape would not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.hvp(lambda x: np.sum(x ** 3), np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])
    >>> wg.hvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 0.0), mode="reverse-over-forward")
    (np.float64(0.0), np.float64(1.0))
    """
    if not callable(f):
        raise InputError(f"hvp: {not_a_function(f)}; write wg.hvp(f, x, v), not wg.hvp(f(x), v)")
    if mode not in MODES:
        raise InputError(f"hvp: mode={mode!r} is none of {', '.join(MODES)}")
    several = isinstance(primals, tuple)
    x, v = (primals, tangents) if several else ((primals,), (tangents,))
    out = look("hvp", MODES[mode], f, x, v)
    return out if several else out[0]


def gauss_newton_product(residual: Function, x: Any, v: Any, loss: Function | None = None) -> Any:
    """The Gauss-Newton matrix of ``loss(residual(x))`` times a vector, ``Jᵀ H J v``, without the matrices.

    J is the Jacobian of the residual at x and H the Hessian of the loss at ``residual(x)``: the Hessian of the composition
    without the curvature of the residual. It is positive semidefinite where the loss is convex.

    Parameters
    ----------
    residual : callable
        Returns an array or a tree of arrays.
    x : array, tree, or tuple of arguments
        If it is a tuple it is taken as the arguments of `residual`, else as the one argument.
    v : the same structure
    loss : callable, optional
        A scalar function of what `residual` returns. The default is ``½ ‖r‖²``, whose Hessian is the identity.

    Returns
    -------
    array or tree
        In the structure of `x`.

    Notes
    -----
    N. N. Schraudolph, Fast curvature matrix-vector products for second-order gradient descent, Neural Computation 14 (2002),
    1723-1738.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.gauss_newton_product(lambda x: x ** 2, np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 4., 16.])
    >>> wg.gauss_newton_product(lambda x: x ** 2, np.array([1.0, 2.0]), np.array([1.0, 1.0]), lambda r: np.sum(np.exp(-r)))
    array([1.47151776, 0.29305022])
    """
    if not callable(residual):
        raise InputError(f"gauss_newton_product: the first argument is a function, not {kind_of(residual)}")
    primals, direction = (x, v) if isinstance(x, tuple) else ((x,), (v,))
    out = look("gauss_newton_product", _gauss_newton, residual, primals, direction, loss)
    return out if isinstance(x, tuple) else out[0]


def _gauss_newton(residual: Function, primals: Any, direction: Any, loss: Function | None) -> Any:
    name = "gauss_newton_product"
    r, pullback = pulled(name, residual, primals)
    moved = pushed(name, residual, primals, direction)[1]
    if loss is not None:
        moved = pushed(name, grad(loss), (r,), (moved,))[1]
    return pullback(moved)
