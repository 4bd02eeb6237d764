"""The functions of mathematics of the C library, on vectors.

What comes in: a function's name in C and operands. What goes out: the result. The one idea: glibc's libmvec has variants for
vectors of 16, 32 and 64 bytes; a vector of another size is halved, or widened, until one fits. Where there is no variant the
scalar function runs in every lane.
"""

from __future__ import annotations

from wengert.backends.compiled import symbols
from wengert.backends.compiled.arithmetic import Arithmetic, vector
from wengert.backends.compiled.outer import apply_lanes, call_outer

__all__ = ["USE_LIBMVEC", "call"]

USE_LIBMVEC = True
_LETTERS = {16: "b", 32: "d", 64: "e"}  # SSE, AVX2, AVX-512


def call(a: Arithmetic, name: str, *args: str) -> str:
    """``name(*args)`` in every lane; `name` is that of the function of doubles (``"exp"``)."""
    scalar = name if a.element == "double" else f"{name}f"
    if a.lanes > 1 and USE_LIBMVEC and (found := _by_vectors(a, scalar, list(args), a.lanes)):
        return found
    return apply_lanes(a.code, scalar, a.element, args, a.lanes)


def _variant(bits: int, size: int, count: int, scalar: str) -> str:
    return f"_ZGV{_LETTERS[size]}N{8 * size // bits}{'v' * count}_{scalar}"


def _by_vectors(a: Arithmetic, scalar: str, args: list[str], lanes: int) -> str | None:
    """By libmvec; None if it has no such function, or the lanes are not a power of two."""
    size = lanes * a.bits // 8
    largest = max([s for s in _LETTERS if s <= a.code.module.vector_bytes], default=0)
    if not largest or lanes & (lanes - 1):
        return None
    name = _variant(a.bits, min(max(size, 16), largest), len(args), scalar)
    if not symbols.found(name):
        return None
    if size < 16:
        wide = 128 // a.bits
        order = [j % lanes for j in range(wide)]
        out = call_outer(a.code, name, vector(a.element, wide), [_picked(a, x, lanes, order) for x in args])
        return _picked(a, out, wide, list(range(lanes)))
    if size <= largest:
        return call_outer(a.code, name, vector(a.element, lanes), args)
    half = lanes // 2
    parts = [_by_vectors(a, scalar, [_picked(a, x, lanes, list(range(start, start + half))) for x in args], half)
             for start in (0, half)]
    kind = vector(a.element, half)
    return a.code.op(f"shufflevector {kind} {parts[0]}, {kind} {parts[1]}, <{lanes} x i32> "
                     f"<{', '.join([f'i32 {j}' for j in range(lanes)])}>")


def _picked(a: Arithmetic, x: str, lanes: int, order: list[int]) -> str:
    """The lanes of x in this order."""
    kind = vector(a.element, lanes)
    picks = ", ".join([f"i32 {j}" for j in order])
    return a.code.op(f"shufflevector {kind} {x}, {kind} poison, <{len(order)} x i32> <{picks}>")
