"""What a function prints, where it is called again.

What comes in: nothing. What goes out: a context in which this thread prints nowhere. The one idea: `contextlib.redirect_stdout`
exchanges what all threads print to, and two that overlap put the wrong one back; so one stream stands there for all,
and asks who writes.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["muted"]

_LOCK = threading.Lock()
_PLACED: list[_Stream] = []


class _Local(threading.local):
    depth = 0


_LOCAL = _Local()


class _Stream:
    """Standard output, for threads that are not muted."""

    def __init__(self, behind: Any):
        self.behind, self.users = behind, 0

    def write(self, text: str) -> Any:
        return len(text) if _LOCAL.depth else self.behind.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """Nothing is printed by this thread."""
    with _LOCK:
        if sys.stdout is not None and not (_PLACED and sys.stdout is _PLACED[-1]):
            _PLACED.append(_Stream(sys.stdout))
            sys.stdout = _PLACED[-1]
        stream = _PLACED[-1] if _PLACED else None
        if stream is not None:
            stream.users += 1
    _LOCAL.depth += 1
    try:
        yield
    finally:
        _LOCAL.depth -= 1
        with _LOCK:
            if stream is not None:
                stream.users -= 1
                if not stream.users:
                    _PLACED.remove(stream)
                    if sys.stdout is stream:
                        sys.stdout = stream.behind
