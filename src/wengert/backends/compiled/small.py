"""Small matrices in registers: factorizations, inverses, determinants and solves as straight-line code.

What comes in: an equation on matrices of a few rows, its operands as lists of scalars. What goes out: the results, as
scalars. The one idea: the extents are known and small, so every loop of LAPACK's algorithm is written out, and an exchange of
rows is a selection: nothing is called, nothing is in memory. Pivots are those of getrf, the first of the largest; what the
interpreter raises leaves the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.backends.compiled import elementwise
from wengert.backends.compiled.code import Value, literal
from wengert.graph import ArrayType, Equation

if TYPE_CHECKING:
    from wengert.backends.compiled.block import Block

__all__ = ["emit", "operations", "supported"]

ROWS = 4     # of a matrix that is factored with pivots
MOST = 300   # operations of a solve or a Cholesky factorization of more rows than that
LARGEST = 8  # rows of any matrix here

Matrix = list[list[str]]
Moves = list[tuple[str, int]]  # (whether, row) of the row that changes places with this one; at most one holds


# ---------------------------------------------------------------- arithmetic

class _Scalars:
    """Scalar arithmetic of one floating type: names of LLVM values in, names out."""

    def __init__(self, block: Block, dtype: np.dtype[Any]):
        self.block, self.code, self.dtype = block, block.code, dtype
        self.kind = "double" if dtype.itemsize == 8 else "float"
        self.suffix = "f64" if dtype.itemsize == 8 else "f32"

    def number(self, x: float) -> str:
        return literal(x, self.kind)

    def times(self, a: str, b: str) -> str:
        return self.code.op(f"fmul {self.kind} {a}, {b}")

    def plus(self, a: str, b: str) -> str:
        return self.code.op(f"fadd {self.kind} {a}, {b}")

    def minus(self, a: str, b: str) -> str:
        return self.code.op(f"fsub {self.kind} {a}, {b}")

    def over(self, a: str, b: str) -> str:
        return self.code.op(f"fdiv {self.kind} {a}, {b}")

    def negative(self, a: str) -> str:
        return self.code.op(f"fneg {self.kind} {a}")

    def less(self, total: str, a: str, b: str) -> str:
        """``total - a b``, rounded once."""
        return self.code.intrinsic(f"llvm.fma.{self.suffix}", self.kind, [self.negative(a), b, total])

    def more(self, total: str, a: str, b: str) -> str:
        """``total + a b``, rounded once."""
        return self.code.intrinsic(f"llvm.fma.{self.suffix}", self.kind, [a, b, total])

    def size(self, a: str) -> str:
        return self.code.intrinsic(f"llvm.fabs.{self.suffix}", self.kind, [a])

    def root(self, a: str) -> str:
        return self.code.intrinsic(f"llvm.sqrt.{self.suffix}", self.kind, [a])

    def test(self, how: str, a: str, b: str) -> str:
        return self.code.op(f"fcmp {how} {self.kind} {a}, {b}")

    def is_zero(self, a: str) -> str:
        return self.test("oeq", a, self.number(0.0))

    def choose(self, condition: str, a: str, b: str, kind: str = "") -> str:
        kind = kind or self.kind
        if condition in ("true", "false") or a == b:
            return b if condition == "false" else a
        return self.code.op(f"select i1 {condition}, {kind} {a}, {kind} {b}")

    def both(self, a: str, b: str, how: str = "and") -> str:
        return self.code.op(f"{how} i1 {a}, {b}")

    def any(self, flags: Sequence[str], how: str = "or") -> str:
        """The disjunction (or parity) of flags."""
        out = "false"
        for flag in flags:
            out = flag if out == "false" else out if flag == "false" else self.both(out, flag, how)
        return out


def _matrix(s: _Scalars, x: Any) -> Matrix:
    """The rows of an operand, in the floating type of `s`."""
    parts = [v.part for v in s.block.registers(x)]
    if x.type.dtype.itemsize < s.dtype.itemsize:
        parts = [s.code.op(f"fpext float {p} to double") for p in parts]
    columns = x.type.shape[-1]
    return [parts[k:k + columns] for k in range(0, len(parts), columns)]


def _give(s: _Scalars, r: Any, parts: Sequence[str]) -> None:
    """Set a result, in its own floating type."""
    if r.type.dtype.kind == "f" and r.type.dtype.itemsize < s.dtype.itemsize:
        parts = [s.code.op(f"fptrunc double {p} to float") for p in parts]
    for k, p in enumerate(parts):
        s.block.scalars[r, k] = Value(r.type.dtype, (p,))


def _flat(rows: Matrix) -> list[str]:
    return [p for row in rows for p in row]


# ---------------------------------------------------------------- exchanges of rows

def _exchanged(s: _Scalars, rows: Matrix, k: int, moves: Moves) -> Matrix:
    """Row k changes places with the row whose flag holds, if one does."""
    if not moves:
        return rows
    out, first = list(rows), rows[k]
    for flag, i in moves:
        first = [s.choose(flag, b, a) for a, b in zip(first, rows[i], strict=True)]
        out[i] = [s.choose(flag, a, b) for a, b in zip(rows[k], rows[i], strict=True)]
    out[k] = first
    return out


def _pivot(s: _Scalars, rows: Matrix, k: int) -> tuple[str, Moves]:
    """The number of the row with the first of the largest entries of column k, from row k on; and the exchange with row k."""
    largest, found = s.size(rows[k][k]), []
    for i in range(k + 1, len(rows)):
        size = s.size(rows[i][k])
        found.append(s.test("ogt", size, largest))
        largest = s.choose(found[-1], size, largest)
    number, moves, later = str(k), [], "false"
    for i, flag in zip(range(k + 1, len(rows)), found, strict=True):
        number = s.choose(flag, str(i), number, "i32")
    for i, flag in zip(reversed(range(k + 1, len(rows))), reversed(found), strict=True):
        last = flag if later == "false" else s.both(flag, s.both(later, "true", "xor"))
        moves.append((last, i))
        later = s.any([later, flag])
    return number, moves


def _moves(s: _Scalars, pivot: str, k: int, n: int) -> Moves:
    """The exchange with row k that a pivot in a register stands for."""
    if not pivot.startswith("%"):
        return [("true", int(pivot))] if k < int(pivot) < n else []
    return [(s.code.op(f"icmp eq i32 {pivot}, {i}"), i) for i in range(k + 1, n)]


class _Factors:
    """P A = L U, packed as getrf does; `zero` is whether a pivot is zero."""

    def __init__(self, s: _Scalars, rows: Matrix):
        n = len(rows)
        self.pivots: list[str] = []
        self.moves: list[Moves] = []
        zeros = []
        for k in range(n):
            number, moves = _pivot(s, rows, k)
            self.pivots.append(number)
            self.moves.append(moves)
            rows = [list(r) for r in _exchanged(s, rows, k, moves)]
            zeros.append(s.is_zero(rows[k][k]))
            for i in range(k + 1, n):
                rows[i][k] = s.over(rows[i][k], rows[k][k])
                for j in range(k + 1, n):
                    rows[i][j] = s.less(rows[i][j], rows[i][k], rows[k][j])
        self.rows, self.zero = rows, s.any(zeros)

    def odd(self, s: _Scalars) -> str:
        """Whether the exchanges are an odd permutation."""
        return s.any([s.any([flag for flag, _ in moves]) for moves in self.moves], "xor")


# ---------------------------------------------------------------- triangular systems

def _substituted(s: _Scalars, a: Matrix, b: Matrix, below: bool, unit: bool) -> Matrix:
    """X of A X = B for a triangular A. A column's entries from the top on that are "" are zeros, as in a triangle."""
    n = len(a)
    out: Matrix = [[] for _ in a]
    for i in range(n) if below else reversed(range(n)):
        known = range(i) if below else range(n - 1, i, -1)
        inverse = "" if unit or len(b[0]) == 1 else s.over(s.number(1.0), a[i][i])
        row = []
        for j, total in enumerate(b[i]):
            for k in known:
                if out[k][j]:
                    total = s.less(total, a[i][k], out[k][j]) if total else s.negative(s.times(a[i][k], out[k][j]))
            if total and not unit:
                total = s.times(total, inverse) if inverse else s.over(total, a[i][i])
            row.append(total)
        out[i] = row
    return out


