"""Attention: values averaged with weights that queries and keys decide, with masks, heads and positions.

What comes in: sequences (..., length, features), masks. What goes out: sequences of the queries' length. The one idea: the
weights are a softmax over what may be attended to; a query that may attend to nothing gets zeros, never NaN.
"""

from __future__ import annotations

import math
from dataclasses import field
from typing import Any

import numpy as np

from wengert import random
from wengert.errors import InputError
from wengert.flatten import Frozen
from wengert.structured import user_line

from .checks import array, called, require_real, shown
from .construction import layer_class
from .linear import Linear
from .sequential import Dropout
from .softmax import softmax

__all__ = ["MultiHeadAttention", "Positions", "attention_weights", "causal_mask", "rotary", "scaled_dot_product_attention",
           "sinusoidal"]


def causal_mask(length: int, keys: int | None = None) -> Any:
    """Query i may attend to keys 0 to i: an array of bool (length, keys), keys as many as queries unless told.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.nn.causal_mask(3)
    array([[ True, False, False],
           [ True,  True, False],
           [ True,  True,  True]])
    """
    return np.tri(length, length if keys is None else keys, dtype=bool)


def attention_weights(queries: Any, keys: Any, *, mask: Any = None, causal: bool = False, scale: float | None = None) -> Any:
    """softmax(Q Kᵀ · scale) over the keys that each query may attend to.

    Parameters
    ----------
    queries : array (..., length, features)
    keys : array (..., number of keys, features)
    mask : array that broadcasts to (..., length, number of keys), optional
        Of bool: where it is true, the query may attend to the key. Of float: it is added to the scores, and -inf excludes.
    causal : bool
        Query i attends to keys 0 to i only (besides what `mask` says).
    scale : float, optional
        1/√features by default.

    Returns
    -------
    array (..., length, number of keys)
        Rows add up to 1; a row of a query that may attend to nothing is 0.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.nn.attention_weights(np.zeros((2, 3)), np.zeros((4, 3)), mask=np.array([[True, True, False, False], [False] * 4]))
    array([[0.5, 0.5, 0. , 0. ],
           [0. , 0. , 0. , 0. ]])
    """
    queries, keys = array(queries), array(keys)
    shape_q, shape_k = queries.shape, keys.shape
    if min(len(shape_q), len(shape_k)) < 2 or shape_q[-1] != shape_k[-1]:
        raise InputError(f"attention_weights at {user_line()}: queries of shape {shape_q} and keys of shape {shape_k} do not "
                         "have the same features along the last axis")
    require_real(f"attention_weights at {user_line()}", queries, keys)
    scores = queries @ np.swapaxes(keys, -1, -2) * (1.0 / math.sqrt(shape_q[-1]) if scale is None else scale)
    if not shape_k[-2]:  # the sum of no exponentials
        return scores
    allowed = causal_mask(shape_q[-2], shape_k[-2]) if causal else None
    if mask is not None:
        mask = array(mask)
        scores, kept = _masked(scores, mask)
        allowed = kept if allowed is None else allowed & kept
    if allowed is None:
        return softmax(scores)
    if mask is None:  # causal alone: every query has a key
        return softmax(np.where(allowed, scores, -np.inf))
    some = np.any(allowed, axis=-1, keepdims=True)
    return np.where(allowed, softmax(np.where(allowed | ~some, scores, -np.inf)), 0)


def _masked(scores: Any, mask: Any) -> tuple[Any, Any]:
    """The scores with what an additive mask adds, and which of them count."""
    shape = np.shape(mask)
    fits = len(shape) <= scores.ndim and all(n in (1, m) for n, m in zip(reversed(shape), reversed(scores.shape)))
    if not fits or mask.dtype.kind not in "bf":
        raise InputError(f"attention_weights at {user_line()}: the mask is {mask.dtype} of shape {shape}; it is of bool (true: "
                         f"may be attended to) or of float (added), and broadcasts to the scores' shape {scores.shape}")
    if mask.dtype == bool:
        return scores, mask
    kept = mask != -np.inf
    return scores + np.where(kept, mask, 0).astype(scores.dtype), kept


