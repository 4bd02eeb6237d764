"""An LSTM of 64 units over 1000 steps, as a Python loop: the gradient in all weights, against its matrix products alone; and a
training step in float32.

What comes in: the batch size, the dtype, and the number of threads. What goes out: gradients in both weight matrices and the
bias of sum(h²); of a training step, the new weights. The one idea: `products` makes the same dgemm calls (weight gradients as
one product after the loop) and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from harness import native, peers
from harness.case import Setup, Target, Variant

C = "lstm"  # the source in reference/
DOUBLE = ("products", "C", "torch", "autograd")  # what exists in float64 only, or takes long
VARIANTS = [
    Variant(f"1000 steps, hidden 64, batch {batch}", {"batch": batch, "steps": 1000}, (Target(system="products", factor=1.3),),
            tolerance=1e-8) for batch in (1, 16)
] + [Variant("20 steps, hidden 64, batch 2", {"batch": 2, "steps": 20}, (), quick=True)] + [
    Variant(f"training step, float32, batch {batch}, {name}", {"batch": batch, "steps": 1000, "dtype": "float32"},
            (Target(system="jax"), Target(system="torch nn.LSTM", factor=1.2)), threads, tolerance=1e-3, without=DOUBLE)
    for batch in (1, 16) for name, threads in (("one thread", 1), ("two threads", 2))
]


def sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def lstm(wx: Any, wh: Any, bias: Any, xs: Any, h: Any, c: Any) -> Any:
    total = np.sum(h * h)  # of their dtype
    for x in xs:
        z = x @ wx + h @ wh + bias
        c = sigmoid(z[:, 64:128]) * c + sigmoid(z[:, :64]) * np.tanh(z[:, 192:])
        h = sigmoid(z[:, 128:192]) * np.tanh(c)
        total = total + np.sum(h * h)
    return total


def trained(gradient: Callable[..., Any]) -> Callable[..., Any]:
    def step(*args: Any) -> Any:
        return [w - 1e-5 * g for w, g in zip(args, gradient(*args))]
    return step


def asked(s: Setup, gradient: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient, or a training step with it."""
    return trained(gradient) if "dtype" in s.params else gradient


def inputs(batch: int, steps: int, dtype: str = "float64") -> Any:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) / 8 for shape in ((64, 256), (64, 256), (256,))]
    data = (*weights, rng.normal(size=(steps, batch, 64)), np.zeros((batch, 64)), np.zeros((batch, 64)))
    return tuple(a.astype(dtype) for a in data)


def wengert(s: Setup) -> Any:
    import wengert as wg
    return peers.bound(wg.jit(asked(s, wg.grad(lstm, (0, 1, 2)))), *s.data)


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
    return peers.jax_call(asked(s, module.grad(scanned, (0, 1, 2))), *s.data)


def torch(s: Setup) -> Any:
    return peers.torch_gradient(peers.torch_functions(globals(), sigmoid=peers.torch_setup().sigmoid).lstm, 3, *s.data)


def torch_module(s: Setup) -> Any:
    """torch's own kernel; its gates come in another order, and its weights are transposed."""
    module = peers.torch_setup(s.threads)
    wx, wh, bias, xs = s.data[:4]
    order = np.r_[0:128, 192:256, 128:192]
    net = module.nn.LSTM(64, 64)
    values = [wx.T[order], wh.T[order], bias[order], np.zeros(256, wx.dtype)]
    for parameter, value in zip(net.parameters(), values):
        parameter.data = module.tensor(np.ascontiguousarray(value))
    x, parameters = module.tensor(xs), list(net.parameters())[:3]

    def call() -> Any:
        gradients = module.autograd.grad(module.sum(net(x)[0] ** 2), parameters)
        with module.no_grad():
            return asked(s, lambda *_: gradients)(*parameters)

    def result() -> Any:
        a, b, d = (g.detach().numpy()[np.argsort(order)] for g in call())
        return [a.T, b.T, d]
    return call, result


def autograd(s: Setup) -> Any:
    import autograd
    return peers.bound(autograd.grad(peers.autograd_functions(globals()).lstm, (0, 1, 2)), *s.data)


SYSTEMS = {"wengert": wengert, "products": products, "C": c, "jax": jax, "torch": torch, "torch nn.LSTM": torch_module,
           "autograd": autograd}
