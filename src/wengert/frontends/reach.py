"""Reaching the graph: what NumPy's protocols do not carry.

What comes in: the calls of rewritten code. What goes out: the same calls, where a traced value can take part:
``math.sin``, ``float``, ``np.array([...])``, functions of SciPy, and the user's own functions, rewritten in turn.
The one idea: library code is never rewritten; a traced value that it would convert is refused there.
"""

from __future__ import annotations

import functools
import struct
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import REFUSALS, ConversionError, MutationError, UnsupportedError, WengertError
from wengert.frontends.draws import is_draw, pick
from wengert.frontends.numpy_api.concatenators import Concatenator
from wengert.frontends.python_ast import CALL, CAUGHT, OWN, SOURCE, bound, reach_calls, rewritten_code
from wengert.frontends.registry import read_back, texts
from wengert.frontends.scipy_api import REMEDIES, bound_method, find
from wengert.frontends.trace import active_trace, is_library, public, require_plain, user_line
from wengert.frontends.tracer import FUNCTIONS, TracedText, Tracer, as_traced, function_of

__all__ = ["CALLS", "INSTANCES", "call", "on_call", "own", "printed", "reach"]

# Callables with an implementation of their own when rewritten code calls them.
CALLS: dict[Any, Callable[..., Any]] = {}
# The same for instances of a class: the implementation takes the instance first.
INSTANCES: dict[type, Callable[..., Any]] = {}


