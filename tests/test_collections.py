"""The problems of `examples/optimization`, with exact derivatives: each ends at the optimum that its collection states.

What comes in: twenty problems of Hock and Schittkowski, ten of Moré, Garbow and Hillstrom. What goes out: a failure where a
solver stops elsewhere, says that it failed, or leaves the constraints.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

OPTIMIZATION = Path(__file__).resolve().parent.parent / "examples" / "optimization"
sys.path.insert(0, str(OPTIMIZATION))
try:
    import hock_schittkowski
    import more_garbow_hillstrom
    import table
finally:
    sys.path.remove(str(OPTIMIZATION))

# The barrier of trust-constr keeps it inside by about that much; the others end where rounding does, and HS 77's digits.
ACCURACY = {"SLSQP": 1e-8, "trust-constr": 5e-5}


@pytest.mark.parametrize("method", ACCURACY)
@pytest.mark.parametrize("problem", hock_schittkowski.PROBLEMS, ids=lambda p: f"HS{p.number}")
def test_hock_schittkowski(problem: Any, method: str) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "delta_grad == 0.0", UserWarning)  # SciPy, of linear constraints
        found = table.constrained(problem, method, exact=True)
    assert found.success
    assert abs(found.error) <= ACCURACY[method]
    if problem.equalities:
        assert np.max(np.abs(problem.equalities(found.x))) <= 1e-7
    if problem.inequalities:
        assert np.min(problem.inequalities(found.x)) >= -1e-7
    if problem.bounds:
        lower, upper = problem.bounds
        assert np.all(found.x >= np.subtract(lower, 1e-9)) and np.all(found.x <= np.add(upper, 1e-9))


@pytest.mark.parametrize("method, accuracy", [("least_squares", 1e-11), ("BFGS", 1e-8)])
@pytest.mark.parametrize("problem", more_garbow_hillstrom.PROBLEMS, ids=lambda p: f"MGH{p.number}")
def test_more_garbow_hillstrom(problem: Any, method: str, accuracy: float) -> None:
    found = table.unconstrained(problem, method, exact=True)
    assert found.success
    assert abs(found.error) <= accuracy


def test_there_are_thirty() -> None:
    assert (len(hock_schittkowski.PROBLEMS), len(more_garbow_hillstrom.PROBLEMS)) == (20, 10)


def test_tables(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of one problem each; differences cost more evaluations. With --write, they take their place in the page."""
    monkeypatch.setattr(hock_schittkowski, "PROBLEMS", hock_schittkowski.PROBLEMS[1:2])
    monkeypatch.setattr(more_garbow_hillstrom, "PROBLEMS", more_garbow_hillstrom.PROBLEMS[:1])
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- tables -->\nold\n<!-- end of tables -->\nafter\n", encoding="utf-8")
    monkeypatch.setattr(table, "PAGE", page)
    monkeypatch.setattr(sys, "argv", ["table.py", "--write"])
    table.main()
    text = page.read_text(encoding="utf-8")
    assert text == f"before\n<!-- tables -->\n{capsys.readouterr().out}<!-- end of tables -->\nafter\n"
    lines = [line.split(" | ") for line in text.splitlines() if line.startswith(("| 6 ", "| 1 "))]
    assert len(lines) == 4
    for line in lines:
        assert int(line[6]) > int(line[3].split(", ")[0])



@pytest.mark.parametrize("module", [hock_schittkowski, more_garbow_hillstrom], ids=lambda m: m.__name__)
def test_they_are_plain_numpy(module: ModuleType) -> None:
    assert "wengert" not in Path(str(module.__file__)).read_text(encoding="utf-8")
