"""A value that is only there if a condition holds.

What comes in: an array and a condition, which is known when the graph runs. What goes out: the array. The one idea: the
identity, which raises what the plain program would raise at this place; it is no effect, so it can be batched, and it goes
where its result is not used.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import ArrayType, Primitive
from wengert.primitives.matrices import lifted

__all__ = ["assured", "guard"]


def _evaluate(x: Any, holds: Any, *, message: str) -> Any:
    if not np.all(holds):
        raise ValueError(message + _first(x, holds))
    return np.array(x)


def _first(x: Any, holds: Any) -> str:
    """Which element it is, of an array that has a condition for each."""
    if not np.ndim(x) or np.shape(x) != np.shape(holds):
        return ""
    place = tuple([int(k) for k in np.argwhere(~np.asarray(holds))[0]])
    return f"; {np.asarray(x)[place]} at {list(place)}"


guard: Primitive = Primitive(
    "guard", type=lambda x, holds, *, message: ArrayType(x.shape, x.dtype), evaluate=_evaluate, linear=(0,),
    transpose=lambda ct, i, ops, *, message: ct, batch=lambda n, ops, batched, *, message: guard(
        *lifted(n, ops, batched), message=message),
    sample=lambda rng: [((rng.normal(size=(3,)), np.array([True, True])), {"message": "not fine"}),
                        ((rng.normal(size=(2, 2)) + 1j, np.array(True)), {"message": "not fine"})])


def _assured(*holds: Any) -> tuple[()]:
    if not all(holds):
        raise ValueError("a result of compiled code is not the interpreter's")
    return ()


# No result: where not all conditions hold, compiled code gives up, and the interpreter runs the call.
assured: Primitive = Primitive(
    "assured", type=lambda *holds: (), evaluate=_assured, multiple=True, pure=False, differentiable=False,
    sample=lambda rng: [((np.array(True), np.array(True)), {})])
