"""Elementwise primitives on integers and booleans.

What comes in: names of operands. What goes out: names of results. The one idea: a table as in `floats`; what LLVM leaves
undefined (division by zero, the smallest number by -1, shifts by the width) is replaced by an operand that is safe, and the
result that NumPy gives is selected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.backends.compiled.arithmetic import Arithmetic, vector
from wengert.backends.compiled.floats import Rule

__all__ = ["BOOLEANS", "INTEGERS"]


def _signed(a: Arithmetic) -> bool:
    return a.dtype.kind == "i"


def _how(a: Arithmetic, how: str) -> str:
    """``lt`` as a comparison of this signedness."""
    return how if how in ("eq", "ne") else f"{'s' if _signed(a) else 'u'}{how}"


def _compare(how: str) -> Callable[..., str]:
    return lambda a, x, y: a.compare(_how(a, how), x, y)


def _larger(a: Arithmetic, x: str, y: str) -> str:
    return a.choose(_compare("gt")(a, x, y), x, y)


def _smaller(a: Arithmetic, x: str, y: str) -> str:
    return a.choose(_compare("lt")(a, x, y), x, y)


def _absolute(a: Arithmetic, x: str) -> str:
    return a.choose(a.compare("slt", x, a.number(0)), a.neg(x), x) if _signed(a) else x


def _sign(a: Arithmetic, x: str) -> str:
    up = a.choose(a.compare(_how(a, "gt"), x, a.number(0)), a.number(1), a.number(0))
    return a.choose(a.compare("slt", x, a.number(0)), a.number(-1), up) if _signed(a) else up


def _quotient(a: Arithmetic, x: str, y: str, name: str) -> tuple[str, str, str]:
    """``sdiv`` or ``srem``, which never traps; where y is 0, and where the smallest number is divided by -1."""
    none = a.compare("eq", y, a.number(0))
    safe, over = a.choose(none, a.number(1), y), ""
    if _signed(a):
        over = a.masks("and", a.compare("eq", x, a.number(np.iinfo(a.dtype).min)), a.compare("eq", y, a.number(-1)))
        safe = a.choose(over, a.number(1), safe)
    return a.op(f"{'s' if _signed(a) else 'u'}{name}", x, safe), none, over


def _fmod(a: Arithmetic, x: str, y: str) -> str:
    rest, none, over = _quotient(a, x, y, "rem")
    return a.choose(none, a.number(0), rest)  # by -1 it is by 1: 0


def _across(a: Arithmetic, x: str, y: str, rest: str) -> str:
    """Where the quotient is not whole and negative: rounded toward zero it is one too large."""
    apart = a.compare("slt", a.op("xor", x, y), a.number(0))
    return a.masks("and", apart, a.compare("ne", rest, a.number(0)))


def _divmod(a: Arithmetic, x: str, y: str) -> list[str]:
    quotient, none, over = _quotient(a, x, y, "div")
    zero = a.number(0)
    rest = a.sub(x, a.mul(quotient, a.choose(none, zero, y)))
    if _signed(a):
        rest = a.choose(over, zero, rest)
        down = a.masks("and", _across(a, x, y, rest), a.flip(none))
        quotient = a.choose(down, a.sub(quotient, a.number(1)), quotient)
        rest = a.choose(down, a.add(rest, y), rest)
    return [a.choose(none, zero, quotient), a.choose(none, zero, rest)]


def _shift(name: str) -> Callable[..., str]:
    """By the width or more (a negative number counts as such): 0, or -1 for negative numbers shifted to the right."""
    def rule(a: Arithmetic, x: str, y: str) -> str:
        right = name == "right"
        signed = right and _signed(a)
        inside = a.compare("ult", y, a.number(a.bits))
        by = a.choose(inside, y, a.number(a.bits - 1 if signed else 0))
        out = a.op("shl" if not right else "ashr" if signed else "lshr", x, by)
        return out if signed else a.choose(inside, out, a.number(0))
    return rule


def _count(a: Arithmetic, x: str) -> str:
    out = a.call("ctpop", _absolute(a, x))
    return out if a.bits == 8 else a.code.op(f"trunc {a.kind} {out} to {vector('i8', a.lanes)}")


def _integer_power(a: Arithmetic, x: str, *, n: int) -> str:
    power, out = x, a.number(1)
    while n:
        out = a.mul(out, power) if n & 1 else out
        n >>= 1
        power = a.mul(power, power) if n else power
    return out


def _threefry(a: Arithmetic, key: str, counter: str) -> str:
    """Twenty rounds on pairs of 32-bit words; see `wengert.primitives.random`."""
    w = a.of(np.uint32)

    def words(x: str) -> list[str]:
        high = a.op("lshr", x, a.number(32))
        return [a.code.op(f"trunc {a.kind} {h} to {w.kind}") for h in (x, high)]

    k0, k1 = words(key)
    keys = (k0, k1, w.op("xor", w.op("xor", k0, k1), w.number(0x1BD11BDA)))
    low, high = words(counter)
    low, high = w.add(low, k0), w.add(high, k1)
    for n in range(20):
        low = w.add(low, high)
        turn = w.number((13, 15, 26, 6, 17, 29, 16, 24)[n % 8])
        high = w.op("xor", w.call("fshl", high, high, turn), low)
        if n % 4 == 3:
            step = n // 4 + 1
            low = w.add(low, keys[step % 3])
            high = w.add(high, w.add(keys[(step + 1) % 3], w.number(step)))
    wide = [a.code.op(f"zext {w.kind} {x} to {a.kind}") for x in (low, high)]
    return a.op("or", wide[0], a.op("shl", wide[1], a.number(32)))


def _op(name: str) -> Callable[..., str]:
    return lambda a, x, y: a.op(name, x, y)


def _logic(name: str) -> Callable[..., str]:
    return lambda a, x, y: a.masks(name, a.truth(x), a.truth(y))


def _same(a: Arithmetic, x: str, **params: Any) -> str:
    return x


def _always(value: bool) -> Callable[..., str]:
    return lambda a, x: a.of(np.bool_).number(value)


def _by_zero(a: Arithmetic, x: str) -> str:
    return a.number(0)


INTEGERS: dict[str, Rule] = {
    "add": (_op("add"), 0.05), "subtract": (_op("sub"), 0.05), "multiply": (_op("mul"), 0.1),
    "negative": (lambda a, x: a.neg(x), 0.05), "positive": (_same, 0.0), "stop_gradient": (_same, 0.0), "real": (_same, 0.0),
    "conjugate": (_same, 0.0), "imag": (_by_zero, 0.0), "floor": (_same, 0.0), "ceil": (_same, 0.0), "trunc": (_same, 0.0),
    "less": (_compare("lt"), 0.05), "less_equal": (_compare("le"), 0.05), "greater": (_compare("gt"), 0.05),
    "greater_equal": (_compare("ge"), 0.05), "equal": (_compare("eq"), 0.05), "not_equal": (_compare("ne"), 0.05),
    "logical_and": (_logic("and"), 0.1), "logical_or": (_logic("or"), 0.1), "logical_xor": (_logic("xor"), 0.1),
    "logical_not": (lambda a, x: a.zero(x), 0.05), "maximum": (_larger, 0.1), "minimum": (_smaller, 0.1),
    "fmax": (_larger, 0.1), "fmin": (_smaller, 0.1), "clip_low": (_larger, 0.1), "clip_high": (_smaller, 0.1),
    "clip": (lambda a, x, low, high: _smaller(a, _larger(a, x, low), high), 0.2), "absolute": (_absolute, 0.1),
    "sign": (_sign, 0.1), "isnan": (_always(False), 0.0), "isinf": (_always(False), 0.0), "isfinite": (_always(True), 0.0),
    "fmod": (_fmod, 3.0), "remainder": (lambda a, x, y: _divmod(a, x, y)[1], 3.0),
    "floor_divide": (lambda a, x, y: _divmod(a, x, y)[0], 3.0), "divmod": (_divmod, 3.0),
    "bitwise_and": (_op("and"), 0.05), "bitwise_or": (_op("or"), 0.05), "bitwise_xor": (_op("xor"), 0.05),
    "invert": (lambda a, x: a.op("xor", x, a.number(-1)), 0.05), "left_shift": (_shift("left"), 0.1),
    "right_shift": (_shift("right"), 0.1), "bitwise_count": (_count, 0.2), "square": (lambda a, x: a.mul(x, x), 0.1),
    "integer_power": (_integer_power, 0.3), "threefry": (_threefry, 2.0),
}


def _mask(name: str) -> Rule:
    return lambda a, x, y: a.masks(name, x, y), 0.05


_XNOR: Rule = (lambda a, x, y: a.flip(a.masks("xor", x, y)), 0.05)

BOOLEANS: dict[str, Rule] = {
    "add": _mask("or"), "multiply": _mask("and"), "logical_and": _mask("and"), "logical_or": _mask("or"),
    "logical_xor": _mask("xor"), "bitwise_and": _mask("and"), "bitwise_or": _mask("or"), "bitwise_xor": _mask("xor"),
    "maximum": _mask("or"), "minimum": _mask("and"), "fmax": _mask("or"), "fmin": _mask("and"), "equal": _XNOR,
    "not_equal": _mask("xor"), "less": (lambda a, x, y: a.masks("and", a.flip(x), y), 0.05),
    "greater": (lambda a, x, y: a.masks("and", x, a.flip(y)), 0.05),
    "less_equal": (lambda a, x, y: a.masks("or", a.flip(x), y), 0.05),
    "greater_equal": (lambda a, x, y: a.masks("or", x, a.flip(y)), 0.05), "invert": (lambda a, x: a.flip(x), 0.05),
    "logical_not": (lambda a, x: a.flip(x), 0.05), "absolute": (_same, 0.0), "stop_gradient": (_same, 0.0),
    "real": (_same, 0.0), "imag": (_by_zero, 0.0), "floor": (_same, 0.0), "ceil": (_same, 0.0),
    "trunc": (_same, 0.0), "isnan": (_always(False), 0.0), "isinf": (_always(False), 0.0), "isfinite": (_always(True), 0.0),
}
