"""The same programs on narrower vectors and without a vector library: what other processors and systems run.

Code for vectors of 16 and 32 bytes runs on every x86-64 that has wider ones, so the fallbacks are tested by choosing them.
"""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert.backends.compiled import kernel, machine, mathematics
from wengert.backends.interpret import Program

RNG = np.random.default_rng(7)


def chain(x):
    return np.sum(np.exp(-x**2) * np.sin(3 * x) + np.log1p(x**2) * np.tanh(x))


def steps(x):
    for _ in range(50):
        x = 0.9 * np.sin(x) + 0.1 * x
    return np.sum(x)


def writes(x):
    y = np.zeros_like(x)
    for i in range(len(x)):
        if x[i] > 0:
            y[i] = np.sin(x[i])
        else:
            y[i] = x[i] ** 2
    return np.sum(y * x)


def mixed(x):
    rows = x.reshape(-1, 3)
    picked = rows[np.array([0, 2, 2, 1]), :]
    return np.sum(np.concatenate([picked.ravel(), np.cumsum(x)]) ** 2) + np.max(rows @ rows.T)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("vector_library", [True, False])
@pytest.mark.parametrize("width", [16, 32, 64])
def test_values_and_gradients(width, vector_library, dtype, monkeypatch):
    if width > machine.vector_bytes():
        pytest.skip("this processor has no such vectors")
    monkeypatch.setattr(machine, "vector_bytes", lambda: width)
    monkeypatch.setattr(mathematics, "USE_LIBMVEC", vector_library)
    x = RNG.normal(size=39).astype(dtype)
    for f in (chain, steps, writes, mixed):
        for way in (f, wg.grad(f)):
            j = wg.jit(way)
            with wg.config.set(backend="interpreted"):
                j(x)
            (staged,) = j.found.values()
            got, want = kernel.compile_graph(staged.graph)(x), Program(staged.graph)(x)
            rtol = 1e-12 if dtype is np.float64 else 2e-5
            np.testing.assert_allclose(got[0], want[0], rtol=rtol, atol=rtol * np.max(np.abs(want[0])))
