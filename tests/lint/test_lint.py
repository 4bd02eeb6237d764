"""The linter finds what is planted, and nothing else."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

import wengert as wg
from tests.lint.planted import PROGRAMS

_MARK = re.compile(r"# -> (WG\d+)")


def planted(f: Any) -> list[tuple[str, int]]:
    """Code and line of what the comments of a program say."""
    lines, first = inspect.getsourcelines(f)
    return [(found[1], first + k) for k, line in enumerate(lines) if (found := _MARK.search(line))]


@pytest.mark.parametrize(("f", "args"), PROGRAMS, ids=[f.__name__ for f, _ in PROGRAMS])
def test_finds_what_is_planted_and_nothing_else(f, args):
    report = wg.lint(f, *args)
    assert [(found.code, found.line) for found in report.findings] == planted(f), str(report)
    assert not report.notes
