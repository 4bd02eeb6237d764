"""Derivatives and batching of control flow.

What comes in: an equation that holds graphs, and the transform that is running, which is applied to those graphs. What
goes out: for reverse mode a *recording* equation, which saves what the linear part needs, and a linear `scan` or `cond`; the
adjoint of those; for forward mode one loop that carries tangents beside values and saves nothing. The one idea: the linear part
of any loop, of known length or not, is a `scan` over what was saved, and its adjoint is the same `scan` backward, with
accumulators for the cotangents of constants carried along, so that a body which reads one element adds one element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.graph import REGISTRY, ArrayType, Build, Const, Equation, Graph, Handle, StackType, Type, Var
from wengert.primitives.checkpoint_rules import adjoint_call, forward_checkpoint, record_checkpoint
from wengert.primitives.revolve import (
    adjoint_tangent_loop,
    keeps_checkpoints,
    plain_tangent_loop,
    record_keeping_loop,
    record_tangent_loop,
)
from wengert.primitives.structure import full

__all__ = ["adjoint_call", "adjoint_cond", "adjoint_scan", "adjoint_tangent_loop", "batch_lanes", "forward_call",
           "forward_cond", "forward_loop", "forward_tangent_loop", "record_call", "record_cond", "record_loop",
           "record_tangent_loop", "zeros_of"]


def zeros_of(type: Type, like: Handle) -> Any:
    """Zeros of any type, in the build of a handle."""
    if isinstance(type, StackType):
        return like.apply(REGISTRY["empty_stack"], (), {"element": type.element})
    return full(np.zeros((), type.dtype), type.shape, like)


def _present(x: Any, type: Type, like: Handle) -> Any:
    return zeros_of(type, like) if x is None else x


def _rebuilt(types: Sequence[Type], make: Callable[[list[Handle]], Sequence[Any]]) -> Graph:
    """A graph from inputs of these types."""
    build = Build()
    inputs = [build.input(t) for t in types]
    return build.graph(list(make(inputs)), build.inputs)


def _spread(linear: Any, outputs: Sequence[Any]) -> dict[int, Any]:
    """Outputs of a linear graph, which gives only those that are not zero, by their place in the primal graph."""
    rest = iter(outputs)
    return {k: next(rest) for k, nonzero in enumerate(linear.nonzero) if nonzero}


# ---------------------------------------------------------------- recording: call and branches

def record_call(build: Build, e: Equation, tangents: Sequence[Any], transform: Any) -> tuple[Equation, list[Any]]:
    if e.params.get("checkpoint"):
        return record_checkpoint(build, e, tangents, transform)
    graph = e.params["graph"]
    linear = transform(graph, [t is not None for t in tangents])
    place = {v: k for k, v in enumerate(graph.inputs)}
    saved = [v for v in linear.residuals if v not in place]
    inner = linear.primal
    recording = Graph(inner.inputs, inner.equations, (*inner.outputs, *saved), inner.lines)
    new = {v: Var(v.type) for v in saved}
    equation = Equation(e.primitive, e.operands, {**e.params, "graph": recording}, (*e.results, *new.values()))
    residuals = [Handle(build, e.operands[place[v]] if v in place else new[v]) for v in linear.residuals]
    found = _spread(linear, build.inline(linear.graph, [*[t for t in tangents if t is not None], *residuals]))
    return equation, [found.get(k) for k in range(len(e.results))]


def record_cond(build: Build, e: Equation, tangents: Sequence[Any], transform: Any) -> tuple[Equation, list[Any]]:
    """Residuals of the two arms share slots of equal type."""
    branches, operands, ts = e.params["branches"], e.operands[1:], tangents[1:]
    linears = [transform(g, [t is not None for t in ts]) for g in branches]
    slots: list[Type] = []
    rows: list[dict[Var, int]] = []
    passed: dict[int, None] = {}
    for g, linear in zip(branches, linears, strict=True):
        place, row = {v: k for k, v in enumerate(g.inputs)}, dict[Var, int]()
        for v in linear.residuals:
            if v in place:
                passed[place[v]] = None
                continue
            free = (k for k, t in enumerate(slots) if t is v.type and k not in row.values())
            k = next(free, len(slots))
            if k == len(slots):
                slots.append(v.type)
            row[v] = k
        rows.append(row)
    arms = tuple(_recording_arm(linear.primal, row, slots) for linear, row in zip(linears, rows, strict=True))
    saved = [Var(t) for t in slots]
    equation = Equation(e.primitive, e.operands, {"branches": arms}, (*e.results, *saved))
    wanted = [j for j in range(len(e.results)) if any(linear.nonzero[j] for linear in linears)]
    if not wanted:
        return equation, [None] * len(e.results)
    active = [k for k, t in enumerate(ts) if t is not None]
    types = [*[operands[k].type for k in passed], *slots, *[operands[k].type for k in active]]

    def arm(g: Graph, linear: Any, row: dict[Var, int]) -> Graph:
        def make(inputs: list[Handle]) -> list[Any]:
            given = dict(zip([g.inputs[k] for k in passed], inputs, strict=False))
            slot = inputs[len(passed):len(passed) + len(slots)]
            residuals = [given[v] if v in given else slot[row[v]] for v in linear.residuals]
            found = _spread(linear, inputs[0].build.inline(linear.graph, [*inputs[len(types) - len(active):], *residuals]))
            return [_present(found.get(j), e.results[j].type, inputs[0]) for j in wanted]
        return _rebuilt(types, make)
    graphs = tuple(arm(g, linear, row) for g, linear, row in zip(branches, linears, rows, strict=True))
    given = [Handle(build, a) for a in (e.operands[0], *[operands[k] for k in passed], *saved)]
    found = dict(zip(wanted, REGISTRY["cond"](*given, *[ts[k] for k in active], branches=graphs), strict=True))
    return equation, [found.get(j) for j in range(len(e.results))]


def _recording_arm(g: Graph, row: dict[Var, int], slots: list[Type]) -> Graph:
    """An arm that also gives its residuals, and zeros in the slots that are the other arm's."""
    build = Build()
    inputs = [build.input(v.type) for v in g.inputs]
    outputs, env = build.inline_env(g, {v: h.atom for v, h in zip(g.inputs, inputs, strict=True)})
    mine = {k: env[v] for v, k in row.items()}
    like = inputs[0]
    return build.graph([*outputs, *[mine[k] if k in mine else zeros_of(t, like) for k, t in enumerate(slots)]], build.inputs)


