"""The trace and the spectrum of a network's Hessian, from products with vectors alone.

A network with tanh units learns two moons of points by gradient descent. The Hessian of its loss in all n weights has n^2
entries; a product with a vector costs a few gradients and no matrix. From products alone:

    tr H = E[v' H v] for random v with E[v v'] = 1          (Hutchinson 1990)

by three estimators, and the density of the eigenvalues by Lanczos quadrature (Ubaru, Chen and Saad 2017). This
network is small enough to form the matrix, so every estimate is held against the exact value.

    python examples/learning/hessian_trace.py
    python examples/learning/hessian_trace.py --plot hessian_trace.png
"""

import argparse
import itertools

import numpy as np

import wengert as wg

WIDTHS = (2, 12, 12, 1)
BUDGETS = (30, 60, 120, 240)  # products
METHODS = ("hutchinson", "hutch++", "xtrace")


def moons(rng, count=100):
    """Two half circles that reach into each other, with labels 0 and 1."""
    angle = rng.uniform(0.0, np.pi, count)
    label = np.arange(count) % 2
    x = np.where(label, 1.0 - np.cos(angle), np.cos(angle))
    y = np.where(label, 0.5 - np.sin(angle), np.sin(angle))
    return np.stack([x, y], axis=1) + rng.normal(scale=0.1, size=(count, 2)), label.astype(float)


def start(rng):
    return [{"w": rng.normal(size=(a, b)) / np.sqrt(a), "b": np.zeros(b)} for a, b in itertools.pairwise(WIDTHS)]


def loss(layers, x, t):
    """The mean cross entropy, in a form that does not overflow."""
    for layer in layers[:-1]:
        x = np.tanh(x @ layer["w"] + layer["b"])
    logit = (x @ layers[-1]["w"] + layers[-1]["b"])[:, 0]
    return np.mean(np.logaddexp(0.0, logit) - t * logit)


def trained(rng, steps=50, rate=0.5):
    x, t = moons(rng)
    descent = wg.optim.gradient_descent(lambda layers: loss(layers, x, t), start(rng), step=rate, iterations=steps)
    return (lambda layers: loss(layers, x, t)), descent.x


def errors(hessian, exact, seeds):
    """Root mean square errors over the seeds, relative, and the mean of what the estimators say of them."""
    found = {}
    for method in METHODS:
        for products in BUDGETS:
            runs = [wg.stochastic.trace(hessian, seed=s, method=method, tolerance=0, max_products=products)
                    for s in range(seeds)]
            off = np.sqrt(np.mean([(e.value - exact) ** 2 for e in runs])) / exact
            said = np.sqrt(np.mean([e.standard_error ** 2 for e in runs])) / exact
            found[method, products] = off, said
    return found


def smoothed(eigenvalues, density):
    """The exact density of the eigenvalues, smoothed as the estimate is."""
    z = (density.points[:, None] - eigenvalues) / density.width
    return np.mean(np.exp(-0.5 * z ** 2), axis=1) / (density.width * np.sqrt(2 * np.pi))


def draw(found, density, eigenvalues, file):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for k, method in enumerate(METHODS):
        left.loglog(BUDGETS, [found[method, m][0] for m in BUDGETS], "o-", color=f"C{k}", label=method)
        left.loglog(BUDGETS, [found[method, m][1] for m in BUDGETS], ":", color=f"C{k}")
    left.plot([], [], ":", color="gray", label="the standard error that it states")
    left.set(xlabel="Hessian-vector products", ylabel="relative error of the trace", title="the trace of the Hessian")
    left.set_xticks(BUDGETS, [str(m) for m in BUDGETS])
    left.minorticks_off()
    left.legend(fontsize=8.5)
    low, high = 1e-3, 3 * float(np.max(density.density))
    right.fill_between(density.points, *np.maximum(density.density + [[-2], [2]] * density.standard_error, low), color="C0",
                       alpha=0.3, lw=0, label="± 2 standard errors")
    right.semilogy(density.points, np.maximum(density.density, low), color="C0", label="Lanczos quadrature")
    right.semilogy(density.points, np.maximum(smoothed(eigenvalues, density), low), "--", color="black", lw=1,
                   label="exact, smoothed alike")
    right.plot(eigenvalues, np.full(len(eigenvalues), 1.5 * low), "|", color="C3", ms=9,
               label=f"the {len(eigenvalues)} eigenvalues")
    right.set(xlabel="eigenvalue", ylabel="density", ylim=(low, high),
              title=f"the spectrum, from {density.products} products")
    right.legend(fontsize=8.5)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=110)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="The trace and the spectrum of a network's Hessian, without the matrix.")
    parser.add_argument("--plot", metavar="FILE", help="draw the result into this file (PNG, PDF or SVG)")
    parser.add_argument("--seeds", type=int, default=20, help="how many runs of each estimator")
    options = parser.parse_args(arguments)

    f, weights = trained(np.random.default_rng(0))
    hessian = wg.stochastic.hessian_operator(f, weights)
    n = hessian.shape[0]
    matrix = hessian @ np.eye(n)  # n products: what the estimators avoid
    exact, eigenvalues = np.trace(matrix), np.linalg.eigvalsh(matrix)
    print(f"a network of {n} weights: loss {f(weights):.4f}, trace of the Hessian {exact:.6f}")

    found = errors(hessian, exact, options.seeds)
    print("\nroot mean square error of the trace, relative (and as the estimator states it)")
    print(f"{'products':<12}" + "".join(f"{m:>20}" for m in BUDGETS))
    for method in METHODS:
        print(f"{method:<12}" + "".join("{:>10.1e} ({:.0e})".format(*found[method, m]) for m in BUDGETS))

    e = wg.stochastic.trace(hessian, seed=0, method="xtrace", tolerance=0.01)
    print(f"\nto one percent: {e.value:.4f} ± {e.standard_error:.4f} from {e.products} products")
    density = wg.stochastic.spectral_density(hessian, seed=0, steps=60, count=10)
    print(f"eigenvalues from {eigenvalues[0]:.4f} to {eigenvalues[-1]:.4f}; the quadrature's nodes from "
          f"{density.nodes.min():.4f} to {density.nodes.max():.4f}")
    total = np.trapezoid(np.abs(density.density - smoothed(eigenvalues, density)), density.points)
    print(f"the densities, of integral 1, differ by {total:.3f} in the mean")
    if options.plot:
        draw(found, density, eigenvalues, options.plot)
        print(f"drawn into {options.plot}")


if __name__ == "__main__":
    main()
