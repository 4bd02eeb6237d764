"""Simplify: each rule fires where it is exact, and none where it would change a bit."""

from __future__ import annotations

import numpy as np
import pytest

import wengert.primitives  # noqa: F401
from wengert.backends.interpret import evaluate
from wengert.graph import REGISTRY, ArrayType, Const, Graph, Handle, build_graph
from wengert.graph.check import check
from wengert.graph.walk import same_graph
from wengert.transforms.simplify import simplify

P = REGISTRY
F3 = ArrayType((3,), np.float64)
F23 = ArrayType((2, 3), np.float64)
C3 = ArrayType((3,), np.complex128)
B3 = ArrayType((3,), np.bool_)
I3 = ArrayType((3,), np.int64)
ONES = np.ones(3)

GONE = {  # nothing is left of these
    "x * 1": (lambda x: x * 1.0, F3), "1 * x": (lambda x: 1.0 * x, F3), "x * ones": (lambda x: x * Const(ONES), F3),
    "x / 1": (lambda x: x / 1.0, F3), "x - 0": (lambda x: x - 0.0, F3), "x + -0": (lambda x: x + -0.0, F3),
    "-0 + x": (lambda x: -0.0 + x, F3), "i * 1": (lambda x: x * 1, I3), "i + 0": (lambda x: x + 0, I3),
    "--x": (lambda x: P["negative"](P["negative"](x)), F3), "+x": (lambda x: P["positive"](x), F3), "conj conj": (
        lambda x: P["conjugate"](P["conjugate"](x)), C3), "conj real": (lambda x: P["conjugate"](x), F3),
    "real real": (lambda x: P["real"](x), F3), "reshape": (lambda x: P["reshape"](x, shape=(3,)), F3),
    "reshape there and back": (lambda x: P["reshape"](P["reshape"](x, shape=(3, 2)), shape=(2, 3)), F23),
    "transpose twice": (lambda x: P["transpose"](P["transpose"](x, axes=(1, 0)), axes=(1, 0)), F23),
    "broadcast": (lambda x: P["broadcast"](x, shape=(3,)), F3), "convert": (
        lambda x: P["convert"](x, dtype=np.dtype(float)), F3),
    "wide and back": (lambda x: P["convert"](P["convert"](x, dtype=np.dtype(complex)), dtype=np.dtype(float)), F3),
    "flip twice": (lambda x: P["flip"](P["flip"](x, axes=(0,)), axes=(0,)), F3), "flip none": (
        lambda x: P["flip"](x, axes=()), F3),
    "whole": (lambda x: P["index"](x, spec=(("s", None, None, None),)), F3), "pad 0": (
        lambda x: P["pad"](x, widths=((0, 0),)), F3),
    "concatenate one": (lambda x: P["concatenate"](x, Const(np.zeros(0)), axis=0), F3),
    "equal arms": (lambda x: P["select"](x > 0.0, x, x), F3), "true": (
        lambda x: P["select"](Const(np.asarray(True)), x, -x), F3), "and false": (
        lambda x: P["select"](P["logical_and"](Const(np.asarray(False)), P["isfinite"](x)), -x, x), F3), "or true": (
        lambda x: P["select"](P["logical_or"](P["isfinite"](x), Const(np.asarray(True))), x, -x), F3), "not not": (
        lambda p: P["logical_not"](P["logical_not"](p)), B3), "p and p": (lambda p: P["logical_and"](p, p), B3),
    "p and true": (lambda p: P["logical_and"](p, Const(np.asarray(True))), B3),
    "sum of booleans over one": (lambda p: P["reduce_sum"](P["reshape"](p, shape=(3, 1)), axes=(1,)), B3),
}

STAYS = {  # these change a bit somewhere
    "x + 0": (lambda x: x + 0.0, F3), "x - -0": (lambda x: x - -0.0, F3), "x * 0": (lambda x: x * 0.0, F3),
    "x - x": (lambda x: x - x, F3), "x / x": (lambda x: x / x, F3), "z * 1": (lambda x: x * 1.0, C3),
    "z / 1": (lambda x: x / 1.0, C3), "narrow and back": (
        lambda x: P["convert"](P["convert"](x, dtype=np.dtype(np.float32)), dtype=np.dtype(float)), F3),
    "sum over none": (lambda x: P["reduce_sum"](x, axes=()), F3),
    "x * 1 of another shape": (lambda x: x * Const(np.ones((2, 3))), F3),
}

