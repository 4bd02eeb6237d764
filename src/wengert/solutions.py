"""Solutions of equations as values of a program: what `wg.implicit` and SciPy's solvers by their own names share.

What comes in: a solver, the Python functions that it calls, where it starts, and which equation its result solves. What goes
out: the result, traced. The one idea: each function becomes a graph of its arguments and of all that it captured; the solver
runs on the graph, and the equation, its Jacobian, and the pattern of that are graphs made of it.

A function that branches on its argument has no graph of its own. Unstaged, it is then called as it is, with every value known,
and its branches are those taken at the solution.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import InputError, UnstageableError, UnsupportedError
from wengert.frontends.numpy_api.structure import as_array
from wengert.frontends.registry import FUNCTIONS, NeedsValueError
from wengert.frontends.trace import Trace, active_frame, user_line
from wengert.frontends.tracer import Tracer
from wengert.graph import ArrayType, Build, Const, Graph, Handle, Var, build_graph, type_of
from wengert.primitives.control import call
from wengert.primitives.elementary import absolute
from wengert.primitives.elementwise import less, logical_and, logical_not, maximum
from wengert.primitives.implicit import KNOWN, Solver, as_type, as_way, bind, implicit, solution
from wengert.primitives.index import index, index_add
from wengert.primitives.linear_system import System, krylov, multiplier, solve_system, solver_of
from wengert.primitives.structure import broadcast, reshape, select, transpose
from wengert.run import reached, run_traced
from wengert.transforms import coloring
from wengert.transforms.batch import batch
from wengert.transforms.linearize import Linear, linearize
from wengert.transforms.pattern import Pattern
from wengert.transforms.sparsity import known_values, propagate
from wengert.transforms.strong_zeros import masked
from wengert.transforms.transpose import transpose as adjoint_of
from wengert.transforms.vjp import vjp

__all__ = ["DENSE", "Call", "Equation", "Found", "Function", "array_of", "fixed_point", "gradient", "is_traced", "jacobian",
           "jacobian_system", "linear", "normal", "of_graph", "plain", "real", "root", "solve", "solver_of_arrays"]

DENSE = 500  # unknowns up to which a matrix is made dense
_FEW = 0.1  # colors, of as many as there are unknowns, with which a sparse matrix pays

_NEAR = 1e-4  # relative distance from a bound at which a solver may stop that wants to reach it

Equation = Callable[[Graph], Graph]


def is_traced(x: Any) -> bool:
    """Whether a value, or one in a list or tuple, is traced."""
    return (isinstance(x, Tracer) and x.build is not None) or (isinstance(x, (list, tuple)) and any(map(is_traced, x)))


def plain(x: Any, what: str) -> Any:
    """The value of an option, which is not differentiated."""
    if isinstance(x, (list, tuple)):
        return type(x)([plain(e, what) for e in x])
    return x.concrete(what) if isinstance(x, Tracer) else x


def array_of(x: Any) -> Any:
    """A traced array as it is, a list of traced numbers as one, and anything else as an ordinary array."""
    if is_traced(x):
        return x if isinstance(x, Tracer) else FUNCTIONS[np.array](x)
    return np.asarray(plain(x, "an argument"))


# ---------------------------------------------------------------- functions

class Function:
    """A function that a solver calls, with the types of its arguments.

    Attributes
    ----------
    graph : Graph or None
        Its inputs are the arguments, then the `parameters`. None: it branches on its arguments, and is called as it is.
    parameters : list
        What it captured, traced values, and its constants.
    """

    def __init__(self, name: str, f: Callable[..., Any], types: Sequence[ArrayType]):
        self.name, self.f, self.types = name, f, tuple(types)
        self.graph: Graph | None = None
        self.parameters: list[Any] = []
        try:
            self._stage([None] * len(self.types))
        except NeedsValueError:
            if active_frame() is not None:
                raise

    @property
    def traced(self) -> bool:
        """Whether it uses traced values; not known of a function that branches, so that is said to."""
        return self.graph is None or any(is_traced(p) for p in self.parameters)

    def _stage(self, values: Sequence[Any]) -> list[Any]:
        """Its graph, traced with these values of the arguments (None: unknown), and the values of what it gives."""
        trace = Trace(self.name)
        variables = [trace.argument(k, t, v) for k, (t, v) in enumerate(zip(self.types, values, strict=True))]
        tracers = [Tracer(trace, v, kind="argument" if v.type.shape else "scalar") for v in variables]

        def body() -> list[Any]:
            out = reached(self.f)(*tracers)
            return [self._atom(trace, x) for x in (out if type(out) is tuple else (out,))]
        atoms = run_traced(trace, body)
        if trace.effects and values[0] is None:
            if active_frame() is not None:
                raise UnstageableError(f"{self.name}: the function draws, prints or raises, and a graph that calls it again "
                                       f"would do so again (at {user_line()})")
            raise NeedsValueError("an effect")
        inputs = [*variables, *[v for v, _ in trace.captured.values()], *trace.lifted]
        self.parameters = [*[x for _, x in trace.captured.values()], *[trace.values[v] for v in trace.lifted]]
        key = ("solutions", tuple(inputs), tuple(atoms))
        derived = trace.build.derived
        if key not in derived:
            derived[key] = trace.build.extract(inputs, atoms)
        self.graph = derived[key]
        return [a.value if isinstance(a, Const) else trace.values.get(a) for a in atoms]

    def _atom(self, trace: Trace, x: Any) -> Any:
        x = as_array(x)
        if x.dtype.kind not in "fiub":
            raise UnsupportedError(f"{self.name}: the function gives {x.dtype}; what is solved has to be real. Split it into "
                                   f"real and imaginary parts (at {user_line()})")
        x = x.astype(np.float64)
        if not isinstance(x, Tracer):
            return Const(x)
        if x.build is None:
            return Const(x.cell)
        return x.current() if x.build is trace else trace.capture(x)

    def numeric(self) -> Callable[..., Any]:
        """The function of ordinary arrays."""
        if self.graph is None:
            return self._called
        return bind(self.graph, [p.concrete(self.name) if isinstance(p, Tracer) else p for p in self.parameters])

    def _called(self, *xs: Any) -> Any:
        """As it is, at known values, with the branches that they take."""
        graph, parameters = self.graph, self.parameters
        out = self._stage([as_type(x, t) for x, t in zip(xs, self.types, strict=True)])
        self.graph, self.parameters = graph, parameters
        if any(v is None for v in out):
            raise NeedsValueError(f"{self.name} at {user_line()} branches on a value that is not known")
        return out[0] if len(out) == 1 else tuple(out)

    def at(self, *xs: Any) -> None:
        """Take the graph of the branches at this point."""
        self._stage([as_type(x, t) for x, t in zip(xs, self.types, strict=True)])


def of_graph(function: Function, graph: Graph) -> Function:
    """A function given by a graph that was made of another's: its parameters are the same."""
    new = Function.__new__(Function)
    new.name, new.f, new.types = function.name, function.f, function.types
    new.graph, new.parameters = graph, function.parameters
    return new


