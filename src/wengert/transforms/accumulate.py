"""Accumulate: from a linear graph to the blocks of its matrix.

What comes in: a graph that is linear in its first inputs. What goes out: a graph from its other inputs, the residuals, to the
matrix, one block for each output and input. The one idea: all directions are carried through in one pass, and a direction that
is still a unit vector costs nothing. As long as each element of a value depends on few directions (an elementwise function, a
read, a write), only these factors are carried; the first product with a matrix gives the matrix itself, or its scaled columns;
from there on the directions are an axis of an array, as in a batch.

Griewank and Walther, Evaluating Derivatives (2008), sections 3.5 and 7: vector modes, and sparse vectors in them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.graph import REGISTRY, ArrayType, Build, Const, Equation, Graph, Handle, Var
from wengert.primitives.contract import split_spec
from wengert.transforms.batch import batched_equation
from wengert.transforms.pattern import Pattern

__all__ = ["Matrix", "Sweep", "Terms", "accumulated", "compressed", "identity"]

_LARGEST = 4_000_000  # places that are computed beforehand, for one equation
_REGISTERS = 64  # elements of an array with all directions that nothing is gained by taking apart
_SMALL = 4_096  # elements of an array that compiled code makes without a write
_GROUP = 64  # directions of several inputs that are carried together


@dataclass(frozen=True)
class Terms:
    """A value whose element e has factor ``f[e]`` in direction ``source[e]``, for each term; -1: in none.

    A factor None is 1.
    """

    terms: tuple[tuple[Any, Handle | None], ...]


State = Terms | Handle  # a handle: (directions, *shape)


@dataclass(frozen=True)
class Matrix:
    """The blocks of a matrix, ``graph.outputs``, of those outputs and inputs that are marked in ``present[output][input]``."""

    graph: Graph
    present: tuple[tuple[bool, ...], ...]

    def widened(self, nonzero: Sequence[bool]) -> Matrix:
        """With columns of zeros where the mark is False."""
        places = iter(range(len(nonzero)))
        at = [next(places) if flag else None for flag in nonzero]
        return Matrix(self.graph, tuple(tuple(k is not None and row[k] for k in at) for row in self.present))


def identity(types: Sequence[ArrayType]) -> list[Terms]:
    """Unit vectors for variables side by side."""
    starts = np.cumsum([0, *[t.size for t in types]])
    return [Terms(((np.arange(s, s + t.size), None),)) for s, t in zip(starts, types, strict=False)]


def accumulated(graph: Graph, count: int, rows: bool, price: float) -> Matrix:
    """The matrix of a graph that is linear in its first `count` inputs.

    Parameters
    ----------
    graph : Graph
    count : int
    rows : bool
        True if the graph is an adjoint: its directions are rows of the matrix. Its outputs are then the columns.
    price : float
        How many elements of an array cost as much as another equation: 0 where the graph is compiled.

    Returns
    -------
    Matrix
        Blocks of shape ``(*output, *input)``; of an adjoint, ``(*direction, *output)``.
    """
    build = Build()
    residuals = {v: build.input(v.type).atom for v in graph.inputs[count:]}
    groups = _groups([v.type.size for v in graph.inputs[:count]])
    found: dict[tuple[int, int], Handle] = {}
    for group in groups:
        inputs = [graph.inputs[k] for k in group]
        lanes = sum(v.type.size for v in inputs)
        sweep = Sweep(build, residuals, lanes, price)
        for v, unit in zip(inputs, identity([v.type for v in inputs]), strict=True):
            sweep.states[v] = sweep.settled(unit, v.type) if lanes > 1 else sweep.dense(unit, v.type)
        sweep.run(graph, graph.inputs[:count])
        for j, o in enumerate(graph.outputs):
            if o in sweep.states:
                found.update({(j, k): b for k, b in zip(group, sweep.blocks(o, inputs, rows), strict=True)})
    pairs = [(k, j) if rows else (j, k) for j in range(len(graph.outputs)) for k in range(count)]
    there = {((k, j) if rows else (j, k)): b for (j, k), b in found.items()}
    height, width = (count, len(graph.outputs)) if rows else (len(graph.outputs), count)
    present = tuple(tuple((j, k) in there for k in range(width)) for j in range(height))
    return Matrix(build.graph([there[p] for p in sorted(pairs) if p in there]), present)


def compressed(graph: Graph, count: int, rows: bool, price: float, groups: Any, pattern: Pattern,
               nonzero: Sequence[tuple[int, bool]] = ()) -> Matrix:
    """As `accumulated`, from one direction for each group of columns (of rows, if the graph is an adjoint).

    Parameters
    ----------
    groups : array of int
        The group of each column (row), -1 for none; no two columns of a group share a row of the pattern.
    pattern : Pattern
        Of the whole matrix.
    nonzero : sequence of (int, bool)
        Of an adjoint: the size of each block of columns, and whether it is among the outputs.
    """
    if len({x.type.dtype for x in (*graph.inputs[:count], *graph.outputs)}) > 1:
        raise UnsupportedError("colored: values of several dtypes")
    build = Build()
    if not graph.outputs:
        return Matrix(build.graph([], graph.inputs[count:]), () if not rows else ((),) * count)
    residuals = {v: build.input(v.type).atom for v in graph.inputs[count:]}
    lanes = int(groups.max(initial=-1)) + 1
    sweep, at = Sweep(build, residuals, lanes, price), 0
    for v in graph.inputs[:count]:
        sweep.states[v] = Terms(((groups[at:at + v.type.size], None),))
        at += v.type.size
    sweep.run(graph, graph.inputs[:count])
    found = [sweep.dense(sweep.states[o], o.type) if o in sweep.states else sweep.filled(
        0.0, ArrayType((lanes, *o.type.shape), o.type.dtype)) for o in graph.outputs]
    parts = [REGISTRY["reshape"](x, shape=(lanes, x.type.size // max(lanes, 1))) for x in found]
    sums = parts[0] if len(parts) == 1 else REGISTRY["concatenate"](*parts, axis=1)
    return _decompressed(build, sums, graph, count, rows, (groups, pattern, nonzero))


def _decompressed(build: Build, sums: Handle, graph: Graph, count: int, rows: bool, structure: Any) -> Matrix:
    """Each entry of the pattern, read from the sum that it is in, as blocks."""
    groups, pattern, nonzero = structure
    across, down = [v.type for v in graph.inputs[:count]], [o.type for o in graph.outputs]
    i, j = pattern.rows(), pattern.indices
    if rows:
        kept = np.concatenate([np.full(n, flag) for n, flag in nonzero]) if len(nonzero) else np.zeros(0, bool)
        place = np.cumsum(kept) - 1
        i, j = i[kept[j]], j[kept[j]]
        j = place[j]
        across, down = down, across
    height, width = sum(t.size for t in down), sum(t.size for t in across)
    read = groups[i] * width + j if rows else groups[j] * height + i
    flat = REGISTRY["index"](REGISTRY["reshape"](sums, shape=(sums.type.size,)), Handle(build, Const(read)), spec=(("a",),))
    zeros = REGISTRY["broadcast"](Handle(build, Const(np.zeros((), sums.dtype))), shape=(height * width,))
    whole = REGISTRY["index_set"](zeros, flat, Handle(build, Const(i * width + j)), spec=(("a",),))
    whole, out, top = REGISTRY["reshape"](whole, shape=(height, width)), [], 0
    for t in down:
        left = 0
        for u in across:
            cut = REGISTRY["index"](whole, spec=(("s", top, top + t.size, None), ("s", left, left + u.size, None)))
            out.append(REGISTRY["reshape"](cut, shape=(*t.shape, *u.shape)))
            left += u.size
        top += t.size
    return Matrix(build.graph(out), ((True,) * len(across),) * len(down))


def _groups(sizes: Sequence[int]) -> list[list[int]]:
    """Inputs that are carried together: small ones share their equations."""
    if sum(sizes) <= _GROUP:
        return [list(range(len(sizes)))] if sizes else []
    return [[k] for k, n in enumerate(sizes) if n]


class Sweep:
    """One pass over a linear graph with all directions; `states` says how each value depends on them."""

    def __init__(self, build: Build, env: dict[Any, Any], lanes: int, price: float):
        self.build, self.env, self.lanes, self.price = build, env, lanes, price
        self.states: dict[Any, State] = {}
        self.linear: set[Any] = set()

    def run(self, graph: Graph, tangents: Sequence[Var]) -> None:
        linear = self.linear = set(tangents)
        for e in graph.equations:
            self.build.at = graph.lines.get(e, frozenset())
            if any(o in linear for o in e.operands):
                linear.update(e.results)
                if any(o in self.states for o in e.operands):
                    self.equation(e)
            elif any(r not in self.env for r in e.results):
                operands = tuple([self.atom(o) for o in e.operands])
                self.env.update(zip(e.results, self.build.emit(e.primitive, operands, e.params), strict=True))

    def atom(self, o: Any) -> Any:
        return o if isinstance(o, Const) else self.env[o]

    def handle(self, o: Any) -> Handle:
        """A residual operand, or zeros for a linear one that no direction reaches."""
        if o in self.linear:
            return self.filled(0.0, o.type)
        return Handle(self.build, self.atom(o))

    def filled(self, value: float, type: ArrayType) -> Handle:
        scalar = Handle(self.build, Const(np.asarray(value, type.dtype)))
        return REGISTRY["broadcast"](scalar, shape=type.shape) if type.shape else scalar  # type: ignore[no-any-return]

    # ------------------------------------------------------------ equations

    def equation(self, e: Equation) -> None:
        out: State | None = None
        if all(isinstance(self.states[o], Terms) for o in e.operands if o in self.states) and not e.primitive.multiple:
            name = e.primitive.name
            if name in _MOVES:
                out = self.moved(e)
            elif name == "index_add":
                out = self.added_at(e)
            elif name == "reduce_sum":
                out = self.summed(e)
            elif name == "contract":
                out = self.contracted(e)
            elif e.primitive.elementwise or name == "convert":
                out = self.elementwise(e)
        elif e.primitive.name == "add":
            out = self.added(e)
        if out is not None:
            self.states[e.results[0]] = self.settled(out, e.results[0].type) if isinstance(out, Terms) else out
            return
        operands = [self.dense(self.states[o], o.type) if o in self.states else self.handle(o) for o in e.operands]
        found = batched_equation(e, self.lanes, operands, [o in self.states for o in e.operands])
        self.states.update(zip(e.results, found, strict=True))  # masks, too, that a call gives beside its values

    def settled(self, state: Terms, type: ArrayType) -> State:
        """Terms with one source are one; many are an array."""
        merged: list[tuple[Any, Handle | None]] = []
        for source, f in state.terms:
            for k, (other, g) in enumerate(merged):
                if np.array_equal(source, other):
                    merged[k] = source, self.factor(f, type) + self.factor(g, type)
                    break
            else:
                merged.append((source, f))
        n, size = len(merged), type.size
        state = Terms(tuple(merged))
        few = n == 1 or n * (size + self.price) <= self.lanes * size + self.price
        return state if few and self.lanes * size > _REGISTERS else self.dense(state, type)

    def factor(self, f: Handle | None, type: ArrayType) -> Handle:
        if f is None:
            return self.filled(1.0, type)
        return f if f.shape == type.shape else REGISTRY["broadcast"](f, shape=type.shape)

    def elementwise(self, e: Equation) -> Terms:
        """Broadcasting operations: each term apart."""
        out, name, terms = e.results[0].type, e.primitive.name, []
        for i, o in enumerate(e.operands):
            if o not in self.states:
                continue
            for source, f in self.states[o].terms:  # type: ignore[union-attr]
                if o.type.shape != out.shape:
                    source = np.broadcast_to(source.reshape(o.type.shape), out.shape).ravel()
                if f is not None or name not in ("add", "subtract", "positive", "convert") or (name, i) == ("subtract", 1):
                    f = self.applied(e, i, f)
                terms.append((source, f))
        return Terms(tuple(terms))

    def applied(self, e: Equation, i: int, f: Handle | None) -> Handle:
        """The factor of a result, for the factor of operand i."""
        name, out = e.primitive.name, e.results[0].type
        if name == "multiply" and f is None:
            return self.factor(self.handle(e.operands[1 - i]), out)
        if name == "add" or (name == "subtract" and i == 0):
            return self.factor(f, out)
        if f is None and name in ("subtract", "negative"):
            return self.filled(-1.0, out)
        f = f if f is not None else Handle(self.build, Const(np.ones((), e.operands[i].type.dtype)))
        if name == "subtract":
            return self.factor(-f, out)
        operands = [f if j == i else Handle(self.build, Const(np.zeros((), o.type.dtype))) if o in self.linear else
                    self.handle(o) for j, o in enumerate(e.operands)]
        return self.factor(e.primitive(*operands, **e.params), out)

    def moved(self, e: Equation) -> Terms | None:
        """What moves elements moves sources and factors."""
        places = [o.value if isinstance(o, Const) else None for o in e.operands]
        whole = [o.type.inexact for o in e.operands]
        if any(p is None and not flag for p, flag in zip(places, whole, strict=True)):
            return None  # an index that is not known beforehand
        count = max(len(self.states[o].terms) for o in e.operands if o in self.states)  # type: ignore[union-attr]
        terms = []
        for k in range(count):
            numbers: list[Any] = []
            factors: list[Any] = []
            for o, place, flag in zip(e.operands, places, whole, strict=True):
                own = self.states[o].terms if o in self.states else ()  # type: ignore[union-attr]
                there = own[k] if k < len(own) else None
                numbers.append(place if not flag else np.zeros(o.type.shape, int) if there is None else
                               there[0].reshape(o.type.shape) + 1)
                factors.append(self.handle(o) if not flag else (there, o.type))
            source = np.broadcast_to(e.primitive.evaluate(*numbers, **e.params), e.results[0].type.shape).ravel() - 1
            terms.append((source, self.moved_factor(e, factors)))
        return Terms(tuple(terms))

    def moved_factor(self, e: Equation, factors: Sequence[Any]) -> Handle | None:
        present = [x[0][1] for x in factors if isinstance(x, tuple) and x[0] is not None]
        if all(f is None for f in present):
            return None
        operands = [x if not isinstance(x, tuple) else self.factor(x[0][1], x[1]) if x[0] is not None else
                    self.filled(0.0, x[1]) for x in factors]
        return e.primitive(*operands, **e.params)  # type: ignore[no-any-return]

    def added_at(self, e: Equation) -> Terms | None:
        """A write that adds: as one that sets, where it meets no element twice."""
        x, value, *arrays = e.operands
        known = [a.value for a in arrays if isinstance(a, Const)]
        if len(known) < len(arrays):
            return None  # an index that is not known beforehand
        at = REGISTRY["index"].evaluate(np.arange(x.type.size).reshape(x.type.shape), *known, **e.params)
        if np.unique(at).size != np.size(at):
            return None
        there = list(self.states[x].terms) if x in self.states else []  # type: ignore[union-attr]
        if value in self.states:
            zeros = Var(x.type)
            put = Equation(REGISTRY["index_set"], (zeros, value, *arrays), e.params, e.results)
            found = self.moved(put)
            if found is None:
                return None
            there.extend(found.terms)
        return Terms(tuple(there))

    def summed(self, e: Equation) -> State:
        x, axes = e.operands[0], e.params["axes"]
        kept = [k for k in range(x.type.ndim) if k not in axes]
        many = math.prod(x.type.shape[k] for k in axes)
        out, terms = e.results[0].type, self.states[x].terms  # type: ignore[union-attr]
        order = np.transpose(np.arange(x.type.size).reshape(x.type.shape), [*kept, *axes]).reshape(out.size, many)
        if many * len(terms) * (out.size + self.price) <= self.lanes * out.size + self.price:
            made = []
            for source, f in terms:
                flat = None if f is None else REGISTRY["reshape"](self.factor(f, x.type), shape=(x.type.size,))
                for column in order.T:
                    made.append((source[column], None if flat is None else REGISTRY["reshape"](
                        self.read(flat, column), shape=out.shape)))
            return Terms(tuple(made))
        target = np.empty(x.type.size, int)
        target[order] = np.arange(out.size)[:, None]
        return self.shaped(self.scattered([(source, target, self.factor(f, x.type)) for source, f in terms], out),
                           (self.lanes, *out.shape))

    def contracted(self, e: Equation) -> Handle | None:
        """A product with a matrix: its columns, each scaled, each at its direction."""
        i = next(k for k, o in enumerate(e.operands) if o in self.states)
        spec = split_spec(e.params["spec"])
        mine, other, out = spec[i], spec[1 - i], spec[2]
        sizes = dict(zip(mine + other, (*e.operands[i].type.shape, *e.operands[1 - i].type.shape), strict=True))
        both = mine + "".join(c for c in other if c not in mine)
        if e.operands[1 - i] in self.states or len(set(mine)) != len(mine) or len(set(other)) != len(other):
            return None
        result, parts = e.results[0].type, []
        factor = self.handle(e.operands[1 - i])
        whole = self.product(e, i, factor, (mine, other, out), sizes)
        if whole is not None or math.prod(sizes.values()) > _LARGEST:
            return whole
        for source, f in self.states[e.operands[i]].terms:  # type: ignore[union-attr]
            term = self.spread(factor, other, both, sizes)
            if f is not None:
                term = term * self.spread(self.factor(f, e.operands[i].type), mine, both, sizes)
            shape = tuple(sizes[c] for c in both)
            number = np.arange(result.size).reshape(result.shape)
            target = np.broadcast_to(_arranged(number, out, both), shape)
            origin = np.broadcast_to(_arranged(source.reshape(e.operands[i].type.shape), mine, both), shape)
            parts.append((origin, target, self.factor(term, ArrayType(shape, term.dtype))))
        return self.shaped(self.scattered(parts, result), (self.lanes, *result.shape))

    def product(self, e: Equation, i: int, factor: Handle, spec: tuple[str, str, str],
                sizes: Mapping[str, int]) -> Handle | None:
        """The matrix itself, or its scaled columns, where there is one direction for each element, in order."""
        mine, other, out = spec
        terms, type = self.states[e.operands[i]].terms, e.operands[i].type  # type: ignore[union-attr]
        if len(terms) != 1 or set(other) != {*mine, *out} or not set(mine).isdisjoint(out) or (
                type.size != self.lanes or not np.array_equal(terms[0][0], np.arange(self.lanes))):
            return None
        found = self.spread(factor, other, mine + out, sizes)
        if terms[0][1] is not None:
            found = found * self.spread(self.factor(terms[0][1], type), mine, mine + out, sizes)
        return self.shaped(found, (self.lanes, *e.results[0].type.shape))

    def spread(self, x: Handle, labels: str, both: str, sizes: Mapping[str, int]) -> Handle:
        """An operand with an axis for each label, of length 1 for those that it does not have."""
        order = [labels.index(c) for c in both if c in labels]
        if order != list(range(len(order))):
            x = REGISTRY["transpose"](x, axes=tuple(order))
        shape = tuple(sizes[c] if c in labels else 1 for c in both)
        return x if x.shape == shape else REGISTRY["reshape"](x, shape=shape)

    def added(self, e: Equation) -> Handle | None:
        """Terms that are added to an array touch only their places."""
        states = [self.states.get(o) for o in e.operands]
        array = next((k for k, s in enumerate(states) if isinstance(s, Handle)), None)
        out = e.results[0].type
        if array is None or any(o.type.shape != out.shape for o in e.operands):
            return None
        few = states[1 - array]
        if not isinstance(few, Terms):
            return states[array] if few is None else None  # type: ignore[return-value]
        total = REGISTRY["reshape"](states[array], shape=(self.lanes, out.size))
        return self.shaped(self.scattered(self.parts(few, out), out, onto=total), (self.lanes, *out.shape))

    # ------------------------------------------------------------ arrays

    def read(self, x: Handle, places: Any) -> Handle:
        if len(places) and np.array_equal(places, np.arange(places[0], places[0] + len(places))):
            if len(places) == x.type.size:
                return x
            start = int(places[0])
            return REGISTRY["index"](x, spec=(("s", start, start + len(places), None),))  # type: ignore[no-any-return]
        return REGISTRY["index"](x, Handle(self.build, Const(places)), spec=(("a",),))  # type: ignore[no-any-return]

    def scattered(self, parts: Sequence[tuple[Any, Any, Handle]], out: ArrayType, last: bool = False,
                  onto: Handle | None = None) -> Handle:
        """Factors, each with its directions and elements, added up in a matrix of both; `last`: directions are columns."""
        shape = (out.size, self.lanes) if last else (self.lanes, out.size)
        if not parts:
            return self.filled(0.0, ArrayType(shape, out.dtype)) if onto is None else onto
        flats: list[Any] = []
        places: list[Any] = []
        for source, target, f in parts:
            source, target = np.ravel(source), np.ravel(target)
            flat = f if f.ndim == 1 else REGISTRY["reshape"](f, shape=(f.type.size,))
            valid = np.flatnonzero(source >= 0)
            if len(valid) < len(source):
                flat, source, target = self.read(flat, valid), source[valid], target[valid]
            flats.append(flat)
            places.append(target * shape[1] + source if last else source * shape[1] + target)
        at = np.concatenate(places)
        once = np.unique(at).size == at.size
        if onto is None and once and at.size == math.prod(shape):
            flat = flats[0] if len(flats) == 1 else REGISTRY["concatenate"](*flats, axis=0)
            return self.placed(flat, at, shape)
        total = onto if onto is not None else self.filled(0.0, ArrayType(shape, out.dtype))
        set_first = onto is None and np.unique(places[0]).size == places[0].size
        for k, (flat, place) in enumerate(zip(flats, places, strict=True)):
            name = "index_set" if set_first and (k == 0 or once) else "index_add"
            row, column = (Handle(self.build, Const(k)) for k in np.divmod(place, max(shape[1], 1)))
            total = REGISTRY[name](total, flat, row, column, spec=(("a",), ("a",)))
        return total

    def placed(self, flat: Handle, at: Any, shape: tuple[int, int]) -> Handle:
        """Factors that fill the whole array: in order, transposed, or read where they are."""
        if np.array_equal(at.reshape(shape[::-1]).T.ravel(), np.arange(at.size)) and not np.array_equal(at, np.arange(at.size)):
            turned = REGISTRY["reshape"](flat, shape=shape[::-1])
            return REGISTRY["transpose"](turned, axes=(1, 0))  # type: ignore[no-any-return]
        return REGISTRY["reshape"](self.read(flat, np.argsort(at)), shape=shape)  # type: ignore[no-any-return]

    def shaped(self, x: Handle, shape: tuple[int, ...]) -> Handle:
        return x if x.shape == shape else REGISTRY["reshape"](x, shape=shape)  # type: ignore[no-any-return]

    def parts(self, state: Terms, type: ArrayType) -> list[tuple[Any, Any, Handle]]:
        return [(source, np.arange(type.size), self.factor(f, type)) for source, f in state.terms]

    def dense(self, state: State, type: ArrayType, last: bool = False) -> Handle:
        """The state as an array, directions first (or last)."""
        if isinstance(state, Handle):
            if not last:
                return state
            return REGISTRY["transpose"](state, axes=(*range(1, state.ndim), 0))  # type: ignore[no-any-return]
        shape = (*type.shape, self.lanes) if last else (self.lanes, *type.shape)
        size = self.lanes * type.size
        if size <= _REGISTERS or (not self.price and size <= _SMALL):
            return self.selected(state, ArrayType(shape, type.dtype), last)
        return self.shaped(self.scattered(self.parts(state, type), type, last), shape)

    def selected(self, state: Terms, type: ArrayType, last: bool) -> Handle:
        """The terms side by side without a write, for arrays that fit into registers."""
        total: Any = None
        lanes = np.arange(self.lanes)
        for source, f in state.terms:
            there = (source[:, None] == lanes if last else lanes[:, None] == source).reshape(type.shape)
            if f is None:
                term = Handle(self.build, Const(there.astype(type.dtype)))
            else:
                f = REGISTRY["reshape"](f, shape=(*f.shape, 1) if last else (1, *f.shape)) if f.ndim else f
                zero = Handle(self.build, Const(np.zeros((), type.dtype)))
                term = REGISTRY["select"](Handle(self.build, Const(there)), f, zero)
            total = term if total is None else total + term
        return self.filled(0.0, type) if total is None else total

    def blocks(self, v: Any, inputs: Sequence[Var], rows: bool) -> list[Handle]:
        """The state of a variable, cut into one block for each input."""
        whole = self.dense(self.states[v], v.type, last=not rows)
        out, start = [], 0
        for x in inputs:
            cut = whole
            if x.type.size != self.lanes:
                span = ("s", start, start + x.type.size, None)
                rest = (("s", None, None, None),) * v.type.ndim
                cut = REGISTRY["index"](whole, spec=(span, *rest) if rows else (*rest, span))
            start += x.type.size
            shape = (*x.type.shape, *v.type.shape) if rows else (*v.type.shape, *x.type.shape)
            out.append(cut if cut.shape == shape else REGISTRY["reshape"](cut, shape=shape))
        return out


def _arranged(x: Any, labels: str, both: str) -> Any:
    """A NumPy array with an axis for each label, of length 1 for those that it does not have."""
    moved = np.transpose(x, [labels.index(c) for c in both if c in labels])
    lengths = iter(moved.shape)
    return moved.reshape([next(lengths) if c in labels else 1 for c in both])


_MOVES = frozenset(("broadcast", "concatenate", "flip", "index", "index_set", "pad", "reshape", "transpose"))
