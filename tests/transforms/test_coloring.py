"""Colorings of random patterns: every entry of a random matrix is found again from the products of its groups."""

from __future__ import annotations

import numpy as np
import pytest

from wengert.transforms import coloring
from wengert.transforms.pattern import Pattern


def pattern_of(matrix):
    rows, columns = np.nonzero(matrix)
    return Pattern.of_entries(rows, columns, *matrix.shape)


def random_matrix(rng, symmetric=False):
    m, n = rng.integers(1, 25, 2)
    n = m if symmetric else n
    matrix = rng.normal(size=(m, n)) * (rng.random((m, n)) < rng.choice([0.03, 0.1, 0.3, 0.8]))
    if rng.random() < 0.3:
        matrix[rng.integers(m)] = rng.normal(size=n)
    return matrix + matrix.T if symmetric else matrix


def sums(matrix, groups):
    """The products with the groups of columns, (groups, rows), flat."""
    count = int(groups.max(initial=-1)) + 1
    return np.concatenate([matrix[:, groups == c].sum(axis=1) for c in range(count)] or [np.zeros(0)])


def check_numbers(groups):
    used = np.unique(groups[groups >= 0])
    assert np.array_equal(used, np.arange(len(used)))


@pytest.mark.parametrize("seed", range(60))
def test_jacobians(seed):
    rng = np.random.default_rng(seed)
    matrix = random_matrix(rng)
    p, none = pattern_of(matrix), np.full(matrix.shape[0], -1)
    by_column = coloring.best_columns(p)
    by_row = coloring.best_columns(p.transposed())
    for columns, rows in ((by_column, none), (np.full(matrix.shape[1], -1), by_row), coloring.best_two_sided(p)):
        whole = np.concatenate([sums(matrix, columns), sums(matrix.T, rows)])
        np.testing.assert_allclose(whole[coloring.reads(p, columns, rows)], matrix[p.rows(), p.indices], rtol=1e-12)
        check_numbers(columns)
        check_numbers(rows)
    two_sided = coloring.best_two_sided(p)
    assert sum(c.max(initial=-1) + 1 for c in two_sided) <= by_column.max() + 1


@pytest.mark.parametrize("seed", range(60))
def test_hessians(seed):
    rng = np.random.default_rng(seed)
    matrix = random_matrix(rng, symmetric=True)
    p = pattern_of(matrix)
    near = pattern_of(np.where(np.eye(len(matrix), dtype=bool), 0.0, matrix))
    for make in coloring.ORDERS.values():
        order = list(make(near))
        assert sorted(order) == list(range(len(matrix)))
        star = coloring.star(near, order)
        found = sums(matrix, star)[coloring.reads(p, star)].reshape(-1)
        np.testing.assert_allclose(found, matrix[p.rows(), p.indices], rtol=1e-12)
        np.testing.assert_array_equal(found[np.lexsort((p.rows(), p.indices))], found)  # symmetric, to the bit
        acyclic = coloring.acyclic(near, order)
        place, leaf, rest, pair = coloring.substitution(p, acyclic)
        assert len(leaf) == near.count // 2  # every pair is in a tree
        total, added = sums(matrix, acyclic)[place], np.zeros(max([*leaf, *rest, 0]) + 1)
        for k, (a, b) in enumerate(zip(leaf, rest, strict=True)):
            total[k] -= added[a]
            added[b] += total[k]
        np.testing.assert_allclose(total[pair], matrix[p.rows(), p.indices], rtol=1e-9, atol=1e-11)


def test_bands_need_what_theory_says():
    """A symmetric band of half width b takes 2b + 1 products, b + 1 with substitution (Coleman and Moré 1984)."""
    for b in (1, 2, 5):
        matrix = np.abs(np.subtract.outer(np.arange(60), np.arange(60))) <= b
        p = pattern_of(matrix)
        assert coloring.best_symmetric(p).max() + 1 == coloring.best_columns(p).max() + 1 == 2 * b + 1
        assert coloring.best_symmetric(p, paint=coloring.acyclic).max() + 1 == b + 1


def test_the_examples_of_the_survey():
    """Stencils on grids: five points 5 (star) and nine points 9 (columns), whatever the size."""
    i, j = np.indices((14, 17)).reshape(2, -1)
    across, along = np.abs(np.subtract.outer(i, i)), np.abs(np.subtract.outer(j, j))
    five, nine = pattern_of(across + along <= 1), pattern_of(np.maximum(across, along) <= 1)
    assert coloring.best_columns(five).max() + 1 == coloring.best_symmetric(five).max() + 1 == 5
    assert coloring.best_columns(nine, (14, 17)).max() + 1 == 9
    assert coloring.best_symmetric(nine, (14, 17)).max() + 1 <= 9
    for p, most in ((five, 3), (nine, 6)):
        acyclic = coloring.best_symmetric(p, (14, 17), coloring.acyclic)
        assert acyclic.max() + 1 <= most
        assert len(coloring.substitution(p, acyclic)[1]) == (p.count - p.size) // 2
