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

__all__ = ["grad", "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "jvp", "linearize", "make_graph", "stop_gradient",
           "value_and_grad", "vjp", "vmap"]
