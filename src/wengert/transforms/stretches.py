"""Stretches: a graph whose derivative keeps less and computes more.

What comes in: a graph, and how much of it is to be kept. What goes out: the same graph with marked calls in the place of some
stretches of it, and with loops that keep a number of checkpoints. The one idea: what is to be computed again is said in the
graph, before it is differentiated; so the derivative is an ordinary one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wengert.graph import REGISTRY, ArrayType, Equation, Graph, Var
from wengert.graph.walk import with_subgraphs
from wengert.primitives.revolve import may_keep_checkpoints
from wengert.transforms.linearize import linearize

__all__ = ["LOOPS", "Stretch", "cut", "loops", "saved_bytes", "segmented", "with_room"]

LOOPS = ("scan", "while_loop")


def _bytes(t: object) -> int:
    return t.size * t.dtype.itemsize if isinstance(t, ArrayType) else 0


# ---------------------------------------------------------------- loops

def loops(graph: Graph) -> list[Equation]:
    """The loops of a graph, those inside other loops, branches and calls included."""
    found = []
    for e in graph.equations:
        name, params = e.primitive.name, e.params
        if name in LOOPS:
            found += [e, *loops(params["body"])]
        elif name in ("call", "cond"):
            found += [inner for g in (params["branches"] if name == "cond" else (params["graph"],)) for inner in loops(g)]
    return found


def state_bytes(e: Equation) -> int:
    """Bytes of what a loop carries."""
    body, first = e.params["body"], e.params["constants"]
    carries = e.params.get("carries", len(body.inputs) - first)
    return max(sum(_bytes(v.type) for v in body.inputs[first:first + carries]), 1)


def saved_bytes(e: Equation) -> float:
    """Bytes that the derivative of a loop saves in one iteration if nothing is computed again."""
    body = e.params["body"]
    linear = linearize(body, [v.type.inexact for v in body.inputs])
    own = set(body.inputs[:e.params["constants"]])
    return max(sum(_bytes(v.type) for v in linear.residuals if v not in own), 1)


def with_room(graph: Graph, room: float, most: float) -> Graph:
    """The graph whose loops keep as many checkpoints as fit into so many bytes each; loops that fit as they are stay so.

    Those of unknown length keep what fits into `most`.
    """
    equations, lines = [], {}
    for e in graph.equations:
        new = e
        if e.primitive.name in LOOPS and may_keep_checkpoints(e):
            params = {**e.params, "body": with_room(e.params["body"], room, most)}
            size = e.params.get("size")
            if (size is None or size * saved_bytes(e) > room) and "checkpoints" not in params:
                slots = max(int((min(room, most) if size is None else room) // state_bytes(e)) - 1, 1)
                params["checkpoints"] = slots if size is None else min(slots, max(size - 1, 1))
            new = Equation(e.primitive, e.operands, params, e.results)
        elif e.primitive.name in ("call", "cond"):
            params = {k: with_subgraphs(v, lambda g: with_room(g, room, most)) for k, v in e.params.items()}
            new = Equation(e.primitive, e.operands, params, e.results)
        equations.append(new)
        if e in graph.lines:
            lines[new] = graph.lines[e]
    return Graph(graph.inputs, tuple(equations), graph.outputs, lines)


# ---------------------------------------------------------------- straight lines

@dataclass(frozen=True)
class Stretch:
    """Equations from `start` up to `stop`, and the bytes of their results."""

    start: int
    stop: int
    bytes: int


def cut(graph: Graph, parts: int) -> list[Stretch]:
    """The straight lines of a graph in stretches, of about 1/`parts` of the bytes that it makes each.

    A loop, and what has an effect, lies between stretches. A stretch ends where little has to be kept.
    """
    total = sum(_bytes(r.type) for e in graph.equations for r in e.results)
    wanted, alive = total / parts, _alive(graph)
    out: list[Stretch] = []
    start, size = 0, 0
    for k, e in enumerate(graph.equations):
        if e.primitive.name in LOOPS or not e.pure:
            if k > start:
                out.append(Stretch(start, k, size))
            start, size = k + 1, 0
            continue
        size += sum(_bytes(r.type) for r in e.results)
        if size >= wanted and alive[k] <= min(alive[k:k + 1 + max((k + 1 - start) // 2, 1)]):
            out.append(Stretch(start, k + 1, size))
            start, size = k + 1, 0
    if start < len(graph.equations):
        out.append(Stretch(start, len(graph.equations), size))
    return [s for s in out if s.stop - s.start > 1]


def _alive(graph: Graph) -> list[int]:
    """Bytes of results that are read after each equation."""
    last: dict[object, int] = {}
    for k, e in enumerate(graph.equations):
        last.update(dict.fromkeys(e.operands, k))
    last.update(dict.fromkeys(graph.outputs, len(graph.equations)))
    change = [0] * (len(graph.equations) + 2)
    for k, e in enumerate(graph.equations):
        for r in e.results:
            if last.get(r, k) > k:
                change[k] += _bytes(r.type)
                change[last[r]] -= _bytes(r.type)
    out, level = [], 0
    for k in range(len(graph.equations)):
        level += change[k]
        out.append(level)
    return out


def segmented(graph: Graph, stretches: Sequence[Stretch]) -> Graph:
    """The graph with a marked call in the place of each of these stretches, which do not overlap."""
    last: dict[object, int] = {}
    for k, e in enumerate(graph.equations):
        last.update(dict.fromkeys(e.operands, k))
    last.update(dict.fromkeys(graph.outputs, len(graph.equations)))
    begin = {s.start: s for s in stretches}
    equations: list[Equation] = []
    k = 0
    while k < len(graph.equations):
        s = begin.get(k)
        if s is None:
            equations.append(graph.equations[k])
            k += 1
            continue
        equations.append(_call(graph, s, last))
        k = s.stop
    lines = dict(graph.lines)
    return Graph(graph.inputs, tuple(equations), graph.outputs, {e: lines[e] for e in equations if e in lines})


def _call(graph: Graph, s: Stretch, last: dict[object, int]) -> Equation:
    """A stretch as one equation: inside it has variables of its own."""
    part = graph.equations[s.start:s.stop]
    made = {r for e in part for r in e.results}
    given = list(dict.fromkeys(o for e in part for o in e.operands if isinstance(o, Var) and o not in made))
    results = [r for e in part for r in e.results if last.get(r, 0) >= s.stop]
    names = {v: Var(v.type) for v in (*given, *[r for e in part for r in e.results])}
    inner, lines = [], {}
    for e in part:
        operands = [names[o] if isinstance(o, Var) else o for o in e.operands]
        inner.append(Equation(e.primitive, operands, e.params, [names[r] for r in e.results]))
        if e in graph.lines:
            lines[inner[-1]] = graph.lines[e]
    body = Graph(tuple([names[v] for v in given]), tuple(inner), tuple([names[r] for r in results]), lines)
    return Equation(REGISTRY["call"], given, {"graph": body, "name": "segment", "checkpoint": True}, results)
