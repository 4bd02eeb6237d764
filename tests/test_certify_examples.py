"""The functions of `examples/` are certified, at their own inputs (smaller ones where they take long).

What comes in: the examples. What goes out: a failure for one whose derivative is not certified; the one that is not has its
reason pinned here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
LEAST = 8  # digits


@pytest.fixture(autouse=True)
def _folders(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for folder in ("", "export", "learning", "programs", "optimization"):
        monkeypatch.syspath_prepend(str(EXAMPLES / folder))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:  # the examples alone: a library that is imported twice breaks
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(EXAMPLES)):
            del sys.modules[name]


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
