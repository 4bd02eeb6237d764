"""Newton's method with a convergence test: the pressure lost in a rough pipe, by Colebrook's equation.

    1 / sqrt(f) = -2 log10(roughness / 3.7 + 2.51 / (Re sqrt(f)))

The loop stops when a step is small (early return); after `limit` steps the answer is NaN. The derivative of the last
iterate is that of the root: Newton's method forgets its start quadratically, so the iteration that settles the digits
of the root settles those of the derivative one step later, and the step that is found to be small has been made
already.

    python examples/programs/newton.py
"""

import numpy as np

import wengert as wg

# Colebrook, J. Inst. Civil Engineers 11 (1939), 133-156. Water at 20 C (CRC Handbook): density and viscosity.
DENSITY, VISCOSITY = 998.2, 1.0016e-3


def friction(reynolds, roughness, tolerance=1e-13, limit=50):
    """Darcy's friction factor f; x is 1 / sqrt(f)."""
    x = 7.0
    for _ in range(limit):
        inside = roughness / 3.7 + 2.51 * x / reynolds
        residual = x + 2.0 * np.log10(inside)
        slope = 1.0 + 2.0 / np.log(10.0) * (2.51 / reynolds) / inside
        step = residual / slope
        x = x - step
        if abs(step) <= tolerance * abs(x):
            return 1.0 / x**2
    return np.nan  # not settled: no number rather than a wrong one


def pressure_loss(pipe, tolerance=1e-13):
    """pipe: diameter (m), roughness (m), speed (m/s); the loss is in Pa per meter."""
    diameter, roughness, speed = pipe
    reynolds = DENSITY * speed * diameter / VISCOSITY
    return friction(reynolds, roughness / diameter, tolerance) * DENSITY * speed**2 / (2.0 * diameter)


def inputs():
    return (np.array([0.1, 4.5e-5, 2.0]),)  # commercial steel: Moody, Trans. ASME 66 (1944)


def main():
    (pipe,) = inputs()
    value, gradient = wg.value_and_grad(pressure_loss)(pipe)
    print(f"pressure lost: {value:.6f} Pa/m")
    print(f"gradient in diameter, roughness and speed: {gradient}")
    wg.check_grads(pressure_loss, (pipe,))
    print("check: forward and reverse mode agree with finite differences, to second order")


if __name__ == "__main__":
    main()
