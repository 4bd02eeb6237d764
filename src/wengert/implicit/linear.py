"""Linear systems: dense, sparse with differentiable entries, or known by their products.

What comes in: a matrix or a function that multiplies by it, and a right-hand side. What goes out: the solution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wengert import linear_systems

__all__ = ["solve"]


def solve(A: Any, b: Any, *, data: Any = None, method: str | None = None, rtol: float = 1e-10) -> Any:
    """The solution x of ``A x = b``, differentiable in the entries of A and in b.

    ``dx = A⁻¹ (db - dA x)``, and its adjoint is a solve with the transposed matrix, of which a sparse LU is shared.

    Parameters
    ----------
    A : array (n, n), sparse matrix of ``scipy.sparse``, or callable
        A callable gives the product of the matrix with its argument, an array of the shape of b; it may use traced values from
        around it, and has to be linear in its argument.
    b : array (n,) or (n, k)
        Of any shape for a callable.
    data : array, optional
        Entries to stand in the places of those of a sparse A (in CSR, CSC or COO form), in the order of ``A.data``: a sparse
        matrix of SciPy's cannot hold traced values. The derivative with regard to them keeps the pattern; no dense matrix is
        made.
    method : {"gmres", "cg", "bicgstab"}, optional
        A method of Krylov's (``scipy.sparse.linalg``), for the solve and for its derivatives; "cg" is for positive definite
        matrices. By default a matrix is factored; one known by its products is made dense, or sparse, where that is cheap.
    rtol : float
        For these methods: how small the residual has to be, relative to b.

    Returns
    -------
    array
        Of the shape of b.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is singular.
    ConvergenceError
        If a method does not reach its tolerance.

    Examples
    --------
    The derivative of ``Σ x`` with regard to the entries of a sparse matrix:

    >>> import numpy as np
    >>> import scipy.sparse
    >>> import wengert as wg
    >>> A = scipy.sparse.csr_array([[2.0, 0.0], [1.0, 4.0]])
    >>> b = np.array([2.0, 5.0])
    >>> wg.implicit.solve(A, b)
    array([1., 1.])
    >>> wg.grad(lambda d: np.sum(wg.implicit.solve(A, b, data=d)))(A.data)
    array([-0.375, -0.25 , -0.25 ])
    """
    products: Callable[..., Any] | Any = A
    return linear_systems.solve(products, b, data=data, method=method, rtol=rtol)
