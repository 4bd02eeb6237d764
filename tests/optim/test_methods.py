"""Methods that run to the end: on the problems of the collection, on quadratics, trees, and estimated gradients."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ConversionError, InputError
from wengert.optim import least_squares
from wengert.optim.line_search import Line
from wengert.optim.problem import Objective

optim = wg.optim
OPTIMIZATION = Path(__file__).resolve().parents[2] / "examples" / "optimization"
sys.path.insert(0, str(OPTIMIZATION))
try:
    from more_garbow_hillstrom import PROBLEMS
finally:
    sys.path.remove(str(OPTIMIZATION))


def problems(*left_out):
    return pytest.mark.parametrize("problem", [p for p in PROBLEMS if p.number not in left_out], ids=lambda p: p.name)


def plain(run):
    """Some problems branch on values, and run unstaged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wg.StagingWarning)
        return run()


def sum_of_squares(problem):
    def f(x):
        r = problem.residuals(x)
        return sum([a * a for a in r]) if isinstance(r, list) else np.sum(r * r)
    return f


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


# ---------------------------------------------------------------- the collection

GRADIENT_METHODS = {
    "lbfgs": optim.lbfgs,
    "hager-zhang": optim.conjugate_gradient,
    "polak-ribiere": lambda f, x: optim.conjugate_gradient(f, x, formula="polak-ribiere"),
}


@pytest.mark.parametrize("method", GRADIENT_METHODS)
@problems(3, 4)  # scaled so badly that |g| <= 1e-6 is far from the minimum, or beyond rounding
def test_the_collection_by_gradients(problem, method):
    found = plain(lambda: GRADIENT_METHODS[method](sum_of_squares(problem), np.array(problem.start)))
    assert found.converged, found.reason
    assert min(abs(found.value - minimum) for minimum in problem.minima) < 1e-8
    assert found.gradient_norms[-1] <= 1e-6 and np.all(np.diff(found.values) <= 1e-12 * found.values[:-1])


@problems()
def test_the_collection_by_residuals(problem):
    found = plain(lambda: optim.levenberg_marquardt(problem.residuals, np.array(problem.start)))
    assert found.converged, found.reason
    assert min(abs(2.0 * found.value - minimum) for minimum in problem.minima) < 1e-12
    assert found.iterations < 100 and np.all(np.diff(found.values) < 0)


@problems(2)  # at its local minimum the Jacobian is singular, and residuals are large: no problem for Gauss-Newton
def test_the_collection_by_gauss_newton(problem):
    found = plain(lambda: optim.gauss_newton(problem.residuals, np.array(problem.start)))
    assert found.converged, found.reason
    assert min(abs(2.0 * found.value - minimum) for minimum in problem.minima) < 1e-12


def test_gauss_newton_says_where_it_fails():
    problem = next(p for p in PROBLEMS if p.number == 2)
    found = optim.gauss_newton(problem.residuals, np.array(problem.start))
    assert not found.converged and "no step decreases" in found.reason


def test_a_certified_fit():
    """Thurber's data, of NIST: certified parameters and residual sum of squares, to the digits that are certified."""
    examples = Path(__file__).resolve().parents[2] / "examples"
    x, y = np.loadtxt(examples / "data" / "thurber.csv", delimiter=",", skiprows=1, unpack=True)
    if abs(y[0]) < abs(x[0]):
        x, y = sorted((x, y), key=lambda column: np.max(np.abs(column)))

    def residuals(b):
        return (b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3) / (1 + b[4] * x + b[5] * x**2 + b[6] * x**3) - y
    found = optim.levenberg_marquardt(residuals, np.array([1000.0, 1000.0, 400.0, 40.0, 0.7, 0.3, 0.03]))
    certified = [1.2881396800e03, 1.4910792535e03, 5.8323836877e02, 7.5416644291e01, 9.6629502864e-01, 3.9797285797e-01,
                 4.9727297349e-02]
    assert found.converged
    np.testing.assert_allclose(found.x, certified, rtol=1e-7)
    assert 2.0 * found.value == pytest.approx(5.6427082397e03, rel=1e-10)


