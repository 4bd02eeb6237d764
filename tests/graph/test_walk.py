"""Walking and checking graphs."""

from __future__ import annotations

import numpy as np
import pytest

import wengert.primitives  # noqa: F401
from wengert.errors import GraphError
from wengert.graph import REGISTRY, ArrayType, Const, Equation, Graph, Var, build_graph
from wengert.graph.check import check
from wengert.graph.text import from_text
from wengert.graph.walk import free_variables, prune, same_graph, structural_key, substitute, use_counts

F = ArrayType((), np.float64)
F3 = ArrayType((3,), np.float64)
sin, add, reshape = REGISTRY["sin"], REGISTRY["add"], REGISTRY["reshape"]


def test_same_graph():
    def program(x, y):
        return sin(x) * y + 1.0
    a, b = build_graph(program, F, F), build_graph(program, F, F)
    assert same_graph(a, b) and hash(structural_key(a)) == hash(structural_key(b))
    assert not same_graph(a, build_graph(lambda x, y: sin(y) * x + 1.0, F, F))
    assert not same_graph(a, build_graph(program, F3, F))
    assert not same_graph(build_graph(lambda x: x + 0.0, F), build_graph(lambda x: x + -0.0, F))


@pytest.mark.parametrize("a, b", [(1, True), (1, 1.0), (0.0, -0.0), ((1,), (True,)), (None, 0), ("a", b"a")])
def test_keys_tell_parameters_apart(a, b):
    def graph(p):
        x, y = Var(F), Var(F)
        return Graph((x,), (Equation(sin, (x,), {"p": p}, (y,)),), (y,))
    assert not same_graph(graph(a), graph(b)) and same_graph(graph(a), graph(a))
    assert same_graph(graph(float("nan")), graph(float("nan")))


def test_free_variables_uses_prune_substitute():
    x, free, y, z, dead = Var(F), Var(F), Var(F), Var(F), Var(F)
    equations = (Equation(sin, (x,), {}, (y,)), Equation(sin, (y,), {}, (dead,)), Equation(add, (y, free), {}, (z,)))
    graph = Graph((x,), equations, (z,), {equations[1]: frozenset({"a.py:1"}), equations[2]: frozenset({"a.py:2"})})
    assert free_variables(graph) == (free,)
    assert use_counts(graph) == {x: 1, y: 2, dead: 0, z: 1, free: 1}
    small = prune(graph)
    assert small.equations == (equations[0], equations[2]) and list(small.lines) == [equations[2]]
    assert prune(small) is small
    assert prune(graph, [y]).equations == equations[:1]
    closed = substitute(graph, {free: Const(2.0)})
    assert free_variables(closed) == () and list(closed.lines.values()) == [frozenset({"a.py:1"}), frozenset({"a.py:2"})]
    check(closed)
    with pytest.raises(ValueError):
        substitute(graph, {z: x})


def broken(equations, outputs, inputs):
    return Graph(tuple(inputs), tuple(equations), tuple(outputs))


def test_check_finds_each_mistake():
    x, y, z = Var(F), Var(F), Var(F)
    ok = Equation(sin, (x,), {}, (y,))
    check(broken([ok], [y], [x]))
    check(broken([Equation(add, (x, z), {}, (y,))], [y], [x]), free=[z])
    for graph, message in [
        (broken([ok], [z], [x]), "output .* not defined"),
        (broken([Equation(sin, (z,), {}, (y,))], [y], [x]), r"equation 0 \(%1: float64\[\] = sin\(\?0\)\): .* before it is"),
        (broken([ok, Equation(sin, (x,), {}, (y,))], [y], [x]), "equation 1 .* already defined"),
        (broken([Equation(sin, (x,), {}, (x,))], [x], [x]), "already defined"),
        (broken([Equation(sin, (x,), {}, (Var(F3),))], [x], [x]), "has|have types"),
        (broken([Equation(sin, (x,), {}, (y, z))], [x], [x]), "types"),
        (broken([Equation(reshape, (x,), {"shape": [1]}, (y,))], [x], [x]), "not hashable"),
        (broken([Equation(reshape, (x,), {"shape": (2,)}, (y,))], [x], [x]), "do not fit"),
        (broken([Equation(sin, (2.0,), {}, (y,))], [x], [x]), "neither"),
        (broken([ok], [y], [x, x]), "twice"),
        (Graph((x,), (), (x,), {ok: frozenset()}), "lines"),
    ]:
        with pytest.raises(GraphError, match=message):
            check(graph)


def test_check_looks_into_nested_graphs():
    inner = from_text("graph(%0: float64[3]) { %1: float64[3] = sin(%0) return %1 }")
    bad = Graph(inner.inputs, inner.equations, (Var(F3),))
    (ops, params), = REGISTRY["custom_vjp"].sample(np.random.default_rng(0))
    graph = build_graph(lambda x: REGISTRY["custom_vjp"](x, **params), F3)
    check(graph)
    e = graph.equations[0]
    broken_equation = Equation(e.primitive, e.operands, {**e.params, "backward": bad}, e.results)
    with pytest.raises(GraphError, match="output"):
        check(Graph(graph.inputs, (broken_equation,), graph.outputs))
