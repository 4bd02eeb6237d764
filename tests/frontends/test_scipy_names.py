"""Splines, filters and the like of SciPy by their own names: forms and options, compiled, and objects made outside."""


import numpy as np
import pytest
import scipy.interpolate as si
import scipy.linalg as sl
import scipy.ndimage as nd
import scipy.signal as ss
import scipy.special as sp
import scipy.stats as st
from by_name import check

import wengert as wg
from wengert.errors import UnsupportedError

RNG = np.random.default_rng(4)
X = np.array([0.0, 0.7, 1.5, 2.9, 3.3, 4.6])
Y = np.sin(X) + 0.3 * X
Y2 = np.stack([Y, np.cos(2.0 * X)], 1)
Q = np.array([0.13, 1.87, 3.05, 4.2])
LONG = RNG.normal(size=40)
PAIR = RNG.normal(size=(2, 40))
GRID = RNG.normal(size=(6, 6))
KNOTS = np.array([0.0, 0.0, 0.0, 0.0, 1.1, 2.3, 4.6, 4.6, 4.6, 4.6])
C = RNG.normal(size=6)


@pytest.mark.parametrize("ends", ["natural", "clamped", ((1, 0.3), (2, -0.4)), ("natural", "not-a-knot")])
def test_cubic_splines(ends):
    check(lambda x, y, q: si.CubicSpline(x, y, bc_type=ends)(q), X, Y, Q, jit=ends == "natural")


@pytest.mark.parametrize("n", [2, 3, 4])
def test_cubic_splines_of_few_points(n):
    check(lambda y, q: si.CubicSpline(X[:n], y)(q), Y[:n], Q)


@pytest.mark.parametrize("n", [3, 4, 6])
def test_periodic_splines(n):
    check(lambda x, y, q: si.CubicSpline(x, np.concatenate([y, y[:1]]), bc_type="periodic")(q), X[:n], Y[:n - 1], Q, jit=n == 6)


def test_piecewise_polynomials_in_other_forms():
    check(lambda y, q: si.CubicSpline(X, y, axis=1)(np.reshape(q, (2, 2))), Y2.T, Q)
    check(lambda y, a: si.CubicSpline(X, y).integrate(a, 4.0), Y, np.array(0.3))
    check(lambda y, q: si.CubicSpline(X, y).antiderivative(2)(q) + si.CubicSpline(X, y)(q, 2), Y, Q)
    check(lambda y, q: np.nan_to_num(si.Akima1DInterpolator(X, y, method="makima")(q)), Y, np.append(Q, 9.0))
    check(lambda y, q: si.pchip_interpolate(X, y, q), Y2, Q)
    with pytest.raises(ValueError, match="strictly increasing"):
        wg.grad(lambda x: si.CubicSpline(x, Y)(1.0))(X[::-1])
    with pytest.raises(ValueError, match="strictly increasing"):
        wg.jit(wg.grad(lambda x: si.CubicSpline(x, Y)(1.0)))(X[::-1])
    with pytest.raises(UnsupportedError, match=r"test_scipy_names\.py"):
        wg.grad(lambda y: si.CubicSpline(X, y).roots()[0])(Y)


def test_many_points_take_a_banded_system():
    n = 4000
    x = np.linspace(0.0, 1.0, n)
    slope = wg.grad(lambda y: si.CubicSpline(x, y)(0.3141))(np.cos(x))
    direction = np.sin(7.0 * x)
    assert np.sum(slope * direction) == pytest.approx(si.CubicSpline(x, direction)(0.3141), rel=1e-10)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_interpolating_splines(k):
    check(lambda x, y, q: si.make_interp_spline(x, y, k)(q), X, Y, Q, jit=k == 2)


