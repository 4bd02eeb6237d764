"""Implicit functions: what a solver of SciPy's found, with the derivative of the equation that it solves.

What comes in: starting points, the parameters θ of an equation ``F(x, θ) = 0``, and graphs of the functions that the solver
calls. What goes out: x. The one idea: two equations of the graph. `solution` calls the solver, which is a constant to every
transform; `implicit` hands its result on, with the differential of the implicit-function theorem,
``dx = -(∂F/∂x)⁻¹ (∂F/∂θ) dθ``. Both sides of it are graphs at x, so its own derivative is that of any program: all orders.

Before a derivative is taken, `regular` looks at x: whether a step of Newton's method would leave it where it is (all the more
if the solver says that it did not converge), and whether the linear system means anything near x (at a root of a higher
multiplicity it does not).
"""

from __future__ import annotations

import functools
import operator
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import ConvergenceError
from wengert.graph import ArrayType, Graph, Handle, Primitive, build_graph
from wengert.primitives.control import ready_graph
from wengert.primitives.control_rules import batch_lanes
from wengert.primitives.elementary import sqrt
from wengert.primitives.linear_system import System, is_rounding, solve_system, solver_of
from wengert.primitives.reduce import reduce_sum
from wengert.primitives.structure import broadcast, reshape

__all__ = ["KNOWN", "Solver", "as_type", "as_way", "bind", "implicit", "regular", "solution"]


# ---------------------------------------------------------------- the solver

class Solver:
    """A solver with its options: ``run(functions, starts)`` gives x, whether it converged, and how far each element went.

    `key` are the name and the options; solvers with equal keys are the same, so that programs with them are found again.
    """

    __slots__ = ("key", "name", "run")

    def __init__(self, name: str, run: Callable[..., tuple[Any, bool, Any]], key: Any = None):
        self.name, self.run = name, run
        self.key = (name, run if key is None else key)

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is Solver and self.key == other.key)

    def __hash__(self) -> int:
        return hash(self.key)


KNOWN = threading.local()  # `value`: (solver, result) of the equation that is about to be recorded


def _solution_type(*types: ArrayType, functions: tuple[Graph, ...], takes: Any, solver: Solver, result: ArrayType) -> Any:
    return result, ArrayType((), np.bool_), ArrayType(result.shape, np.float64)


def _solution(*operands: Any, functions: tuple[Graph, ...], takes: tuple[tuple[int, ...], ...], solver: Solver,
              result: ArrayType) -> Any:
    known = getattr(KNOWN, "value", None)
    if known is not None and known[0] is solver:
        x, converged, way = known[1]
    else:
        x, converged, way = solver.run([bind(g, [operands[k] for k in places]) for g, places in
                                        zip(functions, takes[:-1], strict=True)], [operands[k] for k in takes[-1]])
    return np.array(np.reshape(x, result.shape), result.dtype)[()], np.bool_(converged), as_way(way, result.shape)


def as_way(way: Any, shape: tuple[int, ...]) -> Any:
    """How far each element went, of the shape of x, where a solver knows it for all together or for each."""
    way = np.asarray(way, np.float64)
    return np.array(way.reshape(shape) if way.size == np.prod(shape, dtype=int) else np.broadcast_to(way, shape))[()]


def bind(graph: Graph, parameters: Sequence[Any]) -> Callable[..., Any]:
    """A graph as a solver calls it: a function of its first inputs, which SciPy gives in any form."""
    run = ready_graph(graph)
    types = [v.type for v in graph.inputs[:len(graph.inputs) - len(parameters)]]

    def call(*xs: Any) -> Any:
        out = run(*[as_type(x, t) for x, t in zip(xs, types, strict=True)], *parameters)
        return out[0] if len(out) == 1 else tuple(out)
    return call


def as_type(x: Any, t: ArrayType) -> Any:
    """A number or an array of this type, in memory of its own."""
    return np.float64(x) if type(x) is float and not t.shape else np.reshape(np.array(x, t.dtype), t.shape)[()]


_SCALAR, _PAIR = ArrayType((), np.float64), ArrayType((2,), np.float64)


def _newton(functions: Any, starts: Any) -> Any:
    x, = starts
    for _ in range(60):
        f = functions[0](x)
        x = x - f / np.where(x == 0, 1.0, 2.0 * x)
    return x, True, 1.0


