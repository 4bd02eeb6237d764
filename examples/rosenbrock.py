"""The program f(x) = (x2 - x1^2)^2 + (1 - x1)^2, its gradient at two points, and its minimum.

Shows that a derivative belongs to a point (another point is another evaluation, of the same function), and
what exact second derivatives buy: Newton's method arrives at the minimum (1, 1) in a handful of steps.

    python examples/rosenbrock.py
"""

import numpy as np

import wengert as wg


def f(x):
    return (x[1] - x[0] ** 2) ** 2 + (1.0 - x[0]) ** 2


def gradient_by_hand(x):
    inner = x[1] - x[0] ** 2
    return np.array([-4.0 * x[0] * inner - 2.0 * (1.0 - x[0]), 2.0 * inner])


def hessian_by_hand(x):
    return np.array([[12.0 * x[0] ** 2 - 4.0 * x[1] + 2.0, -4.0 * x[0]], [-4.0 * x[0], 2.0]])


def newton(x, steps=20):
    """The points that Newton's method visits, from x until the gradient vanishes."""
    path = [x]
    for _ in range(steps):
        g = wg.grad(f)(path[-1])
        if not g.any():
            break
        path.append(path[-1] - np.linalg.solve(wg.hessian(f)(path[-1]), g))
    return path


def main():
    for x in (np.array([-1.0, 2.0]), np.array([-1.5, 0.25])):
        value, gradient = wg.value_and_grad(f)(x)
        print(f"at {x}: f = {value}, gradient = {gradient}, Hessian = {wg.hessian(f)(x).tolist()}")
        # Every intermediate value is a small multiple of a power of two, so there is nothing to round.
        assert np.array_equal(gradient, gradient_by_hand(x))
        assert np.array_equal(wg.hessian(f)(x), hessian_by_hand(x))

    path = newton(np.array([-1.5, 0.25]))
    print("\nNewton's method:")
    for x in path:
        print(f"  x = ({x[0]: .15f}, {x[1]: .15f})   f = {f(x):.3e}")
    # The minimum is an isolated zero of the gradient with a Hessian of condition number 34.
    assert np.allclose(path[-1], 1.0, rtol=0.0, atol=34.0 * np.finfo(float).eps)


if __name__ == "__main__":
    main()
