"""Logistic regression by stochastic gradient descent, against scikit-learn's optimum.

569 tumors, 30 measurements each (the breast cancer data that scikit-learn brings along), standardized. With labels y in {0, 1}

    f(w, b) = mean of log(1 + exp(z_i)) - y_i z_i  +  |w|^2 / (2 C n),    z_i = w . x_i + b,

is what scikit-learn's LogisticRegression(C=C) minimizes, divided by C n. Three descents spend the same number of gradients of
single terms, that is of passes through the data (epochs), on it:

    batch 1     569 updates an epoch     each along the gradient of one term
    batch 32     18 updates an epoch     each along the mean of 32
    batch 569     1 update an epoch      along the gradient itself

A small batch makes much of an epoch, and pays with noise, which only a falling learning rate takes away. The full batch has no
noise, but makes one step in an epoch. L-BFGS, full batch too, is drawn beside them.

    python examples/learning/logistic_sgd.py
    python examples/learning/logistic_sgd.py --plot logistic_sgd.png
"""

import argparse
import math

import numpy as np

import wengert as wg

C = 0.1  # the inverse strength of the penalty
EPOCHS = 60
RATES = {1: 0.1, 32: 0.4, 569: 0.5}  # learning rates at the start, by the size of a batch


def read():
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    return (X - X.mean(axis=0)) / X.std(axis=0), y.astype(float)


def loss(params, X, y, n):
    """Of a batch of the n points: an estimate of f, and f itself of all of them."""
    z = X @ params["w"] + params["b"]
    return np.mean(np.logaddexp(0.0, z) - y * z) + np.sum(params["w"] ** 2) / (2.0 * C * n)


def optimum(X, y):
    """By scikit-learn, to its last digits."""
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-14, max_iter=1000).fit(X, y)
    return {"w": found.coef_[0], "b": found.intercept_[0]}


def updates_per_epoch(n, batch):
    return math.ceil(n / batch)


def descend(X, y, batch, epochs=EPOCHS, seed=0):
    """The parameters after each epoch, with a learning rate that falls linearly, to zero at the end, if there is noise."""
    n = len(y)
    total = epochs * updates_per_epoch(n, batch)
    rate = RATES.get(batch, 0.1)
    optimizer = wg.optim.SGD(rate if batch >= n else wg.optim.LinearDecay(rate, 0.0, steps=total))

    @wg.jit
    def step(params, state, X, y):
        gradient = wg.grad(loss)(params, X, y, n)
        return optimizer.update(gradient, state, params)

    rng, params = np.random.default_rng(seed), {"w": np.zeros(X.shape[1]), "b": 0.0}
    state, course = optimizer.init(params), [params]
    for _ in range(epochs):
        order = rng.permutation(n)
        for start in range(0, n, batch):
            chosen = order[start : start + batch]
            params, state = step(params, state, X[chosen], y[chosen])
        course.append(params)
    return course


def by_lbfgs(X, y, epochs=EPOCHS):
    """Points after each evaluation's worth of data, and where it ends."""
    course = []
    start = {"w": np.zeros(X.shape[1]), "b": 0.0}
    found = wg.optim.lbfgs(lambda params: loss(params, X, y, len(y)), start, tolerance=1e-12, iterations=epochs,
                           callback=lambda k, params, g: course.append(params))
    return [*course, found.x], found


def distance(params, best):
    """|params - best| / |best|."""
    flat = [np.append(p["w"], p["b"]) for p in (params, best)]
    return np.linalg.norm(flat[0] - flat[1]) / np.linalg.norm(flat[1])


def draw(distances, n, file):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for label, far in distances.items():
        epochs = np.arange(len(far))
        updates = 1 if label == "L-BFGS" else updates_per_epoch(n, label)
        style = "k--" if label == "L-BFGS" else "-"
        name = label if label == "L-BFGS" else f"batch {label}: {updates} update{'s'[: updates > 1]} an epoch"
        left.semilogy(epochs, far, style, label=name)
        right.loglog(updates * epochs[1:], far[1:], style, label=name)
    left.set(xlabel="epochs (passes through the data)", ylabel="distance to scikit-learn's optimum, relative", ylim=(1e-3, 8.0))
    right.set(xlabel="updates")
    left.legend(fontsize=9)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.suptitle("logistic regression by stochastic gradient descent")
    figure.savefig(file, dpi=110)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Stochastic gradient descent against scikit-learn's optimum.")
    parser.add_argument("--plot", metavar="FILE", help="draw the distances into this file (PNG, PDF or SVG)")
    file = parser.parse_args(arguments).plot

    X, y = read()
    n, best = len(y), optimum(X, y)
    least = loss(best, X, y, n)
    courses = {batch: descend(X, y, batch) for batch in RATES}
    courses["L-BFGS"], exact = by_lbfgs(X, y)
    distances = {label: [distance(p, best) for p in course] for label, course in courses.items()}

    print(f"{n} points, {X.shape[1]} measurements; f = {least:.12f} at scikit-learn's optimum")
    print(f"{'':<10}updates an epoch   updates     f - f*   distance after {EPOCHS} epochs")
    for batch in RATES:
        updates, last = updates_per_epoch(n, batch), courses[batch][-1]
        above = loss(last, X, y, n) - least
        print(f"batch {batch:<4}{updates:>16,}{updates * EPOCHS:>10,}{above:>11.1e}{distances[batch][-1]:>11.2e}")
    print(f"L-BFGS{exact.evaluations:>30,}{exact.value - least:>11.1e}{distances['L-BFGS'][-1]:>11.2e}")
    right = np.mean((X @ best["w"] + best["b"] > 0) == (y > 0.5))
    agree = {label: np.mean((X @ c[-1]["w"] + c[-1]["b"] > 0) == (y > 0.5)) for label, c in courses.items()}
    shares = ", ".join(f"{share:.2%} ({label})" for label, share in agree.items())
    print(f"classified right: {right:.2%} at the optimum, {shares}")
    if file:
        draw(distances, n, file)
        print(f"drawn into {file}")


if __name__ == "__main__":
    main()
