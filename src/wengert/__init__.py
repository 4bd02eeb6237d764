"""wengert: derivatives of formulas and of plain NumPy programs."""

from typing import TYPE_CHECKING, Any

from wengert.api import (
    grad,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    linearize,
    make_graph,
    stop_gradient,
    value_and_grad,
    vjp,
    vmap,
)
from wengert.custom import custom_jvp, custom_vjp, opaque
from wengert.formula import formula

if TYPE_CHECKING:
    from wengert import numeric
    from wengert.check import check_grads, taylor_test

__all__ = [
    "check_grads", "custom_jvp", "custom_vjp", "formula", "grad", "hessian", "hvp", "jacfwd", "jacobian",
    "jacrev", "jvp", "linearize", "make_graph", "numeric", "opaque", "stop_gradient", "taylor_test",
    "value_and_grad", "vjp", "vmap",
]


def __getattr__(name: str) -> Any:
    """What not every program needs is imported when it is first asked for."""
    from importlib import import_module
    if name == "numeric":
        return import_module("wengert.numeric")
    if name in ("check_grads", "taylor_test"):
        return getattr(import_module("wengert.check"), name)
    raise AttributeError(f"module 'wengert' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
