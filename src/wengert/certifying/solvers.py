"""How exactly the solvers in a program solve.

What comes in: a program and its inputs. What goes out: the coarsest relative tolerance of its solvers, and its line. The one
idea: the derivative of a solution is that of the exact one, and differences see the one that was found; they may differ by the
tolerance, and by no more. Of a root the tolerance is what a step of Newton's method would still change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.interpret import Program
from wengert.graph import Equation, Graph, Var
from wengert.graph.walk import subgraphs
from wengert.primitives.linear_system import solver_of

__all__ = ["UNKNOWN", "coarsest_solver"]

UNKNOWN = 1e-6  # of a solver that cannot be asked
_SURE = 2.0 ** -50  # nothing is solved more exactly


def coarsest_solver(graph: Graph, inputs: Callable[[], Sequence[Any]]) -> tuple[str, float]:
    """The line and the tolerance; "" and 0 where there is no solver."""
    found = [("", 0.0)]
    stack = [(graph, True)]
    while stack:
        g, outermost = stack.pop()
        for e in g.equations:
            tolerance = _tolerance(g, e, inputs if outermost else None)
            if tolerance is not None:
                found.append((min(g.lines.get(e, frozenset()), default=e.primitive.name), max(tolerance, _SURE)))
            stack += [(inner, False) for inner in subgraphs(e)]
    return max(found, key=lambda pair: pair[1])


def _tolerance(g: Graph, e: Equation, inputs: Callable[[], Sequence[Any]] | None) -> float | None:
    if e.primitive.name == "ivp":
        return float(np.max(e.params["rtol"]))
    if e.primitive.name == "integral":
        options = dict(e.params["options"])
        return float(np.max([options.get(key, 0.0) for key in ("epsabs", "epsrel", "atol", "rtol")])) or UNKNOWN
    if e.primitive.name != "implicit":
        return None
    try:
        return UNKNOWN if inputs is None else _left_by_newton(g, e, inputs())
    except Exception:  # the user's function, or a system that has no solution
        return UNKNOWN


def _left_by_newton(g: Graph, e: Equation, inputs: Sequence[Any]) -> float:
    """How far a step of Newton's method from the root that was found goes, relative to the root."""
    atoms = [o for o in e.operands if isinstance(o, Var)]
    with np.errstate(all="ignore"):
        known = dict(zip(atoms, Program(Graph(g.inputs, g.equations, tuple(atoms)))(*inputs), strict=True))
        x, _, way, *parameters = [known[o] if isinstance(o, Var) else o.value for o in e.operands]
        entries = Program(e.params["matrix"])(x, *parameters)
        left = np.ravel(np.asarray(Program(e.params["residual"])(x, *parameters)[0], float))
        step = np.abs(solver_of(e.params["system"], entries, np.shape(x))(left))
    size = max(float(np.max(np.abs(x), initial=0.0)), float(np.max(way, initial=0.0)))
    far = float(np.max(step, initial=0.0))
    return far / size if np.isfinite(far) and size else UNKNOWN
