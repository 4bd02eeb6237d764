"""What of a large derivation is shown: groups that are folded to one item, and those that are opened.

What comes in: a `Derivation`. What goes out: `Item`s in order of evaluation, each one node or one folded group. The one idea:
groups are opened from the outside in, the first ones first, for as long as the items stay few; so ten operations are shown one
by one, and a loop of ten thousand is one line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from wengert.views.derivation import Derivation, Group, Node

__all__ = ["FEW", "Item", "fold"]

FEW = 60  # items that a reader goes through


@dataclass
class Item:
    """One node, or a group that stands for its `nodes`; `out` is the node whose value a reader cares for."""

    key: str
    node: Node | None
    group: Group | None
    nodes: list[int]
    out: Node

    @property
    def label(self) -> str:
        """What a folded group is called."""
        if self.group is None:
            return self.out.text
        return f"{self.title}: {self.size}"

    @property
    def title(self) -> str:
        """``loop at file.py:12, 50 turns``."""
        if self.group is None:
            return self.out.name
        return self.group.label + ("" if self.group.turns is None else f", {self.group.turns:,} turns")

    @property
    def size(self) -> str:
        n = len(self.nodes)
        return f"{n:,} operation{'s' * (n != 1)}"


def fold(d: Derivation, limit: int = FEW, only: Collection[int] | None = None, opened: Iterable[int] = ()) -> list[Item]:
    """The items of a derivation.

    Parameters
    ----------
    d : Derivation
    limit : int
        Groups are opened while there are at most so many items.
    only : collection of int, optional
        Ids of the nodes that are shown (inputs always are); the default is all.
    opened : iterable of int
        Ids of groups that are opened in any case, with those around them.
    """
    tree = _Tree(d, only)
    must = set(opened)
    for k in list(must):
        parent = d.groups[k].parent
        while parent is not None:
            must.add(parent)
            parent = d.groups[parent].parent
    rows: dict[int | str, int | Group] = {_key(r): r for r in tree.inside[None]}
    queue = _batches(tree.inside[None])
    while queue:
        batch = queue.pop(0)
        more = sum(len(tree.inside[g.id]) - 1 for g in batch)
        fits = not more or len(rows) + more <= limit
        found: list[int | Group] = []
        for g in batch:
            inner = tree.inside[g.id]
            if not fits and g.id not in must:
                continue
            del rows[_key(g)]
            rows.update({_key(r): r for r in inner})
            found += inner
        queue += _batches(found, len(batch) > 1)
    return [tree.item(r) for r in sorted(rows.values(), key=tree.first)]


def _key(row: int | Group) -> int | str:
    return row if isinstance(row, int) else f"g{row.id}"


def _batches(rows: list[int | Group], together: bool = False) -> list[list[Group]]:
    """What is opened together: the turns of a loop and what is in them, all or none; any other group by itself."""
    groups = [r for r in rows if isinstance(r, Group)]
    if groups and (together or all(g.kind == "turn" for g in groups)):
        return [groups]
    return [[g] for g in groups]


class _Tree:
    """What lies directly inside each group, and all nodes below it."""

    def __init__(self, d: Derivation, only: Collection[int] | None):
        self.d = d
        shown = None if only is None else {*only, *d.inputs}
        self.below: dict[int, list[int]] = {g.id: [] for g in d.groups}
        self.inside: dict[int | None, list[int | Group]] = {None: [], **{g.id: [] for g in d.groups}}
        for n in d.nodes:
            if shown is not None and n.id not in shown:
                continue
            child: int | Group = n.id
            at = n.group
            self.inside[at].append(child)
            while at is not None:
                group = d.groups[at]
                if not self.below[at]:
                    self.inside[group.parent].append(group)
                self.below[at].append(n.id)
                at = group.parent

    def first(self, row: int | Group) -> int:
        return row if isinstance(row, int) else self.below[row.id][0]

    def item(self, row: int | Group) -> Item:
        if isinstance(row, int):
            node = self.d.nodes[row]
            return Item(f"n{row}", node, None, [row], node)
        nodes = self.below[row.id]
        return Item(f"g{row.id}", None, row, nodes, self.d.nodes[nodes[-1]])
