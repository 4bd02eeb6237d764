"""``scipy.optimize.curve_fit`` on traced data, or on a model that uses traced values.

What comes in: a model and data. What goes out: the parameters, and their covariance, both traced. The one idea: the parameters
solve the normal equations of least squares; the covariance is a formula in the Jacobian at them, which is a graph.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from wengert import solutions
from wengert.errors import UnsupportedError
from wengert.frontends.registry import FUNCTIONS
from wengert.frontends.trace import user_line
from wengert.frontends.tracer import Tracer
from wengert.graph import ArrayType
from wengert.primitives.control import call
from wengert.scipy_solvers import Problem, limits_of_pair, report_way, solver, user_call
from wengert.solutions import array_of

__all__: list[str] = []


def _start(p: Problem, limits: Any) -> Any:
    """Where SciPy starts: at p0, or inside the bounds, or at ones."""
    p0 = p.take("p0")
    if p0 is not None:
        start = array_of(p0)
        return FUNCTIONS[np.reshape](start, -1) if isinstance(start, Tracer) else start.reshape(-1).astype(float)
    count = len([q for q in inspect.signature(p.original["f"]).parameters.values()
                 if q.kind in (q.POSITIONAL_ONLY, q.POSITIONAL_OR_KEYWORD)]) - 1
    if count < 1:
        raise ValueError("Unable to determine number of fit parameters.")
    if limits is None:
        return np.ones(count)
    low, high = (np.broadcast_to(b.value if isinstance(b, Tracer) else b, (count,)) for b in limits)
    both, below, above = np.isfinite(low) & np.isfinite(high), np.isfinite(low), np.isfinite(high)
    return np.where(both, 0.5 * (np.where(below, low, 0.0) + np.where(above, high, 0.0)),
                    np.where(below, np.where(below, low, 0.0) + 1.0, np.where(above, np.where(above, high, 0.0) - 1.0, 1.0)))


@solver("curve_fit")
def _curve_fit(p: Problem) -> Any:
    f, xdata, ydata = p.take("f"), p.take("xdata"), p.take("ydata")
    sigma, full = p.take("sigma"), p.take("full_output", False)
    absolute = p.given.get("absolute_sigma", False)
    if p.given.get("loss", "linear") != "linear":
        raise UnsupportedError(f"curve_fit with loss={p.given['loss']!r} at {user_line()}: minimize the sum of the losses by "
                               f"scipy.optimize.minimize, which has a derivative")
    bounds = p.take("bounds")
    limits = limits_of_pair(bounds, None) if bounds is not None else None
    start = _start(p, limits)
    like = ArrayType(start.shape, np.float64)
    if limits is not None:
        limits = limits_of_pair(bounds, like.size)
    y = array_of(ydata)
    weights = 1.0
    if sigma is not None:
        sigma = array_of(sigma)
        if len(sigma.shape) > 1:
            raise UnsupportedError(f"curve_fit with a covariance matrix for sigma at {user_line()} has no derivative here; "
                                   f"transform f and ydata by its Cholesky factor")
        weights = 1.0 / sigma

    def model(x: Any) -> Any:
        return user_call(f, xdata, *[x[k] for k in range(like.size)])
    p.add("residual", lambda x: (model(x) - y) * weights, like)
    p.add("f", model, like)
    jac = p.take("jac")
    if callable(jac):
        p.add("jac", lambda x: user_call(jac, xdata, *[x[k] for k in range(like.size)]), like)
    elif jac is not None:
        p.given["jac"] = jac
    traced = [y, sigma, start, *(limits or ())]
    if p.is_plain(*[t for t in traced if t is not None]):
        return p.run_plain()
    starts = [start, *(limits or ()), y, *([] if sigma is None else [sigma])]

    def run(fs: Any, at: Any, options: Any) -> Any:
        rest = list(at[1:])
        words = dict(options)
        if limits:
            words["bounds"] = rest.pop(0), rest.pop(0)
        target = rest.pop(0)
        if rest:
            words["sigma"] = rest.pop(0)
        if "jac" in fs:
            words["jac"] = lambda x, *q: fs["jac"](np.array(q))
        return p.function(lambda x, *q: fs["f"](np.array(q)), np.zeros(np.shape(target)), target, p0=at[0], **words)
    found = p.solved(starts, start.shape, solutions.normal, run,
                     lambda out, at: (out[0], True, report_way(out[0], at[0])), limits or ())
    if full:
        raise UnsupportedError(f"curve_fit(full_output=True) of traced data at {user_line()}; without it, it gives the "
                               f"parameters and their covariance")
    return found.x, _covariance(p, found.x, absolute)


def _covariance(p: Problem, x: Any, absolute: bool) -> Any:
    """``(Jᵀ J)⁻¹``, times the mean square of the residuals unless sigma is absolute."""
    f = p.functions[0]
    assert f.graph is not None
    jacobian = call(x, *f.parameters, graph=solutions.jacobian(f.graph), name="curve_fit")[0]
    normal = FUNCTIONS[np.linalg.inv](jacobian.T @ jacobian)
    if absolute:
        return normal
    left = FUNCTIONS[np.reshape](call(x, *f.parameters, graph=f.graph, name="curve_fit")[0], -1)
    rest = left.shape[0] - x.shape[0]
    if rest <= 0:
        raise UnsupportedError(f"curve_fit of {left.shape[0]} data with {x.shape[0]} parameters at {user_line()}: their "
                               f"covariance is not known; use scipy.optimize.least_squares")
    return normal * (FUNCTIONS[np.sum](left * left) / rest)
