"""The user's function as a compiled function of vectors.

What comes in: a function, and how its point is laid out. What goes out: the same under `jit`, of vectors to a number or a
vector. The one idea: what was compiled stays with the function object, so that a second call to a solver begins at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.api import hessian, jacobian, value_and_grad
from wengert.errors import InputError, SparsityError, kind_of
from wengert.flatten import flatten
from wengert.second_order import hvp
from wengert.staging import jit, kept
from wengert.structured import call

from .points import Layout

__all__ = ["Sparse", "derived", "product_of", "program", "weighted_hessian"]

Function = Callable[..., Any]


def program(name: str, f: Any, layout: Layout, form: str, argnum: int = 0) -> Any:
    """The function as one of vectors, under `jit`. `form` is what it gives: "number", "vector", or "any" of the two."""
    return kept(name, f).again(_flat, (name, layout, form, argnum))


def _flat(f: Function, name: str, layout: Layout, form: str, argnum: int) -> Function:
    give = {"number": _number, "vector": _vector, "any": _either}[form]

    def flat(*args: Any, **kwargs: Any) -> Any:
        given = [layout.unpack(a) if k == argnum else a for k, a in enumerate(args)]
        return give(name, call(f, *given, **kwargs))
    flat.__name__ = flat.__qualname__ = getattr(f, "__qualname__", "f")
    return flat


def _number(name: str, out: Any) -> Any:
    if isinstance(out, (list, tuple, dict)) or out is None or isinstance(out, str):
        raise InputError(f"{name}: the function returns {kind_of(out)}, not one number")
    if np.ndim(out) == 0:
        return out
    if np.size(out) != 1:
        raise InputError(f"{name}: the function returns an array of shape {np.shape(out)}, not one number; to minimize the sum "
                         f"of its squares, use wg.scipy.least_squares")
    return np.reshape(out, ())


def _vector(name: str, out: Any) -> Any:
    """Leaves of a tree end to end (a list of numbers, above all); an array as it is; a number as a vector of one."""
    found = _either(name, out)
    return np.reshape(found, (1,)) if np.ndim(found) == 0 else found


def _either(name: str, out: Any) -> Any:
    leaves, spec = flatten(out)
    if any(x is None or isinstance(x, str) for x in leaves):
        raise InputError(f"{name}: the function returns {kind_of(out)}, not numbers")
    return out if spec.tree is None else np.concatenate([np.reshape(x, (-1,)) for x in leaves])


# ---------------------------------------------------------------- derivatives

DERIVED: dict[str, Function] = {"value_and_grad": value_and_grad, "jacobian": jacobian, "hessian": hessian}


def derived(f: Any, what: str, argnum: int = 0, sparsity: Any = None) -> Function:
    """A derivative of a program with regard to its point: under `jit`, or a `Sparse`."""
    if sparsity is None:
        return DERIVED[what](f, argnum)
    return Sparse(DERIVED[what](f, argnum, sparsity=sparsity))


def product_of(f: Any) -> Function:
    """``(x, p, *args) -> ∇²f(x) p``, under `jit`."""
    return f.again(_product, ())  # type: ignore[no-any-return]


def _product(f: Function) -> Function:
    def product(x: Any, p: Any, *args: Any, **kwargs: Any) -> Any:
        return hvp(lambda y: call(f, y, *args, **kwargs), (x,), (p,))[0]
    return product


def weighted_hessian(f: Any, sparsity: Any = None) -> Function:
    """``(x, v, *args) -> Σ v_i ∇²c_i(x)``, under `jit`, or a `Sparse`."""
    return derived(f.again(_weighted, ()), "hessian", 0, sparsity)


def _weighted(f: Function) -> Function:
    def weighted(x: Any, v: Any, *args: Any, **kwargs: Any) -> Any:
        return np.sum(v * call(f, x, *args, **kwargs))
    return weighted


class Sparse:
    """A sparse derivative that keeps its structure: values only at each new point, in `scipy.sparse` form."""

    def __init__(self, derivative: Any):
        self.derivative = derivative
        self.structure: Any = None

    def prepared(self, *args: Any, **kwargs: Any) -> Any:
        if self.structure is None:
            if isinstance(self.derivative.sparsity, str):
                jit(self._prepare)(*args, **kwargs)  # traced: that data are zero now is no reason to leave out an entry
            else:
                self._prepare(*args, **kwargs)  # a pattern is probed with the values here
        return self.structure

    def _prepare(self, *args: Any, **kwargs: Any) -> None:
        self.structure = self.derivative.prepare(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self.derivative.sparsity, str) and self.derivative.sparsity == "local":  # found anew at each point
            return self.derivative(*args, **kwargs)
        try:
            return self.prepared(*args, **kwargs)(*args, **kwargs)
        except SparsityError:
            if not isinstance(self.derivative.sparsity, str):
                raise
            self.structure = None  # data of another shape, or, unstaged, another way through the program
            return self.prepared(*args, **kwargs)(*args, **kwargs)
