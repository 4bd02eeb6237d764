"""Compiled code in corners: errors, signed zeros, indices that nobody reads."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg

RNG = np.random.default_rng(3)


def compiled(f, *args):
    """A jitted function whose machine code is there, and is what runs."""
    jitted = wg.jit(f)
    jitted(*args)
    staged = next(iter(jitted.found.values()))
    assert staged.program is not None and staged.program.compile() is not None
    jitted(*args)
    return jitted


def interpreted(f, *args):
    before = wg.config.backend
    wg.config.set(backend="interpreted")
    try:
        return wg.jit(f)(*args)
    finally:
        wg.config.set(backend=before)


# ---------------------------------------------------------------- errors of graphs with effects, which do not run twice

def _three(x):
    k = 0
    while x > k:
        k = k + 1
    return 5 // (k - 3) + np.random.normal()


@pytest.mark.parametrize(("f", "good", "bad"), [
    (lambda a: np.linalg.inv(a) + np.random.normal(), np.eye(2), np.zeros((2, 2))),
    (lambda a: np.linalg.inv(a) + np.random.normal(), np.eye(12), np.zeros((12, 12))),
    (lambda a: np.linalg.cholesky(a) + np.random.normal(), np.eye(3), -np.eye(3)),
    (lambda a: np.linalg.solve(a, a[0]) + np.random.normal(), np.eye(12), np.zeros((12, 12))),
    (lambda i: np.arange(5.0)[i] + np.random.normal(), np.array([1, 2]), np.array([1, 7])),
    (lambda x: int(x) + np.random.normal(), 2.5, np.nan),
    (lambda x: int(x) + np.random.normal(), 2.5, np.inf),
    (_three, 5.0, 3.0),
])
def test_errors_are_of_the_same_class(f, good, bad):
    jitted = compiled(f, good)
    with pytest.raises(Exception) as plain:  # noqa: PT011
        f(bad)
    with pytest.raises(Exception) as ours:  # noqa: PT011
        jitted(bad)
    assert ours.type is plain.type
