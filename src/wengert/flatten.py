"""Trees of arrays, flattened once at the API.

What comes in: a tuple, list, dict, named tuple or dataclass of arrays, nested at will. What goes out: its leaves and
a `Spec` that puts them back. The one idea: one leaf alone takes no detour; everything else is `optree`'s.
"""

from __future__ import annotations

import atexit
import dataclasses
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.frontends.watch import made

__all__ = ["Spec", "flatten", "is_array", "leaf_names", "tree_flatten"]

_NAMESPACE = "wengert"  # dicts are equal trees in any order of their keys
_ORDERED = "wengert.ordered"  # here they are not: a function may go through them in turn
_MODES: list[Any] = []
_PLAIN = (tuple, list, dict)


class Spec:
    """How to put leaves back into a tree; None stands for a tree that is one leaf."""

    __slots__ = ("tree",)

    def __init__(self, tree: Any):
        self.tree = tree

    def unflatten(self, leaves: Sequence[Any]) -> Any:
        return leaves[0] if self.tree is None else made(self.tree.unflatten(leaves))

    def place(self, k: int) -> str:
        """How the k-th leaf is reached, ``['weights'][0]``; "" for a tree that is one leaf."""
        return "" if self.tree is None else str(self.tree.accessors()[k].codify(""))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and bool(self.tree == other.tree)

    def __hash__(self) -> int:
        return hash(self.tree)

    def __repr__(self) -> str:
        return "*" if self.tree is None else str(self.tree).removeprefix("PyTreeSpec(").partition(", NoneIsLeaf")[0]


_LEAF = Spec(None)


def flatten(tree: Any, *, ordered: bool = False) -> tuple[list[Any], Spec]:
    """Leaves and spec of a tree; None, strings and the like are leaves. In `ordered` specs the order of keys counts."""
    if not isinstance(tree, _PLAIN) and not _is_dataclass(tree):
        return [tree], _LEAF
    import optree
    if ordered and not _MODES:
        _MODES.append(optree.dict_insertion_ordered(True, namespace=_ORDERED))
        _MODES[0].__enter__()  # to the end of the process
        atexit.register(_MODES[0].__exit__, None, None, None)
    while True:
        leaves, spec = optree.tree_flatten(tree, none_is_leaf=True, namespace=_ORDERED if ordered else _NAMESPACE)
        unknown = {type(leaf) for leaf in leaves if _is_dataclass(leaf)}
        if not unknown:
            return leaves, Spec(spec)
        for kind in unknown:
            _register(kind)


def tree_flatten(tree: Any) -> tuple[list[Any], Any]:
    """Leaves and `optree`'s spec of a tree like one that `flatten` has seen, ordered: it is quicker."""
    import optree
    return optree.tree_flatten(tree, none_is_leaf=True, namespace=_ORDERED)


def leaf_names(spec: Spec, name: str) -> list[str]:
    """What the leaves of a tree are called, if the tree is called `name`: ``name['a'][0]``."""
    return [name] if spec.tree is None else [a.codify(name) for a in spec.tree.accessors()]


def _is_dataclass(x: Any) -> bool:
    return dataclasses.is_dataclass(x) and not isinstance(x, type)


def _register(kind: type) -> None:
    """A dataclass becomes a node, with its fields as children, on first sight."""
    import optree
    names = tuple(f.name for f in dataclasses.fields(kind))

    fields = operator.attrgetter(*names) if len(names) > 1 else lambda node: tuple([getattr(node, n) for n in names])

    def take(node: Any) -> Any:
        return fields(node), None, names

    def put(_: Any, children: Any) -> Any:
        new: Any = object.__new__(kind)
        for n, child in zip(names, children, strict=True):
            object.__setattr__(new, n, child)
        return new
    for namespace in (_NAMESPACE, _ORDERED):
        optree.register_pytree_node(kind, take, put, namespace=namespace)


def is_array(x: Any) -> bool:
    """Whether a leaf is an array or a number."""
    return isinstance(x, (np.ndarray, np.generic, bool, int, float, complex))
