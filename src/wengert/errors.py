"""Every error that a user can meet.

What comes in: a sentence that says what happened, where, and what to write instead. What goes out: an
exception that is both a `WengertError` and the built-in exception that NumPy users would expect. The one
idea: nothing is wrong in silence; what cannot be kept exact is refused by one of these.
"""

from __future__ import annotations

__all__ = [
    "BudgetError", "CheckError", "CheckpointWarning", "ConvergenceError", "ConversionError", "DataError", "EscapedTracerError",
    "FormulaError", "GraphError", "InputError", "MissingRuleError", "MutationError", "NonDifferentiableError", "NonFiniteError",
    "SparsityError", "StiffnessWarning", "StructureError", "TrainingWarning", "UnstageableError", "UnsupportedError",
    "WengertError", "kind_of",
]


def kind_of(x: object) -> str:
    """What x is, for a message: "None", "an int", "a list"."""
    name = "str" if isinstance(x, str) else type(x).__name__
    if name == "Tracer":
        return "a traced value"
    return "None" if x is None else f"{'an' if name[0] in 'aeiouAEIOU' or name.startswith('nd') else 'a'} {name}"


def not_a_function(x: object) -> str:
    """What is said of x where a function is expected."""
    remedy = f"; wg.formula({x!r}) makes one of a formula" if isinstance(x, str) and len(x) <= 60 else ""
    return f"the first argument is a function, not {kind_of(x)}{remedy}"


class WengertError(Exception):
    """Base class of all errors that wengert raises on purpose."""


class InputError(WengertError, TypeError):
    """An argument of the wrong kind: an integer input, a bad ``argnums``, a cotangent of the wrong shape.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.grad(lambda x: x * x)(3)
    Traceback (most recent call last):
        ...
    wengert.errors.InputError: grad: argument 0 is an int; integers have no derivative. Pass a float: 3.0 (at ...)
    """


class NonDifferentiableError(WengertError, TypeError):
    """What was asked for has no derivative: a non-scalar or integer output of ``grad``."""


class MissingRuleError(WengertError, NotImplementedError):
    """A primitive whose derivative with regard to one operand is not known."""


class UnsupportedError(WengertError, TypeError):
    """A NumPy or SciPy function, or an argument of one, that cannot be traced."""


class StructureError(WengertError, TypeError):
    """What `cond`, `while_loop`, `fori_loop` or `scan` carries or merges changes its structure, a shape or a dtype.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.fori_loop(0, 3, lambda i, v: v + 0.5, 0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    wengert.errors.StructureError: fori_loop: init_val is int64[] before the body and float64[] after it ...
    """


class UnstageableError(WengertError, TypeError):
    """A construct that cannot become part of a graph; under `jit` the function then runs unstaged, with one warning."""


class ConversionError(WengertError, TypeError):
    """A conversion that would lose the derivative: ``math.sin(x)``, ``a[0] = x`` into an ordinary array."""


class MutationError(WengertError, ValueError):
    """A write that cannot be kept exact: into an argument, or through a view that may be a copy."""


class EscapedTracerError(WengertError, RuntimeError):
    """A traced value that was kept after its trace ended."""


# What plain NumPy would have run: no handler of the user's may take it for an error of the program.
REFUSALS = (ConversionError, EscapedTracerError, MutationError, UnstageableError, UnsupportedError)


class GraphError(WengertError, ValueError):
    """A graph that is not well formed, or text that does not parse as one."""


class BudgetError(WengertError, ValueError):
    """A memory budget that cannot be met; the message names the least that can.

    Attributes
    ----------
    least : int or None
        The bytes of the smallest budget that can be met, if there is one.
    """

    def __init__(self, message: str, least: int | None = None):
        super().__init__(message)
        self.least = least


class DataError(WengertError, ValueError):
    """Data that are missing, empty or malformed: a file, or what a model is to be fitted to."""


class NonFiniteError(WengertError, FloatingPointError):
    """A loss or a gradient that is NaN or infinite: what `fit` raises; within `debug_nonfinite` any such result.

    Attributes
    ----------
    finding : wengert.nonfinite.Finding or None
        The operation that made it, if the interpreter makes it too.
    epoch, step : int
        Of `fit`: when, counted from 1; else 0.
    rows : ndarray or None
        Of `fit`: which rows of the data the batch was.
    fit : Fit
        Of `fit`: the run up to the update before.
    """

    def __init__(self, message: str, finding: object = None, epoch: int = 0, step: int = 0, rows: object = None):
        super().__init__(message)
        self.finding, self.epoch, self.step, self.rows = finding, epoch, step, rows


class SparsityError(WengertError, ValueError):
    """A sparsity pattern that does not fit the function: another shape, or an entry that is missing.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.jacobian(np.cumsum, sparsity=np.eye(2))(np.ones(2))
    Traceback (most recent call last):
        ...
    wengert.errors.SparsityError: jacobian: the pattern misses entry (1, 0), which is 1 at this point
    """


class ConvergenceError(WengertError, RuntimeError):
    """A solver, an integration or a quadrature that did not reach its tolerance: there is nothing to differentiate.

    Examples
    --------
    >>> import wengert as wg
    >>> from scipy.optimize import newton
    >>> def best(a):
    ...     return newton(lambda x: x**3 - a, 50.0, maxiter=3, disp=False, full_output=True)[0]
    >>> wg.grad(best)(2.0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    wengert.errors.ConvergenceError: newton did not converge...
    """


class StiffnessWarning(UserWarning):
    """An explicit integrator whose steps are limited by stability: an implicit method takes far fewer."""


class CheckpointWarning(UserWarning):
    """A checkpoint that could not be written, for want of space on the disk, say; the one before it stays."""


class TrainingWarning(UserWarning):
    """A run of training that goes on, though something in it can hardly be meant: a NaN on the validation data, say."""


class CheckError(WengertError, AssertionError):
    """Derivatives that disagree: what `check_grads` raises."""


class FormulaError(WengertError, ValueError):
    """A formula with a mistake, shown with a caret under the place.

    Parameters
    ----------
    message : str
        What is wrong and what was expected.
    text : str
        The formula.
    column : int
        Column of the mistake, counted from 1.
    """

    def __init__(self, message: str, text: str, column: int):
        self.message, self.text, self.column = message, text, column
        start = max(0, column - 61)
        shown = text[start:start + 120]
        super().__init__(f"column {column}: {message}\n  {shown}\n  {' ' * (column - 1 - start)}^")
