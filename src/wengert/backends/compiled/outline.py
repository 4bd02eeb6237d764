"""Outlining: a large piece of a nest becomes a function of a range, which several threads call.

What comes in: a piece of a nest. What goes out: a function of the module, and a call of the pool with it; or nothing, where the
piece is too small or its iterations depend on their order. The one idea: the range is cut into chunks whose number depends on
the piece alone, each sums into a place of its own, and these are added up in order, so that the result is the same however
many threads there are.

The function names what it reads from around it as the kernel does; a frame holds these values, and the function loads them
first.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from wengert.backends.compiled import access, checked, elementwise, pool
from wengert.backends.compiled.code import element
from wengert.backends.compiled.plan import Root, gathered_in
from wengert.graph import Equation
from wengert.primitives.contract import split_spec

if TYPE_CHECKING:
    from wengert.backends.compiled.nest import Loops

__all__ = ["Split", "emit", "split_of"]

WORTH = 30_000   # nanoseconds of work that are worth another thread
WAKE = 20_000    # nanoseconds of work for each thread that is woken
CHUNK = 8_000    # nanoseconds of work of a chunk,
FEWEST, MOST = 4, 128  # if there are then so many
APART = 16       # places of partial sums are at most this part of what is summed
LINE = 128       # bytes between what two threads write
MEMORY = 0.15    # nanoseconds to load or store eight bytes
OTHER = 0.05     # nanoseconds of an operation that is not elementwise

Segment = tuple[tuple[int, int], ...]


class Split(NamedTuple):
    """Chunk k takes `size` indices of a loop from ``k * size``; together the chunks take the first `whole`."""

    axis: int
    size: int
    whole: int
    chunks: int
    helpers: int


# ---------------------------------------------------------------- whether, and how

def _price(e: Equation) -> float:
    """Nanoseconds of an element of a result, in vectors of 64 bytes."""
    if e.primitive.elementwise and e.operands:
        return elementwise.cost(e.primitive.name, e.params, e.operands[1 if e.primitive.name == "select" else 0].type.dtype)
    if e.primitive.name == "contract":
        a, _, out = split_spec(e.params["spec"])
        return OTHER * math.prod([n for k, n in zip(a, e.operands[0].type.shape, strict=True) if k not in out])
    return OTHER


def _work(loops: Loops, live: Sequence[Root], segment: Segment) -> float:
    """Nanoseconds of a piece, roughly."""
    nest, plan = loops.nest, loops.block.plan
    total = sum([_price(plan.own[x]) for x, _ in nest.inner], 0.0)  # type: ignore[index]
    total += sum([MEMORY * x.type.dtype.itemsize / 8 for x, _ in nest.leaves], 0.0)
    for r in live:
        each = (MEMORY if r.kind != "reduce" else 0.0) * r.var.type.dtype.itemsize / 8
        total += len(r.elements) * (_price(r.equation) + each)
    slower = 64 / loops.block.module.vector_bytes * (8 if loops.lanes == 1 else 1)
    return total * slower * math.prod([high - low for low, high in segment])


def _ordered(loops: Loops, live: Sequence[Root]) -> bool:
    """Whether iterations may depend on each other, or leave the kernel."""
    own = loops.block.plan.own
    every = [*[own[x] for x, _ in loops.nest.inner], *[r.equation for r in live]]  # type: ignore[index]
    return any(e.primitive.name in checked.RULES for e in every) or any(
        next(gathered_in(r.place(i)), None) is not None for r in live if r.kind == "write" for i in r.elements)


def _apart(live: Sequence[Root], axis: int) -> list[Root]:
    """Reductions to which several chunks contribute."""
    return [r for r in live if r.kind == "reduce" and not all(
        any(term == axis for ix in r.place(i) for term, _ in ix.terms) for i in r.elements)]


def split_of(loops: Loops, live: Sequence[Root], segment: Segment) -> Split | None:
    """How a piece is cut into chunks; None if it is not."""
    if not segment or not pool.available() or _ordered(loops, live):
        return None
    work = _work(loops, live, segment)
    if work < WORTH:
        return None
    wanted = min(max(int(work / CHUNK), FEWEST), MOST)
    best: Split | None = None
    for axis, (low, high) in enumerate(segment):
        unit = math.prod(loops.block_of(high - low)) if axis == loops.last else 1
        units = (high - low) // unit
        if units < 2:
            continue
        size = -(-units // min(wanted, units))
        chunks = -(-units // size)
        room = sum([r.var.type.size for r in _apart(live, axis)]) * chunks * APART
        if room > math.prod([b - a for a, b in segment]):
            continue
        if best is None or best.chunks < min(chunks, 2 * FEWEST):
            best = Split(axis, size * unit, units * unit, chunks, max(int(work / WAKE), 1))
    return best


# ---------------------------------------------------------------- the function

@contextlib.contextmanager
def _elsewhere(loops: Loops, lines: list[str], prologue: list[str]) -> Iterator[None]:
    """What is emitted within goes to these lines; the surrounding function does not learn of it."""
    block, builder, code = loops.block, loops.block.builder, loops.code
    before = code.lines, builder.prologue, builder.flag_name, block.scalars, block.spilled, block.pointers
    code.lines, builder.prologue, builder.flag_name = lines, prologue, ""
    block.scalars, block.spilled, block.pointers = dict(block.scalars), dict(block.spilled), dict(block.pointers)
    try:
        yield
    finally:
        code.lines, builder.prologue, builder.flag_name, block.scalars, block.spilled, block.pointers = before
        loops.el.forget()


_NAME = re.compile(r"%[\w.]+")
_DEFINED = re.compile(r"^\s*(%[\w.]+) = |^([\w.]+):", re.MULTILINE)


def _taken(loops: Loops, text: str, known: Sequence[str]) -> dict[str, str] | None:
    """The values from outside in a text, with their types; None if one cannot be told."""
    inside = {name or "%" + label for name, label in _DEFINED.findall(text)}
    outside = [name for name in dict.fromkeys(_NAME.findall(text)) if name not in inside and name not in known]
    scalars = {p: element(v.dtype) for v in loops.block.scalars.values() for p in v.parts} if outside else {}
    kinds = {name: scalars.get(name) or ("ptr" if re.search(rf"\bptr {name}\b", text) else "") for name in outside}
    return kinds if all(kinds.values()) else None


def _body(loops: Loops, live: list[Root], segment: Segment, split: Split, places: dict[Root, int], stride: int, room: str,
          ) -> tuple[str, bool]:
    """The text of the function after its frame is read, and whether it reports bad indices."""
    block, code = loops.block, loops.code
    lines: list[str] = []
    prologue: list[str] = []
    with _elsewhere(loops, lines, prologue):
        code.line(f"%first = mul i64 %chunk, {split.size}")
        following = code.op(f"add i64 %first, {split.size}")
        end = code.op(f"select i1 {code.op(f'icmp ult i64 {following}, {split.whole}')}, i64 {following}, i64 {split.whole}")
        if places:
            start = code.op(f"mul i64 %chunk, {stride}")
            mine = code.op(f"getelementptr i8, ptr {room}, i64 {start}", "p")
        for r, offset in places.items():
            block.pointers[block.plan.root(r.var)] = code.op(f"getelementptr i8, ptr {mine}, i64 {offset}", "p")
            loops.begin(r)
        from wengert.backends.compiled.nest import Part
        loops.run(live, segment, Part(split.axis, "%first", end))
        flag = block.builder.flag_name
        if flag:
            code.line(f"br i1 {code.op(f'load i1, ptr {flag}')}, label %good, label %bad")
            code.label("bad")
            code.line("store atomic i64 1, ptr %frame monotonic, align 8")
            code.line("br label %good")
            code.label("good")
        code.line("ret void")
    return "\n".join([*prologue, "  br label %begin", "begin:", *lines]), bool(flag)


def _call(loops: Loops, name: str, taken: dict[str, str], split: Split, free: bool) -> str:
    """Fill a frame and call the pool: the frame, whose first word tells of bad indices."""
    code, builder = loops.code, loops.block.builder
    frame = builder.alloca(f"[{len(taken) + 1} x i64]", "frame")
    code.line(f"store i64 0, ptr {frame}")
    for k, (value, kind) in enumerate(taken.items()):
        at = code.op(f"getelementptr i64, ptr {frame}, i64 {k + 1}", "p")
        code.line(f"store {kind} {value}, ptr {at}")
    code.module.symbols[pool.NAME] = pool.address()
    code.module.declare(f"declare void @{pool.NAME}(ptr, ptr, i64, i64, i64)")
    code.line(f"call void @{pool.NAME}(ptr @{name}, ptr {frame}, i64 {split.chunks}, i64 {split.helpers}, i64 {int(free)})")
    return frame


def _collect(loops: Loops, places: dict[Root, int], stride: int, room: str, chunks: int) -> None:
    """Add up what the chunks have summed."""
    block, code = loops.block, loops.code
    for r, offset in places.items():
        dtype, size = r.var.type.dtype, r.var.type.size
        name, _ = access.reduced(r.equation) or ("", ())
        kind = f"[{dtype.itemsize} x i8]"
        with contextlib.ExitStack() as stack:
            chunk = stack.enter_context(block.builder.counted(str(chunks)))
            start = code.op(f"add i64 {code.op(f'mul i64 {chunk}, {stride}')}, {offset}")
            source = code.op(f"getelementptr i8, ptr {room}, i64 {start}", "p")
            target = block.base(r.var)
            if size > 1:
                i = stack.enter_context(block.builder.counted(str(size)))
                source, target = (code.op(f"getelementptr {kind}, ptr {p}, i64 {i}", "p") for p in (source, target))
            block.store_scalar(target, loops.combine(name, block.load_scalar(target, dtype), block.load_scalar(source, dtype)))


def emit(loops: Loops, live: list[Root], segment: Segment) -> bool:
    """Have the pool run a piece of a nest, if it is worth it; whether it is."""
    split = split_of(loops, live, segment)
    if split is None:
        return False
    block, code, builder = loops.block, loops.code, loops.block.builder
    places: dict[Root, int] = {}
    stride = 0
    for r in _apart(live, split.axis):
        places[r] = stride
        stride += -(-r.var.type.size * r.var.type.dtype.itemsize // LINE) * LINE
    room = builder.take(stride * split.chunks) if places else None
    where = room.pointer if room else ""
    body, flagged = _body(loops, live, segment, split, places, stride, where)
    taken = _taken(loops, body, ("%frame", "%chunk"))
    if taken is not None:
        name = code.module.fresh("nest")
        head = [f"define internal void @{name}(ptr %frame, i64 %chunk) #0 {{", "entry:"]
        for k, (value, kind) in enumerate(taken.items()):
            head += [f"  %at{k} = getelementptr i64, ptr %frame, i64 {k + 1}", f"  {value} = load {kind}, ptr %at{k}"]
        code.module.functions.append("\n".join([*head, body, "}"]))
        frame = _call(loops, name, taken, split, "@wg_" in body)
        if flagged:
            good = code.op(f"icmp eq i64 {code.op(f'load i64, ptr {frame}')}, 0")
            both = code.op(f"and i1 {good}, {code.op(f'load i1, ptr {block.flag()}')}")
            code.line(f"store i1 {both}, ptr {block.flag()}")
        _collect(loops, places, stride, where, split.chunks)
    if room:
        builder.release(room)
    if taken is None:
        return False
    low, high = segment[split.axis]
    if low + split.whole < high:
        loops.run(live, (*segment[:split.axis], (low + split.whole, high), *segment[split.axis + 1:]))
    return True
