"""The words of the page: what is measured, what holds where no derivative exists, and why digits are lost where they are.

What comes in: nothing. What goes out: `HEAD`, lines, and `REASONS`, parts of names -> a sentence. The one idea: no function may
lose digits without a reason that is written down.
"""

from __future__ import annotations

__all__ = ["HEAD", "REASONS"]

HEAD = """# Accuracy of derivatives

Written by `python -m tests.third_order --write`. Every elementwise and special function below, its value and all its (mixed)
partial derivatives to the third order, forward over forward and reverse over reverse, against differences in mpmath with up
to 1,500 digits that use none of wengert's rules. Points: ordinary ones, and those at the edge: zeros of both signs, subnormal
numbers, 1e-200, 1e-20, integers, the numbers next to 1 and -1, 1e20, 1e150, 1e300, the largest number, infinities, and what
each function has of its own.

A cell: the worst error at *ordinary / edge* points, in units of the last place (ulps), where a unit is the spacing of floats at
the result plus what a change of the arguments by an ulp does to it; in brackets at how many points more than half of the digits
are lost, a limit is missed (NaN), or an overflow comes too early: the second table says where and why. The value is NumPy's or
SciPy's own; points where that is NaN are left out.

Where no derivative exists: at the end of a domain, at a pole and at infinity the limit from inside counts; at a kink an element
between the one-sided slopes (`absolute`: 0 at 0; `maximum`: the mean of both); outside of the domain the value is NaN, and the
derivative is whatever its formula gives. An infinite limit is infinity with its sign.""".split("\n")

_INFINITE = "at infinity (and the largest number) a factor 0 meets an infinite one; the limit is 0"
_SCIPY = "SciPy's own function, which the rule calls, is not right there"

# The first entry with a name or a part of it, apart by " | ", holds.
REASONS: dict[str, str] = {
    "np.arctan2 | np.hypot": "the powers of 1/r in the derivative overflow before they are multiplied by what is small",
    "np.arctan | special.erf | special.erfc | special.ndtr": _INFINITE,
    "np.arccosh": "at infinity a factor 0 meets an infinite one; at 1 infinities of both signs are added",
    "np.tanh": "1 - tanh² has no relative digit beyond 18; the form that keeps them needs an exponential in every derivative",
    "special.rgamma": "the sign of gamma at a whole number that is too large to be told from its neighbors; overflow",
    "gammainc": "powers of x = 1e-300 are lost in the density",
    "gamma": "where the function itself overflows, infinite terms of both signs are added",
    "logit": "at the end of the domain, in reverse mode: infinite terms of both signs are added",
    "dg": "SciPy's functions of degrees give up beyond 1e14 and near the pole, and the derivative is made of them",
    "np.i0 | special.i0 | special.i1": "next to overflow infinite terms are subtracted; below 1e-154, where the third "
                                       "derivative needs I_3, SciPy's underflows",
    "special.y0 | special.y1 | special.yv | spherical_yn | special.k0 | special.k1 | special.kv | spherical_kn":
        "at the pole, and where the derivative overflows, infinite terms of both signs are added",
    "special.j0 | special.j1 | special.jv | special.iv | spherical_jn | spherical_in":
        _SCIPY + ": it underflows or is NaN next to 0",
    "expi | exp1 | expn | sici | shichi": "at the pole, at infinity and where the derivative overflows, infinite terms of both "
                                          "signs are added; next to 0 the second of shichi is the difference of two exprel",
    "fresnel": "x² π/2 is rounded before the wave is taken: from 1e8 on the phase is lost",
    "spence": "at 0, where the derivatives are infinite, infinite terms are subtracted",
    "ellipk | ellipe | hyp2f1": _SCIPY + ": the hypergeometric function next to 1 and far to the left",
    "wrightomega": "far out 1 + ω has lost the 1",
    "np.divide": "derivatives in the divisor multiply 0 by an infinite quotient",
    "np.power | x **": "at subnormal bases a factor of the derivative overflows or vanishes before the other is multiplied",
    "xlogy": "at x = 0 the derivative in y multiplies 0 by an infinite quotient",
    "pseudo_huber": "δ and r differ by so many orders that squares over- or underflow in between",
    "boxcox1p | inv_boxcox": "1 + x is rounded for tiny x before its logarithm is taken",
    "special.beta": "the function is 1e20 and more there, and its mixed derivatives are differences of such terms",
    "stdtr": "the degrees of freedom enter by a difference, which cancels in the far tail",
}
