"""Functions of other systems, which know their own derivatives.

What comes in: a `ForeignFunction`. What goes out: equations that call it, and whose differentials call what it gives as its
tangent and its adjoint. The one idea: a derivative of a foreign function is a foreign function again, so every order is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from wengert.graph import ArrayType, Primitive
from wengert.primitives.structure import broadcast

__all__ = ["ForeignFunction", "foreign", "foreign_linear"]


class ForeignFunction(Protocol):
    """A function of arrays that gives one array, in another system.

    `tangent(k)` is ``(s, *x) -> d/dx_k f(x) s``, `adjoint(k)` its transpose ``(c, *x) -> (d/dx_k f(x))^T c`` under Re<a, b>;
    `batched(flags)` maps it over the leading axis of the operands that have a flag. Each gives the same object each time.
    """

    name: str

    def __call__(self, *operands: Any) -> Any: ...
    def tangent(self, k: int) -> ForeignFunction: ...
    def adjoint(self, k: int) -> ForeignFunction: ...
    def batched(self, flags: tuple[bool, ...]) -> ForeignFunction: ...


def _evaluate(*operands: Any, function: ForeignFunction, result: ArrayType) -> Any:
    out = np.asarray(function(*operands))
    if out.shape != result.shape or out.dtype != result.dtype:
        raise ValueError(f"{function.name} returned {ArrayType(out.shape, out.dtype)} where it was traced with {result}")
    return out[()]


def _differential(operands: Sequence[Any], tangents: Sequence[Any], function: ForeignFunction, result: ArrayType) -> Any:
    total = None
    for k, t in enumerate(tangents):
        if t is not None:
            term = foreign_linear(t, *operands, function=function.tangent(k), adjoint=function.adjoint(k), result=result)
            total = term if total is None else total + term
    return total


def _jvp(y: Any, operands: Any, tangents: Any, *, function: Any, result: ArrayType) -> Any:
    return _differential(operands, tangents, function, result)


def _batched(result: ArrayType, size: int) -> ArrayType:
    return ArrayType((size, *result.shape), result.dtype)


def _batch(size: int, operands: Any, batched: Any, *, function: Any, result: ArrayType) -> Any:
    return foreign(*operands, function=function.batched(tuple(batched)), result=_batched(result, size))


def _linear_evaluate(*operands: Any, function: Any, adjoint: Any, result: ArrayType) -> Any:
    return _evaluate(*operands, function=function, result=result)


def _linear_jvp(y: Any, operands: Any, tangents: Any, *, function: Any, adjoint: Any, result: ArrayType) -> Any:
    return _differential(operands, tangents, function, result)


def _linear_transpose(ct: Any, i: int, operands: Any, *, function: Any, adjoint: Any, result: ArrayType) -> Any:
    around = [operands[k] for k in range(1, len(operands.types))]
    return foreign_linear(ct, *around, function=adjoint, adjoint=function, result=operands.types[0])


def _linear_batch(size: int, operands: Any, batched: Any, *, function: Any, adjoint: Any, result: ArrayType) -> Any:
    first, *around = operands
    if not batched[0]:  # its cotangents differ from lane to lane
        first = broadcast(first, shape=(size, *first.shape))
    flags = (True, *batched[1:])
    return foreign_linear(first, *around, function=function.batched(flags), adjoint=adjoint.batched(flags),
                          result=_batched(result, size))


class _Sines:
    """For samples: ``(*s, x) -> scale * the product of those s that are used * the order-th derivative of sin x``."""

    name = "sin"

    def __init__(self, used: tuple[bool, ...] = (), order: int = 0, scale: float = 1.0):
        self.used, self.order, self.scale = used, order, scale

    def __call__(self, *operands: Any) -> Any:
        *factors, x = np.broadcast_arrays(*operands)
        taken = [s for s, u in zip(factors, self.used, strict=True) if u]
        return self.scale * np.prod([np.sin(x + self.order * np.pi / 2), *taken], axis=0)

    def tangent(self, k: int) -> _Sines:
        if k == len(self.used):
            return _Sines((True, *self.used), self.order + 1, self.scale)
        others = (*self.used[:k], False, *self.used[k + 1:])
        return _Sines((True, *others), self.order, self.scale if self.used[k] else 0.0)

    adjoint = tangent

    def batched(self, flags: tuple[bool, ...]) -> _Sines:
        return self


def _sample(rng: np.random.Generator) -> Any:
    return [((rng.normal(size=3),), {"function": _Sines(), "result": ArrayType((3,), np.float64)})]


def _linear_sample(rng: np.random.Generator) -> Any:
    return [((rng.normal(size=3), rng.normal(size=3)),
             {"function": _Sines((True,), 1), "adjoint": _Sines((True,), 1), "result": ArrayType((3,), np.float64)})]


foreign = Primitive("foreign", type=lambda *xs, function, result: result, evaluate=_evaluate, jvp=_jvp, batch=_batch,
                    sample=_sample)

foreign_linear = Primitive("foreign_linear", type=lambda *xs, function, adjoint, result: result, linear=(0,),
                           evaluate=_linear_evaluate, transpose=_linear_transpose, jvp=_linear_jvp, batch=_linear_batch,
                           sample=_linear_sample)
