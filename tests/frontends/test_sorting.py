"""Sorting, searching, unique elements and sets of NumPy."""

import numpy as np
import pytest
from against_numpy import check, same

import wengert as wg

X = np.random.default_rng(0).normal(size=(4, 5))
TIES = np.array([3.0, 1.0, 2.0, 1.0, -5.0, 3.0])


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_sorts(axis):
    for kind in (None, "stable", "heapsort"):
        check(lambda x: np.sort(x, axis, kind=kind), X)
        same(lambda x: np.argsort(x, axis, kind=kind), X)
    same(lambda x: np.sort(x, axis, stable=True), X.astype(np.float32))
    for kth in (1, -2, (0, 2)):
        check(lambda x: np.partition(x, kth, axis), X)
        same(lambda x: np.argpartition(x, kth, axis), X)
    same(lambda x: np.sort(x > 0, axis), X)


def test_methods():
    def f(x):
        y = x.copy()
        y.sort(axis=0)
        z = x.copy()
        z.partition(2, axis=1)
        return y * z + x.argsort(axis=0) + x.argpartition(1, axis=1) + x[:, 0].searchsorted(0.0)
    check(f, X)


def test_batches():
    lanes = np.stack([X, -X, X ** 2])
    for f in (lambda x: np.sort(x, axis=0), np.argsort, lambda x: np.partition(x, 2), lambda x: np.argpartition(x, 2),
              lambda x: np.searchsorted(np.sort(x[0]), x), lambda x: np.searchsorted([-1.0, 0.0, 1.0], x)):
        assert np.array_equal(wg.vmap(f)(lanes), [f(lane) for lane in lanes])


def test_other_orders():
    same(lambda x: np.lexsort((x[0], x[1] > 0)), X)
    same(np.sort_complex, X)
    same(np.sort_complex, X + 1j * X[::-1])
    same(lambda x: np.argsort(x), np.asarray(3.0))
    with pytest.raises(np.exceptions.AxisError):
        wg.vjp(np.sort, np.asarray(3.0))


def test_search():
    edges = np.sort(X[0])
    for side in ("left", "right"):
        same(lambda x: np.searchsorted(edges, x, side), X)
        same(lambda x: np.searchsorted(x, [0.1, 0.3], side, sorter=np.argsort(x)), X[1])
        same(lambda x: np.searchsorted(x, 0.3), edges)


def test_unique():
    for keywords in ({}, {"return_index": True, "return_inverse": True, "return_counts": True}, {"equal_nan": False}):
        same(lambda x: np.unique(x, **keywords), TIES)
    same(lambda x: np.unique(x, axis=0, return_counts=True), np.stack([TIES, TIES, -TIES]))
    same(np.unique, np.array([np.nan, 1.0, np.nan]))
    assert np.array_equal(wg.jacobian(np.unique)(TIES), np.eye(6)[[4, 1, 2, 0]])
    check(lambda x: np.unique(x) ** 2, X)
    for name in ("unique_all", "unique_inverse", "unique_counts", "unique_values"):
        same(getattr(np, name), TIES)
    assert wg.vjp(np.unique_counts, TIES)[0].counts.tolist() == [1, 2, 1, 2]


def test_sets():
    other = np.array([2.0, 7.0, 3.0])
    for f in (np.union1d, np.intersect1d, np.setdiff1d, np.setxor1d):
        same(lambda x: f(x, other), TIES)
        same(lambda x: f(other, x), TIES)
    same(lambda x: np.isin(x, other, invert=True), TIES)
    same(lambda x: np.intersect1d(x, other, return_indices=True), TIES)
    check(lambda x: np.setdiff1d(x, other) ** 2, X)
