"""``scipy.linalg`` on tracers.

What comes in: calls of SciPy's functions with their own argument conventions. What goes out: the primitives that
``np.linalg`` uses too, evaluated by SciPy where signs could differ. The one idea: options that only concern speed
and checking are accepted and ignored; options that change the meaning are kept or refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.numpy_api import linalg as n
from wengert.frontends.numpy_api.linalg import arrays, columns, matrices, square, uncolumned
from wengert.frontends.numpy_api.structure import as_array
from wengert.frontends.scipy_api import scipy_function
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced, ufunc_call
from wengert.primitives import decompose, eigen, matrix_functions
from wengert.primitives import solve as systems
from wengert.primitives import structure as s
from wengert.primitives.contract import mT
from wengert.primitives.matrices import from_triangle, lower, merged, mH, upper

__all__: list[str] = []

_TRANS = {0: "N", 1: "T", 2: "C", "N": "N", "T": "T", "C": "C"}


def _refuse(name: str, why: str) -> None:
    raise UnsupportedError(f"scipy.linalg.{name} at {user_line()}: {why}")


# ---------------------------------------------------------------- inverses, determinants, norms

@scipy_function("scipy.linalg.inv")
def inv(a: Any, overwrite_a: bool = False, check_finite: bool = True, **assumed: Any) -> Any:
    """``scipy.linalg.inv``."""
    if any(v not in (None, "gen", "general") for k, v in assumed.items() if k == "assume_a"):
        _refuse("inv", "assume_a= is not traced; leave it away")
    return n.inv(a)


@scipy_function("scipy.linalg.det")
def det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.det``: in double precision, whatever comes in."""
    return n.det(_doubled(square(a)))


@scipy_function("scipy.linalg.norm")
def norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.norm``."""
    return FUNCTIONS[np.linalg.norm](a, ord, axis, keepdims)


@scipy_function("scipy.linalg.pinv")
def pinv(a: Any, *, atol: Any = None, rtol: Any = None, return_rank: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.pinv``; the derivative is that at constant rank."""
    if atol is not None:
        _refuse("pinv", "atol= is not traced; use rtol=")
    a = matrices(a)
    cut = max(a.shape[-2:]) * float(np.finfo(a.dtype).eps) if rtol is None else float(rtol)
    out = n.pinv(a, cut)
    if not return_rank:
        return out
    values = decompose.svdvals(a).concrete("the rank of scipy.linalg.pinv")
    return out, int(np.sum(values > cut * np.max(values, initial=0.0)))


@scipy_function("scipy.linalg.lstsq")
def lstsq(a: Any, b: Any, cond: Any = None, overwrite_a: bool = False, overwrite_b: bool = False,
          check_finite: bool = True, lapack_driver: Any = None) -> Any:
    """``scipy.linalg.lstsq``."""
    if lapack_driver == "gelsy":
        _refuse("lstsq", "lapack_driver='gelsy' judges the rank otherwise; use the default")
    a, b = arrays(a, b)
    x, residuals, rank, values = n.lstsq(a, b, float(np.finfo(a.dtype).eps) if cond is None else cond)
    if b.ndim == 1 and isinstance(residuals, Tracer):
        residuals = residuals[0]
    return x, residuals, rank, values


# ---------------------------------------------------------------- solving

_GENERAL = (None, "gen", "general")
_HERMITIAN = ("pos", "positive definite", "her", "hermitian")


@scipy_function("scipy.linalg.solve")
def solve(a: Any, b: Any, lower: bool = False, overwrite_a: bool = False, overwrite_b: bool = False,
          check_finite: bool = True, assume_a: Any = None, transposed: bool = False) -> Any:
    """``scipy.linalg.solve``; of a matrix said to be symmetric, one triangle is read."""
    a, b = arrays(a, b)
    a = square(a)
    if transposed and a.dtype.kind == "c":
        raise NotImplementedError("scipy.linalg.solve can currently not solve a^T x = b or a^H x = b for complex matrices.")
    if assume_a in ("upper triangular", "lower triangular"):
        return solve_triangular(a, b, int(transposed), assume_a == "lower triangular")
    if assume_a in _HERMITIAN:
        a = from_triangle(a, not lower)
    elif assume_a in ("sym", "symmetric"):
        a = _symmetric(a, lower)
    elif assume_a not in _GENERAL:
        _refuse("solve", f"assume_a={assume_a!r} is not traced; leave it away")
    right, vector = columns(b)
    if right.shape[-2] != a.shape[-1]:
        raise ValueError("Input b has to have same number of rows as input a")
    return uncolumned(systems.solve(a, right, "T" if transposed else "N"), vector)


def _symmetric(a: Any, below: bool) -> Any:
    """The symmetric (not Hermitian) matrix with this triangle."""
    strict = lower(a, -1) if below else upper(a, 1)
    return (lower(a) if below else upper(a)) + mT(strict)