def real(shape: tuple[int, ...]) -> ArrayType:
    """The type of an unknown."""
    return ArrayType(shape, np.float64)


# ---------------------------------------------------------------- equations

def _kept(equation: Equation) -> Equation:
    """The graph that an equation makes of another is kept with that: programs with it are found again."""
    @functools.wraps(equation)
    def found(graph: Graph) -> Graph:
        if equation not in graph.derived:
            graph.derived[equation] = equation(graph)
        return graph.derived[equation]  # type: ignore[no-any-return]
    return found


@_kept
def root(graph: Graph) -> Graph:
    """``F(x, θ)``, of the shape of x."""
    x = graph.inputs[0].type
    if graph.outputs[0].type.size != x.size:
        raise InputError(f"the function gives {graph.outputs[0].type} for an x of shape {x.shape}; there have to be as many "
                         f"equations as unknowns (at {user_line()})")
    return _made(graph, lambda h, out, given: reshape(out[0], shape=x.shape))


@_kept
def fixed_point(graph: Graph) -> Graph:
    """``g(x, θ) - x``."""
    residual = root(graph)
    return _made(residual, lambda h, out, given: out[0] - h)


@_kept
def gradient(graph: Graph) -> Graph:
    """``∂f/∂x``."""
    if graph.outputs[0].type.size != 1:
        raise InputError(f"the function to minimize gives {graph.outputs[0].type}, not one number (at {user_line()})")
    return _pulled(graph, lambda value: broadcast(Handle(value.build, Const(1.0)), shape=value.shape))


