"""Convolutions and sums of products in compiled code, against the interpreter.

What comes in: shapes that reach each way of the code (vectors along the last axis or the channels, copies for BLAS), strides,
dilations and groups. What goes out: values and gradients of both operands, NaN and infinity where the interpreter has them.
"""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from tests.backends.test_compiled import assert_same
from wengert.backends.compiled import direct, kernel
from wengert.backends.interpret import Program

RNG = np.random.default_rng(0)

# batch, channels, kernels, space, kernel; then stride, padding, dilation, groups
SHAPES = [
    (2, 3, 4, (9,), (3,), {}),
    (1, 1, 1, (20,), (4,), {"padding": "same"}),
    (2, 2, 8, (28, 28), (3, 3), {"padding": "same"}),
    (3, 3, 5, (10, 33), (3, 2), {}),
    (2, 4, 6, (11, 9), (3, 3), {"stride": 2, "padding": 1}),
    (2, 4, 16, (6, 5), (3, 3), {"stride": (2, 1)}),
    (2, 2, 3, (13, 18), (3, 3), {"dilation": (2, 3)}),
    (2, 6, 9, (8, 20), (3, 3), {"groups": 3, "padding": 1}),
    (2, 5, 5, (8, 17), (3, 3), {"groups": 5, "padding": "same"}),
    (2, 8, 8, (9, 9), (1, 1), {"stride": 2}),
    (3, 16, 24, (11, 12), (1, 1), {}),
    (1, 2, 4, (4, 5, 19), (2, 2, 2), {"padding": (0, 1, 1)}),
    (2, 3, 4, (8, 8), (4, 4), {"stride": 4}),
    (1, 2, 2, (7, 7), (7, 7), {}),
    (40, 2, 4, (9, 30), (2, 2), {}),
]


def arguments(batch, channels, kernels, space, inside, options, dtype):
    x = RNG.normal(size=(batch, channels, *space))
    w = RNG.normal(size=(kernels, channels // options.get("groups", 1), *inside))
    return x.astype(dtype), w.astype(dtype)


def both_ways(f, *args, like=()):
    """The results of the compiled graph (made for arguments `like` these) are those of the interpreter."""
    graph = wg.make_graph(f, *(like or args))
    graph = getattr(graph, "graph", graph)
    compiled = kernel.compile_graph(graph)
    assert not compiled.called
    with np.errstate(all="ignore"):
        assert_same(compiled(*args), Program(graph)(*args))


def gradients(options):
    def run(x, w):
        y, pull = wg.vjp(lambda x, w: wg.convolve_nd(x, w, **options), x, w)
        return y, *pull(np.cos(np.arange(y.size, dtype=y.dtype).reshape(y.shape)))
    return run


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_convolution_and_its_gradients(shape, dtype):
    both_ways(gradients(shape[-1]), *arguments(*shape, dtype))


def test_complex_numbers_and_integers():
    x, w = arguments(*SHAPES[3], "f8")
    both_ways(gradients({}), x + 1j, w - 0.5j)
    both_ways(lambda x, w: wg.convolve_nd((10 * x).astype(int), (10 * w).astype(int)), x, w)


@pytest.mark.parametrize("bytes_", [0, 1 << 30])
def test_with_copies_for_the_library_and_without(bytes_, monkeypatch):
    monkeypatch.setattr(direct, "STILL", bytes_)
    monkeypatch.setattr(direct, "STILL_BY_CHANNELS", bytes_)
    for shape in SHAPES[2:6]:
        both_ways(gradients(shape[-1]), *arguments(*shape, "f8"))


def test_infinite_and_undefined_elements_stay_where_they_are():
    x, w = arguments(2, 2, 3, (12, 19), (3, 3), {}, "f8")
    finite = x.copy(), w.copy()
    x[0, 1, 3, 4], x[1, 0, 11, 18], x[1, 1, 0, 0], w[2, 1, 1, 1] = np.inf, np.nan, -np.inf, np.inf
    for options in ({}, {"padding": "same"}, {"stride": 2}):
        both_ways(gradients(options), x, w, like=finite)


def test_derivatives_by_the_batch_and_of_second_order():
    x, w = arguments(2, 2, 4, (6, 10), (3, 3), {}, "f8")

    def loss(w, x):
        return np.sum(np.sin(wg.convolve_nd(x[None], w, padding=1)))
    both_ways(wg.vmap(wg.grad(loss), in_axes=(None, 0)), w, x)
    both_ways(lambda w, x: wg.hvp(lambda w: loss(w, x[0]), (w,), (np.cos(w),)), w, x)


def test_windows_in_fused_code():
    x = RNG.normal(size=300)

    def moving(x):
        seen = np.lib.stride_tricks.sliding_window_view(np.pad(x, 2), 5)
        return np.mean(seen, axis=1) * x, np.max(np.exp(seen), axis=1), np.sort(seen, axis=1)[:, 2]
    both_ways(moving, x)
    both_ways(lambda x: wg.grad(lambda x: np.sum(np.sin(moving(x)[0])))(x), x)
    long = RNG.normal(size=5000)
    matrix = RNG.normal(size=(256, 40))
    both_ways(lambda x, a: np.lib.stride_tricks.sliding_window_view(x, 256)[::64] @ a, long, matrix)
    both_ways(lambda x, a: np.lib.stride_tricks.sliding_window_view(x, 256) @ a[:, 0], long, matrix)


def added(y, a, b):
    twice = np.tanh(a @ b + b @ a)  # the first product is the second one's addend
    total = y
    for _ in range(2):
        total = total + b @ twice
    return y + a @ b, (a @ y[:, 0]) + y[0], twice, total


@pytest.mark.parametrize("n", [20, 70, 400])
def test_sums_of_products(n):
    y, a, b = RNG.normal(size=(3, n, n))
    both_ways(added, y, a, b)
    both_ways(added, *[x.astype("f4") for x in (y / n, a / n, b / n)])
    both_ways(lambda y, a: y + a @ a.T - (y + 1j) * (a @ (y * 1j)), y, a)
    finite = y.copy(), a.copy(), b.copy()
    y[0, 1], y[1, 0], y[3] = np.inf, np.nan, -0.0
    a[5, 6], a[7, 7], a[3], b[2, 2], b[:, 4] = -np.inf, np.nan, 0.0, np.inf, 0.0
    both_ways(added, y, a, b, like=finite)


def test_an_addend_that_is_read_elsewhere_is_left_alone():
    y, a = RNG.normal(size=(2, 50, 50))
    given = y.copy()
    compiled = wg.jit(lambda y, a: (y + a @ a, y, np.sum(y)))
    for _ in range(3):
        total, same, _ = compiled(y, a)
        np.testing.assert_array_equal(y, given)
        np.testing.assert_array_equal(same, given)
        np.testing.assert_allclose(total, given + a @ a, rtol=1e-12, atol=1e-12)
    both_ways(lambda y, a: ((z := a @ y) + y @ a, z + a), y, a)
