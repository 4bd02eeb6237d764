"""Stacks: what a loop of unknown length saves, in memory that grows.

What comes in: the type of an entry. What goes out: code on descriptors `{data, length, capacity}`. The one idea: a
descriptor belongs to the place in the program that makes the stack and is used again each time it runs; its data counts how
many descriptors look at it, since a stack may be saved in other stacks, and is freed when none does, at the latest on
leaving the kernel.
"""

from __future__ import annotations

from typing import Any

from wengert.backends.compiled.code import Code, Module
from wengert.backends.compiled.elements import memory_type
from wengert.backends.compiled.notes import Notes
from wengert.graph import ArrayType, StackType

__all__ = ["Stacks"]

# The count of data stands 64 bytes before it.
_RUNTIME = """
declare ptr @realloc(ptr, i64)
declare void @free(ptr)
define internal i1 @wg_reserve(ptr %s, i64 %n, i64 %size) {
  %cap_p = getelementptr i64, ptr %s, i64 2
  %cap = load i64, ptr %cap_p
  %enough = icmp sge i64 %cap, %n
  br i1 %enough, label %done, label %grow
grow:
  %twice = shl i64 %cap, 1
  %more = icmp sgt i64 %twice, %n
  %most = select i1 %more, i64 %twice, i64 %n
  %few = icmp slt i64 %most, 8
  %new = select i1 %few, i64 8, i64 %most
  %product = call {i64, i1} @llvm.smul.with.overflow.i64(i64 %new, i64 %size)
  %huge = extractvalue {i64, i1} %product, 1
  br i1 %huge, label %bad, label %possible
possible:
  %plain = extractvalue {i64, i1} %product, 0
  %bytes = add i64 %plain, 64
  %old = load ptr, ptr %s
  %fresh = icmp eq ptr %old, null
  %before = getelementptr i8, ptr %old, i64 -64
  %block = select i1 %fresh, ptr null, ptr %before
  %memory = call ptr @realloc(ptr %block, i64 %bytes)
  %none = icmp eq ptr %memory, null
  br i1 %none, label %bad, label %good
good:
  store i64 1, ptr %memory
  %data = getelementptr i8, ptr %memory, i64 64
  store ptr %data, ptr %s
  store i64 %new, ptr %cap_p
  br label %done
done:
  ret i1 false
bad:
  ret i1 true
}
declare {i64, i1} @llvm.smul.with.overflow.i64(i64, i64)
define internal void @wg_drop_entries(ptr %data, i64 %len, i64 %depth) {
  %nested = icmp sgt i64 %depth, 1
  br i1 %nested, label %head, label %done
head:
  %i = phi i64 [0, %0], [%next, %body]
  %more = icmp slt i64 %i, %len
  br i1 %more, label %body, label %done
body:
  %at = mul i64 %i, 24
  %p = getelementptr i8, ptr %data, i64 %at
  %less = sub i64 %depth, 1
  call void @wg_drop(ptr %p, i64 %less)
  %next = add i64 %i, 1
  br label %head
done:
  ret void
}
define internal void @wg_drop(ptr %s, i64 %depth) {
  %data = load ptr, ptr %s
  %none = icmp eq ptr %data, null
  br i1 %none, label %done, label %some
some:
  %count_p = getelementptr i8, ptr %data, i64 -64
  %count = load i64, ptr %count_p
  %rest = sub i64 %count, 1
  store i64 %rest, ptr %count_p
  %last = icmp eq i64 %rest, 0
  br i1 %last, label %release, label %done
release:
  %len_p = getelementptr i64, ptr %s, i64 1
  %len = load i64, ptr %len_p
  call void @wg_drop_entries(ptr %data, i64 %len, i64 %depth)
  call void @free(ptr %count_p)
  br label %done
done:
  store [3 x i64] zeroinitializer, ptr %s
  ret void
}
define internal void @wg_reset(ptr %s, i64 %depth) {
  %data = load ptr, ptr %s
  %none = icmp eq ptr %data, null
  br i1 %none, label %done, label %some
some:
  %count_p = getelementptr i8, ptr %data, i64 -64
  %count = load i64, ptr %count_p
  %alone = icmp eq i64 %count, 1
  br i1 %alone, label %again, label %shared
shared:
  call void @wg_drop(ptr %s, i64 %depth)
  ret void
again:
  %len_p = getelementptr i64, ptr %s, i64 1
  %len = load i64, ptr %len_p
  call void @wg_drop_entries(ptr %data, i64 %len, i64 %depth)
  store i64 0, ptr %len_p
  ret void
done:
  %len_q = getelementptr i64, ptr %s, i64 1
  store i64 0, ptr %len_q
  ret void
}
define internal void @wg_share(ptr %to, ptr %from) {
  %all = load [3 x i64], ptr %from
  store [3 x i64] %all, ptr %to
  %data = load ptr, ptr %from
  %none = icmp eq ptr %data, null
  br i1 %none, label %done, label %some
some:
  %count_p = getelementptr i8, ptr %data, i64 -64
  %count = load i64, ptr %count_p
  %more = add i64 %count, 1
  store i64 %more, ptr %count_p
  br label %done
done:
  ret void
}
"""


