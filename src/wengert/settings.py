"""Settings of the whole process.

What comes in: assignments. What goes out: what the rest of wengert reads. The one idea: one object with checked attributes, so
that a misspelt setting is an error.
"""

from __future__ import annotations

import contextlib
import os
import threading
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

    __slots__ = ("_held", "_lock", "_threads")

    def __init__(self) -> None:
        self._held = array("q", [0])  # in memory that machine code reads; twice the number of reasons, and the setting
        self._lock = threading.Lock()
        self._threads = array("q", [_processors()])  # likewise

    @property
    def backend(self) -> str:
        return "interpreted" if self._held[0] & 1 else "compiled"

    @backend.setter
    def backend(self, value: str) -> None:
        if value not in ("compiled", "interpreted"):
            raise InputError(f"config.backend is 'compiled' or 'interpreted', not {value!r}")
        with self._lock:
            self._held[0] = self._held[0] // 2 * 2 + (value == "interpreted")

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
    def held_address(self) -> int:
        """Where it is said whether calls are not to enter machine code by themselves, in eight bytes."""
        return self._held.buffer_info()[0]

    @property
    def held(self) -> bool:
        """Whether calls are not to enter machine code by themselves."""
        return bool(self._held[0])

    def hold(self, change: int) -> None:
        """One more or less, of all threads, who wants each call of a jitted function to come to Python first."""
        with self._lock:
            self._held[0] += 2 * change

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
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: setattr(config, "_lock", threading.Lock()))
