"""Functions of two and three arguments: all mixed partial derivatives to the third order.

What comes in: nothing. What goes out: `SEVERAL`, name -> `Several`. The one idea: ordinary points are drawn once from a box;
the points at the edge are stated, for each function its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special as sp
from mpmath import mp

__all__ = ["SEVERAL", "Several"]

Point = tuple[float, ...]


def _everywhere(*x: float) -> list[Any]:
    return [mp.one] * len(x)


@dataclass(frozen=True)
class Several:
    """A function of several arguments; ``far(*x)`` says how far it is smooth, in each argument."""

    name: str
    call: Callable[..., Any]
    exact: Callable[..., Any]
    ordinary: tuple[Point, ...]
    edges: tuple[Point, ...] = ()
    far: Callable[..., Any] = _everywhere

    @property
    def points(self) -> tuple[Point, ...]:
        return (*self.ordinary, *self.edges)


SEVERAL: dict[str, Several] = {}
MAX, TINY = 1.7976931348623157e308, 5e-324


def _add(name: str, call: Any, exact: Any, box: tuple[tuple[float, float], ...], edges: Any = (),
         far: Any = _everywhere) -> None:
    rng = np.random.default_rng(7)
    ordinary = tuple(tuple(round(float(rng.uniform(*b)), 3) for b in box) for _ in range(8))
    SEVERAL[name] = Several(name, call, exact, ordinary, tuple(edges), far)


def _grid(*values: tuple[float, ...]) -> list[Point]:
    return list(itertools.product(*values))


def _sizes(*x: float) -> list[Any]:
    """Smooth as far as zero."""
    return [abs(mp.mpf(v)) for v in x]


def _second(a: float, b: float) -> list[Any]:
    return [mp.one, abs(mp.mpf(b))]


def _first(a: float, b: float) -> list[Any]:
    return [abs(mp.mpf(a)), mp.one]


def _radius(a: float, b: float) -> list[Any]:
    with mp.workdps(40):
        return [mp.hypot(a, b)] * 2


# ---------------------------------------------------------------- NumPy

ANY = (-3.0, 3.0)
PLUS = (0.2, 4.0)
SOME = (0.0, 1e-310, 1e-20, 1.0, -2.0, 1e20, 1e150)
_add("np.multiply", np.multiply, lambda a, b: a * b, (ANY, ANY), _grid(SOME, SOME))
_add("np.divide", np.divide, lambda a, b: a / b, (ANY, PLUS), _grid(SOME, (1e-200, 1e-20, -1.0, 1e20, 1e150, 1e300)), _second)
_add("np.hypot", np.hypot, mp.hypot, (ANY, ANY), [p for p in _grid(
    (0.0, 1e-310, 1e-200, 1e-20, 1.0, -1.0, 1e20, 1e150, 1e300), (0.0, 1e-310, 1e-20, 1.0, 1e150, -1e300)) if any(p)] + [
        (3.0, 3.0), (1e-8, 1.0), (1.0, 1e-8)], _radius)
_add("np.arctan2", np.arctan2, mp.atan2, (ANY, ANY), [p for p in _grid(
    (1e-310, 1e-200, 1e-20, 1.0, -1.0, 1e20, 1e150, 1e300), (0.0, 1e-310, 1e-20, 1.0, -1.0, 1e150, -1e300)) if any(p)] + [
        (0.0, 1.0), (-0.0, 1.0), (3.0, 3.0), (1e-8, -1.0), (-1e-8, -1.0), (1.0, 1e-8)],
     lambda a, b: [_radius(a, b)[0] if a == 0 or b > 0 else min(abs(mp.mpf(a)), _radius(a, b)[0]), _radius(a, b)[0]])
_add("np.logaddexp", np.logaddexp, lambda a, b: mp.log(mp.exp(a) + mp.exp(b)), (ANY, ANY), [
    (0.0, 0.0), (3.0, 3.0), (1e-20, 0.0), (50.0, 0.0), (0.0, 50.0), (-800.0, 0.0), (0.0, -800.0), (1e4, 1e4), (-1e4, -1e4),
    (1e20, 1e20), (1e300, 1e300), (1e5, 1.0), (700.0, -700.0)])
_add("np.logaddexp2", np.logaddexp2, lambda a, b: mp.log(mp.mpf(2) ** a + mp.mpf(2) ** b) / mp.log(2), (ANY, ANY), [
    (0.0, 0.0), (3.0, 3.0), (1e-20, 0.0), (50.0, 0.0), (0.0, 50.0), (-800.0, 0.0), (0.0, -800.0), (1e4, 1e4), (1e300, 1e300)])
_add("np.maximum", np.maximum, max, (ANY, ANY), [(1e-310, 0.0), (1e300, 1e150), (-1e300, 1.0)],
     lambda a, b: [abs(mp.mpf(a) - mp.mpf(b)) / 3] * 2)
_add("np.minimum", np.minimum, min, (ANY, ANY), [(1e-310, 0.0), (1e300, 1e150), (-1e300, 1.0)],
     lambda a, b: [abs(mp.mpf(a) - mp.mpf(b)) / 3] * 2)
_POWERS = [(1.0, 1e20), (1.0, -1e150), (2.0, 1000.0), *_grid(
    (1e-310, 1e-20, 0.5, 1.0 - 2.0 ** -53, 1.0, 1.0 + 2.0 ** -52, 2.0, 1e20, 1e150),
    (0.0, 1.0, 2.0, 3.0, 0.5, -1.0, -0.5, 1e-20, 1e-310, 5.0))]
_add("np.power", np.power, lambda a, b: mp.power(a, b), (PLUS, (-2.0, 3.0)), _POWERS, _first)
_add("x ** y", lambda a, b: a ** b, lambda a, b: mp.power(a, b), (PLUS, (-2.0, 3.0)), [(1e-20, 2.0), (1.0, 0.0), (2.0, 3.0)],
     _first)
_add("np.copysign", np.copysign, lambda a, b: abs(a) * mp.sign(b), (ANY, ANY), [(1e-310, 1e-310), (1e300, -1e-20)], _sizes)

# ---------------------------------------------------------------- logarithms, entropies, losses

_TINY = (1e-310, 1e-200, 1e-20, 0.5, 1.0, 1.0 + 2.0 ** -52, 2.0, 1e20, 1e150, 1e300)
_add("scipy.special.xlogy", sp.xlogy, lambda a, b: a * mp.log(b), (PLUS, PLUS), _grid((0.0, -1.0, *_TINY[::2]), _TINY), _second)
_add("scipy.special.xlog1py", sp.xlog1py, lambda a, b: a * mp.log(1 + b), (PLUS, PLUS),
     _grid((0.0, 1e-310, 1.0, 1e150), (-1.0 + 2.0 ** -53, -0.5, -1e-20, 0.0, 1e-310, 1e-20, 1.0, 1e20, 1e300)),
     lambda a, b: [mp.one, 1 + mp.mpf(b)])
_PAIRS = _grid(_TINY, _TINY)
_add("scipy.special.rel_entr", sp.rel_entr, lambda a, b: a * mp.log(a / b), (PLUS, PLUS), _PAIRS, _sizes)
_add("scipy.special.kl_div", sp.kl_div, lambda a, b: a * mp.log(a / b) - a + b, (PLUS, PLUS), _PAIRS, _sizes)
_add("scipy.special.huber", sp.huber, lambda d, r: r * r / 2 if abs(r) <= d else d * (abs(r) - d / 2), (PLUS, ANY),
     [(1e-310, 1.0), (1.0, 1e-310), (1e150, 1.0), (1.0, 1e300), (1.0, 0.0)],
     lambda d, r: [abs(abs(mp.mpf(r)) - mp.mpf(d)) / 3] * 2)
_add("scipy.special.pseudo_huber", sp.pseudo_huber, lambda d, r: d * d * (mp.sqrt(1 + (r / d) ** 2) - 1), (PLUS, ANY),
     _grid((1e-150, 1e-20, 1.0, 1e20, 1e150), (0.0, 1e-310, 1e-20, 1e-8, 1.0, -1e20, 1e150)),
     lambda d, r: [mp.mpf(d)] * 2)
_RATES = (-1.0, -1e-20, 0.0, 1e-310, 1e-8, 0.5, 1.0, 2.0)


def _boxcox(x: Any, rate: Any) -> Any:
    return mp.log(x) if rate == 0 else (mp.power(x, rate) - 1) / rate


_add("scipy.special.boxcox", sp.boxcox, _boxcox, (PLUS, (-2.0, 2.0)),
     _grid((1e-20, 0.5, 1.0, 1.0 + 2.0 ** -52, 1e20), _RATES), _first)
_add("scipy.special.boxcox1p", sp.boxcox1p, lambda x, r: _boxcox(1 + x, r), (PLUS, (-2.0, 2.0)),
     _grid((-0.5, 0.0, 1e-310, 1e-20, 1e20), _RATES), lambda x, r: [1 + mp.mpf(x), mp.one])
_add("scipy.special.inv_boxcox", sp.inv_boxcox, lambda y, r: mp.exp(y) if r == 0 else mp.exp(mp.log1p(r * y) / r),
     (PLUS, (0.2, 2.0)), _grid((0.0, 1e-20, 1.0, -0.5, 50.0), (0.0, 1e-310, 1e-20, 1e-8, 0.5, 1.0)),
     lambda y, r: [mp.mpf("0.01"), mp.mpf("0.01")])
_add("scipy.special.powm1", sp.powm1, lambda a, b: mp.power(a, b) - 1, (PLUS, (-2.0, 3.0)),
     _grid((1e-20, 0.5, 1.0, 1.0 + 2.0 ** -52, 1e20), (0.0, 1e-20, 1.0, 2.0, -1.0, 3.0)), _first)

# ---------------------------------------------------------------- gamma, beta

_AB = _grid((1e-20, 0.5, 1.0, 2.0, 100.0, 1e8), (1e-20, 0.5, 1.0, 2.0, 100.0, 1e8))
_add("scipy.special.beta", sp.beta, mp.beta, (PLUS, PLUS), _AB, _sizes)
_add("scipy.special.betaln", sp.betaln, lambda a, b: mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b), (PLUS, PLUS),
     _AB, _sizes)
_add("scipy.special.poch", sp.poch, mp.rf, (PLUS, PLUS), _grid((0.5, 1.0, 10.0, 1e8), (0.0, 1e-20, 0.5, 1.0, 3.0)), _first)
_add("scipy.special.binom", sp.binom, mp.binomial, ((4.2, 9.0), (0.4, 3.0)), _grid((5.0, 10.0, 1e8), (0.0, 1.0, 2.0, 2.5)),
     lambda n, k: [mp.one / 2, mp.one / 2])
_A = (0.01, 0.5, 1.0, 2.0, 3.0, 30.0, 1000.0)
_X = (1e-300, 1e-20, 0.1, 1.0, 30.0, 700.0, 1e5)
_add("scipy.special.gammainc", sp.gammainc, lambda a, x: mp.gammainc(a, 0, x, regularized=True), (PLUS, PLUS),
     _grid(_A, _X), _sizes)
_add("scipy.special.gammaincc", sp.gammaincc, lambda a, x: mp.gammainc(a, x, regularized=True), (PLUS, PLUS),
     _grid(_A, _X), _sizes)
_add("scipy.special.chdtr", sp.chdtr, lambda v, x: mp.gammainc(v / 2, 0, x / 2, regularized=True), (PLUS, PLUS),
     [(1.0, 1e-20), (2.0, 50.0)], _sizes)
_add("scipy.special.betainc", sp.betainc, lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True),
     (PLUS, PLUS, (0.05, 0.95)), [
    (0.5, 0.5, 1e-20), (0.5, 0.5, 1.0 - 2.0 ** -53), (1.0, 1.0, 0.5), (2.0, 3.0, 1e-20), (2.0, 3.0, 1e-300), (30.0, 40.0, 0.4),
    (2.0, 2.0, 0.5), (1e-3, 2.0, 0.3)], lambda a, b, x: [mp.mpf(a), mp.mpf(b), min(mp.mpf(x), 1 - mp.mpf(x))])
_add("scipy.special.owens_t", sp.owens_t, lambda h, a: mp.quad(
    lambda t: mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), [0, a]) / (2 * mp.pi), (ANY, ANY),
     [(0.0, 1.0), (1.0, 0.0), (5.0, 1.0), (1e-20, 1.0)])
_add("scipy.special.stdtr", sp.stdtr, lambda v, t: mp.betainc(v / 2, mp.one / 2, 0, v / (v + t * t), regularized=True) / 2
     if t < 0 else 1 - mp.betainc(v / 2, mp.one / 2, 0, v / (v + t * t), regularized=True) / 2, ((1.5, 8.0), ANY), [
         (1.0, -100.0), (3.0, -1e-8), (100.0, -3.0), (3.0, -1e20)], lambda v, t: [mp.mpf(v) / 3, abs(mp.mpf(t)) / 3 or mp.one])
_add("scipy.special.zeta(3, q)", lambda q: sp.zeta(3.0, q), lambda q: mp.zeta(3, q), (PLUS,),
     [(1e-20,), (0.5,), (1.0,), (100.0,), (1e8,)],
     lambda q: [mp.mpf(q)])
_add("scipy.special.hyp2f1(1, 2, 3.5, x)", lambda x: sp.hyp2f1(1.0, 2.0, 3.5, x), lambda x: mp.hyp2f1(1, 2, mp.mpf(7) / 2, x),
     ((-0.9, 0.9),), [(0.0,), (1e-310,), (-1e5,), (1.0 - 2.0 ** -53,), (-1.0,)], lambda x: [1 - mp.mpf(x)])
_add("scipy.special.hyp1f1(1, 2.5, x)", lambda x: sp.hyp1f1(1.0, 2.5, x), lambda x: mp.hyp1f1(1, mp.mpf(5) / 2, x), (ANY,), [
    (0.0,), (1e-310,), (-1e5,), (30.0,), (700.0,), (-30.0,)])
_add("scipy.special.hyp0f1(2.5, x)", lambda x: sp.hyp0f1(2.5, x), lambda x: mp.hyp0f1(mp.mpf(5) / 2, x), (ANY,), [
    (0.0,), (1e-310,), (-1e3,), (1e3,)])
