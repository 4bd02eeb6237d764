"""Convolution in any number of dimensions, and sliding windows.

What comes in: arrays, traced or not. What goes out: a ``window`` and a ``contract`` equation. The one idea:
the windows of the padded input meet the kernel in one contraction, so derivatives of every order follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.lens import KINDS, ViewKind
from wengert.frontends.numpy_api.products import operands
from wengert.frontends.numpy_api.structure import axis_of
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import Tracer, implements
from wengert.primitives import structure as s
from wengert.primitives.contract import contract_labels
from wengert.primitives.window import window

__all__ = ["convolve_nd"]

PerAxis = int | Sequence[int]


def _per_axis(value: Any, n: int, name: str) -> tuple[int, ...]:
    out = tuple([int(v) for v in value]) if isinstance(value, (tuple, list)) else (int(value),) * n
    if len(out) != n:
        raise ValueError(f"convolve_nd: {name} has {len(out)} entries for {n} spatial axes")
    return out


def _widths(padding: Any, space: tuple[int, ...], reach: list[int],
            stride: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Zeros before and after each spatial axis."""
    n = len(space)
    if padding == "valid":
        return ((0, 0),) * n
    if padding == "same":
        totals = [max((-(-size // step) - 1) * step + r - size, 0)
                  for size, r, step in zip(space, reach, stride, strict=True)]
        return tuple([(t // 2, t - t // 2) for t in totals])
    if isinstance(padding, str):
        raise ValueError(f"convolve_nd: padding is an int, a tuple, 'valid' or 'same', not {padding!r}")
    if isinstance(padding, (tuple, list)) and any(isinstance(p, (tuple, list)) for p in padding):
        pairs = tuple([(int(p[0]), int(p[1])) if isinstance(p, (tuple, list)) else (int(p), int(p))
                       for p in padding])
        if len(pairs) != n:
            raise ValueError(f"convolve_nd: padding has {len(pairs)} entries for {n} spatial axes")
    else:
        pairs = tuple([(p, p) for p in _per_axis(padding, n, "padding")])
    if any(p < 0 for pair in pairs for p in pair):
        raise ValueError(f"convolve_nd: negative padding {padding!r}")
    return pairs


def convolve_nd(x: Any, w: Any, stride: PerAxis = 1, padding: Any = 0, dilation: PerAxis = 1,
                groups: int = 1) -> Any:
    """The convolution of neural networks: a cross-correlation over any number of spatial axes.

    Parameters
    ----------
    x : array, shape (batch, channels, *space)
    w : array, shape (out channels, channels / groups, *kernel)
    stride, dilation : int or tuple of int
        For all spatial axes, or one for each.
    padding : int, tuple of int or of pairs, "valid" or "same"
        Zeros around each spatial axis. "same" gives ``ceil(n / stride)`` elements, the odd zero behind.
    groups : int
        Channels fall into this many groups, each with its own part of the output.

    Returns
    -------
    array, shape (batch, out channels, *positions)

    Examples
    --------
    >>> import numpy as np
    >>> convolve_nd(np.ones((1, 1, 4)), np.array([[[1.0, 2.0]]]))
    array([[[3., 3., 3.]]])
    """
    x, w = operands(x, w)
    n = x.ndim - 2
    if n < 0 or w.ndim != x.ndim:
        raise ValueError(f"convolve_nd: x is (batch, channels, *space) and w (out, channels / groups, "
                         f"*kernel); got shapes {x.shape} and {w.shape}")
    if groups < 1 or x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        raise ValueError(f"convolve_nd: {x.shape[1]} channels in {groups} groups do not fit a kernel of "
                         f"shape {w.shape}")
    steps, spread = _per_axis(stride, n, "stride"), _per_axis(dilation, n, "dilation")
    kernel = w.shape[2:]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, spread, strict=True)]
    widths = _widths(padding, x.shape[2:], reach, steps)
    if any(p for pair in widths for p in pair):
        x = s.pad(x, widths=((0, 0), (0, 0), *widths))
    if groups > 1:
        x = s.reshape(x, shape=(x.shape[0], groups, w.shape[1], *x.shape[2:]))
    first = x.ndim - n
    seen = window(x, windows=tuple([(first + i, kernel[i], steps[i], spread[i]) for i in range(n)]))
    places, inside = [("place", i) for i in range(n)], [("inside", i) for i in range(n)]
    if groups == 1:
        return contract_labels(seen, ["batch", "in", *places, *inside], w, ["out", "in", *inside],
                               ["batch", "out", *places])
    kernels = s.reshape(w, shape=(groups, w.shape[0] // groups, *w.shape[1:]))
    out = contract_labels(seen, ["batch", "group", "in", *places, *inside], kernels,
                          ["group", "out", "in", *inside],
                          ["batch", "group", "out", *places])
    return s.reshape(out, shape=(out.shape[0], w.shape[0], *out.shape[3:]))


# ---------------------------------------------------------------- sliding windows

def _windows_of(x: Any, payload: tuple[tuple[int, int], ...]) -> Any:
    """Windows along (axis, length) pairs; an axis may come twice."""
    rest = list(payload)
    while rest:
        now = [p for k, p in enumerate(rest) if p[0] not in [q[0] for q in rest[:k]]]
        if len(now) < len(rest):
            now = now[:next(k for k, p in enumerate(rest) if p[0] in [q[0] for q in rest[:k]])]
        x = window(x, windows=tuple([(axis, length, 1, 1) for axis, length in now]))
        rest = rest[len(now):]
    return x


KINDS["window"] = ViewKind(_windows_of, lambda array, p: np.lib.stride_tricks.sliding_window_view(
    array, tuple([length for _, length in p]), tuple([axis for axis, _ in p])))


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False,
                        writeable: bool = False) -> Any:
    """``np.lib.stride_tricks.sliding_window_view``."""
    if writeable:
        raise UnsupportedError(f"sliding_window_view(writeable=True) at {user_line()}: a write through "
                               f"overlapping windows cannot be traced. Write into the array itself")
    window_shape = window_shape if isinstance(window_shape, (tuple, list)) else (window_shape,)
    lengths = tuple([int(k) for k in window_shape])
    if any(k < 0 for k in lengths):
        raise ValueError("`window_shape` cannot contain negative values")
    if axis is None:
        axes = tuple(range(x.ndim))
        if len(lengths) != len(axes):
            raise ValueError(f"Since axis is None, must provide window_shape for all dimensions of `x`; got "
                             f"{len(lengths)} window_shape elements and `x.ndim` is {x.ndim}.")
    else:
        axes = tuple([axis_of(k, x.ndim) for k in (axis if isinstance(axis, (tuple, list)) else (axis,))])
        if len(lengths) != len(axes):
            raise ValueError(f"Must provide matching length window_shape and axis; got {len(lengths)} "
                             f"window_shape elements and {len(axes)} axes elements.")
    room = list(x.shape)
    for k, n in zip(axes, lengths, strict=True):
        room[k] -= n - 1
        if room[k] < 1:
            raise ValueError("window shape cannot be larger than input array shape")
    if 0 in lengths:
        raise UnsupportedError(f"sliding_window_view with a window of length 0 at {user_line()}")
    payload = tuple(zip(axes, lengths, strict=True))
    out = _windows_of(x, payload)
    return x.view_through("window", payload, out) if isinstance(x, Tracer) else out
