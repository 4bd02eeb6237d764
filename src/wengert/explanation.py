"""How a derivative arises: both passes through a function or a formula, node by node.

What comes in: a function (or a formula) and a point. What goes out: an `Explanation`: print it, look at it in a notebook, or
take its data (`to_json`) and pictures (`svg`, `html`, `dot`, `latex`). The one idea: the function is traced as `grad` traces
it, and the numbers are those of `grad`: tangents are pushed through the graph, adjoints are summed from the terms that each
equation sends back (`adjoints.py`). A staged loop or branch is one node; to open it is to write one turn of it out in the
graph (`transforms/unfold.py`), and to explain that graph.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import html
import linecache
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wengert.adjoints import Partials, Values, first_turn, pulled_back, pushed_forward
from wengert.errors import InputError, kind_of
from wengert.formulas import formula
from wengert.frontends.trace import user_line
from wengert.frontends.visits import Visit
from wengert.graph import ArrayType, Atom, Const, Equation, Graph, Stack, Var, params_key
from wengert.graph.walk import prune, subgraphs
from wengert.primitives.control import stack_add
from wengert.progress import Progress
from wengert.recording import Recorded, bound, recorded_at, write_out
from wengert.views.derivation import Contribution, Derivation, Group, Node, is_finite
from wengert.views.dot import to_dot
from wengert.views.findings import findings
from wengert.views.fold import FEW
from wengert.views.html import to_html
from wengert.views.latex import to_latex
from wengert.views.notation import PRODUCT, Style, Term, latex_name, render
from wengert.views.partials import local_derivative
from wengert.views.svg import to_svg
from wengert.views.text import to_text

__all__ = ["Explanation", "explain"]

Names = Callable[[Var], str]
_PASSES = 4  # inputs of at most so many elements get a forward pass for each


def explain(f: Callable[..., Any] | str, *args: Any, **point: Any) -> Explanation:
    """How the derivatives of a function at a point arise, step by step.

    The forward pass carries values and tangents, ``v̇_j = Σ_i ∂v_j/∂v_i v̇_i``; the backward pass carries adjoints,
    ``v̄_i = Σ_j v̄_j ∂v_j/∂v_i`` (R. E. Wengert, 1964; S. Linnainmaa, 1970).

    Parameters
    ----------
    f : callable, str or Formula
        A function of arrays, or a formula. Loops and branches of ``wg.jit(f)`` are one node each, and can be opened.
    *args, **point
        Its arguments, by position or by name; floats and float arrays (and trees of them) are the inputs.

    Returns
    -------
    Explanation

    Raises
    ------
    InputError
        If no argument is a float or an array of floats.

    Examples
    --------
    >>> import wengert as wg
    >>> e = wg.explain("x y + sin(x)", x=0.0, y=3.0)
    >>> [(n.name, n.text) for n in e.nodes[2:]]
    [('v1', 'x * y'), ('v2', 'sin(x)'), ('v3', 'v1 + v2')]
    >>> [(e.nodes[k].name, float(e.nodes[k].adjoint)) for k in e.backward]
    [('v3', 1.0), ('v2', 1.0), ('v1', 1.0), ('y', 0.0), ('x', 4.0)]
    """
    if isinstance(f, str):
        f = formula(f)
        if not args and set(point) == set(f.variables):
            f = formula(f.text, tuple(point))
    if not callable(f):
        raise InputError(f"explain: the first argument is a function or a formula, not {kind_of(f)}")
    with _uncollected():
        with Progress() as progress:
            progress("recording the program")
            recorded = recorded_at(f, *bound(f, args, point))
        return Explanation(recorded)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """No collection of cycles meanwhile: all that is made here stays, and to look through it again and again takes as long."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


# ---------------------------------------------------------------- the explanation

