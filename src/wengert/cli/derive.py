"""Derivatives at a point, each held against a method that shares nothing with it.

What comes in: a `Target`. What goes out: a `Result`: the value, the derivatives of every order up to the one
wanted, and for each the same numbers by the complex step or by Richardson differences, with their error and a
verdict. The one idea: all inputs are one vector and all outputs another, so a derivative of order k is one
array of shape (outputs, inputs, ..., inputs), compared whole, or along random directions where the whole
would take too long.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import wengert as wg
from wengert.check import SAFETY, rounding_floor
from wengert.cli.target import Target
from wengert.errors import InputError

__all__ = ["Check", "Derivative", "Result", "derive"]

Progress = Callable[[str], None]
TOO_MANY = 20_000_000  # elements of one derivative
PATIENCE = 10.0  # seconds that a check may take before it is done along directions only
DIRECTIONS = 3
ROUGH = "the function is too rough for differences here (a kink, a pole, noise?)"
UNDEFINED = "the derivative is not finite"
KINK = "left and right derivatives differ here; the value lies between them (a subgradient)"
NO_VALUE = "the value is not finite, so there is no derivative"


@dataclass
class Check:
    """What the independent method says.

    `numbers` are its values in the derivative's shape, or None where only directions were compared;
    `difference` is the largest disagreement, `error` the estimated error of the method there; `kinks` are the
    elements where the function has a kink.
    """

    method: str
    verdict: str  # "agrees", "kink", "DISAGREES", "no check" or "undefined"
    numbers: np.ndarray | None
    errors: np.ndarray | None
    difference: float
    error: float
    note: str = ""
    kinks: np.ndarray | None = None


@dataclass
class Derivative:
    """The derivative of one output with regard to inputs `wrt`, as often as they are named."""

    output: str
    wrt: tuple[str, ...]
    value: np.ndarray
    output_shape: tuple[int, ...]
    ranks: tuple[int, ...]  # how many axes belong to each name of `wrt`
    check: Check


@dataclass
class Result:
    target: Target
    outputs: list[tuple[str, Any]]
    derivatives: list[Derivative]

    @property
    def ok(self) -> bool:
        return all(d.check.verdict in ("agrees", "kink", "no check") for d in self.derivatives)


def derive(target: Target, order: int, progress: Progress) -> Result:
    """Value and derivatives of the orders 1, ..., `order`."""
    progress("evaluating")
    start = time.perf_counter()
    with target.running():
        value = target.at(target.point)
    flat = _Flat(target, value, time.perf_counter() - start)
    if order > 2 and any(np.size(x) != 1 for x in target.point):
        raise InputError(f"--order {order} needs scalar inputs; {', '.join(target.wrt)} "
                         f"{'are' if len(target.wrt) > 1 else 'is'} not: the highest order of arrays is 2")
    if order > 1 and flat.is_complex and not flat.holomorphic:
        raise InputError("a real function of complex variables has a gradient here and no second derivative: "
                         "write it as a function of real and imaginary parts")
    derivatives: list[Derivative] = []
    for k in range(1, order + 1):
        if flat.m * flat.d ** k > TOO_MANY:
            raise InputError(f"the derivative of order {k} would have {flat.m * flat.d ** k:,} elements; "
                             f"choose fewer inputs by --wrt, or return a sum")
        progress(f"differentiating, order {k}")
        whole = flat.derivative(k)
        derivatives += _blocks(flat, whole, k, progress)
    return Result(target, flat.outputs, derivatives)


# ---------------------------------------------------------------- outputs and inputs as vectors

def _leaves(value: Any, label: str, name: str) -> list[tuple[str, Any]]:
    """The numbers and arrays of an output, with what each is called."""
    if isinstance(value, dict):
        return [leaf for key, x in value.items() for leaf in _leaves(x, f"{label}[{key!r}]", name)]
    if isinstance(value, (tuple, list)):
        return [leaf for k, x in enumerate(value) for leaf in _leaves(x, f"{label}[{k}]", name)]
    if value is None:
        raise InputError(f"{name} returned None; is a return missing?")
    numeric = isinstance(value, (bool, int, float, complex, np.ndarray, np.generic))
    found = np.asarray(value) if numeric else None
    if found is None or found.dtype.kind not in "fciub":
        kind = f"array of {found.dtype}" if found is not None else type(value).__name__
        raise InputError(f"{name} returned a {kind}, not a number or an array of numbers")
    return [(label, found)]


class _Flat:
    """The target from one vector to another."""

    def __init__(self, target: Target, value: Any, seconds: float):
        self.target, self.seconds = target, seconds
        self.outputs = _leaves(value, target.source.name, target.source.text)
        self.structure = value
        self.m = sum(x.size for _, x in self.outputs)
        if self.m == 0:
            raise InputError(f"{target.source.text} returned no numbers: an empty "
                             f"{'container' if not self.outputs else 'array'}")
        self.is_complex = any(np.iscomplexobj(x) for x in target.point)
        self.complex_out = any(np.iscomplexobj(x) for _, x in self.outputs)
        self.holomorphic = self.is_complex and self.complex_out
        if self.holomorphic:  # then all are complex variables
            for k in target.places:
                target.args[k] = target.args[k] + 0j
        self.sizes = [int(np.size(x)) for x in target.point]
        self.d = sum(self.sizes)
        kind = np.result_type(*[np.asarray(x).dtype for x in target.point])
        self.dtype = kind
        self.x = np.concatenate([np.ravel(x) for x in target.point]).astype(
            np.complex128 if self.is_complex else np.float64)
        self.scalar = len(self.outputs) == 1 and self.outputs[0][1].shape == () and \
            not isinstance(value, (dict, tuple, list)) and not self.complex_out

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The outputs at x, in double precision."""
        point, start = [], 0
        for like, size in zip(self.target.point, self.sizes, strict=True):
            part = x[start:start + size].reshape(np.shape(like))
            if np.iscomplexobj(part) and self.is_complex and not np.iscomplexobj(like):
                part = part.real
            start += size
            if type(like) is float and part.dtype.kind == "f":
                point.append(part.item())
            else:
                point.append(part.copy() if part.ndim else part[()])
        leaves = _leaves(self.target.at(point), "", self.target.source.text)
        return np.concatenate([leaf.ravel() for _, leaf in leaves])

    def scale(self, order: int) -> float:
        """The size of the values, divided by that of x for each order: what a derivative is like."""
        sizes = [np.abs(x[np.isfinite(x)]) for _, x in self.outputs]
        largest = max(float(np.max(s, initial=0.0)) for s in sizes)
        return largest / (float(np.max(np.abs(self.x), initial=0.0)) or 1.0) ** order

    def derivative(self, order: int) -> np.ndarray:
        """The whole derivative of an order: shape (m, d, ..., d)."""
        target, argnums = self.target, tuple(self.target.places)
        g: Any = target.function
        if self.scalar and not self.holomorphic and order <= 2:
            g = wg.grad(g, argnums) if order == 1 else wg.hessian(g, argnums)
        else:
            for k in range(order):
                if self.complex_out or k > 0:
                    g = wg.jacfwd(g, argnums, holomorphic=self.holomorphic)
                else:
                    g = wg.jacobian(g, argnums)
        with target.running():
            found = g(*target.args, **target.kwargs)
        out = [found] if self.scalar else _matching(found, self.structure)
        parts = [self._dense(leaf, (x.size,), order) for leaf, (_, x) in zip(out, self.outputs, strict=True)]
        return np.concatenate(parts)

    def _dense(self, nested: Any, shape: tuple[int, ...], depth: int) -> np.ndarray:
        """Nested tuples over the inputs, as one array."""
        if depth == 0:
            return np.reshape(nested, shape)
        return np.concatenate([self._dense(x, (*shape, n), depth - 1)
                               for x, n in zip(nested, self.sizes, strict=True)], axis=len(shape))


