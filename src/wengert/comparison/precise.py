"""A graph in arithmetic of fifty digits.

What comes in: a graph and numbers. What goes out: its values, as arrays of mpmath's numbers. The one idea: what only moves
numbers does so whatever they are, so NumPy evaluates it on arrays of objects; only functions need to be told their names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.graph import ArrayType, Const, Graph, Var

__all__ = ["DIGITS", "evaluate", "precise"]

DIGITS = 50
Array = np.ndarray

_SAME = """exp expm1 sqrt cbrt sin cos tan sinh cosh tanh erf erfc erfinv gamma rgamma beta hypot j0 j1 sign""".split()
_OTHER = {
    "root": "sqrt", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh",
    "arctanh": "atanh", "arctan2": "atan2", "gammaln": "loggamma", "psi": "digamma", "erfi": "erfi", "log": "log",
    "log10": "log10", "log1p": "log1p", "power": "power", "float_power": "power", "scalar_power": "power", "expi": "ei",
    "exp1": "e1", "deg2rad": "radians", "radians": "radians", "rad2deg": "degrees", "degrees": "degrees", "isnan": "isnan",
    "isinf": "isinf", "isfinite": "isfinite", "ellipe": "ellipe", "ellipk": "ellipk",
}
# What NumPy's own evaluation does right on objects: arithmetic, comparison, and moving numbers about.
_PLAIN = frozenset("""absolute add argmax argmin argsort broadcast clip clip_high clip_low concatenate contract cummax cummin
    cumprod cumsum divide equal fabs flip greater greater_equal index index_add index_set integer_power less less_equal
    logical_and logical_not logical_or masked_sum maximum minimum multiply negative not_equal one_minus_square pad positive
    reciprocal reduce_all reduce_any reduce_max reduce_min reduce_prod reduce_sum reshape select sort square subtract
    transpose witch """.split())


def _functions(mp: Any) -> dict[str, Callable[..., Any]]:
    found = {name: getattr(mp, name) for name in _SAME}
    found |= {name: getattr(mp, other) for name, other in _OTHER.items()}
    return found | {
        "exp2": lambda x: mp.mpf(2) ** x,
        "log2": lambda x: mp.log(x, 2),
        "expit": lambda x: 1 / (1 + mp.exp(-x)),
        "log_expit": lambda x: -mp.log1p(mp.exp(-x)),
        "logit": lambda x: mp.log(x / (1 - x)),
        "logaddexp": lambda a, b: mp.log(mp.exp(a) + mp.exp(b)),
        "xlogy": lambda x, y: x * mp.log(y) if x else mp.mpf(0),
    }


def precise(values: Any) -> Array:
    """An array of mpmath's numbers from one of floats, exactly; integers and booleans stay what they are."""
    import mpmath
    given = np.asarray(values)
    if given.dtype.kind != "f":
        return given
    out = np.empty(given.size, object)
    for k, x in enumerate(given.ravel()):
        out[k] = mpmath.mpf(float(x))
    return out.reshape(given.shape)


def evaluate(graph: Graph, inputs: Sequence[Any]) -> list[Array]:
    """The outputs of a graph; call it within ``mpmath.workdps(DIGITS)``.

    Raises
    ------
    UnsupportedError
        A primitive that has no counterpart here (a factorization, a loop of unknown length).
    """
    import mpmath
    table = _functions(mpmath)
    known: dict[Any, Array] = dict(zip(graph.inputs, inputs, strict=True))

    def value(atom: Any) -> Array:
        if isinstance(atom, Const) and atom not in known:
            known[atom] = precise(atom.value)
        return known[atom]
    for e in graph.equations:
        operands = [value(o) for o in e.operands]
        name = e.primitive.name
        if name == "call":
            out: Any = evaluate(e.params["graph"], operands)
        elif e.primitive.multiple:
            raise UnsupportedError(f"{name} is not evaluated in {DIGITS} digits")
        else:
            out = [_applied(name, e.primitive.evaluate, table, operands, e.params)]
        for r, x in zip(e.results, out, strict=True):
            known[r] = _typed(x, r, name)
    return [value(o) for o in graph.outputs]


def _applied(name: str, evaluate: Callable[..., Any], table: dict[str, Callable[..., Any]], operands: list[Array],
             params: Any) -> Any:
    if name in ("convert", "stop_gradient"):
        return operands[0]
    if name == "power_log":
        from mpmath import log
        return np.frompyfunc(lambda x, y: x ** y * log(x) ** params["k"], 2, 1)(*operands)
    if name in table:
        return np.frompyfunc(table[name], len(operands), 1)(*operands)
    if name in _PLAIN:
        return evaluate(*operands, **params)
    raise UnsupportedError(f"{name} is not evaluated in {DIGITS} digits")


def _typed(x: Any, result: Var, name: str) -> Array:
    """A result as an array of the kind that its type says: numbers of many digits stay objects."""
    assert isinstance(result.type, ArrayType)
    kind = result.type.dtype.kind
    if kind == "c":
        raise UnsupportedError("complex numbers are not evaluated here")
    found = np.asarray(x)
    if kind in "biu":
        return found.astype(result.type.dtype)
    return found if found.dtype == object else precise(found.astype(float))
