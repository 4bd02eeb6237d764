"""The time to the first gradient after the import, in a fresh process with nothing compiled before.

What comes in: which program. What goes out: its gradient. The one idea: only the column `first call` counts here; it is
the median over several new processes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from harness import native, peers
from harness.case import Setup, Target, Variant

C = "rosenbrock"  # the source in reference/
VARIANTS = [
    Variant("Rosenbrock, n = 10", {"kind": "rosenbrock"}, (Target(20e-3, of="first"),), fresh=5, quick=True),
    Variant("network 64-128-128-10, batch 256", {"kind": "network"}, (Target(100e-3, of="first"),), fresh=5, without=("C",)),
]


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def network(weights: Any, x: Any, labels: Any) -> Any:
    for w, b in weights[:-1]:
        x = np.tanh(x @ w + b)
    w, b = weights[-1]
    z = x @ w + b
    return np.mean(np.log(np.sum(np.exp(z), axis=1)) - z[np.arange(len(labels)), labels])


def inputs(kind: str) -> Any:
    rng = np.random.default_rng(0)
    if kind == "rosenbrock":
        return (rng.normal(size=10),)
    sizes = (64, 128, 128, 10)
    weights = [(rng.normal(size=(m, n)) / np.sqrt(m), np.zeros(n)) for m, n in pairwise(sizes)]
    return weights, rng.normal(size=(256, 64)), rng.integers(0, 10, 256)


def wengert(s: Setup) -> Any:
    import wengert as wg
    return peers.bound(wg.jit(wg.grad(globals()[s.params["kind"]])), *s.data)


def jax(s: Setup) -> Any:
    f = getattr(peers.jax_functions(globals()), s.params["kind"])
    return peers.jax_call(peers.jax_setup().grad(f), *s.data, numpy_out=True)


def torch(s: Setup) -> Any:
    module = peers.torch_setup()
    f = getattr(peers.torch_functions(globals()), s.params["kind"])
    if s.params["kind"] == "rosenbrock":
        return peers.torch_gradient(f, 1, *s.data)
    weights = [tuple(module.tensor(a, requires_grad=True) for a in layer) for layer in s.data[0]]
    rest = [module.tensor(a) for a in s.data[1:]]
    return peers.compared(lambda: module.autograd.grad(f(weights, *rest), [a for layer in weights for a in layer]))


def autograd(s: Setup) -> Any:
    import autograd
    return peers.bound(autograd.grad(getattr(peers.autograd_functions(globals()), s.params["kind"])), *s.data)


def c(s: Setup) -> Any:
    g = np.empty_like(s.data[0])
    call = native.function(s.libraries, "rosenbrock", "gradient", s.data[0], g, s.data[0].size)
    return call, lambda: (call(), [g])[1]


SYSTEMS = {"wengert": wengert, "C": c, "jax": jax, "torch": torch, "autograd": autograd}
