"""Small matrices in registers: what NumPy and SciPy compute, raise, or leave NaN, without a call."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert.backends.compiled import kernel, small
from wengert.backends.interpret import Program
from wengert.errors import NonDifferentiableError
from wengert.graph import REGISTRY, Equation, Graph, Var, type_of

RNG = np.random.default_rng(11)


def graph_of(name, operands, **params):
    p, inputs = REGISTRY[name], [Var(type_of(o)) for o in operands]
    types = p.type(*[v.type for v in inputs], **params)
    results = [Var(t) for t in (types if p.multiple else (types,))]
    return Graph(tuple(inputs), (Equation(p, inputs, params, results),), tuple(results))


def both(name, *operands, **params):
    """What the compiler makes of an equation, without the interpreter's help, and what the interpreter does."""
    graph = graph_of(name, operands, **params)
    assert small.supported(graph.equations[0])
    compiled = kernel.compile_graph(graph)
    assert compiled is not None and not compiled.called
    def no_help(*_):
        raise AssertionError("left the kernel")
    compiled.failed = no_help
    with np.errstate(all="ignore"):
        return compiled(*operands), Program(graph)(*operands)


def assert_close(got, want, rtol=1e-11):
    for a, b in zip(got, want, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.dtype == b.dtype and a.shape == b.shape
        finite = np.isfinite(b)
        scale = np.max(np.abs(b[finite]), initial=0.0)
        np.testing.assert_allclose(a, b, rtol=1e-4 if b.dtype == np.float32 else rtol, atol=rtol * scale)


def permuted(n):
    return np.eye(n)[RNG.permutation(n)] + np.triu(RNG.normal(size=(n, n)), 1) * 0.1


def matrices(n):
    yield from (RNG.normal(size=(n, n)) for _ in range(6))
    yield permuted(n)
    yield np.eye(n)[::-1].copy()
    yield RNG.integers(-1, 2, (n, n)) + 3.0 * np.eye(n)  # ties
    yield RNG.normal(size=(n, n)) * 1e-200
    yield RNG.normal(size=(n, n)) * np.logspace(-60, 60, n)[:, None]
    yield RNG.normal(size=(n, n)).astype(np.float32)


def rows_swapped(lu, pivots):
    """P⁻¹ L U from packed factors."""
    a = (np.tril(lu, -1) + np.eye(len(lu))) @ np.triu(lu)
    for k in reversed(range(len(lu))):
        a[[k, pivots[k]]] = a[[pivots[k], k]]
    return a


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["inv", "det", "slogdet", "lu_factor"])
def test_matrices_are_numpys(name, n):
    for a in matrices(n):
        got, want = both(name, a)
        assert_close(got, want, 1e-9)
        if name == "lu_factor":
            np.testing.assert_array_equal(got[1], want[1])
            rtol = 1e-4 if a.dtype == np.float32 else 1e-12
            np.testing.assert_allclose(rows_swapped(*got), a, rtol=rtol, atol=1e-6 * abs(a).max())


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_adjugates_of_regular_and_singular_matrices(n):
    infinite = np.eye(n)
    infinite[-1, 0] = np.inf
    for a in (RNG.normal(size=(n, n)), np.ones((n, n)), np.zeros((n, n)), permuted(n), infinite):
        (got,), (want,) = both("adjugate", a)
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("trans", "NTC")
@pytest.mark.parametrize("columns", [1, 2])
def test_solves(n, trans, columns):
    for a in matrices(n):
        b = RNG.normal(size=(n, columns)).astype(a.dtype)
        lu, pivots = REGISTRY["lu_factor"].evaluate(a)
        assert_close(*both("solve_factored", a, lu, pivots, b, trans=trans), 1e-9)


@pytest.mark.parametrize("n", [1, 2, 4, 8])
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("trans", "NTC")
def test_triangular_solves_read_one_triangle(n, lower, trans):
    a, b = RNG.normal(size=(n, n)) + 3.0 * np.eye(n), RNG.normal(size=(n, 2))
    a[np.triu_indices(n, 1) if lower else np.tril_indices(n, -1)] = np.nan
    for unit in (False, True):
        assert_close(*both("solve_triangular", a, b, lower=lower, trans=trans, unit=unit))
        assert_close(*both("solve_triangular", a.astype("f4"), b.astype("f4"), lower=lower, trans=trans, unit=unit), 1e-5)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("above", [False, True])
def test_cholesky(n, above):
    for dtype in (np.float64, np.float32):
        a = RNG.normal(size=(n, n))
        a = (a @ a.T + np.eye(n)).astype(dtype)
        a[np.tril_indices(n, -1) if above else np.triu_indices(n, 1)] = 7.0  # not read
        assert_close(*both("cholesky", a, above=above), 1e-12 if dtype == np.float64 else 1e-6)


