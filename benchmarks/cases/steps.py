"""A thousand steps of x = 0.9 sin x + 0.1 x on 100 numbers, as a Python loop: the gradient of the sum.

What comes in: the number of steps. What goes out: the gradient. The one idea: a loop of small vectors is a machine loop,
or it is all overhead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import native, peers
from harness.case import Setup, Target, Variant

C = "steps"  # the source in reference/
VARIANTS = [
    Variant("gradient, 1000 steps, n = 100", {"steps": 1000}, (Target(system="C"), Target(60e-3, of="first")), quick=True),
]


def total(x: Any, steps: int) -> Any:
    for _ in range(steps):
        x = 0.9 * np.sin(x) + 0.1 * x
    return np.sum(x)


def inputs(steps: int) -> Any:
    return np.random.default_rng(0).random(100)


def wengert(s: Setup) -> Any:
    import wengert as wg
    steps = s.params["steps"]
    return peers.bound(wg.jit(wg.grad(lambda x: total(x, steps))), s.data)


def c(s: Setup) -> Any:
    g, tape = np.empty(100), np.empty(100 * (s.params["steps"] + 1))
    call = native.function(s.libraries, "steps", "steps", s.data, g, tape, s.params["steps"])
    return call, lambda: (call(), [g])[1]


def jax(s: Setup) -> Any:
    module = peers.jax_setup()

    def scanned(x: Any) -> Any:
        last, _ = module.lax.scan(lambda x, _: (0.9 * module.numpy.sin(x) + 0.1 * x, None), x, None, length=s.params["steps"])
        return module.numpy.sum(last)
    return peers.jax_call(module.grad(scanned), s.data)


def jax_unrolled(s: Setup) -> Any:
    f = peers.jax_functions(globals()).total
    return peers.jax_call(peers.jax_setup().grad(lambda x: f(x, s.params["steps"])), s.data)


def torch(s: Setup) -> Any:
    return peers.torch_gradient(peers.torch_functions(globals()).total, 1, s.data, s.params["steps"])


def autograd(s: Setup) -> Any:
    import autograd
    return peers.bound(autograd.grad(peers.autograd_functions(globals()).total), s.data, s.params["steps"])


def casadi(s: Setup) -> Any:
    import casadi as ca
    x = ca.SX.sym("x", 100)
    every = ca.Function("step", [x], [0.9 * ca.sin(x) + 0.1 * x]).mapaccum(s.params["steps"])
    start = ca.MX.sym("x", 100)
    gradient = ca.Function("g", [start], [ca.gradient(ca.sum1(every(start)[:, -1]), start)])
    return peers.compared(lambda: np.asarray(gradient(s.data))[:, 0])


SYSTEMS = {"wengert": wengert, "C": c, "jax": jax, "jax unrolled": jax_unrolled, "torch": torch, "autograd": autograd,
           "casadi": casadi}
