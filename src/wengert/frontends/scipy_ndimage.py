"""``scipy.ndimage`` on tracers: smoothing with kernels, and interpolation between pixels.

What comes in: arrays, kernels, coordinates. What goes out: filtered arrays, or values between the pixels. The one idea: the
array is continued beyond its edges as the mode says, and each window of it meets the kernel.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from wengert.frontends.numpy_api.structure import as_array, axis_of
from wengert.frontends.scipy_api import scipy_function
from wengert.frontends.scipy_data import along_last, chosen, data, known, plain, refuse, take, under_last
from wengert.frontends.scipy_filters import sliding
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced
from wengert.primitives.window import window

__all__: list[str] = []

# SciPy's names for what lies beyond the edges, and NumPy's
_MODES = {"reflect": "symmetric", "grid-mirror": "symmetric", "constant": "constant", "grid-constant": "constant",
          "nearest": "edge", "mirror": "reflect", "wrap": "wrap", "grid-wrap": "wrap"}


def _continued(x: Any, widths: Any, mode: str, cval: Any) -> Any:
    if mode not in _MODES:
        raise RuntimeError(f"boundary mode {mode!r} not supported")
    options = {"constant_values": cval} if _MODES[mode] == "constant" else {}
    return FUNCTIONS[np.pad](as_array(x), tuple(widths), _MODES[mode], **options)


def _image(x: Any) -> Any:
    """An array as it is given; SciPy gives what it is filtered to in its dtype."""
    x = as_array(as_traced(x))
    if x.dtype.kind in "biu":
        refuse("scipy.ndimage", "the array holds integers, and SciPy gives integers; write x.astype(float)")
    return x


def _like(out: Any, x: Any, weights: Any) -> Any:
    """What was computed in double precision, in the dtype that SciPy gives."""
    dtype = np.promote_types(x.dtype, np.complex64) if weights.dtype.kind == "c" else x.dtype
    return out.astype(dtype) if out.dtype != dtype else out


def _conjugate(weights: Any) -> Any:
    """SciPy correlates with conjugate weights, and convolves with them as they are."""
    return np.conj(weights) if weights.dtype.kind == "c" else weights


def _along(given: Any, weights: Any, axis: int, mode: str, cval: Any, before: int) -> Any:
    """Windows along one axis, of which `before` elements lie before the place in question."""
    given = _image(given)
    x = data(given)
    axis = axis_of(axis, x.ndim)
    wide, n = along_last(x, axis), weights.shape[0]
    widths = [(0, 0)] * (x.ndim - 1) + [(before, n - 1 - before)]
    return _like(under_last(sliding(_continued(wide, widths, mode, cval), weights), axis), given, weights)


def _no_output(output: Any) -> None:
    if output is not None:
        refuse("scipy.ndimage", "output= is not traced; use what the function returns")


def _checked(weights: Any, origin: int) -> Any:
    weights = data(weights)
    if weights.ndim != 1 or not weights.shape[0]:
        raise RuntimeError("no filter weights given")
    if not -(weights.shape[0] // 2) <= origin <= (weights.shape[0] - 1) // 2:
        raise ValueError("Invalid origin; origin must satisfy -(len(weights) // 2) <= origin <= (len(weights)-1) // 2")
    return weights


@scipy_function("scipy.ndimage.correlate1d")
def correlate1d(input: Any, weights: Any, axis: int = -1, output: Any = None, mode: str = "reflect", cval: Any = 0.0,
                origin: int = 0) -> Any:
    """``scipy.ndimage.correlate1d``."""
    _no_output(output)
    weights = _conjugate(_checked(weights, origin))
    return _along(input, weights, axis, mode, cval, weights.shape[0] // 2 + origin)


@scipy_function("scipy.ndimage.convolve1d")
def convolve1d(input: Any, weights: Any, axis: int = -1, output: Any = None, mode: str = "reflect", cval: Any = 0.0,
               origin: int = 0) -> Any:
    """``scipy.ndimage.convolve1d``."""
    weights = _checked(weights, origin)
    return correlate1d(input, _conjugate(weights[::-1]), axis, output, mode, cval, -origin - (weights.shape[0] % 2 == 0))


@scipy_function("scipy.ndimage.uniform_filter1d")
def uniform_filter1d(input: Any, size: int, axis: int = -1, output: Any = None, mode: str = "reflect", cval: Any = 0.0,
                     origin: int = 0) -> Any:
    """``scipy.ndimage.uniform_filter1d``."""
    return correlate1d(input, np.full(size, 1.0 / size), axis, output, mode, cval, origin)


def _gaussian(sigma: Any, order: int, radius: int) -> Any:
    """The weights of a Gaussian, or of its derivative, which is it times a Hermite polynomial."""
    t = np.arange(-radius, radius + 1) + 0.0
    z = t / sigma
    weights = np.exp(-0.5 * z * z)
    weights = weights / FUNCTIONS[np.sum](weights)
    if order:
        hermite = np.polynomial.hermite_e.herme2poly([0.0] * order + [1.0])
        total: Any = 0.0
        for c in hermite[::-1]:
            total = total * z + c
        weights = weights * total * (-1.0 / sigma) ** order
    return weights


@scipy_function("scipy.ndimage.gaussian_filter1d")
def gaussian_filter1d(input: Any, sigma: Any, axis: int = -1, order: int = 0, output: Any = None, mode: str = "reflect",
                      cval: Any = 0.0, truncate: float = 4.0, *, radius: Any = None) -> Any:
    """``scipy.ndimage.gaussian_filter1d``; where the Gaussian is cut is locally constant in sigma."""
    sigma = data(sigma)
    if radius is None:
        radius = int(truncate * float(plain(sigma, "the radius of a Gaussian filter: give radius=; it")) + 0.5)
    return correlate1d(input, _gaussian(sigma, order, radius)[::-1], axis, output, mode, cval, 0)


def _for_axes(value: Any, n: int) -> list[Any]:
    value = list(value) if isinstance(value, (list, tuple)) else value
    if not isinstance(value, list):
        value = [value] * n if isinstance(value, str) or not np.ndim(value) else [value[k] for k in range(n)]
    if len(value) != n:
        raise RuntimeError("sequence argument must have length equal to input rank")
    return value


@scipy_function("scipy.ndimage.gaussian_filter")
def gaussian_filter(input: Any, sigma: Any, order: Any = 0, output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
                    truncate: float = 4.0, *, radius: Any = None, axes: Any = None) -> Any:
    """``scipy.ndimage.gaussian_filter``: one axis after the other."""
    _no_output(output)
    x = _image(input)
    axes = list(range(x.ndim)) if axes is None else [axis_of(k, x.ndim) for k in np.atleast_1d(axes)]
    for axis, s, o, m, r in zip(axes, *[_for_axes(v, len(axes)) for v in (sigma, order, mode, radius)], strict=True):
        if not isinstance(s, Tracer) and s <= 1e-15:
            continue
        x = gaussian_filter1d(x, s, axis, o, None, m, cval, truncate, radius=r)
    return x


@scipy_function("scipy.ndimage.uniform_filter")
def uniform_filter(input: Any, size: Any = 3, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *,
                   axes: Any = None) -> Any:
    """``scipy.ndimage.uniform_filter``."""
    _no_output(output)
    x = _image(input)
    axes = list(range(x.ndim)) if axes is None else [axis_of(k, x.ndim) for k in np.atleast_1d(axes)]
    for axis, n, m, o in zip(axes, *[_for_axes(v, len(axes)) for v in (size, mode, origin)], strict=True):
        x = uniform_filter1d(x, n, axis, None, m, cval, o) if n > 1 else x
    return x


@scipy_function("scipy.ndimage.correlate")
def correlate(input: Any, weights: Any, output: Any = None, mode: str = "reflect", cval: Any = 0.0, origin: Any = 0, *,
              axes: Any = None) -> Any:
    """``scipy.ndimage.correlate``."""
    _no_output(output)
    given, weights = _image(input), _conjugate(data(weights))
    x = data(given)
    if axes is not None or x.ndim != weights.ndim:
        refuse("scipy.ndimage.correlate", "axes= is not traced: weights and input have the same number of dimensions")
    before = [n // 2 + o for n, o in zip(weights.shape, _for_axes(origin, x.ndim), strict=True)]
    wide = _continued(x, [(k, n - 1 - k) for k, n in zip(before, weights.shape, strict=True)], mode, cval)
    seen = window(wide, windows=tuple([(k, n, 1, 1) for k, n in enumerate(weights.shape)]))
    return _like(FUNCTIONS[np.tensordot](seen, weights, x.ndim), given, weights)


@scipy_function("scipy.ndimage.convolve")
def convolve(input: Any, weights: Any, output: Any = None, mode: str = "reflect", cval: Any = 0.0, origin: Any = 0, *,
             axes: Any = None) -> Any:
    """``scipy.ndimage.convolve``."""
    weights = data(weights)
    origins = [-o - (n % 2 == 0) for o, n in zip(_for_axes(origin, weights.ndim), weights.shape, strict=True)]
    return correlate(input, _conjugate(np.flip(weights)), output, mode, cval, origins, axes=axes)


# ---------------------------------------------------------------- between pixels

def _cells(x: Any, n: int, mode: str) -> tuple[Any, list[tuple[Any, Any]]]:
    """Where a coordinate counts, and the pixels on both sides with their weights."""
    if mode == "nearest":
        inside, x = True, np.minimum(np.maximum(x, 0.0), n - 1.0)
    elif mode == "constant":
        inside = (x >= 0.0) & (x <= n - 1.0)
        x = chosen(inside, x, 0.0)
    elif mode == "mirror":
        period = 2.0 * max(n - 1, 1)
        x = np.abs(x - period * np.round(known(x) / period))
        inside = True
    else:
        refuse("scipy.ndimage.map_coordinates", f"mode={mode!r} is not traced; use 'constant', 'nearest' or 'mirror'")
    j = known(np.minimum(np.maximum(np.floor(known(x)), 0.0), max(n - 2, 0)).astype(np.int64))
    t = x - j
    return inside, [(j, 1.0 - t), (np.minimum(j + 1, n - 1), t)]


@scipy_function("scipy.ndimage.map_coordinates")
def map_coordinates(input: Any, coordinates: Any, output: Any = None, order: int = 3, mode: str = "constant", cval: Any = 0.0,
                    prefilter: bool = True) -> Any:
    """``scipy.ndimage.map_coordinates`` of order 1 (or 0)."""
    _no_output(output)
    if order not in (0, 1):
        refuse("scipy.ndimage.map_coordinates", f"order={order} is not traced; use order=1, or RegularGridInterpolator")
    given, at = _image(input), data(coordinates)
    x = data(given)
    if at.shape[0] != x.ndim:
        raise RuntimeError("invalid shape for coordinate array")
    if order == 0:
        at = np.floor(at + 0.5) + 0.0 * at
    shape, flat = at.shape[1:], np.reshape(x, (-1,))
    inside: Any = True
    corners = []
    for k, n in enumerate(x.shape):
        fine, cells = _cells(np.reshape(at[k], (-1,)), n, mode)
        inside = inside & fine
        corners.append(cells)
    total: Any = 0.0
    for corner in itertools.product(*corners):
        place, weight = 0, 1.0
        for (j, w), n in zip(corner, x.shape, strict=True):
            place, weight = place * n + j, weight * w
        total = total + weight * take(flat, place)
    return _like(np.reshape(chosen(inside, total, cval), shape), given, at)
