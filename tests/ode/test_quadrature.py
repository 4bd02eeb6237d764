"""Integrals: Leibniz's rule in limits and parameters, against closed forms."""

import numpy as np
import pytest
from scipy.integrate import dblquad, fixed_quad, odeint, quad, quad_vec, solve_bvp
from scipy.optimize import brentq
from scipy.special import gamma, polygamma

import wengert as wg
from wengert.errors import ConvergenceError, NonDifferentiableError, UnsupportedError


def test_limits_and_parameters():
    def f(a, b, c):
        return quad(lambda x, c: np.exp(-c * x * x), a, b, args=(c,))[0]
    found = wg.grad(f, (0, 1, 2))(0.5, 1.0, 2.0)
    by_c = -quad(lambda x: x * x * np.exp(-2.0 * x * x), 0.5, 1.0)[0]
    np.testing.assert_allclose(found, [-np.exp(-0.5), np.exp(-2.0), by_c], rtol=1e-12)
    np.testing.assert_allclose(wg.jit(wg.grad(f, (0, 1, 2)))(0.5, 1.0, 2.0), found)
    np.testing.assert_allclose(wg.grad(wg.grad(f, 1), 2)(0.5, 1.0, 2.0), -np.exp(-2.0), rtol=1e-12)
    assert wg.value_and_grad(f)(0.5, 1.0, 2.0)[0] == f(0.5, 1.0, 2.0)


def test_an_infinite_limit():
    def f(p):
        return quad(lambda x: x ** (p - 1.0) * np.exp(-x), 0.0, np.inf)[0]
    psi, tri = polygamma(0, 3.5), polygamma(1, 3.5)
    np.testing.assert_allclose(wg.grad(f)(3.5), gamma(3.5) * psi, rtol=1e-8)
    for outer in (wg.jacfwd, wg.jacrev):
        np.testing.assert_allclose(outer(wg.grad(f))(3.5), gamma(3.5) * (psi * psi + tri), rtol=1e-7)


def test_vectors_and_gauss_legendre_and_double_integrals():
    def v(p):
        return quad_vec(lambda x: np.array([np.sin(p[0] * x), p[0] * np.cos(p[1] * x)]), 0.0, 1.0)[0]
    p = np.array([1.0, 2.0])
    expected = [[np.sin(1.0) + np.cos(1.0) - 1.0, 0.0], [np.sin(2.0) / 2.0, np.cos(2.0) / 2.0 - np.sin(2.0) / 4.0]]
    np.testing.assert_allclose(wg.jacfwd(v)(p), expected, atol=1e-10)
    np.testing.assert_allclose(wg.jacrev(v)(p), expected, atol=1e-10)
    np.testing.assert_allclose(wg.grad(lambda q: fixed_quad(lambda x: x ** 2 * q, 0.0, q)[0])(1.5), 4.0 * 1.5 ** 3 / 3.0)
    np.testing.assert_allclose(wg.grad(lambda q: dblquad(lambda y, x: q * x * y, 0.0, q, 0.0, lambda x: x)[0])(2.0), 10.0)


def test_a_kink_is_fine_and_a_jump_is_refused():
    np.testing.assert_allclose(wg.grad(lambda p: quad(lambda x: abs(x - p), 0.0, 1.0, points=[0.3])[0])(0.3), -0.4, atol=1e-9)
    with pytest.raises(NonDifferentiableError, match="jumps at x = 0.3"):
        wg.grad(lambda p: quad(lambda x: np.where(x < p, 1.0, 0.0), 0.0, 1.0)[0])(0.3)
    with pytest.raises(NonDifferentiableError, match="jumps at x = 0.3"):
        wg.grad(lambda p: quad(lambda x: 1.0 if x < p else 2.0, 0.0, 1.0)[0])(0.3)


@pytest.mark.parametrize("step", [
    lambda x, p: np.sign(x - p), lambda x, p: np.heaviside(x - p, 0.5), lambda x, p: (x + 1.0 - p) % 1.0,
    lambda x, p: np.modf(x + 1.0 - p)[0], lambda x, p: np.copysign(1.0, x - p),
    lambda x, p: 1.0 if x > 0.1 and x < p else 0.0, lambda x, p: np.array([1.0, 5.0])[int(x + 1.0 - p)]],
    ids=["sign", "heaviside", "remainder", "modf", "copysign", "and", "int"])
def test_jumps_that_no_comparison_shows(step):
    with pytest.raises(NonDifferentiableError, match=r"jumps at x = 0\.3"):
        wg.grad(lambda p: quad(step, 0.0, 1.0, args=(p,), points=[0.3])[0])(0.3)


@pytest.mark.parametrize("phase", [
    lambda z: np.arctan2(z.imag, z.real), np.angle, lambda z: np.log(z).imag, lambda z: np.sqrt(z).imag,
    lambda z: (z ** 0.3).imag, lambda z: np.divmod(np.angle(z) ** 2 / 3.0, 1.0)[1]],
    ids=["arctan2", "angle", "log", "sqrt", "power", "divmod"])
