"""Traces: what records the operations of a running Python function.

What comes in: primitives applied to tracers. What goes out: equations in an interned graph, and the value of each
result, computed when it is recorded. The one idea: equations are interned across calls, so that running a
function again finds the same variables, and an output variable *is* the key of its graph.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import sysconfig
import threading
import types
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.errors import EscapedTracerError, UnsupportedError
from wengert.frontends import warned
from wengert.graph import (
    REGISTRY,
    ArrayType,
    Atom,
    Build,
    Const,
    Equation,
    Graph,
    Primitive,
    Stack,
    Var,
    has_no_effect,
    type_of,
)
from wengert.graph.build import params_key

__all__ = ["APPLIED", "CLOCK", "HERE", "OPEN", "Frame", "Interned", "Trace", "active_frame", "active_trace", "fresh_build",
           "in_turn", "interned_build", "is_asked_for_a_product", "is_home", "is_library", "library_call", "note_write",
           "require_plain", "same_bits", "shown", "under_vmap", "user_line"]

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep
_LIBRARIES = tuple({os.path.realpath(p) + os.sep for key in ("stdlib", "platstdlib", "purelib", "platlib")
                    if (p := sysconfig.get_paths().get(key))} | {HERE})
_WRAPPERS = ("numpy._core", "numpy.lib")  # what any call of NumPy runs through
_LIBRARY: dict[str, bool] = {}
_MOST_FILES = 10_000
_MOST_SEEN = 10_000  # objects looked at for what one operand holds
_LIMIT = 50_000  # equations, and what is as large as an equation, kept for re-use by later calls, per thread
_EQUATION = 4_000  # bytes of an equation and of what is derived from it, about


def is_library(filename: str) -> bool:
    """Whether a file is not the user's own: Python's, an installed package's, wengert's."""
    found = _LIBRARY.get(filename)
    if found is None:
        if len(_LIBRARY) >= _MOST_FILES:
            _LIBRARY.clear()
        real = os.path.realpath(filename)
        found = _LIBRARY[filename] = filename.startswith(("<frozen", "<__array_function__")) or (
            real.startswith(_LIBRARIES) or f"{os.sep}site-packages{os.sep}" in real)
    return found


def user_line() -> str:
    """``file.py:12`` of the innermost frame that is the user's; if none is, that is neither wengert's nor NumPy's."""
    frame = sys._getframe(1)
    library = ""
    while frame is not None:
        name = frame.f_code.co_filename
        if not is_library(name):
            return f"{name}:{frame.f_lineno}"
        if not library and not name.startswith((HERE, _NUMPY, "<__array_function__")):
            library = f"{name}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return library or "<unknown>"


APPLIED = threading.local()  # its `lines`: those of the equation that is recorded again, where a graph is applied


PAST_JUMP = "past the jump"  # a branch that the program does not hold: what follows break, continue or an early return


def in_turn(turn: int, run: Callable[[], Any], rest: bool = False) -> Any:
    """Run a turn of a loop that is unrolled, or the `rest` from that turn on; lines name it where they name passes, too."""
    frame = active_frame()
    if frame is None or not getattr(APPLIED, "passes", False):
        return run()
    before = getattr(APPLIED, "turns", ())
    around = before
    if around and around[-1][0] is frame and around[-1][2]:  # of the rest of the same loop
        turn, around = turn + around[-1][1], around[:-1]
    APPLIED.turns = (*around, (frame, turn, rest, os.path.basename(user_line())))
    try:
        return run()
    finally:
        APPLIED.turns = before


def past_jump(run: Callable[[], Any]) -> Any:
    """Record a branch around what follows a jump; its line says so where lines name passes."""
    frame = active_frame()
    if frame is None or not getattr(APPLIED, "passes", False):
        return run()
    before = getattr(APPLIED, "jumped", None)
    APPLIED.jumped = frame
    try:
        return run()
    finally:
        APPLIED.jumped = before


def _turns() -> str:
    """What `in_turn` and `past_jump` add to a line, in this frame."""
    jumped, turns = getattr(APPLIED, "jumped", None), getattr(APPLIED, "turns", ())
    if jumped is None and not turns:
        return ""
    frame = _LOCAL.frame
    past = f" [{PAST_JUMP}]" if jumped is not None and jumped is frame else ""
    return past + "".join(f" [from turn {turn}]" if rest else f" [turn {turn} of the loop at {line}]"
                          for around, turn, rest, line in turns if around is frame)


def public(module: str) -> str:
    """``scipy.sparse`` for ``scipy.sparse._construct``."""
    return ".".join(part for part in module.split(".") if not part.startswith("_"))


