"""Correlation in one dimension: sliding products, as NumPy computes them.

What comes in: two vectors. What goes out: ``y[k] = Σ_i a[i + k] v[i]``, without a conjugate. The one idea: bilinear,
and each transpose is again a correlation, so derivatives of every order cost what the value costs.

`mode` is "valid" (v inside a, which is the longer) or "full" (a with zeros around it).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import ArrayType, Primitive
from wengert.primitives.contract import contract_labels
from wengert.primitives.elementwise import conj
from wengert.primitives.structure import flip, pad
from wengert.primitives.window import window

__all__ = ["correlate"]


def _type(a: ArrayType, v: ArrayType, *, mode: str) -> ArrayType:
    if a.ndim != 1 or v.ndim != 1:
        raise ValueError("object too deep for desired array")
    if a.dtype != v.dtype:
        raise TypeError(f"operands of different dtypes: {a}, {v}")
    n, m = a.shape[0], v.shape[0]
    if not n or not m:
        raise ValueError("correlate: an operand is empty")
    if mode == "valid" and n < m:
        raise ValueError("correlate: the first operand of a valid correlation is the longer one")
    return ArrayType((n - m + 1 if mode == "valid" else n + m - 1,), a.dtype)


def _transpose(ct: Any, i: int, ops: Any, *, mode: str) -> Any:
    """With m the length of v, a "full" y is the "valid" one of a padded by m - 1 zeros on both sides."""
    other = conj(ops[1 - i])
    if mode == "valid":  # a[j] gets Σ_k ct[k] v[j - k], v[i] gets Σ_k ct[k] a[i + k]
        return correlate(ct, flip(other, axes=(0,)), mode="full") if i == 0 else correlate(other, ct, mode="valid")
    if i == 0:  # a[j] gets Σ_k ct[k] v[j - k + m - 1]
        return correlate(ct, flip(other, axes=(0,)), mode="valid")
    return flip(correlate(ct, other, mode="valid"), axes=(0,))  # v[m - 1 - l] gets Σ_j ct[j + l] a[j]


def _batch(n: int, ops: Any, batched: Any, *, mode: str) -> Any:
    """Lanes meet in one contraction over the windows of a."""
    a, v = ops
    m = v.shape[-1]
    if mode == "full" and m > 1:
        a = pad(a, widths=(*(((0, 0),) if batched[0] else ()), (m - 1, m - 1)))
    lanes_a, lanes_v = ["lane"] * batched[0], ["lane"] * batched[1]
    seen = window(a, windows=((a.ndim - 1, m, 1, 1),))
    return contract_labels(seen, [*lanes_a, "place", "inside"], v, [*lanes_v, "inside"], ["lane", "place"])


def _sample(rng: np.random.Generator) -> Any:
    def case(n: int, m: int, mode: str, factor: complex = 1.0) -> Any:
        return (rng.normal(size=n) * factor, rng.normal(size=m) * factor), {"mode": mode}
    return [case(5, 3, "valid"), case(5, 3, "full"), case(2, 4, "full"), case(3, 3, "valid"), case(4, 1, "full"),
            case(4, 2, "full", 1.0 - 0.5j), case(4, 2, "valid", 0.5 + 1.0j)]


correlate: Primitive = Primitive(
    "correlate", type=_type, evaluate=lambda a, v, *, mode: np.correlate(a, np.conj(v), mode), linear=(0, 1),
    transpose=_transpose, batch=_batch, sample=_sample)
