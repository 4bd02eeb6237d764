"""`np.linalg` and `scipy.linalg` on tracers: values, both modes, and second order, at the user's level.

Derivatives are held against central differences of the very function that the user called, so triangles that are
not read, signs and phases are LAPACK's own.
"""

import warnings

import numpy as np
import pytest
import scipy.linalg as sl

import wengert as wg

NODES, WEIGHTS = (1.0, 2.0, 3.0), (45.0 / 60, -9.0 / 60, 1.0 / 60)


def draw(seed, *shape, c=False):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=shape)
    return a + 1j * rng.normal(size=shape) if c else a


def near_one(seed, n, c=False, stack=()):
    """Matrices with well separated eigenvalues and singular values."""
    return 0.3 * draw(seed, *stack, n, n, c=c) + np.diag(1.0 + 1.3 * np.arange(n))


def spd(seed, n, c=False):
    a = near_one(seed, n, c)
    return a @ a.conj().T + np.eye(n)


def flat(x):
    """All inexact results as one vector of real numbers."""
    leaves = []
    for v in x if isinstance(x, tuple) else (x,):
        v = np.asarray(v)
        if v.dtype.kind in "fc":
            leaves += [v.real.ravel(), v.imag.ravel()] if v.dtype.kind == "c" else [v.ravel()]
    return np.concatenate(leaves)


def differences(f, x, t, h=2.0**-9):
    return sum(w * (flat(f(x + k * h * t)) - flat(f(x - k * h * t))) for k, w in zip(NODES, WEIGHTS)) / h


def inexact(x):
    return tuple([v for v in (x if isinstance(x, tuple) else (x,)) if np.asarray(v).dtype.kind in "fc"])


def check(f, x, atol=1e-7, exact=False, second=True):
    """f takes one array; what it gives is compared with NumPy's, its derivatives with differences."""
    expected = inexact(f(x))
    t = draw(7, *x.shape, c=np.iscomplexobj(x)).astype(x.dtype)
    g = lambda z: (
        inexact(f(z))
        if isinstance(z, np.ndarray)
        else tuple(
            [v for v in (f(z) if isinstance(f(z), tuple) else (f(z),)) if getattr(v, "dtype", np.dtype(int)).kind in "fc"]
        )
    )
    values, tangents = wg.jvp(g, (x,), (t,))
    assert len(values) == len(expected)
    for v, e in zip(values, expected):
        assert v.dtype == e.dtype and v.shape == np.shape(e)
        if exact:
            assert np.array_equal(v, e)
        np.testing.assert_allclose(v, e, rtol=1e-11, atol=1e-12 * max(1.0, np.max(np.abs(e), initial=0.0)))
    numeric = differences(f, x, t)
    size = max(1.0, np.max(np.abs(numeric), initial=0.0))
    np.testing.assert_allclose(flat(tangents), numeric, atol=atol * size)
    w = tuple([draw(11 + k, *np.shape(e), c=np.iscomplexobj(e)).astype(e.dtype) for k, e in enumerate(expected)])
    (back,) = wg.vjp(g, x)[1](w)
    assert back.dtype == x.dtype and back.shape == x.shape
    left = sum(float(np.sum(np.real(np.conj(a) * b))) for a, b in zip(w, tangents))
    assert np.sum(np.real(np.conj(back) * t)) == pytest.approx(left, rel=1e-9, abs=1e-9 * size)
    if second:
        gradient = lambda z: wg.vjp(g, z)[1](w)[0]
        _, turn = wg.jvp(gradient, (x,), (t,))
        numeric = differences(gradient, x, t)
        np.testing.assert_allclose(flat(turn), numeric, atol=10 * atol * max(1.0, np.max(np.abs(numeric), initial=0.0)))


def signed(w, v):
    """SciPy's signs of eigenvectors jump from matrix to matrix; products of entries do not see them."""
    return w, v * v[0].conj() + v * v[2].conj()


