"""Programs that are run under load: loops, products, calls of Python, draws, recursion, loops large enough for the pool."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg


def loop(x):
    total = 0.0
    for k in range(4):
        total = total + np.sum(np.sin(x * (k + 1)) * x)
        x = x * 0.9
    while total > 100.0:
        total = total / 2.0
    return total


def product(x):
    a = np.outer(x, x) + np.eye(x.size)
    a[0] = 3.0 * x
    return np.trace(a @ a.T)


def masked(x):
    return np.sum(np.where(x > 0.2, np.sqrt(np.abs(x)), 0.0))


@wg.custom_jvp
def _sine(x):
    return np.sin(x)


@_sine.defjvp
def _(primals, tangents):
    return _sine(primals[0]), np.cos(primals[0]) * tangents[0]


def ruled(x):
    for _ in range(3):
        x = _sine(x)
    return np.sum(x)


def called(x):
    order = np.argsort(x)  # beside it, a function of the user's that Python runs
    return np.sum(wg.opaque(np.cos, derivative=lambda y: -np.diag(np.sin(y)), shape=x.shape)(x) * x[order])


def drawn(x):
    return np.sum(wg.random.normal(wg.random.key(3), x.shape) * x ** 2)


def recursive(x, n=4):
    return np.sum(x) if n == 0 else recursive(np.sin(x), n - 1) * 0.5 + np.sum(x)


def inner(x):
    return np.sum(wg.grad(lambda y: np.sum(y ** 3))(x) ** 2) + np.sum(wg.vmap(lambda y: y * y)(x))


def large(x):
    y = np.tile(x, 4000)
    return np.sum(np.sin(y) * np.exp(-y * y))


PROGRAMS = (loop, product, masked, ruled, drawn, recursive, inner, large)
WAYS: dict[str, Callable[[Any], Any]] = {
    "grad": wg.grad, "jit": wg.jit, "jit(grad)": lambda f: wg.jit(wg.grad(f)),
    "jit(grad) at once": lambda f: wg.jit(wg.grad(f), at_once=True)}


def copied(f: Any) -> Any:
    """A function of the same code that nothing is known of yet."""
    return types.FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, f.__closure__)
