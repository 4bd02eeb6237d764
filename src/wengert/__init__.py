"""wengert: derivatives of formulas and of plain NumPy programs."""

from wengert.api import grad, value_and_grad

__all__ = ["grad", "value_and_grad"]
