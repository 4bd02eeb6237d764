"""The programs of examples/programs: values, first and second derivatives.

Values are compared with another way to compute the same (a dense covariance, brute force, a closed form, an
integrator of SciPy); derivatives of both modes with the complex step or with finite differences whose error is
estimated; second derivatives with differences of the gradient. None of these knows of wengert's rules.
"""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.sparse
import scipy.sparse.csgraph
import scipy.special
import scipy.stats

import wengert as wg
from wengert import numeric

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "programs"
FOUND = sorted(path.stem for path in FOLDER.glob("*.py"))


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"program_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PROGRAM = {name: load(name) for name in FOUND}

# The program, and the inputs if they are not those of `inputs()`. COMPLEX says that the complex step applies: there
# is no real array that the program writes into, no absolute value, and branches compare real parts first.
MAIN: dict[str, str] = {
    "kalman": "log_likelihood", "monte_carlo": "price", "orbit": "miss", "hodgkin_huxley": "mean_potential",
    "newton": "pressure_loss", "bisection": "bond_yield", "bellman_ford": "travel_time", "lu": "log_determinant",
    "gauss_seidel": "mean_temperature", "hmm": "log_likelihood", "soft_edit_distance": "distance", "particle": "carry",
    "minmax": "value",
}
SMALL: dict[str, dict[str, Any]] = {
    "kalman": {"years": 8}, "monte_carlo": {"paths": 40, "steps": 6}, "orbit": {"steps": 8},
    "hodgkin_huxley": {"duration": 3.0, "dt": 0.2}, "bellman_ford": {"rows": 3, "columns": 3}, "lu": {"n": 4},
    "gauss_seidel": {"n": 2}, "hmm": {"rolls": 20}, "soft_edit_distance": {"first": "abca", "second": "bcab"},
    "particle": {"dt": 0.4}, "minmax": {"rows": 2, "columns": 1}, "bisection": {"years": 4},
}
COMPLEX = {"kalman", "orbit", "hmm"}


def flat(name: str) -> tuple[Any, np.ndarray]:
    """The program as a function of one vector, and the point."""
    first, *rest = PROGRAM[name].inputs(**SMALL.get(name, {}))
    f = getattr(PROGRAM[name], MAIN[name])
    if isinstance(first, dict):  # the hidden Markov model
        shapes = {key: value.shape for key, value in first.items()}
        ends = np.cumsum([0, *[value.size for value in first.values()]])

        def g(x: Any) -> Any:
            pieces = zip(shapes.items(), itertools.pairwise(ends))
            return f({key: x[a:b].reshape(shape) for (key, shape), (a, b) in pieces}, *rest)

        return g, np.concatenate([value.ravel() for value in first.values()])
    return lambda x: f(x.reshape(first.shape), *rest), first.ravel()


def test_every_program_is_tested() -> None:
    assert sorted(MAIN) == FOUND
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"[{name}.py]({name}.py)" in table for name in FOUND)


@pytest.mark.parametrize("name", FOUND)
def test_program_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    PROGRAM[name].main()
    assert "check:" in capsys.readouterr().out


@pytest.mark.parametrize("name", FOUND)
def test_first_derivatives(name: str) -> None:
    f, x = flat(name)
    value, reverse = wg.value_and_grad(f)(x)
    assert value == f(x)
    forward = np.array([wg.jvp(f, (x,), (e,))[1] for e in np.eye(len(x))])
    scale = np.max(np.abs(reverse))
    np.testing.assert_allclose(forward, reverse, rtol=0.0, atol=1e-12 * scale)
    if name in COMPLEX:
        step = np.array([f(x + 1e-30j * e).imag / 1e-30 for e in np.eye(len(x))])
        np.testing.assert_allclose(reverse, step, rtol=0.0, atol=1e-12 * scale)
    else:
        found = numeric.gradient_estimate(f, x, method="richardson")
        assert np.all(found.error <= 1e-5 * scale), found.error
        assert np.all(np.abs(reverse - found.value) <= 4.0 * found.error + 1e-11 * scale)


@pytest.mark.parametrize("name", FOUND)
def test_second_derivatives(name: str) -> None:
    f, x = flat(name)
    v = np.cos(np.arange(len(x))) * np.maximum(np.abs(x), 0.1)
    product = wg.hvp(f, x, v)
    found = numeric.derivative_estimate(lambda t: wg.grad(f)(x + t * v), 0.0, method="richardson")
    scale = np.max(np.abs(product)) + np.max(np.abs(wg.grad(f)(x)))
    assert np.all(found.error <= 1e-5 * scale), found.error
    assert np.all(np.abs(product - found.value) <= 4.0 * found.error + 1e-11 * scale)


