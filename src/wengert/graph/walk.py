"""Walking over graphs: equality up to the names of variables, free variables, uses, dead code, substitution.

What comes in: graphs. What goes out: facts about them, or graphs with the same meaning. The one idea: a variable
stands for its place of definition, so a graph with places in the place of variables is a key for its structure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.graph.graph import Atom, Equation, Graph, Var
from wengert.graph.types import ArrayType, StackType

__all__ = ["free_variables", "prune", "same_graph", "structural_key", "subgraphs", "substitute", "use_counts", "uses",
           "with_subgraphs"]


def structural_key(graph: Graph) -> Any:
    """A hashable key, equal for graphs that differ only in the identity of their variables.

    Free variables stand for themselves, and so do opaque Python objects in parameters.
    """
    place: dict[Var, int] = {}
    for v in graph.inputs:
        place[v] = len(place)

    def atom(a: Atom) -> Any:
        return place.get(a, a) if isinstance(a, Var) else a

    equations = []
    for e in graph.equations:
        operands = tuple([atom(a) for a in e.operands])
        params = tuple([(name, _param_key(e.params[name])) for name in sorted(e.params)])
        for r in e.results:
            place[r] = len(place)
        equations.append((e.primitive.name, operands, params, tuple([r.type for r in e.results])))
    return (tuple([v.type for v in graph.inputs]), tuple(equations), tuple([atom(a) for a in graph.outputs]))


def _param_key(value: Any) -> Any:
    """Parameters by kind and content: 1 is not True, 0.0 is not -0.0, and nan is nan."""
    if isinstance(value, Graph):
        return "graph", structural_key(value)
    if isinstance(value, tuple):
        return type(value), tuple([_param_key(x) for x in value])
    if isinstance(value, slice):
        return "slice", tuple([_param_key(x) for x in (value.start, value.stop, value.step)])
    if isinstance(value, (bool, int, str, bytes)) or value is None:
        return type(value), value
    if isinstance(value, (float, complex)) and not isinstance(value, np.generic):
        return type(value), repr(value)
    if isinstance(value, np.generic):
        return value.dtype, value.tobytes()
    if isinstance(value, (np.dtype, ArrayType, StackType)):
        return "type", value
    return value


def same_graph(a: Graph, b: Graph) -> bool:
    """Whether two graphs differ only in the identity of their variables (the users' lines aside)."""
    return a is b or bool(structural_key(a) == structural_key(b))


def subgraphs(equation: Equation) -> Iterator[Graph]:
    """The graphs among the parameters of an equation."""
    stack = list(equation.params.values())
    while stack:
        value = stack.pop()
        if isinstance(value, Graph):
            yield value
        elif isinstance(value, tuple):
            stack.extend(value)


def with_subgraphs(value: Any, change: Callable[[Graph], Graph]) -> Any:
    """A parameter with each graph in it changed."""
    if isinstance(value, Graph):
        return change(value)
    return tuple([with_subgraphs(x, change) for x in value]) if isinstance(value, tuple) else value


def free_variables(graph: Graph) -> tuple[Var, ...]:
    """Variables that are used and neither inputs nor results, in order of their first use."""
    bound: set[Var] = set(graph.inputs)
    found: dict[Var, None] = {}
    for e in graph.equations:
        for a in e.operands:
            if isinstance(a, Var) and a not in bound:
                found[a] = None
        for inner in subgraphs(e):
            found.update(dict.fromkeys(v for v in free_variables(inner) if v not in bound))
        bound.update(e.results)
    for a in graph.outputs:
        if isinstance(a, Var) and a not in bound:
            found[a] = None
    return tuple(found)


def use_counts(graph: Graph) -> dict[Var, int]:
    """How often each variable is an operand or an output."""
    counts: dict[Var, int] = dict.fromkeys(graph.inputs, 0)
    for e in graph.equations:
        for a in e.operands:
            if isinstance(a, Var):
                counts[a] = counts.get(a, 0) + 1
        for r in e.results:
            counts.setdefault(r, 0)
    for a in graph.outputs:
        if isinstance(a, Var):
            counts[a] = counts.get(a, 0) + 1
    return counts


def uses(graph: Graph, v: Atom) -> bool:
    """Whether a variable is an operand or an output."""
    read = graph.derived.get(uses)
    if read is None:
        read = graph.derived[uses] = {*graph.outputs, *[o for e in graph.equations for o in e.operands]}
    return v in read


def prune(graph: Graph, outputs: Sequence[Atom] | None = None) -> Graph:
    """The graph without equations that its outputs (or these) do not need; effects are kept."""
    wanted = graph.outputs if outputs is None else tuple(outputs)
    needed: set[Atom] = set(wanted)
    kept: list[Equation] = []
    for e in reversed(graph.equations):
        if not e.pure or any(r in needed for r in e.results):
            kept.append(e)
            needed.update(e.operands)
            for inner in subgraphs(e):
                needed.update(free_variables(inner))
    if len(kept) == len(graph.equations) and wanted is graph.outputs:
        return graph
    kept.reverse()
    lines = {e: graph.lines[e] for e in kept if e in graph.lines}
    return Graph(graph.inputs, tuple(kept), wanted, lines)


def substitute(graph: Graph, values: Mapping[Var, Atom]) -> Graph:
    """The graph with atoms in the place of inputs or free variables; inputs that are replaced are inputs no longer.

    Replacements are not looked up again. Results of equations keep their identity.
    """
    for e in graph.equations:
        if any(r in values for r in e.results):
            raise ValueError("substitute: a result of an equation cannot be replaced")
    equations: list[Equation] = []
    lines: dict[Equation, frozenset[str]] = {}
    for e in graph.equations:
        new = e
        if any(isinstance(a, Var) and a in values for a in e.operands):
            operands = [values.get(a, a) if isinstance(a, Var) else a for a in e.operands]
            new = Equation(e.primitive, operands, e.params, e.results)
        equations.append(new)
        if e in graph.lines:
            lines[new] = graph.lines[e]
    outputs = tuple([values.get(a, a) if isinstance(a, Var) else a for a in graph.outputs])
    return Graph(tuple([v for v in graph.inputs if v not in values]), tuple(equations), outputs, lines)
