"""`np.linalg.norm` and its relatives: values to the bit, both modes, and the derivative at 0."""

import numpy as np
import pytest
from test_linalg_api import check, draw

import wengert as wg

VECTOR = [None, 2, 1, np.inf, -np.inf, 0, 3, 1.5, 0.5, -1, -2, -2.5]
MATRIX = [None, "fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf]
norm = np.linalg.norm


@pytest.mark.parametrize("order", VECTOR)
@pytest.mark.parametrize("c", [False, True])
def test_vectors(order, c):
    check(lambda x: norm(x, order), draw(0, 5, c=c), exact=True, atol=1e-6)
    check(lambda x: norm(x, order, axis=1), draw(1, 2, 3, c=c), exact=not c, atol=1e-6)
    check(lambda x: norm(x, order, 0, keepdims=True), draw(1, 3, 2, c=c), atol=1e-6)
    if order is not None:
        check(lambda x: np.linalg.vector_norm(x, ord=order), draw(1, 2, 3, c=c), atol=1e-6)
        check(lambda x: np.linalg.vector_norm(x, ord=order, axis=(0, 2), keepdims=True), draw(1, 2, 2, 3, c=c), atol=1e-6)


@pytest.mark.parametrize("order", MATRIX)
@pytest.mark.parametrize("c", [False, True])
def test_matrices(order, c):
    check(lambda x: norm(x, order), draw(2, 4, 3, c=c), exact=order in (2, -2, "nuc", 1, np.inf) or not c)
    check(lambda x: norm(x, order, axis=(2, 0)), draw(2, 3, 2, 2, c=c))
    check(lambda x: norm(x, order, axis=(0, 1), keepdims=True), draw(2, 3, 2, 2, c=c))
    if order is not None:
        check(lambda x: np.linalg.matrix_norm(x, ord=order), draw(5, 2, 3, 2, c=c))


@pytest.mark.parametrize("order", [None, 2, 1, 3, 1.5, np.inf])
def test_the_derivative_at_zero_is_zero(order):
    x = np.zeros(3)
    f = lambda x: norm(x, order)
    assert np.array_equal(wg.grad(f)(x), x)
    assert wg.jvp(f, (x,), (np.ones(3),))[1] == 0.0
    assert np.array_equal(wg.hessian(f)(x), np.zeros((3, 3)))


def test_rows_of_zeros_do_not_spoil_the_others():
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    g = wg.grad(lambda x: np.sum(norm(x, axis=1)))(x)
    np.testing.assert_allclose(g, [[0.0, 0.0], [0.6, 0.8]], rtol=1e-15)
    assert np.all(np.isfinite(wg.hessian(lambda x: np.sum(norm(x, axis=1)))(x)))


@pytest.mark.parametrize("order", [1, 2, 3, np.inf, -1])
def test_elements_of_zero(order):
    g = wg.grad(lambda x: norm(x, order))(np.array([0.0, 1.0, -2.0]))
    assert np.all(np.isfinite(g)) and g[0] == 0.0


@pytest.mark.parametrize("order", ["fro", "nuc", 2])
def test_matrix_of_zeros(order):
    g = wg.grad(lambda x: norm(x, order))(np.zeros((2, 2)))
    assert np.all(np.isfinite(g)) and norm(g, 2) <= 1.0 + 1e-12


def test_integers_precision_and_errors():
    assert wg.jvp(lambda x: norm(np.arange(3) * x), (1.0,), (1.0,))[0] == norm(np.arange(3.0))
    out = wg.jvp(lambda x: norm(x, 3), (np.ones(2, np.float32),), (np.ones(2, np.float32),))
    assert out[0].dtype == out[1].dtype == np.float32
    for f, error in (
        (lambda x: norm(x, "fro", axis=0), ValueError),
        (lambda x: norm(x, 3, axis=(0, 1)), ValueError),
        (lambda x: norm(x, axis=(0, 0)), ValueError),
        (lambda x: norm(x, axis=5), np.exceptions.AxisError),
    ):
        with pytest.raises(error):
            f(np.ones((2, 2)))
        with pytest.raises(error):
            wg.jvp(f, (np.ones((2, 2)),), (np.ones((2, 2)),))
