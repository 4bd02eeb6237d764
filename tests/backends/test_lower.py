"""Sums of exponentials written out: SciPy's values.

What comes in: arrays, with infinities, NaN and ties among them, and axes. What goes out: results of compiled code beside
SciPy's.
"""

import numpy as np
import pytest
import scipy.special
from scipy.special import log_softmax, logsumexp, softmax

import wengert as wg

RNG = np.random.default_rng(3)
CASES = [((33,), 0), ((5, 33), 1), ((5, 33), 0), ((3, 4, 20), (0, 2)), ((3, 4, 20), 1), ((2, 70, 3), None)]


def all_three(x, axis):
    return softmax(x, axis=axis), log_softmax(x, axis=axis), logsumexp(x, axis=axis), logsumexp(x, axis=axis, keepdims=True)


def with_specials(x):
    flat = x.reshape(-1)
    flat[[1, 3]], flat[2], flat[5], flat[6] = np.nan, np.inf, -np.inf, flat[4]
    return x


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("shape", "axis"), CASES)
def test_values(shape, axis, dtype):
    x = RNG.normal(size=shape).astype(dtype)
    rtol = 2e-5 if dtype is np.float32 else 1e-13
    f = wg.jit(all_three)
    for values in (x, (100 * x).astype(dtype), np.round(x), with_specials(x.copy()), np.full(shape, -np.inf, dtype),
                   np.full(shape, np.inf, dtype)):
        with np.errstate(all="ignore"):
            expected = all_three(values, axis)
            for _ in range(4):
                found = f(values, axis)
        for a, b in zip(found, expected, strict=True):
            assert a.dtype == b.dtype and np.shape(a) == np.shape(b)
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * 1e-2)


def test_no_call_of_a_library():
    found = wg.explain_compilation(all_three, RNG.normal(size=(50, 60)), 1).counts
    assert found["library_calls"] == found["python_calls"] == 0


def test_small_sums_are_not_lost():
    f = wg.jit(scipy.special.logsumexp)
    for _ in range(5):
        found = f(np.array([0.0, -60.0]))
    np.testing.assert_allclose(found, np.exp(-60.0), rtol=1e-15)


def test_in_a_loop():
    def f(x):
        for _ in range(40):
            x = softmax(x, axis=1) * 3.0
        return x
    x = RNG.normal(size=(20, 30))
    np.testing.assert_allclose(wg.jit(f)(x), f(x), rtol=1e-12)
