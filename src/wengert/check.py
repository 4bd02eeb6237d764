"""Checks of derivatives by methods that share nothing with them.

What comes in: a function and a point. What goes out: silence or a `CheckError` (`check_grads`), or a table of
Taylor remainders (`taylor_test`). The one idea: along a random direction a derivative is one number, which a
difference quotient knows too, with a bound of its error; so the tolerance is computed and not guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.api import grad, jvp, vjp
from wengert.errors import CheckError, InputError, not_a_function
from wengert.flatten import flatten, is_inexact
from wengert.run import leaf_type
from wengert.second_order import hvp

__all__ = ["TaylorResult", "Vector", "check_grads", "rounding_floor", "taylor_test"]

Function = Callable[..., Any]
SAFETY = 4.0  # the error of a difference quotient is an estimate


def rounding_floor(dtype: Any) -> float:
    """The relative error allowed to a derivative computed in this dtype: eps^(2/3), 4e-11 in float64.

    A derivative is a longer computation than its function, and its rounding errors are not estimated; a wrong
    rule is wrong by far more than a third of the digits.
    """
    return float(np.finfo(dtype).eps) ** (2 / 3)


# ---------------------------------------------------------------- trees as vectors

class Vector:
    """A tree of arrays as one vector of real numbers in double precision; complex ones are two each."""

    def __init__(self, tree: Any, what: str):
        self.leaves, self.spec = flatten(tree)
        self.active = [k for k, leaf in enumerate(self.leaves) if is_inexact(leaf)]
        paths = [()] if self.spec.tree is None else self.spec.tree.paths()
        self.labels = [_label(what, path) for path in paths]
        self.owner = [path[0] if path else 0 for path in paths]
        self.x = self.pack(self.leaves)
        dtypes = [np.asarray(self.leaves[k]).dtype for k in self.active]
        self.eps_dtype = max(dtypes, key=lambda d: np.finfo(d).eps, default=np.dtype(float))

    def pack(self, leaves: Sequence[Any]) -> np.ndarray:
        """The vector of a tree with these leaves; None is zero."""
        return np.concatenate([np.zeros(0), *[self._packed(k, leaves[k]) for k in self.active]])

    def _packed(self, k: int, leaf: Any) -> np.ndarray:
        like = np.asarray(self.leaves[k])
        flat = np.zeros(like.size) if leaf is None else np.asarray(leaf).ravel()
        if like.dtype.kind == "c":
            return np.ascontiguousarray(flat, np.complex128).view(np.float64)
        return flat.astype(np.float64)

    def sizes(self) -> list[int]:
        """How many real numbers each active leaf has."""
        return [np.size(self.leaves[k]) * (1 + np.iscomplexobj(self.leaves[k])) for k in self.active]

    def unpack(self, vector: np.ndarray, tangent: bool = False) -> Any:
        """The tree of a vector: a point in double precision, or a tangent in the dtypes of the point."""
        leaves: list[Any] = [None if tangent else _copied(leaf) for leaf in self.leaves]
        start = 0
        for k, size in zip(self.active, self.sizes(), strict=True):
            like, part = self.leaves[k], vector[start:start + size].copy()
            start += size
            found = (part.view(np.complex128) if np.iscomplexobj(like) else part).reshape(np.shape(like))
            if tangent:
                found = found.astype(np.asarray(like).dtype)
            if type(like) in (float, complex):
                leaves[k] = found.item()
            else:
                leaves[k] = found if isinstance(like, np.ndarray) else found[()]
        return self.spec.unflatten(leaves)

    def name(self, place: int) -> str:
        """What the number at this place of the vector is called: ``output[2, 0]``."""
        ends = np.cumsum(self.sizes())
        which = int(np.searchsorted(ends, place, side="right"))
        k, place = self.active[which], place - int(ends[which] - self.sizes()[which])
        shape = np.shape(self.leaves[k])
        if not shape:
            return self.labels[k]
        flat = place // (1 + np.iscomplexobj(self.leaves[k]))
        return f"{self.labels[k]}[{', '.join(str(int(i)) for i in np.unravel_index(flat, shape))}]"

    def of_leaves(self, wanted: Sequence[int]) -> np.ndarray:
        """A mask of the vector: the numbers of these leaves."""
        return np.repeat(np.array([k in wanted for k in self.active], bool), self.sizes())

    def direction(self, rng: np.random.Generator) -> np.ndarray:
        """A random direction that moves every number by about its own size."""
        size, start = np.empty(self.x.size), 0
        for count in self.sizes():
            part = np.abs(self.x[start:start + count])
            largest = np.max(part, initial=0.0)
            size[start:start + count] = np.maximum(part, 0.01 * largest) if largest else 1.0
            start += count
        return size * rng.uniform(0.5, 1.5, size.shape) * rng.choice([-1.0, 1.0], size.shape)


def _copied(leaf: Any) -> Any:
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf


def _label(what: str, path: tuple[Any, ...]) -> str:
    if what == "argument":
        return f"argument {path[0]}" + "".join(f"[{p!r}]" for p in path[1:])
    return what + "".join(f"[{p!r}]" for p in path)


def _arguments(name: str, args: Any) -> Vector:
    if not isinstance(args, (tuple, list)):
        raise InputError(f"{name}: args is a tuple of the arguments: (x,)")
    for k, arg in enumerate(args):
        if flatten(arg)[1].tree is None:
            leaf_type(arg, name, f"argument {k}")
    point = Vector(tuple(args), "argument")
    if not np.all(np.isfinite(point.x)):
        raise InputError(f"{name}: an argument is not finite (NaN or infinite): there is nothing to check")
    return point


# ---------------------------------------------------------------- check_grads

def check_grads(
    f: Function, args: Sequence[Any], order: int = 2, modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None, rtol: float | None = None, eps: float | None = None, *, seed: int = 0,
) -> None:
    """Check the derivatives of a function against finite differences, to the given order.

    For each argument and a random direction v, forward mode's J v is held against the difference quotient of
    f(x + t v), and reverse mode's Jᵀ w against both: ⟨Jᵀ w, v⟩ = ⟨w, J v⟩. Then the functions x -> J v and
    x -> Jᵀ w are checked in the same way, and so on, up to `order`: every composition of the modes.

    Parameters
    ----------
    f : callable
        Takes and returns arrays or trees of them, real or complex.
    args : tuple
        Its arguments: the point.
    order : int
        How many times to differentiate.
    modes : sequence of {"fwd", "rev"}
    atol, rtol : float, optional
        A difference of ``atol + rtol * |numerical value|`` is allowed. By default the tolerance is computed:
        four times the estimated error of the difference quotient, and rounding (eps^(2/3) of the largest
        derivative).
    eps : float, optional
        Step of the central differences in units of the direction, which is as large as x; searched by
        default.
    seed : int
        Of the random directions.

    Raises
    ------
    CheckError
        An AssertionError; it says which order, mode, argument and numbers disagree. Also where the function
        is so rough that nothing can be said.

    Notes
    -----
    Differences are taken in double precision, even of float32. At a kink both sides may be right and differ.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.check_grads(lambda x, y: np.sum(x * x) / y, (np.array([1.0, 2.0]), 3.0))
    >>> @wg.custom_jvp
    ... def cube(x):
    ...     return x ** 3
    >>> _ = cube.defjvp(lambda primals, tangents: (cube(*primals), 2 * primals[0] ** 2 * tangents[0]))
    >>> wg.check_grads(cube, (2.0,))
    Traceback (most recent call last):
        ...
    wengert.errors.CheckError: check_grads: order 1, forward mode, argument 0: jvp and finite ...
    """
    settings = _Settings(_modes(modes), atol, rtol, eps, seed)
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise InputError(f"check_grads: order is a whole number from 1 up, not {order!r}")
    if not callable(f):
        raise InputError(f"check_grads: {not_a_function(f)}")
    _arguments("check_grads", args)
    _check(f, tuple(args), order, settings, np.random.default_rng(seed), ())


def _modes(modes: Sequence[str]) -> tuple[str, ...]:
    found = (modes,) if isinstance(modes, str) else tuple(modes)
    if not found or set(found) - {"fwd", "rev"}:
        raise InputError(f"check_grads: modes are 'fwd' and 'rev', not {modes!r}")
    return found


@dataclass(frozen=True)
class _Settings:
    modes: tuple[str, ...]
    atol: float | None
    rtol: float | None
    eps: float | None
    seed: int

    def tolerance(self, expected: np.ndarray, error: np.ndarray, floor: np.ndarray | float) -> np.ndarray:
        if self.atol is None and self.rtol is None:
            return np.asarray(SAFETY * error + floor)
        return np.asarray((self.atol or 0.0) + (self.rtol or 0.0) * np.abs(expected))


def _check(f: Function, args: tuple[Any, ...], order: int, settings: _Settings, rng: np.random.Generator,
           path: tuple[str, ...]) -> None:
    """One order, then the derived functions. `path` says which modes made f, the innermost first."""
    level = _Level(f, args, settings, rng, path)
    for k in sorted({level.point.owner[a] for a in level.point.active}):
        leaves = [a for a in level.point.active if level.point.owner[a] == k]
        wrong = level.along(f"argument {k}", leaves)
        if wrong and len(leaves) > 1:  # which leaf of it?
            wrong = next((found for a in leaves if (found := level.along(level.point.labels[a], [a]))), wrong)
        if wrong:
            raise CheckError(wrong)
    if order > 1 and level.out.x.size:
        tangents = level.point.unpack(level.v, tangent=True)
        cotangent = level.out.unpack(level.w, tangent=True)
        if "fwd" in settings.modes:
            _check(lambda *a: jvp(f, a, tangents)[1], args, order - 1, settings, rng, (*path, "forward"))
        if "rev" in settings.modes:
            _check(lambda *a: vjp(f, *a)[1](cotangent), args, order - 1, settings, rng, (*path, "reverse"))


class _Level:
    """A function, at a point, with random directions: everything that one order compares."""

    def __init__(self, f: Function, args: tuple[Any, ...], settings: _Settings, rng: np.random.Generator,
                 path: tuple[str, ...]):
        self.f, self.args, self.settings, self.path = f, args, settings, path
        self.point = Vector(args, "argument")
        copies = self.point.spec.unflatten([_copied(leaf) for leaf in self.point.leaves])
        self.out = Vector(f(*copies), "output")
        self.v = self.point.direction(rng)
        size = np.max(np.abs(self.out.x), initial=0.0)
        self.w = rng.normal(size=self.out.x.shape) / (size if np.isfinite(size) and size > 0 else 1.0)
        coarsest = max(self.point.eps_dtype, self.out.eps_dtype, key=lambda d: np.finfo(d).eps)
        self.floor = rounding_floor(coarsest)
        self.pulled: np.ndarray | None = None

    def vector_function(self, x: np.ndarray) -> np.ndarray:
        leaves, spec = flatten(self.f(*self.point.unpack(x)))
        if spec != self.out.spec:
            raise InputError(f"check_grads: the function returned {self.out.spec!r} at the point and "
                             f"{spec!r} near it")
        return self.out.pack(leaves)

    def numerical(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The derivative along v by differences, and its error."""
        from wengert.numeric import directional_estimate
        if self.settings.eps is not None:
            found = directional_estimate(self.vector_function, self.point.x, v, step=self.settings.eps)
            return found.value, found.error
        found = directional_estimate(self.vector_function, self.point.x, v, accuracy=4)
        if not np.all(found.error <= 1e-6 * np.max(np.abs(found.value), initial=0.0)):
            other = directional_estimate(self.vector_function, self.point.x, v, method="richardson")
            better = other.error < found.error
            return np.where(better, other.value, found.value), np.where(better, other.error, found.error)
        return found.value, found.error

    def along(self, label: str, leaves: Sequence[int]) -> str | None:
        """What disagrees when these leaves of the arguments move; None if nothing does."""
        v = np.where(self.point.of_leaves(leaves), self.v, 0.0)
        if not self.out.x.size or not v.size:
            return None
        expected, error = self.numerical(v)
        if wrong := self._unknowable(expected, error):
            return f"{self._where(label)}: {wrong}"
        tangent = None
        if "fwd" in self.settings.modes:
            value, pushed = jvp(self.f, self.args, self.point.unpack(v, tangent=True))
            tangent = self.out.pack(flatten(pushed)[0])
            wrong = self._compare_values(value) or self._compare_forward(tangent, expected, error)
            if wrong:
                return f"{self._where(label, 'forward')}: {wrong}"
        if "rev" in self.settings.modes and (wrong := self._compare_reverse(v, expected, error, tangent)):
            return f"{self._where(label, 'reverse')}: {wrong}"
        return None

    def _where(self, label: str, mode: str = "") -> str:
        chain = " over ".join(f"{m} mode" for m in ((mode,) if mode else ()) + self.path[::-1])
        return ", ".join(part for part in (f"check_grads: order {len(self.path) + 1}", chain, label) if part)

    def _unknowable(self, expected: np.ndarray, error: np.ndarray) -> str | None:
        """Differences with so large an error that they can confirm nothing."""
        if self.settings.atol is not None or self.settings.rtol is not None:
            return None
        size = max(float(np.max(np.abs(expected), initial=0.0)), float(np.max(np.abs(self.out.x))))
        hopeless = ~(error <= 0.01 * size)
        if not np.any(hopeless & ~((expected == 0) & (error == 0))):
            return None
        k = int(np.argmax(hopeless))
        return (f"finite differences cannot tell: {self.out.name(k)} has the derivative {expected[k]:.6g} ± "
                f"{error[k]:.2g}. Is there a kink, a jump or a pole, or is the function not finite?")

    def _compare_values(self, value: Any) -> str | None:
        traced, plain = self.out.pack(flatten(value)[0]), self.out.x
        allowed = self.floor * np.max(np.abs(plain), initial=0.0)
        same = (traced == plain) | (np.isnan(traced) & np.isnan(plain))
        wrong = ~(same | (np.abs(traced - plain) <= allowed))
        if not np.any(wrong):
            return None
        k = int(np.argmax(wrong))
        return f"{self.out.name(k)} is {traced[k]!r} when differentiated and {plain[k]!r} when called"

    def _compare_forward(self, tangent: np.ndarray, expected: np.ndarray, error: np.ndarray) -> str | None:
        floor = self.floor * np.max(np.abs(expected), initial=0.0)
        allowed = self.settings.tolerance(expected, error, floor)
        wrong = ~(np.abs(tangent - expected) <= allowed)
        if not np.any(wrong):
            return None
        k = int(np.argmax(np.where(wrong, np.abs(tangent - expected), -1.0)))
        return (f"jvp and finite differences disagree along a random direction (seed {self.settings.seed}), "
                f"in {int(np.sum(wrong))} of {wrong.size} outputs"
                f"\n  {self.out.name(k)}: jvp gives {tangent[k]:.15g}, differences give {expected[k]:.15g} ± "
                f"{error[k]:.2g}"
                f"\n  they differ by {abs(tangent[k] - expected[k]):.3g}; the tolerance is {allowed[k]:.2g}")

    def _compare_reverse(self, v: np.ndarray, expected: np.ndarray, error: np.ndarray,
                         tangent: np.ndarray | None) -> str | None:
        if self.pulled is None:
            value, pullback = vjp(self.f, *self.args)
            if wrong := self._compare_values(value):  # the forward part of a custom_vjp may give another one
                return wrong
            self.pulled = self.point.pack(flatten(pullback(self.out.unpack(self.w, tangent=True)))[0])
        found = float(np.dot(self.pulled, v))
        spread = float(np.dot(np.abs(self.pulled), np.abs(v)))
        others = [("finite differences", expected, error)]
        if tangent is not None:
            others.append(("jvp", tangent, np.zeros(tangent.shape)))
        for name, other, uncertain in others:
            should, off = float(np.dot(self.w, other)), float(np.dot(np.abs(self.w), uncertain))
            floor = self.floor * (spread + float(np.dot(np.abs(self.w), np.abs(other))))
            allowed = float(self.settings.tolerance(np.asarray(should), np.asarray(off), floor))
            if not abs(found - should) <= allowed:
                return (f"vjp and {name} disagree along random directions (seed {self.settings.seed})"
                        f"\n  ⟨w, J v⟩ is {found:.15g} by vjp and {should:.15g} ± {off:.2g} by {name}"
                        f"\n  they differ by {abs(found - should):.3g}; the tolerance is {allowed:.2g}")
        return None


