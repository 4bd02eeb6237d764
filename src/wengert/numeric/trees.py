"""Trees of arrays as one vector, for functions that can only be evaluated.

What comes in: an array, or tuples, lists, dicts and dataclasses of arrays, nested at will. What goes out: its floats as
one vector, and the way back. The one idea: a walk over Python's own containers is enough here, and needs nothing but NumPy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ravel"]

Vector = NDArray[np.float64]


def ravel(tree: Any, name: str = "ravel") -> tuple[Vector, Callable[[Vector], Any], float]:
    """The floats of a tree as a vector, and the function that puts a vector of this length back into such a tree.

    Parameters
    ----------
    tree : float, ndarray of float, or tuple, list, dict or dataclass of these and of anything else
        What is no float (an integer, text, None) takes no part and stays where it is.
    name : str
        What to call the caller in an error.

    Returns
    -------
    vector : ndarray of float64
    unravel : callable
        Gives each leaf its shape and dtype again.
    eps : float
        The rounding error of the coarsest dtype among the floats.

    Raises
    ------
    TypeError
        No float at all, or a complex number.

    Examples
    --------
    >>> import numpy as np
    >>> vector, unravel, _ = ravel({"w": np.array([1.0, 2.0]), "b": 3.0})
    >>> vector, unravel(2 * vector)
    (array([1., 2., 3.]), {'w': array([2., 4.]), 'b': np.float64(6.0)})
    """
    leaves: list[Any] = []
    _walk(tree, leaves.append)
    moving = [np.asarray(leaf) for leaf in leaves if _is_float(leaf, name)]
    if moving and not any(x.size for x in moving):
        raise ValueError(f"{name}: the argument is an empty array; pass one with elements")
    if not moving:
        what = getattr(tree, "dtype", type(tree).__name__)
        raise TypeError(f"{name}: there is no float to move in {what}; integers have no derivative; write 3.0 for 3")
    vector = np.concatenate([leaf.ravel().astype(float) for leaf in moving])

    def unravel(new: Vector) -> Any:
        start = 0

        def put(leaf: Any) -> Any:
            nonlocal start
            if not _is_float(leaf, name):
                return leaf
            like = np.asarray(leaf)
            part = new[start:start + like.size].reshape(like.shape).astype(like.dtype)
            start += like.size
            return part[()] if not isinstance(leaf, np.ndarray) else part
        return _walk(tree, put)
    return vector, unravel, max(float(np.finfo(leaf.dtype).eps) for leaf in moving)


def _is_float(leaf: Any, name: str) -> bool:
    kind = leaf.dtype.kind if isinstance(leaf, (np.ndarray, np.generic)) else type(leaf)
    if kind in ("c", complex):
        raise TypeError(f"{name}: a complex argument; write the function in its real and imaginary parts")
    return kind in ("f", float)


def _walk(node: Any, put: Callable[[Any], Any]) -> Any:
    """The tree with each leaf put in its place, in order."""
    if isinstance(node, dict):
        return {key: _walk(value, put) for key, value in node.items()}
    if isinstance(node, (tuple, list)):
        parts: Iterator[Any] = (_walk(value, put) for value in node)
        return type(node)(*parts) if hasattr(node, "_fields") else type(node)(parts)
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        fields = dataclasses.fields(node)
        new = object.__new__(type(node))
        for field in fields:
            object.__setattr__(new, field.name, _walk(getattr(node, field.name), put))
        return new
    return put(node)
