"""Notes: what the compiler decides, written down as it decides.

What comes in: the items of each block as their code is written, and what happens within each (a copy, a carry, a stack). What
goes out: a list of `Note`, in order, nested as the blocks are. The one idea: who wants to know what became of a program reads
what was done, not a second opinion of what would be done.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wengert.graph import Equation, StackType

__all__ = ["Note", "Notes"]


@dataclass(eq=False)
class Note:
    """One item of a plan.

    Attributes
    ----------
    block : Block or None
        The block it belongs to; None for what belongs to no item.
    item : Item or None
    kind : str
        "nest", "scalars", "library", "python", "loop", "branch", "stack", "check", or "kernel".
    depth : int
        How many items it lies in.
    counts : dict
        What happened, and how often.
    stacks : list of (Equation or None, StackType)
        The stacks that it makes.
    """

    block: Any
    item: Any
    kind: str
    depth: int
    counts: dict[str, int] = field(default_factory=dict)
    stacks: list[tuple[Equation | None, StackType]] = field(default_factory=list)


class Notes:
    """The notes of one kernel.

    Attributes
    ----------
    all : list of Note
        The first stands for the kernel itself.
    """

    def __init__(self) -> None:
        self.all = [Note(None, None, "kernel", 0)]
        self._open = [self.all[0]]

    def begin(self, block: Any, item: Any) -> None:
        """The code of an item begins."""
        self.all.append(Note(block, item, "nest", len(self._open) - 1))
        self._open.append(self.all[-1])

    def end(self) -> None:
        self._open.pop()

    @property
    def now(self) -> Note:
        """The innermost item whose code is being written."""
        return self._open[-1]

    def count(self, what: str, times: int = 1) -> None:
        """Something happens in the innermost item."""
        counts = self._open[-1].counts
        counts[what] = counts.get(what, 0) + times
