"""Functions of SciPy that are made of others: splines, filters, spectra, distributions, each as a small program.

What comes in: nothing. What goes out: `ENTRIES` and `REFUSED`, as in the catalog, which takes them in. The one idea: where a
function takes points, data and knots, the one array of an entry moves them all, so that one entry covers every derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.fft
import scipy.integrate as si_quad
import scipy.interpolate as si
import scipy.linalg as sl
import scipy.ndimage as nd
import scipy.optimize as so
import scipy.signal as ss
import scipy.spatial.distance as sd
import scipy.special as sp
import scipy.stats as st

ENTRIES: dict[str, tuple[Callable[..., Any], Any]] = {}
REFUSED: dict[str, str] = {}

_rng = np.random.default_rng(21)
V = np.array([-0.8, 0.35, 0.9, -0.2, 0.6, 0.15])
X = np.array([0.0, 0.7, 1.5, 2.9, 3.3, 4.6])
Q = np.array([0.13, 1.87, 3.05])
G = np.array([-1.0, 0.1, 0.45, 1.2, 2.0, 2.6])
SCATTERED = _rng.normal(size=(6, 2))
INSIDE = 0.2 * _rng.normal(size=(3, 2)) + SCATTERED[:3].mean(0)
LONG = _rng.normal(size=24)
PLANE = _rng.normal(size=(4, 5))
B, A = ss.butter(2, 0.3)
SOS = ss.butter(3, 0.3, output="sos")


def entry(name: str, f: Callable[..., Any], x: Any) -> None:
    ENTRIES[name] = (f, x)


def knots(v: Any) -> Any:
    return X + 0.1 * np.sin(v)


def points(v: Any) -> Any:
    return Q + 0.1 * v[:3]


def joined(*parts: Any) -> Any:
    return np.concatenate([np.reshape(p, -1) for p in parts])


# ---------------------------------------------------------------- interpolation, in knots, data and points at once

for name, f in {
    "CubicSpline": lambda v: si.CubicSpline(knots(v), v)(points(v)),
    "CubicSpline (periodic)": lambda v: si.CubicSpline(
        knots(v), np.concatenate([v[:-1], v[:1]]), bc_type="periodic")(points(v)),
    "CubicSpline (derivative)": lambda v: si.CubicSpline(knots(v), v).derivative()(points(v)),
    "CubicHermiteSpline": lambda v: si.CubicHermiteSpline(knots(v), v, np.cos(v))(points(v)),
    "PchipInterpolator": lambda v: si.PchipInterpolator(knots(v), v)(points(v)),
    "Akima1DInterpolator": lambda v: si.Akima1DInterpolator(knots(v), v)(points(v)),
    "PPoly": lambda v: si.PPoly(np.stack([v[:5], v[1:] ** 2]), knots(v))(points(v)),
    "make_interp_spline": lambda v: si.make_interp_spline(knots(v), v)(points(v)),
    "BSpline": lambda v: si.BSpline(np.concatenate([X[:1] - 1.0, knots(v), X[-1:] + 1.0, X[-1:] + 2.0]), v, 2)(points(v)),
    "BSpline (derivative)": lambda v: si.BSpline(
        np.concatenate([X[:1] - 1.0, knots(v), X[-1:] + 1.0, X[-1:] + 2.0]), v, 2).derivative()(points(v)),
    "splrep": lambda v: si.splrep(knots(v), v)[1],
    "splev": lambda v: si.splev(points(v), si.splrep(knots(v), v), der=1),
    "UnivariateSpline (made outside)": (lambda made: lambda v: made(points(v)))(si.UnivariateSpline(X, V, s=0.1)),
    "RectBivariateSpline (made outside)": (lambda made: lambda v: made.ev(points(v), points(v[::-1]) - 0.5))(
        si.RectBivariateSpline(X, G, _rng.normal(size=(6, 6)))),
    "barycentric_interpolate": lambda v: si.barycentric_interpolate(knots(v)[:4], v[:4], points(v)),
    "KroghInterpolator": lambda v: si.KroghInterpolator(knots(v)[:4], v[:4])(points(v)),
    "RegularGridInterpolator": lambda v: si.RegularGridInterpolator((knots(v), G), np.outer(v, v))(
        np.stack([points(v), points(v[::-1]) - 1.0], -1)),
    "RBFInterpolator": lambda v: si.RBFInterpolator(SCATTERED + 0.1 * v[:, None], v)(INSIDE + 0.1 * v[:3, None]),
    "LinearNDInterpolator": lambda v: si.LinearNDInterpolator(SCATTERED + 0.1 * v[:, None], v)(INSIDE + 0.1 * v[:3, None]),
    "griddata": lambda v: si.griddata(SCATTERED, v, INSIDE + 0.01 * v[:3, None]),
}.items():
    entry(f"scipy.interpolate.{name}", f, V)
for kind in ("linear", "cubic", "previous", "nearest"):
    entry(f"scipy.interpolate.interp1d ({kind})",
          (lambda kind: lambda v: si.interp1d(knots(v), v, kind=kind)(points(v)))(kind), V)


# ---------------------------------------------------------------- signals

for name, f, x in [
    ("convolve", lambda x: ss.convolve(x, x[:4]), LONG[:8]),
    ("correlate", lambda x: ss.correlate(x, x[:4]), LONG[:8]),
    ("fftconvolve", lambda x: ss.fftconvolve(x, x[:4]), LONG[:8]),
    ("oaconvolve", lambda x: ss.oaconvolve(x, x[:4]), LONG[:8]),
    ("convolve2d", lambda x: ss.convolve2d(x, x[:2, :2]), PLANE),
    ("lfilter", lambda x: ss.lfilter(x[:3], x[3:6] * 0.1 + 1.0 * np.eye(3)[0], x), LONG[:12]),
    ("lfilter (zi)", lambda x: joined(*ss.lfilter(x[:3], [1.3, -0.4, 0.2], x, zi=x[4:6])), LONG[:12]),
    ("lfilter_zi", lambda x: ss.lfilter_zi(x[:3], [1.3, -0.4, 0.2] + 0.1 * x[3:]), LONG[:6]),
    ("lfiltic", lambda x: ss.lfiltic(B, A * 1.2, x[:2], x[2:]), LONG[:5]),
    ("filtfilt", lambda x: ss.filtfilt(B, A, x), LONG),
    ("sosfilt", lambda x: ss.sosfilt(SOS, x), LONG),
    ("sosfilt_zi", lambda x: ss.sosfilt_zi(SOS * (1.0 + 0.1 * x)), LONG[:6]),
    ("sosfiltfilt", lambda x: ss.sosfiltfilt(SOS, x), LONG),
    ("deconvolve", lambda x: joined(*ss.deconvolve(x, x[:3] * 0.1 + [1.0, 0.2, 0.1])), LONG[:8]),
    ("savgol_filter", lambda x: ss.savgol_filter(x, 5, 2), LONG[:9]),
    ("medfilt", lambda x: ss.medfilt(x, 3), LONG[:9]),
    ("detrend", ss.detrend, LONG[:9]),
    ("hilbert", lambda x: np.abs(ss.hilbert(x)), LONG[:9]),
    ("resample", lambda x: ss.resample(x, 7), LONG[:12]),
    ("resample_poly", lambda x: ss.resample_poly(x, 3, 2), LONG[:12]),
    ("upfirdn", lambda x: ss.upfirdn(x[:3], x, 3, 2), LONG[:9]),
    ("decimate", lambda x: ss.decimate(x, 2, n=2), LONG),
    ("firwin", lambda x: ss.firwin(9, x), np.array([0.2, 0.45])),
    ("butter", lambda w: joined(*ss.butter(3, w)), np.array(0.3)),
    ("butter (sos)", lambda w: ss.butter(3, w, output="sos"), np.array(0.3)),
    ("butter (band)", lambda w: joined(*ss.butter(2, w, "bandpass")), np.array([0.2, 0.45])),
    ("cheby1", lambda w: joined(*ss.cheby1(3, 1.0, w, "high")), np.array(0.3)),
    ("cheby2", lambda w: joined(*ss.cheby2(3, 30.0, w)), np.array(0.3)),
    ("ellip", lambda w: joined(*ss.ellip(3, 1.0, 30.0, w, "bandstop")), np.array([0.2, 0.45])),
    ("bessel", lambda w: joined(*ss.bessel(3, w)), np.array(0.3)),
    ("iirfilter", lambda w: joined(*ss.iirfilter(2, w)), np.array([0.2, 0.45])),
    ("iirnotch", lambda w: joined(*ss.iirnotch(w, 3.0 + w)), np.array(0.3)),
    ("iirpeak", lambda w: joined(*ss.iirpeak(w, 3.0 + w)), np.array(0.3)),
    ("firwin (window)", lambda b: ss.firwin(9, 0.3, window=("kaiser", b)), np.array(3.0)),
    ("get_window", lambda b: ss.get_window(("kaiser", b), 7), np.array(3.0)),
    ("windows.kaiser", lambda b: ss.windows.kaiser(7, b), np.array(3.0)),
    ("windows.kaiser_bessel_derived", lambda b: ss.windows.kaiser_bessel_derived(8, b), np.array(3.0)),
    ("windows.gaussian", lambda s: ss.windows.gaussian(7, s), np.array(1.7)),
    ("windows.general_gaussian", lambda s: ss.windows.general_gaussian(7, s, s + 0.3), np.array(1.7)),
    ("windows.exponential", lambda t: ss.windows.exponential(7, tau=t), np.array(1.7)),
    ("windows.tukey", lambda a: ss.windows.tukey(7, a), np.array(0.6)),
    ("windows.general_cosine", lambda a: ss.windows.general_cosine(7, a), np.array([0.4, 0.5, 0.1])),
    ("windows.general_hamming", lambda a: ss.windows.general_hamming(7, a), np.array(0.6)),
    ("windows.taylor", lambda s: ss.windows.taylor(7, 4, s), np.array(31.0)),
    ("bilinear", lambda x: joined(*ss.bilinear(x[:2], x[2:] + 3.0, 2.0)), LONG[:5]),
    ("freqz", lambda x: ss.freqz(x[:3], x[3:] * 0.1 + 1.0, x[:2] ** 2)[1], LONG[:6]),
    ("freqz_sos", lambda w: ss.freqz_sos(SOS, w)[1], np.array([0.2, 0.9])),
    ("freqs", lambda w: ss.freqs(B, A, w)[1], np.array([0.2, 0.9])),
    ("periodogram", lambda x: ss.periodogram(x)[1], LONG[:9]),
    ("welch", lambda x: ss.welch(x, nperseg=8)[1], LONG),
    ("csd", lambda x: ss.csd(x, x[::-1] ** 2, nperseg=8)[1], LONG),
    ("coherence", lambda x: ss.coherence(x, x[::-1] ** 2, nperseg=8)[1], LONG),
    ("spectrogram", lambda x: ss.spectrogram(x, nperseg=8)[2], LONG),
    ("stft", lambda x: ss.stft(x, nperseg=8)[2], LONG),
    ("chirp", lambda x: ss.chirp(x, 2.0 + x[0], 1.7, 3.0), V),
    ("gausspulse", lambda x: ss.gausspulse(x, 3.0 + x[0]), V),
    ("find_peaks", lambda x: x[ss.find_peaks(x)[0]] ** 2, LONG),
]:
    entry(f"scipy.signal.{name}", f, x)

for name, f, x in [
    ("correlate1d", lambda x: nd.correlate1d(x, x[0, :3]), PLANE),
    ("convolve1d", lambda x: nd.convolve1d(x, x[0, :3], axis=0, mode="nearest"), PLANE),
    ("correlate", lambda x: nd.correlate(x, x[:2, :3]), PLANE),
    ("convolve", lambda x: nd.convolve(x, x[:2, :3], mode="constant"), PLANE),
    ("uniform_filter1d", lambda x: nd.uniform_filter1d(x, 3), PLANE),
    ("uniform_filter", lambda x: nd.uniform_filter(x, 3), PLANE),
    ("gaussian_filter1d", lambda x: nd.gaussian_filter1d(x, 0.7 + 0.1 * x[0, 0], radius=2), PLANE),
    ("gaussian_filter", lambda x: nd.gaussian_filter(x, 0.7, order=(0, 1)), PLANE),
    ("map_coordinates", lambda x: nd.map_coordinates(x, np.stack([x[0] ** 2, x[1] ** 2]), order=1), PLANE),
]:
    entry(f"scipy.ndimage.{name}", f, x)


# ---------------------------------------------------------------- linear algebra, special functions

BANDS = _rng.uniform(-0.3, 0.3, (3, 5)) + np.array([[0.0], [2.0], [0.0]])
SQUARE = _rng.normal(size=(3, 3)) + 2.0 * np.eye(3)
Z = np.array([0.3, 0.8, 1.4, 2.2])
PART = np.array([0.1, 0.35, 0.6, 0.93])

for name, f, x in [
    ("solve_banded", lambda x: sl.solve_banded((1, 1), x, x[1] ** 2), BANDS),
    ("solveh_banded", lambda x: sl.solveh_banded(x[:2], x[1] ** 2), BANDS),
    ("solve_toeplitz", lambda x: sl.solve_toeplitz(x[1], x[0]), BANDS + np.eye(3, 5, -1)),
    ("solve_circulant", lambda x: sl.solve_circulant(x[1] * [1.0, 0.1, 0.1, 0.1, 0.1], x[0]), BANDS),
    ("matmul_toeplitz", lambda x: sl.matmul_toeplitz(x[1], x[0]), BANDS),
    ("polar", lambda x: joined(*sl.polar(x)), SQUARE),
    ("orthogonal_procrustes", lambda x: joined(*sl.orthogonal_procrustes(x, x.T)), SQUARE),
    ("eigh (generalized)", lambda x: joined(*sl.eigh(x + x.T, x @ x.T + np.eye(3))), SQUARE),
    ("companion", sl.companion, Z),
    ("khatri_rao", lambda x: sl.khatri_rao(x, x[:2]), SQUARE),
    ("expm_frechet", lambda x: sl.expm_frechet(x, x.T, compute_expm=False), 0.3 * SQUARE),
    ("fractional_matrix_power", lambda x: sl.fractional_matrix_power(x, 3), SQUARE),
]:
    entry(f"scipy.linalg.{name}", f, x)
for name in ("spherical_jn", "spherical_yn", "spherical_in", "spherical_kn"):
    entry(f"scipy.special.{name}", (lambda f: lambda x: f(2, x) * f(0, x, derivative=True))(getattr(sp, name)), Z)
for name in ("jvp", "yvp", "ivp", "kvp"):
    entry(f"scipy.special.{name}", (lambda f: lambda x: f(1.5, x, 2))(getattr(sp, name)), Z)
entry("scipy.special.stdtrit", lambda x: sp.stdtrit(2.0 + x, PART), Z)
entry("scipy.special.perm", lambda x: sp.perm(x + 3.0, 2.0), Z)
for name in ("fft2", "ifft2", "rfft2", "fftn", "rfftn", "hfft", "ihfft"):
    entry(f"scipy.fft.{name}", (lambda f: lambda x: np.abs(f(x)) ** 2)(getattr(scipy.fft, name)), SQUARE)
for name in ("dctn", "idctn", "dstn", "idstn", "fftshift", "ifftshift"):
    entry(f"scipy.fft.{name}", (lambda f: lambda x: f(x) * x)(getattr(scipy.fft, name)), SQUARE)


# ---------------------------------------------------------------- distributions, in place, scale and shapes at once

for name, shapes in {
    "weibull_min": (1.7,), "pareto": (1.7,), "halfnorm": (), "halfcauchy": (), "invgamma": (2.3,), "rayleigh": (),
    "maxwell": (), "chi": (3.2,), "f": (3.0, 5.0), "genpareto": (0.3,), "laplace": (), "gumbel_r": (), "gumbel_l": (),
    "genextreme": (-0.2,), "skewnorm": (1.5,), "exponnorm": (1.2,), "vonmises": (1.4,), "truncnorm": (-0.5, 3.0),
    "loguniform": (0.2, 5.0), "t": (4.5,),
}.items():
    known = () if name in ("skewnorm", "vonmises") else ("cdf",) if name in ("exponnorm", "truncnorm") else ("cdf", "ppf")
    for way in ("logpdf", *known) if name != "t" else ("ppf",):
        at = PART if way in ("ppf", "isf") else Z + (1.0 if name == "pareto" else 0.0)
        entry(f"scipy.stats.{name}.{way}", (lambda n, w, s: lambda x: getattr(getattr(st, n), w)(
            x, *[v * (1.0 + 0.01 * x[0]) for v in s], scale=1.1 + 0.1 * x[1]))(name, way, shapes), at)
for name, f, x in [
    ("binom.logpmf", lambda p: st.binom.logpmf(np.arange(4), 4, p), PART),
    ("binom.cdf", lambda p: st.binom.cdf(np.arange(4), 4, p), PART),
    ("nbinom.logpmf", lambda x: st.nbinom.logpmf(np.arange(4), 2.0 + x, x), PART),
    ("nbinom.cdf", lambda x: st.nbinom.cdf(np.arange(4), 2.0 + x, x), PART),
    ("geom.logpmf", lambda p: st.geom.logpmf(np.arange(1, 5), p), PART),
    ("geom.cdf", lambda p: st.geom.cdf(np.arange(1, 5), p), PART),
    ("bernoulli.cdf", lambda p: st.bernoulli.cdf(np.array([0, 1, 0, 2]), p), PART),
    ("multivariate_t.logpdf", lambda x: st.multivariate_t.logpdf(x[0], x[1], x @ x.T + np.eye(3), 3.0 + x[0, 0]), SQUARE),
    ("dirichlet.logpdf", lambda x: st.dirichlet.logpdf(x[:3] / np.sum(x), x), Z),
    ("multinomial.logpmf", lambda x: st.multinomial.logpmf([1, 2, 0, 3], 6, x / np.sum(x)), Z),
    ("wishart.logpdf", lambda x: st.wishart.logpdf(x @ x.T, 5.0, x.T @ x + np.eye(3)), SQUARE),
    ("invwishart.logpdf", lambda x: st.invwishart.logpdf(x @ x.T, 5.0, x.T @ x + np.eye(3)), SQUARE),
]:
    entry(f"scipy.stats.{name}", f, x)

entry("np.roots", lambda p: np.real(np.roots(p)), np.array([1.0, -6.2, 11.0, -6.0]))
entry("np.polydiv", lambda x: joined(*np.polydiv(x, x[:2])), np.array([1.5, 0.4, 3.0, -0.7]))
entry("np.histogram2d", lambda x: np.histogram2d(V, V[::-1], 2, weights=x)[0] ** 2, V)


# ---------------------------------------------------------------- optimization

for name, f in {
    "rosen": so.rosen, "rosen_der": so.rosen_der, "rosen_hess": so.rosen_hess,
    "rosen_hess_prod": lambda x: so.rosen_hess_prod(x, x[::-1] ** 2),
}.items():
    entry(f"scipy.optimize.{name}", f, V)
for name, f, why in [
    ("fmin", lambda x: so.fmin(lambda y: np.sum((y - x) ** 2), V, maxiter=2, disp=0), "use scipy.optimize.minimize"),
    ("fmin_bfgs", lambda x: so.fmin_bfgs(lambda y: np.sum((y - x) ** 2), V, disp=0), "use scipy.optimize.minimize"),
    ("leastsq", lambda x: so.leastsq(lambda y: y - x, V)[0], "use scipy.optimize.least_squares"),
    ("lsq_linear", lambda x: so.lsq_linear(np.diag(x), V).x, "use scipy.optimize.least_squares, or np.linalg.lstsq"),
    ("differential_evolution", lambda x: so.differential_evolution(lambda y: np.sum((y - x) ** 2), [(0, 1)] * 6, maxiter=1).x,
     "search with plain numbers outside, then scipy.optimize.minimize from there"),
    ("basinhopping", lambda x: so.basinhopping(lambda y: np.sum((y - x) ** 2), V, niter=0).x,
     "search with plain numbers outside, then scipy.optimize.minimize from there"),
]:
    entry(f"scipy.optimize.{name}", f, V)
    REFUSED[f"scipy.optimize.{name}"] = why

for name, f in {"chebwin": lambda a: ss.windows.chebwin(7, a), "dpss": lambda a: ss.windows.dpss(7, a)}.items():
    entry(f"scipy.signal.windows.{name}", f, np.array(3.0))
    REFUSED[f"scipy.signal.windows.{name}"] = "its parameters are not traced; use kaiser, gaussian or taylor"


# ---------------------------------------------------------------- distances

for metric in ("euclidean", "sqeuclidean", "cityblock", "chebyshev", "minkowski", "cosine", "correlation", "canberra",
               "braycurtis", "seuclidean"):
    entry(f"scipy.spatial.distance.cdist ({metric})", (lambda m: lambda x: sd.cdist(x, x[:2, ::-1] ** 2, m))(metric), PLANE[:3])
for name, f in {
    "pdist": sd.pdist, "squareform": lambda x: sd.squareform(x[0, :3] ** 2),
    "mahalanobis": lambda x: sd.mahalanobis(x[0], x[1], np.eye(5) + np.outer(x[2], x[2])),
    "jensenshannon": lambda x: sd.jensenshannon(x[0] ** 2, x[1] ** 2 + 0.1),
}.items():
    entry(f"scipy.spatial.distance.{name}", f, PLANE[:3])


# ---------------------------------------------------------------- quadrature

for name, f, x in [
    ("romb", lambda x: si_quad.romb(x, 0.3), LONG[:9]),
    ("cumulative_simpson", lambda x: si_quad.cumulative_simpson(x, dx=0.3), LONG[:8]),
    ("cumulative_simpson (x)", lambda x: si_quad.cumulative_simpson(x, x=np.arange(6.0) + 0.1 * np.sin(x)), V),
    ("nquad", lambda a: si_quad.nquad(lambda x, y: np.exp(-a * x * y), [lambda y: (0, y * a), (0, a)])[0], np.array(0.7)),
]:
    entry(f"scipy.integrate.{name}", f, x)
