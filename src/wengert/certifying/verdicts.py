"""From judgments to verdicts.

What comes in: a `Subject` and the `Outcome` of looking at it. What goes out: a `Certificate`. The one idea: a contradiction is
explained before it is reported; rounding (the derivative's own, modeled line by line), a gradient that was stopped on purpose
and what the linter saw are asked first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.api import vjp
from wengert.certifying import point
from wengert.certifying.lines import BESIDE, GOOD, GROSS
from wengert.certifying.point import SAMPLE, Along, Outcome
from wengert.certifying.report import LEAST_DIGITS, Certificate, Element
from wengert.certifying.subject import FEW, Subject
from wengert.certifying.ways import Way, found_in
from wengert.check import SAFETY, SLACK, rounding_floor
from wengert.flatten import flatten
from wengert.lines import short_place, source_line
from wengert.linting import LintFinding, LintReport
from wengert.nonfinite import find_nonfinite
from wengert.rounding import rounding_error

__all__ = ["another_value", "certificate", "refused", "where_not_finite"]

Array = np.ndarray
SENSITIVE = 1e-6  # a derivative that rounding moves by more, in double precision, is ill-conditioned
LOSS = 100.0  # a derivative may lose so many times what the value loses
FEW_DIGITS = 8.0  # below, the condition number is asked for
LINEAR = 1.3  # the rate of a remainder that no term of first order was taken from
WIDE = 6  # steps, down to 2e-4 of the inputs: over these a single jump that is further off counts for nothing
MISSED = 0.05  # of the climb: more than that is not certified
_KINKS = ("WG101", "WG110")
_ROUGH = ("WG102", "WG105", "WG108", "WG109")


def refused(s: Subject, verdict: str, why: str, ways: Sequence[Way], lint: LintReport | None,
            notes: Sequence[str] = ()) -> Certificate:
    """The certificate of what cannot be looked at further."""
    _settle(ways)
    findings = () if lint is None else lint.findings
    return Certificate(s.title, False, f"not certified: {verdict}: {why}", (), (), tuple(ways), (), tuple(findings), math.nan,
                       tuple(notes), s.n, s.m)


def another_value(s: Subject) -> str:
    """Where what is differentiated is not what is called: the forward part of a custom rule may give another value."""
    plain = s.out.x
    size = float(np.max(np.abs(plain), initial=0.0))
    for mode, value in s.traced.items():
        leaves, spec = flatten(value)
        seen = s.out.pack(leaves) if spec == s.out.spec else np.zeros(0)
        if seen.shape != plain.shape:
            return f"{mode} mode differentiates a value of another structure or shape than a call gives"
        with np.errstate(invalid="ignore"):
            off = np.nan_to_num(np.abs(seen - plain), nan=np.inf)
        if np.max(off, initial=0.0) > s.floor * size and np.max(off) > LOSS * max(_value_error(s) * size, _moved(s)):
            k = int(np.argmax(off))
            return f"{s.out.name(k)} is {seen[k]:.10g} when differentiated in {mode} mode, and {plain[k]:.10g} when called"
    return ""


def _moved(s: Subject) -> float:
    """By how much rounding of the inputs moves the value."""
    try:
        near = [s.values(s.z * (1.0 + t * s.eps))[:s.m] for t in (2.0, -2.0, 4.0)]
    except Exception:  # the user's function, beside the point
        return 0.0
    return float(np.nan_to_num(np.max(np.abs(np.array(near) - s.out.x))))


def certificate(s: Subject, out: Outcome, lint: LintReport | None, notes: Sequence[str]) -> Certificate:
    """Everything together."""
    found = [] if lint is None else [*lint.findings, *lint.silenced]
    elements, directions = [], []
    fine = {}  # along which lines nothing is the matter
    for along in out.lines:
        made = [_element(s, out, along, k, found) for k in range(along.judgment.claimed.size)]
        fine[id(along)] = all(e.ok for e in made)
        if along.input is not None:
            elements += made
        else:
            directions.append(_worst(made))
    notes = [*out.notes, *notes]
    _compare_ways(s, out, fine, [e for e in directions if "second order" in e.input])
    notes += _slow_remainders(out)
    worst, about = _whole(s, elements, directions, notes)
    if not worst:
        worst, about = _contradicted(out, found)
    finite = [e.digits for e in elements if e.ok and math.isfinite(e.digits)]
    least = min(finite, default=math.inf)
    condition = _condition(s) if elements and (least < FEW_DIGITS or worst in ("unreliable", "inexact", "ill-conditioned")) \
        else math.nan
    ok = worst == ""
    if ok:
        verdict = _certified(s, elements, least, condition)
    else:
        verdict = f"not certified: {worst}" + (f": {about}" if about else "")
    return Certificate(s.title, ok, verdict, tuple(elements), tuple(directions), tuple(out.ways), tuple(out.taylor),
                       () if lint is None else lint.findings, condition, tuple(notes), s.n, s.m, _curve(s, out))


def _certified(s: Subject, elements: Sequence[Element], least: float, condition: float) -> str:
    if not s.n or not s.m:
        return "certified: there is nothing to differentiate, an array is empty"
    if not math.isfinite(least):
        kinds = {e.verdict for e in elements}
        return "certified: exactly zero" if kinds == {"exact zero"} else "certified: too small to be seen beside the value"
    ill = any(e.verdict == "ill-conditioned" for e in elements)
    number = f", condition number {condition:.0e}" if math.isfinite(condition) and condition > 1e3 else ""
    border = ", from one side at the border of the domain" if any(e.verdict == "border" for e in elements) else ""
    zero = f", {sum(e.verdict == 'exact zero' for e in elements)} exactly zero" if any(
        e.verdict == "exact zero" for e in elements) else ""
    return f"certified to {int(least)} digits{' (ill-conditioned here)' * ill}{number}{border}{zero}"


# ---------------------------------------------------------------- elements

def _element(s: Subject, out: Outcome, along: Along, k: int, lint: Sequence[LintFinding]) -> Element:
    j, found = along.judgment, along.input
    unit = s.scale[found] * along.direction[found] if found is not None else 1.0
    with np.errstate(all="ignore"):
        value, reference = float(j.claimed[k] / unit), float(j.reference[k] / unit)
        off, error = abs(value - reference), float(j.error[k] / unit)
    verdict, why = str(j.verdict[k]), ""
    limited = str(j.way[k]) if error >= off else "rounding"
    size = max(abs(value), abs(reference))
    bar = max(off, error)
    if along.modes_disagree and verdict != "kink":
        verdict, why, bar = _torn(s, along, k, bar, unit)
    elif verdict in ("wrong", "inexact", "unreliable"):
        verdict, why, bar = _explained(s, out, along, k, verdict, off, bar, unit, lint)
    elif verdict == "agrees" and found is not None:
        slack = float(point.along(out.sensitivity, np.abs(along.direction))[k] / unit)
        if slack > SENSITIVE * _coarseness(s) * size:
            verdict, why, bar = "ill-conditioned", f"rounding of the inputs moves it by {slack:.0e}", max(bar, slack)
    if verdict == "ill-conditioned" and size <= j.unseen[k] / abs(unit):
        verdict = "too small"
    if verdict == "kink":
        why = _kink(along, k, unit, lint)
    elif verdict == "jump":
        why = f"the value steps here{_at(lint, ('WG102',))}"
    elif verdict == "not finite":
        what = "the function is not finite here" if math.isfinite(value) else f"it is {value}"
        why = what + _at(lint, ("WG101", "WG106"))
    elif verdict == "exact zero" and found is not None:
        cut = next((f for f in lint if _cuts(f, s.point.labels[_leaf(s, found)])), None)
        if cut is not None:
            goes = ": the function goes in steps" if cut.code == "WG105" else ""
            verdict, why = "cut off", f"{cut.what.partition(': ')[2]} ({short_place(cut.place)}){goes}"
        elif _stepped(s, found):
            verdict, why = "cut off", f"the derivative is 0, and the function goes in steps{_at(lint, ('WG102',))}"
    digits = _digits(verdict, bar, size)
    if verdict == "agrees" and found is not None and digits < LEAST_DIGITS:
        verdict, why = "unreliable", why or f"differences are unreliable here, and confirm no second digit{_at(lint, _ROUGH)}"
    return Element(_input_name(s, along), _output_name(s, along, k), value, reference, bar, digits, verdict, limited, why)


def _cuts(f: LintFinding, name: str) -> bool:
    """Whether it says that all that depends on this input is constant between jumps, or cut off."""
    return name in f.what.partition(": ")[0].split(", ") and (f.code == "WG104" or "constant between jumps" in f.why)


def _stepped(s: Subject, j: int) -> bool:
    """Whether the value is another a little aside, and the derivative is zero there too."""
    v = np.zeros(s.n)
    v[j] = 1.0
    try:
        aside = [s.z + h * v for h in (-0.01, 0.01)]
        return any(bool(np.any(s.values(z) != s.values(s.z)) and not np.any(s.reverse(s.at(z))[:, j])) for z in aside)
    except Exception:  # the user's function, beside the point
        return False


def _leaf(s: Subject, j: int) -> int:
    """Which leaf an input belongs to."""
    return s.point.active[int(np.searchsorted(np.cumsum(s.point.sizes()), j, side="right"))]


def _digits(verdict: str, bar: float, size: float) -> float:
    if verdict == "exact zero":
        return math.inf
    if verdict not in ("agrees", "ill-conditioned", "border", "inexact") or not math.isfinite(bar) or size == 0.0:
        return math.nan
    return 16.0 if bar == 0.0 else min(16.0, max(0.0, -math.log10(bar / size)))


def _input_name(s: Subject, along: Along) -> str:
    if along.input is not None:
        return s.input_name(along.input)
    return ("random direction" + (", second order" if along.order == 2 else "") + (" near the point" if along.point else ""))


def _output_name(s: Subject, along: Along, k: int) -> str:
    if along.order == 2:
        return ""
    wide = along.judgment.claimed.size > s.weights.shape[0]
    return s.component_name(k) if wide else s.row_name(k)


def _explained(s: Subject, out: Outcome, along: Along, k: int, verdict: str, off: float, bar: float, unit: float,
               lint: Sequence[LintFinding]) -> tuple[str, str, float]:
    """What a contradiction, or doubt, comes from."""
    j = along.judgment
    line = found_in(s, "stop_gradient") if verdict != "unreliable" else ""
    flat = [f for f in lint if f.code in ("WG104", "WG105")]
    if verdict in ("wrong", "unreliable") and j.claimed[k] == 0 and flat:
        what = "is that of the arm taken at this one point, which is constant" if _alone(s, along, k) else \
            "is 0, and the function goes in steps"
        return "cut off", f"the derivative {what}{_at(flat, ('WG104', 'WG105'))}", bar
    if line:
        return "cut off", f"stop_gradient ({short_place(line)}): by design not the derivative of the function", bar
    rounding = _rounding(s, along, k) / abs(unit)
    lost = verdict == "inexact" and off <= LOSS * _value_error(s) * abs(float(j.claimed[k] / unit))
    if lost:
        return "ill-conditioned", f"the value itself is known to a part in {1 / _value_error(s):.0e} only", bar
    if off <= 8.0 * rounding and (verdict != "unreliable" or rounding > SENSITIVE * abs(float(j.claimed[k] / unit))):
        why = f"rounding in the derivative is some {rounding:.0e}{_at(lint, ('WG107',))}"
        return "ill-conditioned", why, max(bar, rounding)
    if along.order == 2 and verdict == "wrong" and (np.max(s.scale) > 1e100 or np.min(s.scale) < 1e-100):
        return "unreliable", "at this size second derivatives overflow or underflow", bar
    if verdict == "unreliable":
        steps = f" (the value goes in steps of {j.stairs[k]:.0e})" if j.stairs[k] else ""
        return verdict, f"differences are unreliable here{steps}, the ways of AD agree{_at(lint, _ROUGH)}", bar
    reference = float(j.reference[k] / unit)
    said = f"by {j.way[k]} it is {reference:.10g} ± {float(j.error[k] / abs(unit)):.0e}"
    if verdict in ("wrong", "inexact") and s.solver[0]:
        extent = j.unseen[k] / BESIDE  # what the solver misses it may miss a step further on, with the other sign
        blur = s.solver[1] * (LOSS * abs(reference) + SAFETY * extent / float(j.step[k] * abs(unit)))
        if off <= blur:
            return (*_solved(s, off <= GROSS * abs(reference)), bar)
    if verdict == "inexact":
        said += "; more than rounding: an iteration that ends early, or a rule that is not exact" + _at(lint, ("WG108",))
    return verdict, said, bar


def _alone(s: Subject, along: Along, k: int) -> bool:
    """Whether the derivative that is 0 here is not a little aside, on both sides, and the value does not step."""
    if along.point or along.order == 2 or k >= s.weights.shape[0]:
        return False
    try:
        beside = [s.reverse(s.at(s.z + h * along.direction))[k] @ along.direction for h in (-1e-6, 1e-6)]
    except Exception:  # the user's function, beside the point
        return False
    return all(x != 0.0 for x in beside)


def _solved(s: Subject, close: bool) -> tuple[str, str]:
    """What is explained by the tolerance of a solver."""
    line, tolerance = s.solver
    place = f"at {short_place(line)}, {tolerance:.0e}"
    return ("agrees", f"to the tolerance of the solver {place}") if close else (
        "unreliable", f"more than four digits, but no more than the tolerance of the solver {place}, explains; tighten it")


def _torn(s: Subject, along: Along, k: int, bar: float, unit: float) -> tuple[str, str, float]:
    """Forward and reverse mode disagree: by rounding, or because a rule is wrong."""
    rounding = _rounding(s, along, k)
    size = float(np.abs(along.judgment.claimed[k]))
    bar = max(bar, along.apart / abs(unit))
    confirmed = along.judgment.verdict[k] in GOOD and along.apart <= SENSITIVE * _coarseness(s) * size
    if confirmed or along.apart <= 8.0 * rounding or along.apart <= LOSS * _value_error(s) * size:
        return "ill-conditioned", f"{along.modes_disagree}: rounding", bar
    if along.apart <= LOSS * s.solver[1] * size:
        return (*_solved(s, along.apart <= GROSS * size), bar)
    return "inexact" if along.apart <= GROSS * size else "wrong", along.modes_disagree, bar


def _coarseness(s: Subject) -> float:
    """How much coarser than double precision the program computes."""
    return max(1.0, s.floor / rounding_floor(float))


def _rounding(s: Subject, along: Along, k: int) -> float:
    """The rounding error of a derivative along a line, modeled; 0 where there is no model."""
    if along.order == 2 or s.is_complex:
        return 0.0
    rows = along.judgment.claimed.size == s.weights.shape[0]
    weights = s.weights[k] if rows else s.weights[0] if k >= s.m else np.eye(1, s.m, k)[0]
    tangents, cotangent = flatten(s.tangents(along.direction))[0], s.cotangent(weights)

    def slope(*given: Any) -> Any:
        pulled = flatten(vjp(s.f, *given)[1](cotangent))[0]
        return sum([np.sum(c * t) for c, t in zip(pulled, tangents, strict=True) if c is not None and t is not None])
    try:
        return float(rounding_error(slope, *s.chosen).estimate)
    except Exception:  # no model of an operation, or no graph
        return 0.0


def _kink(along: Along, k: int, unit: float, lint: Sequence[LintFinding]) -> str:
    before, after = (float(q[k] / unit) for q in (along.judgment.before, along.judgment.after))
    value = float(along.judgment.claimed[k] / unit)
    if unit < 0:
        before, after = after, before
    size = max(abs(before), abs(after))
    given = "that on the right is given" if abs(value - after) <= 1e-6 * size else \
        "that on the left is given" if abs(value - before) <= 1e-6 * size else f"{value:.6g}, between them, is given"
    return f"slopes {before:.6g} on the left and {after:.6g} on the right; {given}{_at(lint, _KINKS)}"


def _at(lint: Sequence[LintFinding], codes: Sequence[str]) -> str:
    """The linter's findings with these codes, by line."""
    found = [f for f in lint if f.code in codes]
    if not found:
        return ""
    return "".join([f"; {f.code} {f.what}" + (f" at {short_place(f.place)}" if f.place else "") for f in found[:2]])


