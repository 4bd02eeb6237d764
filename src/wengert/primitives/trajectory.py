"""Trajectories of differential equations, in numbers: SciPy's integrators, with exact Jacobians.

What comes in: the graph of a right-hand side ``f(t, y, p)``, numbers, a method and tolerances. What goes out: the
solution as a function of time, that of its variational equation, or that of the adjoint equation. The one idea: a
derivative of the solution is the solution of another differential equation, integrated by the same method under error
control of its own.

The augmented system is ``(y, S)`` with ``S' = f_y S + f_p V``. The adjoint system is ``λ' = -f_yᵀ λ``, ``μ' = -f_pᵀ λ``,
integrated backward from one output time to the one before, with y from the dense output of the forward solution (Hindmarsh et
al., "SUNDIALS", 2005). Implicit methods get the whole Jacobian of either: with the blocks on its diagonal alone, BDF took
two to a hundred times the steps on Robertson's problem.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import ConvergenceError
from wengert.graph import Graph
from wengert.graph.walk import structural_key
from wengert.primitives.jumps import require_no_jump
from wengert.primitives.stiffness import watched

__all__ = [
    "adjoint", "augmented", "by_odeint", "canonical", "known", "outputs", "rates_of", "solved", "system_of",
    "systems_with",
]

IMPLICIT = ("Radau", "BDF", "LSODA")
_SOLVER = {"odeint": "LSODA"}  # what integrates the derivatives of a solution
_KEPT = 8  # trajectories, for the backward pass and for other output times
_LARGE = 1_000_000  # numbers of a trajectory that is integrated again instead
_TRAJECTORIES: dict[Any, Any] = {}
_DENSE = 40  # states from which on the matrix of an adjoint system is sparse
_SYSTEMS: list[Callable[[Graph], Any]] = []


def systems_with(make: Callable[[Graph], Any]) -> None:
    """Set what derives and runs a right-hand side: ``make(graph)`` has `value`, `jacobian`, `augmented`, `pulled`."""
    _SYSTEMS[:] = [make]


_CANONICAL: OrderedDict[Any, Graph] = OrderedDict()
_MOST = 128


def canonical(graph: Graph) -> Graph:
    """One object for equal graphs, so that what was derived from it and compiled is found again."""
    found = graph.derived.get("canonical")
    if found is None:
        found = graph.derived["canonical"] = _CANONICAL.setdefault(structural_key(graph), graph)
        if len(_CANONICAL) > _MOST:
            _CANONICAL.popitem(last=False)
    return found  # type: ignore[no-any-return]


def system_of(graph: Graph) -> Any:
    """The graph of a right-hand side, ready to run, with what is derived from it."""
    graph = canonical(graph)
    found = graph.derived.get("system")
    if found is None:
        found = graph.derived["system"] = _SYSTEMS[0](graph)
    return found


def rates_of(rate: Graph, layers: Sequence[int]) -> Graph:
    """The right-hand side of ``(y, S)`` for each layer: the number of directions that were carried along."""
    for q in layers:
        rate = system_of(rate).augmented(q)
    return rate


# ---------------------------------------------------------------- tolerances


def _parts(state: Any, q: int) -> tuple[Any, Any]:
    """A state (or parameters) and the q directions behind it."""
    n = state.size // (1 + q)
    return state[:n], state[n:].reshape(q, n)


def tolerances(atol: Any, y0: Any, p: Any, layers: Sequence[int]) -> Any:
    """Absolute tolerances of the states: of a direction those of y, over the relative change of (y0, p) that it stands for.

    For a unit direction of the parameter p_j it is ``atol / |p_j|``, as in CVODES; it scales with the direction.
    """
    if not layers:
        return np.broadcast_to(np.asarray(atol, float), y0.shape)
    q = layers[-1]
    (y0, dy), (p, dp) = _parts(y0, q), _parts(p, q)
    own = tolerances(atol, y0, p, layers[:-1])
    z, v = np.abs(np.concatenate([y0, p])), np.abs(np.concatenate([dy, dp], axis=1))
    change = np.max(v / np.where(z > 0.0, z, 1.0), axis=1, initial=0.0)
    return np.concatenate([own, np.outer(np.where(change > 0.0, change, 1.0), own).ravel()])


# ---------------------------------------------------------------- forward


def solved(rate: Graph, layers: Sequence[int], end: Any, t0: Any, y0: Any, p: Any, extras: Sequence[Any], *, method: str,
           rtol: float, atol: Any, options: Any, events: Any = ()) -> Any:
    """SciPy's result of one integration, with dense output; the last ones are kept."""
    y0, p, t0, end = np.asarray(y0, float), np.asarray(p, float), float(t0), float(end)
    graph = canonical(rates_of(rate, layers))
    crossings = tuple([(canonical(g), *marks) for g, *marks in events])
    key = (method, rtol, atol, options, crossings, t0, end, *[np.asarray(x).tobytes() for x in (y0, p, *extras)])
    found = _TRAJECTORIES.get((graph, key))
    if found is None:
        found = _integrated(graph, rate, layers, end, t0, y0, p, extras, method, rtol, atol, options, events)
        if found.y.size <= _LARGE:
            _TRAJECTORIES[graph, key] = found
            while len(_TRAJECTORIES) > _KEPT:
                _TRAJECTORIES.pop(next(iter(_TRAJECTORIES)), None)
    return found


