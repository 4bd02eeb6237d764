"""Taylor coefficients against mpmath, closed forms, and programs with known solutions."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
import scipy.linalg
from scipy import special

import wengert as wg
from wengert.errors import InputError
from wengert.graph import ArrayType, build_graph
from wengert.primitives.elementary import exp, sin
from wengert.transforms.taylor import taylor as transform

EPS = float(np.finfo(float).eps)

FUNCTIONS = {
    "exp of sin": (lambda x: np.exp(np.sin(x)), lambda x: mp.exp(mp.sin(x)), 0.7),
    "quotient": (lambda x: np.sin(x) / (1 + x * x), lambda x: mp.sin(x) / (1 + x * x), 0.7),
    "logarithm": (np.log, mp.log, 0.7),
    "root": (np.sqrt, mp.sqrt, 0.7),
    "real power": (lambda x: x ** 2.5, lambda x: x ** mp.mpf(2.5), 0.7),
    "variable power": (lambda x: x ** x, lambda x: x ** x, 0.7),
    "integer power": (lambda x: x ** -3, lambda x: x ** -3, 0.7),
    "tanh": (np.tanh, mp.tanh, 0.7),
    "arcsin": (np.arcsin, mp.asin, 0.2),
    "arctan": (np.arctan, mp.atan, 0.7),
    "error function": (special.erf, mp.erf, 0.7),
    "Lambert W": (lambda x: np.real(special.lambertw(x)), lambda x: mp.lambertw(x).real, 1.7),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_order_ten_agrees_with_mpmath(name):
    f, reference, x = FUNCTIONS[name]
    with mp.workdps(50):
        expected = [float(c) for c in mp.taylor(lambda t: reference(mp.mpf(x) + t * mp.mpf(1.25)), 0, 10)]
    found = wg.taylor(f, x, 1.25, 10)
    np.testing.assert_allclose(found, expected, rtol=0, atol=300 * EPS * np.max(np.abs(expected)))


def test_known_series():
    k = np.arange(21)
    np.testing.assert_allclose(wg.taylor(np.exp, 0.0, 1.0, 20), 1.0 / special.factorial(k), rtol=1e-14)
    np.testing.assert_allclose(wg.taylor(np.log1p, 0.0, 1.0, 20)[1:], (-1.0) ** (k[1:] + 1) / k[1:], rtol=1e-14)
    assert np.array_equal(wg.taylor(lambda x: x ** 3, 0.0, 1.0, 4), [0, 0, 0, 1, 0])
    assert np.array_equal(wg.taylor(lambda x: np.abs(x) ** 2, 0.0, 1.0, 3), [0, 0, 1, 0])


def test_a_power_series_of_a_linear_system_is_that_of_neumann():
    """(A - t B)⁻¹ b = Σ (A⁻¹ B)^k A⁻¹ b t^k."""
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(4, 4)) + 4 * np.eye(4), rng.normal(size=(4, 4)), rng.normal(size=4)
    expected = [np.linalg.solve(a, c)]
    for _ in range(10):
        expected.append(np.linalg.solve(a, b @ expected[-1]))
    np.testing.assert_allclose(wg.taylor(lambda a: np.linalg.solve(a, c), a, -b, 10), expected, rtol=1e-12, atol=1e-14)


def test_linear_algebra_satisfies_its_own_equations_order_by_order():
    """The coefficients of L Lᵀ, of V diag(λ) Vᵀ and of expm(t S) as convolutions, against those of the matrix."""
    rng = np.random.default_rng(1)
    a, s = rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    a, s = a @ a.T + np.diag([3.0, 6.0, 9.0]), s + s.T
    expected = np.zeros((6, 3, 3))
    expected[:2] = a, s
    factor = wg.taylor(np.linalg.cholesky, a, s, 5)
    values, vectors = wg.taylor(lambda a: tuple(np.linalg.eigh(a)), a, s, 5)
    for k in range(6):
        np.testing.assert_allclose(sum(factor[i] @ factor[k - i].T for i in range(k + 1)), expected[k], atol=1e-12)
        whole = sum((vectors[i] * values[j]) @ vectors[k - i - j].T for i in range(k + 1) for j in range(k + 1 - i))
        np.testing.assert_allclose(whole, expected[k], atol=1e-11)
    powers = [np.linalg.matrix_power(s / 4, k) / math.factorial(k) for k in range(5)]
    np.testing.assert_allclose(wg.taylor(scipy.linalg.expm, np.zeros((3, 3)), s / 4, 4), powers, atol=1e-14)


def kepler(t, steps):
    """An orbit by the leapfrog method: a loop with writes."""
    q, p, h = np.array([1.0, 0.0]), np.array([0.0, 1.1]), t / steps
    for _ in range(steps):
        p = p - 0.5 * h * q / np.sum(q * q) ** 1.5
        q = q + h * p
        p = p - 0.5 * h * q / np.sum(q * q) ** 1.5
    return q


def newton(x):
    """A root, by a loop of unknown length and a branch."""
    y = x
    while abs(y * y - x) > 1e-14 * abs(x):
        y = 0.5 * (y + x / y)
    for _ in range(4):
        y = 0.5 * (y + x / y)
    if y > 0:
        return y * np.cos(x)
    return x


@pytest.mark.parametrize("staged", [False, True])
def test_loops_and_branches(staged):
    jit = wg.jit if staged else lambda f: f
    with mp.workdps(40):
        expected = [float(c) for c in mp.taylor(lambda x: mp.sqrt(x) * mp.cos(x), 2, 6)]
    np.testing.assert_allclose(jit(lambda x: wg.taylor(newton, x, 1.0, 6))(2.0), expected, atol=1e-14)
    np.testing.assert_allclose(wg.taylor(jit(newton), 2.0, 1.0, 6), expected, atol=1e-14)
    c = jit(lambda t: wg.taylor(lambda t: kepler(t, 5), t, 1.0, 4))(1.0)
    with mp.workdps(40):
        orbit = [mp.taylor(lambda t, i=i: orbit_exactly(t, 5)[i], 1, 4) for i in range(2)]
    np.testing.assert_allclose(c.T, np.array(orbit, float), rtol=1e-10, atol=1e-12)


def orbit_exactly(t, steps):
    q, p, h = [mp.mpf(1), mp.mpf(0)], [mp.mpf(0), mp.mpf(1.1)], t / steps

    def kick(q, p):
        r = (q[0] ** 2 + q[1] ** 2) ** mp.mpf(1.5)
        return [b - h * a / (2 * r) for a, b in zip(q, p)]
    for _ in range(steps):
        p = kick(q, p)
        q = [a + h * b for a, b in zip(q, p)]
        p = kick(q, p)
    return q


def test_arrays_trees_dtypes_and_arguments():
    point, direction = {"x": np.array([1.0, 2.0]), "y": 3.0}, {"x": np.array([1.0, 0.0]), "y": 1.0}
    found = wg.taylor(lambda d: {"p": d["x"] * d["y"], "c": 2.0}, point, direction, 3)
    np.testing.assert_array_equal(found["p"], [[3, 6], [4, 2], [1, 0], [0, 0]])
    np.testing.assert_array_equal(found["c"], [2, 0, 0, 0])
    np.testing.assert_array_equal(wg.taylor(lambda x, y: x * y, (2.0, 3.0), (1.0, 1.0), 2), [6, 5, 1])
    assert wg.taylor(np.exp, np.float32(1), np.float32(1), 3).dtype == np.float32
    np.testing.assert_allclose(wg.taylor(np.exp, 1j, 1.0, 2), np.exp(1j) * np.array([1, 1, 0.5]), rtol=1e-15)
    np.testing.assert_array_equal(wg.taylor(lambda x: x * x, 3.0, 1.0, 0), [9])


def test_it_nests_with_grad_and_vmap():
    third = wg.grad(lambda x: wg.taylor(np.sin, x, 1.0, 3)[3])
    assert third(0.5) == pytest.approx(math.sin(0.5) / 6, rel=1e-14)
    rows = wg.vmap(lambda x: wg.taylor(np.exp, x, 1.0, 2))(np.array([0.0, 1.0]))
    np.testing.assert_allclose(rows, np.exp([[0.0], [1.0]]) * [1.0, 1.0, 0.5], rtol=1e-15)


def test_what_a_choice_left_out_stays_zero():
    def f(x):
        return np.sum(np.sqrt(np.concatenate([x * np.ones(1), np.zeros(2)])))
    np.testing.assert_allclose(wg.taylor(f, 1.0, 1.0, 2), [1.0, 0.5, -0.125], rtol=1e-15)
    np.testing.assert_array_equal(wg.taylor(lambda x: np.sqrt(np.where(x > 0, x, 0.0)), 0.0, 1.0, 2), [0, 0, 0])
    np.testing.assert_array_equal(wg.taylor(lambda x: np.sqrt(np.maximum(x - 1.0, 0.0)) * x, 0.0, 1.0, 2), [0, 0, 0])


def test_even_powers_of_moduli_move_at_the_kink():
    for f in (lambda x: np.linalg.norm(np.array([x, 0.0])) ** 2, lambda x: np.abs(x) ** 2, lambda x: np.hypot(x, 0.0) ** 2):
        np.testing.assert_array_equal(wg.taylor(f, 0.0, 1.0, 3), [0, 0, 1, 0])


def test_the_cost_is_quadratic_in_the_order():
    """Where nested derivatives double with each order."""
    graph = build_graph(lambda x: exp(sin(x)), ArrayType((), float))
    sizes = [len(transform(graph, [True], d).graph.equations) for d in (8, 16, 32)]
    assert sizes[2] < 4.3 * sizes[1] < 4.3 ** 2 * sizes[0]
    assert sizes[2] < 3 * 32 ** 2


def test_refusals():
    with pytest.raises(InputError, match="order"):
        wg.taylor(np.sin, 1.0, 1.0, -1)
    with pytest.raises(InputError, match="order"):
        wg.taylor(np.sin, 1.0, 1.0, 1.5)
    with pytest.raises(InputError, match="tangent has shape"):
        wg.taylor(np.sin, np.ones(2), np.ones(3), 2)
    with pytest.raises(InputError, match="first argument is a function"):
        wg.taylor(1.0, 1.0, 1.0, 2)


def test_a_loop_that_draws_runs_once():
    """A staged loop with effects is not run again for its coefficients: the function runs unstaged, and says so."""
    def walk(x):
        rng = np.random.default_rng(0)
        for _ in range(3):
            x = x * rng.normal()
        return x
    with pytest.warns(wg.StagingWarning, match="draws random numbers"):
        found = wg.jit(lambda x: wg.taylor(wg.jit(walk), x, 1.0, 2))(2.0)
    np.testing.assert_allclose(found, [walk(2.0), walk(1.0), 0.0], rtol=1e-15)