def test_splines_in_other_forms():
    check(lambda x, y, q: si.make_interp_spline(x, y, bc_type="natural")(q), X, Y2, Q)
    check(lambda y, q: si.make_interp_spline(X, y, bc_type=([(1, 0.3)], [(2, 0.1)]))(q), Y, Q)
    check(lambda c, q: si.BSpline(KNOTS, c, 3).derivative(2)(q) + si.BSpline(KNOTS, c, 3).integrate(q[0], 3.0), C, Q,
          jit=True)
    check(lambda y, q: si.splint(q[0], q[2], si.splrep(X, y)) + si.splev(q, si.splrep(X, y), ext=3), Y, Q)
    check(lambda y, q: si.InterpolatedUnivariateSpline(X, y)(q), Y, Q)
    check(lambda y, q: si.interp1d(X, y, kind="quadratic", axis=0)(q), Y2, Q)
    check(lambda y, q: si.interp1d(X, y, bounds_error=False, fill_value=(y[0], 2.0))(q), Y, np.append(Q, [-1.0, 7.0]))
    check(lambda y, q: si.interp1d(X, y, fill_value="extrapolate")(q), Y, np.append(Q, [-1.0, 7.0]))
    for derive in (wg.grad, lambda f: wg.jit(wg.grad(f))):
        with pytest.raises(ValueError, match="above the interpolation range"):
            derive(lambda q: si.interp1d(X, Y)(q))(9.0)


@pytest.mark.parametrize("made", [
    si.CubicSpline(X, Y), si.PchipInterpolator(X, Y2), si.make_interp_spline(X, Y), si.BSpline(KNOTS, C, 3),
    si.interp1d(X, Y2.T, axis=1), si.interp1d(X, Y, kind="cubic"), si.UnivariateSpline(X, Y, s=0.1),
    si.BarycentricInterpolator(X, Y), si.KroghInterpolator(X, Y2)], ids=lambda made: type(made).__name__)
def test_objects_made_outside(made):
    check(lambda q: made(q), Q, jit=True)


def test_grids_made_outside():
    points = np.stack([Q, Q[::-1]], 1)
    for method in ("linear", "cubic"):
        made = si.RegularGridInterpolator((X, X), GRID, method=method)
        check(lambda p: made(p), points)
    surface, radial = si.RectBivariateSpline(X, X, GRID), si.RBFInterpolator(np.stack([X, Y], 1), Y, kernel="cubic")
    check(lambda a, b: surface(a, b), Q[:2], Q[2:])
    check(lambda p: radial(p), points)
    check(lambda v, p: si.interpn((X, X), v, p, bounds_error=False, fill_value=None), GRID, points - 0.5)


@pytest.mark.parametrize("kernel", ["linear", "quintic", "multiquadric", "gaussian"])
def test_radial_kernels(kernel):
    y = RNG.normal(size=(7, 2))
    check(lambda y, d: si.RBFInterpolator(y, d, kernel=kernel, epsilon=1.2, smoothing=0.1)(np.ones((2, 2))), y, y[:, 0],
          rtol=1e-7)


@pytest.mark.parametrize("n", [2, 9])
def test_filters_with_a_state(n):
    b, a = ss.butter(3, 0.3)
    check(lambda b, a, x, z: np.concatenate(ss.lfilter(b, a, x, zi=z)), b, 1.3 * a, LONG[:n], C[:3], jit=True)


def test_filters_in_other_forms():
    b, a = ss.butter(2, 0.3)
    sos = ss.butter(4, 0.3, output="sos")
    check(lambda b, a, x: ss.lfilter(b, a, x, axis=0), b, a, PAIR.T)
    check(lambda b, a, x: ss.filtfilt(b, a, x, padtype="even", padlen=5), b, a, PAIR)
    check(lambda x, z: np.concatenate([np.ravel(v) for v in ss.sosfilt(sos, x, zi=z)]), PAIR, RNG.normal(size=(2, 2, 2)))
    for mode in ("mirror", "wrap"):
        check(lambda x: ss.savgol_filter(x, 7, 3, deriv=1, delta=0.1, mode=mode), PAIR)
    for n in (21, 40, 51):
        check(lambda x: ss.resample(x, n, axis=1), PAIR)
    check(lambda x: ss.detrend(x, bp=[10, 20]), PAIR)
    check(lambda x: ss.medfilt2d(x, 3), GRID)
    check(lambda x: ss.decimate(x, 3, ftype="fir"), PAIR)


