"""Gradients that are too long, made shorter.

What comes in: a gradient, a tree; and a bound. What goes out: a gradient of the same structure, shapes and dtypes. The one
idea: only what an optimizer would move counts: None, integers and what lies below `Frozen` are handed on as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import InputError, kind_of
from wengert.flatten import flatten, trainable

_TINY = np.finfo(np.float64).tiny
_SCALE = 2.0 ** 600

__all__ = ["clip_by_global_norm", "clip_by_value", "dtype_of", "global_norm", "real_dtype"]


def global_norm(gradient: Any) -> Any:
    """The Euclidean norm of all entries together, ``√ Σ |gᵢ|²``, in double precision.

    Parameters
    ----------
    gradient : tree of arrays

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.optim.global_norm({"a": np.array([3.0, 0.0]), "b": 4.0, "c": None})
    np.float64(5.0)
    """
    norm, unit = _norm(gradient)
    return norm * unit


def _norm(gradient: Any) -> tuple[Any, Any]:
    """The norm as a product of two numbers: the second is 1, or a power of 2 without which squares would over- or underflow."""
    leaves, moving = flatten(gradient)[0], trainable(gradient)
    moved = [np.complex128(leaf) if type(leaf) is complex else leaf for leaf, moves in zip(leaves, moving, strict=True)
             if moves]
    unit: Any = np.float64(1.0)
    large = [leaf for leaf in moved if real_dtype(dtype_of(leaf)).itemsize > 4]  # the squares of others are within float64
    if large:
        largest = np.float64(0.0)
        for leaf in large:
            for part in (leaf.real, leaf.imag) if dtype_of(leaf).kind == "c" else (leaf,):
                largest = np.maximum(largest, np.max(np.abs(part), initial=0.0))
        unit = np.where(largest > _SCALE ** 0.25, _SCALE, np.where(largest < _SCALE ** -0.25, 1.0 / _SCALE, 1.0))
    squares = [np.sum(_square(leaf / unit if large else leaf)) for leaf in moved]
    return np.sqrt(sum(squares, np.float64(0.0))), unit


def clip_by_global_norm(gradient: Any, limit: float) -> Any:
    """The gradient times ``min(1, limit / |g|)``, |g| the norm of all entries together.

    A gradient that holds NaN or infinity has no direction, and becomes NaN throughout; a zero gradient stays zero. An infinite
    limit clips nothing.

    Parameters
    ----------
    gradient : tree of arrays
    limit : float
        Positive.

    Returns
    -------
    tree
        Of the same structure, shapes and dtypes.

    References
    ----------
    R. Pascanu, T. Mikolov, Y. Bengio, On the difficulty of training recurrent neural networks, ICML (2013).

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.optim.clip_by_global_norm({"a": np.array([3.0, 0.0]), "b": 4.0}, 1.0)
    {'a': array([0.6, 0. ]), 'b': np.float64(0.8)}
    """
    _positive("clip_by_global_norm", limit)
    norm, unit = _norm(gradient)
    norm, bound = np.maximum(norm, _TINY), limit / unit  # so that 0 / 0 and inf / inf do not arise
    scale = np.where(norm < np.inf, np.minimum(norm, bound) / norm, np.nan)
    return _each(gradient, lambda leaf: (leaf * scale).astype(dtype_of(leaf)))


def clip_by_value(gradient: Any, limit: float) -> Any:
    """Each entry between −limit and limit; of a complex entry its modulus at most limit.

    Parameters
    ----------
    gradient : tree of arrays
    limit : float
        Positive.

    Returns
    -------
    tree
        Of the same structure, shapes and dtypes.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.optim.clip_by_value([np.array([3.0, -0.5]), np.array([3 + 4j])], 1.0)
    [array([ 1. , -0.5]), array([0.6+0.8j])]
    """
    _positive("clip_by_value", limit)

    def clipped(leaf: Any) -> Any:
        if dtype_of(leaf).kind == "c":
            return (leaf * (limit / np.maximum(np.abs(leaf), limit))).astype(dtype_of(leaf))
        return np.clip(leaf, -limit, limit)
    return _each(gradient, clipped)


def _each(gradient: Any, change: Callable[[Any], Any]) -> Any:
    leaves, spec = flatten(gradient)
    moving = trainable(gradient)
    return spec.unflatten([change(leaf) if moves else leaf for leaf, moves in zip(leaves, moving, strict=True)])


def _square(leaf: Any) -> Any:
    if dtype_of(leaf).kind == "c":
        return leaf.real.astype(np.float64) ** 2 + leaf.imag.astype(np.float64) ** 2
    return np.multiply(leaf, 1.0, dtype=np.float64) ** 2


def dtype_of(leaf: Any) -> Any:
    """The dtype of an array, or the one that a Python number has in arrays."""
    return getattr(leaf, "dtype", None) or np.dtype(type(leaf))


def real_dtype(dtype: Any) -> Any:
    """Of complex numbers that of their parts."""
    return np.empty(0, dtype).real.dtype


def _positive(name: str, limit: Any) -> None:
    if isinstance(limit, (dict, list, tuple)) or np.ndim(limit) or dataclasses.is_dataclass(limit):
        raise InputError(f"{name}: the limit is {kind_of(limit)}; it is one number, behind the gradient: "
                         f"{name}(gradient, limit)")
    if isinstance(limit, str) or (isinstance(limit, (int, float, np.number)) and not limit > 0):
        raise InputError(f"{name}: the limit is {limit!r}; it has to be a positive number")
