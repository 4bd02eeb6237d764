"""A minimum of maxima by nested gradient descent: ridge regression as a game.

    min over x of max over y of   y . (A x - b) - |y|^2 / 2 + ridge |x|^2 / 2

The inner loop climbs in y, the outer one descends in x at the y found; each stops when its gradient is small. The
value at the end is differentiated in b and in the ridge. Eliminating y gives |A x - b|^2 / 2 + ridge |x|^2 / 2, so
the answer is known.

    python examples/programs/minmax.py
"""

import numpy as np

import wengert as wg


def payoff(x, y, A, b, ridge):
    return y @ (A @ x - b) - 0.5 * (y @ y) + 0.5 * ridge * (x @ x)


def climb(x, y, A, b, rate, tolerance):
    """The best answer y to x."""
    for _ in range(100):
        gradient = A @ x - b - y
        y = y + rate * gradient
        if np.max(np.abs(gradient)) <= tolerance:
            break
    return y


def value(parameters, A, rate=0.5, tolerance=1e-11):
    """parameters: b, followed by the ridge."""
    b, ridge = parameters[:-1], parameters[-1]
    x, y = np.zeros(A.shape[1]), np.zeros(len(A))
    while True:
        y = climb(x, y, A, b, rate, tolerance)
        gradient = A.T @ y + ridge * x
        if np.max(np.abs(gradient)) <= tolerance:
            break
        x = x - rate * gradient
    return payoff(x, y, A, b, ridge)


def inputs(rows=4, columns=2, seed=5):
    """A with orthonormal columns times (1.0, 0.7, ...), so that descent at a rate of 1/2 converges."""
    rng = np.random.default_rng(seed)
    A = np.linalg.qr(rng.normal(size=(rows, columns)))[0] * np.linspace(1.0, 0.7, columns)
    return np.append(rng.normal(size=rows), 0.5), A


def main():
    parameters, A = inputs()
    found, gradient = wg.value_and_grad(value)(parameters, A)
    print(f"value of the game: {found:.12f}")
    print(f"gradient in b and in the ridge: {gradient}")
    b, ridge = parameters[:-1], parameters[-1]
    x = np.linalg.solve(A.T @ A + ridge * np.eye(A.shape[1]), A.T @ b)
    by_hand = np.append(b - A @ x, 0.5 * (x @ x))
    print(f"check: differs from that of ridge regression by {np.max(np.abs(gradient - by_hand)):.1e}")
    wg.check_grads(lambda parameters: value(parameters, A), (parameters,), order=1)
    print("check: forward and reverse mode agree with finite differences")


if __name__ == "__main__":
    main()
