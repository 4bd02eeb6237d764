"""Trees of arrays: a function on every array, the arrays alone, all numbers as one vector.

What comes in: tuples, lists, dicts and dataclasses of arrays: models, gradients, states. What goes out: trees of the same
structure, or a vector and the way back. The one idea: what is no number (None, text, functions) belongs to the structure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import InputError
from wengert.flatten import Vectors, flatten, is_array, is_inexact
from wengert.frontends.tracer import Tracer

__all__ = ["leaves", "map", "ravel"]


def _is_number(x: Any) -> bool:
    return isinstance(x, Tracer) or is_array(x)


def map(f: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """``f`` of every array of a tree, and of those at the same places of others.

    Parameters
    ----------
    f : callable
        Takes as many arrays or numbers as there are trees.
    tree : tree
    *rest : tree
        Of the same structure. Where one of them has None (a gradient, at an integer), the first tree's leaf stays.

    Returns
    -------
    tree
        Of the structure of the first; what is no number there (None, text, functions) stays.

    Raises
    ------
    InputError
        Another structure.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> model = {"w": np.ones(2), "n": 3}
    >>> gradient = wg.grad(lambda model: np.sum(model["w"] ** 2))(model)
    >>> wg.tree.map(lambda w, g: w - 0.1 * g, model, gradient)
    {'w': array([0.8, 0.8]), 'n': 3}
    """
    parts, spec = flatten(tree)
    others = []
    for k, other in enumerate(rest):
        found, structure = flatten(other)
        if structure != spec:
            raise InputError(f"tree.map: tree {k + 2} has the structure {structure!r}, the first {spec!r}")
        others.append(found)
    out = []
    for x, *xs in zip(parts, *others, strict=True):
        out.append(f(x, *xs) if _is_number(x) and all(y is not None for y in xs) else x)
    return spec.unflatten(out)


def leaves(tree: Any) -> list[Any]:
    """The arrays and numbers of a tree, in its order (dicts by sorted key).

    Examples
    --------
    >>> import wengert as wg
    >>> wg.tree.leaves({"b": [1.0, None], "a": 2.0})
    [2.0, 1.0]
    """
    return [x for x in flatten(tree)[0] if _is_number(x)]


def ravel(tree: Any) -> tuple[Any, Callable[[Any], Any]]:
    """All floats of a tree as one vector, and the way back.

    Parameters
    ----------
    tree : tree with leaves of real floats
        Integers and what is no number belong to the structure.

    Returns
    -------
    vector : ndarray of float, shape (n,)
        Leaf after leaf (dicts by sorted key), each in C order.
    unravel : callable
        From a vector of that length to a tree; derivatives go through it.

    Raises
    ------
    InputError
        Complex leaves, or no floats at all; for `unravel` a vector of another length.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> model = wg.nn.Sequential((wg.nn.Linear.init(wg.random.key(0), 2, 3), wg.nn.tanh))
    >>> vector, unravel = wg.tree.ravel(model)
    >>> vector.shape, unravel(0 * vector)(np.ones((1, 2)))
    ((9,), array([[0., 0., 0.]]))
    """
    moving = [is_inexact(x) for x in flatten(tree)[0]]
    if not any(moving):
        raise InputError("tree.ravel: the tree holds no float")
    vectors = Vectors("tree.ravel", tree, moving)

    def unravel(vector: Any) -> Any:
        if np.shape(vector) != (vectors.size,):
            raise InputError(f"unravel: the vector has shape {np.shape(vector)}, the tree {vectors.size} floats")
        return vectors.unpack(vector)
    return vectors.pack(tree), unravel
