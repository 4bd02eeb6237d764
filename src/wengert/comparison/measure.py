"""Each way, run and measured; and what they are all held against.

What comes in: a `Problem` and the table of ways. What goes out: an `Attempt` for each, and a `Reference`. The one idea: the
reference owes nothing to what it judges. It is the derivative's graph in fifty digits, confirmed by a difference quotient of
the function's graph in fifty digits; failing that, two exact modes that agree with each other and with differences.
"""

from __future__ import annotations

import contextlib
import math
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert import numeric
from wengert.api import grad, hessian, jacrev
from wengert.check import SAFETY, rounding_floor
from wengert.comparison import precise
from wengert.comparison.operations import operations
from wengert.comparison.problem import Problem
from wengert.comparison.ways import Attempt, DoesNotApplyError, Plan, Way
from wengert.errors import UnsupportedError, WengertError

__all__ = ["Reference", "attempt", "at_size", "default_sizes", "reference_for"]

Array = np.ndarray
PATIENCE = 3.0  # seconds that one run of a way may take, as foreseen
BRIEF = 0.3  # seconds that a run may take to be repeated for its memory, or at another size
LOOK = 0.02  # seconds that the clock watches short runs
VAGUE = 0.1  # the error of a quotient, as a part of the derivative and the value, that confirms nothing
SLOWEST_DIGITS = 5e5  # operations that are done in fifty digits


def attempt(way: Way, p: Problem, seed: int) -> Attempt:
    """Run one way and measure it; what stands in its way becomes its reason."""
    found = Attempt(way)
    try:
        plan = way.plan(p, seed)
        if plan.seconds > PATIENCE:
            what = f"about {plan.evaluations:,.0f} evaluations" if plan.operations is None else f"{p.length:,} equations"
            raise DoesNotApplyError(f"{what} would take some {plan.seconds:,.0f} s")
        found.value, found.spread, found.evaluations, took = _run(plan, p)
        if BRIEF / 4 < took < 4 * BRIEF:  # the first run may have had to import something
            took = min(took, _run(plan, p)[3])
        found.memory = _peak(plan.run) if plan.memory is None and took < BRIEF else plan.memory
        found.seconds = _clock(plan.call or plan.run, took)
        found.operations = _operations(plan, p, found.evaluations)
        found.sizes[p.n] = _row(found)
    except DoesNotApplyError as error:
        found.reason = str(error)
    except Exception as error:  # the user's function, run in ways that it was not written for
        found.reason = _said(error)
    return found


def _row(found: Attempt) -> dict[str, float]:
    return {"evaluations": found.evaluations, "operations": found.operations, "seconds": found.seconds}


def _run(plan: Plan, p: Problem) -> tuple[Array, Array | None, int, float]:
    """The derivative, its standard error, evaluations and seconds of one run."""
    before = p.calls
    with _quiet():
        begun = time.perf_counter()
        out = plan.run()
        took = time.perf_counter() - begun
    evaluations = p.calls - before if plan.operations is None else int(plan.evaluations)
    value, spread = out if isinstance(out, tuple) else (out, None)
    return value, spread, evaluations, took


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def _said(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, WengertError) and text else f"{type(error).__name__}: {text}"


def _operations(plan: Plan, p: Problem, evaluations: int) -> float:
    if plan.operations is None:
        return evaluations * p.cost
    try:
        return plan.operations()
    except Exception:  # it ran; that it cannot be counted is no reason to hide it
        return math.nan


def _peak(run: Callable[[], Any]) -> int:
    """The most bytes at once in a run; what was there before does not count."""
    was_on = tracemalloc.is_tracing()
    if not was_on:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        run()
        return max(0, tracemalloc.get_traced_memory()[1] - before)
    finally:
        if not was_on:
            tracemalloc.stop()


def _clock(run: Callable[[], Any], took: float) -> float:
    """Seconds of a run: the least of a few, of runs long enough for the clock."""
    if took > BRIEF / 4:
        return took
    repeat, best, spent = 1, took, 0.0
    with _quiet():
        while spent < LOOK:
            begun = time.perf_counter()
            for _ in range(repeat):
                run()
            once = time.perf_counter() - begun
            best, spent = min(best, once / repeat), spent + once
            if once < LOOK / 10:
                repeat *= 4
    return best


# ---------------------------------------------------------------- other sizes

