"""Elimination: the Jacobian of scalar code, vertex by vertex, in an order that takes few multiplications.

What comes in: a graph that is linear in its first inputs, small enough to be written out in numbers. What goes out: a graph
from its other inputs, the residuals, to the blocks of its matrix. The one idea: each number is a vertex, each partial
derivative an edge; a vertex is eliminated by multiplying each edge that enters it with each that leaves it and adding the
product to the edge around it. When only inputs and outputs are left, the edges are the Jacobian. Forward and reverse mode are
two of the orders (first to last, last to first); others can take fewer products, and the cheapest order is hard to find, so
heuristics are tried and counted. An edge 1 or -1 multiplies for nothing. An edge that a choice opens and closes carries its
condition, so that what was not chosen stays zero.

Griewank and Walther, Evaluating Derivatives (2008), chapters 9 and 10. Heuristics: lowest Markowitz degree (Griewank and Reese
1991), and lowest relative to the final fill (Albrecht, Gottschling and Naumann, Markowitz-type heuristics for computing
Jacobian matrices efficiently, ICCS 2003).
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.graph import REGISTRY, Build, Const, Equation, Graph, Handle
from wengert.transforms.accumulate import Matrix
from wengert.transforms.scalars import scalar_graph

__all__ = ["Elimination", "Network", "eliminated", "orders"]

_MOST = 2_000  # entries of a matrix that is put together from numbers
_SEARCH = 400  # vertices up to which the best order is searched on
_TRIES = 16
_LOCAL = (0, 1, 2)


@dataclass(frozen=True)
class Edge:
    """``sign * factor``, where `mask` holds, else exactly zero; a factor None is 1, a mask None always holds."""

    sign: int = 1
    factor: Handle | None = None
    mask: Handle | None = None

    @property
    def unit(self) -> bool:
        return self.factor is None

    def times(self, other: Edge) -> Edge:
        factors = [x.factor for x in (self, other) if x.factor is not None]
        masks = [x.mask for x in (self, other) if x.mask is not None]
        return Edge(self.sign * other.sign, factors[0] * factors[1] if len(factors) == 2 else next(iter(factors), None),
                    REGISTRY["logical_and"](*masks) if len(masks) == 2 else next(iter(masks), None))

    def value(self, like: Handle, signed: bool = True) -> Handle:
        """The number that the edge is."""
        out = self.factor
        if out is None:
            out = Handle(like.build, Const(np.asarray(self.sign if signed else 1, like.dtype)))
        elif signed and self.sign < 0:
            out = -out
        return out if self.mask is None else REGISTRY["select"](
            self.mask, out, Handle(like.build, Const(np.zeros((), like.dtype))))

    def plus(self, other: Edge, like: Handle) -> Edge:
        if self.sign < other.sign:
            return other.plus(self, like)
        a, b = self.value(like, False), other.value(like, False)
        mask = None
        if self.mask is not None and other.mask is not None:
            mask = REGISTRY["logical_or"](self.mask, other.mask)
        return Edge(self.sign, a - b if self.sign != other.sign else a + b, mask)


@dataclass
class Network:
    """Vertices by number and the edges that enter and leave each; what an edge carries is True where it multiplies."""

    into: list[dict[int, bool]]
    out: list[dict[int, bool]]
    inputs: list[int]
    outputs: list[int]

    def inner(self) -> list[int]:
        ends = {*self.inputs, *self.outputs}
        return [v for v in range(len(self.into)) if v not in ends]

    def copy(self) -> Network:
        return Network([dict(d) for d in self.into], [dict(d) for d in self.out], self.inputs, self.outputs)

    def degree(self, v: int) -> int:
        """Multiplications that eliminating the vertex takes now: its Markowitz degree, ones not counted."""
        return sum(self.into[v].values()) * sum(self.out[v].values())

    def growth(self, v: int) -> int:
        """How many more edges multiply after eliminating the vertex."""
        after = {(p, s) for p, heavy in self.into[v].items() for s, other in self.out[v].items()
                 if heavy or other or s in self.out[p]}
        known = sum(self.out[p].get(s, False) for p, s in after)
        return len(after) - known - sum(self.into[v].values()) - sum(self.out[v].values())

    def eliminate(self, v: int) -> tuple[int, list[int]]:
        """Take a vertex away; gives the multiplications and its neighbors."""
        before, after = self.into[v], self.out[v]
        cost = self.degree(v)
        for p, heavy in before.items():
            del self.out[p][v]
            for s, other in after.items():
                new = heavy or other or s in self.out[p]
                self.out[p][s] = self.into[s][p] = new
        for s in after:
            del self.into[s][v]
        self.into[v], self.out[v] = {}, {}
        return cost, [*before, *after]


Key = Callable[[Network, int], tuple[float, ...]]


def _greedy(network: Network, key: Key) -> tuple[list[int], int]:
    """The order that takes the vertex of the least key next."""
    net, order, total = network.copy(), [], 0
    heap = [(*key(net, v), v) for v in net.inner()]
    current = {item[-1]: item for item in heap}
    heapq.heapify(heap)
    while heap:
        item = heapq.heappop(heap)
        v = int(item[-1])
        if current.get(v) is not item:
            continue
        del current[v]
        cost, near = net.eliminate(v)
        total += cost
        order.append(v)
        for u in near:
            if u in current:
                current[u] = (*key(net, u), u)
                heapq.heappush(heap, current[u])
    return order, total


def _reach(network: Network) -> tuple[list[int], list[int]]:
    """For each vertex: how many inputs lead to it, and to how many outputs it leads."""
    def counted(starts: list[int], edges: list[dict[int, bool]], order: Iterator[int]) -> list[int]:
        sets: list[set[int]] = [set() for _ in edges]
        for v in starts:
            sets[v].add(v)
        for v in order:
            for u in edges[v]:
                sets[u] |= sets[v]
        return [len(s) for s in sets]
    numbers = range(len(network.into))
    return (counted(network.inputs, network.out, iter(numbers)),
            counted(network.outputs, network.into, iter(reversed(numbers))))


def orders(network: Network) -> dict[str, tuple[list[int], int]]:
    """Orders of elimination by name, each with its multiplications; vertices are numbered in order of evaluation.

    Examples
    --------
    >>> chain = Network([{}, {0: True}, {1: True}, {2: True}], [{1: True}, {2: True}, {3: True}, {}], [0], [3])
    >>> orders(chain)["forward"]
    ([1, 2], 2)
    """
    before, after = _reach(network)

    def markowitz(net: Network, v: int) -> tuple[float, ...]:
        return net.degree(v), len(net.into[v]) * len(net.out[v])

    def relative(net: Network, v: int) -> tuple[float, ...]:
        return net.degree(v) - before[v] * after[v], len(net.into[v]) * len(net.out[v])
    found = {"forward": _greedy(network, lambda net, v: (v,)), "reverse": _greedy(network, lambda net, v: (-v,)),
             "lowest Markowitz": _greedy(network, markowitz), "relative Markowitz": _greedy(network, relative),
             "local, then forward": min((_greedy(network, _local(most, 1)) for most in _LOCAL), key=lambda x: x[1]),
             "local, then reverse": min((_greedy(network, _local(most, -1)) for most in _LOCAL), key=lambda x: x[1])}
    if len(network.inner()) <= _SEARCH:
        found["search"] = _searched(network, min(found.values(), key=lambda x: x[1]))
    return found


def _local(most: int, sign: int) -> Key:
    """Links of a chain that take at most so many multiplications and leave no more that multiplies; the rest in order."""
    def key(net: Network, v: int) -> tuple[float, ...]:
        local = net.degree(v) <= most and min(len(net.into[v]), len(net.out[v])) <= 1 and net.growth(v) <= 0
        return (0, net.degree(v), sign * v) if local else (1, sign * v, 0)
    return key


def _searched(network: Network, best: tuple[list[int], int]) -> tuple[list[int], int]:
    """Vertices moved about at random in the best order, as long as that helps."""
    rng = random.Random(0)
    for _ in range(_TRIES):
        width = len(best[0]) * rng.choice((0.02, 0.05, 0.2))
        place = {v: k + rng.gauss(0.0, width) * (rng.random() < 0.3) for k, v in enumerate(best[0])}
        best = min(best, _greedy(network, lambda net, v, place=place: (place[v],)), key=lambda x: x[1])  # type: ignore[misc]
    return best


@dataclass(frozen=True)
class Elimination:
    """A matrix by elimination: its graph, the network, the orders that were tried, and the name of the one taken."""

    matrix: Matrix
    network: Network
    orders: dict[str, tuple[list[int], int]]
    taken: str


def eliminated(graph: Graph, count: int) -> Elimination:
    """The matrix of a graph that is linear in its first `count` inputs, by the cheapest order that was found.

    Raises
    ------
    UnsupportedError
        Where the graph cannot be written out in real numbers of one dtype, or is too large for that.
    """
    sizes = [v.type.size for v in graph.inputs[:count]]
    entries = sum(sizes) * sum(o.type.size for o in graph.outputs)
    if entries > _MOST:
        raise UnsupportedError(f"elimination: a Jacobian of {entries:,} entries is put together from arrays, not from numbers")
    scalars = scalar_graph(graph, count)
    walk = _Reader(scalars, sum(sizes), count)
    network = walk.network()
    tried = orders(network)
    taken = min(tried, key=lambda name: tried[name][1])
    for v in tried[taken][0]:
        walk.eliminate(v)
    return Elimination(walk.matrix(graph, sizes), network, tried, taken)


class _Reader:
    """The edges of a linear graph of numbers, and their elimination into a graph."""

    def __init__(self, graph: Graph, width: int, count: int):
        self.build = Build()
        self.env: dict[Any, Any] = {v: self.build.input(v.type).atom for v in graph.inputs[width:]}
        self.number: dict[Any, int] = {v: k for k, v in enumerate(graph.inputs[:width])}
        self.into: list[dict[int, Edge]] = [{} for _ in range(width)]
        self.width = width
        dtypes = {v.type.dtype for v in graph.inputs[:width]}
        for e in graph.equations:
            self.build.at = graph.lines.get(e, frozenset())
            if any(o in self.number for o in e.operands):
                dtypes.add(e.results[0].type.dtype)
                self.vertex(e)
            else:
                operands = tuple([o if isinstance(o, Const) else self.env[o] for o in e.operands])
                self.env.update(zip(e.results, self.build.emit(e.primitive, operands, e.params), strict=True))
        if len(dtypes) > 1 or any(d.kind != "f" for d in dtypes):
            raise UnsupportedError("elimination: values of several dtypes, or complex ones")
        self.like = Handle(self.build, Const(np.ones((), next(iter(dtypes), np.dtype(float)))))
        self.sinks: list[int] = []
        for o in graph.outputs:
            self.sinks.append(len(self.into))
            self.into.append({self.number[o]: Edge()} if o in self.number else {})
        self.out: list[dict[int, Edge]] = [{} for _ in self.into]
        self.live()

    def live(self) -> None:
        """Edges that leave, of the vertices that lead to an output; the others are dropped."""
        needed = set(self.sinks)
        for v in reversed(range(len(self.into))):
            if v not in needed:
                self.into[v] = {}
            for u, edge in self.into[v].items():
                needed.add(u)
                self.out[u][v] = edge

    def handle(self, o: Any) -> Handle:
        return Handle(self.build, o if isinstance(o, Const) else self.env[o])

    def vertex(self, e: Equation) -> None:
        rule = _EDGES.get(e.primitive.name)
        if rule is None:
            raise UnsupportedError(f"elimination: {e.primitive.name} is not written out in numbers")
        edges: dict[int, Edge] = {}
        like = Handle(self.build, Const(np.ones((), e.results[0].type.dtype)))
        for k, o in enumerate(e.operands):
            if o in self.number:
                u, edge = self.number[o], rule(self, e, k)
                edges[u] = edges[u].plus(edge, like) if u in edges else edge
        self.number[e.results[0]] = len(self.into)
        self.into.append(edges)

    def network(self) -> Network:
        return Network([{u: not x.unit for u, x in d.items()} for d in self.into],
                       [{u: not x.unit for u, x in d.items()} for d in self.out], list(range(self.width)), self.sinks)

    def eliminate(self, v: int) -> None:
        for p, first in self.into[v].items():
            del self.out[p][v]
            for s, second in self.out[v].items():
                product = first.times(second)
                before = self.out[p].get(s)
                self.out[p][s] = self.into[s][p] = product if before is None else before.plus(product, self.like)
        for s in self.out[v]:
            del self.into[s][v]

    def matrix(self, graph: Graph, sizes: list[int]) -> Matrix:
        """The edges that are left, as blocks."""
        outputs: list[Handle] = []
        present, row = [], 0
        zero = Handle(self.build, Const(np.zeros((1,), self.like.dtype)))
        for o in graph.outputs:
            marks, column = [], 0
            for v, size in zip(graph.inputs, sizes, strict=False):
                found = [self.into[s].get(c) for s in self.sinks[row:row + o.type.size] for c in range(column, column + size)]
                marks.append(any(x is not None for x in found))
                if marks[-1]:
                    parts = [zero if x is None else REGISTRY["reshape"](x.value(self.like), shape=(1,)) for x in found]
                    flat = parts[0] if len(parts) == 1 else REGISTRY["concatenate"](*parts, axis=0)
                    outputs.append(REGISTRY["reshape"](flat, shape=(*o.type.shape, *v.type.shape)))
                column += size
            present.append(tuple(marks))
            row += o.type.size
        return Matrix(self.build.graph(outputs), tuple(present))


def _factor(reader: _Reader, e: Equation, k: int) -> Edge:
    if e.operands[1 - k] in reader.number:
        raise UnsupportedError("elimination: a product of two tangents")
    return Edge(1, reader.handle(e.operands[1 - k]))


def _quotient(reader: _Reader, e: Equation, k: int) -> Edge:
    divisor = reader.handle(e.operands[1])
    return Edge(1, 1.0 / divisor)


def _chosen(reader: _Reader, e: Equation, k: int) -> Edge:
    condition = reader.handle(e.operands[0])
    return Edge(1, None, condition if k == 1 else REGISTRY["logical_not"](condition))


_EDGES: dict[str, Callable[[_Reader, Equation, int], Edge]] = {
    "add": lambda reader, e, k: Edge(), "subtract": lambda reader, e, k: Edge(-1 if k else 1),
    "negative": lambda reader, e, k: Edge(-1), "positive": lambda reader, e, k: Edge(),
    "convert": lambda reader, e, k: Edge(), "multiply": _factor, "divide": _quotient, "select": _chosen,
}
