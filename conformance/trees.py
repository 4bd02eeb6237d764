"""Trees of numbers as flat lists: arrays, numbers, and tuples, lists, dicts and dataclasses of them.

What comes in: an argument of a case, or a gradient with its structure. What goes out: a flat list of numbers, and the way back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


def leaves(tree: Any) -> Iterator[Any]:
    """The arrays and numbers of a tree, dicts in the order of their sorted keys."""
    if dataclasses.is_dataclass(tree):
        for part in dataclasses.fields(tree):
            yield from leaves(getattr(tree, part.name))
    elif isinstance(tree, dict):
        for key in sorted(tree):
            yield from leaves(tree[key])
    elif isinstance(tree, (tuple, list)):
        for part in tree:
            yield from leaves(part)
    else:
        yield tree


def map_leaves(change: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with every leaf changed, in the order of `leaves`."""
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        changed = {part.name: map_leaves(change, getattr(tree, part.name)) for part in dataclasses.fields(tree)}
        return dataclasses.replace(tree, **changed)
    if isinstance(tree, dict):
        changed = {key: map_leaves(change, tree[key]) for key in sorted(tree)}
        return {key: changed[key] for key in tree}
    if isinstance(tree, (tuple, list)):
        parts = [map_leaves(change, part) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return change(tree)


def flat(tree: Any) -> np.ndarray:
    """All numbers of a tree in one vector."""
    parts = [np.asarray(leaf).ravel() for leaf in leaves(tree)]
    return np.concatenate(parts) if parts else np.zeros(0)


def direction(tree: Any) -> Any:
    """A fixed direction with the structure of a tree: the same numbers for every library."""
    rng = np.random.default_rng(7)

    def draw(leaf: Any) -> Any:
        a = np.asarray(leaf)
        drawn = rng.uniform(0.5, 1.5, a.shape) * rng.choice([-1.0, 1.0], a.shape)
        if np.iscomplexobj(a):
            drawn = drawn + 1j * rng.uniform(0.5, 1.5, a.shape)
        if not isinstance(leaf, np.ndarray):
            return drawn.item()
        return np.asarray(drawn, dtype=a.dtype if a.dtype.kind in "fc" else float)

    return map_leaves(draw, tree)
