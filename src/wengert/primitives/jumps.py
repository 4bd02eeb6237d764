"""Integrands and right-hand sides that jump where a derivative would not see it.

What comes in: a function along a path, and its decisions. What goes out: nothing, or an error. The one idea: a
derivative under the integral sign, or along a trajectory, misses the movement of a jump; jumps come from comparisons, and from
functions that are constant between their jumps, so where one of them changes along the path, the two sides are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from wengert.errors import NonDifferentiableError
from wengert.graph import Build, Const, Graph, Handle, Var
from wengert.primitives.control import cond, scan
from wengert.primitives.elementary import sign
from wengert.primitives.elementwise import imag, real
from wengert.primitives.structure import concatenate, convert, reshape

__all__ = ["decisions", "require_no_jump"]

_FLOAT = np.dtype(np.float64)
_STEPS = {"ceil", "floor", "floor_divide", "gammasgn", "numpy_round", "rint", "special_round", "trunc"}
# With branch cuts on an axis of the complex plane
_CUT = {"arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "float_power", "log", "log10", "log1p", "log2", "power",
        "scalar_power", "sqrt"}


def _quadrant(x: Any, y: Any) -> Any:
    return sign(y) + 3.0 * sign(x)


def _branch(e: Any, handle: Callable[[Any], Handle]) -> Any:
    """What tells the branch of a function of many branches; None for others."""
    if e.primitive.jumps is not None:
        return e.primitive.jumps(*[handle(a) for a in (*e.results, *e.operands)], **e.params)
    if e.primitive.name in _CUT and e.operands[0].type.dtype.kind == "c":
        z = handle(e.operands[0])
        return _quadrant(real(z), imag(z))
    return None


def decisions(graph: Graph, *groups: Sequence[int]) -> Graph | None:
    """The decisions that depend on an input of each group, also those within branches and loops: NaN where not come to.

    Those within loops of unknown length are left out. None if there are none.
    """
    build, reach = Build(), [{graph.inputs[k] for k in group} for group in groups]
    inputs = [build.input(v.type) for v in graph.inputs]
    _, env = build.inline_env(graph, dict(zip(graph.inputs, [h.atom for h in inputs], strict=True)))

    def handle(atom: Any) -> Handle:
        return Handle(build, env[atom] if isinstance(atom, Var) else atom)
    found: list[Any] = []
    for e in graph.equations:
        for part in reach:
            if any(o in part for o in e.operands):
                part.update(e.results)
        if e.primitive.name == "cond":
            found += _within(e, [handle(o) for o in e.operands], reach)
        if e.primitive.name == "scan" and e.params["size"] is not None:
            found += _repeated(e, [handle(o) for o in e.operands], reach)
        if not all(e.results[0] in part for part in reach):
            continue
        branch = _branch(e, handle)
        if branch is not None:
            found.append(branch)
        elif e.primitive.name in _STEPS or _compares(e):
            found.append(handle(e.results[0]))
    return build.graph([_vector(found)], build.inputs) if found else None


def _compares(e: Any) -> bool:
    """Whether it makes truth values or whole numbers of others; what is made of those changes only with them."""
    kind = e.results[0].type.dtype.kind
    return e.primitive.name != "cond" and kind in "biu" and any(o.type.dtype.kind in "fc" for o in e.operands)


def _vector(parts: Sequence[Any]) -> Any:
    flat = [reshape(h if h.dtype == _FLOAT else convert(h, dtype=_FLOAT), shape=(h.type.size,)) for h in parts]
    return concatenate(*flat, axis=0) if len(flat) > 1 else flat[0]


def _within(e: Any, operands: list[Handle], reach: Sequence[set[Any]]) -> list[Any]:
    """The decisions of the arms of a branch, one after the other."""
    groups = [[k for k, o in enumerate(e.operands[1:]) if o in part] for part in reach]
    arms = [decisions(g, *groups) for g in e.params["branches"]]
    if not any(arms):
        return []
    def arm(which: int) -> Graph:
        build = Build()
        given = [build.input(h.type) for h in operands[1:]]
        out = [build.inline(g, given)[0] if k == which else Handle(build, Const(np.full(g.outputs[0].type.size, np.nan)))
               for k, g in enumerate(arms) if g is not None]
        return build.graph([_vector(out)], build.inputs)
    return [cond(*operands, branches=(arm(0), arm(1)))[0]]


def _repeated(e: Any, operands: list[Handle], reach: Sequence[set[Any]]) -> list[Any]:
    """The decisions of a loop, one iteration after the other."""
    body, carries = e.params["body"], e.params["carries"]
    groups = [_carried(e, {k for k, o in enumerate(e.operands[1:]) if o in part}) for part in reach]
    inner = decisions(body, *[sorted(group) for group in groups])
    if inner is None:
        return []
    build = Build()
    given = [build.input(v.type) for v in body.inputs]
    wider = build.graph([*build.inline(body, given)[:carries], build.inline(inner, given)[0]], build.inputs)
    return [scan(*operands, **{**e.params, "body": wider})[carries]]


def _carried(e: Any, group: set[int]) -> set[int]:
    """The inputs of a loop's body that depend on these, from iteration to iteration."""
    body, constants = e.params["body"], e.params["constants"]
    while True:
        part = {body.inputs[k] for k in group}
        for inner in body.equations:
            if any(o in part for o in inner.operands):
                part.update(inner.results)
        more = group | {constants + j for j in range(e.params["carries"]) if body.outputs[j] in part}
        if more == group:
            return group
        group = more


_CLOSE = 1e-6  # of the size of the values: a smaller step counts as none
_MOST = 32  # changes between two points


def require_no_jump(look: Callable[..., Any], value: Callable[..., Any], points: Any, at: Callable[[float], Any],
                    what: str) -> None:
    """Refuse a function ``value(*at(x))`` that jumps where one of ``look(*at(x))`` changes between two of the points.

    `what` says what jumps, and the remedy, with ``{}`` for the place.
    """
    state = [look(*at(x)) for x in points]
    for k in range(len(points) - 1):
        for left, right in _changes(lambda x: look(*at(x)), points[k], points[k + 1], state[k], state[k + 1]):
            one, other, *around = (np.asarray(value(*at(x))[0]) for x in (left, right, points[k], points[k + 1]))
            if np.any(np.abs(one - other) > _CLOSE * np.max(np.abs([one, other, *around]), initial=1e-300)):
                raise NonDifferentiableError(what.format(f"{right:.6g}"))


def _changes(state: Callable[[float], Any], left: float, right: float, first: Any, last: Any) -> Iterator[tuple[float, float]]:
    """Numbers next to each other between which a decision changes, one pair after the other."""
    for _ in range(_MOST):
        if _same(first, last):
            return
        low, high = left, right
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if _same(first, state(middle)) else (low, middle)
        yield low, high
        left, first = high, state(high)


def _same(a: Any, b: Any) -> bool:
    """Whether no decision has changed, as far as both know it."""
    return bool(np.all((a[0] == b[0]) | np.isnan(a[0]) | np.isnan(b[0])))