B = draw(3, 3)
MATRIX = {
    "inv": np.linalg.inv,
    "det": np.linalg.det,
    "slogdet": np.linalg.slogdet,
    "pinv": np.linalg.pinv,
    "solve": lambda a: np.linalg.solve(a, B),
    "solve matrix": lambda a: np.linalg.solve(a, a @ a + 1.0),
    "eigh": np.linalg.eigh,
    "eigh U": lambda a: np.linalg.eigh(a, "U"),
    "eigvalsh": np.linalg.eigvalsh,
    "eigvalsh U": lambda a: np.linalg.eigvalsh(a, UPLO="u"),
    "eig": np.linalg.eig,
    "eigvals": np.linalg.eigvals,
    "svd": np.linalg.svd,
    "svdvals": lambda a: np.linalg.svd(a, compute_uv=False),
    "qr": np.linalg.qr,
    "qr r": lambda a: np.linalg.qr(a, "r"),
    "power": lambda a: np.linalg.matrix_power(a, 5),
    "power -3": lambda a: np.linalg.matrix_power(a, -3),
    "cond": np.linalg.cond,
    "cond 1": lambda a: np.linalg.cond(a, 1),
    "cond fro": lambda a: np.linalg.cond(a, "fro"),
    "hermitian svd": lambda a: np.linalg.svd(a, hermitian=True),
    "hermitian svdvals": lambda a: np.linalg.svd(a, compute_uv=False, hermitian=True),
    "hermitian pinv": lambda a: np.linalg.pinv(a, hermitian=True),
    "nuc": lambda a: np.linalg.norm(a, "nuc"),
    "spectral": lambda a: np.linalg.norm(a, 2),
}
EXACT = {"inv", "det", "slogdet", "pinv", "eigh", "eigvalsh", "eig", "eigvals", "svd", "svdvals", "qr", "cond"}


@pytest.mark.parametrize("name", MATRIX)
@pytest.mark.parametrize("c", [False, True])
def test_square(name, c):
    check(MATRIX[name], near_one(1, 3, c), exact=name in EXACT)


@pytest.mark.parametrize("name", ["inv", "det", "slogdet", "pinv", "eigh", "svd", "qr", "svdvals", "cond", "power -3"])
def test_stacks(name):
    check(MATRIX[name], near_one(2, 2, stack=(2, 2)), exact=name in EXACT)


@pytest.mark.parametrize("name", ["inv", "det", "slogdet", "pinv", "eigh", "eigvalsh", "svd", "qr", "eigvals", "solve"])
def test_single_precision(name):
    x = near_one(1, 3).astype(np.float32)
    values, tangents = wg.jvp(
        lambda a: tuple(np.atleast_1d(*inexact_tracers(MATRIX[name](a)), B[:1].astype(np.float32))), (x,), (np.ones_like(x),)
    )
    if name != "solve":
        assert all(v.dtype == np.float32 and t.dtype == np.float32 for v, t in zip(values, tangents))


def inexact_tracers(out):
    return [v for v in (out if isinstance(out, tuple) else (out,)) if v.dtype.kind in "fc"]


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("c", [False, True])
def test_cholesky_reads_one_triangle(upper, c):
    """The derivative with regard to the other triangle is zero: as differences of the program say."""
    check(lambda a: np.linalg.cholesky(a, upper=upper), spd(1, 3, c), exact=True)
    check(lambda a: sl.cholesky(a, lower=not upper), spd(1, 3, c))


@pytest.mark.parametrize(("m", "n"), [(4, 2), (2, 4), (3, 2), (2, 3)])
@pytest.mark.parametrize("c", [False, True])
def test_rectangular(m, n, c):
    x = draw(5, m, n, c=c) + 2.0 * np.eye(m, n) * np.arange(1.0, n + 1)
    check(lambda a: np.linalg.svd(a, full_matrices=False), x, exact=True)
    check(lambda a: np.linalg.svd(a)[1], x)
    check(np.linalg.qr, x, exact=True)
    check(np.linalg.pinv, x, exact=True)
    check(lambda a: sl.qr(a, mode="economic"), x)
    check(lambda a: sl.svd(a, full_matrices=False), x)
    check(sl.lu, x)
    check(lambda a: np.linalg.lstsq(a, a[:, 0] ** 2 + 1.0)[0], x)
    check(lambda a: np.linalg.lstsq(a, a**2 + 1.0)[::3], x)
    if abs(m - n) == 1 and not c:
        check(np.linalg.svd, x, exact=True)
        check(lambda a: np.linalg.qr(a, "complete"), x, exact=True)


