"""Cancellation: digits that a formula loses and another form keeps.

What comes in: a `Point`. What goes out: WG107. The one idea: the operands of every subtraction are at hand; a loss counts if
rounded operands leave less than half their digits, or if a formula is known that loses none, and if the result depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from wengert.graph import Atom, Const, Equation, Var
from wengert.linting.point import Point, is_float
from wengert.linting.report import LintFinding, merged
from wengert.rounding_model import exact

__all__ = ["cancellation"]

_FORM = 1e-4  # four digits lost, where a formula is known that loses none
_COPIES = {"reshape", "broadcast", "transpose", "index", "convert", "squeeze"}
_SQUARES = {"square", "integer_power", "multiply", "contract", "absolute", "root"}


def cancellation(p: Point) -> list[LintFinding]:
    found: list[LintFinding] = []
    for e in p.graph.equations:
        if e.results and e.results[0] in p.used and is_float(e.results[0]) and e.results[0].type.dtype.kind == "f":
            found += _found(p, e)
    return merged(found)


def _found(p: Point, e: Equation) -> Iterator[LintFinding]:
    known = _RULES.get(e.primitive.name)
    said = known(p, e) if known is not None else None
    if said is not None:
        what, why, remedy = said
        yield LintFinding("WG107", p.at(e), what, why + p.turn(e), remedy)


Said = tuple[str, str, str] | None


def _maker(p: Point, a: Atom, *names: str) -> Equation | None:
    """The equation of one of these primitives that made a value, copies left aside."""
    while isinstance(a, Var) and a in p.makers:
        e = p.makers[a]
        if e.primitive.name in names:
            return e
        if e.primitive.name not in _COPIES:
            return None
        a = e.operands[0]
    return None


def _is_one(a: Atom) -> bool:
    return _is_all(a, 1.0)


def _is_all(a: Atom, number: float) -> bool:
    return isinstance(a, Const) and a.value.size > 0 and bool(np.all(a.value == number))


def _small(p: Point, a: Atom) -> float:
    """The smallest entry that is not 0, in size; 1 if there is none."""
    x = np.abs(np.asarray(p.value(a)))
    x = x[(x != 0) & np.isfinite(x)]
    return float(np.min(x)) if x.size else 1.0


def _digits(loss: float) -> str:
    return f"{-np.log10(loss):.0f} digits"


# ---------------------------------------------------------------- known forms

def _log(p: Point, e: Equation) -> Said:
    inner = _maker(p, e.operands[0], "add", "subtract", "reduce_sum")
    if inner is None:
        return None
    if inner.primitive.name == "reduce_sum":
        return _log_sum_exp(p, inner)
    ones = [_is_one(o) for o in inner.operands]
    if not any(ones) or (inner.primitive.name == "subtract" and not ones[0]):
        return None
    u = inner.operands[1 if ones[0] else 0]
    loss = _small(p, u)
    if loss > _FORM or u not in p.moving:
        return None
    sign = "-" if inner.primitive.name == "subtract" else ""
    return ("log(1 + u) for a small u" if not sign else "log(1 - u) for a small u",
            f"u is {loss:.1g}; 1 + u drops {_digits(loss)} of it, and the logarithm has no more than the rest",
            f"np.log1p({sign}u)")


def _log_sum_exp(p: Point, total: Equation) -> Said:
    powers = _maker(p, total.operands[0], "exp")
    if powers is None or powers.operands[0] not in p.moving:
        return None
    u = np.asarray(p.value(powers.operands[0]))
    top = float(np.max(u, initial=-np.inf))
    limit = 0.5 * float(np.log(np.finfo(u.dtype).max))
    if abs(top) < limit:
        return None
    how = "overflows" if top > 0 else "underflows"
    return ("log(sum(exp(u)))", f"the largest u is {top:.3g}: exp {how} at {np.copysign(2 * limit, top):.0f}, and little is "
            "missing", "scipy.special.logsumexp(u), or m + np.log(np.sum(np.exp(u - m))) with m = np.max(u)")


def _subtract(p: Point, e: Equation) -> Said:
    a, b = e.operands
    known = _minus_one(p, e, a, b)
    return known if known is not None else _general(p, e, a, b)


def _add(p: Point, e: Equation) -> Said:
    """``-b + sqrt(b * b - c)``, ``exp(u) + -1``: a difference, too."""
    a, b = e.operands
    for one, other in ((a, b), (b, a)):
        negated = _maker(p, one, "negative")
        if negated is not None:
            known = _minus_one(p, e, other, negated.operands[0])
        else:
            known = _minus_one(p, e, other, one, -1.0) if isinstance(one, Const) else None
        if known is not None:
            return known
    return _general(p, e, a, b)


def _minus_one(p: Point, e: Equation, a: Atom, b: Atom, one: float = 1.0) -> Said:
    """``1 - cos u``, ``exp(u) - 1``, either way round; `one` is what b is where it is subtracted."""
    other = b if _is_one(a) else a if _is_all(b, one) else None
    made = None if other is None else _maker(p, other, "cos", "exp")
    if made is None or made.operands[0] not in p.moving:
        return None
    u = _small(p, made.operands[0])
    loss = 0.5 * u * u if made.primitive.name == "cos" else u
    if loss > _FORM:
        return None
    minus = "-" if _is_one(a) else ""
    if made.primitive.name == "exp":
        return ("exp(u) - 1 for a small u", f"u is {u:.1g}; the difference has lost {_digits(loss)}", f"{minus}np.expm1(u)")
    return ("1 - cos(u) for a small u", f"u is {u:.1g}; the difference has lost {_digits(max(loss, 1e-17))}",
            f"{'' if minus else '-'}2 * np.sin(u / 2) ** 2")


def _sqrt(p: Point, e: Equation) -> Said:
    total = _maker(p, e.operands[0], "add")
    squares = [] if total is None else [_squared(p, o) for o in total.operands]
    if not squares or any(s is None for s in squares):
        return None
    y = np.asarray(p.env[e.results[0]])
    limit = np.finfo(y.dtype)
    parts = [np.abs(np.asarray(p.value(s))) for s in squares if s is not None]
    with np.errstate(all="ignore"):
        largest = np.maximum(*parts)
        off = (largest > np.sqrt(limit.max)) | ((largest < np.sqrt(limit.tiny)) & (largest > 0))
    if not np.any(off):
        return None
    return ("sqrt(x*x + y*y) far from 1", f"the larger of both is {np.max(largest[off]):.1g}, and its square "
            f"{'overflows' if np.max(largest[off]) > 1 else 'underflows'}", "np.hypot(x, y)")


def _squared(p: Point, a: Atom) -> Atom | None:
    """x, of ``x * x`` or ``x ** 2`` or `np.square`."""
    e = _maker(p, a, "square", "multiply", "integer_power", "scalar_power", "power")
    if e is None:
        return None
    name, same = e.primitive.name, len(e.operands) == 2 and e.operands[0] is e.operands[1]
    if name == "square" or (name == "multiply" and same) or (name == "integer_power" and e.params["n"] == 2):
        return e.operands[0]
    two = len(e.operands) == 2 and isinstance(e.operands[1], Const) and bool(np.all(e.operands[1].value == 2.0))
    return e.operands[0] if name in ("scalar_power", "power") and two else None


# ---------------------------------------------------------------- differences of rounded numbers

def _general(p: Point, e: Equation, a: Atom, b: Atom) -> Said:
    if not (_is_rounded(p, a) or _is_rounded(p, b)) or _is_residual(p, e):
        return None
    y, eps = np.asarray(p.env[e.results[0]]), float(np.finfo(e.results[0].type.dtype).eps)
    adjoint = p.adjoints.get(e.results[0])
    if adjoint is None:
        return None
    with np.errstate(all="ignore"):
        large = np.maximum(np.abs(p.value(a)), np.abs(p.value(b)))
        loss = np.where(large > 0, np.abs(y) / large, 1.0)
        reach = float(np.nansum(np.abs(adjoint) * large * eps * (loss < np.sqrt(eps))))
    bad = loss < np.sqrt(eps)
    size = sum(float(np.nansum(np.abs(np.multiply(w, x)))) for w, x in zip(
        [p.adjoints.get(o, 0.0) for o in p.outputs], p.result, strict=True) if x.dtype.kind in "fc")
    if not np.any(bad) or not reach > np.sqrt(eps) * 0.1 * size:
        return None
    lost = "all digits" if np.any(y[bad] == 0) else _digits(float(np.min(loss[bad])))
    why = f"two numbers of size {np.max(large[bad]):.1g} differ by {np.max(np.abs(y[bad])):.1g}: {lost} are lost, and the " \
        "rounding of both is what remains"
    if _is_variance(p, a, b):
        return ("variance as E[x²] - E[x]²", why, "np.mean((x - np.mean(x)) ** 2), or np.var(x)")
    return ("a difference of nearly equal numbers", why,
            "the difference in closed form (factors, np.expm1, np.log1p, half angles), or subtract before what rounds")


def _is_rounded(p: Point, a: Atom) -> bool:
    """Whether a value was rounded on its way here; inputs, constants and their copies were not."""
    seen, stack = set(), [a]
    while stack:
        x = stack.pop()
        if isinstance(x, Const) or x in seen or x not in p.makers:
            continue
        seen.add(x)
        e = p.makers[x]
        if not exact(e):
            return True
        stack += e.operands
    return False


def _is_residual(p: Point, e: Equation) -> bool:
    """Whether a difference is what is left of an equation that is solved: only squared, or compared, or given as it is."""
    users = p.users.get(e.results[0], [])
    if _is_given(p, e) and (any(isinstance(o, Const) for o in e.operands) or not np.any(p.env[e.results[0]])):
        return True
    if not users:
        return False

    def ends(u: Equation) -> bool:
        if u.primitive.name in _COPIES:
            nxt = p.users.get(u.results[0], [])
            return bool(nxt) and all(map(ends, nxt))
        if u.primitive.name in ("multiply", "contract"):
            return len(set(u.operands)) < len(u.operands)
        return u.primitive.name in _SQUARES or not is_float(u.results[0])
    return all(map(ends, users))


def _is_given(p: Point, e: Equation) -> bool:
    """Whether a result is an output of the program, copied perhaps."""
    return any(r in p.outputs for r in e.results) or any(
        u.primitive.name in (*_COPIES, "concatenate") and _is_given(p, u) for u in p.users.get(e.results[0], []))


def _is_variance(p: Point, a: Atom, b: Atom) -> bool:
    mean = _through_scale(p, a)
    return mean is not None and _squared(p, mean.operands[0]) is not None and (
        (inner := _squared(p, b)) is not None and _through_scale(p, inner) is not None)


def _through_scale(p: Point, a: Atom) -> Equation | None:
    """The sum of a mean."""
    scaled = _maker(p, a, "divide", "multiply")
    return _maker(p, scaled.operands[0] if scaled is not None else a, "reduce_sum")


_RULES: dict[str, Callable[[Point, Equation], Said]] = {
    "add": _add, "log": _log, "subtract": _subtract, "sqrt": _sqrt, "root": _sqrt,
}
