"""Taylor coefficients of a function along a direction.

What comes in: a function, a point, a direction, an order. What goes out: the coefficients of ``t -> f(x + t v)``. The one
idea: all orders are carried through one graph, so order d costs O(d²) operations where d nested derivatives cost 2^d.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.api import flat_tangents, run_all
from wengert.errors import InputError, not_a_function
from wengert.finite import TANGENT, look
from wengert.graph import Var
from wengert.run import Run, own
from wengert.transforms.taylor import Taylor
from wengert.transforms.taylor import taylor as transform

__all__ = ["taylor"]


def taylor(f: Callable[..., Any], x: Any, v: Any, order: int) -> Any:
    """Taylor coefficients of ``t -> f(x + t v)`` at t = 0: ``c[k] = Dᵏf(x)[v, ..., v] / k!``.

    Exact, through loops, branches and linear algebra. ``6 * c[3]`` is the third directional derivative.

    Parameters
    ----------
    f : callable
        Returns an array or a tree of arrays.
    x : array, tree, or tuple of arguments
        If it is a tuple it is taken as the arguments of f, else as the one argument.
    v : the same structure
        The direction.
    order : int
        The highest order, at least 0.

    Returns
    -------
    array or tree
        In the structure of the value of f, arrays of shape ``(order + 1, *value.shape)``; for a function of one number, what
        `numpy.polynomial.Polynomial` takes.

    Raises
    ------
    InputError
        If `x` and `v` differ in structure or shapes, or the order is not a whole number.
    UnsupportedError
        Inside ``jit``, for a loop or branch that draws random numbers, prints or raises.

    Notes
    -----
    A. Griewank and A. Walther, Evaluating Derivatives, 2nd ed., SIAM, 2008, chapter 13; the recurrences are those that follow
    from the differential of each operation (see `wengert.transforms.taylor`).

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.taylor(lambda x: 1.0 / (1.0 - x), 0.0, 1.0, 4)
    array([1., 1., 1., 1., 1.])
    >>> wg.taylor(lambda x: np.sum(x ** 3), np.array([1.0, 2.0]), np.array([1.0, 0.0]), 3)
    array([9., 3., 3., 1.])
    """
    if not callable(f):
        raise InputError(f"taylor: {not_a_function(f)}; write wg.taylor(f, x, v, order)")
    try:
        order = operator.index(order)
    except TypeError:
        order = -1
    if order < 0:
        raise InputError("taylor: the order is a whole number, 0 or more")
    primals, direction = (x, v) if isinstance(x, tuple) else ((x,), (v,))
    return look("taylor", _coefficients_of, f, primals, direction, order)


def _coefficients_of(f: Callable[..., Any], primals: Any, direction: Any, order: int) -> Any:
    run = run_all("taylor", f, primals)
    run.require_inexact()
    given = flat_tangents("taylor", run, primals, direction)
    found = _coefficients(run, given, order)
    seen: set[int] = set()
    return run.out_spec.unflatten([None if leaf is None else own(np.stack(_column(run, leaf, found, order)), seen)
                                   for leaf in run.out_leaves])


def _coefficients(run: Run, given: list[Any], order: int) -> dict[Any, list[Any]]:
    """The coefficients of order 1 and above of the output variables; None for zero."""
    if order == 0 or not run.out_vars:
        return {}
    key = ("taylor", tuple(run.inputs), tuple(run.out_vars), order)
    derived = run.trace.build.derived
    found: Taylor | None = derived.get(key)
    if found is None:
        graph = run.trace.build.extract(run.inputs, run.out_vars)
        found = derived[key] = transform(graph, [True] * len(run.inputs), order)
    out = iter(run.call(found.graph, [*given, *[run.env[r] for r in found.residuals]], TANGENT))
    return {v: [next(out) if nonzero else None for nonzero in row] for v, row in zip(run.out_vars, found.nonzero, strict=True)}


def _column(run: Run, leaf: Any, found: dict[Any, list[Any]], order: int) -> list[Any]:
    value = run.env[leaf] if isinstance(leaf, Var) else leaf
    zero = np.zeros_like(value) if not isinstance(leaf, Var) else np.zeros(leaf.type.shape, leaf.type.dtype)
    return [value, *[zero if c is None else c for c in found.get(leaf, [None] * order)]]
