"""Discrete Fourier, cosine and sine transforms along one axis.

What comes in: an array. What goes out: its transform, computed by `np.fft` (or `scipy.fft`). The one idea:
these are linear maps, and the transpose of each is another of them: with F the matrix of ``exp(-2πi jk/n)``,
the adjoint of F under Re<a, b> is n times its inverse; for the half spectra of real arrays, the frequencies
that stand for two (all but 0 and, for even n, n/2) are counted twice on the way to the real array and once on
the way back.

`norm` is "backward", "ortho" or "forward": whether the factor 1/n is with the inverse, split, or with the
direct transform. The transpose of a direct transform is an inverse one with the same factor, so "backward"
and "forward" change places. The matrices of the cosine and sine transforms are those of SciPy's documentation
(Martucci, "Symmetric convolution and the discrete sine and cosine transforms", IEEE Trans. Signal Process.
42, 1994).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import ArrayType, Const, Handle, Primitive
from wengert.primitives.structure import convert

__all__ = ["SWAPPED", "dct", "dst", "fft", "irfft", "rfft"]

SWAPPED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def _module(by: str) -> Any:
    if by == "scipy":
        import scipy.fft
        return scipy.fft
    return np.fft


def _complex_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.result_type(dtype, np.complex64)


def _real_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float32) if dtype in (np.complex64, np.float32) else np.dtype(np.float64)


def _resized(shape: tuple[int, ...], axis: int, n: int) -> tuple[int, ...]:
    return (*shape[:axis], n, *shape[axis + 1:])


def _along(x: Handle, axis: int, values: Any) -> Any:
    """x times these factors along one axis."""
    factors = np.reshape(values, [-1 if k == axis else 1 for k in range(x.ndim)])
    return x * Handle(x.build, Const(factors.astype(x.dtype)))


def _draw(rng: np.random.Generator, *shape: int) -> Any:
    return rng.normal(size=shape)


def _draw_complex(rng: np.random.Generator, *shape: int) -> Any:
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


# ---------------------------------------------------------------- complex transforms

def _fft_evaluate(x: Any, *, axis: int, inverse: bool, norm: str, by: str = "") -> Any:
    module = _module(by)
    return (module.ifft if inverse else module.fft)(x, axis=axis, norm=norm)


def _fft_type(x: ArrayType, *, axis: int, inverse: bool, norm: str, by: str = "") -> ArrayType:
    if x.shape[axis] < 1:
        raise ValueError("Invalid number of FFT data points (0) specified.")
    return ArrayType(x.shape, _complex_of(x.dtype))


def _fft_transpose(ct: Any, i: int, ops: Any, *, axis: int, inverse: bool, norm: str, by: str = "") -> Any:
    out = fft(ct, axis=axis, inverse=not inverse, norm=SWAPPED[norm], **_by(by))
    return out if ops.types[0].dtype.kind == "c" else convert(out, dtype=ops.types[0].dtype)


def _by(by: str) -> dict[str, str]:
    return {"by": by} if by else {}


fft: Primitive = Primitive(
    "fft", type=_fft_type, evaluate=_fft_evaluate, linear="jointly", transpose=_fft_transpose,
    batch=lambda n, ops, batched, *, axis, **rest: fft(ops[0], axis=axis + 1, **rest),
    sample=lambda rng: [((_draw_complex(rng, 5),), {"axis": 0, "inverse": False, "norm": "backward"}),
                        ((_draw_complex(rng, 4),), {"axis": 0, "inverse": True, "norm": "backward"}),
                        ((_draw_complex(rng, 3, 4),), {"axis": 0, "inverse": True, "norm": "ortho"}),
                        ((_draw(rng, 2, 6),), {"axis": 1, "inverse": False, "norm": "forward"}),
                        ((_draw(rng, 3),), {"axis": 0, "inverse": True, "norm": "backward", "by": "scipy"}),
                        ((_draw_complex(rng, 0, 3),), {"axis": 1, "inverse": False, "norm": "backward"})])


# ---------------------------------------------------------------- real arrays and half spectra

def _doubled(n: int) -> Any:
    """How many frequencies of the whole spectrum each one of the half spectrum stands for."""
    weights = np.full(n // 2 + 1, 2.0)
    weights[0] = 1.0
    if n % 2 == 0:
        weights[-1] = 1.0
    return weights


def _rfft_type(x: ArrayType, *, axis: int, norm: str, by: str = "") -> ArrayType:
    if x.dtype.kind != "f":
        raise TypeError(f"rfft of {x}: it takes real numbers")
    if x.shape[axis] < 1:
        raise ValueError("Invalid number of FFT data points (0) specified.")
    return ArrayType(_resized(x.shape, axis, x.shape[axis] // 2 + 1), _complex_of(x.dtype))


def _rfft_transpose(ct: Any, i: int, ops: Any, *, axis: int, norm: str, by: str = "") -> Any:
    n = ops.types[0].shape[axis]
    return irfft(_along(ct, axis, 1.0 / _doubled(n)), axis=axis, n=n, norm=SWAPPED[norm], **_by(by))


rfft: Primitive = Primitive(
    "rfft", type=_rfft_type, linear="jointly", transpose=_rfft_transpose,
    evaluate=lambda x, *, axis, norm, by="": _module(by).rfft(x, axis=axis, norm=norm),
    batch=lambda n, ops, batched, *, axis, **rest: rfft(ops[0], axis=axis + 1, **rest),
    sample=lambda rng: [((_draw(rng, 5),), {"axis": 0, "norm": "backward"}),
                        ((_draw(rng, 6),), {"axis": 0, "norm": "forward"}),
                        ((_draw(rng, 4, 2),), {"axis": 0, "norm": "ortho"}),
                        ((_draw(rng, 1),), {"axis": 0, "norm": "backward"}),
                        ((_draw(rng, 2),), {"axis": 0, "norm": "backward", "by": "scipy"}),
                        ((_draw(rng, 3, 0, 2),), {"axis": 2, "norm": "backward"})])


def _irfft_type(x: ArrayType, *, axis: int, n: int, norm: str, by: str = "") -> ArrayType:
    if n < 1 or x.shape[axis] != n // 2 + 1:
        raise TypeError(f"irfft of {x} along axis {axis} to {n} points: it takes {n // 2 + 1} frequencies")
    return ArrayType(_resized(x.shape, axis, n), _real_of(x.dtype))


def _irfft_transpose(ct: Any, i: int, ops: Any, *, axis: int, n: int, norm: str, by: str = "") -> Any:
    out = _along(rfft(ct, axis=axis, norm=SWAPPED[norm], **_by(by)), axis, _doubled(n))
    return out if ops.types[0].dtype.kind == "c" else convert(out, dtype=ops.types[0].dtype)


irfft: Primitive = Primitive(
    "irfft", type=_irfft_type, linear="jointly", transpose=_irfft_transpose,
    evaluate=lambda x, *, axis, n, norm, by="": _module(by).irfft(x, n, axis=axis, norm=norm),
    batch=lambda size, ops, batched, *, axis, **rest: irfft(ops[0], axis=axis + 1, **rest),
    sample=lambda rng: [((_draw_complex(rng, 3),), {"axis": 0, "n": 5, "norm": "backward"}),
                        ((_draw_complex(rng, 4),), {"axis": 0, "n": 6, "norm": "forward"}),
                        ((_draw_complex(rng, 3, 2),), {"axis": 0, "n": 4, "norm": "ortho"}),
                        ((_draw_complex(rng, 1),), {"axis": 0, "n": 1, "norm": "backward"}),
                        ((_draw(rng, 4),), {"axis": 0, "n": 7, "norm": "backward"}),
                        ((_draw_complex(rng, 2, 2),), {"axis": 1, "n": 2, "norm": "backward", "by": "scipy"}),
                        ((_draw_complex(rng, 0, 2),), {"axis": 1, "n": 3, "norm": "backward"})])


# ---------------------------------------------------------------- cosine and sine transforms of types 1 to 4

_OTHER_TYPE = {1: 1, 2: 3, 3: 2, 4: 4}


def _cosine_evaluate(x: Any, *, type: int, axis: int, norm: str) -> Any:
    return _module("scipy").dct(x, type=type, axis=axis, norm=norm)


def _sine_evaluate(x: Any, *, type: int, axis: int, norm: str) -> Any:
    return _module("scipy").dst(x, type=type, axis=axis, norm=norm)


def _edges(n: int, first: float = 1.0, last: float = 1.0) -> Any:
    weights = np.ones(n)
    weights[0] *= first
    weights[-1] *= last
    return weights


def _cosine_transpose(ct: Any, i: int, ops: Any, *, type: int, axis: int, norm: str) -> Any:
    """Without "ortho", the first column of type 3 (first and last of type 1) is half of the others."""
    n = ct.shape[axis]
    before = after = None
    if norm != "ortho" and type == 1:
        before, after = _edges(n, 2.0, 2.0), _edges(n, 0.5, 0.5)
    elif norm != "ortho" and type == 2:
        before = _edges(n, first=2.0)
    elif norm != "ortho" and type == 3:
        after = _edges(n, first=0.5)
    ct = ct if before is None else _along(ct, axis, before)
    out = dct(ct, type=_OTHER_TYPE[type], axis=axis, norm=norm)
    return out if after is None else _along(out, axis, after)


def _sine_transpose(ct: Any, i: int, ops: Any, *, type: int, axis: int, norm: str) -> Any:
    """Without "ortho", the last column of type 3 is half of what the others are."""
    n = ct.shape[axis]
    if norm != "ortho" and type == 2:
        ct = _along(ct, axis, _edges(n, last=2.0))
    out = dst(ct, type=_OTHER_TYPE[type], axis=axis, norm=norm)
    return _along(out, axis, _edges(n, last=0.5)) if norm != "ortho" and type == 3 else out


def _transform_sample(rng: np.random.Generator) -> Any:
    out = [((_draw(rng, 5),), {"type": t, "axis": 0, "norm": norm})
           for t in (1, 2, 3, 4) for norm in ("backward", "ortho", "forward")]
    return [*out, ((_draw(rng, 2, 4),), {"type": 2, "axis": 1, "norm": "backward"}),
            ((_draw_complex(rng, 4, 2),), {"type": 3, "axis": 0, "norm": "backward"})]


def _cosine_or_sine_type(x: ArrayType, *, type: int, axis: int, norm: str) -> ArrayType:
    return x


dct: Primitive = Primitive(
    "dct", type=_cosine_or_sine_type, evaluate=_cosine_evaluate, linear="jointly",
    transpose=_cosine_transpose, sample=_transform_sample,
    batch=lambda n, ops, batched, *, axis, **rest: dct(ops[0], axis=axis + 1, **rest))
dst: Primitive = Primitive(
    "dst", type=_cosine_or_sine_type, evaluate=_sine_evaluate, linear="jointly",
    transpose=_sine_transpose, sample=_transform_sample,
    batch=lambda n, ops, batched, *, axis, **rest: dst(ops[0], axis=axis + 1, **rest))
