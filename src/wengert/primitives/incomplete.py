"""The incomplete gamma and beta functions, with the derivatives with regard to their parameters.

What comes in: ``gammainc(a, x)``, ``betainc(a, b, x)`` and their complements and inverses. What goes out: primitives that are
differentiable in every operand, to any order. The one idea: differentiating the density n times in its parameters
multiplies it by a Bell polynomial in ``log t - psi(a)`` and polygammas, so a derivative is one integral over a tail. In
``log t`` (or ``logit t``) the density is log-concave and smooth; the tail on the near side is integrated by Gauss and
Legendre on panels, so that nothing cancels and nothing is differenced.

The density itself follows Loader ("Fast and accurate computation of binomial probabilities", 2000).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from wengert.graph import ArrayType, Const, Primitive
from wengert.primitives.elementary import log, log1p, sign
from wengert.primitives.elementwise import elementwise, equal, greater, logical_and, logical_or
from wengert.primitives.sampling import interval
from wengert.primitives.special import POSITIVE, UNIT, polygamma, psi, psi_rise, special, zero_where
from wengert.primitives.structure import select

__all__ = ["beta_density", "betainc", "betainc_derivative", "gamma_density", "gammainc", "gammainc_derivative"]


# ---------------------------------------------------------------- integration over a tail

_DEPTH = 45.0  # the integrand is left out where it has fallen by e^-45
_EDGES = np.array([-2.0 ** k for k in range(40, 0, -1)] + [0.0] + [2.0 ** k for k in range(1, 41)])


_BLOCK = 1 << 16  # numbers that are evaluated at one time


@functools.cache
def _nodes() -> Any:
    return np.stack(np.polynomial.legendre.leggauss(40))


def _reach(fall: Callable[[Any], Any], slope: Callable[[Any], Any], start: Any, depth: float) -> Any:
    """Where the convex function `fall` first exceeds `depth`: doubling, then Newton from the right."""
    r = start
    for _ in range(200):
        short = ~(fall(r) >= depth)
        if not np.any(short):
            break
        r = np.where(short, 2.0 * r, r)
    for _ in range(8):
        step = (fall(r) - depth) / slope(r)
        r = np.where(np.isfinite(step) & (step > 0) & (step < r), r - step, r)
    return r


def _panels(low: Any, high: Any) -> Iterator[tuple[Any, Any]]:
    """Points and weights of a rule on [low, high], cut at the fixed edges; what lies outside has weight 0.

    Points lie along a first axis of their own, as many as fit a block.
    """
    nodes = _nodes().reshape(2, -1, *[1] * np.ndim(low))
    count = max(1, _BLOCK // max(1, np.size(low)))
    first, last = np.min(low, initial=np.inf), np.max(high, initial=-np.inf)
    for left, right in itertools.pairwise(_EDGES):
        if right <= first or left >= last:  # most of them, and cutting them costs as much as the rule
            continue
        start, stop = np.clip(left, low, high), np.clip(right, low, high)
        half = 0.5 * (stop - start)
        if np.any(half > 0):
            middle = 0.5 * (stop + start)
            for k in range(0, nodes.shape[1], count):
                x, w = nodes[:, k:k + count]
                yield middle + half * x, half * w


# ---------------------------------------------------------------- densities

def _stirling_rest(z: Any) -> Any:
    """``log gamma(z) - (z - 1/2) log z + z - log(2π)/2`` for z >= 10."""
    w = 1.0 / (z * z)
    return (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w * (1 / 1188 - w * (691 / 360360)))))) / z


def _deviance(x: Any, m: Any) -> Any:
    """``x log(x/m) + m - x`` without cancellation."""
    d = (x - m) / (x + m)
    near = np.abs(d) < 0.3
    v = np.where(near, d, 0.0)
    odd = np.zeros_like(v)
    for k in range(16, 0, -1):
        odd = (odd + 1.0 / (2 * k + 1)) * v * v
    return np.where(near, (x - m) * v + 2.0 * x * v * odd, x * np.log(x / m) + m - x)


def _gamma_weight(a: Any, x: Any) -> Any:
    """``x^a e^-x / gamma(a)`` for x > 0."""
    import scipy.special
    big = np.where(a >= 10.0, a, 10.0)
    low = np.where(a >= 10.0, 1.0, a)
    stable = np.exp(-_deviance(big, x) - _stirling_rest(big)) * np.sqrt(big / (2.0 * math.pi))
    plain = np.minimum(x, 1e3) ** low * np.exp(-x) * scipy.special.rgamma(low)
    return np.where(a >= 10.0, stable, plain)


def _beta_weight(a: Any, b: Any, x: Any) -> Any:
    """``x^a (1-x)^b / B(a, b)`` for 0 < x < 1."""
    import scipy.special
    n = a + b
    big_a, big_b = np.maximum(a, 10.0), np.maximum(b, 10.0)
    total = big_a + big_b
    rest = _stirling_rest(total) - _stirling_rest(big_a) - _stirling_rest(big_b)
    both = np.exp(rest - _deviance(big_a, total * x) - _deviance(big_b, total * (1.0 - x))) * np.sqrt(
        big_a * big_b / (2.0 * math.pi * total))

    def one(small: Any, large: Any, log_small: Any, log_large: Any) -> Any:
        s, m = np.minimum(small, 10.0), np.maximum(large, 10.0)
        level = (m - 0.5) * np.log1p(s / m) + s * np.log(s + m) - s + _stirling_rest(s + m) - _stirling_rest(m)
        return np.exp(s * log_small + m * log_large + level) * scipy.special.rgamma(s)
    lx, ly = np.log(x), np.log1p(-x)
    low_a, low_b = np.minimum(a, 10.0), np.minimum(b, 10.0)
    neither = x ** low_a * (1.0 - x) ** low_b / scipy.special.beta(low_a, low_b)
    few = np.where(b >= 10.0, one(a, b, lx, ly), np.where(a >= 10.0, one(b, a, ly, lx), neither))
    return np.where((a >= 10.0) & (b >= 10.0), both, few) + 0.0 * n


def _doubles(*operands: Any) -> list[Any]:
    return list(np.broadcast_arrays(*[np.asarray(o, np.float64) for o in operands]))


def _cast(value: Any, like: Any) -> Any:
    return np.asarray(value).astype(np.asarray(like).dtype)[()]


def _gamma_density(a: Any, x: Any) -> Any:
    import scipy.special
    shape, at = _doubles(a, x)
    with np.errstate(all="ignore"):
        inside = (at > 0) & (shape > 0)
        out = _gamma_weight(np.where(inside, shape, 1.0), np.where(inside, at, 1.0)) / np.where(inside, at, 1.0)
        inverse = scipy.special.rgamma(shape)  # the edge, and the negative shapes that derivatives there ask for
        edge = np.where(inverse == 0.0, 0.0, at ** (shape - 1.0) * np.exp(-at) * inverse)
        return _cast(np.where(inside, out, np.where(at >= 0, edge, np.nan)), a)


def _at_edge(x: Any, one: Any = None) -> Any:
    return equal(x, 0.0) if one is None else logical_or(equal(x, 0.0), equal(x, 1.0))


def _gamma_density_slope(y: Any, a: Any, x: Any) -> Any:
    edge = _at_edge(x)
    inner = select(edge, Const(np.ones((), x.dtype)), x)
    return select(edge, gamma_density(a - 1.0, x) - gamma_density(a, x), y * ((a - 1.0 - x) / inner))


gamma_density = elementwise("gamma_density", _gamma_density, sample=interval(POSITIVE, POSITIVE), partials=(
    lambda y, a, x: zero_where(logical_and(equal(x, 0.0), greater(a, 1.0)), y * (log(x) - psi(a))), _gamma_density_slope))


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    import scipy.special
    p, q, at = _doubles(a, b, x)
    with np.errstate(all="ignore"):
        inside = (at > 0) & (at < 1) & (p > 0) & (q > 0)
        u = np.where(inside, at, 0.5)
        out = _beta_weight(np.where(inside, p, 1.0), np.where(inside, q, 1.0), u) / (u * (1.0 - u))
        inverse = scipy.special.rgamma(p) * scipy.special.rgamma(q)
        edge = np.where(inverse == 0.0, 0.0, at ** (p - 1.0) * (1.0 - at) ** (q - 1.0) * inverse
                        * scipy.special.gamma(p + q))
        return _cast(np.where(inside, out, np.where((at >= 0) & (at <= 1), edge, np.nan)), a)


def _beta_density_slope(y: Any, a: Any, b: Any, x: Any) -> Any:
    edge = _at_edge(x, 1)
    inner = select(edge, Const(np.full((), 0.5, x.dtype)), x)
    plain = y * ((a - 1.0) / inner - (b - 1.0) / (1.0 - inner))
    return select(edge, (a + b - 1.0) * (beta_density(a - 1.0, b, x) - beta_density(a, b - 1.0, x)), plain)


beta_density = elementwise("beta_density", _beta_density, sample=interval(POSITIVE, POSITIVE, UNIT), partials=(
    lambda y, a, b, x: zero_where(logical_and(equal(x, 0.0), greater(a, 1.0)), y * (log(x) + psi_rise(a, b))),
    lambda y, a, b, x: zero_where(logical_and(equal(x, 1.0), greater(b, 1.0)), y * (log1p(-x) + psi_rise(b, a))),
    _beta_density_slope))

# ---------------------------------------------------------------- Bell polynomials


def bell(n: int, kappa: Callable[[int], Any]) -> Any:
    """The complete Bell polynomial of ``kappa(1), ..., kappa(n)``: the n-th derivative of e^f over e^f."""
    found: list[Any] = [1.0]
    for m in range(n):
        terms = [found[m - k] * kappa(k + 1) * float(math.comb(m, k)) for k in range(m + 1)]
        found.append(functools.reduce(lambda p, q: p + q, terms))
    return found[n]


def bell_of_two(i: int, j: int, kappa: Callable[[int, int], Any]) -> Any:
    """The same for two variables: ``∂_a^i ∂_b^j e^f / e^f``."""
    @functools.cache
    def found(m: int, n: int) -> Any:
        if m == n == 0:
            return 1.0
        p, q = (m - 1, n) if m else (m, n - 1)
        terms = [found(p - k, q - h) * kappa(k + (m > 0), h + (m == 0)) * float(math.comb(p, k) * math.comb(q, h))
                 for k in range(p + 1) for h in range(q + 1)]
        return functools.reduce(lambda u, v: u + v, terms)
    return found(i, j)


# ---------------------------------------------------------------- incomplete gamma functions

def _log_minus_psi(a: Any) -> Any:
    """``log a - psi(a)``, accurate for large a (DLMF 5.11.2)."""
    import scipy.special
    w = 1.0 / (a * a)
    far = 0.5 / a + w * (1 / 12 - w * (1 / 120 - w * (1 / 252 - w * (1 / 240 - w * (1 / 132)))))
    return np.where(a > 20.0, far, np.log(a) - scipy.special.psi(a))


def _gammainc_derivative(a: Any, x: Any, *, n: int) -> Any:
    import scipy.special
    shape, at = _doubles(a, x)
    with np.errstate(all="ignore"):
        inside = (shape > 0) & (at > 0) & np.isfinite(at) & np.isfinite(shape)
        p, u = np.where(inside, shape, 1.0), np.where(inside, at, 1.0)
        level = np.log(u / p) + _log_minus_psi(p)  # log x - psi(a)
        upper = level >= 0
        turn = np.where(upper, 1.0, -1.0)

        def fall(r: Any) -> Any:
            r = turn * r
            bend = np.where(np.abs(r) < 1e-2, r * r * (0.5 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r / 720)))),
                            np.expm1(r) - r)
            return u * bend + (u - p) * r

        depth = _DEPTH + 5.0 * n
        r = _reach(fall, lambda r: turn * (u * np.exp(turn * r) - p), np.minimum(1.0, depth / (u + p)), depth)
        gammas = [scipy.special.polygamma(k - 1, p) for k in range(2, n + 1)]
        start = np.log(u)
        total = np.zeros_like(u)
        for s, w in _panels(np.where(upper, start, start - r), np.where(upper, start + r, start)):
            here = np.where(w > 0, s - start, 0.0)
            score = level + here
            part = bell(n, lambda k: score if k == 1 else -gammas[k - 2])  # noqa: B023  (called at once)
            total += np.sum(np.where(w > 0, w * np.exp(-fall(turn * here)) * part, 0.0), axis=0)
        out = -turn * _gamma_weight(p, u) * total
        edge = np.where((shape > 0) & ((at == 0) | (at == np.inf)), 0.0, np.nan)
        return _cast(np.where(inside, out, edge), a)


def _gammainc_slope(y: Any, a: Any, x: Any, *, n: int) -> Any:
    part = bell(n, lambda k: log(x) - psi(a) if k == 1 else -polygamma(a, n=k - 1))
    return zero_where(logical_and(equal(x, 0.0), greater(a, 1.0)), gamma_density(a, x) * part)


def _numbered(*cases: tuple[int, ...], bounds: tuple[tuple[float, float], ...], names: str) -> Any:
    def sample(rng: np.random.Generator) -> Any:
        return [(tuple(rng.uniform(lo, hi, 3) for lo, hi in bounds), dict(zip(names, case, strict=True))) for case in cases]
    return sample


def _first_type(*types: ArrayType, **params: Any) -> ArrayType:
    return ArrayType(np.broadcast_shapes(*[t.shape for t in types]), types[0].dtype)


gammainc_derivative: Primitive = elementwise(
    "gammainc_derivative", _gammainc_derivative, type=_first_type,
    sample=_numbered((1,), (2,), bounds=(POSITIVE, POSITIVE), names="n"),
    partials=(lambda y, a, x, *, n: gammainc_derivative(a, x, n=n + 1), _gammainc_slope))
gammainc = special("gammainc", sample=interval(POSITIVE, POSITIVE), partials=(
    lambda y, a, x: gammainc_derivative(a, x, n=1), lambda y, a, x: gamma_density(a, x)))
gammaincc = special("gammaincc", sample=interval(POSITIVE, POSITIVE), partials=(
    lambda y, a, x: -gammainc_derivative(a, x, n=1), lambda y, a, x: -gamma_density(a, x)))
gammaincinv = special("gammaincinv", sample=interval(POSITIVE, UNIT), partials=(
    lambda y, a, p: -gammainc_derivative(a, y, n=1) / gamma_density(a, y), lambda y, a, p: 1.0 / gamma_density(a, y)))
gammainccinv = special("gammainccinv", sample=interval(POSITIVE, UNIT), partials=(
    lambda y, a, p: -gammainc_derivative(a, y, n=1) / gamma_density(a, y), lambda y, a, p: -1.0 / gamma_density(a, y)))
chdtr = special("chdtr", sample=interval(POSITIVE, POSITIVE), partials=(
    lambda y, v, x: 0.5 * gammainc_derivative(0.5 * v, 0.5 * x, n=1), lambda y, v, x: 0.5 * gamma_density(0.5 * v, 0.5 * x)))
chdtrc = special("chdtrc", sample=interval(POSITIVE, POSITIVE), partials=(
    lambda y, v, x: -0.5 * gammainc_derivative(0.5 * v, 0.5 * x, n=1), lambda y, v, x: -0.5 * gamma_density(0.5 * v, 0.5 * x)))

# ---------------------------------------------------------------- incomplete beta functions


def _betainc_derivative(a: Any, b: Any, x: Any, *, i: int, j: int) -> Any:
    import scipy.special
    p, q, at = _doubles(a, b, x)
    with np.errstate(all="ignore"):
        inside = (p > 0) & (q > 0) & (at > 0) & (at < 1) & np.isfinite(p) & np.isfinite(q)
        p, q, u = np.where(inside, p, 1.0), np.where(inside, q, 1.0), np.where(inside, at, 0.5)
        n = p + q
        level_a, level_b = np.log(u) + psi_rise.evaluate(p, q), np.log1p(-u) + psi_rise.evaluate(q, p)
        upper = level_a >= 0 if i else level_b < 0
        turn = np.where(upper, 1.0, -1.0)

        def shift(r: Any) -> Any:
            """``log(1 - x) - log(1 - t)`` at logit t = logit x + r."""
            grown = u * np.expm1(np.minimum(r, 700.0))
            far = np.maximum(r, 0.0) + np.log(u * np.exp(np.minimum(r, 0.0)) + (1.0 - u) * np.exp(-np.maximum(r, 0.0)))
            return np.where(np.abs(grown) < 0.5, np.log1p(grown), far)

        def gain(r: Any) -> Any:
            """``log t - log x`` there."""
            lost = (1.0 - u) * np.expm1(np.minimum(-r, 700.0))
            return np.where(np.abs(lost) < 0.5, -np.log1p(lost), r - shift(r))

        def slope(r: Any) -> Any:
            return turn * (n / (1.0 + (1.0 - u) / u * np.exp(-turn * r)) - p)

        depth = _DEPTH + 5.0 * (i + j)
        r = _reach(lambda r: n * shift(turn * r) - p * turn * r, slope, depth / n, depth)
        orders = range(1, i + j)
        at_n, at_p, at_q = [[None, *[scipy.special.polygamma(k, z) for k in orders]] for z in (n, p, q)]
        start = np.log(u) - np.log1p(-u)
        total = np.zeros_like(u)
        for s, w in _panels(np.where(upper, start, start - r), np.where(upper, start + r, start)):
            here = np.where(w > 0, s - start, 0.0)
            fallen, gained = shift(here), gain(here)

            def kappa(k: int, h: int) -> Any:
                if k + h == 1:
                    return level_a + gained if k else level_b - fallen  # noqa: B023  (called at once)
                return at_n[k + h - 1] - (at_p[k - 1] if h == 0 else at_q[h - 1] if k == 0 else 0.0)
            total += np.sum(np.where(w > 0, w * np.exp(p * gained - q * fallen) * bell_of_two(i, j, kappa), 0.0), axis=0)
        out = -turn * _beta_weight(p, q, u) * total
        edge = np.where((at == 0) | (at == 1), 0.0, np.nan)
        return _cast(np.where(inside, out, edge), a)


def _betainc_slope(y: Any, a: Any, b: Any, x: Any, *, i: int, j: int) -> Any:
    def kappa(k: int, h: int) -> Any:
        if k + h == 1:
            return log(x) + psi_rise(a, b) if k else log1p(-x) + psi_rise(b, a)
        total = polygamma(a + b, n=k + h - 1)
        return total - polygamma(a, n=k - 1) if h == 0 else total - polygamma(b, n=h - 1) if k == 0 else total
    edge = logical_or(logical_and(equal(x, 0.0), greater(a, 1.0)), logical_and(equal(x, 1.0), greater(b, 1.0)))
    return zero_where(edge, beta_density(a, b, x) * bell_of_two(i, j, kappa))


betainc_derivative: Primitive = elementwise(
    "betainc_derivative", _betainc_derivative, type=_first_type,
    sample=_numbered((1, 0), (0, 1), (1, 1), bounds=(POSITIVE, POSITIVE, UNIT), names="ij"),
    partials=(lambda y, a, b, x, *, i, j: betainc_derivative(a, b, x, i=i + 1, j=j),
              lambda y, a, b, x, *, i, j: betainc_derivative(a, b, x, i=i, j=j + 1), _betainc_slope))


def _in_parameters(name: str, partials: Any) -> Any:
    return special(name, sample=interval(POSITIVE, POSITIVE, UNIT), partials=partials)


def _moved(i: int, j: int) -> Any:
    """How the quantile moves with a parameter: by implicit differentiation."""
    return lambda y, a, b, p: -betainc_derivative(a, b, y, i=i, j=j) / beta_density(a, b, y)


betainc = _in_parameters("betainc", (
    lambda y, a, b, x: betainc_derivative(a, b, x, i=1, j=0), lambda y, a, b, x: betainc_derivative(a, b, x, i=0, j=1),
    lambda y, a, b, x: beta_density(a, b, x)))
betaincc = _in_parameters("betaincc", (
    lambda y, a, b, x: -betainc_derivative(a, b, x, i=1, j=0), lambda y, a, b, x: -betainc_derivative(a, b, x, i=0, j=1),
    lambda y, a, b, x: -beta_density(a, b, x)))
betaincinv = _in_parameters("betaincinv", (_moved(1, 0), _moved(0, 1), lambda y, a, b, p: 1.0 / beta_density(a, b, y)))
betainccinv = _in_parameters("betainccinv", (_moved(1, 0), _moved(0, 1), lambda y, a, b, p: -1.0 / beta_density(a, b, y)))

# ---------------------------------------------------------------- Student's t


def _stdtr_freedom(y: Any, v: Any, t: Any) -> Any:
    """``F(t) = 1/2 + sign(t) I_z(1/2, v/2) / 2`` with ``z = t²/(v + t²)``: along constant z, t grows as the root of v."""
    half = Const(np.full((), 0.5, v.dtype))
    moved = sign(t) * 0.25 * betainc_derivative(half, 0.5 * v, t * t / (v + t * t), i=0, j=1)
    return moved - _stdtr_slope(y, v, t) * t / (2.0 * v)


def _stdtr_slope(y: Any, v: Any, t: Any) -> Any:
    """The density ``(1 + t²/v)^{-(v+1)/2} / (√v B(v/2, 1/2))``."""
    from wengert.graph import REGISTRY
    half = Const(np.full((), 0.5, v.dtype))
    scale = v ** -0.5 / REGISTRY["beta"](0.5 * v, half)
    return scale * REGISTRY["exp"](-0.5 * (v + 1.0) * log1p(t * t / v))


stdtr = special("stdtr", partials=(_stdtr_freedom, _stdtr_slope), sample=interval((1.5, 5.0), (-2.0, 2.0)))
stdtrit = special("stdtrit", partials=(
    lambda y, v, p: -_stdtr_freedom(p, v, y) / _stdtr_slope(p, v, y), lambda y, v, p: 1.0 / _stdtr_slope(p, v, y)),
    sample=interval((1.5, 5.0), (0.1, 0.9)))
