"""Memory budgets: the peak that is measured is below the budget, and the derivative is the same."""

from __future__ import annotations

import math
import threading
import tracemalloc

import numpy as np
import pytest

import wengert as wg
from wengert.backends.interpret import Program
from wengert.backends.measure import measure
from wengert.backends.peak import peak_bytes
from wengert.budget import bytes_in
from wengert.errors import BudgetError, InputError, NonDifferentiableError, UnsupportedError

N = 4_000
X, W = np.linspace(0.1, 0.9, N), np.full(N, 1.01)
STATE = X.nbytes
SETTINGS = {}


def chain(x, w):
    for _ in range(300):
        x = x + 0.01 * np.sin(x * w)
    return np.sum(x)


def unrolled(x, w):
    for k in (1, 2, 3, 4, 5, 6, 7, 8) * 3:
        x = np.cumsum(np.sin(x * w) / N) + np.cos(x) / k
    return np.sum(x * x)


def until(x, w):
    while np.sum(np.abs(x)) > 100.0:
        x = 0.95 * np.sin(x * w)
    return np.sum(x * w)


def two_loops(x, w):
    for _ in range(50):
        x = np.sin(x * w)
    y = np.exp(-x)
    for i in range(80):
        y = y * np.cos(x) + 0.001 * i
    return np.sum(y)


def in_loops(x, w):
    for _ in range(20):
        for _ in range(15):
            x = x + 0.01 * np.sin(x * w)
        x = np.tanh(x)
    return np.sum(x)


PROGRAMS = {"chain": (chain, 30), "unrolled": (unrolled, 40), "until": (until, 25), "two_loops": (two_loops, 40),
            "in_loops": (in_loops, 30)}


