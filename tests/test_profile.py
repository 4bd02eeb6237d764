"""Profiles: counts and bytes, which do not depend on the machine; times are only held to be there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.backends.cost import operations
from wengert.backends.interpret import Program
from wengert.backends.measure import measure
from wengert.cli import main
from wengert.errors import InputError, NonDifferentiableError
from wengert.graph import REGISTRY
from wengert.profiling import Profile, count_text, seconds_text


def by_source(found: Profile) -> dict[str, Any]:
    return {line.source: line for line in found.lines}


def loss(w: Any, X: Any, y: Any) -> Any:
    z = X @ w
    p = np.tanh(z)
    return np.sum((y - p) ** 2)


def of_loss() -> Profile:
    rng = np.random.default_rng(0)
    return wg.profile(loss, rng.normal(size=4), rng.normal(size=(50, 4)), rng.normal(size=50))


def test_operations_and_bytes_by_line() -> None:
    found = by_source(of_loss())
    product, squash, total = found["z = X @ w"], found["p = np.tanh(z)"], found["return np.sum((y - p) ** 2)"]
    assert product.forward.operations == 2 * 50 * 4
    assert product.backward.operations == 2 * 50 * 4  # only w is differentiated: one product with the transpose
    assert squash.forward.operations == 50
    assert total.forward.operations == 3 * 50
    assert product.forward.allocated == 50 * 8
    assert squash.kept == 50 * 8
    assert product.kept == 0  # tanh' is computed from tanh


def test_totals_are_the_sums_over_lines() -> None:
    found = of_loss()
    for name in ("value", "forward", "backward", "tangent"):
        total = getattr(found, name)
        parts = [getattr(line, name) for line in found.lines]
        assert sum(c.seconds for c in parts) == pytest.approx(total.seconds)
        assert sum(c.operations for c in parts) == total.operations
        assert found.unclocked[name] > 0.0
        assert found.peak[name] <= total.allocated
    assert found.kept == sum(line.kept for line in found.lines)
    assert set(found.calls) == {"f", "value_and_grad"}
    assert found.value.equations == 5


def test_argnums_says_what_is_differentiated() -> None:
    rng = np.random.default_rng(0)
    args = rng.normal(size=4), rng.normal(size=(50, 4)), rng.normal(size=50)
    alone, all_three = (by_source(wg.profile(loss, *args, argnums=k))["z = X @ w"] for k in (0, (0, 1, 2)))
    assert alone.backward.operations < all_three.backward.operations
    assert all_three.backward.allocated >= 50 * 4 * 8


def test_loops_count_as_often_as_they_run() -> None:
    def f(x: Any) -> Any:
        for _ in range(30):
            x = np.sin(x) * 0.5
        while np.sum(x) < 100.0:
            x = x + 1.0
        return np.sum(x)
    found = by_source(wg.profile(wg.jit(f), np.zeros(10)))
    assert found["x = np.sin(x) * 0.5"].value.operations == 30 * 2 * 10
    assert found["x = x + 1.0"].value.operations == 10 * 10
    assert 11 * 11 <= found["while np.sum(x) < 100.0:"].value.operations < 140  # 11 sums and comparisons, and counters
    unrolled = by_source(wg.profile(f, np.zeros(10)))
    for source in ("x = np.sin(x) * 0.5", "x = x + 1.0"):
        assert unrolled[source].value.operations == found[source].value.operations


def test_a_branch_counts_the_arm_that_is_taken() -> None:
    @wg.jit
    def f(x: Any) -> Any:
        if np.sum(x) > 0:
            y = np.sin(x)
        else:
            y = np.exp(np.cos(x))
        return np.sum(y)
    found = by_source(wg.profile(f, np.ones(10)))
    assert found["y = np.sin(x)"].value.operations == 10
    assert "y = np.exp(np.cos(x))" not in found


def test_measuring_changes_no_values_and_keeps_writes_in_place() -> None:
    """A loop of writes allocates its array once, as the interpreter does; the inputs stay as they are."""
    def f(x: Any) -> Any:
        y = np.zeros(1000)
        for k in range(20):
            y[k] = x[k] ** 2
        return np.sum(y)
    x = np.arange(20.0)
    graph = wg.make_graph(f, x)
    found = measure(graph, [x], budget=0.0)
    assert np.array_equal(found.outputs[0], Program(graph)(x)[0])
    assert np.array_equal(x, np.arange(20.0))
    assert found.peak < 2 * 8000
    profiled = by_source(wg.profile(f, x))
    assert profiled["y[k] = x[k] ** 2"].value.allocated < 3 * 8000


def test_kept_bytes_of_loops_belong_to_the_line_that_made_them() -> None:
    @wg.jit
    def f(x: Any) -> Any:
        for _ in range(5):
            a = np.exp(x)
            x = a * 0.1
        return np.sum(x)
    found = by_source(wg.profile(f, np.zeros(8)))
    assert found["a = np.exp(x)"].kept == 5 * 8 * 8


def test_every_operation_count_is_finite() -> None:
    """Each primitive's own samples can be counted."""
    from wengert.graph import Build, type_of
    rng = np.random.default_rng(0)
    for p in REGISTRY.values():
        for operands, params in p.sample(rng)[:2] if p.sample else ():
            build = Build()
            operands = p.follows(*operands, **params) if p.follows else operands
            p(*[build.input(type_of(o)) for o in operands], **params) if operands else None
            for e in build.equations:
                assert operations(e) >= 0


