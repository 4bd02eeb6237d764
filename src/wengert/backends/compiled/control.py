"""Control flow: branches and loops as machine code.

What comes in: `cond`, `while_loop` or `scan`, in a block. What goes out: its code, the inner graphs as blocks of the same
function. The one idea: a small carry is a phi; a large one is updated in place where nobody reads its old value afterwards,
else two buffers take turns; what is saved is written straight into its row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.backends.compiled import library, small
from wengert.backends.compiled.code import Code, Value
from wengert.backends.compiled.plan import Item, Nest, Plan, Step, is_control
from wengert.graph import ArrayType, Const, Equation, Graph, StackType, Var
from wengert.graph.walk import subgraphs

if TYPE_CHECKING:
    from wengert.backends.compiled.block import Block

__all__ = ["STACKS", "emit", "in_place", "overwrites", "supported", "target"]


def supported(graph: Graph) -> bool:
    """Whether the compiler knows what a graph does with its stacks: only loops, branches and sums may meet them."""
    for e in graph.equations:
        if not is_control(e) and e.primitive.name not in STACKS and any(
                isinstance(v.type, StackType) for v in (*e.operands, *e.results)):
            return False
        if not all(supported(g) for g in subgraphs(e)):
            return False
    return True


# ---------------------------------------------------------------- in place

def overwrites(plan: Plan, v: Var, o: Any) -> bool:
    """Whether a graph may compute its output `o` in the memory of its input `v`."""
    found = plan.overwritten.get((v, o))
    if found is None:
        found = plan.overwritten[v, o] = _overwrites(plan, v, o)
    return found


def _overwrites(plan: Plan, v: Var, o: Any) -> bool:
    if o is v:
        return list(plan.graph.outputs).count(v) == 1 and v not in [
            plan.root(x) for x in plan.graph.outputs if isinstance(x, Var) and x is not v]
    if not isinstance(o, Var) or o in plan.alias or o not in plan.made or plan.root(v) in plan.returned:
        return False
    item = plan.made[o]
    if isinstance(item, Nest):
        root = next(r for r in item.roots if r.var is o)
        if root.kind == "write":
            x = root.equation.operands[0]
            return isinstance(x, Var) and x not in plan.alias and plan.dies_at(x, item) and (
                overwrites(plan, v, x) if x is not v else True) and not _reads_elsewhere(plan, item, x)
        if root.kind != "store" or not plan.dies_at(v, item) or v.type != o.type:
            return False
        return (
            all(r.kind == "store" or v not in {y for y, _ in item.leaves} for r in item.roots)
            and all(index in root.elements for y, index in item.leaves if isinstance(y, Var) and plan.root(y) is v)
            and not _alias_of(plan, v)
        )
    if isinstance(item, Step) and item.equation is not None:
        taken = dict(_pairs(plan, item, item.equation)).get(o)
        return taken is not None and (taken is v or overwrites(plan, v, taken))
    return False


def _alias_of(plan: Plan, v: Var) -> bool:
    return v in plan.alias.values()


def _reads_elsewhere(plan: Plan, item: Nest, x: Var) -> bool:
    if not item.roots[0].extents:
        return False
    return any(isinstance(y, Var) and plan.root(y) is plan.root(x) for y, _ in item.leaves)


def _pairs(plan: Plan, item: Item, e: Equation) -> list[tuple[Var, Any]]:
    """Results of a step, and the operands in whose memory they may be computed, which then nobody reads any more."""
    found = plan.pairs.get(item)
    if found is None:
        found = plan.pairs[item] = _find_pairs(plan, item, e)
    return found


def _find_pairs(plan: Plan, item: Item, e: Equation) -> list[tuple[Var, Any]]:
    from wengert.backends.compiled.block import plan_of
    out: list[tuple[Var, Any]] = []
    if not is_control(e):
        taken = library.consumes(e) if library.supported(e) and not small.supported(e) else ()
        return [(e.results[0], e.operands[k]) for k in taken if _alone(plan, e, e.operands[k])
                and plan.dies_at(e.operands[k], item) and not plan.in_registers(e.results[0])]
    if e.primitive.name == "cond":
        arms = [plan_of(g) for g in e.params["branches"]]
        for k, r in enumerate(e.results):
            for j, x in enumerate(e.operands[1:]):
                if (
                    _alone(plan, e, x)
                    and x.type == r.type
                    and plan.dies_at(x, item)
                    and all(x is not y for _, y in out)
                    and all(
                        overwrites(p, g.inputs[j], g.outputs[k]) for p, g in zip(arms, e.params["branches"], strict=True)
                    )
                ):
                    out.append((r, x))
                    break
        return out
    body, first, lead = _layout(e)
    carries = len(body.inputs) - first if e.primitive.name == "while_loop" else e.params["carries"]
    for k in range(carries):
        x = e.operands[first + k + (1 if e.primitive.name == "scan" else 0)]
        if _alone(plan, e, x) and plan.dies_at(x, item):
            out.append((e.results[lead + k], x))
    return out


def _alone(plan: Plan, e: Equation, x: Any) -> bool:
    """Whether an operand lies in memory that no other operand looks at."""
    return _large(plan, x) and sum(isinstance(o, Var) and plan.root(o) is x for o in plan.stored(e)) == 1


def _large(plan: Plan, x: Any) -> bool:
    return isinstance(x, Var) and isinstance(x.type, ArrayType) and not plan.in_registers(x) and x not in plan.alias


def _layout(e: Equation) -> tuple[Graph, int, int]:
    """The body of a loop, the number of its constants, and that of the first carry among its results."""
    return e.params["body"], e.params["constants"], 1 if e.primitive.name == "while_loop" else 0


def in_place(block: Block, item: Item, e: Equation) -> list[tuple[Var, Any]]:
    return _pairs(block.plan, item, e)


# ---------------------------------------------------------------- emission

def emit(block: Block, item: Step, e: Equation) -> None:
    """Append the code of a branch or loop."""
    {"cond": _cond, "while_loop": _while, "scan": _scan}[e.primitive.name](block, item, e)


def _give_input(block: Block, child: Block, inner: Var, outer: Any) -> None:
    """An input of an inner graph that is the same as a value outside."""
    if isinstance(inner.type, StackType):
        child.stacks[inner] = block.stacks[outer]
    elif child.plan.in_registers(inner) and (
        isinstance(outer, Const) or block.plan.in_registers(outer) or inner.type.size == 1
    ):
        for k, v in enumerate(block.registers(outer)):
            child.scalars[inner, k] = v
    else:
        child.pointers[inner] = block.base(outer)


def _child(block: Block, graph: Graph, donated: Sequence[Var] = ()) -> Block:
    from wengert.backends.compiled.block import Block as New
    return New(block.builder, graph, donated)


def target(block: Block, item: Item, e: Equation, r: Var) -> tuple[str, Any]:
    """The memory of a large result, and the operand whose memory it is, if it is one's."""
    for result, x in block.in_place(item):
        if result is r and block.may_take(r, x):
            block.give(r, x)
            block.builder.notes.count("in place")
            return block.pointers[r], x
    return block.place(r), None


