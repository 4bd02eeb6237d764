"""The derivative of a function under `jit` is under `jit`: made once, compiled, and the same numbers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import wengert as wg

X = np.linspace(0.1, 1.0, 6)


@wg.jit
def steps(x, c=0.1):
    for _ in range(40):
        x = 0.9 * np.sin(x) + c * x
    return np.sum(x * x)


def plain(x, c=0.1):
    for _ in range(40):
        x = 0.9 * np.sin(x) + c * x
    return np.sum(x * x)


@pytest.mark.parametrize("way", [wg.grad, wg.value_and_grad, wg.jacobian, wg.jacfwd, wg.jacrev, wg.hessian])
def test_each_way(way):
    derived = way(steps)
    assert derived is way(steps)  # it is kept
    for _ in range(5):
        got, want = derived(X), way(plain)(X)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(derived(X, c=0.2)[0], way(plain)(X, c=0.2)[0], rtol=1e-11)


def test_higher_derivatives_and_static_arguments():
    cube = wg.jit(lambda x, n: x**n, static_argnums=1)
    third = wg.grad(wg.grad(wg.grad(cube)))
    for _ in range(5):
        assert third(2.0, 4) == pytest.approx(48.0, rel=1e-14)
    assert wg.grad(cube, (0,))(2.0, 3) == (pytest.approx(12.0),)


def test_inside_other_derivatives():
    outer = wg.grad(lambda x: np.sum(wg.grad(steps)(x) * x))
    expected = wg.grad(lambda x: np.sum(wg.grad(plain)(x) * x))(X)
    np.testing.assert_allclose(outer(X), expected, rtol=1e-10)


def test_it_is_compiled():
    derived = wg.grad(steps)
    for _ in range(5):
        derived(X)
    assert any(staged.program.compiled is not None for staged in derived.found.values())


def test_batches():
    rows = np.stack([X, 2 * X, -X])
    batch = wg.vmap(steps)
    for _ in range(5):
        np.testing.assert_allclose(batch(rows), [plain(r) for r in rows], rtol=1e-12)
        np.testing.assert_allclose(wg.vmap(wg.grad(steps))(rows), [wg.grad(plain)(r) for r in rows], rtol=1e-10)


def test_derivatives_pickle():
    for way in (wg.jit(wg.grad(plain)), wg.grad(steps), wg.jit(wg.hessian(plain)), wg.jit(wg.vmap(wg.grad(plain))),
                wg.jit(wg.value_and_grad(plain))):
        x = np.stack([X, X]) if "vmap" in way.__name__ else X
        again = pickle.loads(pickle.dumps(way))
        for a, b in zip(np.atleast_1d(*[again(x)]) if isinstance(again(x), np.ndarray) else again(x), way(x), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13)
