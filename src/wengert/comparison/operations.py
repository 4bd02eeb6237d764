"""How many arithmetic operations a graph takes.

What comes in: a graph. What goes out: a number. The one idea: shapes are static, so work can be counted without running
anything; what only moves or relabels numbers costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wengert.api import make_graph
from wengert.backends.cost import operations as of_equation
from wengert.backends.cost import total
from wengert.graph import Graph

__all__ = ["count_operations", "operations"]


def count_operations(f: Callable[..., Any], *args: Any, **kwargs: Any) -> float:
    """How many arithmetic operations f takes at these arguments, counted on its graph.

    An elementwise operation counts once for each element, ``exp`` like ``+``; a sum once for each element that goes in; a
    product of matrices twice for each of its products; a factorization of a matrix its elements times its order, a Fourier
    transform n log₂ n; copies, slices and reshapes nothing. Loops count as often as they run.

    Parameters
    ----------
    f : callable
        Also a derivative, ``wg.grad(g)``.
    *args, **kwargs
        Its arguments.

    Returns
    -------
    float
        A whole number; NaN where a loop under `jit` runs until a condition holds, for then nobody knows.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> f = lambda x: np.sum(x * x)
    >>> wg.count_operations(f, np.ones(100)), wg.count_operations(wg.grad(f), np.ones(100))
    (200.0, 200.0)
    """
    return operations(make_graph(f, *args, **kwargs))


def operations(graph: Graph) -> float:
    """Arithmetic operations of a graph; NaN where a loop of unknown length decides."""
    return total(graph, of_equation)
