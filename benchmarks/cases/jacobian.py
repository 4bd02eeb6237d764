"""Dense Jacobians of networks: 100 -> 100 -> 100, and through a waist, 100 -> 40 -> 3 -> 40 -> 100.

What comes in: the sizes of the layers. What goes out: the Jacobian at a point. The one idea: nobody is told the mode but
JAX and torch, which are given the better of the two that they have.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from harness import peers
from harness.case import Setup, Target, Variant

C = ""
VARIANTS = [
    Variant("network, 100-100-100", {"sizes": (100, 100, 100)}, (Target(system="jax"),), quick=True),
    Variant("waist, 100-40-3-40-100", {"sizes": (100, 40, 3, 40, 100)}, (Target(system="jax", factor=0.5),)),
]


def network(x: Any, weights: Any) -> Any:
    for w in weights:
        x = np.tanh(w @ x)
    return x


def inputs(sizes: tuple[int, ...]) -> Any:
    rng = np.random.default_rng(0)
    return rng.normal(size=sizes[0]), [rng.normal(size=(m, n)) / np.sqrt(n) for n, m in pairwise(sizes)]


def wengert(s: Setup) -> Any:
    import wengert as wg
    return peers.bound(wg.jit(wg.jacobian(network)), *s.data)


def jax(s: Setup) -> Any:
    module = peers.jax_setup()
    return peers.jax_call(module.jacrev(peers.jax_functions(globals()).network), *s.data)


def jax_forward(s: Setup) -> Any:
    module = peers.jax_setup()
    return peers.jax_call(module.jacfwd(peers.jax_functions(globals()).network), *s.data)


def torch(s: Setup) -> Any:
    module = peers.torch_setup()
    f = peers.torch_functions(globals()).network
    x, weights = module.tensor(s.data[0]), [module.tensor(w) for w in s.data[1]]
    return peers.bound(module.func.jacrev(f), x, weights)


SYSTEMS = {"wengert": wengert, "jax": jax, "jax forward": jax_forward, "torch": torch}
