"""Random draws that meet traced values.

What comes in: ``rng.permutation(x)``, ``rng.choice(x, 3)``, ``rng.shuffle(x)`` of traced arrays. What goes out: the elements
that NumPy would pick, from the same state of the generator. The one idea: positions are drawn, and the array is indexed.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.registry import FUNCTIONS, NeedsValueError
from wengert.frontends.trace import under_vmap, user_line
from wengert.frontends.tracer import Tracer, as_traced

__all__ = ["is_draw", "pick"]

_NUMPYS = (np.random.Generator, np.random.RandomState)


def is_draw(function: Any) -> bool:
    """Whether this is a method of a random generator; under vmap that is refused, since all lanes would share the draw."""
    if not isinstance(getattr(function, "__self__", None), (*_NUMPYS, random.Random)):
        return False
    if under_vmap():
        raise NeedsValueError(f"a random number is drawn under vmap at {user_line()}; draw an array outside and map over it")
    return isinstance(function.__self__, _NUMPYS)


def pick(function: Any, x: Any = None, /, *args: Any, **kwargs: Any) -> Any:
    """A draw from a generator of NumPy with a traced argument."""
    name, generator = function.__name__, function.__self__
    if name == "shuffle":
        return _shuffle(generator, x, *args, **kwargs)
    x = as_traced(x)
    if isinstance(x, Tracer) and x.shape and name in ("permutation", "choice"):
        given = dict(zip({"choice": ("size", "replace", "p", "axis")}.get(name, ("axis",)), args, strict=False)) | kwargs
        if not any(isinstance(v, Tracer) for v in given.values()):
            axis = given.pop("axis", 0)
            if name == "permutation":
                places = generator.permutation(x.shape[axis])
            elif x.ndim == 1 or isinstance(generator, np.random.Generator):
                places = generator.choice(x.shape[axis], **given)
            else:
                raise ValueError("a must be 1-dimensional")
            return FUNCTIONS[np.take](x, places, axis=axis)
    raise UnsupportedError(
        f"random.{name} at {user_line()} is given a traced value, and how the draw depends on it is not known. Draw from a "
        f"fixed distribution and transform it: loc + scale * rng.standard_normal(n)")


def _shuffle(generator: Any, x: Any, axis: int = 0) -> None:
    """NumPy swaps what is no ndarray item by item, and rows that are views would be lost.

    The draws depend on the length alone, so the places are shuffled instead. A list is shuffled as it is.
    """
    if not isinstance(x, Tracer):
        generator.shuffle(x)
        return
    order = np.arange(x.shape[axis])
    generator.shuffle(order)
    x[...] = FUNCTIONS[np.take](x, order, axis=axis)
