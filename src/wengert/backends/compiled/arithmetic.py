"""Arithmetic on LLVM values of one dtype and one number of lanes.

What comes in: names of operands. What goes out: the name of the result, after a line appended to the code. The one idea: who
writes a formula says the operation and its operands; types, suffixes and constants follow from the dtype and the lanes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from wengert.backends.compiled.code import Code, element, literal, splat_literal

__all__ = ["Arithmetic", "vector"]


def vector(kind: str, lanes: int) -> str:
    """The type of so many lanes of an LLVM type."""
    return kind if lanes == 1 else f"<{lanes} x {kind}>"


class Arithmetic:
    """Operations on values of one dtype (of a complex one: on its parts).

    Attributes
    ----------
    element, kind : str
        The LLVM type of one lane, and of all.
    whole, mask : str
        The types of integers of the same width, and of comparisons.
    suffix : str
        The end of the names of LLVM's intrinsics for `kind`.
    """

    def __init__(self, code: Code, dtype: np.dtype[Any], lanes: int):
        self.code, self.dtype, self.lanes = code, dtype, lanes
        self.element = element(dtype)
        parts: dict[str, np.dtype[Any]] = {"double": np.dtype(np.float64), "float": np.dtype(np.float32)}
        self.real = parts.get(self.element, dtype)
        self.floating, self.bits = dtype.kind in "fc", 1 if dtype.kind == "b" else 8 * self.real.itemsize
        self.kind, self.whole, self.mask = [vector(k, lanes) for k in (self.element, f"i{self.bits}", "i1")]
        width = f"{'f' if self.floating else 'i'}{self.bits}"
        self.suffix = width if lanes == 1 else f"v{lanes}{width}"

    def of(self, dtype: Any) -> Arithmetic:
        """Arithmetic of another dtype in as many lanes."""
        return Arithmetic(self.code, np.dtype(dtype), self.lanes)

    def number(self, x: Any) -> str:
        return splat_literal(literal(x, self.element), self.element, self.lanes)

    def integer(self, x: int) -> str:
        """A constant of `whole`."""
        return splat_literal(str(x), f"i{self.bits}", self.lanes)

    # ---------------------------------------------------------------- operations

    def op(self, name: str, a: str, b: str) -> str:
        return self.code.op(f"{name} {self.kind} {a}, {b}")

    def add(self, a: str, b: str) -> str:
        return self.op("fadd" if self.floating else "add", a, b)

    def sub(self, a: str, b: str) -> str:
        return self.op("fsub" if self.floating else "sub", a, b)

    def mul(self, a: str, b: str) -> str:
        return self.op("fmul" if self.floating else "mul", a, b)

    def div(self, a: str, b: str) -> str:
        return self.op("fdiv", a, b)

    def neg(self, a: str) -> str:
        return self.code.op(f"fneg {self.kind} {a}") if self.floating else self.op("sub", self.number(0), a)

    def call(self, name: str, *args: str) -> str:
        """An intrinsic of LLVM on operands of this kind."""
        return self.code.intrinsic(f"llvm.{name}.{self.suffix}", self.kind, args)

    def integer_op(self, name: str, a: str, b: str) -> str:
        return self.code.op(f"{name} {self.whole} {a}, {b}")

    # ---------------------------------------------------------------- comparisons and masks

    def compare(self, how: str, a: str, b: str) -> str:
        """``fcmp`` or ``icmp``."""
        return self.code.op(f"{'fcmp' if self.floating else 'icmp'} {how} {self.kind} {a}, {b}")

    def nan(self, a: str) -> str:
        return self.compare("uno", a, self.number(0.0))

    def zero(self, a: str) -> str:
        return self.compare("oeq" if self.floating else "eq", a, self.number(0))

    def truth(self, a: str) -> str:
        """Where a is not 0; NaN is not."""
        return a if self.element == "i1" else self.compare("une" if self.floating else "ne", a, self.number(0))

    def choose(self, p: str, a: str, b: str) -> str:
        return self.code.op(f"select {self.mask} {p}, {self.kind} {a}, {self.kind} {b}")

    def masks(self, name: str, *masks: str) -> str:
        """``and``, ``or`` or ``xor`` of masks."""
        return reduce(lambda p, q: self.code.op(f"{name} {self.mask} {p}, {q}"), masks)

    def flip(self, p: str) -> str:
        return self.masks("xor", p, splat_literal("true", "i1", self.lanes))

    # ---------------------------------------------------------------- bits and formulas

    def to_bits(self, x: str) -> str:
        return self.code.op(f"bitcast {self.kind} {x} to {self.whole}")

    def from_bits(self, x: str) -> str:
        return self.code.op(f"bitcast {self.whole} {x} to {self.kind}")

    def fma(self, a: str, b: str, c: str) -> str:
        return self.call("fma", a, b, c)

    def horner(self, x: str, coefficients: Sequence[float]) -> str:
        """A polynomial, its lowest coefficient first."""
        total = self.number(coefficients[-1])
        for c in reversed(coefficients[:-1]):
            total = self.fma(total, x, self.number(c))
        return total

    def estrin(self, x: str, coefficients: Sequence[float]) -> str:
        """The same in a shorter chain of operations."""
        terms = [self.number(c) for c in coefficients]
        while len(terms) > 1:
            pairs = [terms[i:i + 2] for i in range(0, len(terms), 2)]
            terms = [self.fma(p[1], x, p[0]) if len(p) == 2 else p[0] for p in pairs]
            x = self.mul(x, x) if len(terms) > 1 else x
        return terms[0]
