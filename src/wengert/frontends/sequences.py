"""What a staged ``for`` runs over: a length and an item for an index.

What comes in: ranges, arrays, and ``zip``, ``enumerate`` and ``reversed`` of them. What goes out: a `Sequence`, or None for
what only Python can iterate. The one idea: an item is a function of a traced index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from wengert.errors import UnstageableError
from wengert.frontends.registry import NeedsValueError
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import Tracer

__all__ = ["Derived", "Range", "Sequence", "sequence"]


def _abstract(x: Any) -> bool:
    return isinstance(x, Tracer) and x.value is None


class Sequence:
    """`length` items; the index of the first is `start`, the next is `step` on."""

    __slots__ = ("item", "length", "start", "step")

    def __init__(self, length: Any, item: Callable[[Any], Any], start: Any = 0, step: int = 1):
        self.length, self.item, self.start, self.step = length, item, start, step

    def inside(self, index: Any) -> Any:
        """Whether an index has not passed the end."""
        end = self.start + self.length * self.step
        return index < end if self.step > 0 else index > end

    def rest(self) -> Derived:
        """All but the first, of a known length."""
        places = range(self.start + self.step, self.start + self.length * self.step, self.step)
        return Derived(lambda: map(self.item, places), Sequence(len(places), self.item, places.start, self.step))

    def at(self, k: Any) -> Any:
        """The k-th item."""
        return self.item(k if (type(self.start) is int and self.start == 0 and self.step == 1) else self.start + k * self.step)


class Range:
    """``range`` with a traced bound."""

    def __init__(self, *args: Any):
        self.start, self.stop, self.step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
        for x in args:
            if isinstance(x, Tracer) and x.dtype.kind not in "iub":
                raise TypeError(f"'{x.dtype}' object cannot be interpreted as an integer")
        if _abstract(self.step):
            raise UnstageableError(f"range() with a traced step at {user_line()}")
        self.step = int(self.step)

    def trips(self) -> Any:
        away = self.stop - self.start if self.step > 0 else self.start - self.stop
        size = abs(self.step)
        n = away if size == 1 else (away + (size - 1)) // size
        return np.maximum(n, 0)

    def __iter__(self) -> Iterator[Any]:
        raise NeedsValueError(f"a range over a traced length is iterated by Python at {user_line()}")

    def __len__(self) -> int:
        raise NeedsValueError(f"the length of a traced range is asked for at {user_line()}")


class Derived:
    """``zip``, ``enumerate`` or ``reversed`` of sequences; Python iterates `plain`."""

    returned = "an iterator (zip, enumerate, reversed) is returned"

    def __init__(self, plain: Callable[[], Any], found: Sequence | None):
        self.plain, self.found = plain, found
        self.rest: Any = None

    def __iter__(self) -> Iterator[Any]:
        return iter(self.plain())

    def __next__(self) -> Any:
        if self.rest is None:
            self.rest = iter(self.plain())
        return next(self.rest)


def sequence(x: Any) -> Sequence | None:
    """The sequence of an iterable, or None."""
    if type(x) is range:
        return Sequence(len(x), lambda i: i, x.start, x.step)
    if isinstance(x, Range):
        return Sequence(x.trips(), lambda i: i, x.start, x.step)
    if isinstance(x, Tracer) and x.shape:
        return Sequence(x.shape[0], lambda i: x[i])
    if isinstance(x, np.ndarray) and x.ndim and x.dtype.kind in "fciub":
        kept = Tracer(None, None, np.array(x))
        return Sequence(len(x), lambda i: kept[i])
    return x.found if isinstance(x, Derived) else None


def _known(found: list[Sequence | None]) -> list[Sequence] | None:
    return None if any(f is None or _abstract(f.length) for f in found) else [f for f in found if f is not None]


def zipped(*iterables: Any, strict: bool = False) -> Any:
    """``zip``."""
    found = _known([sequence(i) for i in iterables])
    if not found:
        return zip(*iterables, strict=strict)
    if strict and len({f.length for f in found}) > 1:
        return zip(*iterables, strict=True)
    return Derived(
        lambda: zip(*iterables, strict=strict), Sequence(min(f.length for f in found), lambda i: tuple(f.at(i) for f in found))
    )


def enumerated(iterable: Any, start: Any = 0) -> Any:
    """``enumerate``."""
    found = sequence(iterable)
    if found is None:
        return enumerate(iterable, start)
    return Derived(
        lambda: enumerate(iterable, start), Sequence(found.length, lambda i: (i + start if start else i, found.at(i)))
    )


def reverse(iterable: Any) -> Any:
    """``reversed``."""
    found = sequence(iterable)
    if found is None or isinstance(iterable, Derived):
        return reversed(iterable)
    if isinstance(iterable, range):
        return (
            reversed(iterable)
            if len(iterable) == 0
            else Derived(lambda: reversed(iterable), Sequence(len(iterable), lambda i: i, iterable[-1], -iterable.step))
        )
    n = found.length
    return Derived(
        lambda: reversed(iterable) if not isinstance(iterable, Range) else iter(iterable),
        Sequence(n, lambda i: found.at(n - 1 - i)),
    )
