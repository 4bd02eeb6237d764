"""One small round of every part of the campaign, and what it has found.

What comes in: nothing. What goes out: failures. The one idea: places where an interrupt may come are counted and tried, and
what threads, processes and the disk do is done in earnest, but little of it.
"""

from __future__ import annotations

import gc
import os
import random
import weakref

import numpy as np
import pytest

import wengert as wg
from tests.load import folder, growth, interrupts, processes, threads
from tests.load.programs import copied, inner, loop, product, ruled
from wengert.backends.compiled import machine
from wengert.backends.compiled.kernel import compile_graph
from wengert.frontends import trace

POSIX = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")


def test_an_interrupt_anywhere_in_a_gradient() -> None:
    """At every place, one after the other: a fresh build, and one that knows the program already."""
    def f(x):
        return np.sum(np.where(x > 0.5, np.log(x), x * x))
    clean, right = interrupts.state(), wg.grad(f)(interrupts.X)
    total = interrupts.counted(wg.grad(copied(f)), 0)
    for at in range(1, total + 1, 3):
        trace._LOCAL.build = trace.Interned()
        interrupts.counted(wg.grad(f), at)
        assert interrupts.state() == clean, at
        np.testing.assert_array_equal(wg.grad(f)(interrupts.X), right, err_msg=str(at))
    assert total > 100


def test_interrupts_while_tracing_compiling_and_running() -> None:
    assert interrupts.run(0, each=2, programs=(loop, inner))["interrupts"] == 16


@pytest.mark.filterwarnings("ignore::wengert.staging.StagingWarning", "ignore:wengert could not compile:UserWarning")
@pytest.mark.parametrize("error", [RecursionError, MemoryError])
def test_errors_of_the_system(error) -> None:
    clean = interrupts.state()
    for f, way in ((loop, "jit(grad)"), (ruled, "grad"), (product, "jit")):
        make = interrupts.WAYS[way]
        right, total = make(f)(interrupts.X), interrupts.counted(make(copied(f)), 0)
        for at in random.Random(1).sample(range(1, total + 1), 3):
            g = make(copied(f))
            interrupts.counted(g, at, error)
            interrupts.check(f"{way} of {f.__name__}, {error.__name__} at {at}", g, right, clean)


def test_an_equation_that_was_recorded_by_half_is_not_found_again(monkeypatch) -> None:
    def f(x):
        return np.sum(np.sinh(x) * x)
    trace._LOCAL.build = trace.Interned()

    def no_memory(*_):
        raise MemoryError
    with monkeypatch.context() as patch:
        patch.setattr(trace, "bytes_held", no_memory)
        with pytest.raises(MemoryError):
            wg.grad(f)(np.ones(2))
    np.testing.assert_allclose(wg.grad(f)(np.ones(2)), np.cosh(1.0) + np.sinh(1.0))


def test_a_kernel_is_held_while_another_takes_its_place() -> None:
    """As where two threads make the first calls of one function at once."""
    compiled = compile_graph(wg.make_graph(lambda x: np.sum(np.sin(x)), np.ones(4)))
    assert compiled is not None
    x = np.ones(4)
    compiled(x)
    ran = weakref.ref(compiled.library)
    compiled.library = machine.load(compiled.text, compiled.symbols, names=("kernel",))
    gc.collect()
    assert ran() is not None
    np.testing.assert_allclose(compiled(x)[0], 4 * np.sin(1.0))


def test_what_nobody_may_interrupt(monkeypatch) -> None:
    """The work goes on in another thread; the interrupt comes when it is done."""
    import signal
    import time
    done = []

    def handle(*_):
        raise KeyboardInterrupt
    before = signal.signal(signal.SIGALRM, handle)

    def work():
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            time.sleep(0.001)
        done.append(True)
    try:
        with pytest.raises(KeyboardInterrupt):
            machine.unbroken(work)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert done == [True]
    assert machine.unbroken(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        machine.unbroken(lambda: 1 // 0)


@POSIX
def test_real_signals() -> None:
    assert interrupts.signals(0, count=8)["signals"] == 8


def test_threads() -> None:
    assert threads.run(1, many=threads.MANY, calls=1, programs=(loop, product, ruled))["calls"] > 300


def test_threads_that_call_first_together_compile_once(monkeypatch) -> None:
    """Not once for each of them."""
    texts, real = [], machine.object_code
    monkeypatch.setattr(machine, "object_code", lambda text, **options: texts.append(text) or real(text, **options))
    threads.one_function(loop, "jit(grad) at once", 16, 1)
    assert len(texts) <= 4  # one for the thread that is compared with, one for all others; and what all functions share


@POSIX
def test_processes() -> None:
    done = processes.run(0, children=1, ways=("fork",))
    assert done == {"forked": 1, "calls in pools": 8}


def test_growth() -> None:
    assert growth.run(0, small=True)["libraries"] == 250


def test_the_folder_of_machine_code() -> None:
    assert folder.run(0)["damaged"] >= 8
