"""Interrupts in the middle of tracing, compiling and running.

`run` raises KeyboardInterrupt where Python would run a signal's handler: as a function is entered, and as one of C has
returned, at a call that the seed chooses. `signals` sends real ones from a timer. Afterwards no trace is open, no lock is
held, NumPy's error modes are those of before, and the function gives right results.
"""

from __future__ import annotations

import contextlib
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.load.programs import PROGRAMS, WAYS, copied
from wengert.backends.compiled import machine, store
from wengert.frontends import trace, watch

X = np.linspace(0.1, 1.0, 6)


class Interrupt(KeyboardInterrupt):
    """The one that was sent here."""


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """An interrupt within a destructor is printed by Python and goes nowhere."""
    before, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        yield
    finally:
        sys.unraisablehook = before


def counted(f: Callable[[Any], Any], at: int, raised: type[BaseException] = Interrupt) -> int:
    """Call a function and raise at the nth place where a handler may run; how many there were until then."""
    count = 0

    def look(frame: Any, event: str, arg: Any) -> None:
        nonlocal count
        if event in ("call", "c_return"):
            count += 1
            if count == at:
                sys.setprofile(None)
                raise raised
    with unheard(), contextlib.suppress(raised):
        sys.setprofile(look)
        try:
            f(X)
        finally:
            sys.setprofile(None)
    return count


def state() -> dict[str, Any]:
    """What an interrupted call must leave as it was."""
    return {"traces": trace._LOCAL.stack, "block": trace._LOCAL.frame, "open": trace.OPEN[0], "watched": watch._WATCHED.get(),
            "modes": np.geterr(), "call": np.geterrcall()}


def held() -> list[str]:
    """The locks that another thread does not get."""
    locks = {"LLVM": machine._LOCK, "build": trace._LOCAL.build.lock, "store": store._LOCK}
    found = []

    def look() -> None:
        for name, lock in locks.items():
            if lock.acquire(timeout=20):
                lock.release()
            else:
                found.append(name)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found


def check(name: str, g: Any, right: Any, clean: dict[str, Any]) -> None:
    """That all is as it was, and the function gives what it should, interpreted and compiled."""
    assert state() == clean, f"{name}: {state()}"
    assert not held(), f"{name}: {held()}"
    for _ in range(4):
        np.testing.assert_allclose(g(X), right, rtol=1e-11, atol=1e-12, err_msg=name)


def run(seed: int, raised: type[BaseException] = Interrupt, each: int = 2, programs: Any = PROGRAMS[:-1]) -> Counter[str]:
    """Every program in every way, interrupted at places that the seed chooses."""
    rng, clean, done = random.Random(seed), state(), Counter[str]()
    for f in programs:
        for way, make in WAYS.items():
            right = make(f)(X)
            total = counted(make(copied(f)), 0)
            for _ in range(each):
                g, at = make(copied(f)), rng.randint(1, total)
                counted(g, at, raised)
                check(f"{way} of {f.__name__}, interrupted at {at} of {total}", g, right, clean)
                done["interrupts"] += 1
    return done


def signals(seed: int, count: int = 40) -> Counter[str]:
    """Real signals, from a timer: while functions are traced, compiled and run."""
    rng, clean, done = random.Random(seed), state(), Counter[str]()

    def handle(*_: Any) -> None:
        raise Interrupt
    before = signal.signal(signal.SIGALRM, handle)
    try:
        for k in range(count):
            f = PROGRAMS[k % len(PROGRAMS)]
            way = rng.choice(list(WAYS))
            right = WAYS[way](f)(X)
            g = WAYS[way](copied(f))
            with unheard(), contextlib.suppress(Interrupt):
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-4, 0.03))
                try:
                    for _ in range(6):
                        g(X)
                    done["too late"] += 1
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            check(f"{way} of {f.__name__}, real signals", g, right, clean)
            done["signals"] += 1
    finally:
        signal.signal(signal.SIGALRM, before)
    return done
