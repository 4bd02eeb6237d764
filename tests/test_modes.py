"""The modes of a Jacobian: the same numbers, fewer multiplications, and the choice between them.

The truth is the complex step (scalar codes), the other modes (random graphs), and exhaustive search (small networks).
"""

from __future__ import annotations

import itertools
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert.backends.cost import multiplications
from wengert.cli import main
from wengert.errors import InputError, NonDifferentiableError
from wengert.modes import MODES, way
from wengert.run import Run, apply_graph
from wengert.transforms.elimination import Network, orders

sys.path.insert(0, str(Path(__file__).parent / "laws"))
from random_graphs import from_hypothesis, random_graph

RNG = np.random.default_rng(5)
EPS = np.finfo(float).eps


def layers(*sizes):
    return [RNG.normal(size=(m, n)) / np.sqrt(n) for n, m in itertools.pairwise(sizes)]


def network(*sizes):
    weights = layers(*sizes)

    def run(x):
        for w in weights:
            x = np.tanh(w @ x)
        return x
    return run


def counts(f, *args, price=0.0):
    run = Run("test", f, args, {}, tuple(range(len(args))))
    return {mode: way(run, mode, price).count(multiplications) for mode in ("forward", "reverse", "mixed")}


def agree(a, b, scale=1.0):
    assert a.shape == b.shape and a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=1e3 * EPS, atol=1e3 * EPS * scale)


# ---------------------------------------------------------------- the same numbers

@settings(max_examples=40)
@given(st.data())
def test_random_graphs(data):
    graph, values = random_graph(from_hypothesis(data.draw))
    outputs = [e.results[0] for e in graph.equations if e.results[0].type.dtype == np.float64][-4:]

    def f(*xs):
        env = apply_graph(graph, xs)
        return [env[v] for v in outputs]
    places = tuple(range(len(values)))
    with np.errstate(all="ignore"):
        found = {mode: wg.jacobian(f, places, mode=mode)(*values) for mode in MODES}
        number = counts(f, *values)
    assert number["mixed"] <= min(number["forward"], number["reverse"])
    rows = found.pop("forward")
    scale = max([1.0, *[np.max(np.abs(b), initial=0.0) for row in rows for b in row]])
    assert all(np.isfinite(b).all() for row in rows for b in row)
    for other in found.values():
        for a, b in zip(rows, other, strict=True):
            for x, y in zip(a, b, strict=True):
                assert x.shape == y.shape and x.dtype == y.dtype
                np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e4 * EPS * scale ** 2)


def scalar_code(choices, inputs, steps, outputs):
    """A straight-line program, from triples of numbers: what to do, and with which two values."""
    def f(x):
        values = [x[k] for k in range(inputs)]
        for what, i, j in choices[:steps]:
            a, b = values[i % len(values)], values[-1 - j % len(values)]
            values.append([lambda: a * b, lambda: a + b, lambda: a - b, lambda: np.sin(a), lambda: a * np.cos(b),
                           lambda: a / (2.0 + np.sin(b)), lambda: np.exp(0.1 * a), lambda: -a][what]())
        return np.stack(values[-outputs:])
    return f


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 30), st.integers(0, 8)), min_size=8, max_size=30),
       st.integers(1, 6), st.integers(1, 4))
def test_random_scalar_codes(choices, inputs, outputs):
    f, x = scalar_code(choices, inputs, len(choices), outputs), np.linspace(-1.0, 1.0, inputs)
    step = 1e-40j
    truth = np.stack([f(x + step * e).imag / step.imag for e in np.eye(inputs)], axis=-1)
    scale = max(1.0, np.max(np.abs(truth)))
    for mode in MODES:
        np.testing.assert_allclose(wg.jacobian(f, mode=mode)(x), truth, rtol=1e-11, atol=1e-12 * scale)
    number = counts(f, x)
    assert number["mixed"] <= min(number["forward"], number["reverse"])


