"""Taylor coefficients: from a graph to the graph of the coefficients of ``t -> f(x + t v)``.

What comes in: a graph, its active inputs, an order. What goes out: a graph from directions and values of the primal graph to
the coefficients of the outputs. The one idea: the differential that a primitive states is the recurrence of its coefficients.
From ``y' = Σ f_a(y, a, b) a'`` follows ``k y_k =`` the coefficient k - 1 of the right side, which needs ``y`` up to k - 1 only;
the right side is itself an expression in primitives, so its coefficients are found the same way, each once and when it is
asked for: for ``sin``, ``k s_k = Σ j x_j c_(k-j)``, where the cosine's differential leads back to the sine. What is linear acts
on each coefficient, products are convolutions; quotients and solves, whose differentials name new quotients, have their
textbook recurrences (A. Griewank and A. Walther, Evaluating Derivatives, 2nd ed., 2008, chapter 13). For functions whose
differentials close in this way, order d takes O(d²) operations.

Functions of t are variables of one build, the `symbols`, which is never run; their coefficients are values of another. With a
function goes a mask, which of its elements move at all, so that what a choice left out is exactly zero even where it meets an
infinite factor; a loop hands on no masks, and there such a zero may become NaN.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.graph import REGISTRY, ArrayType, Atom, Build, Const, Equation, Graph, Handle, Var, params_key
from wengert.primitives.contract import matmul
from wengert.primitives.control_rules import zeros_of
from wengert.primitives.elementwise import logical_or
from wengert.primitives.revolve import plain_tangent_loop
from wengert.primitives.solve import read_triangle, under
from wengert.primitives.structure import broadcast, convert, full, pad, select
from wengert.transforms.composed import even_power
from wengert.transforms.linearize import differential, jointly

__all__ = ["Taylor", "taylor"]

_CONTROL = ("cond", "scan", "tangent_loop", "while_loop")


@dataclass(frozen=True)
class Taylor:
    """The coefficients of order 1 and above of the outputs of a primal graph.

    `graph.inputs` are the directions of the active inputs and then the `residuals`, variables of the primal graph.
    `graph.outputs` are the coefficients marked in `nonzero`, output by output and order by order; the others are zero.
    """

    graph: Graph
    residuals: tuple[Var, ...]
    nonzero: tuple[tuple[bool, ...], ...]


def taylor(graph: Graph, active: Sequence[bool], order: int) -> Taylor:
    """The Taylor coefficients of the outputs along a straight line in the active inputs.

    Parameters
    ----------
    graph : Graph
    active : sequence of bool
        Which inputs move.
    order : int
        At least 1.

    Returns
    -------
    Taylor
    """
    build = Build({(e.primitive, e.operands, params_key(e.params)): e.results for e in graph.equations if e.pure})
    series = _Series(build, order)
    inputs = [series.function([Handle(build, v), *([build.input(v.type)] if a else [])])
              for v, a in zip(graph.inputs, active, strict=True)]
    outputs = series.walk(graph, inputs, known=True)
    rows = [[series.coefficient(a, k) for k in range(1, order + 1)] for a in outputs]
    pruned = build.graph([c for row in rows for c in row if c is not None])
    own = set(pruned.inputs).union(*[e.results for e in pruned.equations])
    used = [a for e in pruned.equations for a in e.operands] + list(pruned.outputs)
    residuals = tuple(dict.fromkeys(a for a in used if isinstance(a, Var) and a not in own))
    closed = Graph((*pruned.inputs, *residuals), pruned.equations, pruned.outputs, pruned.lines)
    return Taylor(closed, residuals, tuple([tuple([c is not None for c in row]) for row in rows]))


class _Series:
    """Functions of t, and those of their coefficients that somebody asked for."""

    def __init__(self, build: Build, order: int) -> None:
        self.build, self.order = build, order
        self.symbols = Build()
        self.known = 0  # how many equations of the symbols have makers and degrees
        self.makers: dict[Var, Equation] = {}
        self.degrees: dict[Var, float] = {}  # no coefficient beyond
        self.found: dict[tuple[Var, int], Handle | None] = {}
        self.derivatives: dict[Var, Handle] = {}
        self.primitives: dict[Var, Var] = {}  # the function of which this is the derivative
        self.slopes: dict[Equation, Sequence[Handle | None]] = {}
        self.masks: dict[Var, Handle | None] = {}

    def function(self, coefficients: Sequence[Handle | None]) -> Var:
        """A new function of t with these coefficients."""
        v: Any = self.symbols.input(coefficients[0].type).atom  # type: ignore[union-attr]
        self.degrees[v] = len(coefficients) - 1
        self.found.update({(v, k): c for k, c in enumerate(coefficients)})
        return v  # type: ignore[no-any-return]

    def derivative(self, a: Atom) -> Handle | None:
        """The derivative of a function, itself a function; None for a constant."""
        if isinstance(a, Const) or self.degree(a) < 1:
            return None
        if a not in self.derivatives:
            new = self.derivatives[a] = self.symbols.input(a.type)
            self.primitives[new.atom] = a  # type: ignore[index]
            self.degrees[new.atom] = self.degree(a) - 1  # type: ignore[index]
        return self.derivatives[a]

    def walk(self, graph: Graph, inputs: Sequence[Atom], known: bool = False) -> list[Atom]:
        """The outputs of a graph as functions; `known`: the values of its variables are there already."""
        env: dict[Any, Atom] = dict(zip(graph.inputs, inputs, strict=True))
        before = self.build.at
        for e in graph.equations:
            self.build.at = self.symbols.at = before | graph.lines.get(e, frozenset())
            for o in e.operands:
                if isinstance(o, Var) and o not in env:  # a free variable, which stands still
                    env[o] = self.function([Handle(self.build, o)])
            operands = tuple([env[o] if isinstance(o, Var) else o for o in e.operands])
            results: Sequence[Atom]
            if e.primitive.name == "call" and e.pure:
                results = self.walk(e.params["graph"], operands)
            else:
                results = self.symbols.emit(e.primitive, operands, e.params)
            self.register()
            env.update(zip(e.results, results, strict=True))
            for r, s in zip(e.results, results, strict=True):
                if known and isinstance(s, Var):
                    self.found.setdefault((s, 0), Handle(self.build, r))
            self.settle(results)
        self.build.at = self.symbols.at = before
        return [env[o] if isinstance(o, Var) else o for o in graph.outputs]

    def settle(self, functions: Sequence[Atom]) -> None:
        """Find all coefficients, lowest first, so that those of later functions find them; a loop has all at once."""
        for a in functions:
            loop = isinstance(a, Var) and a in self.makers and self.makers[a].primitive.name in _CONTROL
            for k in range(self.order if loop else 0, self.order + 1):
                self.coefficient(a, k)
            self.mask(a)

    def register(self) -> None:
        """Take note of what has been emitted."""
        for e in self.symbols.equations[self.known:]:
            degree = self.degree_of(e)
            for r in e.results:
                self.makers[r] = e
                self.degrees[r] = degree if r.type.inexact else 0
        self.known = len(self.symbols.equations)

    def degree(self, a: Atom) -> float:
        return 0 if isinstance(a, Const) else self.degrees[a]

    def degree_of(self, e: Equation) -> float:
        degrees = [self.degree(o) for o in e.operands]
        if not e.primitive.differentiable or not any(degrees):
            return 0
        if e.primitive.linear == "jointly":
            return max(degrees)
        return sum(degrees) if self.multilinear(e) else math.inf

    def multilinear(self, e: Equation) -> bool:
        """Whether what moves enters linearly, each operand apart."""
        return all(i in e.primitive.linear for i, o in enumerate(e.operands) if self.degree(o))  # type: ignore[operator]

    # ------------------------------------------------------------ coefficients

    def coefficient(self, a: Atom, k: int) -> Handle | None:
        """The coefficient of t^k; None for a zero of k > 0."""
        if isinstance(a, Const):
            return Handle(self.build, a) if k == 0 else None
        if (a, k) not in self.found:
            if k > self.degree(a):
                return None
            if a in self.primitives:
                above = self.coefficient(self.primitives[a], k + 1)
                value = above if above is None or k == 0 else above * float(k + 1)
                self.found[a, k] = zeros_of(a.type, self.value(self.primitives[a])) if value is None and k == 0 else value
            else:
                e = self.makers[a]
                results = self.values(e) if k == 0 else self.rule(e, k)
                self.found.update({(r, k): c for r, c in zip(e.results, results, strict=True) if (r, k) not in self.found})
        return self.found[a, k]

    def value(self, a: Atom) -> Handle:
        found = self.coefficient(a, 0)
        assert found is not None
        return found

    def values(self, e: Equation) -> list[Handle]:
        operands = tuple([self.value(o).atom for o in e.operands])
        return [Handle(self.build, r) for r in self.build.emit(e.primitive, operands, e.params)]

    def rule(self, e: Equation, k: int) -> Sequence[Handle | None]:
        """The coefficients k of the results of an equation."""
        p = e.primitive
        if p.name in _CONTROL:
            return self.control(e, k)
        if p.name == "call":
            return [self.coefficient(h.atom, k) for h in self.inlined(e)]
        smooth = self.smooth(e)
        if smooth is None and p.linear == "jointly" and all(
                p.is_linear_in(i, e.params) for i, o in enumerate(e.operands) if self.degree(o)):
            return self.each(e, k)
        if smooth is None and p.linear != "jointly" and self.multilinear(e):
            out = self.convolution(e, k)
        elif p.name in _RECURRENCES:
            out = [_RECURRENCES[p.name](self, e, k)]
        else:
            out = [None if s is None else self.coefficient(s.atom, k - 1) for s in self.slope(e)]
            out = [c if c is None or k == 1 else c / float(k) for c in out]
        return [self.masked(r, c) for r, c in zip(e.results, out, strict=True)]

    def slope(self, e: Equation) -> Sequence[Handle | None]:
        """The derivatives of the results, as the differential states them."""
        if e not in self.slopes:
            smooth = self.smooth(e)
            found = [smooth] if smooth is not None else differential(
                self.symbols, e, [self.derivative(o) for o in e.operands], (True,) * len(e.results))
            self.slopes[e] = [s if s is None or isinstance(s, Handle) else Handle(self.symbols, self.symbols.atom(s))
                              for s in found]
            self.register()
        return self.slopes[e]

    def smooth(self, e: Equation) -> Handle | None:
        """The derivative of an even power of a modulus, which is smoother than the modulus."""
        found = even_power(self.symbols, e, self.makers, self.derivative)
        self.register()
        return found  # type: ignore[no-any-return]

    def inlined(self, e: Equation) -> Sequence[Handle]:
        found = self.symbols.inline(e.params["graph"], [Handle(self.symbols, o) for o in e.operands])
        self.register()
        return found

    def each(self, e: Equation, k: int) -> Sequence[Handle | None]:
        """A linear primitive, applied to the coefficients k."""
        tangents = [self.coefficient(o, k) if o.type.inexact else None for o in e.operands]
        if all(t is None for t in tangents):
            return [None] * len(e.results)
        out = jointly(e.primitive, [self.value(o) for o in e.operands], tangents, [self.value(r) for r in e.results], e.params)
        return out if e.primitive.multiple else [out]  # type: ignore[no-any-return]

    def convolution(self, e: Equation, k: int) -> Sequence[Handle | None]:
        """``y_k = Σ p(a_i, b_j)`` over i + j = k."""
        moving = [i for i, o in enumerate(e.operands) if self.degree(o)]
        columns: list[Sequence[Any]] = []
        for orders in _compositions(k, len(moving)):
            given: list[Handle | None] = [self.value(o) for o in e.operands]
            for i, j in zip(moving, orders, strict=True):
                given[i] = self.coefficient(e.operands[i], j)
            if all(g is not None for g in given):
                out = e.primitive(*given, **e.params)
                columns.append(out if e.primitive.multiple else [out])
        return [_sum(column) for column in zip(*columns, strict=True)] if columns else [None] * len(e.results)

    # ------------------------------------------------------------ what a choice left out

    def masked(self, r: Var, c: Handle | None) -> Handle | None:
        """A coefficient that is exactly zero where a choice left out what moves, even where it met an infinite factor."""
        mask = None if c is None else self.mask(r)
        return c if c is None or mask is None else select(mask, c, Const(np.zeros((), c.dtype)))

    def mask(self, a: Atom) -> Handle | None:
        """Which elements of a function move at all; None: any may."""
        if isinstance(a, Const) or not self.degree(a):
            return None
        if a not in self.masks:
            e = self.makers.get(a)
            if a in self.primitives:
                self.masks[a] = self.mask(self.primitives[a])
            elif e is None or self.smooth(e) is not None:  # an even power moves where the modulus has its kink
                self.masks[a] = None
            elif e.primitive.elementwise and e.primitive.jvp and not e.primitive.multiple:
                self.masks[a] = self.mask_of_slope(e)
            else:
                self.masks[a] = self.mask_of(e, self.degree, self.mask)
        return self.masks[a]

    def mask_of(self, e: Equation, moves: Callable[[Atom], Any], mask: Callable[[Atom], Handle | None]) -> Handle | None:
        """The mask of a result: a map that moves or chooses elements does the same to their masks."""
        p, out = e.primitive, e.results[0].type
        moving = [o for o in e.operands if moves(o)]
        masks = [mask(o) for o in moving]
        if p.multiple or not isinstance(out, ArrayType):
            return None
        if p.structural and p.linear == "jointly" and p is not convert and (p is select or not p.elementwise):
            chooses = p is select or p is pad or len(moving) < sum([o.type.inexact for o in e.operands])
            if not chooses and all(m is None for m in masks):
                return None

            def present(o: Atom) -> Handle:
                found = mask(o) if moves(o) else None
                return full(np.asarray(bool(moves(o))), o.type.shape, self.value(o)) if found is None else found
            return p(*[present(o) if o.type.inexact else self.value(o) for o in e.operands], **e.params)  # type: ignore[no-any-return]
        known = [m for m in masks if m is not None]
        if not known or len(known) < len(masks) or not (p.elementwise or p is convert):
            return None
        found = functools.reduce(logical_or, known)
        return found if found.shape == out.shape else broadcast(found, shape=out.shape)

    def mask_of_slope(self, e: Equation) -> Handle | None:
        """Of a maximum and its like, whose differential chooses: what it leaves out of those of the operands."""
        (slope,) = self.slope(e)
        seeds: dict[Atom, Atom] = {d.atom: o for o in e.operands if (d := self.derivative(o)) is not None}

        @functools.cache
        def moves(a: Atom) -> bool:
            return a in seeds or (a in self.makers and any(moves(o) for o in self.makers[a].operands))  # type: ignore[index]

        @functools.cache
        def mask(a: Atom) -> Handle | None:
            return self.mask(seeds[a]) if a in seeds else self.mask_of(self.makers[a], moves, mask)  # type: ignore[index]
        return mask(slope.atom) if slope is not None and moves(slope.atom) else None

    # ------------------------------------------------------------ branches and loops

    def control(self, e: Equation, k: int) -> Sequence[Handle | None]:
        if not e.pure:
            raise UnsupportedError(
                f"taylor: a {'branch' if e.primitive.name == 'cond' else 'loop'} that draws random numbers, prints or raises "
                f"would do so twice (at {', '.join(sorted(self.build.at)) or 'an unknown line'}). Draw before it, or call "
                f"wg.taylor outside wg.jit")
        rows = _branches(self, e, k) if e.primitive.name == "cond" else _loop(self, e, k)
        for r, row in zip(e.results, rows, strict=True):
            self.found.update({(r, j): c for j, c in enumerate(row) if (r, j) not in self.found})
        return [self.found[r, k] for r in e.results]

    def given(self, atoms: Sequence[Atom], moving: Sequence[bool], k: int) -> list[Handle]:
        """The coefficients up to k of what moves, and the values of the rest, as operands of a branch or a loop."""
        out = []
        for a, m in zip(atoms, moving, strict=True):
            out.append(self.value(a))
            found = [self.coefficient(a, j) for j in range(1, k + 1)] if m else []
            out.extend([zeros_of(a.type, out[-1]) if c is None else c for c in found])
        return out


def _compositions(k: int, parts: int) -> list[tuple[int, ...]]:
    """The ways to write k as a sum of so many orders."""
    if parts == 1:
        return [(k,)]
    return [(j, *rest) for j in range(k + 1) for rest in _compositions(k - j, parts - 1)]


def _sum(terms: Sequence[Any]) -> Any:
    present = [t for t in terms if t is not None]
    total = present[0] if present else None
    for t in present[1:]:
        total = total + t
    return total


# ---------------------------------------------------------------- quotients and solves


def _residue(s: _Series, x: Var, a: Atom, b: Atom, k: int, product: Callable[[Any, Any], Any]) -> Handle | None:
    """``b_k - Σ a_j x_(k-j)`` over j = 1 .. k: what is left for ``x_k`` of ``a x = b``."""
    terms = [product(s.coefficient(a, j), s.coefficient(x, k - j)) for j in range(1, k + 1)
             if s.coefficient(a, j) is not None and s.coefficient(x, k - j) is not None]
    moved, right = _sum(terms), s.coefficient(b, k)
    return right if moved is None else -moved if right is None else right - moved


def _quotient(s: _Series, e: Equation, k: int) -> Handle | None:
    (y,), (a, b) = e.results, e.operands
    rest = _residue(s, y, b, a, k, lambda p, q: p * q)
    found = None if rest is None else rest / s.value(b)
    return found if found is None or found.shape == y.type.shape else broadcast(found, shape=y.type.shape)


def _solve(s: _Series, e: Equation, k: int) -> Handle | None:
    (x,), (a, lu, pivots, b), trans = e.results, e.operands, e.params["trans"]
    rest = _residue(s, x, a, b, k, lambda p, q: matmul(under(p, trans), q))
    return None if rest is None else e.primitive(s.value(a), s.value(lu), s.value(pivots), rest, **e.params)


def _solve_triangular(s: _Series, e: Equation, k: int) -> Handle | None:
    (x,), (a, b), params = e.results, e.operands, e.params
    rest = _residue(s, x, a, b, k, lambda p, q: matmul(
        under(read_triangle(p, params["lower"], params["unit"]), params["trans"]), q))
    return None if rest is None else e.primitive(s.value(a), rest, **params)


_RECURRENCES: dict[str, Callable[[_Series, Equation, int], Handle | None]] = {
    "divide": _quotient, "solve_factored": _solve, "solve_triangular": _solve_triangular}


# ---------------------------------------------------------------- branches and loops

Row = list[Any]  # the coefficients of one value


def _inside(graph: Graph, moving: Sequence[bool], k: int) -> tuple[Build, list[Row]]:
    """A graph on coefficients up to k: its inputs are values, each followed by its coefficients if it moves."""
    build = Build()
    series = _Series(build, k)
    inputs = [series.function([build.input(v.type) for _ in range(1 + k * m)])
              for v, m in zip(graph.inputs, moving, strict=True)]
    return build, [[series.coefficient(a, j) for j in range(k + 1)] for a in series.walk(graph, inputs)]


def _moves(row: Row) -> bool:
    return any(c is not None for c in row[1:])


def _filled(row: Row, moves: bool, like: Handle) -> Row:
    """The value, and all coefficients if any instance of it moves."""
    return [row[0], *[zeros_of(row[0].type, like) if c is None else c for c in row[1:]]] if moves else row[:1]


def _rows(results: Sequence[Any], moves: Sequence[bool], k: int) -> list[Row]:
    """Results by value: the coefficients of each."""
    rest = iter(results)
    return [[next(rest), *[next(rest) if m else None for _ in range(k)]] for m in moves]


def _branches(s: _Series, e: Equation, k: int) -> list[Row]:
    moving = [s.degree(o) > 0 for o in e.operands[1:]]
    arms = [_inside(g, moving, k) for g in e.params["branches"]]
    moves = [any(_moves(row) for row in rows) for rows in zip(*[rows for _, rows in arms], strict=True)]
    graphs = []
    for build, rows in arms:
        like = Handle(build, build.inputs[0]) if build.inputs else None
        graphs.append(build.graph([c for row, m in zip(rows, moves, strict=True) for c in _filled(row, m, like)]))  # type: ignore[arg-type]
    out = REGISTRY["cond"](s.value(e.operands[0]), *s.given(e.operands[1:], moving, k), branches=tuple(graphs))
    return _rows(out, moves, k)


def _loop(s: _Series, e: Equation, k: int) -> list[Row]:
    """One loop over values and coefficients together; nothing is saved."""
    if e.primitive.name == "tangent_loop":
        e = plain_tangent_loop(e)
    is_scan, params, body = e.primitive.name == "scan", e.params, e.params["body"]
    operands = e.operands[1:] if is_scan else e.operands
    constants = params["constants"]
    carries = params["carries"] if is_scan else len(operands) - constants
    end = constants + carries
    moving = [s.degree(o) > 0 for o in operands]
    while True:  # a carry moves if its start does, or if the body makes it move
        build, rows = _inside(body, moving, k)
        moves = [_moves(row) for row in rows]
        new = [m or (constants <= i < end and moves[i - constants]) for i, m in enumerate(moving)]
        if new == moving:
            break
        moving = new
    moves[:carries] = moving[constants:end]
    like = Handle(build, build.inputs[0]) if build.inputs else None
    both = build.graph([c for row, m in zip(rows, moves, strict=True) for c in _filled(row, m, like)])  # type: ignore[arg-type]
    arguments = s.given(operands, moving, k)
    count = {"constants": constants + k * sum(moving[:constants])}
    if is_scan:
        out = REGISTRY["scan"](s.value(e.operands[0]), *arguments, body=both, carries=carries + k * sum(moves[:carries]),
                               reverse=params["reverse"], size=params["size"], **count)
        return _rows(out, moves, k)
    test = Build()
    heads = [[test.input(v.type) for _ in range(1 + k * m)] for v, m in zip(body.inputs, moving, strict=True)]
    wider = test.graph(test.inline(params["test"], [h[0] for h in heads]))
    return _rows(REGISTRY["while_loop"](*arguments, test=wider, body=both, **count), [False, *moves], k)
