"""sum(exp(-x²) sin(3x) + log1p(x²) tanh(x)): elementwise mathematics in one pass; value, gradient and both.

What comes in: n and what is asked for. What goes out: it. The one idea: C calls the vectorized functions of libmvec,
block by block, as a good hand would.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import native, peers
from harness.case import Setup, Target, Variant

C = "chain"  # the source in reference/

def variants() -> list[Variant]:
    out = []
    for n in (1_000, 100_000, 10_000_000):
        name = f"n = 10^{len(str(n)) - 1}"
        for what in ("value", "gradient", "both"):
            both = what == "both"
            targets = (Target(system="C"), *([Target(system="wengert value", factor=1.4)] if both else []))
            out.append(Variant(f"{what}, {name}", {"n": n, "what": what}, targets, quick=n == 1_000,
                               without=() if both else ("wengert value",)))
    return out


VARIANTS = variants()


def chain(x: Any) -> Any:
    return np.sum(np.exp(-(x**2)) * np.sin(3 * x) + np.log1p(x**2) * np.tanh(x))


def inputs(n: int, what: str) -> Any:
    return np.random.default_rng(0).normal(size=n)


def wengert(s: Setup) -> Any:
    import wengert as wg
    derive = {"value": lambda f: f, "gradient": wg.grad, "both": wg.value_and_grad}[s.params["what"]]
    return peers.bound(wg.jit(derive(chain)), s.data)


def wengert_value(s: Setup) -> Any:
    """What value and gradient together are held against."""
    import wengert as wg
    call, _ = peers.bound(wg.jit(chain), s.data)
    return call, lambda: None


def c(s: Setup) -> Any:
    value, g = np.empty(()), np.empty_like(s.data)
    call = native.function(s.libraries, "chain", s.params["what"], s.data, value, g, s.data.size)
    results = {"value": [value], "gradient": [g], "both": [value, g]}[s.params["what"]]
    return call, lambda: (call(), results)[1]


def jax(s: Setup) -> Any:
    module, f = peers.jax_setup(), peers.jax_functions(globals()).chain
    derive = {"value": lambda f: f, "gradient": module.grad, "both": module.value_and_grad}[s.params["what"]]
    return peers.jax_call(derive(f), s.data)


def torch(s: Setup) -> Any:
    f = peers.torch_functions(globals()).chain
    if s.params["what"] == "value":
        return peers.bound(f, peers.torch_setup().tensor(s.data))
    return peers.torch_gradient(f, 1, s.data, value=s.params["what"] == "both")


def autograd(s: Setup) -> Any:
    import autograd
    derive = {"value": lambda f: f, "gradient": autograd.grad, "both": autograd.value_and_grad}[s.params["what"]]
    return peers.bound(derive(peers.autograd_functions(globals()).chain), s.data)


SYSTEMS = {"wengert": wengert, "wengert value": wengert_value, "C": c, "jax": jax, "torch": torch, "autograd": autograd}
