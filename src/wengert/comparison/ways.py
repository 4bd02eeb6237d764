"""Every way to a derivative, as a table.

What comes in: a `Problem`. What goes out, for each way: a call that computes the derivative, how many evaluations of the
function (or passes over its graph) it takes, how many operations, and why it does not apply where it does not. The one
idea: a way is a row of `FIRST` or `SECOND`; what is measured of it is measured of all alike.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert import numeric
from wengert.api import grad, hessian, jacfwd, jacrev, jvp
from wengert.backends.interpret import Program
from wengert.comparison.operations import operations
from wengert.comparison.problem import Problem
from wengert.graph import ArrayType, Graph
from wengert.graph.walk import prune
from wengert.second_order import hvp
from wengert.staging import StagingWarning, jit
from wengert.transforms.scalars import scalar_graph
from wengert.transforms.symbolic import derivative

__all__ = ["DIRECTIONS", "FIRST", "SECOND", "Attempt", "DoesNotApplyError", "Plan", "Way", "compiled_now", "symbolic"]

Array = np.ndarray
DIRECTIONS = 100  # that a random estimate averages over
MOST_BYTES = 1e9  # that a vectorized way may take
LONGEST = 100_000  # operations of formulas
OVERHEAD = 2e-5  # seconds that an evaluation costs beside the function
SEARCHING = 2e-4  # likewise where the step is searched
TRACING = 3e-4  # seconds that a derivative takes beside those of the program
EACH = 5e-5  # likewise, for each of its equations
DERIVED = 20.0  # how much longer than the function its traced derivative may take


class DoesNotApplyError(Exception):
    """Why a way is not open."""


@dataclass
class Plan:
    """A way, made ready for a problem.

    `run` gives the derivative as one array, and a random way its standard error beside it. For ways that read the program,
    `call` does the same without making one array of it, and `operations` counts them; for ways that evaluate both are None.
    """

    run: Callable[[], Any]
    evaluations: float  # or passes over the graph; of ways that evaluate, about so many
    seconds: float  # that a run may take
    operations: Callable[[], float] | None = None
    call: Callable[[], Any] | None = None
    memory: int | None = None  # where it is known beforehand


@dataclass(frozen=True)
class Way:
    """A row of the table. `kind`: "differences", "random", "symbolic", "forward", "reverse" or "mixed"."""

    name: str
    kind: str
    plan: Callable[[Problem, int], Plan]
    claims: str  # "exact", "approximate" or "random": what an error is held against


@dataclass
class Attempt:
    """What became of a way."""

    way: Way
    value: Array | None = None
    spread: Array | None = None
    reason: str = ""
    note: str = ""
    seconds: float = float("nan")
    evaluations: int = 0
    operations: float = float("nan")
    memory: int | None = None
    sizes: dict[int, dict[str, float]] = field(default_factory=dict)


# ---------------------------------------------------------------- ways that only evaluate

def _scaled(p: Problem, power: float) -> Array:
    """The customary step: a power of eps times the size of each input."""
    return np.maximum(np.abs(p.x), 1.0) * float(np.finfo(p.dtype).eps) ** power


def _evaluating(p: Problem, calls: float, run: Callable[[], Any], overhead: float = OVERHEAD) -> Plan:
    return Plan(run, calls, calls * (p.seconds + overhead))


def _passing(p: Problem, passes: float, run: Callable[[], Any], operations: Callable[[], float], runs: float = 1,
             call: Callable[[], Any] | None = None, memory: int | None = None, each: float = EACH) -> Plan:
    return Plan(run, passes, runs * (TRACING + each * p.length + DERIVED * p.seconds), operations, call or run, memory)


def _quotient(method: str, power: float | None, each: float) -> Callable[[Problem, int], Plan]:
    """Differences of values: `each` evaluations for an input, with this power of eps as the step, or a searched one."""
    def plan(p: Problem, seed: int) -> Plan:
        step = None if power is None else _scaled(p, power)
        return _evaluating(p, each * p.n + 1, lambda: p.shaped(numeric.jacobian(p.vector, p.x, method=method, step=step)),
                           SEARCHING if step is None else OVERHEAD)
    return plan


def _complex_step(p: Problem, seed: int) -> Plan:
    """Im f(x + ih eⱼ) / h as it stands: what drops the imaginary part is shown to be wrong."""
    h = 1e-20

    def run() -> Array:
        out = np.empty((p.m, p.n))
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            for j in range(p.n):
                x = p.x.astype(complex)
                x[j] += 1j * h
                try:
                    out[:, j] = np.ravel(np.imag(p.vector(x))) / h
                except (TypeError, np.exceptions.ComplexWarning) as error:
                    said = textwrap.shorten(str(error), 60, placeholder=" ...")
                    raise DoesNotApplyError(f"the function does not compute with complex numbers ({said})") from error
        return out
    return _evaluating(p, p.n, run)


def _random(distribution: str) -> Callable[[Problem, int], Plan]:
    def plan(p: Problem, seed: int) -> Plan:
        if not p.scalar:
            raise DoesNotApplyError("an estimate of a gradient needs a function that returns a number")

        def run() -> Any:
            if distribution in numeric.DISTRIBUTIONS:
                found = numeric.random_gradient_estimate(p.vector, p.x, seed=seed, directions=DIRECTIONS,
                                                         distribution=distribution)
            else:
                found = numeric.spsa_estimate(p.vector, p.x, seed=seed, directions=DIRECTIONS, perturbation=distribution)
            return p.shaped(found.value), p.shaped(found.error)
        return _evaluating(p, 2 * DIRECTIONS, run)
    return plan


def _second_differences(p: Problem, seed: int) -> Plan:
    step = _scaled(p, 1 / 4)
    return _evaluating(p, 2.0 * p.n ** 2 + 1, lambda: p.shaped(numeric.hessian(p.vector, p.x, step=step)))


def _second_complex(p: Problem, seed: int) -> Plan:
    return _evaluating(p, 9.0 * p.n ** 2, lambda: p.shaped(numeric.hessian(p.vector, p.x, method="complex")), SEARCHING)


# ---------------------------------------------------------------- symbolic differentiation

def symbolic(p: Problem, seed: int) -> Plan:
    """A formula for each partial derivative, made before it is measured; equal parts of one are computed once."""
    whole = scalar_graph(p.graph)
    partials = p.m * p.n ** p.order
    if partials * len(whole.equations) > LONGEST:
        raise DoesNotApplyError(f"{partials:,} formulas of some {len(whole.equations):,} operations each are too many")
    formulas = [prune(Graph(whole.inputs, whole.equations, (out,), whole.lines)) for out in whole.outputs]
    for _ in range(p.order):
        formulas = [derivative(formula, k) for formula in formulas for k in range(p.n)]
    programs = [Program(formula) for formula in formulas]
    x = [np.asarray(leaf).dtype.type(v) for leaf in p.inputs() for v in np.ravel(leaf)]

    def run() -> Array:
        return p.shaped([program(*x)[0] for program in programs])
    return _passing(p, partials, run, lambda: sum(operations(formula) for formula in formulas), partials / 10, each=0.0)


# ---------------------------------------------------------------- ways that read the program

def _transformed(p: Problem, transform: Callable[..., Any], passes: float, order: int) -> Plan:
    """A transform of the function, called at its arguments; its graph is what is counted."""
    f, chosen = p.at()
    derived = transform(f)
    return _passing(p, passes, lambda: p.packed(derived(*chosen), order), lambda: operations(p.graph_of(transform)),
                    call=lambda: derived(*chosen))


def _all(p: Problem) -> tuple[int, ...]:
    return tuple(range(len(p.argnums)))


def _forward(p: Problem, seed: int) -> Plan:
    f, chosen = p.at()

    def run() -> Array:
        columns = [np.ravel(jvp(f, chosen, p.unit(j))[1]) for j in range(p.n)]
        return np.stack(columns, axis=1)
    once = p.unit(0)
    return _passing(p, p.n, run, lambda: p.n * operations(p.graph_of(lambda g: lambda *a: jvp(g, a, once))), p.n)


def _refuse_large(p: Problem, lanes: int) -> None:
    """Vectorized over the inputs, each value of the program has a lane for each of them."""
    bytes_ = 8.0 * lanes * _widest(p.graph)
    if bytes_ > MOST_BYTES:
        raise DoesNotApplyError(f"{lanes:,} lanes would take {bytes_ / 1e9:.1f} GB")


def _widest(graph: Graph) -> int:
    return max((r.type.size for e in graph.equations for r in e.results if isinstance(r.type, ArrayType)), default=1)


def _forward_lanes(p: Problem, seed: int) -> Plan:
    _refuse_large(p, p.n)
    return _transformed(p, lambda f: jacfwd(f, _all(p)), 1, 1)


def _reverse(p: Problem, seed: int) -> Plan:
    if p.scalar:
        return _transformed(p, lambda f: grad(f, _all(p)), 2, 1)
    _refuse_large(p, p.m)
    return _transformed(p, lambda f: jacrev(f, _all(p)), 1 + p.m, 1)


def compiled_now(f: Callable[..., Any], chosen: tuple[Any, ...]) -> tuple[Any, Any]:
    """The function in machine code, and what runs it; raises `DoesNotApplyError` with the reason where there is none."""
    jitted = jit(f)
    with warnings.catch_warnings():
        warnings.simplefilter("error", StagingWarning)
        try:
            jitted(*chosen)
        except StagingWarning as warning:
            raise DoesNotApplyError(" ".join(str(warning).split())) from None
    staged = jitted._find(chosen, {})[1]
    runner = staged.program
    if runner is None:
        raise DoesNotApplyError(staged.reason)
    jitted._compile(staged, chosen, {}, now=True)
    if runner.compiled is None:
        raise DoesNotApplyError("the compiler does not know something in it")
    return jitted, runner


def _compiled(derive: Callable[[Problem], Callable[..., Any]], passes: Callable[[Problem], int], order: int
              ) -> Callable[[Problem, int], Plan]:
    """The machine code of a derivative, made before it is measured."""
    def plan(p: Problem, seed: int) -> Plan:
        f, chosen = p.at()
        jitted, runner = compiled_now(derive(p)(f), chosen)
        return _passing(p, passes(p), lambda: p.packed(jitted(*chosen), order), lambda: operations(runner.graph),
                        call=lambda: jitted(*chosen), memory=jitted.memory(*chosen).peak, each=0.0)
    return plan


def _gradient(p: Problem) -> Callable[..., Any]:
    return lambda f: grad(f, _all(p)) if p.scalar else jacrev(f, _all(p))


def _hessian(outer: Callable[..., Any], inner: Callable[..., Any], passes: Callable[[int], int]
             ) -> Callable[[Problem, int], Plan]:
    def plan(p: Problem, seed: int) -> Plan:
        _refuse_large(p, p.n if inner is grad or outer is grad else p.n ** 2)
        return _transformed(p, lambda f: outer(inner(f, _all(p)), _all(p)), passes(p.n), 2)
    return plan


def _hessian_columns(p: Problem, seed: int) -> Plan:
    f, chosen = p.at()

    def run() -> Array:
        columns = [p.packed(hvp(f, chosen, p.unit(j)), 1)[0] for j in range(p.n)]
        return np.stack(columns, axis=1)[None]
    once = p.unit(0)
    return _passing(p, 2 * p.n, run, lambda: p.n * operations(p.graph_of(lambda g: lambda *a: hvp(g, a, once))), 2 * p.n)


def _gradient_differences(p: Problem, seed: int) -> Plan:
    """Central differences of exact gradients: the mixture that needs no second derivative of the program."""
    f, chosen = p.at()
    derived = grad(f, _all(p))
    step = _scaled(p, 1 / 3)

    def gradient(x: Array) -> Array:
        leaves, start = list(p.leaves), 0
        for k in p.moving:
            like = np.asarray(p.leaves[k])
            part = x[start:start + like.size].reshape(like.shape).astype(like.dtype)
            start += like.size
            leaves[k] = part if like.ndim else part[()]
        return p.packed(derived(*p.spec.unflatten(leaves)), 1)[0]

    def run() -> Array:
        return p.shaped(numeric.jacobian(gradient, p.x, step=step))
    passes = 2 * (2 * p.n + 1)
    return _passing(p, passes, run, lambda: passes / 2 * operations(p.graph_of(_gradient(p))), passes / 2)


# ---------------------------------------------------------------- the tables

FIRST = (
    Way("forward differences", "differences", _quotient("forward", 1 / 2, 1), "approximate"),
    Way("central differences", "differences", _quotient("central", 1 / 3, 2), "approximate"),
    Way("central, step searched", "differences", _quotient("central", None, 13), "approximate"),
    Way("Richardson differences", "differences", _quotient("richardson", None, 24), "approximate"),
    Way("complex step", "differences", _complex_step, "exact"),
    Way("random, sphere", "random", _random("sphere"), "random"),
    Way("random, Gaussian", "random", _random("gaussian"), "random"),
    Way("random, coordinates", "random", _random("coordinate"), "random"),
    Way("SPSA, signs", "random", _random("rademacher"), "random"),
    Way("SPSA, segments", "random", _random("segmented"), "random"),
    Way("symbolic", "symbolic", symbolic, "exact"),
    Way("forward mode, by input", "forward", _forward, "exact"),
    Way("forward mode, vectorized", "forward", _forward_lanes, "exact"),
    Way("reverse mode", "reverse", _reverse, "exact"),
    Way("reverse mode, compiled", "reverse", _compiled(_gradient, lambda p: 1 + p.m, 1), "exact"),
)
SECOND = (
    Way("second differences", "differences", _second_differences, "approximate"),
    Way("differences of complex steps", "differences", _second_complex, "approximate"),
    Way("differences of gradients", "mixed", _gradient_differences, "approximate"),
    Way("symbolic", "symbolic", symbolic, "exact"),
    Way("forward over forward", "forward", _hessian(jacfwd, jacfwd, lambda n: 1), "exact"),
    Way("forward over reverse, by input", "mixed", _hessian_columns, "exact"),
    Way("forward over reverse", "mixed", _hessian(jacfwd, grad, lambda n: 2), "exact"),
    Way("reverse over forward", "mixed", _hessian(jacrev, jacfwd, lambda n: 1 + n), "exact"),
    Way("reverse over reverse", "reverse", _hessian(jacrev, grad, lambda n: 2 + n), "exact"),
    Way("forward over reverse, compiled", "mixed", _compiled(lambda p: lambda f: hessian(f, _all(p)), lambda p: 2, 2), "exact"),
)