# ---------------------------------------------------------------- recording: loops

def _parts(e: Equation) -> tuple[int, int, int, bool]:
    """The operand that is input 0 of the body, the numbers of constants and carries, and whether it is a `scan`."""
    is_scan = e.primitive.name == "scan"
    constants = e.params["constants"]
    return int(is_scan), constants, e.params["carries"] if is_scan else len(e.operands) - constants, is_scan


def _settled(body: Graph, active: list[bool], constants: int, carries: int, transform: Any) -> tuple[Any, list[bool]]:
    """The linear part of a body: a carry is active if its start is, or if the body makes it so."""
    while True:
        linear = transform(body, active)
        new = [a or (constants <= k < constants + carries and linear.nonzero[k - constants]) for k, a in enumerate(active)]
        new = [a and body.inputs[k].type.inexact for k, a in enumerate(new)]
        if new == active:
            return linear, active
        active = new


def record_loop(build: Build, e: Equation, tangents: Sequence[Any], transform: Any) -> tuple[Equation, list[Any]]:
    first, constants, carries, is_scan = _parts(e)
    body, operands, ts = e.params["body"], e.operands[first:], list(tangents[first:])
    end, size = constants + carries, e.params.get("size")
    linear, active = _settled(body, [t is not None for t in ts], constants, carries, transform)
    if keeps_checkpoints(e) and linear.residuals:
        return record_keeping_loop(build, e, linear, active, tangents)
    place = {v: k for k, v in enumerate(body.inputs)}
    steady = _steady(build, body, operands, constants, carries, linear.residuals, bool(size))
    sliced = [v for v in linear.residuals if place.get(v, -1) >= end]
    fixed = [v for v in linear.residuals if v in steady]
    tape = [v for v in linear.residuals if v not in steady and v not in sliced]
    inner = linear.primal
    recording = Graph(inner.inputs, inner.equations, (*inner.outputs, *tape), inner.lines)
    saved = [Var(_saved(v.type, size if is_scan else None)) for v in tape]
    equation = Equation(e.primitive, e.operands, {**e.params, "body": recording}, (*e.results, *saved))
    groups = [[k for k in range(a, b) if active[k]] for a, b in ((0, constants), (constants, end), (end, len(operands)))]
    stacked = [j for j in range(carries, len(body.outputs)) if linear.nonzero[j]]
    linear_body = _linear_body(body, linear, active, groups, (fixed, tape, sliced), constants, stacked)
    length = Handle(build, e.operands[0] if is_scan else e.results[0])
    starts = [_present(ts[k], body.inputs[k].type, length) for k in groups[1]]
    out = REGISTRY["scan"](
        length, *[steady[v] for v in fixed], *[ts[k] for k in groups[0]], *starts,
        *[Handle(build, v) for v in saved], *[Handle(build, operands[place[v]]) for v in sliced], *[ts[k] for k in groups[2]],
        body=linear_body, constants=len(fixed) + len(groups[0]), carries=len(groups[1]),
        reverse=e.params.get("reverse", False), size=size if is_scan else None)
    lead = 0 if is_scan else 1
    found = {lead + j: t for j, t in zip([*[k - constants for k in groups[1]], *stacked], out, strict=True)}
    return equation, [found.get(j) for j in range(len(e.results))]


