"""What compiled code needs of CPython and NumPy: addresses by name, the layout of objects, and a few functions of its own.

What comes in: names. What goes out: addresses, for `machine.load`. The one idea: compiled text calls everything outside by a
name that begins with ``wg_``, so it never clashes with what a kernel declares; and the layout of the objects that it looks
into is checked once per process against the objects themselves, so that a build of Python that differs runs the ordinary path
instead.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import sysconfig
from typing import Any

import numpy as np

from wengert.backends.compiled import machine
from wengert.backends.compiled.native import KEEPER, ROWS

__all__ = ["MISS", "address", "dtype_code", "incref", "offsets_of", "supported", "support", "word"]

# Of NumPy's table of C functions.
_NUMPY = {"PyArray_NewFromDescr": 94}
_OBJECTS: dict[str, Any] = {
    "ndarray": np.ndarray, "float": float, "complex": complex, "True": True, "False": False, "None": None,
    "name_call": sys.intern("__call__"), "name_failed": sys.intern("_failed"),
}
_DTYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "c8", "c16")
_TP_ALLOC = 47  # Py_tp_alloc
MISS = 1  # what an entry gives in place of an object where it is not the one for a call


def word(where: int) -> int:
    """The word at an address."""
    return ctypes.c_size_t.from_address(where).value


def dtype_code(dtype: np.dtype[Any]) -> str:
    """``f8``, ``c16``, ``b1``."""
    return f"{dtype.kind}{dtype.itemsize}"


@functools.cache
def _numpy_table() -> int:
    from numpy._core import _multiarray_umath  # type: ignore[attr-defined]

    get = ctypes.pythonapi.PyCapsule_GetPointer
    prototype = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    return int(prototype(ctypes.cast(get, ctypes.c_void_p).value or 0)(_multiarray_umath._ARRAY_API, None))


@functools.cache
def address(name: str) -> int:
    """The address of an outer name of compiled text.

    ``wg_PyFloat_FromDouble`` is a function of Python's C API, ``wg_PyArray_NewFromDescr`` of NumPy's; ``wg_descr_f8``,
    ``wg_type_f8`` and ``wg_alloc_f8`` are the dtype, the type of its numbers, and what allocates one; ``wg_ndarray``,
    ``wg_float`` and the like are objects; ``wg_slow`` and the like come from `support`.
    """
    bare = name.removeprefix("wg_")
    if bare in _SUPPORT:
        return support().address(bare)
    if bare in _OBJECTS:
        return id(_OBJECTS[bare])
    if bare in _NUMPY:
        return word(_numpy_table() + 8 * _NUMPY[bare])
    kind, _, code = bare.partition("_")
    if code in _DTYPES:
        dtype = np.dtype(code)
        if kind == "descr":
            return id(dtype)
        if kind == "type":
            return id(dtype.type)
        if kind == "alloc":
            slot = ctypes.pythonapi.PyType_GetSlot
            prototype = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_int)
            return int(prototype(ctypes.cast(slot, ctypes.c_void_p).value or 0)(dtype.type, _TP_ALLOC))
    return ctypes.cast(getattr(ctypes.pythonapi, bare), ctypes.c_void_p).value or 0


def incref(what: str, fresh: str) -> tuple[str, ...]:
    """Lines that take a reference on an object that may be immortal; `fresh` makes names for them."""
    if sys.version_info >= (3, 12):
        return (f"call void @wg_Py_IncRef(ptr {what})",)
    return f"{fresh}a = load i64, ptr {what}", f"{fresh}b = add i64 {fresh}a, 1", f"store i64 {fresh}b, ptr {what}"


# ---------------------------------------------------------------- layout


def offsets_of(x: Any, what: int, size: int) -> int | None:
    """Where in the first `size` bytes of an object a word is found, after its header."""
    return next((k for k in range(16, size, 8) if word(id(x) + k) == what), None)


@machine.once
def supported() -> bool:
    """Whether objects have the layout that compiled entries rely on."""
    if sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_void_p) != 8 or sys.byteorder != "little":
        return False
    if sysconfig.get_config_var("Py_GIL_DISABLED") or sysconfig.get_config_var("Py_TRACE_REFS"):
        return False
    if np.lib.NumpyVersion(np.__version__) < "2.0.0":
        return False
    return _array_layout() and _number_layout()


def _array_layout() -> bool:
    a, other = np.arange(6.0).reshape(2, 3), np.dtype(">f8")  # held while they are looked at
    at = id(a)
    dims = word(at + 32)
    descr = id(a.dtype)
    number = ctypes.c_int.from_address(descr + 28).value
    swapped = ctypes.c_char.from_address(id(other) + 26).value
    before = ctypes.c_uint32.from_address(at).value
    again = [a]
    counted = ctypes.c_uint32.from_address(at).value == before + 1 and again[0] is a
    return (counted and word(at + 8) == id(np.ndarray) and word(at + 16) == a.ctypes.data
            and ctypes.c_int.from_address(at + 24).value == 2 and word(dims) == 2 and word(dims + 8) == 3
            and word(word(at + 40)) == 24 and word(word(at + 40) + 8) == 8
            and word(at + 56) == descr and ctypes.c_int.from_address(at + 64).value == a.flags.num
            and a.flags.num & 0x101 == 0x101 and number == a.dtype.num and swapped == b">"
            and ctypes.c_char.from_address(descr + 26).value == b"=")


def _number_layout() -> bool:
    for code in _DTYPES:
        x = np.dtype(code).type(1)
        if ctypes.string_at(id(x) + 16, x.dtype.itemsize) != x.tobytes():
            return False
    x, z, pair, listed = 1.5, 2.5 - 1j, (None, 7), [None, 7]
    cell = (lambda: pair).__closure__
    first = tuple.__basicsize__
    return (ctypes.c_double.from_address(id(x) + 16).value == 1.5 and word(id(pair) + 16) == 2
            and word(id(pair) + first) == id(None) and word(id(pair) + first + 8) == id(7)
            and word(word(id(listed) + 24) + 8) == id(7) and cell is not None and word(id(cell[0]) + 16) == id(pair)
            and ctypes.string_at(id(z) + 16, 16) == np.complex128(z).tobytes())


# ---------------------------------------------------------------- functions that every entry shares

_SUPPORT = ("enter", "failed", "unchanged", "poll")
_USED = ("PyObject_VectorcallMethod", "Py_DecRef", "PyErr_Clear", "PyErr_CheckSignals", "PyErr_Occurred", "PyLong_FromLongLong",
         "PyDict_GetItemWithError", "PyObject_GetAttr", "PyContextVar_Get", "PyGILState_Ensure", "PyGILState_Release", "memcmp")

_TEXT = """
@wg_name_call = external global i8
@wg_name_failed = external global i8
declare ptr @wg_PyObject_VectorcallMethod(ptr, ptr, i64, ptr)
declare void @wg_Py_DecRef(ptr)
declare void @wg_PyErr_Clear()
declare i32 @wg_PyErr_CheckSignals()
declare ptr @wg_PyLong_FromLongLong(i64)
declare ptr @wg_PyDict_GetItemWithError(ptr, ptr)
declare ptr @wg_PyObject_GetAttr(ptr, ptr)
declare i32 @wg_PyContextVar_Get(ptr, ptr, ptr)
declare i32 @wg_PyGILState_Ensure()
declare void @wg_PyGILState_Release(i32)
declare i32 @wg_memcmp(ptr, ptr, i64)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

