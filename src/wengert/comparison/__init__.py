"""Five ways to a derivative, side by side.

What comes in: a function and a point. What goes out: a `Comparison`: for each way that applies its value, its error, and what
it cost; for each other one why it does not apply. The one idea: all ways are rows of one table and are measured alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wengert.comparison.measure import at_size, attempt, default_sizes, reference_for
from wengert.comparison.operations import count_operations
from wengert.comparison.problem import Problem, silent
from wengert.comparison.report import Comparison, Entry
from wengert.comparison.ways import FIRST, SECOND, Attempt
from wengert.errors import InputError
from wengert.progress import Progress

__all__ = ["Comparison", "Entry", "compare", "count_operations"]


def compare(f: Callable[..., Any], *args: Any, argnums: int | Sequence[int] | None = None, order: int = 1,
            sizes: Sequence[int] | None = None, seed: int = 0) -> Comparison:
    """Every way to a derivative of f at a point: its value, error, time, evaluations, operations, memory, and their growth.

    Finite differences (forward, central, searched step, Richardson), the complex step, estimates from random directions,
    symbolic differentiation, forward mode (by input, and vectorized), reverse mode, interpreted and compiled; of
    second order the mixtures. Errors are taken from an evaluation in fifty digits, confirmed by a difference quotient in
    fifty digits, where mpmath is installed and knows the functions in f; else from exact modes that agree with each other and
    with differences, else from Richardson extrapolation.

    Parameters
    ----------
    f : callable
        A function that returns a real number or one real array; a `formula`.
    *args
        Its arguments: floats, arrays, trees of them, and whatever else it takes.
    argnums : int or sequence of int, optional
        Which are differentiated; by default the first, of a formula all.
    order : {1, 2}
        2 compares Hessians of a function that returns a number.
    sizes : sequence of int, optional
        Lengths to give to the longest axis of the first differentiated array, to see how costs grow: entries are repeated,
        and so are axes of the same length in other arguments. By default half, once and twice the length; ``()`` for none.
        Where f does not accept another length there is no growth.
    seed : int
        Of the random directions.

    Returns
    -------
    Comparison
        Print it, or take ``.table()`` (rich), ``.plot(file)`` (Matplotlib), ``.json()``, ``["reverse mode"].error``.

    Raises
    ------
    InputError
        Nothing to differentiate; complex numbers; outputs that are no array; a function that gives another value when
        it is called again.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> def rosenbrock(x):
    ...     return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
    >>> c = wg.compare(rosenbrock, np.array([1.2, 1.0]))
    >>> c["reverse mode"].value, c["reverse mode"].verdict, c["central differences"].evaluations
    (array([[211.6, -88. ]]), 'exact', 5)
    >>> wg.compare(lambda x: abs(x) ** 3, 2.0)["complex step"].verdict
    'wrong'
    """
    p = Problem(f, args, argnums, order)
    chosen = default_sizes(p) if sizes is None else _sizes(sizes)
    with silent():
        return _compared(p, chosen, seed)


def _compared(p: Problem, chosen: Sequence[int], seed: int) -> Comparison:
    ways = FIRST if p.order == 1 else SECOND
    with Progress(len(ways) * (1 + len(chosen)) + 1) as progress:
        attempts: list[Attempt] = []
        for way in ways:
            progress(way.name, len(attempts))
            attempts.append(attempt(way, p, seed))
        progress("reference", len(ways))
        reference = reference_for(p, attempts)
        done = len(ways) + 1
        for size in chosen:
            other = p.resized(size) if size != p.longest else None
            for found in attempts:
                done += 1
                if other is not None and found.value is not None:
                    progress(f"{found.way.name}, {other.n:,} inputs", done)
                    at_size(found, other, seed)
    return Comparison(p, attempts, reference)


def _sizes(sizes: Sequence[int]) -> list[int]:
    if isinstance(sizes, (str, int)) or any(isinstance(n, bool) or int(n) != n or n < 1 for n in sizes):
        raise InputError(f"compare: sizes are positive whole numbers, [10, 20, 40], not {sizes!r}")
    return sorted({int(n) for n in sizes})
