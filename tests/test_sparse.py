"""Sparse Jacobians and Hessians: patterns, numbers of products, values, and what is refused.

Values are compared with the dense derivatives, which know nothing of patterns; numbers of products with published ones.
"""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert.errors import InputError, NonDifferentiableError, SparsityError, UnsupportedError

RNG = np.random.default_rng(0)


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def arrowhead(x):
    return np.sum(x[0] * np.sin(x)) + np.sum(x ** 4)


def grid_energy(x):
    u = x.reshape(12, 15)
    return np.sum((u[1:] - u[:-1]) ** 4) + np.sum((u[:, 1:] - u[:, :-1]) ** 4) + np.sum(np.exp(u))


def laplace(u):
    """Minus the Laplacian by five points, zero around."""
    v = np.pad(u, 1)
    return 4.0 * u - v[2:, 1:-1] - v[:-2, 1:-1] - v[1:-1, 2:] - v[1:-1, :-2]


def bratu(u):
    return laplace(u) - 0.1 * np.exp(u)


def elliptic(u):
    """Div (1 + u²) grad u."""
    v = np.pad(u, 1)
    k = 1.0 + v ** 2

    def flow(axis):
        a, b = (v[1:, 1:-1], v[:-1, 1:-1]) if axis == 0 else (v[1:-1, 1:], v[1:-1, :-1])
        c, d = (k[1:, 1:-1], k[:-1, 1:-1]) if axis == 0 else (k[1:-1, 1:], k[1:-1, :-1])
        return np.diff((c + d) * (a - b), axis=axis)
    return flow(0) + flow(1)


def brusselator(w):
    """Two species on a grid without ends."""
    u, v = w

    def spread(z):
        return np.roll(z, 1, 0) + np.roll(z, -1, 0) + np.roll(z, 1, 1) + np.roll(z, -1, 1) - 4.0 * z
    return np.stack([1.0 + u * u * v - 4.4 * u + 0.1 * spread(u), 3.4 * u - u * u * v + 0.1 * spread(v)])


def dense(derivative, f, x):
    m = derivative(f)(x)
    return m.reshape(-1, x.size)


# ---------------------------------------------------------------- numbers of products

@pytest.mark.parametrize("f, shape, coloring, most", [
    (rosenbrock, 50, None, 3), (rosenbrock, 50, "acyclic", 2), (arrowhead, 40, None, 2), (arrowhead, 40, "acyclic", 2),
    (grid_energy, 180, None, 5), (grid_energy, 180, "acyclic", 3), (lambda x: np.sum(x ** 3), 9, None, 1)])
