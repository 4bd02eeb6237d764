"""The examples of optimization: scaling, logistic regression, paths; small, and against what is known otherwise."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import wengert as wg

LEARNING = Path(__file__).resolve().parents[2] / "examples" / "learning"
EPS = float(np.finfo(float).eps)


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"learning_{name}", LEARNING / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


scaling, optimizers, logistic = example("scaling"), example("optimizers"), example("logistic_sgd")


def test_scaling_gradient_at_integers_is_exact() -> None:
    """At points with small integer coordinates nothing rounds, so the closed form must be met bit by bit."""
    rng = np.random.default_rng(1)
    W, D = rng.integers(-5, 6, (7, 2)), rng.integers(0, 40, (7, 7))
    D = D + D.T
    expected = np.zeros((7, 2), dtype=int)
    for i in range(7):
        for j in range(7):
            d = W[i] - W[j]
            expected[i] += 8 * (d @ d - D[i, j]) * d
    assert np.array_equal(wg.grad(scaling.loss)(W.astype(float), D.astype(float)), expected)


def test_scaling_finds_the_same_minimum_from_every_start_and_way() -> None:
    _, distances = scaling.read_distances()
    found = [scaling.recover(distances, seed)[1] for seed in range(3)] + [scaling.descend(distances)[1]]
    assert all(run.converged for run in found)
    # Where the gradient is at most 1e-6, the loss is flat to its second order.
    assert np.ptp([run.value for run in found]) <= 1e-12


def test_scaling_by_evaluations_gets_there() -> None:
    """Eight cities: 16 inputs, a few hundred estimates."""
    distances = scaling.read_distances()[1][:8, :8]
    W, run = scaling.descend_by_evaluations(distances, iterations=900)
    exact, least = scaling.recover(distances)
    assert run.value == pytest.approx(least.value, rel=1e-3)
    assert np.max(np.abs(scaling.align(W, exact) - exact)) < 1e-2


def test_classical_scaling_is_exact_in_the_plane() -> None:
    points = np.random.default_rng(3).normal(size=(9, 2))
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    W = scaling.classical(distances)
    assert scaling.stress(W, distances) < 1e-14
    centered = points - points.mean(axis=0)  # its axes are principal: the covariance is diagonal, with the same variances
    np.testing.assert_allclose(np.linalg.eigvalsh(centered.T @ centered), np.diag(W.T @ W), rtol=1e-12)


def test_city_data_is_consistent() -> None:
    """The table is symmetric, and is the great-circle distance of the coordinates, rounded to 0.1 km."""
    names, distances = scaling.read_distances()
    latitude, longitude = scaling.read_coordinates().T
    assert len(names) == len(set(names)) == len(latitude) >= 10
    sine, cosine = np.sin(latitude), np.cos(latitude)
    cosine = np.outer(sine, sine) + np.outer(cosine, cosine) * np.cos(longitude[:, None] - longitude)
    computed = scaling.EARTH_RADIUS * np.arccos(np.minimum(cosine, 1.0))
    assert np.array_equal(distances, distances.T)
    # Half a unit of the last printed digit, and what arccos loses near 1 (the diagonal: sqrt(2 eps)).
    assert np.max(np.abs(computed - distances)) <= 5e-5 + scaling.EARTH_RADIUS * np.sqrt(4 * EPS)


def test_the_map_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    names, distances = scaling.read_distances()
    W, run = scaling.recover(distances)
    labels = ("gradient descent", "random directions", "classical scaling", "L-BFGS")
    scaling.draw(names, dict.fromkeys(labels, W), dict.fromkeys(labels, run), tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_paths_of_optimizers(tmp_path: Path) -> None:
    """The compiled loop makes the steps that one at a time would be; the fastest methods are exact to rounding."""
    optimizer, p = wg.optim.Adam(0.1), optimizers.START
    state, path = optimizer.init(p), optimizers.run(optimizer, 5)
    for expected in path[1:]:
        p, state = optimizer.update(wg.grad(optimizers.f)(p), state, p)
        np.testing.assert_allclose(p, expected, rtol=1e-12)
    methods = {name: optimizers.follow(optimizers.METHODS[name]) for name in ("L-BFGS", "Levenberg-Marquardt")}
    assert all(found.converged and np.allclose(found.x, 1.0, atol=1e-9) for found, _ in methods.values())
    assert all(len(points) >= found.iterations + 1 for found, points in methods.values())
    pytest.importorskip("matplotlib")
    optimizers.draw({"Adam": path}, {name: points for name, (_, points) in methods.items()}, tmp_path / "paths.png")
    assert (tmp_path / "paths.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_logistic_regression_against_scikit_learn(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    X, y = logistic.read()
    best = logistic.optimum(X, y)
    course, found = logistic.by_lbfgs(X, y)
    assert found.converged and logistic.distance(course[-1], best) < 1e-9
    far = {batch: [logistic.distance(p, best) for p in logistic.descend(X, y, batch, epochs=4)] for batch in (32, 569)}
    assert far[32][-1] < 0.5 * far[569][-1] < 0.5
    assert [logistic.updates_per_epoch(569, batch) for batch in (1, 32, 569)] == [569, 18, 1]
    pytest.importorskip("matplotlib")
    logistic.draw({**far, "L-BFGS": far[32]}, 569, tmp_path / "distance.png")
    assert (tmp_path / "distance.png").read_bytes().startswith(b"\x89PNG\r\n")
