"""How operations round: the local error of one equation, seen through an adjoint.

What comes in: an equation, the values of its operands and results, and the derivative of the program's result with regard
to a perturbation of this equation. What goes out: the largest first-order effect of the equation's rounding on the result,
and its standard deviation. The one idea: with rounding to nearest an operation is off by at most half a unit in the last
place, and is modeled as uniform in that interval; sums know their order, LAPACK is modeled by its backward error.

Sources: J. H. Wilkinson, Rounding Errors in Algebraic Processes (1963); N. J. Higham, Accuracy and Stability of Numerical
Algorithms (2002), chapters 2 to 4, 9 and 24; R. Brent, C. Percival and P. Zimmermann, Error bounds on complex floating-point
multiplication (2007); P. Blanchard, D. Higham and N. Higham, Accurately computing the log-sum-exp and softmax functions (2021).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.graph import Equation

__all__ = ["effect", "exact", "is_backward", "is_modeled", "norm"]

Effect = tuple[float, float]

# Nothing is rounded: rearrangements, choices, signs, integers.
_EXACT = frozenset((
    "reshape transpose broadcast select concatenate pad flip negative positive real imag conjugate make_complex maximum "
    "minimum stop_gradient fabs sign copysign fmax fmin fmod floor ceil rint trunc ldexp modf frexp heaviside nextafter "
    "spacing clip clip_low clip_high index index_set sort partition permute reduce_max reduce_min cummax cummin window "
    "over_values guard independent").split())
# Rounded correctly by IEEE 754: half a unit in the last place.
_ARITHMETIC = frozenset("add subtract multiply divide sqrt root square reciprocal convert remainder floor_divide".split())
# Of libm and of NumPy's vector code: below 4 units, mostly near half a unit.
_ELEMENTARY = frozenset((
    "exp exp2 expm1 log log2 log10 log1p cbrt integer_power power_log power float_power scalar_power sin cos tan "
    "one_minus_square witch arcsin arccos arctan cosine arctan2 hypot sinh cosh tanh arcsinh arccosh arctanh degrees rad2deg "
    "radians deg2rad absolute logaddexp logaddexp2 divmod numpy_round unwrap").split())
_UNITS = {"elementary": (4.0, 0.4), "special": (64.0, 2.0)}  # bound and standard deviation, in units in the last place
_OF_COMPLEX = {"multiply": math.sqrt(5.0), "square": math.sqrt(5.0), "divide": 4.0 * math.sqrt(2.0),
               "reciprocal": 4.0 * math.sqrt(2.0), "sqrt": 4.0, "root": 4.0}  # in units of u |v|
# Near their zeros libraries err as if the argument were rounded: by |x f'(x)| u, however small f(x) is.
_OSCILLATING = frozenset("jv yv yn j0 j1 y0 y1 jve yve airy sici fresnel hankel1 hankel2 hankel1e hankel2e".split())
# The computed result is the exact one of a matrix nearby: by Gaussian elimination, and by orthogonal transformations.
_ELIMINATION = frozenset("solve_factored solve_banded_factored solve_triangular inv det slogdet cholesky lu adjugate".split())
_ORTHOGONAL = frozenset((
    "qr svd svdvals eigh eigvalsh eig eigvals pinv lstsq sqrtm function_of_matrix sylvester discrete_lyapunov "
    "polar_factor").split())


def _ulp(y: Any, operands: Sequence[Any] = ()) -> Any:
    """The unit in the last place of each element, of complex ones that of the modulus; 0 for a zero that comes of a zero."""
    unit = np.spacing(np.abs(y)).astype(float)
    if np.all(y):
        return unit
    zeros = [np.equal(o, 0) for o in operands]
    return np.where((y == 0) & np.any(np.broadcast_arrays(*zeros), axis=0), 0.0, unit) if zeros else unit


def norm(x: Any, axis: tuple[int, ...] | None = None) -> Any:
    """The Euclidean norm of numbers however small or large: squares of 1e-200 are 0."""
    x = np.abs(x).astype(float)
    top = np.max(x, axis=axis, keepdims=True, initial=0.0)
    safe = np.where((top > 0) & np.isfinite(top), top, 1.0)
    return np.squeeze(safe, axis) * np.sqrt(np.sum((x / safe) ** 2, axis=axis))


def exact(e: Equation) -> bool:
    """Whether an equation rounds nothing, whatever the values."""
    name, p = e.primitive.name, e.primitive
    if name == "convert":
        return bool(np.can_cast(e.operands[0].type.dtype, e.results[0].type.dtype, "safe"))
    if name == "absolute":
        return e.operands[0].type.dtype.kind != "c"
    return name in _EXACT or not p.differentiable or not any(r.type.inexact for r in e.results)


def is_backward(e: Equation) -> bool:
    """Whether the first operand, a matrix, carries the error, and not the results."""
    return e.primitive.name in _ELIMINATION or e.primitive.name in _ORTHOGONAL


def is_modeled(e: Equation) -> bool:
    """Whether `effect` knows an equation that is not exact."""
    name = e.primitive.name
    return e.primitive.elementwise or name in _MODELS or name in _ARITHMETIC or name in _ELEMENTARY or \
        is_backward(e)


def effect(e: Equation, operands: Sequence[Any], result: Any, adjoint: Any) -> Effect:
    """Bound and standard deviation of the effect of an equation's rounding on the result of the program, to first order.

    Parameters
    ----------
    e : Equation
    operands : sequence of arrays
    result : array
        The result, or the operand that carries the error (see `is_backward`).
    adjoint : array
        The derivative of the program's result with regard to a perturbation of `result`.
    """
    if not np.any(adjoint):
        return 0.0, 0.0
    with np.errstate(all="ignore"):
        if is_backward(e):
            return _backward(e, result, adjoint)
        model = _MODELS.get(e.primitive.name, _elementwise)
        return model(e, [np.asarray(o) for o in operands], np.asarray(result), np.asarray(adjoint))


def _summed(adjoint: Any, unit: Any, bound: Any, deviation: Any) -> Effect:
    """Errors of elements, in units, independent of each other; what has no effect has none however large its error."""
    size = np.abs(adjoint).astype(float)
    effects = np.where((size == 0) | (unit == 0), 0.0, size * unit)  # first, for half of the least number is 0
    return float(np.sum(effects * bound)), float(norm(effects * deviation))


# ---------------------------------------------------------------- elementwise

def _elementwise(e: Equation, operands: Sequence[Any], y: Any, adjoint: Any) -> Effect:
    name = e.primitive.name
    unit = _ulp(y, operands)
    if name in _ARITHMETIC:
        half = 0.5 * (_OF_COMPLEX.get(name, 1.0) if y.dtype.kind == "c" else 1.0)
        return _summed(adjoint, np.where(_no_rounding(name, operands, y), 0.0, unit), half, half / math.sqrt(3.0))
    if name in _OSCILLATING:
        unit = np.maximum(unit, _turned(e, operands))
    return _summed(adjoint, unit, *_UNITS["elementary" if name in _ELEMENTARY else "special"])


def _turned(e: Equation, operands: Sequence[Any]) -> Any:
    """``|x f'(x)| u`` by a difference: what a rounding of the last operand does, whichever result it is of."""
    *fixed, x = operands
    u, h = np.finfo(x.dtype).eps / 2, math.sqrt(np.finfo(x.dtype).eps)
    both = [e.primitive.evaluate(*fixed, x * (1.0 + s * h), **e.params) for s in (1.0, -1.0)]
    if not e.primitive.multiple:
        both = [(b,) for b in both]
    changes = [np.abs(np.asarray(a) - b) / (2.0 * h) for a, b in zip(*both)]
    return np.nan_to_num(np.max(changes, axis=0).astype(float) * u)


