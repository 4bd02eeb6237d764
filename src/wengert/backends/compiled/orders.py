"""NumPy's own C functions that sort a row and find its extremes.

What comes in: a name and a dtype. What goes out: the address of a function that works on plain memory. The one idea: NumPy
keeps a table of such functions per dtype and hands it out through its C interface; a function is used only after it has given
the same result as NumPy on a trial with ties and NaN, so that even the order of equal elements is NumPy's.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
from typing import Any

import numpy as np

from wengert.backends.compiled.code import Code

__all__ = ["call_row", "row_function"]

_GET_TABLE = 365  # the place of PyDataType_GetArrFuncs in NumPy's C interface, from version 2 on
_PLACES = {"argmax": 26, "sort_quicksort": 33, "sort_heapsort": 34, "sort_stable": 35, "argsort_quicksort": 36,
           "argsort_heapsort": 37, "argsort_stable": 38, "argmin": 46}
_KINDS = {"mergesort": "stable"}
_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


def row_function(name: str, dtype: np.dtype[Any], kind: str = "") -> int:
    """The address of ``sort``, ``argsort`` (of a kind), ``argmax`` or ``argmin`` for a dtype; 0 if there is none to trust."""
    return _found(f"{name}_{_KINDS.get(kind, kind)}" if kind else name, dtype)


@functools.lru_cache(maxsize=256)
def _found(name: str, dtype: np.dtype[Any]) -> int:
    if dtype.kind not in "fciub" or not dtype.isnative or name not in _PLACES or np.lib.NumpyVersion(np.__version__) < "2.0.0":
        return 0
    try:
        capsule = importlib.import_module("numpy._core._multiarray_umath")._ARRAY_API
    except (ImportError, AttributeError):
        return 0
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    interface = ctypes.cast(pointer(capsule, None), ctypes.POINTER(ctypes.c_void_p))
    table = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)(interface[_GET_TABLE])(dtype)
    if not table:
        return 0
    address = ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))[_PLACES[name]] or 0
    return address if address and _agrees(name, dtype, address) else 0


def _agrees(name: str, dtype: np.dtype[Any], address: int) -> bool:
    x = (np.arange(60) * 37 % 23).astype(dtype)
    if dtype.kind in "fc":
        x[[5, 40]] = np.nan
    word, _, rest = name.partition("_")
    kind: Any = rest
    keys, places = x.copy(), np.arange(x.size)
    function = _FUNCTION(address)
    if word == "sort":
        function(keys.ctypes.data, x.size, None, None)
        return bool(np.array_equal(keys, np.sort(x, kind=kind), equal_nan=dtype.kind in "fc"))
    if word == "argsort":
        function(keys.ctypes.data, places.ctypes.data, x.size, None)
        return bool(np.array_equal(places, np.argsort(x, kind=kind)))
    function(keys.ctypes.data, x.size, places.ctypes.data, None)
    return int(places[0]) == int(getattr(np, word)(x))


def call_row(code: Code, name: str, dtype: np.dtype[Any], kind: str, row: str, n: int, places: str = "") -> None:
    """Call a function on a row of n elements; `places` is where argsort orders integers, or where the place goes."""
    symbol = f"wg_{name}_{dtype.kind}{dtype.itemsize}" + (f"_{kind}" if kind else "")
    code.module.symbols[symbol] = row_function(name, dtype, kind)
    args = {"sort": [f"i64 {n}", "ptr null"], "argsort": [f"ptr {places}", f"i64 {n}", "ptr null"]}.get(
        name, [f"i64 {n}", f"ptr {places}", "ptr null"])
    code.module.declare(f"declare i32 @{symbol}(ptr, {', '.join([a.split()[0] for a in args])})")
    code.line(f"call i32 @{symbol}(ptr {row}, {', '.join(args)})")
