"""SciPy's solvers by their own names inside differentiated functions.

Values are SciPy's own, to the bit. Derivatives are checked against closed forms, fifty digits of mpmath, and differences with
an estimate of their error (`check_grads`: every mode, to second order).
"""

import functools
import warnings

import mpmath as mp
import numpy as np
import pytest
import scipy.optimize as so

import wengert as wg

BRACKETING = ("brentq", "bisect", "ridder", "brenth", "toms748")


@pytest.mark.parametrize("name", BRACKETING)
def test_cube_root_by_bracketing(name):
    solver = getattr(so, name)

    def root(a):
        return solver(lambda x: x**3 - a, 0.0, 3.0, xtol=1e-15, maxiter=200)
    assert wg.value_and_grad(root)(2.0)[0] == root(2.0)
    derivatives = [root]
    for order in range(1, 4):
        derivatives.append(wg.grad(derivatives[-1]))
        coefficient = {1: 1 / 3, 2: -2 / 9, 3: 10 / 27}[order]
        np.testing.assert_allclose(derivatives[order](2.0), coefficient * 2.0 ** (1 / 3 - order), rtol=1e-12)


def kepler(e, m):
    """The eccentric anomaly: E - e sin E = M."""
    return so.brentq(lambda x: x - e * np.sin(x) - m, -10.0, 10.0, xtol=1e-14)


def kepler_partial(e, m, orders):
    with mp.workdps(50):
        def f(e, m):
            return mp.findroot(lambda x: x - e * mp.sin(x) - m, m)
        return float(mp.diff(f, (mp.mpf(e), mp.mpf(m)), orders))


def test_keplers_equation_against_fifty_digits():
    e, m = 0.3, 1.1
    np.testing.assert_allclose(wg.grad(kepler, (0, 1))(e, m), [kepler_partial(e, m, k) for k in ((1, 0), (0, 1))], rtol=1e-13)
    second = wg.hessian(lambda v: kepler(v[0], v[1]))(np.array([e, m]))
    wanted = [[kepler_partial(e, m, (2, 0)), kepler_partial(e, m, (1, 1))], [kepler_partial(e, m, (1, 1)),
                                                                            kepler_partial(e, m, (0, 2))]]
    np.testing.assert_allclose(second, wanted, rtol=1e-12)
    third = wg.taylor(lambda e: kepler(e, m), e, 1.0, 3)[3] * 6.0
    np.testing.assert_allclose(third, kepler_partial(e, m, (3, 0)), rtol=1e-11)


def test_every_mode_and_composition():
    wanted = np.array([kepler_partial(e, 1.0, (1, 0)) for e in (0.1, 0.6)])
    es, one = np.array([0.1, 0.6]), lambda e: kepler(e, 1.0)
    gradient = wg.grad(one)
    ways = [[gradient(e) for e in es], wg.vmap(gradient)(es), wg.jit(wg.vmap(gradient))(es), wg.vmap(wg.jit(gradient))(es),
            [wg.jit(gradient)(e) for e in es], [wg.grad(wg.jit(one))(e) for e in es],
            np.diag(wg.jacobian(wg.vmap(one))(es)), [wg.jvp(one, (e,), (1.0,))[1] for e in es],
            np.diag(wg.jacfwd(wg.vmap(one))(es))]
    for way in ways:
        np.testing.assert_allclose(way, wanted, rtol=1e-12)
    assert wg.vmap(one)(es).tolist() == [one(e) for e in es] == [wg.jit(one)(e) for e in es]


def stepping(a):
    x, n = a, 0
    while x < 2.0:
        x = x + 0.3 * so.newton(lambda y: y**3 + y - a * x, 1.0, tol=1e-14)
        n += 1
    for i in range(3):
        x = x + so.brentq(lambda y: y**3 + y - a * (i + 1) - x, 0.0, 9.0, xtol=1e-14)
    return x


def test_inside_loops_staged_and_not():
    wg.check_grads(stepping, (0.7,))
    staged = wg.jit(wg.grad(stepping))
    np.testing.assert_allclose(staged(0.7), wg.grad(stepping)(0.7), rtol=1e-12)
    np.testing.assert_allclose(wg.jit(wg.grad(wg.grad(stepping)))(0.7), wg.grad(wg.grad(stepping))(0.7), rtol=1e-11)


