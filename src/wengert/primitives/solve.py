"""Linear systems: solves that keep their factorization.

What comes in: stacks of matrices. What goes out: solutions. The one idea: the factorization is computed once, by a
primitive of its own; the solve is a primitive of the matrix, its factorization and the right side, linear in the right
side, so value, tangent and adjoint share one factorization: ``dx = A^-1 (db - dA x)``, ``b̄ = A^-H x̄``, ``Ā = -b̄ x^H``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import ArrayType, Const, Primitive
from wengert.primitives.contract import matmul, mT
from wengert.primitives.elementwise import conj
from wengert.primitives.structure import broadcast, reduce_sum, reshape, select

__all__ = [
    "adjoint",
    "cofactor",
    "det",
    "diagonal_sum",
    "lu_factor",
    "solve_factored",
    "solve_with",
    "triangle",
    "triangular_solve",
]


def adjoint(x: Any) -> Any:
    """The conjugate transpose of the last two axes."""
    return conj(mT(x))


def _stack(n: int, x: Any, batched: bool) -> Any:
    return x if batched else broadcast(reshape(x, shape=(1, *x.shape)), shape=(n, *x.shape))


def stacked(primitive_of: Any) -> Any:
    """Batching of what works on stacks of matrices: one more leading axis."""

    def batch(n: int, ops: Any, batched: Any, **params: Any) -> Any:
        return primitive_of()(*[_stack(n, o, b) for o, b in zip(ops, batched, strict=True)], **params)

    return batch


def each(function: Any, *stacks: Any, core: int = 2) -> Any:
    """A LAPACK routine over the leading axes; `function` takes and gives tuples of single matrices."""
    lead = stacks[0].shape[: stacks[0].ndim - core]
    if not lead:
        return function(*stacks)
    results = [function(*[s[k] for s in stacks]) for k in np.ndindex(lead)]
    return tuple(np.stack(column).reshape(lead + np.shape(column[0])) for column in zip(*results, strict=True))


def _require_square(a: ArrayType) -> None:
    if a.ndim < 2:
        raise np.linalg.LinAlgError(f"{a.ndim}-dimensional array given. Array must be at least two-dimensional")
    if a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")


def well_conditioned(rng: np.random.Generator, *lead: int, n: int = 3) -> Any:
    return rng.normal(size=(*lead, n, n)) + 3.0 * np.eye(n)


# ---------------------------------------------------------------- LU


def _lu_type(a: ArrayType) -> tuple[ArrayType, ArrayType]:
    _require_square(a)
    return a, ArrayType(a.shape[:-1], np.int32)


def _lu_evaluate(a: Any) -> Any:
    from scipy.linalg.lapack import get_lapack_funcs

    (getrf,) = get_lapack_funcs(("getrf",), (a,))

    def one(m: Any) -> Any:
        if m.shape[0] == 0:
            return m, np.zeros(0, np.int32)
        lu, pivots, info = getrf(m)
        if info > 0:
            raise np.linalg.LinAlgError("Singular matrix")
        return lu.astype(a.dtype, copy=False), pivots.astype(np.int32, copy=False)

    lu, pivots = each(one, a)
    return lu.reshape(a.shape), pivots.reshape(a.shape[:-1])


lu_factor: Primitive = Primitive(
    "lu_factor",
    type=_lu_type,
    evaluate=_lu_evaluate,
    multiple=True,
    differentiable=False,
    batch=stacked(lambda: lu_factor),
    sample=lambda rng: [((well_conditioned(rng),), {}), ((well_conditioned(rng, 2),), {})],
)


def _solve_type(a: ArrayType, lu: ArrayType, pivots: ArrayType, b: ArrayType, *, trans: int) -> ArrayType:
    if b.shape[:-2] != a.shape[:-2] or b.shape[-2] != a.shape[-1]:
        raise ValueError(f"solve: mismatch of a right side of shape {b.shape} with a matrix of shape {a.shape}")
    return b


def _solve_evaluate(a: Any, lu: Any, pivots: Any, b: Any, *, trans: int) -> Any:
    from scipy.linalg.lapack import get_lapack_funcs

    (getrs,) = get_lapack_funcs(("getrs",), (lu, b))

    def one(f: Any, p: Any, right: Any) -> Any:
        if right.size == 0:
            return (right,)
        return (getrs(f, p, right, trans=trans)[0].astype(b.dtype, copy=False),)

    lead = a.shape[:-2]
    if not lead:
        return one(lu, pivots, b)[0]
    out = np.empty_like(b)
    for k in np.ndindex(lead):
        out[k] = one(lu[k], pivots[k], b[k])[0]
    return out


def _solve_jvp(y: Any, operands: Any, tangents: Any, *, trans: int) -> Any:
    """``-A^-1 dA x``; the factors follow from A and have no tangent of their own."""
    a, lu, pivots, _ = operands
    da = tangents[0] if trans == 0 else adjoint(tangents[0])
    return -solve_factored(a, lu, pivots, matmul(da, y), trans=trans)


# trans = 0 solves A x = b, trans = 2 solves A^H x = b
solve_factored: Primitive = Primitive(
    "solve_factored",
    type=_solve_type,
    evaluate=_solve_evaluate,
    linear=(3,),
    jvp=_solve_jvp,
    transpose=lambda ct, i, ops, *, trans: solve_factored(ops[0], ops[1], ops[2], ct, trans=2 - trans),
    follows=lambda a, b: (a, *lu_factor(a), b),
    batch=stacked(lambda: solve_factored),
    sample=lambda rng: [_solve_case(rng, 0), _solve_case(rng, 2), _solve_case(rng, 0, 2)],
)


def _solve_case(rng: np.random.Generator, trans: int, *lead: int) -> Any:
    return (well_conditioned(rng, *lead), rng.normal(size=(*lead, 3, 2))), {"trans": trans}


def solve_with(a: Any, b: Any) -> Any:
    """``A^-1 b`` for stacks of matrices of equal leading shape."""
    lu, pivots = lu_factor(a)
    return solve_factored(a, lu, pivots, b, trans=0)


# ---------------------------------------------------------------- triangular systems


def triangle(x: Any, lower: bool, offset: int = 0) -> Any:
    """The lower (or upper) triangle of the last two axes, zeros elsewhere; by selection."""
    n, m = x.shape[-2:]
    mask = np.tri(n, m, offset, dtype=bool) if lower else ~np.tri(n, m, -1 - offset, dtype=bool)
    return select(Const(mask), x, Const(np.zeros((), x.dtype)))


def _triangular_evaluate(a: Any, b: Any, *, lower: bool, trans: int, unit: bool) -> Any:
    from scipy.linalg.lapack import get_lapack_funcs

    (trtrs,) = get_lapack_funcs(("trtrs",), (a, b))

    def one(m: Any, right: Any) -> Any:
        if right.size == 0:
            return right
        x, info = trtrs(m, right, lower=lower, trans=trans, unitdiag=unit)
        if info > 0:
            raise np.linalg.LinAlgError(f"singular matrix: resolution failed at diagonal {info - 1}")
        return x

    lead = a.shape[:-2]
    if not lead:
        return one(a, b).astype(b.dtype, copy=False)
    out = np.empty_like(b)
    for k in np.ndindex(lead):
        out[k] = one(a[k], b[k])
    return out


def _triangular_type(a: ArrayType, b: ArrayType, *, lower: bool, trans: int, unit: bool) -> ArrayType:
    _require_square(a)
    if b.shape[:-2] != a.shape[:-2] or b.shape[-2] != a.shape[-1]:
        raise ValueError(f"shapes of a {a.shape} and b {b.shape} are incompatible")
    return b


def _triangular_jvp(y: Any, operands: Any, tangents: Any, *, lower: bool, trans: int, unit: bool) -> Any:
    """``-T^-1 dT x`` with dT of T's triangle (without the diagonal, if that is taken as ones)."""
    a, _ = operands
    da = triangle(tangents[0], lower, -1 if unit and lower else 0)
    if unit and not lower:
        da = triangle(tangents[0], False, -1)
    if trans:
        da = mT(da) if trans == 1 else adjoint(da)
    return -triangular_solve(a, matmul(da, y), lower=lower, trans=trans, unit=unit)


