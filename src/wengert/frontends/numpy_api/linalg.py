"""NumPy's linear algebra on tracers.

What comes in: calls of ``np.linalg``. What goes out: solves, decompositions, determinants, norms. The one idea: values
alone never pay for vectors; results are NumPy's own named tuples.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.numpy_api.arithmetic import common
from wengert.frontends.numpy_api.structure import as_array
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced, implements, ufunc_call
from wengert.primitives import decompose as d
from wengert.primitives import solve as so
from wengert.primitives import structure as s

__all__ = ["inv", "pinv", "solve"]

_EYE = np.eye(1)
EighResult, EigResult, SVDResult = type(np.linalg.eigh(_EYE)), type(np.linalg.eig(_EYE)), type(np.linalg.svd(_EYE))
QRResult, SlogdetResult = type(np.linalg.qr(_EYE)), type(np.linalg.slogdet(_EYE))


def _matrix(a: Any) -> Tracer:
    """A stack of matrices in a floating dtype."""
    x = as_array(a)
    if x.dtype.kind in "bui":
        x = x.astype(float)
    if x.ndim < 2:
        raise np.linalg.LinAlgError(f"{x.ndim}-dimensional array given. Array must be at least two-dimensional")
    return x


def _square(a: Any) -> Tracer:
    x = _matrix(a)
    if x.shape[-1] != x.shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    return x


def _stretched(x: Any, lead: tuple[int, ...]) -> Any:
    shape = (*lead, *x.shape[-2:])
    return x if x.shape == shape else s.broadcast(x, shape=shape)


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """``np.linalg.solve``: one factorization serves the value, the tangent and the adjoint."""
    a, b = common(as_traced(a), as_traced(b))
    a = _square(a)
    b = as_array(b)
    vector = b.ndim == 1
    right = s.reshape(b, shape=(*b.shape, 1)) if vector else b
    lead = np.broadcast_shapes(a.shape[:-2], right.shape[:-2])
    if right.shape[-2] != a.shape[-1]:
        raise ValueError(
            f"solve: Input operand 1 has a mismatch in its core dimension 0 (size {right.shape[-2]} is different "
            f"from {a.shape[-1]})"
        )
    x = so.solve_with(_stretched(a, lead), _stretched(right, lead))
    return s.reshape(x, shape=x.shape[:-1]) if vector else x


@implements(np.linalg.inv)
def inv(a: Any) -> Any:
    """``np.linalg.inv``."""
    a = _square(a)
    return so.solve_with(a, np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape).copy())


@implements(np.linalg.det)
def det(a: Any) -> Any:
    """``np.linalg.det``; the derivative is right for singular matrices too."""
    return so.det(_square(a))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """``np.linalg.slogdet``."""
    a = _square(a)
    sign, logabs = so.slogdet(a)
    return SlogdetResult(sign, logabs)


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """``np.linalg.cholesky``; reads the lower triangle (the upper one if asked), and so does its derivative."""
    a = _square(a)
    return so.adjoint(d.cholesky(so.adjoint(a))) if upper else d.cholesky(a)


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """``np.linalg.qr``, modes "reduced" and "r" ("complete" for square matrices)."""
    a = _matrix(a)
    m, n = a.shape[-2:]
    if mode == "raw" or (mode == "complete" and m > n):
        raise UnsupportedError(f"np.linalg.qr(mode={mode!r}) at {user_line()}: the added columns are arbitrary; use 'reduced'")
    if m >= n:
        q, r = d.qr(a)
    else:
        q, first = d.qr(a[..., :m])
        r = FUNCTIONS[np.concatenate]([first, FUNCTIONS[np.matmul](so.adjoint(q), a[..., m:])], -1)
    return r if mode == "r" else QRResult(q, r)


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """``np.linalg.eigh``; reads one triangle, and so does its derivative."""
    a = _square(a)
    return EighResult(*d.eigh(a if UPLO.upper() == "L" else so.adjoint(a)))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """``np.linalg.eigvalsh``: the derivative needs vectors once, and no gaps."""
    a = _square(a)
    return d.eigvalsh(a if UPLO.upper() == "L" else so.adjoint(a))


def _eig(a: Any) -> tuple[Tracer, Tracer]:
    """As NumPy: real results where all eigenvalues are real (seen from the present value)."""
    a = _square(a)
    w, v = d.eig(a)
    if a.dtype.kind != "c" and np.all(w.concrete("eig").imag == 0):
        return FUNCTIONS[np.real](w), FUNCTIONS[np.real](v)
    return w, v


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """``np.linalg.eig``."""
    return EigResult(*_eig(a))  # type: ignore[arg-type]


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    """``np.linalg.eigvals``."""
    return _eig(a)[0]


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """``np.linalg.svd``; values alone cost no vectors beyond those of their derivative."""
    a = _matrix(a)
    if not compute_uv:
        return d.svdvals(a)
    if hermitian or (full_matrices and a.shape[-1] != a.shape[-2]):
        raise UnsupportedError(
            f"np.linalg.svd at {user_line()}: pass full_matrices=False (the added vectors are arbitrary) and hermitian=False"
        )
    return SVDResult(*d.svd(a))


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    """``np.linalg.svdvals``."""
    return d.svdvals(_matrix(x))


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """``np.linalg.pinv``; for constant rank (Golub and Pereyra 1973)."""
    a = _matrix(a)
    cut = rcond if rcond is not None else rtol if rtol is not None else 1e-15
    return so.pinv(a, rcond=float(cut))


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """``np.linalg.lstsq``: the solution and the residuals are traced; rank and singular values as NumPy gives them."""
    a, b = common(as_traced(a), as_traced(b))
    a, b = _matrix(a), as_array(b)
    m, n = a.shape
    cut = float(rcond) if rcond is not None and rcond >= 0 else np.finfo(a.dtype).eps * (max(m, n) if rcond is None else 1)
    x = FUNCTIONS[np.matmul](so.pinv(a, rcond=cut), b)
    values = d.svdvals(a)
    known = values.concrete("lstsq")
    rank = int(np.sum(known > cut * np.max(known, initial=0.0)))
    if rank == n and m > n:
        residual = b - FUNCTIONS[np.matmul](a, x)
        residuals = FUNCTIONS[np.sum](ufunc_call(np.square, ufunc_call(np.absolute, residual)), 0)
        residuals = s.reshape(residuals, shape=(1,)) if b.ndim == 1 else residuals
    else:
        residuals = np.empty((0,), known.dtype)
    return x, residuals, rank, values


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """``np.linalg.matrix_power``."""
    a = _square(a)
    if n < 0:
        a, n = inv(a), -n
    if n == 0:
        return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape).copy()
    if n <= 3:
        out = a
        for _ in range(n - 1):
            out = FUNCTIONS[np.matmul](out, a)
        return out
    square, out = None, None
    while n > 0:
        square = a if square is None else FUNCTIONS[np.matmul](square, square)
        n, bit = divmod(n, 2)
        if bit:
            out = square if out is None else FUNCTIONS[np.matmul](out, square)
    return out


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """``np.linalg.matrix_rank``: an integer."""
    return np.linalg.matrix_rank(
        as_array(A).concrete("matrix_rank"), tol, hermitian, **({} if rtol is None else {"rtol": rtol})
    )


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """``np.linalg.cond``."""
    x = _matrix(x)
    if p in (None, 2, -2):
        values = d.svdvals(x)
        top, low = values[..., 0], values[..., -1]
        return low / top if p == -2 else top / low
    norm = FUNCTIONS[np.linalg.norm]
    return norm(x, p, axis=(-2, -1)) * norm(inv(x), p, axis=(-2, -1))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """``np.linalg.tensorsolve``."""
    a, b = as_array(a), as_array(b)
    order = list(range(a.ndim))
    for k in axes or ():
        order.remove(k)
        order.insert(a.ndim, k)
    a = FUNCTIONS[np.transpose](a, order) if axes else a
    shape = a.shape[-(a.ndim - b.ndim) :]
    size = int(np.prod(shape))
    flat = solve(s.reshape(a, shape=(size, size)), s.reshape(b, shape=(b.type.size,)))
    return s.reshape(flat, shape=shape)


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """``np.linalg.tensorinv``."""
    a = as_array(a)
    left, right = a.shape[:ind], a.shape[ind:]
    size = int(np.prod(right))
    return s.reshape(inv(s.reshape(a, shape=(size, size))), shape=(*right, *left))
