"""Products merged into the sums that read them.

What comes in: a graph. What goes out: a graph of the same function, to the order of a sum. The one idea: a product of which
only one sum is read (`y + A @ x`, the windows of a cotangent added up) is added to the other summand where that one lies, if
it lies in memory and nobody else reads it: no array of the product's own is made, written and read.
"""

from __future__ import annotations

from typing import Any

from wengert.backends.compiled import small
from wengert.backends.compiled.block import plan_of
from wengert.backends.compiled.plan import Plan
from wengert.backends.compiled.products import supported_contract
from wengert.graph import REGISTRY, Equation, Graph, Var
from wengert.graph.walk import with_subgraphs

__all__ = ["merged"]


def merged(graph: Graph) -> Graph:
    """See the head of this file."""
    equations = [_inside(e) for e in graph.equations]
    lines = {new: graph.lines[e] for e, new in zip(graph.equations, equations, strict=True) if e in graph.lines}
    if any(e is not new for e, new in zip(graph.equations, equations, strict=True)):
        graph = Graph(graph.inputs, tuple(equations), graph.outputs, lines)
    if not any(e.primitive.name == "contract" for e in equations):
        return graph
    return _Merge(graph).graph()


def _inside(e: Equation) -> Equation:
    if not e.primitive.holds_graphs:
        return e
    params = {k: with_subgraphs(v, merged) for k, v in e.params.items()}
    return e if all(params[k] is e.params[k] for k in params) else Equation(e.primitive, e.operands, params, e.results)


class _Merge:
    """One graph, while its sums are looked at in order."""

    def __init__(self, graph: Graph):
        self.old = graph
        self.plan: Plan = plan_of(graph)
        self.made: dict[Any, Equation] = {r: e for e in graph.equations for r in e.results}  # as it is now
        self.count: dict[Any, int] = {}
        for o in (*graph.outputs, *[o for e in graph.equations for o in e.operands]):
            self.count[o] = self.count.get(o, 0) + 1

    def graph(self) -> Graph:
        found: list[Equation] = []
        lines = dict(self.old.lines)
        for e in self.old.equations:
            product, addend, windows = self._sum(e)
            if product is None:
                found.append(e)
                continue
            a, b = product.operands[:2]
            params = {"spec": product.params["spec"], "windows": windows or product.params.get("windows", ()),
                      "shape": e.results[0].type.shape}
            new = Equation(REGISTRY["add_contract"], (a, b, *addend), params, e.results)
            lines[new] = lines.get(e, frozenset()) | lines.get(product, frozenset())
            found.remove(product)
            found.append(new)
            self.made[e.results[0]] = new
        if len(found) == len(self.old.equations):
            return self.old
        return Graph(self.old.inputs, tuple(found), self.old.outputs, {e: lines[e] for e in found if e in lines})

    def _sum(self, e: Equation) -> tuple[Equation | None, tuple[Var, ...], Any]:
        """The product that is added by this equation, what it is added to, and the windows of that."""
        r = e.results[0] if e.results else None
        if r is None or self.plan.in_registers(r):
            return None, (), ()
        if e.primitive.name == "window_sum":
            found = self._product(e.operands[0], windows=True)
            return (found, (), e.params["windows"]) if found and found.primitive.name == "contract" else (None, (), ())
        if e.primitive.name == "add" and len(e.operands) == 2 and r.type.dtype.kind in "fc":
            for term, other in (e.operands, e.operands[::-1]):
                found = self._product(term)
                if found and len(found.operands) == 2 and term.type == r.type and self._lies(other, r):
                    return found, (other,), ()  # type: ignore[return-value]
        return None, (), ()

    def _product(self, x: Any, windows: bool = False) -> Equation | None:
        """The product that a variable is, if nothing else reads it and it is a call of the library, or larger than its sum."""
        e = self.made.get(x)
        if e is None or self.count.get(x) != 1 or e.primitive.name not in ("contract", "add_contract"):
            return None
        inlined = e.primitive.name == "contract" and self.plan.inlined[e] and not windows
        if inlined or small.supported(e) or not supported_contract(e):
            return None
        return e

    def _lies(self, y: Any, r: Var) -> bool:
        """Whether a summand lies in memory that may become the sum's.

        Where it is given from outside, the sum has to lie in memory anyway: it may have to be copied.
        """
        if not isinstance(y, Var) or y.type != r.type or self.count.get(y) != 1 or y in self.plan.alias:
            return False
        e = self.made.get(y)
        if e is None:
            return r in self.plan.memory
        return e.primitive.name == "add_contract" or not self.plan.inlined.get(e, True)