@_kept
def normal(graph: Graph) -> Graph:
    """``Jᵀ r``: the gradient of half the sum of squares."""
    return _pulled(graph, lambda value: value)


@functools.cache
def _bounded(equation: Equation) -> Equation:
    """The equation of a minimum under bounds: ``x - bound`` where a bound holds x.

    The last four inputs are the lower and the upper bounds, and which of them hold, see `_bounds_at`.
    """
    def held(graph: Graph) -> Graph:
        build = Build()
        given = [build.input(v.type) for v in graph.inputs]
        x, (low, high, at_low, at_high) = given[0], given[-4:]
        slope = build.inline(equation(graph), given)[0]
        return build.graph([select(at_low, x - low, select(at_high, x - high, slope))], build.inputs)
    return held


def _bounds_at(equation: Equation, f: Function, x: Any, low: Any, high: Any) -> list[Any]:
    """The bounds, and which of them hold an element of x: the equation of a minimum under bounds takes these.

    A bound holds an element that is at it, or as near as solvers stop that never reach it, if downhill leads beyond: if the
    slope points outward still where the bound is, for all that the curvature along this element says.
    """
    assert f.graph is not None
    graph = f.graph.derived.get((_bounds_at, equation))
    if graph is None:
        graph = f.graph.derived[_bounds_at, equation] = _holding(equation(f.graph))
    return [low, high, *call(x, *f.parameters, low, high, graph=graph, name=f.name)]


def _holding(free: Graph) -> Graph:
    matrix, system = jacobian_system(free)
    build = Build()
    given = [build.input(v.type) for v in free.inputs]
    x = given[0]
    low, high = (build.input(x.type) for _ in range(2))
    slope = build.inline(free, given)[0]
    zero, one = (broadcast(Handle(build, Const(c)), shape=x.shape) for c in (0.0, 1.0))
    curvature = _diagonal(system, build.inline(matrix, given), x)

    def held(bound: Any, sign: float) -> Any:
        distance = absolute(x - bound)
        if curvature is None:
            return logical_and(logical_not(less(zero, distance)), less(zero, slope * sign))
        near = less(distance, maximum(absolute(bound), one) * _NEAR)
        return logical_and(near, less(curvature * select(near, distance, zero), slope * sign))
    return build.graph([held(low, 1.0), held(high, -1.0)], build.inputs)


def _diagonal(system: System, entries: Sequence[Any], x: Any) -> Any:
    """Of the matrix of a system, in the shape of x; None where only its products are known."""
    n = x.type.size
    if system[0] == "operator":
        return None
    if system[0] == "dense":
        return reshape(index(reshape(entries[0], shape=(n * n,)), np.arange(n) * (n + 1), spec=(("a",),)), shape=x.shape)
    rows, columns = system[1].value, system[2].value
    own = np.flatnonzero(rows == columns)
    there = index(entries[0], own, spec=(("a",),))
    zero = np.zeros(n)
    return reshape(index_add(zero, there, rows[own], spec=(("a",),)), shape=x.shape)


def _made(graph: Graph, make: Callable[[Any, list[Any], list[Any]], Any]) -> Graph:
    """A graph of the same inputs: ``make(x, outputs, inputs)``."""
    build = Build()
    given = [build.input(v.type) for v in graph.inputs]
    return build.graph([make(given[0], build.inline(graph, given), given)], build.inputs)


