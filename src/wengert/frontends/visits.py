"""Where in a running program each operation was recorded: which call, which turn of which loop.

What comes in: a run of Python code under a trace. What goes out: for each equation its path, the frames of the user's code from
the outermost to the innermost, each with its line and the turns of the loops around it. The one idea: the loops of a function
are the backward jumps of its byte code, and a line event on the target of one is a turn; so loops are counted exactly, and no
line of the program is rewritten for it.
"""

from __future__ import annotations

import dis
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
    """A loop in byte code: it begins at `start`, its last backward jump is at `end`; jumps go to `targets`."""

    start: int
    end: int
    line: int
    targets: frozenset[int]
    on_one_line: bool
    is_for: bool

    def begins_inside(self, line: int) -> bool:
        """Whether an event on this line is in the body, and not on the header."""
        return line != self.line or (self.on_one_line and not self.is_for)


def _ranges(code: CodeType) -> list[_Range]:
    """The loops of a function, the outer ones first."""
    instructions = list(dis.get_instructions(code))
    lines: dict[int, int] = {}
    line = code.co_firstlineno
    for i in instructions:
        line = (i.positions.lineno if i.positions else None) or line
        lines[i.offset] = line
    kinds = {i.offset: i.opname for i in instructions}
    found: list[_Range] = []
    jumps = [(i.argval, i.offset) for i in instructions if "BACKWARD" in i.opname and "NO_INTERRUPT" not in i.opname]
    for start, end in sorted(jumps):
        inside = {lines[o] for o in lines if start <= o <= end}
        new = _Range(start, end, min(inside), frozenset((start,)), len(inside) == 1, kinds.get(start) == "FOR_ITER")
        same = next((r for r in found if r.start <= end and start <= r.end and r.line == new.line), None)
        if same is not None:  # `continue`, and a test that stands before and behind the body
            found.remove(same)
            new = _Range(min(same.start, start), max(same.end, end), new.line, same.targets | new.targets,
                         same.on_one_line and new.on_one_line, same.is_for or new.is_for)
        found.append(new)
    return sorted(found, key=lambda r: (r.start, -r.end))


class _Activation:
    """The state of one frame: the loops that it is in."""

    __slots__ = ("loops", "number", "ranges")

    def __init__(self, ranges: list[_Range], number: int):
        self.ranges, self.number, self.loops = ranges, number, list[Loop]()

    def line(self, at: int, line: int) -> None:
        """A line begins at this place in the byte code."""
        turned = next((loop for loop in self.loops if at in loop.range.targets), None)
        self.reach(at)
        if turned is not None and turned in self.loops:
            del self.loops[self.loops.index(turned) + 1:]
            turned.turns += turned.inside or turned.range.on_one_line
            turned.inside = turned.range.begins_inside(line)
            return
        for loop in self.loops:
            if loop.range.begins_inside(line):
                loop.inside = True

    def reach(self, at: int) -> None:
        """The loops around a place; those that were left have ended."""
        self.loops = [loop for loop in self.loops if loop.range.start <= at <= loop.range.end]
        known = {id(loop.range) for loop in self.loops}
        self.loops += [Loop(r) for r in self.ranges if r.start <= at <= r.end and id(r) not in known]


class Visited(Interned):
    """A build of its own for one run; as a context it watches which lines of the user's code run.

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
        return self._step

    def _step(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            self.frames[frame].line(frame.f_lasti, frame.f_lineno)
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