class Explanation(Derivation):
    """Both passes at a point; made by `explain`. Print it, or see ``text``, ``latex``, ``dot``, ``svg``, ``html``.

    Its data are documented in `wengert.views.derivation`: ``nodes``, ``inputs``, ``outputs``, ``backward``, ``groups``,
    ``findings``.
    """

    def __init__(self, recorded: Recorded, directions: Sequence[Sequence[Any]] | None = None, labels: Sequence[str] = (),
                 cotangents: Sequence[Any] | None = None):
        super().__init__(recorded.title, notes=list(recorded.notes), failure=recorded.failure)
        self._recorded, self._given = recorded, (directions, labels, cotangents)
        with Progress() as progress:
            progress(f"both passes through {len(recorded.graph.equations):,} operations")
            _Writer(self, recorded, directions, labels, cotangents).write()

    def along(self, *direction: Any) -> Explanation:
        """The same with one forward pass, along this direction: a tangent for each input, in their order."""
        inputs = list(self._recorded.inputs.values())
        if len(direction) != len(inputs):
            raise InputError(f"explain: a direction has a part for each of {', '.join(self._recorded.inputs)}; "
                             f"{len(direction)} were given (at {user_line()})")
        return Explanation(self._recorded, [_fitting("direction", direction, inputs)], ["the direction"], self._given[2])

    def wrt(self, *names: str) -> Explanation:
        """The same with regard to these inputs alone: ``"w"``, or a part of it, ``"w['bias']"``; the others are data."""
        known = self._recorded.names
        found = {k for k in known for name in names if k == name or (k.startswith(name) and k[len(name)] in "[.")}
        for name in names:
            if not any(k == name or k.startswith((f"{name}[", f"{name}.")) for k in known):
                raise InputError(f"explain: there is no input {name!r}; they are {', '.join(known)} (at {user_line()})")
        return Explanation(replace(self._recorded, active=frozenset(found)), None, (), self._given[2])

    def seeded(self, *cotangent: Any) -> Explanation:
        """The same with a backward pass from this cotangent: a part for each output."""
        outputs = [a for a in self._recorded.graph.outputs if isinstance(a, Var)]
        if len(cotangent) != len(outputs):
            raise InputError(f"explain: the function has {len(outputs)} outputs, and {len(cotangent)} parts of a cotangent "
                             f"were given (at {user_line()})")
        return Explanation(self._recorded, *self._given[:2], _fitting("cotangent", cotangent, outputs))

    def open(self, where: str | int, turn: int = 0) -> Explanation:
        """The same with a staged loop or branch written out: one turn of a loop, between those before it and those after it.

        Parameters
        ----------
        where : str or int
            ``"file.py:12"``, the line of the loop, or the id or the name of the node.
        turn : int
            Which turn of a loop, from 0; from the last, -1.
        """
        node = self._node(where)
        recorded = self._recorded
        e = next(q for q in recorded.graph.equations if self._vars[node.id] in q.results)
        if not e.primitive.holds_graphs:
            raise InputError(f"explain: {node.name} = {node.text} is a single operation; there is nothing to open")
        copy = replace(recorded, opened=dict(recorded.opened))
        write_out(copy, e, turn)
        return Explanation(copy, *self._given)

    def _node(self, where: str | int) -> Node:
        if isinstance(where, int):
            if not 0 <= where < len(self.nodes):
                raise InputError(f"explain: there is no node {where}; they are 0 to {len(self.nodes) - 1}")
            return self.nodes[where]
        folded = [n for n in self.nodes if n.turns is not None or n.primitive == "cond"]
        named = [n for n in self.nodes if n.name == where]
        found = named or [n for n in folded if (n.line or "").endswith(where)] or [n for n in folded if self._holds(n, where)]
        if not found:
            places = ", ".join(dict.fromkeys(_short(n.line) if n.line else n.name for n in folded)) or "there are none"
            raise InputError(f"explain: nothing at {where!r} can be opened; loops and branches: {places}")
        return found[0]

    def __str__(self) -> str:
        return self.text()

    def text(self, limit: int = FEW, only: Sequence[str] = (), opened: Sequence[str] = ()) -> str:
        """As text: the evaluation tree, both passes.

        Parameters
        ----------
        limit : int
            Groups (loops, turns, calls, lines) are folded where more lines than this would be shown.
        only : sequence of str
            Names of inputs: only what lies between them and the result.
        opened : sequence of str
            Lines, ``"file.py:12"``, whose groups are shown whole.
        """
        return to_text(self, limit, self._only(only), self._opened(opened))

    def latex(self, limit: int = FEW, only: Sequence[str] = (), opened: Sequence[str] = ()) -> str:
        """As LaTeX (`amsmath`): values, tangents, adjoints, each an aligned display; arguments as for `text`."""
        return to_latex(self, limit, self._only(only), self._opened(opened))

    def dot(self, limit: int = 40, only: Sequence[str] = (), opened: Sequence[str] = ()) -> str:
        """As a graph for Graphviz; arguments as for `text`."""
        return to_dot(self, limit, self._only(only), self._opened(opened))

    def svg(self, limit: int = 40, only: Sequence[str] = (), opened: Sequence[str] = ()) -> str:
        """As a picture; arguments as for `text`."""
        return to_svg(self, limit, self._only(only), self._opened(opened))

    def html(self, limit: int = FEW, only: Sequence[str] = (), opened: Sequence[str] = ()) -> str:
        """As a page that needs nothing else: to step through, fold, and search; arguments as for `text`."""
        return to_html(self, limit, self._only(only), self._opened(opened))

    def _repr_html_(self) -> str:
        """In a notebook: the page in a frame, so that its style stays its own."""
        page = html.escape(self.html())
        return f'<iframe srcdoc="{page}" style="width:100%;height:42rem;border:1px solid #8888" title="explanation"></iframe>'

    def _only(self, names: Sequence[str]) -> list[int] | None:
        return self.on_the_way([self._node(name).id for name in names]) if names else None

    def _opened(self, lines: Sequence[str]) -> list[int]:
        return [g.id for g in self.groups if g.line is not None and any(g.line.endswith(line) for line in lines)]

    def __repr__(self) -> str:
        return f"<explanation of {self.title}, {len(self.nodes)} nodes; print it>"

    def _holds(self, node: Node, line: str) -> bool:
        """Whether a line is in the body of a staged loop or branch."""
        stack = [e for e in self._recorded.graph.equations if self._vars[node.id] in e.results]
        while stack:
            for inner in subgraphs(stack.pop()):
                if any(at.endswith(line) for lines in inner.lines.values() for at in lines):
                    return True
                stack += inner.equations
        return False

    @property
    def _vars(self) -> list[Var]:
        return _variables(self._recorded.graph)


