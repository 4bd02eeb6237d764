"""The benchmark harness runs, and its programs agree: wengert against C, on small cases, nothing asserted by a clock.

What comes in: `benchmarks/run.py --quick`. What goes out: a failure if a result differs, a file is missing, or a case has a
target that names nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
CASES = ["rosenbrock", "steps"]
pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes are pinned to a core")


def run(*given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(BENCHMARKS / "run.py"), *given], capture_output=True, text=True, check=False)


def test_programs_agree_with_c(tmp_path: Path) -> None:
    done = run(*CASES, "--quick", "--systems", "wengert,C", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "latest.json").read_text(encoding="utf-8"))["cases"]
    assert {c["case"] for c in found} == set(CASES)
    for case in found:
        rows = {r["system"]: r for r in case["rows"]}
        assert rows["wengert"]["problem"] == ""
        assert rows["wengert"]["notes"] == []  # it is staged
        assert rows["wengert"]["steady"] > 0
        if shutil.which("gcc"):
            assert rows["C"]["problem"] == ""
            assert rows["wengert"]["differs"] < 1e-8
    table = (tmp_path / "latest.md").read_text(encoding="utf-8")
    assert table.count("| wengert |") == len(found)


def test_every_case_is_listed_with_targets_that_can_be_judged() -> None:
    done = run("--list")
    assert done.returncode == 0, done.stderr
    code = (f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r}); import importlib, cases\n"
            "for name in cases.NAMES:\n"
            "    m = importlib.import_module(f'cases.{name}'); names = [v.name for v in m.VARIANTS]\n"
            "    assert 'wengert' in m.SYSTEMS and len(set(names)) == len(names), name\n"
            "    for v in m.VARIANTS:\n"
            "        for t in v.targets:\n"
            "            assert t.system is None or t.system in set(m.SYSTEMS) - set(v.without), (name, t)\n"
            "assert not {'wengert', 'jax', 'torch', 'autograd', 'casadi'} & set(sys.modules)\n")
    checked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    assert run("no_such_case").returncode == 2
    without = tmp_path / "python"
    without.write_text(f"#!/bin/sh\nexec {sys.executable} -S -I \"$@\"\n", encoding="utf-8")  # has no packages at all
    without.chmod(0o755)
    done = run("rosenbrock", "--quick", "--systems", "jax", "--peers-python", str(without), "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is not installed" in done.stdout