def _triangular_transpose(ct: Any, i: int, ops: Any, *, lower: bool, trans: int, unit: bool) -> Any:
    """The adjoint of ``T^-1`` is ``T^-H``; of ``T^-T`` it is ``conj(T)^-1``."""
    if trans == 1 and ct.dtype.kind == "c":
        return conj(triangular_solve(ops[0], conj(ct), lower=lower, trans=0, unit=unit))
    return triangular_solve(ops[0], ct, lower=lower, trans=2 if trans == 0 else 0, unit=unit)


triangular_solve: Primitive = Primitive(
    "triangular_solve",
    type=_triangular_type,
    evaluate=_triangular_evaluate,
    linear=(1,),
    jvp=_triangular_jvp,
    transpose=_triangular_transpose,
    batch=stacked(lambda: triangular_solve),
    sample=lambda rng: (
        [
            ((well_conditioned(rng), rng.normal(size=(3, 2))), {"lower": lower, "trans": trans, "unit": unit})
            for lower in (True, False)
            for trans in (0, 1, 2)
            for unit in (True, False)
        ]
        + [((well_conditioned(rng, 2), rng.normal(size=(2, 3, 2))), {"lower": True, "trans": 0, "unit": False})]
    ),
)


# ---------------------------------------------------------------- determinants


