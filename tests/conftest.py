"""Settings of the test suite.

What comes in: pytest's options. What goes out: one thread for linear algebra (the matrices of the tests are tiny,
and waking threads costs a thousand times their solution), garbage collected rarely (a tenth of the time of the whole suite),
reproducible property tests, and `--update-golden`.
"""

from __future__ import annotations

import gc
import os

for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pytest  # noqa: E402  (after the thread settings)
from hypothesis import HealthCheck, settings  # noqa: E402

gc.set_threshold(200_000, 20, 100)

settings.register_profile("wengert", derandomize=True, deadline=None, database=None,
                          suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wengert")


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden files of printed graphs anew")


@pytest.fixture
def update_golden(request):
    return request.config.getoption("--update-golden")
