"""Loops, branches and memory in the text of a function.

What comes in: counts, strides and Python functions that write bodies. What goes out: basic blocks. The one idea: an index is
a string, a literal or a name, and arithmetic on literals happens here, so that a static loop nest costs no instructions that
its strides do not ask for. What a loop carries goes through phis; nothing is allocated on the stack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.backends.compiled.code import Code, Value, element
from wengert.graph import ArrayType

__all__ = ["Place", "add", "at", "branch", "collapse", "contiguous", "copy", "fill", "is_literal", "load", "loop", "mask_below",
           "memory_kind", "move", "nest", "plus", "read", "size_of", "store", "times", "until", "write"]


@dataclass(frozen=True)
class Place:
    """An array in memory.

    Attributes
    ----------
    pointer : str
        The name of a pointer.
    type : ArrayType
    steps : tuple of int, optional
        The stride of each axis, in elements, where the array is a view: a transpose, or windows. None for one of its own.
    """

    pointer: str
    type: ArrayType
    steps: tuple[int, ...] | None = None

    @property
    def strides(self) -> tuple[int, ...]:
        """In elements."""
        return contiguous(self.type.shape) if self.steps is None else self.steps

    @property
    def overlaps(self) -> bool:
        """Whether elements share memory, as those of windows do."""
        reach = 0
        for step, n in sorted(zip(self.strides, self.type.shape, strict=True)):
            if n > 1 and step <= reach:
                return True
            reach += (n - 1) * step
        return False


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of an array in row-major order, in elements."""
    steps, out = 1, []
    for n in reversed(shape):
        out.append(steps)
        steps *= n
    return tuple(reversed(out))


# ---------------------------------------------------------------- indices


def is_literal(x: str) -> bool:
    return not x.startswith("%")


def times(code: Code, x: str, k: int) -> str:
    """``x * k``."""
    if is_literal(x):
        return str(int(x) * k)
    return "0" if k == 0 else x if k == 1 else code.op(f"mul i64 {x}, {k}")


def plus(code: Code, *terms: str) -> str:
    """The sum of indices."""
    known, out = 0, ""
    for t in terms:
        if is_literal(t):
            known += int(t)
        else:
            out = code.op(f"add i64 {out}, {t}") if out else t
    if not out:
        return str(known)
    return code.op(f"add i64 {out}, {known}") if known else out


# ---------------------------------------------------------------- control


def loop(code: Code, count: int | str, body: Callable[..., Any], *, step: int = 1,
         carried: Sequence[tuple[str, str]] = ()) -> tuple[str, ...]:
    """``for i in range(0, count, step)``: `body(i, *values)` returns what is carried on; so does this.

    `carried` holds (LLVM type, first value). A count that is a name may be zero or less.
    """
    if isinstance(count, str) and is_literal(count):
        count = int(count)
    first = [v for _, v in carried]
    if isinstance(count, int):
        if count <= 0:
            return tuple(first)
        if count <= step:
            return tuple(body("0", *first) or ())
    before, head, inside, latch, after = [code.module.fresh(p) for p in ("before", "head", "inside", "latch", "after")]
    code.line(f"br label %{before}")
    code.label(before)
    code.line(f"br label %{head}")
    code.label(head)
    i = "%" + code.module.fresh("i")
    names = ["%" + code.module.fresh("c") for _ in carried]
    start = len(code.lines)
    code.lines.extend([""] * (1 + len(names)))
    if isinstance(count, str):
        code.line(f"br i1 {code.op(f'icmp slt i64 {i}, {count}')}, label %{inside}, label %{after}")
        code.label(inside)
    values = tuple(body(i, *names) or ())
    code.line(f"br label %{latch}")
    code.label(latch)
    following = code.op(f"add i64 {i}, {step}")
    if isinstance(count, str):
        code.line(f"br label %{head}")
    else:
        more = code.op(f"icmp slt i64 {following}, {count}")
        code.line(f"br i1 {more}, label %{head}, label %{after}")
    code.label(after)
    for k, (kind, name, old, new) in enumerate(zip(["i64", *[t for t, _ in carried]], [i, *names], ["0", *first],
                                                   [following, *values], strict=True)):
        code.lines[start + k] = f"  {name} = phi {kind} [ {old}, %{before} ], [ {new}, %{latch} ]"
    return tuple(names) if isinstance(count, str) else values


