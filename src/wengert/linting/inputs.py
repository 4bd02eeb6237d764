"""Inputs that do not count: never used, cut off, or without any slope where the point lies.

What comes in: a `Point`. What goes out: WG103 to WG105, WG109 for random draws, WG111. The one idea: the graph says what an
output depends on and by what way; whether a slope of zero holds beside the point, too, is tried out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from wengert.backends.interpret import Program
from wengert.frontends.reach import unwritten
from wengert.graph import Const, Equation, Graph, Var
from wengert.linting.decisions import usual
from wengert.linting.point import Point, is_float
from wengert.linting.report import LintFinding

__all__ = ["draws", "inputs", "unwritten_memory"]

_CONVERSIONS = {"convert", "truncate", "stop_gradient"}
_STORE = re.compile(r" at (\S[^()]*:\d+) changes ")  # where a staged function would change what was made outside
_REGION = (1e-2, 1e-4)  # how far beside the point the result must be the same


def inputs(p: Point) -> list[LintFinding]:
    """What is wrong with each input that is differentiated."""
    found: dict[tuple[str, str, str], list[str]] = {}
    texts: dict[tuple[str, str, str], tuple[str, str]] = {}
    for k, (v, name) in enumerate(zip(p.active, p.names, strict=True)):
        for code, place, what, why, remedy in _input(p, k, v):
            found.setdefault((code, place, what), []).append(name)
            texts[code, place, what] = (why, remedy)
    return [LintFinding(code, place, f"{', '.join(names)}: {what}", *texts[code, place, what])
            for (code, place, what), names in found.items()]


def _input(p: Point, k: int, v: Var) -> Iterator[tuple[str, str, str, str, str]]:
    if not v.type.size:
        return
    if v not in p.used:
        if p.staged is None and _matters(p, k):
            yield ("WG104", p.place, "cut off by a conversion",
                   "the result changes with it, and no traced operation leads there: int(x), bool(x), x.item() or a "
                   "branch took a plain value of it, and the derivative is 0",
                   "keep it a float; where a branch decides, let both arms depend on it")
        elif p.staged is not None or p.repeats:
            yield ("WG103", p.place, "never reaches the output", "the result does not depend on it at all; its gradient is 0",
                   "leave it out of what is differentiated (argnums), or use it")
        return
    gradient = p.gradients.get(v)
    if gradient is None:
        yield from _cut(p, v)
    elif not np.any(gradient) and p.is_finite and _is_flat(p, k):
        e = _dead(p, k, v)
        yield ("WG105", p.at(e) if e is not None else p.place, f"no slope past {usual(e)}" if e is not None else "no slope",
               "the gradient is exactly 0, and the result is the same all around the point: no step of an optimizer, and no "
               "difference, finds a way from here", "start elsewhere, or take a form that slopes everywhere (a leaky or smooth "
               "ramp, a penalty in the place of a bound)")


def _cut(p: Point, v: Var) -> Iterator[tuple[str, str, str, str, str]]:
    """An input that the output depends on, and by no differentiable way."""
    smooth = p.reached_from([v], differentiably=True)
    ends = [e for e in p.graph.equations if any(o in smooth and is_float(o) for o in e.operands)
            and any(r in p.used for r in e.results) and not any(r in smooth for r in e.results)]
    conversions = [e for e in ends if e.primitive.name in _CONVERSIONS]
    for e in conversions:
        how = "wg.stop_gradient" if e.primitive.name == "stop_gradient" else f"the conversion to {_kind(e)}"
        remedy = ("leave stop_gradient out, or the input out of what is differentiated" if e.primitive.name == "stop_gradient"
                  else "keep it a float; where an index is meant, interpolate between the entries beside it")
        yield ("WG104", p.at(e), f"cut off by {how}",
               "the result depends on it by this line alone, and the derivative ends here: it is 0", remedy)
    if ends and not conversions:
        yield ("WG105", p.at(ends[0]), f"no slope past {usual(ends[0])}",
               "the result depends on it only by what is constant between jumps: the gradient is exactly 0 wherever it exists",
               "a smooth form (a sigmoid for a comparison, x itself for its rounding), or wg.custom_jvp with the slope that is "
               "meant")


def _matters(p: Point, k: int) -> bool:
    """Whether the function itself gives something else when an input changes that its graph does not use."""
    for t in (0.5, 0.1, -0.1, -0.5):
        out = p.result_at((p.alone(k), t))
        if out is not None and any(a.shape != b.shape or np.any(a != b) for a, b in zip(out, p.result, strict=True)):
            return True
    return False


def _kind(e: Equation) -> str:
    dtype = e.results[0].type.dtype
    return "truth values" if dtype.kind == "b" else "integers"


def _is_flat(p: Point, k: int) -> bool:
    """Whether the result is the very same all around the point."""
    for t in _REGION:
        for sign in (1.0, -1.0):
            out = p.result_at((p.alone(k), sign * t))
            if out is None or not all(np.array_equal(a, b) for a, b in zip(out, p.result, strict=True)):
                return False
    return True


def _dead(p: Point, k: int, v: Var) -> Equation | None:
    """The operation at which the movement of an input ends."""
    env = p.beside((p.alone(k), _REGION[0]))
    reach = p.reached_from([v], differentiably=True)

    def moves(a: Any) -> bool:
        return isinstance(a, Var) and a in reach and not np.array_equal(p.env[a], env[a])
    ends = [e for e in p.graph.equations if any(map(moves, e.operands)) and any(r in p.used for r in e.results)
            and e.primitive.differentiable and any(map(is_float, e.results)) and not any(map(moves, e.results))]
    return ends[0] if ends else None


def unwritten_memory(p: Point) -> list[LintFinding]:
    """Entries of ``np.empty`` that the result depends on: written with two other numbers, they make it another."""
    found = []
    for e in p.graph.equations:
        for o in e.operands:
            if not isinstance(o, Const) or o.value.dtype.kind not in "fciu" or not o.value.size:
                continue
            mark = o.value == unwritten(o.value.dtype)
            if np.any(mark) and any(r in p.used for r in e.results) and _is_read(p, e, o, mark):
                found.append(LintFinding(
                    "WG111", p.at(e), "uninitialized memory",
                    "entries of np.empty that were never written to reach the result, which is whatever memory held",
                    "np.zeros for np.empty, or write every entry before it is read"))
    return list({f.place: f for f in reversed(found)}.values())[-1:]


def _is_read(p: Point, e: Equation, o: Const, mark: Any) -> bool:
    results = []
    for x in (1.0, 2.0):
        other = Const(np.where(mark, x, o.value).astype(o.value.dtype))
        equations = [Equation(q.primitive, tuple([other if a is o else a for a in q.operands]), q.params, q.results)
                     for q in p.graph.equations]
        results.append(Program(Graph(p.graph.inputs, tuple(equations), p.outputs))(*[p.env[v] for v in p.graph.inputs]))
    return any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(*results, strict=True))


def draws(p: Point) -> list[LintFinding]:
    """Random draws that the result depends on."""
    found = [(min(place, default=""), f"random draw ({name})") for place, name, results in p.draws
             if p.draws_anew and any(r in p.used for r in results)]
    kept = next((known for note in p.notes if (known := _STORE.search(note))), None) if p.staged is None else None
    if p.staged is None and not p.repeats and kept is None:
        found.append((p.place, "a second call gives something else"))
    if kept is not None and not p.repeats:
        return [LintFinding(
            "WG109", kept[1], "a second call gives something else",
            "each call changes what the next one reads: values at two points differ by it, so differences, line searches and "
            "checks compare two functions", "pass what is kept as an argument, and return what becomes of it")]
    return [LintFinding(
        "WG109", place, what,
        "each call draws anew: values at two points differ by the draw, so differences, line searches and checks compare two "
        "functions", "draw outside and pass the numbers as an argument, or use wg.random with a key")
        for place, what in found]
