"""``np.pad`` in all its modes.

What comes in: an array, widths, a mode. What goes out: the padded array. The one idea: axes are padded one
after the other; what a mode copies from the array is one gather along the axis, at the places that NumPy
itself gives for the numbers 0, 1, 2, ...; what it computes (ramps, statistics, odd reflections) is joined on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.indexing import written
from wengert.frontends.numpy_api.structure import as_array
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced, function_of, implements, ufunc_call
from wengert.primitives import structure as s
from wengert.primitives.index import index, slice_axis

__all__: list[str] = []

_KEYWORDS = {"constant": "constant_values", "linear_ramp": "end_values", "maximum": "stat_length",
             "minimum": "stat_length", "mean": "stat_length", "median": "stat_length", "reflect":
             "reflect_type", "symmetric": "reflect_type", "edge": "", "wrap": "", "empty": ""}


def _pairs(x: Any, ndim: int) -> list[tuple[Any, Any]]:
    """A pair for each axis, from what NumPy takes: one value, one pair, or a pair for each axis."""
    x = as_traced(x)
    if not isinstance(x, Tracer):
        x = np.asarray(x)
    if x.ndim < 3 and np.prod(x.shape) == 1:
        x = x.reshape(())
    elif x.ndim < 3 and np.prod(x.shape) == 2 and x.shape != (2, 1):
        x = x.reshape((2,))
    full = np.broadcast_to(x, (ndim, 2))
    return [(full[k, 0], full[k, 1]) for k in range(ndim)]


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, dict):
        found = [(0, 0)] * ndim
        for axis, pair in pad_width.items():
            found[axis] = (pair, pair) if np.ndim(pair) == 0 else tuple(pair)
        pad_width = found
    if not isinstance(pad_width, Tracer) and np.asarray(pad_width).dtype.kind != "i":
        raise TypeError("`pad_width` must be of integral type.")
    pairs = [(int(a), int(b)) for a, b in _pairs(pad_width, ndim)]
    if any(min(p) < 0 for p in pairs):
        raise ValueError("index can't contain negative values")
    return pairs


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **keywords: Any) -> Any:
    """``np.pad``."""
    a = as_array(array)
    widths = _widths(pad_width, a.ndim)
    if callable(mode) or mode == "empty":
        raise UnsupportedError(f"np.pad with mode={mode!r} at {user_line()} has no derivative; give "
                               f"mode='constant' or "
                               f"another of NumPy's modes")
    if mode not in _KEYWORDS:
        raise ValueError(f"mode '{mode}' is not supported")
    if set(keywords) - {_KEYWORDS[mode]}:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {set(keywords)}")
    argument = keywords.get(_KEYWORDS[mode])
    if mode == "constant" and argument is None:
        return s.pad(a, widths=tuple(widths))
    if mode != "constant" and a.type.size == 0:
        for axis, pair in enumerate(widths):
            if a.shape[axis] == 0 and any(pair):
                raise ValueError(f"can't extend empty axis {axis} using modes other than 'constant' or "
                                 f"'empty'")
        return s.pad(a, widths=tuple(widths))
    for axis, (pair, extra) in enumerate(zip(widths, _arguments(mode, argument, a.ndim), strict=True)):
        if any(pair):
            a = _pad_axis(a, axis, pair, mode, extra)
    return a.copy()


def _arguments(mode: str, argument: Any, ndim: int) -> list[Any]:
    if mode in ("reflect", "symmetric"):
        return [argument or "even"] * ndim
    if mode in ("edge", "wrap") or argument is None:
        return [(0, 0) if mode == "linear_ramp" else (None, None)] * ndim
    return _pairs(argument, ndim)


def _pad_axis(a: Any, axis: int, pair: tuple[int, int], mode: Any, extra: Any) -> Any:
    n = a.shape[axis]
    if mode in ("edge", "wrap") or (mode in ("reflect", "symmetric") and (extra == "even" or n == 1)):
        places = np.pad(np.arange(n), pair, mode="edge" if n == 1 else mode)
        return index(a, places, spec=(*[("s", None, None, None)] * axis, ("a",)))
    if mode in ("reflect", "symmetric"):
        return _odd(a, axis, pair, mode == "symmetric")
    sides = {"constant": _constants, "linear_ramp": _ramps}.get(mode, _statistics)
    left, right = sides(a, axis, pair, extra, mode)
    return s.concatenate(left, a, right, axis=axis)


def _resized(shape: tuple[int, ...], axis: int, n: int) -> tuple[int, ...]:
    return (*shape[:axis], n, *shape[axis + 1:])


def _constants(a: Any, axis: int, pair: tuple[int, int], values: Any, mode: str) -> list[Any]:
    return [
        s.broadcast(as_array(written(a, v)), shape=_resized(a.shape, axis, n))
        for v, n in zip(values, pair, strict=True)
    ]


def _ramps(a: Any, axis: int, pair: tuple[int, int], ends: Any, mode: str) -> list[Any]:
    n = a.shape[axis]
    edges = [
        s.reshape(slice_axis(a, axis, k, k + 1), shape=(*a.shape[:axis], *a.shape[axis + 1 :]))
        for k in (0, n - 1)
    ]
    left, right = [FUNCTIONS[np.linspace](end, edge, width, endpoint=False, dtype=a.dtype, axis=axis)
                   for end, edge, width in zip(ends, edges, pair, strict=True)]
    return [left, s.flip(right, axes=(axis,))]


def _statistics(a: Any, axis: int, pair: tuple[int, int], lengths: Any, mode: str) -> list[Any]:
    function: Callable[..., Any] = function_of(  # type: ignore[assignment]
        {"maximum": np.max, "minimum": np.min, "mean": np.mean, "median": np.median}[mode])
    if function is None:
        raise UnsupportedError(f"np.pad with mode={mode!r} cannot be traced (at {user_line()})")
    n = a.shape[axis]
    lengths = [n if k is None else min(int(k), n) for k in lengths]
    if 0 in lengths and mode in ("maximum", "minimum"):
        raise ValueError("stat_length of 0 yields no value for padding")
    out = []
    for k, (length, width) in enumerate(zip(lengths, pair, strict=True)):
        part = slice_axis(a, axis, 0, length) if k == 0 else slice_axis(a, axis, n - length, n)
        value = function(part, axis=axis, keepdims=True)
        if a.dtype.kind in "iu" and value.dtype.kind == "f":
            value = ufunc_call(np.rint, value)
        value = value if value.dtype == a.dtype else s.convert(value, dtype=a.dtype)
        out.append(s.broadcast(value, shape=_resized(a.shape, axis, width)))
    return out


def _odd(a: Any, axis: int, pair: tuple[int, int], include_edge: bool) -> Any:
    """Odd reflection, 2 edge - element, in NumPy's steps: each may use what the steps before have made."""
    left, right = pair
    period = a.shape[axis] - (0 if include_edge else 1)
    shift = 0 if include_edge else 1
    while left > 0 or right > 0:
        n = a.shape[axis]
        length = (n - shift) // period * period
        parts = [a]
        if left > 0:
            chunk = min(length, left)
            turned = s.flip(slice_axis(a, axis, shift, shift + chunk), axes=(axis,))
            parts.insert(0, _mirrored(a, axis, 0, turned))
            left -= chunk
        if right > 0:
            # NumPy reflects the right side after the left one was written, but reads only what was there
            # before
            chunk = min(length, right)
            turned = s.flip(slice_axis(a, axis, n - shift - chunk, n - shift), axes=(axis,))
            parts.append(_mirrored(a, axis, n - 1, turned))
            right -= chunk
        a = s.concatenate(*parts, axis=axis)
    return a


def _mirrored(a: Any, axis: int, edge: int, turned: Any) -> Any:
    return ufunc_call(np.subtract, ufunc_call(np.multiply, 2, slice_axis(a, axis, edge, edge + 1)), turned)
