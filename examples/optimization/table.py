"""Both collections solved by SciPy, with exact derivatives and with differences: iterations, evaluations, and where it ends.

    python examples/optimization/table.py [--write]

prints the tables; with --write they take their place in docs/optimization.md.
"""

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import hock_schittkowski
import more_garbow_hillstrom
import numpy as np
import scipy.optimize
from scipy.optimize import Bounds

import wengert as wg

PAGE = Path(__file__).parents[2] / "docs" / "optimization.md"
CONSTRAINED: dict[str, Any] = {"SLSQP": {"ftol": 1e-8}, "trust-constr": {"gtol": 1e-12, "xtol": 1e-10, "maxiter": 2000}}
UNCONSTRAINED = ("least_squares", "BFGS")
LEAST_SQUARES: Any = {"ftol": 1e-12, "xtol": 1e-12, "gtol": 1e-12, "max_nfev": 2000}


class Run(NamedTuple):
    """How a solver fared; `error` is f - f* over max(1, |f*|)."""

    iterations: int
    values: int
    derivatives: int
    error: float
    success: bool
    x: Any


class Counted:
    """A function that counts its calls."""

    def __init__(self, f):
        self.f, self.calls = f, 0

    def __call__(self, x):
        self.calls += 1
        return self.f(x)


def constrained(problem, method, exact):
    """A problem of Hock and Schittkowski."""
    constraints = [{"type": kind, "fun": c}
                   for kind, c in (("eq", problem.equalities), ("ineq", problem.inequalities)) if c is not None]
    solve, f = wg.scipy.minimize, problem.f
    if not exact:
        solve, f = scipy.optimize.minimize, Counted(f)
    found = solve(f, problem.start, method=method, options=CONSTRAINED[method], constraints=constraints,
                  bounds=None if problem.bounds is None else Bounds(*problem.bounds))
    values = found.nfev if exact else f.calls
    return Run(found.nit, values, found.njev, relative(found.fun, [problem.optimum]), bool(found.success), found.x)


def unconstrained(problem, method, exact):
    """A problem of Moré, Garbow and Hillstrom."""
    if method == "least_squares":
        solve, f = wg.scipy.least_squares, problem.residuals
        if not exact:
            solve, f = scipy.optimize.least_squares, Counted(f)
        found = solve(f, problem.start, **LEAST_SQUARES)
        values = found.nfev if exact else f.calls
        return Run(found.nfev, values, found.njev, relative(2.0 * found.cost, problem.minima), bool(found.success), found.x)
    solve, f = wg.scipy.minimize, sum_of_squares(problem)
    if not exact:
        solve, f = scipy.optimize.minimize, Counted(f)
    found = solve(f, problem.start, method=method, options={"maxiter": 2000})
    values = found.nfev if exact else f.calls
    return Run(found.nit, values, found.njev, relative(found.fun, problem.minima), bool(found.success), found.x)


def sum_of_squares(problem):
    def f(x):
        return np.sum(np.array(problem.residuals(x)) ** 2)
    return f


def relative(value, minima):
    """The distance to the nearest of the minima."""
    return min(((value - m) / max(1.0, abs(m)) for m in minima), key=abs)


def rows(problems, methods, run, name):
    """Lines of a table."""
    for k, problem in enumerate(problems):
        if sys.stderr.isatty():
            print(f"\r\x1b[2K{k + 1} of {len(problems)}", end="\r", file=sys.stderr, flush=True)
        for method in methods:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # overflows at trial points, and what SciPy says of its differences
                exact, estimated = run(problem, method, True), run(problem, method, False)
            columns = (name(problem), method, exact.iterations, f"{exact.values}, {exact.derivatives}", ending(exact),
                       estimated.iterations, estimated.values, ending(estimated))
            yield f"| {' | '.join(map(str, columns))} |"


def ending(run):
    return f"{run.error:.0e}{'' if run.success else ' *'}"


def tables():
    """Both tables, as Markdown."""
    head = ["| problem | method | iterations | f, ∇f | error | differences: iterations | f | error |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    hs = rows(hock_schittkowski.PROBLEMS, CONSTRAINED, constrained, lambda p: f"{p.number}")
    mgh = rows(more_garbow_hillstrom.PROBLEMS, UNCONSTRAINED, unconstrained, lambda p: f"{p.number} {p.name}")
    return "\n".join(["Hock and Schittkowski:", "", *head, *hs, "", "Moré, Garbow and Hillstrom:", "", *head, *mgh])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the tables into docs/optimization.md")
    given = parser.parse_args()
    text = tables()
    print(text)
    if given.write:
        before, rest = PAGE.read_text(encoding="utf-8").split("<!-- tables -->\n", 1)
        after = rest.split("<!-- end of tables -->", 1)[1]
        PAGE.write_text(f"{before}<!-- tables -->\n{text}\n<!-- end of tables -->{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
