"""The CPython entry of a kernel.

What comes in: the kinds of the arguments and of the results. What goes out: the text of ``@entry``, a function in the
vectorcall convention, but for one argument more. The one idea: it compares what it is given with what the kernel was made for,
straight in the structs of Python and NumPy; what fits runs in some tens of nanoseconds, and for everything else it says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.backends.compiled.python import MISS, address, dtype_code, incref
from wengert.graph import ArrayType

__all__ = ["Input", "Output", "Signature", "entry_symbols", "entry_text"]

_ON_STACK = 1 << 16  # bytes of workspace that lie on the stack
_FLAGS = 0x0001 | 0x0100  # C-contiguous, aligned


_NOTHING = ArrayType((), np.dtype(bool))


@dataclass(frozen=True)
class Input:
    """An argument.

    Attributes
    ----------
    type : ArrayType
    kind : {"array", "number", "python", "equal", "same"}
        An ``ndarray``; a number of NumPy's; a Python float or complex. Exactly that type, no subclass. The last two are no
        arguments of the kernel: an object of the type of `given` that is equal to it; or that object itself.
    given : object
    """

    type: ArrayType = _NOTHING
    kind: str = "array"
    given: Any = field(default=None, compare=False)

    @property
    def fixed(self) -> bool:
        return self.kind in ("equal", "same")


@dataclass(frozen=True)
class Output:
    """A result.

    Attributes
    ----------
    type : ArrayType
    kind : {"array", "number", "python", "same"}
        What becomes of a result of the kernel; a number has shape ``()``. The last is none of the kernel's: it is `given`.
    given : object
    """

    type: ArrayType = _NOTHING
    kind: str = "array"
    given: Any = field(default=None, compare=False)

    @property
    def fixed(self) -> bool:
        return self.kind == "same"


@dataclass(frozen=True)
class Signature:
    """What an entry takes and gives.

    Attributes
    ----------
    inputs : tuple of Input
        The positional arguments.
    outputs : tuple of Output
    container : {"", "tuple", "list"}
        What holds the results; "" for the one result.
    workspace : int
        Bytes that the kernel needs.
    hosts : bool
        Whether the kernel calls Python.
    constants : bool
        Whether it reads a table of constant arrays.
    release : bool
        Whether the kernel works long enough to let other threads of Python run.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    container: str = ""
    workspace: int = 0
    hosts: bool = False
    release: bool = False
    constants: bool = False

    @property
    def keeps_workspace(self) -> bool:
        """Whether a workspace is kept with the function (symbols ``wg_workspace`` and ``wg_busy``)."""
        return self.workspace > _ON_STACK

    def given(self) -> dict[str, int]:
        """The addresses of the objects that the text names; they live as long as the signature."""
        found = {f"wg_given{k}": id(one.given) for k, one in enumerate(self.inputs) if one.fixed}
        return found | {f"wg_result{k}": id(one.given) for k, one in enumerate(self.outputs) if one.fixed}


