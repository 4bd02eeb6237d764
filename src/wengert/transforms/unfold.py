"""Unfold: a loop or branch of a graph, written out.

What comes in: a graph, one of its equations that holds graphs, and the values of its operands. What goes out: the graph with
the call, the arm that was taken, or one turn of the loop, in the place of the equation; the turns before and after it stay
loops. The one idea: a loop of n turns is a loop of k turns, the body, and a loop of n - k - 1, so that what explains a graph
explains the inside of its loops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.errors import InputError
from wengert.graph import REGISTRY, ArrayType, Atom, Const, Equation, Graph, StackType, Var
from wengert.graph.walk import substitute
from wengert.primitives.control import saved_type

__all__ = ["Unfolded", "unfold"]


@dataclass
class Unfolded:
    """The new graph, and for the results of its new equations what they are a part of."""

    graph: Graph
    parts: dict[Var, str] = field(default_factory=dict)


def unfold(graph: Graph, equation: Equation, values: Mapping[Any, Any], turn: int = 0) -> Unfolded:
    """Write an equation out.

    Parameters
    ----------
    graph : Graph
    equation : Equation
        A ``call``, ``cond``, ``scan`` or ``while_loop`` of it.
    values : mapping
        The values of variables: predicates and numbers of turns are looked up.
    turn : int
        Which turn of a loop, from 0, or from the last: -1.
    """
    writer = _Writer(graph, equation, values)
    kind = equation.primitive.name
    if kind == "call":
        new = writer.inline(equation.params["graph"], equation.operands, "")
    elif kind == "cond":
        taken = bool(writer.value(equation.operands[0]))
        new = writer.inline(equation.params["branches"][0 if taken else 1], equation.operands[1:],
                            f"the branch{writer.place()}, taken because the test is {taken}")
    elif kind in ("scan", "while_loop"):
        new = writer.loop(turn)
    else:
        raise InputError(f"explain: {kind} holds a graph, but has no inside that can be shown")
    before = graph.equations.index(equation)
    rest = Graph((), graph.equations[before + 1:], graph.outputs,
                 {e: at for e, at in graph.lines.items() if e is not equation})
    rest = substitute(rest, dict(zip(equation.results, new, strict=True)))
    kept = {e: graph.lines[e] for e in graph.equations[:before] if e in graph.lines}
    lines = {**kept, **writer.lines, **rest.lines}
    whole = Graph(graph.inputs, (*graph.equations[:before], *writer.equations, *rest.equations), rest.outputs, lines)
    return Unfolded(whole, writer.parts)


class _Writer:
    """The equations that take the place of one."""

    def __init__(self, graph: Graph, e: Equation, values: Mapping[Any, Any]):
        self.e, self.values = e, values
        self.at = graph.lines.get(e, frozenset())
        self.equations: list[Equation] = []
        self.lines: dict[Equation, frozenset[str]] = {}
        self.parts: dict[Var, str] = {}

    def value(self, a: Atom) -> Any:
        return a.value[()] if isinstance(a, Const) else self.values[a]

    def place(self) -> str:
        line = min(self.at, default="").rpartition("/")[2]
        return f" at {line}" if line else ""

    def add(self, e: Equation, at: frozenset[str], part: str) -> tuple[Var, ...]:
        self.equations.append(e)
        if at:
            self.lines[e] = at
        if part:
            self.parts.update(dict.fromkeys(e.results, part))
        return e.results

    def inline(self, graph: Graph, operands: Sequence[Atom], part: str) -> list[Atom]:
        """The equations of a graph, with variables of their own."""
        env: dict[Any, Atom] = dict(zip(graph.inputs, operands, strict=True))
        for e in graph.equations:
            new = Equation(e.primitive, [env.get(o, o) for o in e.operands], e.params, [Var(r.type) for r in e.results])
            env.update(zip(e.results, self.add(new, graph.lines.get(e, self.at), part), strict=True))
        return [env.get(o, o) for o in graph.outputs]

    def loop(self, turn: int) -> list[Atom]:
        """Turns before, one turn, turns after; what each saves is joined."""
        e, is_scan = self.e, self.e.primitive.name == "scan"
        n = int(self.value(e.operands[0] if is_scan else e.results[0]))
        if not -n <= turn < n:
            raise InputError(f"explain: the loop{self.place()} has {n} turn{'s' * (n != 1)}; there is no turn {turn}")
        k, body, constants = turn % n, e.params["body"], e.params["constants"]
        operands = e.operands[int(is_scan):]
        carries = e.params["carries"] if is_scan else len(operands) - constants
        reverse = bool(e.params.get("reverse", False))
        end = constants + carries
        fixed, carry, slices = operands[:constants], list(operands[constants:end]), operands[end:]
        if any(isinstance(x.type, StackType) for x in slices) or (len(body.outputs) > carries and e.params.get("size") is None):
            raise InputError(f"explain: the loop{self.place()} saves what it computes for a derivative; explain the function "
                             "itself")
        saved: list[list[Atom]] = [[] for _ in body.outputs[carries:]]
        for first, last in ((0, k), (k, k + 1), (k + 1, n)):
            if first == last:
                continue
            low, high = (n - last, n - first) if reverse else (first, last)
            single = (first, last) == (k, k + 1)
            if single:
                found = self.inline(body, [*fixed, *carry, *[self.cut(x, ("i", low)) for x in slices]],
                                    f"turn {k} of {n} of the loop{self.place()}")
            else:
                cuts = [self.cut(x, ("s", low, high, None)) for x in slices]
                found = self.turns(last - first, body, fixed, carry, cuts, reverse)
            carry = found[:carries]
            for column, y in zip(saved, found[carries:], strict=True):
                column.append(self.one(y) if single else y)
        joined = [self.joined(column[::-1] if reverse else column) for column in saved]
        return [*([] if is_scan else [Const(np.int64(n))]), *carry, *joined]

    def turns(self, n: int, body: Graph, fixed: Sequence[Atom], carry: Sequence[Atom], slices: Sequence[Atom],
              reverse: bool) -> list[Atom]:
        types = [*[a.type for a in carry], *[saved_type(o.type, n) for o in body.outputs[len(carry):]]]
        params = {"body": body, "constants": len(fixed), "carries": len(carry), "reverse": reverse, "size": n}
        e = Equation(REGISTRY["scan"], [Const(np.int64(n)), *fixed, *carry, *slices], params, [Var(t) for t in types])
        return list(self.add(e, self.at, ""))

    def cut(self, x: Atom, entry: tuple[Any, ...]) -> Atom:
        return self.emit("index", [x], {"spec": (entry,)})

    def one(self, y: Atom) -> Atom:
        return self.emit("reshape", [y], {"shape": (1, *y.type.shape)})

    def joined(self, column: Sequence[Atom]) -> Atom:
        return column[0] if len(column) == 1 else self.emit("concatenate", column, {"axis": 0})

    def emit(self, name: str, operands: Sequence[Atom], params: dict[str, Any]) -> Atom:
        primitive = REGISTRY[name]
        found: ArrayType = primitive.type(*[o.type for o in operands], **params)
        return self.add(Equation(primitive, operands, params, (Var(found),)), self.at, "")[0]
