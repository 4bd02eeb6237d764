"""Elementwise arithmetic: the record constructor and the operations that every rule is written with.

What comes in: NumPy ufuncs. What goes out: primitives with one partial for each operand. The one idea: the
differential of ``y = f(a, b)`` is ``dy = f_a da + f_b db``; a partial is a formula in handles, and an operand
in which the function is linear states its transpose instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.graph import ArrayType, Primitive
from wengert.primitives.sampling import Sample, complex_too, interval
from wengert.primitives.structure import broadcast, convert, select, sum_to

__all__ = ["add", "conj", "conjugate", "divide", "elementwise", "equal", "first_wins", "greater", "greater_equal", "imag",
           "less", "less_equal", "logical_and", "logical_not", "logical_or", "make_complex", "multiply", "negative",
           "not_equal", "positive", "predicate", "real", "subtract"]


def broadcast_type(*types: ArrayType) -> ArrayType:
    """Broadcast shapes; all operands have one dtype (the front end converts beforehand)."""
    first = types[0]
    if len(types) == 1:
        return first
    shape, dtype = first.shape, first.dtype
    for t in types[1:]:
        if t.dtype != dtype:
            raise TypeError(f"operands of different dtypes: {', '.join(map(str, types))}")
        if t.shape != shape:
            try:
                shape = np.broadcast_shapes(shape, t.shape)
            except ValueError:
                shapes = " ".join(str(t.shape) for t in types)
                raise ValueError(f"operands could not be broadcast together with shapes {shapes}") from None
    return ArrayType(shape, dtype)


def elementwise(name: str, evaluate: Callable[..., Any], *, partials: Any = None, sample: Sample,
                ufunc: Any = None, type: Callable[..., Any] = broadcast_type, **slots: Any) -> Primitive:
    """An elementwise primitive: four or five lines of mathematics.

    `partials` is one function or a tuple of them, each ``partial(y, *operands)`` in handles.
    """
    if partials is not None and not isinstance(partials, tuple):
        partials = (partials,)
    return Primitive(name, type=type, evaluate=evaluate, partials=partials, sample=sample, elementwise=True,
                     ufunc=evaluate if ufunc is None and isinstance(evaluate, np.ufunc) else ufunc, **slots)


def predicate(name: str, ufunc: np.ufunc, sample: Sample, **slots: Any) -> Primitive:
    """An elementwise primitive with a boolean result: locally constant."""
    return elementwise(name, ufunc, sample=sample, differentiable=False,
                       type=lambda *ts: ArrayType(broadcast_type(*ts).shape, np.bool_), **slots)


def conj(x: Any) -> Any:
    """The conjugate of a complex handle; a real one as it is."""
    return conjugate(x) if x.dtype.kind == "c" else x


# ---------------------------------------------------------------- linear in all operands together

def _add_absent(tangents: Any, type: ArrayType) -> Any:
    present = next(t for t in tangents if t is not None)
    return present if present.shape == type.shape else broadcast(present, shape=type.shape)


def _subtract_absent(tangents: Any, type: ArrayType) -> Any:
    present = tangents[0] if tangents[1] is None else negative(tangents[1])
    return present if present.shape == type.shape else broadcast(present, shape=type.shape)


ANY = (-2.0, 2.0)

add = elementwise("add", np.add, linear="jointly", structural=True, absent=_add_absent,
                  transpose=lambda ct, i, ops: sum_to(ct, ops.types[i].shape), sample=complex_too(ANY, ANY))
negative: Primitive = elementwise("negative", np.negative, linear="jointly",
                       transpose=lambda ct, i, ops: negative(ct), sample=complex_too(ANY))
positive = elementwise("positive", np.positive, linear="jointly", structural=True,
                       transpose=lambda ct, i, ops: ct, sample=complex_too(ANY))
subtract = elementwise("subtract", np.subtract, linear="jointly", absent=_subtract_absent,
                       transpose=lambda ct, i, ops: sum_to(negative(ct) if i else ct, ops.types[i].shape),
                       sample=complex_too(ANY, ANY))


# ---------------------------------------------------------------- linear in each operand apart

def _multiply_transpose(ct: Any, i: int, ops: Any) -> Any:
    return sum_to(ct * conj(ops[1 - i]), ops.types[i].shape)


multiply = elementwise("multiply", np.multiply, linear=(0, 1), transpose=_multiply_transpose,
                       sample=complex_too(ANY, ANY))
divide = elementwise("divide", np.divide, linear=(0,), partials=(None, lambda y, a, b: -y / b),
                     transpose=lambda ct, i, ops: sum_to(ct / conj(ops[1]), ops.types[0].shape),
                     sample=complex_too(ANY, (0.5, 3.0)))


# ---------------------------------------------------------------- complex numbers and their parts

def _real_type(x: ArrayType) -> ArrayType:
    return ArrayType(x.shape, np.empty(0, x.dtype).real.dtype)


def _complex_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.result_type(dtype, np.complex64)


def _real_evaluate(x: Any) -> Any:
    return np.real(x)


def _imag_transpose(ct: Any, i: int, ops: Any) -> Any:
    if ops.types[0].dtype.kind != "c":
        return ct * 0.0
    return make_complex(ct * 0.0, ct)


real = elementwise("real", _real_evaluate, type=_real_type, linear="jointly",
                   transpose=lambda ct, i, ops: convert(ct, dtype=ops.types[0].dtype), sample=complex_too(ANY))
imag = elementwise("imag", lambda x: np.imag(x)[()] if np.ndim(x) else np.asarray(np.imag(x))[()],
                   type=_real_type, linear="jointly", transpose=_imag_transpose, sample=complex_too(ANY))
conjugate = elementwise("conjugate", np.conjugate, linear="jointly",
                        transpose=lambda ct, i, ops: conj(ct), sample=complex_too(ANY))


def _complex_evaluate(a: Any, b: Any) -> Any:
    out = np.empty(np.broadcast_shapes(np.shape(a), np.shape(b)), _complex_dtype(np.asarray(a).dtype))
    out.real, out.imag = a, b
    return out[()]


make_complex = elementwise(
    "make_complex", _complex_evaluate, linear="jointly",
    type=lambda a, b: ArrayType(np.broadcast_shapes(a.shape, b.shape), _complex_dtype(broadcast_type(a, b).dtype)),
    transpose=lambda ct, i, ops: sum_to(imag(ct) if i else real(ct), ops.types[i].shape), sample=interval(ANY, ANY))


# ---------------------------------------------------------------- comparisons and logic

_NEAR = interval((-1.0, 1.0), (-1.0, 1.0))
less = predicate("less", np.less, _NEAR)
less_equal = predicate("less_equal", np.less_equal, _NEAR)
greater = predicate("greater", np.greater, _NEAR)
greater_equal = predicate("greater_equal", np.greater_equal, _NEAR)
equal = predicate("equal", np.equal, _NEAR)
not_equal = predicate("not_equal", np.not_equal, _NEAR)
logical_and = predicate("logical_and", np.logical_and, _NEAR)
logical_or = predicate("logical_or", np.logical_or, _NEAR)
logical_xor = predicate("logical_xor", np.logical_xor, _NEAR)
logical_not = predicate("logical_not", np.logical_not, interval((-1.0, 1.0)))


# ---------------------------------------------------------------- two-way selections

def _larger_tangent(wins: Primitive) -> Callable[..., Any]:
    """The tangent of the operand that wins; at a tie the mean of both. Selected, never multiplied by zero."""
    def jvp(y: Any, operands: Any, tangents: Any) -> Any:
        a, b = operands
        ta, tb = [broadcast(t, shape=y.shape) if t is not None and t.shape != y.shape else t for t in tangents]
        zero = np.zeros((), y.dtype)
        mean = (ta if tb is None else tb if ta is None else ta + tb) * 0.5
        first, second = zero if ta is None else ta, zero if tb is None else tb
        return select(equal(a, b), mean, select(wins(a, b), first, second))
    return jvp


def first_wins(y: Any, a: Any, b: Any) -> Any:
    return greater(a, b)


maximum = elementwise("maximum", np.maximum, jvp=_larger_tangent(greater), kinks=first_wins, sample=interval(ANY, ANY))
minimum = elementwise("minimum", np.minimum, jvp=_larger_tangent(less), kinks=first_wins, sample=interval(ANY, ANY))
