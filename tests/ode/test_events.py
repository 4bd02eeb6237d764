"""Events: their times and states by the implicit-function theorem, and jumps where the user starts again."""

import numpy as np
import pytest
from scipy.integrate import odeint, solve_ivp

import wengert as wg
from wengert.errors import NonDifferentiableError

G = 9.81
TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def gravity(t, y):
    return [y[1], -G]


def ground(t, y):
    return y[0]


ground.terminal, ground.direction = True, -1


def landing(h, v):
    return solve_ivp(gravity, (0.0, 10.0), [h, v], events=ground, **TIGHT)


def exact(h, v):
    return (v + np.sqrt(v * v + 2.0 * G * h)) / G


def test_the_time_of_an_event_to_second_order():
    found = wg.grad(lambda h, v: landing(h, v).t_events[0][0], (0, 1))(2.0, 1.0)
    np.testing.assert_allclose(found, wg.grad(exact, (0, 1))(2.0, 1.0), rtol=1e-9)
    second = wg.hessian(lambda h: landing(h, 1.0).t_events[0][0])(2.0)
    np.testing.assert_allclose(second, -G / (1.0 + 2.0 * G * 2.0) ** 1.5, rtol=1e-8)


def test_the_state_at_the_end_is_that_of_the_event():
    speed = wg.grad(lambda h: landing(h, 0.0).y[1, -1])(2.0)
    np.testing.assert_allclose(speed, -G / np.sqrt(2.0 * G * 2.0), rtol=1e-9)
    np.testing.assert_allclose(wg.grad(lambda h: landing(h, 0.0).t[-1])(2.0), wg.grad(exact)(2.0, 0.0), rtol=1e-9)


def test_bouncing_ball():
    def third(h, e):
        t, y = 0.0, np.array([h, 0.0])
        for _ in range(3):
            sol = solve_ivp(gravity, (t, t + 10.0), y, events=ground, **TIGHT)
            t, v = sol.t_events[0][0], sol.y_events[0][0][1]
            y = np.array([0.0, -e * v])
        return t

    h, e = 1.0, 0.8
    fall = np.sqrt(2.0 * h / G)
    np.testing.assert_allclose(wg.grad(third, (0, 1))(h, e),
                               [fall / (2.0 * h) * (1.0 + 2.0 * e + 2.0 * e * e), fall * (2.0 + 4.0 * e)], rtol=1e-8)


def test_a_parameter_of_the_event_and_a_second_crossing():
    def second(level):
        def event(t, y):
            return y[0] - level
        return solve_ivp(lambda t, y: [y[1], -y[0]], (0.0, 6.0), [0.0, 1.0], "DOP853", events=event, **TIGHT).t_events[0][1]
    level = 0.5  # sin t = level a second time at π - asin(level)
    np.testing.assert_allclose(wg.grad(second)(level), -1.0 / np.sqrt(1.0 - level * level), rtol=1e-8)


def test_a_grazed_event_is_refused():
    def grazed(h):
        def top(t, y):
            return y[0] - h
        sol = solve_ivp(lambda t, y: [y[1], -1.0], (0.0, 2.0), [0.0, 1.0], events=top, first_step=0.5, max_step=0.5)
        return sol.t_events[0][0]
    with pytest.raises(NonDifferentiableError, match="grazed"):
        wg.grad(grazed)(0.5 - 1e-10)  # the parabola's top is at 0.5
    np.testing.assert_allclose(wg.grad(grazed)(0.375), 2.0, rtol=1e-6)  # 1/v at v = 1/2


KINKS = {"minimum": lambda u, y: -np.minimum(u * y, 0.4), "where": lambda u, y: np.where(u * y > 0.4, -0.4, -u * y),
         "clip": lambda u, y: -np.clip(u * y, -0.4, 0.4), "abs": lambda u, y: -0.5 * (u * y + 0.4 - np.abs(u * y - 0.4)),
         "interp": lambda u, y: -np.interp(u * y, [0.0, 0.4, 9.0], [0.0, 0.4, 0.4])}


