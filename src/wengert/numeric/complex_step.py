"""The complex step: a first derivative without subtraction, hence without rounding error to balance.

What comes in: a probed function that is analytic and real on the real line. What goes out: Im f(x + ih·v)/h,
the derivative along v to the last digits, for h so small that h² vanishes beside 1. The one idea's weakness
is a function that drops the imaginary part (abs, .real, a float buffer): its derivative comes out as a wrong
number, often zero. So a real dtype is refused, and each result is held against a difference quotient.

W. Squire and G. Trapp, Using complex variables to estimate derivatives of real functions, SIAM Rev. 40
(1998), 110-112; J. N. Lyness and C. B. Moler, Numerical differentiation of analytic functions, SIAM J. Numer.
Anal. 4 (1967), 202-210.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .probe import Probe, line, scale
from .search import Found, Line, search
from .weights import stencil

__all__ = ["complex_line", "confirm", "generic_direction", "imaginary", "refuse_unfit", "step_error"]

Array = NDArray[Any]

# Its square is below the rounding error of 1 in every dtype, and it does not underflow in products.
STEP = 1e-20
ADVICE = "use method='central' or 'richardson'"


def refuse_unfit(probe: Probe) -> None:
    """Refuse a complex x, and a function that is not real at the real point x."""
    if probe.x.dtype.kind == "c":
        raise ValueError(f"{probe.name}: the complex step needs a real x, not {probe.x.dtype}; {ADVICE}")
    if np.any(probe.center.imag != 0):
        raise ValueError(f"{probe.name}: the complex step needs a function that is real at real x; {ADVICE}")


def imaginary(probe: Probe, point: Array, direction: Array, step: float = STEP) -> tuple[Array, Array]:
    """Im f(point + i·step·direction)/step, flat, and the magnitude of f there."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        try:
            out = probe.call(point.astype(complex) + 1j * (step * direction))
        except (TypeError, np.exceptions.ComplexWarning) as error:
            message = f"{probe.name}: f does not compute with complex numbers ({error}); {ADVICE}"
            raise TypeError(message) from error
    if out.dtype.kind != "c":
        raise TypeError(
            f"{probe.name}: f returned {out.dtype} for a complex argument: it drops the imaginary part that "
            f"carries the derivative (abs, .real, a constant); {ADVICE}"
        )
    values = probe.flat(out)
    return values.imag / step, np.abs(values)


def complex_line(probe: Probe, direction: Array, inner: Array, grain: Array | float) -> Line:
    """The complex-step derivative along `inner`, as a function along `direction`."""

    def sample(tau: float) -> tuple[Array, Array]:
        try:
            values, _ = imaginary(probe, probe.x + tau * direction, inner)
        except (ArithmeticError, ValueError) as error:
            probe.failure = probe.failure or error
            values = np.full(probe.center.shape, np.nan)
        return values, np.abs(values)

    return Line(sample, sample(0.0), probe.eps, grain)


def step_error(probe: Probe, direction: Array, value: Array, size: Array) -> Array:
    """A bound of the rounding error, by doing it again with other roundings.

    Another step rounds every imaginary part anew, and moving x by its own rounding error shows how far the
    derivative depends on it.
    """
    eps = np.finfo(float).eps
    again, _ = imaginary(probe, probe.x * (1 + 2 * eps), direction, STEP * 1.3711)
    return 2 * np.abs(again - value) + 4 * eps * (np.abs(value) + size)


def confirm(probe: Probe, direction: Array, value: Array, grain: Array | float) -> None:
    """Raise ValueError where a complex-step derivative contradicts a difference quotient."""
    with np.errstate(all="ignore"):
        found: Found = search(line(probe, direction, grain), stencil(1, "central", 2))
        wrong = np.abs(found.value - value) > 10 * found.error + 1e-6 * np.abs(value)
    if np.any(wrong & np.isfinite(found.error)):
        k = int(np.argmax(wrong))
        raise ValueError(
            f"{probe.name}: the complex step gives {value[k]:.6g} and a difference quotient "
            f"{found.value[k]:.6g}: f drops an imaginary part (abs, conj, .real), or has a kink; {ADVICE}"
        )


def generic_direction(x: Array) -> Array:
    """A direction that no coordinate is absent from, of the scale of x; always the same."""
    return scale(x) * np.random.default_rng(20).uniform(0.5, 1.0, x.shape)
