"""Derivatives of the functions of mpmath, by differences in as many digits as it takes.

What comes in: a function of one or two numbers of mpmath, a point, and the lines where the function is singular. What goes
out: its partial derivatives to the third order, each as text. The one idea: two steps and two precisions that agree to twenty
digits are right, whatever the function; nothing of the rules under test is used.

A text is a decimal number; "inf", "-inf" and "nan" (no limit exists); "a:b", the slopes on both sides of a kink;
"outside" of the domain; or "unknown", where mpmath gives no answer in the time.
"""

from __future__ import annotations

import itertools
import math
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mpmath import mp

__all__ = ["derivatives", "multi_indices"]

Index = tuple[int, ...]
OUTSIDE, UNKNOWN, NONE = "outside", "unknown", "nan"
NOTHING = mp.mpf(10) ** -345  # what is less is 0 in double precision, whatever it is
ENORMOUS = mp.mpf(10) ** 400  # and what is more is infinite
MANY = 1500  # digits
# Weights of f(x + k h) in the k-th derivative times h^n.
STENCILS: tuple[dict[int, Any], ...] = (
    {0: 1}, {1: mp.mpf(1) / 2, -1: -mp.mpf(1) / 2}, {1: 1, 0: -2, -1: 1},
    {2: mp.mpf(1) / 2, 1: -1, -1: 1, -2: -mp.mpf(1) / 2}, {2: 1, 1: -4, 0: 6, -1: -4, -2: 1})


def multi_indices(count: int, order: int = 3) -> list[Index]:
    """All orders of differentiation in `count` variables, up to `order` in sum."""
    found = [k for k in itertools.product(range(order + 1), repeat=count) if sum(k) <= order]
    return sorted(found, key=lambda k: (sum(k), tuple(-n for n in k)))


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TimeoutError
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _quotients(f: Callable[..., Any], x: Sequence[Any], scale: Sequence[Any], indices: list[Index], k: int) -> list[Any]:
    """Central differences with steps ``scale * 10^-k``."""
    steps = [s * mp.mpf(10) ** -k for s in scale]
    seen: dict[Index, Any] = {}

    def at(offset: Index) -> Any:
        if offset not in seen:
            seen[offset] = mp.mpmathify(f(*[a + n * h for a, n, h in zip(x, offset, steps)]))
        return seen[offset]
    found = []
    for index in indices:
        total = mp.zero
        for picked in itertools.product(*[STENCILS[n].items() for n in index]):
            total += math.prod([w for _, w in picked], start=mp.one) * at(tuple(o for o, _ in picked))
        found.append(total / math.prod([h ** n for h, n in zip(steps, index)], start=mp.one))
    return found


def _agree(a: Any, b: Any) -> bool:
    if abs(a) < NOTHING and abs(b) < NOTHING:
        return bool(mp.dps >= MANY)  # in fewer digits a small step is lost beside a large x, or a small x beside 1
    return bool(abs(a - b) <= mp.mpf(10) ** -21 * abs(b))


def _differentiate(f: Callable[..., Any], x: Sequence[float | Any], scale: Sequence[Any], indices: list[Index]) -> list[Any]:
    """The derivatives at a regular point; None where two steps do not come to agree; complex ones: outside."""
    out: dict[Index, Any] = {}
    left = list(indices)
    plans = [(scale, 120), (scale, 420), ([min(s, abs(a) or s) for s, a in zip(scale, x)], 700),
             (scale, MANY), ([min(s, 1 / (1 + a * a)) for s, a in zip(scale, x)], MANY)]
    with mp.workdps(20):
        large = max([0, *[int(mp.log10(abs(a))) for a in x if a]])
    for scales, digits in plans:
        if digits < MANY and 4 * large > digits:
            continue  # what is left after cancellation would be rounding, and may agree by chance
        with mp.workdps(digits):
            one = _quotients(f, x, scales, left, 15)
        with mp.workdps(digits + 25):
            for index, a, b in zip(list(left), one, _quotients(f, x, scales, left, 22)):
                if isinstance(b, mp.mpc) and b.imag != 0:
                    return [OUTSIDE] * len(indices)
                if not (mp.isnan(a) or mp.isnan(b)) and _agree(mp.re(a), mp.re(b)):
                    out[index] = mp.re(b)
                    left.remove(index)
        if not left:
            break
    return [out.get(index) for index in indices]