def _pulled(graph: Graph, cotangent: Callable[[Any], Any]) -> Graph:
    first = Graph(graph.inputs, graph.equations, graph.outputs[:1], graph.lines)
    pulled, takes, gives = vjp(first, [True, *[False] * (len(graph.inputs) - 1)])
    build = Build()
    given = [build.input(v.type) for v in graph.inputs]
    if not takes[0] or not gives[0]:
        return build.graph([broadcast(Handle(build, Const(0.0)), shape=given[0].shape)], build.inputs)
    value = build.inline(first, given)[0]
    return build.graph([build.inline(pulled, [*given, cotangent(value)])[1]], build.inputs)


# ---------------------------------------------------------------- Jacobians

def jacobian_system(residual: Graph, method: str | None = None, rtol: float = 1e-10) -> tuple[Graph, System]:
    """A graph of the inputs of a residual that gives the entries of ∂F/∂x, and how a system with them is solved.

    Dense for few unknowns; for many, sparse if few products give all entries; else by Krylov's method.
    """
    key = ("jacobian", method, rtol)
    found = residual.derived.get(key)
    if found is None:
        found = residual.derived[key] = _system(residual, method, rtol)
    return found  # type: ignore[no-any-return]


def _system(residual: Graph, method: str | None, rtol: float) -> tuple[Graph, System]:
    x = residual.inputs[0].type
    linear = linearize(residual, [True, *[False] * (len(residual.inputs) - 1)])
    if not linear.nonzero[0]:
        return _made(residual, lambda h, out, given: broadcast(Handle(h.build, Const(0.0)), shape=(x.size, x.size))), ("dense",)
    graph = masked(linear.graph, [k < linear.count for k in range(len(linear.graph.inputs))])
    if method not in (None, "dense", "sparse"):
        return _operator(residual, linear, method, rtol)
    if method == "dense" or (method is None and x.size <= DENSE):
        return _dense(residual, linear, graph, x), ("dense",)
    known = known_values(linear.primal, {})
    pattern, = propagate(graph, [None, *[known.get(v) for v in linear.residuals]],
                         [Pattern.identity(x.size), *[None] * len(linear.residuals)], x.size)[1]
    if pattern is None:
        pattern = Pattern.empty(x.size, x.size)
    colors = coloring.best_columns(pattern, x.shape)
    if method == "sparse" or colors.max() < _FEW * x.size:
        return _sparse(residual, linear, graph, pattern, colors)
    return _operator(residual, linear, "gmres", rtol)


@_kept
def jacobian(graph: Graph) -> Graph:
    """``∂f/∂x``, dense, of a graph whose first input is x."""
    first = Graph(graph.inputs, graph.equations, graph.outputs[:1], graph.lines)
    linear = linearize(first, [True, *[False] * (len(graph.inputs) - 1)])
    x = graph.inputs[0].type
    if not linear.nonzero[0]:
        shape = first.outputs[0].type.size, x.size
        return _made(first, lambda h, out, given: broadcast(Handle(h.build, Const(0.0)), shape=shape))
    whole = masked(linear.graph, [k < linear.count for k in range(len(linear.graph.inputs))])
    return _dense(first, linear, whole, x)


def _with_residuals(residual: Graph, linear: Linear, make: Callable[[Build, list[Any]], Any]) -> Graph:
    build = Build()
    given = [build.input(v.type).atom for v in residual.inputs]
    env = build.inline_env(linear.primal, dict(zip(residual.inputs, given, strict=True)))[1]
    out = make(build, [Handle(build, env[v]) for v in linear.residuals])
    return build.graph(out if isinstance(out, list) else [out], build.inputs)


