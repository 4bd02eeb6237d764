"""LU factorization by hand, in place, with row exchanges: the logarithm of |det A|.

The rows are exchanged and updated in the array itself. The gradient is the transpose of the inverse, which nobody
wrote down here.

    python examples/programs/lu.py
"""

import numpy as np

import wengert as wg


def factor(a):
    """L and U in one array, and the exchanges; a is kept."""
    a = a.copy()
    n = len(a)
    exchanged = np.zeros(n, dtype=int)
    for k in range(n):
        pivot = k + np.argmax(np.abs(a[k:, k]))
        exchanged[k] = pivot
        if pivot != k:
            a[[k, pivot]] = a[[pivot, k]]
        for i in range(k + 1, n):
            a[i, k] /= a[k, k]
            a[i, k + 1 :] -= a[i, k] * a[k, k + 1 :]
    return a, exchanged


def log_determinant(a):
    lu, _ = factor(a)
    total = 0.0
    for k in range(len(a)):
        total += np.log(np.abs(lu[k, k]))
    return total


def inputs(n=5, seed=3):
    return (np.random.default_rng(seed).normal(size=(n, n)),)


def main():
    (a,) = inputs()
    value, gradient = wg.value_and_grad(log_determinant)(a)
    print(f"log |det A| of a {len(a)} by {len(a)} matrix: {value:.12f}")
    print(f"gradient:\n{gradient}")
    difference = np.max(np.abs(gradient - np.linalg.inv(a).T))
    print(f"check: differs from the transposed inverse by {difference:.1e}")
    assert difference <= 1e-13 * np.linalg.cond(a) * np.max(np.abs(gradient))
    wg.check_grads(log_determinant, (a,))
    print("check: forward and reverse mode agree with finite differences, to second order")


if __name__ == "__main__":
    main()
