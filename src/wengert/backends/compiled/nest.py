"""Nests: the loops that compute several results at once, a vector at a time.

What comes in: a `Nest` of the plan. What goes out: its code. The one idea: the innermost loop takes a vector of elements,
its last iteration a masked one; where a guard changes within a loop, the loop's range is cut there, so that inside no
branch is left. A large piece becomes a function of a range (`outline`), which several threads call.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wengert.backends.compiled import access, elementwise, outline
from wengert.backends.compiled.access import Index, Ix
from wengert.backends.compiled.code import OUT_OF_BOUNDS, Value, element
from wengert.backends.compiled.elements import Elements, computed, flat_index
from wengert.backends.compiled.plan import Nest, Root, gathered_in, guards_of

if TYPE_CHECKING:
    from wengert.backends.compiled.block import Block

__all__ = ["Loops", "Part", "emit_nest", "identity_of"]

CUTS = 6         # the most places at which a loop's range is cut
SEGMENTS = 32    # the most pieces of a nest
LIGHT = 24       # values computed in an iteration: fewer, and it is unrolled
UNROLL = 4
INIT = 64        # elements that are set by single stores

Accumulators = dict[Any, Value]


class Part(NamedTuple):
    """A part of the range of one loop: the names of its first index, counted from the loop's start, and of its end."""

    axis: int
    first: str
    end: str


def identity_of(name: str, dtype: np.dtype[Any]) -> Any:
    """What a reduction begins with: sums, as NumPy's, with 0.0, so that a sum of negative zeros is 0.0."""
    if name in ("maximum", "minimum"):
        return -np.inf if name == "maximum" else np.inf
    return 1 if name in ("multiply", "logical_and") else 0


def emit_nest(block: Block, nest: Nest) -> None:
    """Append the code of a nest to its block."""
    if 0 in nest.extents:
        return
    Loops(block, nest).emit()


