"""Tiers: what runs a graph that is called again and again.

What comes in: a graph. What goes out: a `Runner`, called with the values of its inputs. The one idea: the first calls are
interpreted, unless that is sure to take longer than to compile; machine code is made when interpreting has cost about as much
as making it will.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.backends.interpret import Program
from wengert.errors import UnsupportedError
from wengert.graph import ArrayType, Graph
from wengert.graph.walk import subgraphs
from wengert.settings import config

if TYPE_CHECKING:
    from wengert.backends.compiled.kernel import Compiled

__all__ = ["Runner"]

EQUATION = 5e-6    # seconds to interpret one
COMPILE = 3e-4     # seconds to compile one
START = 0.02       # seconds that compiling takes at least
FIRST = 0.08       # likewise, in a process that has not compiled before
UNKNOWN = 100      # iterations of a loop whose number nobody knows
LARGE = 100_000    # bytes that a call has to do with: then it lets other threads of Python run
ELEMENT = 2e-9     # seconds to interpret an element of a result
SOON = 0.3         # seconds that compiling may take for a function just because it is called again
EAGER = 2.0        # interpreting once may cost so many times what compiling costs


def _sizes(graph: Graph) -> tuple[float, float]:
    """Equations in the text, and equations that run."""
    text = runs = 0.0
    for e in graph.equations:
        elements = sum(r.type.size for r in e.results if isinstance(r.type, ArrayType))
        text, runs = text + 1.0, runs + 1.0 + elements * (ELEMENT / EQUATION)
        size = e.params.get("size") if e.primitive.name == "scan" else None
        times = UNKNOWN if e.primitive.name == "while_loop" or (e.primitive.name == "scan" and size is None) else size or 1
        for g in subgraphs(e):
            inner = _sizes(g)
            text, runs = text + inner[0], runs + times * inner[1]
    return text, runs


def _keeps_little(graph: Graph) -> bool:
    """Whether a graph was cut to take little memory."""
    return any(e.params.get("checkpoint") or "checkpoints" in e.params or any(map(_keeps_little, subgraphs(e)))
               for e in graph.equations)


class Runner:
    """A graph, ready to run.

    Attributes
    ----------
    compiled : Compiled or None
        Its machine code, once there is some.
    """

    __slots__ = ("busy", "calls", "compiled", "entered", "graph", "price", "program", "refused", "spent")

    def __init__(self, graph: Graph):
        self.graph = graph
        self.program = Program(graph)
        self.compiled: Compiled | None = None
        self.entered: Any = None  # what is called, once there is machine code
        self.refused = False
        text, runs = _sizes(graph)
        self.price = COMPILE * text + (START if "llvmlite" in sys.modules else FIRST)
        self.spent = EQUATION * runs - (EAGER - 1.0) * self.price  # an eager start; what comes on top is measured
        if _keeps_little(graph):  # to fuse is to take less memory
            self.spent = self.price
        self.calls = 0
        self.busy: tuple[int, int] | None = None  # the process and the thread that compile

    def due(self) -> bool:
        """Whether it is time to compile."""
        return self.compiled is None and not self.refused and config.backend == "compiled" and (
            self.spent >= self.price or (self.calls >= 3 and self.price <= SOON))

    def compile(self) -> Compiled | None:
        """Machine code, if it can be made."""
        if self.compiled is None and not self.refused:
            from wengert.backends.compiled.kernel import compile_graph
            self.compiled = self.attempt(lambda: compile_graph(self.graph))
            self.refused = self.compiled is None
        return self.compiled

    def alone(self, make: Callable[[], Any], wait: bool) -> None:
        """Do what takes long, unless another thread is at it: then go on without, or wait until it is done.

        No lock: a child of `fork` would find it taken by a thread that it does not have.
        """
        me = os.getpid(), threading.get_ident()
        while self.busy is not None and self.busy[0] == me[0] and self.busy[1] != me[1]:
            if not wait:
                return
            time.sleep(1e-3)
        before, self.busy = self.busy, me
        try:
            make()
        finally:
            self.busy = before

    def attempt(self, make: Callable[[], Any]) -> Any:
        """What a step of the compiler makes; after a fault of its own, None: the interpreter has no need of it."""
        try:
            return make()
        except Exception as error:
            warnings.warn(f"wengert could not compile a graph, which runs interpreted (please report this): "
                          f"{type(error).__name__}: {error}", stacklevel=3)
            self.compiled, self.refused = None, True
            return None

    def large(self) -> bool:
        """Whether a call works long enough to let other threads run."""
        c = self.compiled
        return c is not None and ("wg_parallel" in c.symbols or (
            c.workspace + sum(8 * t.size for t in (*c.inputs, *c.outputs)) > LARGE))

    def _enter(self) -> Any:
        """The entry of a kernel that no caller has linked with one of its own."""
        c = self.compiled
        assert c is not None
        if c.library is None:
            from wengert.backends.compiled import native
            try:
                entered = native.Program(
                    c, c.inputs, c.outputs, lambda status, *values: c.failed(status, values), release=self.large()
                )
                found = native.installed(entered)
                c.library = None if found is None else found.library
                return entered
            except UnsupportedError:  # a Python whose objects are laid out otherwise: by ctypes
                assert c.function is not None
        return c

    def entry(self) -> Any:
        """What is called in place of the interpreter, or None: there is no machine code, or it may not run now."""
        if self.compiled is None or config.backend != "compiled" or _strict():
            return None
        if self.entered is None:
            self.entered = self.attempt(self._enter)
        return self.entered

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        """The interpreter's values."""
        self.calls += 1
        begun = time.perf_counter()
        out = self.program(*values)
        self.spent = max(self.spent, 0.0) + time.perf_counter() - begun
        return out


def _strict() -> bool:
    """Whether NumPy is to raise or report floating-point errors, which machine code does not notice."""
    return not {"ignore", "warn"}.issuperset(np.geterr().values())
