"""Models made of parts, one after the other; dropout; flattening.

What comes in: layers and plain functions. What goes out: a layer. The one idea: a key goes on to the parts that take one, a new
one to each, and what a part says of bad input is told with its place.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Any

import numpy as np

from wengert import random
from wengert.errors import InputError, kind_of
from wengert.flatten import Frozen

from .checks import called, require_axes, shown
from .construction import layer_class

__all__ = ["Dropout", "Flatten", "Sequential", "key_for", "takes_key", "trained"]


@layer_class
class Sequential:
    """Layers and functions, one after the other: ``layers[2](layers[1](layers[0](x)))``.

    Parameters
    ----------
    layers : tuple of callables

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> first, second = wg.random.split(wg.random.key(0))
    >>> nn = wg.nn
    >>> model = nn.Sequential((nn.Linear.init(first, 3, 8), nn.relu, nn.Dropout(0.5), nn.Linear.init(second, 8, 1)))
    >>> model(np.ones((5, 3))).shape
    (5, 1)
    >>> y = model(np.ones((5, 3)), key=wg.random.key(1))  # in training: dropout draws
    >>> model(np.ones((5, 4)))
    Traceback (most recent call last):
        ...
    wengert.errors.InputError: .layers[0]: Linear at ...: x is float64 (5, 4) and weight float64 (3, 8); x has to have 3 ...
    """

    layers: tuple[Any, ...]

    __repr__ = shown

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers) if isinstance(self.layers, list) else self.layers)
        if not isinstance(self.layers, tuple) or not all(map(callable, self.layers)):
            wrong = self.layers if not isinstance(self.layers, tuple) else next(x for x in self.layers if not callable(x))
            raise InputError(f"Sequential: layers is a tuple of layers and functions; {kind_of(wrong)} is none")

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        """The last layer's output; a key makes the parts draw that are random in training."""
        for k, layer in enumerate(self.layers):
            place = f".layers[{k}]"
            _takes(self.layers, k, x)
            x = called(place, layer, x, **key_for(place, layer, None if key is None else random.fold_in(key, k)))
        return x

    def train(self, x: Any, *, key: Any = None) -> tuple[Any, Sequential]:
        """The output in training, and the model with the running statistics that follow (see `BatchNorm`)."""
        layers = []
        for k, layer in enumerate(self.layers):
            _takes(self.layers, k, x)
            x, after = trained(f".layers[{k}]", layer, x, None if key is None else random.fold_in(key, k))
            layers.append(after)
        return x, dataclasses.replace(self, layers=tuple(layers))

    def __getitem__(self, k: Any) -> Any:
        """A layer, or for a slice a model of some of them."""
        return dataclasses.replace(self, layers=self.layers[k]) if isinstance(k, slice) else self.layers[k]

    def __len__(self) -> int:
        return len(self.layers)


def _takes(layers: tuple[Any, ...], k: int, x: Any) -> None:
    """That no pair, such as recurrent layers give, goes into a layer that takes an array."""
    kind = type(layers[k])
    own = dataclasses.is_dataclass(kind) and kind.__module__.startswith("wengert.nn") and not issubclass(kind, Sequential)
    if k and isinstance(x, tuple) and own:
        raise InputError(f".layers[{k - 1}]: {type(layers[k - 1]).__name__} gives {len(x)} values (outputs and state, if it is "
                         f"recurrent), and {kind.__name__} takes one array; put lambda pair: pair[0] between them")


def trained(place: str, layer: Any, x: Any, key: Any) -> tuple[Any, Any]:
    """A part's output in training, and the part that follows: itself, if it has no method `train`."""
    train = getattr(layer, "train", None)
    if train is not None:
        return called(place, train, x, **key_for(place, train, key))
    _keeps_no_statistics(layer, place)
    return called(place, layer, x, **key_for(place, layer, key)), layer


def _keeps_no_statistics(layer: Any, place: str) -> None:
    """That nothing in a part without `train` has one: it would go by its running statistics in training, in silence."""
    for inner in _parts(layer):
        if hasattr(inner, "train"):
            raise InputError(f"{place}: {type(layer).__name__} holds a {type(inner).__name__} and has no method `train`, which "
                             "gives (output, new layer); write one, or freeze the statistics: nn.Frozen(layer)")


def _parts(x: Any) -> Iterator[Any]:
    """What lies in a tree, but not what is frozen."""
    if isinstance(x, (tuple, list, dict)):
        inside = list(x.values()) if isinstance(x, dict) else list(x)
    elif dataclasses.is_dataclass(x) and not isinstance(x, (type, Frozen)):
        inside = [getattr(x, f.name) for f in dataclasses.fields(x)]
    else:
        return
    for part in inside:
        yield part
        yield from _parts(part)


def key_for(place: str, layer: Callable[..., Any], key: Any) -> dict[str, Any]:
    """The key as an argument, if there is one and the part takes one; one that drops numbers and takes none is refused."""
    if key is None:
        return {}
    if takes_key(layer):
        return {"key": key}
    whole = getattr(layer, "__self__", inspect.unwrap(layer))
    for inner in _parts(whole):
        if inner.rate if isinstance(inner, Dropout) else getattr(inner, "dropout", 0):
            raise InputError(f"{place}: {type(whole).__name__} holds a {type(inner).__name__} that drops numbers, and takes no "
                             "key: it would drop none in training. Give it an argument `key=None`, and hand the key on")
    return {}


def takes_key(layer: Callable[..., Any]) -> bool:
    """Whether a layer or a function has an argument named `key`."""
    layer = inspect.unwrap(layer)
    if isinstance(layer, Frozen):
        return takes_key(layer.value)
    if isinstance(layer, functools.partial):
        return "key" not in layer.keywords and takes_key(layer.func)
    function = getattr(layer, "__func__", layer)
    code = getattr(function, "__code__", None) or getattr(inspect.unwrap(type(layer).__call__), "__code__", None)
    if code is None:
        return False
    named = code.co_argcount + code.co_kwonlyargcount
    return "key" in code.co_varnames[:named] or bool(code.co_flags & inspect.CO_VARKEYWORDS)


@layer_class
class Dropout:
    """Each number is 0 with probability `rate` and else divided by 1 − rate, so that means stay; without a key the identity.

    Parameters
    ----------
    rate : float
        From 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> layer = wg.nn.Dropout(0.5)
    >>> layer(np.ones(4), key=wg.random.key(1))
    array([2., 0., 2., 2.])
    >>> layer(np.ones(4))
    array([1., 1., 1., 1.])

    References
    ----------
    Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15 (2014).
    """

    rate: float = field(default=0.5, metadata={"static": True})

    def __post_init__(self) -> None:
        if not (isinstance(self.rate, (int, float)) and 0.0 <= self.rate <= 1.0):
            raise InputError(f"Dropout: the rate is a number from 0 to 1, not {self.rate!r}")

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        """x with some numbers set to 0."""
        if key is None or self.rate == 0.0:
            return x
        if self.rate == 1.0:
            return np.where(False, x, 0)
        kept = random.bernoulli(key, 1.0 - self.rate, np.shape(x))
        return np.where(kept, x / (1.0 - self.rate), 0)


@layer_class
class Flatten:
    """(batch, ...) -> (batch, n): all axes but the first as one.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.nn.Flatten()(np.ones((5, 2, 3))).shape
    (5, 6)
    """

    def __call__(self, x: Any) -> Any:
        """x as a matrix."""
        require_axes("Flatten", x, 1, "(batch, ...)")
        shape = np.shape(x)
        return np.reshape(x, (shape[0], math.prod(shape[1:])))
