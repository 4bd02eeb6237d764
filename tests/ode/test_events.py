"""Events: their times and states by the implicit-function theorem, and jumps where the user starts again."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

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
