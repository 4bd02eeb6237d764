"""Differential equations, from ``scipy.integrate``, on tracers.

What comes in: ``solve_ivp(f, t_span, y0, ...)`` or ``odeint(f, y0, t, ...)`` where the state, the times or anything that
f uses is traced. What goes out: SciPy's result, with traced values. The one idea: f becomes a graph, the call one ``ivp``
equation of everything that f depends on, and an event's time one ``event_time`` equation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.inner import Inner, is_traced, plain
from wengert.frontends.numpy_api.structure import as_array
from wengert.frontends.scipy_api import scipy_function
from wengert.frontends.scipy_data import require
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer
from wengert.graph import ArrayType
from wengert.primitives import trajectory
from wengert.primitives.ivp import event_time, ivp

__all__: list[str] = []

_FLOAT = np.dtype(np.float64)
_METHODS = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA", "odeint")
_OPTIONS = ("first_step", "max_step", "min_step", "sens")
_EXACT = ("jac", "jac_sparsity", "lband", "uband")  # not looked at: the Jacobian is exact


def _real(x: Any, what: str) -> Any:
    """A float64 array or tracer."""
    out = as_array(x)
    if out.dtype.kind == "c":
        raise _of_complex(what)
    return _frozen(out.astype(_FLOAT))


def _of_complex(what: str) -> UnsupportedError:
    return UnsupportedError(f"{what} is complex (at {user_line()}); integrate real and imaginary parts")


def _frozen(x: Any) -> Any:
    """The value as it is now; an ordinary array where nothing is traced."""
    if isinstance(x, Tracer):
        return x.frozen() if x.build is not None else np.array(x.cell)
    return np.asarray(x)


def _plain_call(how: Callable[..., Any], lead: Sequence[Any], args: Sequence[Any]) -> Any:
    return how(*lead, *args)


class _Problem:
    """One initial value problem: its graphs and operands."""

    def __init__(self, name: str, fun: Any, t_span: Sequence[Any], y0: Any, args: Any, method: str, rtol: Any, atol: Any,
                 options: dict[str, Any], events: Sequence[Any] = (), call: Callable[..., Any] = _plain_call):
        self.name, self.method = name, method
        self.t0, self.t1 = [_real(t, f"{name}: t_span").reshape(()) for t in t_span]
        y0 = as_array(y0)
        constant = y0.dtype.kind == "c" and not is_traced(y0)
        self.y0 = _frozen(y0) if constant else _real(y0, f"{name}: y0")
        if self.y0.ndim != 1:
            raise ValueError("`y0` must be 1-dimensional.")
        inner = self.inner = Inner(name, [ArrayType((), _FLOAT), ArrayType(self.y0.shape, self.y0.dtype)], _tuple(args))
        inner.stage(fun, call, self._rate)
        for event in events:
            inner.stage(event, _plain_call, _number)
        if inner.refused is None and (constant or method not in _METHODS):
            inner.refused = _of_complex(f"{name}: y0") if constant else UnsupportedError(
                f"scipy.integrate.{name}: method is one of {', '.join(_METHODS[:-1])} where it is differentiated, not "
                f"{method!r} (at {user_line()})")
        self.options = {"method": method, "rtol": float(plain(rtol, "rtol")), "atol": _hashable(plain(atol, "atol")), "options":
                        tuple(sorted((k, _setting(plain(v, k))) for k, v in options.items() if v is not None))}
        self.events = events

    def _rate(self, out: Any) -> Any:
        out, n = as_array(out), self.y0.shape[0]
        if out.dtype.kind == "c":
            raise _of_complex(f"{self.name}: the right-hand side")
        if out.shape == (n,):
            return out
        if out.shape not in ((), (1,)):
            raise ValueError(f"the right-hand side has shape {out.shape}, and y0 has shape ({n},)")
        return FUNCTIONS[np.broadcast_to](out.reshape(()), (n,))

    def plain(self, times: Any) -> bool:
        """Whether nothing is traced."""
        return not self.inner.traced and not any(is_traced(x) for x in (self.t0, self.t1, self.y0, times))

    def ready(self) -> None:
        rate, *events = self.inner.graphs()
        marks = [(getattr(e, "terminal", False), float(getattr(e, "direction", 0.0))) for e in self.events]
        self.params = {**self.options, "rate": rate, "layers": (),
                       "events": tuple((g, _count(t), d) for g, (t, d) in zip(events, marks, strict=True))}
        self.rest = (self.y0, self.inner.parameters, *self.inner.extras)

    def states(self, times: Any) -> Any:
        """The states at these times, (times, states)."""
        return ivp(self.t0, self.t1, times, *self.rest, **self.params)

    def crossing(self, which: int, nth: int) -> Any:
        return event_time(self.t0, self.t1, *self.rest, which=which, nth=nth, **self.params)

    def concrete(self) -> bool:
        """Whether all values are known: not under `jit`."""
        return all(not isinstance(x, Tracer) or x.value is not None for x in (self.t0, self.t1, *self.rest))

    def known(self) -> Any:
        """SciPy's result for the present values."""
        t0, t1, y0, p, *extras = [plain(x, "a choice of steps") for x in (self.t0, self.t1, *self.rest)]
        params = dict(self.params)
        return trajectory.solved(params.pop("rate"), params.pop("layers"), t1, t0, y0, p, extras, **params)