@pytest.mark.parametrize("seed", range(6))
def test_orders_against_all_orders(seed):
    rng = np.random.default_rng(seed)
    inner, n = 5, 10
    into = [{} for _ in range(n)]
    for v in range(3, n):
        for u in rng.choice(min(v, n - 2), size=2, replace=False).tolist():
            into[v][u] = bool(rng.integers(4))
    out = [{v: into[v][u] for v in range(n) if u in into[v]} for u in range(n)]
    net = Network(into, out, [0, 1, 2], [8, 9])
    assert len(net.inner()) == inner

    def cost(order):
        current = net.copy()
        return sum(current.eliminate(v)[0] for v in order)
    found = orders(net)
    assert all(total == cost(order) and sorted(order) == net.inner() for order, total in found.values())
    least = min(map(cost, itertools.permutations(net.inner())))
    assert least <= min(total for _, total in found.values()) <= least + 1


def two(x, y):
    return {"a": x * y[0], "b": (x[::-1] * y[1], np.float64(3.0), y)}


LAYOUTS = {
    "elementwise": (lambda x: x ** 2, (np.arange(1.0, 90.0),)),
    "matrix": (lambda x, w: w @ x, (np.ones(4), np.arange(12.0).reshape(3, 4))),
    "batched product": (lambda x: x @ np.arange(12.0).reshape(3, 4), (np.linspace(0, 1, 60).reshape(20, 3),)),
    "neighbors": (lambda x: (x[1:] - x[:-1] ** 2) ** 2, (np.linspace(0, 1, 40),)),
    "writes": (lambda x: np.concatenate([np.cumsum(x), x[::-1] * 2, np.zeros(3)]), (np.linspace(0, 1, 20),)),
    "solve": (lambda x: np.linalg.solve(np.eye(3) + np.outer(x, x), x), (np.array([1.0, 2.0, 3.0]),)),
    "trees": (two, (np.arange(1.0, 4.0), np.arange(2.0, 5.0))),
    "single precision": (lambda x: np.float32(2) * np.sin(x), (np.ones(20, np.float32),)),
    "no dependence": (lambda x: np.ones(3), (np.ones(2),)),
    "waist": (network(20, 3, 20), (np.linspace(-1, 1, 20),)),
    "two arrays at the waist": (lambda x: np.outer(np.sin(np.sum(x)) * x[:9], np.exp(x @ x) * x[9:]),
                                (np.linspace(0, 1, 18),)),
    "empty": (lambda x: x * 2.0, (np.ones(0),)),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout_dtype_and_values_do_not_depend_on_the_mode(name):
    f, args = LAYOUTS[name]
    places = tuple(range(len(args)))
    import optree
    expected = optree.tree_leaves(wg.jacobian(f, places, mode="reverse")(*args))
    forward = optree.tree_leaves(wg.jacfwd(f, places)(*args))
    for a, b in zip(expected, forward, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5 if a.dtype == np.float32 else 1e-12, atol=1e-13)
    for mode in MODES:
        for derivative in (wg.jacobian(f, places, mode=mode), wg.jit(wg.jacobian(f, places, mode=mode))):
            for a, b in zip(expected, optree.tree_leaves(derivative(*args)), strict=True):
                assert a.shape == b.shape and a.dtype == b.dtype
                np.testing.assert_allclose(a, b, rtol=1e-5 if a.dtype == np.float32 else 1e-12, atol=1e-13)


def test_strong_zeros():
    def f(x):
        return np.stack([np.where(x[0] > 0, np.sqrt(x[0]), x[1]) * x[1], np.where(x[0] > 0, np.log(x[0]), 0.0)])
    with np.errstate(all="ignore"):
        for mode in MODES:
            np.testing.assert_array_equal(wg.jacobian(f, mode=mode)(np.array([0.0, 3.0])), [[0.0, 6.0], [0.0, 0.0]])


def looped(x):
    for _ in range(30):
        x = np.sin(x[::-1]) * 1.1
    return x[:3] * x[3]


def until(x):
    while np.sum(x * x) > 1.0:
        x = 0.7 * x
    return np.outer(x, x)


@pytest.mark.parametrize("f", [looped, until])
def test_loops_are_vertices_or_left_to_one_mode(f):
    x = np.linspace(0.5, 1.5, 6)
    expected = wg.jacfwd(f)(x)
    for mode in MODES:
        agree(wg.jacobian(f, mode=mode)(x), expected)
        agree(wg.jit(wg.jacobian(f, mode=mode))(x), expected)


def waisted(x):
    s = np.sin(x[:4]) * x[4:]
    for _ in range(10):
        s = np.cos(s[::-1]) + s
    t = np.stack([s @ s, np.sum(s)])
    for _ in range(10):
        t = np.tanh(t[::-1] + 0.1)
    return np.outer(np.arange(1.0, 9.0), t)


def test_a_waist_between_loops():
    x = np.linspace(0.1, 1.0, 8)
    costs = wg.plan(wg.jit(wg.jacobian(waisted)), x)
    assert "8 -> 16 by" in costs["mixed"].how or "eliminated" in costs["mixed"].how
    assert costs["mixed"].multiplications < min(costs[m].multiplications for m in ("forward", "reverse"))
    agree(wg.jit(wg.jacobian(waisted, mode="mixed"))(x), wg.jacfwd(waisted)(x), 10.0)


def test_derivatives_of_eliminated_jacobians():
    f, x = network(6, 2, 6), np.linspace(-1, 1, 6)
    expected = wg.jacfwd(wg.jacfwd(f))(x)
    for g in (f, wg.jit(f)):
        agree(wg.jacrev(wg.jacobian(g, mode="mixed"))(x), expected)
        agree(wg.jacobian(wg.jacobian(g, mode="mixed"), mode="mixed")(x), expected)
    lanes = wg.vmap(wg.jacobian(f, mode="mixed"))(np.stack([x, 2 * x]))
    agree(lanes[1], wg.jacfwd(f)(2 * x))


# ---------------------------------------------------------------- complex numbers and mistakes

def test_complex_functions():
    z = np.array([1.0 + 2.0j, 0.5j, -1.0 + 0.0j])
    expected = np.diag(np.exp(z)) + 2.0j * np.ones((3, 3))
    for mode in MODES:
        found = wg.jacobian(lambda z: np.exp(z) + 2.0j * np.sum(z), holomorphic=True, mode=mode)(z)
        np.testing.assert_allclose(found, expected, rtol=1e-14)
        with pytest.raises(NonDifferentiableError, match="holomorphic"):
            wg.jacobian(np.exp, mode=mode)(z)


def test_mistakes():
    with pytest.raises(InputError, match="mode is one of 'auto'"):
        wg.jacobian(np.sin, mode="backward")
    with pytest.raises(InputError, match="mode='forward' is for dense results"):
        wg.jacobian(np.sin, mode="forward", sparsity="detect")
    with pytest.raises(InputError, match="write wg.plan"):
        wg.plan(3.0, 1.0)


# ---------------------------------------------------------------- the choice

SHAPES = {
    "few inputs": (network(3, 90), 3, "forward", "forward"),
    "few outputs": (network(40, 30, 3), 40, "reverse", "reverse"),
    "one output": (lambda x: np.sum(np.sin(x) ** 2), 30, "reverse", "reverse"),
    "one input": (lambda x: np.sin(x[0]) * np.arange(30.0), 1, "forward", "forward"),
    "square, first layer wide": (network(60, 90, 60), 60, "forward", "forward"),
    "waist": (network(60, 50, 3, 50, 60), 60, "reverse", "mixed"),
    "long waist": (network(300, 400, 3, 400, 300), 300, "mixed", "mixed"),
    "scalar code": (lambda x: scalar_code([(k % 8, 3 * k, k % 5) for k in range(60)], 6, 60, 5)(x), 6, "forward", "mixed"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_choice(name):
    f, n, interpreted, compiled = SHAPES[name]
    x = np.linspace(-1.0, 1.0, n)
    assert (wg.plan(f, x).chosen, wg.plan(wg.jit(wg.jacobian(f)), x).chosen) == (interpreted, compiled)


def test_unit_vectors_cost_nothing():
    f = lambda x: np.exp(x[1:] * x[:-1]) - x[1:] ** 2
    costs = wg.plan(wg.jit(wg.jacobian(f)), np.linspace(0, 1, 200))
    assert costs["forward"].operations < 20 * 200  # not 200 * 200
    w = np.ones((30, 40))
    assert wg.plan(lambda x: w @ x, np.ones(40))["forward"].operations == 0


# ---------------------------------------------------------------- directions in one pass

def test_many_directions_are_one_pass():
    calls = []

    def f(x):
        calls.append(1)
        return np.sin(x) * np.sum(x)
    x, directions = np.linspace(0, 1, 5), RNG.normal(size=(7, 5))
    y, push = wg.linearize(f, x)
    moved = wg.vmap(push)(directions)
    value, pull = wg.vjp(f, x)
    pulled, = wg.vmap(pull)(directions)
    assert len(calls) == 2
    j = wg.jacfwd(f)(x)
    agree(moved, directions @ j.T)
    agree(pulled, directions @ j)
    once = wg.count_operations(push, directions[0])
    assert wg.count_operations(wg.vmap(push), directions) == 7 * once


# ---------------------------------------------------------------- the plan

def test_plan():
    f, x = network(30, 20, 2, 20, 30), np.linspace(-1, 1, 30)
    costs = wg.plan(f, x)
    assert (costs.inputs, costs.outputs, costs.compiled) == (30, 30, False)
    assert [row.name for row in costs.rows] == ["value", "forward", "reverse", "colored", "mixed"]
    assert costs["mixed"].multiplications < costs["forward"].multiplications
    assert all(row.seconds > 0 and row.memory > 0 for row in costs.rows)
    text = str(costs)
    assert "jacobian(run): 30 -> 30, interpreted" in text and f"* {costs.chosen}" in text and "taken: " in text
    assert json.loads(json.dumps(costs.json()))["chosen"] == costs.chosen
    assert wg.plan(wg.jacobian(f, mode="reverse"), x).chosen == "reverse"
    gradient = wg.plan(wg.grad(lambda x: np.sum(np.sin(x))), x)
    assert (gradient.chosen, gradient.outputs, gradient["reverse"].directions) == ("reverse", 1, 1)
    second = wg.plan(wg.hessian(lambda x: np.sum(x[1:] ** 2 * x[:-1])), x)
    assert (second.chosen, second.inputs, second.outputs) == ("forward", 30, 30)
    sparse = wg.plan(wg.hessian(lambda x: np.sum(x[1:] ** 2 * x[:-1]), sparsity="detect"), x)
    assert sparse.chosen == "colored" and sparse["colored"].directions == 3
    complex_values = wg.plan(lambda x: np.exp(1j * x), x)
    assert complex_values.chosen == "forward" and complex_values["mixed"].operations is None
    assert "does not apply" in str(complex_values)
    with pytest.raises(KeyError):
        costs["backward"]


def test_plan_is_counted_not_measured():
    f, x = network(30, 20, 2, 20, 30), np.linspace(-1, 1, 30)
    costs = wg.plan(wg.jacobian(f, mode="mixed"), x)
    value = wg.plan(f, x)["value"].operations
    assert wg.count_operations(wg.jacobian(f, mode="mixed"), x) == value + costs["mixed"].operations
    assert not math.isnan(wg.plan(wg.jit(until), np.ones(3))["forward"].operations)


def test_loops_with_checkpoints_are_counted():
    def f(x, **more):
        return wg.fori_loop(0, 40, lambda i, x: x + 0.1 * np.sin(x), x, **more)
    x = np.linspace(0, 1, 6)
    plain, kept = (wg.plan(wg.jit(wg.jacobian(lambda x, more=more: f(x, **more))), x) for more in ({}, {"checkpoints": 4}))
    for mode in ("forward", "reverse"):  # the steps that are repeated, and the schedule
        assert plain[mode].operations < kept[mode].operations < 10 * plain[mode].operations


def test_command_line(tmp_path, capsys):
    file = tmp_path / "f.py"
    file.write_text("import numpy as np\ndef f(x):\n    return np.stack([x[0] * x[1], np.sin(x[0]), x[1] ** 2])\n")
    assert main(["plan", f"{file}:f", "x=[1,2]"]) == 0
    assert "jacobian(f): 2 -> 3, interpreted" in capsys.readouterr().out
    assert main(["plan", f"{file}:f", "x=[1,2]", "--jit", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["compiled"] is True
    assert main(["plan", "x^2 y", "x=1", "y=2", "--hessian"]) == 0
    assert "2 -> 2" in capsys.readouterr().out
    assert main(["plan", f"{file}:f"]) == 2
