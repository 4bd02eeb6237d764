"""What the compiler makes of a function: every pass on one screen, and each in full.

What comes in: a function and arguments. What goes out: a `Compilation`: print it for a line per pass, or look at its
attributes for the graphs, the plan, LLVM's text and the assembly. The one idea: what is shown is what runs; each pass is run
again, with a clock, on the graph that `jit` would compile, and nothing is computed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from wengert.backends.compiled.memory import Memory
from wengert.backends.compiled.passes import Passes, equations, passes
from wengert.errors import InputError, not_a_function
from wengert.graph import ArrayType, Graph
from wengert.graph.text import to_text
from wengert.staging import _Jitted, _Staged, jit
from wengert.transforms.simplify import simplify
from wengert.units import bytes_text

__all__ = ["Compilation", "explain_compilation"]

_SHOWN = 12  # lines of the plan on the screen
_WIDTH = 110


class Compilation:
    """What `explain_compilation` gives; print it.

    Attributes
    ----------
    reason : str
        Why there is no machine code; "" if there is.
    counts : Mapping of str to int
        What was done, in numbers that do not depend on the machine: ``equations``, ``hoisted``, ``nests``, ``roots``,
        ``passes`` (arrays that nests read or write, each once per nest), ``library_calls``, ``python_calls``, ``loops``,
        ``branches``, ``copies``, ``in_place``, ``carried_in_registers``, ``carried_in_place``, ``carried_in_two_buffers``,
        ``carried_stacks``, ``stacks``, and in bytes ``workspace``, ``results`` and, where it is known, ``peak``.
    memory : Memory or None
        What a call takes; see ``jit(f).memory``.
    seconds : Mapping of str to float
        Of each pass; of the last, machine code, once it is looked at.
    """

    def __init__(self, name: str, staged: _Staged, direct: Callable[[Any], bool]):
        self.name, self.reason = name, staged.reason
        self._recorded, self._graph, self._passes = staged.recorded, staged.graph, None
        self.seconds: dict[str, float] = {}
        self.counts: Mapping[str, int] = {}
        self.memory: Memory | None = None
        self._direct = False
        if self._graph is None:
            return
        if self._recorded is not None:
            begun = time.perf_counter()
            simplify(self._recorded)
            self.seconds["simplify"] = time.perf_counter() - begun
        self._passes = passes(self._graph)
        if self._passes is None:
            self.reason = "it takes or gives what the compiler does not know (long doubles, say)"
            return
        self._direct = direct(self._passes.compiled)
        self.counts, self.memory = self._passes.counts, self._passes.memory
        self._passes.seconds.update(self.seconds)
        self.seconds = self._passes.seconds

    def _need(self) -> Passes:
        if self._passes is None:
            raise InputError(f"there is no machine code of {self.name}: {self.reason}")
        return self._passes

    @property
    def recorded(self) -> str:
        """The graph as it was recorded."""
        return _text(self._recorded)

    @property
    def simplify(self) -> str:
        """The graph, simplified: what the interpreter runs."""
        return _text(self._graph)

    @property
    def hoist(self) -> str:
        """The graph that code is written for: what loops of known length do over and over is done once."""
        return _text(self._need().hoisted)

    @property
    def plan(self) -> str:
        """The items in order, each with the lines of the program that it stands for."""
        return "\n".join(map(str, self._need().plan))

    @property
    def llvm(self) -> str:
        """The module, in LLVM's language."""
        return self._need().llvm

    @property
    def assembly(self) -> str:
        """The machine code, as assembly."""
        return self._need().code()[1]

    def __repr__(self) -> str:
        return f"<compilation of {self.name}; print it>"

    def __str__(self) -> str:
        if self._graph is None:
            return f"{self.name} runs unstaged, as plain Python: {self.reason}"
        inputs, outputs = self._graph.types
        head = f"{self.name}: {_types(inputs)} -> {_types(outputs)}"
        before = "" if self._recorded is None else f"{_number(equations(self._recorded), 'equation')} recorded, "
        rows = [("simplify", f"{before}{equations(self._graph)} left")]
        if self._passes is None:
            return "\n".join([head, *[self._row(*r) for r in rows], f"  it runs interpreted: {self.reason}"])
        return "\n".join([head, *[line for r in [*rows, *self._rows(self._passes)] for line in self._row(*r).split("\n")]])

    def _rows(self, p: Passes) -> list[tuple[str, str]]:
        c = p.counts
        items = [_number(c["nests"], "nest"), _number(c["library_calls"], "library call"), _number(c["loops"], "loop"),
                 _number(c["branches"], "branch", "branches"), f"{_number(c['python_calls'], 'call')} of Python"]
        shown = p.plan if len(p.plan) <= _SHOWN else p.plan[:_SHOWN - 1]
        plan = [_cut(str(line)) for line in shown]
        if len(p.plan) > _SHOWN:
            plan.append(f"... and {len(p.plan) - len(shown)} more: see .plan")
        buffers = [str(p.memory), f"{c['in_place']} in place, {_number(c['copies'], 'copy', 'copies')}"]
        ways = ("in_registers", "in_place", "in_two_buffers", "stacks")
        carried = [f"{c['carried_' + w]} {w.replace('_', ' ')}" for w in ways if c["carried_" + w]]
        if carried:
            buffers.append("carried from one iteration to the next: " + ", ".join(carried))
        if c["stacks"]:
            buffers.append(_number(c["stacks"], "stack"))
        if p.memory.constants:
            buffers.append(f"constant arrays: {bytes_text(p.memory.constants)}")
        outer = f", calls {', '.join(s.removeprefix('wg_') for s in p.symbols)}" if p.symbols else ""
        return [("hoist", _number(c["hoisted"], "equation")), ("partition", ", ".join(items)),
                *[("", line) for line in plan], *[("buffers" if k == 0 else "", _cut(b)) for k, b in enumerate(buffers)],
                ("LLVM", _cut(f"{len(p.llvm.splitlines()):,} lines{outer}")), ("machine code", f"{p.code()[0]:,} B"),
                ("call", "straight from Python's call into machine code" if self._direct else
                 "by way of Python, which takes the arguments apart")]

    def _row(self, name: str, text: str) -> str:
        took = self.seconds.get(name)
        return f"  {name:<13} {text:<64}{'' if took is None else f' {1e3 * took:6.1f} ms'}".rstrip()


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[:_WIDTH - 3] + "..."


