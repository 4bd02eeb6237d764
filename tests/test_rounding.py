"""Rounding errors: estimates and bounds held against the same operations in higher precision, and against mpmath.

In float32 the reference is float64, which shares no rounding with it; LAPACK is held against mpmath with 40 digits.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special

import wengert as wg
from wengert import rounding_model
from wengert.errors import InputError, NonDifferentiableError, UnsupportedError
from wengert.graph import REGISTRY, ArrayType, Const, Equation, Var, build_graph
from wengert.graph.check import check
from wengert.rounding_model import exact, is_modeled
from wengert.transforms.unroll import unroll

F4 = np.float32


def naive(x: Any) -> Any:
    total = 0.0
    for v in x:
        total = total + v
    return total


def kahan(x: Any) -> Any:
    total = c = 0.0
    for v in x:
        y = v - c
        t = total + y
        c = (t - total) - y
        total = t
    return total


def horner(c: Any, x: Any) -> Any:
    y = c[0]
    for a in c[1:]:
        y = y * x + a
    return y


def cancelling(x: Any) -> Any:
    return (1 - np.cos(x)) / x**2


def variance_of_squares(x: Any) -> Any:
    return np.mean(x * x) - np.mean(x) ** 2


def variance_of_differences(x: Any) -> Any:
    return np.mean((x - np.mean(x)) ** 2)


def root_by_formula(a: Any, b: Any, c: Any) -> Any:
    return (-b + np.sqrt(b * b - 4 * a * c)) / (2 * a)


def root_without_cancellation(a: Any, b: Any, c: Any) -> Any:
    return 2 * c / (-b - np.sqrt(b * b - 4 * a * c))


def iterated(x: Any) -> Any:
    for _ in range(20):
        x = np.sin(x) * 1.7 + 0.1
    return np.sum(x)


def normal(*shape: int) -> Callable[[Any], Any]:
    return lambda rng: rng.normal(size=shape).astype(F4)


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Callable[[Any], Any]:
    return lambda rng: rng.uniform(low, high, size=shape).astype(F4)[()]


NEAR_ROOT = np.poly([1.0, 1.0, 1.0, 1.0, 1.0]).astype(F4)
CASES: dict[str, tuple[Callable[..., Any], list[Callable[[Any], Any]]]] = {
    "naive sum": (naive, [uniform(100)]),
    "sum of random signs": (np.sum, [normal(3000)]),
    "sum of positive terms": (np.sum, [uniform(3000)]),
    "sum over rows": (lambda x: np.sum(x, axis=0)[0], [uniform(2000, 2)]),
    "sum over columns": (lambda x: np.sum(x, axis=1)[0], [uniform(2, 2000)]),
    "sum of a transpose": (lambda x: np.sum(x.T, axis=1)[0], [uniform(2000, 2)]),
    "sum of few": (np.sum, [uniform(7)]),
    "dot": (np.dot, [normal(1000), normal(1000)]),
    "dot of few": (np.dot, [uniform(5), uniform(5)]),
    "matmul": (np.matmul, [normal(3, 200), normal(200, 2)]),
    "cumsum": (lambda x: np.cumsum(x)[-1], [uniform(500)]),
    "cumprod": (lambda x: np.cumprod(x)[-1], [uniform(50, low=0.9, high=1.1)]),
    "prod": (np.prod, [uniform(50, low=0.9, high=1.1)]),
    "convolution": (lambda a, b: np.convolve(a, b)[50:53], [normal(80), normal(30)]),
    "horner": (horner, [normal(12), normal()]),
    "near a fivefold root": (lambda x: horner(NEAR_ROOT, x), [uniform(low=0.8, high=1.2)]),
    "cancellation": (cancelling, [uniform(low=0.01, high=0.1)]),
    "variance of squares": (variance_of_squares, [uniform(50, low=99.0, high=101.0)]),
    "variance of differences": (variance_of_differences, [uniform(50, low=99.0, high=101.0)]),
    "quadratic formula": (root_by_formula, [uniform(low=0.5), uniform(low=50.0, high=99.0), uniform(low=1.0, high=2.0)]),
    "iteration": (iterated, [normal(3)]),
    "powers": (lambda x: x**2.5 + x**3 - np.exp(x) / np.log(x), [uniform(3, low=5.0, high=6.0)]),
    "complex": (lambda x, y: np.abs(np.sum((x + 1j * y) ** 2 / (1 + x))), [normal(9), normal(9)]),
    "choice": (lambda x: np.sum(np.where(x > 0.5, np.sqrt(np.abs(x - 0.5)), 3.0 * x)), [uniform(40)]),
}


@pytest.mark.parametrize("case", CASES)
def test_estimate_and_bound_against_double_precision(case: str) -> None:
    """No error exceeds its bound; over 15 points their root mean square is within a factor of three of the estimate."""
    f, draw = CASES[case]
    rng = np.random.default_rng(7)
    ratios = []
    for _ in range(15):
        found = wg.rounding_error(f, *[d(rng) for d in draw], reference=True)
        assert np.asarray(found.value).dtype == F4
        error, estimate, bound = (np.ravel(np.abs(x)).astype(float) for x in (found.error, found.estimate, found.bound))
        assert np.all(error <= bound * (1 + 1e-3))
        assert np.all(estimate <= bound)
        ratios.extend(error / estimate)
    assert 1 / 3 < np.sqrt(np.mean(np.square(ratios))) < 3


LIBRARIES = {"logsumexp": scipy.special.logsumexp, "softmax": lambda x: scipy.special.softmax(x)[:3],
             "fft": lambda x: np.abs(np.fft.fft(x))[3], "gammaln": lambda x: scipy.special.gammaln(x * x + 2.0)[:2]}


@pytest.mark.parametrize("f", LIBRARIES.values(), ids=LIBRARIES)
def test_libraries_are_not_underestimated(f: Any) -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        found = wg.rounding_error(f, (4 * rng.normal(size=60)).astype(F4), reference=True)
        assert np.all(np.abs(found.error) <= 6 * np.asarray(found.estimate))
        assert np.all(np.abs(found.error) <= found.bound)


# ---------------------------------------------------------------- matrices, against mpmath

@pytest.mark.parametrize(("f", "exactly", "x"), [
    (scipy.special.j0, mpmath.j0, 2.404825557695), (scipy.special.j1, mpmath.j1, 3.831705970207),
    (scipy.special.y0, lambda x: mpmath.bessely(0, x), 0.8935769662791), (lambda x: scipy.special.airy(x)[0],
     mpmath.airyai, -2.338107410459), (lambda x: scipy.special.jv(2.5, x), lambda x: mpmath.besselj(2.5, x), 5.763459196894)])
def test_near_zeros_of_oscillating_functions(f: Any, exactly: Any, x: float) -> None:
    found = wg.rounding_error(f, x)
    with mpmath.workdps(40):
        error = abs(float(mpmath.mpf(float(found.value)) - exactly(mpmath.mpf(x))))
    assert error <= found.bound
    assert found.digits < 6


def test_digits_of_very_small_numbers() -> None:
    found = wg.rounding_error(lambda x: x * 3e-200, 0.1)
    assert found.digits > 15
    assert found.inputs["x"] == pytest.approx(1.0)


def exact_matrix(a: Any) -> Any:
    return mpmath.matrix(np.asarray(a).tolist())


def hilbert(n: int) -> Any:
    return 1.0 / (np.arange(n)[:, None] + np.arange(n) + 1.0)


def symmetric(rng: Any, n: int) -> Any:
    a = rng.normal(size=(n, n))
    return a + a.T


MATRICES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "solve": (lambda a: np.linalg.solve(a, np.ones(5)), lambda a: list(mpmath.lu_solve(a, mpmath.matrix([1] * 5))),
              lambda rng: rng.normal(size=(5, 5))),
    "solve Hilbert": (lambda a: np.linalg.solve(a, np.ones(6)), lambda a: list(mpmath.lu_solve(a, mpmath.matrix([1] * 6))),
                      lambda rng: hilbert(6) * rng.uniform(0.9, 1.1, 6)[:, None]),
    "det": (np.linalg.det, lambda a: [mpmath.det(a)], lambda rng: rng.normal(size=(5, 5))),
    "inv": (lambda a: np.linalg.inv(a)[0], lambda a: list((a**-1)[0, :]), lambda rng: rng.normal(size=(5, 5))),
    "eigvalsh": (np.linalg.eigvalsh, lambda a: sorted(mpmath.eigsy(a, eigvals_only=True)), lambda rng: symmetric(rng, 5)),
    "svd": (lambda a: np.linalg.svd(a)[1], lambda a: list(mpmath.svd_r(a, compute_uv=False)),
            lambda rng: rng.normal(size=(5, 5))),
    "cholesky": (lambda a: np.linalg.cholesky(a)[4], lambda a: list(mpmath.cholesky(a)[4, :]),
                 lambda rng: 3 * np.eye(5) + 0.2 * symmetric(rng, 5)),
}


@pytest.mark.parametrize("case", MATRICES)
def test_matrices_against_mpmath(case: str) -> None:
    f, exact, draw = MATRICES[case]
    rng = np.random.default_rng(5)
    ratios = []
    with mpmath.workdps(40):
        for _ in range(6):
            a = draw(rng)
            found = wg.rounding_error(f, a)
            values = [mpmath.mpf(float(x)) for x in np.ravel(found.value)]
            error = np.array([float(abs(x - y)) for x, y in zip(values, exact(exact_matrix(a)), strict=True)])
            assert np.all(error <= found.bound)
            ratios.extend(error / np.ravel(found.estimate))
    assert 0.1 < np.sqrt(np.mean(np.square(ratios))) < 10


# ---------------------------------------------------------------- what it is for

def test_compensated_summation_is_told_from_naive() -> None:
    """Kahan's sum errs by an ulp or two, whatever the number of terms; the adjoint of what is compensated cancels."""
    x = np.random.default_rng(0).uniform(size=400).astype(F4)
    plain, compensated = (wg.rounding_error(f, x, reference=True) for f in (naive, kahan))
    half = np.spacing(compensated.value) / 2
    assert compensated.bound < 2.5 * half
    assert abs(compensated.error) <= compensated.bound
    assert plain.estimate > 5 * compensated.estimate


