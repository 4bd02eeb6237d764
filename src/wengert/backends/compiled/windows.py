"""Sums of windows, and correlations.

What comes in: arrays in memory. What goes out: loops. The one idea: an array of windows is its array with other strides, so
their sum is a loop that adds, and a correlation is a product of a vector with overlapping windows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wengert.backends.compiled import tiles
from wengert.backends.compiled.access import window_strides
from wengert.backends.compiled.code import Code, Value
from wengert.backends.compiled.loops import (
    Place,
    contiguous,
    fill,
    is_literal,
    load,
    loop,
    move,
    nest,
    plus,
    store,
    times,
)
from wengert.backends.compiled.scans import known
from wengert.backends.compiled.tiles import Axis, add_into, multiply_add
from wengert.graph import Equation

__all__ = ["TABLE"]

Scratch = Callable[[int], str]
Fail = Callable[[str, str], None]
Windows = Sequence[tuple[int, int, int, int]]


def _window_sum(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
                fail: Fail) -> None:
    """Added up in the interpreter's order: by places in a window or by windows, whichever are fewer."""
    y, out = operands[0], results[0]
    windows, dtype = equation.params["windows"], y.type.dtype
    fill(code, dtype, out.type.size, out.pointer)
    rank = out.type.ndim
    places = list(range(rank, y.type.ndim))
    counts = [w[0] for w in windows]
    rest = [a for a in range(rank) if a not in counts]

    def volume(axes: Sequence[int]) -> int:
        size = 1
        for a in axes:
            size *= y.type.shape[a]
        return size
    order = [*places, *range(rank)] if volume(places) <= volume(counts) else [*counts, *rest, *places]
    steps, target = y.strides, window_strides(contiguous(out.type.shape), windows)
    add_into(code, dtype, [y.type.shape[a] for a in order], y.pointer, [steps[a] for a in order], out.pointer,
              [target[a] for a in order])


# ---------------------------------------------------------------- correlation


def _correlate(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
               fail: Fail) -> None:
    a, v, y = *operands, results[0]
    n, m, k = [p.type.shape[-1] for p in (a, v, y)]
    dtype, full = a.type.dtype, equation.params["mode"] == "full"

    def lane(i: str, j: str, o: str) -> None:
        first, second, out = move(code, a.pointer, dtype, i), move(code, v.pointer, dtype, j), move(code, y.pointer, dtype, o)
        inside = n - m + 1
        lead = m - 1 if full else 0
        if inside > 0:
            axes = [Axis(inside, 1, 0, 1)]
            tiles.emit(code, dtype, (first, second, move(code, out, dtype, str(lead))), axes, Axis(m, 1, 1, 0), False)
        else:
            lead, inside = 0, 0
        if full:
            loop(code, lead, lambda s: _edge(code, a, (first, second, out), (n, m), s))
            loop(code, k - lead - inside, lambda s: _edge(code, a, (first, second, out), (n, m),
                                                          plus(code, s, str(lead + inside))))
    nest(code, a.type.shape[:-1], [contiguous((*a.type.shape[:-1], size))[:-1] for size in (n, m, k)], lane)


def _edge(code: Code, a: Place, pointers: tuple[str, str, str], sizes: tuple[int, int], s: str) -> None:
    """``y[s] = Σ_i a[i + s - (m - 1)] v[i]`` over the places inside a."""
    (n, m), dtype = sizes, a.type.dtype
    first, second, out = pointers
    if is_literal(s):
        s = code.op(f"add i64 {s}, 0")
    shift = code.op(f"sub i64 {m - 1}, {s}")
    low = code.intrinsic("llvm.smax.i64", "i64", [shift, "0"])
    high = code.intrinsic("llvm.smin.i64", "i64", [plus(code, shift, str(n)), str(m)])

    def step(k: str, *total: str) -> Sequence[str]:
        i = plus(code, low, k)
        x, y = load(code, first, dtype, code.op(f"sub i64 {i}, {shift}")), load(code, second, dtype, i)
        return multiply_add(code, x, y, Value(dtype, total)).parts
    zero = code.constant(0, dtype)
    parts = loop(code, code.op(f"sub i64 {high}, {low}"), step, carried=[(zero.kind, p) for p in zero.parts])
    store(code, out, times(code, s, 1), Value(dtype, parts))


def _known(equation: Equation) -> bool:
    return known(equation.operands[0].type.dtype, "fciub")


TABLE: dict[str, tuple[Callable[[Equation], bool], Callable[..., None]]] = {
    "window_sum": (_known, _window_sum),
    "correlate": (_known, _correlate),
}
