"""Partition: which values cross from the forward pass to the backward pass.

What comes in: a joint graph, from values and cotangents to outputs and gradients. What goes out: a forward graph that gives
the outputs and the residuals, and a backward graph from residuals and cotangents to gradients. The one idea: save what is
dear or not elementwise; compute again, beside its use, what is elementwise and cheap, as long as that does not enlarge
what is kept. Integers and booleans (predicates, indices, pivots) are saved, never computed again: another rounding could
take another arm.
"""

from __future__ import annotations

from dataclasses import dataclass

from wengert.graph import Atom, Equation, Graph, Var

__all__ = ["Partition", "partition"]

# Elementwise arithmetic and rearrangements: an operation or none per element.
_CHEAP = {"add", "subtract", "multiply", "negative", "positive", "square", "real", "imag", "conjugate", "reshape",
          "transpose", "broadcast", "convert", "flip", "make_complex"}


@dataclass(frozen=True)
class Partition:
    """A joint graph in two parts.

    `forward` takes the primal inputs and gives the outputs, then the `saved` values; `backward` takes the `residuals`
    (primal inputs that it reads, then the saved values) and the cotangents, and gives the gradients.
    """

    forward: Graph
    backward: Graph
    residuals: tuple[Var, ...]
    saved: tuple[Var, ...]

    @property
    def saved_elements(self) -> int:
        """Array elements kept between the passes, primal inputs apart."""
        return sum(v.type.size for v in self.saved)


def partition(graph: Graph, inputs: int, outputs: int) -> Partition:
    """Split a joint graph such as `vjp` gives.

    Parameters
    ----------
    graph : Graph
        Its first `inputs` inputs are primal, the others cotangents; its first `outputs` outputs are values, the others
        gradients.
    inputs, outputs : int

    Returns
    -------
    Partition
    """
    primal, cotangents = graph.inputs[:inputs], graph.inputs[inputs:]
    late = _depends(graph, cotangents)
    maker = {r: e for e in graph.equations for r in e.results}
    backward = [e for e in graph.equations if e in late]
    used = [o for e in backward for o in e.operands] + list(graph.outputs[outputs:])
    made = {r for e in backward for r in e.results} | set(cotangents)
    needed = dict.fromkeys(o for o in used if isinstance(o, Var) and o not in made)
    forward = _needed_by(graph, graph.outputs[:outputs])
    again = _computed_again(needed, maker, set(primal), forward)
    saved = tuple(v for v in needed if v not in primal)
    residuals = (*[v for v in primal if v in needed], *saved)
    repeated = [e for e in graph.equations if e in again]
    behind = _with_lines(graph, (*residuals, *cotangents), _beside_use(repeated, backward), graph.outputs[outputs:])
    return Partition(_forward(graph, primal, (*graph.outputs[:outputs], *saved)), behind, residuals, saved)


def _depends(graph: Graph, inputs: tuple[Var, ...]) -> set[Equation]:
    """Equations that a cotangent reaches."""
    reached: set[Var] = set(inputs)
    found: set[Equation] = set()
    for e in graph.equations:
        if any(o in reached for o in e.operands):
            found.add(e)
            reached.update(e.results)
    return found


def _needed_by(graph: Graph, outputs: tuple[Atom, ...]) -> set[Equation]:
    """Equations that the values need."""
    wanted: set[Atom] = set(outputs)
    found: set[Equation] = set()
    for e in reversed(graph.equations):
        if any(r in wanted for r in e.results):
            found.add(e)
            wanted.update(e.operands)
    return found


def _computed_again(needed: dict[Var, None], maker: dict[Var, Equation], free: set[Var],
                    forward: set[Equation]) -> set[Equation]:
    """Replace residuals by their operands, while what is kept does not grow; `needed` is changed in place.

    What the values do not need (a partial derivative) moves to the backward pass at no cost; what they do need is
    computed a second time, so it has to be cheap.
    """
    again: set[Equation] = set()
    changed = True
    while changed:
        changed = False
        for v in list(needed):
            e = maker.get(v)
            if e is None or not e.pure or e.primitive.multiple:
                continue
            if e in forward and (e.primitive.name not in _CHEAP or not v.type.inexact):
                continue
            equations, leaves = _down_to_values(e, maker, forward)
            if sum(o.type.size for o in leaves if o not in needed and o not in free) <= v.type.size:
                del needed[v]
                needed.update(dict.fromkeys(leaves))
                again.update(equations)
                changed = True
    # what is computed again is no residual, even if another residual named it
    for e in again:
        for r in e.results:
            needed.pop(r, None)
    return again


def _down_to_values(e: Equation, maker: dict[Var, Equation], forward: set[Equation]) -> tuple[set[Equation], dict[Var, None]]:
    """The equation with what leads to it that the values do not need, and the variables at which that begins."""
    equations, leaves, stack = {e}, dict[Var, None](), list(e.operands)
    while stack:
        o = stack.pop()
        if not isinstance(o, Var):
            continue
        above = maker.get(o)
        if above is None or above in forward or above.primitive.multiple or not above.pure:
            leaves[o] = None
        elif above not in equations:
            equations.add(above)
            stack.extend(above.operands)
    return equations, leaves


def _beside_use(repeated: list[Equation], backward: list[Equation]) -> list[Equation]:
    """The repeated equations, each just before the first equation that needs it."""
    maker = {r: e for e in repeated for r in e.results}
    placed: set[Equation] = set()
    out: list[Equation] = []

    def place(e: Equation) -> None:
        stack = [e]
        while stack:
            top = stack[-1]
            waiting = [maker[o] for o in top.operands if isinstance(o, Var) and o in maker and maker[o] not in placed]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            if top not in placed:
                placed.add(top)
                out.append(top)
    for e in backward:
        for o in e.operands:
            if isinstance(o, Var) and o in maker and maker[o] not in placed:
                place(maker[o])
        out.append(e)
    for e in repeated:  # a gradient that is a primal value
        if e not in placed:
            place(e)
    return out


def _with_lines(graph: Graph, inputs: tuple[Var, ...], equations: list[Equation], outputs: tuple[Atom, ...]) -> Graph:
    """A part of a graph, with the user's lines of its equations."""
    return Graph(inputs, tuple(equations), outputs, {e: graph.lines[e] for e in equations if e in graph.lines})


def _forward(graph: Graph, primal: tuple[Var, ...], outputs: tuple[Atom, ...]) -> Graph:
    """What the values and the residuals need; effects are kept."""
    wanted: set[Atom] = set(outputs)
    kept = []
    for e in reversed(graph.equations):
        if any(r in wanted for r in e.results) or not e.pure:
            kept.append(e)
            wanted.update(e.operands)
    kept.reverse()
    return _with_lines(graph, primal, kept, outputs)