_SQUARE = build_graph(lambda x, a: x * x - a, _PAIR, _PAIR)
_NEWTON = Solver("newton", _newton)


def _solution_sample(rng: np.random.Generator) -> Any:
    return [((np.ones(2), rng.uniform(1.0, 2.0, 2)),
             {"functions": (_SQUARE,), "takes": ((1,), (0,)), "solver": _NEWTON, "result": _PAIR})]


solution = Primitive("solution", type=_solution_type, evaluate=_solution, multiple=True, differentiable=False,
                     holds_graphs=True, batch=batch_lanes("solution"), sample=_solution_sample)


# ---------------------------------------------------------------- what a derivative needs of it

_MOST_LEFT = 1e-3  # of an element or of its way: a step of Newton's method that is longer tells of no convergence
_LEAST = 1e-5  # of the largest element, for one that is smaller: it may be zero by chance
_SURE = 1e-6  # of the largest, for a solver that says it did not converge: one that asked for too much often stands there
_MOST_BENT = 0.1  # how much the linear system may change over that step, or over a step that is barely resolved


def _regular(v: Any, x: Any, converged: Any, way: Any, *rest: Any, residual: Graph, system: System, count: int,
             name: str, always: bool) -> Any:
    """v, a tangent or cotangent on its way, unless a derivative at x would mean nothing; one that is zero asks for none.

    `always`: it asks for one all the same, since it is zero for every x, and x may lie where the equation jumps.
    """
    if not always and not np.any(v):
        return v
    shape, entries, parameters = np.shape(x), rest[:count], rest[count:]
    run = ready_graph(residual)
    solve = solver_of(system, entries, shape)

    def left(point: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.ravel(np.asarray(run(np.reshape(point, shape)[()], *parameters)[0], float))
    flat = np.ravel(np.asarray(x, float))
    if not flat.size:
        return v
    at = left(flat)
    if is_rounding(system, entries, x, at):
        return v
    step = solve(at)
    each = np.maximum(np.abs(flat), np.ravel(way))
    scale, length = float(each.max()) or 1.0, float(np.abs(step).max())
    if not converged and not length <= _SURE * scale:
        raise ConvergenceError(f"{name} did not converge (a step of Newton's method from where it stopped has length "
                               f"{length:.1e}), and the derivative of what it gave is asked for. Start nearer to the solution, "
                               f"or allow more iterations")
    from_zero = np.ravel(way) == np.abs(flat)  # what starts at zero, and is there, shows no size of its own
    left_of = np.abs(step) / np.maximum(each, np.where(from_zero, 1.0, _LEAST) * scale)
    if not float(left_of.max()) <= _MOST_LEFT:
        raise ConvergenceError(f"{name} stopped at a point that does not solve its equation: a step of Newton's method from "
                               f"there has length {length:.1e}, and would change an unknown by {float(left_of.max()):.1e} of "
                               f"its way. Its derivative would be wrong; ask {name} for a smaller tolerance")
    if system[0] != "operator":
        _require_straight(name, flat, at, left, solve, max(length, scale * _precision(residual) ** 0.5), _precision(residual))
    return v


def _precision(graph: Graph) -> float:
    """The rounding of the coarsest numbers in a graph."""
    found = graph.derived.get(_precision)
    if found is None:
        dtypes = {v.type.dtype for e in graph.equations for v in (*e.operands, *e.results) if isinstance(v.type, ArrayType)}
        found = max((float(np.finfo(d).eps) for d in dtypes if d.kind in "fc"), default=float(np.finfo(float).eps))
        graph.derived[_precision] = found
    return found  # type: ignore[no-any-return]


def _require_straight(name: str, x: Any, at: Any, left: Callable[[Any], Any], solve: Callable[[Any], Any], h: float,
                      precision: float) -> None:
    """Refuse a root of a higher multiplicity: ``F(x + h u) - F(x)`` has to be h times what the linear system says.

    u is the direction that the system takes to be the flattest, about: what it makes of an arbitrary right-hand side.
    """
    size = float(np.abs(at).max(initial=0.0))
    u = solve(np.cos(np.arange(x.size) + 1.0))
    u = u / np.abs(u).max()
    moved = left(x + h * u)
    if not np.isfinite(moved).all():  # beyond the edge of what the function takes
        return
    bent = float(np.abs(solve((moved - at) / h) - u).max())
    noise = float(np.abs(solve(np.full(x.size, precision * max(size, float(np.abs(moved).max())) / h))).max())
    if bent > _MOST_BENT + 10.0 * noise:
        raise np.linalg.LinAlgError(
            f"Singular matrix: the solution that {name} found is a multiple one, or nearly so, and has no derivative there")


def _regular_batch(n: int, ops: Any, batched: Any, **params: Any) -> Any:
    """Many tangents at one point: one look at it."""
    return batch_lanes("regular")(n, ops, batched, **params) if any(batched[1:]) else regular(*ops, **params)


def _regular_sample(rng: np.random.Generator) -> Any:
    residual = build_graph(lambda x, a: x * x - a, _SCALAR, _SCALAR)
    return [((rng.normal(), rng.uniform(1.0, 2.0)), {"residual": residual, "system": ("dense",), "count": 1, "name": "newton",
                                                          "always": False})]


regular: Primitive = Primitive(
    "regular", type=lambda v, *rest, **params: v, evaluate=_regular, holds_graphs=True, batch=_regular_batch, linear=(0,),
    transpose=lambda ct, i, ops, **params: regular(ct, *[ops[k] for k in range(1, len(ops))], **params),
    jvp=lambda v, ops, tangents, *, transform, **params: None, sample=_regular_sample,
    follows=lambda v, a, **params: (v, sqrt(a), True, 1.0, reshape(2.0 * sqrt(a), shape=(1, 1)), a))


# ---------------------------------------------------------------- the theorem

def _implicit_jvp(x: Any, ops: Any, tangents: Any, *, transform: Any, residual: Graph, matrix: Graph, system: System,
                  name: str, branches: bool) -> Any:
    # branches: the residual is of those that were taken, and does not show what they depend on
    _, converged, way, *parameters = ops
    moving = tangents[3:]
    if all(t is None for t in moving):
        return None
    linear = transform(residual, [False, *[t is not None for t in moving]])
    smooth, present = linear.nonzero[0], [t for t in moving if t is not None]
    if not smooth and not branches and not _reaches(residual, [t is not None for t in moving]):
        return None
    build = x.build
    entries = build.inline(matrix, [x, *parameters])
    if smooth:
        env = build.inline_env(linear.primal, {v: build.atom(h)
                                               for v, h in zip(residual.inputs, (x, *parameters), strict=True)})[1]
        change = build.inline(linear.graph, [*present, *[Handle(build, env[v]) for v in linear.residuals]])[0]
    else:  # by the steps of a function alone, as of sign(x - θ): zero, unless x lies at one of them
        sums = [reduce_sum(t, axes=tuple(range(len(t.shape)))) for t in present]
        change = broadcast(functools.reduce(operator.add, sums) * 0.0, shape=x.shape)
    change = regular(change, x, converged, way, *entries, *parameters, residual=residual, system=system, count=len(entries),
                     name=name, always=not smooth)
    return -solve_system(system, entries, change)


def _reaches(graph: Graph, moving: Sequence[bool]) -> bool:
    """Whether what a graph gives depends in any way on these of its inputs after the first."""
    reached = {v for v, moves in zip(graph.inputs[1:], moving, strict=True) if moves}
    for e in graph.equations:
        if any(o in reached for o in e.operands):
            reached.update(e.results)
    return graph.outputs[0] in reached


def _implicit_sample(rng: np.random.Generator) -> Any:
    matrix = build_graph(lambda x, a: (2.0 * x,), _SCALAR, _SCALAR)
    residual = build_graph(lambda x, a: x * x - a, _SCALAR, _SCALAR)
    return [((rng.uniform(1.0, 2.0),), {"residual": residual, "matrix": matrix, "system": ("dense",), "name": "newton",
                                         "branches": False})]


implicit: Primitive = Primitive(
    "implicit", type=lambda x, *rest, **params: x, evaluate=lambda x, *rest, **params: np.array(x)[()], jvp=_implicit_jvp,
    holds_graphs=True, batch=batch_lanes("implicit"), sample=_implicit_sample,
    follows=lambda a, **params: (sqrt(a), True, 1.0, a))
