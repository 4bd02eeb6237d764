"""Factorizations and solves by LAPACK.

What comes in: stacks of matrices in memory, by rows. What goes out: calls of the routines that the interpreter uses, in a loop
over the stack. The one idea: a matrix by rows is its transpose by columns. Where a factor's signs or pivots depend on which of
the two is factored (QR, LU, eigenvectors, singular vectors), the matrix is turned first, and the result turned back; where they
do not (Cholesky, triangular solves), the transposed problem is solved in place, from the other side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.compiled.code import Code, Value
from wengert.backends.compiled.foreign import call, constant_of, letter, query, routine
from wengert.backends.compiled.loops import (
    Place,
    contiguous,
    copy,
    fill,
    load,
    loop,
    memory_kind,
    move,
    nest,
    plus,
    read,
    store,
    times,
    write,
)
from wengert.graph import ArrayType, Equation

__all__ = ["TABLE", "Work", "dense", "in_double", "turn_in_place"]

Scratch = Callable[[int], str]
Fail = Callable[[str, str], None]


class Work:
    """What the emitters below share: the function, the equation, memory."""

    def __init__(self, code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
                 fail: Fail):
        self.code, self.params, self.scratch, self.fail = code, equation.params, scratch, fail
        self.operands, self.results = operands, results
        self.dtype: np.dtype[Any] = operands[0].type.dtype
        self.real = np.empty(0, self.dtype).real.dtype
        self.given: np.dtype[Any] = equation.operands[0].type.dtype  # before it was widened
        self.letter = letter(self.dtype)
        self.kind = f"f{self.real.itemsize}"
        self.is_complex = self.dtype.kind == "c"
        self.shape = operands[0].type.shape[-2:]
        self.info = ""

    def room(self, count: int, dtype: Any = None) -> str:
        """Scratch memory for elements."""
        return self.scratch(max(count, 1) * np.dtype(dtype or self.dtype).itemsize)

    def call(self, name: str, *args: str | int, works: Sequence[tuple[str, int, str]] = ()) -> str:
        """Call a routine, with `info` as its last argument; the place of info.

        `works` are workspaces, each followed by its size: (what its elements are, the size, or -1 to ask the routine).
        """
        code, name = self.code, self.letter + name
        sizes = [n for _, n, _ in works]
        if -1 in sizes:
            asked: list[int | str | None] = [a if isinstance(a, int) or len(a) == 1 else None for a in args]
            answers = []
            for kind, n, order in works:
                pair: list[int | str | None] = [None, n]
                if n == -1:
                    answers.append((len(asked), kind))
                asked += pair if order == "sized" else [None]
            found = iter(query(name, (*asked, None), *answers))
            sizes = [next(found) if n == -1 else n for n in sizes]
        more: list[str | int] = []
        for (_, _, order), n in zip(works, sizes, strict=True):
            more.append(self.scratch(max(n, 1) * 16))  # enough for an element of any of them
            if order == "sized":
                more.append(max(n, 1))
        if not self.info:
            self.info = self.scratch(8)
        write(code, self.info, "i64", "0")
        call(code, name, [*args, *more, self.info])
        return self.info

    def status(self) -> str:
        """Whether the last call went wrong."""
        return self.code.op(f"icmp ne i32 {read(self.code, self.info, 'i32')}, 0")

    def real_op(self, word: str, x: str, y: str) -> str:
        return self.code.op(f"{word} {memory_kind(self.real)} {x}, {y}")

    def size_of(self, x: Value) -> str:
        """The absolute value of an element."""
        double = self.real.itemsize == 8
        if self.is_complex:
            return self.code.intrinsic("hypot" if double else "hypotf", x.kind, list(x.parts))
        return self.code.intrinsic(f"llvm.fabs.{'f64' if double else 'f32'}", x.kind, [x.part])

    def check(self, reason: str) -> None:
        self.fail(self.status(), reason)

    def turned(self, source: str, target: str, m: int, n: int) -> None:
        """A matrix of m by n: from rows to columns."""
        turn(self.code, self.dtype, source, target, m, n)

    def stacked(self, cores: Sequence[int], body: Callable[..., None]) -> None:
        """Loop over the stack: `body` gets the places of the operands' and results' matrices, whose ranks are `cores`."""
        places = [*self.operands, *self.results]
        stacks = [p.type.shape[:p.type.ndim - r] for p, r in zip(places, cores, strict=True)]
        whole = np.broadcast_shapes(*stacks)
        steps = []
        for p, s, r in zip(places, stacks, cores, strict=True):
            size = math.prod(p.type.shape[p.type.ndim - r:])
            own = [0 if n == 1 else size * k for n, k in zip(s, contiguous(s), strict=True)]
            steps.append([0] * (len(whole) - len(own)) + own)
        nest(self.code, whole, steps, lambda *offsets: body(*[
            move(self.code, p.pointer, p.type.dtype, o) for p, o in zip(places, offsets, strict=True)]))


# ---------------------------------------------------------------- matrices in memory


def turn(code: Code, dtype: np.dtype[Any], source: str, target: str, m: int, n: int) -> None:
    """``target[j, i] = source[i, j]`` for a source of m by n: in blocks, so that large ones stay in the cache."""
    side = 16
    if min(m, n) <= side:
        copy(code, dtype, (m, n), source, (n, 1), target, (1, m))
        return

    def block(i: str, j: str, rows: int, columns: int) -> None:
        start, end = plus(code, times(code, i, n), j), plus(code, times(code, j, m), i)
        copy(code, dtype, (rows, columns), move(code, source, dtype, start), (n, 1), move(code, target, dtype, end), (1, m))

    def along(i: str, rows: int) -> None:
        loop(code, n - n % side, lambda j: block(i, j, rows, side), step=side)
        if n % side:
            block(i, str(n - n % side), rows, n % side)
    loop(code, m - m % side, lambda i: along(i, side), step=side)
    if m % side:
        along(str(m - m % side), m % side)


def turn_in_place(code: Code, dtype: np.dtype[Any], pointer: str, n: int) -> None:
    """Transpose a square matrix where it is."""
    def row(i: str) -> None:
        def swap(j: str) -> None:
            p, q = plus(code, times(code, i, n), j), plus(code, times(code, j, n), i)
            x, y = load(code, pointer, dtype, p), load(code, pointer, dtype, q)
            store(code, pointer, p, y)
            store(code, pointer, q, x)
        loop(code, i, swap)
    if n > 1:
        loop(code, n, row)


def triangle(code: Code, dtype: np.dtype[Any], shape: tuple[int, int], source: tuple[str, int, int], target: str, test: str,
             unit: bool = False) -> None:
    """Copy the part of a matrix where ``i test j`` (an `icmp` such as "sle"), zeros elsewhere; with `unit`, a diagonal of 1."""
    pointer, row_step, column_step = source
    zero, one = code.constant(0, dtype), code.constant(1, dtype)
    kind = zero.kind

    def each(i: str, j: str) -> None:
        x = load(code, pointer, dtype, plus(code, times(code, i, row_step), times(code, j, column_step)))
        keep = code.op(f"icmp {test} i64 {i}, {j}")
        parts = [code.op(f"select i1 {keep}, {kind} {a}, {kind} {b}") for a, b in zip(x.parts, zero.parts, strict=True)]
        if unit:
            same = code.op(f"icmp eq i64 {i}, {j}")
            parts = [code.op(f"select i1 {same}, {kind} {a}, {kind} {b}") for a, b in zip(one.parts, parts, strict=True)]
        store(code, target, plus(code, times(code, i, shape[1]), j), Value(dtype, tuple(parts)))
    loop(code, shape[0], lambda i: loop(code, shape[1], lambda j: each(i, j)))


def identity(code: Code, dtype: np.dtype[Any], n: int, target: str) -> None:
    fill(code, dtype, n * n, target)
    loop(code, n, lambda i: store(code, target, times(code, i, n + 1), code.constant(1, dtype)))


# ---------------------------------------------------------------- LU and solves


def _pivots(w: Work, count: int) -> tuple[str, Callable[[str], str]]:
    """Memory for the pivots of getrf, and a function that reads one: a row, from 0 on, as an i64."""
    found = routine(w.letter + "getrf")
    kind = "i64" if found is not None and found.integer == 8 else "i32"
    room = w.scratch(8 * max(count, 1))

    def one(i: str) -> str:
        x = read(w.code, room, kind, i)
        return plus(w.code, w.code.op(f"sext i32 {x} to i64") if kind == "i32" else x, "-1")
    return room, one


def _lu_factor(w: Work) -> None:
    n = w.shape[0]
    room, pivot = _pivots(w, n)

    def each(a: str, lu: str, pivots: str) -> None:
        w.turned(a, lu, n, n)
        w.call("getrf", n, n, lu, n, room)
        w.check("Singular matrix")
        turn_in_place(w.code, w.dtype, lu, n)
        loop(w.code, n, lambda i: write(w.code, pivots, "i32", w.code.op(f"trunc i64 {pivot(i)} to i32"), i))
    w.stacked((2, 2, 1), each)


def _swap_rows(w: Work, x: str, columns: int, i: str, j: str) -> None:
    code = w.code

    def swap(k: str) -> None:
        p, q = plus(code, times(code, i, columns), k), plus(code, times(code, j, columns), k)
        first, second = load(code, x, w.dtype, p), load(code, x, w.dtype, q)
        store(code, x, p, second)
        store(code, x, q, first)
    loop(code, columns, swap)


def _trsm(w: Work, a: str, x: str, n: int, columns: int, below: bool, trans: str, unit: bool) -> None:
    """Solve op(A) X = B in place of B, all by rows: the transposed system, from the right; a vector as it is."""
    if columns == 1 and (trans != "C" or not w.is_complex):
        turned = "T" if trans == "N" else "N"
        call(w.code, w.letter + "trsv", ["U" if below else "L", turned, "U" if unit else "N", n, a, n, x, 1])
        return
    one = constant_of(w.code, 1.0, w.dtype)
    shape = ["R", "U" if below else "L", trans, "U" if unit else "N", columns, n]
    call(w.code, w.letter + "trsm", [*shape, one, a, n, x, columns])


def _solve_factored(w: Work) -> None:
    n, columns = w.operands[3].type.shape[-2:]
    trans, code = w.params["trans"], w.code

    def permute(x: str, pivots: str, back: bool) -> None:
        def row(i: str) -> None:
            i = code.op(f"sub i64 {n - 1}, {i}") if back else i
            j = code.op(f"sext i32 {read(code, pivots, 'i32', i)} to i64")
            _swap_rows(w, x, columns, i, j)
        loop(code, n, row)

    def each(a: str, lu: str, pivots: str, b: str, x: str) -> None:
        copy(code, w.dtype, (n, columns), b, (columns, 1), x, (columns, 1))
        if trans == "N":
            permute(x, pivots, back=False)
        for below in ((True, False) if trans == "N" else (False, True)):
            _trsm(w, lu, x, n, columns, below, trans, below)
        if trans != "N":
            permute(x, pivots, back=True)
    w.stacked((2, 2, 1, 2, 2), each)


def _solve_triangular(w: Work) -> None:
    n, columns = w.operands[1].type.shape[-2:]
    unit, code = w.params["unit"], w.code

    def zero_at(i: str, found: str, a: str) -> list[str]:
        x = load(code, a, w.dtype, times(code, i, n + 1))
        tests = [code.op(f"fcmp oeq {x.kind} {p}, {code.constant(0, w.real).part}") for p in x.parts]
        zero = code.op(f"and i1 {tests[0]}, {tests[1]}") if len(tests) > 1 else tests[0]
        return [code.op(f"or i1 {found}, {zero}")]

    def each(a: str, b: str, x: str) -> None:
        if not unit:
            (found,) = loop(code, n, lambda i, f: zero_at(i, f, a), carried=[("i1", "false")])
            w.fail(found, "singular matrix: resolution failed")
        copy(code, w.dtype, (n, columns), b, (columns, 1), x, (columns, 1))
        _trsm(w, a, x, n, columns, w.params["lower"], w.params["trans"], unit)
    w.stacked((2, 2, 2), each)


def _inv(w: Work) -> None:
    n, code = w.shape[0], w.code
    turned, pivots = w.room(n * n), w.scratch(8 * n)

    def each(a: str, x: str) -> None:
        w.turned(a, turned, n, n)
        identity(code, w.dtype, n, x)
        w.call("gesv", n, n, turned, n, pivots, x, n)
        w.check("Singular matrix")
        turn_in_place(code, w.dtype, x, n)
        if w.params.get("use", "") in ("eig", "det"):  # then a matrix that is singular to working precision is an error
            size = w.real_op("fmul", _sum_of_sizes(w, a), _sum_of_sizes(w, x))
            bound = code.constant(1e-4 / np.finfo(w.given).eps, w.real).part
            w.fail(code.op(f"fcmp ogt {memory_kind(w.real)} {size}, {bound}"), "singular to working precision")
    w.stacked((2, 2), each)


def _sum_of_sizes(w: Work, a: str) -> str:
    """The sum of the absolute values of a matrix."""
    kind, zero = memory_kind(w.real), w.code.constant(0, w.real).part

    def step(i: str, total: str) -> list[str]:
        return [w.real_op("fadd", total, w.size_of(load(w.code, a, w.dtype, i)))]
    return loop(w.code, w.shape[0] ** 2, step, carried=[(kind, zero)])[0]


# ---------------------------------------------------------------- determinants


def _diagonal(w: Work, lu: str, pivot: Callable[[str], str]) -> tuple[list[str], str]:
    """Sign and logarithm of the product of the pivots, as NumPy computes them."""
    code, n = w.code, w.shape[0]
    kind, suffix = memory_kind(w.real), {8: "f64", 4: "f32"}[w.real.itemsize]
    one = code.constant(1, w.dtype).parts

    def step(i: str, total: str, *sign: str) -> list[str]:
        x = load(code, lu, w.dtype, times(code, i, n + 1)).parts
        moved = code.op(f"icmp ne i64 {pivot(i)}, {i}")
        if w.is_complex:
            size = w.size_of(Value(w.dtype, x))
            turn_ = Value(w.dtype, tuple([code.op(f"fdiv {kind} {p}, {size}") for p in x]))
            new = complex_product(code, Value(w.dtype, tuple(sign)), turn_).parts
        else:
            size = w.size_of(Value(w.dtype, x))
            negative = code.op(f"fcmp olt {kind} {x[0]}, {code.constant(0, w.real).part}")
            other = code.op(f"fneg {kind} {sign[0]}")
            new = (code.op(f"select i1 {negative}, {kind} {other}, {kind} {sign[0]}"),)
        turned = [code.op(f"select i1 {moved}, {kind} {code.op(f'fneg {kind} {p}')}, {kind} {p}") for p in new]
        return [code.op(f"fadd {kind} {total}, {code.intrinsic(f'llvm.log.{suffix}', kind, [size])}"), *turned]
    total, *sign = loop(code, n, step, carried=[(kind, code.constant(0, w.real).part), *[(kind, p) for p in one]])
    singular = w.status()
    sign = [code.op(f"select i1 {singular}, {kind} {code.constant(0, w.real).part}, {kind} {s}") for s in sign]
    return sign, code.op(f"select i1 {singular}, {kind} {code.constant(-np.inf, w.real).part}, {kind} {total}")


def complex_product(code: Code, x: Value, y: Value) -> Value:
    (a, b), (c, d), kind = x.parts, y.parts, x.kind
    ac, bd, ad, bc = [code.op(f"fmul {kind} {p}, {q}") for p, q in ((a, c), (b, d), (a, d), (b, c))]
    return Value(x.dtype, (code.op(f"fsub {kind} {ac}, {bd}"), code.op(f"fadd {kind} {ad}, {bc}")))


def _factored(w: Work) -> Callable[[str], tuple[list[str], str]]:
    n = w.shape[0]
    turned = w.room(n * n)
    room, pivot = _pivots(w, n)

    def each(a: str) -> tuple[list[str], str]:
        w.turned(a, turned, n, n)
        w.call("getrf", n, n, turned, n, room)
        return _diagonal(w, turned, pivot)
    return each


def _det(w: Work) -> None:
    code, factored, kind = w.code, _factored(w), memory_kind(w.real)

    def each(a: str, out: str) -> None:
        sign, total = factored(a)
        size = code.intrinsic(f"llvm.exp.f{8 * w.real.itemsize}", kind, [total])
        zero = code.constant(0, w.real).part
        if w.is_complex:
            value = complex_product(code, Value(w.dtype, tuple(sign)), Value(w.dtype, (size, zero)))
        else:
            value = Value(w.dtype, (code.op(f"fmul {kind} {sign[0]}, {size}"),))
        store(code, out, "0", value)
    w.stacked((2, 0), each)


def _slogdet(w: Work) -> None:
    factored = _factored(w)

    def each(a: str, sign: str, size: str) -> None:
        first, second = factored(a)
        store(w.code, sign, "0", Value(w.dtype, tuple(first)))
        store(w.code, size, "0", Value(w.real, (second,)))
    w.stacked((2, 0, 0), each)


# ---------------------------------------------------------------- decompositions


def _cholesky(w: Work) -> None:
    n, above, code = w.shape[0], w.params["above"], w.code

    def each(a: str, out: str) -> None:
        copy(code, w.dtype, (n, n), a, (n, 1), out, (n, 1))
        w.call("potrf", "L" if above else "U", n, out, n)
        w.check("Matrix is not positive definite")

        def row(i: str) -> None:
            def clear(k: str) -> None:
                j = k if above else plus(code, i, k, "1")
                store(code, out, plus(code, times(code, i, n), j), code.constant(0, w.dtype))
            loop(code, i if above else code.op(f"sub i64 {n - 1}, {i}"), clear)
        loop(code, n, row)
    w.stacked((2, 2), each)


def _qr(w: Work) -> None:
    (m, n), columns = w.shape, w.results[0].type.shape[-1]
    k, code = min(m, n), w.code
    factor = w.room(m * max(n, columns))
    tau = w.room(k)
    make = "ungqr" if w.is_complex else "orgqr"

    def each(a: str, q: str, r: str) -> None:
        w.turned(a, factor, m, n)
        w.call("geqrf", m, n, factor, m, tau, works=[(w.kind, -1, "sized")])
        w.check("QR failed")
        triangle(code, w.dtype, (columns, n), (factor, 1, m), r, "sle")
        w.call(make, m, columns, k, factor, m, tau, works=[(w.kind, -1, "sized")])
        w.check("QR failed")
        w.turned(factor, q, columns, m)
    w.stacked((2, 2, 2), each)


def _lu(w: Work) -> None:
    m, n = w.shape
    k, code = min(m, n), w.code
    factor, order = w.room(m * n), w.scratch(8 * m)
    room, pivot = _pivots(w, k)

    def each(a: str, p: str, low: str, up: str) -> None:
        w.turned(a, factor, m, n)
        w.call("getrf", m, n, factor, m, room)
        triangle(code, w.dtype, (m, k), (factor, 1, m), low, "sge", unit=True)
        triangle(code, w.dtype, (k, n), (factor, 1, m), up, "sle")
        loop(code, m, lambda i: write(code, order, "i64", i, i))

        def swap(i: str) -> None:
            j = pivot(i)
            x, y = read(code, order, "i64", i), read(code, order, "i64", j)
            write(code, order, "i64", y, i)
            write(code, order, "i64", x, j)
        loop(code, k, swap)
        fill(code, w.real, m * m, p)
        loop(code, m, lambda i: store(code, p, plus(code, times(code, read(code, order, "i64", i), m), i),
                                      code.constant(1, w.real)))
    w.stacked((2, 2, 2, 2), each)


def _sdd(w: Work, job: str, matrix: str, values: str, u: str, rows: int, vh: str, columns: int) -> None:
    """Singular values of a matrix by columns; u has m rows, vh has `columns` rows."""
    m, n = w.shape
    k, real = min(m, n), w.kind
    works = [(real, -1, "sized")]
    if w.is_complex:
        works.append((real, 7 * k if job == "N" else max(5 * k * k + 5 * k, 2 * max(m, n) * k + 2 * k * k + k), "plain"))
    works.append(("i", 8 * k, "plain"))
    w.call("gesdd", job, m, n, matrix, m, values, u, rows, vh, columns, works=works)
    w.check("SVD did not converge")


def _svd(w: Work) -> None:
    m, n = w.shape
    columns, rows = w.results[0].type.shape[-1], w.results[2].type.shape[-2]
    matrix, left, right = w.room(m * n), w.room(m * columns), w.room(rows * n)

    def each(a: str, u: str, s: str, vh: str) -> None:
        w.turned(a, matrix, m, n)
        _sdd(w, "A" if w.params["full"] else "S", matrix, s, left, m, right, rows)
        w.turned(left, u, columns, m)
        w.turned(right, vh, n, rows)
    w.stacked((2, 2, 1, 2), each)


def _svdvals(w: Work) -> None:
    m, n = w.shape
    matrix, none = w.room(m * n), w.room(1)

    def each(a: str, s: str) -> None:
        w.turned(a, matrix, m, n)
        _sdd(w, "N", matrix, s, none, m, none, n)
    w.stacked((2, 1), each)


# ---------------------------------------------------------------- the table


_DOUBLE = {"s": "d", "d": "d", "c": "z", "z": "z"}


def dense(*names: str, by: tuple[str, ...] = ("",), use: tuple[str, ...] = ("", "nan")) -> Callable[[Equation], bool]:
    """Whether these routines are there for the dtype, and NumPy's (or SciPy's) way is one that is done here."""
    def test(equation: Equation) -> bool:
        types = [x.type for x in equation.operands if x.type.dtype.kind in "fc"]
        kind = letter(types[0].dtype)
        if not kind or any(t.dtype != types[0].dtype for t in types):
            return False
        if any(0 in t.shape[-2:] or max(t.shape) >= 2 ** 15 for t in types):
            return False
        params = equation.params
        wanted = [n.replace("sy", "he").replace("org", "ung") if kind in "cz" else n for n in names]
        there = all(routine(k + n) is not None for n in wanted for k in (kind, _DOUBLE[kind]))
        return there and params.get("by", "") in (*by, "values") and params.get("use", "") in use
    return test


def written(function: Callable[[Work], None]) -> Callable[..., None]:
    def emit(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
             fail: Fail) -> None:
        function(Work(code, equation, operands, results, scratch, fail))
    return emit


def in_double(function: Callable[[Work], None]) -> Callable[..., None]:
    """NumPy's linear algebra works in double precision, whatever its operands are."""
    def emit(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
             fail: Fail) -> None:
        if operands[0].type.dtype in (np.float64, np.complex128) or equation.params.get("by", "") == "scipy":
            function(Work(code, equation, operands, results, scratch, fail))
            return
        wide = [Place(scratch(p.type.size * 2 * p.type.dtype.itemsize), ArrayType(p.type.shape, _WIDE[p.type.dtype]))
                for p in (*operands, *results)]
        count = len(operands)
        for p, q in zip(operands, wide[:count], strict=True):
            _convert(code, p, q)
        function(Work(code, equation, wide[:count], wide[count:], scratch, fail))
        for p, q in zip(wide[count:], results, strict=True):
            _convert(code, p, q)
    return emit


