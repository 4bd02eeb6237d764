"""Cholesky, QR, LU and singular value decompositions.

What comes in: stacks of matrices. What goes out: the factors, as LAPACK gives them. The one idea: differentiate
``A = product of factors``, multiply by the inverse factors from both sides, and read off the triangles or the
skew parts (Cholesky: Murray, "Differentiation of the Cholesky decomposition", 2016; QR: Walter & Lehmann, "Algorithmic
differentiation of linear algebra functions", 2012; SVD: Townsend, "Differentiating the singular value
decomposition", 2016). The singular value formulas are written with sums and differences of values,
``Ω_U = K + L, Ω_V = K - L, K = herm(M) / (s_j - s_i), L = skew(M) / (s_j + s_i)``, so each vanishing
denominator has a meaning of its own: see `gauge`.

Cholesky reads one triangle: the derivative with regard to the other is zero, as for the program that was run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import ArrayType, Primitive
from wengert.primitives.contract import matmul
from wengert.primitives.eigen import coincident, inner_diagonal, turned_back
from wengert.primitives.gauge import corotation, free, independent, line_of, over_values, rotation
from wengert.primitives.matrices import (
    as_complex,
    from_triangle,
    lower,
    mapped,
    mH,
    on_diagonal,
    rest,
    skew,
    square_only,
    upper,
)
from wengert.primitives.solve import solve_triangular
from wengert.primitives.structure import concatenate, pad

__all__ = ["cholesky", "lu", "qr", "svd", "svdvals"]


def _left(r: Any, x: Any, below: bool, unit: bool = False) -> Any:
    """``R⁻¹ X``."""
    return solve_triangular(r, x, lower=below, trans="N", unit=unit)


def _right(x: Any, r: Any, below: bool, unit: bool = False) -> Any:
    """``X R⁻¹``."""
    return mH(solve_triangular(r, mH(x), lower=below, trans="C", unit=unit))


def _plain(rng: np.random.Generator, shape: tuple[int, ...], is_complex: bool = False) -> Any:
    a = rng.uniform(-0.5, 0.5, shape) + np.eye(shape[-2], shape[-1]) * np.arange(1.0, shape[-1] + 1.0)
    return a + 1j * rng.uniform(-0.5, 0.5, shape) if is_complex else a


# ---------------------------------------------------------------- Cholesky

def _cholesky_type(a: ArrayType, *, above: bool) -> ArrayType:
    square_only(a)
    return a


def _cholesky_evaluate(a: Any, *, above: bool) -> Any:
    if not above:
        return np.linalg.cholesky(a)
    return np.linalg.cholesky(a, upper=True)  # type: ignore[call-arg, unused-ignore]


def _cholesky_jvp(y: Any, ops: Any, tangents: Any, *, above: bool) -> Any:
    """dL = L Φ(L⁻¹ dA L⁻ᴴ), where Φ takes the lower triangle and half of the diagonal."""
    f = mH(y) if above else y
    change = from_triangle(tangents[0], above)
    inner = _left(f, mH(_left(f, change, True)), True)
    out = lower(matmul(f, on_diagonal(inner * 0.5, lower(inner))))
    return mH(out) if above else out


def _cholesky_sample(rng: np.random.Generator) -> Any:
    out = []
    for shape, above, c in (((3, 3), False, False), ((3, 3), True, False), ((2, 2, 2), False, False),
                            ((3, 3), False, True), ((2, 2), True, True), ((1, 1), False, False)):
        a = _plain(rng, shape, c)
        out.append(((a @ np.conj(np.swapaxes(a, -1, -2)) + np.eye(shape[-1]),), {"above": above}))
    return [*out, ((np.zeros((0, 2, 2)),), {"above": False})]


cholesky: Primitive = Primitive(
    "cholesky", type=_cholesky_type, evaluate=_cholesky_evaluate, jvp=_cholesky_jvp, sample=_cholesky_sample,
    batch=lambda n, ops, batched, *, above: cholesky(ops[0], above=above))


# ---------------------------------------------------------------- QR

def _qr_type(a: ArrayType, *, complete: bool, by: str = "") -> tuple[ArrayType, ArrayType]:
    if a.ndim < 2:
        raise np.linalg.LinAlgError(f"{a.ndim}-dimensional array given. Array must be at least two-dimensional")
    *stack, m, n = a.shape
    k = m if complete else min(m, n)
    return ArrayType((*stack, m, k), a.dtype), ArrayType((*stack, k, n), a.dtype)


def _qr_evaluate(a: Any, *, complete: bool, by: str = "") -> Any:
    if by == "scipy":
        from scipy.linalg import qr as solver
        return tuple(solver(a, mode="full" if complete else "economic", check_finite=False))
    return tuple(np.linalg.qr(a, "complete" if complete else "reduced"))


def _qr_jvp(results: Any, ops: Any, tangents: Any, *, needed: Any, complete: bool, by: str = "") -> Any:
    q, r = results
    da, at = tangents[0], line_of(q)
    m, n = da.shape[-2:]
    k = min(m, n)
    q1, r1 = (rest(q, columns=slice(0, k)), rest(r, rows=slice(0, k))) if q.shape[-1] > k else (q, r)
    square, first = (rest(r1, columns=slice(0, k)), rest(da, columns=slice(0, k))) if n > k else (r1, da)
    x = _right(independent(first, square, at=at), square, False)
    inner = matmul(mH(q1), x)
    below = lower(inner, -1)
    turn = on_diagonal(skew(inner), below - mH(below))
    dq = matmul(q1, turn) if m == k else x - matmul(q1, inner - turn)
    dr = upper(matmul(mH(q1), da) - matmul(turn, r1))
    if q.shape[-1] > k:
        dr = pad(dr, widths=((0, 0),) * (dr.ndim - 2) + ((0, m - k), (0, 0)))
        if needed[0]:
            dq = concatenate(dq, _complement(q, q1, dq, da, at), axis=q.ndim - 1)
    return dq, dr


def _complement(u: Any, u1: Any, du: Any, da: Any, at: str) -> Any:
    """The change of the columns that complete u1 to u: they stay orthogonal to it, and may turn among themselves."""
    u2 = rest(u, columns=slice(u1.shape[-1], None))
    out = -matmul(u1, mH(matmul(mH(u2), du)))
    size = u2.shape[-1]
    if size == 1 and u2.dtype.kind != "c":
        return out
    return out + matmul(u2, free(da, size=size, at=at))


def _qr_sample(rng: np.random.Generator) -> Any:
    return [((_plain(rng, shape, c),), {"complete": complete}) for shape, complete, c in (
        ((3, 3), False, False), ((4, 2), False, False), ((2, 4), False, False), ((2, 3, 2), False, False),
        ((4, 2), False, True), ((3, 3), False, True), ((2, 3), False, True), ((4, 3), True, False),
        ((2, 3), True, False), ((1, 1), False, False), ((0, 3, 2), False, False))]


qr: Primitive = Primitive(
    "qr", type=_qr_type, evaluate=_qr_evaluate, multiple=True, jvp=_qr_jvp, sample=_qr_sample,
    batch=lambda n, ops, batched, **params: qr(ops[0], **params))


# ---------------------------------------------------------------- LU

def _lu_type(a: ArrayType) -> tuple[ArrayType, ArrayType, ArrayType]:
    *stack, m, n = a.shape
    k = min(m, n)
    dtype = np.empty(0, a.dtype).real.dtype
    return ArrayType((*stack, m, m), dtype), ArrayType((*stack, m, k), a.dtype), ArrayType((*stack, k, n), a.dtype)


def _lu_evaluate(a: Any) -> Any:
    from scipy.linalg import lu as solver
    if not a.size:
        return tuple([np.zeros(t.shape, t.dtype) for t in _lu_type(ArrayType(a.shape, a.dtype))])
    return mapped(lambda m: tuple(solver(m, check_finite=False)), (2,), a)


def _lu_jvp(results: Any, ops: Any, tangents: Any, *, needed: Any) -> Any:
    """With N = L⁻¹ Pᵀ dA U⁻¹: dL = L tril(N, -1), dU = triu(N) U; then what is left below or beside the square."""
    p, low, up = results
    m, n = tangents[0].shape[-2:]
    k = min(m, n)
    b = matmul(mH(p if low.dtype.kind != "c" else as_complex(p)), tangents[0])
    l1, u1 = rest(low, rows=slice(0, k)), rest(up, columns=slice(0, k))
    half = _left(l1, rest(b, rows=slice(0, k)), True, True)
    inner = _right(rest(half, columns=slice(0, k)), u1, False)
    dl, du = matmul(l1, lower(inner, -1)), matmul(upper(inner), u1)
    if m > k:
        below = rest(b, rows=slice(k, None)) - matmul(rest(low, rows=slice(k, None)), du)
        dl = concatenate(dl, _right(below, u1, False), axis=dl.ndim - 2)
    if n > k:
        beside = rest(half, columns=slice(k, None)) - matmul(lower(inner, -1), rest(up, columns=slice(k, None)))
        du = concatenate(du, beside, axis=du.ndim - 1)
    return None, dl, du


def _lu_sample(rng: np.random.Generator) -> Any:
    return [((_plain(rng, shape, c)[..., ::-1],), {}) for shape, c in (
        ((3, 3), False), ((4, 2), False), ((2, 4), False), ((2, 2, 2), False), ((3, 3), True), ((3, 2), True))]


lu: Primitive = Primitive(
    "lu", type=_lu_type, evaluate=_lu_evaluate, multiple=True, jvp=_lu_jvp, sample=_lu_sample,
    batch=lambda n, ops, batched: lu(ops[0]))


# ---------------------------------------------------------------- singular values

def _svd_type(a: ArrayType, *, full: bool, by: str = "") -> tuple[ArrayType, ArrayType, ArrayType]:
    if a.ndim < 2:
        raise np.linalg.LinAlgError(f"{a.ndim}-dimensional array given. Array must be at least two-dimensional")
    *stack, m, n = a.shape
    k = min(m, n)
    real = np.empty(0, a.dtype).real.dtype
    return (ArrayType((*stack, m, m if full else k), a.dtype), ArrayType((*stack, k), real),
            ArrayType((*stack, n if full else k, n), a.dtype))


def _svd_evaluate(a: Any, *, full: bool, by: str = "") -> Any:
    if by == "scipy":
        from scipy.linalg import svd as solver
        return tuple(solver(a, full_matrices=full, check_finite=False))
    return tuple(np.linalg.svd(a, full_matrices=full))


def _svd_jvp(results: Any, ops: Any, tangents: Any, *, needed: Any, full: bool, by: str = "") -> Any:
    u, s, vh = results
    da, at = tangents[0], line_of(s)
    m, n = da.shape[-2:]
    k = min(m, n)
    if not needed[0] and not needed[2]:
        if full:  # without the arbitrary columns, so that this can be differentiated again
            u, _, vh = svd(ops[0], full=False, by="values")
        return None, inner_diagonal(u, matmul(da, mH(vh))), None
    u1 = rest(u, columns=slice(0, k)) if u.shape[-1] > k else u
    v = mH(vh)
    v1 = rest(v, columns=slice(0, k)) if n > k and full else v
    b = matmul(da, v1)
    inner = matmul(mH(u1), b)
    ds, turn = rotation(inner, s, edge=m != n, alone=by == "values", at=at)
    other = corotation(inner, s, at=at)
    du, dv = matmul(u1, turn + other), matmul(v1, turn - other)
    if m > k:
        du = du + _outside(u1, over_values(b, s, at=at))
    if n > k:
        dv = dv + _outside(v1, over_values(matmul(mH(da), u1), s, at=at))
    if u.dtype.kind == "c":
        phases = turned_back(dv, v1, 0, at) if m >= n else turned_back(du, u1, 0, at)
        du, dv = du + u1 * phases, dv + v1 * phases
    if u.shape[-1] > k and needed[0]:
        du = concatenate(du, _complement(u, u1, du, da, at), axis=u.ndim - 1)
    if v.shape[-1] > k and needed[2]:
        dv = concatenate(dv, _complement(v, v1, dv, da, at), axis=v.ndim - 1)
    return du, ds, mH(dv)


def _outside(u: Any, x: Any) -> Any:
    """``(1 - U Uᴴ) X``."""
    return x - matmul(u, matmul(mH(u), x))


def _svd_sample(rng: np.random.Generator) -> Any:
    return [((_plain(rng, shape, c),), {"full": full}) for shape, full, c in (
        ((3, 3), True, False), ((4, 2), False, False), ((2, 4), False, False), ((3, 2), True, False),
        ((2, 3), True, False), ((2, 2, 2), False, False), ((3, 3), False, True), ((4, 2), False, True),
        ((2, 3), False, True), ((1, 1), True, False), ((0, 3, 2), False, False))]


svd: Primitive = Primitive(
    "svd", type=_svd_type, evaluate=_svd_evaluate, multiple=True, jvp=_svd_jvp, sample=_svd_sample,
    batch=lambda n, ops, batched, **params: svd(ops[0], **params))


def _svdvals_evaluate(a: Any, *, by: str = "") -> Any:
    if by == "scipy":
        from scipy.linalg import svdvals as solver
        return solver(a, check_finite=False)
    return np.linalg.svd(a, compute_uv=False)


def _svdvals_jvp(s: Any, ops: Any, tangents: Any, *, by: str = "") -> Any:
    """ds = Re diag(Uᴴ dA V); the vectors are computed only here, and are marked: see `gauge`."""
    u, _, vh = svd(ops[0], full=False, by="values")
    return inner_diagonal(u, matmul(tangents[0], mH(vh)))


svdvals: Primitive = Primitive(
    "svdvals", type=lambda a, *, by="": _svd_type(a, full=False)[1], evaluate=_svdvals_evaluate, jvp=_svdvals_jvp,
    kinks=lambda s, a, **params: coincident(pad(s, widths=((0, 0),) * (s.ndim - 1) + ((0, 1),))),
    batch=lambda n, ops, batched, **params: svdvals(ops[0], **params),
    sample=lambda rng: [(ops, {}) for ops, params in _svd_sample(rng) if not params["full"]])
