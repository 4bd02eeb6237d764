"""Derivatives of what is computed again: checkpointed calls.

What comes in: an equation `call` that is marked to be checkpointed, and the transform that is running. What goes out: the same
equation, which saves nothing but its operands, and a linear call that computes the residuals again from them. The one idea: the
second computation and what needs it are one equation, whose graph takes the cotangents: so it can run only when they are there,
and no pass can share it with the first. Draws, and all else that has an effect, are not repeated: their results are saved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wengert.graph import Build, Equation, Graph, Handle, Type, Var
from wengert.graph.walk import prune, uses

__all__ = ["adjoint_call", "forward_checkpoint", "record_checkpoint"]


def _rebuilt(types: Sequence[Type], make: Callable[[list[Handle]], Sequence[Any]]) -> Graph:
    build = Build()
    inputs = [build.input(t) for t in types]
    return build.graph(list(make(inputs)), build.inputs)


def _called(e: Equation, graph: Graph, operands: Sequence[Any]) -> Sequence[Handle]:
    """A marked call of the operands that the graph reads."""
    used = [k for k, v in enumerate(graph.inputs) if uses(graph, v)]
    narrow = Graph(tuple([graph.inputs[k] for k in used]), graph.equations, graph.outputs, graph.lines)
    return e.primitive(*[operands[k] for k in used], **{**e.params, "graph": narrow})  # type: ignore[no-any-return]


def record_checkpoint(build: Build, e: Equation, tangents: Sequence[Any], transform: Any) -> tuple[Equation, list[Any]]:
    """The call as it is, giving also what an effect inside gave; a linear call that repeats the rest."""
    graph = e.params["graph"]
    linear = transform(graph, [t is not None for t in tangents])
    again, drawn = _replay(linear.primal, linear.residuals)
    equation, saved = e, [Var(v.type) for v in drawn]
    if drawn:
        plain = {q.results[0]: q for q in graph.equations if q.results}
        inner = linear.primal  # what is repeated need not be saved by its loops
        equations = [plain.get(q.results[0], q) if q.pure and q.results else q for q in inner.equations]
        whole = Graph(inner.inputs, tuple(equations), (*inner.outputs, *drawn), inner.lines)
        equation = Equation(e.primitive, e.operands, {**e.params, "graph": prune(whole)}, (*e.results, *saved))
    if not any(linear.nonzero):
        return equation, [None] * len(e.results)
    given = [*[Handle(build, o) for o in (*e.operands, *saved)], *[t for t in tangents if t is not None]]

    def make(inputs: list[Handle]) -> Sequence[Any]:
        n, inner = len(again.inputs), inputs[0].build
        return inner.inline(linear.graph, [*inputs[n:], *inner.inline(again, inputs[:n])])
    out = iter(_called(e, _rebuilt([h.type for h in given], make), given))
    return equation, [next(out) if nonzero else None for nonzero in linear.nonzero]


def _replay(graph: Graph, residuals: Sequence[Var]) -> tuple[Graph, tuple[Var, ...]]:
    """The graph of the residuals, and what it takes from equations with an effect in place of repeating them."""
    maker = {r: q for q in graph.equations for r in q.results}
    drawn: dict[Var, None] = {}
    needed: set[Equation] = set()
    stack = list(residuals)
    while stack:
        v = stack.pop()
        q = maker.get(v)
        if q is not None and not q.pure:
            drawn[v] = None
        elif q is not None and q not in needed:
            needed.add(q)
            stack.extend(o for o in q.operands if isinstance(o, Var))
    equations = tuple([q for q in graph.equations if q in needed])
    lines = {q: graph.lines[q] for q in equations if q in graph.lines}
    return Graph((*graph.inputs, *drawn), equations, tuple(residuals), lines), tuple(drawn)


def adjoint_call(walk: Any, e: Equation) -> None:
    """The adjoint of a linear call: a call of the adjoint graph; what is there already is passed in and added to."""
    operands, graph = e.operands, e.params["graph"]
    linear = [isinstance(o, Var) and o in walk.is_linear for o in operands]
    given = [walk.cotangents.get(r) for r in e.results]
    once: dict[Any, int] = {}
    for k, o in enumerate(operands):
        if linear[k]:
            once.setdefault(o, k)
    seeded = [k for k in once.values() if operands[k] in walk.cotangents]
    inner, found = walk.inside(graph, linear, [c is not None for c in given], seeded)
    fixed = [walk.pull(o) for o, flag in zip(operands, linear, strict=True) if not flag]
    starts = [walk.take(operands[k]) for k in seeded]
    out = iter(_called(e, inner, [*fixed, *starts, *[c for c in given if c is not None]]))
    for o, has in zip(operands, found, strict=True):
        if has:
            walk.add(o, next(out))


def forward_checkpoint(e: Equation, operands: Sequence[Handle], tangents: Sequence[Any], transform: Any) -> tuple[Any, Any]:
    """Values and tangents in one call, marked as the first."""
    graph, nonzero = transform(e.params["graph"], [t is not None for t in tangents])
    out = e.primitive(*operands, *[t for t in tangents if t is not None], **{**e.params, "graph": graph})
    rest = iter(out[len(nonzero):])
    return list(out[:len(nonzero)]), [next(rest) if n else None for n in nonzero]
