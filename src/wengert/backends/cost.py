"""What equations and graphs cost, counted.

What comes in: an equation, or a graph. What goes out: operations, multiplications, and the parts of the time
that running takes. The one idea: shapes are static, so work can be counted without running anything; what only moves or
relabels numbers is no operation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wengert.graph import ArrayType, Equation, Graph
from wengert.graph.walk import subgraphs
from wengert.primitives.contract import split_spec

__all__ = ["COMPILED", "INTERPRETED", "Machine", "Work", "multiplications", "operations", "total", "work"]

_MOVES = frozenset("""broadcast concatenate conjugate convert empty_stack flip imag index index_set make_complex pad
    permute positive real reshape stop_gradient transpose window""".split())
_OF_OPERAND = frozenset("""argmax argmin argpartition argsort cummax cummin cumprod cumsum logsumexp log_softmax
    masked_sum partition reduce_all reduce_any reduce_max reduce_min reduce_prod reduce_sum searchsorted
    softmax sort window_sum""".split())
_OF_MATRIX = frozenset("""adjugate cholesky det discrete_lyapunov eig eigh eigvals eigvalsh frechet function_of_matrix inv lstsq
    lu lu_factor pinv qr slogdet solve_factored solve_triangular sqrtm svd svdvals sylvester""".split())
_OF_FOURIER = frozenset("fft rfft irfft dct dst".split())
_MULTIPLY = frozenset("multiply divide square reciprocal integer_power one_minus_square reduce_prod cumprod".split())
_VIEWS = frozenset("broadcast flip real imag reshape stop_gradient transpose window positive".split())
_LIGHT = frozenset("""absolute add convert copysign divide equal fabs floor greater greater_equal less less_equal logical_and
    logical_not logical_or maximum minimum multiply negative not_equal one_minus_square positive reciprocal select sign square
    subtract""".split())


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


def multiplications(e: Equation) -> int:
    """How many of the operations of an equation multiply or divide, or are done inside LAPACK and Fourier transforms.

    Examples
    --------
    >>> from wengert.graph import REGISTRY, build_graph
    >>> graph = build_graph(lambda x: REGISTRY["contract"](x, x, spec="ab,cb->ac", by="matmul"), ArrayType((3, 4), float))
    >>> multiplications(graph.equations[0])
    36
    """
    name = e.primitive.name
    if name == "contract":
        a, b, _ = split_spec(e.params["spec"])
        return math.prod({**dict(zip(a, e.operands[0].type.shape, strict=True)),
                          **dict(zip(b, e.operands[1].type.shape, strict=True))}.values())
    if name in _OF_MATRIX or name in _OF_FOURIER:
        return operations(e)
    return sum(_size(r) for r in e.results) if name in _MULTIPLY else 0


def total(graph: Graph, of: Callable[[Equation], float], unknown: float = math.nan) -> float:
    """The sum over a graph's equations; loops count as often as they run, those of unknown length `unknown` times.

    Of the arithmetic by which a loop with checkpoints goes backward, the loops count as one turn for each step.
    """
    return _total(graph, of, unknown, False)


def _total(graph: Graph, of: Callable[[Equation], float], unknown: float, scheduled: bool) -> float:
    return float(sum(_of_graphs(e, of, unknown, scheduled) if e.primitive.holds_graphs else of(e) for e in graph.equations))


def _of_graphs(e: Equation, of: Callable[[Equation], float], unknown: float, scheduled: bool) -> float:
    own = e.params.get("checkpoints") == 0  # it belongs to the schedule of a loop
    inner = [_total(g, of, unknown, scheduled or own) for g in subgraphs(e)]
    turns = 1.0 if scheduled and own else unknown
    if e.primitive.name == "while_loop":
        return turns * sum(inner)
    if e.primitive.name in ("scan", "tangent_loop"):
        size = e.params.get("size")
        return (turns if size is None else size) * sum(inner)
    return max(inner, default=0.0)


@dataclass(frozen=True)
class Work:
    """What running a graph takes, in parts that take their time apart.

    Attributes
    ----------
    equations : float
        Calls of the interpreter.
    light, heavy, products : float
        Elements of arithmetic (of copies and of what products read, too), elements of functions such as ``exp``, and
        operations of matrix products.
    """

    equations: float
    light: float
    heavy: float
    products: float

    def seconds(self, machine: Machine) -> float:
        """The time that this takes on a machine."""
        return (self.equations * machine.equation + self.light * machine.light + self.heavy * machine.heavy
                + self.products * machine.product)


@dataclass(frozen=True)
class Machine:
    """Seconds for each part of `Work`."""

    equation: float
    light: float
    heavy: float
    product: float


INTERPRETED = Machine(1.5e-6, 1e-9, 8e-9, 1e-10)  # the usual, where nothing is measured
COMPILED = Machine(1e-10, 4e-10, 2e-9, 1e-10)
_UNKNOWN = 100.0  # iterations of a loop whose number nobody knows


def work(graph: Graph) -> Work:
    """What running a graph takes."""
    def part(kind: str) -> float:
        return total(graph, lambda e: _element_work(e) if _kind(e) == kind else 0.0, _UNKNOWN)
    read = total(graph, lambda e: float(sum(map(_size, e.operands))) if _kind(e) == "products" else 0.0, _UNKNOWN)
    return Work(total(graph, lambda e: 1.0, _UNKNOWN), part("light") + read, part("heavy"), part("products"))


def _kind(e: Equation) -> str:
    name = e.primitive.name
    if name == "contract" or name in _OF_MATRIX:
        return "products"
    if name in _VIEWS:
        return "none"
    return "heavy" if (e.primitive.elementwise and name not in _LIGHT) or name in _OF_FOURIER else "light"


def _element_work(e: Equation) -> float:
    return float(operations(e) or sum(_size(r) for r in e.results))