def test_a_solver_inside_the_function_of_another():
    def nested(a):
        return so.brentq(lambda x: x**3 - so.brentq(lambda y: y**2 - a - 0.1 * x, 0.0, 5.0, xtol=1e-14), 0.0, 3.0, xtol=1e-14)
    wg.check_grads(nested, (2.0,))
    np.testing.assert_allclose(wg.jit(wg.grad(nested))(2.0), wg.grad(nested)(2.0), rtol=1e-12)


class Cubic:
    def __init__(self, a):
        self.a = a

    def value(self, x):
        return x**3 - self.a

    def __call__(self, x):
        return self.value(x)


def of_two(b, x):
    return x**3 - b


@pytest.mark.parametrize("solve", [
    lambda a: so.brentq(Cubic(a).value, 0.0, 3.0),
    lambda a: so.brentq(Cubic(a), 0.0, 3.0),
    lambda a: so.brentq(functools.partial(of_two, a), 0.0, 3.0),
    lambda a: so.brentq(lambda x, b, n: x**n - b[0], 0.0, 3.0, args=([a], 3)),
    lambda a: so.brentq(f=lambda x: x**3 - a, a=0.0, b=a + 1.0),
    lambda a: so.newton(lambda x: x**3 - a, a, fprime=lambda x: 3 * x**2),
    lambda a: so.newton(lambda x: x**3 - a, 1.0, x1=a, full_output=True)[0],
    lambda a: so.newton(lambda x, b: x**3 - b, 1.0, lambda x, b: 3 * x**2, (a,), fprime2=lambda x, b: 6 * x),
    lambda a: so.root_scalar(lambda x: x**3 - a, bracket=(0.0, 3.0)).root,
    lambda a: so.root_scalar(lambda x: x**3 - a, x0=1.0, fprime=lambda x: 3 * x**2, method="newton").root,
    lambda a: so.root_scalar(lambda x: x**3 - a, x0=1.0, x1=1.5, method="secant").root,
    lambda a: so.root(lambda x: x**3 - a, 1.0, jac=lambda x: 3 * x**2).x[0],
    lambda a: so.root(lambda x: x**3 - a, np.ones((1, 1)), method="krylov", tol=1e-13).x[0, 0],
    lambda a: so.fsolve(lambda x: [x[0] ** 3 - a], [1.0])[0],
    lambda a: so.fixed_point(lambda x: (x + a / x**2) / 2, 1.0, xtol=1e-12),
    lambda a: so.minimize(lambda x: x[0] ** 4 / 4 - a * x[0], [1.0], jac=lambda x: x**3 - a, tol=1e-12).x[0],
    lambda a: so.minimize(lambda x: (x[0] ** 4 / 4 - a * x[0], x**3 - a), [1.0], jac=True, tol=1e-12).x[0],
    lambda a: so.minimize(lambda x: x[0] ** 4 / 4 - a * x[0], [1.0], jac=lambda x: x**3 - a, hess=lambda x: 3 * x[:, None] ** 2,
                          method="trust-exact", tol=1e-12).x[0],
    lambda a: so.minimize(lambda x: x[0] ** 4 / 4 - a * x[0], [1.0], jac=lambda x: x**3 - a, hessp=lambda x, p: 3 * x**2 * p,
                          method="trust-ncg", tol=1e-12).x[0],
    lambda a: so.minimize_scalar(lambda x: x**4 / 4 - a * x, (0.0, 1.0, 3.0), tol=1e-12).x,
    lambda a: so.least_squares(lambda x: x**3 - a, [1.0], xtol=1e-14, ftol=1e-14, gtol=1e-14).x[0],
    lambda a: so.least_squares(lambda x, b: x**3 - b, [1.0], lambda x, b: 3 * x[:, None] ** 2, args=(a,), method="lm").x[0],
])
def test_calls_as_users_write_them(solve):
    """The cube root of 2, by every solver; its value is SciPy's, staged too."""
    slope = 2.0 ** (-2 / 3) / 3
    value, gradient = wg.value_and_grad(solve)(2.0)
    assert value == solve(2.0) == wg.jit(solve)(2.0)
    np.testing.assert_allclose([gradient, wg.jit(wg.grad(solve))(2.0)], slope, rtol=2e-7)
    np.testing.assert_allclose(wg.grad(wg.grad(solve))(2.0), -slope / 3, rtol=2e-7)