def library_call() -> str:
    """", inside scipy.signal" if a library, and not the user, is at work on a traced value; else ""."""
    frame = sys._getframe(1)
    inside = ""
    while frame is not None and is_library(name := frame.f_code.co_filename):
        module = frame.f_globals.get("__name__", "")
        decorator = inside and module.startswith("scipy._lib")  # it stands around the function that was called
        if not name.startswith((HERE, "<")) and not module.startswith(_WRAPPERS) and not decorator:
            inside = public(module)
        frame = frame.f_back  # type: ignore[assignment]
    return f", inside {inside}" if inside and frame is not None else ""


def is_asked_for_a_product() -> bool:
    """Whether what asks our caller for an array is SciPy's product of sparse matrices, which leaves it to what is none."""
    asking = sys._getframe(2)
    return asking.f_code.co_name == "_matmul_dispatch" and asking.f_globals.get("__name__", "").startswith("scipy.sparse")


def require_plain(x: Any, kind: Any = None) -> None:
    """Refuse arrays whose arithmetic is not ndarray's own: masks, matrix products or units would be lost in silence."""
    kind = kind or type(x)
    if kind is np.ndarray or not issubclass(kind, np.ndarray):
        return
    priority = kind.__array_priority__  # such classes put themselves before ndarray; memory maps and the like do not
    own_rules = kind.__array_ufunc__ is not np.ndarray.__array_ufunc__ \
        or kind.__array_function__ is not np.ndarray.__array_function__
    if own_rules or (isinstance(priority, (int, float)) and priority > 0):
        raise UnsupportedError(
            f"a {kind.__name__} at {user_line()} does not compute as an ordinary array does, and cannot be traced. Make it "
            f"one first: np.asarray(x) (and @ for the products of matrices; for a masked array, np.ma.filled(x, value), or "
            f"np.where with the mask)")


class Interned(Build):
    """A build that outlives a call: equal programs find equal variables again."""

    def __init__(self) -> None:
        super().__init__()
        self.numbered: dict[tuple[str, int, ArrayType], Var] = {}
        self.producer: dict[Var, tuple[int, Equation]] = {}
        self.derived: dict[Any, Any] = {}
        self.place: dict[Equation, int] = {}  # of equations with an effect
        self.lock = threading.RLock()  # a traced function may share its work among threads
        self.held = 0  # bytes of constants and of what Python functions hold, about
        self.counted: set[Graph] = set()  # graphs in `held`
        self.before = self.largest = 0  # size at the start of the last call; the most that a call added

    @property
    def size(self) -> int:
        """About how much is kept, in equations."""
        return len(self.equations) + 10 * len(self.derived) + self.held // _EQUATION

    def number(self, kind: str, k: int, type: ArrayType) -> Var:
        """The k-th input of a kind ("argument", "captured", "lifted")."""
        key = (kind, k, type)
        found = self.numbered.get(key)
        if found is None:
            found = self.numbered[key] = Var(type)
        return found

    def record(self, primitive: Primitive, operands: tuple[Atom, ...], params: Mapping[str, Any]) -> tuple[Var, ...]:
        """Emit a new equation, remembering the user's line."""
        self.at = getattr(APPLIED, "lines", None) or frozenset((user_line() + _turns(),))
        equation = self.added(primitive, operands, params)
        self.held += sum(bytes_held(x, self.counted) for x in (*operands, *params.values()) if type(x) not in _SMALL)
        place = (len(self.equations), equation)
        if not equation.pure:
            self.place[equation] = place[0]
        for r in equation.results:
            self.producer[r] = place
        if has_no_effect(primitive, params):  # last: what an interrupt, or an error, has left half done is not found again
            self.seen[primitive, operands, params_key(params)] = equation.results
        return equation.results

    def extract(self, inputs: Sequence[Var], outputs: Sequence[Atom], effects: Sequence[Equation] = ()) -> Graph:
        """The graph of these outputs (and effects), cut out of all that was ever recorded."""
        found: dict[int, Equation] = {self.place[e]: e for e in effects}
        stack = [a for a in (*outputs, *[o for e in effects for o in e.operands]) if isinstance(a, Var)]
        while stack:
            place = self.producer.get(stack.pop())
            if place is not None and place[0] not in found:
                found[place[0]] = place[1]
                stack.extend(o for o in place[1].operands if isinstance(o, Var))
        equations = tuple(found[k] for k in sorted(found))
        return Graph(tuple(inputs), equations, tuple(outputs),
                     {e: self.lines[e] for e in equations if e in self.lines})