def _worst(made: Sequence[Element]) -> Element:
    return min(made, key=lambda e: e.rank)


# ---------------------------------------------------------------- the whole

def _whole(s: Subject, elements: Sequence[Element], directions: Sequence[Element], notes: list[str]) -> tuple[str, str]:
    """The worst verdict, "" if there is none, and what it is about."""
    if s.faults:
        return s.faults[0]
    bad = [e for e in elements if not e.ok]
    everywhere = s.n <= SAMPLE
    for e in directions:
        second, near = "second order" in e.input, "near the point" in e.input
        if e.ok:
            continue
        if e.verdict in ("wrong", "cut off") and not (second and bad):
            bad.append(e)
        elif not second and not near and not (everywhere and e.verdict in ("unreliable", "ill-conditioned")):
            bad.append(e)
        else:
            notes.append(f"{e.input}: {e.verdict}" + (f": {e.why}" if e.why else ""))
    if not bad:
        return "", ""
    worst = min(bad, key=lambda e: e.rank)
    alike = sum(e.verdict == worst.verdict for e in bad)
    more = f", and {alike - 1} more" if alike > 1 else ""
    return worst.verdict, f"{worst.name}{': ' if worst.why else ''}{worst.why}{more}"


def _contradicted(out: Outcome, lint: Sequence[LintFinding]) -> tuple[str, str]:
    """Whether a function that jumps, or is rough, climbs steadily over wide steps, and otherwise than its derivative says."""
    jumps = any(f.code == "WG102" for f in lint)
    if not out.taylor or len(out.taylor[0].rates) < 2 or not (jumps or out.taylor[0].rates[1] < LINEAR):
        return "", ""
    test = out.taylor[0]
    climb, missed = (row[3:WIDE] / test.steps[3:WIDE] for row in test.remainders[:2])
    if not np.max(climb) <= 1.1 * np.min(climb) or not np.min(missed) > MISSED * np.max(climb):
        return "", ""
    return "unreliable", (f"over wide steps the derivative misses {100 * np.min(missed) / np.max(climb):.0f} % of the climb"
                          + _at(lint, ("WG102",)))


