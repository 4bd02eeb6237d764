"""Gradient of Rosenbrock's function, NumPy in and NumPy out: what a call costs (n = 2), and one fused pass (n = 1000).

What comes in: n. What goes out: the gradient at a random point. The one idea: for n = 2 everything is overhead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import native, peers
from harness.case import Setup, Target, Variant

C = "rosenbrock"  # the source in reference/
VARIANTS = [
    Variant("gradient, n = 2", {"n": 2}, (Target(0.15e-6),), quick=True),
    Variant("gradient, n = 1000", {"n": 1000}, (Target(1.5e-6),), quick=True),
]


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def inputs(n: int) -> Any:
    return np.random.default_rng(0).normal(size=n)


def wengert(s: Setup) -> Any:
    import wengert as wg
    return peers.bound(wg.jit(wg.grad(rosenbrock)), s.data)


def c(s: Setup) -> Any:
    g = np.empty_like(s.data)
    call = native.function(s.libraries, "rosenbrock", "gradient", s.data, g, s.data.size)
    return call, lambda: (call(), [g])[1]


def jax(s: Setup) -> Any:
    f = peers.jax_functions(globals()).rosenbrock
    return peers.jax_call(peers.jax_setup().grad(f), s.data, numpy_out=True)


def torch(s: Setup) -> Any:
    module = peers.torch_setup()
    f = peers.torch_functions(globals()).rosenbrock

    def gradient(x: Any) -> Any:
        t = module.from_numpy(x).requires_grad_(True)
        return module.autograd.grad(f(t), t)[0].numpy()
    return peers.bound(gradient, s.data)


def autograd(s: Setup) -> Any:
    import autograd
    return peers.bound(autograd.grad(peers.autograd_functions(globals()).rosenbrock), s.data)


def casadi(s: Setup) -> Any:
    import casadi as ca
    x = ca.SX.sym("x", s.data.size)
    f = ca.sum1(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
    gradient = ca.Function("g", [x], [ca.gradient(f, x)])
    return peers.compared(lambda: np.asarray(gradient(s.data))[:, 0])


SYSTEMS = {"wengert": wengert, "C": c, "jax": jax, "torch": torch, "autograd": autograd, "casadi": casadi}
