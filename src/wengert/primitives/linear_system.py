"""Linear systems that are never made dense: sparse matrices, and operators known by their products.

What comes in: the entries of a sparse matrix with their rows and columns, or a graph that multiplies; and a right-hand side.
What goes out: the solution. The one idea: ``dx = A⁻¹ (db - dA x)``, and the adjoint of a solve is a solve with the transposed
system, so a derivative of any order is again such solves, and products with the entries at their own places.

The matrix that was factored last is kept: a solve, its derivative and its adjoint share one factorization.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import ConvergenceError
from wengert.graph import ArrayType, Graph, Handle, Primitive
from wengert.primitives.control import ready_graph
from wengert.primitives.control_rules import batch_lanes
from wengert.primitives.elementwise import conj
from wengert.primitives.index import index, index_add
from wengert.primitives.solve import solve
from wengert.primitives.structure import reshape, transpose

__all__ = ["System", "factored", "is_rounding", "keep_factors", "krylov", "linear_solve", "multiplier", "solve_system",
           "solver_of", "sparse_product", "sparse_solve"]

_ROWS = (("a",),)
_ESTIMATE = 1e-3  # how well a distance is solved for that is only compared
_NOTHING = 1e-9
_KEPT = 4  # factorizations, per thread
_MOST_KEPT = 10_000_000  # their entries


# ---------------------------------------------------------------- factorizations

class _Factors(threading.local):
    def __init__(self) -> None:
        self.found: list[tuple[Any, Any, Any, Any]] = []


_FACTORS = _Factors()


def _same(a: Any, b: Any) -> bool:
    return a is b or (a.dtype == b.dtype and np.array_equal(a, b))


def factored(data: Any, rows: Any, columns: Any, n: int) -> Callable[[Any], Any]:
    """What solves with a sparse matrix; the factors are those of an equal or a transposed matrix, if there are some."""
    for entry in _FACTORS.found:
        for trans, r, c in (("N", rows, columns), ("T", columns, rows)):
            if _same(entry[1], r) and _same(entry[2], c) and _same(entry[0], data):
                return functools.partial(_back, entry[3], trans)
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import splu
    matrix = coo_array((data, (rows, columns)), shape=(n, n)).tocsc()
    try:
        lu = splu(matrix)
    except RuntimeError as error:
        if "singular" not in str(error):
            raise
        raise np.linalg.LinAlgError("Singular matrix") from None
    keep_factors(np.array(data), rows, columns, lu)
    return functools.partial(_back, lu, "N")


def _back(lu: Any, trans: str, b: Any) -> Any:
    return lu.solve(b, trans)


def keep_factors(data: Any, rows: Any, columns: Any, lu: Any) -> None:
    """Remember the factors of a matrix, so that it is not factored again; of large ones, the last alone."""
    found = _FACTORS.found
    found.insert(0, (data, rows, columns, lu))
    del found[_KEPT:]
    while len(found) > 1 and sum(entry[3].nnz for entry in found) > _MOST_KEPT:
        found.pop()


# ---------------------------------------------------------------- sparse matrices

def _column(x: Any, like: Any) -> Any:
    """Entries beside the rows of a right-hand side, which may be several columns."""
    return reshape(x, shape=(x.shape[0], 1)) if len(like.shape) == 2 else x


def sparse_product(data: Any, rows: Any, columns: Any, x: Any) -> Any:
    """``A x`` for the square matrix with these entries."""
    return sparse_times(data, rows, columns, x, x.shape[0])


def sparse_times(data: Any, rows: Any, columns: Any, x: Any, height: int) -> Any:
    """``A x`` for the matrix with these entries and so many rows."""
    terms = _column(data, x) * index(x, columns, spec=_ROWS)
    return index_add(np.zeros((height, *x.shape[1:]), terms.dtype), terms, rows, spec=_ROWS)


def _sparse_type(data: ArrayType, rows: ArrayType, columns: ArrayType, b: ArrayType) -> ArrayType:
    if not data.shape == rows.shape == columns.shape or len(data.shape) != 1:
        raise ValueError(f"a sparse matrix with data, rows and columns of shapes {data.shape}, {rows.shape} and "
                         f"{columns.shape}")
    if len(b.shape) not in (1, 2):
        raise ValueError(f"a right-hand side of shape {b.shape}; it has to be a vector, or a matrix with several of them")
    if data.dtype != b.dtype:
        raise TypeError(f"operands of different dtypes: {data}, {b}")
    return b


def _sparse_evaluate(data: Any, rows: Any, columns: Any, b: Any) -> Any:
    b = np.asarray(b)
    if not b.size:
        return np.array(b)
    double = np.result_type(b.dtype, np.float64)
    out = factored(np.asarray(data, double), rows, columns, len(b))(np.asarray(b, double))
    return np.ascontiguousarray(out, b.dtype)


def _sparse_jvp(x: Any, ops: Any, tangents: Any) -> Any:
    data, rows, columns, _ = ops
    if tangents[0] is None:
        return None
    return -sparse_solve(data, rows, columns, sparse_product(tangents[0], rows, columns, x))


def _sparse_batch(n: int, ops: Any, batched: Any) -> Any:
    data, rows, columns, b = ops
    if any(batched[:3]):
        return batch_lanes("sparse_solve")(n, ops, batched)
    size = b.shape[1]
    wide = reshape(transpose(b, axes=(1, 0, *range(2, len(b.shape)))), shape=(size, b.type.size // max(size, 1)))
    out = reshape(sparse_solve(data, rows, columns, wide), shape=(size, n, *b.shape[2:]))
    return transpose(out, axes=(1, 0, *range(2, len(b.shape))))


def _tridiagonal_sample(rng: np.random.Generator) -> Any:
    i = np.arange(4)
    rows, columns = np.concatenate([i, i[1:], i[:-1]]), np.concatenate([i, i[:-1], i[1:]])
    data = np.concatenate([rng.uniform(2.5, 3.5, 4), rng.uniform(-1.0, 1.0, 6)])
    return [((data, rows, columns, rng.normal(size=4)), {}), ((data, rows, columns, rng.normal(size=(4, 2))), {}),
            ((data + 0.5j, rows, columns, rng.normal(size=4) + 1j), {})]


sparse_solve: Primitive = Primitive(
    "sparse_solve", type=_sparse_type, evaluate=_sparse_evaluate, linear=(3,), jvp=_sparse_jvp, batch=_sparse_batch,
    transpose=lambda ct, i, ops: conj(sparse_solve(ops[0], ops[2], ops[1], conj(ct))), sample=_tridiagonal_sample)


# ---------------------------------------------------------------- operators

def krylov(method: str, multiply: Callable[[Any], Any], b: Any, rtol: float) -> Any:
    """``A x = b`` by a method of Krylov's; an error if the residual, computed anew, is not small enough."""
    import scipy.sparse.linalg as sparse
    b = np.asarray(b)
    size = float(np.linalg.norm(b))
    if not size:
        return np.zeros_like(b)
    operator = sparse.LinearOperator((b.size, b.size), matvec=multiply, dtype=b.dtype)
    words = {"restart": min(b.size, 100), "maxiter": 100} if method == "gmres" else {"maxiter": 10 * b.size}
    x: Any = None
    before, left = np.inf, size
    with np.errstate(all="ignore"):  # of a breakdown; the residual says so
        while 10.0 * rtol * size < left < 0.1 * before:  # from where it broke down, as long as that helps
            x, _ = getattr(sparse, method)(operator, b, x0=x, rtol=rtol, atol=0.0, **words)
            before, left = left, float(np.linalg.norm(b - multiply(x)))
    if not left <= 10.0 * rtol * size:
        raise ConvergenceError(
            f"linear system of {b.size} unknowns: {method} leaves a relative residual of {left / size:.1e}, and {rtol:.0e} is "
            f"wanted. The matrix may be singular or badly scaled; use another method, or a larger rtol")
    return x.astype(b.dtype, copy=False)


