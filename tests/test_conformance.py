"""The conformance suite: wengert passes it, its references are right, it catches what is planted, and its page is current.

What comes in: `conformance/`. What goes out: a failure if wengert has a gap that is not written down, if a reference disagrees
with differences in mpmath that are taken in another way, or if the table of the docs is not what the suite says.
"""

from __future__ import annotations

import ast
import itertools
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

mpmath = pytest.importorskip("mpmath")
from mpmath import mp  # noqa: E402

from conformance import references, run, table, worker  # noqa: E402
from conformance.case import CASES, Case, load  # noqa: E402
from conformance.judge import judge  # noqa: E402

load()
RESULTS = ROOT / "conformance" / "results"
STORED = references.read()
# The value is that of another function than the gradient: what these cases are about.
HELD_CONSTANT = ("stop_gradient", "straight-through estimator")
# At the border of the domain, or where the digits of mpmath do not reach: the closed form is the only reference.
BORDERS = (
    "sqrt at zero",
    "log at zero",
    "log1p at minus one",
    "cbrt at zero",
    "arcsin at one",
    "power three halves at zero",
    "tanh at infinity",
    "arctan at infinity",
    "exp at minus infinity",
    "logsumexp with a probability of zero",
    "where beside a root of zero",
    "softplus for huge arguments",
    "softplus",
)


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 120
    assert STORED.keys() == CASES.keys(), "python -m conformance references"


def test_wengert_has_no_gap_but_those_written_down() -> None:
    """What the page says of wengert is what it does now, and each gap has its sentence."""
    adapter = worker.adapter_of("wengert")
    now = {name: run.verdict(case, STORED[name], worker.run_case(adapter, case, "wengert")) for name, case in CASES.items()}
    kept = json.loads((RESULTS / "wengert.json").read_text(encoding="utf-8"))["cases"]
    changed = {name: v["found"] for name, v in now.items() if v["verdict"] != kept[name]["verdict"]}
    assert not changed, "python -m conformance run --library wengert --json conformance/results/wengert.json"
    explained = {name for names in table.causes("wengert").values() for name in names}
    assert {name for name, v in now.items() if v["verdict"] not in table.GOOD} == explained


def test_page_is_current() -> None:
    records = [json.loads(p.read_text(encoding="utf-8")) for p in sorted(RESULTS.glob("*.json"))]
    assert table.PAGE.read_text(encoding="utf-8") == table.page(records), "python -m conformance table"
    assert [(r["library"], name) for r in records for name in table.unexplained(r)] == []


def quotients(case: Case, point: Any) -> tuple[list[Any], Any, Any]:
    """A direction, and five-point quotients of the program along it: first and second derivative."""
    with mp.workdps(20):
        digits = references.digits_for(references.coordinates(point)) + 20
    with mp.workdps(digits):
        xs, f = references.coordinates(point), references.value_in_mpmath(case, point)
        along = [(abs(x) or 1) * mp.mpf(k + 2) / 7 for k, x in enumerate(xs)]
        h = mp.mpf(10) ** -22
        far, near, here, back, behind = (f([x + t * h * v for x, v in zip(xs, along)]) for t in (2, 1, 0, -1, -2))
        first = (8 * (near - back) - (far - behind)) / (12 * h)
        return along, first, (16 * (near + back) - (far + behind) - 30 * here) / (12 * h * h)


@pytest.mark.parametrize("group", sorted({case.group for case in CASES.values()}))
def test_references_agree_with_differences(group: str) -> None:
    """Every stored gradient and Hessian, closed form or not, against quotients of another order, step and direction."""
    checked = 0
    for name, case in CASES.items():
        if case.group != group or case.accept or name in (*HELD_CONSTANT, *BORDERS):
            continue
        for point, stored in zip(case.points, STORED[name]):
            along, first, second = quotients(case, point)
            with mp.workdps(60):
                gradient, hessian = ([mp.mpf(v) for v in stored.get(part, [])] for part in ("gradient", "hessian"))
                slopes = [g * v for g, v in zip(gradient, along)]
                curves = [h * v * w for h, (v, w) in zip(hessian, itertools.product(along, along))]
                allowed = (max([abs(t) for t in slopes + curves], default=mp.zero) or mp.one) * mp.mpf(10) ** -28
                assert abs(sum(slopes, mp.zero) - first) <= allowed, (name, point)
                assert not hessian or abs(sum(curves, mp.zero) - second) <= allowed, (name, point)
            checked += 1
    assert checked