def test_lstsq_gives_what_numpy_gives():
    x, b = draw(0, 5, 2), draw(1, 5, 2)
    for right in (b, b[:, 0]):
        out = wg.jvp(lambda a: np.linalg.lstsq(a, right)[:2], (x,), (x,))[0]
        for got, expected in zip(out, np.linalg.lstsq(x, right)[:2]):
            np.testing.assert_allclose(got, expected, rtol=1e-12)
        out = wg.jvp(lambda a: sl.lstsq(a, right)[:2], (x,), (x,))[0]
        for got, expected in zip(out, sl.lstsq(x, right)[:2]):
            np.testing.assert_allclose(got, expected, rtol=1e-12)
            assert np.shape(got) == np.shape(expected)


def test_lstsq_of_deficient_rank_is_the_derivative_at_constant_rank():
    u, v, b = draw(0, 4, 1), draw(1, 1, 3), draw(2, 4)
    f = lambda u: np.linalg.lstsq(u * v, b)[0]
    check(f, u)
    check(lambda u: np.linalg.pinv(u * v), u)


SCIPY = {
    "inv": sl.inv,
    "det": sl.det,
    "pinv": sl.pinv,
    "norm": sl.norm,
    "solve": lambda a: sl.solve(a, B),
    "solve transposed": lambda a: sl.solve(a, B, transposed=True),
    "solve sym": lambda a: sl.solve(a + a.T, B, assume_a="sym"),
    "solve lower sym": lambda a: sl.solve(a, B, True, assume_a="sym"),
    "solve triangular": lambda a: sl.solve(a, B, assume_a="lower triangular"),
    "triangular": lambda a: sl.solve_triangular(a, B),
    "triangular T": lambda a: sl.solve_triangular(a, B, trans=1, lower=True),
    "triangular C": lambda a: sl.solve_triangular(a, a, trans="C", unit_diagonal=True),
    "lu": sl.lu,
    "lu permuted": lambda a: sl.lu(a[::-1], permute_l=True),
    "lu_factor": lambda a: sl.lu_factor(a[::-1])[0],
    "lu_solve": lambda a: sl.lu_solve(sl.lu_factor(a[::-1]), B),
    "lu_solve T": lambda a: sl.lu_solve(sl.lu_factor(a[::-1]), B, 1),
    "eigh": lambda a: signed(*sl.eigh(a)),
    "eigh upper": lambda a: signed(*sl.eigh(a, lower=False)),
    "eigvalsh": sl.eigvalsh,
    "generalized": lambda a: sl.eigvalsh(a, a @ a.conj().T + np.eye(3)),
    "svd": sl.svd,
    "svdvals": sl.svdvals,
    "qr": sl.qr,
    "qr pivoting": lambda a: sl.qr(a, pivoting=True)[:2],
    "qr r": lambda a: sl.qr(a, mode="r"),
    "eigvals": sl.eigvals,
    "eig": sl.eig,
    "expm": sl.expm,
    "logm": sl.logm,
    "sqrtm": sl.sqrtm,
    "cosm": sl.cosm,
    "sinhm": sl.sinhm,
    "sylvester": lambda a: sl.solve_sylvester(a, a.T + 1.0, a @ a),
    "continuous": lambda a: sl.solve_continuous_lyapunov(a, a @ a),
    "discrete": lambda a: sl.solve_discrete_lyapunov(0.2 * a, a @ a),
    "block_diag": lambda a: sl.block_diag(a, a[0], [[2.0]]),
    "toeplitz": lambda a: sl.toeplitz(a[0], a[:, 1]),
    "toeplitz c": lambda a: sl.toeplitz(a[0]),
    "hankel": lambda a: sl.hankel(a[0], a[:, 1]),
    "circulant": lambda a: sl.circulant(a[0]),
}
NOT_COMPLEX = {"solve transposed"}


@pytest.mark.parametrize("name", SCIPY)
@pytest.mark.parametrize("c", [False, True])
def test_scipy(name, c):
    if c and name in NOT_COMPLEX:
        pytest.skip("SciPy refuses it")
    check(SCIPY[name], near_one(1, 3, c), atol=1e-6)


@pytest.mark.parametrize("below", [False, True])
def test_cho_solve(below):
    x = spd(3, 3)
    check(lambda a: sl.cho_factor(a, lower=below)[0], x)
    check(lambda a: sl.cho_solve(sl.cho_factor(a, lower=below), B), x)


