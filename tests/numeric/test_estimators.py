"""Random-direction estimators: right on average, with the variance that theory gives them.

What comes in: functions whose gradient and whose estimators' moments are known in closed form. What goes out: averages held
against them, exactly where all directions can be enumerated, within standard errors elsewhere (with fixed seeds).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import namedtuple

import numpy as np
import pytest

from wengert import numeric
from wengert.numeric import estimators

RNG = np.random.default_rng(12)
N = 5
H = RNG.normal(size=(N, N))
H = H @ H.T
B = RNG.normal(size=N)
X = RNG.normal(size=N)
GRADIENT = H @ X + B
ALL = [*[("random_gradient_estimate", {"distribution": name}) for name in numeric.DISTRIBUTIONS],
       *[("spsa_estimate", {"perturbation": name}) for name in numeric.PERTURBATIONS]]


def quadratic(x):
    return 0.5 * x @ H @ x + B @ x


def average(directions, f=quadratic, x=X, step=0.1):
    """The average over exactly these pairs (v, w)."""
    source = iter(directions)
    return estimators._estimate("test", f, x, 0, len(directions), lambda rng, n: next(source), step).value


def test_all_signs_give_the_gradient_of_a_quadratic():
    signs = [np.array(s) for s in itertools.product([-1.0, 1.0], repeat=N)]
    np.testing.assert_allclose(average([(v, v) for v in signs]), GRADIENT, rtol=1e-12)
    np.testing.assert_allclose(average([(v, 1 / v) for v in signs]), GRADIENT, rtol=1e-12)


def test_all_coordinates_give_central_differences():
    def f(x):
        return np.sum(np.exp(x) * np.sin(x[::-1]))
    h = 1e-3
    expected = numeric.gradient(f, X, method="central", step=h)
    found = average([(e, N * e) for e in np.eye(N)], f=f, step=h)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(("name", "kind"), ALL)
def test_every_estimator_is_unbiased_within_its_standard_error(name, kind):
    found = getattr(numeric, name)(quadratic, X, seed=3, directions=4000, **kind)
    assert np.all(np.abs(found.value - GRADIENT) <= 4 * found.error)
    assert np.linalg.norm(found.error) < 0.1 * np.linalg.norm(GRADIENT)  # so that the bound above says something
    assert found.evaluations == 8000


@pytest.mark.parametrize(("distribution", "factor"), [("sphere", N), ("gaussian", N + 2), ("rademacher", N), ("coordinate", N)])
def test_second_moments_are_the_known_ones(distribution, factor):
    """E|G|² is d|g|² on the sphere, with signs and with coordinates, and (d + 2)|g|² for Gaussian directions."""
    k, g = 20_000, np.array([1.0, -2.0, 0.5, 0.0, 3.0])
    found = numeric.random_gradient_estimate(lambda x: g @ x, X, seed=0, directions=k, distribution=distribution)
    total = np.sum(found.error**2) * k  # E|G|² − |g|²
    assert total == pytest.approx((factor - 1) * g @ g, rel=0.05)


def test_the_directions_have_the_identity_as_their_second_moment():
    rng = np.random.default_rng(4)
    for table in (numeric.DISTRIBUTIONS, numeric.PERTURBATIONS):
        for draw in table.values():
            pairs = [draw(rng, 3) for _ in range(20_000)]
            moment = sum(np.outer(w, v) for v, w in pairs) / len(pairs)
            assert np.max(np.abs(moment - np.eye(3))) < 0.07


@pytest.mark.parametrize("distribution", numeric.DISTRIBUTIONS)
def test_one_input_needs_no_luck_but_gaussian(distribution):
    """With one input every direction but a Gaussian one gives the derivative itself."""
    found = numeric.random_gradient(lambda x: x**3, 2.0, seed=0, directions=1 + 3999 * (distribution == "gaussian"),
                                    distribution=distribution)
    assert found == pytest.approx(12.0, rel=0.1 if distribution == "gaussian" else 1e-8)


def test_the_bias_is_that_of_the_step():
    """For x³ the quotient is 3x² + ε², whatever the sign."""
    found = numeric.random_gradient(lambda x: x**3, 2.0, seed=0, distribution="rademacher", step=0.5)
    assert found == pytest.approx(12.25, rel=1e-14)


Pair = namedtuple("Pair", ["left", "right"])


@dataclasses.dataclass
class Layer:
    weight: np.ndarray
    name: str


TREES = [
    2.0, np.float32(2.0), np.array([[1.0, 2.0], [3.0, 4.0]]), (1.0, np.ones(2)), [np.ones(2), [3.0]], Pair(1.0, np.ones(2)),
    {"b": np.ones(2, np.float32), "a": 2.0}, Layer(np.ones(3), "first"), {"layers": [Layer(np.ones(2), "x")], "steps": 3},
]


@pytest.mark.parametrize("tree", TREES, ids=repr)
def test_trees_come_back_as_they_were(tree):
    from wengert.flatten import flatten
    leaves, spec = flatten(tree)
    weights = [np.arange(1, np.size(leaf) + 1.0).reshape(np.shape(leaf)) for leaf in leaves if not isinstance(leaf, (str, int))]

    def f(t):
        inside, same = flatten(t)
        assert same == spec
        return sum(np.sum(w * leaf) for w, leaf in zip(weights, [x for x in inside if not isinstance(x, (str, int))]))
    found = numeric.random_gradient_estimate(f, tree, seed=1, directions=200, distribution="coordinate")
    values, same = flatten(found.value)
    errors = flatten(found.error)[0]
    assert same == spec
    moving = [k for k, leaf in enumerate(leaves) if not isinstance(leaf, (str, int))]
    for w, k in zip(weights, moving):
        assert np.asarray(values[k]).dtype == np.asarray(leaves[k]).dtype
        assert np.all(np.abs(values[k] - w) <= 4 * errors[k] + 1e-3 * w)
    assert all(values[k] == leaf for k, leaf in enumerate(leaves) if isinstance(leaf, (str, int)))


def test_a_generator_goes_on_and_a_number_repeats():
    rng = np.random.default_rng(0)
    first, second = (numeric.random_gradient(quadratic, X, seed=rng) for _ in range(2))
    again, same = (numeric.random_gradient(quadratic, X, seed=0) for _ in range(2))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, again) and np.array_equal(again, same)


def test_one_direction_says_nothing_of_its_error():
    assert np.all(np.isinf(numeric.random_gradient_estimate(quadratic, X, seed=0, directions=1).error))


@pytest.mark.parametrize(("change", "message"), [
    ({"distribution": "cauchy"}, "unknown distribution 'cauchy'; there are 'sphere'"),
    ({"directions": 0}, "directions must be a whole number from 1 up, not 0"),
    ({"directions": 2.0}, "directions must be"), ({"step": -1.0}, "step must be positive"), ({"step": np.nan}, "step must be"),
])
def test_bad_choices_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        numeric.random_gradient(quadratic, X, **{"seed": 0, **change})


@pytest.mark.parametrize(("f", "x", "message"), [
    (quadratic, np.arange(5), "there is no float to move in int64"), (np.sum, (1, 2), "no float to move in tuple"),
    (np.sum, np.ones(2, complex), "a complex argument"), (np.sin, np.ones(2), "must return a real number, not an array"),
    (lambda x: 1j, 1.0, "not complex128"),
])
def test_what_has_no_gradient_is_refused(f, x, message):
    with pytest.raises(TypeError, match=message):
        numeric.random_gradient(f, x, seed=0)


def test_the_seed_has_to_be_given():
    with pytest.raises(TypeError, match="seed"):
        numeric.random_gradient(quadratic, X)


def test_an_empty_point_is_refused():
    with pytest.raises(ValueError, match="random_gradient: the argument is an empty array"):
        numeric.random_gradient(np.sum, np.zeros(0), seed=0)


def test_the_error_is_that_of_the_mean_of_the_single_estimates():
    from wengert.numeric import random_gradient, random_gradient_estimate
    f, x, rng = (lambda x: np.sum(np.exp(x))), np.array([0.1, -0.4, 0.7]), np.random.default_rng(3)
    single = [random_gradient(f, x, seed=rng) for _ in range(5)]
    found = random_gradient_estimate(f, x, seed=3, directions=5)
    np.testing.assert_allclose(found.value, np.mean(single, axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.error, np.std(single, axis=0, ddof=1) / 5 ** 0.5, rtol=1e-12)
