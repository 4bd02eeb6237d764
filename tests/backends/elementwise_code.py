"""Code of elementwise primitives, run over arrays.

What comes in: cases (a primitive, its parameters, operands). What goes out: results, from one module for all cases. The one
idea: each case becomes two functions, a loop over vectors and a loop over scalars, so that a file of tests compiles once.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from wengert.backends.compiled import elementwise
from wengert.backends.compiled.code import Code, Module, Value, element
from wengert.graph import REGISTRY, ArrayType


@dataclass
class Case:
    """One primitive on arrays of one length."""

    name: str
    params: dict[str, Any]
    operands: list[Any]

    def types(self) -> list[np.dtype[Any]]:
        """The dtypes of the results, by the rule of the primitive."""
        p = REGISTRY[self.name]
        found = p.type(*[ArrayType(o.shape, o.dtype) for o in self.operands], **self.params)
        return [t.dtype for t in (found if p.multiple else (found,))]

    def supported(self) -> bool:
        """Whether there is code for it."""
        return elementwise.supported(self.name, self.params, [o.dtype for o in self.operands], self.types())

    def expected(self) -> list[Any]:
        """What the interpreter gives."""
        p = REGISTRY[self.name]
        with np.errstate(all="ignore"):
            out = p.evaluate(*self.operands, **self.params)
        return list(out) if p.multiple else [out]


def _memory(dtype: np.dtype[Any], lanes: int) -> tuple[str, str]:
    one = "i8" if dtype.kind == "b" else element(dtype)
    return one, one if lanes == 1 else f"<{lanes} x {one}>"


def _load(code: Code, k: int, dtype: np.dtype[Any], lanes: int) -> Value:
    one, kind = _memory(dtype, lanes)
    if dtype.kind == "c":
        parts = []
        for half in (0, 1):
            values = []
            for j in range(lanes):
                at = code.op(f"add i64 %i, {j}")
                at = code.op(f"mul i64 {at}, 2")
                at = code.op(f"add i64 {at}, {half}")
                where = code.op(f"getelementptr {one}, ptr %x{k}, i64 {at}")
                values.append(code.op(f"load {one}, ptr {where}"))
            total = values[0]
            if lanes > 1:
                total = "poison"
                for j, v in enumerate(values):
                    total = code.op(f"insertelement {kind} {total}, {one} {v}, i64 {j}")
            parts.append(total)
        return Value(dtype, tuple(parts), lanes)
    where = code.op(f"getelementptr {one}, ptr %x{k}, i64 %i")
    x = code.op(f"load {kind}, ptr {where}, align {dtype.itemsize}")
    if dtype.kind == "b":
        x = code.op(f"icmp ne {kind} {x}, {'0' if lanes == 1 else 'zeroinitializer'}")
    return Value(dtype, (x,), lanes)


def _store(code: Code, k: int, y: Value) -> None:
    one, kind = _memory(y.dtype, y.lanes)
    parts = list(y.parts)
    if y.dtype.kind == "b":
        parts = [code.op(f"zext {y.kind} {parts[0]} to {kind}")]
    if y.dtype.kind == "c":
        for half, part in enumerate(parts):
            for j in range(y.lanes):
                at = code.op(f"add i64 %i, {j}")
                at = code.op(f"mul i64 {at}, 2")
                at = code.op(f"add i64 {at}, {half}")
                where = code.op(f"getelementptr {one}, ptr %y{k}, i64 {at}")
                x = part if y.lanes == 1 else code.op(f"extractelement {y.kind} {part}, i64 {j}")
                code.line(f"store {one} {x}, ptr {where}")
        return
    where = code.op(f"getelementptr {one}, ptr %y{k}, i64 %i")
    code.line(f"store {kind} {parts[0]}, ptr {where}, align {y.dtype.itemsize}")


def _function(module: Module, name: str, case: Case, lanes: int) -> None:
    """``void name(x0, ..., y0, ..., n)``: n is a multiple of the lanes."""
    code = Code(module)
    types = case.types()
    operands = [_load(code, k, o.dtype, lanes) for k, o in enumerate(case.operands)]
    results = elementwise.emit(code, case.name, case.params, operands, types, lanes)
    assert [r.dtype for r in results] == types, case.name
    for k, r in enumerate(results):
        _store(code, k, code.splat(r, lanes))
    params = [f"ptr %x{k}" for k in range(len(operands))] + [f"ptr %y{k}" for k in range(len(results))]
    module.functions.append("\n".join([
        f"define void @{name}({', '.join(params)}, i64 %n) {{", "entry:", "  br label %loop", "loop:",
        "  %i = phi i64 [0, %entry], [%next, %loop]", *code.lines, f"  %next = add i64 %i, {lanes}",
        "  %more = icmp slt i64 %next, %n", "  br i1 %more, label %loop, label %end", "end:", "  ret void", "}"]))


class Suite:
    """Cases compiled together; each is run by `run`."""

    def __init__(self, cases: list[Case], widths: tuple[int, ...] = (8, 1), vector_bytes: int = 64, passes: bool = False):
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.cases, self.widths = cases, widths
        self.module = Module(vector_bytes)
        for k, case in enumerate(cases):
            for lanes in widths:
                _function(self.module, f"f{k}_{lanes}", case, lanes)
        for name, address in self.module.symbols.items():
            llvm.add_symbol(name, address)
        parsed = llvm.parse_assembly(self.module.text())
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2 if passes else 0, jit=True)
        if passes:
            builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
            builder.getModulePassManager().run(parsed, builder)
        self.engine = llvm.create_mcjit_compiler(parsed, machine)
        self.engine.finalize_object()

    def run(self, k: int, lanes: int) -> list[Any]:
        """The results of case k by the function of that width."""
        case = self.cases[k]
        n = case.operands[0].size
        ins = []
        for o in case.operands:  # the last vector ends in zeros, as that of a masked tail does
            padded = np.zeros(-(-n // lanes) * lanes, o.dtype)
            padded[:n] = o
            ins.append(padded)
        outs = [np.empty(ins[0].size, t) for t in case.types()]
        call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (len(ins) + len(outs)), ctypes.c_int64)(
            self.engine.get_function_address(f"f{k}_{lanes}"))
        call(*[a.ctypes.data for a in (*ins, *outs)], ins[0].size)
        return [y[:n] for y in outs]
