"""A derivative along a line, held against the values of the function on that line.

What comes in: the function of a vector, a point, a direction, and what a derivative claims to be there. What goes out: a
`Judgment` for each component of the value. The one idea: a quotient with an error bar can contradict a derivative only where
the function is smooth, so before a contradiction counts, kinks, jumps, borders of the domain and noise are looked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert import numeric
from wengert.check import SAFETY

__all__ = ["BESIDE", "GOOD", "GROSS", "Judgment", "judged"]

Array = np.ndarray
Function = Callable[[Array], Array]
CLEAR = 0.1  # a reference known worse than to this part of the derivative confirms nothing
GROSS = 1e-4  # a smaller disagreement may be the function's own, such as the tolerance of an iteration in it
BESIDE = 1e-6  # of the value: what differences cannot see
FAR = 8.0  # of such error bars
_STEPS = (1e-3, 1e-6)  # where both sides are compared
GOOD = ("agrees", "exact zero", "too small", "border")


@dataclass
class Judgment:
    """Of each component: a verdict, the reference and its error, the way it comes from, slopes on both sides.

    Verdicts are "agrees", "exact zero", "too small" (to be seen beside the value), "border" (of the domain: one side only),
    "unreliable" (differences cannot tell), "kink", "jump", "not finite", "inexact" (only some digits agree, and nothing
    explains the others) and "wrong". `stairs` is the height of the steps that the value goes in, 0 where it does not.
    """

    verdict: Array
    claimed: Array
    reference: Array
    error: Array
    way: Array
    differences: Array  # Richardson's
    spread: Array
    step: Array
    before: Array
    after: Array
    stairs: Array
    unseen: Array  # less is lost beside the value

    def good(self) -> bool:
        return all(v in GOOD for v in self.verdict)


def judged(f: Function, z: Array, v: Array, claimed: Array, slack: Array, floor: float,
           others: dict[str, tuple[Array, Array]]) -> Judgment:
    """Hold `claimed`, known to `slack` and to the part `floor`, against differences and `others` (way -> value, error)."""
    center = f(z)
    value, spread, step = _estimate(f, z, v, "richardson", center)
    reference, error, way = _best({"Richardson differences": (value, spread), **others})
    size = np.fmax(np.abs(claimed), np.abs(reference))
    allowed = SAFETY * slack + floor * size
    none = np.full(center.shape, np.nan)
    out = Judgment(np.full(center.shape, "unreliable", object), claimed, reference, error, way, value, spread, step, none, none,
                   np.zeros(center.shape), BESIDE * _extent(f, z, v, center))
    unseen = out.unseen
    with np.errstate(invalid="ignore", over="ignore"):
        agrees = np.abs(claimed - reference) <= SAFETY * error + allowed
        clear = error <= CLEAR * size
        hidden = (error <= unseen) & (size <= unseen)
        zero = (claimed == 0) & (np.abs(reference) <= error) & (error <= unseen)
    finite = np.isfinite(center) & np.isfinite(claimed)
    cases = {"too small": agrees & hidden, "agrees": agrees & clear, "exact zero": zero, "not finite": ~finite}
    for name, which in cases.items():
        out.verdict[which] = name
    with np.errstate(invalid="ignore"):
        rough = ~(spread <= BESIDE * np.abs(claimed)) & (out.verdict == "agrees")
    if np.any(rough):  # a jump that is odd about the point bends nothing
        rough &= _steps(f, z, v, center, 1.0) | _steps(f, z, v, center, -1.0)
    suspect = finite & (_bends(f, z, v, center) | rough | (out.verdict == "unreliable"))
    if np.any(suspect):
        _examine(out, suspect, f, z, v, center, allowed, unseen)
    return out


def _extent(f: Function, z: Array, v: Array, center: Array) -> Array:
    """How large the value is, or becomes where the inputs change by a part of their size."""
    found = np.abs(center)
    for h in (1 / 8, -1 / 8, 1 / 64, -1 / 64):
        rise = np.abs(_near(f, z + h * v, center) - center)
        found = np.fmax(found, np.where(np.isfinite(rise), rise, 0.0))
    return found


def _best(ways: dict[str, tuple[Array, Array]]) -> tuple[Array, Array, Array]:
    """The values known best, with their errors, and the names of their ways."""
    names = list(ways)
    values, errors = (np.array([ways[name][k] for name in names]) for k in (0, 1))
    which = np.argmin(np.where(np.isfinite(values), errors, np.inf), axis=0)
    at = which, np.arange(values.shape[1])
    return values[at], errors[at], np.array(names, object)[which]


def _estimate(f: Function, z: Array, v: Array, method: str, like: Array, **options: Any) -> tuple[Array, Array, Array]:
    """A difference quotient, its error and its step; NaN and infinite where there is none."""
    try:
        found = numeric.directional_estimate(f, z, v, method=method, **options)
    except (ArithmeticError, ValueError, TypeError, IndexError):
        return np.full(like.shape, np.nan), np.full(like.shape, np.inf), np.ones(like.shape)
    return np.asarray(found.value), np.asarray(found.error), np.asarray(found.step)


def _near(f: Function, z: Array, like: Array) -> Array:
    try:
        return f(z)
    except (ArithmeticError, ValueError, IndexError):
        return np.full(like.shape, np.nan)


# ---------------------------------------------------------------- kinks and jumps

def _bends(f: Function, z: Array, v: Array, center: Array) -> Array:
    """Whether the second difference falls like the step, as at a kink, and not like its square; or there is none."""
    found = np.zeros(center.shape, bool)
    for h in _STEPS:
        wide, half = (_near(f, z + t * v, center) - 2 * center + _near(f, z - t * v, center) for t in (h, h / 4))
        noise = 64 * np.finfo(float).eps * np.abs(center)
        with np.errstate(invalid="ignore"):
            found |= (np.abs(half) > 0.15 * np.abs(wide)) & (np.abs(half) > noise)
        found |= ~np.isfinite(wide)
    return found


def _steps(f: Function, z: Array, v: Array, center: Array, sign: float) -> Array:
    """Whether the value jumps at the point, on this side of it: it does not get smaller with the step, and is no noise."""
    rises = [_near(f, z + sign * h * v, center) - center for h in (1e-13, 2e-13, 4e-13, 1e-10, 1e-9)]
    with np.errstate(invalid="ignore"):
        first = np.abs(rises[0])
        steady = np.all([np.abs(r - rises[0]) < 0.1 * first for r in rises[1:]], axis=0)
        return np.asarray(steady & (first > 1e-10 * np.abs(center)) & (first > 0))


def _stairs(f: Function, z: Array, v: Array, center: Array) -> Array:
    """The height of the steps, or of the noise, of the value; 0 where none are seen.

    Second differences of a smooth function fall a hundredfold with a tenth of the spacing, at a kink tenfold. Those of a root
    found by bisection, of a sum in single precision, of what cancellation leaves stay what they are, down to where single
    steps are seen, and there they fall to nothing.
    """
    rows = []
    for k in range(-10, 0):
        values = np.stack([_near(f, z + j * 10.0 ** k * v, center) for j in np.arange(-6, 7) * 0.97])
        with np.errstate(invalid="ignore"):
            rows.append(np.nan_to_num(np.max(np.abs(np.diff(values, 2, axis=0)), axis=0), nan=0.0, posinf=0.0))
    found = np.zeros(center.shape)
    for below, here, above in zip(rows[:-2], rows[1:-1], rows[2:], strict=True):
        flat = (above < 4 * here) & ((here < 8 * below) | (here > 2000 * below))
        found = np.where(flat, np.maximum(found, here), found)
    return found


@dataclass
class _Side:
    """A one-sided quotient, its error, and where there is none because the domain ends."""

    value: Array
    error: Array
    ends: Array


def _side(f: Function, z: Array, v: Array, center: Array, sign: float, stairs: Array) -> _Side:
    value, error, step = _estimate(f, z, v, "forward" if sign > 0 else "backward", center, accuracy=2)
    ends = [np.isnan(_near(f, z + sign * h * v, center)) for h in (1e-6, 1e-9)]
    return _Side(value, error + 2 * stairs / step, ends[0] & ends[1])


def _examine(out: Judgment, suspect: Array, f: Function, z: Array, v: Array, center: Array, allowed: Array,
             unseen: Array) -> None:
    """What is suspect gets its verdict from both sides of the point."""
    out.stairs = _stairs(f, z, v, center)
    after, before = (_side(f, z, v, center, sign, out.stairs) for sign in (1.0, -1.0))
    out.before, out.after = before.value, after.value
    from_differences = out.way == "Richardson differences"
    out.error = out.error + np.where(from_differences, 2 * out.stairs / out.step, 0.0)
    jumps = _steps(f, z, v, center, 1.0) | _steps(f, z, v, center, -1.0)
    a = out.claimed
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.fmax(np.abs(a), np.abs(out.reference))
        largest = np.fmax(np.abs(after.value), np.abs(before.value))
        apart = np.abs(after.value - before.value) > SAFETY * (after.error + before.error) + 1e-7 * largest
        sound = (after.error <= CLEAR * largest) & (before.error <= CLEAR * largest)
        kink = apart & sound & _bends(f, z, v, center)
        off = SAFETY * np.fmax(after.error, before.error) + allowed + 1e-6 * largest
        inside = (a >= np.fmin(after.value, before.value) - off) & (a <= np.fmax(after.value, before.value) + off)
        follows = [(np.abs(a - q.value) <= SAFETY * q.error + allowed) & (q.error <= CLEAR * (np.abs(q.value) + np.abs(a)))
                   for q in (after, before)]
        apart_from = np.abs(a - out.reference)
        agrees, clear = apart_from <= SAFETY * out.error + allowed, out.error <= CLEAR * size
        contradicted = clear & ~agrees & ~follows[0] & ~follows[1]
        gross = apart_from > GROSS * size
    coarse = _seen_from_afar(f, z, v, a, out.reference)
    wide, bar = _over_the_steps(f, z, v, center, out.stairs)
    with np.errstate(invalid="ignore"):
        far = (out.stairs > 0) & (np.abs(a - wide) > FAR * bar + allowed) & (bar <= CLEAR * np.abs(wide))
        far &= np.abs(a - wide) > GROSS * size
    for k in np.flatnonzero(suspect):
        if after.ends[k] or before.ends[k]:
            q = before if after.ends[k] else after
            out.reference[k], out.error[k], out.way[k] = q.value[k], q.error[k], "one-sided differences"
            close = abs(a[k] - q.value[k]) <= SAFETY * q.error[k] + allowed[k]
            known = q.error[k] <= max(CLEAR * abs(a[k]), CLEAR * abs(q.value[k]), unseen[k])
            nowhere = after.ends[k] and before.ends[k]
            out.verdict[k] = "unreliable" if nowhere or not known else "border" if close else "wrong"
        elif jumps[k]:
            out.verdict[k] = "jump"
        elif kink[k]:
            out.verdict[k] = "kink" if inside[k] else "wrong"
        elif out.verdict[k] == "unreliable" and contradicted[k]:
            rough = (coarse[k] or out.stairs[k] > 1e-3 * unseen[k]) and not far[k]
            out.verdict[k] = "unreliable" if rough else "wrong" if gross[k] else "inexact"
        elif out.verdict[k] == "unreliable" and clear[k] and (agrees[k] or not gross[k]):
            out.verdict[k] = "agrees"
        if out.verdict[k] == "unreliable" and far[k]:
            out.verdict[k], out.way[k] = "wrong", "differences over large steps"
            out.reference[k], out.error[k] = wide[k], bar[k]


def _over_the_steps(f: Function, z: Array, v: Array, center: Array, stairs: Array) -> tuple[Array, Array]:
    """Extrapolated quotients so wide that the steps of the value hardly count, with error bars that hold these."""
    found, error = np.full(center.shape, np.nan), np.full(center.shape, np.inf)
    steps = [2.0 ** -k for k in range(2, 15)]
    with np.errstate(invalid="ignore", over="ignore"):
        q = [(_near(f, z + h * v, center) - _near(f, z - h * v, center)) / (2 * h) for h in steps]
        finer = [(4 * b - a) / 3 for a, b in itertools.pairwise(q)]
        for k in range(2, len(finer)):
            bar = np.abs(finer[k] - finer[k - 1]) + np.abs(finer[k] - finer[k - 2]) + 4 * stairs / steps[k + 1]
            better = bar < error
            found, error = np.where(better, finer[k], found), np.where(better, bar, error)
    return found, error


def _seen_from_afar(f: Function, z: Array, v: Array, claimed: Array, reference: Array) -> Array:
    """Whether the derivative describes the function over larger steps, and differences only what it does in small ones.

    A root found by bisection is a staircase: its steps have no slope, and their average has.
    """
    rows = []
    for h in (1 / 16, 1 / 64, 1 / 256):
        with np.errstate(invalid="ignore", over="ignore"):
            rows.append((_near(f, z + h * v, claimed) - _near(f, z - h * v, claimed)) / (2 * h))
    quotients = np.array(rows)
    with np.errstate(invalid="ignore"):
        near = np.sum(np.abs(quotients - claimed) <= 0.05 * np.abs(claimed), axis=0) >= 2
        far = np.abs(claimed - reference) > 0.2 * np.abs(claimed)
        return np.asarray(near & far & np.all(np.abs(quotients - reference) > np.abs(quotients - claimed), axis=0))
