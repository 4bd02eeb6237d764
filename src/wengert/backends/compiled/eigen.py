"""Eigenvalues and eigenvectors by LAPACK.

What comes in: stacks of square matrices in memory. What goes out: calls of the routines that NumPy uses. The one idea: the
matrix is turned to columns, so that signs and phases are those of NumPy; where a real matrix has complex eigenvectors, LAPACK
gives a pair as two real columns, which are put together here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wengert.backends.compiled.code import Value
from wengert.backends.compiled.lapack import Work, dense, in_double, turn_in_place
from wengert.backends.compiled.loops import load, loop, memory_kind, plus, store, times
from wengert.graph import Equation

__all__ = ["TABLE"]

# ---------------------------------------------------------------- Hermitian


def _evd(w: Work, job: str, matrix: str, values: str) -> None:
    """Eigenvalues of a Hermitian matrix, by columns; its eigenvectors take its place."""
    n, real = w.shape[0], w.kind
    works = [(real, -1, "sized"), *([(real, -1, "sized")] if w.is_complex else []), ("i", -1, "sized")]
    w.call("heevd" if w.is_complex else "syevd", job, w.params["uplo"], n, matrix, n, values, works=works)
    w.check("Eigenvalues did not converge")


def _eigh(w: Work) -> None:
    n = w.shape[0]

    def each(a: str, values: str, vectors: str) -> None:
        w.turned(a, vectors, n, n)
        _evd(w, "V", vectors, values)
        turn_in_place(w.code, w.dtype, vectors, n)
    w.stacked((2, 1, 2), each)


def _eigvalsh(w: Work) -> None:
    n = w.shape[0]
    matrix = w.room(n * n)

    def each(a: str, values: str) -> None:
        w.turned(a, matrix, n, n)
        _evd(w, "N", matrix, values)
    w.stacked((2, 1), each)


# ---------------------------------------------------------------- general


def _geev(w: Work, job: str, matrix: str, values: str, vectors: str) -> Callable[[str], Value]:
    """Eigenvalues of a matrix by columns, and its right eigenvectors if the job is "V"; a function that reads a value."""
    code, n = w.code, w.shape[0]
    none, rows = w.room(1), n if job == "V" else 1
    if w.is_complex:
        w.call("geev", "N", job, n, matrix, n, values, none, 1, vectors, rows,
               works=[(w.kind, -1, "sized"), (w.kind, 2 * n, "plain")])
        w.check("Eigenvalues did not converge")
        return lambda i: load(code, values, w.dtype, i)
    imaginary = w.room(n)
    w.call("geev", "N", job, n, matrix, n, values, imaginary, none, 1, vectors, rows, works=[(w.kind, -1, "sized")])
    w.check("Eigenvalues did not converge")
    dtype = np.result_type(w.dtype, np.complex64)
    return lambda i: Value(dtype, (load(code, values, w.dtype, i).part, load(code, imaginary, w.dtype, i).part))


def _eig(w: Work) -> None:
    n, code = w.shape[0], w.code
    matrix, values, vectors = w.room(n * n), w.room(n), w.room(n * n)

    def each(a: str, out: str, v: str) -> None:
        w.turned(a, matrix, n, n)
        value = _geev(w, "V", matrix, values, vectors)
        loop(code, n, lambda i: store(code, out, i, value(i)))

        def column(j: str) -> None:
            x = value(j)
            loop(code, n, lambda i: store(code, v, plus(code, times(code, i, n), j), _entry(w, vectors, x, i, j)))
        loop(code, n, column)
    w.stacked((2, 1, 2), each)


def _entry(w: Work, vectors: str, value: Value, i: str, j: str) -> Value:
    """An entry of eigenvector j: of a pair, the next column is the imaginary part, and the second is the conjugate."""
    code, n = w.code, w.shape[0]
    if w.is_complex:
        return load(code, vectors, w.dtype, plus(code, times(code, j, n), i))
    kind, zero = memory_kind(w.real), code.constant(0, w.real).part
    first = code.op(f"fcmp ogt {kind} {value.parts[1]}, {zero}")
    second = code.op(f"fcmp olt {kind} {value.parts[1]}, {zero}")
    start = plus(code, j, code.op(f"sext i1 {second} to i64"))  # the column of the real part
    re = load(code, vectors, w.dtype, plus(code, times(code, start, n), i)).part
    beside = plus(code, j, code.op(f"zext i1 {first} to i64"))
    im = load(code, vectors, w.dtype, plus(code, times(code, beside, n), i)).part
    turned = code.op(f"select i1 {second}, {kind} {code.op(f'fneg {kind} {im}')}, {kind} {im}")
    pair = code.op(f"or i1 {first}, {second}")
    return Value(value.dtype, (re, code.op(f"select i1 {pair}, {kind} {turned}, {kind} {zero}")))


def _eigvals(w: Work) -> None:
    n = w.shape[0]
    matrix, values, none = w.room(n * n), w.room(n), w.room(1)

    def each(a: str, out: str) -> None:
        w.turned(a, matrix, n, n)
        value = _geev(w, "N", matrix, values, none)
        loop(w.code, n, lambda i: store(w.code, out, i, value(i)))
    w.stacked((2, 1), each)


TABLE: dict[str, tuple[Callable[[Equation], bool], Callable[..., None]]] = {
    "eigh": (dense("syevd"), in_double(_eigh)),
    "eigvalsh": (dense("syevd"), in_double(_eigvalsh)),
    "eig": (dense("geev"), in_double(_eig)),
    "eigvals": (dense("geev"), in_double(_eigvals)),
}
