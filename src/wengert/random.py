"""Random numbers from keys: reproducible, in any order and in parallel.

What comes in: a key, and what to draw. What goes out: numbers that depend on the key alone. The one idea: there is no
state; a key gives the same numbers in every way of running (plain, `jit`, `vmap`, `grad`, a loop), and new keys are
made by `split` and `fold_in`.

Use a key once: two draws from one key are the same draw. Names and argument order are JAX's, the numbers are not.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from wengert.errors import InputError
from wengert.frontends.scipy_data import require
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import Tracer
from wengert.primitives.random import threefry

__all__ = [
    "bernoulli",
    "bits",
    "categorical",
    "choice",
    "exponential",
    "fold_in",
    "key",
    "normal",
    "permutation",
    "randint",
    "split",
    "uniform",
]

Shape = int | tuple[int, ...]
# Counters of draws, of split and of fold_in do not meet: they differ in the two highest bits.
_SPLIT, _FOLD = np.uint64(1 << 62), np.uint64(2 << 62)
_SEEDING = np.uint64(0x77656E6765727421)


# ---------------------------------------------------------------- keys


def key(seed: Any) -> Any:
    """A key made of a seed.

    Parameters
    ----------
    seed : int
        From -2**63 to 2**64 - 1.

    Returns
    -------
    numpy.uint64

    Examples
    --------
    >>> import wengert as wg
    >>> bool(wg.random.uniform(wg.random.key(0)) == wg.random.uniform(wg.random.key(0)))
    True
    """
    return threefry(_SEEDING, _word(seed, "key: the seed"))


def split(key: Any, n: Shape = 2) -> Any:
    """New keys, independent of each other and of what is drawn from `key`.

    Parameters
    ----------
    key : numpy.uint64
    n : int or tuple of int
        How many.

    Returns
    -------
    array of uint64

    Examples
    --------
    >>> import wengert as wg
    >>> first, second = wg.random.split(wg.random.key(0))
    >>> wg.vmap(wg.random.normal)(wg.random.split(first, 5)).shape
    (5,)
    """
    return threefry(_key(key, "split"), _counters(_shape(n)) | _SPLIT)


def fold_in(key: Any, data: Any) -> Any:
    """A new key that depends on `key` and on a number, such as the count of a loop.

    Parameters
    ----------
    key : numpy.uint64
    data : int
        From -2**63 to 2**64 - 1.

    Returns
    -------
    numpy.uint64

    Examples
    --------
    >>> import wengert as wg
    >>> key = wg.random.key(0)
    >>> bool(wg.random.fold_in(key, 1) == wg.random.fold_in(key, 2))
    False
    """
    return threefry(threefry(_key(key, "fold_in"), _FOLD), _word(data, "fold_in: the data"))


def _key(key: Any, what: str) -> Any:
    """The key, checked: an integer in its place would be a seed that is not mixed, and an array would be many keys."""
    dtype, shape = getattr(key, "dtype", None), np.shape(key)
    if dtype != np.uint64:
        given = f"{dtype} numbers" if dtype is not None else f"a value of type {type(key).__name__}"
        raise InputError(f"{what} at {user_line()} is given {given}, not a key; make one: wg.random.key(seed)")
    if shape:
        raise InputError(
            f"{what} at {user_line()} is given keys of shape {shape}; it takes one. Map over them with wg.vmap"
        )
    return key


def _word(x: Any, what: str) -> Any:
    """An integer as 64 bits."""
    if isinstance(x, (Tracer, np.ndarray, np.generic)):
        if np.shape(x) or x.dtype.kind not in "iub":
            raise InputError(f"{what} at {user_line()} is one integer")
        return x.astype(np.uint64)
    try:
        number = operator.index(x)
    except TypeError:
        raise InputError(f"{what} at {user_line()} is one integer, not a {type(x).__name__}") from None
    if not -(1 << 63) <= number < 1 << 64:
        raise InputError(f"{what} at {user_line()} is an integer of 64 bits, not {number}")
    return np.uint64(number % (1 << 64))


# ---------------------------------------------------------------- integers


def _shape(shape: Any) -> tuple[int, ...]:
    return tuple(map(operator.index, shape)) if isinstance(shape, (tuple, list)) else (operator.index(shape),)


def _counters(shape: tuple[int, ...]) -> Any:
    return np.arange(math.prod(shape), dtype=np.uint64).reshape(shape)


def _bits(key: Any, shape: Any, what: str) -> Any:
    """64 random bits for each element."""
    shape = _shape(shape)
    return threefry(_key(key, what), _counters(shape) if shape else np.uint64(0))


def bits(key: Any, shape: Shape = (), dtype: Any = np.uint32) -> Any:
    """Random bits.

    Parameters
    ----------
    key : numpy.uint64
    shape : tuple of int
    dtype : dtype
        An unsigned integer.

    Returns
    -------
    array

    Examples
    --------
    >>> import wengert as wg
    >>> wg.random.bits(wg.random.key(0), (3,)).dtype
    dtype('uint32')
    """
    dtype = np.dtype(dtype)
    if dtype.kind != "u":
        raise InputError(f"bits: dtype is an unsigned integer, not {dtype}")
    return (_bits(key, shape, "bits") >> np.uint64(64 - 8 * dtype.itemsize)).astype(dtype)


def randint(key: Any, shape: Shape, minval: Any, maxval: Any, dtype: Any = np.int64) -> Any:
    """Integers from `minval` to `maxval` - 1, equally probable up to (maxval - minval) / 2**64.

    Parameters
    ----------
    key : numpy.uint64
    shape : tuple of int
    minval, maxval : int or array of int
        Where they are traced, `minval` is drawn if `maxval` is not greater.
    dtype : dtype

    Returns
    -------
    array

    Examples
    --------
    >>> import wengert as wg
    >>> dice = wg.random.randint(wg.random.key(0), (1000,), 1, 7)
    >>> int(dice.min()), int(dice.max())
    (1, 6)
    """
    limits, dtype = np.iinfo(dtype), np.dtype(dtype)
    low, high = (_integers(x, "randint") for x in (minval, maxval))
    if not _traced(low, high):
        if np.any(np.asarray(low) >= high):
            raise InputError(f"randint at {user_line()}: minval has to be less than maxval")
        if np.any(np.asarray(low) < limits.min) or np.any(np.asarray(high) - 1 > limits.max):
            raise InputError(f"randint at {user_line()}: integers from {low} to {high} do not fit into {dtype}")
    start = _as_words(low)
    width = np.subtract(_as_words(high), start)  # modulo 2**64, as the sum below
    if _traced(low, high):
        width = np.where(np.less(low, high), width, np.uint64(1))
    words = _bits(key, shape, "randint")
    if _traced(width) or np.all(width):
        words = np.remainder(words, width)
    else:  # a width of 2**64 is 0 here: every word is one of the integers
        words = np.where(width, np.remainder(words, np.where(width, width, np.uint64(1))), words)
    out = np.add(words, start).astype(dtype)
    return _of_shape(out, shape, "randint")


def _integers(x: Any, what: str) -> Any:
    if not isinstance(x, (Tracer, np.ndarray, np.generic)) and not isinstance(x, int):
        x = np.asarray(x)
    if not isinstance(x, int) and x.dtype.kind not in "iu":
        raise InputError(f"{what} at {user_line()}: bounds are integers, not {x.dtype}")
    return x


def _as_words(x: Any) -> Any:
    return np.array(x % (1 << 64), np.uint64) if isinstance(x, int) else x.astype(np.uint64)


def _traced(*xs: Any) -> bool:
    return any(isinstance(x, Tracer) for x in xs)


def _of_shape(x: Any, shape: Any, what: str) -> Any:
    """The draws, checked: parameters that broadcast them to a larger shape would use one draw for several numbers."""
    if np.shape(x) != _shape(shape):
        raise InputError(
            f"{what} at {user_line()}: shape={shape!r}, but the parameters have shape {np.shape(x)}; "
            f"pass shape={np.shape(x)}"
        )
    return x


# ---------------------------------------------------------------- floats


def _float(dtype: Any, what: str) -> np.dtype[Any]:
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise InputError(f"{what}: dtype is float64 or float32, not {dtype}")
    return dtype


def _unit(key: Any, shape: Any, dtype: np.dtype[Any], what: str) -> Any:
    """Multiples of 2**-53 (2**-24 in float32) from 0 to less than 1."""
    digits = 53 if dtype == np.float64 else 24
    whole = _bits(key, shape, what) >> np.uint64(64 - digits)
    return whole.astype(dtype) * dtype.type(0.5**digits)


def uniform(key: Any, shape: Shape = (), dtype: Any = np.float64, minval: Any = 0.0, maxval: Any = 1.0) -> Any:
    """Numbers from `minval` to `maxval`, differentiable in both.

    Parameters
    ----------
    key : numpy.uint64
    shape : tuple of int
    dtype : dtype
        float64 or float32.
    minval, maxval : float or array
        Broadcast to `shape`. Rounding may give `maxval` itself.

    Returns
    -------
    array

    Examples
    --------
    >>> import wengert as wg
    >>> key = wg.random.key(0)
    >>> bool(wg.grad(lambda b: wg.random.uniform(key, maxval=b))(2.0) == wg.random.uniform(key))
    True
    """
    dtype = _float(dtype, "uniform")
    u = _unit(key, shape, dtype, "uniform")
    if not _traced(minval, maxval) and np.ndim(minval) == np.ndim(maxval) == 0 and minval == 0 and maxval == 1:
        return u
    return _of_shape((minval + u * (maxval - minval)).astype(dtype), shape, "uniform")


def normal(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Standard normal numbers: for others write ``loc + scale * normal(key, shape)``, differentiable in both.

    Parameters
    ----------
    key : numpy.uint64
    shape : tuple of int
    dtype : dtype
        float64 or float32.

    Returns
    -------
    array

    Examples
    --------
    >>> import wengert as wg
    >>> draws = wg.random.normal(wg.random.key(0), (10000,))
    >>> bool(abs(draws.mean()) < 0.05 and abs(draws.std() - 1.0) < 0.05)
    True
    """
    import scipy.special

    dtype = _float(dtype, "normal")
    whole = _bits(key, shape, "normal") >> np.uint64(12)
    u = (whole.astype(np.float64) + 0.5) * 0.5**52  # exact, symmetric about 1/2, never 0 nor 1
    z = scipy.special.ndtri(u)
    return z if dtype == np.float64 else z.astype(dtype)


