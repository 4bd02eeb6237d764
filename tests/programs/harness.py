"""Running one program in several ways, and comparing.

What comes in: the source of a program ``f(x, y, z)``. What goes out: an `Outcome`: equal, refused, a kink, WRONG, or
invalid (plain NumPy raises). The one idea: the comparison knows no rule of differentiation. First derivatives
come from the complex step on a copy of the program in which comparisons, ``np.maximum`` and the like look at real
parts and record what they decided; second derivatives from differences of such slopes between points where all
those decisions are the same. A difference that a decision explains is a kink; nothing else is forgiven.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import itertools
import linecache
import operator
import re
import warnings
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from helpers import HELPERS

import wengert as wg
from wengert.errors import WengertError

__all__ = ["REASONS", "STAGED", "WAYS", "Outcome", "load", "points", "run"]

Values = tuple[Any, ...]

# How the function is prepared before it is differentiated; a further way is one more line.
WAYS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "unstaged": lambda f: f,
    "staged": lambda f: wg.jit(f),
}
STAGED: Counter[bool] = Counter()  # how many programs did, and did not, become one graph
REASONS: Counter[str] = Counter()  # why they did not
STEP = 1e-30
MOVED = 1e-7


class Outcome(NamedTuple):
    """What became of one program: "equal", "refused", "kink", "WRONG" or "invalid", and why."""

    kind: str
    what: str = ""


class Refused(Exception):
    """A wengert error; it names the user's line, or it is a fault of its own."""


class Different(Exception):
    """Two results that should be the same."""


class Kink(Exception):
    """No derivative here: a decision changes within any step."""


# ---------------------------------------------------------------- the program as it stands

def load(source: str, name: str = "<program>") -> Callable[..., Any]:
    """The function f of a program, with its source at hand for whoever rewrites it; helpers that are as ever are one file."""
    text, scope = _without_helpers(source)
    scope = dict(_helpers()) if scope else {"__name__": "program"}
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), scope)
    f: Callable[..., Any] = scope["f"]
    return f


def _without_helpers(source: str) -> tuple[str, bool]:
    known = source.startswith(HELPERS)
    return (source[len(HELPERS):].lstrip("\n") if known else source), known


@functools.cache
def _helpers() -> dict[str, Any]:
    name, scope = "<helpers>", {"__name__": "program"}
    linecache.cache[name] = (len(HELPERS), None, HELPERS.splitlines(True), name)
    exec(compile(HELPERS, name, "exec"), scope)
    return scope


def points(seed: int, count: int = 2) -> list[Values]:
    """Points to run the program at: a vector, a matrix and a number."""
    rng = np.random.default_rng(seed)
    found = [(rng.normal(size=4) * 0.7, rng.normal(size=(3, 4)) * 0.7, float(rng.normal()) * 0.6) for _ in range(count)]
    return [(x, np.asfortranarray(y), z) for x, y, z in found] if seed % 3 == 1 else found  # the order of memory matters


def copied(values: Values) -> Values:
    return tuple(np.array(v) if isinstance(v, np.ndarray) else v for v in values)


def direction(at: Values, rng: Any) -> Values:
    """A direction that lies in memory as the point does, and so do the points moved along it."""
    out = [np.empty_like(x) for x in at]
    for d in out:
        d[...] = rng.normal(size=d.shape)
    return (*out[:-1], float(out[-1]))


def inner(a: Any, b: Any) -> tuple[float, float]:
    """The inner product, and the sum of its absolute values."""
    products = [np.sum(u * v) for u, v in zip(a, b, strict=True)]
    return float(sum(products)), float(sum(np.sum(np.abs(u * v)) for u, v in zip(a, b, strict=True)))


class _Apart(ast.NodeTransformer):
    """What is stored in an array, or copied to one, is a copy of its own."""

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        node.value = ast.Call(ast.Name("__apart__", ast.Load()), [node.value], [])
        return node if any(isinstance(n, ast.Subscript) for t in node.targets for n in ast.walk(t)) else \
            ast.Assign(node.targets, node.value.args[0])  # type: ignore[attr-defined]

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "copyto":
            node.args[1] = ast.Call(ast.Name("__apart__", ast.Load()), [node.args[1]], [])
        return node


