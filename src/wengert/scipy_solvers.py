"""The solvers of ``scipy.optimize`` by their own names, on functions that use traced values.

What comes in: a call as users write it, such as ``brentq(lambda x: x**3 - a, 0.0, 2.0)`` inside a function that is
differentiated with regard to a. What goes out: what SciPy gives, its solution traced. The one idea: SciPy runs with the
arguments that it was given, on functions of ordinary arrays; which equation the result solves, and what of it is to be
differentiated, is all that a solver needs said about it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert import solutions
from wengert.errors import InputError, UnsupportedError, WengertError, kind_of
from wengert.frontends import flow
from wengert.frontends.reach import call as reach_call
from wengert.frontends.registry import FUNCTIONS, NeedsValueError
from wengert.frontends.scipy_api import scipy_function
from wengert.frontends.trace import active_frame, user_line
from wengert.frontends.tracer import Tracer
from wengert.graph import ArrayType
from wengert.solutions import Call, Equation, Found, Function, is_traced, plain

__all__ = ["Problem", "frozen", "limits", "limits_of_pair", "report_way", "solver", "start_of", "user_call"]

SCALAR = ArrayType((), np.float64)


def user_call(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function of the user's in a trace."""
    return (flow.call if active_frame() is not None else reach_call)(f, *args, **kwargs)


def frozen(x: Any) -> Any:
    """Options as a key, or None if they are not all plain."""
    if isinstance(x, dict):
        return tuple([(k, frozen(v)) for k, v in sorted(x.items())])
    if isinstance(x, (list, tuple)):
        return tuple([frozen(v) for v in x])
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype, x.tobytes()
    return (type(x), x) if x is None or isinstance(x, (bool, int, float, str, np.generic)) else (type(x), id(x))


@functools.cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """That of one of the solvers registered here, which are few."""
    return inspect.signature(function)


class Problem:
    """A call of one of SciPy's solvers: its arguments by name, taken one after the other.

    Parameters
    ----------
    function : callable
        SciPy's.
    args, kwargs
        The arguments it was given.
    """

    def __init__(self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]):
        self.function, self.name = function, function.__name__
        self.given = dict(_signature(function).bind(*args, **kwargs).arguments)
        self.given.update(self.given.pop("kwargs", None) or {} if self.name == "curve_fit" else {})
        self.original = dict(self.given)
        extra = self.given.pop("args", ())
        self.args = extra if isinstance(extra, tuple) else (extra,)
        self.words = self.given.pop("kwargs", None) or {}
        self.functions: list[Function] = []
        self.places: dict[str, int] = {}
        self.failed: BaseException | None = None

    def take(self, name: str, default: Any = None) -> Any:
        return self.given.pop(name, default)

    def stage(self, name: str, *types: ArrayType) -> None:
        """Make a graph of an argument that is a function; nothing if there is none."""
        f = self.given.get(name)
        if not callable(f):
            return
        self.given.pop(name)
        self.add(name, lambda *xs: user_call(f, *xs, *self.args, **self.words), *types)

    def add(self, name: str, f: Callable[..., Any], *types: ArrayType) -> None:
        try:
            found = Function(self.name, f, types)
        except NeedsValueError:
            raise
        except Exception as error:  # perhaps nothing in it is traced, and SciPy can call it as it is
            if active_frame() is not None:
                raise
            self.failed = error
            return
        self.places[name] = len(self.functions)
        self.functions.append(found)

    def is_plain(self, *starts: Any) -> bool:
        """Whether nothing here is traced."""
        return self.failed is not None or not (is_traced(list(starts)) or any(f.traced for f in self.functions))

    def run_plain(self) -> Any:
        """SciPy's own result, of functions that use nothing traced."""
        def wrapped(f: Any) -> Any:
            def call(*args: Any, **kwargs: Any) -> Any:
                out = user_call(f, *args, **kwargs)
                if is_traced(out) and self.failed is not None:
                    raise self.failed
                return out
            return call if callable(f) and not isinstance(f, type) else f
        try:
            return self.function(**{k: wrapped(v) for k, v in self.original.items()})
        except WengertError as error:
            raise (self.failed or error) from None

    def options(self) -> dict[str, Any]:
        return {k: plain(v, f"the option {k} of {self.name}") for k, v in self.given.items()}

    def solved(self, starts: Sequence[Any], shape: tuple[int, ...], equation: Equation, run: Callable[..., Any],
               read: Callable[..., Any], bounds: Sequence[Any] = ()) -> Found:
        """``run(functions by name, starts, options)`` gives SciPy's result."""
        options, places = self.options(), self.places

        def call(functions: Sequence[Any], at: Sequence[Any]) -> Any:
            return run({name: functions[k] for name, k in places.items()}, at, options)
        key = (self.function, tuple(places), tuple(sorted(self.original)), frozen(options))  # x0 and x1 are no bracket
        return solutions.solve(Call(self.name, call, read, key), self.functions, starts, shape, equation, bounds=bounds)