def scaled_dot_product_attention(
    queries: Any, keys: Any, values: Any, *, mask: Any = None, causal: bool = False, scale: float | None = None,
    dropout: float = 0.0, key: Any = None,
) -> Any:
    """softmax(Q Kᵀ/√d) V: for each query the mean of the values, weighted by how well their keys fit.

    Parameters
    ----------
    queries : array (..., length, features)
    keys : array (..., number of keys, features)
    values : array (..., number of keys, features of values)
    mask, causal, scale
        As in `attention_weights`.
    dropout : float
        The rate at which weights are dropped, if there is a key.
    key : numpy.uint64, optional

    Returns
    -------
    array (..., length, features of values)

    References
    ----------
    Vaswani et al. (2017), Attention is all you need, equation 1.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> x = np.eye(2)
    >>> wg.nn.scaled_dot_product_attention(x, x, np.array([[1.0], [3.0]]), causal=True).round(3)
    array([[1.  ],
           [2.34]])
    """
    values = array(values)
    if len(np.shape(values)) < 2 or np.shape(values)[-2] != np.shape(keys)[-2]:
        raise InputError(f"scaled_dot_product_attention at {user_line()}: keys of shape {np.shape(keys)} and values of shape "
                         f"{np.shape(values)} are not as many along the axis before the last")
    weights = attention_weights(queries, keys, mask=mask, causal=causal, scale=scale)
    return Dropout(dropout)(weights, key=key) @ values


# ---------------------------------------------------------------- positions


def sinusoidal(length: int, features: int, *, base: float = 10000.0, dtype: Any = float) -> Any:
    """Sines and cosines that tell positions: P[t, 2i] = sin(t/baseᵉ), P[t, 2i+1] = cos(t/baseᵉ), e = 2i/features.

    References
    ----------
    Vaswani et al. (2017), Attention is all you need, section 3.5.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.nn.sinusoidal(2, 4).round(2)
    array([[0.  , 1.  , 0.  , 1.  ],
           [0.84, 0.54, 0.01, 1.  ]])
    """
    even = np.arange(0, features, 2)
    angle = np.arange(length)[:, None] * base ** (-even / features)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(length, -1)[:, :features].astype(dtype)


