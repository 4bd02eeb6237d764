"""Coloring: columns, rows or both in as few groups as possible, so that one product gives a group of columns at once.

What comes in: a `Pattern`. What goes out: a group number for each column (or row). The one idea: a greedy coloring asks each
vertex for the least color that its neighborhood does not forbid, and the sets of forbidden colors are bit masks, so that a
vertex costs a few operations on integers for each of its entries.

Two columns may share a group if no row has both (A. R. Curtis, M. J. D. Powell and J. K. Reid, On the estimation of sparse
Jacobian matrices, 1974; T. F. Coleman and J. J. Moré, 1983). The columns of a symmetric matrix may share more: a star coloring
lets every entry be read from one of its two places, an acyclic coloring gives them by substitution (A. H. Gebremedhin, F. Manne
and A. Pothen, What color is your Jacobian?, 2005; with A. Tarafdar, New acyclic and star coloring algorithms, 2007). Rows and
columns together read the few full rows apart from the rest (T. F. Coleman and A. Verma, The efficient computation of sparse
Jacobian matrices using automatic differentiation, 1998; A. S. Hossain and T. Steihaug, 1998).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.transforms.pattern import Pattern

__all__ = ["ORDERS", "acyclic", "best_columns", "best_symmetric", "best_two_sided", "columns", "readable", "reads", "star",
           "substitution"]

Colors = np.ndarray[Any, np.dtype[np.int64]]
Lists = list[list[int]]


def _lists(p: Pattern) -> Lists:
    """The columns of each row, as lists."""
    flat = p.indices.tolist()
    return [flat[a:b] for a, b in itertools.pairwise(p.indptr.tolist())]


# ---------------------------------------------------------------- colorings in a given order

def columns(p: Pattern, order: Sequence[int]) -> Colors:
    """Groups of columns no two of which meet in a row, greedily in this order.

    Examples
    --------
    >>> columns(Pattern.of_entries(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2]), 2, 3), range(3))
    array([0, 1, 0])
    """
    rows_of, used, colors = _lists(p.transposed()), [0] * p.size, [0] * p.width
    for v in order:
        mask = 0
        for i in rows_of[v]:
            mask |= used[i]
        bit = ~mask & (mask + 1)
        colors[v] = bit.bit_length() - 1
        for i in rows_of[v]:
            used[i] |= bit
    return np.array(colors, np.int64)


def star(adjacency: Pattern, order: Sequence[int]) -> Colors:
    """A star coloring: neighbors differ, and no path of four vertices has two colors only.

    For each vertex, `once` and `twice` are the colors that one and that several of its neighbors have, and `hubs` the colors of
    the neighbors for which it is one of several of its color.

    Examples
    --------
    >>> path = Pattern.of_entries(np.array([0, 1, 1, 2, 2, 3]), np.array([1, 0, 2, 1, 3, 2]), 4, 4)
    >>> star(path, range(4))
    array([0, 1, 0, 2])
    """
    near, n = _lists(adjacency), adjacency.size
    colors, once, twice, hubs = [-1] * n, [0] * n, [0] * n, [0] * n
    for v in order:
        mask, several = once[v], twice[v]
        for w in near[v]:
            if colors[w] >= 0:
                mask |= once[w] if several >> colors[w] & 1 else hubs[w]
        bit = ~mask & (mask + 1)
        color = colors[v] = bit.bit_length() - 1
        for w in near[v]:
            mine = colors[w]
            if mine >= 0 and several >> mine & 1:
                hubs[w] |= bit
            if not once[w] & bit:
                once[w] |= bit
            elif mine >= 0:
                hub = 1 << mine
                if not twice[w] & bit:
                    for u in near[w]:
                        if colors[u] == color:
                            hubs[u] |= hub
                hubs[v] |= hub
                twice[w] |= bit
            else:
                twice[w] |= bit
    return np.array(colors, np.int64)


def acyclic(adjacency: Pattern, order: Sequence[int]) -> Colors:
    """An acyclic coloring: neighbors differ, and no cycle has two colors only.

    The vertices of two colors form trees. A tree is known by any of its members (vertex, other color); a vertex may not take a
    color that would join two of its neighbors in one tree.

    Examples
    --------
    >>> path = Pattern.of_entries(np.array([0, 1, 1, 2, 2, 3]), np.array([1, 0, 2, 1, 3, 2]), 4, 4)
    >>> acyclic(path, range(4))
    array([0, 1, 0, 1])
    """
    near, n = _lists(adjacency), adjacency.size
    colors, once = [-1] * n, [0] * n
    parent: dict[tuple[int, int], tuple[int, int]] = {}

    def root(x: tuple[int, int]) -> tuple[int, int]:
        while (up := parent.setdefault(x, x)) != x:
            parent[x] = x = parent[up]
        return x
    for v in order:
        mask, seen = 0, set()
        for w in near[v]:
            if colors[w] >= 0:
                mask |= 1 << colors[w]
        for w in near[v]:
            rest = once[w] & ~mask if colors[w] >= 0 else 0
            while rest:
                bit = rest & -rest
                rest ^= bit
                tree = root((w, bit.bit_length() - 1))
                if tree in seen:
                    mask |= bit
                seen.add(tree)
        bit = ~mask & (mask + 1)
        color = colors[v] = bit.bit_length() - 1
        for w in near[v]:
            once[w] |= bit
            if colors[w] >= 0:
                once[v] |= 1 << colors[w]
                parent[root((w, color))] = root((v, colors[w]))
    return np.array(colors, np.int64)


# ---------------------------------------------------------------- orders

def _largest_first(near: Pattern) -> Any:
    """By falling degree (D. J. A. Welsh and M. B. Powell, 1967)."""
    return np.argsort(-np.diff(near.indptr), kind="stable").tolist()


def _smallest_last(near: Pattern) -> Any:
    """Last the vertex of least degree, then likewise among the others (D. W. Matula and L. L. Beck, 1983)."""
    lists, degree = _lists(near), np.diff(near.indptr).tolist()
    buckets: list[set[int]] = [set() for _ in range(max(degree, default=0) + 1)]
    for v, d in enumerate(degree):
        buckets[d].add(v)
    order, least = [], 0
    for _ in degree:
        while not buckets[least]:
            least += 1
        v = buckets[least].pop()
        order.append(v)
        degree[v] = -1
        for w in lists[v]:
            d = degree[w]
            if d >= 0:
                buckets[d].remove(w)
                buckets[d - 1].add(w)
                degree[w] = d - 1
        least = max(least - 1, 0)
    return order[::-1]


def _incidence(near: Pattern) -> Any:
    """Next the vertex with most neighbors that have been taken (T. F. Coleman and J. J. Moré, 1983)."""
    lists, taken = _lists(near), [0] * near.size
    buckets: list[dict[int, None]] = [dict.fromkeys(range(near.size))]
    order, most = [], 0
    for _ in range(near.size):
        while not buckets[most]:
            most -= 1
        v = next(iter(buckets[most]))
        del buckets[most][v]
        order.append(v)
        taken[v] = -1
        for w in lists[v]:
            d = taken[w]
            if d >= 0:
                del buckets[d][w]
                if d + 1 == len(buckets):
                    buckets.append({})
                buckets[d + 1][w] = None
                taken[w] = d + 1
                most = max(most, d + 1)
    return order


ORDERS: dict[str, Callable[[Pattern], Any]] = {
    "natural": lambda near: range(near.size), "largest first": _largest_first, "smallest last": _smallest_last,
    "incidence": _incidence}


# ---------------------------------------------------------------- colorings of regular grids

_WIDEST = 64  # entries of a row, beyond which no grid is looked for
_TRIALS = 20_000
_CYCLIC = 8  # colorings of a grid that are tried for being acyclic


def _lattice(p: Pattern, shape: tuple[int, ...], below: int) -> Colors | None:
    """Columns colored by ``(a · place) mod k``, where a column has a place in an array: for stencils on a regular grid.

    Such a coloring is good if ``a · d mod k`` is not 0 for any difference d of two columns that meet in a row (D. Goldfarb and
    Ph. L. Toint, Optimal estimation of Jacobian and Hessian matrices that arise in finite difference calculations, 1984).
    """
    counts = np.diff(p.indptr)
    least = int(counts.max(initial=0))
    if not 1 < least <= min(_WIDEST, below - 1):
        return None
    grids = _grids(p, shape)
    places = [np.stack(np.unravel_index(np.arange(p.width), grid), axis=1) for grid in grids]
    apart = [_differences(p, x) for x in places]
    for k in range(least, below):
        for grid, place, d in zip(grids, places, apart, strict=True):
            if k ** len(grid) > _TRIALS or len(d) > _WIDEST ** 2:
                continue
            factors = np.indices((k,) * len(grid)).reshape(len(grid), -1)
            good = np.flatnonzero(((d @ factors) % k != 0).all(axis=0))
            if len(good):
                return _numbered((place @ factors[:, good[0]]) % k)
    return None


def _acyclic_lattice(p: Pattern, near: Pattern, shape: tuple[int, ...], below: int) -> Colors | None:
    """The same for acyclic colorings: neighbors differ, and the vertices of any two colors form trees."""
    if int(np.diff(p.indptr).max(initial=0)) > _WIDEST:
        return None
    for grid in _grids(p, shape):
        places = np.stack(np.unravel_index(np.arange(p.width), grid), axis=1)
        apart = np.unique(places[near.rows()] - places[near.indices], axis=0) if near.count <= _LARGE * 2 else places
        for k in range(2, below) if len(apart) <= _WIDEST else ():
            if k ** len(grid) > _TRIALS:
                break
            factors = np.indices((k,) * len(grid)).reshape(len(grid), -1)
            for f in factors[:, ((apart @ factors) % k != 0).all(axis=0)].T[:_CYCLIC]:
                if _is_acyclic(near, (places @ f) % k, k):
                    return _numbered((places @ f) % k)
    return None


def _is_acyclic(near: Pattern, colors: Colors, total: int) -> bool:
    """Whether the vertices of any two colors form trees: as many edges as vertices that are not the first of their tree."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    first, second = near.rows(), near.indices
    ends = np.stack([first * total + colors[second], second * total + colors[first]])
    used, nodes = np.unique(ends, return_inverse=True)
    a, b = nodes.reshape(2, -1)
    trees, _ = connected_components(coo_array((np.ones(len(a), bool), (a, b)), shape=(len(used), len(used))), directed=False)
    return bool(len(used) - trees == near.count // 2)


def _differences(p: Pattern, places: Any) -> Any:
    """The differences of the places of columns that meet in a row, each once."""
    rows, found, span = p.rows(), [], 2 * places.max(axis=0) + 1
    for t in range(1, int(np.diff(p.indptr).max(initial=0))):
        both = rows[t:] == rows[:-t]
        apart = places[p.indices[t:][both]] - places[p.indices[:-t][both]] + span // 2
        found.append(np.unique(np.ravel_multi_index(tuple(apart.T), tuple(span))))
    flat = np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)
    return np.stack(np.unravel_index(flat, tuple(span)), axis=1) - span // 2


