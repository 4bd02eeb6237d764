"""One update, compiled: value, gradient, clipping, the optimizer's step.

What comes in: a loss and an optimizer. What goes out: `Updates`, which map arrays to arrays. The one idea: models and
states are taken apart once, into their arrays and the rest; what is compiled sees flat tuples of arrays, so that an update
costs the loop no more than their number.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api import value_and_grad
from wengert.errors import InputError, kind_of
from wengert.flatten import Spec, flatten, is_array, leaf_names, trainable
from wengert.optim import clip_by_global_norm
from wengert.random import fold_in
from wengert.staging import jit
from wengert.structured import call

from .data import Batch

__all__ = ["Objective", "Parts", "Updates", "named", "wants_key"]

Arrays = tuple[Any, ...]


class Parts:
    """A tree, taken apart: its arrays, which change, and the rest, which does not."""

    def __init__(self, tree: Any):
        leaves, self.spec = flatten(tree)
        self.places = [k for k, x in enumerate(leaves) if is_array(x) and type(x) not in (bool, int)]
        self.types = [_Type(f"{np.asarray(leaves[k]).dtype.name}{list(np.shape(leaves[k]))}") for k in self.places]
        self.fixed = [None if k in set(self.places) else x for k, x in enumerate(leaves)]

    def take(self, tree: Any, what: str) -> Arrays:
        """The arrays of a tree of the same structure; those without axes as scalars, which is what a compiled program gives."""
        leaves, spec = flatten(tree)
        if spec != self.spec:
            raise InputError(f"fit: {what} has the structure {spec!r}; it was {self.spec!r}")
        return tuple([_unboxed(leaves[k]) for k in self.places])

    def put(self, arrays: Sequence[Any]) -> Any:
        """The tree with these arrays."""
        leaves = list(self.fixed)
        for k, x in zip(self.places, arrays, strict=True):
            leaves[k] = x
        return self.spec.unflatten(leaves)

    def names(self, owner: str) -> list[str]:
        """What the arrays are called, if the tree is called `owner`."""
        names = leaf_names(self.spec, owner)
        return [names[k] for k in self.places]

    def described(self) -> dict[str, str]:
        """Each leaf and each static field by its place: what a tree has to have in common with one that takes its arrays."""
        leaves = list(self.fixed)
        for k, x in zip(self.places, self.types, strict=True):
            leaves[k] = x
        return _described(self.spec.unflatten(leaves), "")


class _Type(str):
    """A description in the place of an array."""


def _described(x: Any, place: str) -> dict[str, str]:
    if isinstance(x, _Type):
        return {place: str(x)}
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        found = {place: type(x).__qualname__}
        for f in dataclasses.fields(x):
            found |= _described(getattr(x, f.name), f"{place}.{f.name}")
        return found
    if isinstance(x, dict):
        return {k: v for name in sorted(x, key=str) for k, v in _described(x[name], f"{place}[{name!r}]").items()}
    if isinstance(x, (tuple, list)):
        return {k: v for n, part in enumerate(x) for k, v in _described(part, f"{place}[{n}]").items()}
    return {place: repr(x) if isinstance(x, (bool, int, float, complex, str, type(None)))
            else getattr(x, "__qualname__", type(x).__qualname__)}


def _unboxed(x: Any) -> Any:
    return x[()] if type(x) is np.ndarray and not x.ndim else x


def wants_key(f: Callable[..., Any]) -> bool:
    """Whether a function has a parameter named `key`."""
    try:
        return "key" in inspect.signature(f).parameters
    except (TypeError, ValueError):
        return False


class Objective:
    """The loss as a pair: its value, and the model with new statistics or None."""

    def __init__(self, loss: Callable[..., Any]):
        self.loss, self.random = loss, wants_key(loss)

    def __call__(self, model: Any, args: tuple[Any, ...], key: Any) -> tuple[Any, Any]:
        out = call(self.loss, model, *args, key=key) if self.random else call(self.loss, model, *args)
        if type(out) is not tuple:
            return out, None
        if len(out) != 2:
            raise InputError(f"fit: the loss returns a number, or a pair (number, model), not {len(out)} values")
        return out


class Updates:
    """The functions of which an update consists.

    Parameters
    ----------
    objective : Objective
    optimizer
        With ``update(gradient, state, params)``.
    model, state : tree
        For their structure.
    clip_norm : float or None
    gradient : callable or None
        ``gradient(model, *batch)`` gives value and gradient in the place of the derivative of the loss.
    """

    def __init__(self, objective: Objective, optimizer: Any, model: Any, state: Any, clip_norm: float | None,
                 gradient: Callable[..., Any] | None):
        self.spec = Spec(None)  # of batches, known with the first
        self.begun = False
        self.objective, self.optimizer, self.clip_norm, self.given = objective, optimizer, clip_norm, gradient
        self.model, self.state = Parts(model), Parts(state)
        movable = trainable(model)
        self.moves = [movable[k] for k in self.model.places]
        # at once: whether an update is interpreted or compiled would depend on the clock, and on when the run was resumed
        self.whole, self.differentiate, self.apply, self.sum = [
            jit(named(f, f"fit with the loss {getattr(objective.loss, '__qualname__', objective.loss)}"), at_once=True)
            for f in (self._update, self._derivative, self._apply, _added)]

    # ------------------------------------------------------------ what is compiled

    def _derivative(self, arrays: Arrays, batch: Arrays, key: Any, count: Any, part: Any) -> tuple[Any, Arrays, Arrays]:
        """The value, the gradient at the arrays that move, and the statistics: the arrays that the loss sets anew."""
        moving = tuple([x for x, moves in zip(arrays, self.moves, strict=True) if moves])
        differentiate = value_and_grad(self._value, has_aux=True)
        (value, still), gradient = differentiate(moving, arrays, batch, self._key(key, count, part))
        return value, gradient, still

    def _key(self, key: Any, count: Any, part: Any) -> Any:
        """A key of this update's own, if the loss takes one."""
        if not self.objective.random:
            return None
        key = fold_in(key, count)
        return key if part is None else fold_in(key, part)

    def _value(self, moving: Arrays, arrays: Arrays, batch: Arrays, key: Any) -> tuple[Any, Arrays]:
        model = self.model.put(self._merged(moving, arrays))
        value, new = self.objective(model, Batch(list(batch), self.spec, None).args, key)
        return value, () if new is None else self._still(self.model.take(new, "the model that the loss returns"))

    def _merged(self, moving: Sequence[Any], arrays: Arrays) -> Arrays:
        rest = iter(moving)
        return tuple([next(rest) if moves else x for x, moves in zip(arrays, self.moves, strict=True)])

    def _still(self, arrays: Arrays) -> Arrays:
        return tuple([x for x, moves in zip(arrays, self.moves, strict=True) if not moves])

    def _apply(self, arrays: Arrays, state: Arrays, value: Any, gradient: Arrays, still: Arrays) -> tuple[Arrays, Arrays, Any]:
        """The new arrays and state, and whether value and gradient are finite."""
        finite = np.isfinite(value)
        for g in gradient:
            finite = finite & np.all(np.isfinite(g))
        tree = self._gradient_tree(gradient)
        if self.clip_norm is not None:
            tree = clip_by_global_norm(tree, self.clip_norm)
        model, state = call(self.optimizer.update, tree, self.state.put(state), self.model.put(arrays))
        new = self.model.take(model, "what the optimizer's update gives")
        return (self._with(new, still) if still else new), self.state.take(state, "the optimizer's state"), finite

    def _gradient_tree(self, gradient: Arrays) -> Any:
        """The gradient as a tree like the model, with None where nothing moves."""
        leaves: list[Any] = [None] * len(self.model.fixed)
        rest = iter(gradient)
        for k, moves in zip(self.model.places, self.moves, strict=True):
            leaves[k] = next(rest) if moves else None
        return self.model.spec.unflatten(leaves)

    def _update(self, arrays: Arrays, state: Arrays, batch: Arrays, key: Any, count: Any) -> tuple[Any, ...]:
        value, gradient, still = self._derivative(arrays, batch, key, count, None)
        return value, *self._apply(arrays, state, value, gradient, still)

    # ------------------------------------------------------------ an update

    def __call__(self, arrays: Arrays, state: Arrays, batch: Batch, key: Any, count: int, accumulate: int) -> tuple[Any, ...]:
        """Value, new arrays, new state, and whether all is finite."""
        number = np.uint64(count)
        if not self.begun:
            self.spec, self.begun = batch.spec, True
        if self.given is None and accumulate == 1:
            return self.whole(arrays, state, tuple(batch.leaves), key, number)  # type: ignore[no-any-return]
        differentiate = self._at if self.given is None else self._as_given
        if accumulate == 1:
            value, gradient, still = differentiate(arrays, batch, key, number, None)
        else:
            value, gradient, still = self._accumulated(differentiate, arrays, batch, key, number, accumulate)
        return value, *self.apply(arrays, state, value, gradient, still)

    def _at(self, arrays: Arrays, batch: Batch, key: Any, number: Any, part: Any) -> tuple[Any, Arrays, Arrays]:
        return self.differentiate(arrays, tuple(batch.leaves), key, number, part)  # type: ignore[no-any-return]

    def _as_given(self, arrays: Arrays, batch: Batch, *_: Any) -> tuple[Any, Arrays, Arrays]:
        """What the user's function says are value and gradient, checked."""
        assert self.given is not None
        found = self.given(self.model.put(arrays), *batch.args)
        if type(found) is not tuple or len(found) != 2:
            raise InputError(f"fit: gradient= gives {kind_of(found)}; it is to give a pair, (value, gradient)")
        value, tree = found
        if np.ndim(value) or np.asarray(value).dtype.kind not in "fiu":
            raise InputError(f"fit: the value that gradient= gives is {kind_of(value)}; it is to be one real number")
        gradient = []
        leaves = self.model.take(tree, "the gradient")
        for name, g, x, moves in zip(self.model.names("model"), leaves, arrays, self.moves, strict=True):
            if not moves:
                continue
            if np.shape(g) != np.shape(x) or np.asarray(g).dtype.kind not in "fciu":
                raise InputError(f"fit: gradient= gives {kind_of(g)} of shape {np.shape(g)} for {name}, which has shape "
                                 f"{np.shape(x)}; zeros stand for none")
            gradient.append(g)
        return value, tuple(gradient), ()

    def replay(self, arrays: Arrays, batch: Batch, key: Any, count: int, part: int | None) -> tuple[Any, ...]:
        """The loss as a function of what moves, and its arguments in this update."""
        def loss(moving: Arrays, arrays: Arrays, batch: Arrays, key: Any) -> Any:
            return self._value(moving, arrays, batch, key)[0]
        moving = tuple([x for x, moves in zip(arrays, self.moves, strict=True) if moves])
        return loss, moving, arrays, tuple(batch.leaves), self._key(key, np.uint64(count), part)

    def _accumulated(self, differentiate: Callable[..., Any], arrays: Arrays, batch: Batch, key: Any, number: Any,
                     count: int) -> tuple[Any, Arrays, Arrays]:
        """Value and gradient of the batch as the mean over its parts, each weighted by its rows."""
        value, gradient, still = 0.0, (), ()
        for k, part in enumerate(batch.parts(count)):
            v, g, still = differentiate(arrays, part, key, number, np.uint64(k))
            weight = part.size / batch.size
            before = (value, gradient) if k else (0.0 * v, tuple([0.0 * x for x in g]))
            value, gradient = self.sum(*before, v, g, weight)
            if still:
                arrays = self._with(arrays, still)
        return value, gradient, still

    def _with(self, arrays: Arrays, still: Arrays) -> Arrays:
        rest = iter(still)
        return tuple([x if moves else next(rest) for x, moves in zip(arrays, self.moves, strict=True)])


def named(f: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function by another name, for messages."""
    def by_name(*args: Any) -> Any:
        return f(*args)
    by_name.__qualname__ = name
    return by_name


def _added(value: Any, gradient: Arrays, v: Any, g: Arrays, weight: float) -> tuple[Any, Arrays]:
    return value + weight * v, tuple([a + weight * b for a, b in zip(gradient, g, strict=True)])
