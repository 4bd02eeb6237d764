"""Decompositions where values coincide or the rank is lost: exact derivatives to the third order, or an error by its name.

What comes in: a line of matrices, ``A + t E``, through such a point, and a function of the matrix. What goes out: its first
three derivatives in t against differences of mpmath's own decomposition in sixty digits, in both modes; or the refusal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

mpmath = pytest.importorskip("mpmath")

import wengert as wg  # noqa: E402
from tests.third_order.reference import STENCILS  # noqa: E402
from wengert.errors import NonDifferentiableError  # noqa: E402

mp = mpmath.mp
L = np.linalg
_rng = np.random.default_rng(3)
E = np.round(_rng.normal(size=(3, 3)), 3)
H = np.round(_rng.normal(size=(4, 3)), 3)
W = np.round(_rng.normal(size=(3, 3)), 3)
SYMMETRIC = E + E.T
REPEATED = np.diag([1.0, 1.0, 2.0])
RANK_ONE = np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
RANK_TWO = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
ZERO = np.zeros((3, 3))
TALL = np.vstack([np.diag([2.0, 2.0, 1.0]), [0.0, 0.0, 0.0]])


def exact(f: Callable[..., Any], a: np.ndarray, e: np.ndarray, order: int) -> float:
    """The derivative of f(A + t E) at t = 0."""
    with mp.workdps(90):
        start, change, h = mp.matrix(a.tolist()), mp.matrix(e.tolist()), mp.mpf(10) ** -20
        return float(sum(w * f(start + k * h * change) for k, w in STENCILS[order].items()) / h ** order)


def derivative(f: Callable[..., Any], a: np.ndarray, e: np.ndarray, order: int, mode: str) -> float:
    def g(t: Any) -> Any:
        return f(a + t * e)
    for _ in range(order):
        g = wg.grad(g) if mode == "reverse" else (lambda f: lambda t: wg.jvp(f, (t,), (1.0,))[1])(g)
    return float(g(0.0))


def _weights(m: Any) -> Any:
    return sum(mp.mpf(float(W[i, j])) * m[i, j] for i in range(3) for j in range(3))


def _det(m: Any) -> Any:
    return (m[0, 0] * (m[1, 1] * m[2, 2] - m[1, 2] * m[2, 1]) - m[0, 1] * (m[1, 0] * m[2, 2] - m[1, 2] * m[2, 0])
            + m[0, 2] * (m[1, 0] * m[2, 1] - m[1, 1] * m[2, 0]))


def _pinv(m: Any) -> Any:
    return (m.T * m) ** -1 * m.T


def _frobenius(m: Any) -> Any:
    return mp.sqrt(sum(x * x for x in m))


ONE, TWO, THREE = (1,), (1, 2), (1, 2, 3)
BOTH = ("forward", "reverse")
# name: (the function, the same in mpmath, the point, the direction, orders by mode)
EXACT: dict[str, tuple[Any, Any, np.ndarray, np.ndarray, dict[str, tuple[int, ...]]]] = {
    "the simple eigenvalue beside a repeated one": (
        lambda a: L.eigvalsh(a)[-1], lambda m: max(mp.eigsy(m, eigvals_only=True)), REPEATED, SYMMETRIC,
        {"forward": ONE, "reverse": TWO}),
    "the sum of exponentials of repeated eigenvalues": (
        lambda a: np.sum(np.exp(L.eigvalsh(a))), lambda m: sum(map(mp.exp, mp.eigsy(m, eigvals_only=True))), REPEATED,
        SYMMETRIC, {"forward": ONE, "reverse": ONE}),
    "the sum of squares of repeated singular values": (
        lambda a: np.sum(L.svd(a, compute_uv=False) ** 2), lambda m: sum(x * x for x in m), np.eye(3), E,
        {"forward": ONE, "reverse": ONE}),
    "the nuclear norm at repeated singular values": (
        lambda a: L.norm(a, "nuc"), lambda m: sum(mp.svd_r(m, compute_uv=False)), np.eye(3), E,
        {"forward": ONE, "reverse": ONE}),
    "the spectral norm beside repeated singular values": (
        lambda a: L.norm(a, 2), lambda m: max(mp.svd_r(m, compute_uv=False)), REPEATED, E, {"forward": ONE, "reverse": TWO}),
    "the determinant at rank one": (L.det, _det, RANK_ONE, E, dict.fromkeys(BOTH, THREE)),
    "the determinant at rank two": (L.det, _det, RANK_TWO, E, dict.fromkeys(BOTH, THREE)),
    "the determinant at zero": (L.det, _det, ZERO, E, dict.fromkeys(BOTH, THREE)),
    "the logarithm of a determinant, repeated eigenvalues": (
        lambda a: L.slogdet(a)[1], lambda m: mp.log(abs(_det(m))), REPEATED, E, dict.fromkeys(BOTH, THREE)),
    "the inverse, repeated eigenvalues": (
        lambda a: np.sum(W * L.inv(a)), lambda m: _weights(m ** -1), REPEATED, E, dict.fromkeys(BOTH, THREE)),
    "a solution, repeated eigenvalues": (
        lambda a: L.solve(a, np.ones(3))[0], lambda m: (m ** -1 * mp.matrix([1, 1, 1]))[0], REPEATED, E,
        dict.fromkeys(BOTH, THREE)),
    "the factor of Cholesky, repeated eigenvalues": (
        lambda a: np.sum(W * L.cholesky(a)), lambda m: _weights(mp.cholesky(m)), REPEATED, SYMMETRIC,
        dict.fromkeys(BOTH, THREE)),
    "the triangle of qr, repeated singular values": (
        lambda a: (lambda r: np.sum(W * (np.sign(np.diag(r))[:, None] * r)))(L.qr(a)[1]),
        lambda m: _weights(mp.cholesky(m.T * m).T), TALL, H, dict.fromkeys(BOTH, THREE)),
    "the pseudoinverse, repeated singular values": (
        lambda a: np.sum(W[:, :1] * L.pinv(a)), lambda m: sum(mp.mpf(float(W[i, 0])) * _pinv(m)[i, j] for i in range(3)
                                                            for j in range(4)), TALL, H, dict.fromkeys(BOTH, THREE)),
    "least squares, repeated singular values": (
        lambda a: L.lstsq(a, np.arange(4.0), rcond=None)[0][1], lambda m: (_pinv(m) * mp.matrix([0, 1, 2, 3]))[1], TALL, H,
        dict.fromkeys(BOTH, THREE)),
    # What the message of the refused ones (below) says to write.
    "the trace of an exponential, repeated eigenvalues": (
        lambda a: np.trace(scipy.linalg.expm(a)), lambda m: sum(map(mp.exp, mp.eigsy(m, eigvals_only=True))), REPEATED,
        SYMMETRIC, dict.fromkeys(BOTH, TWO)),
    "the nuclear norm as a trace, repeated singular values": (
        lambda a: np.trace(scipy.linalg.sqrtm(a.conj().T @ a)), lambda m: sum(mp.svd_r(m, compute_uv=False)), TALL, H,
        dict.fromkeys(BOTH, TWO)),
    "the Frobenius norm at rank one": (L.norm, _frobenius, RANK_ONE, E, dict.fromkeys(BOTH, THREE)),
}


@pytest.mark.parametrize("name", EXACT)
def test_exact_derivatives_are_exact(name: str) -> None:
    f, precise, a, e, orders = EXACT[name]
    for mode, of_mode in orders.items():
        for order in of_mode:
            wanted = exact(precise, a, e, order)
            assert derivative(f, a, e, order, mode) == pytest.approx(wanted, rel=4e-13, abs=2e-12), (mode, order)


# Along (1 + t) A the rank stays, and the pseudoinverse is that of A over 1 + t.
@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("a", [RANK_ONE, RANK_TWO, TALL @ np.diag([1.0, 0.0, 1.0])], ids=["one", "two", "tall"])
def test_derivatives_that_keep_the_rank(a: np.ndarray, mode: str) -> None:
    for f in (lambda a: np.sum(W[0, 0] * L.pinv(a)), lambda a: np.sum(L.lstsq(a, np.arange(1.0, 1 + len(a)), rcond=None)[0])):
        for order, factor in zip(THREE, (-1.0, 2.0, -6.0)):
            assert derivative(f, a, a, order, mode) == pytest.approx(factor * f(a), rel=1e-11, abs=1e-13)


REFUSED: dict[str, tuple[Callable[..., Any], np.ndarray, np.ndarray, tuple[int, ...]]] = {
    "values and vectors of a repeated eigenvalue": (
        lambda a: np.sum(W * ((lambda w, v: (v * np.exp(w)) @ v.T)(*L.eigh(a)))), REPEATED, SYMMETRIC, THREE),
    "a vector of a repeated eigenvalue": (lambda a: np.sum(L.eigh(a)[1][:, 0] * W[0]), REPEATED, SYMMETRIC, THREE),
    "single values of a repeated one, to the second order": (
        lambda a: np.sum(np.array([1.0, 2.0, 4.0]) * L.eigvalsh(a)), REPEATED, SYMMETRIC, (2, 3)),
    "single singular values of a repeated one, to the second order": (
        lambda a: np.sum(np.array([1.0, 2.0, 4.0]) * L.svd(a, compute_uv=False)), np.eye(3), E, (2, 3)),
    "the nuclear norm at rank one, to the second order": (lambda a: L.norm(a, "nuc"), RANK_ONE, E, (2, 3)),
    "a sum of functions of repeated singular values, to the second order": (
        lambda a: np.sum(L.svd(a, compute_uv=False) ** 2), np.eye(3), E, (2, 3)),
    "a sum of functions of repeated eigenvalues, to the second order": (
        lambda a: np.sum(np.exp(L.eigvalsh(a))), REPEATED, SYMMETRIC, (2, 3)),
    "qr of columns that depend on each other": (lambda a: np.sum(W * L.qr(a)[1]), RANK_ONE, E, THREE),
    "qr of rank two": (lambda a: np.sum(W * L.qr(a)[0]), RANK_TWO, E, THREE),
    "eigenvectors that are missing": (
        lambda a: np.sum(np.real(L.eigvals(a) ** 2)), np.array([[1.0, 1.0], [0.0, 1.0]]), E[:2, :2], THREE),
}


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_derivative_is_refused(name: str, mode: str) -> None:
    f, a, e, orders = REFUSED[name]
    words = "written as a trace" if "to the second order" in name and "rank one" not in name else "test_matrices.py:|full set"
    for order in orders:
        with pytest.raises(NonDifferentiableError, match=words):
            derivative(f, a, e, order, mode)


@pytest.mark.parametrize("f", [L.inv, L.cholesky, lambda a: L.solve(a, np.ones(3))], ids=["inv", "cholesky", "solve"])
def test_a_singular_matrix_is_an_error_of_numpy(f: Callable[..., Any]) -> None:
    for order in THREE:
        with pytest.raises(L.LinAlgError):
            derivative(lambda a: np.sum(f(a)), ZERO, E, order, "reverse")
