"""One small round of every part of the campaign, and what it has found.

What comes in: nothing. What goes out: failures. The one idea: places where an interrupt may come are counted and tried, and
what threads, processes and the disk do is done in earnest, but little of it.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import threading
import time
import weakref

import numpy as np
import pytest

import wengert as wg
from tests.load import folder, growth, interrupts, processes, threads
from tests.load.programs import copied, inner, loop, product, ruled
from wengert.backends.compiled import machine, store
from wengert.backends.compiled.kernel import compile_graph
from wengert.frontends import reach, trace
from wengert.muted import muted

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
def test_a_handler_of_signals_may_fork_while_llvm_works(monkeypatch) -> None:
    """The child has no thread that works for it, and begins one."""
    import signal
    children: list[int] = []
    begin = machine._begin

    def fork(*_):
        children.append(os.fork())

    def late(work):
        def later():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
            while not children:
                time.sleep(0.001)
            work()
        begin(work if children else later)
    before, parent = signal.signal(signal.SIGALRM, fork), os.getpid()
    monkeypatch.setattr(machine, "_begin", late)
    try:
        found = machine.unbroken(lambda: 3)
    finally:
        if os.getpid() != parent:
            os._exit(found)
        signal.signal(signal.SIGALRM, before)
    assert found == 3
    assert not machine._WAITED
    end = time.monotonic() + 20
    while (ended := os.waitpid(children[0], os.WNOHANG))[0] == 0 and time.monotonic() < end:
        time.sleep(0.001)
    if not ended[0]:
        os.kill(children[0], signal.SIGKILL)
        os.waitpid(children[0], 0)
    assert os.waitstatus_to_exitcode(ended[1]) == 3 and ended[0]


def test_llvm_collects_no_garbage_of_the_main_thread() -> None:
    """What a user's object does when it goes may wait for a lock that the main thread holds."""
    where: list[int] = []

    class Cycle:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            where.append(threading.get_ident())
    thresholds = gc.get_threshold()
    gc.set_threshold(5)
    try:
        me: int = machine.unbroken(lambda: ([Cycle() and None for _ in range(50)], threading.get_ident())[1])
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    assert gc.isenabled() and len(where) == 50 and me not in where


def test_an_error_in_llvm_is_not_held() -> None:
    class Held:
        pass
    held: list[weakref.ref[Held]] = []

    def broken() -> None:
        x = Held()
        held.append(weakref.ref(x))
        raise ZeroDivisionError
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(ZeroDivisionError):
            machine.unbroken(broken)
        assert held[0]() is None
    finally:
        gc.enable()


def test_no_more_threads(monkeypatch) -> None:
    def refused(*_):
        raise RuntimeError("can't start new thread")
    growth.settled()
    with monkeypatch.context() as patch:
        patch.setattr(machine._thread, "start_new_thread", refused)
        library = machine.load("define i64 @entry() {\n  ret i64 7\n}\n", {}, names=("entry",))
        del library
        assert machine._RETIRED and not machine._FREEING
    machine.load("define i64 @entry() {\n  ret i64 7\n}\n", {}, names=("entry",))


def test_llvm_has_a_stack_of_its_own() -> None:
    before = threading.stack_size(32 << 10)  # too little for it
    try:
        f = wg.jit(lambda x: np.sin(x) * np.exp(x) + 3.25, at_once=True)
        np.testing.assert_allclose(f(0.5), np.sin(0.5) * np.exp(0.5) + 3.25)
        assert threading.stack_size() == 32 << 10
    finally:
        threading.stack_size(before)


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


@POSIX
def test_a_pipe_in_the_folder_is_not_waited_for(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path / "kept"))
    key = b"k" * 32
    assert store.put(key, b"code") and store.get(key) == b"code"
    path, = (tmp_path / "kept").glob("*.wgo")
    path.unlink()
    os.mkfifo(path, 0o600)
    assert store.get(key) is None


def test_threads_that_mute_what_is_printed_leave_the_stream_as_it_was(capsys) -> None:
    before, both = sys.stdout, threading.Barrier(2, timeout=20)

    def other() -> None:
        with muted():
            both.wait()  # here both are muted
            both.wait()  # here the first has gone
            print("muted")
    thread = threading.Thread(target=other)
    with muted():
        thread.start()
        print("muted, too")
        both.wait()
    print("said")
    both.wait()
    thread.join()
    assert sys.stdout is before
    assert capsys.readouterr().out == "said\n"


def test_functions_of_generated_text_are_freed(monkeypatch) -> None:
    """Each is in its own globals, to which what it was rewritten to leads."""
    monkeypatch.setattr(reach, "_MOST_REACHED", 20)
    reach._REACHED.clear()
    for k in range(60):
        growth.generated(k)
    assert len(reach._REACHED) <= 20
