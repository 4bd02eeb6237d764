"""Reductions at the places where a rule can go wrong: zeros, ties, NaN, infinite neighbors, empty arrays."""

import itertools

import numpy as np
import pytest

import wengert as wg
from wengert.backends.interpret import evaluate
from wengert.graph import build_graph, type_of
from wengert.primitives import reduce as r
from wengert.transforms.batch import batch


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8])
@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_product_with_zeros(n, zeros):
    """Derivatives of a product are products of the others, exactly, at every order."""
    x = np.random.default_rng(n).integers(1, 5, n).astype(float)
    x[:zeros] = 0.0
    others = [np.prod(np.delete(x, i)) for i in range(n)]
    assert np.array_equal(wg.grad(np.prod)(x), others)
    hessian = wg.hessian(np.prod)(x)
    for i, j in itertools.product(range(n), repeat=2):
        assert hessian[i, j] == (0.0 if i == j else np.prod(np.delete(x, [i, j])))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 9])
@pytest.mark.parametrize("zeros", [(), (0,), (1,), (0, 2), (1, 2)])
def test_cumulative_product_with_zeros(n, zeros):
    x = np.random.default_rng(n).integers(1, 5, n).astype(float)
    x[[k for k in zeros if k < n]] = 0.0
    expected = np.zeros((n, n))
    for k, i in itertools.product(range(n), repeat=2):
        if i <= k:
            expected[k, i] = np.prod(np.delete(x[:k + 1], i))
    assert np.array_equal(wg.jacobian(np.cumprod)(x), expected)
    assert np.array_equal(np.stack([wg.jvp(np.cumprod, (x,), (e,))[1] for e in np.eye(n)], axis=1), expected)
    second = wg.hessian(lambda x: np.cumprod(x)[-1])(x)
    for i, j in itertools.product(range(n), repeat=2):
        assert second[i, j] == (0.0 if i == j else np.prod(np.delete(x, [i, j])))


def test_product_is_linear_in_work():
    """Twice the elements add one level to the tree, not twice the equations."""
    def count(n):
        x = np.ones(n)
        return len(wg.make_graph(wg.grad(np.prod), x).equations)
    assert count(1024) - count(512) == count(512) - count(256)


@pytest.mark.parametrize("ufunc", [np.maximum, np.minimum])
def test_ties_share(ufunc):
    x = np.array([[2.0, 1.0, 2.0], [3.0, 3.0, 3.0]]) * (1 if ufunc is np.maximum else -1)
    expected = [[0.5, 0.0, 0.5], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(ufunc.reduce(x, axis=1)))(x), expected, rtol=1e-15)
    first = [[1 + 1 + 1, 0, 0], [3, 0, 0]]
    assert np.array_equal(wg.grad(lambda x: np.sum(ufunc.accumulate(x, axis=1)))(x), first)


def test_extremes_select():
    """What does not win contributes exactly nothing, though its own derivative is infinite."""
    with np.errstate(divide="ignore"):
        for f in (lambda x: np.max(np.sqrt(x)), lambda x: np.maximum.accumulate(np.sqrt(x)[::-1])[0]):
            assert np.array_equal(wg.grad(f)(np.array([0.0, 4.0])), [0.0, 0.25])
            assert np.array_equal(wg.jvp(f, (np.array([0.0, 4.0]),), (np.ones(2),))[1], 0.25)


def test_nan_wins():
    x = np.array([1.0, np.nan, 3.0, np.nan])
    assert np.isnan(np.max(x)) and np.array_equal(wg.grad(np.max)(x), [0.0, 0.5, 0.0, 0.5])
    jacobian = wg.jacobian(np.maximum.accumulate)(x)
    assert np.array_equal(jacobian, np.eye(4)[[0, 1, 1, 1]])


def test_empty():
    for f in (np.max, np.min):
        with pytest.raises(ValueError, match="which has no identity"):
            wg.grad(f)(np.zeros(0))
        with pytest.raises(ValueError, match="which has no identity"):
            wg.vmap(lambda x: f(x[:0]))(np.ones((2, 3)))
    for f in (np.argmax, np.argmin):
        with pytest.raises(ValueError, match="empty sequence"):
            wg.vjp(f, np.zeros(0))
    assert wg.grad(np.prod)(np.zeros(0)).shape == (0,)
    assert wg.grad(lambda x: np.sum(np.max(x, axis=1)))(np.zeros((0, 3))).shape == (0, 3)
    assert wg.jacobian(np.cumprod)(np.zeros(0)).shape == (0, 0)


@pytest.mark.parametrize("marks", list(itertools.product([False, True], repeat=3))[1:])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_batches_of_a_masked_sum(marks, shape):
    rng = np.random.default_rng(0)
    lanes = [rng.normal(size=(4, *shape)), rng.random((4, *shape)) < 0.5, rng.normal(size=4)]
    operands = [x if mark else x[0] for x, mark in zip(lanes, marks, strict=True)]
    axes = tuple(range(len(shape)))[-1:]
    graph = build_graph(lambda *xs: r.masked_sum(*xs, axes=axes), *[type_of(np.asarray(x[0])) for x in lanes])
    found, = evaluate(batch(graph, 4, marks)[0], operands)
    for k in range(4):
        x, mask, start = [x[k] if mark else x for x, mark in zip(operands, marks, strict=True)]
        np.testing.assert_allclose(found[k], r.masked_sum(x, mask, start, axes=axes), rtol=1e-14)


def test_single_precision_stays():
    x = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    for f in (np.max, np.prod, np.cumprod, np.cumsum, np.maximum.accumulate, np.sort, np.mean, np.std, np.median):
        assert wg.grad(lambda x: np.sum(f(x)))(x).dtype == np.float32
        assert wg.jvp(f, (x,), (x,))[1].dtype == np.float32
