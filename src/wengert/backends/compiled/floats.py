"""Elementwise primitives on floats.

What comes in: names of operands. What goes out: names of results. The one idea: a table with an entry for each primitive and
its cost in nanoseconds per element; the formulas are those of NumPy's and SciPy's loops, with a selection in place of each
branch, so that NaN, infinities and signs of zeros come out as there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from wengert.backends.compiled.arithmetic import Arithmetic, vector
from wengert.backends.compiled.mathematics import call
from wengert.backends.compiled.outer import apply_lanes

__all__ = ["FLOATS", "Rule", "maximum", "minimum", "selection"]

Rule = tuple[Callable[..., Any], float]  # rule(arithmetic, *operands, **params), and the cost


# ---------------------------------------------------------------- selections

def selection(a: Arithmetic, x: str, y: str, how: str) -> str:
    """``x how y ? x : y``, or x where it is NaN."""
    best = a.choose(a.compare(how, x, y), x, y)
    return a.choose(a.nan(x), x, best)


maximum, minimum = partial(selection, how="ogt"), partial(selection, how="olt")


def _but_nan(a: Arithmetic, x: str, y: str, how: str) -> str:
    """``x how y ? x : y``, or the one that is not NaN."""
    best = a.choose(a.compare(how, x, y), x, y)
    return a.choose(a.nan(y), x, best)


def clip(a: Arithmetic, x: str, low: str, high: str) -> str:
    return minimum(a, maximum(a, x, low), high)


def sign(a: Arithmetic, x: str) -> str:
    zero = a.number(0.0)
    below = a.choose(a.compare("olt", x, zero), a.number(-1.0), a.choose(a.nan(x), x, zero))
    return a.choose(a.compare("ogt", x, zero), a.number(1.0), below)


def heaviside(a: Arithmetic, x: str, middle: str) -> str:
    zero = a.number(0.0)
    below = a.choose(a.compare("olt", x, zero), zero, a.choose(a.zero(x), middle, x))
    return a.choose(a.compare("ogt", x, zero), a.number(1.0), below)


# ---------------------------------------------------------------- bits

def _fabs(a: Arithmetic, x: str) -> str:
    return a.call("fabs", x)


def _is(a: Arithmetic, x: str, how: str) -> str:
    return a.compare(how, _fabs(a, x), a.number(math.inf))


def signbit(a: Arithmetic, x: str) -> str:
    return a.code.op(f"icmp slt {a.whole} {a.to_bits(x)}, {a.integer(0)}")


def modf(a: Arithmetic, x: str) -> list[str]:
    whole = a.call("trunc", x)
    rest = a.choose(_is(a, x, "oeq"), a.number(0.0), a.sub(x, whole))
    return [a.call("copysign", rest, x), whole]


def frexp(a: Arithmetic, x: str) -> list[str]:
    """Exponent and fraction from the bits, of x times 2^54 where it is small."""
    mantissa, bias = (52, 1022) if a.bits == 64 else (23, 126)
    size = _fabs(a, x)
    small = a.compare("olt", size, a.number(np.finfo(a.real).tiny))
    bits = a.to_bits(a.choose(small, a.mul(x, a.number(2.0 ** 54)), x))
    exponent = a.integer_op("and", a.integer_op("lshr", bits, a.integer(mantissa)), a.integer(2 * bias + 3))
    below = a.code.op(f"select {a.mask} {small}, {a.whole} {a.integer(bias + 54)}, {a.whole} {a.integer(bias)}")
    exponent = a.integer_op("sub", exponent, below)
    field = (2 * bias + 3) << mantissa
    kept = a.integer_op("and", bits, a.integer((1 << a.bits) - 1 - field))
    fraction = a.from_bits(a.integer_op("or", kept, a.integer(bias << mantissa)))
    plain = a.masks("or", a.zero(x), a.compare("ueq", size, a.number(math.inf)))
    exponent = a.code.op(f"select {a.mask} {plain}, {a.whole} {a.integer(0)}, {a.whole} {exponent}")
    if a.bits == 64:
        exponent = a.code.op(f"trunc {a.whole} {exponent} to {vector('i32', a.lanes)}")
    return [a.choose(plain, x, fraction), exponent]


# ---------------------------------------------------------------- quotients and remainders

def fmod(a: Arithmetic, x: str, y: str) -> str:
    return apply_lanes(a.code, "fmod" if a.element == "double" else "fmodf", a.element, [x, y], a.lanes)


def _divided(a: Arithmetic, x: str, y: str) -> tuple[str, str]:
    """``(x - mod) / y`` and the remainder, both as for Python, for y that is not 0."""
    zero = a.number(0.0)
    rest = fmod(a, x, y)
    quotient = a.div(a.sub(x, rest), y)
    some = a.compare("une", rest, zero)
    across = a.masks("and", some, a.masks("xor", a.compare("olt", y, zero), a.compare("olt", rest, zero)))
    moved = a.choose(across, a.add(rest, y), a.choose(some, rest, a.call("copysign", zero, y)))
    return a.choose(across, a.sub(quotient, a.number(1.0)), quotient), a.choose(a.zero(y), rest, moved)


def divmod_(a: Arithmetic, x: str, y: str) -> list[str]:
    quotient, rest = _divided(a, x, y)
    plain = a.div(x, y)
    floor = a.call("floor", quotient)
    up = a.compare("ogt", a.sub(quotient, floor), a.number(0.5))
    whole = a.choose(up, a.add(floor, a.number(1.0)), floor)
    whole = a.choose(a.zero(quotient), a.call("copysign", a.number(0.0), plain), whole)
    return [a.choose(a.zero(y), plain, whole), rest]


# ---------------------------------------------------------------- powers and roots

def integer_power(a: Arithmetic, x: str, *, n: int) -> str:
    """``x^n`` by products for small n."""
    if n == 0:
        return a.number(1.0)
    if n == -1:
        return a.div(a.number(1.0), x)
    if not 1 <= n <= 8:
        return call(a, "pow", x, a.number(float(n)))
    power, k, out = x, n, ""
    while k:
        if k & 1:
            out = a.mul(out, power) if out else power
        k >>= 1
        power = a.mul(power, power) if k else power
    return out


def one_minus_square(a: Arithmetic, x: str) -> str:
    one = a.number(1.0)
    return a.mul(a.sub(one, x), a.add(one, x))


def witch(a: Arithmetic, x: str) -> str:
    return a.div(a.number(1.0), a.add(a.number(1.0), a.mul(x, x)))


def cosine(a: Arithmetic, x: str, y: str) -> str:
    r = call(a, "hypot", x, y)
    out = a.choose(a.zero(r), a.mul(x, a.number(0.0)), a.div(x, r))
    alone = a.masks("and", a.compare("oeq", _fabs(a, x), a.number(math.inf)), a.compare("olt", _fabs(a, y), a.number(math.inf)))
    return a.choose(alone, a.call("copysign", a.number(1.0), x), out)


# ---------------------------------------------------------------- exponentials and logarithms

def log_ratio(a: Arithmetic, x: str, y: str) -> str:
    ratio = a.div(x, y)
    apart = a.sub(call(a, "log", x), call(a, "log", y))
    size = _fabs(a, ratio)
    inside = a.choose(a.compare("olt", size, a.number(np.finfo(a.real).tiny)), apart, call(a, "log", ratio))
    return a.choose(a.compare("oeq", size, a.number(math.inf)), apart, inside)


def gap_ratio(a: Arithmetic, x: str, y: str) -> str:
    return a.choose(a.masks("and", a.zero(x), a.zero(y)), a.number(0.0), a.div(a.sub(y, x), y))


def _logaddexp(a: Arithmetic, x: str, y: str, exp: str, scale: float, alike: float) -> str:
    """The larger one and ``log(1 + exp(-|difference|))``; equal ones, infinite too, apart; NaN through the difference."""
    difference = a.sub(x, y)
    larger = a.choose(a.compare("ogt", difference, a.number(0.0)), x, y)
    rest = call(a, "log1p", call(a, exp, a.neg(_fabs(a, difference))))
    rest = rest if scale == 1.0 else a.mul(rest, a.number(scale))
    out = a.choose(a.nan(difference), difference, a.add(larger, rest))
    return a.choose(a.compare("oeq", x, y), a.add(x, a.number(alike)), out)


def expit(a: Arithmetic, x: str) -> str:
    return a.div(a.number(1.0), a.add(a.number(1.0), call(a, "exp", a.neg(x))))


def logistic_density(a: Arithmetic, x: str) -> str:
    """With ``e^-|x|``, which does not overflow."""
    fall = call(a, "exp", a.neg(_fabs(a, x)))
    rest = a.add(a.number(1.0), fall)
    return a.div(fall, a.mul(rest, rest))


def ndtr(a: Arithmetic, x: str) -> str:
    """``erfc(-x / √2) / 2``."""
    return a.mul(a.number(0.5), call(a, "erfc", a.mul(x, a.number(-math.sqrt(0.5)))))


def log_expit(a: Arithmetic, x: str) -> str:
    """``min(x, 0) - log1p(exp(-|x|))``."""
    zero = a.number(0.0)
    rest = call(a, "log1p", call(a, "exp", a.neg(_fabs(a, x))))
    return a.sub(a.choose(a.compare("olt", x, zero), x, a.number(-0.0)), rest)


def _times_log(a: Arithmetic, x: str, y: str, name: str) -> str:
    """``x log(y)``; 0 for x = 0 unless y is NaN."""
    nothing = a.masks("and", a.zero(x), a.compare("ord", y, a.number(0.0)))
    return a.choose(nothing, a.number(0.0), a.mul(x, call(a, name, y)))


def entr(a: Arithmetic, x: str) -> str:
    inside = a.neg(a.mul(x, call(a, "log", x)))
    edge = a.choose(a.zero(x), a.number(0.0), a.choose(a.nan(x), x, a.number(-math.inf)))
    return a.choose(a.compare("ogt", x, a.number(0.0)), inside, edge)


def sinc(a: Arithmetic, x: str) -> str:
    y = a.mul(a.number(math.pi), a.choose(a.zero(x), a.number(1e-20), x))
    return a.div(call(a, "sin", y), y)


def numpy_round(a: Arithmetic, x: str, *, decimals: int) -> str:
    if decimals == 0:
        return a.call("rint", x)
    scale = a.number(10.0 ** abs(decimals))
    if decimals > 0:
        return a.div(a.call("rint", a.mul(x, scale)), scale)
    return a.mul(a.call("rint", a.div(x, scale)), scale)


# ---------------------------------------------------------------- the table

def _op(name: str) -> Callable[..., Any]:
    return lambda a, x, y: getattr(a, name)(x, y)


def _compare(how: str) -> Callable[..., Any]:
    return lambda a, x, y: a.compare(how, x, y)


def _intrinsic(name: str) -> Callable[..., Any]:
    return lambda a, *xs: a.call(name, *xs)


def _libm(name: str) -> Callable[..., Any]:
    return lambda a, *xs: call(a, name, *xs)


def _scaled(factor: Callable[[Any], Any]) -> Callable[..., Any]:
    """Times a constant that is computed in the operand's dtype."""
    return lambda a, x: a.mul(x, a.number(factor(a.real.type)))