def test_the_better_of_two_formulas() -> None:
    x = np.linspace(1000.0, 1001.0, 30)
    assert wg.rounding_error(variance_of_differences, x).digits > wg.rounding_error(variance_of_squares, x).digits + 5
    a, b, c = 1.0, 1e6, 1.0
    good, bad = (wg.rounding_error(f, a, b, c) for f in (root_without_cancellation, root_by_formula))
    assert good.digits > 15
    assert bad.digits < 6
    assert abs(bad.value + 1e-6) < 3 * bad.estimate


def test_lines_say_where_it_comes_from() -> None:
    def f(x: Any) -> Any:
        large = x + 1e6
        small = large - 1e6
        return np.sin(small)
    found = wg.rounding_error(f, 0.3)
    assert found.lines[0].source == "large = x + 1e6"
    assert found.lines[0].share > 0.999
    assert sum(line.share for line in found.lines) == pytest.approx(1.0)
    assert sum(line.bound for line in found.lines) == pytest.approx(found.bound)
    assert found.inputs["x"] == pytest.approx(0.3 / np.tan(0.3))
    text = str(found)
    assert "large = x + 1e6" in text
    assert "test_rounding.py:" in text
    assert json.loads(json.dumps(found.json()))["lines"][0]["share"] == found.lines[0].share


