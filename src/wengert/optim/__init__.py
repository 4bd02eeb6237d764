"""Optimization with derivatives that come from anywhere.

What comes in: a gradient (exact, or estimated), and a starting point of any structure. What goes out: new parameters, or a
result that remembers how it came about. The one idea: a method asks for gradients and never for where they come from.
"""

from .clipping import clip_by_global_norm, clip_by_value, global_norm
from .descent import conjugate_gradient, gradient_descent, lbfgs
from .least_squares import gauss_newton, levenberg_marquardt
from .line_search import Backtracking, StrongWolfe
from .optimizers import SGD, AdaGrad, Adam, AdamW, Lion, Optimizer, OptimizerState, RMSProp
from .problem import Descent
from .schedules import (
    CosineDecay,
    CosineRestarts,
    ExponentialDecay,
    LinearDecay,
    OneCycle,
    PiecewiseConstant,
    PolynomialDecay,
    WarmUp,
)

__all__ = [
    "AdaGrad", "Adam", "AdamW", "Lion", "Optimizer", "OptimizerState", "RMSProp", "SGD",
    "CosineDecay", "CosineRestarts", "ExponentialDecay", "LinearDecay", "OneCycle", "PiecewiseConstant", "PolynomialDecay",
    "WarmUp",
    "clip_by_global_norm", "clip_by_value", "global_norm",
    "Descent", "conjugate_gradient", "gauss_newton", "gradient_descent", "lbfgs", "levenberg_marquardt",
    "Backtracking", "StrongWolfe",
]
