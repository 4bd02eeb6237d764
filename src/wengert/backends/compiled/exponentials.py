"""Sums of exponentials over axes: logsumexp, softmax, log_softmax.

What comes in: a real array in memory and axes. What goes out: loops. The one idea: SciPy's formulas, in three passes over the
array: its largest elements, the sum of exponentials below them, the result; the exponentials of a row are computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.compiled.code import Code, Value
from wengert.backends.compiled.loops import Place, add, contiguous, load, loop, nest, store
from wengert.backends.compiled.scans import best, kept_strides, known, reduce
from wengert.graph import Equation

__all__ = ["TABLE"]

Scratch = Callable[[int], str]
Fail = Callable[[str, str], None]


class _Sums:
    """An array, its axes, and the largest elements along them."""

    def __init__(self, code: Code, equation: Equation, x: Place, scratch: Scratch):
        self.code, self.x, self.axes, self.scratch = code, x, equation.params["axes"], scratch
        self.dtype: np.dtype[Any] = x.type.dtype
        self.kind = code.constant(0, self.dtype).kind
        self.kept = [n for a, n in enumerate(x.type.shape) if a not in self.axes]
        self.count = int(np.prod(self.kept, dtype=int))
        self.top = scratch(max(self.count, 1) * self.dtype.itemsize)
        reduce(code, x.pointer, self.dtype, x.type.shape, self.axes, self.top, code.constant(-np.inf, self.dtype),
               lambda c, a, b: best(c, a, b, True), vectors=True)

    def op(self, word: str, x: str, y: str) -> str:
        return self.code.op(f"{word} {self.kind} {x}, {y}")

    def function(self, name: str, x: str) -> str:
        if name == "log1p":
            return self.code.intrinsic("log1p" if self.kind == "double" else "log1pf", self.kind, [x])
        return self.code.intrinsic(f"llvm.{name}.f{8 * self.dtype.itemsize}", self.kind, [x])

    def get(self, pointer: str, i: str) -> str:
        return load(self.code, pointer, self.dtype, i).part

    def put(self, pointer: str, i: str, x: str) -> None:
        store(self.code, pointer, i, Value(self.dtype, (x,)))

    def finite(self, top: str) -> str:
        """The largest element, or 0 in its place if it is not finite."""
        size = self.code.intrinsic(f"llvm.fabs.f{8 * self.dtype.itemsize}", self.kind, [top])
        infinite = self.code.constant(np.inf, self.dtype).part
        below = self.code.op(f"fcmp olt {self.kind} {size}, {infinite}")
        return self.code.op(f"select i1 {below}, {self.kind} {top}, {self.kind} {self.code.constant(0, self.dtype).part}")

    def each(self, body: Callable[[str, str], None]) -> None:
        """``body(i, o)`` for every element and its place among the sums."""
        shape = self.x.type.shape
        nest(self.code, shape, (contiguous(shape), kept_strides(shape, self.axes)), body)

    def sums(self, reads: Callable[[Code, str, str], str]) -> str:
        """Sums along the axes of what `reads` gives for an element and its place among the sums."""
        out = self.scratch(max(self.count, 1) * self.dtype.itemsize)
        zero = self.code.constant(0, self.dtype)
        loop(self.code, self.count, lambda o: store(self.code, out, o, zero))
        self.each(lambda i, o: store(self.code, out, o, add(
            self.code, load(self.code, out, self.dtype, o), Value(self.dtype, (reads(self.code, i, o),)))))
        return out


def _logsumexp(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
               fail: Fail) -> None:
    """``log1p(s / m) + log(m) + top``: m elements equal the largest, s is the sum over the others, relative to it."""
    s = _Sums(code, equation, operands[0], scratch)
    zero, one = code.constant(0, s.dtype).part, code.constant(1, s.dtype).part

    def equal(i: str, o: str) -> str:
        return code.op(f"fcmp oeq {s.kind} {s.get(s.x.pointer, i)}, {s.get(s.top, o)}")

    def rest(code: Code, i: str, o: str) -> str:
        part = s.function("exp", s.op("fsub", s.get(s.x.pointer, i), s.finite(s.get(s.top, o))))
        return code.op(f"select i1 {equal(i, o)}, {s.kind} {zero}, {s.kind} {part}")
    many = s.sums(lambda code, i, o: code.op(f"select i1 {equal(i, o)}, {s.kind} {one}, {s.kind} {zero}"))
    others = s.sums(rest)

    def finish(o: str) -> None:
        count, total = s.get(many, o), s.get(others, o)
        none = code.op(f"fcmp oeq {s.kind} {total}, {zero}")
        ratio = code.op(f"select i1 {none}, {s.kind} {total}, {s.kind} {s.op('fdiv', total, count)}")
        logs = s.op("fadd", s.function("log1p", ratio), s.function("log", count))
        s.put(results[0].pointer, o, s.op("fadd", logs, s.get(s.top, o)))
    loop(code, s.count, finish)


def _softmax(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
             fail: Fail) -> None:
    s, y = _Sums(code, equation, operands[0], scratch), results[0].pointer

    def part(code: Code, i: str, o: str) -> str:
        value = s.function("exp", s.op("fsub", s.get(s.x.pointer, i), s.get(s.top, o)))
        s.put(y, i, value)
        return value
    total = s.sums(part)
    s.each(lambda i, o: s.put(y, i, s.op("fdiv", s.get(y, i), s.get(total, o))))


def _log_softmax(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
                 fail: Fail) -> None:
    s, y = _Sums(code, equation, operands[0], scratch), results[0].pointer

    def part(code: Code, i: str, o: str) -> str:
        value = s.op("fsub", s.get(s.x.pointer, i), s.finite(s.get(s.top, o)))
        s.put(y, i, value)
        return s.function("exp", value)
    total = s.sums(part)
    loop(code, s.count, lambda o: s.put(total, o, s.function("log", s.get(total, o))))
    s.each(lambda i, o: s.put(y, i, s.op("fsub", s.get(y, i), s.get(total, o))))


def _plain(equation: Equation) -> bool:
    """One real operand that has elements, no weights, no sign."""
    t, params = equation.operands[0].type, equation.params
    return known(t.dtype, "f") and t.size > 0 and len(equation.operands) == 1 and not params.get("signed", False)


TABLE: dict[str, tuple[Callable[[Equation], bool], Callable[..., None]]] = {
    "logsumexp": (_plain, _logsumexp),
    "softmax": (_plain, _softmax),
    "log_softmax": (_plain, _log_softmax),
}