def test_a_bracket_is_not_two_starts():
    """The same function, with the same numbers in other places, in one staged program."""
    def roots(a):
        def wave(x):
            return np.sin(x) * a + 0.1 * a
        return np.array([so.root_scalar(wave, bracket=(2.0, 10.0)).root, so.root_scalar(wave, x0=2.0, x1=10.0).root])

    def minima(a):
        def wave(x):
            return np.sin(x * a)
        return np.array([so.minimize_scalar(wave, bounds=(2.0, 10.0)).x, so.minimize_scalar(wave, bracket=(2.0, 10.0)).x])
    for f in (roots, minima):
        assert wg.jit(f)(1.0).tolist() == f(1.0).tolist() and abs(f(1.0)[0] - f(1.0)[1]) > 1.0


def test_branches_are_those_at_the_solution():
    def branchy(a):
        return so.brentq(lambda x: x**3 - a if x > 0.0 else x - a, -1.0, 2.0, xtol=1e-15)
    np.testing.assert_allclose(wg.grad(branchy)(2.0), 2.0 ** (-2 / 3) / 3, rtol=1e-12)
    np.testing.assert_allclose(wg.grad(wg.grad(branchy))(2.0), -2 / 9 * 2.0 ** (-5 / 3), rtol=1e-12)
    np.testing.assert_allclose(wg.jit(wg.grad(branchy))(2.0), wg.grad(branchy)(2.0), rtol=1e-14)
    np.testing.assert_allclose(wg.vmap(wg.grad(branchy))(np.array([2.0, 3.0])), [wg.grad(branchy)(a) for a in (2.0, 3.0)])
    assert wg.grad(lambda a: a * so.brentq(lambda x: x - 1.0 if x > 0 else x, -1.0, 2.0))(3.0) == 1.0


def test_what_is_not_traced_is_scipys_own():
    def with_constant(a):
        return a * so.brentq(lambda x: x * x - 2.0, 0.0, 2.0)
    assert wg.grad(with_constant)(3.0) == so.brentq(lambda x: x * x - 2.0, 0.0, 2.0)

    def report(a):
        found = so.minimize(lambda x: np.sum((x - 1.0) ** 2), np.zeros(2))
        return a * found.nit + 0.0 * a * found.jac[0]
    assert wg.grad(report)(1.0) == so.minimize(lambda x: np.sum((x - 1.0) ** 2), np.zeros(2)).nit


def coupled(a):
    return so.root(lambda x: [x[0] + 0.5 * (x[0] - x[1]) ** 3 - a[0], a[1] * (x[1] - x[0]) ** 3 + x[1]], [0.0, 0.0],
                   tol=1e-14).x


def test_a_system():
    wg.check_grads(coupled, (np.array([1.0, 0.5]),))
    at = np.array([1.0, 0.5])
    np.testing.assert_allclose(wg.jit(wg.jacobian(coupled))(at), wg.jacobian(coupled)(at), rtol=1e-13)


def test_a_start_that_is_the_solution():
    for start in (0.0, 1.0):
        np.testing.assert_allclose(wg.grad(lambda a: so.newton(lambda x: (x - start) * (x + 3.0) - a + 2.0, start))(2.0),
                                   1 / (3 + start), rtol=1e-12)


def test_single_precision_parameters():
    def root(a):
        return so.brentq(lambda x: x**3 - a, 0.0, 2.0) * a
    np.testing.assert_allclose(wg.grad(root)(np.float32(2.0)), 4 / 3 * 2 ** (1 / 3), rtol=1e-5)


# ---------------------------------------------------------------- minima, and what solvers report


def valley(x, a):
    return (x[0] - a) ** 2 + (x[1] * a - 1.0) ** 2 + x[0] * x[1]


