"""``scipy.linalg`` on tracers.

What comes in: calls of SciPy's functions with their own argument conventions. What goes out: the primitives that
``np.linalg`` uses too. The one idea: options that only concern speed and checking are accepted and ignored.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.numpy_api import linalg as n
from wengert.frontends.numpy_api.arithmetic import common
from wengert.frontends.numpy_api.structure import as_array
from wengert.frontends.scipy_api import scipy_function
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced
from wengert.primitives import structure as s
from wengert.primitives.matrix_functions import matrix_function
from wengert.primitives.solve import adjoint, triangle, triangular_solve

__all__: list[str] = []


def _plain(name: str, implementation: Any) -> None:
    """The same as NumPy's; flags about overwriting and checking are ignored."""

    def function(
        a: Any, *args: Any, overwrite_a: bool = False, overwrite_b: bool = False, check_finite: bool = True, **kwargs: Any
    ) -> Any:
        return implementation(a, *args, **kwargs)

    scipy_function(f"scipy.linalg.{name}")(function)


for _name, _f in dict(inv=n.inv, det=n.det, svdvals=n.svdvals, norm=lambda *a, **k: FUNCTIONS[np.linalg.norm](*a, **k)).items():
    _plain(_name, _f)


def _columns(b: Any) -> tuple[Any, bool]:
    """The right side as a matrix, and whether it was a vector."""
    return (s.reshape(b, shape=(*b.shape, 1)), True) if b.ndim == 1 else (b, False)


def _symmetric(a: Tracer, lower: bool, hermitian: bool) -> Tracer:
    """What a solver reads that is told of symmetry: one triangle."""
    low = triangle(a, lower)
    strict = triangle(a, lower, -1)
    return low + (adjoint(strict) if hermitian else FUNCTIONS[np.matrix_transpose](strict))  # type: ignore[no-any-return]


@scipy_function("scipy.linalg.solve")
def solve(
    a: Any,
    b: Any,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    assume_a: Any = None,
    transposed: bool = False,
) -> Any:
    """``scipy.linalg.solve``."""
    a, b = common(as_traced(a), as_traced(b))
    a = as_array(a)
    if assume_a in ("pos", "her", "positive definite", "hermitian"):
        a = _symmetric(a, lower, True)
    elif assume_a in ("sym", "symmetric"):
        a = _symmetric(a, lower, False)
    elif assume_a in ("upper triangular", "lower triangular"):
        return solve_triangular(a, b, trans=1 if transposed else 0, lower=assume_a.startswith("lower"))
    return n.solve(FUNCTIONS[np.matrix_transpose](a) if transposed else a, b)


