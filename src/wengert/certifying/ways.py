"""Derivatives of a subject by independent ways.

What comes in: a `Subject`, and directions. What goes out, for each way: the derivative along each direction, its error, or the
reason why the way does not apply. The one idea: a way says nothing of another's; what it shares with the rules of
differentiation is in its name. Differences, the complex step and quotients in fifty digits share nothing with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert import numeric
from wengert.api import vjp
from wengert.certifying.subject import Subject
from wengert.comparison import precise
from wengert.comparison.operations import operations
from wengert.comparison.problem import Problem
from wengert.comparison.ways import DoesNotApplyError, compiled_now, symbolic
from wengert.errors import UnsupportedError, WengertError
from wengert.graph import Graph
from wengert.graph.walk import subgraphs
from wengert.staging import jit

__all__ = ["Way", "by_compiler", "by_complex_step", "by_symbols", "found_in", "in_fifty_digits", "said"]

Array = np.ndarray
Found = list[tuple[Array, Array]]  # for each direction the derivative and its error
MOST_PRECISE = 3e4  # operations in fifty digits, all together
MOST_SYMBOLIC = 1_000  # operations of formulas, all together
MOST_COMPILED = 4_000  # equations that are compiled for the check alone


@dataclass
class Way:
    """What became of a way.

    Attributes
    ----------
    name : str
    reason : str
        Why it does not apply, or what it contradicts; "" if it agrees.
    compared : int
        How many derivatives it was compared in; 0 if it does not apply.
    difference : float
        The largest difference from what is certified, relative to it, where both are known.
    error : float
        The largest error, in the same sense, that it has by its own account; 0 for ways that are exact to rounding.
    verdict : str
        "agrees", "contradicts", "cannot tell" or "does not apply".
    """

    name: str
    reason: str = ""
    compared: int = 0
    difference: float = 0.0
    error: float = 0.0
    verdict: str = "does not apply"
    found: Any = field(default=None, repr=False)


def said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    known = isinstance(error, (WengertError, DoesNotApplyError))
    return text if known and text else f"{type(error).__name__}: {text}".rstrip(": ")


def attempted(name: str, run: Callable[[], Any]) -> Way:
    """Run a way; what stands in its way becomes its reason."""
    try:
        return Way(name, found=run())
    except Exception as error:  # the user's function, run in ways that it was not written for
        return Way(name, reason=said(error))


# ---------------------------------------------------------------- ways that only evaluate

def by_complex_step(s: Subject, directions: Sequence[Array], steps: str = "") -> Way:
    """Im f(z + ih v) / h, confirmed by a difference quotient."""
    def run() -> Found:
        _refuse_steps(steps)
        if s.is_complex or any(np.iscomplexobj(s.out.leaves[k]) for k in s.out.active):
            raise DoesNotApplyError("complex numbers are moved already")
        if found_in(s, "implicit", "integral"):
            raise DoesNotApplyError("a solver in it computes with real numbers")
        if not s.double or s.eps > np.finfo(float).eps:
            raise DoesNotApplyError("the function computes in single precision")
        found = []
        for v in directions:
            e = numeric.directional_estimate(lambda z: s.values(z)[s.rows], s.z, v, method="complex")
            found.append((np.asarray(e.value), np.asarray(e.error)))
        return found
    way = attempted("complex step", run)
    way.reason = way.reason.replace("directional_estimate: ", "").partition("; use method")[0]
    return way


# ---------------------------------------------------------------- ways that read the program

def _refuse_steps(steps: str) -> None:
    """Steps that no difference sees one by one: between them every way gives the slope of AD, and says nothing of the climb."""
    if steps:
        raise DoesNotApplyError(f"the value goes in {steps}; between them it would repeat AD's answer")


def in_fifty_digits(s: Subject, directions: Sequence[Array], steps: str = "") -> Way:
    """Quotients of the values of the function's graph, in fifty digits, from both sides: its derivative rules take no part."""
    def run() -> Found:
        import mpmath
        _refuse_steps(steps)
        if s.is_complex:
            raise UnsupportedError("complex numbers are not evaluated in fifty digits")
        if not operations(s.graph) * (1 + 2 * len(directions)) <= MOST_PRECISE:
            raise DoesNotApplyError("too many operations for fifty digits")
        staged = jit(s.f).explained(s.chosen, {})  # with the decisions that it takes; a record of one run has none
        graph = staged.recorded
        if graph is None:
            raise DoesNotApplyError(staged.reason)
        if len(graph.inputs) != len(s.point.active):
            raise UnsupportedError("integers are not inputs in fifty digits")
        with mpmath.workdps(precise.DIGITS):
            inputs = [s.point.leaves[k] for k in s.point.active]
            values = [precise.precise(x) for x in inputs]
            return [_quotient(s, graph, values, v * s.scale) for v in directions]
    way = attempted("quotients in fifty digits", run)
    way.reason = way.reason.replace("No module named 'mpmath'", "mpmath is not installed")
    return way