def exponential(key: Any, shape: Shape = (), dtype: Any = np.float64) -> Any:
    """Exponential numbers of mean 1: for others write ``scale * exponential(key, shape)``.

    Parameters
    ----------
    key : numpy.uint64
    shape : tuple of int
    dtype : dtype
        float64 or float32.

    Returns
    -------
    array

    Examples
    --------
    >>> import wengert as wg
    >>> bool(wg.random.exponential(wg.random.key(0), (100,)).min() >= 0)
    True
    """
    return -np.log1p(-_unit(key, shape, _float(dtype, "exponential"), "exponential"))


def bernoulli(key: Any, p: Any = 0.5, shape: Any = None) -> Any:
    """True with probability `p`; locally constant in it.

    Parameters
    ----------
    key : numpy.uint64
    p : float or array
    shape : tuple of int, optional
        That of `p` if not given.

    Returns
    -------
    array of bool

    Examples
    --------
    >>> import wengert as wg
    >>> bool(wg.random.bernoulli(wg.random.key(0), 1.0))
    True
    """
    shape = np.shape(p) if shape is None else shape
    return _of_shape(_unit(key, shape, np.dtype(np.float64), "bernoulli") < p, shape, "bernoulli")


def categorical(key: Any, logits: Any, axis: int = -1, shape: Any = None) -> Any:
    """Classes with the probabilities ``softmax(logits)``; locally constant in them.

    The greatest of ``logits + g``, with g independent of the standard Gumbel distribution.

    Parameters
    ----------
    key : numpy.uint64
    logits : array of float
        Logarithms of probabilities, up to a constant for each distribution; -inf for a class that is never drawn.
    axis : int
        Of the classes.
    shape : tuple of int, optional
        That of `logits` without the axis if not given; any that this broadcasts to.

    Returns
    -------
    array of int, of that shape

    Raises
    ------
    InputError
        No class at all, NaN, or a shape that the logits do not broadcast to; ``ValueError`` where logits are traced.

    References
    ----------
    E. J. Gumbel, Statistical theory of extreme values and some practical applications, 1954; R. D. Luce, Individual choice
    behavior, 1959.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> draws = wg.random.categorical(wg.random.key(0), np.log([0.2, 0.8]), shape=(10000,))
    >>> bool(abs(draws.mean() - 0.8) < 0.02)
    True
    """
    logits = logits if _traced(logits) else np.asarray(logits)
    where = f"categorical at {user_line()}"
    if not -np.ndim(logits) <= axis < np.ndim(logits) or not np.shape(logits)[axis] or logits.dtype.kind not in "fiu":
        raise InputError(f"{where}: logits are {logits.dtype} of shape {np.shape(logits)}; they are real numbers with one "
                         f"or more classes along axis {axis}")
    logits = np.moveaxis(logits, axis, -1)
    *batch, n = np.shape(logits)
    wanted = tuple(batch) if shape is None else _shape(shape)
    if not _broadcasts(tuple(batch), wanted):
        raise InputError(f"{where}: shape={shape!r}, which the logits, {tuple(batch)} without their classes, do not "
                         "broadcast to")
    whole = _bits(key, (*wanted, n), "categorical") >> np.uint64(12)
    u = (whole.astype(np.float64) + 0.5) * 0.5**52  # never 0 nor 1, so that -inf stays -inf
    some = np.max(logits, axis=-1) > -np.inf
    message = f"{where}: a distribution has no class that is not excluded by -inf, or holds NaN"
    if not _traced(some) and not np.all(some):
        raise InputError(message)
    return np.argmax(require(logits, some, message) - np.log(-np.log(u)), axis=-1)


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    return len(shape) <= len(to) and all(n in (1, m) for n, m in zip(reversed(shape), reversed(to)))


