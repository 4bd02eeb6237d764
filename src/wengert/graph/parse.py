"""Reading the text of graphs: the inverse of `text`.

What comes in: text. What goes out: a checked `Graph`, or a `GraphError` with the line. The one idea: a
recursive-descent parser of a dozen rules; comments are read back as the users' lines.
"""

from __future__ import annotations

import ast
import base64
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import GraphError
from wengert.graph.check import check
from wengert.graph.graph import Atom, Const, Equation, Graph, Var
from wengert.graph.primitive import REGISTRY
from wengert.graph.text import complex_of, element_of
from wengert.graph.types import ArrayType, StackType, Type

__all__ = ["parse"]

_TOKEN = re.compile(r"""
    (?P<space>[ \t\r]+) | (?P<comment>\#[^\n]*) | (?P<newline>\n) | (?P<var>[%?]\d+)
  | (?P<string>b?'(?:[^'\\\n]|\\.)*'|b?"(?:[^"\\\n]|\\.)*")
  | (?P<number>-?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|inf\b|nan\b)) | (?P<name>[A-Za-z_]\w*)
  | (?P<opaque><[^>\n]*>) | (?P<mark>\.\.\.|[()\[\]{}=:,])""", re.VERBOSE)
_DEEPEST = 60  # graphs in graphs, tuples in tuples: Python's stack is finite
_LARGEST = 1 << 30  # bytes of a constant whose text is shorter than itself
_WORDS = {"None": None, "True": True, "False": False}


_MOST_AXES = 64  # of an array of NumPy
_NATIVE = [np.dtype(kind) for kind in "?bBhHiIqQlLefdgFDG"]
_NUMBERS = {d.str: d for native in _NATIVE for d in (native, native.newbyteorder())} | {d.name: d for d in _NATIVE}


class _Token:
    __slots__ = ("kind", "line", "text")

    def __init__(self, kind: str, text: str, line: int):
        self.kind, self.text, self.line = kind, text, line


def _tokens(text: str) -> list[_Token]:
    out, at, line = [], 0, 1
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise GraphError(f"line {line}: {text[at:at + 20]!r} is not part of a graph")
        kind = str(found.lastgroup)
        if kind == "newline":
            line += 1
        elif kind != "space":
            out.append(_Token(kind, found.group(), line))
        at = found.end()
    out.append(_Token("end", "the end of the text", line))
    return out


def parse(text: str) -> Graph:
    """The graph of a text."""
    parser = _Parser(_tokens(text))
    graph = parser.graph()
    while parser.tokens[parser.at].kind == "comment":
        parser.at += 1
    if parser.tokens[parser.at].kind != "end":
        raise parser.error("the end of the text")
    return check(graph)


