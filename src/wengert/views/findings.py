"""Where a value or a derivative that is not finite arose, in plain sentences.

What comes in: a `Derivation`. What goes out: at most one sentence for the forward pass and one for the backward pass. The one
idea: the first node with such a value whose operands have none is where it arose; all later ones only pass it on.
"""

from __future__ import annotations

import os
from typing import Any

from wengert.views.derivation import Contribution, Derivation, Node, is_finite
from wengert.views.numbers import short

__all__ = ["findings"]


def findings(d: Derivation) -> list[str]:
    """The sentences; none if all is finite."""
    return [said for said in (_forward(d), _backward(d)) if said]


def _bad(x: Any) -> bool:
    return x is not None and not is_finite(x)


def _forward(d: Derivation) -> str | None:
    if d.failure:
        last = d.nodes[-1] if d.nodes else None
        after = f" The last operation before it was {last.name} = {last.text}{_at(last)}." if last and last.operands else ""
        return f"The evaluation ended with {d.failure}.{after}"
    node = next((n for n in d.nodes if _bad(n.value)), None)
    if node is None:
        return None
    if node.kind == "input":
        return f"The input {node.name} is {short(node.value)}; all that depends on it may be likewise."
    given = ", ".join(f"{d.nodes[k].name} = {short(d.nodes[k].value)}" for k in node.operands)
    same = " The result is finite all the same." if not any(_bad(d.nodes[k].value) for k in d.outputs) else ""
    return f"{node.name} = {node.text} is {short(node.value)}{_at(node)}: {given or 'it has no operands'}.{same}"


def _backward(d: Derivation) -> str | None:
    for k in d.backward:
        node = d.nodes[k]
        if not _bad(node.adjoint):
            continue
        made = next((c for c in node.contributions if _bad(c.amount)), None)
        if made is None:
            if node.seed is not None:
                return f"The cotangent of {node.name} is {short(node.seed)} from the start."
            return f"The adjoint of {node.name} is {short(node.adjoint)}: the terms are finite, and their sum is not."
        return _made(d, node, made)
    return None


def _made(d: Derivation, node: Node, c: Contribution) -> str:
    source = d.nodes[c.source]
    start = f"Backward, the adjoint of {node.name} is {short(node.adjoint)}{_at(source)}: "
    if c.partial is None:
        return start + f"it comes back from {source.name} = {source.text} ({c.word}), whose adjoint is {short(source.adjoint)}."
    local = f"∂{source.name}/∂{node.name} = {c.word}" if c.word else f"∂{source.name}/∂{node.name}"
    factors = f"{local} is {short(c.partial)}, and the adjoint of {source.name} = {source.text} is {short(source.adjoint)}"
    return start + factors + "."


def _at(node: Node) -> str:
    return f" (at {os.path.basename(node.line)})" if node.line else ""
