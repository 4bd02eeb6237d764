"""Derivatives of loops and branches: one forward and one backward pass, to any order."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

import wengert as wg
from wengert.backends.interpret import Program
from wengert.graph import REGISTRY, ArrayType, Const, StackType, build_graph
from wengert.graph.check import check
from wengert.graph.parse import parse
from wengert.graph.text import to_text
from wengert.graph.walk import same_graph, subgraphs
from wengert.transforms.batch import batch
from wengert.transforms.jvp import jvp
from wengert.transforms.vjp import vjp

P = REGISTRY
F, N = ArrayType((), np.float64), ArrayType((), np.int64)
V = ArrayType((6,), np.float64)
AT = (("a",),)


def number(k):
    return Const(np.int64(k))


def size(graph):
    return sum(1 + sum(size(g) for g in subgraphs(e)) for e in graph.equations)


def newton_graph():
    """The square root by Newton's method, from 1.5: a loop of unknown length."""
    test = build_graph(lambda a, x: P["absolute"](x * x - a) > 1e-13, F, F)
    body = build_graph(lambda a, x: 0.5 * (x + a / x), F, F)
    return build_graph(lambda a: P["while_loop"](a, Const(1.5), test=test, body=body, constants=1)[1], F)


def gradient(graph):
    joint, _, _ = vjp(graph, [True])
    return check(build_graph(lambda x: x.build.inline(joint, [x, Const(1.0)])[-1], graph.inputs[0].type))


def newton_steps(a):
    """What the loop computes near a = 2.3, in 60 digits: as many steps as it takes in double precision."""
    x, steps = 1.5, 0
    while abs(x * x - 2.3) > 1e-13:
        x, steps = 0.5 * (x + 2.3 / x), steps + 1
    y = mpmath.mpf("1.5")
    for _ in range(steps):
        y = (y + a / y) / 2
    return y


def test_third_derivative_through_an_unbounded_loop():
    graph = check(newton_graph())
    for order in range(4):
        with mpmath.workdps(60):
            expected = float(mpmath.diff(newton_steps, mpmath.mpf(2.3), order))
        assert Program(graph)(np.float64(2.3))[0] == pytest.approx(expected, rel=1e-14), order
        assert same_graph(graph, parse(to_text(graph)))
        graph = gradient(graph)


def test_forward_mode_saves_nothing():
    """One loop over values and tangents: no stack anywhere, at second order too."""
    graph = newton_graph()
    once, _ = jvp(graph, [True])
    twice, _ = jvp(once, [True, False])
    for g in (once, twice):
        assert sum(e.primitive.name == "while_loop" for e in g.equations) == 1
        assert not any(isinstance(r.type, StackType) for e in g.equations for r in e.results)
    second = Program(twice)(np.float64(2.3), np.float64(1.0), np.float64(1.0))[-1]
    assert second == pytest.approx(-0.25 * 2.3**-1.5, rel=1e-12)


def recurrence_graph(n):
    """``y[i] = sin(y[i-1]) * x[i]`` where ``x[i] > 0``, else ``y[i-1] * x[i]``, written element by element; the sum of y^2."""
    v = ArrayType((n,), np.float64)
    yes = build_graph(lambda a, b: P["sin"](a) * b, F, F)
    no = build_graph(lambda a, b: a * b, F, F)

    def step(x, i, y):
        before, here = P["index"](y, i - 1, spec=AT), P["index"](x, i, spec=AT)
        new, = P["cond"](here > 0.0, before, here, branches=(yes, no))
        return i + 1, P["index_set"](y, new, i, spec=AT)
    body = build_graph(step, v, N, v)

    def f(x):
        y = P["scan"](number(n - 1), x, number(1), x, body=body, constants=1, carries=2, reverse=False, size=n - 1)[1]
        return P["reduce_sum"](y * y, axes=(0,))
    return check(build_graph(f, v))


def recurrence(x):
    y = np.array(x)
    for i in range(1, len(x)):
        y[i] = np.sin(y[i - 1]) * x[i] if np.real(x[i]) > 0 else y[i - 1] * x[i]
    return np.sum(y * y)


def complex_step(f, x):
    return np.array([np.imag(f(x + 1e-30j * e)) / 1e-30 for e in np.eye(len(x))])


