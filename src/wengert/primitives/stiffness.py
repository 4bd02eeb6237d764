"""An explicit method on a stiff problem, noticed while it runs.

What comes in: the name of a method, a right-hand side and its Jacobian. What goes out: SciPy's solver of that name, which
now and then compares its steps with the spectrum of the Jacobian. The one idea: where a step is limited by accuracy, ``h
|λ|`` is as it happens; where it is limited by stability, ``h |λ|`` for the most negative eigenvalue sits at the boundary
of the method's domain of stability, step after step (Hairer and Wanner, "Solving Ordinary Differential Equations II",
section IV.2).
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ConvergenceError, StiffnessWarning

__all__ = ["user_level", "watched"]

# Where the domain of stability of each explicit method ends on the negative real axis
BOUNDARY = {"RK23": 2.51, "RK45": 3.31, "DOP853": 6.1}
_FIRST = 300  # steps before the first look
_NEAR = 0.6  # of the boundary
_LOOKS = 8  # of the last steps, spread


_LIBRARIES = (os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep, f"{os.sep}scipy{os.sep}")


def user_level() -> int:
    """The stack level, for a warning from the caller, of the innermost frame that is neither wengert's nor SciPy's."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and any(part in frame.f_code.co_filename for part in (*_LIBRARIES, "<wengert", "<frozen")):
        frame, level = frame.f_back, level + 1
    return level


_TOO_MANY = 1e7  # steps that are not waited for
_LATE = 4 ** 2 * _FIRST  # the look from which on they are counted


def watched(method: Any, matrix: Callable[[float, Any], Any]) -> Any:
    """The method, or for an explicit one its class with an eye on its steps; ``matrix(t, y)`` has the Jacobian's spectrum."""
    if method not in BOUNDARY:
        return method
    import scipy.integrate
    base = getattr(scipy.integrate, method)

    class Watched(base):  # type: ignore[misc,valid-type]
        """The method; its steps are remembered."""

        taken, look = 0, _FIRST
        limited, warned, longest = 0, False, 0.0

        def _step_impl(self) -> Any:
            before, y = self.t, self.y
            out = super()._step_impl()
            self.taken += 1
            if self.taken > self.look - _LOOKS and out[0]:
                h = abs(self.t - before)
                radius = _most_negative(matrix(before, y), np.sign(self.t - before))
                self.limited += h * radius > _NEAR * BOUNDARY[method]
                self.longest = max(self.longest, h)
                if self.taken == self.look:
                    self._decide(h, radius)
            return out

        def _decide(self, h: float, radius: float) -> None:
            """At each look: warn once, refuse what would never end, or go on."""
            if self.limited >= _LOOKS - 1 and not self.warned:
                warnings.warn(
                    f"{method} is explicit and the problem is stiff: at t = {self.t:g}, after {self.taken} steps, "
                    f"stability and not accuracy limits the step to {h:.2g} (an eigenvalue is near {-radius:.3g}). Use "
                    f"method='Radau', 'BDF' or 'LSODA'; the exact Jacobian is passed to them", StiffnessWarning,
                    stacklevel=user_level())
                self.warned = True
            left = abs(self.t_bound - self.t) / self.longest
            if self.taken >= _LATE and left > _TOO_MANY:
                raise ConvergenceError(
                    f"after {self.taken} steps {method} is {abs(self.t_bound - self.t):.2g} from the end, with steps of "
                    f"{self.longest:.2g}, and would take some {left:.0e} more: near there the right-hand side has derivatives "
                    f"that are not finite, or is stiff; end the integration before by a terminal event, or use an implicit "
                    f"method (Radau, BDF, LSODA)")
            self.look, self.limited, self.longest = 4 * self.look, 0, 0.0
    return Watched


def _most_negative(matrix: Any, direction: float) -> float:
    """How negative the real part of an eigenvalue is, seen in the direction of integration."""
    if hasattr(matrix, "toarray"):
        if matrix.shape[0] > 300:  # too dear for a glance: the diagonal stands for the spectrum
            diagonal = direction * matrix.diagonal()
            return float(max(0.0, -diagonal.min()))
        matrix = matrix.toarray()
    if not np.all(np.isfinite(matrix)):
        return 0.0
    return float(max(0.0, -(direction * np.linalg.eigvals(matrix)).real.min()))
