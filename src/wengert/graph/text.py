"""Printing graphs, and reading them back.

What comes in: a graph, or its text. What goes out: the other. The one idea: the text is exact, bit for bit, so
that ``from_text(to_text(g))`` is the same graph; what has no exact text (an opaque Python object among the
parameters) prints as ``<...>`` and is refused by the reader.

    graph(%0: float64[3]) {
      %1: float64[3] = sin(%0)                  # model.py:4
      %2: float64[] = reduce_sum(%1, axes=(0,))
      return %2
    }

Operands are variables or constants. ``2.0`` is a float64, ``3`` an int64, ``True`` a bool, others name their type:
``float32(0.1)``, ``complex128(1.0, -0.0)``, ``float64[2,2]{1.0, 2.0, 3.0, 4.0}``, ``float64[9]{fill 1.0}``, and with the
bytes of long arrays and unusual NaNs ``float64[100]{base64 "..."}``. Parameters are Python's literals, dtypes
(``float32``), types (``float64[3]``), and graphs.
"""

from __future__ import annotations

import base64
import os
from typing import Any

import numpy as np

from wengert.graph.graph import Atom, Const, Equation, Graph, Var
from wengert.graph.types import ArrayType, StackType, Type

__all__ = ["equation_text", "from_text", "to_text"]

_LONGEST = 16  # arrays of more elements are written as bytes
_COLUMN = 60  # comments stand behind this column at most
_PLAIN = {np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_)}  # 0-d constants without the name of a type


def to_text(graph: Graph, full_paths: bool = False, *, short: bool = False) -> str:
    """The text of a graph.

    Parameters
    ----------
    graph : Graph
    full_paths : bool
        Whether the comments name the user's files with their folders.
    short : bool
        Whether long constants are printed as ``float64[1000]{...}``; such a text cannot be read back.
    """
    return "\n".join(_Printer(full_paths, short=short).graph(graph, ""))


def from_text(text: str) -> Graph:
    """The graph of a text, checked. Raises `GraphError`, with the line, where it does not parse."""
    from wengert.graph.parse import parse
    return parse(text)


def equation_text(graph: Graph, equation: Equation) -> str:
    """One equation, with the numbers that the graph's own text gives to its variables."""
    printer = _Printer(False, known=True)
    for v in graph.inputs:
        printer.define(v)
    for e in graph.equations:
        for r in e.results:
            printer.define(r)
    return " ".join(" ".join(printer.equation(equation, "")).split())


class _Printer:
    """Names of variables, given in order of definition; nested graphs go on counting."""

    def __init__(self, full_paths: bool, known: bool = False, short: bool = False):
        self.full_paths, self.known, self.short = full_paths, known, short
        self.names: dict[Var, str] = {}
        self.count = 0
        self.free = 0

    def define(self, v: Var) -> str:
        self.names[v] = f"%{self.count}"
        self.count += 1
        return self.names[v]

    def graph(self, graph: Graph, indent: str) -> list[str]:
        inputs = ", ".join([f"{self.define(v)}: {_type(v.type)}" for v in graph.inputs])
        out = [f"graph({inputs}) {{"]
        inside = indent + "  "
        rows = [(self.equation(e, inside), self.comment(graph, e)) for e in graph.equations]
        column = max([len(text[-1]) for text, comment in rows if comment and len(text[-1]) < _COLUMN], default=0)
        for text, comment in rows:
            if comment:
                text[-1] = f"{text[-1]:<{column}}  # {comment}"
            out.extend(text)
        results = ", ".join([self.atom(a) for a in graph.outputs])
        out.append(f"{inside}return {results}".rstrip())
        out.append(indent + "}")
        return out

    def comment(self, graph: Graph, e: Equation) -> str:
        names = graph.lines.get(e, frozenset())
        return ", ".join(sorted(names if self.full_paths else {os.path.basename(n) for n in names}))

    def equation(self, e: Equation, indent: str) -> list[str]:
        """The lines of one equation (several if it holds graphs)."""
        arguments = [self.atom(a) for a in e.operands]
        for name in sorted(e.params):
            arguments.append(f"{name}={self.param(e.params[name], indent)}")
        results = ", ".join([f"{self.result(r)}: {_type(r.type)}" for r in e.results])
        return f"{indent}{results} = {e.primitive.name}({', '.join(arguments)})".split("\n")

    def result(self, r: Var) -> str:
        return self.names[r] if self.known and r in self.names else self.define(r)

    def atom(self, a: Atom) -> str:
        if isinstance(a, Const):
            return f"{_type(a.type)}{{...}}" if self.short and a.type.size > _LONGEST else const_text(a)
        if a not in self.names:
            self.names[a] = f"?{self.free}"  # a variable of an enclosing graph; the reader refuses it
            self.free += 1
        return self.names[a]

    def param(self, value: Any, indent: str) -> str:
        if isinstance(value, Graph):
            return "\n".join(self.graph(value, indent))
        if type(value) is tuple:
            inner = ", ".join([self.param(x, indent) for x in value])
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        if value is None or value is Ellipsis or type(value) in (bool, int, str, bytes, slice):
            return "..." if value is Ellipsis else repr(value)
        if type(value) is float:
            return repr(value)
        if type(value) is complex:
            return f"complex({value.real!r}, {value.imag!r})"
        if isinstance(value, (ArrayType, StackType)):
            return _type(value)
        if isinstance(value, np.dtype) and value.kind in "biufc":
            return _dtype(value)
        if isinstance(value, np.generic) and value.dtype.kind in "biufc":
            return _scalar(Const(value), named=True)
        if isinstance(value, Const):
            return f"const {self.atom(value)}"
        return f"<{_opaque(value)}>"