@pytest.mark.parametrize("name", FOUND)
@pytest.mark.filterwarnings("error::wengert.staging.StagingWarning")
def test_staged(name: str) -> None:
    """Under jit every program is one graph, and its first and second derivatives are those of the unstaged program."""
    f, x = flat(name)
    v = np.cos(np.arange(len(x))) * np.maximum(np.abs(x), 0.1)
    value, gradient = wg.value_and_grad(f)(x)
    scale, product = np.max(np.abs(gradient)), wg.hvp(f, x, v)
    assert wg.jit(f)(x) == pytest.approx(value, rel=1e-14)
    for staged in (wg.jit(wg.grad(f)), wg.grad(wg.jit(f))):
        np.testing.assert_allclose(staged(x), gradient, rtol=0.0, atol=1e-13 * scale)
    size = scale + np.max(np.abs(product))
    for second in (wg.hvp(wg.jit(f), x, v), wg.jit(lambda x: wg.hvp(f, x, v))(x)):
        np.testing.assert_allclose(second, product, rtol=0.0, atol=1e-12 * size)
    assert wg.jvp(wg.jit(f), (x,), (v,))[1] == pytest.approx(gradient @ v, rel=1e-10, abs=1e-12 * scale)


@pytest.mark.parametrize("name", ["kalman", "newton", "lu", "soft_edit_distance", "bisection"])
def test_hessians_are_symmetric(name: str) -> None:
    f, x = flat(name)
    hessian = wg.hessian(f)(x)
    # Two steps of bisection's polish leave an asymmetry of the order of the tolerance.
    np.testing.assert_allclose(hessian, hessian.T, rtol=0.0, atol=1e-10 * np.max(np.abs(hessian)))


# ---------------------------------------------------------------- values, and derivatives that are known


def nile(scales: np.ndarray, years: int, start: np.ndarray, spread: np.ndarray) -> float:
    """The log-density of the whole series at once, from its mean and its covariance."""
    T, now = np.array([[1.0, 1.0], [0.0, 1.0]]), np.eye(2)
    mean, rows = np.zeros(years), np.zeros((years, years))
    drift = np.diag(scales[1:] ** 2)
    powers = [np.linalg.matrix_power(T, k) for k in range(years)]
    for i in range(years):
        mean[i] = (powers[i] @ start)[0]
        for j in range(i + 1):
            now = powers[i] @ spread @ powers[j].T
            for k in range(1, j + 1):
                now = now + powers[i - k] @ drift @ powers[j - k].T
            rows[i, j] = rows[j, i] = now[0, 0]
    covariance = rows + scales[0] ** 2 * np.eye(years)
    return scipy.stats.multivariate_normal(mean, covariance).logpdf(PROGRAM["kalman"].NILE[:years])


def test_kalman_is_the_density_of_the_whole_series() -> None:
    kalman = PROGRAM["kalman"]
    scales, y, start, spread = kalman.inputs(years=12)
    assert kalman.log_likelihood(scales, y, start, spread) == pytest.approx(nile(scales, 12, start, spread), rel=1e-11)


def test_kalman_gradient_vanishes_at_the_published_fit() -> None:
    """Durbin and Koopman's variances are rounded to 0.5 in 15099 and to 0.05 in 1469.1, relatively 3e-5."""
    kalman = PROGRAM["kalman"]
    scales, y, _, _ = kalman.inputs(years=100, slope=0.0)
    data = (y, np.array([0.0, 0.0]), np.diag([1e7, 0.0]))
    gradient = wg.grad(kalman.log_likelihood)(scales, *data)[:2]
    hessian = wg.hessian(kalman.log_likelihood)(scales, *data)[:2, :2]
    off = np.linalg.solve(hessian, gradient) / scales[:2]
    assert np.all(np.abs(off) <= 1e-3), off  # the vague guess of the first level is not infinitely vague