def _steady(build: Build, body: Graph, operands: Sequence[Any], constants: int, carries: int,
            wanted: Sequence[Var], runs: bool) -> dict[Var, Handle]:
    """Those of the wanted variables of a body that are the same in every iteration; the linear part computes them, once.

    Only for a loop that surely runs: the linear part must not warn of anything that the program would not compute.
    """
    env: dict[Any, Any] = {v: operands[k] for k, v in enumerate(body.inputs[:constants + carries])
                           if k < constants or body.outputs[k - constants] is v}
    makers: dict[Any, Equation] = {}
    for e in body.equations if runs else ():
        if e.operands and e.pure and not e.primitive.holds_graphs and _may_run_early(e) and all(
                isinstance(o, Const) or o in env or o in makers for o in e.operands):
            makers.update(dict.fromkeys(e.results, e))

    def atom(v: Any) -> Any:
        if v not in env and not isinstance(v, Const):
            e = makers[v]
            env.update(zip(e.results, build.emit(e.primitive, tuple([atom(o) for o in e.operands]), e.params), strict=True))
        return env.get(v, v)
    return {v: Handle(build, atom(v)) for v in wanted if v in env or v in makers}


def _may_run_early(e: Equation) -> bool:
    """Whether an equation of inexact numbers, or one that raises no errors, may be computed before its place."""
    from wengert.primitives.control import may_raise

    return (e.primitive.elementwise and e.results[0].type.inexact) or not may_raise(e)


def _saved(element: Type, size: int | None) -> Type:
    if size is None or isinstance(element, StackType):
        return StackType(element)
    return ArrayType((size, *element.shape), element.dtype)


