"""Fourier transforms by NumPy's own inner loops.

What comes in: a transform of an array in memory along one axis. What goes out: calls of the C loops of the ufuncs behind
`np.fft`. The one idea: a ufunc is a record with a table of C functions, ``(arguments, sizes, strides, data)``, which know
nothing of Python. Where the table lies is checked against what Python says about the ufunc, and a loop is used only after it
has given the right numbers on a trial.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.compiled.code import Code, Value
from wengert.backends.compiled.foreign import constant_of
from wengert.backends.compiled.loops import Place, load, loop, move, store, times, write
from wengert.backends.compiled.scans import around, known
from wengert.graph import Equation

__all__ = ["TABLE"]

Scratch = Callable[[int], str]
Fail = Callable[[str, str], None]
LOOP = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


class _Ufunc(ctypes.Structure):
    """The part of NumPy's record that follows the object's head."""

    _fields_ = [("nin", ctypes.c_int), ("nout", ctypes.c_int), ("nargs", ctypes.c_int), ("identity", ctypes.c_int),
                ("functions", ctypes.POINTER(ctypes.c_void_p)), ("data", ctypes.POINTER(ctypes.c_void_p)),
                ("ntypes", ctypes.c_int), ("reserved", ctypes.c_int), ("name", ctypes.c_char_p), ("types", ctypes.c_void_p)]


@functools.lru_cache(maxsize=64)
def inner_loop(name: str, signature: str) -> tuple[int, int] | None:
    """The addresses of a loop and of its data, or None if it cannot be trusted."""
    try:
        ufunc = getattr(importlib.import_module("numpy.fft._pocketfft_umath"), name)
        k = ufunc.types.index(signature)
    except (ImportError, AttributeError, ValueError):
        return None
    if ufunc.signature is None:
        return None
    record = _Ufunc.from_address(id(ufunc) + object.__basicsize__)
    stated = (ufunc.nin, ufunc.nout, ufunc.nargs, ufunc.ntypes)
    if (record.nin, record.nout, record.nargs, record.ntypes) != stated or record.name != name.encode():
        return None
    codes = ctypes.string_at(record.types + k * ufunc.nargs, ufunc.nargs)
    if codes != bytes([np.dtype(c).num for c in signature.replace("->", "")]):
        return None
    found = record.functions[k] or 0, (record.data[k] or 0) if record.data else 0
    return found if found[0] and _works(ufunc, signature, *found) else None


def _works(ufunc: Any, signature: str, address: int, data: int) -> bool:
    """A trial: two rows, strided, against the ufunc itself."""
    first, last = np.dtype(signature[0]), np.dtype(signature[-1])
    n = 6 if ufunc.__name__ != "rfft_n_odd" else 5
    rows = np.random.default_rng(0).normal(size=(2, n)).astype(first)
    count = n // 2 + 1 if ufunc.__name__.startswith("rfft") else n
    fct = np.array(0.5, signature[1])
    out = np.zeros((2, count), last)
    arguments = (ctypes.c_void_p * 3)(rows.ctypes.data, fct.ctypes.data, out.ctypes.data)
    sizes = (ctypes.c_ssize_t * 3)(2, n, count)
    strides = (ctypes.c_ssize_t * 5)(rows.strides[0], 0, out.strides[0], first.itemsize, last.itemsize)
    LOOP(address)(ctypes.addressof(arguments), ctypes.addressof(sizes), ctypes.addressof(strides), data or None)
    return bool(np.array_equal(out, ufunc(rows, fct, out=np.zeros_like(out))))


# ---------------------------------------------------------------- which loop


def _transform(equation: Equation) -> tuple[str, str, int, bool]:
    """The ufunc's name, its signature, the number of points, and whether the transform is a direct one."""
    name, params = equation.primitive.name, equation.params
    x, y = equation.operands[0].type, equation.results[0].type
    single = y.dtype in (np.float32, np.complex64)
    real, full = ("f", "F") if single else ("d", "D")
    if name == "rfft":
        n = x.shape[params["axis"]]
        return f"rfft_n_{'odd' if n % 2 else 'even'}", f"{real}{real}->{full}", n, True
    if name == "irfft":
        return "irfft", f"{full}{real}->{real}", params["n"], False
    return "ifft" if params["inverse"] else "fft", f"{full}{real}->{full}", x.shape[params["axis"]], not params["inverse"]