def _slow_remainders(out: Outcome) -> list[str]:
    """Of the second order, where the first has the rate that it should have."""
    rates = [t.rates[2] for t in out.taylor if len(t.rates) > 2 and t.rates[1] >= 2.0 - SLACK and t.rates[2] < 2.5]
    return [f"second derivatives are not certified: a Taylor remainder of second order falls with the rate {rates[0]:.2f}, "
            "and 3 is expected"] if rates else []


def _compare_ways(s: Subject, out: Outcome, fine: dict[int, bool], second: Sequence[Element]) -> None:
    """What each way gives beside what is certified."""
    lines = [a for a in out.lines if a.input is not None and a.order == 1 and a.point == 0][:len(out.sampled)]
    for way in out.ways:
        if way.found is None:
            continue
        way.verdict = "agrees"
        if way.name == "compiled":
            rows = out.gradient[:way.found.shape[0]]
            found = [point.along(way.found, a.direction) for a in lines]
            claimed = [point.along(rows, a.direction) for a in lines]
            _compare(s, out, way, fine, [*zip(found, claimed, lines, strict=True)])
        elif isinstance(way.found, list):
            _compare(s, out, way, fine, [(pair[0], a.judgment.claimed, a) for pair, a in zip(way.found, lines, strict=False)])
            errors = [_relative(e, v) for v, e in way.found]
            way.error = max(errors, default=0.0)
        elif way.name == "forward mode":
            way.compared = len(lines)
            disagree = [a.modes_disagree for a in out.lines if a.modes_disagree and not fine[id(a)]]
            way.difference = max([_relative(np.array(a.apart), a.judgment.claimed) for a in out.lines if a.apart], default=0.0)
            if disagree:
                way.verdict, way.reason = "contradicts", disagree[0]
    firsts = [a for a in out.lines if a.order == 1 and a.point == 0]
    if firsts:
        out.ways.insert(2, _differences(firsts, fine))
    _settle([w for w in out.ways if w.found is None and w.name != "Richardson differences"])
    for way in out.ways:
        if way.name.startswith("forward over") and way.found is not None and second:
            e = second[0]
            way.compared, way.difference = 1, abs(e.value - e.reference) / abs(e.value) if e.value else 0.0
            way.verdict = "contradicts" if e.verdict in ("wrong", "cut off") else "agrees" if e.ok else "cannot tell"
            way.reason = "" if way.verdict == "agrees" else f"differences of gradients: {e.verdict}"


