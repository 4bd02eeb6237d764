"""The curse of dimensionality: descent with gradients, and descent with evaluations only.

A gradient costs as much as a few evaluations, whatever the number of inputs n. Who has only evaluations can
still estimate it from two of them, along a random direction v on the unit sphere:

    G = n (f(x + ev) - f(x - ev)) / 2e . v,    E[G] = the gradient (up to e^2)

and descend along G in its place. Steps have to be n times shorter, for |G|^2 is n |gradient|^2 on average; so
theory has k iterations do with n k what gradient descent does with k:

    smooth                   |gradient|^2 <= O(1/k)         O(n/k)
    smooth and convex        f - f* <= O(1/k)               O(n/k)
    strongly convex          f - f* <= O((1 - m/L)^k)       O((1 - m/nL)^k)

(Nesterov and Spokoiny 2017; m and L bound the curvature.) This program counts iterations to a given accuracy
on one problem of each kind, and on multidimensional scaling, where points are sought that have given
distances; fits the exponent of n; and holds it against theory's. Scaling also has a closed form, classical
scaling, which is the projection on principal components: the descent must end there.

    python examples/zero_order.py
    python examples/zero_order.py --plot zero_order.png
"""

import argparse
from dataclasses import dataclass

import numpy as np

import wengert as wg

SIZES = (8, 16, 32, 64)
CURVATURES = (1.0, 4.0)  # m and L of the strongly convex problem


@dataclass
class Problem:
    """A function of n inputs whose constants do not depend on n, and when it counts as solved."""

    name: str
    bound: str
    f: object
    start: np.ndarray
    lipschitz: float
    measure: object  # what has to fall below the accuracy
    accuracy: float


def smooth(n):
    """Not convex around 0, its least far away: the mean of 1 / (1 + n x_i^2)."""
    f = wg.jit(lambda x: np.mean(1.0 / (1.0 + n * x**2)))
    gradient = wg.jit(wg.grad(f))
    norm = lambda x: np.sum(gradient(x) ** 2)  # noqa: E731
    return Problem("smooth", "|gradient|² ~ n/k", f, np.full(n, 0.5 / np.sqrt(n)), 2.0, norm, 2e-3)


def convex(n):
    """The logistic loss of data that can be separated: the least is at infinity, and f - f* falls like 1/k."""
    f = wg.jit(lambda x: np.mean(np.log1p(np.exp(-np.sqrt(n) * x))))
    return Problem("convex", "f − f* ~ n/k", f, np.zeros(n), 0.25, f, 0.01)


def strongly_convex(n):
    """Half the sum of c_i x_i^2, with curvatures c_i from m to L."""
    c = np.linspace(*CURVATURES, n)
    f = wg.jit(lambda x: 0.5 * np.sum(c * x**2))
    start = np.full(n, 1.0 / np.sqrt(n))
    return Problem("strongly convex", "f − f* ~ (1 − m/nL)^k", f, start, CURVATURES[1], f, 1e-5 * f(start))


