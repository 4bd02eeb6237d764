"""Asserts on traced values under `jit`, and what else a staged function may now hold: they say what Python would have said."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import pytest

import wengert as wg
from tests.frontends import asserting
from wengert.staging import StagingWarning


@pytest.fixture(autouse=True)
def _staged():
    """Running unstaged is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", StagingWarning)
        yield


def failure(f, *args):
    with pytest.raises(AssertionError) as caught:
        f(*args)
    return caught.value


@pytest.mark.parametrize(("f", "good", "bad", "line"), [
    (asserting.positive, (2.0,), (-1.5,), 7),
    (asserting.bounded, (2.0, np.array([1.0, 2, 3, 1])), (2.0, np.array([1.0, 9, -3, 1])), 15),
    (asserting.silent, (3.0, 20.0), (1.0, 20.0), 22),
])
def test_an_assert_fails_when_the_program_runs(f, good, bad, line):
    j = wg.jit(f)
    for way in (j, wg.jit(wg.grad(f)), wg.jit(wg.value_and_grad(f))):
        way(*good)
        found, wanted = failure(way, *bad), failure(f, *bad)
        assert (type(found), found.args, str(found)) == (AssertionError, wanted.args, str(wanted))
        way(*good)  # it can be called again
    failure(wg.grad(j), *bad)
    assert j(*good) == f(*good)
    assert wg.grad(j)(*good) == wg.grad(f)(*good)
    (note,) = failure(j, *bad).__notes__
    assert f"asserting.py:{line}" in note


def test_each_lane_asserts():
    j = wg.jit(asserting.positive)
    for way in (wg.vmap(j), wg.jit(wg.vmap(asserting.positive))):
        assert way(np.array([1.0, 2.0])).tolist() == [1.0, 4.0]
        assert str(failure(way, np.array([1.0, -2.0]))) == "x is -2.00"


def test_a_message_is_made_only_where_it_is_needed():
    def never():
        raise ValueError("made")

    assert asserting.expensive(1.0, never) == 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StagingWarning)  # what a block raises while it is traced, Python may raise later
        assert wg.jit(asserting.expensive)(1.0, never) == 1.0


def test_an_assert_on_what_is_known_is_checked_when_it_is_traced():
    assert wg.jit(asserting.constant)(np.ones(2)) == 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StagingWarning)
        assert str(failure(wg.jit(asserting.constant), np.ones((2, 2)))) == "one axis"


# ---------------------------------------------------------------- messages, functions, classes


def test_containers_of_traced_values_are_printed_as_they_were(capsys):
    def f(x):
        seen = [x, {"a": (x * 2, "b")}]
        print(seen, {1: x}, "end")
        seen.append(3)
        print(seen)
        return x

    f(1.5)
    plain = capsys.readouterr().out
    assert wg.jit(f)(1.5) == 1.5
    assert capsys.readouterr().out == plain == "[1.5, {'a': (3.0, 'b')}] {1: 1.5} end\n[1.5, {'a': (3.0, 'b')}, 3]\n"


def test_vmap_inside_jit_stages_what_each_lane_decides():
    def root(a):
        x = a
        while abs(x * x - a) > 1e-12:
            x = 0.5 * (x + a / x)
        return x if x > 1 else -x

    def total(a):
        return np.sum(wg.vmap(root)(a))

    a = np.array([0.5, 2.0, 9.0])
    assert wg.jit(wg.vmap(root))(a).tolist() == wg.vmap(root)(a).tolist() == [root(v) for v in a]
    assert wg.jit(wg.grad(total))(a).tolist() == wg.grad(total)(a).tolist()


def test_jit_of_a_function_made_inside_a_derived_one():
    def f(x):
        a = 2.0

        def inner(y):
            for _ in range(5):
                y = y * math.sin(y)
            return y

        return wg.jit(lambda y: a * y * math.sin(y))(x) + wg.jit(inner)(x)

    assert wg.jit(wg.grad(f))(1.1) == wg.grad(f)(1.1)
    wg.check_grads(f, (1.1,))


@dataclass
class Pair:
    a: float
    b: float = 2.0


def test_a_dataclass_made_in_a_staged_loop():
    def f(x):
        total = 0.0
        for k in range(4):
            p = Pair(x * k)
            p.a = p.a * x
            total = total + p.a * p.b
        return total

    assert wg.jit(f)(3.0) == f(3.0) == 108.0
    assert wg.jit(wg.grad(f))(3.0) == 72.0
