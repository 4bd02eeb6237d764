"""Reductions and scans over axes.

What comes in: an array in memory and axes. What goes out: loops. The one idea: whatever the axes, the innermost loop runs along
memory. If that axis is kept, the result itself is the accumulator, a vector at a time; if it is reduced, an accumulator in
registers is folded into the result once per row. Sums and products are formed in the order of the elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.compiled.code import Code, Value, element
from wengert.backends.compiled.loops import Place, add, collapse, contiguous, copy, load, loop, move, nest, plus, store, times
from wengert.backends.compiled.orders import call_row, row_function
from wengert.backends.compiled.tiles import multiply_add
from wengert.graph import Equation

__all__ = ["TABLE", "best", "kept_strides", "known", "reduce"]

Scratch = Callable[[int], str]
Fail = Callable[[str, str], None]
Combine = Callable[[Code, Value, Value], Value]

_KNOWN = {"f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1"}


def known(dtype: np.dtype[Any], kinds: str = "fiub") -> bool:
    """Whether a dtype has an LLVM type, and is of one of these kinds."""
    if dtype.kind == "c":
        return "c" in kinds and dtype.itemsize in (8, 16)
    return dtype.kind in kinds and f"{dtype.kind}{dtype.itemsize}" in _KNOWN


# ---------------------------------------------------------------- how two elements become one


def multiply(code: Code, x: Value, y: Value) -> Value:
    return multiply_add(code, x, y, None)


def best(code: Code, x: Value, y: Value, largest: bool) -> Value:
    """NumPy's maximum or minimum: the first of equals, and NaN if there is one."""
    kind = x.dtype.kind
    if kind == "b":
        return Value(x.dtype, (code.op(f"{'or' if largest else 'and'} {x.kind} {x.part}, {y.part}"),), x.lanes)
    if kind == "f":
        first = code.op(f"fcmp {'oge' if largest else 'ole'} {x.kind} {x.part}, {y.part}")
        nan = code.op(f"fcmp uno {x.kind} {x.part}, {x.part}")
        truth = "i1" if x.lanes == 1 else f"<{x.lanes} x i1>"
        first = code.op(f"or {truth} {first}, {nan}")
    else:
        word = ("u" if kind == "u" else "s") + ("ge" if largest else "le")
        first = code.op(f"icmp {word} {x.kind} {x.part}, {y.part}")
    truth = "i1" if x.lanes == 1 else f"<{x.lanes} x i1>"
    return Value(x.dtype, (code.op(f"select {truth} {first}, {x.kind} {x.part}, {x.kind} {y.part}"),), x.lanes)


def maximum(code: Code, x: Value, y: Value) -> Value:
    return best(code, x, y, True)


def minimum(code: Code, x: Value, y: Value) -> Value:
    return best(code, x, y, False)


def lowest(dtype: np.dtype[Any]) -> Any:
    """What every element is at least as large as."""
    return -np.inf if dtype.kind == "f" else False if dtype.kind == "b" else np.iinfo(dtype).min


def highest(dtype: np.dtype[Any]) -> Any:
    return np.inf if dtype.kind == "f" else True if dtype.kind == "b" else np.iinfo(dtype).max


def truth(code: Code, x: Value) -> Value:
    """Whether an element is not zero."""
    zero = code.constant(0, x.dtype).parts
    word = "fcmp une" if x.dtype.kind in "fc" else "icmp ne"
    tests = [code.op(f"{word} {x.kind} {p}, {z}") for p, z in zip(x.parts, zero, strict=True)]
    return Value(np.dtype(bool), (tests[0] if len(tests) == 1 else code.op(f"or i1 {tests[0]}, {tests[1]}"),))


# ---------------------------------------------------------------- reductions


def kept_strides(shape: Sequence[int], axes: Sequence[int]) -> list[int]:
    """The strides of the result of a reduction along the axes of its operand: 0 along those that are reduced."""
    steps = iter(contiguous([n for a, n in enumerate(shape) if a not in axes]))
    return [0 if a in axes else next(steps) for a in range(len(shape))]


