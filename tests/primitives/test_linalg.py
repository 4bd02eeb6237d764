"""Linear algebra beyond the general laws: one factorization, repeated and vanishing values, gauges, singular matrices."""

import numpy as np
import pytest
import scipy.linalg as sl

import wengert as wg
from wengert.errors import NonDifferentiableError
from wengert.primitives import solve as systems

Refused = wg.errors.NonDifferentiableError
RNG = np.random.default_rng(0)
W = RNG.normal(size=(4, 4))
S = W + W.T


def rotated(values, seed=1, c=False):
    """A Hermitian matrix with these eigenvalues."""
    rng = np.random.default_rng(seed)
    n = len(values)
    q = np.linalg.qr(rng.normal(size=(n, n)) + (1j * rng.normal(size=(n, n)) if c else 0.0))[0]
    a = (q * np.asarray(values, float)) @ q.conj().T
    return (a + a.conj().T) / 2


def gradient_by_differences(f, x, h=1e-4):
    out = np.zeros_like(x)
    for k in np.ndindex(*x.shape):
        for unit in (1.0, 1j) if x.dtype.kind == "c" else (1.0,):
            e = np.zeros_like(x)
            e[k] = unit * h
            out[k] += unit * (8 * (f(x + e) - f(x - e)) - (f(x + 2 * e) - f(x - 2 * e))) / (12 * h)
    return out


def agrees(f, x, tol=1e-7):
    np.testing.assert_allclose(wg.grad(f)(x), gradient_by_differences(f, x), atol=tol)


def symmetric(a):
    return (a + a.conj().T) / 2


# ---------------------------------------------------------------- one factorization


@pytest.mark.parametrize("transform", ["grad", "jvp", "both"])
def test_a_gradient_factors_once(monkeypatch, transform):
    calls = []
    original = systems._factor_one
    monkeypatch.setattr(systems, "_factor_one", lambda a: calls.append(a) or original(a))
    a, b = W + 5.0 * np.eye(4), W[0]
    f = lambda a: np.sum(np.linalg.solve(a, b) ** 2)
    if transform == "grad":
        wg.grad(f)(a)
    elif transform == "jvp":
        wg.jvp(f, (a,), (a,))
    else:
        wg.hessian(f)(a)
    assert len(calls) == (2 if transform == "both" else 1)  # nested: the function runs at both levels


def test_solve_to_third_order():
    f = lambda t: np.sum(np.linalg.solve(np.eye(4) * 5.0 + t * W, W[0]))
    third = wg.grad(wg.grad(wg.grad(f)))(0.3)
    second = wg.grad(wg.grad(f))
    assert third == pytest.approx((second(0.3 + 1e-4) - second(0.3 - 1e-4)) / 2e-4, rel=1e-6)


# ---------------------------------------------------------------- determinants of singular matrices


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("c", [False, True])
def test_det_of_any_rank(rank, c):
    """First and second derivatives are sums of minors, which exist whatever the rank."""
    rng = np.random.default_rng(rank)
    draw = lambda *s: rng.normal(size=s) + (1j * rng.normal(size=s) if c else 0.0)
    a, e = draw(4, rank) @ draw(rank, 4), draw(4, 4)
    line = lambda t: np.linalg.det(a + t * e)
    h = 0.5  # a polynomial of degree 4 on a line: differences of order 4 are exact
    p = np.polyfit(h * np.arange(-2, 3), [line(h * k) for k in range(-2, 3)], 4)
    first = lambda x: wg.jvp(np.linalg.det, (x,), (e,))[1]
    assert first(a) == pytest.approx(p[3], abs=1e-10)
    assert wg.jvp(first, (a,), (e,))[1] == pytest.approx(2 * p[2], abs=1e-9)


def test_third_derivative_of_det():
    a = W + 3.0 * np.eye(4)
    p = np.polyfit(np.arange(-2, 3), [np.linalg.det(a + k * S) for k in range(-2, 3)], 4)
    f = lambda t: np.linalg.det(a + t * S)
    assert wg.grad(wg.grad(wg.grad(f)))(0.0) == pytest.approx(6 * p[1], rel=1e-9)
    assert wg.grad(wg.grad(wg.grad(lambda t: np.linalg.det(t * S))))(0.0) == 0.0