def until(code: Code, carried: Sequence[tuple[str, str]], condition: Callable[..., str], body: Callable[..., Any]
          ) -> tuple[str, ...]:
    """``while condition(*values): values = body(*values)``; the last values."""
    before, head, inside, latch, after = [code.module.fresh(p) for p in ("before", "head", "inside", "latch", "after")]
    code.line(f"br label %{before}")
    code.label(before)
    code.line(f"br label %{head}")
    code.label(head)
    names = ["%" + code.module.fresh("c") for _ in carried]
    start = len(code.lines)
    code.lines.extend([""] * len(names))
    code.line(f"br i1 {condition(*names)}, label %{inside}, label %{after}")
    code.label(inside)
    values = body(*names)
    code.line(f"br label %{latch}")
    code.label(latch)
    code.line(f"br label %{head}")
    code.label(after)
    for k, ((kind, old), name, new) in enumerate(zip(carried, names, values, strict=True)):
        code.lines[start + k] = f"  {name} = phi {kind} [ {old}, %{before} ], [ {new}, %{latch} ]"
    return tuple(names)


def branch(code: Code, condition: str, then: Callable[[], Any], otherwise: Callable[[], Any] | None = None,
           kinds: Sequence[str] = ()) -> tuple[str, ...]:
    """Either arm; each returns values of these types, and so does this."""
    names = [code.module.fresh(p) for p in ("then", "else", "thenend", "elseend", "join")]
    code.line(f"br i1 {condition}, label %{names[0]}, label %{names[1]}")
    values = []
    for k, arm in enumerate((then, otherwise)):
        code.label(names[k])
        values.append(tuple((arm() if arm else None) or ()))
        code.line(f"br label %{names[2 + k]}")
        code.label(names[2 + k])
        code.line(f"br label %{names[4]}")
    code.label(names[4])
    return tuple([code.op(f"phi {kind} [ {a}, %{names[2]} ], [ {b}, %{names[3]} ]")
                  for kind, a, b in zip(kinds, *values, strict=True)])


# ---------------------------------------------------------------- memory


def size_of(dtype: np.dtype[Any]) -> int:
    """Bytes of an element."""
    return dtype.itemsize


def memory_kind(dtype: np.dtype[Any]) -> str:
    """The LLVM type of (a part of) an element in memory."""
    return "i8" if dtype.kind == "b" else element(dtype)


def at(code: Code, pointer: str, kind: str, index: str) -> str:
    """The address of an element."""
    return pointer if index == "0" else code.op(f"getelementptr inbounds {kind}, ptr {pointer}, i64 {index}")


def move(code: Code, pointer: str, dtype: np.dtype[Any], index: str) -> str:
    """The address of element `index` of an array of this dtype."""
    return at(code, pointer, f"[{dtype.itemsize} x i8]", index)


def read(code: Code, pointer: str, kind: str, index: str = "0") -> str:
    """An element of an LLVM type."""
    where = at(code, pointer, kind, index)
    return code.op(f"load {kind}, ptr {where}")


def write(code: Code, pointer: str, kind: str, value: str, index: str = "0") -> None:
    where = at(code, pointer, kind, index)
    code.line(f"store {kind} {value}, ptr {where}")


def mask_below(code: Code, lanes: int, count: int) -> str:
    """A mask of the first `count` lanes."""
    return "<" + ", ".join([f"i1 {'true' if k < count else 'false'}" for k in range(lanes)]) + ">"


def load(code: Code, pointer: str, dtype: np.dtype[Any], index: str, lanes: int = 1, count: int | None = None,
         stride: int = 1) -> Value:
    """An element, or `lanes` of them, of which only `count` are there (the others are zero)."""
    where, kind = move(code, pointer, dtype, index), memory_kind(dtype)
    count = lanes if count is None else count
    if dtype.kind == "c":
        if lanes != 1:
            raise ValueError("vectors of complex numbers are not read here")
        return Value(dtype, (read(code, where, kind), read(code, where, kind, "1")))
    if lanes == 1:
        x = read(code, where, kind)
        return Value(dtype, (code.op(f"trunc i8 {x} to i1") if dtype.kind == "b" else x,))
    if dtype.kind == "b":
        raise ValueError("vectors of truth values are not read here")
    whole = f"<{lanes} x {kind}>"
    if stride != 1:
        return Value(dtype, (_gathered(code, where, kind, lanes, count, stride),), lanes)
    if count == lanes:
        return Value(dtype, (code.op(f"load {whole}, ptr {where}, align {dtype.itemsize}"),), lanes)
    return Value(dtype, (_masked_load(code, where, kind, lanes, count, dtype.itemsize),), lanes)


def _suffix(kind: str, lanes: int) -> str:
    return f"v{lanes}{ {'double': 'f64', 'float': 'f32'}.get(kind, kind) }"


def _masked_load(code: Code, where: str, kind: str, lanes: int, count: int, align: int) -> str:
    whole, name = f"<{lanes} x {kind}>", f"llvm.masked.load.{_suffix(kind, lanes)}.p0"
    code.module.declare(f"declare {whole} @{name}(ptr, i32, <{lanes} x i1>, {whole})")
    mask = mask_below(code, lanes, count)
    return code.op(f"call {whole} @{name}(ptr {where}, i32 {align}, <{lanes} x i1> {mask}, {whole} zeroinitializer)")


