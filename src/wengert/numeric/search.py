"""Derivatives along one line, at the step with the least error.

What comes in: a `Line`, the values of a function at x + τ·direction for any τ, and a difference formula. What
goes out: per element of the output the derivative in τ at 0, a bound of its error, and the τ that was used.
The one idea: evaluate the formula at steps in geometric progression and trust no single one: what two
neighboring steps disagree on, plus the rounding error computed from the size of the samples, is the error;
take the step where it is least.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .weights import Stencil

__all__ = ["Found", "Line", "at_given_step", "extrapolate", "search"]

Array = NDArray[Any]

RATIO = 4.0  # of neighboring steps in a search; smaller ones find a step little better at more evaluations
COARSEST = 0  # exponent of RATIO: τ = 1 is the scale of x itself
FINEST = -40  # reached only where x is 0, so that no rounding of x stops the search before
SAFETY = 3.0  # the disagreement of two steps is a sample of the error, not a bound of it
FIRST = (math.sqrt(5) - 2) / 2  # first step of an extrapolation: about 1/8, and irrational
CLOSE = 100.0  # a search ends at this multiple of the relative error of a function of unit scale


@dataclass(frozen=True)
class Line:
    """A function along a line through x.

    ``sample(τ)`` returns the flat values at x + τ·direction and their magnitudes before any cancellation;
    ``center`` is ``sample(0.0)``; ``eps`` the relative rounding error of a value; ``grain`` that of x +
    τ·direction in units of τ, which is infinite where x cannot be moved; ``noise`` the error of the values as
    measured.
    """

    sample: Callable[[float], tuple[Array, Array]]
    center: tuple[Array, Array]
    eps: float
    grain: Array | float
    noise: Array | float = 0.0


class Found(NamedTuple):
    """Derivative in τ, bound of its error, and the τ of the formula; flat arrays of one length."""

    value: Array
    error: Array
    tau: Array


class Level(NamedTuple):
    """The formula at τ: derivative, rounding error, and whether no sample differed from the center."""

    tau: float
    value: Array
    rounding: Array
    flat: Array


def difference(line: Line, formula: Stencil, tau: float) -> Level:
    """Σ wₖ (f(kτ) − f(0)) / τⁿ and its rounding error.

    The weights sum to 0, so f(0) may be subtracted first: a constant part then cancels exactly. A value is
    wrong by eps·|f|; that x + kτ is rounded, and that most f round x on their way in, adds the grain of x
    times the slope.
    """
    center, magnitude = line.center
    total = np.zeros_like(center)
    rounding, slope, flat = np.zeros(center.shape), np.zeros(center.shape), np.ones(center.shape, bool)
    for offset, weight in zip(formula.offsets, formula.weights):
        values, sizes = line.center if offset == 0 else line.sample(offset * tau)
        total = total + weight * (values - center)
        rounding += abs(weight) * np.maximum(2 * line.eps * np.maximum(sizes, magnitude), line.noise)
        flat &= values == center
        if offset:
            slope = np.maximum(slope, np.abs(values - center) / (abs(offset) * tau))
    mass = sum(map(abs, formula.weights))
    noise = rounding + line.grain * slope * mass
    unit = tau**formula.order
    return Level(tau, total / unit, noise / unit, flat)


def at_given_step(line: Line, formula: Stencil, with_error: bool) -> Found:
    """The formula at τ = 1; half that step tells how far it may be off."""
    level = difference(line, formula, 1.0)
    error = np.full(level.value.shape, np.inf)
    if with_error:
        finer = difference(line, formula, 0.5)
        truncation = np.abs(level.value - finer.value) / (1 - 0.5**formula.accuracy)
        error = SAFETY * truncation + level.rounding
    return finish(level.value, error, np.ones(level.value.shape))


def finish(value: Array, error: Array, tau: Array) -> Found:
    """What is not finite has no error bound, and what has none but an infinite one is no number at all."""
    error = np.where(np.isfinite(value) & ~np.isnan(error), error, np.inf)
    return Found(value, error, tau)


# ---------------------------------------------------------------- searching the step


class Choice(NamedTuple):
    """Per element: the best level (a row of the visited ones), its error, and why no other is better."""

    row: Array
    value: Array
    error: Array
    by_rounding: Array  # the disagreement with the finer step is explained by rounding: finer is worse
    finest: Array  # the error of the finest level


def choose(levels: list[Level], formula: Stencil, grain: Array | float) -> Choice:
    """The level of least error, of levels sorted from fine to coarse.

    The error of a level is its disagreement with the next finer one. Two values may agree by accident, so the
    errors of its neighbors bound it from below by the laws of rounding (which falls like step⁻ⁿ) and
    truncation (like step^p). A coarse level that contradicts a finer one is rejected: far from x many
    functions look flat.
    """
    values = np.stack([level.value for level in levels])
    rounding = np.stack([level.rounding for level in levels])
    apart = np.abs(np.diff(values, axis=0))
    apart = np.concatenate([apart[:1], apart])  # the finest has no finer neighbor: the coarser one judges it
    moved = np.array([[level.tau] for level in levels]) > 16 * np.broadcast_to(grain, values.shape[1:])
    apart = np.where(np.isfinite(apart) & moved & np.isfinite(rounding), apart, np.inf)
    bound = apart.copy()
    with np.errstate(invalid="ignore"):
        known = np.where(np.isinf(apart), 0, apart)
        bound[1:] = np.fmax(bound[1:], known[:-1] / RATIO**formula.order)
        bound[:-1] = np.fmax(bound[:-1], known[1:] / RATIO**formula.accuracy)
        errors = SAFETY * bound + rounding
        errors[np.isnan(errors)] = np.inf
    finest = errors[0].copy()
    reject_contradicted(values, errors)
    row = np.argmin(errors, axis=0)
    best = row, np.arange(row.size)
    by_rounding = apart[best] <= 4 * rounding[np.maximum(row - 1, 0), best[1]]
    return Choice(row, values[best], errors[best], by_rounding, finest)


def reject_contradicted(values: Array, errors: Array) -> None:
    """Set to infinity the error of every row whose interval misses that of an earlier row, in place."""
    claimed = errors.copy()
    for i in range(1, len(values)):
        for j in range(i):
            with np.errstate(invalid="ignore"):
                misses = np.abs(values[i] - values[j]) > claimed[i] + claimed[j]
            errors[i][misses & np.isfinite(claimed[j])] = np.inf


def search(line: Line, formula: Stencil) -> Found:
    """The formula at the best of a progression of steps, per element of the output.

    It begins where the error of a function of unit scale would be least. If two steps there agree, that is
    all; otherwise it goes on to finer steps while truncation dominates, and to coarser ones while the best
    step found is near the coarse end.
    """
    exponent = formula.order + formula.accuracy
    start = min(COARSEST, round(math.log(line.eps ** (1 / exponent), RATIO)))
    tolerance = CLOSE * line.eps ** (formula.accuracy / exponent)
    finest = finest_exponent(line.grain)
    quiet = line.noise <= 4 * line.eps * line.center[1]  # else f is flat only because it rounds its values
    visited: dict[int, Level] = {}

    def visit(k: int) -> None:
        # After the first two, steps are not dyadic: those see nothing of sin(2πkx), nor much of sin(50x).
        jitter = 1.0 if k in (start, start - 1) else 0.85 + 0.3 * (k * FIRST % 1.0)
        visited[k] = difference(line, formula, jitter * RATIO**k)

    visit(start)
    visit(start - 1)
    while True:
        exponents = sorted(visited)
        levels = [visited[k] for k in exponents]
        choice = choose(levels, formula, line.grain)
        size = np.abs(choice.value)
        flat = np.logical_and.reduce([level.flat for level in levels]) & quiet
        hopeless = ~np.isfinite(line.center[0]) | np.isinf(np.broadcast_to(line.grain, size.shape))
        open_ = ~((choice.error <= tolerance * size) | flat | hopeless)
        lost = (choice.finest > 1e3 * choice.error) & (choice.error <= 1e-3 * size)
        finer = np.any(open_ & ~choice.by_rounding & ~lost) and exponents[0] > finest
        near_edge = (len(levels) - 1 - choice.row < 3) | np.isinf(choice.error)
        coarser = np.any(open_ & near_edge) and exponents[-1] < COARSEST
        if finer:
            visit(exponents[0] - 1)
        elif coarser:
            visit(exponents[-1] + 1)
        else:
            taus = np.array([level.tau for level in levels])
            return finish(choice.value, choice.error, taus[choice.row])


def finest_exponent(grain: Array | float) -> int:
    """The exponent of the finest step that still moves x, where it can be moved, by some last places."""
    grains = np.atleast_1d(grain)
    grains = grains[np.isfinite(grains) & (grains > 0)]
    if grains.size == 0:
        return FINEST
    return max(FINEST, math.floor(math.log(16 * float(grains.min()), RATIO)))


# ---------------------------------------------------------------- Richardson extrapolation

COLUMNS = 7
ROWS = 60


def extrapolate(line: Line, formula: Stencil, first: float = FIRST) -> Found:
    """Richardson extrapolation of a central formula of accuracy 2 over halved steps; the best entry wins.

    The error of a central formula is a series in τ², so T[i][k] = T[i][k-1] + (T[i][k-1] − T[i-1][k-1])/(4ᵏ −
    1) loses one more term with each column (Romberg's tableau). The error of an entry is its distance from
    the two that made it (C. J. F. Ridders, Accurate computation of F'(x) and F'(x)F''(x), Adv. Eng. Softw. 4
    (1982), 75-76), and to it the rounding errors carried along. Far from x three entries may agree by
    accident: an entry must agree with a plain search too.
    """
    row: list[tuple[Array, Array]] = []
    anchor = search(line, formula)
    finest = RATIO ** finest_exponent(line.grain)
    count = line.center[0].size
    best = anchor
    least_rounding = np.zeros(count)
    hopeless = ~np.isfinite(line.center[0]) | np.isinf(np.broadcast_to(line.grain, (count,)))
    for i in range(ROWS):
        tau = first * 0.5**i
        level = difference(line, formula, tau)
        row, new, rounding = next_row(row, level, anchor, np.asarray(line.grain))
        better = new.error < best.error
        best = Found(*(np.where(better, a, b) for a, b in zip(new, best)))
        least_rounding = np.where(better, rounding, least_rounding)
        lost = (new.error > 1e3 * best.error) & (tau < best.tau)
        lost &= best.error <= 1e-3 * np.abs(best.value)
        done = lost | hopeless | (best.error <= 16 * least_rounding) & np.isfinite(best.error)
        if i >= 4 and (np.all(done) or tau < finest):
            break
    return finish(*best)


def next_row(
    above: list[tuple[Array, Array]], level: Level, anchor: Found, grain: Array
) -> tuple[list[tuple[Array, Array]], Found, Array]:
    """One more row of the tableau from the row above it; its best entry, and the rounding error of that."""
    row = [(level.value, level.rounding)]
    size = level.value.shape
    value, error, least = level.value, np.full(size, np.inf), np.full(size, np.inf)
    for k, (up, up_rounding) in enumerate(above[: COLUMNS - 1], 1):
        left, left_rounding = row[-1]
        entry = left + (left - up) / (4.0**k - 1)
        rounding = (4.0**k * left_rounding + up_rounding) / (4.0**k - 1)
        off = SAFETY * np.fmax(np.abs(entry - left), np.abs(entry - up)) + rounding
        possible = ~(np.abs(entry - anchor.value) > off + anchor.error) & (level.tau > 16 * grain)
        off = np.where(np.isfinite(entry) & np.isfinite(off) & possible, off, np.inf)
        value, least = np.where(off < error, entry, value), np.where(off < error, rounding, least)
        error = np.fmin(off, error)
        row.append((entry, rounding))
    return row, Found(value, error, np.full(size, level.tau)), least