def closed_form(spot: float, strike: float, barrier: float, rate: float, sigma: float, years: float) -> float:
    """Black and Scholes' price of a down-and-out call, barrier below the strike (Merton 1973)."""

    def call(spot: float) -> float:
        d = (np.log(spot / strike) + (rate + 0.5 * sigma**2) * years) / (sigma * np.sqrt(years))
        below = scipy.special.ndtr(d - sigma * np.sqrt(years))
        return spot * scipy.special.ndtr(d) - strike * np.exp(-rate * years) * below

    return call(spot) - (spot / barrier) ** (1.0 - 2.0 * rate / sigma**2) * call(barrier**2 / spot)


def test_monte_carlo_is_merton_where_the_variance_is_constant() -> None:
    """Then neither the steps nor the bridge leave a bias: what remains is the error of the average."""
    price = PROGRAM["monte_carlo"].price
    sigma, rate = 0.25, 0.05
    parameters = np.array([100.0, sigma**2, 1.0, sigma**2, 0.0, 0.0, rate])
    batches = [np.random.default_rng(seed).standard_normal((4, 2, 4000)) for seed in range(16)]
    found = [wg.value_and_grad(lambda p: price(p, draws))(parameters) for draws in batches]
    for seen, h in (([value for value, _ in found], 0.0), ([gradient[0] for _, gradient in found], 1e-3)):
        at = lambda spot: closed_form(spot, 100.0, 90.0, rate, sigma, 1.0)
        exact = (at(100.0 + h) - at(100.0 - h)) / (2.0 * h) if h else at(100.0)
        assert abs(np.mean(seen) - exact) <= 4.0 * np.std(seen) / np.sqrt(len(seen) - 1)


def test_monte_carlo_draws_inside_as_numpy_does() -> None:
    monte_carlo = PROGRAM["monte_carlo"]
    for seed in (0, 7):
        parameters, draws = monte_carlo.inputs(30, 5, seed)
        given = wg.value_and_grad(monte_carlo.price)(parameters, draws)
        seeded = wg.value_and_grad(monte_carlo.price_seeded)(parameters, seed, 30, 5)
        assert seeded[0] == given[0] == monte_carlo.price_seeded(parameters, seed, 30, 5)
        np.testing.assert_array_equal(seeded[1], given[1])
        direction = (0.1 * parameters,)
        forward = wg.jvp(lambda p: monte_carlo.price_seeded(p, seed, 30, 5), (parameters,), direction)[1]
        assert forward == pytest.approx(given[1] @ direction[0], rel=1e-12)


def test_orbit_closes_and_follows_an_integrator() -> None:
    orbit = PROGRAM["orbit"]
    state, period = orbit.perihelion()
    errors = [np.max(np.abs(orbit.fly(state, period, steps) - state)) for steps in (200, 400)]
    assert errors[1] < 2e-4 and errors[0] / errors[1] > 14.0  # fourth order
    settled = scipy.integrate.solve_ivp(
        lambda t, s: orbit.rate(s), (0.0, 0.4 * period), state, method="DOP853", rtol=1e-12, atol=1e-13
    ).y[:, -1]
    np.testing.assert_allclose(orbit.fly(state, 0.4 * period, 400), settled, atol=1e-6)


def potential(parameters: Any, kick: float, duration: float) -> float:
    """The mean potential, by an integrator of SciPy on the equations as Hodgkin and Huxley print them."""

    def rates(t: float, state: Any) -> Any:
        v, n, m, h, _ = state
        linear = lambda x: 1.0 if x == 0.0 else x / (np.exp(x) - 1.0)
        sodium, potassium, leak, current = parameters
        flows = sodium * m**3 * h * (v - 115.0) + potassium * n**4 * (v + 12.0) + leak * (v - 10.613)
        return [
            current - flows,
            0.1 * linear((10.0 - v) / 10.0) * (1.0 - n) - 0.125 * np.exp(-v / 80.0) * n,
            linear((25.0 - v) / 10.0) * (1.0 - m) - 4.0 * np.exp(-v / 18.0) * m,
            0.07 * np.exp(-v / 20.0) * (1.0 - h) - h / (np.exp((30.0 - v) / 10.0) + 1.0),
            v,
        ]

    start = [kick, 0.3177, 0.0529, 0.5961, 0.0]
    return scipy.integrate.solve_ivp(rates, (0.0, duration), start, "LSODA", rtol=1e-10, atol=1e-10).y[-1, -1] / duration