def _supported(equation: Equation) -> bool:
    x, y = equation.operands[0].type.dtype, equation.results[0].type.dtype
    if not known(x, "fc") or not known(y, "fc"):
        return False
    if x.itemsize * (1 if x.kind == "c" else 2) != y.itemsize * (1 if y.kind == "c" else 2):
        return False
    return inner_loop(*_transform(equation)[:2]) is not None


def _factor(norm: str, direct: bool, n: int, real: np.dtype[Any]) -> float:
    if norm == "ortho":
        return float(np.reciprocal(np.sqrt(n, dtype=real)))
    return float(np.reciprocal(n, dtype=real)) if (norm == "forward") == direct else 1.0


# ---------------------------------------------------------------- the calls


def _emit(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
          fail: Fail) -> None:
    x, y = operands[0], results[0]
    name, signature, n, direct = _transform(equation)
    first, last, real = np.dtype(signature[0]), np.dtype(signature[-1]), np.dtype(signature[1])
    source = x.pointer if x.type.dtype == first else _as_complex(code, x, first, scratch)
    axis = equation.params["axis"]
    outer, before, inner = around(x.type.shape, axis)
    after = y.type.shape[axis]
    factor = constant_of(code, _factor(equation.params["norm"], direct, n, real), real)
    arguments = scratch(24)
    rows, count = (1, outer) if inner == 1 else (outer, inner)
    steps = (before, after) if inner == 1 else (1, 1)
    sizes = _integers(code, (count, before, after))
    strides = _integers(code, (steps[0] * first.itemsize, 0, steps[1] * last.itemsize, inner * first.itemsize,
                               inner * last.itemsize))

    def one(o: str) -> None:
        where = (move(code, source, first, times(code, o, before * inner)), factor,
                 move(code, y.pointer, last, times(code, o, after * inner)))
        for k, p in enumerate(where):
            write(code, arguments, "ptr", p, str(k))
        _call(code, name, signature, (arguments, sizes, strides))
    loop(code, rows, one)


def _as_complex(code: Code, x: Place, dtype: np.dtype[Any], scratch: Scratch) -> str:
    target, zero = scratch(x.type.size * dtype.itemsize), code.constant(0, x.type.dtype).part
    loop(code, x.type.size, lambda i: store(
        code, target, i, Value(dtype, (load(code, x.pointer, x.type.dtype, i).part, zero))))
    return target


def _integers(code: Code, numbers: Sequence[int]) -> str:
    """A constant table of integers."""
    name = "@wg_table_" + "_".join(map(str, numbers))
    code.module.declare(f"{name} = private constant [{len(numbers)} x i64] [{', '.join([f'i64 {k}' for k in numbers])}]")
    return name


def _call(code: Code, name: str, signature: str, args: tuple[str, str, str]) -> None:
    found = inner_loop(name, signature)
    if found is None:
        raise LookupError(f"no loop of {name}")
    symbol = f"wg_{name}_{signature[0]}"
    code.module.symbols[symbol] = found[0]
    code.module.declare(f"declare void @{symbol}(ptr, ptr, ptr, ptr)")
    data = "null"
    if found[1]:
        code.module.symbols[f"{symbol}_data"] = found[1]
        code.module.declare(f"@{symbol}_data = external global i8")
        data = f"@{symbol}_data"
    code.line(f"call void @{symbol}({', '.join([f'ptr {p}' for p in (*args, data)])})")


TABLE: dict[str, tuple[Callable[[Equation], bool], Callable[..., None]]] = {
    "fft": (_supported, _emit),
    "rfft": (_supported, _emit),
    "irfft": (_supported, _emit),
}