class _Body:
    """Lines of the entry, with fresh names."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.count = 0

    def op(self, text: str) -> str:
        self.count += 1
        self.lines.append(f"  %v{self.count} = {text}")
        return f"%v{self.count}"

    def line(self, text: str) -> None:
        self.lines.append("  " + text)

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    def at(self, base: str, offset: int) -> str:
        return base if offset == 0 else self.op(f"getelementptr i8, ptr {base}, i64 {offset}")

    def load(self, kind: str, base: str, offset: int) -> str:
        return self.op(f"load {kind}, ptr {self.at(base, offset)}")

    def require(self, condition: str, otherwise: str) -> None:
        """Go on where a condition holds."""
        self.count += 1
        self.line(f"br i1 {condition}, label %go{self.count}, label %{otherwise}")
        self.label(f"go{self.count}")

    def equal(self, kind: str, a: str, b: Any, otherwise: str) -> None:
        self.require(self.op(f"icmp eq {kind} {a}, {b}"), otherwise)

    def incref(self, what: str) -> None:
        self.count += 1
        for text in incref(what, f"%r{self.count}"):
            self.line(text)


# ---------------------------------------------------------------- arguments


def _check_array(b: _Body, x: str, type: ArrayType) -> None:
    code = dtype_code(type.dtype)
    b.equal("i32", b.load("i32", x, 24), type.ndim, "slow")
    if type.ndim:
        dims = b.load("ptr", x, 32)
        for k, n in enumerate(type.shape):
            b.equal("i64", b.load("i64", dims, 8 * k), n, "slow")
    flags = b.op(f"and i32 {b.load('i32', x, 64)}, {_FLAGS}")
    b.equal("i32", flags, _FLAGS, "slow")
    descr = b.load("ptr", x, 56)
    same = b.op(f"icmp eq ptr {descr}, @wg_descr_{code}")
    b.count += 1
    done, look = f"go{b.count}", f"look{b.count}"
    b.line(f"br i1 {same}, label %{done}, label %{look}")
    b.label(look)  # an array that was unpickled has a copy of the dtype
    b.equal("i32", b.load("i32", descr, 28), np.dtype(code).num, "slow")
    order = b.load("i8", descr, 26)
    b.require(b.op(f"icmp ne i8 {order}, {ord('>')}"), "slow")  # little-endian machines only: see `supported`
    b.line(f"br label %{done}")
    b.label(done)


def _check_object(b: _Body, x: str, kind: str, wanted: str) -> None:
    if kind == "same":
        b.equal("ptr", x, wanted, "slow")
        return
    b.count += 1
    done, look, compare = (f"{name}{b.count}" for name in ("go", "look", "compare"))
    b.line(f"br i1 {b.op(f'icmp eq ptr {x}, {wanted}')}, label %{done}, label %{look}")
    b.label(look)
    same = b.op(f"icmp eq ptr {b.load('ptr', x, 8)}, {b.load('ptr', wanted, 8)}")
    b.line(f"br i1 {same}, label %{compare}, label %slow")
    b.label(compare)
    equal = b.op(f"call i32 @wg_PyObject_RichCompareBool(ptr {x}, ptr {wanted}, i32 2)")  # Py_EQ
    b.line(f"br i1 {b.op(f'icmp eq i32 {equal}, 1')}, label %{done}, label %slow")
    b.label(done)


def _check_inputs(b: _Body, inputs: Sequence[Input]) -> list[str]:
    """The objects that are given, once they are found to fit."""
    n = b.op("and i64 %nargsf, 9223372036854775807")
    b.equal("i64", n, len(inputs), "slow")
    b.equal("ptr", "%kwnames", "null", "slow")
    objects = []
    for k, one in enumerate(inputs):
        x = b.load("ptr", "%args", 8 * k)
        objects.append(x)
        if one.fixed:
            _check_object(b, x, one.kind, f"@wg_given{k}")
            continue
        wanted = _type_name(one)
        b.equal("ptr", b.load("ptr", x, 8), f"@{wanted}", "slow")
        if one.kind == "array":
            _check_array(b, x, one.type)
    return objects


def _type_name(one: Input) -> str:
    if one.kind == "array":
        return "wg_ndarray"
    if one.kind == "python":
        return "wg_complex" if one.type.dtype.kind == "c" else "wg_float"
    return f"wg_type_{dtype_code(one.type.dtype)}"


# ---------------------------------------------------------------- results


def _allocate(b: _Body, outputs: Sequence[Output]) -> dict[int, str]:
    """Arrays for the results, by position; the objects are in %made until they are given away."""
    made: dict[int, str] = {}
    for k, one in enumerate(outputs):
        if one.fixed:
            b.incref(f"@wg_result{k}")
            b.line(f"store ptr @wg_result{k}, ptr {b.at('%made', 8 * k)}")
        if one.kind != "array":
            continue
        descr = f"@wg_descr_{dtype_code(one.type.dtype)}"
        b.incref(descr)
        dims = f"@wg_shape{k}" if one.type.ndim else "null"
        x = b.op(f"call ptr @wg_PyArray_NewFromDescr(ptr @wg_ndarray, ptr {descr}, i32 {one.type.ndim}, ptr {dims}, ptr null, "
                 f"ptr null, i32 0, ptr null)")
        b.line(f"store ptr {x}, ptr {b.at('%made', 8 * k)}")
        b.require(b.op(f"icmp ne ptr {x}, null"), "broken")
        made[k] = x
    return made


def _number(b: _Body, one: Output, where: str) -> str:
    """A new object with the number that the kernel left at an address."""
    code = dtype_code(one.type.dtype)
    kind, size = code[0], one.type.dtype.itemsize
    if kind == "b":
        truth = b.op(f"icmp ne i8 {b.op(f'load i8, ptr {where}')}, 0")
        yes, no = ("@wg_True", "@wg_False") if one.kind == "python" else ("@wg_yes", "@wg_no")
        x = b.op(f"select i1 {truth}, ptr {yes}, ptr {no}")
        b.incref(x)
        return x
    if one.kind == "number":
        x = b.op(f"call ptr @wg_alloc_{code}(ptr @wg_type_{code}, i64 0)")
        b.require(b.op(f"icmp ne ptr {x}, null"), "broken")
        bits = b.op(f"load i{8 * size}, ptr {where}, align {min(size, 8)}")
        b.line(f"store i{8 * size} {bits}, ptr {b.at(x, 16)}, align {min(size, 8)}")
        return x
    if kind in "fc":
        half = size if kind == "f" else size // 2
        parts = [b.load("double" if half == 8 else "float", where, half * k) for k in range(size // half)]
        parts = [p if half == 8 else b.op(f"fpext float {p} to double") for p in parts]
        name = "wg_PyFloat_FromDouble" if kind == "f" else "wg_PyComplex_FromDoubles"
        x = b.op(f"call ptr @{name}({', '.join(f'double {p}' for p in parts)})")
    else:
        bits = b.op(f"load i{8 * size}, ptr {where}")
        wide = bits if size == 8 else b.op(f"{'sext' if kind == 'i' else 'zext'} i{8 * size} {bits} to i64")
        x = b.op(f"call ptr @{'wg_PyLong_FromLongLong' if kind == 'i' else 'wg_PyLong_FromUnsignedLongLong'}(i64 {wide})")
    b.require(b.op(f"icmp ne ptr {x}, null"), "broken")
    return x


def _results(b: _Body, signature: Signature, made: dict[int, str], slots: dict[int, str]) -> str:
    """The object to return."""
    objects = []
    for k, one in enumerate(signature.outputs):
        if k in made:
            objects.append(made[k])
            continue
        if one.fixed:
            objects.append(f"@wg_result{k}")
            continue
        x = _number(b, one, slots[k])
        b.line(f"store ptr {x}, ptr {b.at('%made', 8 * k)}")
        objects.append(x)
    if not signature.container:
        (only,) = objects
        return only
    new = "wg_PyTuple_New" if signature.container == "tuple" else "wg_PyList_New"
    holder = b.op(f"call ptr @{new}(i64 {len(objects)})")
    b.require(b.op(f"icmp ne ptr {holder}, null"), "broken")
    first = b.at(holder, tuple.__basicsize__) if signature.container == "tuple" or not objects else b.load("ptr", holder, 24)
    for k, x in enumerate(objects):
        b.line(f"store ptr {x}, ptr {b.at(first, 8 * k)}")
    return holder


# ---------------------------------------------------------------- the call of the kernel


def _workspace(b: _Body, signature: Signature) -> tuple[str, Callable[[], None]]:
    """The workspace, and what emits its release."""
    size = signature.workspace
    if not signature.keeps_workspace:
        return "%stack" if size else "null", lambda: None
    b.line("br label %claim")
    b.label("claim")
    exchanged = b.op("cmpxchg ptr @wg_busy, i64 0, i64 1 acquire monotonic")
    mine = b.op(f"extractvalue {{ i64, i1 }} {exchanged}, 1")
    b.line(f"br i1 {mine}, label %kept, label %other")
    b.label("other")
    raw = b.op(f"call ptr @wg_PyMem_RawMalloc(i64 {size + 64})")
    b.line(f"br i1 {b.op(f'icmp eq ptr {raw}, null')}, label %no_memory, label %fresh")
    b.label("fresh")
    number = b.op(f"add i64 {b.op(f'ptrtoint ptr {raw} to i64')}, 63")
    aligned = b.op(f"inttoptr i64 {b.op(f'and i64 {number}, -64')} to ptr")
    b.line("br label %kept")
    b.label("kept")
    where = b.op(f"phi ptr [ @wg_workspace, %claim ], [ {aligned}, %fresh ]")
    owned = b.op(f"phi ptr [ null, %claim ], [ {raw}, %fresh ]")

    def release() -> None:
        b.line(f"br i1 {b.op(f'icmp eq ptr {owned}, null')}, label %give_back, label %free")
        b.label("give_back")
        b.line("store atomic i64 0, ptr @wg_busy release, align 8")
        b.line("br label %released")
        b.label("free")
        b.line(f"call void @wg_PyMem_RawFree(ptr {owned})")
        b.line("br label %released")
        b.label("released")

    return where, release


def _kernel(b: _Body, signature: Signature, objects: list[str], made: dict[int, str]) -> dict[int, str]:
    """Call the kernel; where it leaves the numbers among its results."""
    computed = [k for k, one in enumerate(signature.outputs) if not one.fixed]
    slots = {k: f"%slot{k}" for k in computed if k not in made}
    taken = [(x, one) for x, one in zip(objects, signature.inputs, strict=True) if not one.fixed]
    for n, (x, one) in enumerate(taken):
        data = b.load("ptr", x, 16) if one.kind == "array" else b.at(x, 16)
        b.line(f"store ptr {data}, ptr {b.at('%in', 8 * n)}")
    for n, k in enumerate(computed):
        data = b.load("ptr", made[k], 16) if k in made else slots[k]
        b.line(f"store ptr {data}, ptr {b.at('%out', 8 * n)}")
    where, release = _workspace(b, signature)
    b.line(f"store ptr {where}, ptr %env")
    b.line(f"store ptr {'@wg_hosts' if signature.hosts else 'null'}, ptr {b.at('%env', 8)}")
    b.line(f"store ptr @wg_poll, ptr {b.at('%env', 16)}")
    b.line(f"store ptr {'@wg_constants' if signature.constants else 'null'}, ptr {b.at('%env', 24)}")
    state = b.op("call ptr @wg_PyEval_SaveThread()") if signature.release else ""
    status = b.op("call i64 @kernel(ptr %in, ptr %out, ptr %env)")
    if state:
        b.line(f"call void @wg_PyEval_RestoreThread(ptr {state})")
    release()
    b.line(f"store i64 {status}, ptr %status")
    b.equal("i64", status, 0, "failed")
    return slots


# ---------------------------------------------------------------- the whole

_DECLARED = {
    "PyArray_NewFromDescr": "ptr (ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)", "PyFloat_FromDouble": "ptr (double)",
    "PyComplex_FromDoubles": "ptr (double, double)", "PyLong_FromLongLong": "ptr (i64)",
    "PyLong_FromUnsignedLongLong": "ptr (i64)", "PyTuple_New": "ptr (i64)", "PyList_New": "ptr (i64)",
    "PyMem_RawMalloc": "ptr (i64)", "PyMem_RawFree": "void (ptr)", "PyEval_SaveThread": "ptr ()",
    "PyEval_RestoreThread": "void (ptr)", "Py_IncRef": "void (ptr)", "Py_DecRef": "void (ptr)", "PyErr_NoMemory": "ptr ()",
    "PyErr_Occurred": "ptr ()", "PyObject_RichCompareBool": "i32 (ptr, ptr, i32)", "failed": "ptr (ptr, ptr, i64, ptr)",
    "unchanged": "i64 (ptr)", "poll": "i64 ()",
}
_PER_FUNCTION = r"wg_(workspace|busy|hosts|constants|given\d+|result\d+)"  # addresses that are known to who links


def _used(text: str) -> list[str]:
    found = dict.fromkeys(re.findall(r"@(wg_\w+)", text))
    return [name for name in found if not re.fullmatch(r"wg_shape\d+", name)]


def _declarations(text: str, signature: Signature) -> list[str]:
    lines = []
    for name in _used(text):
        bare = name.removeprefix("wg_")
        if bare in _DECLARED or bare.startswith("alloc_"):
            result, _, rest = _DECLARED.get(bare, "ptr (ptr, i64)").partition(" ")
            lines.append(f"declare {result} @{name}{rest}")
        else:
            lines.append(f"@{name} = external global i8")
    for k, one in enumerate(signature.outputs):
        if one.kind == "array" and one.type.ndim:
            dims = ", ".join(f"i64 {n}" for n in one.type.shape)
            lines.append(f"@wg_shape{k} = private constant [{one.type.ndim} x i64] [{dims}]")
    return lines


def _stack(signature: Signature) -> list[str]:
    """What lies on the stack."""
    ins, outs = max(len(signature.inputs), 1), max(len(signature.outputs), 1)
    lines = [f"  %in = alloca [{ins} x ptr]", f"  %out = alloca [{outs} x ptr]", f"  %made = alloca [{outs} x ptr]",
             "  %env = alloca [4 x ptr]", "  %status = alloca i64"]
    lines += [f"  %slot{k} = alloca [16 x i8], align 16" for k, one in enumerate(signature.outputs)
              if one.kind != "array" and not one.fixed]
    if signature.workspace and not signature.keeps_workspace:
        lines.append(f"  %stack = alloca [{signature.workspace} x i8], align 64")
    return lines


def _endings(b: _Body, signature: Signature) -> None:
    """What happens where the arguments do not fit, something has changed, the kernel fails, or there is no memory."""
    b.label("slow")
    b.line(f"%miss = inttoptr i64 {MISS} to ptr")
    b.line("ret ptr %miss")
    if signature.keeps_workspace:
        b.label("no_memory")
        b.line("call ptr @wg_PyErr_NoMemory()")
        b.line("br label %broken")
    b.label("failed")
    b.line("%status_now = load i64, ptr %status")
    b.line("%pending = call ptr @wg_PyErr_Occurred()")
    b.line("%is_pending = icmp ne ptr %pending, null")
    b.line("br label %drop")
    b.label("broken")
    b.line("br label %drop")
    b.label("drop")
    b.line("%raises = phi i1 [ %is_pending, %failed ], [ true, %broken ]")
    b.line("%why = phi i64 [ %status_now, %failed ], [ 0, %broken ]")
    for k in range(len(signature.outputs)):
        x = b.load("ptr", "%made", 8 * k)
        b.line(f"br i1 {b.op(f'icmp eq ptr {x}, null')}, label %gone{k}, label %drop{k}")
        b.label(f"drop{k}")
        b.line(f"call void @wg_Py_DecRef(ptr {x})")
        b.line(f"br label %gone{k}")
        b.label(f"gone{k}")
    b.line("br i1 %raises, label %raise, label %report")
    b.label("raise")
    b.line("ret ptr null")
    b.label("report")
    b.line("%reason = inttoptr i64 %why to ptr")
    b.line("%reported = call ptr @wg_failed(ptr %self, ptr %args, i64 %nargsf, ptr %reason)")
    b.line("ret ptr %reported")


def entry_text(signature: Signature) -> str:
    """The text of ``@entry``, to stand in one module with ``@kernel``.

    Parameters
    ----------
    signature : Signature

    Returns
    -------
    str
        It holds no addresses: `entry_symbols` gives those of its outer names.
    """
    b = _Body()
    b.label("begin")
    b.lines += _stack(signature)
    objects = _check_inputs(b, signature.inputs)
    for k in range(len(signature.outputs)):
        b.line(f"store ptr null, ptr {b.at('%made', 8 * k)}")
    b.line(f"br i1 {b.op('icmp eq ptr %table, null')}, label %run, label %table_look")
    b.label("table_look")
    same = b.op("call i64 @wg_unchanged(ptr %table)")
    b.line(f"br i1 {b.op(f'icmp ne i64 {same}, 0')}, label %run, label %slow")
    b.label("run")
    made = _allocate(b, signature.outputs)
    slots = _kernel(b, signature, objects, made)
    result = _results(b, signature, made, slots)
    b.line(f"ret ptr {result}")
    _endings(b, signature)
    body = "\n".join(b.lines)
    head = "define ptr @entry(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames, ptr %table) {"
    return "\n".join([*_declarations(body, signature), head, body, "}", ""])


def entry_symbols(text: str) -> dict[str, int]:
    """The addresses of the outer names of an entry's text, but for those of one function (see `native.install`)."""
    found = {name: 0 for name in _used(text) if not re.fullmatch(_PER_FUNCTION, name)}
    for name in found:
        found[name] = id(np.True_) if name == "wg_yes" else id(np.False_) if name == "wg_no" else address(name)
    return found
