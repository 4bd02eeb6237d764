"""Initial value problems: the solution of ``y' = f(t, y, p)`` as a primitive.

What comes in: the start ``t0``, the bound ``t1`` up to which the integrator may go, output times, the state ``y0``, all
parameters as one vector p, further arrays, and the graph of f. What goes out: the states at the output times. The one
idea: what is differentiated is the continuous solution φ(y0, p), to the tolerance of the integrator, and four primitives
are closed under all derivatives:

- ``ivp`` is φ at the output times;
- ``ivp_tangent`` is ``Dφ V`` for a batch V of directions of (y0, p), by the variational equation;
- ``ivp_adjoint`` is ``Dφᵀ w``, by the adjoint equation;
- ``ivp_curvature`` is ``D²(w·φ) Z``, the derivative of the adjoint, by the adjoint of the variational equation.

Derivatives of the last three in (y0, p) are the same primitives of the augmented system ``(y, S)``: `layers` counts the
directions that were carried along. Derivatives in times are the right-hand side there; in t0, those of ``y0 - f(t0, y0)
dt0``.

(Hairer, Nørsett and Wanner, "Solving Ordinary Differential Equations I", section I.14; Cao, Li, Petzold and Serban, "Adjoint
sensitivity analysis for differential-algebraic equations", 2003.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import NonDifferentiableError
from wengert.graph import ArrayType, Build, Const, Graph, Handle, Primitive
from wengert.primitives import trajectory
from wengert.primitives.contract import contract
from wengert.primitives.elementary import absolute
from wengert.primitives.index import basic_index, index, slice_axis
from wengert.primitives.reduce import argmax
from wengert.primitives.structure import concatenate, full, reduce_sum, reshape
from wengert.primitives.trajectory import rates_of, system_of

__all__ = ["event_time", "in_lanes", "ivp", "ivp_adjoint", "ivp_curvature", "ivp_tangent"]

_FLOAT = np.dtype(np.float64)
_ALL = slice(None)


def _vector(size: int, *lead: int) -> ArrayType:
    return ArrayType((*lead, size), _FLOAT)


def _zeros(shape: tuple[int, ...], like: Handle) -> Any:
    return full(np.zeros((), _FLOAT), shape, like)


def _or_zeros(x: Any, shape: tuple[int, ...], like: Handle) -> Any:
    return _zeros(shape, like) if x is None else x


def _lead(build: Any, n: int) -> Handle:
    return Handle(build, Const(np.int64(n)))


# ---------------------------------------------------------------- graphs at each output time


def _at_each(graph: Graph, times: Handle, rows: Sequence[Handle], fixed: Sequence[Handle]) -> tuple[Any, ...]:
    """The graph of (t, *rows, *fixed) for each output time, stacked."""
    from wengert.primitives.control import scan
    build, size = Build(), times.shape[0]
    given = [build.input(h.type) for h in fixed]
    row = [build.input(ArrayType(h.shape[1:], h.dtype)) for h in (times, *rows)]
    body = build.graph(build.inline(graph, [*row, *given]), build.inputs)
    operands = (_lead(times.build, size), *fixed, times, *rows)
    return tuple(scan(*operands, body=body, constants=len(fixed), carries=0, reverse=False, size=size))


def _here(graph: Graph, *operands: Handle) -> Any:
    return operands[0].build.inline(graph, operands)


def _scaled(rows: Handle, factors: Handle) -> Any:
    """Each row of the leading axis, times its factor."""
    letters = "abcd"[:rows.ndim]
    return contract(rows, factors, spec=f"{letters},a->{letters}")


# ---------------------------------------------------------------- the solution


def _ivp_type(t0: Any, t1: Any, times: Any, y0: Any, p: Any, *extras: Any, **params: Any) -> ArrayType:
    return _vector(y0.shape[0], times.shape[0])


def _ivp(t0: Any, t1: Any, times: Any, y0: Any, p: Any, *extras: Any, rate: Graph, layers: Any, method: str, events: Any,
         **rest: Any) -> Any:
    if not trajectory.known(t0, t1, times):
        return np.full((len(times), y0.size), np.nan)
    if method == "odeint" and not layers:
        return trajectory.by_odeint(rate, t0, times, y0, p, extras, **rest)
    found = trajectory.solved(rate, layers, t1, t0, y0, p, extras, method=method, events=events, **rest)
    return trajectory.outputs(found, times)


def _without_events(params: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in params.items() if k != "events"}


def _ivp_jvp(ys: Any, operands: Any, tangents: Any, **params: Any) -> Any:
    t0, _, times, y0, p, *extras = operands
    dt0, _, dtimes, dy0, dp = tangents[:5]
    start = _moved_start(t0, y0, p, extras, dt0, dy0, params)
    total = None
    if start is not None or dp is not None:
        v = concatenate(_or_zeros(start, y0.shape, t0), _or_zeros(dp, p.shape, t0), axis=0)
        out = ivp_tangent(reshape(v, shape=(1, *v.shape)), t0, times, y0, p, *extras, **_without_events(params))
        total = reshape(out, shape=ys.shape)
    if dtimes is not None and times.shape[0]:
        rates, = _at_each(rates_of(params["rate"], params["layers"]), times, [ys], [p, *extras])
        moved = _scaled(rates, dtimes)
        total = moved if total is None else total + moved
    return total


def _moved_start(t0: Any, y0: Any, p: Any, extras: Any, dt0: Any, dy0: Any, params: Any) -> Any:
    """A later start is another state at the old one: ``dy0 - f(t0, y0) dt0``."""
    if dt0 is None:
        return dy0
    slope, = _here(rates_of(params["rate"], params["layers"]), t0, y0, p, *extras)
    moved = -(slope * dt0)
    return moved if dy0 is None else dy0 + moved


# ---------------------------------------------------------------- its derivative along directions


def _tangent_type(v: Any, t0: Any, times: Any, y0: Any, *rest: Any, **params: Any) -> ArrayType:
    return _vector(y0.shape[0], v.shape[0], times.shape[0])


def _tangent_transpose(ct: Any, i: int, ops: Any, **params: Any) -> Any:
    return ivp_adjoint(ct, *[ops[k] for k in range(1, len(ops.types))], **params)


def _packed(base: Handle, directions: Handle) -> Any:
    """A vector, and behind it q directions (q, size)."""
    return concatenate(base, reshape(directions, shape=(directions.type.size,)), axis=0)


def _split(v: Handle, n: int) -> tuple[Any, Any]:
    return slice_axis(v, 1, 0, n), slice_axis(v, 1, n, v.shape[1])


def _wider(params: dict[str, Any], q: int) -> dict[str, Any]:
    return {**params, "layers": (*params["layers"], q)}


def _tangent_jvp(ss: Any, operands: Any, tangents: Any, **params: Any) -> Any:
    """The derivative of the augmented system's solution, whose second part this is."""
    v, t0, times, y0, p, *extras = operands
    _, dt0, dtimes, dy0, dp = tangents[:5]
    q, m, n = ss.shape
    v_y, v_p = _split(v, n)
    state, parameters = _packed(y0, v_y), _packed(p, v_p)
    end = _last(times, t0)
    ys = ivp(t0, end, times, y0, p, *extras, events=(), **params) if dtimes is not None else None
    wide = [None if ys is None else concatenate(ys, reshape(_moved_axis(ss), shape=(m, q * n)), axis=1), t0, end, times, state,
            parameters, *extras]
    wider = [None if d is None else concatenate(d, _zeros((q * d.shape[0],), d), axis=0) for d in (dy0, dp)]
    moves = [dt0, None, dtimes, *wider]
    whole = wide[0] if ys is not None else _Shaped((m, n * (1 + q)))
    out = _ivp_jvp(whole, wide[1:], moves, events=(), **_wider(params, q))
    if out is None:
        return None
    return _directions(out, q, m, n)