def is_rounding(system: System, entries: Sequence[Any], x: Any, b: Any) -> bool:
    """Whether b is nothing beside ``A x``, where A is known by its products: no method solves for what rounding left."""
    if system[0] != "operator":
        return False
    product = multiplier(system[1], entries, np.shape(x))(np.ravel(x))
    return float(np.linalg.norm(b)) <= _NOTHING * float(np.linalg.norm(product))


def multiplier(graph: Graph, residuals: Sequence[Any], shape: tuple[int, ...]) -> Callable[[Any], Any]:
    run = ready_graph(graph)
    return lambda v: np.ravel(run(np.reshape(v, shape), *residuals)[0])


def _operator_evaluate(b: Any, *residuals: Any, matvec: Graph, adjoint: Graph, method: str, rtol: float) -> Any:
    out = krylov(method, multiplier(matvec, residuals, np.shape(b)), np.ravel(b), rtol)
    return np.reshape(out, np.shape(b))[()]


def _operator_jvp(results: Any, ops: Any, tangents: Any, *, transform: Any, matvec: Graph, **params: Any) -> Any:
    if all(t is None for t in tangents[1:]):
        return None
    linear = transform(matvec, [False, *[t is not None for t in tangents[1:]]])
    if not linear.nonzero[0]:
        return None
    build = results.build
    env = build.inline_env(linear.primal, {v: h.atom for v, h in zip(matvec.inputs, (results, *ops[1:]), strict=True)})[1]
    given = [*[t for t in tangents[1:] if t is not None], *[Handle(build, env[v]) for v in linear.residuals]]
    return -linear_solve(build.inline(linear.graph, given)[0], *ops[1:], matvec=matvec, **params)


