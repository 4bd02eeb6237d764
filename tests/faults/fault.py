"""One deliberate mistake, and the sources with it.

What comes in: a piece of a source file. What goes out: the file with another piece in its place. The one idea: the piece occurs
once, so a mistake that no longer fits the sources is an error and never passes for one that was caught.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

__all__ = ["KINDS", "SOURCES", "Fault"]

SOURCES = Path("src") / "wengert"
KINDS = ("rule", "transform", "compiler", "front end", "numeric", "api")


@dataclass(frozen=True)
class Fault:
    """A mistake.

    Attributes
    ----------
    name : str
    kind : str
        One of `KINDS`.
    file : str
        Below ``src/wengert``.
    before, after : str
        What stands in the file, and the mistake.
    tests : tuple of str
        Test files that catch it.
    match : str
        Which of their tests, as pytest's ``-k``; all of them if empty.
    """

    name: str
    kind: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]
    match: str = ""

    def changed(self, root: Path) -> str:
        """The text of the file with the mistake."""
        text = (root / SOURCES / self.file).read_text(encoding="utf-8")
        count = text.count(self.before)
        if count != 1:
            raise ValueError(f"{self.name}: the text before occurs {count} times in {self.file}")
        out = text.replace(self.before, self.after)
        if out == text:
            raise ValueError(f"{self.name}: nothing changes in {self.file}")
        ast.parse(out)  # a mistake of meaning, not of grammar
        return out
