"""Schedules of checkpointing: which states of a chain are stored, and which steps are computed again.

What comes in: a number of steps and a number of slots. What goes out: the actions in order, how many forward steps they take,
pictures of them. The one idea: the actions are those of the compiled loops (`wengert.primitives.revolve`), by the same
arithmetic, written down.

A. Griewank and A. Walther, "Algorithm 799: revolve", ACM TOMS 26 (2000) 19-45. Q. Wang, P. Moin and G. Iaccarino, SIAM J. Sci.
Comput. 31 (2009) 2549-2567.
"""

from __future__ import annotations

import math
import operator
from bisect import bisect_left
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from wengert.errors import InputError

__all__ = ["Action", "CheckpointSchedule", "checkpoint_schedule", "forward_steps", "repetitions"]


class Action(NamedTuple):
    """One action: "store" the state at a step in a slot, "restore" it, "advance" from a step to another, go one "back".

    Attributes
    ----------
    kind : {"store", "restore", "advance", "back"}
    step : int
        Where it begins; of "back", the step that is reversed.
    to : int
        Of "advance", where it ends; else `step`.
    slot : int
        Of "store" and "restore"; else -1.
    """

    kind: str
    step: int
    to: int
    slot: int


def repetitions(steps: int, slots: int) -> int:
    """The smallest t with β(slots, t) = (slots + t)! / (slots! t!) >= steps: the most that a step is computed to be reversed.

    Examples
    --------
    >>> repetitions(10_000, 100), math.comb(102, 100), math.comb(103, 100)
    (3, 5151, 176851)
    """
    most = 1
    while math.comb(slots + most, slots) < steps:
        most *= 2
    return bisect_left(range(most), steps, key=lambda t: math.comb(slots + t, slots))


def forward_steps(steps: int, slots: int) -> int:
    """The fewest forward steps that reverse a chain, t l - β(s + 1, t - 1) with t = `repetitions`, its recording ones apart.

    Examples
    --------
    >>> forward_steps(10, 10), forward_steps(10, 3), forward_steps(10, 1)
    (9, 15, 45)
    """
    t = repetitions(steps, slots)
    return t * steps - math.comb(slots + t, slots + 1)


def first_part(length: int, slots: int) -> int:
    """How many of `length` > 1 steps to go before the next checkpoint, where `slots`, that of the start included, are free."""
    t = repetitions(length, slots)
    return min(math.comb(slots + t - 1, slots), length - math.comb(slots + t - 2, slots - 1))


@dataclass(frozen=True)
class CheckpointSchedule:
    """The actions that reverse a chain of steps.

    Attributes
    ----------
    steps, slots : int
    online : bool
        Whether the number of steps was unknown while they ran forward.
    actions : tuple of Action
    """

    steps: int
    slots: int
    online: bool
    actions: tuple[Action, ...]

    @property
    def forward_steps(self) -> int:
        """How many steps are computed, without those that are recorded and reversed at once."""
        return sum(a.to - a.step for a in self.actions if a.kind == "advance")

    @property
    def repetitions(self) -> int:
        """How often the most repeated step is computed."""
        change = [0] * (self.steps + 1)
        for a in self.actions:
            if a.kind == "advance":
                change[a.step] += 1
                change[a.to] -= 1
        return max(accumulate(change))

    @property
    def stored(self) -> int:
        """The most states that are stored at once; online, the one at work counts, too."""
        return max(map(len, self._held()), default=0)

    def states(self) -> Iterator[dict[int, int]]:
        """Slot -> step, after each action."""
        return map(dict, self._held())

    def _held(self) -> Iterator[dict[int, int]]:
        """The same, all in one dictionary, which changes."""
        held: dict[int, int] = {}
        slot_of: dict[int, int] = {}  # step -> slot
        for a in self.actions:
            if a.kind == "store":
                slot_of.pop(held.get(a.slot, -1), None)
                held[a.slot], slot_of[a.step] = a.step, a.slot
            elif a.kind == "back" and a.step in slot_of:  # those behind it have gone before
                del held[slot_of.pop(a.step)]
            yield held

    def __str__(self) -> str:
        kind = "online schedule" if self.online else "schedule"
        each = f"{self.slots:,} slot{'s' * (self.slots != 1)}"
        return (f"{kind} of {self.steps:,} steps in {each}: {self.forward_steps:,} forward steps, "
                f"{self.forward_steps / max(self.steps, 1):.2f} for each; none more than {self.repetitions} times")

    def plot(self, ax: Any = None) -> Any:
        """Draw it: time downward, the chain to the right; what is stored is a line. Needs Matplotlib; gives the axes."""
        from wengert.views.schedules import plot
        return plot(self.steps, self.actions, str(self), ax)

    def animate(self, path: str | Path) -> Path:
        """Write an HTML page that plays it on the chain, with nothing from elsewhere; gives the path."""
        from wengert.views.schedules import page
        target = Path(path)
        target.write_text(page(self.steps, self.slots, self.actions, str(self)), encoding="utf-8")
        return target