def _linear_body(body: Graph, linear: Any, active: list[bool], groups: list[list[int]], residuals: Any, constants: int,
                 stacked: list[int]) -> Graph:
    """The tangent graph of a body with its inputs in the order of a `scan`: constants, carries, slices."""
    fixed, tape, sliced = residuals

    def types(group: list[int]) -> list[Type]:
        return [body.inputs[k].type for k in group]
    order = [*fixed, *groups[0], *groups[1], *tape, *sliced, *groups[2]]

    def make(inputs: list[Handle]) -> list[Any]:
        by = dict(zip(order, inputs, strict=True))
        given = [by[k] for k, a in enumerate(active) if a]
        found = _spread(linear, inputs[0].build.inline(linear.graph, [*given, *[by[v] for v in linear.residuals]]))
        carried = [_present(found.get(k - constants), body.inputs[k].type, inputs[0]) for k in groups[1]]
        return [*carried, *[found[j] for j in stacked]]
    return _rebuilt([*[v.type for v in fixed], *types(groups[0]), *types(groups[1]), *[v.type for v in tape],
                     *[v.type for v in sliced], *types(groups[2])], make)


# ---------------------------------------------------------------- adjoints

def adjoint_scan(walk: Any, e: Equation) -> None:
    """The adjoint of a linear `scan`: the same slices the other way."""
    constants, carries, body = e.params["constants"], e.params["carries"], e.params["body"]
    operands, end = e.operands[1:], constants + carries
    linear = [(o in walk.is_linear if isinstance(o, Var) else False) or constants <= k < end for k, o in enumerate(operands)]
    given = [walk.cotangents.get(r) for r in e.results]
    have = [j < carries or c is not None for j, c in enumerate(given)]
    fixed = [k for k in range(constants) if not linear[k]]
    summed = [k for k in range(constants) if linear[k]]
    sliced = [k for k in range(end, len(operands)) if not linear[k]]
    spread = [k for k in range(end, len(operands)) if linear[k]]
    inner, found = walk.inside(body, linear, have, summed)  # inputs: residuals, accumulators, cotangents
    residual = [k for k, flag in enumerate(linear) if not flag]
    ys = [j for j in range(carries, len(given)) if have[j]]
    types = [*[body.inputs[k].type for k in (*fixed, *summed)], *[v.type for v in body.inputs[constants:end]],
             *[body.outputs[j].type for j in ys], *[body.inputs[k].type for k in sliced]]

    def make(inputs: list[Handle]) -> list[Any]:
        n = len(fixed) + len(summed) + carries
        by = dict(zip((*fixed, *sliced), (*inputs[:len(fixed)], *inputs[n + len(ys):]), strict=True))
        arguments = [*[by[k] for k in residual], *inputs[len(fixed):n + len(ys)]]
        out = dict(zip([k for k, f in enumerate(found) if f], inputs[0].build.inline(inner, arguments), strict=True))
        return [_present(out.get(k), body.inputs[k].type, inputs[0]) for k in (*summed, *range(constants, end), *spread)]
    backward = _rebuilt(types, make)
    some = walk.seed(e)
    starts = [_present(walk.take(operands[k]), body.inputs[k].type, some) for k in summed]
    starts += [_present(c, body.inputs[constants + j].type, some) for j, c in enumerate(given[:carries])]
    out = REGISTRY["scan"](
        walk.pull(e.operands[0]), *[walk.pull(operands[k]) for k in fixed], *starts, *[given[j] for j in ys],
        *[walk.pull(operands[k]) for k in sliced], body=backward, constants=len(fixed), carries=len(summed) + carries,
        reverse=not e.params["reverse"], size=e.params["size"])
    for k, ct in zip((*summed, *range(constants, end), *spread), out, strict=True):
        if isinstance(operands[k], Var) and operands[k] in walk.is_linear:
            walk.add(operands[k], ct)


