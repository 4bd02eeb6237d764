"""A derivation as a picture: the graph in layers, values and adjoints in the nodes, local partial derivatives on the edges.

What comes in: a `Derivation`. What goes out: an SVG document that needs nothing else, light or dark as the reader's screen is.
The one idea: what is drawn are the items of `views/fold.py`, so that a large program is a small picture.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
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


def clean(said: str) -> str:
    """Text for XML: without characters that it forbids."""
    return "".join([c if c in "\t\n" or (c.isprintable() and not "\ud800" <= c <= "\udfff") else "\ufffd" for c in said])


def to_svg(d: Derivation, limit: int = 40, only: Collection[int] | None = None, opened: Iterable[int] = ()) -> str:
    """An SVG document; the arguments are those of `fold`."""
    items = fold(d, limit, only, opened)
    edges = edges_of(d, items)
    labels = {i.key: lines_of(d, i) for i in items}
    sizes = {key: _size(lines) for key, lines in labels.items()}
    layout = layered(sizes, list(edges))
    paths = [_trimmed(layout, sizes, ends, path) for ends, path in zip(edges, layout.paths, strict=True)]
    parts = [_edge(path) for path in paths]
    parts += [_node(d, i, labels[i.key], layout.centers[i.key], sizes[i.key]) for i in items]
    taken: list[tuple[float, float, float]] = []
    parts += [_label(path, label, taken) for path, label in zip(paths, edges.values(), strict=True) if label]
    w, h = layout.width + 2 * _MARGIN, layout.height + 2 * _MARGIN
    body = "\n".join(parts)
    box = f'viewBox="0 0 {w:.0f} {h:.0f}" width="{w:.0f}" height="{h:.0f}"'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" class="wg" {box} role="img" '
            f'aria-label={quoteattr(clean(d.title))}>\n<style>{STYLE}</style>\n'
            f'<g transform="translate({_MARGIN:.0f} {_MARGIN:.0f})">\n{body}\n</g>\n</svg>\n')


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


def _label(path: Sequence[Point], label: str, taken: list[tuple[float, float, float]]) -> str:
    """A label near the end of its edge, where edges into one node are apart; moved along until it covers no other."""
    (x, y), (u, v) = path[-2:]
    half = width(label) * _LETTER / 2
    for t in (0.55, 0.4, 0.7, 0.25):
        s = t * t * (3 - 2 * t)
        at = (x + (u - x) * s, y + (v - y) * t)
        if all(abs(at[1] - b) > 12 or abs(at[0] - a) > half + c for a, b, c in taken):
            break
    taken.append((*at, half))
    return f'<text class="partial" x="{at[0]:.1f}" y="{at[1] + 4:.1f}">{escape(_cut(label))}</text>'