def test_a_filter_is_linear_in_its_length():
    """The adjoint of a filter is a filter: a signal of a million elements is no matter."""
    b, a = ss.butter(4, 0.1)
    x = RNG.normal(size=1_000_000)
    slope = wg.grad(lambda x: np.sum(ss.lfilter(b, a, x) ** 2))(x)
    y = ss.lfilter(b, a, x)
    np.testing.assert_allclose(slope, 2.0 * ss.lfilter(b, a, y[::-1])[::-1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", [
    {"nperseg": 15, "noverlap": 5, "nfft": 20, "scaling": "spectrum", "detrend": "linear"},
    {"nperseg": 16, "return_onesided": False}, {"nperseg": 16, "average": "median", "window": ("kaiser", 3.0)}], ids=str)
def test_spectra(options):
    check(lambda x: ss.welch(x, fs=10.0, **options)[1], PAIR, jit="nfft" in options)


def test_short_time_transforms():
    for boundary in ("even", "odd", None):
        check(lambda x: np.abs(ss.stft(x, nperseg=16, boundary=boundary)[2]), PAIR)
    check(lambda x: ss.spectrogram(x, nperseg=16, axis=0)[2], PAIR.T)


def test_a_cutoff_is_fitted_through_a_filter():
    """Design and filter in one function: the gradient in the cutoff frequency."""
    check(lambda w: ss.sosfilt(ss.butter(4, w, output="sos"), LONG), np.array(0.3), jit=True)
    check(lambda w: ss.lfilter(*ss.ellip(3, 1.0, 30.0, w, "bandpass"), LONG), np.array([0.2, 0.45]))
    check(lambda w: ss.lfilter(ss.firwin(11, w, pass_zero=False), 1.0, LONG), np.array([0.2, 0.45]))
    with pytest.raises(ValueError, match="critical frequencies"):
        wg.grad(lambda w: ss.butter(2, w)[0][0])(1.5)


@pytest.mark.parametrize("mode", ["reflect", "constant", "nearest", "mirror", "wrap"])
def test_images_beyond_their_edges(mode):
    check(lambda a, w: nd.convolve1d(a, w, axis=0, mode=mode, cval=0.5, origin=-1), GRID, C[:4])
    check(lambda a: nd.gaussian_filter(a, (1.0, 0.5), mode=mode), GRID)
    if mode in ("constant", "nearest", "mirror"):
        at = np.stack([np.append(Q, -0.3), np.append(Q[::-1], 6.1)])
        check(lambda a, c: nd.map_coordinates(a, c, order=1, mode=mode), GRID, at)


def test_definite_banded_systems():
    ab = np.array([[0.0, 0.3, -0.2, 0.4], [2.0, 2.5, 1.8, 3.0]])
    check(lambda ab, b: sl.solveh_banded(ab, b), ab, C[:4], jit=True)
    check(lambda ab, b: sl.solveh_banded(ab[::-1], b, lower=True), ab, GRID[:4])
    with pytest.raises(np.linalg.LinAlgError):
        wg.grad(lambda b: np.sum(sl.solveh_banded(-ab, b)))(C[:4])


def test_polar_factors_with_equal_singular_values():
    check(lambda a: np.concatenate([np.ravel(v) for v in sl.polar(a)]), np.eye(3) * 1.5)
    check(lambda a: sl.polar(a, side="left")[1], GRID[:2, :4])


@pytest.mark.parametrize("f", [lambda a: sl.polar(a)[0], lambda a: sl.polar(a)[1], lambda a: sl.polar(a[:, :2])[0]])
def test_a_polar_factor_of_a_singular_matrix_has_no_derivative(f):
    v = np.array([1.0, 2.0, 3.0])
    for a in (np.outer(v, v), np.outer(v, v) + np.outer([1.0, 2.0, 2.0], v)):
        with pytest.raises(np.linalg.LinAlgError, match="[Ss]ingular"):
            wg.grad(lambda a: np.sum(f(a)))(a)
    a = np.outer(v, v) + np.diag([1.0, 0.0, 0.0])  # where the determinant changes its sign, and the factor jumps
    with pytest.raises(np.linalg.LinAlgError, match="[Ss]ingular"):
        wg.grad(lambda a: np.sum(sl.polar(a)[0]))(a)


def test_equations_of_sylvester_without_a_unique_solution_are_refused():
    d = np.diag([1.0, 2.0, 3.0])
    with pytest.raises(np.linalg.LinAlgError, match="eigenvalues of A and -B coincide"):
        wg.grad(lambda a: np.sum(sl.solve_sylvester(a, -a, np.eye(3))))(d)