def adjoint_cond(walk: Any, e: Equation) -> None:
    """The adjoint of a linear branch: the arm that was taken; what is there already is passed in and added to."""
    operands, branches = e.operands[1:], e.params["branches"]
    linear = [isinstance(o, Var) and o in walk.is_linear for o in operands]
    given = [walk.cotangents.get(r) for r in e.results]
    have = [c is not None for c in given]
    once: dict[Any, int] = {}
    for k, o in enumerate(operands):
        if linear[k]:
            once.setdefault(o, k)
    seeded = [k for k in once.values() if operands[k] in walk.cotangents]
    residual = [k for k, flag in enumerate(linear) if not flag]
    arms = [walk.inside(g, linear, have, seeded) for g in branches]
    wanted = [k for k, flag in enumerate(linear) if flag and any(found[k] for _, found in arms)]
    types = [*[operands[k].type for k in (*residual, *seeded)], *[r.type for r, h in zip(e.results, have, strict=True) if h]]

    def arm(inner: Graph, found: Sequence[bool]) -> Graph:
        def make(inputs: list[Handle]) -> list[Any]:
            out = dict(zip([k for k, f in enumerate(found) if f], inputs[0].build.inline(inner, inputs), strict=True))
            return [_present(out.get(k), operands[k].type, inputs[0]) for k in wanted]
        return _rebuilt(types, make)
    graphs = tuple(arm(inner, found) for inner, found in arms)
    predicate, fixed = walk.pull(e.operands[0]), [walk.pull(operands[k]) for k in residual]
    starts = [walk.take(operands[k]) for k in seeded]
    out = REGISTRY["cond"](predicate, *fixed, *starts, *[c for c in given if c is not None], branches=graphs)
    for k, ct in zip(wanted, out, strict=True):
        walk.add(operands[k], ct)


# ---------------------------------------------------------------- forward mode

def forward_call(e: Equation, operands: Sequence[Handle], tangents: Sequence[Any], transform: Any) -> tuple[Any, Any]:
    if e.params.get("checkpoint"):
        return forward_checkpoint(e, operands, tangents, transform)
    graph, nonzero = transform(e.params["graph"], [t is not None for t in tangents])
    out = operands[0].build.inline(graph, [*operands, *[t for t in tangents if t is not None]])
    return _pairs(out, nonzero)


def _pairs(out: Sequence[Any], nonzero: Sequence[bool]) -> tuple[list[Any], list[Any]]:
    rest = iter(out[len(nonzero):])
    return list(out[:len(nonzero)]), [next(rest) if n else None for n in nonzero]


def forward_cond(e: Equation, operands: Sequence[Handle], tangents: Sequence[Any], transform: Any) -> tuple[Any, Any]:
    active = [t is not None for t in tangents[1:]]
    arms = [transform(g, active) for g in e.params["branches"]]
    nonzero = [any(flags) for flags in zip(*[n for _, n in arms], strict=True)]
    given = [*operands[1:], *[t for t in tangents[1:] if t is not None]]

    def arm(graph: Graph, mine: Sequence[bool]) -> Graph:
        def make(inputs: list[Handle]) -> list[Any]:
            values, ts = _pairs(inputs[0].build.inline(graph, inputs), mine)
            return [*values, *[_present(t, r.type, inputs[0]) for t, n, r in zip(ts, nonzero, e.results, strict=True) if n]]
        return _rebuilt([h.type for h in given], make)
    branches = tuple(arm(g, n) for g, n in arms)
    return _pairs(REGISTRY["cond"](operands[0], *given, branches=branches), nonzero)


