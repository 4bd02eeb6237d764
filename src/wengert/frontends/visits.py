"""Where in a running program each operation was recorded: which call, which turn of which loop.

What comes in: a run of Python code under a trace. What goes out: for each equation its path, the frames of the user's code
from the outermost to the innermost, each with its line and the turns of the loops around it. The one idea: the loops of a
function are the backward jumps of its byte code, and an instruction that comes after one is in the next turn; so loops are
counted exactly, however many stand on a line, and no line of the program is rewritten for it.
"""

from __future__ import annotations

import dis
import itertools
import math
import sys
from collections.abc import Mapping
from types import CodeType, FrameType
from typing import Any, NamedTuple

from wengert.errors import UnsupportedError
from wengert.frontends.trace import APPLIED, Interned, is_library, user_line
from wengert.graph import Atom, Primitive, Var

__all__ = ["MOST", "Loop", "Visit", "Visited"]

MOST = 100_000  # equations; more are no explanation
_GENERATOR = 0x20
_LEAVING = frozenset(("RETURN_VALUE", "RETURN_CONST", "RERAISE", "RAISE_VARARGS", "JUMP_FORWARD", "JUMP_BACKWARD",
                      "JUMP_BACKWARD_NO_INTERRUPT"))  # what comes next is not what stands next


class Loop:
    """One execution of a loop: `turns` is known when it has ended."""

    __slots__ = ("inside", "line", "range", "turns")

    def __init__(self, range: _Range):
        self.range, self.line = range, range.line
        self.turns = 0
        self.inside = False  # whether a turn has begun that no backward jump has ended

    @property
    def count(self) -> int:
        return self.turns + self.inside


class Visit(NamedTuple):
    """One frame of the user's code: `call` numbers its activations; `loops` are those around the line, each with the turn."""

    file: str
    function: str
    line: int
    call: int
    loops: tuple[tuple[Loop, int], ...]


class _Range(NamedTuple):
    """A loop in byte code, from `start` to `end`, and `apart`: its handlers of exceptions that stand behind what follows it."""

    start: int
    end: int
    apart: frozenset[int]
    line: int
    targets: frozenset[int]  # where its backward jumps go, and where they are
    jumps: frozenset[int]
    body: int | None  # of a `for`, which may share its line with others: where a turn begins
    on_one_line: bool

    def holds(self, at: int) -> bool:
        return self.start <= at <= self.end or at in self.apart

    def begins_inside(self, at: int, line: int) -> bool:
        """Whether this place is in the body, and not in the header."""
        return line != self.line or self.on_one_line if self.body is None else at >= self.body


def _ranges(code: CodeType) -> list[_Range]:
    """The loops of a function, the outer ones first."""
    instructions = list(dis.get_instructions(code))
    jumps = [(i.argval, i.offset) for i in instructions if "BACKWARD" in i.opname and "NO_INTERRUPT" not in i.opname]
    if not jumps:
        return []
    place = {i.offset: k for k, i in enumerate(instructions)}
    lines: dict[int, int] = {}
    line = code.co_firstlineno
    for i in instructions:
        line = (i.positions.lineno if i.positions else None) or line
        lines[i.offset] = line
    before = _before(code, instructions)
    found: list[_Range] = []
    for start, end in sorted(jumps):
        body, last = _header(instructions, place[start])
        members = _members(before, start, end)
        last = max([o for o in members if o < _apart(instructions)], default=end) if last is None else last
        inside = {lines[o] for o in lines if start <= o <= last or o in members}
        new = _Range(start, last, frozenset(o for o in members if o > last), min(inside), frozenset((start,)),
                     frozenset(_prefixed(instructions, place[end])), body, len(inside) == 1)
        same = next((r for r in found if _is_same(r, new)), None)
        if same is not None:
            found.remove(same)
            new = _Range(min(same.start, start), max(same.end, last), same.apart | new.apart, min(same.line, new.line),
                         same.targets | new.targets, same.jumps | new.jumps, body, same.on_one_line and new.on_one_line)
        found.append(new)
    return sorted(found, key=lambda r: (r.start, -r.end))


def _before(code: CodeType, instructions: list[dis.Instruction]) -> dict[int, set[int]]:
    """Of each place those from which it is reached at once."""
    found: dict[int, set[int]] = {i.offset: set() for i in instructions}
    for i, following in itertools.pairwise(instructions):
        if i.opname not in _LEAVING:
            found[following.offset].add(i.offset)
    for i in instructions:
        if i.opcode in dis.hasjrel or i.opcode in dis.hasjabs:
            found[i.argval].add(i.offset)
    for entry in dis.Bytecode(code).exception_entries:  # type: ignore[attr-defined]  # which its stubs lack
        found[entry.target] |= {i.offset for i in instructions if entry.start <= i.offset < entry.end}
    return found


def _members(before: dict[int, set[int]], start: int, jump: int) -> set[int]:
    """What leads to a backward jump without passing its target: the natural loop."""
    found, stack = {start, jump}, [jump]
    while stack:
        more = before[stack.pop()] - found
        found |= more
        stack += more
    return found