def _no_rounding(name: str, operands: Sequence[Any], y: Any) -> Any:
    """Where a sum or product happened to be exact: Møller's and Knuth's TwoSum, and factors that are powers of two."""
    if y.dtype.kind != "f" or len(operands) != 2:
        return False
    a, b = operands
    if name in ("add", "subtract"):
        b = -b if name == "subtract" else b
        c = y - a
        return (a - (y - c)) + (b - c) == 0
    normal = np.abs(y) >= np.finfo(y.dtype).tiny
    if name == "multiply":
        return (_power_of_two(a) | _power_of_two(b)) & normal
    return _power_of_two(b) & normal if name == "divide" else False


def _power_of_two(x: Any) -> Any:
    return np.abs(np.frexp(x)[0]) == 0.5


# ---------------------------------------------------------------- sums

def _lanes(e: Equation, operands: Sequence[Any], n: Any) -> Any:
    """How many terms are added one after the other before a tree adds up the rest.

    NumPy adds eight lanes of up to 16 terms where the terms are contiguous (pairwise summation), BLAS adds in lanes, too;
    everything else is one term after the other.
    """
    if e.primitive.name == "reduce_sum":
        x, axes = operands[0], e.params["axes"]
        trailing = tuple(range(x.ndim - len(axes), x.ndim)) == tuple(sorted(axes))
        pairwise = x.ndim <= 1 or (trailing and x.flags.c_contiguous)
        return np.where(pairwise, np.minimum(n, np.maximum(1.0, np.minimum(n / 8.0, 16.0))), n)
    return np.maximum(1.0, n / 8.0) if e.primitive.name in ("contract", "correlate") else n