def _cond(block: Block, item: Step, e: Equation) -> None:
    code = block.code
    small = [r for r in e.results if isinstance(r.type, ArrayType) and block.plan.in_registers(r)]
    targets = {r: target(block, item, e, r) for r in e.results if isinstance(r.type, ArrayType) and r not in small}
    arms: list[Block] = []
    for g in e.params["branches"]:
        taken = {g.inputs[j] for j, x in enumerate(e.operands[1:]) if any(x is y for _, y in targets.values())}
        arms.append(_child(block, g, sorted(taken, key=id)))
        for inner, outer in zip(g.inputs, e.operands[1:], strict=True):
            _give_input(block, arms[-1], inner, outer)
    yes, no, done = (block.module.fresh("B") for _ in range(3))
    code.line(f"br i1 {block.register(e.operands[0], 0).part}, label %{yes}, label %{no}")
    found: list[tuple[str, dict[Var, Any]]] = []
    for label, arm in zip((yes, no), arms, strict=True):
        code.label(label)
        arm.prefer(
            {
                o: targets[r][0]
                for r, o in zip(e.results, arm.graph.outputs, strict=True)
                if r in targets and isinstance(o, Var)
            }
        )
        arm.run()
        values: dict[Var, Any] = {}
        for k, r in enumerate(e.results):
            if r in targets:
                arm.output(k, targets[r][0])
            elif isinstance(r.type, StackType):
                values[r] = arm.stacks[arm.graph.outputs[k]]  # type: ignore[index]
            else:
                values[r] = arm.registers(arm.graph.outputs[k])
        arm.close()
        end = block.module.fresh("B")
        code.line(f"br label %{end}")
        code.label(end)
        code.line(f"br label %{done}")
        found.append((end, values))
    code.label(done)
    for r in e.results:
        if isinstance(r.type, StackType):
            ends = ", ".join(f"[{v[r]}, %{end}]" for end, v in found)
            block.stacks[r] = code.op(f"phi ptr {ends}", "s")
    for r in small:
        for n in range(r.type.size):
            parts = []
            one = found[0][1][r][n]
            for q in range(len(one.parts)):
                ends = ", ".join(f"[{v[r][n].parts[q]}, %{end}]" for end, v in found)
                parts.append(code.op(f"phi {one.kind} {ends}"))
            block.scalars[r, n] = Value(one.dtype, tuple(parts))


