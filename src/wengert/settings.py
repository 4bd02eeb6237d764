"""Settings of the whole process.

What comes in: assignments. What goes out: what the rest of wengert reads. The one idea: one object with checked attributes, so
that a misspelt setting is an error.
"""

from __future__ import annotations

import contextlib
import os
from array import array
from collections.abc import Iterator
from typing import Any

from wengert.errors import InputError

__all__ = ["config"]


def _processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Config:
    """Settings; assign to them, or change them for a while with `set`.

    Attributes
    ----------
    backend : {"compiled", "interpreted"}
        What runs the graphs of `jit`: machine code as soon as it is worth compiling, or NumPy.
    threads : int
        The most threads that compiled code uses: with the calling one; at first, as many as this process has processors.
        What is computed does not depend on it, to the last bit.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.config.backend
    'compiled'
    >>> with wg.config.set(backend="interpreted"):
    ...     wg.config.backend
    'interpreted'
    """

    __slots__ = ("_interpreted", "_threads")

    def __init__(self) -> None:
        self._interpreted = array("q", [0])  # in memory that machine code reads
        self._threads = array("q", [_processors()])  # likewise

    @property
    def backend(self) -> str:
        return "interpreted" if self._interpreted[0] else "compiled"

    @backend.setter
    def backend(self, value: str) -> None:
        if value not in ("compiled", "interpreted"):
            raise InputError(f"config.backend is 'compiled' or 'interpreted', not {value!r}")
        self._interpreted[0] = value == "interpreted"

    @property
    def threads(self) -> int:
        return self._threads[0]

    @threads.setter
    def threads(self, value: int) -> None:
        if not isinstance(value, int) or value < 1:
            raise InputError(f"config.threads is a positive integer, not {value!r}")
        self._threads[0] = value

    @property
    def threads_address(self) -> int:
        """Where the number of threads lies, in eight bytes."""
        return self._threads.buffer_info()[0]

    @property
    def interpreted_address(self) -> int:
        """Where it is said whether machine code is not to run, in eight bytes."""
        return self._interpreted.buffer_info()[0]

    @contextlib.contextmanager
    def set(self, **settings: Any) -> Iterator[None]:
        """Settings within a ``with`` block."""
        before = {name: getattr(self, name) for name in settings if name in ("backend", "threads")}
        if len(before) < len(settings):
            raise InputError(f"config has no setting {next(name for name in settings if name not in before)!r}")
        try:
            for name, value in settings.items():
                setattr(self, name, value)
            yield
        finally:
            for name, value in before.items():
                setattr(self, name, value)


config = Config()
