"""Filters and resampling of ``scipy.signal`` on tracers.

What comes in: coefficients and signals, either of them traced. What goes out: filtered signals. The one idea: every
recursion is the primitive ``lfilter``, whose adjoint is the same filter run backward; what is linear with fixed coefficients
(smoothing, resampling) is a product with windows of the signal.

Oppenheim and Schafer, Discrete-Time Signal Processing (1989), chapters 3, 6 and 10; Savitzky and Golay, Anal. Chem. 36 (1964);
Gustafsson, IEEE Trans. Signal Process. 44 (1996), for what filters begin with.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from wengert.frontends.numpy_api import fourier
from wengert.frontends.numpy_api.products import operands
from wengert.frontends.numpy_api.structure import as_array
from wengert.frontends.scipy_api import scipy_function
from wengert.frontends.scipy_data import along_last, floating, plain, refuse, require, take, under_last
from wengert.frontends.tracer import FUNCTIONS, Tracer
from wengert.primitives.filters import lfilter as filtered
from wengert.primitives.window import window

__all__ = ["sliding"]


def _in_common(*xs: Any) -> list[Any]:
    return [x if isinstance(x, Tracer) else as_array(x) for x in operands(*[floating(x) for x in xs])]


def _vector(x: Any) -> Any:
    return FUNCTIONS[np.atleast_1d](x)


# ---------------------------------------------------------------- recursive filters

def _run(b: Any, a: Any, x: Any, zi: Any = None) -> Any:
    """The filter along the last axis; with the state that it begins with, the signal and the state that it ends with."""
    if zi is None:
        return filtered(b, a, x), None
    n, order = x.shape[-1], max(b.shape[0], a.shape[0]) - 1
    if zi.shape[-1] != order or zi.ndim != x.ndim:
        raise ValueError(f"Unexpected shape for zi: expected {(*x.shape[:-1], order)}, found {zi.shape}.")
    one = np.ones(1, x.dtype)
    started = _fitted(zi, n) * a[0]  # in one recursion with the signal: alone it would fade into slow subnormal numbers
    y = filtered(one, a, filtered(b, one, x) + started)
    return y, _final(b / a[0], a / a[0], x, y, zi, order)


def _fitted(v: Any, n: int) -> Any:
    """A vector cut, or continued by zeros, to a length."""
    m = v.shape[-1]
    return v[..., :n] if m >= n else np.concatenate([v, np.zeros((*v.shape[:-1], n - m), v.dtype)], -1)


def _late(v: Any, n: int) -> Any:
    """The last n elements, with zeros before if there are fewer."""
    m = v.shape[-1]
    return v[..., m - n:] if m >= n else np.concatenate([np.zeros((*v.shape[:-1], n - m), v.dtype), v], -1)


def _final(b: Any, a: Any, x: Any, y: Any, zi: Any, order: int) -> Any:
    """What the delays hold at the end: ``Σ_{k > m} b[k] x[n + m - k] - a[k] y[n + m - k]``, and what is left of the start."""
    n = x.shape[-1]
    m, i = np.ogrid[:order, :order]
    places = np.where(i >= m, order + m - i, order + 1)
    zf: Any = 0.0
    for c, v in ((b, x), (a, -y)):
        weights = take(_fitted(c, order + 2), places)
        zf = zf + FUNCTIONS[np.matmul](_late(v, order), weights.T)
    rest = _fitted(zi[..., n:], order) if n < order else np.zeros(1, x.dtype)
    return zf + rest


def _coefficients(b: Any, a: Any, *others: Any) -> list[Any]:
    b, a = _vector(floating(b)), _vector(floating(a))
    if b.ndim != 1 or a.ndim != 1:
        raise ValueError("object of too small depth for desired array")
    return _in_common(b, a, *others)


@scipy_function("scipy.signal.lfilter")
def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """``scipy.signal.lfilter``."""
    b, a, x, *states = _coefficients(b, a, x, *([] if zi is None else [zi]))
    wide = along_last(x, axis)
    y, zf = _run(b, a, wide, along_last(states[0], axis) if states else None)
    y = under_last(y, axis)
    return y if zi is None else (y, under_last(zf, axis))


@scipy_function("scipy.signal.lfilter_zi")
def lfilter_zi(b: Any, a: Any) -> Any:
    """``scipy.signal.lfilter_zi``: the state in which a constant signal stays, ``Σ_{k > m} b[k] - a[k] y``."""
    b, a = _coefficients(b, a)
    b, a = b / a[0], a / a[0]
    n = max(b.shape[0], a.shape[0])
    b, a = _fitted(b, n), _fitted(a, n)
    left = b - a * (FUNCTIONS[np.sum](b) / FUNCTIONS[np.sum](a))
    return FUNCTIONS[np.cumsum](left[:0:-1])[::-1]


@scipy_function("scipy.signal.lfiltic")
def lfiltic(b: Any, a: Any, y: Any, x: Any = None) -> Any:
    """``scipy.signal.lfiltic``: the state after these outputs and inputs, the latest first."""
    b, a, y, *rest = _coefficients(b, a, _vector(floating(y)), *([] if x is None else [_vector(floating(x))]))
    order = max(b.shape[0], a.shape[0]) - 1
    x = rest[0] if rest else np.zeros(order, y.dtype)
    x, y = [_fitted(v, order)[..., ::-1] for v in (x, y)]
    return _final(b / a[0], a / a[0], x, y, np.zeros(order, y.dtype), order)


def _sections(sos: Any, *others: Any) -> list[Any]:
    sos = floating(sos)
    if sos.ndim != 2 or sos.shape[1] != 6:
        raise ValueError("sos array must be shape (n_sections, 6)")
    return _in_common(require(sos, sos[:, 3] == 1.0, "sos[:, 3] should be all ones") if others else sos, *others)


@scipy_function("scipy.signal.sosfilt")
def sosfilt(sos: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """``scipy.signal.sosfilt``: one section after the other."""
    sos, x, *states = _sections(sos, x, *([] if zi is None else [zi]))
    axis = axis % x.ndim
    y, ends = along_last(x, axis), []
    for k in range(sos.shape[0]):
        state = along_last(states[0][k], axis) if states else None
        y, zf = _run(sos[k, :3], sos[k, 3:], y, state)
        ends.append(zf)
    y = under_last(y, axis)
    return y if zi is None else (y, FUNCTIONS[np.stack]([under_last(z, axis) for z in ends]))


@scipy_function("scipy.signal.sosfilt_zi")
def sosfilt_zi(sos: Any) -> Any:
    """``scipy.signal.sosfilt_zi``."""
    (sos,) = _sections(sos)
    scale, out = 1.0, []
    for k in range(sos.shape[0]):
        b, a = sos[k, :3], sos[k, 3:]
        out.append(scale * lfilter_zi(b, a))
        scale = scale * (FUNCTIONS[np.sum](b) / FUNCTIONS[np.sum](a))
    return FUNCTIONS[np.stack](out)


def _extended(x: Any, padtype: Any, padlen: int) -> Any:
    """The signal continued at both ends of the last axis."""
    if padtype not in ("even", "odd", "constant", None):
        raise ValueError(f"Unknown value '{padtype}' given to padtype. padtype must be 'even', 'odd', 'constant', or None.")
    padlen = 0 if padtype is None else padlen
    n = x.shape[-1]
    if n <= padlen:
        raise ValueError(f"The length of the input vector x must be greater than padlen, which is {padlen}.")
    if not padlen:
        return x, 0
    before, after = x[..., padlen:0:-1], x[..., n - 2:(n - padlen - 2 if n - padlen - 2 >= 0 else None):-1]
    if padtype == "odd":
        before, after = 2.0 * x[..., :1] - before, 2.0 * x[..., -1:] - after
    elif padtype == "constant":
        before, after = x[..., :1] + 0.0 * before, x[..., -1:] + 0.0 * after
    return FUNCTIONS[np.concatenate]([before, x, after], -1), padlen


def _both_ways(run: Any, x: Any, padtype: Any, padlen: int) -> Any:
    """A filter forward, then backward, each from the state that fits the first value."""
    x, edge = _extended(x, padtype, padlen)
    y = run(x)
    y = run(y[..., ::-1])[..., ::-1]
    return y[..., edge:y.shape[-1] - edge]


@scipy_function("scipy.signal.filtfilt")
def filtfilt(b: Any, a: Any, x: Any, axis: int = -1, padtype: Any = "odd", padlen: Any = None, method: str = "pad",
             irlen: Any = None) -> Any:
    """``scipy.signal.filtfilt``."""
    if method != "pad":
        refuse("scipy.signal.filtfilt", f"method={method!r} is not traced; use 'pad'")
    b, a, x = _coefficients(b, a, x)
    start = lfilter_zi(b, a)
    padlen = 3 * max(a.shape[0], b.shape[0]) if padlen is None else padlen

    def run(v: Any) -> Any:
        return _run(b, a, v, start * v[..., :1])[0]
    return under_last(_both_ways(run, along_last(x, axis), padtype, padlen), axis)


@scipy_function("scipy.signal.sosfiltfilt")
def sosfiltfilt(sos: Any, x: Any, axis: int = -1, padtype: Any = "odd", padlen: Any = None) -> Any:
    """``scipy.signal.sosfiltfilt``."""
    sos, x = _sections(sos, x)
    if padlen is None:
        shapes = plain(sos, "padlen of sosfiltfilt: give it; it") == 0
        padlen = 3 * (2 * len(shapes) + 1 - min(int(shapes[:, 2].sum()), int(shapes[:, 5].sum())))
    start = sosfilt_zi(sos)

    def run(v: Any) -> Any:
        first = v[..., :1]
        for k in range(sos.shape[0]):
            v = _run(sos[k, :3], sos[k, 3:], v, start[k] * first)[0]
        return v
    return under_last(_both_ways(run, along_last(x, axis), padtype, padlen), axis)


@scipy_function("scipy.signal.deconvolve")
def deconvolve(signal: Any, divisor: Any) -> Any:
    """``scipy.signal.deconvolve``: the quotient is the response of the filter ``signal / divisor`` to an impulse."""
    num, den = _coefficients(signal, divisor)
    n, d = num.shape[0], den.shape[0]
    if d > n:
        return np.zeros(0, num.dtype), num
    impulse = np.zeros(n - d + 1, num.dtype)
    impulse[0] = 1.0
    quotient = filtered(num, den, impulse)
    return quotient, num - FUNCTIONS[np.convolve](den, quotient)


# ---------------------------------------------------------------- sliding sums

def sliding(x: Any, weights: Any, stride: int = 1) -> Any:
    """``Σ_i x[..., k · stride + i] weights[i]``."""
    x, weights = _in_common(x, weights)
    seen = window(x, windows=((x.ndim - 1, weights.shape[0], stride, 1),))
    return FUNCTIONS[np.matmul](seen, weights)


_MODES = {"mirror": "reflect", "nearest": "edge", "wrap": "wrap", "constant": "constant"}


@scipy_function("scipy.signal.savgol_filter")
def savgol_filter(x: Any, window_length: int, polyorder: int, deriv: int = 0, delta: Any = 1.0, axis: int = -1,
                  mode: str = "interp", cval: Any = 0.0) -> Any:
    """``scipy.signal.savgol_filter``: polynomials fitted to windows; at the ends, that of the first and the last window."""
    import scipy.signal
    if mode not in ("mirror", "constant", "nearest", "interp", "wrap"):
        raise ValueError("mode must be 'mirror', 'constant', 'nearest' 'wrap' or 'interp'.")
    x = along_last(floating(x), axis)
    n, w, half = x.shape[-1], window_length, window_length // 2
    if not w % 2 or isinstance(delta, Tracer):
        refuse("scipy.signal.savgol_filter", "windows of even length and a traced delta= have no rule; divide by "
               "delta ** deriv")

    def weights(place: int) -> Any:
        return scipy.signal.savgol_coeffs(w, polyorder, deriv, delta, pos=place, use="dot").astype(x.dtype)
    if mode != "interp":
        kind = {"constant_values": cval} if mode == "constant" else {}
        wide: Any = np.pad(x, ((0, 0),) * (x.ndim - 1) + ((half, half),), _MODES[mode], **kind)  # type: ignore[call-overload]
        return under_last(sliding(wide, weights(half)), axis)
    if w > n:
        raise ValueError("If mode is 'interp', window_length must be less than or equal to the size of x.")
    ends = [np.stack([weights(k) for k in r], 1) for r in (range(half), range(half + 1, w))]
    first, last = [FUNCTIONS[np.matmul](v, e) for v, e in zip((x[..., :w], x[..., n - w:]), ends, strict=True)]
    parts = [first, sliding(x, weights(half)), last]
    return under_last(FUNCTIONS[np.concatenate](parts, -1), axis)


@scipy_function("scipy.signal.medfilt", "scipy.signal.medfilt2d")
def medfilt(volume: Any, kernel_size: Any = 3) -> Any:
    """``scipy.signal.medfilt``: the median of a window, with zeros around the signal."""
    x = as_array(floating(volume))
    sizes = np.broadcast_to(np.asarray(plain(kernel_size, "kernel_size")), (x.ndim,)).tolist()
    if any(k % 2 == 0 for k in sizes):
        raise ValueError("Each element of kernel_size should be odd.")
    wide = FUNCTIONS[np.pad](x, tuple([(k // 2, k // 2) for k in sizes]))
    seen = window(wide, windows=tuple([(i, k, 1, 1) for i, k in enumerate(sizes)]))
    return FUNCTIONS[np.median](np.reshape(seen, (*x.shape, -1)), -1)


@scipy_function("scipy.signal.detrend")
def detrend(data: Any, axis: int = -1, type: str = "linear", bp: Any = 0, overwrite_data: bool = False) -> Any:
    """``scipy.signal.detrend``: without the mean, or the line of least squares of each piece."""
    if type not in ("linear", "l", "constant", "c"):
        raise ValueError("Trend type must be 'linear' or 'constant'.")
    x = along_last(floating(data), axis)
    if type in ("constant", "c"):
        return under_last(x - FUNCTIONS[np.mean](x, axis=-1, keepdims=True), axis)
    n = x.shape[-1]
    cuts = sorted({0, *np.atleast_1d(bp).tolist(), n})
    if cuts[-1] > n:
        raise ValueError("Breakpoints must be less than length of data along given axis.")
    parts = []
    for start, stop in itertools.pairwise(cuts):
        piece, t = x[..., start:stop], np.arange(stop - start) - (stop - start - 1) / 2.0
        t = (t / max(float(np.sqrt(np.sum(t * t))), 1e-300)).astype(x.dtype)
        slope = FUNCTIONS[np.sum](piece * t, axis=-1, keepdims=True)
        parts.append(piece - FUNCTIONS[np.mean](piece, axis=-1, keepdims=True) - slope * t)
    return under_last(FUNCTIONS[np.concatenate](parts, -1), axis)


@scipy_function("scipy.signal.hilbert")
def hilbert(x: Any, N: Any = None, axis: int = -1) -> Any:
    """``scipy.signal.hilbert``: the transform without its negative frequencies."""
    x = along_last(floating(x), axis)
    if x.dtype.kind == "c":
        raise ValueError("x must be real.")
    n = x.shape[-1] if N is None else int(N)
    weights = np.zeros(n, x.dtype)
    weights[0] = 1.0
    weights[1:(n + 1) // 2] = 2.0
    if n % 2 == 0:
        weights[n // 2] = 1.0
    last = [x.ndim - 1]
    forward = fourier.transform(as_array(x) + 0j, [n], last, inverse=False)
    return under_last(fourier.transform(forward * weights, [n], last, inverse=True), axis)


# ---------------------------------------------------------------- resampling

@scipy_function("scipy.signal.resample")
def resample(x: Any, num: int, t: Any = None, axis: int = 0, window: Any = None, domain: str = "time") -> Any:
    """``scipy.signal.resample``: the spectrum cut, or continued by zeros."""
    if window is not None or domain != "time":
        refuse("scipy.signal.resample", "window= and domain= are not traced")
    wide = as_array(along_last(floating(x), axis))
    n, num, last = wide.shape[-1], int(num), [wide.ndim - 1]
    least = min(n, num)
    real = wide.dtype.kind != "c"
    if real:
        spectrum = fourier.real_transform(wide, [n], last)
        kept = spectrum[..., :least // 2 + 1]
        if least % 2 == 0 and n != num:
            factors = np.ones(kept.shape[-1])
            factors[-1] = 2.0 if num < n else 0.5
            kept = kept * factors.astype(wide.dtype)
        y = fourier.real_inverse(_fitted(kept, num // 2 + 1), [num], last)
    else:
        spectrum = fourier.transform(wide, [n], last, inverse=False)
        half = (least + 1) // 2
        low, high = spectrum[..., :half], spectrum[..., n - (least - half - (least % 2 == 0)):] if least > 1 else None
        middle = num - half - (0 if high is None else high.shape[-1])
        parts = [low, np.zeros((*low.shape[:-1], middle), low.dtype), *([] if high is None else [high])]
        out = FUNCTIONS[np.concatenate](parts, -1)
        if least % 2 == 0:
            at = np.zeros(num)
            if num < n:
                at[least // 2] = 1.0
                out = out + (spectrum[..., least // 2, None] + spectrum[..., n - least // 2, None]) * at
            elif num > n:
                at[[least // 2, num - least // 2]] = 0.5
                out = out + spectrum[..., least // 2, None] * at
            else:
                at[least // 2] = 1.0
                out = out + spectrum[..., least // 2, None] * at
        y = fourier.transform(out, [num], last, inverse=True)
    y = under_last(y * (float(num) / float(n)), axis)
    if t is None:
        return y
    return y, np.arange(num) * (t[1] - t[0]) * n / float(num) + t[0]


def _polyphase(h: Any, x: Any, up: int, down: int, length: int) -> Any:
    """``Σ_k h[k] z[m · down - k]`` for m below `length`, z being x with ``up - 1`` zeros behind each element."""
    n, taps, rounds = x.shape[-1], h.shape[0], -(-length // up)
    before = -(-taps // up) - 1
    span = before + (up - 1) * down // up + 1  # elements of x that `up` successive results need; the next ones begin `down` on
    k = np.arange(up) * down - (np.arange(span)[:, None] - before) * up
    fine = (k >= 0) & (k < taps)
    weights = FUNCTIONS[np.where](fine, take(h, np.where(fine, k, 0)), 0.0).astype(x.dtype)
    after = max((rounds - 1) * down + span - before - n, 0)
    wide = as_array(FUNCTIONS[np.pad](as_array(x), ((0, 0),) * (x.ndim - 1) + ((before, after),)))
    seen = window(wide, windows=((x.ndim - 1, span, down, 1),))[..., :rounds, :]
    return FUNCTIONS[np.reshape](FUNCTIONS[np.matmul](seen, weights), (*x.shape[:-1], -1))[..., :length]


@scipy_function("scipy.signal.upfirdn")
def upfirdn(h: Any, x: Any, up: int = 1, down: int = 1, axis: int = -1, mode: str = "constant", cval: Any = 0) -> Any:
    """``scipy.signal.upfirdn``, with zeros around the signal."""
    if mode != "constant" or cval:
        refuse("scipy.signal.upfirdn", "only zeros around the signal are traced")
    h, x = _in_common(h, x)
    x = along_last(x, axis)
    length = ((x.shape[-1] - 1) * up + h.shape[0] - 1) // down + 1
    return under_last(_polyphase(h, x, up, down, length), axis)


@scipy_function("scipy.signal.resample_poly")
def resample_poly(x: Any, up: int, down: int, axis: int = 0, window: Any = ("kaiser", 5.0), padtype: str = "constant",
                  cval: Any = None) -> Any:
    """``scipy.signal.resample_poly``, with zeros around the signal."""
    import scipy.signal
    if padtype != "constant" or cval:
        refuse("scipy.signal.resample_poly", "only zeros around the signal are traced")
    x = floating(x)
    up, down = up // math.gcd(up, down), down // math.gcd(up, down)
    if up == down == 1:
        return x * 1.0
    x = along_last(x, axis)
    n_out = -(-x.shape[-1] * up // down)
    if isinstance(window, (list, np.ndarray, Tracer)):
        h = floating(window)
        half = (h.shape[0] - 1) // 2
    else:
        half = 10 * max(up, down)
        h = scipy.signal.firwin(2 * half + 1, 1.0 / max(up, down), window=window)
    h = h.astype(x.dtype) * up
    before = down - half % down
    skipped = (before + half) // down
    h = FUNCTIONS[np.concatenate]([np.zeros(before, h.dtype), h])
    y = _polyphase(h, x, up, down, n_out + skipped)
    return under_last(y[..., skipped:skipped + n_out], axis)


@scipy_function("scipy.signal.decimate")
def decimate(x: Any, q: int, n: Any = None, ftype: Any = "iir", axis: int = -1, zero_phase: bool = True) -> Any:
    """``scipy.signal.decimate``: a low pass, then every q-th element."""
    import scipy.signal
    if ftype not in ("iir", "fir"):
        refuse("scipy.signal.decimate", "only ftype='iir' and 'fir' are traced")
    x = floating(x)
    if ftype == "fir":
        n = 20 * q if n is None else n
        b = scipy.signal.firwin(n + 1, 1.0 / q, window="hamming")
        y = resample_poly(x, 1, q, axis, b) if zero_phase else upfirdn(b, x, 1, q, axis)
    else:
        sos = scipy.signal.cheby1(8 if n is None else n, 0.05, 0.8 / q, output="sos").astype(x.dtype)
        y = sosfiltfilt(sos, x, axis) if zero_phase else sosfilt(sos, x, axis)
    y = along_last(y, axis)
    length = -(-x.shape[axis] // q)
    return under_last(y[..., ::q] if ftype == "iir" else y[..., :length], axis)
