"""The functions of `examples/` are certified, at their own inputs (smaller ones where they take long).

What comes in: the examples. What goes out: a failure for one whose derivative is not certified; the one that is not has its
reason pinned here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg

LEAST = 8  # digits


pytestmark = pytest.mark.usefixtures("importable_examples")


def certified(f: Any, *args: Any, digits: int = LEAST, **options: Any) -> None:
    found = wg.certify(f, *args, **options)
    assert found.ok, found
    assert all(e.digits >= digits for e in found.elements if np.isfinite(e.digits)), found
    assert not any("wrong" in note for note in found.notes), found


PROGRAMS = {
    "bellman_ford": ("travel_time", {"rows": 2, "columns": 2}), "bisection": ("bond_yield", {"years": 2}),
    "gauss_seidel": ("mean_temperature", {"n": 2}), "hmm": ("log_likelihood", {"rolls": 6}),
    "hodgkin_huxley": ("mean_potential", {"duration": 0.2}), "kalman": ("log_likelihood", {"years": 3}),
    "lu": ("log_determinant", {"n": 3}), "minmax": ("value", {"rows": 1, "columns": 1}),
    "monte_carlo": ("price", {"paths": 8, "steps": 2}), "newton": ("pressure_loss", {}),
    "orbit": ("miss", {"steps": 3}), "particle": ("carry", {"dt": 0.8}), "soft_edit_distance": ("distance", {"first": "at"}),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    module, (function, smaller) = __import__(name), PROGRAMS[name]
    options = {"tolerance": 1e-4} if name == "minmax" else {}
    certified(getattr(module, function), *module.inputs(**smaller), **options)


def test_bisection_alone_goes_in_steps():
    module = __import__("bisection")
    found = wg.certify(module.bond_yield, *module.inputs(years=2), 0)
    assert {e.verdict for e in found.elements if not e.ok} <= {"cut off"}
    assert found.verdict.startswith("not certified: cut off: ")
    assert [f.source for f in found.findings] == ["if present_value(middle, coupon, face, years) > price:"]


def test_optimization():
    for p in __import__("hock_schittkowski").PROBLEMS:
        parts = [f for f in (p.f, p.equalities, p.inequalities) if f is not None]
        certified(lambda x, parts=parts: [f(x) for f in parts], np.array(p.start))
    for p in __import__("more_garbow_hillstrom").PROBLEMS:
        certified(lambda x, p=p: np.sum(np.array(p.residuals(x)) ** 2), np.array(p.start))


def test_formulas():
    for f, _, point in __import__("formulas").FORMULAS:
        certified(f, *point, argnums=tuple(range(len(point))))


def test_solutions_and_data(monkeypatch):
    pipes = __import__("implicit")
    certified(lambda d: pipes.far_end(pipes.ROUGHNESS, np.append(d, pipes.DIAMETER[1:])), pipes.DIAMETER[:1], digits=6)
    launches = __import__("logistic_regression")
    certified(launches.loss, np.array([15.04, -0.2322]), *launches.read("o_rings"))
    certified(__import__("rosenbrock").f, np.array([-1.5, 0.25]))
    thurber = __import__("curve_fit")
    x, _ = thurber.read()
    certified(lambda b: thurber.mobility(x, *b), np.array(list(thurber.START)))
    lynxes = __import__("ode_sensitivities")
    certified(lambda q: lynxes.populations(q, lynxes.YEARS[:2])[0, -1], lynxes.START)
    swing = __import__("pendulum")
    monkeypatch.setattr(swing, "STEPS", 4)
    certified(swing.miss, np.array([0.5, 0.2]))


def test_modes_and_zero_order():
    modes, rng = __import__("modes"), np.random.default_rng(0)
    certified(modes.camera, modes.CAMERA)
    certified(modes.flux, modes.STATES)
    certified(lambda x: modes.network(x, modes.layers(8, 3, 8)), np.linspace(-1.0, 1.0, 8))
    crossing = __import__("mode_crossing")
    matrix = rng.normal(size=(3, 4))
    certified(lambda x, A: crossing.forward(lambda x, A: A @ x, x, A), rng.normal(size=4), matrix, argnums=1)
    certified(lambda x, A: crossing.reverse(lambda x, A: A @ x, x, A), rng.normal(size=4), matrix, argnums=1)
    for make in __import__("zero_order").PROBLEMS:
        p = make(4)
        certified(p.f, p.start)


def test_learning():
    rng = np.random.default_rng(0)
    spiral = __import__("backpropagation")
    certified(spiral.loss, spiral.start(rng), *spiral.spiral(rng)[:2], digits=6)
    small = __import__("network_121")
    certified(small.total, small.PARAMETERS)
    moons = __import__("hessian_trace")
    certified(moons.loss, moons.start(rng), *moons.moons(rng, 20))
    for model in __import__("likelihood").MODELS.values():
        y = model.draw(model.truth, rng)
        certified(lambda p, model=model, y=y: model.loss(p, y), model.start(y))
    cities = __import__("scaling")
    distances = cities.read_distances()[1][:6, :6]
    certified(cities.loss, cities.start(distances, 0), distances**2)
    certified(__import__("optimizers").f, np.array([-1.2, 1.0]))
    words = __import__("attention")
    certified(words.neuron, 0.3, -0.2, 0.1, argnums=(0, 1, 2))
    certified(lambda z: words.cross_entropy(z, 1), np.array([0.5, -1.0, 2.0]))
    certified(words.layer, rng.normal(size=(3, 2)), np.zeros(2), rng.normal(size=3), rng.normal(size=2), argnums=(0, 1))
    parameters, X = tuple(rng.normal(size=(3, 3, 2))), rng.normal(size=(2, 3))
    values, _ = words.head_by_hand(parameters, X, np.zeros((2, 2)))
    zeros = {name: np.zeros(values[name].shape) for name in words.NAMES}
    certified(words.head, parameters, X, rng.normal(size=(2, 2)), zeros, argnums=(0, 1))


def test_training():
    """The losses that the training examples descend, of few data."""
    rng, key = np.random.default_rng(0), wg.random.key(0)
    breast = __import__("logistic_sgd")
    certified(breast.loss, {"w": 0.1 * rng.normal(size=4), "b": 0.2}, rng.normal(size=(6, 4)), np.arange(6) % 2.0, 6)
    circles = __import__("training_by_hand")
    model = circles.network(key)
    certified(circles.loss, model, *circles.moons(rng, 6), key, digits=6)  # dropout: the same mask each time
    months = __import__("forecast")
    window = rng.normal(size=(1, 3)), rng.normal(size=(1, months.AHEAD))
    certified(months.loss, months.Recurrent.init(key, 1), *window, digits=6)
    certified(months.loss, months.Attentive.init(key, 2), *window, digits=6)


def test_training_in_single_precision():
    pytest.importorskip("sklearn")
    images = __import__("digits")
    x, y = np.random.default_rng(0).uniform(size=(2, 1, 8, 8)).astype(np.float32), np.array([3, 7])
    certified(images.loss, images.perceptron(wg.random.key(0), 2), x, y, digits=2)