def _number(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _types(types: tuple[ArrayType, ...]) -> str:
    shown = [repr(t) for t in types[:6]] + (["..."] if len(types) > 6 else [])
    return f"({', '.join(shown)})" if len(types) != 1 else shown[0]


def _text(graph: Graph | None) -> str:
    return "" if graph is None else to_text(graph, short=True)


def explain_compilation(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Compilation:
    """What the compiler makes of a function at these arguments, pass by pass. The function is traced, but not run.

    Parameters
    ----------
    f : callable
        A function, or what `jit` made of one.
    *args, **kwargs
        Its arguments; shapes, dtypes and static values count.

    Returns
    -------
    Compilation
        Printed, it fits one screen; ``simplify``, ``hoist``, ``plan``, ``llvm`` and ``assembly`` are the passes in full, and
        ``counts`` has numbers that do not depend on the machine.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> def rosenbrock(x):
    ...     return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
    >>> explained = wg.explain_compilation(wg.grad(rosenbrock), np.ones(1000))
    >>> explained.counts["nests"], explained.counts["passes"], explained.counts["peak"]
    (1, 2, 8000)
    """
    if not callable(f):
        raise InputError(f"explain_compilation: {not_a_function(f)}")
    jitted = f if isinstance(f, _Jitted) else jit(f)
    staged = jitted.explained(args, kwargs)
    return Compilation(getattr(jitted.f, "__qualname__", repr(jitted.f)), staged,
                       lambda compiled: jitted.direct(staged, args, kwargs, compiled))
