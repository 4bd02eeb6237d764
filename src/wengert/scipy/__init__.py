"""SciPy's solvers, with exact derivatives.

What comes in: a function, as one would give it to SciPy. What goes out: what SciPy takes (`for_scipy`), or SciPy's own result
(`minimize`, `least_squares`, `curve_fit`, `root`, `solve_ivp`). The one idea: SciPy's signatures and results stand; derivatives
that the user does not give are exact, compiled, and passed to the methods that take them.
"""

from .adapter import Adapter, for_scipy
from .fitting import CurveFit, curve_fit
from .interior_point import IpoptProblem
from .minimizing import minimize
from .solving import least_squares, root, solve_ivp

__all__ = ["Adapter", "CurveFit", "IpoptProblem", "curve_fit", "for_scipy", "least_squares", "minimize", "root", "solve_ivp"]