def test_a_loop_of_branches_and_writes():
    x = np.array([0.9, 1.3, -0.7, 1.1, 0.4, -1.2])
    graph = recurrence_graph(6)
    assert Program(graph)(x)[0] == pytest.approx(recurrence(x))
    first = gradient(graph)
    np.testing.assert_allclose(Program(first)(x)[0], complex_step(recurrence, x), rtol=1e-12)
    d = np.array([0.3, -0.2, 0.5, 0.1, -0.4, 0.6])
    forward, _ = jvp(graph, [True])
    assert Program(forward)(x, d)[1] == pytest.approx(complex_step(recurrence, x) @ d, rel=1e-12)
    joint, _, _ = vjp(first, [True])
    hessian_d = Program(check(joint))(x, d)[-1]
    steps = [(complex_step(recurrence, x + h * d) - complex_step(recurrence, x - h * d)) / (2 * h) for h in (1e-3, 5e-4)]
    np.testing.assert_allclose(hessian_d, (4 * steps[1] - steps[0]) / 3, rtol=1e-7)
    over, _ = jvp(first, [True])
    np.testing.assert_allclose(Program(over)(x, d)[-1], hessian_d, rtol=1e-12)


def test_graphs_do_not_grow_with_the_length():
    a, b = recurrence_graph(6), recurrence_graph(600)
    for _ in range(3):
        assert size(a) == size(b)
        a, b = gradient_of_sum(a), gradient_of_sum(b)


def gradient_of_sum(graph):
    def f(x):
        out = x.build.inline(graph, [x])[0]
        return P["reduce_sum"](out, axes=(0,)) if out.shape else out
    return gradient(build_graph(f, graph.inputs[0].type))


class Copies:
    """Counts elements copied by whole arrays, through the copies that the interpreter makes."""

    def __init__(self, monkeypatch):
        import wengert.primitives.control as control
        import wengert.primitives.index as index
        self.elements = 0
        for module in (control, index):
            monkeypatch.setattr(module, "np", self)

    def __getattr__(self, name):
        return getattr(np, name)

    def array(self, x, *args, **kwargs):
        self.elements += np.size(x)
        return np.array(x, *args, **kwargs)


@pytest.mark.parametrize("derived", [lambda g: g, gradient], ids=["value", "gradient"])
def test_an_iteration_costs_the_element_it_writes(monkeypatch, derived):
    """Copies of whole arrays are a few per run, not one per iteration."""
    copied = []
    for n in (100, 1000):
        program = Program(derived(recurrence_graph(n)))
        counter = Copies(monkeypatch)
        program(np.linspace(0.1, 0.9, n))
        monkeypatch.undo()
        copied.append(counter.elements / n)
    assert copied[1] <= copied[0] + 0.5 and copied[1] < 12


def test_ragged_loops():
    """A loop of unknown length inside another saves stacks of stacks."""
    inner_test = build_graph(lambda a, x: x < 4.0, F, F)
    inner = build_graph(lambda a, x: x * a, F, F)

    def outer(a, i, x):
        y = P["while_loop"](a, x, test=inner_test, body=inner, constants=1)[1]
        return i + 1, P["sqrt"](y)
    outer_body = build_graph(outer, F, N, F)
    outer_test = build_graph(lambda a, i, x: i < 5, F, N, F)
    graph = build_graph(lambda a: P["while_loop"](a, number(0), a, test=outer_test, body=outer_body, constants=1)[2], F)

    def plain(a):
        x = a
        for _ in range(5):
            while np.real(x) < 4.0:
                x = x * a
            x = np.sqrt(x)
        return x
    a = np.float64(1.21)
    assert Program(graph)(a)[0] == plain(a)
    slope = np.imag(plain(a + 1e-30j)) / 1e-30
    first = gradient(graph)
    assert Program(first)(a)[0] == pytest.approx(slope, rel=1e-12)
    forward, _ = jvp(graph, [True])
    assert Program(forward)(a, np.float64(1.0))[1] == pytest.approx(slope, rel=1e-12)
    h = 1e-4
    difference = (np.imag(plain(a + h + 1e-30j)) - np.imag(plain(a - h + 1e-30j))) / 1e-30 / (2 * h)
    assert Program(gradient(first))(a)[0] == pytest.approx(difference, rel=1e-5)
    together, _ = jvp(first, [True])
    assert Program(together)(a, np.float64(1.0))[1] == pytest.approx(Program(gradient(first))(a)[0], rel=1e-12)


def test_the_arm_not_taken_is_not_run():
    yes = build_graph(lambda x: P["sqrt"](x), F)
    no = build_graph(lambda x: x * 0.0, F)
    graph = build_graph(lambda x: P["cond"](x > 0.0, x, branches=(yes, no))[0], F)
    assert Program(gradient(graph))(np.float64(-1.0))[0] == 0.0


