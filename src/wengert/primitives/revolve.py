"""Loops that keep a few of their states: the schedules of checkpointing, as graphs.

What comes in: a loop with a number of `checkpoints`, and the linearization that is running. What goes out: a forward loop that
also stores some of its states in that many slots; a linear loop over values and tangents; and its adjoint, which goes through
the iterations backward and computes the states in between again. The one idea: the schedule is arithmetic on whole numbers in
the graph, so it is as long as the loop turns out to be, and the program with it is a program like any other.

With s slots (the start is in one), β(s, t) = (s+t)! / (s! t!) iterations are reversed by computing none more than t times; the
first part of l iterations, where β(s, t-1) < l <= β(s, t), is as long as leaves each part within its own bound (A. Griewank and
A. Walther, "Algorithm 799: revolve", ACM TOMS 26 (2000) 19-45). While the number of iterations is unknown, a state is stored in
each, in the place of one that a later state of a higher level makes dispensable (Q. Wang, P. Moin and G. Iaccarino, "Minimal
repetition dynamic checkpointing algorithm for unsteady adjoint calculation", SIAM J. Sci. Comput. 31 (2009) 2549-2567).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.graph import REGISTRY, ArrayType, Build, Const, Equation, Graph, Handle, StackType, Type, Var
from wengert.graph.walk import prune, uses
from wengert.primitives.structure import full, select

__all__ = ["adjoint_tangent_loop", "keeps_checkpoints", "may_keep_checkpoints", "plain_tangent_loop", "record_keeping_loop",
           "record_tangent_loop"]

_I = np.dtype(np.int64)
_COUNT = ArrayType((), _I)


def keeps_checkpoints(e: Equation) -> bool:
    """Whether a loop is asked to keep a number of checkpoints, and can."""
    return bool(e.params.get("checkpoints")) and may_keep_checkpoints(e)


def may_keep_checkpoints(e: Equation) -> bool:
    """Whether a loop can be computed again from a state: stacks have no rows, and effects happen once."""
    return e.pure and not any(isinstance(v.type, StackType) for v in (*e.operands, *e.params["body"].inputs))


# ---------------------------------------------------------------- whole numbers

def _int(n: int) -> Const:
    return Const(np.int64(n))


def _apply(name: str, *operands: Any, **params: Any) -> Any:
    return REGISTRY[name](*operands, **params)


def _rows(rank: int) -> tuple[Any, ...]:
    return (("a",), *[("s", None, None, None)] * rank)


def _row(x: Handle, k: Any) -> Any:
    return _apply("index", x, k, spec=_rows(len(x.shape) - 1))


def _with_row(x: Handle, k: Any, value: Any) -> Any:
    return _apply("index_set", x, value, k, spec=_rows(len(x.shape) - 1))


def _graph(types: Sequence[Type], make: Any) -> Graph:
    build = Build()
    inputs = [build.input(t) for t in types]
    return build.graph(list(make(*inputs)), build.inputs)


def _zeros(t: Any, like: Handle) -> Any:
    return full(np.zeros((), t.dtype), t.shape, like)


def first_part(length: Handle, slots: Handle) -> Any:
    """How many of `length` > 1 iterations to go before the next checkpoint; of so many `slots`, the start has one."""
    def more(n: Handle, s: Handle, t: Handle, reach: Handle) -> Any:
        return [reach < n]

    def longer(n: Handle, s: Handle, t: Handle, reach: Handle) -> Any:
        t = t + 1
        return [t, _apply("floor_divide", reach * (s + t), t)]
    types = [_COUNT] * 4
    _, t, reach = _apply("while_loop", length, slots, _int(0), _int(1), test=_graph(types, more), body=_graph(types, longer),
                         constants=2, checkpoints=0)
    one = _int(1)  # a length of 1 is let through, whatever comes of it
    before = _apply("floor_divide", reach * t, _apply("maximum", slots + t, one))  # β(s, t-1)
    right = _apply("floor_divide", before * slots, _apply("maximum", slots + t - 1, one))  # β(s-1, t-1)
    return _apply("minimum", before, length - right)


# ---------------------------------------------------------------- recording

@dataclass
class _Loop:
    """A loop to record: its body, and which carries have to be known where an iteration is to be repeated."""

    e: Equation
    body: Graph
    first: int  # the operand that is input 0 of the body
    constants: int
    carries: int
    needed: list[int]  # places among the carries
    slots: int

    @property
    def is_scan(self) -> bool:
        return self.e.primitive.name == "scan"

    @property
    def state(self) -> list[ArrayType]:
        """Types of the states, those in the slots and one to work with."""
        types = [self.body.inputs[self.constants + k].type for k in self.needed]
        return [ArrayType((self.slots + 1, *t.shape), t.dtype) for t in types]


def record_keeping_loop(build: Build, e: Equation, linear: Any, active: list[bool],
                        tangents: Sequence[Any]) -> tuple[Equation, list[Any]]:
    """The loop that stores states, and the linear loop."""
    is_scan = e.primitive.name == "scan"
    first, constants = int(is_scan), e.params["constants"]
    carries = e.params["carries"] if is_scan else len(e.operands) - constants
    loop = _Loop(e, e.params["body"], first, constants, carries, _needed(e, linear, constants, carries),
                 int(e.params["checkpoints"]))
    sweep = _scan_sweep(loop) if is_scan else _while_sweep(loop)
    kept = [Var(o.type) for o in sweep.outputs[len(e.results):]]
    forward = Equation(REGISTRY["call"], e.operands, {"graph": sweep, "name": "loop"}, (*e.results, *kept))
    return forward, _linear_loop(build, loop, linear, active, tangents[first:], kept)


def _needed(e: Equation, linear: Any, constants: int, carries: int) -> list[int]:
    """The carries that residuals depend on, now or in a later iteration."""
    body, found = e.params["body"], set[int]()
    place = {v: k - constants for k, v in enumerate(body.inputs) if constants <= k < constants + carries}
    inner = linear.primal
    while True:
        outputs = [*linear.residuals, *[body.outputs[k] for k in sorted(found)]]
        graph = prune(Graph(inner.inputs, inner.equations, tuple(outputs)))
        more = {k for v, k in place.items() if uses(graph, v)}
        if more <= found:
            return sorted(found)
        found |= more


def _scan_sweep(loop: _Loop) -> Graph:
    """The forward loop of known length: states are stored where the schedule of its backward sweep begins."""
    e, body, n = loop.e, loop.body, loop.constants
    slots = len(loop.needed)

    def step(*given: Handle) -> list[Any]:
        length, j, following, top, at, *rest = given
        stored, inner = rest[:slots], rest[slots:]
        x = [inner[n + k] for k in loop.needed]
        given_now = (length, j, top, at, following, *stored, *x)

        def store(length: Handle, j: Handle, top: Handle, at: Handle, following: Handle, *arrays: Handle) -> list[Any]:
            top, left = top + 1, length - j
            part = first_part(left, _apply("subtract", _int(loop.slots), top))
            rows = [_with_row(s, top, v) for s, v in zip(arrays[:slots], arrays[slots:], strict=True)]
            return [j + select(left > 1, part, _int(1)), top, _with_row(at, top, j), *rows]

        def leave(length: Handle, j: Handle, top: Handle, at: Handle, following: Handle, *arrays: Handle) -> list[Any]:
            return [following, top, at, *arrays[:slots]]
        kinds = [h.type for h in given_now]
        due = _apply("equal", j, following)
        new = _apply("cond", due, *given_now, branches=(_graph(kinds, store), _graph(kinds, leave)))
        out = j.build.inline(body, inner)
        return [j + 1, *new, *out]
    types = [_COUNT, _COUNT, _COUNT, _COUNT, ArrayType((loop.slots + 1,), _I), *loop.state, *[v.type for v in body.inputs]]
    # in the order of a scan: constants, carries, slices
    order = [0, *range(5 + slots, 5 + slots + n), *range(1, 5 + slots), *range(5 + slots + n, len(types))]
    inner = _ordered(_graph(types, step), order)

    def make(*operands: Handle) -> list[Any]:
        length, rest = operands[0], operands[1:]
        starts = [_int(0), _int(0), _int(-1), full(np.int64(0), (loop.slots + 1,), length),
                  *[_zeros(t, length) for t in loop.state]]
        out = _apply("scan", length, length, *rest[:n], *starts, *rest[n:], body=inner, constants=1 + n,
                     carries=len(starts) + loop.carries, reverse=e.params["reverse"], size=e.params["size"], checkpoints=0)
        top, at, *stored = out[2:4 + slots]
        return [*out[4 + slots:], top, at, Const(np.arange(loop.slots + 1)), *stored]
    return _graph([o.type for o in e.operands], make)


def _ordered(graph: Graph, order: Sequence[int]) -> Graph:
    return Graph(tuple([graph.inputs[k] for k in order]), graph.equations, graph.outputs, graph.lines)


def _while_sweep(loop: _Loop) -> Graph:
    """The forward loop of unknown length: each state is stored, in the place of a dispensable one where all slots are full."""
    e, body, n, slots = loop.e, loop.body, loop.constants, len(loop.needed)
    books = ArrayType((loop.slots + 1,), _I)

    def step(*given: Handle) -> list[Any]:
        inner = [*given[:n], *given[n + 5 + slots:]]
        j, top, at, level, rows = given[n:n + 5]
        stored = given[n + 5:n + 5 + slots]
        top, at, level, rows, where = _online(loop.slots, j, top, at, level, rows)
        new = [_with_row(s, where, inner[n + k]) for s, k in zip(stored, loop.needed, strict=True)]
        return [*[j + 1, top, at, level, rows], *new, *j.build.inline(body, inner)]
    types = [*[v.type for v in body.inputs[:n]], _COUNT, _COUNT, books, books, books, *loop.state,
             *[v.type for v in body.inputs[n:]]]
    inner = _graph(types, step)
    test = _graph(types, lambda *given: given[0].build.inline(e.params["test"], [*given[:n], *given[n + 5 + slots:]]))

    def make(*operands: Handle) -> list[Any]:
        like = operands[0]
        zero = full(np.int64(0), (loop.slots + 1,), like)
        starts = [_int(0), _int(-1), zero, zero, Const(np.arange(loop.slots + 1)), *[_zeros(t, like) for t in loop.state]]
        count, *out = _apply("while_loop", *operands[:n], *starts, *operands[n:], test=test, body=inner, constants=n,
                             checkpoints=0)
        top, at, _, rows, *stored = out[1:5 + slots]
        return [count, *out[5 + slots:], top, at, rows, *stored]
    return _graph([o.type for o in e.operands], make)


def _online(slots: int, j: Handle, top: Handle, at: Handle, level: Handle, rows: Handle) -> tuple[Any, ...]:
    """The books with a checkpoint of iteration j: the last one, their iterations, levels and rows; and the row to write."""
    k = Handle(j.build, Const(np.arange(slots + 1)))
    is_full = _apply("greater_equal", top, _int(slots))  # the newest is the state at work, which has a row, too
    known = select(k <= top, level, full(np.int64(-1), (slots + 1,), j))
    later = _apply("flip", _apply("cummax", _apply("flip", known, axes=(0,)), axis=0), axes=(0,))
    later = _apply("concatenate", _apply("index", later, spec=(("s", 1, None, None),)), full(np.int64(-1), (1,), j), axis=0)
    dispensable = _apply("logical_and", _apply("logical_and", k > 0, k < top), known < later)
    some = _apply("reduce_any", dispensable, axes=(0,))
    worst = select(some, _apply("argmax", _apply("convert", dispensable, dtype=_I), axis=0), top)
    lifted = select(some, _int(0), _row(level, _apply("maximum", top, _int(0))) + 1)
    new_top = select(is_full, top, top + 1)
    gone = select(is_full, worst, new_top)
    moved = _apply("logical_and", _apply("greater_equal", k, gone), k < new_top)
    source = select(_apply("equal", k, new_top), gone, select(moved, k + 1, k))
    at, level, rows = (_apply("index", x, source, spec=(("a",),)) for x in (at, level, rows))
    mine = _apply("equal", k, new_top)
    at, level = select(mine, j, at), select(mine, select(is_full, lifted, _int(0)), level)
    return new_top, at, level, rows, _row(rows, new_top)


# ---------------------------------------------------------------- the linear loop

def _linear_loop(build: Build, loop: _Loop, linear: Any, active: list[bool], tangents: Sequence[Any],
                 kept: list[Var]) -> list[Any]:
    """One loop over the values that residuals need and the tangents; what was stored goes with it, for its adjoint."""
    e, body, n = loop.e, loop.body, loop.constants
    end = n + loop.carries
    groups = [[k for k in range(a, b) if active[k]] for a, b in ((0, n), (n, end), (end, len(body.inputs)))]
    values = [list(range(n)), [n + k for k in loop.needed], list(range(end, len(body.inputs)))]
    stacked = [j for j in range(loop.carries, len(body.outputs)) if linear.nonzero[j]]
    inner = linear.primal
    order = [(k, part) for xs, ts in zip(values, groups, strict=True) for part, ks in (("x", xs), ("t", ts)) for k in ks]

    def step(*given: Handle) -> list[Any]:
        by = dict(zip(order, given, strict=True))
        again = prune(Graph(inner.inputs, inner.equations, (*[body.outputs[k] for k in loop.needed], *linear.residuals),
                            inner.lines))
        b = given[0].build
        xs = [by.get((k, "x"), Const(np.zeros(v.type.shape, v.type.dtype)) if isinstance(v.type, ArrayType) else None)
              for k, v in enumerate(body.inputs)]
        found = b.inline(again, xs)
        out = iter(b.inline(linear.graph, [*[by[k, "t"] for k, a in enumerate(active) if a], *found[len(loop.needed):]]))
        ts = {k: next(out) for k, nonzero in enumerate(linear.nonzero) if nonzero}
        carried = [ts[k - n] if k - n in ts else _zeros(body.inputs[k].type, given[0]) for k in groups[1]]
        return [*found[:len(loop.needed)], *carried, *[ts[j] for j in stacked]]
    graph = _graph([body.inputs[k].type for k, _ in order], step)
    length = Handle(build, e.operands[0] if loop.is_scan else e.results[0])
    given = e.operands[loop.first:]

    def operand(k: int, part: str) -> Any:
        if part == "x":
            return Handle(build, given[k])
        return tangents[k] if tangents[k] is not None else _zeros(body.inputs[k].type, length)
    out = REGISTRY["tangent_loop"](
        length, *[operand(k, part) for k, part in order], *[Handle(build, v) for v in kept], body=graph,
        constants=n + len(groups[0]), carries=len(loop.needed) + len(groups[1]), reverse=bool(e.params.get("reverse", False)),
        size=e.params["size"] if loop.is_scan else None, tangents=tuple(map(len, groups)), checkpoints=loop.slots)
    places = [*[k - n for k in groups[1]], *stacked]
    found = {int(not loop.is_scan) + j: t for j, t in zip(places, out[len(loop.needed):], strict=True)}
    return [found.get(j) for j in range(len(e.results))]


def plain_tangent_loop(e: Equation) -> Equation:
    """The same as a `scan`, which knows of no checkpoints made before."""
    params = {k: v for k, v in e.params.items() if k != "tangents"}
    return Equation(REGISTRY["scan"], e.operands[:1 + len(e.params["body"].inputs)], params, e.results)


def record_tangent_loop(build: Build, e: Equation, tangents: Sequence[Any], transform: Any) -> tuple[Equation, list[Any]]:
    scan = plain_tangent_loop(e)
    return REGISTRY["scan"].record(build, scan, tangents[:len(scan.operands)], transform)  # type: ignore[misc,no-any-return]


# ---------------------------------------------------------------- the backward sweep

@dataclass
class _Sweep:
    """What a backward sweep is made of: graphs of one iteration, and where their inputs are among those of the body."""

    params: Any
    step: Graph  # values alone
    adjoint: Graph  # values, accumulators, cotangents
    groups: tuple[tuple[range, range], ...]  # (values, tangents) of constants, carries, slices
    summed: list[int]
    saved: list[int]  # outputs with a cotangent


def adjoint_tangent_loop(walk: Any, e: Equation) -> None:
    """The iterations backward, each from a state that was stored or is computed again from one."""
    params, body = e.params, e.params["body"]
    total = len(body.inputs)
    given, kept = e.operands[1:1 + total], e.operands[1 + total:]
    groups = _groups(params, total)
    tangent = {k for _, ts in groups for k in ts}
    linear = [k in tangent for k in range(total)]
    values = len(groups[1][0])
    cotangents = [walk.cotangents.get(r) for r in e.results]
    have = [values <= j < params["carries"] or (j >= params["carries"] and c is not None) for j, c in enumerate(cotangents)]
    summed = list(groups[0][1])
    inner, found = walk.inside(body, linear, have, summed)
    sweep = _Sweep(params, prune(body, body.outputs[:values]), inner, groups, summed,
                   [j for j in range(params["carries"], len(body.outputs)) if have[j]])
    some = walk.seed(e)

    def present(c: Any, t: Any) -> Any:
        return _zeros(t, some) if c is None else c
    starts = [present(walk.take(given[k]), body.inputs[k].type) for k in summed]
    starts += [present(cotangents[j], body.outputs[j].type) for j in range(values, params["carries"])]
    fixed = [walk.pull(given[k]) for k in groups[0][0]]
    slices = [walk.pull(given[k]) for k in groups[2][0]]
    out = _backward(sweep, found, walk.pull(e.operands[0]), fixed, slices, [walk.pull(o) for o in kept], starts,
                    [cotangents[j] for j in sweep.saved])
    for k, ct in zip((*summed, *groups[1][1], *groups[2][1]), out, strict=True):
        if isinstance(given[k], Var) and given[k] in walk.is_linear:
            walk.add(given[k], ct)


def _groups(params: Any, total: int) -> tuple[tuple[range, range], ...]:
    out, start = [], 0
    for size, t in zip((params["constants"], params["carries"], total - params["constants"] - params["carries"]),
                       params["tangents"], strict=True):
        out.append((range(start, start + size - t), range(start + size - t, start + size)))
        start += size
    return tuple(out)


def _backward(sweep: _Sweep, found: list[bool], length: Handle, fixed: list[Any], slices: list[Any], kept: list[Any],
              starts: list[Any], saved: list[Any]) -> Sequence[Any]:
    """The loop over iterations, last first; results: what is summed, cotangents of carries, cotangents of slices."""
    params, body = sweep.params, sweep.params["body"]
    values, summed = len(sweep.groups[1][0]), len(sweep.summed)
    whole = [k for k, v in enumerate(sweep.groups[2][0]) if uses(sweep.step, sweep.step.inputs[v])]  # rows to choose from
    constants = [length, *fixed, *[slices[k] for k in whole]]
    carries = [length - 1, *kept, *starts]  # kept: top, at, rows, slots
    types = [h.type for h in (*constants, *carries)]
    types += [body.outputs[j].type for j in sweep.saved] + [body.inputs[k].type for k in sweep.groups[2][0]]
    tangents = [*sweep.summed, *sweep.groups[1][1], *sweep.groups[2][1]]
    marks = [k for k, flag in enumerate(found) if flag]

    def step(*inputs: Handle) -> list[Any]:
        c, n = len(constants), len(constants) + len(carries)
        q, top, at, rows, *rest = inputs[c:n]
        slots, ct = rest[:values], rest[values:]
        top = top - _apply("convert", _row(at, top) > q, dtype=_I)
        top, at, *slots = _descend(sweep, inputs[:c], whole, q, top, at, rows, slots)
        x = [_row(s, _row(rows, top)) for s in slots]
        ys, xs = inputs[n:n + len(sweep.saved)], inputs[n + len(sweep.saved):]
        out = dict(zip(marks, q.build.inline(sweep.adjoint, [*inputs[1:1 + len(fixed)], *x, *xs, *ct, *ys]), strict=True))
        moved = [out[k] if k in out else _zeros(body.inputs[k].type, q) for k in tangents]
        return [q - 1, top, at, rows, *slots, *moved]
    graph = _graph(types, step)
    out = _apply("scan", length, *constants, *carries, *saved, *slices, body=graph, constants=len(constants),
                 carries=len(carries), reverse=not params["reverse"], size=params["size"], checkpoints=0)
    skip = 4 + values
    assert len(out) == skip + summed + len(sweep.groups[1][1]) + len(sweep.groups[2][1])
    return out[skip:]  # type: ignore[no-any-return]


def _descend(sweep: _Sweep, constants: Sequence[Handle], whole: list[int], q: Handle, top: Any, at: Handle, rows: Handle,
             slots: Sequence[Handle]) -> Sequence[Any]:
    """Advance from the last checkpoint to iteration q, storing states on the way; the last is that of q."""
    most, n = sweep.params["checkpoints"], len(constants)

    def go_on(*a: Handle) -> list[Any]:
        q, top, at = a[n], a[n + 2], a[n + 3]
        return [_row(at, top) < q]

    def part(*a: Handle) -> list[Any]:
        q, rows, top, at, *slots = a[n:]
        begin = _row(at, top)
        size = first_part(q + 1 - begin, _apply("subtract", _int(most), top))
        x = _advance(sweep, a[:n], whole, begin, size, [_row(s, _row(rows, top)) for s in slots])
        top = top + 1
        where = _row(rows, top)
        return [top, _with_row(at, top, begin + size), *[_with_row(s, where, v) for s, v in zip(slots, x, strict=True)]]
    given = [*constants, q, rows, top, at, *slots]
    types = [h.type for h in given]
    _, *out = _apply("while_loop", *given, test=_graph(types, go_on), body=_graph(types, part), constants=n + 2, checkpoints=0)
    return out


def _advance(sweep: _Sweep, constants: Sequence[Handle], whole: list[int], begin: Handle, size: Handle,
             x: Sequence[Handle]) -> Sequence[Any]:
    """The state after `size` more iterations."""
    n = len(constants)
    fixed = n - 1 - len(whole)
    reverse = sweep.params["reverse"]
    places = [sweep.groups[2][0][k] for k in whole]

    def step(*a: Handle) -> list[Any]:
        j, state = a[n], a[n + 1:]
        by: dict[int, Any] = dict(zip(sweep.groups[0][0], a[1:1 + fixed], strict=True))
        by.update(zip(sweep.groups[1][0], state, strict=True))
        at = a[0] - 1 - j if reverse else j
        by.update({k: _row(v, at) for k, v in zip(places, a[1 + fixed:n], strict=True)})
        inputs = [by[k] if k in by else Const(np.zeros(v.type.shape, v.type.dtype)) for k, v in enumerate(sweep.step.inputs)]
        return [j + 1, *j.build.inline(sweep.step, inputs)]
    given = [*constants, begin, *x]
    out = _apply("scan", size, *given, body=_graph([h.type for h in given], step), constants=n, carries=1 + len(x),
                 reverse=False, size=None, checkpoints=0)
    return out[1:]  # type: ignore[no-any-return]