# ---------------------------------------------------------------- Taylor remainders

STEPS = 0.25 ** np.arange(1.0, 14.0)
CLEAR = 1e3  # a remainder counts where it exceeds rounding by this factor; its rate is then good to 0.1 %
SLACK = 0.15
NAMES = ("value", "first order", "second order")


@dataclass(frozen=True, eq=False)
class TaylorResult:
    """Taylor remainders along one direction; ``print`` it.

    Attributes
    ----------
    steps : ndarray
        h, each a quarter of the one before.
    remainders : ndarray of shape (order + 1, steps)
        ‖f(x + h dx) − Σ_{j≤k} hʲ/j! f⁽ʲ⁾‖ for k = 0, 1, ...
    rates : tuple of float
        The observed power of h of each remainder: k + 1 where the derivatives are right, higher where the
        next one is zero, infinite where the remainder is zero to rounding, NaN where f is too rough to tell.
    used : ndarray of bool, of the shape of `remainders`
        Which of them the rates were read from: small h, above rounding.
    rounding : float
        The rounding error of f, measured.
    ok : bool
        Whether every rate is what it should be.
    """

    steps: np.ndarray
    remainders: np.ndarray
    rates: tuple[float, ...]
    used: np.ndarray
    rounding: float
    ok: bool

    def __str__(self) -> str:
        names = NAMES[:len(self.rates)]
        lines = ["Taylor remainders of f(x + h dx)   (* read for the rate)",
                 "".join([f"{'h':>10}", *[f"{name:>16}" for name in names]])]
        rows = np.flatnonzero(np.any(self.used, axis=0))
        last = min(self.steps.size, int(rows[-1]) + 3 if rows.size else 8)
        for i in range(last):
            marks = ["*" if used else " " for used in self.used[:, i]]
            cells = [f"{r:>14.3e} {mark}" for r, mark in zip(self.remainders[:, i], marks, strict=True)]
            lines.append("".join([f"{self.steps[i]:>10.2e}", *cells]).rstrip())
        lines.append("".join([f"{'rate':>10}", *[f"{rate:>14.2f}  " for rate in self.rates]]).rstrip())
        expected = [f"{k + 1:>14d}  " for k in range(len(self.rates))]
        lines.append("".join([f"{'expected':>10}", *expected]).rstrip())
        wrong = [name for k, name in enumerate(names) if not _fits(self.rates[k], k)]
        lines.append("ok" if self.ok else f"NOT ok: {', '.join(wrong)}")
        return "\n".join(lines)