# ---------------------------------------------------------------- quadratics, and line searches

def quadratic(n, condition=100.0):
    Q = np.linalg.qr(np.random.default_rng(n).normal(size=(n, n)))[0]
    A = (Q * np.geomspace(1.0, condition, n)) @ Q.T
    return (lambda x: 0.5 * x @ A @ x - np.sum(x)), np.linalg.solve(A, np.ones(n))


@pytest.mark.parametrize("formula", ["fletcher-reeves", "polak-ribiere", "hager-zhang"])
def test_conjugate_gradients_end_in_n_steps(formula):
    f, solution = quadratic(8, 20.0)
    found = optim.conjugate_gradient(f, np.zeros(8), formula=formula, tolerance=1e-9,
                                     line_search=optim.StrongWolfe(decrease=1e-12, curvature=1e-10))
    assert found.converged and found.iterations <= 8
    np.testing.assert_allclose(found.x, solution, atol=1e-9)


def test_one_gauss_newton_step_solves_a_linear_problem():
    A, b = np.random.default_rng(0).normal(size=(9, 4)), np.arange(9.0)
    found = optim.gauss_newton(lambda x: A @ x - b, np.zeros(4))
    assert found.converged and found.iterations == 1
    np.testing.assert_allclose(found.x, np.linalg.lstsq(A, b)[0], rtol=1e-12)


@pytest.mark.parametrize("first", [1e-6, 1e-3, 1.0, 1e3])
@pytest.mark.parametrize("name", ["parabola", "log barrier", "wavy", "valley"])
def test_line_searches_meet_their_conditions(name, first):
    phi = {"parabola": lambda s: (s[0] - 3.0) ** 2, "log barrier": lambda s: -np.log(5.0 - s[0]) - 2.0 * s[0],
           "wavy": lambda s: 0.1 * np.sin(20.0 * s[0]) + (s[0] - 2.0) ** 2, "valley": lambda s: np.exp(4.0 - s[0]) + s[0]}[name]
    objective = Objective("test", phi, np.zeros(1), None)
    value, gradient = objective.value_and_gradient(np.zeros(1))
    for search in (optim.Backtracking(), optim.StrongWolfe(), optim.StrongWolfe(curvature=0.01)):
        line = Line(objective, np.zeros(1), value, gradient, -np.sign(gradient))
        s = search.find(line, first)
        assert phi(np.array([s])) <= value + search.decrease * s * line.slope
        if isinstance(search, optim.StrongWolfe):
            assert abs(wg.grad(phi)(np.array([s]))[0]) <= search.curvature * abs(line.slope) * (1 + 1e-12)


def test_line_searches_refuse():
    with pytest.raises(InputError, match=r"Backtracking: factor is 1\.0; it lies between 0 and 1"):
        optim.Backtracking(factor=1.0)
    with pytest.raises(InputError, match=r"StrongWolfe: decrease is 0\.3; it lies below 1/2 and below curvature, 0\.2"):
        optim.StrongWolfe(decrease=0.3, curvature=0.2)


def test_where_values_are_rounding_slopes_lead_on():
    """An offset of 1e9 leaves of a value no digit below 1e-7, of x by values alone none below 1e-5."""
    found = optim.lbfgs(lambda x: rosenbrock(x) + 1e9, np.array([-1.2, 1.0]))
    assert found.converged
    np.testing.assert_allclose(found.x, 1.0, atol=1e-9)


def test_rounding_is_no_convergence():
    """Brown's gradient, of order 1e6, rounds by more than the tolerance."""
    problem = next(p for p in PROBLEMS if p.number == 4)
    found = optim.conjugate_gradient(sum_of_squares(problem), np.array(problem.start))
    assert not found.converged and "rounding is reached" in found.reason and found.value < 1e-9


