"""Loops, branches, early returns, trip counts that depend on the data, recursion, containers, closures."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import numpy as np
from mpmath import mp

from conformance.case import case, idiom, lib

V = np.array([0.5, -1.25, 2.0])


@case([0.7], name="for loop")
def for_loop(x):
    y = x
    for k in range(10):
        y = np.sin(y) + 0.1 * k * x
    return y


@case([np.array([0.5, 0.2])], name="logistic map, thirty steps", slack=4.0)
def logistic_map(x):
    y = x[1]
    for _ in range(30):
        y = (2.0 + x[0]) * y * (1.0 - y)
    return y


@case([2.0, 10.0], name="while loop that converges", precise=lambda a: mp.sqrt(a), gradient=lambda a: 1 / (2 * mp.sqrt(a)))
def newton_root(a):
    y = a
    while abs(y * y - a) > 1e-9 * a:
        y = 0.5 * (y + a / y)
    y = 0.5 * (y + a / y)
    return 0.5 * (y + a / y)


@idiom("while loop that converges", "jax")
def newton_root_jax(a):
    def step(y):
        return 0.5 * (y + a / y)

    y = lib.lax.fori_loop(0, 12, lambda k, y: step(y), a)
    return step(y)


@case(
    [0.3, 3.0],
    name="trip count from the data",
    gradient=lambda x: 3 * x * x if x > 1 else mp.mpf(2) ** 2,
    precise=lambda x: x**3 if x > 1 else 4 * x,
)
def trip_count(x):
    y = x
    if x > 1.0:
        for _ in range(int(x) - 1):
            y = y * x
    else:
        while y < 1.0:
            y = 2.0 * y
    return y


@case([0.5, -0.5], name="if and else", gradient=lambda x: 2 * x if x > 0 else -mp.cos(x))
def branches(x):
    if x > 0.0:
        return x * x
    return -np.sin(x)


@case([0.5, 3.0], name="break and continue", precise=lambda x: x + x**2 + x**4 if x > 1 else sum(x**k for k in (1, 2, 4, 5)))
def break_continue(x):
    total = 0.0
    for k in range(1, 20):
        if k == 3:
            continue
        if x**k > 100.0 or k > 5:
            break
        total = total + x**k
    return total


@case([np.array([0.5, 2.0, 4.0])], name="early return from a loop", gradient=lambda x: np.array([0, 2 * x[1], 0]))
def early_return(x):
    for v in x:
        if v > 1.0:
            return v * v
    return np.sum(x)


@case([0.5], name="nested loops")
def nested_loops(x):
    total = 0.0
    for i in range(3):
        for j in range(i + 1):
            total = total + np.cos(x * (i + 1)) * x**j
    return total


@case(
    [0.5, -0.5],
    name="and, or, conditional expression",
    gradient=lambda x: mp.mpf(3) if x > 0 else mp.mpf(-1),
    precise=lambda x: 3 * x if x > 0 else -x,
)
def boolean_logic(x):
    y = 3.0 * x if (x > 0.0 and x < 1.0) else x
    return y if y > 0.0 or x > 1.0 else -y


@case([1.2], name="recursion")
def recursion(x):
    def chebyshev(n, t):
        if n == 0:
            return 1.0
        if n == 1:
            return t
        return 2.0 * t * chebyshev(n - 1, t) - chebyshev(n - 2, t)

    return chebyshev(6, x)


@case([V], name="loop over the elements", gradient=lambda x: np.array([mp.cos(v) * (k + 1) for k, v in enumerate(x)]))
def over_elements(x):
    total = 0.0
    for k in range(len(x)):
        total = total + (k + 1) * np.sin(x[k])
    return total


@case([V], name="list that grows", gradient=lambda x: 4 * x**3)
def growing_list(x):
    powers = []
    for v in x:
        powers.append(v**4)
    return sum(powers)


@case([0.5], name="closure over the variable")
def closure(x):
    def inner(t):
        return t * x

    return inner(np.sin(x)) + inner(x)


@case([0.5], name="partial and default arguments")
def partial(x):
    def power(base, exponent, scale=x):
        return scale * base**exponent

    return functools.partial(power, exponent=3)(x)


@case([V], name="map, filter, reduce, zip", gradient=lambda x: np.array([x[2], 0, x[0]]))
def functional(x):
    positive = filter(lambda v: v > 0.0, x)
    return functools.reduce(lambda a, b: a * b, map(lambda v: 1.0 * v, positive))


@case([np.array([1.0, 2.0])], name="exception that is caught", gradient=lambda x: np.array([2, 1]))
def caught(x):
    try:
        if x[0] < 5.0:
            raise ValueError("small")
        return np.sum(x**2)
    except ValueError:
        return 2.0 * x[0] + x[1]


class Point(NamedTuple):
    a: Any
    b: Any


@dataclasses.dataclass
class Model:
    weights: Any
    bias: Any


@case([{"w": np.array([0.5, -1.0]), "b": 0.25}], name="dict of arrays", order=1)
def of_dict(p):
    return np.sum(np.tanh(p["w"] * 2.0 + p["b"]))


@case([(np.array([0.5, -1.0]), [0.25, np.array([[2.0]])])], name="nested tuple and list", order=1)
def of_tuple(p):
    w, (b, c) = p
    return np.sum(w**2 * b) * c[0, 0]


@case([Point(np.array([0.5, -1.0]), 2.0)], name="named tuple", order=1)
def of_named_tuple(p):
    return np.sum(np.exp(p.a) * p.b)


@case([Model(np.array([0.5, -1.0]), 0.25)], name="dataclass", order=1)
def of_dataclass(m):
    return np.sum((m.weights + m.bias) ** 3)


@case([0.5], name="object with state inside")
def stateful(x):
    class Accumulator:
        def __init__(self):
            self.total = 0.0

        def add(self, v):
            self.total = self.total + v * v

    acc = Accumulator()
    for k in range(4):
        acc.add(x * k)
    return acc.total


@case([0.5], name="dict of intermediate results")
def memo(x):
    table = {0: x, 1: np.sin(x)}
    for k in range(2, 6):
        table[k] = table[k - 1] * table[k - 2] + x
    return table[5]


@case([np.array([0.9, 0.4])], name="Runge and Kutta's method, forty steps", slack=4.0)
def runge_kutta(p):
    def slope(y):
        return p[0] * y * (1.0 - y * p[1])

    y, h = 0.2, 0.1
    for _ in range(40):
        k1 = slope(y)
        k2 = slope(y + h / 2.0 * k1)
        k3 = slope(y + h / 2.0 * k2)
        k4 = slope(y + h * k3)
        y = y + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return y


@case(
    [0.5],
    name="integer arithmetic of loop indices",
    gradient=lambda x: sum((k // 2) * (k % 3) * mp.mpf(k) * x ** (k - 1) for k in range(1, 7)),
)
def integer_indices(x):
    total = 0.0 * x
    for k in range(7):
        total = total + (k // 2) * (k % 3) * x**k
    return total


@case([1.7], name="math.floor picks a coefficient", gradient=lambda x: mp.mpf(3), precise=lambda x: 3 * x)
def floor_picks(x):
    return (1.0, 3.0, 5.0)[math.floor(x)] * x
