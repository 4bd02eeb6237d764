"""Programs in which nothing is wrong, though they look as if: the linter says nothing.

What comes in: nothing. What goes out: `PROGRAMS`, functions with the points they are looked at. The one idea: kinks that make
up for each other, jumps that the program undoes, roundings that do not matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert as wg

PROGRAMS: list[tuple[Any, tuple[Any, ...]]] = []
RNG = np.random.default_rng(6)
DATA = RNG.normal(size=(7, 3))


def at(*args: Any) -> Any:
    """The program is looked at there."""
    def noted(f: Any) -> Any:
        PROGRAMS.append((f, args))
        return f
    return noted


@at(np.zeros(2))
def square_of_abs(x):
    return np.sum(np.abs(x) ** 2)


@at(np.array([1e-12, 0.4]))
def power_of_abs(x):
    return np.sum(np.abs(x) ** 1.5)


@at(0.0)
def two_ramps(x):
    return np.maximum(x, 0.0) + np.minimum(x, 0.0)


@at(0.0)
def smooth_arms(x):
    return np.where(x > 0.0, x + x**2, x - x**2)


@at(1.0)
def smooth_branch(x):
    if x > 1.0:
        y = x * x
    else:
        y = 2.0 * x - 1.0
    return 3.0 * y


@at(np.array([3.0, 1.0, 1.0]))
def sum_of_sorted(x):
    return np.sum(np.sort(x) ** 2)


@at(np.array([2.0, 2.0, 1.0]))
def shifted_log_sum(x):
    top = np.max(x)
    return top + np.log(np.sum(np.exp(x - top)))


@at(1.37)
def interpolated(x):
    places = int(np.floor(x))
    values = np.array([0.0, 1.0, 4.0, 9.0, 16.0, 25.0])
    rest = x - places
    return (1.0 - rest) * values[places] + rest * values[places + 1]


@at(0.4)
def triangle(x):
    return abs(x % 2.0 - 1.0)


@at(1.2)
def far_from_its_kink(x):
    return np.where(x > 1.0, x, 2.0 - x) + 2.0 * abs(x - 3.0)


@at(np.array([0.3, -0.2, 0.8]))
def relu_network(w):
    hidden = np.maximum(DATA @ w, 0.0)
    return np.mean((hidden - 0.3) ** 2)


@at(np.array([0.0, 2.0]))
def guarded_root(x):
    positive = x > 0.5
    y = np.sqrt(np.where(positive, x, 1.0))
    return np.sum(np.where(positive, y - np.sqrt(0.5), 0.0) ** 2)


@at(0.9)
def settled(a):
    x = 1.0
    while abs(x - np.cos(a * x)) > 1e-13:
        x = np.cos(a * x)
    return x


@at(2.0)
def newton(a):
    x = a
    for _ in range(50):
        new = 0.5 * (x + a / x)
        if abs(new - x) < 1e-13:
            break
        x = new
    return x


@at(0.7)
def time_steps(rate):
    t, y = 0.0, 1.0
    while t < 1.0:
        y = y - 0.05 * rate * y
        t = t + 0.05
    return y


@at(np.array([1.0, 1.0]))
def at_the_solution(x):
    residuals = np.array([10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]])
    return np.sum(residuals**2)


@at(np.array([3.0, 5.0]))
def constraint(x):
    return x[0] ** 2 + 0.2 * x[1] - 10.0


@at(0.3)
def ordinary_log(x):
    return np.log(1.0 + x) + np.exp(x) - 1.0 + (1.0 - np.cos(x))


@at(np.array([0.3, -0.4]))
def stationary(x):
    return np.sum((x - np.array([0.3, -0.4])) ** 2)


@at(np.ones(3))
def seeded(x):
    rng = np.random.default_rng(3)
    return np.sum((x + rng.normal(size=3)) ** 2)


@at(np.ones(3))
def keyed(x):
    return np.sum((x + wg.random.normal(wg.random.key(1), (3,))) ** 2)


@at(np.array([1.0, 2.0]))
def frozen_target(x):
    return np.sum((x - wg.stop_gradient(np.sin(x))) ** 2)


@at(np.array([2.0, -1.0, 0.5]))
def deviation(x):
    return np.var(x) + np.std(x) + np.linalg.norm(x)


@at(np.eye(2))
def sum_of_eigenvalues(a):
    return np.sum(np.linalg.eigvalsh(a) ** 2)


@at(np.array([[4.0, 1.0], [1.0, 3.0]]))
def determinant(a):
    values = np.linalg.eigvalsh(a)
    return np.sum(np.log(values)) + np.linalg.slogdet(a)[1]
