"""Four formulas, written with plain NumPy, and their partial derivatives against the ones worked by hand.

    cos(x) e^(x^2)                           a product and a composition
    x y + sin x                              two inputs, one of them shared
    w2 log w1 + sqrt(w2 log w1)              an intermediate value that is used twice
    (x + sigmoid(y)) tanh x    at (2, 1)     df/dx = 1.157..., df/dy = 0.190...

    python examples/formulas.py
"""

import numpy as np

import wengert as wg


def sigmoid(y):
    return 1.0 / (1.0 + np.exp(-y))


def bell(x):
    return np.cos(x) * np.exp(x**2)


def bell_by_hand(x):
    return ((2.0 * x * np.cos(x) - np.sin(x)) * np.exp(x**2),)


def shared(x, y):
    return x * y + np.sin(x)


def shared_by_hand(x, y):
    return y + np.cos(x), x


def twice(w1, w2):
    v = w2 * np.log(w1)
    return v + np.sqrt(v)


def twice_by_hand(w1, w2):
    slope = 1.0 + 0.5 / np.sqrt(w2 * np.log(w1))  # of v + sqrt(v)
    return slope * w2 / w1, slope * np.log(w1)


def gate(x, y):
    return (x + sigmoid(y)) * np.tanh(x)


def gate_by_hand(x, y):
    s, t = sigmoid(y), np.tanh(x)
    return t + (x + s) * (1.0 - t) * (1.0 + t), s * (1.0 - s) * t


FORMULAS = [
    (bell, bell_by_hand, (0.5,)),
    (shared, shared_by_hand, (0.5, 4.2)),
    (twice, twice_by_hand, (3.0, 2.0)),
    (gate, gate_by_hand, (2.0, 1.0)),
]


def gradient(f, point):
    """The value of f at the point, and all its partial derivatives from one backward pass."""
    return wg.value_and_grad(f, argnums=tuple(range(len(point))))(*point)


def main():
    for f, by_hand, point in FORMULAS:
        value, partials = gradient(f, point)
        print(f"{f.__name__}{point} = {value:.16g}")
        for name, mine, exact in zip(f.__code__.co_varnames, partials, by_hand(*point)):
            print(f"    d/d{name:<3} {mine:.16g}   by hand {exact:.16g}")
            # A few roundings each way, none of them magnified by more than a factor of four.
            assert abs(mine - exact) <= 16.0 * np.finfo(float).eps * abs(exact)


if __name__ == "__main__":
    main()
