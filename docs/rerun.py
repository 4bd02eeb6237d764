"""Runs the blocks of docs/explain.md again, writes down what they print, and draws its pictures.

    python docs/rerun.py

A test runs the same and compares, so that the page shows what the program does.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import Any

import wengert as wg
from wengert.cli import main

HERE = Path(__file__).resolve().parent
PAGE = HERE / "explain.md"


def page(text: str) -> str:
    """The page with its blocks run, in their order: ``>>>`` of Python, and ``$ wengert`` of the console."""
    space: dict[str, Any] = {}
    return re.sub(r"```(python|console)\n(.*?)```", lambda block: _block(block[1], block[2], space), text, flags=re.DOTALL)


def _block(kind: str, body: str, space: dict[str, Any]) -> str:
    out = [f"```{kind}"]
    for line in body.split("\n"):
        if line.startswith(">>> "):
            out += [line, *_printed(line[4:], space)]
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
    """The pictures of the page."""
    return {"explain_log.svg": wg.explain("w2 log(w1) + sqrt(w2 log(w1))", w1=2.0, w2=3.0).svg()}


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    (HERE / "pictures").mkdir(exist_ok=True)
    for name, picture in pictures().items():
        (HERE / "pictures" / name).write_text(picture, encoding="utf-8")
    print(f"wrote {PAGE.name} and {', '.join(pictures())}")
