"""Sorting: permutations and their inverses, ties, NaN, NumPy's own order, and correlations."""

import numpy as np
import pytest

import wengert as wg
from wengert.primitives.sort import permute

KINDS = ("quicksort", "heapsort", "mergesort", "stable")


def test_permute_and_back():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 4))
    places = np.argsort(rng.normal(size=(3, 4)), axis=1)
    y = permute(x, places, axis=1, inverse=False)
    assert np.array_equal(y, np.take_along_axis(x, places, 1))
    assert np.array_equal(permute(y, places, axis=1, inverse=True), x)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_the_derivative_of_a_sort_is_its_permutation(kind, seed):
    x = np.random.default_rng(seed).integers(0, 4, 9).astype(float)  # many ties
    order = np.argsort(x, kind="stable")
    assert np.array_equal(wg.jacobian(lambda x: np.sort(x, kind=kind))(x), np.eye(9)[order])
    assert np.array_equal(wg.vjp(lambda x: np.sort(x, kind=kind), x)[0], np.sort(x))


@pytest.mark.parametrize("n", [1, 2, 9, 40, 300])
@pytest.mark.parametrize("kth", [0, -1, (0, -1)])
def test_partition_is_numpys_own(n, kth):
    """The Jacobian is a permutation matrix that maps x to NumPy's result."""
    for levels in (3, 10_000):
        x = np.random.default_rng(n).integers(0, levels, n).astype(float)
        expected = np.partition(x, kth)
        value, back = wg.vjp(lambda x: np.partition(x, kth), x)
        assert np.array_equal(value, expected)
        jacobian = np.stack([back(e)[0] for e in np.eye(n)[:20]])
        assert np.array_equal(jacobian @ x, expected[:20])
        assert set(np.unique(jacobian)) <= {0.0, 1.0} and np.all(jacobian.sum(1) == 1.0)
        assert np.array_equal(wg.vjp(lambda x: np.argpartition(x, kth), x)[0], np.argpartition(x, kth))


def test_nan_is_sorted_last():
    x = np.array([3.0, np.nan, 1.0, np.nan])
    assert np.array_equal(wg.jacobian(np.sort)(x), np.eye(4)[[2, 0, 1, 3]])


def test_complex_numbers_are_sorted_by_parts():
    z = np.array([1 + 2j, 1 + 1j, 0 + 5j])
    t = np.array([1.0 + 0j, 2j, 3.0])
    value, tangent = wg.jvp(np.sort, (z,), (t,))
    assert np.array_equal(value, np.sort(z)) and np.array_equal(tangent, t[[2, 1, 0]])


def test_in_place():
    def f(x):
        y = x.copy()
        y[1:].sort()
        return np.sum(y * np.arange(4.0))
    assert np.array_equal(wg.grad(f)(np.array([9.0, 3.0, 1.0, 2.0])), [0.0, 3.0, 1.0, 2.0])


@pytest.mark.parametrize("mode", ["valid", "full"])
def test_correlation_does_not_spread_infinite_values(mode):
    """A batch gives the very values of its lanes."""
    a, v = np.array([[1.0, 2.0, np.inf, 4.0, 5.0], [1.0, np.nan, 3.0, 4.0, 5.0]]), np.array([1.0, -1.0])
    found = wg.vmap(lambda a: np.correlate(a, v, mode))(a)
    assert np.array_equal(found, [np.correlate(lane, v, mode) for lane in a], equal_nan=True)