def test_slogdet_of_a_singular_matrix_in_the_arm_not_taken():
    f = lambda a: np.where(np.linalg.det(a) != 0.0, np.linalg.slogdet(a)[1], np.sum(a))
    assert np.array_equal(wg.grad(f)(np.zeros((2, 2))), np.ones((2, 2)))


# ---------------------------------------------------------------- repeated eigenvalues

REPEATED = [np.eye(4), rotated([1, 1, 2, 3]), rotated([1, 1, 1, 4]), rotated([2, 2, 5, 5]), np.diag([1.0, 2.0, 2.0, 3.0])]
by_matrix = pytest.mark.parametrize("a", REPEATED, ids=["eye", "1123", "1114", "2255", "diagonal"])


@by_matrix
def test_symmetric_functions_of_repeated_eigenvalues(a):
    agrees(lambda x: np.sum(np.exp(np.linalg.eigvalsh(symmetric(x)))), a)
    agrees(lambda x: np.sum(np.linalg.eigh(symmetric(x))[0] ** 3), a)
    agrees(lambda x: np.sum(np.linalg.svdvals(x) ** 4), a, 1e-6)
    agrees(lambda x: np.sum(np.linalg.eigvals(x).real ** 2), a, 1e-6)
    agrees(lambda x: np.linalg.norm(x, "nuc"), a)


@pytest.mark.parametrize("c", [False, True])
def test_the_whole_subspace_of_a_repeated_eigenvalue(c):
    """A projection onto all vectors of a repeated eigenvalue does not see their choice."""

    def loss(x):
        v = np.linalg.eigh(symmetric(x))[1][:, :2]
        return np.sum((v @ v.conj().T * S).real)

    agrees(loss, rotated([1, 1, 2, 3], c=c))


@pytest.mark.parametrize("c", [False, True])
def test_other_vectors_than_the_repeated_ones(c):
    def loss(x):
        w, v = np.linalg.eigh(symmetric(x))
        return w[-1] ** 2 + np.sum(np.abs(S @ v[:, -1]) ** 2)

    agrees(loss, rotated([1, 1, 2, 3], c=c), 1e-6)
    agrees(loss, np.diag([1.0, 1.0, 2.0, 3.0]) + (0j if c else 0.0), 1e-6)


def test_low_rank_singular_vectors():
    x = np.outer([1.0, 2.0, 3.0, 1.0], [1.0, -1.0, 2.0]) + np.outer([1.0, 0.0, 0.0, -1.0], [2.0, 0.0, -1.0])
    x = np.concatenate([x, x[:, :1]], 1)

    def loss(x):
        u, s, vh = np.linalg.svd(x)
        return np.sum(np.outer(u[:, 0], vh[0]) * W) + np.sum(s[:2] ** 2)

    agrees(loss, x, 1e-6)


UNDETERMINED = [
    lambda x: np.sum(np.linalg.eigh(symmetric(x))[1][:, 0] ** 2 * W[0]),  # one vector of two
    lambda x: np.sum(
        (np.linalg.eigh(symmetric(x))[1] * np.exp(np.linalg.eigh(symmetric(x))[0])) @ np.linalg.eigh(symmetric(x))[1].T * S
    ),  # a function of the matrix, by its eigenvectors
    lambda x: np.sum(np.linalg.eigh(symmetric(x))[1] * W),
    lambda x: np.linalg.eigh(symmetric(x))[1][:, 0] @ np.diag([1.0, 2.0, 3.0, 4.0]) @ np.linalg.eigh(symmetric(x))[1][:, 0],
    lambda x: np.sum(np.linalg.svd(x)[0] * W),
    lambda x: np.sum((np.linalg.svd(x)[0] * np.linalg.svd(x)[1] ** 2) @ np.linalg.svd(x)[2] * W),
]


