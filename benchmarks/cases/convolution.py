"""Two layers of a convolutional network, 1 to 8 to 16 channels, on 32 images of 28 x 28: value, and gradient in the kernels.

What comes in: the size of the kernels, the dtype, and whether the gradient is asked for. What goes out: the sum of the squares
of the second layer's results, or its gradient. The one idea: convolutions alone, which is what training a small network on
images costs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import peers
from harness.case import Setup, Target, Variant

C = ""
VARIANTS = [
    Variant(f"{what}, {size} x {size}, {dtype}", {"size": size, "dtype": dtype, "gradient": what == "gradient"},
            (Target(system="torch"),), tolerance=1e-4 if dtype == "float32" else 1e-9,
            quick=what == "gradient" and size == 3)
    for dtype in ("float64", "float32") for size in (3, 5) for what in ("value", "gradient")
]


def relu(x: Any) -> Any:
    return np.maximum(x, 0.0)


def convolve(x: Any, w: Any) -> Any:
    import wengert as wg
    return wg.convolve_nd(x, w, padding="same")


def loss(kernels: Any, x: Any) -> Any:
    first, second = kernels
    return np.sum(convolve(relu(convolve(x, first)), second) ** 2)


def inputs(size: int, dtype: str, gradient: bool) -> Any:
    rng = np.random.default_rng(0)
    kernels = [(rng.normal(size=(out, of, size, size)) / np.sqrt(of * size * size)).astype(dtype)
               for of, out in ((1, 8), (8, 16))]
    return kernels, rng.normal(size=(32, 1, 28, 28)).astype(dtype)


def wengert(s: Setup) -> Any:
    import wengert as wg
    return peers.bound(wg.jit(wg.grad(loss) if s.params["gradient"] else loss), *s.data)


def jax(s: Setup) -> Any:
    module = peers.jax_setup()
    f = peers.jax_functions(globals(), convolve=lambda x, w: module.lax.conv(x, w, (1, 1), "SAME")).loss
    return peers.jax_call(module.grad(f) if s.params["gradient"] else f, *s.data)


def torch(s: Setup) -> Any:
    module = peers.torch_setup(s.threads)
    f = peers.torch_functions(globals(), s.threads, relu=module.relu,
                              convolve=lambda x, w: module.nn.functional.conv2d(x, w, padding="same")).loss
    kernels = [module.tensor(w, requires_grad=True) for w in s.data[0]]
    x = module.tensor(s.data[1])

    def call() -> Any:
        if s.params["gradient"]:
            return module.autograd.grad(f(kernels, x), kernels)
        with module.no_grad():
            return f(kernels, x)
    return peers.compared(call)


SYSTEMS = {"wengert": wengert, "jax": jax, "torch": torch}
