"""The user's lines, as text.

What comes in: places such as ``/home/me/file.py:12``, which graphs carry (of formulas: the text of a part). What goes out: the
text of the line, and a short name of the place. The one idea: Python's own cache of sources knows files and notebooks.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wengert.formulas import Formula

__all__ = ["by_part", "place_key", "short_place", "source_line"]


def by_part(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function as it is recorded where lines matter; a formula's lines are its parts."""
    return f.by_part if isinstance(f, Formula) else f


def source_line(place: str) -> str:
    """The text of ``file.py:12``; "" where it cannot be read."""
    name, _, number = place.rpartition(":")
    return linecache.getline(name, int(number)).strip() if number.isdecimal() else ""


def short_place(place: str) -> str:
    """The file without its folder; a part of a formula as it is.

    Examples
    --------
    >>> short_place("/home/me/file.py:12")
    'file.py:12'
    """
    name, _, number = place.rpartition(":")
    return f"{Path(name).name}:{number}" if number.isdecimal() else place or "(no line)"


def place_key(place: str) -> tuple[str, int]:
    """For sorting by file and line."""
    name, _, number = place.rpartition(":")
    return name, int(number) if number.isdecimal() else 0