def _number(out: Any) -> Any:
    out = as_array(out)
    return out if out.shape == () else out.reshape(())


def _tuple(args: Any) -> tuple[Any, ...]:
    if args is None:
        return ()
    try:
        return tuple(args)
    except TypeError:
        raise TypeError("Supplied 'args' cannot be unpacked. Please supply `args` as a tuple (e.g. `args=(x,)`)") from None


def _setting(v: Any) -> Any:
    return v if isinstance(v, str) else float(v)


def _hashable(atol: Any) -> Any:
    return float(atol) if np.ndim(atol) == 0 else tuple(np.asarray(atol, float).tolist())


def _count(terminal: Any) -> Any:
    return bool(terminal) if isinstance(terminal, (bool, np.bool_)) else int(terminal)


@scipy_function("scipy.integrate.solve_ivp", as_given=True)
def solve_ivp(fun: Any, t_span: Any, y0: Any, method: Any = "RK45", t_eval: Any = None, dense_output: bool = False,
              events: Any = None, vectorized: bool = False, args: Any = None, **options: Any) -> Any:
    """``scipy.integrate.solve_ivp``; the derivative is that of the continuous solution, to the tolerances given."""
    import scipy.integrate
    listed = [] if events is None else list(events) if isinstance(events, (tuple, list)) else [events]
    rtol, atol = options.pop("rtol", 1e-3), options.pop("atol", 1e-6)
    given = {k: v for k, v in options.items() if k in _OPTIONS}
    call = _vectorized if vectorized else _plain_call
    problem = _Problem("solve_ivp", fun, t_span, y0, args, method, rtol, atol, given, listed, call)
    times = None if t_eval is None else _real(t_eval, "solve_ivp: t_eval")
    if problem.plain(times):
        options.pop("sens", None)
        own = problem.inner.untraced
        watched = None if events is None else own(events) if callable(events) else [own(e) for e in listed]
        return scipy.integrate.solve_ivp(own(fun), t_span, y0, method, t_eval, dense_output, watched, vectorized, args,
                                         rtol=rtol, atol=atol, **options)
    times = None if times is None else _ordered(times, problem)
    unknown = set(options) - set(_OPTIONS) - set(_EXACT)
    if unknown:
        raise TypeError(f"solve_ivp: unknown options {', '.join(sorted(unknown))}")
    problem.ready()
    chosen = times is None or bool(listed) or dense_output
    found = problem.known() if chosen or problem.concrete() else None
    return _result(problem, found, times, dense_output)


def _ordered(times: Any, problem: _Problem) -> Any:
    """Output times, if they are those that SciPy takes."""
    if times.ndim != 1:
        raise ValueError("`t_eval` must be 1-dimensional.")
    t0, t1 = problem.t0, problem.t1
    outside = (times < np.minimum(t0, t1)) | (times > np.maximum(t0, t1))
    times = require(times, ~outside, "Values in `t_eval` are not within `t_span`.")
    unsorted = (times[1:] - times[:-1]) * (t1 - t0) <= 0.0
    return require(times, ~unsorted, "Values in `t_eval` are not properly sorted.")


def _vectorized(how: Callable[..., Any], lead: Sequence[Any], args: Sequence[Any]) -> Any:
    t, y = lead
    return as_array(how(t, y[:, None], *args)).reshape(-1)