def test_what_cannot_be_evaluated_is_too_far():
    found = optim.lbfgs(lambda x: np.sum(x - np.log(x)), np.array([3.0, 1e-3]))  # NaN where x < 0
    assert found.converged
    np.testing.assert_allclose(found.x, 1.0, atol=1e-6)
    with np.errstate(all="ignore"):
        assert "gradient is not finite at x0" in optim.lbfgs(lambda x: np.sum(np.sqrt(x)), np.array([0.0])).reason


@pytest.mark.parametrize("f", [lambda x: -np.sum(x), lambda x: -np.sum(x**3)])
def test_what_has_no_minimum(f):
    for method in (optim.lbfgs, optim.conjugate_gradient, optim.gradient_descent):
        found = method(f, np.ones(2), iterations=2000)
        assert not found.converged and found.reason in ("the function falls without bound", "all iterations are done")
        assert found.value < -1e3


# ---------------------------------------------------------------- trees

METHODS = {
    "gradient descent": lambda f, x, **more: optim.gradient_descent(f, x, **more),
    "Wolfe": lambda f, x, **more: optim.gradient_descent(f, x, step=optim.StrongWolfe(), **more),
    "conjugate gradient": optim.conjugate_gradient,
    "lbfgs": optim.lbfgs,
}


@pytest.mark.parametrize("method", METHODS)
def test_trees_with_complex_numbers_and_fixed_parts(method):
    target = np.array([1 + 2j, -1j])
    x0 = {"z": np.zeros(2, complex), "a": [0.0, np.ones((2, 1), np.float32)], "n": 3, "name": "tree", "none": None,
          "f": wg.nn.Frozen(np.array([2.0]))}

    def f(p):
        return (np.sum(np.abs(p["z"] - p["f"].value * target) ** 2) + (p["a"][0] - p["n"]) ** 2
                + np.sum((p["a"][1] + 1) ** 2))
    found = METHODS[method](f, x0, tolerance=1e-5)
    assert found.converged, found.reason
    np.testing.assert_allclose(found.x["z"], 2 * target, atol=1e-5)
    assert found.x["a"][0] == pytest.approx(3.0, abs=1e-5) and found.x["a"][1].dtype == np.float32
    assert (found.x["n"], found.x["name"], found.x["none"]) == (3, "tree", None) and found.x["f"].value[0] == 2.0
    assert np.array_equal(x0["z"], [0, 0])


@pytest.mark.parametrize("method", [optim.levenberg_marquardt, optim.gauss_newton])
def test_residuals_of_trees(method):
    """A resonance curve: complex residuals, real and complex parameters, against SciPy's solution of the real form."""
    from scipy.optimize import least_squares as solver
    w = np.linspace(0.5, 2.0, 12)
    y = (1 + 0.5j) / (1.2**2 - w**2 + 0.3j * w) + 0.01 * np.exp(1j * np.arange(12))

    def residuals(p):
        return [p["gain"] / (p["w0"] ** 2 - w**2 + 1j * p["width"] * w) - y]
    found = method(residuals, {"gain": np.array(1 + 0j), "w0": 1.0, "width": 0.5, "n": 2}, tolerance=1e-9)
    assert found.converged and found.x["n"] == 2

    def real(v):
        r = residuals({"gain": v[0] + 1j * v[1], "w0": v[2], "width": v[3]})[0]
        return np.concatenate([r.real, r.imag])
    expected = solver(real, [1.0, 0.0, 1.0, 0.5], xtol=1e-14, ftol=1e-14, gtol=1e-14)
    assert found.value == pytest.approx(expected.cost, rel=1e-10)
    mine = [found.x["gain"].real, found.x["gain"].imag, found.x["w0"], found.x["width"]]
    np.testing.assert_allclose(mine, expected.x, rtol=1e-6)


def test_large_jacobians_are_never_made(monkeypatch):
    monkeypatch.setattr(least_squares, "DENSE", 0)
    monkeypatch.setattr(least_squares, "_Dense", None)
    t = np.linspace(0.0, 1.0, 30)

    def residuals(p):
        return p["a"] * np.exp(-p["k"][0] * t) + p["k"][1] * t - (2.0 * np.exp(-3.0 * t) + 0.5 * t)
    for method in (optim.levenberg_marquardt, optim.gauss_newton):
        found = method(residuals, {"a": 1.0, "k": np.array([1.0, 0.0])})
        assert found.converged, found.reason
        np.testing.assert_allclose([found.x["a"], *found.x["k"]], [2.0, 3.0, 0.5], rtol=1e-7)


