"""Calls that mean something else in a staged block.

What comes in: builtins and library functions called by staged code. What goes out: versions that take traced values, and
refusals of calls whose effect a graph would not repeat. The one idea: only what is known to depend on its arguments alone is
called while a block is traced.
"""

from __future__ import annotations

import builtins
import inspect
import itertools
import math
import types
from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np

from wengert.errors import UnstageableError
from wengert.frontends.effects import print_later
from wengert.frontends.python_calls import CALLS
from wengert.frontends.sequences import Range, enumerated, reverse, zipped
from wengert.frontends.trace import HERE, is_library, public, user_line
from wengert.frontends.tracer import Tracer
from wengert.primitives.control import truncate
from wengert.primitives.structure import convert, reshape

__all__ = ["STAGED", "WRITES_FIRST", "changes_owner", "home", "impurity", "refuse_effects", "with_callbacks"]

STAGED: dict[Any, Callable[..., Any]] = {}


def _abstract(x: Any) -> bool:
    return isinstance(x, Tracer) and x.value is None


def _given(x: Any) -> Any:
    return x


def _range(*args: Any) -> Any:
    return Range(*args) if any(_abstract(a) for a in args) else range(*[int(a) if isinstance(a, Tracer) else a for a in args])


def _int(x: Any = 0, *base: Any) -> Any:
    if not _abstract(x) or base:
        return int(x, *base)
    if x.shape:
        x = reshape(x, shape=())
    out = truncate(x) if x.type.inexact else convert(x, dtype=np.dtype(np.int64))
    out.kind = "scalar"
    return out


def _round(x: Any, digits: Any = None) -> Any:
    return _int(np.rint(x)) if _abstract(x) and digits is None else CALLS.get(round, round)(x, digits)


def _bool(x: Any = False) -> Any:
    from wengert.frontends.block import truth_value

    return truth_value(x) if _abstract(x) else bool(x)


def _getattr(holder: Any, name: str, *default: Any) -> Any:
    """``getattr``; what it reads is watched."""
    from wengert.frontends import flow, watch

    if default and not hasattr(holder, name):
        watch.note(watch.Attribute(holder, name), watch.MISSING)
        return default[0]
    return flow.attribute(holder, name)


def _hasattr(holder: Any, name: str) -> bool:
    from wengert.frontends import flow

    try:
        flow.attribute(holder, name)
    except AttributeError:
        return False
    return True