def _entry(t: StackType) -> int:
    """Bytes of an entry."""
    return 24 if isinstance(t.element, StackType) else max(t.element.size * t.element.dtype.itemsize, 1)


def _depth(t: StackType) -> int:
    return 1 + (_depth(t.element) if isinstance(t.element, StackType) else 0)


class Stacks:
    """Code on stacks: a part of `Builder`."""

    module: Module
    code: Code
    prologue: list[str]
    notes: Notes
    descriptors: list[tuple[str, Any]]

    def alloca(self, kind: str, prefix: str = "a") -> str:
        raise NotImplementedError

    def leave(self, condition: str, status: str) -> None:
        raise NotImplementedError

    def counted(self, count: str) -> Any:
        raise NotImplementedError

    def stack(self, t: StackType) -> str:
        """A descriptor of this place in the program."""
        self.module.declare(_RUNTIME)
        name = self.alloca("[3 x i64]", "stack")
        self.prologue.append(f"  store [3 x i64] zeroinitializer, ptr {name}")
        self.descriptors.append((name, t))
        now = self.notes.now
        now.stacks.append((getattr(now.item, "equation", None), t))
        return name

    def release_stacks(self) -> None:
        for name, t in self.descriptors:
            self.drop(name, t)

    def drop(self, s: str, t: StackType) -> None:
        self.code.line(f"call void @wg_drop(ptr {s}, i64 {_depth(t)})")

    def reset(self, s: str, t: StackType) -> None:
        """Make it empty; its data is used again unless others look at it."""
        self.code.line(f"call void @wg_reset(ptr {s}, i64 {_depth(t)})")

    def share(self, to: str, source: str) -> None:
        """Let a descriptor that holds nothing look at the same data."""
        self.module.declare(_RUNTIME)
        self.code.line(f"call void @wg_share(ptr {to}, ptr {source})")

    def _word(self, s: str, k: int) -> str:
        return self.code.op(f"getelementptr i64, ptr {s}, i64 {k}", "p")

    def stack_length(self, s: str) -> str:
        return self.code.op(f"load i64, ptr {self._word(s, 1)}")

    def stack_data(self, s: str) -> str:
        return self.code.op(f"load ptr, ptr {s}", "p")

    def reserve(self, s: str, n: str, t: StackType) -> None:
        """Room for exactly `n` entries, which are about to be written in any order."""
        self.reset(s, t)
        bad = self.code.op(f"call i1 @wg_reserve(ptr {s}, i64 {n}, i64 {_entry(t)})")
        self.leave(bad, "-2")
        some = self.code.op(f"icmp sgt i64 {n}, 0")
        count = self.code.op(f"select i1 {some}, i64 {n}, i64 0")
        if isinstance(t.element, StackType):
            self.module.declare("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
            size = self.code.op(f"mul i64 {count}, 24")
            self.code.line(f"call void @llvm.memset.p0.i64(ptr {self.stack_data(s)}, i8 0, i64 {size}, i1 false)")
        self.code.line(f"store i64 {count}, ptr {self._word(s, 1)}")

    def push(self, s: str, t: StackType) -> str:
        """Room for one more entry: its place."""
        old = self.stack_length(s)
        new = self.code.op(f"add i64 {old}, 1")
        bad = self.code.op(f"call i1 @wg_reserve(ptr {s}, i64 {new}, i64 {_entry(t)})")
        self.leave(bad, "-2")
        row = self._row(self.stack_data(s), old, _entry(t))
        if isinstance(t.element, StackType):
            self.code.line(f"store [3 x i64] zeroinitializer, ptr {row}")
        self.code.line(f"store i64 {new}, ptr {self._word(s, 1)}")
        return row

    def _row(self, data: str, i: str, size: int) -> str:
        at = self.code.op(f"mul nsw i64 {i}, {size}")
        return self.code.op(f"getelementptr i8, ptr {data}, i64 {at}", "row")

    def stack_entry(self, outer: str, i: str) -> str:
        """The stack that is entry `i` of a stack of stacks; of an empty one, an empty stack."""
        self.module.declare("@wg_empty = internal global [3 x i64] zeroinitializer, align 64")
        there = self.code.op(f"icmp ne i64 {self.stack_length(outer)}, 0")
        row = self._row(self.stack_data(outer), i, 24)
        return self.code.op(f"select i1 {there}, ptr {row}, ptr @wg_empty", "row")

    def save_stack(self, outer: str, i: str, inner: str) -> None:
        """Entry `i` of a stack of stacks, which is zero so far."""
        self.share(self._row(self.stack_data(outer), i, 24), inner)

    def add_stacks(self, a: str, b: str, t: StackType) -> str:
        """The sum, entry by entry; an empty stack is zeros."""
        code = self.code
        out = self.stack(t)
        n, m = self.stack_length(a), self.stack_length(b)
        both = code.op(f"and i1 {code.op(f'icmp sgt i64 {n}, 0')}, {code.op(f'icmp sgt i64 {m}, 0')}")
        none = code.op(f"icmp eq i64 {n}, 0")
        only = code.op(f"select i1 {none}, ptr {b}, ptr {a}", "s")
        here, work, done = (self.module.fresh("B") for _ in range(3))
        code.line(f"br label %{here}")
        code.label(here)
        code.line(f"br i1 {both}, label %{work}, label %{done}")
        code.label(work)
        self.reserve(out, n, t)
        if isinstance(t.element, StackType):
            with self.counted(n) as i:
                p, q = (self._row(self.stack_data(s), i, 24) for s in (a, b))
                self.save_stack(out, i, self.add_stacks(p, q, t.element))
        else:
            self._add_entries(a, b, out, n, t.element)
        end = self.module.fresh("B")
        code.line(f"br label %{end}")
        code.label(end)
        code.line(f"br label %{done}")
        code.label(done)
        return code.op(f"phi ptr [{out}, %{end}], [{only}, %{here}]", "s")

    def _add_entries(self, a: str, b: str, out: str, n: str, t: ArrayType) -> None:
        if not t.size:
            return
        code = self.code
        total = code.op(f"mul i64 {n}, {t.size * (2 if t.dtype.kind == 'c' else 1)}")
        x, y, z = (self.stack_data(s) for s in (a, b, out))
        kind = memory_type(t.dtype)
        add = "fadd" if t.dtype.kind in "fc" else "or" if t.dtype.kind == "b" else "add"
        with self.counted(total) as i:
            p, q = (code.op(f"load {kind}, ptr {code.op(f'getelementptr {kind}, ptr {s}, i64 {i}', 'p')}") for s in (x, y))
            target = code.op(f"getelementptr {kind}, ptr {z}, i64 {i}", "p")
            code.line(f"store {kind} {code.op(f'{add} {kind} {p}, {q}')}, ptr {target}")
