"""Windows with traced parameters, notch filters, filters by name: values of SciPy's, derivatives by differences."""

import numpy as np
import pytest
import scipy.signal as ss
import scipy.signal.windows as w

import wengert as wg
from wengert.errors import UnsupportedError
from wengert.numeric import directional_estimate

RNG = np.random.default_rng(0)
SIGNAL = RNG.normal(size=40)


def check(f, x, jit=False):
    wanted, found = f(x), wg.vjp(f, x)[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-13)
    assert np.shape(found) == np.shape(wanted)
    c = RNG.normal(size=np.shape(wanted))

    def number(x):
        return np.sum(c * f(x) ** 2)
    estimate = directional_estimate(number, x, np.ones(np.shape(x)))
    derivative = wg.grad(number)(x)
    assert abs(np.sum(derivative) - estimate.value) < 1e-7 * max(1.0, abs(estimate.value)) + 20 * estimate.error
    if jit:
        np.testing.assert_allclose(wg.jit(wg.grad(number))(x), derivative, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("sym", [True, False])
@pytest.mark.parametrize("n", [1, 6, 7])
def test_windows_in_their_parameters(n, sym):
    jit = n == 6 and sym
    check(lambda b: w.kaiser(n, b, sym), 3.7, jit)
    check(lambda s: w.gaussian(n, s, sym=sym), 1.7, jit)
    check(lambda p: w.general_gaussian(n, p[0], p[1], sym), np.array([1.3, 1.7]), jit)
    check(lambda t: w.exponential(n, None, t, sym), 1.3, jit)
    check(lambda a: w.general_hamming(n, a, sym), 0.6, jit)
    check(lambda a: w.general_cosine(n, a, sym), np.array([0.4, 0.5, 0.1]), jit)
    check(lambda s: w.taylor(n, 4, s, sym=sym), 31.0, jit)
    check(lambda s: w.taylor(n, 5, s, False, sym), 31.0)
    for alpha in (0.37, 0.5, 1.3, -0.2):
        check(lambda a: w.tukey(n, a, sym), alpha, jit)


def test_windows_with_an_argument_of_their_own():
    check(lambda c: w.exponential(7, c, 2.0, False), 2.3)
    check(lambda b: w.kaiser_bessel_derived(8, b), 3.0)
    np.testing.assert_allclose(wg.vjp(lambda p: w.general_gaussian(5, p, 2.0), 0.0)[0], w.general_gaussian(5, 0.0, 2.0))
    for make in (lambda a: w.exponential(7, 2.0, a), lambda a: w.kaiser(2.5, a), lambda a: w.kaiser_bessel_derived(7, a),
                 lambda a: w.kaiser_bessel_derived(8, a, sym=False)):
        with pytest.raises(ValueError):
            make(2.0)
        with pytest.raises(ValueError):
            wg.grad(lambda a: np.sum(make(a)))(2.0)


@pytest.mark.parametrize(("name", "at"), [
    (("kaiser",), 1.4), (("gauss",), 1.4), (("tukey",), 0.6), (("exponential_periodic", None), 1.4), (("kbd_symmetric",), 1.4),
    (("taylorwin", 4), 30.0), (("general hamming",), 0.6)])
def test_windows_by_name(name, at):
    check(lambda b: ss.get_window((*name, b), 8), at)


def test_what_takes_a_window_takes_its_parameter():
    check(lambda b: ss.get_window(b, 8), 1.4)
    check(lambda b: ss.get_window(("general_cosine", [0.5, b]), 8, False), 0.4)
    check(lambda b: ss.firwin(9, 0.3, window=("kaiser", b)), 3.0, jit=True)
    check(lambda b: ss.firwin(9, b / 10.0, window=("kaiser", b)), 3.0)
    check(lambda b: ss.welch(SIGNAL, window=("kaiser", b), nperseg=8)[1], 3.0)


def test_windows_that_are_refused():
    for make in (lambda a: w.chebwin(7, a), lambda a: w.dpss(7, a), lambda a: ss.get_window(("chebwin", a), 7)):
        with pytest.raises(UnsupportedError, match="use kaiser, gaussian or taylor"):
            wg.grad(lambda a: np.sum(make(a)))(50.0)
    for name in ("hann", "none such"):
        with pytest.raises(ValueError, match=name):
            wg.grad(lambda a: np.sum(ss.get_window((name, a), 7)))(50.0)


@pytest.mark.parametrize("make", [ss.iirnotch, ss.iirpeak])
def test_notches_and_peaks(make):
    check(lambda p: np.concatenate(make(p[0], p[1])), np.array([0.3, 5.0]), jit=True)
    check(lambda p: np.concatenate(make(p[0], 5.0, p[1])), np.array([0.3, 3.0]))
    with pytest.raises(ValueError, match="w0 should be such that"):
        wg.grad(lambda a: make(a, 3.0)[1][1])(1.5)


@pytest.mark.parametrize(("kind", "ripple"), [
    ("butter", {}), ("chebyshev1", {"rp": 1.0}), ("cheby2", {"rs": 30.0}), ("cauer", {"rp": 1.0, "rs": 30.0}), ("bessel", {}),
    ("bessel_mag", {})])
def test_filters_by_the_name_of_their_kind(kind, ripple):
    check(lambda f: np.concatenate(ss.iirfilter(2, f, ftype=kind, **ripple)), np.array([0.2, 0.4]))
    check(lambda f: np.concatenate(ss.iirfilter(3, f, ftype=kind, btype="low", **ripple)), np.array(0.2))


def test_filters_that_are_wrong():
    for wrong in ({"ftype": "none"}, {"ftype": "cheby1"}, {"btype": "none"}, {"output": "none"}):
        with pytest.raises(ValueError):
            ss.iirfilter(2, [0.2, 0.4], **wrong)
        with pytest.raises(ValueError):
            wg.grad(lambda f: np.sum(ss.iirfilter(2, f, **wrong)[0]))(np.array([0.2, 0.4]))
