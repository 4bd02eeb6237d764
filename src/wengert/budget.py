"""Memory budgets: what is kept for the backward pass, and what is computed again.

What comes in: a function and a number of bytes. What goes out: its value and gradient as a graph whose peak of memory stays
below that number, with a prediction of what this costs. The one idea: the program is cut before it is differentiated, loops
into a few checkpoints and straight lines into segments, where that saves most bytes for the operations that are repeated; each
candidate is differentiated, and its peak is read off its types, or off the plan of its machine code. Nothing is run to know it.
"""

from __future__ import annotations

import functools
import math
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.backends.cost import operations, total
from wengert.backends.peak import peak_bytes
from wengert.errors import BudgetError, InputError, NonDifferentiableError, UnsupportedError
from wengert.frontends.trace import active_frame, user_line
from wengert.frontends.tracer import Tracer
from wengert.graph import Build, Const, Equation, Graph
from wengert.graph.walk import subgraphs
from wengert.modes import UNKNOWN
from wengert.primitives.control import call
from wengert.progress import Progress
from wengert.run import Run
from wengert.schedules import forward_steps
from wengert.settings import config
from wengert.transforms.simplify import simplify
from wengert.transforms.stretches import LOOPS, Stretch, cut, loops, saved_bytes, segmented, with_room
from wengert.transforms.vjp import vjp
from wengert.units import bytes_text

__all__ = ["MemoryPlan", "bytes_in", "plan_memory", "stage_with", "within_budget"]

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
          "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_PARTS = (2, 3, 5, 8, 12, 20, 32, 64, 128)
_FAR = 4.0  # times the budget: of a large program that takes more to interpret, machine code is not planned
_LARGE = 400  # equations
_FEW = 3  # candidates whose machine code is planned in any case, those that take least to interpret
_STAGE: list[Callable[[Any], Any]] = []


def stage_with(jit: Callable[[Any], Any]) -> None:
    """Set what stages a function: a budget is kept by graphs alone."""
    _STAGE[:] = [jit]


def bytes_in(memory: Any) -> int:
    """A number of bytes, or a text such as "500 MB" or "1.5 GiB", as a number.

    Examples
    --------
    >>> bytes_in("500 MB"), bytes_in("1.5 KiB"), bytes_in(4096)
    (500000000, 1536, 4096)
    """
    if isinstance(memory, str):
        found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([A-Za-z]+)\s*", memory)
        if found is None or found[2].upper() not in _UNITS:
            raise InputError(f"memory={memory!r} is no amount of memory; write a number of bytes, or a number with B, KB, MB, "
                             f"GB, KiB, MiB or GiB: memory='500 MB'")
        return int(float(found[1]) * _UNITS[found[2].upper()])
    if isinstance(memory, bool) or not isinstance(memory, (int, float, np.integer, np.floating)) or not memory >= 0 or (
            math.isinf(memory)):
        raise InputError(f"memory={memory!r} is no amount of memory; write a number of bytes, or a text: memory='500 MB'")
    return int(memory)


@dataclass(frozen=True)
class MemoryPlan:
    """What a value and its gradient cost within a budget.

    Attributes
    ----------
    budget : int
        Bytes.
    peak : int
        The most bytes alive at once that are predicted: all that a call allocates, its results included, its arguments not.
    everything : float
        The same if nothing is computed again; inf where a loop of unknown length would keep all its states.
    operations, repeated : int
        Arithmetic operations if nothing is computed again, and what is computed again on top; a loop of unknown length counts
        as 100 iterations.
    checkpoints : tuple of (int or None, int)
        Of each loop that keeps checkpoints: its iterations (None: unknown) and its slots.
    segments : int
        How many stretches of straight lines are computed again.
    graph : Graph
        From the inputs to outputs and gradients.
    nonzero : tuple of bool
        Which inputs have a gradient.
    value, stored : Graph
        From the inputs to the outputs alone, and to outputs and gradients if nothing is computed again.
    """

    budget: int
    peak: int
    everything: float
    operations: int
    repeated: int
    checkpoints: tuple[tuple[int | None, int], ...]
    segments: int
    graph: Graph
    nonzero: tuple[bool, ...]
    value: Graph
    stored: Graph

    @property
    def extra(self) -> float:
        """Predicted extra time, as a part of the time that storing everything takes: operations for operations."""
        return self.repeated / max(self.operations, 1)

    def __str__(self) -> str:
        everything = "without bound" if math.isinf(self.everything) else _text(self.everything)
        head = (f"budget {_text(self.budget)}: peak {_text(self.peak)} (storing everything: {everything}), "
                f"{100 * self.extra:.0f} % more operations")
        return "\n  ".join([head, *self.cuts()])

    def cuts(self) -> list[str]:
        """What is kept and computed again, in words."""
        lines = []
        for steps, slots in self.checkpoints:
            length = "unknown length" if steps is None else f"{steps:,} iterations"
            lines.append(f"a loop of {length} keeps {slots:,} checkpoint{'s' * (slots != 1)}")
        if self.segments:
            lines.append(f"{self.segments:,} segment{'s' * (self.segments != 1)} of straight lines computed again")
        return lines


