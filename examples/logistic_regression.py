"""Logistic regression on real data: coefficients and their standard errors from exact derivatives.

The loss is the negative log-likelihood, in plain NumPy. Newton's method takes its gradient and its Hessian,
and the inverse of the Hessian at the optimum holds the squared standard errors. Two data sets:

    o_rings      did an O-ring of the Space Shuttle show distress, given the temperature at launch?
                 Compared with the published fit (Dalal, Fowlkes and Hoadley 1989).
    votes_1996   Clinton or Dole, given a voter's politics, age, education and income?
                 Compared with the fit of an independent program (statsmodels).

    python examples/logistic_regression.py
"""

import csv
from pathlib import Path

import numpy as np

import wengert as wg

DATA = Path(__file__).parent / "data"

# The optima as computed by statsmodels to its last digits: (coefficient, standard error) for each column.
# Dalal, Fowlkes and Hoadley (J. Amer. Statist. Assoc. 84, 1989) print 15.0429 and -0.2322 for the O-rings.
REFERENCE = {
    "o_rings": {
        "constant": (15.042901647702422, 7.378636384916418),
        "temperature": (-0.2321627442185962, 0.10823652164928327),
    },
    "votes_1996": {
        "constant": (-7.811147240705736, 0.7990759726408975),
        "selfLR": (0.5976273328630619, 0.10820572993613559),
        "PID": (1.0452294178298513, 0.07309677931989865),
        "age": (0.010130938798839247, 0.007204158497539887),
        "educ": (0.05508713350943233, 0.08041719786626614),
        "income": (0.039448942308369477, 0.022096037338309685),
    },
}
TARGET = {"o_rings": "distress", "votes_1996": "vote"}


def loss(w, X, y):
    """The negative log-likelihood; w[0] is the constant, w[1:] belongs to the columns of X."""
    z = w[0] + X @ w[1:]
    return np.sum(np.logaddexp(0.0, z) - y * z)


def read(name):
    """The predictors and the target of a data set."""
    with open(DATA / f"{name}.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = [column for column in REFERENCE[name] if column != "constant"]
    X = np.array([[float(row[column]) for column in columns] for row in rows])
    return X, np.array([float(row[TARGET[name]]) for row in rows])


def fit(X, y, tolerance=1e-13, steps=50):
    """The coefficients and their standard errors, by Newton's method from zero."""
    w = np.zeros(1 + X.shape[1])
    for _ in range(steps):
        step = np.linalg.solve(wg.hessian(loss)(w, X, y), wg.grad(loss)(w, X, y))
        w = w - step
        if np.max(np.abs(step)) <= tolerance * np.max(np.abs(w)):
            return w, np.sqrt(np.diag(np.linalg.inv(wg.hessian(loss)(w, X, y))))
    raise RuntimeError(f"Newton's method did not converge in {steps} steps")


def main():
    for name, reference in REFERENCE.items():
        X, y = read(name)
        w, errors = fit(X, y)
        print(f"{name}: {len(y)} observations, log-likelihood {-loss(w, X, y):.6f}")
        print(f"    {'':12} {'coefficient':>12} {'std. error':>12}")
        for column, coefficient, error in zip(reference, w, errors):
            print(f"    {column:12} {coefficient:12.6f} {error:12.6f}")
        # Two programs that solve H dw = -g differ by rounding times the condition number of H.
        expected = np.array(list(reference.values()))
        rounding = np.finfo(float).eps * np.linalg.cond(wg.hessian(loss)(w, X, y))
        assert np.allclose(w, expected[:, 0], rtol=0.0, atol=rounding * np.linalg.norm(w))
        assert np.allclose(errors, expected[:, 1], rtol=rounding, atol=0.0)

        # Most likely is what no direction improves: the gradient is zero to rounding, the Hessian positive.
        scale = np.abs(np.column_stack([np.ones(len(y)), X])).sum(axis=0)
        assert np.all(np.abs(wg.grad(loss)(w, X, y)) <= 8.0 * np.finfo(float).eps * np.sqrt(len(y)) * scale)


if __name__ == "__main__":
    main()
