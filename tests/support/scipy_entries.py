"""Functions of SciPy that are made of others: splines, filters, spectra, distributions, each as a small program.

What comes in: nothing. What goes out: `ENTRIES`, as in the catalog, which takes them in. The one idea: where a function takes
points, data and knots, the one array of an entry moves them all, so that one entry covers every derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.interpolate as si
import scipy.ndimage as nd
import scipy.signal as ss

ENTRIES: dict[str, tuple[Callable[..., Any], Any]] = {}

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
    "CubicSpline (natural)": lambda v: si.CubicSpline(knots(v), v, bc_type="natural")(points(v)),
    "CubicSpline (clamped)": lambda v: si.CubicSpline(knots(v), v, bc_type="clamped")(points(v)),
    "CubicSpline (derivatives at the ends)": lambda v: si.CubicSpline(
        knots(v), v, bc_type=((1, v[0]), (2, v[1])))(points(v)),
    "CubicSpline (periodic)": lambda v: si.CubicSpline(
        knots(v), np.concatenate([v[:-1], v[:1]]), bc_type="periodic")(points(v)),
    "CubicSpline.derivative": lambda v: si.CubicSpline(knots(v), v).derivative()(points(v)),
    "CubicSpline.integrate": lambda v: si.CubicSpline(knots(v), v).integrate(v[0], points(v)[1]),
    "CubicHermiteSpline": lambda v: si.CubicHermiteSpline(knots(v), v, np.cos(v))(points(v)),
    "PchipInterpolator": lambda v: si.PchipInterpolator(knots(v), v)(points(v)),
    "Akima1DInterpolator": lambda v: si.Akima1DInterpolator(knots(v), v)(points(v)),
    "PPoly": lambda v: si.PPoly(np.stack([v[:5], v[1:] ** 2]), knots(v))(points(v)),
    "make_interp_spline": lambda v: si.make_interp_spline(knots(v), v)(points(v)),
    "make_interp_spline (degree 2)": lambda v: si.make_interp_spline(knots(v), v, 2)(points(v)),
    "make_interp_spline (natural)": lambda v: si.make_interp_spline(knots(v), v, bc_type="natural")(points(v)),
    "BSpline": lambda v: si.BSpline(np.concatenate([X[:1] - 1.0, knots(v), X[-1:] + 1.0, X[-1:] + 2.0]), v, 2)(points(v)),
    "BSpline.derivative": lambda v: si.BSpline(
        np.concatenate([X[:1] - 1.0, knots(v), X[-1:] + 1.0, X[-1:] + 2.0]), v, 2).derivative()(points(v)),
    "BSpline.integrate": lambda v: si.BSpline(
        np.concatenate([X[:1] - 1.0, knots(v), X[-1:] + 1.0, X[-1:] + 2.0]), v, 2).integrate(points(v)[0], points(v)[2]),
    "splrep": lambda v: si.splrep(knots(v), v)[1],
    "splev": lambda v: si.splev(points(v), si.splrep(knots(v), v), der=1),
    "splint": lambda v: si.splint(points(v)[0], points(v)[2], si.splrep(knots(v), v)),
    "InterpolatedUnivariateSpline": lambda v: si.InterpolatedUnivariateSpline(knots(v), v)(points(v)),
    "UnivariateSpline (made outside)": (lambda made: lambda v: made(points(v)))(si.UnivariateSpline(X, V, s=0.1)),
    "RectBivariateSpline (made outside)": (lambda made: lambda v: made.ev(points(v), points(v[::-1]) - 0.5))(
        si.RectBivariateSpline(X, G, _rng.normal(size=(6, 6)))),
    "barycentric_interpolate": lambda v: si.barycentric_interpolate(knots(v)[:4], v[:4], points(v)),
    "KroghInterpolator": lambda v: si.KroghInterpolator(knots(v)[:4], v[:4])(points(v)),
    "RegularGridInterpolator": lambda v: si.RegularGridInterpolator((knots(v), G), np.outer(v, v))(
        np.stack([points(v), points(v[::-1]) - 1.0], -1)),
    "interpn": lambda v: si.interpn((knots(v), G), np.outer(v, v), np.stack([points(v), points(v) - 1.0], -1)),
    "RBFInterpolator": lambda v: si.RBFInterpolator(SCATTERED + 0.1 * v[:, None], v)(INSIDE + 0.1 * v[:3, None]),
    "LinearNDInterpolator": lambda v: si.LinearNDInterpolator(SCATTERED + 0.1 * v[:, None], v)(INSIDE + 0.1 * v[:3, None]),
    "griddata": lambda v: si.griddata(SCATTERED, v, INSIDE + 0.01 * v[:3, None]),
    "pchip_interpolate": lambda v: si.pchip_interpolate(knots(v), v, points(v)),
}.items():
    entry(f"scipy.interpolate.{name}", f, V)
for kind in ("linear", "quadratic", "cubic", "previous", "nearest"):
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
