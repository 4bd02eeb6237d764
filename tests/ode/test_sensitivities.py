"""Sensitivities of initial value problems: against closed forms, published figures and mpmath."""

import warnings

import numpy as np
import pytest
from scipy.integrate import RK45, odeint, solve_ivp

import wengert as wg
from wengert.errors import ConvergenceError, InputError, NonDifferentiableError, StiffnessWarning, UnsupportedError

TIGHT = {"rtol": 1e-11, "atol": 1e-13}


def predator_prey(t, y, a, b, c, d):
    return [a * y[0] - b * y[0] * y[1], -c * y[1] + d * y[0] * y[1]]


def robertson(t, y, k):
    r1, r2, r3 = k[0] * y[0], k[1] * y[1] * y[2], k[2] * y[1] ** 2
    return [-r1 + r2, r1 - r2 - r3, r3]


K = np.array([0.04, 1e4, 3e7])
# examples/cvodes/serial/cvsRoberts_FSA_dns_-sensi_stg1_t.out of SUNDIALS: t -> dy/dp1, dy/dp2, dy/dp3; five digits are printed,
# computed to a relative tolerance of 1e-4
CVODES = {
    0.4: [[-0.35595, 0.00039025, 0.35556], [9.5428e-08, -2.131e-10, -9.5215e-08],
          [-1.5833e-11, -5.2901e-13, 1.6362e-11]],
    4.0: [[-1.876, 0.00017923, 1.8758], [2.9615e-06, -5.8302e-10, -2.961e-06],
          [-4.9337e-10, -2.7627e-13, 4.9364e-10]],
    40.0: [[-4.2477, 4.5907e-05, 4.2476], [1.3732e-05, -2.3569e-10, -1.3731e-05],
           [-2.2885e-09, -1.138e-13, 2.2886e-09]],
}


# mpmath 1.3, 30 digits, odefun on the variational equation: (a, b, c, d) = (1.5, 1, 3, 1), y(0) = (1, 0.7), at t = 2;
# y, then dy/da, dy/db, dy/dc, dy/dd, dy/dy0
REFERENCE = np.array([
    6.54983981161899896, 2.9422628028084904, -9.58928856576784674, 13.5315234364866572, 0.874887247049159958,
    -5.54160213732890205, 3.59557485070317336, -0.141304485286198361, -16.1708595998114143, 6.55735370576807016,
    -9.62101978819241533, 6.55735370576807016, 1.2498389243559428, -3.71334190645773094,
]).reshape(7, 2)
Z = np.array([1.0, 0.7, 1.5, 1.0, 3.0, 1.0])


def states(z, method="DOP853", **options):
    given = {**TIGHT, **options}
    return solve_ivp(predator_prey, (0.0, 2.0), z[:2], method, t_eval=[1.0, 2.0], args=tuple(z[2:]), **given).y[:, 1]


@pytest.mark.parametrize("jacobian", [wg.jacfwd, wg.jacrev])
@pytest.mark.parametrize("method, rtol, error", [("DOP853", 1e-11, 1e-9), ("RK45", 1e-8, 1e-6), ("Radau", 1e-8, 1e-6),
                                                 ("BDF", 1e-8, 3e-5), ("LSODA", 1e-9, 3e-6)])
def test_lotka_volterra_by_all_methods(jacobian, method, rtol, error):
    found = jacobian(lambda z: states(z, method, rtol=rtol, atol=1e-3 * rtol))(Z)
    expected = np.column_stack([*REFERENCE[5:7], *REFERENCE[1:5]])
    np.testing.assert_allclose(found, expected, atol=error)


def test_the_value_is_that_of_scipy():
    assert wg.value_and_grad(lambda z: states(z)[0])(Z)[0] == pytest.approx(states(Z)[0], abs=1e-14)
    np.testing.assert_allclose(states(Z), REFERENCE[0], atol=1e-9)


def test_published_adjoint_of_sundials():
    """examples/cvodes/serial/cvsLotkaVolterra_ASA.out"""
    def misfit(u, p):
        y = solve_ivp(predator_prey, (0.0, 10.0), u, "DOP853", t_eval=[10.0], args=tuple(p), **TIGHT).y[:, 0]
        return np.sum((1.0 - y) ** 2) / 2.0
    by_start, by_parameter = wg.grad(misfit, argnums=(0, 1))(np.ones(2), np.array([1.5, 1.0, 3.0, 1.0]))
    np.testing.assert_allclose(by_start, [2.995996063968162e-01, -1.415181419752224e-02], atol=3e-6)
    expected = [6.219617366263422e-01, 6.800142188057584e-02, 1.691765070484725e-01, 2.725607530918812e-01]
    np.testing.assert_allclose(by_parameter, expected, atol=3e-6)