def test_of_a_formula_the_parts_are_told_apart() -> None:
    found = wg.rounding_error(wg.formula("(1 - cos(x)) / x^2"), 1e-4)
    assert [line.place for line in found.lines][0::3] == ["cos(x)", "1 - cos(x)"]
    assert found.lines[0].share > 0.999
    assert found.lines[-1].bound == 0.0  # a difference of numbers within a factor of two is exact (Sterbenz)


def test_exact_operations_err_by_nothing() -> None:
    def f(x: Any) -> Any:
        return np.sum(x[::-1].reshape(2, 2).T[0] * 4.0) - np.max(np.abs(x)) / 2
    found = wg.rounding_error(f, np.array([1.0, 2.0, -3.0, 8.0]))
    assert found.value == f(np.array([1.0, 2.0, -3.0, 8.0]))
    assert found.bound <= 1.1 * np.spacing(36.0)  # the sum is not known to be exact


def test_the_smallest_numbers_round_too() -> None:
    """Where x 1e-310 is subnormal it loses digits, which a later factor makes visible; squares of small errors are no zeros."""
    def scaled(x: Any) -> Any:
        return x * 1e-310 * 1e300
    found = wg.rounding_error(scaled, 0.7, reference=True)
    assert 1e-25 < abs(found.error) <= found.bound
    assert found.estimate > 0.1 * abs(found.error)
    assert not found.digits > 15
    for f in (np.sum, lambda x: np.prod(x[:3]), lambda x: x[:2] @ x[2:], lambda x: np.sqrt(x[0]) * 1e-180):
        tiny = wg.rounding_error(f, np.full(4, 1.1e-75) if f is not np.sum else np.full(4, 1.1e-200))
        assert 1e-17 < tiny.estimate / tiny.value < 1e-15
        assert tiny.estimate <= tiny.bound


def test_what_is_not_finite_is_said() -> None:
    with np.errstate(all="ignore"):
        found = wg.rounding_error(lambda x: np.exp(x) * 1e300, 200.0)
    assert found.digits == 0.0 and "not finite" in str(found) and "nan" not in str(found)
    assert json.loads(json.dumps(found.json(), allow_nan=False))["value"] == "inf"


def test_an_arm_that_is_not_taken_has_no_error() -> None:
    found = wg.rounding_error(lambda x: np.where(x > 0, x, np.exp(1e3 * x)), 0.5)
    assert found.bound == 0.0


def test_a_weighted_sum_of_a_large_result() -> None:
    x = np.linspace(0.0, 1.0, 100)
    with pytest.raises(InputError, match=r"cotangent=\.\.\."):
        wg.rounding_error(np.exp, x)
    whole = wg.rounding_error(np.exp, x, cotangent=np.ones(100))
    assert whole.value == pytest.approx(np.sum(np.exp(x)))
    assert whole.estimate == pytest.approx(0.4 * np.sqrt(np.sum(np.spacing(np.exp(x)) ** 2)))