class Loops:
    """One nest, as it is written."""

    def __init__(self, block: Block, nest: Nest):
        self.block, self.nest, self.code = block, nest, block.code
        self.lanes = self._lanes()
        self.last = len(nest.extents) - 1
        self.el = Elements(block, 1, tuple([r.var for r in nest.roots if r.kind == "store"]))
        self.light = len(nest.inner) + len(nest.leaves) <= LIGHT
        self.part: Part | None = None

    def _lanes(self) -> int:
        nest = self.nest
        if not nest.extents or any(r.kind == "write" and (len(r.equation.operands) > 2) for r in nest.roots):
            return 1
        types = [x.type.dtype for x, _ in (*nest.leaves, *nest.inner)] + [r.var.type.dtype for r in nest.roots]
        for _, index in (*nest.leaves, *nest.inner):
            if any(not isinstance(t, int) for ix in index for t, _ in ix.terms):
                types.append(np.dtype(np.int64))
        widest = max([d.itemsize // (2 if d.kind == "c" else 1) for d in types if d.kind != "b"], default=8)
        lanes = self.block.module.vector_bytes // max(widest, 4)
        while lanes > 2 and lanes // 2 >= nest.extents[-1]:
            lanes //= 2
        return lanes if nest.extents[-1] > 1 else 1

    # ------------------------------------------------------------ pieces

    def _segments(self) -> list[tuple[tuple[int, int], ...]]:
        cuts: list[set[int]] = [set() for _ in self.nest.extents]
        for x, index in self.nest.inner:
            self._cut(cuts, access.expand(self.block.plan.own[x], index))  # type: ignore[index]
        for r in self.nest.roots:
            for k, n in enumerate(r.extents):
                cuts[k].add(n)
            if r.kind == "store":
                for index in r.elements:
                    self._cut(cuts, access.expand(r.equation, index))
        edges: list[list[int]] = []
        for found, n in zip(cuts, self.nest.extents, strict=True):
            spans = {r.extents[len(edges)] for r in self.nest.roots}
            inside = {c for c in found if 0 < c < n}
            edges.append(sorted({0, n} | (inside if len(inside) <= CUTS else {c for c in inside if c in spans})))
        while math.prod([len(e) - 1 for e in edges]) > SEGMENTS:
            k = max(range(len(edges)), key=lambda a: len(edges[a]))
            spans = {r.extents[k] for r in self.nest.roots}
            if len(edges[k]) <= len(spans | {0}):
                break
            edges[k] = sorted({0} | spans)
        return list(itertools.product(*[list(itertools.pairwise(e)) for e in edges]))

    def _cut(self, cuts: list[set[int]], expression: Any) -> None:
        for guard in guards_of(expression):
            for ix, n in guard:
                if len(ix.terms) == 1 and isinstance(ix.terms[0][0], int) and abs(ix.terms[0][1]) == 1:
                    ((axis, c),) = ix.terms
                    cuts[axis] |= {-ix.const, n - ix.const} if c == 1 else {ix.const + 1, ix.const - n + 1}

    # ------------------------------------------------------------ the whole

    def emit(self) -> None:
        for x, index in self.nest.leaves:  # what does not move is loaded before the loops
            if x in self.el.roots:
                continue
            if access.fixed(index) or x.type.size == 1:
                at = flat_index(x.type.shape, index).const if x.type.size > 1 else 0
                if 0 <= at < x.type.size:
                    self.block.register(x, at)
            elif not computed(x):
                self.block.base(x)
        for r in self.nest.roots:
            self.block.place(r.var)
            if r.kind == "reduce":
                self.begin(r)
        for segment in self._segments():
            live = [r for r in self.nest.roots if all(high <= n for (_, high), n in zip(segment, r.extents, strict=True))]
            if live and not outline.emit(self, live, segment):
                self.run(live, segment)
        if self.el.gathers:
            self.block.check_flag(OUT_OF_BOUNDS)

    def run(self, live: list[Root], segment: tuple[tuple[int, int], ...], part: Part | None = None) -> None:
        """The loops over a piece, or over a part of it."""
        self.el.ranges, self.part = dict(enumerate(segment)), part
        self._level(live, segment, 0)
        self.part = None

    def begin(self, r: Root) -> None:
        """Set the places of a reduction to its identity."""
        name, _ = access.reduced(r.equation) or ("", ())
        value = self.code.constant(identity_of(name, r.var.type.dtype), r.var.type.dtype)
        self.block.fill(self.block.base(r.var), r.var.type.size, value)

    def _level(self, live: list[Root], segment: tuple[tuple[int, int], ...], axis: int) -> None:
        if not segment:
            self._chunk(live, {}, 0)
            return
        if axis == self.last:
            self._inner(live, *segment[axis])
            return
        low, high = segment[axis]

        def body(name: str | None, carried: Accumulators) -> Accumulators:
            self.el.at[axis] = (name, low)
            self._level(live, segment, axis + 1)
            return carried
        if self.part is not None and self.part.axis == axis:
            self._loop(self.part.end, 1, {}, body, self.part.first)
        else:
            self._loop(high - low, 1, {}, body)

    def _loop(self, count: int | str, step: int, carried: Accumulators,
              body: Callable[[str | None, Accumulators], Accumulators], first_index: str = "0") -> Accumulators:
        """``for i in range(first_index, count, step)``, at least once, with values that go from one iteration to the next."""
        code = self.code
        if isinstance(count, int) and count <= step:
            return body(None, carried)
        before, head, latch, done = (code.module.fresh("B") for _ in range(4))
        i = "%" + code.module.fresh("i")
        first = {
            k: Value(v.dtype, tuple(["%" + code.module.fresh("acc") for _ in v.parts]), v.lanes) for k, v in carried.items()
        }
        code.line(f"br label %{before}")
        code.label(before)
        code.line(f"br label %{head}")
        code.label(head)
        spot = len(code.lines)
        last = body(i, first)
        code.line(f"br label %{latch}")
        code.label(latch)
        following = code.op(f"add nuw nsw i64 {i}, {step}", "i")
        more = code.op(f"icmp ult i64 {following}, {count}")
        code.line(f"br i1 {more}, label %{head}, label %{done}")
        code.label(done)
        phis = [f"  {i} = phi i64 [{first_index}, %{before}], [{following}, %{latch}]"]
        for k, v in first.items():
            for name, start, end in zip(v.parts, carried[k].parts, last[k].parts, strict=True):
                phis.append(f"  {name} = phi {v.kind} [{start}, %{before}], [{end}, %{latch}]")
        code.lines[spot:spot] = phis
        return last

    # ------------------------------------------------------------ the innermost loop

    def _sums(self, live: list[Root]) -> list[tuple[Root, Index]]:
        """Places of reductions that the innermost loop sums up, which stay in registers."""
        out = []
        for r in live:
            if r.kind == "reduce":
                for place in dict.fromkeys(r.place(i) for i in r.elements):
                    if not any(term == self.last for ix in place for term, _ in ix.terms):
                        out.append((r, place))
        return out

    def block_of(self, count: int) -> tuple[int, int]:
        """Lanes of the vectors of the innermost loop over so many elements, and how many vectors an iteration takes."""
        w = self.lanes if count > 1 else 1
        return w, UNROLL if self.light and count >= 2 * w * UNROLL else 1

    def _inner(self, live: list[Root], low: int, high: int) -> None:
        count = high - low
        w, unroll = self.block_of(count)
        self.el.lanes, self.el.vector, self.el.mask = w, self.last if w > 1 else None, None
        sums = self._sums(live)
        accumulators: Accumulators = {}
        for r, place in sums:
            name, _ = access.reduced(r.equation) or ("", ())
            for u in range(unroll):
                accumulators[r, place, u] = self.code.constant(identity_of(name, r.var.type.dtype), r.var.type.dtype, w)
        main = count // (w * unroll) * (w * unroll)

        def steps(times: int, start: int) -> Callable[[str | None, Accumulators], Accumulators]:
            def body(name: str | None, carried: Accumulators) -> Accumulators:
                for u in range(times):
                    self.el.at[self.last] = (name, low + start + u * w)
                    carried = self._chunk(live, carried, u)
                return carried
            return body
        if self.part is not None and self.part.axis == self.last:
            main = count
            accumulators = self._loop(self.part.end, w * unroll, accumulators, steps(unroll, 0), self.part.first)
        elif main:
            accumulators = self._loop(main, w * unroll, accumulators, steps(unroll, 0))
        left = count - main
        if left // w:
            accumulators = self._loop(left // w * w, w, accumulators, steps(1, main))
        if left % w:
            there = left % w
            self.el.mask = "<" + ", ".join(f"i1 {'true' if k < there else 'false'}" for k in range(w)) + ">"
            accumulators = steps(1, main + left // w * w)(None, accumulators)
            self.el.mask = None
        for r, place in sums:
            self._finish(r, place, [accumulators[r, place, u] for u in range(unroll)])

    def _finish(self, r: Root, place: Index, parts: list[Value]) -> None:
        """Add what the vectors have summed up to the place in memory."""
        name, _ = access.reduced(r.equation) or ("", ())
        total = parts[0]
        for p in parts[1:]:
            total = self.combine(name, total, p)
        total = self._across(name, total)
        lanes, vector = self.el.lanes, self.el.vector
        self.el.lanes, self.el.vector = 1, None
        self.el.forget()
        pointer, _, _ = self.el.address(self.block.base(r.var), r.var.type.dtype, flat_index(r.var.type.shape, place))
        total = self.combine(name, self.block.load_scalar(pointer, r.var.type.dtype), total)
        self.block.store_scalar(pointer, total)
        self.el.lanes, self.el.vector = lanes, vector
        self.el.forget()

    def combine(self, name: str, a: Value, b: Value) -> Value:
        (out,) = elementwise.emit(self.code, name, {}, [a, b], [a.dtype], max(a.lanes, b.lanes))
        return out

    def _across(self, name: str, v: Value) -> Value:
        """The lanes of a vector, combined: halves, then halves of these."""
        while v.lanes > 1:
            half = v.lanes // 2
            pieces = []
            for start in (0, half):
                mask = ", ".join(f"i32 {start + k}" for k in range(half))
                parts = [self.code.op(f"shufflevector {v.kind} {p}, {v.kind} poison, <{half} x i32> <{mask}>") for p in v.parts]
                if half == 1:
                    one = element(v.dtype)
                    parts = [self.code.op(f"extractelement <1 x {one}> {p}, i64 0") for p in parts]
                pieces.append(Value(v.dtype, tuple(parts), half))
            v = self.combine(name, *pieces)
        return v

    def _chunk(self, live: list[Root], carried: Accumulators, u: int) -> Accumulators:
        """One iteration: all values first, then what is written, so that a result may overwrite an operand."""
        el = self.el
        el.forget()
        stores: list[tuple[Root, Index, Value]] = []
        sums = dict(carried)
        for r in live:
            for index in r.elements:
                if r.kind == "store":
                    stores.append((r, index, el.value(r.var, index)))
                elif r.kind == "write":
                    stores.append((r, r.place(index), self._written(r, index)))
                else:
                    self._reduce(r, index, sums, u, stores)
        for r, place, value in stores:
            self._store(r, place, value)
        return sums

    def _written(self, r: Root, index: Index) -> Value:
        v = r.equation.operands[1]
        for atom, at in gathered_in(r.place(index)):
            self.el.value(atom, at)
        return self.el.value(v, access.element_of(v.type.shape, access.shape_of_write(r.equation), index))

    def _reduce(self, r: Root, index: Index, sums: Accumulators, u: int, stores: list[tuple[Root, Index, Value]]) -> None:
        name, _ = access.reduced(r.equation) or ("", ())
        value, place = self.el.value(r.equation.operands[0], index), r.place(index)
        if (r, place, u) not in sums:
            stores.append((r, place, value))
            return
        value = self.code.splat(value, self.el.lanes)
        if self.el.mask is not None:
            rest = self.code.constant(identity_of(name, value.dtype), value.dtype, value.lanes)
            value = self.el.choose(Value(np.dtype(bool), (self.el.mask,), self.el.lanes), value, rest)
        sums[r, place, u] = self.combine(name, sums[r, place, u], value)

    def _store(self, r: Root, place: Index, value: Value) -> None:
        pointer, dtype = self.block.base(r.var), r.var.type.dtype
        at = flat_index(r.var.type.shape, place)
        name = "" if r.kind == "store" else "add" if r.equation.primitive.name == "index_add" else ""
        if r.kind == "reduce":
            name = (access.reduced(r.equation) or ("", ()))[0]
        if name:
            value = self.combine(name, self._old(pointer, dtype, at), value)
        self.el.store(pointer, dtype, at, value)

    def _old(self, pointer: str, dtype: np.dtype[Any], at: Ix) -> Value:
        p, step, offsets = self.el.address(pointer, dtype, at)
        if self.el.lanes == 1 or (step == 0 and offsets is None):
            return self.block.load_scalar(p, dtype)
        return self.el.load_vector(p, dtype, step, offsets, None)
