"""Elementary functions of one number, at ordinary points and at the edges of their domains and of the exponent range."""

from __future__ import annotations

import math

import numpy as np
from mpmath import mp

from conformance.case import case

inf = mp.inf


# name, program, points, derivative in mpmath
SMOOTH = [
    ("sin", lambda x: np.sin(x), [0.5, 0.0, 1e-300, 1e5, -1.5707963267948966], lambda x: mp.cos(x)),
    ("cos", lambda x: np.cos(x), [0.5, 0.0, 1e-200, 3.141592653589793, 1e5], lambda x: -mp.sin(x)),
    ("tan", lambda x: np.tan(x), [0.5, 0.0, -1.2, 1.5], lambda x: 1 / mp.cos(x) ** 2),
    ("arcsin", lambda x: np.arcsin(x), [0.5, 0.0, -0.999999], lambda x: 1 / mp.sqrt(1 - x * x)),
    ("arccos", lambda x: np.arccos(x), [0.5, 0.0, 0.999999], lambda x: -1 / mp.sqrt(1 - x * x)),
    ("arctan", lambda x: np.arctan(x), [0.5, 0.0, -30.0, 1e8], lambda x: 1 / (1 + x * x)),
    ("sinh", lambda x: np.sinh(x), [0.5, 0.0, 1e-200, -20.0], lambda x: mp.cosh(x)),
    ("cosh", lambda x: np.cosh(x), [0.5, 0.0, 20.0], lambda x: mp.sinh(x)),
    ("tanh", lambda x: np.tanh(x), [0.5, 0.0, -3.0], lambda x: 1 / mp.cosh(x) ** 2),
    ("tanh where it saturates", lambda x: np.tanh(x), [20.0, -40.0], lambda x: 1 / mp.cosh(x) ** 2),
    ("arcsinh", lambda x: np.arcsinh(x), [0.5, 0.0, -1e6], lambda x: 1 / mp.sqrt(1 + x * x)),
    ("arccosh", lambda x: np.arccosh(x), [1.5, 1.0001, 1e6], lambda x: 1 / mp.sqrt(x * x - 1)),
    ("arctanh", lambda x: np.arctanh(x), [0.5, 0.0, 0.9999], lambda x: 1 / (1 - x * x)),
    ("exp", lambda x: np.exp(x), [0.5, 0.0, -700.0, 700.0, 1e-300], lambda x: mp.exp(x)),
    ("exp2", lambda x: np.exp2(x), [0.5, -3.0, 900.0], lambda x: mp.mpf(2) ** x * mp.log(2)),
    ("expm1", lambda x: np.expm1(x), [0.5, 1e-20, 0.0, -30.0], lambda x: mp.exp(x)),
    ("log", lambda x: np.log(x), [0.5, 1.0, 1e-300, 1e300], lambda x: 1 / x),
    ("log2", lambda x: np.log2(x), [0.5, 8.0], lambda x: 1 / (x * mp.log(2))),
    ("log10", lambda x: np.log10(x), [0.5, 1000.0], lambda x: 1 / (x * mp.log(10))),
    ("log1p", lambda x: np.log1p(x), [0.5, 0.0, 1e-20, -0.999], lambda x: 1 / (1 + x)),
    ("sqrt", lambda x: np.sqrt(x), [0.5, 4.0, 1e-200, 1e200], lambda x: 1 / (2 * mp.sqrt(x))),
    ("cbrt", lambda x: np.cbrt(x), [0.5, 8.0], lambda x: 1 / (3 * mp.cbrt(x) ** 2)),
    ("square", lambda x: np.square(x), [0.5, 0.0, -1e150], lambda x: 2 * x),
    ("reciprocal", lambda x: np.reciprocal(x), [0.5, -2.0, 1e100], lambda x: -1 / x**2),
    ("sinc", lambda x: np.sinc(x), [0.5, 0.3, 2.0], lambda x: (mp.cospi(x) - mp.sincpi(x)) / x),
    ("cube by power", lambda x: x**3, [0.5, 0.0, -2.0, 1e-100], lambda x: 3 * x**2),
    ("power of a negative base", lambda x: np.power(x, 3.0), [-2.0, 2.0], lambda x: 3 * x**2),
    ("power with exponent zero", lambda x: x**0 + x, [0.5, 0.0, -2.0], lambda x: mp.one),
    ("inverse power", lambda x: x**-2, [0.5, -2.0], lambda x: -2 / x**3),
    ("power with the variable above", lambda x: 2.0**x, [0.5, 0.0, -30.0], lambda x: mp.mpf(2) ** x * mp.log(2)),
    ("x to the x", lambda x: x**x, [0.5, 2.0], lambda x: x**x * (mp.log(x) + 1)),
    ("quotient", lambda x: (x - 1.0) / (x * x + 1.0), [0.5, -3.0], lambda x: (1 + 2 * x - x * x) / (x * x + 1) ** 2),
    ("remainder", lambda x: np.mod(x * x, 0.7), [0.5, 2.0, -1.1], lambda x: 2 * x),
    ("deg2rad", lambda x: np.sin(np.deg2rad(x)), [30.0, 0.0], lambda x: mp.cos(x * mp.pi / 180) * mp.pi / 180),
    ("polynomial by poly1d's scheme", lambda x: np.polyval([2.0, -1.0, 0.5, 3.0], x), [0.5, -2.0],
     lambda x: 6 * x * x - 2 * x + mp.mpf("0.5")),
    ("clip inside", lambda x: np.clip(x, -1.0, 1.0) ** 2, [0.5, -0.2], lambda x: 2 * x),
    ("math's functions", lambda x: math.sin(x) * math.exp(-x), [0.5, 0.0], lambda x: mp.exp(-x) * (mp.cos(x) - mp.sin(x))),
    ("math's functions beside the variable", lambda x: x * math.sin(x), [0.5, 3.0], lambda x: mp.sin(x) + x * mp.cos(x)),
    ("math.sqrt and math.log", lambda x: math.sqrt(x) + math.log(x), [0.5, 3.0], lambda x: 1 / (2 * mp.sqrt(x)) + 1 / x),
]  # fmt: skip

