"""Without `jit`: one gradient of Rosenbrock's function against autograd's, and the first gradient of a long program.

What comes in: what to differentiate. What goes out: the gradient. The one idea: the tracer alone, which every first call
pays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import peers
from harness.case import Setup, Target, Variant

C = ""  # there is no C program of it
VARIANTS = [
    Variant("gradient, n = 10", {"kind": "rosenbrock", "n": 10}, (Target(system="autograd"), Target(60e-3, of="import")),
            fresh=5, quick=True),
    Variant("first gradient, 10,000 equations", {"kind": "long", "n": 10_000}, (Target(1.0, of="first"),)),
]


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def long(x: Any) -> Any:
    for _ in range(5_000):
        x = np.sin(x) * 0.9
    return np.sum(x)


def inputs(kind: str, n: int) -> Any:
    return np.linspace(0.5, 1.5, 10) if kind == "rosenbrock" else np.ones(3)


def wengert(s: Setup) -> Any:
    import wengert as wg
    return peers.bound(wg.grad(globals()[s.params["kind"]]), s.data)


def autograd(s: Setup) -> Any:
    import autograd
    return peers.bound(autograd.grad(getattr(peers.autograd_functions(globals()), s.params["kind"])), s.data)


def torch(s: Setup) -> Any:
    return peers.torch_gradient(getattr(peers.torch_functions(globals()), s.params["kind"]), 1, s.data)


def jax(s: Setup) -> Any:
    f = getattr(peers.jax_functions(globals()), s.params["kind"])
    return peers.bound(peers.jax_setup().grad(f), s.data)


SYSTEMS = {"wengert": wengert, "autograd": autograd, "torch": torch, "jax without jit": jax}