# ---------------------------------------------------------------- selections


def permutation(key: Any, x: Any, axis: int = 0) -> Any:
    """A random order of the elements of `x` along an axis, or of ``range(x)``; linear in `x`.

    Parameters
    ----------
    key : numpy.uint64
    x : int or array
    axis : int

    Returns
    -------
    array

    Examples
    --------
    >>> import wengert as wg
    >>> sorted(wg.random.permutation(wg.random.key(0), 4).tolist())
    [0, 1, 2, 3]
    """
    n = x if isinstance(x, (int, np.integer)) else np.shape(x)[axis]
    order = np.argsort(_bits(key, int(n), "permutation"), kind="stable")
    return order if isinstance(x, (int, np.integer)) else np.take(x, order, axis=axis)


def choice(key: Any, a: Any, shape: Shape = (), replace: bool = True, p: Any = None, axis: int = 0) -> Any:
    """Elements of `a` (or of ``range(a)``) chosen at random; linear in `a`, locally constant in `p`.

    Parameters
    ----------
    key : numpy.uint64
    a : int or array
    shape : tuple of int
    replace : bool
        Whether an element may be chosen twice.
    p : array, optional
        Probabilities (they are divided by their sum); all equal if not given.
    axis : int

    Returns
    -------
    array

    Examples
    --------
    >>> import wengert as wg
    >>> sorted(wg.random.choice(wg.random.key(0), 3, (3,), replace=False).tolist())
    [0, 1, 2]
    """
    counted = isinstance(a, (int, np.integer))
    n, count = int(a) if counted else np.shape(a)[axis], math.prod(_shape(shape))
    if n < 1 or (not replace and count > n):
        raise InputError(f"choice at {user_line()}: {count} of {n} elements{'' if replace else ' without replacement'}")
    if p is not None:
        p = _probabilities(p, n, 1 if replace else count)
    if replace:
        places = randint(key, shape, 0, n) if p is None else _by_probability(key, shape, p)
    else:
        waits = _bits(key, n, "choice") if p is None else _waits(key, n, p)
        order = np.argsort(waits, kind="stable")
        places = order[0] if shape == () else np.reshape(order[:count], _shape(shape))
    return places if counted else np.take(a, places, axis=axis)


def _probabilities(p: Any, n: int, needed: int) -> Any:
    if not isinstance(p, Tracer):
        p = np.asarray(p, np.float64)
        if not np.all(p >= 0) or np.count_nonzero(p) < needed or not np.all(np.isfinite(p)):
            raise InputError(
                f"choice at {user_line()}: probabilities are at least 0, and {needed} or more are positive"
            )
    if np.shape(p) != (n,):
        raise InputError(f"choice at {user_line()}: {n} elements need {n} probabilities, not shape {np.shape(p)}")
    return p


def _waits(key: Any, n: int, p: Any) -> Any:
    """Exponential waiting times of rates `p`: who comes first is chosen with these probabilities."""
    return np.where(p > 0, exponential(key, n) / np.where(p > 0, p, 1.0), np.inf)


def _by_probability(key: Any, shape: Any, p: Any) -> Any:
    total = np.cumsum(p)
    return np.searchsorted(total / total[-1], _unit(key, shape, np.dtype(np.float64), "choice"), side="right")