def _integrated(graph: Graph, rate: Graph, layers: Sequence[int], end: float, t0: float, y0: Any, p: Any, extras: Sequence[Any],
                method: str, rtol: float, atol: Any, options: Any, events: Any) -> Any:
    value = system_of(graph).value
    given: dict[str, Any] = {name: v for name, v in options if name != "sens"}
    if layers and "first_step" in given:
        given["first_step"] = min(given["first_step"], abs(end - t0))
    method = _SOLVER.get(method, method)
    if method in IMPLICIT:
        own = system_of(graph).jacobian
        given["jac"] = lambda t, y: _fitting(own(np.float64(t), y, p, *extras), method)
    if events:
        given["events"] = [_event(system_of(g).value, terminal, direction, p, extras) for g, terminal, direction in events]
    count, base = int(np.prod([1 + q for q in layers], dtype=int)), system_of(rate).jacobian

    def slope(t: float, y: Any) -> Any:
        return value(np.float64(t), y, p, *extras)[0]

    def spectrum(t: float, y: Any) -> Any:
        return base(np.float64(t), y[:y.size // count], p[:p.size // count], *extras)
    what = "equation for the derivative" if layers else "right-hand side"
    return _run(slope, (t0, end), y0, lambda t: t, f"the {what}", watched(method, spectrum), rtol=rtol,
                atol=tolerances(atol, y0, p, layers), dense_output=True, **given)


_STUCK = 2000  # values in a row that are not finite: many times what a step is made smaller until it is too small


def _run(slope: Callable[..., Any], span: tuple[float, float], y0: Any, time: Callable[[float], float], what: str, method: Any,
         **options: Any) -> Any:
    """SciPy's integration, which comes to an end, finite, or is refused; `time` is that of the program."""
    from scipy.integrate import solve_ivp
    stuck = 0

    def value(t: float, y: Any) -> Any:
        nonlocal stuck
        out = slope(t, y)
        stuck = 0 if math.isfinite(out @ out) else stuck + 1
        if stuck > _STUCK and not known(out):
            raise ConvergenceError(_not_finite(what, "is not finite between the ends"))
        return out
    if not known(slope(span[0], y0)):  # SciPy would look for a first step for ever
        raise ConvergenceError(_not_finite(what, f"is not finite at the start, t = {time(span[0]):g}"))
    try:
        out = solve_ivp(value, span, y0, method=method, **options)
    except ValueError as e:
        if "infs or NaNs" not in str(e):
            raise
        raise ConvergenceError(_not_finite(what, "or its Jacobian is not finite on the way")) from None
    if out.status < 0:
        raise ConvergenceError(f"the integration from t = {time(span[0]):g} to {time(span[1]):g} stopped at t = "
                               f"{time(out.t[-1]):g} ({what}: {out.message}), so there is no solution to differentiate; use a "
                               f"smaller rtol, an implicit method (Radau, BDF, LSODA), or end before the singularity")
    if not known(out.y[:, -1]):
        bad = out.t[np.argmin(np.all(np.isfinite(out.y), axis=0))]
        raise ConvergenceError(_not_finite(what, f"is not finite before t = {time(bad):g}"))
    return out


def _not_finite(what: str, where: str) -> str:
    return (f"{what} {where}, so there is nothing to differentiate; end the integration where the right-hand "
            f"side has finite derivatives (before a root comes to 0, say), by a terminal event or an earlier end")


_ODEINT = {"first_step": "h0", "max_step": "hmax", "min_step": "hmin"}


def by_odeint(rate: Graph, t0: Any, times: Any, y0: Any, p: Any, extras: Sequence[Any], *, rtol: float, atol: Any,
              options: Any) -> Any:
    """The states at the output times by ``scipy.integrate.odeint`` itself."""
    from scipy.integrate import odeint
    value, begun = system_of(rate).value, len(times) > 0 and times[0] == t0
    grid = times if begun else np.concatenate([[t0], times])
    if np.all(grid == t0):  # ODEPACK calls that no integration
        return np.tile(y0, (len(times), 1))
    out, info = odeint(lambda t, y: value(np.float64(t), y, p, *extras)[0], y0, grid, tfirst=True, rtol=rtol, atol=atol,
                       full_output=True, **{_ODEINT[name]: v for name, v in options})
    if info["message"] != "Integration successful.":
        raise ConvergenceError(f"odeint: {info['message']} Use scipy.integrate.solve_ivp with method='Radau' or 'BDF', or "
                               f"smaller tolerances")
    return out if begun else out[1:]


def _event(value: Any, terminal: Any, direction: float, p: Any, extras: Sequence[Any]) -> Any:
    def event(t: float, y: Any) -> Any:
        return value(np.float64(t), y, p, *extras)[0]
    event.terminal, event.direction = terminal, direction  # type: ignore[attr-defined]
    return event


def _fitting(matrix: Any, method: str) -> Any:
    """A Jacobian as the method takes it: LSODA knows only full ones."""
    return matrix.toarray() if method == "LSODA" and hasattr(matrix, "toarray") else matrix


def _adjoint_matrix(by_state: Any, by_parameter: Any, q: int, method: str) -> Any:
    """The Jacobian of the adjoint right-hand side of q cotangents, with ``(λ, ..., μ, ...)`` for the state."""
    from scipy.sparse import block_array, csc_array, eye_array, kron
    k, n = by_parameter.shape
    size = q * (n + k)
    if method == "LSODA" or (size <= _DENSE and not hasattr(by_state, "toarray")):
        out = np.zeros((size, size))
        out[:q * n, :q * n] = np.kron(np.eye(q), by_state.toarray() if hasattr(by_state, "toarray") else by_state)
        out[q * n:, :q * n] = np.kron(np.eye(q), by_parameter)
        return out
    corner = None if not k else csc_array((q * k, q * k))
    left = [kron(eye_array(q), csc_array(m)) for m in ((by_state, by_parameter) if k else (by_state,))]
    return csc_array(left[0]) if corner is None else block_array([[left[0], None], [left[1], corner]], format="csc")


def _end(t0: Any, times: Any) -> Any:
    """The output time that is farthest away."""
    return times[np.argmax(np.abs(times - t0))]


def known(*times: Any) -> bool:
    """Whether all are finite numbers: the time of an event that does not happen is NaN, and no integrator arrives there."""
    return all(np.all(np.isfinite(t)) for t in times)


def outputs(found: Any, times: Any) -> Any:
    """The solution at the output times, (times, states)."""
    return np.ascontiguousarray(found.sol(np.asarray(times)).T) if len(times) else np.zeros((0, len(found.y)))


def augmented(v: Any, t0: Any, times: Any, y0: Any, p: Any, *extras: Any, rate: Graph, layers: Any, method: str,
              **rest: Any) -> Any:
    """The derivatives of the outputs along q directions of (y0, p): (q, times, states)."""
    q, n, m = len(v), y0.size, len(times)
    if not m or not q or not n:
        return np.zeros((q, m, n))
    if not known(t0, times):
        return np.full((q, m, n), np.nan)
    if not known(v):
        return _of_finite(v, lambda v: augmented(v, t0, times, y0, p, *extras, rate=rate, layers=layers, method=method, **rest))
    state, parameters = np.concatenate([y0, v[:, :n].ravel()]), np.concatenate([p, v[:, n:].ravel()])
    found = solved(rate, (*layers, q), _end(t0, times), t0, state, parameters, extras, method=method, **rest)
    _require_continuous(rates_of(rate, layers), found, y0, p, extras, layers, rest["rtol"])
    return np.ascontiguousarray(outputs(found, times)[:, n:].reshape(m, q, n).transpose(1, 0, 2))


def _of_finite(rows: Any, run: Callable[[Any], Any]) -> Any:
    """A linear map of rows; NaN for a row that is not finite, of which no integrator gives anything."""
    fine = np.all(np.isfinite(rows.reshape(len(rows), -1)), axis=1)
    out = run(np.where(fine.reshape(-1, *[1] * (rows.ndim - 1)), rows, 0.0))
    out[~fine] = np.nan
    return out


_JUMP = ("{} jumps at t = {{}}, where the trajectory or a traced value decides, and {} jumps with it; end the "
         "integration there by a terminal event, and go on with a new solve_ivp from y_events, each with the branch that holds "
         "there, written without the decision")
_AFTER = 1e-9  # of the interval
_OF_VALUES = _JUMP.format("the right-hand side", "the derivative")
_OF_DERIVATIVES = _JUMP.format("a derivative of the right-hand side", "the next derivative of the solution")


def _require_continuous(rate: Graph, found: Any, y0: Any, p: Any, extras: Sequence[Any], layers: Sequence[int],
                        rtol: float) -> None:
    """Refuse a right-hand side that jumps along the trajectory, at a place that moves; with `layers`, that of ``(y, S)``.

    A kink of f is a jump of ``f_y S + f_p V``; where that does not jump, the kink does not move along V. A
    little after the end, too: an end at the jump is on either side of it by chance.
    """
    system = system_of(rate)
    look = system.decisions((1, 2))
    if look is not None:
        t, after = found.t, (_AFTER + rtol) * (found.t[-1] - found.t[0])
        points = np.sort(np.concatenate([t, 0.5 * (t[1:] + t[:-1]), [t[-1] + after]]))
        require_no_jump(look, system.value, points, lambda t: (np.float64(t), found.sol(t)[:y0.size], p, *extras),
                        _OF_DERIVATIVES if layers else _OF_VALUES)


# ---------------------------------------------------------------- backward


def adjoint(w: Any, t0: Any, times: Any, y0: Any, p: Any, *extras: Any, rate: Graph, layers: Any, method: str, rtol: float,
            atol: Any, options: Any) -> Any:
    """``(λ(t0), μ)`` for q cotangents (q, times, states) of the outputs: (q, states + parameters)."""
    q, n, k = len(w), y0.size, p.size
    if not len(times) or not q or not n or not np.any(w):
        return np.zeros((q, n + k))
    if not known(t0, times):
        return np.full((q, n + k), np.nan)
    if not known(w):
        return _of_finite(w, lambda w: adjoint(w, t0, times, y0, p, *extras, rate=rate, layers=layers, method=method, rtol=rtol,
                                               atol=atol, options=options))
    method = _SOLVER.get(method, method)
    end = _end(t0, times)
    given = tuple([(name, min(v, abs(end - t0)) if name == "first_step" else v) for name, v in options])
    forward = solved(rate, layers, end, t0, y0, p, extras, method=method, rtol=rtol, atol=atol, options=given)
    _require_continuous(rates_of(rate, layers), forward, y0, p, extras, layers, rtol)
    wanted = dict(options).get("sens", "auto")
    if wanted == "forward" or (wanted == "auto" and _forward_is_cheaper(len(forward.t), n, k, q, len(times), method)):
        columns = augmented(np.eye(n + k), t0, times, y0, p, *extras, rate=rate, layers=layers, method=method, rtol=rtol,
                            atol=atol, options=options)
        return np.einsum("qmn,vmn->qv", w, columns)
    graph = rates_of(rate, layers)
    system = system_of(graph)
    pulled, own, by_parameter = system.pulled(q), system.jacobian, system.parameter_jacobian
    tol = _cotangent_tolerances(tolerances(atol, y0, p, layers), w, forward.y, p)

    def clock(back: float) -> float:  # time counts from the output, where steps may be tiny
        return start - sign * back

    def spectrum(back: float, z: Any) -> Any:
        t = clock(back)
        return sign * own(np.float64(t), forward.sol(t), p, *extras)

    def slope(back: float, z: Any) -> Any:
        t = clock(back)
        rows = pulled(np.float64(t), forward.sol(t), p, z[:q * n].reshape(q, n), *extras)
        return sign * np.concatenate([rows[0].ravel(), rows[1].ravel()])

    def jacobian(back: float, z: Any) -> Any:
        t = clock(back)
        at = (np.float64(t), forward.sol(t), p, *extras)
        return _adjoint_matrix(sign * own(*at).T, sign * by_parameter(*at).T, q, method)
    settings = {"jac": jacobian} if method in IMPLICIT else {}
    settings.update((name, value) for name, value in options if name == "max_step")
    z = np.zeros(q * (n + k))
    order, sign = np.argsort(-np.abs(times - t0), kind="stable"), np.sign(_end(t0, times) - t0)
    for i, j in enumerate(order):
        z[:q * n] += w[:, j].ravel()
        start, end = float(times[j]), float(times[order[i + 1]] if i + 1 < len(order) else t0)
        if start != end:
            z = _run(slope, (0.0, abs(end - start)), z, clock, "the adjoint equation", watched(method, spectrum), rtol=rtol,
                     atol=tol, **settings).y[:, -1].copy()
    return np.concatenate([z[:q * n].reshape(q, n), z[q * n:].reshape(q, k)], axis=1)


_STEP = {True: 100, False: 1000}  # equations of an implicit (True) or explicit method that cost as much as a step of none
_RESTART = 8  # steps that a start from an output time takes


def _forward_is_cheaper(steps: int, n: int, k: int, q: int, m: int, method: str) -> bool:
    """Whether one integration of all n + k directions costs less than one backward from output time to output time."""
    size = _STEP[method in IMPLICIT]
    forward = steps * (1.0 + n * (1 + n + k) / size)
    backward = 1.5 * max(steps, _RESTART * m) * (1.0 + q * (n + k) / size)
    return forward < backward


def _cotangent_tolerances(tol: Any, w: Any, ys: Any, p: Any) -> Any:
    """What an error of the outputs within their tolerance does to ``<w, y>``, over the size of each state and parameter."""
    weight = np.max(np.abs(w) @ tol, axis=1)  # (q,)
    weight = np.where(weight > 0.0, weight, np.max(weight, initial=0.0) or 1.0)
    size, scale = np.max(np.abs(ys), axis=1), np.abs(p)
    by_state = np.outer(weight, 1.0 / np.where(size > 0.0, size, 1.0))
    by_parameter = np.outer(weight, 1.0 / np.where(scale > 0.0, scale, 1.0))
    return np.concatenate([by_state.ravel(), by_parameter.ravel()])