def test_text_json_and_picture(tmp_path: Path) -> None:
    found = of_loss()
    text = str(found)
    assert "z = X @ w" in text
    assert "backward pass" in text
    assert json.loads(json.dumps(found.json()))["kept"] == found.kept
    ordered = [line.source for line in found.by_line().lines]
    assert ordered == ["z = X @ w", "p = np.tanh(z)", "return np.sum((y - p) ** 2)"]
    pytest.importorskip("matplotlib")
    found.plot().savefig(tmp_path / "profile.svg")
    assert "tanh" in (tmp_path / "profile.svg").read_text() or (tmp_path / "profile.svg").stat().st_size > 1000


def test_numbers_as_one_reads_them() -> None:
    assert [seconds_text(s) for s in (9.996e-4, 0.9999, 75.0)] == ["1000 µs", "1000 ms", "75 s"]
    assert count_text(999_600) == "1 M"


def test_equal_programs_keep_their_own_lines() -> None:
    def first(x: Any) -> Any:
        return np.sin(x)

    def second(x: Any) -> Any:
        return np.sin(x)
    for f in (first, second, first):
        place = f"{__file__}:{f.__code__.co_firstlineno + 1}"
        assert [line.place for line in wg.profile(f, 0.5).lines] == [place]
        assert [line.place for line in wg.rounding_error(f, 0.5).lines] == [place]
        assert list(wg.make_graph(f, 0.5).lines.values()) == [{place}]


def test_refusals() -> None:
    with pytest.raises(NonDifferentiableError, match="nothing that the function returns depends"):
        wg.profile(lambda x: np.floor(x), 1.5)
    with pytest.raises(InputError, match="not a float"):
        wg.profile(np.sin(1.0), 1.0)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="is itself traced"):
        wg.grad(lambda x: x * wg.profile(np.sin, x).kept)(1.0)
    with pytest.raises(InputError, match="is itself traced"):
        wg.grad(lambda x: x * wg.rounding_error(np.sin, x).bound)(1.0)


PROGRAM = "import numpy as np\n\ndef f(x, n=3):\n    y = np.exp(x) - 1\n    return np.sum(y) * n\n"


def test_command_line(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    assert main(["profile", f"{file}:f", "x=[1,2]", "--sort", "line", "--json"]) == 0
    lines = json.loads(capsys.readouterr().out)["lines"]
    assert [line["source"] for line in lines] == ["y = np.exp(x) - 1", "return np.sum(y) * n"]
    assert main(["profile", f"{file}:f", "x=[1,2]"]) == 0
    assert "program.py:4" in capsys.readouterr().out
    assert main(["rounding", f"{file}:f", "x=1e-8", "--reference", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert abs(found["error"]) <= found["bound"]
    assert 7 < found["digits"] < 9
    assert main(["rounding", "(1 - cos(x)) / x^2", "x=1e-4"]) == 0
    assert "digits to trust: 7." in capsys.readouterr().out
    assert main(["rounding", f"{file}:f"]) == 2
    assert "needs a value for x" in capsys.readouterr().err
    pytest.importorskip("matplotlib")
    assert main(["profile", f"{file}:f", "x=1.5", "--plot", str(tmp_path / "bars.nonsense")]) == 2
    assert "bars.nonsense" in capsys.readouterr().err
    assert main(["profile", f"{file}:f", "x=1.5", "--plot", str(tmp_path / "bars.png")]) == 0
    assert (tmp_path / "bars.png").read_bytes()[1:4] == b"PNG"