def _differences(lines: Sequence[Along], fine: dict[int, bool]) -> Way:
    way = Way("Richardson differences", compared=len(lines))
    offs = []
    for a in lines:
        j = a.judgment
        with np.errstate(invalid="ignore"):
            off, size = np.abs(j.claimed - j.differences), np.fmax(np.abs(j.claimed), np.abs(j.differences))
            known = (j.spread <= 0.1 * size) & (size > 0)
        offs += [*(off[known] / size[known])]
    way.difference = float(max(offs, default=math.nan))
    bad = [v for a in lines for v in a.judgment.verdict if v not in GOOD and not fine[id(a)]]
    wrong = [v for v in bad if v in ("wrong", "inexact")]
    way.verdict = "contradicts" if wrong else "cannot tell" if bad or not (offs or _all_zero(lines)) else "agrees"
    way.difference = 0.0 if math.isnan(way.difference) else way.difference
    if bad and not wrong:
        way.reason = ", ".join(dict.fromkeys(bad))
    return way


def _all_zero(lines: Sequence[Along]) -> bool:
    return all(v in GOOD for a in lines for v in a.judgment.verdict)


def _compare(s: Subject, out: Outcome, way: Way, fine: dict[int, bool],
             pairs: Sequence[tuple[Array, Array, Along]]) -> None:
    """The largest difference, and whether it is more than rounding."""
    for values, claimed, along in pairs:
        way.compared += 1
        with np.errstate(invalid="ignore"):
            off, size = np.abs(values - claimed), np.abs(claimed)
        rows = slice(0, values.size)
        slack = point.along(out.sensitivity[rows], np.abs(along.direction))
        both = np.isfinite(values) & np.isfinite(claimed)
        way.difference = max(way.difference, _relative(off[both], size[both]))
        spread = point.along(np.abs(out.gradient[rows]), np.abs(along.direction))
        bad = (off > SAFETY * slack + s.floor * np.fmax(spread, np.abs(values))) & (along.judgment.verdict[rows] != "kink")
        bad |= np.isfinite(values) != np.isfinite(claimed)
        if isinstance(way.found, list):  # with an error of its own
            bad &= off > SAFETY * np.nan_to_num(way.found[way.compared - 1][1], nan=np.inf)
        if np.any(bad) and way.verdict == "agrees" and not fine[id(along)]:
            k = int(np.argmax(bad))
            way.verdict = "contradicts"
            here, there = (x[k] / _unit(s, along) for x in (values, claimed))
            way.reason = f"{_input_name(s, along)}: {here:.10g} instead of {there:.10g}"


