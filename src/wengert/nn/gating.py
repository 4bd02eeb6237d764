"""Parts that go around other parts: residual connections, gates, the feed-forward block.

What comes in: layers or functions, and an input. What goes out: their output, added to the input or weighed against it. The one
idea: a key goes on to a part that takes one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any

import numpy as np

from wengert import random
from wengert.errors import InputError
from wengert.structured import call, user_line

from .activations import relu, sigmoid
from .checks import called, shown
from .construction import layer_class
from .linear import Linear
from .sequential import Dropout, key_for, trained

__all__ = ["FeedForward", "GatedLinear", "Highway", "Residual"]


def part(place: str, layer: Any, x: Any, key: Any) -> Any:
    """The output of a part for x, of the shape of x."""
    return _around(place, x, called(place, layer, x, **key_for(place, layer, key)))


def _around(place: str, x: Any, y: Any) -> Any:
    """y, which has to have the shape of x."""
    if np.shape(y) != np.shape(x):
        raise InputError(f"{place} at {user_line()}: it takes {np.shape(x)} and gives {np.shape(y)}; what goes around it needs "
                         "the same shape")
    return y


@layer_class
class Residual:
    """x + layer(x).

    Parameters
    ----------
    layer : layer or function
        Its output has the shape of its input.

    References
    ----------
    He, Zhang, Ren, Sun (2016), Deep residual learning for image recognition.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.nn.Residual(np.square)(np.array([1.0, 2.0]))
    array([2., 6.])
    """

    layer: Any

    __repr__ = shown

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        """The sum; a key goes on to the layer, if it takes one."""
        return x + part(".layer", self.layer, x, key)

    def train(self, x: Any, *, key: Any = None) -> tuple[Any, Residual]:
        """The sum in training, and the layer with the running statistics that follow (see `BatchNorm`)."""
        y, layer = trained(".layer", self.layer, x, key)
        return x + _around(".layer", x, y), Residual(layer)


@layer_class
class Highway:
    """g · layer(x) + (1 - g) · x, with the gate g = sigmoid(gate(x)).

    Parameters
    ----------
    layer : layer or function
        Its output has the shape of its input.
    gate : Linear

    References
    ----------
    Srivastava, Greff, Schmidhuber (2015), Highway networks.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.nn.Highway(np.square, wg.nn.Linear(np.zeros((2, 2)), np.zeros(2)))(np.array([1.0, 2.0]))
    array([1., 3.])
    """

    layer: Any
    gate: Linear

    __repr__ = shown

    @classmethod
    def init(cls, key: Any, layer: Any, features: int, *, bias: float = -1.0, dtype: Any = float) -> Highway:
        """A gate for a layer of so many features; its bias begins below zero, so that at first x passes."""
        gate = Linear.init(key, features, features, bias=False, dtype=dtype)
        return cls(layer, Linear(gate.weight, np.full(features, bias, dtype)))

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        """The gated mean; a key goes on to the layer, if it takes one."""
        return self._mixed(x, part(".layer", self.layer, x, key))

    def train(self, x: Any, *, key: Any = None) -> tuple[Any, Highway]:
        """The gated mean in training, and the layer with the running statistics that follow (see `BatchNorm`)."""
        y, layer = trained(".layer", self.layer, x, key)
        return self._mixed(x, _around(".layer", x, y)), Highway(layer, self.gate)

    def _mixed(self, x: Any, y: Any) -> Any:
        return x + sigmoid(called(".gate", self.gate, x)) * (y - x)


@layer_class
class GatedLinear:
    """activation(gate(x)) · value(x): with the sigmoid a gated linear unit (GLU), with `silu` SwiGLU.

    Parameters
    ----------
    gate, value : Linear
    activation : function, static

    References
    ----------
    Dauphin, Fan, Auli, Grangier (2017), Language modeling with gated convolutional networks; Shazeer (2020), GLU variants
    improve transformer.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.nn.GatedLinear.init(wg.random.key(0), 3, 4)(np.ones((5, 3))).shape
    (5, 4)
    """

    gate: Linear
    value: Linear
    activation: Callable[[Any], Any] = field(default=sigmoid, metadata={"static": True})

    __repr__ = shown

    @classmethod
    def init(cls, key: Any, n_in: int, n_out: int, *, bias: bool = True, activation: Callable[[Any], Any] = sigmoid,
             dtype: Any = float) -> GatedLinear:
        """Both linear layers from a key."""
        k_gate, k_value = random.split(key)
        return cls(Linear.init(k_gate, n_in, n_out, bias=bias, dtype=dtype),
                   Linear.init(k_value, n_in, n_out, bias=bias, dtype=dtype), activation)

    def __call__(self, x: Any) -> Any:
        """The product, for x of shape (..., n_in)."""
        return call(self.activation, called(".gate", self.gate, x)) * called(".value", self.value, x)


@layer_class
class FeedForward:
    """down(dropout(activation(up(x)))): the part of a transformer that treats every position by itself.

    Parameters
    ----------
    up : Linear or GatedLinear
    down : Linear
    activation : function, static
    dropout : float, static

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.nn.FeedForward.init(wg.random.key(0), 8, 32)(np.ones((5, 8))).shape
    (5, 8)
    """

    up: Any
    down: Linear
    activation: Callable[[Any], Any] = field(default=relu, metadata={"static": True})
    dropout: float = field(default=0.0, metadata={"static": True})

    __repr__ = shown

    @classmethod
    def init(cls, key: Any, features: int, hidden: int, *, bias: bool = True, activation: Callable[[Any], Any] = relu,
             dropout: float = 0.0, dtype: Any = float) -> FeedForward:
        """Both linear layers from a key."""
        k_up, k_down = random.split(key)
        return cls(Linear.init(k_up, features, hidden, bias=bias, dtype=dtype),
                   Linear.init(k_down, hidden, features, bias=bias, dtype=dtype), activation, dropout)

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        """For x of shape (..., features)."""
        hidden = call(self.activation, called(".up", self.up, x))
        return called(".down", self.down, Dropout(self.dropout)(hidden, key=key))
