"""Python's own functions on traced values: ``math``, ``cmath`` and the builtins.

What comes in: calls that rewritten code makes. What goes out: traced results, with Python's exceptions. The one idea:
the ordinary function runs first, on the concrete value, so that what Python raises is raised here; then the
operation is recorded through the NumPy function of the same meaning.
"""

from __future__ import annotations

import builtins
import cmath
import contextlib
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import REFUSALS, UnstageableError
from wengert.frontends.reach import CALLS, on_call, printed, reach
from wengert.frontends.registry import TracedText, read_back
from wengert.frontends.trace import active_frame, user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer, ufunc_call
from wengert.primitives.structure import convert, reshape

__all__ = ["scalar"]


def scalar(x: Any, what: str) -> Any:
    """A traced number as Python sees it; an array of one element is taken apart, a larger one refused."""
    if isinstance(x, Tracer) and x.shape:
        if x.type.size != 1:
            raise TypeError(f"only size-1 arrays can be converted to Python scalars ({what} at {user_line()})")
        return reshape(x, shape=())
    return x


def _plain(x: Any) -> Any:
    return x.concrete("math") if isinstance(x, Tracer) else x


def _known(args: tuple[Any, ...]) -> bool:
    return all(not isinstance(a, Tracer) or a.value is not None for a in args)


def _as_float(x: Any) -> Any:
    """In float64, as ``math`` computes."""
    if not isinstance(x, Tracer):
        return float(x)
    out = (x if x.dtype == np.float64 else convert(x, dtype=np.dtype(float))).frozen()
    out.kind = "scalar"
    return out


def _mathematical(original: Callable[..., Any], traced: Callable[..., Any]) -> None:
    @functools.wraps(original)
    def function(*args: Any, **kwargs: Any) -> Any:
        if not any(isinstance(a, Tracer) for a in args):
            return original(*args, **kwargs)
        numbers_ = tuple(scalar(a, f"math.{original.__name__}") for a in args)
        if any(isinstance(a, Tracer) and a.dtype.kind == "c" for a in numbers_):
            raise TypeError("must be real number, not complex")
        if _known(numbers_):
            original(*[float(_plain(a)) for a in numbers_], **kwargs)  # raises what Python raises
        out = traced(*[_as_float(a) for a in numbers_], **kwargs)
        return _python_number(out)
    CALLS[original] = function


