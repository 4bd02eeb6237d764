"""A run of a function, recorded to be explained: its graph, the value of each variable, and where each operation came from.

What comes in: a function or a formula, and its arguments. What goes out: a `Recorded`. The one idea: the run is traced as
`grad` traces it, in a build of its own that knows calls, loops and turns; an exception ends it, and what was computed
before stays.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.adjoints import Values, evaluated
from wengert.errors import InputError, WengertError, kind_of
from wengert.flatten import flatten
from wengert.formulas import Formula
from wengert.frontends.trace import Trace, user_line
from wengert.frontends.visits import Visit, Visited
from wengert.graph import Const, Equation, Graph, Var
from wengert.graph.walk import substitute
from wengert.run import Run, reached
from wengert.transforms.unfold import unfold

__all__ = ["Recorded", "bound", "recorded_at", "write_out"]


@dataclass
class Recorded:
    """A graph with the values of its variables, and what is known about the program."""

    title: str
    graph: Graph
    env: Values
    names: list[str]
    paths: dict[Var, tuple[Visit, ...]]
    notes: list[str] = field(default_factory=list)
    failure: str | None = None
    opened: dict[Var, str] = field(default_factory=dict)  # results of what was opened -> what it is a part of
    has_lines: bool = True
    active: frozenset[str] | None = None  # names of the inputs that are differentiated; None: all

    @property
    def inputs(self) -> dict[str, Var]:
        """What is differentiated, by name."""
        pairs = zip(self.names, self.graph.inputs, strict=True)
        return {name: v for name, v in pairs if self.active is None or name in self.active}


class _Run(Run):
    """A run that is recorded in a build of its own."""

    def __init__(self, build: Visited, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any],
                 argnums: Sequence[int]):
        self.build = build
        super().__init__("explain", f, args, kwargs, argnums)

    def opened(self) -> Trace:
        trace = Trace(self.name)
        trace.build = self.build
        return trace


def bound(f: Callable[..., Any], args: tuple[Any, ...], point: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments by position where that is possible; a formula's are numbers."""
    if isinstance(f, Formula):
        given = f._bound(args, point)
        return tuple([float(x) if isinstance(x, (bool, int)) else x for x in (given[n] for n in f.variables)]), {}
    try:
        found = inspect.signature(f).bind(*args, **point)
    except ValueError:  # it has no signature
        return args, point
    except TypeError as error:
        raise InputError(f"explain: {error}") from None
    return found.args, found.kwargs


def recorded_at(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Recorded:
    argnums = tuple(k for k, a in enumerate(args) if _is_input(a))
    if not argnums and any(_is_input(x) for x in kwargs.values()):
        raise InputError(f"explain: what is given by name only is no input; take {', '.join(kwargs)} by position, for instance "
                         f"lambda {', '.join(kwargs)}: f({', '.join(f'{k}={k}' for k in kwargs)}) (at {user_line()})")
    if not argnums:
        raise InputError("explain: no argument is a float or an array of floats, so there is nothing to differentiate with "
                         f"regard to; write 3.0 for 3 (at {user_line()})")
    failures: list[Exception] = []

    def guarded(*a: Any, **k: Any) -> Any:
        try:
            return reached(f)(*a, **k)
        except WengertError:
            raise
        except (ArithmeticError, ValueError) as error:  # undefined here: what was computed before it is explained
            failures.append(error)
            return None
    build = Visited()
    with np.errstate(all="ignore"), build:
        run = _Run(build, guarded, args, kwargs, argnums)
    if run.trace.captured or not run.plain:
        raise InputError("explain: a traced value of an enclosing derivative takes part; explain shows numbers "
                         f"(at {user_line()})")
    env = dict(run.trace.values)
    graph = run.graph() if not failures else Graph(
        (*run.inputs, *run.trace.lifted), tuple(build.equations), (), dict(build.lines))
    graph = substitute(graph, {v: Const(env[v]) for v in run.trace.lifted})
    names = _names(f, args, argnums, run)
    found = Recorded(_title(f, names), graph, env, names, dict(build.paths), has_lines=not isinstance(f, Formula))
    found.notes += _notes(f, run, build)
    if failures:
        found.failure = _said(failures[0])
    elif not any(_is_number(x) for x in run.out_leaves):
        what = kind_of(run.out_leaves[0]) if run.out_leaves else "an empty container"
        found.notes.append(f"The function returned {what}, not a number or an array; is a return missing?")
    while (e := next((e for e in found.graph.equations if e.primitive.name == "call"), None)) is not None:  # made by `jit`
        write_out(found, e, 0)
    return found


def _is_input(a: Any) -> bool:
    return any(isinstance(x, (float, complex)) or (isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fc")
               for x in flatten(a)[0])


def _is_number(x: Any) -> bool:
    """Whether an output is a number or an array of numbers, traced or not."""
    return isinstance(x, Var) or np.asarray(x).dtype.kind in "biufc"


def _names(f: Callable[..., Any], args: tuple[Any, ...], argnums: Sequence[int], run: Run) -> list[str]:
    """What the inputs are called: the parameters, and the places inside containers."""
    if isinstance(f, Formula):
        parameters = list(f.variables)
    else:
        try:
            parameters = []
            for p in inspect.signature(f).parameters.values():
                spread = range(len(args) - len(parameters)) if p.kind is p.VAR_POSITIONAL else ()
                parameters += [f"{p.name}[{k}]" for k in spread] if p.kind is p.VAR_POSITIONAL else [p.name]
        except ValueError:
            parameters = [f"x{k}" for k in range(len(args))]
    leaves = [f"{parameters[p]}{spec.place(k)}" for p, (spec, n) in zip(argnums, run.specs, strict=True) for k in range(n)]
    return [name for name, active in zip(leaves, run.active, strict=True) if active]


def _title(f: Callable[..., Any], names: Sequence[str]) -> str:
    if isinstance(f, Formula):
        return f.text
    return f"{getattr(f, '__name__', None) or type(f).__name__}({', '.join(names)})"


def _said(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{f': {text}' if text else ''}"


def _notes(f: Callable[..., Any], run: Run, build: Visited) -> list[str]:
    found = []
    if not isinstance(f, Formula) and not build.watched:
        found.append("A debugger or a coverage tool is at work, so that loops are not folded.")
    if run.trace.effects:
        names = ", ".join(sorted({e.primitive.name for e in run.trace.effects}))
        found.append(f"The function has effects ({names}): they took place once, while it was recorded.")
    return found


def write_out(recorded: Recorded, e: Equation, turn: int) -> None:
    """Write an equation that holds graphs out; the values of what is new are computed."""
    opened = unfold(recorded.graph, e, recorded.env, turn)
    recorded.env = dict(recorded.env)
    evaluated(opened.graph.equations, recorded.env)
    recorded.graph = opened.graph
    recorded.opened.update(opened.parts)
