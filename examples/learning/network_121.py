"""A network with one input, two hidden units and one output: its gradient by explicit formula and by wengert.

The network is y = v . sigmoid(w x + b) + c, its loss the squared error (y - t)^2 / 2. The explicit formula
goes forward through the network, keeps what it needs, and goes backward through it: what reverse mode does by
itself. Then it learns three points by gradient descent, once with either gradient: the two runs agree.

    python examples/learning/network_121.py
    python examples/learning/network_121.py --plot network_121.png
"""

import argparse

import numpy as np

import wengert as wg

PARAMETERS = {"w": np.array([0.5, -1.0]), "b": np.array([0.1, 0.2]), "v": np.array([1.5, -0.7]), "c": 0.3}
POINTS = [(-1.0, 0.1), (0.0, 0.3), (1.0, 0.8)]


def network(p, x):
    hidden = 1.0 / (1.0 + np.exp(-(p["w"] * x + p["b"])))
    return np.dot(p["v"], hidden) + p["c"]


def loss(p, x, t):
    return 0.5 * (network(p, x) - t) ** 2


def gradient_by_formula(p, x, t):
    """The same gradient, every factor of the chain rule written down."""
    hidden = 1.0 / (1.0 + np.exp(-(p["w"] * x + p["b"])))  # forward: the hidden layer is kept
    y = np.dot(p["v"], hidden) + p["c"]
    dy = y - t  # backward: dL/dy, then dL/dv and dL/dc, then through the sigmoid
    dz = dy * p["v"] * hidden * (1.0 - hidden)
    return {"w": dz * x, "b": dz, "v": dy * hidden, "c": dy}


def total(p):
    return sum(loss(p, *point) for point in POINTS)


def descend(gradient, p, rate=0.5, epochs=200):
    """Stochastic gradient descent with batches of one, an update for each point, in order: the parameters after each epoch."""
    course = [p]
    for _ in range(epochs):
        for x, t in POINTS:
            g = gradient(p, x, t)
            p = {name: p[name] - rate * g[name] for name in p}
        course.append(p)
    return course


def largest_difference(a, b):
    return max(float(np.max(np.abs(a[name] - b[name]))) for name in a)


def draw(course, file):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    x = np.linspace(-1.5, 1.5, 200)
    left.plot(x, [network(course[0], s) for s in x], "--", color="gray", label="before training")
    left.plot(x, [network(course[-1], s) for s in x], label=f"after {len(course) - 1} epochs")
    left.plot(*zip(*POINTS), "o", color="black", label="the points")
    left.set(xlabel="x", ylabel="y", title="the network")
    left.legend(frameon=False)
    right.semilogy([total(p) for p in course])
    right.set(xlabel="epoch (3 updates each)", ylabel="loss over the points", title="its training")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=110)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="A network with seven parameters, by explicit formula and by wengert.")
    parser.add_argument("--plot", metavar="FILE", help="draw the result into this file (PNG, PDF or SVG)")
    file = parser.parse_args(arguments).plot

    x, t = 0.8, 1.0
    by_formula, by_wengert = gradient_by_formula(PARAMETERS, x, t), wg.grad(loss)(PARAMETERS, x, t)
    for name in PARAMETERS:
        print(f"dL/d{name}: by formula {by_formula[name]}, by wengert {by_wengert[name]}")
    eps = np.finfo(float).eps
    # All values are below 1.5, and no path through the network has more than ten operations.
    assert largest_difference(by_formula, by_wengert) <= 10 * eps

    course = descend(wg.grad(loss), PARAMETERS)
    before, after = total(PARAMETERS), total(course[-1])
    print(f"\nloss over {len(POINTS)} points: {before:.6f} before, {after:.6f} after descent")
    assert after < 0.05 * before
    difference = largest_difference(course[-1], descend(gradient_by_formula, PARAMETERS)[-1])
    print(f"the parameters, learned with either gradient, differ by {difference:.1e}")
    # Descent contracts or repeats an error, it does not magnify it: 600 updates of ten roundings each.
    assert difference <= 6000 * eps
    if file:
        draw(course, file)
        print(f"drawn into {file}")


if __name__ == "__main__":
    main()
