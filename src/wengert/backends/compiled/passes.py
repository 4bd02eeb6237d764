"""Passes: the compiler's work on one graph, step by step, each with its result and its time.

What comes in: a graph. What goes out: a `Passes` record: the graph before code is written, what became of each equation, LLVM's
text, machine code, and counts that do not depend on the machine. The one idea: these are the passes that run anyway, taken
one at a time; what is counted are the notes that the compiler itself takes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from wengert.backends.compiled import kernel, library, machine
from wengert.backends.compiled.block import plan_of
from wengert.backends.compiled.elements import computed
from wengert.backends.compiled.memory import Memory, lines_text, memory_of, trips
from wengert.backends.compiled.notes import Note
from wengert.backends.compiled.plan import FEW, Nest, Step
from wengert.graph import Equation, Graph, Var
from wengert.graph.walk import subgraphs

__all__ = ["Line", "Passes", "equations", "memory", "passes"]


@dataclass
class Line:
    """An item of the plan in words.

    Attributes
    ----------
    depth : int
        In how many loops and branches it lies.
    text, where : str
        What is done, and for which of the user's lines.
    """

    depth: int
    text: str
    where: str

    def __str__(self) -> str:
        text = "  " * self.depth + self.text
        return f"{text:<80}  # {self.where}" if self.where else text


@dataclass
class Passes:
    """See the head of this file.

    Attributes
    ----------
    hoisted : Graph
        What code is written for.
    plan : list of Line
    llvm : str
    counts : dict
    memory : Memory
    symbols : tuple of str
        The outer functions that are called.
    seconds : dict
        Of each pass.
    compiled : Compiled
    """

    hoisted: Graph
    plan: list[Line]
    llvm: str
    counts: dict[str, int]
    memory: Memory
    symbols: tuple[str, ...]
    seconds: dict[str, float]
    compiled: kernel.Compiled
    _code: tuple[int, str] | None = field(default=None, repr=False)

    def code(self) -> tuple[int, str]:
        """Bytes of machine code, and its assembly."""
        if self._code is None:
            begun = time.perf_counter()
            size, text = machine.assembly(self.llvm)
            self.seconds["machine code"] = time.perf_counter() - begun
            self._code = size, text
        return self._code


def equations(graph: Graph) -> int:
    """How many equations a graph has, with those inside its loops and branches."""
    return sum(1 + sum(equations(g) for g in subgraphs(e)) for e in graph.equations)


def _planned(graph: Graph) -> None:
    plan_of(graph)
    for e in graph.equations:
        if e.primitive.name in ("cond", "while_loop", "scan"):
            for g in subgraphs(e):
                _planned(g)


def passes(graph: Graph) -> Passes | None:
    """Run the passes on a graph; None if it has something that the compiler does not know."""
    seconds: dict[str, float] = {}
    machine.vector_bytes()  # LLVM is there before the clock runs
    begun = time.perf_counter()

    def took(name: str) -> None:
        nonlocal begun
        now = time.perf_counter()
        seconds[name], begun = now - begun, now
    flat = kernel.prepared(graph)
    took("hoist")
    if flat is None:
        return None
    _planned(flat)
    took("partition")
    builder = kernel.built(flat)
    compiled = kernel.Compiled(graph, builder)
    took("LLVM")
    found = _memory(flat, compiled)
    counts = _counts(builder.notes.all, flat, found, graph)
    plan, symbols = list(_lines(builder.notes.all, flat)), tuple(sorted(compiled.symbols))
    return Passes(flat, plan, compiled.text, counts, found, symbols, seconds, compiled)


def memory(graph: Graph) -> Memory | None:
    """The memory of the code of a graph; None as for `passes`."""
    flat = kernel.prepared(graph)
    return None if flat is None else _memory(flat, kernel.Compiled(graph, kernel.built(flat)))


def _memory(flat: Graph, compiled: kernel.Compiled) -> Memory:
    return memory_of(flat, compiled.workspace, constants=sum(a.nbytes for a in compiled.arrays), python=len(compiled.called))


# ---------------------------------------------------------------- counts

_KINDS = {"nest": "nests", "library": "library_calls", "python": "python_calls", "loop": "loops", "branch": "branches"}
_WITHIN = ("copies", "in place", "carried in registers", "carried in place", "carried in two buffers", "carried stacks")


def _counts(notes: list[Note], flat: Graph, found: Memory, graph: Graph) -> dict[str, int]:
    """What does not depend on the machine."""
    out = {"equations": equations(graph), "hoisted": equations(flat)}
    out.update({word: sum(n.kind == kind for n in notes) for kind, word in _KINDS.items()})
    out["roots"] = sum(len(n.item.roots) for n in notes if n.kind == "nest")
    out["passes"] = sum(sum(map(len, _arrays(n))) for n in notes if n.kind == "nest")
    out.update({what.replace(" ", "_"): sum(n.counts.get(what, 0) for n in notes) for what in _WITHIN})
    out["stacks"] = len(found.stacks)
    out.update(workspace=found.workspace, results=found.results)
    if found.peak is not None:
        out["peak"] = found.peak
    return out


def _arrays(note: Note) -> tuple[list[Any], list[Any]]:
    """The arrays in memory that a nest reads, and those that it writes."""
    nest, plan = note.item, note.block.plan
    written = [r.var for r in nest.roots if r.var.type.size > FEW]
    own = {r.var for r in nest.roots}
    read = {plan.root(x) if isinstance(x, Var) else x for x, _ in nest.leaves
            if x not in own and x.type.size > FEW and not computed(x)}
    return list(read), written


# ---------------------------------------------------------------- in words

def _lines(notes: list[Note], flat: Graph) -> Iterator[Line]:
    runs = trips(flat)
    few: list[Note] = []
    for note in [*notes[1:], None]:
        if few and (note is None or note.kind != "scalars" or note.depth != few[0].depth):
            yield _scalars(few)
            few = []
        if note is None:
            return
        if note.kind == "scalars":
            few.append(note)
        elif note.kind == "nest":
            yield _nest(note)
        elif note.kind != "stack":
            yield Line(note.depth, _step(note, runs), _where(note, [note.item.equation]))


def _where(note: Note, found: list[Any]) -> str:
    lines = note.block.graph.lines
    return lines_text(sorted({x for e in found for x in lines.get(e, ())}))


def _scalars(notes: list[Note]) -> Line:
    made: list[Any] = [
        n.item.equation.results if isinstance(n.item, Step) and n.item.equation else n.item.vars for n in notes
    ]
    size = sum(r.type.size for results in made for r in results)
    own = [n.block.plan.own.get(results[0]) for n, results in zip(notes, made, strict=True)]
    where = lines_text(sorted({x for n, e in zip(notes, own, strict=True) for x in n.block.graph.lines.get(e, ())}))
    return Line(notes[0].depth, f"{_number(size, 'number')} computed into registers", where)


def _nest(note: Note) -> Line:
    nest: Nest = note.item
    plan = note.block.plan
    words = {"store": "computes", "reduce": "reduces to", "write": "writes into"}
    roots: dict[str, list[str]] = {}
    for r in nest.roots:
        kind = "sums to" if r.equation.primitive.name == "reduce_sum" and r.kind == "reduce" else words[r.kind]
        roots.setdefault(kind, []).append(repr(r.var.type))
    what = ", ".join(f"{kind} {_repeated(types)}" for kind, types in roots.items())
    extents = " x ".join(f"{n:,}" for n in nest.extents) or "1"
    read, written = _arrays(note)
    moved = f"; reads {_number(len(read), 'array')}, writes {len(written)}" if read or written else ""
    found: list[Any] = [*[r.equation for r in nest.roots], *[plan.own.get(x) for x, _ in nest.inner if isinstance(x, Var)]]
    return Line(note.depth, f"nest {extents}: {what}{moved}{_within(note)}", _where(note, found))


def _repeated(types: list[str]) -> str:
    return ", ".join(t if types.count(t) == 1 else f"{types.count(t)} {t}" for t in dict.fromkeys(types))


def _step(note: Note, runs: dict[Equation, Any]) -> str:
    e: Equation = note.item.equation
    if note.kind == "loop":
        trip = runs.get(e)
        head = f"loop of {_number(trip, 'iteration')}" if isinstance(trip, int) else \
            "loop while its test holds" if e.primitive.name == "while_loop" else "loop as long as " + str(trip)
        saved = [t for _, t in note.stacks][2 * note.counts.get("carried stacks", 0):]
        return head + _within(note) + (f"; saves {_number(len(saved), 'stack')}" if saved else "")
    if note.kind == "branch":
        return "branch" + _within(note)
    if note.kind == "check":
        return f"check of {_number(len(e.operands), 'condition')}, or the interpreter runs the call"
    types = f"{', '.join(repr(o.type) for o in e.operands)} -> {', '.join(repr(r.type) for r in e.results)}"
    spec = f" {e.params['spec']}" if e.primitive.name in library.VIEWS else ""
    if note.kind == "library":
        return f"library {e.primitive.name}{spec}: {types}{_within(note)}"
    own = e.params.get("action") or e.params.get("function")  # of an effect, or of a Python function
    why = "no machine code for it" if e.pure and own is None else "an effect" if not e.pure else "a function of Python's"
    return f"Python {getattr(own, 'name', e.primitive.name)}: {types} ({why})"


def _within(note: Note) -> str:
    out = []
    carried = [f"{n} {what.removeprefix('carried ')}" for what in _WITHIN[2:5] if (n := note.counts.get(what))]
    if n := note.counts.get("carried stacks"):
        carried.append(_number(n, "stack"))
    if carried:
        out.append("carries " + ", ".join(carried))
    if note.counts.get("in place"):
        out.append("in place")
    if n := note.counts.get("copies"):
        out.append(_number(n, "copy", "copies"))
    return "; " + "; ".join(out) if out else ""


def _number(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"
