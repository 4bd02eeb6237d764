"""Where forward and reverse mode cross: the Jacobian of f(x) = A x, m outputs of n = 100 inputs.

Forward mode takes a pass for each input, so its cost grows like m n^2; reverse mode takes one for each output,
m^2 n. The matrix of the Jacobian is A itself, so both can be checked. All passes are one batch: `vmap` over directions.
Time is measured, operations are counted on the graphs; where the two curves cross is interpolated. (wg.jacobian does
not multiply A with unit vectors: it finds A, for nothing. Behind a second matrix both modes pay.)

    python examples/mode_crossing.py
    python examples/mode_crossing.py --plot mode_crossing.png
"""

import argparse
import time

import numpy as np

import wengert as wg

N = 100
OUTPUTS = (10, 20, 40, 80, 160, 320, 640)


def shortest(run, repeats=5):
    """The least time of a few runs, in seconds."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return min(times)


def forward(f, x, A):
    return wg.vmap(wg.linearize(lambda x: f(x, A), x)[1])(np.eye(len(x))).T


def reverse(f, x, A):
    y, pullback = wg.vjp(lambda x: f(x, A), x)
    return wg.vmap(pullback)(np.eye(len(y)))[0]


def measure(m, rng):
    """Seconds and operations of forward and of reverse mode."""
    A = rng.normal(size=(m, N))
    f = lambda x, A: A @ x  # noqa: E731
    x = rng.normal(size=N)
    row = []
    for mode in (forward, reverse):
        jacobian = lambda x, A: mode(f, x, A)  # noqa: B023, E731
        assert np.allclose(jacobian(x, A), A, rtol=0.0, atol=1e-13)
        row += [shortest(lambda: jacobian(x, A)), wg.count_operations(jacobian, x, A)]  # noqa: B023
    return row


def crossing(m, first, second):
    """The m at which two curves meet, by interpolation in logarithms; None if they do not."""
    gap = np.log(np.asarray(first) / np.asarray(second))
    for k in range(len(m) - 1):
        if gap[k] * gap[k + 1] <= 0.0:
            t = gap[k] / (gap[k] - gap[k + 1])
            return float(np.exp((1 - t) * np.log(m[k]) + t * np.log(m[k + 1])))
    return None


def draw(table, file):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for axes, (a, b), what in zip(figure.subplots(1, 2), ((0, 2), (1, 3)), ("seconds", "operations")):
        axes.loglog(OUTPUTS, table[:, a], "o-", color="C1", label="forward mode")
        axes.loglog(OUTPUTS, table[:, b], "o-", color="C2", label="reverse mode")
        found = crossing(OUTPUTS, table[:, a], table[:, b])
        if found:
            axes.axvline(found, color="gray", linestyle=":", label=f"they cross at m = {found:.0f}")
        axes.set(xlabel=f"outputs m (inputs n = {N})", ylabel=what, title=f"Jacobian of A x: {what}")
        axes.legend()
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=110)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Forward against reverse mode for Jacobians of every shape.")
    parser.add_argument("--plot", metavar="FILE", help="draw the result into this file (PNG, PDF or SVG)")
    file = parser.parse_args(arguments).plot

    rng = np.random.default_rng(0)
    measure(OUTPUTS[0], rng)  # the first call imports
    table = np.array([measure(m, rng) for m in OUTPUTS])
    print(f"Jacobian of A x, {N} inputs {'milliseconds':>22}{'operations':>26}")
    print(f"{'outputs':>11}{'forward':>26}{'reverse':>12}{'forward':>14}{'reverse':>12}")
    for m, (a, b, c, d) in zip(OUTPUTS, table):
        print(f"{m:>11}{1e3 * a:>26.3f}{1e3 * c:>12.3f}{b:>14,.0f}{d:>12,.0f}")
    for what, k in (("operations", 1), ("time", 0)):
        found = crossing(OUTPUTS, table[:, k], table[:, k + 2])
        print(f"by {what} they cross at " + (f"m = {found:.0f}" if found else "no m of these"))
    if file:
        draw(table, file)
        print(f"drawn into {file}")


if __name__ == "__main__":
    main()
