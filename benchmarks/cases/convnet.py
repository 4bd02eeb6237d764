"""A training step of a convolutional network on 64 images of 28 x 28, float32: two layers of 3 x 3 kernels, 1 to 16 to 32
channels, the largest of each 2 x 2, a linear layer to 10 classes, cross-entropy; new parameters out.

What comes in: the number of threads. What goes out: the parameters after a step down the gradient. The one idea: what a first
network on images costs, the convolutions and all that is between them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import peers
from harness.case import Setup, Target, Variant

from cases.mlp import logsumexp, relu, trained

C = ""
VARIANTS = [
    Variant(f"float32, batch 64, {name}", {"batch": 64}, (Target(system="jax"), Target(system="torch", factor=1.2)), threads,
            tolerance=1e-4) for name, threads in (("one thread", 1), ("two threads", 2))
] + [Variant("float32, batch 4", {"batch": 4}, (), tolerance=1e-4, quick=True)]


def convolve(x: Any, w: Any) -> Any:
    import wengert as wg
    return wg.convolve_nd(x, w, padding="same")


def pool(x: Any) -> Any:
    """The largest of each 2 x 2."""
    n, channels, rows, columns = x.shape
    return np.max(x.reshape(n, channels, rows // 2, 2, columns // 2, 2), axis=(3, 5))


def cross_entropy(z: Any, labels: Any) -> Any:
    return np.mean(logsumexp(z) - z[np.arange(len(labels)), labels])


def loss(parameters: Any, x: Any, labels: Any) -> Any:
    k1, b1, k2, b2, w, b = parameters
    h = relu(convolve(x, k1) + b1[:, None, None])
    h = pool(relu(convolve(h, k2) + b2[:, None, None]))
    return cross_entropy(h.reshape(len(x), -1) @ w + b, labels)


def inputs(batch: int) -> Any:
    rng = np.random.default_rng(0)
    shapes = [(16, 1, 3, 3), (16,), (32, 16, 3, 3), (32,), (32 * 14 * 14, 10), (10,)]
    scales = [3.0, np.inf, 12.0, np.inf, 80.0, np.inf]
    parameters = [(rng.normal(size=shape) / s).astype("f4") for shape, s in zip(shapes, scales)]
    return parameters, rng.normal(size=(batch, 1, 28, 28)).astype("f4"), rng.integers(0, 10, batch)


def wengert(s: Setup) -> Any:
    import wengert as wg
    return peers.bound(wg.jit(trained(wg.grad(loss))), *s.data)


def jax(s: Setup) -> Any:
    module = peers.jax_setup()
    lax = module.lax
    f = peers.jax_functions(globals(), convolve=lambda x, w: lax.conv(x, w, (1, 1), "SAME"), relu=module.nn.relu,
                            pool=lambda x: lax.reduce_window(x, -np.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"),
                            logsumexp=lambda z: module.nn.logsumexp(z, 1)).loss
    return peers.jax_call(trained(module.grad(f)), *s.data)


def torch(s: Setup) -> Any:
    """Layers by torch's own functions, biases within."""
    module = peers.torch_setup(s.threads)
    functions = module.nn.functional
    parameters = [module.tensor(w, requires_grad=True) for w in s.data[0]]
    x, labels = (module.tensor(a) for a in s.data[1:])

    def call() -> Any:
        k1, b1, k2, b2, w, b = parameters
        h = module.relu(functions.conv2d(x, k1, b1, padding="same"))
        h = functions.max_pool2d(module.relu(functions.conv2d(h, k2, b2, padding="same")), 2)
        value = functions.cross_entropy(h.flatten(1) @ w + b, labels)
        gradients = module.autograd.grad(value, parameters)
        with module.no_grad():
            return [p - 0.1 * g for p, g in zip(parameters, gradients)]
    return peers.compared(call)


SYSTEMS = {"wengert": wengert, "jax": jax, "torch": torch}
