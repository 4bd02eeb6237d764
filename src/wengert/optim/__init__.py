"""Optimization with derivatives that come from anywhere.

What comes in: a gradient (exact, or estimated), and a starting point of any structure. What goes out: new parameters, or a
result that remembers how it came about. The one idea: a method asks for gradients and never for where they come from.
"""

from .clipping import clip_by_global_norm, clip_by_value, global_norm
from .descent import Descent, gradient_descent
from .optimizers import SGD, AdaGrad, Adam, AdamW, Lion, Optimizer, OptimizerState, RMSProp
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
    "Descent", "gradient_descent",
]
