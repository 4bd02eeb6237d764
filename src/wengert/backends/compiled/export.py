"""Kernels for others: C programs, and SciPy's integrators.

What comes in: a compiled kernel, and the types of its inputs and outputs. What goes out: a `scipy.LowLevelCallable`, or a C
header with an object file. The one idea: a kernel needs nothing of Python, so a C function of plain pointers around it does
not either; what calls back into Python, or into libraries that only this process has, is refused.
"""

from __future__ import annotations

import ctypes
import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wengert.backends.compiled import kernel, machine, pool, symbols
from wengert.backends.compiled.native import Compiled
from wengert.backends.compiled.python import dtype_code
from wengert.errors import InputError, UnsupportedError
from wengert.graph import ArrayType, Graph

__all__ = ["arity", "callable_of", "export", "low_level_callable", "write_c"]

_KEYWORDS = frozenset("""
    auto break case char const continue default do double else enum extern float for goto if inline int long main register
    restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
""".split())
_C = {"b1": "bool", "i1": "int8_t", "i2": "int16_t", "i4": "int32_t", "i8": "int64_t", "u1": "uint8_t", "u2": "uint16_t",
      "u4": "uint32_t", "u8": "uint64_t", "f4": "float", "f8": "double", "c8": "float", "c16": "double"}


def arity(f: Callable[..., Any]) -> int:
    """How many arguments a function needs."""
    try:
        found = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        raise InputError("low_level_callable: say how many floats the function takes: low_level_callable(2)") from None
    if any(p.kind is p.VAR_POSITIONAL for p in found):
        raise InputError("low_level_callable: the function takes any number of arguments; say how many: low_level_callable(2)")
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in found)


def _environment(workspace: int, arrays: Sequence[np.ndarray[Any, Any]] = ()) -> tuple[list[str], str]:
    """Lines that make the kernel's environment in %env, and the declarations they need; constant arrays are embedded."""
    lines = ["  %env = alloca [4 x ptr]", "  store [4 x ptr] zeroinitializer, ptr %env",
             "  %poll_p = getelementptr ptr, ptr %env, i64 2", "  store ptr @wg_go_on, ptr %poll_p"]
    text = "define internal i64 @wg_go_on() {\n  ret i64 0\n}\ndeclare ptr @malloc(i64)\ndeclare void @free(ptr)\n"
    if workspace:
        lines += [f"  %raw = call ptr @malloc(i64 {workspace + 64})", "  %number = ptrtoint ptr %raw to i64",
                  "  %up = add i64 %number, 63", "  %low = and i64 %up, -64", "  %space = inttoptr i64 %low to ptr",
                  "  %none = icmp eq ptr %raw, null", "  br i1 %none, label %no_memory, label %run", "no_memory:",
                  "  NO_MEMORY", "run:", "  store ptr %space, ptr %env"]
    for k, a in enumerate(arrays):
        data = "".join(map("\\{:02X}".format, a.tobytes()))
        text += f'@wg_array{k} = private constant [{a.nbytes} x i8] c"{data}", align 64\n'
    if arrays:
        table = ", ".join(f"ptr @wg_array{k}" for k in range(len(arrays)))
        text += f"@wg_arrays = private constant [{len(arrays)} x ptr] [{table}], align 64\n"
        lines += ["  %arrays_p = getelementptr ptr, ptr %env, i64 3", "  store ptr @wg_arrays, ptr %arrays_p"]
    return lines, text


def _refuse(compiled: Any, *, process: bool) -> None:
    """What keeps a kernel from running without Python; with `process`, libraries of this process are allowed."""
    if compiled.hosts:
        called = ", ".join(dict.fromkeys(
            str(getattr(e.params.get("action") or e.params.get("function"), "name", e.primitive.name))
            for e in getattr(compiled, "called", ())))
        raise UnsupportedError("the compiled program calls Python" + (f", for {called}" if called else ""))
    foreign = [] if process else [name for name in compiled.symbols if name != pool.NAME and not _in_c(name)]
    if foreign:
        raise UnsupportedError("the compiled program calls what a C program does not have: " + ", ".join(
            name.removeprefix("wg_") for name in foreign))


