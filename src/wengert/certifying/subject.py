"""A function at a point, as its certificate wants to see it.

What comes in: a function, its arguments, which of them are differentiated. What goes out: a `Subject`: one function from a
vector of inputs, each in units of its own size, to a vector of outputs; its derivatives in forward and in reverse mode in the
same coordinates; and what is wrong with the function itself. The one idea: in units of their own size all inputs are near 1, so
steps, errors and radii mean the same at 1e-200 and at 1e200.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from wengert.api import jvp, make_graph, vjp
from wengert.certifying.solvers import coarsest_solver
from wengert.check import Vector, rounding_floor
from wengert.errors import EscapedTracerError, InputError, not_a_function
from wengert.flatten import flatten, leaf_names
from wengert.formulas import Formula
from wengert.frontends.flow import call_user
from wengert.graph import Graph
from wengert.muted import muted
from wengert.run import leaf_type
from wengert.staging import jit

__all__ = ["Subject", "quiet"]

Array = np.ndarray
FEW = 4  # outputs that are looked at one by one
LONG = 2_000  # equations
ROWS = 2  # random weights in the place of more outputs
_TINY = float(np.finfo(float).tiny)


class Subject:
    """See the module.

    Attributes
    ----------
    f : callable
        Of the differentiated arguments alone, which are `chosen`.
    z, scale : ndarray
        The point and its units: ``x = z * scale``; powers of two.
    weights : ndarray of shape (rows, outputs)
        The outputs that derivatives are taken of: each if they are few, else random sums of all.
    traced : dict
        By mode, the value that is differentiated.
    faults : list of (str, str)
        What is wrong with the function itself: a verdict and an explanation.
    """

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any],
                 argnums: int | Sequence[int] | None, seed: int):
        if not callable(f):
            raise InputError(f"certify: {not_a_function(f)}; write wg.certify(f, x)")
        self.title = str(getattr(getattr(f, "func", f), "__name__", str(f)))
        self.argnums = _places(f, args, argnums)
        whole = [_as_float(a) if k in self.argnums and isinstance(f, Formula) else a for k, a in enumerate(args)]
        self.whole, self.kwargs, self.original = whole, kwargs, f
        self.chosen = tuple([whole[k] for k in self.argnums])
        self.f = _alone(f, whole, kwargs, self.argnums)
        self.point = self._vector()
        self.n = int(self.point.x.size)
        self.rng = np.random.default_rng(seed)
        self.seed = seed
        self.faults: list[tuple[str, str]] = []
        self.double = True
        self.scale = self._units()
        self.z = self.point.x / self.scale
        self.pullback: Callable[..., Any] | None = None  # at the point
        self.traced = self._traced_first()
        try:
            self.out = Vector(self._first_call(), "output")
        except EscapedTracerError as error:
            self.m = 0
            self.faults.append(("not reproducible", f"it keeps values between calls: {' '.join(str(error).split())}"))
            return
        self.m = int(self.out.x.size)
        if not self.out.active:
            raise InputError("certify: the function gives no float; nothing of it has a derivative")
        with quiet():
            self._repeats()
        self.weights = self._weights()
        coarsest = max(self.point.eps_dtype, self.out.eps_dtype, key=lambda d: np.finfo(d).eps)
        self.floor, self.eps = rounding_floor(coarsest), float(np.finfo(coarsest).eps)
        self.is_complex = any(np.iscomplexobj(self.point.leaves[k]) for k in self.point.active)

    # ------------------------------------------------------------ the point

    def _vector(self) -> Vector:
        for k, arg in zip(self.argnums, self.chosen, strict=True):
            if flatten(arg)[1].tree is None:
                leaf_type(arg, "certify", f"argument {k}")
        point = Vector(self.chosen, "argument")
        if not point.active:
            raise InputError("certify: no argument to differentiate with regard to holds a float; write 3.0 for 3, "
                             "x.astype(float) for an array of integers")
        names = _names(self.original, self.argnums)
        point.labels = [n for arg, name in zip(self.chosen, names, strict=True) for n in leaf_names(flatten(arg)[1], name)]
        return point

    def _units(self) -> Array:
        """A power of two for each input: its size, or that of its neighbors where it is zero."""
        units, start = np.ones(self.n), 0
        for count in self.point.sizes():
            part = np.abs(self.point.x[start:start + count])
            finite = part[np.isfinite(part) & (part > 0)]
            usual = float(np.max(finite)) if finite.size else 1.0
            size = np.where(np.isfinite(part) & (part > 0), part, usual)
            units[start:start + count] = np.exp2(np.floor(np.log2(np.maximum(size, _TINY))))
            start += count
        return units

    def coarser(self, j: int) -> float:
        """How many times larger a step of input j may be, to be of the size of its neighbors."""
        ends = np.cumsum(self.point.sizes())
        which = int(np.searchsorted(ends, j, side="right"))
        start = int(ends[which]) - self.point.sizes()[which]
        with np.errstate(over="ignore"):
            return float(0.01 * np.max(self.scale[start:int(ends[which])]) / self.scale[j])

    def input_name(self, j: int) -> str:
        name = self.point.name(j)
        if not self.is_complex:
            return name
        ends = np.cumsum(self.point.sizes())
        which = int(np.searchsorted(ends, j, side="right"))
        if not np.iscomplexobj(self.point.leaves[self.point.active[which]]):
            return name
        return f"{name}.{'imag' if (j - int(ends[which] - self.point.sizes()[which])) % 2 else 'real'}"

    def row_name(self, r: int) -> str:
        if self.m > FEW:
            return f"random weights {r + 1}"
        return "" if self.m == 1 and self.out.spec.tree is None else self.component_name(r)

    def component_name(self, k: int) -> str:
        """What a component of `values` is called: an output, or a sum of them."""
        if k >= self.m:
            return self.row_name(k - self.m)
        name = self.out.name(k)
        twice = sum(self.out.name(i) == name for i in (k - 1, k, k + 1) if 0 <= i < self.m) > 1
        return name + (("." + ("real", "imag")[int(k > 0 and self.out.name(k - 1) == name)]) if twice else "")

    # ------------------------------------------------------------ the function

    def _traced_first(self) -> dict[str, Any]:
        """The values that both modes differentiate, before any plain call: what that keeps would hide what theirs keep."""
        def given() -> tuple[Any, ...]:
            return tuple(self.point.spec.unflatten([_copied(leaf) for leaf in self.point.leaves]))
        found = {}
        with quiet(), contextlib.suppress(Exception):  # what stands in its way is said when derivatives are asked for
            found["reverse"], self.pullback = vjp(self.f, *given())
        with quiet(), contextlib.suppress(Exception):
            found["forward"] = jvp(self.f, given(), self.tangents(np.ones(self.n)))[0]
        return found

    def _first_call(self) -> Any:
        """The value, and whether the call changes its arguments, or the function cannot take double precision."""
        given = self.point.spec.unflatten([_copied(leaf) for leaf in self.point.leaves])
        before, shape = flatten((given, self.whole, self.kwargs))
        kept = [_copied(x) for x in before]
        with np.errstate(all="ignore"):
            value = self.f(*given)
        after, now = flatten((given, self.whole, self.kwargs))
        if now != shape or not all(map(_same, kept, after)):
            self.faults.append(("changes its argument", "the call writes into what was passed to it; copy it first: "
                                "x = x.copy()"))
        spec = flatten(value)[1]
        try:
            with quiet():
                same = flatten(self.f(*self.point.unpack(self.point.x)))[1] == spec
        except Exception:  # written for its own dtype
            same = False
        self.double = same
        leaves = [_copied(x) for x in flatten(value)[0]]
        return spec.unflatten(leaves)

    def _repeats(self) -> None:
        """Whether the value is the same when it is asked for again, and after calls elsewhere."""
        first = self.out.x
        beside = self.z * (1.0 + 1e-3 * self.rng.uniform(0.5, 1.0, self.n))
        slack = 64 * float(np.finfo(self.out.eps_dtype).eps) * np.max(np.abs(first[np.isfinite(first)]), initial=0.0)
        for pause in (False, True, False):
            if pause:
                with contextlib.suppress(Exception):
                    self.values(beside)
            leaves, spec = flatten(self.f(*self.point.spec.unflatten([_copied(x) for x in self.point.leaves])))
            again = self.out.pack(leaves) if spec == self.out.spec else np.zeros(0)
            with np.errstate(invalid="ignore"):
                equal = again.shape == first.shape and bool(np.all(
                    (again == first) | (np.isnan(again) & np.isnan(first)) | (np.abs(again - first) <= slack)))
            if not equal:
                a, b = (str(x[0]) if x.size == 1 else f"{x[:3]}" for x in (first, again))
                self.faults.append(("not reproducible", f"called again with the same arguments it gave {b} after {a}: it "
                                    "draws, counts or remembers; make what it draws or keeps an argument, or a fixed seed"))
                return

    def values(self, z: Array) -> Array:
        """The outputs at a point in units, and beneath them their weighted sums if there are many; also of complex z."""
        x = z * self.scale
        given = self.point.unpack(x)
        if not self.double:
            given = self.point.unpack(x, tangent=True)
        if not all(leaf is None or k in self.point.active for k, leaf in enumerate(self.point.leaves)) and not self.double:
            given = self._with_fixed(given)
        leaves, spec = flatten(self.f(*given))
        if spec != self.out.spec:
            raise ValueError("the function returns another structure near the point")
        return self.extended(self._packed(leaves))

    def _with_fixed(self, given: Any) -> Any:
        leaves = flatten(given)[0]
        filled = [_copied(a) if b is None else b for a, b in zip(self.point.leaves, leaves, strict=True)]
        return self.point.spec.unflatten(filled)

    def _packed(self, leaves: Sequence[Any]) -> Array:
        """Like `Vector.pack`, but what is real at the point stays complex if it has become so."""
        likes = [np.iscomplexobj(self.out.leaves[k]) for k in self.out.active]
        found = [np.asarray(leaves[k]) for k in self.out.active]
        if [x.shape for x in found] != [np.shape(self.out.leaves[k]) for k in self.out.active]:
            raise ValueError("the function returns another shape near the point")
        if all(like or x.dtype.kind != "c" for like, x in zip(likes, found, strict=True)):
            return self.out.pack(leaves)
        if any(likes):
            raise TypeError("the function is complex at the point already")
        return np.concatenate([x.ravel().astype(complex) for x in found])

    def _weights(self) -> Array:
        if self.m <= FEW:
            return np.eye(self.m)
        size = np.abs(self.out.x)
        largest = float(np.max(size[np.isfinite(size)], initial=0.0))
        size = np.where(np.isfinite(size), np.maximum(size, 1e-3 * largest), 1.0) if largest else np.ones(self.m)
        return self.rng.uniform(0.5, 1.5, (ROWS, self.m)) * self.rng.choice([-1.0, 1.0], (ROWS, self.m)) / size

    @functools.cached_property
    def graph(self) -> Graph:
        """The program as it went at the point."""
        return make_graph(self.f, *self.chosen)

    @functools.cached_property
    def solver(self) -> tuple[str, float]:
        """The line and the relative tolerance of the coarsest solver in it; "" and 0 if there is none."""
        try:
            graph = self.graph
        except Exception:  # it has no graph: then it says nothing
            return "", 0.0
        return coarsest_solver(graph, lambda: [self.point.leaves[k] for k in self.point.active])

    def extended(self, y: Array) -> Array:
        return y if self.m <= FEW else np.concatenate([y, self.weights @ y])

    @property
    def rows(self) -> slice:
        """Where in `values` the weighted outputs are."""
        return slice(0, self.m) if self.m <= FEW else slice(self.m, self.m + ROWS)

    # ------------------------------------------------------------ derivatives, in units

    def at(self, z: Array) -> tuple[Any, ...]:
        """The arguments at a point in units, in their own dtypes."""
        return tuple(self._with_fixed(self.point.unpack(z * self.scale, tangent=True)))

    @functools.cached_property
    def is_long(self) -> bool:
        """Whether a derivative is staged for all its points: tracing it again for each would take most of the time."""
        try:
            return len(self.graph.equations) > LONG
        except Exception:  # it has no graph
            return False

    @functools.cached_property
    def staged_reverse(self) -> Callable[..., Any]:
        """The derivatives of the weighted outputs at any point, traced once."""
        cotangents = [self.cotangent(w) for w in self.weights]

        def rows(*given: Any) -> Any:
            pullback = vjp(self.f, *given)[1]
            return [pullback(ct) for ct in cotangents]
        rows.__qualname__ = self.title  # messages are about the user's function
        return jit(rows)

    @functools.cached_property
    def staged_forward(self) -> Callable[..., Any]:
        return jit(lambda given, tangents: jvp(self.f, given, tangents)[1])

    def elsewhere(self, args: tuple[Any, ...]) -> Array:
        """Like `reverse`, at many points."""
        if not self.is_long:
            return self.reverse(args)
        return np.array([self.pulled(row) for row in self.staged_reverse(*args)]).reshape(-1, self.n)

    def along(self, v: Array) -> Array:
        """Like `forward`, in many directions."""
        if not self.is_long:
            return self.forward(v)
        return self.extended(self.out.pack(flatten(self.staged_forward(self.chosen, self.tangents(v)))[0]))

    def forward(self, v: Array, args: tuple[Any, ...] | None = None) -> Array:
        """J v."""
        _, pushed = jvp(self.f, self.chosen if args is None else args, self.tangents(v))
        return self.extended(self.out.pack(flatten(pushed)[0]))

    def tangents(self, v: Array) -> Any:
        return tuple(self.point.unpack(v * self.scale, tangent=True))

    def cotangent(self, w: Array) -> Any:
        return self.out.unpack(w, tangent=True)

    def reverse(self, args: tuple[Any, ...] | None = None, weights: Array | None = None) -> Array:
        """Jᵀ of each row of the weights, of shape (rows, inputs)."""
        pullback = self.pullback if args is None else None
        pullback = pullback or vjp(self.f, *(self.chosen if args is None else args))[1]
        rows = [self.pulled(pullback(self.cotangent(w))) for w in (self.weights if weights is None else weights)]
        return np.array(rows).reshape(len(rows), self.n)

    def pulled(self, cotangents: Any) -> Array:
        """Cotangents of the arguments as a vector, in units."""
        with np.errstate(over="ignore"):
            return self.point.pack(flatten(cotangents)[0]) * self.scale


# ---------------------------------------------------------------- arguments

def _places(f: Any, args: Sequence[Any], argnums: int | Sequence[int] | None) -> tuple[int, ...]:
    if not args:
        raise InputError("certify: where? Pass the arguments of the function: wg.certify(f, x)")
    if argnums is None:
        argnums = tuple(range(len(args))) if isinstance(f, Formula) else 0
    chosen = (argnums,) if isinstance(argnums, (int, np.integer)) else tuple(argnums)
    if not chosen or any(not -len(args) <= k < len(args) for k in chosen) or len({k % len(args) for k in chosen}) < len(chosen):
        raise InputError(f"certify: argnums={argnums!r} does not name different ones of {len(args)} arguments")
    return tuple([int(k) % len(args) for k in chosen])


def _as_float(x: Any) -> Any:
    """Formulas are about real numbers: a whole one is a float."""
    if isinstance(x, (int, bool)):
        return float(x)
    return x.astype(float) if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "biu" else x


def _alone(f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], places: tuple[int, ...]) -> Callable[..., Any]:
    """The function of the differentiated arguments alone."""
    if places == tuple(range(len(args))) and not kwargs:
        return f

    def alone(*given: Any) -> Any:
        full = list(args)
        for k, x in zip(places, given, strict=True):
            full[k] = x
        return call_user(f, *full, **kwargs)
    return alone


def _names(f: Any, places: Sequence[int]) -> list[str]:
    try:
        known = [p for p in inspect.signature(f).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    except (TypeError, ValueError):
        known = []
    named = [k < len(known) and known[k].kind is not inspect.Parameter.VAR_POSITIONAL for k in places]
    return [known[k].name if there else f"argument {k}" for k, there in zip(places, named, strict=True)]


def _copied(leaf: Any) -> Any:
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf


def _same(old: Any, new: Any) -> bool:
    numbers = isinstance(old, (np.ndarray, np.generic, float, complex))
    return np.array_equal(old, new, equal_nan=np.asarray(old).dtype.kind in "fc") if numbers else old is new or old == new


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What the function prints is printed at its first call; what it warns of near the point is expected there."""
    with np.errstate(all="ignore"), warnings.catch_warnings(), muted():
        warnings.simplefilter("ignore")
        yield
