"""Differences, integrals, interpolation, convolution, polynomials, covariances and histograms of NumPy."""

import numpy as np
import pytest
from against_numpy import check, same

import wengert as wg
from wengert.errors import UnsupportedError

RNG = np.random.default_rng(2)
X, T = RNG.normal(size=(4, 5)), np.sort(RNG.normal(size=5))
P, Q = RNG.normal(size=4), RNG.normal(size=2)
W = RNG.uniform(1, 2, 7)


def test_differences():
    for n in (1, 2, 3):
        check(lambda x: np.diff(x, n, 0), X)
    check(lambda x, y: np.diff(x, prepend=y, append=[1.0, 2.0]), P, np.asarray(3.0))
    check(lambda x, y: np.diff(x, axis=0, append=y), X, X[:2])
    same(lambda x: np.diff(x > 0), X)
    check(lambda x, y: np.ediff1d(x, y, 0), X, P)
    check(np.ediff1d, X)


@pytest.mark.parametrize("edge_order", [1, 2])
def test_gradient(edge_order):
    check(lambda x: np.gradient(x, edge_order=edge_order), X)
    check(lambda x: np.gradient(x, 0.5, 2, edge_order=edge_order), X)
    check(lambda x, d: np.gradient(x, d, axis=1, edge_order=edge_order), X, np.asarray(0.7))
    check(lambda x, t: np.gradient(x, t, axis=1, edge_order=edge_order), X, np.array([0.0, 0.5, 1.2, 1.6, 2.5]))
    check(lambda x: np.gradient(x, np.arange(5.0) * 2, axis=1, edge_order=edge_order), X)
    same(lambda x: np.gradient(x, T, axis=1, edge_order=edge_order), X.astype(np.float32))
    # evenly spaced coordinates that are traced count one by one
    check(lambda t: np.gradient(X, t, axis=1, edge_order=edge_order), np.arange(5.0), exact=False)
    with pytest.raises(ValueError, match="too small"):
        wg.vjp(lambda x: np.gradient(x, edge_order=edge_order), np.ones(edge_order))


def test_trapezoid():
    check(np.trapezoid, X)
    check(lambda y, x: np.trapezoid(y, x), X, T)
    check(lambda y, x: np.trapezoid(y, x, axis=0), X, X ** 2)
    check(lambda d: np.trapezoid(X, dx=d, axis=0), np.asarray(0.3))


def test_interpolation():
    points, values = RNG.uniform(-3, 3, 30), RNG.normal(size=5)
    check(np.interp, points, T, values, step=1e-5, tolerance=1e-6)
    check(lambda x, xp, fp: np.interp(x, xp, fp, left=-7.0, right=fp[0] * 2), points, T, values, step=1e-5,
          tolerance=1e-6)
    check(lambda x, xp, fp: np.interp(x, xp, fp, period=2.5), points, 0.7 * T, values, step=1e-5, tolerance=1e-6)
    check(lambda x: np.interp(x, T, values), np.asarray(0.3))
    check(lambda x, xp, fp: np.interp(x, xp, fp), np.asarray(0.3), T[:1], values[:1])
    same(lambda x: np.interp(x, T, values + 1j * values[::-1]), points)
    same(np.interp, np.concatenate([T, [np.nan, np.inf, -np.inf]]), T, values)
    same(np.interp, np.concatenate([T, points]), T, np.array([1, np.inf, 2, np.inf, np.inf]))
    same(np.interp, *[a.astype(np.float32) for a in (points, T, values)])
    slopes = np.diff(values) / np.diff(T)
    at_knots = wg.grad(lambda x: np.sum(np.interp(x, T, values)))(T)
    np.testing.assert_allclose(at_knots, [*slopes, slopes[-1]], rtol=1e-14)
    assert np.array_equal(wg.vmap(lambda x: np.interp(x, T, values))(points), np.interp(points, T, values))


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("f", [np.convolve, np.correlate])
def test_convolution(f, mode):
    for n, m in ((7, 3), (3, 7), (4, 4), (1, 4), (6, 2), (5, 1)):
        for factor in (0.0, 1j):
            a, v = [RNG.normal(size=k) + factor * RNG.normal(size=k) for k in (n, m)]
            a, v = (a, v) if factor else (a.real, v.real)
            check(lambda a, v: f(a, v, mode), a, v)
    for size in (40, 11, 12):
        same(lambda a, v: f(a, v, mode), RNG.normal(size=40), RNG.normal(size=size))
        same(lambda a, v: f(a, v, mode), *[RNG.normal(size=k).astype(np.float32) for k in (size, 40)])
    same(lambda a: f(a, [1, 2], mode), P)
    with pytest.raises(ValueError, match="empty"):
        wg.vjp(lambda a: f(a, a[:0], mode), P)


