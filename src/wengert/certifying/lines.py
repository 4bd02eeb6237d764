"""A derivative along a line, held against the values of the function on that line.

What comes in: the function of a vector, a point, a direction, and what a derivative claims to be there. What goes out: a
`Judgment` for each component of the value. The one idea: a quotient with an error bar can contradict a derivative only where
the function is smooth, so before a contradiction counts, kinks, jumps, borders of the domain and noise are looked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert import numeric
from wengert.check import SAFETY

__all__ = ["GOOD", "Judgment", "judged"]

Array = np.ndarray
Function = Callable[[Array], Array]
CLEAR = 0.1  # a reference known worse than to this part of the derivative confirms nothing
GROSS = 1e-4  # a smaller disagreement may be the function's own, such as the tolerance of an iteration in it
BESIDE = 1e-6  # of the value: what differences cannot see
_STEPS = (1e-3, 1e-6)  # where both sides are compared
GOOD = ("agrees", "exact zero", "too small", "border")


@dataclass
class Judgment:
    """Of each component: a verdict, the reference and its error, the way it comes from, slopes on both sides.

    Verdicts are "agrees", "exact zero", "too small" (to be seen beside the value), "border" (of the domain: one side only),
    "unreliable" (differences cannot tell), "kink", "jump", "not finite", "inexact" (only some digits agree, and nothing
    explains the others) and "wrong".
    """

    verdict: Array
    claimed: Array
    reference: Array
    error: Array
    way: Array
    sides: tuple[Array, Array]
    differences: Array
    spread: Array

    def good(self) -> bool:
        return all(v in GOOD for v in self.verdict)


def judged(f: Function, z: Array, v: Array, claimed: Array, slack: Array, floor: float,
           others: dict[str, tuple[Array, Array]]) -> Judgment:
    """Hold `claimed`, known to `slack` and to the part `floor`, against differences and `others` (way -> value, error)."""
    center = f(z)
    found = _estimate(f, z, v, "richardson", center)
    ways = {"Richardson differences": found, **others}
    reference, error, way = _best(ways)
    size = np.fmax(np.abs(claimed), np.abs(reference))
    allowed = SAFETY * slack + floor * size
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(claimed - reference)
        agrees = off <= SAFETY * error + allowed
        clear = error <= CLEAR * size
        hidden = ~clear & (error <= BESIDE * np.abs(center)) & (size <= BESIDE * np.abs(center))
        zero = (claimed == 0) & (np.abs(reference) <= error) & ((error == 0) | (error <= BESIDE * np.abs(center)))
    cases = {"exact zero": zero, "agrees": agrees & clear, "too small": agrees & hidden}
    verdict = np.select(list(cases.values()), list(cases), "unreliable").astype(object)
    none = np.full(center.shape, np.nan)
    out = Judgment(verdict, claimed, reference, error, way, (none, none), found[0], found[1])
    suspect = _bends(f, z, v, center) | ~(zero | agrees & (clear | hidden))
    out.verdict[~np.isfinite(center) | ~np.isfinite(claimed)] = "not finite"
    suspect &= np.isfinite(center) & np.isfinite(claimed)
    if np.any(suspect):
        _examine(out, suspect, f, z, v, center, allowed, size)
    return out


def _best(ways: dict[str, tuple[Array, Array]]) -> tuple[Array, Array, Array]:
    """The values known best, with their errors, and the names of their ways."""
    names = list(ways)
    values, errors = (np.array([ways[name][k] for name in names]) for k in (0, 1))
    which = np.argmin(np.where(np.isfinite(values), errors, np.inf), axis=0)
    at = which, np.arange(values.shape[1])
    return values[at], errors[at], np.array(names, object)[which]


def _estimate(f: Function, z: Array, v: Array, method: str, like: Array, **options: Any) -> tuple[Array, Array]:
    """A difference quotient and its error; NaN and infinite where there is none."""
    try:
        found = numeric.directional_estimate(f, z, v, method=method, **options)
    except (ArithmeticError, ValueError, TypeError, IndexError):
        return np.full(like.shape, np.nan), np.full(like.shape, np.inf)
    return np.asarray(found.value), np.asarray(found.error)


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


def _examine(out: Judgment, suspect: Array, f: Function, z: Array, v: Array, center: Array, allowed: Array,
             size: Array) -> None:
    """What is suspect gets its verdict from both sides of the point."""
    (after, e_after), (before, e_before) = (_estimate(f, z, v, m, center, accuracy=2) for m in ("forward", "backward"))
    jumps = _steps(f, z, v, center, 1.0) | _steps(f, z, v, center, -1.0)
    one_sided = [np.isnan(_near(f, z + sign * 1e-6 * v, center)) & np.isnan(_near(f, z + sign * 1e-9 * v, center))
                 for sign in (1.0, -1.0)]
    a = out.claimed
    with np.errstate(invalid="ignore", over="ignore"):
        largest = np.fmax(np.abs(after), np.abs(before))
        apart = np.abs(after - before) > SAFETY * (e_after + e_before) + 1e-7 * largest
        sound = (e_after <= CLEAR * largest) & (e_before <= CLEAR * largest)
        kink = apart & sound & _bends(f, z, v, center)
        off = SAFETY * np.fmax(e_after, e_before) + allowed + 1e-6 * largest
        inside = (a >= np.fmin(after, before) - off) & (a <= np.fmax(after, before) + off)
        differs = [~(np.abs(a - q) <= SAFETY * e + allowed) | ~(e <= CLEAR * np.fmax(np.abs(q), np.abs(a)))
                   for q, e in ((after, e_after), (before, e_before))]
        clear = out.error <= CLEAR * size
        apart_from = np.abs(a - out.reference)
        contradicted = clear & (apart_from > SAFETY * out.error + allowed) & differs[0] & differs[1]
        gross = apart_from > GROSS * size
    coarse = _seen_from_afar(f, z, v, a, out.reference)
    for k in np.flatnonzero(suspect):
        if one_sided[0][k] or one_sided[1][k]:
            q, e = (before, e_before) if one_sided[0][k] else (after, e_after)
            out.reference[k], out.error[k], out.way[k] = q[k], e[k], "one-sided differences"
            close = abs(a[k] - q[k]) <= SAFETY * e[k] + allowed[k]
            known = e[k] <= CLEAR * max(abs(a[k]), abs(q[k])) or e[k] <= BESIDE * abs(center[k])
            nowhere = one_sided[0][k] and one_sided[1][k]
            out.verdict[k] = "unreliable" if nowhere or not known else "border" if close else "wrong"
        elif jumps[k]:
            out.verdict[k] = "jump"
        elif kink[k]:
            out.verdict[k] = "kink" if inside[k] else "wrong"
        elif contradicted[k]:
            out.verdict[k] = "unreliable" if coarse[k] else "wrong" if gross[k] else "inexact"
    out.sides = (np.where(suspect, before, np.nan), np.where(suspect, after, np.nan))


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
