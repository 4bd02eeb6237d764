"""Loops that a tolerance ends: the derivative lags the value.

What comes in: a `Point`. What goes out: WG108. The one idea: one turn more is run; where it changes the value little and its
tangent much, the value has converged and its derivative has not (a contraction of rate ρ leaves ρⁿ of an error in the value and
nρⁿ in the derivative: A. Griewank and A. Walther, Evaluating Derivatives, 2008, chapter 15).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import Var
from wengert.linting.point import DIRECTIONS, Loop, Point, is_float
from wengert.linting.report import LintFinding

__all__ = ["converging", "loops"]

_SETTLED = 1e-2  # a turn that changes the value by less, relatively, belongs to a loop that converges
_LAG = 1e-6  # what a turn may still change of the tangent
_BEHIND = 3.0  # how much more than of the value
_H = 1e-6


def converging(p: Point) -> list[Loop]:
    """The loops that the values they iterate end, and that converge."""
    return [loop for loop in p.loops if any(isinstance(t, Var) and t in p.decided for t in loop.tests) and any(
        _value_lag(p, a, b) < _SETTLED for a, b in _pairs(p, loop))]


def _pairs(p: Point, loop: Loop) -> list[tuple[Any, Any]]:
    """What the loop carries and moves with the inputs: after the last turn, and after one turn more."""
    return [(a, b) for a, b in zip(loop.results[1:], loop.beyond, strict=False)
            if isinstance(a, Var) and isinstance(b, Var) and a in p.moving and is_float(a) and a.type == b.type]


def _value_lag(p: Point, a: Any, b: Any) -> float:
    with np.errstate(all="ignore"):
        lag = np.max(np.abs(p.env[b] - p.env[a]), initial=0.0) / np.max(np.abs(p.env[b]), initial=0.0)
    return float(lag) if np.isfinite(lag) else np.inf


def _tangent_lag(p: Point, a: Any, b: Any) -> float:
    """How much a turn more changes the tangent, relatively; by differences along the way of the point."""
    found = 0.0
    for k in range(DIRECTIONS):
        one, other = p.beside((k, _H)), p.beside((k, -_H))
        with np.errstate(all="ignore"):
            here, there = one[a] - other[a], one[b] - other[b]
            noise = 1e-15 * np.max(np.abs(p.env[b]), initial=0.0) / _H
            size = np.max(np.abs(there), initial=0.0)
            lag = np.max(np.abs(there - here), initial=0.0)
        if np.isfinite(lag) and size > 0 and lag > 4.0 * _H * noise:
            found = max(found, float(lag / size))
    return found


def loops(p: Point) -> list[LintFinding]:
    found = []
    for loop in converging(p):
        lags = [(_tangent_lag(p, a, b), _value_lag(p, a, b)) for a, b in _pairs(p, loop)
                if a in p.used and _value_lag(p, a, b) < _SETTLED]
        behind = [(t, v) for t, v in lags if t > max(_LAG, _BEHIND * v)]
        if behind:
            tangent, value = max(behind)
            found.append(LintFinding(
                "WG108", min(loop.place, default=""), "the derivative lags the value",
                f"after {loop.turns} turns one turn more changes the value by {value:.1g} and its derivative by {tangent:.1g}, "
                "relatively: the tolerance ends the loop by the value, and the derivative of that many turns has not converged",
                "a smaller tolerance, a test that looks at the derivative, too (more turns), or wengert.implicit.root or "
                "fixed_point, which differentiate the solution and not the way to it"))
    return found