def forward_loop(e: Equation, operands: Sequence[Handle], tangents: Sequence[Any], transform: Any) -> tuple[Any, Any]:
    """One loop over values and tangents together; nothing is saved."""
    first, constants, carries, is_scan = _parts(e)
    body, end = e.params["body"], constants + carries
    values, ts = list(operands[first:]), list(tangents[first:])

    def linearized(g: Graph, active: Sequence[bool]) -> Any:
        graph, nonzero = transform(g, active)
        return _Forward(graph, nonzero)
    found, active = _settled(body, [t is not None for t in ts], constants, carries, linearized)
    groups = [[k for k in range(a, b) if active[k]] for a, b in ((0, constants), (constants, end), (end, len(values)))]
    stacked = [j for j in range(carries, len(body.outputs)) if found.nonzero[j]]
    spans = (range(constants), range(constants, end), range(end, len(values)))
    order = [(k, part) for span, group in zip(spans, groups, strict=True)
             for part, places in (("x", span), ("t", group)) for k in places]
    types = [body.inputs[k].type for k, _ in order]

    def make(inputs: list[Handle]) -> list[Any]:
        by = dict(zip(order, inputs, strict=True))
        arguments = [by[k, "x"] for k in range(len(values))] + [by[k, "t"] for k, a in enumerate(active) if a]
        out, out_ts = _pairs(inputs[0].build.inline(found.graph, arguments), found.nonzero)
        carried = [_present(out_ts[k - constants], body.inputs[k].type, inputs[0]) for k in groups[1]]
        return [*out[:carries], *carried, *out[carries:], *[out_ts[j] for j in stacked]]
    both = _rebuilt(types, make)
    like = next(t for t in ts if t is not None)
    given = {**{(k, "x"): v for k, v in enumerate(values)},
             **{(k, "t"): _present(ts[k], body.inputs[k].type, like) for group in groups for k in group}}
    arguments = [given[key] for key in order]
    numbers = {"constants": constants + len(groups[0]), **_asked(e)}
    if is_scan:
        results = REGISTRY["scan"](operands[0], *arguments, body=both, carries=carries + len(groups[1]),
                                   reverse=e.params["reverse"], size=e.params["size"], **numbers)
    else:
        test = e.params["test"]
        wider = _rebuilt(types[:len(arguments)], lambda inputs: inputs[0].build.inline(
            test, [dict(zip(order, inputs, strict=True))[k, "x"] for k in range(len(values))]))
        results = REGISTRY["while_loop"](*arguments, test=wider, body=both, **numbers)
    lead, n = (0 if is_scan else 1), len(groups[1])
    plain = [*results[:lead + carries], *results[lead + carries + n:lead + n + len(body.outputs)]]
    moved = {lead + k - constants: t for k, t in zip(groups[1], results[lead + carries:lead + carries + n], strict=True)}
    moved.update({lead + j: t for j, t in zip(stacked, results[lead + n + len(body.outputs):], strict=True)})
    return plain, [moved.get(j) for j in range(len(plain))]


def forward_tangent_loop(e: Equation, operands: Sequence[Handle], tangents: Sequence[Any], transform: Any) -> tuple[Any, Any]:
    scan = plain_tangent_loop(e)
    n = len(scan.operands)
    return forward_loop(scan, operands[:n], tangents[:n], transform)


def _asked(e: Equation) -> dict[str, Any]:
    """How many checkpoints a loop is asked to keep, if it is."""
    return {"checkpoints": e.params["checkpoints"]} if "checkpoints" in e.params else {}


class _Forward:
    """What `_settled` looks at."""

    __slots__ = ("graph", "nonzero")

    def __init__(self, graph: Graph, nonzero: Sequence[bool]):
        self.graph, self.nonzero = graph, nonzero


# ---------------------------------------------------------------- batching

def batch_lanes(name: str) -> Callable[..., Any]:
    """Lane by lane, each with its own control flow: a lane that has finished does nothing more and cannot raise."""
    def batch(n: int, operands: Sequence[Handle], batched: Sequence[bool], **params: Any) -> Any:
        whole = [k for k, b in enumerate(batched) if not b]
        lanes = [k for k, b in enumerate(batched) if b]
        types = [operands[k].type for k in whole] + [_element(operands[k].type) for k in lanes]

        def make(inputs: list[Handle]) -> Any:
            by = dict(zip((*whole, *lanes), inputs, strict=True))
            return REGISTRY[name](*[by[k] for k in range(len(operands))], **params)
        like = operands[lanes[0]]
        length = Handle(like.build, Const(np.int64(n)))
        return REGISTRY["scan"](length, *[operands[k] for k in (*whole, *lanes)], body=_rebuilt(types, make),
                                constants=len(whole), carries=0, reverse=False, size=n)
    return batch


def _element(t: Type) -> Type:
    return t.element if isinstance(t, StackType) else ArrayType(t.shape[1:], t.dtype)
