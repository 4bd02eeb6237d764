"""Optimization with derivatives that come from anywhere.

What comes in: a gradient (exact, or estimated), and a starting point of any structure. What goes out: a result that
remembers how it came about. The one idea: a method asks for gradients and never for where they come from.
"""

from .descent import Descent, gradient_descent

__all__ = ["Descent", "gradient_descent"]
