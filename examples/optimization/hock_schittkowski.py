"""Twenty problems of the collection of Hock and Schittkowski, as plain NumPy.

Each minimizes f(x) subject to equalities c(x) = 0, inequalities c(x) >= 0, and bounds, from the start point of the collection.
The optima are those of the collection, or their closed form where there is one.

W. Hock and K. Schittkowski, Test Examples for Nonlinear Programming Codes, Lecture Notes in Economics and Mathematical Systems
187, Springer 1981.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Problem:
    """What is minimized, from where, and how far down it goes."""

    number: int
    f: Function
    start: tuple[float, ...]
    optimum: float
    equalities: Function | None = None
    inequalities: Function | None = None
    bounds: tuple[Any, Any] | None = None


def f1(x):
    return 100.0 * (x[1] - x[0] ** 2) ** 2 + (1.0 - x[0]) ** 2


def f6(x):
    return (1.0 - x[0]) ** 2


def c6(x):
    return [10.0 * (x[1] - x[0] ** 2)]


def f7(x):
    return np.log(1.0 + x[0] ** 2) - x[1]


def c7(x):
    return [(1.0 + x[0] ** 2) ** 2 + x[1] ** 2 - 4.0]


def f10(x):
    return x[0] - x[1]


def c10(x):
    return [-3.0 * x[0] ** 2 + 2.0 * x[0] * x[1] - x[1] ** 2 + 1.0]


def f12(x):
    return 0.5 * x[0] ** 2 + x[1] ** 2 - x[0] * x[1] - 7.0 * x[0] - 7.0 * x[1]


def c12(x):
    return [25.0 - 4.0 * x[0] ** 2 - x[1] ** 2]


def f22(x):
    return (x[0] - 2.0) ** 2 + (x[1] - 1.0) ** 2


def c22(x):
    return [2.0 - x[0] - x[1], x[1] - x[0] ** 2]


def f26(x):
    return (x[0] - x[1]) ** 2 + (x[1] - x[2]) ** 4


def c26(x):
    return [(1.0 + x[1] ** 2) * x[0] + x[2] ** 4 - 3.0]


def f27(x):
    return 0.01 * (x[0] - 1.0) ** 2 + (x[1] - x[0] ** 2) ** 2


def c27(x):
    return [x[0] + x[2] ** 2 + 1.0]


def f28(x):
    return (x[0] + x[1]) ** 2 + (x[1] + x[2]) ** 2


def c28(x):
    return [x[0] + 2.0 * x[1] + 3.0 * x[2] - 1.0]


def f35(x):
    linear = 9.0 - 8.0 * x[0] - 6.0 * x[1] - 4.0 * x[2]
    return linear + 2.0 * x[0] ** 2 + 2.0 * x[1] ** 2 + x[2] ** 2 + 2.0 * x[0] * x[1] + 2.0 * x[0] * x[2]


def c35(x):
    return [3.0 - x[0] - x[1] - 2.0 * x[2]]


def f39(x):
    return -x[0]


def c39(x):
    return [x[1] - x[0] ** 3 - x[2] ** 2, x[0] ** 2 - x[1] - x[3] ** 2]


def f40(x):
    return -np.prod(x)


def c40(x):
    return [x[0] ** 3 + x[1] ** 2 - 1.0, x[0] ** 2 * x[3] - x[2], x[3] ** 2 - x[1]]


def f43(x):
    return x @ (np.array([1.0, 1.0, 2.0, 1.0]) * x) + np.array([-5.0, -5.0, -21.0, 7.0]) @ x


def c43(x):
    return [8.0 - np.sum(x ** 2) - x[0] + x[1] - x[2] + x[3],
            10.0 - x[0] ** 2 - 2.0 * x[1] ** 2 - x[2] ** 2 - 2.0 * x[3] ** 2 + x[0] + x[3],
            5.0 - 2.0 * x[0] ** 2 - x[1] ** 2 - x[2] ** 2 - 2.0 * x[0] + x[1] + x[3]]


def f48(x):
    return (x[0] - 1.0) ** 2 + (x[1] - x[2]) ** 2 + (x[3] - x[4]) ** 2


def c48(x):
    return [np.sum(x) - 5.0, x[2] - 2.0 * (x[3] + x[4]) + 3.0]


def f65(x):
    return (x[0] - x[1]) ** 2 + (x[0] + x[1] - 10.0) ** 2 / 9.0 + (x[2] - 5.0) ** 2


def c65(x):
    return [48.0 - np.sum(x ** 2)]


def f71(x):
    return x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2]


def e71(x):
    return [np.sum(x ** 2) - 40.0]


def c71(x):
    return [np.prod(x) - 25.0]


def f76(x):
    quadratic = x[0] ** 2 + 0.5 * x[1] ** 2 + x[2] ** 2 + 0.5 * x[3] ** 2 - x[0] * x[2] + x[2] * x[3]
    return quadratic - x[0] - 3.0 * x[1] + x[2] - x[3]


def c76(x):
    A = np.array([[-1.0, -2.0, -1.0, -1.0], [-3.0, -1.0, -2.0, 1.0], [0.0, 1.0, 4.0, 0.0]])
    return A @ x + np.array([5.0, 4.0, -1.5])


def f77(x):
    return (x[0] - 1.0) ** 2 + (x[0] - x[1]) ** 2 + (x[2] - 1.0) ** 2 + (x[3] - 1.0) ** 4 + (x[4] - 1.0) ** 6


def c77(x):
    return [x[0] ** 2 * x[3] + np.sin(x[3] - x[4]) - 2.0 * np.sqrt(2.0),
            x[1] + x[2] ** 4 * x[3] ** 2 - 8.0 - np.sqrt(2.0)]


def f100(x):
    return ((x[0] - 10.0) ** 2 + 5.0 * (x[1] - 12.0) ** 2 + x[2] ** 4 + 3.0 * (x[3] - 11.0) ** 2 + 10.0 * x[4] ** 6
            + 7.0 * x[5] ** 2 + x[6] ** 4 - 4.0 * x[5] * x[6] - 10.0 * x[5] - 8.0 * x[6])


def c100(x):
    return [127.0 - 2.0 * x[0] ** 2 - 3.0 * x[1] ** 4 - x[2] - 4.0 * x[3] ** 2 - 5.0 * x[4],
            282.0 - 7.0 * x[0] - 3.0 * x[1] - 10.0 * x[2] ** 2 - x[3] + x[4],
            196.0 - 23.0 * x[0] - x[1] ** 2 - 6.0 * x[5] ** 2 + 8.0 * x[6],
            -4.0 * x[0] ** 2 - x[1] ** 2 + 3.0 * x[0] * x[1] - 2.0 * x[2] ** 2 - 5.0 * x[5] + 11.0 * x[6]]


def f113(x):
    return (x[0] ** 2 + x[1] ** 2 + x[0] * x[1] - 14.0 * x[0] - 16.0 * x[1] + (x[2] - 10.0) ** 2 + 4.0 * (x[3] - 5.0) ** 2
            + (x[4] - 3.0) ** 2 + 2.0 * (x[5] - 1.0) ** 2 + 5.0 * x[6] ** 2 + 7.0 * (x[7] - 11.0) ** 2
            + 2.0 * (x[8] - 10.0) ** 2 + (x[9] - 7.0) ** 2 + 45.0)


def c113(x):
    return [105.0 - 4.0 * x[0] - 5.0 * x[1] + 3.0 * x[6] - 9.0 * x[7],
            -10.0 * x[0] + 8.0 * x[1] + 17.0 * x[6] - 2.0 * x[7],
            8.0 * x[0] - 2.0 * x[1] - 5.0 * x[8] + 2.0 * x[9] + 12.0,
            -3.0 * (x[0] - 2.0) ** 2 - 4.0 * (x[1] - 3.0) ** 2 - 2.0 * x[2] ** 2 + 7.0 * x[3] + 120.0,
            -5.0 * x[0] ** 2 - 8.0 * x[1] - (x[2] - 6.0) ** 2 + 2.0 * x[3] + 40.0,
            -0.5 * (x[0] - 8.0) ** 2 - 2.0 * (x[1] - 4.0) ** 2 - 3.0 * x[4] ** 2 + x[5] + 30.0,
            -x[0] ** 2 - 2.0 * (x[1] - 2.0) ** 2 + 2.0 * x[0] * x[1] - 14.0 * x[4] + 6.0 * x[5],
            3.0 * x[0] - 6.0 * x[1] - 12.0 * (x[8] - 8.0) ** 2 + 7.0 * x[9]]


PROBLEMS = [
    Problem(1, f1, (-2.0, 1.0), 0.0, bounds=([-np.inf, -1.5], [np.inf, np.inf])),
    Problem(6, f6, (-1.2, 1.0), 0.0, equalities=c6),
    Problem(7, f7, (2.0, 2.0), -np.sqrt(3.0), equalities=c7),
    Problem(10, f10, (-10.0, 10.0), -1.0, inequalities=c10),
    Problem(12, f12, (0.0, 0.0), -30.0, inequalities=c12),
    Problem(22, f22, (2.0, 2.0), 1.0, inequalities=c22),
    Problem(26, f26, (-2.6, 2.0, 2.0), 0.0, equalities=c26),
    Problem(27, f27, (2.0, 2.0, 2.0), 0.04, equalities=c27),
    Problem(28, f28, (-4.0, 1.0, 1.0), 0.0, equalities=c28),
    Problem(35, f35, (0.5, 0.5, 0.5), 1.0 / 9.0, inequalities=c35, bounds=([0.0] * 3, [np.inf] * 3)),
    Problem(39, f39, (2.0, 2.0, 2.0, 2.0), -1.0, equalities=c39),
    Problem(40, f40, (0.8, 0.8, 0.8, 0.8), -0.25, equalities=c40),
    Problem(43, f43, (0.0, 0.0, 0.0, 0.0), -44.0, inequalities=c43),
    Problem(48, f48, (3.0, 5.0, -3.0, 2.0, -2.0), 0.0, equalities=c48),
    Problem(65, f65, (-5.0, 5.0, 0.0), 0.9535288567, inequalities=c65, bounds=([-4.5, -4.5, -5.0], [4.5, 4.5, 5.0])),
    Problem(71, f71, (1.0, 5.0, 5.0, 1.0), 17.0140173, equalities=e71, inequalities=c71, bounds=([1.0] * 4, [5.0] * 4)),
    Problem(76, f76, (0.5, 0.5, 0.5, 0.5), -4.681818181, inequalities=c76, bounds=([0.0] * 4, [np.inf] * 4)),
    Problem(77, f77, (2.0, 2.0, 2.0, 2.0, 2.0), 0.24150513, equalities=c77),
    Problem(100, f100, (1.0, 2.0, 0.0, 4.0, 0.0, 1.0, 1.0), 680.6300573, inequalities=c100),
    Problem(113, f113, (2.0, 3.0, 5.0, 5.0, 1.0, 2.0, 7.0, 3.0, 6.0, 10.0), 24.3062091, inequalities=c113),
]
