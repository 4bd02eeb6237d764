"""Calls of BLAS and LAPACK.

What comes in: the name of a routine, a dtype and arguments. What goes out: a call whose scalars lie in constants of the module,
and the routine's address in the module's symbols. The one idea: every integer is kept in eight bytes, of which a routine with
four-byte integers reads the lower half, so that one text serves both; only arrays of integers (pivots) know the difference.

The routines are those that NumPy's linear algebra is linked with; if they cannot be found, those that SciPy hands out.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from wengert.backends.compiled.code import Code, element, literal
from wengert.settings import config

__all__ = ["Routine", "call", "constant_of", "letter", "one_thread", "query", "routine", "threads"]

_FORMS = (("scipy_{}_64_", 8), ("{}_64_", 8), ("{}64_", 8), ("scipy_{}_", 4), ("{}_", 4))
_LETTERS = {"f8": "d", "f4": "s", "c16": "z", "c8": "c"}


class Routine:
    """An outer routine: its name in the module, its address, and the bytes of its integers."""

    __slots__ = ("address", "integer", "name")

    def __init__(self, name: str, address: int, integer: int):
        self.name, self.address, self.integer = name, address, integer


def letter(dtype: np.dtype[Any]) -> str:
    """The letter of BLAS for a dtype, or "" if it has none."""
    return _LETTERS.get(f"{dtype.kind}{dtype.itemsize}", "") if dtype.isnative else ""


@functools.lru_cache(maxsize=1)
def _numpy_library() -> tuple[ctypes.CDLL, str, int] | None:
    """The library of NumPy's linear algebra, and how it writes names. A look-up there includes what it is linked with."""
    try:
        from numpy.linalg import _umath_linalg  # type: ignore[attr-defined, unused-ignore]
        library = ctypes.CDLL(_umath_linalg.__file__)
    except (ImportError, OSError):
        return None
    for form, integer in _FORMS:
        try:
            library[form.format("dgetrf")]
            library[form.format("dgemm")]
        except AttributeError:
            continue
        return library, form, integer
    return None


def _from_scipy(name: str) -> int:
    """The address of a routine that SciPy hands out, or 0."""
    try:
        from scipy.linalg import cython_blas, cython_lapack
    except ImportError:
        return 0
    for module in (cython_blas, cython_lapack):
        capsule = module.__pyx_capi__.get(name)
        if capsule is not None:
            api = ctypes.pythonapi
            api.PyCapsule_GetName.restype, api.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
            api.PyCapsule_GetPointer.restype = ctypes.c_void_p
            api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
            return int(api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule)))
    return 0


@functools.lru_cache(maxsize=256)
def routine(name: str) -> Routine | None:
    """The routine of that name (``dgemm``), or None."""
    if sys.byteorder != "little":
        return None
    found = _numpy_library()
    if found is not None:
        library, form, integer = found
        try:
            address = ctypes.cast(library[form.format(name)], ctypes.c_void_p).value or 0
            return Routine(f"wg_{name}", address, integer)
        except AttributeError:
            pass
    address = _from_scipy(name)
    return Routine(f"wg_scipy_{name}", address, 4) if address else None


@functools.lru_cache(maxsize=1)
def _thread_setter() -> int:
    """The address of the function that sets the number of BLAS's threads and gives the one before; 0 if there is none."""
    found = _numpy_library()
    try:
        return 0 if found is None else ctypes.cast(found[0]["openblas_set_num_threads_local"], ctypes.c_void_p).value or 0
    except AttributeError:
        return 0


def threads(code: Code) -> str:
    """`config.threads`, when the code runs."""
    code.module.symbols["wg_threads"] = config.threads_address
    code.module.declare("@wg_threads = external global i64")
    return code.op("load atomic i64, ptr @wg_threads monotonic, align 8")


@contextlib.contextmanager
def one_thread(code: Code) -> Iterator[None]:
    """Calls of BLAS within take one thread each: its own threads wait for one another at every turn, which takes ten times as
    long where somebody else needs a processor."""
    setter = _thread_setter()
    if not setter:
        yield
        return
    code.module.symbols["wg_blas_threads"] = setter
    code.module.declare("declare i32 @wg_blas_threads(i32)")
    code.module.declare(_THREADS_AGAIN)
    before = code.op("call i32 @wg_blas_threads(i32 1)")
    yield
    code.line(f"call void @wg_blas_threads_again(i32 {before})")


# The number is one for the whole process. Of calls at the same time each may find what another has set, one: who found more
# restores it, and nobody else writes.
_THREADS_AGAIN = """define internal void @wg_blas_threads_again(i32 %before) {
  %more = icmp sgt i32 %before, 1
  br i1 %more, label %restore, label %end
restore:
  call i32 @wg_blas_threads(i32 %before)
  br label %end
end:
  ret void
}"""


# ---------------------------------------------------------------- calls


def constant_of(code: Code, x: int | str | float | complex, dtype: np.dtype[Any] | None = None) -> str:
    """The name of a constant in memory: an integer, a letter, or a number of a dtype."""
    if dtype is not None:
        kind, parts = element(dtype), (complex(x).real, complex(x).imag) if dtype.kind == "c" else (x,)
        texts = [literal(p, kind) for p in parts]
        name = f"@wg_{kind}_" + "_".join(texts).replace("-", "m")
        whole = f"[{len(texts)} x {kind}] [" + ", ".join([f"{kind} {t}" for t in texts]) + "]"
        code.module.declare(f"{name} = private constant {whole}, align 16")
    elif isinstance(x, str):
        name = f"@wg_char_{x}"
        code.module.declare(f'{name} = private constant [2 x i8] c"{x}\\00"')
    else:
        name = f"@wg_int_{x}".replace("-", "m")
        code.module.declare(f"{name} = private constant i64 {x}, align 8")
    return name


def call(code: Code, name: str, args: Sequence[str | int]) -> None:
    """Call a routine: integers become constants, single letters too; other strings are pointers."""
    found = routine(name)
    if found is None:
        raise LookupError(f"no routine {name}")
    code.module.symbols[found.name] = found.address
    code.module.declare(f"declare void @{found.name}({', '.join(['ptr'] * len(args))})")
    texts = [a if isinstance(a, str) and len(a) > 1 else constant_of(code, a) for a in args]
    code.line(f"call void @{found.name}({', '.join([f'ptr {t}' for t in texts])})")


@functools.lru_cache(maxsize=1024)
def query(name: str, args: tuple[int | str | None, ...], *answers: tuple[int, str]) -> tuple[int, ...]:
    """The best workspaces of a routine of LAPACK, in elements: it is asked for them, by sizes of -1.

    `args` are integers, letters, or None for arrays; `answers` are the places of the workspaces among them, and what their
    first elements are: "f8" or "f4" (the real part counts), or "i".
    """
    found = routine(name)
    if found is None:
        raise LookupError(f"no routine {name}")
    buffers = np.zeros((len(args), 16), np.int64)
    for row, a in zip(buffers, args, strict=True):
        if isinstance(a, int):
            row[0] = a
        elif isinstance(a, str):
            row[0] = ord(a)
    start = buffers.ctypes.data
    ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(args))(found.address)(*[start + 128 * k for k in range(len(args))])
    return tuple([int(np.ceil(buffers[k].view("i4" if kind == "i" else kind)[0])) for k, kind in answers])
