"""The functions beside every random program: recursion, early returns, generators, classes, writes into arguments.

What comes in: nothing. What goes out: their source, a text that every program begins with.
"""

from __future__ import annotations

__all__ = ["HELPERS"]

HELPERS = '''\
import math

import numpy as np


def shake(z, k):
    z[k] = np.sin(z[k] + z[0])
    z[1:] *= 0.9
    return z


def turned(z):
    if z[0] > z[-1]:
        return z[::-1]
    return z


def first_above(z, limit):
    for j, value in enumerate(z):
        if value > limit:
            return 0.5 * value * (j + 1)
    else:
        limit = limit * 0.5
    return z[0] * limit


def both(z, other, s=0.3):
    z += s * np.tanh(other)
    other[0], z[-1] = z[-1], other[0]
    return other, z


def nested(s, depth):
    return math.sin(s) if depth == 0 else 0.5 * nested(s * 0.9, depth - 1) + 0.1 * s


def root(s):
    guess, steps = 1.0, 0
    while abs(guess * guess - 1.0 - s * s) > 1e-9 and steps < 4:
        guess = 0.5 * (guess + (1.0 + s * s) / guess)
        steps += 1
    return guess


def sweep(z):
    for row in z:
        row[1:] += 0.2 * row[:-1]
    return z.T


def blend(*arrays, weight=0.5):
    total = arrays[0] * weight
    for other in arrays[1:]:
        total += weight * other
    return np.tanh(total)


def rows(z):
    for j in range(len(z)):
        yield z[j]


def halves(z):
    middle = len(z) // 2
    return z[0] if len(z) == 1 else 0.6 * (halves(z[:middle]) + halves(z[middle:]))


class Holder:
    def __init__(self, z, scale):
        self.z, self.scale, self.count = z, scale, 0

    def step(self, k=1):
        self.z[k] += self.scale * 0.1
        self.scale = math.sin(self.scale + self.z[0])
        self.count += 1
        return self

    @property
    def tail(self):
        return self.z[1:]

    def settle(self, limit):
        while self.count < 4:
            self.count += 1
            if self.z[self.count - 1] > limit:
                self.z[:] = self.z[::-1]
                if self.scale > 0.2:
                    break
                self.scale += 0.1
            else:
                self.z[self.count - 1] += limit
        return self.z


def settled(z, limit):
    """Early returns out of nested blocks."""
    total = 0.0
    for j in range(len(z)):
        if z[j] > limit:
            total += z[j]
            if total > 1.0:
                return total * 0.5, j
        elif z[j] < -limit:
            k = j
            while k < len(z):
                if z[k] > 0.0:
                    return total - z[k], k
                k += 1
            break
    else:
        return total * limit, -1
    return total, len(z)


def clipped(z, low, out=None):
    if out is None:
        out = np.empty_like(z)
    np.maximum(z, low, out=out)
    if out[0] > 0.5:
        return out
    out *= 0.9
    return out


def fill(k, s):
    out = np.zeros(k)
    for j in range(k):
        out[j] = s if j == 0 else np.sin(out[j - 1] + 0.3)
    return out
'''