def planted(**changed: Any) -> Any:
    """An adapter that is wengert's, with something wrong."""
    adapter = worker.adapter_of("wengert")
    return types.SimpleNamespace(**{**vars(adapter), **changed})


@pytest.mark.parametrize(("changed", "verdict"), [
    (lambda a: {"gradient": lambda f, x: 1.001 * np.asarray(a.gradient(f, x))}, "inexact"),
    (lambda a: {"gradient": lambda f, x: -np.asarray(a.gradient(f, x))}, "wrong"),
    (lambda a: {"gradient": lambda f, x: np.asarray(a.gradient(f, x)) + 1e-12}, "inexact"),
    (lambda a: {"gradient": lambda f, x: np.asarray(a.gradient(f, x)) * np.nan}, "nan"),
    (lambda a: {"jvp": lambda f, x, v: 0.0}, "wrong"),
    (lambda a: {"hessian": lambda f, x: np.zeros((4, 4))}, "wrong"),
    (lambda a: {"gradient": lambda f, x: np.float32(1)[None]}, "wrong"),
    (lambda a: {"np": types.SimpleNamespace()}, "unsupported"),
    (lambda a: {"gradient": lambda f, x: 1 / 0}, "refused"),
])  # fmt: skip
def test_planted_mistakes_are_caught(changed: Any, verdict: str) -> None:
    case = CASES["sum of squares"]
    adapter = planted(**changed(worker.adapter_of("wengert")))
    found = judge(case, STORED[case.name], worker.run_case(adapter, case, "planted")["plain"])
    assert found["verdict"] == verdict, found


def test_a_double_in_place_of_a_single_is_caught() -> None:
    case, adapter = CASES["float32 stays float32"], worker.adapter_of("wengert")
    widened = planted(gradient=lambda f, x: adapter.gradient(f, x).astype(float))
    assert judge(case, STORED[case.name], worker.run_case(widened, case, "planted")["plain"])["verdict"] == "dtype"


def test_a_number_where_an_error_is_right_is_judged() -> None:
    case = CASES["a Python integer"]
    adapter = planted(gradient=lambda f, x: 0.0)
    assert judge(case, STORED[case.name], worker.run_case(adapter, case, "planted")["plain"])["verdict"] == "wrong"


def test_a_crash_is_a_verdict_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dying.py").write_text(
        "import os\nimport numpy as np\nfrom conformance.adapters.wengert import gradient, hessian, jvp, sp\n"
        "def versions(): return {}\n"
        "def value(f, x):\n    v = f(x)\n    return v if v > 0 else os._exit(11)\n",
        encoding="utf-8",
    )
    (tmp_path / "of_yours").mkdir()
    (tmp_path / "of_yours" / "__init__.py").touch()
    (tmp_path / "dying.py").rename(tmp_path / "of_yours" / "dying.py")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT / 'src'}")
    record = run.run("of_yours.dying", wanted=["exp", "power of a negative base", "sum of squares"])
    assert [v["verdict"] for v in record["cases"].values()] == ["exact", "crash", "exact"]


def test_the_suite_imports_no_library_but_in_its_adapters() -> None:
    for path in (ROOT / "conformance").rglob("*.py"):
        if path.parent.name == "adapters":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                top = name.partition(".")[0]
                assert top in {*sys.stdlib_module_names, "numpy", "mpmath", "conformance"}, f"{path}: {name}"
