"""Numbers and arrays in few characters.

What comes in: a value, a tangent or an adjoint. What goes out: its text. The one idea: a reader compares numbers in a column,
so they have six digits; an array is its elements if they are few, else its shape, range and mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["short"]

_FEW = 4


def short(x: Any, digits: int = 6) -> str:
    """A number with `digits` digits; an array of at most 4 elements whole, of a larger one shape, range and mean.

    Examples
    --------
    >>> short(np.pi), short(np.float64(2.0)), short(np.arange(100.0)), short(None)
    ('3.14159', '2', '[100] 0 … 99, mean 49.5', '0')
    """
    if x is None:
        return "0"
    if isinstance(x, float):  # and NumPy's, the common case
        return f"{x:.{digits}g}"
    if isinstance(x, list):  # what a loop saved
        return f"<{len(x)} entries>"
    array = np.asarray(x)
    if array.dtype.kind == "O":
        return f"<{type(x).__name__}>"
    if array.ndim == 0:
        return _number(array[()], digits)
    if array.size <= _FEW:
        return _nested(array, digits)
    shape = f"[{'×'.join(map(str, array.shape))}]"
    if array.dtype.kind not in "fiu":
        return f"{shape} {array.dtype.name}"
    finite = array[np.isfinite(array)]
    lost = array.size - finite.size
    if not finite.size:
        return f"{shape} nothing finite"
    low, high = finite.min(), finite.max()
    with np.errstate(all="ignore"):
        mean = finite.mean()
    said = f"all {_number(low, digits)}" if low == high else \
        f"{_number(low, 4)} … {_number(high, 4)}, mean {_number(mean, 4)}"
    return f"{shape} {said}" + (f", {lost} not finite" if lost else "")


def _nested(array: np.ndarray, digits: int) -> str:
    if array.ndim == 0:
        return _number(array[()], digits)
    return "[" + ", ".join([_nested(row, digits) for row in array]) + "]"


def _number(x: Any, digits: int) -> str:
    if isinstance(x, (bool, np.bool_)) or (hasattr(x, "dtype") and x.dtype.kind in "biu"):
        return str(x)
    if np.iscomplexobj(x):
        sign = "-" if np.signbit(x.imag) else "+"
        return f"{_number(x.real, digits)} {sign} {_number(abs(x.imag), digits)}i"
    return f"{float(x):.{digits}g}"
