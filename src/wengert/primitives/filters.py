"""Recursive filters along the last axis, as ``scipy.signal.lfilter`` computes them from rest.

What comes in: the coefficients b of the moving average, a of the recursion, and signals. What goes out: y with
``Σ_k a[k] y[t - k] = Σ_k b[k] x[t - k]``. The one idea: the two sums are products with lower triangular Toeplitz matrices,
``A y = B x``, which commute; so the adjoint is the filter with conjugate coefficients run backward, and
``dy = A⁻¹ (dB x - dA y)`` is again made of filters. All are linear in the length of the signal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import ArrayType, Const, Primitive
from wengert.primitives.contract import contract_labels
from wengert.primitives.elementwise import conj
from wengert.primitives.matrices import aligned, mapped, stack_of
from wengert.primitives.structure import broadcast, flip, pad, sum_to
from wengert.primitives.window import window

__all__ = ["lfilter"]


def _type(b: ArrayType, a: ArrayType, x: ArrayType) -> ArrayType:
    if not a.dtype == b.dtype == x.dtype:
        raise TypeError(f"operands of different dtypes: {b}, {a}, {x}")
    if not b.shape[-1] or not a.shape[-1]:
        raise ValueError("lfilter: a filter has at least one coefficient")
    return ArrayType((*stack_of(b.shape[:-1], a.shape[:-1], x.shape[:-1]), x.shape[-1]), x.dtype)


def _evaluate(b: Any, a: Any, x: Any) -> Any:
    from scipy.signal import lfilter as scipy_lfilter
    x = np.asarray(x)
    if b.ndim == 1 and a.ndim == 1:
        if a.size == 1 and x.ndim > 1:  # without a recursion SciPy would take one lane after the other, in Python
            a = np.append(a, np.zeros(1, a.dtype))
        return np.asarray(scipy_lfilter(b, a, x), x.dtype) if x.size else np.zeros(x.shape, x.dtype)
    if not x.size or 0 in np.broadcast_shapes(b.shape[:-1], a.shape[:-1], x.shape[:-1]):
        return np.zeros((*np.broadcast_shapes(b.shape[:-1], a.shape[:-1], x.shape[:-1]), x.shape[-1]), x.dtype)
    return mapped(scipy_lfilter, (1, 1, 1), b, a, x)


def _one(like: Any) -> Const:
    return Const(np.ones(1, like.dtype))


def _transpose(ct: Any, i: int, ops: Any) -> Any:
    last = (ct.ndim - 1,)
    if i == 2:
        out = flip(lfilter(conj(ops[0]), conj(ops[1]), flip(ct, axes=last)), axes=last)
        return sum_to(out, ops.types[2].shape)
    m, n = ops.types[0].shape[-1], ct.shape[-1]
    shape = (*ct.shape[:-1], n)
    w = lfilter(_one(ct), ops[1], ops[2])
    w = w if w.shape == shape else broadcast(w, shape=shape)
    k = ct.ndim - 1
    late = window(pad(conj(w), widths=((0, 0),) * k + ((m - 1, 0),)), windows=((k, n, 1, 1),))  # row j: w delayed by m - 1 - j
    out = contract_labels(late, list(range(k + 2)), ct, [*range(k), k + 1], list(range(k + 1)))
    return sum_to(flip(out, axes=(k,)), ops.types[0].shape)


def _jvp(y: Any, ops: Any, tangents: Any) -> Any:
    if tangents[1] is None:
        return None
    return -lfilter(_one(y), ops[1], lfilter(tangents[1], _one(y), y))


def _sample(rng: np.random.Generator) -> Any:
    def case(m: int, k: int, n: int, stack: tuple[int, ...] = (), lanes: tuple[int, ...] = (), factor: complex = 1.0) -> Any:
        a = rng.uniform(-0.4, 0.4, (*lanes, k)) * factor
        a[..., 0] += 1.5
        return (rng.normal(size=(*lanes, m)) * factor, a, rng.normal(size=(*stack, n)) * factor), {}
    return [case(3, 2, 6), case(1, 3, 5, (2,)), case(2, 1, 4), case(4, 2, 2), case(2, 2, 4, (2,), (2,)),
            case(2, 3, 5, (), (), 1.0 - 0.5j), case(2, 2, 4, (), (2,))]


lfilter: Primitive = Primitive(
    "lfilter", type=_type, evaluate=_evaluate, linear=(0, 2), transpose=_transpose, jvp=_jvp, sample=_sample,
    batch=lambda n, ops, batched: lfilter(*aligned(n, ops, batched, (1, 1, 1))))
