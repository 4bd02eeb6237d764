"""Integrands and right-hand sides that jump where a derivative would not see it.

What comes in: a function along a path, and its comparisons. What goes out: nothing, or an error. The one idea: a
derivative under the integral sign, or along a trajectory, misses the movement of a jump; jumps come from comparisons, so
where one of them changes along the path, the two sides are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import NonDifferentiableError

__all__ = ["require_no_jump"]

_CLOSE = 1e-6  # of the size of the values: a smaller step counts as none


def require_no_jump(look: Callable[..., Any], value: Callable[..., Any], points: Any, at: Callable[[float], Any],
                    what: str) -> None:
    """Refuse a function ``value(*at(x))`` that jumps where one of ``look(*at(x))`` changes between two of the points.

    `what` says what jumps, and the remedy, with ``{}`` for the place.
    """
    state = [look(*at(x)) for x in points]
    for k in range(len(points) - 1):
        if _same(state[k], state[k + 1]):
            continue
        left, right = points[k], points[k + 1]
        for _ in range(60):
            middle = 0.5 * (left + right)
            left, right = (middle, right) if _same(state[k], look(*at(middle))) else (left, middle)
        one, other = (np.asarray(value(*at(x))[0]) for x in (left, right))
        if np.any(np.abs(one - other) > _CLOSE * np.maximum(np.abs(one), np.abs(other)).max(initial=1e-300)):
            raise NonDifferentiableError(what.format(f"{right:.6g}"))


def _same(a: Any, b: Any) -> bool:
    return all(np.array_equal(u, v) for u, v in zip(a, b, strict=True))
