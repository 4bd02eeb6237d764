"""Loops with less in them: what is carried and saved, before and after, and the same values."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert.backends.compiled import kernel
from wengert.backends.interpret import Program
from wengert.graph import REGISTRY, ArrayType, Const, Equation, Graph, Var, build_graph, type_of

RNG = np.random.default_rng(5)


def graphs(f, *values):
    """The graph of a program as the compiler is given it, and as it compiles it; both compute the same."""
    jitted = wg.jit(f)
    jitted(*values)
    before = kernel.flattened(next(iter(jitted.found.values())).graph)
    return checked(before, *values)


def checked(before, *values):
    after = kernel.hoisted(before)
    want = Program(before)(*values[:len(before.inputs)])
    for got in (Program(after)(*values[:len(before.inputs)]), kernel.compile_graph(before)(*values[:len(before.inputs)])):
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13 * np.max(np.abs(b), initial=1e-300))
    return before, after


def scans(graph):
    return [e for e in graph.equations if e.primitive.name == "scan"]


def saved(e):
    return len(e.results) - e.params["carries"]


def names(graph):
    return [e.primitive.name for e in graph.equations]


def propagated(F, Q, P, zs):
    total = 0.0
    for z in zs:
        P = F @ P @ F.T + Q
        total = total + z * np.trace(P)
    return total


def test_constants_are_not_stacked():
    """The transpose of a constant is one, in the loop that reads it too."""
    F, Q, P, zs = RNG.normal(size=(3, 3)) * 0.5, np.eye(3), np.eye(3), RNG.normal(size=20)
    before, after = graphs(wg.grad(propagated, (0, 1)), F, Q, P, zs)
    (first, _), (second, back) = scans(before), scans(after)
    assert saved(second) < saved(first)
    made = {o for e in second.params["body"].equations for o in e.results} | set(
        second.params["body"].inputs[second.params["constants"]:])
    assert all(o in made for o in second.params["body"].outputs)  # no constant of the loop is saved
    assert saved(second) == 2  # P, and F P
    assert back.params["constants"] >= 2


def test_views_of_what_is_saved_are_taken_again():
    def f(a, b, zs):
        total = 0.0
        for z in zs:
            b = a @ b
            total = total + np.sum(np.outer(b, b) @ a) + z * np.sum(np.reshape(b, (1, 3)) @ a @ np.reshape(b, (3, 1)))
        return total
    before, after = graphs(wg.grad(f, (0, 1)), RNG.normal(size=(3, 3)) * 0.5, RNG.normal(size=3), RNG.normal(size=20))
    assert saved(scans(after)[0]) <= 3 < saved(scans(before)[0])


def test_large_products_are_still_saved():
    def f(a, b, zs):
        total = 0.0
        for z in zs:
            b = np.sin(a @ b) + z
            total = total + np.sum(b * b)
        return total
    _, after = graphs(wg.grad(f, (0, 1)), RNG.normal(size=(40, 40)) * 0.1, RNG.normal(size=40), RNG.normal(size=20))
    first, second = scans(after)[0], scans(after)[-1]
    assert "contract" in names(first.params["body"])
    a = after.inputs[0]
    constants = second.params["constants"]
    weights = {v for v, o in zip(second.params["body"].inputs[:constants], second.operands[1:], strict=False) if o is a}
    products = [e for e in second.params["body"].equations if e.primitive.name == "contract" and weights & set(e.operands)]
    assert len(products) <= 1  # of the cotangent; A b is not computed again


def zero_loop(spoiled=False):
    """Carries that begin as 0 and are set to sums, transposes and each other; one of them grows where it is spoiled."""
    zeros = np.zeros((2, 2))
    p, q, s, z = (Var(type_of(v)) for v in (zeros, zeros, zeros, np.zeros((2, 2))))
    x, turned, total = Var(p.type), Var(p.type), Var(p.type)
    body = Graph((p, q, s, z), (
        Equation(REGISTRY["add"], (p, q), {}, (x,)),
        Equation(REGISTRY["transpose"], (x,), {"axes": (1, 0)}, (turned,)),
        Equation(REGISTRY["add"], (s, z), {}, (total,)),
    ), (turned, total if spoiled else p, total))
    zs, ends = Var(type_of(np.zeros((7, 2, 2)))), [Var(p.type) for _ in range(3)]
    e = Equation(REGISTRY["scan"], (Const(np.int64(7)), Const(zeros), Const(zeros), Const(zeros), zs), {
        "body": body, "constants": 0, "carries": 3, "reverse": False, "size": 7}, ends)
    return Graph((zs,), (e,), tuple(ends))


@pytest.mark.parametrize("spoiled", [False, True])
def test_carries_that_stay_zero_together_are_not_carried(spoiled):
    before, after = checked(zero_loop(spoiled), RNG.normal(size=(7, 2, 2)))
    assert scans(before)[0].params["carries"] == 3
    assert scans(after)[0].params["carries"] == (3 if spoiled else 1)


def test_a_negative_zero_is_not_a_zero():
    before = zero_loop()
    e = before.equations[0]
    odd = Equation(e.primitive, (e.operands[0], Const(np.full((2, 2), -0.0)), *e.operands[2:]), e.params, e.results)
    _, after = checked(Graph(before.inputs, (odd,), before.outputs), RNG.normal(size=(7, 2, 2)))
    assert scans(after)[0].params["carries"] == 3


def test_solves_for_both_signs_are_one():
    def f(a, b):
        return np.sum(np.linalg.solve(a, b) ** 2) + np.sum(np.sin(np.linalg.solve(a, -b)))
    before, after = graphs(f, RNG.normal(size=(3, 3)) + 3.0 * np.eye(3), RNG.normal(size=(3, 2)))
    assert names(before).count("solve_factored") == 2
    assert names(after).count("solve_factored") == 1


def test_solves_of_a_gradient_are_one_in_the_loop():
    def f(a, b, zs):
        total = 0.0
        for z in zs:
            b = b * 0.5 + z
            total = total + b @ np.linalg.solve(a, b)
        return total
    before, after = graphs(wg.grad(f, (0, 1)), np.eye(2) * 3.0, np.ones(2), RNG.normal(size=(9, 2)))
    count = [names(scans(g)[-1].params["body"]).count("solve_factored") for g in (before, after)]
    assert count[1] < count[0]


@pytest.mark.parametrize("start", [100, 60])
def test_a_counter_that_wraps_around_is_not_a_slice(start):
    """An int8 counts to 127 and goes on from -128: `x[i]` then reads from the end, and what is saved of it is no range."""
    def f(x):
        i, total = np.int8(start), np.float64(0)
        for _ in range(50):
            total = total + x[i] * np.sin(total)
            i = i + np.int8(1)
        return total + x[3]
    x = RNG.normal(size=200)
    graphs(f, x)
    graphs(wg.grad(f), x)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(wg.jit(f)(x), f(x), rtol=1e-12)


def counted(start, dtype, rows):
    """A loop of 50 turns that reads row i of an array, adds it up, and saves i."""
    counter, number = ArrayType((), dtype), ArrayType((), float)
    body = build_graph(lambda x, i, a: (i + 1, a * 0.5 + REGISTRY["index"](x, i, spec=(("a",),)), i),
                       ArrayType((rows,), float), counter, number)
    return build_graph(lambda x, a: REGISTRY["scan"](
        Const(np.int64(50)), x, Const(np.array(start, dtype)), a, body=body, constants=1, carries=2, reverse=False,
        size=50)[1:], ArrayType((rows,), float), number)


@pytest.mark.parametrize("start", [0, 7])
def test_rows_and_counters_are_known(start):
    _, after = checked(counted(start, np.int64, 60), RNG.normal(size=60), np.float64(0.3))
    assert "index" not in names(scans(after)[0].params["body"])
    assert saved(scans(after)[0]) == 0


def test_a_saved_counter_that_wraps_around_is_counted():
    with np.errstate(over="ignore"):
        _, after = checked(counted(100, np.int8, 300), RNG.normal(size=300), np.float64(0.3))
    assert saved(scans(after)[0]) == 1


def test_rows_beyond_the_end_are_read_one_by_one():
    before = counted(0, np.int64, 40)
    assert "index" in names(scans(kernel.hoisted(before))[0].params["body"])
    with pytest.raises(IndexError):
        Program(kernel.hoisted(before))(np.ones(40), np.float64(0.0))
