"""Products without the masks of strong zeros, where the result shows that no mask was needed; guards as checks.

What comes in: a graph. What goes out: one of the same function, which leaves the call to the interpreter where it is not sure.
The one idea: a mask keeps an infinity, or NaN, from the exact zeros that it meets; without it the product is NaN there, and NaN
comes through sums, products and moves to what is returned, or is dropped on the way. So products read their operands as they
are, nobody computes masks, and what NaN comes to is asked once: if there is none, all is as with masks.

Products inside loops keep theirs: to run a long loop again in the interpreter would take too long.
"""

from __future__ import annotations

from typing import Any

from wengert.graph import REGISTRY, Equation, Graph, Var
from wengert.graph.walk import with_subgraphs

__all__ = ["plain", "relaxed"]

# What gives NaN where one of its float operands is NaN, or does not read that element.
_CARRIES = frozenset({
    "absolute", "add", "add_contract", "arctan", "broadcast", "concatenate", "contract", "cos", "cosh", "cumsum",
    "divide", "erf", "erfc", "exp", "expit", "expm1", "flip", "index", "index_add", "index_set", "log", "log1p",
    "logistic_density", "multiply", "negative", "pad", "positive", "reciprocal", "reduce_sum", "reshape", "select",
    "sin", "sinh", "sqrt", "square", "subtract", "tanh", "transpose", "window", "window_sum"})
_FLOATS = "f"  # the product of a complex zero and an infinity has parts that are no NaN


def plain(graph: Graph) -> Graph:
    """The graph without the marks of products with masks."""
    return _rewritten(graph, _unmarked)


def relaxed(graph: Graph) -> Graph:
    """See the head of this file."""
    if not all(e.pure for e in graph.equations):
        return plain(graph)
    graph = _unguarded(graph)
    made: dict[Any, Equation] = {r: e for e in graph.equations for r in e.results}
    if not any(_masked(e, made) for e in graph.equations):
        return plain(graph)
    doubtful: set[Any] = set()  # what may be NaN for want of a mask
    asked: dict[Any, None] = {}
    found: list[Equation] = []
    lines = dict(graph.lines)
    for e in graph.equations:
        new = e
        if _masked(e, made):
            new = _unmarked(Equation(e.primitive, tuple([_behind(o, made) for o in e.operands]), e.params, e.results))
        elif e.params.get("strong"):
            new = _unmarked(e)
        elif e.primitive.holds_graphs:
            new = _inside(e, _unmarked)
        if new is not e and e in lines:
            lines[new] = lines[e]
        found.append(new)
        if new.operands != e.operands:
            doubtful.update(e.results)
        elif any(o in doubtful for o in e.operands):
            if _carries(e):
                doubtful.update(e.results)
            else:
                asked.update(dict.fromkeys(o for o in e.operands if o in doubtful))
    asked.update(dict.fromkeys(o for o in graph.outputs if o in doubtful))
    found += _asked(asked)
    return _without_dead(Graph(graph.inputs, tuple(found), graph.outputs, lines))


def _unguarded(graph: Graph) -> Graph:
    """Guards as checks: where one does not hold, the interpreter raises what it says."""
    if not any(e.primitive.name == "guard" for e in graph.equations):
        return graph
    env: dict[Any, Any] = {}
    found: list[Equation] = []
    lines: dict[Equation, frozenset[str]] = {}
    for e in graph.equations:
        operands = tuple([env.get(o, o) for o in e.operands])
        if e.primitive.name == "guard":
            env[e.results[0]] = operands[0]
            new = _assured([operands[1]])
        else:
            new = [e if operands == e.operands else Equation(e.primitive, operands, e.params, e.results)]
        found += new
        if e in graph.lines:
            lines.update(dict.fromkeys(new, graph.lines[e]))
    return Graph(graph.inputs, tuple(found), tuple([env.get(o, o) for o in graph.outputs]), lines)


def _masked(e: Equation, made: dict[Any, Equation]) -> bool:
    """Whether this is a product with an operand that was masked for it alone."""
    return e.primitive.name == "contract" and bool(e.params.get("strong")) and e.results[0].type.dtype.kind in _FLOATS and any(
        _behind(o, made) is not o for o in e.operands)


def _behind(o: Any, made: dict[Any, Equation]) -> Any:
    """What a mask was laid over."""
    e = made.get(o)
    masked = e is not None and e.primitive.name == "select" and e.params.get("strong")
    return e.operands[1] if masked and e.operands[1].type == o.type else o  # type: ignore[union-attr]


def _carries(e: Equation) -> bool:
    return e.primitive.name in _CARRIES and all(r.type.inexact for r in e.results)


def _asked(values: dict[Any, None]) -> list[Equation]:
    """Equations that give up where one of these has a NaN."""
    same = [_made("equal", v, v) for v in values]
    return [*same, *_assured([e.results[0] for e in same])] if same else []


def _assured(conditions: list[Any]) -> list[Equation]:
    """Equations that give up where one of these does not hold everywhere."""
    whole = [_made("reduce_all", p, axes=tuple(range(p.type.ndim))) if p.type.shape else None for p in conditions]
    holds = [p if e is None else e.results[0] for p, e in zip(conditions, whole, strict=True)]
    return [*[e for e in whole if e is not None], Equation(REGISTRY["assured"], tuple(holds), {}, ())]


def _made(name: str, *operands: Any, **params: Any) -> Equation:
    p = REGISTRY[name]
    return Equation(p, operands, params, (Var(p.type(*[o.type for o in operands], **params)),))


def _without_dead(graph: Graph) -> Graph:
    """The graph without the masks that nobody reads any more."""
    needed: set[Any] = set(graph.outputs)
    kept: list[Equation] = []
    for e in reversed(graph.equations):
        if not e.pure or any(r in needed for r in e.results):
            kept.append(e)
            needed.update(e.operands)
    return Graph(graph.inputs, tuple(reversed(kept)), graph.outputs, {e: graph.lines[e] for e in kept if e in graph.lines})


def _unmarked(e: Equation) -> Equation:
    if not e.params.get("strong"):
        return e
    return Equation(e.primitive, e.operands, {k: v for k, v in e.params.items() if k != "strong"}, e.results)


def _inside(e: Equation, change: Any) -> Equation:
    params = {k: with_subgraphs(v, lambda g: _rewritten(g, change)) for k, v in e.params.items()}
    return e if all(params[k] is e.params[k] for k in params) else Equation(e.primitive, e.operands, params, e.results)


def _rewritten(graph: Graph, change: Any) -> Graph:
    """The graph, and those inside it, with other equations of the same results."""
    found = [change(_inside(e, change) if e.primitive.holds_graphs else e) for e in graph.equations]
    if all(new is e for e, new in zip(graph.equations, found, strict=True)):
        return graph
    lines = {new: graph.lines[e] for e, new in zip(graph.equations, found, strict=True) if e in graph.lines}
    return Graph(graph.inputs, tuple(found), graph.outputs, lines)
