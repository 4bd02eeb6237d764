"""What tracers answer: the tables of implementations.

What comes in: implementations, which register themselves. What goes out: tables from NumPy's and SciPy's functions, from
methods and attributes of arrays, to them. The one idea: the tracer knows no function; it looks them up here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wengert.errors import ConversionError
from wengert.frontends.trace import user_line

__all__ = ["FUNCTIONS", "INDEXING", "METHODS", "PROPERTIES", "NeedsValueError", "TracedText", "implements", "read_back",
           "texts"]

# NumPy and SciPy functions that are made of primitives: function -> implementation
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
# Methods and attributes of arrays: name -> implementation taking the tracer first
METHODS: dict[str, Callable[..., Any]] = {}
# Those of them that are attributes
PROPERTIES: set[str] = set()
# "get" and "set": what ``x[key]`` and ``x[key] = value`` do
INDEXING: dict[str, Callable[..., Any]] = {}


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register an implementation for NumPy or SciPy functions."""
    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        for f in functions:
            FUNCTIONS[f] = implementation
        return implementation
    return register


class NeedsValueError(ConversionError):
    """The value of an abstract tracer was asked for (a branch under ``vmap``)."""


class TracedText(str):
    """The printed value of a tracer; read back as a number it would be one without a derivative."""

    __slots__ = ()

    def __float__(self) -> float:
        raise read_back()

    __complex__ = __float__  # type: ignore[assignment]

    def __add__(self, other: str) -> TracedText:
        return TracedText(str.__add__(self, other))

    def __radd__(self, other: str) -> TracedText:
        return TracedText(str.__add__(other, self))

    def __getitem__(self, key: Any) -> TracedText:
        return TracedText(str.__getitem__(self, key))


def read_back() -> ConversionError:
    """The error for a printed text that becomes a number."""
    return ConversionError(f"the printed text of a traced value is read back as a number at {user_line()}, which would lose "
                           f"its derivative. Use the value itself")


def texts(x: Any) -> Any:
    """What a method of strings gave, made of printed values."""
    if type(x) in (list, tuple):
        return type(x)([texts(part) for part in x])
    return TracedText(x) if type(x) is str else x
