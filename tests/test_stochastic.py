"""Estimators against dense matrices: unbiased by enumeration or on average, errors of the stated size and order."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

import wengert as wg
from wengert.errors import InputError
from wengert.stochastic import operators
from wengert.stochastic.trace import METHODS, _left_out

RNG = np.random.default_rng(7)
BASIS = np.linalg.qr(RNG.normal(size=(120, 120)))[0]
GENERAL = RNG.normal(size=(5, 5))


def symmetric(eigenvalues):
    return (BASIS * eigenvalues) @ BASIS.T


def every_sign(n):
    return np.array(list(itertools.product([1.0, -1.0], repeat=n))).T


@pytest.fixture
def enumerated(monkeypatch):
    """Draw, in the place of random signs, the sign vectors of R⁵ in turn."""
    signs = every_sign(5)

    class Turn:
        at = 0

        def __call__(self, rng, n, count):
            out = signs[:, self.at:self.at + count]
            self.at += count
            return out
    monkeypatch.setitem(operators.PROBES, "rademacher", Turn())
    return signs.shape[1]


def test_hutchinson_over_all_sign_vectors_is_exact(enumerated):
    e = wg.stochastic.trace(GENERAL, seed=0, tolerance=0, max_products=enumerated)
    assert e.products == 32 and not e.converged
    assert e.value == pytest.approx(np.trace(GENERAL), rel=1e-13)
    # the variance of vᵀ A v for signs is 2 Σ_(i≠j) s_ij², s the symmetric part
    s = (GENERAL + GENERAL.T) / 2
    variance = 2 * (np.sum(s ** 2) - np.sum(np.diag(s) ** 2))
    assert e.standard_error == pytest.approx(np.sqrt(variance / 31), rel=1e-12)


def test_the_diagonal_over_all_sign_vectors_is_exact(enumerated):
    e = wg.stochastic.diagonal(GENERAL, seed=0, tolerance=0, max_products=enumerated)
    np.testing.assert_allclose(e.value, np.diag(GENERAL), atol=1e-14)
    variance = np.sum(GENERAL ** 2, axis=1) - np.diag(GENERAL) ** 2
    np.testing.assert_allclose(e.standard_error, np.sqrt(variance / 31), rtol=1e-12)


@pytest.mark.parametrize("probes", operators.PROBES)
@pytest.mark.parametrize("method", METHODS)
def test_estimates_are_unbiased_and_their_errors_honest(method, probes):
    """Over 100 seeds: the mean within four of its errors, the scatter not above what was said of it."""
    a = symmetric(1.0 / np.arange(1, 121)) + 0.05 * RNG.normal(size=(120, 120))
    found = [wg.stochastic.trace(a, seed=s, method=method, probes=probes, tolerance=0, max_products=30) for s in range(100)]
    off = np.array([e.value for e in found]) - np.trace(a)
    said = np.sqrt(np.mean([e.standard_error ** 2 for e in found]))
    assert abs(np.mean(off)) < 4 * np.std(off) / 10
    assert np.std(off) < 1.4 * said  # a standard deviation of 100 samples is known to 7 percent, `said` to as much
    assert said < (6 if method == "xtrace" else 1.4) * np.std(off)
    assert {e.products for e in found} == {30}


def test_the_order_of_the_error():
    """From 30 to 240 products: 1/√8 for Hutchinson; 1/8 or better for the others, on a spectrum of k⁻²."""
    a = symmetric(1.0 / np.arange(1, 121) ** 2)

    def scatter(method, products):
        return np.sqrt(np.mean([(wg.stochastic.trace(a, seed=s, method=method, tolerance=0, max_products=products).value
                                 - np.trace(a)) ** 2 for s in range(30)]))
    falls = {method: scatter(method, 30) / scatter(method, 120) for method in METHODS}
    assert 1.3 < falls["hutchinson"] < 3.2
    assert falls["hutch++"] > 4 and falls["xtrace"] > 4
    assert scatter("xtrace", 60) < scatter("hutch++", 60) < scatter("hutchinson", 60) / 10


def test_xtrace_and_its_jackknife_are_what_their_definitions_say():
    """Each sketch left out in turn, and each pair, by a new factorization."""
    n, k = 12, 5
    a, omega = RNG.normal(size=(n, n)), RNG.normal(size=(n, k))

    def by_definition(chosen):
        out = []
        for i in chosen:
            q = np.linalg.qr(a @ omega[:, [j for j in chosen if j != i]])[0]
            left = omega[:, i] - q @ (q.T @ omega[:, i])
            out.append(np.trace(q.T @ a @ q) + left @ a @ left)
        return np.mean(out)
    q = np.linalg.qr(a @ omega)[0]
    value, error = _left_out(omega, a @ omega, q, a @ q, q.T @ a @ q)
    without = np.array([by_definition([j for j in range(k) if j != i]) for i in range(k)])
    assert value == pytest.approx(by_definition(range(k)), rel=1e-10)
    assert error == pytest.approx(np.sqrt(np.sum((without - without.mean()) ** 2)), rel=1e-10)


@pytest.mark.parametrize("method", ["hutch++", "xtrace"])
def test_a_matrix_of_low_rank_is_exact(method):
    a = symmetric(np.r_[np.arange(1.0, 6.0), np.zeros(115)])
    e = wg.stochastic.trace(a, seed=0, method=method)
    assert e.value == pytest.approx(15.0, rel=1e-12) and e.converged and e.products <= 30


def test_few_dimensions_where_signs_depend_on_each_other():
    for seed in range(20):
        assert wg.stochastic.trace(np.eye(3), seed=seed, method="xtrace").value == pytest.approx(3.0, rel=1e-12)


def test_it_stops_at_the_tolerance():
    a = symmetric(np.linspace(1.0, 2.0, 120))
    e = wg.stochastic.trace(a, seed=3, tolerance=5e-3)
    assert e.converged and e.standard_error <= 5e-3 * e.value and 10 <= e.products < 1000
    assert abs(e.value - 180.0) < 4 * e.standard_error
    assert wg.stochastic.trace(np.diag([1.0, 2.0]), seed=0).products == 10


def test_every_kind_of_matrix():
    a = np.diag(np.arange(1.0, 8.0))
    for given in (a, scipy.sparse.csr_array(a), scipy.sparse.linalg.aslinearoperator(a)):
        assert wg.stochastic.trace(given, seed=0).value == 28.0
    assert wg.stochastic.trace(lambda v: a @ v, size=7, seed=np.random.default_rng(0)).value == 28.0


SPD = symmetric(np.linspace(0.5, 4.0, 120))


def test_lanczos_quadrature_is_exact_for_polynomials():
    """Four steps are exact for degree 7 and not for 8, against the same probes' own quadratic forms."""
    v = 2.0 * np.random.default_rng(5).integers(0, 2, (120, 10)) - 1.0
    for degree, exact in ((7, True), (8, False)):
        e = wg.stochastic.trace_of_function(SPD, lambda x, d=degree: x ** d, seed=5, steps=4, tolerance=1.0)
        forms = np.mean(np.sum(v * (np.linalg.matrix_power(SPD, degree) @ v), axis=0))
        assert e.products == 40
        assert (abs(e.value / forms - 1) < 1e-12) == exact


