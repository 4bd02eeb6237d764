"""Polynomials as arrays of coefficients, highest power first, on tracers.

What comes in: NumPy calls. What goes out: arithmetic in NumPy's own steps. The one idea: a polynomial is
its coefficients; a degree is a shape and comes from the values (leading zeros are dropped where NumPy drops
them).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.numpy_api.calculus import convolve, strong
from wengert.frontends.numpy_api.products import operands
from wengert.frontends.numpy_api.stacking import concatenate
from wengert.frontends.numpy_api.structure import as_array, atleast_1d
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import Tracer, implements, ufunc_call, value_of
from wengert.primitives.elementwise import negative, real
from wengert.primitives.filters import lfilter

__all__ = ["polyval"]


def _coefficients(p: Any) -> Tracer:
    if isinstance(p, np.poly1d):
        raise UnsupportedError(
            f"np.poly1d meets a traced value at {user_line()}; use its coefficients, p.coef"
        )
    return strong(p)


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """``np.polyval``: Horner's rule."""
    p, x = _coefficients(p), strong(x)
    if p.ndim == 0:
        raise TypeError("iteration over a 0-d array")
    y: Any = as_array(np.zeros(x.shape, x.dtype))
    for k in range(p.shape[0]):
        y = ufunc_call(np.add, ufunc_call(np.multiply, y, x), p[k])
    return y


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """``np.polyder``."""
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    p = _coefficients(p)
    for _ in range(int(m)):
        p = p[:-1] * np.arange(p.shape[0] - 1, 0, -1)
    return p


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """``np.polyint``; the constants of integration may be traced."""
    m = int(m)
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    p = _coefficients(p)
    k = atleast_1d(np.zeros(m) if k is None else strong(k))
    if k.shape[0] == 1 and m > 1:
        k = k[0] * np.ones(m)
    if k.shape[0] < m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    for i in range(m):
        p = concatenate([p / np.arange(p.shape[0], 0, -1), k[i : i + 1]])
    return p


def _sum(ufunc: np.ufunc, a1: Any, a2: Any) -> Any:
    """The sum or difference: the shorter one gets zeros in front."""
    a, b = atleast_1d(_coefficients(a1)), atleast_1d(_coefficients(a2))
    missing = b.shape[0] - a.shape[0]
    if missing > 0:
        a = concatenate([as_array(np.zeros(missing, a.dtype)), a])
    elif missing < 0:
        b = concatenate([as_array(np.zeros(-missing, b.dtype)), b])
    return ufunc_call(ufunc, a, b)


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """``np.polyadd``."""
    return _sum(np.add, a1, a2)


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """``np.polysub``."""
    return _sum(np.subtract, a1, a2)


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """``np.polymul``: leading coefficients that are exactly zero are dropped, as in NumPy."""
    return convolve(*[_trimmed(atleast_1d(_coefficients(x))) for x in (a1, a2)])


def _trimmed(p: Tracer) -> Any:
    there = np.nonzero(np.asarray(value_of(p)))[0]
    return p[int(there[0]) :] if there.size else as_array(np.zeros(1, p.dtype))


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """``np.poly`` of a sequence of zeros."""
    roots = atleast_1d(strong(seq_of_zeros))
    if roots.ndim != 1:
        raise UnsupportedError(f"np.poly of a matrix at {user_line()}: take np.poly(np.linalg.eigvals(a))")
    if roots.dtype.kind not in "fc":
        roots = roots.astype(float)
    if not roots.shape[0]:
        return 1.0
    out: Any = np.ones(1, roots.dtype)
    for k in range(roots.shape[0]):
        out = convolve(out, concatenate([as_array(np.ones(1, roots.dtype)), negative(roots[k : k + 1])]))
    if roots.dtype.kind == "c":
        plain = np.asarray(value_of(roots))
        if np.all(np.sort(plain) == np.sort(plain.conjugate())):
            out = real(out)
    return out


@implements(np.polyfit)
def polyfit(x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """``np.polyfit``: least squares with scaled columns, as there; points, values and weights may be traced."""
    order = int(deg) + 1
    x, y = strong(x) + 0.0, strong(y) + 0.0
    if deg < 0:
        raise ValueError("expected deg >= 0")
    if x.ndim != 1:
        raise TypeError("expected 1D vector for x")
    if x.shape[0] == 0:
        raise TypeError("expected non-empty vector for x")
    if y.ndim < 1 or y.ndim > 2:
        raise TypeError("expected 1D or 2D array for y")
    if x.shape[0] != y.shape[0]:
        raise TypeError("expected x and y to have same length")
    cut = x.shape[0] * np.finfo(x.dtype).eps if rcond is None else rcond
    left, right = np.vander(x, order), y
    if w is not None:
        w = strong(w) + 0.0
        if w.ndim != 1:
            raise TypeError("expected a 1-d array for weights")
        if w.shape[0] != y.shape[0]:
            raise TypeError("expected w and y to have the same length")
        left, right = left * w[:, None], right * (w[:, None] if right.ndim == 2 else w)
    scale = np.sqrt(np.sum(left * left, axis=0))
    c, rest, rank, values = np.linalg.lstsq(left / scale, right, cut)
    c = (c.T / scale).T
    if rank != order and not full:
        warnings.warn("Polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=2)
    if full:
        return c, rest, rank, values, cut
    if not cov:
        return c
    base = np.linalg.inv(np.dot((left / scale).T, left / scale)) / np.outer(scale, scale)
    if isinstance(cov, str) and cov == "unscaled":
        return c, base
    if len(x) <= order:
        raise ValueError("the number of data points must exceed order to scale the covariance matrix")
    factor = rest / (len(x) - order)
    return c, base * factor if y.ndim == 1 else base[:, :, None] * factor


@implements(np.polydiv)
def polydiv(u: Any, v: Any) -> Any:
    """``np.polydiv``: the quotient is the response of the recursive filter ``u / v`` to an impulse."""
    u, v = atleast_1d(_coefficients(u)) + 0.0, atleast_1d(_coefficients(v)) + 0.0
    u, v = operands(u, v)
    n, m = u.shape[0], v.shape[0]
    impulse = np.zeros(max(n - m + 1, 1), u.dtype)
    impulse[0] = n >= m
    quotient = lfilter(u, v, impulse)
    if n < m:
        return quotient, u
    rest = u - convolve(v, quotient)
    left = np.asarray(rest.concrete("np.polydiv: how long the remainder is"))
    start = 0
    while start < n - 1 and np.allclose(left[start], 0, rtol=1e-14):
        start += 1
    return quotient, rest[start:]


@implements(np.roots)
def roots(p: Any) -> Any:
    """``np.roots``: eigenvalues of the companion matrix, as there; where two roots meet they have no derivative."""
    p = atleast_1d(_coefficients(p))
    if p.ndim != 1:
        raise ValueError("Input must be a rank-1 array.")
    filled = np.flatnonzero(np.asarray(p.concrete("np.roots: which coefficients are zero")))
    if not len(filled):
        return np.array([])
    zeros, p = p.shape[0] - 1 - filled[-1], p[int(filled[0]):int(filled[-1]) + 1] + 0.0
    n = p.shape[0] - 1
    found: Any = np.zeros(0)
    if n:
        first = -p[1:] / p[0]
        found = np.linalg.eigvals(concatenate([first[None], np.eye(n - 1, n, dtype=first.dtype)]))
    return concatenate([found, np.zeros(zeros, found.dtype)])
