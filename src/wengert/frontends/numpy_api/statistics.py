"""Covariance and correlation coefficients on tracers.

What comes in: NumPy calls. What goes out: an average, a product of deviations, a scale. The one idea: NumPy's own steps,
in its order, so that values agree to the last bit.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from wengert.frontends.numpy_api.calculus import strong
from wengert.frontends.numpy_api.products import dot
from wengert.frontends.numpy_api.stacking import concatenate
from wengert.frontends.numpy_api.structure import as_array, diagonal, squeeze, transpose
from wengert.frontends.tracer import FUNCTIONS, Tracer, implements, ufunc_call
from wengert.primitives import structure as s
from wengert.primitives.elementwise import conj, imag, make_complex, real

__all__ = ["corrcoef", "cov"]


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
    out = []
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
def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, fweights: Any = None,
        aweights: Any = None, *, dtype: Any = None) -> Any:
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
        rest = scale if ddof == 0 else scale - ddof if aweights is None else \
            scale - ddof * _in_order(w * aweights) / scale
    plain = rest.value if isinstance(rest, Tracer) else rest
    if plain is not None and plain <= 0:
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=3)
        rest = 0.0
    x = x - s.reshape(average, shape=(*average.shape, 1))
    out = dot(x, conj(transpose(x if w is None else x * w)))
    return squeeze(out * (ufunc_call(np.true_divide, 1, rest) if isinstance(rest, Tracer) else np.true_divide(1, rest)))


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


