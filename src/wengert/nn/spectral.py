"""Spectral normalization: a layer whose weight is divided by its largest singular value.

What comes in: a layer with a `weight`. What goes out: the layer's output with the weight normalized, and in training the
vectors that find the singular value. The one idea: power iteration is explicit state (`Frozen`), one step per training call.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from wengert import random
from wengert.api import stop_gradient
from wengert.errors import InputError, kind_of
from wengert.flatten import Frozen

from .checks import called, shown
from .construction import layer_class

__all__ = ["SpectralNorm"]

_EPS = 1e-12  # the least length that a vector is divided by


@layer_class
class SpectralNorm:
    """The layer with weight / σ in place of its weight, σ = uᴴ W v an estimate of the largest singular value of W.

    W is the weight as a matrix, its first axis by all others. u and v are constants of a derivative, as in torch: where they
    have converged, u vᵀ is the derivative of the largest singular value.

    Parameters
    ----------
    layer : dataclass with a field `weight`
    vectors : Frozen
        Of the pair (u, v).

    References
    ----------
    Miyato, Kataoka, Koyama, Yoshida (2018), Spectral normalization for generative adversarial networks, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> layer = wg.nn.SpectralNorm.init(wg.random.key(0), wg.nn.Linear(np.diag([4.0, 1.0])), steps=50)
    >>> layer(np.eye(2)).round(6)
    array([[1.  , 0.  ],
           [0.  , 0.25]])
    """

    layer: Any
    vectors: Frozen

    __repr__ = shown

    @classmethod
    def init(cls, key: Any, layer: Any, *, steps: int = 15) -> SpectralNorm:
        """With vectors drawn from a key, after so many steps of power iteration."""
        if not hasattr(layer, "weight"):
            raise InputError(f"SpectralNorm: {kind_of(layer)} has no field `weight`")
        weight = layer.weight.reshape(layer.weight.shape[0], -1)
        u, v = [random.normal(k, (n,)).astype(weight.dtype) for k, n in zip(random.split(key), weight.shape)]
        return cls(layer, Frozen(_iterate(weight, (u, v), steps)))

    def __call__(self, x: Any) -> Any:
        """The layer's output, with the vectors as they are."""
        u, v = self.vectors.value
        weight = self.layer.weight
        sigma = np.real(np.conj(stop_gradient(u)) @ (weight.reshape(weight.shape[0], -1) @ stop_gradient(v)))
        return called(".layer", dataclasses.replace(self.layer, weight=weight / sigma), x)

    def train(self, x: Any, *, steps: int = 1) -> tuple[Any, SpectralNorm]:
        """The output after so many steps of power iteration, and the layer with the vectors that they gave."""
        weight = stop_gradient(self.layer.weight)
        new = SpectralNorm(self.layer, Frozen(_iterate(weight.reshape(weight.shape[0], -1), self.vectors.value, steps)))
        return new(x), new


def _iterate(weight: Any, vectors: tuple[Any, Any], steps: int) -> tuple[Any, Any]:
    u, v = vectors
    for _ in range(steps):
        u = _unit(weight @ v)
        v = _unit(np.conj(weight.T) @ u)
    return u, v


def _unit(x: Any) -> Any:
    return x / np.maximum(np.sqrt(np.sum(np.real(x * np.conj(x)))), _EPS)
