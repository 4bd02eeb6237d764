"""What the page is told: the examples of its menu, and what is asked about them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import wengert as wg
from wengert.page.answers import answer
from wengert.page.examples import EXAMPLES

BY_TITLE = {e["title"]: e for e in EXAMPLES}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a pasted function becomes a file where the process is


def explained(example, **more):
    found = answer({"ask": "explain", **example, **more})
    assert "error" not in found, found
    json.dumps(found, allow_nan=False)
    return found


def adjoints(found):
    nodes = found["derivation"]["nodes"]
    return {nodes[i]["name"]: nodes[i]["adjoint"] for i in found["derivation"]["inputs"]}


@pytest.mark.parametrize("title", BY_TITLE)
def test_each_example_has_a_picture(title):
    example = BY_TITLE[title]
    found = explained(example, h=-2 if example["lane"] == "differences" else None)
    nodes = found["derivation"]["nodes"]
    boxes = [[f"n{n['id']}", 100, 60] for n in nodes]
    edges = [[f"n{o}", f"n{n['id']}"] for n in nodes for o in n["operands"]]
    drawn = answer({"ask": "layout", "items": boxes, "edges": edges})
    assert len(drawn["routes"]) == len(edges) and set(drawn["places"]) == {key for key, *_ in boxes}
    for (a, b), route in zip(edges, drawn["routes"], strict=True):
        assert np.allclose(route[0], np.add(drawn["places"][a], (0, 30)))
        assert np.allclose(route[-1], np.subtract(drawn["places"][b], (0, 30)))
    assert ("undefined" in title) == bool(found["derivation"]["findings"])


def test_the_numbers_are_those_of_the_courses():
    shared = adjoints(explained(BY_TITLE["(x + σ(y)) tanh x"]))
    sigmoid = 1 / (1 + math.exp(-1))
    assert shared["x"] == pytest.approx(math.tanh(2) + (2 + sigmoid) / math.cosh(2) ** 2, rel=1e-14)
    assert shared["y"] == pytest.approx(sigmoid * (1 - sigmoid) * math.tanh(2), rel=1e-14)
    moved = explained(BY_TITLE["x² by differences"], h=-2)["shifted"]["nodes"]
    assert list(moved.values())[-1]["quotient"] == pytest.approx(4.01, rel=1e-12)
    root = explained(BY_TITLE["Newton's iteration"])
    assert adjoints(root)["a"] == pytest.approx(0.5 / math.sqrt(2), rel=1e-6)
    assert "v3 = log(v2) is nan" in explained(BY_TITLE["undefined: log of a negative number"])["derivation"]["findings"][0]
    assert "backward" in explained(BY_TITLE["undefined backward: √ at 0"])["derivation"]["findings"][0].lower()


def test_steps_descend():
    example = BY_TITLE["backpropagation"]
    losses, point = [], example["point"]
    for _ in range(5):
        found = explained({**example, "point": point})
        nodes = found["derivation"]["nodes"]
        losses.append(nodes[found["derivation"]["outputs"][0]]["value"])
        point = answer({"ask": "descend", **example, "point": point, "rate": 0.1})["point"]
    assert losses == sorted(losses, reverse=True)
    for rate in (None, "a", float("nan")):
        assert answer({"ask": "descend", **example, "rate": rate})["error"]


def test_the_curve_is_a_v():
    found = answer({"ask": "curve", **BY_TITLE["cos(x) e^(x²)"]})
    steps, errors = np.array(found["steps"]), found["errors"]
    forward = np.array(errors["forward"], float)
    best = steps[np.argmin(forward)]
    assert 1e-10 < best < 1e-6 and 0.01 < found["best"]["forward"] / best < 100
    assert forward[0] > 1e-2 and forward[-1] > 1e-2
    assert max(errors["complex_step"][64:]) < 1e-14
    assert answer({"ask": "curve", "kind": "function", "text": "def f(x):\n    return np.array([x, x])\n"})["error"]


def test_symbols_and_their_swell():
    found = answer({"ask": "symbolic", **BY_TITLE["sin(x²) + eˣ"]})
    derivative = wg.formula(found["derivatives"][0]["text"])
    assert derivative(0.7) == pytest.approx(2 * 0.7 * math.cos(0.49) + math.exp(0.7), rel=1e-14)
    product = answer({"ask": "symbolic", **BY_TITLE["ten factors, multiplied"]})["rows"]
    assert product[1]["tree"] > 6 * product[0]["tree"] and product[1]["graph"] < 50
    refused = answer({"ask": "symbolic", **BY_TITLE["a large graph"]})
    assert "nodes" in refused["error"]["message"]


def test_all_ways():
    found = answer({"ask": "ways", **BY_TITLE["x y + sin x"]})
    verdicts = {way["name"]: way["verdict"] for way in found["ways"]}
    assert verdicts["reverse mode"] == "exact" and verdicts["forward differences"] == "approximate"
    json.dumps(found, allow_nan=False)


def test_the_direction_is_chosen():
    example = BY_TITLE["a 1/2/1 network"]
    everything = adjoints(explained(example))
    for k, name in enumerate(everything):
        found = explained(example, wrt=k)
        nodes = found["derivation"]["nodes"]
        assert found["directions"][k] == name and found["wrt"] == k
        tangent = nodes[found["derivation"]["outputs"][0]]["tangents"][found["pass"]]
        assert tangent == pytest.approx(everything[name], rel=1e-12)
    for wrt in (-1, 99, "x", None, 1.5):
        explained(example, wrt=wrt)


STAGED = """
@wg.jit
def g(x):
    for k in range(10):
        x = np.sin(x) + 0.1 * k
    return np.sum(x)