def test_the_least_value_has_the_envelopes_derivative():
    """d/da min_x f(x, a) = ∂f/∂a at the minimum."""
    found = so.minimize(valley, np.zeros(2), (2.0,), tol=1e-11)
    wanted = -2 * (found.x[0] - 2.0) + 2 * (found.x[1] * 2.0 - 1) * found.x[1]
    np.testing.assert_allclose(wg.grad(lambda a: so.minimize(valley, np.zeros(2), (a,), tol=1e-11).fun)(2.0), wanted, rtol=1e-6)


def test_bounds_that_hold_have_their_own_derivative():
    def best(a, low, high):
        return so.minimize(valley, np.full(2, 0.1), (a,), bounds=[(low, high), (None, 3.0)], tol=1e-12).x
    by_a, by_low, by_high = wg.jacobian(best, (0, 1, 2))(2.0, 0.0, 1.0)
    assert by_a[0] == 0.0 and by_low.tolist() == [0.0, 0.0] and by_high[0] == 1.0
    # x1 solves 2 a (a x1 - 1) + x0 = 0 with x0 = 1: x1 = 1/a - 1/(2 a²)
    np.testing.assert_allclose([by_a[1], by_high[1]], [-1 / 4 + 1 / 8, -1 / 8], rtol=1e-6)


@pytest.mark.parametrize("solve", [
    lambda f, n: so.minimize(f, np.full(n, 0.3), bounds=[(0.0, 1.0)] * n, tol=1e-12).x,
    lambda f, n: wg.implicit.minimize(f, np.full(n, 0.3), bounds=[(0.0, 1.0)] * n)], ids=["scipy", "implicit"])
@pytest.mark.parametrize("center", [(1e-5, 8e-5), (8e-5, 1e-5), (0.3, 1e-4), (1.0 - 1e-5, 1.0 - 8e-5)])
def test_a_minimum_near_bounds_that_do_not_hold(solve, center):
    """The coupling of two unknowns near their bounds tells nothing of whether one of these holds."""
    coupled = np.array([[1.0, -0.9], [-0.9, 1.0]])

    def best(c):
        return solve(lambda x: 0.5 * (x - c) @ coupled @ (x - c), 2)
    np.testing.assert_allclose(best(np.array(center)), center, atol=2e-6)
    np.testing.assert_allclose(wg.jacobian(best)(np.array(center)), np.eye(2), atol=1e-8)
    held = wg.jacobian(best)(np.array([-1e-4, 8e-5]))  # x0 = 0, x1 = c1 + 0.9 (0 - c0)
    np.testing.assert_allclose(held, [[0.0, 0.0], [-0.9, 1.0]], atol=1e-8)


def test_a_bounded_scalar_minimum():
    def best(a):
        return so.minimize_scalar(lambda x: np.cosh(x - a), bounds=(-1.0, 1.0), method="bounded", options={"xatol": 1e-9}).x
    assert wg.grad(best)(2.0) == 0.0
    np.testing.assert_allclose(wg.grad(best)(0.5), 1.0, rtol=1e-6)


def test_reports():
    def reported(a):
        out = so.root(lambda x: x**3 - a, 2.0)
        return out.x[0], (out.nfev, out.success, out.message)
    plain = so.root(lambda x: x**3 - 2.0, 2.0)
    assert wg.value_and_grad(reported, has_aux=True)(2.0)[0][1] == (plain.nfev, plain.success, plain.message)
    with pytest.raises(AttributeError, match="fjac of the result of root is not known inside a differentiated function"):
        wg.grad(lambda a: so.root(lambda x: x**3 - a, 2.0).fjac[0, 0])(2.0)
    found = wg.value_and_grad(lambda a: so.brentq(lambda x: x**3 - a, 0.0, 3.0, full_output=True)[1].root)(2.0)
    np.testing.assert_allclose(found, [2.0 ** (1 / 3), 2.0 ** (-2 / 3) / 3], rtol=1e-11)
    def detailed(a):
        x, details, ier, message = so.fsolve(lambda x: x**3 - a, 2.0, full_output=True)
        return x[0] + details["fvec"][0], (ier, message, details["nfev"])
    value, aux = wg.value_and_grad(detailed, has_aux=True)(2.0)[0]
    x, details, *rest = so.fsolve(lambda x: x**3 - 2.0, 2.0, full_output=True)
    assert aux == (*rest, details["nfev"]) and abs(value - x[0]) < 1e-12
    cost = wg.grad(lambda a: so.least_squares(lambda p: np.array([p[0] - a, p[0] + a]), [1.0]).cost)
    np.testing.assert_allclose(cost(2.0), 4.0, rtol=1e-6)  # at p = 0 it is a²


