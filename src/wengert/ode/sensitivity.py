"""Initial value problems solved by SciPy, with the derivatives of the solution in the result.

What comes in: a right-hand side, a start and arguments. What goes out: SciPy's result object with a further attribute `sens`.
The one idea: the states at the output times are a function of (y0, args), and `sens` is its Jacobian, by forward mode (the
variational equation) or by reverse mode (the adjoint equation).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import wengert as wg
from wengert.errors import InputError
from wengert.flatten import flatten
from wengert.frontends import scipy_ode

__all__ = ["Sensitivities", "solve_ivp"]


@dataclass(frozen=True)
class Sensitivities:
    """Derivatives of a solution y, of shape (n, times).

    Attributes
    ----------
    y0 : array
        ``∂y/∂y0``, of shape (n, times, n).
    args : tuple
        For each argument the tree of ``∂y/∂argument``, each leaf of shape ``(n, times) + leaf.shape``; None for what is
        no float.
    mode : str
        "forward" or "adjoint": how they were computed.
    """

    y0: Any
    args: tuple[Any, ...]
    mode: str


def solve_ivp(fun: Callable[..., Any], t_span: Any, y0: Any, method: str = "RK45", t_eval: Any = None,
              dense_output: bool = False, events: Any = None, vectorized: bool = False, args: Any = None, *,
              sens: str | None = "forward", **options: Any) -> Any:
    """`scipy.integrate.solve_ivp` with ``∂y/∂y0`` and ``∂y/∂args`` at all output times.

    The derivative is that of the continuous solution, ``S' = f_y S + f_p``, integrated with (y, S) under one error control:
    relative tolerance `rtol`, absolute tolerance ``atol / |p_j|`` for the column of p_j (``atol`` where p_j is 0), as CVODES
    chooses it. The adjoint mode integrates ``λ' = -f_yᵀ λ, μ' = -f_pᵀ λ`` backward for each output. Implicit methods (Radau,
    BDF, LSODA) get the exact Jacobian, sparse if most of its entries are known to be zero; `fun` is compiled.

    Parameters
    ----------
    fun, t_span, y0, method, t_eval, dense_output, events, vectorized, args, **options
        As in SciPy. `fun` is written with NumPy; the floats in `args` (arrays, or trees of them) are the parameters.
    sens : "forward", "adjoint" or None
        All states at all times are asked for, so forward integrates fewer equations; the adjoint pays where few numbers are
        made of the solution (by `wg.grad` of a function that calls ``scipy.integrate.solve_ivp``). None leaves `sens` out.

    Returns
    -------
    scipy.optimize.OptimizeResult
        SciPy's result, with `sens`, a `Sensitivities`.

    Raises
    ------
    InputError
        If there are integers in `args` and no floats; next to floats, integers are taken as fixed.
    ConvergenceError
        If the integration does not reach the end.
    NonDifferentiableError
        If `fun` jumps along the trajectory, or an event is grazed.

    References
    ----------
    Hindmarsh et al., "SUNDIALS: Suite of Nonlinear and Differential/Algebraic Equation Solvers", ACM TOMS 31 (2005).

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> def decay(t, y, k):
    ...     return -k * y
    >>> sol = wg.ode.solve_ivp(decay, (0.0, 1.0), [2.0], t_eval=[0.5, 1.0], args=(3.0,), rtol=1e-10, atol=1e-12)
    >>> np.allclose(sol.sens.args[0], -sol.t * 2.0 * np.exp(-3.0 * sol.t))
    True
    """
    if sens not in ("forward", "adjoint", None):
        raise InputError(f"solve_ivp: sens is 'forward', 'adjoint' or None, not {sens!r}")
    options = options if sens is None else {**options, "sens": sens}
    call = functools.partial(_call, fun, t_span, method, t_eval, dense_output, events, vectorized, options)
    return _with_sensitivities(call, np.asarray(y0, float), _arguments(args, sens), sens)


def _arguments(args: Any, sens: str | None) -> tuple[Any, ...]:
    """The arguments as SciPy takes them; with sensitivities asked for, not all of them integers."""
    try:
        given = () if args is None else tuple(args)
    except TypeError:
        raise TypeError(f"Supplied 'args' cannot be unpacked. Please supply `args` as a tuple (e.g. `args=({args!r},)`)"
                        ) from None
    whole = [k for k, a in enumerate(given) if _has_integer(a)]
    if sens is not None and whole and not any(_has_float(a) for a in given):
        raise InputError(f"solve_ivp: args[{whole[0]}] is an integer, and no other argument is a float; integers have no "
                         f"derivative. Pass floats, as in args=(1.0,), or sens=None")
    return given


def _call(fun: Any, t_span: Any, method: str, t_eval: Any, dense_output: bool, events: Any, vectorized: bool,
          options: dict[str, Any], y0: Any, args: tuple[Any, ...]) -> Any:
    return scipy_ode.solve_ivp(fun, t_span, y0, method, t_eval, dense_output, events, vectorized, args, **options)


def _with_sensitivities(call: Callable[..., Any], y0: Any, args: tuple[Any, ...], sens: str | None) -> Any:
    moving = [k for k, a in enumerate(args) if _has_float(a)]
    found: list[Any] = []

    def states(y: Any, *floats: Any) -> Any:
        full = list(args)
        for k, x in zip(moving, floats, strict=True):
            full[k] = x
        found[:] = [call(y, tuple(full))]
        return found[0].y
    values = [y0, *[args[k] for k in moving]]
    value, _ = wg.vjp(states, *values)
    sol = _plain_result(found[0], value)
    if sens is not None:
        mode = wg.jacfwd if sens == "forward" else wg.jacrev
        by_start, *rest = mode(states, argnums=tuple(range(len(values))))(*values)
        by_args: list[Any] = [None] * len(args)
        for k, j in zip(moving, rest, strict=True):
            by_args[k] = j
        sol["sens"] = Sensitivities(by_start, tuple(by_args), sens)
    return sol


def _has_float(a: Any) -> bool:
    return any(isinstance(x, float) or (hasattr(x, "dtype") and x.dtype.kind == "f") for x in flatten(a)[0])


def _has_integer(a: Any) -> bool:
    return any((isinstance(x, int) and not isinstance(x, bool)) or (hasattr(x, "dtype") and x.dtype.kind in "iu")
               for x in flatten(a)[0])


def _plain_result(sol: Any, value: Any) -> Any:
    """The result with plain values in place of traced ones."""
    plain = type(sol)({k: _known(v) for k, v in sol.items()})
    plain["y"] = value
    return plain


def _known(x: Any) -> Any:
    if isinstance(x, list):
        return [_known(v) for v in x]
    return np.array(x.value) if hasattr(x, "build") and hasattr(x, "atom") else x
