"""What the derivative of eigenvectors and singular vectors leaves open, and who may use it.

What comes in: numerators in the basis of eigenvectors, and the eigenvalues. What goes out: the rotation of the
basis, ``(dVᴴ V)``. The one idea: within a repeated eigenvalue the basis is arbitrary. A loss that does not look at
it has a derivative, and there the rotation counts as zero; any other is refused with an error that names the
line.

When is it safe? At a repeated eigenvalue, with cotangents of the vectors in it:
- all zero, those of its values too: nothing looks there.
- the skew part of V̄ᴴV is zero, all columns are used and the values are not: a function of the subspace.
- anything else may be a function that has a derivative, but these cotangents do not determine it: ``V g(Λ) Vᴴ``
  needs g' for pairs of columns, and its cotangents hold g' for single ones. So it is refused.
- for vectors that only the derivative of the values asked for (`alone`): whether their weights are those of the values cannot
  be seen, so any change within a repeated value is refused.
In forward mode the uses are not known, and a perturbation that splits the eigenvalue is refused.

The phases of complex vectors are LAPACK's: one row of the matrix is real. Where an entry of that row vanishes,
the phase jumps, and a loss that depends on it is refused likewise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import NonDifferentiableError
from wengert.graph import ArrayType, Primitive
from wengert.primitives.matrices import add_to_all, column, diag_matrix, lifted, row
from wengert.primitives.structure import convert, zeros_like

__all__ = ["corotation", "free", "independent", "line_of", "over_values", "phase", "rotation"]

_ADVICE = ("Use the values alone (eigvalsh, svdvals), projections onto the whole subspace, functions of matrices "
           "(expm, sqrtm, inv), or move the matrix off this point")


def line_of(x: Any) -> str:
    """Where the user called what is being differentiated (in the message if it has no derivative)."""
    return ", ".join(sorted(x.build.at)) if x.build is not None and getattr(x.build, "at", None) else ""


# Of the values alone the first derivative exists, so that this is about the second.
_TRACES = ("A function that is symmetric in the values has a second derivative; written as a trace it is given: "
           "np.trace(expm(a)) for np.sum(np.exp(eigvalsh(a))), np.sum(np.abs(a)**2) for the sum of the squares of the "
           "singular values, np.trace(sqrtm(a.conj().T @ a)) for the nuclear norm of a matrix of full column rank. Or move "
           "the matrix off this point")


def refuse(what: str, at: str, advice: str = _ADVICE) -> None:
    raise NonDifferentiableError(f"{what}{f' (at {at})' if at else ''}. {advice}")


def _eps(x: Any) -> float:
    return float(np.finfo(x.dtype).eps)


def _largest(x: Any, axes: Any) -> Any:
    return np.max(np.abs(x), axis=axes, initial=0.0, keepdims=True)


def _hermitian(x: Any, sign: int) -> Any:
    return (x + sign * np.conj(np.swapaxes(x, -1, -2))) / 2


def _pairs(values: Any, plus: bool) -> tuple[Any, Any]:
    """Sums or differences of values at (i, j), and where they count as zero."""
    values = np.asarray(values)
    a, b = values[..., None, :], values[..., :, None]
    gap = a + b if plus else a - b
    tol = 100 * values.shape[-1] * _eps(values)
    return gap, np.abs(gap) <= tol * _largest(values, -1)[..., None]


def _quotient(part: Any, gap: Any, same: Any) -> Any:
    out = np.where(same, 0, part / np.where(same, 1, gap))
    return out.astype(part.dtype)


def _noise(x: Any) -> Any:
    """What counts as zero beside the elements of x."""
    return 1000 * max(x.shape[-1], 1) * _eps(x) * _largest(x, (-2, -1))


# ---------------------------------------------------------------- rotation: numerators over differences

def _rotation_type(m: ArrayType, values: ArrayType, *, edge: bool, alone: bool, at: str) -> tuple[ArrayType, ArrayType]:
    return values, m


def _rotation_evaluate(m: Any, values: Any, *, edge: bool, alone: bool, at: str) -> Any:
    gap, same = _pairs(values, False)
    part = _hermitian(m, 1)
    off = same & ~np.eye(m.shape[-1], dtype=bool)
    if np.any(off & (np.abs(part) > _noise(m))):
        if alone:
            refuse("the second derivative of eigenvalues or singular values that are repeated: single ones have none", at,
                   _TRACES)
        refuse("forward mode: this change splits a repeated eigenvalue or singular value, and its vectors have no "
               "derivative. Reverse mode (grad, vjp) may have one", at)
    return np.real(np.diagonal(m, axis1=-2, axis2=-1)).astype(values.dtype), _quotient(part, gap, same)


def _rotation_transpose(cts: Any, i: int, ops: Any, *, edge: bool, alone: bool, at: str) -> Any:
    dtype = ops.types[0].dtype
    values, turned = cts
    out = None
    if values is not None:
        out = diag_matrix(values if values.dtype == dtype else convert(values, dtype=dtype))
    if turned is None:
        return out
    of_values = zeros_like(ops[1]) if values is None else values
    back = rotation_adjoint(turned, of_values, ops[1], edge=edge, alone=alone, at=at)
    return back if out is None else out + back


def _rotation_jvp(results: Any, ops: Any, tangents: Any, *, needed: Any, edge: bool, alone: bool, at: str) -> Any:
    if tangents[1] is None or not needed[1]:
        return None, None
    change = results[1] * _like(-add_to_all(tangents[1]), results[1])
    return None, rotation(change, ops[1], edge=edge, alone=alone, at=at)[1]


def _like(x: Any, model: Any) -> Any:
    return x if x.dtype == model.dtype else convert(x, dtype=model.dtype)


def _values(rng: np.random.Generator, n: int) -> Any:
    return np.sort(rng.uniform(0.2, 0.8, n) + np.arange(n))


def _matrix(rng: np.random.Generator, n: int, is_complex: bool) -> Any:
    m = rng.normal(size=(n, n))
    return m + 1j * rng.normal(size=(n, n)) if is_complex else m


def _rotation_sample(rng: np.random.Generator) -> Any:
    return [((_matrix(rng, n, c), _values(rng, n)), {"edge": False, "alone": False, "at": ""})
            for n, c in ((3, False), (3, True), (1, False), (0, False))]


# Re diag(M), and the Hermitian part of M over the differences of values; zero within repeated ones.
rotation: Primitive = Primitive(
    "rotation", type=_rotation_type, evaluate=_rotation_evaluate, multiple=True, linear=(0,),
    transpose=_rotation_transpose, jvp=_rotation_jvp, sample=_rotation_sample,
    batch=lambda n, ops, batched, **params: rotation(*lifted(n, ops, batched), **params))


def _adjoint_evaluate(turned: Any, of_values: Any, values: Any, *, edge: bool, alone: bool, at: str) -> Any:
    gap, same = _pairs(values, False)
    part = _hermitian(turned, -1)
    eye = np.eye(turned.shape[-1], dtype=bool)
    off, noise = same & ~eye, _noise(turned)
    crowded = np.any(off, axis=-1)  # values that are not alone
    if alone and np.any(off & (np.abs(turned) > noise)):
        refuse("the second derivative of eigenvalues or singular values that are repeated: their slopes, one for each, do not "
               "determine it", at, _TRACES)
    if np.any(crowded):
        if np.any(off & (np.abs(part) > noise)):
            refuse("the derivative depends on the choice of the vectors within a repeated eigenvalue or singular "
                   "value", at)
        used = np.max(np.abs(turned), axis=-2, initial=0.0) > noise[..., 0]
        if np.any(off & (used[..., None, :] != used[..., :, None])):
            refuse("some of the vectors within a repeated eigenvalue or singular value are used and others are not, "
                   "and the choice of them is arbitrary", at)
        _values_unused(of_values, crowded, at)
    if edge:
        tol = 100 * max(values.shape[-1], 1) * _eps(values)
        _values_unused(of_values, np.abs(values) <= tol * _largest(values, -1), at)
    return _quotient(part, gap, same)


def _values_unused(of_values: Any, where: Any, at: str) -> None:
    noise = 1000 * max(of_values.shape[-1], 1) * _eps(of_values) * _largest(of_values, -1)
    if np.any(where & (np.abs(of_values) > noise)):
        refuse("values and vectors are used together where a value is repeated (or, of a matrix that is not square, "
               "zero), and these do not determine the derivative", at)


def _adjoint_jvp(y: Any, ops: Any, tangents: Any, *, edge: bool, alone: bool, at: str) -> Any:
    _, of_values, values = ops
    if tangents[2] is None:
        return None
    change = y * _like(-add_to_all(tangents[2]), y)
    return rotation_adjoint(change, zeros_like(of_values), values, edge=edge, alone=alone, at=at)


rotation_adjoint: Primitive = Primitive(
    "rotation_adjoint", type=lambda t, o, v, *, edge, alone, at: t, evaluate=_adjoint_evaluate, linear=(0,),
    transpose=lambda ct, i, ops, **params: rotation(ct, ops[2], **params)[1], jvp=_adjoint_jvp,
    batch=lambda n, ops, batched, **params: rotation_adjoint(*lifted(n, ops, batched), **params),
    sample=lambda rng: [((m, _values(rng, len(v)), v), p) for (m, v), p in _rotation_sample(rng)])


# ---------------------------------------------------------------- corotation: over sums

def _corotation_evaluate(m: Any, values: Any, *, at: str) -> Any:
    gap, same = _pairs(values, True)
    part = _hermitian(m, -1)
    if np.any(same & (np.abs(part) > _noise(m))):
        refuse("the derivative depends on the choice of the singular vectors of a singular value 0", at)
    return _quotient(part, gap, same)


def _corotation_jvp(y: Any, ops: Any, tangents: Any, *, at: str) -> Any:
    change = y * _like(-(row(tangents[1]) + column(tangents[1])), y)
    return corotation(change, ops[1], at=at)


# The skew part of M over the sums of values; its own adjoint.
corotation: Primitive = Primitive(
    "corotation", type=lambda m, v, *, at: m, evaluate=_corotation_evaluate, linear=(0,), jvp=_corotation_jvp,
    transpose=lambda ct, i, ops, *, at: corotation(ct, ops[1], at=at),
    batch=lambda n, ops, batched, *, at: corotation(*lifted(n, ops, batched), at=at),
    sample=lambda rng: [((m, v), {"at": ""}) for (m, v), _ in _rotation_sample(rng)])


# ---------------------------------------------------------------- columns over values

def _over_evaluate(m: Any, values: Any, *, at: str) -> Any:
    tol = 100 * max(*m.shape[-2:], 1) * _eps(values)
    same = (np.abs(values) <= tol * _largest(values, -1))[..., None, :]
    if np.any(same & (np.abs(m) > _noise(m))):
        refuse("the derivative depends on the choice of the singular vectors of a singular value 0", at)
    return _quotient(m, values[..., None, :], same)


# Column j of M over value j; its own adjoint.
over_values: Primitive = Primitive(
    "over_values", type=lambda m, v, *, at: m, evaluate=_over_evaluate, linear=(0,),
    transpose=lambda ct, i, ops, *, at: over_values(ct, ops[1], at=at),
    jvp=lambda y, ops, ts, *, at: over_values(y * _like(-row(ts[1]), y), ops[1], at=at),
    batch=lambda n, ops, batched, *, at: over_values(*lifted(n, ops, batched), at=at),
    sample=lambda rng: [((rng.normal(size=(4, 3)), _values(rng, 3)), {"at": ""}),
                        ((_matrix(rng, 3, True), _values(rng, 3)), {"at": ""})])


# ---------------------------------------------------------------- columns that depend on each other

def _independent_evaluate(x: Any, r: Any, *, at: str) -> Any:
    size = np.abs(np.diagonal(r, axis1=-2, axis2=-1))
    if np.any(size <= 100 * max(r.shape[-1], 1) * _eps(r) * _largest(size, -1)):
        raise NonDifferentiableError(
            f"qr of a matrix whose (first) columns depend on each other: its factors have no derivative there"
            f"{f' (at {at})' if at else ''}. Leave out the columns that depend on others, use np.linalg.lstsq or pinv (which "
            f"have one along changes that keep the rank), or move the matrix off this point")
    return x


# x, if the triangular matrix r has full rank.
independent: Primitive = Primitive(
    "independent", type=lambda x, r, *, at: x, evaluate=_independent_evaluate, linear=(0,),
    jvp=lambda y, ops, ts, *, at: None, transpose=lambda ct, i, ops, *, at: independent(ct, ops[1], at=at),
    batch=lambda n, ops, batched, *, at: independent(*lifted(n, ops, batched), at=at),
    sample=lambda rng: [((rng.normal(size=(4, 3)), _matrix(rng, 3, False)), {"at": ""})])

# ---------------------------------------------------------------- phases

def _phase_evaluate(t: Any, v: Any, settled: Any, *, back: bool, at: str) -> Any:
    """-i Im(t) / v, where the entry v is real by LAPACK's choice of phases, and not too small."""
    unknown = (np.abs(v) < 10 * _eps(v) ** 0.5) | ~settled
    small = np.abs(t.imag) <= 1000 * max(t.shape[-1], 1) * _eps(t) * _largest(t, -1)
    if np.any(unknown & ~small):
        refuse("the derivative depends on the phases of complex vectors" if back else
               "forward mode: the phases of complex vectors jump here. Reverse mode (grad, vjp) may have a derivative", at)
    still = small | unknown if back else unknown
    out = np.zeros_like(t)
    out.imag = np.where(still, 0, -t.imag / np.where(unknown, 1, v))
    return out