@dataclass
class _Carry:
    """How one carry travels."""

    inner: Var
    output: Any
    result: Var
    names: list[Value] = field(default_factory=list)  # phis of a small one
    start: list[Value] = field(default_factory=list)
    pointer: str = ""  # memory of a large one
    other: str = ""  # the second buffer, where two take turns
    now: str = ""
    then: str = ""
    stack: str = ""  # descriptor of a stack that is carried
    spare: str = ""


class _Loop:
    """What `while_loop` and `scan` share: the carries of a loop."""

    def __init__(self, block: Block, item: Item, e: Equation):
        self.block, self.e, self.code = block, e, block.code
        self.body, self.constants, lead = _layout(e)
        scan = e.primitive.name == "scan"
        self.operands = e.operands[1:] if scan else e.operands
        n = e.params["carries"] if scan else len(self.operands) - self.constants
        self.results = e.results[lead:]
        self.child = _child(block, self.body)
        self.rooms: list[Any] = []
        self.carries = [self._carry(item, k) for k in range(n)]
        for inner, outer in zip(self.body.inputs[:self.constants], self.operands, strict=False):
            _give_input(block, self.child, inner, outer)
        self.before, self.head, self.latch, self.done = (block.module.fresh("B") for _ in range(4))

    def _carry(self, item: Item, k: int) -> _Carry:
        inner, output = self.body.inputs[self.constants + k], self.body.outputs[k]
        init, result = self.operands[self.constants + k], self.results[k]
        c = _Carry(inner, output, result)
        block, plan = self.block, self.child.plan
        notes = block.builder.notes
        if isinstance(inner.type, StackType):
            notes.count("carried stacks")
            c.stack, c.spare = block.builder.stack(inner.type), block.builder.stack(inner.type)
            block.builder.drop(c.stack, inner.type)
            block.builder.share(c.stack, block.stacks[init])  # type: ignore[index]
            self.child.stacks[inner] = c.stack
            return c
        if plan.in_registers(inner):
            notes.count("carried in registers")
            c.start = block.registers(init)
            fresh = block.module.fresh
            c.names = [Value(v.dtype, tuple(["%" + fresh("phi") for _ in v.parts])) for v in c.start]
            for j, v in enumerate(c.names):
                self.child.scalars[inner, j] = v
            return c
        small = block.plan.in_registers(result)
        size = inner.type.size * inner.type.dtype.itemsize
        if small:  # of the block outside, but not of the body
            c.pointer = self._room(size)
            donor = None
        else:
            c.pointer, donor = target(block, item, self.e, result)
        if donor is None:
            block.begin_as(c.pointer, init)
        if overwrites(plan, inner, output):
            notes.count("carried in place")
            self.child.pointers[inner] = c.pointer
            self.child.donated.add(inner)
        else:
            notes.count("carried in two buffers")
            c.other = self._room(size)
            c.now, c.then = "%" + block.module.fresh("now"), "%" + block.module.fresh("then")
            self.child.pointers[inner] = c.now
        return c

    def _room(self, size: int) -> str:
        room = self.block.builder.take(size)
        self.rooms.append(room)
        return room.pointer

    # -------------------------------------------------- parts of the code

    def open(self) -> None:
        self.code.line(f"br label %{self.before}")
        self.code.label(self.before)
        self.code.line(f"br label %{self.head}")
        self.code.label(self.head)
        self.spot = len(self.code.lines)

    def prefer(self, saved: dict[Var, str]) -> None:
        dest = {c.output: c.then or c.pointer for c in self.carries if c.pointer and isinstance(c.output, Var)}
        self.child.prefer({**saved, **{v: p for v, p in dest.items() if v not in self.child.graph.inputs}})

    def next_values(self) -> list[list[Value]]:
        """The carries of the next iteration; large ones are where they belong."""
        out: list[list[Value]] = []
        moved = []
        stacks = [c for c in self.carries if c.stack]
        for c in stacks:
            self.block.builder.share(c.spare, self.child.stacks[c.output])
        for c in stacks:
            self.block.builder.drop(c.stack, c.inner.type)
            self.code.line(f"store [3 x i64] {self.code.op(f'load [3 x i64], ptr {c.spare}')}, ptr {c.stack}")
            self.code.line(f"store [3 x i64] zeroinitializer, ptr {c.spare}")
        for k, c in enumerate(self.carries):
            if c.stack:
                out.append([])
                continue
            if not c.pointer:
                out.append(self.child.registers(c.output))
                continue
            out.append([])
            target = c.then or c.pointer
            moved.append((k, target))
        for k, target in moved:
            self.child.output(k, target)
        return out

    def close(self, following: list[list[Value]], more: Callable[[], str] | None, counters: list[str]) -> None:
        """The end of an iteration: back to the head if `more`, and the phis there."""
        code = self.code
        code.line(f"br label %{self.latch}")
        code.label(self.latch)
        self.block.builder.poll()
        end = self.block.module.fresh("B")
        code.line(f"br label %{end}")
        code.label(end)
        if more is None:
            code.line(f"br label %{self.head}")
        else:
            code.line(f"br i1 {more()}, label %{self.head}, label %{self.done}")
        phis = [c.replace("LATCH", f"%{end}").replace("BEFORE", f"%{self.before}") for c in counters]
        for c, new in zip(self.carries, following, strict=True):
            for name, start, value in zip(c.names, c.start, new, strict=True):
                for p, a, b in zip(name.parts, start.parts, value.parts, strict=True):
                    phis.append(f"  {p} = phi {name.kind} [{a}, %{self.before}], [{b}, %{end}]")
            if c.now:
                phis.append(f"  {c.now} = phi ptr [{c.pointer}, %{self.before}], [{c.then}, %{end}]")
                phis.append(f"  {c.then} = phi ptr [{c.other}, %{self.before}], [{c.now}, %{end}]")
        code.lines[self.spot:self.spot] = phis
        self.end = end

    def finish(self, final: list[list[Value]]) -> None:
        """After the loop: results. `final` are values of small carries; large ones lie in their last buffer."""
        block = self.block
        for c, values in zip(self.carries, final, strict=True):
            if c.stack:
                block.stacks[c.result] = c.stack
                continue
            small = block.plan.in_registers(c.result)
            if values and small:
                for j, v in enumerate(values):
                    block.scalars[c.result, j] = v
                continue
            if values:
                target = block.place(c.result)
                for j, v in enumerate(values):
                    block.store_scalar(block.offset(target, v.dtype, j), v)
                continue
            size = c.inner.type.size * c.inner.type.dtype.itemsize
            if c.now and size:
                block.builder.copy_if_other(c.pointer, c.now, size)
            if small:
                for j in range(c.inner.type.size):
                    block.scalars[c.result, j] = block.load_scalar(
                        block.offset(c.pointer, c.inner.type.dtype, j), c.inner.type.dtype
                    )
        self.child.close()
        for room in self.rooms:
            block.builder.release(room)


