"""The paths of optimizers through Rosenbrock's valley.

    f(x, y) = 100 (y - x^2)^2 + (1 - x)^2,    least at (1, 1)

falls steeply into a curved valley, whose floor is almost level: across it the curvature is 2500 times what it is along it. Two
families of methods start from (-1.234, 1.067). Optimizers take one gradient an update, 500 of them, and steps that are chosen
beforehand: learning rates fall to zero along half a wave of the cosine, from the best of 14 values from 1e-5 to 0.2, by f at
the end. Methods with a line search spend evaluations on the length of the step, and end by themselves.

    python examples/learning/optimizers.py
    python examples/learning/optimizers.py --plot optimizers.png
"""

import argparse

import numpy as np

import wengert as wg

START = np.array([-1.234, 1.067])
UPDATES = 500
RATES = [m * 10.0**k for k in range(-5, 0) for m in (1, 2, 5)][:-1]

OPTIMIZERS = {
    "gradient descent": lambda rate: wg.optim.SGD(rate),
    "momentum 0.9": lambda rate: wg.optim.SGD(rate, momentum=0.9),
    "Nesterov 0.9": lambda rate: wg.optim.SGD(rate, momentum=0.9, nesterov=True),
    "AdaGrad": lambda rate: wg.optim.AdaGrad(rate),
    "RMSProp": lambda rate: wg.optim.RMSProp(rate),
    "Adam": lambda rate: wg.optim.Adam(rate),
    "Lion": lambda rate: wg.optim.Lion(rate),
}
METHODS = {
    "steepest descent": lambda **more: wg.optim.gradient_descent(f, START, step=wg.optim.StrongWolfe(), iterations=400, **more),
    "conjugate gradients": lambda **more: wg.optim.conjugate_gradient(f, START, tolerance=1e-10, **more),
    "L-BFGS": lambda **more: wg.optim.lbfgs(f, START, tolerance=1e-10, **more),
    "Levenberg-Marquardt": lambda **more: wg.optim.levenberg_marquardt(residuals, START, **more),
}


def f(p):
    return 100.0 * (p[1] - p[0] ** 2) ** 2 + (1.0 - p[0]) ** 2


def residuals(p):
    """f is half the sum of their squares."""
    return np.sqrt(2.0) * np.stack([10.0 * (p[1] - p[0] ** 2), 1.0 - p[0]])


def run(optimizer, updates=UPDATES):
    """The path: all updates are one compiled loop."""

    @wg.jit
    def path(p, state):
        def step(carry, _):
            p, state = carry
            p, state = optimizer.update(wg.grad(f)(p), state, p)
            return (p, state), p

        return wg.scan(step, (p, state), None, length=updates)[1]

    with np.errstate(all="ignore"):  # a rate that is too large
        return np.concatenate([START[None], path(START, optimizer.init(START))])


def best(make):
    """The rate at the start, and the path, of the least value at the end."""
    with np.errstate(all="ignore"):
        paths = {rate: run(make(wg.optim.CosineDecay(rate, UPDATES))) for rate in RATES}
        ends = {rate: f(path[-1]) for rate, path in paths.items()}
    rate = min(ends, key=lambda rate: ends[rate] if np.isfinite(ends[rate]) else np.inf)
    return rate, paths[rate]


def follow(method):
    """The path of a method with a line search, and its result."""
    points = []
    found = method(callback=lambda k, p, g: points.append(p))
    return found, np.array([*points, found.x])


def draw(optimizers, methods, file):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8.4), layout="constrained")
    (upper, above), (lower, below) = figure.subplots(2, 2, width_ratios=(1.35, 1.0))
    x, y = np.meshgrid(np.linspace(-1.6, 1.4, 400), np.linspace(-0.6, 1.8, 400))
    for axes, paths in ((upper, optimizers), (lower, methods)):
        axes.contour(x, y, f(np.stack([x, y])), levels=np.geomspace(0.05, 500.0, 13), colors="0.85", linewidths=0.8, zorder=0)
        for name, path in paths.items():
            axes.plot(*path.T, ".-", markersize=2.5, linewidth=0.9, alpha=0.85, label=name)
        axes.plot(1.0, 1.0, "k*", markersize=11)
        axes.set(xlim=(-1.6, 1.4), ylim=(-0.6, 1.8), ylabel="y")
        axes.legend(fontsize=8.5, loc="lower left")
    for axes, paths in ((above, optimizers), (below, methods)):
        for name, path in paths.items():
            axes.loglog(np.arange(len(path)) + 1, np.maximum(f(path.T), 1e-15), label=name)
        axes.grid(alpha=0.3)
        axes.set(ylabel="f")
    upper.set(title="steps chosen beforehand (the best of 14 rates, falling)")
    lower.set(title="line searches and damping", xlabel="x")
    above.set(title="value at each point", xlabel="updates + 1")
    below.set(xlabel="iterations + 1")
    figure.savefig(file, dpi=100)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Paths of optimizers on Rosenbrock's function.")
    parser.add_argument("--plot", metavar="FILE", help="draw the paths into this file (PNG, PDF or SVG)")
    file = parser.parse_args(arguments).plot

    optimizers, methods = {}, {}
    print(f"{'after 500 updates':<22}{'rate':>8}{'f':>11}{'distance':>11}")
    for name, make in OPTIMIZERS.items():
        rate, optimizers[name] = best(make)
        end = optimizers[name][-1]
        print(f"{name:<22}{rate:>8g}{f(end):>11.1e}{np.linalg.norm(end - 1.0):>11.1e}")
    print(f"\n{'':<22}iterations  evaluations{'f':>11}{'distance':>11}")
    for name, method in METHODS.items():
        found, methods[name] = follow(method)
        distance = np.linalg.norm(found.x - 1.0)
        print(f"{name:<22}{found.iterations:>10}{found.evaluations:>13}{found.value:>11.1e}{distance:>11.1e}")
    if file:
        draw(optimizers, methods, file)
        print(f"drawn into {file}")


if __name__ == "__main__":
    main()
