"""An LSTM of 64 units over 1000 steps, as a Python loop: the gradient in all weights, against its matrix products alone.

What comes in: the batch size. What goes out: gradients in both weight matrices and the bias of sum(h²). The one idea:
`products` makes the same dgemm calls (weight gradients as one product after the loop) and nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import native, peers
from harness.case import Setup, Target, Variant

C = "lstm"  # the source in reference/
VARIANTS = [
    Variant(f"1000 steps, hidden 64, batch {batch}", {"batch": batch, "steps": 1000}, (Target(system="products", factor=1.3),),
            tolerance=1e-8) for batch in (1, 16)
] + [Variant("20 steps, hidden 64, batch 2", {"batch": 2, "steps": 20}, (), quick=True)]


def sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def lstm(wx: Any, wh: Any, bias: Any, xs: Any, h: Any, c: Any) -> Any:
    total = 0.0
    for x in xs:
        z = x @ wx + h @ wh + bias
        c = sigmoid(z[:, 64:128]) * c + sigmoid(z[:, :64]) * np.tanh(z[:, 192:])
        h = sigmoid(z[:, 128:192]) * np.tanh(c)
        total = total + np.sum(h * h)
    return total


def inputs(batch: int, steps: int) -> Any:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) / 8 for shape in ((64, 256), (64, 256), (256,))]
    return (*weights, rng.normal(size=(steps, batch, 64)), np.zeros((batch, 64)), np.zeros((batch, 64)))


def wengert(s: Setup) -> Any:
    import wengert as wg
    return peers.bound(wg.jit(wg.grad(lstm, (0, 1, 2))), *s.data)


def c(s: Setup, symbol: str = "lstm") -> Any:
    wx, wh, bias, xs = s.data[:4]
    out = [np.empty_like(a) for a in (wx, wh, bias)]
    work = np.zeros((s.params["steps"] + 2) * s.params["batch"] * 64 * 13)
    call = native.function(s.libraries, "lstm", symbol, native.blas("dgemm"), wx, wh, bias, xs, *out, work, s.params["batch"],
                           s.params["steps"])
    return call, lambda: (call(), out)[1]


def products(s: Setup) -> Any:
    return c(s, "products")[0], lambda: None


def jax(s: Setup) -> Any:
    module = peers.jax_setup()
    jnp = module.numpy

    def scanned(wx: Any, wh: Any, bias: Any, xs: Any, h: Any, c: Any) -> Any:
        def step(hc: Any, x: Any) -> Any:
            z = x @ wx + hc[0] @ wh + bias
            c = module.nn.sigmoid(z[:, 64:128]) * hc[1] + module.nn.sigmoid(z[:, :64]) * jnp.tanh(z[:, 192:])
            h = module.nn.sigmoid(z[:, 128:192]) * jnp.tanh(c)
            return (h, c), h
        return jnp.sum(module.lax.scan(step, (h, c), xs)[1] ** 2)
    return peers.jax_call(module.grad(scanned, (0, 1, 2)), *s.data)


def torch(s: Setup) -> Any:
    return peers.torch_gradient(peers.torch_functions(globals(), sigmoid=peers.torch_setup().sigmoid).lstm, 3, *s.data)


def torch_module(s: Setup) -> Any:
    """torch's own kernel; its gates come in another order, and its weights are transposed."""
    module = peers.torch_setup()
    wx, wh, bias, xs = s.data[:4]
    order = np.r_[0:128, 192:256, 128:192]
    net = module.nn.LSTM(64, 64).double()
    values = [wx.T[order], wh.T[order], bias[order], np.zeros(256)]
    for parameter, value in zip(net.parameters(), values):
        parameter.data = module.tensor(np.ascontiguousarray(value))
    x, parameters = module.tensor(xs), list(net.parameters())[:3]
    call = lambda: module.autograd.grad(module.sum(net(x)[0] ** 2), parameters)

    def result() -> Any:
        a, b, d = (g.numpy()[np.argsort(order)] for g in call())
        return [a.T, b.T, d]
    return call, result


def autograd(s: Setup) -> Any:
    import autograd
    return peers.bound(autograd.grad(peers.autograd_functions(globals()).lstm, (0, 1, 2)), *s.data)


SYSTEMS = {"wengert": wengert, "products": products, "C": c, "jax": jax, "torch": torch, "torch nn.LSTM": torch_module,
           "autograd": autograd}
