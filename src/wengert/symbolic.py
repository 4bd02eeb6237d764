"""Symbolic differentiation of functions, and how its formulas swell.

What comes in: a formula, its text, or a Python function of numbers and small arrays. What goes out: its derivatives as
formulas, and how many nodes they have as trees and as graphs. The one idea: a function is staged as for `jit`, its loops of
known length are written out and its arrays taken apart, so what is differentiated is a formula like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wengert.errors import InputError, UnsupportedError, kind_of
from wengert.formulas import Formula, formula, formula_of_graph
from wengert.graph import Build, Graph
from wengert.staging import jit
from wengert.transforms.algebra import algebraic
from wengert.transforms.scalars import scalar_graph
from wengert.transforms.symbolic import derivative, graph_size, tree_size

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Swell", "SwellRow", "formula_of", "partials", "swell"]


def _graph_of(f: Any, point: tuple[Any, ...]) -> tuple[Graph, tuple[str, ...]]:
    """The graph of numbers of a function, and the names of its variables."""
    f = formula(f) if isinstance(f, str) else f
    if isinstance(f, Formula):
        return f.numbers, f.variables
    if not callable(f):
        raise InputError(f"symbolic: a formula or a function is expected, not {kind_of(f)}")
    from wengert.sources import leaf_paths
    jitted = jit(f)
    leaves, staged = jitted._find(point, {})
    if staged.graph is None:
        raise UnsupportedError(f"symbolic: the function cannot be staged: {staged.reason}")
    names: list[str] = []
    for path, x in zip(leaf_paths(jitted, point), leaves, strict=True):
        name = "_".join(part for part in path.replace("'", "").replace("]", "").replace("[", ".").split(".") if part)
        shape = getattr(x, "shape", ())
        names += [name + "_".join(map(str, place)) for place in _places(shape)]
    graph = scalar_graph(staged.graph)
    if not graph.outputs:
        raise InputError("symbolic: nothing that the function returns is a number that depends on its arguments; is a return "
                         "missing, or an argument a whole number? Write 3.0 for 3")
    if len(graph.outputs) != 1:
        raise InputError(f"symbolic: the function gives {len(graph.outputs)} numbers; a formula is one. Sum them, or take one")
    twice = [n for n in dict.fromkeys(names) if names.count(n) > 1]
    if twice:
        raise InputError(f"symbolic: two variables of the formula would be called {twice[0]}: an element of an array, and "
                         f"another argument; give the argument another name")
    return graph, tuple(names)


def _places(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    import itertools
    return list(itertools.product(*[range(n) for n in shape]))


def formula_of(f: Callable[..., Any], *point: Any) -> Formula:
    """A Python function as a formula of numbers.

    Parameters
    ----------
    f : callable
        Of numbers and small arrays; it gives one number. Loops of known length are written out, branches become ``where``.
    *point
        Arguments like those that it takes; shapes and dtypes count, and the values of Python integers.

    Returns
    -------
    Formula
        Its variables have the names of the parameters, elements of arrays those with their indices: ``x0``, ``w1_2``.

    Raises
    ------
    UnsupportedError
        For loops whose length depends on values, factorizations, and formulas that are too large: `wg.grad` derives them all.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> def rosenbrock(x):
    ...     return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
    >>> f = wg.symbolic.formula_of(rosenbrock, np.ones(2))
    >>> print(f)
    100*(x1 - x0^2)^2 + (1 - x0)^2
    >>> print(f.diff("x1"))
    200*(x1 - x0^2)
    """
    graph, names = _graph_of(f, point)
    return formula_of_graph(_squares(graph), names)


def _squares(graph: Graph) -> Graph:
    """With squares as powers, which formulas have a sign for."""
    build = Build()
    env: dict[Any, Any] = {v: build.input(v.type).atom for v in graph.inputs}
    from wengert.graph import REGISTRY, Handle
    for e in graph.equations:
        operands = tuple([env.get(a, a) for a in e.operands])
        if e.primitive.name == "square":
            env[e.results[0]] = build.emit(REGISTRY["integer_power"], operands, {"n": 2})[0]
        else:
            env.update(zip(e.results, build.emit(e.primitive, operands, e.params), strict=True))
    return build.graph([Handle(build, env.get(a, a)) for a in graph.outputs])


def partials(f: Any, *point: Any) -> dict[str, Formula]:
    """All partial derivatives, one formula for each variable.

    Parameters
    ----------
    f : str, Formula or callable
        As for `formula_of`.
    *point
        Arguments, for a function.

    Examples
    --------
    >>> import wengert as wg
    >>> for name, slope in wg.symbolic.partials("x*y + sin(x)").items():
    ...     print(name, "->", slope)
    x -> y + cos(x)
    y -> x
    """
    graph, names = _graph_of(f, point)
    return {name: formula_of_graph(algebraic(derivative(graph, k)), names) for k, name in enumerate(names)}


@dataclass(frozen=True)
class SwellRow:
    """The nodes of the derivatives of one order.

    Attributes
    ----------
    order : int
        0 is the formula itself.
    tree, graph : int
        Nodes by the rules of differentiation alone: written out, and with equal nodes shared.
    simple_tree, simple_graph : int
        The same, simplified by algebra after each order.
    """

    order: int
    tree: int
    graph: int
    simple_tree: int
    simple_graph: int


@dataclass(frozen=True)
class Swell:
    """What `swell` gives; print it, or look at `rows`."""

    name: str
    rows: tuple[SwellRow, ...]

    def __str__(self) -> str:
        head = ("order", "tree", "graph", "tree, simplified", "graph, simplified")
        body = [[_figure(n) for n in (r.order, r.tree, r.graph, r.simple_tree, r.simple_graph)] for r in self.rows]
        widths = [max(len(row[k]) for row in [list(head), *body]) for k in range(len(head))]
        lines = ["  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths)) for row in [list(head), *body]]
        return "\n".join([f"nodes of the derivatives of {self.name}", *lines])

    def plot(self, path: str | Path | None = None, ax: Any = None) -> Any:
        """Draw the nodes by order, on a logarithmic axis.

        Parameters
        ----------
        path : str or Path, optional
            A file to write.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default a new figure.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise UnsupportedError("Matplotlib is not installed; install it with: pip install wengert[plot]") from error
        if ax is None:
            ax = Figure(figsize=(5.0, 3.5), layout="constrained").subplots()
        draw(ax, [r.order for r in self.rows], self.rows)
        ax.set(xlabel="order", title=self.name, xticks=[r.order for r in self.rows])
        if path is not None:
            ax.figure.savefig(path)
        return ax


