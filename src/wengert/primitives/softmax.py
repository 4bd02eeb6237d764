"""Sums of exponentials over axes: logsumexp, softmax, log_softmax.

What comes in: an array (for logsumexp, weights too) and axes. What goes out: SciPy's values. The one idea: each tangent is
a mean under the softmax weights, which never overflow.

Where all entries are -inf the weights, and so the derivative of logsumexp, are 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import ArrayType, Const, Primitive
from wengert.primitives.elementary import exp, isfinite, stop_gradient
from wengert.primitives.elementwise import equal, logical_and, logical_not, real
from wengert.primitives.reduce import reduce_max
from wengert.primitives.sampling import cases
from wengert.primitives.structure import broadcast, convert, keep_axes, reduce_sum, reshape, select

__all__ = ["log_softmax", "logsumexp", "logsumexp_sign", "softmax"]

Axes = tuple[int, ...]


def _spread(x: Any, axes: Axes, shape: tuple[int, ...]) -> Any:
    return broadcast(keep_axes(x, axes), shape=shape)


def _total(x: Any, axes: Axes) -> Any:
    return _spread(reduce_sum(x, axes=axes), axes, x.shape)


def _later(axes: Axes) -> Axes:
    return tuple([a + 1 for a in axes])


def _lifted(n: int, operands: Any, batched: Any) -> list[Any]:
    return [o if b else broadcast(reshape(o, shape=(1, *o.shape)), shape=(n, *o.shape))
            for o, b in zip(operands, batched, strict=True)]


# ---------------------------------------------------------------- logsumexp

def _logsumexp(a: Any, b: Any, axes: Axes, signed: bool) -> Any:
    import scipy.special
    axis: Any = None if len(axes) == np.ndim(a) else axes
    if not axes and np.ndim(a):  # a sum over no axes
        a, axis = np.asarray(a)[..., None], -1
        b = None if b is None else np.asarray(b)[..., None]
    return scipy.special.logsumexp(a, axis=axis, b=b, return_sign=signed)


def _sum_type(a: ArrayType, b: ArrayType | None = None, *, axes: Axes, signed: bool) -> ArrayType:
    if b is not None and b is not a:
        raise TypeError(f"logsumexp: {a} and weights {b} differ in type")
    return ArrayType(tuple(n for k, n in enumerate(a.shape) if k not in axes), a.dtype)


def _value(a: Any, b: Any = None, *, axes: Axes, signed: bool) -> Any:
    out = _logsumexp(a, b, axes, signed)
    return np.asarray(out[0] if signed else out)[()]


def _weights(a: Any, b: Any, axes: Axes) -> tuple[Any, Any]:
    """``e^a / Σ b e^a`` and the same times b, by way of the largest exponent that counts; 0 where there is none."""
    zero, none = Const(np.zeros((), a.dtype)), Const(np.full((), -np.inf, a.dtype).real)
    size = real(a) if a.dtype.kind == "c" else a
    top = stop_gradient(reduce_max(size if b is None else select(equal(b, 0.0), none, size), axes=axes))
    empty = _spread(equal(top, none), axes, a.shape)
    top = select(equal(top, none), Const(np.zeros((), top.dtype)), top)
    shift = _spread(top if top.dtype == a.dtype else convert(top, dtype=a.dtype), axes, a.shape)
    part = exp(a - shift)
    counted = part
    if b is not None:  # an entry of weight 0 may be as large as it likes
        counted = select(logical_and(equal(b, 0.0), logical_not(isfinite(part))), zero, b * part)
    total = _total(counted, axes)
    return select(empty, zero, part / total), select(empty, zero, counted / total)


def _logsumexp_jvp(y: Any, operands: Any, tangents: Any, *, axes: Axes, signed: bool) -> Any:
    a = operands[0]
    if any(a.shape[k] == 0 for k in axes):
        return None
    in_b, in_a = _weights(a, operands[1] if len(operands) > 1 else None, axes)
    terms = [w * t for w, t in zip((in_a, in_b), tangents, strict=False) if t is not None]
    return reduce_sum(terms[0] if len(terms) == 1 else terms[0] + terms[1], axes=axes)


def _sum_sample(rng: np.random.Generator) -> Any:
    plain = [((rng.normal(size=(2, 3)),), {"axes": axes, "signed": False}) for axes in ((0,), (1,), (0, 1))]
    weighted = (rng.normal(size=(2, 3)), rng.uniform(0.5, 1.5, (2, 3)))
    return [*plain, ((rng.normal(size=()),), {"axes": (), "signed": False}), (weighted, {"axes": (1,), "signed": False}),
            ((weighted[0], -weighted[1]), {"axes": (0,), "signed": True}),
            ((rng.normal(size=3) + 0.4j * rng.normal(size=3),), {"axes": (0,), "signed": False})]


logsumexp: Primitive = Primitive(
    "logsumexp", type=_sum_type, evaluate=_value, jvp=_logsumexp_jvp, sample=_sum_sample,
    batch=lambda n, ops, batched, *, axes, signed: logsumexp(*_lifted(n, ops, batched), axes=_later(axes), signed=signed))
# The sign of the sum of weighted real exponentials: locally constant.
logsumexp_sign: Primitive = Primitive(
    "logsumexp_sign", type=lambda *types, axes: _sum_type(*types, axes=axes, signed=True), differentiable=False,
    evaluate=lambda a, b=None, *, axes: np.asarray(_logsumexp(a, b, axes, True)[1]).astype(np.asarray(a).dtype)[()],
    batch=lambda n, ops, batched, *, axes: logsumexp_sign(*_lifted(n, ops, batched), axes=_later(axes)),
    sample=lambda rng: [((rng.normal(size=(2, 3)), rng.normal(size=(2, 3))), {"axes": (1,)})])

# ---------------------------------------------------------------- softmax


def _from_scipy(name: str) -> Any:
    def evaluate(x: Any, *, axes: Axes) -> Any:
        import scipy.special
        return np.asarray(getattr(scipy.special, name)(x, axis=None if len(axes) == np.ndim(x) else axes))[()]
    return evaluate


def _over_axes(name: str, jvp: Any) -> Primitive:
    primitive = Primitive(
        name, type=lambda x, *, axes: x, evaluate=_from_scipy(name), jvp=jvp,
        batch=lambda n, ops, batched, *, axes: primitive(ops[0], axes=_later(axes)),
        sample=cases(((2, 3), {"axes": (1,)}), ((2, 3), {"axes": (0, 1)}), ((4,), {"axes": (0,)})))
    return primitive


def _softmax_jvp(y: Any, operands: Any, tangents: Any, *, axes: Axes) -> Any:
    return y * (tangents[0] - _total(y * tangents[0], axes))


def _log_softmax_jvp(y: Any, operands: Any, tangents: Any, *, axes: Axes) -> Any:
    return tangents[0] - _total(exp(y) * tangents[0], axes)


softmax = _over_axes("softmax", _softmax_jvp)
log_softmax = _over_axes("log_softmax", _log_softmax_jvp)
