"""JAX: `jax.numpy` and `jax.scipy` in place of NumPy and SciPy, double precision switched on, no `jit`."""

from __future__ import annotations

import platform
from typing import Any

import jax as lib
import jax.numpy as np
import numpy
from jax import scipy as sp

from conformance.trees import map_leaves

__all__ = ["grad", "gradient", "hessian", "jvp", "lib", "np", "sp", "stop_gradient", "value", "versions"]

lib.config.update("jax_enable_x64", True)
grad = lib.grad
stop_gradient = lib.lax.stop_gradient


def versions() -> dict[str, str]:
    return {"jax": lib.__version__, "numpy": numpy.__version__, "python": platform.python_version()}


def ours(x: Any) -> Any:
    """Arrays of JAX in place of NumPy's, which `jax.numpy` would be handed otherwise; numbers of Python stay."""
    return map_leaves(lambda leaf: np.asarray(leaf) if isinstance(leaf, numpy.ndarray) else leaf, x)


def jvp(f: Any, x: Any, v: Any) -> Any:
    return lib.jvp(f, (ours(x),), (ours(v),))[1]


def value(f: Any, x: Any) -> Any:
    return lib.value_and_grad(f)(ours(x))[0]


def gradient(f: Any, x: Any) -> Any:
    """The gradient as the direction of steepest ascent: JAX's convention for complex arguments is the conjugate."""
    return map_leaves(lambda g: numpy.conj(g), lib.grad(f)(ours(x)))


def hessian(f: Any, x: Any) -> Any:
    return lib.hessian(f)(ours(x))