def _sum(e: Equation, operands: Sequence[Any], y: Any, adjoint: Any) -> Effect:
    """A sum of terms or of products: each node of the tree of additions rounds, and each product.

    A lane of m equal terms passes through partial sums of 1/m, 2/m, ..., of random signs through sums that grow like a root;
    the nodes' squares then add up as below.
    """
    inexact = [o.dtype.kind in "fc" for o in operands]
    products = sum(inexact) > 1 and e.primitive.name != "masked_sum"
    tops = [float(np.max(np.abs(o), initial=0.0)) or 1.0 if k else 1.0 for o, k in zip(operands, inexact, strict=True)]
    tops = tops if products else [max(tops)] * len(tops)
    scale = math.prod(tops) if products else tops[0]

    def of(change: Callable[[Any], Any]) -> Any:
        """The same sum of other terms, in double precision, where the largest factors are 1."""
        given = [change(np.abs(o).astype(float) / t) if k else o for o, t, k in zip(operands, tops, inexact, strict=True)]
        return np.asarray(e.primitive.evaluate(*given, **e.params))

    u = np.finfo(y.dtype).eps / 2
    absolute, squares, n = of(lambda x: x), of(np.square), of(np.ones_like)
    m = _lanes(e, operands, n)
    lanes = np.maximum(n / np.maximum(m, 1.0), 1.0)
    depth = np.where(m < n, np.minimum(m + np.ceil(np.log2(lanes)) + 8.0, n - 1.0), n - 1.0)
    if e.primitive.name in ("contract", "correlate"):
        depth = n - 1.0  # the order is the library's own
    nodes = np.square(np.abs(y).astype(float) / scale) * (m * m / (3.0 * np.maximum(n, 1.0)) + 2.0 * (1.0 - 1.0 / lanes)) \
        + squares * (m / 2.0 + np.log2(lanes) + products)
    factor = math.sqrt(5.0) if products and y.dtype.kind == "c" else 1.0
    most = np.where(n + products <= 1, 0.0, np.maximum(depth, 0.0) + products * factor) * absolute
    likely = np.where(n + products <= 1, 0.0, factor * _DEVIATION * np.sqrt(nodes))
    return _summed(adjoint, np.asarray(u * scale), most, likely)


# The mean of (half a unit / |v|)² over a decade of v is between u²/4 and u²: uniform errors have a third of its square.
_DEVIATION = 0.75 / math.sqrt(3.0)


def _index_add(e: Equation, operands: Sequence[Any], y: Any, adjoint: Any) -> Effect:
    """``x[i] += v``: one addition for each element of v; where an index repeats, one after the other."""
    terms = 1.0 if len(operands) == 2 else float(max(operands[1].size, 1))
    return _summed(adjoint, _ulp(y, [y]), 0.5 * terms, 0.5 * math.sqrt(terms / 3.0))