def _turned(a: Matrix) -> Matrix:
    return [list(column) for column in zip(*a, strict=True)]


def _solved(s: _Scalars, lu: Matrix, moves: Sequence[Moves], b: Matrix, trans: str) -> Matrix:
    """A solve with packed factors."""
    if trans == "N":
        for k, m in enumerate(moves):
            b = _exchanged(s, b, k, m)
        return _substituted(s, lu, _substituted(s, lu, b, True, True), False, False)
    lu = _turned(lu)
    b = _substituted(s, lu, _substituted(s, lu, b, True, False), False, True)
    for k, m in reversed(list(enumerate(moves))):
        b = _exchanged(s, b, k, m)
    return b


# ---------------------------------------------------------------- the primitives

def _lu_factor(block: Block, e: Equation) -> None:
    s = _Scalars(block, e.operands[0].type.dtype)
    f = _Factors(s, _matrix(s, e.operands[0]))
    block.builder.fail(f.zero, "Singular matrix")
    _give(s, e.results[0], _flat(f.rows))
    _give(s, e.results[1], f.pivots)


def _solve_factored(block: Block, e: Equation) -> None:
    _, lu, pivots, b = e.operands
    s = _Scalars(block, b.type.dtype)
    n = lu.type.shape[0]
    moves = [_moves(s, p.part, k, n) for k, p in enumerate(block.registers(pivots))]
    _give(s, e.results[0], _flat(_solved(s, _matrix(s, lu), moves, _matrix(s, b), e.params["trans"])))


