"""Reading the text of graphs: the inverse of `text`.

What comes in: text. What goes out: a checked `Graph`, or a `GraphError` with the line. The one idea: a
recursive-descent parser of a dozen rules; comments are read back as the users' lines.
"""

from __future__ import annotations

import ast
import base64
import re
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
_WORDS = {"None": None, "True": True, "False": False}


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
        self.tokens, self.at = tokens, 0
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
        return GraphError(f"line {token.line}: expected {wanted}, found {token.text}")

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
            self.at -= 1
            raise self.error("a variable that is new")
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
            self.at -= 1
            raise self.error("the name of a primitive")
        self.expect("(")
        operands: list[Atom] = []
        params: dict[str, Any] = {}

        def argument() -> None:
            token = self.peek()
            if token.kind == "name" and self.tokens[self.at + 1].text == "=":
                self.at += 2
                params[token.text] = self.param()
            elif params:
                raise self.error("a parameter such as axes=(0,)")
            else:
                operands.append(self.operand())
        self.many(")", argument)
        return Equation(REGISTRY[name], operands, params, results)

    # ------------------------------------------------------------ types and values

    def dtype(self) -> np.dtype[Any]:
        token = self.next()
        try:
            if token.text == "dtype" and self.accept("("):
                dtype = np.dtype(ast.literal_eval(self.kind("string", "a dtype such as '>f8'")))
                self.expect(")")
                found: np.dtype[Any] = np.dtype(dtype)
                return found
            if token.kind == "name" and np.dtype(token.text).name == token.text:
                return np.dtype(token.text)
        except TypeError:
            pass
        self.at -= 1
        raise self.error("a dtype such as float64")

    def type(self) -> Type:
        if self.accept("stack"):
            self.expect("[")
            element = self.type()
            self.expect("]")
            return StackType(element)
        dtype = self.dtype()
        self.expect("[")
        return ArrayType(tuple(self.many("]", lambda: int(self.kind("number", "a length")))), dtype)

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
            self.at += 1
            whole = token.text.lstrip("-").isdigit()
            return Const(element_of(token.text, np.dtype(np.int64 if whole else np.float64)))
        if token.text in ("True", "False"):
            self.at += 1
            return Const(np.bool_(token.text == "True"))
        dtype = self.dtype()
        if self.accept("("):
            return Const(self.scalar(dtype))
        self.expect("[")
        shape = tuple(self.many("]", lambda: int(self.kind("number", "a length"))))
        return Const(self.array(ArrayType(shape, dtype)))

    def number(self) -> str:
        token = self.next()
        if token.kind != "number" and token.text not in ("True", "False"):
            self.at -= 1
            raise self.error("a number")
        return token.text

    def scalar(self, dtype: np.dtype[Any]) -> Any:
        """What stands between the parentheses of ``float32(0.1)`` or ``complex64(0.0, 1.0)``."""
        parts = self.many(")", self.number)
        if len(parts) != 1 + (dtype.kind == "c"):
            raise self.error("one number (two for a complex number)")
        out = complex_of(parts[0], parts[1], dtype) if dtype.kind == "c" else element_of(parts[0], dtype)
        return np.asarray(out).astype(dtype)

    def element(self, dtype: np.dtype[Any]) -> Any:
        if dtype.kind == "c":
            self.expect("complex")
            self.expect("(")
            return self.scalar(dtype)
        return element_of(self.number(), dtype)

    def array(self, t: ArrayType) -> Any:
        self.expect("{")
        if self.accept("base64"):
            data = base64.b64decode(ast.literal_eval(self.kind("string", "bytes in base64")))
            self.expect("}")
            if len(data) != t.size * t.dtype.itemsize:
                raise self.error(f"the bytes of {t} before this")
            return np.frombuffer(data, t.dtype).reshape(t.shape)
        if self.accept("fill"):
            out = np.full(t.shape, self.element(t.dtype), t.dtype)
            self.expect("}")
            return out
        elements = self.many("}", lambda: self.element(t.dtype))
        if len(elements) != t.size:
            raise self.error(f"{t.size} elements before this")
        return np.array(elements, t.dtype).reshape(t.shape)

    # ------------------------------------------------------------ parameters

    def param(self) -> Any:
        token = self.peek()
        if token.kind == "opaque":
            raise GraphError(f"line {token.line}: {token.text} is a Python object, which the text of a graph cannot hold")
        if token.kind == "number":
            self.at += 1
            return int(token.text) if token.text.lstrip("-").isdigit() else float(token.text)
        if token.kind == "string":
            self.at += 1
            return ast.literal_eval(token.text)
        if token.text in _WORDS:
            self.at += 1
            return _WORDS[token.text]
        if token.text == "graph":
            return self.graph()
        if self.accept("..."):
            return Ellipsis
        if self.accept("("):
            return tuple(self.many(")", self.param))
        if self.accept("const"):
            return self.const()
        if self.accept("slice"):
            self.expect("(")
            return slice(*self.many(")", self.param))
        if self.accept("complex"):
            self.expect("(")
            parts = self.many(")", self.number)
            return complex(float(parts[0]), float(parts[1]))
        return self.typed_param()

    def typed_param(self) -> Any:
        """A dtype, a type, or a NumPy scalar: ``float32``, ``float32[3]``, ``float32(0.1)``."""
        if self.peek().text == "stack":
            return self.type()
        dtype = self.dtype()
        if self.accept("["):
            shape = tuple(self.many("]", lambda: int(self.kind("number", "a length"))))
            if self.peek().text == "{":  # an unusual NaN, by its bytes
                return self.array(ArrayType(shape, dtype))[()]
            return ArrayType(shape, dtype)
        return self.scalar(dtype)[()] if self.accept("(") else dtype