def test_products_of_hessians(f, shape, coloring, most):
    x = RNG.uniform(0.2, 1.0, shape)
    structure = wg.hessian(f, sparsity="detect", coloring=coloring).prepare(x)
    assert structure.products <= most, structure
    np.testing.assert_allclose(structure(x).toarray(), dense(wg.hessian, f, x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("f, shape, coloring, most", [
    (bratu, (11, 13), None, 5), (elliptic, (11, 13), None, 5), (brusselator, (2, 10, 10), None, 10),
    (lambda x: np.diff(x) * x[1:], (20,), None, 2), (lambda x: np.concatenate([[np.sum(x)], x * x[0]]), (30,), None, 3),
    (lambda x: np.concatenate([[np.sum(x)], x]), (30,), None, 2), (lambda x: x[0] * np.ones(20) + x[1], (9,), None, 2),
    (lambda x: np.sum(x.reshape(4, 5) ** 2, axis=1), (20,), "row", 1)])
def test_products_of_jacobians(f, shape, coloring, most):
    x = RNG.uniform(0.2, 1.0, shape)
    structure = wg.jacobian(f, sparsity="detect", coloring=coloring).prepare(x)
    assert structure.products <= most, structure
    np.testing.assert_allclose(structure(x).toarray(), dense(wg.jacobian, f, x), rtol=1e-12, atol=1e-12)


def test_a_hessian_costs_the_same_number_of_products_whatever_n():
    counts = {wg.hessian(rosenbrock, sparsity="detect").prepare(np.ones(n)).products for n in (10, 100, 1000, 20_000)}
    assert counts == {3}


def test_the_brusselator_of_the_tutorials():
    """On the grid of 32 x 32 with two species, 12 products are what greedy colorings in natural order need."""
    assert wg.jacobian(brusselator, sparsity="detect").prepare(RNG.random((2, 32, 32))).products <= 8


# ---------------------------------------------------------------- patterns

def loop(x):
    total = 0.0
    for i in range(len(x) - 1):
        total += 100.0 * (x[i + 1] - x[i] ** 2) ** 2
    return total


def branch(x):
    if x[0] > 0.0:
        return np.sum(x * x)
    return np.sum(x[1:] * x[:-1])


def steps(x):
    for _ in range(3):
        x = np.concatenate([x[:1], x[1:] * x[:-1]])
    return x


def until(x):
    k = 0
    while np.sum(x) < 30.0:
        x = np.concatenate([x[:1], x[1:] + x[1:] * x[:-1]])
        k += 1
    return x


MATRIX = np.diag(np.ones(6)) + np.diag(np.ones(5), 1)
VECTORS = {
    "known matrix": (lambda x: (MATRIX @ x) ** 2, 11), "reused rows": (lambda x: x[[0, 2, 2, 5]] ** 2, 4),
    "convolution": (lambda x: np.convolve(x, [1.0, -2.0, 1.0], "valid") ** 2, 12), "steps": (steps, 18),
    "writes": (lambda x: _written(x), 7), "known zeros": (lambda x: x * np.array([0.0, 1, 0, 1, 0, 1]), 3),
    "permuted": (lambda x: np.sort(x) ** 2, 36), "until": (until, 21)}


def _written(x):
    y = np.zeros(6)
    y[1:5] = x[:4] ** 2
    y[[0, 1]] += x[4] * x[:2]
    y[2] = 1.0
    return y


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize("staged", [False, True])
def test_patterns_of_programs(name, staged):
    f, nnz = VECTORS[name]
    x = RNG.uniform(0.3, 0.9, 6)
    structure = wg.jacobian(wg.jit(f) if staged else f, sparsity="detect").prepare(x)
    if not (name == "until" and not staged):  # unstaged, the way of this run counts
        assert structure.nnz == nnz, structure
    exact = dense(wg.jacobian, f, x)
    np.testing.assert_allclose(structure(x).toarray(), exact, rtol=1e-12, atol=1e-14)
    if name in ("steps", "known matrix", "convolution", "known zeros", "reused rows", "writes"):
        assert np.array_equal(structure.pattern.toarray(), exact != 0)


def test_a_staged_loop_is_as_sparse_as_the_loop():
    x = np.linspace(0.1, 1.0, 12)
    for f in (loop, wg.jit(loop)):
        structure = wg.hessian(f, sparsity="detect").prepare(x)
        assert (structure.nnz, structure.products) == (34, 3)
        np.testing.assert_allclose(structure(x).toarray(), wg.hessian(loop)(x))


def test_branches():
    x = np.linspace(0.1, 1.0, 6)
    hessian = wg.hessian(branch, sparsity="detect")
    assert hessian(x).nnz == 6 and hessian(-x).nnz == 10 and hessian(x).nnz == 6  # each way has its own structure
    with pytest.raises(SparsityError, match=r"entry \(0, 1\)"):
        hessian.prepare(x)(-x)
    structure = wg.hessian(wg.jit(branch), sparsity="detect").prepare(x)
    for at in (x, -x):
        np.testing.assert_allclose(structure(at).toarray(), wg.hessian(branch)(at))


def test_local_patterns_are_those_of_the_point():
    x = np.array([3.0, 1.0, 2.0])
    f = np.sort
    assert wg.jacobian(f, sparsity="detect")(x).nnz == 9
    jacobian = wg.jacobian(f, sparsity="local")
    assert jacobian(x).nnz == 3 and jacobian.prepare(x).products == 1
    np.testing.assert_array_equal(jacobian(-x).toarray(), wg.jacobian(f)(-x))
    np.testing.assert_array_equal(wg.jacobian(lambda x: np.where(x > 1.5, x, 0.0), sparsity="local")(x).indices, [0, 2])


def test_constants_that_change_change_the_structure():
    def f(x, at, weights):
        return x[at] * weights
    jacobian, x = wg.jacobian(f, sparsity="detect"), np.array([1.0, 2.0, 3.0])
    for at, weights in (([0, 1], [1.0, 2.0]), ([2, 1], [1.0, 2.0]), ([2, 1], [0.0, 2.0]), ([2, 1], [5.0, 2.0])):
        given = np.array(at), np.array(weights)
        found = jacobian(x, *given)
        np.testing.assert_array_equal(found.toarray(), wg.jacobian(f)(x, *given))
        assert found.nnz == np.count_nonzero(weights)


def test_a_dense_pattern_is_refused_before_memory_ends():
    with pytest.raises(UnsupportedError, match="dense"):
        wg.hessian(lambda x: np.sum(x) ** 2, sparsity="detect").prepare(np.ones(100_000))


# ---------------------------------------------------------------- hundreds of random programs

def random_program(rng):
    """A function of a vector, by random steps that keep its length 6."""
    steps = [lambda x, c: x * c[0] + c[1], lambda x, c: np.sin(x), lambda x, c: x ** 2, lambda x, c: np.roll(x, 1) * x,
             lambda x, c: x[[3, 1, 1, 0, 5, 4]], lambda x, c: np.concatenate([x[2:], x[:2] * x[1]]),
             lambda x, c: np.where(x > 0.5, x, x[::-1]), lambda x, c: x.reshape(2, 3).T.ravel(), lambda x, c: x + c[2] * x[0],
             lambda x, c: np.concatenate([np.diff(x), x[:1]]), lambda x, c: np.maximum(x, c[3]), lambda x, c: MATRIX @ x,
             lambda x, c: np.repeat(np.sum(x.reshape(3, 2), axis=1), 2), lambda x, c: np.cumsum(x) * c[4],
             lambda x, c: np.pad(x[1:-1], 1), lambda x, c: x * (np.arange(6) % 2), lambda x, c: _written(x) + c[5]]
    chosen = [(steps[k], rng.normal(size=6)) for k in rng.integers(len(steps), size=rng.integers(2, 7))]

    def f(x):
        for step, c in chosen:
            x = step(x, c)
        return x
    return f


@pytest.mark.parametrize("block", range(4))
def test_random_programs(block):
    rng = np.random.default_rng(block)
    for k in range(40):
        f, x = random_program(rng), rng.normal(size=6)
        exact = wg.jacobian(f)(x)
        structure = wg.jacobian(f, sparsity="detect", coloring=(None, "column", "row", "two-sided")[k % 4]).prepare(x)
        np.testing.assert_allclose(structure(x).toarray(), exact, rtol=1e-12, atol=1e-13 * np.abs(exact).max())
        total = lambda x, f=f: np.sum(f(x) * f(x)[::-1])
        exact = wg.jacobian(wg.grad(total))(x)
        structure = wg.hessian(total, sparsity="detect", coloring=("star", "acyclic")[k % 2]).prepare(x)
        np.testing.assert_allclose(structure(x).toarray(), exact, rtol=1e-9, atol=1e-11 * np.abs(exact).max())


# ---------------------------------------------------------------- values

def test_values_are_one_compiled_call():
    x = RNG.random(30)
    structure = wg.hessian(rosenbrock, sparsity="detect").prepare(x)
    values = wg.jit(structure.values)
    exact = wg.hessian(rosenbrock)(x)
    np.testing.assert_allclose(values(x), exact[structure.rows, structure.columns], rtol=1e-12)
    half = structure.lower()
    assert np.all(half.rows >= half.columns) and half.nnz == 59
    np.testing.assert_array_equal(wg.jit(half.values)(x), exact[half.rows, half.columns])
    substituted = wg.hessian(rosenbrock, sparsity="detect", coloring="acyclic").prepare(x)
    np.testing.assert_allclose(wg.jit(substituted.values)(x), values(x), rtol=1e-9)
    jitted = wg.jit(rosenbrock)
    for coloring in ("star", "column"):  # structures that look alike
        prepared = wg.hessian(jitted, sparsity="detect", coloring=coloring).prepare(x)
        assert type(prepared.values) is type(jitted)
        np.testing.assert_allclose(prepared(x).toarray(), exact, rtol=1e-12)
        np.testing.assert_allclose(prepared.lower()(x).toarray(), np.tril(exact), rtol=1e-12)


def test_entries_differentiate_further():
    x = RNG.random(5)
    structure = wg.hessian(rosenbrock, sparsity="detect").prepare(x)
    third = wg.jacobian(structure.values)(x)
    exact = wg.jacobian(wg.hessian(rosenbrock))(x)[structure.rows, structure.columns]
    np.testing.assert_allclose(third, exact)


def test_the_matrix_is_the_users_own():
    hessian, x = wg.hessian(rosenbrock, sparsity="detect"), RNG.random(6)
    first = hessian(x)
    first.data[:] = 0.0
    first.eliminate_zeros()
    assert hessian(x).nnz == 16


def test_trees_and_several_arguments_are_laid_side_by_side():
    def f(p, y):
        return {"a": p["k"] * y[0], "b": (p["k"][:2] * p["m"], 3.0)}
    p, y = {"k": RNG.random(3), "m": 0.5}, RNG.random(2)
    found = wg.jacobian(f, argnums=(0, 1), sparsity="detect")(p, y)
    assert found.shape == (6, 6)
    blocks = wg.jacobian(f, argnums=(0, 1))(p, y)
    rows = [np.hstack([np.reshape(b, (n, -1)) for b in (block[0]["k"], block[0]["m"], block[1])])
            for block, n in ((blocks["a"], 3), (blocks["b"][0], 2), (blocks["b"][1], 1))]
    np.testing.assert_allclose(found.toarray(), np.vstack(rows))


def test_hessians_of_trees():
    p = {"a": RNG.random(3), "b": [RNG.random(2), 5], "c": 1.0}
    found = wg.hessian(lambda p, n: np.sum(p["a"] ** n) * p["b"][0][1] + p["c"], sparsity="detect")(p, 3)
    flat = wg.hessian(lambda x: np.sum(x[:3] ** 3) * x[4] + x[5])(np.concatenate([p["a"], p["b"][0], [1.0]]))
    np.testing.assert_allclose(found.toarray(), flat)
    assert found.nnz == 9


def test_dtypes():
    x = RNG.random(5).astype(np.float32)
    assert wg.hessian(rosenbrock, sparsity="detect")(x).dtype == np.float32
    assert wg.jacobian(lambda x: x ** 2, sparsity="detect", coloring="row")(x).dtype == np.float32
    z = RNG.random(4) + 1j
    for coloring in ("column", "row"):
        found = wg.jacobian(lambda z: z ** 2 * z[0], holomorphic=True, sparsity="detect", coloring=coloring)(z)
        np.testing.assert_allclose(found.toarray(), wg.jacobian(lambda z: z ** 2 * z[0], holomorphic=True)(z))
    with pytest.raises(NonDifferentiableError):
        wg.hessian(lambda z: np.sum(np.abs(z) ** 4), sparsity="detect")(z)


def test_nan_stays_in_its_row():
    x = np.array([1.0, np.nan, 3.0, 4.0])
    found = wg.jacobian(lambda x: x ** 2, sparsity="detect")(x)
    np.testing.assert_array_equal(found.data, [2.0, np.nan, 6.0, 8.0])


def test_empty_and_constant():
    assert wg.jacobian(lambda x: x[:0], sparsity="detect")(np.ones(3)).shape == (0, 3)
    assert wg.jacobian(lambda x: np.ones(2), sparsity="detect")(np.ones(3)).nnz == 0
    assert wg.hessian(lambda x: np.sum(x), sparsity="detect")(np.ones(3)).nnz == 0
    assert wg.hessian(lambda x: np.sum(x), sparsity="detect", coloring="acyclic")(np.ones(3)).nnz == 0


# ---------------------------------------------------------------- patterns that are given, and what is refused

def test_a_given_pattern_is_used_and_checked():
    from scipy.sparse import diags_array
    x = RNG.random(6)
    band = diags_array([np.ones(5), np.ones(6), np.ones(5)], offsets=[-1, 0, 1])
    for pattern in (band, band.toarray() != 0):
        found = wg.hessian(rosenbrock, sparsity=pattern)(x)
        np.testing.assert_allclose(found.toarray(), wg.hessian(rosenbrock)(x))
    assert wg.jacobian(lambda x: x, sparsity=np.ones((6, 6)))(x).nnz == 36  # entries may be zero
    with pytest.raises(SparsityError, match=r"misses entry \(0, 1\), which is -"):
        wg.hessian(rosenbrock, sparsity=np.eye(6))(x)
    with pytest.raises(SparsityError, match=r"misses entry \(1, 0\), which is 2"):
        wg.jacobian(lambda x: np.cumsum(2.0 * x), sparsity=np.eye(6))(x)
    with pytest.raises(SparsityError, match=r"shape \(6, 5\), the jacobian \(6, 6\)"):
        wg.jacobian(lambda x: x, sparsity=np.ones((6, 5)))(x)
    with pytest.raises(SparsityError, match="symmetric"):
        wg.hessian(rosenbrock, sparsity=np.tri(6))(x)
    x[2] = np.inf  # rows that are not finite say nothing; the others do
    with pytest.raises(SparsityError, match=r"misses entry \(5, 4\)"):
        wg.jacobian(lambda x: np.append(x[:5] ** 2, x[4] + x[5]), sparsity=np.eye(6))(x)


def test_what_is_refused():
    with pytest.raises(InputError, match="'detect', 'local'"):
        wg.hessian(rosenbrock, sparsity="guess")
    with pytest.raises(InputError, match="not a list|not an ndarray|booleans"):
        wg.hessian(rosenbrock, sparsity=[1, 2])
    with pytest.raises(InputError, match="coloring is one of 'star', 'acyclic'"):
        wg.hessian(rosenbrock, sparsity="detect", coloring="row")
    with pytest.raises(InputError, match="coloring goes with sparsity"):
        wg.jacobian(rosenbrock, coloring="row")
    with pytest.raises(InputError, match="has_aux"):
        wg.jacobian(rosenbrock, has_aux=True, sparsity="detect")
    hessian = wg.hessian(rosenbrock, sparsity="detect")
    with pytest.raises(InputError, match="prepare"):
        wg.grad(lambda x: np.sum(hessian(x).data))(np.ones(4))
    with pytest.raises(SparsityError, match=r"\(5, 5\), and the arguments give \(6, 6\)"):
        hessian.prepare(np.ones(5)).values(np.ones(6))
    with pytest.raises(NonDifferentiableError):
        wg.hessian(lambda x: x * x, sparsity="detect")(np.ones(3))


# ---------------------------------------------------------------- solvers

def test_the_lagrangian_is_what_interior_point_methods_ask_for():
    f, c = rosenbrock, lambda x: np.array([np.sum(x ** 2), x[0] * x[3]])
    x, multipliers, factor = RNG.random(4), np.array([0.5, -2.0]), 0.3
    hessian = wg.hessian(wg.sparse.lagrangian(f, c), sparsity="detect").prepare(x, multipliers, factor).lower()
    exact = factor * wg.hessian(f)(x) + np.tensordot(multipliers, wg.hessian(c)(x), 1)
    np.testing.assert_allclose(hessian(x, multipliers, factor).toarray(), np.tril(exact), rtol=1e-12)
    np.testing.assert_allclose(wg.jit(hessian.values)(x, multipliers, factor), exact[hessian.rows, hessian.columns], rtol=1e-12)


def test_scipy_takes_them():
    from scipy.optimize import NonlinearConstraint, least_squares, minimize

    def ball(x):
        return np.array([np.sum(x ** 2)])

    def lagrange(x, v):
        return np.sum(v * ball(x))
    constraint = NonlinearConstraint(ball, -np.inf, 3.0, jac=wg.jacobian(ball, sparsity="detect"),
                                     hess=wg.hessian(lagrange, sparsity="detect"))
    found = minimize(rosenbrock, np.zeros(4), jac=wg.grad(rosenbrock), hess=wg.hessian(rosenbrock, sparsity="detect"),
                     method="trust-constr", constraints=[constraint], options={"maxiter": 200})
    assert abs(np.sum(found.x ** 2) - 3.0) < 1e-3 and found.optimality < 1e-3

    def residuals(x):
        return np.concatenate([10.0 * (x[1:] - x[:-1] ** 2), 1.0 - x[:-1]])
    jacobian, start = wg.jacobian(residuals, sparsity="detect"), np.full(6, 0.5)
    exact = least_squares(residuals, start, jac=jacobian)
    pattern = least_squares(residuals, start, jac_sparsity=jacobian.prepare(start).pattern)
    np.testing.assert_allclose(exact.x, np.ones(6), rtol=1e-6)
    np.testing.assert_allclose(pattern.x, np.ones(6), rtol=1e-4)


# ---------------------------------------------------------------- what is seen

def test_repr_and_spy():
    pytest.importorskip("matplotlib")
    x = np.ones(8)
    structure = wg.jacobian(lambda x: np.concatenate([[np.sum(x)], x * x[0]]), sparsity="detect").prepare(x)
    assert repr(structure) == "<jacobian of shape (9, 8): 23 entries from 2 groups of columns and 1 group of rows>"
    ax = structure.spy()
    image = ax.images[0].get_array()
    filled = ~np.all(np.asarray(image) == 1.0, axis=2)
    assert np.array_equal(filled, structure.pattern.toarray())
    large = wg.hessian(rosenbrock, sparsity="detect").prepare(np.ones(2000)).spy(ax)
    assert large is ax and len(ax.images) == 2
