"""`np.fft` and `scipy.fft` on tracers.

What comes in: calls with all their arguments. What goes out: transforms along one axis each, in NumPy's
order. The one idea: `n` crops or pads beforehand, so that a primitive transforms what it gets.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.numpy_api.products import finished, operands
from wengert.frontends.numpy_api.structure import axis_of
from wengert.frontends.scipy_api import scipy_function
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import implements
from wengert.primitives import fourier as f
from wengert.primitives import structure as s
from wengert.primitives.elementwise import conj
from wengert.primitives.index import slice_axis

__all__ = ["real_inverse", "real_transform", "transform"]

Transform = Callable[..., Any]


def _array(a: Any) -> Any:
    """The operand with a floating dtype."""
    (a,) = operands(a)
    return a if a.dtype.kind in "fc" else s.convert(a, dtype=np.dtype(float))


def _norm(norm: Any) -> str:
    if norm is None:
        return "backward"
    if norm not in f.SWAPPED:
        raise ValueError(f'Invalid norm value {norm}; should be "backward","ortho" or "forward".')
    return str(norm)


def _points(n: Any) -> int:
    n = operator.index(n)
    if n < 1:
        raise ValueError(f"Invalid number of FFT data points ({n}) specified.")
    return int(n)


def _sized(a: Any, n: int, axis: int) -> Any:
    """Cropped, or padded with zeros, to n elements along an axis."""
    have = a.shape[axis]
    if n < have:
        return slice_axis(a, axis, 0, n)
    if n == have:
        return a
    return s.pad(a, widths=tuple([(0, n - have if k == axis else 0) for k in range(a.ndim)]))


def _by(by: str) -> dict[str, str]:
    return {"by": by} if by else {}


# ---------------------------------------------------------------- one axis

def _fft(a: Any, n: Any, axis: int, norm: Any, inverse: bool, by: str = "") -> Any:
    n = _points(a.shape[axis] if n is None else n)
    axis = axis_of(axis, a.ndim)
    return f.fft(_sized(a, n, axis), axis=axis, inverse=inverse, norm=_norm(norm), **_by(by))


def _rfft(a: Any, n: Any, axis: int, norm: Any, by: str = "") -> Any:
    if a.dtype.kind == "c":
        raise TypeError(f"rfft takes real input, not {a.dtype}; use fft")
    n = _points(a.shape[axis] if n is None else n)
    axis = axis_of(axis, a.ndim)
    return f.rfft(_sized(a, n, axis), axis=axis, norm=_norm(norm), **_by(by))


def _irfft(a: Any, n: Any, axis: int, norm: Any, by: str = "") -> Any:
    n = _points(2 * (a.shape[axis] - 1) if n is None else n)
    axis = axis_of(axis, a.ndim)
    return f.irfft(_sized(a, n // 2 + 1, axis), axis=axis, n=n, norm=_norm(norm), **_by(by))


def _hfft(a: Any, n: Any, axis: int, norm: Any, by: str = "") -> Any:
    return _irfft(conj(a), n, axis, f.SWAPPED[_norm(norm)], by)


def _ihfft(a: Any, n: Any, axis: int, norm: Any, by: str = "") -> Any:
    return conj(_rfft(a, n, axis, f.SWAPPED[_norm(norm)], by))


_ONE_AXIS: dict[str, Transform] = {
    "fft": lambda a, n, axis, norm, by="": _fft(a, n, axis, norm, False, by),
    "ifft": lambda a, n, axis, norm, by="": _fft(a, n, axis, norm, True, by),
    "rfft": _rfft, "irfft": _irfft, "hfft": _hfft, "ihfft": _ihfft}


# ---------------------------------------------------------------- several axes

def _lengths(a: Any, lengths: Any, axes: Any, half_to_real: bool, quiet: bool) -> tuple[list[int], list[int]]:
    """The lengths and axes of an n-dimensional transform."""
    shapeless = lengths is None
    if shapeless:
        axes = list(range(a.ndim)) if axes is None else [axis_of(k, a.ndim) for k in _many(axes)]
        lengths = [a.shape[k] for k in axes]
        if half_to_real:
            lengths[-1] = (a.shape[axes[-1]] - 1) * 2
        return lengths, axes
    lengths = list(_many(lengths))
    if axes is None:
        if not quiet:
            warnings.warn("`axes` should not be `None` if `s` is not `None` (Deprecated in NumPy 2.0).",
                          DeprecationWarning, stacklevel=4)
        axes = list(range(-len(lengths), 0))
    axes = [axis_of(k, a.ndim) for k in _many(axes)]
    if len(lengths) != len(axes):
        raise ValueError("Shape and axes have different lengths.")
    if None in lengths:
        raise UnsupportedError(f"None in s= of a Fourier transform at {user_line()}: write the length, or -1")
    return [a.shape[k] if n == -1 else int(n) for n, k in zip(lengths, axes, strict=True)], axes


def _many(x: Any) -> Any:
    return x if hasattr(x, "__len__") else (x,)


def _fftn(a: Any, lengths: Any, axes: Any, norm: Any, inverse: bool, by: str = "") -> Any:
    lengths, axes = _lengths(a, lengths, axes, False, bool(by))
    for n, axis in zip(lengths[::-1], axes[::-1], strict=True):
        a = _fft(a, n, axis, norm, inverse, by)
    return a


def _rfftn(a: Any, lengths: Any, axes: Any, norm: Any, by: str = "") -> Any:
    lengths, axes = _lengths(a, lengths, axes, False, bool(by))
    a = _rfft(a, lengths[-1], axes[-1], norm, by)
    for n, axis in zip(lengths[-2::-1], axes[-2::-1], strict=True):
        a = _fft(a, n, axis, norm, False, by)
    return a


def _irfftn(a: Any, lengths: Any, axes: Any, norm: Any, by: str = "") -> Any:
    lengths, axes = _lengths(a, lengths, axes, True, bool(by))
    for n, axis in zip(lengths[:-1], axes[:-1], strict=True):
        a = _fft(a, n, axis, norm, True, by)
    return _irfft(a, lengths[-1], axes[-1], norm, by)


def transform(a: Any, lengths: list[int], axes: list[int], inverse: bool) -> Any:
    """``scipy.fft.fftn`` or ``ifftn``, for other functions made of it."""
    return _fftn(a, lengths, axes, None, inverse, "scipy")


def real_transform(a: Any, lengths: list[int], axes: list[int]) -> Any:
    """``scipy.fft.rfftn``."""
    return _rfftn(a, lengths, axes, None, "scipy")


def real_inverse(a: Any, lengths: list[int], axes: list[int]) -> Any:
    """``scipy.fft.irfftn``."""
    return _irfftn(a, lengths, axes, None, "scipy")


_SEVERAL_AXES: dict[str, Transform] = {
    "fft": lambda a, n, axes, norm, by="": _fftn(a, n, axes, norm, False, by),
    "ifft": lambda a, n, axes, norm, by="": _fftn(a, n, axes, norm, True, by),
    "rfft": _rfftn, "irfft": _irfftn,
    "hfft": lambda a, n, axes, norm, by="": _irfftn(conj(a), n, axes, f.SWAPPED[_norm(norm)], by),
    "ihfft": lambda a, n, axes, norm, by="": conj(_rfftn(a, n, axes, f.SWAPPED[_norm(norm)], by))}


# ---------------------------------------------------------------- registration

def _register(name: str) -> None:
    one, several = _ONE_AXIS[name], _SEVERAL_AXES[name]

    def transform(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
        return finished(one(_array(a), n, axis, norm), out)

    def transform_2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
        return finished(several(_array(a), s, axes, norm), out)

    def transform_n(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
        return finished(several(_array(a), s, axes, norm), out)

    implements(getattr(np.fft, name))(transform)
    if hasattr(np.fft, name + "2"):
        implements(getattr(np.fft, name + "2"))(transform_2)
        implements(getattr(np.fft, name + "n"))(transform_n)

    def scipy_transform(x: Any, n: Any = None, axis: int = -1, norm: Any = None, overwrite_x: bool = False,
                        workers: Any = None, *, plan: Any = None) -> Any:
        _no_plan(plan)
        return one(_array(x), n, axis, norm, "scipy")

    def scipy_transform_2(x: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None,
                          overwrite_x: bool = False,
                          workers: Any = None, *, plan: Any = None) -> Any:
        _no_plan(plan)
        return several(_array(x), s, axes, norm, "scipy")

    def scipy_transform_n(x: Any, s: Any = None, axes: Any = None, norm: Any = None,
                          overwrite_x: bool = False,
                          workers: Any = None, *, plan: Any = None) -> Any:
        _no_plan(plan)
        return several(_array(x), s, axes, norm, "scipy")

    scipy_function("scipy.fft." + name)(scipy_transform)
    scipy_function(f"scipy.fft.{name}2")(scipy_transform_2)
    scipy_function(f"scipy.fft.{name}n")(scipy_transform_n)


def _no_plan(plan: Any) -> None:
    if plan is not None:
        raise NotImplementedError("Passing a precomputed plan is not yet supported by scipy.fft functions")


for _name in _ONE_AXIS:
    _register(_name)


# ---------------------------------------------------------------- shifts

@scipy_function("scipy.fft.fftshift")
@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    """``np.fft.fftshift``."""
    return _shifted(x, axes, lambda n: n // 2)


@scipy_function("scipy.fft.ifftshift")
@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    """``np.fft.ifftshift``."""
    return _shifted(x, axes, lambda n: n - n // 2)


def _shifted(x: Any, axes: Any, by: Callable[[int], int]) -> Any:
    """Rolled along some axes: the last ``by(n)`` elements first."""
    (x,) = operands(x)
    for axis in range(x.ndim) if axes is None else [axis_of(k, x.ndim) for k in _many(axes)]:
        n = x.shape[axis]
        start = n - by(n)
        if 0 < start < n:
            x = s.concatenate(slice_axis(x, axis, start, n), slice_axis(x, axis, 0, start), axis=axis)
    return x


# ---------------------------------------------------------------- cosine and sine transforms

def _cosine(kind: str, x: Any, type: int, n: Any, axis: int, norm: Any, inverse: bool,
            orthogonalize: Any) -> Any:
    if type not in (1, 2, 3, 4):
        raise ValueError(f"type must be an integer between 1 and 4, not {type}")
    norm = _norm(norm)
    if orthogonalize is not None and bool(orthogonalize) != (norm == "ortho"):
        raise UnsupportedError(f"orthogonalize={orthogonalize} with norm={norm!r} at {user_line()}: leave it "
                               f"away, and scale the first element yourself")
    if inverse:
        type, norm = {1: 1, 2: 3, 3: 2, 4: 4}[type], f.SWAPPED[norm]
    length = x.shape[axis] if n is None else operator.index(n)
    if length < 1 or (kind == "dct" and type == 1 and length < 2):
        raise ValueError(f"invalid number of data points ({length}) specified")
    axis = axis_of(axis, x.ndim)
    return (f.dct if kind == "dct" else f.dst)(_sized(x, length, axis), type=type, axis=axis, norm=norm)


def _register_cosine(kind: str, inverse: bool) -> None:
    name = f"scipy.fft.{'i' * inverse}{kind}"

    def transform(x: Any, type: int = 2, n: Any = None, axis: int = -1, norm: Any = None,
                  overwrite_x: bool = False,
                  workers: Any = None, orthogonalize: Any = None) -> Any:
        return _cosine(kind, _array(x), type, n, axis, norm, inverse, orthogonalize)

    def transform_n(x: Any, type: int = 2, s: Any = None, axes: Any = None, norm: Any = None,
                    overwrite_x: bool = False,
                    workers: Any = None, *, orthogonalize: Any = None) -> Any:
        x = _array(x)
        for n, axis in zip(*_lengths(x, s, axes, False, True), strict=True):
            x = _cosine(kind, x, type, n, axis, norm, inverse, orthogonalize)
        return x

    scipy_function(name)(transform)
    scipy_function(name + "n")(transform_n)


for _kind in ("dct", "dst"):
    _register_cosine(_kind, False)
    _register_cosine(_kind, True)
