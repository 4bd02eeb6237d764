"""Checks of a program run as it stands and under `jit`.

What comes in: a function of one array, and a point. What goes out: its gradient, or an assertion. The one idea: unstaged
derivatives are compared with finite differences whose error is estimated; staged ones, in every composition, with the
unstaged.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg
from wengert import numeric
from wengert.staging import StagingWarning

X = np.array([0.7, -1.3, 2.1, 0.4])


def check_unstaged(f: Any, x: Any = X, second: bool = True) -> Any:
    """Both modes, to second order; the gradient."""
    plain, before = f(x.copy()), x.copy()
    value, gradient = wg.value_and_grad(f)(x)
    assert value == plain
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(gradient, wg.vjp(f, x)[1](1.0)[0])
    basis = np.eye(x.size).reshape(x.size, *x.shape)
    forward = np.array([wg.jvp(f, (x,), (e,))[1] for e in basis]).reshape(x.shape)
    scale = np.max(np.abs(gradient), initial=1e-3)
    np.testing.assert_allclose(forward, gradient, rtol=0.0, atol=1e-13 * scale)
    found = numeric.gradient_estimate(f, x, method="richardson")
    assert np.all(found.error <= 1e-6 * scale)
    assert np.all(np.abs(gradient - found.value) <= 4.0 * found.error + 1e-12 * scale), (gradient, found.value)
    if second:
        v = np.cos(np.arange(x.size)).reshape(x.shape)
        products = wg.hvp(f, x, v), wg.grad(lambda y: np.sum(wg.grad(f)(y) * v))(x)
        found = numeric.derivative_estimate(lambda t: wg.grad(f)(x + t * v), 0.0, method="richardson")
        scale = max(scale, np.max(np.abs(products[0])))
        assert np.all(found.error <= 1e-6 * scale)
        for product in products:
            assert np.all(np.abs(product - found.value) <= 4.0 * found.error + 1e-12 * scale), (product, found.value)
    return gradient


def check_staged(f: Any, x: Any = X, second: bool = True) -> Any:
    """Values to the bit, both modes and second derivatives in every composition with `jit`; the gradient."""
    gradient = wg.grad(f)(x)
    before, v = x.copy(), np.cos(np.arange(x.size)).reshape(x.shape)
    scale = np.max(np.abs(gradient), initial=1e-3)

    def compare(way: Callable[..., Any], expected: Any, size: float) -> None:
        np.testing.assert_allclose(way(x), expected, rtol=0.0, atol=1e-13 * size)

    with warnings.catch_warnings():
        warnings.simplefilter("error", StagingWarning)
        staged = wg.jit(f)
        assert staged(x) == f(x.copy())
        np.testing.assert_array_equal(x, before)
        for way in (wg.grad(staged), wg.jit(wg.grad(f)), wg.jit(wg.grad(staged)), lambda x: wg.vjp(staged, x)[1](1.0)[0]):
            compare(way, gradient, scale)
        for way in (lambda x: wg.jvp(staged, (x,), (v,))[1], wg.jit(lambda x: wg.jvp(f, (x,), (v,))[1])):
            compare(way, np.sum(gradient * v), x.size * scale)
        if second:
            hessian = wg.hessian(f)(x)
            scale = max(scale, np.max(np.abs(hessian)))
            product = np.tensordot(hessian, v, x.ndim)
            for way in (wg.hessian(staged), wg.jit(wg.hessian(f)), wg.jit(wg.hessian(staged))):
                compare(way, hessian, 10.0 * scale)
            for way in (lambda x: wg.hvp(staged, x, v), wg.jit(lambda x: wg.hvp(f, x, v)),
                        wg.jit(wg.grad(lambda x: np.sum(wg.grad(staged)(x) * v)))):
                compare(way, product, 10.0 * x.size * scale)
    return gradient


CHECKS = {"unstaged": check_unstaged, "staged": check_staged}


def unstageable(reason: str) -> Callable[[Any], Any]:
    """Mark a test whose program runs unstaged under `jit`, and says so."""
    def mark(test: Any) -> Any:
        test.unstageable = reason
        return test
    return mark
