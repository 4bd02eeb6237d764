"""Fixtures for traps that run both ways: as they stand, and staged by `jit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from both_ways import CHECKS

import wengert as wg
from wengert.staging import StagingWarning


@pytest.fixture(params=list(CHECKS))
def mode(request: pytest.FixtureRequest) -> Any:
    """ "unstaged" or "staged"; a test marked by `unstageable` is expected to warn in the latter."""
    reason = getattr(request.function, "unstageable", "")
    if reason and request.param == "staged":
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True, raises=StagingWarning))
    return request.param


@pytest.fixture
def check(mode: str) -> Callable[..., Any]:
    return CHECKS[mode]


@pytest.fixture
def prepare(mode: str) -> Callable[[Any], Any]:
    """What makes a function run in this mode."""
    return wg.jit if mode == "staged" else lambda f: f
