"""wengert: derivatives of formulas and of plain NumPy programs.

What comes in: the public names. What goes out: each, imported with its module when it is first used. What every derivative
needs is imported at once, so that the first gradient has to wait for nothing but itself.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wengert import (
        distributed,
        errors,
        implicit,
        interop,
        nn,
        numeric,
        ode,
        optim,
        random,
        scipy,
        sparse,
        stochastic,
        symbolic,
        tree,
    )
    from wengert.api import (
        grad,
        hessian,
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
    from wengert.certifying import certify
    from wengert.check import check_grads, taylor_test
    from wengert.checkpointing import checkpoint
    from wengert.comparison import compare, count_operations
    from wengert.compilation import explain_compilation
    from wengert.custom import custom_jvp, custom_vjp, opaque
    from wengert.explanation import explain
    from wengert.formulas import formula, from_sympy
    from wengert.frontends.numpy_api.convolution import convolve_nd
    from wengert.learning import fit, minibatches
    from wengert.linting import lint
    from wengert.nonfinite import debug_nonfinite
    from wengert.planning import plan
    from wengert.profiling import profile
    from wengert.rounding import rounding_error
    from wengert.schedules import checkpoint_schedule
    from wengert.scipy.adapter import for_scipy
    from wengert.second_order import gauss_newton_product, hvp
    from wengert.series import taylor
    from wengert.settings import config
    from wengert.sources import source
    from wengert.staging import StagingWarning, jit
    from wengert.stochastic.propagation import propagate
    from wengert.structured import cond, fori_loop, scan, while_loop

__all__ = [
    "StagingWarning", "certify", "check_grads", "checkpoint", "checkpoint_schedule", "compare", "cond", "config",
    "convolve_nd", "count_operations", "custom_jvp", "custom_vjp", "debug_nonfinite", "distributed", "errors",
    "explain", "explain_compilation", "fit", "for_scipy", "fori_loop", "formula", "from_sympy", "gauss_newton_product",
    "grad", "hessian", "hvp", "implicit", "interop", "jacfwd", "jacobian", "jacrev", "jit", "jvp", "linearize", "lint",
    "make_graph", "minibatches", "nn", "numeric", "ode", "opaque", "optim", "plan", "profile", "propagate", "random",
    "rounding_error", "scan", "scipy", "source", "sparse", "stochastic", "stop_gradient", "symbolic", "taylor",
    "taylor_test", "tree", "value_and_grad", "vjp", "vmap", "while_loop",
]

_HOME = {
    "config": "settings",
    "certify": "certifying",
    "check_grads": "check",
    "checkpoint": "checkpointing",
    "checkpoint_schedule": "schedules",
    "taylor_test": "check",
    "compare": "comparison",
    "count_operations": "comparison",
    "custom_jvp": "custom",
    "custom_vjp": "custom",
    "opaque": "custom",
    "debug_nonfinite": "nonfinite",
    "explain": "explanation",
    "explain_compilation": "compilation",
    "for_scipy": "scipy",
    "fit": "learning",
    "lint": "linting",
    "minibatches": "learning",
    "formula": "formulas",
    "plan": "planning",
    "profile": "profiling",
    "propagate": "stochastic.propagation",
    "rounding_error": "rounding",
    "gauss_newton_product": "second_order",
    "hvp": "second_order",
    "taylor": "series",
    "from_sympy": "formulas",
    "convolve_nd": "frontends.numpy_api.convolution",
    "jit": "staging",
    "StagingWarning": "staging",
    "cond": "structured",
    "fori_loop": "structured",
    "scan": "structured",
    "source": "sources",
    "while_loop": "structured",
}
_MODULES = {
    "distributed", "errors", "implicit", "interop", "nn", "numeric", "ode", "optim", "random", "scipy", "sparse",
    "stochastic", "symbolic", "tree",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'wengert' has no attribute {name!r}")
    if name in _MODULES:
        return import_module(f"wengert.{name}")
    found = getattr(import_module(f"wengert.{_HOME.get(name, 'api')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


for _name in ("wengert.api", "wengert.staging", "optree"):
    import_module(_name)