def test_hodgkin_huxley_converges_to_the_solution_of_the_equations() -> None:
    """Of second order in dt, so that two steps extrapolated are of fourth; the gradient converges with the value."""
    module = PROGRAM["hodgkin_huxley"]
    parameters, kick, duration, _ = module.inputs()
    found = [wg.value_and_grad(module.mean_potential)(parameters, kick, duration, dt) for dt in (0.08, 0.04)]
    assert (4.0 * found[1][0] - found[0][0]) / 3.0 == pytest.approx(potential(parameters, kick, duration), abs=1e-2)
    gradient = (4.0 * found[1][1] - found[0][1]) / 3.0
    for k, h in enumerate((0.05, 0.05, 0.005, 0.05)):
        e = h * np.eye(4)[k]
        slope = (potential(parameters + e, kick, duration) - potential(parameters - e, kick, duration)) / (2.0 * h)
        assert gradient[k] == pytest.approx(slope, rel=5e-3), k


def test_hodgkin_huxley_steps_over_its_singularity() -> None:
    ratio = PROGRAM["hodgkin_huxley"].ratio
    for x in (0.0, 5e-4, -5e-4, 2e-3):
        # The Bernoulli numbers: x / (e^x - 1) = 1 - x/2 + x^2/12 - x^4/720 + ...
        assert wg.grad(ratio)(x) == pytest.approx(-0.5 + x / 6.0 - x**3 / 180.0, rel=1e-11)
        assert wg.grad(wg.grad(ratio))(x) == pytest.approx(1.0 / 6.0 - x**2 / 60.0, rel=1e-6)


def test_newton_is_lamberts_function() -> None:
    """Colebrook's equation has a closed form, and the implicit function theorem gives its derivative."""
    friction = PROGRAM["newton"].friction
    for reynolds, roughness in ((1e4, 0.0), (2e5, 4.5e-4), (1e6, 1e-2)):
        a, b, c = 2.51 / reynolds, roughness / 3.7, 2.0 / np.log(10.0)
        # x = -c log(a x + b): with u = a x + b, u / (a c) exp(u / (a c)) = exp(b / (a c)) / (a c)
        logarithm = b / (a * c) - np.log(a * c)
        u = a * c * scipy.special.wrightomega(logarithm)
        x = (u - b) / a
        f, slope = wg.value_and_grad(friction)(reynolds, roughness)
        assert f == pytest.approx(1.0 / x**2, rel=1e-11)
        dx = (c * a * x / reynolds / u) / (1.0 + c * a / u)
        assert slope == pytest.approx(-2.0 / x**3 * dx, rel=1e-9)


def test_bisection_alone_is_a_staircase_and_one_newton_step_repairs_it() -> None:
    module = PROGRAM["bisection"]
    bond, years = module.inputs(years=6)
    solve = module.bond_yield
    rate = solve(bond, years)
    implicit = wg.grad(lambda bond: module.present_value(rate, bond[1], bond[2], years) - bond[0])(bond)
    implicit = -implicit / module.slope(rate, bond[1], bond[2], years)
    assert module.present_value(rate, bond[1], bond[2], years) == pytest.approx(bond[0], rel=1e-14)
    np.testing.assert_array_equal(wg.grad(solve)(bond, years, 0), np.zeros(3))
    np.testing.assert_array_equal(wg.jvp(lambda b: solve(b, years, 0), (bond,), (bond,))[1], 0.0)
    for polish in (1, 2):
        np.testing.assert_allclose(wg.grad(solve)(bond, years, polish), implicit, rtol=1e-10)
    second = numeric.jacobian(wg.grad(lambda b: solve(b, years)), bond)
    good, poor = (wg.hessian(solve)(bond, years, polish) for polish in (2, 1))
    np.testing.assert_allclose(good, second, rtol=1e-5, atol=1e-9)
    assert np.max(np.abs(poor - second)) > 0.1 * np.max(np.abs(second))


def test_bellman_ford_agrees_with_scipy_and_with_every_path() -> None:
    module = PROGRAM["bellman_ford"]
    speed, length, start, end, nodes = module.inputs(3, 3)
    network = scipy.sparse.csr_array((length / speed, (start, end)), shape=(nodes, nodes))
    value, gradient = wg.value_and_grad(module.travel_time)(speed, length, start, end, nodes)
    assert value == pytest.approx(scipy.sparse.csgraph.dijkstra(network, indices=0)[-1], rel=1e-14)

    def paths(node: int, seen: tuple[int, ...], used: tuple[int, ...]) -> Any:
        if node == nodes - 1:
            yield used
            return
        for i in np.flatnonzero(start == node):
            if end[i] not in seen:
                yield from paths(end[i], (*seen, end[i]), (*used, i))

    best = min(paths(0, (0,), ()), key=lambda used: sum(length[i] / speed[i] for i in used))
    expected = np.zeros(len(speed))
    expected[list(best)] = -length[list(best)] / speed[list(best)] ** 2
    np.testing.assert_allclose(gradient, expected, rtol=1e-14, atol=0.0)


