"""Callables in, numbers out: finite differences, Richardson extrapolation, the complex step, random directions.

What comes in: any Python function of one array, and a point. What goes out: derivatives as numbers, each with
an estimate of its error for whoever asks. The one idea: nothing here knows what the function is made of, so
nothing here can share a mistake with the rules of differentiation that it is used to check.
"""

from .differences import (
    derivative,
    derivative_estimate,
    directional,
    directional_estimate,
    gradient,
    gradient_estimate,
    hessian,
    hessian_estimate,
    jacobian,
    jacobian_estimate,
)
from .estimators import DISTRIBUTIONS, PERTURBATIONS, random_gradient, random_gradient_estimate, spsa, spsa_estimate
from .probe import METHODS, Estimate
from .step_curve import StepCurve, step_curve
from .weights import Stencil, stencil, weights

__all__ = [
    "derivative", "directional", "gradient", "hessian", "jacobian",
    "derivative_estimate", "directional_estimate", "gradient_estimate", "hessian_estimate",
    "jacobian_estimate",
    "random_gradient", "random_gradient_estimate", "spsa", "spsa_estimate",
    "DISTRIBUTIONS", "PERTURBATIONS", "StepCurve", "step_curve",
    "METHODS", "Estimate", "Stencil", "stencil", "weights",
]
