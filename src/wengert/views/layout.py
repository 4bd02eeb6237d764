"""A layered drawing of a directed graph without cycles: where its nodes are, and the bends of its edges.

What comes in: sizes of nodes, and edges. What goes out: a point for each node, and points that each edge goes through. The one
idea (K. Sugiyama, S. Tagawa, M. Toda, 1981): a node's layer is the longest path to it; an edge over several layers gets a place
in each; medians of the neighbors order each layer; and the least squares that keep that order give the horizontal places.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Layout", "layered", "placed"]

Key = Hashable
_SWEEPS = 6
_BEND = 14.0  # the width of an edge that passes through a layer


@dataclass
class Layout:
    """Centers of the nodes, the points of each edge from its start to its end, and the size of the whole."""

    centers: dict[Any, tuple[float, float]]
    paths: list[list[tuple[float, float]]]
    width: float
    height: float


def layered(sizes: Mapping[Any, tuple[float, float]], edges: Sequence[tuple[Any, Any]], gap: float = 28.0,
            rise: float = 46.0) -> Layout:
    """Place nodes in layers from the top to the bottom.

    Parameters
    ----------
    sizes : mapping
        Width and height of each node, in an order in which edges lead forward; those that do not are drawn upward.
    edges : sequence of (start, end)
    gap, rise : float
        Room between neighbors, and between layers.
    """
    order = {k: n for n, k in enumerate(sizes)}
    turned = [order[a] > order[b] for a, b in edges]
    edges = [(b, a) if back else (a, b) for (a, b), back in zip(edges, turned, strict=True)]
    depth = dict.fromkeys(sizes, 0)
    into: dict[Key, list[Key]] = {k: [] for k in sizes}
    for a, b in edges:
        into[b].append(a)
    for k in sizes:
        depth[k] = max([depth[a] + 1 for a in into[k]], default=0)
    out_of: dict[Key, list[Key]] = {k: [] for k in sizes}
    for a, b in edges:
        out_of[a].append(b)
    for k in reversed(list(sizes)):  # what enters is near its first use
        if not into[k] and out_of[k]:
            depth[k] = max(min(depth[b] for b in out_of[k]) - 1, 0)
    widths: dict[Key, float] = {k: w for k, (w, _) in sizes.items()}
    layers: list[list[Key]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for k in sizes:
        layers[depth[k]].append(k)
    chains: list[list[Key]] = []
    above: dict[Key, list[Key]] = {k: [] for k in sizes}
    below: dict[Key, list[Key]] = {k: [] for k in sizes}
    for n, (a, b) in enumerate(edges):
        chain: list[Key] = [a]
        for layer in range(depth[a] + 1, depth[b]):
            bend = ("bend", n, layer)
            layers[layer].append(bend)
            widths[bend], above[bend], below[bend] = _BEND, [], []
            chain.append(bend)
        chain.append(b)
        chains.append(chain)
        for p, q in itertools.pairwise(chain):
            below[p].append(q)
            above[q].append(p)
    _order(layers, above, below)
    x = _across(layers, above, below, widths, gap)
    y, height = _down(layers, sizes, rise)
    left = min((x[k] - widths[k] / 2 for k in x), default=0.0)
    centers = {k: (x[k] - left, y[depth[k]]) for k in sizes}
    places = {k: (x[k] - left, y[n]) for n, layer in enumerate(layers) for k in layer}
    total = max((x[k] + widths[k] / 2 for k in x), default=0.0) - left
    paths = [[places[k] for k in (reversed(chain) if back else chain)] for chain, back in zip(chains, turned, strict=True)]
    return Layout(centers, paths, total, height)


def _order(layers: list[list[Key]], above: Mapping[Key, list[Key]], below: Mapping[Key, list[Key]]) -> None:
    """Sort each layer by the medians of its neighbors, down and up in turn."""
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        beside = above if down else below
        for n in range(1, len(layers)) if down else range(len(layers) - 2, -1, -1):
            place = {k: i for i, k in enumerate(layers[n - 1 if down else n + 1])}
            own = {k: i for i, k in enumerate(layers[n])}
            other = len(place) / max(len(own), 1)
            layers[n].sort(key=lambda k: (_median([place[b] for b in beside[k]], own[k] * other), own[k]))


def _median(places: list[int], otherwise: float) -> float:
    if not places:
        return otherwise
    places = sorted(places)
    middle = len(places) // 2
    return float(places[middle]) if len(places) % 2 else (places[middle - 1] + places[middle]) / 2


def _across(layers: list[list[Key]], above: Mapping[Key, list[Key]], below: Mapping[Key, list[Key]],
            widths: Mapping[Key, float], gap: float) -> dict[Key, float]:
    """Horizontal places: each wants to be at the mean of its neighbors."""
    x: dict[Key, float] = {}
    for layer in layers:
        x.update(zip(layer, placed([0.0] * len(layer), [widths[k] for k in layer], gap), strict=True))
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        beside = above if down else below
        for layer in layers[1:] if down else layers[-2::-1]:
            wanted = [sum(x[b] for b in beside[k]) / len(beside[k]) if beside[k] else x[k] for k in layer]
            x.update(zip(layer, placed(wanted, [widths[k] for k in layer], gap), strict=True))
    return x


def placed(wanted: Sequence[float], widths: Sequence[float], gap: float) -> list[float]:
    """The places in this order, apart by their widths and the gap, that are nearest to those wanted (least squares).

    Pools neighbors that would overlap (isotonic regression by pool adjacent violators).

    Examples
    --------
    >>> placed([0.0, 0.0, 50.0], [10.0, 10.0, 10.0], 2.0)
    [-6.0, 6.0, 50.0]
    """
    offsets, at = [], 0.0
    for k, w in enumerate(widths):
        at += (widths[k - 1] + w) / 2 + gap if k else 0.0
        offsets.append(at)
    pools: list[tuple[float, int]] = []  # the mean, and of how many
    for goal, offset in zip(wanted, offsets, strict=True):
        mean, count = goal - offset, 1
        while pools and pools[-1][0] > mean:
            before, n = pools.pop()
            mean, count = (before * n + mean * count) / (n + count), n + count
        pools.append((mean, count))
    means = [mean for mean, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _down(layers: Sequence[Sequence[Key]], sizes: Mapping[Key, tuple[float, float]], rise: float) -> tuple[list[float], float]:
    """The middle of each layer, and the height of the whole."""
    y, top = [], 0.0
    for layer in layers:
        tall = max((sizes[k][1] for k in layer if k in sizes), default=0.0)
        y.append(top + tall / 2)
        top += tall + rise
    return y, max(top - rise, 0.0)
