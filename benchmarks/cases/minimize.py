"""SciPy's minimizers on Rosenbrock's function: a whole run, by whose gradient.

What comes in: the method, n, and how many iterations at most. What goes out: the last point. The one idea: SciPy's own work is
the same for all; the rest is what values and gradients cost, and the call. For n = 1000 that of BFGS is updates of a dense
matrix, n² numbers each, so L-BFGS-B stands beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import peers
from harness.case import Setup, Target, Variant

C = ""
HAND = Target(system="by hand")
VARIANTS = [
    Variant("BFGS, n = 10", {"method": "BFGS", "n": 10, "iterations": 1000}, (HAND,), tolerance=1e-4, quick=True),
    Variant("BFGS, n = 1000, 10 iterations", {"method": "BFGS", "n": 1000, "iterations": 10}, (HAND,), tolerance=1e-6),
    Variant("L-BFGS-B, n = 1000, 20 iterations", {"method": "L-BFGS-B", "n": 1000, "iterations": 20}, (HAND,), tolerance=1e-6,
            quick=True),
]


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def gradient(x: Any) -> Any:
    d = x[1:] - x[:-1] ** 2
    g = np.zeros_like(x)
    g[1:] = 200.0 * d
    g[:-1] -= 400.0 * x[:-1] * d + 2.0 * (1.0 - x[:-1])
    return g


def inputs(method: str, n: int, iterations: int) -> Any:
    return np.random.default_rng(0).uniform(0.5, 1.5, n)


def run(s: Setup, fun: Any, jac: Any) -> Any:
    from scipy.optimize import minimize
    options = {"maxiter": s.params["iterations"]}
    return peers.compared(lambda: minimize(fun, s.data, jac=jac, method=s.params["method"], options=options).x)


def wengert(s: Setup) -> Any:
    import wengert as wg
    adapter = wg.for_scipy(rosenbrock)
    return run(s, adapter.fun, adapter.jac)


def one_call(s: Setup) -> Any:
    import wengert as wg
    options = {"maxiter": s.params["iterations"]}
    return peers.compared(lambda: wg.scipy.minimize(rosenbrock, s.data, method=s.params["method"], options=options).x)


def by_hand(s: Setup) -> Any:
    return run(s, rosenbrock, gradient)


def jax(s: Setup) -> Any:
    """One function for value and gradient, which SciPy then caches."""
    module = peers.jax_setup()
    both = module.jit(module.value_and_grad(peers.jax_functions(globals()).rosenbrock))

    def value_and_gradient(x: Any) -> Any:
        value, g = both(x)
        return float(value), np.asarray(g)
    return run(s, value_and_gradient, True)


SYSTEMS = {"by hand": by_hand, "wengert": wengert, "wengert wg.scipy.minimize": one_call, "jax": jax}
