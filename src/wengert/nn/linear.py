"""Linear layers, and tables of vectors.

What comes in: arrays of any number of leading axes, features last. What goes out: the same leading axes, other features. The
one idea: a layer is its arrays; how they are drawn is a class method beside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import InputError, kind_of
from wengert.frontends.trace import user_line
from wengert.structured import call

from .checks import bias_fits, integers, last_axis, shown, size_text, within
from .construction import layer_class
from .initializers import lecun_normal, normal

__all__ = ["Bilinear", "Embedding", "Linear"]

Initializer = Callable[..., Any]


@layer_class
class Linear:
    """``x @ weight + bias``.

    Parameters
    ----------
    weight : array, shape (n_in, n_out)
    bias : array, shape (n_out,), or None

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> layer = wg.nn.Linear.init(wg.random.key(0), 3, 4)
    >>> layer
    Linear(weight=float64 (3, 4), bias=float64 (4,))
    >>> layer(np.ones((5, 3))).shape
    (5, 4)
    """

    weight: Any
    bias: Any = None

    __repr__ = shown

    @classmethod
    def init(cls, key: Any, n_in: int, n_out: int, *, bias: bool = True, dtype: Any = float,
             initializer: Initializer = lecun_normal) -> Linear:
        """A layer with random weights and a bias of zeros.

        Parameters
        ----------
        key : numpy.uint64
        n_in, n_out : int
        bias : bool
        dtype : dtype
            Of float or complex numbers.
        initializer : callable
            ``initializer(key, shape, dtype)``, one of `wg.nn.initializers`.

        Returns
        -------
        Linear
        """
        return cls(initializer(key, (n_in, n_out), dtype), np.zeros(n_out, dtype) if bias else None)

    def __call__(self, x: Any) -> Any:
        """``x @ weight + bias``, for x of shape (..., n_in)."""
        if np.ndim(self.weight) != 2:
            raise InputError(f"Linear at {user_line()}: weight is {kind_of(self.weight)} {size_text(self.weight)}, and has to "
                             "be an array (n_in, n_out)")
        n_in, n_out = np.shape(self.weight)
        last_axis(self, x, n_in)
        y = x @ self.weight
        if self.bias is None:
            return y
        bias_fits(self, n_out)
        return y + self.bias


@layer_class
class Bilinear:
    """``y_k = Σ_ij x_i weight_kij z_j + bias_k``.

    Parameters
    ----------
    weight : array, shape (n_out, n_first, n_second)
    bias : array, shape (n_out,), or None

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> layer = wg.nn.Bilinear.init(wg.random.key(0), 3, 4, 2)
    >>> layer(np.ones((5, 3)), np.ones((5, 4))).shape
    (5, 2)
    """

    weight: Any
    bias: Any = None

    __repr__ = shown

    @classmethod
    def init(cls, key: Any, n_first: int, n_second: int, n_out: int, *, bias: bool = True, dtype: Any = float,
             initializer: Initializer = lecun_normal) -> Bilinear:
        """A layer with random weights, of variance 1 / (n_first · n_second) unless told, and a bias of zeros."""
        weight = initializer(key, (n_first * n_second, n_out), dtype)
        return cls(weight.T.reshape(n_out, n_first, n_second), np.zeros(n_out, dtype) if bias else None)

    def __call__(self, x: Any, z: Any) -> Any:
        """The form at x of shape (..., n_first) and z of shape (..., n_second)."""
        _, first, second = np.shape(self.weight)
        if np.shape(x)[-1:] != (first,) or np.shape(z)[-1:] != (second,):
            raise InputError(f"Bilinear at {user_line()}: x is {size_text(x)}, z {size_text(z)} and weight "
                             f"{size_text(self.weight)}; they have to have {first} and {second} features along the last axis")
        y = np.einsum("...i,kij,...j->...k", x, self.weight, z, optimize=True)
        if self.bias is None:
            return y
        bias_fits(self, np.shape(self.weight)[0])
        return y + self.bias


@layer_class
class Embedding:
    """A table with a vector for each of the integers 0, 1, ..., n - 1.

    Parameters
    ----------
    weight : array, shape (n, features)

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> table = wg.nn.Embedding.init(wg.random.key(0), 10, 3)
    >>> table(np.array([[1, 9], [0, 0]])).shape
    (2, 2, 3)
    """

    weight: Any

    __repr__ = shown

    @classmethod
    def init(cls, key: Any, n: int, n_features: int, *, dtype: Any = float, initializer: Initializer = normal) -> Embedding:
        """A table of standard normal numbers."""
        return cls(initializer(key, (n, n_features), dtype))

    def __call__(self, indices: Any) -> Any:
        """The vectors of the indices, (...) -> (..., features); -1 is not the last one but an error."""
        indices = integers(indices, f"Embedding at {user_line()}: the indices")
        indices = within(indices, np.shape(self.weight)[0], "Embedding", "index")
        return call(np.take, self.weight, indices, axis=0)  # of an array, too, that is captured where the indices are traced
