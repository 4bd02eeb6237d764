"""What SciPy's functions on tracers have in common: data, axes, and conditions on values.

What comes in: arguments as SciPy takes them. What goes out: arrays, traced or not, in double precision. The one idea:
the formulas are plain NumPy that runs on both; what SciPy would raise is raised at once where values are known, and
when the graph runs where they are not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.numpy_api.structure import as_array
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced
from wengert.primitives import structure as s
from wengert.primitives.guard import guard

__all__ = ["along_last", "chosen", "data", "floating", "known", "plain", "refuse", "require", "take", "under_last"]


def refuse(name: str, why: str) -> None:
    """Raise what a SciPy function on tracers cannot do."""
    raise UnsupportedError(f"{name} at {user_line()}: {why}")


def data(x: Any) -> Any:
    """Real or complex numbers in double precision, traced or not."""
    x = as_traced(x)
    x = x if isinstance(x, Tracer) else np.asarray(x)
    dtype = np.dtype(complex if x.dtype.kind == "c" else float)
    if not isinstance(x, Tracer):
        return np.asarray(x, dtype)
    return x if x.dtype == dtype else s.convert(x, dtype=dtype)


def floating(x: Any) -> Any:
    """Floating numbers in their own precision, traced or not; integers in double precision."""
    x = as_traced(x)
    x = x if isinstance(x, Tracer) else np.asarray(x)
    return x if x.dtype.kind in "fc" else data(x)


def known(x: Any) -> Any:
    """The value, if it is known; else the tracer."""
    return x.value if isinstance(x, Tracer) and x.value is not None else x


def plain(x: Any, what: str) -> Any:
    """The value of an argument that only decides (an order, a length)."""
    return x.concrete(what) if isinstance(x, Tracer) else x


def take(x: Any, at: Any, axis: int = 0) -> Any:
    """``np.take``, also of plain data at traced places."""
    return FUNCTIONS[np.take](x, at, axis) if isinstance(x, Tracer) or isinstance(at, Tracer) else np.take(x, at, axis)


def chosen(mask: Any, x: Any, other: Any) -> Any:
    """``where(mask, x, other)``; x itself if the mask is known to hold everywhere."""
    mask = known(mask)
    if not isinstance(mask, Tracer) and np.all(mask):
        return x
    return FUNCTIONS[np.where](mask, x, other)


def along_last(x: Any, axis: int) -> Any:
    """The axis moved to the end."""
    return np.moveaxis(x, axis, -1) if axis not in (-1, x.ndim - 1) else x


def under_last(x: Any, axis: int) -> Any:
    """The last axis moved back to where it was."""
    return np.moveaxis(x, -1, axis) if axis not in (-1, x.ndim - 1) else x


def require(x: Any, holds: Any, message: str) -> Any:
    """x, or the ``ValueError`` that SciPy would raise; where the values are not known yet, when the graph runs."""
    holds = known(holds)
    if isinstance(holds, Tracer):
        return guard(as_array(x), holds, message=message)
    if not np.all(holds):
        raise ValueError(message)
    return x
