"""Programs as formulas of numbers.

What comes in: a graph with small arrays, branches, and loops of known length. What goes out: a graph in which every value is a
number: each element of an input is an input of its own, loops are written out, branches are selections. The one idea: NumPy's
own functions move elements about, whatever the elements are, so arrays of handles go through them; only arithmetic is spelled
out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.graph import REGISTRY, ArrayType, Atom, Build, Const, Equation, Graph, Handle
from wengert.primitives.index import numpy_key

__all__ = ["scalar_graph"]

_LARGEST = 1_000  # elements of an array
_LONGEST = 100_000  # equations


def scalar_graph(graph: Graph, count: int | None = None) -> Graph:
    """The graph with numbers in the place of arrays.

    Parameters
    ----------
    graph : Graph
    count : int, optional
        How many inputs become numbers; of the others, which stay arrays, the elements are read. The default is all.

    Raises
    ------
    UnsupportedError
        For what has no formula of reasonable length: loops whose length depends on values, factorizations, large arrays.

    Examples
    --------
    >>> from wengert.graph import build_graph
    >>> from wengert.primitives.structure import reduce_sum
    >>> print(scalar_graph(build_graph(lambda x: reduce_sum(x * x, axes=(0,)), ArrayType((2,), float))))
    graph(%0: float64[], %1: float64[]) {
      %2: float64[] = multiply(%0, %0)
      %3: float64[] = multiply(%1, %1)
      %4: float64[] = add(%2, %3)
      return %4
    }
    """
    walk = _Walk()
    count = len(graph.inputs) if count is None else count
    inputs = [walk.fresh(v.type) for v in graph.inputs[:count]] + [walk.elements(v.type) for v in graph.inputs[count:]]
    outputs = walk.run(graph, inputs)
    return walk.build.graph([h for a in outputs for h in a.reshape(-1)])


def _refuse(what: str) -> UnsupportedError:
    return UnsupportedError(f"symbolic: {what}. Reverse mode (wg.grad) derives it without a formula")


class _Walk:
    """Arrays of handles, dtype object, in the place of values."""

    def __init__(self) -> None:
        self.build = Build()

    def fresh(self, type: Any) -> Any:
        if not isinstance(type, ArrayType) or type.size > _LARGEST:
            raise _refuse(f"an input of type {type} is too large for a formula")
        return self.array([self.build.input(ArrayType((), type.dtype)) for _ in range(type.size)], type.shape)

    def elements(self, type: Any) -> Any:
        """The elements of an input that stays an array."""
        if not isinstance(type, ArrayType) or type.size > _LARGEST:
            raise _refuse(f"an input of type {type} is too large for a formula")
        x = self.build.input(type)
        places = [tuple([("i", k) for k in place]) for place in np.ndindex(type.shape)]
        return self.array([REGISTRY["index"](x, spec=p) if p else x for p in places], type.shape)

    def array(self, handles: Sequence[Any], shape: tuple[int, ...]) -> Any:
        out = np.empty(len(handles), object)
        out[:] = handles
        return out.reshape(shape)

    def value(self, env: dict[Any, Any], a: Atom) -> Any:
        if not isinstance(a, Const):
            return env[a]
        if a.type.size > _LARGEST:
            raise _refuse(f"a constant of type {a.type} is too large for a formula")
        return self.array([Handle(self.build, Const(x)) for x in a.value.reshape(-1)], a.type.shape)

    def emit(self, name: str, *operands: Any, **params: Any) -> Any:
        """One equation of numbers; whole numbers and truth values that are known are computed."""
        primitive = REGISTRY[name]
        known = [h.atom.value[()] for h in operands if isinstance(h.atom, Const)]
        if len(known) == len(operands) and not primitive.multiple:
            with np.errstate(all="ignore"):
                value = primitive.evaluate(*known, **params)
            if np.asarray(value).dtype.kind != "f":
                return Handle(self.build, Const(value))
        if len(self.build.equations) > _LONGEST:
            raise _refuse(f"the formula has more than {_LONGEST:,} operations")
        return primitive(*operands, **params)

    def run(self, graph: Graph, operands: Sequence[Any]) -> list[Any]:
        env: dict[Any, Any] = dict(zip(graph.inputs, operands, strict=True))
        for e in graph.equations:
            self.build.at = graph.lines.get(e, frozenset())
            results = self.equation(e, [self.value(env, a) for a in e.operands])
            env.update(zip(e.results, results, strict=True))
        return [self.value(env, a) for a in graph.outputs]

    def equation(self, e: Equation, operands: list[Any]) -> Sequence[Any]:
        name, rule = e.primitive.name, _RULES.get(e.primitive.name)
        if not e.pure:
            raise _refuse(f"an effect ({getattr(e.params.get('action'), 'name', name)}) has no formula")
        if rule is not None:
            return rule(self, e, operands)  # type: ignore[no-any-return]
        if e.primitive.elementwise or name in ("convert", "python_integer", "truncate"):
            return self.elementwise(e, operands)
        if name in _MOVES:
            return [np.asarray(e.primitive.evaluate(*operands, **e.params), object)]
        where = f" ({', '.join(sorted(self.build.at))})" if self.build.at else ""
        raise _refuse(f"{name!r} has no formula{where}")

    def elementwise(self, e: Equation, operands: list[Any]) -> list[Any]:
        shape = e.results[0].type.shape
        if e.results[0].type.size > _LARGEST:
            raise _refuse(f"an array of type {e.results[0].type} is too large for a formula")
        columns = [np.broadcast_to(o, shape).reshape(-1) for o in operands]
        made = [self.emit(e.primitive.name, *row, **e.params) for row in zip(*columns)]
        if not e.primitive.multiple:
            return [self.array(made, shape)]
        return [self.array([m[k] for m in made], shape) for k in range(len(e.results))]

    def fold(self, name: str, x: Any, axes: Sequence[int], empty: Any) -> Any:
        """A reduction, element by element from the left."""
        kept = [k for k in range(x.ndim) if k not in axes]
        rows = np.transpose(x, [*kept, *axes]).reshape([x.shape[k] for k in kept] + [math.prod([x.shape[k] for k in axes])])
        out = np.empty(rows.shape[:-1], object)
        for place in np.ndindex(out.shape):
            total = None
            for h in rows[place]:
                total = h if total is None else self.emit(name, total, h)
            out[place] = Handle(self.build, Const(empty)) if total is None else total
        return out


def _known(x: Any) -> Any:
    """An array of numbers that are known; None if one of them is not."""
    if not all(isinstance(h.atom, Const) for h in x.reshape(-1)):
        return None
    return np.array([h.atom.value[()] for h in x.reshape(-1)]).reshape(x.shape)


def _places(arrays: Sequence[Any]) -> tuple[Any, ...]:
    known = [_known(x) for x in arrays]
    if any(k is None for k in known):
        raise _refuse("an index that depends on values has no formula")
    return tuple([np.asarray(k, np.intp) for k in known])


def _index(walk: _Walk, e: Equation, operands: list[Any]) -> list[Any]:
    return [np.asarray(operands[0][numpy_key(e.params["spec"], _places(operands[1:]))], object)]


def _write(walk: _Walk, e: Equation, operands: list[Any]) -> list[Any]:
    x, value, *arrays = operands
    at = np.asarray(np.arange(x.size).reshape(x.shape)[numpy_key(e.params["spec"], _places(arrays))])
    out = x.reshape(-1).copy()
    for place, h in zip(at.reshape(-1), np.broadcast_to(value, at.shape).reshape(-1)):
        out[place] = h if e.primitive.name == "index_set" else walk.emit("add", out[place], h)
    return [out.reshape(x.shape)]


def _reduce(name: str, empty: Any) -> Callable[..., Any]:
    def rule(walk: _Walk, e: Equation, operands: list[Any]) -> list[Any]:
        return [walk.fold(name, operands[0], e.params["axes"], np.asarray(empty, e.results[0].type.dtype))]
    return rule


def _running(name: str) -> Callable[..., Any]:
    def rule(walk: _Walk, e: Equation, operands: list[Any]) -> list[Any]:
        x = np.moveaxis(operands[0], e.params["axis"], 0)
        x = x[::-1] if e.params.get("reverse") else x
        out = x.copy()
        for place in np.ndindex(x.shape):
            k, *rest = place
            if k:
                out[place] = walk.emit(name, out[(k - 1, *rest)], x[place])
        return [np.moveaxis(out[::-1] if e.params.get("reverse") else out, 0, e.params["axis"])]
    return rule


def _contract(walk: _Walk, e: Equation, operands: list[Any]) -> list[Any]:
    (first, _, second), out = e.params["spec"].partition("->")[0].partition(","), e.params["spec"].partition("->")[2]
    sizes = dict(zip(first + second, (*operands[0].shape, *operands[1].shape)))
    summed = [c for c in dict.fromkeys(first + second) if c not in out]
    result = np.empty(e.results[0].type.shape, object)
    for place in np.ndindex(result.shape):
        at, total = dict(zip(out, place)), None
        for inner in itertools.product(*[range(sizes[c]) for c in summed]):
            at.update(zip(summed, inner))
            pair = [x[tuple(at[c] for c in labels)] for x, labels in zip(operands, (first, second))]
            term = walk.emit("multiply", *pair)
            total = term if total is None else walk.emit("add", total, term)
        result[place] = Handle(walk.build, Const(np.zeros((), e.results[0].type.dtype))) if total is None else total
    return [result]


def _pad(walk: _Walk, e: Equation, operands: list[Any]) -> list[Any]:
    x, widths = operands[0], e.params["widths"]
    out = np.full(e.results[0].type.shape, Handle(walk.build, Const(np.zeros((), e.results[0].type.dtype))), object)
    inside: Any = (*[slice(low, low + n) for n, (low, _) in zip(x.shape, widths)], ...)
    out[inside] = x
    return [out]


def _call(key: str) -> Callable[..., Any]:
    return lambda walk, e, operands: walk.run(e.params[key], operands)


def _cond(walk: _Walk, e: Equation, operands: list[Any]) -> list[Any]:
    predicate, rest = operands[0][()], operands[1:]
    yes, no = e.params["branches"]
    if isinstance(predicate.atom, Const):
        return walk.run(yes if predicate.atom.value else no, rest)
    out = []
    for a, b in zip(walk.run(yes, rest), walk.run(no, rest)):
        same = [x if x.atom == y.atom else walk.emit("select", predicate, x, y) for x, y in zip(a.reshape(-1), b.reshape(-1))]
        out.append(walk.array(same, a.shape))
    return out


def _scan(walk: _Walk, e: Equation, operands: list[Any]) -> list[Any]:
    p = e.params
    length, end = _known(operands[0]), p["constants"] + p["carries"]
    if length is None:
        raise _refuse("a loop whose length depends on values has no formula")
    fixed, carry, slices = operands[1:1 + p["constants"]], operands[1 + p["constants"]:1 + end], operands[1 + end:]
    n = int(length)
    saved: list[Any] = [None] * n
    for k in reversed(range(n)) if p["reverse"] else range(n):
        out = walk.run(p["body"], [*fixed, *carry, *[np.asarray(x[k], object) for x in slices]])
        carry, saved[k] = out[:p["carries"]], out[p["carries"]:]
    columns: list[Any] = []
    for j, v in enumerate(e.results[p["carries"]:]):
        entries = [row[j] for row in saved]
        if isinstance(v.type, ArrayType):
            column = np.empty(v.type.shape, object)
            for k, entry in enumerate(entries):
                column[k] = entry if entry.ndim else entry[()]
            columns.append(column)
        else:
            columns.append(entries)  # a stack
    return [*carry, *columns]


def _while(walk: _Walk, e: Equation, operands: list[Any]) -> list[Any]:
    p = e.params
    fixed, carry, count = operands[:p["constants"]], operands[p["constants"]:], 0
    saved: list[list[Any]] = []
    while True:
        go_on = _known(walk.run(p["test"], [*fixed, *carry])[0])
        if go_on is None:
            raise _refuse("a loop whose length depends on values has no formula")
        if not go_on:
            break
        out = walk.run(p["body"], [*fixed, *carry])
        carry, count = out[:len(carry)], count + 1
        saved.append(out[len(carry):])
    columns = [[row[j] for row in saved] for j in range(len(e.results) - 1 - len(carry))]
    return [walk.array([Handle(walk.build, Const(np.int64(count)))], ()), *carry, *columns]


def _own_rule(walk: _Walk, e: Equation, operands: list[Any]) -> list[Any]:
    raise _refuse("a function with a derivative of its own (custom_jvp, custom_vjp) has no other formula")


_MOVES = {"reshape", "transpose", "broadcast", "flip", "concatenate"}
_RULES: dict[str, Callable[..., Any]] = {
    "index": _index, "index_set": _write, "index_add": _write, "pad": _pad, "contract": _contract,
    "reduce_sum": _reduce("add", 0), "reduce_prod": _reduce("multiply", 1), "reduce_max": _reduce("maximum", -np.inf),
    "reduce_min": _reduce("minimum", np.inf), "reduce_any": _reduce("logical_or", False),
    "reduce_all": _reduce("logical_and", True), "cumsum": _running("add"), "cumprod": _running("multiply"),
    "cummax": _running("maximum"), "cummin": _running("minimum"),
    "call": _call("graph"), "cond": _cond, "scan": _scan, "while_loop": _while, "custom_jvp": _own_rule,
    "custom_vjp": _own_rule,
}