def _apart(instructions: list[dis.Instruction]) -> float:
    """From where on all handlers of exceptions stand, behind everything else; before Python 3.12 they stand in place."""
    handlers = [i.offset for i in instructions if i.opname == "PUSH_EXC_INFO"] if sys.version_info >= (3, 12) else []
    return min(handlers, default=math.inf)


def _header(instructions: list[dis.Instruction], k: int) -> tuple[int | None, int | None]:
    """If the header of a `for` is here: where its body begins, and the last place that is in the loop."""
    while instructions[k].opname == "EXTENDED_ARG":
        k += 1
    if instructions[k].opname != "FOR_ITER":
        return None, None
    return instructions[k + 1].offset, instructions[k].argval - 1


def _prefixed(instructions: list[dis.Instruction], k: int) -> list[int]:
    """Where an instruction is, and what extends its argument: an event may come at either."""
    found = [instructions[k].offset]
    while k and instructions[k - 1].opname == "EXTENDED_ARG":
        k -= 1
        found.append(instructions[k].offset)
    return found


def _is_same(a: _Range, b: _Range) -> bool:
    """Whether two jumps belong to one loop: `continue`, and a test that stands before and behind the body."""
    if a.body is not None or b.body is not None:
        return a.body == b.body
    return a.start <= b.end and b.start <= a.end and a.line == b.line


class _Activation:
    """The state of one frame: the loops that it is in."""

    __slots__ = ("before", "loops", "number", "ranges")

    def __init__(self, ranges: list[_Range], number: int):
        self.ranges, self.number, self.loops = ranges, number, list[Loop]()
        self.before = -1

    def step(self, at: int, line: int) -> None:
        """The instruction at this place comes next."""
        before, self.before = self.before, at
        turned = next((loop for loop in self.loops if before in loop.range.jumps and at in loop.range.targets), None)
        self.reach(at)
        if turned is not None:
            del self.loops[self.loops.index(turned) + 1:]
            turned.turns += turned.inside
            turned.inside = False
        for loop in self.loops:
            loop.inside = loop.inside or loop.range.begins_inside(at, line)

    def reach(self, at: int) -> None:
        """The loops around a place; those that were left have ended."""
        around = [r for r in self.ranges if r.holds(at)]
        if around != [loop.range for loop in self.loops]:
            known = {id(loop.range): loop for loop in self.loops}
            self.loops = [known.get(id(r)) or Loop(r) for r in around]


class Visited(Interned):
    """A build of its own for one run; as a context it watches which instructions of the user's code run.

    Where a debugger or a coverage tool is at work (`sys.gettrace`), it is left alone, and only lines are known.

    Attributes
    ----------
    paths : dict
        First result of an equation -> its path, outermost frame first.
    watched : bool
        Whether calls and loops are known.
    """

    def __init__(self) -> None:
        super().__init__()
        self.paths: dict[Var, tuple[Visit, ...]] = {}
        self.watched = sys.gettrace() is None
        self.frames: dict[FrameType, _Activation] = {}
        self.ranges: dict[CodeType, list[_Range]] = {}
        self.count = 0

    def __enter__(self) -> Visited:
        if self.watched:
            sys._getframe().f_trace_opcodes = True  # Python 3.12 looks at it when tracing begins
            sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        if self.watched:
            sys.settrace(None)
        self.frames.clear()

    def _call(self, frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        if is_library(code.co_filename):
            return None
        if frame not in self.frames:  # a generator comes back
            if code not in self.ranges:
                self.ranges[code] = _ranges(code)
            self.count += 1
            self.frames[frame] = _Activation(self.ranges[code], self.count)
        frame.f_trace = self._step  # before the next line: Python 3.13 looks at it there
        frame.f_trace_lines, frame.f_trace_opcodes = False, bool(self.ranges[code])
        return self._step

    def _step(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "opcode":
            self.frames[frame].step(frame.f_lasti, frame.f_lineno)
        elif event == "return" and not frame.f_code.co_flags & _GENERATOR:
            self.frames.pop(frame, None)
        return self._step

    def record(self, primitive: Primitive, operands: tuple[Atom, ...], params: Mapping[str, Any]) -> tuple[Var, ...]:
        if len(self.equations) >= MOST:
            raise UnsupportedError(
                f"explain: more than {MOST:,} operations (at {user_line()}). Explain fewer turns of the loop, or the staged "
                f"function, whose loops are folded: wg.explain(wg.jit(f), ...)")
        results = super().record(primitive, operands, params)
        path = self._path()
        if path or not getattr(APPLIED, "lines", None):  # a derived graph that is applied brings its own lines
            self.paths.update(dict.fromkeys(results[:1], path))
        return results

    def _path(self) -> tuple[Visit, ...]:
        found = []
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            known = self.frames.get(frame)
            code = frame.f_code
            if known is not None:
                known.reach(frame.f_lasti)
                loops = tuple([(loop, loop.turns) for loop in known.loops])
                found.append(Visit(code.co_filename, code.co_name, frame.f_lineno, known.number, loops))
            elif not self.watched and not is_library(code.co_filename):
                return (Visit(code.co_filename, code.co_name, frame.f_lineno, 0, ()),)
            frame = frame.f_back
        return tuple(reversed(found))
