"""Strong zeros: what a choice left out stays exactly zero, even where it meets an infinite factor.

What comes in: a graph that is linear in some of its inputs, tangents in forward mode or cotangents in reverse mode. What
goes out: the same graph, with a selection after each factor that could turn such a zero into NaN. The one idea: with each
linear value goes a mask, which of its elements were reached at all. A selection or a branch makes masks, and so does whatever
puts zeros beside values: a concatenation, a read seen from behind. They move as the values move, through branches, and those
that a choice made from one iteration of a loop to the next. What no factor asks for is dropped; a graph without choices comes
back as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.graph import ArrayType, Build, Const, Equation, Graph, Handle, StackType, Type, Var
from wengert.graph.walk import uses
from wengert.primitives.contract import contract, split_spec
from wengert.primitives.control_rules import zeros_of
from wengert.primitives.elementwise import logical_not, logical_or
from wengert.primitives.revolve import plain_tangent_loop
from wengert.primitives.structure import broadcast, convert, full, pad, reduce_sum, reshape, select
from wengert.primitives.structure import transpose as move
from wengert.transforms.loops import without_dead

__all__ = ["masked", "masked_values"]

_BOOL = np.dtype(bool)


def masked(graph: Graph, linear: Sequence[bool]) -> Graph:
    """A graph that is linear in the marked inputs, with what was not chosen kept at zero."""
    return masked_values(graph, _linear_variables(graph, linear), inside=True)


def masked_values(graph: Graph, is_linear: set[Var], inside: bool) -> Graph:
    """The same, of a graph that also computes other values; `inside`: the graphs that its equations hold, too."""
    if not any(_chooses(e, is_linear, inside) for e in graph.equations):
        return graph
    walk = _Walk(graph, is_linear, inside)
    return walk.graph([walk.env.get(a, a) for a in graph.outputs])


def _linear_variables(graph: Graph, linear: Sequence[bool]) -> set[Var]:
    found = {v for v, flag in zip(graph.inputs, linear, strict=True) if flag}
    for e in graph.equations:
        if any(o in found for o in e.operands):
            found.update(e.results)
    return found


def _chooses(e: Equation, is_linear: set[Var], inside: bool) -> bool:
    """Whether a result may have elements that no linear value reaches."""
    if not any(o in is_linear for o in e.operands):
        return False
    if _places(e):
        return e.primitive is select or e.primitive is pad or any(
            o.type.inexact and o not in is_linear for o in e.operands)
    if not inside:
        return False
    return any(_chooses_inside(g, flags, e) for g, flags in _inner(e, is_linear))


def _places(e: Equation) -> bool:
    """Whether this moves elements, and its operands that are not linear stand for zeros."""
    p = e.primitive
    return p.structural and p.linear == "jointly" and (p is select or not p.elementwise) and not p.multiple


def _chooses_inside(g: Graph, flags: list[bool], e: Equation) -> bool:
    linear = _linear_variables(g, flags)
    missing = "branches" in e.params and not all(o in linear for o in g.outputs)
    return missing or any(_chooses(inner, linear, True) for inner in g.equations)


def _inner(e: Equation, is_linear: set[Var]) -> list[tuple[Graph, list[bool]]]:
    """The graphs of a linear `scan`, `cond` or `call`, and which of their inputs are linear: carries are."""
    if e.primitive.name == "call":
        return [(e.params["graph"], [o in is_linear for o in e.operands])]
    if "checkpoints" in e.params:
        return [(e.params["body"], _linear_inputs(e, is_linear))]
    graphs = e.params.get("branches") or ((e.params["body"],) if "body" in e.params else ())
    first = e.params.get("constants", 0)
    carries = range(first, first + e.params.get("carries", 0))
    flags = [o in is_linear or k in carries for k, o in enumerate(e.operands[1:])]
    return [(g, flags) for g in graphs]


def _linear_inputs(e: Equation, is_linear: set[Var]) -> list[bool]:
    """Those of a loop that also carries other values: a carry is linear if it begins or goes on as a linear value."""
    body, first = e.params["body"], e.params["constants"]
    flags = [o in is_linear for o in e.operands[1:1 + len(body.inputs)]]
    while True:
        linear = _linear_variables(body, flags)
        new = list(flags)
        for j, o in enumerate(body.outputs[:e.params["carries"]]):
            new[first + j] = new[first + j] or o in linear
        if new == flags:
            return flags
        flags = new


class _Walk:
    """One walk over a linear graph, in its order: the new graph, and which elements of each linear value are alive.

    The last inputs of the new graph are masks, of the inputs `known`; a choice made those marked in `chosen`.
    """

    def __init__(self, graph: Graph, is_linear: set[Var], inside: bool, known: Sequence[Var] = (),
                 chosen: Sequence[bool] = ()):
        self.build, self.is_linear, self.inside, self.outputs = Build(), is_linear, inside, graph.outputs
        self.env: dict[Any, Any] = {v: self.build.input(v.type).atom for v in graph.inputs}
        self.alive: dict[Any, Handle] = {}  # absent: everywhere
        self.asked: dict[Any, None] = {}  # masks that factors ask for
        self.hiding: set[Any] = set()  # what is alive everywhere, and was added to what a choice masks
        self.chosen: set[Any] = {v for v, flag in zip(known, chosen, strict=True) if flag}  # by a predicate
        self.marks = [self.build.input(_mask_type(v.type)) for v in known]
        self.alive.update(zip(known, self.marks, strict=True))
        for e in graph.equations:
            self.build.at = graph.lines.get(e, frozenset())
            moving = any(o in is_linear for o in e.operands)
            if moving and inside and "branches" in e.params:
                results = self.branch(e)
            elif moving and inside and "carries" in e.params:
                results = self.loop(e)
            elif moving and inside and e.primitive.name == "call":
                results = self.call(e)
            else:
                results = self.equation(e, moving)
            self.env.update(zip(e.results, results, strict=True))

    def graph(self, outputs: Sequence[Any], inputs: Sequence[Any] | None = None) -> Graph:
        """What these outputs need, and no more: masks that a call or a loop gives beside values do without the values."""
        return without_dead(self.build.graph(outputs, self.build.inputs if inputs is None else inputs))

    def values(self) -> list[Any]:
        return [self.env.get(a, a) for a in self.outputs]

    def handle(self, a: Any) -> Handle:
        return Handle(self.build, self.env.get(a, a))

    def equation(self, e: Equation, moving: bool) -> tuple[Any, ...]:
        operands = [self.handle(o) for o in e.operands]
        mask = self.of_result(e) if moving and not e.primitive.multiple else None
        if mask is not None:
            self.alive[e.results[0]] = mask
            if e.primitive is select or any(o in self.chosen for o in e.operands):
                self.chosen.add(e.results[0])
            if e.primitive is contract:
                before, operands = operands, self.reached(e, operands)
                if any(x is not y for x, y in zip(before, operands, strict=True)):
                    e = Equation(contract, e.operands, {**e.params, "strong": True}, e.results)
        results = self.build.emit(e.primitive, tuple([h.atom for h in operands]), e.params)
        if mask is not None and _can_spoil(e, self.is_linear):
            out = results[0]
            self.asked[mask.atom] = None
            return (select(mask, Handle(self.build, out), Const(np.zeros((), out.type.dtype))).atom,)
        return results

    def reached(self, e: Equation, operands: list[Handle]) -> list[Handle]:
        """Operands of a contraction: a residual element that meets only what is not alive is 0."""
        labels = split_spec(e.params["spec"])
        i = next(k for k, o in enumerate(e.operands) if o in self.alive)
        mask = self.alive[e.operands[i]]
        self.asked[mask.atom] = None
        return [x if o in self.is_linear else _reached(x, mask, labels[i], labels[k])
                for k, (o, x) in enumerate(zip(e.operands, operands, strict=True))]

    # ------------------------------------------------------------ masks

    def of_result(self, e: Equation) -> Any:
        """Which elements of the result are alive; None means everywhere."""
        p, out = e.primitive, e.results[0].type
        if not isinstance(out, ArrayType):
            return None
        if _places(e) and p is not convert:
            return self.placed(e) if _chooses(e, self.is_linear, False) or any(o in self.alive for o in e.operands) else None
        parts = [o for o in e.operands if o in self.is_linear]
        if not any(o in self.alive for o in parts):
            return None
        if p is convert:  # it moves nothing
            return self.alive[parts[0]]
        if p.elementwise:
            whole = [o for o in parts if o not in self.alive and o.type.shape == out.shape]
            if any(o in self.chosen for o in parts):
                self.hiding.update(whole)
            return None if whole else self.joined(parts, out.shape)
        if p is contract:
            labels, i = split_spec(e.params["spec"]), e.operands.index(parts[0])
            return _onto(self.mask(parts[0]), labels[i], labels[2], out.shape)
        return _everywhere(self.mask(parts[0]), out.shape) if len(parts) == 1 else None

    def mask(self, a: Any) -> Any:
        """The mask of a linear value; what is not linear stands for an exact zero."""
        if a in self.alive:
            return self.alive[a]
        return full(np.asarray(a in self.is_linear), a.type.shape, Handle(self.build, Const(np.asarray(False))))

    def asks(self, a: Any) -> Any:
        """The same, for a loop that asks for it."""
        mask = self.mask(a)
        self.asked[mask.atom] = None
        return mask

    def placed(self, e: Equation) -> Any:
        """A map that moves or chooses elements does the same to their masks."""
        if e.primitive is select:
            return self.selected(e)
        return e.primitive(*[self.mask(o) if o.type.inexact else self.handle(o) for o in e.operands], **e.params)

    def selected(self, e: Equation) -> Any:
        p, shape = self.handle(e.operands[0]), e.results[0].type.shape
        a, b = (None if o in self.is_linear and o not in self.alive else self.mask(o) for o in e.operands[1:])
        if a is None and b is None:
            return None
        if a is None and e.operands[2] not in self.is_linear:
            out = p
        elif b is None and e.operands[1] not in self.is_linear:
            out = logical_not(p)
        else:
            out = select(p, *[Const(np.asarray(True)) if m is None else m for m in (a, b)])
        return out if out.shape == shape else broadcast(out, shape=shape)

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

    def moving(self) -> set[Any]:
        """What depends on the masks of the inputs that are `known`."""
        found: set[Any] = {h.atom for h in self.marks}
        for e in self.build.equations:
            if any(o in found for o in e.operands):
                found.update(e.results)
        return found

    def asked_for(self, moving: set[Any]) -> list[Any]:
        """The masks among these that the values ask for."""
        cut = [v for v in self.asked if v in moving]
        graph = self.graph(self.values(), cut)
        return [v for v in cut if uses(graph, v)]

    def branch(self, e: Equation) -> tuple[Any, ...]:
        return _Branch(self, e).results()

    def loop(self, e: Equation) -> tuple[Any, ...]:
        if e.primitive.name == "tangent_loop":
            e = plain_tangent_loop(e)
        loop = _Mixed(self, e) if "checkpoints" in e.params else _Loop(self, e)
        found = loop.masks_of_results()
        self.alive.update(found)
        self.chosen.update(found)
        return loop.results()

    def call(self, e: Equation) -> tuple[Any, ...]:
        """A linear `call`, which also takes the masks of its operands and gives those of its results."""
        (g, flags), = _inner(e, self.is_linear)
        known = [k for k, o in enumerate(e.operands) if o in self.alive]
        walk = _Walk(g, _linear_variables(g, flags), True, [g.inputs[k] for k in known],
                     [e.operands[k] in self.chosen for k in known])
        places = [j for j, o in enumerate(g.outputs) if isinstance(o.type, ArrayType) and walk.has_mask(o)]
        graph = walk.graph([*walk.values(), *[walk.mask(g.outputs[j]) for j in places]])
        out = e.primitive(*map(self.handle, e.operands), *[self.asks(e.operands[k]) for k in known],
                          **{**e.params, "graph": graph})
        n = len(e.results)
        self.alive.update({e.results[j]: h for j, h in zip(places, out[n:], strict=True)})
        self.chosen.update(e.results[j] for j in places if g.outputs[j] in walk.chosen or g.outputs[j] not in walk.is_linear)
        return tuple([h.atom for h in out[:n]])


class _Branch:
    """A linear `cond`. Masks depend on no linear value: where an arm asks for them, another branch over masks alone runs
    before it."""

    def __init__(self, outer: _Walk, e: Equation):
        self.outer, self.e, self.operands, self.known = outer, e, e.operands[1:], outer.known(e)
        chosen = [self.operands[k] in outer.chosen for k in self.known]
        self.walks = [_Walk(g, _linear_variables(g, flags), True, [g.inputs[k] for k in self.known], chosen)
                      for g, flags in _inner(e, outer.is_linear)]

    def results(self) -> tuple[Any, ...]:
        outer, walks = self.outer, self.walks
        places = [j for j, r in enumerate(self.e.results) if isinstance(r.type, ArrayType)
                  and any(w.has_mask(w.outputs[j]) for w in walks)]
        if places:  # one branch for all of them: with one each, branches inside branches would be copied at every level
            alive = self.branch([[w.mask(w.outputs[j]) for j in places] for w in walks])
            outer.alive.update(zip([self.e.results[j] for j in places], alive, strict=True))
        outer.chosen.update([self.e.results[j] for j in places
                             if any(w.outputs[j] in w.chosen or w.outputs[j] not in w.is_linear for w in walks)])
        asked = [(w, v) for w in walks for v in w.asked_for(w.moving()) if v not in w.build.inputs]
        masks = self.branch([[Handle(w.build, v) if w is owner else zeros_of(v.type, Handle(w.build, Const(np.asarray(False))))
                              for owner, v in asked] for w in walks]) if asked else ()
        outer.asked.update({m.atom: None for m in masks})
        extra = [[v if w is owner else Var(v.type) for owner, v in asked] for w in walks]
        arms = [w.graph(w.values(), [*w.build.inputs, *more]) for w, more in zip(walks, extra, strict=True)]
        for k, v in enumerate(self.known):
            if any(uses(arm, w.marks[k].atom) for w, arm in zip(walks, arms, strict=True)):
                outer.asks(self.operands[v])
        return tuple([h.atom for h in self.branch([w.values() for w in walks], extra, masks)])

    def branch(self, outputs: Sequence[Sequence[Any]], extra: Any = ((), ()), masks: Sequence[Any] = ()) -> Any:
        """The branch with arms of these outputs, over the operands and masks that they use, and `masks` for inputs `extra`."""
        graphs = [w.graph(out, [*w.build.inputs, *more]) for w, out, more in zip(self.walks, outputs, extra, strict=True)]
        n = len(self.operands)
        used = [k for k in range(n + len(self.known)) if any(uses(g, g.inputs[k]) for g in graphs)]
        given = [self.outer.handle(self.operands[k]) if k < n else self.outer.mask(self.operands[self.known[k - n]])
                 for k in used]
        first = n + len(self.known)
        arms = tuple([Graph((*[g.inputs[k] for k in used], *g.inputs[first:]), g.equations, g.outputs, g.lines)
                      for g in graphs])
        return self.e.primitive(self.outer.handle(self.e.operands[0]), *given, *masks, branches=arms)


class _Loop:
    """A linear `scan`, and the masks of its carries.

    Masks depend on no linear value: where the loop asks for them, another loop over masks alone runs before it.
    """

    def __init__(self, outer: _Walk, e: Equation):
        self.outer, self.e, self.body = outer, e, e.params["body"]
        self.operands, self.first = e.operands[1:], e.params["constants"]
        self.end = self.first + e.params["carries"]
        (_, self.flags), = _inner(e, outer.is_linear)
        self.linear = _linear_variables(self.body, self.flags)
        fixed = [k for k in outer.known(e) if not self.first <= k < self.end]
        self.carried: list[int] = []
        more = [k for k in self.carries() if self.operands[k] in outer.chosen]
        while True:  # a carry has a mask if it begins with a chosen one or if the body gives it one
            self.carried = sorted([*self.carried, *more])
            self.walk_with([*fixed, *self.carried])
            more = [k for k in self.carries() if k not in self.carried
                    and self.body.outputs[k - self.first] in self.walk.chosen]
            if not more:  # so has what begins as an exact zero and meets a chosen one
                more = [k for k in self.carries() if k not in self.carried and self.operands[k] not in outer.is_linear
                        and self.body.inputs[k] in self.walk.hiding]
            if not more:
                break

    def carries(self) -> list[int]:
        return [k for k in range(self.first, self.end) if self.flags[k] and isinstance(self.body.inputs[k].type, ArrayType)]

    def walk_with(self, marks: Sequence[int]) -> None:
        self.marks = marks
        chosen = [k in self.carried or self.operands[k] in self.outer.chosen for k in marks]
        self.walk = _Walk(self.body, self.linear, True, [self.body.inputs[k] for k in marks], chosen)
        inputs = self.walk.build.inputs
        self.value = dict(enumerate(inputs[:len(self.operands)]))
        self.mark = dict(zip(marks, inputs[len(self.operands):], strict=True))

    def results(self) -> tuple[Any, ...]:
        outer, places, values = self.outer, range(len(self.operands)), self.walk.values()
        asked = self.walk.asked_for(self.moving())
        graph = self.walk.graph(values, asked)
        before = dict(zip(asked, self.masks_of(asked), strict=True))
        outer.asked.update({m.atom: None for m in before.values()})
        marks = [k for k in self.marks if k not in self.carried and uses(graph, self.mark[k])]
        constants = [(self.value[k], outer.handle(self.operands[k])) for k in places[:self.first]]
        constants += [(self.mark[k], outer.asks(self.operands[k])) for k in marks if k < self.first]
        carries = [(self.value[k], outer.handle(self.operands[k])) for k in places[self.first:self.end]]
        slices = [(self.value[k], outer.handle(self.operands[k])) for k in places[self.end:]]
        slices += [(self.mark[k], outer.asks(self.operands[k])) for k in marks if k >= self.end]
        slices += [(v, before[v]) for v in asked]
        return tuple([h.atom for h in self.scan(constants, carries, slices, values)])

    def moving(self) -> set[Any]:
        """What changes with the masks of the carries."""
        found: set[Any] = {self.mark[k] for k in self.carried}
        for e in self.walk.build.equations:
            if any(o in found for o in e.operands):
                found.update(e.results)
        return found

    def masks_of_results(self) -> dict[Any, Any]:
        """The masks of the carries after the loop, and of what is saved: one loop for all, as in `_Branch`."""
        pairs = list(zip(self.e.results, self.walk.outputs, strict=True))
        count = self.end - self.first
        carries = {r: self.first + j for j, (r, _) in enumerate(pairs[:count]) if self.first + j in self.carried}
        saved = {r: self.walk.mask(atom).atom for r, atom in pairs[count:] if atom in self.walk.chosen}
        if not carries and not saved:
            return {}
        carried = self.needed([*carries.values()], [*saved.values()])
        masks = self.mask_loop(carried, [*saved.values()])
        after = {r: masks[carried.index(k)] for r, k in carries.items()}
        return {**after, **dict(zip(saved, masks[len(carried):], strict=True))}

    def masks_of(self, asked: Sequence[Any]) -> Sequence[Any]:
        """Masks inside the body, saved in each iteration."""
        if not asked:
            return []
        carried = self.needed([], asked)
        return self.mask_loop(carried, asked)[len(carried):]  # type: ignore[no-any-return]

    def mask_loop(self, carried: list[int], asked: Sequence[Any]) -> Any:
        """A loop over masks alone: those carried, then those saved."""
        outer, places = self.outer, range(len(self.operands))
        outputs = [*[self.next_mask(k) for k in carried], *[Handle(self.walk.build, v) for v in asked]]
        graph = self.walk.graph(outputs)
        plain = [k for k in places if uses(graph, self.value[k])]
        marks = [k for k in self.marks if k not in self.carried and uses(graph, self.mark[k])]
        pairs = {k: (self.value[k], outer.handle(self.operands[k])) for k in plain}
        given = {k: (self.mark[k], outer.mask(self.operands[k])) for k in (*marks, *carried)}
        constants = [table[k] for table in (pairs, given) for k in table if k < self.first]
        slices = [table[k] for table in (pairs, given) for k in table if k >= self.end]
        return self.scan(constants, [given[k] for k in carried], slices, outputs)

    def next_mask(self, k: int) -> Any:
        return self.walk.mask(self.body.outputs[k - self.first])

    def needed(self, after: Sequence[int], asked: Sequence[Any]) -> list[int]:
        """The carries whose masks these depend on."""
        wanted = list(after)
        while True:
            graph = self.walk.graph([*[self.next_mask(k) for k in wanted], *[Handle(self.walk.build, v) for v in asked]])
            found = [k for k in self.carried if k in wanted or uses(graph, self.mark[k])]
            if len(found) == len(wanted):
                return found
            wanted = found

    def scan(self, constants: Any, carries: Any, slices: Any, outputs: list[Any]) -> Any:
        pairs = [*constants, *carries, *slices]
        body = self.walk.graph(outputs, [v for v, _ in pairs])
        return self.e.primitive(
            self.outer.handle(self.e.operands[0]), *[x for _, x in pairs], body=body, constants=len(constants),
            carries=len(carries), reverse=self.e.params["reverse"], size=self.e.params["size"],
            **({"checkpoints": self.e.params["checkpoints"]} if "checkpoints" in self.e.params else {}))


class _Mixed(_Loop):
    """A loop over linear values and others, on which masks may depend: masks go along in the same loop."""

    def masks_of_results(self) -> dict[Any, Any]:
        outer, places, values, count = self.outer, range(len(self.operands)), self.walk.values(), self.end - self.first
        pairs = zip(self.e.results[count:], self.walk.outputs[count:], strict=True)
        saved = [(r, a) for r, a in pairs if a in self.walk.chosen]
        outputs = [*values[:count], *[self.next_mask(k) for k in self.carried], *values[count:],
                   *[self.walk.mask(a) for _, a in saved]]
        given = [[(self.value[k], outer.handle(self.operands[k])) for k in places if a <= k < b]
                 + [(self.mark[k], outer.asks(self.operands[k])) for k in self.marks if a <= k < b]
                 for a, b in ((0, self.first), (self.first, self.end), (self.end, len(self.operands)))]
        out = list(self.scan(given[0], given[1], given[2], outputs))
        n, end = count + len(self.carried), len(self.e.results) + len(self.carried)
        self.out = [*out[:count], *out[n:end]]
        after = {self.e.results[k - self.first]: h for k, h in zip(self.carried, out[count:n], strict=True)}
        return {**after, **{r: h for (r, _), h in zip(saved, out[end:], strict=True)}}

    def results(self) -> tuple[Any, ...]:
        return tuple([h.atom for h in self.out])


def _mask_type(t: Type) -> Type:
    """Masks are kept as the values are: those of what an inner loop saved are a stack, too."""
    return StackType(_mask_type(t.element)) if isinstance(t, StackType) else ArrayType(t.shape, _BOOL)


def _can_spoil(e: Equation, linear: set[Var]) -> bool:
    """Whether a factor of this equation may be infinite or NaN."""
    if e.primitive.structural or e.primitive is contract:
        return False
    return any(not np.all(np.isfinite(o.value)) if isinstance(o, Const) else o not in linear
               for o in e.operands if o.type.inexact)


def _reached(x: Handle, mask: Any, labels: Sequence[str], wanted: Sequence[str]) -> Handle:
    """A residual of a contraction, with zeros where it meets only elements that are not alive."""
    if isinstance(x.atom, Const) and np.all(np.isfinite(x.atom.value)):
        return x
    zero = Const(np.zeros((), x.dtype))
    return select(_onto(mask, labels, wanted, x.shape), x, zero, strong=True)  # type: ignore[no-any-return]


def _onto(mask: Any, labels: Sequence[str], wanted: Sequence[str], shape: tuple[int, ...]) -> Any:
    """A mask over one array of a contraction, as one over another: any over what that does not have."""
    gone = tuple(a for a, label in enumerate(labels) if label not in wanted)
    kept = [label for label in labels if label in wanted]
    if gone:
        mask = reduce_sum(mask, axes=gone)
    order = tuple(kept.index(label) for label in wanted if label in kept)
    if order != tuple(range(len(order))):
        mask = move(mask, axes=order)
    mask = reshape(mask, shape=tuple(n if label in kept else 1 for label, n in zip(wanted, shape, strict=True)))
    return broadcast(mask, shape=shape)


def _everywhere(mask: Any, shape: tuple[int, ...]) -> Any:
    """Alive everywhere if anything is: for linear maps that mix elements."""
    one = reshape(reduce_sum(mask, axes=tuple(range(mask.ndim))), shape=(1,) * len(shape))
    return broadcast(one, shape=shape)