@scipy_function("scipy.linalg.solve_triangular")
def solve_triangular(
    a: Any,
    b: Any,
    trans: Any = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:
    """``scipy.linalg.solve_triangular``: only the triangle is read, and differentiated."""
    a, b = common(as_traced(a), as_traced(b))
    a, b = as_array(a), as_array(b)
    right, vector = _columns(b)
    lead = np.broadcast_shapes(a.shape[:-2], right.shape[:-2])
    a, right = [x if x.shape[:-2] == lead else s.broadcast(x, shape=(*lead, *x.shape[-2:])) for x in (a, right)]
    kind = {"N": 0, "T": 1, "C": 2}.get(trans, trans)
    x = triangular_solve(a, right, lower=bool(lower), trans=int(kind), unit=bool(unit_diagonal))
    return s.reshape(x, shape=x.shape[:-1]) if vector else x


@scipy_function("scipy.linalg.cholesky")
def cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.cholesky``: upper unless told otherwise."""
    return n.cholesky(a, upper=not lower)


@scipy_function("scipy.linalg.cho_factor")
def cho_factor(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.cho_factor``; the other triangle holds zeros here, and nothing reads it."""
    return cholesky(a, lower), lower


@scipy_function("scipy.linalg.cho_solve")
def cho_solve(c_and_lower: Any, b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.cho_solve``."""
    c, lower = c_and_lower
    first = solve_triangular(c, b, trans=0 if lower else 2, lower=lower)
    return solve_triangular(c, first, trans=2 if lower else 0, lower=lower)


@scipy_function("scipy.linalg.lu")
def lu(a: Any, permute_l: bool = False, overwrite_a: bool = False, check_finite: bool = True, p_indices: bool = False) -> Any:
    """``scipy.linalg.lu`` of a square matrix: the permutation is constant, and ``dL``, ``dU`` follow from ``L^-1 dA U^-1``."""
    import scipy.linalg

    from wengert.primitives.solve import lu_unpivoted

    a = as_array(a)
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise UnsupportedError(f"scipy.linalg.lu at {user_line()}: one square matrix at a time")
    places = scipy.linalg.lu(a.concrete("the pivots of lu"), p_indices=True)[0]
    order = np.argsort(places)
    low, up = lu_unpivoted(a[order])
    if permute_l:
        return low[places], up
    return (places if p_indices else np.eye(len(places), dtype=a.dtype)[places], low, up)


@scipy_function("scipy.linalg.eigh")
def eigh(
    a: Any,
    b: Any = None,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: Any = None,
) -> Any:
    """``scipy.linalg.eigh`` of one matrix."""
    if b is not None or subset_by_index is not None or subset_by_value is not None:
        raise UnsupportedError(
            f"scipy.linalg.eigh(b=..., subset...) at {user_line()}: reduce to the standard problem by cholesky"
        )
    letter = "L" if lower else "U"
    return n.eigvalsh(a, letter) if eigvals_only else tuple(n.eigh(a, letter))


@scipy_function("scipy.linalg.eigvalsh")
def eigvalsh(a: Any, b: Any = None, lower: bool = True, **keywords: Any) -> Any:
    """``scipy.linalg.eigvalsh``."""
    return eigh(a, b, lower, True, **keywords)


@scipy_function("scipy.linalg.svd")
def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    """``scipy.linalg.svd``."""
    out = n.svd(a, full_matrices, compute_uv)
    return tuple(out) if compute_uv else out


@scipy_function("scipy.linalg.qr")
def qr(
    a: Any, overwrite_a: bool = False, lwork: Any = None, mode: str = "full", pivoting: bool = False, check_finite: bool = True
) -> Any:
    """``scipy.linalg.qr``; "full" of square (or wide) matrices, "economic", "r"."""
    if pivoting:
        raise UnsupportedError(f"scipy.linalg.qr(pivoting=True) at {user_line()}: permute the columns yourself")
    if mode == "r":
        return (n.qr(a, "r"),)
    return tuple(n.qr(a, "complete" if mode == "full" else "reduced"))


@scipy_function("scipy.linalg.pinv")
def pinv(a: Any, *, atol: Any = None, rtol: Any = None, return_rank: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.pinv``."""
    if atol is not None or return_rank:
        raise UnsupportedError(f"scipy.linalg.pinv(atol=..., return_rank=True) at {user_line()}: use rtol=")
    a = as_array(a)
    cut = max(a.shape[-2:]) * np.finfo(a.dtype).eps if rtol is None else rtol
    return n.pinv(a, cut)


@scipy_function("scipy.linalg.lstsq")
def lstsq(a: Any, b: Any, cond: Any = None, **ignored: Any) -> Any:
    """``scipy.linalg.lstsq``."""
    x, residuals, rank, values = n.lstsq(a, b, cond)
    return x, residuals, rank, values


def _matrix_function(name: str) -> None:
    def function(A: Any, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:
            raise UnsupportedError(f"scipy.linalg.{name} at {user_line()}: options are not traced")
        return matrix_function(name, as_array(A))

    scipy_function(f"scipy.linalg.{name}")(function)


for _name in ("expm", "logm", "sqrtm", "sinm", "cosm"):
    _matrix_function(_name)


@scipy_function("scipy.linalg.solve_sylvester")
def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """``A X + X B = Q``, as one linear system in the columns of X."""
    a, b, q = [as_array(x) for x in common(as_traced(a), as_traced(b), as_traced(q))]
    m, k = q.shape
    kron = FUNCTIONS[np.kron]
    system = kron(a, np.eye(k, dtype=a.dtype)) + kron(np.eye(m, dtype=a.dtype), FUNCTIONS[np.transpose](b))
    return s.reshape(n.solve(system, s.reshape(q, shape=(m * k,))), shape=(m, k))


@scipy_function("scipy.linalg.solve_continuous_lyapunov", "scipy.linalg.solve_lyapunov")
def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    """``A X + X Aᴴ = Q``."""
    a = as_array(as_traced(a))
    return solve_sylvester(a, adjoint(a), q)


@scipy_function("scipy.linalg.solve_discrete_lyapunov")
def solve_discrete_lyapunov(a: Any, q: Any, method: Any = None) -> Any:
    """``A X Aᴴ - X + Q = 0``."""
    a, q = [as_array(x) for x in common(as_traced(a), as_traced(q))]
    m = a.shape[0]
    conjugate = FUNCTIONS[np.conjugate](a) if np.conjugate in FUNCTIONS else a.conj()
    system = np.eye(m * m) - FUNCTIONS[np.kron](a, conjugate)
    return s.reshape(n.solve(system, s.reshape(q, shape=(m * m,))), shape=(m, m))


@scipy_function("scipy.linalg.block_diag")
def block_diag(*arrs: Any) -> Any:
    """``scipy.linalg.block_diag``."""
    blocks = [FUNCTIONS[np.atleast_2d](as_array(as_traced(a))) for a in arrs]
    rows, width, at = [], sum(b.shape[1] for b in blocks), 0
    for b in blocks:
        rows.append(s.pad(b, widths=((0, 0), (at, width - at - b.shape[1]))))
        at += b.shape[1]
    return FUNCTIONS[np.concatenate](rows, 0)
