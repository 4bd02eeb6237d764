"""Kinks, ties, arms not taken, norms at zero: off a kink the derivative, at the kink an element of the subdifferential."""

from __future__ import annotations

import numpy as np
from mpmath import mp

from conformance.case import case, idiom


def within(low, high):
    return lambda g, x: bool(np.all(g >= low) and np.all(g <= high))


def shares(total):
    """Weights on the elements that tie (given by their values), which add up to one."""

    def accept(g, x):
        tied = np.ravel(x) == total(x)
        return bool(np.all(g >= 0.0) and np.all(g[~tied] == 0.0) and abs(np.sum(g) - 1.0) < 1e-15)

    return accept


@case([np.array([0.5, -2.0])], name="abs away from zero", gradient=lambda x: np.array([mp.sign(v) for v in x]))
def absolute(x):
    return np.sum(np.abs(x))


@case([0.0, -0.0], name="abs at zero", order=1, accept=within(-1.0, 1.0))
def absolute_at_zero(x):
    return np.abs(x)


@case([0.0], name="relu at zero", order=1, accept=within(0.0, 1.0))
def relu_at_zero(x):
    return np.maximum(x, 0.0)


@case([np.array([0.5, -0.5])], name="relu away from zero", gradient=lambda x: np.array([mp.mpf(v > 0) for v in x]))
def relu(x):
    return np.sum(np.maximum(x, 0.0))


@case([np.array([1.0, 3.0, 2.0])], name="largest element", gradient=lambda x: np.array([0, 2 * x[1], 0]))
def largest(x):
    return np.max(x) ** 2


@case([np.array([3.0, 1.0, 3.0])], name="largest element, tied", order=1, accept=shares(np.max))
def largest_tied(x):
    return np.max(x)


@case([np.array([1.0, 1.0])], name="maximum of equal numbers", order=1, accept=shares(np.max))
def equal_numbers(x):
    return np.maximum(x[0], x[1])


@case([np.array([1.0, 1.0, 2.0])], name="smallest element, tied", order=1, accept=shares(np.min))
def smallest_tied(x):
    return np.min(x)


@case([1.0, -1.0], name="clip at its bounds", order=1, accept=within(0.0, 1.0))
def clip_at_bounds(x):
    return np.clip(x, -1.0, 1.0)


@case([2.0, -3.0], name="clip outside", gradient=lambda x: mp.zero)
def clip_outside(x):
    return np.clip(x, -1.0, 1.0)


@case([np.array([3.0, -1.0, 2.0])], name="sort", gradient=lambda x: 2 * x * np.array([3, 1, 2]))
def sorting(x):
    return np.sum(np.sort(x) ** 2 * np.arange(1.0, 4.0))


@case(
    [np.array([2.0, 2.0, 1.0])],
    name="sort with ties",
    order=1,
    accept=lambda g, x: abs(g[0] + g[1] - 5.0) < 1e-14 and min(g[:2]) >= 2.0 and g[2] == 1.0,
)
def sorting_ties(x):
    return np.sum(np.sort(x) * np.arange(1.0, 4.0))


@case([np.array([3.0, -1.0, 2.0])], name="argsort as an index", gradient=lambda x: 2 * x * np.array([3, 1, 2]))
def by_argsort(x):
    return np.sum(x[np.argsort(x)] ** 2 * np.arange(1.0, 4.0))


@case([np.array([3.0, -1.0, 2.0, 0.5])], name="median", gradient=lambda x: (x[2] + x[3]) / 2 * np.array([0, 0, 1, 1]))
def median(x):
    return np.median(x) ** 2


@case(
    [np.array([3.0, -1.0, 2.0, 0.5])],
    name="quantile",
    gradient=lambda x: np.array([0, 0, mp.mpf(0.4) * 3 - 1, 2 - mp.mpf(0.4) * 3]),
    precise=lambda x: x[3] + (mp.mpf(0.4) * 3 - 1) * (x[2] - x[3]),
)
def quantile(x):
    return np.quantile(x, 0.4)


@case([np.array([3.0, -1.0, 2.0])], name="index of the largest", gradient=lambda x: np.array([2 * x[0], 0, 0]))
def at_argmax(x):
    return x[np.argmax(x)] ** 2


@case([0.0, -2.0], order=1, name="where beside a logarithm of zero", gradient=lambda x: mp.one, precise=lambda x: x)
def dead_logarithm(x):
    return np.where(x > 0.0, np.log(x), x)