def f(x):
    return 2.0 * g(x)
"""


def test_a_staged_loop_is_opened():
    example = {"kind": "function", "text": STAGED, "point": {"x": [1.0, 2.0]}}
    nodes = explained(example)["derivation"]["nodes"]
    loop = next(n for n in nodes if n["turns"] == 10)
    opened = explained(example, open=[[loop["id"], 3]])["derivation"]["nodes"]
    assert len(opened) > len(nodes) and any(n["primitive"] == "sin" for n in opened)
    shifted = explained(example, open=[[loop["id"], 3]], h=-3)["shifted"]["nodes"]
    assert set(shifted) >= {str(n["id"]) for n in opened if n["primitive"] == "sin"}
    assert "nothing to open" in answer({"ask": "explain", **example, "open": [[2, 0]]})["error"]["message"]
    assert answer({"ask": "explain", **example, "open": [["x"]]})["error"]
    values = answer({"ask": "values", **example, "node": 0})
    assert values["value"] == "[1. 2.]"


def test_the_first_point_is_one_where_formulas_are_defined():
    for text in ("sqrt(log(x)) + y", "1 / (x - y)", "w2 log(w1) + sqrt(w2 log(w1))"):
        assert explained({"kind": "formula", "text": text, "point": {}})["derivation"]["findings"] == []


@pytest.mark.parametrize(("text", "point", "said"), [
    ("def f(x, *, k):\n    return x * k\n", {}, "keyword only"),
    ("def f(n=3):\n    return n\n", {}, "no variable"),
    ("def f(x, n=3):\n    return x * n\n", {"n": 2.5}, "whole number"),
    ("def f(x):\n    return x.item() * np.float64(1.0).foo\n", {}, "foo"),
    ("class A: pass\n", {}, "no function"),
    ("def f(x):\n    x[0] = 1.0\n    return x[0]\n", {"x": [1.0]}, "copy"),
    ("def f(x):\n    return f(x)\n", {}, "calls itself"),
    ("def f(x):\n    return x\n", {"x": [[1.0] * 200] * 200}, "more than"),
    ("def f(x):\n    return x\n", {"x": math.inf}, "not finite"),
    ("def f(x):\n    return x  # \ud800\n", {}, "half a character"),
    ("def f(x, y=np.nan):\n    return x\n", {}, "not finite"),
    ("def f(x, n=3):\n    return x * n\n", {"n": math.inf}, "whole number"),
])
def test_what_cannot_be_shown_is_told(text, point, said):
    found = answer({"ask": "explain", "kind": "function", "text": text, "point": point})
    assert said in found["error"]["message"]
    assert "pasted.py" not in found["error"]["message"]


def test_integers_text_and_what_is_printed():
    text = "def f(x, n=3, mode='a', y=1.0):\n    print('n is', n)\n    return x ** n\n"
    found = explained({"kind": "function", "text": text, "point": {"n": 4, "x": "pi / 2"}})
    assert [p["name"] for p in found["parameters"]] == ["x", "n"] and found["printed"] == "n is 4\n"
    assert found["point"] == {"x": math.pi / 2, "n": 4}
    assert adjoints(found)["x"] == pytest.approx(4 * (math.pi / 2) ** 3)


def test_a_program_that_fails_here_still_says_what_it_takes():
    example = {"kind": "function", "text": "def f(x, n=2):\n    return np.sum(x[1:] ** n)\n", "point": {}}
    failed = answer({"ask": "explain", **example})
    assert failed["error"]["line"] == 2 and failed["point"] == {"x": 1.5, "n": 2}
    assert [(p["name"], p["known"]) for p in failed["parameters"]] == [("x", False), ("n", True)]
    assert adjoints(explained({**example, "point": {"x": "[1, 2, 3]"}}))["x"]["values"] == [0.0, 4.0, 6.0]


@pytest.mark.parametrize(("text", "said"), [
    ("seen = []\ndef f(x):\n    seen.append(x)\n    return x * x\n", "Line 3: seen.append()"),
    ("def f(x):\n    open('out.txt', 'w').close()\n    return x * x\n", "Line 2: open()"),
    ("def f(x):\n    return x * np.random.normal()\n", "Called again it gives"),
    ("def f(x):\n    return x * x\n", None),
])
def test_side_effects_are_told(text, said):
    notes = explained({"kind": "function", "text": text, "point": {"x": 2.0}})["derivation"]["notes"]
    assert notes == [] if said is None else any(note.startswith(said) for note in notes)
