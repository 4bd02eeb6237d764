"""Distances of pairs by SciPy's names: values of SciPy's, derivatives by differences, also where vectors coincide."""

import numpy as np
import pytest
import scipy.spatial
import scipy.spatial.distance as d
from by_name import check

import wengert as wg
from wengert.errors import UnsupportedError

RNG = np.random.default_rng(2)
A, B = RNG.uniform(0.1, 1.0, (5, 3)), RNG.uniform(0.1, 1.0, (2, 3))
W = np.array([0.5, 2.0, 1.0])
COMMON = ("euclidean", "sqeuclidean", "cityblock", "chebyshev", "cosine", "correlation", "canberra", "braycurtis", "seuclidean",
          "mahalanobis", "jensenshannon")


@pytest.mark.parametrize("metric", COMMON)
def test_all_pairs(metric):
    check(lambda a, b: d.cdist(a, b, metric), A, B, jit=True)
    check(lambda a: d.pdist(a, metric), A, jit=True)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cityblock", "cosine", "correlation", "canberra", "braycurtis"])
def test_weights(metric):
    check(lambda a, w: d.cdist(a, B, metric, w=w), A, W, jit=True)
    check(lambda u, w: getattr(d, metric)(u, B[0], w), A[0], W, jit=True)


def test_parameters():
    check(lambda a, p: d.cdist(a, B, "minkowski", p=p, w=W), A, 2.7, jit=True)
    check(lambda a: d.cdist(a, B, "pnorm", p=3, w=W), A, jit=True)
    check(lambda a: d.cdist(a, B, "minkowski", p=np.inf), A, jit=True)
    check(lambda a, v: d.pdist(a, "seuclidean", V=v), A, W, jit=True)
    check(lambda a, m: d.cdist(a, B, "mahalanobis", VI=m @ m.T), A, A[:3] + np.eye(3), jit=True)
    check(lambda a: d.cdist(a, B, d.cityblock), A, jit=True)
    check(lambda a: d.cdist(a, B, lambda u, v: np.sum(u * v) ** 2), A, jit=True)
    check(lambda a: d.pdist(a, lambda u, v: np.sum(u * v) ** 2), A, jit=True)
    check(lambda a: scipy.spatial.distance_matrix(a, B, 3), A, jit=True)


@pytest.mark.parametrize("metric", ["euclidean", "cityblock", "chebyshev", "mahalanobis", "minkowski"])
def test_the_distance_of_a_point_to_itself_has_the_derivative_zero(metric):
    for words in ({"p": 3.5}, {}) if metric == "minkowski" else ({},):
        assert np.all(np.isfinite(wg.grad(lambda a: np.sum(d.cdist(a, a, metric, **words)))(A)))
        found = wg.grad(lambda a: np.sum(d.cdist(a, a, metric, VI=np.eye(3)) if metric == "mahalanobis" else d.cdist(
            a, a, metric, **words)))(A)
        pairs = wg.grad(lambda a: np.sum(d.pdist(a, metric, VI=np.eye(3)) if metric == "mahalanobis" else d.pdist(
            a, metric, **words)))(A)
        np.testing.assert_allclose(found, 2.0 * pairs, rtol=1e-12)


def test_between_pairs_and_matrix():
    check(lambda a: d.squareform(d.pdist(a)), A, jit=True)
    check(lambda a: d.squareform(d.cdist(a, a, "sqeuclidean")), A, jit=True)
    for wrong in (np.ones(4), np.ones((2, 2)), np.ones((2, 3)), np.array([[0.0, 1.0], [2.0, 0.0]])):
        with pytest.raises(ValueError):
            d.squareform(wrong)
        with pytest.raises(ValueError):
            wg.grad(lambda x: np.sum(d.squareform(x)))(wrong)


def test_what_is_refused():
    with pytest.raises(UnsupportedError, match="'hamming' is not traced; there are .*cityblock"):
        wg.grad(lambda a: np.sum(d.cdist(a, B, "hamming")))(A)
    with pytest.raises(ValueError, match="same number of columns"):
        wg.grad(lambda a: np.sum(d.cdist(a, B[:, :2])))(A)
    with pytest.raises(ValueError, match="non-negative"):
        wg.grad(lambda a: np.sum(d.cdist(a, B, w=-W)))(A)