def rotary(x: Any, positions: Any = None, *, base: float = 10000.0) -> Any:
    """Features 2i and 2i+1 of position t turned by the angle t/baseᵉ, e = 2i/features.

    Products of queries and keys that were turned so depend on the difference of their positions alone.

    Parameters
    ----------
    x : array (..., length, features), with an even number of features
    positions : array (length,), or (..., length) that broadcasts to x without its features, optional
        0, 1, 2, ... by default.
    base : float

    References
    ----------
    Su et al. (2021), RoFormer: enhanced transformer with rotary position embedding, equation 34.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.nn.rotary(np.array([[1.0, 0.0], [1.0, 0.0]])).round(2)
    array([[1.  , 0.  ],
           [0.54, 0.84]])
    """
    x = array(x)
    *lead, length, features = x.shape
    if features % 2:
        raise InputError(f"rotary at {user_line()}: x of shape {np.shape(x)} has an odd number of features")
    positions = np.arange(length) if positions is None else array(positions)
    if not positions.ndim or positions.shape[-1] != length or positions.ndim > x.ndim - 1:
        raise InputError(f"rotary at {user_line()}: x is of shape {x.shape} and positions {positions.shape}; they have to be "
                         f"({length},), or of the axes of x but its last")
    angle = positions[..., None] * base ** (-np.arange(0, features, 2) / features)
    cosine, sine = np.cos(angle).astype(x.dtype), np.sin(angle).astype(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    return np.stack([a * cosine - b * sine, a * sine + b * cosine], axis=-1).reshape(*lead, length, features)


@layer_class
class Positions:
    """x + table[:length]: each position has a vector of its own, fixed (`sinusoidal`) or learned (`init`).

    Parameters
    ----------
    table : array (greatest length, features)

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.nn.Positions.sinusoidal(100, 4)(np.zeros((2, 4))).round(2)
    array([[0.  , 1.  , 0.  , 1.  ],
           [0.84, 0.54, 0.01, 1.  ]])
    """

    table: Any

    __repr__ = shown

    @classmethod
    def init(cls, key: Any, length: int, features: int, *, deviation: float = 0.02, dtype: Any = float) -> Positions:
        """A table that is learned, from normal numbers of this standard deviation."""
        return cls((deviation * random.normal(key, (length, features))).astype(dtype))

    @classmethod
    def sinusoidal(cls, length: int, features: int, *, dtype: Any = float) -> Frozen:
        """The table of `wg.nn.sinusoidal`, which is not trained: the layer below `Frozen`."""
        return Frozen(cls(sinusoidal(length, features, dtype=dtype)))

    def __call__(self, x: Any) -> Any:
        """The sequence (..., length, features) with its positions added."""
        table = self.table
        if len(np.shape(x)) < 2 or np.shape(x)[-1] != table.shape[1] or np.shape(x)[-2] > table.shape[0]:
            raise InputError(f"Positions with a table {table.shape} takes sequences (..., at most {table.shape[0]}, "
                             f"{table.shape[1]}); this one has shape {np.shape(x)}")
        return x + table[:np.shape(x)[-2]]


# ---------------------------------------------------------------- several heads


@layer_class
class MultiHeadAttention:
    """Attention in several heads, each with its own part of the features; results side by side, then mixed.

    Parameters
    ----------
    query, key, value : Linear
        From the inputs to the features of all heads.
    output : Linear
    heads : int, static
        Divides the features.
    dropout : float, static
        The rate at which weights are dropped, in calls with a key.
    rotary : float or None, static
        The base of rotary positions (see `wg.nn.rotary`), which queries and keys are given if it is not None.

    References
    ----------
    Vaswani et al. (2017), Attention is all you need, section 3.2.2.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> attention = wg.nn.MultiHeadAttention.init(wg.random.key(0), 8, heads=2)
    >>> x = np.ones((5, 10, 8))
    >>> attention(x).shape, attention(x, np.ones((5, 3, 8))).shape
    ((5, 10, 8), (5, 10, 8))
    """

    query: Linear
    key: Linear
    value: Linear
    output: Linear
    heads: int = field(default=1, metadata={"static": True})
    dropout: float = field(default=0.0, metadata={"static": True})
    rotary: float | None = field(default=None, metadata={"static": True})

    __repr__ = shown

    @classmethod
    def init(cls, key: Any, features: int, heads: int = 1, *, n_keys: int | None = None, n_values: int | None = None,
             bias: bool = True, dropout: float = 0.0, rotary: float | None = None, dtype: Any = float) -> MultiHeadAttention:
        """Attention from a key, for queries of `features`, and keys and values of as many unless told."""
        if features % heads:
            raise InputError(f"MultiHeadAttention: {heads} heads do not divide {features} features")
        sizes = [features, n_keys or features, n_values or n_keys or features, features]
        q, k, v, o = [Linear.init(k, n, features, bias=bias, dtype=dtype) for k, n in zip(random.split(key, 4), sizes)]
        return cls(q, k, v, o, heads, dropout, rotary)

    def __call__(self, queries: Any, keys: Any = None, values: Any = None, *, mask: Any = None, causal: bool = False,
                 key: Any = None) -> Any:
        """What the queries find.

        Parameters
        ----------
        queries : array (..., length, features)
        keys : array (..., number of keys, features of keys), optional
            The queries themselves by default: self-attention.
        values : array (..., number of keys, features of values), optional
            The keys by default.
        mask : array, optional
            As in `attention_weights`; it broadcasts to (..., length, number of keys), the same for all heads, or to
            (..., heads, length, number of keys) if it has one axis more than the queries. Which tokens are valid, (batch,
            number of keys), is given as ``mask[:, None, :]``.
        causal : bool
        key : numpy.uint64, optional
            For dropout of weights.

        Returns
        -------
        array (..., length, features)
        """
        q, k = self._project(queries, keys)
        given = queries if keys is None else keys
        v = self._split(called(".value", self.value, given if values is None else values))
        y = scaled_dot_product_attention(q, k, v, mask=self._for_heads(mask, q), causal=causal, dropout=self.dropout, key=key)
        y = np.swapaxes(y, -3, -2)
        return called(".output", self.output, y.reshape(*y.shape[:-2], y.shape[-2] * y.shape[-1]))

    def weights(self, queries: Any, keys: Any = None, *, mask: Any = None, causal: bool = False) -> Any:
        """The weights of each head, (..., heads, length, number of keys)."""
        q, k = self._project(queries, keys)
        return attention_weights(q, k, mask=self._for_heads(mask, q), causal=causal)

    def _project(self, queries: Any, keys: Any) -> tuple[Any, Any]:
        q = self._split(called(".query", self.query, queries))
        k = self._split(called(".key", self.key, queries if keys is None else keys))
        return (q, k) if self.rotary is None else (rotary(q, base=self.rotary), rotary(k, base=self.rotary))

    def _split(self, x: Any) -> Any:
        """(..., length, heads * n) -> (..., heads, length, n)."""
        if self.heads < 1 or x.shape[-1] % self.heads:
            raise InputError(f"MultiHeadAttention at {user_line()}: {self.heads} heads do not divide {x.shape[-1]} features")
        if len(x.shape) < 2:
            raise InputError(f"MultiHeadAttention takes sequences (..., length, features), not a single {x.shape}")
        return np.swapaxes(x.reshape(*x.shape[:-1], self.heads, x.shape[-1] // self.heads), -3, -2)

    def _for_heads(self, mask: Any, q: Any) -> Any:
        return mask if mask is None or np.ndim(mask) <= 2 or np.ndim(mask) == q.ndim else mask[..., None, :, :]
