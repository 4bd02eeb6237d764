"""Gradient descent against its closed form, on exact and on estimated gradients."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import wengert as wg
from wengert.errors import InputError

CURVATURES = np.array([1.0, 3.0, 10.0])


def quadratic(x):
    return 0.5 * np.sum(CURVATURES * x**2)


def test_a_quadratic_follows_its_closed_form():
    """x_k = (1 − s λ)^k x_0, coordinate by coordinate."""
    s, k, x0 = 0.125, 20, np.array([1.0, -2.0, 0.5])
    seen = []
    found = wg.optim.gradient_descent(quadratic, x0, step=s, iterations=k, tolerance=0.0,
                                      callback=lambda j, x, g: seen.append((j, x)))
    path = np.array([(1 - s * CURVATURES) ** j * x0 for j in range(k + 1)])
    np.testing.assert_allclose(found.x, path[-1], rtol=1e-13)
    np.testing.assert_allclose(found.values, [quadratic(x) for x in path], rtol=1e-13)
    np.testing.assert_allclose(found.gradient_norms, np.linalg.norm(CURVATURES * path, axis=1), rtol=1e-13)
    np.testing.assert_allclose([x for _, x in seen], path, rtol=1e-13)
    assert [j for j, _ in seen] == list(range(k + 1))
    assert (found.iterations, found.evaluations, found.converged) == (k, k + 1, False)
    assert found.value == found.values[-1] and "iterations" in str(found)
    assert np.array_equal(x0, [1.0, -2.0, 0.5])


def test_the_tolerance_ends_it_at_the_first_point_that_meets_it():
    s, x0 = 0.5, 4.0
    found = wg.optim.gradient_descent(None, x0, lambda x: x, step=s, tolerance=1e-3)
    assert found.converged and found.iterations == math.ceil(math.log2(4.0 / 1e-3))
    assert found.value is None and found.values is None
    assert found.gradient_norms[-1] <= 1e-3 < found.gradient_norms[-2]


def test_a_schedule_is_called_with_the_number_of_the_step():
    found = wg.optim.gradient_descent(None, np.zeros(2), np.ones_like, step=lambda k: 1.0 / (k + 1), iterations=4)
    np.testing.assert_allclose(found.x, -(1 + 1 / 2 + 1 / 3 + 1 / 4) * np.ones(2), rtol=1e-14)


def test_trees_keep_structure_dtype_and_what_is_no_float():
    x0 = {"w": np.ones((2, 2), np.float32), "b": 1.0, "name": "layer"}

    def loss(p):
        return np.sum(p["w"] ** 2) + p["b"] ** 2
    found = wg.optim.gradient_descent(loss, x0, step=0.25, iterations=3)
    assert found.x["name"] == "layer" and found.x["w"].dtype == np.float32
    np.testing.assert_allclose(found.x["w"], 0.125)
    assert found.x["b"] == 0.125


def test_complex_points_go_down_the_steepest_way():
    found = wg.optim.gradient_descent(lambda z: np.abs(z - (1 + 2j)) ** 2, 0j, step=0.25, tolerance=1e-9)
    assert found.converged and abs(found.x - (1 + 2j)) < 1e-9


def test_zero_order_contracts_as_theory_says():
    """On ½ L |x|² with sphere directions and step 1/(L d): |x|² shrinks by 1 − cos², of mean 1 − 1/d, in each step."""
    d, lipschitz, rng = 4, 2.0, np.random.default_rng(5)

    def f(x):
        return 0.5 * lipschitz * x @ x
    points = []

    def estimate(x):
        return wg.numeric.random_gradient(f, x, seed=rng, step=1e-3 * np.sqrt(x @ x))
    wg.optim.gradient_descent(None, np.ones(d), estimate, step=1 / (lipschitz * d), iterations=40,
                              callback=lambda j, x, g: points.append(x))
    ratios = [b @ b / (a @ a) for a, b in itertools.pairwise(points)]
    # (1 − cos²) of a uniform direction in R⁴ has mean 3/4 and variance 2(d − 1)/(d²(d + 2)) = 1/16
    assert abs(np.mean(ratios) - 0.75) <= 4 * 0.25 / np.sqrt(len(ratios))
    assert np.all(np.array(ratios) <= 1 + 1e-9)


def test_a_step_too_large_is_reported():
    with np.errstate(over="ignore", invalid="ignore"):
        found = wg.optim.gradient_descent(lambda x: x**4, 10.0, step=1.0)
    assert not found.converged and "not finite (take a smaller step)" in found.reason


def test_the_callback_can_end_it():
    found = wg.optim.gradient_descent(None, 1.0, lambda x: x, step=0.1, callback=lambda k, x, g: k == 3)
    assert found.iterations == 3 and found.reason == "ended by the callback"


@pytest.mark.parametrize(("arguments", "message"), [
    ((None, 1.0, 1.0), "the gradient is a function, not a float"), ((None, 3, lambda x: x), "x0 holds no float"),
    ((None, 1.0), "the first argument is a function, not None"), ((3.0, 1.0), "the first argument is a function, not a float"),
    ((None, np.ones(2), lambda x: np.ones(3)), r"the gradient is float64\[3\] where x0 is float64\[2\]"),
    ((None, 1.0, lambda x: (x, x)), "the gradient has the structure"),
    ((None, 1.0, lambda x: 1j), "the gradient is complex where x0 is real"),
])
def test_refusals(arguments, message):
    with pytest.raises(InputError, match=message):
        wg.optim.gradient_descent(*arguments, step=0.1)


@pytest.mark.parametrize(("change", "message"), [
    ({"step": 0.0}, "the step is 0.0 at iteration 0"), ({"step": lambda k: -1.0}, "the step is -1.0"),
    ({"step": wg.optim.Backtracking()}, "f is None"),
    ({"iterations": -1}, "iterations is a whole number"),
    ({"f": lambda x: np.ones(2)}, "returns a real number"),
])
def test_bad_choices(change, message):
    with pytest.raises(InputError, match=message):
        wg.optim.gradient_descent(**{"f": None, "x0": 1.0, "gradient": lambda x: x, "step": 0.1, **change})


def test_the_gradient_of_the_function_itself_ends_at_the_same_tolerance():
    def f(x):
        return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
    plain, given = wg.optim.lbfgs(f, np.zeros(5)), wg.optim.lbfgs(f, np.zeros(5), wg.grad(f))
    assert given.converged and given.iterations == plain.iterations
    np.testing.assert_array_equal(given.x, plain.x)
    assert not wg.optim.lbfgs(f, np.zeros(5), lambda x: wg.grad(f)(x), iterations=50).converged  # it may be an estimate
