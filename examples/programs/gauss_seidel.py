"""Gauss-Seidel sweeps in place: the temperature of a plate with warm edges that loses heat to the air.

    -div grad u + loss u = source   inside the unit square, u given on the four edges

The value is the mean temperature; the derivative is in the four edges and the loss. Every point is overwritten from its
neighbors, two of which belong to this sweep already, until a sweep changes little. The derivatives converge at the
rate of the sweeps, so the tolerance is tight.

    python examples/programs/gauss_seidel.py
"""

import numpy as np

import wengert as wg


def mean_temperature(parameters, n, source=5.0, tolerance=1e-13, limit=1000):
    """parameters: temperatures of the north, south, west, east edge, and the loss; n points on a side."""
    h = 1.0 / (n + 1)
    loss = parameters[4]
    u = np.zeros((n + 2, n + 2))
    u[0, :] = parameters[0]
    u[-1, :] = parameters[1]
    u[1:-1, 0] = parameters[2]
    u[1:-1, -1] = parameters[3]
    sweeps = 0
    change = np.inf
    while change > tolerance and sweeps < limit:
        change = 0.0
        for i in range(1, n + 1):
            for j in range(1, n + 1):
                neighbors = u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1]
                new = (neighbors + h**2 * source) / (4.0 + h**2 * loss)
                change = max(change, abs(new - u[i, j]))
                u[i, j] = new
        sweeps += 1
    return np.mean(u[1:-1, 1:-1])


def inputs(n=3):
    return np.array([3.0, 1.0, 2.0, 2.5, 10.0]), n


def main():
    parameters, n = inputs()
    value, gradient = wg.value_and_grad(mean_temperature)(parameters, n)
    print(f"mean temperature: {value:.9f}")
    print(f"gradient in the edges north, south, west, east, and in the loss: {gradient}")
    wg.check_grads(lambda parameters: mean_temperature(parameters, n), (parameters,), order=1)
    print("check: forward and reverse mode agree with finite differences")


if __name__ == "__main__":
    main()
