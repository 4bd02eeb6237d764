"""A derivation as a picture: the graph in layers, values and adjoints in the nodes, local partial derivatives on the edges.

What comes in: a `Derivation`. What goes out: an SVG document that needs nothing else, light or dark as the reader's screen is.
The one idea: what is drawn are the items of `views/fold.py`, so that a large program is a small picture.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from wengert.views.derivation import Contribution, Derivation
from wengert.views.fold import Item, fold
from wengert.views.layout import Layout, layered
from wengert.views.numbers import short
from wengert.views.text import adjoint_name, width

__all__ = ["STYLE", "clean", "edges_of", "lines_of", "to_svg"]

Point = tuple[float, float]
_LETTER, _LINE, _PAD, _MARGIN = 7.3, 17.0, 9.0, 14.0
_WIDEST = 34  # letters of a label
_WORDS = 12  # letters of words on an edge
_SMALL_LETTER, _LABEL = 6.8, 13.0  # a letter on an edge, and the height of such a label
_ALONG = (0.55, 0.45, 0.65, 0.35, 0.75, 0.25, 0.85)  # where on the last part of an edge its label is tried
_RISES = (46.0, 64.0, 90.0, 130.0)  # room between layers; more, the more labels have to pass each other

STYLE = """
  .wg { --ink: #1c2430; --paper: #ffffff; --node: #f2f5fa; --rim: #8a97ab; --in: #e3f0e6; --out: #fdeedb; --fold: #ece6f6;
        --value: #1f5fae; --back: #b3261e; --faint: #566274; font: 12px ui-monospace, Menlo, Consolas, monospace; }
  @media (prefers-color-scheme: dark) {
    .wg { --ink: #e8ecf2; --paper: #14181f; --node: #222a36; --rim: #67758a; --in: #1d3526; --out: #40301a; --fold: #30274a;
          --value: #8ab8ff; --back: #ff9d94; --faint: #a3afc0; } }
  .wg rect { fill: var(--node); stroke: var(--rim); }
  .wg .input rect { fill: var(--in); } .wg .output rect { fill: var(--out); }
  .wg .folded rect { fill: var(--fold); stroke-dasharray: 5 3; } .wg text { fill: var(--ink); text-anchor: middle; }
  .wg .value { fill: var(--value); } .wg .adjoint { fill: var(--back); } .wg path { fill: none; stroke: var(--rim); }
  .wg .tip { fill: var(--rim); stroke: none; }
  .wg .partial { fill: var(--faint); font-size: 11px; paint-order: stroke; stroke: var(--paper); stroke-width: 5px; }
"""


class _Place(NamedTuple):
    """A box: its center, and half its width and height."""

    x: float
    y: float
    half: float
    tall: float

    def covers(self, other: _Place) -> float:
        """The area that both share."""
        across = self.half + other.half - abs(self.x - other.x)
        down = self.tall + other.tall - abs(self.y - other.y)
        return max(across, 0.0) * max(down, 0.0)


def clean(said: str) -> str:
    """Text for XML: without characters that it forbids."""
    return "".join([c if c in "\t\n" or (c.isprintable() and not "\ud800" <= c <= "\udfff") else "\ufffd" for c in said])


def to_svg(d: Derivation, limit: int = 40, only: Collection[int] | None = None, opened: Iterable[int] = ()) -> str:
    """An SVG document; the arguments are those of `fold`."""
    items = fold(d, limit, only, opened)
    edges = edges_of(d, items)
    labels = {i.key: lines_of(d, i) for i in items}
    sizes = {key: _size(lines) for key, lines in labels.items()}
    layout, paths, places = _arranged(sizes, edges)
    parts = [_edge(path) for path in paths]
    parts += [_node(d, i, labels[i.key], layout.centers[i.key], sizes[i.key]) for i in items]
    parts += [_label(place, said) for place, said in zip(places, edges.values(), strict=True) if place is not None]
    left = min([0.0, *(p.x - p.half for p in places if p is not None)])
    right = max([layout.width, *(p.x + p.half for p in places if p is not None)])
    w, h = right - left + 2 * _MARGIN, layout.height + 2 * _MARGIN
    body = "\n".join(parts)
    box = f'viewBox="0 0 {w:.0f} {h:.0f}" width="{w:.0f}" height="{h:.0f}"'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" class="wg" {box} role="img" '
            f'aria-label={quoteattr(clean(d.title))}>\n<style>{STYLE}</style>\n'
            f'<g transform="translate({_MARGIN - left:.1f} {_MARGIN:.0f})">\n{body}\n</g>\n</svg>\n')


# ---------------------------------------------------------------- what is drawn

def edges_of(d: Derivation, items: Sequence[Item]) -> dict[tuple[str, str], str]:
    """Edges between items, each with the local partial derivative where both ends are single nodes."""
    home = {k: i for i in items for k in i.nodes}
    words = {(n.id, c.source): c for n in d.nodes for c in n.contributions if n.id in home and home[n.id].node is not None}
    found: dict[tuple[str, str], str] = {}
    for k, item in sorted(home.items()):
        for o in d.nodes[k].operands:
            if o not in home or home[o] is item:
                continue
            c = words.get((o, k)) if item.node is not None else None
            found.setdefault((home[o].key, item.key), "" if c is None else _partial(c))
    return found


def _partial(c: Contribution) -> str:
    """``w2 = 3``: a local partial derivative in letters and as a number; no words that would cover the picture."""
    if not c.is_factor and len(c.word) > _WORDS:
        return ""
    number = short(c.partial) if c.is_factor and c.partial is not None and np.ndim(c.partial) == 0 else c.word
    return c.word if number == c.word else f"{c.word} = {number}"


def lines_of(d: Derivation, item: Item) -> list[tuple[str, str]]:
    """The lines of a node: class and text."""
    node = item.out
    if item.node is None:
        last = [("value", f"{node.name} = {short(node.value)}")]
        return [("", _cut(item.title)), ("", item.size), *last]
    said = node.name if node.kind != "operation" else f"{node.name} = {node.text}"
    lines = [("", _cut(said)), ("value", _cut(short(node.value)))]
    if node.adjoint is not None:
        lines.append(("adjoint", _cut(f"{adjoint_name(node.name)} = {short(node.adjoint)}")))
    return lines


def _cut(said: str) -> str:
    said = clean(said)
    return said if width(said) <= _WIDEST else said[:_WIDEST - 1] + "…"


def _size(lines: Sequence[tuple[str, str]]) -> Point:
    return max(width(said) for _, said in lines) * _LETTER + 2 * _PAD, len(lines) * _LINE + _PAD


# ---------------------------------------------------------------- drawing

def _node(d: Derivation, item: Item, lines: Sequence[tuple[str, str]], center: Point, size: Point) -> str:
    (x, y), (w, h) = center, size
    node = item.out
    kind = "folded" if item.node is None else "output" if node.id in d.outputs else node.kind
    line = f"\n{node.line.rpartition('/')[2]}  {d.source.get(node.line, '')}" if node.line else ""
    tip = item.label if item.node is None else f"{node.name} = {node.text}{line}"
    rows = []
    for k, (css, said) in enumerate(lines):
        mark = f' class="{css}"' if css else ""
        rows.append(f'<text x="{x:.1f}" y="{y - h / 2 + _LINE * (k + 1):.1f}"{mark}>{escape(said)}</text>')
    return (f'<g id="{item.key}" class="{kind}"><title>{escape(clean(tip))}</title>'
            f'<rect x="{x - w / 2:.1f}" y="{y - h / 2:.1f}" width="{w:.1f}" height="{h:.1f}" rx="6"/>{"".join(rows)}</g>')


def _trimmed(layout: Layout, sizes: Mapping[str, Point], ends: tuple[str, str], path: Sequence[Point]) -> list[Point]:
    """A path from the lower rim of its start to the upper rim of its end."""
    (x, y), (u, v) = path[0], path[-1]
    return [(x, y + sizes[ends[0]][1] / 2), *path[1:-1], (u, v - sizes[ends[1]][1] / 2)]


def _edge(path: Sequence[Point]) -> str:
    """A smooth line through the points, with a tip."""
    x, y = path[0]
    drawn = [f"M{x:.1f} {y:.1f}"]
    for u, v in path[1:]:
        middle = (y + v) / 2
        drawn.append(f"C{x:.1f} {middle:.1f} {u:.1f} {middle:.1f} {u:.1f} {v:.1f}")
        x, y = u, v
    return (f'<path d="{"".join(drawn)}"/><path class="tip" d="M{x:.1f} {y:.1f}l-3.5 -7h7z"/>')


def _arranged(sizes: Mapping[str, Point], edges: Mapping[tuple[str, str], str]
              ) -> tuple[Layout, list[list[Point]], list[_Place | None]]:
    """The layout, trimmed paths, and places of labels; layers move apart until no label covers another or a node."""
    for rise in _RISES:
        layout = layered(sizes, list(edges), rise=rise)
        paths = [_trimmed(layout, sizes, ends, path) for ends, path in zip(edges, layout.paths, strict=True)]
        nodes = [_Place(*layout.centers[key], w / 2, h / 2) for key, (w, h) in sizes.items()]
        placed, covered = _placed(paths, list(edges.values()), nodes)
        if not covered:
            break
    return layout, paths, placed


def _placed(paths: Sequence[Sequence[Point]], labels: Sequence[str], nodes: Sequence[_Place]
            ) -> tuple[list[_Place | None], float]:
    """A place for each label near the end of its edge, where edges into one node are apart; and how much they cover."""
    taken, covered = list(nodes), 0.0
    places: list[_Place | None] = []
    for path, label in zip(paths, labels, strict=True):
        if not label:
            places.append(None)
            continue
        (x, y), (u, v) = path[-2:]
        half = width(_cut(label)) * _SMALL_LETTER / 2
        tried = [_Place(x + (u - x) * t * t * (3 - 2 * t), y + (v - y) * t, half, _LABEL / 2) for t in _ALONG]
        costs = [sum(place.covers(other) for other in taken) for place in tried]
        best = min(range(len(tried)), key=costs.__getitem__)
        covered += costs[best]
        places.append(tried[best])
        taken.append(tried[best])
    return places, covered


def _label(place: _Place, said: str) -> str:
    return f'<text class="partial" x="{place.x:.1f}" y="{place.y + 4:.1f}">{escape(_cut(said))}</text>'
