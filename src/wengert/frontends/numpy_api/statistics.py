"""Means, variances, covariances on tracers.

What comes in: NumPy calls. What goes out: sums, deviations, scales. The one idea: NumPy's own steps, in its
order and its dtypes, so that values agree to the last bit.

The derivative of a standard deviation where all elements are equal: the root has a kink there, and 0 is
taken, an element of the subdifferential (`reductions.safe_sqrt`).
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from wengert.frontends.numpy_api.arithmetic import method
from wengert.frontends.numpy_api.calculus import strong
from wengert.frontends.numpy_api.products import dot
from wengert.frontends.numpy_api.reductions import finished, given, kept, masks, safe_sqrt, summed
from wengert.frontends.numpy_api.stacking import concatenate
from wengert.frontends.numpy_api.structure import as_array, axes_of, axis_of, diagonal, squeeze, transpose
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced, implements, ufunc_call
from wengert.primitives import structure as s
from wengert.primitives.elementwise import conj, imag, make_complex, real

__all__ = ["corrcoef", "cov", "divided", "mean", "var"]


# ---------------------------------------------------------------- mean


def _count(a: Tracer, axes: tuple[int, ...], where: Any, keepdims: Any) -> Any:
    """How many elements each result stands for."""
    if not masks(where):
        return math.prod(a.shape[k] for k in axes)
    there = as_traced(where)
    there = there if isinstance(there, Tracer) else as_array(np.asarray(there, bool))
    there = s.broadcast(there, shape=np.broadcast_shapes(there.shape, a.shape))
    n = FUNCTIONS[np.sum](there, axes, np.intp, keepdims=keepdims)
    return n if n.value is None else np.asarray(n.value)


def _warn_if(short: Any, message: str) -> None:
    short = short.value if isinstance(short, Tracer) else short
    if short is not None and np.any(short):
        warnings.warn(message, RuntimeWarning, stacklevel=5)


def divided(total: Any, count: Any) -> Any:
    """A sum over a number of elements, in the sum's dtype.

    Complex numbers of single precision are divided in double precision, as in NumPy.
    """
    dtype = total.dtype
    if dtype == np.complex64:
        total = s.convert(total, dtype=np.dtype(complex))
    if isinstance(count, (int, float)):
        out = ufunc_call(np.divide, total, count)
    else:
        out = ufunc_call(np.divide, total, count.astype(total.dtype))
    return out if out.dtype == dtype else s.convert(out, dtype=dtype)


def _converted(a: Tracer, dtype: Any) -> tuple[Tracer, Any]:
    """The array in the dtype in which NumPy adds it up, and the dtype of the result."""
    if given(dtype):
        dtype = np.dtype(dtype)
        return (a if a.dtype == dtype else s.convert(a, dtype=dtype)), dtype
    if a.dtype.kind in "bui":
        return s.convert(a, dtype=np.dtype(float)), np.dtype(float)
    return (s.convert(a, dtype=np.dtype(np.float32)), a.dtype) if a.dtype == np.float16 else (a, a.dtype)


@implements(np.mean)
@method("mean")
def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = None
) -> Any:
    """``np.mean``."""
    a = as_array(a)
    axes = axes_of(axis, a.ndim)
    count = _count(a, axes, where, keepdims)
    _warn_if(count == 0, "Mean of empty slice")
    x, dtype = _converted(a, dtype)
    result = divided(kept(a, summed(x, axes, where), axes, keepdims), count)
    return finished(result if result.dtype == dtype else s.convert(result, dtype=dtype), out)


# ---------------------------------------------------------------- variance


def _squared(d: Any) -> Any:
    """The squares of the moduli."""
    if d.dtype.kind != "c":
        return ufunc_call(np.square, d)
    return ufunc_call(np.add, ufunc_call(np.square, real(d)), ufunc_call(np.square, imag(d)))


def _degrees(count: Any, ddof: Any) -> Any:
    """The number of elements less `ddof`, never negative."""
    if isinstance(count, Tracer):
        return ufunc_call(np.maximum, count - ddof, 0)
    left = np.maximum(count - ddof, 0)
    return left if np.ndim(left) or np.ndim(count) else left.item()


def _ddof(ddof: Any, correction: Any) -> Any:
    if not given(correction):
        return ddof
    if ddof != 0:
        raise ValueError("ddof and correction can't be provided simultaneously.")
    return correction


@implements(np.var)
@method("var")
def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = None,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """``np.var``."""
    ddof = _ddof(ddof, correction)
    a = as_array(a)
    axes = axes_of(axis, a.ndim)
    count = _count(a, axes, where, keepdims)
    _warn_if(ddof >= count, "Degrees of freedom <= 0 for slice")
    if given(mean):
        center = mean
    else:
        x, _ = _converted(a, dtype if given(dtype) or a.dtype != np.float16 else np.float16)
        center = divided(s.keep_axes(summed(x, axes, where), axes), _count(a, axes, where, True))
    squares = _squared(ufunc_call(np.subtract, a, center))
    if given(dtype) and squares.dtype != np.dtype(dtype) and np.dtype(dtype).kind != "c":
        squares = s.convert(squares, dtype=np.dtype(dtype))
    total = kept(a, summed(squares, axes, where), axes, keepdims)
    return finished(divided(total, _degrees(count, ddof)), out)


@implements(np.std)
@method("std")
def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = None,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """``np.std``; where the spread is 0 the derivative is 0."""
    v = var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction)
    return finished(safe_sqrt(v), out)


# ---------------------------------------------------------------- average


def _fitted(weights: Any, a: Tracer, axis: Any) -> Any:
    """Weights in a shape that broadcasts against the array."""
    w = strong(weights)
    if w.shape == a.shape:
        return w
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    axes = tuple([axis_of(k, a.ndim) for k in (axis if isinstance(axis, (tuple, list)) else (axis,))])
    if w.shape != tuple([a.shape[k] for k in axes]):
        raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
    w = transpose(w, tuple(np.argsort(axes).tolist()))
    return s.reshape(w, shape=tuple([n if k in axes else 1 for k, n in enumerate(a.shape)]))


@implements(np.average)
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    """``np.average``; the weights may be traced."""
    a = strong(a)
    if weights is None:
        result = mean(a, axis, keepdims=keepdims)
        if not returned:
            return result
        return result, np.full(result.shape, result.dtype.type(a.type.size / result.type.size))[()]
    w = _fitted(weights, a, axis)
    dtype = np.result_type(a.dtype, w.dtype, *(("f8",) if a.dtype.kind in "bui" else ()))
    scale = FUNCTIONS[np.sum](w, axis, dtype, keepdims=keepdims)
    if scale.value is not None and np.any(scale.value == 0):
        raise ZeroDivisionError("Weights sum to zero, can't be normalized")
    a, w = [x if x.dtype == dtype else s.convert(x, dtype=dtype) for x in (a, w)]
    result = ufunc_call(np.divide, FUNCTIONS[np.sum](a * w, axis, keepdims=keepdims), scale)
    if not returned:
        return result
    return result, scale if scale.shape == result.shape else s.broadcast(scale, shape=result.shape)


# ---------------------------------------------------------------- covariance


def _rows(x: Tracer, dtype: Any) -> Any:
    x = x if x.dtype == dtype else s.convert(x, dtype=dtype)
    return x if x.ndim == 2 else s.reshape(x, shape=(1, x.type.size))


def _observations(m: Any, y: Any, rowvar: bool, dtype: Any) -> Any:
    """Variables in rows, observations in columns."""
    m = strong(m)
    if m.ndim > 2:
        raise ValueError("m has more than 2 dimensions")
    if y is not None:
        y = strong(y)
        if y.ndim > 2:
            raise ValueError("y has more than 2 dimensions")
    if dtype is None:
        dtype = np.result_type(m.dtype, np.float64, *(() if y is None else (y.dtype,)))
    dtype = np.dtype(dtype)
    x = _rows(m, dtype)
    if not rowvar and m.ndim != 1:
        x = transpose(x)
    if y is None or not x.shape[0]:
        return x
    y = _rows(y, dtype)
    if not rowvar and y.shape[0] != 1:
        y = transpose(y)
    return concatenate([x, y], 0)


def _weights(fweights: Any, aweights: Any, n: int) -> tuple[Any, Any]:
    """The weights of the observations, and those of the second kind alone; they may be traced."""
    out: list[Any] = []
    for w, name in ((fweights, "fweights"), (aweights, "aweights")):
        if w is None:
            out.append(None)
            continue
        w = as_array(w)
        w = w if w.dtype == np.float64 else s.convert(w, dtype=np.dtype(float))
        plain = w.value
        if name == "fweights" and plain is not None and not np.all(plain == np.around(plain)):
            raise TypeError("fweights must be integer")
        if w.ndim > 1:
            raise RuntimeError(f"cannot handle multidimensional {name}")
        if w.shape[0] != n:
            raise RuntimeError(f"incompatible numbers of samples and {name}")
        if plain is not None and np.any(plain < 0):
            raise ValueError(f"{name} cannot be negative")
        out.append(w)
    f, a = out
    return (a if f is None else f if a is None else f * a), a


@implements(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """``np.cov``; both kinds of weights may be traced."""
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    x = _observations(m, y, rowvar, dtype)
    if not x.shape[0]:
        return np.array([]).reshape(0, 0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    n = x.shape[1]
    w, aweights = _weights(fweights, aweights, n)
    if w is None:
        average, scale = FUNCTIONS[np.mean](x, 1), None
        rest: Any = n - ddof
    else:
        average, scale = FUNCTIONS[np.average](x, 1, w, True)
        scale = scale[0]
        rest = (
            scale
            if ddof == 0
            else scale - ddof
            if aweights is None
            else scale - ddof * _in_order(w * aweights) / scale
        )
    plain = rest.value if isinstance(rest, Tracer) else rest
    if plain is not None and plain <= 0:
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=3)
        rest = 0.0
    x = x - s.reshape(average, shape=(*average.shape, 1))
    out = dot(x, conj(transpose(x if w is None else x * w)))
    return squeeze(
        out * (ufunc_call(np.true_divide, 1, rest) if isinstance(rest, Tracer) else np.true_divide(1, rest))
    )


def _in_order(w: Any) -> Any:
    """Python's ``sum``: one element after the other."""
    running = FUNCTIONS[np.cumsum](w)
    return running[-1] + 0.0 if w.shape[0] else 0


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """``np.corrcoef``."""
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    d = diagonal(c)
    deviation = ufunc_call(np.sqrt, real(d) if d.dtype.kind == "c" else d)
    c = c / s.reshape(deviation, shape=(d.shape[0], 1)) / s.reshape(deviation, shape=(1, d.shape[0]))
    if c.dtype.kind != "c":
        return _clipped(c)
    return make_complex(_clipped(real(c)), _clipped(imag(c)))


def _clipped(c: Any) -> Any:
    """To [-1, 1], which rounding may leave; the derivative is that of the unclipped value.

    At a coefficient of exactly 1 a clip would halve the derivative, which is zero there in exact arithmetic.
    """
    one = np.ones((), c.dtype)
    return FUNCTIONS[np.where](c > 1, one, FUNCTIONS[np.where](c < -1, -one, c))
