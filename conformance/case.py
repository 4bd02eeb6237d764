"""What a case is, and how its program is given a library's names.

What comes in: plain functions of one argument, registered with `@case(...)` in the modules of `conformance.cases`. What goes
out: `CASES`, by name, and `bind`, which gives a program the `np`, `sp`, `ad` and `lib` of a library. The one idea: programs are
written with `np` as a global name, as everybody writes them, and run with another `np` in its place.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Placeholders that a library's own take the place of: SciPy's names, the adapter (grad, jvp, ...), and the library itself.
sp: Any = None
ad: Any = None
lib: Any = None

PARTS = ("value", "gradient", "jvp", "hessian")
CASES: dict[str, Case] = {}


@dataclass(frozen=True)
class Case:
    """One program, the points to differentiate it at, and what is right there.

    `gradient` is the closed form, a function of mpmath numbers; without it, the reference is a difference quotient in 130
    digits of the program itself run in mpmath, or of `precise`, the same function written for mpmath. `accept` takes the place
    of both where several answers are right. `slack` multiplies the bound on the error.
    """

    name: str
    group: str
    function: Callable[[Any], Any]
    points: tuple[Any, ...]
    parts: tuple[str, ...] = PARTS
    gradient: Callable[[Any], Any] | None = None
    precise: Callable[[Any], Any] | None = None
    accept: Callable[[Any, Any], bool] | None = None
    refusal: str = ""  # why an error is the right answer, where it is
    slack: float = 1.0
    note: str = ""
    idioms: dict[str, Callable[[Any], Any]] = field(default_factory=dict)  # library -> the program in its own words


def case(points: Sequence[Any], name: str = "", order: int = 2, **more: Any) -> Callable[[Callable[[Any], Any]], Any]:
    """Register a function as a case of the group that its module is named after; `order=1` leaves out the Hessian."""

    def register(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        called = name or function.__name__
        if called in CASES:
            raise ValueError(f"two cases are called {called}")
        more.setdefault("parts", PARTS[: 2 + order])
        group = function.__module__.rpartition(".")[2]
        CASES[called] = Case(called, group, function, tuple(points), **more)
        return function

    return register


def idiom(of: str, *libraries: str) -> Callable[[Callable[[Any], Any]], Any]:
    """Register a function as what users of these libraries write in place of the program of a case."""

    def register(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        CASES[of].idioms.update(dict.fromkeys(libraries, function))
        return function

    return register


def bind(
    function: Callable[[Any], Any], names: dict[str, Any], array: Callable[[Any], Any] | None = None
) -> Callable[[Any], Any]:
    """The same function, and the functions of its module that it calls, with other global names.

    `array` makes a library's arrays of the constant arrays of the module, for libraries that do not take NumPy's.
    """
    space = dict(function.__globals__)
    space.update(names)
    if array is not None:
        space.update({name: array(value) for name, value in space.items() if isinstance(value, np.ndarray)})
    for name, helper in function.__globals__.items():
        if isinstance(helper, types.FunctionType) and helper.__module__ == function.__module__:
            space[name] = with_globals(helper, space)
    return with_globals(function, space)


def with_globals(function: Any, space: dict[str, Any]) -> Any:
    made = types.FunctionType(function.__code__, space, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    made.__module__ = function.__module__
    made.__qualname__ = function.__qualname__
    return made


def load() -> dict[str, Case]:
    """All cases, with the modules of `conformance.cases` imported in order."""
    import importlib

    from conformance.cases import GROUPS

    for group in GROUPS:
        importlib.import_module(f"conformance.cases.{group}")
    return CASES