@idiom("where beside a logarithm of zero", "jax", "torch", "autograd", "casadi")
def dead_logarithm_twice(x):
    safe = np.where(x > 0.0, x, 1.0)
    return np.where(x > 0.0, np.log(safe), x)


@case([0.0], order=1, name="where beside a root of zero", gradient=lambda x: mp.zero)
def dead_root(x):
    return np.where(x > 0.0, np.sqrt(x), 0.0 * x)


@idiom("where beside a root of zero", "jax", "torch", "autograd", "casadi")
def dead_root_twice(x):
    safe = np.where(x > 0.0, x, 1.0)
    return np.where(x > 0.0, np.sqrt(safe), 0.0 * x)


@case(
    [np.array([0.0, 2.0])],
    order=1,
    name="where beside a division by zero",
    gradient=lambda x: np.array([1, -0.25]),
    precise=lambda x: x[0] + 1 / x[1],
)
def dead_division(x):
    return np.sum(np.where(x != 0.0, 1.0 / x, x))


@idiom("where beside a division by zero", "jax", "torch", "autograd", "casadi")
def dead_division_twice(x):
    return np.sum(np.where(x != 0.0, 1.0 / np.where(x != 0.0, x, 1.0), x))


@case(
    [-1.0, 800.0],
    order=1,
    name="where beside an overflow",
    precise=lambda x: mp.expm1(x) if x < 1 else x,
    gradient=lambda x: mp.exp(x) if x < 1 else mp.one,
)
def dead_overflow(x):
    return np.where(x < 1.0, np.exp(x) - 1.0, x)


@idiom("where beside an overflow", "jax", "torch", "autograd", "casadi")
def dead_overflow_twice(x):
    return np.where(x < 1.0, np.exp(np.where(x < 1.0, x, 0.0)) - 1.0, x)


@case(
    [np.array([-1.0, 0.0, 4.0])],
    order=1,
    name="mask in place of where",
    precise=lambda x: mp.sqrt(x[2]),
    gradient=lambda x: np.array([0, 0, 0.25]),
)
def masked_root(x):
    return np.sum(np.sqrt(x[x > 0.0]))


@case([np.array([3.0, -4.0])], name="Euclidean norm", gradient=lambda x: x / mp.sqrt(x @ x))
def euclidean(x):
    return np.linalg.norm(x)


@case([np.zeros(3)], name="Euclidean norm at zero", order=1, accept=lambda g, x: bool(np.sum(g * g) <= 1.0 + 1e-15))
def euclidean_at_zero(x):
    return np.linalg.norm(x)


@case(
    [np.array([3e-150, 4e-150]), np.array([3e150, 4e150])],
    name="Euclidean norm of small and large vectors",
    order=1,
    gradient=lambda x: x / mp.sqrt(x @ x),
)
def extreme_norm(x):
    return np.linalg.norm(x)


@case(
    [np.array([3.0, -4.0])],
    name="norms of other orders",
    gradient=lambda x: np.array([1, -1]) + np.array([0, -1]) + x * abs(x) / mp.cbrt(np.sum(abs(x) ** 3)) ** 2,
)
def other_norms(x):
    return np.linalg.norm(x, 1) + np.linalg.norm(x, np.inf) + np.linalg.norm(x, 3)


@case([np.array([0.0, 0.0])], name="hypot at zero", order=1, accept=lambda g, x: bool(np.sum(g * g) <= 1.0 + 1e-15))
def hypot_at_zero(x):
    return np.hypot(x[0], x[1])


@case([1.3, -2.7], name="rounding has slope zero", gradient=lambda x: 2 * x, precise=lambda x: x * x + mp.floor(x) + mp.nint(x))
def rounding(x):
    return x * x + np.floor(x) + np.round(x)


@case([1.3, -0.5], name="sign has slope zero", gradient=lambda x: mp.sign(x))
def sign_times(x):
    return np.sign(x) * x


@case(
    [0.5, 1.5, -1.0],
    name="piecewise by select",
    precise=lambda x: -x if x < 0 else x * x if x < 1 else 2 * x - 1,
    gradient=lambda x: -mp.one if x < 0 else 2 * x if x < 1 else mp.mpf(2),
)
def selected(x):
    return np.select([x < 0.0, x < 1.0], [-x, x**2], default=2.0 * x - 1.0)


@case(
    [0.5, -1.0], name="piecewise", precise=lambda x: -x if x < 0 else x**3, gradient=lambda x: -mp.one if x < 0 else 3 * x * x
)
def piecewise(x):
    return np.sum(np.piecewise(np.atleast_1d(x), [np.atleast_1d(x) < 0.0], [lambda t: -t, lambda t: t**3]))
