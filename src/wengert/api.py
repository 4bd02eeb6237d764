"""The friendly layer: derivatives of Python functions.

What comes in: a function of arrays (or trees of arrays) and a point. What goes out: values and derivatives, as
ordinary arrays. The one idea: run the function once to get its graph and all values, derive the graph (kept, and
found again by its structure), and evaluate the derivative at those values; inside another trace the derived
graph is applied to that trace's values, so derivatives nest without limit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.run import Run

__all__ = ["grad", "value_and_grad"]

Argnums = int | Sequence[int]


def value_and_grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        run = Run("grad", f, args, kwargs, argnums, has_aux)
        run.require_scalar()
        gradient = run.arrange(run.pull_back([np.ones((), v.type.dtype)[()] for v in run.out_vars]))
        value = run.result()
        return ((value, run.aux) if has_aux else value), gradient
    return value_and_gradient


def grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    both = value_and_grad(f, argnums, has_aux)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, derivative = both(*args, **kwargs)
        return (derivative, value[1]) if has_aux else derivative
    return gradient
