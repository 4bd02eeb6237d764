"""Kernels for others: C programs, and SciPy's integrators.

What comes in: a compiled kernel, and the types of its inputs and outputs. What goes out: a `scipy.LowLevelCallable`, or a C
header with an object file. The one idea: a kernel needs nothing of Python, so a C function of plain pointers around it does
not either; what calls back into Python, or into libraries that only this process has, is refused.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wengert.backends.compiled import machine, pool
from wengert.backends.compiled.native import Compiled
from wengert.backends.compiled.python import dtype_code
from wengert.errors import InputError, UnsupportedError
from wengert.graph import ArrayType

__all__ = ["low_level_callable", "write_c"]

_C = {"b1": "bool", "i1": "int8_t", "i2": "int16_t", "i4": "int32_t", "i8": "int64_t", "u1": "uint8_t", "u2": "uint16_t",
      "u4": "uint32_t", "u8": "uint64_t", "f4": "float", "f8": "double", "c8": "float", "c16": "double"}


def _environment(workspace: int) -> tuple[list[str], str]:
    """Lines that make the kernel's environment in %env, and the declarations they need."""
    lines = ["  %env = alloca [3 x ptr]", "  store [3 x ptr] zeroinitializer, ptr %env",
             "  %poll_p = getelementptr ptr, ptr %env, i64 2", "  store ptr @wg_go_on, ptr %poll_p"]
    text = "define internal i64 @wg_go_on() {\n  ret i64 0\n}\ndeclare ptr @malloc(i64)\ndeclare void @free(ptr)\n"
    if workspace:
        lines += [f"  %raw = call ptr @malloc(i64 {workspace + 64})", "  %number = ptrtoint ptr %raw to i64",
                  "  %up = add i64 %number, 63", "  %low = and i64 %up, -64", "  %space = inttoptr i64 %low to ptr",
                  "  %none = icmp eq ptr %raw, null", "  br i1 %none, label %no_memory, label %run", "no_memory:",
                  "  NO_MEMORY", "run:", "  store ptr %space, ptr %env"]
    return lines, text


def _standalone(compiled: Compiled) -> str:
    """The kernel's text, its name no longer visible from outside."""
    return re.sub(r"^define i64 @kernel\(", "define internal i64 @kernel(", compiled.text, flags=re.MULTILINE)


def low_level_callable(compiled: Compiled, inputs: Sequence[ArrayType], outputs: Sequence[ArrayType], *,
                       workspace: int = 0) -> Any:
    """A kernel from numbers to a number, for ``scipy.integrate.quad`` and whoever else takes ``double (int, double *)``.

    Parameters
    ----------
    compiled : Compiled
        It calls no Python.
    inputs, outputs : sequence of ArrayType
        All ``float64[]``; one output.
    workspace : int

    Returns
    -------
    scipy.LowLevelCallable
        It gives NaN where a check of the kernel fails.
    """
    from scipy import LowLevelCallable

    number = ArrayType((), float)
    if any(t is not number for t in (*inputs, *outputs)) or len(outputs) != 1:
        raise InputError("a low-level callable takes float64 numbers and gives one")
    if compiled.hosts:
        raise UnsupportedError("the compiled program calls Python")
    lines, extra = _environment(workspace)
    body = [f"  %in = alloca [{max(len(inputs), 1)} x ptr]", "  %out = alloca ptr", "  %slot = alloca double",
            *[line.replace("NO_MEMORY", "ret double 0x7FF8000000000000") for line in lines], "  store ptr %slot, ptr %out"]
    for k in range(len(inputs)):
        body += [f"  %x{k} = getelementptr double, ptr %xx, i64 {k}", f"  %p{k} = getelementptr ptr, ptr %in, i64 {k}",
                 f"  store ptr %x{k}, ptr %p{k}"]
    body += ["  %status = call i64 @kernel(ptr %in, ptr %out, ptr %env)",
             *(["  call void @free(ptr %raw)"] if workspace else []), "  %good = icmp eq i64 %status, 0",
             "  %value = load double, ptr %slot", "  %r = select i1 %good, double %value, double 0x7FF8000000000000",
             "  ret double %r"]
    text = "\n".join([_standalone(compiled), extra, "define double @wg_scalar(i32 %n, ptr %xx) {", *body, "}", ""])
    library = machine.load(text, compiled.symbols, names=("wg_scalar",))
    function = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, ctypes.POINTER(ctypes.c_double))(library.address("wg_scalar"))
    function.library = library, compiled  # type: ignore[attr-defined]  # the code lives as long as the function
    return LowLevelCallable(function)


