"""Propagation of uncertainty: mean and covariance of f(x) for uncertain, correlated x.

What comes in: a function, the mean of its inputs, their covariance. What goes out: mean and covariance of its outputs. The one
idea: ``f(x + δ) ≈ f + J δ + ½ δᵀ H δ``, so the covariance is ``J Σ Jᵀ`` to first order, and the curvature moves the mean by
``½ tr(H Σ)``.

JCGM 100:2008, Evaluation of measurement data - Guide to the expression of uncertainty in measurement (GUM), section 5.2 for the
first order, the note to 5.1.2 for the second; the terms of second order with correlated inputs are those of normal inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.api import hessian, jacobian
from wengert.errors import InputError, not_a_function
from wengert.flatten import Vectors, flatten

__all__ = ["Propagated", "propagate"]


@dataclass(frozen=True)
class Propagated:
    """Mean and uncertainty of the outputs.

    Attributes
    ----------
    mean : tree
        In the structure of the value of f: ``f(x)``, with ``½ tr(H Σ)`` added to second order.
    cov : ndarray of shape (m, m)
        Of all m numbers of the output: leaves in the tree's order, each flattened in C order, end to end.
    std : tree
        The roots of the diagonal of `cov`, in the structure of `mean`.
    bias : tree
        ``½ tr(H Σ)``, in the structure of `mean`; zeros to first order.
    """

    mean: Any
    cov: Any
    std: Any
    bias: Any


def propagate(f: Callable[..., Any], x: Any, cov: Any, second_order: bool = False) -> Propagated:
    """Mean and covariance of ``f(x + δ)`` for δ of mean 0 and covariance Σ.

    To first order ``J Σ Jᵀ``, exact for linear f whatever the distribution. To second order ``E f = f(x) + ½ tr(H Σ)`` and
    ``cov(f_i, f_j) = (J Σ Jᵀ)_ij + ½ tr(H_i Σ H_j Σ)``, exact for quadratic f and normal δ.

    Parameters
    ----------
    f : callable
        Of real numbers, arrays or trees, to real numbers, arrays or trees.
    x : array, tree, or tuple of arguments
        The mean; if it is a tuple it is taken as the arguments of f, else as the one argument.
    cov : array of shape (n, n)
        The covariance of all n numbers of `x`: leaves in the tree's order (dicts by sorted key), each flattened in C order, end
        to end; a number if n is 1. ``np.diag(std ** 2)`` for independent inputs.
    second_order : bool
        Whether to add the terms of second order: n Hessian columns for each output.

    Returns
    -------
    Propagated

    Raises
    ------
    InputError
        If `cov` has another shape, is not symmetric, or not positive semidefinite.

    Notes
    -----
    JCGM 100:2008 (GUM), section 5.2.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> r = wg.propagate(lambda u, i: u / i, (5.0, 0.02), np.diag([0.01 ** 2, 1e-4 ** 2]))
    >>> r.mean, np.round(r.std, 6)
    (np.float64(250.0), np.float64(1.346291))
    >>> wg.propagate(lambda x: x ** 2, 0.0, 1.0, second_order=True).cov
    array([[2.]])
    """
    if not callable(f):
        raise InputError(f"propagate: {not_a_function(f)}")
    primals = x if isinstance(x, tuple) else (x,)
    inputs = Vectors("propagate", primals)
    sigma, argnums = _covariance(cov, inputs.size), tuple(range(len(primals)))
    values = f(*inputs.unpack(inputs.pack(primals)))
    outputs = Vectors("propagate", values)
    j = _matrix(jacobian(f, argnums)(*primals), outputs.sizes, inputs.sizes)
    spread, bias = j @ sigma @ j.T, np.zeros(outputs.size)
    if second_order:
        h = _matrix(hessian(f, argnums)(*primals), outputs.sizes, inputs.sizes, inputs.sizes) @ sigma
        bias = 0.5 * np.trace(h, axis1=1, axis2=2)
        spread = spread + 0.5 * np.einsum("iab,jba->ij", h, h)
    std = np.sqrt(np.maximum(np.diag(spread), 0.0))
    return Propagated(outputs.unpack(outputs.pack(values) + bias), spread, outputs.unpack(std), outputs.unpack(bias))


def _matrix(tree: Any, *sizes: list[int]) -> Any:
    """One array of the blocks of a Jacobian or a Hessian, which are the leaves of nested trees."""
    blocks = iter(flatten(tree)[0])

    def joined(done: tuple[int, ...], rest: tuple[list[int], ...]) -> Any:
        if not rest:
            return np.reshape(next(blocks), done)
        return np.concatenate([joined((*done, n), rest[1:]) for n in rest[0]], axis=len(done))
    return joined((), sizes)


def _covariance(cov: Any, n: int) -> Any:
    sigma = np.asarray(cov, float)
    if sigma.shape == () and n == 1:
        sigma = sigma.reshape(1, 1)
    if sigma.shape != (n, n):
        raise InputError(f"propagate: the covariance has shape {sigma.shape}; the point holds {n} numbers, so it is {n} × {n}. "
                         f"For independent inputs: np.diag(std ** 2)")
    scale = np.sqrt(np.abs(np.outer(np.diag(sigma), np.diag(sigma))))
    if not np.all(np.abs(sigma - sigma.T) <= 1e-8 * scale):
        raise InputError("propagate: the covariance is not symmetric")
    sigma = 0.5 * (sigma + sigma.T)
    least, most = np.linalg.eigvalsh(sigma)[[0, -1]]
    if least < -1e-10 * n * max(most, -least):
        raise InputError(f"propagate: the covariance is not positive semidefinite; it has the eigenvalue {least:.3g}")
    return sigma
