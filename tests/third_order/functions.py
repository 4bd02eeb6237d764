"""Functions of one argument: how users call them, the same in mpmath, and where they are ordinary and singular.

What comes in: nothing. What goes out: `ONE`, name -> `Function`. The one idea: a function is data; the points at the edge are
one list for all, with what a function adds to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special as sp
from mpmath import mp

__all__ = ["EDGES", "ONE", "Function"]

_HALVES = [5e-324, 1e-310, 2.2250738585072014e-308, 1e-200, 1e-20, 1e-8, 1.0 - 2.0 ** -53, 1.0, 1.0 + 2.0 ** -52,
           40.0, 1e8, 1e20, 1e150, 1e300, 1.7976931348623157e308, math.inf]
EDGES = (0.0, -0.0, *[s * x for x in _HALVES for s in (1.0, -1.0)])
ORDINARY = (-2.9, -1.7, -0.6, -0.11, 0.07, 0.4, 0.9, 1.3, 2.1, 3.7)
POSITIVE = (0.07, 0.4, 0.9, 1.3, 2.1, 3.7, 8.2)
UNIT = (-0.93, -0.6, -0.11, 0.07, 0.4, 0.85)
OPEN = (0.03, 0.2, 0.4, 0.6, 0.85, 0.97)


@dataclass(frozen=True)
class Function:
    """A function of one argument; `singular` are the points where it is not smooth (poles, kinks, ends of the domain)."""

    name: str
    call: Callable[..., Any]
    exact: Callable[..., Any]
    ordinary: tuple[float, ...] = ORDINARY
    singular: tuple[float, ...] = ()
    more: tuple[float, ...] = ()
    spaced: float = 0.0  # singular at all multiples, too
    below: float = math.inf  # of `spaced`: only those up to here

    @property
    def points(self) -> tuple[float, ...]:
        return (*self.ordinary, *EDGES, *self.more)

    def far(self, x: float) -> tuple[Any]:
        """How far it is to the nearest singular point, exactly."""
        places = [mp.mpf(s) for s in self.singular]
        with mp.workdps(350):
            z = mp.mpf(x)
            if self.spaced and math.isfinite(x):
                places.append(min(mp.nint(z / self.spaced) * self.spaced, mp.mpf(self.below)))
            return (min([abs(z - s) for s in places], default=mp.one) if math.isfinite(x) else mp.one,)


ONE: dict[str, Function] = {}


def _np(name: str, exact: Any = None, *args: Any, **rest: Any) -> None:
    ONE[f"np.{name}"] = Function(f"np.{name}", getattr(np, name), exact or getattr(mp, name), *args, **rest)


def _sp(name: str, exact: Any = None, *args: Any, **rest: Any) -> None:
    ONE[f"scipy.special.{name}"] = Function(f"scipy.special.{name}", getattr(sp, name), exact or getattr(mp, name),
                                            *args, **rest)


def _made(name: str, call: Any, exact: Any, *args: Any, **rest: Any) -> None:
    ONE[name] = Function(name, call, exact, *args, **rest)


# ---------------------------------------------------------------- NumPy

_np("negative", lambda x: -x)
_np("positive", lambda x: x)
_np("exp")
_np("exp2", lambda x: mp.mpf(2) ** x)
_np("expm1", more=(700.0, -700.0))
_np("log", None, POSITIVE, (0.0,))
_np("log2", lambda x: mp.log(x) / mp.log(2), POSITIVE, (0.0,))
_np("log10", None, POSITIVE, (0.0,))
_np("log1p", lambda x: mp.log(1 + x), (-0.9, -0.4, *POSITIVE), (-1.0,))
_np("square", lambda x: x * x)
_np("sqrt", None, POSITIVE, (0.0,))
_np("cbrt", lambda x: mp.sign(x) * abs(x) ** (mp.mpf(1) / 3), ORDINARY, (0.0,))
_np("reciprocal", lambda x: 1 / x, ORDINARY, (0.0,))
_np("sin", more=(math.pi, math.pi / 2, 1e5))
_np("cos", more=(math.pi, math.pi / 2, 1e5))
_np("tan", more=(math.pi, math.pi / 2, 1e5))
_np("arcsin", mp.asin, UNIT, (-1.0, 1.0))
_np("arccos", mp.acos, UNIT, (-1.0, 1.0))
_np("arctan", mp.atan)
_np("sinh", more=(700.0, -700.0))
_np("cosh", more=(700.0, -700.0))
_np("tanh", more=(5.0, 12.0, 18.5, -30.0))
_np("arcsinh", mp.asinh)
_np("arccosh", mp.acosh, (1.1, 1.5, 2.5, 4.8), (1.0,))
_np("arctanh", mp.atanh, UNIT, (-1.0, 1.0))
_np("degrees", lambda x: x * 180 / mp.pi)
_np("radians", lambda x: x * mp.pi / 180)
_np("deg2rad", lambda x: x * mp.pi / 180)
_np("rad2deg", lambda x: x * 180 / mp.pi)
_np("absolute", abs, ORDINARY, (0.0,))
_np("fabs", abs, ORDINARY, (0.0,))
_np("sinc", lambda x: mp.sin(mp.pi * x) / (mp.pi * x) if x else mp.one, more=(0.35, 0.34, 2.0, 5.0, 1e5))
_np("i0", lambda x: mp.besseli(0, x), more=(20.0, 600.0))
for _name, _f in {"floor": mp.floor, "ceil": mp.ceil, "trunc": lambda x: mp.sign(x) * mp.floor(abs(x))}.items():
    _np(_name, _f, ORDINARY, spaced=1.0)
_np("sign", mp.sign, ORDINARY, (0.0,))
for _n in (-2, -1, 0, 1, 2, 3, 5):
    _made(f"x ** {_n}", lambda x, n=_n: x ** n, lambda x, n=_n: x ** n, ORDINARY, (0.0,) if _n < 0 else ())
for _p in (0.5, 1.5, 2.5, -0.5, 1 / 3):
    _made(f"x ** {_p:.3g}", lambda x, p=_p: x ** p, lambda x, p=_p: x ** mp.mpf(p), POSITIVE, (0.0,))

# ---------------------------------------------------------------- error functions and the normal distribution


def _erfcx(x: Any) -> Any:
    with mp.extradps(30 + 2 * max(0, mp.mag(x))):
        return mp.exp(x * x) * mp.erfc(x)


def _dawsn(x: Any) -> Any:
    with mp.extradps(30 + 2 * max(0, mp.mag(x))):
        return mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x)


def _ncdf(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


_sp("erf", more=(5.0, 26.0))
_sp("erfc", more=(5.0, 10.0, 26.0))
_sp("erfi", more=(5.0, 25.0))
_sp("erfcx", _erfcx, more=(5.0, 26.0, -20.0))
_sp("erfinv", None, UNIT, (-1.0, 1.0))
_sp("erfcinv", lambda x: mp.erfinv(1 - x), (0.1, 0.5, 0.8, 1.3, 1.9), (0.0, 2.0))
_sp("dawsn", _dawsn, more=(7.9, 8.1, 20.0))
_sp("ndtr", _ncdf, more=(-5.0, 5.0, -30.0))
_sp("log_ndtr", lambda x: mp.log(_ncdf(x)), more=(-5.0, 5.0, -30.0, 30.0))
_sp("ndtri", lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1), OPEN, (0.0, 1.0))

# ---------------------------------------------------------------- gamma and its relatives

_POLES = {"spaced": 1.0, "below": 0.0}
_AT = (-4.5, -3.0, -2.0, -1.9999999, -0.5, 0.5, 1.5, 2.0, 3.0, 10.0, 170.0)
_sp("gamma", None, ORDINARY, more=_AT, **_POLES)
_sp("gammaln", lambda x: mp.log(abs(mp.gamma(x))), ORDINARY, more=_AT, **_POLES)
_sp("loggamma", mp.loggamma, POSITIVE, (0.0,), more=(0.5, 2.0, 3.0, 10.0, 170.0))
_sp("rgamma", None, ORDINARY, more=_AT)
_sp("psi", mp.digamma, ORDINARY, more=_AT, **_POLES)
_sp("digamma", mp.digamma, ORDINARY, more=_AT, **_POLES)
for _n in (1, 2):
    _made(f"scipy.special.polygamma({_n}, x)", lambda x, n=_n: sp.polygamma(n, x), lambda x, n=_n: mp.polygamma(n, x),
          POSITIVE, (0.0,), more=(0.5, 2.0, 10.0, 170.0), **_POLES)

# ---------------------------------------------------------------- logistic functions, entropies, exponentials

_sp("expit", lambda x: 1 / (1 + mp.exp(-x)), more=(-700.0, -40.0))
_sp("logit", lambda p: mp.log(p / (1 - p)), OPEN, (0.0, 1.0))
_sp("log_expit", lambda x: -mp.log(1 + mp.exp(-x)), more=(-700.0, -40.0))
if hasattr(sp, "softplus"):
    _sp("softplus", lambda x: mp.log(1 + mp.exp(x)), more=(-700.0, -40.0))
_sp("entr", lambda x: -x * mp.log(x), POSITIVE, (0.0,))
_sp("exprel", lambda x: (mp.exp(x) - 1) / x if x else mp.one, more=(-15.0, 15.0, 700.0))
_sp("cosm1", lambda x: mp.cos(x) - 1)
_sp("exp10", lambda x: mp.mpf(10) ** x)
_sp("exp2", lambda x: mp.mpf(2) ** x)
_sp("expm1")
_sp("log1p", lambda x: mp.log(1 + x), (-0.9, -0.4, *POSITIVE), (-1.0,))
_sp("cbrt", lambda x: mp.sign(x) * abs(x) ** (mp.mpf(1) / 3), ORDINARY, (0.0,))
for _name, _f in {"sindg": mp.sin, "cosdg": mp.cos, "tandg": mp.tan, "cotdg": mp.cot}.items():
    _sp(_name, lambda x, f=_f: f(x * mp.pi / 180), (-80.0, -33.0, 12.0, 45.0, 61.0, 170.0),
        (0.0,) if _name == "cotdg" else (), more=(30.0, 60.0, 180.0))

# ---------------------------------------------------------------- Bessel functions

_FAR = (10.0, 20.0, 600.0)
for _name, _f in {"j": mp.besselj, "i": mp.besseli}.items():
    for _n in (0, 1):
        _sp(f"{_name}{_n}", lambda x, n=_n, f=_f: f(n, x), more=_FAR)
for _name, _f in {"y": mp.bessely, "k": mp.besselk}.items():
    for _n in (0, 1):
        _sp(f"{_name}{_n}", lambda x, n=_n, f=_f: f(n, x), POSITIVE, (0.0,), more=_FAR)
for _n in (0, 1):
    _sp(f"i{_n}e", lambda x, n=_n: mp.exp(-abs(x)) * mp.besseli(n, x), ORDINARY, (0.0,), more=_FAR)
    _sp(f"k{_n}e", lambda x, n=_n: mp.exp(x) * mp.besselk(n, x), POSITIVE, (0.0,), more=_FAR)
for _name, _f in {"jv": mp.besselj, "iv": mp.besseli, "yv": mp.bessely, "kv": mp.besselk}.items():
    for _v in (0.5, 2.0, 3.0):
        _made(f"scipy.special.{_name}({_v:g}, x)", lambda x, v=_v, name=_name: getattr(sp, name)(v, x),
              lambda x, v=_v, f=_f: f(v, x), POSITIVE, () if _name in ("jv", "iv") and _v != 0.5 else (0.0,), more=_FAR)
for _name, _f in {"spherical_jn": mp.besselj, "spherical_in": mp.besseli, "spherical_yn": mp.bessely,
                  "spherical_kn": mp.besselk}.items():
    for _n in (0, 2):
        _made(f"scipy.special.{_name}({_n}, x)", lambda x, n=_n, name=_name: getattr(sp, name)(n, x),
              lambda x, n=_n, f=_f: mp.sqrt(mp.pi / (2 * x)) * f(n + mp.mpf(1) / 2, x) if x > 0 else mp.mpc(0, 1), POSITIVE,
              (0.0,), more=(10.0, 20.0))
for _k, _name in enumerate(("ai", "aip", "bi", "bip")):
    _made(f"scipy.special.airy(x)[{_k}]", lambda x, k=_k: sp.airy(x)[k],
          lambda x, f=mp.airyai if _k < 2 else mp.airybi, d=_k % 2: f(x, derivative=d), more=(10.0, -20.0))

# ---------------------------------------------------------------- integrals, elliptic functions and others

_sp("expi", mp.ei, (-3.0, -0.4, *POSITIVE), (0.0,), more=(30.0, -30.0))
_sp("exp1", mp.e1, POSITIVE, (0.0,), more=(30.0, 600.0))
for _n in (0, 1, 2, 3):
    _made(f"scipy.special.expn({_n}, x)", lambda x, n=_n: sp.expn(n, x), lambda x, n=_n: mp.expint(n, x), POSITIVE, (0.0,),
          more=(30.0,))
for _k, (_f, _g) in enumerate(((mp.si, mp.shi), (mp.ci, mp.chi))):
    _made(f"scipy.special.sici(x)[{_k}]", lambda x, k=_k: sp.sici(x)[k], _f, POSITIVE, (0.0,) if _k else (), more=(30.0,))
    _made(f"scipy.special.shichi(x)[{_k}]", lambda x, k=_k: sp.shichi(x)[k], _g, POSITIVE, (0.0,) if _k else (), more=(30.0,))
    _made(f"scipy.special.fresnel(x)[{_k}]", lambda x, k=_k: sp.fresnel(x)[k], (mp.fresnels, mp.fresnelc)[_k], more=(10.0,))
_sp("spence", lambda x: mp.polylog(2, 1 - x), POSITIVE, (0.0,))
_sp("ellipk", None, (-1.7, -0.6, *OPEN), (1.0,))
_sp("ellipe", None, (-1.7, -0.6, *OPEN), (1.0,))
_sp("ellipkm1", lambda p: mp.ellipk(1 - p), OPEN, (0.0,))
_made("scipy.special.lambertw(x).real", lambda x: sp.lambertw(x).real, lambda x: mp.re(mp.lambertw(x)), POSITIVE,
      (-math.exp(-1.0),), more=(-0.3, 1e5))
_sp("wrightomega", lambda x: mp.lambertw(mp.exp(x)), more=(-30.0, 30.0))
