"""Transpose: from a linear graph to its adjoint.

What comes in: a `Linear`. What goes out: a graph from cotangents of its outputs, and its residuals, to
cotangents of its tangents. The one idea: walk the linear equations backward and add up; what is not linear (a
partial) is copied on demand, beside the backward code that uses it. What comes of it is linear in the cotangents, and
`strong_zeros` keeps at zero what a choice left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wengert.errors import GraphError
from wengert.graph import Atom, Build, Const, Equation, Graph, Handle, StackType, Var
from wengert.primitives.control import stack_add
from wengert.primitives.index import index_set
from wengert.transforms.linearize import Linear
from wengert.transforms.strong_zeros import masked

__all__ = ["Transposed", "transpose"]


class Transposed:
    """The adjoint: `graph` maps cotangents and residuals to the cotangents marked in `nonzero`."""

    def __init__(self, graph: Graph, nonzero: tuple[bool, ...]):
        self.graph, self.nonzero = graph, nonzero


class Operands:
    """Operands of a linear equation, as its transpose rule sees them: residuals by value, all by type."""

    __slots__ = ("equation", "pull")

    def __init__(self, equation: Equation, pull: Callable[[Atom], Handle]):
        self.equation, self.pull = equation, pull

    @property
    def types(self) -> tuple[Any, ...]:
        return tuple([o.type for o in self.equation.operands])

    def __getitem__(self, i: int) -> Handle:
        return self.pull(self.equation.operands[i])

    def __len__(self) -> int:
        return len(self.equation.operands)


def transpose(linear: Linear) -> Transposed:
    """The adjoint of a linear graph under the real inner product Re<a, b>."""
    walk = _Transposer(linear.graph, linear.graph.inputs[:linear.count], linear.residuals)
    for out in linear.graph.outputs:
        ct = walk.build.input(out.type)
        if isinstance(out, Var) and out in walk.is_linear:
            walk.add(out, ct)
    cotangents = len(walk.build.inputs)
    walk.build.inputs.extend(linear.residuals)
    graph, nonzero = walk.run(linear.graph.inputs[:linear.count])
    return Transposed(masked(graph, [k < cotangents for k in range(len(graph.inputs))]), nonzero)


class _Transposer:
    """The state of one backward walk: cotangents, and the residual values pulled so far."""

    def __init__(self, graph: Graph, linear: Sequence[Var], residuals: Sequence[Var]):
        self.graph = graph
        self.build = Build()
        self.cotangents: dict[Var, Handle] = {}
        self.is_linear: set[Var] = set(linear)
        self.producer: dict[Var, Equation] = {}
        for e in graph.equations:
            if any(o in self.is_linear for o in e.operands):
                self.is_linear.update(e.results)
            else:
                self.producer.update(dict.fromkeys(e.results, e))
        self.pulled: dict[Var, Atom] = {v: v for v in residuals}

    def run(self, tangents: Sequence[Var]) -> tuple[Graph, tuple[bool, ...]]:
        """Walk backward; the graph of the cotangents of these tangents, and which of them are not zero."""
        graph, build = self.graph, self.build
        for e in reversed(graph.equations):
            if any(r in self.cotangents for r in e.results) and any(o in self.is_linear for o in e.operands):
                build.at = graph.lines.get(e, frozenset())
                self.equation(e)
        found = [self.cotangents.get(v) for v in tangents]
        return build.graph([c for c in found if c is not None]), tuple(c is not None for c in found)

    # ------------------------------------------------------------ graphs inside

    def inside(self, graph: Graph, linear: Sequence[bool], have: Sequence[bool],
               seeded: Sequence[int]) -> tuple[Graph, list[bool]]:
        """The adjoint of a linear inner graph: from residual inputs, cotangents already there for the inputs `seeded`, and
        those of the outputs in `have`, to cotangents of the linear inputs that have one (marked, for all inputs)."""
        residuals = [v for v, flag in zip(graph.inputs, linear, strict=True) if not flag]
        tangents = [v for v, flag in zip(graph.inputs, linear, strict=True) if flag]
        walk = _Transposer(graph, tangents, residuals)
        walk.build.inputs.extend(residuals)
        for k in seeded:
            walk.add(graph.inputs[k], walk.build.input(graph.inputs[k].type))
        for out, given in zip(graph.outputs, have, strict=True):
            ct = walk.build.input(out.type) if given else None
            if ct is not None and isinstance(out, Var) and out in walk.is_linear:
                walk.add(out, ct)
        adjoint, nonzero = walk.run(tangents)
        marks = iter(nonzero)
        return adjoint, [next(marks) if flag else False for flag in linear]

    def take(self, atom: Atom) -> Handle | None:
        """The cotangent that is there for a variable; it is passed on to be added to."""
        return self.cotangents.pop(atom, None)  # type: ignore[arg-type]

    # ------------------------------------------------------------ residual values

    def pull(self, atom: Atom) -> Handle:
        """A residual value in the backward graph; the equations that make it are copied here first."""
        if isinstance(atom, Const):
            return Handle(self.build, atom)
        stack, before = [atom], self.build.at
        while stack:
            v = stack[-1]
            if v in self.pulled:
                stack.pop()
                continue
            e = self.producer[v]
            missing = [o for o in e.operands if isinstance(o, Var) and o not in self.pulled]
            if missing:
                stack.extend(missing)
                continue
            operands = tuple([o if isinstance(o, Const) else self.pulled[o] for o in e.operands])
            self.build.at = self.graph.lines.get(e) or before
            self.pulled.update(zip(e.results, self.build.emit(e.primitive, operands, e.params), strict=True))
        self.build.at = before
        return Handle(self.build, self.pulled[atom])

    # ------------------------------------------------------------ cotangents

    def add(self, var: Var, ct: Any) -> None:
        before = self.cotangents.get(var)
        if before is not None:
            ct = stack_add(before, ct) if isinstance(var.type, StackType) else before + ct
        self.cotangents[var] = ct

    def equation(self, e: Equation) -> None:
        p = e.primitive
        if p.adjoint is not None:
            p.adjoint(self, e)
            return
        self.require_linear(e)
        operands = Operands(e, self.pull)
        ct: Any = tuple([self.cotangents.get(r) for r in e.results]) if p.multiple else self.cotangents[e.results[0]]
        assert p.transpose is not None  # what is linear has one
        places = list(enumerate(e.operands))
        for i, o in reversed(places) if p is index_set else places:  # ct[i] is read before it is cleared, in place
            if not isinstance(o, Var) or o not in self.is_linear:
                continue
            before = self.cotangents.get(o)
            if p.into:
                self.cotangents[o] = p.transpose(ct, i, operands, into=before, **e.params)
                continue
            out = p.transpose(ct, i, operands, **e.params)
            if out is None:
                continue
            self.add(o, out)

    def require_linear(self, e: Equation) -> None:
        """A rule that the user wrote may not be linear; say so instead of giving a wrong transpose."""
        p = e.primitive
        places = [i for i, o in enumerate(e.operands) if o in self.is_linear]
        if not all(p.linear and p.is_linear_in(i, e.params) for i in places) or (p.linear != "jointly" and len(places) > 1
                                                                       and isinstance(p.linear, tuple)):
            where = ", ".join(sorted(self.build.at))
            raise GraphError(f"{p.name} is not linear in the tangents{f' ({where})' if where else ''}: a derivative rule has "
                             f"to be linear in them")

    def seed(self, e: Equation) -> Handle:
        """Any handle of the backward graph (constants are made in its build)."""
        return next(self.cotangents[r] for r in e.results if r in self.cotangents)