def reduce(code: Code, source: str, dtype: np.dtype[Any], shape: Sequence[int], axes: Sequence[int], target: str, start: Value,
           combine: Combine, *, vectors: bool = False, reads: Callable[[Code, str, int], Value] | None = None) -> None:
    """Fold the elements along axes into a result of the dtype of `start`.

    Parameters
    ----------
    combine : callable
        ``combine(code, total, x)``.
    vectors : bool
        Whether it may be applied to vectors, and in any order.
    reads : callable, optional
        ``reads(code, index, lanes)`` gives elements; by default they are read from `source`.
    """
    if reads is None:
        def reads(code: Code, i: str, lanes: int) -> Value:
            return load(code, source, dtype, i, lanes)
    kept = [n for a, n in enumerate(shape) if a not in axes]
    loop(code, int(np.prod(kept, dtype=int)), lambda i: store(code, target, i, start))
    if 0 in shape:
        return
    sizes, (inside, outside) = collapse(shape, (contiguous(shape), kept_strides(shape, axes)))
    last = sizes[-1] if sizes else 1
    reduced = bool(sizes) and outside[-1] == 0
    lanes = code.module.vector_bytes // dtype.itemsize if vectors and dtype.kind in "fiu" else 1
    lanes = lanes if lanes <= last else 1

    def row(i: str, o: str) -> None:
        old = load(code, target, start.dtype, o)
        store(code, target, o, _fold(code, reads, i, last, lanes, old, combine))

    def column(i: str, o: str) -> None:
        def some(width: int) -> Callable[[str], None]:
            def one(k: str) -> None:
                at = plus(code, o, k)
                old = load(code, target, start.dtype, at, width)
                store(code, target, at, combine(code, old, reads(code, plus(code, i, k), width)))
            return one
        whole = last - last % lanes
        loop(code, whole, some(lanes), step=lanes)
        loop(code, last - whole, lambda k: some(1)(plus(code, k, str(whole))))
    nest(code, sizes[:-1], (inside[:-1], outside[:-1]), row if reduced else column)


