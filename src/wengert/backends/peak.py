"""The peak of memory of a graph, from its types alone.

What comes in: a graph. What goes out: the most bytes that its evaluation by the interpreter holds at once, without inputs and
constants; compiled code, which fuses, takes less as a rule. The one idea: the walk that the interpreter takes, with early
release and writes in place, on sizes in the place of arrays.
"""

from __future__ import annotations

import math
from typing import Any

from wengert.graph import ArrayType, Equation, Graph, StackType, Var
from wengert.graph.walk import subgraphs
from wengert.transforms.ownership import inner_ownership, ownership

__all__ = ["bytes_of", "peak_bytes"]

_VIEWS = frozenset(["broadcast", "flip", "imag", "real", "reshape", "stop_gradient", "transpose", "window"])
_PLAIN = frozenset(["convert", "index", "index_add", "index_set", "select"])
_LOOPS = frozenset(["scan", "tangent_loop", "while_loop"])


def bytes_of(t: Any) -> float:
    """Of an array; a number is small, and a stack grows with a loop that nobody knows the length of."""
    return t.size * t.dtype.itemsize if isinstance(t, ArrayType) and t.shape else 0


def peak_bytes(graph: Graph, donated: frozenset[int] = frozenset()) -> float:
    """The most bytes that are alive at once.

    Parameters
    ----------
    graph : Graph
    donated : frozenset of int
        Inputs that may be overwritten; their own bytes are the caller's.

    Returns
    -------
    int, or inf where a loop of unknown length saves what its derivative needs
    """
    key = ("peak", donated)
    found = graph.derived.get(key)
    if found is None:
        found = graph.derived[key] = _Walk(graph, donated).peak
    return found  # type: ignore[no-any-return]


class _Walk:
    """Buffers, and the variables that look at each."""

    def __init__(self, graph: Graph, donated: frozenset[int]):
        self.given = ownership(graph, donated).given
        self.buffer: dict[Any, list[Any]] = {v: [0.0, 1] for v in graph.inputs}  # bytes, how many variables look at it
        self.live = self.peak = 0.0
        last: dict[Any, int] = {}
        for k, e in enumerate(graph.equations):
            last.update(dict.fromkeys((*e.operands, *e.results), k))
        last.update(dict.fromkeys(graph.outputs, len(graph.equations)))
        for k, e in enumerate(graph.equations):
            self.equation(e)
            for v in dict.fromkeys((*e.operands, *e.results)):
                if isinstance(v, Var) and last[v] == k:
                    self.release(v)

    def release(self, v: Var) -> None:
        held = self.buffer[v]
        held[1] -= 1
        if not held[1]:
            self.live -= held[0]

    def share(self, r: Var, o: Any) -> bool:
        held = self.buffer.get(o)
        if held is None:
            return False
        held[1] += 1
        self.buffer[r] = held
        return True

    def equation(self, e: Equation) -> None:
        given, new = self.given.get(e, frozenset()), 0.0
        inner, at = _inside(e, given)
        for k, r in enumerate(e.results):
            place = at.get(k, 0 if e.primitive.name in ("index_set", "index_add") else -1)
            o = e.operands[place] if place in given else e.operands[0] if _is_view(e) else None
            if o is not None and self.share(r, o):
                continue
            self.buffer[r] = [bytes_of(r.type), 1]
            new += bytes_of(r.type)
            if isinstance(r.type, StackType) and e.primitive.name in _LOOPS:
                new = math.inf
        self.live += new
        held = new if e.primitive.name in ("call", "cond") else 0.0  # which the graph inside has counted
        self.peak = max(self.peak, self.live - held + max(inner, held) + _transient(e))


def _is_view(e: Equation) -> bool:
    return bool(e.operands) and (e.primitive.name in _VIEWS or (e.primitive.name == "index" and len(e.operands) == 1))


def _transient(e: Equation) -> float:
    """What an operation may need besides its results: as much again, unless it is a plain loop over elements."""
    p = e.primitive
    if _is_view(e) or p.holds_graphs or p.ufunc is not None or p.name in _PLAIN:
        return 0.0
    return sum(bytes_of(r.type) for r in e.results)


def _inside(e: Equation, given: frozenset[int]) -> tuple[float, dict[int, int]]:
    """The peak of the graphs inside, and which operand may become which result."""
    name, params = e.primitive.name, e.params
    if name in _LOOPS:
        body, constants = params["body"], params["constants"]
        first, lead = (0, 1) if name == "while_loop" else (1, 0)
        carries = params.get("carries", len(e.operands) - constants)
        donated = frozenset(range(constants, constants + carries))
        found = inner_ownership((body,), donated)
        peak = peak_bytes(body, found.consumed)
        if "test" in params:
            peak = max(peak, peak_bytes(params["test"]))
        return peak, {lead + k: first + constants + k for k in range(carries)}
    if name in ("call", "cond"):
        first = int(name == "cond")
        graphs = params["branches"] if first else (params["graph"],)
        consumed = inner_ownership(graphs, frozenset(range(len(e.operands) - first))).consumed
        kept = frozenset(k for k in consumed if k + first in given)
        copies = sum(bytes_of(e.operands[k + first].type) for k in consumed - kept)
        return copies + max(peak_bytes(g, consumed) for g in graphs), _through(e, graphs, given, first)
    return max((peak_bytes(g) for g in subgraphs(e)), default=0.0), {}


def _through(e: Equation, graphs: Any, given: frozenset[int], first: int) -> dict[int, int]:
    """Results of a branch that are, in each arm, an operand given to it and written into."""
    out = {}
    for k in range(len(e.results)):
        roots = {_root(g, g.outputs[k]) for g in graphs}
        place = next(iter(roots)) if len(roots) == 1 else None
        if place is not None and place + first in given:
            out[k] = place + first
    return out


def _root(graph: Graph, atom: Any) -> int | None:
    """The input that an output is, after writes in place."""
    maker = {r: (e, k) for e in graph.equations for k, r in enumerate(e.results)}
    while atom in maker:
        e, k = maker[atom]
        if e.primitive.name in ("index_set", "index_add"):
            atom = e.operands[0]
        elif e.primitive.name in ("call", "cond"):
            first = int(e.primitive.name == "cond")
            inner = (e.params["branches"] if first else (e.params["graph"],))[0]
            place = _root(inner, inner.outputs[k])
            if place is None:
                return None
            atom = e.operands[place + first]
        else:
            return None
    return graph.inputs.index(atom) if atom in graph.inputs else None
