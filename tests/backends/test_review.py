"""Compiled code in corners: errors, signed zeros, indices that nobody reads."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg

RNG = np.random.default_rng(3)


def compiled(f, *args):
    """A jitted function whose machine code is there, and is what runs."""
    jitted = wg.jit(f)
    jitted(*args)
    staged = next(iter(jitted.found.values()))
    assert staged.program is not None and staged.program.compile() is not None
    jitted(*args)
    return jitted


def interpreted(f, *args):
    before = wg.config.backend
    wg.config.set(backend="interpreted")
    try:
        return wg.jit(f)(*args)
    finally:
        wg.config.set(backend=before)


# ---------------------------------------------------------------- errors of graphs with effects, which do not run twice

def _three(x):
    k = 0
    while x > k:
        k = k + 1
    return 5 // (k - 3) + np.random.normal()


@pytest.mark.parametrize(("f", "good", "bad"), [
    (lambda a: np.linalg.inv(a) + np.random.normal(), np.eye(2), np.zeros((2, 2))),
    (lambda a: np.linalg.inv(a) + np.random.normal(), np.eye(12), np.zeros((12, 12))),
    (lambda a: np.linalg.cholesky(a) + np.random.normal(), np.eye(3), -np.eye(3)),
    (lambda a: np.linalg.solve(a, a[0]) + np.random.normal(), np.eye(12), np.zeros((12, 12))),
    (lambda i: np.arange(5.0)[i] + np.random.normal(), np.array([1, 2]), np.array([1, 7])),
    (lambda x: int(x) + np.random.normal(), 2.5, np.nan),
    (lambda x: int(x) + np.random.normal(), 2.5, np.inf),
    (_three, 5.0, 3.0),
])
def test_errors_are_of_the_same_class(f, good, bad):
    jitted = compiled(f, good)
    with pytest.raises(Exception) as plain:
        f(bad)
    with pytest.raises(Exception) as ours:
        jitted(bad)
    assert ours.type is plain.type


# ---------------------------------------------------------------- signed zeros

@pytest.mark.parametrize("n", [1, 2, 5, 8, 9, 20, 40])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
def test_sums_of_negative_zeros_are_zero(n, dtype):
    """NumPy's sums begin with 0.0, however many terms they have."""
    def f(x):
        return np.sum(x), np.sum(x, axis=0), np.sum(x, axis=1), np.sum(x * 1.0, axis=0)
    x = np.full((n, 9), -0.0, dtype)
    if x.dtype.kind == "c":
        x.imag = -0.0
    for got, want in zip(compiled(f, x)(x), f(x), strict=True):
        np.testing.assert_array_equal(np.signbit(np.asarray(got).real), np.signbit(np.asarray(want).real))
        np.testing.assert_array_equal(np.signbit(np.asarray(got).imag), np.signbit(np.asarray(want).imag))


@pytest.mark.parametrize("n", [2, 3, 5, 9, 40])
def test_products_of_negative_zeros(n):
    def f(a, x):
        return a @ x, a @ a.T, np.sum(a * a[::-1], axis=1), x @ x
    a, x = np.full((n, n), -0.0), np.ones(n)
    for got, want in zip(compiled(f, a, x)(a, x), interpreted(f, a, x), strict=True):
        np.testing.assert_array_equal(np.signbit(got), np.signbit(want))