def _fitting(what: str, given: Sequence[Any], variables: Sequence[Var]) -> list[Any]:
    out = []
    for x, v in zip(given, variables, strict=True):
        if np.shape(x) != v.type.shape:
            raise InputError(f"explain: the {what} has shape {np.shape(x)} where {v.type.shape} is expected (at {user_line()})")
        out.append(np.asarray(x, v.type.dtype)[()])
    return out


def _variables(graph: Graph) -> list[Var]:
    """The variables that become nodes, in order; results that nothing uses are left out, but for the first."""
    used = {*graph.outputs, *[o for e in graph.equations for o in e.operands]}
    found = list(graph.inputs)
    for e in graph.equations:
        kept = [r for r in e.results if r in used]
        found += kept or e.results[:1]
    return found


class _Writer:
    """Fills an explanation."""

    def __init__(self, out: Explanation, recorded: Recorded, directions: Sequence[Sequence[Any]] | None,
                 labels: Sequence[str], cotangents: Sequence[Any] | None):
        self.out, self.recorded = out, recorded
        self.graph, self.env = recorded.graph, recorded.env
        self.variables = _variables(self.graph)
        self.id = {v: k for k, v in enumerate(self.variables)}
        self.maker = {r: e for e in self.graph.equations for r in e.results}
        letter = next(c for c in "vutsrqpnm" if not any(n[0] == c and n[1:].isdigit() for n in recorded.names))
        names = [*recorded.names, *[f"{letter}{k + 1}" for k in range(len(self.variables) - len(recorded.names))]]
        self.name = dict(zip(self.variables, names, strict=True))
        self.inputs = recorded.inputs
        self.directions, self.labels = (directions, labels) if directions is not None else _passes(self.inputs)
        self.cotangents = cotangents
        self.templates: dict[Any, tuple[list[str], bool]] = {}

    def write(self) -> None:
        out = self.out
        out.nodes = [self.node(v) for v in self.variables]
        out.inputs = [self.id[v] for v in self.inputs.values()]
        out.outputs = list(dict.fromkeys(self.id[a] for a in self.graph.outputs if isinstance(a, Var)))
        self.lines()
        with np.errstate(all="ignore"):
            self.forward()
            self.backward()
        if not out.outputs and not out.failure:
            out.notes.append("The result does not depend on the inputs.")
        out.findings = findings(out)
        first = next((n for n in out.nodes if n.value is not None and not is_finite(n.value)), None)
        if first is not None and first.turns is not None:
            turn = first_turn(self.maker[self.variables[first.id]], self.env, lambda x: not is_finite(x))
            if turn is not None:
                out.findings[0] += f" It arose in turn {turn}: e.open({first.name!r}, {turn}) shows where."

    def node(self, v: Var) -> Node:
        e, value = self.maker.get(v), self.env.get(v)
        kind = v.type if isinstance(v.type, ArrayType) else ArrayType((), object)
        name = self.name[v]
        if e is None:
            return Node(self.id[v], name, "input" if name in self.inputs else "data", "", (), name, kind.shape,
                        kind.dtype.name, value, write_latex=functools.partial(latex_name, name))
        operands = tuple(dict.fromkeys(self.id[o] for o in e.operands if isinstance(o, Var)))
        turns = self.turns(e)
        return Node(self.id[v], name, "operation", e.primitive.name, operands, self.formula(e, v, "text"), kind.shape,
                    kind.dtype.name, value, turns=turns, write_latex=functools.partial(self.formula, e, v, "latex"))

    def turns(self, e: Equation) -> int | None:
        """How often the body of a loop ran."""
        if e.primitive.name == "scan":
            return int(_known(e.operands[0], self.env))
        return int(self.env[e.results[0]]) if e.primitive.name == "while_loop" else None

    def formula(self, e: Equation, v: Var, style: Style) -> str:
        """The right-hand side of a node."""
        if not e.primitive.holds_graphs:
            if style == "latex":
                return render(e, self.name.__getitem__, style) + self.which(e, v).replace(" ", r"\;")
            return self.written(e, lambda names: (render(e, names), True))[0] + self.which(e, v)
        operands = list(dict.fromkeys(self.name[o] for o in e.operands if isinstance(o, Var)))
        turns, word, after = self.turns(e), str(e.params.get("name", e.primitive.name)), ""
        if turns is not None:
            word, after = "loop", f", {turns} turn{'s' * (turns != 1)}"
        elif e.primitive.name == "cond":
            word, after = "branch", f", the test is {bool(_known(e.operands[0], self.env))}"
        after += self.which(e, v)
        if style == "text":
            return f"{word}({', '.join(operands)}){after}"
        inside = ", ".join([latex_name(n) for n in operands])
        return rf"\mathrm{{{word}}}".replace("_", r"\_") + rf"\left({inside}\right)\text{{{after}}}"

    def which(self, e: Equation, v: Var) -> str:
        """Which of several results this is."""
        kept = [r for r in e.results if r in self.id]
        return f" [{kept.index(v)}]" if len(kept) > 1 else ""

    # ------------------------------------------------------------ lines and groups

    def lines(self) -> None:
        """The user's lines, and the groups: calls, loops, turns, lines."""
        keys: dict[Any, Group] = {}
        runs: dict[Any, tuple[str, int]] = {}  # the line that was last met in a group, and how many were met before

        def group(key: Any, kind: str, label: str, line: str | None, parent: Group | None, turns: int | None = None) -> Group:
            if kind == "line":  # another line in between ends it, so that groups stand in the order of evaluation
                before, count = runs.get(key, ("", 0))
                runs[key] = (str(line), count + (before != line))
                key = (key, runs[key])
            if key not in keys:
                keys[key] = Group(len(keys), kind, label, line, None if parent is None else parent.id, [], turns)
            return keys[key]
        for v in self.variables:
            e = self.maker.get(v)
            if e is None:
                continue
            at: Group | None = None
            path = self.recorded.paths.get(e.results[0])
            part = self.recorded.opened.get(e.results[0])
            if part is not None:
                at = group(("part", part), "turn", part, None, None)
            for depth, visit in enumerate(path or ()):
                at = self.visit(visit, depth, at, group)
            line = f"{path[-1].file}:{path[-1].line}" if path else None
            if path is None and self.recorded.has_lines:  # a part of a staged program
                line = min(self.graph.lines.get(e, ()), default=None)
            if line is not None:
                at = at if path else group(("line", at and at.id), "line", _short(line), line, at)
                self.out.nodes[self.id[v]].line = line
                file, _, number = line.rpartition(":")
                self.out.source.setdefault(line, linecache.getline(file, int(number)).strip())
            if at is not None:
                self.out.nodes[self.id[v]].group = at.id
                at.nodes.append(self.id[v])
        self.out.groups = list(keys.values())
        if self.recorded.has_lines and self.maker and not any(self.out.source.values()):
            self.out.notes.append("The source of the function is not known; its operations are here, but no lines.")

    @staticmethod
    def visit(visit: Visit, depth: int, at: Group | None, group: Callable[..., Group]) -> Group:
        line = f"{visit.file}:{visit.line}"
        if depth and not visit.function.startswith("<"):
            at = group(("call", visit.call, at and at.id), "call", f"{visit.function}()", line, at)
        for loop, turn in visit.loops:
            head = f"{visit.file}:{loop.line}"
            at = group(("loop", id(loop), at and at.id), "loop", f"loop at {_short(head)}", head, at, loop.count)
            at = group(("turn", at.id, turn), "turn", f"turn {turn} of {loop.count}", head, at)
        return group(("line", at and at.id), "line", _short(line), line, at)

    # ------------------------------------------------------------ both passes

    def forward(self) -> None:
        self.out.directions = list(self.labels)
        moving = Graph(tuple(self.inputs.values()), self.graph.equations, (), self.graph.lines)
        found = pushed_forward(moving, self.env, self.directions)
        for v, node in zip(self.variables, self.out.nodes, strict=True):
            node.tangents = [t.get(v) for t in found]

    def backward(self) -> None:
        out = self.out
        if not out.outputs:
            return
        outputs = [a for a in self.graph.outputs if isinstance(a, Var) and a.type.inexact]
        if not outputs:
            out.notes.append("The result is no float, so that there is no derivative.")
            return
        seeds = self.cotangents
        if seeds is None:
            seeds = [np.ones(v.type.shape, v.type.dtype)[()] for v in outputs]
            if len(outputs) > 1 or outputs[0].type.shape:
                out.notes.append("The function gives more than one number; the backward pass is that of their sum (a "
                                 "cotangent of ones); e.seeded(...) takes another.")
        graph = prune(self.graph, outputs)
        whole = Graph(tuple(self.inputs.values()), graph.equations, tuple(outputs), self.graph.lines)
        terms, _ = pulled_back(whole, self.env, seeds)
        for v, seed in zip(outputs, seeds, strict=True):
            node = out.nodes[self.id[v]]
            node.seed = seed if node.seed is None else node.seed + seed
            node.adjoint = node.seed
        if any(v.type.dtype.kind == "c" for v in self.inputs.values()):
            out.notes.append("Adjoints of complex numbers are multiplied by the conjugates of the local derivatives.")
        partials = Partials(self.env)
        for term in terms:
            node = out.nodes[self.id[term.operand]]
            source = next(r for r in term.equation.results if r in self.id)
            word, is_factor = self.words(term.equation, term.operand)
            write = functools.partial(self.latex_words, term.equation, term.operand)
            node.contributions.append(Contribution(
                self.id[source], word, is_factor, partials.of(term.equation, term.operand), term.amount, write))
            node.adjoint = term.amount if node.adjoint is None else _sum(node.adjoint, term.amount)
        known = [n.id for n in out.nodes if n.adjoint is not None]
        out.backward = [k for k in reversed(known) if k not in out.inputs] + [k for k in reversed(known) if k in out.inputs]

    def words(self, e: Equation, operand: Var) -> tuple[str, bool]:
        """The local derivative as a factor in letters; or how the derivative travels back, and False."""
        def write(names: Names) -> tuple[str, bool]:
            said = local_derivative(e, operand, names)
            return (said.at(PRODUCT), True) if isinstance(said, Term) else (said, False)
        return self.written(e, write, operand)

    def written(self, e: Equation, write: Callable[[Names], tuple[str, bool]], operand: Var | None = None) -> tuple[str, bool]:
        """What is written of an equation; once for all equations of a kind, into which the names are put."""
        if e.primitive.holds_graphs or operand not in (None, *e.operands):
            return write(self.name.__getitem__)
        place: dict[Atom, int] = {}
        for a in (*e.operands, *e.results):
            if isinstance(a, Var):
                place.setdefault(a, len(place))
        key = (e.primitive, params_key(e.params), tuple([place.get(o, o) for o in e.operands]),
               tuple([a.type for a in place]), None if operand is None else place[operand])
        if key not in self.templates:
            text, flag = write({a: f"\0{k}\0" for a, k in place.items()}.__getitem__)  # type: ignore[arg-type]
            self.templates[key] = text.split("\0"), flag
        pieces, flag = self.templates[key]
        names = [self.name.get(a, "_") for a in place]  # type: ignore[arg-type]
        return "".join([names[int(piece)] if k % 2 else piece for k, piece in enumerate(pieces)]), flag

    def latex_words(self, e: Equation, operand: Var) -> str:
        said = local_derivative(e, operand, self.name.__getitem__, "latex")
        return said.at(PRODUCT, "latex") if isinstance(said, Term) else said


def _known(a: Any, env: Values) -> Any:
    return a.value[()] if isinstance(a, Const) else env[a]


def _sum(a: Any, b: Any) -> Any:
    return stack_add.evaluate(a, b) if isinstance(a, Stack) else a + b


@functools.lru_cache(maxsize=10_000)
def _short(line: str) -> str:
    return os.path.basename(line)


def _passes(inputs: dict[str, Var]) -> tuple[list[list[Any]], list[str]]:
    """One forward pass for each element of the inputs, if they are few; else one along ones."""
    if sum(v.type.size for v in inputs.values()) > _PASSES:
        return [[np.ones(v.type.shape, v.type.dtype)[()] for v in inputs.values()]], ["all inputs together"]
    directions, labels = [], []
    for k, (name, v) in enumerate(inputs.items()):
        for place in np.ndindex(*v.type.shape):
            direction = [np.zeros(w.type.shape, w.type.dtype) for w in inputs.values()]
            direction[k][place] = 1
            directions.append([x[()] for x in direction])
            labels.append(name + (f"[{', '.join(map(str, place))}]" if place else ""))
    return directions, labels
