"""A network with one input, two hidden units and one output: its gradient by explicit formula and by wengert.

The network is y = v . sigmoid(w x + b) + c, its loss the squared error (y - t)^2 / 2. The explicit formula
goes forward through the network, keeps what it needs, and goes backward through it: what reverse mode does by
itself. Then it learns three points by gradient descent, once with either gradient: the two runs agree.

    python examples/network_121.py
"""

import numpy as np

import wengert as wg

PARAMETERS = {"w": np.array([0.5, -1.0]), "b": np.array([0.1, 0.2]), "v": np.array([1.5, -0.7]), "c": 0.3}


def loss(p, x, t):
    hidden = 1.0 / (1.0 + np.exp(-(p["w"] * x + p["b"])))
    y = np.dot(p["v"], hidden) + p["c"]
    return 0.5 * (y - t) ** 2


def gradient_by_formula(p, x, t):
    """The same gradient, every factor of the chain rule written down."""
    hidden = 1.0 / (1.0 + np.exp(-(p["w"] * x + p["b"])))  # forward: the hidden layer is kept
    y = np.dot(p["v"], hidden) + p["c"]
    dy = y - t  # backward: dL/dy, then dL/dv and dL/dc, then through the sigmoid
    dz = dy * p["v"] * hidden * (1.0 - hidden)
    return {"w": dz * x, "b": dz, "v": dy * hidden, "c": dy}


def descend(gradient, p, points, rate=0.5, epochs=200):
    """Stochastic gradient descent with batches of one: an update for each point, in order."""
    for _ in range(epochs):
        for x, t in points:
            g = gradient(p, x, t)
            p = {name: p[name] - rate * g[name] for name in p}
    return p


def largest_difference(a, b):
    return max(float(np.max(np.abs(a[name] - b[name]))) for name in a)


def main():
    x, t = 0.8, 1.0
    by_formula, by_wengert = gradient_by_formula(PARAMETERS, x, t), wg.grad(loss)(PARAMETERS, x, t)
    for name in PARAMETERS:
        print(f"dL/d{name}: by formula {by_formula[name]}, by wengert {by_wengert[name]}")
    eps = np.finfo(float).eps
    # All values are below 1.5, and no path through the network has more than ten operations.
    assert largest_difference(by_formula, by_wengert) <= 10 * eps

    points = [(-1.0, 0.1), (0.0, 0.3), (1.0, 0.8)]
    fitted = descend(wg.grad(loss), PARAMETERS, points)
    before, after = (sum(loss(p, *point) for point in points) for p in (PARAMETERS, fitted))
    print(f"\nloss over {len(points)} points: {before:.6f} before, {after:.6f} after descent")
    assert after < 0.05 * before
    # Descent contracts or repeats an error, it does not magnify it: 600 updates of ten roundings each.
    assert largest_difference(fitted, descend(gradient_by_formula, PARAMETERS, points)) <= 6000 * eps


if __name__ == "__main__":
    main()
