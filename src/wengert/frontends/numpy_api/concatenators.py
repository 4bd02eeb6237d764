"""``np.r_`` and ``np.c_`` of traced values.

What comes in: the key of a subscript, ``np.r_[0:3, x, 1.0]``. What goes out: the pieces, joined. The one idea: NumPy's
object makes pieces of slices by itself; traced pieces get their axes here, by the same three numbers, and `concatenate`
joins all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.numpy_api.structure import as_array
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced

__all__ = ["Concatenator"]


class Concatenator:
    """Stands for ``np.r_`` or ``np.c_`` where a traced value may be in the key."""

    def __init__(self, original: Any):
        self.original = original

    def __getitem__(self, key: Any) -> Any:
        parts = tuple([as_traced(p) for p in (key if isinstance(key, tuple) else (key,))])
        traced = any(isinstance(e, Tracer) for p in parts for e in (_bounds(p) if isinstance(p, slice) else (p,)))
        return self._joined(list(parts)) if traced else self.original[key]

    def _joined(self, parts: list[Any]) -> Any:
        axis, ndmin, first = self.original.axis, self.original.ndmin, self.original.trans1d
        if isinstance(parts[0], str):
            numbers = parts.pop(0).split(",")
            try:
                axis, ndmin, first = [int(n) for n in numbers] + [axis, ndmin, first][len(numbers):]
            except ValueError:
                raise UnsupportedError(
                    f"np.r_[{','.join(numbers)!r}, ...] of traced values (at {user_line()}) would be a matrix; use "
                    f"np.stack or np.concatenate") from None
        pieces, kinds = [], []
        for p in parts:
            if isinstance(p, slice):
                if any(isinstance(e, Tracer) for e in _bounds(p)):
                    raise UnsupportedError(f"a slice with traced bounds in np.r_ (at {user_line()}); use np.linspace")
                p = np.r_[p]
            number = p.kind == "scalar" if isinstance(p, Tracer) else not isinstance(p, (np.ndarray, list, tuple))
            array = p if isinstance(p, Tracer) else np.asarray(p)
            weak = 1j if array.dtype.kind == "c" else 1.0  # a Python number takes the dtype of the others
            kinds.append(array.dtype if not number else weak if isinstance(p, Tracer) else p)
            pieces.append(_with_axes(array, ndmin, first))
        dtype = np.result_type(*kinds)
        return FUNCTIONS[np.concatenate]([p.astype(dtype) for p in pieces], axis=axis)


def _bounds(x: slice) -> tuple[Any, Any, Any]:
    return x.start, x.stop, x.step


def _with_axes(x: Any, ndmin: int, first: int) -> Any:
    """At least `ndmin` axes; those of the piece begin at the place `first` (-1: they are the last)."""
    missing = ndmin - x.ndim
    if missing <= 0:
        return as_array(x)
    place = first + missing + 1 if first < 0 else first
    return FUNCTIONS[np.reshape](as_array(x), (1,) * place + x.shape + (1,) * (missing - place))
