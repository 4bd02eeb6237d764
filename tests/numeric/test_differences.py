"""Derivatives by differences: against mpmath, closed forms, and their own error estimates."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from wengert.numeric import (
    METHODS,
    derivative,
    derivative_estimate,
    directional,
    directional_estimate,
    gradient,
    gradient_estimate,
    hessian,
    hessian_estimate,
    jacobian,
    jacobian_estimate,
)

Case = tuple[Callable[[Any], Any], Callable[[Any], Any], list[float]]
REAL_METHODS = [method for method in METHODS if method != "complex"]

# NumPy function, the same in mpmath, points: ordinary, tiny and huge ones, poles, cancellation, wrong scales.
FUNCTIONS: dict[str, Case] = {
    "exp": (np.exp, mpmath.exp, [0.0, 1.0, -3.0, 1e-8, 20.0]),
    "sin": (np.sin, mpmath.sin, [0.0, 1.0, 1e-8, 1e4, 1e8]),
    "sin 50x": (lambda x: np.sin(50 * x), lambda x: mpmath.sin(50 * x), [0.0, 0.3, 1.0, 1e-8, 1e8]),
    "sin 1e6x": (lambda x: np.sin(1e6 * x), lambda x: mpmath.sin(10**6 * x), [0.0, 0.3]),
    "cos": (np.cos, mpmath.cos, [0.0, 1.0, 1e-8]),
    "near pole": (lambda x: 1 / ((x - 1) ** 2 + 2.0**-13), lambda x: 1 / ((x - 1) ** 2 + 2.0**-13),
                  [1.001, 1.0, 2.0, 0.0]),
    "1/x": (lambda x: 1 / x, lambda x: 1 / x, [1e-8, 1.0, 3.0, 1e8]),
    "log": (np.log, mpmath.log, [1e-8, 1e-3, 1.0, 1e7]),
    "sqrt": (np.sqrt, mpmath.sqrt, [1e-8, 2.0, 1e8]),
    "quintic": (lambda x: x**5 - 3 * x**2 + 7, lambda x: x**5 - 3 * x**2 + 7, [0.0, 1.0, 1e-8, -2.5, 1e8]),
    "cancels": (lambda x: x**3 - 3 * x**2 + 3 * x - 1, lambda x: x**3 - 3 * x**2 + 3 * x - 1, [1.001, 1.0]),
    "large constant": (lambda x: 1e6 + np.sin(x), lambda x: 10**6 + mpmath.sin(x), [1.0]),
    "slow": (lambda x: np.exp(x / 1e6), lambda x: mpmath.exp(x / 10**6), [0.0, 5.0]),
    "arctan": (np.arctan, mpmath.atan, [0.0, 1e3, 1e8]),
    "gauss": (lambda x: np.exp(-x * x), lambda x: mpmath.exp(-x * x), [0.0, 3.0, 6.0]),
}


def exact(name: str, x: float, order: int) -> float:
    with mpmath.workdps(50):
        return float(mpmath.diff(FUNCTIONS[name][1], mpmath.mpf(x), order))


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_is_bounded(name: str, method: str, order: int) -> None:
    """The estimate holds; by chance, in one case of some hundred, it falls short by less than twice."""
    f, _, points = FUNCTIONS[name]
    for x in points:
        found = derivative_estimate(f, x, order=order, method=method)
        off = abs(found.value - exact(name, x, order))
        assert off <= 2 * found.error, (x, found, off)
        assert np.isfinite(found.error)


def test_error_is_bounded_nearly_always() -> None:
    short, count = 0, 0
    for name, (f, _, points) in FUNCTIONS.items():
        for x in points:
            for order in (1, 2):
                for method in REAL_METHODS:
                    found = derivative_estimate(f, x, order=order, method=method)
                    short += abs(found.value - exact(name, x, order)) > found.error
                    count += 1
    assert short <= count / 100


@pytest.mark.parametrize(
    ("method", "digits"),
    [("central", 8), ("forward", 6), ("backward", 6), ("richardson", 10), ("complex", 13)],
)
def test_estimate_is_not_idle(method: str, digits: int) -> None:
    """At functions of unit scale the bound itself is small, not only true."""
    for name in ("exp", "sin", "quintic", "log", "1/x"):
        found = derivative_estimate(FUNCTIONS[name][0], 1.0, method=method)
        assert found.error <= 10.0**-digits * max(1.0, abs(found.value))


def single(x: Any) -> Any:
    """sin computed in single precision behind a double precision face."""
    return np.sin(x.astype(np.float32)).astype(float)


def rounded(x: Any) -> Any:
    return np.round(np.exp(x), 8)


@pytest.mark.parametrize("method", REAL_METHODS)
@pytest.mark.parametrize(("f", "truth"), [(single, math.cos(0.7)), (rounded, math.exp(0.7))])
def test_noise_is_found(f: Callable[[Any], Any], truth: float, method: str) -> None:
    found = derivative_estimate(f, 0.7, method=method)
    assert abs(found.value - truth) <= found.error <= 0.05


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(
    ("method", "accuracy"), [("central", 2), ("central", 4), ("forward", 1), ("forward", 3), ("backward", 2)]
)
def test_order_of_convergence(method: str, accuracy: int, order: int) -> None:
    found = derivative(np.exp, np.zeros(2), order=order, method=method, accuracy=accuracy, step=[0.08, 0.04])
    slope = np.log2((found[0] - 1) / (found[1] - 1))
    assert slope == pytest.approx(accuracy, abs=0.25)


@pytest.mark.parametrize("method", REAL_METHODS)
def test_given_step(method: str) -> None:
    found = derivative_estimate(np.exp, 1.0, method=method, step=0.01)
    assert abs(found.value - math.e) <= found.error
    assert found.value == derivative(np.exp, 1.0, method=method, step=0.01)
    if method != "richardson":
        assert found.step == 0.01


def test_evaluations_are_counted() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(x)
        return np.sum(np.sin(x))

    gradient(f, np.ones(5), step=1e-3)
    assert len(calls) == 2 * 5 + 1
    calls.clear()
    gradient(f, np.ones(5), step=1e-3, method="forward")
    assert len(calls) == 5 + 1
    calls.clear()
    found = gradient_estimate(f, np.ones(5))
    assert found.evaluations == len(calls) == 4 * 5 + 7


# ---------------------------------------------------------------- many variables

X = np.array([[1.2, 0.4, -0.3], [2.0, 1e-8, 30.0]])


def smooth(x: Any) -> Any:
    return np.sum(np.sin(x)) + x[0, 0] * x[1, 0] ** 2 + np.exp(-x[0, 1] * x[0, 2])


def smooth_gradient(x: Any) -> Any:
    g = np.cos(x)
    e = np.exp(-x[0, 1] * x[0, 2])
    g[0, 0] += x[1, 0] ** 2
    g[1, 0] += 2 * x[0, 0] * x[1, 0]
    g[0, 1] -= x[0, 2] * e
    g[0, 2] -= x[0, 1] * e
    return g


@pytest.mark.parametrize("method", METHODS)
def test_gradient(method: str) -> None:
    found = gradient_estimate(smooth, X, method=method)
    assert found.value.shape == found.error.shape == found.step.shape == X.shape
    assert np.all(np.abs(found.value - smooth_gradient(X)) <= found.error)
    np.testing.assert_array_equal(gradient(smooth, X, method=method), found.value)


@pytest.mark.parametrize("method", METHODS)
def test_hessian(method: str) -> None:
    """Against the complex-step Jacobian of the gradient in closed form."""
    truth = jacobian(smooth_gradient, X, method="complex")
    found = hessian_estimate(smooth, X, method=method)
    assert found.value.shape == X.shape + X.shape
    assert np.all(np.abs(found.value - truth) <= found.error + 1e-13)
    square = found.value.reshape(6, 6)
    np.testing.assert_array_equal(square, square.T)
    np.testing.assert_allclose(hessian(smooth, X, method=method), truth, atol=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_jacobian_and_directional(method: str) -> None:
    a = np.linspace(-1, 1, 8).reshape(2, 4)
    x = np.array([0.5, -1.5, 2.0, 100.0])
    truth = np.einsum("ij,k->ikj", a, np.sin(x)) + np.einsum("i,kj->ikj", a @ x, np.diag(np.cos(x)))
    found = jacobian_estimate(lambda x: np.outer(a @ x, np.sin(x)), x, method=method)
    assert found.value.shape == (2, 4, 4)
    assert np.all(np.abs(found.value - truth) <= found.error)
    v = np.array([1.0, 0.0, -3.0, 20.0])
    along = directional_estimate(lambda x: np.outer(a @ x, np.sin(x)), x, v, method=method)
    assert along.value.shape == (2, 4)
    assert np.all(np.abs(along.value - truth @ v) <= along.error)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("method", ["central", "richardson", "complex"])
def test_directional_orders(order: int, method: str) -> None:
    x, v = np.array([0.3, 1.0]), np.array([2.0, -0.5])
    truth = v**order * np.exp(x)
    found = directional_estimate(np.exp, x, v, order=order, method=method)
    assert np.all(np.abs(found.value - truth) <= found.error)
    np.testing.assert_allclose(found.value, truth, rtol=10.0 ** (order - 8))


def test_sparse_jacobian_is_exactly_sparse() -> None:
    found = jacobian(lambda x: x[::-1] ** 2, np.array([1.0, 2.0, 3.0]))
    assert np.count_nonzero(found) == 3


def test_elementwise_over_scales() -> None:
    x = np.array([1e-8, 1e-3, 1.0, 1e8])
    found = derivative_estimate(lambda x: 1 / x, x)
    assert np.all(np.abs(found.value + 1 / x**2) <= found.error)
    np.testing.assert_allclose(found.value * x**2, -1, rtol=1e-8)
    assert np.all(np.diff(found.step) > 0)


def test_curve_and_scalar_library_functions() -> None:
    np.testing.assert_allclose(derivative(lambda t: np.array([[t, t**2]]), 3.0), [[1.0, 6.0]], rtol=1e-8)
    assert derivative(math.lgamma, 2.0) == pytest.approx(float(mpmath.digamma(2)), rel=1e-8)
    assert derivative(math.log, 1e-8) == pytest.approx(1e8, rel=1e-7)  # leaves the domain on its way


def test_single_precision() -> None:
    x = np.array([0.5, 2.0], np.float32)
    for method in METHODS:
        found = jacobian_estimate(np.sin, x, method=method)
        assert found.value.dtype == np.float32
        assert np.all(np.abs(found.value - np.diag(np.cos(x.astype(float)))) <= found.error)


# ---------------------------------------------------------------- complex numbers


@pytest.mark.parametrize("method", REAL_METHODS)
def test_complex_output(method: str) -> None:
    found = derivative_estimate(lambda x: np.exp(1j * x), 0.4, method=method)
    assert abs(found.value - 1j * np.exp(0.4j)) <= found.error


@pytest.mark.parametrize("method", REAL_METHODS)
def test_complex_gradient_is_steepest_ascent(method: str) -> None:
    z = np.array([1 + 2j, -0.5j])
    w = np.array([2 - 1j, 1 + 1j])
    found = gradient_estimate(lambda z: np.sum(np.abs(z) ** 2) + np.sum((w * z).real), z, method=method)
    assert np.all(np.abs(found.value - (2 * z + np.conj(w))) <= found.error)


def test_holomorphic() -> None:
    z = np.array([1 + 2j, -0.5j])
    np.testing.assert_allclose(jacobian(np.exp, z, holomorphic=True), np.diag(np.exp(z)), atol=1e-8)
    np.testing.assert_allclose(derivative(np.exp, z, order=2, holomorphic=True), np.exp(z), atol=1e-5)
    np.testing.assert_allclose(directional(np.conj, z, 1j * z), np.conj(1j * z), atol=1e-8)
    for f in (jacobian, derivative):
        with pytest.raises(ValueError, match="not holomorphic"):
            f(np.conj, z, holomorphic=True)
        with pytest.raises(TypeError, match="holomorphic=True"):
            f(np.exp, z)


# ---------------------------------------------------------------- the complex step


@pytest.mark.parametrize("name", ["exp", "sin", "sin 50x", "1/x", "log", "quintic", "gauss"])
def test_complex_step_to_the_last_digits(name: str) -> None:
    x = 0.8125
    assert derivative(FUNCTIONS[name][0], x, method="complex") == pytest.approx(exact(name, x, 1), rel=2e-15)


def test_complex_step_of_second_order_keeps_its_digits() -> None:
    assert derivative(np.exp, 1.0, order=2, method="complex") == pytest.approx(math.e, rel=1e-12)


LOSSY: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "abs": (np.abs, TypeError, "drops the imaginary part"),
    "half an abs": (lambda x: x * np.abs(x), ValueError, "drops"),
    "conj": (lambda x: x * np.conj(x), ValueError, "drops"),
    "real": (lambda x: x * 1.0 + x.real, ValueError, "drops"),
    "constant": (lambda x: np.ones(2), TypeError, "drops"),
    "buffer": (lambda x: np.array(x, dtype=float), TypeError, "does not compute with complex"),
    "math": (lambda x: np.array([math.sin(t) for t in x]), TypeError, "does not compute with complex"),
    "complex at real x": (lambda x: np.exp(1j * x), ValueError, "real at real x"),
    "kink": (lambda x: np.where(x.real > 1, x, 0.5 * x + 0.5), ValueError, "kink"),
}


@pytest.mark.parametrize("name", LOSSY)
def test_complex_step_refuses(name: str) -> None:
    f, error, message = LOSSY[name]
    for take in (derivative, jacobian):
        with pytest.raises(error, match=message):
            take(f, np.array([1.0, 2.0]), method="complex")


# ---------------------------------------------------------------- refusals and edges


@pytest.mark.parametrize("take", [derivative, gradient, jacobian, hessian])
def test_integers_are_refused(take: Callable[..., Any]) -> None:
    for x in (3, np.arange(3), [1, 2], True):
        with pytest.raises(TypeError, match=r"integer inputs have no derivative; write 3\.0"):
            take(np.sum, x)
    with pytest.raises(TypeError, match="array of floats"):
        take(np.sum, "x")


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "method": ({"method": "middle"}, "'central', 'forward', 'backward', 'complex', 'richardson'"),
    "odd accuracy": ({"accuracy": 3}, "even accuracy"),
    "zero accuracy": ({"accuracy": 0}, "accuracy must be"),
    "accuracy of richardson": ({"accuracy": 2, "method": "richardson"}, "no accuracy to choose"),
    "zero step": ({"step": 0.0}, "positive and finite"),
    "negative step": ({"step": -1.0}, "positive and finite"),
    "lost step": ({"step": 1e-20}, "lost in the rounding"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_choices(name: str) -> None:
    options, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        derivative(np.sin, 1.0, **options)
    with pytest.raises(ValueError, match=message):
        hessian(lambda x: np.sum(np.sin(x)), np.ones(2), **options)


def test_bad_functions_and_directions() -> None:
    with pytest.raises(ValueError, match="order must be"):
        derivative(np.sin, 1.0, order=0)
    with pytest.raises(ValueError, match="use jacobian"):
        derivative(np.sum, np.ones(2))
    for take in (gradient, hessian):
        with pytest.raises(TypeError, match="must return a scalar"):
            take(np.sin, np.ones(2))
        with pytest.raises(TypeError, match="real number"):
            take(lambda x: 1j * np.sum(x), np.ones(2))
    with pytest.raises(TypeError, match="x is complex"):
        hessian(lambda z: np.sum(np.abs(z)), np.ones(2) + 0j)
    with pytest.raises(TypeError, match="must return numbers"):
        derivative(str, 1.0)
    with pytest.raises(ValueError, match="they differ"):
        directional(np.sin, np.ones(2), np.ones(3))
    with pytest.raises(TypeError, match="v is complex"):
        directional(np.sin, np.ones(2), 1j * np.ones(2))
    with pytest.raises(ValueError, match="at x and"):
        jacobian(lambda x: x[x <= 1.0], np.ones(2))


def test_not_finite() -> None:
    x = np.array([1.0, 0.0, np.inf, np.nan])
    with np.errstate(all="ignore"):
        found = derivative_estimate(np.log, x)
    assert found.value[0] == pytest.approx(1.0, rel=1e-8)
    assert np.all(np.isnan(found.value[1:]) & np.isinf(found.error[1:]))


def test_an_error_of_f_is_not_swallowed() -> None:
    def only_at_one(x: float) -> float:
        if x != 1.0:
            raise ValueError("only at 1")
        return x

    with pytest.raises(ValueError, match="only at 1"):
        derivative(only_at_one, 1.0)


@pytest.mark.parametrize("method", METHODS)
def test_empty(method: str) -> None:
    x = np.zeros((0, 2))
    assert gradient(np.sum, x, method=method).shape == (0, 2)
    assert hessian(np.sum, x, method=method).shape == (0, 2, 0, 2)
    assert jacobian(lambda x: np.ones(3), x, method=method).shape == (3, 0, 2)
    assert jacobian(lambda x: x[:0], np.ones(2), method=method).shape == (0, 2)
    assert derivative(np.sin, x, method=method).shape == (0, 2)
    np.testing.assert_array_equal(directional(np.cos, x, x, method=method), x)


def test_zero_direction_and_constant() -> None:
    np.testing.assert_array_equal(directional(np.exp, np.ones(2), np.zeros(2)), [0.0, 0.0])
    assert derivative(lambda x: 3, 1.0) == 0.0


def test_f_may_write_into_its_argument_and_reuse_its_answer() -> None:
    out = np.zeros(2)
    x = np.array([1.0, 2.0])

    def f(x: Any) -> Any:
        x *= x
        out[:] = x
        return out

    np.testing.assert_allclose(jacobian(f, x), np.diag([2.0, 4.0]), atol=1e-8)
    np.testing.assert_array_equal(x, [1.0, 2.0])


def test_a_complex_step_has_no_truncation_error() -> None:
    found = derivative(lambda x: np.sin(1e3 * x), 0.3, method="complex")
    assert abs(found - 1e3 * np.cos(300.0)) <= 1e-12 * 1e3  # a step of 1e-6 would be off by 2e-7 of it
