"""Matrix formulas in handles: adjoints, triangles, diagonals, and stacks of matrices.

What comes in: handles of stacks of matrices, in the last two axes. What goes out: handles. The one idea: the
rules of decompositions read as on paper when these have names; a triangle is a selection, so that what a
routine does not read contributes exactly nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.graph import ArrayType, Const
from wengert.primitives.contract import diagonal, mT
from wengert.primitives.elementwise import conj, real
from wengert.primitives.index import basic_index
from wengert.primitives.structure import broadcast, convert, reshape, select

__all__ = ["add_to_all", "aligned", "as_complex", "block", "column", "diag_matrix", "diag_of", "from_triangle",
           "herm", "lifted", "lower", "mH", "mapped", "on_diagonal", "real_part", "rest", "row", "skew",
           "square_only", "stack_of", "upper"]

_LARGEST = 10_000  # elements of a constant that is kept for the next call; equal constants are one in a graph anyway


def _triangle(n: int, m: int, k: int) -> Const:
    """Where the lower triangle up to the k-th diagonal is, as a constant of the graph."""
    return (_kept_triangle if n * m <= _LARGEST else _kept_triangle.__wrapped__)(n, m, k)


@functools.lru_cache(maxsize=256)
def _kept_triangle(n: int, m: int, k: int) -> Const:
    return Const(np.tri(n, m, k, dtype=bool))


def _eye(n: int) -> Const:
    return (_kept_eye if n * n <= _LARGEST else _kept_eye.__wrapped__)(n)


@functools.lru_cache(maxsize=256)
def _kept_eye(n: int) -> Const:
    return Const(np.eye(n, dtype=bool))


def zero(x: Any) -> Const:
    """0 in the dtype of a handle."""
    return Const(np.zeros((), x.dtype))


def lower(x: Any, k: int = 0) -> Any:
    """The lower triangle, up to the k-th diagonal; zeros above."""
    return select(_triangle(x.shape[-2], x.shape[-1], k), x, zero(x))


def upper(x: Any, k: int = 0) -> Any:
    """The upper triangle, from the k-th diagonal; zeros below."""
    return select(_triangle(x.shape[-2], x.shape[-1], k - 1), zero(x), x)


def merged(below: Any, above: Any) -> Any:
    """`below` in the lower triangle with the diagonal, `above` in the rest."""
    return select(_triangle(below.shape[-2], below.shape[-1], 0), below, above)


def mH(x: Any) -> Any:
    """The adjoint: transposed and conjugated."""
    return conj(mT(x))


def herm(x: Any) -> Any:
    """The Hermitian part."""
    return (x + mH(x)) * 0.5


def skew(x: Any) -> Any:
    """The skew-Hermitian part."""
    return (x - mH(x)) * 0.5


def column(x: Any) -> Any:
    """Vectors as matrices of one column."""
    return reshape(x, shape=(*x.shape, 1))


def row(x: Any) -> Any:
    """Vectors as matrices of one row."""
    return reshape(x, shape=(*x.shape[:-1], 1, x.shape[-1]))


def diag_of(x: Any) -> Any:
    """The diagonal, as the last axis."""
    return diagonal(x, x.ndim - 2, x.ndim - 1)


def diag_matrix(d: Any) -> Any:
    """Diagonal matrices."""
    return select(_eye(d.shape[-1]), column(d), zero(d))


def on_diagonal(x: Any, off: Any) -> Any:
    """`x` on the diagonal, `off` elsewhere."""
    return select(_eye(x.shape[-1]), x, off)


def add_to_all(d: Any) -> Any:
    """``d[..., j] - d[..., i]`` at (i, j)."""
    return row(d) - column(d)


def real_part(x: Any) -> Any:
    """The real part of a complex handle; a real one as it is."""
    return real(x) if x.dtype.kind == "c" else x


def as_complex(x: Any) -> Any:
    """In the complex dtype of the same precision."""
    dtype = np.result_type(x.dtype, np.complex64)
    return x if x.dtype == dtype else convert(x, dtype=dtype)


def from_triangle(x: Any, above: bool = False) -> Any:
    """The Hermitian matrix whose lower (upper) triangle is that of x; the diagonal counts with its real part."""
    half = on_diagonal(x * 0.5, upper(x) if above else lower(x))
    return half + mH(half)


def rest(x: Any, *, rows: slice | None = None, columns: slice | None = None) -> Any:
    """A block of rows and columns."""
    return basic_index(x, (*[slice(None)] * (x.ndim - 2), rows or slice(None), columns or slice(None)))


def block(a: Any, b: Any, c: Any, d: Any) -> Any:
    """``[[a, b], [c, d]]``."""
    from wengert.primitives.structure import concatenate
    n = a.ndim
    return concatenate(concatenate(a, b, axis=n - 1), concatenate(c, d, axis=n - 1), axis=n - 2)


# ---------------------------------------------------------------- stacks

def square_only(*types: ArrayType) -> None:
    """Raise as NumPy does unless the last two axes are square."""
    for t in types:
        if t.ndim < 2:
            raise np.linalg.LinAlgError(f"{t.ndim}-dimensional array given. Array must be at least two-dimensional")
        if t.shape[-1] != t.shape[-2]:
            raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")


def stack_of(*stacks: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape of several stacks."""
    return np.broadcast_shapes(*stacks)


def mapped(f: Callable[..., Any], cores: tuple[int, ...], *arrays: Any) -> Any:
    """A function of matrices over stacks of them, which broadcast; `cores` are the ranks of its operands."""
    arrays = tuple([np.asarray(a) for a in arrays])
    stacks = [a.shape[:a.ndim - r] for a, r in zip(arrays, cores, strict=True)]
    if not any(stacks):
        return f(*arrays)
    stack = np.broadcast_shapes(*stacks)
    whole = [np.broadcast_to(a, stack + a.shape[a.ndim - r:]) for a, r in zip(arrays, cores, strict=True)]
    results = [f(*[w[k] for w in whole]) for k in np.ndindex(*stack)]
    if isinstance(results[0], tuple):
        return tuple([np.array(c).reshape(stack + np.shape(c[0])) for c in zip(*results, strict=True)])
    return np.array(results).reshape(stack + np.shape(results[0]))


def aligned(n: int, ops: Any, batched: Any, cores: tuple[int, ...]) -> list[Any]:
    """Batched operands of a primitive whose stacks broadcast: lanes first, ranks made equal behind them."""
    depth = max(o.ndim - b - r for o, b, r in zip(ops, batched, cores, strict=True))
    out = []
    for o, b, r in zip(ops, batched, cores, strict=True):
        missing = depth - (o.ndim - b - r)
        out.append(reshape(o, shape=(n,) + (1,) * missing + o.shape[1:]) if b and missing else o)
    return out


def lifted(n: int, ops: Any, batched: Any) -> list[Any]:
    """Operands that all have to be batched."""
    return [o if b else broadcast(reshape(o, shape=(1, *o.shape)), shape=(n, *o.shape))
            for o, b in zip(ops, batched, strict=True)]
