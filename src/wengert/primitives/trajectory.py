"""Trajectories of differential equations, in numbers: SciPy's integrators, with exact Jacobians.

What comes in: the graph of a right-hand side ``f(t, y, p)``, numbers, a method and tolerances. What goes out: the
solution as a function of time, that of its variational equation, or that of the adjoint equation. The one idea: a
derivative of the solution is the solution of another differential equation, integrated by the same method under error
control of its own.

The augmented system is ``(y, S)`` with ``S' = f_y S + f_p V``; its implicit methods use ``diag(f_y, …, f_y)`` for the
Jacobian, the choice of CVODES (Hindmarsh et al., "SUNDIALS", 2005). The adjoint system is ``λ' = -f_yᵀ λ``, ``μ' = -f_pᵀ
λ``, integrated backward from one output time to the one before, with y from the dense output of the forward solution.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import ConvergenceError
from wengert.graph import Graph
from wengert.graph.walk import structural_key
from wengert.primitives.stiffness import watched

__all__ = ["adjoint", "augmented", "canonical", "known", "outputs", "rates_of", "solved", "system_of", "systems_with"]

IMPLICIT = ("Radau", "BDF", "LSODA")
_SOLVER = {"odeint": "LSODA"}  # what integrates the derivatives of a solution
_KEPT = 2  # trajectories of one right-hand side
_DENSE = 40  # states from which on the matrices of augmented systems are sparse
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
    kept = graph.derived.setdefault("trajectories", {})
    found = kept.get(key)
    if found is None:
        found = _integrated(graph, rate, layers, end, t0, y0, p, extras, method, rtol, atol, options, events)
        while len(kept) >= _KEPT:
            kept.pop(next(iter(kept)), None)
        kept[key] = found
    return found


def _integrated(graph: Graph, rate: Graph, layers: Sequence[int], end: float, t0: float, y0: Any, p: Any, extras: Sequence[Any],
                method: str, rtol: float, atol: Any, options: Any, events: Any) -> Any:
    from scipy.integrate import solve_ivp
    value = system_of(graph).value
    given: dict[str, Any] = dict(options)
    method = _SOLVER.get(method, method)
    if method in IMPLICIT:
        given["jac"] = _jacobian(rate, layers, p, extras, y0.size, method)
    if events:
        given["events"] = [_event(system_of(g).value, terminal, direction, p, extras) for g, terminal, direction in events]

    def slope(t: float, y: Any) -> Any:
        return value(np.float64(t), y, p, *extras)[0]
    solver = watched(method, system_of(rate).jacobian, layers, p, extras)
    tol = tolerances(atol, y0, p, layers)
    out = solve_ivp(slope, (t0, end), y0, method=solver, rtol=rtol, atol=tol, dense_output=True, **given)
    if out.status < 0:
        raise ConvergenceError(f"the integration from t = {t0:g} to {end:g} stopped at t = {out.t[-1]:g} ({out.message}), so "
                               f"there is no solution to differentiate; use a smaller rtol, an implicit method (Radau, BDF, "
                               f"LSODA), or end before the singularity")
    return out


def _event(value: Any, terminal: Any, direction: float, p: Any, extras: Sequence[Any]) -> Any:
    def event(t: float, y: Any) -> Any:
        return value(np.float64(t), y, p, *extras)[0]
    event.terminal, event.direction = terminal, direction  # type: ignore[attr-defined]
    return event


def _jacobian(rate: Graph, layers: Sequence[int], p: Any, extras: Sequence[Any], size: int, method: str) -> Any:
    """f_y, once for y and for each direction."""
    own, count = system_of(rate).jacobian, int(np.prod([1 + q for q in layers], dtype=int))
    n, base = size // count, np.asarray(p).size // count

    def jacobian(t: float, y: Any) -> Any:
        return _repeated(own(np.float64(t), y[:n], p[:base], *extras), count, 0, size, method)
    return jacobian


def _repeated(matrix: Any, count: int, rest: int, size: int, method: str) -> Any:
    """A matrix `count` times on the diagonal, and `rest` zeros."""
    if count == 1 and not rest:
        return matrix.toarray() if method == "LSODA" and hasattr(matrix, "toarray") else matrix
    from scipy.sparse import csc_array, kron
    if method != "LSODA" and (size > _DENSE or hasattr(matrix, "toarray")):
        many = kron(np.eye(count), csc_array(matrix), format="csc")
        return csc_array((many.data, many.indices, np.append(many.indptr, [many.nnz] * rest)), shape=(size, size))
    out = np.zeros((size, size))
    m = size - rest
    out[:m, :m] = np.kron(np.eye(count), matrix.toarray() if hasattr(matrix, "toarray") else matrix)
    return out


def _end(t0: Any, times: Any) -> Any:
    """The output time that is farthest away."""
    return times[np.argmax(np.abs(times - t0))]


def known(*times: Any) -> bool:
    """Whether times are numbers: that of an event that does not happen is NaN, and no integrator arrives there."""
    return all(np.all(np.isfinite(t)) for t in times)


def outputs(found: Any, times: Any) -> Any:
    """The solution at the output times, (times, states)."""
    return np.ascontiguousarray(found.sol(np.asarray(times)).T)


def augmented(v: Any, t0: Any, times: Any, y0: Any, p: Any, *extras: Any, rate: Graph, layers: Any, method: str,
              **rest: Any) -> Any:
    """The derivatives of the outputs along q directions of (y0, p): (q, times, states)."""
    q, n, m = len(v), y0.size, len(times)
    if not m or not q or not n:
        return np.zeros((q, m, n))
    if not known(t0, times):
        return np.full((q, m, n), np.nan)
    state, parameters = np.concatenate([y0, v[:, :n].ravel()]), np.concatenate([p, v[:, n:].ravel()])
    found = solved(rate, (*layers, q), _end(t0, times), t0, state, parameters, extras, method=method, **rest)
    return np.ascontiguousarray(outputs(found, times)[:, n:].reshape(m, q, n).transpose(1, 0, 2))


# ---------------------------------------------------------------- backward


def adjoint(w: Any, t0: Any, times: Any, y0: Any, p: Any, *extras: Any, rate: Graph, layers: Any, method: str, rtol: float,
            atol: Any, options: Any) -> Any:
    """``(λ(t0), μ)`` for q cotangents (q, times, states) of the outputs: (q, states + parameters)."""
    from scipy.integrate import solve_ivp
    q, n, k = len(w), y0.size, p.size
    if not len(times) or not q or not n or not np.any(w):
        return np.zeros((q, n + k))
    if not known(t0, times):
        return np.full((q, n + k), np.nan)
    method = _SOLVER.get(method, method)
    forward = solved(rate, layers, _end(t0, times), t0, y0, p, extras, method=method, rtol=rtol, atol=atol, options=options)
    graph = rates_of(rate, layers)
    pulled, own = system_of(graph).pulled(q), system_of(graph).jacobian
    tol = _cotangent_tolerances(tolerances(atol, y0, p, layers), w, forward.y, p)

    def slope(t: float, z: Any) -> Any:
        by_state, by_parameter = pulled(np.float64(t), forward.sol(t), p, z[:q * n].reshape(q, n), *extras)
        return -np.concatenate([by_state.ravel(), by_parameter.ravel()])

    def jacobian(t: float, z: Any) -> Any:
        return _repeated(-own(np.float64(t), forward.sol(t), p, *extras).T, q, q * k, q * (n + k), method)
    given = {"jac": jacobian} if method in IMPLICIT else {}
    given.update((name, value) for name, value in options if name == "max_step")
    z = np.zeros(q * (n + k))
    order = np.argsort(-np.abs(times - t0), kind="stable")
    for i, j in enumerate(order):
        z[:q * n] += w[:, j].ravel()
        start, end = float(times[j]), float(times[order[i + 1]] if i + 1 < len(order) else t0)
        if start != end:
            out = solve_ivp(slope, (start, end), z, method=method, rtol=rtol, atol=tol, **given)
            if out.status < 0:
                raise ConvergenceError(f"the adjoint equation, integrated from t = {start:g} back to {end:g}, stopped at t = "
                                       f"{out.t[-1]:g} ({out.message}); use an implicit method (Radau, BDF, LSODA) or smaller "
                                       f"tolerances")
            z = out.y[:, -1].copy()
    return np.concatenate([z[:q * n].reshape(q, n), z[q * n:].reshape(q, k)], axis=1)


def _cotangent_tolerances(tol: Any, w: Any, ys: Any, p: Any) -> Any:
    """What an error of the outputs within their tolerance does to ``<w, y>``, over the size of each state and parameter."""
    weight = np.max(np.abs(w) @ tol, axis=1)  # (q,)
    weight = np.where(weight > 0.0, weight, np.max(weight, initial=0.0) or 1.0)
    size, scale = np.max(np.abs(ys), axis=1), np.abs(p)
    by_state = np.outer(weight, 1.0 / np.where(size > 0.0, size, 1.0))
    by_parameter = np.outer(weight, 1.0 / np.where(scale > 0.0, scale, 1.0))
    return np.concatenate([by_state.ravel(), by_parameter.ravel()])
