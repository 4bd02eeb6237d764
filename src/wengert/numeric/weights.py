"""Coefficients of difference formulas.

What comes in: the points of a formula, as offsets from where the derivative is wanted, and the order of that
derivative. What goes out: one weight per point. The one idea: differentiate the polynomial through the
points, built up one point at a time (Fornberg's recurrence); with whole offsets all of it is exact rational
arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

__all__ = ["Stencil", "stencil", "weights"]


class Stencil(NamedTuple):
    """A difference formula for step 1: whole offsets, their weights, order of the derivative, accuracy."""

    offsets: tuple[int, ...]
    weights: tuple[float, ...]
    order: int
    accuracy: int


def weights(offsets: Sequence[float], order: int) -> list[float]:
    """Weights w with f⁽ᵒʳᵈᵉʳ⁾(0) ≈ Σ wₖ f(offsetₖ), exact for polynomials of degree below len(offsets).

    Parameters
    ----------
    offsets : sequence of int or float
        Distinct points, in any order. Whole numbers give correctly rounded weights.
    order : int
        Order of the derivative; 0 gives the weights of interpolation.

    Returns
    -------
    list of float
        One weight per offset. For points h times as far apart, divide them by h**order.

    Raises
    ------
    ValueError
        When the points are too few for the order, or not distinct.

    Examples
    --------
    >>> weights([-1, 0, 1], 2)
    [1.0, -2.0, 1.0]
    >>> weights([0, 1, 2], 1)
    [-1.5, 2.0, -0.5]

    References
    ----------
    B. Fornberg, Generation of finite difference formulas on arbitrarily spaced grids, Math. Comp. 51 (1988),
    699-706.
    """
    if order < 0 or order >= len(offsets):
        raise ValueError(f"a derivative of order {order} from {len(offsets)} points: order + 1 are needed")
    if len(set(offsets)) < len(offsets):
        raise ValueError(f"the offsets must be distinct, not {list(offsets)}")
    points: list[Any] = [Fraction(a) if isinstance(a, int) else float(a) for a in offsets]
    # table[k][m] is the weight of point k for derivative m, from the points added so far.
    table: list[list[Any]] = [[Fraction(1)] + [Fraction(0)] * order]
    product_before: Any = Fraction(1)
    for n in range(1, len(points)):
        product: Any = Fraction(1)
        for k in range(n):
            product *= points[n] - points[k]
        previous = table[-1]
        new = [Fraction(0)] * (order + 1)
        for m in range(order + 1):
            lower = m * previous[m - 1] if m else Fraction(0)
            new[m] = product_before / product * (lower - points[n - 1] * previous[m])
        for k in range(n):
            old = table[k]
            table[k] = [
                (points[n] * old[m] - (m * old[m - 1] if m else 0)) / (points[n] - points[k])
                for m in range(order + 1)
            ]
        table.append(new)
        product_before = product
    return [float(row[order]) for row in table]


@lru_cache(maxsize=256)
def stencil(order: int, side: str, accuracy: int) -> Stencil:
    """The shortest formula with whole offsets, on one side of the point or around it, of the given accuracy.

    Parameters
    ----------
    order : int
        Order of the derivative, at least 1.
    side : {"central", "forward", "backward"}
        Where the points lie.
    accuracy : int
        The error is O(step**accuracy); even for "central".

    Returns
    -------
    Stencil
        Without the points whose weight is zero.

    Examples
    --------
    >>> stencil(1, "central", 2)
    Stencil(offsets=(-1, 1), weights=(-0.5, 0.5), order=1, accuracy=2)
    """
    if side == "central":
        reach = (order + 1) // 2 - 1 + accuracy // 2
        offsets = list(range(-reach, reach + 1))
    else:
        offsets = list(range(order + accuracy))
        if side == "backward":
            offsets = [-k for k in offsets]
    pairs = [(k, w) for k, w in zip(offsets, weights(offsets, order)) if w]
    return Stencil(tuple(k for k, _ in pairs), tuple(w for _, w in pairs), order, accuracy)
