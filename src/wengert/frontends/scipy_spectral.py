"""Spectral estimates of ``scipy.signal`` on tracers.

What comes in: signals. What goes out: power spectra, their averages, and transforms of overlapping segments. The one idea: all
are Fourier transforms of windows of the signal, each without its trend and under a taper.

Welch, IEEE Trans. Audio Electroacoust. 15 (1967).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.frontends.numpy_api import fourier
from wengert.frontends.numpy_api.structure import as_array
from wengert.frontends.scipy_api import scipy_function
from wengert.frontends.scipy_data import along_last, data, floating, refuse
from wengert.frontends.scipy_filters import detrend as without_trend
from wengert.frontends.scipy_windows import get_window
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced
from wengert.primitives.window import window as windows_of

__all__: list[str] = []

_concatenate = FUNCTIONS[np.concatenate]


class _Segments:
    """How a signal is cut, tapered and scaled; the taper and the sampling frequency may be traced."""

    def __init__(self, n: int, fs: Any, window: Any, nperseg: Any, noverlap: Any, nfft: Any, scaling: str):
        if not isinstance(window, (str, tuple)):
            taper = data(window)
            nperseg = taper.shape[0] if nperseg is None else nperseg
            if taper.ndim != 1 or len(taper) != nperseg:
                raise ValueError("window must be 1-D, and as long as nperseg")
        else:
            nperseg = min(256 if nperseg is None else int(nperseg), n)
            taper = get_window(window, nperseg)
        self.length, self.taper = int(nperseg), taper
        self.overlap = self.length // 2 if noverlap is None else int(noverlap)
        if self.overlap >= self.length:
            raise ValueError("noverlap must be less than nperseg.")
        self.nfft = self.length if nfft is None else int(nfft)
        if self.nfft < self.length:
            raise ValueError("nfft must be greater than or equal to nperseg.")
        fs = as_traced(fs)
        if scaling not in ("density", "spectrum"):
            raise ValueError(f"Unknown scaling: {scaling!r}")
        scale = 1.0 / (fs * np.sum(taper ** 2)) if scaling == "density" else 1.0 / np.sum(taper) ** 2
        self.scale = scale if isinstance(scale, Tracer) else float(scale)
        self.fs, self.step = fs, self.length - self.overlap

    def transformed(self, x: Any, detrend: Any, one_sided: bool) -> Any:
        """Transforms of the segments: (..., segment, frequency)."""
        x = as_array(x)
        seen = windows_of(x, windows=((x.ndim - 1, self.length, self.step, 1),))
        if detrend is not False and detrend is not None:
            if not isinstance(detrend, str):
                refuse("scipy.signal", "a function as detrend= is not traced")
            seen = without_trend(seen, type=detrend)
        tapered = as_array(seen * self.taper.astype(np.dtype(x.dtype.type(0).real.dtype)))
        last = [tapered.ndim - 1]
        if one_sided:
            return fourier.real_transform(tapered, [self.nfft], last)
        return fourier.transform(tapered + 0j, [self.nfft], last, inverse=False)

    def frequencies(self, one_sided: bool) -> Any:
        of = np.fft.rfftfreq if one_sided else np.fft.fftfreq
        return of(self.nfft) * self.fs if isinstance(self.fs, Tracer) else of(self.nfft, 1.0 / self.fs)

    def times(self, count: int, start: float = 0.0) -> Any:
        return (np.arange(count) * self.step + self.length / 2 - start) / self.fs

    def doubled(self, spectrum: Any) -> Any:
        """One-sided: the power of negative frequencies counted with the positive ones."""
        factors = np.full(spectrum.shape[-1], 2.0)
        factors[0] = 1.0
        if self.nfft % 2 == 0:
            factors[-1] = 1.0
        return spectrum * factors.astype(np.real(np.zeros(1, spectrum.dtype)).dtype)


def _prepared(x: Any, y: Any, axis: int, return_onesided: bool) -> tuple[Any, Any, bool]:
    x = along_last(floating(x), axis)
    y = x if y is None else along_last(floating(y), axis)
    if y is not x and y.shape != x.shape:
        refuse("scipy.signal", "signals of different shapes are not traced")
    return x, y, bool(return_onesided) and x.dtype.kind != "c" and y.dtype.kind != "c"


def _cross(x: Any, y: Any, fs: Any, window: Any, nperseg: Any, noverlap: Any, nfft: Any, detrend: Any, return_onesided: bool,
           scaling: str, axis: int) -> tuple[Any, Any, Any]:
    """Frequencies, times, and ``conj(X) Y`` for each segment: (..., frequency, segment)."""
    x, y, one_sided = _prepared(x, y, axis, return_onesided)
    how = _Segments(x.shape[-1], fs, window, nperseg, noverlap, nfft, scaling)
    first = how.transformed(x, detrend, one_sided)
    if y is x:
        power = first.real * first.real + first.imag * first.imag
    else:
        power = np.conj(first) * how.transformed(y, detrend, one_sided)
    power = power * how.scale
    power = how.doubled(power) if one_sided else power
    return how.frequencies(one_sided), how.times(power.shape[-2]), np.swapaxes(power, -1, -2)


def _averaged(power: Any, average: str, axis: int) -> Any:
    """The mean (or the median, without its bias) over the segments."""
    if average not in ("mean", "median"):
        raise ValueError(f'average must be "median" or "mean", got {average}')
    if average == "mean" or power.shape[-1] == 1:
        out = FUNCTIONS[np.mean](power, axis=-1)
    else:
        n = power.shape[-1]
        even = 2.0 * np.arange(1.0, (n - 1) // 2 + 1)
        bias = 1.0 + float(np.sum(1.0 / (even + 1.0) - 1.0 / even))
        median = FUNCTIONS[np.median]
        if power.dtype.kind == "c":
            out = (median(power.real, axis=-1) + 1j * median(power.imag, axis=-1)) / bias
        else:
            out = median(power, axis=-1) / bias
    return np.moveaxis(out, -1, axis) if axis != -1 else out


@scipy_function("scipy.signal.csd")
def csd(x: Any, y: Any, fs: Any = 1.0, window: Any = "hann", nperseg: Any = None, noverlap: Any = None,
        nfft: Any = None, detrend: Any = "constant", return_onesided: bool = True, scaling: str = "density", axis: int = -1,
        average: str = "mean") -> Any:
    """``scipy.signal.csd``."""
    same = None if x is y else y
    f, _, power = _cross(x, same, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis)
    return f, _averaged(power, average, axis)


@scipy_function("scipy.signal.welch")
def welch(x: Any, fs: Any = 1.0, window: Any = "hann", nperseg: Any = None, noverlap: Any = None, nfft: Any = None,
          detrend: Any = "constant", return_onesided: bool = True, scaling: str = "density", axis: int = -1,
          average: str = "mean") -> Any:
    """``scipy.signal.welch``."""
    return csd(x, x, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis, average)


@scipy_function("scipy.signal.periodogram")
def periodogram(x: Any, fs: Any = 1.0, window: Any = "boxcar", nfft: Any = None, detrend: Any = "constant",
                return_onesided: bool = True, scaling: str = "density", axis: int = -1) -> Any:
    """``scipy.signal.periodogram``: one segment."""
    n = floating(x).shape[axis]
    if nfft is not None and nfft < n:
        refuse("scipy.signal.periodogram", "nfft= less than the length is not traced; take a slice")
    return welch(x, fs, "boxcar" if window is None else window, n, 0, nfft, detrend, return_onesided, scaling, axis)


@scipy_function("scipy.signal.coherence")
def coherence(x: Any, y: Any, fs: Any = 1.0, window: Any = "hann", nperseg: Any = None, noverlap: Any = None,
              nfft: Any = None, detrend: Any = "constant", axis: int = -1) -> Any:
    """``scipy.signal.coherence``."""
    how = {"fs": fs, "window": window, "nperseg": nperseg, "noverlap": noverlap, "nfft": nfft, "detrend": detrend, "axis": axis}
    f, xx = welch(x, **how)
    yy, xy = welch(y, **how)[1], csd(x, y, **how)[1]
    return f, (np.real(xy) ** 2 + np.imag(xy) ** 2) / xx / yy


def _placed(f: Any, t: Any, out: Any, axis: int) -> Any:
    """The frequencies where the axis was, the times last."""
    return f, t, np.moveaxis(out, -2, axis if axis >= 0 else axis - 1) if axis != -1 else out


@scipy_function("scipy.signal.spectrogram")
def spectrogram(x: Any, fs: Any = 1.0, window: Any = ("tukey", 0.25), nperseg: Any = None, noverlap: Any = None,
                nfft: Any = None, detrend: Any = "constant", return_onesided: bool = True, scaling: str = "density",
                axis: int = -1, mode: str = "psd") -> Any:
    """``scipy.signal.spectrogram``."""
    if mode not in ("psd", "complex", "magnitude"):
        refuse("scipy.signal.spectrogram", f"mode={mode!r} is not traced; use 'psd', 'complex' or 'magnitude'")
    n = floating(x).shape[axis]
    if noverlap is None:
        length = min(256 if nperseg is None else nperseg, n) if isinstance(window, (str, tuple)) else len(window)
        noverlap = length // 8
    if mode == "psd":
        return _placed(*_cross(x, None, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis), axis)
    wide, _, one_sided = _prepared(x, None, axis, return_onesided)
    how = _Segments(n, fs, window, nperseg, noverlap, nfft, scaling)
    found = np.swapaxes(how.transformed(wide, detrend, one_sided) * how.scale ** 0.5, -1, -2)
    found = np.abs(found) if mode == "magnitude" else found
    return _placed(how.frequencies(one_sided), how.times(found.shape[-1]), found, axis)


_BOUNDARIES = {"even": "reflect", "odd": "reflect", "constant": "edge", "zeros": "constant"}


@scipy_function("scipy.signal.stft")
def stft(x: Any, fs: Any = 1.0, window: Any = "hann", nperseg: Any = 256, noverlap: Any = None, nfft: Any = None,
         detrend: Any = False, return_onesided: bool = True, boundary: Any = "zeros", padded: bool = True, axis: int = -1,
         scaling: str = "spectrum") -> Any:
    """``scipy.signal.stft``."""
    if scaling not in ("spectrum", "psd"):
        raise ValueError(f"Parameter scaling={scaling!r} not in ['spectrum', 'psd']!")
    if boundary not in (*_BOUNDARIES, None):
        raise ValueError(f"Unknown boundary option '{boundary}', must be one of: {[*_BOUNDARIES, None]}")
    wide, _, one_sided = _prepared(x, None, axis, return_onesided)
    n = wide.shape[-1]
    how = _Segments(n, fs, window, nperseg, noverlap, nfft, "density" if scaling == "psd" else "spectrum")
    half = 0
    if boundary is not None:
        half = how.length // 2
        options = {"reflect_type": "odd"} if boundary == "odd" else {}
        widths = ((0, 0),) * (wide.ndim - 1) + ((half, half),)
        wide = FUNCTIONS[np.pad](wide, widths, _BOUNDARIES[boundary], **options)
    if padded:
        lack = (-(wide.shape[-1] - how.length) % how.step) % how.length
        wide = _concatenate([wide, np.zeros((*wide.shape[:-1], lack), wide.dtype)], -1)
    found = np.swapaxes(how.transformed(wide, detrend, one_sided) * how.scale ** 0.5, -1, -2)
    return _placed(how.frequencies(one_sided), how.times(found.shape[-1], float(half)), found, axis)


def _integers(x: Any, name: str) -> Any:
    return x.concrete(f"the places of scipy.signal.{name}") if isinstance(x, Tracer) else x


@scipy_function("scipy.signal.find_peaks")
def find_peaks(x: Any, **conditions: Any) -> Any:
    """``scipy.signal.find_peaks``: the places, which are locally constant; properties of peaks are not traced."""
    import scipy.signal
    if set(conditions) - {"distance"}:
        refuse("scipy.signal.find_peaks", "heights, prominences and widths have no rule here: find the places outside the "
               "function, or read the values there: x[peaks]")
    return scipy.signal.find_peaks(_integers(x, "find_peaks"), **conditions)


