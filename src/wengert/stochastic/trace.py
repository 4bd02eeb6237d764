"""The trace and the diagonal of a matrix from a few products with random vectors.

What comes in: a matrix, or its products, and a seed. What goes out: an estimate that is right on average, its standard error,
and how many products it took. The one idea: ``E[vᵀ A v] = tr A``. What dominates a spectrum that decays is found by a sketch
and summed exactly; only the rest is left to chance.

M. F. Hutchinson, A stochastic estimator of the trace of the influence matrix for Laplacian smoothing splines, Communications
in Statistics 19 (1990), 433-450; R. A. Meyer, C. Musco, C. Musco and D. P. Woodruff, Hutch++: optimal stochastic trace
estimation, SOSA 2021, 142-155; E. N. Epperly, J. A. Tropp and R. J. Webber, XTrace: making the most of every sample in
stochastic trace estimation, SIAM J. Matrix Anal. Appl. 45 (2024), 1-23; C. Bekas, E. Kokiopoulou and Y. Saad, An estimator for
the diagonal of a matrix, Applied Numerical Mathematics 57 (2007), 1214-1229.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import InputError
from wengert.progress import Progress

from .operators import Counted, drawn

__all__ = ["FEWEST", "METHODS", "Estimate", "Moments", "diagonal", "finished", "trace"]

FEWEST = 10  # samples before a standard error is believed
NEGLIGIBLE = 1e-13  # relative: a direction that a sketch does not have
Draw = Callable[[np.random.Generator, int, int], Any]


@dataclass(frozen=True)
class Estimate:
    """A number (or an array of numbers) with its standard error.

    Attributes
    ----------
    value : float or ndarray
    standard_error : float or ndarray
        The standard deviation of `value`, as estimated from the samples that it is the mean of.
    products : int
        How many products with the matrix it took.
    converged : bool
        Whether the standard error met the tolerance.
    """

    value: Any
    standard_error: Any
    products: int
    converged: bool


class Moments:
    """Mean and standard error of samples that come in blocks (T. F. Chan, G. H. Golub and R. J. LeVeque, 1979)."""

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0, 0.0, 0.0

    def add(self, samples: Any) -> None:
        """Samples along the last axis."""
        k, mean = samples.shape[-1], np.mean(samples, axis=-1)
        apart = mean - self.mean
        self.squares = self.squares + np.sum((samples - mean[..., None]) ** 2, axis=-1) + apart ** 2 * (
            self.count * k / (self.count + k))
        self.mean = self.mean + apart * (k / (self.count + k))
        self.count += k

    @property
    def standard_error(self) -> Any:
        return np.sqrt(self.squares / (self.count * (self.count - 1)))


def finished(value: Any, error: Any, tolerance: float) -> bool:
    """Whether the standard error is small beside the value, in the Euclidean norm."""
    return bool(np.linalg.norm(error) <= tolerance * np.linalg.norm(value))


def trace(a: Any, *, seed: int | np.random.Generator, method: str = "hutchinson", probes: str = "rademacher",
          size: int | None = None, tolerance: float = 0.01, max_products: int = 1000) -> Estimate:
    """The trace of a real matrix from products with random vectors.

    It stops when the standard error is at most `tolerance` times the value, or before it would take more than `max_products`.

    Parameters
    ----------
    a : array, sparse matrix, LinearOperator, or callable
        A square matrix, or the function ``v -> A v``; `hessian_operator` gives that of a Hessian. It need not be symmetric.
    seed : int or numpy.random.Generator
        A generator is advanced.
    method : str
        "hutchinson": the mean of ``vᵀ A v``; the error falls like 1/√m in m products, and memory is a few vectors. "hutch++": a
        third of the products sketch the range, a third sum the trace there exactly, a third estimate the rest; the error falls
        like 1/m for positive semidefinite matrices. "xtrace": each vector serves to sketch and, left out of the sketch, to
        estimate; the most accurate of the three on spectra that decay, its standard error on the safe side. The last two keep
        some 3 m vectors.
    probes : str
        "rademacher" (entries ±1; no error from the diagonal) or "gaussian".
    size : int, optional
        The number of rows, if `a` is a function.
    tolerance : float
        Relative. With 0 all products are used.
    max_products : int

    Returns
    -------
    Estimate
        Right on average whatever the number of products, up to the bias of stopping by an estimated error.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> a = np.diag(1.0 / np.arange(1, 201) ** 2) + 0.001
    >>> e = wg.stochastic.trace(a, seed=0, method="xtrace", tolerance=1e-3)
    >>> abs(e.value - np.trace(a)) < 4 * e.standard_error, e.converged
    (np.True_, True)
    """
    if method not in METHODS:
        raise InputError(f"trace: method={method!r} is none of {', '.join(METHODS)}")
    run, least = METHODS[method]
    if max_products < least:
        raise InputError(f"trace: method={method!r} with its standard error takes {least} products at least")
    counted, rng = Counted("trace", a, size), np.random.default_rng(seed)
    with Progress(max_products) as progress:
        for value, error, samples in run(counted, rng, drawn("trace", probes), max_products):
            progress(f"trace {value:.4g} ± {error:.2g}", counted.products)
            converged = samples >= min(FEWEST, counted.size) and finished(value, error, tolerance)
            if converged or not np.isfinite(value):
                break
    return Estimate(float(value), float(error), counted.products, converged)


State = Iterator[tuple[Any, Any, int]]  # value, standard error, number of samples


def _hutchinson(a: Counted, rng: np.random.Generator, draw: Draw, most: int) -> State:
    moments = Moments()
    while (k := min(FEWEST, most - a.products)) > 0:
        v = draw(rng, a.size, k)
        moments.add(np.sum(v * a(v), axis=0))
        yield moments.mean, moments.standard_error, moments.count


def _extended(q: Any, y: Any) -> Any:
    """Orthonormal directions of y beside those of q; none for what is in their span already."""
    scale = np.linalg.norm(y)
    for _ in range(2):
        y = y - q @ (q.T @ y)
    new, r = np.linalg.qr(y)
    new = new[:, np.abs(np.diag(r)) > NEGLIGIBLE * scale]
    new = new - q @ (q.T @ new)
    return np.linalg.qr(new)[0] if new.shape[1] else new


def _hutch_plus_plus(a: Counted, rng: np.random.Generator, draw: Draw, most: int) -> State:
    """In rounds that double what is there; no product is wasted, for ``A (I - QQᵀ) g = A g - (A Q) Qᵀ g``."""
    q, aq, g, ag = (np.zeros((a.size, 0)) for _ in range(4))
    while (k := min(max(FEWEST, g.shape[1]), (most - a.products) // 3)) > 0:
        new = _extended(q, a(draw(rng, a.size, min(k, a.size - q.shape[1])))) if q.shape[1] < a.size else q[:, :0]
        if new.shape[1]:
            q, aq = np.hstack([q, new]), np.hstack([aq, a(new)])
        more = draw(rng, a.size, k)
        g, ag = np.hstack([g, more]), np.hstack([ag, a(more)])
        inside = q.T @ g
        rest = np.sum((g - q @ inside) * (ag - aq @ inside), axis=0)
        yield np.sum(q * aq) + np.mean(rest), np.std(rest, ddof=1) / np.sqrt(g.shape[1]), g.shape[1]


def _xtrace(a: Counted, rng: np.random.Generator, draw: Draw, most: int) -> State:
    """In rounds that double what is there."""
    omega, y, q, z = (np.zeros((a.size, 0)) for _ in range(4))
    while (k := min(max(FEWEST, q.shape[1]), a.size - q.shape[1], (most - a.products) // 2)) > 0:
        more = draw(rng, a.size, k)
        image = a(more)
        new = _extended(q, image)
        omega, y = np.hstack([omega, more]), np.hstack([y, image])
        if new.shape[1]:
            q, z = np.hstack([q, new]), np.hstack([z, a(new)])
        h = q.T @ z
        if np.linalg.matrix_rank(omega) < omega.shape[1]:  # signs may depend on each other in few dimensions
            yield _exact(a, most), 0.0, a.size
            return
        if q.shape[1] < omega.shape[1] or q.shape[1] == a.size:  # the sketch holds the whole range: nothing is left to chance
            yield np.trace(h), NEGLIGIBLE * np.sum(np.abs(np.diag(h))), a.size
            return
        value, error = _left_out(omega, y, q, z, h)
        yield value, error, omega.shape[1]


def _exact(a: Counted, most: int) -> Any:
    if a.products + a.size > most:
        raise InputError(f"trace: {a.size} dimensions are few for independent vectors of signs; say probes='gaussian', or "
                         f"allow max_products={a.products + a.size}")
    return np.trace(a(np.eye(a.size)))


def _left_out(omega: Any, y: Any, q: Any, z: Any, h: Any) -> tuple[Any, Any]:
    """The mean over test vectors: the trace on the range of the other sketches, and the vector's own estimate of the rest.

    The basis without sketch i is Q (I - s sᵀ), s the unit vector along column i of R⁻ᵀ. The estimates are not independent, so
    the error is the jackknife's: how the mean changes when a vector is taken away altogether, which, by the inequality of Efron
    and Stein, is not too small on average. Without the sketches i and j, another direction t goes: column i, row j below.

    E. N. Epperly and J. A. Tropp, Efficient error and variance estimation for randomized matrix computations, SIAM J. Sci.
    Comput. 46 (2024), A508-A528.
    """
    s = np.linalg.inv(q.T @ y).T
    s = s / np.linalg.norm(s, axis=0)
    w, hs, apart = q.T @ omega, s.T @ h @ s, ~np.eye(s.shape[1], dtype=bool)
    along = s.T @ w
    x = w - s * np.diag(along)
    left, image = omega - q @ x, y - z @ x
    value = np.trace(h) - np.diag(hs) + np.sum(left * image, axis=0)
    cosine = np.where(apart, s.T @ s, 0.0)
    sine = np.sqrt(1.0 - cosine ** 2)

    def turned(rows: Any) -> Any:
        """Products with t in the place of products with s: entry (j, i) from (j, j) and (j, i)."""
        return (rows - cosine * np.diag(rows)[:, None]) / sine
    th = (np.diag(hs)[None, :] - cosine * (hs + hs.T) + cosine ** 2 * np.diag(hs)[:, None]) / sine ** 2
    tau = turned(along.T)
    more = tau * turned((s.T @ (q.T @ image)).T + left.T @ (z @ s)) + (tau ** 2 - 1.0) * th
    without = np.sum(np.where(apart, value[:, None] + more, 0.0), axis=0) / (len(value) - 1)
    return np.mean(value), np.sqrt(np.sum((without - np.mean(without)) ** 2))


METHODS: dict[str, tuple[Callable[[Counted, np.random.Generator, Draw, int], State], int]] = {
    "hutchinson": (_hutchinson, 2), "hutch++": (_hutch_plus_plus, 6), "xtrace": (_xtrace, 4)}


def diagonal(a: Any, *, seed: int | np.random.Generator, size: int | None = None, tolerance: float = 0.01,
             max_products: int = 1000) -> Estimate:
    """The diagonal of a real matrix: the mean of ``v ∘ A v`` over vectors v of independent signs.

    The variance of entry i is the sum of the squares of the other entries in its row, over the number of products.

    Parameters
    ----------
    a, seed, size, max_products
        As for `trace`.
    tolerance : float
        Relative, in the Euclidean norm of the diagonal.

    Returns
    -------
    Estimate
        Of arrays of shape (n,).

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> h = wg.stochastic.hessian_operator(lambda x: np.sum(x ** 4), np.array([1.0, 2.0]))
    >>> wg.stochastic.diagonal(h, seed=0).value
    array([12., 48.])
    """
    if max_products < 2:
        raise InputError("diagonal: with its standard error it takes 2 products at least")
    counted, rng, moments, converged = Counted("diagonal", a, size), np.random.default_rng(seed), Moments(), False
    with Progress(max_products) as progress:
        while (k := min(FEWEST, max_products - counted.products)) > 0 and not converged:
            v = drawn("diagonal", "rademacher")(rng, counted.size, k)
            moments.add(v * counted(v))
            progress(f"diagonal, {counted.products} products", counted.products)
            if moments.count >= 2:
                converged = moments.count >= min(FEWEST, counted.size) and finished(
                    moments.mean, moments.standard_error, tolerance)
    return Estimate(moments.mean, moments.standard_error, counted.products, converged)