def _text(n: float) -> str:
    return bytes_text(int(n))


# ---------------------------------------------------------------- candidates

Room = tuple[float, float]  # bytes for the states of each loop, and the most for those of one of unknown length


@dataclass(frozen=True)
class _Candidate:
    """A cut graph, its value and gradient, and the peak."""

    cut: Graph
    joint: Graph
    nonzero: tuple[bool, ...]
    peak: float


class _Search:
    """Candidates for one graph, each looked at once."""

    def __init__(self, graph: Graph, active: Sequence[bool], budget: int, progress: Progress):
        self.graph, self.active, self.budget, self.progress = graph, active, budget, progress
        self.seen: dict[Any, _Candidate] = {}
        self.has_loops = bool(loops(graph))

    def candidate(self, room: Room = (math.inf, math.inf), stretches: tuple[tuple[Stretch, ...], ...] = ()) -> _Candidate:
        """The graph with so much room for its loops, and with these stretches cut out, level by level."""
        if (room, stretches) not in self.seen:
            found = self.graph if math.isinf(room[0]) else with_room(self.graph, *room)
            same = (_checkpoints(found), stretches)  # another room may mean the same checkpoints
            if same not in self.seen:
                for level in stretches:
                    found = segmented(found, level)
                self.progress(f"planning for {_text(self.budget)}: cutting the program")
                joint, nonzero = _joint(found, self.active)
                self.seen[same] = _Candidate(found, joint, nonzero, self.peak(joint))
            self.seen[room, stretches] = self.seen[same]
        return self.seen[room, stretches]

    def peak(self, joint: Graph) -> float:
        """Of machine code if that is what will run; a large program is first asked what interpreting it takes."""
        found = peak_bytes(joint)
        return found if _count(joint) > _LARGE and found > _FAR * self.budget else _peak(joint)

    def everything(self) -> float:
        """The peak if nothing is computed again."""
        plain = self.candidate()
        return plain.peak if plain.peak <= self.budget or math.isinf(plain.peak) else _peak(plain.joint)

    def run(self) -> _Candidate:
        best = self.candidate()
        if best.peak <= self.budget:
            return best
        for stretches in self.levels():
            low = next((r for r in self.rooms(stretches) if self.candidate(r, stretches).peak <= self.budget), None)
            if low is not None:
                return self.roomier(low, stretches)
        every = [best, *[self.candidate(r, s) for s in self.levels() for r in self.rooms(s)]]
        few = {c.peak: c for c in every}
        few.update({_peak(c.joint): c for c in sorted(every, key=lambda c: peak_bytes(c.joint))[:_FEW]})
        least = min(few)
        if least <= self.budget:
            return replace(few[least], peak=least)
        if math.isinf(least):
            raise BudgetError(f"a memory budget of {_text(self.budget)} cannot be met: a loop of unknown length, or the "
                              f"derivative of a loop with checkpoints, keeps something of each iteration; make it a loop of "
                              f"known length (for k in range(n): if go_on: ...) without checkpoints (at {user_line()})")
        raise BudgetError(f"a memory budget of {_text(self.budget)} cannot be met: the least possible here is "
                          f"{math.ceil(least):,} bytes, results included (at {user_line()})", math.ceil(least))

    def rooms(self, stretches: tuple[tuple[Stretch, ...], ...]) -> list[Room]:
        """Bytes for each loop to try, the most first; then with one checkpoint for each loop of unknown length."""
        if not self.has_loops:
            return [(math.inf, math.inf)]
        known = [e.params["size"] * saved_bytes(e) for e in loops(self.graph) if e.params.get("size")]
        most = max([self.budget, *known]) if not stretches else 1
        sizes = [2.0 ** k for k in range(math.ceil(math.log2(max(most, 1))), -1, -1)]
        unknown = len(known) < len(loops(self.graph)) and not stretches
        return [(r, top) for top in ([self.budget, 1.0] if unknown else [self.budget]) for r in sizes]

    def levels(self) -> list[tuple[tuple[Stretch, ...], ...]]:
        """Ways to cut, those that repeat less first."""
        out: list[tuple[tuple[Stretch, ...], ...]] = [()] if self.has_loops else []
        count = sum(s.stop - s.start for s in cut(self.graph, 1))
        for parts in _PARTS:
            if 2 * parts <= count:
                out.append((tuple(cut(self.graph, parts)[:-1]),))
        for depth in (2, 3):
            parts = max(round(count ** (1.0 / (depth + 1))), 2)
            if parts ** depth * 2 <= count:
                out.append(self.nested(parts, depth))
        return [s for s in out if not s or s[0]]

    def nested(self, parts: int, depth: int) -> tuple[tuple[Stretch, ...], ...]:
        """Stretches of stretches: the finest first."""
        graph, out = self.graph, []
        for level in range(depth, 0, -1):
            out.append(tuple(cut(graph, parts ** level)))
            graph = segmented(graph, out[-1])
        return tuple(out)

    def roomier(self, room: Room, stretches: tuple[tuple[Stretch, ...], ...]) -> _Candidate:
        """The candidate that repeats least of those cut like one that fits."""
        if not self.has_loops:
            return self.kept(room, stretches[0]) if len(stretches) == 1 else self.candidate(room, stretches)
        low, top = room
        high = 2 * low
        while stretches and self.candidate((high, top), stretches).peak <= self.budget and high < self.budget:
            low, high = high, 2 * high
        for _ in range(6):
            middle = (low + high) / 2
            low, high = (middle, high) if self.candidate((middle, top), stretches).peak <= self.budget else (low, middle)
        return self.candidate((low, top), stretches)

    def kept(self, room: Room, stretches: tuple[Stretch, ...]) -> _Candidate:
        """As many stretches stored as fit: first those with many operations for few bytes."""
        def price(s: Stretch) -> float:
            return _work(*self.graph.equations[s.start:s.stop]) / max(s.bytes, 1)
        order = sorted(stretches, key=price)  # the last are kept first
        low, high = 0, len(order)  # computed again: all of them fit, none does not
        while high - low > 1:
            middle = (low + high) // 2
            again = tuple(sorted(order[:middle], key=lambda s: s.start))
            low, high = (low, middle) if self.candidate(room, (again,)).peak <= self.budget else (middle, high)
        return self.candidate(room, (tuple(sorted(order[:high], key=lambda s: s.start)),))