def _row(block: Block, base: str, t: ArrayType, i: str) -> str:
    size = t.size * t.dtype.itemsize
    at = block.code.op(f"mul nsw i64 {i}, {size}")
    return block.code.op(f"getelementptr i8, ptr {base}, i64 {at}", "row")


def _scan(block: Block, item: Step, e: Equation) -> None:
    code, params = block.code, e.params
    loop = _Loop(block, item, e)
    length = block.register(e.operands[0], 0).part
    carries, constants = params["carries"], params["constants"]
    inputs = loop.body.inputs[constants + carries:]
    saved = [(o, e.results[carries + k]) for k, o in enumerate(loop.body.outputs[carries:])]
    places = {r: _saved_place(block, r, length) for _, r in saved}
    bases = [_slices_base(block, x, v) for x, v in zip(loop.operands[constants + carries:], inputs, strict=True)]
    start, empty = block.module.fresh("B"), block.module.fresh("B")
    code.line(f"br label %{empty}")
    code.label(empty)
    code.line(f"br i1 {code.op(f'icmp sgt i64 {length}, 0')}, label %{start}, label %{loop.done}")
    code.label(start)
    loop.open()
    i, following = "%" + block.module.fresh("i"), "%" + block.module.fresh("i")
    row = i if not params["reverse"] else code.op(f"sub nsw i64 {code.op(f'sub nsw i64 {length}, 1')}, {i}")
    for v, (base, empty_stack) in zip(inputs, bases, strict=True):
        _give_slice(block, loop.child, v, base, empty_stack, row)
    rows = {r: _row(block, places[r], o.type, row) for o, r in saved if isinstance(o.type, ArrayType)}
    _run_body(loop, saved, rows, carries, row)
    new = loop.next_values()

    def more() -> str:
        code.lines.append(f"  {following} = add nuw nsw i64 {i}, 1")
        return code.op(f"icmp slt i64 {following}, {length}")
    loop.close(new, more, [f"  {i} = phi i64 [0, BEFORE], [{following}, LATCH]"])
    code.label(loop.done)
    final = [[_either(code, a, empty, b, loop.end) for a, b in zip(c.start, values, strict=True)]
             for c, values in zip(loop.carries, new, strict=True)]
    _last_buffers(loop, empty)
    loop.finish(final)


