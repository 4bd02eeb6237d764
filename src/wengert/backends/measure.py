"""A graph, evaluated with a clock beside each equation.

What comes in: a graph and values. What goes out: for each equation its time, the memory that its results take, and how often
it runs; and the time of the same graph without clocks. The one idea: the steps are the interpreter's own, writes in place and
early release included; a loop is timed as a whole, and its time is shared among the lines of its body as they take it in one
iteration on its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.backends.cost import operations
from wengert.backends.interpret import Program
from wengert.graph import Equation, Graph, Stack
from wengert.transforms.ownership import inner_ownership

__all__ = ["Cost", "Measurement", "measure", "owner"]

_MOST = 60  # times that a graph is evaluated
_QUIET = 0.25  # the quantile of times that is reported: other programs disturb the slower ones
_INSIDE = 0.2  # of the time, for the body of a loop


@dataclass(frozen=True)
class Cost:
    """What one equation costs, all its runs together."""

    lines: frozenset[str]
    primitive: str
    seconds: float
    allocated: int  # bytes of its results, if they are new arrays
    operations: int
    runs: int


@dataclass(frozen=True)
class Measurement:
    """What evaluating a graph costs."""

    costs: tuple[Cost, ...]
    plain: float  # seconds, without clocks
    peak: int  # bytes that are alive at once, without inputs and constants
    outputs: tuple[Any, ...]

    @property
    def seconds(self) -> float:
        """The time inside equations: what it takes to walk from one to the next is left out."""
        return sum(c.seconds for c in self.costs)


def measure(graph: Graph, values: Sequence[Any], budget: float = 0.3, consumed: frozenset[int] = frozenset()) -> Measurement:
    """Evaluate a graph as often as fits into about so many seconds, and give the lower quartile of the times.

    Parameters
    ----------
    graph : Graph
    values : sequence
        Of its inputs.
    budget : float
        Seconds; at least one evaluation with clocks and one without take place.
    consumed : frozenset of int
        Inputs that may be overwritten; they are copied before each evaluation.
    """
    program = Program(graph, consumed)
    first = _First(graph, program, budget)
    with np.errstate(all="ignore"):
        outputs = first.run(_fresh(values, consumed))
        rows: list[list[int]] = []
        plain: list[int] = []
        end = time.perf_counter() + budget
        while not rows or (len(rows) < _MOST and time.perf_counter() < end):
            rows.append(_timed(program, _fresh(values, consumed)))
            given = _fresh(values, consumed)
            begun = time.perf_counter_ns()
            program(*given)
            plain.append(time.perf_counter_ns() - begun)
    clock = _clock()
    seconds = np.maximum(np.quantile(np.array(rows, dtype=float).reshape(len(rows), -1), _QUIET, axis=0) - clock, 0.0) * 1e-9
    costs = [c for k, e in enumerate(graph.equations) for c in first.costs(k, e, float(seconds[k]))]
    return Measurement(tuple(costs), float(np.quantile(plain, _QUIET)) * 1e-9, first.peak, outputs)


def _fresh(values: Sequence[Any], consumed: frozenset[int]) -> list[Any]:
    return [np.array(x) if k in consumed and isinstance(x, np.ndarray) else x for k, x in enumerate(values)]


def _clock() -> float:
    """What looking at the clock takes, in nanoseconds."""
    looks = [time.perf_counter_ns() for _ in range(200)]
    return float(np.median(np.diff(looks)))


def _timed(program: Program, values: Sequence[Any]) -> list[int]:
    """Nanoseconds of each step."""
    env: list[Any] = [None] * program.count
    env[:len(values)] = values
    for k, value in program.constants:
        env[k] = value
    now, out = time.perf_counter_ns, []
    for run, ins, outs, dead in program.steps:
        operands = [env[i] for i in ins]
        begun = now()
        results = run(*operands)
        out.append(now() - begun)
        del operands
        if type(outs) is int:
            env[outs] = results
        else:
            for k, value in zip(outs, results, strict=True):  # type: ignore[arg-type]
                env[k] = value
        del results
        for k in dead:
            env[k] = None
    return out


# ---------------------------------------------------------------- the first evaluation: memory, and loops from within

def owner(x: Any) -> Any:
    """The array that holds the memory of x."""
    while isinstance(x, np.ndarray) and isinstance(x.base, np.ndarray):
        x = x.base
    return x


def _bytes(x: Any) -> int:
    return sum(_bytes(v) for v in x) if isinstance(x, Stack) else int(getattr(x, "nbytes", 0))


class _First:
    """An evaluation without clocks that looks at the memory of each result, and measures the bodies of loops."""

    def __init__(self, graph: Graph, program: Program, budget: float):
        self.graph, self.program, self.budget = graph, program, budget
        self.allocated = [0] * len(graph.equations)
        self.inside: dict[int, list[Cost]] = {}
        self.live: dict[int, list[Any]] = {}  # id -> the owner, how many variables are in its memory, bytes
        self.held: dict[int, int] = {}  # slot -> id
        self.bytes = self.peak = 0

    def run(self, values: Sequence[Any]) -> tuple[Any, ...]:
        program = self.program
        env: list[Any] = [None] * program.count
        env[:len(values)] = values
        for k, value in program.constants:
            env[k] = value
        given = {id(owner(x)) for x in env if x is not None}
        for step, (run, ins, outs, dead) in enumerate(program.steps):
            e = self.graph.equations[step]
            operands = [env[i] for i in ins]
            before = [np.array(x) if isinstance(x, np.ndarray) else x for x in operands] if _holds(e) else []
            results = run(*operands)
            if before:
                self.look_inside(step, e, before, results)
            slots: Any = (outs,) if isinstance(outs, int) else outs
            for k, value in zip(slots, (results,) if isinstance(outs, int) else results, strict=True):
                env[k] = value
                self.note(step, k, value, given)
            self.peak = max(self.peak, self.bytes)
            for k in dead:
                env[k] = None
                self.forget(k)
        return tuple([env[k] for k in program.outputs])

    def note(self, step: int, slot: int, value: Any, given: set[int]) -> None:
        held = owner(value)
        if id(held) in given:
            return
        entry = self.live.setdefault(id(held), [held, 0, 0])
        if not entry[1]:
            entry[2] = _bytes(held)
            self.allocated[step] += entry[2]
            self.bytes += entry[2]
        entry[1] += 1
        self.held[slot] = id(held)

    def forget(self, slot: int) -> None:
        key = self.held.pop(slot, None)
        if key is None:
            return
        entry = self.live[key]
        entry[1] -= 1
        if not entry[1]:
            self.bytes -= entry[2]
            del self.live[key]

    def look_inside(self, step: int, e: Equation, operands: list[Any], results: Sequence[Any]) -> None:
        found = []
        for graph, values, donated, runs in _parts(e, operands, results):
            consumed = inner_ownership((graph,), donated).consumed
            inner = measure(graph, values, self.budget * _INSIDE, consumed)
            self.peak = max(self.peak, self.bytes + inner.peak)
            outer = self.graph.lines.get(e, frozenset())
            found += [replace(c, lines=c.lines or outer, seconds=c.seconds * runs, allocated=c.allocated * runs,
                              operations=c.operations * runs, runs=c.runs * runs) for c in inner.costs]
        self.inside[step] = found

    def costs(self, step: int, e: Equation, seconds: float) -> list[Cost]:
        """The cost of an equation; of a loop, of what is inside, and the rest for the loop itself; of others what is inside."""
        inner = self.inside.get(step, [])
        within = sum(c.seconds for c in inner)
        loops = e.primitive.name in ("scan", "while_loop")
        scale = (min(1.0, seconds / within) if loops else seconds / within) if within else 1.0
        rest = max(seconds - scale * within, 0.0)
        own = Cost(self.graph.lines.get(e, frozenset()), e.primitive.name, rest, self.allocated[step], operations(e), 1)
        return [own, *[replace(c, seconds=c.seconds * scale) for c in inner]]


def _holds(e: Equation) -> bool:
    return e.primitive.holds_graphs


def _parts(e: Equation, operands: list[Any], results: Sequence[Any]) -> list[tuple[Graph, list[Any], frozenset[int], int]]:
    """The graphs inside an equation, with operands (of the first iteration), which are given away, and how often they run."""
    name, params = e.primitive.name, e.params
    none: frozenset[int] = frozenset()
    if name == "call":
        return [(params["graph"], operands, frozenset(range(len(operands))), 1)]
    if name in ("custom_jvp", "custom_vjp"):
        return [(params["body"], operands, none, 1)]
    if name == "cond":
        arm = params["branches"][0 if operands[0] else 1]
        return [(arm, operands[1:], frozenset(range(len(operands) - 1)), 1)]
    if name == "while_loop":
        trips, carried = int(results[0]), frozenset(range(params["constants"], len(operands)))
        body = [(params["body"], operands, carried, trips)] if trips else []
        return [(params["test"], operands, none, trips + 1), *body]
    if name == "scan" and int(operands[0]):
        trips, given, end = int(operands[0]), operands[1:], params["constants"] + params["carries"]
        start = trips - 1 if params["reverse"] else 0
        carried = frozenset(range(params["constants"], end))
        return [(params["body"], [*given[:end], *[x[start] for x in given[end:]]], carried, trips)]
    return []