@scipy_function("scipy.linalg.solve_triangular")
def solve_triangular(a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False,
                     overwrite_b: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.solve_triangular``: one triangle is read."""
    a, b = arrays(a, b)
    a = square(a)
    right, vector = columns(b)
    if right.shape[-2] != a.shape[-1]:
        raise ValueError(f"shapes of a {a.shape} and b {b.shape} are incompatible")
    x = systems.solve_triangular(a, right, lower=bool(lower), trans=_TRANS[trans], unit=bool(unit_diagonal))
    return uncolumned(x, vector)


# ---------------------------------------------------------------- Cholesky and LU

@scipy_function("scipy.linalg.cholesky")
def cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.cholesky``: the upper factor unless told otherwise."""
    return decompose.cholesky(square(a), above=not lower)


@scipy_function("scipy.linalg.cho_factor")
def cho_factor(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.cho_factor``: the other triangle holds what it held before."""
    a = square(a)
    c = decompose.cholesky(a, above=not lower)
    strict = np.tri(a.shape[-1], k=-1, dtype=bool)
    return (merged(c, a) if lower else s.select(strict, a, c)), lower


@scipy_function("scipy.linalg.cho_solve", as_given=True)
def cho_solve(c_and_lower: Any, b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.cho_solve``: two triangular solves."""
    c, below = c_and_lower
    b = as_traced(b)
    first = solve_triangular(c, b, "N" if below else "C", below)
    return solve_triangular(c, first, "C" if below else "N", below)


def _places(p: Any) -> Any:
    """The row of L that each row of the matrix is, from the matrix P of ``A = P L U``."""
    return np.argmax(p.concrete("the pivots of an LU decomposition"), axis=-1)


@scipy_function("scipy.linalg.lu")
def lu(a: Any, permute_l: bool = False, overwrite_a: bool = False, check_finite: bool = True,
       p_indices: bool = False) -> Any:
    """``scipy.linalg.lu``: the permutation is locally constant."""
    a = matrices(a)
    p, low, up = decompose.lu(a)
    if permute_l:
        return FUNCTIONS[np.take_along_axis](low, _places(p)[..., None], -2), up
    return (_places(p) if p_indices else p.concrete("the pivots of scipy.linalg.lu"), low, up)


@scipy_function("scipy.linalg.lu_factor")
def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.lu_factor`` of one matrix: both factors in one array, and the row exchanges."""
    a = matrices(a)
    if a.ndim != 2:
        _refuse("lu_factor", "one matrix at a time")
    (m, k), (p, low, up) = a.shape, decompose.lu(a)
    size = min(m, k)
    low = s.pad(low, widths=((0, 0), (0, k - size)))
    up = s.pad(up, widths=((0, m - size), (0, 0)))
    return s.select(np.tri(m, k, -1, dtype=bool), low, up), _exchanges(np.argsort(_places(p)), size)


def _exchanges(order: Any, size: int) -> Any:
    """LAPACK's row exchanges that bring rows into this order."""
    now, out = list(range(len(order))), []
    for i in range(size):
        j = now.index(order[i])
        now[i], now[j] = now[j], now[i]
        out.append(j)
    return np.array(out, np.int32)


@scipy_function("scipy.linalg.lu_solve", as_given=True)
def lu_solve(lu_and_piv: Any, b: Any, trans: int = 0, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.lu_solve`` of one matrix: an exchange of rows and two triangular solves."""
    factors, pivots = lu_and_piv
    b = as_traced(b)
    if isinstance(pivots, Tracer):
        pivots = pivots.concrete("the pivots of scipy.linalg.lu_solve")
    order = np.arange(len(pivots))
    for i, j in enumerate(pivots):
        order[[i, j]] = order[[j, i]]
    kind = _TRANS[trans]
    if kind == "N":
        first = solve_triangular(factors, as_array(b)[order], 0, True, True)
        return solve_triangular(factors, first)
    first = solve_triangular(factors, b, kind)
    return solve_triangular(factors, first, kind, True, True)[np.argsort(order)]


# ---------------------------------------------------------------- QR, eigenvalues, singular values

@scipy_function("scipy.linalg.qr")
def qr(a: Any, overwrite_a: bool = False, lwork: Any = None, mode: str = "full", pivoting: bool = False,
       check_finite: bool = True) -> Any:
    """``scipy.linalg.qr``."""
    if mode not in ("full", "r", "economic"):
        _refuse("qr", f"mode={mode!r} is not traced; use 'full', 'economic' or 'r'")
    a = matrices(a)
    order: tuple[Any, ...] = ()
    if pivoting:
        import scipy.linalg
        if a.ndim != 2:
            _refuse("qr", "pivoting of one matrix at a time")
        order = (scipy.linalg.qr(a.concrete("the pivots of qr"), mode="r", pivoting=True)[1],)
        a = a[:, order[0]]
    m, k = a.shape[-2:]
    q, r = decompose.qr(a, complete=mode == "full" and m > k, by="scipy")
    if mode == "r" and m > k:
        r = s.pad(r, widths=((0, 0),) * (r.ndim - 2) + ((0, m - k), (0, 0)))
    return (r, *order) if mode == "r" else (q, r, *order)


@scipy_function("scipy.linalg.eigh")
def eigh(a: Any, b: Any = None, lower: bool = True, eigvals_only: bool = False, overwrite_a: bool = False,
         overwrite_b: bool = False, type: int = 1, check_finite: bool = True, subset_by_index: Any = None,
         subset_by_value: Any = None, driver: Any = None) -> Any:
    """``scipy.linalg.eigh``; the generalized problem is reduced by the factor of Cholesky of b."""
    if subset_by_index is not None or subset_by_value is not None or driver is not None:
        _refuse("eigh", "subsets and drivers are not traced; take a slice of the whole")
    a = square(a)
    if b is not None:
        if type != 1:
            _refuse("eigh", "of the generalized problems only a v = w b v is traced")
        return _generalized(a, square(b), lower, eigvals_only)
    uplo = "L" if lower else "U"
    return eigen.eigvalsh(a, uplo=uplo, by="scipy") if eigvals_only else eigen.eigh(a, uplo=uplo, by="scipy")


def _generalized(a: Any, b: Any, lower: bool, eigvals_only: bool) -> Any:
    """``a v = w b v``, with the signs (or phases) of the eigenvectors that SciPy gives."""
    a, b = arrays(a, b)
    factor = cholesky(b, lower)
    factor = factor if lower else mH(factor)
    half = solve_triangular(factor, from_triangle(a, not lower), 0, True)
    reduced = solve_triangular(factor, mH(half), 0, True)
    if eigvals_only:
        return eigen.eigvalsh(reduced, uplo="L", by="scipy")
    import scipy.linalg
    w, v = eigen.eigh(reduced, uplo="L", by="scipy")
    v = solve_triangular(factor, v, "C", True)
    what = "the signs of generalized eigenvectors"
    wanted = scipy.linalg.eigh(a.concrete(what), b.concrete(what), lower=lower)[1]
    overlap = np.sum(np.conj(v.concrete(what)) * wanted, axis=-2)
    return w, v * (overlap / np.abs(overlap))


@scipy_function("scipy.linalg.eigvalsh")
def eigvalsh(a: Any, b: Any = None, lower: bool = True, overwrite_a: bool = False, overwrite_b: bool = False,
             type: int = 1, check_finite: bool = True, subset_by_index: Any = None, subset_by_value: Any = None,
             driver: Any = None) -> Any:
    """``scipy.linalg.eigvalsh``."""
    return eigh(a, b, lower, True, type=type, subset_by_index=subset_by_index, subset_by_value=subset_by_value,
                driver=driver)


@scipy_function("scipy.linalg.eig")
def eig(a: Any, b: Any = None, left: bool = False, right: bool = True, overwrite_a: bool = False,
        overwrite_b: bool = False, check_finite: bool = True, homogeneous_eigvals: bool = False) -> Any:
    """``scipy.linalg.eig``: the eigenvalues are always complex, the vectors real where they are."""
    if b is not None or left or homogeneous_eigvals:
        _refuse("eig", "only the ordinary problem and right eigenvectors are traced")
    a = square(a)
    if not right:
        return eigen.eigvals(a)
    w, v = eigen.eig(a)
    return w, n.as_numpy(a, w, v)[1]


@scipy_function("scipy.linalg.eigvals")
def eigvals(a: Any, b: Any = None, overwrite_a: bool = False, check_finite: bool = True,
            homogeneous_eigvals: bool = False) -> Any:
    """``scipy.linalg.eigvals``: always complex."""
    return eig(a, b, right=False, homogeneous_eigvals=homogeneous_eigvals)


@scipy_function("scipy.linalg.svd")
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, overwrite_a: bool = False,
        check_finite: bool = True, lapack_driver: str = "gesdd") -> Any:
    """``scipy.linalg.svd``."""
    if lapack_driver != "gesdd":
        _refuse("svd", "only lapack_driver='gesdd' is traced")
    a = matrices(a)
    if not compute_uv:
        return decompose.svdvals(a, by="scipy")
    return decompose.svd(a, full=bool(full_matrices) and a.shape[-1] != a.shape[-2], by="scipy")


@scipy_function("scipy.linalg.svdvals")
def svdvals(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.svdvals``."""
    return decompose.svdvals(matrices(a), by="scipy")


# ---------------------------------------------------------------- functions of matrices

def _doubled(a: Tracer) -> Tracer:
    """In double precision."""
    double = np.result_type(a.dtype, np.float64)
    return a if a.dtype == double else s.convert(a, dtype=double)  # type: ignore[no-any-return]


def _in_its_dtype(name: str, a: Tracer) -> Tracer:
    """Complex, if SciPy's result for this real matrix is."""
    if a.dtype.kind == "c" or name not in ("logm", "sqrtm"):
        return a
    import scipy.linalg
    out = getattr(scipy.linalg, name)(a.concrete(f"scipy.linalg.{name} of a real matrix (real or complex?)"))
    return a.astype(np.result_type(a.dtype, np.complex64)) if np.iscomplexobj(out) else a


def _function(name: str) -> None:
    def function(A: Any, **options: Any) -> Any:
        if any(v not in (None, True) for v in options.values()):
            _refuse(name, "its options are not traced")
        a = _in_its_dtype(name, _doubled(square(A)) if name == "logm" else square(A))
        if name == "sqrtm":
            return matrix_functions.sqrtm(a)
        return matrix_functions.function_of_matrix(a, name=name)
    scipy_function(f"scipy.linalg.{name}")(function)


for _name in ("expm", "logm", "sqrtm", "cosm", "sinm", "tanm", "coshm", "sinhm", "tanhm"):
    _function(_name)


def _common_square(name: str, *xs: Any) -> list[Tracer]:
    found = arrays(*xs)
    if any(x.ndim != 2 for x in found):
        _refuse(name, "one equation at a time")
    return found


@scipy_function("scipy.linalg.solve_sylvester")
def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """``A X + X B = Q``."""
    return matrix_functions.sylvester(*_common_square("solve_sylvester", a, b, q))


@scipy_function("scipy.linalg.solve_continuous_lyapunov", "scipy.linalg.solve_lyapunov")
def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    """``A X + X Aᴴ = Q``."""
    a, q = _common_square("solve_continuous_lyapunov", a, q)
    return matrix_functions.sylvester(a, mH(a), q)


@scipy_function("scipy.linalg.solve_discrete_lyapunov")
def solve_discrete_lyapunov(a: Any, q: Any, method: Any = None) -> Any:
    """``A X Aᴴ - X + Q = 0``."""
    return matrix_functions.discrete_lyapunov(*_common_square("solve_discrete_lyapunov", a, q))


# ---------------------------------------------------------------- special matrices

@scipy_function("scipy.linalg.block_diag")
def block_diag(*arrs: Any) -> Any:
    """``scipy.linalg.block_diag``."""
    blocks = [FUNCTIONS[np.atleast_2d](as_array(as_traced(a))) for a in arrs]
    if any(b.ndim > 2 for b in blocks):
        _refuse("block_diag", "arguments of one or two dimensions only")
    rows, width, at = [], sum(b.shape[1] for b in blocks), 0
    for b in blocks:
        rows.append(s.pad(b, widths=((0, 0), (at, width - at - b.shape[1]))))
        at += b.shape[1]
    return FUNCTIONS[np.concatenate](rows, 0)


def _vector(name: str, x: Any) -> Tracer:
    x = FUNCTIONS[np.atleast_1d](as_array(as_traced(x)))
    if x.ndim != 1:
        _refuse(name, "vectors only")
    return x


def _from_parts(c: Any, r: Any, places: Any) -> Any:
    """Elements of c followed by those of r without its first, at these places."""
    return FUNCTIONS[np.concatenate]([c, r[1:]])[places]


@scipy_function("scipy.linalg.toeplitz")
def toeplitz(c: Any, r: Any = None) -> Any:
    """``scipy.linalg.toeplitz``: the first element of r is not read."""
    c = _vector("toeplitz", c)
    r = ufunc_call(np.conjugate, c) if r is None else _vector("toeplitz", r)
    i, j = np.ogrid[:c.shape[0], :r.shape[0]]
    return _from_parts(c, r, np.where(i >= j, i - j, c.shape[0] - 1 + j - i))


@scipy_function("scipy.linalg.hankel")
def hankel(c: Any, r: Any = None) -> Any:
    """``scipy.linalg.hankel``: the first element of r is not read."""
    c = _vector("hankel", c)
    r = _vector("hankel", np.zeros(c.shape, c.dtype) if r is None else r)
    i, j = np.ogrid[:c.shape[0], :r.shape[0]]
    return _from_parts(c, r, i + j)


@scipy_function("scipy.linalg.circulant")
def circulant(c: Any) -> Any:
    """``scipy.linalg.circulant``."""
    c = _vector("circulant", c)
    i, j = np.ogrid[:c.shape[0], :c.shape[0]]
    return c[(i - j) % max(c.shape[0], 1)]


