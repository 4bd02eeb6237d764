"""`wg.implicit`: roots, fixed points, minima and least squares, against closed forms and differences."""

import numpy as np
import pytest
import scipy.sparse.linalg

import wengert as wg
from wengert import implicit

A = np.array([1.0, 2.5, -0.7])


def test_roots_in_every_mode():
    def f(a):
        return implicit.root(lambda x: x**3 + x - a, np.ones(3))
    x = f(A)
    np.testing.assert_allclose(x**3 + x, A, rtol=1e-11)
    slope = 1.0 / (3 * x * x + 1)
    for way in (wg.jacobian(f), wg.jacfwd(f), wg.jit(wg.jacobian(f))):
        np.testing.assert_allclose(way(A), np.diag(slope), atol=1e-12)
    second = wg.hessian(lambda a: np.sum(f(a)))
    for way in (second, wg.jit(second)):
        np.testing.assert_allclose(way(A), np.diag(-6 * x * slope**3), atol=1e-11)
    lanes = wg.vmap(wg.grad(lambda a: np.sum(f(a))))(np.stack([A, 2 * A]))
    np.testing.assert_allclose(lanes[0], slope, rtol=1e-13)


@pytest.mark.parametrize("shape", [(), (1,), (2, 2), (0,)])
def test_unknowns_of_any_shape(shape):
    def total(a):
        return np.sum(implicit.root(lambda x: x**3 + x - a, np.ones(shape)))
    size = int(np.prod(shape))
    assert implicit.root(lambda x: x**3 + x - 2.0, np.ones(shape)).shape == shape
    np.testing.assert_allclose(wg.grad(total)(2.0), 0.25 * size, rtol=1e-13)
    np.testing.assert_allclose(wg.grad(wg.grad(total))(2.0), -6 / 64 * size, rtol=1e-13)


@pytest.mark.parametrize("method", ["hybr", "lm", "newton", "df-sane", "krylov"])
def test_methods_of_root(method):
    def f(a):
        return implicit.root(lambda x: np.array([x[0] ** 2 + x[1] - a, x[0] - a * x[1]]), np.ones(2), method=method, tol=1e-13)
    x0, x1 = f(2.0)
    matrix, by_a = np.array([[2 * x0, 1.0], [1.0, -2.0]]), np.array([-1.0, -x1])
    np.testing.assert_allclose(wg.jacobian(f)(2.0), -np.linalg.solve(matrix, by_a), rtol=1e-10)


@pytest.mark.parametrize("method", ["del2", "iteration"])
def test_fixed_points(method):
    def f(a):
        return implicit.fixed_point(lambda x: a * np.cos(x), np.ones(3), method=method)
    a = np.array([0.3, 0.5, 0.8])
    x = f(a)
    np.testing.assert_allclose(wg.jacobian(f)(a), np.diag(np.cos(x) / (1 + a * np.sin(x))), rtol=1e-10)
    np.testing.assert_allclose(wg.jit(wg.jacobian(f))(a), wg.jacobian(f)(a), rtol=1e-13)


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "Newton-CG", "trust-exact", "trust-constr", "Nelder-Mead"])
def test_methods_of_minimize(method):
    """A quadratic: x = (H + a I)⁻¹ b, whose derivative is -(H + a I)⁻² b."""
    h, b = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([1.0, -1.0])

    def best(a):
        return implicit.minimize(lambda x: 0.5 * x @ h @ x + 0.5 * a * x @ x - b @ x, np.zeros(2), method=method)
    inverse = np.linalg.inv(h + 3.0 * np.eye(2))
    np.testing.assert_allclose(best(3.0), inverse @ b, rtol=1e-7)
    np.testing.assert_allclose(wg.jacobian(best)(3.0), -inverse @ inverse @ b, rtol=1e-6)


def test_a_minimum_to_second_order():
    def best(a):
        return implicit.minimize(lambda x: np.sum(np.cosh(x - a)) + 0.1 * (x[0] * x[1]) ** 2, np.zeros(2), linear_solver="cg")
    wg.check_grads(best, (np.array([0.5, 1.0]),))