# the same function in places where the derivative of a naive rule overflows, underflows or loses its digits
STRAINED = [
    ("hypot of huge numbers", lambda x: np.hypot(x[0], x[1]), [np.array([3e200, 4e200]), np.array([3e-200, 4e-200])],
     lambda x: x / mp.sqrt(x @ x)),
    ("arctan2", lambda x: np.arctan2(x[0], x[1]), [np.array([1.0, 2.0]), np.array([-1.0, -0.5]), np.array([0.0, 2.0])],
     lambda x: np.array([x[1], -x[0]]) / (x @ x)),
    ("arctan2 of huge numbers", lambda x: np.arctan2(x[0], x[1]), [np.array([3e180, 4e180]), np.array([3e-180, 4e-180])],
     lambda x: np.array([x[1], -x[0]]) / (x @ x)),
    ("logaddexp far apart", lambda x: np.logaddexp(x[0], x[1]), [np.array([1000.0, 1001.0]), np.array([-800.0, 0.5])],
     lambda x: np.array([1 / (1 + mp.exp(x[1] - x[0])), 1 / (1 + mp.exp(x[0] - x[1]))])),
    ("quotient of huge numbers", lambda x: x[0] / x[1], [np.array([1e200, 1e160]), np.array([1.0, 1e150])],
     lambda x: np.array([1 / x[1], -x[0] / x[1] ** 2])),
]  # fmt: skip

EDGES = [
    ("sqrt at zero", lambda x: np.sqrt(x), [0.0], lambda x: inf),
    ("log at zero", lambda x: np.log(x), [0.0], lambda x: inf),
    ("log1p at minus one", lambda x: np.log1p(x), [-1.0], lambda x: inf),
    ("cbrt at zero", lambda x: np.cbrt(x), [0.0], lambda x: inf),
    ("arcsin at one", lambda x: np.arcsin(x), [1.0], lambda x: inf),
    ("power three halves at zero", lambda x: x**1.5, [0.0], lambda x: mp.zero),
    ("square of sqrt of square at zero", lambda x: np.sqrt(x**4 + 1.0) * x, [0.0], lambda x: mp.one),
    ("exp that underflows", lambda x: np.exp(x), [-800.0], lambda x: mp.exp(x)),
    ("tanh at infinity", lambda x: np.tanh(x), [np.inf], lambda x: mp.zero),
    ("arctan at infinity", lambda x: np.arctan(x), [np.inf, -np.inf], lambda x: mp.zero),
    ("exp at minus infinity", lambda x: np.exp(x), [-np.inf], lambda x: mp.zero),
]

for name, program, points, derivative in SMOOTH:
    case(points, name, gradient=derivative)(program)
for name, program, points, derivative in STRAINED:
    case(points, name, order=1, gradient=derivative)(program)
IN_MPMATH = {
    "sqrt at zero": mp.sqrt, "log at zero": mp.log, "log1p at minus one": mp.log1p, "cbrt at zero": mp.cbrt,
    "arcsin at one": mp.asin, "tanh at infinity": lambda x: mp.one, "arctan at infinity": mp.atan,
    "exp at minus infinity": lambda x: mp.zero,
}  # fmt: skip
for name, program, points, derivative in EDGES:
    case(points, name, order=1, gradient=derivative, precise=IN_MPMATH.get(name))(program)


@case([0.0, 1e-9], name="sinc near zero", precise=lambda x: mp.sincpi(x))
def sinc_near_zero(x):
    return np.sinc(x)


@case([1e-8, 0.5], name="softplus", gradient=lambda x: 1 / (1 + mp.exp(-x)))
def softplus(x):
    return np.log1p(np.exp(x))


@case([800.0, -800.0, 0.5], order=1, name="softplus for huge arguments", gradient=lambda x: 1 / (1 + mp.exp(-x)))
def stable_softplus(x):
    return np.logaddexp(0.0, x)


@case([np.array([1e3, 1e3 + 1.0, -1e3])], name="log of a sum of exponentials, shifted")
def shifted_log_sum_exp(x):
    top = np.max(x)
    return top + np.log(np.sum(np.exp(x - top)))
