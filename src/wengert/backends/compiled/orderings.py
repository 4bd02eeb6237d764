"""Sorting, permuting, searching.

What comes in: an array in memory and an axis. What goes out: loops. The one idea: a stable merge sort, bottom up, of runs that
insertion has sorted; it moves the elements between two rows of memory, and their places along with them if those are wanted.
NaN comes last. Long rows, and orders that depend on the kind of sort, are those of NumPy's own functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.compiled.code import OUT_OF_BOUNDS, Code, Value, element
from wengert.backends.compiled.loops import (
    Place,
    branch,
    copy,
    load,
    loop,
    memory_kind,
    move,
    nest,
    plus,
    read,
    store,
    times,
    until,
    write,
)
from wengert.backends.compiled.orders import call_row, row_function
from wengert.backends.compiled.scans import around, known
from wengert.graph import Equation

__all__ = ["TABLE"]

Scratch = Callable[[int], str]
Fail = Callable[[str, str], None]

RUN = 16  # elements that insertion sorts
SHORT = 24  # a row that is sorted sooner here than by NumPy's function
LONGEST = 1024


def _less(code: Code, kind: str, dtype: np.dtype[Any], x: str, y: str) -> str:
    """Whether x comes before y: NaN comes after all numbers."""
    if dtype.kind != "f":
        return code.op(f"icmp {'slt' if dtype.kind == 'i' else 'ult'} {kind} {x}, {y}")
    less = code.op(f"fcmp olt {kind} {x}, {y}")
    last = code.op(f"and i1 {code.op(f'fcmp uno {kind} {y}, {y}')}, {code.op(f'fcmp ord {kind} {x}, {x}')}")
    return code.op(f"or i1 {less}, {last}")


# ---------------------------------------------------------------- sorting


class _Rows:
    """Rows of keys, and of their places if those are wanted."""

    def __init__(self, code: Code, dtype: np.dtype[Any], n: int, scratch: Scratch, places: bool):
        self.code, self.dtype, self.kind, self.n = code, dtype, memory_kind(dtype), n
        self.rows = [[scratch(max(n, 1) * dtype.itemsize), scratch(max(n, 1) * 8) if places else ""] for _ in range(2)]

    def get(self, which: int, i: str) -> list[str]:
        keys, places = self.rows[which]
        return [read(self.code, keys, self.kind, i), *([read(self.code, places, "i64", i)] if places else [])]

    def put(self, which: int, i: str, item: Sequence[str]) -> None:
        keys, places = self.rows[which]
        write(self.code, keys, self.kind, item[0], i)
        if places:
            write(self.code, places, "i64", item[1], i)

    def insertion(self) -> None:
        """Sort each run of the first row."""
        code = self.code

        def run(start: str, length: str) -> None:
            def insert(k: str) -> None:
                i = plus(code, start, k, "1")
                item = self.get(0, i)

                def goes_on(j: str) -> str:
                    inside = code.op(f"icmp sgt i64 {j}, {start}")

                    def compare() -> list[str]:
                        return [_less(code, self.kind, self.dtype, item[0], self.get(0, plus(code, j, "-1"))[0])]
                    return branch(code, inside, compare, lambda: ["false"], ["i1"])[0]

                def shift(j: str) -> list[str]:
                    before = plus(code, j, "-1")
                    self.put(0, j, self.get(0, before))
                    return [before]
                (place,) = until(code, [("i64", i)], goes_on, shift)
                self.put(0, place, item)
            loop(code, plus(code, length, "-1"), insert)
        whole = self.n - self.n % RUN
        loop(code, whole, lambda start: run(start, str(RUN)), step=RUN)
        if self.n % RUN > 1:
            run(str(whole), str(self.n % RUN))

    def merge(self, source: int, width: int) -> None:
        """Merge pairs of runs of that width into the other row."""
        code, n = self.code, self.n

        def least(x: str) -> str:
            return code.intrinsic("llvm.smin.i64", "i64", [x, str(n)])

        def pair(start: str) -> None:
            middle, end = least(plus(code, start, str(width))), least(plus(code, start, str(2 * width)))

            def step(k: str, i: str, j: str) -> list[str]:
                has_left, has_right = code.op(f"icmp slt i64 {i}, {middle}"), code.op(f"icmp slt i64 {j}, {end}")
                both = code.op(f"and i1 {has_left}, {has_right}")
                (right,) = branch(code, both, lambda: [_less(
                    code, self.kind, self.dtype, self.get(source, j)[0], self.get(source, i)[0])],
                    lambda: [has_right], ["i1"])
                chosen = code.op(f"select i1 {right}, i64 {j}, i64 {i}")
                self.put(1 - source, plus(code, start, k), self.get(source, chosen))
                one = code.op(f"zext i1 {right} to i64")
                return [plus(code, i, code.op(f"sub i64 1, {one}")), plus(code, j, one)]
            loop(code, code.op(f"sub i64 {end}, {start}"), step, carried=[("i64", start), ("i64", middle)])
        loop(code, n, pair, step=2 * width)

    def sort(self) -> int:
        """Sort the first row; the row where the result is."""
        self.insertion()
        width, source = RUN, 0
        while width < self.n:
            self.merge(source, width)
            width, source = 2 * width, 1 - source
        return source


def _sort(places: bool) -> Callable[..., None]:
    def emit(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
             fail: Fail) -> None:
        if _own(equation):
            _merge_sort(code, equation, operands[0], results[0], scratch, places)
        else:
            _numpy_sort(code, equation, operands[0], results[0], scratch)
    return emit


def _merge_sort(code: Code, equation: Equation, x: Place, y: Place, scratch: Scratch, places: bool) -> None:
    outer, n, inner = around(x.type.shape, equation.params["axis"])
    rows = _Rows(code, x.type.dtype, n, scratch, places)
    kind = "i64" if places else rows.kind

    def lane(start: str) -> None:
        def place(i: str) -> str:
            return plus(code, start, times(code, i, inner))
        loop(code, n, lambda i: rows.put(0, i, [read(code, x.pointer, rows.kind, place(i)), i]))
        done = rows.sort()
        loop(code, n, lambda i: write(code, y.pointer, kind, rows.get(done, i)[-1], place(i)))
    nest(code, (outer, inner), ((n * inner, 1),), lane)


def _numpy_sort(code: Code, equation: Equation, x: Place, y: Place, scratch: Scratch) -> None:
    """Each row, made contiguous, is given to NumPy's function."""
    name, dtype, kind = equation.primitive.name, x.type.dtype, equation.params["kind"]
    outer, n, inner = around(x.type.shape, equation.params["axis"])
    keys, out = scratch(n * dtype.itemsize), scratch(n * 8)

    def lane(start: str) -> None:
        source, target = move(code, x.pointer, dtype, start), move(code, y.pointer, y.type.dtype, start)
        copy(code, dtype, (n,), source, (inner,), keys, (1,))
        if name == "sort":
            call_row(code, name, dtype, kind, keys, n)
            copy(code, dtype, (n,), keys, (1,), target, (inner,))
            return
        loop(code, n, lambda i: write(code, out, "i64", i, i))
        call_row(code, name, dtype, kind, keys, n, out)
        copy(code, y.type.dtype, (n,), out, (1,), target, (inner,))
    nest(code, (outer, inner), ((n * inner, 1),), lane)


