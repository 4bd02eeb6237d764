"""A particle that flies until it crosses a plane: how far a baseball carries.

Midpoint steps under gravity and quadratic drag, in a `while` loop that ends when the height turns negative. How
many steps that takes depends on the input, but the answer does not jump with it: the time of the crossing is
interpolated inside the last step (a parabola, exact without drag), and so the range and its first derivative
hold through a change of the number of steps, to the accuracy of the method. Without interpolation the range
would be a staircase in time and its derivative wrong.

    python examples/programs/particle.py
"""

import numpy as np

import wengert as wg

GRAVITY = 9.80665  # m/s^2, the standard value
AIR = 1.225  # kg/m^3, the International Standard Atmosphere at sea level
# Official Baseball Rules, 3.01: 5 to 5.25 ounces, 9 to 9.25 inches around; here the smaller ones.
MASS, RADIUS = 5.0 * 0.028349523, 9.0 * 0.0254 / (2.0 * np.pi)


def acceleration(velocity, drag):
    factor = drag * 0.5 * AIR * np.pi * RADIUS**2 / MASS
    return -factor * np.sqrt(np.sum(velocity**2)) * velocity - np.array([0.0, GRAVITY])


def carry(throw, height, dt):
    """throw: speed (m/s), angle (radians), drag coefficient; the distance to where the ball meets the ground."""
    speed, angle, drag = throw
    position = np.array([0.0, height])
    velocity = speed * np.array([np.cos(angle), np.sin(angle)])
    last_position, last_velocity = position, velocity
    while position[1] >= 0.0:
        last_position, last_velocity = position, velocity
        middle = velocity + 0.5 * dt * acceleration(velocity, drag)
        velocity = velocity + dt * acceleration(middle, drag)
        position = position + dt * middle
    # Within the last step the path is position + velocity t + bend t^2, which meets the ground at t.
    bend = (position - last_position - dt * last_velocity) / dt**2
    height, up = last_position[1], last_velocity[1]
    t = -2.0 * height / (up - np.sqrt(up**2 - 4.0 * bend[1] * height))
    return last_position[0] + last_velocity[0] * t + bend[0] * t**2


def inputs(dt=0.15):
    return np.array([45.0, np.radians(30.0), 0.35]), 1.0, dt


def main():
    throw, height, dt = inputs()
    value, gradient = wg.value_and_grad(carry)(throw, height, dt)
    print(f"carry: {value:.4f} m")
    print(f"gradient in speed, angle and drag coefficient: {gradient}")
    wg.check_grads(lambda throw: carry(throw, height, dt), (throw,), order=1)
    print("check: forward and reverse mode agree with finite differences")


if __name__ == "__main__":
    main()
