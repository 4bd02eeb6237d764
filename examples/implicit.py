"""A water network: which pipe to clean, and which to widen, to raise the pressure at its far end.

Water runs from a reservoir through six pipes to four towns. The flows and pressures solve ten equations (what comes to a town
leaves it, or is used there; each pipe loses pressure by friction), and inside them the friction of each pipe solves another,
that of Colebrook and White (1939). SciPy solves both, `root` around `newton`; nothing is written for the derivatives.

    python examples/implicit.py
"""

import numpy as np
from scipy.optimize import newton, root

import wengert as wg

G, VISCOSITY = 9.81, 1.3e-6  # m/s², and m²/s of water at 10 °C
PIPES = ((0, 1), (1, 2), (1, 3), (2, 3), (2, 4), (3, 4))  # from, to; 0 is the reservoir
LENGTH = np.array([800.0, 600.0, 500.0, 400.0, 700.0, 500.0])  # m
DIAMETER = np.array([0.40, 0.25, 0.30, 0.15, 0.20, 0.25])  # m
ROUGHNESS = np.array([1.0, 2.0, 0.5, 1.0, 2.0, 0.5]) * 1e-3  # m: cast iron, some of it encrusted
USED = np.array([0.02, 0.03, 0.03, 0.06])  # m³/s, by the towns 1 to 4
RESERVOIR = 60.0  # m of water
STARTS = np.concatenate([np.array([0.14, 0.05, 0.07, 0.01, 0.02, 0.04]), np.linspace(55.0, 40.0, 4)])

ENDS = np.zeros((4, 6))  # +1 where a pipe leads to a town, -1 where it begins there
for k, (begin, end) in enumerate(PIPES):
    ENDS[end - 1, k] = 1.0
    if begin:
        ENDS[begin - 1, k] = -1.0
FED = np.array([float(begin == 0) for begin, _ in PIPES])


def friction(flow, diameter, roughness):
    """The friction factors f: 1/√f = -2 log10(ε / 3.7 D + 2.51 / (Re √f)), solved for s = 1/√f."""
    reynolds = 4.0 * np.abs(flow) / (np.pi * diameter * VISCOSITY)
    s = newton(lambda s: s + 2.0 * np.log10(roughness / (3.7 * diameter) + 2.51 * s / reynolds), np.full(6, 7.0), tol=1e-13)
    return 1.0 / s**2


def network(roughness, diameter):
    """The flows in the pipes (m³/s), and the pressures in the towns (m of water)."""
    def equations(unknown):
        flow, pressure = unknown[:6], unknown[6:]
        speed = 4.0 * flow / (np.pi * diameter**2)
        loss = friction(flow, diameter, roughness) * LENGTH / diameter * speed * np.abs(speed) / (2.0 * G)
        return np.concatenate([ENDS @ flow - USED, FED * RESERVOIR - ENDS.T @ pressure - loss])
    solved = root(equations, STARTS, tol=1e-12).x
    return solved[:6], solved[6:]


def far_end(roughness, diameter):
    """The pressure in town 4."""
    return network(roughness, diameter)[1][3]


def main():
    flow, pressure = network(ROUGHNESS, DIAMETER)
    print("pressures (m):", ", ".join(f"town {k + 1} {p:.2f}" for k, p in enumerate(pressure)))
    by_roughness, by_diameter = wg.grad(far_end, (0, 1))(ROUGHNESS, DIAMETER)
    print("\nWhat the pressure in town 4 gains from each pipe:\n")
    print("pipe     flow (l/s)   friction   0.1 mm smoother   1 cm wider")
    f = friction(flow, DIAMETER, ROUGHNESS)
    for k, (begin, end) in enumerate(PIPES):
        print(f"{begin} to {end} {1e3 * flow[k]:11.2f} {f[k]:12.4f} {-1e-4 * by_roughness[k]:13.3f} m "
              f"{1e-2 * by_diameter[k]:10.3f} m")

    best = int(np.argmax(-by_roughness * ROUGHNESS))
    cleaned = ROUGHNESS.copy()
    cleaned[best] = 0.5e-3
    change = cleaned - ROUGHNESS
    curved = wg.hvp(lambda r: far_end(r, DIAMETER), (ROUGHNESS,), (change,))[0]
    first = by_roughness @ change
    gained = far_end(cleaned, DIAMETER) - pressure[3]
    print(f"\nCleaning the pipe {PIPES[best][0]} to {PIPES[best][1]} to 0.5 mm: {first:.3f} m by the first derivative, "
          f"{first + 0.5 * curved @ change:.3f} m with the second, {gained:.3f} m solved anew.")


if __name__ == "__main__":
    main()