def _fits(rate: float, k: int) -> bool:
    return rate >= k + 1 - SLACK


def taylor_test(f: Function, x: Any, dx: Any = None, *, order: int = 2, seed: int = 0) -> TaylorResult:
    """Test the first and second derivative by the rates at which Taylor remainders vanish.

    With right derivatives, ‖f(x + h dx) − f(x)‖ is O(h), ‖... − h f'(x) dx‖ is O(h²), and ‖... − h f'(x) dx −
    h²/2 f''(x)[dx, dx]‖ is O(h³). Derivatives of a real scalar function are taken in reverse mode (gradient,
    and forward over reverse), of any other function in forward mode.

    Parameters
    ----------
    f : callable
    x : array, tree, or tuple of arguments
        The point; a tuple is taken as the arguments of f, anything else as the one argument.
    dx : the same structure, optional
        The direction; random and as large as x by default.
    order : {0, 1, 2}
        How many derivatives to test.
    seed : int
        Of the random direction.

    Returns
    -------
    TaylorResult
        With `rates` and `ok`. The steps go down from 1/4; a rate is read from the smallest remainders that
        stand clear of rounding, which is measured.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> result = wg.taylor_test(lambda x: np.sum(x ** 4), np.array([1.0, 2.0]))
    >>> [round(rate, 1) for rate in result.rates], result.ok
    ([1.0, 2.0, 3.0], True)
    """
    if isinstance(order, bool) or order not in (0, 1, 2):
        raise InputError(f"taylor_test: order is 0, 1 or 2, not {order!r}")
    args = x if isinstance(x, tuple) else (x,)
    point = _arguments("taylor_test", args)
    if dx is None:
        v = point.direction(np.random.default_rng(seed))
    else:
        leaves, spec = flatten(dx if isinstance(x, tuple) else (dx,))
        shapes = [np.shape(leaf) for leaf in leaves]
        if spec != point.spec or any(shapes[k] != np.shape(point.leaves[k]) for k in point.active):
            raise InputError("taylor_test: dx has to have the structure and the shapes of x")
        v = point.pack(leaves)
    center = point.unpack(point.x)
    out = Vector(f(*center), "output")

    def along(h: float) -> np.ndarray:
        with np.errstate(all="ignore"):
            return out.pack(flatten(f(*point.unpack(point.x + h * v)))[0])
    terms = _taylor_terms(f, center, point, v, out, order)
    return _taylor_result(along, terms)