def test_pivots_are_the_first_of_the_largest():
    a = np.array([[1.0, 2.0, 3.0, 1.0], [-2.0, 1.0, 0.0, 5.0], [2.0, 4.0, 1.0, 1.0], [-1.0, 0.0, 2.0, 9.0]])
    (_, pivots), (_, want) = both("lu_factor", a)
    assert pivots.tolist() == want.tolist() and pivots[0] == 1


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_singular_matrices(n):
    zero = np.zeros((n, n))
    row = np.ones((n, n))
    for a in (zero, row) if n > 1 else (zero,):
        assert_close(*both("det", a))
        assert_close(*both("slogdet", a))
        assert_close(*both("inv", a, use="nan"))
        for name, reason in (("inv", "Singular matrix"), ("lu_factor", "Singular matrix"), ("cholesky", "positive definite")):
            graph = graph_of(name, [a], **({"above": False} if name == "cholesky" else {}))
            compiled = kernel.compile_graph(graph)
            with pytest.raises(np.linalg.LinAlgError, match=reason):
                compiled(a)
    triangular = kernel.compile_graph(graph_of("solve_triangular", [zero, zero[:, :1]], lower=True, trans="N", unit=False))
    with pytest.raises(np.linalg.LinAlgError):
        triangular(zero, zero[:, :1])


def test_determinants_beyond_the_exponents():
    """A product on the way may overflow or vanish where the determinant does neither."""
    for d in ([1e200, 1e200, 1e-300, 1e-90], [1e-200, 1e-150, 1e300, 1e60], [1e200, -1e200, 1.0, 1.0],
              [1e-200, 1e-200, 1.0, 1.0]):
        a = np.diag(d)
        (got,), (want,) = both("det", a)
        np.testing.assert_allclose(got, want, rtol=1e-12)
        assert_close(*both("slogdet", a), 1e-13)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_nan_spreads_without_an_error(n):
    a = RNG.normal(size=(n, n))
    a[0, 0] = np.nan
    for name in ("det", "slogdet"):
        got, want = both(name, a)
        assert np.isnan(got[-1]) and np.isnan(want[-1])
    (got,), _ = both("inv", a)
    assert np.isnan(got).any()


def test_nearly_singular_is_an_error_where_a_derivative_needs_the_inverse():
    graph = graph_of("inv", [np.eye(2)], use="det")
    compiled = kernel.compile_graph(graph)
    np.testing.assert_allclose(compiled(2.0 * np.eye(2))[0], 0.5 * np.eye(2))
    with pytest.raises(NonDifferentiableError):
        compiled(np.array([[1.0, 1.0], [1.0, 1.0 + 1e-14]]))


def test_larger_stacked_and_complex_matrices_are_left_alone():
    for a in (np.eye(5), np.zeros((2, 2, 2)), np.eye(2) * 1j, np.zeros((0, 0))):
        assert not small.supported(graph_of("inv", [a]).equations[0])


# ---------------------------------------------------------------- programs

def solving(a, b):
    for _ in range(5):
        b = np.linalg.solve(a + np.outer(b, b) * 0.1, b) + 1.0
    return np.sum(b * b)


def inverting(a, b):
    total = 0.0
    for _ in range(5):
        a = np.linalg.inv(a) * 0.5 + np.eye(len(b))
        total = total + np.linalg.slogdet(a)[1] + b @ a @ b
    return total


def determinants(a, b):
    total = 0.0
    for x in b:
        total = total + np.linalg.det(a * x) ** 2 + x
        a = a * 0.9
    return total


def factoring(a, b):
    total = 0.0
    for _ in range(5):
        low = np.linalg.cholesky(a @ a.T + np.eye(len(b)))
        b = np.linalg.solve(low, b)
        total = total + np.sum(np.log(np.diagonal(low))) + b @ b
        a = a * 0.9 + np.outer(b, b)
    return total


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("f", [solving, inverting, factoring, determinants])
def test_gradients_of_loops(f, n):
    a, b = RNG.normal(size=(n, n)) + 3.0 * np.eye(n), RNG.normal(size=n)
    jitted = wg.jit(wg.grad(f, (0, 1)))
    jitted(a, b)
    graph = next(iter(jitted.found.values())).graph
    compiled = kernel.compile_graph(graph)
    assert not compiled.called
    assert_close(compiled(a, b), Program(graph)(a, b), 1e-11)
    assert_close(compiled(a, b), wg.grad(f, (0, 1))(a, b), 1e-11)