def _grids(p: Pattern, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Shapes that the columns may have: one axis, that of the array, and rows as long as a distance between entries."""
    grids = [(p.width,)]
    if len(shape) > 1:
        return [*grids, tuple(n for n in shape if n > 1) or (1,)]
    steps, many = np.unique(np.abs(p.indices - p.rows()), return_counts=True)
    long = [int(s) for s in steps[np.argsort(-many, kind="stable")] if s > 2 and p.width % s == 0]
    return grids + [(p.width // s, s) for s in long[:3]]


def _numbered(colors: Colors) -> Colors:
    """The same groups, numbered from 0 without a gap."""
    return np.unique(colors, return_inverse=True)[1].reshape(-1).astype(np.int64)


# ---------------------------------------------------------------- the best of several

_LARGE = 200_000  # pairs of vertices beyond which only the natural order is tried
_AGAIN = 4_000_000  # entries to look at while coloring again
_LIMITS = 8  # of what a full row is


def _number(colors: Colors) -> int:
    return int(colors.max(initial=-1)) + 1


def _fewest(near: Callable[[], Pattern], paint: Callable[[Any], Colors], found: Colors, enough: int, size: int,
            pairs: int) -> Colors:
    """The best coloring over the orders, and over those by the groups of the best one, last group first.

    To color group by group again never takes more colors (J. C. Culberson, Iterated greedy graph coloring, 1992).
    """
    if _number(found) <= enough:
        return found
    if pairs <= _LARGE:
        meeting = near()
        found = min([found, *[paint(make(meeting)) for make in list(ORDERS.values())[1:]]], key=_number)
    for _ in range(min(_AGAIN // max(size, 1), 10)):
        if _number(found) > enough:
            found = min(paint(np.argsort(-found, kind="stable").tolist()), found, key=_number)
    return found


def best_columns(p: Pattern, shape: tuple[int, ...] = ()) -> Colors:
    """Few groups of columns no two of which meet in a row; the columns are the elements of an array of this shape."""
    enough = int(np.diff(p.indptr).max(initial=0))
    if enough >= p.width:
        return np.arange(p.width)
    found = _lattice(p, shape, enough + 1)
    if found is None:
        found = columns(p, range(p.width))
        better = _lattice(p, shape, min(_number(found), 2 * enough))
        found = found if better is None else better
    pairs = int((np.diff(p.indptr) ** 2).sum())
    return _fewest(lambda: _meeting(p), lambda order: columns(p, order), found, enough, p.count, pairs)


def best_symmetric(p: Pattern, shape: tuple[int, ...] = (), paint: Callable[[Pattern, Any], Colors] = star) -> Colors:
    """Few groups of columns of a symmetric pattern, by `star` or `acyclic`."""
    near, enough = _without_diagonal(p), 2 if paint is acyclic else 3
    if not near.count:
        return np.zeros(p.width, np.int64)
    found = paint(near, range(p.width))
    if paint is star and _number(found) > enough:
        better = _lattice(p, shape, _number(found) + 1)
        if better is not None:
            return better
    if paint is acyclic and _number(found) > enough:
        better = _acyclic_lattice(p, near, shape, _number(found))
        if better is not None:
            return better
    return _fewest(lambda: near, lambda order: paint(near, order), found, enough, near.count * 5, near.count)


def best_two_sided(p: Pattern, shape: tuple[int, ...] = ()) -> tuple[Colors, Colors]:
    """Groups of columns and of rows such that each entry can be read from one of them; -1: in no group.

    The fullest rows are read by rows, all others by columns, which then no full row keeps apart.
    """
    counts = np.diff(p.indptr)
    limits = np.unique(counts)
    limits = limits[np.unique(np.linspace(0, len(limits) - 1, _LIMITS).astype(int))]
    best = best_columns(p, shape), np.full(p.size, -1)
    for limit in limits.tolist():
        full = counts > limit
        if limit + 1 < _number(best[0]) + _number(best[1]):
            by_row = np.full(p.size, -1)
            by_row[full] = best_columns(p.take(np.flatnonzero(full)).transposed())
            by_column = best_columns(p.keep(~full), shape) if limit else np.full(p.width, -1)
            best = min(best, (by_column, by_row), key=lambda pair: _number(pair[0]) + _number(pair[1]))
    return best


def _without_diagonal(p: Pattern) -> Pattern:
    rows = p.rows()
    apart = rows != p.indices
    return Pattern.of_entries(rows[apart], p.indices[apart], p.size, p.width)


def _meeting(p: Pattern) -> Pattern:
    """Which columns meet in a row."""
    from scipy.sparse import csr_array
    a = csr_array((np.ones(p.count, bool), p.indices, p.indptr), shape=(p.size, p.width))
    both = (a.T @ a).tocoo()
    return _without_diagonal(Pattern.of_entries(both.row.astype(np.int64), both.col.astype(np.int64), p.width, p.width))


# ---------------------------------------------------------------- reading the entries

def readable(p: Pattern, colors: Colors) -> np.ndarray[Any, Any]:
    """Which entries are the only one of their row in the group of their column."""
    at = colors[p.indices]
    keys = p.rows() * np.int64(_number(colors) + 1) + at
    _, where, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return (counts[where.reshape(-1)] == 1) & (at >= 0)  # type: ignore[no-any-return]


def _mirror(p: Pattern) -> Any:
    """For each entry its place among the entries of the transposed pattern."""
    place = np.empty(p.count, np.int64)
    place[np.lexsort((p.rows(), p.indices))] = np.arange(p.count)
    return place


def reads(p: Pattern, by_column: Colors, by_row: Colors | None = None) -> np.ndarray[Any, Any]:
    """Where each entry is found: in the products of the groups of columns, (groups, rows), then of rows.

    Without groups of rows the pattern is symmetric, and an entry may be read in the place of its mirror image.
    """
    rows, alone = p.rows(), readable(p, by_column)
    first = by_column[p.indices] * p.size + rows
    place = _mirror(p)
    if by_row is None:
        other, ahead = place, rows < p.indices  # a symmetric pattern and its transpose list the same entries
        mine = np.where(ahead, alone, ~alone[other] & alone) | (rows == p.indices)
        second = first[other]
    else:
        other, mine = place, alone
        second = _number(by_column) * p.size + by_row[rows] * p.width + p.indices
    return np.where(mine, first, second)  # type: ignore[no-any-return]


def substitution(p: Pattern, colors: Colors) -> tuple[Any, Any, Any, Any]:
    """How the entries of a symmetric matrix follow from the products of an acyclic coloring.

    The vertices of two colors form trees. The entry of a leaf v and its neighbor w stands alone in row v of the group of w;
    with it known, the tree is one leaf smaller.

    Returns
    -------
    place : array of int
        Where in the products, (groups, rows) flat, the sum lies that gives each pair (i, j), in the order of the substitution.
    leaf, rest : array of int
        Numbers of nodes: a pair takes off what was added up for node `leaf`, and is added to node `rest`.
    pair : array of int
        The number of the pair for each entry of the pattern; the diagonal comes after the pairs of the trees.
    """
    rows, mirror = p.rows(), _mirror(p)
    upper = rows < p.indices
    first, second = rows[upper], p.indices[upper]
    total, count = _number(colors), len(first)
    _, nodes = np.unique(np.concatenate([first * total + colors[second], second * total + colors[first]]), return_inverse=True)
    ends = nodes.reshape(2, -1)
    size = int(nodes.max(initial=-1)) + 1
    degree, sums = np.bincount(nodes.reshape(-1), minlength=size), np.zeros(size, np.int64)
    np.add.at(sums, ends[0], np.arange(count))
    np.add.at(sums, ends[1], np.arange(count))
    order, leaves, fringe = [], [], np.flatnonzero(degree == 1)
    while len(fringe):
        edges, at = np.unique(sums[fringe], return_index=True)  # of a leaf the sum of its edges is its one edge
        own = fringe[at]
        far = np.where(ends[0][edges] == own, ends[1][edges], ends[0][edges])
        degree[own] = 0
        np.subtract.at(degree, far, 1)
        np.subtract.at(sums, far, edges)
        order.append(edges)
        leaves.append(own)
        fringe = np.unique(far[degree[far] == 1])
    edges, leaf = (np.concatenate(x) if x else np.zeros(0, np.int64) for x in (order, leaves))
    flipped = ends[0][edges] != leaf
    rest = np.where(flipped, ends[0][edges], ends[1][edges])
    own, other = np.where(flipped, second[edges], first[edges]), np.where(flipped, first[edges], second[edges])
    diagonal = np.flatnonzero(rows == p.indices)
    place = np.concatenate([colors[other] * p.size + own, colors[rows[diagonal]] * p.size + rows[diagonal]])
    pair = np.zeros(p.count, np.int64)
    number = np.empty(count, np.int64)
    number[edges] = np.arange(count)
    pair[upper] = number
    pair[mirror[upper]] = number
    pair[diagonal] = count + np.arange(len(diagonal))
    return place, leaf, rest, pair
