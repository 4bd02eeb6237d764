"""`scipy.optimize.curve_fit`, with the exact Jacobian, and the band around the curve.

What comes in: a model and data. What goes out: SciPy's result, which also knows its standard errors and bands. The one idea: to
first order, the curve at x has the variance ``g(x)ᵀ Σ g(x)``, with g its gradient in the parameters and Σ their covariance.

G. A. F. Seber and C. J. Wild, Nonlinear Regression, Wiley 1989, sections 5.1 and 5.2.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import InputError
from wengert.staging import kept
from wengert.structured import call, is_tracing

from .points import Layout, refuse_traced
from .programs import derived

__all__ = ["CurveFit", "curve_fit"]

Function = Callable[..., Any]
CURVE, OBSERVATION = "curve", "observation"


class CurveFit(tuple[Any, ...]):
    """What `curve_fit` gives: SciPy's tuple, ``popt, pcov = ...``, with more to ask.

    Attributes
    ----------
    popt : ndarray of shape (n,)
        The parameters.
    pcov : ndarray of shape (n, n)
        Their covariance.
    std : ndarray of shape (n,)
        Their standard errors, the roots of the diagonal.
    dof : int
        Degrees of freedom: observations less parameters.
    residual_std : float
        The root of the (weighted) sum of squared residuals over `dof`.
    """

    popt: Any
    pcov: Any
    std: Any
    dof: int
    residual_std: float
    _model: Any
    _sigma: Any
    _absolute: bool

    def predict(self, x: Any) -> Any:
        """The fitted curve at x."""
        return self._model(self.popt, x)

    def band(self, x: Any, level: float = 0.95, of: str = OBSERVATION, sigma: Any = None) -> tuple[Any, Any]:
        """Lower and upper end of the prediction band (a new observation's), or of the confidence band (the curve's).

        ``f(x) ∓ t √(g(x)ᵀ Σ g(x) + σ²)``, with the quantile t of Student's distribution (of the normal one, if sigma was
        absolute) and σ² the variance of an observation; without σ² for the curve itself. Pointwise, and to first order in the
        parameters: exact for linear models.

        Parameters
        ----------
        x : array_like
            Where; as the model takes it.
        level : float
            The probability that each interval is to hold.
        of : "observation" or "curve"
        sigma : array_like, optional
            The standard deviation of a new observation at each x, on the scale of the sigma that was fitted with. It is needed
            for a fit with sigma.

        Returns
        -------
        lower, upper : ndarray

        Examples
        --------
        >>> import numpy as np
        >>> import wengert as wg
        >>> x = np.arange(6.0)
        >>> fit = wg.scipy.curve_fit(lambda x, a, b: a + b * x, x, np.array([0.1, 0.9, 2.1, 2.9, 4.2, 4.8]))
        >>> lower, upper = fit.band(6.0)
        >>> lower.round(4), upper.round(4)
        (np.float64(5.2885), np.float64(6.5515))
        """
        from scipy import stats
        if not 0.0 < level < 1.0:
            raise InputError(f"band: level is a probability between 0 and 1, such as 0.95, not {level!r}")
        if of not in (CURVE, OBSERVATION):
            raise InputError(f"band: of is {CURVE!r} or {OBSERVATION!r}, not {of!r}")
        if not np.all(np.isfinite(self.pcov)):
            raise InputError("band: the covariance of the parameters could not be estimated, so there is no band")
        x = _as_data(x)
        center = self._model(self.popt, x)
        g = derived(self._model, "jacobian")(self.popt, x)
        variance = np.einsum("...i,ij,...j->...", g, self.pcov, g)
        if of == OBSERVATION:
            variance = variance + self._noise(sigma) ** 2
        quantile = stats.norm.ppf(0.5 + 0.5 * level) if self._absolute else stats.t.ppf(0.5 + 0.5 * level, self.dof)
        half = quantile * np.sqrt(np.maximum(variance, 0.0))
        return center - half, center + half

    def _noise(self, sigma: Any) -> Any:
        if sigma is None and self._sigma:
            raise InputError("band: the fit weighted its observations; pass the standard deviation of a new one, sigma=, or "
                             "ask for the curve's own band, of='curve'")
        scale = 1.0 if self._absolute else self.residual_std
        return scale * (1.0 if sigma is None else np.asarray(sigma, float))


def curve_fit(f: Function, xdata: Any, ydata: Any, p0: Any = None, sigma: Any = None, absolute_sigma: bool = False,
              check_finite: bool | None = None, bounds: Any = (-np.inf, np.inf), method: str | None = None, jac: Any = None, *,
              full_output: bool = False, **options: Any) -> CurveFit:
    """`scipy.optimize.curve_fit` with the exact Jacobian, and bands.

    Parameters
    ----------
    f : callable
        ``f(x, *parameters)``, the model.
    jac : optional
        The default is the exact Jacobian; what is given is passed on.
    xdata, ydata, p0, sigma, absolute_sigma, check_finite, bounds, method, full_output, **options
        As SciPy's.

    Returns
    -------
    CurveFit
        SciPy's tuple ``(popt, pcov)`` (with `full_output` of five), which has `std`, `predict` and `band` besides.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> x = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    >>> fit = wg.scipy.curve_fit(lambda x, a, b: a * np.exp(-b * x), x, np.array([2.9, 1.9, 1.0, 0.7, 0.4]))
    >>> fit.popt.round(4), fit.std.round(4)
    (array([2.9308, 0.49  ]), array([0.082 , 0.0268]))
    """
    import scipy.optimize
    vector = kept("curve_fit", f).again(_of_parameters, ())
    jacobian = derived(vector, "jacobian")

    @functools.wraps(f)  # SciPy counts its parameters
    def model(x: Any, *parameters: Any) -> Any:
        return vector(np.array(parameters, float), x)

    def exact(x: Any, *parameters: Any) -> Any:
        return jacobian(np.array(parameters, float), x)
    refuse_traced("curve_fit", xdata, ydata, sigma, p0)
    if p0 is not None:
        p0 = Layout("curve_fit", p0).start
    if is_tracing():
        count = len(inspect.signature(f).parameters) - 1 if p0 is None else p0.size
        refuse_traced("curve_fit", vector.f(np.ones(count), _as_data(xdata)))
    if sigma is not None and np.size(sigma) == 1:  # SciPy does not take one number together with a Jacobian
        sigma = np.full(np.size(ydata), np.reshape(sigma, ()))
    found = scipy.optimize.curve_fit(model, xdata, ydata, p0, sigma, absolute_sigma, check_finite, bounds, method,
                                     exact if jac is None else jac, full_output=True, **options)
    out = CurveFit(found if full_output else found[:2])
    out.popt, out.pcov, details = found[:3]
    residuals = np.asarray(details["fvec"])
    out.std = np.sqrt(np.diag(out.pcov))
    out.dof = residuals.size - out.popt.size
    out.residual_std = float(np.sqrt(residuals @ residuals / out.dof)) if out.dof > 0 else float("nan")
    out._model, out._sigma, out._absolute = vector, sigma is not None, absolute_sigma
    return out


def _of_parameters(f: Function) -> Function:
    """The model as a function of one vector of parameters, and x."""
    def model(p: Any, x: Any) -> Any:
        return call(f, x, *[p[k] for k in range(p.shape[0])])
    return model


def _as_data(x: Any) -> Any:
    return np.asarray(x, float) if isinstance(x, (list, tuple, int, float, np.ndarray, np.generic)) else x