_SMALL = frozenset((Var, int, str, bool, float, type(None), ArrayType))


def bytes_held(x: Any, counted: set[Graph]) -> int:
    """About how many bytes an operand or a parameter keeps alive: constants, graphs, closures of Python functions.

    Graphs in `counted` are left out, and others put into it.
    """
    found, seen, stack = 0, {id(x)}, [x]
    while stack and len(seen) < _MOST_SEEN:
        y = stack.pop()
        if isinstance(y, np.ndarray):
            found += y.nbytes
            continue
        if isinstance(y, Const):
            found += 2 * y.value.nbytes  # the value, and the bytes that it is compared by
            continue
        if isinstance(y, (type, types.ModuleType, types.CodeType, Build, Primitive, Trace)):
            continue
        if isinstance(y, Graph):
            if y in counted:
                continue
            counted.add(y)
        found += _EQUATION if isinstance(y, Equation) or callable(y) else 0
        fresh = [z for z in _parts(y) if type(z) not in _SMALL and id(z) not in seen]
        seen.update(map(id, fresh))
        stack.extend(fresh)
    return found


def _parts(y: Any) -> Iterable[Any]:
    """What an object holds that may be large."""
    if type(y) is tuple:
        return y
    if isinstance(y, Equation):
        return (*y.operands, *y.params.values())
    if isinstance(y, Graph):
        return (*y.equations, *y.outputs)
    if isinstance(y, types.FunctionType):
        return (y.__closure__, y.__defaults__)
    return gc.get_referents(y)


class _Local(threading.local):
    def __init__(self) -> None:
        self.build = Interned()
        self.stack: tuple[Trace, ...] = ()
        self.frame: Frame | None = None


_LOCAL = _Local()
OPEN = array("q", [0])  # how many traces are open, in all threads; machine code looks at it
CLOCK = [0]  # advances when a frame opens; what was made before it is older than the frame


def _after_fork() -> None:
    """The other threads, and their traces, are gone."""
    OPEN[0] = len(_LOCAL.stack)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def interned_build() -> Interned:
    """This thread's interned build; started anew when it has grown too large for more than the largest program in it."""
    build = _LOCAL.build
    if not _LOCAL.stack:
        size = build.size
        build.before, build.largest = size, max(build.largest, size - build.before)
        if size > _LIMIT + build.largest:
            build = _LOCAL.build = Interned()
    return build


@contextlib.contextmanager
def fresh_build(build: Interned | None = None) -> Iterator[None]:
    """Around a trace whose lines are looked at: equations that are found again have the lines of who recorded them first."""
    before = _LOCAL.build
    if not _LOCAL.stack:
        _LOCAL.build = build or Interned()
    try:
        yield
    finally:
        _LOCAL.build = before


def active_trace() -> Trace | None:
    """The innermost open trace of this thread."""
    return _LOCAL.stack[-1] if _LOCAL.stack else None


def under_vmap() -> bool:
    """Whether this thread is tracing a lane that stands for all lanes."""
    return any(trace.name == "vmap" for trace in _LOCAL.stack)


def shown() -> bool:
    """Whether this thread traces a function to show its graph, and not to derive or batch it."""
    return [trace.name for trace in _LOCAL.stack] == ["make_graph"]