def traced(f, *args):
    f(*args)
    tracemalloc.start()
    out = f(*args)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return out, peak


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_budget_is_kept_by_the_interpreter(name):
    f, states = PROGRAMS[name]
    expected = wg.value_and_grad(f, (0, 1))(X, W)
    with wg.config.set(backend="interpreted"):
        within = wg.value_and_grad(f, (0, 1), memory=states * STATE)
        plan = within.plan(X, W)
        (value, gradient), peak = traced(within, X, W)
    assert plan.peak <= states * STATE < plan.everything
    assert peak <= states * STATE + 40_000  # Python's own objects
    np.testing.assert_allclose(value, expected[0], rtol=1e-12)
    for a, b in zip(gradient, expected[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


@pytest.mark.parametrize("name", ["chain", "until", "in_loops"])
def test_the_budget_is_kept_by_machine_code(name):
    f, _ = PROGRAMS[name]
    budget = 12 * STATE
    within = wg.grad(f, memory=budget)
    plan = within.plan(X, W)
    memory = wg.jit(wg.grad(f, memory=budget)).memory(X, W)
    assert memory.peak <= plan.peak <= budget < plan.everything
    assert plan.extra > 0
    np.testing.assert_allclose(within(X, W), wg.grad(f)(X, W), rtol=1e-10)


def test_a_generous_budget_changes_nothing():
    plan = wg.grad(chain, memory="1 GB").plan(X, W)
    assert (plan.repeated, plan.checkpoints, plan.segments) == (0, (), 0)
    assert plan.peak == plan.everything


def test_a_smaller_budget_costs_more():
    with wg.config.set(backend="interpreted"):
        plans = [wg.grad(chain, memory=k * STATE).plan(X, W) for k in (200, 60, 20)]
    assert [p.peak for p in plans] == sorted([p.peak for p in plans], reverse=True)
    assert [p.repeated for p in plans] == sorted([p.repeated for p in plans])
    assert "a loop of 300 iterations keeps" in str(plans[1])


def test_what_cannot_be_met_names_the_least():
    with pytest.raises(BudgetError, match=r"cannot be met: the least possible here is [0-9,]+ bytes") as found:
        wg.grad(chain, (0, 1), memory=STATE // 2)(X, W)  # the gradient alone is larger
    assert found.value.least > 2 * STATE - 1
    assert wg.grad(chain, (0, 1), memory=found.value.least).plan(X, W).peak == found.value.least
    with pytest.raises(BudgetError):
        wg.grad(chain, (0, 1), memory=found.value.least - 1)(X, W)
    with wg.config.set(backend="interpreted"), pytest.raises(BudgetError) as found:
        wg.grad(unrolled, memory="0 B")(X, W)
    assert 0 < found.value.least < 30 * STATE


def test_loops_of_known_and_unknown_length_are_weighed_apart():
    def f(x):
        x = wg.while_loop(lambda x: np.sum(np.abs(x)) > 100.0, lambda x: 0.95 * np.sin(x), x)
        return np.sum(wg.fori_loop(0, 3, lambda i, x: np.sin(x) + 0.2, x))
    with wg.config.set(backend="interpreted"):
        with pytest.raises(BudgetError) as found:
            wg.grad(f, memory=0)(X)
        assert wg.grad(f, memory=found.value.least).plan(X).peak == found.value.least


def test_loops_inside_calls_and_branches_are_found():
    def f(x, w):
        return wg.cond(x[0] > 0.0, lambda x: wg.checkpoint(until)(x, w), lambda x: np.sum(x), x)
    within = wg.grad(f, memory=20 * STATE)
    plan = within.plan(X, W)
    assert plan.peak <= 20 * STATE < plan.everything == math.inf
    np.testing.assert_allclose(within(X, W), wg.grad(until)(X, W), rtol=1e-10)


def test_what_has_no_bound_is_refused():
    def until_small(x):
        return np.sum(wg.while_loop(lambda x: np.sum(x * x) > 0.3, lambda x: 0.6 * x * x[::-1], x, checkpoints=2))
    with wg.config.set(backend="interpreted"), pytest.raises(BudgetError, match="cannot be met: a loop of unknown") as found:
        wg.grad(lambda x: np.sum(wg.grad(until_small)(x) ** 2), memory="1 MB")(X[:3])
    assert found.value.least is None


def test_options_and_nesting():
    def f(x, tree):
        for _ in range(20):
            x = np.sin(x * tree["w"])
        return np.sum(x), {"last": x}
    tree = {"w": W, "n": 3}
    (value, aux), (gx, gt) = wg.value_and_grad(f, (0, 1), has_aux=True, memory="5 MB")(X, tree)
    (value_, aux_), (gx_, gt_) = wg.value_and_grad(f, (0, 1), has_aux=True)(X, tree)
    np.testing.assert_allclose([value, *gx[:3], *gt["w"][:3], *aux["last"][:3]],
                               [value_, *gx_[:3], *gt_["w"][:3], *aux_["last"][:3]])
    assert gt["n"] is gt_["n"] is None
    g = wg.jit(wg.grad(lambda x: np.sum(wg.grad(chain, memory=30 * STATE)(x, W) ** 2)))
    np.testing.assert_allclose(g(X), wg.grad(lambda x: np.sum(wg.grad(chain)(x, W) ** 2))(X), rtol=1e-9)
    assert wg.grad(lambda x: 3.0, memory="1 MB")(2.0) == 0.0


def test_effects_take_place_once(capsys):
    def f(x):
        for _ in range(3):
            x = np.sin(x)
        print("here")
        return np.sum(x)
    within = wg.grad(f, memory="1 MB")
    within(X)
    capsys.readouterr()
    within(X)
    assert capsys.readouterr().out == "here\n"


@pytest.mark.parametrize("bad", ["500 XB", "much", "", "-3 MB", "MB", -1, True, math.nan, math.inf, None.__class__, [3]])
def test_nonsense_is_no_budget(bad):
    with pytest.raises(InputError, match="is no amount of memory"):
        wg.grad(chain, memory=bad)


def test_amounts():
    assert [bytes_in(m) for m in ("500 MB", "1.5 KiB", "2gb", ".5 kB", "7 B", 12, np.int64(3), 1e3)] == [
        500_000_000, 1536, 2_000_000_000, 500, 7, 12, 3, 1000]


def test_what_cannot_be_kept_is_refused():
    def f(x):
        if "flag" in SETTINGS:
            SETTINGS["flag"] += 1
        return np.sum(np.zeros(int(x[0])) + x)
    with pytest.raises(UnsupportedError, match="a memory budget is kept by a program that is one graph, and this one"):
        wg.grad(f, memory="1 MB")(X)
    with pytest.raises(NonDifferentiableError):
        wg.grad(lambda x: x * 2.0, memory="1 MB")(X)


def test_wg_plan_shows_the_budget():
    with wg.config.set(backend="interpreted"):
        within = wg.grad(chain, memory=30 * STATE)
        costs, plan = wg.plan(wg.jit(within), X, W), within.plan(X, W)
        assert (costs.chosen, costs.inputs, costs.outputs, costs.compiled) == ("budget", N, 1, False)
        assert [row.name for row in costs.rows] == ["value", "stored", "budget"]
        assert (costs["stored"].memory, costs["budget"].memory) == (plan.everything, plan.peak)
        assert costs["budget"].operations - costs["stored"].operations == plan.repeated > 0
        assert "a loop of 300 iterations keeps" in str(costs) and "the budget is 960 KB" in costs.reason
        costs = wg.plan(wg.value_and_grad(until, memory="1 GB"), X, W)
        assert (costs.chosen, costs["stored"].memory) == ("budget", None)
        assert "storing everything takes memory without bound" in str(costs)
        assert wg.plan(wg.grad(lambda x: np.sum(x * x), memory="1 MB"), X).chosen == "stored"
        with pytest.raises(BudgetError, match="the least possible"):
            wg.plan(wg.grad(unrolled, memory=STATE // 2), X, W)


def test_a_plan_is_of_these_arguments():
    def f(x):
        return np.sum(np.zeros(int(x[0]) + 1)) + np.sum(x) if len(x) == 5 else np.sum(x * x)
    within = wg.grad(f, memory="1 MB")
    assert within.plan(X[:4]).graph.inputs[0].type.shape == (4,)
    with pytest.raises(UnsupportedError, match="there is nothing to plan"):
        within.plan(X[:5])


def test_threads_plan_apart():
    within, found = wg.grad(lambda x: np.sum(np.sin(x) * x), memory="1 MB"), {}
    start = threading.Barrier(3)

    def run(n):
        start.wait()
        found[n] = within(X[:n]), within.plan(X[:n]).graph.inputs[0].type.shape
    threads = [threading.Thread(target=run, args=(n,)) for n in (3, 4, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for n in (3, 4, 5):
        np.testing.assert_allclose(found[n][0], np.sin(X[:n]) + X[:n] * np.cos(X[:n]), rtol=1e-13)
        assert found[n][1] == (n,)


def test_the_model_agrees_with_the_interpreter():
    graph = wg.make_graph(wg.grad(unrolled), X, W)
    assert peak_bytes(graph) >= measure(graph, [X, W], 0.0).peak
    program = Program(graph)
    for _ in range(3):  # by then it is straight-line code
        program(X, W)
    _, peak = traced(program, X, W)
    assert peak <= peak_bytes(graph) + 300 * len(graph.equations)
