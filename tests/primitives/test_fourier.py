"""Fourier, cosine and sine transforms: the primitives, and `np.fft` and `scipy.fft` on tracers."""

import numpy as np
import pytest
import scipy.fft

import wengert as wg
from wengert.backends.interpret import evaluate
from wengert.graph import build_graph, type_of
from wengert.primitives import fourier
from wengert.transforms.batch import batch
from wengert.transforms.linearize import linearize
from wengert.transforms.transpose import transpose

PRIMITIVES = (fourier.fft, fourier.rfft, fourier.irfft, fourier.dct, fourier.dst)
CASES = [(p, operands[0], params) for p in PRIMITIVES
         for operands, params in p.sample(np.random.default_rng(5))]
by_case = pytest.mark.parametrize(("p", "x", "params"), CASES,
                                  ids=[f"{p.name}-{params}" for p, _, params in CASES])
NORMS = [None, "backward", "ortho", "forward"]


def inner(a, b):
    return float(np.sum(np.real(np.conj(a) * b)))


def draw(rng, shape, is_complex):
    out = rng.normal(size=shape)
    return out + 1j * rng.normal(size=shape) if is_complex else out


@by_case
def test_type_and_precision(p, x, params):
    assert p.type(type_of(x), **params) == type_of(p(x, **params))
    single = x.astype(np.complex64 if np.iscomplexobj(x) else np.float32)
    assert p.type(type_of(single), **params) == type_of(p(single, **params))


@by_case
def test_transpose_and_its_transpose(p, x, params):
    rng = np.random.default_rng(1)
    y = p(x, **params)
    w = draw(rng, y.shape, np.iscomplexobj(y))
    adjoint = transpose(linearize(build_graph(lambda h: p(h, **params), type_of(x)), [True])).graph
    back, = evaluate(adjoint, [w])
    assert type_of(back) == type_of(x)
    assert inner(y, w) == pytest.approx(inner(x, back), abs=1e-12)
    again, = evaluate(transpose(linearize(adjoint, [True])).graph, [x])
    np.testing.assert_allclose(again, y, atol=1e-12)


@by_case
def test_batch(p, x, params):
    graph, flags = batch(build_graph(lambda h: p(h, **params), type_of(x)), 3, [True])
    lanes = np.stack([x, 2.0 * x, x - 1.0])
    found, = evaluate(graph, [lanes])
    assert flags == (True,)
    for one, lane in zip(found, lanes):
        np.testing.assert_allclose(one, p(lane, **params), atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8])
