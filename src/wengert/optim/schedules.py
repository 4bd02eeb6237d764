"""Learning rates that change with the number of updates.

What comes in: k, the number of updates made so far, an int or a traced integer. What goes out: the learning rate of the next.
The one idea: a schedule is a small frozen dataclass that is called; any other function of k does as well, and a number is the
schedule that is constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import InputError, kind_of
from wengert.structured import call

__all__ = ["CosineDecay", "CosineRestarts", "ExponentialDecay", "LinearDecay", "OneCycle", "PiecewiseConstant",
           "PolynomialDecay", "Schedule", "WarmUp", "rate_at"]

Schedule = Callable[[Any], Any]


def rate_at(schedule: Any, k: Any) -> Any:
    """What a number or a schedule is after k updates."""
    if not callable(schedule):
        return schedule
    rate = call(schedule, k)
    if np.shape(rate) != () or rate is None or isinstance(rate, (str, complex)):
        what = f"an array of shape {np.shape(rate)}" if np.shape(rate) else kind_of(rate)
        raise InputError(f"the learning rate is one number, and {schedule!r} gives {what}")
    if isinstance(rate, (int, float, np.number)) and not rate >= 0:
        raise InputError(f"the learning rate is not negative, and {schedule!r} gives {rate} after {k} updates")
    return rate


def _whole(owner: object, name: str, least: int = 1) -> None:
    value = getattr(owner, name)
    if isinstance(value, (bool, float)) or (isinstance(value, (int, np.integer)) and value < least):
        raise InputError(f"{type(owner).__name__}: {name} is a whole number from {least} up, not {value!r}")


def _part(k: Any, steps: int) -> Any:
    """k / steps, from 0 to 1, where it stays."""
    return np.minimum(k, steps) / steps


def _half_wave(part: Any) -> Any:
    """From 1 at 0 down to 0 at 1, along half a wave of the cosine."""
    return 0.5 * (1.0 + np.cos(np.pi * part))


@dataclass(frozen=True)
class ExponentialDecay:
    """``start · factor^(k / every)``, or with `staircase` ``start · factor^⌊k / every⌋``.

    Examples
    --------
    >>> import wengert as wg
    >>> rate = wg.optim.ExponentialDecay(0.1, 0.5, every=10, staircase=True)
    >>> float(rate(0)), float(rate(19)), float(rate(20))
    (0.1, 0.05, 0.025)
    """

    start: float
    factor: float
    every: int = 1
    staircase: bool = False

    def __post_init__(self) -> None:
        _whole(self, "every")

    def __call__(self, k: Any) -> Any:
        return self.start * self.factor ** (k // self.every if self.staircase else k / self.every)


@dataclass(frozen=True)
class PolynomialDecay:
    """``end + (start − end) (1 − k / steps)^power`` up to k = steps, then `end`.

    Examples
    --------
    >>> import wengert as wg
    >>> rate = wg.optim.PolynomialDecay(1.0, 0.0, steps=10, power=2.0)
    >>> float(rate(0)), float(rate(5)), float(rate(25))
    (1.0, 0.25, 0.0)
    """

    start: float
    end: float
    steps: int
    power: float = 1.0

    def __post_init__(self) -> None:
        _whole(self, "steps")

    def __call__(self, k: Any) -> Any:
        return self.end + (self.start - self.end) * (1.0 - _part(k, self.steps)) ** self.power


@dataclass(frozen=True)
class LinearDecay:
    """From `start` to `end` along a line of `steps` updates, then `end`; it rises where `end` is greater.

    Examples
    --------
    >>> import wengert as wg
    >>> rate = wg.optim.LinearDecay(1.0, 0.0, steps=4)
    >>> [float(rate(k)) for k in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        _whole(self, "steps")

    def __call__(self, k: Any) -> Any:
        return self.start + (self.end - self.start) * _part(k, self.steps)


@dataclass(frozen=True)
class CosineDecay:
    """``end + (start − end) (1 + cos(π k / steps)) / 2`` up to k = steps, then `end`.

    References
    ----------
    I. Loshchilov, F. Hutter, SGDR: Stochastic gradient descent with warm restarts, ICLR (2017).

    Examples
    --------
    >>> import wengert as wg
    >>> rate = wg.optim.CosineDecay(1.0, steps=4)
    >>> [round(float(rate(k)), 3) for k in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """

    start: float
    steps: int
    end: float = 0.0

    def __post_init__(self) -> None:
        _whole(self, "steps")

    def __call__(self, k: Any) -> Any:
        return self.end + (self.start - self.end) * _half_wave(_part(k, self.steps))


@dataclass(frozen=True)
class CosineRestarts:
    """Half waves of the cosine from `start` to `end`, the first of `steps` updates, each `factor` times as long as the last.

    References
    ----------
    I. Loshchilov, F. Hutter, SGDR: Stochastic gradient descent with warm restarts, ICLR (2017).

    Examples
    --------
    >>> import wengert as wg
    >>> rate = wg.optim.CosineRestarts(1.0, steps=2, factor=2)
    >>> [round(float(rate(k)), 3) for k in range(7)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """

    start: float
    steps: int
    factor: int = 1
    end: float = 0.0

    def __post_init__(self) -> None:
        _whole(self, "steps")
        _whole(self, "factor")

    def __call__(self, k: Any) -> Any:
        if self.factor == 1:
            part = k % self.steps / self.steps
        else:  # cycle i begins at steps (factorⁱ − 1) / (factor − 1); the logarithm may be off by a rounding, i by one
            i = np.floor(np.log1p(k * (self.factor - 1) / self.steps) / math.log(self.factor))
            i = np.where(self._begin(i) > k, i - 1, i)
            i = np.where(self._begin(i + 1) <= k, i + 1, i)
            part = (k - self._begin(i)) / (self.steps * float(self.factor) ** i)
        return self.end + (self.start - self.end) * _half_wave(part)

    def _begin(self, i: Any) -> Any:
        return self.steps * (float(self.factor) ** i - 1.0) / (self.factor - 1)


@dataclass(frozen=True)
class PiecewiseConstant:
    """``values[j]`` from the j-th boundary on, ``values[0]`` before the first: boundaries rise, values are one more.

    Examples
    --------
    >>> import wengert as wg
    >>> rate = wg.optim.PiecewiseConstant((10, 20), (0.1, 0.01, 0.001))
    >>> float(rate(9)), float(rate(10)), float(rate(100))
    (0.1, 0.01, 0.001)
    """

    boundaries: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.boundaries) + 1:
            raise InputError(f"PiecewiseConstant: {len(self.boundaries)} boundaries make {len(self.boundaries) + 1} pieces, "
                             f"and there are {len(self.values)} values")
        if list(self.boundaries) != sorted(set(self.boundaries)):
            raise InputError(f"PiecewiseConstant: boundaries rise, and these are {self.boundaries}")

    def __call__(self, k: Any) -> Any:
        rate: Any = float(self.values[0])
        for boundary, value in zip(self.boundaries, self.values[1:]):
            rate = np.where(k >= boundary, value, rate)
        return rate


