"""Normalization: numbers with their mean taken away, divided by their deviation.

What comes in: an array. What goes out: an array of its shape, scaled and shifted. The one idea: what differs is only over which
axes means are taken: the features (layer, RMS), a group of channels (group, instance), or the batch.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.errors import InputError
from wengert.flatten import Frozen
from wengert.frontends.trace import user_line

from .checks import array, features, shown, size_text
from .construction import layer_class

__all__ = ["BatchNorm", "GroupNorm", "InstanceNorm", "LayerNorm", "RMSNorm", "Statistics"]

Shape = int | tuple[int, ...]
STATIC = {"static": True}


def _sizes(shape: Shape) -> tuple[int, ...]:
    return tuple(shape) if isinstance(shape, (tuple, list)) else (int(shape),)


def _standardized(x: Any, axes: tuple[int, ...], epsilon: float) -> Any:
    d = x - np.mean(x, axes, keepdims=True)
    return d / np.sqrt(_mean_square(d, axes) + epsilon)


def _mean_square(x: Any, axes: tuple[int, ...]) -> Any:
    return np.mean(np.real(x) ** 2 + np.imag(x) ** 2 if np.iscomplexobj(x) else x * x, axes, keepdims=True)


def _affine(x: Any, scale: Any, shift: Any) -> Any:
    x = x if scale is None else x * scale
    return x if shift is None else x + shift


@layer_class
class LayerNorm:
    """``(x − mean) / √(variance + ε) · scale + shift``, over the last axes, as many as `scale` has.

    Parameters
    ----------
    scale, shift : array of the shape of the last axes; shift may be None
    epsilon : float

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.nn.LayerNorm.init(2)(np.array([[1.0, 3.0], [5.0, 1.0]])).round(4)
    array([[-1.,  1.],
           [ 1., -1.]])

    References
    ----------
    Ba, Kiros and Hinton, Layer normalization, arXiv:1607.06450.
    """

    scale: Any
    shift: Any = None
    epsilon: float = field(default=1e-5, metadata=STATIC)

    __repr__ = shown

    @classmethod
    def init(cls, shape: Shape, *, shift: bool = True, dtype: Any = float, epsilon: float = 1e-5) -> LayerNorm:
        """Scale 1, shift 0, for features of a shape."""
        return cls(np.ones(_sizes(shape), dtype), np.zeros(_sizes(shape), dtype) if shift else None, epsilon)

    def __call__(self, x: Any) -> Any:
        """x of shape (..., \\*shape), normalized over the last axes."""
        axes = _last_axes(self, x)
        return _affine(_standardized(x, axes, self.epsilon), self.scale, self.shift)


@layer_class
class RMSNorm:
    """``x / √(mean of x² + ε) · scale``, over the last axes, as many as `scale` has.

    Parameters
    ----------
    scale : array of the shape of the last axes
    epsilon : float

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.nn.RMSNorm.init(2)(np.array([1.0, 7.0])).round(4)
    array([0.2, 1.4])

    References
    ----------
    Zhang and Sennrich, Root mean square layer normalization, NeurIPS 2019.
    """

    scale: Any
    epsilon: float = field(default=1e-6, metadata=STATIC)

    __repr__ = shown

    @classmethod
    def init(cls, shape: Shape, *, dtype: Any = float, epsilon: float = 1e-6) -> RMSNorm:
        """Scale 1, for features of a shape."""
        return cls(np.ones(_sizes(shape), dtype), epsilon)

    def __call__(self, x: Any) -> Any:
        """x of shape (..., \\*shape), normalized over the last axes."""
        axes = _last_axes(self, x)
        return x / np.sqrt(_mean_square(x, axes) + self.epsilon) * self.scale


def _last_axes(layer: Any, x: Any) -> tuple[int, ...]:
    shape = np.shape(layer.scale)
    if np.shape(x)[-len(shape):] != shape:
        raise features(layer, x, f"shape (..., {', '.join(map(str, shape))})", "scale")
    return tuple(range(-len(shape), 0))


# ---------------------------------------------------------------- channels

@layer_class
class GroupNorm:
    """Each group of channels of each example, with its space, normalized; then a scale and shift for each channel.

    Parameters
    ----------
    scale, shift : array, shape (channels,), or None
    groups : int
    epsilon : float

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> x = np.random.default_rng(0).normal(size=(10, 6, 8, 8))
    >>> y = wg.nn.GroupNorm.init(3, 6)(x)
    >>> bool(np.allclose(y.reshape(10, 3, -1).mean(-1), 0.0))
    True

    References
    ----------
    Wu and He, Group normalization, ECCV 2018.
    """

    scale: Any
    shift: Any
    groups: int = field(default=1, metadata=STATIC)
    epsilon: float = field(default=1e-5, metadata=STATIC)

    __repr__ = shown

    @classmethod
    def init(cls, groups: int, n_channels: int, *, dtype: Any = float, epsilon: float = 1e-5) -> GroupNorm:
        """Scale 1, shift 0."""
        if groups < 1 or n_channels % groups:
            raise InputError(f"GroupNorm: {n_channels} channels in {groups} groups; it has to be a multiple")
        return cls(np.ones(n_channels, dtype), np.zeros(n_channels, dtype), groups, epsilon)

    def __call__(self, x: Any) -> Any:
        """x of shape (batch, channels, \\*space), normalized."""
        return _grouped(self, x, self.groups)


@layer_class
class InstanceNorm:
    """Each channel of each example normalized over its space; then a scale and shift for each channel.

    Parameters
    ----------
    scale, shift : array, shape (channels,), or None
    epsilon : float

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.nn.InstanceNorm.init(1)(np.array([[[1.0, 3.0, 2.0]]])).round(3)
    array([[[-1.225,  1.225,  0.   ]]])

    References
    ----------
    Ulyanov, Vedaldi and Lempitsky, Instance normalization, arXiv:1607.08022.
    """

    scale: Any
    shift: Any
    epsilon: float = field(default=1e-5, metadata=STATIC)

    __repr__ = shown

    @classmethod
    def init(cls, n_channels: int, *, dtype: Any = float, epsilon: float = 1e-5) -> InstanceNorm:
        """Scale 1, shift 0."""
        return cls(np.ones(n_channels, dtype), np.zeros(n_channels, dtype), epsilon)

    def __call__(self, x: Any) -> Any:
        """x of shape (batch, channels, \\*space), normalized."""
        return _grouped(self, x, None)


def _grouped(layer: Any, x: Any, groups: int | None) -> Any:
    """Each of so many groups of channels normalized; None for a group of each channel."""
    shape = np.shape(x)
    vectors = [v for v in (layer.scale, layer.shift) if v is not None]
    if len(shape) < 2 or any(np.shape(v) != shape[1:2] for v in vectors):
        n = np.shape(vectors[0])[0] if vectors else "some"
        raise features(layer, x, f"{n} channels along axis 1", "shift" if layer.scale is None else "scale")
    groups = shape[1] if groups is None else groups
    if groups < 1 or shape[1] % groups:
        raise InputError(f"{type(layer).__name__} at {user_line()}: x is {size_text(x)}; its {shape[1]} channels have to be a "
                         f"multiple of {groups} groups")
    size = math.prod(shape[1:]) // max(groups, 1)
    if size < 2:
        raise InputError(f"{type(layer).__name__} at {user_line()}: x is {size_text(x)}, of which a mean would be over "
                         f"{size} number; a variance takes more")
    parts = np.reshape(x, (shape[0], groups, size))
    y = np.reshape(_standardized(parts, (2,), layer.epsilon), shape)
    return _affine(y, *_along(1, len(shape), layer.scale, layer.shift))


def _along(axis: int, ndim: int, *vectors: Any) -> list[Any]:
    """Vectors as arrays that broadcast along an axis."""
    return [v if v is None else np.reshape(v, (-1, *(1,) * (ndim - axis - 1))) for v in vectors]


# ---------------------------------------------------------------- the batch

@dataclass(frozen=True)
class Statistics:
    """Running statistics of `BatchNorm`.

    Attributes
    ----------
    mean, variance : array, shape (channels,)
    count : float
        How many batches went in; no integer, for gradients of the whole model go through it.
    """

    mean: Any
    variance: Any
    count: Any

    __repr__ = shown


@layer_class
class BatchNorm:
    """Each channel normalized over the batch and its space, in training; by running statistics otherwise.

    ``norm(x)`` uses the running statistics; ``norm.train(x)`` those of x, and gives ``(y, norm)`` with new running statistics.

    Parameters
    ----------
    scale, shift : array, shape (channels,), or None
    statistics : Frozen of Statistics
    momentum : float or None
        Of the running statistics: ``new = (1 − momentum) · old + momentum · of the batch``; None for the mean of all batches.
    epsilon : float
    axis : int
        Of the channels.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> norm = wg.nn.BatchNorm.init(2)
    >>> y, norm = norm.train(np.array([[1.0, 2.0], [3.0, 6.0]]))
    >>> y.round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> norm.statistics.value.mean
    array([0.2, 0.4])

    References
    ----------
    Ioffe and Szegedy, Batch normalization, ICML 2015. The running variance is the unbiased one.
    """

    scale: Any
    shift: Any
    statistics: Frozen
    momentum: float | None = field(default=0.1, metadata=STATIC)
    epsilon: float = field(default=1e-5, metadata=STATIC)
    axis: int = field(default=1, metadata=STATIC)

    __repr__ = shown

    @classmethod
    def init(cls, n_channels: int, *, momentum: float | None = 0.1, epsilon: float = 1e-5, axis: int = 1,
             dtype: Any = float) -> BatchNorm:
        """Scale 1, shift 0, running mean 0 and variance 1."""
        ones, zeros = np.ones(n_channels, dtype), np.zeros(n_channels, dtype)
        # The count is a number, as what `jit` gives back: else the second step of a training would be traced again.
        statistics = Statistics(zeros.copy(), ones.real.copy(), ones.real.dtype.type(0))
        return cls(ones, zeros, Frozen(statistics), momentum, epsilon, axis)

    def __call__(self, x: Any) -> Any:
        """x normalized by the running statistics."""
        axis = self._axis(x)
        of = self.statistics.value
        mean, variance, scale, shift = _along(axis, np.ndim(x), of.mean, of.variance, self.scale, self.shift)
        return _affine((x - mean) / np.sqrt(variance + self.epsilon), scale, shift)

    def train(self, x: Any) -> tuple[Any, BatchNorm]:
        """x normalized by its own statistics, and the layer with the running statistics that follow."""
        axis, ndim = self._axis(x), np.ndim(x)
        axes = tuple(k for k in range(ndim) if k != axis)
        n = math.prod(np.shape(x)[k] for k in axes)
        if n < 2:
            raise InputError(f"BatchNorm at {user_line()}: x is {size_text(x)}; a variance takes more than one number")
        mean = np.mean(x, axes, keepdims=True)
        d = x - mean
        variance = _mean_square(d, axes)
        y = _affine(d / np.sqrt(variance + self.epsilon), *_along(axis, ndim, self.scale, self.shift))
        after = self._next(np.reshape(mean, -1), np.reshape(variance, -1) * (n / (n - 1)))
        return y, dataclasses.replace(self, statistics=Frozen(after))

    def _next(self, mean: Any, variance: Any) -> Statistics:
        old = self.statistics.value
        count = old.count + 1
        share = self.momentum
        if share is None:
            share = 1.0 / count
        mean, variance = old.mean + share * (mean - old.mean), old.variance + share * (variance - old.variance)
        return Statistics(mean.astype(array(old.mean).dtype), variance.astype(array(old.variance).dtype), count)

    def _axis(self, x: Any) -> int:
        shape, (n,) = np.shape(x), np.shape(self.statistics.value.mean)
        if not -len(shape) <= self.axis < len(shape) or shape[self.axis] != n:
            raise features(self, x, f"{n} channels along axis {self.axis}", "scale")
        return self.axis % len(shape)