def _extreme(original: Any, better: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """``min`` and ``max`` of traced numbers: the first of equal ones, as Python has it."""

    def function(*args: Any, **kwargs: Any) -> Any:
        from wengert.frontends.flow import if_else

        items = list(args[0]) if len(args) == 1 else list(args)
        if kwargs or not items or not any(_abstract(x) for x in items):
            return CALLS[original](*args, **kwargs)
        best = items[0]
        for x in items[1:]:
            best = if_else(better(x, best), partial(_given, x), partial(_given, best))
        return best

    return function


def _any(items: Any) -> Any:
    from wengert.frontends.flow import or_

    found: Any = False
    for x in items:
        found = or_(found, partial(_bool, x))
    return found


def _all(items: Any) -> Any:
    from wengert.frontends.flow import and_

    found: Any = True
    for x in items:
        found = and_(found, partial(_bool, x))
    return found


def _print(*args: Any, **kwargs: Any) -> Any:
    print_later(args, kwargs)


def _made(original: Any) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        from wengert.frontends.flow import made

        return made(original(*args, **kwargs))

    return function


def _vars(holder: Any) -> Any:
    from wengert.frontends import flow

    return flow.attribute(holder, "__dict__")


def _errstate(**modes: Any) -> Any:
    if set(modes.values()) - {"ignore", "warn"}:
        raise UnstageableError(f"np.errstate at {user_line()} makes errors, which a graph that runs later would not raise")
    return np.errstate(**modes)


def _isfinite(ufunc: Any, original: Any) -> Callable[..., Any]:
    return lambda x: ufunc(x) if _abstract(x) else original(x)


STAGED.update(
    {
        getattr: _getattr,
        hasattr: _hasattr,
        vars: _vars,
        range: _range,
        int: _int,
        round: _round,
        bool: _bool,
        zip: zipped,
        enumerate: enumerated,
        reversed: reverse,
        any: _any,
        all: _all,
        print: _print,
        np.errstate: _errstate,
        list: _made(list),
        dict: _made(dict),
        set: _made(set),
        min: _extreme(min, lambda x, best: x < best),
        max: _extreme(max, lambda x, best: x > best),
        math.isfinite: _isfinite(np.isfinite, math.isfinite),
        math.isnan: _isfinite(np.isnan, math.isnan),
        math.isinf: _isfinite(np.isinf, math.isinf),
    }
)

# Modules whose functions depend on their arguments alone.
_PURE = (
    "numpy",
    "scipy",
    "math",
    "statistics",
    "contextlib",
    "cmath",
    "operator",
    "functools",
    "itertools",
    "collections",
    "copy",
    "dataclasses",
    "typing",
    "fractions",
    "numbers",
    "types",
    "enum",
    "wengert",
    "_operator",
    "_functools",
    "_collections",
)
_IMPURE_BUILTINS = {
    builtins.open,
    builtins.input,
    builtins.print,
    builtins.exec,
    builtins.eval,
    builtins.compile,
    builtins.setattr,
    builtins.delattr,
    builtins.id,
    builtins.next,
    builtins.iter,
}
_CHANGES = {
    "append",
    "extend",
    "insert",
    "pop",
    "remove",
    "clear",
    "update",
    "setdefault",
    "sort",
    "reverse",
    "add",
    "discard",
    "popitem",
    "fill",
    "put",
    "resize",
    "partition",
    "itemset",
    "setflags",
    "byteswap",
    "setfield",
    "appendleft",
    "popleft",
    "rotate",
    "__setitem__",
    "__delitem__",
}
# Functions of NumPy and SciPy whose results do not depend on their arguments alone.
_FILES, _SETTINGS = "a file is read or written", "a setting is read or changed"
_READERS = dict.fromkeys("""
    load save savez savez_compressed loadtxt savetxt genfromtxt fromregex fromfile tofile dump memmap open_memmap loadmat
    savemat whosmat mmread mmwrite mminfo readsav load_npz save_npz netcdf_file hb_read hb_write loadarff""".split(), _FILES
) | dict.fromkeys("""
    geterr seterr geterrcall seterrcall get_printoptions set_printoptions getbufsize setbufsize""".split(), _SETTINGS)
_DRAWS = set("""
    rvs samples random rand random_array random_rotation differential_evolution dual_annealing basinhopping kmeans kmeans2
    bootstrap permutation_test monte_carlo_test qmc_quad power multiscale_graphcorr dunnett quadratic_assignment
    check_grad""".split())
_GENERATORS = {"rng", "random_state", "seed"}  # what parameters are called that say where random numbers come from
WRITES_FIRST = {"copyto", "put", "place", "putmask", "fill_diagonal", "put_along_axis", "at"}


# Functions that call what they are given, at once.
_TAKE_CALLBACKS = frozenset([
    map, filter, sorted, reduce, itertools.accumulate, itertools.dropwhile, itertools.filterfalse, itertools.groupby,
    itertools.starmap, itertools.takewhile, np.vectorize, np.apply_along_axis, np.apply_over_axes, np.piecewise,
    np.fromfunction,
])


def _takes_callbacks(function: Any) -> bool:
    """Whether this is a function of a library that calls functions which it is given, as it finds them."""
    try:
        if function in _TAKE_CALLBACKS:
            return True
    except TypeError:  # it cannot be hashed
        return False
    if not home(function)[0].startswith("scipy"):
        return False
    from wengert.frontends.scipy_api import find

    return find(function) is None


def _is_users(f: Any) -> bool:
    """Whether calling this runs code of the user's."""
    if isinstance(f, partial):
        return _is_users(f.func)
    kind = type(f)
    if kind is types.MethodType:
        f = f.__func__
    elif kind is not types.FunctionType:
        f = next((c.__dict__["__call__"] for c in kind.__mro__ if "__call__" in c.__dict__), None)
    return type(f) is types.FunctionType and not is_library(f.__code__.co_filename)


def _holds_users(x: Any) -> bool:
    return any(map(_is_users, x)) if type(x) is list else _is_users(x)


def _staged(x: Any) -> Any:
    """A function of the user's, or one of a list, that is staged when it is called."""
    from wengert.frontends import flow

    if type(x) is list:
        return [_staged(part) for part in x]
    if not _is_users(x):
        return x
    out = partial(flow.call, x)
    out.__wrapped__ = x  # type: ignore[attr-defined]  # where its signature is asked for
    return out


def with_callbacks(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """A call of a library that calls functions of the user's: what they read is seen only if they are staged."""
    if type(function) is np.vectorize:
        f = function
        function = np.vectorize(_staged(f.pyfunc), f.otypes, None, f.excluded, f.cache, f.signature)
    elif any(map(_holds_users, (*args, *kwargs.values()))) and ("key" in kwargs or _takes_callbacks(function)):
        args, kwargs = tuple(map(_staged, args)), {name: _staged(x) for name, x in kwargs.items()}
    return function, args, kwargs


def changes_owner(name: str) -> bool:
    """Whether a method of this name changes the object that it belongs to."""
    return name in _CHANGES


def _draws(function: Any, module: str, name: str) -> bool:
    """Whether a function of SciPy's, or of `statistics`, draws random numbers, or may."""
    if not module.startswith(("scipy", "statistics")):
        return False
    return name in _DRAWS or (name == "resample" and "stats" in module) or _takes_generator(function)


def _takes_generator(function: Any) -> bool:
    """Whether it has a parameter for a generator, and no implementation here (those give what they give for any generator)."""
    from wengert.frontends.scipy_api import find

    try:
        parameters = inspect.signature(function).parameters
        return not isinstance(function, type) and not _GENERATORS.isdisjoint(parameters) and find(function) is None
    except (TypeError, ValueError):
        return False


def _resamples(x: Any) -> bool:
    """Whether this asks a test of ``scipy.stats`` for random numbers: `PermutationMethod` and its like."""
    return type(x).__module__ == "scipy.stats._resampling"


def impurity(function: Any, module: str, name: str) -> str | None:
    """Why a call is no part of a graph, or None: it has an effect, or may not depend on its arguments alone.

    `module` is the name of the module that the function (or the class of a method's owner) comes from.
    """
    if module == "numpy.random" or module.startswith("numpy.random."):
        return "random numbers are drawn"
    if any(function is f for f in _IMPURE_BUILTINS):
        return f"{name}() is not part of a graph"
    if module == "builtins":
        return None
    if isinstance(function, np.ufunc) and all(t.strip("O") == "->" for t in function.types):
        return f"{name} is a Python function that NumPy calls, and what it reads is not seen"
    if name in _READERS or _draws(function, module, name):
        return f"{_READERS.get(name, 'random numbers are drawn')} by {public(module)}.{name}"
    if module.split(".")[0] not in _PURE and not isinstance(function, type):
        return f"{module}.{name} may not depend on its arguments alone"
    return None


def home(function: Any) -> tuple[str, Any]:
    """The module of a callable, and the object that it is a method of."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, types.ModuleType):
        return owner.__name__, None
    if owner is not None and not isinstance(owner, (Tracer, type)):
        return type(owner).__module__, owner
    return getattr(function, "__module__", None) or type(function).__module__ or "", None


def refuse_effects(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], changeable: Callable[[Any, str], None]
) -> None:
    """Refuse a call that a graph would not repeat."""
    plain = getattr(function, "__func__", function)
    if type(function).__module__.startswith("wengert.") or (
        isinstance(plain, types.FunctionType) and plain.__code__.co_filename.startswith(HERE)
    ):
        return
    name, (module, owner) = getattr(function, "__name__", ""), home(function)
    if owner is not None and name in _CHANGES and not module.startswith("numpy.random"):
        changeable(owner, f"{type(owner).__name__}.{name}")
        return
    out = kwargs.get("out")
    for target in [*(out if isinstance(out, tuple) else [out]), *(args[:1] if name in WRITES_FIRST else ())]:
        if isinstance(target, np.ndarray):
            changeable(target, f"np.{name}")
    why = impurity(function, module, name)
    if why is None and any(map(_resamples, (*args, *kwargs.values()))):
        why = f"random numbers are drawn by {public(module)}.{name}"
    if why is not None:
        raise UnstageableError(f"a call at {user_line()}: {why}. Call it outside, and pass what it gives as an argument")
