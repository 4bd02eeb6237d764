"""Distributions of vectors and matrices from ``scipy.stats`` on tracers: their densities.

What comes in: ``multivariate_t.logpdf(x, loc, shape, df)`` and the like. What goes out: logarithms of densities. The one idea:
quadratic forms and determinants come from the factor of Cholesky, which reads the lower triangle, as SciPy does.

Gupta and Nagar, Matrix Variate Distributions (2000), chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends.scipy_data import data, known, require
from wengert.frontends.scipy_stats import sp, unsupported
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer

__all__ = ["LOGARITHMS"]

_reshape, _sum, _where = FUNCTIONS[np.reshape], FUNCTIONS[np.sum], FUNCTIONS[np.where]


def _points(x: Any, n: int) -> Any:
    """Points along the last axis."""
    if x.ndim == 0:
        x = x.reshape((1, 1))
    elif x.ndim == 1:
        x = x.reshape((x.shape[0], 1)) if n == 1 else x.reshape((1, x.shape[0]))
    if x.shape[-1] != n:
        raise ValueError(f"points of {x.shape[-1]} elements where {n} are expected (at {user_line()})")
    return x


def _one(out: Any) -> Any:
    """A number, if it is but one."""
    return out[0] if out.shape == (1,) else out[()]


def _squares(d: Any, root: Any) -> Any:
    """``dᵀ A⁻¹ d`` for each row, with the factor of A."""
    z = np.linalg.solve(root, _reshape(d, (-1, d.shape[-1])).T)
    return _reshape(_sum(z * z, axis=0), d.shape[:-1])


def _log_determinant(root: Any) -> Any:
    return 2.0 * _sum(np.log(np.diagonal(root)))


def _normal(x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
    """``multivariate_normal.logpdf``."""
    if allow_singular:
        raise unsupported("multivariate_normal.logpdf(allow_singular=True)")
    x, cov = data(x), data(cov)
    mean = None if mean is None else data(mean)
    n = cov.shape[-1] if cov.ndim else (1 if mean is None or not mean.ndim else mean.shape[0])
    if cov.ndim < 2:
        cov = cov * np.eye(n)
    if cov.shape != (n, n) or (mean is not None and mean.ndim and mean.shape != (n,)):
        raise ValueError(f"multivariate_normal: the mean has {n} elements, the covariance matrix shape {cov.shape}")
    x = _points(x, n)
    root = np.linalg.cholesky(cov)
    return _one(-0.5 * (_squares(x if mean is None else x - mean, root) + _log_determinant(root) + n * np.log(2.0 * np.pi)))


def _t(x: Any, loc: Any = None, shape: Any = 1, df: Any = 1, allow_singular: bool = False) -> Any:
    """``multivariate_t.logpdf``."""
    x, shape, df = data(x), data(shape), data(df)
    loc = None if loc is None else data(loc)
    if not isinstance(known(df), Tracer) and np.isinf(known(df)):
        return _normal(x, loc, shape)
    n = shape.shape[-1] if shape.ndim else (1 if loc is None or not loc.ndim else loc.shape[0])
    shape = shape * np.eye(n) if shape.ndim < 2 else shape
    x = _points(x, n)
    df = require(df, df > 0, "'df' must be greater than zero.")
    root = np.linalg.cholesky(shape)
    squares = _squares(x if loc is None else x - loc, root)
    half = 0.5 * (df + n)
    return _one(sp.gammaln(half) - sp.gammaln(0.5 * df) - n / 2.0 * np.log(df * np.pi) - 0.5 * _log_determinant(root)
                - half * np.log1p(squares / df))


def _dirichlet(x: Any, alpha: Any) -> Any:
    """``dirichlet.logpdf``: the last element may be left out."""
    x, alpha = data(x), data(alpha)
    alpha = require(alpha, alpha > 0, "All parameters must be greater than 0")
    if x.shape[0] + 1 == alpha.shape[0]:
        x = FUNCTIONS[np.concatenate]([x, 1.0 - _sum(x, axis=0)[None]])
    if x.shape[0] != alpha.shape[0]:
        raise ValueError("Vector 'x' must have either the same number of entries as, or one entry fewer than, parameter vector "
                         f"'a', but alpha.shape = {alpha.shape} and x.shape = {x.shape}.")
    x = require(x, np.abs(_sum(x, axis=0) - 1.0) <= 10e-10, "The input vector 'x' must lie within the normal simplex.")
    x = require(x, (x >= 0) & (x <= 1), "Each entry in 'x' must be between zero and one.")
    powers = sp.xlogy((alpha - 1.0), x.T).T
    return _sum(powers, axis=0) - _sum(sp.gammaln(alpha)) + sp.gammaln(_sum(alpha))


def _multinomial(x: Any, n: Any, p: Any) -> Any:
    """``multinomial.logpmf``; the last probability is what the others leave, as in SciPy."""
    x, n, p = data(x), data(n), data(p)
    p = FUNCTIONS[np.concatenate]([p[..., :-1], 1.0 - _sum(p[..., :-1], axis=-1, keepdims=True)], -1)
    out = sp.gammaln(n + 1.0) + _sum(sp.xlogy(x, p) - sp.gammaln(x + 1.0), axis=-1)
    total = known(_sum(x, axis=-1)) == known(n)
    return _where(total, out, -np.inf)


def _wishart(x: Any, df: Any, scale: Any, inverse: bool) -> Any:
    x, df, scale = data(x), data(df), data(scale)
    x, scale = [v * np.eye(1) if v.ndim < 2 else v for v in (x, scale)]
    if x.ndim != 2 or x.shape != scale.shape:
        raise UnsupportedError(f"scipy.stats.wishart of one matrix at a time (at {user_line()}); map over stacks with wg.vmap")
    n = scale.shape[0]
    root, root_x = np.linalg.cholesky(scale), np.linalg.cholesky(x)
    inner, outer = (root_x, root) if inverse else (root, root_x)
    z = np.linalg.solve(inner, outer)  # trace(A⁻¹ B) is the sum of the squares of L_A⁻¹ L_B
    trace = _sum(z * z)
    log_x, log_scale = _log_determinant(root_x), _log_determinant(root)
    half = 0.5 * df
    gammas = n * (n - 1) * 0.25 * np.log(np.pi)
    for j in range(n):
        gammas = gammas + sp.gammaln(half - 0.5 * j)
    constant = -half * n * np.log(2.0) - gammas - 0.5 * trace
    if inverse:
        return constant + half * log_scale - 0.5 * (df + n + 1.0) * log_x
    return constant - half * log_scale + 0.5 * (df - n - 1.0) * log_x


# The class of the distribution -> its parameters, and the logarithm of its density
LOGARITHMS: dict[str, tuple[tuple[str, ...], Callable[..., Any]]] = {
    "multivariate_normal": (("mean", "cov"), _normal),
    "multivariate_t": (("loc", "shape", "df"), _t),
    "dirichlet": (("alpha",), _dirichlet),
    "multinomial": (("n", "p"), _multinomial),
    "wishart": (("df", "scale"), lambda x, df, scale: _wishart(x, df, scale, False)),
    "invwishart": (("df", "scale"), lambda x, df, scale: _wishart(x, df, scale, True)),
}
