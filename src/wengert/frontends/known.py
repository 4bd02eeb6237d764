"""What the tables know of a library function, asked without a call.

What comes in: a callable of NumPy, SciPy or Python's library. What goes out: whether it takes traced values, whether a
call of it can be part of a graph, and why not. The one idea: the answers come from the very tables that calls go
through, so what is said before a run is what happens in it.
"""

from __future__ import annotations

import builtins
import types
from typing import Any

import numpy as np

from wengert.frontends import callbacks, numpy_api  # noqa: F401  (they register themselves)
from wengert.frontends.draws import SCALED
from wengert.frontends.effects import UNKNOWN_DRAWS
from wengert.frontends.python_calls import CALLS
from wengert.frontends.reach import INSTANCES
from wengert.frontends.registry import FUNCTIONS, METHODS
from wengert.frontends.scipy_api import find
from wengert.frontends.staged_calls import STAGED, WRITES_FIRST, changes_owner, home, impurity
from wengert.frontends.tracer import Tracer, function_of, primitive_of
from wengert.graph import Missing

__all__ = [
    "SCALED",
    "SHAPE_ONLY",
    "UNKNOWN_DRAWS",
    "changes_owner",
    "draw_of",
    "finds_places",
    "impurity",
    "is_draw",
    "method_needs_values",
    "method_without_rule",
    "needed_values",
    "no_derivative",
    "not_staged",
    "shown",
    "writes_first",
]

# Results that depend on shapes and dtypes only.
SHAPE_ONLY = {"shape", "ndim", "size", "dtype", "itemsize", "nbytes", "strides", "flags"}
# Given traced values, these need them under jit, where there are none: by the positions of those arguments (None: any).
_VALUES: dict[str, tuple[int, ...] | None] = dict.fromkeys(
    """
    numpy.nonzero numpy.flatnonzero numpy.argwhere numpy.count_nonzero numpy.unique numpy.unique_all numpy.unique_counts
    numpy.unique_inverse numpy.unique_values numpy.union1d numpy.setdiff1d numpy.intersect1d numpy.setxor1d numpy.isin
    numpy.array_equal numpy.array_equiv numpy.allclose numpy.trim_zeros numpy.histogram numpy.digitize numpy.piecewise
    numpy.geomspace numpy.linalg.eig numpy.linalg.eigvals numpy.linalg.lstsq scipy.linalg.lstsq scipy.linalg.lu
    scipy.linalg.lu_factor scipy.linalg.eig scipy.linalg.logm scipy.linalg.sqrtm
    numpy.lexsort numpy.real_if_close scipy.linalg.lu_solve numpy.roots numpy.polydiv numpy.histogram2d
    scipy.interpolate.LinearNDInterpolator scipy.interpolate.griddata scipy.signal.find_peaks
    builtins.sorted builtins.str builtins.repr builtins.format builtins.iter
""".split()
) | {
    "numpy.compress": (0,),
    "numpy.extract": (0,),
    "numpy.delete": (1,),
    "numpy.repeat": (1,),
    "numpy.tile": (1,),
    "numpy.resize": (1,),
    "numpy.roll": (1,),
    "numpy.reshape": (1,),
    "numpy.polyfit": (0,),
    "scipy.linalg.eigh": (1,),
}
_VALUE_METHODS: dict[str, tuple[int, ...] | None] = {"nonzero": None, "compress": (0,), "repeat": (0,), "tobytes": None}
# Python's own number types and what is computed with them.
_OTHER_NUMBERS = {"fractions", "decimal", "statistics", "_statistics", "struct", "_struct", "array", "json"}
_KEYS = {builtins.hash, builtins.set, builtins.frozenset}


def shown(path: str) -> str:
    """A dotted name as people write it."""
    return path.replace("numpy", "np", 1) if path.split(".")[0] == "numpy" else path.removeprefix("builtins.")


def _in(table: Any, function: Any) -> bool:
    try:
        return function in table
    except TypeError:  # it cannot be hashed
        return False


def is_draw(function: Any) -> bool:
    """Whether this is a method of a generator of NumPy's, or a legacy function of ``np.random``."""
    owner = getattr(function, "__self__", None)
    kinds = (np.random.Generator, np.random.RandomState)
    return isinstance(owner, kinds) or (isinstance(owner, type) and issubclass(owner, kinds))


