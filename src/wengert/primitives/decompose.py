"""Decompositions: Cholesky, QR, symmetric and general eigenvalues, singular values.

What comes in: stacks of matrices. What goes out: their factors. The one idea: one formula for the differential of the
factors, from which forward and reverse mode follow; parts that are not needed are not computed; and where eigenvalues
repeat, what depends on the arbitrary choice of vectors is refused, never guessed.

Sources: Giles, "Collected matrix derivative results" (2008); Walter and Lehmann, "Algorithmic differentiation of linear
algebra functions" (2010); Townsend, "Differentiating the singular value decomposition" (2016).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import NonDifferentiableError
from wengert.graph import ArrayType, Const, Primitive
from wengert.primitives.contract import matmul, mT
from wengert.primitives.elementwise import conj, imag, make_complex, real
from wengert.primitives.solve import adjoint, solve_with, stacked, triangle, triangular_solve, well_conditioned
from wengert.primitives.structure import convert, reduce_sum, reshape, select

__all__ = ["cholesky", "eig", "eigh", "over_gaps", "qr", "svd"]


def _real(dtype: Any) -> Any:
    return np.empty(0, dtype).real.dtype


def _complex(dtype: Any) -> Any:
    return np.result_type(dtype, np.complex64)


def take_diagonal(x: Any) -> Any:
    """The diagonals of square matrices, as vectors."""
    eye = np.eye(x.shape[-1], dtype=bool)
    return reduce_sum(select(Const(eye), x, Const(np.zeros((), x.dtype))), axes=(x.ndim - 2,))


def hermitian_of_lower(x: Any) -> Any:
    """The Hermitian matrix whose lower triangle this is: what LAPACK reads."""
    low = triangle(x, True, -1)
    eye = Const(np.eye(x.shape[-1], dtype=bool))
    diagonal = select(eye, x, Const(np.zeros((), x.dtype)))
    if x.dtype.kind == "c":
        diagonal = convert(real(diagonal), dtype=x.dtype)
    return low + diagonal + adjoint(low)


# ---------------------------------------------------------------- Cholesky


def _cholesky_jvp(y: Any, operands: Any, tangents: Any) -> Any:
    """``dL = L Φ(L^-1 dA L^-H)``, Φ the lower triangle with half the diagonal."""
    da = hermitian_of_lower(tangents[0])
    inner = triangular_solve(y, da, lower=True, trans=0, unit=False)
    inner = adjoint(triangular_solve(y, adjoint(inner), lower=True, trans=0, unit=False))
    eye = Const(np.eye(y.shape[-1], dtype=bool))
    half = select(eye, inner * 0.5, triangle(inner, True))
    return matmul(y, half)


def _positive(rng: np.random.Generator, *lead: int) -> Any:
    a = rng.normal(size=(*lead, 3, 3))
    return a @ np.swapaxes(a, -1, -2) + 2.0 * np.eye(3)


cholesky: Primitive = Primitive(
    "cholesky",
    type=lambda a: a,
    evaluate=lambda a: np.linalg.cholesky(a),
    jvp=_cholesky_jvp,
    batch=stacked(lambda: cholesky),
    sample=lambda rng: [((_positive(rng),), {}), ((_positive(rng, 2),), {})],
)

# ---------------------------------------------------------------- QR (reduced, at least as many rows as columns)


def _qr_jvp(results: Any, operands: Any, tangents: Any, *, needed: Any) -> Any:
    """``X = Q^H dA R^-1``; ``dΩ`` its antihermitian part by the lower triangle; ``dQ = Q dΩ + (1 - Q Q^H) dA R^-1``,
    ``dR = (X - dΩ) R``."""
    q, r = results
    da = tangents[0]
    scaled = mT(triangular_solve(r, mT(da), lower=False, trans=1, unit=False))
    x = matmul(adjoint(q), scaled)
    low = triangle(x, True, -1)
    turn = low - adjoint(low)
    if q.dtype.kind == "c":  # R has a real diagonal
        eye = Const(np.eye(x.shape[-1], dtype=bool))
        phases = select(eye, x, Const(np.zeros((), x.dtype)))
        part = imag(phases)
        turn = turn + make_complex(part * 0.0, part)
    dq = matmul(q, turn - x) + scaled if needed[0] else None
    dr = matmul(x - turn, r) if needed[1] else None
    return dq, dr


def _qr_type(a: ArrayType) -> tuple[ArrayType, ArrayType]:
    n = a.shape[-1]
    if a.shape[-2] < n:
        raise ValueError("qr of a wide matrix is made of the qr of its leading columns")
    return a, ArrayType((*a.shape[:-2], n, n), a.dtype)


qr: Primitive = Primitive(
    "qr",
    type=_qr_type,
    evaluate=lambda a: tuple(np.linalg.qr(a)),
    multiple=True,
    jvp=_qr_jvp,
    batch=stacked(lambda: qr),
    sample=lambda rng: [
        ((rng.normal(size=(4, 3)),), {}),
        ((rng.normal(size=(2, 3, 3)),), {}),
        ((rng.normal(size=(4, 2)) + 1j * rng.normal(size=(4, 2)),), {}),
    ],
)

# ---------------------------------------------------------------- gaps between eigenvalues

_CLOSE = 1e-10  # eigenvalues nearer than this, relative to the largest, count as repeated


def _gaps(w: Any) -> tuple[Any, Any]:
    """``w_j - w_i`` with 1 where eigenvalues repeat, and where they do (the diagonal apart)."""
    gap = w[..., None, :] - w[..., :, None]
    scale = np.max(np.abs(w), axis=-1, initial=0.0)[..., None, None]
    n = w.shape[-1]
    repeated = (np.abs(gap) <= _CLOSE * scale) | np.eye(n, dtype=bool)
    return np.where(repeated, 1.0, gap), repeated & ~np.eye(n, dtype=bool)


def _over_gaps_evaluate(x: Any, w: Any, *, signed: bool) -> Any:
    gap, repeated = _gaps(w)
    size = np.max(np.abs(x), initial=0.0)
    if repeated.any() and np.any(np.abs(np.where(repeated, x, 0.0)) > 1e-9 * max(size, 1e-300)):
        raise NonDifferentiableError(
            "the derivative depends on the choice of eigenvectors (or singular vectors) within a repeated value, where there"
            " is "
            "none. Use the eigenvalues alone, or a function of the matrix that needs no vectors"
        )
    eye = np.eye(w.shape[-1], dtype=bool)
    return np.where(repeated | eye, 0.0, x / gap).astype(x.dtype)


def _over_gaps_jvp(y: Any, operands: Any, tangents: Any, *, signed: bool) -> Any:
    """``-y_ij (dw_j - dw_i) / (w_j - w_i)``."""
    _, w = operands
    dw = tangents[1]
    n = w.shape[-1]
    columns = reshape(dw, shape=(*dw.shape[:-1], 1, n))
    rows = reshape(dw, shape=(*dw.shape[:-1], n, 1))
    difference = columns - rows
    if y.dtype != difference.dtype:
        difference = convert(difference, dtype=y.dtype)
    return -over_gaps(y * difference, w, signed=signed)


# x_ij / (w_j - w_i), 0 on the diagonal; an entry within a repeated value has to vanish, or is refused.
over_gaps: Primitive = Primitive(
    "over_gaps",
    type=lambda x, w, *, signed: x,
    evaluate=_over_gaps_evaluate,
    linear=(0,),
    jvp=_over_gaps_jvp,
    transpose=lambda ct, i, ops, *, signed: _over_gaps_transpose(ct, ops, signed),
    batch=stacked(lambda: over_gaps),
    sample=lambda rng: [((rng.normal(size=(3, 3)), np.array([0.3, 1.1, 2.5])), {"signed": True})],
)


def _over_gaps_transpose(ct: Any, ops: Any, signed: bool) -> Any:
    w = ops[1]
    return over_gaps(ct, conj(w), signed=signed)


# ---------------------------------------------------------------- symmetric eigenvalues


def _eigh_jvp(results: Any, operands: Any, tangents: Any, *, needed: Any) -> Any:
    """``dw = diag(V^H dA V)``, ``dV = V (F ∘ (V^H dA V))`` with ``F_ij = 1/(w_j - w_i)``."""
    w, v = results
    inner = matmul(matmul(adjoint(v), hermitian_of_lower(tangents[0])), v)
    dw = take_diagonal(inner)
    dw = real(dw) if dw.dtype.kind == "c" else dw
    dv = matmul(v, over_gaps(inner, w, signed=True)) if needed[1] else None
    return dw, dv


eigh: Primitive = Primitive(
    "eigh",
    type=lambda a: (ArrayType(a.shape[:-1], _real(a.dtype)), a),
    evaluate=lambda a: tuple(np.linalg.eigh(a)),
    multiple=True,
    jvp=_eigh_jvp,
    batch=stacked(lambda: eigh),
    sample=lambda rng: [((_positive(rng),), {}), ((_positive(rng, 2),), {})],
)

# ---------------------------------------------------------------- general eigenvalues


def _eig_jvp(results: Any, operands: Any, tangents: Any, *, needed: Any) -> Any:
    """``M = V^-1 dA V``, ``dw = diag(M)``, ``dV = V (F ∘ M)``, then each column kept at length 1 (as LAPACK does)."""
    w, v = results
    da = convert(tangents[0], dtype=v.dtype) if tangents[0].dtype != v.dtype else tangents[0]
    inner = solve_with(v, matmul(da, v))
    dw = take_diagonal(inner)
    if not needed[1]:
        return dw, None
    raw = matmul(v, over_gaps(inner, w, signed=True))
    along = reduce_sum(real(conj(v) * raw), axes=(v.ndim - 2,))
    along = convert(reshape(along, shape=(*along.shape[:-1], 1, along.shape[-1])), dtype=v.dtype)
    return dw, raw - v * along


def _eig_evaluate(a: Any) -> Any:
    w, v = np.linalg.eig(a)
    kind = _complex(a.dtype)
    return w.astype(kind), v.astype(kind)


eig: Primitive = Primitive(
    "eig",
    type=lambda a: (ArrayType(a.shape[:-1], _complex(a.dtype)), ArrayType(a.shape, _complex(a.dtype))),
    evaluate=_eig_evaluate,
    multiple=True,
    jvp=_eig_jvp,
    batch=stacked(lambda: eig),
    sample=lambda rng: [((well_conditioned(rng) + np.diag([0.0, 3.0, 7.0]),), {})],
)

# ---------------------------------------------------------------- singular values (thin)


def _svd_jvp(results: Any, operands: Any, tangents: Any, *, needed: Any) -> Any:
    """``P = U^H dA V``; ``dS = Re diag P``; ``dU = U (F ∘ (P S + S P^H)) + (1 - U U^H) dA V S^-1``, likewise dV, with
    ``F_ij = 1/(s_j² - s_i²)``."""
    u, s, vh = results
    da = tangents[0]
    v = adjoint(vh)
    p = matmul(matmul(adjoint(u), da), v)
    ds = take_diagonal(p)
    ds = real(ds) if ds.dtype.kind == "c" else ds
    if not (needed[0] or needed[2]):
        return None, ds, None
    k = s.shape[-1]
    sc = convert(s, dtype=u.dtype) if s.dtype != u.dtype else s
    row, column = reshape(sc, shape=(*s.shape[:-1], 1, k)), reshape(sc, shape=(*s.shape[:-1], k, 1))
    squares = s * s
    ps, sp = p * row, p * column
    omega_u = over_gaps(ps + adjoint(ps), squares, signed=True)
    omega_v = over_gaps(sp + adjoint(sp), squares, signed=True)
    if u.dtype.kind == "c":  # the phase left free is fixed by keeping that of V
        eye = Const(np.eye(k, dtype=bool))
        part = imag(select(eye, p, Const(np.zeros((), p.dtype))))
        omega_u = omega_u + make_complex(part * 0.0, part) / row
    du = matmul(u, omega_u)
    m, n = da.shape[-2:]
    if m > k:
        av = matmul(da, v) / row
        du = du + av - matmul(u, matmul(adjoint(u), av))
    dvh = adjoint(matmul(v, omega_v))
    if n > k:
        ua = matmul(adjoint(u), da) / column
        dvh = dvh + ua - matmul(matmul(ua, v), vh)
    return du if needed[0] else None, ds, dvh if needed[2] else None


def _svd_type(a: ArrayType) -> tuple[ArrayType, ArrayType, ArrayType]:
    m, n = a.shape[-2:]
    k, lead = min(m, n), a.shape[:-2]
    return ArrayType((*lead, m, k), a.dtype), ArrayType((*lead, k), _real(a.dtype)), ArrayType((*lead, k, n), a.dtype)


svd: Primitive = Primitive(
    "svd",
    type=_svd_type,
    evaluate=lambda a: tuple(np.linalg.svd(a, full_matrices=False)),
    multiple=True,
    jvp=_svd_jvp,
    batch=stacked(lambda: svd),
    sample=lambda rng: [
        ((rng.normal(size=(3, 3)),), {}),
        ((rng.normal(size=(4, 2)),), {}),
        ((rng.normal(size=(2, 2, 4)),), {}),
    ],
)
svdvals: Primitive = Primitive(
    "svdvals",
    type=lambda a: _svd_type(a)[1],
    evaluate=lambda a: np.linalg.svd(a, compute_uv=False),
    jvp=lambda y, ops, ts: _svdvals_jvp(ops[0], ts[0]),
    batch=stacked(lambda: svdvals),
    sample=lambda rng: [((rng.normal(size=(3, 4)),), {}), ((rng.normal(size=(2, 3, 2)),), {})],
)


def _svdvals_jvp(a: Any, da: Any) -> Any:
    """``dS = Re diag(U^H dA V)``."""
    u, _, vh = svd(a)
    p = reduce_sum(conj(u) * matmul(da, adjoint(vh)), axes=(a.ndim - 2,))
    return real(p) if p.dtype.kind == "c" else p


eigvalsh: Primitive = Primitive(
    "eigvalsh",
    type=lambda a: ArrayType(a.shape[:-1], _real(a.dtype)),
    evaluate=lambda a: np.linalg.eigvalsh(a),
    jvp=lambda y, ops, ts: _eigvalsh_jvp(ops[0], ts[0]),
    batch=stacked(lambda: eigvalsh),
    sample=lambda rng: [((_positive(rng),), {}), ((_positive(rng, 2),), {})],
)


def _eigvalsh_jvp(a: Any, da: Any) -> Any:
    """``dw = diag(V^H dA V)``."""
    _, v = eigh(a)
    p = reduce_sum(conj(v) * matmul(hermitian_of_lower(da), v), axes=(a.ndim - 2,))
    return real(p) if p.dtype.kind == "c" else p
