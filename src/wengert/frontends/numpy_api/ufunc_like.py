"""NumPy's elementwise functions that are no ufuncs, on tracers.

What comes in: NumPy calls with their whole signatures. What goes out: elementwise primitives. The one idea: a choice
between values is a selection, so what is not chosen contributes exactly nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.numpy_api.arithmetic import common, method, write_out
from wengert.frontends.numpy_api.structure import as_array, axis_of, view
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced, implements, ufunc_call, value_of
from wengert.graph import REGISTRY
from wengert.primitives import elementary, elementwise
from wengert.primitives import structure as s

__all__ = ["angle", "clip", "imag", "real"]


@implements(np.real)
@method("real", property=True)
def real(val: Any) -> Any:
    """``np.real``: a view."""
    x = as_array(val)
    return view(x, "real", None) if x.dtype.kind == "c" else x


@implements(np.imag)
@method("imag", property=True)
def imag(val: Any) -> Any:
    """``np.imag``: a view; zeros for a real array."""
    x = as_array(val)
    return view(x, "imag", None) if x.dtype.kind == "c" else Tracer(None, None, np.zeros(x.shape, x.dtype))


@method("conj", "conjugate")
def _conj(x: Tracer) -> Any:
    return ufunc_call(np.conjugate, x)


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """``np.angle``; at 0 its derivative is 0."""
    x = as_array(z)
    if x.dtype.kind != "c":
        x = x.astype(np.result_type(x.dtype, np.float16) if x.dtype.kind != "f" else x.dtype)
        out = ufunc_call(np.arctan2, np.zeros((), x.dtype), x)
    else:
        out = ufunc_call(np.arctan2, imag(x), real(x))
    return out * (180 / np.pi) if deg else out


@implements(np.real_if_close)
def real_if_close(a: Any, tol: Any = 100) -> Any:
    """``np.real_if_close``, by the present value."""
    x = as_array(a)
    return real(x) if np.isrealobj(np.real_if_close(x.concrete("real_if_close"), tol)) else x


@implements(np.clip)
def clip(a: Any, a_min: Any = np._NoValue, a_max: Any = np._NoValue, out: Any = None, *, min: Any = np._NoValue,
         max: Any = np._NoValue, **keywords: Any) -> Any:
    """``np.clip``: derivative 1 inside and on a bound, 0 outside, where the bound has it."""
    if a_min is np._NoValue and a_max is np._NoValue:
        a_min, a_max = [None if bound is np._NoValue else bound for bound in (min, max)]
    elif a_min is np._NoValue or a_max is np._NoValue:
        raise TypeError(f"clip() missing 1 required positional argument: 'a_m{'in' if a_min is np._NoValue else 'ax'}'")
    elif min is not np._NoValue or max is not np._NoValue:
        raise ValueError("Passing `min` or `max` keyword argument when `a_min` and `a_max` are provided is forbidden.")
    return _clip(as_array(a), a_min, a_max, out, **keywords)


@method("clip")
def _clip(x: Tracer, min: Any = None, max: Any = None, out: Any = None, **keywords: Any) -> Any:
    if keywords:
        raise UnsupportedError(f"clip({', '.join(keywords)}=...) cannot be traced (at {user_line()})")
    bounds = [as_traced(bound) for bound in (min, max) if bound is not None]
    x, *bounds = common(x, *bounds)
    if not bounds:
        result = x.copy()
    elif len(bounds) == 2:
        result = elementary.clip(x, *bounds)
    else:
        result = (elementary.clip_low if max is None else elementary.clip_high)(x, *bounds)
    return result if out is None else write_out(out, result)


@implements(np.sinc)
def sinc(x: Any) -> Any:
    """``np.sinc``: sin(πx)/(πx), all derivatives exact at 0."""
    x = as_array(x)
    return elementary.sinc(x if x.dtype.kind in "fc" else x.astype(float))


@implements(np.i0)
def i0(x: Any) -> Any:
    """``np.i0``: the modified Bessel function."""
    x = as_array(x)
    if x.dtype.kind == "c":
        raise TypeError("i0 not supported for complex values")
    return REGISTRY["numpy_i0"](x if x.dtype.kind == "f" else x.astype(float))


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """``np.nan_to_num``: what is replaced has derivative 0."""
    x = as_array(x)
    if x.dtype.kind not in "fc":
        return x.copy() if copy else x
    if x.dtype.kind == "c":
        out = elementwise.make_complex(*[_finite(part, nan, posinf, neginf) for part in (real(x), imag(x))])
    else:
        out = _finite(x, nan, posinf, neginf)
    if copy or not (x.shape or x.kind == "box"):
        return out
    x.write(out)
    return x


def _finite(x: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
    """A real array with what is not finite replaced."""
    info = np.finfo(x.dtype)
    unlimited, low = ufunc_call(np.isinf, x), ufunc_call(np.signbit, x)
    top = ufunc_call(np.logical_and, unlimited, ufunc_call(np.logical_not, low))
    bottom = ufunc_call(np.logical_and, unlimited, low)
    for where, value in ((ufunc_call(np.isnan, x), nan), (top, info.max if posinf is None else posinf),
                         (bottom, info.min if neginf is None else neginf)):
        value = as_traced(value)
        if not isinstance(value, Tracer):
            value = np.asarray(value, x.dtype)
        elif value.dtype != x.dtype:
            value = s.convert(value, dtype=x.dtype)
        x = s.select(where, value, x)
    return x


def _signed_infinity(negative: bool) -> Any:
    def implementation(x: Any, out: Any = None) -> Any:
        x = as_array(x)
        if x.dtype.kind == "c":
            raise TypeError(f"This operation is not supported for {x.dtype} values because it would be ambiguous.")
        sign = ufunc_call(np.signbit, x)
        result = ufunc_call(np.logical_and, ufunc_call(np.isinf, x), sign if negative else ufunc_call(np.logical_not, sign))
        return result if out is None else write_out(out, result)
    return implementation


implements(np.isposinf)(_signed_infinity(False))
implements(np.isneginf)(_signed_infinity(True))


@implements(np.isreal)
def isreal(x: Any) -> Any:
    """``np.isreal``."""
    return ufunc_call(np.equal, imag(x), 0)


@implements(np.iscomplex)
def iscomplex(x: Any) -> Any:
    """``np.iscomplex``."""
    return ufunc_call(np.not_equal, imag(x), 0)


@implements(np.isclose)
def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """``np.isclose``: made of comparisons, so that it needs no values."""
    x, y = as_array(a), as_array(b)
    near = ufunc_call(np.less_equal, abs(x - y), atol + rtol * abs(y))
    near = ufunc_call(np.logical_or, ufunc_call(np.logical_and, near, ufunc_call(np.isfinite, y)), x == y)
    if equal_nan:
        near = ufunc_call(np.logical_or, near, ufunc_call(np.logical_and, ufunc_call(np.isnan, x), ufunc_call(np.isnan, y)))
    return near


@implements(np.round, np.around)
@method("round")
def round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """``np.round``: locally constant."""
    x = as_array(a)
    result = REGISTRY["numpy_round"](x, decimals=int(decimals))
    return result if out is None else write_out(out, result)


@implements(np.fix)
def fix(x: Any, out: Any = None) -> Any:
    """``np.fix``: locally constant."""
    result = ufunc_call(np.trunc, as_array(x))
    return result if out is None else write_out(out, result)


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    """``np.unwrap``: jumps are removed, the derivative passes through; the period is a constant."""
    x = as_array(p)
    dtype = np.result_type(x.dtype, value_of(period)) if x.kind != "scalar" else x.dtype
    if dtype.kind in "iub":
        return np.unwrap(value_of(x), discont, axis, period=period)
    x = x if x.dtype == dtype else s.convert(x, dtype=dtype)
    return elementary.unwrap(x, axis=axis_of(axis, x.ndim), period=float(value_of(period)),
                             discont=None if discont is None else float(value_of(discont)))


@implements(np.select)
def select_(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """``np.select``: the first condition that holds."""
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if len(condlist) == 0:
        raise ValueError("select with an empty condition list is not possible")
    conditions = [as_array(c) for c in condlist]
    for k, condition in enumerate(conditions):
        if condition.dtype != np.bool_:
            raise TypeError(f"invalid entry {k} in condlist: should be boolean ndarray")
    *choices, out = common(*[as_traced(c) for c in choicelist], as_traced(default))
    for condition, choice in zip(conditions[::-1], choices[::-1], strict=True):
        out = s.select(condition, choice, out)
    return out


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """``np.piecewise``: each function sees only its own elements."""
    from wengert.frontends.reach import call
    x = as_array(x)
    if np.ndim(condlist) == 0 or (not isinstance(condlist[0], list) and np.ndim(condlist[0]) == 0 and x.ndim != 0):
        condlist = [condlist]
    conditions = [np.asarray(c.concrete("np.piecewise") if isinstance(c, Tracer) else c, bool) for c in condlist]
    if len(funclist) == len(conditions) + 1:
        conditions.append(~np.any(conditions, axis=0))
    elif len(funclist) != len(conditions):
        n = len(conditions)
        raise ValueError(f"with {n} condition(s), either {n} or {n + 1} functions are expected")
    out = FUNCTIONS[np.zeros_like](x)
    for condition, f in zip(conditions, funclist, strict=True):
        if not callable(f):
            out[condition] = f
        elif np.any(condition):
            out[condition] = call(f, x[condition], *args, **kw)
    return out


# ---------------------------------------------------------------- plain answers


def _plain(function: Any) -> None:
    def answer(*args: Any, **kwargs: Any) -> Any:
        values = [a.concrete(function.__name__) if isinstance(a, Tracer) else a for a in args]
        return function(*values, **{k: v.concrete(k) if isinstance(v, Tracer) else v for k, v in kwargs.items()})
    FUNCTIONS.setdefault(function, answer)


for _f in (np.allclose, np.array_equal, np.array_equiv, np.isin, np.isnat):
    _plain(_f)


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """``np.isrealobj``."""
    return as_array(x).dtype.kind != "c"


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """``np.iscomplexobj``."""
    return as_array(x).dtype.kind == "c"
