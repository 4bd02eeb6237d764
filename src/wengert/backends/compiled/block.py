"""Blocks: the code of one graph, item by item.

What comes in: a graph, and where its inputs are (registers, memory, stacks). What goes out: code that leaves its outputs in
registers or in memory. The one idea: a small value is a list of scalars, a large one a pointer; where the plan says that
nobody reads an operand any more, its memory becomes the result's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.backends.compiled import control, library, small
from wengert.backends.compiled.code import NOT_SURE, OUT_OF_BOUNDS, Value, literal
from wengert.backends.compiled.elements import Elements, memory_type, uniform, whole_type
from wengert.backends.compiled.nest import emit_nest
from wengert.backends.compiled.plan import Item, Nest, Plan, Root, Scalars, Step, all_elements, is_control
from wengert.graph import Const, Equation, Graph, Var

if TYPE_CHECKING:
    from wengert.backends.compiled.kernel import Builder

__all__ = ["Block", "plan_of"]

FILL = 16  # elements that are set one by one


def plan_of(graph: Graph) -> Plan:
    found = graph.derived.get("plan")
    if found is None:
        found = graph.derived["plan"] = Plan(graph)
    return found  # type: ignore[no-any-return]


class Block:
    """The code of one graph; see the head of this file.

    Attributes
    ----------
    scalars : dict
        (variable or constant, number of the element) -> value in registers.
    pointers : dict
        Variable -> pointer to its memory.
    stacks : dict
        Variable -> pointer to the descriptor of its stack.
    donated : set of Var
        Inputs whose memory may be overwritten.
    """

    def __init__(self, builder: Builder, graph: Graph, donated: Sequence[Var] = ()):
        self.builder, self.module, self.code, self.graph = builder, builder.module, builder.code, graph
        self.plan = plan_of(graph)
        self.donated = set(donated)
        self.scalars: dict[tuple[Any, int], Value] = {}
        self.pointers: dict[Var, str] = {}
        self.stacks: dict[Var, str] = {}
        self.dest: dict[Var, str] = {}
        self.held: dict[Var, Any] = {}  # variable -> the room in the workspace that is its own
        self.spilled: dict[Any, str] = {}

    # ------------------------------------------------------------ values

    def register(self, x: Any, at: int) -> Value:
        """Element number `at` of a variable or constant, as a scalar."""
        if isinstance(x, Const):
            return self.code.constant(x.value.reshape(-1)[at], x.type.dtype)
        found = self.scalars.get((x, at))
        if found is None:
            found = self.scalars[x, at] = self.load_scalar(self.offset(self.base(x), x.type.dtype, at), x.type.dtype)
        return found

    def registers(self, x: Any) -> list[Value]:
        return [self.register(x, k) for k in range(x.type.size)]

    def base(self, x: Any) -> str:
        """The memory of an array; a value in registers is written there first."""
        if isinstance(x, Const):
            return self.builder.constant(x)
        x = self.plan.root(x)
        found = self.pointers.get(x) or self.spilled.get(x)
        if found is None:
            assert all((x, k) in self.scalars for k in range(x.type.size)), x
            found = self.spilled[x] = self.builder.local(x.type)
            for k in range(x.type.size):
                self.store_scalar(self.offset(found, x.type.dtype, k), self.scalars[x, k])
        return found

    def offset(self, pointer: str, dtype: np.dtype[Any], k: int | str) -> str:
        """The place of element number `k`."""
        return pointer if k == 0 else self.code.op(f"getelementptr {whole_type(dtype)}, ptr {pointer}, i64 {k}", "p")

    def load_scalar(self, pointer: str, dtype: np.dtype[Any]) -> Value:
        kind = memory_type(dtype)
        if dtype.kind == "b":
            return Value(dtype, (self.code.op(f"icmp ne i8 {self.code.op(f'load i8, ptr {pointer}')}, 0"),))
        if dtype.kind != "c":
            return Value(dtype, (self.code.op(f"load {kind}, ptr {pointer}"),))
        second = self.code.op(f"getelementptr {kind}, ptr {pointer}, i64 1", "p")
        return Value(dtype, (self.code.op(f"load {kind}, ptr {pointer}"), self.code.op(f"load {kind}, ptr {second}")))

    def store_scalar(self, pointer: str, value: Value) -> None:
        kind = memory_type(value.dtype)
        for k, part in enumerate(value.parts):
            if value.dtype.kind == "b":
                part = self.code.op(f"zext i1 {part} to i8")
            p = pointer if not k else self.code.op(f"getelementptr {kind}, ptr {pointer}, i64 1", "p")
            self.code.line(f"store {kind} {part}, ptr {p}")

    def fill(self, pointer: str, size: int, value: Value) -> None:
        """Set `size` elements to one value."""
        if size <= FILL:
            for k in range(size):
                self.store_scalar(self.offset(pointer, value.dtype, k), value)
            return
        if all(p in ("0", literal(0.0, "double")) for p in value.parts):
            self.builder.clear(pointer, size * value.dtype.itemsize)
            return
        with self.builder.counted(str(size)) as i:
            self.store_scalar(self.offset(pointer, value.dtype, i), value)

    def copy(self, target: str, source: str, bytes_: int) -> None:
        if target != source and bytes_:
            self.builder.copy(target, source, str(bytes_))

    def one_value(self, x: Any) -> bool:
        """Whether an array is a constant with the same element everywhere."""
        return isinstance(x, Const) and x.type.size > 0 and uniform(x)

    def begin_as(self, target: str, x: Any, source: str = "") -> None:
        """Memory that is about to be worked on gets the elements of an array (which lies at `source`, if that is known)."""
        if self.one_value(x):
            self.fill(target, x.type.size, self.register(x, 0))
        else:
            self.copy(target, source or self.base(x), x.type.size * x.type.dtype.itemsize)

    def flag(self) -> str:
        return self.builder.flag()

    def check_flag(self, reason: str) -> None:
        flag = self.builder.flag()
        good = self.code.op(f"load i1, ptr {flag}")
        self.builder.fail(self.code.op(f"xor i1 {good}, true"), reason)

    # ------------------------------------------------------------ memory of results

    def owns(self, v: Any) -> bool:
        """Whether the memory of a variable may be written to, once nobody reads it."""
        v = self.plan.root(v)
        return v in self.donated or v in self.held or v in self.dest

    def may_take(self, v: Var, target: Any) -> bool:
        """Whether a result may be computed in an operand's memory: it is the block's, and not meant for an output that comes
        while the result is still read."""
        if not self.owns(target):
            return False
        memory = self.base(target)
        if v in self.dest:
            return self.dest[v] == memory
        return all(control.overwrites(self.plan, v, o) for o, p in self.dest.items() if p == memory)

    def place(self, v: Var) -> str:
        """The memory of a result that is about to be computed."""
        v = self.plan.root(v)
        if v not in self.pointers:
            if v in self.dest:
                self.pointers[v] = self.dest[v]
            else:
                self.held[v] = room = self.builder.take(v.type.size * v.type.dtype.itemsize)
                self.pointers[v] = room.pointer
        return self.pointers[v]

    def give(self, v: Var, target: Var) -> None:
        """The memory of `target` becomes that of `v`, which is computed in its place."""
        target = self.plan.root(target)
        self.pointers[v] = self.base(target)
        if target in self.held:
            self.held[v] = self.held.pop(target)
        elif target in self.donated:
            self.donated.add(v)

    # ------------------------------------------------------------ the graph

    def prefer(self, dest: dict[Var, str]) -> None:
        """Outputs are to be computed in these places; so is what they are written into."""
        self.dest.update({self.plan.root(v): p for v, p in dest.items() if self.plan.root(v) in self.plan.own})
        for item in reversed(self.plan.items):
            for v, target in self.in_place(item):
                root = self.plan.root(target)
                if v in self.dest and root in self.plan.own and root not in self.dest and root in self.plan.memory:
                    self.dest[root] = self.dest[v]

    def in_place(self, item: Item) -> list[tuple[Var, Any]]:
        """Pairs (result, operand): the result may be computed in the operand's memory, if that belongs to the block."""
        if isinstance(item, Nest):
            r = item.roots[0]
            if r.kind != "write":
                return []
            x = r.equation.operands[0]
            if not isinstance(x, Var) or not self.plan.dies_at(x, item) or self._read_beside(x, item, r):
                return []
            return [(r.var, x)]
        if isinstance(item, Step) and item.equation is not None:
            return control.in_place(self, item, item.equation)
        return []

    def _read_beside(self, x: Var, item: Nest, r: Root) -> bool:
        """Whether a write reads elsewhere what it overwrites; one that is a single chunk reads first."""
        if not r.extents:
            return False
        root = self.plan.root(x)
        return any(isinstance(y, Var) and self.plan.root(y) is root for y, _ in item.leaves)

    def run(self) -> None:
        notes = self.builder.notes
        for k, item in enumerate(self.plan.items):
            notes.begin(self, item)
            if isinstance(item, Nest):
                self._nest(item)
            elif isinstance(item, Scalars):
                self._scalars(item)
            elif isinstance(item, Step):
                assert item.equation is not None
                self._step(item, item.equation)
            notes.end()
            self._release(k)

    def _nest(self, item: Nest) -> None:
        for r in item.roots:
            if r.kind == "write":
                x = r.equation.operands[0]
                for v, target in self.in_place(item):
                    if self.may_take(v, target):
                        self.give(v, target)
                        self.builder.notes.count("in place")
                if r.var not in self.pointers:
                    source = "" if self.one_value(x) else self.base(x)  # before the result takes its place
                    self.begin_as(self.place(r.var), x, source)
        emit_nest(self, item)

    def _scalars(self, item: Scalars) -> None:
        self.builder.notes.now.kind = "scalars"
        el = Elements(self, 1, item.vars)
        for v in item.vars:
            for k, index in enumerate(all_elements(v.type.shape)):
                self.scalars[v, k] = el.value(v, index)
        if el.gathers:
            self.check_flag(OUT_OF_BOUNDS)

    def _step(self, item: Step, e: Equation) -> None:
        note = self.builder.notes.now
        if is_control(e):
            note.kind = "branch" if e.primitive.name == "cond" else "loop"
            control.emit(self, item, e)
        elif e.primitive.name == "assured":
            note.kind = "check"
            for o in e.operands:
                self.builder.fail(self.code.op(f"xor i1 {self.register(o, 0).part}, true"), NOT_SURE)
        elif e.primitive.name in control.STACKS:
            note.kind = "stack"
            control.STACKS[e.primitive.name](self, e)
        elif small.supported(e):
            note.kind = "scalars"
            small.emit(self, e)
            for r in e.results:
                if not self.plan.in_registers(r):
                    self._spill(r)
        elif library.supported(e):
            note.kind = "library"
            operands = [self._lying(e, j) for j in range(len(e.operands))]
            results = [library.Place(control.target(self, item, e, r)[0], r.type) for r in e.results]
            with self.builder.scratch() as scratch:
                library.emit(self.code, e, operands, results, scratch, self.builder.fail)
        else:
            note.kind = "python"
            self.builder.host(e, [self.base(o) for o in e.operands], [self.place(r) for r in e.results],
                              self.graph.lines.get(e, frozenset()))

    def _spill(self, r: Var) -> None:
        """Write a result that is computed in registers to its memory."""
        pointer = self.place(r)
        for k in range(r.type.size):
            self.store_scalar(self.offset(pointer, r.type.dtype, k), self.scalars[r, k])

    def _lying(self, e: Equation, k: int) -> library.Place:
        """Where operand number k of a library call lies; products read views as they lie."""
        o: Any = e.operands[k]
        source, strides = self.plan.viewed(o) if k < library.VIEWS.get(e.primitive.name, 0) else (o, None)
        return library.Place(self.base(source), o.type, strides)

    def _release(self, k: int) -> None:
        """Memory that nobody reads after item `k` is free again."""
        for v in [v for v in self.held if self.plan.last.get(v, -1) <= k and v not in self.plan.returned]:
            self.builder.release(self.held.pop(v))

    # ------------------------------------------------------------ outputs

    def output(self, k: int, pointer: str) -> None:
        """Write output number `k` to memory, if it is not there already."""
        o = self.graph.outputs[k]
        if isinstance(o, Const) and o.type.size > FILL:
            self.begin_as(pointer, o)
        elif isinstance(o, Const) or self.plan.in_registers(o):
            for n in range(o.type.size):
                self.store_scalar(self.offset(pointer, o.type.dtype, n), self.register(o, n))
        elif o.type.size:
            self.copy(pointer, self.base(o), o.type.size * o.type.dtype.itemsize)

    def close(self) -> None:
        for room in self.held.values():
            self.builder.release(room)
        self.held.clear()
