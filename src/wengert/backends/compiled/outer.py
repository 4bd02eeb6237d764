"""Calls of functions outside the module, on vectors.

What comes in: operands in registers. What goes out: results in registers. The one idea: a scalar function, or the inner loop of
a ufunc, is wrapped once per module in a function of vectors, `@wg_lanes_...`, so that its stack lies in an entry block of its
own and the code that calls it stays short. Loops of ufuncs are what NumPy itself runs: they give its results by construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.backends.compiled import symbols
from wengert.backends.compiled.arithmetic import vector
from wengert.backends.compiled.code import Code, Value, element

__all__ = ["apply_lanes", "call_loop", "call_outer", "memory_type"]

_PURE = "nounwind willreturn memory(none)"


def call_outer(code: Code, name: str, kind: str, args: Sequence[str]) -> str:
    """A call of an outer function whose operands and result are all of one kind, and which has no effect."""
    code.module.symbols[name] = symbols.address(name)
    code.module.declare(f"declare {kind} @{name}({', '.join([kind] * len(args))}) {_PURE}")
    return code.op(f"call {kind} @{name}({', '.join([f'{kind} {a}' for a in args])})")


# ---------------------------------------------------------------- scalar functions

def apply_lanes(code: Code, name: str, kind: str, args: Sequence[str], lanes: int, kinds: Sequence[str] | None = None,
                last: str = "") -> str:
    """A scalar function in every lane; `kinds` are the operands', if they differ; `last` is one more argument."""
    kinds = [kind] * len(args) if kinds is None else list(kinds)
    code.module.symbols[name] = symbols.address(name)
    extra = [last] if last else []
    code.module.declare(f"declare {kind} @{name}({', '.join([*kinds, *[e.split()[0] for e in extra]])}) {_PURE}")
    if lanes == 1:
        return code.op(f"call {kind} @{name}({', '.join([*[f'{k} {a}' for k, a in zip(kinds, args)], *extra])})")
    full, out = [vector(k, lanes) for k in kinds], vector(kind, lanes)
    helper = f"wg_lanes_{name}_{lanes}"
    lines = [f"define internal {out} @{helper}({', '.join([f'{k} %a{i}' for i, k in enumerate(full)])}) noinline {_PURE} {{"]
    before = "poison"
    for j in range(lanes):
        for i, k in enumerate(full):
            lines.append(f"  %x{i}_{j} = extractelement {k} %a{i}, i64 {j}")
        lines.append(f"  %y{j} = call {kind} @{name}({', '.join([*[f'{k} %x{i}_{j}' for i, k in enumerate(kinds)], *extra])})")
        lines.append(f"  %r{j} = insertelement {out} {before}, {kind} %y{j}, i64 {j}")
        before = f"%r{j}"
    code.module.declare("\n".join([*lines, f"  ret {out} {before}", "}"]))
    return code.op(f"call {out} @{helper}({', '.join([f'{k} {a}' for k, a in zip(full, args)])})")


# ---------------------------------------------------------------- loops of ufuncs

def memory_type(dtype: np.dtype[Any]) -> str:
    return "i8" if dtype.kind == "b" else element(dtype)


def _store(dtype: np.dtype[Any], lanes: int, k: int) -> list[str]:
    """Lines that put operand k, `%pk_0` (and `%pk_1`), where `%mk` points."""
    kind, one = vector(element(dtype), lanes), memory_type(dtype)
    if dtype.kind == "b":
        whole = vector("i8", lanes)
        return [f"  %w{k} = zext {kind} %p{k}_0 to {whole}", f"  store {whole} %w{k}, ptr %m{k}, align 1"]
    if dtype.kind != "c":
        return [f"  store {kind} %p{k}_0, ptr %m{k}"]
    if lanes == 1:
        return [f"  store {one} %p{k}_0, ptr %m{k}", f"  %h{k} = getelementptr {one}, ptr %m{k}, i64 1",
                f"  store {one} %p{k}_1, ptr %h{k}"]
    order = ", ".join([f"i32 {j + half * lanes}" for j in range(lanes) for half in (0, 1)])
    return [f"  %w{k} = shufflevector {kind} %p{k}_0, {kind} %p{k}_1, <{2 * lanes} x i32> <{order}>",
            f"  store <{2 * lanes} x {one}> %w{k}, ptr %m{k}"]


