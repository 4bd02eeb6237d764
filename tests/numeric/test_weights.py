"""Coefficients of difference formulas: against published tables, and against what defines them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from wengert.numeric import stencil, weights

# Fornberg 1988, Tables 1 and 3: order, accuracy -> weights at the offsets 0, ±1, ... or 0, 1, 2, ...
CENTRAL = {
    (1, 2): [-1 / 2, 0, 1 / 2],
    (1, 4): [1 / 12, -2 / 3, 0, 2 / 3, -1 / 12],
    (1, 6): [-1 / 60, 3 / 20, -3 / 4, 0, 3 / 4, -3 / 20, 1 / 60],
    (2, 2): [1, -2, 1],
    (2, 4): [-1 / 12, 4 / 3, -5 / 2, 4 / 3, -1 / 12],
    (3, 2): [-1 / 2, 1, 0, -1, 1 / 2],
    (4, 2): [1, -4, 6, -4, 1],
}
FORWARD = {
    (1, 1): [-1, 1],
    (1, 2): [-3 / 2, 2, -1 / 2],
    (1, 3): [-11 / 6, 3, -3 / 2, 1 / 3],
    (2, 1): [1, -2, 1],
    (2, 2): [2, -5, 4, -1],
    (3, 1): [-1, 3, -3, 1],
}


@pytest.mark.parametrize("case", CENTRAL)
def test_central_table(case: tuple[int, int]) -> None:
    expected = CENTRAL[case]
    reach = len(expected) // 2
    formula = stencil(case[0], "central", case[1])
    assert dict(zip(formula.offsets, formula.weights)) == {
        k: w for k, w in zip(range(-reach, reach + 1), expected) if w
    }


@pytest.mark.parametrize("case", FORWARD)
def test_one_sided_tables(case: tuple[int, int]) -> None:
    order, accuracy = case
    forward, backward = stencil(order, "forward", accuracy), stencil(order, "backward", accuracy)
    assert list(forward.weights) == FORWARD[case]
    assert backward.offsets == tuple(-k for k in forward.offsets)
    assert list(backward.weights) == [(-1) ** order * w for w in FORWARD[case]]


@pytest.mark.parametrize("side", ["central", "forward", "backward"])
@pytest.mark.parametrize("order", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("accuracy", [2, 4, 6])
def test_exact_for_polynomials(side: str, order: int, accuracy: int) -> None:
    """Σ w kᵐ is m! at m = order and 0 at all other m < order + accuracy."""
    formula = stencil(order, side, accuracy)
    factorial = 1
    for m in range(order + accuracy):
        factorial *= max(m, 1)
        terms = [w * float(k) ** m for k, w in zip(formula.offsets, formula.weights)]
        expected = factorial if m == order else 0
        assert sum(terms) == pytest.approx(expected, rel=1e-11, abs=1e-14 * sum(map(abs, terms)))


def test_any_points() -> None:
    points = [-0.7, 0.1, 0.25, 1.3]
    values = [2 + 3 * p - p**2 + 4 * p**3 for p in points]
    assert sum(w * value for w, value in zip(weights(points, 1), values)) == pytest.approx(3)
    assert weights([2, 5], 0) == [float(Fraction(5, 3)), float(Fraction(-2, 3))]


@pytest.mark.parametrize(
    ("offsets", "order", "message"), [([0, 1], 2, "2 points"), ([0, 1, 1], 1, "distinct"), ([0], -1, "order")]
)
def test_refused(offsets: list[int], order: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        weights(offsets, order)
