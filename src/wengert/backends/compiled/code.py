"""The text of one LLVM function as it grows.

What comes in: operations, one line at a time. What goes out: the text, and the module's declarations. The one idea: a value is
its dtype, its LLVM names and how many lanes it has; who emits code asks `Code` for fresh names and never counts them itself.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["NOT_SURE", "OUT_OF_BOUNDS", "Code", "Module", "Value", "element", "literal", "splat_literal"]

OUT_OF_BOUNDS = "an index is out of bounds"  # why a kernel was left
NOT_SURE = "a result is NaN, perhaps for want of a mask"

_NAMES = {
    "f8": "double",
    "f4": "float",
    "i8": "i64",
    "i4": "i32",
    "i2": "i16",
    "i1": "i8",
    "u8": "i64",
    "u4": "i32",
    "u2": "i16",
    "u1": "i8",
    "b1": "i1",
}


def element(dtype: np.dtype[Any]) -> str:
    """The LLVM type of one part of a value in a register: of a complex number, of its real part."""
    if dtype.kind == "c":
        return "double" if dtype.itemsize == 16 else "float"
    return _NAMES[f"{dtype.kind}{dtype.itemsize}"]


def literal(x: Any, kind: str) -> str:
    """A number as LLVM writes it; `kind` is an LLVM type."""
    if kind in ("double", "float"):
        return "0x" + struct.pack(">d", float(np.float32(x)) if kind == "float" else float(x)).hex().upper()
    return str(int(x))


def splat_literal(text: str, kind: str, lanes: int) -> str:
    return text if lanes == 1 else f"splat ({kind} {text})"


@dataclass(frozen=True)
class Value:
    """A scalar or a vector in registers.

    Attributes
    ----------
    dtype : numpy.dtype
    parts : tuple of str
        LLVM names or literals: one, or (re, im).
    lanes : int
        1, or the number of lanes of a vector.
    """

    dtype: np.dtype[Any]
    parts: tuple[str, ...]
    lanes: int = 1

    @property
    def kind(self) -> str:
        """The LLVM type of each part."""
        one = element(self.dtype)
        return one if self.lanes == 1 else f"<{self.lanes} x {one}>"

    @property
    def part(self) -> str:
        """The only part of a value that is not complex."""
        (only,) = self.parts
        return only


class Module:
    """What the functions of one module share: names, declarations, finished functions."""

    def __init__(self, vector_bytes: int = 64):
        self.vector_bytes = vector_bytes  # of one vector register
        self.count = 0
        self.declared: dict[str, None] = {}
        self.functions: list[str] = []
        self.standalone = False  # whether it is to call nothing but the C library, where it can
        self.symbols: dict[str, int] = {}  # outer functions that no library of the process exports -> address

    def fresh(self, prefix: str = "v") -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def declare(self, text: str) -> None:
        """A line at the level of the module (a declaration, a constant), once."""
        self.declared[text] = None

    def text(self) -> str:
        """The module; a function that several parts declare is declared once."""
        known: set[str] = set()
        lines = []
        for line in "\n".join(self.declared).split("\n"):
            if line.startswith("declare "):
                name = line[line.index("@"):line.index("(", line.index("@"))]
                if name in known:
                    continue
                known.add(name)
            lines.append(line)
        return "\n".join([*lines, *self.functions]) + "\n"


class Code:
    """The body of one function."""

    def __init__(self, module: Module):
        self.module = module
        self.lines: list[str] = []

    def op(self, text: str, prefix: str = "v") -> str:
        """Append ``%name = text``; the name."""
        name = "%" + self.module.fresh(prefix)
        self.lines.append(f"  {name} = {text}")
        return name

    def line(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def label(self, name: str) -> None:
        """Begin a basic block (the one before must have ended in a branch)."""
        self.lines.append(f"{name}:")

    def intrinsic(self, name: str, kind: str, args: Sequence[str], kinds: Sequence[str] | None = None) -> str:
        """A call of an LLVM intrinsic or outer function of that full name, declared as it is used."""
        kinds = [kind] * len(args) if kinds is None else kinds
        self.module.declare(f"declare {kind} @{name}({', '.join(kinds)})")
        return self.op(f"call {kind} @{name}({', '.join(f'{k} {a}' for k, a in zip(kinds, args, strict=True))})")

    def constant(self, x: Any, dtype: Any, lanes: int = 1) -> Value:
        dtype = np.dtype(dtype)
        kind = element(dtype)
        parts = (x.real, x.imag) if dtype.kind == "c" else (x,)
        return Value(dtype, tuple([splat_literal(literal(p, kind), kind, lanes) for p in parts]), lanes)

    def splat(self, v: Value, lanes: int) -> Value:
        """The value in every lane."""
        if v.lanes == lanes:
            return v
        kind = element(v.dtype)
        parts = []
        for p in v.parts:
            if not p.startswith("%"):
                parts.append(splat_literal(p, kind, lanes))
                continue
            one = self.op(f"insertelement <{lanes} x {kind}> poison, {kind} {p}, i64 0")
            parts.append(
                self.op(
                    f"shufflevector <{lanes} x {kind}> {one}, <{lanes} x {kind}> poison, <{lanes} x i32> zeroinitializer"
                )
            )
        return Value(v.dtype, tuple(parts), lanes)
