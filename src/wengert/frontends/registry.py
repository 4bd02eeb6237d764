"""What tracers answer: the tables of implementations.

What comes in: implementations, which register themselves. What goes out: tables from NumPy's and SciPy's functions, from
methods and attributes of arrays, to them. The one idea: the tracer knows no function; it looks them up here.
"""

from __future__ import annotations

import opcode
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from wengert.errors import ConversionError, MutationError
from wengert.frontends.trace import HERE, library_call, user_line

__all__ = ["FUNCTIONS", "INDEXING", "METHODS", "PROPERTIES", "NeedsValueError", "TracedText", "implements", "leaves_trace",
           "read_back", "texts"]

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

    def __iter__(self) -> Iterator[TracedText]:
        return map(TracedText, str.__iter__(self))


_WRAP = "; or wrap what calls the library: wg.opaque(f, derivative=...)"


def _is_stored() -> bool:
    """Whether what runs now is the store of ``a[k] = x``: the ordinary array `a` asks a traced value for its number."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back
    return frame is not None and opcode.opname[frame.f_code.co_code[frame.f_lasti]] == "STORE_SUBSCR"


def leaves_trace(what: str) -> ConversionError | MutationError:
    """The error for a traced value that would become an ordinary number (`what` asks for it), or array ("")."""
    inside = library_call()
    if not inside and _is_stored():
        return MutationError(
            f"a traced value is written into an ordinary array at {user_line()}, which cannot hold it: its derivative would be "
            f"lost. Make the array inside the function (np.zeros(n), a.copy()), or take wg.stop_gradient(x) if a constant is "
            f"meant")
    end = _WRAP if inside else ""
    if not what:
        return ConversionError(
            f"a traced array would become an ordinary one at {user_line()}{inside}, and its derivative would be lost. Use np "
            f"functions on it, or write into an array made inside the function (np.zeros, .copy()){end}")
    return ConversionError(
        f"{what} of a traced value at {user_line()}{inside}{',' if inside else ''} would lose its derivative (a call of "
        f"math.*, or a write into an ordinary array, does the same). Use np functions (np.sin for math.sin), and arrays made "
        f"inside the function, or take wg.stop_gradient(x) if a constant is meant{end}")


def read_back() -> ConversionError:
    """The error for a printed text that becomes a number."""
    return ConversionError(f"the printed text of a traced value is read back as a number at {user_line()}, which would lose "
                           f"its derivative. Use the value itself")


def texts(x: Any) -> Any:
    """What a method of strings gave, made of printed values."""
    if type(x) in (list, tuple):
        return type(x)([texts(part) for part in x])
    return TracedText(x) if type(x) is str else x
