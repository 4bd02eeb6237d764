"""Convolution and correlation of `scipy.signal` on tracers.

What comes in: two arrays of one rank. What goes out: windows met by the reversed kernel, or a product of
Fourier transforms. The one idea: everything is a full convolution, cut to the part that `mode` asks for;
SciPy's own estimate says which of the two ways is faster.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.frontends.numpy_api import fourier
from wengert.frontends.numpy_api.products import operands
from wengert.frontends.numpy_api.structure import axis_of
from wengert.frontends.scipy_api import scipy_function
from wengert.primitives import structure as s
from wengert.primitives.contract import contract_labels
from wengert.primitives.elementwise import conj, multiply
from wengert.primitives.index import basic_index
from wengert.primitives.window import window

__all__: list[str] = []


def _checked(a: Any, b: Any, mode: str) -> tuple[Any, Any]:
    a, b = operands(a, b)
    if mode not in ("full", "same", "valid"):
        raise ValueError("acceptable mode flags are 'valid', 'same', or 'full'")
    if a.ndim != b.ndim:
        raise ValueError("in1 and in2 should have the same dimensionality")
    return a, b


def _larger_first(a: Any, b: Any, axes: list[int]) -> bool:
    """For "valid": whether `a` is the array and `b` the kernel; one is the larger everywhere."""
    if all(a.shape[k] >= b.shape[k] for k in axes):
        return True
    if all(b.shape[k] >= a.shape[k] for k in axes):
        return False
    raise ValueError("For 'valid' mode, one must be at least as large as the other in every dimension")


def _cut(full: Any, first: tuple[int, ...], second: tuple[int, ...], mode: str, axes: list[int]) -> Any:
    """The part of a full convolution that a mode gives."""
    key = [slice(None)] * full.ndim
    for k in axes if mode != "full" else []:
        n, m = first[k], second[k]
        start, length = ((m - 1) // 2, n) if mode == "same" else (min(n, m) - 1, abs(n - m) + 1)
        key[k] = slice(start, start + length)
    return full if mode == "full" else basic_index(full, tuple(key))


def _direct(a: Any, b: Any, mode: str) -> Any:
    """Windows of the larger operand, contracted with the other one reversed."""
    axes = list(range(a.ndim))
    first, second = a.shape, b.shape
    if b.size > a.size:
        a, b = b, a
    if mode == "valid":
        if not _larger_first(a, b, axes):
            a, b = b, a
    else:
        a = s.pad(a, widths=tuple([(n - 1, n - 1) for n in b.shape]))
    seen = window(a, windows=tuple([(k, b.shape[k], 1, 1) for k in axes]))
    inside = [("inside", k) for k in axes]
    out = contract_labels(seen, [*axes, *inside], s.flip(b, axes=tuple(axes)), inside, axes)
    return out if mode == "valid" else _cut(out, first, second, mode, axes)


def _by_fourier(a: Any, b: Any, mode: str, axes: Any) -> Any:
    """The convolution theorem, as in `scipy.signal.fftconvolve`."""
    import scipy.fft
    named = range(a.ndim) if axes is None else axes if hasattr(axes, "__len__") else (axes,)
    wanted = [axis_of(k, a.ndim) for k in named]
    first, second = a.shape, b.shape
    others = [(first[k], second[k]) for k in range(a.ndim) if k not in wanted]
    if any(n != m and 1 not in (n, m) for n, m in others):
        raise ValueError(f"incompatible shapes for in1 and in2: {first} and {second}")
    if mode == "valid" and not _larger_first(a, b, wanted):
        a, b, first, second = b, a, second, first
    turned = [k for k in sorted(wanted) if first[k] != 1 and second[k] != 1]
    if not turned:
        return _cut(multiply(a, b), first, second, mode, wanted)
    real = a.dtype.kind != "c"
    sizes = [first[k] + second[k] - 1 for k in turned]
    fast = [scipy.fft.next_fast_len(n, real) for n in sizes]
    if real:
        product = multiply(*[fourier.real_transform(x, fast, turned) for x in (a, b)])
        full = fourier.real_inverse(product, fast, turned)
    else:
        product = multiply(*[fourier.transform(x, fast, turned, inverse=False) for x in (a, b)])
        full = fourier.transform(product, fast, turned, inverse=True)
    key = [slice(None)] * full.ndim
    for k, n in zip(turned, sizes):
        key[k] = slice(0, n)
    return _cut(basic_index(full, tuple(key)), first, second, mode, wanted)


@scipy_function("scipy.signal.fftconvolve", "scipy.signal.oaconvolve")
def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """``scipy.signal.fftconvolve``, and ``oaconvolve``, which gives the same."""
    a, b = _checked(in1, in2, mode)
    return multiply(a, b) if a.ndim == 0 else _by_fourier(a, b, mode, axes)


@scipy_function("scipy.signal.convolve")
def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """``scipy.signal.convolve``."""
    a, b = _checked(in1, in2, mode)
    if method not in ("auto", "direct", "fft"):
        raise ValueError("Acceptable method flags are 'auto', 'direct', or 'fft'.")
    if a.ndim == 0:
        return multiply(a, b)
    if mode == "valid":
        _larger_first(a, b, list(range(a.ndim)))
    if method == "auto":
        from scipy.signal import choose_conv_method
        zero = np.zeros((), a.dtype)
        method = choose_conv_method(np.broadcast_to(zero, a.shape), np.broadcast_to(zero, b.shape), mode)
    return _by_fourier(a, b, mode, None) if method == "fft" else _direct(a, b, mode)


@scipy_function("scipy.signal.correlate")
def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """``scipy.signal.correlate``: the second operand is conjugated and not reversed."""
    a, b = _checked(in1, in2, mode)
    return convolve(a, conj(s.flip(b, axes=tuple(range(b.ndim))) if b.ndim else b), mode, method)


# ---------------------------------------------------------------- images

_BOUNDARIES = {"fill": "constant", "pad": "constant", "wrap": "wrap", "circular": "wrap", "symm": "symmetric",
               "symmetric": "symmetric"}


def _images(in1: Any, in2: Any, mode: str, boundary: str, fillvalue: Any, shift: int) -> Any:
    """Two arrays of two axes, the first continued beyond its edges; `shift` moves the middle of a kernel of even length."""
    a, b = _checked(in1, in2, mode)
    if a.ndim != 2:
        raise ValueError("convolve2d inputs must both be 2-D arrays")
    if boundary not in _BOUNDARIES:
        raise ValueError("Acceptable boundary flags are 'fill', 'circular' (or 'wrap'), and 'symmetric' (or 'symm').")
    if mode == "valid":
        return _direct(a, b, mode)
    starts = [n - 1 if mode == "full" else n // 2 - (n % 2 == 0) * shift for n in b.shape]
    widths = [(k, n - 1 if mode == "full" else n - 1 - k) for k, n in zip(starts, b.shape, strict=True)]
    how = {"constant_values": fillvalue} if _BOUNDARIES[boundary] == "constant" else {}
    wide: Any = np.pad(a, widths, _BOUNDARIES[boundary], **how)  # type: ignore[call-overload]
    return _direct(wide, b, "valid")


@scipy_function("scipy.signal.convolve2d")
def convolve2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    """``scipy.signal.convolve2d``."""
    return _images(in1, in2, mode, boundary, fillvalue, 0)


@scipy_function("scipy.signal.correlate2d")
def correlate2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    """``scipy.signal.correlate2d``: the second operand is conjugated and not reversed."""
    a, b = _checked(in1, in2, mode)
    if mode == "valid" and a.ndim == 2 and not _larger_first(a, b, [0, 1]):  # SciPy conjugates the smaller one
        a, b = conj(a), conj(b)
    return _images(a, conj(s.flip(b, axes=tuple(range(b.ndim)))), mode, boundary, fillvalue, 1)