@pytest.mark.parametrize("method", ["BDF", "Radau", "LSODA"])
@pytest.mark.parametrize("mode", ["forward", "adjoint"])
def test_robertson_against_cvodes(method, mode):
    sol = wg.ode.solve_ivp(robertson, (0.0, 40.0), [1.0, 0.0, 0.0], method, t_eval=list(CVODES), args=(K,), sens=mode,
                           rtol=1e-6, atol=[1e-10, 1e-16, 1e-8])
    assert sol.sens.mode == mode and sol.sens.args[0].shape == (3, 3, 3) and sol.sens.y0.shape == (3, 3, 3)
    for j, rows in enumerate(CVODES.values()):
        np.testing.assert_allclose(sol.sens.args[0][:, j].T, rows, rtol=1e-3)
    np.testing.assert_allclose(np.sum(sol.sens.y0, axis=0), 1.0, rtol=1e-5)  # mass is conserved


def test_a_long_stiff_integration_takes_a_moderate_number_of_steps():
    calls = wg.ode.solve_ivp(robertson, (0.0, 4e7), [1.0, 0.0, 0.0], "BDF", t_eval=[4e7], args=(K,), rtol=1e-6,
                             atol=[1e-10, 1e-16, 1e-8])
    np.testing.assert_allclose(calls.sens.args[0][0, 0], [-2.5995e-03, 1.0395e-08, -1.7340e-12], rtol=5e-3)  # CVODES
    assert calls.nfev < 3000


def test_orders_and_nestings():
    """y = exp(-q T) y0, in closed form."""
    def end(q, y0, T):
        return solve_ivp(lambda t, y: -q * y, (0.0, T), [y0], "DOP853", **TIGHT).y[0, -1]
    q, y0, T = 0.7, 2.0, 1.3
    e = np.exp(-q * T)
    np.testing.assert_allclose(wg.grad(end, (0, 1, 2))(q, y0, T), [-T * y0 * e, e, -q * y0 * e], rtol=1e-9)
    for outer in (wg.jacfwd, wg.jacrev):
        for inner in (wg.jacfwd, wg.jacrev):
            np.testing.assert_allclose(outer(inner(end))(q, y0, T), T * T * y0 * e, rtol=1e-9)
            np.testing.assert_allclose(outer(inner(end, 2))(q, y0, T), (q * T - 1.0) * y0 * e, rtol=1e-9)
    np.testing.assert_allclose(wg.grad(wg.grad(wg.grad(end)))(q, y0, T), -T ** 3 * y0 * e, rtol=1e-8)


def test_the_start_moves():
    def end(t0):
        return solve_ivp(lambda t, y: t * y, (t0, 1.0), [1.0], "DOP853", t_eval=[1.0], **TIGHT).y[0, 0]
    t0 = 0.2
    value = np.exp(0.5 - 0.5 * t0 * t0)
    np.testing.assert_allclose(wg.grad(end)(t0), -t0 * value, rtol=1e-9)
    np.testing.assert_allclose(wg.hessian(end)(t0), (t0 * t0 - 1.0) * value, rtol=1e-8)


def test_output_times_and_dense_output():
    def at(t, q):
        return solve_ivp(lambda s, y: [-q * y[0]], (0.0, 2.0), [1.0], "DOP853", dense_output=True, **TIGHT).sol(t)[0]
    np.testing.assert_allclose(wg.grad(at, (0, 1))(0.7, 1.5), [-1.5 * np.exp(-1.05), -0.7 * np.exp(-1.05)], rtol=1e-9)

    def evaluated(times):
        return solve_ivp(lambda s, y: -y, (0.0, 2.0), [1.0], "DOP853", t_eval=times, **TIGHT).y[0]
    times = np.array([0.3, 0.9])
    np.testing.assert_allclose(wg.jacobian(evaluated)(times), -np.diag(np.exp(-times)), atol=1e-9)


def test_under_jit_and_vmap():
    def end(q):
        return solve_ivp(lambda t, y: -q * y, (0.0, 1.0), [1.0], "DOP853", t_eval=[1.0], **TIGHT).y[0, 0]
    np.testing.assert_allclose(wg.jit(wg.grad(end))(0.7), -np.exp(-0.7), rtol=1e-9)
    qs = np.array([0.3, 0.7])
    np.testing.assert_allclose(wg.vmap(wg.grad(end))(qs), -np.exp(-qs), rtol=1e-9)


def test_steps_that_the_solver_chooses_run_unstaged_with_a_warning():
    f = wg.jit(wg.grad(lambda q: solve_ivp(lambda t, y: -q * y, (0.0, 1.0), [1.0], **TIGHT).y[0, -1]))
    with pytest.warns(wg.StagingWarning, match="t_eval"):
        np.testing.assert_allclose(f(0.7), -np.exp(-0.7), rtol=1e-8)


