"""Branches and loops with less in them: the same bits."""

import numpy as np
import pytest

import wengert as wg
from wengert.backends.interpret import Program
from wengert.graph import REGISTRY, ArrayType, Const, build_graph
from wengert.graph.check import check
from wengert.graph.walk import subgraphs
from wengert.transforms.simplify import simplify

P = REGISTRY
F, N, V = ArrayType((), np.float64), ArrayType((), np.int64), ArrayType((4,), np.float64)


def names(graph, inside=None):
    """The primitives of a graph; with the name of one that holds graphs, those inside it."""
    if inside is None:
        return [e.primitive.name for e in graph.equations]
    return [n for e in graph.equations if e.primitive.name == inside for g in subgraphs(e) for n in names(g)]


def same(graph, *values):
    """Simplified, with the same results."""
    simple = check(simplify(graph))
    for a, b in zip(Program(graph)(*values), Program(simple)(*values), strict=True):
        np.testing.assert_array_equal(a, b)
    again = simplify(simple)
    assert names(again) == names(simple)
    return simple


def scan(body, length, *operands, constants=0, carries=1, reverse=False):
    return P["scan"](Const(np.int64(length)), *operands, body=body, constants=constants, carries=carries, reverse=reverse,
                     size=length)


def test_a_carry_that_nobody_reads_is_dropped():
    body = build_graph(lambda a, b, c: (a * b, b + 1.0, P["sin"](c)), F, F, F)
    graph = build_graph(lambda x: scan(body, 5, x, Const(1.0), x, carries=3)[0], F)
    simple = same(graph, np.float64(1.3))
    assert "sin" not in names(simple, "scan")
    assert len(simple.equations[0].operands) == 3  # the length, a, and b, which a needs


def test_what_is_saved_and_never_read_is_not_saved():
    body = build_graph(lambda a: (P["cos"](a), a, P["exp"](a)), F)
    graph = build_graph(lambda x: scan(body, 5, x)[1], F)
    simple = same(graph, np.float64(0.3))
    assert "exp" not in names(simple, "scan")


def test_a_carry_that_does_not_change_is_a_constant_and_its_equations_leave_the_loop():
    body = build_graph(lambda a, v, w: (a * P["reduce_sum"](P["sin"](v * w), axes=(0,)), v, w), F, V, V)
    graph = build_graph(lambda x, v, w: scan(body, 6, x, v, w, carries=3), F, V, V)
    simple = same(graph, np.float64(1.1), np.linspace(0.1, 0.4, 4), np.ones(4))
    assert names(simple, "scan") == ["multiply"]
    assert names(simple)[:3] == ["multiply", "sin", "reduce_sum"]


def test_nothing_leaves_a_loop_that_may_not_run_or_what_may_raise():
    test = build_graph(lambda d, k, a: k < 3, F, N, F)
    body = build_graph(lambda d, k, a: (k + 1, a * (1.0 / d)), F, N, F)
    graph = build_graph(lambda d, x: P["while_loop"](d, Const(np.int64(0)), x, test=test, body=body, constants=1)[2], F, F)
    simple = same(graph, np.float64(4.0), np.float64(0.5))
    assert "divide" in names(simple, "while_loop")
    body = build_graph(lambda d, k, a: (k + 1, a * P["reduce_sum"](1.0 / d, axes=(0,))), V, N, F)
    test = build_graph(lambda d, k, a: k < 3, V, N, F)
    graph = build_graph(lambda d, x: P["while_loop"](d, Const(np.int64(0)), x, test=test, body=body, constants=1)[2], V, F)
    assert "divide" in names(same(graph, np.full(V.shape, 4.0), np.float64(0.5)), "while_loop")  # it warns, of zeros
    square = ArrayType((2, 2), np.float64)
    body = build_graph(lambda m, a: P["reduce_sum"](P["cholesky"](m, above=False), axes=(0, 1)) * a, square, F)
    graph = build_graph(lambda m, x: scan(body, 3, m, x, constants=1)[0], square, F)
    assert "cholesky" in names(same(graph, 2.0 * np.eye(2), np.float64(0.5)), "scan")


@pytest.mark.parametrize("length", [0, 1])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_loop_of_no_or_one_iteration_is_no_loop(length, reverse):
    body = build_graph(lambda a, x: (a * x, a + x), F, F)
    rows = ArrayType((length,), np.float64)
    graph = build_graph(lambda x, v: scan(body, length, x, v, reverse=reverse), F, rows)
    assert "scan" not in names(same(graph, np.float64(0.7), np.full(length, 1.7)))


def test_a_branch_on_a_known_condition_is_its_arm():
    arms = (build_graph(lambda a: P["sin"](a), F), build_graph(lambda a: P["exp"](a), F))
    for p, name in ((True, "sin"), (False, "exp")):
        graph = build_graph(lambda x, p=p: P["cond"](Const(np.bool_(p)), x, branches=arms)[0], F)
        assert names(same(graph, np.float64(0.7))) == [name]


def test_results_of_a_branch_that_nobody_reads():
    arms = (build_graph(lambda a, b: (a * b, P["sin"](b)), F, F), build_graph(lambda a, b: (a, P["cos"](b)), F, F))
    graph = build_graph(lambda x, y: P["cond"](x > 0.0, x, y, branches=arms)[0], F, F)
    for x in (0.5, -0.5):
        simple = same(graph, np.float64(x), np.float64(0.3))
    assert names(simple, "cond") == ["multiply"]


def test_effects_stay_in_their_loops(capsys):
    @wg.jit
    def f(x):
        unread = 0.0
        for k in range(3):
            print(f"{k} {unread:.1f}")
            unread = unread + x
        return x * 2.0

    assert f(1.5) == 3.0
    assert capsys.readouterr().out == "0 0.0\n1 1.5\n2 3.0\n"


def test_inside_loops_too():
    def f(x):
        s, unread = 0.0, 1.0
        for _ in range(3):
            t = x
            for _ in range(4):
                t = t * np.cos(x)
                unread = unread * x
            s = s + t
        return s

    graph = wg.make_graph(wg.jit(f), 0.3)
    assert wg.jit(f)(0.3) == f(0.3)
    outside = names(graph, "call").count("cos")
    assert outside == str(graph).count(" cos(") == 1  # before both loops, and once
    assert wg.jit(wg.grad(f))(0.3) == pytest.approx(wg.grad(f)(0.3), rel=1e-14)
