"""Arguments of jitted functions that are no ordinary arrays, and first calls from several threads at once."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import wengert as wg


def square(x):
    return np.sum(x * x)


def test_other_byte_orders_are_taken_as_numpy_takes_them():
    for dtype in (">f8", ">f4", ">i4", ">c16"):
        x = np.arange(1, 4).astype(dtype)
        j = wg.jit(lambda x: x * x + 1)
        for _ in range(6):
            got = j(x)
            np.testing.assert_array_equal(got, x * x + 1)
            assert got.dtype == (x * x + 1).dtype and got.dtype.isnative
    f = wg.jit(square)
    assert [f(np.ones(3, ">f8")) for _ in range(6)] == [3.0] * 6


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_masks_and_matrices_run_as_they_stand():
    masked, matrix = np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]), np.matrix([[1.0, 2.0], [3.0, 4.0]])
    for f, x in ((square, masked), (lambda m: m * m, matrix)):
        j = wg.jit(f)
        with pytest.warns(wg.StagingWarning, match="does not compute as an ordinary array does"):
            np.testing.assert_array_equal(j(x), f(x))
        assert type(j(x)) is type(f(x))
    with pytest.warns(wg.StagingWarning), pytest.raises(wg.errors.UnsupportedError):
        wg.jit(wg.grad(square))(masked)


def test_half_precision_is_interpreted():
    j = wg.jit(lambda x: x * x)
    for _ in range(6):
        assert j(np.full(3, 1.5, np.float16)).dtype == np.float16


FIRST = """
import threading
import wengert as wg
f = wg.jit(lambda x: x * 2.0)
def run():
    for _ in range(50):
        assert f(1.0) == 2.0
threads = [threading.Thread(target=run) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
print("done")
"""


def test_the_first_calls_of_a_process_may_come_from_several_threads(tmp_path):
    """What entries share was made twice, and one of the two freed while code was linked with it."""
    path = tmp_path / "first.py"
    path.write_text(FIRST)
    for _ in range(3):
        done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "done" in done.stdout, done.stderr


@pytest.mark.filterwarnings("ignore:The occurrence of roundoff")
def test_a_low_level_callable_is_given_as_many_numbers_as_it_takes():
    integrate = pytest.importorskip("scipy.integrate")
    c = wg.jit(lambda x, a: a * x).low_level_callable()
    assert integrate.quad(c, 0.0, 1.0, args=(3.0,))[0] == pytest.approx(1.5)
    assert np.isnan(integrate.quad(c, 0.0, 1.0)[0])