def _load(dtype: np.dtype[Any], lanes: int, k: int) -> tuple[list[str], list[str]]:
    """Lines that read result k, and the names of its parts."""
    kind, one = vector(element(dtype), lanes), memory_type(dtype)
    if dtype.kind == "b":
        whole = vector("i8", lanes)
        zero = "0" if lanes == 1 else "zeroinitializer"
        return [f"  %w{k} = load {whole}, ptr %m{k}, align 1", f"  %q{k} = icmp ne {whole} %w{k}, {zero}"], [f"%q{k}"]
    if dtype.kind != "c":
        return [f"  %q{k} = load {kind}, ptr %m{k}"], [f"%q{k}"]
    if lanes == 1:
        return [f"  %q{k} = load {one}, ptr %m{k}", f"  %h{k} = getelementptr {one}, ptr %m{k}, i64 1",
                f"  %i{k} = load {one}, ptr %h{k}"], [f"%q{k}", f"%i{k}"]
    both = f"<{2 * lanes} x {one}>"
    picks = [", ".join([f"i32 {2 * j + half}" for j in range(lanes)]) for half in (0, 1)]
    lines = [f"  %w{k} = load {both}, ptr %m{k}"]
    lines += [f"  %{name}{k} = shufflevector {both} %w{k}, {both} poison, <{lanes} x i32> <{pick}>"
              for name, pick in zip("qi", picks)]
    return lines, [f"%q{k}", f"%i{k}"]


def _returned(dtypes: Sequence[np.dtype[Any]], lanes: int) -> list[str]:
    return [vector(element(d), lanes) for d in dtypes for _ in range(2 if d.kind == "c" else 1)]


def _loop_helper(code: Code, loop: str, operands: Sequence[np.dtype[Any]], results: Sequence[np.dtype[Any]], lanes: int) -> str:
    """The function of vectors around a loop ``void (char **args, npy_intp *n, npy_intp *steps, void *data)``."""
    module = code.module
    data = loop.replace("wg_loop_", "wg_data_")
    module.symbols[loop] = symbols.address(loop)
    held = symbols.address(data)
    module.declare(f"declare void @{loop}(ptr, ptr, ptr, ptr)")
    if held:  # through memory: an address of the module's need not be within reach of a displacement
        module.symbols[data] = held
        module.declare(f"@{data} = external global i8")
        module.declare(f"@at_{data} = internal global ptr @{data}")
    every = [*operands, *results]
    steps = ", ".join([f"i64 {d.itemsize}" for d in every])
    params = ", ".join([f"{vector(element(d), lanes)} %p{k}_{h}" for k, d in enumerate(operands) for h in range(
        2 if d.kind == "c" else 1)])
    kinds = _returned(results, lanes)
    out = kinds[0] if len(kinds) == 1 else f"{{ {', '.join(kinds)} }}"
    name = f"wg_lanes_{loop.removeprefix('wg_loop_')}_{lanes}"
    n = len(every)
    lines = [f"define internal {out} @{name}({params}) noinline nounwind {{"]
    lines += [f"  %m{k} = alloca [{lanes * d.itemsize} x i8], align 64" for k, d in enumerate(every)]
    lines += [f"  %args = alloca [{n} x ptr]", f"  %steps = alloca [{n} x i64]", "  %count = alloca i64",
              f"  store i64 {lanes}, ptr %count", f"  store [{n} x i64] [{steps}], ptr %steps"]
    for k in range(n):
        lines += [f"  %s{k} = getelementptr ptr, ptr %args, i64 {k}", f"  store ptr %m{k}, ptr %s{k}"]
    for k, d in enumerate(operands):
        lines += _store(d, lanes, k)
    lines += [f"  %data = load volatile ptr, ptr @at_{data}"] if held else []
    lines.append(f"  call void @{loop}(ptr %args, ptr %count, ptr %steps, ptr {'%data' if held else 'null'})")
    parts: list[str] = []
    for k, d in enumerate(results, len(operands)):
        more, names = _load(d, lanes, k)
        lines, parts = lines + more, parts + names
    before = "poison"
    for j, (kind, part) in enumerate(zip(kinds, parts)) if len(kinds) > 1 else ():
        lines.append(f"  %u{j} = insertvalue {out} {before}, {kind} {part}, {j}")
        before = f"%u{j}"
    lines.append(f"  ret {out} {before if len(kinds) > 1 else parts[0]}")
    module.declare("\n".join([*lines, "}"]))
    return name


def call_loop(code: Code, loop: str, operands: Sequence[Value], results: Sequence[np.dtype[Any]], lanes: int) -> list[Value]:
    """The loop of a ufunc (a name that `symbols` knows) on operands of its own dtypes."""
    name = _loop_helper(code, loop, [o.dtype for o in operands], results, lanes)
    kinds = _returned(results, lanes)
    out = kinds[0] if len(kinds) == 1 else f"{{ {', '.join(kinds)} }}"
    got = code.op(f"call {out} @{name}({', '.join([f'{o.kind} {p}' for o in operands for p in o.parts])})")
    parts = [got] if len(kinds) == 1 else [code.op(f"extractvalue {out} {got}, {j}") for j in range(len(kinds))]
    values = []
    for d in results:
        take = 2 if d.kind == "c" else 1
        values.append(Value(d, tuple(parts[:take]), lanes))
        parts = parts[take:]
    return values
