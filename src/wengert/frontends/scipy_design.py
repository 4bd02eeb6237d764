"""Filter design, frequency responses and test signals of ``scipy.signal`` on tracers.

What comes in: cutoff frequencies, coefficients, times, any of them traced. What goes out: coefficients, responses, signals. The
one idea: orders, types and ripples pick an analog prototype, which is plain numbers; the frequencies act on its zeros and
poles by formulas, and the bilinear map takes them to the z plane.

Oppenheim and Schafer, Discrete-Time Signal Processing (1989), chapter 7.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.frontends.scipy_api import scipy_function
from wengert.frontends.scipy_data import data, known, plain, refuse, require, take
from wengert.frontends.scipy_windows import get_window
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced

__all__: list[str] = []

_concatenate, _where = FUNCTIONS[np.concatenate], FUNCTIONS[np.where]


def _frequencies(x: Any) -> Any:
    return FUNCTIONS[np.atleast_1d](data(as_traced(x)))


# ---------------------------------------------------------------- windows

@scipy_function("scipy.signal.firwin")
def firwin(numtaps: int, cutoff: Any, *, width: Any = None, window: Any = "hamming", pass_zero: Any = True, scale: bool = True,
           fs: Any = None) -> Any:
    """``scipy.signal.firwin``: differences of sinc functions under a window."""
    if width is not None:
        refuse("scipy.signal.firwin", "width= is not traced; give window=('kaiser', beta)")
    cutoff = _frequencies(cutoff) / (0.5 * (2.0 if fs is None else fs))
    if cutoff.ndim > 1:
        raise ValueError("The cutoff argument must be at most one-dimensional.")
    cutoff = require(cutoff, (cutoff > 0) & (cutoff < 1),
                     "Invalid cutoff frequency: frequencies must be greater than 0 and less than fs/2.")
    cutoff = require(cutoff, cutoff[1:] > cutoff[:-1],
                     "Invalid cutoff frequencies: the frequencies must be strictly increasing.")
    m = cutoff.shape[0]
    if isinstance(pass_zero, str):
        pass_zero = pass_zero in ("bandstop", "lowpass")
    passes_end = bool(m & 1) ^ bool(pass_zero)
    if passes_end and numtaps % 2 == 0:
        raise ValueError("A filter with an even number of coefficients must have zero response at the Nyquist frequency.")
    edges = _concatenate([*([np.zeros(1)] if pass_zero else []), cutoff, *([np.ones(1)] if passes_end else [])])
    t = np.arange(numtaps) - 0.5 * (numtaps - 1)
    left, right = edges[::2, None], edges[1::2, None]
    h = FUNCTIONS[np.sum](right * np.sinc(right * t) - left * np.sinc(left * t), axis=0)
    h = h * get_window(window, numtaps, fftbins=False)
    if scale:
        low, high = edges[0], edges[1]
        at = 0.0 if pass_zero else 1.0 if passes_end and edges.shape[0] == 2 else 0.5 * (low + high)
        h = h / FUNCTIONS[np.sum](h * np.cos(np.pi * t * at))
    return h


# ---------------------------------------------------------------- recursive filters

def _prototype(ftype: str, n: int, rp: Any, rs: Any, norm: str = "phase") -> tuple[Any, Any, float]:
    """Zeros, poles and gain of the analog low pass with cutoff 1; the ripple of Chebyshev's may be traced.

    Parks and Burrus, Digital Filter Design (1987), chapter 7: poles and zeros of Chebyshev's filters lie on ellipses.
    """
    import scipy.signal as signal
    if ftype == "cheby1" and isinstance(rp, Tracer):
        flat = np.sqrt(10.0 ** (0.1 * rp) - 1.0)
        p = -np.sinh(np.arcsinh(1.0 / flat) / n + 0.5j * np.pi * np.arange(-n + 1, n, 2) / n)
        k = np.real(_prod(-p))
        return np.zeros(0), p, k if n % 2 else k / np.sqrt(1.0 + flat * flat)
    if ftype == "cheby2" and isinstance(rs, Tracer):
        z, m = signal.cheb2ap(n, 40.0)[0], np.arange(-n + 1, n, 2)
        mu = np.arcsinh(np.sqrt(10.0 ** (0.1 * rs) - 1.0)) / n
        p = -1.0 / (np.sinh(mu) * np.cos(np.pi * m / (2 * n)) + 1j * np.cosh(mu) * np.sin(np.pi * m / (2 * n)))
        return z, p, np.real(_prod(-p) / _prod(-z))
    makers = {"butter": signal.buttap, "cheby1": signal.cheb1ap, "cheby2": signal.cheb2ap, "ellip": signal.ellipap,
              "bessel": signal.besselap}
    given = {"cheby1": (rp,), "cheby2": (rs,), "ellip": (rp, rs), "bessel": (norm,)}.get(ftype, ())
    if any(isinstance(g, Tracer) for g in given):
        refuse(f"scipy.signal.{ftype}", "the ripple of an elliptic filter is not traced; give numbers")
    z, p, k = makers[ftype](n, *given)
    return np.atleast_1d(z), np.atleast_1d(p), k


def _prod(x: Any) -> Any:
    return FUNCTIONS[np.prod](x) if isinstance(x, Tracer) else np.prod(x)


def _moved(z: Any, p: Any, k: Any, w: Any, kind: str) -> tuple[Any, Any, Any]:
    """The prototype taken to a low pass, high pass, band pass or band stop at these frequencies."""
    degree = p.shape[0] - z.shape[0]
    if kind == "lowpass":
        return z * w[0], p * w[0], k * w[0] ** degree
    if kind == "highpass":
        return _concatenate([w[0] / z, np.zeros(degree)]) + 0j, w[0] / p, k * np.real(_prod(-z) / _prod(-p))
    half, center = (w[1] - w[0]) / 2.0, w[0] * w[1]
    if kind == "bandpass":
        z, p = z * half, p * half
    else:
        k = k * np.real(_prod(-z) / _prod(-p))
        z, p = half / z, half / p
    apart = [np.sqrt(v * v - center + 0j) for v in (z, p)]
    z, p = [_concatenate([v + r, v - r]) for v, r in zip((z, p), apart)]
    if kind == "bandpass":
        return _concatenate([z, np.zeros(degree)]), p, k * (2.0 * half) ** degree
    root = np.sqrt(center) * 1j
    return _concatenate([z, root * np.ones(degree), -root * np.ones(degree)]), p, k


def _digital(z: Any, p: Any, k: Any, fs: Any) -> tuple[Any, Any, Any]:
    """The bilinear map."""
    twice, degree = 2.0 * fs, p.shape[0] - z.shape[0]
    gain = k * np.real(_prod(twice - z) / _prod(twice - p))
    return _concatenate([(twice + z) / (twice - z), -np.ones(degree)]), (twice + p) / (twice - p), gain


def _expanded(roots: Any) -> Any:
    """The real polynomial with these roots, the highest power first."""
    out = np.ones(1, complex)
    for i in range(roots.shape[0]):
        out = _concatenate([out, np.zeros(1)]) - _concatenate([np.zeros(1), out * roots[i]])
    return np.real(out)


def _kind(btype: str, w: Any) -> str:
    short = {"bandpass": "band bp pass", "bandstop": "bands bs stop", "lowpass": "l low lp", "highpass": "h high hp"}
    names = {name: kind for kind, words in short.items() for name in words.split()}
    kind = names.get(btype.lower(), btype.lower())
    if kind not in ("bandpass", "bandstop", "lowpass", "highpass"):
        raise ValueError(f"'{btype}' is an invalid bandtype for filter.")
    if w.shape != ((2,) if kind.startswith("band") else (1,)):
        wanted = "two critical frequencies" if kind.startswith("band") else "a single critical frequency"
        raise ValueError(f"Must specify {wanted} Wn for {kind} filter")
    return kind


def _sections(z: Any, p: Any, k: Any, analog: bool, kind: str, typical: Any) -> Any:
    """Second order sections; which roots make a pair is locally constant, and decided as SciPy does."""
    import scipy.signal
    values = [known(v) for v in (z, p)]
    if any(isinstance(v, Tracer) for v in values):
        if kind.startswith("band"):
            plain(p, "which roots of a band filter make a section")
        values = list(typical()[:2])  # of a low or high pass the pairs are the same at every cutoff
    sos = scipy.signal.zpk2sos(*[np.asarray(v) for v in values], 1.0, analog=analog)
    found: list[list[Any]] = [[], []]
    for which, roots, start in ((0, values[0], 0), (1, values[1], 3)):
        free = list(range(len(roots)))
        for row in sos:
            pair = []
            factors = np.trim_zeros(row[start:start + 3], "f")
            for root in np.roots(factors) if len(factors) > 1 else []:
                if free and np.min(np.abs(np.asarray(roots)[free] - root)) < 1e-3 * (1.0 + abs(root)):
                    pair.append(free.pop(int(np.argmin(np.abs(np.asarray(roots)[free] - root)))))
            found[which].append(pair)
    rows: list[Any] = []
    for zeros, poles in zip(*found, strict=True):
        parts = []
        for roots, at in ((z, zeros), (p, poles)):
            c = _expanded(take(roots, np.array(at, int)))
            lack = np.zeros(3 - c.shape[0])
            parts.append(_concatenate([lack, c] if analog else [c, lack]))
        gain = k if not rows else 1.0
        rows.append(_concatenate([parts[0] * gain, parts[1]]))
    return FUNCTIONS[np.stack](rows)


def _designed(ftype: str, n: int, wn: Any, rp: Any, rs: Any, btype: str, analog: bool, output: str, fs: Any,
              norm: str = "phase") -> Any:
    if output not in ("ba", "zpk", "sos"):
        raise ValueError(f"'{output}' is not a valid output form.")
    w = _frequencies(wn)
    kind = _kind(btype, w)
    if analog and fs is not None:
        raise ValueError("fs cannot be specified for an analog filter")
    w = w if fs is None else w / (fs / 2.0)
    w = require(w, (w > 0) if analog else (w > 0) & (w < 1), "Digital filter critical frequencies must be 0 < Wn < 1")
    z, p, k = _prototype(ftype, n, rp, rs, norm)

    def made(w: Any) -> tuple[Any, Any, Any]:
        if analog:
            return _moved(z, p, k, w, kind)
        return _digital(*_moved(z, p, k, 4.0 * np.tan(np.pi * w / 2.0), kind), 2.0)
    zeros, poles, gain = made(w)
    if output == "zpk":
        return zeros, poles, gain
    if output == "sos":
        return _sections(zeros, poles, gain, analog, kind, lambda: made(np.full(1, 0.3)))
    return gain * _expanded(zeros), _expanded(poles)


@scipy_function("scipy.signal.butter")
def butter(N: int, Wn: Any, btype: str = "low", analog: bool = False, output: str = "ba", fs: Any = None) -> Any:
    """``scipy.signal.butter`` with a traced cutoff."""
    return _designed("butter", N, Wn, None, None, btype, analog, output, fs)


@scipy_function("scipy.signal.cheby1")
def cheby1(N: int, rp: Any, Wn: Any, btype: str = "low", analog: bool = False, output: str = "ba", fs: Any = None) -> Any:
    """``scipy.signal.cheby1`` with a traced cutoff and ripple."""
    return _designed("cheby1", N, Wn, rp, None, btype, analog, output, fs)


@scipy_function("scipy.signal.cheby2")
def cheby2(N: int, rs: Any, Wn: Any, btype: str = "low", analog: bool = False, output: str = "ba", fs: Any = None) -> Any:
    """``scipy.signal.cheby2`` with a traced cutoff and ripple."""
    return _designed("cheby2", N, Wn, None, rs, btype, analog, output, fs)


@scipy_function("scipy.signal.ellip")
def ellip(N: int, rp: Any, rs: Any, Wn: Any, btype: str = "low", analog: bool = False, output: str = "ba",
          fs: Any = None) -> Any:
    """``scipy.signal.ellip`` with a traced cutoff."""
    return _designed("ellip", N, Wn, rp, rs, btype, analog, output, fs)


@scipy_function("scipy.signal.bessel")
def bessel(N: int, Wn: Any, btype: str = "low", analog: bool = False, output: str = "ba", norm: str = "phase",
           fs: Any = None) -> Any:
    """``scipy.signal.bessel`` with a traced cutoff."""
    return _designed("bessel", N, Wn, None, None, btype, analog, output, fs, norm)


_TYPES = {"butterworth": "butter", "chebyshev1": "cheby1", "chebyshevi": "cheby1", "chebyshev2": "cheby2",
          "chebyshevii": "cheby2", "elliptic": "ellip", "cauer": "ellip"}


@scipy_function("scipy.signal.iirfilter")
def iirfilter(N: int, Wn: Any, rp: Any = None, rs: Any = None, btype: str = "band", analog: bool = False,
              ftype: str = "butter", output: str = "ba", fs: Any = None) -> Any:
    """``scipy.signal.iirfilter``: one of these, by its name."""
    kind, _, norm = ftype.lower().partition("_")
    kind = _TYPES.get(kind, kind)
    if kind not in ("butter", "cheby1", "cheby2", "ellip", "bessel") or norm not in (
            ("", "phase", "delay", "mag") if kind == "bessel" else ("",)):
        raise ValueError(f"'{ftype}' is not a valid basic IIR filter.")
    for value, name, kinds in ((rp, "passband ripple (rp)", ("cheby1", "ellip")),
                               (rs, "stopband attenuation (rs)", ("cheby2", "ellip"))):
        if value is None and kind in kinds:
            raise ValueError(f"{name} must be provided to design a filter of type {ftype}.")
    return _designed(kind, N, Wn, rp, rs, btype, analog, output.lower(), fs, norm or "phase")


def _resonator(w0: Any, Q: Any, fs: Any) -> tuple[Any, Any]:
    """The cosine of the frequency, and the gain ``1 / (1 + tan(bandwidth / 2))``.

    Orfanidis, Introduction to Signal Processing (1996), section 11.3.
    """
    w0, Q, fs = [FUNCTIONS[np.reshape](data(v), ()) for v in (w0, Q, fs)]
    w0 = 2.0 * w0 / fs
    w0 = require(w0, (w0 >= 0.0) & (w0 <= 1.0), "w0 should be such that 0 < w0 < 1") * np.pi
    return np.cos(w0), 1.0 / (1.0 + np.tan(w0 / Q / 2.0))


@scipy_function("scipy.signal.iirnotch")
def iirnotch(w0: Any, Q: Any, fs: Any = 2.0, *, xp: Any = None, device: Any = None) -> Any:
    """``scipy.signal.iirnotch`` with a traced frequency and quality."""
    c, gain = _resonator(w0, Q, fs)
    b = gain * FUNCTIONS[np.stack]([1.0 + 0.0 * c, -2.0 * c, 1.0 + 0.0 * c])
    return b, FUNCTIONS[np.stack]([1.0 + 0.0 * c, -2.0 * gain * c, 2.0 * gain - 1.0])


@scipy_function("scipy.signal.iirpeak")
def iirpeak(w0: Any, Q: Any, fs: Any = 2.0, *, xp: Any = None, device: Any = None) -> Any:
    """``scipy.signal.iirpeak``, likewise."""
    c, gain = _resonator(w0, Q, fs)
    return (1.0 - gain) * np.array([1.0, 0.0, -1.0]), FUNCTIONS[np.stack]([1.0 + 0.0 * c, -2.0 * gain * c, 2.0 * gain - 1.0])


@scipy_function("scipy.signal.bilinear_zpk")
def bilinear_zpk(z: Any, p: Any, k: Any, fs: Any) -> Any:
    """``scipy.signal.bilinear_zpk``."""
    return _digital(_frequencies(z), _frequencies(p), k, fs)


@scipy_function("scipy.signal.bilinear")
def bilinear(b: Any, a: Any, fs: Any = 1.0) -> Any:
    """``scipy.signal.bilinear``: ``s = 2 fs (z - 1) / (z + 1)``."""
    b, a = _frequencies(b), _frequencies(a)
    n = max(b.shape[0], a.shape[0]) - 1
    out = []
    for c in (b, a):
        total: Any = 0.0
        for i in range(c.shape[0]):
            power = c.shape[0] - 1 - i
            shape = np.array([1.0])
            for factor in [np.array([1.0, -1.0])] * power + [np.array([1.0, 1.0])] * (n - power):
                shape = np.convolve(shape, factor)
            total = total + c[i] * (2.0 * fs) ** power * shape
        out.append(total)
    return out[0] / out[1][0], out[1] / out[1][0]


@scipy_function("scipy.signal.zpk2tf")
def zpk2tf(z: Any, p: Any, k: Any) -> Any:
    """``scipy.signal.zpk2tf`` of roots in conjugate pairs."""
    return k * _expanded(_frequencies(z) + 0j), _expanded(_frequencies(p) + 0j)


# ---------------------------------------------------------------- responses

def _grid(worN: Any, whole: bool, fs: Any, include_nyquist: bool = False) -> Any:
    """Angles per sample, and frequencies in the unit of fs."""
    if worN is None or isinstance(worN, (int, np.integer)):
        n = 512 if worN is None else int(worN)
        last = 2.0 * np.pi if whole else np.pi
        w: Any = np.linspace(0.0, last, n, endpoint=bool(include_nyquist and not whole))
        return w, w * (fs / (2.0 * np.pi))
    given = _frequencies(worN)
    return given * (2.0 * np.pi / fs), given


def _polynomial(x: Any, c: Any) -> Any:
    """``Σ_k c[k] x ** k``, by Horner's scheme."""
    out = c[-1] + 0.0 * x
    for k in range(c.shape[0] - 2, -1, -1):
        out = out * x + c[k]
    return out


