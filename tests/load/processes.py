"""Processes: forked with threads at work and in the middle of compiling, spawned, and pools of them that are sent functions."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

import wengert as wg
from tests.load.programs import PROGRAMS, copied, large, loop

X = np.linspace(0.1, 1.0, 6)
GRADIENT = wg.jit(wg.grad(loop))
LIMIT = 60.0  # seconds that a child may take


def in_child(work: Callable[[], None]) -> None:
    """Do something in a child of `fork`; AssertionError if it raises, crashes or hangs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12: this process has threads
        child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    end = time.monotonic() + LIMIT
    while (found := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > end:
            os.kill(child, 9)
            os.waitpid(child, 0)
            raise AssertionError("a forked process hangs")
        time.sleep(0.002)
    assert os.waitstatus_to_exitcode(found[1]) == 0, f"a forked process ended with {os.waitstatus_to_exitcode(found[1])}"


def _same(g: Any, f: Any, name: str) -> None:
    np.testing.assert_allclose(g(X), wg.grad(f)(X), rtol=1e-10, atol=1e-12, err_msg=name)


def forked(children: int, seed: int) -> int:
    """Children of a process whose threads compile, and call what is compiled; the pool of threads is at work too."""
    stop, shared = threading.Event(), [wg.jit(wg.grad(f), at_once=True) for f in PROGRAMS]
    for g, f in zip(shared, PROGRAMS, strict=True):
        _same(g, f, f.__name__)

    def compiling(k: int) -> None:
        while not stop.is_set():
            _same(wg.jit(wg.grad(copied(PROGRAMS[k])), at_once=True), PROGRAMS[k], "compiled beside")

    def calling() -> None:
        while not stop.is_set():
            shared[-1](X)
    threads = [*[threading.Thread(target=compiling, args=((seed + k) % len(PROGRAMS),)) for k in range(2)],
               threading.Thread(target=calling)]
    for t in threads:
        t.start()

    def work() -> None:
        for g, f in zip(shared, PROGRAMS, strict=True):
            _same(g, f, f"{f.__name__}, compiled before the fork")
        _same(wg.jit(wg.grad(copied(loop)), at_once=True), loop, "compiled in the child")
        _same(wg.jit(wg.grad(copied(large)), at_once=True), large, "the pool in the child")
    try:
        with wg.config.set(threads=2):
            for _ in range(children):
                in_child(work)
    finally:
        stop.set()
        for t in threads:
            t.join()
    return children


def at(k: int) -> Any:
    """What a worker of a pool computes."""
    return GRADIENT(X * k)


def called(f: Any, k: int) -> Any:
    return f(X * k)


def pools(how: str, calls: int) -> int:
    """A pool of processes that is sent numbers, and functions that are compiled already."""
    right = [wg.grad(loop)(X * k) for k in range(1, calls + 1)]
    for _ in range(4):
        GRADIENT(X)
    with ProcessPoolExecutor(2, multiprocessing.get_context(how)) as pool:
        jobs = [pool.submit(at, k) for k in range(1, calls + 1)]
        jobs += [pool.submit(called, GRADIENT, k) for k in range(1, calls + 1)]
        found = [job.result(timeout=LIMIT) for job in jobs]
    np.testing.assert_allclose(found, [*right, *right], rtol=1e-10)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(GRADIENT))(X), right[0], rtol=1e-10)
    return 2 * calls


def run(seed: int, children: int = 3, ways: tuple[str, ...] = ("spawn", "fork")) -> Counter[str]:
    done = Counter[str]()
    if hasattr(os, "fork"):
        done["forked"] += forked(children, seed)
    for how in ways:
        if how in multiprocessing.get_all_start_methods():
            done["calls in pools"] += pools(how, 4)
    return done
