"""Random formulas: their symbolic derivatives against SymPy's, and every form in which they are printed.

``python -m tests.symbolic_campaign --count 500`` checks any number; the everyday suite a few dozen. A formula is drawn by its
seed, so a failure names all that is needed to see it again.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import Any

import numpy as np

import wengert as wg
from wengert.errors import UnsupportedError

VARIABLES = ("x", "y")
UNARY = ["sin({})", "cos({})", "tanh({})", "exp(-({})^2)", "atan({})", "erf({})", "sigmoid({})", "abs({})", "log(1 + ({})^2)",
         "sqrt(1 + ({})^2)", "1/(2 + cos({}))", "({})^2", "({})^3", "-({})", "cosh(sin({}))", "asinh({})", "exp(sin({}))",
         "log1p(({})^2)", "expm1(cos({}))", "cbrt(2 + sin({}))", "asin(tanh({})/2)", "2^sin({})", "pi*({})", "sec(sin({}))",
         "gamma(2 + sin({}))", "sinc(1 + ({})^2)", "besselj(1, {})", "relu({})", "square({})", "(2 + sin({}))^-1.5"]
BINARY = ["({} + {})", "({} - {})", "({})*({})", "({})*({})", "({})/(2 + sin({}))", "max({}, {})", "hypot({}, 1 + ({})^2)",
          "(1 + ({})^2)^sin({})", "atan2({}, 3 + cos({}))", "where(greater({}, 0.7), {}, x y)", "logaddexp({}, {})"]
LEAVES = ["x", "y", "x", "y", "2", "0.5", "3", "pi", "x y", "2x"]


def random_formula(seed: int) -> str:
    """A formula of x and y, finite around their points."""
    rng = np.random.default_rng([19640801, seed])

    def draw(depth: int) -> str:
        if depth == 0 or rng.random() < 0.15:
            return str(rng.choice(LEAVES))
        if rng.random() < 0.5:
            return str(rng.choice(UNARY)).format(draw(depth - 1))
        form = str(rng.choice(BINARY))
        return form.format(*[draw(depth - 1) for _ in range(form.count("{}"))])
    return f"{draw(int(rng.integers(1, 4)))} + 0 x y"


def value(expression: Any, symbols: dict[str, Any], at: dict[str, float]) -> float:
    """The value of a SymPy expression, in 30 digits."""
    return complex(expression.evalf(30, subs={symbols[n]: x for n, x in at.items()})).real


@np.errstate(invalid="ignore")
def check(seed: int, latex: Any = None) -> str:
    """Check one formula; gives "equal" or the reason why there is nothing to compare.

    What SymPy gives back as a Piecewise is computed on both sides of the condition, and is NaN on one of them.
    """
    import sympy
    text = random_formula(seed)
    f = wg.formula(text, VARIABLES)
    at = dict(zip(VARIABLES, np.random.default_rng(seed).uniform(0.3, 1.4, 2)))
    symbols = {n: sympy.Symbol(n, real=True) for n in VARIABLES}
    expression = f.to_sympy(symbols)
    for name in VARIABLES:
        slope = wg.grad(f, argnums=VARIABLES.index(name))(*at.values())
        wanted = value(sympy.diff(expression, symbols[name]), symbols, at)
        assert np.isfinite(wanted), (seed, text, wanted)
        near = 1e-9 * max(1.0, abs(wanted))
        try:
            derived = f.diff(name)
        except UnsupportedError as error:
            return str(error)[:60]
        forms = {"grad": slope, "diff": derived(**at), "blind": f.diff(name, simplify=False)(**at),
                 "read back": wg.formula(str(derived), VARIABLES)(**at), "source": derived.source().function()(*at.values()),
                 "to SymPy": value(derived.to_sympy(symbols), symbols, at),
                 "from SymPy": wg.from_sympy(derived.to_sympy(), VARIABLES)(**at),
                 "differential": f.differential()(**at, **{f"d{n}": float(n == name) for n in VARIABLES})}
        for form, got in forms.items():
            assert abs(got - wanted) <= near, (seed, text, name, form, got, wanted, str(derived))
        if latex is not None:
            latex.parse(f"${derived.latex()}$")
    return "equal"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    from matplotlib.mathtext import MathTextParser
    tally: Counter[str] = Counter()
    for seed in range(given.first, given.first + given.count):
        try:
            tally[check(seed, MathTextParser("path"))] += 1
        except Exception as error:
            tally["WRONG"] += 1
            print(f"seed {seed}: {random_formula(seed)}\n  {type(error).__name__}: {error}", file=sys.stderr)
    print(", ".join(f"{n} {kind}" for kind, n in tally.most_common()))
    return int(tally["WRONG"] > 0)


if __name__ == "__main__":
    raise SystemExit(main())