def emptied(u):
    """y' = -0.4 down to y = 0.4/u, then y' = -u y, at t = 2."""
    return 0.4 / u * np.exp(-u * (2.0 - (1.0 - 0.4 / u) / 0.4))


@pytest.mark.parametrize("kink", KINKS)
@pytest.mark.parametrize("second", [wg.hessian, lambda f: wg.jacfwd(wg.jacfwd(f)), lambda f: wg.jacrev(wg.jacrev(f))],
                         ids=["hessian", "forward", "reverse"])
def test_second_derivatives_through_a_kink_are_refused(kink, second):
    def left(u):
        return solve_ivp(lambda t, y: KINKS[kink](u, y), (0.0, 2.0), [1.0], **TIGHT).y[0, -1]
    np.testing.assert_allclose(wg.grad(left)(1.0), wg.grad(emptied)(1.0), rtol=1e-6)
    with pytest.raises(NonDifferentiableError, match=r"a derivative of the right-hand side jumps at t = 1\.5"):
        second(left)(1.0)
    np.testing.assert_allclose(second(left)(0.3), second(lambda u: np.exp(-2.0 * u))(0.3), rtol=1e-6)  # not come to


def test_odeint_through_a_kink_and_what_only_looks_like_one():
    with pytest.raises(NonDifferentiableError, match="a derivative of the right-hand side jumps"):
        wg.hessian(lambda u: odeint(lambda y, t: KINKS["minimum"](u, y), [1.0], [0.0, 2.0])[-1, 0])(1.0)

    def smooth(u):  # continuous to the first derivative
        return solve_ivp(lambda t, y: -u * np.where(y > 0.5, y, y + (y - 0.5) ** 2), (0.0, 2.0), [1.0], **TIGHT).y[0, -1]
    difference = (wg.grad(smooth)(1.0 + 1e-4) - wg.grad(smooth)(1.0 - 1e-4)) / 2e-4
    np.testing.assert_allclose(wg.hessian(smooth)(1.0), difference, rtol=1e-5)
    with pytest.raises(NonDifferentiableError):
        wg.grad(wg.grad(wg.grad(smooth)))(1.0)


@pytest.mark.parametrize("u", [0.9, 1.0, 1.3])
def test_the_remedy_for_a_kink(u):
    def in_parts(u):
        def reached(t, y):
            return u * y[0] - 0.4
        reached.terminal = True
        first = solve_ivp(lambda t, y: [-0.4], (0.0, 2.0), [1.0], events=reached, **TIGHT)
        t, y = first.t_events[0][0], first.y_events[0][0]
        return solve_ivp(lambda t, y: -u * y, (t, 2.0), y, **TIGHT).y[0, -1]
    np.testing.assert_allclose(wg.hessian(in_parts)(u), wg.hessian(emptied)(u), rtol=1e-9)


def test_decisions_within_a_loop_are_looked_at():
    def wells(u, power):
        def rhs(t, y):
            total = 0.0
            for i in range(3):
                total = total + np.abs(y[0] - 0.2 * i - 0.05 * u) ** power
            return -total * np.ones(1)
        return solve_ivp(rhs, (0.0, 2.0), [1.0], **TIGHT).y[0, -1]
    with pytest.raises(NonDifferentiableError, match="a derivative of the right-hand side jumps"):
        wg.hessian(lambda u: wells(u, 1))(1.0)

    def cubes(u):
        return wells(u, 3)
    difference = (wg.grad(cubes)(1.0 + 1e-4) - wg.grad(cubes)(1.0 - 1e-4)) / 2e-4
    np.testing.assert_allclose(wg.hessian(cubes)(1.0), difference, rtol=1e-5)

    def steps(u):
        def rhs(t, y):
            total = 1.0
            for i in range(3):
                if y[0] > u + 0.1 * i:
                    total = total + 1.0
            return total * np.ones(1)
        return solve_ivp(rhs, (0.0, 1.0), [0.0], **TIGHT).y[0, -1]
    with pytest.raises(NonDifferentiableError, match="the right-hand side jumps"):
        wg.grad(steps)(0.5)