def on_call(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register what rewritten code calls in place of these functions."""
    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        for f in functions:
            CALLS[f] = implementation
        return implementation
    return register


# ---------------------------------------------------------------- the user's own functions

# The code that was rewritten, the code that came of it (None: it is called as it is), and the function with that code. A
# function with a closure is bound anew for each call: its closure may lead back to the key, which would then live forever.
# So may its globals, where text is run in a dictionary of its own, as templates do: hence a limit.
_REACHED: weakref.WeakKeyDictionary[
    types.FunctionType, tuple[types.CodeType, types.CodeType | None, types.FunctionType | None]] = weakref.WeakKeyDictionary()
_MOST_REACHED = 2_000


def _reach_function(f: types.FunctionType) -> types.FunctionType:
    code = f.__code__
    found = _REACHED.get(f)
    if found is None or found[0] is not code:
        if CALL in code.co_freevars or is_library(code.co_filename):
            return f
        compiled = rewritten_code(f, _CELLS, reach_calls)
        new = bound(f, compiled, _CELLS) if compiled is not None and f.__closure__ is None else None
        if len(_REACHED) >= _MOST_REACHED:
            _REACHED.clear()
        found = _REACHED[f] = code, compiled, new
    _, compiled, new = found
    if compiled is None:
        return f
    if new is None:
        return bound(f, compiled, _CELLS)
    if new.__defaults__ is not f.__defaults__:
        new.__defaults__ = f.__defaults__
    new.__kwdefaults__ = f.__kwdefaults__
    return new


def reach(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its own calls reaching the graph; library functions, but for SciPy's, as they are."""
    library = type(f) is types.FunctionType and is_library(f.__code__.co_filename)
    return f if library and not (f.__module__ or "").startswith("scipy") else _Reached(f)


class _Reached:
    """A callable that is called as rewritten code would call it."""

    __slots__ = ("f",)

    def __init__(self, f: Callable[..., Any]):
        self.f = f

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return call(self.f, *args, **kwargs)


def call(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """What ``function(*args, **kwargs)`` becomes in rewritten code."""
    kind = type(function)
    if kind is types.FunctionType:
        if not is_library(function.__code__.co_filename):
            return _reach_function(function)(*args, **kwargs)
    elif kind is types.MethodType:
        inner = function.__func__
        if type(inner) is types.FunctionType and not is_library(inner.__code__.co_filename):
            return _reach_function(inner)(function.__self__, *args, **kwargs)
    elif kind is functools.partial:
        return call(function.func, *function.args, *args, **{**function.keywords, **kwargs})
    try:
        implementation = CALLS.get(function)
    except TypeError:  # a callable that cannot be hashed
        implementation = None
    if implementation is not None:
        return implementation(*args, **kwargs)
    return _other(function, kind, args, kwargs)


def _other(function: Any, kind: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if is_draw(function) and any(_traced(a) for a in (*args, *kwargs.values())):
        return pick(function, *args, **kwargs)
    if kind is type and not function.__module__.startswith("scipy"):
        return _construct(function, args, kwargs)
    if kind in INSTANCES:
        return INSTANCES[kind](function, *args, **kwargs)
    if kind is types.BuiltinMethodType and isinstance(function.__self__, str):
        if function.__name__ == "join" and args and not isinstance(args[0], (list, tuple, str)):
            args = (list(args[0]), *args[1:])
        made = any(_traced(a) or _printed(a) for a in (function.__self__, *args, *kwargs.values()))
        return texts(function(*args, **kwargs)) if made else function(*args, **kwargs)
    if kind is types.MethodWrapperType and type(function.__self__) is str:
        text = function(*[printed(a) for a in args])
        return TracedText(text) if any(_traced(v) for a in args for v in (a.values() if type(a) is dict else [a])) else text
    if kind is types.BuiltinMethodType and isinstance(getattr(function, "__self__", None), np.ndarray):
        if function.__name__ in _PURE_METHODS and any(_traced(a) for a in (*args, *kwargs.values())):
            implementation = FUNCTIONS.get(getattr(np, function.__name__))
            if implementation is not None:
                return implementation(function.__self__, *args, **kwargs)
        return _fresh(function(*args, **kwargs), (function.__self__, *args))
    if kind is types.BuiltinMethodType and any(_traced(a) for a in args):
        implementation = bound_method(type(function.__self__), function.__name__)
        if implementation is not None:
            return implementation(function.__self__, *args, **kwargs)
    module = getattr(function, "__module__", None) or ""
    if module.startswith("numpy"):
        return _numpy(function, args, kwargs)
    given = (*args, *kwargs.values())
    traced = module.startswith(("scipy", "statistics")) and any(_traced(a) for a in given)
    if traced or (module.startswith("scipy") and any(map(callable, given))):  # which may use traced values
        implementation = find(function)
        if implementation is not None:
            return implementation(*args, **kwargs)
        if module.startswith("scipy.optimize") and (
                any(map(callable, given)) or (_named(function) in REMEDIES and any(map(_depends, given)))):
            return _search(function, args, kwargs)
    if traced:
        if module.startswith("scipy.stats"):
            from wengert.frontends.scipy_stats import frozen
            found = frozen(function, args, kwargs)
            if found is not None:
                return found
        return _unknown(function, module, args, kwargs)
    method = next((c.__dict__["__call__"] for c in kind.__mro__ if "__call__" in c.__dict__), None)
    if type(method) is types.FunctionType and not is_library(method.__code__.co_filename):
        return _reach_function(method)(function, *args, **kwargs)
    return _foreign(function, module, args, kwargs)


_NUMBERS = {"decimal", "_decimal", "_pydecimal", "fractions", "json", "ast", "struct", "_struct"}


def _foreign(function: Any, module: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call of a library that knows nothing of traced values."""
    if (module in _NUMBERS or function is compile) and any(map(_printed, args)):
        raise read_back()
    try:
        return function(*args, **kwargs)
    except (TypeError, struct.error) as error:
        if isinstance(error, WengertError) or not any(map(_depends, (*args, *kwargs.values()))):
            raise
        if "Tracer" not in str(error) and module not in _NUMBERS:
            raise  # the program's own error, which it may catch
        name = f"{public(module.lstrip('_'))}.".removeprefix("builtins.") + getattr(function, "__name__", str(function))
        raise ConversionError(
            f"{name} at {user_line()} is given a traced value, and its derivative would be lost. Use np functions on the "
            f"value, or wrap what calls the library: wg.opaque(f, derivative=...)") from error


def _printed(x: Any) -> bool:
    """Whether this is, or holds, the printed text of a traced value."""
    return type(x) is TracedText or (type(x) in (list, tuple) and any(map(_printed, x)))


def _unknown(function: Any, module: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function of SciPy's without an implementation here: it runs if what it is given, and gives, is plain data."""
    held = any(_traced(x) for x in (*args, *kwargs.values()) if not isinstance(x, Tracer))
    written = any(v for k, v in kwargs.items() if k.startswith("overwrite"))
    if not held and not written and not any(map(_depends, (*args, *kwargs.values()))):  # arrays that the user's function made
        out = function(*map(_ordinary, args), **{k: _ordinary(v) for k, v in kwargs.items()})
        if all(isinstance(x, (np.ndarray, np.generic, int, float, complex)) for x in (out if type(out) is tuple else (out,))):
            return tuple([_fresh(x, ()) for x in out]) if type(out) is tuple else _fresh(out, ())
    try:
        return function(*args, **kwargs)
    except WengertError:
        raise
    except Exception as error:  # it may be the user's mistake, or SciPy does not know what a traced value is
        name = f"{public(module)}.{getattr(function, '__name__', function)}"
        error.add_note(f"{name} was given a traced value at {user_line()}, and its derivative is not known: if it runs "
                       f"without wengert, wrap it: wg.opaque(f, derivative=...)")
        raise


def _ordinary(x: Any) -> Any:
    return np.array(x.concrete("an argument")) if isinstance(x, Tracer) else x


def _named(function: Any) -> str:
    """A function of ``scipy.optimize`` as users write it."""
    return f"scipy.optimize.{getattr(function, '__name__', function)}"


def _search(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A solver without a derivative: written in Python, it compares traced values, and what it gives would depend on none."""
    refused: list[UnsupportedError] = []

    def refuse() -> None:
        remedy = REMEDIES.get(_named(function), "scipy.optimize.minimize, minimize_scalar, root, root_scalar, least_squares, "
                              "curve_fit and fixed_point have derivatives")
        refused.append(UnsupportedError(f"{_named(function)} at {user_line()} is given traced values, and its derivative is "
                                        f"not known: {remedy}; or say by wg.implicit which equation its result solves"))
        raise refused[0]

    def guarded(f: Any) -> Any:
        if type(f) not in (types.FunctionType, types.MethodType, functools.partial):
            return f

        @functools.wraps(f)
        def checked(*xs: Any, **words: Any) -> Any:
            out = f(*xs, **words)
            if _depends(out):
                refuse()
            return out
        return checked
    if any(map(_depends, (*args, *kwargs.values()))):
        refuse()
    try:
        return function(*map(guarded, args), **{k: guarded(v) for k, v in kwargs.items()})
    except Exception:
        if refused:  # SciPy may have put an error of its own in its place
            raise refused[0] from None
        raise


def _depends(x: Any) -> bool:
    """Whether this is a traced value, or holds one; an array that the function made is none."""
    return x.build is not None if isinstance(x, Tracer) else isinstance(x, (list, tuple)) and any(map(_depends, x))


def printed(x: Any) -> Any:
    """What ``"%.3f" % x`` and ``repr(x)`` print: the values, which are text and nothing more."""
    if isinstance(x, Tracer):
        return x.concrete("text")
    if type(x) in (tuple, list):
        return type(x)([printed(e) for e in x])
    return {k: printed(v) for k, v in x.items()} if type(x) is dict else x


# Methods of an ordinary array that may be given traced values, and do not write into the array.
_PURE_METHODS = {"dot", "clip", "take", "choose", "searchsorted"}


def _construct(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An instance of the user's class, with its ``__init__`` reached."""
    init = cls.__init__
    if type(init) is types.FunctionType and cls.__new__ is object.__new__ \
            and not is_library(init.__code__.co_filename):
        new = object.__new__(cls)
        _reach_function(init)(new, *args, **kwargs)
        return new
    return _foreign(cls, cls.__module__, args, kwargs)


# ---------------------------------------------------------------- NumPy

def _traced(x: Any) -> bool:
    return isinstance(x, Tracer) or (isinstance(x, (list, tuple)) and any(_traced(e) for e in x))


# These take a sequence of arrays, and NumPy looks into it by itself.
_SEQUENCES = {"concatenate", "concat", "stack", "vstack", "hstack", "dstack", "column_stack", "block", "row_stack", "select",
              "broadcast_arrays", "multi_dot", "meshgrid", "einsum", "lexsort", "ix_", "choose", "atleast_1d",
              "atleast_2d", "atleast_3d", "einsum_path", "array", "asarray"}


# These ask no protocol: given a traced value, they are called by their implementation.
_NO_PROTOCOL = frozenset([np.array, np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray, np.full, np.arange,
                           np.interp, np.polyint])


def _numpy(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A NumPy function: lists of traced values become arrays, fresh results become cells."""
    if any(map(_printed, args)):
        raise read_back()
    if function in _NO_PROTOCOL and (any(map(_traced, args)) or any(map(_traced, kwargs.values()))):
        return FUNCTIONS[function](*args, **kwargs)
    if args and not _traced(args[0]) and any(_traced(a) for a in (*args[1:], *kwargs.values())):
        implementation = None if isinstance(function, np.ufunc) else function_of(function)
        if implementation is not None:  # NumPy asks the data alone, not the options: ``np.full_like(data, traced)``
            for a in args:
                require_plain(a)
            return implementation(*args, **kwargs)
    if any(isinstance(a, (list, tuple)) and _traced(a) for a in args):
        implementation = FUNCTIONS.get(function)
        if getattr(function, "__name__", "") not in _SEQUENCES:
            args = tuple(as_traced(a) for a in args)
        elif implementation is not None:
            return implementation(*args, **kwargs)
    if function is np.empty or function is np.empty_like:
        return _fresh(_marked(_foreign(function, "numpy", args, kwargs)), args)
    return _fresh(_foreign(function, "numpy", args, kwargs), args)


def _marked(out: Any) -> Any:
    """Memory that nobody has written to holds the same each time, and shows where it is read."""
    if type(out) is np.ndarray and out.dtype.kind in "fciu":
        out.fill(unwritten(out.dtype))
    return out


def unwritten(dtype: Any) -> Any:
    """What stands in memory that is not written to: a large number that nobody means."""
    return np.frombuffer(b"\xcd" * dtype.itemsize, dtype.newbyteorder("="))[0]


def _private(array: np.ndarray[Any, Any]) -> bool:
    """Whether nobody else can see the array's memory: it is its own, or that of a base which only this array holds."""
    if array.base is None:
        return array.flags.owndata
    return type(array.base) is np.ndarray and array.base.flags.owndata and sys.getrefcount(array.base) <= 2


def _references(x: Any) -> int:
    return sys.getrefcount(x)


_ALONE = _references(np.zeros(1))  # the count of an array that only a call's own frame knows; it depends on the interpreter


def _fresh(result: Any, args: tuple[Any, ...]) -> Any:
    """An array that this call made becomes a cell, so that traced values can be written into it."""
    if type(result) is np.ndarray and active_trace() is not None and result.dtype.kind in "fciub" and result.flags.writeable \
            and _private(result) and not any(result is a for a in args) and sys.getrefcount(result) <= _ALONE:
        return Tracer(None, None, result, kind="" if result.ndim else "box")
    return result


def caught(wanted: Any) -> None:
    """In a handler of the user's: a refusal is not the program's error, unless the handler names it.

    Otherwise ``except Exception`` would take a way that the plain program does not take, and nobody would know.
    """
    error = sys.exc_info()[1]
    kinds = wanted if isinstance(wanted, tuple) else (wanted,)
    if isinstance(error, REFUSALS) and not any(isinstance(k, type) and issubclass(k, WengertError) for k in kinds):
        raise error


def own(array: Any, value: Any) -> Any:
    """Before ``array[k] = value``: an ordinary array that is to hold a traced value becomes a cell.

    Only if no other name or view could see the write; else it is refused.
    """
    if array is np.r_ or array is np.c_:
        return Concatenator(array)
    if type(array) is not np.ndarray or not _traced(value) or array.dtype == object:
        return array
    if array.dtype.names:
        raise UnsupportedError(f"an array with named fields {array.dtype.names} at {user_line()} cannot hold a traced value. "
                               f"Take an array for each field, in a dict perhaps")
    value = as_traced(value)
    if value.build is None or not (value.type.inexact or array.dtype.kind in "fc"):
        return array
    if not _private(array) or sys.getrefcount(array) > 3:
        raise MutationError(
            f"a traced value is written into an ordinary array at {user_line()} that other names or views can see, so the "
            f"write cannot be kept exact. Make the array inside the function (np.zeros(n), a.copy())")
    if not array.flags.writeable:
        raise ValueError("assignment destination is read-only")
    return Tracer(None, None, array.copy())


def source(text: Any) -> Any:
    """Before ``eval(text)``: numbers of traced values in it would be constants."""
    if _printed(text):
        raise read_back()
    return text


_CELLS = {CALL: call, OWN: own, CAUGHT: caught, SOURCE: source}
