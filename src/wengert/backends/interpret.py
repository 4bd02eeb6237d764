"""The interpreter: a graph, evaluated with NumPy. This is the meaning of a graph.

What comes in: a graph. What goes out: a `Program`, called with the values of its inputs. The one idea: slots are
numbered once, dead values are dropped, and writes that `ownership` allows happen in place.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import partial
from traceback import walk_tb
from typing import Any

from wengert.graph import Const, Equation, Graph, Var
from wengert.primitives.control import prepare_with
from wengert.primitives.index import add_in_place, set_in_place
from wengert.transforms.ownership import inner_ownership, ownership

__all__ = ["Program", "evaluate", "note_lines"]


def _add_here(x: Any, v: Any, *arrays: Any, spec: Any) -> Any:
    add_in_place(x, v, arrays, spec)
    return x


def _set_here(x: Any, v: Any, *arrays: Any, spec: Any) -> Any:
    set_in_place(x, v, arrays, spec)
    return x


_HERE = {"index_add": _add_here, "index_set": _set_here}


def _runner(e: Equation, given: frozenset[int] | None) -> Any:
    """What computes the results of an equation; it may overwrite the operands given to it."""
    run, params = e.primitive.evaluate, dict(e.params)
    if given and e.primitive.name in _HERE:
        run = _HERE[e.primitive.name]
    elif given:
        params["given"] = given
    return partial(run, **params) if params else run


_WARM = 3  # calls before a program is made straight-line code
_LONGEST = 5_000  # steps; longer ones gain little and take long to compile
_AT = "computed at "


class Program:
    """A graph made ready for evaluation; calling it gives the tuple of output values."""

    __slots__ = ("arguments", "calls", "constants", "count", "function", "lines", "outputs", "steps")

    def __init__(self, graph: Graph, donated: frozenset[int] = frozenset()):
        self.arguments = len(graph.inputs)
        self.calls = 0
        self.function: Any = None
        slots: dict[Any, int] = {v: k for k, v in enumerate(graph.inputs)}
        self.constants: list[Any] = []
        self.count = len(slots)

        def slot(atom: Any) -> int:
            if atom not in slots:
                slots[atom] = len(slots)
                if isinstance(atom, Const):
                    value = atom.value
                    self.constants.append((slots[atom], value if value.ndim else value[()]))
            return slots[atom]

        given = ownership(graph, donated).given
        last = self._last_uses(graph)
        self.steps: list[tuple[Any, tuple[int, ...], tuple[int, ...] | int, tuple[int, ...]]] = []
        for k, e in enumerate(graph.equations):
            ins = tuple([slot(o) for o in e.operands])
            outs: Any = tuple([slot(r) for r in e.results]) if e.primitive.multiple else slot(e.results[0])
            dead = tuple([slots[o] for o in dict.fromkeys((*e.operands, *e.results))
                          if isinstance(o, Var) and last[o] == k])
            self.steps.append((_runner(e, given.get(e)), ins, outs, dead))
        self.lines = [graph.lines.get(e, frozenset()) for e in graph.equations]
        self.outputs = tuple([slot(o) for o in graph.outputs])
        self.count = len(slots)

    @staticmethod
    def _last_uses(graph: Graph) -> dict[Var, int]:
        last: dict[Var, int] = {}
        for k, e in enumerate(graph.equations):
            for r in e.results:
                last[r] = k
            for o in e.operands:
                if isinstance(o, Var):
                    last[o] = k
        for o in graph.outputs:
            if isinstance(o, Var):
                last[o] = len(graph.equations)
        return last

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        if self.function is not None:
            try:
                return self.function(*values)  # type: ignore[no-any-return]
            except Exception as error:
                own = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code is self.function.__code__]
                self._note(error, own[0] - 2)  # its first step is in its second line
                raise
        self.calls += 1
        if self.calls == _WARM and len(self.steps) <= _LONGEST:
            self.function = self._straight_line()
        env: list[Any] = [None] * self.count
        env[:len(values)] = values
        for k, value in self.constants:
            env[k] = value
        step = -1
        try:
            for run, ins, outs, dead in self.steps:
                step += 1
                if type(outs) is int:
                    env[outs] = run(*[env[i] for i in ins])
                else:
                    for k, value in zip(outs, run(*[env[i] for i in ins]), strict=True):  # type: ignore[arg-type]
                        env[k] = value
                    value = None  # it is not to outlive its slot
                for k in dead:
                    env[k] = None
        except Exception as error:
            self._note(error, step)
            raise
        return tuple([env[k] for k in self.outputs])

    def _note(self, error: Exception, step: int) -> None:
        note_lines(error, self.lines[step])

    def _straight_line(self) -> Any:
        """The same steps as one Python function without a loop, a line for each: half the time, once it is worth compiling."""
        space: dict[str, Any] = {f"v{k}": value for k, value in self.constants}
        lines = []
        for k, (run, ins, outs, dead) in enumerate(self.steps):
            space[f"f{k}"] = run
            call = f"f{k}({', '.join(f'v{i}' for i in ins)})"
            target = f"v{outs} = " if isinstance(outs, int) else f"({', '.join(f'v{o}' for o in outs)},) = " if outs else ""
            drop = f"; {' = '.join(f'v{i}' for i in dead)} = None" if dead else ""
            lines.append(f"    {target}{call}{drop}")
        arguments = ", ".join(f"v{k}" for k in range(self.arguments))
        results = "".join(f"v{k}, " for k in self.outputs)
        source = f"def program({arguments}):\n" + "\n".join(lines) + f"\n    return ({results})\n"
        exec(compile(source, "<wengert program>", "exec"), space)  # only names of our own are in it
        return space["program"]


def note_lines(error: BaseException, lines: frozenset[str]) -> None:
    """Say at which of the user's lines an error rose, if no program inside has said so."""
    if lines and not any(note.startswith(_AT) for note in getattr(error, "__notes__", ())):
        error.add_note(_AT + ", ".join(sorted(lines)))


def evaluate(graph: Graph, values: Sequence[Any]) -> tuple[Any, ...]:
    """Evaluate a graph once."""
    return Program(graph)(*values)


class _Inner:
    """Inner graphs of a loop or branch, ready to run."""

    __slots__ = ("consumed", "loose", "programs")

    def __init__(self, graphs: tuple[Graph, ...], donated: frozenset[int]):
        found = inner_ownership(graphs, donated)
        self.consumed, self.loose = found.consumed, found.loose
        self.programs = [Program(g, self.consumed) for g in graphs]


def _prepare(graphs: tuple[Graph, ...], donated: frozenset[int]) -> _Inner:
    key = ("inner", *[id(g) for g in graphs[1:]], donated)
    found = graphs[0].derived.get(key)
    if found is None or any(a() is not b for a, b in zip(found[0], graphs[1:], strict=True)):
        found = graphs[0].derived[key] = ([weakref.ref(g) for g in graphs[1:]], _Inner(graphs, donated))
    return found[1]  # type: ignore[no-any-return]


prepare_with(_prepare)
