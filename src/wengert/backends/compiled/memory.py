"""Memory: what a compiled program takes, before it runs.

What comes in: a graph that code is written for, and the size of its workspace. What goes out: a `Memory`: bytes, where loops of
unknown length save something as a function of their iterations. The one idea: all memory but that of stacks is known; the
length of a stack is the number of iterations of one loop, and that number travels through the graph like a value (the loop that
runs backward is as long as the one that ran forward), so that each loop of the user's is counted once.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wengert.errors import InputError
from wengert.graph import ArrayType, Const, Equation, Graph, StackType
from wengert.graph.walk import subgraphs
from wengert.units import bytes_text

__all__ = ["Loop", "Memory", "StackMemory", "lines_text", "memory_of", "trips"]

LEAST = 8   # entries of the smallest stack
HEAD = 64   # bytes before the entries of a stack
DESCRIPTOR = 24


@dataclass(eq=False, frozen=True)
class Loop:
    """A loop whose iterations nobody knows beforehand.

    Attributes
    ----------
    where : str
        The user's lines.
    """

    where: str

    def __str__(self) -> str:
        return f"the loop at {self.where}" if self.where else "a loop"


Trip = int | Loop


@dataclass(eq=False)
class StackMemory:
    """What one place of the program saves, an entry per iteration.

    Attributes
    ----------
    entry : int
        Bytes of an entry.
    trip : int or Loop
        How many entries.
    grows : bool
        Whether its room doubles as it grows; else it has its size from the start.
    times : list of (int or Loop)
        So many of them are alive at once: a factor per loop that saves them.
    """

    entry: int
    trip: Trip
    grows: bool
    times: list[Trip] = field(default_factory=list)

    def bytes(self, iterations: Mapping[Loop, int]) -> int:
        n = _value(self.trip, iterations)
        if n <= 0:
            return 0
        room = LEAST * 2 ** math.ceil(math.log2(max(n, LEAST) / LEAST)) if self.grows else max(n, LEAST)
        return math.prod([_value(t, iterations) for t in self.times]) * (room * self.entry + HEAD)

    def term(self) -> tuple[int, tuple[Loop, ...]]:
        """Bytes (at least) per iteration of these loops."""
        factors = [self.trip, *self.times]
        return (self.entry * math.prod([t for t in factors if isinstance(t, int)]),
                tuple([t for t in factors if isinstance(t, Loop)]))


def _value(trip: Trip, iterations: Mapping[Loop, int]) -> int:
    return trip if isinstance(trip, int) else iterations[trip]


@dataclass(eq=False)
class Memory:
    """The memory that a compiled function takes.

    Attributes
    ----------
    workspace : int
        Bytes that it works in. They are kept between calls (below 64 KB they lie on the stack of the thread).
    results : int
        Bytes of the arrays and numbers that it returns.
    constants : int
        Bytes of the constant arrays that belong to the program; they take no part in the peak.
    stacks : tuple of StackMemory
        What loops of unknown length save for their derivative.
    loops : tuple of Loop
        Those that decide the size of the stacks, outer ones first; ``str(loop)`` says where they stand.
    python : int
        How many operations run in Python, whose own memory is not counted.
    """

    workspace: int
    results: int
    constants: int
    stacks: tuple[StackMemory, ...]
    loops: tuple[Loop, ...]
    python: int = 0

    @property
    def peak(self) -> int | None:
        """The most bytes at once: workspace, results and stacks; None where loops of unknown length decide it."""
        return None if self.loops else self.peak_of()

    def peak_of(self, *iterations: int) -> int:
        """The most bytes at once, for these numbers of iterations.

        Parameters
        ----------
        *iterations : int
            One for each of `loops`, or one for all of them. In a loop within a loop: the most that it runs.

        Returns
        -------
        int
            While a stack grows, the allocator may hold it twice for a moment; that is not counted.
        """
        given = iterations * len(self.loops) if len(iterations) == 1 else iterations
        if len(given) != len(self.loops):
            raise InputError(f"peak_of takes the iterations of {', '.join(map(str, self.loops)) or 'no loop'}: "
                             f"{len(self.loops)} numbers, not {len(iterations)}")
        table = dict(zip(self.loops, given, strict=True))
        return self.workspace + self.results + sum(s.bytes(table) for s in self.stacks)

    def __str__(self) -> str:
        fixed = [s for s in self.stacks if not s.term()[1]]
        terms: dict[tuple[Loop, ...], list[StackMemory]] = {}
        for s in self.stacks:
            if s.term()[1]:
                terms.setdefault(s.term()[1], []).append(s)
        total = self.workspace + self.results + sum(s.bytes({}) for s in fixed)
        out = [f"peak {bytes_text(total)} (workspace {bytes_text(self.workspace)}, results {bytes_text(self.results)})"]
        for loops, found in terms.items():
            size = sum(s.term()[0] for s in found)
            most = f" to {bytes_text(2 * size)}" if any(s.grows for s in found) else ""
            out.append(f" + {bytes_text(size)}{most} per iteration of {' and of '.join(map(str, loops))}")
        if self.python:
            out.append("; what Python takes for its part is not counted")
        return "".join(out)


def lines_text(lines: Sequence[str] | frozenset[str]) -> str:
    """The user's lines, each file named once.

    Examples
    --------
    >>> lines_text(["/home/me/f.py:12", "/home/me/f.py:3", "/home/me/g.py:1"])
    'f.py:3,12 g.py:1'
    """
    found: dict[str, set[int]] = {}
    for one in lines:
        name, _, number = one.rpartition(":")
        if name.startswith(("<frozen", "<unknown")):
            continue
        found.setdefault(os.path.basename(name) or one, set()).update([int(number)] if number.isdecimal() else [])
    return " ".join(f"{name}:{_ranges(sorted(numbers))}" for name, numbers in sorted(found.items()))


def _ranges(numbers: Sequence[int]) -> str:
    """Numbers in order, neighbors put together: 3-5,8."""
    out: list[list[int]] = []
    for n in numbers:
        if out and out[-1][1] + 1 == n:
            out[-1][1] = n
        else:
            out.append([n, n])
    return ",".join(str(a) if a == b else f"{a},{b}" if b == a + 1 else f"{a}-{b}" for a, b in out)


# ---------------------------------------------------------------- the walk through a graph


class _Walk:
    """What is known of the values of a graph and of those inside it: counts, lengths, and whence a stack comes."""

    def __init__(self) -> None:
        self.count: dict[Any, Trip] = {}
        self.length: dict[Any, tuple[Trip, ...]] = {}
        self.origin: dict[Any, frozenset[StackMemory]] = {}
        self.trips: dict[Equation, Trip] = {}
        self.stacks: list[StackMemory] = []

    def same(self, inner: Any, outer: Any) -> None:
        """`inner` is `outer`, or made from it without changing its size."""
        if isinstance(outer, Const) and outer.type.size == 1 and outer.type.dtype.kind in "iu":
            self.count.setdefault(inner, int(outer.value.reshape(-1)[0]))
        if outer in self.count:
            self.count.setdefault(inner, self.count[outer])
        if outer in self.length:
            self.length.setdefault(inner, self.length[outer])
        if outer in self.origin:
            self.origin[inner] = self.origin.get(inner, frozenset()) | self.origin[outer]

    def graph(self, graph: Graph) -> None:
        for e in graph.equations:
            name = e.primitive.name
            if name in ("scan", "while_loop"):
                self.loop(graph, e)
            elif name == "cond":
                for arm in e.params["branches"]:
                    for inner, outer in zip(arm.inputs, e.operands[1:], strict=True):
                        self.same(inner, outer)
                    self.graph(arm)
                    for r, o in zip(e.results, arm.outputs, strict=True):
                        self.same(r, o)
            elif name == "stack_add":
                for o in e.operands:
                    self.same(e.results[0], o)
                lengths = self.length.get(e.results[0], ())
                self._made(e.results[0], lengths, False, len(lengths))

    def _made(self, r: Any, lengths: tuple[Trip, ...], grows: bool, levels: int = 1) -> None:
        """A stack is made here; of a sum, those that are its entries too."""
        found, t = self.origin.get(r, frozenset()), r.type
        for k in range(levels):
            self.stacks.append(StackMemory(_entry(t), lengths[k], grows, list(lengths[:k])))
            found |= {self.stacks[-1]}
            t = t.element
        self.origin[r], self.length[r] = found, lengths

    def loop(self, graph: Graph, e: Equation) -> None:
        scan, body = e.primitive.name == "scan", e.params["body"]
        lead = 0 if scan else 1
        operands = e.operands[1:] if scan else e.operands
        constants = e.params["constants"]
        carries = e.params["carries"] if scan else len(operands) - constants
        self.trips[e] = trip = self.trip(graph, e)
        if not scan:
            self.count[e.results[0]] = trip
        for k, (inner, outer) in enumerate(zip(body.inputs, operands, strict=True)):
            if k < constants or (isinstance(inner.type, StackType) and k < constants + carries):
                self.same(inner, outer)
            elif k >= constants + carries:
                self._slice(inner, outer)
        before = len(self.stacks)
        for g in subgraphs(e):
            if g is not body:
                for inner, ours in zip(g.inputs, body.inputs, strict=False):
                    self.same(inner, ours)
                self.graph(g)
        self.graph(body)
        mine = set(self.stacks[before:])
        for k in range(carries):
            o, r = body.outputs[k], e.results[lead + k]
            if isinstance(r.type, StackType):
                for source in (operands[constants + k], o):
                    self.same(r, source)
                for s in self.origin.get(o, frozenset()) & mine:
                    s.times.append(2)  # the carry's and the next one
        for o, r in zip(body.outputs[carries:], e.results[lead + carries:], strict=True):
            self._saved(o, r, trip, mine, grows=not scan)

    def _slice(self, inner: Any, outer: Any) -> None:
        if isinstance(outer, Const):
            return
        if outer in self.count:
            self.count[inner] = self.count[outer]
        if len(self.length.get(outer, ())) > 1 and isinstance(inner.type, StackType):
            self.length[inner] = self.length[outer][1:]
            self.origin[inner] = self.origin.get(outer, frozenset())

    def _saved(self, o: Any, r: Any, trip: Trip, mine: set[StackMemory], grows: bool) -> None:
        if o in self.count:
            self.count[r] = self.count[o]
        if not isinstance(r.type, StackType):
            return
        for s in self.origin.get(o, frozenset()) & mine:
            s.times.append(trip)
        self.origin[r] = self.origin.get(o, frozenset())
        self._made(r, (trip, *self.length.get(o, ())), grows)

    def trip(self, graph: Graph, e: Equation) -> Trip:
        where = lines_text(graph.lines.get(e, frozenset()))
        if e.primitive.name == "while_loop":
            return Loop(where)
        length = e.operands[0]
        if isinstance(length, Const):
            return max(int(length.value.reshape(-1)[0]), 0)
        if length not in self.count:
            self.count[length] = Loop(where)
        return self.count[length]


def _entry(t: StackType) -> int:
    return DESCRIPTOR if isinstance(t.element, StackType) else max(t.element.size * t.element.dtype.itemsize, 1)


def trips(graph: Graph) -> dict[Equation, Trip]:
    """How often each loop of a graph (and of those inside it) runs."""
    walk = _Walk()
    walk.graph(graph)
    return walk.trips


def memory_of(graph: Graph, workspace: int, *, constants: int = 0, python: int = 0) -> Memory:
    """The memory of the code that was written for a graph.

    Parameters
    ----------
    graph : Graph
        As the compiler sees it, its loops relieved.
    workspace, constants : int
        Bytes.
    python : int
        How many equations run in Python.
    """
    walk = _Walk()
    walk.graph(graph)
    stacks = tuple(walk.stacks)
    used = {t for s in stacks for t in (s.trip, *s.times)}
    loops = dict.fromkeys(t for t in walk.trips.values() if isinstance(t, Loop) and t in used)  # outer ones first
    results = sum(o.type.size * o.type.dtype.itemsize for o in graph.outputs if isinstance(o.type, ArrayType))
    return Memory(workspace, results, constants, stacks, tuple(loops), python)
