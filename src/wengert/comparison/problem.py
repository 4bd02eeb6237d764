"""A function at a point, as every way to its derivative wants to see it.

What comes in: a function, its arguments, which of them are differentiated, and the order. What goes out: a `Problem`: the
same function from one vector to another for ways that only evaluate, and as it stands for ways that read the program. The
one idea: all derivatives end as one array of shape (outputs, inputs) or (outputs, inputs, inputs), so they compare whole.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from wengert.api import make_graph
from wengert.comparison.operations import operations
from wengert.errors import InputError, kind_of, not_a_function
from wengert.flatten import flatten
from wengert.formulas import Formula
from wengert.frontends.flow import call_user
from wengert.graph import Graph
from wengert.muted import muted

__all__ = ["Problem", "silent"]

Array = np.ndarray


class Problem:
    """See the module. `calls` counts how often the function was evaluated by way of `vector`."""

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], argnums: int | Sequence[int] | None, order: int):
        if not callable(f):
            raise InputError(f"compare: {not_a_function(f)}; write wg.compare(f, x)")
        if order not in (1, 2):
            raise InputError(f"compare: order is 1 or 2, not {order!r}")
        self.f, self.order = f, order
        self.argnums = _argnums(f, args, argnums)
        self.args = [_as_float(a) if k in self.argnums and isinstance(f, Formula) else a for k, a in enumerate(args)]
        self.leaves, self.spec = flatten(tuple(self.args[k] for k in self.argnums))
        self.moving = [k for k, leaf in enumerate(self.leaves) if _kind(leaf) in ("f", "c")]
        self._check()
        floats = [np.asarray(self.leaves[k]) for k in self.moving]
        self.dtype = np.result_type(*[x.dtype for x in floats])
        self.x = np.concatenate([x.ravel() for x in floats]).astype(self.dtype)
        self.calls = 0
        begun = time.perf_counter()
        out = self.vector(self.x)
        self.seconds = time.perf_counter() - begun
        begun = time.perf_counter()
        with silent():
            self.value = self.vector(self.x)
        self.seconds = min(self.seconds, time.perf_counter() - begun)
        if out.dtype.kind == "c":
            raise InputError("compare: the output is complex; compare its real or its imaginary part")
        if not np.all(np.isfinite(out)):
            raise InputError(f"compare: the function is not finite at this point: {out}; wg.explain shows where that arises")
        self._repeats(out)
        self.m: int = out.size
        self.n: int = self.x.size
        self.scalar = out.shape == ()
        if order == 2 and not self.scalar:
            raise InputError(f"compare: a Hessian is that of a number; the function returns the shape {out.shape}")

    def _check(self) -> None:
        if not self.moving:
            raise InputError(f"compare: argument {self.argnums[0]} holds no float to differentiate with regard to; write 3.0 "
                             f"for 3, or x.astype(float)")
        if any(_kind(self.leaves[k]) == "c" for k in self.moving):
            raise InputError("compare: an argument is complex; write the function in its real and imaginary parts")

        if not any(np.size(self.leaves[k]) for k in self.moving):
            raise InputError("compare: the arguments to differentiate with regard to are empty arrays; pass one with elements")

    def _repeats(self, first: Array) -> None:
        """Refuse what is no function of its arguments, and what has no elements."""
        if not first.size:
            raise InputError("compare: the function returns an empty array, so there is nothing to differentiate")
        slack = float(np.sqrt(np.finfo(self.dtype).eps))
        if first.shape != self.value.shape or not np.allclose(first, self.value, rtol=slack, atol=0.0):
            raise InputError(f"compare: the function gave {first} and then {self.value} at the same point; what it draws or "
                             f"counts has to be an argument, or the same at each call (a seed)")

    @property
    def name(self) -> str:
        return str(getattr(getattr(self.f, "func", self.f), "__name__", "f"))

    # ------------------------------------------------------------ for ways that only evaluate

    def vector(self, x: Array) -> Array:
        """The output at a vector of inputs, real or complex."""
        self.calls += 1
        leaves, start = list(self.leaves), 0
        for k in self.moving:
            like = self.leaves[k]
            part = x[start:start + np.size(like)].reshape(np.shape(like))
            start += np.size(like)
            if part.dtype.kind != "c":
                part = part.astype(np.asarray(like).dtype)
            leaves[k] = part.item() if type(like) is float else part.copy() if part.ndim else part[()]
        args = list(self.args)
        for k, new in zip(self.argnums, self.spec.unflatten(leaves), strict=True):
            args[k] = new
        given = self.f(*args)
        out = np.asarray(given) if flatten(given)[1].tree is None else None
        if out is None or out.dtype.kind not in "biufc":
            raise InputError(f"compare: the function returns {kind_of(given)}, and not one number or one array")
        return out.astype(float) if out.dtype.kind in "biu" else out

    # ------------------------------------------------------------ for ways that read the program

    def packed(self, derivative: Any, order: int) -> Array:
        """What `grad`, `jacobian` or `hessian` returned for these argnums, as one array."""
        given = flatten(derivative)[0]
        sizes = [np.size(self.leaves[k]) for k in self.moving]
        if order == 1:
            columns = given if len(given) == len(sizes) else [given[k] for k in self.moving]
            return np.concatenate([np.reshape(b, (self.m, n)) for b, n in zip(columns, sizes, strict=True)], axis=1)
        blocks = [np.asarray(b) for b in given if b is not None]
        rows = []
        for i, n in enumerate(sizes):
            row = blocks[i * len(sizes):(i + 1) * len(sizes)]
            rows.append(np.concatenate([b.reshape(self.m, n, k) for b, k in zip(row, sizes, strict=True)], axis=2))
        return np.concatenate(rows, axis=1)

    def shaped(self, found: Any) -> Array:
        """A derivative of `vector`, as one array."""
        return np.reshape(found, (self.m,) + (self.n,) * self.order)

    def at(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The function of the differentiated arguments alone, and these."""
        chosen = tuple(self.args[k] for k in self.argnums)
        if self.argnums == tuple(range(len(self.args))):
            return self.f, chosen
        f, fixed, places = self.f, list(self.args), self.argnums

        def alone(*given: Any) -> Any:
            full = list(fixed)
            for k, x in zip(places, given, strict=True):
                full[k] = x
            return call_user(f, *full)
        return alone, chosen

    def unit(self, j: int) -> tuple[Any, ...]:
        """The j-th unit vector, as tangents of the differentiated arguments."""
        tangents: list[Any] = [None] * len(self.leaves)
        for k in self.moving:
            like = np.asarray(self.leaves[k])
            e = np.zeros(like.size, like.dtype)
            if 0 <= j < like.size:
                e[j] = 1.0
            j -= like.size
            tangents[k] = e.reshape(like.shape) if like.ndim else e[0]
        return tuple(self.spec.unflatten(tangents))

    def inputs(self) -> list[Any]:
        """The values of the inputs of `graph_of`."""
        inside = [flatten(a)[0] for a in self.at()[1]]
        return [leaf for leaves in inside for leaf in leaves if _kind(leaf) in ("f", "c")]

    def graph_of(self, transform: Callable[..., Any]) -> Graph:
        """The graph of a transform of the function, of the differentiated arguments alone."""
        f, chosen = self.at()
        with np.errstate(all="ignore"):
            return make_graph(transform(f), *chosen)

    @functools.cached_property
    def graph(self) -> Graph:
        """The graph of the function itself."""
        return self.graph_of(lambda f: f)

    @functools.cached_property
    def length(self) -> int:
        """How many equations its graph has; 0 where it cannot be read."""
        try:
            return len(self.graph.equations)
        except Exception:  # likewise
            return 0

    @functools.cached_property
    def cost(self) -> float:
        """Operations of one evaluation; NaN where the program cannot be read."""
        try:
            return operations(self.graph)
        except Exception:  # whatever stands in the way is said by the ways that need the graph
            return float("nan")

    def resized(self, size: int) -> Problem | None:
        """The same with its longest axis of another length, where the function accepts that."""
        first = next((np.asarray(self.leaves[k]) for k in self.moving if np.ndim(self.leaves[k])), None)
        if first is None:
            return None
        old = max(first.shape)

        def changed(leaf: Any) -> Any:
            if not isinstance(leaf, np.ndarray):
                return leaf
            for axis, n in enumerate(leaf.shape):
                if n == old:
                    leaf = np.take(leaf, np.arange(size) % old, axis)
            return leaf
        args = []
        for a in self.args:
            leaves, spec = flatten(a)
            args.append(spec.unflatten([changed(leaf) for leaf in leaves]))
        try:
            with np.errstate(all="ignore"):
                other = Problem(self.f, args, self.argnums, self.order)
        except Exception:  # the user's function, at a size that it was not written for
            return None
        return other if other.scalar == self.scalar and np.all(np.isfinite(other.value)) else None

    @property
    def longest(self) -> int:
        return max((max(np.shape(self.leaves[k])) for k in self.moving if np.ndim(self.leaves[k])), default=0)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """What the function prints is printed at its first call, not at thousands."""
    with muted():
        yield


def _kind(leaf: Any) -> str:
    if isinstance(leaf, (float, complex, np.ndarray, np.generic)):
        return np.asarray(leaf).dtype.kind
    return ""


def _as_float(x: Any) -> Any:
    """Formulas are about real numbers: a whole one is a float."""
    if isinstance(x, (int, bool)):
        return float(x)
    return x.astype(float) if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "biu" else x


def _argnums(f: Any, args: Sequence[Any], argnums: int | Sequence[int] | None) -> tuple[int, ...]:
    if not args:
        raise InputError("compare: where? Pass the arguments of the function: wg.compare(f, x)")
    if argnums is None:
        return tuple(range(len(args))) if isinstance(f, Formula) else (0,)
    chosen = (argnums,) if isinstance(argnums, (int, np.integer)) else tuple(argnums)
    if not chosen or any(not -len(args) <= k < len(args) for k in chosen) or len({k % len(args) for k in chosen}) < len(chosen):
        raise InputError(f"compare: argnums={argnums!r} does not name different ones of {len(args)} arguments")
    return tuple(int(k) % len(args) for k in chosen)
