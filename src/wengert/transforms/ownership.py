"""Ownership: which writes may reuse the buffer of the array that they write into.

What comes in: a graph. What goes out: the set of write equations that may happen in place. The one idea: a
buffer may be overwritten when this graph made it and nothing reads it, or a view of it, afterwards. Both back
ends obey this one decision; it makes a loop of element writes cost the elements.
"""

from __future__ import annotations

from wengert.graph import Equation, Graph, Var

__all__ = ["in_place"]

_WRITES = {"index_set", "index_add"}
_VIEWS = {"reshape", "transpose", "broadcast", "index", "flip", "window", "real", "imag", "positive",
          "convert", "conjugate", "stop_gradient"}
_MAY_RETURN_OPERANDS = {"custom_jvp", "custom_vjp", "custom_vjp_linear", "python_call"}


def in_place(graph: Graph) -> frozenset[Equation]:
    """The ``index_set`` and ``index_add`` equations that may overwrite their first operand."""
    if not any(e.primitive.name in _WRITES for e in graph.equations):
        return frozenset()
    last: dict[Var, int] = {}
    for k, e in enumerate(graph.equations):
        for o in e.operands:
            if isinstance(o, Var):
                last[o] = k
    for o in graph.outputs:
        if isinstance(o, Var):
            last[o] = len(graph.equations)
    family: dict[Var, list[Var]] = {}
    owned: set[Var] = set()
    allowed: set[Equation] = set()
    for k, e in enumerate(graph.equations):
        name, first = e.primitive.name, (e.operands[0] if e.operands else None)
        if name in _WRITES:
            if isinstance(first, Var) and first in owned and all(last.get(v, -1) <= k for v in family[first]) \
                    and not any(o in family[first] for o in e.operands[1:]):  # type: ignore[index]
                allowed.add(e)
            family[e.results[0]] = [e.results[0]]
            owned.add(e.results[0])
        elif name in _VIEWS and isinstance(first, Var) and first in family:
            family[first].append(e.results[0])
            family[e.results[0]] = family[first]
        elif name in _MAY_RETURN_OPERANDS:
            for o in e.operands:
                if isinstance(o, Var) and o in family:
                    owned.difference_update(family[o])
    return frozenset(allowed)