@pytest.mark.parametrize("n", [1, 2, 6])
def test_lu_is_that_of_lapack(n: int) -> None:
    module = PROGRAM["lu"]
    (a,) = module.inputs(n)
    lu, exchanged = module.factor(a)
    expected, pivots = scipy.linalg.lu_factor(a)
    np.testing.assert_allclose(lu, expected, atol=1e-13 * np.linalg.cond(a))
    np.testing.assert_array_equal(exchanged, pivots)
    assert module.log_determinant(a) == pytest.approx(np.linalg.slogdet(a)[1], abs=1e-13 * np.linalg.cond(a))
    inverse = np.linalg.inv(a)
    hessian = wg.hessian(module.log_determinant)(a)
    np.testing.assert_allclose(hessian, -np.einsum("li,jk->ijkl", inverse, inverse), rtol=1e-8, atol=1e-10)


def test_gauss_seidel_solves_the_equations() -> None:
    module = PROGRAM["gauss_seidel"]
    parameters, n = module.inputs()
    h, loss = 1.0 / (n + 1), parameters[4]
    second = 2.0 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    A = np.kron(second, np.eye(n)) + np.kron(np.eye(n), second) + h**2 * loss * np.eye(n * n)
    edges = np.zeros((4, n, n))
    edges[0, 0] = edges[1, -1] = edges[2, :, 0] = edges[3, :, -1] = 1.0
    edges = edges.reshape(4, -1)
    u = np.linalg.solve(A, parameters[:4] @ edges + 5.0 * h**2)
    value, gradient = wg.value_and_grad(module.mean_temperature)(parameters, n)
    assert value == pytest.approx(np.mean(u), rel=1e-12)
    adjoint = np.linalg.solve(A, np.full(n * n, 1.0 / n**2))
    np.testing.assert_allclose(gradient, np.append(edges @ adjoint, -(h**2) * (adjoint @ u)), rtol=1e-10)


def test_hmm_sums_over_all_hidden_paths() -> None:
    module = PROGRAM["hmm"]
    parameters, rolls = module.inputs(8)
    total = 0.0
    counts = np.zeros((2, 6))
    for path in itertools.product((0, 1), repeat=8):
        p = 0.5 * np.prod([module.SWITCH[a, b] for a, b in itertools.pairwise(path)])
        p *= np.prod([module.FACES[die, roll] for die, roll in zip(path, rolls)])
        total += p
        for die, roll in zip(path, rolls):
            counts[die, roll] += p
    value, gradient = wg.value_and_grad(module.log_likelihood)(parameters, rolls)
    assert value == pytest.approx(np.log(total), rel=1e-13)
    # Fisher's identity: expected counts, less what the probabilities of the faces would give.
    counts /= total
    expected = counts - counts.sum(axis=1, keepdims=True) * module.FACES
    np.testing.assert_allclose(gradient["faces"], expected, atol=1e-13)


def alignments(m: int, n: int) -> Any:
    """Every way to go through the table, as (letters of the first word, of the second) consumed by each step."""
    if m == n == 0:
        yield ()
    for i, j in ((1, 1), (1, 0), (0, 1)):
        if i <= m and j <= n:
            for rest in alignments(m - i, n - j):
                yield (*rest, (i, j))


def test_soft_edit_distance_counts_every_alignment() -> None:
    module = PROGRAM["soft_edit_distance"]
    costs, first, second, g = module.inputs("abca", "bcb")
    totals, counts = [], []
    for steps in alignments(4, 3):
        i = j = 0
        used = np.zeros(3)
        for a, b in steps:
            i, j = i + a, j + b
            if (a, b) == (1, 1):
                used[2] += first[i - 1] != second[j - 1]
            else:
                used[1 if a else 0] += 1.0
        totals.append(costs @ used)
        counts.append(used)
    weights = np.exp(-np.array(totals) / g)
    value, gradient = wg.value_and_grad(module.distance)(costs, first, second, g)
    assert value == pytest.approx(-g * np.log(np.sum(weights)), rel=1e-12)
    np.testing.assert_allclose(gradient, weights @ np.array(counts) / np.sum(weights), rtol=1e-11)


