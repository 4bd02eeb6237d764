"""Checking graphs: what every transform must leave true.

What comes in: a graph. What goes out: nothing, or a `GraphError` that shows the equation at fault. The one idea:
every variable is defined once and before its use, and every equation has the types that its primitive announces.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wengert.errors import GraphError
from wengert.graph.graph import Const, Equation, Graph, Var
from wengert.graph.primitive import REGISTRY
from wengert.graph.types import type_of
from wengert.graph.walk import subgraphs

__all__ = ["check"]


def check(graph: Graph, free: Iterable[Var] = ()) -> Graph:
    """Raise `GraphError` unless the graph is well formed; gives the graph back.

    Parameters
    ----------
    graph : Graph
    free : iterable of Var
        Variables of an enclosing graph that may be used.
    """
    defined: set[Any] = set(free)
    for v in graph.inputs:
        if not isinstance(v, Var):
            raise GraphError(f"an input is {v!r}, not a variable")
        if v in defined:
            raise GraphError(f"the input {v!r} is defined twice")
        defined.add(v)
    for k, e in enumerate(graph.equations):
        _equation(graph, k, e, defined)
        for r in e.results:
            if r in defined:
                raise _error(graph, k, e, f"its result {r!r} is already defined")
            defined.add(r)
    for a in graph.outputs:
        if not isinstance(a, (Var, Const)):
            raise GraphError(f"an output is {a!r}, neither a variable nor a constant")
        if isinstance(a, Var) and a not in defined:
            raise GraphError(f"the output {a!r} is not defined")
    own = set(graph.equations)
    if any(e not in own for e in graph.lines):
        raise GraphError("the table of lines names an equation that is not in the graph")
    return graph


def _error(graph: Graph, k: int, e: Equation, message: str) -> GraphError:
    from wengert.graph.text import equation_text
    lines = ", ".join(sorted(graph.lines.get(e, ())))
    return GraphError(f"equation {k} ({equation_text(graph, e)}{', ' + lines if lines else ''}): {message}")


def _equation(graph: Graph, k: int, e: Equation, defined: set[Any]) -> None:
    p = e.primitive
    if REGISTRY.get(p.name) is not p:
        raise _error(graph, k, e, "its primitive is not in the registry")
    for a in e.operands:
        if not isinstance(a, (Var, Const)):
            raise _error(graph, k, e, f"an operand is {a!r}, neither a variable nor a constant")
        if isinstance(a, Var) and a not in defined:
            raise _error(graph, k, e, f"{a!r} is used before it is defined")
        if isinstance(a, Const) and a.type is not type_of(a.value):
            raise _error(graph, k, e, f"the constant {a!r} says that its type is {a.type}")
    try:
        hash(tuple(sorted(e.params.items(), key=lambda item: item[0])))
    except TypeError as error:
        raise _error(graph, k, e, f"a parameter is not hashable: {error}") from None
    try:
        announced = p.type(*[a.type for a in e.operands], **e.params)
    except Exception as error:  # what a rule of types does with parameters of other kinds is its own affair
        raise _error(graph, k, e, f"the operands do not fit: {error}") from error
    types = tuple(announced) if p.multiple else (announced,)
    found = tuple(r.type for r in e.results)
    if types != found:
        raise _error(graph, k, e, f"its results have types {found}, but {p.name} gives {types}")
    for inner in subgraphs(e):
        check(inner, defined)
