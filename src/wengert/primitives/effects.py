"""Effects: what a graph does besides computing values.

What comes in: an action of Python (a draw from a generator, a print, a raise) and its operands. What goes out: its results, at
the place in the program where it stands. The one idea: one primitive that is not pure, so no transform shares, drops, repeats
or moves it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.graph import ArrayType, Primitive

__all__ = ["Action", "effect"]


class Action:
    """What an effect does: ``run(*values)`` gives a tuple of results. Known by its identity."""

    __slots__ = ("name", "run")

    def __init__(self, name: str, run: Callable[..., tuple[Any, ...]]):
        self.name, self.run = name, run

    def __repr__(self) -> str:
        return f"<{self.name}>"


def _effect(*operands: Any, action: Action, types: tuple[ArrayType, ...]) -> tuple[Any, ...]:
    out = action.run(*operands)
    return tuple([np.asarray(x, t.dtype)[()] for x, t in zip(out, types, strict=True)])


def _sample(rng: np.random.Generator) -> Any:
    return [((), {"action": Action("draw", lambda: (0.5,)), "types": (ArrayType((), np.float64),)})]


effect = Primitive("effect", type=lambda *operands, action, types: types, evaluate=_effect, multiple=True, pure=False,
                   differentiable=False, sample=_sample)
