"""Matrices known by their products.

What comes in: an array, a sparse matrix, a `scipy.sparse.linalg.LinearOperator`, a function ``v -> A v``, or a function whose
Hessian is meant. What goes out: something that multiplies a block of vectors and counts them. The one idea: an estimator asks
for products and for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.api import vmap
from wengert.errors import InputError, kind_of
from wengert.flatten import Vectors
from wengert.second_order import hvp
from wengert.staging import jit

__all__ = ["PROBES", "Counted", "drawn", "hessian_operator"]


class Counted:
    """A square real matrix that counts its products.

    Parameters
    ----------
    name : str
        Who asks, for messages.
    a : array, sparse matrix, LinearOperator, or callable
    size : int, optional
        The number of rows, for a callable.
    """

    def __init__(self, name: str, a: Any, size: int | None):
        self.name, self.products = name, 0
        shape = getattr(a, "shape", None)
        if shape is not None:
            if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
                raise InputError(f"{name}: a square matrix is wanted, not one of shape {tuple(shape)}")
            self.size = int(shape[0])
            self.apply: Callable[[Any], Any] = lambda block: a @ block
        elif callable(a):
            if size is None or size < 1:
                raise InputError(f"{name}: of a function v -> A v, the number of rows is needed: size=")
            self.size = int(size)
            self.apply = lambda block: np.stack([np.asarray(a(v)) for v in block.T], axis=1)
        else:
            raise InputError(f"{name}: a matrix is an array, a sparse matrix, a LinearOperator or a function v -> A v, "
                             f"not {kind_of(a)}")

    def __call__(self, block: Any) -> Any:
        """The matrix times the columns of a block of shape (size, k)."""
        out = np.asarray(self.apply(block))
        if out.shape != block.shape:
            raise InputError(f"{self.name}: {block.shape[1]} products have shape {out.shape}, not {block.shape}")
        if out.dtype.kind not in "fiu":
            raise InputError(f"{self.name}: the products have dtype {out.dtype}; only real matrices are estimated. Take real "
                             f"and imaginary part of a complex one")
        self.products += block.shape[1]
        return out


def _rademacher(rng: np.random.Generator, n: int, count: int) -> Any:
    return 2.0 * rng.integers(0, 2, (n, count)) - 1.0


def _gaussian(rng: np.random.Generator, n: int, count: int) -> Any:
    return rng.standard_normal((n, count))


PROBES: dict[str, Callable[[np.random.Generator, int, int], Any]] = {"rademacher": _rademacher, "gaussian": _gaussian}


def drawn(name: str, probes: str) -> Callable[[np.random.Generator, int, int], Any]:
    """What draws probes of this kind."""
    if probes not in PROBES:
        raise InputError(f"{name}: probes={probes!r} is none of {', '.join(PROBES)}")
    return PROBES[probes]


def hessian_operator(f: Callable[..., Any], x: Any) -> Any:
    """The Hessian of a scalar function at a point, as a `scipy.sparse.linalg.LinearOperator`: products, no matrix.

    Each product is one Hessian-vector product, compiled; blocks of vectors are multiplied together.

    Parameters
    ----------
    f : callable
        A scalar function.
    x : array, tree, or tuple of arguments
        If it is a tuple it is taken as the arguments of f, else as the one argument. A tree is one vector: its leaves in the
        tree's order (dicts by sorted key), each flattened in C order, end to end.

    Returns
    -------
    scipy.sparse.linalg.LinearOperator
        Of shape (n, n), for n numbers in `x`: what `scipy.sparse.linalg.eigsh` and `cg` take.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> h = wg.stochastic.hessian_operator(lambda p: np.sum(p["w"] ** 3) * p["b"], {"w": np.array([1.0, 2.0]), "b": 2.0})
    >>> h @ np.array([0.0, 1.0, 0.0])  # in the order b, w[0], w[1]
    array([ 3., 12.,  0.])
    """
    from scipy.sparse.linalg import LinearOperator
    vectors = Vectors("hessian_operator", x)
    single = jit(lambda point, v: hvp(f, point, v))
    block = jit(vmap(lambda point, v: hvp(f, point, v), in_axes=(None, 0)))

    def matvec(v: Any) -> Any:
        return vectors.pack(single(x, vectors.unpack(np.ravel(v))))

    def matmat(columns: Any) -> Any:
        return vectors.pack(block(x, vectors.unpack(np.ascontiguousarray(columns.T))), (columns.shape[1],)).T
    return LinearOperator((vectors.size, vectors.size), matvec=matvec, rmatvec=matvec, matmat=matmat, rmatmat=matmat,
                          dtype=vectors.dtype)
