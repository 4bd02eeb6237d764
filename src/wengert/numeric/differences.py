"""Derivatives of functions that can only be evaluated.

What comes in: a callable of one array, and a point. What goes out: derivative, gradient, Jacobian, Hessian or
directional derivative as numbers, and from the ``*_estimate`` companions also a bound of the error, the step
and the number of evaluations. The one idea: a difference quotient is worth what is known about its error, so
the step is chosen, and reported, by that error.

Five methods. ``"central"`` evaluates on both sides of x, ``"forward"`` and ``"backward"`` on one side,
``"richardson"`` extrapolates central differences to step 0 (most evaluations, most digits), ``"complex"``
takes one step into the imaginary direction (exact to rounding for functions that are analytic and compute
with complex numbers).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .columns import (
    along,
    elementwise,
    grain_of,
    jacobian_columns,
    refuse_not_holomorphic,
    second_derivatives,
)
from .complex_step import generic_direction
from .probe import Estimate, Probe, as_point, scheme_of

__all__ = [
    "derivative", "derivative_estimate", "directional", "directional_estimate",
    "gradient", "gradient_estimate", "hessian", "hessian_estimate", "jacobian", "jacobian_estimate",
]

Function = Callable[[Any], Any]


def derivative(
    f: Function, x: Any, *, order: int = 1, method: str = "central", step: Any = None,
    accuracy: int | None = None, holomorphic: bool = False,
) -> Any:
    """Derivative dⁿf/dxⁿ of a function of one variable, elementwise over arrays.

    Parameters
    ----------
    f : callable
        Takes a scalar and returns a scalar or an array (a curve); or takes an array and returns one of the
        same shape, each element a function of the same element of x.
    x : float, or ndarray of float or complex
        Where. Python floats are passed on as NumPy scalars.
    order : int
        n ≥ 1. Each order more costs digits.
    method : {"central", "forward", "backward", "complex", "richardson"}
        Which differences to take.
    step : float or ndarray of x.shape, optional
        Spacing of the points; without it the step is searched, element by element. For "richardson" it is the
        first and largest, for "complex" and order 1 the imaginary one.
    accuracy : int, optional
        Power of the step in the truncation error: for "central" even, by default 2; one-sided by default 1.
    holomorphic : bool
        A complex x is accepted only with this: dⁿf/dzⁿ of a holomorphic f.

    Returns
    -------
    ndarray or scalar
        Of the shape of f(x). NaN where f is not finite near x.

    Raises
    ------
    TypeError
        Integer x; complex x without ``holomorphic``; f that does not compute with complex numbers
        ("complex").
    ValueError
        Unknown method, bad order, accuracy or step; f(x) of another shape than x; f not analytic ("complex").

    Examples
    --------
    >>> import numpy as np
    >>> float(derivative(np.exp, 0.0, method="complex"))
    1.0
    >>> np.round(derivative(np.sin, np.array([0.0, np.pi / 3]), order=2), 5)
    array([ 0.      , -0.86603])

    References
    ----------
    Fornberg 1988 (`weights`), Ridders 1982 (`search.extrapolate`), Squire and Trapp 1998 (`complex_step`).
    """
    return _derivative("derivative", f, x, order, method, step, accuracy, holomorphic, False).value


def derivative_estimate(
    f: Function, x: Any, *, order: int = 1, method: str = "central", step: Any = None,
    accuracy: int | None = None, holomorphic: bool = False,
) -> Estimate:
    """What `derivative` returns, with its error, step and count of evaluations. Arguments as there.

    A given step costs twice the evaluations here, for half of it shows the truncation error, and six to
    measure the noise of f.

    Returns
    -------
    Estimate

    Examples
    --------
    >>> import math
    >>> e = derivative_estimate(math.log, 2.0, method="richardson")
    >>> abs(e.value - 0.5) <= e.error < 1e-11
    np.True_
    """
    return _derivative("derivative_estimate", f, x, order, method, step, accuracy, holomorphic, True)


def _derivative(
    name: str, f: Function, x: Any, order: int, method: str, step: Any, accuracy: int | None,
    holomorphic: bool, with_error: bool,
) -> Estimate:
    scheme = scheme_of(name, method, order, accuracy, step, with_error)
    probe = _probe(name, f, x)
    _need_holomorphic(probe, holomorphic)
    return elementwise(probe, scheme)


def gradient(
    f: Function, x: Any, *, method: str = "central", step: Any = None, accuracy: int | None = None
) -> Any:
    """Gradient ∇f of a real scalar function; for complex x, ∂f/∂Re x + i ∂f/∂Im x.

    Parameters
    ----------
    f : callable
        Takes an array of x's shape and dtype, returns a real scalar (shape ()).
    x : ndarray of float or complex, any shape
        Where.
    method, step, accuracy
        As in `derivative`; `step` may be an array, one per coordinate.

    Returns
    -------
    ndarray
        Of x's shape: the direction of steepest ascent. With a given step it costs 2d + 1 calls of f by
        central and d + 1 by forward differences, d = x.size. Searching the step costs 4d + 7 calls where two
        steps agree at once (18 more to find the noise of an f that stands still), and some 50 d where f is
        far from unit scale or noisy.

    Raises
    ------
    TypeError
        Integer x; an output of f that is not scalar or not real.
    ValueError
        As in `derivative`.

    Examples
    --------
    >>> import numpy as np
    >>> np.round(gradient(lambda x: x[0] ** 2 * x[1], np.array([3.0, 2.0])), 6)
    array([12.,  9.])
    >>> np.round(gradient(lambda z: abs(z) ** 2, 1 + 2j), 6)
    np.complex128(2+4j)

    References
    ----------
    As in `derivative`.
    """
    return _gradient("gradient", f, x, method, step, accuracy, False).value


def gradient_estimate(
    f: Function, x: Any, *, method: str = "central", step: Any = None, accuracy: int | None = None
) -> Estimate:
    """What `gradient` returns, with its error, step and count of evaluations. Arguments as there.

    Returns
    -------
    Estimate
        With arrays of x's shape.

    Examples
    --------
    >>> import numpy as np
    >>> e = gradient_estimate(lambda x: np.sum(np.exp(x)), np.array([0.0, 1.0]), step=1e-3)
    >>> np.all(abs(e.value - np.exp([0.0, 1.0])) <= e.error), e.evaluations
    (np.True_, 15)
    """
    return _gradient("gradient_estimate", f, x, method, step, accuracy, True)


def _gradient(
    name: str, f: Function, x: Any, method: str, step: Any, accuracy: int | None, with_error: bool
) -> Estimate:
    scheme = scheme_of(name, method, 1, accuracy, step, with_error)
    probe = _probe(name, f, x)
    _need_real_scalar(probe)
    complex_x = probe.x.dtype.kind == "c"
    found, turned = jacobian_columns(probe, scheme, imaginary_too=complex_x)
    value, error, tau = (part.reshape(-1) for part in found)
    if turned is not None:
        value = value + 1j * turned.value.reshape(-1)
        error = np.hypot(error, turned.error.reshape(-1))
    dtype = np.result_type(probe.result_dtype(), probe.x.dtype)
    return probe.finish(value, error, tau, probe.x.shape, dtype)


def jacobian(
    f: Function, x: Any, *, method: str = "central", step: Any = None, accuracy: int | None = None,
    holomorphic: bool = False,
) -> Any:
    """Jacobian ∂f/∂x: all partial derivatives of all outputs.

    Parameters
    ----------
    f : callable
        Takes an array of x's shape and dtype, returns an array of any shape, real or complex.
    x : ndarray of float or complex, any shape
        Where.
    method, step, accuracy
        As in `gradient`.
    holomorphic : bool
        A complex x is accepted only with this; that f is holomorphic is checked along one direction.

    Returns
    -------
    ndarray of shape f(x).shape + x.shape

    Raises
    ------
    TypeError
        Integer x; complex x without ``holomorphic``.
    ValueError
        As in `derivative`; f not holomorphic.

    Examples
    --------
    >>> import numpy as np
    >>> np.round(jacobian(lambda x: np.array([x[0] * x[1], x[0]]), np.array([3.0, 2.0])), 6)
    array([[2., 3.],
           [1., 0.]])

    References
    ----------
    As in `derivative`.
    """
    return _jacobian("jacobian", f, x, method, step, accuracy, holomorphic, False).value


def jacobian_estimate(
    f: Function, x: Any, *, method: str = "central", step: Any = None, accuracy: int | None = None,
    holomorphic: bool = False,
) -> Estimate:
    """What `jacobian` returns, with its error, step and count of evaluations. Arguments as there.

    Returns
    -------
    Estimate
        With arrays of shape f(x).shape + x.shape.

    Examples
    --------
    >>> import numpy as np
    >>> e = jacobian_estimate(np.cumsum, np.ones(2), method="forward", step=0.5)
    >>> e.value, e.step
    (array([[1., 0.], [1., 1.]]), array([[0.5, 0.5], [0.5, 0.5]]))
    """
    return _jacobian("jacobian_estimate", f, x, method, step, accuracy, holomorphic, True)


def _jacobian(
    name: str, f: Function, x: Any, method: str, step: Any, accuracy: int | None, holomorphic: bool,
    with_error: bool,
) -> Estimate:
    scheme = scheme_of(name, method, 1, accuracy, step, with_error)
    probe = _probe(name, f, x)
    _need_holomorphic(probe, holomorphic)
    found, _ = jacobian_columns(probe, scheme)
    dtype = probe.result_dtype()
    if probe.x.dtype.kind == "c":
        dtype = np.result_type(dtype, probe.x.dtype)
        if found.value.size:
            v = generic_direction(probe.x)
            refuse_not_holomorphic(probe, v, grain_of(probe, v))
    return probe.finish(*found, probe.shape + probe.x.shape, dtype)


def hessian(
    f: Function, x: Any, *, method: str = "central", step: Any = None, accuracy: int | None = None
) -> Any:
    """Hessian ∂²f/∂x∂x of a real scalar function, symmetric by construction.

    Parameters
    ----------
    f : callable
        Takes an array of x's shape and dtype, returns a real scalar (shape ()).
    x : ndarray of float, any shape
        Where.
    method, step, accuracy
        As in `gradient`. "complex" means central differences of complex-step derivatives: nearly full
        accuracy.

    Returns
    -------
    ndarray of shape x.shape + x.shape

    Raises
    ------
    TypeError
        Integer or complex x; an output of f that is not scalar or not real.
    ValueError
        As in `derivative`.

    Examples
    --------
    >>> import numpy as np
    >>> np.round(hessian(lambda x: x[0] ** 2 * x[1], np.array([3.0, 2.0])), 3)
    array([[4., 6.],
           [6., 0.]])

    References
    ----------
    As in `derivative`.
    """
    return _hessian("hessian", f, x, method, step, accuracy, False).value


def hessian_estimate(
    f: Function, x: Any, *, method: str = "central", step: Any = None, accuracy: int | None = None
) -> Estimate:
    """What `hessian` returns, with its error, step and count of evaluations. Arguments as there.

    Returns
    -------
    Estimate
        With arrays of shape x.shape + x.shape; beside the diagonal, `step` is the geometric mean of two.

    Examples
    --------
    >>> import numpy as np
    >>> e = hessian_estimate(lambda x: np.prod(np.sin(x)), np.array([1.0, 2.0]), method="richardson")
    >>> abs(e.value[0, 1] - np.cos(1.0) * np.cos(2.0)) <= e.error[0, 1] < 1e-9
    np.True_
    """
    return _hessian("hessian_estimate", f, x, method, step, accuracy, True)


def _hessian(
    name: str, f: Function, x: Any, method: str, step: Any, accuracy: int | None, with_error: bool
) -> Estimate:
    scheme = scheme_of(name, method, 2, accuracy, step, with_error)
    probe = _probe(name, f, x)
    if probe.x.dtype.kind == "c":
        raise TypeError(f"{name}: x is complex; write f as a function of its real and imaginary parts")
    _need_real_scalar(probe)
    found = second_derivatives(probe, scheme)
    return probe.finish(*found, probe.x.shape + probe.x.shape, probe.result_dtype())


def directional(
    f: Function, x: Any, v: Any, *, order: int = 1, method: str = "central", step: Any = None,
    accuracy: int | None = None,
) -> Any:
    """Directional derivative dⁿ/dtⁿ f(x + t·v) at t = 0; for n = 1 the product J v.

    Parameters
    ----------
    f : callable
        Takes an array of x's shape and dtype, returns an array of any shape, real or complex.
    x : ndarray of float or complex, any shape
        Where.
    v : ndarray of x.shape
        The direction, of any length; complex only where x is, and then the derivative is still in a real t.
    order, method, accuracy
        As in `derivative`.
    step : float, optional
        Step in t: the points are x + k·step·v.

    Returns
    -------
    ndarray or scalar
        Of the shape of f(x).

    Raises
    ------
    TypeError
        Integer x; complex v at real x.
    ValueError
        As in `derivative`; v of another shape than x.

    Examples
    --------
    >>> import numpy as np
    >>> np.round(directional(np.sort, np.array([3.0, 2.0]), np.array([1.0, 5.0])), 6)
    array([5., 1.])

    References
    ----------
    As in `derivative`.
    """
    return _directional("directional", f, x, v, order, method, step, accuracy, False).value


def directional_estimate(
    f: Function, x: Any, v: Any, *, order: int = 1, method: str = "central", step: Any = None,
    accuracy: int | None = None,
) -> Estimate:
    """What `directional` returns, with its error, step (in t) and count of evaluations. Arguments as there.

    Returns
    -------
    Estimate
        With arrays of the shape of f(x).

    Examples
    --------
    >>> import numpy as np
    >>> e = directional_estimate(np.exp, np.zeros(2), np.array([1.0, 2.0]), order=3, method="richardson")
    >>> np.all(abs(e.value - np.array([1.0, 8.0])) <= e.error)
    np.True_
    """
    return _directional("directional_estimate", f, x, v, order, method, step, accuracy, True)


def _directional(
    name: str, f: Function, x: Any, v: Any, order: int, method: str, step: Any, accuracy: int | None,
    with_error: bool,
) -> Estimate:
    scheme = scheme_of(name, method, order, accuracy, step, with_error)
    if scheme.step is not None and scheme.step.ndim:
        raise ValueError(f"{name}: step must be one number, the step in t")
    point, direction = as_point(name, x), np.asarray(v)
    if direction.dtype.kind not in "iufc":
        raise TypeError(f"{name}: v must be an array of numbers, not of {direction.dtype}")
    if direction.shape != point.shape:
        raise ValueError(f"{name}: v has shape {direction.shape}, x has shape {point.shape}; they differ")
    if direction.dtype.kind == "c" and point.dtype.kind != "c":
        raise TypeError(f"{name}: v is complex and x is real; pass x.astype(complex)")
    if not np.all(np.isfinite(direction)):
        raise ValueError(f"{name}: v must be finite")
    return along(_probe(name, f, x), direction.astype(np.result_type(direction.dtype, float)), scheme)


# ---------------------------------------------------------------- what must hold of x and f(x)


def _probe(name: str, f: Function, x: Any) -> Probe:
    """The function at x, called once. Scalars stay scalars: f may be `math.exp`."""
    return Probe(name, f, as_point(name, x), scalar=not isinstance(x, np.ndarray) and np.ndim(x) == 0)


def _need_holomorphic(probe: Probe, holomorphic: bool) -> None:
    if probe.x.dtype.kind == "c" and not holomorphic:
        raise TypeError(
            f"{probe.name}: x is complex; a complex derivative exists only for holomorphic functions: say "
            f"holomorphic=True, or take gradient (of a real function) or directional"
        )


def _need_real_scalar(probe: Probe) -> None:
    if probe.shape != ():
        raise TypeError(f"{probe.name}: f must return a scalar, not shape {probe.shape}; use jacobian")
    if probe.dtype.kind == "c":
        raise TypeError(f"{probe.name}: f must return a real number, not {probe.dtype}; use jacobian")
