"""Traces of functions of a symmetric matrix, and its spectral density, by stochastic Lanczos quadrature.

What comes in: a symmetric matrix, or its products, and a seed. What goes out: ``tr f(A)``, ``log det A`` or the density of the
eigenvalues. The one idea: ``vᵀ f(A) v`` is an integral of f over a measure whose moments are ``vᵀ Aᵏ v``; m steps of Lanczos
from v give its Gauss quadrature, exact for polynomials of degree 2m - 1, with the eigenvalues of a tridiagonal matrix as nodes.

G. H. Golub and G. Meurant, Matrices, Moments and Quadrature with Applications, 2010; S. Ubaru, J. Chen and Y. Saad, Fast
estimation of tr(f(A)) via stochastic Lanczos quadrature, SIAM J. Matrix Anal. Appl. 38 (2017), 1075-1099; L. Lin, Y. Saad and
C. Yang, Approximating spectral densities of large matrices, SIAM Review 58 (2016), 34-65.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import InputError
from wengert.progress import Progress

from .operators import Counted, drawn
from .trace import FEWEST, Estimate, Moments, finished

__all__ = ["QuadratureEstimate", "SpectralDensity", "log_determinant", "spectral_density", "trace_of_function"]

Rule = tuple[Any, Any]  # nodes and weights, which sum to 1
BREAKDOWN = 1e-12  # relative: the Krylov space is complete
SYMMETRIC = 1e-6  # relative: more is no rounding error


@dataclass(frozen=True)
class QuadratureEstimate(Estimate):
    """An `Estimate` by Lanczos quadrature.

    Attributes
    ----------
    quadrature_error : float
        What the second half of the Lanczos steps changed: the standard error does not contain the error of the quadrature,
        which is far below this where it converges. If it is not small beside the standard error, take more `steps`.
    """

    quadrature_error: float


@dataclass(frozen=True)
class SpectralDensity:
    """The density of the eigenvalues of a symmetric matrix.

    Attributes
    ----------
    points, density, standard_error : ndarray
        The density, of integral 1, smoothed by a Gaussian of standard deviation `width`, at these points.
    nodes, weights : ndarray
        The quadrature: ``weights @ f(nodes)`` is the mean of f over the eigenvalues.
    width : float
    products : int
    """

    points: Any
    density: Any
    standard_error: Any
    nodes: Any
    weights: Any
    width: float
    products: int


def _tridiagonal(a: Counted, v: Any, steps: int) -> tuple[Any, Any, Any]:
    """Lanczos from each column of v, with full reorthogonalization: diagonals, off-diagonals and lengths, a row for each."""
    n, count = v.shape
    steps = min(steps, n)
    basis = np.zeros((steps, n, count))
    alpha, beta, length = np.zeros((count, steps)), np.zeros((count, steps)), np.full(count, steps)
    basis[0] = v / np.linalg.norm(v, axis=0)
    for j in range(steps):
        w = a(basis[j])
        size = np.linalg.norm(w, axis=0)
        along = np.einsum("jnc,nc->jc", basis[:j + 1], w)
        _require_symmetric(a, along, beta[:, j - 1] if j else None, size, j < length)
        alpha[:, j] = along[j]
        for _ in range(2):
            w = w - np.einsum("jnc,jc->nc", basis[:j + 1], np.einsum("jnc,nc->jc", basis[:j + 1], w))
        beta[:, j] = np.linalg.norm(w, axis=0)
        scale = np.max(np.abs(alpha[:, :j + 1]), axis=1) + np.max(beta[:, :j], axis=1, initial=0.0)
        over = (beta[:, j] <= BREAKDOWN * scale) & (length == steps)
        length[over] = j + 1
        if j + 1 < steps:
            going = j + 1 < length
            if not np.any(going):
                break
            basis[j + 1] = np.where(going, w / np.where(going, beta[:, j], 1.0), 0.0)
    return alpha, beta, length


def _require_symmetric(a: Counted, along: Any, beta: Any, size: Any, going: Any) -> None:
    """The products with earlier vectors are known if the matrix is symmetric."""
    if beta is None:
        return
    expected = np.zeros_like(along[:-1])
    expected[-1] = beta
    if np.any(going & (np.max(np.abs(along[:-1] - expected), axis=0) > SYMMETRIC * (size + beta))):
        raise InputError(f"{a.name}: the matrix is not symmetric; Lanczos quadrature is for symmetric ones")


def _rules(alpha: Any, beta: Any, length: Any, steps: int) -> list[Rule]:
    """Gauss rules of at most so many nodes."""
    out = []
    for a, b, m in zip(alpha, beta, np.minimum(length, steps), strict=True):
        nodes, vectors = np.linalg.eigh(np.diag(a[:m]) + np.diag(b[:m - 1], 1) + np.diag(b[:m - 1], -1))
        out.append((nodes, vectors[0] ** 2))
    return out


def trace_of_function(a: Any, function: Callable[[Any], Any], *, seed: int | np.random.Generator, steps: int = 40,
                      probes: str = "rademacher", size: int | None = None, tolerance: float = 0.01,
                      max_products: int = 4000) -> QuadratureEstimate:
    """``tr f(A)``, the sum of f over the eigenvalues of a symmetric matrix, by stochastic Lanczos quadrature.

    It stops when the standard error is at most `tolerance` times the value, or before it would take more than `max_products`.

    Parameters
    ----------
    a, seed, probes, size, tolerance, max_products
        As for `trace`; the matrix is symmetric.
    function : callable
        Takes an array of numbers in the range of the spectrum, and gives f of each. It should be smooth there.
    steps : int
        Products for each probe; the quadrature is exact for polynomials of degree ``2 steps - 1``.

    Returns
    -------
    QuadratureEstimate

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> a = np.diag(np.linspace(1.0, 2.0, 100))
    >>> e = wg.stochastic.trace_of_function(a, np.sqrt, seed=0, steps=10)
    >>> abs(e.value - np.sum(np.sqrt(np.diag(a)))) < 1e-8
    np.True_
    """
    return _quadrature("trace_of_function", a, function, seed, steps, probes, size, tolerance, max_products)


def _quadrature(name: str, a: Any, function: Callable[[Any], Any], seed: int | np.random.Generator, steps: int, probes: str,
                size: int | None, tolerance: float, max_products: int) -> QuadratureEstimate:
    counted, rng, draw = Counted(name, a, size), np.random.default_rng(seed), drawn(name, probes)
    steps = _steps(name, steps, counted.size)
    if max_products < 2 * steps:
        raise InputError(f"{name}: two probes of {steps} steps take {2 * steps} products at least; "
                         f"max_products={max_products}, steps={steps}")
    moments, halves, converged = Moments(), Moments(), False
    with Progress(max_products) as progress:
        while (k := min(FEWEST, (max_products - counted.products) // steps)) > 0 and not converged:
            v = draw(rng, counted.size, k)
            squares, found = np.sum(v * v, axis=0), _tridiagonal(counted, v, steps)
            for total, m in ((moments, steps), (halves, (steps + 1) // 2)):
                total.add(squares * [weights @ function(nodes) for nodes, weights in _rules(*found, m)])
            progress(f"{name} {moments.mean:.4g} ± {moments.standard_error:.2g}", counted.products)
            converged = moments.count >= min(FEWEST, counted.size) and finished(
                moments.mean, moments.standard_error, tolerance)
    return QuadratureEstimate(float(moments.mean), float(moments.standard_error), counted.products, converged,
                              float(abs(moments.mean - halves.mean)))


def _steps(name: str, steps: int, size: int) -> int:
    if steps < 1:
        raise InputError(f"{name}: steps={steps}; Lanczos takes one step at least")
    return min(steps, size)


def log_determinant(a: Any, *, seed: int | np.random.Generator, steps: int = 40, probes: str = "rademacher",
                    size: int | None = None, tolerance: float = 0.01, max_products: int = 4000) -> QuadratureEstimate:
    """``log det A = tr log A`` of a symmetric positive definite matrix, by stochastic Lanczos quadrature.

    Parameters and result are those of `trace_of_function`. The number of steps for a given error grows like the square root of
    the condition number.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is seen not to be positive definite.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> rng = np.random.default_rng(1)
    >>> b = rng.normal(size=(200, 200))
    >>> a = b @ b.T / 200 + np.eye(200)
    >>> e = wg.stochastic.log_determinant(a, seed=0)
    >>> abs(e.value - np.linalg.slogdet(a)[1]) < 3 * e.standard_error, e.quadrature_error < e.standard_error
    (np.True_, True)
    """
    def logarithm(nodes: Any) -> Any:
        if np.min(nodes) <= 0.0:  # the nodes lie between the least and the greatest eigenvalue
            raise np.linalg.LinAlgError(f"log_determinant: the matrix is not positive definite: an eigenvalue is at most "
                                        f"{np.min(nodes):.3g}")
        return np.log(nodes)
    return _quadrature("log_determinant", a, logarithm, seed, steps, probes, size, tolerance, max_products)


def spectral_density(a: Any, *, seed: int | np.random.Generator, steps: int = 80, count: int = 10, width: float | None = None,
                     points: Any = 400, size: int | None = None) -> SpectralDensity:
    """The density of the eigenvalues of a symmetric matrix, by stochastic Lanczos quadrature; ``steps * count`` products.

    Parameters
    ----------
    a, seed, size
        As for `trace`; the matrix is symmetric.
    steps : int
        Of Lanczos, for each probe: how fine the density can be told apart.
    count : int
        Of (Gaussian) probes, at least 2.
    width : float, optional
        The standard deviation of the Gaussian that smooths the density; the default is a hundredth of the range of the nodes.
    points : int or array
        Where the density is wanted, or how many points over the range.

    Returns
    -------
    SpectralDensity

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> a = np.diag(np.repeat([1.0, 5.0], [30, 10]))
    >>> found = wg.stochastic.spectral_density(a, seed=0, steps=5, count=200)
    >>> abs(np.sum(found.weights[found.nodes > 3.0]) - 0.25) < 0.02
    np.True_
    """
    if count < 2:
        raise InputError("spectral_density: with its standard error it takes 2 probes at least (count=)")
    counted, rng = Counted("spectral_density", a, size), np.random.default_rng(seed)
    steps = _steps("spectral_density", steps, counted.size)
    rules: list[Rule] = []
    with Progress(count) as progress:
        while len(rules) < count:
            v = drawn("spectral_density", "gaussian")(rng, counted.size, min(FEWEST, count - len(rules)))
            rules.extend(_rules(*_tridiagonal(counted, v, steps), steps))
            progress(f"spectral density, {counted.products} products", len(rules))
    nodes, weights = np.concatenate([r[0] for r in rules]), np.concatenate([r[1] for r in rules]) / count
    low, high = float(np.min(nodes)), float(np.max(nodes))
    sigma = (high - low or abs(high) or 1.0) / 100 if width is None else float(width)
    if not sigma > 0:
        raise InputError(f"spectral_density: width={width} is not positive")
    x = np.linspace(low - 4 * sigma, high + 4 * sigma, points) if np.ndim(points) == 0 else np.asarray(points, float)
    moments = Moments()
    for theta, tau in rules:
        kernel = np.exp(-0.5 * ((x[:, None] - theta) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
        moments.add((kernel @ tau)[:, None])
    return SpectralDensity(x, moments.mean, moments.standard_error, nodes, weights, sigma, counted.products)