def _taylor_terms(f: Function, args: tuple[Any, ...], point: Vector, v: np.ndarray, out: Vector,
                  order: int) -> list[np.ndarray]:
    """f, f'(x) v and f''(x)[v, v] as vectors, in double precision."""
    tangents = point.unpack(v)
    terms = [out.x]
    if out.x.size == 1 and np.shape(out.leaves[out.active[0]]) == () and out.spec.tree is None:
        argnums = tuple(range(len(args)))
        if order:
            terms.append(np.atleast_1d(np.dot(point.pack(flatten(grad(f, argnums)(*args))[0]), v)))
        if order > 1:
            terms.append(np.atleast_1d(np.dot(point.pack(flatten(hvp(f, args, tangents))[0]), v)))
        return terms
    if order:
        terms.append(out.pack(flatten(jvp(f, args, tangents)[1])[0]))
    if order > 1:
        second = jvp(lambda *a: jvp(f, a, tangents)[1], args, tangents)[1]
        terms.append(out.pack(flatten(second)[0]))
    return terms


def _taylor_result(along: Callable[[float], np.ndarray], terms: list[np.ndarray]) -> TaylorResult:
    steps = STEPS
    values = np.stack([along(h) for h in steps])
    remainders, model = np.empty((len(terms), steps.size)), np.zeros_like(values)
    for k, term in enumerate(terms):
        model = model + np.multiply.outer(steps ** k / (1, 1, 2)[k], term)
        remainders[k] = np.linalg.norm(values - model, axis=1)
    rounding = _noise(along, terms[0])
    used = np.zeros(remainders.shape, bool)
    size = float(np.max(np.abs(values[np.isfinite(values)]), initial=0.0))
    rates = tuple(_rate(steps, r, rounding, size, u) for r, u in zip(remainders, used, strict=True))
    ok = all(_fits(rate, k) for k, rate in enumerate(rates))
    return TaylorResult(steps, remainders, rates, used, rounding, ok)


