"""SciPy's functions on tracers.

What comes in: a function of SciPy that no protocol reaches. What goes out: its implementation in primitives. The
one idea: implementations are registered by module and name, so that SciPy is never imported for their sake.
"""

from __future__ import annotations

import functools
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["AS_GIVEN", "BOUND", "BY_NAME", "LATER", "REMEDIES", "bound_method", "find", "scipy_function", "scipy_object"]

# "scipy.special.logsumexp" -> implementation
BY_NAME: dict[str, Callable[..., Any]] = {}
# Implementations that take a tuple as it is, such as ``(lu, piv)``: elsewhere one that holds tracers is an array
AS_GIVEN: set[Callable[..., Any]] = set()
# "scipy.interpolate.PPoly" -> what takes such an object, made of plain data, and gives one that takes traced values
OBJECTS: dict[str, Callable[[Any], Any]] = {}
# "scipy.optimize.leastsq" -> what to use in the place of a function that has no derivative
REMEDIES: dict[str, str] = {}


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


def scipy_object(*names: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Register what objects of these classes, made of plain data, become when they are given traced values."""
    def register(implementation: Callable[[Any], Any]) -> Callable[[Any], Any]:
        for name in names:
            OBJECTS[name] = implementation
        return implementation
    return register


@functools.cache
def _register() -> None:
    """Import the files that register implementations."""
    from wengert.frontends import (  # noqa: F401
        scipy_cubature,
        scipy_design,
        scipy_distances,
        scipy_distributions,
        scipy_filters,
        scipy_integrate,
        scipy_interpolate,
        scipy_linalg,
        scipy_ndimage,
        scipy_ode,
        scipy_optimize,
        scipy_quad,
        scipy_scattered,
        scipy_special,
        scipy_spectral,
        scipy_splines,
        scipy_stats,
        scipy_structured,
        scipy_windows,
    )


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
    """The implementation of a function, a class, an object or a method of SciPy, found by the public module that holds it."""
    _register()
    _load()
    method = type(function) is types.MethodType
    name = None if method else _name_in(BY_NAME, function)
    if name is not None:
        return BY_NAME[name]
    owner = function.__self__ if method else function
    name = _name_in(OBJECTS, type(owner))
    if name is not None:
        made = OBJECTS[name](owner)
        return getattr(made, function.__name__, None) if method else made  # type: ignore[no-any-return]
    if "scipy.stats" not in sys.modules:
        return None
    from wengert.frontends.scipy_stats import method_of
    return method_of(function)  # type: ignore[no-any-return]


# What a search through a whole table found, and how many modules and names there were: for each table
_SEARCHED: dict[int, weakref.WeakKeyDictionary[Any, tuple[int, int, str | None]]] = {
    id(BY_NAME): weakref.WeakKeyDictionary(), id(OBJECTS): weakref.WeakKeyDictionary()}


def _name_in(table: dict[str, Any], wanted: Any) -> str | None:
    """The name in a table under which something is found: first where its own name leads to, then anywhere."""
    own, module = getattr(wanted, "__name__", ""), getattr(wanted, "__module__", None) or ""
    likely = ".".join(module.split(".")[:2]) + "." + own  # what scipy.signal._filter defines, scipy.signal names
    if likely in table and _named(likely) is wanted:
        return likely
    if not own or not module.startswith(("scipy", "statistics")):
        return None
    searched, now = _SEARCHED[id(table)], (len(sys.modules), len(table))
    try:
        *then, name = searched.get(wanted, (0, 0, None))
    except TypeError:  # no weak reference leads to it
        return next((name for name in table if _named(name) is wanted), None)
    if tuple(then) != now or (name is not None and _named(name) is not wanted):
        name = next((name for name in table if _named(name) is wanted), None)
        searched[wanted] = (*now, name)
    return name


def _named(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(sys.modules.get(module), attribute, None)
