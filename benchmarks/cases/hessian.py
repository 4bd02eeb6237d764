"""Rosenbrock's function, n = 1000: the Hessian times a vector, and the dense Hessian.

What comes in: which of the two. What goes out: it. The one idea: a product costs a few gradients, and a dense Hessian
little more than writing it down.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import native, peers
from harness.case import Setup, Target, Variant

C = "rosenbrock"  # the source in reference/
VARIANTS = [
    Variant("Hessian times vector, n = 1000", {"what": "product", "n": 1000},
            (Target(4e-6), Target(system="wengert value", factor=4.0)), quick=True),
    Variant("dense Hessian, n = 1000", {"what": "hessian", "n": 1000}, (Target(450e-6),),
            without=("autograd", "wengert value")),
]


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def inputs(what: str, n: int) -> Any:
    rng = np.random.default_rng(0)
    return (rng.normal(size=n), rng.normal(size=n)) if what == "product" else (rng.normal(size=n),)


def wengert(s: Setup) -> Any:
    import wengert as wg
    if s.params["what"] == "hessian":
        return peers.bound(wg.jit(wg.hessian(rosenbrock)), *s.data)
    return peers.bound(wg.jit(lambda x, v: wg.hvp(rosenbrock, (x,), (v,))), *s.data)


def wengert_value(s: Setup) -> Any:
    """The function itself: what the product is measured by. There is nothing to compare."""
    import wengert as wg
    f, x = wg.jit(rosenbrock), s.data[0]
    return lambda: f(x), lambda: None


def c(s: Setup) -> Any:
    n = s.params["n"]
    out = np.empty(n if s.params["what"] == "product" else (n, n))
    call = native.function(s.libraries, "rosenbrock", s.params["what"], *s.data, out, n)
    return call, lambda: (call(), [out])[1]


def jax(s: Setup) -> Any:
    module, f = peers.jax_setup(), peers.jax_functions(globals()).rosenbrock
    if s.params["what"] == "hessian":
        return peers.jax_call(module.hessian(f), *s.data)
    return peers.jax_call(lambda x, v: module.jvp(module.grad(f), (x,), (v,))[1], *s.data)


def torch(s: Setup) -> Any:
    module, f = peers.torch_setup(), peers.torch_functions(globals()).rosenbrock
    data = [module.tensor(a) for a in s.data]
    if s.params["what"] == "hessian":
        return peers.bound(module.func.hessian(f), *data)
    return peers.bound(lambda x, v: module.func.jvp(module.func.grad(f), (x,), (v,))[1], *data)


def autograd(s: Setup) -> Any:
    import autograd
    return peers.bound(autograd.hessian_vector_product(peers.autograd_functions(globals()).rosenbrock), *s.data)


def casadi(s: Setup) -> Any:
    import casadi as ca
    x, v = ca.SX.sym("x", s.params["n"]), ca.SX.sym("v", s.params["n"])
    f = ca.sum1(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
    if s.params["what"] == "hessian":
        function = ca.Function("h", [x], [ca.densify(ca.hessian(f, x)[0])])
        return peers.compared(lambda: np.asarray(function(*s.data)))
    function = ca.Function("h", [x, v], [ca.jtimes(ca.gradient(f, x), x, v)])
    return peers.compared(lambda: np.asarray(function(*s.data))[:, 0])


SYSTEMS = {"wengert": wengert, "wengert value": wengert_value, "C": c, "jax": jax, "torch": torch, "autograd": autograd,
           "casadi": casadi}