def test_lanes_have_their_own_control_flow():
    graph = newton_graph()
    batched, _ = batch(graph, 3, [True])
    points = np.array([1.0, 2.0, 9.0])
    np.testing.assert_allclose(Program(batched)(points)[0], np.sqrt(points), rtol=1e-12)
    slopes, _ = batch(gradient(graph), 3, [True])
    np.testing.assert_allclose(Program(check(slopes))(points)[0], 0.5 / np.sqrt(points), rtol=1e-12)


def newton(a):
    x = a
    while abs(x * x - a) > 1e-13:
        x = 0.5 * (x + a / x)
    return x


def test_jit_composes():
    root = wg.jit(newton)
    third = wg.grad(wg.grad(wg.grad(root)))
    assert third(2.3) == pytest.approx(0.375 * 2.3**-2.5, rel=1e-8)
    assert wg.jit(wg.grad(root))(2.3) == pytest.approx(0.5 / np.sqrt(2.3), rel=1e-12)
    assert wg.jit(wg.grad(newton))(2.3) == pytest.approx(0.5 / np.sqrt(2.3), rel=1e-12)
    assert wg.jit(wg.grad(wg.jit(wg.grad(newton))))(2.3) == pytest.approx(-0.25 * 2.3**-1.5, rel=1e-12)
    assert wg.jvp(root, (2.3,), (1.0,))[1] == pytest.approx(0.5 / np.sqrt(2.3), rel=1e-12)
    points = np.array([1.5, 2.0, 9.0])
    np.testing.assert_allclose(wg.vmap(root)(points), np.sqrt(points), rtol=1e-12)
    np.testing.assert_allclose(wg.vmap(wg.grad(root))(points), 0.5 / np.sqrt(points), rtol=1e-12)
    np.testing.assert_allclose(wg.jit(wg.vmap(wg.grad(newton)))(points), 0.5 / np.sqrt(points), rtol=1e-12)


def test_what_is_written_afterwards_may_have_left_a_branch_or_loop_beside_a_repetition_of_itself() -> None:
    """The repetition looks at its memory, although it may not be written to itself."""

    def branch(x):
        a, b = np.sin(x), np.zeros((2, 4))
        if x[0] > 0.0:
            b = np.broadcast_to(a, (2, 4)).copy()
        else:
            a[1] = 0.5
        a[2] *= 3.0
        return np.sum(a * x) + np.sum(b)

    def loop(x):
        a, b, s = np.sin(x), np.zeros((2, 4)), 0.0
        for i in range(4):
            a[i] *= 3.0
            s = s + np.sum(b * x)
            b = np.broadcast_to(a, (2, 4)).copy()
        return s + np.sum(a) + np.sum(b)

    for f in (branch, loop):
        for x in (np.array([0.7, 1.3, -0.4, 0.2]), np.array([-0.7, 1.3, -0.4, 0.2])):
            staged = wg.jit(f)
            assert staged(x) == f(x)
            assert next(iter(staged.found.values())).graph is not None
            np.testing.assert_allclose(wg.grad(staged)(x), wg.grad(f)(x), rtol=1e-14)


def test_what_is_the_same_in_every_iteration_is_saved_once() -> None:
    def f(x, a):
        s = np.sum(x * x)
        for _ in range(6):
            b = np.sin(a)
            x = np.tanh(b @ x) * np.exp(-s) + a[0] * math.cos(a[0, 1])
        return np.sum(x)

    x, a = np.array([0.3, -0.4, 0.9]), np.outer([0.3, 0.2, 0.5], [0.7, -0.1, 0.4])
    gradient = wg.grad(f, argnums=(0, 1))
    staged = wg.jit(gradient)
    for got, expected in zip(staged(x, a), gradient(x, a), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-13)
    for got, expected in zip(wg.grad(wg.jit(f), argnums=(0, 1))(x, a), gradient(x, a), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-13)
    forward, backward = [e for e in next(iter(staged.found.values())).graph.equations if e.primitive.name == "scan"]
    saved = [str(v.type) for v in forward.params["body"].outputs[forward.params["carries"]:]]
    assert saved == ["float64[3]", "float64[3]"]  # x, tanh(b @ x): nothing of sin(a), exp(-s), cos(a[0, 1])
    assert len(backward.operands) - 1 - backward.params["constants"] - backward.params["carries"] == 2
