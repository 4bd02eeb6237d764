"""Initial values of parameters, by their standard names.

What comes in: a key, a shape, a dtype. What goes out: an array. The one idea: numbers are drawn so that the variance of what
passes through a layer, forward or backward, is kept; how many numbers meet in a sum (the *fan*) is read off the shape.

Of a shape (n_in, n_out) the fans are n_in and n_out; of more axes, (out, in, \\*kernel), they are in and out times the size of
the kernel. Complex numbers have real and imaginary parts of half the variance each.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert import random
from wengert.errors import InputError

__all__ = [
    "constant", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "kaiming_normal", "kaiming_uniform",
    "lecun_normal", "lecun_uniform", "normal", "ones", "orthogonal", "truncated_normal", "uniform", "xavier_normal",
    "xavier_uniform", "zeros",
]

Shape = tuple[int, ...]


def zeros(key: Any, shape: Shape, dtype: Any = float) -> Any:
    """Zeros; the key is not used.

    Examples
    --------
    >>> zeros(None, (2,))
    array([0., 0.])
    """
    return np.zeros(shape, dtype)


def ones(key: Any, shape: Shape, dtype: Any = float) -> Any:
    """Ones; the key is not used.

    Examples
    --------
    >>> ones(None, (2,))
    array([1., 1.])
    """
    return np.ones(shape, dtype)


def constant(key: Any, shape: Shape, dtype: Any = float, *, value: Any) -> Any:
    """One number; the key is not used.

    Examples
    --------
    >>> constant(None, (2,), value=0.5)
    array([0.5, 0.5])
    """
    return np.full(shape, value, dtype)


def normal(key: Any, shape: Shape, dtype: Any = float, *, deviation: float = 1.0) -> Any:
    """Normal numbers of mean 0.

    Parameters
    ----------
    key : numpy.uint64
    shape : tuple of int
    dtype : dtype
        Of float or complex numbers.
    deviation : float
        The standard deviation; of complex numbers ``√E|z|²``.

    Returns
    -------
    array

    Examples
    --------
    >>> import wengert as wg
    >>> bool(abs(normal(wg.random.key(0), (10_000,), complex, deviation=2.0).std() - 2.0) < 0.05)
    True
    """
    return _drawn(random.normal, key, shape, dtype, deviation)


def uniform(key: Any, shape: Shape, dtype: Any = float, *, limit: float = 1.0) -> Any:
    """Numbers that are uniform in (-limit, limit); of complex numbers both parts, within limit / √2.

    Parameters
    ----------
    key : numpy.uint64
    shape : tuple of int
    dtype : dtype
    limit : float

    Returns
    -------
    array

    Examples
    --------
    >>> import wengert as wg
    >>> bool(abs(uniform(wg.random.key(0), (100,), limit=0.1)).max() < 0.1)
    True
    """
    def draw(key: Any, shape: Shape, dtype: Any) -> Any:
        return random.uniform(key, shape, dtype, -1.0, 1.0)
    return _drawn(draw, key, shape, dtype, limit)


def truncated_normal(key: Any, shape: Shape, dtype: Any = float, *, deviation: float = 1.0) -> Any:
    """Normal numbers, those beyond two standard deviations excluded, scaled to the standard deviation that is asked for.

    Parameters
    ----------
    key : numpy.uint64
    shape : tuple of int
    dtype : dtype
    deviation : float

    Returns
    -------
    array

    Examples
    --------
    >>> import wengert as wg
    >>> draws = truncated_normal(wg.random.key(0), (10_000,))
    >>> bool(abs(draws.std() - 1.0) < 0.02), bool(abs(draws).max() < 2.28)
    (True, True)
    """
    from scipy.special import ndtr, ndtri
    low = ndtr(-2.0)
    kept = math.sqrt(1.0 - 4.0 * math.exp(-2.0) / math.sqrt(2.0 * math.pi) / (1.0 - 2.0 * low))  # deviation of what is left

    def draw(key: Any, shape: Shape, dtype: Any) -> Any:
        u = random.uniform(key, shape, np.float64)
        return (ndtri(low + (1.0 - 2.0 * low) * u) / kept).astype(dtype)
    return _drawn(draw, key, shape, dtype, deviation)


def _drawn(draw: Any, key: Any, shape: Shape, dtype: Any, scale: float) -> Any:
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return scale * draw(key, shape, dtype)
    if dtype.kind != "c":
        raise InputError(f"initial values are float or complex numbers, not {dtype}")
    part, (first, second) = np.dtype(f"f{dtype.itemsize // 2}"), random.split(key)
    return scale / math.sqrt(2.0) * (draw(first, shape, part) + np.array(1j, dtype) * draw(second, shape, part))


# ---------------------------------------------------------------- by fans

def lecun_normal(key: Any, shape: Shape, dtype: Any = float) -> Any:
    """Normal with variance 1 / fan_in: what layers begin with unless they are told.

    Parameters
    ----------
    key : numpy.uint64
    shape : tuple of int
        (n_in, n_out), or (out, in, \\*kernel).
    dtype : dtype

    Returns
    -------
    array

    Examples
    --------
    >>> import wengert as wg
    >>> bool(abs(lecun_normal(wg.random.key(0), (100, 200)).std() - 0.1) < 0.002)
    True

    References
    ----------
    LeCun, Bottou, Orr and Müller, Efficient BackProp, in: Neural networks: tricks of the trade, 1998.
    """
    return normal(key, shape, dtype, deviation=math.sqrt(1.0 / _fans(shape)[0]))


def lecun_uniform(key: Any, shape: Shape, dtype: Any = float) -> Any:
    """Uniform with variance 1 / fan_in: within √(3 / fan_in).

    Examples
    --------
    >>> import wengert as wg
    >>> bool(abs(lecun_uniform(wg.random.key(0), (300, 2))).max() < 0.1)
    True

    References
    ----------
    LeCun, Bottou, Orr and Müller, Efficient BackProp, in: Neural networks: tricks of the trade, 1998.
    """
    return uniform(key, shape, dtype, limit=math.sqrt(3.0 / _fans(shape)[0]))


def glorot_normal(key: Any, shape: Shape, dtype: Any = float) -> Any:
    """Normal with variance 2 / (fan_in + fan_out); also called Xavier's.

    Examples
    --------
    >>> import wengert as wg
    >>> bool(abs(glorot_normal(wg.random.key(0), (150, 50)).std() - 0.1) < 0.002)
    True

    References
    ----------
    Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010.
    """
    return normal(key, shape, dtype, deviation=math.sqrt(2.0 / sum(_fans(shape))))


def glorot_uniform(key: Any, shape: Shape, dtype: Any = float) -> Any:
    """Uniform with variance 2 / (fan_in + fan_out): within √(6 / (fan_in + fan_out)); also called Xavier's.

    Examples
    --------
    >>> import wengert as wg
    >>> bool(abs(glorot_uniform(wg.random.key(0), (100, 500))).max() < 0.1)
    True

    References
    ----------
    Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010.
    """
    return uniform(key, shape, dtype, limit=math.sqrt(6.0 / sum(_fans(shape))))


def he_normal(key: Any, shape: Shape, dtype: Any = float) -> Any:
    """Normal with variance 2 / fan_in, for layers after a `relu`; also called Kaiming's.

    Examples
    --------
    >>> import wengert as wg
    >>> bool(abs(he_normal(wg.random.key(0), (200, 100)).std() - 0.1) < 0.002)
    True

    References
    ----------
    He, Zhang, Ren and Sun, Delving deep into rectifiers, ICCV 2015.
    """
    return normal(key, shape, dtype, deviation=math.sqrt(2.0 / _fans(shape)[0]))


def he_uniform(key: Any, shape: Shape, dtype: Any = float) -> Any:
    """Uniform with variance 2 / fan_in, for layers after a `relu`: within √(6 / fan_in); also called Kaiming's.

    Examples
    --------
    >>> import wengert as wg
    >>> bool(abs(he_uniform(wg.random.key(0), (600, 2))).max() < 0.1)
    True

    References
    ----------
    He, Zhang, Ren and Sun, Delving deep into rectifiers, ICCV 2015.
    """
    return uniform(key, shape, dtype, limit=math.sqrt(6.0 / _fans(shape)[0]))


xavier_normal, xavier_uniform = glorot_normal, glorot_uniform
kaiming_normal, kaiming_uniform = he_normal, he_uniform


def orthogonal(key: Any, shape: Shape, dtype: Any = float, *, scale: float = 1.0) -> Any:
    """A matrix with orthonormal columns or rows, whichever are fewer: the Q of a normal matrix.

    Of more axes than two, (out, in, \\*kernel), the rows of the matrix (out, in · kernel) are meant.

    Parameters
    ----------
    key : numpy.uint64
    shape : tuple of int
        At least two axes.
    dtype : dtype
    scale : float

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> q = orthogonal(wg.random.key(0), (5, 3))
    >>> bool(np.allclose(q.T @ q, np.eye(3)))
    True

    References
    ----------
    Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning in deep linear neural networks, ICLR
    2014.
    """
    if len(shape) < 2:
        raise InputError(f"orthogonal: a shape of at least two axes, not {shape}")
    rows, columns = shape[0], math.prod(shape[1:])
    dtype = np.dtype(dtype)
    a = normal(key, (max(rows, columns), min(rows, columns)), np.complex128 if dtype.kind == "c" else np.float64)
    q, r = np.linalg.qr(a)
    diagonal = np.diagonal(r)
    q = q * (diagonal / np.abs(diagonal))  # so that every orthogonal matrix is equally probable
    return (scale * np.reshape(q if rows >= columns else np.swapaxes(q, 0, 1), shape)).astype(dtype)


def _fans(shape: Shape) -> tuple[float, float]:
    if len(shape) < 2:
        raise InputError(f"the fans of a shape {shape} are not known; it takes (n_in, n_out) or (out, in, *kernel)")
    kernel = math.prod(shape[2:])
    fan_in, fan_out = (shape[1] * kernel, shape[0] * kernel) if len(shape) > 2 else shape
    return max(fan_in, 1), max(fan_out, 1)
