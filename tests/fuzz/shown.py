"""What is shown of programs: names, texts and source lines that look like markup, in every format.

What comes in: random numbers. What goes out: explanations of formulas and of functions with hostile names and comments, as
HTML, SVG, LaTeX, DOT and JSON. The one idea: each format is parsed again; no text of the program may have become markup.
"""

from __future__ import annotations

import html.parser
import json
import re
import xml.etree.ElementTree as ET
from random import Random
from typing import Any

import numpy as np

import wengert as wg
from tests.fuzz import formulas
from tests.fuzz.target import Broken, Target
from wengert.errors import WengertError

__all__ = ["TARGETS"]

_MARKS = ["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><b>", "'--><!--", "]]>",
          "\\end{aligned}", "$", "@data@",
          "\\1", "%", "&amp;", "\u2028", "\ud800", "\x00", "\x1b[31m", "{", "}", "{{x}}", "\\", "#", "//", "`", "é",
          "\u202e", "-->"]


def _program(rng: Random) -> tuple[str, Any]:
    if rng.random() < 0.5:
        case = formulas.written(rng)
        return "formula", (case.text, case.values)
    return "function", [rng.choice(_MARKS) for _ in range(3)]


def _function(marks: list[str]) -> Any:
    """A function whose name, parameters' keys, comments and messages are hostile."""
    comment = re.sub(r"[\n\r\x00\ud800\u2028\x0b\x0c]", "", marks[1])
    source = f"def f(x):\n    y = np.sin(x['k'])  # {comment}\n    return {{'out': np.sum(y * x['k'])}}['out']\n"
    place = f"<{marks[0]}>.py".replace("\x00", "").replace("\ud800", "")
    import linecache
    linecache.cache[place] = len(source), None, source.splitlines(keepends=True), place
    found: dict[str, Any] = {"np": np}
    exec(compile(source, place, "exec"), found)
    f = found["f"]
    f.__name__ = f.__qualname__ = marks[2]
    return lambda x: f({"k": x})


class _Tags(html.parser.HTMLParser):
    """The tags and handlers of a page, and its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img" or any(name.startswith("on") for name, _ in attrs):
            raise Broken(f"<{tag} {attrs}>")


def _judge(case: tuple[str, Any], _: Any) -> str:
    kind, given = case
    with np.errstate(all="ignore"):
        try:
            if kind == "formula":
                f = wg.formula(given[0])
                e = wg.explain(f, **{wg.formula(n).variables[0]: x for n,
                                     x in given[1] if wg.formula(n).variables[0] in f.variables})
            else:
                e = wg.explain(_function(given), np.array([0.5, 0.25]))
        except WengertError:
            return "refused"
        page, svg, latex, dot, data = e.html(), e.svg(), e.latex(), e.dot(), json.dumps(e.to_json(), allow_nan=False)
    tags = _Tags()
    tags.feed(page)
    tags.close()
    if tags.tags.count("script") > 2 or "alert(1)</script>" in page or "b" in tags.tags:
        raise Broken("a text of the program became markup")
    ET.fromstring(svg)
    bare = re.sub(r"\\[{}\\]", "", latex)
    if bare.count("{") != bare.count("}"):
        raise Broken("the braces of the LaTeX do not match")
    quoted = re.sub(r'"(?:[^"\\]|\\.)*"', '""', dot, flags=re.DOTALL)
    if quoted.count('"') % 2 or "alert" in quoted:
        raise Broken("the quotation marks of the DOT do not match")
    json.loads(data)
    return kind


TARGETS = [Target("explanations", _program, _judge, 12, smaller=lambda x: iter(()))]