def test_bounds():
    def best(a, high):
        return implicit.minimize(lambda x: np.sum((x - a) ** 2) + x[0] * x[1], np.zeros(2), bounds=[(None, high), (0.0, 9.0)])
    by_a, by_high = wg.jacobian(best, (0, 1))(np.array([2.0, 3.0]), 0.5)
    np.testing.assert_allclose(by_a, [[0.0, 0.0], [0.0, 1.0]], atol=1e-12)  # x0 = high, x1 = a1 - high / 2
    np.testing.assert_allclose(by_high, [1.0, -0.5], atol=1e-12)
    np.testing.assert_allclose(wg.jit(wg.jacobian(best))(np.array([2.0, 3.0]), 0.5), by_a, atol=1e-12)

    def fit(y):
        return implicit.least_squares(lambda p: p[0] + p[1] * np.arange(4.0) - y, np.full(2, 0.5),
                                      bounds=([0.0, 0.0], [np.inf, 1.0]))
    slope = wg.jacobian(fit)(np.array([0.0, 3.0, 5.0, 8.0]))  # the slope is 1: the intercept is the mean of what is left
    np.testing.assert_allclose(slope, [[0.25] * 4, [0.0] * 4], atol=1e-9)


def test_linear_least_squares_is_the_pseudoinverse():
    rng = np.random.default_rng(0)
    m = rng.normal(size=(8, 3))

    def fit(y):
        return implicit.least_squares(lambda p: m @ p - y, np.zeros(3))
    y = rng.normal(size=8)
    np.testing.assert_allclose(wg.jacobian(fit)(y), np.linalg.pinv(m), atol=1e-12)

    def of_matrix(m):
        return implicit.least_squares(lambda p: m @ p - y, np.zeros(3))
    np.testing.assert_allclose(wg.jacobian(of_matrix)(m), wg.jacobian(lambda m: np.linalg.lstsq(m, y)[0])(m), atol=1e-10)


def test_unknowns_of_very_different_sizes():
    """A decay whose parameters are 2e8 and 3e-7: the matrix is singular to rounding only until it is scaled."""
    t = np.linspace(0.0, 1e7, 9)

    def fit(y):
        return implicit.least_squares(lambda p: (p[0] * np.exp(-p[1] * t) - y) * 1e-8, np.array([1e8, 1e-7]),
                                      options={"x_scale": [1e8, 1e-7]})
    y = 2e8 * np.exp(-3e-7 * t)
    model = np.stack([np.exp(-3e-7 * t), -t * y], axis=1) * np.array([1e8, 1e-7])  # in units in which it is well conditioned
    got = wg.jacobian(fit)(y) / np.array([[1e8], [1e-7]])
    wanted = np.linalg.pinv(model)
    np.testing.assert_allclose(got, wanted, atol=1e-5 * np.abs(wanted).max())


def test_closures_arguments_and_constants():
    data = {"scale": np.array([1.0, 2.0])}

    def f(a, b):
        return implicit.root(lambda x, s: data["scale"] * x + s * x**3 - b, np.ones(2), args=(a,))
    wg.check_grads(f, (0.5, np.array([1.0, 2.0])))


# ---------------------------------------------------------------- many unknowns


def bratu(n):
    """u'' + λ exp(u) = 0 on the unit interval, u = 0 at its ends, by central differences."""
    def equations(u, amount):
        padded = np.concatenate([np.zeros(1), u, np.zeros(1)])
        return (padded[2:] - 2 * padded[1:-1] + padded[:-2]) * (n + 1.0) ** 2 + amount * np.exp(u)
    return lambda amount: np.max(implicit.root(equations, np.zeros(n), (amount,)))


def exact_bratu(amount):
    """The largest value, and its derivative: u = 2 ln(cosh θ / cosh(θ(1 - 2x))), θ = √(λ/8) cosh θ."""
    import mpmath as mp
    with mp.workdps(30):
        def value(amount):
            return 2 * mp.log(mp.cosh(mp.findroot(lambda t: t - mp.sqrt(amount / 8) * mp.cosh(t), 0.4)))
        return float(value(mp.mpf(amount))), float(mp.diff(value, mp.mpf(amount)))


def test_a_boundary_value_problem():
    n = 1001
    value, slope = wg.value_and_grad(bratu(n))(1.0)
    np.testing.assert_allclose([value, slope], exact_bratu(1.0), rtol=1e-6)  # the error of the differences is of order n⁻²
    np.testing.assert_allclose(wg.jit(wg.grad(bratu(n)))(1.0), slope, rtol=1e-9)


