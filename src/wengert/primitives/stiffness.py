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
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import StiffnessWarning

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


def watched(method: Any, jacobian: Any, layers: Sequence[int], p: Any, extras: Sequence[Any]) -> Any:
    """The method, or for an explicit one its class with an eye on stiffness."""
    if method not in BOUNDARY:
        return method
    import scipy.integrate
    base = getattr(scipy.integrate, method)
    count = int(np.prod([1 + q for q in layers], dtype=int))

    class Watched(base):  # type: ignore[misc,valid-type]
        """The method; its steps are remembered."""

        taken, look = 0, _FIRST
        limited = 0

        def _step_impl(self) -> Any:
            before, y = self.t, self.y
            out = super()._step_impl()
            self.taken += 1
            if self.look and self.taken > self.look - _LOOKS and out[0]:
                h = abs(self.t - before)
                own = p[:p.size // count], y[:y.size // count]
                radius = _most_negative(jacobian(np.float64(before), own[1], own[0], *extras), np.sign(self.t - before))
                self.limited += h * radius > _NEAR * BOUNDARY[method]
                if self.taken == self.look:
                    self._decide(h, radius)
            return out

        def _decide(self, h: float, radius: float) -> None:
            """After each look: warn once, or look again later."""
            if self.limited >= _LOOKS - 1:
                warnings.warn(
                    f"{method} is explicit and the problem is stiff: at t = {self.t:g}, after {self.taken} steps, "
                    f"stability and "
                    f"not accuracy limits the step to {h:.2g} (an eigenvalue is near {-radius:.3g}). Use method='Radau', "
                    f"'BDF' or "
                    f"'LSODA'; the exact Jacobian is passed to them", StiffnessWarning, stacklevel=user_level())
                self.look = 0
            else:
                self.look, self.limited = 4 * self.look, 0
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
