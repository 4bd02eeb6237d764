"""Banded linear systems: as many operations as the band has elements.

What comes in: the diagonals of square matrices, as ``scipy.linalg.solve_banded`` takes them (element (i, j) of the matrix at
``[above + i - j, j]``), and right-hand sides. What goes out: solutions. The one idea: as for full systems, the factorization is
a primitive without a derivative, and the solve carries the diagonals for ``d(A⁻¹ b) = A⁻¹ (db - dA x)``; the product of a
banded matrix with x is a sum over diagonals, so derivatives of every order stay linear in the length.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import ArrayType, Primitive
from wengert.primitives.elementwise import conj
from wengert.primitives.matrices import aligned, mapped, rest, stack_of
from wengert.primitives.solve import lapack
from wengert.primitives.structure import pad, reshape, sum_to

__all__ = ["banded_factor", "banded_product", "solve_banded", "solve_banded_factored"]

_ADJOINT = {"N": "C", "C": "N"}
_CODE = {"N": 0, "T": 1, "C": 2}


# ---------------------------------------------------------------- factorization

def _factor_type(ab: ArrayType, *, below: int, definite: bool) -> tuple[ArrayType, ArrayType]:
    rows, n = ab.shape[-2:]
    stored = below + 1 if definite else rows + below
    return ArrayType((*ab.shape[:-2], stored, n), ab.dtype), ArrayType((*ab.shape[:-2], n), np.int32)


def _factor_one(ab: Any, below: int, definite: bool) -> tuple[Any, Any]:
    rows, n = ab.shape
    if definite:
        factor, info = lapack("pbtrf", ab.dtype)(ab[rows - below - 1:], lower=1)
        if info > 0:
            raise np.linalg.LinAlgError(f"{info}th leading minor not positive definite")
        return factor, np.zeros(n, np.int32)
    stored = np.zeros((rows + below, n), ab.dtype)
    stored[below:] = ab
    lu, pivots, info = lapack("gbtrf", ab.dtype)(stored, below, rows - below - 1)
    if info > 0:
        raise np.linalg.LinAlgError("singular matrix")
    return lu, pivots.astype(np.int32)


def _factor_evaluate(ab: Any, *, below: int, definite: bool) -> Any:
    ab = np.asarray(ab)
    if not ab.size:
        stored = below + 1 if definite else ab.shape[-2] + below
        return np.zeros((*ab.shape[:-2], stored, ab.shape[-1]), ab.dtype), np.zeros((*ab.shape[:-2], ab.shape[-1]), np.int32)
    return mapped(lambda m: _factor_one(m, below, definite), (2,), ab)


def _draw(rng: np.random.Generator, below: int, above: int, n: int, stack: tuple[int, ...] = (), definite: bool = False,
          is_complex: bool = False) -> Any:
    """Diagonals of a matrix whose own diagonal outweighs the others."""
    ab = rng.uniform(-0.4, 0.4, (*stack, below + above + 1, n))
    if is_complex:
        ab = ab + 1j * rng.uniform(-0.4, 0.4, ab.shape)
    ab[..., above, :] += 2.5
    if definite:
        ab[..., above, :] = ab[..., above, :].real
        for k in range(1, below + 1):
            ab[..., above - k, k:] = ab[..., above + k, :n - k].conj()
    return ab


# The factors of LAPACK's gbtrf, or pbtrf. Locally constant on purpose: those who use them carry the matrix too.
banded_factor: Primitive = Primitive(
    "banded_factor", type=_factor_type, evaluate=_factor_evaluate, multiple=True, differentiable=False,
    batch=lambda n, ops, batched, **params: banded_factor(ops[0], **params),
    sample=lambda rng: [((_draw(rng, 1, 2, 5),), {"below": 1, "definite": False}),
                        ((_draw(rng, 1, 1, 4, (2,)),), {"below": 1, "definite": False}),
                        ((_draw(rng, 2, 2, 5, (), True),), {"below": 2, "definite": True})])


# ---------------------------------------------------------------- solve with factors

Operands = tuple[ArrayType, ArrayType, ArrayType, ArrayType]


def _solve_type(ab: ArrayType, lu: ArrayType, pivots: ArrayType, b: ArrayType, *, below: int, definite: bool,
                trans: str) -> ArrayType:
    if ab.dtype != b.dtype:
        raise TypeError(f"operands of different dtypes: {ab}, {b}")
    if ab.shape[-1] != b.shape[-2]:
        raise ValueError("shapes of ab and b are not compatible.")
    return ArrayType((*stack_of(ab.shape[:-2], lu.shape[:-2], pivots.shape[:-1], b.shape[:-2]), *b.shape[-2:]), b.dtype)


def _solve_evaluate(ab: Any, lu: Any, pivots: Any, b: Any, *, below: int, definite: bool, trans: str) -> Any:
    stack = np.broadcast_shapes(ab.shape[:-2], lu.shape[:-2], pivots.shape[:-1], b.shape[:-2])
    if not b.size or 0 in stack:
        return np.zeros(stack + b.shape[-2:], b.dtype)
    if definite:
        pbtrs, turned = lapack("pbtrs", b.dtype), trans == "T" and b.dtype.kind == "c"
        return mapped(lambda f, r: pbtrs(f.conj() if turned else f, r, lower=1)[0], (2, 2), lu, b)
    gbtrs, code, above = lapack("gbtrs", b.dtype), _CODE[trans], ab.shape[-2] - below - 1
    # SciPy's wrapper counts the pivots from 1 in place, and they may lie where nothing can be written
    return mapped(lambda f, p, r: gbtrs(f, below, above, r, p.copy(), trans=code)[0], (2, 1, 2), lu, pivots, b)


def banded_product(ab: Any, x: Any, below: int, trans: str = "N") -> Any:
    """The banded matrix (or its transpose, or its adjoint) times a stack of matrices."""
    rows, n = ab.shape[-2:]
    total = None
    for k in range(rows):
        d = k - (rows - below - 1)  # element (j + d, j) of the matrix
        if abs(d) >= n:
            continue
        first, count = max(0, -d), n - abs(d)
        diagonal = rest(ab, rows=slice(k, k + 1), columns=slice(first, first + count))
        diagonal = reshape(diagonal, shape=(*ab.shape[:-2], count, 1))
        if trans == "C":
            diagonal = conj(diagonal)
        source, target = (first, first + d) if trans == "N" else (first + d, first)
        product = diagonal * rest(x, rows=slice(source, source + count))
        term = pad(product, widths=((0, 0),) * (product.ndim - 2) + ((target, n - target - count), (0, 0)))
        total = term if total is None else total + term
    return total


def _solve_transpose(ct: Any, i: int, ops: Any, *, below: int, definite: bool, trans: str) -> Any:
    how = {"below": below, "definite": definite}
    if trans == "T":
        out = conj(solve_banded_factored(ops[0], ops[1], ops[2], conj(ct), trans="N", **how))
    else:
        out = solve_banded_factored(ops[0], ops[1], ops[2], ct, trans=_ADJOINT[trans], **how)
    return sum_to(out, ops.types[3].shape)


def _solve_jvp(x: Any, ops: Any, tangents: Any, *, below: int, definite: bool, trans: str) -> Any:
    if tangents[0] is None:  # the factors follow from the matrix and have no tangent of their own
        return None
    change = banded_product(tangents[0], x, below, trans)
    return -solve_banded_factored(*ops[:3], change, below=below, definite=definite, trans=trans)


def _solve_sample(rng: np.random.Generator) -> Any:
    general = [((_draw(rng, 1, 2, 5), rng.normal(size=(5, 2))), {"below": 1, "definite": False, "trans": t}) for t in "NTC"]
    return [*general,
            ((_draw(rng, 2, 1, 4, is_complex=True), rng.normal(size=(4, 1)) + 1j),
             {"below": 2, "definite": False, "trans": "T"}),
            ((_draw(rng, 1, 1, 4, (2,)), rng.normal(size=(4, 2))), {"below": 1, "definite": False, "trans": "N"}),
            ((_draw(rng, 0, 0, 3), rng.normal(size=(3, 1))), {"below": 0, "definite": False, "trans": "N"}),
            ((_draw(rng, 2, 2, 2), rng.normal(size=(2, 1))), {"below": 2, "definite": False, "trans": "N"})]


solve_banded_factored: Primitive = Primitive(
    "solve_banded_factored", type=_solve_type, evaluate=_solve_evaluate, linear=(3,), transpose=_solve_transpose,
    jvp=_solve_jvp, batch=lambda n, ops, batched, **params: solve_banded_factored(
        *aligned(n, ops, batched, (2, 2, 1, 2)), **params),
    follows=lambda ab, b, *, below, definite, trans: (ab, *banded_factor(ab, below=below, definite=definite), b),
    sample=_solve_sample)


def solve_banded(ab: Any, b: Any, below: int, definite: bool = False, trans: str = "N") -> Any:
    """``A x = b`` for the matrix with these diagonals, `below` of them under its own; b is a stack of matrices."""
    return solve_banded_factored(ab, *banded_factor(ab, below=below, definite=definite), b, below=below, definite=definite,
                                 trans=trans)