# The turn i θ of each vector that keeps its entry v real, given the change t of that entry; its own adjoint.
phase: Primitive = Primitive(
    "phase", type=lambda t, v, settled, *, back, at: t, evaluate=_phase_evaluate, linear=(0,),
    transpose=lambda ct, i, ops, *, back, at: phase(ct, ops[1], ops[2], back=not back, at=at),
    jvp=lambda y, ops, ts, *, back, at: phase(y * _like(ts[1], y), ops[1], ops[2], back=back, at=at),
    batch=lambda n, ops, batched, **params: phase(*lifted(n, ops, batched), **params),
    sample=lambda rng: [((rng.normal(size=3) + 1j * rng.normal(size=3), rng.uniform(0.5, 1.0, 3), np.ones(3, bool)),
                         {"back": back, "at": ""}) for back in (False, True)])


# ---------------------------------------------------------------- bases of complements

def _free_evaluate(x: Any, *, size: int, at: str) -> Any:
    out = np.zeros((*x.shape[:-2], size, size), x.dtype)
    if out.size:
        refuse("forward mode: the last columns of a complete factor are an arbitrary basis and have no derivative "
               "(full_matrices=False, mode='reduced' or 'economic' leave them out). Reverse mode (grad, vjp) has one "
               "where the loss does not depend on the choice", at)
    return out


