"""Verdicts: what a library answered, held against the references.

What comes in: a case, its references, and the answers of a worker. What goes out: a verdict for the case, with every part that
is not exact. The one idea: the bound on the error is 64 units of rounding times one plus the condition number of that part at
that point, times the slack that the case states; nothing is judged by a tolerance that was chosen to fit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from mpmath import mp

from conformance.case import Case
from conformance.trees import direction, flat, leaves

# From the best to the worst; a case has the worst verdict of its parts.
VERDICTS = ("exact", "refused rightly", "unsupported", "refused", "dtype", "inexact", "nan", "wrong", "crash")
WRONG = 1e-3  # a relative error from which on a result is called wrong, not inexact
UNITS = 64.0


def judge(case: Case, stored: list[dict[str, Any]], given: list[dict[str, Any]]) -> dict[str, Any]:
    """The verdict of one program: `{"verdict": ..., "found": [every part that is not exact]}`."""
    found = []
    for k, (point, parts) in enumerate(zip(case.points, given)):
        for part, answered in parts.items():
            verdict = judge_part(case, point, stored[k] if stored else {}, part, answered)
            if verdict["verdict"] != "exact":
                found.append({"point": k, "part": part} | verdict)
    worst = max((f["verdict"] for f in found), key=VERDICTS.index, default="exact")
    return {"verdict": worst, "found": found}


def judge_part(case: Case, point: Any, stored: dict[str, Any], part: str, answered: dict[str, Any]) -> dict[str, Any]:
    if "error" in answered:
        if case.refusal and not answered["missing"]:
            return {"verdict": "refused rightly", "why": case.refusal}
        kind = "unsupported" if answered["missing"] else "refused"
        return {"verdict": kind, "why": f"{answered['error']}: {answered['text']}"[:200]}
    numbers = answered["numbers"]
    if case.accept is not None and part in ("gradient", "jvp"):
        return judge_choice(case, point, part, numbers)
    with mp.workdps(60):
        wanted = expected(stored, part, point)
        verdict = compare(numbers, wanted, bound(case, point, stored, part))
    kept = right_dtypes(point, part)
    if verdict["verdict"] == "exact" and kept and not set(answered["dtypes"]) <= kept:
        return {"verdict": "dtype", "why": f"{', '.join(answered['dtypes'])} in place of {' or '.join(sorted(kept))}"}
    return verdict


def judge_choice(case: Case, point: Any, part: str, numbers: list[float]) -> dict[str, Any]:
    """Where several answers are right: an element of the subdifferential, by its own test."""
    assert case.accept is not None
    if not all(map(math.isfinite, numbers)):
        return {"verdict": "nan", "why": f"{numbers}"}
    along = flat(direction(point))
    if part == "jvp" and (along.size > 1 or np.iscomplexobj(along)):  # many are right: finite is all that is asked
        return {"verdict": "exact"}
    if case.accept(np.array(numbers) / along if part == "jvp" else np.array(numbers), point):
        return {"verdict": "exact"}
    return {"verdict": "wrong", "why": f"{numbers} is no derivative here"}


def expected(stored: dict[str, Any], part: str, point: Any) -> list[Any]:
    """The reference as mpmath numbers; along the direction for a jvp."""
    if part != "jvp":
        return [mp.mpf(v) for v in stored[part]]
    along = flat(direction(point))
    if np.iscomplexobj(along):
        along = np.stack([along.real, along.imag], axis=1).ravel()
    terms = [mp.mpf(g) * mp.mpf(float(v)) for g, v in zip(stored["gradient"], along)]
    return [sum(terms, mp.zero)]


def bound(case: Case, point: Any, stored: dict[str, Any], part: str) -> float:
    """The relative error that rounding explains; for a jvp relative to the sum of its terms."""
    condition = stored["condition"].get("gradient" if part == "jvp" else part, 0.0)
    eps = max((np.finfo(np.asarray(x).dtype).eps for x in leaves(point) if np.asarray(x).dtype.kind in "fc"), default=2.0**-52)
    cancelled = 1.0
    if part == "jvp":
        total = float(abs(expected(stored, part, point)[0]))
        along = np.abs(flat(direction(point))).max(initial=1.0)
        largest = float(sum(abs(mp.mpf(g)) for g in stored["gradient"])) * along
        cancelled = largest / total if 0.0 < total < math.inf and largest < math.inf else 1.0
    return UNITS * float(eps) * (1.0 + condition) * max(cancelled, 1.0) * case.slack


def compare(numbers: list[float], wanted: list[Any], limit: float) -> dict[str, Any]:
    """The largest error relative to the largest reference; infinities have to be met exactly."""
    if len(numbers) != len(wanted):
        return {"verdict": "wrong", "why": f"{len(numbers)} numbers where there are {len(wanted)}"}
    shown = f"{[float(f'{v:.9g}') for v in numbers[:9]]}, right: {[float(mp.nstr(w, 9)) for w in wanted[:9]]}"
    scale = max((abs(w) for w in wanted if mp.isfinite(w)), default=mp.zero)
    worst = 0.0
    for got, right in zip(numbers, wanted):
        if mp.isinf(right) and got == float(right):
            continue
        if abs(right) > 1.79e308 and math.isinf(got):  # no double holds it
            continue
        if not math.isfinite(got):
            return {"verdict": "nan", "why": shown}
        if not mp.isfinite(right):
            return {"verdict": "wrong", "why": shown}
        error = abs(mp.mpf(got) - right)
        tiny = mp.mpf(2) ** -1060  # subnormal numbers are rounded absolutely
        worst = max(worst, 0.0 if error <= tiny else float(min(error / (scale or 1), mp.mpf(10) ** 300)))
    if worst <= limit:
        return {"verdict": "exact"}
    digits = max(0, int(-math.log10(worst))) if worst else 17
    return {
        "verdict": "wrong" if worst > max(WRONG, limit) else "inexact",
        "digits": digits,
        "error": float(f"{worst:.2g}"),
        "why": shown,
    }


def right_dtypes(point: Any, part: str) -> set[str]:
    """The dtypes that a derivative may have: those of the point. A number of Python is a double."""
    if part not in ("gradient", "hessian"):
        return set()
    return {str(np.asarray(x).dtype) for x in leaves(point) if np.asarray(x).dtype.kind in "fc"}