def _result(problem: _Problem, found: Any, times: Any, dense: bool) -> Any:
    from scipy.optimize import OptimizeResult
    out = OptimizeResult(t_events=None, y_events=None, sol=None, nfev=None, njev=None, nlu=None, status=0, success=True,
                         message="The solver successfully reached the end of the integration interval.")
    end = problem.t1
    if found is not None:
        out.update({k: found[k] for k in ("nfev", "njev", "nlu", "status", "message")})
        if problem.events:
            counts = [len(ts) for ts in found.t_events]
            out["t_events"] = [_stacked([problem.crossing(k, j) for j in range(n)]) for k, n in enumerate(counts)]
            out["y_events"] = [problem.states(t) if n else y
                               for t, y, n in zip(out.t_events, found.y_events, counts, strict=True)]
        if found.status == 1:  # a terminal event ended it
            ends = [k for k, (_, terminal, _) in enumerate(problem.params["events"]) if terminal and counts[k]]
            end = out.t_events[min(ends, key=lambda k: abs(found.t_events[k][-1] - found.t[-1]))][-1]
        times = _times(problem, found, times, end)
    out["t"], out["y"] = times, problem.states(times).T
    if dense:
        out["sol"] = _Solution(problem, found.sol)
    return out


def _stacked(numbers: list[Any]) -> Any:
    return FUNCTIONS[np.stack](numbers) if numbers else np.zeros(0)


def _times(problem: _Problem, found: Any, times: Any, end: Any) -> Any:
    """The output times: those asked for, as far as the integration went, or the solver's steps between the given ends."""
    if times is not None:
        past = np.abs(plain(times, "t_eval") - found.t[0]) <= np.abs(found.t[-1] - found.t[0]) if len(found.t) else []
        return times if np.all(past) else times[past]
    ends = [x.reshape(1) if isinstance(x, Tracer) else np.reshape(x, 1) for x in (problem.t0, end)]
    parts = [ends[0], found.t[1:-1], ends[1]] if len(found.t) > 1 else ends[:1]
    return _frozen(FUNCTIONS[np.concatenate](parts)) if any(is_traced(x) for x in parts) else found.t


class _Solution:
    """What ``sol.sol`` is: the continuous solution, at any times."""

    def __init__(self, problem: _Problem, known: Any):
        self._problem = problem
        self.ts, self.t_min, self.t_max = known.ts, known.t_min, known.t_max

    def __call__(self, t: Any) -> Any:
        t = _real(t, "the time")
        if t.ndim > 1:
            raise ValueError("`t` must be a float or a 1-D array.")
        return self._problem.states(t.reshape(-1)).T if t.ndim else self._problem.states(t.reshape(1))[0]


@scipy_function("scipy.integrate.odeint", as_given=True)
def odeint(func: Any, y0: Any, t: Any, args: Any = (), Dfun: Any = None, col_deriv: int = 0, full_output: int = 0,
           ml: Any = None, mu: Any = None, rtol: Any = None, atol: Any = None, tcrit: Any = None, h0: Any = 0.0,
           hmax: Any = 0.0, hmin: Any = 0.0, ixpr: int = 0, mxstep: int = 0, mxhnil: int = 0, mxordn: int = 12,
           mxords: int = 5, printmessg: int = 0, tfirst: bool = False) -> Any:
    """``scipy.integrate.odeint``; its derivatives are integrated by LSODA with the same tolerances."""
    import scipy.integrate
    args = args if isinstance(args, tuple) else (args,)
    times = _real(t, "odeint: t")
    state = _real(y0, "odeint: y0")
    relative, absolute = (1.49012e-8 if x is None else x for x in (rtol, atol))
    options = {name: x for name, x in (("first_step", h0), ("max_step", hmax), ("min_step", hmin)) if plain(x, name)}

    def call(how: Callable[..., Any], lead: Sequence[Any], rest: Sequence[Any]) -> Any:
        return how(*lead, *rest) if tfirst else how(lead[1], lead[0], *rest)
    problem = _Problem("odeint", func, (times[0], times[-1]), state.reshape(-1) if state.ndim == 0 else state, args, "odeint",
                       relative, absolute, options, (), call)
    if problem.plain(times):
        func = problem.inner.untraced(func)
        return scipy.integrate.odeint(func, y0, t, args, Dfun, col_deriv, full_output, ml, mu, rtol, atol, tcrit, h0, hmax,
                                      hmin, ixpr, mxstep, mxhnil, mxordn, mxords, printmessg, tfirst)
    if tcrit is not None:
        raise UnsupportedError(f"scipy.integrate.odeint with tcrit is not differentiated (at {user_line()}); use "
                               f"scipy.integrate.solve_ivp")
    problem.ready()
    states = problem.states(times)
    return (states, {"message": "Integration successful."}) if full_output else states  # others are ConvergenceErrors


@scipy_function("scipy.integrate.solve_bvp")
def solve_bvp(*args: Any, **kwargs: Any) -> Any:
    """``scipy.integrate.solve_bvp`` is refused."""
    raise UnsupportedError(f"scipy.integrate.solve_bvp is not differentiated (at {user_line()}); write it as single shooting: "
                           f"solve_ivp from a guessed start, and a root finder for the boundary conditions")
