"""A derivation as text: the evaluation tree, the forward pass as a table, the backward pass as sums.

What comes in: a `Derivation`. What goes out: lines that are aligned in any font of one width. The one idea: a pass is a table,
one row a node; large programs are folded (`views/fold.py`), and each section says what it left out.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence

from wengert.views.derivation import Contribution, Derivation, Node, is_finite
from wengert.views.fold import FEW, Item, fold
from wengert.views.numbers import short

__all__ = ["added", "adjoint_name", "formed", "local", "point", "tangent_formula", "tangent_name", "to_text", "width"]

_WIDEST = 46  # a column of formulas
_TREE = 16  # nodes of a tree that is drawn


def to_text(d: Derivation, limit: int = FEW, only: Collection[int] | None = None, opened: Iterable[int] = ()) -> str:
    """The whole derivation; the arguments are those of `fold`."""
    items = fold(d, limit, only, opened)
    parts = ["\n".join([*_head(d), *notes(d)])]
    if len(d.nodes) <= _TREE and d.outputs:
        parts.append("Evaluation tree\n" + tree(d))
    parts.append("Forward pass: values" + (" and tangents" if d.directions else "") + "\n" + _forward(d, items))
    if d.backward:
        parts.append("Backward pass: adjoints, in the order in which they form\n" + _backward(d, items))
    return "\n\n".join(parts)


def _head(d: Derivation) -> list[str]:
    lines = [d.title, f"  at {point(d)}"]
    results = ", ".join([f"{d.nodes[k].name} = {short(d.nodes[k].value)}" for k in d.outputs])
    return [*lines, f"  result: {results}"] if results else lines


def point(d: Derivation) -> str:
    """The values of the inputs, and of the data."""
    data = [n for n in d.nodes if n.kind == "data"]
    found = [", ".join([f"{n.name} = {short(n.value)}" for n in nodes]) for nodes in ([d.nodes[k] for k in d.inputs], data)]
    return f"{found[0]}; with {found[1]}" if data else found[0]


def notes(d: Derivation) -> list[str]:
    """What is to be known, and where what is not finite arose."""
    return [f"  {said}" for said in (*d.findings, *d.notes)]


# ---------------------------------------------------------------- names

def _accented(name: str, accent: str, word: str) -> str:
    return f"{name[0]}{accent}{name[1:]}" if re.fullmatch(r"[^\W\d_]\d*", name) else f"{word}({name})"


def adjoint_name(name: str) -> str:
    """``v̄2``; of a longer name ``adj(rate)``."""
    return _accented(name, "\u0304", "adj")


def tangent_name(name: str) -> str:
    """``v̇2``; of a longer name ``d(rate)``."""
    return _accented(name, "\u0307", "d")


def term(d: Derivation, c: Contribution, alone: bool = True) -> str:
    """One term of an adjoint in letters: ``v̄3 · 1 / (2 * v3)``, ``Aᵀ · v̄2``."""
    bar, word = adjoint_name(d.nodes[c.source].name), c.word
    if word in ("1", "-1"):
        return word[:-1] + bar
    if word.startswith("· "):
        return f"{bar} {word}"
    if word.endswith(" ·"):
        return f"{word} {bar}"
    if not c.is_factor:
        return f"{bar}, {word}" if alone else f"({bar}, {word})"
    return f"-{bar} · {word[1:]}" if word.startswith("-") else f"{bar} · {word}"


def formed(d: Derivation, node: Node) -> str:
    """The sum that formed an adjoint, in letters."""
    alone = len(node.contributions) == 1 and node.seed is None
    terms = [] if node.seed is None else ["1" if short(node.seed) == "1" else "the cotangent"]
    return " + ".join([*terms, *[term(d, c, alone) for c in node.contributions]]).replace("+ -", "- ")


def added(node: Node) -> str:
    """The sum that formed an adjoint, in numbers."""
    numbers = [] if node.seed is None else [short(node.seed)]
    numbers += [short(c.amount) + (" (not chosen)" if _is_hidden(c) else "") for c in node.contributions]
    return " + ".join(numbers).replace("+ -", "- ") if len(numbers) > 1 else "" if not _hidden(node) else numbers[0]


def _is_hidden(c: Contribution) -> bool:
    """Whether a choice kept an infinite factor out."""
    return c.partial is not None and not is_finite(c.partial) and is_finite(c.amount)


def _hidden(node: Node) -> bool:
    return any(_is_hidden(c) for c in node.contributions)


def tangent_formula(d: Derivation, node: Node, into: dict[int, list[tuple[int, str]]]) -> str:
    """``v̇2 = w2 · v̇1 + v1 · ẇ2`` without its left side; "" if it is no sum of products.

    `into` holds for each node its operands with the local derivatives (see `local`).
    """
    terms = []
    for operand, word in into.get(node.id, []):
        dot = tangent_name(d.nodes[operand].name)
        terms.append(word[:-1] + dot if word in ("1", "-1") else f"{word} · {dot}")
    return " + ".join(terms).replace("+ -", "- ")


def places(d: Derivation, item: Item) -> str:
    """The calls, loops and turns around an item: ``loop at file.py:12, 4 turns, turn 0 of 4``."""
    found: list[str] = []
    at = item.node.group if item.node is not None else item.group.parent if item.group is not None else None
    while at is not None:
        group = d.groups[at]
        if group.kind != "line":
            found.insert(0, group.label)
        at = group.parent
    return ", ".join(found)


def local(d: Derivation) -> dict[int, list[tuple[int, str]]]:
    """For each node its operands, each with the local partial derivative in letters; absent if one has no such form."""
    found: dict[int, list[tuple[int, str]]] = {}
    for n in d.nodes:
        for c in n.contributions:
            if c.is_factor:
                found.setdefault(c.source, []).append((n.id, c.word))
    return {k: v for k, v in found.items() if len(v) >= sum(d.nodes[o].adjoint is not None for o in d.nodes[k].operands)}


# ---------------------------------------------------------------- sections

def tree(d: Derivation) -> str:
    """The evaluation tree; what is used again is named."""
    lines: list[str] = []
    seen: set[int] = set()
    stack: list[tuple[int, str, str]] = [(k, "", "") for k in reversed(d.outputs)]
    while stack:
        k, before, under = stack.pop()
        node = d.nodes[k]
        again = k in seen and bool(node.operands)
        seen.add(k)
        said = node.name if node.kind != "operation" else f"{node.name} = {node.text}"
        lines.append(before + said + ("  (above)" if again else ""))
        if again:
            continue
        for j, o in enumerate(reversed(node.operands)):
            stack.append((o, under + ("├── " if j else "└── "), under + ("│   " if j else "    ")))
    return "\n".join(lines)


def _forward(d: Derivation, items: Sequence[Item]) -> str:
    edges, rows, before, place = local(d), list[list[str]](), None, ""
    for item in items:
        node = item.out
        if (here := places(d, item)) != place:
            rows.append(["", f"[{here}]" if here else "[outside it]", *[""] * (3 + len(node.tangents))])
            place = here
        line = "" if node.line == before else _line(d, node)
        before = node.line
        tangents = [short(t) for t in node.tangents]
        if item.node is None:
            rows.append(["…", item.label, short(node.value), "", *tangents, line])
            continue
        formula = node.text if node.kind == "operation" else ""
        rows.append([node.name, formula, short(node.value), tangent_formula(d, node, edges), *tangents, line])
    head = ["", "formula", "value", "tangent", *[f"d/d({name})" if " " not in name else name for name in d.directions], "line"]
    return _table(head, rows)


def _line(d: Derivation, node: Node) -> str:
    if node.line is None:
        return ""
    return f"{os.path.basename(node.line)}  {d.source.get(node.line, '')}".rstrip()


def _backward(d: Derivation, items: Sequence[Item]) -> str:
    place = {k: n for n, k in enumerate(d.backward)}
    shown = [i for i in items if any(k in place for k in i.nodes)]
    rows, before = [], ""
    for item in sorted(shown, key=lambda i: min(place[k] for k in i.nodes if k in place)):
        if (here := places(d, item)) != before:
            rows.append(["", f"[{here}]" if here else "[outside it]", "", ""])
            before = here
        if item.node is None:
            first = d.nodes[max((k for k in item.nodes if k in place), key=place.__getitem__)]
            rows.append(["…", item.label, "", short(first.adjoint)])
            continue
        rows.append([adjoint_name(item.node.name), formed(d, item.node), added(item.node), short(item.node.adjoint)])
    return _table(["", "sum", "in numbers", "adjoint"], rows)


# ---------------------------------------------------------------- tables

def width(said: str) -> int:
    """How many columns a text takes: combining marks take none."""
    return sum(not unicodedata.combining(c) for c in said)


def _cut(said: str, most: int) -> str:
    return said if width(said) <= most else said[:most - 1] + "…"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns that are empty are left out; the last one is not cut."""
    columns = [k for k in range(len(head)) if any(row[k] for row in rows)]
    cells = [[_cut(row[k], _WIDEST) if k != columns[-1] else row[k] for k in columns] for row in rows]
    names = [head[k] for k in columns]
    widths = [max(width(c) for c in column) for column in zip(names, *cells, strict=True)]
    lines = ["  ".join([c + " " * (w - width(c)) for c, w in zip(row, widths, strict=True)]).rstrip()
             for row in (names, *cells)]
    rule = "─" * sum([*widths, 2 * len(widths) - 2])
    return "\n".join(["  " + line for line in (lines[0], rule, *lines[1:])])
