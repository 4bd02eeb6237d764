"""Linearize: from a graph to its tangent graph.

What comes in: a graph and which of its inputs are active. What goes out: a `Linear`, a graph that is linear in
its first inputs (the tangents) and whose other inputs are residuals, variables of the primal graph. The one
idea: each primitive states its differential; absent tangents are None, never zeros; and partials are placed in
the tangent graph, beside their use, so that what is saved is decided later.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import MissingRuleError
from wengert.graph import Atom, Build, Const, Equation, Graph, Handle, Missing, StackType, Var, params_key
from wengert.primitives.control import stack_add
from wengert.primitives.structure import broadcast, full
from wengert.transforms.composed import even_power

__all__ = ["Linear", "differential", "jointly", "linearize"]


@dataclass(frozen=True)
class Linear:
    """The tangent graph of a primal graph.

    `graph.inputs` are the `count` tangents of the active inputs and then the `residuals`, which are the very
    variables of the primal graph. `graph.outputs` are the tangents of those primal outputs marked in
    `nonzero`; the tangents of the others are exactly zero. `primal` is the graph itself, but for loops and branches that
    also save what the linear part needs: their first results are the same variables.
    """

    graph: Graph
    count: int
    residuals: tuple[Var, ...]
    nonzero: tuple[bool, ...]
    primal: Graph


def linearize(graph: Graph, active: Sequence[bool], needed: Sequence[bool] | None = None,
              edges: list[tuple[Equation, Var]] | None = None) -> Linear:
    """The tangent graph of `graph` with regard to its active inputs.

    Parameters
    ----------
    graph : Graph
    active : sequence of bool
        Which inputs carry a tangent.
    needed : sequence of bool, optional
        Which outputs are wanted; the default is all.
    edges : list, optional
        Filled with (equation, operand), one for each tangent that enters an equation. Each gets a term of its own there, an
        input after those of the active inputs: its cotangent is what the equation adds to the cotangent of the operand.

    Returns
    -------
    Linear
    """
    wanted = [a for k, a in enumerate(graph.outputs) if needed is None or needed[k]]
    live = _live(graph, wanted)
    build = Build({(e.primitive, e.operands, params_key(e.params)): e.results
                   for e in graph.equations if e.pure})
    tangents: dict[Any, Handle] = {}
    for v, a in zip(graph.inputs, active, strict=True):
        if a:
            tangents[v] = build.input(v.type)
    entered: dict[Any, Handle] = {}

    def entering(e: Equation, o: Atom) -> Handle | None:
        """The tangent of an operand, as this equation takes it."""
        t = tangents.get(o)
        if edges is None or t is None:
            return t
        if (e, o) not in entered:
            edges.append((e, o))  # type: ignore[arg-type]
            apart = build.input(o.type)
            entered[e, o] = stack_add(t, apart) if isinstance(o.type, StackType) else t + apart
        return entered[e, o]
    recorded: dict[Equation, Equation] = {}
    makers: dict[Any, Equation] = {}
    for e in graph.equations:
        makers.update(dict.fromkeys(e.results, e))
        if not e.primitive.differentiable or not any(r in live for r in e.results):
            continue
        if all(o not in tangents for o in e.operands):
            continue
        build.at = graph.lines.get(e, frozenset())
        if e.primitive.record is not None:
            recorded[e], outgoing = e.primitive.record(build, e, [entering(e, o) for o in e.operands], linearize)
        elif (smooth := even_power(build, e, makers, functools.partial(entering, e))) is not None:
            outgoing = [smooth]
        else:
            outgoing = differential(build, e, [entering(e, o) for o in e.operands], tuple(r in live for r in e.results))
        for r, t in zip(e.results, outgoing, strict=True):
            if t is not None and r.type.inexact:
                tangents[r] = t
    found = [tangents.get(a) if (needed is None or needed[k]) else None for k, a in enumerate(graph.outputs)]
    nonzero = tuple(t is not None for t in found)
    return _close(build, len(build.inputs), [t for t in found if t is not None], nonzero, _recording(graph, recorded))


def _recording(graph: Graph, recorded: dict[Equation, Equation]) -> Graph:
    """The graph with recording equations in the place of plain ones."""
    if not recorded:
        return graph
    equations = [recorded.get(e, e) for e in graph.equations]
    lines = {recorded.get(e, e): at for e, at in graph.lines.items()}
    return Graph(graph.inputs, tuple(equations), graph.outputs, lines)


def _live(graph: Graph, wanted: Sequence[Any]) -> set[Any]:
    """Variables that a wanted output depends on."""
    live: set[Any] = set(wanted)
    for e in reversed(graph.equations):
        if any(r in live for r in e.results):
            live.update(e.operands)
    return live


def _close(build: Build, count: int, outputs: list[Handle], nonzero: tuple[bool, ...], primal: Graph) -> Linear:
    """Make the residuals, free until now, inputs."""
    pruned = build.graph(outputs)
    own = set(pruned.inputs).union(*[e.results for e in pruned.equations])
    used = [a for e in pruned.equations for a in e.operands] + list(pruned.outputs)
    residuals = tuple(dict.fromkeys(a for a in used if isinstance(a, Var) and a not in own))
    closed = Graph((*pruned.inputs, *residuals), pruned.equations, pruned.outputs, pruned.lines)
    return Linear(closed, count, residuals, nonzero, primal)


def differential(build: Build, e: Equation, tangents: list[Handle | None],
                  needed: tuple[bool, ...]) -> Sequence[Handle | None]:
    """Tangents of the results of one equation."""
    p, params = e.primitive, e.params
    operands = [Handle(build, o) for o in e.operands]
    results = [Handle(build, r) for r in e.results]
    if p.linear == "jointly":
        if p.leading is not None and any(t is not None for t in tangents[p.leading(params):]):
            raise MissingRuleError(f"{p.name}: no derivative is known with regard to its residuals; take the first derivative "
                                   f"by reverse mode (grad), or give a custom_jvp rule")
        out = jointly(p, operands, tangents, results, params)
        return out if p.multiple else [out]
    terms: list[Any] = []
    for i in p.linear if isinstance(p.linear, tuple) else ():
        if tangents[i] is not None:
            terms.append(p(*[tangents[i] if j == i else o for j, o in enumerate(operands)], **params))
    rest = [None if i in p.linear else t for i, t in enumerate(tangents)]
    if any(t is not None for t in rest):
        terms.extend(_nonlinear(build, e, operands, results, rest, needed))
    if p.multiple:
        return [_total(column) for column in zip(*terms, strict=True)]
    return [_total(terms)]


def _nonlinear(build: Build, e: Equation, operands: list[Handle], results: list[Handle],
               tangents: list[Handle | None], needed: tuple[bool, ...]) -> list[Any]:
    p, params = e.primitive, e.params
    if p.jvp is not None:
        if p.holds_graphs:
            params = {**params, "transform": linearize}
        if p.multiple:
            return [p.jvp(tuple(results), operands, tangents, needed=needed, **params)]
        return [p.jvp(results[0], operands, tangents, **params)]
    terms = []
    for t, partial in zip(tangents, p.partials or (), strict=True):
        if t is None:
            continue
        if isinstance(partial, Missing):
            where = f" ({', '.join(sorted(build.at))})" if build.at else ""
            raise MissingRuleError(f"{p.name}: {partial.reason}{where}")
        term = t * partial(results[0], *operands, **params)
        terms.append(term if term.shape == results[0].shape else broadcast(term, shape=results[0].shape))
    return terms


def jointly(p: Any, operands: list[Handle], tangents: list[Handle | None], results: list[Handle],
             params: Any) -> Any:
    """The primitive itself, applied to the tangents; operands that are not inexact stay as they are."""
    absent = [t is None and o.type.inexact and p.is_linear_in(i, params)
              for i, (t, o) in enumerate(zip(tangents, operands, strict=True))]
    if any(absent) and p.absent is not None:
        return p.absent(tangents, results[0].type, **params)
    filled = [t if t is not None else
              (full(np.zeros((), o.dtype), o.shape if not p.elementwise else (), o) if zero else o)
              for t, o, zero in zip(tangents, operands, absent, strict=True)]
    out = p(*filled, **params)
    if p.elementwise and out.shape != results[0].shape:  # the absent operand was the larger one
        out = broadcast(out, shape=results[0].shape)
    return out


def _total(terms: Sequence[Any]) -> Any:
    present = [t for t in terms if t is not None]
    total = present[0] if present else None
    for t in present[1:]:
        total = total + t
    return Handle(total.build, total.atom) if total is not None and not isinstance(total.atom, Const) else total
