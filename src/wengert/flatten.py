"""Trees of arrays, flattened once at the API.

What comes in: a tuple, list, dict, named tuple or dataclass of arrays, nested at will. What goes out: its leaves and
a `Spec` that puts them back. The one idea: one leaf alone takes no detour; everything else is `optree`'s.
"""

from __future__ import annotations

import atexit
import dataclasses
import math
import operator
import sys
import types
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import InputError, kind_of
from wengert.frontends.watch import made

__all__ = [
    "Frozen", "Spec", "Vectors", "flatten", "is_array", "is_fixed_function", "is_inexact", "leaf_names", "trainable",
    "tree_flatten",
]

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
    """A dataclass becomes a node, with its fields as children, on first sight; static fields belong to the spec."""
    import optree
    static = tuple([f.name for f in dataclasses.fields(kind) if f.metadata.get("static")])
    names = tuple([f.name for f in dataclasses.fields(kind) if f.name not in static])

    fields = operator.attrgetter(*names) if len(names) > 1 else lambda node: tuple([getattr(node, n) for n in names])

    def take(node: Any) -> Any:
        return fields(node), _fixed(node, static) if static else None, names

    def put(fixed: Any, children: Any) -> Any:
        new: Any = object.__new__(kind)
        for n, child in zip(names, children, strict=True):
            object.__setattr__(new, n, child)
        for n, value in zip(static, fixed[0] if static else (), strict=True):
            object.__setattr__(new, n, value)
        return new
    for namespace in (_NAMESPACE, _ORDERED):
        optree.register_pytree_node(kind, take, put, namespace=namespace)


def _fixed(node: Any, static: tuple[str, ...]) -> tuple[Any, ...]:
    """The values of static fields, which trees of one structure have in common, and what else tells them apart."""
    values = tuple([getattr(node, n) for n in static])
    try:
        hash(values)
    except TypeError:
        for name, value in zip(static, values, strict=True):
            if getattr(type(value), "__hash__", None) is None or isinstance(value, tuple):
                raise InputError(f"{type(node).__name__}.{name} is a static field, and its value, {kind_of(value)}, cannot be "
                                 "hashed; a static field holds a number, a string, a function or a tuple of such") from None
        raise
    return values, tuple([_kind(x) for x in values])


def _kind(x: Any) -> Any:
    """What equal values differ in: True is not 1, and 0.0 not -0.0."""
    if type(x) is tuple:
        return tuple([_kind(part) for part in x])
    return (float, math.copysign(1.0, x)) if type(x) is float else type(x)


@dataclasses.dataclass(frozen=True)
class Frozen:
    """A part of a tree that optimizers leave as it is: running statistics, or layers that are not to be trained.

    Derivatives go through it as through any tree; only `wg.optim`, `wg.fit` and `wg.scipy` stop there.

    Parameters
    ----------
    value : tree

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.grad(lambda p: np.sum(p["a"] * p["b"].value))({"a": np.ones(2), "b": wg.nn.Frozen(np.ones(2))})
    {'a': array([1., 1.]), 'b': Frozen(value=array([1., 1.]))}
    """

    value: Any

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What it holds, called: a frozen layer stands where a layer stands."""
        from wengert.frontends.flow import call_user
        return call_user(self.value, *args, **kwargs)


def trainable(tree: Any) -> list[bool]:
    """For each leaf of `flatten`, whether optimizers move it: floats or complex numbers that are not below `Frozen`."""
    if isinstance(tree, Frozen):
        return [False] * len(flatten(tree)[0])
    leaves, spec = flatten(tree)
    if spec.tree is None:
        return [is_inexact(leaves[0])]
    import optree
    found: list[bool] = []
    for part in optree.tree_flatten(tree, is_leaf=lambda x: isinstance(x, Frozen), none_is_leaf=True, namespace=_NAMESPACE)[0]:
        found += [False] * len(flatten(part)[0]) if isinstance(part, Frozen) else [is_inexact(part)]
    return found


def is_inexact(leaf: Any) -> bool:
    """Whether a leaf is a float or complex number, or an array of them, traced or not."""
    dtype = getattr(leaf, "dtype", None)
    return isinstance(leaf, (float, complex)) if dtype is None else getattr(dtype, "kind", "") in "fc"


def is_fixed_function(x: Any, given: Any) -> bool:
    """Whether a leaf is a function that lies in the tree `given`, or a module's own, by its name: as in models."""
    if not isinstance(x, (types.FunctionType, types.BuiltinFunctionType, np.ufunc)):
        return False
    module = sys.modules.get(getattr(x, "__module__", None) or "numpy")
    return getattr(module, x.__name__, None) is x or any(leaf is x for leaf in flatten(given)[0])


def is_array(x: Any) -> bool:
    """Whether a leaf is an array or a number."""
    return isinstance(x, (np.ndarray, np.generic, bool, int, float, complex))


class Vectors:
    """A tree of floats as one vector: its leaves in the tree's order (dicts by sorted key), each in C order, end to end.

    Parameters
    ----------
    name : str
        Who asks, for messages.
    tree : tree
    moving : sequence of bool, optional
        Which leaves are in the vector, all by default; the others belong to the structure, as they are now.
    """

    def __init__(self, name: str, tree: Any, moving: Sequence[bool] | None = None):
        leaves, self.spec = flatten(tree)
        self.places = [k for k in range(len(leaves)) if moving is None or moving[k]]
        held = set(range(len(leaves))) - set(self.places)
        self.held = [(x.copy() if isinstance(x, np.ndarray) else x) if k in held else None for k, x in enumerate(leaves)]
        self.shapes: list[tuple[tuple[int, ...], Any]] = []
        for k in self.places:
            leaf = leaves[k]
            found = np.asarray(leaf) if isinstance(leaf, (float, np.ndarray, np.generic)) else None
            if found is None or found.dtype.kind != "f":
                what = kind_of(leaf) if found is None else f"an array of {found.dtype}"
                raise InputError(f"{name}: {self.spec.place(k) or 'it'} is {what}; a leaf is a real float or an array of them")
            self.shapes.append((found.shape, found.dtype))
        self.sizes = [math.prod(shape) for shape, _ in self.shapes]
        self.size = sum(self.sizes)
        self.dtype = np.result_type(*[dtype for _, dtype in self.shapes])

    def leaves(self, tree: Any) -> list[Any]:
        """The leaves of a tree of this structure that are in the vector."""
        found = flatten(tree)[0]
        return [found[k] for k in self.places]

    def pack(self, tree: Any, lanes: tuple[int, ...] = ()) -> Any:
        """The vector of a tree of these shapes, or with leading `lanes` a row of it for each."""
        return np.concatenate([np.reshape(leaf, (*lanes, -1)) for leaf in self.leaves(tree)], axis=-1)

    def unpack(self, vector: Any) -> Any:
        """The tree of a vector, or of rows of vectors."""
        return self._put(list(self.held), vector)

    def unpack_gradient(self, vector: Any) -> Any:
        """The tree of a gradient: None at leaves that are not in the vector, as `grad` has it."""
        return self._put([None] * len(self.held), vector)

    def _put(self, leaves: list[Any], vector: Any) -> Any:
        start = 0
        for k, (shape, dtype) in zip(self.places, self.shapes, strict=True):
            size = math.prod(shape)
            part = vector[..., start:start + size] if shape or vector.ndim > 1 else vector[start]
            leaves[k] = (np.reshape(part, (*vector.shape[:-1], *shape)) if np.ndim(part) else part).astype(dtype)
            start += size
        return self.spec.unflatten(leaves)
