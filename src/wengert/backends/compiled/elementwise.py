"""Elementwise primitives in registers.

What comes in: the name and parameters of a primitive and its operands, scalars or vectors. What goes out: its results. The one
idea: tables of rules by the kind of the operands (`floats`, `integers`, `complexes`); a primitive in none of them that stands
for a ufunc of NumPy or SciPy calls the loop of that ufunc, and what is neither is not supported.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.backends.compiled import symbols
from wengert.backends.compiled.arithmetic import Arithmetic
from wengert.backends.compiled.code import Code, Value
from wengert.backends.compiled.complexes import COMPLEX
from wengert.backends.compiled.conversions import convert
from wengert.backends.compiled.floats import FLOATS, Rule
from wengert.backends.compiled.integers import BOOLEANS, INTEGERS
from wengert.backends.compiled.outer import apply_lanes, call_loop
from wengert.graph import REGISTRY

__all__ = ["cost", "emit", "supported"]

DTypes = Sequence[np.dtype[Any]]
Loop = tuple[str, DTypes, DTypes]  # a name that `symbols` knows; dtypes of operands and results
_TABLES: dict[str, dict[str, Rule]] = {"f": FLOATS, "c": COMPLEX, "i": INTEGERS, "u": INTEGERS, "b": BOOLEANS}
_KNOWN = {np.dtype(t) for t in "? b h i l q B H I L Q f d F D".split()}
_RAISING = {"power", "scalar_power", "float_power"}  # of integers: negative exponents are errors


# ---------------------------------------------------------------- compositions of other primitives

def _one(code: Code, name: str, operands: Sequence[Value], lanes: int, result: Any = None, **params: Any) -> Value:
    """A primitive with one result, of its first operand's dtype unless said."""
    (value,) = emit(code, name, params, operands, [np.dtype(result or operands[0].dtype)], lanes)
    return value


def _select(code: Code, operands: Sequence[Value], results: DTypes, lanes: int) -> list[Value]:
    p, x, y = operands
    a = Arithmetic(code, x.dtype, lanes)
    return [Value(x.dtype, tuple([a.choose(p.part, s, t) for s, t in zip(x.parts, y.parts)]), lanes)]


def _convert(code: Code, operands: Sequence[Value], results: DTypes, lanes: int, *, dtype: Any) -> list[Value]:
    return [convert(code, operands[0], np.dtype(dtype))]


def _make_complex(code: Code, operands: Sequence[Value], results: DTypes, lanes: int) -> list[Value]:
    part = np.empty(0, results[0]).real.dtype
    return [Value(results[0], tuple([convert(code, x, part).part for x in operands]), lanes)]


def _ldexp(code: Code, operands: Sequence[Value], results: DTypes, lanes: int) -> list[Value]:
    """By the C library, whose exponent is an int: a larger one is cut, which changes nothing."""
    x, n = operands
    a, whole = Arithmetic(code, x.dtype, lanes), Arithmetic(code, n.dtype, lanes)
    power = n.part
    if whole.bits > 16:
        power = whole.call("smin" if n.dtype.kind == "i" else "umin", power, whole.number(5000))
        power = whole.call("smax", power, whole.number(-5000)) if n.dtype.kind == "i" else power
    power = convert(code, Value(n.dtype, (power,), lanes), np.dtype(np.int32)).part
    name = "ldexp" if a.element == "double" else "ldexpf"
    return [Value(x.dtype, (apply_lanes(code, name, a.element, [x.part, power], lanes, [a.element, "i32"]),), lanes)]


def _float_power(code: Code, operands: Sequence[Value], results: DTypes, lanes: int) -> list[Value]:
    """In double precision."""
    wide = np.dtype(np.complex128 if results[0].kind == "c" else np.float64)
    out = _one(code, "power", [convert(code, x, wide) for x in operands], lanes)
    return [convert(code, out, results[0])]


def _power_log(code: Code, operands: Sequence[Value], results: DTypes, lanes: int, *, k: int) -> list[Value]:
    """``x^y log(x)^k``, and 0 where x = 0 and Re y > 0."""
    x, y = operands
    log = _one(code, "integer_power", [_one(code, "log", [x], lanes)], lanes, n=k)
    out = _one(code, "multiply", [_one(code, "power", [x, y], lanes), log], lanes)
    zero = code.constant(0, x.dtype, lanes)
    real = np.empty(0, x.dtype).real.dtype
    empty = _one(code, "equal", [x, zero], lanes, bool)
    right = _one(code, "greater", [_one(code, "real", [y], lanes, real), code.constant(0, real, lanes)], lanes, bool)
    return [_one(code, "select", [_one(code, "logical_and", [empty, right], lanes), zero, out], lanes, x.dtype)]


