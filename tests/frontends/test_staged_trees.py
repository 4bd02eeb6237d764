"""Under `jit`, lists and dicts that wengert itself puts together (arguments of a derivative, results) are no reads from
outside.

What comes in: programs that pick a tuple of values from such a container. What goes out: a failure if one runs unstaged,
or gives something else than unstaged.
"""

from __future__ import annotations

import warnings
from dataclasses import InitVar, dataclass, field
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.flatten import flatten

WEIGHTS = [(np.eye(3), np.zeros(3)), (2.0 * np.eye(3), np.ones(3))]
X = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


def last_layer(weights, x):
    w, b = weights[-1]
    return np.sum(np.tanh(x @ w + b))


def named_layer(weights, x):
    w, b = {"layers": weights}["layers"][0]
    return np.sum(np.tanh(x @ w + b))


def picked_gradient(weights, x):
    w, b = wg.grad(last_layer)(weights, x)[1]
    return w + b


def picked_lanes(weights, x):
    a, b = wg.vmap(lambda row: [(row, 2.0 * row)])(x)[0]
    return a + b


def scanned(weights, x):
    def step(carry, row):
        a, b = carry["pair"][0]
        return {"pair": [(a + row * b, 0.5 * b)]}, a

    last, rows = wg.scan(step, {"pair": [(x[0], x[1])]}, x)
    a, b = last["pair"][0]
    return np.sum(rows) + np.sum(a * b)


PROGRAMS = {
    "argument of grad": wg.grad(last_layer),
    "argument of grad, in a dict": wg.grad(named_layer),
    "argument of hessian": wg.hessian(last_layer),
    "argument of vmap": wg.vmap(last_layer, (None, 0)),
    "argument of jvp": lambda weights, x: wg.jvp(lambda w: last_layer(w, x), (weights,), (weights,)),
    "argument of vjp": lambda weights, x: wg.vjp(lambda w: last_layer(w, x), weights)[1](1.0),
    "result of grad": picked_gradient,
    "result of vmap": picked_lanes,
    "carry of scan": scanned,
    "carry of scan under grad": wg.grad(scanned, 1),
}


@pytest.mark.parametrize("f", PROGRAMS.values(), ids=PROGRAMS)
def test_a_tuple_in_a_list_is_picked(f):
    staged = wg.jit(f)
    with warnings.catch_warnings():
        warnings.simplefilter("error", wg.StagingWarning)
        got = staged(WEIGHTS, X)
    for a, b in zip(flatten(got)[0], flatten(f(WEIGHTS, X))[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


HELD = [(1.0, 2.0)]


def test_what_is_read_from_around_is_watched_as_before():
    def f(weights, x):
        a, b = HELD[0]
        return wg.grad(last_layer)(weights, x)[1][0] * a + b

    staged = wg.jit(f)
    before = staged(WEIGHTS, X)
    HELD[0] = (3.0, 4.0)
    try:
        np.testing.assert_allclose(staged(WEIGHTS, X), f(WEIGHTS, X), rtol=1e-12)
        assert not np.allclose(before, f(WEIGHTS, X))
    finally:
        HELD[0] = (1.0, 2.0)


def test_functions_among_the_arguments_may_be_returned(recwarn):
    """A model with its activation functions comes back from a step; a function that is made within is not an argument's."""
    def step(model, x):
        a, f, b = model
        return a - 0.1 * np.sum(f(x)), f, b

    staged = wg.jit(step)
    double = lambda x: 2.0 * x
    for f in (np.tanh, double, np.tanh, double):
        for _ in range(50):  # from interpreted to compiled
            got, want = staged((1.0, f, None), np.arange(3.0)), step((1.0, f, None), np.arange(3.0))
        assert got[1] is f and got[2] is None and np.isclose(got[0], want[0], rtol=1e-14)
    assert not recwarn.list
    with pytest.warns(wg.StagingWarning, match="a function is returned"):
        wg.jit(lambda x: lambda: x)(1.0)


@dataclass(frozen=True, slots=True)
class _Scaled:
    w: Any
    by: InitVar[float] = 3.0
    parts: list[Any] = field(default_factory=list)
    turned: Any = field(init=False, default=None)

    def __post_init__(self, by: float) -> None:
        for _ in range(3):
            self.parts.append(self.w * by)
        object.__setattr__(self, "turned", self.parts[-1] if self.w > 0 else -self.parts[-1])


def test_dataclasses_that_compute_when_they_are_made(recwarn):
    """``__post_init__`` is staged with its branches; what `dataclass` wrote around it has no source."""
    def f(w):
        made = _Scaled(w, by=2.0)
        return made.turned + len(made.parts) * _Scaled(w * w).turned + wg.nn.Dropout(0.5)(w)

    staged = wg.jit(f)
    for w in (2.0, -2.0, 0.5):
        assert staged(w) == f(w) and wg.jit(wg.grad(f))(w) == wg.grad(f)(w) == (3.0 if w > 0 else -1.0) + 18.0 * w
    assert not recwarn.list


class _Told:
    heard: list[str] = []  # noqa: RUF012  (what is to be seen)

    def __init_subclass__(cls) -> None:
        _Told.heard.append(cls.__name__)


@dataclass
class _Heir(_Told):
    w: Any

    def __post_init__(self) -> None:
        self.w = 2.0 * self.w


def test_no_class_is_made_where_that_would_be_heard_of():
    with pytest.warns(wg.StagingWarning, match="__init__"):
        assert wg.jit(lambda w: _Heir(w).w)(1.5) == 3.0
    assert _Told.heard == ["_Heir"]
