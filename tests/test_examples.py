"""The examples run as a user runs them, and their derivatives agree with 50-digit arithmetic.

The reference is mpmath's numerical differentiation of the formula at 50 digits, or a closed form evaluated
there: neither knows of wengert or of its rules. A tolerance counts roundings: `ulps` of the result, times the
condition of the formula at the point where that is not small.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import mpmath as mp
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("*.py"))
EPS = float(np.finfo(float).eps)
DIGITS = 50
NEGLIGIBLE = mp.mpf(10) ** -30  # an mpmath derivative that is zero comes out below this


@pytest.fixture
def example(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example that the test names by indirect parametrization, imported."""
    for folder in (EXAMPLES / "learning", EXAMPLES):
        monkeypatch.syspath_prepend(str(folder))
    return __import__(request.param)


def named(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("example", [name], indirect=True)


def run(name: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def partials(f, point, order=1):
    """All partial derivatives of the given order of f at the point, by mpmath, as an array of mpf."""
    with mp.workdps(DIGITS):
        point = [mp.mpf(x) for x in point]
        result = np.empty((len(point),) * order, dtype=object)
        for index in np.ndindex(result.shape):
            result[index] = mp.diff(f, tuple(point), tuple(index.count(i) for i in range(len(point))))
        return result


def assert_close(mine, reference, ulps):
    """Each entry within `ulps` roundings of the reference, relative to that entry; zero where it is zero."""
    mine = np.asarray(mine)
    assert mine.shape == reference.shape
    for index in np.ndindex(mine.shape):
        exact = reference[index]
        error = abs(mp.mpf(float(mine[index])) - exact)
        assert error <= ulps * EPS * abs(exact) + NEGLIGIBLE, (index, mine[index], mp.nstr(exact, 20))


def test_there_are_examples() -> None:
    assert {"logistic_regression", "rosenbrock", "formulas"} <= set(SCRIPTS)
