"""What a derivative costs in each way, before it runs.

What comes in: a function or a derivative, and arguments. What goes out: a `Plan`, a table of rows: operations, predicted time
and memory of each mode, and which one is taken and why. The one idea: every mode is a graph, so it is counted; seconds are
counts times a few constants of this machine, measured when they are first asked for.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from wengert.api import _jacobian, grad, jacobian, value_and_grad
from wengert.backends.cost import Machine, multiplications, operations, total, work
from wengert.backends.peak import bytes_of, peak_bytes
from wengert.budget import MemoryPlan
from wengert.errors import InputError, UnsupportedError, not_a_function
from wengert.graph import Graph
from wengert.modes import EQUATION, UNKNOWN, Way, choice, way
from wengert.run import Run
from wengert.settings import config
from wengert.sparse import SparseDerivative
from wengert.staging import _Jitted, jit
from wengert.units import bytes_text, seconds_text

__all__ = ["Plan", "Row", "calibrated", "plan"]

FACTOR = 3.0  # within which a predicted time is meant
_ORDER = ("forward", "reverse", "colored", "mixed")


@dataclass(frozen=True)
class Row:
    """One way.

    Attributes
    ----------
    name : str
        "value", or a mode; under a memory budget "stored" and "budget".
    directions : int or None
        That are carried at once; None where there is no one number.
    operations, multiplications : float or None
        Of the derivative, beside the value; None for a way that does not apply. Loops of unknown length count as 100 turns.
    seconds : float or None
        Of a call, the value included; within a factor of 3.
    memory : int or None
        Bytes: the most that is alive at once while the derivative is accumulated, if it is interpreted; None where a loop of
        unknown length decides. Under a budget: what a call allocates, compiled if that is what runs.
    how : str
        What is done, or why it does not apply.
    """

    name: str
    directions: int | None
    operations: float | None
    multiplications: float | None
    seconds: float | None
    memory: int | None
    how: str


@dataclass(frozen=True)
class Plan:
    """What `plan` gives; print it.

    Attributes
    ----------
    title : str
    inputs, outputs : int
        Elements that are differentiated, and those that depend on them.
    rows : tuple of Row
    chosen, reason : str
        The mode that is taken, and why.
    compiled : bool
        Whether times are those of compiled code.
    """

    title: str
    inputs: int
    outputs: int
    rows: tuple[Row, ...]
    chosen: str
    reason: str
    compiled: bool

    def __getitem__(self, name: str) -> Row:
        """The row of a mode."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    def json(self) -> dict[str, Any]:
        """All of it as plain Python objects."""
        return asdict(self)

    def __repr__(self) -> str:
        return f"<plan of {self.title}: {self.chosen}; print it>"

    def __str__(self) -> str:
        head = ["", "directions", "operations", "multiplications", f"time (×/÷ {FACTOR:g})", "memory", ""]
        table = [head, *[self._cells(row) for row in self.rows]]
        widths = [max(len(line[k]) for line in table) for k in range(len(head) - 1)]
        lines = [f"{self.title}: {self.inputs:,} -> {self.outputs:,}, {'compiled' if self.compiled else 'interpreted'}"]
        for line in table:
            cells = [line[0].ljust(widths[0]), *[c.rjust(w) for c, w in zip(line[1:-1], widths[1:], strict=True)]]
            lines.append(("  ".join(cells) + "  " + line[-1]).rstrip())
        lines.append(f"taken: {self.chosen} ({self.reason})")
        return "\n".join(lines)

    def _cells(self, row: Row) -> list[str]:
        def shown(x: Any, text: Callable[[Any], str]) -> str:
            return "" if x is None else text(x)
        mark = "* " if row.name == self.chosen else "  "
        return [mark + row.name, shown(row.directions, "{:,}".format), shown(row.operations, "{:,.0f}".format),
                shown(row.multiplications, "{:,.0f}".format), shown(row.seconds, seconds_text), shown(row.memory, bytes_text),
                row.how]


