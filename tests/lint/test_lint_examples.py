"""What the linter says of the programs of `examples/`, with their own inputs; each finding was looked at.

They are nearly all sound: that the linter says nothing of them is the claim. What it does say is true: bisection without its
polishing steps is a staircase, as its file explains.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg

pytestmark = pytest.mark.usefixtures("importable_examples")


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


def test_fits():
    curve = __import__("curve_fit")
    x, y = curve.read()
    assert findings(lambda b: np.sum((curve.mobility(x, *b) - y) ** 2), np.array(curve.START)) == []
    rates = __import__("ode_sensitivities")
    assert findings(rates.residuals, np.array(rates.START)) == []
    pipes = __import__("implicit")
    assert findings(pipes.far_end, pipes.ROUGHNESS, pipes.DIAMETER) == []


def test_pendulum(monkeypatch):
    module = __import__("pendulum")
    monkeypatch.setattr(module, "STEPS", 10)
    assert findings(module.miss, np.array([0.0, 1.0])) == []


def test_lessons():
    rng, lesson = np.random.default_rng(0), __import__("attention")
    X, T, weights = rng.normal(size=(3, 4)), rng.normal(size=(3, 2)), [rng.normal(size=(4, 2)) for _ in range(3)]
    values, _ = lesson.head_by_hand(weights, X, T)
    assert findings(lesson.head, weights, X, T, {name: np.zeros(values[name].shape) for name in lesson.NAMES}) == []
    assert findings(lesson.layer, weights[0], T[0], X[0], T[1]) == findings(lesson.cross_entropy, X[0], 1) == []
    assert findings(lesson.neuron, 0.3, 0.4, 0.1) == []
    moons = __import__("training_by_hand")
    assert findings(moons.loss, moons.network(wg.random.key(0)), *moons.moons(rng, 10), wg.random.key(1)) == []
    pytest.importorskip("sklearn")
    tumors = __import__("logistic_sgd")
    X, y = tumors.read()
    assert findings(tumors.loss, {"w": rng.normal(size=30), "b": 0.1}, X[:20], y[:20], 20) == []


def test_likelihoods():
    module = __import__("likelihood")
    for model in module.MODELS.values():
        y = model.draw(model.truth, np.random.default_rng(0))
        assert findings(model.loss, model.truth, y) == [], model


def test_networks():
    pytest.importorskip("sklearn")
    digits, key = __import__("digits"), wg.random.key(0)
    (images, shown), _ = digits.read()
    assert findings(digits.loss, digits.perceptron(key, 8), images[:4], shown[:4], wg.random.key(1)) == []
    # The corners of the images are empty and the biases begin at zero, so that what `nn.relu` gets there is exactly 0.
    assert findings(digits.loss, digits.convolutional(key, 2), images[:3], shown[:3]) == [
        ("WG101", "return nn.cross_entropy(model(images, key=key), digits)")]


def test_forecasters():
    pytest.importorskip("statsmodels")
    module, key = __import__("forecast"), wg.random.key(0)
    series = module.read()
    data = module.windows((series - series.mean()) / series.std(), module.WINDOW, 0, 60)
    for model in (module.Recurrent.init(key, 3), module.Attentive.init(key, 4)):
        assert findings(module.loss, model, *(part[:2] for part in data)) == []


def test_map_of_cities():
    module = __import__("scaling")
    _, distances = module.read_distances()
    assert findings(module.loss, module.start(distances, 0)[:6], distances[:6, :6] ** 2) == []


def test_modes_and_estimates():
    assert findings(lambda x, A: A @ x, np.linspace(1.0, 2.0, 5), np.linspace(-1.0, 2.0, 15).reshape(3, 5)) == []
    for name, (f, x) in __import__("modes").PROGRAMS.items():
        assert findings(f, x) == [], name
    for make in __import__("zero_order").PROBLEMS:
        problem = make(8)
        assert findings(problem.f, problem.start) == [], problem.name
