"""wengert, with every derivative staged and compiled: `jit(grad(f))`."""

from __future__ import annotations

from typing import Any

from conformance.adapters import wengert
from conformance.adapters.wengert import grad, lib, np, sp, stop_gradient, versions
from wengert import jit

__all__ = ["grad", "gradient", "hessian", "jvp", "lib", "np", "sp", "stop_gradient", "value", "versions"]


def value(f: Any, x: Any) -> Any:
    return jit(f)(x)


def gradient(f: Any, x: Any) -> Any:
    return jit(grad(f))(x)


def jvp(f: Any, x: Any, v: Any) -> Any:
    return jit(lambda at, along: wengert.jvp(f, at, along))(x, v)


def hessian(f: Any, x: Any) -> Any:
    return jit(lib.hessian(f))(x)
