"""Kernels written by hand, in the convention of docs/design/compiler.md, and a class of callables that enters them.

What comes in: nothing. What goes out: texts, and `Callable`, whose ordinary path says that it was taken.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from wengert.backends.compiled.entry import Input, Output, Signature
from wengert.backends.compiled.native import Native, Table, enable, install, link
from wengert.graph import ArrayType

# the gradient of 100 (x1 - x0^2)^2 + (1 - x0)^2
GRADIENT = """
define i64 @kernel(ptr %in, ptr %out, ptr %env) {
  %x = load ptr, ptr %in
  %g = load ptr, ptr %out
  %x0 = load double, ptr %x
  %p1 = getelementptr double, ptr %x, i64 1
  %x1 = load double, ptr %p1
  %s = fmul double %x0, %x0
  %d = fsub double %x1, %s
  %a = fmul double %d, -400.0
  %b = fmul double %a, %x0
  %c = fsub double 1.0, %x0
  %e = fmul double %c, -2.0
  %f = fadd double %b, %e
  store double %f, ptr %g
  %h = fmul double %d, 200.0
  %q1 = getelementptr double, ptr %g, i64 1
  store double %h, ptr %q1
  ret i64 0
}
"""


def gradient(x: Any) -> Any:
    d = x[1] - x[0] ** 2
    return np.array([-400 * d * x[0] - 2 * (1 - x[0]), 200 * d])


def copies(sizes: list[int], status: int = 0, before: str = "") -> str:
    """Output k is input k, of so many bytes; then a status."""
    lines = ["declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)", before,
             "define i64 @kernel(ptr %in, ptr %out, ptr %env) {"]
    for k, size in enumerate(sizes):
        lines += [f"  %ip{k} = getelementptr ptr, ptr %in, i64 {k}", f"  %i{k} = load ptr, ptr %ip{k}",
                  f"  %op{k} = getelementptr ptr, ptr %out, i64 {k}", f"  %o{k} = load ptr, ptr %op{k}",
                  f"  call void @llvm.memcpy.p0.p0.i64(ptr %o{k}, ptr %i{k}, i64 {size}, i1 false)"]
    return "\n".join([*lines, f"  ret i64 {status}", "}", ""])


@enable
class Callable(Native):
    """What enters kernels."""

    def __init__(self) -> None:
        self.slow = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.slow += 1
        return "slow", args, kwargs

    def _failed(self, status: int, *args: Any) -> Any:
        return "failed", status, args


def made(text: str, inputs: list[Input], outputs: list[Output], container: str = "", table: Table | None = None,
         symbols: Any = None, optimize: bool = False, **options: Any) -> Any:
    """A callable that has entered a kernel."""
    compiled = SimpleNamespace(text=text, symbols=symbols or {}, hosts=options.pop("table_of_hosts", 0))
    found = Callable()
    signature = Signature(tuple(inputs), tuple(outputs), container, **options)
    assert install(found, link(compiled, signature, optimize=optimize), table)
    return found


def array(*shape: int, dtype: Any = float) -> ArrayType:
    return ArrayType(shape, dtype)