@pytest.mark.parametrize("c", [0.0, 1e-6, -0.3])
def test_shape_parameters_at_a_removable_hole(c):
    x = np.array([0.3, 0.8, 1.4])
    check(lambda x, c: st.genextreme.logpdf(x, c) + st.genpareto.logcdf(x, c), x, np.array(c))
    check(lambda q, c: st.genpareto.ppf(q, c), x / 2.0, np.array(c))


def test_frozen_distributions():
    made = st.truncnorm(-1.0, 2.0)
    check(lambda x: made.logpdf(x), np.array([-0.5, 0.3, 1.9]))
    check(lambda c: st.weibull_min(c, scale=2.0).logpdf(Q), np.array(1.3), jit=True)
    vectors = st.multivariate_t(np.zeros(2), np.eye(2) + 0.3, 4.0)
    check(lambda x: vectors.logpdf(x), PAIR[:, :2])


def test_a_function_without_an_implementation_is_looked_for_once(monkeypatch):
    from wengert.frontends import scipy_api
    assert scipy_api.find(ss.wiener) is None
    looked, names = [], scipy_api._named
    monkeypatch.setattr(scipy_api, "_named", lambda name: looked.append(name) or names(name))
    assert scipy_api.find(ss.wiener) is None
    assert len(looked) <= 2
    monkeypatch.setitem(scipy_api.BY_NAME, "scipy.signal.wiener", ss.lfilter)
    assert scipy_api.find(ss.wiener) is ss.lfilter


def same(f, *args):
    """Value and dtype are SciPy's own."""
    wanted = f(*args)
    found = wg.vjp(f, *args)[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-12 if wanted.dtype in (float, complex) else 1e-6)
    assert found.dtype == wanted.dtype


def test_single_precision_stays():
    x = LONG.astype(np.float32)
    for f in (lambda x: nd.gaussian_filter1d(x, 1.0), lambda x: nd.convolve(x, [1.0, 2.0]),
              lambda x: nd.correlate1d(x, [1j, 2.0]), lambda x: nd.convolve1d(x, [1j, 2.0, 3.0]),
              lambda x: nd.correlate(x, [1j, 2.0]), lambda x: nd.convolve(x, [1j, 2.0]),
              lambda x: nd.map_coordinates(x, [[0.5, 3.2]], order=1)):
        same(f, x)
    for f in (lambda x: ss.periodogram(x)[1], lambda x: ss.welch(x, nperseg=8, average="median")[1],
              lambda x: ss.stft(x, nperseg=8)[2]):
        assert wg.vjp(f, x)[0].dtype == f(x).dtype
    with pytest.raises(UnsupportedError, match="integers"):
        wg.grad(lambda w: np.sum(nd.correlate1d(np.arange(5), w)))(C[:3])
    same(lambda x: nd.gaussian_filter(x, (1, 0), order=(1, 0)), GRID)


def test_what_lies_outside_is_as_in_scipy():
    at = np.array([-1.0, 0.35, 9.0])
    for kind in ("previous", "next"):
        same(lambda y, kind=kind: si.interp1d(X, y, kind=kind, fill_value="extrapolate")(at), Y)
    points = np.array([[-1.0, 2.0], [np.nan, 1.0], [1.0, 2.0]])
    same(lambda v: si.RegularGridInterpolator((X, X), v, bounds_error=False, fill_value=7.0)(points), GRID)
    same(lambda v: si.RegularGridInterpolator((X[::-1], X), v)(points[2:]), GRID)
    steep = np.stack([1e12 * Y, np.array([0.0, 0.0, 1.0, 1.0, 1.0, 0.0])], 1)
    same(lambda y: si.Akima1DInterpolator(X, y, method="makima")(Q), steep)


def test_an_elliptic_filter_of_first_order():
    check(lambda w: np.concatenate(ss.ellip(1, 1.0, 30.0, w)), np.array(0.3))


@pytest.mark.parametrize(("name", "shapes"), [
    ("lognorm", (0.7,)), ("invgamma", (2.3,)), ("gamma", (2.3,)), ("beta", (2.2, 2.3)), ("rayleigh", ()), ("f", (5.0, 5.0))])