def test_a_jacobian_that_is_given():
    x0, target = {"a": np.zeros((2, 2)), "b": 1.0}, np.arange(4.0)

    def residuals(p):
        return np.concatenate([np.ravel(p["a"]) - target * p["b"], [p["b"] ** 2 - 4.0]])
    for jacobian in (wg.jacobian(residuals), lambda p: wg.jacfwd(residuals)(p)):
        found = optim.levenberg_marquardt(residuals, x0, jacobian)
        assert found.converged
        np.testing.assert_allclose(found.x["a"].ravel(), 2.0 * target, atol=1e-8)
    found = optim.gauss_newton(lambda x: x**2 - target - 1, np.ones(4), lambda x: wg.numeric.jacobian(np.square, x))
    np.testing.assert_allclose(found.x, np.sqrt(target + 1), rtol=1e-9)
    with pytest.raises(InputError, match="it is what wg.jacobian gives"):
        optim.levenberg_marquardt(residuals, x0, lambda p: np.ones((5, 4)))


def test_float32():
    x0 = np.array([-1.2, 1.0], np.float32)
    for found in (optim.lbfgs(rosenbrock, x0, tolerance=1e-3),
                  optim.levenberg_marquardt(lambda x: np.stack([np.float32(10) * (x[1] - x[0] ** 2), 1 - x[0]]), x0)):
        assert found.x.dtype == np.float32 and found.converged
        np.testing.assert_allclose(found.x, 1.0, atol=2e-3)


# ---------------------------------------------------------------- from evaluations alone

@pytest.mark.parametrize("distribution", ["sphere", "gaussian", "rademacher", "coordinate"])
def test_random_gradients_with_a_line_search(distribution):
    f, solution = quadratic(5, 10.0)
    rng = np.random.default_rng(1)

    def estimate(x):
        return wg.numeric.random_gradient(f, x, seed=rng, distribution=distribution)
    found = optim.gradient_descent(f, np.zeros(5), estimate, iterations=400)
    assert found.reason == "all iterations are done"
    np.testing.assert_allclose(found.x, solution, atol=1e-3)


@pytest.mark.parametrize("method", ["conjugate gradient", "lbfgs"])
def test_gradients_by_differences(method):
    """Nearly exact, so curvature can be read off them."""
    calls = []

    def f(x):
        calls.append(1)
        return float(rosenbrock(x))  # no tracer could pass
    found = METHODS[method](f, np.array([0.7, 0.5]), gradient=lambda x: wg.numeric.gradient(f, x), tolerance=1e-5)
    assert found.converged, found.reason
    np.testing.assert_allclose(found.x, 1.0, atol=1e-4)
    assert found.evaluations < len(calls)


def test_spsa_with_an_optimizer():
    f, solution = quadratic(4, 5.0)
    optimizer, rng, x = optim.Adam(optim.CosineDecay(0.05, 800)), np.random.default_rng(2), np.zeros(4)
    state = optimizer.init(x)
    for _ in range(800):
        x, state = optimizer.update(wg.numeric.spsa(f, x, seed=rng), state, x)
    np.testing.assert_allclose(x, solution, atol=5e-3)


def test_a_wrong_gradient_is_said():
    found = optim.lbfgs(lambda x: np.sum(x**2), np.ones(2), lambda x: -2.0 * x)
    assert not found.converged and found.reason.endswith("or the gradient is not its own")
    assert found.iterations == 0


# ---------------------------------------------------------------- histories, callbacks, compiling

