"""The computational graph: the one data structure.

What comes in: variables, constants and equations. What goes out: a `Graph`, frozen, in order of evaluation.
The one idea: an equation is a primitive applied to atoms (variables or constants) with static parameters;
everything else in wengert is a map into this, on this, or out of this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.graph.types import ArrayType, type_of

if TYPE_CHECKING:
    from wengert.graph.primitive import Primitive

__all__ = ["Atom", "Const", "Equation", "Graph", "Var"]


class Var:
    """A variable, known by its identity; `type` is all that it carries."""

    __slots__ = ("__weakref__", "type")

    def __init__(self, type: Any):
        self.type = type

    def __repr__(self) -> str:
        return f"Var({self.type})"


class Const:
    """A constant, known by its dtype, shape and bytes: 0.0 is not -0.0, and 1 is not True."""

    __slots__ = ("__weakref__", "_hash", "key", "type", "value")

    def __init__(self, value: Any):
        array = np.array(value)
        array.flags.writeable = False
        self.value: np.ndarray[Any, Any] = array
        self.type = type_of(array)
        self.key = (self.type, array.tobytes())
        self._hash = hash(self.key)

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is Const and self.key == other.key)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Const({self.value!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Const, (np.array(self.value),)


Atom = Var | Const


def has_no_effect(primitive: Primitive, params: Mapping[str, Any]) -> bool:
    """Whether neither a primitive nor a graph among its parameters has an effect."""
    if not primitive.pure or not primitive.holds_graphs:
        return primitive.pure
    parts = [x for value in params.values() for x in (value if isinstance(value, tuple) else (value,))]
    return all(e.pure for x in parts if isinstance(x, Graph) for e in x.equations)


class Equation:
    """``results = primitive(operands, **params)``; known by its identity.

    `pure` is False if it, or a graph that it holds, has an effect (a draw, a print, a raise): it is never shared, dropped,
    repeated or reordered.
    """

    __slots__ = ("operands", "params", "primitive", "pure", "results")

    def __init__(self, primitive: Primitive, operands: Sequence[Atom], params: Mapping[str, Any],
                 results: Sequence[Var]):
        self.primitive = primitive
        self.operands: tuple[Atom, ...] = tuple(operands)
        self.params: Mapping[str, Any] = params
        self.results: tuple[Var, ...] = tuple(results)
        self.pure = has_no_effect(primitive, params)

    def __repr__(self) -> str:
        return f"Equation({self.primitive.name}, {len(self.operands)} operands)"


@dataclass(frozen=True, eq=False)
class Graph:
    """A function of arrays: inputs, equations in order of evaluation, outputs.

    Parameters
    ----------
    inputs : tuple of Var
    equations : tuple of Equation
    outputs : tuple of Atom
    lines : mapping
        Equation -> the user's lines ("file.py:12") that it stands for. A side table: it takes no part in
        equality, and every transform carries it along.

    Attributes
    ----------
    derived : dict
        What was computed from the graph (a program, an ownership), kept as long as the graph is. It could be kept in weak
        dictionaries; but an interrupt that comes while a dead key leaves one of them is lost.
    """

    inputs: tuple[Var, ...]
    equations: tuple[Equation, ...]
    outputs: tuple[Atom, ...]
    lines: Mapping[Equation, frozenset[str]] = field(default_factory=dict, repr=False)
    derived: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def types(self) -> tuple[tuple[ArrayType, ...], tuple[ArrayType, ...]]:
        """Types of the inputs and of the outputs."""
        return tuple(v.type for v in self.inputs), tuple(a.type for a in self.outputs)

    def __str__(self) -> str:
        from wengert.graph.text import to_text
        return to_text(self)
