"""Tiers: when machine code is made, and what happens where it cannot be."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert.backends.compiled import kernel, machine


def runner(j):
    (staged,) = j.found.values()
    return staged.program


def test_the_first_calls_are_interpreted_and_later_ones_are_not():
    j = wg.jit(lambda x: np.sum(np.sin(x) * x))
    x = np.linspace(0.0, 1.0, 5)
    for _ in range(3):
        j(x)
        assert runner(j).compiled is None
    expected = j(x)
    assert runner(j).compiled is not None
    assert j(x) == pytest.approx(expected, rel=1e-15)


def test_a_long_loop_is_compiled_at_once():
    def long(x):
        for i in range(100_000):
            x = x + np.sin(x * i)
        return x
    j = wg.jit(long)
    j(0.5)
    assert runner(j).compiled is not None


def test_the_interpreter_can_be_asked_for():
    def long(x):
        for _ in range(10_000):
            x = x * 1.0001
        return x
    with wg.config.set(backend="interpreted"):
        j = wg.jit(long)
        for _ in range(5):
            j(0.5)
        assert runner(j).compiled is None
    with pytest.raises(wg.errors.InputError, match="backend"):
        wg.config.backend = "fortran"
    with pytest.raises(wg.errors.InputError, match="no setting"), wg.config.set(speed=1):
        pass


def test_a_fault_of_the_compiler_is_said_and_costs_only_time(monkeypatch):
    monkeypatch.setattr(kernel, "compile_graph", lambda graph: {}["fault"])
    j = wg.jit(lambda x: x * 2.0)
    x = np.ones(3)
    for _ in range(3):
        j(x)
    with pytest.warns(UserWarning, match="could not compile a graph.*KeyError: 'fault'"):
        np.testing.assert_array_equal(j(x), [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(j(x), [2.0, 2.0, 2.0])


@pytest.mark.parametrize("way", [lambda j, x: j(x), lambda j, x: j(x=x)])  # an entry of its own, and the ordinary path
def test_so_is_a_fault_of_llvm(monkeypatch, way):
    def broken(*args, **kwargs):
        raise RuntimeError("LLVM IR parsing error")
    monkeypatch.setattr(machine, "load", broken)
    j = wg.jit(lambda x: x * 3.0)
    x = np.ones(3)
    for _ in range(3):
        way(j, x)
    with pytest.warns(UserWarning, match="could not compile a graph.*LLVM IR parsing error"):
        np.testing.assert_array_equal(way(j, x), [3.0, 3.0, 3.0])
    np.testing.assert_array_equal(way(j, x), [3.0, 3.0, 3.0])
