"""Transformers: layers of attention and feed-forward blocks, encoder, decoder, and both together.

What comes in: sequences of features, or of tokens. What goes out: sequences of features, logits, or tokens. The one idea: each
block is added to what it was given; the norm stands before the block (`pre_norm`) or after the sum, as in the first paper.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import field
from typing import Any

import numpy as np

from wengert import random
from wengert.errors import InputError
from wengert.structured import fori_loop, user_line

from .activations import relu
from .attention import MultiHeadAttention, Positions
from .checks import array, called, shown, size_text
from .construction import layer_class
from .gating import FeedForward
from .initializers import normal
from .linear import Embedding, Linear
from .normalization import LayerNorm
from .sequential import Dropout

__all__ = ["Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer"]


def _keys(key: Any, n: int) -> Any:
    return [None] * n if key is None else random.split(key, n)


@layer_class
class _Block:
    """What layers of both kinds have in common: a block between a norm, dropout and a sum."""

    __repr__ = shown

    def _added(self, x: Any, norm: str, key: Any, block: Callable[[Any], Any]) -> Any:
        """x + dropout(block(norm(x))), or norm(x + dropout(block(x)))."""
        layer, drop = getattr(self, norm), Dropout(self.dropout)  # type: ignore[attr-defined]
        if self.pre_norm:  # type: ignore[attr-defined]
            return x + drop(block(called(f".{norm}", layer, x)), key=key)
        return called(f".{norm}", layer, x + drop(block(x), key=key))

    def _fed(self, x: Any, norm: str, key: Any) -> Any:
        inner, outer = _keys(key, 2)
        feed: Any = self.feed_forward  # type: ignore[attr-defined]
        return self._added(x, norm, outer, lambda y: called(".feed_forward", feed, y, key=inner))

    def _attended(self, name: str, x: Any, memory: Any, norm: str, key: Any, mask: Any, causal: bool) -> Any:
        inner, outer = _keys(key, 2)
        layer = getattr(self, name)
        return self._added(x, norm, outer, lambda y: called(f".{name}", layer, y, memory, mask=mask, causal=causal, key=inner))


@layer_class
class TransformerEncoderLayer(_Block):
    """Self-attention, then a feed-forward block, each added to its input and normalized.

    Parameters
    ----------
    attention : MultiHeadAttention
    feed_forward : FeedForward
    norm1, norm2 : LayerNorm
        Of the attention and of the feed-forward block.
    dropout : float, static
    pre_norm : bool, static
        Normalize what a block is given, not what it was added to: deeper models train more easily so.

    References
    ----------
    Vaswani et al. (2017), Attention is all you need; Xiong et al. (2020), On layer normalization in the transformer
    architecture.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> layer = wg.nn.TransformerEncoderLayer.init(wg.random.key(0), 8, heads=2)
    >>> layer(np.ones((5, 10, 8))).shape
    (5, 10, 8)
    """

    attention: MultiHeadAttention
    feed_forward: FeedForward
    norm1: Any
    norm2: Any
    dropout: float = field(default=0.0, metadata={"static": True})
    pre_norm: bool = field(default=False, metadata={"static": True})

    __repr__ = shown

    @classmethod
    def init(cls, key: Any, features: int, heads: int = 1, *, hidden: int | None = None,
             activation: Callable[[Any], Any] = relu, dropout: float = 0.0, pre_norm: bool = False, rotary: float | None = None,
             dtype: Any = float) -> TransformerEncoderLayer:
        """A layer from a key; the feed-forward block has 4 · features hidden ones unless told."""
        k_a, k_f = random.split(key)
        return cls(
            MultiHeadAttention.init(k_a, features, heads, dropout=dropout, rotary=rotary, dtype=dtype),
            FeedForward.init(k_f, features, hidden or 4 * features, activation=activation, dropout=dropout, dtype=dtype),
            LayerNorm.init(features, dtype=dtype), LayerNorm.init(features, dtype=dtype), dropout, pre_norm)

    def __call__(self, x: Any, *, mask: Any = None, causal: bool = False, key: Any = None) -> Any:
        """For a sequence (..., length, features), and masks as `MultiHeadAttention` takes them."""
        k_a, k_f = _keys(key, 2)
        x = self._attended("attention", x, None, "norm1", k_a, mask, causal)
        return self._fed(x, "norm2", k_f)


@layer_class
class TransformerDecoderLayer(_Block):
    """Causal self-attention, attention to an encoder's output, a feed-forward block, each added and normalized.

    Parameters
    ----------
    self_attention, cross_attention : MultiHeadAttention
    feed_forward : FeedForward
    norm1, norm2, norm3 : LayerNorm
    dropout : float, static
    pre_norm : bool, static

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> layer = wg.nn.TransformerDecoderLayer.init(wg.random.key(0), 8, heads=2)
    >>> layer(np.ones((5, 10, 8)), np.ones((5, 3, 8))).shape
    (5, 10, 8)
    """

    self_attention: MultiHeadAttention
    cross_attention: MultiHeadAttention
    feed_forward: FeedForward
    norm1: Any
    norm2: Any
    norm3: Any
    dropout: float = field(default=0.0, metadata={"static": True})
    pre_norm: bool = field(default=False, metadata={"static": True})

    __repr__ = shown

    @classmethod
    def init(cls, key: Any, features: int, heads: int = 1, *, hidden: int | None = None,
             activation: Callable[[Any], Any] = relu, dropout: float = 0.0, pre_norm: bool = False, rotary: float | None = None,
             dtype: Any = float) -> TransformerDecoderLayer:
        """A layer from a key; rotary positions are given to self-attention alone."""
        k_s, k_c, k_f = random.split(key, 3)
        return cls(
            MultiHeadAttention.init(k_s, features, heads, dropout=dropout, rotary=rotary, dtype=dtype),
            MultiHeadAttention.init(k_c, features, heads, dropout=dropout, dtype=dtype),
            FeedForward.init(k_f, features, hidden or 4 * features, activation=activation, dropout=dropout, dtype=dtype),
            LayerNorm.init(features, dtype=dtype), LayerNorm.init(features, dtype=dtype), LayerNorm.init(features, dtype=dtype),
            dropout, pre_norm)

    def __call__(self, x: Any, memory: Any, *, mask: Any = None, memory_mask: Any = None, causal: bool = True,
                 key: Any = None) -> Any:
        """For a sequence (..., length, features), and the memory (..., length of the source, features) that it attends to."""
        k_s, k_c, k_f = _keys(key, 3)
        x = self._attended("self_attention", x, None, "norm1", k_s, mask, causal)
        x = self._attended("cross_attention", x, memory, "norm2", k_c, memory_mask, False)
        return self._fed(x, "norm3", k_f)


@layer_class
class TransformerEncoder:
    """Encoder layers one after the other, and a last norm.

    Parameters
    ----------
    layers : tuple of TransformerEncoderLayer
    norm : LayerNorm or None

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> encoder = wg.nn.TransformerEncoder.init(wg.random.key(0), 8, heads=2, layers=3, pre_norm=True)
    >>> encoder(np.ones((5, 10, 8)), causal=True).shape
    (5, 10, 8)
    """

    layers: tuple[TransformerEncoderLayer, ...]
    norm: Any = None

    __repr__ = shown

    @classmethod
    def init(cls, key: Any, features: int, heads: int = 1, layers: int = 1, *, pre_norm: bool = False, dtype: Any = float,
             **options: Any) -> TransformerEncoder:
        """Layers with the options of `TransformerEncoderLayer.init`; a last norm if they have theirs before the blocks."""
        return cls(tuple([TransformerEncoderLayer.init(k, features, heads, pre_norm=pre_norm, dtype=dtype, **options)
                          for k in random.split(key, layers)]), LayerNorm.init(features, dtype=dtype) if pre_norm else None)

    def __call__(self, x: Any, *, mask: Any = None, causal: bool = False, key: Any = None) -> Any:
        """For a sequence (..., length, features), and masks as `MultiHeadAttention` takes them."""
        for i, (layer, k) in enumerate(zip(self.layers, _keys(key, len(self.layers)))):
            x = called(f".layers[{i}]", layer, x, mask=mask, causal=causal, key=k)
        return x if self.norm is None else called(".norm", self.norm, x)


@layer_class
class TransformerDecoder:
    """Decoder layers one after the other, and a last norm.

    Parameters
    ----------
    layers : tuple of TransformerDecoderLayer
    norm : LayerNorm or None

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> decoder = wg.nn.TransformerDecoder.init(wg.random.key(0), 8, heads=2, layers=3)
    >>> decoder(np.ones((5, 10, 8)), np.ones((5, 3, 8))).shape
    (5, 10, 8)
    """

    layers: tuple[TransformerDecoderLayer, ...]
    norm: Any = None

    __repr__ = shown

    @classmethod
    def init(cls, key: Any, features: int, heads: int = 1, layers: int = 1, *, pre_norm: bool = False, dtype: Any = float,
             **options: Any) -> TransformerDecoder:
        """Layers with the options of `TransformerDecoderLayer.init`; a last norm if they have theirs before the blocks."""
        return cls(tuple([TransformerDecoderLayer.init(k, features, heads, pre_norm=pre_norm, dtype=dtype, **options)
                          for k in random.split(key, layers)]), LayerNorm.init(features, dtype=dtype) if pre_norm else None)

    def __call__(self, x: Any, memory: Any, *, mask: Any = None, memory_mask: Any = None, causal: bool = True,
                 key: Any = None) -> Any:
        """For a sequence (..., length, features), and the memory (..., length of the source, features) that it attends to."""
        for i, (layer, k) in enumerate(zip(self.layers, _keys(key, len(self.layers)))):
            x = called(f".layers[{i}]", layer, x, memory, mask=mask, memory_mask=memory_mask, causal=causal, key=k)
        return x if self.norm is None else called(".norm", self.norm, x)


@layer_class
class Transformer:
    """Encoder and decoder over tokens: the logits of each next token of the target, given the source and those before it.

    Parameters
    ----------
    source, target : Embedding
    positions : Positions, or Frozen of it
    encoder : TransformerEncoder
    decoder : TransformerDecoder
    output : Linear
        From features to logits.
    dropout : float, static
        Of embeddings, in calls with a key.

    References
    ----------
    Vaswani et al. (2017), Attention is all you need.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> model = wg.nn.Transformer.init(wg.random.key(0), 5, 7, features=8, heads=2, longest=20)
    >>> source, target = np.array([[1, 2, 3]]), np.array([[0, 4, 6, 2]])
    >>> model(source, target).shape
    (1, 4, 7)
    >>> model.generate(source, start=0, length=6).shape
    (1, 6)
    """

    source: Embedding
    target: Embedding
    positions: Any
    encoder: TransformerEncoder
    decoder: TransformerDecoder
    output: Linear
    dropout: float = field(default=0.0, metadata={"static": True})

    __repr__ = shown

    @classmethod
    def init(cls, key: Any, n_source: int, n_target: int, *, features: int, heads: int = 1, layers: int = 1, longest: int = 512,
             dropout: float = 0.0, dtype: Any = float, **options: Any) -> Transformer:
        """A model from a key: the tokens of source and target, features, heads, layers of both parts, the longest sequence.

        Options are those of `TransformerEncoderLayer.init`: hidden, activation, pre_norm, rotary.
        """
        k_s, k_t, k_e, k_d, k_o = random.split(key, 5)
        both = {"dropout": dropout, "dtype": dtype, **options}
        unit = functools.partial(normal, deviation=1 / math.sqrt(features))  # `_embedded` makes it 1, the size of positions
        return cls(Embedding.init(k_s, n_source, features, dtype=dtype, initializer=unit),
                   Embedding.init(k_t, n_target, features, dtype=dtype, initializer=unit),
                   Positions.sinusoidal(longest, features, dtype=dtype),
                   TransformerEncoder.init(k_e, features, heads, layers, **both),
                   TransformerDecoder.init(k_d, features, heads, layers, **both),
                   Linear.init(k_o, features, n_target, dtype=dtype), dropout)

    def __call__(self, source: Any, target: Any, *, source_mask: Any = None, key: Any = None) -> Any:
        """Logits (..., length of the target, n_target); those at t depend on the target's tokens 0 to t.

        Parameters
        ----------
        source, target : array of int (..., length)
            To train (teacher forcing) the target is what is wanted, behind a start token: the logits at t belong to its token
            t + 1.
        source_mask : array of bool (..., length of the source), optional
            Which tokens of the source are valid (see `length_mask`).
        key : numpy.uint64, optional
            For dropout.
        """
        k_e, k_d = _keys(key, 2)
        return self.decode(self.encode(source, source_mask=source_mask, key=k_e), target, source_mask=source_mask, key=k_d)

    def encode(self, source: Any, *, source_mask: Any = None, key: Any = None) -> Any:
        """The encoder's output (..., length, features), the memory of `decode`."""
        k_x, k_e = _keys(key, 2)
        x = self._embedded("source", source, k_x)
        return called(".encoder", self.encoder, x, mask=_over_keys(source_mask, np.shape(source)), key=k_e)

    def decode(self, memory: Any, target: Any, *, source_mask: Any = None, key: Any = None) -> Any:
        """The logits, given the memory."""
        k_x, k_d = _keys(key, 2)
        x = self._embedded("target", target, k_x)
        x = called(".decoder", self.decoder, x, memory, memory_mask=_over_keys(source_mask, np.shape(memory)[:-1]), key=k_d)
        return called(".output", self.output, x)

    def _embedded(self, name: str, tokens: Any, key: Any) -> Any:
        table: Any = getattr(self, name)
        x = called(f".{name}", table, tokens)
        return Dropout(self.dropout)(called(".positions", self.positions, x * math.sqrt(x.shape[-1])), key=key)

    def generate(self, source: Any, *, start: int, length: int, source_mask: Any = None) -> Any:
        """The likeliest next token, again and again: tokens (..., length), after the start token.

        Every step decodes the whole target, of which only what is before it matters: a loop of one size, which `jit` compiles.
        """
        if length < 1:
            raise InputError(f"Transformer.generate at {user_line()}: the length is {length}; it is at least 1")
        memory = self.encode(source, source_mask=source_mask)
        tokens = np.zeros((*np.shape(source)[:-1], length + 1), dtype=np.int64) + np.where(np.arange(length + 1) == 0, start, 0)

        def step(t: Any, tokens: Any) -> Any:
            logits = self.decode(memory, tokens[..., :-1], source_mask=source_mask)
            here = np.argmax(np.take(logits, t, axis=-2), axis=-1)
            return np.where(np.arange(length + 1) == t + 1, here[..., None], tokens)
        return fori_loop(0, length, step, tokens)[..., 1:]


def _over_keys(mask: Any, shape: tuple[int, ...]) -> Any:
    """A mask of tokens (..., length) as one of the keys of every query, (..., 1, length)."""
    if mask is None:
        return None
    mask = array(mask)
    if mask.dtype != bool or mask.shape != shape:
        raise InputError(f"Transformer at {user_line()}: source_mask is {size_text(mask)}; it says by bool which tokens of the "
                         f"source are valid, of shape {shape}")
    return mask[..., None, :]