@pytest.mark.parametrize("loss", UNDETERMINED)
@pytest.mark.parametrize("a", [np.eye(4), rotated([1, 1, 2, 3])], ids=["eye", "1123"])
def test_what_is_not_determined_is_refused(loss, a):
    with pytest.raises(Refused, match=r"repeated.*test_linalg.py:\d+"):
        wg.grad(loss)(a)
    with pytest.raises(Refused, match="forward mode"):
        wg.jvp(loss, (a,), (S,))


def test_reconstruction_from_zero_singular_values_is_refused():
    """U S Vh is x, but cotangents of the factors do not say so where two singular values vanish."""

    def loss(x):
        u, s, vh = np.linalg.svd(x, full_matrices=False)
        return np.sum((u * s) @ vh * W)

    agrees(loss, W + 0.0)
    agrees(loss, rotated([0, 1, 2, 3]))
    with pytest.raises(Refused):
        wg.grad(loss)(rotated([0, 0, 2, 3]))
    with pytest.raises(Refused):
        wg.grad(lambda x: np.sum((lambda u, s, vh: (u * s) @ vh)(*np.linalg.svd(x, full_matrices=False)) * W[:, :2]))(
            np.outer(W[0], [1.0, 2.0])
        )


@pytest.mark.parametrize("gap", [1e-3, 1e-5])
def test_close_eigenvalues_of_a_smooth_function(gap):
    """Values near each other, not equal: the derivative is that of the matrix function, to rounding over the gap."""
    a = rotated([1.0, 1.0 + gap, 2.0, 3.0])

    def loss(x):
        w, v = np.linalg.eigh(symmetric(x))
        return np.sum((v * np.exp(w)) @ v.T * S)

    np.testing.assert_allclose(wg.grad(loss)(a), wg.grad(lambda x: np.sum(sl.expm(x) * S))(a), atol=1e-13 / gap)


def test_defective_matrices_are_refused():
    for f in (lambda x: np.sum(np.linalg.eigvals(x)).real, lambda x: np.sum(np.linalg.eig(x)[1].real)):
        with pytest.raises(Refused, match="full set|repeated"):
            wg.grad(f)(np.array([[1.0, 1.0], [0.0, 1.0]]))


# ---------------------------------------------------------------- phases and complements


def test_phases_do_not_matter_to_moduli():
    """Block-diagonal Hermitian matrices: the row that LAPACK keeps real has zeros, and invariant losses do not care."""
    a = np.zeros((4, 4), complex)
    a[:2, :2], a[2:, 2:] = [[1.0, 1j], [-1j, 3.0]], [[5.0, 2.0 - 1j], [2.0 + 1j, 9.0]]
    agrees(lambda x: np.sum(np.abs(np.linalg.eigh(symmetric(x))[1]) ** 2 * W), a, 1e-6)
    with pytest.raises(Refused, match="phases"):
        wg.grad(lambda x: np.sum(np.linalg.eigh(symmetric(x))[1].imag * W))(a)


@pytest.mark.parametrize("c", [False, True])
def test_complements_by_projection(c):
    x = np.random.default_rng(3).normal(size=(4, 2)) + (1j * W[:, :2] if c else 0.0)

    def by_qr(x):
        q = np.linalg.qr(x, "complete")[0][:, 2:]
        return np.sum((q @ q.conj().T * S).real)

    def by_svd(x):
        u = np.linalg.svd(x)[0][:, 2:]
        return np.sum((u @ u.conj().T * S).real)

    for f in (by_qr, by_svd):
        agrees(f, x, 1e-6)
        with pytest.raises(Refused, match="full_matrices"):
            wg.jvp(f, (x,), (x,))
    with pytest.raises(Refused, match="arbitrary last columns"):
        wg.grad(lambda x: np.sum((np.linalg.svd(x)[0] * W).real))(x)


# ---------------------------------------------------------------- against other ways to the same thing


