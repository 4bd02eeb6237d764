"""How many arithmetic operations a graph takes.

What comes in: a graph. What goes out: a number. The one idea: shapes are static, so work can be counted without running
anything; what only moves or relabels numbers costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from wengert.api import make_graph
from wengert.graph import ArrayType, Equation, Graph
from wengert.graph.walk import subgraphs
from wengert.primitives.contract import split_spec

__all__ = ["count_operations", "operations"]

_MOVES = frozenset("""broadcast concatenate conjugate convert empty_stack flip imag index index_set make_complex pad
    permute positive real reshape stop_gradient transpose window""".split())
_OF_OPERAND = frozenset("""argmax argmin argpartition argsort cummax cummin cumprod cumsum logsumexp log_softmax
    masked_sum partition reduce_all reduce_any reduce_max reduce_min reduce_prod reduce_sum searchsorted
    softmax sort window_sum""".split())
_OF_MATRIX = frozenset("""adjugate cholesky det discrete_lyapunov eig eigh eigvals eigvalsh frechet function_of_matrix inv lstsq
    lu lu_factor pinv qr slogdet solve_factored solve_triangular sqrtm svd svdvals sylvester""".split())
_OF_FOURIER = frozenset("fft rfft irfft dct dst".split())


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
    return float(sum(_of(e) for e in graph.equations))


def _size(value: Any) -> float:
    return float(value.type.size) if isinstance(value.type, ArrayType) else 0.0


def _of(e: Equation) -> float:
    name = e.primitive.name
    if e.primitive.holds_graphs:
        return _of_graphs(e)
    if name in _MOVES:
        return 0.0
    if name == "contract":
        return _of_contraction(e)
    operand = max((_size(o) for o in e.operands), default=0.0)
    if name == "index_add":
        return _size(e.operands[1])
    if name in _OF_OPERAND:
        return operand
    if name in _OF_MATRIX:
        order = max((o.type.shape[-1] for o in e.operands if isinstance(o.type, ArrayType) and o.type.ndim), default=1)
        return operand * order
    result = sum(_size(r) for r in e.results)
    if name in _OF_FOURIER:
        return result * max(1.0, math.log2(max(operand, 2.0)))
    return result


def _of_contraction(e: Equation) -> float:
    a, b, out = split_spec(e.params["spec"])
    shapes = [o.type.shape for o in e.operands if isinstance(o.type, ArrayType)]
    lengths = dict(zip(a, shapes[0], strict=True)) | dict(zip(b, shapes[1], strict=True))
    products = float(math.prod(lengths.values()))
    return products * (1 if set(lengths) == set(out) else 2)


def _of_graphs(e: Equation) -> float:
    inner = [operations(g) for g in subgraphs(e)]
    if e.primitive.name == "while_loop":
        return math.nan
    if e.primitive.name == "scan":
        size = e.params.get("size")
        return math.nan if size is None else size * sum(inner)
    return max(inner, default=0.0)