class _Parser:
    """The tokens, the place in them, and the variables defined so far."""

    def __init__(self, tokens: list[_Token]):
        self.tokens, self.at, self.depth = tokens, 0, 0
        self.names: dict[str, Var] = {}

    # ------------------------------------------------------------ tokens

    def peek(self) -> _Token:
        while self.tokens[self.at].kind == "comment":
            self.at += 1
        return self.tokens[self.at]

    def next(self) -> _Token:
        token = self.peek()
        self.at += 1
        return token

    def error(self, wanted: str) -> GraphError:
        token = self.tokens[self.at]
        found = token.text if len(token.text) <= 60 else f"{token.text[:60]}..."
        return GraphError(f"line {token.line}: expected {wanted}, found {found}")

    def refused(self, wanted: str) -> GraphError:
        """The error for the token that was read last."""
        self.at -= 1
        return self.error(wanted)

    def accept(self, text: str) -> bool:
        if self.peek().text == text and self.peek().kind in ("mark", "name"):
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.error(repr(text))

    def kind(self, kind: str, wanted: str) -> str:
        if self.peek().kind != kind:
            raise self.error(wanted)
        return self.next().text

    def deeper(self, item: Callable[[], Any]) -> Any:
        """One item, a level down."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.error(f"at most {_DEEPEST} levels")
        out = item()
        self.depth -= 1
        return out

    def many(self, close: str, item: Callable[[], Any]) -> list[Any]:
        """Items between commas, up to the closing mark; a comma may stand behind the last."""
        out = []
        while not self.accept(close):
            out.append(item())
            if not self.accept(","):
                self.expect(close)
                break
        return out

    # ------------------------------------------------------------ graphs

    def graph(self) -> Graph:
        self.expect("graph")
        self.expect("(")
        inputs = tuple(self.many(")", self.definition))
        self.expect("{")
        equations: list[Equation] = []
        lines: dict[Equation, frozenset[str]] = {}
        while not self.accept("return"):
            e = self.equation()
            equations.append(e)
            comment = self.tokens[self.at]
            if comment.kind == "comment" and comment.line == self.tokens[self.at - 1].line:
                lines[e] = frozenset(comment.text.lstrip("# ").rstrip().split(", "))
        outputs = tuple(self.many("}", self.operand))
        return Graph(inputs, tuple(equations), outputs, lines)

    def definition(self) -> Var:
        name = self.kind("var", "a variable such as %0")
        if name in self.names or name[0] == "?":
            raise self.refused("a variable that is new")
        self.expect(":")
        self.names[name] = Var(self.type())
        return self.names[name]

    def equation(self) -> Equation:
        results: list[Var] = []
        while self.peek().kind == "var":
            results.append(self.definition())
            if not self.accept(","):
                break
        self.expect("=")
        name = self.kind("name", "the name of a primitive")
        if name not in REGISTRY:
            raise self.refused("the name of a primitive")
        self.expect("(")
        operands: list[Atom] = []
        params: dict[str, Any] = {}

        def argument() -> None:
            token = self.peek()
            if token.kind == "name" and self.tokens[self.at + 1].text == "=":
                if token.text in params:
                    raise self.error("a parameter that is new")
                self.at += 2
                params[token.text] = self.deeper(self.param)
            elif params:
                raise self.error("a parameter such as axes=(0,)")
            else:
                operands.append(self.operand())
        self.many(")", argument)
        return Equation(REGISTRY[name], operands, params, results)

    # ------------------------------------------------------------ types and values

    def dtype(self) -> np.dtype[Any]:
        token = self.next()
        written = token.text if token.kind == "name" else ""
        if written == "dtype" and self.accept("("):
            written = self.string("a dtype such as '>f8'")
            self.expect(")")
        found = _NUMBERS.get(written)
        if found is None:
            raise self.refused("a dtype such as float64")
        return found

    def type(self) -> Type:
        if self.accept("stack"):
            self.expect("[")
            element = self.deeper(self.type)
            self.expect("]")
            return StackType(element)
        dtype = self.dtype()
        self.expect("[")
        return ArrayType(self.shape(), dtype)

    def shape(self) -> tuple[int, ...]:
        lengths = tuple(self.many("]", self.length))
        if len(lengths) > _MOST_AXES:
            raise self.refused(f"at most {_MOST_AXES} lengths")
        return lengths

    def length(self) -> int:
        token = self.next()
        if not token.text.isdecimal() or len(token.text) > 18:
            raise self.refused("a length")
        return int(token.text)

    def string(self, wanted: str) -> Any:
        """What a literal of text or bytes stands for."""
        text = self.kind("string", wanted)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            raise self.refused(f"{wanted}, as Python writes it") from None

    def operand(self) -> Atom:
        token = self.peek()
        if token.kind == "var":
            if token.text not in self.names:
                raise self.error("a variable that is defined")
            self.at += 1
            return self.names[token.text]
        return self.const()

    def const(self) -> Const:
        token = self.peek()
        if token.kind == "number":
            whole = token.text.lstrip("-").isdigit()
            return Const(self.element(np.dtype(np.int64 if whole else np.float64)))
        if token.text in ("True", "False"):
            self.at += 1
            return Const(np.bool_(token.text == "True"))
        dtype = self.dtype()
        if self.accept("("):
            return Const(self.scalar(dtype))
        self.expect("[")
        return Const(self.array(ArrayType(self.shape(), dtype)))

    def scalar(self, dtype: np.dtype[Any]) -> Any:
        """What stands between the parentheses of ``float32(0.1)`` or ``complex64(0.0, 1.0)``."""
        part = np.empty(0, dtype).real.dtype
        parts = self.many(")", lambda: self.element(part))
        if len(parts) != 1 + (dtype.kind == "c"):
            raise self.refused("one number (two for a complex number)")
        return np.asarray(complex_of(parts[0], parts[1], dtype) if dtype.kind == "c" else parts[0]).astype(dtype)

    def element(self, dtype: np.dtype[Any]) -> Any:
        if dtype.kind == "c":
            self.expect("complex")
            self.expect("(")
            return self.scalar(dtype)
        token = self.next()
        try:
            if token.kind == "number" or token.text in ("True", "False"):
                out = element_of(token.text, dtype)
                if "inf" in token.text or not np.isinf(out):
                    return out
        except (ValueError, OverflowError, KeyError):
            pass
        raise self.refused(f"a number of {dtype}")

    def array(self, t: ArrayType) -> Any:
        self.expect("{")
        if self.accept("base64"):
            try:
                data = base64.b64decode(self.string("bytes in base64"), validate=True)
            except ValueError:
                raise self.refused("bytes in base64") from None
            self.expect("}")
            if len(data) != t.size * t.dtype.itemsize:
                raise self.refused(f"the bytes of {t} before this")
            return np.frombuffer(data, t.dtype).reshape(t.shape)
        if self.accept("fill"):
            if t.size * t.dtype.itemsize > _LARGEST:
                raise self.error(f"a constant of at most {_LARGEST:,} bytes")
            out = np.full(t.shape, self.element(t.dtype), t.dtype)
            self.expect("}")
            return out
        elements = self.many("}", lambda: self.element(t.dtype))
        if len(elements) != t.size:
            raise self.refused(f"{t.size} elements before this")
        return np.array(elements, t.dtype).reshape(t.shape)

    # ------------------------------------------------------------ parameters

    def param(self) -> Any:
        token = self.peek()
        if token.kind == "opaque":
            raise GraphError(f"line {token.line}: {token.text} is a Python object, which the text of a graph cannot hold")
        if token.kind == "number":
            return self.literal()
        if token.kind == "string":
            return self.string("text or bytes")
        if token.text in _WORDS:
            self.at += 1
            return _WORDS[token.text]
        if token.text == "graph":
            return self.graph()
        if self.accept("..."):
            return Ellipsis
        if self.accept("("):
            return tuple(self.many(")", lambda: self.deeper(self.param)))
        if self.accept("const"):
            return self.const()
        if self.accept("slice"):
            self.expect("(")
            ends = self.many(")", self.literal)
            if not 1 <= len(ends) <= 3:
                raise self.refused("one to three numbers")
            return slice(*ends)
        if token.text == "complex":
            return complex(self.element(np.dtype(np.complex128)))
        return self.typed_param()

    def literal(self) -> int | float | None:
        """A number of Python's, or None."""
        token = self.peek()
        if self.accept("None"):
            return None
        if token.text.lstrip("-").isdigit():
            self.at += 1
            if len(token.text) > 4000:  # Python converts no more
                raise self.refused("a number")
            return int(token.text)
        return float(self.element(np.dtype(np.float64)))

    def typed_param(self) -> Any:
        """A dtype, a type, or a NumPy scalar: ``float32``, ``float32[3]``, ``float32(0.1)``."""
        if self.peek().text == "stack":
            return self.type()
        dtype = self.dtype()
        if self.accept("["):
            shape = self.shape()
            if self.peek().text == "{":  # an unusual NaN, by its bytes
                return self.array(ArrayType(shape, dtype))[()]
            return ArrayType(shape, dtype)
        return self.scalar(dtype)[()] if self.accept("(") else dtype