def test_polynomials():
    check(np.polyval, P, X)
    check(np.polyval, P, np.asarray(0.3))
    same(lambda x: np.polyval([1, 2, 3], x), X.astype(np.float32))
    for m in (0, 1, 2, 3):
        check(lambda p: np.polyder(p, m), P)
        check(lambda p: np.polyint(p, m), P)
        check(lambda p: np.polyint(p, m, [1.0, 2.0, 3.0]), P)
    check(lambda k: np.polyint(P, 2, k), np.array([1.0, 2.0]), exact=False)
    for f in (np.polyadd, np.polysub, np.polymul):
        check(f, P, Q)
        check(f, Q, P)
    check(lambda p: np.polymul(p, [0.0, 1.0, 2.0]), P)
    check(np.poly, P)
    check(lambda p: np.poly(p + 0j), P)
    check(lambda p: np.poly([p[0] + 1j * p[1], p[0] - 1j * p[1]]), P)


@pytest.mark.parametrize("keywords", [
    {}, {"rowvar": False}, {"bias": True}, {"ddof": 0}, {"aweights": W[:5]}, {"fweights": np.array([1, 2, 1, 3, 1])},
    {"aweights": W[:5], "fweights": np.array([1, 2, 1, 3, 1]), "ddof": 2}], ids=str)
def test_covariance(keywords):
    for a in (X, X + 1j * X[::-1] ** 2):
        a = a[:, :4] if "rowvar" in keywords else a
        check(lambda a: np.cov(a, **keywords), a)


def test_covariance_of_two_and_correlation():
    check(np.cov, X, X[0])
    check(np.cov, X[0])
    check(lambda w: np.cov(X, aweights=w), W[:5], exact=False)
    check(lambda w: np.cov(X, aweights=w, ddof=2), W[:5], exact=False)
    for a in (X, X + 1j * X[::-1] ** 2):
        check(np.corrcoef, a)
        check(np.corrcoef, a[0], a[1])
    same(lambda x: np.corrcoef(x[0]), X)
    lanes = np.stack([X, X[::-1] ** 2])
    for f in (np.cov, np.corrcoef):
        np.testing.assert_allclose(wg.vmap(f)(lanes), [f(lane) for lane in lanes], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("bins", [4, [-2.0, -1, 0.5, 3], np.array([-1.0, 0, 1])], ids=str)
@pytest.mark.parametrize("density", [None, True])
def test_histogram(bins, density):
    x = RNG.normal(size=7)
    same(lambda x: np.histogram(x, bins, density=density), x)
    check(lambda w: np.histogram(x, bins, density=density, weights=w)[0] * w[0], W)
    same(lambda w: np.histogram(x, bins, weights=w), W.astype(np.float32))
    same(lambda x: np.histogram(x, bins, weights=np.arange(7)), x)
    same(lambda x: np.histogram(x, bins, range=(0, 1), weights=W), x)


def test_edges_of_a_histogram():
    x = RNG.normal(size=7)
    check(lambda x: np.histogram(x, 4, density=True)[0], x, step=1e-4)
    check(lambda x: np.histogram(x, 4)[1], x)
    check(lambda b: np.histogram(x, b, density=True)[0], np.array([-2.0, -0.1, 1.3, 3.0]), step=1e-5, tolerance=1e-6)
    with pytest.raises(UnsupportedError, match="number of bins"):
        wg.vjp(lambda x: np.histogram(x, "auto")[0], x)


def test_counting():
    check(lambda w: np.bincount([1, 0, 3, 1, 1, 0, 5], w, 8), W)
    same(lambda x: np.bincount(np.abs(x).astype(int)), P)
    same(lambda x: np.digitize(x, [-1, 0.0, 1]), X)
    same(lambda x: np.digitize(x, [2.0, 0.0, -1.0], right=True), X)
    same(lambda t: np.digitize(0.3, t), T)
    found = wg.vmap(lambda x: np.digitize(x, [-1.0, 0.0, 1.0]))(X)
    assert np.array_equal(found, np.digitize(X, [-1.0, 0.0, 1.0]))
