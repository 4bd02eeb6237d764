"""Conversions between dtypes.

What comes in: a value. What goes out: the same elements in another dtype. The one idea: from float to integer as NumPy does on
x86: the machine's instruction on 32 or 64 bits, which gives the smallest number for NaN and what is out of range, and the low
bits of that.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.backends.compiled.arithmetic import Arithmetic
from wengert.backends.compiled.code import Code, Value

__all__ = ["convert"]


def convert(code: Code, x: Value, dtype: np.dtype[Any]) -> Value:
    """`x` as ``astype`` gives it; of a complex number its real part where the result is not complex."""
    if x.dtype == dtype:
        return x
    a, to = Arithmetic(code, x.dtype, x.lanes), Arithmetic(code, dtype, x.lanes)
    parts = x.parts if dtype.kind == "c" else x.parts[:1]
    out = [_part(a, to, p) for p in parts]
    if dtype.kind == "c" and len(out) == 1:
        out.append(to.number(0.0))
    return Value(dtype, tuple(out), x.lanes)


def _part(a: Arithmetic, to: Arithmetic, x: str) -> str:
    if to.element == "i1":
        return a.truth(x)
    if a.floating:
        if to.floating:
            return x if to.kind == a.kind else _cast(a, "fpext" if to.bits > a.bits else "fptrunc", x, to.kind)
        return _to_unsigned(a, x) if (to.dtype.kind, to.bits) == ("u", 64) else _to_integer(a, to, x)
    signed = a.dtype.kind == "i"
    if to.floating:
        return _cast(a, "sitofp" if signed else "uitofp", x, to.kind)
    if to.bits == a.bits:
        return x
    return _cast(a, "trunc" if to.bits < a.bits else "sext" if signed else "zext", x, to.kind)


def _cast(a: Arithmetic, how: str, x: str, kind: str) -> str:
    return a.code.op(f"{how} {a.kind} {x} to {kind}")


def _truncated(a: Arithmetic, wide: Arithmetic, x: str) -> str:
    """To i32 or i64; the smallest number for NaN and what is out of range."""
    low = a.compare("ogt" if wide.bits < 8 * a.real.itemsize else "oge", x,
                    a.number(-2.0 ** (wide.bits - 1) - (1.0 if wide.bits == 32 and a.bits == 64 else 0.0)))
    inside = a.masks("and", low, a.compare("olt", x, a.number(2.0 ** (wide.bits - 1))))
    whole = _cast(a, "fptosi", a.choose(inside, x, a.number(0.0)), wide.kind)
    return wide.choose(inside, whole, wide.number(np.iinfo(wide.dtype).min))


def _to_integer(a: Arithmetic, to: Arithmetic, x: str) -> str:
    wide = a.of(np.int64 if to.bits == 64 or (to.bits == 32 and to.dtype.kind == "u") else np.int32)
    whole = _truncated(a, wide, x)
    return whole if wide.bits == to.bits else _cast(wide, "trunc", whole, to.kind)


def _to_unsigned(a: Arithmetic, x: str) -> str:
    """To 64 bits without a sign: what is 2^63 or more is moved down before, and its first bit set after."""
    wide = a.of(np.int64)
    far = a.compare("oge", x, a.number(2.0 ** 63))
    moved = a.choose(far, a.sub(x, a.number(2.0 ** 63)), x)
    whole = _truncated(a, wide, moved)
    return wide.choose(far, wide.op("xor", whole, wide.number(-2 ** 63)), whole)