class Trace:
    """One run of a function under a transform.

    Parameters
    ----------
    name : str
        What the user called ("grad"), for messages.

    Attributes
    ----------
    values : dict
        Value of each variable; a variable without one is abstract (under `vmap`).
    """

    __slots__ = ("begun", "build", "calls", "captured", "effects", "is_open", "level", "lifted", "name", "snapshots", "values")

    def __init__(self, name: str):
        self.name = name
        self.build = interned_build()
        self.begun = len(self.build.equations)
        self.values: dict[Any, Any] = {}
        self.captured: dict[Any, tuple[Var, Any]] = {}
        self.lifted: list[Var] = []
        self.effects: list[Equation] = []
        self.snapshots: dict[int, tuple[Any, np.ndarray[Any, Any], Var]] = {}
        self.calls: dict[Any, int] = {}  # how often each opaque function was called: calls with an effect are not shared
        self.is_open = False
        self.level = 0

    def run(self, body: Callable[[], Any]) -> Any:
        """What a function gives while this is the innermost trace.

        Python runs the handlers of signals where a function is entered, where one of C has returned, and where a loop turns: so
        nothing comes between statements that call nothing, and an interrupt finds the trace either not yet open or closes it. A
        context manager written in Python would do less: an interrupt as its ``__exit__`` is entered leaves it undone.
        """
        before, frame, opened = _LOCAL.stack, _LOCAL.frame, 0
        self.level = len(before) + 1
        try:
            self._opens()
            opened = 1
            OPEN[0] += 1
            _LOCAL.stack, self.is_open = (*before, self), True
            return body() if before else warned.relayed(body)
        finally:
            self.is_open = False
            _LOCAL.stack, _LOCAL.frame = before, frame
            OPEN[0] -= opened
            self._closes()

    def _opens(self) -> None:
        """Before it opens."""

    def _closes(self) -> None:
        """After it has closed."""

    def argument(self, k: int, type: ArrayType, value: Any) -> Var:
        """The variable of the k-th argument leaf; a value of None makes it abstract."""
        var = self.build.number("argument", k, type)
        if value is not None:
            self.values[var] = value
        return var

    def lift(self, value: Any) -> Var:
        """A constant as an input: the same program with another number is the same graph.

        Arrays are copied, so that a later change of the user's array cannot reach the backward pass; the copy is
        used again while it is still equal.
        """
        require_plain(value)
        if isinstance(value, np.ndarray) and value.ndim:
            return self._snapshot(value)
        return self._lifted(value[()] if isinstance(value, np.ndarray) else value)

    def _lifted(self, value: Any) -> Var:
        with self.build.lock:
            var = self.build.number("lifted", len(self.lifted), type_of(value))
            self.lifted.append(var)
            self.values[var] = value
        return var

    def _snapshot(self, array: np.ndarray[Any, Any]) -> Var:
        found = self.snapshots.get(id(array))
        if found is not None and found[0] is array and same_bits(array, found[1]):
            return found[2]
        copy = np.array(array)  # keeps the memory order
        var = self._lifted(copy)
        self.snapshots[id(array)] = (array, copy, var)
        return var

    def capture(self, tracer: Any) -> Var:
        """A tracer of an enclosing trace, as an input of this one."""
        owner, atom = tracer.build, tracer.current()
        if not owner.is_open or owner.level >= self.level:
            raise escaped(tracer)
        with self.build.lock:
            found = self.captured.get((owner, atom))
            if found is None:
                var = self.build.number("captured", len(self.captured), atom.type)
                found = self.captured[(owner, atom)] = (var, tracer.frozen())
                value = owner.values.get(atom) if isinstance(atom, Var) else atom.value
                if value is not None:
                    self.values[var] = value
            return found[0]

    def atom_of(self, value: Any) -> Any:
        """The atom of a constant, an ordinary value, or a tracer of this trace or of one around it."""
        if isinstance(value, Const):
            return value
        if hasattr(value, "current"):
            return value.current() if value.build is self else self.capture(value)
        return self.lift(value)

    def emit(self, primitive: Primitive, atoms: tuple[Atom, ...], params: Mapping[str, Any]) -> tuple[Var, ...]:
        """Record an equation, or find it again, and compute its results unless they are known or abstract."""
        if not self.is_open:
            variables = [a for a in atoms if not isinstance(a, Const)]
            raise _escaped(self.line_of(variables[0] if variables else None), self.name)
        key = (primitive, atoms, tuple(sorted(params.items())) if params else ())
        with self.build.lock:
            results = self.build.seen.get(key)
            if results is None:
                try:
                    results = self.build.record(primitive, atoms, params)
                except UnsupportedError as error:
                    raise UnsupportedError(f"{error} (at {user_line()})") from None
            if not has_no_effect(primitive, params):
                return self._effect(primitive, atoms, params, results)
            values = self.values
            if results[0] not in values:
                operands = []
                for a in atoms:
                    value = a.value if type(a) is Const else values.get(a)
                    if value is None:
                        return results
                    operands.append(value)
                out = primitive.evaluate(*operands, **params)
                if primitive.multiple:
                    values.update(zip(results, out, strict=True))
                else:
                    values[results[0]] = out
            return results

    def _effect(self, primitive: Primitive, atoms: tuple[Atom, ...], params: Mapping[str, Any],
                results: tuple[Var, ...]) -> tuple[Var, ...]:
        """An effect takes place now, unless a block around it is staged."""
        self.effects.append(self.build.equations[-1])
        if _LOCAL.frame is None:
            operands = [a.value if type(a) is Const else self.values[a] for a in atoms]
            self.values.update(zip(results, primitive.evaluate(*operands, **params), strict=True))
        return results

    def is_stopped(self, atom: Any) -> bool:
        """Whether no derivative leads to this value: all that it is made of is constant, or went through `stop_gradient`."""
        lifted, seen, stack = set(self.lifted), {atom}, [atom]
        while stack:
            place = self.build.producer.get(found := stack.pop())
            if place is None and found not in lifted:
                return False
            if place is not None and place[1].primitive.name != "stop_gradient":
                fresh = [o for o in place[1].operands if isinstance(o, Var) and o not in seen]
                seen.update(fresh)
                stack += fresh
        return True

    def line_of(self, atom: Any) -> str:
        """Where a value was made; of an equation that an earlier trace recorded, the line may be another program's."""
        count, e = self.build.producer.get(atom, (0, None))
        if e is None:
            return "in the argument list"
        line = ", ".join(sorted(self.build.lines.get(e, ())))
        return f"at {line}" if count > self.begun else f"by {e.primitive.name} (first recorded at {line})"


