"""Types whose instances hold words.

What comes in: a name, and the words that an instance has. What goes out: a type. The one idea: Python's own `PyType_FromSpec`,
called through `ctypes`, makes types that no class statement makes: with memory that is no object, and unseen by the garbage
collector.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["HAVE_VECTORCALL", "POSSIBLE", "heap_type"]

HAVE_VECTORCALL = 1 << 11  # Py_TPFLAGS_HAVE_VECTORCALL
_DEFAULT, _BASETYPE = 1 << 18, 1 << 10
_TP_MEMBERS, _T_ULONGLONG, _T_PYSSIZET, _READONLY = 72, 18, 19, 1
POSSIBLE = sys.implementation.name == "cpython" and ctypes.sizeof(ctypes.c_void_p) == 8


class _Member(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("type", ctypes.c_int), ("offset", ctypes.c_ssize_t), ("flags", ctypes.c_int),
                ("doc", ctypes.c_char_p)]


class _Slot(ctypes.Structure):
    _fields_ = [("slot", ctypes.c_int), ("value", ctypes.c_void_p)]


class _Spec(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("size", ctypes.c_int), ("item", ctypes.c_int), ("flags", ctypes.c_uint),
                ("slots", ctypes.POINTER(_Slot))]


_KEPT: list[Any] = []  # what a type may go on pointing to


def heap_type(name: str, words: Mapping[str, int], vectorcall: int | None = None) -> Any:
    """A type whose instances hold words, as attributes that are whole numbers, at first 0.

    Parameters
    ----------
    name : str
        With its module.
    words : mapping of str to int
        The name of each, and where it lies in an instance (from 16 on, by eights).
    vectorcall : int, optional
        Which of them is the pointer that Python follows when an instance is called.
    """
    rows = [_Member(one.encode(), _T_ULONGLONG, offset, 0, None) for one, offset in words.items()]
    if vectorcall is not None:
        rows.append(_Member(b"__vectorcalloffset__", _T_PYSSIZET, vectorcall, _READONLY, None))
    members = (_Member * (len(rows) + 1))(*rows)
    slots = (_Slot * 2)(_Slot(_TP_MEMBERS, ctypes.addressof(members)), _Slot(0, None))
    flags = _DEFAULT | _BASETYPE | (0 if vectorcall is None else HAVE_VECTORCALL)
    spec = _Spec(name.encode(), max(words.values()) + 8, 0, flags, slots)
    _KEPT.extend((members, slots, spec))
    return ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p)(("PyType_FromSpec", ctypes.pythonapi))(ctypes.addressof(spec))