_WIDE = {np.dtype(np.float32): np.dtype(np.float64), np.dtype(np.complex64): np.dtype(np.complex128)}


def _convert(code: Code, source: Place, target: Place) -> None:
    """A copy in another precision."""
    first, second = memory_kind(source.type.dtype), memory_kind(target.type.dtype)
    word = "fpext" if first == "float" else "fptrunc"
    loop(code, source.type.size * (2 if source.type.dtype.kind == "c" else 1), lambda i: write(
        code, target.pointer, second, code.op(f"{word} {first} {read(code, source.pointer, first, i)} to {second}"), i))


_EITHER = ("", "scipy")  # both call the same routine
TABLE: dict[str, tuple[Callable[[Equation], bool], Callable[..., None]]] = {
    "lu_factor": (dense("getrf"), written(_lu_factor)),
    "solve_factored": (dense("trsm", "trsv"), written(_solve_factored)),
    "solve_triangular": (dense("trsm", "trsv"), written(_solve_triangular)),
    "inv": (dense("gesv", use=("", "nan", "eig", "det")), in_double(_inv)),
    "det": (dense("getrf"), in_double(_det)),
    "slogdet": (dense("getrf"), in_double(_slogdet)),
    "cholesky": (dense("potrf"), in_double(_cholesky)),
    "qr": (dense("geqrf", "orgqr", by=_EITHER), in_double(_qr)),
    "lu": (dense("getrf"), written(_lu)),
    "svd": (dense("gesdd", by=_EITHER), in_double(_svd)),
    "svdvals": (dense("gesdd", by=_EITHER), in_double(_svdvals)),
}