def _polygamma(code: Code, operands: Sequence[Value], results: DTypes, lanes: int, *, n: int) -> list[Value]:
    """``(-1)^(n+1) n! zeta(n + 1, x)`` in double precision."""
    if n == 0:
        return emit(code, "psi", {}, operands, results, lanes)
    wide = np.dtype(np.float64)
    zeta = _one(code, "zeta_of_two", [code.constant(n + 1.0, wide, lanes), convert(code, operands[0], wide)], lanes)
    factor = code.constant((-1.0) ** (n + 1) * math.gamma(n + 1.0), wide, lanes)
    return [convert(code, _one(code, "multiply", [factor, zeta], lanes), results[0])]


def _integer_power(code: Code, operands: Sequence[Value], results: DTypes, lanes: int, *, n: int) -> list[Value]:
    """Of complex numbers; the others are in the tables."""
    x = operands[0]
    if n in (-1, 2):
        return emit(code, {-1: "reciprocal", 2: "square"}[n], {}, operands, results, lanes)
    if n == 0:
        return [code.constant(1.0, x.dtype, lanes)]
    return emit(code, "power", {}, [x, code.constant(float(n), x.dtype, lanes)], results, lanes)


Composition = Callable[..., list[Value]]
_ANY: dict[str, tuple[Composition, float]] = {
    "select": (_select, 0.05), "convert": (_convert, 0.1), "make_complex": (_make_complex, 0.05), "ldexp": (_ldexp, 4.0)}
_INEXACT: dict[str, tuple[Composition, float]] = {
    "float_power": (_float_power, 4.0), "power_log": (_power_log, 5.0), "polygamma": (_polygamma, 60.0)}


def _composition(name: str, kind: str) -> tuple[Composition, float] | None:
    if name in _ANY:
        return _ANY[name]
    if name == "integer_power" and kind == "c":
        return _integer_power, 10.0
    return _INEXACT.get(name) if kind in "fc" else None


# ---------------------------------------------------------------- loops of ufuncs

# Primitives that stand for a ufunc by another name, or evaluate one with a parameter of theirs: the constants that follow.
_STANDS_FOR = {"riemann_zeta": "_riemann_zeta", "zeta_of_two": "_zeta", "lambertw": "_lambertw", "numpy_i0": "i0",
               "special_round": "round"}
_MENDED = {"iv"}  # where the loop gives NaN, the primitive does not
_FURTHER: dict[str, Callable[..., tuple[Any, ...]]] = {"lambertw": lambda k: (int(k), 1e-8)}


@functools.cache
def _loop(name: str, operands: tuple[np.dtype[Any], ...], results: tuple[np.dtype[Any], ...]) -> Loop | None:
    """The loop that NumPy would choose, its operands' dtypes and its results'; None if there is none for these types."""
    ufunc = REGISTRY[name].ufunc if name in REGISTRY else None
    library = "numpy" if isinstance(ufunc, np.ufunc) else "scipy"
    called = ufunc.__name__ if isinstance(ufunc, np.ufunc) else _STANDS_FOR.get(name, ufunc)
    if called is None or name in _MENDED or (name in _RAISING and operands[0].kind not in "fc"):
        return None
    found: Any = symbols.ufunc_called(library, called)
    if found is None or found.nin != len(operands) or found.nout != len(results):
        return None
    try:
        chosen: Any = found.resolve_dtypes((*operands, *[None] * found.nout))
    except TypeError:
        return None
    types = "".join([d.char for d in chosen[:found.nin]]) + "_" + "".join([d.char for d in chosen[found.nin:]])
    if not set(chosen) <= _KNOWN or symbols.ufunc_index(found, types) is None:
        return None
    kinds = [(c.kind, d.kind) for c, d in zip(chosen[found.nin:], results)]
    if any(have != want for have, want in kinds):
        return None
    types = types.replace("?", "T")
    return f"wg_loop_{library}_{called}_{types}", chosen[:found.nin], chosen[found.nin:]


def _further(name: str, params: Mapping[str, Any]) -> tuple[Any, ...]:
    """Constants that are operands of the loop."""
    return _FURTHER[name](**params) if name in _FURTHER else ()


def _loop_of(name: str, params: Mapping[str, Any], operands: DTypes, results: DTypes) -> Loop | None:
    if params and name not in _FURTHER:
        return None
    if name in _FURTHER and operands[0].kind != "c":
        return None
    return _loop(name, (*operands, *[np.dtype(type(x)) for x in _further(name, params)]), tuple(results))


