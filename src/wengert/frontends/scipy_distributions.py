"""Further distributions of ``scipy.stats``: their formulas.

What comes in: nothing. What goes out: rows of the table of `scipy_stats`. The one idea: a formula that has a removable hole (a
shape parameter of 0) is written so that it has none, in value and derivatives.

Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions (1994); Johnson, Kemp and Kotz, Univariate Discrete
Distributions (2005).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.frontends.scipy_data import known
from wengert.frontends.scipy_stats import LOG_ROOT, TABLE, Distribution, log1mexp, sp
from wengert.frontends.tracer import FUNCTIONS

__all__: list[str] = []

_HALF_NORMAL = 0.5 * np.log(2.0 / np.pi)


def _where(*xs: Any) -> Any:
    return FUNCTIONS[np.where](*xs)


def _log1p_over(c: Any, x: Any) -> Any:
    """``log(1 + c x) / c``, and x where c is 0."""
    y = c * x
    small = known(np.abs(y) < 1e-3)
    series = x * (1.0 - y * (1 / 2 - y * (1 / 3 - y * (1 / 4 - y * (1 / 5 - y * (1 / 6 - y * (1 / 7)))))))
    return _where(small, series, np.log1p(_where(small, 0.0, y)) / _where(small, 1.0, c))


def _extreme(z: Any, c: Any) -> Any:
    """``-log(1 - c z) / c``: the reduced variable of the extreme value distributions."""
    return _log1p_over(-c, z)


# ---------------------------------------------------------------- on the half line

TABLE.update({
    "weibull_min": Distribution(
        lambda z, c: np.log(c) + sp.xlogy(c - 1.0, z) - z ** c, cdf=lambda z, c: -np.expm1(-z ** c),
        sf=lambda z, c: np.exp(-z ** c), logsf=lambda z, c: -z ** c, ppf=lambda q, c: (-np.log1p(-q)) ** (1.0 / c),
        isf=lambda q, c: (-np.log(q)) ** (1.0 / c), low=0.0, shapes=1),
    "pareto": Distribution(
        lambda z, b: np.log(b) - (b + 1.0) * np.log(z), cdf=lambda z, b: -np.expm1(-b * np.log(z)),
        sf=lambda z, b: z ** -b, logsf=lambda z, b: -b * np.log(z), ppf=lambda q, b: (1.0 - q) ** (-1.0 / b),
        isf=lambda q, b: q ** (-1.0 / b), low=1.0, middle=2.0, shapes=1),
    "halfnorm": Distribution(
        lambda z: _HALF_NORMAL - z * z / 2.0, cdf=lambda z: sp.erf(z / np.sqrt(2.0)), sf=lambda z: 2.0 * sp.ndtr(-z),
        ppf=lambda q: sp.ndtri((1.0 + q) / 2.0), isf=lambda q: -sp.ndtri(q / 2.0), low=0.0),
    "halfcauchy": Distribution(
        lambda z: np.log(2.0 / np.pi) - np.log1p(z * z), cdf=lambda z: 2.0 / np.pi * np.arctan(z),
        sf=lambda z: 2.0 / np.pi * np.arctan2(1.0, z), ppf=lambda q: 1.0 / np.tan(np.pi / 2.0 * (1.0 - q)),
        isf=lambda q: 1.0 / np.tan(np.pi / 2.0 * q), low=0.0),
    "invgamma": Distribution(
        lambda z, a: -(a + 1.0) * np.log(z) - sp.gammaln(a) - 1.0 / z, cdf=lambda z, a: sp.gammaincc(a, 1.0 / z),
        sf=lambda z, a: sp.gammainc(a, 1.0 / z), ppf=lambda q, a: 1.0 / sp.gammainccinv(a, q),
        isf=lambda q, a: 1.0 / sp.gammaincinv(a, q), low=0.0, open=True, shapes=1),
    "rayleigh": Distribution(
        lambda z: sp.xlogy(1.0, z) - z * z / 2.0, cdf=lambda z: -np.expm1(-z * z / 2.0), sf=lambda z: np.exp(-z * z / 2.0),
        logsf=lambda z: -z * z / 2.0, ppf=lambda q: np.sqrt(-2.0 * np.log1p(-q)), isf=lambda q: np.sqrt(-2.0 * np.log(q)),
        low=0.0),
    "maxwell": Distribution(
        lambda z: _HALF_NORMAL + sp.xlogy(2.0, z) - z * z / 2.0, cdf=lambda z: sp.gammainc(1.5, z * z / 2.0),
        sf=lambda z: sp.gammaincc(1.5, z * z / 2.0), ppf=lambda q: np.sqrt(2.0 * sp.gammaincinv(1.5, q)),
        isf=lambda q: np.sqrt(2.0 * sp.gammainccinv(1.5, q)), low=0.0),
    "chi": Distribution(
        lambda z, k: np.log(2.0) * (1.0 - k / 2.0) - sp.gammaln(k / 2.0) + sp.xlogy(k - 1.0, z) - z * z / 2.0,
        cdf=lambda z, k: sp.gammainc(k / 2.0, z * z / 2.0), sf=lambda z, k: sp.gammaincc(k / 2.0, z * z / 2.0),
        ppf=lambda q, k: np.sqrt(2.0 * sp.gammaincinv(k / 2.0, q)),
        isf=lambda q, k: np.sqrt(2.0 * sp.gammainccinv(k / 2.0, q)), low=0.0, shapes=1),
    "f": Distribution(
        lambda z, n, m: m / 2.0 * np.log(m) + n / 2.0 * np.log(n) + sp.xlogy(n / 2.0 - 1.0, z)
        - (n + m) / 2.0 * np.log(m + n * z) - sp.betaln(n / 2.0, m / 2.0),
        cdf=lambda z, n, m: sp.betainc(n / 2.0, m / 2.0, n * z / (n * z + m)),
        sf=lambda z, n, m: sp.betainc(m / 2.0, n / 2.0, m / (n * z + m)),
        ppf=lambda q, n, m: _odds(sp.betaincinv(n / 2.0, m / 2.0, q)) * m / n,
        isf=lambda q, n, m: m / n / _odds(sp.betaincinv(m / 2.0, n / 2.0, q)), low=0.0, shapes=2),
    "genpareto": Distribution(
        lambda z, c: -(c + 1.0) * _log1p_over(c, z), cdf=lambda z, c: -np.expm1(-_log1p_over(c, z)),
        sf=lambda z, c: np.exp(-_log1p_over(c, z)), logsf=lambda z, c: -_log1p_over(c, z),
        ppf=lambda q, c: -np.log1p(-q) * sp.exprel(-c * np.log1p(-q)), isf=lambda q, c: -np.log(q) * sp.exprel(-c * np.log(q)),
        low=0.0, high=lambda c: _where(known(c < 0), -1.0 / _where(known(c < 0), c, -1.0), np.inf),
        middle=lambda c: 0.5 / (1.0 + np.abs(c)), allowed=lambda c: np.isfinite(known(c)), shapes=1),
})
TABLE["erlang"] = TABLE["gamma"]


def _odds(y: Any) -> Any:
    return y / (1.0 - y)


# ---------------------------------------------------------------- on the line

def _laplace(z: Any) -> Any:
    above = known(z > 0)
    half = 0.5 * np.exp(-np.abs(z))
    return _where(above, 1.0 - half, half)


def _laplace_ppf(q: Any) -> Any:
    above = known(q > 0.5)
    return _where(above, -np.log(2.0 * (1.0 - _where(above, q, 0.6))), np.log(2.0 * _where(above, 0.4, q)))


def _mass(a: Any, b: Any) -> Any:
    """``log(Φ(b) - Φ(a))``: from the tail that a and b lie in."""
    right = known(a > 0)
    u, v = _where(right, -b, a), _where(right, -a, b)
    none = known(u == -np.inf)  # without mass below, whatever moves u
    low, high = sp.log_ndtr(_where(none, -1.0, u)), sp.log_ndtr(_where(none, 0.0, v))
    return sp.log_ndtr(v) + _where(none, 0.0, log1mexp(high - low))


TABLE.update({
    "laplace": Distribution(
        lambda z: -np.abs(z) - np.log(2.0), cdf=_laplace, sf=lambda z: _laplace(-z), ppf=_laplace_ppf,
        isf=lambda q: -_laplace_ppf(q)),
    "gumbel_r": Distribution(
        lambda z: -z - np.exp(-z), cdf=lambda z: np.exp(-np.exp(-z)), logcdf=lambda z: -np.exp(-z),
        sf=lambda z: -np.expm1(-np.exp(-z)), ppf=lambda q: -np.log(-np.log(q)), isf=lambda q: -np.log(-np.log1p(-q))),
    "gumbel_l": Distribution(
        lambda z: z - np.exp(z), cdf=lambda z: -np.expm1(-np.exp(z)), sf=lambda z: np.exp(-np.exp(z)),
        logsf=lambda z: -np.exp(z), ppf=lambda q: np.log(-np.log1p(-q)), isf=lambda q: np.log(-np.log(q))),
    "genextreme": Distribution(
        lambda z, c: -np.exp(-_extreme(z, c)) - _extreme(z, c) - np.log1p(-c * z),
        cdf=lambda z, c: np.exp(-np.exp(-_extreme(z, c))), logcdf=lambda z, c: -np.exp(-_extreme(z, c)),
        sf=lambda z, c: -np.expm1(-np.exp(-_extreme(z, c))), ppf=lambda q, c: _growth(-np.log(-np.log(q)), c),
        isf=lambda q, c: _growth(-np.log(-np.log1p(-q)), c),
        low=lambda c: _where(known(c < 0), 1.0 / _where(known(c < 0), c, 1.0), -np.inf),
        high=lambda c: _where(known(c > 0), 1.0 / _where(known(c > 0), c, 1.0), np.inf), middle=0.0,
        allowed=lambda c: np.isfinite(known(c)), shapes=1),
    "skewnorm": Distribution(
        lambda z, a: np.log(2.0) - z * z / 2.0 - LOG_ROOT + sp.log_ndtr(a * z), allowed=lambda a: np.isfinite(known(a)),
        shapes=1),
    "exponnorm": Distribution(
        lambda z, k: -np.log(k) + (0.5 / k - z) / k + sp.log_ndtr(z - 1.0 / k),
        cdf=lambda z, k: sp.ndtr(z) - np.exp((0.5 / k - z) / k + sp.log_ndtr(z - 1.0 / k)),
        sf=lambda z, k: sp.ndtr(-z) + np.exp((0.5 / k - z) / k + sp.log_ndtr(z - 1.0 / k)), shapes=1),
    "vonmises": Distribution(
        lambda z, k: k * sp.cosm1(z) - np.log(2.0 * np.pi) - np.log(sp.i0e(k)), allowed=lambda k: known(k) >= 0, shapes=1),
    "truncnorm": Distribution(
        lambda z, a, b: -z * z / 2.0 - LOG_ROOT - _mass(a, b), cdf=lambda z, a, b: np.exp(_mass(a, z) - _mass(a, b)),
        logcdf=lambda z, a, b: _mass(a, z) - _mass(a, b), sf=lambda z, a, b: np.exp(_mass(z, b) - _mass(a, b)),
        logsf=lambda z, a, b: _mass(z, b) - _mass(a, b), low=lambda a, b: a, high=lambda a, b: b,
        middle=lambda a, b: np.minimum(np.maximum(0.5 * (np.maximum(a, -9.0) + np.minimum(b, 9.0)), a), b),
        allowed=lambda a, b: known(a) < known(b), shapes=2),
    "loguniform": Distribution(
        lambda z, a, b: -np.log(z) - np.log(np.log(b / a)), cdf=lambda z, a, b: np.log(z / a) / np.log(b / a),
        sf=lambda z, a, b: np.log(b / z) / np.log(b / a), ppf=lambda q, a, b: a * np.exp(q * np.log(b / a)),
        isf=lambda q, a, b: b * np.exp(-q * np.log(b / a)), low=lambda a, b: a, high=lambda a, b: b,
        middle=lambda a, b: np.sqrt(a * b), allowed=lambda a, b: (known(a) > 0) & (known(b) > known(a)), shapes=2),
})
TABLE["reciprocal"] = TABLE["loguniform"]


def _growth(x: Any, c: Any) -> Any:
    """``(1 - exp(-c x)) / c``."""
    return x * sp.exprel(-c * x)


# ---------------------------------------------------------------- whole numbers

def _binomial(k: Any, n: Any, p: Any, below: bool) -> Any:
    """The distribution function, or its complement; at n itself 1, or 0."""
    k = np.floor(known(k))
    last = known(k >= n)
    a, b = _where(last, 1.0, k + 1.0), _where(last, 1.0, n - k)
    return _where(last, 1.0 if below else 0.0, sp.betaincc(a, b, p) if below else sp.betainc(a, b, p))


def _chance(p: Any) -> Any:
    return (known(p) >= 0) & (known(p) <= 1)


TABLE.update({
    "binom": Distribution(
        lambda k, n, p: sp.gammaln(n + 1.0) - sp.gammaln(k + 1.0) - sp.gammaln(n - k + 1.0) + sp.xlogy(k, p)
        + sp.xlog1py(n - k, -p),
        cdf=lambda k, n, p: _binomial(k, n, p, True), sf=lambda k, n, p: _binomial(k, n, p, False), low=0.0,
        high=lambda n, p: n, middle=0.0, allowed=lambda n, p: (known(n) >= 0) & (known(n) == np.floor(known(n))) & _chance(p),
        shapes=2, discrete=True),
    "nbinom": Distribution(
        lambda k, n, p: sp.gammaln(n + k) - sp.gammaln(k + 1.0) - sp.gammaln(n) + n * np.log(p) + sp.xlog1py(k, -p),
        cdf=lambda k, n, p: sp.betainc(n, np.floor(known(k)) + 1.0, p),
        sf=lambda k, n, p: sp.betaincc(n, np.floor(known(k)) + 1.0, p), low=0.0, middle=1.0,
        allowed=lambda n, p: (known(n) > 0) & (known(p) > 0) & (known(p) <= 1), shapes=2, discrete=True),
    "geom": Distribution(
        lambda k, p: sp.xlog1py(k - 1.0, -p) + np.log(p), cdf=lambda k, p: -np.expm1(np.log1p(-p) * np.floor(known(k))),
        sf=lambda k, p: np.exp(np.log1p(-p) * np.floor(known(k))), logsf=lambda k, p: np.log1p(-p) * np.floor(known(k)),
        low=1.0, middle=1.0, allowed=lambda p: (known(p) > 0) & (known(p) <= 1), shapes=1, discrete=True),
})
