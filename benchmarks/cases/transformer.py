"""A training step of a transformer block, length 128, width 128, 4 heads, float32: attention and a feed-forward layer of 512
with gelu, each on normalized input and added to it; new parameters out.

What comes in: the batch size and the number of threads. What goes out: the parameters after a step down the gradient of a mean
of squares. The one idea: the layer of which language models are made, in plain NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import peers
from harness.case import Setup, Target, Variant

from cases.mlp import trained

C = ""
VARIANTS = [
    Variant(f"float32, batch {batch}, {name}", {"batch": batch}, (Target(system="jax"), Target(system="torch", factor=1.2)),
            threads, tolerance=1e-4, quick=batch == 1 and threads == 1)
    for batch in (1, 8) for name, threads in (("one thread", 1), ("two threads", 2))
]
LENGTH, WIDTH, HEADS, HIDDEN = 128, 128, 4, 512


def erf(x: Any) -> Any:
    from scipy import special
    return special.erf(x)


def gelu(x: Any) -> Any:
    return 0.5 * x * (1.0 + erf(x * np.float32(0.5 ** 0.5)))


def normalized(x: Any, scale: Any, shift: Any) -> Any:
    apart = x - np.mean(x, axis=-1, keepdims=True)
    return apart / np.sqrt(np.mean(apart * apart, axis=-1, keepdims=True) + 1e-5) * scale + shift


def softmax(z: Any) -> Any:
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def attention(q: Any, k: Any, v: Any) -> Any:
    """(batch, heads, length, width of a head) each."""
    return softmax(q @ np.swapaxes(k, -1, -2) * np.float32((WIDTH // HEADS) ** -0.5)) @ v


def heads(x: Any) -> Any:
    """(batch, length, width) -> (batch, heads, length, width of a head)"""
    return np.swapaxes(x.reshape(*x.shape[:-1], HEADS, WIDTH // HEADS), 1, 2)


def block(parameters: Any, x: Any) -> Any:
    s1, t1, w_in, b_in, w_out, b_out, s2, t2, w1, b1, w2, b2 = parameters
    z = normalized(x, s1, t1) @ w_in + b_in
    q, k, v = heads(z[..., :WIDTH]), heads(z[..., WIDTH:2 * WIDTH]), heads(z[..., 2 * WIDTH:])
    x = x + np.swapaxes(attention(q, k, v), 1, 2).reshape(x.shape) @ w_out + b_out
    return x + gelu(normalized(x, s2, t2) @ w1 + b1) @ w2 + b2


def loss(parameters: Any, x: Any, target: Any) -> Any:
    return np.mean((block(parameters, x) - target) ** 2)


def inputs(batch: int) -> Any:
    rng = np.random.default_rng(0)
    parameters = []
    for n, m in ((WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, HIDDEN), (HIDDEN, WIDTH)):
        if m in (3 * WIDTH, HIDDEN):
            parameters += [np.ones(WIDTH, "f4"), np.zeros(WIDTH, "f4")]
        parameters += [rng.normal(size=(n, m)).astype("f4") / np.float32(np.sqrt(n)), np.zeros(m, "f4")]
    return parameters, *(rng.normal(size=(batch, LENGTH, WIDTH)).astype("f4") for _ in range(2))


def wengert(s: Setup) -> Any:
    import wengert as wg
    return peers.bound(wg.jit(trained(wg.grad(loss))), *s.data)


def jax(s: Setup) -> Any:
    module = peers.jax_setup()
    f = peers.jax_functions(globals(), erf=module.scipy.special.erf, softmax=module.nn.softmax).loss
    return peers.jax_call(trained(module.grad(f)), *s.data)


def torch(s: Setup) -> Any:
    """By torch's own functions: attention, normalization and gelu are one kernel each."""
    module = peers.torch_setup(s.threads)
    functions = module.nn.functional
    f = peers.torch_functions(globals(), s.threads, attention=functions.scaled_dot_product_attention, gelu=functions.gelu,
                              heads=lambda x: x.reshape(*x.shape[:-1], HEADS, WIDTH // HEADS).transpose(1, 2),
                              normalized=lambda x, scale, shift: functions.layer_norm(x, (WIDTH,), scale, shift)).loss
    parameters = [module.tensor(w, requires_grad=True) for w in s.data[0]]
    x, target = (module.tensor(a) for a in s.data[1:])

    def call() -> Any:
        gradients = module.autograd.grad(f(parameters, x, target), parameters)
        with module.no_grad():
            return [p - 0.1 * g for p, g in zip(parameters, gradients)]
    return peers.compared(call)


SYSTEMS = {"wengert": wengert, "jax": jax, "torch": torch}
