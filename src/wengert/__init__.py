"""wengert: derivatives of formulas and of plain NumPy programs."""

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

__all__ = ["custom_jvp", "custom_vjp", "grad", "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "jvp", "linearize", "make_graph", "opaque", "stop_gradient",
           "value_and_grad", "vjp", "vmap"]
