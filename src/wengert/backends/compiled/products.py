"""Contractions: products of matrices, vectors and stacks of them.

What comes in: a contraction of two arrays in memory, by its spec. What goes out: loops of our own, or calls of BLAS. The one
idea: every label is an axis with one stride per array, and neighbors are merged, after which a contraction is a matrix product
(rows, columns, sum) inside loops over what is left. A transposed operand is only another stride, so it goes to BLAS as it is;
what has no such form is copied first.

Own loops come in two shapes. A tile keeps a block of rows times vectors along the result's last axis in registers while it runs
along the sum; a dot runs vectors along the sum, for several rows at once. Sums are associated freely.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.backends.compiled import direct, tiles
from wengert.backends.compiled.code import Code
from wengert.backends.compiled.foreign import call, constant_of, letter, one_thread, routine, threads
from wengert.backends.compiled.loops import Place, at, collapse, contiguous, copy, fill, move, nest, times
from wengert.backends.compiled.share import WORTH, share, worth
from wengert.backends.compiled.tiles import Axis
from wengert.graph import ArrayType, Equation
from wengert.primitives.contract import split_spec

__all__ = ["emit_contract", "supported_contract"]

# Up to this many multiplications our own loops are as fast as BLAS or faster, measured with vectors of 64 bytes: a call of BLAS
# takes 0.03 to 0.1 microseconds more up to 32 x 32 x 32; where vectors run along the sum up to 12 x 12 x 12; complex
# up to 8 x 8 x 8.
SMALL_PRODUCT = 32768
SMALL_PRODUCT_ALONG_SUM = 1728
SMALL_COMPLEX = 512
# With vectors of 64 bytes, of floats, also where what every eight rows read again stays in the cache: then 5 to 50 % faster.
STILL = 900_000       # bytes of it; the others lie along the sum, or
STILL_ACROSS = 1 << 19  # with them
LARGEST_VECTOR_PRODUCT = 1 << 22  # elements of the matrix; then BLAS, which has threads

MOST_PARTS = 64   # of rows that threads work on
NARROWEST = 48   # columns of a part of a product that a thread works on,
ALIGNED = 16     # and what their number is a multiple of

Scratch = Callable[[int], str]
_KINDS = {"f8", "f4", "c16", "c8", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1"}


def supported_contract(equation: Equation) -> bool:
    """Whether `emit_contract` can be called."""
    a, b = [x.type for x in equation.operands[:2]]
    if not isinstance(a, ArrayType) or not isinstance(b, ArrayType):
        return False
    dtype = a.dtype
    if f"{dtype.kind}{dtype.itemsize}" not in _KINDS or not dtype.isnative:
        return False
    if max((*a.shape, *b.shape, 0)) >= 2 ** 31:
        return False
    return not letter(dtype) or routine(letter(dtype) + "gemm") is not None


# ---------------------------------------------------------------- analysis


@dataclass(frozen=True)
class Product:
    """A contraction as strides: axes of the result, then the axis that is summed.

    `rows` are in the first operand only, `columns` in the second only, `batch` in both.
    """

    dtype: np.dtype[Any]
    a: str
    b: str
    c: str
    batch: tuple[Axis, ...]
    rows: Axis
    columns: Axis
    sums: Axis
    accumulate: bool = False

    def swapped(self) -> Product:
        """The transposed product."""
        turned = [x.swapped() for x in self.batch]
        return replace(self, a=self.b, b=self.a, batch=tuple(turned), rows=self.columns.swapped(),
                       columns=self.rows.swapped(), sums=self.sums.swapped())


def _one(labels: Sequence[str], sizes: dict[str, int], *strides: dict[str, int]) -> tuple[int, ...] | None:
    """A group of labels as one axis: its size and one stride per array; None if it is not one."""
    found, steps = collapse([sizes[k] for k in labels], [[s[k] for k in labels] for s in strides])
    if len(found) > 1:
        return None
    return (found[0], *[s[0] for s in steps]) if found else (1, *[0] * len(strides))


def _by_stride(labels: Sequence[str], strides: dict[str, int]) -> list[str]:
    return sorted(labels, key=lambda k: -strides[k])


class _Operand:
    """An operand or the result: where it lies, and a stride for each label."""

    def __init__(self, labels: str, place: Place):
        self.labels, self.place, self.pointer = labels, place, place.pointer
        self.strides = dict(zip(labels, place.strides, strict=True))
        self.overlaps = place.overlaps

    def laid_out(self, order: Sequence[str], sizes: dict[str, int]) -> dict[str, int]:
        return dict(zip(order, contiguous([sizes[k] for k in order]), strict=True))

    def copied(self, code: Code, order: Sequence[str], sizes: dict[str, int], scratch: Callable[[int], str]) -> None:
        """From here on a copy, with the labels in that order."""
        new = self.laid_out(order, sizes)
        target = scratch(self.place.type.size * self.place.type.dtype.itemsize)
        copy(code, self.place.type.dtype, [sizes[k] for k in order], self.pointer, [self.strides[k] for k in order],
             target, [new[k] for k in order])
        self.pointer, self.strides, self.overlaps = target, new, False


def emit_contract(code: Code, equation: Equation, operands: Sequence[Place], result: Place, scratch: Callable[[int], str],
                  fail: Callable[[str, str], None], accumulate: bool = False) -> None:
    """The contraction of two operands; with `accumulate`, added to what the result holds.

    Operands may be views, and the result may be one that is added to: they are read and written as they lie.
    """
    la, lb, lo = split_spec(equation.params["spec"])
    sizes = dict(zip(la + lb, operands[0].type.shape + operands[1].type.shape, strict=True))
    if any(sizes[k] == 0 for k in lo):
        return
    if 0 in sizes.values():
        if not accumulate:
            fill(code, result.type.dtype, result.type.size, result.pointer)
        return
    a, b, c = _Operand(la, operands[0]), _Operand(lb, operands[1]), _Operand(lo, result)
    if a.overlaps or b.overlaps or c.overlaps:
        _overlapping(code, (a, b, c), sizes, scratch, accumulate)
    else:
        _product(code, (a, b, c), sizes, scratch, accumulate)


def _overlapping(code: Code, arrays: tuple[_Operand, _Operand, _Operand], sizes: dict[str, int], scratch: Scratch,
                 accumulate: bool) -> None:
    """Windows are read, and added to, where they lie, or copied."""
    c = arrays[2]
    dtype = c.place.type.dtype
    if direct.emit(code, dtype, arrays, sizes, scratch, accumulate):
        return
    if not c.overlaps:
        _product(code, arrays, sizes, scratch, accumulate)
        return
    apart = _Operand(c.labels, Place(scratch(c.place.type.size * dtype.itemsize), c.place.type))
    _product(code, (*arrays[:2], apart), sizes, scratch, False)
    order = sorted(c.labels, key=lambda k: -c.strides[k])
    tiles.add_into(code, dtype, [sizes[k] for k in order], apart.pointer, [apart.strides[k] for k in order], c.pointer,
                   [c.strides[k] for k in order])


def _product(code: Code, arrays: tuple[_Operand, _Operand, _Operand], sizes: dict[str, int], scratch: Scratch,
             accumulate: bool) -> None:
    """A product of arrays whose elements lie apart."""
    a, b, c = arrays
    result, lo = c.place, c.labels
    groups = _Groups(a, b, c, sizes)
    finish = groups.prepare(code, scratch)
    start = accumulate and finish is None
    if groups.added and not start:
        fill(code, result.type.dtype, result.type.size, c.pointer)
    _emit(code, groups.product(result.type.dtype, start or bool(groups.added)), scratch)
    if finish is not None:
        target = Place(finish[0], result.type)
        copied = [sizes[k] for k in lo]
        if accumulate:
            tiles.add_into(code, result.type.dtype, copied, target.pointer, finish[1], result.pointer, result.strides)
        else:
            copy(code, result.type.dtype, copied, target.pointer, finish[1], result.pointer, result.strides)


class _Groups:
    """The labels in groups, and copies where a group is not one axis."""

    def __init__(self, a: _Operand, b: _Operand, c: _Operand, sizes: dict[str, int]):
        self.a, self.b, self.c, self.sizes = a, b, c, sizes
        order = [k for k in c.labels if sizes[k] > 1]
        self.batch = [k for k in order if k in a.labels and k in b.labels]
        self.rows = [k for k in order if k not in b.labels]
        self.columns = [k for k in order if k not in a.labels]
        self.sums = [k for k in a.labels if k in b.labels and k not in c.labels and sizes[k] > 1]
        self.added: list[str] = []  # labels of sums over which whole products are added up

    def _loop_over_rest(self) -> None:
        """What does not merge into the one axis of its group is looped over, where that leaves products for BLAS."""
        a, b, c, sizes = self.a, self.b, self.c, self.sizes
        if not letter(c.place.type.dtype) or a.overlaps or b.overlaps:
            return
        groups = ((self.rows, self.batch, a, c), (self.columns, self.batch, b, c), (self.sums, self.added, a, b))
        for group, apart, x, y in groups:
            order = _by_stride(group, y.strides)
            whole = math.prod([sizes[k] for k in (*self.rows, *self.columns, *self.sums)])
            for n in range(len(order)):
                part = math.prod([sizes[k] for k in order[:n]])
                if _one(order[n:], sizes, x.strides, y.strides) is not None and whole // part > SMALL_PRODUCT:
                    apart += order[:n]
                    group[:] = order[n:]
                    break

    def prepare(self, code: Code, scratch: Callable[[int], str]) -> tuple[str, list[int]] | None:
        """Copy what has to be; the result's place and strides if it is made elsewhere first."""
        a, b, c, sizes = self.a, self.b, self.c, self.sizes
        finish = None
        self._loop_over_rest()
        for group, x in ((self.rows, a), (self.columns, b)):
            group[:] = _by_stride(group, c.strides)
            if _one(group, sizes, c.strides) is None:
                group[:] = _by_stride(group, x.strides)
                finish = True
        if finish:
            new = c.laid_out([*self.batch, *self.rows, *self.columns], sizes)
            c.strides = {k: new.get(k, 0) for k in c.labels}
            c.pointer = scratch(c.place.type.size * c.place.type.dtype.itemsize)
        first, second = self._sum_order()
        if first or a.overlaps or _one(self.rows, sizes, a.strides) is None:
            self._copy(code, a, self.rows, scratch, rows_first=True)
        if second or b.overlaps or _one(self.columns, sizes, b.strides) is None:
            self._copy(code, b, self.columns, scratch, rows_first=False)
        return (c.pointer, [c.strides[k] for k in c.labels]) if finish else None

    def _sum_order(self) -> tuple[bool, bool]:
        """Choose the order of the labels that are summed; whether the operands have to be copied for it."""
        a, b, sizes = self.a, self.b, self.sizes
        orders = [_by_stride(self.sums, a.strides), _by_stride(self.sums, b.strides)]
        for order in orders:
            if _one(order, sizes, a.strides, b.strides) is not None:
                self.sums = order
                return False, False
        self.sums = orders[0]
        if _one(orders[0], sizes, a.strides) is not None:
            return False, True
        if _one(orders[1], sizes, b.strides) is not None:
            self.sums = orders[1]
            return True, False
        return True, True

    def _copy(self, code: Code, x: _Operand, free: list[str], scratch: Callable[[int], str], rows_first: bool) -> None:
        outer = [k for k in (*self.batch, *self.added) if k in x.labels]
        order = [*outer, *free, *self.sums] if rows_first else [*outer, *self.sums, *free]
        rest = [k for k in x.labels if k not in order]  # of length 1
        x.copied(code, [*rest, *order], self.sizes, scratch)

    def product(self, dtype: np.dtype[Any], accumulate: bool) -> Product:
        a, b, c, sizes = self.a, self.b, self.c, self.sizes
        rows, columns = _one(self.rows, sizes, a.strides, c.strides), _one(self.columns, sizes, b.strides, c.strides)
        sums = _one(self.sums, sizes, a.strides, b.strides)
        assert rows is not None and columns is not None and sums is not None
        outer = [*self.batch, *self.added]
        found, steps = collapse([sizes[k] for k in outer], [[x.strides.get(k, 0) for k in outer] for x in (a, b, c)])
        batch = tuple([Axis(n, *s) for n, *s in zip(found, *steps, strict=True)])
        return Product(dtype, a.pointer, b.pointer, c.pointer, batch, Axis(rows[0], rows[1], 0, rows[2]),
                       Axis(columns[0], 0, columns[1], columns[2]), Axis(sums[0], sums[1], sums[2], 0), accumulate)


