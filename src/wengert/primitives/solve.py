"""Linear systems: factorizations and the solves that use them again.

What comes in: stacks of square matrices and right-hand sides. What goes out: solutions. The one idea: the
adjoint of a solve is a solve with the adjoint matrix, from the same factors. So the factorization is a primitive
without a derivative, and `solve_factored` carries the matrix itself as an operand, for the derivative:
``d(A⁻¹ b) = A⁻¹ (db - dA x)`` (Giles, "An extended collection of matrix derivative results", 2008). It is
closed: every derivative is again a product or a solve with the same factors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import ArrayType, Primitive
from wengert.primitives.contract import matmul, mT
from wengert.primitives.elementwise import conj
from wengert.primitives.matrices import aligned, lower, mapped, mH, square_only, stack_of, upper
from wengert.primitives.structure import sum_to

__all__ = ["lapack", "lu_factor", "lu_solve", "read_triangle", "solve", "solve_factored", "solve_triangular", "under"]

_ADJOINT = {"N": "C", "C": "N"}
_CODE = {"N": 0, "T": 1, "C": 2}


def lapack(name: str, dtype: Any) -> Any:
    """A routine of LAPACK for this dtype."""
    from scipy.linalg import get_lapack_funcs
    return get_lapack_funcs((name,), dtype=np.dtype(dtype))[0]


def under(a: Any, trans: str) -> Any:
    """A handle as it is, transposed, or its adjoint."""
    return a if trans == "N" else mT(a) if trans == "T" else mH(a)


# ---------------------------------------------------------------- factorization

def _factor_one(a: Any) -> tuple[Any, Any]:
    if not a.size:
        return np.array(a), np.zeros(0, np.int32)
    lu, pivots, info = lapack("getrf", a.dtype)(a)
    if info > 0:
        raise np.linalg.LinAlgError("Singular matrix")
    return lu, pivots.astype(np.int32)


def _factor_type(a: ArrayType) -> tuple[ArrayType, ArrayType]:
    square_only(a)
    return a, ArrayType(a.shape[:-1], np.int32)


def _factor_evaluate(a: Any) -> Any:
    a = np.asarray(a)
    if not a.size:
        return np.array(a), np.zeros(a.shape[:-1], np.int32)
    return mapped(_factor_one, (2,), a)


def _draw(rng: np.random.Generator, *shape: int, is_complex: bool = False) -> Any:
    """Matrices away from singular ones."""
    a = rng.uniform(-1.0, 1.0, shape)
    if is_complex:
        a = a + 1j * rng.uniform(-1.0, 1.0, shape)
    return a + 2.0 * np.eye(shape[-2], shape[-1])


def _square_sample(rng: np.random.Generator) -> Any:
    return [((_draw(rng, 3, 3),), {}), ((_draw(rng, 2, 2, 2),), {}), ((_draw(rng, 3, 3, is_complex=True),), {}),
            ((_draw(rng, 1, 1),), {}), ((np.zeros((0, 0)),), {}), ((np.zeros((0, 2, 2)),), {})]


# The factors of LAPACK's getrf. Locally constant on purpose: those who use them carry the matrix too.
lu_factor: Primitive = Primitive(
    "lu_factor", type=_factor_type, evaluate=_factor_evaluate, multiple=True, differentiable=False,
    batch=lambda n, ops, batched: lu_factor(ops[0]), sample=_square_sample)


# ---------------------------------------------------------------- solve with factors

def _solve_type(a: ArrayType, lu: ArrayType, pivots: ArrayType, b: ArrayType, *, trans: str) -> ArrayType:
    if a.dtype != b.dtype:
        raise TypeError(f"operands of different dtypes: {a}, {b}")
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"solve: a matrix of shape {a.shape} and a right-hand side of shape {b.shape}")
    return ArrayType((*stack_of(a.shape[:-2], lu.shape[:-2], pivots.shape[:-1], b.shape[:-2]), *b.shape[-2:]), b.dtype)


def _solve_evaluate(a: Any, lu: Any, pivots: Any, b: Any, *, trans: str) -> Any:
    stack = np.broadcast_shapes(a.shape[:-2], lu.shape[:-2], pivots.shape[:-1], b.shape[:-2])
    if not b.size or 0 in stack:
        return np.zeros(stack + b.shape[-2:], b.dtype)
    getrs, code = lapack("getrs", b.dtype), _CODE[trans]
    return mapped(lambda f, p, r: getrs(f, p.copy(), r, trans=code)[0], (2, 1, 2), lu, pivots, b)


def _solve_transpose(ct: Any, i: int, ops: Any, *, trans: str) -> Any:
    if trans == "T":
        out = conj(solve_factored(ops[0], ops[1], ops[2], conj(ct), trans="N"))
    else:
        out = solve_factored(ops[0], ops[1], ops[2], ct, trans=_ADJOINT[trans])
    return sum_to(out, ops.types[3].shape)


def _solve_jvp(x: Any, ops: Any, tangents: Any, *, trans: str) -> Any:
    a, lu, pivots, _ = ops
    if tangents[0] is None:  # the factors follow from the matrix and have no tangent of their own
        return None
    return -solve_factored(a, lu, pivots, matmul(under(tangents[0], trans), x), trans=trans)


def _solve_sample(rng: np.random.Generator) -> Any:
    """The matrix and the right side; the factors follow from the matrix."""
    cases = [((_draw(rng, 3, 3), rng.normal(size=(3, 2))), {"trans": trans}) for trans in "NTC"]
    stacked = ((_draw(rng, 2, 2, 2), rng.normal(size=(2, 2, 3))), {"trans": "N"})
    return [*cases, stacked, ((_draw(rng, 2, 2, is_complex=True), rng.normal(size=(2, 2)) + 1j), {"trans": "T"}),
            ((np.zeros((0, 0)), np.zeros((0, 2))), {"trans": "N"})]


solve_factored: Primitive = Primitive(
    "solve_factored", type=_solve_type, evaluate=_solve_evaluate, linear=(3,), transpose=_solve_transpose,
    jvp=_solve_jvp, batch=lambda n, ops, batched, *, trans: solve_factored(
        *aligned(n, ops, batched, (2, 2, 1, 2)), trans=trans),
    follows=lambda a, b, *, trans: (a, *lu_factor(a), b), sample=_solve_sample)


def lu_solve(a: Any, factors: Any, b: Any, trans: str = "N") -> Any:
    """A solve with the factors of a."""
    return solve_factored(a, *factors, b, trans=trans)


def solve(a: Any, b: Any, trans: str = "N") -> Any:
    """``A x = b`` (or with the transpose, or the adjoint); b is a stack of matrices."""
    return solve_factored(a, *lu_factor(a), b, trans=trans)


# ---------------------------------------------------------------- triangular systems

def _triangular_type(a: ArrayType, b: ArrayType, **params: Any) -> ArrayType:
    square_only(a)
    return _solve_type(a, a, ArrayType(a.shape[:-1], np.int32), b, trans="N")


def _triangular_evaluate(a: Any, b: Any, *, lower: bool, trans: str, unit: bool) -> Any:
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if not b.size or 0 in stack:
        return np.zeros(stack + b.shape[-2:], b.dtype)
    trtrs = lapack("trtrs", b.dtype)

    def one(m: Any, r: Any) -> Any:
        x, info = trtrs(m, r, lower=lower, trans=_CODE[trans], unitdiag=unit)
        if info > 0:
            raise np.linalg.LinAlgError(f"singular matrix: resolution failed at diagonal {info - 1}")
        return x
    return mapped(one, (2, 2), a, b)


def read_triangle(a: Any, below: bool, unit: bool) -> Any:
    """What a triangular solve reads of its matrix."""
    return lower(a, -1 if unit else 0) if below else upper(a, 1 if unit else 0)


def _triangular_transpose(ct: Any, i: int, ops: Any, *, lower: bool, trans: str, unit: bool) -> Any:
    if trans == "T":
        out = conj(solve_triangular(ops[0], conj(ct), lower=lower, trans="N", unit=unit))
    else:
        out = solve_triangular(ops[0], ct, lower=lower, trans=_ADJOINT[trans], unit=unit)
    return sum_to(out, ops.types[1].shape)


def _triangular_jvp(x: Any, ops: Any, tangents: Any, *, lower: bool, trans: str, unit: bool) -> Any:
    change = under(read_triangle(tangents[0], lower, unit), trans)
    return -solve_triangular(ops[0], matmul(change, x), lower=lower, trans=trans, unit=unit)


def _triangular_sample(rng: np.random.Generator) -> Any:
    out = []
    for below in (False, True):
        for trans in ("N", "T", "C"):
            for is_complex in (False, True):
                a = _draw(rng, 3, 3, is_complex=is_complex)
                b = _draw(rng, 3, 2, is_complex=is_complex)
                out.append(((a, b), {"lower": below, "trans": trans, "unit": is_complex and below}))
    out.append(((_draw(rng, 2, 2), _draw(rng, 3, 2, 1)), {"lower": True, "trans": "N", "unit": True}))
    out.append(((np.zeros((0, 0)), np.zeros((0, 2))), {"lower": True, "trans": "N", "unit": False}))
    return out


solve_triangular: Primitive = Primitive(
    "solve_triangular", type=_triangular_type, evaluate=_triangular_evaluate, linear=(1,),
    transpose=_triangular_transpose, jvp=_triangular_jvp, sample=_triangular_sample,
    batch=lambda n, ops, batched, **params: solve_triangular(*aligned(n, ops, batched, (2, 2)), **params))