NASTY = np.array([-0.0, np.inf, np.nan])


def values(t):
    if t.dtype.kind == "c":
        out = np.empty(3, complex)
        out.real, out.imag = NASTY, [np.inf, -0.0, 1.0]
        return out
    return np.array([True, False, True]) if t.dtype.kind == "b" else np.resize(NASTY, t.shape) if t.dtype.kind == "f" \
        else np.array([-3, 0, 2 ** 62])


@pytest.mark.parametrize("name", [*GONE, *STAYS])
def test_rules(name):
    f, t = {**GONE, **STAYS}[name]
    graph = build_graph(f, t)
    small = check(simplify(graph))
    assert same_graph(simplify(small), small)
    if name in GONE:
        assert len(small.equations) == 0 and small.outputs == small.inputs
    else:
        assert len(small.equations) == len(graph.equations)
    with np.errstate(all="ignore"):
        a, b = [np.asarray(evaluate(g, [values(t)])[0]) for g in (graph, small)]
    assert a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    for part in (np.real, np.imag):
        kept = ~np.isnan(part(a)) if a.dtype.kind in "fc" else np.ones(a.shape, bool)
        assert np.array_equal(np.signbit(part(a) * 1.0)[kept], np.signbit(part(b) * 1.0)[kept])


def two(x):
    return Handle(x.build, Const(2.0))


@pytest.mark.parametrize("f, t, left", [
    (lambda x: x + -(x * x), F3, ["multiply", "subtract"]),
    (lambda x: x - -(x * x), F3, ["multiply", "add"]),
    (lambda x: (-x) * (-x), F3, ["multiply"]),
    (lambda x: x * -1.0, F3, ["negative"]),
    (lambda x: P["reshape"](P["reshape"](x, shape=(3, 2)), shape=(6,)), F23, ["reshape"]),
    (lambda x: P["broadcast"](P["broadcast"](x, shape=(2, 3)), shape=(4, 2, 3)), F3, ["broadcast"]),
    (lambda x: x + P["broadcast"](two(x), shape=(3,)), F3, ["add"]),
    (lambda x: P["select"](P["logical_not"](x > 0.0), x, x * 2.0), F3, ["greater", "multiply", "select"]),
    (lambda x: x * P["sin"](two(x)), F3, ["multiply"]),
    (lambda x: x * P["log"](two(x) - 2.0), F3, ["log", "multiply"]),  # it warns, so it stays
    (lambda x: (P["sin"](x), P["sin"](x) * 1.0)[1], F3, ["sin"]),
])
def test_what_is_left(f, t, left):
    small = check(simplify(build_graph(f, t)))
    assert [e.primitive.name for e in small.equations] == left


F333 = ArrayType((3, 3, 3), float)


@pytest.mark.parametrize("f", [
    lambda x: -x + x * x,
    lambda x: P["transpose"](P["transpose"](x, axes=(1, 2, 0)), axes=(0, 2, 1)),
    lambda x: P["transpose"](P["transpose"](x, axes=(1, 2, 0)), axes=(1, 2, 0)),
    lambda x: P["flip"](P["flip"](x, axes=(1,)), axes=(0, 2)),
])
def test_what_does_not_commute(f):
    graph = build_graph(f, F333)
    x = np.random.default_rng(0).normal(size=F333.shape)
    np.testing.assert_array_equal(*[evaluate(g, [x])[0] for g in (graph, simplify(graph))])


def test_dead_code_goes_and_lines_stay():
    graph = build_graph(lambda x: P["sin"](x) * 1.0, F3)
    first = graph.equations[0]
    graph = Graph(graph.inputs, graph.equations, graph.outputs, {first: frozenset({"a.py:1"})})
    assert list(simplify(graph).lines.values()) == [frozenset({"a.py:1"})]


def test_python_is_not_called_by_folding():
    (_, params), = P["python_call"].sample(np.random.default_rng(0))
    graph = build_graph(lambda x: x + P["python_call"](x * 0.0, **params), F3)
    assert len(simplify(graph).equations) == 3