def _cumsum(e: Equation, operands: Sequence[Any], y: Any, adjoint: Any) -> Effect:
    """Each addition's error stays in all sums after it."""
    axis, ahead = e.params["axis"], not e.params["reverse"]
    def turned(x: Any) -> Any:
        return np.flip(x, axis) if ahead else x
    later = turned(np.cumsum(turned(adjoint), axis=axis))
    return _summed(later, _ulp(y, [y]), 0.5, 0.5 / math.sqrt(3.0))


def _cumprod(e: Equation, operands: Sequence[Any], y: Any, adjoint: Any) -> Effect:
    """Each product's relative error stays in all products after it."""
    axis, u = e.params["axis"], np.finfo(y.dtype).eps / 2
    later = np.flip(np.cumsum(np.flip(adjoint * y, axis), axis=axis), axis)
    factor = math.sqrt(5.0) if y.dtype.kind == "c" else 1.0
    return _summed(later, np.asarray(u), factor, factor * _DEVIATION)


def _product(e: Equation, operands: Sequence[Any], y: Any, adjoint: Any) -> Effect:
    count = max(operands[0].size // max(y.size, 1) - 1, 0)
    factor = math.sqrt(5.0) if y.dtype.kind == "c" else 1.0
    relative = factor * np.finfo(y.dtype).eps / 2 * np.abs(y)
    return _summed(adjoint, relative, count, math.sqrt(count) * _DEVIATION)


def _exponentials(e: Equation, operands: Sequence[Any], y: Any, adjoint: Any) -> Effect:
    """Sums of exponentials: of a logarithm the absolute error counts, of a share the rounding of its exponent."""
    n, u = max(operands[0].size // max(y.size, 1), operands[0].shape[-1] if operands[0].ndim else 1), np.finfo(y.dtype).eps / 2
    size = np.abs(y).astype(float)
    scale = size * (1.0 + np.abs(np.log(np.maximum(size, 5e-324)))) if e.primitive.name == "softmax" else size + 1.0
    return _summed(adjoint, u * scale, n + 16.0, 1.0 + 0.5 * math.log2(n + 1.0))


def _fourier(e: Equation, operands: Sequence[Any], y: Any, adjoint: Any) -> Effect:
    """A fast transform errs by log2(n) u of the norm of the whole (Higham, theorem 24.2), spread over all elements."""
    size = max(y.size, 2)
    depth, effect_of_all = math.log2(max(size, operands[0].size)), float(norm(adjoint) * norm(y)) * np.finfo(y.dtype).eps / 2
    return 4.0 * depth * effect_of_all, math.sqrt(depth / size) * effect_of_all


# ---------------------------------------------------------------- matrices

def _backward(e: Equation, a: Any, adjoint: Any) -> Effect:
    """The result is the exact one of A + ΔA: |ΔA| <= 3 n u |L||U| for elimination (Higham, theorem 9.4, where the factors
    are taken to be as large as A), ‖ΔA‖ <= c n u ‖A‖ for orthogonal transformations."""
    u, n = np.finfo(a.dtype).eps / 2, max(a.shape[-2:])
    whole = norm(adjoint, (-2, -1)) * norm(a, (-2, -1))
    if e.primitive.name in _ELIMINATION:
        likely = norm(adjoint * a) * math.sqrt(1.0 + n / 2.0)
        return float(3.0 * n * u * np.sum(whole)), float(_DEVIATION * u * likely)
    return float(10.0 * n * u * np.sum(whole)), float(_DEVIATION * u * math.sqrt(n) * norm(whole))


_MODELS: dict[str, Callable[..., Effect]] = {
    **dict.fromkeys(("reduce_sum", "masked_sum", "contract", "correlate", "window_sum"), _sum),
    "index_add": _index_add, "cumsum": _cumsum, "cumprod": _cumprod, "reduce_prod": _product,
    **dict.fromkeys(("logsumexp", "log_softmax", "softmax"), _exponentials),
    **dict.fromkeys(("fft", "rfft", "irfft", "dct", "dst"), _fourier),
}