@scipy_function("scipy.signal.freqz")
def freqz(b: Any, a: Any = 1, worN: Any = 512, whole: bool = False, plot: Any = None, fs: Any = 2.0 * np.pi,
          include_nyquist: bool = False) -> Any:
    """``scipy.signal.freqz``: ``B(e^{-iw}) / A(e^{-iw})``."""
    if plot is not None:
        refuse("scipy.signal.freqz", "plot= is not traced")
    b, a = _frequencies(b), _frequencies(a)
    if b.ndim != 1 or a.ndim != 1:
        refuse("scipy.signal.freqz", "one filter at a time")
    w, shown = _grid(worN, whole, fs, include_nyquist)
    x = np.exp(-1j * w)
    return shown, _polynomial(x, b) / _polynomial(x, a)


@scipy_function("scipy.signal.sosfreqz", "scipy.signal.freqz_sos")
def freqz_sos(sos: Any, worN: Any = 512, whole: bool = False, fs: Any = 2.0 * np.pi) -> Any:
    """``scipy.signal.freqz_sos``: the product of the sections' responses."""
    sos = data(sos)
    sos = require(sos, sos[:, 3] == 1.0, "sos[:, 3] should be all ones")
    h: Any = 1.0
    for k in range(sos.shape[0]):
        w, one = freqz(sos[k, :3], sos[k, 3:], worN, whole, fs=fs)
        h = h * one
    return w, h


