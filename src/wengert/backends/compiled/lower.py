"""Sums of exponentials written out: softmax, log_softmax and logsumexp by the primitives that they are made of.

What comes in: a graph. What goes out: one of the same function. The one idea: SciPy's formulas in maxima, exponentials and
sums, which become nests like all else: vectors, several threads, fused with what is around them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.graph import REGISTRY, Const, Equation, Graph, Var
from wengert.graph.walk import with_subgraphs

__all__ = ["lowered"]


class _Formula:
    """The equations of one formula over axes."""

    def __init__(self, x: Any, axes: tuple[int, ...]):
        self.x, self.axes, self.out = x, axes, []  # type: tuple[Any, tuple[int, ...], list[Equation]]
        self.top = self.emit("reduce_max", x, axes=axes)

    def emit(self, name: str, *operands: Any, **params: Any) -> Var:
        result = Var(REGISTRY[name].type(*[o.type for o in operands], **params))
        self.out.append(Equation(REGISTRY[name], operands, params, (result,)))
        return result

    def number(self, x: float) -> Const:
        return Const(np.asarray(x, self.x.type.dtype))

    def spread(self, s: Any) -> Var:
        """What there is one of for each sum, for each element."""
        shape = self.x.type.shape
        kept = tuple([1 if a in self.axes else n for a, n in enumerate(shape)])
        return self.emit("broadcast", self.emit("reshape", s, shape=kept), shape=shape)

    def sum(self, x: Any) -> Var:
        return self.emit("reduce_sum", x, axes=self.axes)

    def finite_top(self) -> Var:
        """The largest element, or 0 in its place if it is not finite."""
        return self.emit("select", self.emit("isfinite", self.top), self.top, self.number(0.0))

    def softmax(self) -> None:
        part = self.emit("exp", self.emit("subtract", self.x, self.spread(self.top)))
        self.emit("divide", part, self.spread(self.sum(part)))

    def log_softmax(self) -> None:
        apart = self.emit("subtract", self.x, self.spread(self.finite_top()))
        self.emit("subtract", apart, self.spread(self.emit("log", self.sum(self.emit("exp", apart)))))

    def logsumexp(self) -> None:
        """``log1p(s / m) + log(m) + top``: m elements equal the largest, s is the sum over the others, relative to it."""
        zero, one = self.number(0.0), self.number(1.0)
        equal = self.emit("equal", self.x, self.spread(self.top))
        count = self.sum(self.emit("select", equal, one, zero))
        part = self.emit("exp", self.emit("subtract", self.x, self.spread(self.finite_top())))
        others = self.sum(self.emit("select", equal, zero, part))
        ratio = self.emit("select", self.emit("equal", others, zero), others, self.emit("divide", others, count))
        logs = self.emit("add", self.emit("log1p", ratio), self.emit("log", count))
        self.emit("add", logs, self.top)


_FORMULAS: dict[str, Callable[[_Formula], None]] = {
    "softmax": _Formula.softmax, "log_softmax": _Formula.log_softmax, "logsumexp": _Formula.logsumexp}


def _written_out(e: Equation) -> bool:
    """One real operand that has elements, no weights, no sign."""
    if e.primitive.name not in _FORMULAS or len(e.operands) > 1 or e.params.get("signed", False):
        return False
    x = e.operands[0].type
    return x.dtype.kind == "f" and x.dtype.itemsize in (4, 8) and x.size > 0


def lowered(graph: Graph) -> Graph:
    """See the head of this file."""
    found: list[Equation] = []
    env: dict[Any, Any] = {}
    lines: dict[Equation, frozenset[str]] = {}
    for e in graph.equations:
        params = {k: with_subgraphs(v, lowered) for k, v in e.params.items()} if e.primitive.holds_graphs else e.params
        operands = tuple([env.get(o, o) for o in e.operands])
        if _written_out(e):
            formula = _Formula(operands[0], e.params["axes"])
            _FORMULAS[e.primitive.name](formula)
            env[e.results[0]] = formula.out[-1].results[0]
            new = formula.out
        else:
            same = operands == e.operands and all(params[k] is e.params[k] for k in params)
            new = [e if same else Equation(e.primitive, operands, params, e.results)]
        found += new
        if e in graph.lines:
            lines.update(dict.fromkeys(new, graph.lines[e]))
    if len(found) == len(graph.equations) and all(x is y for x, y in zip(found, graph.equations, strict=True)):
        return graph
    return Graph(graph.inputs, tuple(found), tuple([env.get(o, o) for o in graph.outputs]), lines)
