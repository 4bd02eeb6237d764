"""Strong zeros in forward mode: from a linear graph to one that is safe to apply.

What comes in: a linear graph, and which of its inputs are linear. What goes out: the same graph, with a selection after each
factor that could turn an exact zero into NaN. The one idea: `masks` travel with the tangents, through branches and from one
iteration of a loop to the next, and are computed only where they are asked for; a zero that a branch gave or a loop began with
is dead as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.graph import ArrayType, Build, Const, Equation, Graph, Handle, Var
from wengert.primitives.contract import contract, split_spec
from wengert.primitives.elementwise import logical_or
from wengert.primitives.index import index_set
from wengert.primitives.structure import broadcast, convert, full, select
from wengert.transforms.masks import Alive, can_spoil, everywhere, lazily, onto, reached

__all__ = ["masked", "masked_values"]

_BOOL = np.dtype(bool)


def masked(graph: Graph, linear: Sequence[bool]) -> Graph:
    """A graph that is linear in the marked inputs, with what a selection left out kept at zero.

    A graph without a selection of linear values comes back as it is.
    """
    return masked_values(graph, _linear_variables(graph, linear), inside=True)


def masked_values(graph: Graph, is_linear: set[Var], inside: bool) -> Graph:
    """The same, of a graph that also computes other values; `inside`: the graphs that its equations hold, too."""
    if not any(_selects(e, is_linear, inside) for e in graph.equations):
        return graph
    walk = _Walk(graph, is_linear, inside)
    return walk.graph([walk.env.get(a, a) for a in graph.outputs])


def _linear_variables(graph: Graph, linear: Sequence[bool]) -> set[Var]:
    found = {v for v, flag in zip(graph.inputs, linear, strict=True) if flag}
    for e in graph.equations:
        if any(o in found for o in e.operands):
            found.update(e.results)
    return found


def _selects(e: Equation, is_linear: set[Var], inside: bool) -> bool:
    """Whether a result may be zero because of a choice: a selection, a branch without it, a loop that begins with zeros."""
    if not any(o in is_linear for o in e.operands):
        return False
    if e.primitive is select or e.primitive is index_set:
        return True
    if not inside:
        return False
    if "carries" in e.params and not all(o in is_linear for o in _carried(e)):
        return True
    return any(_selects_inside(g, flags, e) for g, flags in _inner(e, is_linear))


def _selects_inside(g: Graph, flags: list[bool], e: Equation) -> bool:
    linear = _linear_variables(g, flags)
    missing = "branches" in e.params and not all(o in linear for o in g.outputs)
    return missing or any(_selects(inner, linear, True) for inner in g.equations)


def _carried(e: Equation) -> Sequence[Any]:
    first = 1 + e.params["constants"]
    return e.operands[first:first + e.params["carries"]]


def _inner(e: Equation, is_linear: set[Var]) -> list[tuple[Graph, list[bool]]]:
    """The graphs of a linear `scan` or `cond`, and which of their inputs are linear: carries are."""
    graphs = e.params.get("branches") or ((e.params["body"],) if "body" in e.params else ())
    first = e.params.get("constants", 0)
    carries = range(first, first + e.params.get("carries", 0))
    flags = [o in is_linear or k in carries for k, o in enumerate(e.operands[1:])]
    return [(g, flags) for g in graphs]


class _Walk:
    """One walk over a linear graph, in its order: the new graph, and which elements of each linear value are alive.

    The last inputs of the new graph are masks, of the inputs `known`.
    """

    def __init__(self, graph: Graph, is_linear: set[Var], inside: bool, known: Sequence[Var] = ()):
        self.build, self.is_linear, self.inside, self.outputs = Build(), is_linear, inside, graph.outputs
        self.env: dict[Any, Any] = {v: self.build.input(v.type).atom for v in graph.inputs}
        self.alive: dict[Any, Alive] = {}  # absent: everywhere
        for v in known:
            self.alive[v] = Alive(v.type.shape)
            self.alive[v].mask = self.build.input(ArrayType(v.type.shape, _BOOL))
        for e in graph.equations:
            self.build.at = graph.lines.get(e, frozenset())
            moving = any(o in is_linear for o in e.operands)
            if moving and inside and "branches" in e.params:
                results = self.branch(e)
            elif moving and inside and "carries" in e.params:
                results = self.loop(e)
            else:
                results = self.equation(e, moving)
            self.env.update(zip(e.results, results, strict=True))

    def graph(self, outputs: Sequence[Any], inputs: Sequence[Any] | None = None) -> Graph:
        return self.build.graph(outputs, self.build.inputs if inputs is None else inputs)

    def values(self) -> list[Any]:
        return [self.env.get(a, a) for a in self.outputs]

    def handle(self, a: Any) -> Handle:
        return Handle(self.build, self.env.get(a, a))

    def equation(self, e: Equation, moving: bool) -> tuple[Any, ...]:
        operands = [self.handle(o) for o in e.operands]
        if moving and not e.primitive.multiple:
            mask = self.of_result(e)
            if mask is not None:
                self.alive[e.results[0]] = mask
                if e.primitive is contract:
                    operands = self.reached(e, operands)
                elif can_spoil(e, self.is_linear):
                    (out,) = self.build.emit(e.primitive, tuple([h.atom for h in operands]), e.params)
                    kept = select(mask.resolve(), Handle(self.build, out), Const(np.zeros((), out.type.dtype)))
                    return (kept.atom,)
        return self.build.emit(e.primitive, tuple([h.atom for h in operands]), e.params)

    def reached(self, e: Equation, operands: list[Handle]) -> list[Handle]:
        """Operands of a contraction: a residual element that meets only what is not alive is 0."""
        labels = split_spec(e.params["spec"])
        i = next(k for k, o in enumerate(e.operands) if o in self.alive)
        mask = self.alive[e.operands[i]].resolve()  # type: ignore[index]
        return [x if o in self.is_linear else reached(x, mask, labels[i], labels[k])
                for k, (o, x) in enumerate(zip(e.operands, operands, strict=True))]

    # ------------------------------------------------------------ masks

    def of_result(self, e: Equation) -> Alive | None:
        """Which elements of the result are alive; None means everywhere."""
        p, out = e.primitive, e.results[0].type
        if not isinstance(out, ArrayType):
            return None
        if p is select or p is index_set:
            return lazily(out.shape, lambda: self.applied(e))
        if not any(o in self.alive for o in e.operands):
            return None
        if p is convert:  # a conversion moves nothing
            return self.alive[e.operands[0]]  # type: ignore[index]
        if any(o in self.is_linear and o not in self.alive and p.elementwise and o.type.shape == out.shape
               for o in e.operands):
            return None
        if p is contract:
            labels = split_spec(e.params["spec"])
            i = next(k for k, o in enumerate(e.operands) if o in self.alive)
            return lazily(out.shape, lambda: onto(self.mask(e.operands[i]), labels[i], labels[2], out.shape))
        if p.structural and p.linear == "jointly" and not p.elementwise:
            return lazily(out.shape, lambda: self.applied(e))
        parts = [o for o in e.operands if o in self.is_linear]
        if p.elementwise:
            return lazily(out.shape, lambda: self.joined(parts, out.shape))
        return lazily(out.shape, lambda: everywhere(self.mask(parts[0]), out.shape)) if len(parts) == 1 else None

    def mask(self, a: Any) -> Any:
        """The mask of a linear value; what is not linear stands for an exact zero."""
        if a in self.alive:
            return self.alive[a].resolve()
        return full(np.asarray(a in self.is_linear), a.type.shape, Handle(self.build, Const(np.asarray(False))))

    def applied(self, e: Equation) -> Any:
        """A map that moves elements, or selects them, moves and selects their masks."""
        linear = [e.primitive.is_linear_in(i, e.params) and o.type.inexact for i, o in enumerate(e.operands)]
        return e.primitive(*[self.mask(o) if flag else self.handle(o)
                             for o, flag in zip(e.operands, linear, strict=True)], **e.params)

    def joined(self, parts: Sequence[Any], shape: tuple[int, ...]) -> Any:
        out = self.mask(parts[0])
        for o in parts[1:]:
            out = logical_or(out, self.mask(o))
        return out if out.shape == shape else broadcast(out, shape=shape)

    # ------------------------------------------------------------ branches and loops

    def known(self, e: Equation) -> list[int]:
        """Operands, counted without the first, whose masks are known."""
        return [k for k, o in enumerate(e.operands[1:]) if o in self.alive]

    def has_mask(self, a: Any) -> bool:
        return a in self.alive or a not in self.is_linear

    def branch(self, e: Equation) -> tuple[Any, ...]:
        known, operands = self.known(e), e.operands[1:]
        walks = [_Walk(g, _linear_variables(g, flags), True, [g.inputs[k] for k in known])
                 for g, flags in _inner(e, self.is_linear)]

        def arms(outputs: Sequence[Sequence[Any]]) -> Any:
            """The branch with arms of these outputs, and with the masks and the other operands that they use."""
            graphs = [w.graph(out) for w, out in zip(walks, outputs, strict=True)]
            used = [k for k in range(len(operands) + len(known)) if any(_uses(g, g.inputs[k]) for g in graphs)]
            given = [self.handle(operands[k]) if k < len(operands) else self.mask(operands[known[k - len(operands)]])
                     for k in used]
            branches = tuple([Graph(tuple([g.inputs[k] for k in used]), g.equations, g.outputs, g.lines) for g in graphs])
            return e.primitive(self.handle(e.operands[0]), *given, branches=branches)
        for j, r in enumerate(e.results):
            if isinstance(r.type, ArrayType) and any(w.has_mask(w.outputs[j]) for w in walks):
                self.alive[r] = lazily(r.type.shape, lambda j=j: arms([[w.mask(w.outputs[j])] for w in walks])[0])  # type: ignore[misc]
        return tuple([h.atom for h in arms([w.values() for w in walks])])

    def loop(self, e: Equation) -> tuple[Any, ...]:
        loop = _Loop(self, e)
        for k in loop.carried:
            r = e.results[k - loop.first]
            self.alive[r] = lazily(r.type.shape, lambda k=k: loop.masks([k])[0][k])  # type: ignore[misc]
        return loop.results()


class _Loop:
    """A linear `scan`, and the masks of its carries.

    Masks depend on no linear value: where the loop asks for them, another loop over masks alone runs before it.
    """

    def __init__(self, outer: _Walk, e: Equation):
        self.outer, self.e, self.body = outer, e, e.params["body"]
        self.operands, self.first = e.operands[1:], e.params["constants"]
        self.end = self.first + e.params["carries"]
        (_, flags), = _inner(e, outer.is_linear)
        self.linear = _linear_variables(self.body, flags)
        fixed = [k for k in outer.known(e) if not self.first <= k < self.end]
        self.carried: list[int] = []
        more = [k for k in self.carries() if outer.has_mask(self.operands[k])]
        while True:  # a carry has a mask if it begins with one or if the body gives it one
            self.carried = sorted([*self.carried, *more])
            self.walk_with([*fixed, *self.carried])
            more = [k for k in self.carries() if k not in self.carried
                    and self.walk.has_mask(self.body.outputs[k - self.first])]
            if not more:
                break

    def carries(self) -> list[int]:
        return [k for k in range(self.first, self.end) if isinstance(self.body.inputs[k].type, ArrayType)]

    def walk_with(self, marks: Sequence[int]) -> None:
        self.marks = marks
        self.walk = _Walk(self.body, self.linear, True, [self.body.inputs[k] for k in marks])
        inputs = self.walk.build.inputs
        self.value = dict(enumerate(inputs[:len(self.operands)]))
        self.mark = dict(zip(marks, inputs[len(self.operands):], strict=True))

    def results(self) -> tuple[Any, ...]:
        values = self.walk.values()
        graph = self.walk.graph(values)
        used = [k for k in self.marks if _uses(graph, self.mark[k])]
        _, before = self.masks([k for k in used if k in self.carried], saved=True)
        outer, places = self.outer, range(len(self.operands))
        constants = [(self.value[k], outer.handle(self.operands[k])) for k in places[:self.first]]
        constants += [(self.mark[k], outer.mask(self.operands[k])) for k in used if k < self.first]
        carries = [(self.value[k], outer.handle(self.operands[k])) for k in places[self.first:self.end]]
        slices = [(self.value[k], outer.handle(self.operands[k])) for k in places[self.end:]]
        slices += [(self.mark[k], before[k] if k in before else outer.mask(self.operands[k]))
                   for k in used if k in before or k >= self.end]
        return tuple([h.atom for h in self.scan(constants, carries, slices, values)])

    def masks(self, wanted: list[int], saved: bool = False) -> tuple[dict[int, Any], dict[int, Any]]:
        """The masks of these carries after the loop; and before each iteration, if these are `saved`."""
        if not wanted:
            return {}, {}
        carried = self.needed(wanted)
        outer, places = self.outer, range(len(self.operands))
        outputs = [self.next_mask(k) for k in carried] + ([self.mark[k] for k in wanted] if saved else [])
        graph = self.walk.graph(outputs)
        plain = [k for k in places if _uses(graph, self.value[k])]
        marks = [k for k in self.marks if k not in self.carried and _uses(graph, self.mark[k])]
        pairs = {k: (self.value[k], outer.handle(self.operands[k])) for k in plain}
        given = {k: (self.mark[k], outer.mask(self.operands[k])) for k in (*marks, *carried)}
        constants = [table[k] for table in (pairs, given) for k in table if k < self.first]
        slices = [table[k] for table in (pairs, given) for k in table if k >= self.end]
        out = self.scan(constants, [given[k] for k in carried], slices, outputs)
        after = dict(zip(carried, out, strict=False))
        return after, dict(zip(wanted, out[len(carried):], strict=True)) if saved else {}

    def next_mask(self, k: int) -> Any:
        return self.walk.mask(self.body.outputs[k - self.first])

    def needed(self, wanted: list[int]) -> list[int]:
        """The carries whose masks those of the wanted ones depend on."""
        while True:
            graph = self.walk.graph([self.next_mask(k) for k in wanted])
            found = [k for k in self.carried if k in wanted or _uses(graph, self.mark[k])]
            if len(found) == len(wanted):
                return found
            wanted = found

    def scan(self, constants: Any, carries: Any, slices: Any, outputs: list[Any]) -> Any:
        pairs = [*constants, *carries, *slices]
        body = self.walk.graph(outputs, [v for v, _ in pairs])
        return self.e.primitive(
            self.outer.handle(self.e.operands[0]), *[x for _, x in pairs], body=body, constants=len(constants),
            carries=len(carries), reverse=self.e.params["reverse"], size=self.e.params["size"])


def _uses(graph: Graph, v: Any) -> bool:
    return v in graph.outputs or any(v in e.operands for e in graph.equations)
