"""Correlation in one dimension: sliding products, as NumPy computes them.

What comes in: two vectors, or two stacks of vectors. What goes out: ``y[k] = Σ_i a[i + k] v[i]``, without a
conjugate. The one idea: bilinear, and each transpose is again a correlation, so derivatives of every order
cost what the value costs.

`mode` is "valid" (v inside a, which is the longer) or "full" (a with zeros around it). Lanes of a stack are
worked off one by one: products with the zeros around a would let an infinite value of one place reach others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import ArrayType, Primitive
from wengert.primitives.elementwise import conj
from wengert.primitives.structure import broadcast, flip, reshape

__all__ = ["correlate"]


def _type(a: ArrayType, v: ArrayType, *, mode: str) -> ArrayType:
    if not a.ndim or a.shape[:-1] != v.shape[:-1]:
        raise ValueError("object too deep for desired array")
    if a.dtype != v.dtype:
        raise TypeError(f"operands of different dtypes: {a}, {v}")
    n, m = a.shape[-1], v.shape[-1]
    if not n or not m:
        raise ValueError("correlate: an operand is empty")
    if mode == "valid" and n < m:
        raise ValueError("correlate: the first operand of a valid correlation is the longer one")
    return ArrayType((*a.shape[:-1], n - m + 1 if mode == "valid" else n + m - 1), a.dtype)


def _evaluate(a: Any, v: Any, *, mode: Any) -> Any:
    v = np.conj(v) if v.dtype.kind == "c" else v
    if a.ndim == 1:
        return np.correlate(a, v, mode)
    n, m = a.shape[-1], v.shape[-1]
    out = np.empty((*a.shape[:-1], n - m + 1 if mode == "valid" else n + m - 1), a.dtype)
    for lane in np.ndindex(a.shape[:-1]):
        out[lane] = np.correlate(a[lane], v[lane], mode)
    return out


def _transpose(ct: Any, i: int, ops: Any, *, mode: str) -> Any:
    """With m the length of v, a "full" y is the "valid" one of a padded by m - 1 zeros on both sides."""
    other = conj(ops[1 - i])
    last = (ct.ndim - 1,)
    if mode == "valid" and i == 0:  # a[j] gets Σ_k ct[k] v[j - k]
        return correlate(ct, flip(other, axes=last), mode="full")
    if mode == "valid":  # v[i] gets Σ_k ct[k] a[i + k]
        return correlate(other, ct, mode="valid")
    if i == 0:  # a[j] gets Σ_k ct[k] v[j - k + m - 1]
        return correlate(ct, flip(other, axes=last), mode="valid")
    return flip(correlate(ct, other, mode="valid"), axes=last)  # v[m - 1 - l] gets Σ_j ct[j + l] a[j]


def _batch(n: int, ops: Any, batched: Any, *, mode: str) -> Any:
    a, v = [
        o if b else broadcast(reshape(o, shape=(1, *o.shape)), shape=(n, *o.shape))
        for o, b in zip(ops, batched, strict=True)
    ]
    return correlate(a, v, mode=mode)


def _sample(rng: np.random.Generator) -> Any:
    def case(n: int, m: int, mode: str, factor: complex = 1.0, stack: tuple[int, ...] = ()) -> Any:
        return (rng.normal(size=(*stack, n)) * factor, rng.normal(size=(*stack, m)) * factor), {"mode": mode}

    return [
        case(5, 3, "valid"),
        case(5, 3, "full"),
        case(2, 4, "full"),
        case(3, 3, "valid"),
        case(4, 1, "full"),
        case(4, 2, "full", 1.0 - 0.5j),
        case(4, 2, "valid", 0.5 + 1.0j),
        case(4, 3, "full", stack=(2,)),
        case(4, 3, "valid", stack=(2,)),
    ]


correlate: Primitive = Primitive(
    "correlate",
    type=_type,
    evaluate=_evaluate,
    linear=(0, 1),
    transpose=_transpose,
    batch=_batch,
    sample=_sample,
)
