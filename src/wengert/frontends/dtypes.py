"""NumPy's dtype rules for ufuncs.

What comes in: a ufunc, and for each operand its dtype, or int, float or complex for a Python number. What goes out: the dtypes
in which NumPy runs it. The one idea: NumPy itself is asked, once for each case.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["operand_dtypes"]

_DTYPES: dict[Any, tuple[np.dtype[Any], ...]] = {}


def operand_dtypes(ufunc: np.ufunc, kinds: tuple[Any, ...]) -> tuple[np.dtype[Any], ...]:
    """The dtypes in which NumPy would run this ufunc."""
    key = (ufunc, kinds)
    found = _DTYPES.get(key)
    if found is None:
        asked = tuple(np.dtype(k) if len(kinds) == 1 and isinstance(k, type) else k for k in kinds)
        if all(isinstance(k, type) for k in asked):
            asked = tuple(np.dtype(k) for k in asked)
        resolved = ufunc.resolve_dtypes((*asked, *(None,) * ufunc.nout))
        found = _DTYPES[key] = resolved[:ufunc.nin]
    return found
