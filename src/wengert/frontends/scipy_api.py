"""SciPy's functions on tracers.

What comes in: a function of SciPy that no protocol reaches. What goes out: its implementation in primitives. The
one idea: implementations are registered by module and name, so that SciPy is never imported for their sake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["AS_GIVEN", "BY_NAME", "find", "scipy_function"]

# "scipy.special.logsumexp" -> implementation
BY_NAME: dict[str, Callable[..., Any]] = {}
# Implementations that take a tuple as it is, such as ``(lu, piv)``: elsewhere one that holds tracers is an array
AS_GIVEN: set[Callable[..., Any]] = set()


def scipy_function(*names: str, as_given: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register an implementation under public names, such as "scipy.special.softmax"."""
    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            BY_NAME[name] = implementation
        if as_given:
            AS_GIVEN.add(implementation)
        return implementation
    return register


def find(function: Any) -> Callable[..., Any] | None:
    """The implementation of a SciPy function, found by the public module that holds it."""
    import sys

    from wengert.frontends import (  # noqa: F401  (they register)
        scipy_integrate,
        scipy_linalg,
        scipy_ode,
        scipy_quad,
        scipy_special,
        scipy_stats,
    )
    for name, implementation in BY_NAME.items():
        module, _, attribute = name.rpartition(".")
        if getattr(sys.modules.get(module), attribute, None) is function:
            return implementation
    return scipy_stats.method_of(function) if "scipy.stats" in sys.modules else None