def diagonal_sum(x: Any) -> Any:
    """The trace of the last two axes."""
    masked = select(Const(np.eye(x.shape[-2], x.shape[-1], dtype=bool)), x, Const(np.zeros((), x.dtype)))
    return reduce_sum(masked, axes=(x.ndim - 2, x.ndim - 1))


def _det_type(a: ArrayType) -> ArrayType:
    _require_square(a)
    return ArrayType(a.shape[:-2], a.dtype)


def _cofactor_evaluate(a: Any) -> Any:
    """``det(A) A^-T`` through the singular values, so that it is right for singular matrices too."""
    if a.shape[-1] == 0:
        return a
    u, s, vh = np.linalg.svd(a)
    n = s.shape[-1]
    others = np.stack([np.prod(np.delete(s, i, axis=-1), axis=-1) for i in range(n)], axis=-1)
    sign = np.conj(np.linalg.det(u) * np.linalg.det(vh)) if a.dtype.kind != "c" else np.linalg.det(u) * np.linalg.det(vh)
    middle = np.conj(u) * others[..., None, :]
    return (sign[..., None, None] * (middle @ np.conj(vh))).astype(a.dtype)


def _cofactor_jvp(y: Any, operands: Any, tangents: Any) -> Any:
    """``dC = tr(A^-1 dA) C - C dA^T A^-T``; a second derivative at a singular matrix is refused by the solve."""
    (a,), (da,) = operands, tangents
    x = solve_with(a, da)
    scale = reshape(diagonal_sum(x), shape=(*a.shape[:-2], 1, 1))
    return scale * y - matmul(y, mT(x))


cofactor: Primitive = Primitive(
    "cofactor",
    type=lambda a: a,
    evaluate=_cofactor_evaluate,
    jvp=_cofactor_jvp,
    batch=stacked(lambda: cofactor),
    sample=lambda rng: [((well_conditioned(rng),), {}), ((well_conditioned(rng, 2),), {})],
)


def _det_jvp(y: Any, operands: Any, tangents: Any) -> Any:
    """``Σ_ij C_ij dA_ij`` (Jacobi), with the cofactors C: right at singular matrices."""
    (a,), (da,) = operands, tangents
    return reduce_sum(cofactor(a) * da, axes=(a.ndim - 2, a.ndim - 1))