def test_expm_to_third_order():
    f = lambda t: np.sum(sl.expm(t * W))
    exact = np.sum(W @ W @ W @ sl.expm(0.4 * W))
    assert wg.grad(wg.grad(wg.grad(f)))(0.4) == pytest.approx(exact, rel=1e-10)


def test_frechet_against_scipys():
    np.testing.assert_allclose(wg.jvp(sl.expm, (W,), (S,))[1], sl.expm_frechet(W, S)[1], rtol=1e-11)
    np.testing.assert_allclose(wg.jvp(sl.expm, (W,), (1e-30 * S,))[1], 1e-30 * sl.expm_frechet(W, S)[1], rtol=1e-11)


def test_a_gaussian_likelihood():
    """Cholesky, triangular solves, slogdet: two ways to the same gradient and Hessian."""
    y = W[1]

    def covariance(p):
        return p[0] * np.exp(-np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0))) / p[1]) + 0.1 * np.eye(4)

    def first(p):
        c = sl.cho_factor(covariance(p), lower=True)
        return 0.5 * y @ sl.cho_solve(c, y) + np.sum(np.log(np.diag(c[0])))

    def second(p):
        return 0.5 * y @ np.linalg.solve(covariance(p), y) + 0.5 * np.linalg.slogdet(covariance(p))[1]

    p = np.array([1.3, 2.0])
    np.testing.assert_allclose(wg.grad(first)(p), wg.grad(second)(p), rtol=1e-11)
    np.testing.assert_allclose(wg.hessian(first)(p), wg.hessian(second)(p), rtol=1e-9)
    agrees(first, p)


def test_empty_matrices():
    x = np.zeros((0, 3, 3))
    for f in (
        np.linalg.inv,
        np.linalg.det,
        np.linalg.eigvalsh,
        np.linalg.svdvals,
        np.linalg.cholesky,
        np.linalg.pinv,
        lambda a: np.linalg.solve(a, np.zeros((0, 3, 1))),
    ):
        assert wg.jvp(f, (x,), (x,))[1].shape == f(x).shape
        assert wg.vjp(f, x)[1](f(x))[0].shape == x.shape


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
def test_third_and_fourth_derivatives_of_determinants_of_any_rank(rank):
    """A determinant is a polynomial: the derivatives of its expansion by Leibniz."""
    import itertools

    def leibniz(a):
        total = 0.0
        for p in itertools.permutations(range(4)):
            sign = np.linalg.det(np.eye(4)[list(p)])
            term = sign
            for i, j in enumerate(p):
                term = term * a[i, j]
            total = total + term
        return total
    rng = np.random.default_rng(rank)
    a = rng.normal(size=(4, rank)) @ rng.normal(size=(rank, 4))
    v = rng.normal(size=(4, 4, 4))

    def along(f, k):
        for t in v[:k]:
            f = (lambda f, t: lambda a: wg.jvp(f, (a,), (t,))[1])(f, t)
        return f
    for k in (1, 2, 3, 4):
        np.testing.assert_allclose(along(np.linalg.det, k)(a), along(leibniz, k)(a), rtol=1e-9, atol=1e-9)
        got, wanted = wg.grad(along(np.linalg.det, k - 1))(a), wg.grad(along(leibniz, k - 1))(a)
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)


def test_third_derivatives_of_large_singular_determinants_are_refused():
    f = lambda t: np.linalg.det(np.ones((13, 13)) * t + np.diag(np.arange(13)) * t ** 2)
    with pytest.raises(NonDifferentiableError, match="12 rows"):
        wg.grad(wg.grad(wg.grad(f)))(0.0)
    assert np.isfinite(wg.grad(wg.grad(wg.grad(f)))(1.0))


def test_the_third_derivative_of_a_stack_of_determinants_at_zero():
    f = lambda t: np.sum(np.linalg.det(t * np.stack([np.eye(3), 2.0 * np.eye(3)])))
    assert wg.grad(wg.grad(wg.grad(f)))(0.0) == 54.0
    assert wg.vmap(wg.grad(wg.grad(wg.grad(f))))(np.zeros(2)).tolist() == [54.0, 54.0]