def test_at_the_end_of_a_support(name, shapes):
    """The density is 0 there, with the derivative 0, and so is what lies below."""
    made, x = getattr(st, name), np.array([0.3, 0.3 - 1.0, 0.9])
    for method in ("pdf", "cdf", "sf"):
        f = getattr(made, method)
        np.testing.assert_allclose(wg.vjp(lambda x, f=f: f(x, *shapes, loc=0.3), x)[0], f(x, *shapes, loc=0.3), rtol=1e-12)
        slopes = wg.grad(lambda x, f=f: np.sum(f(x, *shapes, loc=0.3)))(x)
        assert np.all(slopes[:2] == 0.0) and slopes[2] != 0.0
    np.testing.assert_array_equal(wg.vjp(lambda x: made.logpdf(x, *shapes, loc=0.3), x)[0][:2], -np.inf)


@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value)")
@pytest.mark.parametrize(("name", "shapes"), [("t", (4.5,)), ("cauchy", ()), ("genpareto", (-0.3,)), ("genextreme", (0.2,))])
def test_quantiles_at_the_ends(name, shapes):
    q = np.array([0.0, 1e-300, 0.3, 0.5, 0.8, 1.0])
    for method in ("ppf", "isf"):
        f = getattr(getattr(st, name), method)
        np.testing.assert_allclose(wg.vjp(lambda q, f=f: f(q, *shapes, scale=2.0), q)[0], f(q, *shapes, scale=2.0), rtol=1e-12,
                                   atol=1e-15)


def test_a_truncated_normal_without_a_lower_end():
    def f(mean):
        return st.truncnorm.logpdf(1.0, (-np.inf - mean) / 2.0, (3.0 - mean) / 2.0, loc=mean, scale=2.0)
    check(f, np.array(0.5))


def test_the_order_of_a_bessel_function_is_not_differentiated():
    assert wg.vjp(lambda x: sp.spherical_jn(2, x), np.float32(1.3))[0].dtype == np.float64
    for f in (lambda n: sp.spherical_jn(n, 1.3), lambda n: sp.jvp(n, 1.3)):
        with pytest.raises(UnsupportedError, match="order"):
            wg.grad(f)(2.0)


@pytest.mark.parametrize("f", [
    lambda fs: ss.welch(LONG, fs, nperseg=16)[1], lambda fs: ss.periodogram(LONG, fs)[0],
    lambda fs: np.abs(ss.stft(LONG, fs, nperseg=16, scaling="psd")[2]), lambda fs: ss.spectrogram(LONG, fs, nperseg=16)[1],
    lambda s: ss.welch(LONG, window=s * np.hanning(16) + 0.1, nperseg=16)[1],
    lambda r: np.concatenate(ss.cheby1(4, r, 0.3)), lambda r: np.concatenate(ss.cheby1(3, r, [0.2, 0.4], "band")),
    lambda r: np.concatenate(ss.cheby2(4, 10.0 * r, 0.3, "high")),
])
def test_what_scales_a_spectrum_or_shapes_a_filter_has_a_derivative(f):
    jacobian = wg.jacobian(f)(2.0)
    np.testing.assert_allclose(jacobian, wg.numeric.jacobian(f, 2.0, method="central"), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(wg.jit(wg.jacobian(f))(2.0), jacobian, rtol=1e-11, atol=1e-13)
    assert np.any(jacobian)


def test_the_ripple_of_an_elliptic_filter_is_refused():
    with pytest.raises(UnsupportedError, match="elliptic"):
        wg.jacobian(lambda r: ss.ellip(3, r, 30.0, 0.3)[0])(1.0)


@pytest.mark.parametrize("q", [-0.5, 2.0, 5.1])
def test_what_is_constant_outside_has_derivatives_as_in_scipy(q):
    """`splev` extrapolates derivatives whatever ext is; the derivative of such a spline object is 0 outside."""
    for der in (0, 1, 2):
        check(lambda y, der=der: si.splev(q, si.splrep(X, y), der=der, ext=3), Y)
    outside = si.InterpolatedUnivariateSpline(X, Y, ext=3).derivative()
    check(lambda q: outside(q) * 1.0, q)