def plan(f: Callable[..., Any], *args: Any, argnums: int | tuple[int, ...] = 0, **kwargs: Any) -> Plan:
    """What the derivative of f costs in each way at these arguments, and which way is taken.

    Nothing is computed but the value, which tells what the program does; the derivatives are only counted.

    Parameters
    ----------
    f : callable
        A function, which stands for its Jacobian (of a function of one number: its gradient); or ``wg.jacobian(g)``,
        ``wg.grad(g)``, ``wg.hessian(g)``; or one of these under `jit`, for the costs of compiled code. Of
        ``wg.grad(g, memory=...)`` the rows are "stored" and "budget": everything kept, and what the budget leaves.
    *args, **kwargs
        The arguments.
    argnums : int or tuple of int
        Which are differentiated, where f is no derivative.

    Returns
    -------
    Plan
        ``print`` it for a table; ``plan["reverse"].operations`` and so on for numbers.

    Notes
    -----
    Counts are exact: those of the graphs that would run. Times are predicted from counts with constants of this machine, which
    are measured at the first call; take them within a factor of 3.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> costs = wg.plan(lambda x: np.outer(x, x) @ x, np.ones(50))
    >>> costs.chosen, costs["forward"].directions
    ('forward', 50)
    """
    target = _Target.of(f, argnums)
    if target.budgeted is not None:
        return _within_budget(target, args, kwargs)
    found: list[tuple[tuple[int, int], list[tuple[Any, ...]], tuple[str, str]]] = []

    def traced(*values: Any, **named: Any) -> Any:
        run = target.run(values, named)
        found.append(_counted(run, target))
        return run.result()
    if target.compiled:
        jit(traced)(*args, **kwargs)
    else:
        traced(*args, **kwargs)
    (n, m), counted, (chosen, reason) = found[0]
    costs = calibrated(target.compiled)
    rows = tuple(Row(name, lanes, ops, mults, costs.seconds(graphs), memory, how)
                 for name, lanes, ops, mults, graphs, memory, how in counted)
    return Plan(target.title, n, m, rows, chosen, reason, target.compiled)


@dataclass(frozen=True)
class _Target:
    """A function to differentiate, in what, and in which mode; `budgeted` plans for a budget, if there is one."""

    title: str
    f: Callable[..., Any]
    argnums: Any
    mode: str
    has_aux: bool = False
    holomorphic: bool = False
    compiled: bool = False
    budgeted: Callable[..., MemoryPlan] | None = None

    @staticmethod
    def of(f: Any, argnums: Any) -> _Target:
        if not callable(f):
            raise InputError(f"plan: {not_a_function(f)}; write wg.plan(f, x), not wg.plan(f(x))")
        compiled = isinstance(f, _Jitted)
        f = f.f if isinstance(f, _Jitted) else f
        title = getattr(f, "__name__", "f")
        if isinstance(f, SparseDerivative):
            return _Target(title, f.derived, f.argnums, "colored", False, f.holomorphic, compiled)
        transform, (g, *rest) = getattr(f, "recipe", None) or (None, (f,))
        if transform is _jacobian:
            return _Target(title, g, rest[0], rest[4], rest[1], rest[2], compiled)
        if transform in (grad, value_and_grad):
            return _Target(title, g, rest[0], "reverse", rest[1], False, compiled, getattr(f, "plan", None))
        return _Target(f"jacobian({title})", f, argnums, "auto", compiled=compiled)

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run:
        run = Run("plan", self.f, args, kwargs, self.argnums, self.has_aux)
        run.require_inexact()
        kinds = {v.type.dtype.kind for v in run.inputs}
        if "c" in kinds and not self.holomorphic:
            run.require_real_or_holomorphic(False)
        return run


def _counted(run: Run, target: _Target) -> Any:
    """Sizes, a row of counts for each way, and the choice."""
    price = 0.0 if target.compiled else EQUATION
    value = run.graph()
    linear = run.linear()
    sizes = sum(v.type.size for v in run.inputs), sum(o.type.size for o in linear.graph.outputs)
    rows: list[tuple[Any, ...]] = [("value", None, total(value, operations, UNKNOWN), total(value, multiplications, UNKNOWN),
                                    (value, None), _memory(value), "")]
    complex_output = any(v.type.dtype.kind == "c" for v in run.out_vars) and not target.holomorphic
    for mode in _ORDER:
        try:
            if complex_output and mode != "forward":
                raise UnsupportedError("the output is complex and the input real")
            found = way(run, mode, price)
        except UnsupportedError as error:
            rows.append((mode, None, None, None, None, None, f"does not apply: {error}"))
            continue
        rows.append(_row(mode, found, linear.primal))
    if target.mode == "auto":
        return sizes, rows, choice(run, price)
    return sizes, rows, (target.mode, "asked for" if sizes[1] > 1 else "a gradient")


def _row(mode: str, found: Way, primal: Graph) -> tuple[Any, ...]:
    most, saved = _memory(found.graph), sum(bytes_of(v.type) for v in primal.inputs)
    return (mode, found.directions or None, found.count(), found.count(multiplications), (primal, found.graph),
            None if most is None else most + int(saved), found.how)


def _memory(graph: Graph) -> int | None:
    """The most that is alive at once, what comes in included."""
    found = sum(bytes_of(v.type) for v in graph.inputs) + peak_bytes(graph)
    return None if math.isinf(found) else int(found)


