"""Gradients through a linear system and through singular values, against the one factorization that they need.

What comes in: which of the two, and n. What goes out: gradients. The one idea: the adjoint uses the factors of the value
again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import peers
from harness.case import Setup, Target, Variant

C = ""  # the baselines are NumPy's: one LU solve, one SVD with vectors
VARIANTS = [
    Variant("solve, n = 500", {"what": "solve", "n": 500}, (Target(system="one LU solve", factor=1.1),), tolerance=1e-8,
            without=("one SVD",)),
    Variant("singular values, n = 300", {"what": "svd", "n": 300}, (Target(system="one SVD", factor=1.1),), tolerance=1e-8,
            without=("one LU solve",)),
    Variant("solve, n = 50", {"what": "solve", "n": 50}, (Target(system="one LU solve", factor=1.1),), tolerance=1e-8,
            without=("one SVD",), quick=True),
]


def solve(a: Any, b: Any) -> Any:
    return np.sum(np.linalg.solve(a, b) ** 2)


def svd(a: Any, weights: Any) -> Any:
    return np.sum(weights * np.linalg.svd(a, compute_uv=False))


def inputs(what: str, n: int) -> Any:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, n)) + np.eye(n) * (4.0 if what == "solve" else 0.0), rng.normal(size=n)


def argnums(s: Setup) -> Any:
    return (0, 1) if s.params["what"] == "solve" else 0


def wengert(s: Setup) -> Any:
    import wengert as wg
    return peers.bound(wg.jit(wg.grad(globals()[s.params["what"]], argnums(s))), *s.data)


def one_solve(s: Setup) -> Any:
    call, _ = peers.bound(np.linalg.solve, *s.data)
    return call, lambda: None


def one_svd(s: Setup) -> Any:
    call, _ = peers.bound(np.linalg.svd, s.data[0])
    return call, lambda: None


def jax(s: Setup) -> Any:
    f = getattr(peers.jax_functions(globals()), s.params["what"])
    return peers.jax_call(peers.jax_setup().grad(f, argnums(s)), *s.data)


def torch(s: Setup) -> Any:
    module = peers.torch_setup()
    f = getattr(peers.torch_functions(globals()), s.params["what"])
    if s.params["what"] == "svd":
        f = lambda a, weights: module.sum(weights * module.linalg.svdvals(a))
    return peers.torch_gradient(f, 2 if s.params["what"] == "solve" else 1, *s.data)


def autograd(s: Setup) -> Any:
    import autograd
    return peers.bound(autograd.grad(getattr(peers.autograd_functions(globals()), s.params["what"]), argnums(s)), *s.data)


SYSTEMS = {"wengert": wengert, "one LU solve": one_solve, "one SVD": one_svd, "jax": jax, "torch": torch, "autograd": autograd}
