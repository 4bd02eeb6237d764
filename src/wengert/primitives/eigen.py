"""Eigenvalues and eigenvectors, of Hermitian and of general matrices.

What comes in: stacks of square matrices. What goes out: eigenvalues and the matrices of eigenvectors, as LAPACK
gives them. The one idea: ``M = V⁻¹ dA V``; the eigenvalues move by its diagonal and the vectors by
``M_ij / (λ_j - λ_i)`` (Magnus, "On differentiating eigenvalues and eigenvectors", Econometric Theory 1, 1985).
What is left open, the phases, follows LAPACK: `eigh` keeps one row of V real (the reduction to a real
tridiagonal matrix leaves that row alone), `eig` keeps the norms 1 and the largest entry real.

`eigh` reads one triangle: the derivative with regard to the other is zero, as it is for the program that was run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import ArrayType, Const, Primitive
from wengert.primitives.contract import matmul
from wengert.primitives.elementary import absolute
from wengert.primitives.elementwise import conj, equal, imag, less_equal, make_complex, real
from wengert.primitives.gauge import line_of, phase, refuse, rotation
from wengert.primitives.index import basic_index
from wengert.primitives.inverse import inv
from wengert.primitives.matrices import (
    add_to_all,
    as_complex,
    diag_matrix,
    diag_of,
    from_triangle,
    lifted,
    mH,
    real_part,
    row,
    square_only,
    zero,
)
from wengert.primitives.structure import reduce_sum, reshape, select, zeros_like

__all__ = ["coincident", "eig", "eigh", "eigvals", "eigvalsh", "inner_diagonal", "turned_back"]


def _real_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.empty(0, dtype).real.dtype


def inner_diagonal(u: Any, b: Any) -> Any:
    """``real(diag(Uᴴ B))``."""
    return real_part(reduce_sum(conj(u) * b, axes=(b.ndim - 2,)))


def line(x: Any, k: int) -> Any:
    """Row k of the matrices of a stack."""
    return basic_index(x, (*[slice(None)] * (x.ndim - 2), k))


def turned_back(dv: Any, v: Any, k: int, at: str) -> Any:
    """The turns i θ of the columns that keep row k of v real, as a row."""
    entry = line(v, k)
    settled = less_equal(absolute(imag(entry)), 10 * float(np.finfo(v.dtype).eps) ** 0.5)
    return row(phase(line(dv, k), real(entry), settled, back=False, at=at))


# ---------------------------------------------------------------- Hermitian

_EQUAL = 1e-9  # of all values together: those no farther apart count as equal


def coincident(w: Any) -> Any:
    """Which of the ordered values are equal to the next: there the order, and so the slope of each, is a choice."""
    n, before = w.shape[-1], (slice(None),) * (w.ndim - 1)
    gap = absolute(basic_index(w, (*before, slice(1, None))) - basic_index(w, (*before, slice(0, max(n - 1, 0)))))
    whole = reshape(reduce_sum(absolute(w), axes=(w.ndim - 1,)), shape=(*w.shape[:-1], 1))
    return less_equal(gap, whole * _EQUAL)


def _eigh_type(a: ArrayType, *, uplo: str, by: str = "") -> tuple[ArrayType, ArrayType]:
    square_only(a)
    return ArrayType(a.shape[:-1], _real_of(a.dtype)), a


def _eigh_evaluate(a: Any, *, uplo: str, by: str = "") -> Any:
    if by == "scipy":
        from scipy.linalg import eigh as solver
        return solver(a, lower=uplo == "L", check_finite=False)
    return tuple(np.linalg.eigh(a, uplo))  # type: ignore[call-overload, unused-ignore]


def _eigh_jvp(results: Any, ops: Any, tangents: Any, *, needed: Any, uplo: str, by: str = "") -> Any:
    w, v = results
    b = matmul(from_triangle(tangents[0], uplo == "U"), v)
    if not needed[1]:
        return inner_diagonal(v, b), None
    at = line_of(w)
    dw, turn = rotation(matmul(mH(v), b), w, edge=False, alone=by == "values", at=at)
    dv = matmul(v, turn)
    if v.dtype.kind == "c":
        dv = dv + v * turned_back(dv, v, 0 if uplo == "L" else -1, at)
    return dw, dv


def _hermitian_sample(rng: np.random.Generator, **params: Any) -> Any:
    out = []
    for shape, uplo, c in (((3, 3), "L", False), ((3, 3), "U", False), ((2, 2, 2), "L", False), ((1, 1), "L", False),
                           ((3, 3), "L", True), ((3, 3), "U", True), ((0, 2, 2), "L", False)):
        a = rng.uniform(-0.4, 0.4, shape) + np.diag(np.arange(1.0, shape[-1] + 1.0) ** 1.5)
        if c:
            a = a + 1j * rng.uniform(-0.4, 0.4, shape)
        out.append(((a,), {"uplo": uplo, **params}))
    return out


eigh: Primitive = Primitive(
    "eigh", type=_eigh_type, evaluate=_eigh_evaluate, multiple=True, jvp=_eigh_jvp, sample=_hermitian_sample,
    kinks=lambda w, v, a, **params: coincident(w),
    batch=lambda n, ops, batched, **params: eigh(ops[0], **params))


def _eigvalsh_evaluate(a: Any, *, uplo: str, by: str = "") -> Any:
    if by == "scipy":
        from scipy.linalg import eigvalsh as solver
        return solver(a, lower=uplo == "L", check_finite=False)
    return np.linalg.eigvalsh(a, uplo)  # type: ignore[call-overload, unused-ignore]


def _eigvalsh_jvp(w: Any, ops: Any, tangents: Any, *, uplo: str, by: str = "") -> Any:
    _, v = eigh(ops[0], uplo=uplo, by="values")  # marked: see `gauge`
    return inner_diagonal(v, matmul(from_triangle(tangents[0], uplo == "U"), v))


# The values alone; the vectors are computed if a derivative is asked for.
eigvalsh: Primitive = Primitive(
    "eigvalsh", type=lambda a, **params: _eigh_type(a, **params)[0], evaluate=_eigvalsh_evaluate, jvp=_eigvalsh_jvp,
    kinks=lambda w, a, **params: coincident(w),
    batch=lambda n, ops, batched, **params: eigvalsh(ops[0], **params), sample=_hermitian_sample)


# ---------------------------------------------------------------- general

def _eig_type(a: ArrayType) -> tuple[ArrayType, ArrayType]:
    square_only(a)
    dtype = np.result_type(a.dtype, np.complex64)
    return ArrayType(a.shape[:-1], dtype), ArrayType(a.shape, dtype)


def _eig_evaluate(a: Any) -> Any:
    dtype = np.result_type(a.dtype, np.complex64)
    w, v = np.linalg.eig(a)
    return w.astype(dtype, copy=False), v.astype(dtype, copy=False)


def _eig_jvp(results: Any, ops: Any, tangents: Any, *, needed: Any) -> Any:
    w, v = results
    inner = matmul(inv(v, use="eig"), matmul(as_complex(tangents[0]), v))
    if not needed[1]:
        return diag_of(inner), None
    dw, turn = eig_rotation(inner, w, at=line_of(w))
    moved = matmul(v, turn)
    numbers = Const(np.arange(v.shape[-1]).reshape(-1, 1))
    largest = equal(numbers, row(largest_entries(v)))
    height = reduce_sum(select(largest, real(v), real_zero(v)), axes=(v.ndim - 2,))
    rise = reduce_sum(select(largest, imag(moved), real_zero(v)), axes=(v.ndim - 2,))
    growth = inner_diagonal(v, moved)
    return dw, moved - v * row(make_complex(growth, rise / height))


def real_zero(v: Any) -> Any:
    """0 in the real dtype of a complex handle."""
    return zero(real(v))


def _largest_evaluate(v: Any) -> Any:
    """The row of the first largest of the entries that are exactly real: where LAPACK turns the phase."""
    if not v.size:
        return np.zeros(v.shape[:-1], np.intp)
    return np.argmax(np.where(v.imag == 0, np.abs(v), -1.0), axis=-2)


largest_entries: Primitive = Primitive(
    "largest_entries", type=lambda v: ArrayType(v.shape[:-1], np.intp), evaluate=_largest_evaluate,
    differentiable=False, batch=lambda n, ops, batched: largest_entries(ops[0]),
    sample=lambda rng: [((rng.normal(size=(3, 3)) + 0j,), {}), ((rng.normal(size=(2, 2, 2)) + 0j,), {})])


def _general_sample(rng: np.random.Generator) -> Any:
    spread = np.diag([1.0, 2.5, 4.5])
    a, b = rng.uniform(-0.3, 0.3, (3, 3)) + spread, rng.uniform(-0.3, 0.3, (2, 2, 2)) + spread[:2, :2]
    c = a + 1j * rng.uniform(-0.3, 0.3, (3, 3))
    d = rng.uniform(-0.1, 0.1, (2, 2)) + np.array([[1.0, 2.0], [-1.0, 1.5]])
    return [((x,), {}) for x in (a, b, c, d, np.zeros((0, 2, 2)))]


# Always complex; the front end takes the real part where NumPy's result is real.
eig: Primitive = Primitive(
    "eig", type=_eig_type, evaluate=_eig_evaluate, multiple=True, jvp=_eig_jvp, sample=_general_sample,
    batch=lambda n, ops, batched: eig(ops[0]))


def _eigvals_jvp(w: Any, ops: Any, tangents: Any) -> Any:
    _, v = eig(ops[0])
    return diag_of(matmul(inv(v, use="eig"), matmul(as_complex(tangents[0]), v)))


eigvals: Primitive = Primitive(
    "eigvals", type=lambda a: _eig_type(a)[0], sample=_general_sample, jvp=_eigvals_jvp,
    evaluate=lambda a: np.linalg.eigvals(a).astype(np.result_type(a.dtype, np.complex64), copy=False),
    batch=lambda n, ops, batched: eigvals(ops[0]))


# ---------------------------------------------------------------- the change of basis of general matrices

def _same(values: Any) -> tuple[Any, Any]:
    gap = values[..., None, :] - values[..., :, None]
    tol = 100 * max(values.shape[-1], 1) * np.finfo(values.dtype).eps
    return gap, np.abs(gap) <= tol * np.max(np.abs(values), axis=-1, initial=0.0, keepdims=True)[..., None]


def _noise(x: Any) -> Any:
    return 1000 * max(x.shape[-1], 1) * np.finfo(x.dtype).eps * np.max(
        np.abs(x), axis=(-2, -1), initial=0.0, keepdims=True)


def _eig_rotation_evaluate(m: Any, values: Any, *, at: str) -> Any:
    gap, same = _same(values)
    off = same & ~np.eye(m.shape[-1], dtype=bool)
    if np.any(off & (np.abs(m) > _noise(m))):
        refuse("forward mode: this change splits a repeated eigenvalue, and its vectors have no derivative", at)
    return np.array(np.diagonal(m, axis1=-2, axis2=-1)), np.where(same, 0, m / np.where(same, 1, gap)).astype(m.dtype)


def _eig_rotation_transpose(cts: Any, i: int, ops: Any, *, at: str) -> Any:
    values, turned = cts
    out = None if values is None else diag_matrix(values)
    if turned is None:
        return out
    back = eig_rotation_adjoint(turned, zeros_like(ops[1]) if values is None else values, ops[1], at=at)
    return back if out is None else out + back


def _eig_rotation_jvp(results: Any, ops: Any, tangents: Any, *, needed: Any, at: str) -> Any:
    if not needed[1]:
        return None, None
    return None, eig_rotation(-results[1] * add_to_all(tangents[1]), ops[1], at=at)[1]


def _eig_back_evaluate(turned: Any, of_values: Any, values: Any, *, at: str) -> Any:
    gap, same = _same(values)
    crowded = np.any(same & ~np.eye(turned.shape[-1], dtype=bool), axis=-1)
    limit = 1000 * max(values.shape[-1], 1) * np.finfo(values.dtype).eps * np.max(
        np.abs(of_values), axis=-1, initial=0.0, keepdims=True)
    if np.any(crowded[..., None, :] & (np.abs(turned) > _noise(turned))) or \
            np.any(crowded & (np.abs(of_values) > limit)):
        refuse("the derivative depends on the choice of the eigenvectors of a repeated eigenvalue", at)
    return np.where(same, 0, turned / np.conj(np.where(same, 1, gap))).astype(turned.dtype)


def _eig_back_jvp(y: Any, ops: Any, tangents: Any, *, at: str) -> Any:
    if tangents[2] is None:
        return None
    change = -y * add_to_all(conj(tangents[2]))
    return eig_rotation_adjoint(change, zeros_like(ops[1]), ops[2], at=at)


def _basis_sample(rng: np.random.Generator) -> Any:
    values = np.array([1.0, 2.5, 4.5]) + rng.uniform(-0.3, 0.3, 3) + 1j * rng.uniform(-1.0, 1.0, 3)
    return [((rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)), values), {"at": ""})]


eig_rotation: Primitive = Primitive(
    "eig_rotation", type=lambda m, v, *, at: (v, m), evaluate=_eig_rotation_evaluate, multiple=True, linear=(0,),
    transpose=_eig_rotation_transpose, jvp=_eig_rotation_jvp, sample=_basis_sample,
    batch=lambda n, ops, batched, *, at: eig_rotation(*lifted(n, ops, batched), at=at))
eig_rotation_adjoint: Primitive = Primitive(
    "eig_rotation_adjoint", type=lambda t, o, v, *, at: t, evaluate=_eig_back_evaluate, linear=(0,),
    transpose=lambda ct, i, ops, *, at: eig_rotation(ct, ops[2], at=at)[1], jvp=_eig_back_jvp,
    batch=lambda n, ops, batched, *, at: eig_rotation_adjoint(*lifted(n, ops, batched), at=at),
    sample=lambda rng: [((m, v * 0.5, v), p) for (m, v), p in _basis_sample(rng)])
