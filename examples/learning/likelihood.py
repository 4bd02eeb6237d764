"""Losses that are likelihoods: least squares, a variance that is learned too, and counts.

A model says how probable the data are. Its loss is -log of that probability: the parameters that make the data most probable
make it least. Of independent observations the probabilities multiply, so their losses add. On paper, with a row x_i = (1, t_i)
for each observation:

Gaussian noise of one size s, the mean a line, m_i = w . x_i:

    -log prod (2 pi s^2)^(-1/2) exp(-(y_i - m_i)^2 / 2 s^2)  =  n log s + 1/(2 s^2) sum (y_i - m_i)^2 + constant

Whatever s is, w minimizes the sum of squares: X'X w = X'y. The derivative by log s is n - 1/s^2 sum (y_i - m_i)^2, so that
s^2 is the mean of the squares. The Hessian in (w, log s) there is [X'X / s^2, 0; 0, 2 n].

Gaussian noise whose logarithm of the variance is a line too, log v_i = u . x_i:

    1/2 sum [log v_i + (y_i - m_i)^2 / v_i] + constant

Given u, w solves least squares with weights 1 / v_i. The Hessian, with r_i = y_i - m_i, has the blocks
    ww: sum x_i x_i' / v_i      wu: sum x_i x_i' r_i / v_i      uu: 1/2 sum x_i x_i' r_i^2 / v_i

Counts, Poisson with the rate e^h, h_i = w . x_i:

    -log prod exp(-e^h_i) e^(h_i y_i) / y_i!  =  sum [e^h_i - y_i h_i] + constant,      Hessian: sum x_i x_i' e^h_i

Newton's method finds each minimum, with `wg.grad` and `wg.hessian` of the loss as it stands above; and the inverse of the
Hessian there is the covariance of what was found (Fisher 1925), so that its diagonal gives the standard errors. The program
holds all of it against the formulas; and draws new data a thousand times, to see how often the interval of 1.96 standard
errors holds the parameter that the data were drawn with. It should be 95 % of the times.

    python examples/learning/likelihood.py
    python examples/learning/likelihood.py --plot likelihood.png
"""

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np

import wengert as wg
from wengert import nn

COUNT = 200
T = np.linspace(0.0, 1.0, COUNT)
X = np.stack([np.ones(COUNT), T], axis=1)


# ---------------------------------------------------------------- the losses, without their constants


def gaussian(p, y):
    s = np.exp(p[2])
    return COUNT * p[2] + np.sum((y - X @ p[:2]) ** 2) / (2.0 * s**2)


def heteroscedastic(p, y):
    log_v = X @ p[2:]
    return 0.5 * np.sum(log_v + (y - X @ p[:2]) ** 2 * np.exp(-log_v))


def poisson(p, y):
    h = X @ p
    return np.sum(np.exp(h) - y * h)


# ---------------------------------------------------------------- what paper says of them: a minimum, and the Hessian there


def gaussian_on_paper(p, y):
    w = np.linalg.solve(X.T @ X, X.T @ y)
    s = np.sqrt(np.mean((y - X @ w) ** 2))
    hessian = np.zeros((3, 3))
    hessian[:2, :2], hessian[2, 2] = X.T @ X / s**2, 2.0 * COUNT
    return np.array([*w, np.log(s)]), hessian


def heteroscedastic_on_paper(p, y):
    """A step of Fisher's scoring for u (Aitkin 1987), and the line given the variances: both stay where the loss is least."""
    v, r = np.exp(X @ p[2:]), y - X @ p[:2]
    w = np.linalg.solve((X.T / v) @ X, (X.T / v) @ y)
    blocks = [(X.T * weight) @ X for weight in (1.0 / v, r / v, 0.5 * r**2 / v)]
    u = p[2:] + np.linalg.solve(X.T @ X, X.T @ (r**2 / v - 1.0))
    return np.array([*w, *u]), np.block([[blocks[0], blocks[1]], [blocks[1], blocks[2]]])


def poisson_on_paper(p, y):
    """Iteratively reweighted least squares (Nelder and Wedderburn 1972), which here is Newton's method."""
    w = np.array([np.log(np.mean(y)), 0.0])
    for _ in range(20):
        rate = np.exp(X @ w)
        w = np.linalg.solve((X.T * rate) @ X, X.T @ (rate * (X @ w) + y - rate))
    return w, (X.T * np.exp(X @ w)) @ X


# ---------------------------------------------------------------- the three models


@dataclass(frozen=True)
class Model:
    """A loss, what paper says, the parameters to draw data with, how, and from where Newton's method begins."""

    loss: Any
    on_paper: Any
    truth: Any
    draw: Any
    start: Any
    names: tuple


def near(y):
    """The line of least squares, and half of the logarithm of the mean square."""
    w = np.linalg.solve(X.T @ X, X.T @ y)
    return w, 0.5 * np.log(np.mean((y - X @ w) ** 2))


def start_gaussian(y):
    w, log_s = near(y)
    return np.array([w[0] + 0.1, w[1] - 0.2, log_s + 0.1])  # not the solution itself, which would leave nothing to do


def start_heteroscedastic(y):
    w, log_s = near(y)
    return np.array([w[0], w[1], 2.0 * log_s, 0.0])


