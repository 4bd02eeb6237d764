"""Kinks, ties and jumps: where the smooth pieces of a program meet.

What comes in: a `Point`. What goes out: WG101 (kinks and infinite slopes), WG110 (ties), WG102 (jumps), WG106 (infinite slopes
behind a mask). The one idea: primitives tell their pieces apart; where another piece lies beside the point, the values on both
sides say whether slopes differ, or values do. A kink counts where it is no farther than differences would reach, a jump where
the inputs come to it by changing about half as much as they are large.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.graph import Equation, Var
from wengert.linting.point import DIRECTIONS, Point, is_float
from wengert.linting.report import LintFinding, merged

__all__ = ["jumps", "kinks", "lines_of", "masked", "usual"]

NEAR = 1e-7  # of the size of the inputs: what differences of a derivative step over
STEP = 1e-4  # how far beside a kink slopes are compared
_AT = 1e-12
_SMOOTH = 0.35  # halving the step halves a kink, and quarters what is smooth
_NOISE = 1e-9
_FINE = 1e-4  # a step that lies this near may be one of many
_LADDER = (*[10.0**k for k in range(-7, 0)], 0.5)
_LARGE = 20_000  # equations; longer programs are looked at along one direction
_TIES = {"reduce_max": "the largest", "reduce_min": "the smallest", "sort": "the order", "partition": "the order",
         "cummax": "the largest so far", "cummin": "the smallest so far"}
_USUAL = {"root": "norm", "absolute": "abs", "fabs": "abs", "select": "where", "clip_low": "clip", "clip_high": "clip",
          "numpy_round": "round", "rint": "round", "special_round": "round", "truncate": "int", "reduce_max": "max",
          "reduce_min": "min", "scalar_power": "**", "power": "**", "less": "a comparison",
          "less_equal": "a comparison", "greater": "a comparison", "greater_equal": "a comparison",  # either way round
          "equal": "==", "not_equal": "!=", "remainder": "%", "floor_divide": "//",
          "integer_power": "**", "divide": "/", "add": "+", "subtract": "-", "multiply": "*",
          "negative": "-", "contract": "@ (or dot, einsum)", "add_contract": "@ (or dot, einsum)", "reduce_sum": "sum",
          "reduce_prod": "prod", "python_call": "a call of Python", "convert": "astype",
          "index_set": "an assignment to entries",
          "index_add": "an assignment to entries"}


def usual(e: Equation) -> str:
    """What users call an operation."""
    return _USUAL.get(e.primitive.name, e.primitive.name)


def _entries(x: Any) -> Any:
    return np.asarray(x)


def _where(differs: Any) -> str:
    """Which entry of an array, or nothing."""
    differs = np.asarray(differs)
    if differs.ndim == 0 or differs.size == 1:
        return ""
    index = [int(i) for i in np.unravel_index(int(np.argmax(differs)), differs.shape)]
    count = int(np.count_nonzero(differs))
    return f" at entry {index}" + (f" and {count - 1} more" if count > 1 else "")


def _changed(a: Any, b: Any) -> Any:
    """Which entries differ; NaN differs from nothing."""
    a, b = _entries(a), _entries(b)
    if a.dtype.kind in "fc":
        return (a != b) & ~np.isnan(a) & ~np.isnan(b)
    return a != b


def _offsets(t: float) -> list[tuple[int, float]]:
    return [(k, sign * t) for k in range(DIRECTIONS) for sign in (1.0, -1.0)]


def _examined(p: Point) -> Iterator[Equation]:
    for e in p.graph.equations:
        if any(r in p.used for r in e.results) and any(o in p.moving for o in e.operands):
            yield e


def _distance(at: bool) -> str:
    return "at the point" if at else f"within {NEAR:.0e} of it, relative to the inputs"


# ---------------------------------------------------------------- kinks and ties

def kinks(p: Point, stepping: set[str]) -> list[LintFinding]:
    """Where slopes from two sides differ; `stepping` are the lines known to jump."""
    found = [*_own_kinks(p), *_selections(p), *_infinite(p)]
    found = found or [*_other_kinks(p, stepping)]
    return merged(found)


def _size(p: Point) -> float:
    """How large a slope of the result along a direction counts as one."""
    size = sum(float(np.sum(np.abs(x))) for x in p.result if x.dtype.kind in "fc" and np.all(np.isfinite(x)))
    return size


def _own_kinks(p: Point) -> Iterator[LintFinding]:
    sites = [(e, e.primitive.kinks) for e in _examined(p) if e.primitive.kinks is not None]
    if not sites:
        return
    pieces = p.pieces(sites)
    here = pieces(p.env)
    changed: list[Any] = [False] * len(sites)
    exact: list[bool] = [False] * len(sites)
    for offset in _offsets(NEAR):
        for k, there in enumerate(pieces(p.beside(offset))):
            changed[k] = changed[k] | _changed(here[k], there)
    if not any(np.any(c) for c in changed):
        return
    for offset in _offsets(_AT):
        for k, there in enumerate(pieces(p.beside(offset))):
            exact[k] |= bool(np.any(_changed(here[k], there)))
    for k, (e, _) in enumerate(sites):
        if np.any(changed[k]) and _bends(p, e, changed[k]):
            yield _kink(p, e, exact[k], changed[k])


def _bends(p: Point, e: Equation, near: Any) -> bool:
    """Whether the slope of the result changes where this equation passes from one piece to the other."""
    adjoint = p.adjoints.get(e.results[0])
    if adjoint is None:
        return False
    shape = np.shape(p.env[e.results[0]])
    kept = near if np.shape(near) == shape else np.ones(shape, bool)
    weight = np.where(kept & (_entries(adjoint) != 0), adjoint, 0)
    if not np.any(weight):
        return False
    for k in range(DIRECTIONS):
        whole, half = [_second(p, e.results[0], weight, k, t) for t in (STEP, 0.5 * STEP)]
        if _is_kink(whole, half, _size(p)) and not _cancels(p, k, whole):
            return True
    return False


def _second(p: Point, y: Any, weight: Any, k: int, t: float) -> float:
    """The weighted second difference of a variable along a direction."""
    with np.errstate(all="ignore"):
        second = _entries(p.value(y, p.beside((k, t)))) + p.value(y, p.beside((k, -t))) - 2.0 * _entries(p.env[y])
        terms = np.real(np.conj(weight) * second)
    usable = np.isfinite(terms)
    return float(np.sum(np.where(usable, terms, 0.0)))


def _is_kink(whole: float, half: float, size: float) -> bool:
    return abs(whole) > _NOISE * STEP * size and abs(half) > _SMOOTH * abs(whole)


def _cancels(p: Point, k: int, own: float) -> bool:
    """Whether the result has no kink all the same: two of them, as in max(x, 0) + min(x, 0), may make up for each other; or
    what comes after takes its slope away, as in abs(x) ** 1.5.
    """
    total = _whole_second(p, k, STEP)
    return total is not None and not 1e-3 * abs(own) <= abs(total) <= 1e3 * abs(own)


def _whole_second(p: Point, k: int, t: float) -> float | None:
    """The second difference of the result along a direction; None if it has no value there."""
    one, other = p.result_at((k, t)), p.result_at((k, -t))
    if one is None or other is None:
        return None
    total = 0.0
    for weight, y, a, b in zip(_weights(p), p.result, one, other, strict=True):
        if y.dtype.kind in "fc":
            with np.errstate(all="ignore"):
                terms = np.real(np.conj(weight) * (a + b - 2.0 * y))
            total += float(np.sum(np.where(np.isfinite(terms), terms, 0.0)))
    return total


def _weights(p: Point) -> list[Any]:
    return [p.adjoints.get(o, 0.0) for o in p.outputs]


def _kink(p: Point, e: Equation, at: bool, near: Any) -> LintFinding:
    name = e.primitive.name
    if name in _TIES:
        return LintFinding(
            "WG110", p.at(e), f"tie in {usual(e)}",
            f"two elements that decide {_TIES[name]} are equal, {_distance(at)}: the result has a kink there, and its gradient "
            "is one choice of several" + (" (it is split evenly among equal elements)" if name in ("reduce_max", "reduce_min")
                                          else " (it goes with the first of them)"),
            "scipy.special.logsumexp(k * x) / k for a smooth extreme, or keep equal elements apart if the choice matters")
    if name in ("eigh", "eigvalsh", "svdvals"):
        zero = ", or one is 0" if name == "svdvals" else ""
        return LintFinding(
            "WG110", p.at(e), f"equal values of {usual(e)}",
            f"values that are ordered by size are equal{zero}: each has a kink there, and its gradient is one choice of many",
            "a symmetric function of all of them (a sum, the trace, the determinant), or a matrix whose values lie apart")
    remedy = {"root": "np.sqrt(np.sum(v * v) + eps**2), with eps small beside what counts, or the squared norm",
              "hypot": "np.sqrt(a * a + b * b + eps**2), with eps small beside what counts",
              }.get(name, "a smooth form, such as np.sqrt(u * u + eps**2) for abs(u) and np.logaddexp(0, k * u) / k for "
                          "max(u, 0), or say by wg.custom_jvp which slope is meant")
    slopes = "the length has no slope in the middle: 0 is taken" if name in ("root", "hypot") else (
        "the slopes on both sides differ: the derivative is a choice between them")
    return LintFinding("WG101", p.at(e), f"kink of {usual(e)}",
                       f"it lies {_distance(at)}{_where(near)}; {slopes}{p.turn(e)}", remedy)


# ---------------------------------------------------------------- selections: where, cond

def _selections(p: Point) -> Iterator[LintFinding]:
    for e in _examined(p):
        if e.primitive.name == "select" and e.operands[0] in p.moving and is_float(e.results[0]):
            yield from _boundary(p, p.at(e), e.operands[0], e.operands[1], e.operands[2], e.results[0], "where")
    for b in p.branches:
        if b.other and b.test in p.moving and any(r in p.used for r in b.taken):
            for taken, other in zip(b.taken, b.other, strict=True):
                if is_float(taken) and taken in p.used:
                    yield from _boundary(p, min(b.place, default=""), b.test, taken, other, taken, "if")


def _boundary(p: Point, place: str, test: Any, one: Any, other: Any, result: Any, name: str) -> Iterator[LintFinding]:
    """Whether the two arms of a selection meet with unequal slopes beside the point."""
    near: Any = False
    at: Any = False
    for offset in _offsets(NEAR):
        near = near | _changed(p.value(test), p.value(test, p.beside(offset)))
    if not np.any(near):
        return
    for offset in _offsets(_AT):
        at = at | _changed(p.value(test), p.value(test, p.beside(offset)))
    adjoint = p.adjoints.get(result)
    if adjoint is None:
        return

    def gap(offset: tuple[int, float]) -> Any:
        env = p.beside(offset) if offset[1] else p.env
        with np.errstate(all="ignore"):
            return np.where(near, np.subtract(p.value(one, env), p.value(other, env)), 0.0)
    for k in range(DIRECTIONS):
        with np.errstate(all="ignore"):
            wide, half = [(gap((k, t)) - gap((k, -t))) / (2.0 * t) for t in (STEP, 0.5 * STEP)]
            step, both = np.abs(gap((k, 0.0))), np.maximum(np.abs(wide), np.abs(half))
            large = np.maximum(np.abs(p.value(one)), np.abs(p.value(other)))
            meet = step <= 2.0 * NEAR * both + 1e-12 * large
            bent = meet & (np.abs(half) > 0.7 * np.abs(wide)) & (np.abs(adjoint * wide) > _NOISE * _size(p))
        if np.any(bent):
            yield LintFinding(
                "WG101", place, f"kink of {name}",
                f"its condition changes {_distance(bool(np.any(at)))}{_where(bent)}, where both arms are equal and their "
                "slopes are not: the derivative is that of one arm",
                "arms whose slopes agree where the condition changes, or a smooth blend of both")
            return


def _other_kinks(p: Point, stepping: set[str]) -> Iterator[LintFinding]:
    """Comparisons that are multiplied with, not selected by: the whole result is looked at."""
    near = [s.equation for s in _sites(p) if p.at(s.equation) not in stepping
            and any(np.any(_changed(s.state(p.env), s.state(p.beside(o)))) for o in _offsets(NEAR))]
    if not near:
        return
    for k in range(DIRECTIONS):
        whole, half = _whole_second(p, k, STEP), _whole_second(p, k, 0.5 * STEP)
        if whole is None or half is None:
            return
        if _is_kink(whole, half, _size(p)) and abs(half) < 0.75 * abs(whole):
            yield LintFinding("WG101", p.at(near[0]), f"kink at {usual(near[0])}",
                              f"it changes {_distance(True)}, and the slope of the result with it: the derivative is that of "
                              "one side", "factors that agree in value and slope where it changes")
            return


# ---------------------------------------------------------------- infinite slopes

def _slopes(p: Point) -> Iterator[tuple[Equation, Any, Any, Any]]:
    """Operations with a slope that is not finite at finite operands: equation, where, the adjoint there, the value."""
    for e in _examined(p):
        if not e.primitive.elementwise or not e.primitive.differentiable or len(e.results) != 1 or not is_float(e.results[0]):
            continue
        if e.primitive.linear == "jointly" or e.primitive.name in ("multiply", "select"):
            continue
        y = _entries(p.env[e.results[0]])
        with np.errstate(all="ignore"):
            given = [np.broadcast_to(p.value(o), y.shape) for o in e.operands]
            sound = np.logical_and.reduce([np.isfinite(x) if x.dtype.kind in "fc" else True for x in given])
        for o in dict.fromkeys(o for o in e.operands if isinstance(o, Var) and o in p.moving and is_float(o)):
            slope = p.partials.of(e, o)
            if slope is None:
                continue
            bad = ~np.isfinite(slope) & sound
            if np.any(bad):
                yield e, bad, np.broadcast_to(p.adjoints.get(e.results[0], 0.0), y.shape), y
                break


def _infinite(p: Point) -> Iterator[LintFinding]:
    for e, bad, adjoint, y in _slopes(p):
        seen = bad & (adjoint != 0) & np.isfinite(y)
        if np.any(seen):
            yield LintFinding("WG101", p.at(e), f"infinite slope of {usual(e)}",
                              f"its value is finite{_where(seen)} and its slope is not: the derivative is infinite, or NaN "
                              f"where that is multiplied by 0{p.turn(e)}",
                              "an operand kept away from the edge, such as np.sqrt(u + eps**2), or np.linalg.norm for the root "
                              "of a sum of squares")


def masked(p: Point) -> list[LintFinding]:
    """Infinite slopes that a selection leaves out."""
    if any(not np.all(np.isfinite(g)) for g in p.gradients.values()):
        return []
    found = []
    for e, bad, adjoint, _ in _slopes(p):
        hidden = bad & (adjoint == 0)
        if np.any(hidden) and _is_selected(p, e):
            found.append(LintFinding(
                "WG106", p.at(e), f"infinite slope of {usual(e)} behind a mask",
                f"in the arm that is not taken{_where(hidden)} its slope is not finite. wengert leaves the arm out exactly; "
                f"elsewhere 0 times infinity is NaN{p.turn(e)}",
                "np.where(ok, f(np.where(ok, x, 1.0)), other), with a harmless operand in the arm that is not taken"))
    return merged(found)


def _is_selected(p: Point, e: Equation) -> bool:
    later = p.reached_from(e.results)
    return any(s.primitive.name in ("select", "masked_sum", "maximum", "minimum") and any(o in later for o in s.operands)
               for s in p.graph.equations)


# ---------------------------------------------------------------- jumps

@dataclass(frozen=True)
class _Site:
    """Something that changes in steps: where, what tells the steps, and which equation it is."""

    equation: Equation
    state: Callable[[dict[Any, Any]], Any]


def _is_step(p: Point, e: Equation) -> bool:
    """Whether an equation is constant between its jumps."""
    if not any(o in p.moving and is_float(o) for o in e.operands) or e.primitive.name == "stop_gradient":
        return False
    return not e.primitive.differentiable or (e.primitive.name == "convert" and not is_float(e.results[0]))


def _first(pieces: Callable[[dict[Any, Any]], list[Any]]) -> Callable[[dict[Any, Any]], Any]:
    return lambda env: pieces(env)[0]


def _sites(p: Point) -> list[_Site]:
    found = []
    for e in _examined(p):
        if e.primitive.jumps is not None and e.results[0].type.dtype.kind == "f":
            found.append(_Site(e, _first(p.pieces([(e, e.primitive.jumps)]))))
        elif _is_step(p, e):
            found.append(_Site(e, operator.itemgetter(e.results[0])))
    return found


def jumps(p: Point, quiet: set[str]) -> list[LintFinding]:
    """Where the result steps, at lines that are not in `quiet`."""
    sites = [s for s in _sites(p) if p.at(s.equation) not in quiet]
    count = 1 if len(p.graph.equations) > _LARGE else DIRECTIONS
    crossings: dict[tuple[str, str], list[tuple[float, int, float, float, _Site]]] = {}
    for k in range(count if sites else 0):
        for sign in (1.0, -1.0):
            open_sites, last = sites, 0.0
            for t in _LADDER:
                here, there = p.beside((k, last)) if last else p.env, p.beside((k, sign * t))
                crossed = [s for s in open_sites if np.any(_changed(s.state(here), s.state(there)))]
                for s in crossed:
                    group = crossings.setdefault((p.at(s.equation), s.equation.primitive.name), [])
                    group.append((t, k, last, sign * t, s))
                open_sites, last = [s for s in open_sites if s not in crossed], sign * t
    return [*_stepping(p, crossings)]


def _stepping(p: Point, crossings: dict[Any, list[tuple[float, int, float, float, _Site]]]) -> Iterator[LintFinding]:
    """Those crossings at which the result steps; what only passes on the step of another is left out."""
    blamed: list[_Site] = []
    for group in crossings.values():
        for _, k, low, high, site in sorted(group, key=lambda c: c[0])[:2 * DIRECTIONS]:
            low, high = _narrowed(p, site, k, low, high)
            step = _step(p, k, low, high)
            if step is None:
                if abs(low) < _FINE and _goes_on(p, site, k) and (slopes := _missed_slope(p, k)) is not None:
                    yield _staircase(p, site.equation, *slopes)
                    break
                continue
            if any(np.any(_changed(_state(p, s, k, low), _state(p, s, k, high))) for s in blamed if s is not site):
                break
            blamed.append(site)
            yield _jump(p, site.equation, step, abs(high))
            break


def _state(p: Point, site: _Site, k: int, t: float) -> Any:
    known = p.beside((k, t))
    return site.state(known)


def _narrowed(p: Point, site: _Site, k: int, low: float, high: float) -> tuple[float, float]:
    """Two numbers next to each other between which the site changes; less close where the result is seen to go on smoothly."""
    at = _light(p, site)
    first = at(low, k)
    for turn in range(45):
        if turn % 12 == 4 and _rise(p, k, low, high) is None:
            break
        middle = 0.5 * (low + high)
        if np.any(_changed(first, at(middle, k))):
            high = middle
        else:
            low = middle
    return low, high


def _light(p: Point, site: _Site) -> Callable[[float, int], Any]:
    """The state of a site along a direction; only what it needs is computed."""
    e = site.equation
    wanted = [a for a in (*e.results, *e.operands) if isinstance(a, Var)]
    trackers = [(a, p.tracker(a)) for a in wanted]
    return lambda t, k: site.state({a: at(t, k) for a, at in trackers})


def _step(p: Point, k: int, low: float, high: float) -> float | None:
    """How far the result steps between two places; None if it climbs (as a root does at 0), or has a pole."""
    beyond = 1e4 * (high - low)
    narrow, wide = _rise(p, k, low, high), _rise(p, k, low - beyond, high + beyond)
    return narrow if narrow is not None and wide is not None and 0.3 * wide < narrow < 3.0 * wide else None


def _rise(p: Point, k: int, low: float, high: float) -> float | None:
    """How much the result differs between two places, if that is more than rounding."""
    one, other = p.result_at((k, low)), p.result_at((k, high))
    if one is None or other is None:
        return None
    largest = 0.0
    for a, b, y in zip(one, other, p.result, strict=True):
        if a.dtype.kind in "fc" and a.shape == b.shape and a.size:
            with np.errstate(all="ignore"):
                step = np.abs(b - a)
                size = max(np.max(np.abs([a, b, y])), p.extent)
            if np.all(np.isfinite(step)) and np.max(step) > 1e-7 * size:
                largest = max(largest, float(np.max(step)))
    return largest or None


def _goes_on(p: Point, site: _Site, k: int) -> bool:
    """Whether it changes again and again."""
    states = [_state(p, site, k, t * 1e-3) for t in (0.2, 0.4, 0.6, 0.8, 1.0)]
    return all(np.any(_changed(a, b)) for a, b in itertools.pairwise(states))


def _missed_slope(p: Point, k: int) -> tuple[float, float] | None:
    """What the result climbs along a direction, and what its derivative says, if they differ."""
    if any(y.dtype.kind == "c" for y in p.result) or any(p.env[v].dtype.kind == "c" for v in p.active):
        return None
    told = sum(float(np.sum(p.gradients[v] * d)) for v, d in zip(p.active, p.directions[k], strict=True) if v in p.gradients)
    seen = []
    for t in (1e-3, 1e-4):
        one, other = p.result_at((k, t)), p.result_at((k, -t))
        if one is None or other is None:
            return None
        ends = zip(_weights(p), one, other, strict=True)
        seen.append(sum(float(np.sum(w * (a - b))) / (2.0 * t) for w, a, b in ends if a.dtype.kind == "f"))
    agree = abs(seen[0] - seen[1]) <= 0.1 * abs(seen[1])
    apart = min(abs(x - told) for x in seen) > 0.1 * max(abs(told), abs(seen[1]), 1e-6 * _size(p))
    return (seen[1], told) if agree and apart else None


def _staircase(p: Point, e: Equation, climb: float, told: float) -> LintFinding:
    return LintFinding(
        "WG102", p.at(e), f"fine steps of {usual(e)}",
        f"the result goes in steps too small to be seen one by one: along a random direction it climbs with the slope "
        f"{climb:.3g}, and the derivative, which is that between the steps, says {told:.3g}",
        "the number itself in the place of its rounding, or wg.custom_jvp with the slope that is meant")


def _jump(p: Point, e: Equation, step: float, distance: float) -> LintFinding:
    near = "at the point" if distance < _AT else f"where the inputs change by {distance:.1g} of their size"
    return LintFinding(
        "WG102", p.at(e), f"jump of {usual(e)}",
        f"the result steps by {step:.2g} {near}; the derivative is that between the steps, and knows nothing of them"
        f"{p.turn(e)}",
        "a smooth form (a sigmoid for a step, weights for a choice), or wg.custom_jvp with the slope that is meant")


def lines_of(found: Sequence[LintFinding]) -> set[str]:
    return {f.place for f in found}
