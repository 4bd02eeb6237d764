"""Sparsity: which inputs each output of a linear graph may depend on.

What comes in: the tangent graph of a program, and what is known of its residuals. What goes out: the pattern of the Jacobian.
The one idea: the tangent graph *is* the Jacobian as it will be computed, so only linear primitives need a rule, and each rule
is a map on rows of a `Pattern`, found by evaluating the primitive on row numbers where it only moves elements. Values that do
not depend on the inputs (indices, loop counters, masks) are computed on the way; what is not known may be anything.

Where there is no rule, each element of a result depends on all elements of the operands. A loop of known length is followed
iteration by iteration, any other to a fixed point; a branch that is not known unites its arms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.graph import ArrayType, Equation, Graph, StackType, Var
from wengert.graph.walk import subgraphs
from wengert.primitives.contract import split_spec
from wengert.primitives.index import index_shape, numpy_key
from wengert.primitives.window import window
from wengert.transforms.pattern import Pattern, bounded

__all__ = ["Nonzero", "known_values", "propagate"]

Known = list[Any]
Patterns = list[Pattern | None]


class Nonzero:
    """What is known of constants that may change: where they are not zero."""

    __slots__ = ("mask",)

    def __init__(self, mask: Any):
        self.mask = np.asarray(mask)


_STEPS = 1_000_000  # equations that the iterations of one loop may take; longer ones go to a fixed point
_ROUNDS = 12  # of a fixed point, before what still grows is taken to touch everything
_SIZE = 10_000_000  # elements of a value that is worth knowing


def propagate(graph: Graph, known: Sequence[Any], patterns: Sequence[Pattern | None], width: int) -> tuple[Known, Patterns]:
    """What is known of the outputs of a graph, and the columns that each of their elements depends on.

    Parameters
    ----------
    graph : Graph
        Linear in the inputs that have a pattern.
    known : sequence
        The value of each input, None where it is not known.
    patterns : sequence of Pattern or None
        The pattern of each input, with one row for each element; None: it does not depend on anything.
    width : int
        The number of columns.

    Returns
    -------
    list, list
        For each output its value or None, and its pattern or None.
    """
    env: dict[Var, tuple[Any, Pattern | None]] = {}
    for v, k, p in zip(graph.inputs, known, patterns, strict=True):
        env[v] = (None if p is not None else k, p)

    def look(o: Any) -> tuple[Any, Pattern | None]:
        return env.get(o, (None, None)) if isinstance(o, Var) else (o.value[()], None)
    for e in graph.equations:
        found = [look(o) for o in e.operands]
        values, rows = [k for k, _ in found], [p for _, p in found]
        control = _CONTROL.get(e.primitive.name)
        if control is not None:
            values, rows = control(e, values, rows, width)
        elif any(p is not None for p in rows):
            rows = _depending(e, values, rows, width)
            values = [None] * len(rows)
        else:
            values = _evaluated(e, values)
            rows = [None] * len(values)
        env.update(zip(e.results, zip(values, rows, strict=True), strict=True))
    outputs = [look(o) for o in graph.outputs]
    return [k for k, _ in outputs], [p for _, p in outputs]


def known_values(graph: Graph, known: Mapping[Var, Any]) -> dict[Var, Any]:
    """The variables of a graph that are known when these inputs or free variables are."""
    given = tuple(dict.fromkeys([*graph.inputs, *known]))
    inner = Graph(given, graph.equations, tuple(v for e in graph.equations for v in e.results), graph.lines)
    values, _ = propagate(inner, [known.get(v) for v in given], [None] * len(given), 0)
    found: dict[Any, Any] = {**known, **dict(zip(inner.outputs, values, strict=True))}
    return {v: x for v, x in found.items() if x is not None}


_MOVES = frozenset(("broadcast", "concatenate", "convert", "flip", "index", "index_set", "pad", "permute", "reshape",
                    "transpose", "window"))
_OPAQUE = frozenset(("custom_jvp", "custom_vjp", "custom_vjp_linear", "effect", "foreign", "foreign_linear", "python_call"))


def _evaluated(e: Equation, values: Known) -> Known:
    """The results of an equation whose operands are all known and which only computes."""
    nothing: Known = [None] * len(e.results)
    if not e.pure or e.primitive.name in _OPAQUE or any(x is None for x in values):
        return nothing
    if any(r.type.size > _SIZE for r in e.results):
        return nothing
    params = e.params
    masked = any(isinstance(x, Nonzero) for x in values)
    if masked:
        if e.primitive.name not in _MOVES or not e.results[0].type.inexact:
            return nothing
        values = [_nonzero(x) if o.type.inexact else x for x, o in zip(values, e.operands, strict=True)]
        params = {**params, "dtype": np.dtype(bool)} if e.primitive.name == "convert" else params
    try:
        with np.errstate(all="ignore"):
            out = e.primitive.evaluate(*values, **params)
    except (ArithmeticError, IndexError, TypeError, ValueError):  # raised where the program runs, if that place is reached
        return nothing
    return list(out) if e.primitive.multiple else [Nonzero(out) if masked else out]


# ---------------------------------------------------------------- equations without graphs

Rule = Callable[[Equation, Known, Patterns, int], Pattern | None]


def _depending(e: Equation, values: Known, rows: Patterns, width: int) -> Patterns:
    p = e.primitive
    if not p.differentiable or not any(r is not None and r.count for r in rows):
        return [None] * len(e.results)
    rule = _RULES.get(p.name, _elementwise if p.elementwise and not p.multiple else None)
    if rule is not None:
        return [rule(e, values, rows, width)]
    merged = _united([r.merged() for r in rows if r is not None])
    return [merged.spread(r.type.size) if merged is not None and r.type.inexact else None for r in e.results]


def _united(parts: Sequence[Pattern | None]) -> Pattern | None:
    total: Pattern | None = None
    for p in parts:
        if p is not None:
            total = p if total is None else total.union(p)
    return total


def _numbers(shape: tuple[int, ...], start: int = 0) -> Any:
    size = int(np.prod(shape, dtype=int))
    return np.arange(start, start + size).reshape(shape)


def _elementwise(e: Equation, values: Known, rows: Patterns, width: int) -> Pattern | None:
    shape, name = e.results[0].type.shape, e.primitive.name
    parts = []
    for i, (o, p) in enumerate(zip(e.operands, rows, strict=True)):
        if p is None:
            continue
        if o.type.shape != shape:
            p = p.take(np.broadcast_to(_numbers(o.type.shape), shape))
        if name == "multiply" and values[1 - i] is not None:  # a factor that is known to be zero
            p = p.keep(np.broadcast_to(_nonzero(values[1 - i]), shape))
        if name == "select" and values[0] is not None:
            p = p.keep(np.broadcast_to(np.asarray(values[0]) == (i == 1), shape))
        parts.append(p)
    return _united(parts)


def _nonzero(x: Any) -> Any:
    return x.mask if isinstance(x, Nonzero) else np.asarray(x) != 0


def _same(e: Equation, values: Known, rows: Patterns, width: int) -> Pattern | None:
    return _united(rows)


def _moved(e: Equation, values: Known, rows: Patterns, width: int) -> Pattern | None:
    """A primitive that moves elements, evaluated on their numbers; 0 stands for an element that comes from nowhere."""
    parts, out = [], e.results[0].type
    for i, p in enumerate(rows):
        if p is None:
            continue
        operands = [_numbers(o.type.shape, 1) if k == i else
                    np.zeros(o.type.shape, np.int64) if o.type.inexact else values[k] for k, o in enumerate(e.operands)]
        if any(x is None for x in operands):
            return _everything(e, values, rows, width)
        at = np.broadcast_to(np.asarray(e.primitive.evaluate(*operands, **e.params)), out.shape)
        parts.append(p.take(at.ravel() - 1))
    return _united(parts)


def _everything(e: Equation, values: Known, rows: Patterns, width: int) -> Pattern | None:
    merged = _united([r.merged() for r in rows if r is not None])
    return merged.spread(e.results[0].type.size) if merged is not None else None


def _across(p: Pattern, shape: tuple[int, ...], axes: Sequence[int], kept: bool = True) -> Pattern:
    """Rows united along axes; `kept`: each place along them has the union, else the axes are gone."""
    if not axes:
        return p
    lengths = [1 if a in axes else n for a, n in enumerate(shape)]
    groups = np.broadcast_to(_numbers(tuple(lengths)), shape)
    united = p.send(np.arange(p.size), groups.ravel(), int(np.prod(lengths, dtype=int)))
    return united.take(groups.ravel()) if kept else united


def _summed(e: Equation, values: Known, rows: Patterns, width: int) -> Pattern | None:
    """Sums over axes; what a mask that is known leaves out does not count. A start, if there is one, reaches every result."""
    shape, parts = e.operands[0].type.shape, []
    if rows[0] is not None:
        p = rows[0]
        if len(values) > 1 and values[1] is not None:
            p = p.keep(np.broadcast_to(values[1], shape))
        parts.append(_across(p, shape, e.params["axes"], kept=False))
    parts.extend(p.spread(e.results[0].type.size) for p in rows[2:] if p is not None)
    return _united(parts)


def _along_axis(e: Equation, values: Known, rows: Patterns, width: int) -> Pattern | None:
    """Each result depends on all elements of its line along the axis (a transform, or a cumulative sum from either end)."""
    x, out, axis = e.operands[0].type.shape, e.results[0].type.shape, e.params["axis"] % len(e.results[0].type.shape)
    p = rows[0]
    if p is None:
        return None
    if e.primitive.name == "cumsum":
        n = x[axis]
        bounded(p.size * n // 2)
        source, target = np.nonzero(np.tri(n, dtype=bool) if e.params["reverse"] else np.tri(n, dtype=bool).T)
        lines = np.moveaxis(_numbers(x), axis, 0).reshape(n, -1)
        return p.send(lines[source].ravel(), lines[target].ravel(), p.size)
    lines = _across(p, x, (axis,), kept=False)
    short = tuple(n for a, n in enumerate(out) if a != axis)
    return lines.take(np.broadcast_to(np.expand_dims(_numbers(short), axis), out).ravel())


def _solved(e: Equation, values: Known, rows: Patterns, width: int) -> Pattern | None:
    """Solutions for stacks of right sides, the last operand: each column depends on its own right side."""
    if rows[-1] is None or any(p is not None for p in rows[:-1]):
        return _everything(e, values, rows, width)
    b, out = e.operands[-1].type.shape, e.results[0].type.shape
    lines = _across(rows[-1], b, (len(b) - 2,), kept=False)
    numbers = np.expand_dims(_numbers((*b[:-2], b[-1])), -2)
    return lines.take(np.broadcast_to(numbers, out).ravel())


def _filtered(e: Equation, values: Known, rows: Patterns, width: int) -> Pattern | None:
    """A filter along the last axis: each result depends on the signal before it; without a recursion, on as much as b spans."""
    (b, a, x), p = [o.type.shape for o in e.operands], rows[2]
    if p is None or rows[0] is not None or len(b) > 1 or len(a) > 1:
        return _everything(e, values, rows, width)
    n, reach = x[-1], b[0] - 1 if a[0] == 1 else x[-1]
    lines = _numbers(x).reshape(-1, n)
    late, early = np.nonzero(np.tri(n, dtype=bool) & ~np.tri(n, k=-reach - 1, dtype=bool))
    bounded(p.count * min(n, reach + 1))
    return p.send(lines[:, early].ravel(), lines[:, late].ravel(), p.size)


# ---------------------------------------------------------------- reading and writing at indices

def _indices(e: Equation, values: Known, first: int) -> tuple[list[Any], list[int]]:
    """Index arrays with 0 in the place of unknown ones, and the axes of the array that those point into."""
    arrays, unknown, axis, k = [], [], 0, first
    for entry in e.params["spec"]:
        if entry[0] == "a":
            if values[k] is None:
                unknown.append(axis)
            arrays.append(np.zeros(e.operands[k].type.shape, np.int64) if values[k] is None else values[k])
            k += 1
        axis += entry[0] != "n"
    return arrays, unknown


def _read(e: Equation, values: Known, rows: Patterns, width: int) -> Pattern | None:
    """``x[index]``; an index that is not known may point to any place along its axis."""
    arrays, unknown = _indices(e, values, 1)
    shape, p = e.operands[0].type.shape, rows[0]
    if p is None or not e.results[0].type.size:
        return None
    return _across(p, shape, unknown).take(np.ravel(e.primitive.evaluate(_numbers(shape), *arrays, spec=e.params["spec"])))


def _written(e: Equation, values: Known, rows: Patterns, width: int) -> Pattern | None:
    """``x[index] = v`` and ``x[index] += v``; what an index that is not known writes may be anywhere along its axis."""
    arrays, unknown = _indices(e, values, 2)
    (x, v), spec = (o.type.shape for o in e.operands[:2]), e.params["spec"]
    places = index_shape(x, spec, tuple(np.shape(a) for a in arrays))
    numbers = _numbers(x)
    if e.primitive.name == "index_set" and not unknown:
        return _moved(e, values, rows, width)
    parts = [rows[0]]
    if rows[1] is not None and int(np.prod(places, dtype=int)):
        target = numbers[numpy_key(spec, tuple(arrays))]
        source = np.broadcast_to(_numbers(v), places)
        parts.append(_across(rows[1].send(source.ravel(), np.ravel(target), numbers.size), x, unknown))
    return _united(parts)


def _permuted(e: Equation, values: Known, rows: Patterns, width: int) -> Pattern | None:
    if values[1] is not None:
        return _moved(e, values, rows, width)
    return _across(rows[0], e.operands[0].type.shape, (e.params["axis"],)) if rows[0] is not None else None


def _window_sum(e: Equation, values: Known, rows: Patterns, width: int) -> Pattern | None:
    """The transpose of `window`, which says where each element came from."""
    shape, p = e.results[0].type.shape, rows[0]
    target = window.evaluate(_numbers(shape), windows=e.params["windows"])
    return p.send(np.arange(p.size), target.ravel(), e.results[0].type.size) if p is not None else None


# ---------------------------------------------------------------- products

def _contraction(e: Equation, values: Known, rows: Patterns, width: int) -> Pattern | None:
    """Sums of products: each result touches what is summed for it, without the factors that are known to be zero."""
    labels, parts = split_spec(e.params["spec"]), []
    sizes = {k: n for group, o in zip(labels[:2], e.operands, strict=True) for k, n in zip(group, o.type.shape, strict=True)}
    for i, p in enumerate(rows):
        if p is None:
            continue
        own, other, out = labels[i], labels[1 - i], labels[2]
        factor = None if values[1 - i] is None else _nonzero(values[1 - i])
        if factor is not None and not factor.all():
            parts.append(_by_nonzeros(p, factor, own, other, out, sizes))
            continue
        shape = tuple(sizes[k] for k in own)
        summed = [a for a, k in enumerate(own) if k not in out]
        kept = [k for k in own if k in out]
        p = _across(p, shape, summed, kept=False)
        at = np.transpose(_numbers(tuple(sizes[k] for k in kept)), [kept.index(k) for k in out if k in kept])
        key = tuple(slice(None) if k in kept else None for k in out)
        parts.append(p.take(np.broadcast_to(at[key], [sizes[k] for k in out]).ravel()))
    return _united(parts)


def _by_nonzeros(p: Pattern, factor: Any, own: str, other: str, out: str, sizes: dict[str, int]) -> Pattern:
    """Each nonzero factor sends a row to a row, for all values of the labels that it does not have."""
    places = dict(zip(other, np.nonzero(factor) if factor.ndim else (), strict=True))
    free = [k for k in own if k not in other]
    count = np.count_nonzero(factor)
    grid = np.indices([sizes[k] for k in free]).reshape(len(free), -1) if free else np.zeros((0, 1), np.int64)
    at = {k: x[:, None] for k, x in places.items()} | {k: grid[j][None, :] for j, k in enumerate(free)}
    whole = (count, grid.shape[1] if free else 1)

    def flat(labels: str) -> Any:
        number = np.zeros(whole, np.int64)
        for k in labels:
            number = number * sizes[k] + at[k]
        return number.ravel()
    return p.send(flat(own), flat(out), int(np.prod([sizes[k] for k in out], dtype=int)))


def _correlation(e: Equation, values: Known, rows: Patterns, width: int) -> Pattern | None:
    """``y[k] = Σ_i a[i + k] v[i]``, with zeros around a if it is "full"."""
    (a, v), out = (o.type.shape for o in e.operands), e.results[0].type.shape
    n, m, k = a[-1], v[-1], out[-1]
    start = m - 1 if e.params["mode"] == "full" else 0
    result, place = np.divmod(np.arange(k * m), m)
    inside = (result + place >= start) & (result + place < n + start)
    result, place = result[inside], place[inside]
    lanes = np.arange(int(np.prod(a[:-1], dtype=int)))[:, None]
    parts = []
    for p, number in ((rows[0], lanes * n + result + place - start), (rows[1], lanes * m + place)):
        if p is not None:
            parts.append(p.send(number.ravel(), (lanes * k + result).ravel(), e.results[0].type.size))
    return _united(parts)


# ---------------------------------------------------------------- control flow

def _size(t: Any) -> int:
    return int(t.size)  # of one entry, if it is a stack: its entries share one pattern


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Nonzero) and isinstance(b, Nonzero):
        a, b = a.mask, b.mask
    return a is b or (a is not None and b is not None and np.array_equal(a, b))


def _call(e: Equation, values: Known, rows: Patterns, width: int) -> tuple[Known, Patterns]:
    return propagate(e.params["graph"], values, rows, width)


def _cond(e: Equation, values: Known, rows: Patterns, width: int) -> tuple[Known, Patterns]:
    yes, no = e.params["branches"]
    if values[0] is not None:
        return propagate(yes if values[0] else no, values[1:], rows[1:], width)
    (a, p), (b, q) = (propagate(g, values[1:], rows[1:], width) for g in (yes, no))
    return ([x if _equal(x, y) else None for x, y in zip(a, b, strict=True)],
            [_united(pair) for pair in zip(p, q, strict=True)])


def _length(graph: Graph) -> int:
    """Equations of a graph and of those inside it, as far as they are followed once."""
    return 1 + sum(1 + sum(_length(g) for g in subgraphs(e)) for e in graph.equations)


def _while(e: Equation, values: Known, rows: Patterns, width: int) -> tuple[Known, Patterns]:
    """Followed while its test is known; a loop of unknown length occurs where nothing has a pattern."""
    constants, test, body = e.params["constants"], e.params["test"], e.params["body"]
    fixed, carry, count = values[:constants], values[constants:], 0
    nothing: tuple[Known, Patterns] = [None] * len(e.results), [None] * len(e.results)
    if any(p is not None for p in rows):
        merged = _united([p.merged() for p in rows if p is not None])
        return nothing[0], [merged.spread(_size(r.type)) if merged and r.type.inexact else None for r in e.results]
    budget, cost, none = _STEPS, _length(body) + _length(test), [None] * len(values)
    while budget > 0:
        (go_on,), _ = propagate(test, [*fixed, *carry], none, width)
        if go_on is None:
            return nothing
        if not go_on:
            return [np.int64(count), *carry, *[None] * (len(e.results) - 1 - len(carry))], nothing[1]
        out, _ = propagate(body, [*fixed, *carry], none, width)
        carry, count, budget = out[:len(carry)], count + 1, budget - cost
    return nothing


def _scan(e: Equation, values: Known, rows: Patterns, width: int) -> tuple[Known, Patterns]:
    length, body = values[0], e.params["body"]
    steps = int(length) if length is not None else None
    whole = steps is not None and steps * _length(body) <= _STEPS and not any(
        isinstance(o.type, StackType) for o in (*e.operands, *e.results))
    return (_followed if whole else _settled)(e, values[1:], rows[1:], width, steps)


def _followed(e: Equation, values: Known, rows: Patterns, width: int, steps: int | None) -> tuple[Known, Patterns]:
    """Iteration by iteration."""
    assert steps is not None
    constants, carries, body = e.params["constants"], e.params["carries"], e.params["body"]
    end = constants + carries
    sizes = [v.type.size for v in body.inputs[end:]]
    carry, moving = values[constants:end], rows[constants:end]
    saved: dict[int, tuple[Known, Patterns]] = {}
    for i in reversed(range(steps)) if e.params["reverse"] else range(steps):
        at = [None if x is None else Nonzero(x.mask[i]) if isinstance(x, Nonzero) else x[i] for x in values[end:]]
        parts = [None if p is None else p.take(np.arange(i * n, (i + 1) * n)) for p, n in zip(rows[end:], sizes, strict=True)]
        found, patterns = propagate(body, [*values[:constants], *carry, *at], [*rows[:constants], *moving, *parts], width)
        carry, moving = found[:carries], patterns[:carries]
        saved[i] = found[carries:], patterns[carries:]
    out_values, out_rows = list(carry), list(moving)
    for j, (o, r) in enumerate(zip(body.outputs[carries:], e.results[carries:], strict=True)):
        entries = [saved[i][0][j] for i in range(steps)]
        lines = [saved[i][1][j] for i in range(steps)]
        known = all(x is not None and not isinstance(x, Nonzero) for x in entries) and r.type.size <= _SIZE
        out_values.append(np.array(entries, r.type.dtype).reshape(r.type.shape) if known else None)
        out_rows.append(Pattern.stacked([p or Pattern.empty(o.type.size, width) for p in lines])
                        if any(p is not None for p in lines) else None)
    return out_values, out_rows


def _settled(e: Equation, values: Known, rows: Patterns, width: int, steps: int | None) -> tuple[Known, Patterns]:
    """What holds in every iteration: carries grow until nothing changes."""
    constants, carries, body = e.params["constants"], e.params["carries"], e.params["body"]
    end = constants + carries
    carry, moving = values[constants:end], rows[constants:end]
    sliced = [_any_entry(p, o.type, v.type) for p, o, v in
              zip(rows[end:], e.operands[1 + end:], body.inputs[end:], strict=True)]
    unknown: Known = [None] * len(sliced)
    ahead: Patterns = []
    for turn in range(10 * _ROUNDS):
        found, ahead = propagate(body, [*values[:constants], *carry, *unknown], [*rows[:constants], *moving, *sliced], width)
        joined = [_united(pair) for pair in zip(moving, ahead[:carries], strict=True)]
        if turn >= _ROUNDS:
            joined = [p if q is p or p is None else p.spread(p.size) for p, q in zip(joined, moving, strict=True)]
        agreed = [x if _equal(x, y) else None for x, y in zip(carry, found[:carries], strict=True)]
        if all(_equal(x, y) for x, y in zip(agreed, carry, strict=True)) and all(
                p is q or (p is not None and q is not None and p.same(q)) for p, q in zip(joined, moving, strict=True)):
            break
        carry, moving = agreed, joined
    saved = [_each_entry(p, r.type) for p, r in zip(ahead[carries:], e.results[carries:], strict=True)]
    return [*carry, *[None] * len(saved)], [*moving, *saved]


def _any_entry(p: Pattern | None, whole: Any, entry: Any) -> Pattern | None:
    """The pattern of one entry of an array or a stack, whichever it is."""
    if p is None or isinstance(whole, StackType):
        return p
    return _across(p, (whole.shape[0], entry.size), (0,), kept=False)


def _each_entry(p: Pattern | None, whole: Any) -> Pattern | None:
    if p is None or not isinstance(whole, ArrayType):
        return p
    return p.take(np.tile(np.arange(p.size), whole.shape[0]))


_CONTROL: dict[str, Callable[[Equation, Known, Patterns, int], tuple[Known, Patterns]]] = {
    "call": _call, "cond": _cond, "scan": _scan, "while_loop": _while}

# What is in no row is elementwise, or touches everything (the user's own rules, equations with several results).
_RULES: dict[str, Rule] = {
    **dict.fromkeys(("convert", "stack_add"), _same),
    **dict.fromkeys(("broadcast", "concatenate", "flip", "pad", "reshape", "transpose", "window"), _moved),
    **dict.fromkeys(("masked_sum", "reduce_sum"), _summed),
    **dict.fromkeys(("cumsum", "dct", "dst", "fft", "irfft", "rfft"), _along_axis),
    **dict.fromkeys(("index_add", "index_set"), _written),
    **dict.fromkeys(("lstsq", "solve_banded_factored", "solve_factored", "solve_triangular"), _solved),
    "index": _read, "permute": _permuted, "window_sum": _window_sum, "contract": _contraction, "correlate": _correlation,
    "guard": lambda e, values, rows, width: rows[0], "lfilter": _filtered,
}