def _unit(s: Subject, along: Along) -> float:
    return 1.0 if along.input is None else float(s.scale[along.input] * along.direction[along.input])


def _relative(off: Array, size: Array) -> float:
    top = float(np.max(np.abs(size), initial=0.0))
    largest = float(np.max(np.abs(off), initial=0.0))
    return largest / top if top and math.isfinite(largest) else 0.0


def _settle(ways: Sequence[Way]) -> None:
    for way in ways:
        way.verdict = "does not apply" if way.found is None else way.verdict


def _value_error(s: Subject) -> float:
    """The rounding error of the value, modeled, relative to it, in which a derivative may share; 0 where there is no model."""
    if s.is_complex:
        return 0.0
    try:
        found = rounding_error(s.f, *s.chosen, cotangent=None if s.m <= FEW else s.cotangent(s.weights[0]))
        return float(np.max(np.abs(found.estimate)) / np.max(np.abs(found.value)))
    except Exception:  # no model of an operation, or no graph
        return 0.0


def _condition(s: Subject) -> float:
    """Σ|∂f/∂x x| / |f|, the largest over the arguments."""
    if s.is_complex:
        return math.nan
    try:
        cotangent = None if s.m <= 64 else s.cotangent(s.weights[0])
        found = rounding_error(s.f, *s.chosen, cotangent=cotangent)
        return max([float(x) for x in found.inputs.values()], default=math.nan)
    except Exception:  # no model of an operation, or no graph
        return math.nan


def _curve(s: Subject, out: Outcome) -> Any:
    """Errors of quotients along a random direction, of the first row, against their steps: for the picture."""
    if out.probe is None or not s.n or not out.gradient.size:
        return None
    v = out.probe
    claimed = float(out.gradient[0] @ v)
    steps = 10.0 ** -np.arange(0.5, 14.1, 0.5)

    def at(t: float) -> float:
        try:
            return float(s.values(s.z + t * v)[s.rows][0])
        except Exception:  # beyond the domain
            return math.nan
    center = at(0.0)
    with np.errstate(all="ignore"):
        forward = np.array([abs((at(h) - center) / h - claimed) for h in steps])
        central = np.array([abs((at(h) - at(-h)) / (2 * h) - claimed) for h in steps])
    return steps, forward, central, abs(claimed)


def where_not_finite(s: Subject) -> str:
    """The line that first made it so."""
    try:
        found = find_nonfinite(s.f, *s.chosen)
    except Exception:  # no graph, or an output that is no number
        return ""
    if found is None:
        return ""
    place = f" at {short_place(found.place)}: {source_line(found.place)}" if found.place else ""
    return f"{found.applied}, in the {found.passed} pass{place}" if found.operation else str(found)
