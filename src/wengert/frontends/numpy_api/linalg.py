"""NumPy's linear algebra on tracers.

What comes in: calls of ``np.linalg``. What goes out: solves, decompositions, determinants. The one idea: each
function only brings its operands to one inexact dtype and to stacks of matrices; values alone never pay for
vectors; results are NumPy's own named tuples.

A function that reads one triangle of its argument (`cholesky`, `eigh`) depends on that triangle only, and so does
its derivative: it is that of the program as written. For the derivative with regard to a symmetric matrix,
symmetrize first: ``np.linalg.cholesky((a + a.T) / 2)``.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.numpy_api.arithmetic import common
from wengert.frontends.numpy_api.structure import as_array
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, implements, ufunc_call
from wengert.primitives import decompose, eigen, inverse
from wengert.primitives import solve as systems
from wengert.primitives import structure as s
from wengert.primitives.contract import matmul
from wengert.primitives.matrices import from_triangle

__all__ = ["inv", "lstsq", "matrices", "pinv", "solve", "square"]

_ONE = np.eye(1)
EighResult, EigResult, SVDResult = type(np.linalg.eigh(_ONE)), type(np.linalg.eig(_ONE)), type(np.linalg.svd(_ONE))
QRResult, SlogdetResult = type(np.linalg.qr(_ONE)), type(np.linalg.slogdet(_ONE))


# ---------------------------------------------------------------- operands

def arrays(*xs: Any) -> list[Tracer]:
    """Operands in the dtype in which NumPy's linear algebra runs: integers count as float64."""
    found = [as_array(x) for x in xs]
    if any(x.dtype.kind in "biu" for x in found):
        found = [x if x.dtype.kind in "fc" else x.astype(np.float64) for x in found]
    for x in found:
        if x.dtype.char not in "fdFD":
            raise TypeError(f"array type {x.dtype} is unsupported in linalg")
    return [as_array(x) for x in common(*found)]


def matrices(a: Any) -> Tracer:
    """A stack of matrices in an inexact dtype."""
    x, = arrays(a)
    if x.ndim < 2:
        raise np.linalg.LinAlgError(f"{x.ndim}-dimensional array given. Array must be at least two-dimensional")
    return x


def square(a: Any) -> Tracer:
    """A stack of square matrices."""
    x = matrices(a)
    if x.shape[-1] != x.shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    return x


def columns(b: Tracer) -> tuple[Any, bool]:
    """A right-hand side as a stack of matrices, and whether it was a vector."""
    return (s.reshape(b, shape=(*b.shape, 1)), True) if b.ndim == 1 else (b, False)


def uncolumned(x: Any, vector: bool) -> Any:
    """The solution as a vector again."""
    return s.reshape(x, shape=x.shape[:-1]) if vector else x


# ---------------------------------------------------------------- solving

@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """``np.linalg.solve``: one factorization serves value, tangent and adjoint."""
    a, b = arrays(a, b)
    a = square(a)
    right, vector = columns(b)
    if right.ndim < 2 or right.shape[-2] != a.shape[-1]:
        raise ValueError(f"solve: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature "
                         f"(m,m),(m,n)->(m,n) (shapes {a.shape} and {b.shape})")
    return uncolumned(systems.solve(a, right), vector)


@implements(np.linalg.inv)
def inv(a: Any) -> Any:
    """``np.linalg.inv``."""
    return inverse.inv(square(a))