def test_primitives_against_their_definition(n):
    rng = np.random.default_rng(n)
    z, x = draw(rng, n, True), draw(rng, n, False)
    k = np.arange(n)
    f = np.exp(-2j * np.pi * np.outer(k, k) / n)
    np.testing.assert_allclose(fourier.fft(z, axis=0, inverse=False, norm="backward"), f @ z, atol=1e-12)
    np.testing.assert_allclose(fourier.fft(z, axis=0, inverse=True, norm="forward"), f.conj() @ z, atol=1e-12)
    np.testing.assert_allclose(fourier.rfft(x, axis=0, norm="ortho"), (f @ x)[:n // 2 + 1] / np.sqrt(n),
                               atol=1e-12)


# ---------------------------------------------------------------- as the user calls them

def check(f, x, exact=True):
    """Values to the bit, forward and reverse mode of a linear function f."""
    rng = np.random.default_rng(7)
    expected = f(x)
    t = draw(rng, x.shape, np.iscomplexobj(x)).astype(x.dtype)
    value, tangent = wg.jvp(f, (x,), (t,))
    assert value.dtype == expected.dtype and value.shape == expected.shape
    if exact:
        assert np.array_equal(value, expected)
    tolerance = 1e-4 if x.dtype in (np.float32, np.complex64) else 1e-11
    np.testing.assert_allclose(value, expected, atol=tolerance)
    np.testing.assert_allclose(tangent, f(t), atol=tolerance)
    w = draw(rng, expected.shape, np.iscomplexobj(expected)).astype(expected.dtype)
    back, = wg.vjp(f, x)[1](w)
    assert back.dtype == x.dtype and back.shape == x.shape
    assert inner(back, t) == pytest.approx(inner(f(t), w), abs=100 * tolerance)


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("points", [None, 1, 2, 3, 7, 8])
def test_one_axis(name, norm, points):
    rng = np.random.default_rng(0)
    for module in (np.fft, scipy.fft):
        function = getattr(module, name)
        for size in (4, 5):
            for is_complex in (False, True):
                if not (is_complex and name in ("rfft", "ihfft")):
                    x = draw(rng, (3, size), is_complex)
                    check(lambda z: function(z, points, norm=norm), x)
                    check(lambda z: function(z, points, 0, norm), x)


SEVERAL = [{}, {"norm": "ortho"}, {"s": (2, 5), "axes": (0, 1)}, {"axes": (1,)},
           {"s": (-1, 3), "axes": (2, 0)},
           {"axes": (-1, 0), "norm": "forward"}]


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn", "fft2", "ifft2", "rfft2", "irfft2"])
@pytest.mark.parametrize("keywords", SEVERAL)
def test_several_axes(name, keywords):
    rng = np.random.default_rng(0)
    for is_complex in (False, True):
        if is_complex and name.startswith("rfft"):
            continue
        x = draw(rng, (3, 4, 3), is_complex)
        check(lambda z: getattr(np.fft, name)(z, **keywords), x)
        check(lambda z: getattr(scipy.fft, name)(z, **keywords), x, exact=False)


@pytest.mark.parametrize("name", ["hfftn", "ihfftn", "hfft2", "ihfft2"])
def test_hermitian_of_several_axes(name):
    x = draw(np.random.default_rng(0), (3, 4, 3), name.startswith("hfft"))
    check(lambda z: getattr(scipy.fft, name)(z), x, exact=False)


@pytest.mark.parametrize("name", ["dct", "idct", "dst", "idst"])
@pytest.mark.parametrize("kind", [1, 2, 3, 4])
@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
def test_cosine_and_sine(name, kind, norm):
    x = draw(np.random.default_rng(0), (3, 5), False)
    check(lambda z: getattr(scipy.fft, name)(z, kind, norm=norm), x, exact=False)
    check(lambda z: getattr(scipy.fft, name)(z, kind, 4, 0, norm), x, exact=False)
    check(lambda z: getattr(scipy.fft, name + "n")(z, kind, norm=norm), x, exact=False)


@pytest.mark.parametrize("shape", [(1, 3), (4, 3), (5, 2), (0, 3)])
def test_shifts(shape):
    x = np.random.default_rng(0).normal(size=shape)
    check(np.fft.fftshift, x)
    check(lambda z: np.fft.ifftshift(z), x)
    check(lambda z: np.fft.ifftshift(z, 0), x)
    check(lambda z: np.fft.fftshift(z, axes=(1,)), x)
    check(lambda z: np.fft.ifftshift(np.fft.fftshift(z)), x)


def test_single_precision_and_empty():
    rng = np.random.default_rng(0)
    for name in ("fft", "rfft", "irfft"):
        check(lambda z: getattr(np.fft, name)(z), rng.normal(size=6).astype(np.float32))
        check(lambda z: getattr(np.fft, name)(z), np.zeros((0, 4)))


def test_gradient_and_hessian_of_a_spectrum():
    """Parseval: the sum of |rfft(x)|² counts the doubled frequencies once."""
    x = np.random.default_rng(0).normal(size=6)

    def power(x):
        spectrum = np.fft.fft(x)
        return np.sum(spectrum.real ** 2 + spectrum.imag ** 2) / 2
    np.testing.assert_allclose(wg.grad(power)(x), 6 * x, atol=1e-12)
    np.testing.assert_allclose(wg.hessian(power)(x), 6 * np.eye(6), atol=1e-12)


def test_batched_user_function():
    x = np.random.default_rng(0).normal(size=(3, 5))
    found = wg.vmap(lambda row: np.fft.irfft(np.fft.rfft(row) * np.arange(3.0), 5))(x)
    np.testing.assert_allclose(found, np.fft.irfft(np.fft.rfft(x) * np.arange(3.0), 5), atol=1e-14)


def test_sample_spacing_is_differentiable():
    f = lambda d: np.sum(np.fft.fftfreq(4, d) ** 2)
    assert wg.grad(f)(2.0) == pytest.approx(-2 * f(2.0) / 2.0)


REFUSED = [(lambda z: np.fft.fft(z[:0]), ValueError), (lambda z: np.fft.fft(z[0]), IndexError),
           (lambda z: np.fft.fft(z, 0), ValueError), (lambda z: np.fft.rfft(z * 1j), TypeError),
           (lambda z: np.fft.irfft(z[:1]), ValueError), (lambda z: np.fft.fft(z, norm="x"), ValueError),
           (lambda z: np.fft.fft(z, 2.0), TypeError), (lambda z: np.fft.fft(z, axis=4), IndexError),
           (lambda z: np.fft.rfft2(z), IndexError)]


@pytest.mark.parametrize(("f", "error"), REFUSED)
def test_errors_are_numpys(f, error):
    x = np.ones(3)
    with pytest.raises(error):
        f(x)
    with pytest.raises(error):
        wg.jvp(f, (x,), (x,))


def test_refused_keywords():
    with pytest.raises(wg.errors.UnsupportedError, match="orthogonalize"):
        wg.jvp(lambda z: scipy.fft.dct(z, orthogonalize=True), (np.ones(3),), (np.ones(3),))
