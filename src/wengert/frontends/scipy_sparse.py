"""Products of SciPy's sparse matrices with tracers.

What comes in: a sparse matrix of numbers and a traced vector, or dense matrix. What goes out: their product. The one idea:
SciPy asks the other operand of ``A @ x`` to become an array, and leaves the product to it if that is none; so a tracer that is
asked there gives none, and is then asked for ``x.__rmatmul__(A)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.linear_system import sparse_times
from wengert.primitives.structure import convert, transpose

__all__ = ["from_left", "from_right", "is_sparse"]


def is_sparse(x: Any) -> bool:
    """Whether something is a sparse matrix of SciPy's, which is not imported for that."""
    return type(x).__module__.startswith("scipy.sparse") and hasattr(x, "tocoo")


def from_left(a: Any, x: Any) -> Any:
    """``a @ x`` for a sparse matrix ``a``."""
    if a.ndim != 2 or not 1 <= len(x.shape) <= 2 or x.shape[0] != a.shape[1]:
        raise ValueError(f"matmul: dimension mismatch: a sparse matrix of shape {a.shape} times an array of shape {x.shape}")
    entries = a.tocoo()
    dtype = np.result_type(entries.data, x.dtype)
    if x.dtype != dtype:
        x = convert(x, dtype=dtype)
    return sparse_times(entries.data.astype(dtype), entries.row, entries.col, x, a.shape[0])


def from_right(x: Any, a: Any) -> Any:
    """``x @ a`` for a sparse matrix ``a``."""
    if a.ndim != 2 or not 1 <= len(x.shape) <= 2 or x.shape[-1] != a.shape[0]:
        raise ValueError(f"matmul: dimension mismatch: an array of shape {x.shape} times a sparse matrix of shape {a.shape}")
    if len(x.shape) == 1:
        return from_left(a.T, x)
    return transpose(from_left(a.T, transpose(x, axes=(1, 0))), axes=(1, 0))