; what Python follows: the entries in turn, until the arguments fit one, unless the garbage collector has taken away what keeps
; them. The keeper is referenced, so that no call of Python can free the code that is running; this code is never freed.
define ptr @enter(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames) {
  %keeper_p = getelementptr i8, ptr %self, i64 KEEPER
  %keeper = load ptr, ptr %keeper_p
  %gone = icmp eq ptr %keeper, null
  br i1 %gone, label %plain, label %native
native:
  %count = load i32, ptr %keeper ; the lower half of the count of references, in every version of Python
  %more = add i32 %count, 1
  store i32 %more, ptr %keeper
  %rows_p = getelementptr i8, ptr %keeper, i64 ROWS
  %rows = load ptr, ptr %rows_p
  %n = load i64, ptr %rows
  %first = getelementptr i8, ptr %rows, i64 8
  br label %head
head:
  %i = phi i64 [ 0, %native ], [ %next, %body ]
  %left = icmp ult i64 %i, %n
  br i1 %left, label %body, label %none
body:
  %row = getelementptr {ptr, ptr}, ptr %first, i64 %i
  %entry = load ptr, ptr %row
  %table_p = getelementptr i8, ptr %row, i64 8
  %table = load ptr, ptr %table_p
  %r = call ptr %entry(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames, ptr %table)
  %next = add i64 %i, 1
  %miss = icmp eq ptr %r, inttoptr (i64 MISS to ptr)
  br i1 %miss, label %head, label %done
done:
  call void @leave(ptr %keeper)
  ret ptr %r
none:
  call void @leave(ptr %keeper)
  br label %plain
plain:
  %s = musttail call ptr @slow(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames)
  ret ptr %s
}

