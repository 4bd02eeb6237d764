"""Time and memory of a function and its derivatives, line by line.

What comes in: a function and a point. What goes out: a `Profile`: what each line of the program costs in the evaluation, in the
forward and backward pass of a gradient, and in a pass of forward mode. The one idea: every transform carries the user's lines
along, so the time of an equation of the backward pass is the time of the line that it is the derivative of.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from wengert.api import value_and_grad
from wengert.backends.measure import Measurement, measure, owner
from wengert.errors import InputError, NonDifferentiableError, not_a_function
from wengert.frontends.trace import fresh_build
from wengert.graph import Atom, Build, Equation, Graph, Handle, Var
from wengert.lines import by_part, place_key, short_place, source_line
from wengert.muted import muted
from wengert.progress import Progress
from wengert.run import Run
from wengert.transforms.linearize import Linear, linearize
from wengert.transforms.strong_zeros import masked
from wengert.transforms.transpose import transpose
from wengert.units import bytes_text, count_text, seconds_text

__all__ = ["PassCost", "Profile", "ProfileLine", "profile"]

PASSES = ("value", "forward", "backward", "tangent")
_SHOWN = 20  # lines in the table


@dataclass(frozen=True)
class PassCost:
    """What one pass costs, or one line in one pass."""

    seconds: float = 0.0
    allocated: int = 0  # bytes of new arrays, all together
    operations: int = 0
    equations: int = 0  # evaluated, those in loops as often as they run

    def __add__(self, other: PassCost) -> PassCost:
        return PassCost(self.seconds + other.seconds, self.allocated + other.allocated, self.operations + other.operations,
                        self.equations + other.equations)


@dataclass(frozen=True)
class ProfileLine:
    """What one line of the program costs.

    Its ``seconds`` are those of a gradient: forward and backward pass.
    """

    place: str  # "file.py:12"; "" for what has no line
    source: str
    value: PassCost = PassCost()
    forward: PassCost = PassCost()
    backward: PassCost = PassCost()
    tangent: PassCost = PassCost()
    kept: int = 0  # bytes that the backward pass needs

    @property
    def seconds(self) -> float:
        return self.forward.seconds + self.backward.seconds


@dataclass(frozen=True)
class Profile:
    """What `profile` gives; print it.

    Attributes
    ----------
    lines : tuple of ProfileLine
        The dearest first.
    value, forward, backward, tangent : PassCost
        Of the whole program: its value; the value with all that the derivative needs; the backward pass; forward mode in one
        direction. Times are those inside the operations.
    unclocked : dict of str to float
        The same passes in one piece, without a clock: what lies between that and the sum over the lines is the interpreter's
        own time, less the clocks' disturbance.
    peak : dict of str to int
        Bytes that are alive at once, arguments apart.
    kept : int
        Bytes that the backward pass needs of the forward pass, arguments apart.
    calls : dict of str to float
        Seconds of whole calls, where no effect is recorded: ``f``, and ``value_and_grad``, which records the program, too.
    """

    name: str
    lines: tuple[ProfileLine, ...]
    value: PassCost
    forward: PassCost
    backward: PassCost
    tangent: PassCost
    unclocked: dict[str, float]
    peak: dict[str, int]
    kept: int
    calls: dict[str, float] = field(default_factory=dict)

    def by_line(self) -> Profile:
        """The same in the order of the program."""
        return replace(self, lines=tuple(sorted(self.lines, key=lambda line: place_key(line.place))))

    def json(self) -> dict[str, Any]:
        """Numbers, lists and strings only."""
        return asdict(self)

    def plot(self) -> Any:
        """A bar for each line, its passes side by side; needs Matplotlib. Gives the figure."""
        return _plotted(self)

    def __str__(self) -> str:
        return _report(self)


def profile(f: Callable[..., Any], *args: Any, argnums: int | Sequence[int] = 0, **kwargs: Any) -> Profile:
    """What each line of a function costs, in the function and in its derivatives, run by the interpreter.

    The graphs of the function, of forward mode and of the two passes of reverse mode are evaluated with NumPy, equation by
    equation, as often as a fraction of a second allows; the time, the memory and the operations of an equation are those of the
    line that it came from. A staged loop is timed as a whole, and shared among the lines of its body as one iteration, the
    first, takes them. Compiled programs fuse operations, so under `jit` lines cost less, and other lines may be the dear ones.
    The function itself is called up to 20 times.

    Parameters
    ----------
    f : callable
        Gives a number or an array, or a tree of them; the backward pass starts with a cotangent of ones, the pass of forward
        mode with a tangent of ones.
    *args, **kwargs
        Its arguments.
    argnums : int or tuple of int
        Which positional arguments are differentiated.

    Returns
    -------
    Profile

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> def f(x):
    ...     a = np.outer(x, x)
    ...     return np.sum(np.sin(a))
    >>> found = wg.profile(f, np.ones(300))
    >>> [line.source for line in found.by_line().lines]
    ['a = np.outer(x, x)', 'return np.sum(np.sin(a))']
    >>> [line.forward.operations for line in found.by_line().lines]
    [90000, 180000]
    >>> found.kept  # bytes: a, whose cosine the backward pass needs
    720000
    """
    if not callable(f):
        raise InputError(f"profile: {not_a_function(f)}")
    with Progress() as progress:
        progress("recording the program")
        with fresh_build():
            run = Run("profile", by_part(f), args, kwargs, argnums)
        if not run.plain:
            raise InputError("profile: it measures numbers, so it cannot be part of a program that is itself traced")
        graph = _without_calls(run.graph())
        values = [run.trace.values[v] for v in (*run.inputs, *run.trace.lifted)]
        linear = linearize(graph, [k < len(run.inputs) for k in range(len(graph.inputs))])
        if not any(linear.nonzero):
            raise NonDifferentiableError("profile: nothing that the function returns depends on floats of the arguments that "
                                         "are differentiated (argnums=... says which)")
        found = _measured(graph, values, linear, progress)
        pure = all(e.pure for e in graph.equations)
        progress("calling the function")
        calls = _calls(f, args, kwargs, run) if pure else {}
    kept = _kept(linear, values, found["forward"].outputs[len(graph.outputs):])
    return Profile(getattr(f, "__name__", "f"), _lines(found, kept), **{name: _total(found[name]) for name in PASSES},
                   unclocked={name: found[name].plain for name in PASSES}, peak={name: found[name].peak for name in PASSES},
                   kept=sum(kept.values()), calls=calls)


def _without_calls(graph: Graph) -> Graph:
    """The graph with the graphs of functions under `jit` in the place of their calls."""
    build = Build()

    def into(g: Graph, operands: Sequence[Atom]) -> list[Atom]:
        env: dict[Atom, Atom] = dict(zip(g.inputs, operands, strict=True))
        before = build.at
        for e in g.equations:
            build.at = g.lines.get(e, before)
            given = tuple([env.get(o, o) for o in e.operands])
            results = into(e.params["graph"], given) if e.primitive.name == "call" else build.emit(e.primitive, given, e.params)
            env.update(zip(e.results, results, strict=True))
        build.at = before
        return [env.get(o, o) for o in g.outputs]

    outputs = into(graph, [build.input(v.type).atom for v in graph.inputs])
    return build.graph([Handle(build, o) for o in outputs])


def _measured(graph: Graph, values: Sequence[Any], linear: Linear, progress: Progress) -> dict[str, Measurement]:
    """The four passes."""
    primal = linear.primal
    recording = Graph(primal.inputs, primal.equations, (*primal.outputs, *linear.residuals), primal.lines)
    adjoint = transpose(linear).graph
    tangent = masked(linear.graph, [k < linear.count for k in range(len(linear.graph.inputs))])
    progress("measuring the value")
    found = {"value": measure(graph, values)}
    progress("measuring the forward pass")
    found["forward"] = measure(recording, values)
    residuals = found["forward"].outputs[len(graph.outputs):]
    progress("measuring the backward pass")
    found["backward"] = measure(adjoint, [*_ones(adjoint.inputs[:len(adjoint.inputs) - len(residuals)]), *residuals])
    progress("measuring forward mode")
    found["tangent"] = measure(tangent, [*_ones(tangent.inputs[:linear.count]), *residuals])
    return found


def _ones(variables: Sequence[Var]) -> list[Any]:
    return [np.ones(v.type.shape, v.type.dtype)[()] for v in variables]


def _calls(f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], run: Run) -> dict[str, float]:
    """Whole calls, as users make them."""
    calls: dict[str, Callable[[], Any]] = {"f": lambda: f(*args, **kwargs)}
    if len(run.out_vars) == 1 and run.out_spec.tree is None and run.out_vars[0].type.shape == () and \
            run.out_vars[0].type.dtype.kind == "f":
        both = value_and_grad(f, run.positions[0] if run.single else run.positions)
        calls["value_and_grad"] = lambda: both(*args, **kwargs)
    out = {}
    for name, call in calls.items():
        took, end = list[float](), time.perf_counter() + 0.2
        while not took or (len(took) < 10 and time.perf_counter() < end):
            with np.errstate(all="ignore"), muted():  # what it prints, it has printed
                begun = time.perf_counter()
                call()
                took.append(time.perf_counter() - begun)
        out[name] = float(np.quantile(took, 0.25))
    return out


def _kept(linear: Linear, values: Sequence[Any], residuals: Sequence[Any]) -> dict[str, int]:
    """Bytes that cross from the forward to the backward pass, by line; what is a view of something counted is free."""
    seen = {id(owner(x)) for x in values}
    maker = {r: e for e in linear.primal.equations for r in e.results}
    kept: dict[str, int] = {}
    for v, x in zip(linear.residuals, residuals, strict=True):
        held = owner(x)
        if v not in maker or id(held) in seen:
            continue
        seen.add(id(held))
        places = _made_at(linear.primal, maker[v], v) or frozenset({""})
        first = min(places, key=place_key)
        kept[first] = kept.get(first, 0) + _size(held)
    return kept


def _made_at(graph: Graph, e: Equation, v: Atom) -> frozenset[str]:
    """The lines of an equation; for what a loop or branch gives, those of the equation inside."""
    own = graph.lines.get(e, frozenset())
    k = e.results.index(v) if isinstance(v, Var) else -1
    if e.primitive.name in ("scan", "while_loop"):
        inner, k = e.params["body"], k - int(e.primitive.name == "while_loop")
    elif e.primitive.name == "cond":
        inner = e.params["branches"][0]
    else:
        return own
    if k < 0:
        return own
    out = inner.outputs[k]
    makers = [i for i in inner.equations if out in i.results]
    return (_made_at(inner, makers[0], out) if makers else frozenset()) or own


def _size(x: Any) -> int:
    return sum(_size(v) for v in x) if isinstance(x, list) else int(getattr(x, "nbytes", 0))


# ---------------------------------------------------------------- by line

def _by_place(measured: Measurement) -> dict[str, PassCost]:
    """What stands for several lines is shared among them; counts go to the first."""
    found: dict[str, PassCost] = {}
    for c in measured.costs:
        places = sorted(c.lines, key=place_key) or [""]
        for k, place in enumerate(places):
            counts = (0, 0, 0) if k else (c.allocated, c.operations, c.runs)
            cost = PassCost(c.seconds / len(places), *counts)
            found[place] = found.get(place, PassCost()) + cost
    return found


def _lines(found: dict[str, Measurement], kept: dict[str, int]) -> tuple[ProfileLine, ...]:
    passes = {name: _by_place(m) for name, m in found.items()}
    places = dict.fromkeys([place for name in PASSES for place in passes[name]] + list(kept))
    rows = [ProfileLine(place, source_line(place), **{name: passes[name].get(place, PassCost()) for name in PASSES},
                        kept=kept.get(place, 0)) for place in places]
    return tuple(sorted(rows, key=lambda row: (-row.seconds, place_key(row.place))))


def _total(measured: Measurement) -> PassCost:
    return sum(_by_place(measured).values(), PassCost())


# ---------------------------------------------------------------- in words

def _report(p: Profile) -> str:
    head = [("", "in operations", "in all", "allocated", "peak", "operations", "equations")]
    for name in PASSES:
        c: PassCost = getattr(p, name)
        head.append((f"{name} pass" if name in ("forward", "backward") else "forward mode" if name == "tangent" else name,
                     seconds_text(c.seconds), seconds_text(p.unclocked[name]), bytes_text(c.allocated),
                     bytes_text(p.peak[name]), count_text(c.operations), count_text(c.equations)))
    whole = p.forward.seconds + p.backward.seconds
    rows: list[tuple[str, ...]] = [("share", "forward", "backward", "tangent", "kept", "operations", "line")]
    for line in p.lines[:_SHOWN]:
        times = [seconds_text(c.seconds) if c.seconds else "" for c in (line.forward, line.backward, line.tangent)]
        share = 100 * line.seconds / whole if whole else 0.0
        rows.append((f"{share:.1f} %", *times, bytes_text(line.kept) if line.kept else "",
                     count_text(line.forward.operations + line.backward.operations), short_place(line.place)))
    sources = ["", *[line.source for line in p.lines[:_SHOWN]]]
    body = [f"{row}  {source}".rstrip() for row, source in zip(_columns(rows, left=(6,)), sources, strict=True)]
    more = [f"... and {len(p.lines) - _SHOWN} more lines"] if len(p.lines) > _SHOWN else []
    calls = [f"{'f' if name == 'f' else name + '(f)'}: {seconds_text(s)}" for name, s in p.calls.items()]
    return "\n".join([
        f"{p.name}, run by the interpreter", "", *_columns(head, left=(0,)), "",
        f"kept between the passes: {bytes_text(p.kept)}" + (f"; whole calls: {', '.join(calls)}" if calls else ""), "",
        *body, *more])


def _columns(rows: Sequence[Sequence[str]], left: Sequence[int]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return ["  ".join(x.ljust(w) if k in left else x.rjust(w) for k, (x, w) in enumerate(zip(row, widths, strict=True)))
            for row in rows]


def _plotted(p: Profile) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("plot: Matplotlib is not installed; pip install 'wengert[plot]'") from error
    lines = p.lines[:_SHOWN][::-1]
    figure = Figure(figsize=(9.0, 1.2 + 0.32 * len(lines)), layout="constrained")
    axes = figure.subplots()
    scale, unit = (1e3, "milliseconds") if max((line.seconds for line in lines), default=0.0) > 1e-3 else (1e6, "microseconds")
    start = np.zeros(len(lines))
    places = np.arange(len(lines))
    for name, color in (("forward", "#4477aa"), ("backward", "#cc6677")):
        width = np.array([scale * getattr(line, name).seconds for line in lines])
        axes.barh(places, width, left=start, color=color, label=f"{name} pass", height=0.7)
        start += width
    axes.set_yticks(places, [f"{line.source[:60]}  {place_key(line.place)[1] or ''}" for line in lines], family="monospace",
                    fontsize=8)
    axes.set_xlabel(unit)
    axes.set_title(f"{p.name}: time by line", fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, fontsize=8, loc="outside upper right", ncols=2)
    return figure