def default_sizes(p: Problem) -> list[int]:
    """Half, once and twice the length of the longest axis; none for scalars."""
    n = p.longest
    return sorted({max(2, n // 2), n, 2 * n}) if n > 1 else []


def at_size(found: Attempt, p: Problem, seed: int) -> None:
    """Measure a way at another size, unless that would take long."""
    try:
        plan = found.way.plan(p, seed)
        growth = max(1.0, p.n / max(found.sizes))
        if found.seconds * growth ** 2 > 2 * BRIEF or plan.seconds > PATIENCE:
            return
        there = Attempt(found.way)
        _, _, there.evaluations, took = _run(plan, p)
        there.seconds = _clock(plan.call or plan.run, took)
        there.operations = _operations(plan, p, there.evaluations)
        found.sizes[p.n] = _row(there)
    except Exception:  # at this size it does not run, and so has no place in the fit
        return


# ---------------------------------------------------------------- the reference

@dataclass
class Reference:
    """What errors are taken from: its value, how it was found, and how far it may be off."""

    value: Array
    method: str
    error: float
    note: str = ""


def reference_for(p: Problem, attempts: Sequence[Attempt]) -> Reference:
    """The best derivative that there is to compare with."""
    try:
        return _in_many_digits(p)
    except ImportError:
        note = "mpmath is not installed"
    except (ArithmeticError, AttributeError, TypeError, ValueError, WengertError) as error:
        note = " ".join(str(error).split()) or type(error).__name__
    agreed = _agreed(p, attempts)
    if agreed is not None:
        agreed.note = "; ".join([said for said in (note, agreed.note) if said])
        return agreed
    exact = [a.value for a in attempts if a.value is not None and a.way.claims == "exact" and a.way.kind != "differences"]
    if exact and not any(np.all(np.isfinite(value)) for value in exact):
        return Reference(exact[-1], "none: the derivative is not finite here", math.nan,
                         "wg.explain, wengert explain show where that arises")
    estimate = numeric.jacobian_estimate if p.order == 1 else numeric.hessian_estimate
    with np.errstate(all="ignore"):
        found = estimate(p.vector, p.x, method="richardson")
    return Reference(p.shaped(found.value), "Richardson extrapolation", float(np.max(found.error, initial=0.0)), note)


def _in_many_digits(p: Problem) -> Reference:
    import mpmath
    places = tuple(range(len(p.argnums)))
    if p.order == 1:
        transform = (lambda f: grad(f, places)) if p.scalar else (lambda f: jacrev(f, places))
    else:
        def transform(f: Any) -> Any:
            return hessian(f, places)
    plain = p.graph
    if p.n ** p.order * p.m > 1e5 or p.cost * (p.m + p.n * (p.order - 1) + 2) > SLOWEST_DIGITS:
        raise UnsupportedError("too many operations for fifty digits")
    derived = p.graph_of(transform)
    if operations(derived) > SLOWEST_DIGITS:
        raise UnsupportedError("too many operations for fifty digits")
    with mpmath.workdps(precise.DIGITS):
        inputs = [precise.precise(x) for x in p.inputs()]
        blocks = [np.asarray(b) for b in precise.evaluate(derived, inputs)]
        value = p.packed(tuple(blocks), p.order)
        if not all(isinstance(x, mpmath.mpf) for x in value.ravel()):
            raise UnsupportedError("the derivative is not a real number")
        note = _confirm(p, plain, inputs, value)
        return Reference(value.astype(float), f"{precise.DIGITS} digits", 0.0, note)


def _confirm(p: Problem, graph: Any, inputs: list[Array], value: Array) -> str:
    """Hold the derivative against quotients on both sides, along a direction that no input is absent from; say what is odd."""
    import mpmath
    rng = np.random.default_rng(1)
    v = [precise.precise(rng.uniform(0.5, 1.5, np.shape(x))) for x in inputs]
    flat = np.concatenate([np.ravel(x) for x in v])
    h = mpmath.mpf(10) ** (-15 if p.order == 1 else -12)

    def at(t: Any) -> Array:
        moved = [x + t * w for x, w in zip(inputs, v, strict=True)]
        return np.ravel(precise.evaluate(graph, [np.asarray(x, object) for x in moved])[0])
    after, here, before = at(h), at(0), at(-h)
    along = value @ flat if p.order == 1 else (value @ flat) @ flat
    left, right = ((here - before) / h, (after - here) / h) if p.order == 1 else ((after - 2 * here + before) / h ** 2,) * 2
    slack = mpmath.mpf(10) ** -9 * max(mpmath.mpf(1), *np.abs(left), *np.abs(right))
    for a, b, d in zip(left, right, along, strict=True):
        if not min(a, b) - slack <= d <= max(a, b) + slack:
            raise ValueError(f"difference quotients give {mpmath.nstr(a, 8)} and {mpmath.nstr(b, 8)} where the derivative is "
                             f"{mpmath.nstr(d, 8)}")
    if np.any(np.abs(right - left) > 4 * slack):
        return "there is a kink here; the exact ways give an element of the subdifferential, and differences what they see"
    return ""


def _agreed(p: Problem, attempts: Sequence[Attempt]) -> Reference | None:
    """Two exact modes that agree with each other and, along a direction, with differences."""
    exact = [a for a in attempts if a.value is not None and a.way.kind in ("forward", "reverse", "mixed")
             and a.way.claims == "exact" and np.all(np.isfinite(a.value))]
    if len({a.way.name.partition(",")[0] for a in exact}) < 2:
        return None
    chosen = exact[-1].value
    assert chosen is not None
    scale = float(np.max(np.abs(chosen), initial=0.0))
    off = max(float(np.max(np.abs(a.value - chosen), initial=0.0)) for a in exact if a.value is not None)
    floor = rounding_floor(p.dtype)
    if off > 10 * floor * scale:
        return None
    v = np.random.default_rng(1).uniform(0.5, 1.5, p.n) * np.maximum(np.abs(p.x), 1e-3)
    with np.errstate(all="ignore"):
        found = numeric.directional_estimate(p.vector, p.x, v.astype(p.x.dtype), order=p.order, method="richardson")
    along = chosen @ v if p.order == 1 else (chosen @ v) @ v
    size = np.abs(chosen) @ np.abs(v) if p.order == 1 else np.abs(chosen) @ np.abs(v) @ np.abs(v)
    if not np.all(np.abs(np.ravel(found.value) - along) <= SAFETY * np.ravel(found.error) + floor * size):
        return None
    method = f"{exact[-1].way.name}, with which {exact[0].way.name} agrees"
    if np.all(np.ravel(found.error) <= VAGUE * (size + np.abs(np.ravel(p.value)))):
        return Reference(chosen, f"{method}, and differences", off)
    return Reference(chosen, method, off, "differences do not converge here, as at a jump, and confirm nothing")
