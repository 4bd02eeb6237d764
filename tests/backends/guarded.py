"""Compiled graphs, run between pages that nobody may touch, and compared with the interpreter.

What comes in: a graph and values for its inputs. What goes out: nothing, or a `Different`. The one idea: inputs lie in
pages that cannot be written to, each array ends (or begins) where a page begins that cannot be read, results and
workspace are full of rubbish before, so that a read or write outside ends the process and what is left out is seen. A
difference counts unless the interpreter's own results move as far when its inputs move by a rounding.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from wengert.backends.compiled import access, kernel, plan
from wengert.backends.interpret import Program
from wengert.graph import Graph
from wengert.graph.walk import subgraphs

__all__ = ["SETTINGS", "Different", "check", "compared", "guarded_call", "settings"]

PAGE = mmap.PAGESIZE
NONE, READ, BOTH = 0, mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE
RUBBISH = 0xAB
_LIBC = ctypes.CDLL(None)


class Different(Exception):
    """Compiled and interpreted results that are not the same."""


class Guarded:
    """Arrays with guard pages around them, for one call."""

    def __init__(self, at_end: bool):
        self.at_end = at_end
        self.maps: list[tuple[Any, int, int]] = []

    def room(self, size: int) -> int:
        """The address of so many bytes."""
        inside = max(-(-size // PAGE), 1) * PAGE
        whole = mmap.mmap(-1, inside + 2 * PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(whole))
        ctypes.memset(start, RUBBISH, inside + 2 * PAGE)
        for page in (start, start + PAGE + inside):
            self.protect(page, PAGE, NONE)
        self.maps.append((whole, start, inside + 2 * PAGE))
        return start + PAGE + (inside - size if self.at_end else 0)

    def protect(self, start: int, size: int, how: int) -> None:
        if _LIBC.mprotect(ctypes.c_void_p(start), ctypes.c_size_t(size), how):
            raise OSError("mprotect failed")

    def array(self, value: np.ndarray) -> int:
        """The address of a copy that cannot be written to."""
        address = self.room(value.nbytes)
        ctypes.memmove(address, value.ctypes.data, value.nbytes)
        _, start, size = self.maps[-1]
        self.protect(start + PAGE, size - 2 * PAGE, READ)
        return address

    def close(self) -> None:
        for _, start, size in self.maps:
            self.protect(start, size, BOTH)
        self.maps.clear()


def guarded_call(compiled: kernel.Compiled, values: Sequence[Any], at_end: bool = True) -> tuple[Any, ...]:
    """What ``compiled(*values)`` gives, from a run between guard pages."""
    memory = Guarded(at_end)
    try:
        arrays = [np.asarray(np.ascontiguousarray(v, t.dtype).reshape(t.shape)) for v, t in
                  zip(values, compiled.inputs, strict=True)]
        ins = [memory.array(a) for a in arrays]
        sizes = [t.size * t.dtype.itemsize for t in compiled.outputs]
        outs = [memory.room(n) for n in sizes]
        space = memory.room(-(-compiled.workspace // 64) * 64)
        env = (ctypes.c_void_p * 4)(space, compiled.hosts, ctypes.cast(kernel._POLL, ctypes.c_void_p).value,
                                    compiled.constants)
        status = compiled.function((ctypes.c_void_p * max(len(ins), 1))(*ins), (ctypes.c_void_p * max(len(outs), 1))(*outs),
                                   env)
        if status:
            return compiled.failed(status, values)
        found = [np.frombuffer(ctypes.string_at(p, n), t.dtype).reshape(t.shape).copy()
                 for p, n, t in zip(outs, sizes, compiled.outputs, strict=True)]
        return tuple([a if a.ndim else a[()] for a in found])
    finally:
        memory.close()


# ---------------------------------------------------------------- settings that make small graphs take the ways of large ones

SETTINGS: list[dict[str, Any]] = [
    {},
    {"plan.FEW": 1, "plan.SMALL": 1},  # everything lies in memory
    {"plan.FEW": 1, "plan.SMALL": 1, "plan.WIDE": 2, "access.UNROLL": 1},  # and is looped over
    {"plan.FEW": 1, "plan.SMALL": 1, "plan.WIDE": 2, "access.UNROLL": 1, "plan.WORTH": 1e9, "plan.NEAR": 2, "bytes": 16},
    {"plan.FEW": 2, "plan.SMALL": 2, "plan.WORTH": 0.0, "plan.LONG": 3, "plan.CUT": 3, "bytes": 32},
    {"plan.FEW": 1, "plan.SMALL": 1, "plan.WIDE": 3, "plan.WORTH": 1e9, "plan.LOOK_BACK": 1},
]
_MODULES = {"plan": plan, "access": access}


@contextlib.contextmanager
def settings(number: int) -> Iterator[None]:
    """Compile with other thresholds; results may not depend on them."""
    chosen = SETTINGS[number]
    before = {name: getattr(_MODULES[name.split(".")[0]], name.split(".")[1]) for name in chosen if "." in name}
    width = kernel.machine.vector_bytes
    try:
        for name, value in chosen.items():
            if "." in name:
                setattr(_MODULES[name.split(".")[0]], name.split(".")[1], value)
        kernel.machine.vector_bytes = lambda: chosen.get("bytes", width())  # type: ignore[assignment]
        yield
    finally:
        for name, value in before.items():
            setattr(_MODULES[name.split(".")[0]], name.split(".")[1], value)
        kernel.machine.vector_bytes = width


def forget_plans(graph: Graph) -> None:
    graph.derived.pop("plan", None)
    for e in graph.equations:
        for g in subgraphs(e):
            forget_plans(g)


def compiled_with(graph: Graph, number: int = 0) -> kernel.Compiled | None:
    """The code of a graph, under one of SETTINGS."""
    forget_plans(graph)
    try:
        with settings(number):
            return kernel.compile_graph(graph)
    finally:
        forget_plans(graph)


# ---------------------------------------------------------------- comparison

def precision(values: Sequence[Any]) -> float:
    found = [np.finfo(d).eps for d in (np.asarray(v).dtype for v in values) if d.kind in "fc"]
    return float(max(found, default=2.0 ** -52))


def compared(got: Sequence[Any], want: Sequence[Any], spread: Sequence[Any], eps: float) -> str:
    """What is different; `spread` says how far each result may move."""
    for k, (a, b, s) in enumerate(zip(got, want, spread, strict=True)):
        x, y = np.asarray(a), np.asarray(b)
        if x.dtype != y.dtype or x.shape != y.shape:
            return f"result {k}: {x.dtype}{x.shape} instead of {y.dtype}{y.shape}"
        if x.dtype.kind not in "fc":
            if not np.array_equal(x, y):
                return f"result {k}: {x} instead of {y}"
            continue
        parts = [(x.real, y.real), (x.imag, y.imag)] if x.dtype.kind == "c" else [(x, y)]
        limit = np.asarray(s)
        # a part of a complex number that cancels is as exact as the number: NumPy fuses products and sums
        scale = max([np.max(np.abs(q[np.isfinite(q)]), initial=0.0) for _, q in parts])
        for p, q in parts:
            with np.errstate(all="ignore"):
                finite = np.isfinite(q)
                close = np.abs(p - q) <= 200 * eps * scale + 1000 * limit
                bad = np.where(finite, ~close, ~((p == q) | (np.isnan(x) & np.isnan(y)))) & np.isfinite(limit)
            if np.any(bad):
                at = tuple(np.argwhere(bad)[0].tolist())
                return f"result {k} at {at}: {p[at]!r} instead of {q[at]!r} (may move {limit[at] if limit.ndim else limit})"
    return ""


def _spread(program: Any, values: Sequence[Any], want: Sequence[Any], eps: float) -> list[Any]:
    """How far results move when inputs move by a rounding, element by element; infinite where one becomes NaN, say."""
    rng, out = np.random.default_rng(0), [np.zeros(np.shape(w)) for w in want]
    for _ in range(3):
        moved = []
        for v in map(np.asarray, values):
            scale = np.max(np.abs(v[np.isfinite(v)]), initial=0.0) if v.dtype.kind in "fc" else 0.0
            new = v + (eps * scale * rng.uniform(-1, 1, v.shape)).astype(v.dtype) if v.dtype.kind in "fc" else v
            moved.append(np.asarray(np.where(v == 0, v, new), v.dtype)[()] if v.dtype.kind in "fc" else v[()])
        try:
            again = program(*moved)
        except Exception:
            continue
        for k, (a, b) in enumerate(zip(again, want, strict=True)):
            if np.asarray(b).dtype.kind in "fc":
                d = np.nan_to_num(np.abs(np.asarray(a) - np.asarray(b)), posinf=0.0)
                out[k] = np.maximum(out[k], np.where(np.isfinite(a) == np.isfinite(b), d, np.inf))
    return out


def check(graph: Graph, values: Sequence[Any], number: int = 0, compiled: kernel.Compiled | None = None,
          twice: bool = True) -> bool:
    """Compare; whether there was something to compare. The kernel runs next to guard pages on either side."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = Program(graph)
        try:
            want = program(*[np.array(v)[()] for v in values])
        except Exception:
            return False
        compiled = compiled or compiled_with(graph, number)
        if compiled is None:
            return False
        eps, spread = precision([*values, *want]), None
        for at_end in ((True, False) if twice else (True,)):
            got = guarded_call(compiled, values, at_end)
            wrong = compared(got, want, [0.0] * len(want), eps)
            if wrong:
                spread = spread or _spread(program, values, want, eps)
                wrong = compared(got, want, spread, eps)
            if wrong:
                raise Different(f"settings {number}: {wrong}")
    return True
