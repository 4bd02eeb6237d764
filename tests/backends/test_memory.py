"""The memory that a compiled function says it takes, against the memory that it takes.

What comes in: jitted functions. What goes out: their peaks, measured: results by tracemalloc, stacks by counting functions in
the place of the allocator's.
"""

from __future__ import annotations

import ctypes
import tracemalloc

import numpy as np
import pytest

import wengert as wg
from wengert.backends.compiled import kernel, machine
from wengert.errors import InputError, UnsupportedError


class Counted:
    """An allocator that knows what is held."""

    def __init__(self):
        c = ctypes.CDLL(None)
        c.realloc.restype, c.realloc.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t]
        c.free.argtypes = [ctypes.c_void_p]
        self.held, self.now, self.peak = {}, 0, 0

        def realloc(old, size):
            new = c.realloc(old, size)
            self.now += size - self.held.pop(old, 0)
            self.held[new] = size
            self.peak = max(self.peak, self.now)
            return new

        def free(old):
            self.now -= self.held.pop(old, 0)
            c.free(old)
        self.functions = [ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(realloc),
                          ctypes.CFUNCTYPE(None, ctypes.c_void_p)(free)]

    def peak_of(self, f, *args):
        """The most that the stacks of a function hold."""
        _, staged = f._find(args, {})
        compiled = kernel.compile_graph(staged.graph)
        text = compiled.text.replace("@realloc(", "@counted_realloc(").replace("@free(", "@counted_free(")
        realloc, free = [ctypes.cast(function, ctypes.c_void_p).value for function in self.functions]
        symbols = {**compiled.symbols, "counted_realloc": realloc, "counted_free": free}
        compiled.library = machine.load(text, symbols, names=("kernel",))
        got = compiled(*args)
        np.testing.assert_allclose(got[0], f.f(*args), rtol=1e-12)
        assert self.now == 0
        return self.peak


def halved(x, n):
    """As many rounds as `n` says, saving what the derivative needs."""
    while n > 0.5:
        x = np.sin(x) * x
        n = n - 1.0
    return np.sum(x)


def nested(x, n, m):
    total = 0.0
    while n > 0.5:
        k = m
        y = x
        while k > 0.5:
            y = np.sin(y) * x
            k = k - 1.0
        total = total + y * y
        n = n - 1.0
    return total


def within(x, m):
    """A loop of unknown length in one of known length."""
    for _ in range(5):
        k = m
        while k > 0.5:
            x = np.sin(x) * x
            k = k - 1.0
    return x


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 100, 1000])
def test_a_loop_of_unknown_length(n):
    f = wg.jit(wg.grad(halved))
    x = np.linspace(0.5, 1.0, 32)
    memory = f.memory(x, float(n))
    assert memory.peak is None and len(memory.loops) == 1
    fixed = memory.workspace + memory.results
    assert memory.peak_of(n) - fixed == Counted().peak_of(f, x, float(n))
    assert "per iteration of the loop at test_memory.py:" in str(memory)


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (5, 20), (40, 9)])
def test_loops_in_loops(sizes):
    """What is said is never less, and not more than twice as much."""
    f = wg.jit(wg.grad(nested))
    args = (0.7, *map(float, sizes))
    memory = f.memory(*args)
    assert len(memory.loops) == 2
    said = memory.peak_of(*sizes) - memory.workspace - memory.results
    found = Counted().peak_of(f, *args)
    assert found <= said <= 2 * found + 2000


def test_a_loop_of_unknown_length_in_one_of_known_length():
    f = wg.jit(wg.grad(within))
    memory = f.memory(0.7, 30.0)
    assert len(memory.loops) == 1
    said = memory.peak_of(30) - memory.workspace - memory.results
    found = Counted().peak_of(f, 0.7, 30.0)
    assert found <= said <= 2 * found + 2000


def test_results_are_what_is_allocated():
    f = wg.jit(lambda x: (np.sin(x), np.cos(x[:1000])))
    x = np.ones(50_000)
    memory = f.memory(x)
    assert memory.peak == memory.results + memory.workspace == 51_000 * 8 and not memory.loops
    for _ in range(6):
        f(x)
    tracemalloc.start()
    f(x)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    kept = f(x)
    after = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert kept[0].size == 50_000
    assert memory.results <= after - before <= memory.results + 2_000


def test_a_workspace_is_made_once():
    def f(x, w):
        for _ in range(3):
            x = np.tanh(w @ x)
        return x
    fast, x, w = wg.jit(f), np.ones((100, 100)), np.eye(100)
    memory = fast.memory(x, w)
    assert memory.workspace >= 80_000
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = fast._find((x, w), {})[1].program
    compiled = kept.compile()
    from wengert.backends.compiled.native import Program
    program = Program(compiled, compiled.inputs, compiled.outputs, lambda *a: None)
    made = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert made >= memory.workspace
    np.testing.assert_allclose(program(x, w)[0], f(x, w), rtol=1e-12)


def test_what_is_refused():
    f = wg.jit(wg.grad(halved))
    memory = f.memory(np.ones(3), 2.0)
    with pytest.raises(InputError, match="1 numbers, not 2"):
        memory.peak_of(3, 4)

    def unstaged(x):
        return float(f"{x}") * x
    with pytest.raises(UnsupportedError, match="runs unstaged"):
        wg.jit(unstaged).memory(2.0)


def test_a_carry_that_is_read_at_other_places_is_not_overwritten():
    def f(x):
        y = 2.0 * x
        for _ in range(4):
            y = y + 0.5 * y[::-1]
        return np.sum(y * y)

    x = np.arange(400.0)
    even, odd = 1.5**4, 0.5**4  # what four turns make of a part that the reversal keeps, and of one that it negates
    symmetric, rest = (x + x[::-1]) / 2, (x - x[::-1]) / 2
    expected = 8.0 * (even**2 * symmetric + odd**2 * rest)
    fast = wg.jit(wg.grad(f))
    for _ in range(8):  # interpreted at first, then compiled
        np.testing.assert_allclose(fast(x), expected, rtol=1e-12)
