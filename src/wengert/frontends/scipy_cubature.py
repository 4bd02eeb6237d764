"""Integrals over several variables by nesting, ``scipy.integrate.nquad`` and ``tplquad``, and further rules for samples.

What comes in: a function and its ranges, which may be functions of the outer variables; or samples. What goes out: the
integral. The one idea: an integral over several variables is `quad` of a function that is `quad` of the rest; Romberg's rule
and the running rule of Simpson are sums of slices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends import flow
from wengert.frontends.inner import is_traced, plain
from wengert.frontends.numpy_api.structure import as_array, axis_of
from wengert.frontends.reach import call as reach_call
from wengert.frontends.scipy_api import scipy_function
from wengert.frontends.scipy_data import floating, require
from wengert.frontends.scipy_integrate import cumulative_trapezoid
from wengert.frontends.scipy_quad import quad
from wengert.frontends.trace import active_frame, active_trace, user_line
from wengert.frontends.tracer import FUNCTIONS, as_traced

__all__: list[str] = []

_concatenate, _moveaxis = FUNCTIONS[np.concatenate], FUNCTIONS[np.moveaxis]


def _nested(how: Callable[..., Any], func: Any, ranges: Sequence[Any], options: Sequence[Any]) -> Callable[..., Any]:
    """The integral over all of the ranges, the last outermost, as a function of what the ranges may depend on."""
    def integral(*outer: Any) -> Any:
        low, high = how(ranges[-1], *outer) if callable(ranges[-1]) else ranges[-1]
        words = dict(how(options[-1], *outer) if callable(options[-1]) else options[-1])
        if "points" in words:  # of those that lie inside
            words["points"] = [x for x in words["points"] if low <= x <= high]
        inner = _nested(how, func, ranges[:-1], options[:-1]) if len(ranges) > 1 else (lambda *xs: how(func, *xs))
        return quad(inner, low, high, outer, **words)[0]
    return integral


def _untraced(f: Any) -> Any:
    """A function, or a range, for SciPy's own `nquad`: what it gives is plain."""
    def call(*xs: Any) -> Any:
        out = (flow.call if active_frame() is not None else reach_call)(f, *xs) if callable(f) else f
        if any(is_traced(v) for v in (out if isinstance(out, (tuple, list)) else (out,))):
            raise UnsupportedError(f"scipy.integrate.nquad is differentiated without full_output (at {user_line()})")
        return [plain(v, "a limit") for v in out] if isinstance(out, (tuple, list)) else plain(out, "an integrand")
    return call


@scipy_function("scipy.integrate.nquad")
def nquad(func: Any, ranges: Any, args: Any = None, opts: Any = None, full_output: bool = False) -> Any:
    """``scipy.integrate.nquad``, differentiated by Leibniz's rule, in the ranges and in all that is used."""
    if active_trace() is None:
        import scipy.integrate
        return scipy.integrate.nquad(func, ranges, args, opts, full_output)
    if full_output:
        import scipy.integrate
        return scipy.integrate.nquad(_untraced(func), [_untraced(r) for r in ranges], args, opts, True)
    options = [opts or {}] * len(ranges) if opts is None or isinstance(opts, dict) else list(opts)
    how = flow.call if active_frame() is not None else reach_call
    return _nested(how, func, list(ranges), options)(*(() if args is None else args)), np.nan


@scipy_function("scipy.integrate.tplquad")
def tplquad(func: Any, a: Any, b: Any, gfun: Any, hfun: Any, qfun: Any, rfun: Any, args: Any = (), epsabs: Any = 1.49e-8,
            epsrel: Any = 1.49e-8) -> Any:
    """``scipy.integrate.tplquad``: `nquad` of three variables, the innermost first."""
    if active_trace() is None:
        import scipy.integrate
        return scipy.integrate.tplquad(func, a, b, gfun, hfun, qfun, rfun, args, epsabs, epsrel)
    how = flow.call if active_frame() is not None else reach_call

    def limits(pair: tuple[Any, Any], *xs: Any) -> list[Any]:
        return [how(g, *xs) if callable(g) else g for g in pair]
    ranges = [lambda y, x, *rest: limits((qfun, rfun), x, y), lambda x, *rest: limits((gfun, hfun), x), (a, b)]
    return nquad(func, ranges, args, {"epsabs": epsabs, "epsrel": epsrel})


# ---------------------------------------------------------------- samples

