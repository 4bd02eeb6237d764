"""Estimation where the matrix is too large to form, and propagation of uncertainty.

What comes in: a matrix, or only its products with vectors (the Hessian of a function, say), and a source of randomness. What
goes out: traces, diagonals, log-determinants and spectral densities, each with a standard error and the number of products it
took. The one idea: a random vector has ``E[v vᵀ] = I``, so ``vᵀ f(A) v`` is the trace of f(A) on average.
"""

from .operators import hessian_operator
from .propagation import Propagated, propagate
from .quadrature import QuadratureEstimate, SpectralDensity, log_determinant, spectral_density, trace_of_function
from .trace import Estimate, diagonal, trace

__all__ = ["Estimate", "Propagated", "QuadratureEstimate", "SpectralDensity", "diagonal", "hessian_operator", "log_determinant",
           "propagate", "spectral_density", "trace", "trace_of_function"]
