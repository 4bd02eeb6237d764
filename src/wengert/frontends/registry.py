"""What tracers answer: the tables of implementations.

What comes in: implementations, which register themselves. What goes out: tables from NumPy's and SciPy's functions, from
methods and attributes of arrays, to them. The one idea: the tracer knows no function; it looks them up here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ConversionError
from wengert.frontends.trace import user_line

__all__ = ["FUNCTIONS", "INDEXING", "METHODS", "PROPERTIES", "NeedsValueError", "TracedText", "foreign", "implements"]

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


def foreign(kind: type) -> str:
    """What to write in place of an array that computes by rules of its own (``*`` of a matrix, sums of a masked array).

    "" for plain arrays, and for subclasses that compute as they do (``np.memmap``).
    """
    if issubclass(kind, np.matrix):
        return "Use an array, np.asarray(m), and @ for products of matrices"
    if issubclass(kind, np.ma.MaskedArray):
        return "Use m.filled(value), or the mask by name: np.where(m.mask, 0.0, m.data)"
    own_rules = issubclass(kind, np.ndarray) and (
        kind.__array_ufunc__ is not np.ndarray.__array_ufunc__ or kind.__array_function__ is not np.ndarray.__array_function__)
    return "Use its plain array, np.asarray(a)" if own_rules else ""


class NeedsValueError(ConversionError):
    """The value of an abstract tracer was asked for (a branch under ``vmap``)."""


class TracedText(str):
    """The printed value of a tracer; read back as a number it would be one without a derivative."""

    __slots__ = ()

    def __float__(self) -> float:
        raise ConversionError(f"the printed text of a traced value is read back as a number at {user_line()}, which would "
                              f"lose its derivative. Use the value itself")
