"""Compiled code in corners: errors, signed zeros, indices that nobody reads."""

from __future__ import annotations

import gc
import weakref

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
    with pytest.raises(Exception) as plain:
        f(bad)
    with pytest.raises(Exception) as ours:
        jitted(bad)
    assert ours.type is plain.type


# ---------------------------------------------------------------- signed zeros

@pytest.mark.parametrize("n", [1, 2, 5, 8, 9, 20, 40])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
def test_sums_of_negative_zeros_are_zero(n, dtype):
    """NumPy's sums begin with 0.0, however many terms they have."""
    def f(x):
        return np.sum(x), np.sum(x, axis=0), np.sum(x, axis=1), np.sum(x * 1.0, axis=0)
    x = np.full((n, 9), -0.0, dtype)
    if x.dtype.kind == "c":
        x.imag = -0.0
    for got, want in zip(compiled(f, x)(x), f(x), strict=True):
        np.testing.assert_array_equal(np.signbit(np.asarray(got).real), np.signbit(np.asarray(want).real))
        np.testing.assert_array_equal(np.signbit(np.asarray(got).imag), np.signbit(np.asarray(want).imag))


@pytest.mark.parametrize("n", [2, 3, 5, 9, 40])
def test_products_of_negative_zeros(n):
    def f(a, x):
        return a @ x, a @ a.T, np.sum(a * a[::-1], axis=1), x @ x
    a, x = np.full((n, n), -0.0), np.ones(n)
    for got, want in zip(compiled(f, a, x)(a, x), interpreted(f, a, x), strict=True):
        np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


# ---------------------------------------------------------------- index arrays in parts of a result

def _pieces(x, i):
    return np.concatenate([x[i], x, x[i] * 2, x, x[i + 3], x, x[i] * 7, x[i], x, x[i] - 1, x])


def _padded(x, i):
    return np.concatenate([np.pad(x[i * 1], (k, 3)) for k in range(12)]) * 2


def _rolled(x, i):
    return sum(np.roll(x[i], k) for k in range(9))


def _twice(x, i):
    y = np.concatenate([np.pad(x[i], (k, 3)) for k in range(9)])
    return sum(np.roll(y[i * 5], k) for k in range(9))


def _in_two_axes(x, i):
    y = np.zeros((40, 40))
    y[3:9, 5:15] = x[i[:60].reshape(6, 10)]
    return sum(np.pad(y, ((k, 9 - k), (9 - k, k))) for k in range(9)).reshape(-1)


def _short_vector(x, i):
    return x[i[:61] + 95]


@pytest.mark.parametrize("f", [_pieces, _padded, _rolled, _twice, _in_two_axes, _short_vector])
def test_index_arrays_are_read_only_where_they_are(f, monkeypatch):
    """Where more pieces meet than a loop is cut into, no index is read beyond its array, nor found to be bad there."""
    x, i = RNG.normal(size=90), RNG.integers(-90, -5, size=70)
    jitted = compiled(f, x, i)
    monkeypatch.setattr("wengert.backends.compiled.kernel.Compiled.failed", lambda *_: pytest.fail("the kernel gave up"))
    np.testing.assert_allclose(jitted(x, i), f(x, i), rtol=1e-13)
    monkeypatch.undo()
    i[40] = 90
    with pytest.raises(IndexError):
        jitted(x, i)


@pytest.mark.parametrize("f", [
    lambda x, i: np.concatenate([x[i], x])[i.size:] * 2,
    lambda x, i: np.concatenate([np.sin(x[i]), x])[i.size - 5:] * 2,
    lambda x, i: x[i][::-1][4::2],
    lambda x, i: (x[i][:30], x[i * 1][30:]),
    lambda x, i: x.reshape(10, 5)[i, 0:0],
    lambda x, i: np.zeros((50, 0))[i],
    lambda x, i: np.pad(x[i], 3)[5:5],
])
@pytest.mark.parametrize("n", [70, 300])
def test_indices_are_checked_though_nobody_reads_the_element(f, n):
    x = RNG.normal(size=50)
    good, bad = RNG.integers(0, 10, size=n), RNG.integers(0, 10, size=n)
    bad[3] = 50
    jitted = compiled(f, x, good)
    for got, want in zip(jitted(x, good), f(x, good), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-14)
    with pytest.raises(IndexError, match="index 50 is out of bounds"):
        jitted(x, bad)


def test_writes_of_nothing_check_their_indices():
    def f(x, i):
        x = x.copy()
        x[i, 0:0] = 1.0
        return x
    x = RNG.normal(size=(10, 10))
    jitted = compiled(f, x, np.array([1, 2]))
    np.testing.assert_array_equal(jitted(x, np.array([1, 2])), x)
    with pytest.raises(IndexError):
        f(x, np.array([1, 12]))
    with pytest.raises(IndexError):
        jitted(x, np.array([1, 12]))


def test_parts_that_make_up_the_whole_are_read_where_they_lie():
    """The corners of triangles: no array of them is made."""
    def areas(p, t):
        q = p[t]
        a, b = q[:, 1] - q[:, 0], q[:, 2] - q[:, 0]
        return 0.5 * np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    p, t = RNG.normal(size=(100, 2)), RNG.integers(0, 100, size=(300, 3))
    jitted = compiled(areas, p, t)
    np.testing.assert_allclose(jitted(p, t), areas(p, t), rtol=1e-13)
    assert next(iter(jitted.found.values())).program.compiled.workspace == 0


# ---------------------------------------------------------------- memory

def test_constants_of_a_function_are_freed_with_it():
    def run():
        large = RNG.normal(size=(40, 50))
        jitted = compiled(lambda x: np.sum(x + large) + np.sum(large * x, axis=0)[0], np.ones(50))
        graph = next(iter(jitted.found.values())).graph
        return [weakref.ref(o) for e in graph.equations for o in e.operands if type(o).__name__ == "Const" and o.type.size > 1]
    kept = run()
    gc.collect()
    assert kept
    assert not [c for c in kept if c() is not None]
