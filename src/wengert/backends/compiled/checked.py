"""Checked: Python's integers, whose arithmetic raises where a machine's would wrap around.

What comes in: numbers in registers. What goes out: code that leaves the kernel where Python would raise. The one idea: the
check comes before the operation that it guards, in straight-line code; such numbers are always computed at once, never
inside a vector loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.backends.compiled.code import Value, literal
from wengert.graph import Const, Equation

if TYPE_CHECKING:
    from wengert.backends.compiled.block import Block

__all__ = ["BY_ZERO", "LARGE", "NOT_A_NUMBER", "RULES", "TOO_LARGE", "known"]

_INT = np.dtype(np.int64)
_POWER = 8  # the largest exponent that is written out
LARGE = "a Python integer grows beyond 64 bits"
BY_ZERO = "integer division or modulo by zero"
NOT_A_NUMBER = "cannot convert float NaN to integer"
TOO_LARGE = "cannot convert to a Python integer of 64 bits"


def _overflowing(name: str) -> Callable[[Block, str, str], str]:
    def emit(block: Block, a: str, b: str) -> str:
        code = block.code
        pair = code.intrinsic(f"llvm.s{name}.with.overflow.i64", "{i64, i1}", [a, b], ["i64", "i64"])
        block.builder.fail(code.op(f"extractvalue {{i64, i1}} {pair}, 1"), LARGE)
        return code.op(f"extractvalue {{i64, i1}} {pair}, 0")
    return emit


_add, _subtract, _multiply = (_overflowing(name) for name in ("add", "sub", "mul"))


def _divided(block: Block, a: str, b: str) -> tuple[str, str, str]:
    """Quotient and remainder as the machine has them, and whether Python's are one further down."""
    code = block.code
    block.builder.fail(code.op(f"icmp eq i64 {b}, 0"), BY_ZERO)
    least, other = code.op(f"icmp eq i64 {a}, {-(1 << 63)}"), code.op(f"icmp eq i64 {b}, -1")
    block.builder.fail(code.op(f"and i1 {least}, {other}"), LARGE)
    q, r = code.op(f"sdiv i64 {a}, {b}"), code.op(f"srem i64 {a}, {b}")
    apart = code.op(f"icmp slt i64 {code.op(f'xor i64 {r}, {b}')}, 0")
    return q, r, code.op(f"and i1 {apart}, {code.op(f'icmp ne i64 {r}, 0')}")


def _floor_divide(block: Block, a: str, b: str) -> str:
    q, _, down = _divided(block, a, b)
    return block.code.op(f"add i64 {q}, {block.code.op(f'sext i1 {down} to i64')}")


def _remainder(block: Block, a: str, b: str) -> str:
    _, r, down = _divided(block, a, b)
    return block.code.op(f"add i64 {r}, {block.code.op(f'select i1 {down}, i64 {b}, i64 0')}")


def _power(block: Block, a: str, b: str) -> str:
    total = "1"
    for _ in range(int(b)):
        total = a if total == "1" else _multiply(block, total, a)
    return total


_OPERATIONS = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "floor_divide": _floor_divide,
    "remainder": _remainder,
    "power": _power,
}


def _python_integer(block: Block, params: Any, values: list[Value]) -> Value:
    return Value(_INT, (_OPERATIONS[params["operation"]](block, *[v.part for v in values]),))


def _truncate(block: Block, params: Any, values: list[Value]) -> Value:
    code, (x,) = block.code, values
    if x.dtype.kind == "i":
        return Value(_INT, (x.part if x.dtype.itemsize == 8 else code.op(f"sext {x.kind} {x.part} to i64"),))
    low, high = literal(-2.0**63, "double"), literal(2.0**63, "double")
    wide = x.part if x.dtype.itemsize == 8 else code.op(f"fpext float {x.part} to double")
    inside = code.op(f"and i1 {code.op(f'fcmp oge double {wide}, {low}')}, {code.op(f'fcmp olt double {wide}, {high}')}")
    block.builder.fail(code.op(f"fcmp uno double {wide}, {wide}"), NOT_A_NUMBER)
    block.builder.fail(code.op(f"xor i1 {inside}, true"), TOO_LARGE)
    return Value(_INT, (code.op(f"fptosi double {wide} to i64"),))


RULES: dict[str, Callable[[Block, Any, list[Value]], Value]] = {"python_integer": _python_integer, "truncate": _truncate}


def known(e: Equation) -> bool:
    """Whether an equation is one of these, in numbers that are known here."""
    if e.primitive.name == "truncate":
        d = e.operands[0].type.dtype
        return (d.kind == "f" and d.itemsize <= 8 and d.itemsize >= 4) or d.kind == "i"
    if e.primitive.name != "python_integer" or any(o.type.dtype != _INT or o.type.shape for o in e.operands):
        return False
    if e.params["operation"] == "power":
        b = e.operands[1]
        return isinstance(b, Const) and 0 <= int(b.value) <= _POWER
    return True
