"""The views of an explanation: what they show is there, is well-formed, and stays small and harmless."""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import warnings
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.cli import main
from wengert.views.fold import fold
from wengert.views.latex import latex_number, rows
from wengert.views.layout import layered, placed
from wengert.views.text import adjoint_name, width

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</script><b onload=\"x\">&#\"\\'{}%_$^~\x00\u2028\ud800"


def program(p: Any, x: Any) -> Any:
    h = np.tanh(p["w"] @ x + p["b"])
    total = 0.0
    for k in range(3):
        total = total + np.sum(h[:2] ** k) * np.where(h[0] > 0, h[1], 0.0)
    return total + np.max(h)


def hostile(p: Any) -> Any:
    return sum(np.sin(x) * 2.0 for x in p.values())


EXPLAINED = {
    "lecture": wg.explain("w2 log(w1) + sqrt(w2 log(w1))", w1=2.0, w2=3.0),
    "arrays": wg.explain(program, {"w": np.eye(3, 2), "b": np.ones(3)}, np.array([0.5, -1.5])),
    "staged": wg.explain(wg.jit(program), {"w": np.eye(3, 2), "b": np.ones(3)}, np.array([0.5, -1.5])),
    "not finite": wg.explain("log(x - 2) y", x=1.0, y=2.0),
    "complex": wg.explain(lambda z: np.abs(z * z), 1.0 + 2.0j),
    "hostile": wg.explain(hostile, {HOSTILE: 1.0, "b": 2.0}),
}


def chain(x: Any) -> Any:
    y = x
    for _ in range(500):
        y = np.sin(y) * 1.01 + x * 0.1
    return y


@pytest.mark.parametrize("name", EXPLAINED)
def test_svg_is_xml_and_has_every_node(name: str) -> None:
    e = EXPLAINED[name]
    root = ElementTree.fromstring(e.svg(limit=1000))
    drawn = {g.get("id"): g for g in root.iter(f"{SVG}g") if g.get("id")}
    assert set(drawn) == {f"n{n.id}" for n in e.nodes}
    edges = {(o, n.id) for n in e.nodes for o in n.operands}
    assert len([p for p in root.iter(f"{SVG}path") if p.get("class") == "tip"]) == len(edges)
    assert not re.search("(?:href|src|url)", e.svg())


NETWORK = "(p1 sigmoid(w1 x + b1) + p2 sigmoid(w2 x + b2) + c - t)^2 / 2"


@pytest.mark.parametrize(("formula", "point"), [
    ("(x + sigmoid(y)) tanh(x)", {"x": 2.0, "y": 1.0}),
    ("sigmoid(x)", {"x": 1.0}),  # a label wider than its nodes, at both borders
    (NETWORK, dict.fromkeys(("p1", "p2", "w1", "w2", "b1", "b2", "c", "t", "x"), -0.7)),
    ("x^3/(y + x) + atan2(x, y)*hypot(x, y)^x", {"x": 2.0, "y": 1.234567})])
def test_svg_labels_cover_nothing_and_are_whole(formula: str, point: dict[str, float]) -> None:
    root = ElementTree.fromstring(wg.explain(formula, **point).svg())
    body = root.find(f"{SVG}g")
    dx, dy = (float(n) for n in re.findall(r"[-\d.]+", body.get("transform")))
    boxes = [tuple(float(r.get(k)) for k in ("x", "y", "width", "height")) for r in body.iter(f"{SVG}rect")]
    for text in body.iter(f"{SVG}text"):
        if text.get("class") == "partial":  # letters of 11 pixels are 6.6 wide in the usual fonts, and some 10 high
            half = 3.3 * len(text.text)
            boxes.append((float(text.get("x")) - half, float(text.get("y")) - 9, 2 * half, 10.0))
    w, h = float(root.get("width")), float(root.get("height"))
    for k, (x, y, wide, high) in enumerate(boxes):
        assert x + dx >= 0 and y + dy >= 0 and x + wide + dx <= w and y + high + dy <= h
        for u, v, other, tall in boxes[:k]:
            assert x >= u + other or u >= x + wide or y >= v + tall or v >= y + high


def test_svg_shows_values_adjoints_and_partials() -> None:
    texts = [t.text for t in ElementTree.fromstring(EXPLAINED["lecture"].svg()).iter(f"{SVG}text")]
    assert {"v2 = w2 * v1", "2.07944", "v\u03042 = 1.34673", "1 / (2 * v3) = 0.346734", "w2 = 3"} <= set(texts)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("name", EXPLAINED)
