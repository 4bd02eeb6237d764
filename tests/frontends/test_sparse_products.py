"""Products of SciPy's sparse matrices with traced vectors and matrices, against the same with dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import wengert as wg
from wengert.errors import ConversionError

RNG = np.random.default_rng(0)
DENSE = RNG.normal(size=(4, 3)) * (RNG.random((4, 3)) < 0.6)
X, Y = RNG.normal(size=3), RNG.normal(size=4)


def same(f, g, x):
    """The same value and derivatives, with and without `jit`."""
    np.testing.assert_allclose(wg.jit(f)(x), g(x), rtol=1e-13, atol=1e-15)
    for way in (wg.jacrev, wg.jacfwd, lambda f: wg.jit(wg.jacobian(f))):
        np.testing.assert_allclose(way(f)(x), wg.jacobian(g)(x), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_array, sp.dia_array, sp.csr_matrix])
def test_from_either_side(kind):
    a = kind(DENSE)
    same(lambda x: a @ (x * x), lambda x: DENSE @ (x * x), X)
    same(lambda x: a.dot(x), lambda x: DENSE @ x, X)
    same(lambda x: a.T @ x, lambda x: DENSE.T @ x, Y)
    same(lambda x: x @ a, lambda x: x @ DENSE, Y)
    same(lambda x: a @ np.outer(x, Y), lambda x: DENSE @ np.outer(x, Y), X)
    same(lambda x: np.outer(x, Y) @ a, lambda x: np.outer(x, Y) @ DENSE, X)


def test_the_star_of_a_sparse_matrix_is_a_product():
    a = sp.csr_matrix(DENSE)
    same(lambda x: a * x, lambda x: DENSE @ x, X)


def test_dtypes_patterns_and_second_derivatives():
    whole = sp.csr_array(np.arange(9).reshape(3, 3))
    same(lambda x: whole @ x, lambda x: whole.toarray() @ x, X)
    single = wg.jacobian(lambda x: sp.csr_array(DENSE.astype(np.float32)) @ x)(X.astype(np.float32))
    assert single.dtype == np.float32
    assert wg.jacobian(lambda x: sp.csr_array(DENSE) @ (x * x), sparsity="detect")(X).nnz == np.count_nonzero(DENSE)
    found = wg.hessian(lambda x: np.sum((whole @ x) ** 3))(X)
    np.testing.assert_allclose(found, 6.0 * whole.toarray().T * (whole @ X) @ whole.toarray(), rtol=1e-12)


def test_of_one_dimension():
    a = sp.coo_array(np.array([1.0, 0.0, 2.0, 3.0]))
    same(lambda x: a @ x, lambda x: a.toarray() @ x, Y)
    same(lambda x: x @ a, lambda x: x @ a.toarray(), Y)
    same(lambda x: a @ np.outer(x, X), lambda x: a.toarray() @ np.outer(x, X), Y)
    same(lambda x: np.outer(X, x) @ a, lambda x: np.outer(X, x) @ a.toarray(), Y)


@pytest.mark.parametrize("f", [lambda a, x: (a * x) @ X, lambda a, x: (x * a) @ X])
def test_a_sparse_matrix_of_traced_values_is_refused(f):
    for kind in (sp.csr_matrix, sp.csr_array):
        with pytest.raises(ConversionError):
            wg.jacobian(lambda x: f(kind(DENSE), x[0]))(X)
    with pytest.raises(ConversionError):
        wg.jacobian(lambda x: x * sp.csr_array(DENSE))(X)


def test_a_matrix_that_changes_is_seen():
    a = sp.csr_array(DENSE)
    f = wg.jit(lambda x: a @ x)
    np.testing.assert_allclose(f(X), DENSE @ X)
    a.data *= 2.0
    np.testing.assert_allclose(f(X), 2.0 * DENSE @ X)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"shape \(4, 3\) times an array of shape \(4,\)"):
        wg.jacobian(lambda x: sp.csr_array(DENSE) @ x)(Y)
    with pytest.raises(ValueError, match="dimension mismatch"):
        wg.jacobian(lambda x: x @ sp.csr_array(DENSE))(X)