@pytest.mark.parametrize("method", METHODS)
def test_histories(method):
    points, f = [], quadratic(3, 3.0)[0]
    found = METHODS[method](f, np.ones(3), callback=lambda k, x, g: points.append((k, x, g)))
    assert found.converged and len(found.values) == len(found.gradient_norms) == found.iterations + 1 == len(points) + 1
    np.testing.assert_allclose(found.values[:-1], [f(x) for _, x, _ in points], rtol=1e-12)
    np.testing.assert_allclose(found.gradient_norms[:-1], [np.linalg.norm(wg.grad(f)(x)) for _, x, _ in points], rtol=1e-10)
    xs = [*[x for _, x, _ in points], found.x]
    np.testing.assert_allclose(found.steps, np.linalg.norm(np.diff(xs, axis=0), axis=1), rtol=1e-6)
    assert METHODS[method](f, np.ones(3), callback=lambda k, x, g: k == 1).reason == "ended by the callback"
    assert METHODS[method](f, np.ones(3), iterations=1).reason == "all iterations are done"
    assert str(found).startswith("the gradient is within the tolerance after")


def test_a_function_is_traced_once_for_all_runs():
    f = wg.jit(lambda p: np.sum((p["x"] - p["n"].value) ** 2))
    for n in (1.0, 5.0):  # what is frozen is an argument, and not part of what was compiled
        found = optim.lbfgs(f, {"x": np.zeros(3), "n": wg.nn.Frozen(np.array(n))})
        np.testing.assert_allclose(found.x["x"], n)
    (program,) = f.derived.values()
    (both,) = program.derived.values()
    assert len(both.found) == 1


def test_inside_a_derivative_the_remedy_is_named():
    with pytest.raises(ConversionError, match=r"wg\.implicit\.minimize"):
        wg.grad(lambda a: optim.lbfgs(lambda x: (x - a) ** 2, a).x)(1.0)


@pytest.mark.parametrize(("run", "message"), [
    (lambda: optim.lbfgs(None, 1.0), "f is None"),
    (lambda: optim.lbfgs(np.sum, np.ones(2), memory=0), "memory is a whole number"),
    (lambda: optim.lbfgs(np.sum, np.ones(2), tolerance=-1.0), "the tolerance is a number from 0 up"),
    (lambda: optim.gradient_descent(np.sum, np.ones(2), step="fast"), "the step is a str"),
    (lambda: optim.lbfgs(np.sum, np.ones(2), line_search=0.1), "line_search is wg.optim.StrongWolfe"),
    (lambda: optim.conjugate_gradient(np.sum, np.ones(2), formula="best"), "'best' is none of hager-zhang"),
    (lambda: optim.levenberg_marquardt(lambda x: None, 1.0), "the residuals are numbers, and there is None"),
    (lambda: optim.levenberg_marquardt(lambda x: np.log(-x), 1.0), "not finite at x0"),
    (lambda: optim.gauss_newton(lambda x: x, 1.0, np.ones(1)), "the Jacobian is a function"),
])
def test_refused(run, message):
    with pytest.raises(InputError, match=message), np.errstate(all="ignore"):
        run()


def test_far_out_and_degenerate():
    """No bound below, gradients whose norm overflows, one equation in two unknowns, none at all."""
    for method in (optim.conjugate_gradient, optim.lbfgs):
        assert method(lambda x: -np.exp(x), 1.0).reason == "the function falls without bound"
        assert method(lambda x: 1e200 * np.sum(x ** 2), np.ones(2)).reason == "the norm of the gradient overflows at x0"
    circle = optim.gauss_newton(lambda x: np.array([x[0] ** 2 + x[1] ** 2 - 1.0]), np.array([2.0, 1.0]))
    assert circle.converged
    np.testing.assert_allclose(circle.x, np.array([2.0, 1.0]) / np.sqrt(5.0), rtol=1e-9)  # shortest steps are along the radius
    for method in (optim.gauss_newton, optim.levenberg_marquardt):
        with pytest.raises(InputError, match="there are no residuals"):
            method(lambda x: x[:0], np.ones(2))
        with pytest.raises(InputError, match="the sum of squares overflows at x0"):
            method(lambda x: 1e200 * x, np.ones(2))
