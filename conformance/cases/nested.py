"""Derivatives inside derivatives: perturbation confusion, third order, mixed modes, closures, and what is held constant."""

from __future__ import annotations

import numpy as np
from mpmath import mp

from conformance.case import ad, case


@case([1.0], name="perturbation confusion", gradient=lambda x: mp.mpf(2), precise=lambda x: 2 * x)
def confusion(x):
    return x * ad.grad(lambda y: x + y)(1.0) + x


@case([0.7], name="inner derivative in the outer variable", precise=lambda x: x * mp.cos(x * x), order=2)
def inner_outer(x):
    return ad.grad(lambda y: np.sin(x * y))(x)


@case([0.7], name="derivative of a derivative of a closure", precise=lambda x: 6 * x**3)
def closure_nested(x):
    def f(y):
        return ad.grad(lambda z: x * z**2 * y**2)(y)

    return ad.grad(f)(x)


@case([0.7, 0.0], name="third derivative of sine", gradient=lambda x: mp.sin(x), precise=lambda x: -mp.cos(x))
def third_sine(x):
    return ad.grad(ad.grad(ad.grad(np.sin)))(x)


@case(
    [0.5, 2.0],
    name="third derivative of a quotient",
    order=1,
    slack=4.0,
    precise=lambda x: mp.diff(lambda t: mp.exp(t) / (1 + t * t), x, 3),
)
def third_quotient(x):
    return ad.grad(ad.grad(ad.grad(lambda t: np.exp(t) / (1.0 + t * t))))(x)


@case([1.5], name="fourth derivative of x to the fifth", order=1, gradient=lambda x: mp.mpf(120), precise=lambda x: 120 * x)
def fourth_power(x):
    return ad.grad(ad.grad(ad.grad(ad.grad(lambda t: t**5))))(x)


@case([0.0], name="second derivative of a power at zero", order=2, precise=lambda x: 2 + 6 * x, gradient=lambda x: mp.mpf(6))
def second_power_at_zero(x):
    return ad.grad(ad.grad(lambda t: t**2 + t**3))(x)


@case([np.array([0.5, -1.0])], name="forward over reverse", order=1, precise=lambda x: 6 * (x[0] + x[1]))
def forward_over_reverse(x):
    return np.sum(ad.jvp(ad.grad(lambda t: np.sum(t**3)), x, np.ones(2)))


@case([np.array([0.5, -1.0])], name="reverse over forward", order=1, precise=lambda x: 3 * np.sum(x**2))
def reverse_over_forward(x):
    return ad.jvp(lambda t: np.sum(t**3), x, np.ones(2))


@case([np.array([0.5, -1.0])], name="gradient inside a penalty", order=1, precise=lambda x: np.sum((3 * x**2) ** 2))
def penalty(x):
    return np.sum(ad.grad(lambda t: np.sum(t**3))(x) ** 2)


@case([2.0], name="gradient descent inside the function", order=1, precise=lambda a: a * (1 - (mp.one - mp.mpf(0.2)) ** 5))
def inner_descent(a):
    y = 0.0 * a
    for _ in range(5):
        y = y - 0.1 * ad.grad(lambda t: (t - a) ** 2)(y)
    return y


@case([np.array([0.5, -1.0])], name="trace of a Hessian", order=1, precise=lambda x: 6 * (x[0] + x[1]))
def trace_of_hessian(x):
    return np.trace(ad.hessian(lambda t: np.sum(t**3), x))


@case([3.0], name="stop_gradient", order=1, gradient=lambda x: x * x, precise=lambda x: x**3)
def stopped(x):
    return ad.stop_gradient(x * x) * x


@case([3.0], name="straight-through estimator", order=1, gradient=lambda x: mp.one, precise=lambda x: mp.nint(x))
def straight_through(x):
    return x + ad.stop_gradient(np.round(x) - x)


@case(
    [np.array([2.0, 3.0])],
    name="second derivative of a norm",
    order=1,
    slack=4.0,
    precise=lambda x: (x[0] ** 2 - 2 * x[0] * x[1] + x[1] ** 2) / mp.sqrt(x @ x) ** 3,
)
def second_norm(x):
    v = np.array([1.0, 1.0])
    return np.sum(v * ad.jvp(ad.grad(lambda t: np.linalg.norm(t)), x, v))


@case([0.0], name="second derivative through where", order=1, gradient=lambda x: mp.mpf(6), precise=lambda x: 6 * x)
def where_nested(x):
    return ad.grad(ad.grad(lambda t: np.where(t >= 0.0, t**3, -t)))(x)


@case(
    [1.5],
    name="derivative of a derivative of a constant function",
    order=1,
    gradient=lambda x: mp.zero,
    precise=lambda x: mp.zero,
)
def constant_nested(x):
    return ad.grad(ad.grad(lambda t: 2.0 * t + x))(x)
