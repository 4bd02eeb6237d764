"""Attributes of objects and items of lists and dicts that loops and branches change: carried like variables."""

from __future__ import annotations

import types
import warnings
from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.linspace(0.1, 1.0, 5)


class Box:
    def __init__(self, v):
        self.v = v
        self.w = v * 0.5
        self.n = 0


class Acc:
    total = 1.0

    def __init__(self):
        self.items = {"a": 0.0}
        self._x = 0.0

    @property
    def x(self):
        return self._x

    @x.setter
    def x(self, value):
        self._x = value * 2

    def __setitem__(self, k, v):
        self.items[k] = v

    def __getitem__(self, k):
        return self.items[k]


def two_names(x):
    b = Box(x)
    c = b
    for _i in range(5):
        c.v = b.v + 1.0
        b.w = c.v * c.w
    return np.sum(b.w) + np.sum(c.v)


def alias_of_attribute(x):
    b = Box(x.copy())
    y = b.v
    for _i in range(5):
        b.v = b.v * 1.1
        y[0] = y[0] + b.v[1]
    return np.sum(b.v) + 3 * np.sum(y)


def alias_inside(x):
    b = Box(x.copy())
    y = x * 2
    for i in range(5):
        b.v = y
        y[1] = y[1] * 0.9 + i
        b.w = b.v
    b.w[0] = 7.0
    return np.sum(b.v) + 3 * np.sum(y)


def in_branch(x):
    b = Box(x)
    if x[0] > 0:
        b.v = b.v * 2
    else:
        b.n = 3
    return np.sum(b.v) * (b.n + 1)


def branch_alias(x):
    b = Box(x.copy())
    c = Box(x * 3)
    if x[0] > 0:
        b.v = c.v
    b.v[0] = 5.0
    return np.sum(b.v) + 10 * np.sum(c.v)


def break_(x):
    b = Box(x)
    for _i in range(10):
        b.v = b.v * 1.3
        b.n += 1
        if np.sum(b.v) > 6:
            break
        b.w = b.w + b.v
    return np.sum(b.w) * b.n


def nested(x):
    b = Box(x)
    for i in range(4):
        for j in range(3):
            b.v = np.sin(b.v) + 0.1 * j
            if b.v[0] > 0.3:
                b.w += b.v[0]
        b.n = b.n + i
    return np.sum(b.w * b.v) * b.n


def prop(x):
    a = Acc()
    for _i in range(5):
        a.x = a.x + np.sum(x) * 0.1
        a["a"] = a["a"] + a.x
    return a["a"] * a.x


def class_default(x):
    a = Acc()
    for _i in range(5):
        a.total = a.total * np.sum(x)
    return a.total


def new_key(x):
    d = {}
    for i in range(5):
        d["z"] = np.sum(x) * i
    return d["z"] * len(d)


def new_key_in_branch(x):
    d = {}
    if x[0] > 100:
        d["z"] = np.sum(x)
    return np.sum(x) * (3 if "z" in d else 5)


def swap_objects(x):
    a, b = Box(x), Box(2 * x)
    for _i in range(5):
        a.v, b.v = b.v, a.v * 1.5
    return np.sum(a.v) + 3 * np.sum(b.v)


def shared_between(x):
    a, b = Box(x.copy()), Box(x.copy())
    for _i in range(5):
        a.v = b.v
        b.w = a.v
        a.v[0] += 1.0
    return np.sum(a.v) + 3 * np.sum(b.v) + 5 * np.sum(b.w)


def list_state(x):
    s = [x, 0.0, (x, 1.0)]
    for _i in range(6):
        s[1] += np.sum(s[0])
        s[2] = (s[0] * 0.5, s[1])
        s[0] = s[2][0] + s[-1][1] * 0.01
    return s[1] * np.sum(s[2][0])


def while_attr(x):
    b = Box(x)
    while np.max(b.v) < 50 and b.n < 100:
        b.v = b.v * b.v + 0.3
        b.n += 1
    return np.sum(b.v) + b.n


def none_start(x):
    b = Box(x)
    b.best = None
    for i in range(4):
        b.best = np.sum(b.v) * i
    return b.best


def two_kinds(x):
    b = Box(x)
    for _i in range(4):
        b.n = b.n + 0.5
    return b.n * np.sum(x)


def obj_in_obj(x):
    b = Box(x)
    b.inner = Box(x * 2)
    for _i in range(4):
        b.inner.v = b.inner.v + b.v
        b.inner.n += 1
    return np.sum(b.inner.v) * b.inner.n


def ns(x):
    s = types.SimpleNamespace(p=x, q=0.0)
    for _i in range(4):
        s.q = s.q + np.sum(s.p)
        s.p = s.p * 0.9
    return s.q


def arr_write(x):
    b = Box(np.zeros(5))
    for i in range(4):
        b.v[i] = np.sin(x[i]) + b.v[i - 1]
        b.w = b.v
    b.w[4] = 3.0
    return np.sum(b.v**2)


