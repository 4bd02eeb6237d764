"""Everything that is held against everything else, at one point.

What comes in: a `Subject`. What goes out: an `Outcome`: derivatives by element and along random directions, each judged; the
ways that were gone; second derivatives; Taylor remainders, also near the point. The one idea: inputs are looked at one by
one while they are few; of many a sample is, and random directions, in which none is absent, answer for the others. A direction
that is wrong is halved until the input is found.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.api import jvp, vjp
from wengert.certifying.lines import Judgment, judged
from wengert.certifying.subject import Subject
from wengert.certifying.ways import Way, attempted, by_compiler, by_complex_step, by_symbols, in_fifty_digits
from wengert.check import SAFETY, TaylorResult, taylor_test
from wengert.flatten import flatten
from wengert.staging import jit

__all__ = ["Along", "Outcome", "along", "looked_at"]

Array = np.ndarray
SAMPLE = 16  # inputs that are looked at one by one, where they are many
RANDOM = 2  # random directions
BALANCED = 1e-8  # down to this part of the largest derivative
NEAR = 2  # points near the point
RADIUS = 0.05  # how near, in units of the size of each input
SENSITIVITY = 4.0  # samples of a sensitivity are not its bound


@dataclass
class Along:
    """A direction, and what is known of the derivative along it; `input` is the element that moves, None if all do."""

    direction: Array
    input: int | None
    judgment: Judgment
    modes_disagree: str = ""
    apart: float = 0.0  # by how much they do
    point: int = 0  # 0 is the point itself, others are near it
    order: int = 1


@dataclass
class Outcome:
    """See the module."""

    gradient: Array  # (rows, inputs), in units
    sensitivity: Array  # how far the rounding of the inputs moves it
    lines: list[Along] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    taylor: list[TaylorResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failure: str = ""
    sampled: list[int] = field(default_factory=list)
    probe: Array | None = None  # the direction that a picture shows


def looked_at(s: Subject, progress: Callable[[str], None], steps: str = "") -> Outcome:
    """Everything, in turn; `steps` says which operation makes the value go in steps too fine to be seen."""
    progress("reverse mode")
    reverse = attempted("reverse mode", s.reverse)
    forward = attempted("forward mode", lambda: s.forward(np.ones(s.n)))
    gradient = reverse.found if reverse.found is not None else _by_columns(s, forward)
    if gradient is None:
        out = Outcome(np.zeros((0, s.n)), np.zeros((0, s.n)), failure=reverse.reason)
        out.ways = [reverse, forward]
        return out
    out = Outcome(gradient, _sensitivity(s, gradient, reverse.found is not None), ways=[reverse, forward])
    out.sampled = _sample(s, gradient)
    directions = [*[_unit(s, j) for j in out.sampled], *_random(s, gradient)]
    out.probe = directions[-1]
    exact = _other_ways(s, directions[:len(out.sampled)], out, steps, progress)
    for i, v in enumerate(directions):
        progress(f"differences, direction {i + 1} of {len(directions)}")
        j = out.sampled[i] if i < len(out.sampled) else None
        others = {w.name: w.found[i] for w in exact if w.found is not None} if j is not None else {}
        out.lines.append(_line(s, out, v, j, others))
    _localize(s, out)
    _second(s, out, s.z, 0, progress)
    _taylor(s, out, progress)
    return out


def _by_columns(s: Subject, forward: Way) -> Array | None:
    """The gradient by forward mode, where reverse mode has none."""
    if forward.found is None or s.n > 1_000:
        return None
    found = attempted("", lambda: np.stack([s.forward(_unit(s, j))[s.rows] for j in range(s.n)], axis=1))
    return None if found.found is None else np.asarray(found.found)


def _sensitivity(s: Subject, gradient: Array, reverse: bool) -> Array:
    """How far gradients move if the inputs are rounded otherwise."""
    found = s.eps * np.abs(gradient)
    if not reverse:
        return found
    here = attempted("", functools.partial(s.elsewhere, s.at(s.z))).found if s.is_long else gradient
    for _ in range(2):
        moved = s.z * (1.0 + 2 * s.eps * s.rng.choice([-1.0, 1.0], s.n))
        again = attempted("", functools.partial(s.elsewhere, s.at(moved))).found
        if again is not None and here is not None:
            with np.errstate(invalid="ignore"):
                off = np.abs(again - here)
            found = np.maximum(found, np.where(np.isfinite(off), off, 0.0))
    return SENSITIVITY * found


# ---------------------------------------------------------------- directions

def _unit(s: Subject, j: int) -> Array:
    v = np.zeros(s.n)
    v[j] = 1.0
    return v


def _random(s: Subject, gradient: Array) -> list[Array]:
    """Directions in which every input moves; in the second of many, what matters more moves less, so that none hides."""
    count = 0 if s.n == 0 else 1 if s.n == 1 else RANDOM
    found = [s.rng.uniform(0.5, 1.5, s.n) * s.rng.choice([-1.0, 1.0], s.n) for _ in range(count)]
    if s.n > SAMPLE:
        size = np.max(np.abs(gradient), axis=0)
        known = size[np.isfinite(size) & (size > 0)]
        if known.size:
            least = max(float(np.min(known)), BALANCED * float(np.max(known)))
            found[-1] *= least / np.clip(np.nan_to_num(size, nan=np.inf), least, float(np.max(known)))
    return found


def _sample(s: Subject, gradient: Array) -> list[int]:
    """All inputs while they are few; else those that matter most, and others by lot."""
    if s.n <= SAMPLE:
        return list(range(s.n))
    weight = np.nan_to_num(np.max(np.abs(gradient), axis=0), nan=np.inf)
    first = np.argsort(-weight, kind="stable")[:SAMPLE // 2]
    rest = np.setdiff1d(np.arange(s.n), first)
    return sorted([int(j) for j in (*first, *s.rng.choice(rest, SAMPLE - first.size, replace=False))])


def along(matrix: Array, v: Array) -> Array:
    """The product; what is infinite and does not move takes no part."""
    moved = v != 0
    return np.asarray(matrix[:, moved] @ v[moved])


def _line(s: Subject, out: Outcome, v: Array, j: int | None, others: dict[str, Any]) -> Along:
    """Differences, and all else, along a direction; an input whose step is lost beside the value is moved further."""
    found = _once(s, out, v, j, others)
    lost = all(x in ("unreliable", "too small") for x in found.judgment.verdict)
    if j is None or not lost or s.coarser(j) <= 4.0:
        return found
    further = _once(s, out, v * s.coarser(j), j, {})
    return further if further.judgment.good() else found


def _once(s: Subject, out: Outcome, v: Array, j: int | None, others: dict[str, Any]) -> Along:
    pulled = along(out.gradient, v)
    slack = along(out.sensitivity, np.abs(v)) if j is not None else np.sqrt(out.sensitivity ** 2 @ v ** 2)
    wide = j is None and out.ways[1].found is not None
    pushed = attempted("", lambda: s.along(v)).found if out.ways[1].found is not None else None
    rows = s.rows if wide else slice(None)
    if pushed is not None and not wide:
        pushed = pushed[s.rows]
    disagree, far = "", 0.0
    if pushed is not None and out.ways[0].found is not None:
        spread = along(np.abs(out.gradient), np.abs(v))
        known = np.all(np.isfinite(out.gradient), axis=1)  # forward mode multiplies what is infinite elsewhere by zero
        with np.errstate(invalid="ignore"):
            off = np.abs(pushed[rows] - pulled)
            apart = (off > SAFETY * slack + s.floor * spread) | ((np.isfinite(pulled) != np.isfinite(pushed[rows])) & known)
        if np.any(apart):
            k = int(np.argmax(apart))
            far = float(np.max(off))
            disagree = _disagreement(s, v, j, float(pushed[rows][k]), float(pulled[k]))
    claimed = pulled
    if wide:
        assert pushed is not None
        claimed = pushed.copy()
        claimed[s.rows] = pulled
        slack = np.concatenate([np.full(s.m, np.max(slack) if s.m == 1 else 0.0), slack]) if s.m > s.weights.shape[0] else slack
    f = s.values if wide else lambda z: s.values(z)[s.rows]
    return Along(v, j, judged(f, s.z, v, claimed, slack, s.floor, others), disagree, far)


def _disagreement(s: Subject, v: Array, j: int | None, pushed: float, pulled: float) -> str:
    """In the units of the user, who has none for a direction in which all inputs move."""
    if j is not None:
        unit = float(s.scale[j] * v[j])
        return f"forward mode gives {pushed / unit:.10g} and reverse mode {pulled / unit:.10g}"
    return f"forward and reverse mode differ by {abs(pushed - pulled) / max(abs(pushed), abs(pulled)):.0e} of the slope"


def _localize(s: Subject, out: Outcome) -> None:
    """A direction that is wrong is halved until a single input is left; what is known of single ones is spared."""
    wrong = [a for a in out.lines if a.input is None and not a.judgment.good()]
    if not wrong or any(a.input is not None and _bad(a) for a in out.lines) or s.n <= SAMPLE:
        return
    v = wrong[0].direction
    inside = np.arange(s.n)
    while inside.size > 1:
        half = inside[:inside.size // 2]
        part = np.zeros(s.n)
        part[half] = v[half]
        inside = half if _bad(_once(s, out, part, None, {})) else inside[inside.size // 2:]
    found = _line(s, out, _unit(s, int(inside[0])), int(inside[0]), {})
    if _bad(found):
        out.sampled.append(int(inside[0]))
        out.lines.append(found)


def _bad(a: Along) -> bool:
    return bool(a.modes_disagree) or not a.judgment.good()


# ---------------------------------------------------------------- other ways

def _other_ways(s: Subject, directions: Sequence[Array], out: Outcome, steps: str,
                progress: Callable[[str], None]) -> list[Way]:
    """Those that give the derivative of each element, compared with it."""
    found = []
    progress("complex step")
    found.append(by_complex_step(s, directions, steps))
    progress("fifty digits")
    found.append(in_fifty_digits(s, directions, steps))
    progress("symbolic")
    found.append(by_symbols(s, directions))
    progress("compiled")
    out.ways += [*found, by_compiler(s)]
    return found[:2]


# ---------------------------------------------------------------- second order, and near the point

def _second(s: Subject, out: Outcome, z: Array, place: int, progress: Callable[[str], None]) -> None:
    """Forward over reverse along a random direction, against differences of gradients."""
    if not s.n:
        return
    progress("second order")
    v = s.rng.uniform(0.5, 1.5, s.n) * s.rng.choice([-1.0, 1.0], s.n)
    w = s.rng.uniform(0.5, 1.5, s.weights.shape[0]) @ s.weights
    cotangent = s.cotangent(w)

    def gradient(*given: Any) -> Any:
        return vjp(s.f, *given)[1](cotangent)

    gradient.__qualname__ = s.title  # messages are about the user's function
    staged = jit(gradient)  # it is asked for often

    def slope(at: Array) -> Array:
        return np.array([s.pulled(staged(*s.point.unpack(at * s.scale))) @ v])

    def slope_forward(at: Array) -> Array:
        return np.array([w @ s.out.pack(flatten(jvp(s.f, s.point.unpack(at * s.scale), s.tangents(v))[1])[0])])
    tangents = s.tangents(v)
    args = s.at(z)

    def curve(*given: Any) -> Any:
        return jvp(gradient, given, tangents)[1]
    curvature = jit(curve) if s.is_long else curve
    way = attempted("forward over reverse", lambda: np.array([s.pulled(curvature(*args)) @ v]))
    inner = slope
    if way.found is None:
        other = attempted("forward over forward", lambda: np.array([w @ s.out.pack(
            flatten(jvp(lambda *a: jvp(s.f, a, tangents)[1], args, tangents)[1])[0])]))
        way, inner = (other, slope_forward) if other.found is not None else (way, inner)
    out.ways.append(way)
    if way.found is None:
        return
    moved = attempted("", lambda: np.array([s.pulled(curvature(*s.at(z * (1 + 2 * s.eps)))) @ v])).found
    slack = np.zeros(1) if moved is None else SENSITIVITY * np.nan_to_num(np.abs(moved - way.found), nan=0.0, posinf=0.0)
    size = attempted("", lambda: np.abs(s.reverse(args, w[None])) @ np.abs(v)).found
    slack = slack + 4 * s.floor * 1e-3 * (0.0 if size is None else float(np.nan_to_num(size[0])))
    try:
        out.lines.append(Along(v, None, judged(inner, z, v, way.found, slack, s.floor, {}), "", 0.0, place, 2))
    except Exception as error:  # the user's function, near the point
        out.notes.append(f"second order: {type(error).__name__}: {error}")


def _taylor(s: Subject, out: Outcome, progress: Callable[[str], None]) -> None:
    """Taylor remainders at the point, and at points near it, where the first order is judged too."""
    if not s.n:
        return
    f = jit(s.f) if s.is_long else s.f
    for place in range(NEAR + 1):
        progress("Taylor remainders" if place == 0 else f"near the point, {place} of {NEAR}")
        z = s.z if place == 0 else s.z + RADIUS * s.rng.uniform(-1.0, 1.0, s.n)
        args = s.at(z)
        second = any(w.name.startswith("forward over") and w.found is not None for w in out.ways)
        dx = s.tangents(s.rng.uniform(0.5, 1.5, s.n) * s.rng.choice([-1.0, 1.0], s.n))
        found = attempted("", functools.partial(taylor_test, f, args, _filled(s, dx), order=2 if second else 1))
        if found.found is not None:
            out.taylor.append(found.found)
        else:
            out.notes.append(f"no Taylor remainders {'at' if place == 0 else 'near'} the point: {found.reason}")
        if place:
            _nearby(s, out, z, args, place)


def _filled(s: Subject, tangents: tuple[Any, ...]) -> tuple[Any, ...]:
    leaves = flatten(tangents)[0]
    filled = [leaf if t is None else t for leaf, t in zip(s.point.leaves, leaves, strict=True)]
    return tuple(s.point.spec.unflatten(filled))


def _nearby(s: Subject, out: Outcome, z: Array, args: tuple[Any, ...], place: int) -> None:
    """One random direction at a point near the point."""
    z = s.point.pack(flatten(args)[0]) / s.scale  # as rounded to its own dtypes
    v = s.rng.uniform(0.5, 1.5, s.n) * s.rng.choice([-1.0, 1.0], s.n)
    found = attempted("", lambda: s.elsewhere(args) @ v if out.ways[0].found is not None else s.forward(v, args)[s.rows])
    if found.found is None:
        out.notes.append(f"near the point there is no derivative: {found.reason}")
        return
    again = attempted("", lambda: s.elsewhere(s.at(z * (1 + 2 * s.eps))) @ v).found
    slack = np.zeros(found.found.shape) if again is None else SENSITIVITY * np.nan_to_num(np.abs(again - found.found))
    try:
        judgment = judged(lambda y: s.values(y)[s.rows], z, v, found.found, slack, s.floor, {})
    except Exception as error:  # the user's function, near the point
        out.notes.append(f"near the point: {type(error).__name__}: {error}")
        return
    out.lines.append(Along(v, None, judgment, "", 0.0, place, 1))
