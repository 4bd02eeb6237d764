"""Memory: functions that are compiled and dropped, closures made in loops, shapes that change at every call.

The first turns fill what is kept by design: a thousand signatures of one function, the equations that are found again, a
hundred libraries of one LLJIT. After that the number of Python's objects, of libraries and of their makers stays, and so does
the memory of the process, but for a few pages that the allocator does not give back.
"""

from __future__ import annotations

import gc
import linecache
import sys
import time
from collections import Counter
from collections.abc import Callable

import numpy as np

import wengert as wg
from wengert.backends.compiled import machine


def compiled(k: int) -> None:
    f = wg.jit(lambda x: np.sum(np.sin(x) * float(k % 7) + x), at_once=True)
    assert np.isfinite(f(np.ones(k % 50 + 1)))


def compiled_gradient(k: int) -> None:
    f = wg.jit(wg.grad(lambda x: np.sum(np.sin(x) * float(k % 11))))
    for _ in range(4):
        assert np.isfinite(f(np.ones(5))).all()


def fresh_gradient(k: int) -> None:
    assert wg.grad(lambda x: np.sum(np.sin(x) * float(k) + x * x))(np.ones(8)).size == 8


def shapes(k: int) -> None:
    assert wg.grad(lambda x: np.sum(x * x))(np.ones((k % 97 + 1, k // 97 % 89 + 1))).size


def dtypes(k: int) -> None:
    kind = ("f4", "f8", "c8", "c16")[k % 4]
    assert wg.jit(lambda x: np.sum(np.abs(x * x)))(np.ones(k % 13 + 1, kind)) == k % 13 + 1


def generated(k: int) -> None:
    """A function of source text of its own, as notebooks and templates make them."""
    text, name = f"def f(x):\n    return np.sum(x * {k}.0)\n", f"<generated {k}>"
    linecache.cache[name] = len(text), None, text.splitlines(True), name
    space = {"np": np}
    exec(compile(text, name, "exec"), space)
    assert wg.grad(space["f"])(np.ones(3))[0] == k
    del linecache.cache[name]


_SHARED = wg.jit(wg.grad(lambda x: np.sum(np.sin(x) * x)))


def signatures(k: int) -> None:
    """One function with another shape at every call."""
    x = np.ones((k % 41 + 1, k // 41 % 43 + 1))
    for _ in range(4):
        assert _SHARED(x).shape == x.shape


# What is done, how often in a turn of the campaign, and in one of the test suite.
WORK: dict[Callable[[int], None], tuple[int, int]] = {
    compiled: (25, 6), compiled_gradient: (25, 6), fresh_gradient: (400, 50), shapes: (400, 50), dtypes: (100, 12),
    generated: (100, 20), signatures: (40, 0)}


def resident() -> float:
    """The memory of the process in MB; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096 / 2**20
    except OSError:
        return 0.0


def settled() -> int:
    """How many objects there are, when all that nobody holds is freed."""
    gc.collect()
    end = time.monotonic() + 10
    while machine._FREEING and time.monotonic() < end:
        time.sleep(0.001)
    return len(gc.get_objects())


def libraries(count: int = 250) -> int:
    """Libraries that are linked and dropped leave nothing with LLVM, and one that lives keeps only its own maker."""
    text = "define i64 @entry() {\n  ret i64 7\n}\n"
    kept = machine.load(text, {}, names=("entry",))
    for _ in range(count):
        machine.load(text, {}, names=("entry",))
    settled()
    machine.load(text, {}, names=("entry",))  # what waited is freed first
    assert len(machine._ENGINES) <= 2 + len({engine for _, engine in machine._TRACKERS.values()}), len(machine._ENGINES)
    assert kept.address("entry")
    return count


def run(seed: int, small: bool = False) -> Counter[str]:
    """One turn of each; what is left after two turns is not more than after one."""
    done = Counter[str]()
    for work, sizes in WORK.items():
        n = sizes[small]
        if not n:
            continue
        for k in range(n):
            work(seed * n + k)
        before = settled(), len(machine._TRACKERS)
        for k in range(n):
            work((seed + 1) * n + k)
        after = settled(), len(machine._TRACKERS)
        done[work.__name__] += 2 * n
        if work in (compiled, compiled_gradient, dtypes):  # nothing of them is kept, but by the build that interns equations
            assert after[1] <= before[1] + 2, f"{work.__name__}: {after[1] - before[1]} libraries more"
    done["libraries"] = libraries()
    return done


def main(seconds: float) -> None:
    """The memory after each round."""
    end, seed = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        run(seed)
        print(f"{seed}: {resident():.0f} MB, {settled()} objects, {len(machine._TRACKERS)} libraries", flush=True)
        seed += 2


if __name__ == "__main__":
    main(float(sys.argv[1]))
