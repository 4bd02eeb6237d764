"""Simplify branches and loops.

What comes in: an equation that holds graphs, or a graph with such equations. What goes out: equations with less in them. The
one idea: a branch whose condition is known is its arm, and a loop of no or one iteration is its start or its body; what a loop
carries without changing it is a constant of it, what depends on constants alone is computed once, before it; and what nobody
reads is not carried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from wengert.graph import REGISTRY, ArrayType, Atom, Const, Equation, Graph, Primitive, Var
from wengert.graph.walk import uses
from wengert.primitives.control import may_raise
from wengert.primitives.revolve import plain_tangent_loop

__all__ = ["CONTROL", "simpler", "without_dead"]

CONTROL = frozenset(["call", "cond", "scan", "tangent_loop", "while_loop"])
_NARROWED = CONTROL - {"tangent_loop"}  # what it carries beside its body belongs to its adjoint


class Context(Protocol):
    """The graph that is being made."""

    def emit(self, primitive: Primitive, operands: tuple[Atom, ...], params: Mapping[str, Any]) -> tuple[Var, ...]: ...

    def run(self, graph: Graph, operands: Sequence[Atom]) -> list[Atom]:
        """The outputs of a graph, simplified into the one that is being made."""


# ---------------------------------------------------------------- one equation


def simpler(e: Equation, operands: tuple[Atom, ...], c: Context) -> Sequence[Atom]:
    """The results of an equation whose inner graphs are simplified already."""
    name, params = e.primitive.name, e.params
    if name == "cond" and isinstance(operands[0], Const):
        return c.run(params["branches"][0 if operands[0].value else 1], operands[1:])
    if name == "scan":
        short = _few_iterations(params, operands, c)
        return short if short is not None else _loop(e.primitive, params, operands, 1, params["carries"], c)
    if name == "tangent_loop":  # nobody transposes it any more
        scan = plain_tangent_loop(Equation(e.primitive, operands, params, e.results))
        return simpler(scan, scan.operands, c)
    if name == "while_loop":
        count, *results = _loop(e.primitive, params, operands, 0, len(operands) - params["constants"], c, lead=1)
        return [count, *results]
    return c.emit(e.primitive, operands, params)


def _few_iterations(params: Mapping[str, Any], operands: tuple[Atom, ...], c: Context) -> list[Atom] | None:
    body, first = params["body"], params["constants"]
    end, size = first + params["carries"], params["size"]
    saved = [a.type for a in body.outputs[params["carries"]:]]
    if size not in (0, 1) or not all(isinstance(t, ArrayType) for t in (*saved, *[x.type for x in operands[1 + end:]])):
        return None
    if size == 0:
        return [*operands[1 + first:1 + end], *[Const(np.zeros((0, *t.shape), t.dtype)) for t in saved]]
    rows = [c.emit(REGISTRY["index"], (x,), {"spec": (("i", 0),)})[0] for x in operands[1 + end:]]
    out = c.run(body, [*operands[1:1 + end], *rows])
    return [*out[:params["carries"]], *[c.emit(REGISTRY["reshape"], (y,), {"shape": (1, *t.shape)})[0]
                                        for y, t in zip(out[params["carries"]:], saved, strict=True)]]


def _loop(primitive: Primitive, params: Mapping[str, Any], operands: tuple[Atom, ...], head: int, carries: int, c: Context,
          lead: int = 0) -> list[Atom]:
    """A loop without carries that do not change, and with what depends on constants alone before it."""
    body, first = params["body"], params["constants"]
    given = list(operands[head:])
    steady = [k for k in range(first, first + carries) if body.outputs[k - first] is body.inputs[k]]
    moving = [k for k in range(first, first + carries) if k not in steady]
    constants = [*range(first), *steady]
    slices = [*range(first + carries, len(given))]
    outer: dict[Any, Atom] = {body.inputs[k]: given[k] for k in constants}
    body, hoisted = _hoisted(body, outer, c) if params.get("size") else (body, [])

    def rearranged(g: Graph, rest: Sequence[int], more: Sequence[Var], outputs: Sequence[Atom]) -> Graph:
        return Graph((*[g.inputs[k] for k in constants], *more, *[g.inputs[k] for k in rest]), g.equations, tuple(outputs),
                     g.lines)
    outputs = [body.outputs[k - first] for k in moving] + list(body.outputs[carries:])
    changed = dict(params)
    changed.update(body=rearranged(body, [*moving, *slices], hoisted, outputs), constants=len(constants) + len(hoisted))
    if "carries" in params:
        changed["carries"] = len(moving)
    if "test" in params:
        changed["test"] = rearranged(params["test"], moving, [], params["test"].outputs)
    new = (*operands[:head], *[given[k] for k in constants], *[outer[v] for v in hoisted],
           *[given[k] for k in (*moving, *slices)])
    results = c.emit(primitive, new, changed)
    carried = dict(zip(moving, results[lead:], strict=False))
    return [*results[:lead], *[carried.get(k, given[k]) for k in range(first, first + carries)], *results[lead + len(moving):]]


def _hoisted(body: Graph, outer: dict[Any, Atom], c: Context) -> tuple[Graph, list[Var]]:
    """The body without equations of constants, which are emitted outside; the results that it needs of them are inputs.

    Only for a loop that surely runs: what is computed before it must not warn of anything that the program would not compute.
    """
    kept: list[Equation] = []
    for e in body.equations:
        known = all(isinstance(o, Const) or o in outer for o in e.operands)
        if known and e.operands and e.pure and not e.primitive.holds_graphs and not may_raise(e):
            results = c.emit(e.primitive, tuple([o if isinstance(o, Const) else outer[o] for o in e.operands]), e.params)
            outer.update(zip(e.results, results, strict=True))
        else:
            kept.append(e)
    made = {r for e in body.equations for r in e.results if r in outer}
    used = dict.fromkeys(o for o in (*[o for e in kept for o in e.operands], *body.outputs) if o in made)
    lines = {e: body.lines[e] for e in kept if e in body.lines}
    return Graph(body.inputs, tuple(kept), body.outputs, lines), list(used)  # type: ignore[arg-type]


# ---------------------------------------------------------------- what nobody reads


def without_dead(graph: Graph) -> Graph:
    """The graph whose branches and loops give, carry and take only what is needed."""
    needed: set[Any] = set(graph.outputs)
    kept: list[Equation] = []
    lines: dict[Equation, frozenset[str]] = {}
    for e in reversed(graph.equations):
        if e.pure and not any(r in needed for r in e.results):
            continue
        new = e
        if e.pure and e.primitive.name in _NARROWED:
            new = _narrowed(e, [r in needed for r in e.results])
        if e in graph.lines:
            lines[new] = graph.lines[e]
        kept.append(new)
        needed.update(new.operands)
    kept.reverse()
    return Graph(graph.inputs, tuple(kept), graph.outputs, lines)


def _narrowed(e: Equation, live: list[bool]) -> Equation:
    name, params = e.primitive.name, e.params
    if name in ("call", "cond"):
        head = int(name == "cond")
        wanted = [j for j, flag in enumerate(live) if flag]
        graphs = [_only(g, [g.outputs[j] for j in wanted]) for g in (params["branches"] if head else (params["graph"],))]
        used = [k for k in range(len(e.operands) - head) if any(uses(g, g.inputs[k]) for g in graphs)]
        graphs = [Graph(tuple([g.inputs[k] for k in used]), g.equations, g.outputs, g.lines) for g in graphs]
        changed = {**params, **({"branches": tuple(graphs)} if head else {"graph": graphs[0]})}
        operands = (*e.operands[:head], *[e.operands[head + k] for k in used])
        return Equation(e.primitive, operands, changed, tuple([e.results[j] for j in wanted]))
    return _narrowed_loop(e, live)


def _only(graph: Graph, outputs: Sequence[Atom]) -> Graph:
    """The graph of these outputs, in the graphs that it holds, too."""
    return without_dead(Graph(graph.inputs, graph.equations, tuple(outputs), graph.lines))


def _narrowed_loop(e: Equation, live: list[bool]) -> Equation:
    params, is_scan = e.params, e.primitive.name == "scan"
    body, first, lead = params["body"], params["constants"], int(not is_scan)
    given = e.operands[int(is_scan):]
    carries = params["carries"] if is_scan else len(given) - first
    saved = [j for j in range(carries, len(body.outputs)) if live[lead + j]]
    tests = [] if is_scan else [params["test"]]
    kept = {j for j in range(carries) if live[lead + j] or any(uses(g, g.inputs[first + j]) for g in tests)}
    while True:
        inner = _only(body, [*[body.outputs[j] for j in sorted(kept)], *[body.outputs[j] for j in saved]])
        more = {j for j in range(carries) if uses(inner, inner.inputs[first + j])} - kept
        if not more:
            break
        kept |= more
    order = [k for k in range(len(given)) if (first <= k < first + carries and k - first in kept) or (
        not first <= k < first + carries and any(uses(g, g.inputs[k]) for g in (inner, *[t for t in tests if k < first])))]
    constants = sum(k < first for k in order)

    def rearranged(g: Graph, places: Sequence[int]) -> Graph:
        return Graph(tuple([g.inputs[k] for k in places]), g.equations, g.outputs, g.lines)
    changed = {**params, "body": rearranged(inner, order), "constants": constants}
    if is_scan:
        changed["carries"] = len(kept)
    else:
        changed["test"] = rearranged(params["test"], order)
    results = [*e.results[:lead], *[e.results[lead + j] for j in (*sorted(kept), *saved)]]
    return Equation(e.primitive, (*e.operands[:int(is_scan)], *[given[k] for k in order]), changed, tuple(results))
