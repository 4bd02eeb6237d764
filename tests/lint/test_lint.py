"""The linter finds what is planted and nothing else, says nothing of sound programs, and can be told to be quiet."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import planted
import pytest
import sound

import wengert as wg
from wengert.cli import main
from wengert.errors import InputError
from wengert.linting.report import TITLES

ROOT = Path(__file__).resolve().parents[2]
_MARK = re.compile(r"# -> (WG\d+)")


def said(f: Any) -> list[tuple[str, int]]:
    """Code and line of what the comments of a program say."""
    lines, first = inspect.getsourcelines(f)
    return [(found[1], first + k) for k, line in enumerate(lines) if (found := _MARK.search(line))]


@pytest.mark.parametrize(("f", "args"), planted.PROGRAMS, ids=[f.__name__ for f, _ in planted.PROGRAMS])
def test_finds_what_is_planted_and_nothing_else(f, args):
    report = wg.lint(f, *args)
    assert [(found.code, found.line) for found in report.findings] == said(f), str(report)
    assert not report.notes
    assert all(found.why and found.remedy for found in report.findings)


def test_every_code_is_planted_and_there_are_forty_programs():
    assert len(planted.PROGRAMS) >= 40
    assert {code for f, _ in planted.PROGRAMS for code, _ in said(f)} == set(TITLES)


@pytest.mark.parametrize(("f", "args"), sound.PROGRAMS, ids=[f.__name__ for f, _ in sound.PROGRAMS])
def test_says_nothing_of_what_is_sound(f, args):
    report = wg.lint(f, *args)
    assert not report.findings and not report.notes, str(report)


# ---------------------------------------------------------------- the report

def silenced(x):
    y = abs(x)  # wg: ignore[WG101]
    z = abs(x - 1e-12)  # wg: ignore
    return y + z + abs(2.0 * x)  # wg: ignore[WG102, WG110]


def test_is_silenced_at_the_line_by_code():
    report = wg.lint(silenced, 0.0)
    assert [f.source[:6] for f in report.findings] == ["return"]
    assert [f.code for f in report.silenced] == ["WG101", "WG101"]
    assert "(2 silenced)" in str(report)


def test_prints_line_reason_remedy_and_code():
    text = str(wg.lint(silenced, 0.0))
    assert re.search(r"^test_lint.py:\d+: WG101 kink of abs   return y", text)
    assert "\n    write: " in text and "the slopes on both sides differ" in text
    found = wg.lint(silenced, 0.0).json()
    assert json.loads(json.dumps(found)) == found and found["findings"][0]["title"] == TITLES["WG101"]


def test_names_leaves_and_heeds_argnums():
    def f(a, b, c):
        return np.sum(a["x"]) + b

    def codes(**kwargs: Any) -> list[tuple[str, str]]:
        return [(found.code, found.what) for found in wg.lint(f, {"x": np.ones(2), "y": 2.0}, 1.0, 3.0, **kwargs).findings]
    assert codes() == [("WG103", "a['y']: never reaches the output")]
    assert codes(argnums=1) == []
    assert codes(argnums=(1, -1)) == [("WG103", "c: never reaches the output")]


def test_what_is_kept_from_call_to_call():
    class Counter:
        n = 0

        def scaled(self, x):
            self.n += 1
            return x * self.n

    (found,) = wg.lint(Counter().scaled, 1.0).findings
    assert (found.code, found.source) == ("WG109", "self.n += 1")
    assert "changes what the next one reads" in found.why and "random" not in found.remedy


def test_turns_are_said():
    def once(x):
        total = 0.0
        for k in range(50):
            total = total + np.abs(x - k)
        return total
    (found,) = wg.lint(once, 37.0).findings
    line = once.__code__.co_firstlineno + 2
    assert found.code == "WG101" and f"(turn 37 of the loop at test_lint.py:{line})" in found.why

    def each(x):
        total = 0.0
        for k in range(4):
            total = total + np.abs(x * (k + 1.0))
        return total
    (found,) = wg.lint(each, 0.0).findings
    assert f"(turn 0 of the loop at test_lint.py:{each.__code__.co_firstlineno + 2}, and 3 more)" in found.why


def test_mistakes_are_said():
    with pytest.raises(InputError, match=r"write 3\.0 for 3"):
        wg.lint(lambda x: x, 3)
    with pytest.raises(InputError, match="1 positional argument"):
        wg.lint(lambda x: x, 3.0, argnums=1)
    with pytest.raises(InputError, match="lint"):
        wg.lint(3.0, 3.0)
    with pytest.raises(InputError, match="gives no float"):
        wg.lint(lambda x: x > 0.0, 3.0)


def test_what_does_not_stage_is_followed_and_said():
    def f(x):
        parts = {}
        if x > 1.0:
            parts["a"] = "large"
        return abs(x - 2.0) if "a" in parts else x
    report = wg.lint(f, 2.0)
    assert [found.code for found in report.findings] == ["WG101"] and "does not stage" in report.notes[0]


def test_what_does_not_stage_is_called_again():
    def drawn(x):
        parts = {}
        if x > 1.0:
            parts["a"] = np.random.default_rng().normal()
        return x * parts.get("a", 1.0)
    def decided(p):
        parts = {}
        if p["n"] > 1.5:
            parts["a"] = 2.0
        return p["w"] * parts.get("a", 1.0)
    found = wg.lint(decided, {"n": 2.0, "w": 3.0}).findings
    assert [(f.code, f.what) for f in found] == [("WG104", "p['n']: cut off by a conversion")]
    report = wg.lint(drawn, 2.0)
    assert report.notes and [(found.code, found.source) for found in report.findings] == [("WG109", "def drawn(x):")]



def test_inputs_are_left_as_they_are():
    x, kept = np.array([0.0, 1.0]), np.array([0.0, 1.0])

    def f(x):
        y = x.copy()
        y[0] = abs(y[0])
        return np.sum(y)
    assert [found.code for found in wg.lint(f, x).findings] == ["WG101"]
    np.testing.assert_array_equal(x, kept)


def test_formulas_have_parts_for_lines():
    report = wg.lint(wg.formula("sqrt(x^2) + log(1 + y)"), 0.0, 1e-9, argnums=(0, 1))
    assert [(found.code, found.place) for found in report.findings] == [("WG101", "sqrt(x^2)"), ("WG107", "log(1 + y)")]


# ---------------------------------------------------------------- the command line, the page

def test_command_line(tmp_path, capsys):
    program = tmp_path / "program.py"
    program.write_text("import numpy as np\n\n\ndef f(x, y):\n    return abs(x) * y\n", encoding="utf-8")
    assert main(["lint", f"{program}:f", "x=0", "y=2"]) == 1
    assert capsys.readouterr().out.startswith("program.py:5: WG101 kink of abs   return abs(x) * y\n")
    assert main(["lint", f"{program}:f", "x=1", "y=2"]) == 0
    assert capsys.readouterr().out == "f: nothing found\n"
    assert main(["lint", f"{program}:f", "x=0", "y=2", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["line"] == 5
    assert main(["lint", f"{program}:f", "x=0", "y=2", "--wrt", "y"]) == 1  # 0 is the slope in y, all around
    assert json.loads(main_json(program, capsys))["findings"][0]["code"] == "WG105"
    assert main(["lint", f"{program}:g", "x=0"]) == 2


def main_json(program: Path, capsys: Any) -> str:
    capsys.readouterr()
    main(["lint", f"{program}:f", "x=0", "y=2", "--wrt", "y", "--json"])
    return str(capsys.readouterr().out)


def test_every_code_has_a_section():
    text = (ROOT / "docs" / "lint.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (WG\d+): (.*)$", text, re.MULTILINE))
    assert sections == TITLES
    for code in TITLES:
        section = text.split(f"## {code}")[1].split("\n## ")[0]
        assert code == "WG102" or f"\n{code} " in section, f"{code} is not shown"
