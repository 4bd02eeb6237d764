"""Linear systems: dense, sparse and known by their products; their derivatives against dense inverses and differences."""

import numpy as np
import pytest
import scipy.sparse as sparse
import scipy.sparse.linalg as sl

import wengert as wg
from wengert import implicit

N = 20
RNG = np.random.default_rng(3)
BANDED = sparse.diags_array([RNG.uniform(-1, 1, N - 1), RNG.uniform(2.5, 3.5, N), RNG.uniform(-1, 1, N - 1)],
                            offsets=[-1, 0, 1])
B = RNG.normal(size=N)
INVERSE = np.linalg.inv(BANDED.toarray())


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_the_gradient_with_regard_to_entries_keeps_the_pattern(form):
    matrix = BANDED.asformat(form)

    def f(data, b):
        return np.sum(np.sin(implicit.solve(matrix, b, data=data)))
    by_data, by_b = wg.grad(f, (0, 1))(matrix.data, B)
    x = INVERSE @ B
    adjoint = INVERSE.T @ np.cos(x)
    entries = matrix.tocoo()
    np.testing.assert_allclose(by_b, adjoint, rtol=1e-12)
    np.testing.assert_allclose(by_data, -adjoint[entries.row] * x[entries.col], atol=1e-13)
    graph = str(wg.make_graph(wg.grad(f, (0, 1)), matrix.data, B))
    assert f"[{N},{N}]" not in graph  # nothing dense


def test_entries_to_second_order():
    matrix = BANDED.tocsr()

    def f(data):
        return np.sum(implicit.solve(matrix, B, data=data) ** 2)
    wg.check_grads(f, (matrix.data,))
    for way in (wg.jit(wg.grad(f)), wg.grad(wg.jit(f))):
        np.testing.assert_allclose(way(matrix.data), wg.grad(f)(matrix.data), rtol=1e-12)
    scales = np.array([1.0, 2.0])
    np.testing.assert_allclose(wg.vmap(lambda s: f(s * matrix.data))(scales), f(matrix.data) / scales**2, rtol=1e-12)
    right = np.stack([B, 2 * B], axis=1)
    np.testing.assert_allclose(wg.vmap(lambda s: implicit.solve(matrix, s * right))(scales)[1], 2 * INVERSE @ right, rtol=1e-12)
    wg.check_grads(lambda data: implicit.solve(matrix, right, data=data), (matrix.data,))


@pytest.mark.parametrize("method", ["gmres", "cg", "bicgstab"])
def test_krylov_methods(method):
    matrix = (BANDED + BANDED.T).tocsr() if method == "cg" else BANDED.tocsr()

    def f(data, how):
        return np.sum(np.sin(implicit.solve(matrix, B, data=data, method=how)))
    direct = wg.grad(f)(matrix.data, None)
    np.testing.assert_allclose(wg.grad(f)(matrix.data, method), direct, atol=1e-8)
    np.testing.assert_allclose(wg.jit(wg.grad(f), static_argnums=(1,))(matrix.data, method), direct, atol=1e-8)
    v = np.cos(np.arange(matrix.nnz))
    both = [wg.hvp(lambda d, how=how: f(d, how), (matrix.data,), (v,))[0] for how in (method, None)]
    np.testing.assert_allclose(both[0], both[1], atol=1e-7)


@pytest.mark.parametrize("method", [None, "gmres"])
def test_matrices_known_by_their_products(method):
    def f(c, b):
        return implicit.solve(lambda v: c * v - 0.5 * np.roll(v, 1), b, method=method, rtol=1e-13)
    c = np.linspace(2.0, 3.0, 6)
    b = np.cos(np.arange(6.0))
    dense = np.diag(c) - 0.5 * np.roll(np.eye(6), 1, axis=0)
    np.testing.assert_allclose(f(c, b), np.linalg.solve(dense, b), rtol=1e-11)
    wg.check_grads(f, (c, b))
    shaped = implicit.solve(lambda v: 2.0 * v + v.T, np.arange(4.0).reshape(2, 2))
    np.testing.assert_allclose(2 * shaped + shaped.T, np.arange(4.0).reshape(2, 2), atol=1e-14)
    affine = implicit.solve(lambda v: 2.0 * v + 1.0, np.ones(2))  # what it gives for 0 goes to the other side
    np.testing.assert_allclose(affine, 0.0, atol=1e-15)


def test_dense_matrices():
    dense = BANDED.toarray()
    wg.check_grads(lambda a, b: implicit.solve(a, b), (dense[:5, :5], B[:5]))
    np.testing.assert_allclose(wg.jacobian(lambda b: implicit.solve(dense, b, method="bicgstab"))(B), INVERSE, atol=1e-9)