def _fold(code: Code, reads: Callable[[Code, str, int], Value], i: str, count: int, lanes: int, total: Value,
          combine: Combine) -> Value:
    """A row, folded into a number."""
    wide = min(4, count // lanes) if lanes > 1 else 1
    whole = count - count % (lanes * wide) if lanes > 1 else 0
    if whole:
        first = [reads(code, plus(code, i, str(v * lanes)), lanes) for v in range(wide)]

        def step(k: str, *totals: str) -> list[str]:
            new = [reads(code, plus(code, i, k, str((wide + v) * lanes)), lanes) for v in range(wide)]
            return [combine(code, Value(x.dtype, (t,), lanes), x).part for t, x in zip(totals, new, strict=True)]
        names = loop(code, whole - lanes * wide, step, step=lanes * wide, carried=[(t.kind, t.part) for t in first])
        top = Value(first[0].dtype, (names[0],), lanes)
        for name in names[1:]:
            top = combine(code, top, Value(top.dtype, (name,), lanes))
        for k in range(lanes):
            total = combine(code, total, Value(top.dtype, (code.op(f"extractelement {top.kind} {top.part}, i64 {k}"),)))
    names = loop(code, count - whole, lambda k, *t: combine(
        code, Value(total.dtype, t), reads(code, plus(code, i, k, str(whole)), 1)).parts,
        carried=[(total.kind, p) for p in total.parts])
    return Value(total.dtype, names)


def _reduction(combine: Combine, start: Callable[[np.dtype[Any]], Any], vectors: bool = False) -> Callable[..., None]:
    def emit(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
             fail: Fail) -> None:
        x = operands[0]
        first = code.constant(start(x.type.dtype), x.type.dtype)
        reduce(code, x.pointer, x.type.dtype, x.type.shape, equation.params["axes"], results[0].pointer, first, combine,
               vectors=vectors)
    return emit


def _logical(word: str) -> Callable[..., None]:
    def emit(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
             fail: Fail) -> None:
        x = operands[0]

        def reads(code: Code, i: str, lanes: int) -> Value:
            value = load(code, x.pointer, x.type.dtype, i)
            return value if value.dtype.kind == "b" else truth(code, value)

        def combine(code: Code, a: Value, b: Value) -> Value:
            return Value(a.dtype, (code.op(f"{word} i1 {a.part}, {b.part}"),))
        start = code.constant(int(word == "and"), bool)
        reduce(code, x.pointer, x.type.dtype, x.type.shape, equation.params["axes"], results[0].pointer, start, combine,
               reads=reads)
    return emit


def _masked_sum(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
                fail: Fail) -> None:
    x, mask, start = operands
    dtype = x.type.dtype
    kept: list[Value] = []

    def reads(code: Code, i: str, lanes: int) -> Value:
        kept[:] = [load(code, mask.pointer, mask.type.dtype, i if mask.type.ndim else "0")]
        return load(code, x.pointer, dtype, i)

    def combine(code: Code, total: Value, new: Value) -> Value:
        both = add(code, total, new)
        return Value(dtype, tuple([code.op(f"select i1 {kept[0].part}, {total.kind} {p}, {total.kind} {q}")
                                   for p, q in zip(both.parts, total.parts, strict=True)]))
    reduce(code, x.pointer, dtype, x.type.shape, equation.params["axes"], results[0].pointer,
           load(code, start.pointer, dtype, "0"), combine, reads=reads)


# ---------------------------------------------------------------- along one axis


def around(shape: Sequence[int], axis: int) -> tuple[int, int, int]:
    """How many elements there are before an axis, along it, and behind it."""
    return int(np.prod(shape[:axis], dtype=int)), shape[axis], int(np.prod(shape[axis + 1:], dtype=int))


def _scan(combine: Combine) -> Callable[..., None]:
    def emit(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
             fail: Fail) -> None:
        x, y = operands[0], results[0]
        dtype = x.type.dtype
        outer, n, inner = around(x.type.shape, equation.params["axis"])
        back = equation.params.get("reverse", False)

        def place(o: str, i: str, k: str) -> str:
            if back:
                i = str(n - 1 - int(i)) if not i.startswith("%") else code.op(f"sub i64 {n - 1}, {i}")
            return plus(code, times(code, o, n * inner), times(code, i, inner), k)

        def lane(o: str) -> None:
            first = load(code, x.pointer, dtype, place(o, "0", "0"))
            store(code, y.pointer, place(o, "0", "0"), first)

            def step(i: str, *total: str) -> Sequence[str]:
                at = place(o, plus(code, i, "1"), "0")
                new = combine(code, Value(dtype, total), load(code, x.pointer, dtype, at))
                store(code, y.pointer, at, new)
                return new.parts
            loop(code, n - 1, step, carried=[(first.kind, p) for p in first.parts])

        def rows(o: str) -> None:
            def first_row(k: str) -> None:
                store(code, y.pointer, place(o, "0", k), load(code, x.pointer, dtype, place(o, "0", k)))
            loop(code, inner, first_row)
            loop(code, n - 1, lambda i: _blocks(code, dtype, inner, lambda k, lanes: next_row(o, i, k, lanes)))

        def next_row(o: str, i: str, k: str, lanes: int) -> None:
            at = place(o, plus(code, i, "1"), k)
            total = load(code, y.pointer, dtype, place(o, i, k), lanes)
            store(code, y.pointer, at, combine(code, total, load(code, x.pointer, dtype, at, lanes)))
        loop(code, outer, lane if inner == 1 else rows)
    return emit


def _blocks(code: Code, dtype: np.dtype[Any], count: int, body: Callable[[str, int], None]) -> None:
    """``body(start, lanes)`` over a row."""
    lanes = code.module.vector_bytes // dtype.itemsize if dtype.kind in "fiu" else 1
    whole = count - count % lanes
    loop(code, whole, lambda k: body(k, lanes), step=lanes)
    loop(code, count - whole, lambda k: body(plus(code, k, str(whole)), 1))


def _position(largest: bool) -> Callable[..., None]:
    """The first of the extremes, or the first NaN."""
    def emit(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
             fail: Fail) -> None:
        x, y = operands[0], results[0]
        dtype, name = x.type.dtype, equation.primitive.name
        outer, n, inner = around(x.type.shape, equation.params["axis"])
        if row_function(name, dtype) and (dtype.kind == "c" or (n > 16 and inner == 1)):
            row = scratch(n * dtype.itemsize) if inner > 1 else ""
            nest(code, (outer, inner), ((n * inner, 1), (inner, 1)), lambda start, out: _numpy_position(
                code, name, (x, move(code, x.pointer, dtype, start)), (n, inner), move(code, y.pointer, y.type.dtype, out),
                row))
            return

        def lane(start: str, out: str) -> None:
            first = load(code, x.pointer, dtype, start)

            def step(i: str, top: str, place: str) -> list[str]:
                i = plus(code, i, "1")
                new = load(code, x.pointer, dtype, plus(code, start, times(code, i, inner)))
                better = _beats(code, new, Value(dtype, (top,)), largest)
                return [code.op(f"select i1 {better}, {first.kind} {new.part}, {first.kind} {top}"),
                        code.op(f"select i1 {better}, i64 {i}, i64 {place}")]
            _, place = loop(code, n - 1, step, carried=[(first.kind, first.part), ("i64", "0")])
            store(code, y.pointer, out, Value(y.type.dtype, (place,)))
        nest(code, (outer, inner), ((n * inner, 1), (inner, 1)), lane)
    return emit


def _numpy_position(code: Code, name: str, source: tuple[Place, str], sizes: tuple[int, int], out: str, row: str) -> None:
    """By NumPy's function, on a row that is copied together if it does not lie in one piece."""
    dtype, (n, inner) = source[0].type.dtype, sizes
    if row:
        copy(code, dtype, (n,), source[1], (inner,), row, (1,))
    call_row(code, name, dtype, "", row or source[1], n, out)


def _beats(code: Code, new: Value, top: Value, largest: bool) -> str:
    kind = new.dtype.kind
    if kind == "f":
        better = code.op(f"fcmp {'ogt' if largest else 'olt'} {new.kind} {new.part}, {top.part}")
        nan = code.op(f"fcmp uno {new.kind} {new.part}, {new.part}")
        number = code.op(f"fcmp ord {new.kind} {top.part}, {top.part}")
        return code.op(f"or i1 {better}, {code.op(f'and i1 {nan}, {number}')}")
    word = ("s" if kind == "i" else "u") + ("gt" if largest else "lt")
    return code.op(f"icmp {word} {element(new.dtype)} {new.part}, {top.part}")


# ---------------------------------------------------------------- the table


def _of(kinds: str) -> Callable[[Equation], bool]:
    return lambda equation: known(equation.operands[0].type.dtype, kinds)


def _of_or_numpy(equation: Equation) -> bool:
    dtype = equation.operands[0].type.dtype
    return known(dtype) or row_function(equation.primitive.name, dtype) != 0


TABLE: dict[str, tuple[Callable[[Equation], bool], Callable[..., None]]] = {
    "reduce_max": (_of("fiub"), _reduction(maximum, lowest, vectors=True)),
    "reduce_min": (_of("fiub"), _reduction(minimum, highest, vectors=True)),
    "reduce_prod": (_of("fciub"), _reduction(multiply, lambda dtype: 1)),
    "reduce_any": (_of("fciub"), _logical("or")),
    "reduce_all": (_of("fciub"), _logical("and")),
    "masked_sum": (_of("fciub"), _masked_sum),
    "argmax": (_of_or_numpy, _position(True)),
    "argmin": (_of_or_numpy, _position(False)),
    "cumsum": (_of("fciub"), _scan(add)),
    "cumprod": (_of("fciub"), _scan(multiply)),
    "cummax": (_of("fiub"), _scan(maximum)),
    "cummin": (_of("fiub"), _scan(minimum)),
}