def _quotient(s: Subject, graph: Graph, values: list[Array], v: Array) -> tuple[Array, Array]:
    """The central quotient; where the sides differ, or there is none, its error is infinite: others will say why."""
    import mpmath
    h = mpmath.mpf(10) ** -15
    parts, start = [], 0
    for x in values:
        parts.append(precise.precise(v[start:start + x.size].reshape(x.shape)))
        start += x.size

    def at(t: Any) -> Array:
        return _outputs(s, precise.evaluate(graph, [np.asarray(x + t * w, object) for x, w in zip(values, parts, strict=True)]))
    center = at(mpmath.mpf(0))
    wide, half = ((at(t) - at(-t)) / (2 * t) for t in (h, h / 4))
    bent = (at(h) - 2 * center + at(-h)) / h  # falls to h f'' where there is no kink
    found, spread, sides = (np.array([float(x) for x in row]) for row in (half, wide - half, bent))
    lost = 10 * 10.0 ** -(precise.DIGITS - 15) * _sizes(center)  # of the quotient, in the rounding of the values
    error = 2 * np.abs(spread) + 1e-15 * np.abs(found) + lost
    return found, np.where(np.abs(sides) <= 1e-9 * np.abs(found) + 1e-12 * _sizes(center), error, np.inf)


def _sizes(values: Array) -> Array:
    return np.array([abs(float(x)) for x in values])


def _outputs(s: Subject, found: list[Array]) -> Array:
    import mpmath
    flat = np.concatenate([np.ravel(x) for x in found])
    if flat.size != s.m or not all(isinstance(x, mpmath.mpf) for x in flat):
        raise UnsupportedError("its values are not real numbers in fifty digits")
    return flat if s.m == s.weights.shape[0] else s.weights.astype(object) @ flat


def by_symbols(s: Subject, directions: Sequence[Array]) -> Way:
    """A formula for each partial derivative."""
    def run() -> Found:
        if len(s.graph.equations) * s.n * s.m > MOST_SYMBOLIC:
            raise DoesNotApplyError("the formulas would be long")
        p = Problem(s.original, s.whole, s.argnums, 1) if not s.kwargs else Problem(s.f, s.chosen, range(len(s.chosen)), 1)
        partials = s.weights @ np.asarray(symbolic(p, 0).run(), float) * s.scale
        return [(partials[:, v != 0] @ v[v != 0], np.zeros(partials.shape[0])) for v in directions]
    way = attempted("symbolic", run)
    way.reason = way.reason.replace("compare: ", "")
    return way


def by_compiler(s: Subject) -> Way:
    """The gradients by reverse mode, compiled."""
    def run() -> Array:
        length = 3 * len(s.graph.equations)
        if length > MOST_COMPILED:
            raise DoesNotApplyError(f"some {length:,} equations would take a while to compile")

        cotangents = [s.cotangent(w) for w in s.weights[:2]]

        def gradients(*given: Any) -> Any:
            pullback = vjp(s.f, *given)[1]
            return [pullback(ct) for ct in cotangents]
        gradients.__qualname__ = s.title  # messages are about the user's function
        return np.array([s.pulled(found) for found in compiled_now(gradients, s.chosen)[0](*s.chosen)])
    return attempted("compiled", run)


def found_in(s: Subject, *names: str) -> str:
    """A line at which the program applies one of these primitives; "" if there is none."""
    try:
        graph = s.graph
    except Exception:  # it has no graph: then it says nothing
        return ""
    stack = [graph]
    while stack:
        g = stack.pop()
        for e in g.equations:
            if e.primitive.name in names:
                return min(g.lines.get(e, frozenset()), default=e.primitive.name)
            stack.extend(subgraphs(e))
    return ""


