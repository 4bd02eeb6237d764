"""Kernels: a graph becomes the text of a module, and a module something that can be called.

What comes in: a graph. What goes out: a `Compiled`, called with the values of its inputs as a `Program` is. The one idea:
one function holds the whole graph, its loops included; memory it needs is one workspace, whose size is known before it
runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.backends.compiled import checked, control, machine, relax
from wengert.backends.compiled.block import Block
from wengert.backends.compiled.code import NOT_SURE, OUT_OF_BOUNDS, Code, Module
from wengert.backends.compiled.hoist import hoisted
from wengert.backends.compiled.lower import lowered
from wengert.backends.compiled.merge import merged
from wengert.backends.compiled.notes import Notes
from wengert.backends.compiled.stacks import Stacks
from wengert.backends.interpret import Program, note_lines
from wengert.graph import ArrayType, Const, Equation, Graph, Var
from wengert.graph.walk import subgraphs, with_subgraphs

__all__ = ["Builder", "Compiled", "built", "compile_graph", "flattened", "prepared"]

ALIGN = 64
IN_TEXT = 1024  # bytes of a constant array that stands in the text
POLL_MASK = (1 << 16) - 1
SLP_BITS = 256  # the widest vectors that LLVM makes of scalar code; wider ones cost more to fill than they save


@dataclass(eq=False)
class Room:
    """A piece of the workspace."""

    pointer: str
    start: int
    size: int


class Arena:
    """The workspace: pieces that are in use, and the most that ever was."""

    def __init__(self) -> None:
        self.free: list[tuple[int, int]] = []  # (start, size), in order
        self.top = self.most = 0

    def take(self, size: int) -> int:
        size = max(-(-size // ALIGN) * ALIGN, ALIGN)
        best = min((k for k, (_, n) in enumerate(self.free) if n >= size), key=lambda k: self.free[k][1], default=None)
        if best is not None:
            start, n = self.free.pop(best)
            if n > size:
                self.free.append((start + size, n - size))
            return start
        start = self.top
        self.top += size
        self.most = max(self.most, self.top)
        return start

    def give(self, start: int, size: int) -> None:
        self.free.append((start, max(-(-size // ALIGN) * ALIGN, ALIGN)))
        self.free.sort()
        merged: list[tuple[int, int]] = []
        for s, n in self.free:
            if merged and merged[-1][0] + merged[-1][1] == s:
                merged[-1] = (merged[-1][0], merged[-1][1] + n)
            else:
                merged.append((s, n))
        if merged and merged[-1][0] + merged[-1][1] == self.top:
            self.top = merged.pop()[0]
        self.free = merged


class Builder(Stacks):
    """What the blocks of one kernel share."""

    def __init__(self) -> None:
        self.module = Module(machine.vector_bytes())
        self.code = Code(self.module)
        self.prologue: list[str] = []
        self.arena = Arena()
        self.constants: list[np.ndarray[Any, Any]] = []
        self.texts: dict[Const, str] = {}  # small constant -> its name in the text
        self.rows: dict[Const, int] = {}  # large constant -> its place in the table
        self.hosts: list[tuple[Equation, frozenset[str]]] = []
        self.reasons: list[str] = []
        self.flag_name = ""
        self.polls = False
        self.descriptors: list[tuple[str, Any]] = []
        self.notes = Notes()

    # ------------------------------------------------------------ memory

    def take(self, size: int) -> Room:
        start = self.arena.take(size)
        return Room(self.code.op(f"getelementptr i8, ptr %workspace, i64 {start}", "w"), start, size)

    def release(self, room: Room) -> None:
        self.arena.give(room.start, room.size)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Callable[[int], str]]:
        rooms: list[Room] = []

        def give(size: int) -> str:
            rooms.append(self.take(size))
            return rooms[-1].pointer
        yield give
        for room in rooms:
            self.release(room)

    def alloca(self, kind: str, prefix: str = "a") -> str:
        name = "%" + self.module.fresh(prefix)
        self.prologue.append(f"  {name} = alloca {kind}, align {ALIGN if '[' in kind else 8}")
        return name

    def local(self, t: ArrayType) -> str:
        """Memory of a small array, for the whole call."""
        return self.alloca(f"[{max(t.size * t.dtype.itemsize, 1)} x i8]")

    def constant(self, c: Const) -> str:
        """Where a constant array lies: a small one in the text, a large one in the table that the kernel is given."""
        if c.value.nbytes <= IN_TEXT:
            if c not in self.texts:
                self.texts[c] = name = f"@c{len(self.texts)}"
                data = "".join(f"\\{b:02X}" for b in np.ascontiguousarray(c.value).tobytes())
                self.module.declare(
                    f'{name} = private constant [{max(c.value.nbytes, 1)} x i8] c"{data or chr(92) + "00"}", align 64'
                )
            return self.texts[c]
        if c not in self.rows:
            self.rows[c] = len(self.constants)
            self.constants.append(np.ascontiguousarray(c.value))
        table = self.code.op("getelementptr ptr, ptr %env, i64 3", "p")
        at = self.code.op(f"getelementptr ptr, ptr {self.code.op(f'load ptr, ptr {table}', 'p')}, i64 {self.rows[c]}", "p")
        return self.code.op(f"load ptr, ptr {at}", "p")

    def zeros(self, t: ArrayType) -> str:
        size = max(t.size * t.dtype.itemsize, 1)
        self.module.declare(f"@zeros{size} = internal global [{size} x i8] zeroinitializer, align 64")
        return f"@zeros{size}"

    def clear(self, pointer: str, size: int) -> None:
        self.module.declare("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        self.code.line(f"call void @llvm.memset.p0.i64(ptr {pointer}, i8 0, i64 {size}, i1 false)")

    def copy(self, target: str, source: str, size: str) -> None:
        self.notes.count("copies")
        self.module.declare("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
        self.code.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)")

    def copy_if_other(self, target: str, source: str, size: int) -> None:
        same, then, done = self.code.op(f"icmp eq ptr {target}, {source}"), self.module.fresh("B"), self.module.fresh("B")
        self.code.line(f"br i1 {same}, label %{done}, label %{then}")
        self.code.label(then)
        self.copy(target, source, str(size))
        self.code.line(f"br label %{done}")
        self.code.label(done)

    @contextlib.contextmanager
    def counted(self, count: str) -> Iterator[str]:
        """A loop of `count` (at least one) iterations."""
        before, head, latch, done = (self.module.fresh("B") for _ in range(4))
        i = "%" + self.module.fresh("i")
        self.code.line(f"br label %{before}")
        self.code.label(before)
        self.code.line(f"br label %{head}")
        self.code.label(head)
        spot = len(self.code.lines)
        yield i
        self.code.line(f"br label %{latch}")
        self.code.label(latch)
        following = self.code.op(f"add nuw nsw i64 {i}, 1", "i")
        self.code.line(f"br i1 {self.code.op(f'icmp slt i64 {following}, {count}')}, label %{head}, label %{done}")
        self.code.label(done)
        self.code.lines.insert(spot, f"  {i} = phi i64 [0, %{before}], [{following}, %{latch}]")

    # ------------------------------------------------------------ leaving early

    def flag(self) -> str:
        if not self.flag_name:
            self.flag_name = self.alloca("i1")
            self.prologue.append(f"  store i1 true, ptr {self.flag_name}")
        return self.flag_name

    def fail(self, condition: str, reason: str) -> None:
        """Leave with the number of this check if the condition holds."""
        self.reasons.append(reason)
        self.leave(condition, str(len(self.reasons)))

    def leave(self, condition: str, status: str) -> None:
        bad, good = self.module.fresh("B"), self.module.fresh("B")
        self.code.line(f"br i1 {condition}, label %{bad}, label %{good}")
        self.code.label(bad)
        self.code.line(f"store i64 {status}, ptr %status")
        self.code.line("br label %leave")
        self.code.label(good)

    def poll(self) -> None:
        """Every so many iterations, ask whether to go on."""
        if not self.polls:
            self.polls = True
            self.poll_count = self.alloca("i64")
            self.prologue.append(f"  store i64 0, ptr {self.poll_count}")
        old = self.code.op(f"load i64, ptr {self.poll_count}")
        new = self.code.op(f"add i64 {old}, 1")
        self.code.line(f"store i64 {new}, ptr {self.poll_count}")
        ask, on = self.module.fresh("B"), self.module.fresh("B")
        now = self.code.op(f"icmp eq i64 {self.code.op(f'and i64 {new}, {POLL_MASK}')}, 0")
        self.code.line(f"br i1 {now}, label %{ask}, label %{on}")
        self.code.label(ask)
        at = self.code.op("getelementptr ptr, ptr %env, i64 2", "p")
        answer = self.code.op(f"call i64 {self.code.op(f'load ptr, ptr {at}', 'p')}()")
        self.leave(self.code.op(f"icmp ne i64 {answer}, 0"), "-3")
        self.code.line(f"br label %{on}")
        self.code.label(on)

    # ------------------------------------------------------------ Python

    def host(self, e: Equation, operands: Sequence[str], results: Sequence[str], lines: frozenset[str]) -> None:
        """Python runs an equation, which stands for these lines of the user's, on the kernel's memory."""
        number = len(self.hosts)
        self.hosts.append((e, lines))
        tables = []
        for pointers in (operands, results):
            table = self.alloca(f"[{max(len(pointers), 1)} x ptr]")
            for k, p in enumerate(pointers):
                self.code.line(f"store ptr {p}, ptr {self.code.op(f'getelementptr ptr, ptr {table}, i64 {k}', 'p')}")
            tables.append(table)
        at = self.code.op("getelementptr ptr, ptr %env, i64 1", "p")
        entry = self.code.op(f"getelementptr ptr, ptr {self.code.op(f'load ptr, ptr {at}', 'p')}, i64 {number}", "p")
        function = self.code.op(f"load ptr, ptr {entry}", "p")
        answer = self.code.op(f"call i64 {function}(ptr {tables[0]}, ptr {tables[1]})")
        self.leave(self.code.op(f"icmp ne i64 {answer}, 0"), "-1")

    # ------------------------------------------------------------ the whole

    def kernel(self, graph: Graph) -> None:
        """The text of ``@kernel``."""
        code = self.code
        block = Block(self, graph)
        for k, v in enumerate(graph.inputs):
            at = code.op(f"getelementptr ptr, ptr %in, i64 {k}", "p")
            block.pointers[v] = code.op(f"load ptr, ptr {at}", "p")
        targets = []
        for k in range(len(graph.outputs)):
            at = code.op(f"getelementptr ptr, ptr %out, i64 {k}", "p")
            targets.append(code.op(f"load ptr, ptr {at}", "p"))
        dest: dict[Var, str] = {}
        for o, p in zip(graph.outputs, targets, strict=True):
            if isinstance(o, Var) and o not in graph.inputs:
                dest.setdefault(o, p)
        block.prefer(dest)
        block.run()
        for k, p in enumerate(targets):
            block.output(k, p)
        code.line("store i64 0, ptr %status")
        code.line("br label %leave")
        code.label("leave")
        self.release_stacks()
        code.line(f"ret i64 {code.op('load i64, ptr %status')}")
        head = ["define i64 @kernel(ptr %in, ptr %out, ptr %env) #0 {", "entry:", "  %status = alloca i64",
                "  %workspace = load ptr, ptr %env", *self.prologue, "  br label %begin", "begin:"]
        self.module.functions.append("\n".join([*head, *code.lines, "}"]))
        self.module.declare(
            f'attributes #0 = {{ nounwind "prefer-vector-width"="{min(8 * self.module.vector_bytes, SLP_BITS)}" }}'
        )


def flattened(graph: Graph) -> Graph:
    """The graph with the calls of other graphs written out."""
    if not any(e.primitive.name == "call" for e in _all(graph)):
        return graph
    env: dict[Any, Any] = {}
    equations: list[Equation] = []
    lines = {}

    def walk(g: Graph) -> None:
        for e in g.equations:
            operands = [env.get(o, o) for o in e.operands]
            if e.primitive.name == "call":
                inner = e.params["graph"]
                env.update(zip(inner.inputs, operands, strict=True))
                walk(inner)
                env.update(zip(e.results, [env.get(o, o) for o in inner.outputs], strict=True))
                continue
            params = {k: with_subgraphs(v, flattened) for k, v in e.params.items()} if e.primitive.holds_graphs else e.params
            results = [Var(r.type) for r in e.results]
            env.update(zip(e.results, results, strict=True))
            new = Equation(e.primitive, operands, params, results)
            equations.append(new)
            if e in g.lines:
                lines[new] = g.lines[e]
    walk(graph)
    return Graph(graph.inputs, tuple(equations), tuple([env.get(o, o) for o in graph.outputs]), lines)


def _all(graph: Graph) -> Iterator[Equation]:
    for e in graph.equations:
        yield e
        for g in subgraphs(e):
            yield from _all(g)


# ---------------------------------------------------------------- calling it

class Compiled:
    """A graph as machine code.

    Attributes
    ----------
    text : str
        The LLVM module.
    workspace : int
        Bytes of memory that a call needs besides its results.
    called : tuple of Equation
        What Python runs.
    arrays : tuple of ndarray
        Large constants.
    hosts, constants : int
        Addresses of the tables of the functions that do, and of large constants; 0 if there is none.
    """

    def __init__(self, graph: Graph, builder: Builder):
        self.graph, self.reasons = graph, builder.reasons
        self.text, self.workspace = builder.module.text(), builder.arena.most
        self.symbols: Mapping[str, int] = dict(builder.module.symbols)
        self.inputs, self.outputs = graph.types
        self.pure = all(e.pure for e in graph.equations)
        self.called, self.arrays = tuple([e for e, _ in builder.hosts]), tuple(builder.constants)
        self.errors: threading.local = threading.local()
        self._callbacks = [_host(e, self.errors, lines) for e, lines in builder.hosts]
        self._hosts = (ctypes.c_void_p * max(len(self.called), 1))(
            *[ctypes.cast(c, ctypes.c_void_p).value for c in self._callbacks])
        self._constants = (ctypes.c_void_p * max(len(self.arrays), 1))(*[c.ctypes.data for c in self.arrays])
        self.hosts = ctypes.addressof(self._hosts) if self.called else 0
        self.constants = ctypes.addressof(self._constants) if self.arrays else 0
        self.library: machine.Library | None = None
        self._kernel: tuple[machine.Library, Any] | None = None
        self._program: Program | None = None

    def _loaded(self) -> tuple[machine.Library, Any]:
        """``kernel(in, out, env)`` for ctypes, and its library: another thread may put another in the place of both."""
        found = self._kernel
        if found is None:
            library = self.library
            if library is None:
                library = self.library = machine.load(self.text, self.symbols, names=("kernel",))
            found = self._kernel = library, _KERNEL(library.address("kernel"))
        return found

    @property
    def function(self) -> Any:
        """``kernel(in, out, env)``, for ctypes; it may be called while this lives."""
        return self._loaded()[1]

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        arrays = [_ready(v, t) for v, t in zip(values, self.inputs, strict=True)]
        out = [np.empty(t.shape, t.dtype) for t in self.outputs]
        space = np.empty(self.workspace + ALIGN, np.uint8)
        start = space.ctypes.data
        env = (ctypes.c_void_p * 4)(
            start + -start % ALIGN, self.hosts, ctypes.cast(_POLL, ctypes.c_void_p).value, self.constants
        )
        library, function = self._loaded()  # held while it runs
        status = function((ctypes.c_void_p * max(len(arrays), 1))(*[a.ctypes.data for a in arrays]),
                          (ctypes.c_void_p * max(len(out), 1))(*[a.ctypes.data for a in out]), env)
        if status:
            return self.failed(status, values)
        return tuple([a if a.ndim else a[()] for a in out])

    def failed(self, status: int, values: Sequence[Any]) -> tuple[Any, ...]:
        """What Python would have raised: of a graph without effects, by running it again."""
        error, self.errors.pending = getattr(self.errors, "pending", None), None
        if status == -1 and error is not None:
            raise error
        if status == -2:
            raise MemoryError("no memory for what a loop saves")
        if self.pure:
            if self._program is None:
                self._program = Program(self.graph)
            if self.reasons[status - 1] != NOT_SURE:
                return self._program(*values)
            with np.errstate(all="ignore"):  # as compiled code, which gives no warnings
                return self._program(*values)
        reason = self.reasons[status - 1]
        raise _ERRORS.get(reason, np.linalg.LinAlgError)(reason)


_ERRORS: dict[str, type[Exception]] = {
    OUT_OF_BOUNDS: IndexError, checked.LARGE: OverflowError, checked.TOO_LARGE: OverflowError, checked.NOT_A_NUMBER: ValueError,
    checked.BY_ZERO: ZeroDivisionError}


_KERNEL = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_HOST = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_void_p))
# Called by a kernel that holds the lock of the interpreter: a signal's handler runs, and its exception waits.
_POLL = ctypes.PYFUNCTYPE(ctypes.c_int64)(("PyErr_CheckSignals", ctypes.pythonapi))


def _ready(value: Any, t: ArrayType) -> np.ndarray[Any, Any]:
    array = np.ascontiguousarray(value, t.dtype) if t.shape else np.asarray(value, t.dtype)
    if array.shape != t.shape:
        raise TypeError(f"an array of shape {array.shape} where {t} is expected")
    return array if array.flags.aligned else array.copy()


def _view(address: int | None, t: ArrayType) -> Any:
    size = t.size * t.dtype.itemsize
    if not size:
        return np.empty(t.shape, t.dtype)
    assert address is not None
    return np.frombuffer(memoryview((ctypes.c_char * size).from_address(address)), t.dtype).reshape(t.shape)


def _host(e: Equation, errors: threading.local, lines: frozenset[str]) -> Any:
    """A C function that runs one equation with NumPy."""
    params = dict(e.params)
    borrowed = e.pure and e.primitive.name != "python_call"  # others may keep what they are given

    def run(operands: Any, results: Any) -> int:
        try:
            values = []
            for k, o in enumerate(e.operands):
                v = _view(operands[k], o.type)
                v = v if borrowed else np.array(v)
                values.append(v if v.ndim else v[()])
            out = e.primitive.evaluate(*values, **params)
            for k, (r, y) in enumerate(zip(e.results, out if e.primitive.multiple else (out,), strict=True)):
                if r.type.size:
                    _view(results[k], r.type)[...] = y
        except BaseException as error:
            note_lines(error, lines)
            errors.pending = error
            return 1
        return 0
    return _HOST(run)


def compile_graph(graph: Graph) -> Compiled | None:
    """The code of a graph, not yet loaded; None if it has something unknown to the compiler (a stack as a result, say)."""
    flat = prepared(graph)
    return None if flat is None else Compiled(graph, built(flat))


def prepared(graph: Graph, asks: bool = True) -> Graph | None:
    """The graph that code is written for: calls written out, loops relieved; None as for `compile_graph`.

    `asks`: where it cannot be sure of a result, it may leave the call to the interpreter.
    """
    if any(not isinstance(v.type, ArrayType) or v.type.dtype.kind not in "fciub" for v in (*graph.inputs, *graph.outputs)):
        return None
    flat = merged((relax.relaxed if asks else relax.plain)(hoisted(lowered(flattened(graph)))))
    return flat if control.supported(flat) and not any(_odd(e) for e in _all(flat)) else None


def built(flat: Graph, *, standalone: bool = False) -> Builder:
    """The code of a graph that is `prepared`; `standalone` avoids libraries that only this process has, where it can."""
    builder = Builder()
    builder.module.standalone = standalone
    builder.kernel(flat)
    return builder


def _odd(e: Equation) -> bool:
    """Whether an equation has numbers that the compiler does not know: half and extended precision, other byte orders."""
    return any(v.type.dtype.kind not in "fciub" or not v.type.dtype.isnative
               or (v.type.dtype.kind == "f" and v.type.dtype.itemsize not in (4, 8))
               or (v.type.dtype.kind == "c" and v.type.dtype.itemsize not in (8, 16)) for v in (*e.operands, *e.results))