def _matching(found: Any, structure: Any) -> list[Any]:
    """The parts of `found` at the leaves of the output."""
    if isinstance(structure, dict):
        return [leaf for key in structure for leaf in _matching(found[key], structure[key])]
    if isinstance(structure, (tuple, list)):
        return [leaf for x, y in zip(found, structure, strict=True) for leaf in _matching(x, y)]
    return [found]


# ---------------------------------------------------------------- the independent method

@dataclass
class _Numeric:
    method: str
    value: np.ndarray | None = None  # of the shape of the derivative
    error: np.ndarray | None = None
    along: list[tuple[np.ndarray, np.ndarray, np.ndarray]] | None = None  # directions, values, errors
    note: str = ""
    sides: tuple[_Numeric, _Numeric] | None = None  # from the left and from the right


def _numeric(flat: _Flat, order: int, progress: Progress) -> _Numeric:
    calls = 0

    def counted(x: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        progress(f"checking order {order}: {calls} evaluations")
        return flat(x)
    methods = ["richardson"] if flat.is_complex or flat.complex_out else ["complex", "richardson"]
    note = ""
    for method in methods:
        try:
            # what the program prints, it printed at the point already
            with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
                found = _by(flat, counted, order, method)
                if order == 1 and not (flat.is_complex or flat.complex_out):  # central differences do not see a kink
                    found.sides = _by(flat, counted, order, "backward"), _by(flat, counted, order, "forward")
                return found
        except Exception as error:  # the user's function at points and with numbers it was not written for
            note = " ".join(str(error).split())
    return _Numeric("none", note=note)


def _by(flat: _Flat, f: Callable[[np.ndarray], np.ndarray], order: int, method: str) -> _Numeric:
    """The derivative by one method; raises what the method raises."""
    numeric, name = wg.numeric, {"complex": "complex step", "richardson": "Richardson differences"}.get(method, method)
    x = flat.x
    each = {"complex": 3, "richardson": 45}.get(method, 15) * (1 if order == 1 else 6 * flat.d)
    whole = flat.d * each * flat.seconds < PATIENCE and flat.m * flat.d ** order <= 1_000_000
    if flat.d == 1 and not (flat.is_complex and not flat.holomorphic):
        found = numeric.directional_estimate(f, x, np.ones(1), order=order, method=method)
        shape = (flat.m,) + (1,) * order
        return _Numeric(name, np.reshape(found.value, shape), np.reshape(found.error, shape))
    if whole and order == 1 and flat.is_complex and not flat.holomorphic:
        found = numeric.gradient_estimate(lambda z: f(z)[0], x, method=method)
        return _Numeric(name, found.value[None], found.error[None])
    if whole and order == 1:
        found = numeric.jacobian_estimate(f, x, method=method, holomorphic=flat.holomorphic)
        return _Numeric(name, found.value, found.error)
    if whole and order == 2 and flat.m == 1 and not flat.is_complex and not flat.complex_out:
        found = numeric.hessian_estimate(lambda z: f(z)[0], x, method=method)
        return _Numeric(name, found.value[None], found.error[None])
    rng, along = np.random.default_rng(0), []
    for _ in range(DIRECTIONS):
        v = rng.uniform(0.5, 1.5, x.shape) * rng.choice([-1.0, 1.0], x.shape)
        v = v * np.where(x == 0, 1.0, np.abs(x))
        found = numeric.directional_estimate(f, x, v, order=order, method=method)
        along.append((v, np.asarray(found.value), np.asarray(found.error)))
    return _Numeric(name, along=along)


# ---------------------------------------------------------------- verdicts

def _blocks(flat: _Flat, whole: np.ndarray, order: int, progress: Progress) -> list[Derivative]:
    """One `Derivative` for each output and each choice of inputs, with its check."""
    numeric = _numeric(flat, order, progress)
    floor = rounding_floor(flat.dtype)
    shared = _along(flat, whole, numeric, floor, order) if numeric.along is not None else None
    names, shapes = flat.target.wrt, [np.shape(x) for x in flat.target.point]
    starts = np.concatenate([[0], np.cumsum(flat.sizes)])
    found, row = [], 0
    for label, out in flat.outputs:
        for choice in itertools.combinations_with_replacement(range(len(names)), order):
            where = (slice(row, row + out.size), *[slice(starts[i], starts[i + 1]) for i in choice])
            shape = (*out.shape, *[n for i in choice for n in shapes[i]])
            if not np.all(np.isfinite(out)):
                check = Check(numeric.method, "undefined", None, None, math.nan, math.nan, NO_VALUE)
            else:
                check = shared or _whole(whole[where], numeric, where, floor, flat.scale(order), shape)
            value = np.reshape(whole[where], shape)
            ranks = tuple(len(shapes[i]) for i in choice)
            found.append(Derivative(label, tuple(names[i] for i in choice), value, out.shape, ranks, check))
        row += out.size
    return found


def _rough(error: np.ndarray, size: float, scale: float) -> bool:
    """Whether the error is too large to confirm a derivative of this size, of a function of this scale."""
    return not np.all(error <= max(0.01 * size, 1e-6 * scale, 1e-12))


def _whole(value: np.ndarray, numeric: _Numeric, where: tuple[slice, ...], floor: float, scale: float,
           shape: tuple[int, ...]) -> Check:
    """The verdict on one block, of which the independent method knows every element."""
    if not np.all(np.isfinite(value)):
        return Check(numeric.method, "undefined", None, None, math.nan, math.nan, UNDEFINED)
    if numeric.value is None or numeric.error is None:
        return Check("none", "no check", None, None, math.nan, math.nan, numeric.note)
    other, error = numeric.value[where], numeric.error[where]
    size = float(np.max(np.abs(value), initial=0.0))
    difference = np.abs(value - other)
    kinks, subgradient = _kinks(value, [(s.value[where], s.error[where]) for s in numeric.sides or ()
                                        if s.value is not None and s.error is not None], floor, scale)
    note, verdict = "", "agrees"
    if _rough(np.where(kinks, 0.0, error), size, scale):
        verdict, note = "no check", ROUGH
    elif not np.all(np.where(kinks, subgradient, difference <= SAFETY * error + floor * size)):
        verdict = "DISAGREES"
    elif np.any(kinks):
        verdict, note = "kink", KINK
    worst = int(np.argmax(np.where(np.isfinite(difference), difference, np.inf))) if difference.size else 0
    return Check(numeric.method, verdict, np.reshape(other, shape), np.reshape(error, shape),
                 float(difference.flat[worst]) if difference.size else 0.0,
                 float(error.flat[worst]) if error.size else 0.0, note, np.reshape(kinks, shape))


def _kinks(value: np.ndarray, sides: list[tuple[np.ndarray, np.ndarray]], floor: float,
           scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Where differences from the left and from the right are both sure and differ; and where the value lies between."""
    if len(sides) != 2:
        return np.zeros(value.shape, bool), np.zeros(value.shape, bool)
    (left, error), (right, other) = sides
    slack = SAFETY * (error + other) + floor * np.maximum(np.abs(left), np.abs(right))
    sure = error + other <= np.maximum(0.01 * np.abs(right - left), max(1e-6 * scale, 1e-12))
    between = (np.minimum(left, right) - slack <= value) & (value <= np.maximum(left, right) + slack)
    return sure & (np.abs(right - left) > slack), between


def _along(flat: _Flat, whole: np.ndarray, numeric: _Numeric, floor: float, order: int) -> Check:
    """The verdict on a whole derivative of which only directions are known."""
    method, worst, off = f"{numeric.method}, {DIRECTIONS} directions", 0.0, 0.0
    if not np.all(np.isfinite(whole)):
        return Check(method, "undefined", None, None, math.nan, math.nan, UNDEFINED)
    verdict, note = "agrees", ""
    along = numeric.along or []
    sides = [s.along for s in numeric.sides or () if s.along is not None]
    for k, (v, other, error) in enumerate(along):
        mine = whole
        for _ in range(order):
            mine = mine @ v
        if flat.is_complex and not flat.holomorphic:
            mine = np.real(np.conj(whole) @ v)
        size = float(np.max(np.abs(other), initial=0.0))
        difference = np.abs(mine - other)
        kinks, subgradient = _kinks(mine, [side[k][1:] for side in sides], floor, flat.scale(0))
        if _rough(np.where(kinks, 0.0, error), size, flat.scale(0)):
            verdict, note = "no check", ROUGH
        elif not np.all(np.where(kinks, subgradient, difference <= SAFETY * error + floor * size)):
            verdict, note = ("DISAGREES", "") if verdict in ("agrees", "kink") else (verdict, note)
        elif np.any(kinks) and verdict == "agrees":
            verdict, note = "kink", KINK
        worst, off = max(worst, float(np.max(difference))), max(off, float(np.max(error)))
    return Check(method, verdict, None, None, worst, off, note)
