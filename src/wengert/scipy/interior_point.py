"""Problems in the form of IPOPT: sparse structures once, then values.

What comes in: an objective, constraints, a point. What goes out: an object with the methods that `cyipopt.Problem` calls. The
one idea: the Lagrangian is one function of the point and the multipliers, and its Hessian has one structure.

A. Wächter and L. T. Biegler, On the implementation of an interior-point filter line-search algorithm for large-scale nonlinear
programming, Mathematical Programming 106 (2006), 25-57.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.api import hessian, jacobian
from wengert.sparse import lagrangian
from wengert.staging import jit

if TYPE_CHECKING:
    from .adapter import Adapter

__all__ = ["IpoptProblem"]


class IpoptProblem:
    """What `Adapter.ipopt` gives: ``cyipopt.Problem(n=p.n, m=p.m, problem_obj=p, lb=..., ub=..., cl=..., cu=...)``.

    Attributes
    ----------
    n, m : int
        Numbers of variables and of constraints.
    """

    def __init__(self, adapter: Adapter, constraints: Any, x0: Any):
        self._adapter, self._constraints, self.n = adapter, constraints, x0.size
        if constraints is None:
            self.m = 0
            self._jacobian: Any = None
            self._hessian = _prepared(hessian, adapter.program, x0).lower()
            return
        self._jacobian = _prepared(jacobian, constraints, x0)
        self.m = self._jacobian.shape[0]
        whole = jit(lagrangian(adapter.program, constraints))
        self._hessian = _prepared(hessian, whole, x0, np.ones(self.m), 1.0).lower()

    def objective(self, x: Any) -> float:
        return float(self._adapter.fun(x))

    def gradient(self, x: Any) -> Any:
        return self._adapter.jac(x)

    def constraints(self, x: Any) -> Any:
        return np.zeros(0) if self._constraints is None else self._constraints(x)

    def jacobianstructure(self) -> tuple[Any, Any]:
        """Rows and columns of the entries."""
        none = np.zeros(0, np.int64)
        return (none, none) if self._jacobian is None else (self._jacobian.rows, self._jacobian.columns)

    def jacobian(self, x: Any) -> Any:
        """The entries, in the order of the structure."""
        return np.zeros(0) if self._jacobian is None else self._jacobian.values(x)

    def hessianstructure(self) -> tuple[Any, Any]:
        """Rows and columns of the entries on and below the diagonal."""
        return self._hessian.rows, self._hessian.columns

    def hessian(self, x: Any, lagrange: Any, obj_factor: float) -> Any:
        """The entries of ``σ ∇²f(x) + Σ λ_i ∇²c_i(x)``."""
        if self._constraints is None:
            return float(obj_factor) * self._hessian.values(x)
        return self._hessian.values(x, np.asarray(lagrange, float), float(obj_factor))


def _prepared(transform: Any, f: Any, *point: Any) -> Any:
    return transform(f, sparsity="detect").prepare(*point)
