"""Inverses, determinants, pseudoinverses and least squares.

What comes in: stacks of matrices. What goes out: inverses, determinants, solutions. The one idea: an inverse is its
own derivative (``dX = -X dA X``), and so is a pseudoinverse of constant rank (Golub & Pereyra, "The
differentiation of pseudo-inverses and nonlinear least squares problems whose variables separate", SIAM J. Numer.
Anal. 10, 1973), so these are closed under differentiation.

The derivative of a determinant is its adjugate, which exists for singular matrices too. It and its first
derivative are computed from singular values, as products that leave one or two of them out; with
A = U S Vᴴ, adj(A) = det(U) det(Vᴴ) V adj(S) Uᴴ (Stewart, "On the adjugate matrix", Linear Algebra Appl. 283, 1998).
Further derivatives of a singular matrix are those of a polynomial that divides by integers only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import NonDifferentiableError
from wengert.graph import ArrayType, Const, Primitive
from wengert.primitives.contract import matmul, mT
from wengert.primitives.elementwise import imag, make_complex
from wengert.primitives.matrices import aligned, diag_of, lifted, mH, real_part, square_only
from wengert.primitives.structure import broadcast, reduce_sum, reshape, select, sum_to

__all__ = ["adjugate", "det", "inv", "lstsq", "pinv", "slogdet", "trace_of_product"]


def _draw(rng: np.random.Generator, *shape: int, is_complex: bool = False) -> Any:
    a = rng.uniform(-1.0, 1.0, shape) + 2.0 * np.eye(shape[-2], shape[-1])
    return a + 1j * rng.uniform(-1.0, 1.0, shape) if is_complex else a


def _square_sample(rng: np.random.Generator) -> Any:
    return [((_draw(rng, 3, 3),), {}), ((_draw(rng, 2, 2, 2),), {}), ((_draw(rng, 3, 3, is_complex=True),), {}),
            ((_draw(rng, 1, 1),), {}), ((np.zeros((0, 2, 2)),), {})]


def trace_of_product(a: Any, b: Any) -> Any:
    """``trace(a @ b)`` without the product."""
    return reduce_sum(mT(a) * b, axes=(b.ndim - 2, b.ndim - 1))


def scaled(s: Any, x: Any) -> Any:
    """Numbers times the matrices of a stack."""
    return reshape(s, shape=(*s.shape, 1, 1)) * x


# ---------------------------------------------------------------- inverse

def _square_type(a: ArrayType, **params: Any) -> ArrayType:
    square_only(a)
    return a


def _inv_evaluate(a: Any, *, use: str = "") -> Any:
    """`use` is "" (a singular matrix is an error), "nan" (it gives NaN), "eig" or "det" (an error of their own)."""
    try:
        out = np.linalg.inv(a)
    except np.linalg.LinAlgError:
        if use == "nan":
            return _inv_or_nan(a)
        if use:
            raise NonDifferentiableError(_SINGULAR[use]) from None
        raise
    if use in _SINGULAR and a.size:
        size = np.abs(out).sum((-2, -1)) * np.abs(a).sum((-2, -1))
        if np.any(size * np.finfo(a.dtype).eps > 1e-4):
            raise NonDifferentiableError(_SINGULAR[use])
    return out


_LARGEST = 12  # rows of a singular matrix whose determinant is differentiated more than twice: see `_polynomial`
_SINGULAR = {
    "eig": "np.linalg.eig of a matrix without a full set of eigenvectors (to working precision): its eigenvalues and "
           "eigenvectors have no derivative there. A function of the whole matrix has one (expm(a), np.trace(a @ a)); or "
           "move the matrix off this point",
    "det": f"np.linalg.det of a singular matrix (to working precision) is differentiated more than twice up to "
           f"{_LARGEST} rows only. Take the determinant of a smaller block (a Schur complement), or move away from the "
           f"singular point"}


def _inv_or_nan(a: Any) -> Any:
    out = np.full_like(a, np.nan)
    for k in np.ndindex(*a.shape[:-2]):
        try:
            out[k] = np.linalg.inv(a[k])
        except np.linalg.LinAlgError:
            continue
    return out


inv: Primitive = Primitive(
    "inv", type=_square_type, evaluate=_inv_evaluate,
    jvp=lambda y, ops, tangents, **use: -matmul(y, matmul(tangents[0], y)),
    batch=lambda n, ops, batched, **use: inv(ops[0], **use), sample=_square_sample)


# ---------------------------------------------------------------- determinants

def _det_type(a: ArrayType) -> ArrayType:
    square_only(a)
    return ArrayType(a.shape[:-2], a.dtype)


det: Primitive = Primitive(
    "det", type=_det_type, evaluate=lambda a: np.linalg.det(a),
    jvp=lambda y, ops, tangents: trace_of_product(adjugate(ops[0]), tangents[0]),
    batch=lambda n, ops, batched: det(ops[0]), sample=_square_sample)


def _products_without(s: Any, count: int) -> Any:
    """Products of all s but one (or two), over the last axis: (..., n), or (..., n, n) with a diagonal of 0."""
    n = s.shape[-1]
    keep = ~np.eye(n, dtype=bool)
    if count == 1:
        return np.where(keep, s[..., None, :], 1).prod(-1).astype(s.dtype)
    pairs = keep[:, None, :] & keep[None, :, :]
    out = np.where(pairs, s[..., None, None, :], 1).prod(-1)
    return np.where(keep, out, 0).astype(s.dtype)


def _adjugate_evaluate(a: Any) -> Any:
    n = a.shape[-1]
    if n == 1 or not a.size:
        return np.ones_like(a)
    if not np.all(np.isfinite(a)):
        return np.full_like(a, np.nan)
    try:
        x = np.linalg.inv(a)
        if np.all(np.abs(x).sum((-2, -1)) * np.abs(a).sum((-2, -1)) < 1e3):  # well conditioned, and cheap
            return np.linalg.det(a)[..., None, None] * x
    except np.linalg.LinAlgError:
        pass
    u, s, vh = np.linalg.svd(a)
    sign = (np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
    v, uh = np.conj(np.swapaxes(vh, -1, -2)), np.conj(np.swapaxes(u, -1, -2))
    return sign * ((v * _products_without(s, 1)[..., None, :]) @ uh)


adjugate: Primitive = Primitive(
    "adjugate", type=_square_type, evaluate=_adjugate_evaluate,
    jvp=lambda y, ops, tangents: adjugate_tangent(tangents[0], ops[0]) if y.shape[-1] > 1 else None,
    batch=lambda n, ops, batched: adjugate(ops[0]), sample=_square_sample)


def _adjugate_tangent_evaluate(e: Any, a: Any) -> Any:
    """The differential of the adjugate at S, for diagonal S: diag(P diag(e)) - P * e, with P without two."""
    if not a.size or a.shape[-1] == 1:
        return np.zeros_like(a)
    if not np.all(np.isfinite(a)):
        return np.full_like(a, np.nan)
    u, s, vh = np.linalg.svd(a)
    sign = (np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
    v, uh = np.conj(np.swapaxes(vh, -1, -2)), np.conj(np.swapaxes(u, -1, -2))
    inner, without = uh @ e @ v, _products_without(s, 2)
    diagonal = (without @ np.diagonal(inner, axis1=-2, axis2=-1)[..., None])
    core = np.where(np.eye(a.shape[-1], dtype=bool), diagonal, -without * inner)
    return (sign * (v @ core @ uh)).astype(a.dtype)


def _well_conditioned_evaluate(a: Any) -> Any:
    """Whether derivatives may go through the inverse."""
    if not a.size:
        return np.ones(a.shape[:-2], bool)[()]
    s = np.linalg.svd(np.where(np.isfinite(a), a, 0.0), compute_uv=False)
    return s[..., -1] > 1e-3 * s[..., 0]


well_conditioned: Primitive = Primitive(
    "well_conditioned", type=lambda a: ArrayType(a.shape[:-2], np.bool_), evaluate=_well_conditioned_evaluate,
    differentiable=False, batch=lambda n, ops, batched: well_conditioned(ops[0]), sample=_square_sample)


def _adjugate_tangent_jvp(y: Any, ops: Any, tangents: Any) -> Any:
    """The third differential of det: through the inverse, or as a polynomial where the inverse is not exact."""
    e, a = ops
    f = tangents[1]
    if a.shape[-1] > _LARGEST:
        return _through_inverse(a, e, f)
    regular = well_conditioned(a)
    each = broadcast(reshape(regular, shape=(*regular.shape, 1, 1)), shape=a.shape)
    safe = select(each, a, Const(np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape)))
    return select(each, _through_inverse(safe, e, f), _polynomial(a, e, f))


def _polynomial(a: Any, e: Any, f: Any) -> Any:
    """D² adj(A)[E, F] by the recursion of Faddeev and LeVerrier, which divides by 1, ..., n only.

    ``M ← A M + c 1``, ``c = -tr(A M) / k``; adj(A) is the last M up to its sign. Each matrix carries its differentials
    along E, F and both.
    """
    n = a.shape[-1]
    one = Const(np.eye(n, dtype=a.dtype))
    product: tuple[Any, ...] = (a, e, f, None)
    for k in range(1, n):
        m, me, mf, mef = [None if p is None else p - scaled(reduce_sum(diag_of(p), axes=(a.ndim - 2,)) / float(k), one)
                          for p in product]
        both = matmul(e, mf) + matmul(f, me)
        product = (matmul(a, m), matmul(e, m) + matmul(a, me), matmul(f, m) + matmul(a, mf),
                   both if mef is None else both + matmul(a, mef))
    if mef is None:
        return a * 0.0
    return mef if n % 2 else -mef


def _through_inverse(a: Any, e: Any, f: Any) -> Any:
    """D² adj(A)[E, F] of a regular matrix."""
    d, x = det(a), inv(a, use="det")
    xe, xf = matmul(x, e), matmul(x, f)
    te, tf = reduce_sum(diag_of(xe), axes=(a.ndim - 2,)), reduce_sum(diag_of(xf), axes=(a.ndim - 2,))
    xex, xfx = matmul(xe, x), matmul(xf, x)
    inner = scaled(tf * te - trace_of_product(xf, xe), x) - scaled(tf, xex) - scaled(te, xfx)
    return scaled(d, inner + matmul(xf, xex) + matmul(xe, xfx))


def _pair_sample(rng: np.random.Generator) -> Any:
    return [((rng.normal(size=a.shape).astype(a.dtype), a), {}) for (a,), _ in _square_sample(rng)
            if a.shape[-1] > 1]


adjugate_tangent: Primitive = Primitive(
    "adjugate_tangent", type=lambda e, a: _square_type(a), evaluate=_adjugate_tangent_evaluate, linear=(0,),
    transpose=lambda ct, i, ops: mH(adjugate_tangent(mH(ct), ops[1])), jvp=_adjugate_tangent_jvp,
    batch=lambda n, ops, batched: adjugate_tangent(*lifted(n, ops, batched)), sample=_pair_sample)


def _slogdet_type(a: ArrayType) -> tuple[ArrayType, ArrayType]:
    square_only(a)
    return ArrayType(a.shape[:-2], a.dtype), ArrayType(a.shape[:-2], np.empty(0, a.dtype).real.dtype)


def _slogdet_jvp(results: Any, ops: Any, tangents: Any, *, needed: Any) -> Any:
    """d log det = tr(A⁻¹ dA); the sign of a real determinant is locally constant."""
    change = trace_of_product(inv(ops[0], use="nan"), tangents[0])
    turn = None
    if change.dtype.kind == "c" and needed[0]:
        turn = results[0] * make_complex(imag(change) * 0.0, imag(change))
    return turn, real_part(change)


slogdet: Primitive = Primitive(
    "slogdet", type=_slogdet_type, evaluate=lambda a: tuple(np.linalg.slogdet(a)), multiple=True,
    jvp=_slogdet_jvp, batch=lambda n, ops, batched: slogdet(ops[0]), sample=_square_sample)


# ---------------------------------------------------------------- pseudoinverse and least squares

def _pinv_type(a: ArrayType, *, cut: float | None) -> ArrayType:
    if a.ndim < 2:
        raise np.linalg.LinAlgError(f"{a.ndim}-dimensional array given. Array must be at least two-dimensional")
    return ArrayType((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)


def _pinv_evaluate(a: Any, *, cut: float | None) -> Any:
    if cut is None:
        return np.linalg.pinv(a).astype(a.dtype, copy=False)
    return np.linalg.pinv(a, cut).astype(a.dtype, copy=False)


def _pinv_jvp(p: Any, ops: Any, tangents: Any, *, cut: float | None) -> Any:
    """-P dA P + P Pᴴ dAᴴ (1 - A P) + (1 - P A) dAᴴ Pᴴ P, at constant rank."""
    a, da = ops[0], tangents[0]
    out = -matmul(p, matmul(da, p))
    if a.shape[-2] == a.shape[-1] == 1:
        return out
    left = matmul(p, matmul(mH(p), mH(da)))
    right = matmul(matmul(mH(da), mH(p)), p)
    return out + (left - matmul(matmul(left, a), p)) + (right - matmul(p, matmul(a, right)))


def _pinv_sample(rng: np.random.Generator) -> Any:
    whole = [((_draw(rng, *shape, is_complex=c),), {"cut": None}) for shape, c in (
        ((3, 2), False), ((2, 3), False), ((2, 3, 3), False), ((3, 2), True), ((2, 3), True), ((1, 1), False))]
    return [*whole, ((_draw(rng, 3, 3),), {"cut": 1e-8}), ((np.zeros((0, 3, 2)),), {"cut": None})]


pinv: Primitive = Primitive(
    "pinv", type=_pinv_type, evaluate=_pinv_evaluate, jvp=_pinv_jvp, sample=_pinv_sample,
    batch=lambda n, ops, batched, *, cut: pinv(ops[0], cut=cut))


def _lstsq_type(a: ArrayType, b: ArrayType, *, cut: float | None) -> ArrayType:
    if a.shape[-2] != b.shape[-2]:
        raise np.linalg.LinAlgError("Incompatible dimensions")
    return ArrayType((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-1], b.shape[-1]), b.dtype)


def _lstsq_evaluate(a: Any, b: Any, *, cut: float | None) -> Any:
    from wengert.primitives.matrices import mapped
    if a.ndim == b.ndim == 2:
        return np.linalg.lstsq(a, b, rcond=cut)[0]
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if 0 in stack:
        return np.zeros((*stack, a.shape[-1], b.shape[-1]), b.dtype)
    return mapped(lambda m, r: np.linalg.lstsq(m, r, rcond=cut)[0], (2, 2), a, b)


def cut_of(a: Any, cut: float | None) -> float:
    """The cutoff of least squares for `pinv`: the default is max(m, n) eps in both."""
    return float(np.finfo(a.dtype).eps) * max(a.shape[-2:]) if cut is None else cut


def _lstsq_jvp(x: Any, ops: Any, tangents: Any, *, cut: float | None) -> Any:
    """The pseudoinverse's differential applied to b, without b: A x and b are at hand."""
    a, b = ops
    da = tangents[0]
    p = pinv(a, cut=cut_of(a, cut))
    out = matmul(p, matmul(mH(p), matmul(mH(da), b - matmul(a, x))) - matmul(da, x))
    turn = matmul(mH(da), matmul(mH(p), x))
    return out + (turn - matmul(p, matmul(a, turn)))


def _lstsq_sample(rng: np.random.Generator) -> Any:
    def case(shape: Any, k: int, c: bool, cut: float | None = None) -> Any:
        a = _draw(rng, *shape, is_complex=c)
        return (a, rng.normal(size=(*shape[:-1], k)).astype(a.dtype)), {"cut": cut}
    return [case((4, 2), 1, False), case((2, 4), 2, False), case((3, 3), 2, True), case((4, 2), 2, True, 1e-9),
            case((2, 3, 2), 1, False)]


lstsq: Primitive = Primitive(
    "lstsq", type=_lstsq_type, evaluate=_lstsq_evaluate, linear=(1,), jvp=_lstsq_jvp, sample=_lstsq_sample,
    transpose=lambda ct, i, ops, *, cut: sum_to(
        matmul(mH(pinv(ops[0], cut=cut_of(ops[0], cut))), ct), ops.types[1].shape),
    batch=lambda n, ops, batched, *, cut: lstsq(*aligned(n, ops, batched, (2, 2)), cut=cut))