# ---------------------------------------------------------------- own loops or BLAS


def _emit(code: Code, p: Product, scratch: Scratch) -> None:
    one = float(p.rows.size) * p.columns.size * p.sums.size
    if code.module.standalone or _own(p):
        _tiles(code, p)
        return
    if _medium(code, p):
        _shared_tiles(code, p, one * math.prod([x.size for x in p.batch]), scratch)
        return
    split = max([x for x in p.batch if x.c], key=lambda x: x.size, default=tiles.NONE)
    with one_thread(code):
        if split.size > 1 and worth(code, one * math.prod([x.size for x in p.batch])):
            rest = tuple([x for x in p.batch if x is not split])
            share(code, split.size, scratch, lambda k: _gemms(code, replace(_moved(code, p, split, k), batch=rest)))
        elif worth(code, one) and max(p.rows.size, p.columns.size) >= 2 * NARROWEST:
            _for_each(code, p, lambda q: _parts(code, q, scratch))
        else:
            _gemms(code, p)


def _tiles(code: Code, p: Product) -> None:
    tiles.emit(code, p.dtype, (p.a, p.b, p.c), [*p.batch, p.rows, p.columns], p.sums, p.accumulate)


def _shared_tiles(code: Code, p: Product, work: float, scratch: Scratch) -> None:
    """The products of a stack, or eight rows or more of one, by one thread each."""
    split = max([x for x in p.batch if x.c], key=lambda x: x.size, default=tiles.NONE)
    if not worth(code, work):
        _tiles(code, p)
    elif split.size > 1:
        rest = tuple([x for x in p.batch if x is not split])
        share(code, split.size, scratch, lambda k: _tiles(code, replace(_moved(code, p, split, k), batch=rest)))
    else:
        p = p if _along(p) is p.columns else p.swapped()
        size = p.rows.size
        length = next((n for n in range(8, size, 8) if size % n == 0 and size // n <= MOST_PARTS), size)
        part = replace(p, rows=replace(p.rows, size=length))
        share(code, size // length, scratch, lambda k: _tiles(code, _moved(code, part, replace(
            p.rows, a=length * p.rows.a, c=length * p.rows.c), k)))


