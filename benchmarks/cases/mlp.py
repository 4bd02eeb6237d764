"""A training step of a network 784-256-256-10, batch 128, float32: new weights out, on one thread and on two, against its
products.

What comes in: the number of threads. What goes out: the weights after a step down the gradient. The one idea: `products`
is the eight matrix products and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from harness import peers
from harness.case import Setup, Target, Variant

C = ""  # the baseline is NumPy's products
VARIANTS = [
    Variant(f"float32, batch 128, {name}", {"batch": 128}, (Target(system="products", factor=1.1),), threads, tolerance=1e-4,
            quick=threads == 1) for name, threads in (("one thread", 1), ("two threads", 2))
]
SIZES = (784, 256, 256, 10)


def relu(x: Any) -> Any:
    return np.maximum(x, 0.0)


def logsumexp(z: Any) -> Any:
    largest = np.max(z, axis=1, keepdims=True)
    return (largest + np.log(np.sum(np.exp(z - largest), axis=1, keepdims=True)))[:, 0]


def loss(weights: Any, x: Any, labels: Any) -> Any:
    w1, b1, w2, b2, w3, b3 = weights
    h = relu(x @ w1 + b1)
    h = relu(h @ w2 + b2)
    z = h @ w3 + b3
    return np.mean(logsumexp(z) - z[np.arange(len(labels)), labels])


def trained(gradient: Callable[..., Any]) -> Callable[..., Any]:
    def step(weights: Any, x: Any, labels: Any) -> Any:
        return [w - 0.1 * g for w, g in zip(weights, gradient(weights, x, labels))]
    return step


def inputs(batch: int) -> Any:
    rng = np.random.default_rng(0)
    weights = []
    for m, n in pairwise(SIZES):
        weights += [rng.normal(size=(m, n)).astype("f4") / np.float32(np.sqrt(m)), np.zeros(n, "f4")]
    return weights, rng.normal(size=(batch, 784)).astype("f4"), rng.integers(0, 10, batch)


def wengert(s: Setup) -> Any:
    import wengert as wg
    return peers.bound(wg.jit(trained(wg.grad(loss))), *s.data)


def products(s: Setup) -> Any:
    """Forward, then the gradients of weights, then those of what the layers were given (but the first)."""
    weights, x, _ = s.data
    matrices, batch = weights[::2], len(x)
    given = [np.zeros((batch, n), "f4") for n in SIZES]
    given[0][:] = x
    gradients = [np.empty_like(w) for w in matrices]

    def call() -> None:
        for k, w in enumerate(matrices):
            np.matmul(given[k], w, out=given[k + 1])
        for k in (2, 1, 0):
            np.matmul(given[k].T, given[k + 1], out=gradients[k])
            if k:
                np.matmul(given[k + 1], matrices[k].T, out=given[k])
    return call, lambda: None


def jax(s: Setup) -> Any:
    module = peers.jax_setup()
    return peers.jax_call(trained(module.grad(peers.jax_functions(globals()).loss)), *s.data)


def torch(s: Setup) -> Any:
    module = peers.torch_setup(s.threads)
    f = peers.torch_functions(globals(), s.threads, relu=module.relu, logsumexp=lambda z: module.logsumexp(z, 1)).loss
    weights = [module.tensor(w, requires_grad=True) for w in s.data[0]]
    x, labels = (module.tensor(a) for a in s.data[1:])

    def call() -> Any:
        gradients = module.autograd.grad(f(weights, x, labels), weights)
        with module.no_grad():
            return [w - 0.1 * g for w, g in zip(weights, gradients)]
    return peers.compared(call)


def autograd(s: Setup) -> Any:
    import autograd
    return peers.bound(trained(autograd.grad(peers.autograd_functions(globals()).loss)), *s.data)


SYSTEMS = {"wengert": wengert, "products": products, "jax": jax, "torch": torch, "autograd": autograd}