class Frame(Trace):
    """The trace of a block that is staged: the body of a loop, an arm of a branch, a whole function under `jit`.

    Everything computed while it is the innermost frame is recorded in it, also what depends on older values alone: it must
    not run where the block does not. Writes into older arrays are noted, and undone when the block has been traced.

    Attributes
    ----------
    epoch : int
        The clock when it opened.
    outer : Frame or None
    written : dict
        Identity of a cell -> the cell and the state that it had before its first write here.
    final : dict
        Likewise, with the state at the end; set when the frame closes.
    made : dict
        Python containers and instances made here, which may be changed here.
    """

    __slots__ = ("closed", "epoch", "final", "made", "outer", "written")

    def __init__(self, name: str):
        super().__init__(name)
        self.build = Interned()
        self.epoch = 0
        self.closed = False
        self.outer: Frame | None = None
        self.written: dict[int, tuple[Any, Any]] = {}
        self.final: dict[int, tuple[Any, Any]] = {}
        self.made: dict[int, Any] = {}

    def _opens(self) -> None:
        if not self.epoch:
            CLOCK[0] += 1
            self.epoch, self.outer = CLOCK[0], _LOCAL.frame
        _LOCAL.frame = self

    def _closes(self) -> None:
        if self.closed:  # it was opened again, to add to its graph
            return
        self.closed = True
        self.final = {key: (cell, cell.state()) for key, (cell, _) in self.written.items()}
        for cell, state in self.written.values():
            cell.restore(state)

    def lift(self, value: Any) -> Any:
        """A constant of the graph."""
        if isinstance(value, Stack):  # an empty one, which stands for zeros, is the only stack known beforehand
            assert not value
            return self.emit(REGISTRY["empty_stack"], (), {"element": value.type.element})[0]
        if isinstance(value, np.ndarray) and value.ndim:
            found: Any = self.snapshots.get(id(value))
            if found is None or found[0] is not value or not same_bits(value, found[1]):
                constant: Any = Const(value)
                found = self.snapshots[id(value)] = (value, constant.value, constant)
            return found[2]
        return Const(value)


def active_frame() -> Frame | None:
    """The innermost block that is being staged in this thread."""
    return _LOCAL.frame


def is_home(build: Any) -> bool:
    """Whether an operation on values of this trace is recorded there, and not in a block that is staged inside it."""
    frame = _LOCAL.frame
    return frame is None or build.level >= frame.level


def note_write(cell: Any) -> None:
    """Before a cell is written to: staged blocks younger than it remember its state."""
    frame = _LOCAL.frame
    while frame is not None and cell.born < frame.epoch:
        if id(cell) not in frame.written:
            frame.written[id(cell)] = (cell, cell.state())
        frame = frame.outer


def escaped(tracer: Any) -> EscapedTracerError:
    """The error for a tracer used outside its trace; it names the line that made the value."""
    return _escaped(tracer.build.line_of(tracer.atom), tracer.build.name)


def _escaped(line: str, name: str) -> EscapedTracerError:
    return EscapedTracerError(
        f"a traced value made {line} under {name} was kept and used at {user_line()}, where it no longer means "
        f"anything. Return it from the function (has_aux=True for extra results) instead of storing it")


def same_bits(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    """Equal to the bit (NaN equals NaN, 0.0 is not -0.0)."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if not a.flags.c_contiguous:
        a, b = a.T, b.T
    if a.flags.c_contiguous and b.flags.c_contiguous:
        size = 8 if a.dtype.itemsize == 16 and a.ndim else a.dtype.itemsize
        if size in (1, 2, 4, 8):
            as_int = np.dtype(f"u{size}")
            return bool(np.array_equal(a.view(as_int), b.view(as_int)))
    return a.tobytes() == b.tobytes()
