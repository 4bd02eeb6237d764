"""Reference values and derivatives of all cases, in forty digits.

What comes in: cases. What goes out: `references.json`: for each point the value, the gradient, the Hessian, and the relative
condition number of each. The one idea: what a case states in closed form is evaluated in mpmath; all else is a central
difference of the program itself, run in mpmath with so many digits that differences are exact to the digits that are kept.
Complex numbers are pairs of real coordinates: real part, imaginary part.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mpmath import mp

from conformance.case import Case, bind
from conformance.precise import NAMES
from conformance.trees import leaves, map_leaves

FILE = Path(__file__).with_name("references.json")
DIGITS = 40
WORKING = 130  # digits to work with, besides those that the exponents of the point cost
STEP = -28  # the exponent of the relative step: errors of 1e-56 in a central difference


def coordinates(point: Any) -> list[Any]:
    """The real numbers that a point consists of, exactly, as mpmath numbers."""
    found = []
    for leaf in leaves(point):
        for x in np.asarray(leaf).ravel().tolist():
            found += [mp.mpf(x.real), mp.mpf(x.imag)] if isinstance(x, complex) else [mp.mpf(x)]
    return found


def rebuild(point: Any, values: list[Any]) -> Any:
    """The point with these numbers for its coordinates: Python numbers stay numbers, arrays are arrays of objects."""
    rest = iter(values)

    def fill(leaf: Any) -> Any:
        a = np.asarray(leaf)
        made = [mp.mpc(next(rest), next(rest)) if np.iscomplexobj(a) else next(rest) for _ in range(a.size)]
        if not isinstance(leaf, np.ndarray):
            return made[0]
        filled = np.empty(a.size, dtype=object)
        filled[:] = made
        return filled.reshape(a.shape)

    return map_leaves(fill, point)


def digits_for(xs: list[Any]) -> int:
    """Digits to work with: a tiny coordinate beside one costs as many as its exponent, twice for second differences."""
    exponents = [abs(int(mp.log10(abs(x)))) for x in xs if x and mp.isfinite(x)]
    return WORKING + 2 * max(exponents, default=0)


def number(value: Any) -> Any:
    """One real number from what a program returned."""
    value = mp.mpmathify(value.item() if isinstance(value, np.ndarray) else value)
    return value.real if isinstance(value, mp.mpc) else value


def value_in_mpmath(case: Case, point: Any) -> Callable[[list[Any]], Any]:
    program = case.precise or bind(case.function, NAMES)
    return lambda xs: number(program(rebuild(point, xs)))


def steps(xs: list[Any]) -> list[Any]:
    return [mp.mpf(10) ** STEP * (abs(x) or 1) for x in xs]


def moved(xs: list[Any], k: int, by: Any) -> list[Any]:
    return [x + by if i == k else x for i, x in enumerate(xs)]


def gradient_by_differences(f: Callable[[list[Any]], Any], xs: list[Any]) -> list[Any]:
    return [(f(moved(xs, k, h)) - f(moved(xs, k, -h))) / (2 * h) for k, h in enumerate(steps(xs))]


def hessian_by_differences(f: Callable[[list[Any]], Any], xs: list[Any]) -> list[list[Any]]:
    """Second differences of values: the diagonal from three of them, the others from four."""
    hs, middle, n = steps(xs), f(xs), len(xs)
    made = [[mp.zero] * n for _ in range(n)]
    for i in range(n):
        made[i][i] = (f(moved(xs, i, hs[i])) - 2 * middle + f(moved(xs, i, -hs[i]))) / hs[i] ** 2
        for j in range(i):
            corners = [a * b * f(moved(moved(xs, i, a * hs[i]), j, b * hs[j])) for a in (1, -1) for b in (1, -1)]
            made[i][j] = made[j][i] = sum(corners) / (4 * hs[i] * hs[j])
    return made


def parts_at(case: Case, point: Any, xs: list[Any]) -> dict[str, Any]:
    """Value, gradient and Hessian (those that the case asks for) at coordinates, in the precision that is set."""
    f = value_in_mpmath(case, point)
    found: dict[str, Any] = {"value": [f(xs)]}

    def closed(at: list[Any]) -> list[Any]:
        assert case.gradient is not None
        stated = [
            mp.mpmathify(g)
            for leaf in leaves(case.gradient(rebuild(point, at)))
            for g in np.asarray(leaf, dtype=object).ravel()
        ]
        if any(np.iscomplexobj(leaf) for leaf in leaves(point)):
            return [part for g in stated for part in (g.real, g.imag)]
        return [mp.mpf(g.real) for g in stated]

    if "gradient" in case.parts and not case.accept:
        found["gradient"] = closed(xs) if case.gradient else gradient_by_differences(f, xs)
    if "hessian" in case.parts and case.gradient:
        pairs = [(closed(moved(xs, k, h)), closed(moved(xs, k, -h)), h) for k, h in enumerate(steps(xs))]
        found["hessian"] = [(up - down) / (2 * h) for ups, downs, h in pairs for up, down in zip(ups, downs)]
    elif "hessian" in case.parts:
        found["hessian"] = [entry for row in hessian_by_differences(f, xs) for entry in row]
    return found


def size(values: list[Any]) -> Any:
    return max((abs(v) for v in values), default=mp.zero)


def conditions(case: Case, point: Any, xs: list[Any], found: dict[str, Any]) -> dict[str, float]:
    """How much the parts change, relatively, when each coordinate changes by its relative step with signs of three patterns."""
    rng, worst = np.random.default_rng(3), dict.fromkeys(found, 0.0)
    for _ in range(3):
        signs = rng.choice([-1, 1], len(xs))
        changed = parts_at(case, point, [x + int(s) * h for x, s, h in zip(xs, signs, steps(xs))])
        for part, values in found.items():
            if size(values) and all(mp.isfinite(v) for v in values):
                change = size([a - b for a, b in zip(changed[part], values)]) / size(values)
                worst[part] = max(worst[part], float(change / mp.mpf(10) ** STEP))
    return worst


def reference(case: Case, point: Any) -> dict[str, Any]:
    """What is stored for a point: strings of forty digits, and the condition numbers."""
    with mp.workdps(WORKING):
        digits = digits_for(coordinates(point))
    with mp.workdps(digits):
        xs = coordinates(point)
        found = parts_at(case, point, xs)
        try:
            condition = {part: float(f"{c:.3g}") for part, c in conditions(case, point, xs, found).items()}
        except (ArithmeticError, ValueError):  # a point at the border of the domain
            condition = {}
        return {part: [mp.nstr(v, DIGITS) for v in values] for part, values in found.items()} | {"condition": condition}


def compute(case: Case) -> list[dict[str, Any]]:
    return [reference(case, point) for point in case.points]


def read() -> dict[str, list[dict[str, Any]]]:
    return json.loads(FILE.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def write(found: dict[str, list[dict[str, Any]]]) -> None:
    rows = [f"{json.dumps(name)}: {json.dumps(points)}" for name, points in found.items()]
    FILE.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
