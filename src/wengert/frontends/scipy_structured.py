"""Systems and matrices with structure from ``scipy.linalg`` on tracers: banded, Toeplitz, circulant, and polar factors.

What comes in: the numbers that make a matrix. What goes out: solutions, factors, matrices. The one idea: what is banded stays
banded, so its cost is linear; the others are made in full.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.frontends.numpy_api import fourier
from wengert.frontends.numpy_api.linalg import arrays, columns, matrices, square, uncolumned
from wengert.frontends.numpy_api.structure import as_array
from wengert.frontends.scipy_api import scipy_function
from wengert.frontends.scipy_data import plain, refuse, require
from wengert.frontends.scipy_linalg import toeplitz
from wengert.frontends.tracer import FUNCTIONS, as_traced
from wengert.primitives import matrix_functions
from wengert.primitives import solve as systems
from wengert.primitives import structure as s
from wengert.primitives.banded import solve_banded as by_diagonals
from wengert.primitives.contract import matmul
from wengert.primitives.elementwise import conj
from wengert.primitives.matrices import herm, mH

__all__: list[str] = []


# ---------------------------------------------------------------- banded systems

@scipy_function("scipy.linalg.solve_banded", as_given=True)
def solve_banded(l_and_u: Any, ab: Any, b: Any, overwrite_ab: bool = False, overwrite_b: bool = False,
                 check_finite: bool = True) -> Any:
    """``scipy.linalg.solve_banded``."""
    ab, b = arrays(as_traced(ab), as_traced(b))
    if ab.ndim != 2:
        refuse("scipy.linalg.solve_banded", "one matrix at a time; map over stacks with wg.vmap")
    below, above = l_and_u
    if below + above + 1 != ab.shape[0]:
        raise ValueError(f"invalid values for the number of lower and upper diagonals: l+u+1 ({below + above + 1}) does not "
                         f"equal ab.shape[0] ({ab.shape[0]})")
    right, vector = columns(b)
    if ab.shape[-1] != right.shape[-2]:
        raise ValueError("shapes of ab and b are not compatible.")
    return uncolumned(by_diagonals(ab, right, int(below)), vector)


@scipy_function("scipy.linalg.solveh_banded")
def solveh_banded(ab: Any, b: Any, overwrite_ab: bool = False, overwrite_b: bool = False, lower: bool = False,
                  check_finite: bool = True) -> Any:
    """``scipy.linalg.solveh_banded``: by the factor of Cholesky; half of the diagonals are read."""
    ab, b = arrays(as_traced(ab), as_traced(b))
    if ab.ndim != 2:
        refuse("scipy.linalg.solveh_banded", "one matrix at a time; map over stacks with wg.vmap")
    right, vector = columns(b)
    if ab.shape[-1] != right.shape[-2]:
        raise ValueError("shapes of ab and b are not compatible.")
    k, n = ab.shape[0] - 1, ab.shape[1]
    half = [ab[i] if lower else ab[k - i] for i in range(k + 1)]  # diagonals, from the middle one outward
    rows_above: list[Any] = []
    rows_below: list[Any] = []
    for i in range(1, k + 1):
        d, m = half[i], max(n - i, 0)
        values = d[:m] if lower else d[n - m:]
        if lower:
            rows_above.insert(0, s.pad(conj(values), widths=((n - m, 0),)))
            rows_below.append(s.pad(values, widths=((0, n - m),)))
        else:
            rows_above.insert(0, s.pad(values, widths=((n - m, 0),)))
            rows_below.append(s.pad(conj(values), widths=((0, n - m),)))
    middle = half[0].real + 0.0 * half[0] if ab.dtype.kind == "c" else half[0]
    full = FUNCTIONS[np.stack]([*rows_above, middle, *rows_below])
    return uncolumned(by_diagonals(full, right, k, definite=True), vector)


# ---------------------------------------------------------------- Toeplitz and circulant matrices

def _pair(c_or_cr: Any) -> tuple[Any, Any]:
    return c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, None)


@scipy_function("scipy.linalg.solve_toeplitz", as_given=True)
def solve_toeplitz(c_or_cr: Any, b: Any, check_finite: bool = True) -> Any:
    """``scipy.linalg.solve_toeplitz``: through the whole matrix."""
    a, b = arrays(toeplitz(*_pair(c_or_cr)), as_traced(b))
    right, vector = columns(b)
    return uncolumned(systems.solve(square(a), right), vector)


@scipy_function("scipy.linalg.matmul_toeplitz", as_given=True)
def matmul_toeplitz(c_or_cr: Any, x: Any, check_finite: bool = False, workers: Any = None) -> Any:
    """``scipy.linalg.matmul_toeplitz``: through the whole matrix."""
    return FUNCTIONS[np.matmul](toeplitz(*_pair(c_or_cr)), as_traced(x))


@scipy_function("scipy.linalg.solve_circulant")
def solve_circulant(c: Any, b: Any, singular: str = "raise", tol: Any = None, caxis: int = -1, baxis: int = 0,
                    outaxis: int = 0) -> Any:
    """``scipy.linalg.solve_circulant``: a quotient of Fourier transforms."""
    c, b = arrays(as_traced(c), as_traced(b))
    if c.ndim != 1 or b.ndim != 1 or singular != "raise":
        refuse("scipy.linalg.solve_circulant", "vectors only, and singular='raise'")
    n = c.shape[0]
    if b.shape[0] != n:
        raise ValueError(f"Shapes of c {c.shape} and b {b.shape} are incompatible")
    spectrum = fourier.transform(c + 0j, [n], [0], inverse=False)
    size = np.abs(spectrum)
    least = FUNCTIONS[np.max](size) * n * np.finfo(float).eps if tol is None else tol
    spectrum = require(spectrum, size > least, "near singular circulant matrix.")
    out = fourier.transform(fourier.transform(b + 0j, [n], [0], inverse=False) / spectrum, [n], [0], inverse=True)
    return out if "c" in (c.dtype.kind, b.dtype.kind) else out.real


@scipy_function("scipy.linalg.companion")
def companion(a: Any) -> Any:
    """``scipy.linalg.companion``."""
    a = as_array(as_traced(a))
    if a.ndim != 1 or a.shape[0] < 2:
        raise ValueError("The length of `a` along the last axis must be at least 2.")
    n = a.shape[0] - 1
    first = -a[1:] / (1.0 * a[0])
    return FUNCTIONS[np.concatenate]([first[None], np.eye(n - 1, n, dtype=first.dtype)])


@scipy_function("scipy.linalg.khatri_rao")
def khatri_rao(a: Any, b: Any) -> Any:
    """``scipy.linalg.khatri_rao``: Kronecker products of columns."""
    a, b = arrays(as_traced(a), as_traced(b))
    if a.shape[-1] != b.shape[-1]:
        raise ValueError("The number of columns for both arrays should be equal.")
    return FUNCTIONS[np.reshape](a[:, None, :] * b[None, :, :], (-1, a.shape[1]))


# ---------------------------------------------------------------- factors

@scipy_function("scipy.linalg.polar")
def polar(a: Any, side: str = "right") -> Any:
    """``scipy.linalg.polar`` of a matrix of full rank."""
    if side not in ("right", "left"):
        raise ValueError("`side` must be either 'right' or 'left'")
    a = matrices(a)
    tall = a.shape[-2] >= a.shape[-1]
    u = matrix_functions.polar_factor(a) if tall else mH(matrix_functions.polar_factor(mH(a)))
    return u, herm(matmul(mH(u), a) if side == "right" else matmul(a, mH(u)))


@scipy_function("scipy.linalg.orthogonal_procrustes")
def orthogonal_procrustes(A: Any, B: Any, check_finite: bool = True) -> Any:
    """``scipy.linalg.orthogonal_procrustes``: the polar factor of ``Aᴴ B``."""
    a, b = arrays(as_traced(A), as_traced(B))
    product = matmul(mH(a), b)
    u = matrix_functions.polar_factor(product)
    return u, FUNCTIONS[np.trace](matmul(mH(u), product)).real


@scipy_function("scipy.linalg.expm_frechet")
def expm_frechet(A: Any, E: Any, method: Any = None, compute_expm: bool = True, check_finite: bool = True) -> Any:
    """``scipy.linalg.expm_frechet``."""
    a, e = arrays(as_traced(A), as_traced(E))
    change = matrix_functions.frechet(e, square(a), name="expm")
    return (matrix_functions.function_of_matrix(a, name="expm"), change) if compute_expm else change


@scipy_function("scipy.linalg.fractional_matrix_power")
def fractional_matrix_power(A: Any, t: Any) -> Any:
    """``scipy.linalg.fractional_matrix_power`` with a whole power, or one half."""
    t = plain(t, "the power of a matrix")
    a = square(A)
    if float(t).is_integer():
        return FUNCTIONS[np.linalg.matrix_power](a, int(t))
    if t != 0.5:
        refuse("scipy.linalg.fractional_matrix_power", "powers other than whole ones and 0.5 are not traced; write "
               "expm(t * logm(A))")
    return matrix_functions.sqrtm(a)
