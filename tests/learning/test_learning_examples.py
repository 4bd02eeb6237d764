"""The examples of learning run, say what they should, and draw; those that take long, in a short form.

What comes in: examples/learning/. What goes out: a failure where a number is not what the program's text says of it. Programs
run in this process: starting one for each would cost more than what they compute.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import optimize

import wengert as wg

LEARNING = Path(__file__).resolve().parents[2] / "examples" / "learning"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports an example by its name."""
    monkeypatch.syspath_prepend(str(LEARNING))
    return __import__


def drawn(example: ModuleType, tmp_path: Path, *arguments: str) -> Any:
    """What the program's main gives, where it draws its figure (with Matplotlib)."""
    pytest.importorskip("matplotlib")
    file = tmp_path / "picture.png"
    found = example.main([*arguments, "--plot", str(file)])
    assert file.read_bytes().startswith(b"\x89PNG\r\n")
    return found


def test_the_small_network(program: Any, tmp_path: Path) -> None:
    drawn(program("network_121"), tmp_path)


def test_backpropagation_by_hand(program: Any, tmp_path: Path) -> None:
    """The formulas against differences of the loss; and against the gradient of wengert, to roundings of a sum of 300 terms."""
    example = program("backpropagation")
    rng = np.random.default_rng(3)
    X, y = example.spiral(rng)
    p = example.start(rng)
    mine, _ = example.backpropagation(p, X, y)
    for name in p:
        differences = wg.numeric.gradient(lambda part: example.loss({**p, name: part}, X, y), p[name], method="central")
        np.testing.assert_allclose(mine[name], differences, rtol=1e-6, atol=1e-8)
    _, losses, apart = example.train(p, X, y, 60)
    assert losses[-1] < 0.7 * losses[0] and np.max(apart) < 3.0
    drawn(example, tmp_path, "--steps", "20")


def test_digits(program: Any, tmp_path: Path) -> None:
    """Both networks learn in a few epochs what takes many to learn well; the part held out is a fifth of each digit."""
    pytest.importorskip("sklearn")
    example = program("digits")
    data, (images, digits) = example.read()
    assert len(digits) == 360 and np.ptp(np.bincount(digits)) <= 3
    runs = {}
    for name, epochs, least in (("perceptron", 8, 0.93), ("convolutional", 3, 0.85)):
        runs[name] = example.train(example.NETWORKS[name], data, 0, epochs, True, (images, digits))
        assert runs[name].history.metrics["accuracy"][-1] > least
    pytest.importorskip("matplotlib")
    file = tmp_path / "picture.png"
    example.draw(runs, {name: [0.9, 0.95] for name in runs}, [(images[k], digits[k], 1) for k in range(9)], file)
    assert file.read_bytes().startswith(b"\x89PNG\r\n")


def test_digits_are_deformed_about_their_middle(program: Any) -> None:
    """An image that is a linear function of the pixel's place stays one, but at the rim: its slope is turned and scaled."""
    pytest.importorskip("sklearn")
    example = program("digits")
    row, column = np.mgrid[:8, :8]
    image = np.stack([row + 3.0 * column, 0 * row + 7.0])[:, None]
    rng = np.random.default_rng(0)
    out = example.deformed(np.repeat(image, 20, axis=0), rng)[:, 0, 2:6, 2:6]
    np.testing.assert_allclose(out[20:], 7.0)
    down, right = np.diff(out[:20], axis=1), np.diff(out[:20], axis=2)
    np.testing.assert_allclose(down, np.broadcast_to(down[:, :1, :1], down.shape), atol=1e-9)
    length = np.hypot(down[:, 0, 0], right[:, 0, 0]) / np.sqrt(10.0)
    assert 0.02 < np.std(length) < 0.1 and abs(np.mean(length) - 1.0) < 0.05
    assert abs(np.mean(out[:20]) - 3.5 * 4.0) < 1.0


def test_the_trace_of_a_networks_hessian(program: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn(program("hessian_trace"), tmp_path, "--seeds", "1")
    assert "xtrace" in capsys.readouterr().out


def test_losses_from_likelihood(program: Any, tmp_path: Path) -> None:
    """Minima by the library of SciPy, which knows nothing of the formulas; intervals that hold what they should."""
    example = program("likelihood")
    rng = np.random.default_rng(0)
    for model in example.MODELS.values():
        y = model.draw(model.truth, rng)
        p, _ = example.newton(model, y)
        found = optimize.minimize(model.loss, model.start(y), args=(y,), method="BFGS")
        np.testing.assert_allclose(p, found.x, atol=1e-4)
        assert np.all(np.abs(example.coverage(model, 200, rng) - 0.95) < 0.06)  # four standard deviations
    drawn(example, tmp_path, "--draws", "10")


def test_training_by_hand_is_fit(program: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn(program("training_by_hand"), tmp_path, "--epochs", "3")
    assert "by hand: 0 of 1257 weights and losses differ" in capsys.readouterr().out
