"""A derivation as a page: one file that needs no network, for the browser and the notebook.

What comes in: a `Derivation`. What goes out: HTML with the picture, both passes as tables, and a script that steps through
them, folds groups, searches, and shows what lies on the way of an input. The one idea: the page is a fixed frame, and the
program's texts are data, which the script sets as text; so nothing in a program can become markup.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Collection, Iterable
from importlib.resources import files
from typing import Any

from wengert.views.derivation import Derivation, Node
from wengert.views.fold import FEW, fold
from wengert.views.numbers import short
from wengert.views.svg import clean, to_svg
from wengert.views.text import added, adjoint_name, formed, local, point, tangent_formula, tangent_name

__all__ = ["to_html"]

_DRAWN = 40
_LONGEST = 160  # letters of a sum


def to_html(d: Derivation, limit: int = FEW, only: Collection[int] | None = None, opened: Iterable[int] = ()) -> str:
    """The page; the arguments are those of `fold`."""
    opened = list(opened)
    data = json.dumps(_data(d, limit, only, opened), allow_nan=False).replace("<", "\\u003c")
    said = [("said", x) for x in d.findings] + [("said note", x) for x in d.notes]
    boxes = "".join([f'<p class="{css}">{_escaped(text)}</p>' for css, text in said])
    heads = "".join([f"<th>{_escaped(x if ' ' in x else f'd/d({x})')}</th>" for x in d.directions])
    parts = {
        "title": _escaped(d.title), "point": _escaped(_point(d)), "said": boxes, "heads": heads, "data": data,
        "svg": to_svg(d, min(limit, _DRAWN), only, opened),
        "style": _asset("derivation.css"), "script": _asset("derivation.js")}
    return re.sub("@([a-z]+)@", lambda m: parts[m[1]], _PAGE)


def _asset(name: str) -> str:
    return files("wengert.views").joinpath(name).read_text(encoding="utf-8")


def _escaped(said: str) -> str:
    return html.escape(clean(said))


def _point(d: Derivation) -> str:
    results = ", ".join([f"{d.nodes[k].name} = {short(d.nodes[k].value)}" for k in d.outputs])
    return f"at {point(d)}" + (f"; result: {results}" if results else "")


def _data(d: Derivation, limit: int, only: Collection[int] | None, opened: list[int]) -> dict[str, Any]:
    """What the script works with: texts, ready to be shown."""
    shown = fold(d, limit, only, opened)
    known = {g for i in shown if i.node is not None for g in _around(d, i.node.group)}
    edges = local(d)
    drawn = fold(d, min(limit, _DRAWN), only, opened)
    gradient = ", ".join([f"{adjoint_name(d.nodes[k].name)} = {short(d.nodes[k].adjoint)}" for k in d.inputs])
    return {
        "nodes": [_node(d, n, edges) for n in d.nodes], "directions": d.directions, "inputs": d.inputs, "outputs": d.outputs,
        "order": [n.id for n in d.nodes], "backward": d.backward, "opened": sorted(known),
        "drawn": {i.key: i.nodes for i in drawn},
        "closing": f"the gradient:  {gradient}" if d.backward else "",
        "groups": [{"id": g.id, "label": g.label, "parent": g.parent, "turns": g.turns,
                    "text": d.source.get(g.line or "", "") if g.kind in ("line", "loop") else ""} for g in d.groups]}


def _around(d: Derivation, group: int | None) -> list[int]:
    found = []
    while group is not None:
        found.append(group)
        group = d.groups[group].parent
    return found


def _node(d: Derivation, n: Node, edges: dict[int, list[tuple[int, str]]]) -> dict[str, Any]:
    line = f"{os.path.basename(n.line)}  {d.source.get(n.line, '')}" if n.line else ""
    return {
        "id": n.id, "name": n.name, "kind": n.kind, "operands": n.operands,
        "text": _cut(n.text) if n.kind == "operation" else "",
        "value": short(n.value), "moves": tangent_formula(d, n, edges), "dot": tangent_name(n.name), "group": n.group,
        "tangents": [short(t) for t in n.tangents], "bar": adjoint_name(n.name), "line": line,
        "formed": _cut(formed(d, n)), "added": _cut(added(n)), "adjoint": "" if n.adjoint is None else short(n.adjoint)}


def _cut(said: str) -> str:
    return said if len(said) <= _LONGEST else said[:_LONGEST - 1] + "…"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>@title@</title>
<style>
@style@</style>
</head>
<body>
<h1><code>@title@</code></h1>
<p id="point">@point@</p>
@said@
<div id="bar" role="toolbar" aria-label="steps">
<button id="first" title="to the start (Home)">|◀</button><button id="previous" title="a step back (←)">◀</button>
<button id="next" title="a step on (→)">▶</button><button id="last" title="to the end (End)">▶|</button>
<input id="step" type="range" min="0" value="0" aria-label="step"><span id="count"></span>
<input id="search" type="search" placeholder="search (/)" aria-label="search names, formulas, lines">
<select id="way" aria-label="inputs"><option value="">all operations</option></select>
<button id="fold">fold all</button>
<div id="now" aria-live="polite"></div>
</div>
<main>
<div class="wide" id="picture">@svg@</div>
<div id="tables">
<h2>Forward pass</h2>
<div class="wide"><table id="forward"><thead><tr>
<th></th><th>formula</th><th>value</th><th>tangent</th>@heads@<th class="line">line</th>
</tr></thead><tbody></tbody></table></div>
<h2>Backward pass</h2>
<div class="wide"><table id="backward"><thead><tr>
<th></th><th>sum</th><th>in numbers</th><th>adjoint</th><th class="line">line</th>
</tr></thead><tbody></tbody></table></div>
</div>
</main>
<p id="keys">← → a step, Home and End all the way, / search, Tab and Enter open a group.</p>
<script type="application/json" id="data">@data@</script>
<script>
@script@</script>
</body>
</html>
"""
