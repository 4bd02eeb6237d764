"""Stacks: what a loop of unknown length saves, in memory that grows.

What comes in: the type of an entry. What goes out: code on a descriptor `{data, length, capacity}`. The one idea: a descriptor belongs to the
place in the program that makes the stack and is used again each time it runs; one that is saved in another stack moves there.
"""

from __future__ import annotations

from typing import Any

from wengert.backends.compiled.code import Code, Module
from wengert.backends.compiled.elements import memory_type
from wengert.graph import ArrayType, StackType

__all__ = ["Stacks"]

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
  %new = select i1 %more, i64 %twice, i64 %n
  %bytes = mul i64 %new, %size
  %old = load ptr, ptr %s
  %data = call ptr @realloc(ptr %old, i64 %bytes)
  %none = icmp eq ptr %data, null
  br i1 %none, label %bad, label %good
good:
  store ptr %data, ptr %s
  store i64 %new, ptr %cap_p
  br label %done
done:
  ret i1 false
bad:
  ret i1 true
}
define internal void @wg_reset_nested(ptr %s) {
  %len_p = getelementptr i64, ptr %s, i64 1
  %len = load i64, ptr %len_p
  %data = load ptr, ptr %s
  br label %head
head:
  %i = phi i64 [0, %0], [%next, %body]
  %more = icmp slt i64 %i, %len
  br i1 %more, label %body, label %done
body:
  %at = mul i64 %i, 24
  %p = getelementptr i8, ptr %data, i64 %at
  %inner = load ptr, ptr %p
  call void @free(ptr %inner)
  %next = add i64 %i, 1
  br label %head
done:
  store i64 0, ptr %len_p
  ret void
}
"""
FIRST = 16  # entries of a new stack


def _entry(t: StackType) -> int:
    """Bytes of an entry."""
    return 24 if isinstance(t.element, StackType) else max(t.element.size * t.element.dtype.itemsize, 1)


class Stacks:
    """Code on stacks: a part of `Builder`."""

    module: Module
    code: Code
    prologue: list[str]
    descriptors: list[tuple[str, Any]]

    def alloca(self, kind: str, prefix: str = "a") -> str: ...
    def leave(self, condition: str, status: str) -> None: ...
    def counted(self, count: str) -> Any: ...

    def stack(self, t: StackType) -> str:
        """A descriptor of this place in the program."""
        self.module.declare(_RUNTIME)
        name = self.alloca("[3 x i64]", "stack")
        self.prologue.append(f"  store [3 x i64] zeroinitializer, ptr {name}")
        self.descriptors.append((name, t))
        return name

    def release_stacks(self) -> None:
        for name, t in self.descriptors:
            if isinstance(t.element, StackType):
                self.code.line(f"call void @wg_reset_nested(ptr {name})")
            self.code.line(f"call void @free(ptr {self.code.op(f'load ptr, ptr {name}')})")

    def reset(self, s: str, t: StackType) -> None:
        if isinstance(t.element, StackType):
            self.code.line(f"call void @wg_reset_nested(ptr {s})")
        else:
            self.code.line(f"store i64 0, ptr {self._word(s, 1)}")

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
        if isinstance(t.element, StackType):  # an early end frees what is there: nothing yet
            zero, some = self.module.fresh("B"), self.module.fresh("B")
            self.code.line(f"br i1 {self.code.op(f'icmp sgt i64 {n}, 0')}, label %{some}, label %{zero}")
            self.code.label(some)
            self.module.declare("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
            size = self.code.op(f"mul i64 {n}, 24")
            self.code.line(f"call void @llvm.memset.p0.i64(ptr {self.stack_data(s)}, i8 0, i64 {size}, i1 false)")
            self.code.line(f"br label %{zero}")
            self.code.label(zero)
        self.code.line(f"store i64 {n}, ptr {self._word(s, 1)}")

    def push(self, s: str, t: StackType) -> str:
        """Room for one more entry: its place."""
        old = self.stack_length(s)
        new = self.code.op(f"add i64 {old}, 1")
        bad = self.code.op(f"call i1 @wg_reserve(ptr {s}, i64 {new}, i64 {_entry(t)})")
        self.leave(bad, "-2")
        row = self.stack_entry_at(self.stack_data(s), old, _entry(t))
        if isinstance(t.element, StackType):
            self.code.line(f"store [3 x i64] zeroinitializer, ptr {row}")
        self.code.line(f"store i64 {new}, ptr {self._word(s, 1)}")
        return row

    def stack_entry_at(self, data: str, i: str, size: int) -> str:
        at = self.code.op(f"mul nsw i64 {i}, {size}")
        return self.code.op(f"getelementptr i8, ptr {data}, i64 {at}", "row")

    def stack_entry(self, outer: str, i: str) -> str:
        """The stack that is entry `i` of a stack of stacks; of an empty one, an empty stack."""
        self.module.declare("@wg_empty = internal global [3 x i64] zeroinitializer, align 64")
        there = self.code.op(f"icmp ne i64 {self.stack_length(outer)}, 0")
        row = self.stack_entry_at(self.stack_data(outer), i, 24)
        return self.code.op(f"select i1 {there}, ptr {row}, ptr @wg_empty", "row")

    def move_stack(self, outer: str, i: str, inner: str) -> None:
        row = self.stack_entry_at(self.stack_data(outer), i, 24)
        self.code.line(f"store [3 x i64] {self.code.op(f'load [3 x i64], ptr {inner}')}, ptr {row}")
        self.code.line(f"store [3 x i64] zeroinitializer, ptr {inner}")

    def add_stacks(self, a: str, b: str, t: StackType) -> str:
        """The sum, entry by entry; an empty stack is zeros."""
        code, kind = self.code, t.element
        assert isinstance(kind, ArrayType)
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
        parts = 2 if kind.dtype.kind == "c" else 1
        total = code.op(f"mul i64 {n}, {max(kind.size * parts, 1)}")
        x, y, z = (self.stack_data(s) for s in (a, b, out))
        one = memory_type(kind.dtype)
        add = "fadd" if kind.dtype.kind in "fc" else "add"
        if kind.size:
            with self.counted(total) as i:
                p, q = (code.op(f"load {one}, ptr {code.op(f'getelementptr {one}, ptr {s}, i64 {i}', 'p')}") for s in (x, y))
                target = code.op(f"getelementptr {one}, ptr {z}, i64 {i}", "p")
                code.line(f"store {one} {code.op(f'{add} {one} {p}, {q}')}, ptr {target}")
        end = self.module.fresh("B")
        code.line(f"br label %{end}")
        code.label(end)
        code.line(f"br label %{done}")
        code.label(done)
        return code.op(f"phi ptr [{out}, %{end}], [{only}, %{here}]", "s")


