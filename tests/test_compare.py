"""`wg.compare`: every way held against derivatives known in closed form, counts against hand counts, and what it says.

What comes in: functions with known derivatives. What goes out: entries, tables, JSON and pictures. No time is tested; that
there is one is.
"""

from __future__ import annotations

import io
import json
import math
import pickle

import mpmath
import numpy as np
import pytest

import wengert as wg
from wengert.cli import main
from wengert.comparison import compare, measure, precise
from wengert.comparison.ways import DIRECTIONS, FIRST, SECOND
from wengert.errors import InputError


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


@pytest.fixture(scope="module", autouse=True)
def brief():
    """No figure here is a time, so the clock need not look long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "LOOK", 1e-4)
        yield


@pytest.fixture(scope="module")
def known(brief):
    """A quartic with its gradient: exact derivatives are exact numbers here."""
    return compare(rosenbrock, np.array([1.5, 1.0, 0.5]), sizes=(3, 6, 12))


GRADIENT = np.array([[751.0, -250.0 + 200.0, -100.0]])


def test_every_way_of_the_table_has_an_entry(known):
    assert [e.name for e in known.entries] == [way.name for way in FIRST]
    assert (known.n, known.m, known.order, known.name) == (3, 1, 1, "rosenbrock")


def test_the_reference_is_the_gradient(known):
    np.testing.assert_array_equal(known.reference, GRADIENT)
    assert (known.method, known.error, known.note) == ("50 digits", 0.0, "")


def test_exact_ways_are_exact_and_approximate_ones_are_not(known):
    for e in known.entries:
        if e.kind == "random":
            assert e.verdict == "random" and e.error > 0 and math.isfinite(e.standard_error)
        elif e.kind == "differences" and e.name != "complex step":
            assert e.verdict == "approximate" and 0 < e.relative_error < 1e-5
        else:
            assert e.verdict == "exact" and e.relative_error < 1e-14
            np.testing.assert_allclose(e.value, GRADIENT, rtol=1e-14)
        assert e.error == np.max(np.abs(e.value - GRADIENT)) and e.seconds > 0


def test_evaluations_and_operations_are_those_of_theory(known):
    n, once = 3, known.operations
    # on n - 1 elements: a square, its difference, a square, times 100; a difference, a square; a sum of both; and the sum
    assert once == 8 * (n - 1)
    counts = {"forward differences": n + 1, "central differences": 2 * n + 1, "complex step": n,
              "random, sphere": 2 * DIRECTIONS}
    for name, evaluations in counts.items():
        assert known[name].evaluations == evaluations and known[name].operations == evaluations * once
    assert known["symbolic"].evaluations == known["forward mode, by input"].evaluations == n
    assert known["forward mode, vectorized"].evaluations == 1
    assert known["reverse mode"].evaluations == known["reverse mode, compiled"].evaluations == 2
    assert known["reverse mode"].operations < 4 * once < n * once + known["central differences"].operations
    assert known["reverse mode, compiled"].memory == 8 * n  # its result, and nothing beside it
    assert known["forward mode, vectorized"].memory > 0


def test_growth_is_linear_for_reverse_and_quadratic_for_the_rest(known):
    assert known["reverse mode"].growth["operations"] == pytest.approx(1.2, abs=0.2)
    for name in ("forward differences", "complex step", "forward mode, by input"):
        assert known[name].growth["operations"] == pytest.approx(2.1, abs=0.25)
        assert set(known[name].sizes) == {3, 6, 12}
    assert 1.2 < known["forward mode, vectorized"].growth["operations"] < 2.1  # unit vectors are free, as long as they last
    assert known["random, sphere"].growth["evaluations"] == pytest.approx(0.0, abs=1e-12)


def test_text_table_and_json(known):
    text = str(known)
    for part in ("gradient of rosenbrock, 3 inputs", "50 digits", "reverse mode, compiled", "exact", "ops ~"):
        assert part in text
    from rich.console import Console
    console = Console(width=220, record=True, file=io.StringIO())
    console.print(known.table())
    shown = console.export_text()
    assert all(e.name in shown for e in known.entries)
    narrow = Console(width=80, record=True, file=io.StringIO())
    narrow.print(known.table())
    shown = narrow.export_text()
    assert "approximate" in shown and "…" not in shown
    assert "print it" in repr(known)


def test_the_schema_of_the_json(known):
    document = json.loads(known.json())
    assert set(document) == {"function", "order", "inputs", "outputs", "seconds", "operations", "reference", "ways"}
    assert set(document["reference"]) == {"method", "error", "note", "value"}
    assert document["reference"]["value"] == GRADIENT.tolist()
    assert len(document["ways"]) == len(FIRST)
    for way in document["ways"]:
        assert set(way) == {"name", "kind", "verdict", "reason", "value", "error", "relative_error", "standard_error",
                            "seconds", "evaluations", "operations", "memory", "growth", "sizes"}
        assert way["verdict"] in ("exact", "approximate", "random", "unsure", "inexact", "wrong", "does not apply")
        assert (way["value"] is None) == (way["verdict"] == "does not apply")
    assert document["ways"][-1]["growth"].keys() == {"evaluations", "operations", "seconds"}


def test_the_pictures_are_drawn(known, tmp_path):
    pytest.importorskip("matplotlib")
    known.plot(tmp_path / "ways.png")
    assert (tmp_path / "ways.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_an_unknown_way_is_an_error(known):
    with pytest.raises(KeyError, match="'backwards' is none of forward differences, "):
        known["backwards"]


# ---------------------------------------------------------------- functions of every kind


def test_the_complex_step_is_wrong_on_abs_and_shown_to_be():
    found = compare(lambda x: abs(x) ** 3 + x, -2.0)
    step = found["complex step"]
    assert step.verdict == "wrong" and "drops the imaginary part" in step.reason
    assert "complex step is wrong: it drops" in str(found)
    assert step.error == pytest.approx(12.0) and found.reference == -11.0
    assert found["reverse mode"].verdict == "exact"


def test_formulas_are_differentiated_in_all_their_variables():
    found = compare(wg.formula("x^2 y + sin(x)"), 1, 2, sizes=())
    with mpmath.workdps(30):
        expected = [float(4 + mpmath.cos(1)), 1.0]
    np.testing.assert_allclose(found["reverse mode"].value, [expected], rtol=1e-15)
    assert found.n == 2 and "derivative" not in str(found).splitlines()[0]


def test_jacobians():
    x = np.array([0.3, 0.7])
    found = compare(lambda x: np.array([1.0, 2.0, 3.0]) * np.prod(x), x, sizes=())
    expected = np.outer([1.0, 2.0, 3.0], x[::-1])
    assert (found.m, found.n) == (3, 2)
    for name in ("forward mode, by input", "forward mode, vectorized", "reverse mode", "reverse mode, compiled",
                 "complex step"):
        assert found[name].verdict == "exact"
        np.testing.assert_allclose(found[name].value, expected, rtol=1e-15)
    assert "needs a function that returns a number" in found["random, sphere"].reason


def test_trees_keep_what_does_not_move():
    tree = {"w": np.array([1.0, 2.0]), "b": np.float32(3.0), "n": 2, "name": "layer"}
    found = compare(lambda p, k: np.sum(p["w"] ** 2) * p["b"] ** 2 * k + p["n"], tree, 2, sizes=(), order=1)
    np.testing.assert_array_equal(found["reverse mode"].value, [[60.0, 36.0, 72.0]])  # b, w
    assert {e.verdict for e in found.entries if e.kind in ("forward", "reverse")} == {"exact"}


def test_hessians_by_every_way():
    tree = {"w": np.array([1.0, 2.0]), "b": 3.0, "n": 2}
    found = compare(lambda p: p["w"][0] ** 2 * p["w"][1] * p["b"] + p["n"], tree, sizes=(), order=2)
    expected = np.array([[0.0, 4.0, 1.0], [4.0, 12.0, 6.0], [1.0, 6.0, 0.0]])  # b, w[0], w[1]
    np.testing.assert_array_equal(found.reference[0], expected)
    assert [e.name for e in found.entries] == [way.name for way in SECOND]
    for e in found.entries:
        assert e.verdict == ("exact" if "differences" not in e.name else "approximate"), (e.name, e.reason)
        np.testing.assert_allclose(e.value[0], expected, atol=1e-5)


def test_a_branch_on_a_value_closes_the_complex_step_alone():
    def collatz(x):
        while x < 100.0:
            x = x * x
        return x
    found = compare(collatz, 2.0, sizes=())
    assert found.reference == 8 * 2.0 ** 7
    assert "complex numbers" in found["complex step"].reason
    assert found["reverse mode, compiled"].verdict == "exact"


def test_what_cannot_be_read_is_left_to_differences():
    from decimal import Decimal
    found = compare(lambda a: float(Decimal(float(a)) ** (Decimal(1) / Decimal(3))), 2.0, sizes=())
    assert found.method == "Richardson extrapolation"
    assert found["central differences"].error < 1e-6
    assert found["central differences"].value.item() == pytest.approx(2.0 ** (-2 / 3) / 3, rel=1e-8)
    assert "decimal.Decimal at" in found["reverse mode"].reason and math.isnan(found.operations)


def test_what_only_differences_confirm_is_not_called_exact():
    def hidden(x):
        y = pickle.loads(pickle.dumps(x))  # nothing traced gets through
        return 1e6 + np.sin(y)  # of which differences lose ten digits
    found = compare(hidden, 0.3, sizes=())
    assert found.method == "Richardson extrapolation"
    assert found["complex step"].verdict == "unsure" and "only known to" in found["complex step"].reason


def test_factorizations_are_judged_by_agreement():
    rng = np.random.default_rng(0)
    found = compare(lambda A: np.linalg.slogdet(A @ A.T + np.eye(3))[1], rng.normal(size=(3, 3)), sizes=())
    assert "agrees, and differences" in found.method and "is not evaluated in 50 digits" in found.note
    assert found["reverse mode"].verdict == "exact"
    assert "symbolic" in found["symbolic"].reason and "symbolic does not apply: " in str(found)


def test_at_a_jump_differences_confirm_nothing():
    found = compare(lambda x: np.round(x) + x, 0.5, sizes=())
    assert "agrees" in found.method and "differences" not in found.method and "confirm nothing" in found.note


def test_a_kink_is_named():
    found = compare(lambda x: np.maximum(x, 0.0), 0.0, sizes=())
    assert "there is a kink here" in found.note
    assert found["forward differences"].value == 1.0 and found["reverse mode"].value == 0.5


def test_a_wrong_rule_is_caught():
    @wg.custom_jvp
    def sine(x):
        return np.sin(x)

    @sine.defjvp
    def _(primals, tangents):
        return np.sin(primals[0]), 2.0 * np.cos(primals[0]) * tangents[0]
    found = compare(lambda x: sine(x), 0.5, sizes=())
    assert found["reverse mode"].verdict == found["forward mode, by input"].verdict == "wrong"
    assert found["central differences"].verdict == "approximate"


def test_what_would_take_long_says_so(monkeypatch):
    monkeypatch.setattr(measure, "PATIENCE", 1e-3)
    found = compare(rosenbrock, np.linspace(0.0, 1.0, 50), sizes=())
    assert "evaluations would take some" in found["Richardson differences"].reason
    assert found["reverse mode"].verdict == "does not apply" or found["reverse mode"].seconds < 1.0


@pytest.mark.parametrize(("arguments", "options", "message"), [
    ((3.0, 1.0), {}, "the first argument is a function, not a float"),
    (("x^2", 1.0), {}, r"not a str; wg\.formula\('x\^2'\) makes one"), ((np.sin,), {}, "Pass the arguments"),
    ((np.sin, 3), {}, "argument 0 holds no float"), ((np.sin, 1j), {}, "an argument is complex"),
    ((lambda x: (x, x), 1.0), {}, "returns a tuple"), ((lambda x: x * 1j, 1.0), {}, "the output is complex"),
    ((np.sin, np.ones(2)), {"order": 2}, r"a Hessian is that of a number; the function returns the shape \(2,\)"),
    ((np.sin, 1.0), {"order": 3}, "order is 1 or 2, not 3"), ((np.sin, 1.0), {"argnums": 1}, "argnums=1 does not name"),
    ((np.sum, np.zeros(0)), {}, "are empty arrays"), ((lambda x: x[:0], np.ones(2)), {}, "returns an empty array"),
    ((np.sin, 1.0), {"sizes": [0]}, "sizes are positive"), ((lambda x: x * math.inf, 1.0), {}, "not finite at this point: inf"),
])
def test_refusals(arguments, options, message):
    with pytest.raises(InputError, match=message):
        compare(*arguments, **options)


def test_a_function_with_a_memory_is_refused():
    calls = []

    def counting(x):
        calls.append(x)
        return x * len(calls)
    with pytest.raises(InputError, match=r"gave 1\.5 and then 3\.0 at the same point"):
        compare(counting, 1.5)


def test_what_the_function_prints_is_printed_once(capsys):
    def talking(x):
        print("at", x)
        return x * x
    assert compare(talking, 1.5)["reverse mode"].verdict == "exact"
    assert capsys.readouterr().out == "at 1.5\n"


def test_a_derivative_that_is_not_finite_is_undefined_by_every_way():
    found = compare(wg.formula("sqrt(x)"), 0.0)
    assert {e.verdict for e in found.entries if e.value is not None} == {"undefined"}
    assert found["reverse mode"].value == math.inf and "not finite" in str(found) and "nan" not in str(found["symbolic"].value)


def test_long_programs_are_not_traced_for_every_way(monkeypatch):
    monkeypatch.setattr(measure, "PATIENCE", 0.04)

    def long(x):
        for _ in range(1000):
            x = x + 0.001 * x
        return x
    found = compare(long, 1.0)
    assert "2,000 equations would take" in found["reverse mode"].reason
    assert found["reverse mode, compiled"].relative_error < 1e-10


# ---------------------------------------------------------------- its parts


@pytest.mark.parametrize(("f", "args", "count"), [
    (lambda x: np.exp(x) + x, (np.ones(7),), 14), (lambda a, b: a @ b, (np.ones((2, 3)), np.ones((3, 4))), 2 * 2 * 3 * 4),
    (lambda x: np.reshape(x.T[::-1], -1), (np.ones((2, 3)),), 0), (lambda x: np.sum(x), (np.ones(9),), 9),
    (lambda x: np.outer(x, x), (np.ones(3),), 9), (lambda x: wg.fori_loop(0, 5, lambda i, v: v * 2.0, x), (1.0,), 5),
    (wg.jit(lambda x: wg.fori_loop(0, 50, lambda i, v: np.sin(v), x)), (np.ones(3),), 150),
])
def test_operations_counted_by_hand(f, args, count):
    assert wg.count_operations(f, *args) == count


def test_nobody_knows_how_long_a_loop_runs():
    f = wg.jit(lambda x: wg.while_loop(lambda v: v < 10.0, lambda v: 2.0 * v, x))
    assert math.isnan(wg.count_operations(f, 1.0))


@pytest.mark.parametrize("name", sorted({*precise._SAME, *precise._OTHER, *precise._functions(mpmath)} - {"beta", "erfinv"}))
def test_functions_of_fifty_digits_are_those_of_the_primitives(name):
    """At a point inside the domain of each, to the last digits of double precision."""
    from wengert.graph import REGISTRY
    p = REGISTRY[name]
    for operands, params in p.sample(np.random.default_rng(3)):
        values = [np.asarray(o) for o in operands]
        if params or any(v.dtype.kind == "c" for v in values):
            continue
        with mpmath.workdps(precise.DIGITS), np.errstate(all="ignore"):
            found = precise._applied(name, p.evaluate, precise._functions(mpmath), [precise.precise(v) for v in values], {})
            expected = p.evaluate(*values)
            np.testing.assert_allclose(np.asarray(found, float), expected, rtol=1e-13, atol=1e-14)


# ---------------------------------------------------------------- the command


def test_the_command(capsys):
    assert main(["compare", "x^2 y", "x=3", "y=2", "--wrt", "x"]) == 0
    out = capsys.readouterr().out
    assert "derivative of x^2*y, 1 input" in out and "reverse mode, compiled" in out


def test_the_command_on_a_function_in_a_file(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    (tmp_path / "program.py").write_text("def loss(w, *, scale=1.0):\n    return scale * (w * w).sum()\n", encoding="utf-8")
    picture = tmp_path / "ways.png"
    words = ["compare", f"{tmp_path}/program.py:loss", "w=[1,2]", "scale=3", "--sizes", "2,4", "--json", "--plot", str(picture)]
    assert main(words) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["reference"]["value"] == [[6.0, 12.0]] and picture.exists()
    assert set(document["ways"][0]["sizes"]) == {"2", "4"}


@pytest.mark.parametrize(("words", "message"), [
    (["x^2", "x=1", "--sizes", "1,b"], "--sizes takes whole numbers"), (["x^2"], "needs a value for x"),
    (["x^2", "x=1", "--order", "3"], "--order"), (["1/x", "x=0"], "not finite at this point"),
])
def test_the_command_refuses_in_one_line(words, message, capsys):
    assert main(["compare", *words]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
