"""NumPy's elementwise functions that are no ufuncs, on tracers.

What comes in: NumPy calls with their whole signatures. What goes out: elementwise primitives. The one idea: a choice
between values is a selection, so what is not chosen contributes exactly nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.frontends.numpy_api.arithmetic import common, method, write_out
from wengert.frontends.numpy_api.structure import as_array, view
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced, constant, implements, ufunc_call
from wengert.graph import REGISTRY
from wengert.primitives import elementary, elementwise
from wengert.primitives.structure import select, zeros_like

__all__ = ["angle", "clip", "imag", "real"]


@implements(np.real)
@method("real", property=True)
def real(val: Any) -> Any:
    """``np.real``."""
    x = as_array(val)
    return view(x, "real", None) if x.dtype.kind == "c" else x


@implements(np.imag)
@method("imag", property=True)
def imag(val: Any) -> Any:
    """``np.imag``."""
    x = as_array(val)
    return view(x, "imag", None) if x.dtype.kind == "c" else x * 0


@method("conj", "conjugate")
def _conj(x: Tracer) -> Any:
    return ufunc_call(np.conjugate, x)


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """``np.angle``; at 0 its derivative is 0."""
    x = as_array(z)
    if x.dtype.kind != "c":
        x = x.astype(np.result_type(x.dtype, np.float16) if x.dtype.kind != "f" else x.dtype)
        out = ufunc_call(np.arctan2, zeros_like(x) if x.build is not None else np.zeros(x.shape, x.dtype), x)
    else:
        out = ufunc_call(np.arctan2, imag(x), real(x))
    return out * (180 / np.pi) if deg else out


@implements(np.real_if_close)
def real_if_close(a: Any, tol: Any = 100) -> Any:
    """``np.real_if_close``, by the present value."""
    x = as_array(a)
    return real(x) if np.isrealobj(np.real_if_close(x.concrete("real_if_close"), tol)) else x


@implements(np.clip)
@method("clip")
def clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None, **keywords: Any) -> Any:
    """``np.clip``: derivative 1 inside, 0 outside; on a bound it is split evenly between the array and the bound."""
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    if keywords:
        return FUNCTIONS["ufunc with keywords"](np.clip, (a, low, high), out, True, None, "same_kind", keywords)
    result = as_array(a)
    if low is not None:
        result = ufunc_call(np.maximum, result, low)
    if high is not None:
        result = ufunc_call(np.minimum, result, high)
    return result if out is None else write_out(out, result)


@implements(np.sinc)
def sinc(x: Any) -> Any:
    """``np.sinc``: sin(πx)/(πx), all derivatives exact at 0."""
    x = as_array(x)
    return elementary.sinc(x if x.dtype.kind in "fc" else x.astype(float))


@implements(np.i0)
def i0(x: Any) -> Any:
    """``np.i0``: the modified Bessel function."""
    return REGISTRY["numpy_i0"](as_array(x))


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """``np.nan_to_num``: what is replaced has derivative 0."""
    x = as_array(x)
    if x.dtype.kind not in "fc":
        return x.copy()
    if x.dtype.kind == "c":
        parts = [nan_to_num(p, copy, nan, posinf, neginf) for p in (real(x), imag(x))]
        return elementwise.make_complex(*parts)
    info = np.finfo(x.dtype)
    out = select(ufunc_call(np.isnan, x), constant(float(nan), x.dtype), x)
    top, low = info.max if posinf is None else posinf, info.min if neginf is None else neginf
    infinite = ufunc_call(np.isinf, x)
    positive = ufunc_call(np.greater, x, 0)
    out = select(ufunc_call(np.logical_and, infinite, positive), constant(float(top), x.dtype), out)
    out = select(ufunc_call(np.logical_and, infinite, ufunc_call(np.logical_not, positive)), constant(float(low), x.dtype), out)
    if not copy:
        x.write(out)
        return x
    return out


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
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * np.pi) -> Any:
    """``np.unwrap``: jumps are removed, the derivative passes through."""
    x = as_array(p)
    value = x.concrete("unwrap")
    shift = np.unwrap(value, discont, axis, period=period) - value
    return x + np.round(shift / period) * period


@implements(np.select)
def select_(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """``np.select``: the first condition that holds."""
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    *choices, out = common(*[as_traced(c) for c in choicelist], as_traced(default))
    for condition, choice in zip(condlist[::-1], choices[::-1], strict=True):
        out = FUNCTIONS[np.where](condition, choice, out)
    return out


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """``np.piecewise``: each function sees only its own elements."""
    x = as_array(x)
    conditions = [c.concrete("piecewise") if isinstance(c, Tracer) else np.asarray(c, bool) for c in condlist]
    if len(funclist) == len(conditions) + 1:
        conditions.append(~np.logical_or.reduce(conditions))
    if len(funclist) != len(conditions):
        raise ValueError(f"with {len(conditions)} condition(s), either {len(conditions)} or {len(conditions) + 1} functions are expected")
    out = x * 0
    for condition, f in zip(conditions, funclist, strict=True):
        if callable(f):
            from wengert.frontends.reach import call
            if np.any(condition):
                out[condition] = call(f, x[condition], *args, **kw)
        else:
            out[condition] = f
    return out


# ---------------------------------------------------------------- plain answers


def _plain(function: Any) -> None:
    def answer(*args: Any, **kwargs: Any) -> Any:
        values = [a.concrete(function.__name__) if isinstance(a, Tracer) else a for a in args]
        return function(*values, **{k: v.concrete(k) if isinstance(v, Tracer) else v for k, v in kwargs.items()})
    FUNCTIONS.setdefault(function, answer)


for _f in (np.isclose, np.allclose, np.array_equal, np.array_equiv, np.isreal, np.iscomplex, np.isposinf, np.isneginf, np.isin):
    _plain(_f)


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """``np.isrealobj``."""
    return as_array(x).dtype.kind != "c"


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """``np.iscomplexobj``."""
    return as_array(x).dtype.kind == "c"


