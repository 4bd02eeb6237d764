"""What the linter says of the programs of `examples/`, with their own inputs; each finding was looked at.

They are nearly all sound: that the linter says nothing of them is the claim. What it does say is true: bisection without its
polishing steps is a staircase, as its file explains.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(autouse=True)
def _folders(monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("", "learning", "programs", "optimization"):
        monkeypatch.syspath_prepend(str(EXAMPLES / folder))
    monkeypatch.setattr(sys, "modules", sys.modules.copy())


def findings(f: Any, *args: Any) -> list[tuple[str, str]]:
    report = wg.lint(f, *args)
    assert not report.notes, report.notes
    return [(found.code, found.source) for found in report.findings]


PROGRAMS = {
    "bellman_ford": ("travel_time", {"rows": 2, "columns": 3}), "bisection": ("bond_yield", {"years": 3}),
    "gauss_seidel": ("mean_temperature", {"n": 2}), "hmm": ("log_likelihood", {"rolls": 20}),
    "hodgkin_huxley": ("mean_potential", {"duration": 0.8}), "kalman": ("log_likelihood", {"years": 8}),
    "lu": ("log_determinant", {}), "monte_carlo": ("price", {"paths": 50, "steps": 6}), "newton": ("pressure_loss", {}),
    "orbit": ("miss", {"steps": 8}), "particle": ("carry", {}), "soft_edit_distance": ("distance", {"first": "cat"}),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    module, (function, smaller) = __import__(name), PROGRAMS[name]
    assert findings(getattr(module, function), *module.inputs(**smaller)) == []


def test_bisection_alone_has_no_slope():
    module = __import__("bisection")
    found = findings(module.bond_yield, *module.inputs(years=3), 0)
    assert found == [("WG105", "if present_value(middle, coupon, face, years) > price:")]


def test_optimization():
    for p in __import__("hock_schittkowski").PROBLEMS:
        for f in (p.f, p.equalities, p.inequalities):
            assert f is None or findings(f, np.array(p.start)) == [], f
    for p in __import__("more_garbow_hillstrom").PROBLEMS:
        assert findings(lambda x, p=p: np.sum(np.array(p.residuals(x)) ** 2), np.array(p.start)) == [], p.name


def test_formulas_and_learning():
    for f, _, point in __import__("formulas").FORMULAS:
        assert findings(f, *point) == [], f
    rng = np.random.default_rng(0)
    spiral = __import__("backpropagation")
    assert findings(spiral.loss, spiral.start(rng), *spiral.spiral(rng)[:2]) == []
    small = __import__("network_121")
    assert findings(small.total, small.PARAMETERS) == []
    moons = __import__("hessian_trace")
    assert findings(moons.loss, moons.start(rng), *moons.moons(rng)) == []
    launches = __import__("logistic_regression")
    assert findings(launches.loss, np.array([15.04, -0.2322]), *launches.read("o_rings")) == []
    assert findings(__import__("rosenbrock").f, np.array([-1.5, 0.25])) == []
    descent = __import__("optimizers")
    assert findings(descent.f, descent.START) == findings(descent.residuals, descent.START) == []


def test_modes_and_estimates():
    for name, (f, x) in __import__("modes").PROGRAMS.items():
        assert findings(f, x) == [], name
    for make in __import__("zero_order").PROBLEMS:
        problem = make(8)
        assert findings(problem.f, problem.start) == [], problem.name
