"""SciPy's solvers by their own names, and random numbers: what a program calls that is no formula."""

from __future__ import annotations

import numpy as np
from mpmath import mp

from conformance.case import case, sp

A = np.array([[4.0, -1.0, 0.5], [-1.0, 3.0, 0.25], [0.5, 0.25, 2.0]])
KNOTS = np.array([0.0, 1.0, 2.5, 4.0])
GIVEN = np.random.default_rng(5).standard_normal(3)


@case(
    [2.0, 7.0],
    name="scipy.optimize.brentq",
    order=1,
    precise=lambda a: mp.cbrt(a),
    gradient=lambda a: 1 / (3 * mp.cbrt(a) ** 2),
    slack=16.0,
)
def brentq(a):
    return sp.optimize.brentq(lambda x: x**3 - a, 0.0, 10.0, xtol=1e-15)


@case(
    [2.0],
    name="scipy.optimize.root",
    order=1,
    precise=lambda a: 1 / mp.sqrt(a),
    gradient=lambda a: -1 / (2 * mp.sqrt(a) ** 3),
    slack=64.0,
)
def root(a):
    return sp.optimize.root(lambda x: np.array([a * x[0] ** 2 - x[1], x[1] - 1.0]), np.array([1.0, 1.0]), tol=1e-14).x[0]


@case(
    [np.array([1.5, 0.5])],
    name="scipy.optimize.minimize",
    order=1,
    precise=lambda a: a[0] ** 2 + a[1],
    slack=2.0**22,
    gradient=lambda a: np.array([2 * a[0], 1]),
    note="BFGS stops at a gradient of 1e-5; one Newton step is all that is owed",
)
def minimize(a):
    found = sp.optimize.minimize(lambda x: (x[0] - a[0] ** 2) ** 2 + (x[1] - a[1]) ** 2, np.zeros(2), tol=1e-10)
    return found.x[0] + found.x[1]


@case([0.5, 2.0], name="scipy.integrate.quad, in a parameter", order=1, precise=lambda a: (1 - mp.exp(-a)) / a, slack=4.0)
def quad(a):
    return sp.integrate.quad(lambda x: np.exp(-a * x), 0.0, 1.0)[0]


@case(
    [0.5, 2.0],
    name="scipy.integrate.quad, in its bound",
    order=1,
    gradient=lambda b: mp.exp(-b * b),
    precise=lambda b: mp.sqrt(mp.pi) / 2 * mp.erf(b),
    slack=4.0,
)
def quad_bound(b):
    return sp.integrate.quad(lambda x: np.exp(-x * x), 0.0, b)[0]


@case(
    [np.array([0.7, 1.5])],
    name="scipy.integrate.solve_ivp",
    order=1,
    precise=lambda p: p[1] * mp.exp(-p[0] * 2),
    slack=2.0**14,
    note="rtol = 1e-10 bounds the error of one step",
)
def solve_ivp(p):
    return sp.integrate.solve_ivp(lambda t, y: -p[0] * y, (0.0, 2.0), np.array([1.0]) * p[1], rtol=1e-10, atol=1e-12).y[0, -1]


@case(
    [np.array([1.0, -2.0, 0.5])],
    name="scipy.interpolate.CubicSpline, in its values",
    order=1,
    precise=lambda v: spline_by_hand(v),
    slack=4.0,
)
def spline(v):
    return sp.interpolate.CubicSpline(KNOTS, np.concatenate([v, np.array([1.0])]), bc_type="natural")(1.7)


def spline_by_hand(v):
    """The natural cubic spline at 1.7, by its moments."""
    x, y = [mp.mpf(k) for k in KNOTS], [*v, mp.one]
    h = [x[k + 1] - x[k] for k in range(3)]
    right = [6 * ((y[k + 1] - y[k]) / h[k] - (y[k] - y[k - 1]) / h[k - 1]) for k in (1, 2)]
    m1, m2 = mp.lu_solve(mp.matrix([[2 * (h[0] + h[1]), h[1]], [h[1], 2 * (h[1] + h[2])]]), mp.matrix(right))
    a, b = x[2] - mp.mpf(1.7), mp.mpf(1.7) - x[1]
    linear = (y[1] / h[1] - m1 * h[1] / 6) * a + (y[2] / h[1] - m2 * h[1] / 6) * b
    return (m1 * a**3 + m2 * b**3) / (6 * h[1]) + linear


@case(
    [np.array([1.0, -2.0, 0.5])],
    name="scipy.sparse.linalg.spsolve",
    order=1,
    slack=4.0,
    precise=lambda b: np.sum(np.array(mp.lu_solve(mp.matrix(A.tolist()), mp.matrix(list(b))).tolist(), dtype=object) ** 2),
)
def spsolve(b):
    return np.sum(sp.sparse.linalg.spsolve(sp.sparse.csc_matrix(A), b) ** 2)


@case([np.array([1.0, -2.0, 0.5, 0.25])], name="scipy.signal.lfilter", order=1, precise=lambda x: filtered(x))
def lfilter(x):
    return np.sum(sp.signal.lfilter([0.5, 0.25], [1.0, -0.5], x) ** 2)


def filtered(x):
    y, total = mp.zero, mp.zero
    for k, v in enumerate(x):
        y = v / 2 + (x[k - 1] / 4 if k else 0) + y / 2
        total += y * y
    return total


@case(
    [np.array([1.0, -2.0, 0.5])],
    name="scipy.spatial.distance.cdist",
    order=1,
    precise=lambda x: sum(mp.sqrt((v - mp.mpf(1) / 4) ** 2 + 1) for v in x),
)
def cdist(x):
    points = np.stack([x, np.ones(3)], axis=1)
    return np.sum(sp.spatial.distance.cdist(points, np.array([[0.25, 0.0]])))


@case([np.array([0.5, -1.0, 2.0])], name="random numbers from a seed", gradient=lambda x: GIVEN)
def seeded(x):
    return np.sum(x * np.random.default_rng(5).standard_normal(3))


@case(
    [np.array([0.5, 2.0])],
    name="random numbers with a mean and a deviation that vary",
    order=1,
    gradient=lambda p: np.array([1, sum(mp.mpf(v) for v in GIVEN) / 3]),
    precise=lambda p: p[0] + p[1] * sum(mp.mpf(v) for v in GIVEN) / 3,
)
def reparametrized(p):
    return np.mean(np.random.default_rng(5).normal(p[0], p[1], 3))


@case([np.array([0.5, -1.0, 2.0])], name="a shuffle from a seed", order=1)
def shuffled(x):
    return np.sum(np.random.default_rng(5).permutation(x)[:2] ** 2)