def _in_c(name: str) -> bool:
    """Whether a name is one of C's mathematics, or of its vector library."""
    return name.startswith("_ZGV") or (not name.startswith("wg_") and symbols.found(name) != 0)


def _module(compiled: Compiled, extra: str, *function: str) -> str:
    """The kernel's text, its name no longer visible from outside, and a function around it."""
    text = re.sub(r"^define i64 @kernel\(", "define internal i64 @kernel(", compiled.text, flags=re.MULTILINE)
    known = {line for line in text.split("\n") if line.startswith("declare")}
    return "\n".join([text, *[line for line in extra.split("\n") if line not in known], *function, ""])


def low_level_callable(compiled: Compiled, inputs: Sequence[ArrayType], outputs: Sequence[ArrayType], *,
                       workspace: int = 0, arrays: Sequence[np.ndarray[Any, Any]] = ()) -> Any:
    """A kernel from numbers to a number, for ``scipy.integrate.quad`` and whoever else takes ``double (int, double *)``.

    Parameters
    ----------
    compiled : Compiled
        It calls no Python.
    inputs, outputs : sequence of ArrayType
        All ``float64[]``; one output.
    workspace : int
    arrays : sequence of ndarray
        The kernel's large constants.

    Returns
    -------
    scipy.LowLevelCallable
        It gives NaN where a check of the kernel fails, and where it is not given as many numbers as the function takes.
    """
    from scipy import LowLevelCallable

    number = ArrayType((), float)
    if any(t is not number for t in (*inputs, *outputs)) or len(outputs) != 1:
        raise InputError("a low-level callable takes float64 numbers and gives one")
    _refuse(compiled, process=True)
    lines, extra = _environment(workspace, arrays)
    body = [f"  %fits = icmp eq i32 %n, {len(inputs)}", "  br i1 %fits, label %take, label %refuse", "refuse:",
            "  ret double 0x7FF8000000000000", "take:",  # fewer numbers than the function takes: there is nothing to read
            f"  %in = alloca [{max(len(inputs), 1)} x ptr]", "  %out = alloca ptr", "  %slot = alloca double",
            *[line.replace("NO_MEMORY", "ret double 0x7FF8000000000000") for line in lines], "  store ptr %slot, ptr %out"]
    for k in range(len(inputs)):
        body += [f"  %x{k} = getelementptr double, ptr %xx, i64 {k}", f"  %p{k} = getelementptr ptr, ptr %in, i64 {k}",
                 f"  store ptr %x{k}, ptr %p{k}"]
    body += ["  %status = call i64 @kernel(ptr %in, ptr %out, ptr %env)",
             *(["  call void @free(ptr %raw)"] if workspace else []), "  %good = icmp eq i64 %status, 0",
             "  %value = load double, ptr %slot", "  %r = select i1 %good, double %value, double 0x7FF8000000000000",
             "  ret double %r"]
    text = _module(compiled, extra, "define double @wg_scalar(i32 %n, ptr %xx) {", *body, "}")
    library = machine.load(text, compiled.symbols, names=("wg_scalar",))
    function = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, ctypes.POINTER(ctypes.c_double))(library.address("wg_scalar"))
    function.library = library, compiled  # type: ignore[attr-defined]  # the code lives as long as the function
    return LowLevelCallable(function)


def _parameter(type: ArrayType, name: str, constant: bool) -> str:
    shape = "".join(f"[{n}]" for n in type.shape) + ("[2]" if type.dtype.kind == "c" else "") or "[1]"
    return f"{'const ' if constant else ''}{_C[dtype_code(type.dtype)]} *{name} /* {shape} */"