def _solve_triangular(block: Block, e: Equation) -> None:
    s = _Scalars(block, e.operands[1].type.dtype)
    a, b = (_matrix(s, o) for o in e.operands)
    below, unit = e.params["lower"], e.params["unit"]
    if not unit:
        block.builder.fail(s.any([s.is_zero(a[i][i]) for i in range(len(a))]), "singular matrix: resolution failed")
    if e.params["trans"] != "N":
        a, below = _turned(a), not below
    _give(s, e.results[0], _flat(_substituted(s, a, b, below, unit)))


def _inv(block: Block, e: Equation) -> None:
    """U⁻¹ L⁻¹, and its columns exchanged."""
    s, use = _Scalars(block, _DOUBLE), e.params.get("use", "")
    a = _matrix(s, e.operands[0])
    f, n = _Factors(s, a), len(a)
    if use != "nan":
        block.builder.fail(f.zero, "Singular matrix")
    one = s.number(1.0)
    identity = [[one if i == j else "" for j in range(n)] for i in range(n)]
    columns = _turned(_substituted(s, f.rows, _substituted(s, f.rows, identity, True, True), False, False))
    for k, moves in reversed(list(enumerate(f.moves))):
        columns = _exchanged(s, columns, k, moves)
    out = _flat(_turned(columns))
    if use == "nan":
        out = [s.choose(f.zero, s.number(math.nan), p) for p in out]
    elif use:  # a matrix that is singular to working precision is an error
        bound = s.number(1e-4 / float(np.finfo(e.operands[0].type.dtype).eps))
        block.builder.fail(s.test("ogt", s.times(_sum_of_sizes(s, _flat(a)), _sum_of_sizes(s, out)), bound),
                           "singular to working precision")
    _give(s, e.results[0], out)


def _sum_of_sizes(s: _Scalars, parts: Sequence[str]) -> str:
    total = s.size(parts[0])
    for p in parts[1:]:
        total = s.plus(total, s.size(p))
    return total