def _operator_transpose(ct: Any, i: int, ops: Any, *, matvec: Graph, adjoint: Graph, **params: Any) -> Any:
    return linear_solve(ct, *[ops[k] for k in range(1, len(ops))], matvec=adjoint, adjoint=matvec, **params)


def _operator_sample(rng: np.random.Generator) -> Any:
    from wengert.graph import build_graph
    like = ArrayType((3,), np.float64)
    matvec = build_graph(lambda v, d: 3.0 * v + d * index(v, np.array([1, 2, 0]), spec=_ROWS), like, like)
    adjoint = build_graph(lambda v, d: 3.0 * v + index(d * v, np.array([2, 0, 1]), spec=_ROWS), like, like)
    return [((rng.normal(size=3), rng.uniform(-1.0, 1.0, 3)),
             {"matvec": matvec, "adjoint": adjoint, "method": name, "rtol": 1e-14}) for name in ("gmres", "bicgstab")]


linear_solve: Primitive = Primitive(
    "linear_solve", type=lambda b, *residuals, matvec, adjoint, method, rtol: b, evaluate=_operator_evaluate, linear=(0,),
    jvp=_operator_jvp, transpose=_operator_transpose, batch=batch_lanes("linear_solve"), holds_graphs=True,
    sample=_operator_sample)


# ---------------------------------------------------------------- one of the three

System = tuple[Any, ...]  # ("dense",), ("sparse", rows, columns) or ("operator", matvec, adjoint, method, rtol)


def solve_system(system: System, entries: Sequence[Any], b: Any) -> Any:
    """``A x = b`` for handles; `entries` are the matrix, the entries of a sparse one, or what the operator depends on."""
    if system[0] == "operator":
        matvec, adjoint, method, rtol = system[1:]
        return linear_solve(b, *entries, matvec=matvec, adjoint=adjoint, method=method, rtol=rtol)
    if system[0] == "dense" and b.type.size == 1:
        return b / reshape(entries[0], shape=b.shape)
    flat = reshape(b, shape=(b.type.size, 1))
    if system[0] == "sparse":
        out = sparse_solve(entries[0], *[Handle(b.build, k) for k in system[1:]], reshape(flat, shape=(b.type.size,)))
    else:
        out = solve(entries[0], flat)
    return reshape(out, shape=b.shape)


def solver_of(system: System, entries: Sequence[Any], shape: tuple[int, ...]) -> Callable[[Any], Any]:
    """The same for arrays: a function of the right-hand side, flat."""
    if system[0] == "operator":
        multiply = multiplier(system[1], entries, shape)
        return lambda b: krylov(system[3], multiply, b, _ESTIMATE)
    if system[0] == "sparse":
        return factored(np.asarray(entries[0], float), system[1].value, system[2].value, int(np.prod(shape, dtype=int)))
    matrix = np.atleast_2d(np.asarray(entries[0], float))
    if not np.isfinite(matrix).all():
        raise np.linalg.LinAlgError("Singular matrix")
    if matrix.size == 1:
        if not matrix[0, 0]:
            raise np.linalg.LinAlgError("Singular matrix")
        return lambda b: b / matrix[0, 0]
    return _scaled_solver(matrix)


def _scaled_solver(matrix: Any) -> Callable[[Any], Any]:
    """What solves with a dense matrix; singular is one that is so to rounding with its rows and columns scaled to 1."""
    from scipy.linalg.lapack import dgecon, dgetrf, dgetrs
    rows = np.abs(matrix).max(axis=1)
    columns = np.abs(matrix / np.where(rows, rows, 1.0)[:, None]).max(axis=0)
    if not rows.all() or not columns.all():
        raise np.linalg.LinAlgError("Singular matrix")
    scaled = matrix / rows[:, None] / columns
    lu, pivots, _ = dgetrf(scaled)
    if dgecon(lu, np.abs(scaled).sum(axis=0).max())[0] < np.finfo(float).eps:
        raise np.linalg.LinAlgError("Singular matrix")
    return lambda b: dgetrs(lu, pivots, b / rows)[0] / columns
