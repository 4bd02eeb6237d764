"""One compiled function in many threads, the first call included; many functions compiled at once; changing shapes.

Every result is compared with that of one thread. Threads change often, so that they meet in the middle of anything.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import wengert as wg
from tests.load.programs import PROGRAMS, WAYS, copied
from wengert.frontends import trace

MANY = 64


@contextlib.contextmanager
def often(seconds: float = 1e-5) -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def at_once(work: Callable[[int], None], many: int = MANY) -> None:
    """Call a function with each number in a thread of its own, all at the same time; the first error is raised here."""
    gate, errors = threading.Barrier(many), []

    def thread(k: int) -> None:
        gate.wait()
        try:
            work(k)
        except BaseException as error:
            errors.append(error)
    threads = [threading.Thread(target=thread, args=(k,)) for k in range(many)]
    with often():
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    if errors:
        raise errors[0]


def same(got: Any, right: Any, name: str) -> None:
    np.testing.assert_allclose(got, right, rtol=1e-11, atol=1e-12, err_msg=name)


def one_function(f: Any, way: str, many: int, calls: int) -> int:
    points = [np.linspace(0.1, 1.0 + 0.01 * k, 6) for k in range(many)]
    alone = WAYS[way](f)
    right = [alone(x) for x in points]
    shared = WAYS[way](copied(f))

    def work(k: int) -> None:
        for _ in range(calls):
            same(shared(points[k]), right[k], f"{way} of {f.__name__} in {many} threads")
    at_once(work, many)
    return many * calls


def many_functions(many: int) -> int:
    """Each thread compiles a function of its own."""
    def work(k: int) -> None:
        f = wg.jit(wg.grad(lambda x: np.sum(np.sin(x) * float(k) + x ** (k % 4 + 1))), at_once=True)
        x = np.linspace(0.5, 1.0, 3 + k % 5)
        for _ in range(2):
            same(f(x), np.cos(x) * k + (k % 4 + 1) * x ** (k % 4), "a function of the thread's own")
    at_once(work, many)
    return 2 * many


def changing_shapes(many: int, calls: int) -> int:
    """Threads call with new shapes while others call with known ones."""
    f = wg.jit(wg.grad(lambda x: np.sum(np.exp(x))))
    f(np.ones(2))

    def work(k: int) -> None:
        for j in range(calls):
            x = np.full(2 + (k * calls + j if k % 4 == 0 else 0), 0.5)
            same(f(x), np.exp(x), "changing shapes")
    at_once(work, many)
    return many * calls


def contexts(many: int) -> int:
    """Error modes and traces are a thread's own."""
    f = wg.grad(lambda x: np.sum(np.log(x)))

    def work(k: int) -> None:
        with np.errstate(all="raise" if k % 2 else "ignore"):
            for _ in range(3):
                with np.errstate(divide="ignore"):
                    same(f(np.zeros(2)), [np.inf, np.inf], "log at zero")
                assert np.geterr()["over"] == ("raise" if k % 2 else "ignore")
    at_once(work, many)
    assert trace.OPEN[0] == 0
    return 3 * many


def errors(many: int) -> int:
    """A function that raises in some threads while it is traced, and works in the others."""
    def f(x):
        if x.shape[0] % 2:
            raise LookupError("odd")
        return np.sum(x * x)
    g = wg.grad(f)

    def work(k: int) -> None:
        x = np.ones(2 + k % 6)
        for _ in range(3):
            try:
                same(g(x), 2.0 * x, "an error in other threads")
                assert k % 2 == 0
            except LookupError:
                assert k % 2 == 1
    at_once(work, many)
    return 3 * many


def run(seed: int, many: int = MANY, calls: int = 3, programs: Any = PROGRAMS) -> Counter[str]:
    """One round: every program in one way, and what else threads may do."""
    ways, done = list(WAYS), Counter[str]()
    for k, f in enumerate(programs):
        done["calls"] += one_function(f, ways[(seed + k) % len(ways)], many, calls)
    done["calls"] += (many_functions(min(many, 32)) + changing_shapes(min(many, 32), 4) + contexts(many) + errors(many))
    done["threads"] = many
    return done