def _free_back(ct: Any, *, shape: tuple[int, ...], at: str) -> Any:
    if np.any(np.abs(_hermitian(ct, -1)) > _noise(ct)):
        refuse("the derivative depends on the arbitrary last columns of a complete factor (full_matrices=False, "
               "mode='reduced' or 'economic' leave them out)", at)
    return np.zeros(ct.shape[:-2] + shape, ct.dtype)


# The rotation of an arbitrary basis: counts as zero, for losses that do not look at it.
free: Primitive = Primitive(
    "free_rotation", evaluate=_free_evaluate, linear="jointly",
    type=lambda x, *, size, at: ArrayType((*x.shape[:-2], size, size), x.dtype),
    transpose=lambda ct, i, ops, *, size, at: free_adjoint(ct, shape=ops.types[0].shape[-2:], at=at),
    batch=lambda n, ops, batched, **params: free(ops[0], **params),
    sample=lambda rng: [((rng.normal(size=(3, 2)),), {"size": 0, "at": ""})])
free_adjoint: Primitive = Primitive(
    "free_rotation_adjoint", evaluate=_free_back, linear="jointly",
    type=lambda ct, *, shape, at: ArrayType(ct.shape[:-2] + shape, ct.dtype),
    transpose=lambda ct, i, ops, *, shape, at: free(ct, size=ops.types[0].shape[-1], at=at),
    batch=lambda n, ops, batched, **params: free_adjoint(ops[0], **params),
    sample=lambda rng: [((np.zeros((0, 0)),), {"shape": (3, 2), "at": ""})])
