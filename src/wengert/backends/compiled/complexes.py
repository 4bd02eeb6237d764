"""Elementwise primitives on complex numbers.

What comes in: operands as pairs (re, im) of names. What goes out: a pair, or one name. The one idea: arithmetic is written out
as in NumPy's loops (division by Smith's algorithm); functions of mathematics are left to those loops themselves (see `outer`).

R. L. Smith, Algorithm 116: complex division, Comm. ACM 5 (1962).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from wengert.backends.compiled.arithmetic import Arithmetic
from wengert.backends.compiled.floats import Rule
from wengert.backends.compiled.mathematics import call

__all__ = ["COMPLEX"]

Pair = tuple[str, str]


def _add(a: Arithmetic, x: Pair, y: Pair) -> Pair:
    return a.add(x[0], y[0]), a.add(x[1], y[1])


def _subtract(a: Arithmetic, x: Pair, y: Pair) -> Pair:
    return a.sub(x[0], y[0]), a.sub(x[1], y[1])


def _multiply(a: Arithmetic, x: Pair, y: Pair) -> Pair:
    return (a.sub(a.mul(x[0], y[0]), a.mul(x[1], y[1])),
            a.add(a.mul(x[0], y[1]), a.mul(x[1], y[0])))


def _divide(a: Arithmetic, x: Pair, y: Pair) -> Pair:
    """The larger part of y divides: with its parts swapped if that is the imaginary one."""
    sizes = [a.call("fabs", part) for part in y]
    real = a.compare("oge", *sizes)
    large, small = a.choose(real, y[0], y[1]), a.choose(real, y[1], y[0])
    ratio = a.div(small, large)
    scale = a.div(a.number(1.0), a.add(large, a.mul(small, ratio)))
    u, v = a.choose(real, x[0], x[1]), a.choose(real, x[1], x[0])
    re = a.mul(a.add(u, a.mul(v, ratio)), scale)
    im = a.mul(a.choose(real, a.sub(v, a.mul(u, ratio)), a.sub(a.mul(u, ratio), v)), scale)
    none = a.masks("and", a.zero(sizes[0]), a.zero(sizes[1]))
    return a.choose(none, a.div(x[0], sizes[0]), re), a.choose(none, a.div(x[1], sizes[0]), im)


def _reciprocal(a: Arithmetic, x: Pair) -> Pair:
    real = a.compare("ole", a.call("fabs", x[1]), a.call("fabs", x[0]))
    large, small = a.choose(real, x[0], x[1]), a.choose(real, x[1], x[0])
    ratio, one = a.div(small, large), a.number(1.0)
    total = a.add(large, a.mul(small, ratio))
    first, second = a.div(one, total), a.div(ratio, total)
    return a.choose(real, first, second), a.neg(a.choose(real, second, first))


def _negative(a: Arithmetic, x: Pair) -> Pair:
    return a.neg(x[0]), a.neg(x[1])


def _square(a: Arithmetic, x: Pair) -> Pair:
    cross = a.mul(x[0], x[1])
    return a.sub(a.mul(x[0], x[0]), a.mul(x[1], x[1])), a.add(cross, cross)


def _one_minus_square(a: Arithmetic, x: Pair) -> Pair:
    one = (a.number(1.0), a.number(0.0))
    return _multiply(a, _subtract(a, one, x), _add(a, one, x))


def _equal(a: Arithmetic, x: Pair, y: Pair) -> str:
    return a.masks("and", a.compare("oeq", x[0], y[0]), a.compare("oeq", x[1], y[1]))


def _not_equal(a: Arithmetic, x: Pair, y: Pair) -> str:
    return a.masks("or", a.compare("une", x[0], y[0]), a.compare("une", x[1], y[1]))


def _ordered(a: Arithmetic, x: Pair, y: Pair, strict: str, how: str) -> str:
    """By real parts, then by imaginary ones; neither imaginary part may be NaN."""
    first = a.masks("and", a.compare(strict, x[0], y[0]), a.compare("ord", x[1], y[1]))
    second = a.masks("and", a.compare("oeq", x[0], y[0]), a.compare(how, x[1], y[1]))
    return a.masks("or", first, second)


def _truth(a: Arithmetic, x: Pair) -> str:
    return a.masks("or", a.truth(x[0]), a.truth(x[1]))


def _logic(name: str) -> Callable[..., Any]:
    return lambda a, x, y: a.masks(name, _truth(a, x), _truth(a, y))


def _isnan(a: Arithmetic, x: Pair) -> str:
    return a.compare("uno", x[0], x[1])


def _is(a: Arithmetic, x: Pair, how: str, name: str) -> str:
    return a.masks(name, *[a.compare(how, a.call("fabs", part), a.number(float("inf"))) for part in x])


_SAME: Rule = (lambda a, x: x, 0.0)
COMPLEX: dict[str, Rule] = {
    "add": (_add, 0.1), "subtract": (_subtract, 0.1), "multiply": (_multiply, 0.3), "divide": (_divide, 1.5),
    "reciprocal": (_reciprocal, 1.2), "negative": (_negative, 0.1), "positive": _SAME, "stop_gradient": _SAME,
    "conjugate": (lambda a, x: (x[0], a.neg(x[1])), 0.05), "real": (lambda a, x: x[0], 0.0), "imag": (lambda a, x: x[1], 0.0),
    "square": (_square, 0.2), "one_minus_square": (_one_minus_square, 0.4),
    "absolute": (lambda a, x: call(a, "hypot", *x), 2.0), "equal": (_equal, 0.1), "not_equal": (_not_equal, 0.1),
    "less": (partial(_ordered, strict="olt", how="olt"), 0.2), "less_equal": (partial(_ordered, strict="olt", how="ole"), 0.2),
    "greater": (partial(_ordered, strict="ogt", how="ogt"), 0.2),
    "greater_equal": (partial(_ordered, strict="ogt", how="oge"), 0.2),
    "logical_and": (_logic("and"), 0.2), "logical_or": (_logic("or"), 0.2), "logical_xor": (_logic("xor"), 0.2),
    "logical_not": (lambda a, x: a.flip(_truth(a, x)), 0.1), "isnan": (_isnan, 0.1),
    "isinf": (partial(_is, how="oeq", name="or"), 0.2), "isfinite": (partial(_is, how="olt", name="and"), 0.2),
}