@scipy_function("scipy.signal.freqs")
def freqs(b: Any, a: Any, worN: Any = 200, plot: Any = None) -> Any:
    """``scipy.signal.freqs`` at given frequencies."""
    if plot is not None or isinstance(worN, (int, np.integer)) or worN is None:
        refuse("scipy.signal.freqs", "give the frequencies: worN=array")
    b, a, w = _frequencies(b), _frequencies(a), _frequencies(worN)
    s = 1j * w
    return w, _polynomial(s, b[::-1]) / _polynomial(s, a[::-1])


# ---------------------------------------------------------------- signals

@scipy_function("scipy.signal.chirp")
def chirp(t: Any, f0: Any, t1: Any, f1: Any, method: str = "linear", phi: Any = 0, vertex_zero: bool = True, *,
          complex: bool = False) -> Any:
    """``scipy.signal.chirp``: the phase is 2 π times the integral of the frequency."""
    t, f0, t1, f1, phi = [data(v) for v in (t, f0, t1, f1, phi)]
    if method in ("linear", "lin", "li"):
        turns = f0 * t + 0.5 * (f1 - f0) / t1 * t * t
    elif method in ("quadratic", "quad", "q"):
        beta = (f1 - f0) / (t1 * t1)
        turns = f0 * t + beta * t ** 3 / 3.0 if vertex_zero else f1 * t + beta * ((t1 - t) ** 3 - t1 ** 3) / 3.0
    elif method in ("logarithmic", "log", "lo"):
        f0 = require(f0, f0 * f1 > 0.0, "For a logarithmic chirp, f0 and f1 must be nonzero and have the same sign.")
        same = known(f0 == f1)
        ratio = _where(same, 2.0, f1 / f0)
        turns = _where(same, f0 * t, t1 / np.log(ratio) * f0 * (ratio ** (t / t1) - 1.0))
    elif method in ("hyperbolic", "hyp"):
        f0 = require(f0, (f0 != 0) & (f1 != 0), "For a hyperbolic chirp, f0 and f1 must be nonzero.")
        same = known(f0 == f1)
        singular = -f1 * t1 / _where(same, 1.0, f0 - f1)
        turns = _where(same, f0 * t, -singular * f0 * np.log(np.abs(1.0 - t / singular)))
    else:
        raise ValueError(f"method must be 'linear', 'quadratic', 'logarithmic', or 'hyperbolic', but a value of {method!r} was "
                         f"given.")
    angle = 2.0 * np.pi * turns + phi * (np.pi / 180.0)
    return np.exp(1j * angle) if complex else np.cos(angle)


@scipy_function("scipy.signal.gausspulse")
def gausspulse(t: Any, fc: Any = 1000, bw: Any = 0.5, bwr: Any = -6, tpr: Any = -60, retquad: bool = False,
               retenv: bool = False) -> Any:
    """``scipy.signal.gausspulse``: ``exp(-a t²) cos(2 π fc t)``."""
    if isinstance(t, str):
        refuse("scipy.signal.gausspulse", "t='cutoff' is not traced")
    t, fc, bw, bwr = [data(v) for v in (t, fc, bw, bwr)]
    ref = 10.0 ** (bwr / 20.0)
    envelope = np.exp((np.pi * fc * bw) ** 2 / (4.0 * np.log(ref)) * t * t)
    out = [envelope * np.cos(2.0 * np.pi * fc * t)]
    if retquad:
        out.append(envelope * np.sin(2.0 * np.pi * fc * t))
    if retenv:
        out.append(envelope)
    return out[0] if len(out) == 1 else tuple(out)