@scipy_function("scipy.integrate.romb")
def romb(y: Any, dx: Any = 1.0, axis: int = -1, show: Any = False) -> Any:
    """``scipy.integrate.romb``: Richardson's extrapolation of trapezoidal sums of ``2^k + 1`` samples."""
    if show:
        raise UnsupportedError(f"scipy.integrate.romb is differentiated without show (at {user_line()})")
    y = as_array(y)
    y = _moveaxis(y, axis_of(axis, y.ndim), -1)
    n = y.shape[-1] - 1
    if n < 1 or n & (n - 1):
        raise ValueError("Number of samples must be one plus a non-negative power of 2.")
    h, step = n * as_traced(dx), n
    row = [(y[..., 0] + y[..., -1]) / 2.0 * h]
    while step > 1:
        new = [0.5 * (row[0] + h * FUNCTIONS[np.sum](y[..., step // 2::step], axis=-1))]
        for j, last in enumerate(row, 1):
            new.append(new[-1] + (new[-1] - last) / (4 ** j - 1))
        row, h, step = new, h / 2.0, step // 2
    return row[-1]


def _first_halves(y: Any, h: Any) -> Any:
    """The integrals over the first of each two intervals, of the parabola through three samples."""
    h0, h1 = h[..., :-1], h[..., 1:]
    ratio, other = h0 / (h0 + h1), h0 / h1
    product = ratio * other
    return h0 / 6.0 * ((3.0 - ratio) * y[..., :-2] + (3.0 + product + ratio) * y[..., 1:-1] - product * y[..., 2:])


@scipy_function("scipy.integrate.cumulative_simpson")
def cumulative_simpson(y: Any, *, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None) -> Any:
    """``scipy.integrate.cumulative_simpson``: each interval by the parabola with the sample beside it.

    K. V. Cartwright, "Simpson's rule cumulative integration with MS Excel and irregularly-spaced data", Journal of Mathematical
    Sciences and Mathematics Education 12 (2017) 1-9.
    """
    y = floating(y)
    at = axis_of(axis, y.ndim)
    samples = _moveaxis(y, at, -1)
    n = samples.shape[-1]
    if n < 3:
        out = _moveaxis(cumulative_trapezoid(y, None if x is None else x, dx=dx, axis=at), at, -1)
    else:
        out = FUNCTIONS[np.cumsum](_intervals(samples, _steps(x, dx, y.shape, at, n)), axis=-1)
    if initial is not None:
        first = floating(initial)
        one = (*y.shape[:at], 1, *y.shape[at + 1:])
        if first.ndim and first.shape != one:
            raise ValueError("If provided, `initial` must either be a scalar or have the same shape as `y` but with only "
                             "1 point along `axis`.")
        first = _moveaxis(FUNCTIONS[np.broadcast_to](first, one), at, -1)
        out = _concatenate([first, out + first], axis=-1)
    return _moveaxis(out, -1, at)


def _steps(x: Any, dx: Any, shape: tuple[int, ...], at: int, n: int) -> Any:
    """The lengths of the intervals, along the last axis."""
    if x is None:
        dx = floating(dx)
        if dx.ndim and dx.shape != (*shape[:at], 1, *shape[at + 1:]):
            raise ValueError("If provided, `dx` must either be a scalar or have the same shape as `y` but with only 1 "
                             "point along `axis`.")
        return FUNCTIONS[np.broadcast_to](dx, (n - 1,)) if not dx.ndim else _moveaxis(
            FUNCTIONS[np.broadcast_to](dx, (*shape[:at], n - 1, *shape[at + 1:])), at, -1)
    x = floating(x)
    if x.shape not in (shape, (n,)):
        raise ValueError("If given, shape of `x` must be the same as `y` or 1-D with the same length as `y` along `axis`.")
    x = x if x.ndim == 1 else _moveaxis(x, at, -1)
    steps = x[..., 1:] - x[..., :-1]
    return require(steps, steps > 0, "Input x must be strictly increasing.")


def _intervals(y: Any, h: Any) -> Any:
    """The integral over each interval: those at even places as a first half, the others, and the last, as a second."""
    first, second = _first_halves(y, h), _first_halves(y[..., ::-1], h[..., ::-1])[..., ::-1]
    pairs = FUNCTIONS[np.stack]([first[..., ::2], second[..., ::2]], axis=-1)
    flat = FUNCTIONS[np.reshape](pairs, (*pairs.shape[:-2], 2 * pairs.shape[-2]))
    return flat if y.shape[-1] % 2 else _concatenate([flat, second[..., -1:]], axis=-1)