def _peak(joint: Graph) -> float:
    found = peak_bytes(joint)
    if config.backend == "compiled":
        from wengert.backends.compiled.passes import memory
        compiled = memory(joint)
        if compiled is not None and compiled.peak is not None:
            return max(found, compiled.peak) if compiled.python else compiled.peak
    return found


def _joint(graph: Graph, active: Sequence[bool]) -> tuple[Graph, tuple[bool, ...]]:
    """The outputs and the gradients of the first output."""
    first = [k == 0 for k in range(len(graph.outputs))]
    joint, _, nonzero = vjp(graph, active, first)
    build = Build()
    n = len(graph.inputs)
    given: list[Any] = [build.input(v.type) for v in joint.inputs[:n]]
    given += [Const(np.ones(v.type.shape, v.type.dtype)) for v in joint.inputs[n:]]
    return simplify(build.graph(build.inline(joint, given))), nonzero


# ---------------------------------------------------------------- what it costs

def _count(graph: Graph) -> int:
    return sum(1 + sum(map(_count, subgraphs(e))) for e in graph.equations)


def _work(*equations: Equation) -> float:
    """Operations of equations, with those inside."""
    return total(Graph((), equations, ()), operations, UNKNOWN)


def _repeated(graph: Graph) -> float:
    """Operations that the backward pass repeats."""
    found = 0.0
    for e in graph.equations:
        inner = sum(_repeated(g) for g in subgraphs(e))
        once = sum(_work(*g.equations) for g in subgraphs(e))
        size = e.params.get("size")
        turns = UNKNOWN if e.primitive.name in LOOPS and size is None else size or 1
        if e.primitive.name == "call" and e.params.get("checkpoint"):
            found += once + inner
        elif e.params.get("checkpoints"):
            steps = 2 * turns if size is None else forward_steps(size, e.params["checkpoints"]) + 1
            found += once * steps + inner * turns
        else:
            found += inner * turns
    return found


def _checkpoints(graph: Graph) -> tuple[tuple[int | None, int], ...]:
    return tuple([(e.params.get("size"), e.params.get("checkpoints") or 0) for e in loops(graph)])


