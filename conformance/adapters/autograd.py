"""autograd: `autograd.numpy` and `autograd.scipy` in place of NumPy and SciPy."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

import autograd as lib
import autograd.scipy.linalg
import autograd.scipy.special
import autograd.scipy.stats
import numpy
from autograd import numpy as np
from autograd import scipy as sp

from conformance.trees import map_leaves

__all__ = ["grad", "gradient", "hessian", "jvp", "lib", "np", "sp", "value", "versions"]

grad = lib.grad


def versions() -> dict[str, str]:
    return {"autograd": importlib.metadata.version("autograd"), "numpy": numpy.__version__, "python": platform.python_version()}


def ours(x: Any) -> Any:
    """Numbers of Python as NumPy's, which divide by zero without raising."""
    return map_leaves(lambda leaf: numpy.float64(leaf) if isinstance(leaf, float) else leaf, x)


def jvp(f: Any, x: Any, v: Any) -> Any:
    return lib.make_jvp(f)(ours(x))(ours(v))[1]


def value(f: Any, x: Any) -> Any:
    return lib.value_and_grad(f)(ours(x))[0]


def gradient(f: Any, x: Any) -> Any:
    """The direction of steepest ascent: autograd's convention for complex arguments is the conjugate."""
    return map_leaves(lambda g: numpy.conj(g), lib.grad(f)(ours(x)))


def hessian(f: Any, x: Any) -> Any:
    return lib.hessian(f)(ours(x))
