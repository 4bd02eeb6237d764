"""The functions and constants that a formula may name.

What comes in: a name as people write it, `ln`, `arcsin`, `σ`. What goes out: the name of the NumPy or SciPy
function that is meant, `log`, `arcsin`, `expit`, and how many arguments it takes. The one idea: a formula
knows functions only through this table, so a parser with another table reads another language.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["CONSTANTS", "FUNCTIONS", "FormulaFunction"]


@dataclass(frozen=True, slots=True)
class FormulaFunction:
    """What a function name of a formula stands for.

    Parameters
    ----------
    target : str
        Name in NumPy or ``scipy.special`` (and ``relu``, ``sinc``, ``where``), used in evaluation trees.
    least, most : int or None
        How many arguments it takes; ``most=None`` is any number.
    form : {"plain", "fold", "reciprocal"}
        ``fold``: a function of two, applied from left to right to two or more: ``max(a, b, c)``.
        ``reciprocal``: one divided by the target: ``sec(x)`` is ``1/cos(x)``.

    Examples
    --------
    >>> FUNCTIONS["ln"].target, FUNCTIONS["atan2"].most
    ('log', 2)
    """

    target: str
    least: int = 1
    most: int | None = 1
    form: Literal["plain", "fold", "reciprocal"] = "plain"


# `name` or `name=target`, by number of arguments. A target is what NumPy calls the function, so that
# `asin` and `arcsin` make the same tree.
_ONE = """
    sin cos tan arcsin arccos arctan asin=arcsin acos=arccos atan=arctan sen=sin tg=tan
    arctg=arctan arcsen=arcsin sinh cosh tanh arcsinh arccosh arctanh asinh=arcsinh acosh=arccosh
    atanh=arctanh arsinh=arcsinh arcosh=arccosh artanh=arctanh sh=sinh ch=cosh th=tanh sinc
    exp exp2 exp10 expm1 ln=log log log2 log10 lg=log10 log1p sqrt cbrt square reciprocal
    sigmoid=expit expit logistic=expit σ=expit logit log_expit logsigmoid=log_expit relu
    abs=absolute absolute fabs sign sgn=sign signbit floor ceil trunc rint round=rint spacing
    deg2rad rad2deg radians degrees=rad2deg conj=conjugate conjugate real imag angle arg=angle
    gamma Γ=gamma gammaln lgamma=gammaln loggamma gammasgn rgamma digamma=psi psi ψ=psi zeta ζ=zeta zetac
    erf erfc erfcx erfi erfinv erfcinv dawsn ndtr normcdf=ndtr ndtri log_ndtr ndtri_exp wofz
    exp1 expi exprel cosm1 spence entr wrightomega
    ellipe ellipk ellipkm1 kolmogorov kolmogi
    i0 i0e i1 i1e j0 j1 k0 k0e k1 k1e y0 y1 bei beip ber berp kei keip ker kerp
    it2struve0 itmodstruve0 itstruve0 cosdg sindg tandg cotdg
    sum prod mean median std var logsumexp softmax log_softmax
"""
_TWO = """
    add subtract multiply divide power pow=power
    atan2=arctan2 arctan2 hypot copysign fmod mod=remainder remainder floor_divide
    heaviside nextafter fmax fmin logaddexp logaddexp2
    greater greater_equal less less_equal equal not_equal
    beta betaln binom agm besselj=jv bessely=yv besseli=iv besselk=kv jv jve jn=jv yv yve yn iv ive kv kve kn
    hankel1 hankel1e hankel2 hankel2e struve modstruve poch powm1 xlogy xlog1py rel_entr kl_div
    polygamma dot boxcox boxcox1p inv_boxcox inv_boxcox1p huber pseudo_huber expn hyp0f1 owens_t
    gammainc gammaincc gammaincinv gammainccinv ellipeinc ellipkinc elliprc
    eval_chebyc eval_chebys eval_chebyt eval_chebyu eval_hermite eval_hermitenorm eval_laguerre eval_legendre
    eval_sh_chebyt eval_sh_chebyu eval_sh_legendre mathieu_a mathieu_b
    chdtr chdtrc chdtri chdtriv pdtr pdtrc pdtri pdtrik smirnov smirnovi stdtr stdtridf stdtrit tklmbda
"""
_THREE = """
    where betainc betaincc betaincinv betainccinv hyp1f1 hyperu lpmv besselpoly voigt_profile
    elliprd elliprf elliprg eval_gegenbauer eval_genlaguerre wright_bessel log_wright_bessel
    bdtr bdtrc bdtri bdtrik bdtrin btdtria btdtrib chndtr chndtridf chndtrinc chndtrix
    fdtr fdtrc fdtri fdtridfd gdtr gdtrc gdtria gdtrib gdtrix nbdtr nbdtrc nbdtri nbdtrik nbdtrin
    nctdtr nctdtridf nctdtrinc nctdtrit nrdtrimn nrdtrisd obl_cv pro_cv
"""
_FOUR = "hyp2f1 elliprj eval_jacobi eval_sh_jacobi ncfdtr ncfdtri ncfdtridfd ncfdtridfn ncfdtrinc"
_FOLDS = "max=maximum maximum min=minimum minimum"
_RECIPROCALS = """
    sec=cos csc=sin cosec=sin cot=tan ctg=tan cotg=tan sech=cosh csch=sinh coth=tanh
"""


def _table() -> dict[str, FormulaFunction]:
    table: dict[str, FormulaFunction] = {}
    for count, words in enumerate((_ONE, _TWO, _THREE, _FOUR), start=1):
        for name, _, target in (word.partition("=") for word in words.split()):
            table[name] = FormulaFunction(target or name, count, count)
    for name, _, target in (word.partition("=") for word in _FOLDS.split()):
        table[name] = FormulaFunction(target or name, 2, None, "fold")
    for name, _, target in (word.partition("=") for word in _RECIPROCALS.split()):
        table[name] = FormulaFunction(target, 1, 1, "reciprocal")
    return table


FUNCTIONS: dict[str, FormulaFunction] = _table()

# What a constant is called in the tree, and its value, by every name it goes by. The letter τ is none: it is
# somebody's time constant.
CONSTANTS: dict[str, tuple[str, float]] = {
    "pi": ("pi", math.pi), "π": ("pi", math.pi), "e": ("e", math.e), "tau": ("tau", math.tau),
    "inf": ("inf", math.inf),
}

# Function names that people also give to variables: read as a function only in front of a parenthesis.
# All others are refused there ("write sin(x)"), since `sin x` must not become a product.
ALSO_VARIABLES = frozenset([
    "i0", "i0e", "i1", "i1e", "j0", "j1", "k0", "k0e", "k1", "k1e", "y0", "y1", "iv", "ive", "jn", "jv",
    "jve", "kn", "kv", "kve", "yn", "yv", "yve", "bei", "ber", "kei", "ker", "beta", "gamma", "psi", "zeta",
    "Γ", "ζ", "ψ", "σ", "add", "agm", "angle", "equal", "greater", "imag", "less", "power", "real",
    "square", "where", "sum", "prod", "mean", "median", "std", "var", "dot",
])
