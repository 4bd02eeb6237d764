"""Runs one equation as machine code.

What comes in: primitives with operands and parameters. What goes out: their results, computed by the statements that
`library.emit` writes. The one idea: one function per case, all of them in one module, so that LLVM starts once. Results lie
between guards, which must not change, and neither may the operands.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.backends.compiled.code import Code, Module
from wengert.backends.compiled.library import Place, emit, supported
from wengert.graph import REGISTRY, ArrayType, Equation, Var, type_of

GUARD = 64
FAILED = "failed"
KEEP: list[Any] = []


@dataclass
class Case:
    name: str
    operands: tuple[Any, ...]
    params: dict[str, Any]

    def __post_init__(self) -> None:
        self.operands = tuple([np.array(x, order="C") for x in self.operands])
        self.primitive = REGISTRY[self.name]
        types = [type_of(x) for x in self.operands]
        out = self.primitive.type(*types, **self.params)
        self.result_types: list[ArrayType] = list(out) if self.primitive.multiple else [out]
        self.equation = Equation(self.primitive, [Var(t) for t in types], self.params, [Var(t) for t in self.result_types])

    @property
    def id(self) -> str:
        shapes = ",".join([f"{x.dtype.name}{list(x.shape)}" for x in self.operands])
        return f"{self.name}({shapes}; {self.params})"

    @property
    def supported(self) -> bool:
        return supported(self.equation)

    def expected(self) -> list[Any]:
        out = self.primitive.evaluate(*self.operands, **self.params)
        return [np.asarray(x) for x in (out if self.primitive.multiple else [out])]


Emitter = Callable[[Code, Any, list[Place], list[Place], Callable[[int], str], Callable[[str, str], None]], None]


def function(module: Module, name: str, case: Any, emitter: Emitter | None = None) -> int:
    """Append one function to a module; the scratch bytes that it takes."""
    code, used = Code(module), [0]

    def scratch(size: int) -> str:
        start = used[0]
        used[0] += -(-max(size, 1) // 64) * 64
        return code.op(f"getelementptr i8, ptr %scratch, i64 {start}")

    def fail(condition: str, reason: str) -> None:
        assert reason
        bad, good = module.fresh("bad"), module.fresh("good")
        code.line(f"br i1 {condition}, label %{bad}, label %{good}")
        code.label(bad)
        code.line("ret i64 1")
        code.label(good)
    places = []
    for base, types in (("%in", [type_of(x) for x in case.operands]), ("%out", case.result_types)):
        places.append([Place(code.op(f"load ptr, ptr {code.op(f'getelementptr ptr, ptr {base}, i64 {k}')}"), t)
                       for k, t in enumerate(types)])
    (emitter or emit)(code, case.equation, places[0], places[1], scratch, fail)
    code.line("ret i64 0")
    module.functions.append(f"define i64 @{name}(ptr %in, ptr %out, ptr %scratch) {{\nentry:\n" + "\n".join(code.lines) + "\n}")
    return used[0]


def compiled(cases: Sequence[Any], emitter: Emitter | None = None) -> list[Callable[[], Any]]:
    """Functions that run the cases: their results, or FAILED."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = Module()
    sizes = [function(module, f"case_{k}", case, emitter) for k, case in enumerate(cases)]
    for name, address in module.symbols.items():
        llvm.add_symbol(name, address)
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=1, jit=True)
    parsed = llvm.parse_assembly(module.text())
    parsed.verify()
    engine = llvm.create_mcjit_compiler(parsed, machine)
    engine.finalize_object()
    KEEP.append((engine, machine, parsed))
    return [_runner(engine.get_function_address(f"case_{k}"), case, size)
            for k, (case, size) in enumerate(zip(cases, sizes, strict=True))]


def _runner(address: int, case: Any, size: int) -> Callable[[], Any]:
    function = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 3)(address)

    def run(start: Sequence[Any] | None = None) -> Any:
        results, whole = [], []
        for k, t in enumerate(case.result_types):
            bytes_ = np.full(t.size * t.dtype.itemsize + 2 * GUARD, 0xA5, np.uint8)
            results.append(bytes_[GUARD:len(bytes_) - GUARD].view(t.dtype).reshape(t.shape))
            if start is not None:
                results[k][...] = start[k]
            whole.append(bytes_)
        room = np.full(size + 192, 0xA5, np.uint8)
        begin = -room.ctypes.data % 64
        inputs = (ctypes.c_void_p * (len(case.operands) + 1))(*[x.ctypes.data for x in case.operands])
        outputs = (ctypes.c_void_p * (len(results) + 1))(*[w.ctypes.data + GUARD for w in whole])
        before = [x.tobytes() for x in case.operands]
        status = function(inputs, outputs, room.ctypes.data + begin)
        for w in whole:
            assert np.all(w[:GUARD] == 0xA5) and np.all(w[len(w) - GUARD:] == 0xA5), "wrote beside a result"
        assert np.all(room[:begin] == 0xA5) and np.all(room[begin + size:] == 0xA5), "wrote beside the scratch memory"
        assert [x.tobytes() for x in case.operands] == before, "an operand was changed"
        return FAILED if status else results
    run.function, run.size = function, size  # type: ignore[attr-defined]
    return run
