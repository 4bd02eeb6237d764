"""Second-order products, against matrices that were written down or formed whole."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert.errors import InputError
from wengert.second_order import MODES

A = np.array([[2.0, -1.0, 0.5], [-1.0, 3.0, 0.0], [0.5, 0.0, 1.0]])


@pytest.mark.parametrize("mode", MODES)
def test_the_four_compositions_agree_with_the_hessian(mode):
    """f = ¼ (xᵀ A x)²: H = 2 (A x)(A x)ᵀ + (xᵀ A x) A."""
    x, v = np.array([1.0, -2.0, 0.5]), np.array([0.3, 0.1, -1.0])
    expected = 2 * (A @ x) * (A @ x @ v) + (x @ A @ x) * (A @ v)
    np.testing.assert_allclose(wg.hvp(lambda x: 0.25 * (x @ A @ x) ** 2, x, v, mode=mode), expected, rtol=1e-13)
    np.testing.assert_allclose(wg.jit(lambda x, v: wg.hvp(lambda x: 0.25 * (x @ A @ x) ** 2, x, v, mode))(x, v), expected,
                               rtol=1e-13)


@pytest.mark.parametrize("mode", MODES)
def test_trees_and_arguments(mode):
    """f = Σ w³ b: the mixed derivatives meet in both."""
    found = wg.hvp(lambda p: np.sum(p["w"] ** 3) * p["b"], {"w": np.array([1.0, 2.0]), "b": 2.0},
                   {"w": np.array([1.0, 0.0]), "b": 1.0}, mode=mode)
    np.testing.assert_allclose(found["w"], [15.0, 12.0])
    np.testing.assert_allclose(found["b"], 3.0)
    assert wg.hvp(lambda x, y: x ** 2 * y, (3.0, 2.0), (1.0, 1.0), mode=mode) == (10.0, 6.0)


def test_gauss_newton_is_the_hessian_without_the_curvature_of_the_residual():
    """Jᵀ H J v with J and H formed whole; for a linear residual it is the Hessian itself."""
    x, v = np.array([0.5, -1.0, 2.0]), np.array([1.0, 2.0, -0.5])

    def residual(x):
        return np.array([np.sin(x[0] * x[1]), np.exp(x[2]), x[0] + x[2] ** 2, x[1]])

    def loss(r):
        return np.log(np.sum(np.exp(r)))
    j, h = wg.jacobian(residual)(x), wg.hessian(loss)(residual(x))
    np.testing.assert_allclose(wg.gauss_newton_product(residual, x, v), j.T @ j @ v, rtol=1e-13)
    np.testing.assert_allclose(wg.gauss_newton_product(residual, x, v, loss), j.T @ h @ j @ v, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(wg.gauss_newton_product(lambda x: A @ x, x, v, loss),
                               wg.hvp(lambda x: loss(A @ x), x, v), rtol=1e-12, atol=1e-13)


def test_gauss_newton_of_trees():
    """Residual {a: w b, c: b}: J of the three numbers (w1, w2, b)."""
    p, v = {"w": np.array([1.0, 2.0]), "b": 3.0}, {"w": np.array([1.0, -1.0]), "b": 0.5}
    found = wg.gauss_newton_product(lambda p: {"a": p["w"] * p["b"], "c": p["b"]}, p, v)
    j = np.array([[3.0, 0.0, 1.0], [0.0, 3.0, 2.0], [0.0, 0.0, 1.0]])
    expected = j.T @ j @ [1.0, -1.0, 0.5]
    np.testing.assert_allclose([*found["w"], found["b"]], expected)
    assert wg.gauss_newton_product(lambda x, y: x * y, (2.0, 3.0), (1.0, 0.0)) == (9.0, 6.0)


def test_refusals():
    with pytest.raises(InputError, match="forward-over-reverse"):
        wg.hvp(np.sin, 1.0, 1.0, mode="forward")
    with pytest.raises(InputError, match="not wg.hvp"):
        wg.hvp(1.0, 1.0, 1.0)
    with pytest.raises(InputError, match="is a function"):
        wg.gauss_newton_product(1.0, 1.0, 1.0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("v", [[1.0, 0.0], np.ones(3), np.ones(2) * 1j, 1.0])
def test_a_direction_that_does_not_fit_is_reported_under_the_name_that_was_called(mode, v):
    x = np.array([1.0, 2.0])
    for name, f in {"hvp": lambda: wg.hvp(lambda x: np.sum(x ** 3), x, v, mode=mode),
                    "gauss_newton_product": lambda: wg.gauss_newton_product(lambda x: x ** 2, x, v),
                    "taylor": lambda: wg.taylor(np.sin, x, v, 2)}.items():
        with pytest.raises(InputError, match=f"^{name}: the (co)?tangent"):
            f()
