"""Transpose: from a linear graph to its adjoint.

What comes in: a `Linear`. What goes out: a graph from cotangents of its outputs, and its residuals, to
cotangents of its tangents. The one idea: walk the linear equations backward and add up; what is not linear (a
partial) is copied on demand, beside the backward code that uses it.

Strong zeros. A cotangent travels with `Alive`: which of its elements were selected at all. The arm that a
selection did not take contributes exactly nothing, even where it meets an infinite factor. Masks are
computed only where a factor could turn a dead zero into NaN; programs without selection have none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import GraphError
from wengert.graph import Atom, Build, Const, Equation, Graph, Handle, StackType, Var
from wengert.primitives.contract import contract, split_spec
from wengert.primitives.control import stack_add
from wengert.primitives.elementwise import logical_and, logical_not, logical_or
from wengert.primitives.index import index, index_add, index_set
from wengert.primitives.structure import broadcast, convert, full, reduce_sum, reshape, select, sum_to
from wengert.primitives.structure import transpose as move
from wengert.transforms.linearize import Linear

__all__ = ["Transposed", "transpose"]


class Transposed:
    """The adjoint: `graph` maps cotangents and residuals to the cotangents marked in `nonzero`."""

    def __init__(self, graph: Graph, nonzero: tuple[bool, ...]):
        self.graph, self.nonzero = graph, nonzero


class Alive:
    """Which elements of a cotangent were selected: a list of contributions, joined when first needed.

    Each contribution is the mask that it is made from, if any, and a function from the mask so far (or None) to the
    joined one.
    """

    __slots__ = ("mask", "parts", "shape")

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape
        self.parts: list[tuple[Alive | None, Callable[[Any], Any]]] = []
        self.mask: Any = None

    def resolve(self) -> Any:
        """The mask as a handle. What it is made from is resolved first, by a stack: the masks of an unrolled loop
        of writes are a chain as long as the loop."""
        stack = [self]
        while stack:
            alive = stack[-1]
            missing = [source for source, _ in alive.parts if source is not None and source.parts]
            if missing:
                stack.extend(missing)
                continue
            for _, part in alive.parts:
                alive.mask = part(alive.mask)
            alive.parts.clear()
            stack.pop()
        return self.mask


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


class _Reached(Operands):
    """Operands of a contraction under a mask: a residual element that meets only dead cotangents is 0."""

    __slots__ = ("mask",)

    def __init__(self, equation: Equation, pull: Callable[[Atom], Handle], mask: Alive):
        super().__init__(equation, pull)
        self.mask = mask

    def __getitem__(self, i: int) -> Handle:
        x = self.pull(self.equation.operands[i])
        if isinstance(x.atom, Const) and np.all(np.isfinite(x.atom.value)):
            return x
        labels = split_spec(self.equation.params["spec"])
        reached = _onto(self.mask.resolve(), labels[2], labels[i], x.shape)
        return select(reached, x, Const(np.zeros((), x.dtype)))  # type: ignore[no-any-return]


def _onto(mask: Any, labels: Sequence[str], wanted: Sequence[str], shape: tuple[int, ...]) -> Any:
    """A mask over the result of a contraction, as one over an operand: any over what that does not have."""
    gone = tuple(a for a, label in enumerate(labels) if label not in wanted)
    kept = [label for label in labels if label in wanted]
    if gone:
        mask = reduce_sum(mask, axes=gone)
    order = tuple(kept.index(label) for label in wanted if label in kept)
    if order != tuple(range(len(order))):
        mask = move(mask, axes=order)
    mask = reshape(mask, shape=tuple(n if label in kept else 1 for label, n in zip(wanted, shape, strict=True)))
    return broadcast(mask, shape=shape)


def transpose(linear: Linear) -> Transposed:
    """The adjoint of a linear graph under the real inner product Re<a, b>."""
    walk = _Transposer(linear.graph, linear.graph.inputs[:linear.count], linear.residuals)
    for out in linear.graph.outputs:
        ct = walk.build.input(out.type)
        if isinstance(out, Var) and out in walk.is_linear:
            walk.add(out, ct, None)
    walk.build.inputs.extend(linear.residuals)
    return Transposed(*walk.run(linear.graph.inputs[:linear.count]))


class _Transposer:
    """The state of one backward walk: cotangents, their masks, and the residual values pulled so far."""

    def __init__(self, graph: Graph, linear: Sequence[Var], residuals: Sequence[Var]):
        self.graph = graph
        self.build = Build()
        self.cotangents: dict[Var, Handle] = {}
        self.alive: dict[Var, Alive | None] = {}
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
            walk.add(graph.inputs[k], walk.build.input(graph.inputs[k].type), None)
        for out, given in zip(graph.outputs, have, strict=True):
            ct = walk.build.input(out.type) if given else None
            if ct is not None and isinstance(out, Var) and out in walk.is_linear:
                walk.add(out, ct, None)
        adjoint, nonzero = walk.run(tangents)
        marks = iter(nonzero)
        return adjoint, [next(marks) if flag else False for flag in linear]

    def take(self, atom: Atom) -> Handle | None:
        """The cotangent that is there for a variable; it is passed on to be added to."""
        self.alive.pop(atom, None)  # type: ignore[arg-type]
        return self.cotangents.pop(atom, None)  # type: ignore[arg-type]

    # ------------------------------------------------------------ residual values

    def pull(self, atom: Atom) -> Handle:
        """A residual value in the backward graph; the equations that make it are copied here first."""
        if isinstance(atom, Const):
            return Handle(self.build, atom)
        stack = [atom]
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
            self.pulled.update(zip(e.results, self.build.emit(e.primitive, operands, e.params), strict=True))
        return Handle(self.build, self.pulled[atom])

    # ------------------------------------------------------------ cotangents

    def add(self, var: Var, ct: Any, alive: Alive | None) -> None:
        before = self.cotangents.get(var)
        if before is not None:
            ct = stack_add(before, ct) if isinstance(var.type, StackType) else before + ct
        self.cotangents[var] = ct
        self.join(var, alive, first=before is None)

    def join(self, var: Var, alive: Alive | None, first: bool) -> None:
        """Alive where either contribution is; None means everywhere."""
        if first:
            self.alive[var] = alive
            return
        there = self.alive[var]
        if there is None or alive is None:
            self.alive[var] = None
            return
        there.parts.append((alive, lambda acc: _or(acc, alive.resolve())))

    def equation(self, e: Equation) -> None:
        p = e.primitive
        if p.adjoint is not None:
            p.adjoint(self, e)
            return
        self.require_linear(e)
        operands = Operands(e, self.pull)
        if p.multiple:
            ct: Any = tuple([self.cotangents.get(r) for r in e.results])
            mask = None
        else:
            ct, mask = self.cotangents[e.results[0]], self.alive[e.results[0]]
        if p is contract and mask is not None:
            operands = _Reached(e, self.pull, mask)
        assert p.transpose is not None  # what is linear has one
        places = list(enumerate(e.operands))
        for i, o in reversed(places) if p is index_set else places:  # ct[i] is read before it is cleared, in place
            if not isinstance(o, Var) or o not in self.is_linear:
                continue
            before = self.cotangents.get(o)
            if p.into:
                self.cotangents[o] = p.transpose(ct, i, operands, into=before, **e.params)
                self.join(o, self.alive_index(e, mask), first=before is None)
                continue
            out = p.transpose(ct, i, operands, **e.params)
            if out is None:
                continue
            alive = self.alive_of(e, i, mask)
            if alive is not None and self.can_spoil(e):
                out = select(alive.resolve(), out, Const(np.zeros((), out.dtype)))
            self.add(o, out, alive)

    def require_linear(self, e: Equation) -> None:
        """A rule that the user wrote may not be linear; say so instead of giving a wrong transpose."""
        p = e.primitive
        places = [i for i, o in enumerate(e.operands) if o in self.is_linear]
        if not all(p.linear and p.is_linear_in(i, e.params) for i in places) or (p.linear != "jointly" and len(places) > 1
                                                                       and isinstance(p.linear, tuple)):
            where = ", ".join(sorted(self.build.at))
            raise GraphError(f"{p.name} is not linear in the tangents{f' ({where})' if where else ''}: a derivative rule has "
                             f"to be linear in them")

    # ------------------------------------------------------------ masks

    def can_spoil(self, e: Equation) -> bool:
        """Whether a factor of this equation may be infinite or NaN."""
        if e.primitive.structural or e.primitive is contract:
            return False
        return any(not np.all(np.isfinite(o.value)) if isinstance(o, Const) else o not in self.is_linear
                   for o in e.operands if o.type.inexact)

    def alive_of(self, e: Equation, i: int, mask: Alive | None) -> Alive | None:
        """Which elements of operand i's cotangent are alive, given those of the result's."""
        p = e.primitive
        if p is stack_add:
            return None
        shape = e.operands[i].type.shape
        if p is select:
            return self.alive_select(e, i, mask)
        if p is index_set:
            return self.alive_set(e, i, mask)
        if mask is None or p is convert:  # a conversion moves nothing
            return mask
        operands = Operands(e, self.pull)
        if p.elementwise:
            return _lazily(shape, mask, lambda: sum_to(mask.resolve(), shape))
        if p is contract:
            labels = split_spec(e.params["spec"])
            return _lazily(shape, mask, lambda: _onto(mask.resolve(), labels[2], labels[i], shape))
        if p.structural:
            return _lazily(shape, mask, lambda: p.transpose(mask.resolve(), i, operands, **e.params))  # type: ignore[misc]
        return _lazily(shape, mask, lambda: _everywhere(mask.resolve(), shape))

    def alive_select(self, e: Equation, i: int, mask: Alive | None) -> Alive:
        shape, out_shape = e.operands[i].type.shape, e.results[0].type.shape

        def compute() -> Any:
            p = self.pull(e.operands[0])
            chosen = p if i == 1 else logical_not(p)
            if mask is not None:
                chosen = logical_and(chosen, mask.resolve())
            if chosen.shape != out_shape:
                chosen = broadcast(chosen, shape=out_shape)
            return sum_to(chosen, shape)
        return _lazily(shape, mask, compute)

    def alive_set(self, e: Equation, i: int, mask: Alive | None) -> Alive | None:
        arrays = e.operands[2:]
        shape = e.operands[i].type.shape
        spec = e.params["spec"]
        if i == 0:
            def compute() -> Any:
                over = full(np.asarray(True), shape, self.seed(e)) if mask is None else mask.resolve()
                return index_set(over, Const(np.asarray(False)), *[self.pull(a) for a in arrays], spec=spec)
            return _lazily(shape, mask, compute)
        if mask is None:
            return None
        return _lazily(shape, mask, lambda: sum_to(
            index(mask.resolve(), *[self.pull(a) for a in arrays], spec=spec), shape))

    def alive_index(self, e: Equation, mask: Alive | None) -> Alive:
        """Only what was read is alive. Joined into what is there, so that a loop of reads stays linear."""
        shape = e.operands[0].type.shape
        out = Alive(shape)

        def part(acc: Any) -> Any:
            into = full(np.asarray(False), shape, self.seed(e)) if acc is None else acc
            read = Const(np.asarray(True)) if mask is None else mask.resolve()
            return index_add(into, read, *[self.pull(a) for a in e.operands[1:]], spec=e.params["spec"])
        out.parts.append((mask, part))
        return out

    def seed(self, e: Equation) -> Handle:
        """Any handle of the backward graph (constants are made in its build)."""
        return next(self.cotangents[r] for r in e.results if r in self.cotangents)


def _lazily(shape: tuple[int, ...], source: Alive | None, compute: Callable[[], Any]) -> Alive:
    out = Alive(shape)
    out.parts.append((source, lambda acc: _or(acc, compute())))
    return out


def _or(acc: Any, mask: Any) -> Any:
    return mask if acc is None else logical_or(acc, mask)


def _everywhere(mask: Any, shape: tuple[int, ...]) -> Any:
    """Alive everywhere if anything is: for linear maps that mix elements."""
    one = reshape(reduce_sum(mask, axes=tuple(range(mask.ndim))), shape=(1,) * len(shape))
    return broadcast(one, shape=shape)