def test_html_needs_nothing_else_and_takes_no_markup_from_the_program(name: str) -> None:
    e = EXPLAINED[name]
    page = e.html()
    parser = _Tags()
    parser.feed(page)
    tags = [tag for tag, _ in parser.tags]
    assert tags.count("script") == 2 and "b" not in tags and "link" not in tags and "img" not in tags
    assert not any(key in ("src", "href") or key.startswith("on") for _, attrs in parser.tags for key in attrs)
    assert re.findall("https?://[^\"]*", page) == ["http://www.w3.org/2000/svg"]  # the name of a language, not a place
    text = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert text is not None
    data = json.loads(text[1])
    assert [n["name"] for n in data["nodes"]] == [n.name for n in e.nodes]
    ids = {attrs.get("id") for _, attrs in parser.tags}
    assert set(data["drawn"]) <= ids and {"search", "way", "step", "forward", "backward"} <= ids
    assert e._repr_html_().count("<") == 2


@pytest.mark.parametrize("name", EXPLAINED)
def test_latex_renders(name: str) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.mathtext import MathTextParser
    parser = MathTextParser("agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # glyphs that its font does not have
        for block in rows(EXPLAINED[name]):
            for row in block:
                shown = re.sub(r"\\[&#]|\"", "", " = ".join(row))  # what matplotlib does not know
                parser.parse(f"${shown}$")
    document = EXPLAINED[name].latex()
    assert document.count(r"\begin{aligned}") == document.count(r"\end{aligned}") == 3
    assert document.count("{") - document.count(r"\{") == document.count("}") - document.count(r"\}")


def test_latex_numbers() -> None:
    assert latex_number(np.nan) == r"\mathrm{NaN}" and latex_number(-1e-30) == r"-1 \cdot 10^{-30}"
    assert latex_number(np.arange(50.0)).startswith(r"\text{[50] 0")
    assert latex_number(np.array([np.nan, 1.0])) == r"\left[\mathrm{NaN}, 1\right]"


def test_dot_is_quoted() -> None:
    for name, e in EXPLAINED.items():
        without = re.sub(r'"(?:[^"\\]|\\.)*"', "", e.dot(limit=1000), flags=re.DOTALL)
        assert '"' not in without and without.count("{") == without.count("}"), name
        assert without.count("->") == len({(o, n.id) for n in e.nodes for o in n.operands})
    assert "subgraph cluster_" in EXPLAINED["arrays"].dot(limit=1000)


def test_text_columns_are_aligned() -> None:
    assert width("v\u03042") == 2 and adjoint_name("rate") == "adj(rate)" and adjoint_name("v2") == "v\u03042"
    lines = str(EXPLAINED["lecture"]).split("\n")
    table = lines[lines.index(next(x for x in lines if x.startswith("Forward"))) + 1:][:8]
    column = table[0].index("value")
    for line in table[2:]:
        letters = [c for c in line if not "\u0300" <= c <= "\u036f"]
        assert letters[column] != " " and letters[column - 1] == " "


def test_what_is_long_is_folded_and_opens() -> None:
    e = wg.explain(chain, 0.3)
    items = fold(e, 60)
    assert [i.key for i in items] == ["n0", "g0"] and "500 turns: 2,000 operations" in items[1].label
    assert len(e.text().split("\n")) < 20 and len(e.svg()) < 5000
    line = e.nodes[1].line
    assert line is not None
    assert len(fold(e, 60, opened=e._opened([line]))) == len(e.nodes)
    assert len(fold(e, 600)) == 501
    assert {len(fold(EXPLAINED["arrays"], limit)) for limit in range(8, 200)} >= {len(EXPLAINED["arrays"].nodes)}
    one_way = wg.explain("(x + y) y + sin(x)", x=1.0, y=2.0)
    assert [i.out.name for i in fold(one_way, 60, one_way._only(["x"]))] == ["x", "y", "v1", "v2", "v3", "v4"]
    assert "exp(y)" not in wg.explain("exp(y) + sin(x)", x=1.0, y=2.0).text(only=["x"]).partition("Forward")[2]


def test_layout_keeps_nodes_apart_and_edges_downward() -> None:
    rng = np.random.default_rng(3)
    sizes = {k: (float(rng.integers(40, 200)), 60.0) for k in range(120)}
    edges = sorted({(int(a), int(b)) for a, b in np.sort(rng.integers(0, 120, (200, 2)), axis=1) if a < b})
    layout = layered(sizes, edges)
    rows_of: dict[float, list[tuple[float, float]]] = {}
    for k, (x, y) in layout.centers.items():
        rows_of.setdefault(y, []).append((x, sizes[k][0]))
        assert x - sizes[k][0] / 2 >= -1e-9 and x + sizes[k][0] / 2 <= layout.width + 1e-9
    for row in rows_of.values():
        row.sort()
        assert all(b - a >= (v + w) / 2 + 27.9 for (a, v), (b, w) in itertools.pairwise(row))
    for (a, b), path in zip(edges, layout.paths, strict=True):
        assert path[0] == layout.centers[a] and path[-1] == layout.centers[b]
        assert all(p[1] < q[1] for p, q in itertools.pairwise(path))


def test_an_edge_that_leads_back_is_drawn_upward() -> None:
    layout = layered({"a": (50.0, 20.0), "b": (50.0, 20.0)}, [("a", "b"), ("b", "a")])
    (down, up), (a, b) = layout.paths, (layout.centers["a"], layout.centers["b"])
    assert down == [a, b] and up == [b, a]


def test_places_are_the_nearest_that_keep_the_order() -> None:
    rng = np.random.default_rng(4)
    wanted, widths = rng.normal(0, 30, 7), rng.uniform(5, 40, 7)
    found = np.array(placed(list(wanted), list(widths), 3.0))
    apart = (widths[:-1] + widths[1:]) / 2 + 3.0
    assert np.all(np.diff(found) >= apart - 1e-9)
    best = np.sum((found - wanted) ** 2)
    for _ in range(300):  # no other admissible places are nearer
        other = found + rng.normal(0, 5, 7)
        if np.all(np.diff(other) >= apart):
            assert np.sum((other - wanted) ** 2) >= best - 1e-9
    assert placed([0.0, 100.0], [10.0, 10.0], 2.0) == [0.0, 100.0]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "x y + sin(x)", "x=0", "y=3", "--direction", "1,2"]) == 0
    assert "the direction" in capsys.readouterr().out
    for ending, start in (("svg", "<svg"), ("html", "<!doctype"), ("tex", "% values"), ("dot", "digraph"), ("json", "{")):
        assert main(["explain", "x^2", "x=3", "--output", str(tmp_path / f"out.{ending}")]) == 0
        assert (tmp_path / f"out.{ending}").read_text(encoding="utf-8").startswith(start)
    file = tmp_path / "program.py"
    file.write_text("import numpy as np\n\ndef f(x, a=2.0):\n    for k in range(5):\n        x = np.sin(x) * a\n    return x\n")
    assert main(["explain", f"{file}:f", "x=1", "--jit", "--open", "program.py:5", "--turn", "2"]) == 0
    said = capsys.readouterr().out
    assert "turn 2 of 5 of the loop at program.py:4" in said and "with a = 2" in said
    assert main(["explain", f"{file}:f", "x=1", "--lines", "program.py:4", "--only", "x"]) == 0
    assert "turn 4 of 5" in capsys.readouterr().out
    assert main(["explain", "log(x)", "x=-1"]) == 1
    for words in (["log(x)"], ["log(x)", "x=1", "--direction", "1,2"], ["x", "x=1", "--output", str(tmp_path / "no" / "f.svg")],
                  [f"{file}:f", "x=1", "--open", "program.py:5"], ["x^2", "x=1", "--output", str(tmp_path / "f.pdf")]):
        assert main(["explain", *words]) == 2
    assert "wengert: error: " in capsys.readouterr().err and not (tmp_path / "f.pdf").exists()


def test_the_pages_of_the_documentation_are_current() -> None:
    docs = Path(__file__).resolve().parents[2] / "docs"
    spec = importlib.util.spec_from_file_location("rerun", docs / "rerun.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for file in module.PAGES:
        text = file.read_text(encoding="utf-8")
        assert module.page(text) == text, "run python docs/rerun.py"
    for name, picture in module.pictures().items():
        assert (docs / "pictures" / name).read_text(encoding="utf-8") == picture