def test_soft_edit_distance_becomes_levenshteins() -> None:
    module = PROGRAM["soft_edit_distance"]
    words = module.letters("kitten"), module.letters("sitting")
    assert module.distance(np.ones(3), *words, 1e-3) == pytest.approx(3.0, abs=0.01)
    assert module.distance(np.ones(3), module.letters("ab"), module.letters(""), 1e-3) == 2.0


def test_particle_without_drag_is_a_parabola() -> None:
    carry = PROGRAM["particle"].carry
    speed, angle, height, gravity = 30.0, 0.6, 1.5, 9.80665

    def exact(throw: Any) -> Any:
        up = throw[0] * np.sin(throw[1])
        return throw[0] * np.cos(throw[1]) * (up + np.sqrt(up**2 + 2.0 * gravity * height)) / gravity

    throw = np.array([speed, angle, 0.0])
    # Whatever the number of steps, which changes between these.
    for dt in (0.5, 0.37, 0.1):
        assert carry(throw, height, dt) == pytest.approx(exact(throw), rel=1e-12)
        step = [exact(throw + 1e-30j * e).imag / 1e-30 for e in np.eye(3)[:2]]
        np.testing.assert_allclose(wg.grad(carry)(throw, height, dt)[:2], step, rtol=1e-11)


def test_particle_with_drag_follows_an_integrator() -> None:
    module = PROGRAM["particle"]
    throw, height, _ = module.inputs()

    def land(t: float, s: Any) -> Any:
        return s[1]

    def meet(throw: Any) -> float:
        speed, angle, drag = throw
        land.terminal = True  # type: ignore[attr-defined]
        rates = lambda t, s: np.concatenate([s[2:], module.acceleration(s[2:], drag)])
        start = [0.0, height, speed * np.cos(angle), speed * np.sin(angle)]
        return scipy.integrate.solve_ivp(rates, (0.0, 20.0), start, "DOP853", events=land, rtol=1e-11, atol=1e-11).y[0, -1]

    value, gradient = wg.value_and_grad(module.carry)(throw, height, 0.05)
    assert value == pytest.approx(meet(throw), abs=1e-2)
    slopes = [(meet(throw * (1 + 1e-4 * e)) - meet(throw * (1 - 1e-4 * e))) / (2e-4 * throw @ e) for e in np.eye(3)]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-3)


def test_minmax_is_ridge_regression_also_with_gradients_inside() -> None:
    module = PROGRAM["minmax"]
    parameters, A = module.inputs()
    b, ridge = parameters[:-1], parameters[-1]
    x = np.linalg.solve(A.T @ A + ridge * np.eye(2), A.T @ b)
    value, gradient = wg.value_and_grad(module.value)(parameters, A)
    assert value == pytest.approx(0.5 * np.sum((A @ x - b) ** 2) + 0.5 * ridge * (x @ x), rel=1e-13)
    np.testing.assert_allclose(gradient, np.append(b - A @ x, 0.5 * (x @ x)), atol=1e-10)

    def nested(parameters: Any) -> Any:
        """The same game for a few rounds, its slopes by wg.grad."""
        b, ridge = parameters[:-1], parameters[-1]
        x, y = np.zeros(2), np.zeros(4)
        for _ in range(4):
            for _ in range(2):
                y = y + 0.5 * wg.grad(module.payoff, 1)(x, y, A, b, ridge)
            x = x - 0.5 * wg.grad(module.payoff)(x, y, A, b, ridge)
        return module.payoff(x, y, A, b, ridge)

    def by_hand(parameters: Any) -> Any:
        b, ridge = parameters[:-1], parameters[-1]
        x, y = np.zeros(2), np.zeros(4)
        for _ in range(4):
            for _ in range(2):
                y = y + 0.5 * (A @ x - b - y)
            x = x - 0.5 * (A.T @ y + ridge * x)
        return module.payoff(x, y, A, b, ridge)

    assert nested(parameters) == pytest.approx(by_hand(parameters), rel=1e-14)
    step = np.array([by_hand(parameters + 1e-30j * e).imag / 1e-30 for e in np.eye(5)])
    np.testing.assert_allclose(wg.grad(nested)(parameters), step, rtol=1e-12)
