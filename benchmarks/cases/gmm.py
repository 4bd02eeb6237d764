"""Log-posterior of a Gaussian mixture with a Wishart prior (the objective of ADBench), gradient in all parameters.

What comes in: dimensions d, components k, points n. What goes out: gradients in the weights, the means, and the factors
of the inverse covariances (logarithms of the diagonal, then what is below it, row by row). The one idea: one batched
product forward and one backward are all the work there is.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from harness import native, peers
from harness.case import Setup, Target, Variant

C = "gmm"  # the source in reference/
VARIANTS = [
    Variant(f"d = {d}, k = {k}, n = {n}", {"d": d, "k": k, "n": n}, (Target(seconds),), tolerance=1e-8, quick=d == 2)
    for d, k, n, seconds in ((2, 5, 1000, 0.12e-3), (10, 25, 1000, 1.5e-3), (64, 100, 1000, 120e-3))
]
GAMMA, M = 1.0, 0


def logsumexp(x: Any) -> Any:
    largest = np.max(x, axis=0)
    return largest + np.log(np.sum(np.exp(x - largest), axis=0))


def lower(factors: Any, d: int) -> Any:
    q = np.zeros((len(factors), d, d))
    rows, columns = np.tril_indices(d, -1)
    q[:, np.arange(d), np.arange(d)] = np.exp(factors[:, :d])
    q[:, rows, columns] = factors[:, d:]
    return q


def log_posterior(alphas: Any, means: Any, factors: Any, x: Any) -> Any:
    n, d = x.shape
    q = lower(factors, d)
    log_diagonal = np.sum(factors[:, :d], axis=1)
    y = (x - means[:, None, :]) @ np.swapaxes(q, 1, 2)
    inner = (alphas + log_diagonal)[:, None] - 0.5 * np.sum(y**2, axis=2)
    prior = 0.5 * GAMMA**2 * np.sum(q**2) - M * np.sum(log_diagonal)
    return -0.5 * n * d * math.log(2 * math.pi) + np.sum(logsumexp(inner)) - n * logsumexp(alphas) + prior


def inputs(d: int, k: int, n: int) -> Any:
    rng = np.random.default_rng(0)
    return rng.normal(size=k), rng.random((k, d)), rng.normal(size=(k, d + d * (d - 1) // 2)) / d, rng.normal(size=(n, d))


def wengert(s: Setup) -> Any:
    import wengert as wg
    return peers.bound(wg.jit(wg.grad(log_posterior, (0, 1, 2))), *s.data)


def c(s: Setup) -> Any:
    alphas, means, factors, x = s.data
    (n, d), k = x.shape, len(alphas)
    out, work = [np.empty_like(a) for a in s.data[:3]], np.empty(k * n * d + k * n + 2 * n * d + 3 * d * d + 3 * n)
    call = native.function(s.libraries, "gmm", "gmm", native.blas("dgemm"), *s.data, *out, work, d, k, n)
    return call, lambda: (call(), out)[1]


def jax(s: Setup) -> Any:
    jnp = peers.jax_setup().numpy

    def filled(factors: Any, d: int) -> Any:
        rows, columns = np.tril_indices(d, -1)
        q = jnp.zeros((len(factors), d, d)).at[:, np.arange(d), np.arange(d)].set(jnp.exp(factors[:, :d]))
        return q.at[:, rows, columns].set(factors[:, d:])
    f = peers.jax_functions(globals(), lower=filled).log_posterior
    return peers.jax_call(peers.jax_setup().grad(f, (0, 1, 2)), *s.data)


def torch(s: Setup) -> Any:
    module = peers.torch_setup()

    def filled(factors: Any, d: int) -> Any:
        rows, columns = np.tril_indices(d, -1)
        q = module.zeros((len(factors), d, d), dtype=factors.dtype)
        q[:, np.arange(d), np.arange(d)] = module.exp(factors[:, :d])
        q[:, rows, columns] = factors[:, d:]
        return q
    f = peers.torch_functions(globals(), lower=filled, logsumexp=lambda x: module.logsumexp(x, 0)).log_posterior
    return peers.torch_gradient(f, 3, *s.data)


def autograd(s: Setup) -> Any:
    import autograd
    import autograd.numpy as anp

    def filled(factors: Any, d: int) -> Any:
        where, scale = np.zeros((d, d), int), np.tril(np.ones((d, d)))
        where[np.tril_indices(d, -1)] = np.arange(d, d + d * (d - 1) // 2)
        where[np.arange(d), np.arange(d)] = np.arange(d)
        both = anp.concatenate([anp.exp(factors[:, :d]), factors[:, d:]], axis=1)
        return both[:, where] * scale
    f = peers.rewritten(globals(), np=anp, lower=filled).log_posterior
    return peers.bound(autograd.grad(f, (0, 1, 2)), *s.data)


SYSTEMS = {"wengert": wengert, "C": c, "jax": jax, "torch": torch, "autograd": autograd}