def _noise(along: Callable[[float], np.ndarray], value: np.ndarray) -> float:
    """The rounding error of f: eps, or what fourth differences of neighboring values show (Hamming 1971)."""
    eps = float(np.finfo(float).eps)
    near = np.stack([along(57.3 * eps * j) for j in range(7)])
    spread = np.linalg.norm(np.diff(near, 4, axis=0), axis=1) / np.sqrt(70.0)
    return float(max(eps * np.linalg.norm(value), 3 * np.sqrt(np.mean(spread ** 2)), np.finfo(float).tiny))


def _rate(steps: np.ndarray, remainder: np.ndarray, rounding: float, size: float, used: np.ndarray) -> float:
    """The power of h, from the three smallest remainders that are clear of rounding; marks them in `used`."""
    if not np.any(np.isfinite(remainder)):
        return float("nan")
    with np.errstate(invalid="ignore"):
        clear = np.isfinite(remainder) & (remainder > CLEAR * rounding)
    unclear = np.flatnonzero(~clear & np.isfinite(remainder))
    rows = np.flatnonzero(clear)
    if unclear.size:  # what rises again behind the first unclear step is rounding
        rows = rows[rows < unclear[0]] if np.any(rows < unclear[0]) else rows[:0]
    if rows.size < 2:  # nothing is left of the remainder; but values as rough as these could hide it
        return float("inf") if CLEAR * rounding <= 1e-4 * size or size == 0.0 else float("nan")
    rows = rows[-3:]
    used[rows] = True
    return float(np.polyfit(np.log(steps[rows]), np.log(remainder[rows]), 1)[0])