; self.__call__(*args, **kwargs), as Python has it
define internal ptr @slow(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames) {
  %n = and i64 %nargsf, 9223372036854775807
  %none = icmp eq ptr %kwnames, null
  br i1 %none, label %ready, label %named
named:
  %size_p = getelementptr i8, ptr %kwnames, i64 16
  %size = load i64, ptr %size_p
  br label %ready
ready:
  %k = phi i64 [ 0, %0 ], [ %size, %named ]
  %given = add i64 %n, %k
  %all = add i64 %given, 1
  %room = alloca ptr, i64 %all
  store ptr %self, ptr %room
  %rest = getelementptr ptr, ptr %room, i64 1
  %bytes = mul i64 %given, 8
  call void @llvm.memcpy.p0.p0.i64(ptr %rest, ptr %args, i64 %bytes, i1 false)
  %n1 = add i64 %n, 1
  %r = call ptr @wg_PyObject_VectorcallMethod(ptr @wg_name_call, ptr %room, i64 %n1, ptr %kwnames)
  ret ptr %r
}

; self._failed(status, *args)
define ptr @failed(ptr %self, ptr %args, i64 %nargsf, ptr %status) {
  %n = and i64 %nargsf, 9223372036854775807
  %n2 = add i64 %n, 2
  %number = ptrtoint ptr %status to i64
  %long = call ptr @wg_PyLong_FromLongLong(i64 %number)
  %bad = icmp eq ptr %long, null
  br i1 %bad, label %out, label %go
go:
  %room = alloca ptr, i64 %n2
  store ptr %self, ptr %room
  %second = getelementptr ptr, ptr %room, i64 1
  store ptr %long, ptr %second
  %rest = getelementptr ptr, ptr %room, i64 2
  %bytes = mul i64 %n, 8
  call void @llvm.memcpy.p0.p0.i64(ptr %rest, ptr %args, i64 %bytes, i1 false)
  %r = call ptr @wg_PyObject_VectorcallMethod(ptr @wg_name_failed, ptr %room, i64 %n2, ptr null)
  call void @wg_Py_DecRef(ptr %long)
  ret ptr %r
out:
  ret ptr null
}

; the reference on what keeps the code alive is given back
define internal void @leave(ptr %keeper) {
  %count = load i32, ptr %keeper
  %last = icmp eq i32 %count, 1
  br i1 %last, label %free, label %lower
lower:
  %less = sub i32 %count, 1
  store i32 %less, ptr %keeper
  ret void
free:
  call void @wg_Py_DecRef(ptr %keeper)
  ret void
}

; asked for by long loops, with the lock of the interpreter or without
define i64 @poll() {
  %state = call i32 @wg_PyGILState_Ensure()
  %r = call i32 @wg_PyErr_CheckSignals()
  call void @wg_PyGILState_Release(i32 %state)
  %out = sext i32 %r to i64
  ret i64 %out
}

