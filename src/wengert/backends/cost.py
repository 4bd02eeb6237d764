"""How many arithmetic operations an equation takes.

What comes in: an equation without graphs. What goes out: a number. The one idea: shapes are static, so work can be counted
without running anything; what only moves or relabels numbers costs nothing.
"""

from __future__ import annotations

import math
from typing import Any

from wengert.graph import ArrayType, Equation
from wengert.primitives.contract import split_spec

__all__ = ["operations"]

_MOVES = frozenset("""broadcast concatenate conjugate convert empty_stack flip imag index index_set make_complex pad
    permute positive real reshape stop_gradient transpose window""".split())
_OF_OPERAND = frozenset("""argmax argmin argpartition argsort cummax cummin cumprod cumsum logsumexp log_softmax
    masked_sum partition reduce_all reduce_any reduce_max reduce_min reduce_prod reduce_sum searchsorted
    softmax sort window_sum""".split())
_OF_MATRIX = frozenset("""adjugate cholesky det discrete_lyapunov eig eigh eigvals eigvalsh frechet function_of_matrix inv lstsq
    lu lu_factor pinv qr slogdet solve_factored solve_triangular sqrtm svd svdvals sylvester""".split())
_OF_FOURIER = frozenset("fft rfft irfft dct dst".split())


def operations(e: Equation) -> int:
    """Arithmetic operations of an equation; none of one that holds graphs, whose operations are inside.

    An elementwise operation counts once for each element, ``exp`` like ``+``; a sum once for each element that goes in; a
    product of matrices twice for each of its products; a factorization of a matrix its elements times its order, a Fourier
    transform n log₂ n.

    Examples
    --------
    >>> from wengert.graph import REGISTRY, build_graph
    >>> graph = build_graph(lambda x: REGISTRY["contract"](x, x, spec="ab,cb->ac", by="matmul"), ArrayType((3, 4), float))
    >>> operations(graph.equations[0])
    72
    """
    name = e.primitive.name
    if e.primitive.holds_graphs or e.primitive.record is not None or name in _MOVES:
        return 0
    if name == "contract":
        return _of_contraction(e)
    operand = max((_size(o) for o in e.operands), default=0)
    if name == "index_add":
        return _size(e.operands[1])
    if name in _OF_OPERAND:
        return operand
    if name in _OF_MATRIX:
        return operand * max((o.type.shape[-1] for o in e.operands if isinstance(o.type, ArrayType) and o.type.ndim), default=1)
    result = sum(_size(r) for r in e.results)
    if name in _OF_FOURIER:
        return round(result * max(1.0, math.log2(max(operand, 2))))
    return result


def _size(value: Any) -> int:
    return value.type.size if isinstance(value.type, ArrayType) else 0


def _of_contraction(e: Equation) -> int:
    a, b, out = split_spec(e.params["spec"])
    shapes = [o.type.shape for o in e.operands if isinstance(o.type, ArrayType)]
    lengths = dict(zip(a, shapes[0], strict=True)) | dict(zip(b, shapes[1], strict=True))
    return math.prod(lengths.values()) * (1 if set(lengths) == set(out) else 2)