def test_a_branch_cut_is_a_jump(phase):
    with pytest.raises(NonDifferentiableError, match=r"jumps at x = (1\.57|0\.86)"):
        wg.grad(lambda a: quad(lambda x: phase(np.exp(1j * a * x)), 0.0, 3.0, limit=200)[0])(2.0)


def test_a_branch_cut_that_does_not_show_is_none():
    found = wg.grad(lambda a: quad(lambda x: np.sin(np.arctan2(np.sin(a * x), np.cos(a * x))), 0.0, 3.0)[0])(2.0)
    np.testing.assert_allclose(found, wg.grad(lambda a: (1.0 - np.cos(3.0 * a)) / a)(2.0), rtol=1e-9)


def test_a_decision_at_the_border_is_no_jump_inside():
    found = wg.grad(lambda a: quad(lambda x: brentq(lambda z: z - a * x, -5.0, 5.0), 0.0, 1.0)[0])(1.3)
    np.testing.assert_allclose(found, 0.5, rtol=1e-9)
    found = wg.hessian(lambda a: quad(lambda x: np.maximum(np.sin(a * x), 0.0), 0.0, 1.0)[0])(1.3)
    np.testing.assert_allclose(found, wg.hessian(lambda a: (1.0 - np.cos(a)) / a)(1.3), rtol=1e-8)


def test_what_meets_at_a_decision_is_no_jump():
    def ramp(x, p):  # a branch in a branch, of which the outer one jumps where nothing moves
        if x < 0.1:
            return 2.0 * p
        if x < p:
            return p - x
        return 0.0
    np.testing.assert_allclose(wg.grad(lambda p: quad(ramp, 0.0, 1.0, args=(p,), points=[0.1, 0.3])[0])(0.3), 0.4)
    wave = wg.grad(lambda p: quad(lambda x: np.sin(2.0 * np.pi * ((x - p) % 1.0)), 0.0, 0.75, points=[0.3])[0])(0.3)
    np.testing.assert_allclose(wave, np.sin(-0.6 * np.pi) - np.sin(0.9 * np.pi), rtol=1e-8)


def test_functions_without_a_graph_are_SciPys_own_where_nothing_is_traced():
    def clumsy(x):
        return float(str(x))
    assert wg.grad(lambda k: k * quad(clumsy, 0.0, 1.0)[0])(2.0) == pytest.approx(0.5)
    with pytest.raises(UnsupportedError, match="cannot become a graph"):
        wg.grad(lambda k: quad(lambda x: k * float(str(x)), 0.0, 1.0)[0])(2.0)
    with pytest.warns(wg.StagingWarning, match="cannot become a graph"):
        assert wg.jit(wg.grad(lambda k: k * quad(clumsy, 0.0, 1.0)[0]))(2.0) == pytest.approx(0.5)


def test_a_derivative_that_does_not_converge_is_refused():
    def f(p):  # the integral exists, that of the derivative does not
        return quad(lambda x: np.log(abs(x - p)), 0.0, 1.0, points=[0.3])[0]
    with pytest.raises((ConvergenceError, NonDifferentiableError)):
        wg.grad(f)(0.3)


def test_boundary_value_problems_name_the_way():
    with pytest.raises(UnsupportedError, match="shooting"):
        wg.grad(lambda k: solve_bvp(lambda x, y: np.vstack([y[1], -k * y[0]]), lambda a, b: np.array([a[0], b[0] - 1.0]),
                                    np.linspace(0.0, 1.0, 5), np.zeros((2, 5))).y[0, -1])(1.0)


def test_a_jump_next_to_a_decision_that_does_not_matter():
    def f(p):  # |x - p| turns just before the jump, between the same two points
        return quad(lambda x: np.abs(x - p) + np.where(x > p + 1e-4, 1.0, 0.0), 0.0, 1.0)[0]
    with pytest.raises(NonDifferentiableError, match=r"jumps at x = 0\.3001"):
        wg.grad(f)(0.3)


def test_full_output():
    found = []

    def f(k):
        value, *rest = quad(lambda x: np.exp(k * x), 0.0, 1.0, full_output=1)
        found.append(rest)
        return value

    def decay(k):
        y, details = odeint(lambda y, t: -k * y, 1.0, [0.0, 1.0], full_output=True)
        found.append(details)
        return y[-1, 0]
    np.testing.assert_allclose(wg.grad(f)(1.3), wg.grad(lambda k: (np.exp(k) - 1.0) / k)(1.3), rtol=1e-10)
    np.testing.assert_allclose(wg.grad(decay)(1.3), -np.exp(-1.3), rtol=1e-6)
    assert np.isnan(found[0][0]) and found[0][1] == {} and found[1] == {"message": "Integration successful."}
    assert wg.grad(lambda k: k * quad(np.cos, 0.0, 1.0, full_output=1)[2]["neval"])(1.0) == 21.0
