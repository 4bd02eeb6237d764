"""Products of SciPy's sparse matrices with tracers.

What comes in: a sparse matrix of numbers and a traced vector, or dense matrix. What goes out: their product. The one idea:
SciPy asks the other operand of ``A @ x`` to become an array, and leaves the product to it if that is none; so a tracer that is
asked there gives none, and is then asked for ``x.__rmatmul__(A)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import ConversionError
from wengert.frontends.trace import user_line
from wengert.primitives.linear_system import sparse_times
from wengert.primitives.structure import convert, transpose

__all__ = ["from_left", "from_right", "is_product"]


def is_product(ufunc: np.ufunc, x: Any) -> bool:
    """Whether an operator with this on one side is a product of matrices; SciPy is not imported to know.

    That is ``@`` with a sparse array or matrix, and ``*`` with a sparse matrix; ``*`` of sparse arrays is element by element.
    """
    if (ufunc is not np.matmul and ufunc is not np.multiply) or not type(x).__module__.startswith("scipy.sparse"):
        return False
    return hasattr(x, "tocoo") and (ufunc is np.matmul or any(c.__name__ == "spmatrix" for c in type(x).__mro__))


def from_left(a: Any, x: Any) -> Any:
    """``a @ x`` for a sparse matrix ``a``."""
    _require_array(x)
    if a.ndim == 1:
        return from_left(a.reshape(1, -1), x)[0]
    if not 1 <= len(x.shape) <= 2 or x.shape[0] != a.shape[1]:
        raise ValueError(f"matmul: dimension mismatch: a sparse matrix of shape {a.shape} times an array of shape {x.shape}")
    entries = a.tocoo()
    dtype = np.result_type(entries.data, x.dtype)
    if x.dtype != dtype:
        x = convert(x, dtype=dtype)
    return sparse_times(entries.data.astype(dtype), entries.row, entries.col, x, a.shape[0])


def from_right(x: Any, a: Any) -> Any:
    """``x @ a`` for a sparse matrix ``a``."""
    _require_array(x)
    if a.ndim == 1:
        return from_left(a, x if len(x.shape) == 1 else transpose(x, axes=(1, 0)))
    if not 1 <= len(x.shape) <= 2 or x.shape[-1] != a.shape[0]:
        raise ValueError(f"matmul: dimension mismatch: an array of shape {x.shape} times a sparse matrix of shape {a.shape}")
    if len(x.shape) == 1:
        return from_left(a.T, x)
    return transpose(from_left(a.T, transpose(x, axes=(1, 0))), axes=(1, 0))


def _require_array(x: Any) -> None:
    if not x.shape:
        raise ConversionError(
            f"a sparse matrix times a traced number at {user_line()} would be a sparse matrix of traced values, which there is "
            f"not. Multiply the product: (A @ x) * a; or solve with wg.implicit.solve(A, b, data=a * A.data)")