def _logic(name: str) -> Callable[..., Any]:
    return lambda a, x, y: a.masks(name, a.truth(x), a.truth(y))


_SAME: Callable[..., Any] = lambda a, x: x  # noqa: E731
_DEGREES, _RADIANS = _scaled(lambda t: t(180.0) / t(math.pi)), _scaled(lambda t: t(math.pi) / t(180.0))

FLOATS: dict[str, Rule] = {
    "add": (_op("add"), 0.05), "subtract": (_op("sub"), 0.05), "multiply": (_op("mul"), 0.05), "divide": (_op("div"), 0.3),
    "negative": (lambda a, x: a.neg(x), 0.05), "positive": (_SAME, 0.0), "stop_gradient": (_SAME, 0.0),
    "real": (_SAME, 0.0), "conjugate": (_SAME, 0.0), "imag": (lambda a, x: a.number(0.0), 0.0),
    "make_complex": (lambda a, x, y: (x, y), 0.0),
    "less": (_compare("olt"), 0.05), "less_equal": (_compare("ole"), 0.05), "greater": (_compare("ogt"), 0.05),
    "greater_equal": (_compare("oge"), 0.05), "equal": (_compare("oeq"), 0.05), "not_equal": (_compare("une"), 0.05),
    "logical_and": (_logic("and"), 0.1), "logical_or": (_logic("or"), 0.1), "logical_xor": (_logic("xor"), 0.1),
    "logical_not": (lambda a, x: a.zero(x), 0.05),
    "maximum": (maximum, 0.1), "minimum": (minimum, 0.1), "clip": (clip, 0.2), "clip_low": (maximum, 0.1),
    "clip_high": (minimum, 0.1), "fmax": (partial(_but_nan, how="ogt"), 0.1), "fmin": (partial(_but_nan, how="olt"), 0.1),
    "absolute": (_fabs, 0.05), "fabs": (_fabs, 0.05), "sign": (sign, 0.2), "heaviside": (heaviside, 0.2),
    "copysign": (_intrinsic("copysign"), 0.1), "signbit": (signbit, 0.1), "isnan": (lambda a, x: a.nan(x), 0.05),
    "isinf": (partial(_is, how="oeq"), 0.1), "isfinite": (partial(_is, how="olt"), 0.1), "modf": (modf, 0.3),
    "frexp": (frexp, 0.6), "floor": (_intrinsic("floor"), 0.1), "ceil": (_intrinsic("ceil"), 0.1),
    "trunc": (_intrinsic("trunc"), 0.1), "rint": (_intrinsic("rint"), 0.1), "numpy_round": (numpy_round, 0.4),
    "fmod": (fmod, 5.0), "remainder": (lambda a, x, y: _divided(a, x, y)[1], 6.0),
    "floor_divide": (lambda a, x, y: divmod_(a, x, y)[0], 6.0), "divmod": (divmod_, 6.0),
    "square": (lambda a, x: a.mul(x, x), 0.05), "sqrt": (_intrinsic("sqrt"), 0.5), "root": (_intrinsic("sqrt"), 0.5),
    "reciprocal": (lambda a, x: a.div(a.number(1.0), x), 0.3), "integer_power": (integer_power, 0.3),
    "power": (_libm("pow"), 3.0), "scalar_power": (_libm("pow"), 3.0), "one_minus_square": (one_minus_square, 0.15),
    "witch": (witch, 0.4), "hypot": (_libm("hypot"), 2.0), "cosine": (cosine, 2.5), "arctan2": (_libm("atan2"), 3.0),
    "exp": (_libm("exp"), 0.7), "exp2": (_libm("exp2"), 0.7), "expm1": (_libm("expm1"), 1.5), "exp10": (_libm("exp10"), 1.0),
    "log": (_libm("log"), 0.8), "log2": (_libm("log2"), 0.8), "log10": (_libm("log10"), 0.9), "log1p": (_libm("log1p"), 1.0),
    "log_ratio": (log_ratio, 2.5), "cbrt": (_libm("cbrt"), 1.5),
    "sin": (_libm("sin"), 0.8), "cos": (_libm("cos"), 0.8), "tan": (_libm("tan"), 1.5),
    "arcsin": (_libm("asin"), 1.5), "arccos": (_libm("acos"), 1.5), "arctan": (_libm("atan"), 1.5),
    "sinh": (_libm("sinh"), 1.5), "cosh": (_libm("cosh"), 1.5), "tanh": (_libm("tanh"), 2.0), "arcsinh": (_libm("asinh"), 2.5),
    "arccosh": (_libm("acosh"), 2.5), "arctanh": (_libm("atanh"), 2.0), "erf": (_libm("erf"), 1.5),
    "erfc": (_libm("erfc"), 2.5), "ndtr": (ndtr, 2.5),
    "special_exp2": (_libm("exp2"), 0.7), "special_expm1": (_libm("expm1"), 1.5), "special_log1p": (_libm("log1p"), 1.0),
    "special_cbrt": (_libm("cbrt"), 1.5), "degrees": (_DEGREES, 0.05), "rad2deg": (_DEGREES, 0.05),
    "radians": (_RADIANS, 0.05), "deg2rad": (_RADIANS, 0.05), "sinc": (sinc, 1.2), "expit": (expit, 1.1),
    "logistic_density": (logistic_density, 1.2), "gap_ratio": (gap_ratio, 0.4),
    "log_expit": (log_expit, 2.0), "entr": (entr, 1.0), "xlogy": (partial(_times_log, name="log"), 1.0),
    "xlog1py": (partial(_times_log, name="log1p"), 1.2),
    "logaddexp": (partial(_logaddexp, exp="exp", scale=1.0, alike=math.log(2.0)), 2.0),
    "logaddexp2": (partial(_logaddexp, exp="exp2", scale=1.0 / math.log(2.0), alike=1.0), 2.0),
}