def _cholesky(block: Block, e: Equation) -> None:
    """L of A = L Lᵀ, from one triangle of A."""
    s, above = _Scalars(block, _DOUBLE), e.params["above"]
    a = _matrix(s, e.operands[0])
    n, zero = len(a), s.number(0.0)
    low: Matrix = [[zero] * n for _ in range(n)]
    bad = []
    for j in range(n):
        for i in range(j, n):
            total = a[j][i] if above else a[i][j]
            for k in range(j):
                total = s.less(total, low[i][k], low[j][k])
            if i == j:
                bad.append(s.test("ule", total, zero))  # or NaN
                low[j][j] = s.root(total)
            else:
                low[i][j] = s.over(total, low[j][j])
    block.builder.fail(s.any(bad), "Matrix is not positive definite")
    _give(s, e.results[0], _flat(_turned(low) if above else low))


# ---------------------------------------------------------------- determinants

def _product(s: _Scalars, sizes: Sequence[str]) -> tuple[str, str]:
    """The product of absolute values, and whether it and all on the way to it are far from the ends of the exponents."""
    total, fine = sizes[0], []
    for p in (None, *sizes[1:]):
        total = total if p is None else s.times(total, p)
        fine += [s.test("ogt", total, s.number(1e-280)), s.test("olt", total, s.number(1e280))]
    return total, s.any(fine, "and") if fine else "true"


def _either(s: _Scalars, condition: str, first: Callable[[], str], second: Callable[[], str]) -> str:
    """A branch: one of two numbers, only one of which is computed."""
    code, fresh = s.code, s.block.module.fresh
    yes, no, done = fresh("B"), fresh("B"), fresh("B")
    code.line(f"br i1 {condition}, label %{yes}, label %{no}")
    ends = []
    for label, value in ((yes, first), (no, second)):
        code.label(label)
        x, end = value(), fresh("B")
        code.line(f"br label %{end}")
        code.label(end)
        code.line(f"br label %{done}")
        ends.append((x, end))
    code.label(done)
    return code.op(f"phi {s.kind} " + ", ".join([f"[{x}, %{end}]" for x, end in ends]))


def _one(s: _Scalars, name: str, x: str) -> str:
    (out,) = elementwise.emit(s.code, name, {}, [Value(s.dtype, (x,))], [s.dtype], 1)
    return out.part


def _sum_of_logs(s: _Scalars, sizes: Sequence[str]) -> str:
    total = _one(s, "log", sizes[0])
    for p in sizes[1:]:
        total = s.plus(total, _one(s, "log", p))
    return total


def _determinant(block: Block, e: Equation) -> tuple[_Scalars, _Factors, list[str], str]:
    """The factors, the absolute values of their diagonal, and whether the determinant is negative."""
    s = _Scalars(block, _DOUBLE)
    f = _Factors(s, _matrix(s, e.operands[0]))
    diagonal = [f.rows[k][k] for k in range(len(f.rows))]
    signs = [s.test("olt", p, s.number(0.0)) for p in diagonal]
    return s, f, [s.size(p) for p in diagonal], s.any([f.odd(s), *signs], "xor")


def _det(block: Block, e: Equation) -> None:
    s, f, sizes, negative = _determinant(block, e)
    total, fine = _product(s, sizes)
    if len(sizes) > 2:  # of more numbers a product on the way may leave the range
        product = total
        total = _either(s, fine, lambda: product, lambda: _one(s, "exp", _sum_of_logs(s, sizes)))
    total = s.choose(negative, s.negative(total), total)
    _give(s, e.results[0], [s.choose(f.zero, s.number(0.0), total)])


def _slogdet(block: Block, e: Equation) -> None:
    s, f, sizes, negative = _determinant(block, e)
    one, zero = s.number(1.0), s.number(0.0)
    sign = s.choose(f.zero, zero, s.choose(negative, s.number(-1.0), one))
    if len(sizes) == 1:
        total = _one(s, "log", sizes[0])
    else:
        product, fine = _product(s, sizes)
        total = _either(s, fine, lambda: _one(s, "log", product), lambda: _sum_of_logs(s, sizes))
    _give(s, e.results[0], [sign])
    _give(s, e.results[1], [s.choose(f.zero, s.number(-math.inf), total)])


