"""What is fuzzed.

What comes in: a generator of random numbers. What goes out: an input, and what became of it. The one idea: a target makes
inputs from a seed and judges them by laws; whatever it raises that is no `Broken` of its own is a broken law, too, and
the input is made smaller as long as it breaks one.
"""

from __future__ import annotations

import contextlib
import signal
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

__all__ = ["Broken", "Outcome", "Target", "judged", "mutated", "run", "shorter", "shrunk"]

PATIENCE = 60  # seconds; no input may take so long, and the watch only turns a hang into a failure
_STEPS = 400  # attempts to make an input smaller


class Broken(AssertionError):
    """A law that an input breaks."""


@dataclass(frozen=True)
class Target:
    """Inputs and the laws for what becomes of them.

    ``judge`` gives a word for what became of an input ("refused", "value"), which is counted, or raises. ``begin`` is a context
    around a run (a folder, a server); what it gives is the second argument of ``judge``.
    """

    name: str
    make: Callable[[Random], Any]
    judge: Callable[[Any, Any], str]
    share: int  # inputs of the share that the test suite runs
    begin: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    smaller: Callable[[Any], Iterator[Any]] = field(default=lambda x: shorter(x))


@dataclass
class Outcome:
    """Counts by word, and the inputs that broke a law, with what was said."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[Any, str]] = field(default_factory=list)


@contextlib.contextmanager
def _watched() -> Iterator[None]:
    """A hang becomes a failure, where the system has alarms."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def late(*_: Any) -> None:
        raise Broken(f"no end after {PATIENCE} seconds")
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def judged(target: Target, x: Any, place: Any) -> tuple[str, str]:
    """The word for what became of an input, and what was said if it broke a law."""
    try:
        with _watched(), warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", RuntimeWarning)  # of NumPy and SciPy, for values
            return target.judge(x, place), ""
    except KeyboardInterrupt:
        raise
    except Broken as error:
        return "broken", str(error)
    except BaseException as error:
        return "broken", f"{type(error).__name__}: {error}"[:400]


def run(target: Target, seed: int, enough: Callable[[int, Outcome], bool]) -> Outcome:
    """Judge inputs until there are enough."""
    outcome, k = Outcome(), 0
    with target.begin() as place:
        while not enough(k, outcome):
            x = target.make(Random(f"{target.name} {seed} {k}"))
            word, said = judged(target, x, place)
            outcome.counts[word] += 1
            if said:
                outcome.broken.append(shrunk(target, x, place, said))
            k += 1
    return outcome


def shrunk(target: Target, x: Any, place: Any, said: str) -> tuple[Any, str]:
    """A smaller input that breaks a law in the same way: of all smaller ones the first that does, again and again."""
    kind, left = said[:30], _STEPS if len(repr(x)) < 5000 else _STEPS // 10
    again = True
    while again and left > 0:
        again = False
        for y in target.smaller(x):
            left -= 1
            other = judged(target, y, place)[1]
            if other[:30] == kind:
                x, said, again = y, other, True
                break
            if left <= 0:
                break
    return x, said


def shorter(x: Any) -> Iterator[Any]:
    """A sequence without some of its parts, first without large ones; and a list with one item made shorter."""
    size = len(x) // 2
    while size >= 1:
        for start in range(0, len(x), size):
            yield x[:start] + x[start + size:]
        size //= 2
    if isinstance(x, (list, tuple)):
        for k, item in enumerate(x):
            if isinstance(item, (str, bytes, list, tuple)):
                for y in shorter(item):
                    yield type(x)([*x[:k], y, *x[k + 1:]])


def mutated(rng: Random, x: Any, pieces: list[Any], most: int = 4) -> Any:
    """Text or bytes with parts removed, repeated, exchanged, turned round, or with pieces put in."""
    for _ in range(rng.randint(1, most)):
        a, b = sorted((rng.randint(0, len(x)), rng.randint(0, len(x))))
        if rng.random() < 0.7:
            b = min(b, a + rng.randint(1, 6))
        kind = rng.randrange(6)
        if kind == 0:
            x = x[:a] + x[b:]
        elif kind == 1:
            x = x[:b] + x[a:b] * rng.choice([1, 1, 2, 50]) + x[b:]
        elif kind == 2:
            x = x[:a] + x[a:b][::-1] + x[b:]
        elif kind == 3:
            c = rng.randint(0, len(x))
            x = x[:c] + x[a:b] + x[c:]
        elif kind == 4:
            x = x[:a] + rng.choice(pieces) + x[b:]
        else:
            x = x[:a] + rng.choice(pieces) + x[a:]
    return x