det: Primitive = Primitive(
    "det",
    type=_det_type,
    evaluate=lambda a: np.linalg.det(a),
    jvp=_det_jvp,
    batch=stacked(lambda: det),
    sample=lambda rng: [((well_conditioned(rng),), {}), ((well_conditioned(rng, 2),), {})],
)


def _slogdet_jvp(results: Any, operands: Any, tangents: Any, *, needed: Any) -> Any:
    """``d log|det A| = Re tr(A^-1 dA)``; the phase turns by its imaginary part."""
    from wengert.primitives.elementwise import imag, make_complex, real

    (a,), (da,) = operands, tangents
    trace = diagonal_sum(solve_with(a, da))
    if a.dtype.kind != "c":
        return None, trace
    turn = imag(trace)
    return results[0] * make_complex(turn * 0.0, turn), real(trace)


def _slogdet_type(a: ArrayType) -> tuple[ArrayType, ArrayType]:
    _require_square(a)
    return ArrayType(a.shape[:-2], a.dtype), ArrayType(a.shape[:-2], np.empty(0, a.dtype).real.dtype)


slogdet: Primitive = Primitive(
    "slogdet",
    type=_slogdet_type,
    evaluate=lambda a: tuple(np.linalg.slogdet(a)),
    multiple=True,
    jvp=_slogdet_jvp,
    batch=stacked(lambda: slogdet),
    sample=lambda rng: [((well_conditioned(rng),), {}), ((well_conditioned(rng, 2),), {})],
)


def _pinv_type(a: ArrayType, *, rcond: float) -> ArrayType:
    return ArrayType((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)


def _pinv_jvp(y: Any, operands: Any, tangents: Any, *, rcond: float) -> Any:
    """``dA⁺ = -A⁺ dA A⁺ + A⁺A⁺ᴴ dAᴴ (1 - A A⁺) + (1 - A⁺A) dAᴴ A⁺ᴴA⁺`` at constant rank (Golub and Pereyra 1973)."""
    (a,), (da,) = operands, tangents
    yh, dah = adjoint(y), adjoint(da)
    out = -matmul(matmul(y, da), y)
    second = matmul(matmul(y, yh), dah)
    out = out + second - matmul(matmul(second, a), y)
    third = matmul(dah, matmul(yh, y))
    return out + third - matmul(y, matmul(a, third))


pinv: Primitive = Primitive(
    "pinv",
    type=_pinv_type,
    evaluate=lambda a, *, rcond: np.linalg.pinv(a, rcond),
    jvp=_pinv_jvp,
    batch=stacked(lambda: pinv),
    sample=lambda rng: [((rng.normal(size=(4, 3)),), {"rcond": 1e-15}), ((rng.normal(size=(2, 2, 3)),), {"rcond": 1e-15})],
)


def _unpivoted_evaluate(a: Any) -> Any:
    """Factors of rows that are already in pivot order."""
    n = a.shape[-1]
    low, up = np.eye(n, dtype=a.dtype), a.copy()
    for k in range(n - 1):
        low[k + 1 :, k] = up[k + 1 :, k] / up[k, k]
        up[k + 1 :] -= np.outer(low[k + 1 :, k], up[k])
    return low, np.triu(up)


def _unpivoted_jvp(results: Any, operands: Any, tangents: Any, *, needed: Any) -> Any:
    """``M = L^-1 dA U^-1``; ``dL = L tril(M, -1)``, ``dU = triu(M) U``."""
    low, up = results
    half = triangular_solve(low, tangents[0], lower=True, trans=0, unit=True)
    m = mT(triangular_solve(up, mT(half), lower=False, trans=1, unit=False))
    return (matmul(low, triangle(m, True, -1)) if needed[0] else None), (matmul(triangle(m, False), up) if needed[1] else None)


lu_unpivoted: Primitive = Primitive(
    "lu_unpivoted",
    type=lambda a: (a, a),
    evaluate=_unpivoted_evaluate,
    multiple=True,
    jvp=_unpivoted_jvp,
    sample=lambda rng: [((well_conditioned(rng),), {})],
)
