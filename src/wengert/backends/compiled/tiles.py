"""Small products in registers.

What comes in: strides of two operands and a result along the axes of the result and those that are summed. What goes out:
loops over vectors. The one idea: choose the axis along which vectors run, the result's axis of stride 1 or the sum, and a
second axis of which several rows are worked on at once, so that what one of them loads serves all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.backends.compiled.code import Code, Value, element
from wengert.backends.compiled.loops import add, load, loop, nest, plus, store, times

__all__ = ["NONE", "Axis", "Work", "add_into", "emit", "horizontal_sum", "lanes_of"]

UNROLLED = 4  # summands, up to which the loop along the sum is written out


@dataclass(frozen=True)
class Axis:
    """A length, and the stride in the first operand, the second, and the result, in elements."""

    size: int
    a: int
    b: int
    c: int

    def swapped(self) -> Axis:
        return Axis(self.size, self.b, self.a, self.c)


NONE = Axis(1, 0, 0, 0)
Pointers = tuple[str, str, str]


def lanes_of(code: Code, dtype: np.dtype[Any]) -> int:
    """How many elements a vector has: one for dtypes that are worked on one by one."""
    return code.module.vector_bytes // dtype.itemsize if dtype.kind in "fiu" else 1


def multiply_add(code: Code, x: Value, y: Value, total: Value | None) -> Value:
    """``x * y + total``; rounded once for floats."""
    kind = x.kind
    if x.dtype.kind == "c":
        (a, b), (c, d) = x.parts, y.parts
        re, im = code.op(f"fmul {kind} {a}, {c}"), code.op(f"fmul {kind} {a}, {d}")
        bd, bc = code.op(f"fmul {kind} {b}, {d}"), code.op(f"fmul {kind} {b}, {c}")
        product = Value(x.dtype, (code.op(f"fsub {kind} {re}, {bd}"), code.op(f"fadd {kind} {im}, {bc}")))
        return product if total is None else add(code, total, product)
    if x.dtype.kind == "f" and total is not None:
        name = {"double": "f64", "float": "f32"}[element(x.dtype)]
        suffix = name if x.lanes == 1 else f"v{x.lanes}{name}"
        return Value(x.dtype, (code.intrinsic(f"llvm.fma.{suffix}", kind, [x.part, y.part, total.part]),), x.lanes)
    word = {"f": "fmul", "b": "and"}.get(x.dtype.kind, "mul")
    product = Value(x.dtype, (code.op(f"{word} {kind} {x.part}, {y.part}"),), x.lanes)
    return product if total is None else add(code, total, product)


def horizontal_sum(code: Code, v: Value) -> Value:
    """The sum of the lanes, by halves."""
    while v.lanes > 1:
        half, one = v.lanes // 2, element(v.dtype)
        low, high = [code.op(f"shufflevector {v.kind} {v.part}, {v.kind} poison, <{half} x i32> <"
                             + ", ".join([f"i32 {start + k}" for k in range(half)]) + ">") for start in (0, half)]
        if half == 1:
            low, high = [code.op(f"extractelement <1 x {one}> {x}, i64 0") for x in (low, high)]
        v = add(code, Value(v.dtype, (low,), half), Value(v.dtype, (high,), half))
    return v


def add_into(code: Code, dtype: np.dtype[Any], shape: Sequence[int], source: str, from_strides: Sequence[int], target: str,
             to_strides: Sequence[int]) -> None:
    """``target += source``, between layouts."""
    nest(code, shape, (from_strides, to_strides), lambda i, j: store(
        code, target, j, add(code, load(code, target, dtype, j), load(code, source, dtype, i))))


# ---------------------------------------------------------------- choice


def emit(code: Code, dtype: np.dtype[Any], pointers: Pointers, axes: Sequence[Axis], sums: Axis, accumulate: bool) -> None:
    """A product over these axes of the result."""
    axes = [x for x in axes if x.size > 1]
    lanes = lanes_of(code, dtype)
    along = next((x for x in axes if x.c == 1 and x.a in (0, 1) and x.b in (0, 1)), None)
    dots = sums.a == sums.b == 1 and sums.size > 1 and (along is None or (sums.size > 4 * along.size and sums.size >= lanes))
    if dots:
        along = None
    elif along is None:
        along = next((x for x in axes if x.c == 1), NONE)
    rest = [x for x in axes if x is not along]
    shared = [x for x in rest if x.a == 0 or x.b == 0]
    rows = max(shared, key=lambda x: min(x.size, 8), default=NONE)
    rest = [x for x in rest if x is not rows]

    def inside(i: str, j: str, k: str) -> None:
        work = Work(code, dtype, pointers, (i, j, k), accumulate, lanes)
        if dots:
            work.dots(rows, (sums,))
        else:
            assert along is not None
            work.tiles(rows, along, (sums,))
    nest(code, [x.size for x in rest], [[x.a for x in rest], [x.b for x in rest], [x.c for x in rest]], inside)


def blocks(code: Code, size: int, width: int, body: Callable[[str, int], None]) -> None:
    """``body(start, count)`` for blocks of `width`, and for what is left."""
    whole = size - size % width
    loop(code, whole, lambda i: body(i, width), step=width)
    if size % width:
        body(str(whole), size % width)


class Work:
    """One product in loops, from given offsets on."""

    def __init__(self, code: Code, dtype: np.dtype[Any], pointers: Pointers, offsets: tuple[str, str, str], accumulate: bool,
                 lanes: int):
        self.code, self.dtype, self.pointers, self.offsets = code, dtype, pointers, offsets
        self.accumulate, self.lanes = accumulate, lanes

    def offset(self, which: int, *moves: tuple[Axis, str]) -> str:
        steps = [times(self.code, i, (x.a, x.b, x.c)[which]) for x, i in moves]
        return plus(self.code, self.offsets[which], *steps)

    # -------- vectors along an axis of the result

    def tiles(self, rows: Axis, along: Axis, sums: Sequence[Axis], depth: int = 0) -> None:
        """Blocks of `depth` rows (chosen here if 0)."""
        lanes = self.lanes
        while lanes > 1 and lanes // 2 >= along.size:
            lanes //= 2
        vectors = -(-along.size // lanes)
        many = lanes * self.dtype.itemsize == 64  # 32 registers: 24 sums, what they read of one operand, and one of the other
        depth = min(rows.size, depth or (8 if many or vectors == 1 else 4))
        wide = min(vectors, {1: 8, 2: 6, 3: 4, 8: 3 if many else 4}.get(depth, 4))
        if lanes == 1:
            depth, wide = min(rows.size, 2), min(vectors, 4)

        def block(i: str, count: int) -> None:
            def tile(j: str, width: int) -> None:
                self.tile((rows, i, count), (along, j, width), sums, lanes)
            blocks(self.code, along.size, wide * lanes, tile)
        blocks(self.code, rows.size, depth, block)

    def tile(self, rows: tuple[Axis, str, int], along: tuple[Axis, str, int], sums: Sequence[Axis], lanes: int) -> None:
        """`rows` times `along` elements of the result, in registers."""
        code, width = self.code, along[2]
        pieces = [(v * lanes, min(lanes, width - v * lanes)) for v in range(-(-width // lanes))]
        kind, parts = Value(self.dtype, (), lanes).kind, 2 if self.dtype.kind == "c" else 1
        count = rows[2] * len(pieces)
        zero = code.constant(0, self.dtype, lanes)

        def step(at: list[tuple[Axis, str]], totals: Sequence[Value | None]) -> Sequence[Value | None]:
            if len(at) < len(sums):
                return along_sum(at, totals)
            first = self.operand(0, rows, along, at, pieces, lanes)
            second = self.operand(1, rows, along, at, pieces, lanes)
            return [multiply_add(code, x, y, t) for x, y, t in zip(first, second, totals, strict=True)]

        def along_sum(at: list[tuple[Axis, str]], totals: Sequence[Value | None]) -> Sequence[Value | None]:
            now = sums[len(at)]
            if now.size <= UNROLLED:
                for k in range(now.size):
                    totals = step([*at, (now, str(k))], totals)
                return totals

            def body(k: str, *names: str) -> list[str]:
                old = [Value(self.dtype, names[t * parts:(t + 1) * parts], lanes) for t in range(count)]
                return [p for v in step([*at, (now, k)], old) if v is not None for p in v.parts]
            names = loop(code, now.size, body, carried=[(kind, p) for t in totals for p in (t or zero).parts])
            return [Value(self.dtype, names[t * parts:(t + 1) * parts], lanes) for t in range(count)]

        for t, total in enumerate(step([], [None] * count)):
            assert total is not None
            r, (start, there) = t // len(pieces), pieces[t % len(pieces)]
            where = self.offset(2, (rows[0], plus(code, rows[1], str(r))), (along[0], plus(code, along[1], str(start))))
            self.finish(where, total, there, along[0].c)

    def operand(self, which: int, rows: tuple[Axis, str, int], along: tuple[Axis, str, int], sums: Sequence[tuple[Axis, str]],
                pieces: Sequence[tuple[int, int]], lanes: int) -> list[Value]:
        """What each place of a tile reads of an operand; what is the same is read once."""
        code, pointer = self.code, self.pointers[which]
        row_step, step = [(x.a, x.b)[which] for x in (rows[0], along[0])]
        out: list[Value] = []
        for r in range(rows[2]):
            if r and not row_step:
                out.extend(out[:len(pieces)])
                continue
            base = self.offset(which, (rows[0], plus(code, rows[1], str(r))), *sums)
            if not step:
                one = code.splat(load(code, pointer, self.dtype, base), lanes)
                out.extend([one] * len(pieces))
                continue
            for start, there in pieces:
                index = plus(code, base, times(code, plus(code, along[1], str(start)), step))
                out.append(load(code, pointer, self.dtype, index, lanes, there, step))
        return out

    def finish(self, where: str, total: Value, there: int, step: int) -> None:
        code, pointer = self.code, self.pointers[2]
        if self.accumulate:
            total = add(code, load(code, pointer, self.dtype, where, total.lanes, there), total)
        store(code, pointer, where, total, there)

    # -------- vectors along the sum

    def dots(self, rows: Axis, sums: Sequence[Axis]) -> None:
        """Vectors along the last of the sums."""
        lanes = self.lanes
        while lanes > 1 and lanes > sums[-1].size:
            lanes //= 2
        depth = min(rows.size, 4 if rows.size % 8 else 8)
        blocks(self.code, rows.size, depth, lambda i, count: self.dot((rows, i, count), sums, lanes))

    def dot(self, rows: tuple[Axis, str, int], sums: Sequence[Axis], lanes: int) -> None:
        """The scalar products of several rows."""
        code, count, last = self.code, rows[2], sums[-1]
        spread = 1 if lanes == 1 and last.size < 8 else max(1, min(8 // count, last.size // lanes))  # sums per row
        stride, whole = lanes * spread, last.size - last.size % (lanes * spread)
        zero = code.constant(0, self.dtype, lanes)
        kind, parts = zero.kind, len(zero.parts)

        def step(at: list[tuple[Axis, str]], k: str, there: int, totals: Sequence[Value], width: int) -> list[Value]:
            read = [[self.row(which, rows, [*at, (last, plus(code, k, str(s * lanes)))], lanes, there) for s in range(width)]
                    for which in (0, 1)]
            return [multiply_add(code, read[0][s][r], read[1][s][r], totals[r * spread + s]) if s < width else
                    totals[r * spread + s] for r in range(count) for s in range(spread)]

        def carried(size: int, step: int, totals: Sequence[Value],
                    body: Callable[[str, list[Value]], list[Value]]) -> list[Value]:
            def inner(k: str, *names: str) -> list[str]:
                old = [Value(self.dtype, names[t * parts:(t + 1) * parts], lanes) for t in range(count * spread)]
                return [p for v in body(k, old) for p in v.parts]
            names = loop(code, size, inner, step=step, carried=[(kind, p) for v in totals for p in v.parts])
            return [Value(self.dtype, names[t * parts:(t + 1) * parts], lanes) for t in range(count * spread)]

        def along(at: list[tuple[Axis, str]], totals: list[Value]) -> list[Value]:
            if len(at) < len(sums) - 1:
                now = sums[len(at)]
                return carried(now.size, 1, totals, lambda k, old: along([*at, (now, k)], old))
            totals = carried(whole, stride, totals, lambda k, old: step(at, k, lanes, old, spread))
            for k in range(whole, last.size, lanes):
                totals = step(at, str(k), min(lanes, last.size - k), totals, 1)
            return totals
        totals = along([], [zero] * (count * spread))
        for r in range(count):
            where = self.offset(2, (rows[0], plus(code, rows[1], str(r))))
            total = self.halved(totals[r * spread:(r + 1) * spread])
            self.finish(where, horizontal_sum(code, total), 1, 1)

    def row(self, which: int, rows: tuple[Axis, str, int], sums: Sequence[tuple[Axis, str]], lanes: int,
            there: int) -> list[Value]:
        step = (rows[0].a, rows[0].b)[which]
        out: list[Value] = []
        for r in range(rows[2]):
            if r and not step:
                out.append(out[0])
                continue
            where = self.offset(which, (rows[0], plus(self.code, rows[1], str(r))), *sums)
            out.append(load(self.code, self.pointers[which], self.dtype, where, lanes, there, 1))
        return out

    def halved(self, values: list[Value]) -> Value:
        while len(values) > 1:
            pairs = [add(self.code, x, y) for x, y in zip(values[::2], values[1::2], strict=False)]
            values = pairs + values[len(pairs) * 2:]
        return values[0]