def _parameter(type: ArrayType, name: str, constant: bool) -> str:
    shape = "".join(f"[{n}]" for n in type.shape) + ("[2]" if type.dtype.kind == "c" else "") or "[1]"
    return f"{'const ' if constant else ''}{_C[dtype_code(type.dtype)]} *{name} /* {shape} */"


def write_c(compiled: Compiled, inputs: Sequence[ArrayType], outputs: Sequence[ArrayType], name: str,
            folder: str | Path = ".", *, workspace: int = 0) -> tuple[Path, Path]:
    """Write ``name.h`` and ``name.o``, to be linked into programs without Python.

    Parameters
    ----------
    compiled : Compiled
        It calls no Python, and no library but those of C and its mathematics.
    inputs, outputs : sequence of ArrayType
        The function takes a pointer for each, inputs first; arrays are C-contiguous, complex numbers (re, im). It runs on
        one thread.
    name : str
        Of the function and the files.
    folder : str or Path
    workspace : int

    Returns
    -------
    tuple of Path
        The header and the object, which is for processors like this one. Link with ``-lm`` (and ``-lmvec``).
    """
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise InputError(f"{name!r} is no name of a C function")
    outer = [s for s in compiled.symbols if s != pool.NAME]
    if compiled.hosts or outer:
        raise UnsupportedError("the compiled program calls " + ("Python" if compiled.hosts else ", ".join(outer)))
    names = [*[f"x{k}" for k in range(len(inputs))], *[f"y{k}" for k in range(len(outputs))]]
    lines, extra = _environment(workspace)
    body = [f"  %in = alloca [{max(len(inputs), 1)} x ptr]", f"  %out = alloca [{max(len(outputs), 1)} x ptr]",
            *[line.replace("NO_MEMORY", "ret i64 -2") for line in lines]]
    for k, one in enumerate(names):
        where, at = ("%in", k) if k < len(inputs) else ("%out", k - len(inputs))
        body += [f"  %p{k} = getelementptr ptr, ptr {where}, i64 {at}", f"  store ptr %{one}, ptr %p{k}"]
    body += ["  %status = call i64 @kernel(ptr %in, ptr %out, ptr %env)",
             *(["  call void @free(ptr %raw)"] if workspace else []), "  ret i64 %status"]
    head = f"define i64 @{name}({', '.join(f'ptr %{one}' for one in names)}) {{"
    code = machine.object_code("\n".join([pool.serial(_standalone(compiled)), extra, head, *body, "}", ""]), shared=True)
    parameters = [_parameter(t, n, k < len(inputs)) for k, (t, n) in enumerate(zip((*inputs, *outputs), names, strict=True))]
    text = (f"/* Written by wengert. 0: done; -2: no memory; above 0: that check failed (an index out of bounds, say). */\n"
            f"#ifndef {name.upper()}_H\n#define {name.upper()}_H\n#include <stdbool.h>\n#include <stdint.h>\n"
            f"#ifdef __cplusplus\nextern \"C\"\n#endif\nint64_t {name}({', '.join(parameters) or 'void'});\n#endif\n")
    header, made = Path(folder) / f"{name}.h", Path(folder) / f"{name}.o"
    header.write_text(text, encoding="utf-8")
    made.write_bytes(code)
    return header, made
