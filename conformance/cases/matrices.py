"""Linear algebra: what depends on a factorization only through quantities without a choice of sign or basis."""

from __future__ import annotations

import numpy as np
from mpmath import mp

from conformance.case import case, sp

A = np.array([[2.0, -0.5, 0.25], [0.5, 1.5, -1.0], [-0.75, 0.5, 3.0]])
S = np.array([[2.0, -0.5, 0.25], [-0.5, 1.5, -1.0], [0.25, -1.0, 3.0]])
B = np.array([1.0, -2.0, 0.5])
W = np.array([[1.0, 0.5, -2.0], [0.25, -1.0, 1.5], [2.0, 0.75, 0.5]])
T = np.array([[1.0, 0.5], [-0.25, 2.0], [1.5, -1.0]])
SINGULAR = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.5], [3.0, 6.0, 9.0]])


def inverse(a):
    return np.array((mp.matrix(a.tolist()) ** -1).tolist(), dtype=object)


def cofactors(a):
    """The gradient of the determinant, also of singular matrices."""
    pairs = ((1, 2), (2, 0), (0, 1))
    return np.array([[a[i, k] * a[j, m] - a[i, m] * a[j, k] for k, m in pairs] for i, j in pairs])


@case([A], name="solve, in the matrix", gradient=lambda a: -np.outer(inverse(a).T @ B, inverse(a) @ B))
def solve_matrix(a):
    return np.dot(B, np.linalg.solve(a, B))


@case([B], name="solve, in the right-hand side")
def solve_right(b):
    return np.sum(np.linalg.solve(A, b) ** 3)


@case([A], name="inverse", gradient=lambda a: -inverse(a).T @ W @ inverse(a).T)
def inverted(a):
    return np.sum(W * np.linalg.inv(a))


@case([A], name="determinant", gradient=cofactors)
def determinant(a):
    return np.linalg.det(a)


@case([SINGULAR], name="determinant of a singular matrix", order=1, gradient=cofactors, slack=4.0)
def singular_determinant(a):
    return np.linalg.det(a) + 1.0


@case([np.outer(B, B)], name="determinant of a matrix of rank one", order=2, gradient=cofactors, slack=16.0)
def rank_one_determinant(a):
    return np.linalg.det(a) + 1.0


@case([A], name="log determinant", gradient=lambda a: inverse(a).T)
def log_determinant(a):
    return np.linalg.slogdet(a)[1]


@case([A], name="matrix power", order=2)
def cubed(a):
    return np.sum(W * np.linalg.matrix_power(a, 3))


@case([S], name="Cholesky factor", order=1, slack=4.0)
def cholesky(a):
    return np.sum(W * np.linalg.cholesky((a + a.T) / 2.0))


@case([S], name="eigenvalues of a symmetric matrix", order=2, slack=4.0)
def eigenvalues(a):
    return np.sum(np.linalg.eigvalsh((a + a.T) / 2.0) ** 3 * np.array([1.0, -2.0, 0.5]))


@case([S], name="eigenvectors of a symmetric matrix", order=1, slack=8.0)
def eigenvectors(a):
    w, v = np.linalg.eigh((a + a.T) / 2.0)
    return np.sum(W * (v[:, 0:1] @ v[:, 0:1].T)) + w[2]


@case([S], name="exponential of a symmetric matrix by eigh", order=1, slack=8.0)
def exponential_by_eigh(a):
    w, v = np.linalg.eigh((a + a.T) / 2.0)
    return np.sum(W * ((v * np.exp(w)) @ v.T))


@case(
    [np.eye(3)],
    name="sum of eigenvalues where all are equal",
    order=1,
    gradient=lambda a: 2 * np.eye(3),
    precise=lambda a: np.sum(((a + a.T) / 2) ** 2),
)
def equal_eigenvalues(a):
    return np.sum(np.linalg.eigvalsh((a + a.T) / 2.0) ** 2)


def projection_gradient(a):
    """For the projection on the third axis, apart by a gap of 3 - 1 from the others: first order perturbation theory."""
    g = np.zeros((3, 3))
    for k in (0, 1):
        g[k, 2] = g[2, k] = (W[k, 2] + W[2, k]) / (3.0 - 1.0) / 2.0
    return g


