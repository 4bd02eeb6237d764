"""What a jitted function reads from around it, changed in place between two calls: the next call sees it."""

from __future__ import annotations

import functools
import types
from collections import deque

import numpy as np
import pytest

import wengert as wg

X = np.arange(5.0) + 1


def _default(a):
    def f(x, b=a):
        return x * b
    return f


def _keyword(a):
    def f(x, *, b=(a,)):
        return x * b[0]
    return f


def _tuple(a):
    held = (a, 2.0)
    return lambda x: x * held[0] * held[1]


def _nested(a):
    held = ((a,),)
    return lambda x: x + held[0][0]


def _unpacked(a):
    held = (a, 2.0)

    def f(x):
        first, second = held
        return x * first + second
    return f


def _attribute(a):
    held = types.SimpleNamespace(t=(a,))
    return lambda x: x * held.t[0]


def _by_name(a):
    held = types.SimpleNamespace(a=a)
    return lambda x: x * held.a * getattr(held, "b", 2.0)


def _called_default(a):
    def helper(x, b=a):
        return x * b
    return lambda x: helper(x)


def _partial(a):
    return functools.partial(lambda b, x: x * b, a)


def _partial_word(a):
    return functools.partial(lambda x, b: x * b, b=a)


def _partial_read(a):
    g = functools.partial(lambda b, x: x * b, a)
    return lambda x: g(x) + 1


def _deque(a):
    held = deque([a])
    return lambda x: x * held[0]


def _objects(a):
    held = np.empty(1, object)
    held[0] = a
    return lambda x: x * held[0]


def _buffer(a):
    held = memoryview(a)
    return lambda x: x * np.asarray(held)


MAKERS = [_default, _keyword, _tuple, _nested, _unpacked, _attribute, _by_name, _called_default, _partial, _partial_word,
          _partial_read, _deque, _objects, _buffer]


@pytest.mark.filterwarnings("ignore::wengert.staging.StagingWarning")
@pytest.mark.parametrize("make", MAKERS, ids=lambda m: m.__name__.strip("_"))
def test_an_array_changed_in_place_is_seen(make):
    a = np.ones(5)
    f = make(a)
    jitted = wg.jit(f)
    for k in range(6):  # interpreted at first, then compiled
        np.testing.assert_array_equal(jitted(X), f(X))
        a[k % 5] += 10.0 * (k + 1)
    for _ in range(5):
        np.testing.assert_array_equal(jitted(X), f(X))
    a[3] = -7.0
    np.testing.assert_array_equal(jitted(X), f(X))


def test_an_attribute_that_appears_is_seen():
    held = types.SimpleNamespace()
    jitted = wg.jit(lambda x: x * getattr(held, "b", 2.0))
    assert [jitted(1.0), jitted(1.0)] == [2.0, 2.0]
    held.b = 3.0
    assert jitted(1.0) == 3.0
