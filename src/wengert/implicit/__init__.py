"""Implicit functions: solutions of equations, as values with derivatives.

What comes in: an equation, a map, an objective or a linear system, in functions of NumPy that may use traced values from around
them. What goes out: the solution, an ordinary array, or a traced value inside a program that is differentiated. The one idea:
SciPy solves; the derivative is that of the equation at the solution, ``dx = -(∂F/∂x)⁻¹ ∂F/∂θ dθ`` (the implicit-function
theorem; Griewank and Walther, "Evaluating Derivatives", 2008, chapter 15), in every mode and of every order.
"""

from .equations import fixed_point, least_squares, minimize, root
from .linear import solve

__all__ = ["fixed_point", "least_squares", "minimize", "root", "solve"]