def draw(ax: Any, at: Sequence[float], rows: Sequence[SwellRow]) -> None:
    """Draw rows over some axis: trees with full lines, graphs with dashed ones."""
    kinds = (("tree", "tree", "C3", "-"), ("simple_tree", "tree, simplified", "C1", "-"), ("graph", "graph", "C0", "--"),
             ("simple_graph", "graph, simplified", "C2", "--"))
    for name, label, color, style in kinds:
        ax.plot(at, [float(getattr(r, name)) for r in rows], style, color=color, label=label, marker="o", markersize=3.5)
    ax.set_yscale("log")
    ax.set_ylabel("nodes")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)


def _figure(n: int) -> str:
    return f"{n:,}" if n < 10**9 else f"{float(n):.1e}" if n < 10**300 else f"10^{len(str(n)) - 1}"


def swell(f: Any, *point: Any, order: int = 1, wrt: str | Sequence[str] | None = None) -> Swell:
    """How many nodes the symbolic derivatives of a formula have: expression swell, counted.

    Parameters
    ----------
    f : str, Formula or callable
        As for `formula_of`.
    *point
        Arguments, for a function.
    order : int
        The highest order.
    wrt : str or sequence of str, optional
        The variables, each differentiated in by itself; by default the first. Of several the nodes are added up.

    Returns
    -------
    Swell
        Trees are counted on graphs, so they may have more nodes than any memory.

    Examples
    --------
    >>> import wengert as wg
    >>> print(wg.symbolic.swell("exp(x^2)", order=3))
    nodes of the derivatives of exp(x^2)
    order  tree  graph  tree, simplified  graph, simplified
        0     4      4                 4                  4
        1     9      8                 8                  6
        2    35     18                17                  9
        3   141     34                19                 13
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 0:
        raise InputError(f"swell: order is a whole number from 0 up, not {order!r}")
    graph, names = _graph_of(f, point)
    chosen = names[:1] if wrt is None else (wrt,) if isinstance(wrt, str) else tuple(wrt)
    unknown = [n for n in chosen if n not in names]
    if unknown:
        raise InputError(f"swell: there is no variable {unknown[0]!r}; the variables are {', '.join(names)}")
    blind, simple, rows = [graph] * len(chosen), [algebraic(graph)] * len(chosen), []
    for k in range(order + 1):
        if k:
            blind = [derivative(g, names.index(n), blind=True) for g, n in zip(blind, chosen)]
            simple = [algebraic(derivative(g, names.index(n))) for g, n in zip(simple, chosen)]
        joint = [_joined(gs) for gs in (blind if k else blind[:1], simple if k else simple[:1])]
        rows.append(SwellRow(k, *[count(g) for g in joint for count in (tree_size, graph_size)]))
    text = f if isinstance(f, str) else str(f) if isinstance(f, Formula) else getattr(f, "__name__", "the function")
    return Swell(text if len(text) <= 60 else f"{text[:57]}...", tuple(rows))


def _joined(graphs: Sequence[Graph]) -> Graph:
    """Graphs of the same inputs as one, what they have in common once."""
    build = Build()
    inputs = [build.input(v.type) for v in graphs[0].inputs]
    return build.graph([h for g in graphs for h in build.inline(g, inputs)])