def _lanes(build: Build, graph: Graph, seeds: Any, residuals: list[Any]) -> Any:
    """Products with many directions: an array with the directions first, the rest flat."""
    lanes, size = len(seeds), graph.outputs[0].type.size
    batched, flags = batch(graph, lanes, [True, *[False] * len(residuals)])
    out, = build.inline(batched, [Handle(build, Const(seeds)), *residuals])
    if not flags[0]:
        out = broadcast(reshape(out, shape=(1, size)), shape=(lanes, size))
    return reshape(out, shape=(lanes, size))


def _dense(residual: Graph, linear: Linear, graph: Graph, x: ArrayType) -> Graph:
    seeds = np.eye(x.size).reshape(x.size, *x.shape)
    if x.size == 1:
        return _with_residuals(residual, linear, lambda build, rest: reshape(
            build.inline(graph, [Handle(build, Const(np.ones(x.shape))), *rest])[0], shape=(residual.outputs[0].type.size, 1)))
    return _with_residuals(residual, linear,
                           lambda build, rest: transpose(_lanes(build, graph, seeds, rest), axes=(1, 0)))


def _sparse(residual: Graph, linear: Linear, graph: Graph, p: Pattern, colors: Any) -> tuple[Graph, System]:
    lanes = int(colors.max()) + 1
    x = residual.inputs[0].type
    seeds = (colors == np.arange(lanes)[:, None]).astype(float).reshape(lanes, *x.shape)
    rows, columns = p.rows(), p.indices

    def entries(build: Build, rest: list[Any]) -> Any:
        places = Handle(build, Const(colors[columns] * x.size + rows))
        return index(reshape(_lanes(build, graph, seeds, rest), shape=(lanes * x.size,)), places, spec=(("a",),))
    return _with_residuals(residual, linear, entries), ("sparse", Const(rows), Const(columns))


def _operator(residual: Graph, linear: Linear, method: str, rtol: float) -> tuple[Graph, System]:
    back = adjoint_of(linear)
    system = ("operator", linear.graph, back.graph, method, rtol)
    return _with_residuals(residual, linear, lambda build, rest: rest), system


# ---------------------------------------------------------------- solutions

class Call:
    """How a solver of SciPy's is called, and what is read from its result.

    Parameters
    ----------
    name : str
    run : callable
        ``run(functions, starts)`` gives SciPy's result.
    read : callable
        ``read(result, starts)`` gives x, whether the solver converged, and how far each element went.
    key : hashable, optional
        The options; calls with equal keys are the same.
    """

    def __init__(self, name: str, run: Callable[..., Any], read: Callable[..., tuple[Any, bool, Any]], key: Any = None):
        self.name, self.run, self.read = name, run, read
        self.solver = Solver(name, lambda functions, starts: read(run(functions, starts), starts), key)


class Found:
    """The solution: `x`, traced, and SciPy's `result` where one could be had (a staged program has none)."""

    def __init__(self, name: str, x: Any, result: Any, converged: Any):
        self.name, self.x, self.result, self.converged = name, x, result, converged


