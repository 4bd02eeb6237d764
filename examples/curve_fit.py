"""A curve through measurements, with standard errors and a prediction band: the mobility of electrons in a semiconductor.

The data are R. Thurber's, one of the harder nonlinear regressions of NIST's Statistical Reference Datasets: a quotient of two
cubic polynomials, seven parameters. NIST certifies parameters and standard deviations to eleven digits; the fit meets them to
seven, with a sixth of the evaluations that SciPy takes with differences.

    python examples/curve_fit.py [--plot FILE]
"""

import argparse
from pathlib import Path

import numpy as np

import wengert as wg

DATA = Path(__file__).parent / "data" / "thurber.csv"
START = [1000.0, 1000.0, 400.0, 40.0, 0.7, 0.3, 0.03]

# Certified values and their standard deviations: NIST StRD, www.itl.nist.gov/div898/strd/nls/data/thurber.shtml
CERTIFIED = {
    "b1": (1.2881396800e+03, 4.6647963344e+00),
    "b2": (1.4910792535e+03, 3.9571156086e+01),
    "b3": (5.8323836877e+02, 2.8698696102e+01),
    "b4": (7.5416644291e+01, 5.5675370270e+00),
    "b5": (9.6629502864e-01, 3.1333340687e-02),
    "b6": (3.9797285797e-01, 1.4984928198e-02),
    "b7": (4.9727297349e-02, 6.5842344623e-03),
}
RESIDUAL_STD = 1.3714600784e+01


def mobility(x, b1, b2, b3, b4, b5, b6, b7):
    return (b1 + b2 * x + b3 * x ** 2 + b4 * x ** 3) / (1.0 + b5 * x + b6 * x ** 2 + b7 * x ** 3)


def read():
    return np.loadtxt(DATA, delimiter=",", skiprows=1, unpack=True)


def fit():
    x, y = read()
    return wg.scipy.curve_fit(mobility, x, y, START, ftol=1e-15, xtol=1e-15)


def draw(found, path):
    """Data, curve and bands."""
    from matplotlib.figure import Figure
    x, y = read()
    at = np.linspace(x.min() - 0.25, x.max() + 0.25, 400)
    axes = Figure(figsize=(7.0, 4.2), layout="constrained").subplots()
    axes.fill_between(at, *found.band(at), color="C0", alpha=0.15, linewidth=0.0, label="95 %, a new observation")
    axes.fill_between(at, *found.band(at, of="curve"), color="C0", alpha=0.4, linewidth=0.0, label="95 %, the curve")
    axes.plot(at, found.predict(at), color="C0", linewidth=1.2)
    axes.plot(x, y, "k.", markersize=5, label="measured")
    axes.set_xlabel("log(density)")
    axes.set_ylabel("electron mobility")
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.figure.savefig(path, dpi=130)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", metavar="FILE", help="draw data, curve and bands")
    given = parser.parse_args()
    found = fit()
    print(f"{'':4} {'estimate':>14} {'std. error':>12} {'certified':>14} {'std. error':>12}")
    for (name, (value, error)), b, s in zip(CERTIFIED.items(), found.popt, found.std):
        print(f"{name:4} {b:14.6f} {s:12.6f} {value:14.6f} {error:12.6f}")
    print(f"standard deviation of residuals {found.residual_std:.6f}, certified {RESIDUAL_STD:.6f}")
    for x in (-3.0, -1.0, 2.0):
        lower, upper = found.band(x)
        print(f"at {x:4.1f}: {float(found.predict(x)):8.2f}, a new observation in [{lower:.2f}, {upper:.2f}] with 95 %")
    if given.plot:
        draw(found, given.plot)
        print(f"wrote {given.plot}")


if __name__ == "__main__":
    main()