def checkpoint_schedule(steps: int, slots: int, *, online: bool = False) -> CheckpointSchedule:
    """The schedule by which a chain of steps is reversed from a few stored states.

    Parameters
    ----------
    steps : int
        The length of the chain.
    slots : int
        How many states may be stored at once, the start included. One more is there to work with.
    online : bool
        Whether the length is known only when the chain has ended, as that of a ``while`` loop is.

    Returns
    -------
    CheckpointSchedule
        Print it, ``plot`` it, ``animate`` it; `forward_steps` and `repetitions` say what it costs.

    Examples
    --------
    >>> import wengert as wg
    >>> print(wg.checkpoint_schedule(10, 3))
    schedule of 10 steps in 3 slots: 15 forward steps, 1.50 for each; none more than 2 times
    >>> wg.checkpoint_schedule(10_000, 100).forward_steps
    24747
    """
    steps, slots = _whole("steps", steps, 0), _whole("slots", slots, 1)
    return CheckpointSchedule(steps, slots, online, tuple(_actions(steps, slots, online)))


def _whole(name: str, value: Any, least: int) -> int:
    try:
        found = operator.index(value)
    except TypeError:
        raise InputError(f"checkpoint_schedule: {name} is a whole number, not {value!r}") from None
    if found < least or isinstance(value, bool):
        raise InputError(f"checkpoint_schedule: {name} is {value!r}; it is {least} at least")
    return found


def _actions(steps: int, slots: int, online: bool) -> Iterator[Action]:
    if not steps:
        return
    held = [(0, 0)]  # (step, slot), in order
    yield Action("store", 0, 0, 0)
    if online:
        held = yield from _forward(steps, slots + 1)  # the newest is the state at work
    free = sorted(set(range(slots + 1)).difference(slot for _, slot in held))
    for q in range(steps - 1, -1, -1):
        while held and held[-1][0] > q:
            heappush(free, held.pop()[1])
        at, slot = held[-1]
        if q < steps - 1:
            yield Action("restore", at, at, slot)
        while at < q:
            size = first_part(q + 1 - at, slots - len(held) + 1)
            yield Action("advance", at, at + size, -1)
            at += size
            if at < q:
                held.append((at, heappop(free)))
                yield Action("store", at, at, held[-1][1])
        yield Action("back", q, q, -1)


def _forward(steps: int, slots: int) -> Generator[Action, None, list[tuple[int, int]]]:
    """The forward sweep of a chain of unknown length: each state is stored, in the place of a dispensable one.

    A checkpoint is dispensable if one of a higher level lies behind it; the first one goes, the start never. Levels fall along
    `firm`; those of `spare` are below that of the first of `recent`: so all that is dispensable is `spare`, at any time.
    """
    firm: list[tuple[int, int, int]] = []  # (step, slot, level), after the start
    spare: deque[tuple[int, int, int]] = deque()
    recent: list[tuple[int, int, int]] = []
    for q in range(1, steps):
        yield Action("advance", q - 1, q, -1)
        slot, level = q, 0
        if q >= slots and spare:
            slot = spare.popleft()[1]
        elif q >= slots:  # the newest moves on, a level higher
            firm += recent
            recent = []
            slot, level = firm[-1][1], firm.pop()[2] + 1
            while firm and firm[-1][2] < level:
                spare.appendleft(firm.pop())
        recent.append((q, slot, level))
        yield Action("store", q, q, slot)
    return [(0, 0), *[(step, slot) for step, slot, _ in (*firm, *spare, *recent)]]
