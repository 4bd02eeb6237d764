"""The examples run as a user runs them, and their derivatives agree with 50-digit arithmetic.

The reference is mpmath's numerical differentiation of the formula at 50 digits, or a closed form evaluated
there: neither knows of wengert or of its rules. A tolerance counts roundings: `ulps` of the result, times the
condition of the formula at the point where that is not small.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import mpmath as mp
import numpy as np
import pytest

import wengert as wg

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("*.py"))
EPS = float(np.finfo(float).eps)
DIGITS = 50
NEGLIGIBLE = mp.mpf(10) ** -30  # an mpmath derivative that is zero comes out below this


@pytest.fixture
def example(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example that the test names by indirect parametrization, imported."""
    for folder in (EXAMPLES / "learning", EXAMPLES):
        monkeypatch.syspath_prepend(str(folder))
    return __import__(request.param)


def named(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("example", [name], indirect=True)


def run(name: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def partials(f, point, order=1):
    """All partial derivatives of the given order of f at the point, by mpmath, as an array of mpf."""
    with mp.workdps(DIGITS):
        point = [mp.mpf(x) for x in point]
        result = np.empty((len(point),) * order, dtype=object)
        for index in np.ndindex(result.shape):
            result[index] = mp.diff(f, tuple(point), tuple(index.count(i) for i in range(len(point))))
        return result


def assert_close(mine, reference, ulps):
    """Each entry within `ulps` roundings of the reference, relative to that entry; zero where it is zero."""
    mine = np.asarray(mine)
    assert mine.shape == reference.shape
    for index in np.ndindex(mine.shape):
        exact = reference[index]
        error = abs(mp.mpf(float(mine[index])) - exact)
        assert error <= ulps * EPS * abs(exact) + NEGLIGIBLE, (index, mine[index], mp.nstr(exact, 20))


def test_there_are_examples() -> None:
    assert {"logistic_regression", "rosenbrock", "formulas"} <= set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_example_runs(name: str) -> None:
    assert run(name).strip()


# ---------------------------------------------------------------- formulas, digit by digit

MP_FORMULAS = {
    "bell": lambda x: mp.cos(x) * mp.exp(x**2),
    "shared": lambda x, y: x * y + mp.sin(x),
    "twice": lambda w1, w2: w2 * mp.log(w1) + mp.sqrt(w2 * mp.log(w1)),
    "gate": lambda x, y: (x + 1 / (1 + mp.exp(-y))) * mp.tanh(x),
}


@named("formulas")
@pytest.mark.parametrize("formula", MP_FORMULAS)
def test_formula_values_and_gradients(example: ModuleType, formula: str) -> None:
    point = next(p for f, _, p in example.FORMULAS if f.__name__ == formula)
    reference = MP_FORMULAS[formula]
    value, gradient = example.gradient(getattr(example, formula), point)
    with mp.workdps(DIGITS):
        assert_close(value, np.array(reference(*map(mp.mpf, point))), ulps=2)
        assert_close(gradient, partials(reference, point), ulps=4)


@named("formulas")
@pytest.mark.parametrize("formula", MP_FORMULAS)
def test_formula_second_derivatives(example: ModuleType, formula: str) -> None:
    f, point = next((f, p) for f, _, p in example.FORMULAS if f.__name__ == formula)
    hessian = wg.hessian(lambda x: f(*x))(np.array(point))
    assert_close(hessian, partials(MP_FORMULAS[formula], point, order=2), ulps=16)


@named("formulas")
def test_the_printed_digits(example: ModuleType) -> None:
    """The numbers that lectures print for (x + sigmoid(y)) tanh x at (2, 1)."""
    _, (dx, dy) = example.gradient(example.gate, (2.0, 1.0))
    assert f"{dx:.3f} {dy:.3f}" == "1.157 0.190"


# ---------------------------------------------------------------- programs


@named("rosenbrock")
@pytest.mark.parametrize("point", [(-1.0, 2.0), (-1.5, 0.25), (0.3, -0.7), (1.2, 1.0)])
def test_rosenbrock(example: ModuleType, point: tuple[float, float]) -> None:
    def reference(a, b):
        return (b - a**2) ** 2 + (1 - a) ** 2

    x = np.array(point)
    assert_close(wg.grad(example.f)(x), partials(reference, point), ulps=8)
    assert_close(wg.hessian(example.f)(x), partials(reference, point, order=2), ulps=8)


@named("network_121")
def test_network_gradient(example: ModuleType) -> None:
    order = ["w", "b", "v"]
    flat = [*np.concatenate([example.PARAMETERS[name] for name in order]), example.PARAMETERS["c"]]

    def reference(w1, w2, b1, b2, v1, v2, c):
        x, t = mp.mpf(0.8), mp.mpf(1.0)
        hidden = [1 / (1 + mp.exp(-(w * x + b))) for w, b in ((w1, b1), (w2, b2))]
        return (v1 * hidden[0] + v2 * hidden[1] + c - t) ** 2 / 2

    gradient = wg.grad(example.loss)(example.PARAMETERS, 0.8, 1.0)
    mine = [*np.concatenate([gradient[name] for name in order]), gradient["c"]]
    # Every entry has the factor y - t = -0.014, what remains when numbers near 1 cancel: condition 1 / 0.014.
    assert_close(mine, partials(reference, flat), ulps=4 / 0.014)


@named("logistic_regression")
def test_published_coefficients(example: ModuleType) -> None:
    """Dalal, Fowlkes and Hoadley (1989): 15.0429 and -0.2322 for the O-rings of the Space Shuttle."""
    w, errors = example.fit(*example.read("o_rings"))
    assert np.round(w, 4).tolist() == [15.0429, -0.2322]
    assert np.round(errors, 4).tolist() == [7.3786, 0.1082]


@named("logistic_regression")
def test_logistic_gradient_and_hessian(example: ModuleType) -> None:
    """Against X^T (p - y) and X^T diag(p (1 - p)) X, evaluated with 50 digits away from the optimum."""
    X, y = example.read("o_rings")
    w = np.array([2.0, -0.0625])
    with mp.workdps(DIGITS):
        rows = [(mp.mpf(1), mp.mpf(float(x))) for x in X[:, 0]]
        p = [1 / (1 + mp.exp(-(w[0] * a + w[1] * b))) for a, b in rows]
        gradient = np.array([mp.fsum((q - t) * row[i] for row, q, t in zip(rows, p, y)) for i in range(2)])
        entry = lambda i, j: mp.fsum(q * (1 - q) * row[i] * row[j] for row, q in zip(rows, p))
        hessian = np.array([[entry(i, j) for j in range(2)] for i in range(2)])
        # Positive terms add with no loss, one rounding for each of 23; those of the gradient cancel tenfold.
        assert_close(wg.grad(example.loss)(w, X, y), gradient, ulps=10 * 23)
        assert_close(wg.hessian(example.loss)(w, X, y), hessian, ulps=23)


@named("zero_order")
def test_classical_scaling_recovers_points_and_is_principal_components(example: ModuleType) -> None:
    """From exact distances the points come back up to a motion; and the coordinates are those along principal axes."""
    P = np.random.default_rng(0).normal(size=(7, 3)) * [3.0, 2.0, 1.0]
    D = example.squared_distances(P)
    found = example.classical_scaling(D, 3)
    # a distance is a difference of squares: the condition of its entries is that of D over the least axis
    assert np.max(np.abs(example.squared_distances(found) - D)) <= 100 * EPS * np.max(D)
    assert example.same_up_to_signs(found, example.principal_components(P)) <= 1000 * EPS * np.max(np.abs(P))


@named("zero_order")
def test_evaluations_pay_for_the_number_of_inputs(example: ModuleType) -> None:
    """Of the strongly convex problem: the exponent of n is 1, and the bound of theory holds."""
    sizes = (8, 32)
    counts, courses = zip(*[example.by_evaluations(example.strongly_convex(n)) for n in sizes])
    assert example.slope(sizes, counts) == pytest.approx(1.0, abs=0.2)
    m, lipschitz = example.CURVATURES
    assert all(example.contraction(course) < 1 - m / (n * lipschitz) for n, course in zip(sizes, courses))
    exact = [example.by_gradient(example.strongly_convex(n))[0] for n in sizes]
    assert abs(exact[0] - exact[1]) <= 1


@named("mode_crossing")
def test_modes_cross_where_outputs_are_as_many_as_inputs(example: ModuleType) -> None:
    rng = np.random.default_rng(0)
    sizes = (80, 160)
    counts = np.array([example.measure(m, rng)[1::2] for m in sizes])
    n = example.N
    assert counts.tolist() == [[2 * m * n * n, 2 * m * m * n] for m in sizes]
    assert example.crossing(sizes, *counts.T) == pytest.approx(n)
    assert example.crossing(sizes, [1.0, 1.0], [2.0, 2.0]) is None


@named("curve_fit")
def test_certified_fit(example: ModuleType, tmp_path: Path) -> None:
    """NIST's certified values; MINPACK's tolerance is one of the sum of squares, so parameters have half the digits of it."""
    found, certified = example.fit(), np.array(list(example.CERTIFIED.values()))
    assert np.allclose(found.popt, certified[:, 0], rtol=2e-7)
    assert np.allclose(found.std, certified[:, 1], rtol=1e-6)
    assert found.dof == 30 and np.isclose(found.residual_std, example.RESIDUAL_STD, rtol=1e-9)
    x, y = example.read()
    lower, upper = found.band(x)
    assert np.mean((lower <= y) & (y <= upper)) >= 0.9
    pytest.importorskip("matplotlib")
    example.draw(found, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG\r\n")


@named("modes")
def test_mixed_mode_wins(example: ModuleType) -> None:
    """Multiplications of the table; Roe's flux of two equal states is that of the gas, and its derivative by halves."""
    for plan, difference in example.table().values():
        counts = {mode: plan[mode].multiplications for mode in example.MODES}
        assert counts["mixed"] < min(counts["forward"], counts["reverse"]) and difference < 1e-12
    state = np.array([1.0, 0.2, 0.1, 0.05, 2.5])
    rho, velocity, pressure = state[0], state[1:4] / state[0], 0.4 * (state[4] - 0.5 * state[1:4] @ state[1:4] / state[0])
    expected = example.euler_flux(rho, *velocity, pressure, state[4])
    np.testing.assert_allclose(example.flux(np.concatenate([state, state])), expected, rtol=1e-14)
    derivative = wg.jacobian(example.flux, mode="mixed")(np.concatenate([state, state]))
    exact = wg.numeric.jacobian(lambda s: example.flux(np.concatenate([s, s])), state, method="central")
    np.testing.assert_allclose(derivative[:, :5] + derivative[:, 5:], exact, atol=1e-7)


@pytest.mark.parametrize("name", ["zero_order", "mode_crossing", "modes"])
def test_examples_draw(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    example = __import__(name)
    file = tmp_path / "picture.png"
    if name == "zero_order":
        course = 1.0 / np.arange(1.0, 9.0)
        results = {"convex": ("", [3] * len(example.SIZES), list(example.SIZES))}
        example.draw(results, {"convex": [(course, course)] * len(example.SIZES)}, file)
    elif name == "modes":
        example.draw(file)
    else:
        example.draw(np.outer(example.OUTPUTS, [1.0, 2.0, 3.0, 1.0]), file)
    assert file.read_bytes().startswith(b"\x89PNG\r\n")


@named("hessian_trace")
def test_the_spectrum_is_drawn(example: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    eigenvalues = np.linspace(-1.0, 1.0, 20)
    density = wg.stochastic.spectral_density(np.diag(eigenvalues), seed=0, count=500)
    exact = example.smoothed(eigenvalues, density)
    assert np.trapezoid(np.abs(density.density - exact), density.points) < 0.1
    found = {(method, m): (1.0 / m, 1.0 / m) for method in example.METHODS for m in example.BUDGETS}
    file = tmp_path / "picture.png"
    example.draw(found, density, eigenvalues, file)
    assert file.read_bytes().startswith(b"\x89PNG\r\n")


@named("implicit")
def test_network_of_pipes(example: ModuleType) -> None:
    """The derivative of the pressure along a direction, against one system of sixteen equations solved to thirty digits."""
    v = np.linspace(1.0, 2.0, 6) * 1e-3

    def pressure(t):
        roughness = [mp.mpf(float(r)) + t * mp.mpf(float(d)) for r, d in zip(example.ROUGHNESS, v)]
        pipes = list(zip(example.PIPES, map(float, example.LENGTH), map(float, example.DIAMETER), roughness))

        def equations(*unknown):
            flow, heads, inverse = unknown[:6], (mp.mpf(example.RESERVOIR), *unknown[6:10]), unknown[10:]
            out = []
            for town in range(1, 5):
                comes = sum(q for (_, end), q in zip(example.PIPES, flow) if end == town)
                leaves = sum(q for (begin, _), q in zip(example.PIPES, flow) if begin == town)
                out.append(comes - leaves - mp.mpf(float(example.USED[town - 1])))
            for ((begin, end), length, d, rough), q, s in zip(pipes, flow, inverse):
                speed = 4 * q / (mp.pi * mp.mpf(d) ** 2)
                reynolds = abs(speed) * d / mp.mpf(example.VISCOSITY)
                out.append(heads[begin] - heads[end] - length / (d * s**2) * speed * abs(speed) / (2 * mp.mpf(example.G)))
                out.append(s + 2 * mp.log10(rough / (mp.mpf("3.7") * d) + mp.mpf("2.51") * s / reynolds))
            return out
        flow, heads = example.network(example.ROUGHNESS, example.DIAMETER)
        start = [*flow, *heads, *example.friction(flow, example.DIAMETER, example.ROUGHNESS) ** -0.5]
        return mp.findroot(equations, [mp.mpf(float(x)) for x in start], tol=1e-40)[9]
    with mp.workdps(30):
        h = mp.mpf("1e-8")
        wanted = float((pressure(h) - pressure(-h)) / (2 * h))
    assert float(wg.grad(example.far_end)(example.ROUGHNESS, example.DIAMETER) @ v) == pytest.approx(wanted, rel=1e-9)
@named("ode_sensitivities")
def test_hares_and_lynxes(example: ModuleType) -> None:
    """The estimates lie within their standard errors of those that Carpenter published (2018)."""
    found, errors, _ = example.fit()
    assert np.all(np.abs(np.exp(found.x) - example.PUBLISHED) < errors)