def _trend(values: Sequence[Any]) -> Any:
    """The limit of a sequence that comes near a point ever faster: a number, an infinity, or None."""
    if any(v is None or isinstance(v, str) for v in values):
        return OUTSIDE if all(v == OUTSIDE for v in values) else None
    if all(abs(v) < NOTHING for v in values):
        return mp.zero
    a, b, c = values
    if abs(b - c) <= mp.mpf(10) ** -21 * abs(c):
        return c
    if abs(a) < abs(b) < abs(c) and mp.sign(a) == mp.sign(b) == mp.sign(c):
        return mp.inf * mp.sign(c)
    return mp.zero if abs(a) > abs(b) > abs(c) and abs(c) < mp.mpf(10) ** -60 else None


def _one_side(f: Callable[..., Any], x: Any, side: int, indices: list[Index], near: int) -> list[Any]:
    found = []
    for k in (near, 2 * near, 3 * near):
        with mp.workdps(50 + 3 * near + 100):
            delta = mp.mpf(10) ** -k
            place = side * mp.sqrt(2) * mp.mpf(10) ** k if mp.isinf(x) else x + side * delta
            found.append(_differentiate(f, [place], [mp.one if mp.isinf(x) else delta / 10], indices))
    return [_trend([row[k] for row in found]) for k in range(len(indices))]


def _text(v: Any) -> str:
    if v is None:
        return NONE
    if isinstance(v, str):
        return v
    if mp.isinf(v):
        return "inf" if v > 0 else "-inf"
    if abs(v) > ENORMOUS:
        return _text(mp.inf * mp.sign(v))
    return "0" if abs(v) < NOTHING else mp.nstr(v, 21, min_fixed=0, max_fixed=0)


def _limits(f: Callable[..., Any], x: float, indices: list[Index], near: int) -> list[str]:
    """At a singular point: the value from the side on which the function is defined; a pair where both sides differ."""
    if math.isinf(x):
        return [_text(v) for v in _one_side(f, mp.mpf(x), 1 if x > 0 else -1, indices, near)]
    right, left = [_one_side(f, mp.mpf(x), side, indices, near) for side in (1, -1)]
    out = []
    for r, le in zip(right, left):
        if r == OUTSIDE or le == OUTSIDE:
            out.append(_text(le if r == OUTSIDE else r))
        elif r is None or le is None:
            out.append(NONE)
        elif r == le or (not mp.isinf(r) and not mp.isinf(le) and abs(le - r) <= mp.mpf(10) ** -21 * abs(r)):
            out.append(_text(r))
        else:
            out.append(f"{_text(le)}:{_text(r)}")
    return out


def derivatives(f: Callable[..., Any], x: Sequence[float], singular: Callable[..., Sequence[float]], *,
                seconds: float = 6.0, near: int = 200) -> list[str]:
    """All partial derivatives to the fourth order at x, as text: the next order is the condition of one.

    ``singular(*x)`` gives for each variable how far from x the function is smooth; 0 asks for limits (of one variable).
    """
    indices = multi_indices(len(x), 4)
    try:
        with limited(seconds):
            far = singular(*x)
            if len(x) == 1 and (math.isinf(x[0]) or far[0] == 0):
                return _limits(f, x[0], indices, near)
            if any(d == 0 for d in far) or any(map(math.isinf, x)):
                return [UNKNOWN] * len(indices)
            found = _differentiate(f, [mp.mpf(v) for v in x], [min(mp.one, mp.mpf(d)) for d in far], indices)
            return [UNKNOWN if v is None else _text(v) for v in found]
    except (TimeoutError, ArithmeticError, ValueError, mp.NoConvergence, OverflowError, MemoryError):
        return [UNKNOWN] * len(indices)
