"""What wengert gives at the points, and how far it is from the reference, in units of the last place.

What comes in: a function, points, references as text. What goes out: errors in ulps, and a word where a number cannot be
compared. The one idea: the distance of two numbers is measured in spacings of the dtype at the reference.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from mpmath import mp

import wengert as wg

__all__ = ["distance", "measured"]

WORDS = ("unknown", "outside", "nan")


def _in(f: Callable[..., Any], i: int, mode: str) -> Callable[..., Any]:
    """The derivative of f, elementwise, in operand i."""
    def forward(*xs: Any) -> Any:
        return wg.jvp(lambda x: f(*xs[:i], x, *xs[i + 1:]), (xs[i],), (np.ones(xs[i].shape, xs[i].dtype),))[1]

    def reverse(*xs: Any) -> Any:
        return wg.grad(lambda x: np.sum(f(*xs[:i], x, *xs[i + 1:])))(xs[i])
    return forward if mode == "forward" else reverse


def measured(f: Callable[..., Any], index: tuple[int, ...], xs: list[np.ndarray], mode: str) -> np.ndarray:
    """The partial derivative of that order at all points at once."""
    for i, n in enumerate(index):
        for _ in range(n):
            f = _in(f, i, mode)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return np.asarray(f(*xs))


def distance(got: Any, text: str, x: tuple[float, ...], slopes: tuple[str, ...] = ()) -> float | None:
    """The error in ulps; infinite where one is finite and the other is not; None where there is nothing to compare with.

    With `slopes`, the derivatives of the reference in each argument, a unit is as much more as the result moves when the
    arguments move by one ulp each.
    """
    if text in WORDS:
        return None
    info = np.finfo(got.dtype)
    value = float(got)
    if ":" in text:
        low, high = sorted(float(t) for t in text.split(":"))
        if math.isinf(low) and math.isinf(high):
            return 0.0 if not math.isfinite(value) else math.inf
        return 0.0 if low <= value <= high or (math.isnan(value) and math.isinf(high - low)) else math.inf
    if "inf" in text:
        zero_side = any(v == 0 and math.copysign(1, v) < 0 for v in x)
        return 0.0 if value == float(text) or (zero_side and math.isinf(value)) else math.inf
    with mp.workdps(40):
        exact, largest = mp.mpf(text), mp.mpf(float(info.max))
        if math.isnan(value):
            return math.inf
        if math.isinf(value):
            return 0.0 if value * exact > 0 and abs(exact) >= largest * (1 - mp.mpf(2) ** -info.nmant) else math.inf
        if abs(exact) > largest:
            return math.inf if mp.sign(exact) * value < float(info.max) * (1 - 1e-6) else 0.0
        step = mp.mpf(float(info.smallest_subnormal))
        if exact:
            step = max(step, mp.mpf(2) ** (mp.floor(mp.log(abs(exact), 2)) - info.nmant))
        for a, slope in zip(x, slopes):
            if a and math.isfinite(a) and slope not in WORDS and ":" not in slope and "inf" not in slope:
                step += abs(mp.mpf(a) * mp.mpf(slope)) * mp.mpf(2) ** -info.nmant
        return float(abs(mp.mpf(value) - exact) / step)