@implements(np.linalg.det)
def det(a: Any) -> Any:
    """``np.linalg.det``: derivatives of all orders are right for singular matrices too (beyond the second, up to 12 rows)."""
    return inverse.det(square(a))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """``np.linalg.slogdet``."""
    return SlogdetResult(*inverse.slogdet(square(a)))


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    """``np.linalg.pinv``; the derivative is that at constant rank."""
    a = matrices(a)
    given = None if rtol is np._NoValue else rtol
    cut = given if rcond is None else rcond
    if cut is not None and np.ndim(cut):
        raise UnsupportedError(f"np.linalg.pinv at {user_line()}: rcond= has to be one number")
    if cut is None and rtol is None:
        cut = max(a.shape[-2:]) * np.finfo(a.dtype).eps
    if 0 in a.shape[-2:]:
        return np.zeros((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)
    return inverse.pinv(from_triangle(a) if hermitian else a, cut=None if cut is None else float(cut))


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """``np.linalg.lstsq``: all but the rank is differentiable, at constant rank."""
    a, b = arrays(a, b)
    if a.ndim != 2 or b.ndim not in (1, 2):
        raise np.linalg.LinAlgError(f"{a.ndim}- and {b.ndim}-dimensional arrays given. Arrays must be two-dimensional")
    m, n = a.shape
    if b.shape[0] != m:
        raise np.linalg.LinAlgError("Incompatible dimensions")
    eps = float(np.finfo(a.dtype).eps)
    cut = eps * max(m, n) if rcond is None else eps if rcond < 0 else float(rcond)
    right, vector = columns(b)
    x = inverse.lstsq(a, right, cut=cut)
    values = decompose.svdvals(a)
    known = values.concrete("the rank of np.linalg.lstsq")
    rank = int(np.sum(known > cut * np.max(known, initial=0.0)))
    residuals: Any = np.empty(0, known.dtype)
    if rank == n and m > n:
        rest = ufunc_call(np.absolute, right - matmul(a, x))
        residuals = s.reduce_sum(rest * rest, axes=(0,))
    return uncolumned(x, vector), residuals, rank, values


# ---------------------------------------------------------------- decompositions

@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """``np.linalg.cholesky``: reads the lower triangle, or the upper one if asked."""
    return decompose.cholesky(square(a), above=bool(upper))


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """``np.linalg.qr``."""
    if mode not in ("reduced", "complete", "r"):
        if mode == "raw":
            raise UnsupportedError(f"np.linalg.qr(mode='raw') at {user_line()}: the reflectors are not traced; use 'reduced'")
        raise ValueError(f"Unrecognized mode '{mode}'")
    a = matrices(a)
    q, r = decompose.qr(a, complete=mode == "complete" and a.shape[-2] > a.shape[-1])
    return r if mode == "r" else QRResult(q, r)


def letter(UPLO: str) -> str:
    """"L" or "U"."""
    UPLO = UPLO.upper()
    if UPLO not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return UPLO


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """``np.linalg.eigh``: reads one triangle."""
    return EighResult(*eigen.eigh(square(a), uplo=letter(UPLO)))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """``np.linalg.eigvalsh``: repeated eigenvalues do no harm to symmetric functions of them."""
    return eigen.eigvalsh(square(a), uplo=letter(UPLO))


def as_numpy(a: Tracer, values: Any, *others: Any) -> tuple[Any, ...]:
    """Real, where NumPy's results for a real matrix are: if all eigenvalues are."""
    if a.dtype.kind != "c" and np.all(values.concrete("np.linalg.eig of a real matrix (real or complex?)").imag == 0):
        from wengert.primitives.elementwise import real
        return tuple([real(x) for x in (values, *others)])
    return (values, *others)


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """``np.linalg.eig``."""
    a = square(a)
    return EigResult(*as_numpy(a, *eigen.eig(a)))


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    """``np.linalg.eigvals``."""
    a = square(a)
    return as_numpy(a, eigen.eigvals(a))[0]


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """``np.linalg.svd``."""
    a = matrices(a)
    if hermitian:
        return _hermitian_svd(a, compute_uv)
    if not compute_uv:
        return decompose.svdvals(a)
    return SVDResult(*decompose.svd(a, full=bool(full_matrices) and a.shape[-1] != a.shape[-2]))


def _hermitian_svd(a: Tracer, vectors: bool) -> Any:
    """As NumPy: from the eigenvalues of the lower triangle, by falling modulus."""
    if not vectors:
        size = ufunc_call(np.absolute, eigvalsh(a))
        return FUNCTIONS[np.sort](size, -1)[..., ::-1]
    w, v = eigh(a)
    size = ufunc_call(np.absolute, w)
    order = np.argsort(size.concrete("the order of np.linalg.svd(hermitian=True)"))[..., ::-1]
    take = FUNCTIONS[np.take_along_axis]
    u = take(v, order[..., None, :], -1)
    sign = take(ufunc_call(np.sign, w), order, -1)[..., None, :]
    return SVDResult(u, take(size, order, -1), ufunc_call(np.conjugate, FUNCTIONS[np.swapaxes](u * sign, -2, -1)))


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    """``np.linalg.svdvals``."""
    return decompose.svdvals(matrices(x))


# ---------------------------------------------------------------- what is made of these

@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: Any) -> Any:
    """``np.linalg.matrix_power``, in NumPy's order of products."""
    a = as_array(a)
    if a.dtype.kind in "fc" or n < 0:
        a = square(a)
    n = operator.index(n)
    if n == 0:
        return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape).copy()
    if n < 0:
        a, n = inv(a), -n
    product = FUNCTIONS[np.matmul]
    if n <= 3:
        return a if n == 1 else product(a, a) if n == 2 else product(product(a, a), a)
    power = result = None
    while n > 0:
        power = a if power is None else product(power, power)
        n, bit = divmod(n, 2)
        if bit:
            result = power if result is None else product(result, power)
    return result


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, **rtol: Any) -> Any:
    """``np.linalg.matrix_rank``: an integer."""
    return np.linalg.matrix_rank(as_array(A).concrete("np.linalg.matrix_rank"), tol, hermitian, **rtol)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """``np.linalg.cond``; infinite for singular matrices."""
    x = matrices(x)
    if 0 in x.shape:
        raise np.linalg.LinAlgError("cond is not defined on empty arrays")
    if p is None or p in (2, -2):
        values = decompose.svdvals(x)
        largest, smallest = values[..., 0], values[..., -1]
        r = smallest / largest if p == -2 else largest / smallest
    else:
        norm = FUNCTIONS[np.linalg.norm]
        r = norm(x, p, axis=(-2, -1)) * norm(inverse.inv(square(x), use="nan"), p, axis=(-2, -1))
    unknown = FUNCTIONS[np.any](ufunc_call(np.isnan, x), (-2, -1))
    infinite = ufunc_call(np.logical_and, ufunc_call(np.isnan, r), ufunc_call(np.logical_not, unknown))
    return s.select(infinite, r.dtype.type(np.inf), r)


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """``np.linalg.tensorsolve``."""
    a, b = as_array(a), as_array(b)
    if axes is not None:
        order = list(range(a.ndim))
        for k in axes:
            order.remove(k)
            order.insert(a.ndim, k)
        a = FUNCTIONS[np.transpose](a, order)
    shape = a.shape[-(a.ndim - b.ndim):]
    size = int(np.prod(shape))
    if a.type.size != size * size:
        raise np.linalg.LinAlgError("Input arrays must satisfy the requirement "
                                    "prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim])")
    return s.reshape(solve(s.reshape(a, shape=(size, size)), s.reshape(b, shape=(b.type.size,))), shape=shape)


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """``np.linalg.tensorinv``."""
    a = as_array(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    size = int(np.prod(a.shape[ind:]))
    flat = s.reshape(a, shape=(a.type.size // size, size))
    return s.reshape(inv(flat), shape=(*a.shape[ind:], *a.shape[:ind]))