def draw_of(name: str) -> Any:
    """The method of ``np.random.Generator`` of this name, or None."""
    return getattr(np.random.default_rng(0), name, None) if not name.startswith("_") else None


def no_derivative(function: Any, path: str) -> tuple[str, bool]:
    """Why the function cannot be given traced values, or "", and whether that is certain."""
    name, module = getattr(function, "__name__", ""), (getattr(function, "__module__", None) or "")
    if _in(_KEYS, function):
        return f"{name}() makes a key of a traced value, and its derivative would be lost", True
    if (
        _in(CALLS, function)
        or _in(STAGED, function)
        or _in(INSTANCES, function)
        or _implementation(function) is not None
    ):
        return "", True
    root = path.split(".")[0]
    if is_draw(function):
        fine = name in SCALED or name in ("permutation", "choice", "shuffle")
        return ("" if fine else f"how {shown(path)} depends on its parameters is not known"), True
    if isinstance(function, np.ufunc):
        return ("" if primitive_of(function) is not None else f"{shown(path)} cannot be traced"), True
    if isinstance(getattr(function, "__self__", None), np.ufunc):
        known = _in(FUNCTIONS, (function.__self__, name)) or _in(FUNCTIONS, name)
        return ("" if known else f"{shown(path)} has no derivative here"), True
    if root in ("math", "cmath") or root in _OTHER_NUMBERS or module in _OTHER_NUMBERS:
        return f"{shown(path)} converts what it is given, and the derivative would be lost", True
    if root == "scipy" and not (isinstance(function, type) and issubclass(function, BaseException)):
        return f"{shown(path)} is not among the supported functions", True
    if root == "numpy" and not isinstance(function, type):
        return f"{shown(path)} is not among the supported functions", hasattr(function, "_implementation")
    return "", True


def without_rule(function: Any) -> dict[int, str]:
    """Arguments of an elementwise function whose derivative is not known, and why."""
    primitive = primitive_of(function) if isinstance(function, np.ufunc) else None
    partials = getattr(primitive, "partials", None) or ()
    return {k: partial.reason for k, partial in enumerate(partials) if isinstance(partial, Missing)}


def _implementation(function: Any) -> Any:
    """What traced values are computed by in place of the function, or None."""
    try:
        found = function_of(function)
    except TypeError:  # it cannot be hashed
        return None
    library = home(function)[0].startswith(("scipy", "statistics"))
    return found if found is not None or not library else find(function)


def not_staged(function: Any, path: str) -> str:
    """Why no graph can hold a call of this function, whatever it is given; or ""."""
    name = getattr(function, "__name__", path.rpartition(".")[2])
    if _in(STAGED, function):
        return ""
    if is_draw(function) or function in (np.random.default_rng, np.random.RandomState):
        return f"{shown(path)} changes more than the generator" if name in UNKNOWN_DRAWS else ""
    return impurity(function, home(function)[0], name) or ""


def needed_values(path: str, count: int) -> tuple[int, ...] | None:
    """The positions of the arguments whose values a call asks for, out of `count`; None if it asks for none."""
    if path == "numpy.where":
        return (0,) if count == 1 else None
    if path not in _VALUES:
        return None
    found = _VALUES[path]
    return tuple(range(count)) if found is None else found


def finds_places(path: str) -> bool:
    """Whether a call gives places in an array, which may be indices of others of its shape without being known."""
    return path in ("numpy.nonzero", "numpy.flatnonzero", "numpy.where")


def writes_first(path: str) -> bool:
    """Whether a function writes into its first argument."""
    return path.startswith("numpy.") and path.rpartition(".")[2] in WRITES_FIRST


def method_needs_values(name: str, count: int) -> bool:
    """Whether a method of a traced array asks for its value, or for those of its arguments."""
    return name in _VALUE_METHODS and (_VALUE_METHODS[name] is None or count > 0)


def method_without_rule(name: str) -> bool:
    """Whether arrays have a method of this name and traced ones have not."""
    found = getattr(np.ndarray, name, None)
    if name == "resize":
        return True
    return isinstance(found, types.MethodDescriptorType) and name not in METHODS and not hasattr(Tracer, name)
