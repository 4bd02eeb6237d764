"""Ten problems of the collection of Moré, Garbow and Hillstrom, as plain NumPy.

Each minimizes the sum of the squares of its residuals, from the start point of the collection. The minima are those of the
collection; the second of problem 2 is a local one, at (11.41..., -0.8968...), to which the start point belongs.

J. J. Moré, B. S. Garbow and K. E. Hillstrom, Testing unconstrained optimization software, ACM Transactions on Mathematical
Software 7 (1981), 17-41.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Problem:
    """Residuals, where to start, and the minima of the sum of their squares."""

    number: int
    name: str
    residuals: Callable[[Any], Any]
    start: tuple[float, ...]
    minima: tuple[float, ...] = (0.0,)


def rosenbrock(x):
    return [10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]]


def freudenstein_roth(x):
    return [-13.0 + x[0] + ((5.0 - x[1]) * x[1] - 2.0) * x[1], -29.0 + x[0] + ((x[1] + 1.0) * x[1] - 14.0) * x[1]]


def powell_badly_scaled(x):
    return [1e4 * x[0] * x[1] - 1.0, np.exp(-x[0]) + np.exp(-x[1]) - 1.0001]


def brown_badly_scaled(x):
    return [x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2.0]


def beale(x):
    return np.array([1.5, 2.25, 2.625]) - x[0] * (1.0 - x[1] ** np.arange(1.0, 4.0))


def helical_valley(x):
    turn = np.arctan(x[1] / x[0]) / (2.0 * np.pi) + (0.5 if x[0] < 0.0 else 0.0)
    return [10.0 * (x[2] - 10.0 * turn), 10.0 * (np.sqrt(x[0] ** 2 + x[1] ** 2) - 1.0), x[2]]


def powell_singular(x):
    return [x[0] + 10.0 * x[1], np.sqrt(5.0) * (x[2] - x[3]), (x[1] - 2.0 * x[2]) ** 2, np.sqrt(10.0) * (x[0] - x[3]) ** 2]


def wood(x):
    return [10.0 * (x[1] - x[0] ** 2), 1.0 - x[0], np.sqrt(90.0) * (x[3] - x[2] ** 2), 1.0 - x[2],
            np.sqrt(10.0) * (x[1] + x[3] - 2.0), (x[1] - x[3]) / np.sqrt(10.0)]


Y = np.array([0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246])
U = np.array([4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])


def kowalik_osborne(x):
    return Y - x[0] * (U ** 2 + U * x[1]) / (U ** 2 + U * x[2] + x[3])


T = np.arange(1.0, 30.0) / 29.0
POWERS = T[:, None] ** np.arange(6)
SLOPES = np.arange(1.0, 6.0) * POWERS[:, :5]


def watson(x):
    return np.concatenate([SLOPES @ x[1:] - (POWERS @ x) ** 2 - 1.0, np.array([x[0], x[1] - x[0] ** 2 - 1.0])])


PROBLEMS = [
    Problem(1, "Rosenbrock", rosenbrock, (-1.2, 1.0)),
    Problem(2, "Freudenstein and Roth", freudenstein_roth, (0.5, -2.0), (0.0, 48.98425367924)),
    Problem(3, "Powell, badly scaled", powell_badly_scaled, (0.0, 1.0)),
    Problem(4, "Brown, badly scaled", brown_badly_scaled, (1.0, 1.0)),
    Problem(5, "Beale", beale, (1.0, 1.0)),
    Problem(7, "helical valley", helical_valley, (-1.0, 0.0, 0.0)),
    Problem(13, "Powell, singular", powell_singular, (3.0, -1.0, 0.0, 1.0)),
    Problem(14, "Wood", wood, (-3.0, -1.0, -3.0, -1.0)),
    Problem(15, "Kowalik and Osborne", kowalik_osborne, (0.25, 0.39, 0.415, 0.39), (3.07505603849e-4,)),
    Problem(20, "Watson, n = 6", watson, (0.0,) * 6, (2.28767005355e-3,)),
]