def _gathered(code: Code, where: str, kind: str, lanes: int, count: int, stride: int) -> str:
    out, whole = "zeroinitializer", f"<{lanes} x {kind}>"
    for k in range(count):
        out = code.op(f"insertelement {whole} {out}, {kind} {read(code, where, kind, str(k * stride))}, i64 {k}")
    return out


def store(code: Code, pointer: str, index: str, value: Value, count: int | None = None) -> None:
    """Write an element, or the first `count` lanes of a vector."""
    dtype = value.dtype
    where, kind = move(code, pointer, dtype, index), memory_kind(dtype)
    if value.lanes == 1:
        for k, p in enumerate(value.parts):
            p = code.op(f"zext i1 {p} to i8") if dtype.kind == "b" and is_literal(p) is False else p
            write(code, where, kind, p, str(k))
        return
    if count is None or count == value.lanes:
        code.line(f"store {value.kind} {value.part}, ptr {where}, align {dtype.itemsize}")
        return
    name = f"llvm.masked.store.{_suffix(kind, value.lanes)}.p0"
    code.module.declare(f"declare void @{name}({value.kind}, ptr, i32, <{value.lanes} x i1>)")
    mask = mask_below(code, value.lanes, count)
    code.line(f"call void @{name}({value.kind} {value.part}, ptr {where}, i32 {dtype.itemsize}, "
              f"<{value.lanes} x i1> {mask})")


# ---------------------------------------------------------------- nests


def collapse(shape: Sequence[int], strides: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """The same elements in as few axes as possible: neighbors that lie one in the other in every array are made one."""
    sizes: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for axis, n in enumerate(shape):
        if n == 1:
            continue
        own = [s[axis] for s in strides]
        if sizes and all(t[-1] == n * s for t, s in zip(steps, own, strict=True)):
            sizes[-1] *= n
            for t, s in zip(steps, own, strict=True):
                t[-1] = s
        else:
            sizes.append(n)
            for t, s in zip(steps, own, strict=True):
                t.append(s)
    return sizes, steps


def nest(code: Code, shape: Sequence[int], strides: Sequence[Sequence[int]], body: Callable[..., None]) -> None:
    """Loops over a shape: `body(*offsets)`, one offset in elements per array."""
    if 0 in shape:
        return
    sizes, steps = collapse(shape, strides)

    def inner(depth: int, offsets: tuple[str, ...]) -> None:
        if depth == len(sizes):
            body(*offsets)
            return

        def one(i: str) -> None:
            inner(depth + 1, tuple([plus(code, o, times(code, i, s[depth]))
                                    for o, s in zip(offsets, steps, strict=True)]))
        loop(code, sizes[depth], one)
    inner(0, ("0",) * len(strides))


def copy(code: Code, dtype: np.dtype[Any], shape: Sequence[int], source: str, from_strides: Sequence[int], target: str,
         to_strides: Sequence[int]) -> None:
    """Copy an array between layouts."""
    if 0 in shape:
        return
    order = sorted(range(len(shape)), key=lambda a: -to_strides[a])
    shape = [shape[a] for a in order]
    sizes, (inside, outside) = collapse(shape, ([from_strides[a] for a in order], [to_strides[a] for a in order]))
    if not sizes or (inside[-1] == outside[-1] == 1):
        last = sizes.pop() if sizes else 1
        step = [s[:len(sizes)] for s in (inside, outside)]

        def row(a: str, b: str) -> None:
            code.module.declare("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
            p, q = move(code, source, dtype, a), move(code, target, dtype, b)
            code.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {q}, ptr {p}, i64 {last * dtype.itemsize}, i1 false)")
        nest(code, sizes, step, row)
        return
    nest(code, sizes, (inside, outside), lambda a, b: store(code, target, b, load(code, source, dtype, a)))


def fill(code: Code, dtype: np.dtype[Any], size: int, target: str) -> None:
    """Zeros."""
    code.module.declare("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
    if size:
        code.line(f"call void @llvm.memset.p0.i64(ptr {target}, i8 0, i64 {size * dtype.itemsize}, i1 false)")


def add(code: Code, x: Value, y: Value) -> Value:
    """The sum, part by part."""
    word = "fadd" if x.dtype.kind in "fc" else "or" if x.dtype.kind == "b" else "add"
    return Value(x.dtype, tuple([code.op(f"{word} {x.kind} {a}, {b}") for a, b in zip(x.parts, y.parts, strict=True)]),
                 x.lanes)