MODELS = {
    "Gaussian noise": Model(gaussian, gaussian_on_paper, np.array([1.0, 2.0, np.log(0.5)]),
                            lambda p, rng: X @ p[:2] + rng.normal(scale=np.exp(p[2]), size=COUNT), start_gaussian,
                            ("intercept", "slope", "log s")),
    "variance learned too": Model(heteroscedastic, heteroscedastic_on_paper, np.array([1.0, 2.0, -3.0, 3.0]),
                                  lambda p, rng: X @ p[:2] + rng.normal(size=COUNT) * np.exp(0.5 * X @ p[2:]),
                                  start_heteroscedastic, ("intercept", "slope", "log v at 0", "its slope")),
    "counts": Model(poisson, poisson_on_paper, np.array([0.5, 2.0]), lambda p, rng: rng.poisson(np.exp(X @ p)).astype(float),
                    lambda y: np.array([np.log(np.mean(y)), 0.0]), ("log rate at 0", "slope")),
}


def newton(model, y, steps=12):
    """The minimum of the loss, and the Hessian there."""
    p = model.start(y)
    for _ in range(steps):
        p = p - np.linalg.solve(wg.hessian(model.loss)(p, y), wg.grad(model.loss)(p, y))
    return p, wg.hessian(model.loss)(p, y)


def standard_errors(hessian):
    return np.sqrt(np.diag(np.linalg.inv(hessian)))


def coverage(model, count, rng):
    """How often an interval of 1.96 standard errors holds the truth: a share for each parameter."""
    fit = wg.jit(lambda y: newton(model, y))
    held = np.zeros(len(model.truth))
    for _ in range(count):
        p, hessian = fit(model.draw(model.truth, rng))
        held += np.abs(p - model.truth) <= 1.96 * standard_errors(hessian)
    return held / count


def agree_with_library(y, counts):
    """The losses of `wg.nn` are these sums, divided by n."""
    p = np.array([0.9, 2.1, -2.0, 2.0])
    line, variance = X @ p[:2], np.exp(X @ p[2:])
    return (np.isclose(nn.gaussian_negative_log_likelihood(line, y, variance, reduction="sum"), heteroscedastic(p, y))
            and np.isclose(nn.poisson_negative_log_likelihood(line, counts, reduction="sum"), poisson(p[:2], counts))
            and np.isclose(COUNT / 2 * nn.mean_squared_error(line, y), gaussian(np.array([*p[:2], 0.0]), y)))


def draw(fits, file):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.7), layout="constrained")
    for axes, (name, (y, p, hessian)) in zip(figure.subplots(1, 3), fits.items()):
        mean, spread = X @ p[:2], np.sqrt(np.einsum("ij,jk,ik->i", X, np.linalg.inv(hessian)[:2, :2], X))
        low, high = mean - 1.96 * spread, mean + 1.96 * spread
        if name == "counts":
            mean, low, high = np.exp(mean), np.exp(low), np.exp(high)
            noise = 1.96 * np.sqrt(mean)
        else:
            noise = 1.96 * np.exp(p[2] if name == "Gaussian noise" else 0.5 * X @ p[2:])
        floor = np.maximum(mean - noise, 0.0) if name == "counts" else mean - noise
        axes.fill_between(T, floor, mean + noise, color="C0", alpha=0.15, lw=0, label="± 1.96 deviations of the noise")
        axes.fill_between(T, low, high, color="C0", alpha=0.5, lw=0, label="± 1.96 standard errors of the mean")
        axes.plot(T, mean, color="C0")
        axes.plot(T, y, ".", color="black", ms=3)
        axes.set(title=name, xlabel="t", ylabel="y")
    figure.axes[0].legend(fontsize=8, loc="upper left")
    figure.savefig(file, dpi=110)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Losses from maximum likelihood, with standard errors.")
    parser.add_argument("--plot", metavar="FILE", help="draw the result into this file (PNG, PDF or SVG)")
    parser.add_argument("--draws", type=int, default=1000, help="how many data sets are drawn to see what the intervals hold")
    options = parser.parse_args(arguments)

    fits, held = {}, {}
    for k, (name, model) in enumerate(MODELS.items()):
        rng = np.random.default_rng([2, k])
        y = model.draw(model.truth, rng)
        p, hessian = newton(model, y)
        by_paper, hessian_by_paper = model.on_paper(p, y)
        apart = max(np.max(np.abs(p - by_paper)), np.max(np.abs(hessian - hessian_by_paper)) / np.max(np.abs(hessian)))
        held[name] = coverage(model, options.draws, rng)
        fits[name] = y, p, hessian
        print(f"{name}: minimum and Hessian differ from those on paper by {apart:.0e}")
        print(f"    {'':<14}{'drawn with':>12}{'found':>12}{'standard error':>18}{'interval holds':>18}")
        for row in zip(model.names, model.truth, p, standard_errors(hessian), held[name]):
            print("    {:<14}{:>12.4f}{:>12.4f}{:>18.4f}{:>16.1f} %".format(*row[:4], 100 * row[4]))
        assert apart < 1e-10
    assert agree_with_library(fits["variance learned too"][0], fits["counts"][0])
    print(f"intervals that hold, of {options.draws} for each parameter: "
          f"{100 * np.mean(np.concatenate(list(held.values()))):.1f} %")
    if options.plot:
        draw(fits, options.plot)
        print(f"drawn into {options.plot}")


if __name__ == "__main__":
    main()