# ---------------------------------------------------------------- SciPy's names


JACOBI = sparse.diags_array(1 / BANDED.diagonal())
LU, FACTORIZED = sl.splu(BANDED.tocsc()), sl.factorized(BANDED.tocsc())


@pytest.mark.parametrize("solve, inverse", [
    (lambda b: sl.spsolve(BANDED.tocsr(), b), INVERSE),
    (lambda b: sl.spsolve(BANDED.tocsc(), b[:, None]), INVERSE),
    (lambda b: LU.solve(b), INVERSE),
    (lambda b: LU.solve(b, "T"), INVERSE.T),
    (lambda b: sl.splu(BANDED.tocsc()).solve(b), INVERSE),
    (lambda b: FACTORIZED(b), INVERSE),
    (lambda b: sl.gmres(BANDED.tocsr(), b)[0], INVERSE),
    (lambda b: sl.bicgstab(BANDED.toarray(), b, rtol=1e-9)[0], INVERSE),
    (lambda b: sl.gmres(sl.aslinearoperator(BANDED.tocsr()), b, rtol=1e-9, M=JACOBI)[0], INVERSE),
], ids=["spsolve", "spsolve of a column", "splu", "transposed", "splu inside", "factorized", "gmres", "bicgstab", "operator"])
def test_scipy_by_its_own_names(solve, inverse):
    np.testing.assert_array_equal(wg.value_and_grad(lambda b: np.sum(solve(b)))(B)[0], np.sum(solve(B)))
    np.testing.assert_allclose(wg.jacobian(solve)(B), inverse, atol=1e-8)
    np.testing.assert_allclose(wg.jit(wg.jacobian(solve))(B), inverse, atol=1e-8)


def test_an_operator_that_uses_traced_values():
    def f(c):
        operator = sl.LinearOperator((4, 4), matvec=lambda v: c * v - 0.5 * np.roll(v, 1), dtype=float)
        return sl.gmres(operator, np.ones(4), rtol=1e-13)[0]
    wg.check_grads(f, (np.array([2.0, 2.5, 3.0, 2.2]),))


# ---------------------------------------------------------------- what is refused


def refused(error, match, f, x=B):
    with pytest.raises(error, match=match):
        wg.grad(f)(x)


def test_refusals():
    csr = BANDED.tocsr()
    unsupported, given = wg.errors.UnsupportedError, wg.errors.InputError
    refused(unsupported, r"csr_array cannot hold traced values .*wg.implicit.solve\(A, b, data=data\)",
            lambda b: np.sum(sl.spsolve(sparse.csr_array((b, csr.indices[:N], csr.indptr)), b)))
    refused(unsupported, "diags_array cannot hold traced values", lambda b: np.sum(sparse.diags_array(b) @ b))
    refused(ValueError, "matrix - rhs dimension mismatch", lambda b: np.sum(sl.spsolve(csr, b[:3])))
    refused(ValueError, "data has shape", lambda b: np.sum(implicit.solve(csr, b, data=b)))
    refused(ValueError, "expected a square matrix", lambda b: np.sum(implicit.solve(csr[:3], b[:3])))
    refused(given, "method is None .factor the matrix. or one of gmres", lambda b: np.sum(implicit.solve(csr, b, method="lu")))
    refused(given, "data= goes with a sparse matrix", lambda b: np.sum(implicit.solve(csr.toarray(), b, data=b)))
    refused(given, "in DIA form; convert it", lambda b: np.sum(implicit.solve(BANDED, b, data=csr.data * b[0])))
    refused(given, "not linear in its argument", lambda b: np.sum(implicit.solve(lambda v: v**2, b)))
    refused(unsupported, "cg of a traced matrix", lambda b: np.sum(sl.cg(csr.toarray() * b, b)[0]))


def test_singular_systems_and_those_that_are_not_solved():
    singular = sparse.csr_array(np.array([[1.0, 2.0], [2.0, 4.0]]))
    two = np.array([1.0, 0.0])
    for f in (lambda b: implicit.solve(singular, b), lambda b: implicit.solve(singular.toarray(), b),
              lambda b: implicit.solve(lambda v: singular.toarray() @ v, b), lambda b: sl.spsolve(singular, b)):
        refused(np.linalg.LinAlgError, "[Ss]ingular", lambda b, f=f: np.sum(f(b)), two)
        refused(np.linalg.LinAlgError, "[Ss]ingular", wg.jit(lambda b, f=f: np.sum(f(b))), two)
    for method in ("gmres", "cg", "bicgstab"):
        refused(wg.errors.ConvergenceError, f"{method} leaves a relative residual",
                lambda b, method=method: np.sum(implicit.solve(singular, b, method=method)), two)