def _by_loop(code: Code, name: str, params: Mapping[str, Any], operands: Sequence[Value], results: DTypes,
             lanes: int) -> list[Value]:
    found = _loop_of(name, params, [o.dtype for o in operands], results)
    if found is None:
        raise NotImplementedError(f"{name} of {', '.join([str(o.dtype) for o in operands])}")
    loop, takes, gives = found
    every = [*operands, *[code.constant(x, type(x), lanes) for x in _further(name, params)]]
    direct = "wg_special_" + loop.removeprefix("wg_loop_scipy_").rsplit("_", 2)[0]
    if lanes == len(gives) == 1 and {*takes, *gives} == {np.dtype(np.float64)} and symbols.found(direct):  # without a loop
        out = apply_lanes(code, direct, "double", [convert(code, o, takes[0]).part for o in every], 1, last="i32 0")
        return [convert(code, Value(gives[0], (out,)), results[0])]
    got = call_loop(code, loop, [convert(code, x, d) for x, d in zip(every, takes)], gives, lanes)
    return [convert(code, y, d) for y, d in zip(got, results)]


# ---------------------------------------------------------------- the interface

def _rule(name: str, params: Mapping[str, Any], operands: DTypes) -> Rule | None:
    """The rule of a table for operands of one dtype."""
    dtype = operands[0]
    found = _TABLES[dtype.kind].get(name)
    if found is None or any(d != dtype for d in operands):
        return None
    if name == "integer_power" and params["n"] < 0 and dtype.kind in "iu":
        return None
    return found


def supported(name: str, params: Mapping[str, Any], operands: DTypes, results: DTypes) -> bool:
    """Whether `emit` has code for a primitive on these dtypes."""
    if not operands or not {*operands, *results} <= _KNOWN:
        return False
    kind = operands[1 if name == "select" else 0].kind
    if _composition(name, kind):
        return _composed(name, params, operands, results)
    return _rule(name, params, operands) is not None or _loop_of(name, params, operands, results) is not None


def _composed(name: str, params: Mapping[str, Any], operands: DTypes, results: DTypes) -> bool:
    """Whether the parts of a composition have code."""
    if name == "ldexp":
        return operands[0].kind == "f" and operands[1].kind in "iu"
    if name in ("convert", "make_complex"):
        return name == "convert" or operands[0].kind in "biuf"
    if name == "select":
        return operands[0].kind == "b" and operands[1] == operands[2]
    if name == "polygamma":
        return operands[0].kind == "f" and (params["n"] > 0 or supported("psi", {}, operands, results))
    wide = [np.dtype(np.complex128 if d.kind == "c" else np.float64) for d in operands] if name == "float_power" else operands
    return len({*wide}) == 1 and supported("power", {}, [wide[0], wide[0]], [wide[0]])


def emit(code: Code, name: str, params: Mapping[str, Any], operands: Sequence[Value], results: DTypes,
         lanes: int) -> list[Value]:
    """The results of a primitive, in `lanes` lanes; in one if every operand has one.

    Parameters
    ----------
    code : Code
        Lines are appended to it, and never a new basic block.
    operands : sequence of Value
        Of `lanes` lanes or of one.
    results : sequence of numpy.dtype
        Of the results.
    """
    lanes = lanes if any(o.lanes > 1 for o in operands) else 1
    operands = [code.splat(o, lanes) for o in operands]
    dtypes = [o.dtype for o in operands]
    if found := _composition(name, dtypes[1 if name == "select" else 0].kind):
        return found[0](code, operands, results, lanes, **params)
    if (rule := _rule(name, params, dtypes)) is None:
        return _by_loop(code, name, params, operands, results, lanes)
    parts = [o.parts if o.dtype.kind == "c" else o.part for o in operands]
    out = rule[0](Arithmetic(code, dtypes[0], lanes), *parts, **params)
    return [Value(d, x if isinstance(x, tuple) else (x,), lanes)
            for d, x in zip(results, out if isinstance(out, list) else [out], strict=True)]


def cost(name: str, params: Mapping[str, Any], dtype: np.dtype[Any]) -> float:
    """Rough nanoseconds per element, in vectors of 64 bytes; `dtype` is the first operand's (of `select`, the second's)."""
    found = _composition(name, dtype.kind) or (_TABLES[dtype.kind].get(name) if dtype.kind in _TABLES else None)
    if found is None:
        return 30.0
    size = np.dtype(dtype).itemsize // (2 if dtype.kind == "c" else 1)
    return found[1] if found[1] > 3.0 else found[1] * size / 8.0
