"""C sources compiled with gcc, their functions, and the BLAS and LAPACK that they are given.

What comes in: `benchmarks/reference/*.c`, compiled into a temporary folder. What goes out: ctypes functions bound to
arrays. The one idea: compile with -ffast-math, link without it: linked in, it switches denormal numbers off in the whole
process.
"""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SOURCES = Path(__file__).resolve().parent.parent / "reference"
FLAGS = ["-O3", "-march=native", "-ffast-math", "-fno-math-errno", "-fPIC", "-std=gnu11"]


def build(folder: Path, names: list[str], compiler: str = "gcc") -> str | None:
    """Compiles these sources; the reason why it could not, else None."""
    if shutil.which(compiler) is None:
        return f"there is no {compiler}"
    for name in names:
        source = SOURCES / f"{name}.c"
        compiled, library = folder / f"{name}.o", folder / f"{name}.so"
        for command in ([compiler, *FLAGS, "-c", str(source), "-o", str(compiled)],
                        [compiler, "-shared", str(compiled), "-o", str(library), "-lmvec", "-lm"]):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                return f"{compiler} failed on {name}.c: {done.stderr.strip().splitlines()[:3]}"
    return None


def function(libraries: str, name: str, symbol: str, *args: Any) -> Callable[[], Any]:
    """A call of a C function with everything bound: arrays by address, integers as long."""
    f = getattr(ctypes.CDLL(str(Path(libraries) / f"{name}.so")), symbol)
    f.restype = None
    bound = [ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray) else
             a if isinstance(a, ctypes.c_void_p) else ctypes.c_long(a) for a in args]
    call = functools.partial(f, *bound)
    call.keep = args  # type: ignore[attr-defined]  # the arrays live as long as the call
    return call


def blas(name: str) -> ctypes.c_void_p:
    """The address of a BLAS routine, of the library that SciPy brings."""
    from scipy.linalg import cython_blas
    capsule = cython_blas.__pyx_capi__[name]
    get_name, get = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.c_void_p(get(capsule, get_name(capsule)))


def contiguous(*arrays: Any) -> list[Any]:
    return [np.ascontiguousarray(a) for a in arrays]