def write_c(compiled: Compiled, inputs: Sequence[ArrayType], outputs: Sequence[ArrayType], name: str,
            folder: str | Path = ".", *, workspace: int = 0, arrays: Sequence[np.ndarray[Any, Any]] = (),
            parameters: Sequence[str] = ()) -> tuple[Path, Path]:
    """Write ``name.h`` and ``name.o``, to be linked into programs without Python.

    Parameters
    ----------
    compiled : Compiled
        It calls no Python, and no library but those of C and its mathematics.
    inputs, outputs : sequence of ArrayType
        The function takes a pointer for each, inputs first; arrays are C-contiguous, complex numbers (re, im).
    name : str
        Of the function and the files.
    folder : str or Path
    workspace : int
    arrays : sequence of ndarray
        The kernel's large constants; they become part of the object.
    parameters : sequence of str
        Names of the inputs.

    Returns
    -------
    tuple of Path
        The header and the object, which is for processors like this one. Link with ``-lm`` (and ``-lmvec``).
    """
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or name in _KEYWORDS:
        raise InputError(f"{name!r} is no name of a C function")
    _refuse(compiled, process=False)
    outs = [f"y{k}" for k in range(len(outputs))]
    names = [*_c_names(parameters or [f"x{k}" for k in range(len(inputs))], {name, *outs}), *outs]
    lines, extra = _environment(workspace, arrays)
    body = [f"  %in = alloca [{max(len(inputs), 1)} x ptr]", f"  %out = alloca [{max(len(outputs), 1)} x ptr]",
            *[line.replace("NO_MEMORY", "ret i64 -2") for line in lines]]
    for k, one in enumerate(names):
        where, at = ("%in", k) if k < len(inputs) else ("%out", k - len(inputs))
        body += [f"  %p{k} = getelementptr ptr, ptr {where}, i64 {at}", f"  store ptr %{one}, ptr %p{k}"]
    body += ["  %status = call i64 @kernel(ptr %in, ptr %out, ptr %env)",
             *(["  call void @free(ptr %raw)"] if workspace else []), "  ret i64 %status"]
    head = f"define i64 @{name}({', '.join(f'ptr %{one}' for one in names)}) {{"
    code = machine.object_code(pool.serial(_module(compiled, extra, head, *body, "}")), shared=True)
    declared = [_parameter(t, n, k < len(inputs)) for k, (t, n) in enumerate(zip((*inputs, *outputs), names, strict=True))]
    link = "-lmvec -lm" if any(s.startswith("_ZGV") for s in compiled.symbols) else "-lm"
    text = (f"/* Written by wengert. 0: done; -2: no memory; above 0: that check failed (an index out of bounds, say).\n"
            f"   For processors like {machine.processor()}. Link with {name}.o {link} */\n"
            f"#ifndef {name.upper()}_H\n#define {name.upper()}_H\n#include <stdbool.h>\n#include <stdint.h>\n"
            f"#ifdef __cplusplus\nextern \"C\"\n#endif\nint64_t {name}({', '.join(declared) or 'void'});\n#endif\n")
    header, made = Path(folder) / f"{name}.h", Path(folder) / f"{name}.o"
    header.write_text(text, encoding="utf-8")
    made.write_bytes(code)
    return header, made


# C's own words, which a parameter of Python may be named by.
_WORDS = frozenset("auto bool break case char const continue default do double else enum extern float for goto if inline int "
                   "long register restrict return short signed sizeof static struct switch typedef union unsigned void "
                   "volatile while class new delete this template private public namespace operator".split())


def _c_names(wanted: Sequence[str], taken: set[str]) -> list[str]:
    """Names of C that differ from each other and from those that are taken."""
    out: list[str] = []
    for name in wanted:
        name = name if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) else "x"
        while name in taken or name in _WORDS or name in out:
            name += "_"
        out.append(name)
    return out


# ---------------------------------------------------------------- from graphs


def _compiled(graph: Graph, what: str) -> kernel.Compiled:
    """A graph's kernel that calls no library of this process's, where it can do without."""
    flat = kernel.prepared(graph, asks=False)
    if flat is None:
        raise UnsupportedError(f"{what}: the function has something that the compiler does not know")
    return kernel.Compiled(graph, kernel.built(flat, standalone=True))


def callable_of(graph: Graph) -> Any:
    """The `low_level_callable` of a graph."""
    compiled = _compiled(graph, "low_level_callable")
    return low_level_callable(compiled, *graph.types, workspace=compiled.workspace, arrays=compiled.arrays)


def export(graph: Graph, name: str, folder: str | Path, parameters: Sequence[str]) -> tuple[Path, Path]:
    """`write_c` of a graph."""
    compiled = _compiled(graph, "export")
    return write_c(compiled, *graph.types, name, folder, workspace=compiled.workspace, arrays=compiled.arrays,
                   parameters=parameters)
