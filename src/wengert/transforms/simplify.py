"""Simplify: fewer equations, the same bits.

What comes in: a graph. What goes out: a graph that gives the same values, NaN, infinities and signed zeros included. The
one idea: each rule looks at one equation whose operands are simplified already, and gives an atom in its place or nothing;
a rule that could change a bit (``x + 0`` flips -0.0, ``x * 0`` loses NaN) is not here. One pass reaches the fixed point,
because every rule makes the graph smaller and looks only backward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.graph import Atom, Build, Const, Equation, Graph, Var

__all__ = ["RULES", "simplify"]

_FOLDED = 64  # elements; a larger constant result is cheaper to compute again than to keep


class _Context:
    """The new graph so far: which equation made a variable."""

    def __init__(self, build: Build):
        self.build = build
        self.maker: dict[Var, Equation] = {}

    def made_by(self, atom: Atom, name: str) -> Equation | None:
        e = self.maker.get(atom) if isinstance(atom, Var) else None
        return e if e is not None and e.primitive.name == name else None

    def emit(self, e: Equation, operands: tuple[Atom, ...], params: Any) -> tuple[Var, ...]:
        before = len(self.build.equations)
        results = self.build.emit(e.primitive, operands, params)
        for new in self.build.equations[before:]:
            self.maker.update(dict.fromkeys(new.results, new))
        return results


def _is(atom: Atom, value: float) -> bool:
    """A constant with this very value (0.0 is not -0.0) everywhere."""
    if not isinstance(atom, Const) or atom.type.dtype.kind not in "fc":
        return False
    return bool(np.all(atom.value == value)) and not (value == 0 and bool(np.any(np.signbit(atom.value.real))))


def _neutral(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """``x * 1``, ``x / 1``, ``x - 0``, ``x ** 1``, ``+x``: x, if it has the shape of the result already."""
    name, kept = e.primitive.name, operands[0]
    if name == "multiply" and _is(operands[0], 1.0) and operands[0].type.dtype.kind == "f":
        kept = operands[1]
    elif not ((name in ("multiply", "divide") and _is(operands[1], 1.0) and operands[1].type.dtype.kind == "f")
              or (name == "subtract" and operands[1].type.dtype.kind == "f" and _is(operands[1], 0.0))
              or (name == "integer_power" and e.params["n"] == 1) or name == "positive"):
        return None
    return kept if kept.type is e.results[0].type else None


def _twice(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """``-(-x)``, ``conj(conj(x))``, a flip of the same flip: x."""
    if e.primitive.name not in ("negative", "conjugate", "flip"):
        return None
    inner = c.made_by(operands[0], e.primitive.name)
    return inner.operands[0] if inner is not None and inner.params == e.params else None


def _nothing_moves(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """A reshape, broadcast or convert to what is there; a transpose or sum over no axes."""
    name, x = e.primitive.name, operands[0]
    if name in ("reshape", "broadcast", "convert"):
        return x if x.type is e.results[0].type else None
    if name == "transpose":
        return x if e.params["axes"] == tuple(range(len(x.type.shape))) else None
    return x if name == "reduce_sum" and e.params["axes"] == () else None


def _composed(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """A reshape of a reshape and a transpose of a transpose are one."""
    name = e.primitive.name
    inner = c.made_by(operands[0], name) if name in ("reshape", "transpose") else None
    if inner is None:
        return None
    params: Any = e.params
    if name == "transpose":
        params = {"axes": tuple(inner.params["axes"][a] for a in e.params["axes"])}
        if params["axes"] == tuple(range(len(params["axes"]))):
            return inner.operands[0]
    elif inner.operands[0].type is e.results[0].type:
        return inner.operands[0]
    return c.emit(e, (inner.operands[0],), params)[0]


def _chosen(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """A selection whose predicate is constant, or whose arms are one."""
    if e.primitive.name != "select":
        return None
    p, a, b = operands
    kept: Atom | None = a if a == b else None
    if isinstance(p, Const) and p.value.size:
        kept = a if bool(p.value.all()) else b if not bool(p.value.any()) else kept
    return kept if kept is not None and kept.type is e.results[0].type else None


def _folded(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """An equation of constants, if its result is small."""
    if e.primitive.multiple or e.results[0].type.size > _FOLDED or any(not isinstance(o, Const) for o in operands):
        return None
    with np.errstate(all="ignore"):
        value = e.primitive.evaluate(*[o.value[()] for o in operands if isinstance(o, Const)], **e.params)
    return Const(value)


Rule = Callable[[Equation, tuple[Atom, ...], _Context], Atom | None]
RULES: tuple[Rule, ...] = (_neutral, _twice, _nothing_moves, _composed, _chosen, _folded)


def simplify(graph: Graph) -> Graph:
    """The graph with every rule applied, in one pass.

    Examples
    --------
    >>> from wengert.graph import ArrayType, build_graph
    >>> len(simplify(build_graph(lambda x: -(-(x * 1.0)), ArrayType((), float))).equations)
    0
    """
    build = Build()
    context = _Context(build)
    env: dict[Atom, Atom] = {v: build.input(v.type).atom for v in graph.inputs}
    for e in graph.equations:
        build.at = graph.lines.get(e, frozenset())
        operands = tuple([env[o] if isinstance(o, Var) else o for o in e.operands])
        found = None
        if e.primitive.pure and operands:
            found = next((a for rule in RULES if (a := rule(e, operands, context)) is not None), None)
        results: tuple[Atom, ...] = (found,) if found is not None else context.emit(e, operands, e.params)
        env.update(zip(e.results, results, strict=True))
    return build.graph([env[o] if isinstance(o, Var) else o for o in graph.outputs])
