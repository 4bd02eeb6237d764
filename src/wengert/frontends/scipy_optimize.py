"""The functions of ``scipy.optimize`` beside its solvers: Rosenbrock's function, and remedies for what has no derivative.

What comes in: a point. What goes out: value, gradient, Hessian, or the Hessian times a vector. The one idea: each is a
polynomial in neighbors along the first axis, written as slices of the whole. Solvers are in `wengert.scipy_solvers`.

H. H. Rosenbrock, "An automatic method for finding the greatest or least value of a function", The Computer Journal 3 (1960)
175-184.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.frontends.numpy_api.structure import as_array
from wengert.frontends.scipy_api import REMEDIES, scipy_function
from wengert.frontends.tracer import FUNCTIONS

__all__: list[str] = []


def _joined(first: Any, between: Any, last: Any) -> Any:
    """Along the first axis: one, those between, one."""
    return FUNCTIONS[np.concatenate]([as_array(first)[None], between, as_array(last)[None]])


@scipy_function("scipy.optimize.rosen")
def rosen(x: Any) -> Any:
    """``scipy.optimize.rosen``: ``Σ 100 (x[i+1] - x[i]²)² + (1 - x[i])²``."""
    x = as_array(x)
    return FUNCTIONS[np.sum](100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0, axis=0)


@scipy_function("scipy.optimize.rosen_der")
def rosen_der(x: Any) -> Any:
    """``scipy.optimize.rosen_der``: its gradient."""
    x = as_array(x)
    before, at, behind = x[:-2], x[1:-1], x[2:]
    between = 200 * (at - before ** 2) - 400 * (behind - at ** 2) * at - 2 * (1 - at)
    return _joined(-400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0]), between, 200 * (x[-1] - x[-2] ** 2))


def _diagonal(x: Any) -> Any:
    between = 202 + 1200 * x[1:-1] ** 2 - 400 * x[2:]
    return _joined(1200 * x[0] ** 2 - 400 * x[1] + 2, between, 200 + 0 * x[0])


@scipy_function("scipy.optimize.rosen_hess")
def rosen_hess(x: Any) -> Any:
    """``scipy.optimize.rosen_hess``: its Hessian, which is tridiagonal."""
    x = FUNCTIONS[np.atleast_1d](as_array(x))
    diag = FUNCTIONS[np.diag]
    beside = -400 * x[:-1]
    return diag(beside, 1) + diag(beside, -1) + diag(_diagonal(x))


@scipy_function("scipy.optimize.rosen_hess_prod")
def rosen_hess_prod(x: Any, p: Any) -> Any:
    """``scipy.optimize.rosen_hess_prod``: its Hessian times p."""
    x, p = FUNCTIONS[np.atleast_1d](as_array(x)), as_array(p)
    beside = -400 * x[:-1]
    nothing = np.zeros(1)
    concatenate = FUNCTIONS[np.concatenate]
    return concatenate([nothing, beside * p[:-1]]) + _diagonal(x) * p + concatenate([beside * p[1:], nothing])


# ---------------------------------------------------------------- solvers without a derivative: what to use in their place

def _instead(names: str, what: str) -> None:
    REMEDIES.update({f"scipy.optimize.{name}": what for name in names.split()})


for _names, _method in {"fmin": "Nelder-Mead", "fmin_powell": "Powell", "fmin_cg": "CG", "fmin_bfgs": "BFGS",
                        "fmin_ncg": "Newton-CG", "fmin_l_bfgs_b": "L-BFGS-B", "fmin_tnc": "TNC"}.items():
    _instead(_names, f"use scipy.optimize.minimize(f, x0, method={_method!r})")
_instead("fmin_cobyla fmin_slsqp", "use scipy.optimize.minimize with bounds=, or scipy.optimize.root on the conditions of "
         "Karush, Kuhn and Tucker")
_instead("basinhopping brute differential_evolution direct dual_annealing shgo",
         "search with plain numbers outside, then use scipy.optimize.minimize from the point that was found")
_instead("brent fminbound golden", "use scipy.optimize.minimize_scalar")
_instead("leastsq", "use scipy.optimize.least_squares")
_instead("lsq_linear", "use scipy.optimize.least_squares(lambda x: A @ x - b, x0, bounds=...); without bounds, np.linalg.lstsq")
_instead("nnls", "use scipy.optimize.least_squares(lambda x: A @ x - b, x0, bounds=(0, np.inf))")
_instead("anderson broyden1 broyden2 diagbroyden excitingmixing linearmixing newton_krylov", "use scipy.optimize.root")
_instead("approx_fprime", "use wg.grad or wg.jacobian, which are exact")
_instead("check_grad", "use wg.check_grads")
_instead("linprog milp linear_sum_assignment", "find which constraints are active (or which rows are assigned) with plain "
         "numbers outside, then solve these equations by np.linalg.solve (or take these entries)")
