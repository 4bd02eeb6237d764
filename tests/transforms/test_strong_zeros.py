"""What a choice left out contributes exactly nothing, in every mode, staged or not."""

import numpy as np
import pytest

import wengert as wg
from wengert.graph import REGISTRY, ArrayType, build_graph
from wengert.transforms.linearize import linearize
from wengert.transforms.strong_zeros import masked

pytestmark = [pytest.mark.filterwarnings("error::wengert.StagingWarning"),
              pytest.mark.filterwarnings("ignore::RuntimeWarning")]


def cut_off(x):
    return np.sqrt(np.maximum(x, 0.0))


def beside_a_constant(x):
    return np.sum(np.sqrt(np.array([0.0, x, 0.0])))


def written_over_a_constant(x):
    y = np.zeros(3)
    y[1] = x
    return np.sum(np.sqrt(y))


def padded(x):
    return np.sum(np.pad(np.reshape(x, (1,)), 2) ** 0.5)


def unreached_weight(x):
    return np.sum(np.array([[np.inf, 1.0], [np.inf, 2.0]]) @ np.array([np.where(x > 0.0, 0.0, x), x]))


def branch_without_it(x):
    y = 0.0 if x < 0.5 else x
    return np.sqrt(y)


def absorbed_in_a_loop(x):
    y = x
    for _ in range(5):
        y = np.maximum(y - 1.0, 0.0)
    return np.sqrt(y)


def full_truncation(x):
    """The variance of a Heston path, cut off at 0, and its root in the next step."""
    v, s = x, 0.0
    for k in range(6):
        s = s + np.sqrt(v)
        v = np.maximum(v - 0.3 * (k + 1.0) * v - 0.01 * k, 0.0)
    return s


def branch_behind_a_selection(x):
    if x < 0.5:
        z = np.sqrt(x - 0.25)
    else:
        z = x * x
    return np.where(x > 0.25, z, 0.0)


def chosen_later(x):
    """The root of 0 is carried into the next iteration, which does not take it."""
    a, b, out = x, x, 1.0 * x
    for _ in range(3):
        out = np.where(a > 20.0, a, out)
        a = np.sqrt(b)
        b = b * 0.0
    return out


def unbounded(x):
    y, n = x, 0
    while y > 0.0 or n < 3:
        y = np.maximum(y - 1.0, 0.0)
        n = n + 1
    return np.sqrt(y) + x


# The derivative at the point, by hand.
CASES = [(cut_off, -1.0, 0.0), (cut_off, 4.0, 0.25), (beside_a_constant, 4.0, 0.25), (written_over_a_constant, 4.0, 0.25),
         (padded, 4.0, 0.25), (branch_without_it, -1.0, 0.0), (branch_without_it, 4.0, 0.25), (absorbed_in_a_loop, 1.0, 0.0),
         (absorbed_in_a_loop, 9.0, 0.25), (branch_behind_a_selection, 0.25, 0.0), (branch_behind_a_selection, 2.0, 4.0),
         (chosen_later, 1.0, 1.0), (unbounded, 1.5, 1.0)]
WAYS = {
    "reverse": wg.grad, "forward": lambda f: lambda x: wg.jvp(f, (x,), (1.0,))[1],
    "staged reverse": lambda f: wg.jit(wg.grad(f)), "reverse of staged": lambda f: wg.grad(wg.jit(f)),
    "staged forward": lambda f: wg.jit(lambda x: wg.jvp(f, (x,), (1.0,))[1]),
    "forward of staged": lambda f: lambda x: wg.jvp(wg.jit(f), (x,), (1.0,))[1], "batched": lambda f: lambda x: wg.vmap(
        wg.grad(f))(np.array([x, x]))[1]}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("f", "x", "expected"), CASES, ids=[f"{f.__name__}-{x}" for f, x, _ in CASES])
def test_what_is_not_taken_adds_nothing(f, x, expected, way):
    assert WAYS[way](f)(x) == expected


@pytest.mark.parametrize("f", [full_truncation, absorbed_in_a_loop, branch_behind_a_selection, chosen_later, unbounded])
@pytest.mark.parametrize("x", [0.2, 1.0, 2.5])
def test_second_order_staged(f, x):
    first, second = wg.grad(f)(x), wg.grad(wg.grad(f))(x)
    assert np.isfinite(second)
    for way in WAYS:
        assert WAYS[way](f)(x) == pytest.approx(first, rel=1e-14)
        assert WAYS[way](wg.grad(f))(x) == pytest.approx(second, rel=1e-14)
        assert WAYS[way](wg.jit(wg.grad(f)))(x) == pytest.approx(second, rel=1e-14)


def test_a_residual_that_meets_only_what_was_left_out():
    assert np.isfinite(wg.jvp(unreached_weight, (-1.0,), (1.0,))[1]) is np.False_  # the first column is met: inf
    f = lambda x: np.array([[np.inf, 1.0]]) @ np.where(np.array([False, True]), x, 0.0)
    np.testing.assert_array_equal(wg.jacfwd(f)(np.array([1.0, 2.0])), [[0.0, 1.0]])
    np.testing.assert_array_equal(wg.jacrev(f)(np.array([1.0, 2.0])), [[0.0, 1.0]])


def test_a_zero_that_was_computed_is_no_mask():
    for way in WAYS.values():
        assert np.isnan(way(lambda x: np.sqrt(x) ** 2)(0.0))
        assert np.isnan(way(lambda x: np.sqrt(x * 0.0))(2.0))


def test_a_graph_without_choices_comes_back_as_it_is():
    graph = wg.make_graph(lambda x: np.sum(np.sin(x[1:]) * np.exp(x[:-1])), np.ones(4))
    linear = linearize(graph, [True])
    assert masked(linear.graph, [True] + [False] * len(linear.residuals)) is linear.graph


PLACING = [p for p in REGISTRY.values() if p.structural and p.linear == "jointly" and not p.elementwise and not p.multiple
           and p.name not in ("convert", "stack_add")]


@pytest.mark.parametrize("p", PLACING, ids=[p.name for p in PLACING])
def test_masks_move_as_values_do(p):
    """An element is alive if a positive number anywhere alive reaches it."""
    rng = np.random.default_rng(0)
    for operands, params in p.sample(rng):
        for k in range(3):
            masks = [rng.random(np.shape(x)) < 0.25 * (k + 1) if np.asarray(x).dtype.kind in "fc" else x for x in operands]
            numbers = [np.where(m, 1.0, 0.0) if np.asarray(x).dtype.kind in "fc" else x
                       for m, x in zip(masks, operands, strict=True)]
            types = [ArrayType(np.shape(x), np.asarray(x).dtype) for x in masks]
            graph = build_graph(lambda *h, p=p, params=params: p(*h, **params), *types)
            assert graph.outputs[0].type.dtype == bool
            moved = p(*masks, **params)
            assert np.asarray(moved).dtype == bool
            np.testing.assert_array_equal(moved, p(*numbers, **params) > 0.0)