def _for_each(code: Code, p: Product, body: Callable[[Product], None]) -> None:
    """The products of a stack, one after the other."""
    batch = p.batch
    nest(code, [x.size for x in batch], [[x.a for x in batch], [x.b for x in batch], [x.c for x in batch]],
         lambda i, j, k: body(replace(p, a=move(code, p.a, p.dtype, i), b=move(code, p.b, p.dtype, j),
                                      c=move(code, p.c, p.dtype, k), batch=())))


def _gemms(code: Code, p: Product) -> None:
    _for_each(code, p, lambda q: _gemm(code, q))


def _moved(code: Code, p: Product, axis: Axis, k: str) -> Product:
    """The product from index k of an axis on."""
    a, b, c = [move(code, x, p.dtype, times(code, k, step)) for x, step in zip((p.a, p.b, p.c), (axis.a, axis.b, axis.c))]
    return replace(p, a=a, b=b, c=c)


def _parts(code: Code, p: Product, scratch: Scratch) -> None:
    """One product, for each thread a part of its rows or columns: of the longer, for each reads all of the other operand."""
    if p.rows.size > p.columns.size:
        p = p.swapped()
    size = p.columns.size
    most = min(size // NARROWEST, int(float(p.rows.size) * size * p.sums.size / (WORTH / 2)))
    wanted = code.intrinsic("llvm.smin.i64", "i64", [threads(code), str(most)])
    even = code.op(f"udiv i64 {code.op(f'add i64 {wanted}, {size - 1}')}, {wanted}")
    width = code.op(f"and i64 {code.op(f'add i64 {even}, {ALIGNED - 1}')}, {-ALIGNED}")
    number = code.op(f"udiv i64 {code.op(f'add i64 {width}, {size - 1}')}, {width}")
    widths = scratch(8 * (most + 1))  # that of all but the last, then what each takes
    code.line(f"store i64 {width}, ptr {widths}")

    def part(k: str) -> None:
        start = code.op(f"mul i64 {k}, {code.op(f'load i64, ptr {widths}')}")
        left = code.op(f"sub i64 {size}, {start}")
        own = at(code, widths, "i64", code.op(f"add i64 {k}, 1"))
        here = code.intrinsic("llvm.smin.i64", "i64", [code.op(f"load i64, ptr {widths}"), left])
        code.line(f"store i64 {here}, ptr {own}")
        _gemm(code, _moved(code, p, p.columns, start), own)
    share(code, number, scratch, part)


def _own(p: Product) -> bool:
    """Whether our own loops are the faster ones (or the only ones)."""
    if not letter(p.dtype):
        return True
    m, n, k = p.rows.size, p.columns.size, p.sums.size
    if k == 1 or m == n == 1 or not _gemm_form(p):
        return True
    if p.dtype.kind == "c":
        return m * n * k <= SMALL_COMPLEX
    if m == 1 or n == 1:
        return m * n * k <= LARGEST_VECTOR_PRODUCT
    return m * n * k <= (SMALL_PRODUCT_ALONG_SUM if p.sums.a == p.sums.b == 1 else SMALL_PRODUCT)


def _along(p: Product) -> Axis | None:
    """The axis of the result along which vectors may run."""
    return p.columns if p.columns.c == p.columns.b == 1 else p.rows if p.rows.c == p.rows.a == 1 else None


def _medium(code: Code, p: Product) -> bool:
    """Whether a product that is not small is read from the cache, and tiles are faster than BLAS, which copies first."""
    along = _along(p)
    if along is None or p.dtype.kind != "f" or tiles.lanes_of(code, p.dtype) * p.dtype.itemsize != 64:
        return False
    other, step = (p.rows, p.sums.a) if along is p.columns else (p.columns, p.sums.b)
    if other.size < 8 or along.size * p.dtype.itemsize < 128 or any(x.c == 0 for x in p.batch):
        return False
    again, across = [x.size * p.sums.size * p.dtype.itemsize for x in (along, other)]
    return again <= STILL and (step == 1 or again + across <= STILL_ACROSS)


def _gemm_form(p: Product) -> bool:
    """Whether BLAS can read and write this: each matrix has one axis of stride 1."""
    return _leading(p.rows.a, p.rows.size, p.sums.a, p.sums.size) is not None and \
        _leading(p.columns.b, p.columns.size, p.sums.b, p.sums.size) is not None and \
        _leading(p.rows.c, p.rows.size, p.columns.c, p.columns.size) is not None


def _leading(s: int, n: int, t: int, m: int) -> tuple[str, int] | None:
    """A matrix of n by m with these strides, as BLAS sees it by columns: "N" or "T", and the leading dimension."""
    if (s == 1 or n == 1) and (t >= n or m == 1):
        return "N", max(t, n, 1)
    if (t == 1 or m == 1) and (s >= m or n == 1):
        return "T", max(s, m, 1)
    return None


def _gemm(code: Code, p: Product, columns: str = "") -> None:
    """One matrix product by BLAS; of so many columns, if there is a pointer to their number."""
    sizes: list[int | str] = [p.rows.size, columns or p.columns.size]
    out = _leading(p.rows.c, p.rows.size, p.columns.c, p.columns.size)
    assert out is not None
    if out[0] == "T":  # the result lies by rows: by columns it is the transposed product
        p, sizes = p.swapped(), sizes[::-1]
        out = _leading(p.rows.c, p.rows.size, p.columns.c, p.columns.size)
    a = _leading(p.rows.a, p.rows.size, p.sums.a, p.sums.size)
    b = _leading(p.sums.b, p.sums.size, p.columns.b, p.columns.size)
    assert a is not None and b is not None and out is not None and out[0] == "N"
    one, beta = constant_of(code, 1.0, p.dtype), constant_of(code, float(p.accumulate), p.dtype)
    call(code, letter(p.dtype) + "gemm", [a[0], b[0], *sizes, p.sums.size, one, p.a, a[1], p.b, b[1], beta, p.c, out[1]])
