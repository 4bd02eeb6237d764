"""Runs the blocks of docs/explain.md and docs/lectures.md again, writes down what they print, and draws the pictures.

    python docs/rerun.py

A test runs the same and compares, so that the pages show what the program does.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import re
import shlex
from pathlib import Path
from typing import Any

import wengert as wg
from wengert.cli import main

HERE = Path(__file__).resolve().parent
PAGES = [HERE / "explain.md", HERE / "lectures.md"]


def page(text: str) -> str:
    """The page with its blocks run, in their order: ``>>>`` of Python, and ``$ wengert`` of the console."""
    space: dict[str, Any] = {}
    return re.sub(r"```(python|console)\n(.*?)```", lambda block: _block(block[1], block[2], space), text, flags=re.DOTALL)


def _block(kind: str, body: str, space: dict[str, Any]) -> str:
    out = [f"```{kind}"]
    lines = body.split("\n")
    for k, line in enumerate(lines):
        if line.startswith(">>> "):
            more = list(itertools.takewhile(lambda said: said.startswith("..."), lines[k + 1:]))
            code = "\n".join(said[4:] for said in [line, *more])
            out += [line, *more, *_printed(code + "\n" * bool(more), space)]
        elif line.startswith("$ wengert "):
            out += [line, *_command(shlex.split(line[10:]))]
    return "\n".join([*out, "", "```"])


def _printed(code: str, space: dict[str, Any]) -> list[str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "<page>", "single"), space)
    return [line or "<BLANKLINE>" for line in out.getvalue().rstrip("\n").split("\n")] if out.getvalue() else []


def _command(words: list[str]) -> list[str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.chdir(HERE.parent):
        main(words)
    return out.getvalue().rstrip("\n").split("\n")


def pictures() -> dict[str, str]:
    """The pictures of the pages."""
    return {"explain_log.svg": wg.explain("w2 log(w1) + sqrt(w2 log(w1))", w1=2.0, w2=3.0).svg()}


if __name__ == "__main__":
    for file in PAGES:
        file.write_text(page(file.read_text(encoding="utf-8")), encoding="utf-8")
    (HERE / "pictures").mkdir(exist_ok=True)
    for name, picture in pictures().items():
        (HERE / "pictures" / name).write_text(picture, encoding="utf-8")
    print(f"wrote {', '.join([*(file.name for file in PAGES), *pictures()])}")
