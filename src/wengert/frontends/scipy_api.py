"""SciPy's functions on tracers.

What comes in: a function of SciPy that no protocol reaches. What goes out: its implementation in primitives. The
one idea: implementations are registered by module and name, so that SciPy is never imported for their sake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["AS_GIVEN", "BOUND", "BY_NAME", "LATER", "bound_method", "find", "scipy_function"]

# "scipy.special.logsumexp" -> implementation
BY_NAME: dict[str, Callable[..., Any]] = {}
# Implementations that take a tuple as it is, such as ``(lu, piv)``: elsewhere one that holds tracers is an array
AS_GIVEN: set[Callable[..., Any]] = set()


# Methods of SciPy's objects that are not written in Python: (class, method) -> implementation taking the object first
BOUND: dict[tuple[str, str], Callable[..., Any]] = {}
# What imports the files of higher layers that register implementations; called once, when the first one is looked for
LATER: list[Callable[[], Any]] = []


def scipy_function(*names: str, as_given: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register an implementation under public names, such as "scipy.special.softmax"."""
    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            BY_NAME[name] = implementation
        if as_given:
            AS_GIVEN.add(implementation)
        return implementation
    return register


def _load() -> None:
    while LATER:
        LATER.pop()()


def bound_method(cls: type, name: str) -> Callable[..., Any] | None:
    """The implementation of a method of one of SciPy's own classes."""
    if not (cls.__module__ or "").startswith("scipy") and cls.__name__ != "SuperLU":
        return None
    _load()
    return BOUND.get((cls.__name__, name))


def find(function: Any) -> Callable[..., Any] | None:
    """The implementation of a SciPy function, found by the public module that holds it."""
    import sys

    from wengert.frontends import scipy_integrate, scipy_linalg, scipy_special, scipy_stats  # noqa: F401  (they register)
    _load()
    for name, implementation in list(BY_NAME.items()):
        module, _, attribute = name.rpartition(".")
        if getattr(sys.modules.get(module), attribute, None) is function:
            return implementation
    return scipy_stats.method_of(function) if "scipy.stats" in sys.modules else None
