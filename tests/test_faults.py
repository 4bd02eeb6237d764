"""Every deliberate mistake of `tests.faults` still fits the sources."""

from __future__ import annotations

import pathlib

import pytest

from tests.faults.catalog import FAULTS
from tests.faults.fault import KINDS

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_fits(fault):
    fault.changed(ROOT)  # raises unless the text occurs once, and the result is other Python
    assert fault.kind in KINDS
    assert fault.tests and all((ROOT / name).is_file() for name in fault.tests)


def test_names_and_number():
    assert len({f.name for f in FAULTS}) == len(FAULTS) >= 60
    assert {f.kind for f in FAULTS} == set(KINDS)
