"""Elements: the code that computes elements of arrays, in scalars or in vectors.

What comes in: a variable and the index of an element, in loops that are running. What goes out: its value, each element
computed once in an iteration. The one idea: one loop is the vector's; an index that moves with it by one is a contiguous
load, one that does not move is a scalar, any other is gathered. What lies outside its array by a guard is never loaded.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.backends.compiled import access, checked, elementwise
from wengert.backends.compiled.access import Apply, Element, Fold, Gathered, Guard, Index, Ix, Pick, Products, Update
from wengert.backends.compiled.code import Value, element
from wengert.backends.compiled.plan import gathered_in, parts_of
from wengert.graph import Const, Var

if TYPE_CHECKING:
    from wengert.backends.compiled.block import Block

__all__ = ["Elements", "computed", "diagonal", "flat_index", "memory_type", "strides", "whole_type"]

Key = tuple[Element, Guard]
DIAGONAL = 1024  # elements of a constant matrix that is looked at for being zero but for a diagonal


@functools.cache
def strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    out, step = [], 1
    for n in reversed(shape):
        out.append(step)
        step *= n
    return tuple(reversed(out))


def flat_index(shape: tuple[int, ...], index: Index) -> Ix:
    total = Ix()
    for ix, step in zip(index, strides(shape), strict=True):
        total = total + ix * step
    return total


def memory_type(dtype: np.dtype[Any]) -> str:
    """The LLVM type of (one part of) an element in memory."""
    return "i8" if dtype.kind == "b" else element(dtype)


def whole_type(dtype: np.dtype[Any]) -> str:
    """The LLVM type of a whole element in memory."""
    return memory_type(dtype) if dtype.kind != "c" else f"[2 x {element(dtype)}]"


def _of_constants(f: Callable[[Const], Any]) -> Callable[[Const], Any]:
    """A function that looks at each constant once, as long as there is that constant."""
    known: weakref.WeakKeyDictionary[Const, Any] = weakref.WeakKeyDictionary()

    def found(c: Const) -> Any:
        if c not in known:
            known[c] = f(c)
        return known[c]
    return functools.wraps(f)(found)


@_of_constants
def diagonal(c: Const) -> tuple[int, Any, Any] | None:
    """Of a large constant matrix (first axis by the rest) with one diagonal: offset, value, the zero around it; else None."""
    a = c.value
    if a.ndim < 2 or a.size < DIAGONAL or a.dtype.kind not in "fiu":
        return None
    rows = a.reshape(a.shape[0], -1)
    at = np.flatnonzero(rows[0]) if rows[0].any() else np.flatnonzero(rows[-1]) - (len(rows) - 1)
    if at.size != 1:
        return None
    offset = int(at[0])
    found = np.diagonal(rows, offset)
    if not found.size or np.count_nonzero(rows) != found.size or np.any(found != found[0]):
        return None
    signs = np.signbit(rows[rows == 0]) if a.dtype.kind == "f" else np.zeros(1, bool)
    if signs.any() and not signs.all():
        return None
    return offset, found[0], -0.0 if signs.any() else 0


@_of_constants
def uniform(c: Const) -> bool:
    """Whether all elements of a constant are the same number."""
    flat = c.value.reshape(-1)
    return flat.size > 0 and flat.tobytes() == flat[:1].tobytes() * flat.size


def computed(x: Any) -> bool:
    """Whether elements of a constant are never loaded."""
    return isinstance(x, Const) and (uniform(x) or diagonal(x) is not None)


def _moved(ix: Ix) -> bool:
    """Whether an index is told by an index array."""
    return any(isinstance(term, Gathered) for term, _ in ix.terms)


class Elements:
    """Values at one place in the code of a block; see the head of this file."""

    def __init__(self, block: Block, lanes: int = 1, roots: tuple[Var, ...] = ()):
        self.block, self.code, self.plan, self.lanes, self.roots = block, block.code, block.plan, lanes, frozenset(roots)
        self.memo: dict[Any, Value] = {}
        self.ranges: dict[int, tuple[int, int]] = {}  # loop -> the values that it takes
        self.at: dict[int, tuple[str | None, int]] = {}  # loop -> name and constant of its present value
        self.under: Guard = ()  # what holds where the element is read that is now computed
        self.vector: int | None = None
        self.mask: str | None = None  # of the lanes that are there, in a vector that ends short
        self.gathers = False

    def forget(self) -> None:
        """Another iteration begins."""
        self.memo.clear()

    # ------------------------------------------------------------ guards

    def _guard_value(self, guard: Guard, under: Guard = ()) -> Value | None:
        """An i1, or a vector of them where the lanes differ; None if there is no condition.

        It matters only where `under` holds, and each condition where those before it hold: an index array is read nowhere else.
        """
        if not guard:
            return None
        key = ("guard", guard, under if any(_moved(ix) for ix, _ in guard) else ())
        total: Value | None = self.memo.get(key)
        if total is None:
            before = self.under
            for k, (ix, n) in enumerate(guard):
                self.under = (*under, *guard[:k])
                at = self.position(ix)
                bound = self.code.constant(n, np.int64, at.lanes)
                inside = Value(np.dtype(bool), (self.code.op(f"icmp ult {at.kind} {at.part}, {bound.part}"),), at.lanes)
                total = inside if total is None else self._both(total, inside)
            self.under = before
            assert total is not None
            self.memo[key] = total
        return total

    def _both(self, a: Value, b: Value) -> Value:
        lanes = max(a.lanes, b.lanes)
        a, b = self.code.splat(a, lanes), self.code.splat(b, lanes)
        return Value(a.dtype, (self.code.op(f"and {a.kind} {a.part}, {b.part}"),), lanes)

    # ------------------------------------------------------------ indices as numbers

    def position(self, ix: Ix) -> Value:
        """An index as an i64, or a vector of them."""
        key = ("position", ix, self.under if _moved(ix) else ())
        if key in self.memo:
            return self.memo[key]
        total = self.code.constant(ix.const, np.int64)
        for term, c in ix.terms:
            value = self._gathered(term) if isinstance(term, Gathered) else self._loop(term)
            total = self._sum(total, self._times(value, c))
        self.memo[key] = total
        return total

    def _loop(self, k: int) -> Value:
        name, extra = self.at[k]
        value = self.code.constant(extra, np.int64)
        if name is not None:
            value = self._sum(Value(np.dtype(np.int64), (name,)), value)
        if k == self.vector and self.lanes > 1:
            steps = ", ".join(f"i64 {j}" for j in range(self.lanes))
            value = self._sum(self.code.splat(value, self.lanes), Value(value.dtype, (f"<{steps}>",), self.lanes))
        return value

    def _times(self, a: Value, c: int) -> Value:
        if c == 1:
            return a
        if not a.part.startswith(("%", "<")):
            return self.code.constant(int(a.part) * c, np.int64)
        return Value(
            a.dtype, (self.code.op(f"mul {a.kind} {a.part}, {self.code.constant(c, np.int64, a.lanes).part}"),), a.lanes
        )

    def _sum(self, a: Value, b: Value) -> Value:
        if a.part == "0" or b.part == "0":
            return b if a.part == "0" else a
        if a.lanes == b.lanes == 1 and not a.part.startswith("%") and not b.part.startswith("%"):
            return self.code.constant(int(a.part) + int(b.part), np.int64)
        lanes = max(a.lanes, b.lanes)
        a, b = self.code.splat(a, lanes), self.code.splat(b, lanes)
        return Value(a.dtype, (self.code.op(f"add {a.kind} {a.part}, {b.part}"),), lanes)

    def _gathered(self, term: Gathered) -> Value:
        """An element of an index array, made non-negative; one outside of the axis is noted, and read as 0."""
        key = ("gathered", term, self.under)
        if key in self.memo:
            return self.memo[key]
        v = self.memo[(term.atom, term.place), self.under]
        wide = v
        if v.dtype.itemsize < 8:
            how = "zext" if v.dtype.kind in "ub" else "sext"
            kind = "i64" if v.lanes == 1 else f"<{v.lanes} x i64>"
            wide = Value(np.dtype(np.int64), (self.code.op(f"{how} {v.kind} {v.part} to {kind}"),), v.lanes)
        zero, size = (self.code.constant(n, np.int64, wide.lanes).part for n in (0, term.size))
        kind, flag = wide.kind, "i1" if v.lanes == 1 else f"<{v.lanes} x i1>"
        negative = self.code.op(f"icmp slt {kind} {wide.part}, {zero}")
        turned = self.code.op(f"add {kind} {wide.part}, {size}")
        at = self.code.op(f"select {flag} {negative}, {kind} {turned}, {kind} {wide.part}")
        good = self.code.op(f"icmp ult {kind} {at}, {size}")
        self._note_bad(good, v.lanes)
        out = Value(np.dtype(np.int64), (self.code.op(f"select {flag} {good}, {kind} {at}, {kind} {zero}"),), v.lanes)
        self.memo[key] = out
        return out

    def _note_bad(self, good: str, lanes: int) -> None:
        """An index is bad where it is read: in lanes that are there, and where the guards around it hold."""
        self.gathers = True
        there = self._guard_value(self.under)
        mask = self.lanes_there(there) if lanes > 1 else None if there is None else self._any(there)
        if mask is not None:
            kind = "i1" if lanes == 1 else f"<{lanes} x i1>"
            absent = self.code.op(f"xor {kind} {mask}, {'true' if lanes == 1 else 'splat (i1 true)'}")
            good = self.code.op(f"or {kind} {good}, {absent}")
        every = good
        if lanes > 1:
            every = self.code.intrinsic(f"llvm.vector.reduce.and.v{lanes}i1", "i1", [good], [f"<{lanes} x i1>"])
        flag = self.block.flag()
        old = self.code.op(f"load i1, ptr {flag}")
        self.code.line(f"store i1 {self.code.op(f'and i1 {old}, {every}')}, ptr {flag}")

    def _any(self, flags: Value) -> str:
        if flags.lanes == 1:
            return flags.part
        return self.code.intrinsic(f"llvm.vector.reduce.or.v{flags.lanes}i1", "i1", [flags.part], [f"<{flags.lanes} x i1>"])

    # ------------------------------------------------------------ memory

    def address(self, pointer: str, dtype: np.dtype[Any], at: Ix) -> tuple[str, int | None, Value | None]:
        """Pointer to the first lane's element, the step from lane to lane, or (None, and) offsets of all lanes."""
        scalar, step, moving = Ix(at.const), 0, Ix()
        for term, c in at.terms:
            if isinstance(term, Gathered):
                value = self._gathered(term)
                if value.lanes > 1:
                    moving = moving + Ix(0, ((term, c),))
                else:
                    scalar = scalar + Ix(0, ((term, c),))
            else:
                scalar = scalar + Ix(0, ((term, c),))
                if term == self.vector and self.lanes > 1:
                    step = c
        first = self._scalar_position(scalar)
        kind = whole_type(dtype)
        p = pointer if first == "0" else self.code.op(f"getelementptr {kind}, ptr {pointer}, i64 {first}", "p")
        if not moving.terms:
            return p, step, None
        steps = Value(np.dtype(np.int64), ("<" + ", ".join(f"i64 {step * j}" for j in range(self.lanes)) + ">",), self.lanes)
        return p, None, self._sum(self.position(moving), steps)

    def _scalar_position(self, ix: Ix) -> str:
        vector, self.vector = self.vector, None
        try:
            total = self.code.constant(ix.const, np.int64)
            for term, c in ix.terms:
                value = self._gathered(term) if isinstance(term, Gathered) else self._loop(term)
                total = self._sum(total, self._times(value, c))
        finally:
            self.vector = vector
        return total.part

    def load(self, x: Any, index: Index, guard: Guard) -> Value:
        """An element of an array in memory."""
        if access.fixed(index) or x.type.size == 1:
            at = flat_index(x.type.shape, index).const if x.type.size != 1 else 0
            return self.block.register(x, at) if 0 <= at < x.type.size else self.code.constant(0, x.type.dtype)
        if isinstance(x, Const) and uniform(x):
            return self.block.register(x, 0)
        band = diagonal(x) if isinstance(x, Const) else None
        if band is not None:
            return self._on_diagonal(x, index, *band)
        inside = all(low >= 0 and high < n for (low, high), n in zip(
            (access.span(ix, self.ranges) for ix in index), x.type.shape, strict=True))
        condition = None if inside else self._guard_value(guard)
        pointer, step, offsets = self.address(self.block.base(x), x.type.dtype, flat_index(x.type.shape, index))
        if self.lanes == 1 or (step == 0 and offsets is None):
            if condition is not None and condition.lanes == 1:
                pointer = self.code.op(f"select i1 {condition.part}, ptr {pointer}, ptr {self.block.base(x)}")
            if condition is None or condition.lanes == 1:
                return self.block.load_scalar(pointer, x.type.dtype)
            step = 0
        return self.load_vector(pointer, x.type.dtype, step, offsets, condition)

    def _on_diagonal(self, x: Const, index: Index, offset: int, value: Any, zero: Any) -> Value:
        """An element of a matrix with one diagonal: computed, not loaded."""
        row, column = self.position(index[0]), self.position(flat_index(x.type.shape[1:], index[1:]))
        lanes = max(row.lanes, column.lanes)
        row, column = (self.code.splat(v, lanes) for v in (self._sum(row, self.code.constant(offset, np.int64)), column))
        here = Value(np.dtype(bool), (self.code.op(f"icmp eq {row.kind} {row.part}, {column.part}"),), lanes)
        return self.choose(here, self.code.constant(value, x.type.dtype), self.code.constant(zero, x.type.dtype))

    def lanes_there(self, condition: Value | None = None) -> str | None:
        """The mask of the lanes to touch; None if all."""
        if condition is None:
            return self.mask
        mask = self.code.splat(condition, self.lanes).part
        return mask if self.mask is None else self.code.op(f"and <{self.lanes} x i1> {mask}, {self.mask}")

    def load_vector(
        self, p: str, dtype: np.dtype[Any], step: int | None, offsets: Value | None, condition: Value | None
    ) -> Value:
        w, kind, mask = self.lanes, memory_type(dtype), self.lanes_there(condition)
        if step == 1 and dtype.kind != "c":
            whole = f"<{w} x {kind}>"
            if mask is None:
                out = self.code.op(f"load {whole}, ptr {p}, align {_align(dtype)}")
            else:
                out = self._masked("load", p, dtype, mask)
            return self._loaded(dtype, [out])
        scale = 2 if dtype.kind == "c" else 1
        if offsets is None:
            steps = ", ".join(f"i64 {(step or 0) * scale * j}" for j in range(w))
            at = f"<{steps}>"
        else:
            at = self._times(offsets, scale).part
        parts = []
        for part in range(scale):
            q = p if not part else self.code.op(f"getelementptr {kind}, ptr {p}, i64 1", "p")
            many = self.code.op(f"getelementptr {kind}, ptr {q}, <{w} x i64> {at}", "p")
            name = f"llvm.masked.gather.v{w}{_short(kind)}.v{w}p0"
            self.code.module.declare(f"declare <{w} x {kind}> @{name}(<{w} x ptr>, i32, <{w} x i1>, <{w} x {kind}>)")
            lanes = mask or "splat (i1 true)"
            parts.append(
                self.code.op(
                    f"call <{w} x {kind}> @{name}(<{w} x ptr> {many}, i32 {_align(dtype)}, <{w} x i1> {lanes}, "
                    f"<{w} x {kind}> zeroinitializer)"
                )
            )
        return self._loaded(dtype, parts)

    def _masked(self, what: str, p: str, dtype: np.dtype[Any], mask: str, value: str = "") -> str:
        w, kind = self.lanes, memory_type(dtype)
        whole = f"<{w} x {kind}>"
        name = f"llvm.masked.{what}.v{w}{_short(kind)}.p0"
        if what == "load":
            self.code.module.declare(f"declare {whole} @{name}(ptr, i32, <{w} x i1>, {whole})")
            return self.code.op(
                f"call {whole} @{name}(ptr {p}, i32 {_align(dtype)}, <{w} x i1> {mask}, {whole} zeroinitializer)"
            )
        self.code.module.declare(f"declare void @{name}({whole}, ptr, i32, <{w} x i1>)")
        self.code.line(f"call void @{name}({whole} {value}, ptr {p}, i32 {_align(dtype)}, <{w} x i1> {mask})")
        return ""

    def _loaded(self, dtype: np.dtype[Any], parts: list[str]) -> Value:
        if dtype.kind == "b":
            parts = [self.code.op(f"icmp ne <{self.lanes} x i8> {p}, zeroinitializer") for p in parts]
        return Value(dtype, tuple(parts), self.lanes)

    def store(self, pointer: str, dtype: np.dtype[Any], at: Ix, value: Value) -> None:
        """Write an element; in a vector, of the lanes that are there."""
        p, step, offsets = self.address(pointer, dtype, at)
        if self.lanes == 1 or (step == 0 and offsets is None):
            self.block.store_scalar(p, value)
            return
        value = self.code.splat(value, self.lanes)
        w, kind = self.lanes, memory_type(dtype)
        parts = [self.code.op(f"zext <{w} x i1> {q} to <{w} x i8>") if dtype.kind == "b" else q for q in value.parts]
        if step == 1 and dtype.kind != "c":
            if self.mask is None:
                self.code.line(f"store <{w} x {kind}> {parts[0]}, ptr {p}, align {_align(dtype)}")
            else:
                self._masked("store", p, dtype, self.mask, parts[0])
            return
        scale = len(parts)
        steps = "<" + ", ".join(f"i64 {(step or 0) * scale * j}" for j in range(w)) + ">"
        many_at = steps if offsets is None else self._times(offsets, scale).part
        for k, part in enumerate(parts):
            q = p if not k else self.code.op(f"getelementptr {kind}, ptr {p}, i64 1", "p")
            many = self.code.op(f"getelementptr {kind}, ptr {q}, <{w} x i64> {many_at}", "p")
            name = f"llvm.masked.scatter.v{w}{_short(kind)}.v{w}p0"
            self.code.module.declare(f"declare void @{name}(<{w} x {kind}>, <{w} x ptr>, i32, <{w} x i1>)")
            self.code.line(f"call void @{name}(<{w} x {kind}> {part}, <{w} x ptr> {many}, i32 {_align(dtype)}, "
                           f"<{w} x i1> {self.mask or 'splat (i1 true)'})")

    # ------------------------------------------------------------ values

    def value(self, x: Any, index: Index, guard: Guard = ()) -> Value:
        """An element, by an explicit stack: recursion would end at a chain of a thousand operations."""
        first: Key = ((x, index), guard)
        todo = [first]
        while todo:
            key = todo[-1]
            (y, at), under = key
            if key in self.memo:
                todo.pop()
                continue
            if not isinstance(y, Var) or (self.plan.leaf(y) and y not in self.roots):
                needs: list[Key] = [(g, under) for g in gathered_in(at)]
            else:
                expression = access.settle(access.expand(self.plan.own[y], at), self.ranges, under)
                needs = [*self._needs(expression, under), *[(g, under) for g in gathered_in(at)]]
            missing = [k for k in needs if k not in self.memo]
            if missing:
                todo += missing
                continue
            leaf = not isinstance(y, Var) or (self.plan.leaf(y) and y not in self.roots)
            self.under = under
            if leaf:
                self.memo[key] = self.load(y, at, under)
            else:  # an elementwise equation gives the elements of all its results at once
                made = self._combine(y, expression, under)
                results = self.plan.own[y].results if isinstance(expression, Apply) else (y,)
                self.memo.update({((r, at), under): v for r, v in zip(results, made, strict=True)})
            todo.pop()
        self.under = ()
        return self.memo[first]

    def _needs(self, expression: Any, under: Guard) -> list[Key]:
        if isinstance(expression, Pick):
            pieces = expression.pieces
            return [*[(part, (*under, *guard)) for guard, part in pieces], *self._guards_need(pieces, under)]
        if isinstance(expression, Update):
            return [(expression.base, under), (expression.value, (*under, *expression.guard)),
                    *self._guards_need([(expression.guard, None)], under)]
        return [(part, under) for part in parts_of(expression)]

    def _guards_need(self, pieces: Any, under: Guard) -> list[Key]:
        """What conditions are told by; the last of these is computed first."""
        return [(g, (*under, *guard[:k])) for guard, _ in pieces for k in reversed(range(len(guard)))
                for g in gathered_in(guard[k][:1])]

    def _combine(self, y: Var, expression: Any, under: Guard) -> list[Value]:
        """The element; of an elementwise equation, that of each result."""
        dtype, e = y.type.dtype, self.plan.own[y]
        match expression:
            case Apply(operands):
                values = [self.memo[o, under] for o in operands]
                if e.primitive.name in checked.RULES:
                    return [checked.RULES[e.primitive.name](self.block, e.params, values)]
                return self._emitted(e.primitive.name, e.params, values, [r.type.dtype for r in e.results])
            case Pick(pieces):
                return [self._pick(pieces, dtype, under)]
            case Update(guard, base, value):
                old, new = self.memo[base, under], self.memo[value, (*under, *guard)]
                total = self.apply("add", [old, new], dtype)
                return [total if not guard else self.choose(self._guard_value(guard, under), total, old)]
            case Fold(name, elements):
                total = self.memo[elements[0], under]
                if name == "add" and dtype.kind in "fc":  # a sum begins with 0.0
                    total = self.apply(name, [total, self.code.constant(0, dtype)], dtype)
                for part in elements[1:]:
                    total = self.apply(name, [total, self.memo[part, under]], dtype)
                return [total]
            case Products(pairs):
                return [self._products([(self.memo[a, under], self.memo[b, under]) for a, b in pairs], dtype)]
        raise AssertionError(expression)

    def _emitted(self, name: str, params: Any, values: list[Value], dtypes: list[np.dtype[Any]]) -> list[Value]:
        return elementwise.emit(self.code, name, params, values, dtypes, max([v.lanes for v in values], default=1))

    def apply(self, name: str, values: list[Value], dtype: np.dtype[Any]) -> Value:
        (out,) = self._emitted(name, {}, values, [dtype])
        return out

    def _pick(self, pieces: Any, dtype: np.dtype[Any], under: Guard) -> Value:
        out: Value | None = None
        for guard, part in reversed(pieces):
            value = self.memo[part, (*under, *guard)]
            if not guard:
                out = value
                continue
            out = self.choose(self._guard_value(guard, under), value, self.code.constant(0, dtype) if out is None else out)
        return self.code.constant(0, dtype) if out is None else out

    def choose(self, condition: Value | None, a: Value, b: Value) -> Value:
        """``a`` where the condition holds, else ``b``."""
        if condition is None:
            return a
        lanes = max(condition.lanes, a.lanes, b.lanes)
        a, b = self.code.splat(a, lanes), self.code.splat(b, lanes)
        flags = f"{condition.kind} {condition.part}"
        parts = [self.code.op(f"select {flags}, {a.kind} {p}, {a.kind} {q}") for p, q in zip(a.parts, b.parts, strict=True)]
        return Value(a.dtype, tuple(parts), lanes)

    def _products(self, pairs: list[tuple[Value, Value]], dtype: np.dtype[Any]) -> Value:
        total = self.code.constant(0, dtype) if len(pairs) > 1 and dtype.kind in "fc" else None
        for a, b in pairs:
            if total is None:
                total = self.apply("multiply", [a, b], dtype)
            elif dtype.kind == "f" and dtype.itemsize in (4, 8):
                lanes = max(a.lanes, b.lanes, total.lanes)
                a, b, total = (self.code.splat(v, lanes) for v in (a, b, total))
                suffix = _short(element(dtype)) if lanes == 1 else f"v{lanes}{_short(element(dtype))}"
                total = Value(
                    dtype, (self.code.intrinsic(f"llvm.fma.{suffix}", total.kind, [a.part, b.part, total.part]),), lanes
                )
            else:
                total = self.apply("add", [total, self.apply("multiply", [a, b], dtype)], dtype)
        assert total is not None
        return total


def _align(dtype: np.dtype[Any]) -> int:
    return dtype.itemsize if dtype.kind != "c" else dtype.itemsize // 2


def _short(kind: str) -> str:
    return {"double": "f64", "float": "f32"}.get(kind, kind)