def _either(code: Code, a: Value, before: str, b: Value, after: str) -> Value:
    """A value that comes from one of two blocks."""
    parts = [code.op(f"phi {a.kind} [{p}, %{before}], [{q}, %{after}]") for p, q in zip(a.parts, b.parts, strict=True)]
    return Value(a.dtype, tuple(parts))


def _saved_place(block: Block, r: Var, length: str) -> str:
    """Where a loop of known length saves a result: its first row."""
    if isinstance(r.type, StackType):
        block.stacks[r] = block.builder.stack(r.type)
        block.builder.reserve(block.stacks[r], length, r.type)
        return block.builder.stack_data(block.stacks[r])
    return block.place(r)


def _run_body(loop: _Loop, saved: Sequence[tuple[Any, Var]], rows: dict[Var, str], first: int, row: str) -> None:
    """The code of one iteration; what is saved goes to its rows, or as a stack to entry `row` of another."""
    dest: dict[Var, str] = {}
    for o, r in saved:
        if r in rows and isinstance(o, Var) and o not in loop.body.inputs:
            dest.setdefault(o, rows[r])
    loop.prefer(dest)
    loop.child.run()
    for k, (o, r) in enumerate(saved):
        if r in rows:
            loop.child.output(first + k, rows[r])
        else:
            loop.block.builder.save_stack(loop.block.stacks[r], row, loop.child.stacks[o])


