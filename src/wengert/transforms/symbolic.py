"""Symbolic differentiation: from the graph of a formula to the graph of its derivative.

What comes in: a graph of numbers (no arrays, no loops). What goes out: the graph of a partial derivative, one for each
variable, or of the total differential ``dF = Σ ∂F/∂p dp``, a formula in the variables and their differentials. The one idea:
every node states its own differential. A product node ``u v`` becomes ``u' v + u v'``, a composition node ``f(u)`` becomes
``u' f'(u)``, with the partials that forward and reverse mode read, too; nothing is evaluated.

Read as a graph, equal nodes are one node; read as a formula, they are written each time. `tree_size` and `graph_size` count
both, the tree without ever making it. Differentiated as by rote (``blind=True``), constants have the derivative 0 and variables
1, and all that these multiply is kept; that is what the rules alone make of a formula.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.graph import REGISTRY, Atom, Build, Const, Equation, Graph, Handle, Missing, Var
from wengert.graph.walk import prune
from wengert.transforms.algebra import is_guard, tree_size
from wengert.transforms.linearize import differential

__all__ = ["derivative", "depth", "graph_size", "total_differential", "tree_size"]


def _zero(build: Build, like: Any) -> Handle:
    return Handle(build, Const(np.zeros((), like.dtype)))


def _tangents(build: Build, graph: Graph, env: dict[Var, Atom], tangents: dict[Atom, Handle | None], blind: bool) -> None:
    """The tangent of every variable: rule by rule, in the order of evaluation."""
    for e in graph.equations:
        results = tuple([env[r] for r in e.results])
        moved = Equation(e.primitive, [env[a] if isinstance(a, Var) else a for a in e.operands], e.params, results)  # type: ignore[arg-type]
        if e.primitive.holds_graphs or not (e.primitive.elementwise or e.primitive.name == "convert"):
            raise UnsupportedError(f"symbolic: {e.primitive.name!r} is no function of numbers")
        incoming = [tangents.get(a) for a in moved.operands]
        if blind:
            incoming = [t if t is not None or not a.type.inexact or _unknown(moved, k) else _zero(build, a.type)
                        for k, (t, a) in enumerate(zip(incoming, moved.operands))]
        if e.primitive.differentiable and any(t is not None for t in incoming):
            outgoing = differential(build, moved, incoming, (True,) * len(results))
        else:
            outgoing = (None,) * len(results)
        for r, t in zip(results, outgoing):
            if r.type.inexact:
                tangents[r] = t if isinstance(t, Handle) or t is None else Handle(build, build.atom(t))


def _unknown(e: Equation, k: int) -> bool:
    """Whether operand k is a constant in which no derivative is known: the order of a Bessel function."""
    partials = e.primitive.partials
    return isinstance(e.operands[k], Const) and partials is not None and isinstance(partials[k], Missing)


def _whole_powers(graph: Graph) -> Graph:
    """Powers with whole numbers as exponents, whose differential is ``n x^(n-1) dx`` without any case."""
    build = Build()
    env: dict[Var, Atom] = {v: build.input(v.type).atom for v in graph.inputs}  # type: ignore[misc]
    power = REGISTRY["integer_power"]
    for e in graph.equations:
        operands = tuple([env[a] if isinstance(a, Var) else a for a in e.operands])
        by = operands[1] if e.primitive.name in ("power", "scalar_power", "float_power") else None
        if isinstance(by, Const) and float(by.value).is_integer() and abs(float(by.value)) < 1000:
            env[e.results[0]] = build.emit(power, operands[:1], {"n": int(by.value)})[0]
        else:
            env.update(zip(e.results, build.emit(e.primitive, operands, e.params), strict=True))
    return build.graph([Handle(build, env[a] if isinstance(a, Var) else a) for a in graph.outputs])


def _unguarded(graph: Graph) -> Graph:
    """Without the cases that only say what ``0 · ∞`` is: a formula holds at ordinary points."""
    makers = {r: e for e in graph.equations for r in e.results}
    values: dict[Any, Atom] = {}
    kept = []
    for e in graph.equations:
        operands = [values.get(a, a) for a in e.operands]
        p = makers.get(operands[0]) if e.primitive.name == "select" else None  # type: ignore[arg-type]
        if p is not None and is_guard(p, operands[1], makers.get):  # type: ignore[arg-type]
            values[e.results[0]] = operands[2]
        else:
            kept.append(Equation(e.primitive, operands, e.params, e.results))
    return prune(Graph(graph.inputs, tuple(kept), tuple([values.get(a, a) for a in graph.outputs])))


def derivative(graph: Graph, wrt: int, *, blind: bool = False) -> Graph:
    """The graph of the partial derivative of the first output with regard to an input.

    Parameters
    ----------
    graph : Graph
        Of one output, all values numbers.
    wrt : int
        The input's place.
    blind : bool
        Whether to keep what is multiplied by 0 and 1.

    Examples
    --------
    >>> from wengert.graph import ArrayType, build_graph
    >>> from wengert.primitives.elementary import sin
    >>> number = ArrayType((), float)
    >>> print(derivative(build_graph(lambda x: sin(x * x), number), 0))
    graph(%0: float64[]) {
      %1: float64[] = multiply(%0, %0)
      %2: float64[] = multiply(1.0, %0)
      %3: float64[] = multiply(%0, 1.0)
      %4: float64[] = add(%2, %3)
      %5: float64[] = cos(%1)
      %6: float64[] = multiply(%4, %5)
      return %6
    }
    """
    graph = _whole_powers(graph)
    build = Build()
    inputs = [build.input(v.type) for v in graph.inputs]
    _, env = build.inline_env(graph, dict(zip(graph.inputs, [h.atom for h in inputs], strict=True)))
    tangents: dict[Atom, Handle | None] = {
        h.atom: Handle(build, Const(np.asarray(1.0 if k == wrt else 0.0, h.dtype))) if blind or k == wrt else None
        for k, h in enumerate(inputs)}
    _tangents(build, graph, env, tangents, blind)
    out = graph.outputs[0]
    found = tangents.get(env[out]) if isinstance(out, Var) else None
    return _unguarded(build.graph([_zero(build, out.type) if found is None else found]))


def total_differential(graph: Graph) -> Graph:
    """The graph of ``dF = Σ ∂F/∂p dp``: its inputs are those of `graph`, then the differential of each.

    Examples
    --------
    >>> from wengert.graph import ArrayType, build_graph
    >>> number = ArrayType((), float)
    >>> print(total_differential(build_graph(lambda x, y: x * y, number, number)))
    graph(%0: float64[], %1: float64[], %2: float64[], %3: float64[]) {
      %4: float64[] = multiply(%2, %1)
      %5: float64[] = multiply(%0, %3)
      %6: float64[] = add(%4, %5)
      return %6
    }
    """
    graph = _whole_powers(graph)
    build = Build()
    inputs = [build.input(v.type) for v in graph.inputs]
    moved = [build.input(v.type) for v in graph.inputs]
    _, env = build.inline_env(graph, dict(zip(graph.inputs, [h.atom for h in inputs], strict=True)))
    tangents: dict[Atom, Handle | None] = {h.atom: t for h, t in zip(inputs, moved)}
    _tangents(build, graph, env, tangents, False)
    out = graph.outputs[0]
    found = tangents.get(env[out]) if isinstance(out, Var) else None
    return _unguarded(build.graph([_zero(build, out.type) if found is None else found]))


def graph_size(graph: Graph) -> int:
    """How many different nodes a graph has: operations, variables and numbers that its outputs need, each once."""
    needed: set[Atom] = set(graph.outputs)
    count = 0
    for e in reversed(graph.equations):
        if any(r in needed for r in e.results):
            needed.difference_update(e.results)
            needed.update(e.operands)
            count += 1
    return count + len(needed)


def depth(graph: Graph) -> int:
    """The number of operations on the longest way from an output to a variable or number."""
    below: dict[Atom, int] = {}
    for e in graph.equations:
        level = 1 + max([below.get(a, 0) for a in e.operands], default=0)
        below.update(dict.fromkeys(e.results, level))
    return max([below.get(a, 0) for a in graph.outputs], default=0)
