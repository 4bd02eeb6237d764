"""Random draws that meet traced values.

What comes in: ``rng.permutation(x)``, ``rng.choice(x, 3)``, ``rng.shuffle(x)`` of traced arrays, ``rng.normal(x)`` of traced
parameters. What goes out: what NumPy would draw, from the same state of the generator. The one idea: positions are drawn, and
the array is indexed; standard numbers are drawn, and scaled.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.registry import FUNCTIONS, NeedsValueError
from wengert.frontends.trace import under_vmap, user_line
from wengert.frontends.tracer import Tracer, as_traced

__all__ = ["SCALED", "generator_states", "is_draw", "note_generator", "noting_generators", "pick", "set_generators",
           "standard_draw"]

_NUMPYS = (np.random.Generator, np.random.RandomState)


def is_draw(function: Any) -> bool:
    """Whether this is a method of a random generator; under vmap that is refused, since all lanes would share the draw."""
    if not isinstance(getattr(function, "__self__", None), (*_NUMPYS, random.Random)):
        return False
    if under_vmap():
        raise NeedsValueError(f"a random number is drawn under vmap at {user_line()}; draw an array outside and map over it")
    if isinstance(function.__self__, _NUMPYS):
        note_generator(function.__self__)
        return True
    return False


# ---------------------------------------------------------------- the same draws again

_NOTED = threading.local()  # its `states`: of the generators that have drawn, as they were before


@contextmanager
def noting_generators() -> Iterator[dict[int, tuple[Any, Any]]]:
    """Within this context the states of generators are kept, as they are before they first draw."""
    before, _NOTED.states = getattr(_NOTED, "states", None), {}
    try:
        note_generator(np.random.normal.__self__)  # type: ignore[attr-defined]  # NumPy's global one
        yield _NOTED.states
    finally:
        _NOTED.states = before


def note_generator(generator: Any) -> None:
    """A generator that is about to draw."""
    states = getattr(_NOTED, "states", None)
    if states is not None and id(generator) not in states:
        states[id(generator)] = (generator, _state(generator))


def generator_states() -> dict[int, tuple[Any, Any]]:
    """The generators that are noted, with their states now."""
    return {k: (generator, _state(generator)) for k, (generator, _) in (getattr(_NOTED, "states", None) or {}).items()}


def set_generators(states: dict[int, tuple[Any, Any]]) -> None:
    """Put generators back into these states."""
    for generator, state in states.values():
        if isinstance(generator, np.random.RandomState):
            generator.set_state(state)
        else:
            generator.bit_generator.state = state


def _state(generator: Any) -> Any:
    return generator.get_state() if isinstance(generator, np.random.RandomState) else generator.bit_generator.state


def pick(function: Any, *args: Any, **kwargs: Any) -> Any:
    """A draw from a generator of NumPy with a traced argument."""
    name, generator = function.__name__, function.__self__
    if name == "shuffle":
        return _shuffle(generator, *args, **kwargs)
    found = standard_draw(generator, name, args, kwargs)
    if found is not None:
        found.refuse_negative(np.asarray(width.value if isinstance(width := found.width, Tracer) else width))
        return found.scale(getattr(generator, found.method)(*found.size), **found.given)
    return _picked(generator, name, *args, **kwargs)


def _picked(generator: Any, name: str, x: Any = None, /, *args: Any, **kwargs: Any) -> Any:
    """Elements of a traced array at places that are drawn."""
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


# ---------------------------------------------------------------- draws with traced parameters

# Made of a standard draw: NumPy computes them so, operation by operation.
SCALED: dict[str, tuple[str, Callable[..., Any]]] = {
    "normal": ("standard_normal", lambda z, loc=0.0, scale=1.0: loc + scale * z),
    "uniform": ("random", lambda u, low=0.0, high=1.0: low + (high - low) * u),
    "exponential": ("standard_exponential", lambda e, scale=1.0: scale * e),
}


@dataclass(frozen=True)
class StandardDraw:
    """A draw of standard numbers by `method` with arguments `size`, and what makes of them the draw that is meant."""

    method: str
    size: tuple[Any, ...]
    scale: Callable[..., Any]
    given: dict[str, Any]
    width: Any
    message: str

    def refuse_negative(self, width: Any) -> None:
        """The error of NumPy for a negative width."""
        if self.message and np.any(np.signbit(width)):
            raise ValueError(self.message)


def standard_draw(generator: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> StandardDraw | None:
    """How a draw with traced parameters is made of a standard one; None if that is not known."""
    if name not in SCALED:
        return None
    method, scale = SCALED[name]
    names = scale.__code__.co_varnames[1:scale.__code__.co_argcount]
    given = {**dict(zip((*names, "size"), args, strict=False)), **kwargs}
    size = given.pop("size", None)
    if set(given) - set(names):
        return None
    given = {k: as_traced(v) for k, v in given.items()}
    given = {k: np.asarray(v) if isinstance(v, (list, tuple)) else v for k, v in given.items()}
    shape = np.broadcast_shapes(*[np.shape(v) for v in given.values()])
    if size is None and shape:
        size = shape
    legacy = isinstance(generator, np.random.RandomState)
    if method == "random" and legacy:
        method = "random_sample"
    if name == "uniform":
        width = given.get("high", 1.0) - given.get("low", 0.0)
        message = "" if legacy else "high - low < 0"
    else:
        width, message = given.get("scale", 1.0), "scale < 0"
    return StandardDraw(method, () if size is None else (size,), scale, given, width, message)
