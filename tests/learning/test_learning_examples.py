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