def _segments(graph: Graph) -> int:
    return sum((e.primitive.name == "call" and bool(e.params.get("checkpoint"))) + sum(map(_segments, subgraphs(e)))
               for e in graph.equations)


def plan_memory(graph: Graph, active: Sequence[bool], budget: int) -> MemoryPlan:
    """The outputs of a graph and the gradient of the first one, a number, within a budget.

    Parameters
    ----------
    graph : Graph
    active : sequence of bool
        The inputs to differentiate with regard to.
    budget : int
        Bytes that a call may allocate, its results included.

    Raises
    ------
    BudgetError
        If it cannot be met; its `least` is the smallest that can.
    """
    graph = simplify(graph)
    with Progress() as progress:
        search = _Search(graph, active, budget, progress)
        found = search.run()
    plain = search.candidate()
    return MemoryPlan(budget, math.ceil(found.peak), search.everything(), round(_work(*plain.joint.equations)),
                      round(_repeated(found.cut)),
                      tuple([pair for pair in _checkpoints(found.cut) if pair[1]]),
                      _segments(found.cut), found.joint, found.nonzero, graph, plain.joint)


# ---------------------------------------------------------------- functions

class _Budgeted(Run):
    """A run whose value and gradient are one graph that keeps the budget."""

    def __init__(self, name: str, f: Any, args: Any, kwargs: Any, argnums: Any, has_aux: bool, budget: int):
        self.budget = budget
        self.gradients: list[Any] = []
        self.plan: MemoryPlan | None = None
        super().__init__(name, f, args, kwargs, argnums, has_aux)

    def _applied(self) -> dict[Any, Any]:
        self.require_scalar()
        graph = self.graph()
        if not self.out_vars:  # it depends on no argument
            self.gradients = [np.zeros(v.type.shape, v.type.dtype) for v in self.inputs]
            return super()._applied()
        active = [k < len(self.inputs) for k in range(len(graph.inputs))]
        self.plan = plan_memory(graph, active, self.budget)
        operands = [x for x, a in zip(self.leaves, self.active, strict=True) if a]
        operands += [tracer for _, tracer in self.trace.captured.values()]
        operands += [self.trace.values[v] for v in self.trace.lifted]
        first = next(x for x in operands if isinstance(x, Tracer))
        params = {"graph": self.plan.graph, "name": self.name, "checkpoint": True}  # its own derivative keeps the operands
        out = list(first.apply(call, operands, params))
        n = len(graph.outputs)
        rest = iter(out[n:])
        self.gradients = [next(rest) if nonzero else np.zeros(v.type.shape, v.type.dtype)
                          for v, nonzero in zip(self.inputs, self.plan.nonzero, strict=True)]
        return dict(zip(graph.outputs, out, strict=False))


def within_budget(name: str, f: Callable[..., Any], argnums: Any, has_aux: bool, memory: Any) -> Callable[..., Any]:
    """Value and gradient, as `value_and_grad` gives them, within a budget; `plan` says what a call like this one takes."""
    budget = bytes_in(memory)

    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        if active_frame() is None:
            return refused(args, kwargs) if getattr(mine, "running", False) else staged()(*args, **kwargs)
        run = _Budgeted(name, f, args, kwargs, argnums, has_aux, budget)
        mine.plan = run.plan
        gradient = run.arrange(run.gradients)
        return ((run.result(), run.aux) if has_aux else run.result()), gradient

    mine = threading.local()  # `running`: what is staged runs as Python; `plan`: of the run that was traced last

    @functools.cache
    def staged() -> Any:
        made = _STAGE[0](inner)
        made.warned = [True]  # it is refused, not run unstaged
        return made

    def inner(*args: Any, **kwargs: Any) -> Any:
        before, mine.running = getattr(mine, "running", False), True
        try:
            return value_and_gradient(*args, **kwargs)
        finally:
            mine.running = before

    def refused(args: Any, kwargs: Any) -> Any:
        _, found = staged()._find(args, kwargs)
        if found.raised is not None and issubclass(found.raised, (InputError, NonDifferentiableError)):
            raise found.raised(found.reason)
        raise UnsupportedError(f"{name}: a memory budget is kept by a program that is one graph, and this one runs as Python: "
                               f"{found.reason}")

    def plan(*args: Any, **kwargs: Any) -> MemoryPlan:
        mine.plan = None
        made = staged().explained(args, kwargs)
        if made.graph is None or mine.plan is None:
            raise UnsupportedError(f"{name}: there is nothing to plan: {made.reason or 'no gradient is taken'}")
        return mine.plan  # type: ignore[no-any-return]
    value_and_gradient.plan = plan  # type: ignore[attr-defined]
    return value_and_gradient
