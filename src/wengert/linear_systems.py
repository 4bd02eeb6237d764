"""Sparse and matrix-free linear systems: `wg.implicit.solve`, and ``scipy.sparse.linalg`` by its own names.

What comes in: a matrix whose entries may be traced, or a function that multiplies; and a right-hand side. What goes out: the
solution, traced. The one idea: only the entries of a sparse matrix are differentiated, never a dense one: the gradient with
regard to them is one gather, ``-λ[rows] · x[columns]``, where λ solves with the transposed matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from wengert import curve_fitting, solutions  # noqa: F401  (the former registers itself)
from wengert.errors import InputError, UnsupportedError, kind_of
from wengert.frontends.registry import FUNCTIONS
from wengert.frontends.scipy_api import BOUND, scipy_function
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import Tracer
from wengert.graph import ArrayType
from wengert.primitives.linear_system import keep_factors, sparse_product, sparse_solve
from wengert.scipy_solvers import frozen, user_call
from wengert.solutions import Call, Function, array_of, is_traced, plain

__all__ = ["KRYLOV", "solve"]

KRYLOV = ("gmres", "cg", "bicgstab")
Entries = tuple[Any, Any, Any, int]  # data, rows, columns, the number of rows


def _entries(a: Any, data: Any = None) -> Entries:
    """The entries of a sparse matrix in the order of its ``data``, or with others in their places."""
    if a.shape[0] != a.shape[1]:
        raise ValueError(f"expected a square matrix, not one of shape {a.shape}")
    kind = a.format
    if kind not in ("csr", "csc", "coo") and data is not None:
        raise InputError(f"solve: data= stands for the entries of a matrix in CSR, CSC or COO form, and this one is in "
                         f"{kind.upper()} form; convert it: A.tocsr() (at {user_line()})")
    a = a if kind in ("csr", "csc", "coo") else a.tocsr()
    major = None if a.format == "coo" else np.repeat(np.arange(a.shape[0]), np.diff(a.indptr))
    pairs = {"csr": lambda: (major, a.indices), "csc": lambda: (a.indices, major), "coo": lambda: (a.row, a.col)}
    rows, columns = (np.asarray(x, np.int64) for x in pairs[a.format]())
    if data is None:
        return a.data, rows, columns, a.shape[0]
    shape = data.shape if isinstance(data, Tracer) else np.shape(data)
    if shape != rows.shape:
        raise ValueError(f"data has shape {shape}, and the matrix has {len(rows)} stored entries")
    return data, rows, columns, a.shape[0]


def _common(*xs: Any) -> list[Any]:
    """Arrays in one dtype, at least double precision."""
    arrays = [x if isinstance(x, Tracer) else np.asarray(x) for x in xs]
    dtype = np.result_type(np.float64, *[x.dtype for x in arrays])
    return [x if x.dtype == dtype else x.astype(dtype) for x in arrays]


def _require_right_side(b: Any, n: int) -> None:
    shape = b.shape if isinstance(b, Tracer) else np.shape(b)
    if len(shape) not in (1, 2) or shape[0] != n:
        raise ValueError(f"matrix - rhs dimension mismatch ({(n, n)} - {shape})")


def _direct(entries: Entries, b: Any) -> Any:
    data, rows, columns, n = entries
    _require_right_side(b, n)
    data, b = _common(data, b)
    return sparse_solve(data, rows, columns, b)


def solve(a: Any, b: Any, *, data: Any = None, method: str | None = None, rtol: float = 1e-10) -> Any:
    """The public function `wengert.implicit.solve`; see there."""
    if method is not None and method not in KRYLOV:
        raise InputError(f"solve: method is None (factor the matrix) or one of {', '.join(KRYLOV)}, not {method!r}")
    b = array_of(b)
    if hasattr(a, "tocsr"):
        entries = _entries(a, array_of(data) if data is not None else None)
        if method is None:
            return _direct(entries, b)
        values, rows, columns, n = entries
        _require_right_side(b, n)
        values, b = _common(values, b)
        return _with_products(lambda v: sparse_product(values, rows, columns, v), b, method, rtol)
    if data is not None:
        raise InputError(f"solve: data= goes with a sparse matrix, which gives the places of the entries, not {kind_of(a)}")
    if callable(a):
        return _with_products(lambda v: user_call(a, v), b, method, rtol)
    a, b = _common(array_of(a), b)
    if method is None:
        return np.linalg.solve(a, b)
    return _with_products(lambda v: a @ v, b, method, rtol)


def _with_products(multiply: Callable[[Any], Any], b: Any, method: str | None, rtol: float) -> Any:
    """A system known by its products; one with few unknowns is made dense."""
    b, = _common(b)
    if b.dtype.kind == "c":
        raise UnsupportedError(f"solve of a complex system by products at {user_line()}: give the matrix")
    like = ArrayType(b.shape, b.dtype)
    return solutions.linear(Function("solve", multiply, [like]), b, method, rtol)


# ---------------------------------------------------------------- SciPy's names

@scipy_function("scipy.sparse.linalg.spsolve", as_given=True)
def spsolve(a: Any, b: Any, permc_spec: Any = None, use_umfpack: bool = True) -> Any:
    """``scipy.sparse.linalg.spsolve``."""
    b = array_of(b)
    if len(b.shape) == 2 and b.shape[1] == 1:
        return FUNCTIONS[np.reshape](_direct(_entries(a), FUNCTIONS[np.reshape](b, -1)), -1)
    return _direct(_entries(a), b)


def _lu_solve(lu: Any, b: Any, trans: str = "N") -> Any:
    """``splu(A).solve(b)``, and what ``factorized(A)`` gives: of the factors, ``Pr A Pc = L U``."""
    from scipy.sparse import csc_array
    n = lu.shape[0]
    one = np.ones(n)
    pr, pc = csc_array((one, (lu.perm_r, np.arange(n)))), csc_array((one, (np.arange(n), lu.perm_c)))
    matrix = (pr.T @ (lu.L @ lu.U) @ pc.T).tocoo()
    data, rows, columns, _ = _entries(matrix)
    keep_factors(data, rows, columns, lu)
    if trans == "H":
        data = data.conj()
    return _direct((data, rows, columns, n) if trans == "N" else (data, columns, rows, n), b)


BOUND["SuperLU", "solve"] = _lu_solve


def _iterative(name: str) -> Callable[..., Any]:
    def implementation(a: Any, b: Any, x0: Any = None, **options: Any) -> Any:
        from scipy.sparse import linalg
        if is_traced(a):
            raise UnsupportedError(f"{name} of a traced matrix at {user_line()}: use wg.implicit.solve(A, b, method={name!r})")
        a, b = plain(a, "the matrix"), array_of(b)
        shape = b.shape
        (flat,) = _common(FUNCTIONS[np.reshape](b, -1) if isinstance(b, Tracer) else b.reshape(-1))
        like = ArrayType(flat.shape, flat.dtype)
        if like.dtype.kind == "c":
            raise UnsupportedError(f"{name} of a complex right-hand side at {user_line()}: use wg.implicit.solve")
        multiply = _multiplier(a)
        functions = [Function(name, lambda v: multiply(v) - flat, [like]), Function(name, multiply, [like])]
        options = {k: plain(v, k) for k, v in options.items()}
        start = np.zeros(like.shape) if x0 is None else array_of(x0)

        def run(functions: Any, at: Any) -> Any:
            operator = a if _matrix(a) is not None else linalg.LinearOperator(a.shape, matvec=functions[1], dtype=like.dtype)
            return getattr(linalg, name)(operator, at[0], at[1], **options)
        call = Call(name, run, lambda out, at: (out[0], out[1] == 0, np.abs(out[0]).max(initial=0.0)),
                    (name, id(a), frozen(options)))  # an equal one holds the same matrix
        found = solutions.solve(call, functions, [flat, start], like.shape, solutions.root, method=name)
        info = found.result[1] if found.result is not None else FUNCTIONS[np.where](found.converged, 0, 1)
        return (found.x if shape == like.shape else FUNCTIONS[np.reshape](found.x, shape)), info
    return scipy_function(f"scipy.sparse.linalg.{name}", as_given=True)(implementation)


for _name in KRYLOV:
    _iterative(_name)


def _matrix(a: Any) -> Any:
    """The matrix that is, or that an operator holds; None for one known by its products."""
    return (a.A if hasattr(a, "A") else None) if hasattr(a, "_matvec") else a


def _multiplier(a: Any) -> Callable[[Any], Any]:
    matrix = _matrix(a)
    if matrix is None:  # its matvec would make an ordinary array of v
        return lambda v: user_call(a._matvec, v)
    if hasattr(matrix, "tocsr"):
        data, rows, columns, _ = _entries(matrix)
        (data,) = _common(data)
        return lambda v: sparse_product(data, rows, columns, v)
    return lambda v: matrix @ v


# ---------------------------------------------------------------- matrices that cannot hold traced values

def _refused(module: str, name: str) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        if not is_traced([*args, *kwargs.values()]):  # but arrays that the function made
            return getattr(import_module(module), name)(*plain(args, name), **{k: plain(v, name) for k, v in kwargs.items()})
        raise UnsupportedError(
            f"{module}.{name} cannot hold traced values (at {user_line()}). Make the matrix of ordinary numbers, for its "
            f"pattern, and give the traced entries apart: wg.implicit.solve(A, b, data=data)")
    scipy_function(f"{module}.{name}", as_given=True)(refuse)


for _name in ("bsr_array", "bsr_matrix", "coo_array", "coo_matrix", "csc_array", "csc_matrix", "csr_array", "csr_matrix",
              "dia_array", "dia_matrix", "diags", "diags_array", "spdiags"):
    _refused("scipy.sparse", _name)
for _name in ("splu", "spilu", "factorized"):
    _refused("scipy.sparse.linalg", _name)
