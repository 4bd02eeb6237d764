"""Windows: every stretch of an array, side by side, without a copy.

What comes in: an array and, for some of its axes, the length, stride and dilation of a window. What goes out:
a view in which each such axis counts the windows, and the axes inside a window come last. The one idea: the
transpose, ``window_sum``, adds the windows up where they came from, one slice for each place in a window.

`windows` is a tuple of ``(axis, length, stride, dilation)``, each axis at most once.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from wengert.graph import ArrayType, Primitive
from wengert.primitives.sampling import cases

__all__ = ["window", "window_sum"]

Windows = tuple[tuple[int, int, int, int], ...]


def _counts(shape: tuple[int, ...], windows: Windows) -> list[int]:
    """How many windows there are along each axis in question."""
    out = []
    for axis, length, stride, dilation in windows:
        if length < 1 or stride < 1 or dilation < 1:
            raise ValueError(f"window: length, stride and dilation are positive, not {length}, {stride}, "
                             f"{dilation}")
        reach = (length - 1) * dilation + 1
        if reach > shape[axis]:
            raise ValueError(f"a window that spans {reach} elements does not fit into axis {axis} of length "
                             f"{shape[axis]}")
        out.append((shape[axis] - reach) // stride + 1)
    if len({w[0] for w in windows}) != len(windows):
        raise ValueError("window: an axis is named twice")
    return out


def _window_shape(shape: tuple[int, ...], windows: Windows) -> tuple[int, ...]:
    out = list(shape)
    for (axis, *_), n in zip(windows, _counts(shape, windows), strict=True):
        out[axis] = n
    return (*out, *[w[1] for w in windows])


def _window_evaluate(x: Any, *, windows: Windows) -> Any:
    x = np.asarray(x)
    strides, inner = list(x.strides), []
    for axis, _, stride, dilation in windows:
        inner.append(x.strides[axis] * dilation)
        strides[axis] *= stride
    return np.lib.stride_tricks.as_strided(x, _window_shape(x.shape, windows), (*strides, *inner),
                                           writeable=False)


def _sum_evaluate(y: Any, *, windows: Windows, shape: tuple[int, ...]) -> Any:
    out = np.zeros(shape, y.dtype)
    counts = [y.shape[w[0]] for w in windows]
    lengths = [w[1] for w in windows]
    whole = [slice(None)] * len(shape)
    inside = math.prod(lengths) <= math.prod(counts)  # loop over the places in a window, or over the windows
    for place in itertools.product(*[range(n) for n in (lengths if inside else counts)]):
        target, source = list(whole), list(whole)
        for (axis, _, stride, dilation), k, n, length in zip(windows, place, counts, lengths, strict=True):
            if inside:
                target[axis] = slice(k * dilation, k * dilation + (n - 1) * stride + 1, stride)
            else:
                start = k * stride
                target[axis] = slice(start, start + (length - 1) * dilation + 1, dilation)
                source[axis] = slice(k, k + 1)
        if inside:
            out[tuple(target)] += y[(..., *place)]
        else:
            out[tuple(target)] += _inner_in_place(y[tuple(source)], windows, len(shape))
    return out


def _inner_in_place(y: Any, windows: Windows, ndim: int) -> Any:
    """One window: its inner axes moved to where the counting axes, of length 1, are."""
    order = list(range(ndim))
    for i, (axis, *_) in enumerate(windows):
        order[axis] = ndim + i
    inner: Any = (..., *[0] * len(windows))
    return np.transpose(y, order + [w[0] for w in windows])[inner]


def _shifted(windows: Windows) -> Windows:
    return tuple([(axis + 1, *rest) for axis, *rest in windows])  # type: ignore[misc]


window: Primitive = Primitive(
    "window", type=lambda x, *, windows: ArrayType(_window_shape(x.shape, windows), x.dtype),
    evaluate=_window_evaluate, linear="jointly", structural=True,
    transpose=lambda ct, i, ops, *, windows: window_sum(ct, windows=windows, shape=ops.types[0].shape),
    batch=lambda n, ops, batched, *, windows: window(ops[0], windows=_shifted(windows)),
    sample=cases(((5,), {"windows": ((0, 3, 1, 1),)}), ((9,), {"windows": ((0, 2, 3, 2),)}),
                 ((2, 6, 5), {"windows": ((1, 2, 2, 1), (2, 3, 1, 1))}),
                 ((4, 6), {"windows": ((1, 2, 1, 3), (0, 4, 1, 1))}), ((0, 3), {"windows": ((1, 2, 1, 1),)}),
                 ((3,), {"windows": ()})))


def _sum_type(y: ArrayType, *, windows: Windows, shape: tuple[int, ...]) -> ArrayType:
    if y.shape != _window_shape(shape, windows):
        raise ValueError(f"window_sum: {y} is not made of windows {windows} of an array of shape {shape}")
    return ArrayType(shape, y.dtype)


window_sum: Primitive = Primitive(
    "window_sum", type=_sum_type, evaluate=_sum_evaluate, linear="jointly", structural=True,
    transpose=lambda ct, i, ops, *, windows, shape: window(ct, windows=windows),
    batch=lambda n, ops, batched, *, windows, shape: window_sum(
        ops[0], windows=_shifted(windows), shape=(n, *shape)),
    sample=cases(((3, 3), {"windows": ((0, 3, 1, 1),), "shape": (5,)}),
                 ((2, 3, 3, 2, 3), {"windows": ((1, 2, 2, 1), (2, 3, 1, 1)), "shape": (2, 6, 5)}),
                 ((1, 3, 2, 4), {"windows": ((1, 2, 1, 3), (0, 4, 1, 1)), "shape": (4, 6)}),
                 ((2, 5), {"windows": ((0, 5, 2, 1),), "shape": (8,)})))