def _adjugate(block: Block, e: Equation) -> None:
    """Cofactors, by Laplace's expansion, each minor once; all of them NaN unless the matrix is finite."""
    s = _Scalars(block, _DOUBLE)
    a = _matrix(s, e.operands[0])
    n, everything = len(a), tuple(range(len(a)))
    minors: dict[Any, str] = {}

    def minor(rows: tuple[int, ...], columns: tuple[int, ...]) -> str:
        if not rows:
            return s.number(1.0)
        if len(rows) == 1:
            return a[rows[0]][columns[0]]
        if (rows, columns) not in minors:
            total = s.times(a[rows[0]][columns[0]], minor(rows[1:], columns[1:]))
            for k in range(1, len(columns)):
                add = s.less if k % 2 else s.more
                total = add(total, a[rows[0]][columns[k]], minor(rows[1:], columns[:k] + columns[k + 1:]))
            minors[rows, columns] = total
        return minors[rows, columns]

    others = [everything[:k] + everything[k + 1:] for k in everything]
    out = [minor(others[j], others[i]) for i in everything for j in everything]
    out = [s.negative(p) if (k // n + k % n) % 2 else p for k, p in enumerate(out)]
    if n > 1:
        finite = s.test("ord", _sum_of_zeros(s, _flat(a)), s.number(0.0))
        out = [s.choose(finite, p, s.number(math.nan)) for p in out]
    _give(s, e.results[0], out)


def _sum_of_zeros(s: _Scalars, parts: Sequence[str]) -> str:
    """0, or NaN if one of these numbers is not finite."""
    total = s.number(0.0)
    for p in parts:
        total = s.more(total, p, s.number(0.0))
    return total


# ---------------------------------------------------------------- the table

_DOUBLE = np.dtype(np.float64)
_RULES: dict[str, Callable[[Block, Equation], None]] = {
    "inv": _inv,
    "lu_factor": _lu_factor,
    "solve_factored": _solve_factored,
    "solve_triangular": _solve_triangular,
    "cholesky": _cholesky,
    "det": _det,
    "slogdet": _slogdet,
    "adjugate": _adjugate,
}
_SUBSTITUTIONS = ("solve_factored", "solve_triangular", "cholesky")


def operations(e: Equation) -> int:
    """How many scalar operations the code of an equation is, about."""
    n = e.operands[0].type.shape[-1]
    columns = e.results[0].type.shape[-1] if e.primitive.name.startswith("solve_") else n
    if e.primitive.name == "cholesky":
        return n * (n + 1) * (n + 2) // 6
    exchanges = n * (n - 1) * columns
    if e.primitive.name.startswith("solve_"):
        return n * n * columns + (exchanges if e.primitive.name == "solve_factored" else n * columns) // 2
    return (n ** 3 if e.primitive.name != "inv" else 2 * n ** 3) + exchanges


def supported(e: Equation) -> bool:
    """Whether `emit` can be called for an equation."""
    found, types = _RULES.get(e.primitive.name), [v.type for v in (*e.operands, *e.results)]
    if found is None or not all(isinstance(t, ArrayType) and t.ndim <= 2 and t.size and t.dtype.isnative for t in types):
        return False
    numbers = [t for t in types if t.dtype.kind != "i"]
    if not numbers or any(t.dtype != numbers[0].dtype or t.dtype not in (np.float32, np.float64) for t in numbers):
        return False
    a = types[0]
    if a.ndim != 2 or max(n for t in types for n in t.shape or (1,)) > LARGEST:
        return False
    if e.primitive.name.startswith("solve_") and types[-1].ndim != 2:
        return False
    return a.shape[-1] <= ROWS or (e.primitive.name in _SUBSTITUTIONS and operations(e) <= MOST)


def emit(block: Block, e: Equation) -> None:
    """Append the code of an equation that is `supported`; its results are in `block.scalars`."""
    _RULES[e.primitive.name](block, e)
