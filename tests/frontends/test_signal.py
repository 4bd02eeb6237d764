"""Convolution and correlation of scipy.signal on tracers."""

import numpy as np
import pytest
import scipy.signal

import wengert as wg

MODES = ["full", "same", "valid"]
SHAPES = [((6,), (3,)), ((6,), (4,)), ((3,), (6,)), ((5, 4), (2, 3)), ((5, 4), (4, 2)), ((4, 1), (2, 1)),
          ((1,), (1,)), ((4, 3, 2), (2, 2, 2))]


def check(f, a, b):
    """Value, and the gradient of a bilinear map against differences, which are exact for it."""
    rng = np.random.default_rng(0)
    s, t = rng.normal(size=a.shape), rng.normal(size=b.shape)
    expected = f(a, b)
    value, tangent = wg.jvp(f, (a, b), (s, t))
    assert value.shape == expected.shape and value.dtype == expected.dtype
    np.testing.assert_allclose(value, expected, atol=1e-11)
    np.testing.assert_allclose(tangent, f(s, b) + f(a, t), atol=1e-11)
    w = rng.normal(size=expected.shape)
    w = w + 1j * rng.normal(size=expected.shape) if np.iscomplexobj(expected) else w
    first, second = wg.vjp(f, a, b)[1](w)
    inner = lambda x, y: np.sum(np.real(np.conj(x) * y))
    assert inner(first, s) == pytest.approx(inner(w, f(s, b)))
    assert inner(second, t) == pytest.approx(inner(w, f(a, t)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("a", "b"), SHAPES)
@pytest.mark.parametrize("is_complex", [False, True])
def test_convolve_and_correlate(mode, a, b, is_complex):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=a), rng.normal(size=b)
    if is_complex:
        x, y = x + 1j * rng.normal(size=a), y + 1j * rng.normal(size=b)
    if mode == "valid" and not (all(n >= m for n, m in zip(a, b)) or all(n <= m for n, m in zip(a, b))):
        return
    for method in ("auto", "direct", "fft"):
        check(lambda x, y: scipy.signal.convolve(x, y, mode, method), x, y)
        check(lambda x, y: scipy.signal.correlate(x, y, mode, method), x, y)
    check(lambda x, y: scipy.signal.fftconvolve(x, y, mode), x, y)


def test_fftconvolve_along_some_axes():
    rng = np.random.default_rng(1)
    for a, b, axes in [((5, 4), (5, 2), 1), ((5, 4), (1, 2), [1]), ((5, 4), (3, 4), (0,)),
                       ((5, 4), (3, 2), (-1, 0))]:
        for mode in MODES:
            check(lambda x, y: scipy.signal.fftconvolve(x, y, mode, axes), rng.normal(size=a),
                  rng.normal(size=b))


@pytest.mark.parametrize("f", [scipy.signal.convolve2d, scipy.signal.correlate2d])
@pytest.mark.parametrize(("a", "b"), [((6, 7), (3, 3)), ((5, 6), (2, 4)), ((5, 5), (4, 1)), ((3, 3), (5, 4)), ((1, 5), (1, 2))])
@pytest.mark.parametrize("mode", MODES)
def test_images(f, a, b, mode):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=a), rng.normal(size=b)
    for boundary in ("fill", "wrap", "symm"):
        check(lambda x, y: f(x, y, mode, boundary), x, y)
        check(lambda x, y: f(x, y, mode, boundary), x + 1j * rng.normal(size=a), y - 0.5j * y)
    filled = wg.jvp(lambda x, y: f(x, y, mode, "fill", 1.5), (x, y), (x, y))[0]
    np.testing.assert_allclose(filled, f(x, y, mode, "fill", 1.5), atol=1e-12)


def test_errors():
    x = np.ones((3, 2))
    for f in [lambda x: scipy.signal.convolve(x, np.ones(3)), lambda x: scipy.signal.convolve(x, x, "all"),
              lambda x: scipy.signal.convolve(x, np.ones((2, 3)), "valid"),
              lambda x: scipy.signal.convolve(x, x, method="none"),
              lambda x: scipy.signal.fftconvolve(x, np.ones((3, 3)), axes=0)]:
        with pytest.raises(ValueError):
            f(x)
        with pytest.raises(ValueError):
            wg.jvp(f, (x,), (x,))