def test_the_log_determinant():
    e = wg.stochastic.log_determinant(SPD, seed=1, steps=30)
    exact = np.linalg.slogdet(SPD)[1]
    assert abs(e.value - exact) < 4 * e.standard_error and e.converged
    assert e.quadrature_error < 1e-3 * e.standard_error
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        wg.stochastic.log_determinant(SPD - 2.0 * np.eye(120), seed=1)
    with pytest.raises(InputError, match="not symmetric"):
        wg.stochastic.log_determinant(SPD + np.triu(0.1 * BASIS), seed=1)


def test_an_invariant_subspace_ends_lanczos():
    """Two different eigenvalues: two steps, whatever was asked for; by signs the trace is exact."""
    e = wg.stochastic.trace_of_function(np.diag(np.repeat([1.0, 2.0], 10)), np.exp, seed=0)
    assert e.value == pytest.approx(10 * np.exp(1) + 10 * np.exp(2), rel=1e-13)
    assert e.products == 20


def test_the_spectral_density():
    """All steps of Lanczos find all eigenvalues; the density is theirs, smoothed, on average."""
    values = np.linspace(0.5, 4.0, 120)
    d = wg.stochastic.spectral_density(SPD, seed=0, steps=60, count=200, width=0.2)
    kernel = np.exp(-0.5 * ((d.points[:, None] - values) / 0.2) ** 2) / (0.2 * np.sqrt(2 * np.pi))
    off = d.density - kernel.mean(axis=1)
    assert np.mean(np.abs(off) < 3 * d.standard_error + 1e-6) > 0.95
    assert np.trapezoid(d.density, d.points) == pytest.approx(1.0, abs=1e-3)
    assert np.sum(d.weights) == pytest.approx(1.0, rel=1e-12) and d.products == 60 * 200
    assert d.nodes.min() == pytest.approx(0.5, abs=0.01) and d.nodes.max() == pytest.approx(4.0, abs=0.01)


