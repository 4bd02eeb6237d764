"""Draws swell.png: how many nodes symbolic derivatives have.

What comes in: nothing. What goes out: the picture of docs/symbolic.md. The one idea: every point is counted by
`wengert.symbolic.swell` from the functions below. Run it with ``python docs/images/swell.py``; it takes some seconds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import wengert as wg


def network(x, layers):
    """Two neurons in each layer, each fed by both of the layer before."""
    a, b = x, x
    for _ in range(layers):
        a, b = np.tanh(0.5 * a + 0.3 * b), np.tanh(0.2 * a - 0.7 * b)
    return a + b


def product(*x):
    """Speelpenning's product ``x1 x2 ... xn``."""
    total = x[0]
    for factor in x[1:]:
        total = total * factor
    return total


def main() -> None:
    from matplotlib.figure import Figure
    figure = Figure(figsize=(10.5, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)

    rows = wg.symbolic.swell("*".join(["(x + 1)"] * 10), order=6).rows
    wg.symbolic.draw(left, [r.order for r in rows], rows)
    left.set(title="ten factors $(x+1)\\cdots(x+1)$", xlabel="order of the derivative")

    depths = [1, 2, 4, 8, 15, 25, 40, 60, 80, 100]
    rows = [wg.symbolic.swell(network, 0.5, n, order=1).rows[1] for n in depths]
    wg.symbolic.draw(middle, depths, rows)
    middle.set(title="first derivative of a network", xlabel="layers (two neurons each)")

    counts = [2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
    rows, reverse = [], []
    for n in counts:
        names = [f"x{k}" for k in range(n)]
        rows.append(wg.symbolic.swell(wg.formula("*".join(names), names), order=1, wrt=names).rows[1])
        gradient = wg.make_graph(wg.grad(product, argnums=tuple(range(n))), *np.linspace(0.5, 1.5, n))
        reverse.append(len(gradient.equations) + n)
    wg.symbolic.draw(right, counts, rows)
    right.plot(counts, reverse, ":", color="k", label="reverse mode")
    right.legend(fontsize=8)
    right.set(title="all derivatives of $x_1 x_2 \\cdots x_n$", xlabel="n", xscale="log")
    right.set_xticks([2, 4, 8, 16, 32, 64], labels=["2", "4", "8", "16", "32", "64"])
    right.minorticks_off()
    figure.savefig(Path(__file__).with_name("swell.png"), dpi=85, metadata={"Software": None}, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main()
