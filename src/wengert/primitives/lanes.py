"""Batching by lanes: the rule of last resort.

What comes in: a primitive and batched operands. What goes out: the results, stacked. The one idea: apply the
primitive to each lane and stack; exact for every primitive, with equations in proportion to the batch.
"""

from __future__ import annotations

from typing import Any

from wengert.graph import Primitive
from wengert.primitives.structure import concatenate, reshape

__all__ = ["over_lanes"]


def over_lanes(primitive: Primitive, n: int, operands: Any, batched: Any, params: dict[str, Any]) -> Any:
    """Results of `primitive` on each of `n` lanes, stacked along a new axis 0."""
    from wengert.primitives.index import basic_index
    lanes = []
    for k in range(n):
        lane = [basic_index(o, (k,)) if b else o for o, b in zip(operands, batched, strict=True)]
        result = primitive(*lane, **params)
        lanes.append(result if primitive.multiple else (result,))
    stacked = tuple(_stack(column) for column in zip(*lanes, strict=True))
    return stacked if primitive.multiple else stacked[0]


def _stack(column: Any) -> Any:
    return concatenate(*[reshape(c, shape=(1, *c.shape)) for c in column], axis=0)
