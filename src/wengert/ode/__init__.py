"""Differential equations with sensitivities.

What comes in: what ``scipy.integrate.solve_ivp`` takes. What goes out: its result, with the derivatives of the solution.
The one idea: the call is differentiated like any function, so forward and adjoint sensitivities are the two modes of a
Jacobian.
"""

from .sensitivity import Sensitivities, solve_ivp

__all__ = ["Sensitivities", "solve_ivp"]
