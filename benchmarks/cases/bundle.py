"""Bundle adjustment (ADBench): the Jacobian of each observation's reprojection error in its camera, its point and its
weight.

What comes in: the number of observations. What goes out: Jacobians (p, 2, 11), (p, 2, 3), (p, 2). The one idea: a
Jacobian of two rows, thirty thousand times, is one loop over observations. `branch`: with ADBench's test for a rotation
by zero, as its Python programs have it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import native, peers
from harness.case import Setup, Target, Variant

C = "bundle"  # the source in reference/
VARIANTS = [
    Variant("31,843 observations", {"p": 31_843, "branch": 0}, (Target(1.5e-3),), without=("wengert no branch",)),
    Variant("500 observations", {"p": 500, "branch": 0}, without=("wengert no branch",), quick=True),
    Variant("500 observations, with the branch", {"p": 500, "branch": 1}, (Target(system="wengert no branch", factor=1.5),),
            without=("jax", "torch", "casadi")),
]


def cross(a: Any, b: Any) -> Any:
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def rotated(r: Any, x: Any) -> Any:
    """Rodrigues' formula."""
    angle = np.sqrt(np.sum(r * r))
    axis = r / angle
    turn = cross(axis, x)
    return x * np.cos(angle) + turn * np.sin(angle) + axis * (np.sum(axis * x) * (1.0 - np.cos(angle)))


def rotated_or_not(r: Any, x: Any) -> Any:
    return rotated(r, x) if np.sum(r * r) > 0.0 else x + cross(r, x)


def reprojection(camera: Any, point: Any, weight: Any, feature: Any) -> Any:
    """camera: rotation (3), center (3), focal length, principal point (2), radial distortion (2)."""
    y = rotated(camera[:3], point - camera[3:6])
    p = y[:2] / y[2]
    square = np.sum(p * p)
    distortion = 1.0 + camera[9] * square + camera[10] * square**2
    return weight * (p * distortion * camera[6] + camera[7:9] - feature)


def reprojection_with_branch(camera: Any, point: Any, weight: Any, feature: Any) -> Any:
    y = rotated_or_not(camera[:3], point - camera[3:6])
    p = y[:2] / y[2]
    square = np.sum(p * p)
    distortion = 1.0 + camera[9] * square + camera[10] * square**2
    return weight * (p * distortion * camera[6] + camera[7:9] - feature)


def inputs(p: int, branch: int) -> Any:
    rng = np.random.default_rng(0)
    cameras = np.concatenate([rng.normal(size=(49, 3)) * 0.1, rng.normal(size=(49, 3)), 500 + 10 * rng.normal(size=(49, 1)),
                              rng.normal(size=(49, 2)), rng.normal(size=(49, 2)) * 0.01], axis=1)
    points = rng.normal(size=(7776, 3)) + [0.0, 0.0, 10.0]
    seen, by = rng.integers(0, 7776, p), rng.integers(0, 49, p)
    return cameras[by], points[seen], rng.random(p), rng.normal(size=(p, 2))


def wengert(s: Setup, without: bool = False) -> Any:
    import wengert as wg
    f = reprojection_with_branch if s.params["branch"] and not without else reprojection
    return peers.bound(wg.jit(wg.vmap(wg.jacobian(f, (0, 1, 2)))), *s.data)


def wengert_without(s: Setup) -> Any:
    return wengert(s, without=True)


def c(s: Setup) -> Any:
    p = s.params["p"]
    out = [np.empty((p, 2, 11)), np.empty((p, 2, 3)), np.empty((p, 2))]
    call = native.function(s.libraries, "bundle", "bundle", *native.contiguous(*s.data), *out, p)
    return call, lambda: (call(), out)[1]


def jax(s: Setup) -> Any:
    module, f = peers.jax_setup(), peers.jax_functions(globals()).reprojection
    return peers.jax_call(module.vmap(module.jacrev(f, (0, 1, 2))), *s.data)


def torch(s: Setup) -> Any:
    module, f = peers.torch_setup(), peers.torch_functions(globals()).reprojection
    return peers.bound(module.func.vmap(module.func.jacrev(f, (0, 1, 2))), *[module.tensor(a) for a in s.data])


def casadi(s: Setup) -> Any:
    import casadi as ca
    camera, point, weight, feature = (ca.SX.sym(k, n) for k, n in (("c", 11), ("x", 3), ("w", 1), ("f", 2)))
    r, x = camera[:3], point - camera[3:6]
    angle = ca.norm_2(r)
    axis = r / angle
    y = x * ca.cos(angle) + ca.cross(axis, x) * ca.sin(angle) + axis * (ca.dot(axis, x) * (1 - ca.cos(angle)))
    p = y[:2] / y[2]
    square = ca.dot(p, p)
    error = weight * (p * (1 + camera[9] * square + camera[10] * square**2) * camera[6] + camera[7:9] - feature)
    whole = ca.densify(ca.jacobian(error, ca.vertcat(camera, point, weight)))
    every = ca.Function("j", [camera, point, weight, feature], [whole]).map(s.params["p"])
    data = [np.asfortranarray(a.reshape(s.params["p"], -1).T) for a in s.data]

    def result() -> Any:
        j = np.asarray(every(*data)).reshape(2, s.params["p"], 15).transpose(1, 0, 2)
        return [j[:, :, :11], j[:, :, 11:14], j[:, :, 14]]
    return (lambda: every(*data)), result


SYSTEMS = {"wengert": wengert, "wengert no branch": wengert_without, "C": c, "jax": jax, "torch": torch, "casadi": casadi}
