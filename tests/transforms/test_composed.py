"""Even powers of moduli are polynomials: their derivatives at 0, to any order, in every mode; values to the bit."""

import numpy as np
import pytest

import wengert as wg

X = np.zeros(3)
EYE = 2.0 * np.eye(3)
SQUARES = [
    lambda x: np.sum(abs(x) ** 2), lambda x: np.sum(np.abs(x) * np.abs(x)), lambda x: np.sum(np.fabs(x) ** 2.0),
    lambda x: np.linalg.norm(x) ** 2, lambda x: np.linalg.norm(x, keepdims=True)[0] ** 2,
    lambda x: np.sum(np.linalg.norm(np.stack([x, x]), axis=1) ** 2) / 2.0, lambda x: np.linalg.vector_norm(x) ** 2,
    lambda x: sum(a ** 2 for a in np.abs(x)),
    lambda x: np.hypot(x[0], x[1]) ** 2 + np.sum(np.abs(x[2:].reshape(1, 1)) ** 2),
    lambda x: np.sum(np.square(np.abs(x + 1j * x))) / 2.0, lambda x: 0.5 * 6.0 * np.std(x) ** 2 + np.sum(x) ** 2 / 3.0,
]


@pytest.mark.parametrize("f", SQUARES)
def test_the_hessian_of_a_square_at_zero(f):
    staged = wg.jit(lambda x: wg.hessian(f)(x) + 0.0 * np.sum(x))
    for way in (wg.hessian(f), wg.jacfwd(wg.jacfwd(f)), wg.jacrev(wg.jacrev(f)), staged):
        np.testing.assert_allclose(way(X), EYE, atol=1e-15)
    x = np.array([0.3, -1.2, 2.0])
    assert wg.vjp(f, x)[0] == f(x)
    np.testing.assert_allclose(wg.grad(f)(x), 2.0 * x, rtol=1e-14)
    np.testing.assert_array_equal(wg.grad(f)(X), 0.0)


def test_of_one_number():
    for f in (lambda x: abs(x) ** 2, lambda x: abs(x) ** 2.0, lambda x: np.abs(x) * np.abs(x),
              lambda x: np.linalg.norm([x]) ** 2):
        assert wg.grad(wg.grad(f))(0.0) == 2.0
        assert wg.value_and_grad(f)(-1.5) == (2.25, -3.0)


def test_the_fourth_power_and_the_fused_loop():
    def f(x):
        total = 0.0
        for k in range(2):
            total = total + abs(x) ** 4 + float(k) * np.linalg.norm(np.array([x, 0.0])) ** 4
        return total
    d = f
    for k, expected in enumerate((0.0, 0.0, 0.0, 72.0)):
        d = wg.grad(d)
        assert d(0.0) == expected, k
    assert wg.jit(lambda x: wg.hessian(lambda x: f(x) + abs(x) ** 2)(x) + 0.0 * x)(0.0) == 2.0


def test_complex_moduli():
    f = lambda v: np.sum(np.abs(v[0] + 1j * v[1]) ** 4 + np.abs(v[0] + 1j * v[1]) ** 2)
    np.testing.assert_array_equal(wg.hessian(f)(np.zeros(2)), 2.0 * np.eye(2))
    wg.check_grads(f, (np.array([0.3, -0.7]),))
    assert wg.grad(lambda z: np.abs(z) ** 2)(3.0 + 4.0j) == 6.0 + 8.0j


def test_what_is_no_even_power_keeps_its_kink():
    assert wg.grad(wg.grad(lambda x: abs(x) ** 3))(0.0) == 0.0
    assert wg.grad(abs)(0.0) == 0.0
    assert np.isnan(wg.grad(lambda x: np.sqrt(x) ** 2)(0.0))  # a computed zero times infinity
    np.testing.assert_array_equal(wg.grad(np.linalg.norm)(X), 0.0)
    np.testing.assert_array_equal(wg.hessian(np.linalg.norm)(X), 0.0)
    with np.errstate(all="ignore"):
        assert wg.grad(lambda x: np.log(np.linalg.norm(x) + 0.0))(X)[0] == 0.0