class _Shaped:
    """Stands for a result of which only the shape is looked at."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape


def _moved_axis(ss: Handle) -> Any:
    """(q, m, n) -> (m, q, n)"""
    from wengert.primitives.structure import transpose
    return transpose(ss, axes=(1, 0, 2))


def _directions(ys: Handle, q: int, m: int, n: int) -> Any:
    """The directions of an augmented solution (m, n (1 + q)), as (q, m, n)."""
    return _moved_axis(reshape(slice_axis(ys, 1, n, n * (1 + q)), shape=(m, q, n)))


def _last(times: Handle, t0: Handle) -> Any:
    """How far an integration has to go: to the output time that is farthest away."""
    if not times.shape[0]:
        return t0
    far = reshape(argmax(absolute(times - t0), axis=0), shape=(1,))
    return reshape(index(times, far, spec=(("a",),)), shape=())


# ---------------------------------------------------------------- its adjoint


def _adjoint_type(w: Any, t0: Any, times: Any, y0: Any, p: Any, *extras: Any, **params: Any) -> ArrayType:
    return _vector(y0.shape[0] + p.shape[0], w.shape[0])


def _adjoint_transpose(ct: Any, i: int, ops: Any, **params: Any) -> Any:
    return ivp_tangent(ct, *[ops[k] for k in range(1, len(ops.types))], **params)


def _adjoint_jvp(g: Any, operands: Any, tangents: Any, **params: Any) -> Any:
    """The adjoint is Dφᵀ w: its derivative in (y0, p) is a product with the second derivatives of w·φ."""
    w, t0, times, y0, p, *extras = operands
    _, dt0, dtimes, dy0, dp = tangents[:5]
    base, n, q = (t0, times, y0, p, *extras), y0.shape[0], w.shape[0]
    start = _moved_start(t0, y0, p, extras, dt0, dy0, params)
    terms = []
    if start is not None or dp is not None:
        z = concatenate(_or_zeros(start, y0.shape, t0), _or_zeros(dp, p.shape, t0), axis=0)
        terms.append(reshape(ivp_curvature(reshape(z, shape=(1, *z.shape)), w, *base, **params), shape=g.shape))
    graph = system_of(rates_of(params["rate"], params["layers"])).pulled_graph(q)
    if dt0 is not None:
        by_state, by_parameter = _here(graph, t0, y0, p, slice_axis(g, 1, 0, n), *extras)
        terms.append(-(concatenate(by_state, by_parameter, axis=1) * dt0))
    if dtimes is not None and times.shape[0]:
        ys = ivp(t0, _last(times, t0), times, y0, p, *extras, events=(), **params)
        rows = _permuted_graph(graph, y0.type, p.type, w.shape)
        by_state, by_parameter = _at_each(rows, times, [ys, _moved_axis(w)], [p, *extras])
        terms.append(ivp_adjoint(_moved_axis(_scaled(by_state, dtimes)), *base, **params))
        direct = reduce_sum(_scaled(by_parameter, dtimes), axes=(0,))
        terms.append(concatenate(_zeros((q, n), t0), direct, axis=1))
    return _sum(terms)


def _permuted_graph(graph: Graph, state: Any, parameters: Any, shape: tuple[int, ...]) -> Graph:
    """``(t, y, p, Λ, *extras)`` with the operands in the order ``(t, y, Λ, p, *extras)``."""
    t, y, p, rows, *extras = graph.inputs
    return Graph((t, y, rows, p, *extras), graph.equations, graph.outputs, graph.lines)


def _sum(terms: Sequence[Any]) -> Any:
    total = None
    for t in terms:
        total = t if total is None else total + t
    return total


# ---------------------------------------------------------------- second derivatives


def _curvature_type(z: Any, w: Any, t0: Any, times: Any, y0: Any, p: Any, *extras: Any, **params: Any) -> ArrayType:
    return _vector(y0.shape[0] + p.shape[0], z.shape[0], w.shape[0])


def _curvature(z: Any, w: Any, t0: Any, times: Any, y0: Any, p: Any, *extras: Any, **params: Any) -> Any:
    n, k = y0.size, p.size
    zero, rows = np.zeros_like(w), []
    for row in z:
        state, parameters = np.concatenate([y0, row[:n]]), np.concatenate([p, row[n:]])
        out = trajectory.adjoint(np.concatenate([zero, w], axis=2), t0, times, state, parameters, *extras, **_wider(params, 1))
        rows.append(np.concatenate([out[:, :n], out[:, 2 * n:2 * n + k]], axis=1))
    return np.stack(rows) if rows else np.zeros((0, len(w), n + k))


def _widened(z: Handle, y0: Handle, p: Handle) -> tuple[Any, Any]:
    """The base point of the augmented system with one direction."""
    n = y0.shape[0]
    return concatenate(y0, slice_axis(z, 0, 0, n), axis=0), concatenate(p, slice_axis(z, 0, n, z.shape[0]), axis=0)


def _unmoving(v: Handle, n: int) -> Any:
    """Directions (q, n + k) of (y, p) as those of the augmented system with one direction."""
    y, p = _split(v, n)
    none_y, none_p = (_zeros(x.shape, v) for x in (y, p))
    return concatenate(y, none_y, p, none_p, axis=1)


def _curvature_transpose(ct: Any, i: int, ops: Any, **params: Any) -> Any:
    types, base = ops.types, [ops[k] for k in range(2, len(ops.types))]
    (r, _), (q, _, n) = types[0].shape, types[1].shape
    if i == 0:  # symmetric
        w = ops[1]
        terms = [ivp_curvature(basic_index(ct, (_ALL, k)), slice_axis(w, 0, k, k + 1), *base, **params) for k in range(q)]
        return reshape(_sum(terms), shape=types[0].shape)
    z, (t0, times, y0, p, *extras) = ops[0], base
    terms = []
    for k in range(r):
        state, parameters = _widened(basic_index(z, (k,)), y0, p)
        out = ivp_tangent(_unmoving(basic_index(ct, (k,)), n), t0, times, state, parameters, *extras, **_wider(params, 1))
        terms.append(slice_axis(out, 2, n, 2 * n))
    return _sum(terms)


def _curvature_jvp(h: Any, operands: Any, tangents: Any, **params: Any) -> Any:
    """For each direction it is a part of the adjoint of the augmented system, and so is its derivative."""
    z, w, t0, times, y0, p, *extras = operands
    _, _, dt0, dtimes, dy0, dp = tangents[:6]
    (q, _, n), k = w.shape, p.shape[0]
    wide_w = concatenate(_zeros(w.shape, w), w, axis=2)
    moves = [None, dt0, dtimes, *[None if d is None else concatenate(d, _zeros(d.shape, d), axis=0) for d in (dy0, dp)]]
    rows = []
    for j in range(z.shape[0]):
        state, parameters = _widened(basic_index(z, (j,)), y0, p)
        base = [wide_w, t0, times, state, parameters, *extras]
        whole = ivp_adjoint(*base, **_wider(params, 1)) if dt0 is not None else _Shaped((q, 2 * (n + k)))
        out = _adjoint_jvp(whole, base, moves, **_wider(params, 1))
        if out is None:
            return None
        part = concatenate(slice_axis(out, 1, 0, n), slice_axis(out, 1, 2 * n, 2 * n + k), axis=1)
        rows.append(reshape(part, shape=(1, q, n + k)))
    return concatenate(*rows, axis=0) if len(rows) > 1 else rows[0]


# ---------------------------------------------------------------- batching


def _lanes(name: str, n: int, operands: Any, batched: Any, params: Any) -> Any:
    """Lane by lane: each chooses its own steps."""
    from wengert.graph import REGISTRY
    from wengert.primitives.control import scan
    whole = [k for k, b in enumerate(batched) if not b]
    lanes = [k for k, b in enumerate(batched) if b]
    build = Build()
    inputs = {k: build.input(operands[k].type) for k in whole}
    inputs.update({k: build.input(ArrayType(operands[k].shape[1:], operands[k].dtype)) for k in lanes})
    out = REGISTRY[name](*[inputs[k] for k in range(len(operands))], **params)
    body = build.graph([out], build.inputs)
    return scan(_lead(operands[lanes[0]].build, n), *[operands[k] for k in (*whole, *lanes)], body=body, constants=len(whole),
                carries=0, reverse=False, size=n)[0]


def in_lanes(name: str) -> Callable[..., Any]:
    """The batching rule of what has no faster one: lane by lane, in a loop."""
    return lambda n, operands, batched, **params: _lanes(name, n, operands, batched, params)


def _at_once(name: str) -> Callable[..., Any]:
    """Directions (or cotangents) of all lanes in one integration, if only they differ."""
    def batch(n: int, operands: Any, batched: Any, **params: Any) -> Any:
        if any(batched[1:]):
            return _lanes(name, n, operands, batched, params)
        from wengert.graph import REGISTRY
        q, *rest = operands[0].shape[1:]
        out = REGISTRY[name](reshape(operands[0], shape=(n * q, *rest)), *operands[1:], **params)
        return reshape(out, shape=(n, q, *out.shape[1:]))
    return batch


# ---------------------------------------------------------------- samples


def _sample_body() -> Graph:
    from wengert.graph import build_graph
    from wengert.primitives.elementary import sin

    def rate(t: Any, y: Any, p: Any) -> Any:
        a, b = (basic_index(y, (k,)) for k in range(2))
        c = basic_index(p, (0,))
        return concatenate(reshape(b + c * t, shape=(1,)), reshape(-(c * sin(a)), shape=(1,)), axis=0)
    return build_graph(rate, ArrayType((), _FLOAT), _vector(2), _vector(1))


# So short steps that the error is one of rounding
_SAMPLE: dict[str, Any] = {"layers": (), "method": "DOP853", "rtol": 1e-13, "atol": 1e-13,
                           "options": (("max_step", 0.025), ("sens", "adjoint"))}


def _sample(*lead: tuple[int, ...], times: bool = True, bound: bool = False) -> Callable[[np.random.Generator], Any]:
    def sample(rng: np.random.Generator) -> Any:
        params = {"rate": _sample_body(), **_SAMPLE, **({"events": ()} if bound else {})}
        first = [rng.normal(size=shape) for shape in lead]
        end = [np.float64(0.15)] if bound else []
        base = (np.float64(0.1), *end, np.array([0.12, 0.15]), rng.normal(size=2), rng.uniform(0.5, 1.5, 1))
        return [((*first, *base), params)]
    return sample


ivp: Primitive = Primitive(
    "ivp", type=_ivp_type, evaluate=_ivp, jvp=_ivp_jvp, batch=in_lanes("ivp"), sample=_sample(bound=True))

ivp_tangent: Primitive = Primitive(
    "ivp_tangent", type=_tangent_type, evaluate=trajectory.augmented, linear=(0,), transpose=_tangent_transpose,
    jvp=_tangent_jvp, batch=_at_once("ivp_tangent"), sample=_sample((2, 3)))

ivp_adjoint: Primitive = Primitive(
    "ivp_adjoint", type=_adjoint_type, evaluate=trajectory.adjoint, linear=(0,), transpose=_adjoint_transpose,
    jvp=_adjoint_jvp, batch=_at_once("ivp_adjoint"), sample=_sample((2, 2, 2)))

ivp_curvature: Primitive = Primitive(
    "ivp_curvature", type=_curvature_type, evaluate=_curvature, linear=(0, 1), transpose=_curvature_transpose,
    jvp=_curvature_jvp, batch=in_lanes("ivp_curvature"), sample=_sample((1, 3), (1, 2, 2)))


# ---------------------------------------------------------------- events


def _crossed(t0: Any, t1: Any, y0: Any, p: Any, *extras: Any, rate: Graph, events: Any, which: int, nth: int, layers: Any,
             **rest: Any) -> Any:
    if not trajectory.known(t0, t1):
        return np.float64(np.nan)
    found = trajectory.solved(rate, layers, t1, t0, y0, p, extras, events=events, **rest)
    times = found.t_events[which]
    return np.float64(times[nth] if nth < len(times) else np.nan)


def _crossed_jvp(te: Any, operands: Any, tangents: Any, *, which: int, nth: int, **params: Any) -> Any:
    """``dt* = -(∂g·S) / (g_t + g_y·f)``, the implicit-function theorem for ``g(t*, y(t*)) = 0``."""
    t0, t1, y0, p, *extras = operands
    dt0, _, dy0, dp = tangents[:4]
    times = reshape(te, shape=(1,))
    ys = ivp(t0, t1, times, y0, p, *extras, **params)
    dy = _ivp_jvp(ys, [t0, t1, times, y0, p, *extras], [dt0, None, None, dy0, dp], **params)
    y = reshape(ys, shape=y0.shape)
    _, g_t, g_y, g_p = _here(system_of(params["events"][which][0]).gradients, te, y, p, *extras)
    slope, = _here(rates_of(params["rate"], params["layers"]), te, y, p, *extras)
    moved = [contract(g_y, reshape(dy, shape=y0.shape), spec="a,a->")] if dy is not None else []
    moved += [contract(g_p, dp, spec="a,a->")] if dp is not None else []
    along = contract(g_y, slope, spec="a,a->")
    size = contract(g_y, g_y, spec="a,a->") * contract(slope, slope, spec="a,a->") + g_t * g_t
    slope_of_g = g_t + along
    return -(_sum(moved) / transversal(slope_of_g, slope_of_g, size, rtol=params["rtol"])) if moved else None


def _transversal(x: Any, slope: Any, size: Any, *, rtol: float) -> Any:
    """x, if the slope is not zero."""
    if abs(slope) <= (1e-8 + 0.1 * rtol) * np.sqrt(size):
        raise NonDifferentiableError(
            f"an event is grazed: the trajectory touches the zero of the event function without crossing it (its slope "
            f"along the "
            f"trajectory is {float(slope):.2g}), and the time of the event has no derivative there")
    return x


transversal: Primitive = Primitive(
    "transversal", type=lambda x, slope, size, *, rtol: x, evaluate=_transversal, linear=(0,), jvp=lambda *_, rtol: None,
    transpose=lambda ct, i, ops, *, rtol: transversal(ct, ops[1], ops[2], rtol=rtol),
    sample=lambda rng: [((np.float64(0.5), np.float64(0.5), np.float64(1.0)), {"rtol": 1e-6})])


def _crossing_sample(rng: np.random.Generator) -> Any:
    from wengert.graph import build_graph
    types = ArrayType((), _FLOAT), _vector(2), _vector(1)
    event = build_graph(lambda t, y, p: basic_index(y, (0,)) - basic_index(p, (0,)), *types)
    params = {"rate": _sample_body(), **_SAMPLE, "events": ((event, True, 0.0),), "which": 0, "nth": 0}
    return [((np.float64(0.1), np.float64(0.2), np.array([0.4, 1.5]), np.array([0.5])), params)]


event_time: Primitive = Primitive(
    "event_time", type=lambda *types, **params: ArrayType((), _FLOAT), evaluate=_crossed, jvp=_crossed_jvp,
    batch=in_lanes("event_time"), sample=_crossing_sample)