T = np.linspace(0.0, 4.0, 12)
Y = 2.5 * np.exp(-1.3 * T) + 0.5 + 0.02 * np.cos(31 * T)


def decay(t, a, b, c):
    return a * np.exp(-b * t) + c


@pytest.mark.parametrize("options", [
    {}, {"sigma": 0.1 + 0.1 * T}, {"sigma": 0.1 + 0.1 * T, "absolute_sigma": True, "p0": [2.0, 1.0, 0.5]},
    {"bounds": (0.0, [3.0, 1.0, 1.0])}], ids=["plain", "sigma", "absolute", "bounds"])
def test_curve_fit(options):
    """Parameters and their covariance, differentiated with regard to the data; the values are SciPy's."""
    def fit(y):
        return so.curve_fit(decay, T, y, xtol=1e-12, ftol=1e-12, gtol=1e-12, **options)
    popt, pcov = fit(Y)
    (value, covariance), _ = wg.vjp(fit, Y)
    np.testing.assert_array_equal(value, popt)
    np.testing.assert_allclose(covariance, pcov, rtol=1e-6, atol=1e-12)
    v, h = np.sin(np.arange(12.0)), 1e-3
    tangents = wg.jvp(fit, (Y,), (v,))[1]
    for k, t in enumerate(tangents):  # central differences with one step of Richardson's
        d = [(fit(Y + s * v)[k] - fit(Y - s * v)[k]) / (2 * s) for s in (h, 2 * h)]
        np.testing.assert_allclose(t, (4 * d[0] - d[1]) / 3, atol=2e-5 * np.abs(t).max())
    if "bounds" in options:
        np.testing.assert_allclose([value[1], tangents[0][1]], [1.0, 0.0], atol=1e-12)  # a bound holds it
    np.testing.assert_allclose(wg.jit(fit)(Y)[0], popt, rtol=1e-9)


# ---------------------------------------------------------------- what is refused


def refused(error, match, f, at=2.0):
    with pytest.raises(error, match=match):
        wg.grad(f)(at)


def test_errors_are_scipys_own():
    refused(ValueError, "must have different signs", lambda a: so.brentq(lambda x: x * x + a, 0.0, 1.0))
    refused(RuntimeError, "Failed to converge after 3 iterations", lambda a: so.brentq(lambda x: x**3 - a, 0.0, 3.0, maxiter=3))
    refused(TypeError, "mismatch between the input and output shape",
            lambda a: so.root(lambda x: x[:1] - a, np.ones(2)).x[0])
    with pytest.raises(ValueError, match="must have different signs"):
        wg.jit(wg.grad(lambda a: so.brentq(lambda x: x * x + a, 0.0, 1.0)))(2.0)


def test_a_derivative_where_nothing_was_found_is_refused():
    error = wg.errors.ConvergenceError
    refused(error, "brentq did not converge", lambda a: so.brentq(lambda x: x**3 - a, 0.0, 3.0, maxiter=3, disp=False))
    refused(error, "root did not converge", lambda a: so.root(lambda x: x**2 + a, np.ones(2)).x[0])
    refused(error, "does not solve its equation",
            lambda a: so.brentq(lambda x: np.where(x > a, x + a, x - 5 * a), 0.0, 3.0), 1.2)
    assert wg.vmap(lambda a: so.root(lambda x: x**2 + a, np.ones(2)).x)(np.array([2.0])).shape == (1, 2)  # SciPy's value


def test_a_small_unknown_is_looked_at_beside_a_large_one():
    """The solver stops by the slopes, with the second unknown a tenth off; its derivative would be, too."""
    def found(a, **tolerances):
        return so.least_squares(lambda x: np.array([x[0] / 1e6 - a, 1e-4 * (x[1] ** 2 * (1 + a) - 1.0)]), [1e6, 30.0],
                                **tolerances).x[1]
    assert abs(found(1.0) - 0.5**0.5) > 0.05
    refused(wg.errors.ConvergenceError, "would change an unknown by .*e-03 of its way", found, 1.0)
    sharp = wg.grad(lambda a: found(a, xtol=1e-15, ftol=1e-15, gtol=1e-15))(1.0)
    np.testing.assert_allclose(sharp, -0.5 * 2.0**-1.5, rtol=1e-9)