def ident(x):
    b = Box(x)
    y = b.v
    for _i in range(4):
        if b.v is y:
            b.n = b.n + 1
        b.v = b.v + 0
    return np.sum(b.v) * b.n


class Clipped:
    """Its attribute is a new array at each look, and stored by code of the class."""

    def __init__(self, v):
        self.held = v
        self.stores = 0

    @property
    def v(self):
        return self.held * 2.0

    @v.setter
    def v(self, value):
        self.held = value * 0.25
        self.stores += 1


def in_place_through_a_property(x):
    c = Clipped(x)
    c.v *= 3.0
    for _i in range(4):
        c.v += 1.0
    return np.sum(c.v) * c.stores


class Bare:
    pass


def class_without_init(x):
    b = Bare()
    b.v, b.running = x, True
    while b.running:
        b.v = b.v * 0.9
        b.running = np.sum(b.v) > 1.0
    return np.sum(b.v)


def flag(x):
    running = True
    while running:
        x = x * 0.9
        running = np.sum(x) > 1.0
    return np.sum(x)


STAGED = [
    in_place_through_a_property,
    class_without_init,
    flag,
    two_names,
    alias_of_attribute,
    alias_inside,
    in_branch,
    branch_alias,
    break_,
    nested,
    prop,
    class_default,
    new_key,
    swap_objects,
    shared_between,
    list_state,
    while_attr,
    none_start,
    two_kinds,
    obj_in_obj,
    ns,
    arr_write,
]


def staged_and_not(f: Any) -> None:
    x = X.copy()
    value, slope = wg.value_and_grad(f)(x)
    assert value == pytest.approx(f(X.copy()), rel=1e-14)
    h = 1e-6
    steps = [(f(X + h * e) - f(X - h * e)) / (2 * h) for e in np.eye(5)]
    np.testing.assert_allclose(slope, steps, rtol=1e-7, atol=1e-7 * np.max(np.abs(steps)))
    for _ in range(2):
        assert wg.jit(f)(x) == pytest.approx(value, rel=1e-14)
        np.testing.assert_allclose(wg.jit(wg.grad(f))(x), slope, rtol=1e-13)


@pytest.mark.parametrize("f", STAGED, ids=lambda f: f.__name__)
def test_what_a_block_changes_is_carried(f: Any) -> None:
    """No warning: it was staged."""
    staged_and_not(f)


@pytest.mark.parametrize(
    "f, why",
    [
        (new_key_in_branch, "adds dict['z'] to what was made before the block; give it a value there"),
        (ident, "whether two arrays are one object is asked"),
    ],
    ids=["new key", "identity"],
)
def test_what_cannot_be_carried_runs_unstaged(f: Any, why: str) -> None:
    with pytest.warns(wg.StagingWarning) as caught:
        assert wg.jit(f)(X.copy()) == f(X.copy())
    assert why in str(caught[0].message)


def test_a_long_simulation_is_one_loop() -> None:
    class Particle:
        def __init__(self, x: Any) -> None:
            self.x, self.v, self.steps = x, np.zeros_like(x), 0

        def step(self, dt: float) -> None:
            self.v = self.v - dt * np.sin(self.x)
            self.x = self.x + dt * self.v
            self.steps += 1

    def fly(n: int) -> Any:
        def energy(x: Any) -> Any:
            p = Particle(x)
            for _ in range(n):
                p.step(0.01)
            return np.sum(1.0 - np.cos(p.x) + 0.5 * p.v**2) * p.steps

        return energy

    few, many = (wg.make_graph(wg.jit(fly(n)), X) for n in (10, 10_000))
    assert len(few.equations) == len(many.equations) and len(str(few)) < 4000
    staged_and_not(fly(10))


@pytest.mark.parametrize(
    "test",
    [
        lambda r: r is None,
        lambda r: r is not None,
        lambda r: type(r) is type(None),
        callable,
        lambda r: repr(r) == "None",
        lambda r: isinstance(r, np.ndarray),
    ],
)
def test_questions_about_a_variable_without_one_value(test: Any) -> None:
    """None on one way and an array on the other: what asks which runs unstaged."""

    def f(x: Any) -> Any:
        r = x
        if x[0] > 0:
            r = None
        return np.sum(x) if test(r) else 2 * np.sum(x)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wg.StagingWarning)
        for x in (X, -X):
            assert wg.jit(f)(x) == f(x)


def test_the_rest_of_a_loop_is_traced_again_with_what_it_changes() -> None:
    def f(x: Any) -> Any:
        h, m, memo = x * 2, 1, {"w": x}
        for _ in range(3):
            for row in h.reshape(5, 1):
                row *= 0.9
                if m > 0:
                    memo["w"] = x
                else:
                    return x[0]
                m = 2
        return np.sum(h)

    staged_and_not(f)