def _python_number(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple([_python_number(e) for e in x])
    if isinstance(x, Tracer) and not x.shape and x.type.inexact:
        x.kind = "scalar"
    return x


def _textual(original: Callable[..., str]) -> None:
    def function(*args: Any, **kwargs: Any) -> str:
        found = original(*[printed(a) for a in args], **kwargs)
        return TracedText(found) if args and isinstance(args[0], Tracer) else found
    CALLS[original] = function


for _each in (str, repr, ascii):
    _textual(_each)


def _ufunc(ufunc: Any) -> Callable[..., Any]:
    return lambda *args: ufunc_call(ufunc, *args)


def _special(name: str) -> Callable[..., Any]:
    def function(*args: Any) -> Any:
        import scipy.special
        return ufunc_call(getattr(scipy.special, name), *args)
    return function


for _name, _ufunc_ in dict(
        sin=np.sin, cos=np.cos, tan=np.tan, asin=np.arcsin, acos=np.arccos, atan=np.arctan, atan2=np.arctan2, sinh=np.sinh,
        cosh=np.cosh, tanh=np.tanh, asinh=np.arcsinh, acosh=np.arccosh, atanh=np.arctanh, exp=np.exp, exp2=np.exp2,
        expm1=np.expm1, log2=np.log2, log10=np.log10, log1p=np.log1p, sqrt=np.sqrt, cbrt=np.cbrt, pow=np.power,
        fabs=np.fabs, degrees=np.degrees, radians=np.radians, copysign=np.copysign, fmod=np.fmod).items():
    _mathematical(getattr(math, _name), _ufunc(_ufunc_))
for _name, _target in dict(erf="erf", erfc="erfc", gamma="gamma", lgamma="gammaln").items():
    _mathematical(getattr(math, _name), _special(_target))


def _log(x: Any, base: Any = None) -> Any:
    top = ufunc_call(np.log, x)
    return top if base is None else ufunc_call(np.divide, top, ufunc_call(np.log, base))


def _hypot(*xs: Any) -> Any:
    return functools.reduce(lambda a, b: ufunc_call(np.hypot, a, b), xs, 0.0)


def _remainder(x: Any, y: Any) -> Any:
    """IEEE remainder: x - n y with n the nearest integer."""
    if not (isinstance(x, Tracer) or isinstance(y, Tracer)):
        return math.remainder(x, y)
    n = round((float(_plain(x)) - math.remainder(float(_plain(x)), float(_plain(y)))) / float(_plain(y)))
    return x - float(n) * y


_mathematical(math.log, _log)
_mathematical(math.hypot, _hypot)
_mathematical(math.remainder, _remainder)


def _dist(p: Any, q: Any) -> Any:
    return CALLS[math.hypot](*[a - b for a, b in zip(p, q, strict=True)])


def _modf(x: Any) -> Any:
    whole = float(math.modf(float(_plain(x)))[1])
    return x - whole, whole


CALLS[math.dist] = _dist


def _when_traced(original: Callable[..., Any], traced: Callable[..., Any]) -> None:
    """Use `traced` if any argument (or element of a list argument) is a tracer."""
    @functools.wraps(original)
    def function(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(a, Tracer) or (isinstance(a, (list, tuple)) and any(isinstance(e, Tracer) for e in a))
               for a in args):
            return traced(*args, **kwargs)
        return original(*args, **kwargs)
    CALLS[original] = function


def _product(xs: Any, *, start: Any = 1) -> Any:
    return functools.reduce(lambda a, b: a * b, xs, start)


def _locally_constant(original: Callable[..., Any]) -> None:
    """Integers and booleans out: the plain value."""
    _when_traced(original, lambda *args, **kwargs: original(*[_plain(a) for a in args], **kwargs))


_when_traced(math.modf, _modf)
_when_traced(math.fsum, lambda xs: builtins.sum(xs, 0.0))
_when_traced(math.prod, _product)
for _f in (math.floor, math.ceil, math.trunc, math.isnan, math.isinf, math.isfinite, math.isclose, cmath.isnan,
           cmath.isinf, cmath.isfinite, cmath.isclose):
    _locally_constant(_f)


def _ldexp(x: Any, n: Any) -> Any:
    return x * 2.0 ** int(n)


_when_traced(math.ldexp, _ldexp)


# ---------------------------------------------------------------- cmath

def _as_complex(x: Any) -> Any:
    if not isinstance(x, Tracer):
        return complex(x)
    out = (x if x.dtype.kind == "c" else convert(x, dtype=np.dtype(complex))).frozen()
    out.kind = "scalar"
    return out


def _complex_function(original: Callable[..., Any], traced: Callable[..., Any]) -> None:
    def function(*args: Any) -> Any:
        if not any(isinstance(a, Tracer) for a in args):
            return original(*args)
        values = tuple(scalar(a, f"cmath.{original.__name__}") for a in args)
        if _known(values):
            original(*[complex(_plain(a)) for a in values])
        return _python_number(traced(*[_as_complex(a) for a in values]))
    CALLS[original] = function


for _name, _ufunc_ in dict(sin=np.sin, cos=np.cos, tan=np.tan, asin=np.arcsin, acos=np.arccos, atan=np.arctan,
                           sinh=np.sinh, cosh=np.cosh, tanh=np.tanh, asinh=np.arcsinh, acosh=np.arccosh,
                           atanh=np.arctanh, exp=np.exp, log10=np.log10, sqrt=np.sqrt).items():
    _complex_function(getattr(cmath, _name), _ufunc(_ufunc_))
_complex_function(cmath.log, _log)
_complex_function(cmath.phase, lambda z: FUNCTIONS[np.angle](z))
_complex_function(cmath.polar, lambda z: (ufunc_call(np.absolute, z), FUNCTIONS[np.angle](z)))


def _rect(r: Any, phi: Any) -> Any:
    """``r e^{iφ}``."""
    return r * ufunc_call(np.cos, phi) + 1j * (r * ufunc_call(np.sin, phi))


_when_traced(cmath.rect, _rect)


# ---------------------------------------------------------------- builtins

@on_call(float, np.float64)
def _float(x: Any = 0.0, /) -> Any:
    """``float(x)``: a traced value stays traced, in float64."""
    if not isinstance(x, Tracer):
        return float(x)
    x = scalar(x, "float(x)")
    if x.dtype.kind == "c":
        raise TypeError("float() argument must be a string or a real number, not 'complex'")
    return _as_float(x) if x.type.inexact else float(x)


CALLS[np.float64] = lambda x=0.0, /: _float(x) if isinstance(x, Tracer) and not x.shape else (
    FUNCTIONS[np.array](x, float) if isinstance(x, Tracer) else np.float64(x))
CALLS[np.float32] = lambda x=0.0, /: (convert(x, dtype=np.dtype(np.float32)) if isinstance(x, Tracer) else np.float32(x))


@on_call(complex)
def _complex(re: Any = 0.0, im: Any = None, /) -> Any:
    """``complex(re, im)``, traced."""
    if isinstance(re, TracedText):
        raise read_back()
    if not (isinstance(re, Tracer) or isinstance(im, Tracer)):
        return complex(re) if im is None else complex(re, im)
    out = _as_complex(scalar(re, "complex(x)"))
    return _python_number(out if im is None else out + 1j * _as_complex(scalar(im, "complex(x)")))


def _alike(x: Tracer) -> Any:
    """An ordinary value of the type that the traced one stands for."""
    if x.shape or x.kind in ("box", "argument"):
        return np.empty((0,))
    if x.kind == "scalar":
        return {"f": float, "c": complex, "i": int, "u": int, "b": bool}[x.dtype.kind](0)
    return x.dtype.type(0)


@on_call(type)
def _type(x: Any, *args: Any, **kwargs: Any) -> Any:
    """The type that the plain program would see."""
    return type(_alike(x)) if isinstance(x, Tracer) and not args else type(x, *args, **kwargs)


@on_call(np.isscalar)
def _isscalar(x: Any) -> bool:
    return np.isscalar(_alike(x) if isinstance(x, Tracer) else x)


@on_call(hasattr)
def _hasattr(x: Any, name: str) -> bool:
    return hasattr(_alike(x) if isinstance(x, Tracer) else x, name)


@on_call(isinstance)
def _isinstance(x: Any, kinds: Any, /) -> bool:
    """A traced array is an ndarray, a traced number a float (or complex, or NumPy scalar) to the user's checks."""
    if not isinstance(x, Tracer):
        return isinstance(x, kinds)
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    like = _alike(x)
    return any(_isinstance(x, k) if isinstance(k, tuple) else isinstance(like, k) for k in kinds)


def _with_callbacks(original: Any) -> None:
    """Callbacks handed to a builtin are reached too."""
    def function(*args: Any, **kwargs: Any) -> Any:
        args = tuple(reach(a) if isinstance(a, _FUNCTION) else a for a in args)
        kwargs = {k: reach(v) if isinstance(v, _FUNCTION) else v for k, v in kwargs.items()}
        return original(*args, **kwargs)
    CALLS[original] = function


_FUNCTION = type(_with_callbacks)


class _Suppress(contextlib.suppress):
    """``contextlib.suppress`` is for errors of the program; a refusal to trace it is none."""

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        return not isinstance(error, REFUSALS) and bool(super().__exit__(kind, error, traceback))


@on_call(contextlib.suppress)
def suppress(*exceptions: Any) -> Any:
    """``contextlib.suppress``: a graph raises nothing that could be suppressed."""
    if active_frame() is not None and not all(e in (AttributeError, ImportError, KeyError, NameError) for e in exceptions):
        raise UnstageableError(f"contextlib.suppress at {user_line()} of what may be raised when the graph runs")
    return _Suppress(*exceptions)


for _taker in (map, filter, functools.reduce, sorted, min, max):
    _with_callbacks(_taker)