def solver(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register ``make(function, args, kwargs)`` for solvers of ``scipy.optimize``."""
    def register(make: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            def implementation(*args: Any, name: str = name, **kwargs: Any) -> Any:
                from scipy import optimize
                return make(Problem(getattr(optimize, name), args, kwargs))
            scipy_function(f"scipy.optimize.{name}", as_given=True)(implementation)
        return make
    return register


def report_way(x: Any, *starts: Any) -> Any:
    """How far each element went from the start that is farthest."""
    return np.max([np.abs(np.asarray(x, float) - np.asarray(s, float)) for s in starts], axis=0)


def _float(x: Any) -> Any:
    """A start, in double precision."""
    return FUNCTIONS[np.array](x, dtype=np.float64) if is_traced(x) else (
        x.astype(np.float64) if isinstance(x, Tracer) else np.array(x, np.float64))


def start_of(name: str, x0: Any) -> Any:
    """Where a solver starts, in double precision."""
    if not is_traced(x0) and not isinstance(x0, Tracer) and np.asarray(x0).dtype.kind not in "fiub":
        raise InputError(f"{name}: x0 is an array of real numbers, not {kind_of(x0)} of dtype {np.asarray(x0).dtype}")
    return _float(x0)


# ---------------------------------------------------------------- one equation

@solver("brentq", "bisect", "ridder", "brenth", "toms748")
def _bracketing(p: Problem) -> Any:
    p.stage("f", SCALAR)
    a, b = p.take("a"), p.take("b")
    if p.is_plain(a, b):
        return p.run_plain()
    full = p.take("full_output", False)

    def run(fs: Any, at: Any, options: Any) -> Any:
        return p.function(fs["f"], float(at[0]), float(at[1]), full_output=True, **options)
    found = p.solved([_float(a), _float(b)], (), solutions.root, run,
                     lambda out, at: (out[0], out[1].converged, abs(float(at[1]) - float(at[0]))))
    if isinstance(found.x, Tracer):
        found.x.kind = "scalar"
    return (found.x, _report(found, found.result and found.result[1], root=found.x)) if full else found.x


@solver("newton")
def _newton(p: Problem) -> Any:
    x0, x1 = p.take("x0"), p.take("x1")
    _require_real(p, x0)
    start = _float(x0)
    like = ArrayType(start.shape, np.float64)
    p.stage("func", like)
    for name in ("fprime", "fprime2"):
        p.stage(name, like)
    if p.is_plain(x0, x1):
        return p.run_plain()
    full = p.take("full_output", False)
    starts = [start] if x1 is None else [start, _float(x1)]

    def run(fs: Any, at: Any, options: Any) -> Any:
        words = {**fs, **options, **({"x1": at[1]} if len(at) > 1 else {})}
        return p.function(words.pop("func"), at[0], full_output=True, **words)

    def read(out: Any, at: Any) -> Any:
        converged = out[1].converged if not np.ndim(at[0]) else np.all(out[1])
        return out[0], converged, report_way(out[0], *at)
    found = p.solved(starts, start.shape, solutions.root, run, read)
    if not full:
        return found.x
    if start.shape:
        if found.result is None:
            raise UnsupportedError(f"newton(full_output=True) of an array in a staged program (at {user_line()})")
        return type(found.result)(found.x, *found.result[1:])
    return found.x, _report(found, found.result and found.result[1], root=found.x)


@solver("root_scalar")
def _root_scalar(p: Problem) -> Any:
    p.stage("f", SCALAR)
    for name in ("fprime", "fprime2"):
        p.stage(name, SCALAR)
    if p.given.get("fprime") is True:
        raise UnsupportedError(f"root_scalar(fprime=True) at {user_line()}: give the derivative as a function of its own")
    bracket, x0, x1 = p.take("bracket"), p.take("x0"), p.take("x1")
    starts = [*(bracket if bracket is not None else ()), *[s for s in (x0, x1) if s is not None]]
    if p.is_plain(*starts):
        return p.run_plain()

    def run(fs: Any, at: Any, options: Any) -> Any:
        rest, words = list(map(float, at)), {**fs, **options}
        if bracket is not None:
            words["bracket"], rest = rest[:2], rest[2:]
        words.update(zip([n for n, s in (("x0", x0), ("x1", x1)) if s is not None], rest, strict=True))
        return p.function(words.pop("f"), **words)
    found = p.solved([_float(s) for s in starts], (), solutions.root, run, lambda out, at: (
        out.root, out.converged, report_way(out.root, *at)))
    return _report(found, found.result, root=found.x)


def _require_real(p: Problem, x0: Any) -> None:
    if (x0.dtype if isinstance(x0, Tracer) else np.asarray(x0).dtype).kind == "c":
        raise UnsupportedError(f"{p.name} of complex numbers has no derivative here (at {user_line()}); solve for the real and "
                               f"imaginary parts by scipy.optimize.root")


class _Report:
    """What a solver reports, with the solution traced; what is not known, or has no derivative here, is refused."""

    def __init__(self, name: str, values: dict[str, Any]):
        self.__dict__.update(values)
        self.__dict__["_name"] = name

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{name} of the result of {self.__dict__['_name']} is not known inside a differentiated function; "
                             f"there are {', '.join(k for k in self.__dict__ if k[0] != '_')}")

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __repr__(self) -> str:
        return f"{self._name}: {', '.join(f'{k}={v!r}' for k, v in self.__dict__.items() if k[0] != '_')}"


_REPORTED = ("converged", "flag", "iterations", "function_calls", "method", "success", "status", "message", "nit", "nfev",
             "njev", "nhev", "active_mask", "optimality")


def _report(found: Found, result: Any, **traced: Any) -> Any:
    """A report: the traced values, and what SciPy counted, if it ran already."""
    done = "converged" if "root" in traced else "success"
    values = {k: getattr(result, k) for k in _REPORTED if hasattr(result, k)} if result is not None else {done: found.converged}
    return _Report(found.name, {**traced, **values})


# ---------------------------------------------------------------- systems of equations

def _vector(x0: Any) -> tuple[Any, ArrayType]:
    """A start as the solvers for systems take it: one axis."""
    start = _float(x0)
    start = FUNCTIONS[np.reshape](start, -1) if isinstance(start, Tracer) else start.reshape(-1)
    return start, ArrayType(start.shape, np.float64)


@solver("root", "fsolve")
def _root(p: Problem) -> Any:
    first, derivative = ("func", "fprime") if p.name == "fsolve" else ("fun", "jac")
    x0 = p.take("x0")
    _require_real(p, x0)
    start, like = _vector(x0)
    if p.given.get("method", "hybr") not in ("hybr", "lm"):  # these keep the shape
        start = _float(x0)
        like = ArrayType(start.shape, np.float64)
    p.stage(first, like)
    p.stage(derivative, like)
    if p.is_plain(x0):
        return p.run_plain()
    full = p.name == "fsolve" and p.take("full_output", False)

    def run(fs: Any, at: Any, options: Any) -> Any:
        words = {**fs, **options}
        f = words.pop(first)
        return p.function(f, at[0], full_output=True, **words) if p.name == "fsolve" else p.function(f, at[0], **words)

    def read(out: Any, at: Any) -> Any:
        x, converged = (out[0], out[2] == 1) if p.name == "fsolve" else (out.x, out.success)
        return x, converged, report_way(x, at[0])
    found = p.solved([start], start.shape, solutions.root, run, read)
    if p.name == "fsolve":
        if full and found.result is None:
            raise UnsupportedError(f"fsolve(full_output=True) in a staged program at {user_line()}: use scipy.optimize.root, "
                                   f"whose result has x")
        if full:
            _, details, ier, message = found.result
            return found.x, _Report(p.name, {"fvec": _of(p.functions[0], found.x), "nfev": details["nfev"]}), ier, message
        if found.result is not None and found.result[2] != 1:
            import warnings
            warnings.warn(found.result[3], RuntimeWarning, stacklevel=2)
        return found.x
    return _report(found, found.result, x=found.x, fun=_of(p.functions[0], found.x))


@solver("fixed_point")
def _fixed_point(p: Problem) -> Any:
    x0 = p.take("x0")
    _require_real(p, x0)
    start = _float(x0)
    p.stage("func", ArrayType(start.shape, np.float64))
    if p.is_plain(x0):
        return p.run_plain()
    found = p.solved([start], start.shape, solutions.fixed_point,
                     lambda fs, at, options: p.function(fs["func"], at[0], **options),
                     lambda out, at: (out, True, report_way(out, at[0])))
    return found.x


def _of(f: Function, x: Any, place: int = 0) -> Any:
    """The value of a staged function at a traced solution: differentiable in x and in all it captured."""
    from wengert.primitives.control import call
    assert f.graph is not None
    return call(x, *f.parameters, graph=f.graph, name=f.name)[place]


# ---------------------------------------------------------------- minima

def limits(bounds: Any, n: int) -> tuple[Any, Any] | None:
    """Lower and upper bounds as arrays: of ``Bounds``, or of a pair for each unknown."""
    if bounds is None:
        return None
    low, high = (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else zip(
        *[(-np.inf if a is None else a, np.inf if b is None else b) for a, b in bounds], strict=True)
    return _limit(low, n), _limit(high, n)


def limits_of_pair(bounds: Any, n: int | None) -> tuple[Any, Any] | None:
    """Likewise of a pair ``(lower, upper)``."""
    if bounds is None:
        return None
    low, high = (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else bounds
    return _limit(low, n), _limit(high, n)


def _limit(bound: Any, n: int | None) -> Any:
    bound = list(bound) if isinstance(bound, (list, tuple)) else bound
    found = FUNCTIONS[np.array](bound, dtype=np.float64) if is_traced(bound) else np.asarray(plain(bound, "a bound"), float)
    return found if n is None else np.broadcast_to(found, (n,)) + 0.0


@solver("minimize")
def _minimize(p: Problem) -> Any:
    x0 = p.take("x0")
    start, like = _vector(x0)
    if p.given.get("constraints", ()):
        raise UnsupportedError(f"minimize with constraints at {user_line()} has no derivative here: a bound can be given as "
                               f"bounds=, an equation can be solved for some unknowns, or the conditions of Karush, Kuhn and "
                               f"Tucker be solved by scipy.optimize.root")
    around = limits(p.take("bounds"), like.size)
    p.stage("fun", like)
    for name in ("jac", "hess"):
        p.stage(name, like)
    p.stage("hessp", like, like)
    if p.is_plain(x0, *(around or ())):
        return p.run_plain()

    def run(fs: Any, at: Any, options: Any) -> Any:
        from scipy.optimize import Bounds
        words = {**fs, **options}
        if len(at) > 1:
            words["bounds"] = Bounds(at[1], at[2])
        return p.function(words.pop("fun"), at[0], **words)
    return _minimum(p, [start, *(around or ())], start.shape, run,
                    lambda out, at: (out.x, out.success, report_way(out.x, at[0])))


def _minimum(p: Problem, starts: list[Any], shape: tuple[int, ...], run: Any, read: Any) -> Any:
    found = p.solved(starts, shape, solutions.gradient, run, read, starts[1:])
    value = FUNCTIONS[np.reshape](_of(p.functions[0], found.x), ())
    return _report(found, found.result, x=found.x, fun=value)


@solver("minimize_scalar")
def _minimize_scalar(p: Problem) -> Any:
    p.stage("fun", SCALAR)
    bounds, bracket = p.take("bounds"), p.take("bracket")
    starts = list(bounds if bounds is not None else bracket if bracket is not None else ())
    if p.is_plain(*starts):
        return p.run_plain()

    def run(fs: Any, at: Any, options: Any) -> Any:
        named = {"bounds" if bounds is not None else "bracket": tuple(map(float, at))} if len(at) else {}
        return p.function(fs["fun"], **named, **options)

    def read(out: Any, at: Any) -> Any:
        return out.x, out.success, report_way(out.x, *at) if at else 1.0
    if bounds is None:
        found = p.solved([_float(s) for s in starts], (), solutions.gradient, run, read)
    else:
        low, high = map(_float, starts)
        found = p.solved([low, high], (), solutions.gradient, run, read, [low, high])
    return _report(found, found.result, x=found.x, fun=FUNCTIONS[np.reshape](_of(p.functions[0], found.x), ()))


# ---------------------------------------------------------------- least squares

@solver("least_squares")
def _least_squares(p: Problem) -> Any:
    x0 = p.take("x0")
    start, like = _vector(x0)
    if p.given.get("loss", "linear") != "linear":
        raise UnsupportedError(f"least_squares with loss={p.given['loss']!r} at {user_line()}: minimize the sum of the losses "
                               f"by scipy.optimize.minimize, which has a derivative")
    limits = limits_of_pair(p.take("bounds"), like.size)
    p.stage("fun", like)
    p.stage("jac", like)
    if p.is_plain(x0, *(limits or ())):
        return p.run_plain()

    def run(fs: Any, at: Any, options: Any) -> Any:
        words = {**fs, **options, **({"bounds": (at[1], at[2])} if len(at) > 1 else {})}
        return p.function(words.pop("fun"), at[0], **words)
    starts = [start, *(limits or ())]
    found = p.solved(starts, start.shape, solutions.normal, run,
                     lambda out, at: (out.x, out.success, report_way(out.x, at[0])), starts[1:])
    left = FUNCTIONS[np.reshape](_of(p.functions[0], found.x), -1)
    return _report(found, found.result, x=found.x, fun=left, cost=0.5 * FUNCTIONS[np.sum](left * left))