def test_loops_and_staged_functions_are_followed() -> None:
    """The same operations, unrolled by Python and by the graph, have the same errors."""
    def powers(x: Any) -> Any:
        y = x
        while np.abs(y) < 50.0:
            y = y * x + np.sin(y)
        for k in range(4):
            y = y + x / (k + 1.0)
        return y
    plain = wg.rounding_error(powers, 1.7)
    staged = wg.rounding_error(lambda x: wg.jit(powers)(x), 1.7)
    assert staged.value == plain.value
    assert staged.bound == pytest.approx(plain.bound)
    assert staged.estimate == pytest.approx(plain.estimate)
    assert {line.place for line in plain.lines} <= {line.place for line in staged.lines}


def test_unroll_of_derivatives_of_loops() -> None:
    """Recorded loops save on stacks and in arrays; straight-line code gives the same gradient."""
    def f(x: Any) -> Any:
        y = x
        while np.sum(y) < 20.0:
            y = y * 1.5 + np.sin(x)
        for _ in range(3):
            y = np.cos(y) * x
        return np.sum(y)
    x = np.array([0.4, 1.1])
    graph = wg.make_graph(wg.jit(wg.grad(f)), x)
    flat = unroll(graph, [x])
    check(flat.graph)
    assert not {e.primitive.name for e in flat.graph.equations} & {"call", "scan", "while_loop", "cond"}
    assert np.array_equal(flat.value(flat.graph.outputs[0]), wg.grad(f)(x))
    assert wg.rounding_error(wg.grad(f), x).estimate.shape == (2,)


def test_unroll_takes_the_arm_of_the_values() -> None:
    kind = ArrayType((), np.float64)
    arms = (build_graph(lambda x: x * x, kind), build_graph(lambda x: -x, kind))
    graph = build_graph(lambda x: REGISTRY["cond"](x > 0.0, x, branches=arms), kind)
    for x, name in ((2.0, "multiply"), (-2.0, "negative")):
        assert name in [e.primitive.name for e in unroll(graph, [np.float64(x)]).graph.equations]


def test_every_primitive_is_modeled_or_named_here() -> None:
    """What is left out comes of derivatives of decompositions or of the compiler, holds graphs, which are opened, is opaque, or
    is a recursion whose errors feed on themselves (lfilter).
    """
    left_out = {"add_contract", "call", "cond", "scan", "tangent_loop", "while_loop", "custom_jvp", "custom_vjp",
                "custom_vjp_linear", "foreign", "foreign_linear", "python_call", "stack_add", "rotation", "rotation_adjoint",
                "corotation", "phase",
                "free_rotation", "free_rotation_adjoint", "adjugate_tangent", "eig_rotation", "eig_rotation_adjoint",
                "frechet", "implicit", "regular", "linear_solve", "sparse_solve", "lfilter", "ivp", "ivp_tangent",
                "ivp_adjoint", "ivp_curvature", "event_time", "transversal", "integral"}
    x = ArrayType((2, 2), np.float32)
    silent = set()
    for name, p in REGISTRY.items():
        e = Equation(p, (Const(np.zeros((2, 2))),), {}, (Var(x),))
        if not exact(e) and not is_modeled(e):
            silent.add(name)
    assert silent == left_out
    named = (rounding_model._EXACT | rounding_model._ARITHMETIC | rounding_model._ELEMENTARY | rounding_model._ELIMINATION
             | rounding_model._ORTHOGONAL | set(rounding_model._MODELS) | set(rounding_model._OF_COMPLEX)
             | rounding_model._OSCILLATING)
    assert named <= set(REGISTRY)


# ---------------------------------------------------------------- what is refused

def test_refusals() -> None:
    with pytest.raises(InputError, match="no argument holds a float"):
        wg.rounding_error(np.sum, np.arange(3))
    with pytest.raises(InputError, match="not a float"):
        wg.rounding_error(np.sin(1.0), 1.0)  # type: ignore[arg-type]
    with pytest.raises(NonDifferentiableError, match="2 values in a container"):
        wg.rounding_error(lambda x: (x, x), 1.0)
    with pytest.raises(NonDifferentiableError, match="array of bool"):
        wg.rounding_error(lambda x: x > 0, 1.0)
    with pytest.raises(UnsupportedError, match=r"python_call rounds is not modeled \(at .*test_rounding.py"):
        wg.rounding_error(wg.opaque(np.sin, derivative=np.cos), 1.0)
    with pytest.raises(UnsupportedError, match="gammaln has no higher precision than float64"):
        wg.rounding_error(scipy.special.gammaln, 2.5, reference=True)