def test_what_a_selection_leaves_out_is_not_looked_at():
    def selected(a):
        return np.where(a > 3.0, so.brentq(lambda x: x**3 - a, 0.0, 3.0, maxiter=3, disp=False), a)
    assert wg.grad(selected)(2.0) == 1.0
    refused(wg.errors.ConvergenceError, "brentq did not converge", selected, 4.0)


def test_a_root_of_a_higher_multiplicity_has_no_derivative():
    error = np.linalg.LinAlgError
    refused(error, "a multiple one", lambda a: so.newton(lambda x: (x - a) ** 2, 3.0))
    refused(error, "a multiple one", lambda a: so.brentq(lambda x: 1.0 / (x - a), 0.0, 3.0), 1.2)  # a pole
    refused(error, "Singular", lambda a: so.brentq(lambda x: 0.0 * x * a, 0.0, 1.0))
    refused(error, "Singular", lambda a: so.root(lambda x: np.array([x[0] + x[1] - a, 2 * (x[0] + x[1] - a)]), np.ones(2)).x[0])
    steep = wg.grad(lambda a: so.newton(lambda x: np.exp(20 * x) - a, 1.0))(1.0)  # steep, and simple
    np.testing.assert_allclose(steep, 0.05, rtol=1e-10)


@pytest.mark.parametrize(("error", "solve"), [
    (np.linalg.LinAlgError, lambda a: so.minimize_scalar(lambda x: np.abs(x - a)).x),
    (wg.errors.ConvergenceError, lambda a: so.minimize_scalar(lambda x: np.abs(x - a) + 0.01 * x * x).x),
    (wg.errors.ConvergenceError, lambda a: so.brentq(lambda x: np.where(x > a, 1.0 + x, 0.1 * x - 1.0), 0.0, 3.0)),
    (np.linalg.LinAlgError, lambda a: so.minimize_scalar(lambda x: x - a if x > a else a - x).x),
    (wg.errors.ConvergenceError, lambda a: so.brentq(lambda x: 1.0 + x if x > a else 0.1 * x - 1.0, 0.0, 3.0))])
def test_a_solution_where_the_equation_jumps_is_refused(error, solve):
    """x = a, though the equation has no derivative in a on either side."""
    for derivative in (wg.grad(solve), lambda a: wg.jvp(solve, (a,), (1.0,)), wg.jit(wg.grad(solve))):
        with pytest.raises(error):
            derivative(1.2)


def test_steps_elsewhere_have_the_derivative_zero():
    for solve in (lambda a: so.brentq(lambda x: x**3 - np.where(a > 0.0, 8.0, 1.0), 0.0, 3.0),
                  lambda a: so.brentq(lambda x: x**3 - (8.0 if a > 0.1 * x else 1.0), 0.0, 3.0),
                  lambda a: so.minimize_scalar(lambda x: np.abs(x - a) + (x - 5.0) ** 2).x):
        assert wg.grad(solve)(1.2) == wg.jvp(solve, (1.2,), (1.0,))[1] == 0.0


def test_what_has_no_derivative_says_what_does():
    error = wg.errors.UnsupportedError
    constraint = {"type": "eq", "fun": lambda x: x[0] - 1.0}
    refused(error, "minimize with constraints at .*test_solver_names.py.*can be given as bounds",
            lambda a: so.minimize(lambda x: np.sum((x - a) ** 2), np.ones(2), constraints=constraint).x[0])
    refused(error, "least_squares with loss='soft_l1'",
            lambda a: so.least_squares(lambda x: x - a, np.ones(2), loss="soft_l1").x[0])
    refused(error, "curve_fit with loss='soft_l1'", lambda a: so.curve_fit(decay, T, Y * a, loss="soft_l1", method="trf")[0][0])
    refused(error, "complex numbers", lambda a: so.newton(lambda x: x**3 - a, 1.0 + 1.0j).real)
    refused(error, "covariance matrix for sigma", lambda a: so.curve_fit(decay, T, Y * a, sigma=np.eye(12))[0][0])


