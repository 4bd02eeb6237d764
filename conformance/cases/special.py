"""Special functions by SciPy's names, where a reference in mpmath exists."""

from __future__ import annotations

import numpy as np
from mpmath import mp

from conformance.case import case, sp


def gaussian(x):
    return 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)


# name, program, points, derivative in mpmath
ONE = [
    ("erf", lambda x: sp.special.erf(x), [0.5, 0.0, -2.0, 5.0], gaussian),
    ("erfc in the tail", lambda x: sp.special.erfc(x), [0.5, 10.0, 20.0], lambda x: -gaussian(x)),
    ("erfinv", lambda x: sp.special.erfinv(x), [0.5, 0.0, -0.99], lambda x: 1 / gaussian(mp.erfinv(x))),
    ("gamma", lambda x: sp.special.gamma(x), [0.5, 3.0, -1.5], lambda x: mp.gamma(x) * mp.digamma(x)),
    ("gammaln", lambda x: sp.special.gammaln(x), [0.5, 3.0, 1e8], lambda x: mp.digamma(x)),
    ("gammaln between its poles", lambda x: sp.special.gammaln(x), [-1.5, -0.3], lambda x: mp.digamma(x)),
    ("digamma", lambda x: sp.special.digamma(x), [0.5, 3.0, 40.0], lambda x: mp.psi(1, x)),
    ("expit", lambda x: sp.special.expit(x), [0.5, 0.0, -40.0, 30.0], lambda x: mp.exp(-x) / (1 + mp.exp(-x)) ** 2),
    ("logit", lambda x: sp.special.logit(x), [0.5, 0.01, 0.999], lambda x: 1 / (x * (1 - x))),
    ("log_expit", lambda x: sp.special.log_expit(x), [0.5, -40.0, 30.0], lambda x: 1 / (1 + mp.exp(x))),
    ("Bessel j0", lambda x: sp.special.j0(x), [0.5, 0.0, 7.0], lambda x: -mp.besselj(1, x)),
    ("Bessel j1", lambda x: sp.special.j1(x), [0.5, 7.0], lambda x: (mp.besselj(0, x) - mp.besselj(2, x)) / 2),
    ("Bessel y0", lambda x: sp.special.y0(x), [0.5, 7.0], lambda x: -mp.bessely(1, x)),
    ("Bessel i0", lambda x: sp.special.i0(x), [0.5, 0.0, -3.0], lambda x: mp.besseli(1, x)),
    ("Bessel i1", lambda x: sp.special.i1(x), [0.5, -3.0], lambda x: (mp.besseli(0, x) + mp.besseli(2, x)) / 2),
    ("ndtr", lambda x: sp.special.ndtr(x), [0.5, 0.0, -6.0], lambda x: mp.npdf(x)),
    ("log_ndtr in the tail", lambda x: sp.special.log_ndtr(x), [0.5, -10.0, -30.0], lambda x: mp.npdf(x) / mp.ncdf(x)),
    ("Lambert w", lambda x: np.real(sp.special.lambertw(x)), [0.5, 10.0],
     lambda x: mp.lambertw(x).real / (x * (1 + mp.lambertw(x).real))),
    ("exp1", lambda x: sp.special.exp1(x), [0.5, 5.0], lambda x: -mp.exp(-x) / x),
    ("Dawson's integral", lambda x: sp.special.dawsn(x), [0.5, 3.0], None),
    ("erfcx", lambda x: sp.special.erfcx(x), [0.5, 3.0, -1.0],
     lambda x: 2 * x * mp.exp(x * x) * mp.erfc(x) - 2 / mp.sqrt(mp.pi)),
    ("Spence's function", lambda x: sp.special.spence(x), [0.5, 0.9], lambda x: mp.log(x) / (1 - x)),
    ("ellipk", lambda x: sp.special.ellipk(x), [0.5, -1.0], lambda x: (mp.ellipe(x) / (1 - x) - mp.ellipk(x)) / (2 * x)),
]  # fmt: skip
TWO = [
    ("betaln", lambda x: sp.special.betaln(x[0], x[1]), [np.array([0.5, 2.5])],
     lambda x: np.array([mp.digamma(x[0]), mp.digamma(x[1])]) - mp.digamma(x[0] + x[1])),
    ("xlogy", lambda x: sp.special.xlogy(x[0], x[1]), [np.array([0.5, 2.5])], lambda x: np.array([mp.log(x[1]), x[0] / x[1]])),
    ("gammainc in its argument", lambda x: sp.special.gammainc(2.5, x), [0.5, 4.0],
     lambda x: mp.exp(-x) * x ** mp.mpf("1.5") / mp.gamma(mp.mpf("2.5"))),
    ("gammainc in its parameter", lambda a: sp.special.gammainc(a, 1.5), [0.5, 2.5], None),
    ("betainc in its argument", lambda x: sp.special.betainc(2.0, 3.5, x), [0.3, 0.8],
     lambda x: x * (1 - x) ** mp.mpf("2.5") / mp.beta(2, mp.mpf("3.5"))),
    ("jv of fractional order", lambda x: sp.special.jv(0.5, x), [0.5, 4.0],
     lambda x: (mp.besselj(mp.mpf("-0.5"), x) - mp.besselj(mp.mpf("1.5"), x)) / 2),
    ("kv", lambda x: sp.special.kv(1.0, x), [0.5, 4.0], lambda x: -(mp.besselk(0, x) + mp.besselk(2, x)) / 2),
    ("logsumexp", lambda x: sp.special.logsumexp(x), [np.array([1.0, -2.0, 0.5]), np.array([1000.0, 1001.0, -1e4])], None),
    ("softmax", lambda x: np.sum(np.array([1.0, -2.0, 0.5]) * sp.special.softmax(x)), [np.array([1.0, -2.0, 0.5])], None),
]  # fmt: skip

for name, program, points, derivative in [*ONE, *TWO]:
    case(points, name, gradient=derivative, slack=4.0)(program)


@case([0.0], name="xlogy at zero", order=1, gradient=lambda x: mp.log(3))
def xlogy_at_zero(x):
    return sp.special.xlogy(x, 3.0)


@case(
    [np.array([0.0, -np.inf, 0.0])],
    name="logsumexp with a probability of zero",
    order=1,
    gradient=lambda x: np.array([mp.mpf(0.5), mp.zero, mp.mpf(0.5)]),
    precise=lambda x: mp.log(2),
)
def impossible_event(x):
    return sp.special.logsumexp(x)


@case([0.5, 4.0], name="log of a normal density by scipy.stats", precise=lambda x: -x * x / 2 - mp.log(2 * mp.pi) / 2)
def normal_logpdf(x):
    return sp.stats.norm.logpdf(x)