def _apart(value: Any) -> Any:
    return tuple(map(_apart, value)) if type(value) is tuple else np.array(value) if isinstance(value, np.ndarray) else value


def overlaps(source: str, at: Values) -> bool:
    """Whether NumPy copies memory to itself in the wrong order: in ``h[1:5] = h[::3]``, it does."""
    scope: dict[str, Any] = {"__name__": "program", "__apart__": _apart}
    exec(compile(ast.fix_missing_locations(_Apart().visit(ast.parse(source))), "<apart>", "exec"), scope)
    return bool(load(source, "<overlaps>")(*copied(at)) != scope["f"](*copied(at)))


# ---------------------------------------------------------------- the program with complex numbers

_COMPARE = {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
            ast.NotEq: operator.ne, ast.Is: operator.is_, ast.IsNot: operator.is_not}


class _Comparisons(ast.NodeTransformer):
    """``a < b < c`` becomes ``__compare__("< <", a, b, c)``."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        names = ast.Constant(" ".join(type(o).__name__ for o in node.ops))
        return ast.copy_location(ast.Call(ast.Name("__compare__", ast.Load()), [names, node.left, *node.comparators], []), node)


def _shadow_code(text: str) -> Any:
    return compile(ast.fix_missing_locations(_Comparisons().visit(ast.parse(text))), "<shadow>", "exec")


@functools.cache
def _shadow_of_helpers() -> Any:
    return _shadow_code(HELPERS)


_BY_NAME = {k.__name__: v for k, v in _COMPARE.items()}


class Shadow:
    """A copy of the program that runs on complex numbers and records its decisions.

    Decisions are listed in order; `ties` counts those that a small step of any size would change.
    """

    def __init__(self, source: str):
        self.decisions: list[Any] = []
        self.ties = 0
        self.scope: dict[str, Any] = {"__name__": "shadow", "__compare__": self.compare}
        text, known = _without_helpers(source)
        if known:
            exec(_shadow_of_helpers(), self.scope)
        exec(_shadow_code(text), self.scope)
        self.scope.update(
            np=_NumPy(self), math=self._math(), float=lambda x: x, abs=lambda x: self.absolute(x), int=self.integer,
            max=lambda *xs: self._best(xs, operator.gt), min=lambda *xs: self._best(xs, operator.lt))

    def run(self, values: Values) -> Any:
        self.decisions, self.ties = [], 0
        with np.errstate(all="ignore"):
            return self.scope["f"](*[x + 0j for x in values])

    def decided(self, what: Any) -> Any:
        self.decisions.append(np.asarray(what).tobytes())
        return what

    def compare(self, names: str, *operands: Any) -> Any:
        result: Any = True
        for name, (a, b) in zip(names.split(), itertools.pairwise(operands), strict=True):
            if name in ("Is", "IsNot"):
                return _BY_NAME[name](a, b)
            a, b = np.real(a), np.real(b)
            if np.asarray(a).dtype.kind == "f" or np.asarray(b).dtype.kind == "f":
                self.ties += int(np.sum(np.abs(a - b) < 1e-13))
            result = self.decided(_BY_NAME[name](a, b))
            if np.ndim(result) == 0 and not result:
                return result
        return result

    def choose(self, a: Any, b: Any, better: Any) -> Any:
        out = np.where(self.decided(better(np.real(a), np.real(b))), a, b)
        self.ties += int(np.sum(np.abs(np.real(a) - np.real(b)) < 1e-13))
        return out[()]

    def _best(self, xs: Any, better: Any) -> Any:
        best, *others = xs if len(xs) > 1 else xs[0]
        for x in others:
            best = self.choose(x, best, better)
        return best

    def absolute(self, x: Any) -> Any:
        if np.asarray(x).dtype.kind in "iub":
            return np.abs(x)
        self.ties += int(np.sum(np.abs(np.real(x)) < 1e-13))
        return np.where(self.decided(np.real(x) < 0), -np.asarray(x), x)[()]

    def integer(self, x: Any) -> int:
        real = float(np.real(x))
        self.ties += int(abs(real - round(real)) < 1e-13 and not isinstance(x, (int, np.integer)))
        return int(self.decided(int(real)))

    def _math(self) -> SimpleNamespace:
        names = {k: getattr(np, k) for k in ("sin", "cos", "tanh", "exp", "sqrt")}
        return SimpleNamespace(**names, hypot=lambda a, b: np.sqrt(a * a + b * b), atan2=lambda a, b: np.arctan(a / b))


class _NumPy:
    """NumPy, where what orders numbers looks at real parts, and new arrays are complex."""

    def __init__(self, shadow: Shadow):
        self._shadow = shadow
        self.zeros = lambda shape, order="C": np.zeros(shape, complex, order)
        self.empty = lambda shape: np.empty(shape, complex)
        self.linalg = SimpleNamespace(norm=lambda x: np.sqrt(np.sum(x * x)), solve=np.linalg.solve)
        self.random = SimpleNamespace(default_rng=lambda seed: SimpleNamespace(
            normal=lambda size: np.random.default_rng(seed).normal(size=size).astype(complex)))
        self.float64 = lambda x: x
        self.abs = shadow.absolute

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if not callable(found) or isinstance(found, (np.ufunc, type)):
            return found

        def function(*args: Any, **kwargs: Any) -> Any:
            out = found(*args, **kwargs)
            return out.astype(complex) if isinstance(out, np.ndarray) and out.dtype.kind == "f" else out
        return function

    def full(self, shape: Any, value: Any) -> Any:
        return np.full(shape, value, complex)

    def maximum(self, a: Any, b: Any, out: Any = None) -> Any:
        chosen = self._shadow.choose(a, b, operator.ge)
        if out is None:
            return chosen
        out[...] = chosen
        return out

    def minimum(self, a: Any, b: Any) -> Any:
        return self._shadow.choose(a, b, operator.le)

    def clip(self, x: Any, low: Any, high: Any) -> Any:
        return self.minimum(self.maximum(x, low), high)

    def _order(self, x: Any, axis: int = -1) -> Any:
        x = np.asarray(x)
        order = np.argsort(x.real, axis=axis, kind="stable")
        ordered = np.sort(x.real, axis=axis)
        self._shadow.ties += int(np.sum(np.diff(ordered, axis=axis) < 1e-13)) if x.dtype.kind in "fc" else 0
        return self._shadow.decided(order)

    def argsort(self, x: Any) -> Any:
        return self._order(x)

    def argmax(self, x: Any) -> Any:
        self._order(x)
        return np.argmax(np.real(x))

    def sort(self, x: Any) -> Any:
        return x[self._order(x)]

    def max(self, x: Any, axis: int | None = None) -> Any:
        return self._extreme(x, axis, -1)

    def min(self, x: Any, axis: int | None = None) -> Any:
        return self._extreme(x, axis, 0)

    def _extreme(self, x: Any, axis: int | None, place: int) -> Any:
        x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
        return np.take_along_axis(x, np.take(self._order(x, axis), [place], axis), axis).squeeze(axis)[()]

    def interp(self, x: Any, xp: Any, fp: Any) -> Any:
        xp, fp = np.asarray(xp), np.asarray(fp)
        self._shadow.ties += int(np.sum(np.abs(np.subtract.outer(x.real, xp)) < 1e-13))
        k = np.clip(self._shadow.decided(np.searchsorted(xp, x.real, side="right")) - 1, 0, len(xp) - 2)
        inside = fp[k] + (x - xp[k]) * (fp[k + 1] - fp[k]) / (xp[k + 1] - xp[k])
        return np.where(x.real <= xp[0], fp[0], np.where(x.real >= xp[-1], fp[-1], inside))


def complex_step(shadow: Shadow, at: Values, v: Values) -> tuple[float, float]:
    """Value and derivative along v."""
    out = shadow.run(tuple(x + 1j * STEP * d for x, d in zip(at, v, strict=True)))
    return float(np.real(out)), float(np.imag(out)) / STEP


# ---------------------------------------------------------------- the comparisons

def moved(at: Values, v: Values, h: float) -> Values:
    return tuple(x + h * d for x, d in zip(at, v, strict=True))


def check_value(plain: Any, got: Any, where: str) -> None:
    if type(got) is not type(plain) and not (isinstance(got, float) and isinstance(plain, float)):
        raise Different(f"{where}: a {type(got).__name__} instead of a {type(plain).__name__}")
    if not abs(got - plain) <= 1e-12 * (1.0 + abs(plain)):
        raise Different(f"{where}: {got!r} instead of {plain!r}")


class Point:
    """A point, and what the program has there without wengert: its value, and derivatives along two directions."""

    def __init__(self, f: Callable[..., Any], shadow: Shadow, at: Values, rng: Any):
        self.shadow, self.at = shadow, at
        self.plain = f(*copied(at))
        self.v, self.u = direction(at, rng), direction(at, rng)
        self.ties = 0
        self._known: dict[str, Any] = {}

    def slope(self) -> float:
        """The derivative along v by the complex step."""
        if "slope" not in self._known:
            value, self._known["slope"] = complex_step(self.shadow, self.at, self.v)
            self.ties = self.shadow.ties
            self._known["agrees"] = abs(value - self.plain) <= 1e-9 * (1 + abs(self.plain))
        if not self._known["agrees"]:
            raise Kink("the complex program decides differently")
        return float(self._known["slope"])

    def slope_beside(self, h: float, along: Values) -> float:
        """The slope at ``x + h v``."""
        return complex_step(self.shadow, moved(self.at, self.v, h), along)[1]

    def second(self) -> tuple[float, float]:
        """``d/dt`` of the slope along u at ``x + t v``, and its error, from points where all decisions are those of x."""
        if "second" not in self._known:
            self._known["second"] = self._second()
        if self._known["second"] is None:
            raise Kink("second derivative")
        return self._known["second"]  # type: ignore[no-any-return]

    def _second(self) -> tuple[float, float] | None:
        complex_step(self.shadow, self.at, self.u)
        here = self.shadow.decisions
        for first in (2e-3, 2e-4, 2e-5):
            slopes = []
            for h in (first, first / 2, first / 4):
                ends = []
                for step in (h, -h):
                    ends.append(self.slope_beside(step, self.u))
                    if self.shadow.decisions != here:
                        break
                else:
                    slopes.append((ends[0] - ends[1]) / (2 * h))
                    continue
                break
            if len(slopes) == 3:
                once = [(4 * b - a) / 3 for a, b in itertools.pairwise(slopes)]
                twice = (16 * once[1] - once[0]) / 15
                error = abs(twice - once[1])
                if error <= 1e-6 * (1.0 + abs(twice)):
                    return twice, error
        return None


def check_slope(point: Point, slope: float, scale: float, where: str) -> None:
    """A slope along v against the complex step; a difference is a kink only if a tie explains it."""
    expected = point.slope()
    if scale > 1e9 * (1.0 + abs(point.plain)):
        raise Kink("rounding errors are as large as the value")
    if abs(slope - expected) <= 1e-10 * (scale + abs(expected) + 1.0):
        return
    if point.ties:
        left, right = point.slope_beside(-MOVED, point.v), point.slope_beside(MOVED, point.v)
        if abs(left - right) > 1e-5 * (scale + abs(left) + 1.0):
            raise Kink("first derivative")
    raise Different(f"{where}: the slope is {slope!r}, the complex step gives {expected!r}")


def check_reverse(point: Point, value_and_grad: Callable[..., Any], where: str) -> float:
    """Value and gradient; gives the scale that rounding errors of the slope have."""
    value, gradient = value_and_grad(*point.at)
    check_value(point.plain, value, f"{where}, reverse")
    slope, scale = inner(gradient, point.v)
    check_slope(point, slope, scale, f"{where}, reverse")
    return scale


def check_forward(point: Point, way: Callable[..., Any], scale: float, where: str) -> None:
    value, tangent = wg.jvp(way, point.at, point.v)
    check_value(point.plain, value, f"{where}, forward")
    check_slope(point, tangent, max(scale, abs(tangent)), f"{where}, forward")


def check_second(point: Point, f: Callable[..., Any], where: str) -> None:
    """Forward over reverse against differences of slopes."""
    hv = wg.hvp(f, point.at, point.v)
    got, scale = inner(point.u, hv)
    expected, error = point.second()
    if abs(got - expected) > 1e-7 * (2 * scale + 1.0 + inner(hv, hv)[0] ** 0.5) + 10 * error:
        if point.ties:
            raise Kink("second derivative")
        raise Different(f"{where}: the second derivative is {got!r}, differences give {expected!r}")


def check_way(way: Callable[..., Any], points_: list[Point], seed: int, second: bool, label: str) -> str:
    """One way of running a program at all points; gives what kink was met."""
    kink, names = "", (0, 1, 2)
    jitted = hasattr(way, "found")
    prepared = wg.value_and_grad(way, argnums=names)
    scale: float | None = None
    for k, point in enumerate(points_):
        where, kept = f"{label}, point {k}", copied(point.at)
        try:
            point.slope()
            if jitted:
                check_value(point.plain, way(*point.at), where)
                if k == 0 and not staged(way) and seed % 8:
                    return kink  # it is the unstaged program
            if scale is None:
                scale = check_reverse(point, prepared, where)
            elif k == 1:
                check_forward(point, way, scale, where)
            if second and k == 0:
                check_second(point, way, where)
        except Kink as e:
            kink = str(e)
        if any(not np.array_equal(a, b) for a, b in zip(point.at, kept, strict=True)):
            raise Different(f"{where}: an argument was changed")
    return kink


def staged(way: Any) -> bool:
    """Whether all signatures that a `jit` function was called with became graphs."""
    return all(found.graph is not None for found in way.found.values())


def check_staged_gradient(f: Callable[..., Any], points_: list[Point]) -> None:
    """The gradient itself as one graph."""
    way = wg.jit(wg.value_and_grad(f, argnums=(0, 1, 2)))
    for k, point in enumerate(points_):
        with contextlib.suppress(Kink):
            point.slope()
            check_reverse(point, way, f"staged gradient, point {k}")


def run(source: str, seed: int, ways: dict[str, Any] | None = None, second: bool | None = None, name: str = "") -> Outcome:
    """The outcome of one program, at a few points, in all ways.

    Second derivatives are taken of every fourth seed (or of all, or none, with `second`), staged gradients of every eighth.
    """
    name = name or f"<program {seed}>"
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _run(source, seed, WAYS if ways is None else ways, seed % 4 == 0 if second is None else second, name)
    finally:
        linecache.cache.pop(name, None)


def _run(source: str, seed: int, ways: dict[str, Any], second: bool, name: str) -> Outcome:
    try:
        f, shadow, rng = load(source, name), Shadow(source), np.random.default_rng(seed + 1)
        there = [Point(f, shadow, at, rng) for at in points(seed, 3)]
        if not all(np.isfinite(p.plain) and abs(p.plain) < 1e6 for p in there):
            return Outcome("invalid", "not finite, or large")
        shadow.run(there[0].at)
    except Exception as e:
        return Outcome("invalid", f"{type(e).__name__}: {e}")
    kink = ""
    for label, prepare in ways.items():
        try:
            way = prepare(f)
            kink = check_way(way, there if hasattr(way, "found") else there[:2], seed, second, label) or kink
            if hasattr(way, "found"):
                STAGED[staged(way)] += 1
                REASONS.update(reason(found.reason) for found in way.found.values() if found.graph is None)
                if staged(way) and seed % 8 == 2:
                    check_staged_gradient(f, there)
        except WengertError as e:
            return Outcome("refused" if re.search(r"line \d+|:\d+", str(e)) else "WRONG", f"{type(e).__name__}: {e}")
        except Different as e:
            if any(overlaps(source, p.at) for p in there):
                return Outcome("invalid", "NumPy copies overlapping memory in the wrong order")
            return Outcome("WRONG", str(e))
        except Exception as e:  # plain NumPy did not raise
            return Outcome("WRONG", f"{label}: {type(e).__name__}: {e}")
    return Outcome("kink", kink) if kink else Outcome("equal")


def reason(refusal: str) -> str:
    """A refusal without the places and numbers that differ between programs."""
    return re.sub(r"<(program|helpers)[^>]*>:?\d*|line \d+|\d+|`[^`]*`", "_", refusal)[:110]