def test_the_hessian_as_an_operator():
    rng = np.random.default_rng(2)
    p = {"w": rng.normal(size=(2, 3)), "b": np.float64(0.5)}

    def f(p):
        return np.sum(np.tanh(p["w"] * p["b"]) ** 2)

    def flat(z):
        return f({"b": z[0], "w": z[1:].reshape(2, 3)})
    h = wg.stochastic.hessian_operator(f, p)
    expected = wg.hessian(flat)(np.concatenate([[p["b"]], p["w"].ravel()]))
    np.testing.assert_allclose(h @ np.eye(7), expected, atol=1e-14)
    np.testing.assert_allclose([h @ e for e in np.eye(7)], expected, atol=1e-14)
    single = wg.stochastic.hessian_operator(lambda x: np.sum(x ** 3), np.ones(2, np.float32))
    assert (h.dtype, single.dtype, (single @ np.ones(2)).dtype) == ("f8", "f4", "f4")
    top = scipy.sparse.linalg.eigsh(h, k=1, which="LA", v0=np.ones(7), return_eigenvectors=False)
    np.testing.assert_allclose(top, np.linalg.eigvalsh(expected)[-1:], rtol=1e-10)
    two = wg.stochastic.hessian_operator(lambda x, y: x * y, (2.0, 3.0))
    np.testing.assert_array_equal(two @ np.eye(2), [[0, 1], [1, 0]])


def test_refusals():
    trace = wg.stochastic.trace
    with pytest.raises(InputError, match="square matrix"):
        trace(np.ones((2, 3)), seed=0)
    with pytest.raises(InputError, match="size="):
        trace(lambda v: v, seed=0)
    with pytest.raises(InputError, match="method="):
        trace(np.eye(2), seed=0, method="exact")
    with pytest.raises(InputError, match="probes="):
        trace(np.eye(2), seed=0, probes="uniform")
    with pytest.raises(InputError, match="6 products"):
        trace(np.eye(2), seed=0, method="hutch++", max_products=5)
    with pytest.raises(InputError, match="complex128"):
        trace(1j * np.eye(2), seed=0)
    with pytest.raises(InputError, match="products have shape"):
        trace(lambda v: v[:1], size=2, seed=0)
    with pytest.raises(InputError, match="max_products=10"):
        wg.stochastic.log_determinant(np.eye(60), seed=0, max_products=10)
    with pytest.raises(InputError, match="an int"):
        wg.stochastic.hessian_operator(lambda p: p["x"], {"x": 1})
    with pytest.raises(TypeError, match="seed"):
        trace(np.eye(2))


