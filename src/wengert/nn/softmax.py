"""Softmax and its relatives: functions along axes.

What comes in: an array, traced or not. What goes out: an array of its dtype. The one idea: sums of exponentials are SciPy's,
taken relative to their largest term.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import InputError
from wengert.frontends import scipy_special
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import Tracer

from .activations import sigmoid

__all__ = ["glu", "log_softmax", "logsumexp", "softmax"]

Axes = int | tuple[int, ...] | None


def softmax(x: Any, axis: Axes = -1) -> Any:
    """eˣ / Σ eˣ.

    Parameters
    ----------
    x : array of float
    axis : int, tuple of int, or None for all
        Along which the sum runs.

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> softmax(np.array([1e4, 1e4, -1e4]))
    array([0.5, 0.5, 0. ])
    """
    return _sum_of_exponentials("softmax", x, axis=axis)


def log_softmax(x: Any, axis: Axes = -1) -> Any:
    """x − log Σ eˣ.

    Parameters
    ----------
    x : array of float
    axis : int, tuple of int, or None for all

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> log_softmax(np.array([1e4, -1e4]))
    array([     0., -20000.])
    """
    return _sum_of_exponentials("log_softmax", x, axis=axis)


def logsumexp(x: Any, axis: Axes = None, keepdims: bool = False) -> Any:
    """log Σ eˣ.

    Parameters
    ----------
    x : array of float
    axis : int, tuple of int, or None for all
    keepdims : bool

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> float(logsumexp(np.array([1e4, 1e4])))
    10000.69314718056
    """
    return _sum_of_exponentials("logsumexp", x, axis=axis, keepdims=keepdims)


_TRACED = {"softmax": scipy_special.softmax_, "log_softmax": scipy_special.log_softmax, "logsumexp": scipy_special.logsumexp}


def _sum_of_exponentials(name: str, x: Any, **options: Any) -> Any:
    if isinstance(x, Tracer):
        return _TRACED[name](x, **options)
    import scipy.special
    return getattr(scipy.special, name)(x, **options)


def glu(x: Any, axis: int = -1) -> Any:
    """a / (1 + e^{−b}), with a and b the first and the second half of x along an axis: a gated linear unit.

    Parameters
    ----------
    x : array of float
        Of even length along the axis.
    axis : int

    Returns
    -------
    array
        Half as long.

    Examples
    --------
    >>> import numpy as np
    >>> glu(np.array([3.0, 4.0, 0.0, 1e4]))
    array([1.5, 4. ])

    References
    ----------
    Dauphin et al., Language modeling with gated convolutional networks, ICML 2017.
    """
    length = np.shape(x)[axis]
    if length % 2:
        raise InputError(f"glu at {user_line()}: x of shape {np.shape(x)} is halved along axis {axis}, and {length} is odd")
    a, b = np.split(x, 2, axis)
    return a * sigmoid(b)
