"""Pooling: the largest or the mean number of each window.

What comes in: (..., \\*space). What goes out: (..., \\*positions). The one idea: windows that tile the space are axes of a
reshape; others are taken axis by axis.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import field
from typing import Any

import numpy as np

from wengert.errors import InputError
from wengert.frontends.trace import user_line

from .checks import array, require_axes, shown, size_text
from .construction import layer_class

__all__ = ["AveragePool", "MaxPool", "adaptive_average_pool", "average_pool", "global_average_pool", "global_max_pool",
           "max_pool"]

PerAxis = int | Sequence[int]
_LONG = 16


def max_pool(x: Any, size: PerAxis, stride: PerAxis | None = None, padding: PerAxis = 0) -> Any:
    """The largest number of each window; at a tie the derivative is shared among the largest.

    Parameters
    ----------
    x : array of float, shape (batch, channels, \\*space)
        With a tuple as size, any leading axes.
    size : int or tuple of int
        Of the window, along all axes but the first two, or along as many of the last axes as there are sizes.
    stride : int or tuple of int, optional
        From window to window; by default the size.
    padding : int or tuple of int
        −∞ around each axis, at most half the size.

    Returns
    -------
    array, shape (batch, channels, \\*positions)
        Of a remainder that fills no window nothing is taken.

    Examples
    --------
    >>> import numpy as np
    >>> max_pool(np.array([[[1.0, 3.0, 2.0, 0.0, 9.0]]]), 2)
    array([[[3., 2.]]])
    """
    if np.iscomplexobj(x):
        raise InputError(f"max_pool at {user_line()}: complex numbers have no order")
    return _pooled("max_pool", np.max, x, size, stride, padding, -math.inf)


def average_pool(x: Any, size: PerAxis, stride: PerAxis | None = None, padding: PerAxis = 0) -> Any:
    """The mean of each window.

    Parameters
    ----------
    x : array of float or complex, shape (batch, channels, \\*space)
        With a tuple as size, any leading axes.
    size, stride
        As in `max_pool`.
    padding : int or tuple of int
        Zeros around each axis, at most half the size; they count in the mean.

    Returns
    -------
    array, shape (batch, channels, \\*positions)

    Examples
    --------
    >>> import numpy as np
    >>> average_pool(np.array([[[1.0, 3.0, 2.0, 0.0]]]), 2)
    array([[[2., 1.]]])
    """
    return _pooled("average_pool", np.mean, x, size, stride, padding, 0)


def _pooled(name: str, reduce: Any, x: Any, size: PerAxis, stride: Any, padding: PerAxis, outside: float) -> Any:
    where = f"{name} at {user_line()}"
    if not isinstance(size, Sequence):
        require_axes(name, x, 3, "(batch, channels, *space), or the size a tuple")
    sizes: tuple[int, ...] = tuple(size) if isinstance(size, Sequence) else (size,) * (np.ndim(x) - 2)
    n = len(sizes)
    require_axes(name, x, n, f"an array with {n} spatial axes")
    steps = sizes if stride is None else _each(stride, n, "stride", where)
    pads = _each(padding, n, "padding", where)
    if any(k < 1 for k in (*sizes, *steps)) or any(not 0 <= 2 * p <= k for p, k in zip(pads, sizes, strict=True)):
        raise InputError(f"{where}: size {sizes}, stride {steps}, padding {pads}; sizes and strides are positive, and padding "
                         "is at most half the size")
    x = array(x)
    if x.dtype.kind not in "fc" and (reduce is np.mean or any(pads)):  # sums of small integers wrap around, and -inf is none
        x = x.astype(float)
    if any(pads):
        x = np.pad(x, [(0, 0)] * (np.ndim(x) - n) + [(p, p) for p in pads], constant_values=outside)
    space = np.shape(x)[-n:]
    if any(k > length for k, length in zip(sizes, space, strict=True)):
        raise InputError(f"{where}: x is {size_text(x)} with its padding; a window of {sizes} does not fit")
    return _over_tiles(reduce, x, sizes) if steps == sizes else _over_windows(reduce, x, sizes, steps)


def _over_tiles(reduce: Any, x: Any, sizes: tuple[int, ...]) -> Any:
    n, shape = len(sizes), np.shape(x)
    counts = [length // k for length, k in zip(shape[-n:], sizes, strict=True)]
    x = x[(..., *[slice(0, count * k) for count, k in zip(counts, sizes, strict=True)])]
    x = np.reshape(x, (*shape[:-n], *itertools.chain.from_iterable(zip(counts, sizes, strict=True))))
    return reduce(x, tuple(range(-1, -2 * n, -2)))


def _over_windows(reduce: Any, x: Any, sizes: tuple[int, ...], steps: tuple[int, ...]) -> Any:
    """Axis by axis, for both are separable: a short window as shifted copies, which need no memory, a long one as an axis."""
    for axis, (size, step) in enumerate(zip(sizes, steps, strict=True), -len(sizes)):
        end: Any = [slice(None)] * (-axis - 1)
        count = (np.shape(x)[axis] - size) // step + 1
        if size > _LONG:
            windows: Any = np.lib.stride_tricks.sliding_window_view(x, size, axis)
            x = reduce(windows[(..., slice(None, None, step), *end, slice(None))], -1)
            continue
        shifted = [x[(..., slice(k, k + (count - 1) * step + 1, step), *end)] for k in range(size)]
        x = functools.reduce(np.maximum, shifted) if reduce is np.max else functools.reduce(np.add, shifted) / size
    return x


def _each(value: Any, n: int, name: str, where: str) -> tuple[int, ...]:
    out = tuple(value) if isinstance(value, (tuple, list)) else (value,) * n
    if len(out) != n:
        raise InputError(f"{where}: {name} has {len(out)} entries for {n} spatial axes")
    return out


def global_max_pool(x: Any) -> Any:
    """The largest number of each channel, (batch, channels, \\*space) -> (batch, channels).

    Examples
    --------
    >>> import numpy as np
    >>> global_max_pool(np.array([[[1.0, 3.0, 2.0]]]))
    array([[3.]])
    """
    require_axes("global_max_pool", x, 3, "(batch, channels, *space)")
    return np.max(x, tuple(range(2, np.ndim(x))))


def global_average_pool(x: Any) -> Any:
    """The mean of each channel, (batch, channels, \\*space) -> (batch, channels).

    Examples
    --------
    >>> import numpy as np
    >>> global_average_pool(np.array([[[1.0, 3.0, 2.0]]]))
    array([[2.]])
    """
    require_axes("global_average_pool", x, 3, "(batch, channels, *space)")
    return np.mean(x, tuple(range(2, np.ndim(x))))


def adaptive_average_pool(x: Any, size: PerAxis) -> Any:
    """Means of windows that are chosen so that there are `size` of them: the k-th of m is from ⌊k n / m⌋ to ⌈(k + 1) n / m⌉.

    Parameters
    ----------
    x : array of float or complex, shape (batch, channels, \\*space)
    size : int or tuple of int
        Positions along each spatial axis.

    Returns
    -------
    array, shape (batch, channels, \\*size)

    Examples
    --------
    >>> import numpy as np
    >>> adaptive_average_pool(np.array([[[1.0, 3.0, 2.0, 0.0, 4.0]]]), 2)
    array([[[2., 2.]]])
    """
    require_axes("adaptive_average_pool", x, 3, "(batch, channels, *space)")
    x, n = array(x), np.ndim(x) - 2
    x = x if x.dtype.kind in "fc" else x.astype(float)
    for axis, m in enumerate(_each(size, n, "size", f"adaptive_average_pool at {user_line()}"), 2):
        length = np.shape(x)[axis]
        if m < 1 or length < 1:
            raise InputError(f"adaptive_average_pool at {user_line()}: x is {size_text(x)} and size {size}: no window")
        weights = np.zeros((m, length), x.dtype)
        for k in range(m):
            start, end = k * length // m, -(-(k + 1) * length // m)
            weights[k, start:end] = 1.0 / (end - start)
        x = np.moveaxis(np.moveaxis(x, axis, -1) @ weights.T, -1, axis)
    return x


@layer_class
class MaxPool:
    """`max_pool` as a layer.

    Parameters
    ----------
    size, stride, padding
        As in `max_pool`.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.nn.MaxPool(2)(np.ones((10, 3, 8, 8))).shape
    (10, 3, 4, 4)
    """

    size: Any = field(metadata={"static": True})
    stride: Any = field(default=None, metadata={"static": True})
    padding: Any = field(default=0, metadata={"static": True})

    __repr__ = shown

    def __call__(self, x: Any) -> Any:
        """The largest number of each window of x."""
        return max_pool(x, self.size, self.stride, self.padding)


@layer_class
class AveragePool:
    """`average_pool` as a layer.

    Parameters
    ----------
    size, stride, padding
        As in `average_pool`.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.nn.AveragePool(3, 2, 1)(np.ones((10, 3, 8, 8))).shape
    (10, 3, 4, 4)
    """

    size: Any = field(metadata={"static": True})
    stride: Any = field(default=None, metadata={"static": True})
    padding: Any = field(default=0, metadata={"static": True})

    __repr__ = shown

    def __call__(self, x: Any) -> Any:
        """The mean of each window of x."""
        return average_pool(x, self.size, self.stride, self.padding)
