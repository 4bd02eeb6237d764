"""Random words from keys and counters: the block cipher Threefry-2x32 with 20 rounds.

What comes in: keys and counters, 64 bits each. What goes out: 64 random bits for each pair of them. The one idea: the
words are a function of key and counter and of nothing else, so it does not matter how, where, or in which order they
are computed.

J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3, SC11 (2011).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import ArrayType
from wengert.primitives.elementwise import broadcast_type, elementwise

__all__ = ["threefry"]

_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY = np.uint32(0x1BD11BDA)  # so that no key is all zeros
_HALF = np.uint64(32)


def _words(x: Any) -> tuple[Any, Any]:
    """The low and the high 32 bits, as arrays of at least one axis: those wrap around without a warning."""
    x = np.atleast_1d(np.asarray(x, np.uint64))
    return x.astype(np.uint32), (x >> _HALF).astype(np.uint32)


def _threefry(key: Any, counter: Any) -> Any:
    k0, k1 = _words(key)
    keys = (k0, k1, k0 ^ k1 ^ _PARITY)
    a, b = _words(counter)
    a, b = a + k0, b + k1  # new arrays of the broadcast shape
    for n in range(20):
        a += b
        turn = np.uint32(_ROTATIONS[n % 8])
        b = (b << turn) | (b >> (np.uint32(32) - turn))
        b ^= a
        if n % 4 == 3:
            step = n // 4 + 1
            a += keys[step % 3]
            b += keys[(step + 1) % 3] + np.uint32(step)
    out = a.astype(np.uint64) | (b.astype(np.uint64) << _HALF)
    return out.reshape(np.broadcast_shapes(np.shape(key), np.shape(counter)))[()]


def _type(key: ArrayType, counter: ArrayType) -> ArrayType:
    if key.dtype != np.uint64 or counter.dtype != np.uint64:
        raise TypeError(f"threefry: keys and counters are uint64, not {key.dtype} and {counter.dtype}")
    return broadcast_type(key, counter)


def _sample(rng: np.random.Generator) -> Any:
    def draw(*shape: int) -> Any:
        return rng.integers(0, 2**64, shape, dtype=np.uint64)

    return [((draw(), draw()), {}), ((draw(), draw(4)), {}), ((draw(3, 1), draw(3, 4)), {})]


threefry = elementwise("threefry", _threefry, type=_type, differentiable=False, sample=_sample)