@pytest.mark.parametrize("search", [
    lambda a: so.golden(lambda x: (x - a) ** 2, brack=(0.0, 1.0, 5.0)),  # in Python: its steps hold no traced value
    lambda a: so.brent(lambda x: np.cosh(x - a), brack=(0.0, 1.0, 5.0)),
    lambda a: so.fminbound(lambda x: np.cosh(x - a), 0.0, 5.0),
    lambda a: so.golden(lambda x: (x - 1.0) ** 2, brack=(a - 5.0, 1.0, 5.0)),
    lambda a: so.bracket(lambda x: (x - a) ** 2)[1],
    lambda a: so.fmin(lambda x: (x[0] - a) ** 2, [0.0], disp=0)[0],
    lambda a: so.leastsq(lambda x: x - a, [0.0])[0][0],
    lambda a: so.differential_evolution(lambda x: (x[0] - a) ** 2, [(0.0, 5.0)], maxiter=1).x[0]])
def test_other_solvers_are_refused(search):
    refused(wg.errors.UnsupportedError, r"scipy.optimize.\w+ at .*test_solver_names.py:\d+.* wg.implicit", search)


@pytest.mark.parametrize(("search", "remedy"), [
    (lambda a: so.fmin(lambda x: (x[0] - a) ** 2, [0.0], disp=0)[0], r"minimize\(f, x0, method='Nelder-Mead'\)"),
    (lambda a: so.fmin_bfgs(lambda x: (x[0] - a) ** 2, [0.0], disp=0)[0], "method='BFGS'"),
    (lambda a: so.leastsq(lambda x: x - a, [0.0])[0][0], "use scipy.optimize.least_squares"),
    (lambda a: so.lsq_linear(np.eye(2) * a, np.ones(2)).x[0], "use scipy.optimize.least_squares"),
    (lambda a: so.nnls(np.eye(2) * a, np.ones(2))[0][0], r"bounds=\(0, np.inf\)"),
    (lambda a: so.linprog([1.0, a], bounds=(0, 1)).fun, "np.linalg.solve"),
    (lambda a: so.basinhopping(lambda x: (x[0] - a) ** 2, [0.0], niter=1).x[0], "scipy.optimize.minimize from the point"),
    (lambda a: so.differential_evolution(lambda x: (x[0] - a) ** 2, [(0.0, 5.0)], maxiter=1).x[0], "scipy.optimize.minimize"),
    (lambda a: so.approx_fprime(a, np.sin)[0], "wg.grad")])
def test_other_solvers_say_what_to_use(search, remedy):
    refused(wg.errors.UnsupportedError, f"its derivative is not known: .*{remedy}", search)


def test_what_is_to_be_used_runs_in_their_place():
    a = np.array([[2.0, 0.3], [0.1, 1.0], [0.5, -0.4]])
    b = np.array([1.0, -2.0, 0.5])

    def fitted(s):
        return so.least_squares(lambda x: s * a @ x - b, np.ones(2), bounds=(0, np.inf)).x
    np.testing.assert_allclose(fitted(1.5), so.nnls(1.5 * a, b)[0], atol=1e-7)
    np.testing.assert_allclose(wg.jvp(fitted, (1.5,), (1.0,))[1], -fitted(1.5) / 1.5, atol=1e-6)


def test_other_solvers_of_plain_functions_are_scipys():
    assert wg.grad(lambda a: a * so.golden(lambda x: (x - 1.5) ** 2))(2.0) == so.golden(lambda x: (x - 1.5) ** 2)


def test_without_convergence_in_precision_the_point_decides():
    """BFGS with differences says "precision loss" at the minimum when too much is asked; its point is good all the same."""
    def best(a):
        return so.minimize(lambda x: np.sum((x - a) ** 2 + x**4), np.zeros(3), tol=1e-14).x[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = best(1.0)
        np.testing.assert_allclose(wg.grad(best)(1.0), 2 / (2 + 12 * x * x), rtol=1e-6)