def _own(equation: Equation) -> bool:
    """Whether a row is sorted by our own code: a short one, where the order is settled by the values or by stability."""
    t, kind = equation.operands[0].type, equation.params["kind"]
    if not known(t.dtype) or (equation.primitive.name == "argsort" and kind not in ("stable", "mergesort")):
        return False
    n = t.shape[equation.params["axis"]]
    return n <= SHORT or (n <= LONGEST and not row_function(equation.primitive.name, t.dtype, kind))


# ---------------------------------------------------------------- permuting


def _permute(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
             fail: Fail) -> None:
    x, places, y = *operands, results[0]
    inverse = equation.params["inverse"]
    outer, n, inner = around(x.type.shape, equation.params["axis"])
    kind = element(places.type.dtype)

    def lane(start: str) -> None:
        def one(i: str) -> None:
            here = plus(code, start, times(code, i, inner))
            place = read(code, places.pointer, kind, here)
            if kind != "i64":
                place = code.op(f"sext {kind} {place} to i64")
            from_end = code.op(f"icmp slt i64 {place}, 0")
            place = code.op(f"select i1 {from_end}, i64 {plus(code, place, str(n))}, i64 {place}")
            fail(code.op(f"icmp uge i64 {place}, {n}"), OUT_OF_BOUNDS)
            there = plus(code, start, times(code, place, inner))
            source, target = (here, there) if inverse else (there, here)
            store(code, y.pointer, target, load(code, x.pointer, x.type.dtype, source))
        loop(code, n, one)
    nest(code, (outer, inner), ((n * inner, 1),), lane)


# ---------------------------------------------------------------- searching


def _searchsorted(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
                  fail: Fail) -> None:
    """The first place where a value, or what is larger than it, stands."""
    a, v = operands
    dtype, kind = a.type.dtype, memory_kind(a.type.dtype)
    left = equation.params["side"] == "left"

    def one(i: str) -> None:
        value = read(code, v.pointer, kind, i)

        def halve(low: str, high: str) -> list[str]:
            middle = code.op(f"lshr i64 {plus(code, low, high)}, 1")
            x = read(code, a.pointer, kind, middle)
            if left:
                right = _less(code, kind, dtype, x, value)
            else:
                right = code.op(f"xor i1 {_less(code, kind, dtype, value, x)}, true")
            return [code.op(f"select i1 {right}, i64 {plus(code, middle, '1')}, i64 {low}"),
                    code.op(f"select i1 {right}, i64 {high}, i64 {middle}")]
        low, _ = until(code, [("i64", "0"), ("i64", str(a.type.size))],
                       lambda low, high: code.op(f"icmp slt i64 {low}, {high}"), halve)
        store(code, results[0].pointer, i, Value(results[0].type.dtype, (low,)))
    loop(code, v.type.size, one)


# ---------------------------------------------------------------- the table


def _sortable(equation: Equation) -> bool:
    t, params = equation.operands[0].type, equation.params
    return _own(equation) or row_function(equation.primitive.name, t.dtype, params["kind"]) != 0


TABLE: dict[str, tuple[Callable[[Equation], bool], Callable[..., None]]] = {
    "sort": (_sortable, _sort(False)),
    "argsort": (_sortable, _sort(True)),
    "permute": (lambda e: known(e.operands[0].type.dtype, "fciub") and known(e.operands[1].type.dtype, "i"), _permute),
    "searchsorted": (lambda e: known(e.operands[0].type.dtype) and e.operands[0].type.dtype == e.operands[1].type.dtype,
                     _searchsorted),
}
