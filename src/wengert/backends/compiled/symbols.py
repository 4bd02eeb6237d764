"""Addresses of outer functions that compiled code calls by name.

What comes in: a name. What goes out: its address in this process. The one idea: machine code on disk holds names only, and a
name says all that is needed to find the address again.

- ``_ZGV...``: a vector function of glibc's libmvec; plain names of mathematics: the C library.
- ``wg_special_NAME``: the function of doubles of that name in ``scipy.special.cython_special``.
- ``wg_loop_LIBRARY_NAME_TYPES`` and ``wg_data_...``: the inner loop of a ufunc and its last argument, from the fields that
  NumPy documents for ``PyUFuncObject``; LIBRARY is ``numpy`` or ``scipy``, TYPES the characters of operands and results
  (``dd_d``), with ``T`` for booleans.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import sys
from typing import Any

import numpy as np

__all__ = ["address", "found", "ufunc_called", "ufunc_index"]


@functools.cache
def _library(name: str) -> Any:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def _exported(library: Any, name: str) -> int:
    """The address of a function that a library exports, or 0."""
    try:
        return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
    except AttributeError:
        return 0


@functools.cache
def _mathematics() -> Any:
    return _library("libm.so.6") or _library(ctypes.util.find_library("m") or "") or ctypes.CDLL(None)


# ---------------------------------------------------------------- functions of doubles from SciPy

def _capsule(capsule: Any) -> tuple[str, int]:
    """The C signature and the address in an entry of a Cython module's public table."""
    name, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    signature = name(capsule)
    return signature.decode(), pointer(capsule, signature)


def _special(name: str) -> int:
    """The function from doubles to a double, of the several that a fused name stands for; 0 if there is none."""
    import scipy.special.cython_special as module
    for key in (name, *[f"__pyx_fuse_{k}{name}" for k in range(3)]):
        if key in module.__pyx_capi__:
            signature, pointer = _capsule(module.__pyx_capi__[key])
            kind, _, rest = signature.partition(" (")
            operands = rest.rstrip(")").split(", ")
            if operands[-1] == "int __pyx_skip_dispatch" and {kind, *operands[:-1]} == {"double"}:
                return pointer
    return 0


# ---------------------------------------------------------------- loops of ufuncs

class _UfuncHead(ctypes.Structure):
    """The first fields of ``PyUFuncObject``, which NumPy's C interface lays down."""

    _fields_ = [("head", ctypes.c_char * object.__basicsize__), ("nin", ctypes.c_int), ("nout", ctypes.c_int),
                ("nargs", ctypes.c_int), ("identity", ctypes.c_int), ("functions", ctypes.POINTER(ctypes.c_void_p)),
                ("data", ctypes.POINTER(ctypes.c_void_p)), ("ntypes", ctypes.c_int)]


def ufunc_called(library: str, name: str) -> np.ufunc | None:
    """A ufunc of ``numpy`` or ``scipy`` (that is, ``scipy.special``)."""
    if library == "numpy":
        found = getattr(np, name, None)
    else:
        import scipy.special
        found = getattr(scipy.special, name, None)
        if not isinstance(found, np.ufunc):
            found = getattr(scipy.special._ufuncs, name, None)
    return found if isinstance(found, np.ufunc) else None


def ufunc_index(ufunc: np.ufunc, types: str) -> int | None:
    """Which of a ufunc's loops has these types (``dd_d``), if its fields can be read and it is there."""
    if sys.implementation.name != "cpython" or object.__basicsize__ != 2 * ctypes.sizeof(ctypes.c_void_p):
        return None
    signature = types.replace("_", "->")
    head = _UfuncHead.from_address(id(ufunc))
    if (head.nin, head.nout, head.nargs) != (ufunc.nin, ufunc.nout, ufunc.nargs) or head.ntypes != len(ufunc.types):
        return None
    k = ufunc.types.index(signature) if signature in ufunc.types else None
    return k if k is not None and head.functions[k] else None


def _of_ufunc(name: str) -> int:
    _, what, library, rest = name.split("_", 3)
    called, operands, results = rest.rsplit("_", 2)
    ufunc = ufunc_called(library, called)
    types = f"{operands}_{results}".replace("T", "?")
    k = None if ufunc is None else ufunc_index(ufunc, types)
    if ufunc is None or k is None:
        return 0
    head = _UfuncHead.from_address(id(ufunc))
    return (head.functions[k] if what == "loop" else head.data[k] if head.data else 0) or 0


# ---------------------------------------------------------------- by name

@functools.cache
def found(name: str) -> int:
    """The address of an outer function, or 0."""
    if name.startswith("_ZGV"):
        return _exported(_library("libmvec.so.1"), name) if _library("libmvec.so.1") else 0
    if name.startswith("wg_special_"):
        return _special(name.removeprefix("wg_special_"))
    if name.startswith(("wg_loop_", "wg_data_")):
        return _of_ufunc(name)
    return _exported(_mathematics(), name)


def address(name: str) -> int:
    """The address of an outer function.

    Raises
    ------
    KeyError
        This process has none of that name (nor a null `wg_data_...`, which is 0).
    """
    if not (value := found(name)) and not name.startswith("wg_data_"):
        raise KeyError(name)
    return value