def _opaque(value: Any) -> str:
    name = getattr(value, "name", None) or getattr(value, "__name__", None)
    kind = type(value).__name__
    return "".join(c for c in (f"{kind} {name}" if isinstance(name, str) else kind) if c.isprintable() and c not in "<>")


def _dtype(dtype: np.dtype[Any]) -> str:
    return dtype.name if dtype.isnative else f"dtype({dtype.str!r})"


def _type(t: Type) -> str:
    if isinstance(t, StackType):
        return f"stack[{_type(t.element)}]"
    return f"{_dtype(t.dtype)}[{','.join(map(str, t.shape))}]"


def const_text(c: Const) -> str:
    """The text of a constant, exact to the bit."""
    if not c.type.shape:
        return _scalar(c, named=c.type.dtype not in _PLAIN)
    elements = c.value.reshape(-1)
    if len(elements) > 1 and len(elements) * elements.itemsize > 16 and c.key[1] == elements[:1].tobytes() * len(elements):
        body = _element(elements[0])
        if _reads_back(body, elements[0]):
            return f"{_type(c.type)}{{fill {body}}}"
    if len(elements) <= _LONGEST:
        bodies = [_element(x) for x in elements]
        if all(_reads_back(b, x) for b, x in zip(bodies, elements)):
            return f"{_type(c.type)}{{{', '.join(bodies)}}}"
    return _bytes(c)


def _bytes(c: Const) -> str:
    return f'{_type(c.type)}{{base64 "{base64.b64encode(c.key[1]).decode()}"}}'


def _scalar(c: Const, named: bool) -> str:
    body = _element(c.value[()])
    if not _reads_back(body, c.value[()]):
        return _bytes(c)
    if not named:
        return body
    return f"{_dtype(c.type.dtype)}({body.removeprefix('complex(').removesuffix(')')})"


def _element(x: Any) -> str:
    """One element: the shortest decimal that reads back to it."""
    if x.dtype.kind == "c":
        return f"complex({_element(x.real)}, {_element(x.imag)})"
    if x.dtype.kind == "f":
        if not np.isfinite(x):
            return str(x)
        return str(x) if x == 0 or 1e-4 <= abs(float(x)) < 1e16 else np.format_float_scientific(x)
    return str(x)


def element_of(text: str, dtype: np.dtype[Any]) -> Any:
    """The element of this dtype that a decimal stands for."""
    if dtype.kind == "b":
        return np.bool_({"True": True, "False": False}[text])
    return dtype.type(int(text) if dtype.kind in "iu" else text)


def complex_of(real: str, imag: str, dtype: np.dtype[Any]) -> Any:
    """A complex element from its parts, zeros and infinities kept."""
    out = np.empty((), dtype)
    part = out.real.dtype
    out.real, out.imag = element_of(real, part), element_of(imag, part)
    return out[()]


def _reads_back(text: str, x: Any) -> bool:
    if x.dtype.kind == "c":
        real, imag = text.removeprefix("complex(").removesuffix(")").split(", ")
        return bool(complex_of(real, imag, x.dtype).tobytes() == x.tobytes())
    if x.dtype.kind not in "biuf":
        return False
    back = element_of(text, x.dtype)
    if x.dtype.char == "g":  # long doubles have bytes that mean nothing
        return bool((back == x and np.signbit(back) == np.signbit(x)) or (text == "nan" and not np.signbit(x)))
    return bool(back.tobytes() == x.tobytes())
