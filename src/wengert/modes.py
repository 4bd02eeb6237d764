"""Modes: the ways in which a Jacobian can be accumulated, and which of them is taken.

What comes in: a run of a function. What goes out: the blocks of its Jacobian. The one idea: each mode is a graph from the
residuals to the same blocks, so modes are compared by counting, and chosen once for each structure of a program.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.frontends.trace import active_frame
from wengert.graph import Var
from wengert.run import Run
from wengert.transforms.accumulate import Matrix, accumulated

__all__ = ["MODES", "blocks"]

MODES = ("auto", "forward", "reverse", "colored", "mixed")
EQUATION = 500.0  # elements that cost as much as interpreting one more equation


def blocks(run: Run, mode: str, holomorphic: bool) -> list[list[Any]]:
    """The Jacobian's blocks [output leaf][input leaf], of shape ``output + input``."""
    matrix = _matrix(run, mode)
    found = iter(run.call(matrix.graph, run.residuals()))
    values = [[next(found) if p else None for p in row] for row in matrix.present]
    if holomorphic and mode == "reverse":  # the adjoint multiplies by the conjugate
        values = [[None if b is None else np.conjugate(b) for b in row] for row in values]
    alive = [v for v, nonzero in zip(run.out_vars, run.linear().nonzero, strict=True) if nonzero]
    by_var = dict(zip(alive, values, strict=True))
    out = []
    for x in run.out_leaves:
        row = by_var.get(x) if isinstance(x, Var) else None
        shape, dtype = _leaf_shape(x)
        out.append([b if (b := None if row is None else row[k]) is not None else
                    np.zeros((*shape, *v.type.shape), v.type.dtype if mode == "reverse" else dtype)
                    for k, v in enumerate(run.inputs)])
    return out


def _matrix(run: Run, mode: str) -> Matrix:
    """The graph of the blocks, kept with the interned graph."""
    price = EQUATION if active_frame() is None else 0.0
    key, derived = ("matrix", mode, price, tuple(run.inputs), tuple(run.out_vars)), run.trace.build.derived
    found = derived.get(key)
    if found is None:
        found = derived[key] = _MAKE[mode](run, price)
    return found  # type: ignore[no-any-return]


def _forward(run: Run, price: float) -> Matrix:
    return accumulated(run.forward(), run.linear().count, False, price)


def _reverse(run: Run, price: float) -> Matrix:
    adjoint, linear = run.adjoint(), run.linear()
    found = accumulated(adjoint.graph, sum(linear.nonzero), True, price)
    wide = [_widened(row, adjoint.nonzero) for row in found.present]
    return Matrix(found.graph, tuple(wide))


def _widened(row: Sequence[bool], nonzero: Sequence[bool]) -> tuple[bool, ...]:
    it = iter(row)
    return tuple(next(it) if flag else False for flag in nonzero)


_MAKE = {"forward": _forward, "reverse": _reverse}


def _leaf_shape(x: Any) -> tuple[tuple[int, ...], Any]:
    if hasattr(x, "type"):
        return x.type.shape, x.type.dtype if x.type.inexact else np.dtype(float)
    found = np.asarray(x)
    return found.shape, found.dtype if found.dtype.kind in "fc" else np.dtype(float)
