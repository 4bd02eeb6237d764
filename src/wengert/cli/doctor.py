"""``wengert doctor``: what of a file differentiates, what stages, and what stands in the way.

What comes in: ``FILE.py`` or ``FILE.py:FUNCTION``. What goes out: a table of functions with what blocks each, as text
or JSON. The one idea: a finding is printed as ``file:line``, so an editor jumps to it, and says what to write instead.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from wengert.doctor import Report, examine_file, told
from wengert.errors import InputError

__all__ = ["ABOUT", "EXAMPLES", "add_arguments", "run"]

ABOUT = """\
Say which functions of a Python file differentiate and which stage under wg.jit, what stands in the way, at
which line and why, and what to write instead. The file is read, never run: where the text does not show
whether a value is traced, the answer is "perhaps".
"""
EXAMPLES = """\
examples:
  wengert doctor program.py
  wengert doctor program.py:loss
  wengert doctor program.py:Model.step --json

exit status: 0 if nothing blocks, 1 if something does, 2 for wrong input.
"""

_TARGET = re.compile(r"(?P<path>.+\.py)(?::(?P<name>[^\W\d][\w.]*))?")
_MARKS = {"yes": "yes", "perhaps": "perhaps", "no": "NO"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="FILE.py[:FUNCTION]", help="the file, or one function (or method) of it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace, words: list[str]) -> int:
    """1 if something blocks."""
    file, reports = examined(options.target)
    (print_json if options.json else print_reports)(file, reports, sys.stdout)
    return status(reports)


def examined(text: str) -> tuple[str, list[Report]]:
    """The file that ``FILE.py:FUNCTION`` names, as it is shown, and the reports on its functions."""
    found = _TARGET.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{text}: write FILE.py or FILE.py:FUNCTION")
    path = Path(found["path"])
    if not path.is_file():
        beside = [p.name for p in path.parent.glob("*.py") if p.is_file()] if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, beside, n=1)
        raise InputError(f"there is no file {path}" + (f": did you mean {path.with_name(close[0])}?" if close else ""))
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) and not relative.startswith("..") else str(path), examine_file(
        path, found["name"]
    )


def status(reports: Sequence[Report]) -> int:
    """0 if nothing blocks, 1 if something does."""
    return int(any(f.sure for r in reports for f in r.findings))


def print_json(file: str, reports: Sequence[Report], out: TextIO) -> None:
    functions = [
        {
            "name": r.name,
            "line": r.line,
            "differentiates": r.verdict("derivative"),
            "stages": r.verdict("jit"),
            "findings": [
                {
                    "line": f.line,
                    "column": f.column + 1,
                    "what": f.what,
                    "why": f.why,
                    "write": f.remedy,
                    "blocks": list(f.blocks),
                    "sure": f.sure,
                }
                for f in r.findings
            ],
        }
        for r in reports
    ]
    print(json.dumps({"file": file, "blocks": bool(status(reports)), "functions": functions}, indent=1), file=out)


def print_reports(file: str, reports: Sequence[Report], out: TextIO) -> None:
    """A table of all functions, then what blocks each."""
    if not reports:
        print(f"{file}: there is no function in it", file=out)
        return
    width = max(8, *(len(r.name) for r in reports))
    print(f"{file}\n", file=out)
    print(f"  {'line':>4}  {'function':<{width}}  differentiates  stages under jit", file=out)
    for r in reports:
        marks = _MARKS[r.verdict("derivative")], _MARKS[r.verdict("jit")]
        print(f"  {r.line:>4}  {r.name:<{width}}  {marks[0]:<14}  {marks[1]}", file=out)
    for r in reports:
        if r.findings:
            print(f"\n{r.name}", file=out)
            for line in _findings(file, r):
                print(line, file=out)
    print(f"\n{_summary(reports)}", file=out)


def _findings(file: str, report: Report) -> Iterator[str]:
    for f in report.findings:
        verb = "blocks" if f.sure else "may block"
        headline = f"{file}:{f.line}: {f.what} {verb} {' and '.join(_NAMES[b] for b in f.blocks)}"
        yield from told(headline, f.why, f.remedy, 2)


_NAMES = {"derivative": "derivatives", "jit": "jit"}


def _summary(reports: Sequence[Report]) -> str:
    n = len(reports)
    good = [sum(r.verdict(what) == "yes" for r in reports) for what in ("derivative", "jit")]
    return (
        f"{n} function{'s' * (n != 1)}: {good[0]} differentiate{'s' * (good[0] == 1)}, {good[1]} "
        f"stage{'s' * (good[1] == 1)}. "
    ) + ("What does not stage runs as it stands, with a warning." if good[1] < n else "Nothing stands in the way.")
