"""Ownership: which operands may be overwritten.

What comes in: a graph, and which of its inputs the caller gives away. What goes out: for each write, branch and loop, the
operands whose buffers it may reuse. The one idea: a buffer may be overwritten when this graph made it, or was given it, and
nothing reads it, or a view of it, afterwards. Both back ends obey this one decision; it makes a loop of element writes cost
the elements, whatever loops and branches lie around the write.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from wengert.graph import ArrayType, Equation, Graph, Var

__all__ = ["Ownership", "inner_ownership", "ownership"]

_WRITES = {"index_set", "index_add"}
_VIEWS = {"reshape", "transpose", "broadcast", "index", "flip", "window", "real", "imag", "positive",
          "convert", "conjugate", "stop_gradient", "full"}


@dataclass(frozen=True)
class Ownership:
    """The decision for one graph.

    Attributes
    ----------
    given : dict
        Equation -> positions of operands that it may overwrite.
    consumed : frozenset of int
        Inputs, among those donated, that some equation may overwrite.
    loose : frozenset of int
        Outputs that may share memory with an input that was not donated, or with another output.
    """

    given: dict[Equation, frozenset[int]]
    consumed: frozenset[int]
    loose: frozenset[int]


def ownership(graph: Graph, donated: frozenset[int] = frozenset()) -> Ownership:
    """What may be overwritten in a graph whose `donated` inputs belong to it."""
    found = graph.derived.get(("ownership", donated))
    if found is None:
        found = graph.derived["ownership", donated] = _Walk(graph, donated).run()
    return found  # type: ignore[no-any-return]


class _Walk:
    """Families: the variables that look at one buffer. An owned family has a buffer of this graph's own."""

    def __init__(self, graph: Graph, donated: frozenset[int]):
        self.graph, self.donated = graph, donated
        self.last: dict[Var, int] = {}
        for k, e in enumerate(graph.equations):
            self.last.update(dict.fromkeys((o for o in e.operands if isinstance(o, Var)), k))
        self.last.update(dict.fromkeys((o for o in graph.outputs if isinstance(o, Var)), len(graph.equations)))
        self.family: dict[Var, list[Var]] = {}
        self.origin: dict[Var, int] = {}  # the input that a buffer came in by
        self.consumed: set[int] = set()
        self.read_only: set[Var] = set()
        for k in donated:
            v = graph.inputs[k]
            if isinstance(v.type, ArrayType) and v not in self.family:
                self.family[v] = [v]
                self.origin[v] = k

    def run(self) -> Ownership:
        given: dict[Equation, frozenset[int]] = {}
        for k, e in enumerate(self.graph.equations):
            if e.primitive.name in _WRITES:
                given[e] = self.take(e, k, (0,))
                self.fresh(e.results[0])
            elif e.primitive.name in _CONTROL:
                given[e] = self.control(e, k)
            else:
                self.ordinary(e)
        outputs = self.graph.outputs
        roots = [id(self.family[o]) if isinstance(o, Var) and o in self.family else None for o in outputs]
        many = Counter(roots)
        loose = frozenset(k for k, r in enumerate(roots) if r is None or many[r] > 1 or outputs[k] in self.read_only)
        return Ownership({e: g for e, g in given.items() if g}, frozenset(self.consumed), loose)

    def fresh(self, var: Var) -> None:
        self.family[var] = [var]

    def ordinary(self, e: Equation) -> None:
        p = e.primitive
        if p.name in _VIEWS:
            first = e.operands[0] if e.operands else None
            copied = not _has_memory(e.results[0]) and isinstance(first, Var) and _has_memory(first)
            if isinstance(first, Var) and first in self.family and not copied:
                self.family[first].append(e.results[0])
                self.family[e.results[0]] = self.family[first]
                if p.name in _READ_ONLY or first in self.read_only:
                    self.read_only.add(e.results[0])
        elif p.elementwise and not p.multiple:
            if isinstance(e.results[0].type, ArrayType) and e.results[0].type.shape:
                self.fresh(e.results[0])
        else:  # it may give an operand back
            self.disown(e, range(len(e.operands)))

    def disown(self, e: Equation, positions: Sequence[int]) -> None:
        for k in positions:
            o = e.operands[k]
            if isinstance(o, Var) and o in self.family and _has_memory(o):
                for v in self.family[o]:
                    del self.family[v]

    def take(self, e: Equation, k: int, positions: Sequence[int]) -> frozenset[int]:
        """Those of the operands at these positions that die here and are seen by nobody else."""
        out = set()
        for i in positions:
            o = e.operands[i]
            if not isinstance(o, Var) or o not in self.family or o in self.read_only:
                continue
            family = self.family[o]
            if all(self.last.get(v, -1) <= k for v in family) and not any(
                    other in family for j, other in enumerate(e.operands) if j != i):
                out.add(i)
                self.consumed.update(self.origin[v] for v in family if v in self.origin)
        return frozenset(out)

    def control(self, e: Equation, k: int) -> frozenset[int]:
        """A loop or branch: what its graphs overwrite is taken, if it may be; what it overwrites it gives back as its own."""
        consumed, loose, first = _uses(e)
        positions = [i + first for i in sorted(consumed)]
        given = self.take(e, k, positions)
        self.disown(e, [i for i in range(len(e.operands)) if i not in positions])
        for j, r in enumerate(e.results):
            if j not in loose and isinstance(r.type, ArrayType):
                self.fresh(r)
        return given


_READ_ONLY = {"broadcast", "window", "full"}  # views in which elements may share a place

_CONTROL = {"call", "cond", "while_loop", "scan"}

def _has_memory(v: Var) -> bool:
    """Whether a value is an array that may be looked at; a number taken out of one is always a copy."""
    return not isinstance(v.type, ArrayType) or bool(v.type.shape)


def _uses(e: Equation) -> tuple[frozenset[int], frozenset[int], int]:
    """Inputs of its graphs that a control equation overwrites; its loose results; the operand that is input 0."""
    name, params, n = e.primitive.name, e.params, len(e.operands)
    if name == "call":
        inner = inner_ownership((params["graph"],), frozenset(range(n)))
        return inner.consumed, inner.loose, 0
    if name == "cond":
        inner = inner_ownership(params["branches"], frozenset(range(n - 1)))
        return inner.consumed, inner.loose, 1
    first = 1 if name == "scan" else 0
    constants = params["constants"]
    carries = params["carries"] if name == "scan" else n - constants
    inner = inner_ownership((params["body"],), frozenset(range(constants, constants + carries)))
    lead = 0 if name == "scan" else 1
    # a carry that the body does not overwrite may be the caller's own; what is saved shares memory with nothing if stacked
    loose = {0} if lead else set()
    loose.update(k + lead for k in range(carries) if k + constants not in inner.consumed)
    saved = range(carries, len(params["body"].outputs))
    loose.update(k + lead for k in saved if not isinstance(e.results[k + lead].type, ArrayType))
    return inner.consumed, frozenset(loose), first


def inner_ownership(graphs: Sequence[Graph], donated: frozenset[int]) -> Ownership:
    """The decision for graphs of which one runs: inputs that any of them overwrites are donated to all."""
    consumed = donated
    while True:
        found = [ownership(g, consumed) for g in graphs]
        smaller = frozenset().union(*[f.consumed for f in found])
        if smaller == consumed:
            return Ownership({}, consumed, frozenset().union(*[f.loose for f in found]))
        consumed = smaller