def test_functions_of_real_matrices_with_complex_values():
    x = np.array([[-1.0, 0.3], [0.2, -2.0]])
    check(sl.sqrtm, x)
    with pytest.raises(wg.errors.NonDifferentiableError, match="jumps"):
        wg.jvp(sl.logm, (x,), (x,))
    check(sl.logm, np.array([[0.1, -2.0], [1.5, -0.1]]))


def test_solve_broadcasts_and_tensors():
    x = near_one(0, 2, stack=(3, 1))
    b = draw(1, 1, 4, 2, 3)
    check(lambda a: np.linalg.solve(a, b), x)
    check(lambda r: np.linalg.solve(x, r), b)
    t = draw(2, 2, 3, 6)
    check(lambda a: np.linalg.tensorsolve(a, np.ones((2, 3))), t)
    check(lambda a: np.linalg.tensorsolve(a, np.ones((6,)), axes=(0, 1)), draw(2, 2, 3, 6))
    check(np.linalg.tensorinv, t)


def test_named_tuples():
    x = near_one(0, 2)

    def f(a):
        assert type(np.linalg.eigh(a)) is type(np.linalg.eigh(x)) and type(np.linalg.svd(a)) is type(np.linalg.svd(x))
        assert type(np.linalg.qr(a)) is type(np.linalg.qr(x)) and np.linalg.matrix_rank(a) == 2
        return np.linalg.slogdet(a).logabsdet + np.linalg.eigh(a).eigenvalues[0]

    wg.grad(f)(x)


def test_integers_and_mixed_operands():
    a = np.array([[2, 1], [1, 3]])
    np.testing.assert_allclose(wg.jacobian(lambda b: np.linalg.solve(a, b))(np.array([1.0, 2.0])), np.linalg.inv(a))
    single = wg.jacobian(lambda b: np.linalg.solve(a.astype(np.float32), b))(np.array([1.0, 2.0], np.float32))
    assert single.dtype == np.float32


def test_batches():
    x, b = near_one(0, 3, stack=(4,)), draw(1, 4, 3)
    np.testing.assert_allclose(wg.vmap(np.linalg.solve)(x, b), np.linalg.solve(x, b[..., None])[..., 0])
    np.testing.assert_allclose(wg.vmap(lambda r: np.linalg.solve(x[0], r))(b), np.linalg.solve(x[0], b.T).T)
    np.testing.assert_allclose(wg.vmap(np.linalg.svdvals)(x), np.linalg.svdvals(x))


ERRORS = [
    (lambda a: np.linalg.solve(a * 0, B), np.linalg.LinAlgError),
    (lambda a: np.linalg.inv(a * 0), np.linalg.LinAlgError),
    (lambda a: np.linalg.inv(a[:2]), np.linalg.LinAlgError),
    (lambda a: np.linalg.cholesky(-a @ a.T), np.linalg.LinAlgError),
    (lambda a: np.linalg.solve(a, B[:2]), ValueError),
    (lambda a: np.linalg.eigh(a, "x"), ValueError),
    (lambda a: np.linalg.det(a[0]), np.linalg.LinAlgError),
    (lambda a: np.linalg.matrix_power(a, 1.5), TypeError),
]


@pytest.mark.parametrize(("f", "error"), ERRORS)
def test_errors_are_numpys(f, error):
    x = near_one(0, 3)
    with pytest.raises(error):
        f(x)
    with pytest.raises(error):
        wg.jvp(f, (x,), (x,))


@pytest.mark.parametrize(
    "f",
    [
        lambda a: np.linalg.qr(a, "raw"),
        lambda a: sl.solve(a, B, assume_a="banded"),
        lambda a: sl.eigh(a, subset_by_index=(0, 1)),
        lambda a: sl.svd(a, lapack_driver="gesvd"),
    ],
)
def test_refused(f):
    with pytest.raises(wg.errors.UnsupportedError, match=r"test_linalg_api.py:\d+"):
        wg.jvp(f, (near_one(0, 3),), (near_one(0, 3),))


def test_no_warnings_of_ours():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wg.grad(lambda a: np.linalg.cond(a))(near_one(0, 3))
        assert wg.jvp(lambda a: np.linalg.cond(a, 1), (np.zeros((2, 2)),), (np.eye(2),))[0] == np.inf
