"""Settings of the test suite.

What comes in: pytest's options. What goes out: one thread for linear algebra (the matrices of the tests are tiny,
and waking threads costs a thousand times their solution), garbage collected rarely (a tenth of the time of the whole suite),
reproducible property tests, and `--update-golden`.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pytest  # noqa: E402  (after the thread settings)
from hypothesis import HealthCheck, settings  # noqa: E402

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
gc.set_threshold(200_000, 20, 100)

settings.register_profile("wengert", derandomize=True, deadline=None, database=None,
                          suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wengert")


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden files of printed graphs anew")


@pytest.fixture
def update_golden(request):
    return request.config.getoption("--update-golden")


@pytest.fixture
def importable_examples(monkeypatch):
    """The programs of `examples/` by their names, for one test."""
    for folder in ("", "export", "learning", "programs", "optimization"):
        monkeypatch.syspath_prepend(str(EXAMPLES / folder))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:  # the examples alone: a library that is imported twice breaks
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(EXAMPLES)):
            del sys.modules[name]