def test_loops_and_control_flow_in_the_right_hand_side():
    def chain(t, y, k):
        d = np.zeros(5)
        for i in range(1, 5):
            d[i] = k * (y[i - 1] - y[i])
        return d

    def last(k):
        return solve_ivp(chain, (0.0, 1.0), [1.0, 0.0, 0.0, 0.0, 0.0], "DOP853", t_eval=[1.0], args=(k,), **TIGHT).y[1, 0]
    np.testing.assert_allclose(wg.grad(last)(2.0), np.exp(-2.0), rtol=1e-9)  # y1 = 1 - exp(-k t)


def test_odeint():
    def end(q, T):
        return odeint(lambda y, t, r: -r * y, 1.0, np.linspace(0.0, 1.0, 5) * T, args=(q,))[-1, 0]
    np.testing.assert_allclose(wg.grad(end, (0, 1))(0.7, 1.2), [-1.2 * np.exp(-0.84), -0.7 * np.exp(-0.84)], rtol=1e-6)


def test_odeint_without_time_to_integrate():
    assert wg.grad(lambda k: np.sum(odeint(lambda y, t: -k * y, k, [0.0, 0.0])))(1.5) == 2.0


def test_a_sparse_jacobian_reaches_the_solver():
    n = 60

    def heat(t, u, k):
        return k * np.concatenate([[0.0], (u[2:] - 2.0 * u[1:-1] + u[:-2]) * (n - 1) ** 2, [0.0]])

    def middle(k):
        start = np.sin(np.pi * np.linspace(0.0, 1.0, n))
        return solve_ivp(heat, (0.0, 0.1), start, "BDF", t_eval=[0.1], args=(k,), rtol=1e-7, atol=1e-10).y[n // 2, 0]
    rate = 4.0 * (n - 1) ** 2 * np.sin(np.pi / (2 * (n - 1))) ** 2  # the eigenvalue of the difference operator
    value = np.sin(np.pi * (n // 2) / (n - 1)) * np.exp(-0.1 * rate)
    np.testing.assert_allclose(wg.grad(middle)(1.0), -0.1 * rate * value, rtol=1e-4)


# ---------------------------------------------------------------- what is refused, or said


def test_an_explicit_method_on_a_stiff_problem_is_said():
    with pytest.warns(StiffnessWarning, match="Radau"):
        wg.ode.solve_ivp(lambda t, y, k: -k * (y - np.cos(t)), (0.0, 2.0), [0.0], t_eval=[2.0], args=(1000.0,), sens=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # many steps, but for accuracy
        wg.ode.solve_ivp(predator_prey, (0.0, 60.0), [1.0, 0.7], "RK45", t_eval=[60.0], args=(1.5, 1.0, 3.0, 1.0), sens=None,
                         rtol=1e-8, atol=1e-8)


def test_a_solution_that_blows_up():
    with pytest.raises(ConvergenceError, match="stopped at t = 0.99"):
        wg.grad(lambda q: solve_ivp(lambda t, y: q * y * y, (0.0, 2.0), [1.0]).y[0, -1])(1.0)


def test_a_right_hand_side_that_jumps():
    def end(k):
        return solve_ivp(lambda t, y: np.where(y < k, 1.0, 2.0), (0.0, 1.0), [0.0], t_eval=[1.0]).y[0, 0]
    with pytest.raises(NonDifferentiableError, match=r"jumps at t = 0\.(49|50)"):
        wg.grad(end)(0.5)

    def kink(k):
        return solve_ivp(lambda t, y: np.maximum(y, k), (0.0, 1.0), [0.1], t_eval=[1.0], **TIGHT).y[0, 0]
    k = 0.5  # y = 0.1 + k t until it is k, at t* = (k - 0.1)/k; then k exp(t - t*)
    ts = (k - 0.1) / k
    np.testing.assert_allclose(wg.grad(kink)(k), np.exp(1.0 - ts) * (1.0 - 0.1 / k), rtol=1e-6)


def test_what_is_not_supported_says_what_to_do():
    with pytest.raises(UnsupportedError, match="real and imaginary"):
        wg.grad(lambda k: solve_ivp(lambda t, y: 1j * k * y, (0.0, 1.0), [1.0 + 0.0j], t_eval=[1.0]).y[0, 0].real)(1.0)
    with pytest.raises(UnsupportedError, match="draws, prints or raises|cannot become a graph"):
        wg.grad(lambda k: solve_ivp(lambda t, y: print(t) or -k * y, (0.0, 1.0), [1.0], t_eval=[1.0]).y[0, 0])(1.0)
    with pytest.raises(wg.errors.InputError, match="sens is"):
        wg.ode.solve_ivp(predator_prey, (0.0, 1.0), [1.0, 1.0], args=(1.0, 1.0, 1.0, 1.0), sens="both")


def test_an_equation_without_traced_values_is_SciPys_own():
    def turning(t, y):
        return 1j * y
    assert wg.grad(lambda k: k * solve_ivp(turning, (0.0, 1.0), [1.0 + 0.0j], RK45, **TIGHT).y[0, -1].real)(
        2.0) == pytest.approx(np.cos(1.0), rel=1e-8)


@pytest.mark.parametrize(("times", "message"), [([0.5, 2.0], "within"), ([0.5, 0.2], "sorted"), ([[0.5]], "1-dimensional")])
def test_output_times_are_those_that_SciPy_takes(times, message):
    def f(k):
        return np.sum(solve_ivp(lambda t, y: -k * y, (0.0, 1.0), [1.0], t_eval=times).y)
    for derive in (wg.grad(f), wg.jit(wg.grad(f))):
        with pytest.raises(ValueError, match=message):
            derive(1.0)


def test_dense_output_in_any_order_to_second_order():
    def f(k, T):
        return np.sum(solve_ivp(lambda t, y: -k * y, (0.0, 1.0), [1.0], dense_output=True, **TIGHT).sol(np.array([T, 0.1])))
    wanted = (0.9 * 2.0 - 1.0) * np.exp(-1.8)
    for mode in (wg.jacfwd, wg.jacrev):
        np.testing.assert_allclose(mode(wg.grad(f), 1)(2.0, 0.9), wanted, rtol=1e-7)


def test_what_is_not_finite_stays_so():
    def f(k):
        return np.nan * solve_ivp(lambda t, y: -k * y, (0.0, 1.0), [1.0], t_eval=[1.0]).y[0, 0]
    assert np.isnan(wg.grad(f)(1.0))
    assert np.isnan(wg.jvp(f, (1.0,), (np.inf,))[1])


def test_errors_of_the_function_are_its_own():
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        wg.grad(lambda k: solve_ivp(lambda t, y: np.array([k, k, k]), (0.0, 1.0), [1.0, 2.0]).y[0, -1])(0.3)
    with pytest.raises(ConvergenceError, match="not finite at the start"), np.errstate(invalid="ignore"):
        wg.grad(lambda k: solve_ivp(lambda t, y: np.sqrt(-k - y * y), (0.0, 1.0), [1.0]).y[0, -1])(0.3)


@pytest.mark.parametrize("method", ["RK45", "RK23", "DOP853", "Radau", "BDF", "LSODA"])
@pytest.mark.parametrize("sens", ["auto", "adjoint"])
def test_derivatives_that_are_not_finite_on_the_way_end_with_an_error(method, sens):
    """y' = sqrt(k - y) comes to y = k, where f_y is infinite, and stays there"""
    def filled(k, end=2.0):
        options = {} if sens == "auto" else {"sens": sens}
        return solve_ivp(lambda t, y: np.sqrt(k - y), (0.0, end), [0.5], method, rtol=1e-6, **options).y[0, -1]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ConvergenceError, match="finite|steps"):
            wg.grad(filled)(0.6)
    # before: sqrt(k - y) = sqrt(k - 1/2) - t/2, so y is k minus its square
    exact = 1.0 - (np.sqrt(0.1) - 0.2) / np.sqrt(0.1)
    np.testing.assert_allclose(wg.grad(lambda k: filled(k, 0.4))(0.6), exact, rtol=1e-3)


def test_a_chirp_begins_with_small_steps_and_is_integrated():
    def f(k):
        return solve_ivp(lambda t, y: k * np.cos(1.0 / t) / t ** 2, (2e-3, 1.0), [0.0], "RK45", rtol=1e-6).y[0, -1]
    np.testing.assert_allclose(wg.grad(f)(1.0), np.sin(500.0) - np.sin(1.0), atol=1e-3)


def test_arguments_that_have_no_derivative():
    def decay(t, y, k, n=1):
        return -k * y ** n
    with pytest.raises(TypeError, match="cannot be unpacked"):
        wg.ode.solve_ivp(decay, (0.0, 1.0), [1.0], args=1.5)
    for whole in (2, np.array(2)):
        with pytest.raises(InputError, match=r"args\[0\] is an integer"):
            wg.ode.solve_ivp(decay, (0.0, 1.0), [1.0], args=(whole, 1))
    assert wg.ode.solve_ivp(decay, (0.0, 1.0), [1.0], args=(2, 1), sens=None).success
    assert wg.ode.solve_ivp(decay, (0.0, 1.0), [1.0], args=(2.0, 1)).sens.args[1] is None
