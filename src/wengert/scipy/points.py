"""Starting points: vectors, as SciPy has them, or trees.

What comes in: x0 as a user writes it. What goes out: the vector that SciPy moves, and how to make of it what the user's
function takes. The one idea: what SciPy itself would take (a number, a list of numbers, a vector) stays as it is; a tree, or an
array of two axes and more, is one vector to SciPy and a tree to the function. Of a tree that holds floats, they alone move:
integers, functions, text and what is below `Frozen` belong to the structure.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ConversionError, InputError, kind_of
from wengert.flatten import Vectors, flatten, trainable
from wengert.structured import is_traced, is_tracing, user_line

__all__ = ["Layout", "refuse_traced"]


_BY_NAME = {
    "minimize": "scipy.optimize.minimize or wg.implicit.minimize", "root": "scipy.optimize.root or wg.implicit.root",
    "least_squares": "scipy.optimize.least_squares or wg.implicit.least_squares", "curve_fit": "scipy.optimize.curve_fit",
    "solve_ivp": "scipy.integrate.solve_ivp"}


def refuse_traced(name: str, *values: Any) -> None:
    """A solver inside a program that is differentiated or staged: what it is given, and what its function gives, is plain."""
    if is_tracing() and any(map(is_traced, flatten(values)[0])):
        raise ConversionError(
            f"wg.scipy.{name}: a traced value reaches SciPy's solver (by x0, by args, or captured by the function) at "
            f"{user_line()}, and the derivative would be lost in its iterations. Inside a differentiated function call "
            f"{_BY_NAME.get(name, 'SciPy by its own name, or wg.implicit')}: the solution has a derivative there")


class Layout:
    """How x0 is one vector.

    Attributes
    ----------
    start : ndarray or None
        x0 as SciPy takes it; None if there was none.
    tree : Vectors or None
        How a vector becomes a tree; None if the function takes vectors.
    """

    def __init__(self, name: str, x0: Any):
        self.start: Any = None
        self.tree: Vectors | None = None
        if x0 is None:
            return
        refuse_traced(name, x0)
        if _is_tree(x0):
            leaves, spec = flatten(x0)
            moving = trainable(x0)
            moving = moving if any(moving) else [True] * len(leaves)  # SciPy takes integers for floats, too
            tree = spec.unflatten([_floats(leaf, f"{name}: x0{spec.place(k)}") if moves else leaf
                                   for k, (leaf, moves) in enumerate(zip(leaves, moving, strict=True))])
            self.tree = Vectors(name, tree, moving)
            self.start = self.tree.pack(tree).astype(float)
            return
        array = _floats(x0, f"{name}: x0")
        if array.ndim > 1:
            self.tree, array = Vectors(name, array), np.ravel(array)
        self.start = np.atleast_1d(array)

    def __repr__(self) -> str:
        """What tells one layout from another: functions of trees are kept by it."""
        if self.tree is None:
            return "vector"
        return f"{self.tree.spec!r} {self.tree.places} {self.tree.shapes!r} {[_identity(x) for x in self.tree.held]}"

    def unpack(self, x: Any) -> Any:
        """What the function takes."""
        return x if self.tree is None else self.tree.unpack(x)

    def pack(self, name: str, x: Any) -> Any:
        """A tree of the structure and shapes of x0 as a vector; a vector as it is."""
        if self.tree is None or (isinstance(x, np.ndarray) and x.shape == (self.tree.size,)):
            return x
        spec, wanted = flatten(x)[1], [shape for shape, _ in self.tree.shapes]
        shapes = [np.shape(leaf) for leaf in self.tree.leaves(x)] if spec == self.tree.spec else []
        if shapes != wanted:
            raise InputError(f"{name}: a tree has structure {spec!r} with shapes {[np.shape(leaf) for leaf in flatten(x)[0]]}, "
                             f"x0 has {self.tree.spec!r} with {wanted}")
        return self.tree.pack(x).astype(float)

    def bounds(self, name: str, bounds: Any) -> Any:
        """Bounds as SciPy takes them: of a tree, a pair of numbers or trees like x0 becomes a pair of vectors."""
        if self.tree is None or not (isinstance(bounds, tuple) and len(bounds) == 2):
            return bounds
        from scipy.optimize import Bounds
        lower, upper = [np.full(self.tree.size, b, float) if np.isscalar(b) else self.pack(name, b) for b in bounds]
        return Bounds(lower, upper)

    def result(self, found: Any) -> Any:
        """SciPy's result with its point, and its gradient if it is one, in the structure of x0."""
        if self.tree is not None:
            for key, put in (("x", self.tree.unpack), ("jac", self.tree.unpack_gradient)):
                if np.shape(found.get(key)) == (self.tree.size,):
                    found[key] = put(np.asarray(found[key]))
        return found

    def callback(self, f: Callable[..., Any] | None) -> Callable[..., Any] | None:
        """The user's callback, with trees; SciPy tells by the name of its parameter what it wants."""
        if self.tree is None or f is None:
            return f
        if set(inspect.signature(f).parameters) == {"intermediate_result"}:
            def of_result(*, intermediate_result: Any) -> Any:
                return f(intermediate_result=self.result(type(intermediate_result)(intermediate_result)))
            return of_result
        return lambda x, *rest: f(self.unpack(x), *rest)


def _identity(x: Any) -> str:
    """What tells a leaf that is held as it is from another."""
    if isinstance(x, np.ndarray) and x.dtype != object:
        return f"{x.dtype} {x.shape} {hashlib.sha256(x.tobytes()).hexdigest()}"
    return repr(x) if isinstance(x, (bool, int, float, complex, str, np.generic, type(None))) else f"{x!r} {id(x)}"


def _is_tree(x0: Any) -> bool:
    if isinstance(x0, (list, tuple)):
        return hasattr(x0, "_fields") or any(np.ndim(x) > 0 if isinstance(x, np.ndarray) else _is_container(x) for x in x0)
    return _is_container(x0)


def _is_container(x: Any) -> bool:
    return isinstance(x, (dict, list, tuple)) or (dataclasses.is_dataclass(x) and not isinstance(x, type))


def _floats(x: Any, where: str) -> Any:
    """Real numbers as floats; SciPy takes integers for them, too."""
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise InputError(f"{where} is {kind_of(x)} of unequal rows; a point is a number, a vector or a tree") from error
    if array.dtype.kind not in "fiub":
        kind = "Python objects" if array.dtype == object else array.dtype
        what = f"an array of {kind}" if isinstance(x, np.ndarray) else kind_of(x)
        remedy = "; SciPy's solvers are for real numbers: take real and imaginary part" if array.dtype.kind == "c" else ""
        raise InputError(f"{where} is {what}, not real numbers{remedy}")
    return array if array.dtype in (np.float64, np.float32) else array.astype(float)
