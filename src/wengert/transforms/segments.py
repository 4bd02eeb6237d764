"""Segments: a linear graph cut where few numbers pass, and its matrix as a product.

What comes in: a linear graph of arrays, and what an equation costs. What goes out: a graph from the residuals to the blocks of
its matrix. The one idea: after any equation, all paths go through the values that are still read (the frontier), so the matrix
is the product of those of the segments between frontiers. Each segment is accumulated forward or in reverse, or its directions
are those of the segment before it (pushed on) or after it (pulled back), or two matrices are multiplied; dynamic programming
over the narrowest frontiers finds the cheapest bracketing. One segment, forward or in reverse, is among them.

Griewank and Naumann, Accumulating Jacobians as chained sparse matrix products, Mathematical Programming 95 (2003), 555-571;
Naumann, Optimization of generalized Jacobian chain products without memory constraints (2020).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.graph import REGISTRY, ArrayType, Build, Const, Equation, Graph, Handle, Var
from wengert.transforms.accumulate import Matrix, Sweep, identity
from wengert.transforms.linearize import Linear
from wengert.transforms.transpose import transpose

__all__ = ["Bracketing", "Cut", "segmented", "waist"]

_CUTS = 7  # frontiers that are tried, both ends included

Cost = Callable[[Equation], float]


@dataclass(frozen=True)
class Cut:
    """A frontier: after how many linear equations, and the values that pass."""

    place: int
    values: tuple[Var, ...]

    @property
    def size(self) -> int:
        return sum(v.type.size for v in self.values)


@dataclass(frozen=True)
class Bracketing:
    """How the matrix between two cuts is made: "forward", "reverse", or from two parts by "push", "pull" or "product"."""

    how: str
    first: int
    last: int
    cost: float
    parts: tuple[Bracketing, ...] = ()

    def text(self, sizes: Sequence[int]) -> str:
        """In words, with the sizes of the cuts."""
        ends = f"{sizes[self.first]} -> {sizes[self.last]}"
        if not self.parts:
            return f"{ends} {self.how}"
        inner = "; ".join(p.text(sizes) for p in self.parts)
        return f"{ends} by {'product' if self.how == 'product' else self.how + 'ing'} ({inner})"


def _linear_part(graph: Graph, count: int) -> tuple[list[Equation], list[Equation]]:
    linear, moving, rest = set(graph.inputs[:count]), [], []
    for e in graph.equations:
        if any(o in linear for o in e.operands):
            linear.update(e.results)
            moving.append(e)
        else:
            rest.append(e)
    return moving, rest


def _cuts(graph: Graph, count: int, moving: Sequence[Equation]) -> list[Cut]:
    """The frontier after each number of equations."""
    last: dict[Any, int] = {}
    for k, e in enumerate(moving):
        last.update(dict.fromkeys(e.operands, k + 1))
    last.update({o: len(moving) + 1 for o in graph.outputs if isinstance(o, Var)})
    alive = [v for v in graph.inputs[:count] if v in last]
    found = [Cut(0, tuple(alive))]
    for k, e in enumerate(moving):
        alive = [v for v in [*alive, *e.results] if last.get(v, 0) > k + 1]
        found.append(Cut(k + 1, tuple(alive)))
    return found


def waist(graph: Graph, count: int) -> int | None:
    """The size of the narrowest frontier, if it is narrower than both ends, and all that passes is of one real dtype."""
    moving, _ = _linear_part(graph, count)
    types = [v.type for v in graph.inputs[:count]] + [r.type for e in moving for r in e.results]
    if not all(isinstance(t, ArrayType) for t in types) or len({t.dtype for t in types}) != 1 or types[0].dtype.kind != "f":
        return None
    sizes = [c.size for c in _cuts(graph, count, moving)]
    least = min(sizes)
    return least if least < min(sizes[0], sizes[-1]) else None


def _chosen(cuts: Sequence[Cut]) -> list[Cut]:
    """Both ends, and the narrowest places between."""
    sizes = [c.size for c in cuts]
    dips = [k for k in range(1, len(cuts) - 1) if sizes[k] <= sizes[k - 1] and sizes[k] <= sizes[k + 1]
            and not (sizes[k] == sizes[k - 1] == sizes[k + 1])]
    narrow = sorted(sorted(dips, key=lambda k: sizes[k])[:_CUTS - 2])
    return [cuts[k] for k in (0, *narrow, len(cuts) - 1)]


def segmented(graph: Graph, count: int, price: float, cost: Cost) -> tuple[Matrix, str]:
    """The matrix of a graph that is linear in its first `count` inputs, and how it was made.

    Parameters
    ----------
    graph : Graph
        Without choices: zeros of one segment are not kept apart from those of another.
    count : int
    price : float
        As for `accumulated`.
    cost : callable
        What an equation costs.
    """
    walk = _Segments(graph, count, price, cost)
    plan = walk.plan()
    return walk.matrix(plan), plan.text([c.size for c in walk.cuts])


class _Segments:
    def __init__(self, graph: Graph, count: int, price: float, cost: Cost):
        self.graph, self.count, self.price, self.cost = graph, count, price, cost
        self.moving, self.rest = _linear_part(graph, count)
        self.cuts = _chosen(_cuts(graph, count, self.moving))
        self.build = Build()
        self.env: dict[Any, Any] = {v: self.build.input(v.type).atom for v in graph.inputs[count:]}
        for e in self.rest:
            operands = tuple([o if isinstance(o, Const) else self.env[o] for o in e.operands])
            self.env.update(zip(e.results, self.build.emit(e.primitive, operands, e.params), strict=True))
        self.parts: dict[tuple[int, int, bool], tuple[Graph, list[Var], list[Any]]] = {}

    # ------------------------------------------------------------ choosing

    def plan(self) -> Bracketing:
        n = len(self.cuts)
        work = [[0.0] * n for _ in range(n)]
        for i in range(n):
            for j in range(i, n):
                work[i][j] = sum(self.cost(e) for e in self.moving[self.cuts[i].place:self.cuts[j].place])
        size = [c.size for c in self.cuts]
        best: dict[tuple[int, int], Bracketing] = {}
        for length in range(1, n):
            for i in range(n - length):
                j = i + length
                tried = [Bracketing(how, i, j, self.counted(i, j, how)) for how in ("forward", "reverse")]
                for k in range(i + 1, j):
                    a, b = best[i, k], best[k, j]
                    tried += [Bracketing("push", i, j, a.cost + size[i] * work[k][j], (a,)),
                              Bracketing("pull", i, j, b.cost + size[j] * work[i][k], (b,)),
                              Bracketing("product", i, j, a.cost + b.cost + 2.0 * size[i] * size[k] * size[j], (a, b))]
                best[i, j] = min(tried, key=lambda t: t.cost)
        return best[0, n - 1]

    def counted(self, i: int, j: int, how: str) -> float:
        """What one segment costs, counted on a graph of its own."""
        kept, self.build = self.build, Build()
        self.made(Bracketing(how, i, j, 0.0))
        kept, self.build = self.build, kept
        return sum(self.cost(e) for e in kept.equations)

    # ------------------------------------------------------------ making

    def part(self, i: int, j: int, adjoint: bool) -> tuple[Graph, list[Var], list[Any]]:
        """The graph of a segment: its directions come in by some inputs and go out by some outputs (None: not at all)."""
        key = (i, j, adjoint)
        if key in self.parts:
            return self.parts[key]
        a, b = self.cuts[i], self.cuts[j]
        equations = tuple(self.moving[a.place:b.place])
        own = {r for e in equations for r in e.results}.union(a.values)
        residuals = tuple(dict.fromkeys(o for e in equations for o in e.operands if isinstance(o, Var) and o not in own))
        inner = Graph((*a.values, *residuals), equations, b.values, {e: self.graph.lines[e] for e in equations
                                                                     if e in self.graph.lines})
        found: tuple[Graph, list[Var], list[Any]] = inner, list(a.values), list(b.values)
        if adjoint:
            back = transpose(Linear(inner, len(a.values), residuals, (True,) * len(b.values), inner))
            outputs = iter(back.graph.outputs)
            self.env.update({v: self.env[r] for v, r in zip(back.graph.inputs[len(b.values):], residuals, strict=True)})
            found = back.graph, list(back.graph.inputs[:len(b.values)]), [next(outputs) if x else None for x in back.nonzero]
        self.parts[key] = found
        return found

    def made(self, plan: Bracketing) -> Handle:
        """The matrix between two cuts, transposed: (size of the first, size of the last)."""
        i, j = plan.first, plan.last
        if plan.how == "product":
            a, b = (self.made(p) for p in plan.parts)
            return REGISTRY["contract"](a, b, spec="ab,bc->ac", by="matmul")  # type: ignore[no-any-return]
        if plan.how in ("forward", "push"):
            start = self.made(plan.parts[0]) if plan.parts else None
            middle = plan.parts[0].last if plan.parts else i
            return self.swept(self.part(middle, j, False), start, self.cuts[j].values)
        start = _turned(self.made(plan.parts[0])) if plan.parts else None
        middle = plan.parts[0].first if plan.parts else j
        return _turned(self.swept(self.part(i, middle, True), start, self.cuts[i].values))

    def swept(self, part: tuple[Graph, list[Var], list[Any]], start: Handle | None, ends: Sequence[Var]) -> Handle:
        """Directions, unit vectors if there is no start, carried through a segment: one row for each."""
        graph, inputs, outputs = part
        lanes = sum(v.type.size for v in inputs) if start is None else start.shape[0]
        sweep = Sweep(self.build, dict(self.env), lanes, self.price)
        if start is None:
            for v, unit in zip(inputs, identity([v.type for v in inputs]), strict=True):
                sweep.states[v] = sweep.settled(unit, v.type) if lanes > 1 else sweep.dense(unit, v.type)
        else:
            at = 0
            for v in inputs:
                cut = start if v.type.size == start.shape[1] else REGISTRY["index"](
                    start, spec=(("s", None, None, None), ("s", at, at + v.type.size, None)))
                sweep.states[v] = REGISTRY["reshape"](cut, shape=(lanes, *v.type.shape))
                at += v.type.size
        sweep.run(graph, inputs)
        rows = []
        for v, o in zip(ends, outputs, strict=True):
            there = sweep.dense(sweep.states[o], v.type) if o is not None and o in sweep.states else sweep.filled(
                0.0, ArrayType((lanes, *v.type.shape), v.type.dtype))
            rows.append(REGISTRY["reshape"](there, shape=(lanes, v.type.size)))
        return rows[0] if len(rows) == 1 else REGISTRY["concatenate"](*rows, axis=1)  # type: ignore[no-any-return]

    def matrix(self, plan: Bracketing) -> Matrix:
        """The blocks [output][input] of the whole."""
        whole = _turned(self.made(plan))
        inputs = _places(self.cuts[0].values)
        outputs = _places(self.cuts[-1].values)
        found, present = [], []
        for o in self.graph.outputs:
            marks = []
            for v in self.graph.inputs[:self.count]:
                marks.append(o in outputs and v in inputs)
                if marks[-1]:
                    spec = tuple([("s", start, start + size, None) for start, size in (outputs[o], inputs[v])])
                    cut = whole if whole.shape == (o.type.size, v.type.size) else REGISTRY["index"](whole, spec=spec)
                    found.append(REGISTRY["reshape"](cut, shape=(*o.type.shape, *v.type.shape)))
            present.append(tuple(marks))
        return Matrix(self.build.graph(found), tuple(present))


def _turned(x: Handle) -> Handle:
    return REGISTRY["transpose"](x, axes=(1, 0))  # type: ignore[no-any-return]


def _places(values: Sequence[Var]) -> dict[Any, tuple[int, int]]:
    starts = np.cumsum([0, *[v.type.size for v in values]]).tolist()
    return {v: (s, math.prod(v.type.shape)) for v, s in zip(values, starts, strict=False)}
