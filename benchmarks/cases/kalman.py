"""A Kalman filter with 4 states over 10,000 measurements, as a Python loop: the gradient of the log-likelihood.

What comes in: the number of measurements. What goes out: gradients in the transition, its noise and the measurement row.
The one idea: matrices this small live in registers, or the loop is all overhead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import native, peers
from harness.case import Setup, Target, Variant

C = "kalman"  # the source in reference/
VARIANTS = [
    Variant("4 states, 10,000 steps", {"steps": 10_000}, (Target(system="C"),), tolerance=1e-7),
    Variant("4 states, 100 steps", {"steps": 100}, (Target(system="C"),), quick=True),
]


def log_likelihood(F: Any, Q: Any, H: Any, x: Any, P: Any, zs: Any) -> Any:
    total = 0.0
    for z in zs:
        x = F @ x
        P = F @ P @ F.T + Q
        cross = P @ H.T
        innovation = H @ cross + 0.1
        error = z - H @ x
        gain = cross @ np.linalg.inv(innovation)
        x = x + gain @ error
        P = P - gain @ cross.T
        total = total - 0.5 * (np.linalg.slogdet(innovation)[1] + error @ np.linalg.solve(innovation, error))
    return total


def inputs(steps: int) -> Any:
    rng = np.random.default_rng(0)
    return (np.eye(4) * 0.9 + rng.normal(size=(4, 4)) * 0.02, np.eye(4) * 0.1, np.ones((1, 4)), np.zeros(4), np.eye(4),
            rng.normal(size=(steps, 1)))


def wengert(s: Setup) -> Any:
    import wengert as wg
    return peers.bound(wg.jit(wg.grad(log_likelihood, (0, 1, 2))), *s.data)


def c(s: Setup) -> Any:
    out = [np.empty_like(a) for a in s.data[:3]]
    call = native.function(s.libraries, "kalman", "kalman", *s.data, *out, np.empty(20 * s.params["steps"]), s.params["steps"])
    return call, lambda: (call(), out)[1]


def jax(s: Setup) -> Any:
    """By `scan`, and, for the innovation is a number, without a factorization: JAX is faster so."""
    module = peers.jax_setup()
    jnp = module.numpy

    def scanned(F: Any, Q: Any, H: Any, x: Any, P: Any, zs: Any) -> Any:
        def step(state: Any, z: Any) -> Any:
            x, P = F @ state[0], F @ state[1] @ F.T + Q
            cross = P @ H.T
            innovation, error = H @ cross + 0.1, z - H @ x
            gain = cross / innovation
            return (x + gain @ error, P - gain @ cross.T), -0.5 * (jnp.log(innovation) + error * error / innovation)
        return jnp.sum(module.lax.scan(step, (x, P), zs)[1])
    return peers.jax_call(module.grad(scanned, (0, 1, 2)), *s.data)


def torch(s: Setup) -> Any:
    return peers.torch_gradient(peers.torch_functions(globals()).log_likelihood, 3, *s.data)


def autograd(s: Setup) -> Any:
    import autograd
    return peers.bound(autograd.grad(peers.autograd_functions(globals()).log_likelihood, (0, 1, 2)), *s.data)


def casadi(s: Setup) -> Any:
    import casadi as ca
    steps = s.params["steps"]
    F, Q, H, x, P, z = (ca.SX.sym(k, *shape) for k, shape in zip("FQHxPz", ((4, 4), (4, 4), (1, 4), (4, 1), (4, 4), (1, 1))))
    y, C_ = F @ x, F @ P @ F.T + Q
    cross = C_ @ H.T
    innovation, error = H @ cross + 0.1, z - H @ y
    gain = cross / innovation
    out = [y + gain * error, C_ - gain @ cross.T, -0.5 * (ca.log(innovation) + error**2 / innovation)]
    once = ca.Function("step", [ca.horzcat(x, P), F, Q, H, z], [ca.horzcat(out[0], out[1]), out[2]])
    p = [ca.MX.sym(k, *shape) for k, shape in zip("FQH", ((4, 4), (4, 4), (1, 4)))]
    start, zs = ca.MX(ca.horzcat(s.data[3], s.data[4])), ca.MX(s.data[5].T)
    repeated = [ca.repmat(a, 1, steps) for a in p]
    total = ca.sum2(once.mapaccum(steps)(start, *repeated, zs)[1])
    gradient = ca.Function("g", p, [ca.reshape(ca.gradient(total, a), *a.shape) for a in p])
    return peers.compared(lambda: [np.asarray(a) for a in gradient(*s.data[:3])])


SYSTEMS = {"wengert": wengert, "C": c, "jax": jax, "torch": torch, "autograd": autograd, "casadi": casadi}