; whether everything in a table is found as it was; rows of (what, a, b, expected): see `native.Table`
define i64 @unchanged(ptr %table) {
  %value_p = alloca ptr
  %count = load i64, ptr %table
  %first = getelementptr i8, ptr %table, i64 32
  br label %head
head:
  %i = phi i64 [ 0, %0 ], [ %next, %tail ]
  %guard = phi ptr [ null, %0 ], [ %guarded, %tail ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %body, label %good
body:
  %row = getelementptr {i64, ptr, ptr, ptr}, ptr %first, i64 %i
  %what = load i64, ptr %row
  %a_p = getelementptr i8, ptr %row, i64 8
  %a = load ptr, ptr %a_p
  %b_p = getelementptr i8, ptr %row, i64 16
  %b = load ptr, ptr %b_p
  %e_p = getelementptr i8, ptr %row, i64 24
  %e = load ptr, ptr %e_p
  switch i64 %what, label %bad [ i64 0, label %word i64 1, label %version i64 2, label %item i64 3, label %attribute
                                 i64 4, label %context i64 5, label %bytes i64 6, label %modes ]
word:
  %w = load ptr, ptr %a
  %w_ok = icmp eq ptr %w, %e
  br i1 %w_ok, label %tail, label %bad
version:
  %v = load ptr, ptr %a
  %v_ok = icmp eq ptr %v, %e
  br i1 %v_ok, label %skip, label %watch
skip:
  %skipped = ptrtoint ptr %b to i64
  br label %tail
watch:
  store ptr %v, ptr %e_p
  br label %tail
item:
  %x = call ptr @wg_PyDict_GetItemWithError(ptr %a, ptr %b)
  %x_ok = icmp eq ptr %x, %e
  br i1 %x_ok, label %tail, label %bad
attribute:
  %y = call ptr @wg_PyObject_GetAttr(ptr %a, ptr %b)
  %y_null = icmp eq ptr %y, null
  br i1 %y_null, label %bad, label %got
context:
  store ptr null, ptr %value_p
  %status = call i32 @wg_PyContextVar_Get(ptr %a, ptr null, ptr %value_p)
  %z = load ptr, ptr %value_p
  %z_null = icmp eq ptr %z, null
  br i1 %z_null, label %bad, label %got
bytes:
  %size = ptrtoint ptr %b to i64
  %differ = call i32 @wg_memcmp(ptr %a, ptr %e, i64 %size)
  %bytes_ok = icmp eq i32 %differ, 0
  br i1 %bytes_ok, label %tail, label %bad
modes:
  store ptr null, ptr %value_p
  %found = call i32 @wg_PyContextVar_Get(ptr %a, ptr null, ptr %value_p)
  %state = load ptr, ptr %value_p
  %state_null = icmp eq ptr %state, null
  br i1 %state_null, label %bad, label %state_got
state_got:
  %held_p = getelementptr i8, ptr %state, i64 16
  %held = load ptr, ptr %held_p
  %mask32 = load i32, ptr %held
  %mask = zext i32 %mask32 to i64
  call void @wg_Py_DecRef(ptr %state)
  %forbidden = ptrtoint ptr %e to i64
  %bits = and i64 %mask, %forbidden
  %modes_ok = icmp eq i64 %bits, 0
  br i1 %modes_ok, label %tail, label %bad
got:
  %u = phi ptr [ %y, %attribute ], [ %z, %context ]
  call void @wg_Py_DecRef(ptr %u)
  %u_ok = icmp eq ptr %u, %e
  br i1 %u_ok, label %tail, label %bad
tail:
  %jump = phi i64 [ 0, %word ], [ %skipped, %skip ], [ 0, %watch ], [ 0, %item ], [ 0, %bytes ], [ 0, %state_got ],
                   [ 0, %got ]
  %guarded = phi ptr [ %guard, %word ], [ %guard, %skip ], [ %e_p, %watch ], [ %guard, %item ], [ %guard, %bytes ],
                    [ %guard, %state_got ], [ %guard, %got ]
  %step = add i64 %i, 1
  %next = add i64 %step, %jump
  br label %head
bad:
  call void @wg_PyErr_Clear()
  %open = icmp ne ptr %guard, null
  br i1 %open, label %reset, label %no
reset:
  store ptr inttoptr (i64 -1 to ptr), ptr %guard
  br label %no
no:
  ret i64 0
good:
  ret i64 1
}
"""


@machine.once
def support() -> machine.Library:
    """The functions that entries share; they live as long as the process."""
    text = _TEXT.replace("KEEPER", str(KEEPER)).replace("ROWS", str(ROWS)).replace("MISS", str(MISS))
    return machine.load(text, {f"wg_{name}": address(f"wg_{name}") for name in (*_USED, "name_call", "name_failed")},
                        optimize=True, names=_SUPPORT)