# ---------------------------------------------------------------- propagation


def test_linear_and_quadratic_functions_are_exact():
    """x ~ N(μ, Σ): E xᵀAx = μᵀAμ + tr(AΣ), cov(xᵀAx, xᵀBx) = 4 μᵀAΣBμ + 2 tr(AΣBΣ) for symmetric A, B (Searle 1971)."""
    rng = np.random.default_rng(3)
    mu, root = rng.normal(size=3), rng.normal(size=(3, 3))
    sigma, m = root @ root.T, rng.normal(size=(2, 3))
    r = wg.propagate(lambda x: m @ x + 1.0, mu, sigma)
    np.testing.assert_allclose(r.mean, m @ mu + 1)
    np.testing.assert_allclose(r.cov, m @ sigma @ m.T)
    np.testing.assert_allclose(r.std, np.sqrt(np.diag(m @ sigma @ m.T)))
    forms = [g + g.T for g in rng.normal(size=(2, 3, 3))]
    r = wg.propagate(lambda x: np.array([x @ a @ x for a in forms]), mu, sigma, second_order=True)
    np.testing.assert_allclose(r.mean, [mu @ a @ mu + np.trace(a @ sigma) for a in forms])
    np.testing.assert_allclose(r.cov, [[4 * mu @ a @ sigma @ b @ mu + 2 * np.trace(a @ sigma @ b @ sigma) for b in forms]
                                       for a in forms])
    np.testing.assert_allclose(r.bias, [np.trace(a @ sigma) for a in forms])


def test_propagation_agrees_with_monte_carlo():
    """A product and a quotient of correlated inputs with errors of 2 percent: what is left is of fourth order in them."""
    cov = np.array([[1.0, 0.6], [0.6, 1.0]]) * 0.02 ** 2

    def f(x):
        return np.array([x[0] * np.exp(x[1]), x[0] / x[1]])
    r = wg.propagate(f, np.ones(2), cov, second_order=True)
    draws = f(np.random.default_rng(0).multivariate_normal(np.ones(2), cov, 400_000).T)
    for i in range(2):
        error = np.std(draws[i]) / np.sqrt(draws.shape[1])
        assert abs(np.mean(draws[i]) - r.mean[i]) < 4 * error + 10 * 0.02 ** 4
    # the relative error of a sample covariance of n draws is about √(2/n)
    np.testing.assert_allclose(np.cov(draws), r.cov, atol=4 * np.max(r.cov) * np.sqrt(2 / 400_000) + 50 * 0.02 ** 4)


def test_propagation_of_trees():
    """Numbers in the tree's order, dicts by key: i, then u[0], u[1]."""
    point = {"u": np.array([5.0, 6.0]), "i": 2.0}
    r = wg.propagate(lambda p: {"r": p["u"] / p["i"], "i": p["i"]}, point, np.diag([0.01, 1.0, 4.0]))
    np.testing.assert_allclose(r.mean["r"], [2.5, 3.0])
    np.testing.assert_allclose(r.std["r"] ** 2, [1 / 4 + 0.01 * (5 / 4) ** 2, 4 / 4 + 0.01 * (6 / 4) ** 2])
    np.testing.assert_allclose(r.cov[0], [0.01, -0.01 * 5 / 4, -0.01 * 6 / 4])
    assert r.std["i"] == pytest.approx(0.1) and isinstance(r.mean["i"], np.float64)


def test_propagation_refuses_what_is_no_covariance():
    for cov, message in ((np.eye(3), r"2 numbers, so it is 2 × 2"), (np.array([[1.0, 0.5], [0.0, 1.0]]), "not symmetric"),
                         (np.array([[1.0, 2.0], [2.0, 1.0]]), "not positive semidefinite")):
        with pytest.raises(InputError, match=message):
            wg.propagate(lambda x: x, np.ones(2), cov)
    with pytest.raises(InputError, match="an int"):
        wg.propagate(lambda x: x * 1.0, 1, 1.0)