@dataclass(frozen=True)
class WarmUp:
    """A line from ``first · then(0)`` up to ``then(0)`` in `steps` updates; from there on `then`, a schedule or a number.

    Examples
    --------
    >>> import wengert as wg
    >>> rate = wg.optim.WarmUp(4, wg.optim.LinearDecay(1.0, 0.0, steps=2))
    >>> [float(rate(k)) for k in range(7)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 0.5, 0.0]
    """

    steps: int
    then: Any
    first: float = 0.0

    def __post_init__(self) -> None:
        _whole(self, "steps")

    def __call__(self, k: Any) -> Any:
        part = self.first + (1.0 - self.first) * _part(k, self.steps)
        return part * rate_at(self.then, np.maximum(k - self.steps, 0))


@dataclass(frozen=True)
class OneCycle:
    """Up from ``peak / start_divisor`` to `peak` and down to that start over `end_divisor`, along half waves of the cosine.

    The peak comes after the fraction `rise` of the `steps` updates; the last update has the least rate.

    References
    ----------
    L. N. Smith, N. Topin, Super-convergence: Very fast training of neural networks using large learning rates, SPIE 11006
    (2019); the shape and the constants are those of PyTorch.

    Examples
    --------
    >>> import wengert as wg
    >>> rate = wg.optim.OneCycle(1.0, steps=10, rise=0.5)
    >>> [round(float(rate(k)), 3) for k in (0, 2, 4, 7, 9)]
    [0.04, 0.52, 1.0, 0.345, 0.0]
    """

    peak: float
    steps: int
    rise: float = 0.3
    start_divisor: float = 25.0
    end_divisor: float = 1e4

    def __post_init__(self) -> None:
        _whole(self, "steps", 2)
        if isinstance(self.rise, float) and not 0.0 < self.rise * self.steps - 1.0 < self.steps - 1:
            raise InputError(f"OneCycle: the peak, after {self.rise} of {self.steps} updates, is not within the cycle; rise "
                             "lies between 1 / steps and 1")

    def __call__(self, k: Any) -> Any:
        top = self.rise * self.steps - 1.0
        first, last = self.peak / self.start_divisor, self.peak / self.start_divisor / self.end_divisor
        up = first + (self.peak - first) * (1.0 - _half_wave(np.minimum(k, top) / top))
        fall = (np.clip(k, top, self.steps - 1) - top) / (self.steps - 1 - top)
        return np.where(k <= top, up, last + (self.peak - last) * _half_wave(fall))