# ---------------------------------------------------------------- budgets

def _within_budget(target: _Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Plan:
    """The plan of a gradient with a budget: everything stored, and what is stored within the budget."""
    assert target.budgeted is not None
    found = target.budgeted(*args, **kwargs)
    compiled = config.backend == "compiled"
    costs, value = calibrated(compiled), total(found.value, operations, UNKNOWN)
    stored = Row("stored", 1, found.operations - value, total(found.stored, multiplications, UNKNOWN)
                 - total(found.value, multiplications, UNKNOWN), costs.seconds((found.stored, None)),
                 None if math.isinf(found.everything) else math.ceil(found.everything), "everything is kept for the way back")
    rows = [Row("value", None, value, total(found.value, multiplications, UNKNOWN), costs.seconds((found.value, None)),
                _memory(found.value), ""), stored]
    size, budget = f"the budget is {bytes_text(found.budget)}", f"storing everything takes {_most(found.everything)}"
    chosen, reason = "stored", f"{budget}, {size}"
    if found.repeated:
        how = f"{100 * found.extra:.0f} % more operations; {'; '.join(found.cuts())}"
        seconds = None if stored.seconds is None else stored.seconds * (1.0 + found.extra)
        rows.append(Row("budget", 1, found.operations + found.repeated - value, None, seconds, found.peak, how))
        chosen = "budget"
    n = sum(v.type.size for v in found.graph.inputs[:len(found.nonzero)])
    return Plan(target.title, n, 1, tuple(rows), chosen, reason, compiled)


def _most(size: float) -> str:
    return "memory without bound" if math.isinf(size) else bytes_text(math.ceil(size))


# ---------------------------------------------------------------- time

@dataclass(frozen=True)
class Costs:
    """Constants of this machine: of a call, of an equation that is recorded, and of the parts of `Work`."""

    call: float
    recorded: float
    machine: Machine

    def seconds(self, graphs: tuple[Graph, Graph | None] | None) -> float | None:
        """The time of a call that runs the value and, if there is one, the graph of a derivative."""
        if graphs is None:
            return None
        first, second = work(graphs[0]), None if graphs[1] is None else work(graphs[1])
        out = self.call + self.recorded * first.equations + first.seconds(self.machine)
        return out + (0.0 if second is None else second.seconds(self.machine))


def _once(x: Any) -> Any:
    return x * x


def _layer(x: Any, w: Any) -> Any:
    return np.tanh(w @ x) * x


def _layers(x: Any, w: Any) -> Any:
    for _ in range(9):
        x = np.tanh(w @ x) * x
    return x


def _multiplied(x: Any, y: Any) -> Any:
    return x * y + x


def _functions(x: Any, y: Any) -> Any:
    return np.tanh(x) + np.sin(y)


def _product(x: Any, y: Any) -> Any:
    return x @ y


@functools.cache
def calibrated(compiled: bool) -> Costs:
    """The constants of this machine; measured once, in less than a second."""
    n, k = 400_000, 100
    x, a = np.linspace(0.1, 1.0, n), np.ones((k, k))
    made = [(jit if compiled else _same)(f) for f in (_multiplied, _functions, _product)]
    light = _shortest(made[0], x, x) / (2 * n)
    heavy = max(_shortest(made[1], x, x) / (2 * n) - light / 2, light)
    product = _shortest(made[2], a, a) / (2 * k ** 3)
    if compiled:
        return Costs(_shortest(jit(_once), 1.0), 0.0, Machine(1e-10, light, heavy, product))
    small = np.linspace(0.1, 0.5, 9), np.full((9, 9), 0.1)
    one, nine = (_shortest(jacobian(f), *small) for f in (_layer, _layers))
    each = (nine - one) / 8 / _LAYER  # recording takes about twice what interpreting takes
    return Costs(max(one - _LAYER * each, 0.0), 2 * each, Machine(each, light, heavy, product))


_LAYER = 3 * 3 + 8  # equations of a layer: three are recorded and run, and about eight are its part of the derivative


def _same(f: Callable[..., Any]) -> Callable[..., Any]:
    return f


def _shortest(f: Callable[..., Any], *args: Any) -> float:
    for _ in range(4):  # traced, interpreted, compiled
        f(*args)
    return min(_timed(f, args))


def _timed(f: Callable[..., Any], args: tuple[Any, ...]) -> Iterator[float]:
    for _ in range(5):
        begun, count = time.perf_counter(), 0
        while count == 0 or time.perf_counter() - begun < 1e-3:
            f(*args)
            count += 1
        yield (time.perf_counter() - begun) / count
