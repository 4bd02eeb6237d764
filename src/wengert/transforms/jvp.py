"""Forward mode: from a graph to the graph that carries differentials alongside values.

What comes in: a graph and its active inputs. What goes out: a graph from values and tangents to values and
tangents. The one idea: each equation is followed by its differential, in one graph that shares equal equations; a loop
becomes one loop over both, and saves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wengert.graph import Build, Equation, Graph, Handle, Var
from wengert.transforms.composed import even_power
from wengert.transforms.linearize import differential
from wengert.transforms.strong_zeros import masked_values

__all__ = ["jvp"]


def jvp(graph: Graph, active: Sequence[bool]) -> tuple[Graph, tuple[bool, ...]]:
    """``(x, dx) -> (f(x), f'(x) dx)``, and which output tangents are not identically zero.

    The inputs are those of `graph`, then one tangent for each active input; the outputs are those of `graph`,
    then the tangents marked nonzero.
    """
    build = Build()
    env: dict[Any, Any] = {v: build.input(v.type).atom for v in graph.inputs}
    tangents: dict[Any, Any] = {env[v]: build.input(v.type) for v, a in zip(graph.inputs, active, strict=True) if a}
    makers: dict[Any, Equation] = {}
    for e in graph.equations:
        build.at = graph.lines.get(e, frozenset())
        operands = tuple([env[o] if isinstance(o, Var) else o for o in e.operands])
        incoming = [tangents.get(o) for o in operands]
        moving = e.primitive.differentiable and any(t is not None for t in incoming)
        if moving and e.primitive.forward is not None:
            plain = Equation(e.primitive, operands, e.params, e.results)
            values, outgoing = e.primitive.forward(plain, [Handle(build, o) for o in operands], incoming, jvp)
            results = tuple([h.atom for h in values])
        else:
            results = build.emit(e.primitive, operands, e.params)
            outgoing = [None] * len(results)
            new = Equation(e.primitive, operands, e.params, results)
            makers.update(dict.fromkeys(results, new))
            if moving:
                smooth = even_power(build, new, makers, tangents.get)
                outgoing = [smooth] if smooth is not None else differential(
                    build, new, incoming, tuple([True] * len(results)))
        env.update(zip(e.results, results, strict=True))
        for r, t in zip(results, outgoing, strict=True):
            if t is not None and r.type.inexact and r not in tangents:
                tangents[r] = t
    outputs = [env[o] if isinstance(o, Var) else o for o in graph.outputs]
    found = [tangents.get(o) for o in outputs]
    both = build.graph([*outputs, *[t for t in found if t is not None]])
    return masked_values(both, _tangent_values(both, tangents), inside=False), tuple(t is not None for t in found)


def _tangent_values(both: Graph, tangents: dict[Any, Any]) -> set[Var]:
    """Everything that is linear in the tangents; a loop over values and tangents says which of its results are."""
    moved = {t.atom for t in tangents.values()}
    linear = moved.intersection(both.inputs)
    for e in both.equations:
        if any(o in linear for o in e.operands):
            linear.update(r for r in e.results if e.primitive.forward is None or r in moved)
    return linear