@case(
    [np.diag([1.0, 1.0, 3.0])],
    name="eigenvector outside a repeated eigenvalue",
    order=1,
    gradient=projection_gradient,
    refusal="forward mode carries the vectors of the repeated eigenvalue along, and they have no derivative",
)
def eigenvector_outside(a):
    v = np.linalg.eigh((a + a.T) / 2.0)[1]
    return np.sum(W * (v[:, 2:3] @ v[:, 2:3].T))


@case(
    [np.eye(3)],
    name="vectors and values inside a repeated eigenvalue",
    order=1,
    refusal="the derivative of the parts does not exist; only that of the whole does",
    gradient=lambda a: mp.e * (W + W.T) / 2,
    precise=lambda a: np.sum(W * np.array(mp.expm(mp.matrix(((a + a.T) / 2).tolist())).tolist(), dtype=object)),
)
def repeated_inside(a):
    w, v = np.linalg.eigh((a + a.T) / 2.0)
    return np.sum(W * ((v * np.exp(w)) @ v.T))


@case([A, T], name="singular values", order=1, slack=4.0)
def singular_values(a):
    return np.sum(np.linalg.svd(a, compute_uv=False) ** 3)


@case([T], name="low-rank approximation by svd", order=1, slack=8.0)
def low_rank(a):
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    return np.sum(W[:, :2] * (u[:, :1] * s[0] @ vt[:1]))


@case(
    [np.eye(3)],
    name="sum of squares of equal singular values",
    order=1,
    gradient=lambda a: 2 * a,
    precise=lambda a: np.sum(a * a),
)
def equal_singular_values(a):
    return np.sum(np.linalg.svd(a, compute_uv=False) ** 2)


@case([T], name="nuclear norm", order=1, slack=4.0)
def nuclear(a):
    return np.linalg.norm(a, "nuc")


@case([A], name="Frobenius norm", gradient=lambda a: a / mp.sqrt(np.sum(a * a)))
def frobenius(a):
    return np.linalg.norm(a)


@case([A], name="spectral norm", order=1, slack=4.0)
def spectral(a):
    return np.linalg.norm(a, 2)


@case([T], name="least squares, in the matrix", order=1, slack=8.0)
def least_squares(a):
    return np.sum(np.linalg.lstsq(a, B, rcond=None)[0] ** 2)


@case([T], name="pseudoinverse", order=1, slack=8.0)
def pseudoinverse(a):
    return np.sum(W[:2] * np.linalg.pinv(a))


@case([T], name="QR factorization, up to signs", order=1, slack=8.0)
def qr(a):
    r = np.linalg.qr(a)[1]
    return np.sum(r[0] ** 2 * np.array([1.0, 3.0])) + r[1, 1] ** 2


@case([A], name="eigenvalues of a general matrix", order=1, slack=8.0)
def general_eigenvalues(a):
    return np.sum(np.real(np.linalg.eigvals(a) ** 3))


@case([np.stack([A, S])], name="solve, a stack of matrices", order=1, precise=lambda a: sum(B @ (inverse(m) @ B) for m in a))
def stacked(a):
    return np.sum(np.linalg.solve(a, np.stack([B, B])[..., None])[..., 0] @ B)


@case([A * 0.5], name="matrix exponential", order=1, slack=4.0)
def exponential(a):
    return np.sum(W * sp.linalg.expm(a))


@case([S], name="scipy.linalg.cho_solve", order=1, slack=4.0, precise=lambda a: B @ (inverse((a + a.T) / 2) @ B))
def by_cholesky(a):
    factor = sp.linalg.cho_factor((a + a.T) / 2.0, lower=True)
    return B @ sp.linalg.cho_solve(factor, B)


@case([A], name="scipy.linalg.solve_triangular", order=1, precise=lambda a: B @ (inverse(np.tril(a) + mp.zero) @ B))
def triangular(a):
    return B @ sp.linalg.solve_triangular(a, B, lower=True)


@case(
    [S],
    name="log of a normal density, covariance by Cholesky",
    order=1,
    slack=4.0,
    precise=lambda a: mp.log(mp.det(mp.matrix(((a + a.T) / 2).tolist()))) / 2 + B @ (inverse((a + a.T) / 2) @ B) / 2,
)
def normal_density(a):
    c = np.linalg.cholesky((a + a.T) / 2.0)
    y = np.linalg.solve(c, B)
    return np.sum(np.log(np.diagonal(c))) + 0.5 * np.dot(y, y)