def solve(call: Call, functions: Sequence[Function], starts: Sequence[Any], shape: tuple[int, ...], equation: Equation, *,
          method: str | None = None, bounds: Sequence[Any] = ()) -> Found:
    """Solve, and make the result a value of the program.

    Parameters
    ----------
    call : Call
    functions : sequence of Function
        What the solver calls; the first is what the equation is made of.
    starts : sequence
        Arrays, traced or not: a derivative with regard to them is zero.
    shape : tuple of int
        Of x.
    equation : callable
        From the graph of the first function to that of the equation.
    method : str, optional
        How linear systems with ∂F/∂x are solved.
    bounds : sequence, optional
        The lower and the upper bounds of x, if it has some.
    """
    result = ArrayType(shape, np.float64)
    converged: Any
    native = None
    abstract = active_frame() is not None or any(isinstance(p, Tracer) and p.value is None
                                                 for p in [*starts, *[q for f in functions for q in f.parameters]])
    known = None
    if not abstract:
        values = [s.value if isinstance(s, Tracer) else s for s in starts]
        native = call.run([f.numeric() for f in functions], values)
        known = call.read(native, values)
    branches = any(f.graph is None for f in functions)
    if not branches:
        operands, takes = list(starts), []
        for f in functions:
            takes.append(tuple(range(len(operands), len(operands) + len(f.parameters))))
            operands += f.parameters
        takes.append(tuple(range(len(starts))))
        KNOWN.value = None if known is None else (call.solver, known)
        try:
            found, converged, way = solution(*operands, functions=tuple([f.graph for f in functions]), takes=tuple(takes),
                                             solver=call.solver, result=result)
        finally:
            KNOWN.value = None
    else:
        if known is None:
            raise NeedsValueError(f"{call.name} at {user_line()}: the function branches on a value that is not known")
        found = np.reshape(np.asarray(known[0], float), shape)[()]
        converged, way = np.bool_(known[1]), as_way(known[2], shape)
        functions[0].at(found)
    graph = functions[0].graph
    assert graph is not None
    further = _bounds_at(equation, functions[0], found, *bounds) if bounds else []
    residual = _equation(graph, _bounded(equation) if bounds else equation, [type_of_any(x) for x in further])
    matrix, system = jacobian_system(residual, method)
    x = implicit(found, converged, way, *functions[0].parameters, *further, residual=residual, matrix=matrix, system=system,
                 name=call.name, branches=branches)
    return Found(call.name, x, native, converged)


def linear(f: Function, b: Any, method: str | None, rtol: float) -> Any:
    """Solve ``f(x) = b`` for a function that is linear."""
    if f.graph is None:
        raise InputError(f"solve: the function branches on its argument, so it is not linear (at {user_line()})")
    products = root(f.graph)
    first = linearize(products, [True, *[False] * (len(products.inputs) - 1)])
    if _depends(first, products.inputs[0]):
        raise InputError(f"solve: the function is not linear in its argument; wg.implicit.root solves equations that are not "
                         f"(at {user_line()})")
    at_zero = call(np.zeros(products.inputs[0].type.shape), *f.parameters, graph=products, name=f.name)[0]
    matrix, system = jacobian_system(products, method, rtol)
    zero = np.zeros(products.inputs[0].type.shape)
    entries = call(zero, *f.parameters, graph=matrix, name=f.name)
    return _apply_system(system, entries, b - at_zero)


def _apply_system(system: System, entries: Sequence[Any], b: Any) -> Any:
    """`solve_system` of tracers or arrays."""
    types = [type_of_any(x) for x in (b, *entries)]
    graph = build_graph(lambda b, *entries: solve_system(system, entries, b), *types)
    return call(b, *entries, graph=graph, name="solve")[0]


def solver_of_arrays(system: System, entries: Sequence[Any], shape: tuple[int, ...]) -> Callable[[Any], Any]:
    """What solves with a matrix of ordinary numbers, for right-hand sides of this shape."""
    if system[0] == "operator":
        multiply = multiplier(system[1], entries, shape)
        return lambda b: np.reshape(krylov(system[3], multiply, np.ravel(b), system[4]), shape)
    solve = solver_of(system, entries, shape)
    return lambda b: np.reshape(solve(np.ravel(b)), shape)


def _depends(first: Linear, x: Var) -> bool:
    """Whether the tangent graph changes with x."""
    moved: set[Any] = {x}
    for e in first.primal.equations:
        if any(o in moved for o in e.operands):
            moved.update(e.results)
    return any(v in moved for v in first.residuals)


def type_of_any(x: Any) -> ArrayType:
    return x.type if isinstance(x, Tracer) else type_of(x)


def _equation(graph: Graph, equation: Equation, types: Sequence[ArrayType]) -> Graph:
    """The residual, kept with the graph it is made of; further parameters stand last."""
    key = ("equation", equation, tuple(types))
    found = graph.derived.get(key)
    if found is None:
        wider = Graph((*graph.inputs, *[Var(t) for t in types]), graph.equations, graph.outputs, graph.lines)
        found = graph.derived[key] = equation(wider)
    return found  # type: ignore[no-any-return]
