"""Sparse Hessians: the entries of a prepared structure, for a chain of 1000 and for a grid of 200 x 200.

What comes in: which function. What goes out: its entries, row by row. The one idea: the structure is found once, and a call
gives what a solver asks for at each iteration. "First call" holds the detection, the coloring and the compilation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import peers
from harness.case import Setup, Target, Variant

C = ""
VARIANTS = [
    Variant("chained Rosenbrock, n = 1000", {"what": "chain", "n": 1000}, (Target(3e-6),), quick=True),
    Variant("five-point grid, 200 x 200", {"what": "grid", "n": 40_000}, (Target(system="casadi", factor=1.0),)),
]


def chain(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def grid(x: Any) -> Any:
    """Fourth powers of the differences of neighbors, and an exponential."""
    n = int(np.sqrt(x.size))
    u = np.reshape(x, (n, n))
    return np.sum((u[1:] - u[:-1]) ** 4) + np.sum((u[:, 1:] - u[:, :-1]) ** 4) + np.sum(np.exp(u))


def inputs(what: str, n: int) -> Any:
    return (np.random.default_rng(0).normal(size=n),)


def wengert(s: Setup) -> Any:
    import wengert as wg
    structure = wg.hessian({"chain": chain, "grid": grid}[s.params["what"]], sparsity="detect").prepare(*s.data)
    return peers.bound(wg.jit(structure.values), *s.data)


def casadi(s: Setup) -> Any:
    import casadi as ca
    n = s.params["n"]
    x = ca.SX.sym("x", n)
    if s.params["what"] == "chain":
        f = ca.sum1(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
    else:
        u = ca.reshape(x, int(np.sqrt(n)), -1)
        f = ca.sum1(ca.vec((u[1:, :] - u[:-1, :]) ** 4)) + ca.sum1(ca.vec((u[:, 1:] - u[:, :-1]) ** 4)) + ca.sum1(ca.exp(x))
    function = ca.Function("h", [x], [ca.hessian(f, x)[0]])
    return (lambda: function(*s.data)), lambda: [np.array(function(*s.data).nonzeros())]  # by columns, and symmetric


SYSTEMS = {"wengert": wengert, "casadi": casadi}
