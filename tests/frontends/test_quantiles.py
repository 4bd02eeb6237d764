"""Medians and quantiles: every method of NumPy, to the last bit, and their derivatives."""

import warnings

import numpy as np
import pytest
from against_numpy import check, same

import wengert as wg
from wengert.errors import UnsupportedError

CONTINUOUS = ["linear", "hazen", "weibull", "median_unbiased", "normal_unbiased", "interpolated_inverted_cdf",
              "averaged_inverted_cdf", "midpoint"]
DISCRETE = ["inverted_cdf", "closest_observation", "lower", "higher", "nearest"]
LEVELS = [0.3, 0, 1, 0.5, 1.0, np.float64(0.3), np.array([0.1, 0.77, 1.0, 0.0]), np.array([[0.1], [0.7]]),
          np.array([0.25, 0.5], np.float32)]
CASES = [((5,), None), ((4, 6), 1), ((4, 6), 0), ((3, 4, 5), (0, 2)), ((1,), None), ((2,), 0)]


def arrays(shape, dtype=np.float64):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype(dtype)
    holes = x.copy()
    holes[rng.random(shape) < 0.3] = np.nan
    holes.flat[0] = 0.5
    return x, holes


@pytest.mark.parametrize("method", CONTINUOUS + DISCRETE)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values(method, dtype):
    for shape, axis in CASES:
        x, holes = arrays(shape, dtype)
        for q in LEVELS:
            same(lambda x: np.quantile(x, q, axis, method=method, keepdims=True), x)
            same(lambda x: np.percentile(x, 100 * q, axis, method=method), x)
            if np.ndim(q) < 2 or axis != (0, 2):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    same(lambda x: np.nanquantile(x, q, axis, method=method), holes)
            same(lambda x: np.quantile(np.sign(x).astype(int), q, axis, method=method), x)


def test_medians():
    for shape, axis in CASES:
        for dtype in (np.float64, np.float32):
            x, holes = arrays(shape, dtype)
            same(lambda x: np.median(x, axis, keepdims=True), x)
            same(lambda x: np.median(x, axis), holes)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                same(lambda x: np.nanmedian(x, axis), holes)
    for n in (1, 2, 5, 6):
        x = np.random.default_rng(n).normal(size=(n, 3))
        check(lambda x: np.median(x, axis=0), x, exact=False)
        check(np.median, x)


@pytest.mark.parametrize("method", CONTINUOUS + DISCRETE)
def test_derivatives(method):
    x, _ = arrays((4, 5))
    check(lambda x: np.quantile(x, [0.2, 0.65], axis=1, method=method), x)
    if method in CONTINUOUS[:6]:
        check(lambda q: np.quantile(x, q, axis=1, method=method), np.array([0.21, 0.66]))
        check(lambda q: np.percentile(x[0], q, method=method), np.asarray(37.0))
    elif method in DISCRETE:
        assert np.all(wg.grad(lambda q: np.quantile(x[0], q, method=method))(0.3) == 0.0)


def test_ends_of_a_quantile():
    """At q = 1 the derivative is that from the left, elsewhere at an element that from the right."""
    x = np.array([1.0, 2.0, 5.0])
    slope = wg.grad(lambda q: np.quantile(x, q))
    assert slope(0.0) == 2.0 and slope(0.5) == 6.0 and slope(1.0) == 6.0


def test_nan_contributes_exactly_nothing():
    x, holes = arrays((6, 5))
    there = ~np.isnan(holes)
    for f in (lambda x: np.nanquantile(x, [0.2, 0.7], axis=1), lambda x: np.nanmedian(x, axis=1),
              lambda x: np.nanpercentile(x, 35.0)):
        def filled(y):
            z = np.full((6, 5), np.nan)
            z[there] = y
            return f(z)
        check(filled, holes[there], exact=False)
        assert np.all(wg.grad(lambda x: np.sum(f(x)))(holes)[~there] == 0.0)
        lanes = np.stack([x, holes, holes[::-1]])
        expected = np.stack([f(lane) for lane in lanes])
        np.testing.assert_allclose(wg.vmap(f)(lanes), expected, rtol=1e-14)


def test_refusals():
    x = np.arange(4.0)
    with pytest.raises(UnsupportedError, match="weights"):
        wg.grad(lambda x: np.quantile(x, 0.3, weights=[1, 1, 2, 1], method="inverted_cdf"))(x)
    with pytest.raises(UnsupportedError, match="matrix of quantiles"):
        wg.vjp(lambda x: np.nanquantile(x, [[0.3]], axis=(0, 1)), np.ones((2, 2, 2)))
    with pytest.raises(ValueError, match="range"):
        wg.grad(lambda x: np.quantile(x, 1.3))(x)
    with pytest.raises(ValueError, match="valid method"):
        wg.grad(lambda x: np.quantile(x, 0.3, method="best"))(x)
    with pytest.raises(TypeError):
        wg.vjp(lambda x: np.quantile(x, 0.3), x + 1j)
