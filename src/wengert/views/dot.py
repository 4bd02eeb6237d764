"""A derivation as a graph in DOT, the language of Graphviz.

What comes in: a `Derivation`. What goes out: a `digraph`; groups that are opened are clusters. The one idea: the same items as
in the drawing of our own, with the layout left to Graphviz.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from wengert.views.derivation import Derivation
from wengert.views.fold import Item, fold
from wengert.views.svg import clean, edges_of, lines_of

__all__ = ["to_dot"]

_FILL = {"input": "#e3f0e6", "output": "#fdeedb", "folded": "#ece6f6", "operation": "#f2f5fa",
         "data": "#ffffff"}


def to_dot(d: Derivation, limit: int = 40, only: Collection[int] | None = None, opened: Iterable[int] = ()) -> str:
    """A `digraph`; the arguments are those of `fold`."""
    items = fold(d, limit, only, opened)
    out = [f"digraph {_quoted(d.title)} {{", '  node [shape=box, style="rounded,filled", fontname="monospace", fontsize=11];',
           '  edge [fontname="monospace", fontsize=10];']
    inside: dict[int | None, list[Item]] = {}
    for i in items:
        group = i.out.group if i.node is not None else i.group.parent if i.group is not None else None
        inside.setdefault(group, []).append(i)
    out += _cluster(d, None, inside, _busy(d, inside), "  ")
    for (a, b), label in edges_of(d, items).items():
        out.append(f"  {a} -> {b}" + (f" [label={_quoted(label)}];" if label else ";"))
    return "\n".join([*out, "}"]) + "\n"


def _busy(d: Derivation, inside: dict[int | None, list[Item]]) -> set[int]:
    """The groups that hold a shown item, and those around them."""
    found: set[int] = set()
    for g in inside:
        while g is not None and g not in found:
            found.add(g)
            g = d.groups[g].parent
    return found


def _cluster(d: Derivation, group: int | None, inside: dict[int | None, list[Item]], busy: set[int], indent: str) -> list[str]:
    out = [f"{indent}{i.key} [label={_label(d, i)}, fillcolor={_quoted(_FILL[_kind(d, i)])}];" for i in inside.get(group, [])]
    for g in d.inner_groups(group):
        if g.id not in busy:
            continue
        out += [f"{indent}subgraph cluster_{g.id} {{", f"{indent}  label={_quoted(g.label)};",
                *_cluster(d, g.id, inside, busy, indent + "  "), f"{indent}}}"]
    return out


def _kind(d: Derivation, i: Item) -> str:
    return "folded" if i.node is None else "output" if i.node.id in d.outputs else i.node.kind


def _label(d: Derivation, i: Item) -> str:
    return _quoted("\n".join([said for _, said in lines_of(d, i)]))


def _quoted(said: str) -> str:
    return '"' + clean(said).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
