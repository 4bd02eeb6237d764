"""How many operations an equation is.

What comes in: an equation. What goes out: about how many scalar operations its evaluation takes. The one idea: counts do not
depend on the machine; an elementary function counts as one, as an addition does, and moving numbers around as none.
"""

from __future__ import annotations

import math

from wengert.graph import ArrayType, Equation
from wengert.primitives.contract import split_spec

__all__ = ["operations"]

_PER_OPERAND = {"reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_any", "reduce_all", "argmax", "argmin",
                "masked_sum", "cumsum", "cumprod", "cummax", "cummin", "window_sum"}
_EXPONENTIALS = {"softmax", "log_softmax", "logsumexp", "logsumexp_sign"}
_SORTS = {"sort", "argsort", "partition", "argpartition"}
_FOURIER = {"fft", "rfft", "irfft", "dct", "dst"}
# Of n x n matrices, in n³ (G. Golub and C. Van Loan, Matrix Computations, 2013).
_CUBIC = {"lu_factor": 2 / 3, "lu": 2 / 3, "det": 2 / 3, "slogdet": 2 / 3, "inv": 2.0, "cholesky": 1 / 3, "qr": 4 / 3,
          "svd": 21.0, "svdvals": 8 / 3, "eigh": 9.0, "eigvalsh": 4 / 3, "eig": 25.0, "eigvals": 10.0, "pinv": 21.0,
          "lstsq": 4.0, "sqrtm": 25.0, "function_of_matrix": 20.0, "frechet": 40.0, "adjugate": 25.0, "sylvester": 50.0,
          "discrete_lyapunov": 50.0}


def operations(e: Equation) -> int:
    """About how many scalar operations; a loop counts as what is inside, which is not counted here.

    Examples
    --------
    >>> from wengert.graph import build_graph, REGISTRY
    >>> a = ArrayType((3, 4), float)
    >>> graph = build_graph(lambda x: REGISTRY["contract"](x, x, spec="ab,cb->ac", by="matmul"), a)
    >>> operations(graph.equations[0])
    72
    """
    name = e.primitive.name
    types = [o.type for o in (*e.operands, *e.results) if isinstance(o.type, ArrayType)]
    if not types or not e.operands or e.primitive.holds_graphs or e.primitive.record is not None:
        return 0
    first, out = types[0], types[-1]
    if name == "contract":
        return _contract(e)
    if name == "correlate":
        return 2 * out.size * min(o.type.size for o in e.operands)
    if name in _PER_OPERAND or name in _EXPONENTIALS:
        return first.size * (4 if name in _EXPONENTIALS else 1)
    if name in _SORTS:
        return round(first.size * max(1.0, math.log2(max(first.shape[-1:] or (1,)) or 1)))
    if name in _FOURIER:
        return round(5 * out.size * math.log2(max(out.size, 2)))
    if name == "index_add":
        return e.operands[1].type.size
    if name in ("solve_factored", "solve_triangular"):
        return first.shape[-1] * out.size * (2 if name == "solve_factored" else 1)
    if name in _CUBIC:
        return round(_CUBIC[name] * first.size * min(first.shape[-2:]))
    return max(r.type.size for r in e.results) if e.primitive.elementwise and name not in _MOVES else 0


_MOVES = {"select", "positive", "real", "imag", "make_complex", "stop_gradient"}


def _contract(e: Equation) -> int:
    sizes: dict[str, int] = {}
    for labels, o in zip(split_spec(e.params["spec"]), e.operands, strict=False):
        sizes.update(zip(labels, o.type.shape, strict=True))
    return 2 * math.prod(sizes.values())
