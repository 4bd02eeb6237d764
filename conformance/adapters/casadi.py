"""CasADi with its NumPy arrays switched on: `np` is NumPy, on `ArrayInterface` values around one MX symbol per case."""

from __future__ import annotations

import platform
from types import SimpleNamespace
from typing import Any

import casadi as lib
import numpy
from casadi import ArrayInterface

from conformance.trees import flat, map_leaves

np = numpy
lib.GlobalOptions.setNumpyMode(1)


sp = SimpleNamespace()  # CasADi has no SciPy names


def versions() -> dict[str, str]:
    return {"casadi": lib.__version__, "numpy": numpy.__version__, "python": platform.python_version()}


def grad(f: Any) -> Any:
    """The gradient inside a case: of a fresh symbol, in whose place the argument is put."""

    def gradient_at(x: Any) -> Any:
        x = x if isinstance(x, ArrayInterface) else ArrayInterface.MX(lib.MX(numpy.ravel(x)), numpy.shape(x))
        symbol = lib.MX.sym("y", x.size)
        fresh = ArrayInterface.MX(symbol, x.shape) if x.shape else ArrayInterface(symbol, ndim=0)
        found = lib.substitute(lib.gradient(expression(f(fresh)), symbol), symbol, lib.vec(x.to_casadi()))
        return ArrayInterface.MX(found, x.shape) if x.shape else ArrayInterface(found, ndim=0)

    return gradient_at


def expression(result: Any) -> Any:
    return result.to_casadi() if isinstance(result, ArrayInterface) else lib.MX(result)


def trace(f: Any, x: Any) -> tuple[Any, Any, numpy.ndarray]:
    """The symbol of all numbers of the point, the expression of the result, and the numbers."""
    numbers = flat(x)
    if numbers.dtype.kind != "f":
        raise TypeError(f"CasADi's symbols are real: {numbers.dtype}")
    symbol, start = lib.MX.sym("x", numbers.size), 0

    def place(leaf: Any) -> Any:
        nonlocal start
        shape, count = numpy.shape(leaf), numpy.size(leaf)
        part, start = symbol[start : start + count], start + count
        return ArrayInterface.MX(part, shape) if shape else ArrayInterface(part, ndim=0)

    return symbol, expression(f(map_leaves(place, x))), numbers


def evaluate(symbols: list[Any], result: Any, numbers: list[Any]) -> numpy.ndarray:
    return numpy.asarray(lib.Function("f", symbols, [result])(*numbers).full())


def value(f: Any, x: Any) -> Any:
    symbol, result, numbers = trace(f, x)
    return evaluate([symbol], result, [numbers])


def gradient(f: Any, x: Any) -> Any:
    symbol, result, numbers = trace(f, x)
    return evaluate([symbol], lib.gradient(result, symbol), [numbers])


def jvp(f: Any, x: Any, v: Any) -> Any:
    if isinstance(x, ArrayInterface):  # inside a case
        symbol = lib.MX.sym("y", x.size)
        along = lib.jtimes(expression(f(ArrayInterface.MX(symbol, x.shape))), symbol, lib.MX(v))
        found = lib.substitute(along, symbol, lib.vec(x.to_casadi()))
        return ArrayInterface.MX(found, found.shape[:1]) if found.numel() > 1 else ArrayInterface(found, ndim=0)
    symbol, result, numbers = trace(f, x)
    along = lib.MX.sym("v", numbers.size)
    return evaluate([symbol, along], lib.jtimes(result, symbol, along), [numbers, flat(v)])


def hessian(f: Any, x: Any) -> Any:
    if isinstance(x, ArrayInterface):  # inside a case
        symbol = lib.MX.sym("y", x.size)
        second = lib.hessian(expression(f(ArrayInterface.MX(symbol, x.shape))), symbol)[0]
        return ArrayInterface(lib.substitute(second, symbol, lib.vec(x.to_casadi())))
    symbol, result, numbers = trace(f, x)
    return evaluate([symbol], lib.hessian(result, symbol)[0], [numbers])
