"""wengert: NumPy is NumPy, SciPy is SciPy, and the arguments are what the case gives."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

import numpy as np
import scipy as sp

import wengert as lib
from wengert import grad, stop_gradient, value_and_grad

__all__ = ["grad", "gradient", "hessian", "jvp", "lib", "np", "sp", "stop_gradient", "value", "versions"]


def versions() -> dict[str, str]:
    return {
        "wengert": importlib.metadata.version("wengert"),
        "numpy": np.__version__,
        "scipy": sp.__version__,
        "python": platform.python_version(),
    }


def value(f: Any, x: Any) -> Any:
    return value_and_grad(f)(x)[0]


def gradient(f: Any, x: Any) -> Any:
    return grad(f)(x)


def jvp(f: Any, x: Any, v: Any) -> Any:
    return lib.jvp(f, (x,), (v,))[1]


def hessian(f: Any, x: Any) -> Any:
    return lib.hessian(f)(x)
