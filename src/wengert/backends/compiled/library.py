"""Primitives that work on whole arrays: products, factorizations, sorts, scans, transforms.

What comes in: an equation whose operands and results lie in memory. What goes out: calls of outer routines and loops, appended
to the function that is being written. The one idea: a table with one line per primitive; what stands in none of its lines, or
is refused by its own test, is left to the interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wengert.backends.compiled import eigen, fourier, lapack, orderings, scans, windows
from wengert.backends.compiled.access import window_strides
from wengert.backends.compiled.code import Code
from wengert.backends.compiled.loops import Place, copy, fill
from wengert.backends.compiled.products import emit_contract, supported_contract
from wengert.graph import ArrayType, Equation
from wengert.primitives.contract import product_type

__all__ = ["VIEWS", "Place", "consumes", "emit", "emit_contract", "supported"]

Scratch = Callable[[int], str]
Fail = Callable[[str, str], None]
Emit = Callable[[Code, Equation, Sequence[Place], Sequence[Place], Scratch, Fail], None]


def _contract(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
              fail: Fail) -> None:
    emit_contract(code, equation, operands, results[0], scratch, fail)


def _add_contract(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
                  fail: Fail) -> None:
    """The product is written straight into the sum, whose memory is the addend's, or gets a copy of it."""
    (a, b, *addend), y = operands, results[0]
    if not addend:
        fill(code, y.type.dtype, y.type.size, y.pointer)
    elif addend[0].pointer != y.pointer:
        copy(code, y.type.dtype, y.type.shape, addend[0].pointer, addend[0].strides, y.pointer, y.strides)
    windows = equation.params["windows"]
    shape = product_type(a.type, b.type, equation.params["spec"])
    into = Place(y.pointer, shape, window_strides(y.strides, windows) if windows else None)
    emit_contract(code, equation, (a, b), into, scratch, fail, accumulate=True)


# One line per primitive: its name, whether this equation can be emitted, and how.
TABLE: dict[str, tuple[Callable[[Equation], bool], Emit]] = {
    "contract": (supported_contract, _contract),
    "add_contract": (supported_contract, _add_contract),
    **lapack.TABLE,
    **eigen.TABLE,
    **scans.TABLE,
    **orderings.TABLE,
    **windows.TABLE,
    **fourier.TABLE,
}


def supported(equation: Equation) -> bool:
    """Whether `emit` can be called for an equation."""
    found = TABLE.get(equation.primitive.name)
    types = [x.type for x in (*equation.operands, *equation.results)]
    if found is None or not all(isinstance(t, ArrayType) and t.dtype.isnative for t in types):
        return False
    return _nothing(equation) or found[0](equation)


def _nothing(equation: Equation) -> bool:
    """Whether all results are empty."""
    return all(r.type.size == 0 for r in equation.results)


def emit(code: Code, equation: Equation, operands: Sequence[Place], results: Sequence[Place], scratch: Scratch,
         fail: Fail) -> None:
    """Append the statements that compute the results.

    Parameters
    ----------
    code : Code
        In an open block; it is left in an open block.
    equation : Equation
        One that is `supported`.
    operands, results : sequences of Place
    scratch : callable
        ``scratch(size)`` gives a pointer to that many bytes, aligned to 64, free during this statement.
    fail : callable
        ``fail(condition, reason)`` leaves the kernel if the condition (an i1) is true.
    """
    if not _nothing(equation):
        TABLE[equation.primitive.name][1](code, equation, operands, results, scratch, fail)


def consumes(equation: Equation) -> frozenset[int]:
    """The operands whose memory may be the result's (there is one result then, of the operand's type)."""
    k = _CONSUMES.get(equation.primitive.name)
    if k is None or k >= len(equation.operands) or equation.operands[k].type is not equation.results[0].type:
        return frozenset()
    return frozenset({k})


# How many of the first operands are read as they lie where they are views.
VIEWS = {"contract": 2, "add_contract": 2}

# What reads each element before it writes there, and nothing of its neighbors after.
_CONSUMES = {"cumsum": 0, "cumprod": 0, "cummax": 0, "cummin": 0, "sort": 0, "fft": 0,
             "add_contract": 2, "cholesky": 0, "solve_factored": 3, "solve_triangular": 1}