def points_of(n):
    """n/2 points on an ellipse."""
    angle = 2.0 * np.pi * np.arange(n // 2) / (n // 2) + 0.1
    return np.stack([np.cos(angle), 0.6 * np.sin(angle)], axis=1)


def squared_distances(W):
    differences = W[:, None, :] - W[None, :, :]
    return np.sum(differences**2, axis=-1)


def scaling(n):
    """Multidimensional scaling: n/2 points in the plane from their squared distances."""
    P = points_of(n)
    D = squared_distances(P)
    N = len(P)
    f = wg.jit(lambda W: np.sum((squared_distances(W) - D) ** 2) / N)
    start = P + 0.2 * np.random.default_rng(1).normal(size=P.shape)
    curvature = np.linalg.eigvalsh(wg.hessian(f)(P).reshape(n, n))[-1]
    return Problem("scaling", "none known", f, start, 2.0 * curvature, f, 1e-3 * f(start))


PROBLEMS = (smooth, convex, strongly_convex, scaling)


def descend(p, gradient, step, most):
    """The iterations until the measure is below the accuracy, and the course of f."""
    course = []

    def done(k, x, g):
        course.append(p.f(x))
        return p.measure(x) <= p.accuracy

    found = wg.optim.gradient_descent(None, p.start, gradient, step=step, iterations=most, callback=done)
    assert found.reason == "ended by the callback", found.reason
    return found.iterations, np.array(course)


def by_gradient(p):
    """The iterations of gradient descent, and the course of f."""
    return descend(p, wg.jit(wg.grad(p.f)), 1.0 / p.lipschitz, 100_000)


def by_evaluations(p, seed=0):
    """The same of zero-order descent: two evaluations and a step n times shorter."""
    rng = np.random.default_rng(seed)
    estimate = lambda x: wg.numeric.random_gradient(p.f, x, seed=rng)  # noqa: E731
    return descend(p, estimate, 1.0 / (p.lipschitz * p.start.size), 1_000_000)


def slope(sizes, counts):
    """The exponent of n, fitted."""
    return np.polyfit(np.log(sizes), np.log(counts), 1)[0]


def classical_scaling(D, d):
    """Points with squared distances D, by eigenvectors of the centered matrix (Torgerson 1952)."""
    N = len(D)
    center = np.eye(N) - 1.0 / N
    values, vectors = np.linalg.eigh(-0.5 * center @ D @ center)
    return (vectors * np.sqrt(np.maximum(values, 0.0)))[:, ::-1][:, :d]


def principal_components(P):
    """The coordinates of centered points along their principal axes."""
    U, s, _ = np.linalg.svd(P - P.mean(axis=0), full_matrices=False)
    return U * s


def aligned(W, target):
    """W, turned, reflected and shifted to the target (Procrustes)."""
    U, _, Vt = np.linalg.svd((W - W.mean(axis=0)).T @ (target - target.mean(axis=0)))
    return (W - W.mean(axis=0)) @ U @ Vt + target.mean(axis=0)


def same_up_to_signs(A, B):
    return np.max(np.minimum(np.abs(A - B), np.abs(A + B)))


def compare_with_components(n):
    """Three ways to one map: descent, classical scaling, principal components; how far they are apart."""
    p, P = scaling(n), points_of(n)
    found = wg.optim.gradient_descent(p.f, p.start, step=1.0 / p.lipschitz, iterations=3000, tolerance=0.0)
    classical, components = classical_scaling(squared_distances(P), 2), principal_components(P)
    return np.max(np.abs(aligned(found.x, classical) - classical)), same_up_to_signs(classical, components)


def contraction(course):
    """The factor by which f - f* shrinks per iteration."""
    return (course[-1] / course[0]) ** (1.0 / (len(course) - 1))


def tail_slope(course):
    """The exponent of k in f - f*, fitted over the latter half of the course."""
    k = np.arange(len(course) // 2, len(course))
    return slope(k, course[k])


def draw(results, courses, file):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for k, (name, (_, first, second)) in enumerate(results.items()):
        left.loglog(SIZES, second, "o-", color=f"C{k}", label=f"{name}: slope {slope(SIZES, second):.2f}")
        left.loglog(SIZES, first, "s--", color=f"C{k}", markerfacecolor="white")
    n = np.array(SIZES)
    guide = 2.5 * max(second[0] for _, _, second in results.values())
    left.loglog(n, guide * n / n[0], ":", color="gray", label="theory: slope 1")
    left.plot([], [], "s--", color="gray", markerfacecolor="white", label="the same by gradient descent")
    left.set(xlabel="inputs n", ylabel="iterations", title="iterations to the same accuracy", ylim=(8, 1.5e5))
    left.set_xticks(SIZES, [str(n) for n in SIZES])
    left.minorticks_off()
    left.legend(fontsize=8.5)
    for k, j in enumerate((0, 2)):
        exact, estimated = courses["convex"][j]
        right.loglog(np.arange(1, len(estimated)), estimated[1:], color=f"C{k + 4}", label=f"two evaluations, n = {SIZES[j]}")
    right.loglog(np.arange(1, len(exact)), exact[1:], "--", color="black", label="gradient, any n")
    right.set(xlabel="iteration k", ylabel="f − f*", title="the convex problem: 1/k, and n/k")
    right.legend(fontsize=8.5)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=110)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Iterations against the number of inputs, with and without gradients.")
    parser.add_argument("--plot", metavar="FILE", help="draw the result into this file (PNG, PDF or SVG)")
    file = parser.parse_args(arguments).plot

    print(f"{'iterations with n inputs:':<33}" + "".join(f"{n:>8}" for n in SIZES) + "   slope  theory")
    results, courses = {}, {}
    for make in PROBLEMS:
        problems = [make(n) for n in SIZES]
        exact, estimated = [by_gradient(p) for p in problems], [by_evaluations(p) for p in problems]
        name, first, second = problems[0].name, [count for count, _ in exact], [count for count, _ in estimated]
        results[name] = (problems[0].bound, first, second)
        courses[name] = [(a, b) for (_, a), (_, b) in zip(exact, estimated)]
        for what, counts, theory in (("gradient", first, 0), ("two evaluations", second, 1)):
            cells = "".join(f"{count:>8,}" for count in counts)
            known = f"{theory:>8}" if problems[0].bound != "none known" else "        "
            print(f"{name:<17}{what:<16}{cells}{round(slope(SIZES, counts), 2) + 0.0:>8.2f}{known}".rstrip())

    print("\nconvex: exponent of k in f - f* (theory: -1)")
    for n, (exact, estimated) in zip(SIZES, courses["convex"]):
        print(f"    n = {n:<4} gradient {tail_slope(exact):.2f}   two evaluations {tail_slope(estimated):.2f}")
    m, lipschitz = CURVATURES
    print("strongly convex: factor of f - f* per iteration with two evaluations (theory: at most 1 - m/nL)")
    for n, (_, estimated) in zip(SIZES, courses["strongly convex"]):
        print(f"    n = {n:<4} {contraction(estimated):.4f}   1 - m/nL = {1 - m / (n * lipschitz):.4f}")

    descent, components = compare_with_components(16)
    print("\nscaling of 8 points: the map that descent finds and that of classical scaling differ by")
    print(f"    {descent:.1e}; classical scaling and principal components, but for signs, by {components:.1e}")
    if file:
        draw(results, courses, file)
        print(f"drawn into {file}")


if __name__ == "__main__":
    main()
