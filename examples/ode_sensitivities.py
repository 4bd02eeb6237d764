"""Hares and lynxes: the Lotka-Volterra equations fitted to twenty-one years of pelts, by exact sensitivities.

The Hudson's Bay Company counted pelts of hares and lynxes, in thousands, 1900 to 1920. The model

    u' = (a - b v) u        hares
    v' = (-c + d u) v       lynxes

has four rates and two populations at the start. They are fitted to the logarithms of the counts by SciPy's `least_squares`
with an exact Jacobian: the derivative of the solution of the differential equations, not of the integrator's steps. The
curvature at the optimum gives standard errors, and the sensitivities a band around the curve (first order).

Data: Howard, "Modeling basics", lecture notes for Math 442, Texas A&M University (2009), after Hewitt, "The conservation of the
wild life of Canada" (1921). Published estimates: Carpenter, "Predator-prey population dynamics: the Lotka-Volterra model in
Stan" (2018), posterior means 0.55, 0.028, 0.80, 0.024 with weakly informative priors.

    python examples/ode_sensitivities.py
    python examples/ode_sensitivities.py --plot ode_sensitivities.png
"""

import argparse

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

import wengert as wg

HARES = np.array([30.0, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22.0, 25.4, 27.1, 40.3, 57.0, 76.6, 52.3, 19.5, 11.2, 7.6,
                  14.6, 16.2, 24.7])
LYNXES = np.array([4.0, 6.1, 9.8, 35.2, 59.4, 41.7, 19.0, 13.0, 8.3, 9.1, 7.4, 8.0, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7,
                   10.1, 8.6])
YEARS = np.arange(1900.0, 1921.0)
COUNTS = np.array([HARES, LYNXES])
NAMES = ("a", "b", "c", "d", "u(1900)", "v(1900)")
PUBLISHED = (0.55, 0.028, 0.80, 0.024, 33.96, 5.93)
START = np.log([0.5, 0.02, 0.8, 0.02, 30.0, 4.0])


def rates(t, y, a, b, c, d):
    u, v = y
    return [(a - b * v) * u, (-c + d * u) * v]


def populations(q, times):
    """Both populations at the times, of the logarithms q of the six numbers."""
    a, b, c, d, u, v = np.exp(q)
    span = (times[0], times[-1])
    return solve_ivp(rates, span, [u, v], "DOP853", t_eval=times, args=(a, b, c, d), rtol=1e-9, atol=1e-9).y


def residuals(q):
    return np.ravel(np.log(populations(q, YEARS)) - np.log(COUNTS))


def fit():
    """The estimates, their standard errors, and the covariance of their logarithms."""
    found = least_squares(residuals, START, jac=wg.jacobian(residuals))
    variance = 2.0 * found.cost / (COUNTS.size - found.x.size)
    covariance = variance * np.linalg.inv(found.jac.T @ found.jac)
    return found, np.exp(found.x) * np.sqrt(np.diag(covariance)), covariance


def plot(path, q, covariance):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    times = np.linspace(1900.0, 1920.0, 401)
    curves = populations(q, times)
    sensitivity = wg.jacfwd(populations)(q, times)
    deviation = np.sqrt(np.einsum("itj,jk,itk->it", sensitivity, covariance, sensitivity))
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(8.0, 7.0), sharex=True, layout="constrained")
    for i, (name, color) in enumerate((("hares", "tab:blue"), ("lynxes", "tab:red"))):
        top.plot(times, curves[i], color=color, label=name)
        top.fill_between(times, curves[i] - 2.0 * deviation[i], curves[i] + 2.0 * deviation[i], color=color, alpha=0.2, lw=0)
        top.plot(YEARS, COUNTS[i], "o", color=color, ms=4)
    top.set_ylabel("pelts (thousands)")
    top.set_title("counts, fit, and two standard errors")
    top.legend()
    for j, name in enumerate(NAMES[:4]):
        bottom.plot(times, sensitivity[0, :, j] / curves[0], label=f"{name}")
    bottom.axhline(0.0, color="gray", lw=0.5)
    bottom.set_ylabel("change of log hares per change of log rate")
    bottom.set_xlabel("year")
    bottom.set_title("sensitivity of the hares to each rate: it grows as phases drift apart")
    bottom.set_xticks(range(1900, 1921, 4))
    bottom.legend(ncols=4)
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", metavar="FILE", help="draw the fit and the sensitivities")
    arguments = parser.parse_args()
    found, errors, covariance = fit()
    print(f"{'':10}{'estimate':>10}{'error':>9}{'published':>11}")
    for name, value, error, other in zip(NAMES, np.exp(found.x), errors, PUBLISHED, strict=True):
        print(f"{name:10}{value:10.4f}{error:9.4f}{other:11.4f}")
    print(f"\n{found.nfev} evaluations, {found.njev} Jacobians; gradient at the optimum {np.abs(found.grad).max():.1e}")
    if arguments.plot:
        plot(arguments.plot, found.x, covariance)


if __name__ == "__main__":
    main()
