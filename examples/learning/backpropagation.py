"""Backpropagation written by hand, in matrices, and the gradient of wengert: equal to rounding.

A network with two layers tells three classes of points in the plane, arms of a spiral. For n points, the rows of X, with
labels y and Y their indicators (Y_ic = 1 if y_i = c, else 0), the forward pass is

    Z = X A + a          n x h     h hidden units
    H = tanh(Z)          n x h
    S = H B + b          n x 3     a score for each class
    P = softmax(S)       n x 3     P_ic = exp(S_ic) / sum over k of exp(S_ik)
    L = -1/n sum over i of log P_{i, y_i}                  the cross-entropy

Write dL = <G, dS> for the differential of the loss, <U, V> = sum of U_ij V_ij, so that G has the shape of S and holds the
partial derivatives of L by its entries. Then, from the last line of the forward pass to the first:

    log P_ic = S_ic - log sum over k of exp(S_ik)   =>   dL = 1/n <P - Y, dS>            G_S = (P - Y) / n
    dS = dH B + H dB + 1 db,  <G, H dB> = <H'G, dB>,  <G, dH B> = <G B', dH>             G_B = H' G_S     h x 3
                                                                                         G_b = 1' G_S     3
                                                                                         G_H = G_S B'     n x h
    dH = (1 - H^2) * dZ, entry by entry                                                  G_Z = G_H * (1 - H^2)
    dZ = X dA + 1 da                                                                     G_A = X' G_Z     2 x h
                                                                                         G_a = 1' G_Z     h

The program trains by these formulas, and compares them with `wg.grad` of the forward pass at every step.

    python examples/learning/backpropagation.py
    python examples/learning/backpropagation.py --plot backpropagation.png
"""

import argparse

import numpy as np

import wengert as wg

CLASSES, HIDDEN, COUNT = 3, 24, 300
EPS = float(np.finfo(float).eps)


def spiral(rng):
    """Points along three arms, and which arm each is of."""
    y = np.arange(COUNT) % CLASSES
    t = rng.uniform(0.1, 1.0, COUNT)
    angle = 2 * np.pi * (y / CLASSES + 0.6 * t) + rng.normal(scale=0.12, size=COUNT)
    return np.stack([t * np.cos(angle), t * np.sin(angle)], axis=1), y


def start(rng):
    return {"A": rng.normal(scale=2.0, size=(2, HIDDEN)), "a": np.zeros(HIDDEN),
            "B": rng.normal(size=(HIDDEN, CLASSES)) / np.sqrt(HIDDEN), "b": np.zeros(CLASSES)}


def scores(p, X):
    return np.tanh(X @ p["A"] + p["a"]) @ p["B"] + p["b"]


def loss(p, X, y):
    S = scores(p, X)
    return np.mean(np.log(np.sum(np.exp(S), axis=1)) - S[np.arange(len(y)), y])


def backpropagation(p, X, y):
    """The gradient by the formulas above; and for each entry the sum of the moduli of its terms, of which it is the rest."""
    H = np.tanh(X @ p["A"] + p["a"])
    S = H @ p["B"] + p["b"]
    P = np.exp(S) / np.sum(np.exp(S), axis=1, keepdims=True)
    Y = np.eye(CLASSES)[y]

    def backward(G_S, X, H, B, slope):
        G_Z = (G_S @ B.T) * slope
        return {"A": X.T @ G_Z, "a": G_Z.sum(axis=0), "B": H.T @ G_S, "b": G_S.sum(axis=0)}
    gradient = backward((P - Y) / len(y), X, H, p["B"], 1.0 - H**2)
    moduli = backward((P + Y) / len(y), np.abs(X), np.abs(H), np.abs(p["B"]), 1.0 + H**2)
    return gradient, moduli


def difference(a, b, moduli):
    """The largest difference of two gradients, in roundings: units of eps times the sum of the moduli of an entry's terms.

    In theory it may be as large as the number of terms (Higham, Accuracy and Stability of Numerical Algorithms, 2002, 3.1);
    as roundings go either way, it is rarely above 1.
    """
    return max(np.max(np.abs(a[name] - b[name]) / moduli[name]) for name in a) / EPS


def train(p, X, y, steps, rate=0.5):
    """Gradient descent by hand-written backpropagation: parameters, losses, and the difference from `wg.grad` at each step."""
    by_wengert = wg.jit(wg.value_and_grad(loss))
    losses, differences = [], []
    for _ in range(steps):
        mine, moduli = backpropagation(p, X, y)
        value, other = by_wengert(p, X, y)
        losses.append(value)
        differences.append(difference(mine, other, moduli))
        p = {name: p[name] - rate * mine[name] for name in p}
    return p, np.array(losses), np.array(differences)


def draw(p, X, y, losses, differences, file):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.7), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    side = np.linspace(-1.25, 1.25, 300)
    grid = np.stack(np.meshgrid(side, side), axis=-1)
    colors = ["#4477aa", "#ccbb44", "#cc6677"]
    left.contourf(side, side, np.argmax(scores(p, grid), axis=-1), levels=[-0.5, 0.5, 1.5, 2.5], colors=colors, alpha=0.3)
    left.scatter(*X.T, c=np.array(colors)[y], s=9)
    left.set(title="the points and the classes", aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
    middle.loglog(1 + np.arange(len(losses)), losses)
    middle.set(title="training", xlabel="step", ylabel="cross-entropy")
    right.loglog(1 + np.arange(len(losses)), differences, ".", ms=2)
    right.axhline(1.0, color="gray", lw=1)
    right.annotate("one rounding of the sum of the moduli", (1.3, 1.0), xytext=(0, 4), textcoords="offset points", color="gray")
    right.set(title="by hand against wengert", xlabel="step", ylabel="largest difference, in roundings", ylim=(5e-3, 4))
    for axes in (middle, right):
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=110)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Backpropagation by hand and by wengert.")
    parser.add_argument("--plot", metavar="FILE", help="draw the result into this file (PNG, PDF or SVG)")
    parser.add_argument("--steps", type=int, default=4000, help="steps of gradient descent")
    options = parser.parse_args(arguments)

    rng = np.random.default_rng(0)
    X, y = spiral(rng)
    p, losses, differences = train(start(rng), X, y, options.steps)
    right = np.mean(np.argmax(scores(p, X), axis=1) == y)
    print(f"{COUNT} points, {HIDDEN} hidden units, {options.steps} steps: loss {losses[0]:.4f} before, {losses[-1]:.4f} after, "
          f"{100 * right:.1f} % right")
    print(f"gradients by hand and by wengert: at most {np.max(differences):.2f} roundings between them, {COUNT} in theory")
    assert np.max(differences) <= COUNT
    if options.plot:
        draw(p, X, y, losses, differences, options.plot)
        print(f"drawn into {options.plot}")


if __name__ == "__main__":
    main()
