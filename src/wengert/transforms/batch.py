"""Batching: from a graph to the graph that maps it over a leading axis.

What comes in: a graph, the number of lanes, and which inputs are batched (along axis 0). What goes out: a graph
of the batch. The one idea: each equation is replaced by its batched form; what does not depend on a batched
input is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence

from wengert.graph import ArrayType, Build, Const, Equation, Graph, Handle, Var
from wengert.primitives.lanes import over_lanes
from wengert.primitives.structure import reshape

__all__ = ["batch", "batched_equation"]


def batch(graph: Graph, size: int, batched: Sequence[bool]) -> tuple[Graph, tuple[bool, ...]]:
    """Map a graph over lanes.

    Parameters
    ----------
    graph : Graph
    size : int
        Number of lanes.
    batched : sequence of bool
        Which inputs have a leading axis of that length.

    Returns
    -------
    Graph, tuple of bool
        The batched graph, and which of its outputs have the leading axis.
    """
    build = Build()
    env: dict[Var, Handle] = {}
    flags: dict[Var, bool] = {}
    for v, b in zip(graph.inputs, batched, strict=True):
        env[v] = build.input(ArrayType((size, *v.type.shape), v.type.dtype) if b else v.type)
        flags[v] = b
    for e in graph.equations:
        build.at = graph.lines.get(e, frozenset())
        operands = [env[o] if isinstance(o, Var) else Handle(build, o) for o in e.operands]
        marks = [flags[o] if isinstance(o, Var) else False for o in e.operands]
        results = batched_equation(e, size, operands, marks)
        env.update(zip(e.results, results, strict=True))
        flags.update(dict.fromkeys(e.results, any(marks)))
    outputs = [env[o] if isinstance(o, Var) else o for o in graph.outputs]
    return build.graph(outputs), tuple(not isinstance(o, Const) and flags[o] for o in graph.outputs)


def batched_equation(e: Equation, size: int, operands: list[Handle], marks: list[bool]) -> Sequence[Handle]:
    p = e.primitive
    if not any(marks):
        out = p(*operands, **e.params)
    elif p.batch is not None:
        out = p.batch(size, operands, marks, **e.params)
    elif p.elementwise:
        out = p(*_aligned(e, size, operands, marks), **e.params)
    else:
        out = over_lanes(p, size, operands, marks, dict(e.params))
    return out if p.multiple else (out,)


def _aligned(e: Equation, size: int, operands: list[Handle], marks: list[bool]) -> list[Handle]:
    """Operands of an elementwise equation with the batch axis first and ranks made equal behind it."""
    rank = max(len(o.type.shape) for o in e.operands)
    out = []
    for h, o, b in zip(operands, e.operands, marks, strict=True):
        missing = rank - len(o.type.shape)
        out.append(reshape(h, shape=(size,) + (1,) * missing + o.type.shape) if b and missing else h)
    return out