@pytest.mark.parametrize("linear_solver", ["dense", "sparse", "gmres", "cg", "bicgstab"])
def test_linear_solvers_agree(linear_solver):
    def f(a):
        return np.sum(implicit.root(lambda x: 3.0 * x - 0.5 * (np.roll(x, 1) + np.roll(x, -1)) + x**3 - a, np.zeros(40),
                                    linear_solver=linear_solver) ** 2)
    a = np.sin(np.arange(40.0))
    np.testing.assert_allclose(wg.grad(f)(a), wg.grad(lambda a: f(a))(a), rtol=1e-9)
    v = np.cos(np.arange(40.0))
    np.testing.assert_allclose(wg.hvp(f, (a,), (v,))[0], differences(wg.grad(f), a, v), rtol=1e-6, atol=1e-8)


def differences(f, x, v, h=1e-4):
    a, b = ((f(x + s * v) - f(x - s * v)) / (2 * s) for s in (h, 2 * h))
    return (4 * a - b) / 3


def test_the_gradient_costs_one_more_solve(monkeypatch):
    """A hundred thousand unknowns: Newton's method factors once a step, the derivative once, for its check and its adjoint."""
    counts = {"splu": 0, "solve": 0}
    plain = scipy.sparse.linalg.splu

    class Counted:
        def __init__(self, lu):
            self.lu = lu

        @property
        def nnz(self):
            return self.lu.nnz

        def solve(self, b, trans="N"):
            counts["solve"] += 1
            return self.lu.solve(b, trans)

    def splu(matrix):
        counts["splu"] += 1
        return Counted(plain(matrix))
    monkeypatch.setattr(scipy.sparse.linalg, "splu", splu)
    f = bratu(100_000)
    f(0.9)
    forward = dict(counts)
    slope = wg.grad(f)(1.0)
    assert counts["splu"] - forward["splu"] <= forward["splu"] + 1
    assert counts["solve"] - forward["solve"] <= forward["solve"] + 5  # four to look at the solution, one adjoint
    np.testing.assert_allclose(slope, exact_bratu(1.0)[1], rtol=1e-5)


# ---------------------------------------------------------------- what is refused


def test_refusals():
    error = wg.errors.ConvergenceError
    with pytest.raises(error, match="root: hybr did not converge"):
        implicit.root(lambda x: x**2 + 1.0, np.ones(2))
    with pytest.raises(error, match="root: Newton's method finds no step"):
        implicit.root(lambda x: x**2 + 1.0, np.full(2, 0.3), method="newton")
    with pytest.raises(error, match="fixed_point: Failed to converge after 20 iterations"):
        implicit.fixed_point(lambda x: 2.0 * x + 1.0, 1.0, method="iteration", maxiter=20)
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        wg.grad(lambda a: np.sum(implicit.root(lambda x: np.stack([x[0] - x[1] - a, 2 * (x[0] - x[1] - a)]), np.ones(2))))(1.0)
    with pytest.raises(wg.errors.InputError, match="as many equations as unknowns"):
        implicit.root(lambda x: x[:1], np.ones(2))
    with pytest.raises(wg.errors.InputError, match="as many equations as unknowns"):
        implicit.fixed_point(lambda x: x[:1], np.ones(2))
    with pytest.raises(wg.errors.InputError, match="not one number"):
        implicit.minimize(lambda x: x, np.ones(2))
    with pytest.raises(wg.errors.InputError, match="root: the first argument is a function, not an int"):
        implicit.root(3, np.ones(2))
    with pytest.raises(wg.errors.InputError, match="root: x0 is an array of real numbers, not a complex of dtype complex128"):
        implicit.root(lambda x: x, 1j)
    with pytest.raises(wg.errors.InputError, match="root: linear_solver is 'dense'"):
        implicit.root(lambda x: x, np.ones(2), linear_solver="lu")
    with pytest.raises(wg.errors.InputError, match="f branches on x"):
        implicit.root(lambda x: x if x[0] > 0 else 2 * x, np.ones(2), method="newton")
    with pytest.raises(wg.errors.UnsupportedError, match="Split it into real and imaginary parts"):
        implicit.root(lambda x: x * 1j, np.ones(2))