def _last_buffers(loop: _Loop, empty: str) -> None:
    """Where a loop that may have run no iteration leaves the carries that take turns."""
    for c in loop.carries:
        if c.now:
            c.now = loop.code.op(f"phi ptr [{c.pointer}, %{empty}], [{c.then}, %{loop.end}]")


def _slices_base(block: Block, x: Any, inner: Var) -> tuple[str, str | None]:
    """Memory of what a loop reads row by row; for a stack, whether it is empty, which means zeros."""
    if isinstance(x.type, StackType):
        if isinstance(x.type.element, StackType):
            return block.stacks[x], None
        data = block.builder.stack_data(block.stacks[x])
        size = block.builder.stack_length(block.stacks[x])
        return data, block.code.op(f"icmp eq i64 {size}, 0")
    return block.base(x), None


def _give_slice(block: Block, child: Block, v: Var, base: str, empty: str | None, row: str) -> None:
    if isinstance(v.type, StackType):
        child.stacks[v] = block.builder.stack_entry(base, row)
        return
    at = _row(block, base, v.type, row)
    if empty is not None:
        zeros = block.builder.zeros(v.type)
        at = block.code.op(f"select i1 {empty}, ptr {zeros}, ptr {at}", "row")
    child.pointers[v] = at


def _while(block: Block, item: Step, e: Equation) -> None:
    code = block.code
    loop = _Loop(block, item, e)
    n = len(loop.carries)
    saved = list(zip(loop.body.outputs[n:], e.results[1 + n:], strict=True))
    for _, r in saved:
        block.stacks[r] = block.builder.stack(r.type)
        block.builder.reset(block.stacks[r], r.type)
    loop.open()
    i, following = "%" + block.module.fresh("i"), "%" + block.module.fresh("i")
    test = _child(block, e.params["test"])
    for inner, ours in zip(test.graph.inputs, loop.body.inputs, strict=True):
        _share(loop.child, test, inner, ours)
    test.run()
    go_on = test.register(test.graph.outputs[0], 0).part
    test.close()
    step, exit_ = block.module.fresh("B"), block.module.fresh("B")
    code.line(f"br label %{exit_}")
    code.label(exit_)
    code.line(f"br i1 {go_on}, label %{step}, label %{loop.done}")
    code.label(step)
    pushed = {r: block.builder.push(block.stacks[r], r.type) for _, r in saved}
    rows = {r: pushed[r] for o, r in saved if isinstance(o.type, ArrayType)}
    _run_body(loop, saved, rows, n, i)
    new = loop.next_values()
    code.lines.append(f"  {following} = add nuw nsw i64 {i}, 1")
    loop.close(new, None, [f"  {i} = phi i64 [0, BEFORE], [{following}, LATCH]"])
    code.label(loop.done)
    loop.finish([c.names for c in loop.carries])
    block.scalars[e.results[0], 0] = Value(np.dtype(np.int64), (i,))


def _share(child: Block, test: Block, inner: Var, ours: Var) -> None:
    """An input of the test is the same as one of the body."""
    if isinstance(inner.type, StackType):
        test.stacks[inner] = child.stacks[ours]
    elif (ours, 0) in child.scalars and inner.type.size:
        for k in range(inner.type.size):
            test.scalars[inner, k] = child.scalars[ours, k]
    else:
        test.pointers[inner] = child.pointers[ours]


# ---------------------------------------------------------------- stacks

def _empty_stack(block: Block, e: Equation) -> None:
    t = e.results[0].type
    block.stacks[e.results[0]] = block.builder.stack(t)
    block.builder.reset(block.stacks[e.results[0]], t)


def _stack_add(block: Block, e: Equation) -> None:
    """The sum of two stacks, entry by entry; an empty one is zeros."""
    a, b = (block.stacks[o] for o in e.operands)  # type: ignore[index]
    t = e.results[0].type
    block.stacks[e.results[0]] = block.builder.add_stacks(a, b, t)


STACKS: dict[str, Callable[[Any, Equation], None]] = {"empty_stack": _empty_stack, "stack_add": _stack_add}
