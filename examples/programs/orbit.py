"""An orbit by the classical Runge-Kutta method with a fixed step: Mercury around the Sun.

The miss is the squared distance from the starting point after one period. Its derivative in the starting position
and velocity goes through all steps of the integration.

    python examples/programs/orbit.py
"""

import numpy as np

import wengert as wg

GM = 4.0 * np.pi**2  # of the Sun, in au^3 / year^2 (Kepler's third law)
# Mercury's semi-major axis (au) and eccentricity, J2000: Standish, "Keplerian elements for approximate positions
# of the major planets", JPL, table 1.
AXIS, ECCENTRICITY = 0.38709927, 0.20563593


def rate(state):
    x, y, u, v = state
    cubed = (x * x + y * y) ** 1.5
    return np.array([u, v, -GM * x / cubed, -GM * y / cubed])


def fly(state, years, steps):
    """The position and velocity after this time."""
    h = years / steps
    for _ in range(steps):
        k1 = rate(state)
        k2 = rate(state + 0.5 * h * k1)
        k3 = rate(state + 0.5 * h * k2)
        k4 = rate(state + h * k3)
        state = state + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return state


def miss(state, years, steps):
    end = fly(state, years, steps)
    return np.sum((end[:2] - state[:2]) ** 2)


def perihelion(axis=AXIS, eccentricity=ECCENTRICITY):
    """The state at perihelion, and the period."""
    near = axis * (1.0 - eccentricity)
    speed = np.sqrt(GM * (2.0 / near - 1.0 / axis))
    return np.array([near, 0.0, 0.0, speed]), axis**1.5


def inputs(steps=24):
    state, period = perihelion()
    return state * np.array([1.0, 1.0, 1.0, 1.02]), period, steps


def main():
    state, period, steps = inputs()
    value, gradient = wg.value_and_grad(miss)(state, period, steps)
    print(f"2% too fast at perihelion, Mercury misses its starting point by {np.sqrt(value):.6f} au")
    print(f"gradient of the square in x, y, u, v: {gradient}")
    wg.check_grads(lambda state: miss(state, period, steps), (state,), order=1)
    print("check: forward and reverse mode agree with finite differences")


if __name__ == "__main__":
    main()
