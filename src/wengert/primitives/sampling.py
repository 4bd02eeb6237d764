"""Samples for the law tests: operands inside the domain of a primitive.

What comes in: shapes, intervals and parameters. What goes out: ``sample(rng)``, a list of
``(operands, params)``. The one idea: every primitive carries its own test data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Sample", "cases", "complex_too", "interval"]

Cases = list[tuple[tuple[Any, ...], dict[str, Any]]]
Sample = Callable[["np.random.Generator"], Cases]  # a string: numpy.random is not imported for it


def cases(*shapes_and_params: tuple[Any, dict[str, Any]], low: float = -2.0, high: float = 2.0) -> Sample:
    """One real operand for each (shape, params)."""
    def sample(rng: np.random.Generator) -> Cases:
        return [((rng.uniform(low, high, shape),), dict(params)) for shape, params in shapes_and_params]
    return sample


def interval(*bounds: tuple[float, float], shapes: tuple[tuple[tuple[int, ...], ...], ...] | None = None,
             complex_: bool = False) -> Sample:
    """Operands uniform in one interval each, at several shapes; with `complex_`, a complex case too."""
    n = len(bounds)
    default = [((3,),) * n, ((),) * n, ((2, 3), (3,), (2, 1))[:n]]

    def sample(rng: np.random.Generator) -> Cases:
        out: Cases = []
        for group in shapes or default:
            out.append((tuple(rng.uniform(lo, hi, s) for (lo, hi), s in zip(bounds, group, strict=True)), {}))
        if complex_:
            out.append((tuple(rng.uniform(lo, hi, 4) + 1j * rng.uniform(lo, hi, 4) for lo, hi in bounds), {}))
        return out
    return sample


def complex_too(*bounds: tuple[float, float]) -> Sample:
    """As `interval`, with a complex case."""
    return interval(*bounds, complex_=True)
