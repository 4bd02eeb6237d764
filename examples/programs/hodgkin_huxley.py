"""The action potential of the squid giant axon: Hodgkin and Huxley's equations, by exponential steps.

The mean potential in the first milliseconds after a kick, as a function of the three conductances and the current. The
rates have removable singularities, which a branch steps over with the first terms of a series. (The highest of the
potentials would be a bad choice: which step is nearest to the peak changes when the spike moves in time, and the
derivative of the highest one has little to do with that of the peak, down to its sign.)

    python examples/programs/hodgkin_huxley.py
"""

import numpy as np

import wengert as wg

# Hodgkin and Huxley, J. Physiol. 117 (1952), 500-544, table 3; potentials (mV) from rest, depolarization positive.
SODIUM, POTASSIUM, LEAK = 120.0, 36.0, 0.3  # conductances, mS/cm^2
E_SODIUM, E_POTASSIUM, E_LEAK = 115.0, -12.0, 10.613
CAPACITY = 1.0  # uF/cm^2


def ratio(x):
    """x / (exp(x) - 1)"""
    if abs(x) < 1e-3:
        return 1.0 - x / 2.0 + x**2 / 12.0 - x**4 / 720.0
    return x / np.expm1(x)


def relax(gate, opening, closing, dt):
    """Exact over dt if the rates did not change meanwhile."""
    total = opening + closing
    return opening / total + (gate - opening / total) * np.exp(-total * dt)


def mean_potential(parameters, kick, duration, dt):
    """parameters: the conductances of sodium, potassium, leak, and the current; kick: the potential at first."""
    sodium, potassium, leak, current = parameters
    v = kick
    n, m, h = 0.3177, 0.0529, 0.5961  # the gates at rest
    steps = round(duration / dt)
    area = 0.5 * v
    for k in range(steps):
        span = dt if k > 0 else 0.5 * dt  # the gates are known between the potentials
        n = relax(n, 0.1 * ratio((10.0 - v) / 10.0), 0.125 * np.exp(-v / 80.0), span)
        m = relax(m, ratio((25.0 - v) / 10.0), 4.0 * np.exp(-v / 18.0), span)
        h = relax(h, 0.07 * np.exp(-v / 20.0), 1.0 / (np.exp((30.0 - v) / 10.0) + 1.0), span)
        g_sodium = sodium * m**3 * h
        g_potassium = potassium * n**4
        total = g_sodium + g_potassium + leak
        rest = (g_sodium * E_SODIUM + g_potassium * E_POTASSIUM + leak * E_LEAK + current) / total
        v = rest + (v - rest) * np.exp(-total * dt / CAPACITY)
        area += v if k < steps - 1 else 0.5 * v
    return area / steps


def inputs(duration=4.0, dt=0.08):
    return np.array([SODIUM, POTASSIUM, LEAK, 2.0]), 10.0, duration, dt  # 10 mV: on the singularity at first


def main():
    parameters, *rest = inputs()
    value, gradient = wg.value_and_grad(mean_potential)(parameters, *rest)
    print(f"mean potential over {rest[1]} ms: {value:.4f} mV above rest")
    for name, slope in zip(("sodium", "potassium", "leak", "current"), gradient):
        print(f"    derivative in {name:10} {slope: .6f}")
    wg.check_grads(lambda parameters: mean_potential(parameters, *rest), (parameters,), order=1)
    print("check: forward and reverse mode agree with finite differences")


if __name__ == "__main__":
    main()
