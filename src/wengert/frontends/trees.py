"""Evaluation trees.

What comes in: numbers, names and calls, put together by the parser. What goes out: the tree as a formula with
no more parentheses than it needs, as a drawing, as a list of its nodes in the order of evaluation. The one
idea: operators are calls like any other (`a + b` is a call of "add"), and nothing here recurs, so a sum of
ten thousand terms, a tree ten thousand deep, is no special case.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Call", "Name", "Node", "Number", "Span"]

Span = tuple[int, int]
_NOWHERE: Span = (0, 0)

# How tightly a node of the printed formula binds.
_SUM, _PRODUCT, _NEGATIVE, _POWER, _ATOM = range(1, 6)
_INFIX = {
    "add": (" + ", _SUM), "subtract": (" - ", _SUM), "multiply": ("*", _PRODUCT), "divide": ("/", _PRODUCT),
    "power": ("^", _POWER),
}


class Node:
    """A node of an evaluation tree: a `Number`, a `Name` or a `Call`.

    ``span`` is where the node stands in the text it was parsed from, ``text[span[0]:span[1]]``; ``column`` is
    its first column, counted from 1. Two trees are equal if they would evaluate alike; where they stand and
    which of several names of a function was written do not matter.

    Examples
    --------
    >>> x = Name("x")
    >>> tree = Call("multiply", (Number(2), Call("add", (x, Number(1)))))
    >>> print(tree)
    2*(x + 1)
    >>> print(tree.text())
    *
    ├── 2
    └── +
        ├── x
        └── 1
    """

    __slots__ = ()
    span: Span

    @property
    def column(self) -> int:
        return self.span[0] + 1

    @property
    def children(self) -> tuple[Node, ...]:
        return ()

    @property
    def label(self) -> str:
        """What a drawing of the tree writes at this node."""
        raise NotImplementedError

    def walk(self) -> Iterator[Node]:
        """All nodes in the order of evaluation: operands from left to right, then the node itself."""
        order: list[Node] = []
        stack: list[Node] = [self]
        while stack:
            node = stack.pop()
            order.append(node)
            stack.extend(node.children)
        return reversed(order)

    def fold(self, combine: Callable[[Node, list[Any]], Any]) -> Any:
        """The value of the tree, where ``combine(node, values of its children)`` is that of a node."""
        values: list[Any] = []
        for node in self.walk():
            first = len(values) - len(node.children)
            below = values[first:]
            del values[first:]
            values.append(combine(node, below))
        return values[0]

    def text(self, depth: int = 200) -> str:
        """The tree as a drawing, one node a line; what lies deeper than `depth` is drawn as its formula."""
        lines: list[str] = []
        stack: list[tuple[Node, str, str, int]] = [(self, "", "", 0)]
        while stack:
            node, before, under, level = stack.pop()
            lines.append(before + (node.label if level < depth else str(node)))
            if level >= depth:
                continue
            branch, below = "└── ", "    "
            for child in reversed(node.children):
                stack.append((child, under + branch, under + below, level + 1))
                branch, below = "├── ", "│   "
        return "\n".join(lines)

    def __str__(self) -> str:
        pieces: list[str] = []
        stack: list[str | Node] = [self]
        while stack:
            item = stack.pop()
            if isinstance(item, str):
                pieces.append(item)
            else:
                stack.extend(reversed(_pieces(item)))
        return "".join(pieces)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def _key(self) -> tuple[Any, ...]:
        """The tree in postfix, by what counts for equality."""
        return tuple(_own_key(node) for node in self.walk())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        return self is other or self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        # In postfix, because pickle recurs and a long sum is a deep tree.
        return _from_postfix, (tuple(_record(node) for node in self.walk()),)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Number(Node):
    """A number. ``symbol`` is the name of a constant: ``Number(math.pi, "pi")``."""

    value: int | float
    symbol: str | None = None
    span: Span = _NOWHERE

    @property
    def label(self) -> str:
        return self.symbol if self.symbol is not None else repr(self.value)

    @property
    def signed(self) -> bool:
        """Whether it is written with a minus sign."""
        return self.symbol is None and math.copysign(1.0, self.value) < 0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Name(Node):
    """A variable."""

    name: str
    span: Span = _NOWHERE

    @property
    def label(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call(Node):
    """A function of other trees.

    Parameters
    ----------
    function : str
        NumPy's or SciPy's name of it; operators are "add", "subtract", "multiply", "divide", "power" and
        "negative".
    arguments : tuple of Node
    span : (int, int)
        Where it stands in the text.
    written : str
        The name to print, if another one was written: ``ln`` for "log".
    """

    function: str
    arguments: tuple[Node, ...]
    span: Span = _NOWHERE
    written: str = field(default="", compare=False)

    @property
    def children(self) -> tuple[Node, ...]:
        return self.arguments

    @property
    def label(self) -> str:
        infix = _INFIX.get(self.function)
        return infix[0].strip() if infix else self.written or self.function


def _own_key(node: Node) -> tuple[Any, ...]:
    if isinstance(node, Number):
        return "number", node.label, type(node.value)
    if isinstance(node, Call):
        return "call", node.function, len(node.arguments)
    return "name", node.label


def _record(node: Node) -> tuple[Any, ...]:
    if isinstance(node, Number):
        return Number, 0, node.value, node.symbol, node.span
    if isinstance(node, Call):
        return Call, len(node.arguments), node.function, node.span, node.written
    return Name, 0, node.label, node.span


def _from_postfix(records: Sequence[tuple[Any, ...]]) -> Node:
    values: list[Node] = []
    for kind, count, *rest in records:
        if kind is Call:
            first = len(values) - count
            function, span, written = rest
            values[first:] = [Call(function, tuple(values[first:]), span, written)]
        else:
            values.append(kind(*rest))
    return values[0]


def _strength(node: Node) -> int:
    if isinstance(node, Number):
        return _NEGATIVE if node.signed else _ATOM
    if isinstance(node, Call):
        if node.function == "negative":
            return _NEGATIVE
        if node.function in _INFIX:
            return _INFIX[node.function][1]
    return _ATOM


def _wrapped(node: Node, least: int) -> list[str | Node]:
    """The node, in parentheses if it binds less tightly than `least`."""
    return [node] if _strength(node) >= least else ["(", node, ")"]


def _pieces(node: Node) -> list[str | Node]:
    """What a node prints, its operands still unprinted."""
    if not isinstance(node, Call):
        return [node.label]
    if node.function == "negative":
        return ["-", *_wrapped(node.arguments[0], _NEGATIVE)]
    if node.function in _INFIX:
        sign, strength = _INFIX[node.function]
        left, right = node.arguments
        if node.function == "power":  # from the right, and -x may stand in an exponent
            return [*_wrapped(left, _ATOM), sign, *_wrapped(right, _NEGATIVE)]
        return [*_wrapped(left, strength), sign, *_wrapped(right, strength + 1)]
    pieces: list[str | Node] = [node.label, "("]
    for place, argument in enumerate(node.arguments):
        pieces += [", ", argument] if place else [argument]
    return [*pieces, ")"]
