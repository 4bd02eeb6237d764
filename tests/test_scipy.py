"""Adapters for SciPy's solvers (`wengert.scipy`).

What comes in: functions with known minima, roots and fits. What goes out: a failure where SciPy is given other derivatives,
arguments or points than it should, or where a result is not what SciPy itself, a textbook or a certified value says.
"""

import dataclasses
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.sparse
from scipy.optimize import Bounds, LinearConstraint, NonlinearConstraint

import wengert as wg
from wengert.errors import ConversionError, InputError, SparsityError

EPS = np.finfo(float).eps


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


START = np.array([-1.2, 1.0, 0.5, -0.3])


def counted(monkeypatch, s):
    """The derivatives of an adapter, counted as they are called."""
    counts: dict[str, int] = {}
    inside = s._derived

    def derived(what: str, sparsity: Any) -> Any:
        counts[what] = counts.get(what, 0) + 1
        return inside(what, sparsity)
    monkeypatch.setattr(s, "_derived", derived)
    return counts


# ---------------------------------------------------------------- the adapter

def test_derivatives_are_those_of_scipy():
    s = wg.for_scipy(rosenbrock)
    p = np.array([1.0, -2.0, 0.5, 3.0])
    assert np.allclose(s.fun(START), scipy.optimize.rosen(START), rtol=8 * EPS)
    assert np.allclose(s.jac(START), scipy.optimize.rosen_der(START), rtol=32 * EPS)
    assert np.allclose(s.hess(START), scipy.optimize.rosen_hess(START), rtol=32 * EPS)
    assert np.allclose(s.hessp(START, p), scipy.optimize.rosen_hess_prod(START, p), rtol=32 * EPS)


def test_value_and_gradient_are_computed_once(monkeypatch):
    s = wg.for_scipy(rosenbrock)
    counts = counted(monkeypatch, s)
    s.fun(START), s.jac(START.copy())
    assert counts == {"value_and_grad": 1}
    s.jac(START + 1.0), s.fun(START + 1.0)
    assert counts == {"value_and_grad": 2}


def test_a_point_is_known_by_value():
    """SciPy moves x in place."""
    s, x = wg.for_scipy(rosenbrock), START.copy()
    s.fun(x)
    x += 1.0
    assert np.allclose(s.jac(x), scipy.optimize.rosen_der(x), rtol=32 * EPS)
    assert np.allclose(s.fun(x), scipy.optimize.rosen(x), rtol=8 * EPS)


def test_what_is_shared_belongs_to_its_arguments():
    s, a, b = wg.for_scipy(lambda x, a: np.sum(a * x ** 2)), np.ones(2), np.full(2, 3.0)
    s.fun(np.ones(2), a)
    assert s.jac(np.ones(2), b).tolist() == [6.0, 6.0]
    s.fun(np.zeros(2), a)
    assert s.jac(np.array([-0.0, 0.0]), a).tolist() == [0.0, 0.0]


def test_data_that_change_are_seen():
    data = np.ones(2)
    s = wg.for_scipy(lambda x: np.sum(data * x ** 2))
    assert s.fun(np.ones(2)) == 2.0
    data[:] = 5.0
    assert s.fun(np.ones(2)) == 10.0
    assert s.jac(np.ones(2)).tolist() == [10.0, 10.0]


def test_what_is_shared_does_not_outlive_a_change():
    """Between a value and its gradient, an argument and what the function captured change in place."""
    data, weight, factor = np.ones(2), np.ones(1), {"of": 1.0}
    s = wg.for_scipy(lambda x, d: factor["of"] * weight[0] * np.sum(d * x ** 2))
    x = np.ones(2)
    for _ in range(2):
        s.fun(x, data)
        data += 1.0
        assert s.jac(x, data).tolist() == (2.0 * data * weight * factor["of"]).tolist()
        s.fun(x, data)
        weight += 1.0
        assert s.jac(x, data).tolist() == (2.0 * data * weight * factor["of"]).tolist()
        s.jac(x, data)
        factor["of"] += 1.0
        assert s.fun(x, data) == 2.0 * data[0] * weight[0] * factor["of"]


def test_results_are_the_callers_own():
    s = wg.for_scipy(rosenbrock)
    s.fun(START)
    g = s.jac(START)
    g[:] = 0.0
    assert np.allclose(s.jac(START), scipy.optimize.rosen_der(START), rtol=32 * EPS)


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "CG", "SLSQP", "TNC"])
def test_a_line_search_shares_every_evaluation(monkeypatch, method):
    s = wg.for_scipy(rosenbrock)
    s.fun(START + 9.0)  # whether it is a number
    counts = counted(monkeypatch, s)
    found = scipy.optimize.minimize(s.fun, START, jac=s.jac, method=method)
    assert found.fun < 1e-6
    assert counts["value_and_grad"] == max(found.nfev, found.get("njev", 0))


def test_vector_functions():
    s = wg.for_scipy(lambda x: [x[0] * x[1], np.sin(x[0]), 2.0])
    x = np.array([2.0, 3.0])
    assert s.fun(x).tolist() == [6.0, np.sin(2.0), 2.0]
    assert np.allclose(s.jac(x), [[3.0, 2.0], [np.cos(2.0), 0.0], [0.0, 0.0]], rtol=4 * EPS)
    assert s.jac_sparsity(x).toarray().tolist() == [[True, True], [True, False], [False, False]]
    with pytest.raises(InputError, match="hess is of a function that returns one number"):
        s.hess(x)


@dataclasses.dataclass
class Point:
    a: Any
    b: Any


@pytest.mark.parametrize("x0", [{"a": np.zeros((2, 3)), "b": 0.5}, Point(np.zeros((2, 3)), 0.5), [np.zeros((2, 3)), 0.5],
                                {"a": np.zeros((2, 3), np.float32), "b": 0.0}], ids=["dict", "dataclass", "list", "dtypes"])
def test_trees(x0):
    def parts(p):
        return (p["a"], p["b"]) if isinstance(p, dict) else (p.a, p.b) if isinstance(p, Point) else p

    def f(p):
        a, b = parts(p)
        return np.sum((a - np.arange(6.0).reshape(2, 3)) ** 2) + (b - 3.0) ** 4 + b ** 2

    seen = []
    found = wg.scipy.minimize(f, x0, method="trust-ncg", callback=lambda p: seen.append(parts(p)[0].shape))
    assert type(found.x) is type(x0)
    a, b = parts(found.x)
    assert a.shape == (2, 3) and np.ndim(b) == 0
    assert np.allclose(a, np.arange(6.0).reshape(2, 3), atol=1e-5)
    assert abs(4 * (b - 3.0) ** 3 + 2 * b) < 1e-3
    assert seen and set(seen) == {(2, 3)}
    assert type(found.jac) is type(x0)


def test_a_matrix_is_its_elements():
    target = np.arange(6.0).reshape(2, 3)
    found = wg.scipy.minimize(lambda w: np.sum((w - target) ** 2), np.zeros((2, 3)), bounds=(0.5, np.full((2, 3), 4.0)))
    assert np.allclose(found.x, np.clip(target, 0.5, 4.0), atol=1e-6)


def test_functions_stay_compiled():
    f = lambda x, a: np.sum((x - a) ** 2)
    for a in (1.0, 2.0, 3.0):
        assert np.allclose(wg.scipy.minimize(f, np.zeros(3), a).x, a)
    jitted = f.__dict__["__wengert_jit__"]
    (flat,) = jitted.derived.values()
    (both,) = flat.derived.values()
    assert len(both.found) == 1  # traced once, for three runs


# ---------------------------------------------------------------- minimize

METHODS = ["Nelder-Mead", "Powell", "CG", "BFGS", "Newton-CG", "L-BFGS-B", "TNC", "COBYLA", "COBYQA", "SLSQP", "trust-constr",
           "dogleg", "trust-ncg", "trust-exact", "trust-krylov", None]


@pytest.mark.parametrize("method", METHODS)
def test_every_method(method):
    """With no warning of SciPy's about derivatives that it does not use, and to the accuracy that the method has."""
    x0 = np.array([0.8, 0.5]) if method == "dogleg" else np.array([-1.2, 1.0])  # where the Hessian is positive definite
    tol = 1e-3 if method == "COBYLA" else None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "delta_grad == 0.0", UserWarning)
        found = wg.scipy.minimize(rosenbrock, x0, method=method, tol=tol)
    assert np.allclose(found.x, 1.0, atol=0.7 if method == "COBYLA" else 1e-3)  # COBYLA creeps along the valley


def test_same_path_as_with_derivatives_by_hand():
    x0 = np.full(6, 1.3)
    mine = wg.scipy.minimize(rosenbrock, x0, method="BFGS")
    theirs = scipy.optimize.minimize(scipy.optimize.rosen, x0, jac=scipy.optimize.rosen_der, method="BFGS")
    assert (mine.nit, mine.nfev, mine.njev, mine.message) == (theirs.nit, theirs.nfev, theirs.njev, theirs.message)
    assert np.allclose(mine.x, theirs.x, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:delta_grad == 0.0:UserWarning")
@pytest.mark.parametrize("method", ["trust-constr", "Newton-CG", "trust-ncg", "trust-krylov"])
def test_sparse_hessians(method):
    found = wg.scipy.minimize(rosenbrock, np.full(50, 0.9), method=method, sparsity="detect")
    assert np.allclose(found.x, 1.0, atol=1e-3)
    h = wg.for_scipy(rosenbrock, sparsity="detect").hess(np.full(50, 0.9))
    assert scipy.sparse.issparse(h) and h.nnz == 148
    assert np.allclose(h.toarray(), scipy.optimize.rosen_hess(np.full(50, 0.9)), rtol=64 * EPS)


def test_scalars_lists_and_integers():
    square = lambda x: (x - 2.0) ** 2  # of an array of one number, an array of one number
    for x0 in (1.0, 1, [1], np.array([1]), np.float32(1.0)):
        found = wg.scipy.minimize(square, x0)
        assert found.x.shape == (1,) and abs(found.x[0] - 2.0) < 1e-4
    assert np.allclose(wg.scipy.minimize(rosenbrock, [2, 2]).x, 1.0, atol=1e-4)


def test_warnings_are_scipys_own():
    with pytest.warns(RuntimeWarning, match="Method Nelder-Mead cannot handle constraints"):
        wg.scipy.minimize(rosenbrock, [0.5, 0.5], method="Nelder-Mead", constraints={"type": "eq", "fun": np.sum})
    with pytest.warns(RuntimeWarning, match="Method BFGS does not use Hessian information"):
        wg.scipy.minimize(rosenbrock, [0.5, 0.5], method="BFGS", hess=lambda x: np.eye(2))
    with pytest.raises(ValueError, match="Unknown solver nonsense"):
        wg.scipy.minimize(rosenbrock, [0.5, 0.5], method="nonsense")


def test_not_a_number_at_a_trial_point():
    """As with plain SciPy: the line search steps back."""
    f = lambda x: np.sum(x - np.log(x))
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        theirs = scipy.optimize.minimize(f, [5.0, 9.0], jac=lambda x: 1 - 1 / x, method="L-BFGS-B")
        mine = wg.scipy.minimize(f, [5.0, 9.0], method="L-BFGS-B")
    assert (mine.status, mine.nfev) == (theirs.status, theirs.nfev)
    assert np.allclose(mine.x, theirs.x, equal_nan=True)


def test_ones_own_derivatives_are_passed_on():
    calls = []

    def gradient(x):
        calls.append(x)
        return scipy.optimize.rosen_der(x)
    assert wg.scipy.minimize(rosenbrock, START, jac=gradient, method="BFGS").njev == len(calls)
    pair = lambda x: (scipy.optimize.rosen(x), scipy.optimize.rosen_der(x))
    assert np.allclose(wg.scipy.minimize(pair, START, jac=True).x, 1.0, atol=1e-4)
    differences = wg.scipy.minimize(rosenbrock, START, jac="2-point", method="BFGS")
    assert differences.nfev > 4 * differences.njev


def test_a_method_of_ones_own():
    def newton(fun, x0, args, jac, hessp, **kwargs):
        h = np.stack([hessp(x0, e) for e in np.eye(2)])
        return scipy.optimize.OptimizeResult(x=x0 - np.linalg.solve(h, jac(x0)), success=True)
    assert np.allclose(wg.scipy.minimize(lambda x: np.sum(x ** 2 - 2.0 * x), [5.0, 6.0], method=newton).x, 1.0)


# ---------------------------------------------------------------- constraints: HS 71, whose optimum is (1, 4.743, 3.821, 1.379)

def hs71(x):
    return x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2]


HS71 = [1.0, 4.7429994, 3.8211503, 1.3794082]
BOX = Bounds(np.ones(4), np.full(4, 5.0))
DICTS = [{"type": "ineq", "fun": lambda x, c: np.prod(x) - c, "args": (25.0,)},
         {"type": "eq", "fun": lambda x: np.sum(x ** 2) - 40.0}]
OBJECTS = [NonlinearConstraint(np.prod, 25.0, np.inf), NonlinearConstraint(lambda x: np.sum(x ** 2), 40.0, 40.0)]


@pytest.mark.filterwarnings("ignore:delta_grad == 0.0:UserWarning")
@pytest.mark.parametrize("constraints", [DICTS, OBJECTS], ids=["dicts", "objects"])
@pytest.mark.parametrize("method", ["SLSQP", "trust-constr", "COBYQA", None])
def test_constraints(method, constraints):
    found = wg.scipy.minimize(hs71, [1, 5, 5, 1], method=method, bounds=BOX, constraints=constraints)
    assert np.allclose(found.x, HS71, atol=2e-3 if method == "COBYQA" else 1e-4)


@pytest.mark.filterwarnings("ignore:delta_grad == 0.0:UserWarning")
def test_no_differences_and_no_updates(monkeypatch):
    """SciPy is never left to estimate a derivative."""
    from scipy.optimize import _differentiable_functions as inside

    def refuse(*args, **kwargs):
        raise AssertionError("SciPy takes differences")
    monkeypatch.setattr(inside, "approx_derivative", refuse)
    monkeypatch.setattr(scipy.optimize.BFGS, "update", refuse)
    for constraints in (DICTS, OBJECTS):
        wg.scipy.minimize(hs71, [1, 5, 5, 1], method="trust-constr", bounds=BOX, constraints=constraints)
        wg.scipy.minimize(hs71, [1, 5, 5, 1], method="SLSQP", bounds=BOX, constraints=constraints)


@pytest.mark.parametrize("sparsity", [None, "detect"])
def test_constraint_of_the_adapter(sparsity):
    s = wg.for_scipy(lambda x: np.sum(x ** 4), sparsity=sparsity)
    c = s.constraint(lambda x: x[1:] * x[:-1], -1.0, np.inf)
    x, v = np.array([1.0, 2.0, 3.0]), np.array([5.0, 7.0])
    jacobian, hessian = c.jac(x), c.hess(x, v)
    assert scipy.sparse.issparse(jacobian) == scipy.sparse.issparse(hessian) == (sparsity is not None)
    dense = (lambda a: a.toarray()) if sparsity else np.asarray
    assert dense(jacobian).tolist() == [[2.0, 1.0, 0.0], [0.0, 3.0, 2.0]]
    assert dense(hessian).tolist() == [[0.0, 5.0, 0.0], [5.0, 0.0, 7.0], [0.0, 7.0, 0.0]]
    assert c.fun(x).tolist() == [2.0, 6.0]


def test_sparse_constrained_problem():
    """A chain of unit vectors' neighbors: x_i x_{i+1} >= 1, so the sum of squares is least where all are 1."""
    n = 30
    found = wg.scipy.minimize(lambda x: np.sum(x ** 2), np.full(n, 2.0), method="trust-constr", sparsity="detect",
                              constraints=NonlinearConstraint(lambda x: x[1:] * x[:-1], 1.0, np.inf))
    assert np.allclose(found.x, 1.0, atol=2e-3)
    assert found.status in (1, 2)


def test_constraints_of_trees():
    f = lambda p: (p["x"] - 2.0) ** 2 + np.sum(p["y"] ** 2)
    circle = {"type": "ineq", "fun": lambda p: 1.0 - p["x"] ** 2 - np.sum(p["y"] ** 2)}
    found = wg.scipy.minimize(f, {"x": 0.0, "y": np.full(2, 0.1)}, constraints=circle)
    assert abs(found.x["x"] - 1.0) < 1e-5 and np.allclose(found.x["y"], 0.0, atol=1e-4)
    linear = LinearConstraint([[1.0, 1.0, 1.0]], 1.0, 1.0)
    assert abs(wg.scipy.minimize(f, {"x": 0.0, "y": np.zeros(2)}, constraints=linear).x["x"] - 5.0 / 3.0) < 1e-6


def test_ipopt_structures():
    f = lambda x: x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2]
    c = lambda x: [np.prod(x), np.sum(x ** 2)]
    x, v = np.array([1.0, 5.0, 5.0, 1.0]), np.array([0.3, -2.0])
    p = wg.for_scipy(f).ipopt(c, x)
    whole = 2.0 * wg.hessian(f)(x) + v[0] * wg.hessian(np.prod)(x) - 4.0 * np.eye(4)
    rows, columns = p.hessianstructure()
    assert np.all(rows >= columns)
    lower = np.zeros((4, 4))
    lower[rows, columns] = p.hessian(x, v, 2.0)
    assert np.allclose(lower, np.tril(whole), rtol=64 * EPS, atol=1e-14)
    jacobian = np.zeros((2, 4))
    jacobian[p.jacobianstructure()] = p.jacobian(x)
    assert np.allclose(jacobian, wg.jacobian(lambda x: np.stack([np.prod(x), np.sum(x ** 2)]))(x), rtol=16 * EPS)
    assert (p.n, p.m, p.objective(x)) == (4, 2, 16.0)
    alone = wg.for_scipy(rosenbrock, START).ipopt()
    assert alone.m == 0 and alone.constraints(START).size == 0 and len(alone.jacobianstructure()[0]) == 0
    assert len(alone.hessian(START, np.zeros(0), 1.0)) == 7


# ---------------------------------------------------------------- least squares, roots, differential equations

def residuals(x, scale=10.0):
    return [scale * (x[1] - x[0] ** 2), 1.0 - x[0]]


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
def test_least_squares(method):
    found = wg.scipy.least_squares(residuals, [-1.2, 1.0], method=method, args=(7.0,), xtol=1e-12)
    assert np.allclose(found.x, 1.0, atol=1e-8)
    assert np.allclose(wg.scipy.least_squares(residuals, [-1, 1], kwargs={"scale": 3.0}).x, 1.0, atol=1e-6)


def test_sparse_least_squares():
    n = 200
    broyden = lambda x: (3 - 2 * x) * x - np.concatenate([[0.0], x[:-1]]) - 2 * np.concatenate([x[1:], [0.0]]) + 1
    found = wg.scipy.least_squares(broyden, -np.ones(n), sparsity="detect")
    assert scipy.sparse.issparse(found.jac) and np.max(np.abs(found.fun)) < 1e-7
    band = scipy.sparse.diags_array([1.0, 1.0, 1.0], offsets=[-1, 0, 1], shape=(n, n))
    given = wg.scipy.least_squares(broyden, -np.ones(n), jac_sparsity=band)
    assert np.allclose(given.x, found.x, rtol=1e-9)


def test_least_squares_of_trees():
    t = np.linspace(0.0, 1.0, 8)
    found = wg.scipy.least_squares(lambda p: p["a"] * np.exp(-p["k"] * t) - 3.0 * np.exp(-2.0 * t), {"a": 1.0, "k": 0.5},
                                   bounds=({"a": 0.0, "k": 0.0}, np.inf))
    assert abs(found.x["a"] - 3.0) < 1e-6 and abs(found.x["k"] - 2.0) < 1e-6


@pytest.mark.parametrize("method", ["hybr", "lm", "broyden1", "krylov", "df-sane", "anderson"])
def test_root(method):
    f = lambda x, a: [x[0] + 0.5 * (x[0] - x[1]) ** 3 - a, 0.5 * (x[1] - x[0]) ** 3 + x[1]]
    found = wg.scipy.root(f, [1, 0], args=(1.0,), method=method)
    assert np.allclose(found.x, [0.8411639, 0.1588361], atol=1e-4)


def test_root_of_one_number_and_of_a_tree():
    assert abs(wg.scipy.root(lambda x: np.cos(x) - x, 1.0).x[0] - 0.7390851332151607) < 1e-10
    found = wg.scipy.root(lambda p: {"u": p["u"] ** 2 - 2.0, "v": p["v"] * p["u"] - 1.0}, {"u": 1.0, "v": np.ones(2)})
    assert np.allclose(found.x["v"], 0.5 ** 0.5)
    transposed = wg.scipy.root(lambda x: [x[0] - x[1] ** 2, x[1] - 3.0], [1.0, 1.0], options={"col_deriv": 1})
    assert np.allclose(transposed.x, [9.0, 3.0])


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # SciPy's BDF computes with memory it has not written yet
@pytest.mark.parametrize("method", ["BDF", "Radau", "LSODA", "RK45"])
def test_solve_ivp(method):
    def van_der_pol(t, y, mu):
        return [y[1], mu * (1.0 - y[0] ** 2) * y[1] - y[0]]
    kwargs = dict(args=(20.0,), rtol=1e-8, atol=1e-10)
    mine = wg.scipy.solve_ivp(van_der_pol, (0.0, 10.0), [2, 0], method, **kwargs)
    theirs = scipy.integrate.solve_ivp(van_der_pol, (0.0, 10.0), [2, 0], "Radau", **kwargs)
    assert np.allclose(mine.y[:, -1], theirs.y[:, -1], rtol=1e-5)
    assert (mine.njev > 0) == (method in ("BDF", "Radau"))  # LSODA does not count


def test_solve_ivp_sparse():
    n = 40
    heat = lambda t, u: np.concatenate([[0.0], u[2:] - 2 * u[1:-1] + u[:-2], [0.0]]) * n ** 2 - u ** 3
    u0 = np.sin(np.pi * np.linspace(0.0, 1.0, n))
    dense, sparse = [wg.scipy.solve_ivp(heat, (0.0, 0.1), u0, "Radau", sparsity=s, rtol=1e-8) for s in (None, "detect")]
    assert np.allclose(dense.y[:, -1], sparse.y[:, -1], rtol=1e-6)
    jacobian = wg.for_scipy(heat, argnum=1, sparsity="detect").jac(0.0, u0)
    assert scipy.sparse.issparse(jacobian) and jacobian.nnz <= 3 * n


# ---------------------------------------------------------------- curve fitting

# NIST Statistical Reference Datasets, nonlinear regression: certified values (www.itl.nist.gov/div898/strd/nls/nls_main.shtml)
MISRA1A = (
    [77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0],
    [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78],
    [2.3894212918e+02, 5.5015643181e-04], [2.7070075241e+00, 7.2668688436e-06], 1.0187876330e-01)


def misra1a(x, b1, b2):
    return b1 * (1.0 - np.exp(-b2 * x))


@pytest.mark.parametrize("start", [(500, 0.0001), (250.0, 0.0005)])
def test_misra1a(start):
    x, y, certified, errors, spread = MISRA1A
    fit = wg.scipy.curve_fit(misra1a, x, y, start)
    assert np.allclose(fit.popt, certified, rtol=1e-8)
    assert np.allclose(fit.std, errors, rtol=1e-6)
    assert fit.dof == 12 and np.isclose(fit.residual_std, spread, rtol=1e-9)


def test_the_result_is_scipys():
    x, y = np.array(MISRA1A[0]), np.array(MISRA1A[1])
    popt, pcov = wg.scipy.curve_fit(misra1a, x, y, (250.0, 5e-4), sigma=0.1 + 0.0 * x, absolute_sigma=True)
    theirs = scipy.optimize.curve_fit(misra1a, x, y, (250.0, 5e-4), sigma=0.1 + 0.0 * x, absolute_sigma=True)
    assert np.allclose(popt, theirs[0], rtol=1e-6) and np.allclose(pcov, theirs[1], rtol=1e-4)
    five = wg.scipy.curve_fit(misra1a, x, y, (250.0, 5e-4), full_output=True)
    assert len(five) == 5 and five[4] in (1, 2, 3, 4)
    bounded = wg.scipy.curve_fit(misra1a, x, y, (200.0, 5e-4), bounds=([0.0, 0.0], [220.0, 1.0]))
    assert abs(bounded.popt[0] - 220.0) < 1e-3
    assert wg.scipy.curve_fit(lambda t, a, b: a + b * t, x, y).popt.shape == (2,)  # counts the parameters, as SciPy does


def test_the_band_of_a_straight_line():
    """ŷ ∓ t s √(1 + 1/n + (x − x̄)²/Sxx): exact for a linear model (N. R. Draper and H. Smith, Applied Regression Analysis)."""
    rng = np.random.default_rng(0)
    x = np.linspace(0.0, 5.0, 12)
    y = 1.0 + 2.0 * x + rng.normal(scale=0.3, size=12)
    fit = wg.scipy.curve_fit(lambda x, a, b: a + b * x, x, y)
    at = np.array([-1.0, 0.0, 2.2, 7.0])
    b, a = np.polyfit(x, y, 1)
    s = np.sqrt(np.sum((y - a - b * x) ** 2) / 10)
    leverage = 1 / 12 + (at - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2)
    for of, variance in (("observation", 1.0 + leverage), ("curve", leverage)):
        t = 2.2281388519649385 if of == "observation" else 3.169272672616872  # Student, 10 degrees: 97.5 % and 99.5 %
        lower, upper = fit.band(at, level=0.95 if of == "observation" else 0.99, of=of)
        half = t * s * np.sqrt(variance)
        assert np.allclose(lower, a + b * at - half, rtol=1e-6) and np.allclose(upper, a + b * at + half, rtol=1e-6)


def test_the_band_is_propagated():
    x, y, *_ = MISRA1A
    fit = wg.scipy.curve_fit(misra1a, x, y, (250.0, 5e-4))
    at = np.array([100.0, 500.0, 900.0])
    lower, upper = fit.band(at, of="curve")
    spread = wg.propagate(lambda p: misra1a(at, p[0], p[1]), fit.popt, fit.pcov)
    assert np.allclose(0.5 * (lower + upper), spread.mean) and np.allclose(fit.predict(at), spread.mean)
    assert np.allclose(0.5 * (upper - lower), 2.1788128296634177 * spread.std, rtol=1e-6)  # Student, 12 degrees, 97.5 %


def test_one_sigma_for_all():
    """SciPy itself stumbles over it when it is given a Jacobian."""
    x, y = np.array(MISRA1A[0]), np.array(MISRA1A[1])
    one = wg.scipy.curve_fit(misra1a, x, y, (250.0, 5e-4), sigma=0.2, absolute_sigma=True)
    each = wg.scipy.curve_fit(misra1a, x, y, (250.0, 5e-4), sigma=np.full(14, 0.2), absolute_sigma=True)
    assert np.array_equal(one.pcov, each.pcov)


def test_bands_of_weighted_fits():
    x, y = np.array(MISRA1A[0]), np.array(MISRA1A[1])
    fit = wg.scipy.curve_fit(misra1a, x, y, (250.0, 5e-4), sigma=np.full(14, 0.2), absolute_sigma=True)
    curve = np.subtract(*fit.band(300.0, of="curve")[::-1]) / 2 / 1.959963984540054
    whole = np.subtract(*fit.band(300.0, sigma=0.2)[::-1]) / 2 / 1.959963984540054
    assert np.isclose(whole ** 2, curve ** 2 + 0.04)
    with pytest.raises(InputError, match="pass the standard deviation of a new one"):
        fit.band(300.0)
    unit = wg.scipy.curve_fit(misra1a, x, y, (250.0, 5e-4), absolute_sigma=True)  # the observations' is 1
    assert np.allclose(unit.band(300.0), unit.band(300.0, sigma=1.0))
    relative = wg.scipy.curve_fit(misra1a, x, y, (250.0, 5e-4), sigma=np.full(14, 0.2))
    plain = wg.scipy.curve_fit(misra1a, x, y, (250.0, 5e-4))
    assert np.allclose(relative.band(300.0, sigma=0.2), plain.band(300.0), rtol=1e-5)


# ---------------------------------------------------------------- bad input

def test_a_vector_is_no_objective():
    with pytest.raises(InputError, match=r"returns an array of shape \(2,\), not one number; .*wg.scipy.least_squares"):
        wg.scipy.minimize(lambda x: x ** 2, [1.0, 2.0])
    with pytest.raises(InputError, match="returns None, not one number"):
        wg.scipy.minimize(lambda x: None, [1.0, 2.0])
    with pytest.raises(InputError, match="returns a list, not one number"):
        wg.scipy.minimize(lambda x: [x[0]], [1.0, 2.0], method="Nelder-Mead")


@pytest.mark.parametrize("x0, words", [
    (np.array([1.0 + 2.0j]), "not real numbers; SciPy's solvers are for real numbers"),
    ("abc", "x0 is a str"), ([1.0, None], "x0 is a list, not real numbers"), ({"a": None}, r"x0\['a'\] is None")])
def test_points_that_are_none(x0, words):
    with pytest.raises(InputError, match=words):
        wg.scipy.minimize(rosenbrock, x0)


def test_misuse():
    with pytest.raises(InputError, match="the first argument is a function, not a float"):
        wg.for_scipy(1.0)
    with pytest.raises(InputError, match="argnum"):
        wg.for_scipy(rosenbrock, argnum=-1)
    with pytest.raises(InputError, match="x is argument 1"):
        wg.for_scipy(lambda t, y: -y, argnum=1).jac(0.0)
    with pytest.raises(InputError, match="hessp is of functions whose first argument is x"):
        wg.for_scipy(lambda t, y: np.sum(y ** 2), argnum=1).hessp(np.ones(2), np.ones(2))
    with pytest.raises(InputError, match="pass x0"):
        wg.for_scipy(rosenbrock).ipopt()
    with pytest.raises(InputError, match="x0 has"):
        wg.for_scipy(np.sum, {"a": np.ones(2)}).ravel({"a": np.ones(3)})
    with pytest.raises(InputError, match="level is a probability"):
        wg.scipy.curve_fit(lambda x, a: a * x, [1.0, 2.0, 3.0], [1.0, 2.0, 2.9]).band(1.0, level=95)


def test_a_tree_and_its_gradient_by_hand():
    with pytest.raises(InputError, match="minimize: jac=True is of functions of vectors"):
        wg.scipy.minimize(lambda p: (p["a"] ** 2, {"a": 2 * p["a"]}), {"a": 1.0}, jac=True)


@pytest.mark.parametrize("solve", [
    lambda a: wg.scipy.minimize(lambda x: np.sum((x - a) ** 2), np.zeros(2)).x[0],
    lambda a: wg.scipy.minimize(lambda x, b: np.sum((x - b) ** 2), np.zeros(2), args=(a,)).x[0],
    lambda a: wg.scipy.minimize(lambda x: np.sum(x ** 2), a * np.ones(2)).x[0],
    lambda a: wg.scipy.root(lambda x: x - a, [0.0]).x[0],
    lambda a: wg.scipy.least_squares(lambda x: x - a, [0.0], method="lm").x[0],
    lambda a: wg.scipy.curve_fit(lambda x, p: a * x * p, [1.0, 2.0, 3.0], [1.0, 2.0, 3.1]).popt[0],
    lambda a: wg.scipy.solve_ivp(lambda t, y: -a * y, (0.0, 1.0), [1.0]).y[0, -1],
], ids=["captured", "args", "x0", "root", "least_squares", "curve_fit", "solve_ivp"])
def test_solvers_are_not_differentiated(solve):
    """Nor traced: under jit the program runs as it stands."""
    with pytest.raises(ConversionError, match="a traced value reaches SciPy's solver .* at .*test_scipy.py:.* call scipy"):
        wg.grad(solve)(2.0)
    with pytest.warns(wg.StagingWarning):
        assert np.isclose(wg.jit(solve)(2.0), solve(2.0))


def test_solvers_of_plain_values_run_inside_derivatives():
    x = np.arange(4.0)

    def f(a):
        slope = wg.scipy.curve_fit(lambda x, b: b * x, x, 3.0 * x).popt[0]
        least = wg.scipy.minimize(lambda x, c: np.sum((x - 5.0) ** 2), [0.0], args=(None,)).x[0]
        return a * slope + a ** 2 * least
    assert np.isclose(wg.grad(f)(1.0), 13.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wg.StagingWarning)
        assert np.isclose(wg.jit(wg.grad(f))(1.0), 13.0)


def test_patterns_are_probed():
    diagonal, tall = np.eye(4), np.eye(5)
    with pytest.raises(SparsityError, match=r"misses entry \(0, 1\)"):
        wg.for_scipy(rosenbrock, sparsity=diagonal).hess(START)
    with pytest.raises(SparsityError, match=r"shape \(5, 5\)"):
        wg.for_scipy(rosenbrock, sparsity=tall).hess(START)
    with pytest.raises(SparsityError, match="misses entry"):
        wg.scipy.least_squares(np.cumsum, np.ones(3), jac_sparsity=np.eye(3))
    with pytest.raises(SparsityError, match="misses entry"):
        wg.scipy.minimize(rosenbrock, START, method="trust-constr", sparsity=diagonal)
    with pytest.raises(SparsityError, match="a Hessian is symmetric"):
        wg.for_scipy(rosenbrock, sparsity=np.tril(np.ones((4, 4)))).hess(START)


def test_data_that_are_zero_at_first_leave_their_entries():
    s = wg.for_scipy(lambda x, w: np.sum(w * x[1:] * x[:-1]) + np.sum(x ** 4), sparsity="detect")
    x = np.ones(4)
    assert s.hess(x, np.zeros(3)).toarray().tolist() == np.diag(np.full(4, 12.0)).tolist()
    assert s.hess(x, np.array([1.0, 2.0, 3.0])).toarray()[[0, 1, 2], [1, 2, 3]].tolist() == [1.0, 2.0, 3.0]
    assert s.hess(np.ones(6), np.ones(5)).shape == (6, 6)  # another size is another structure


def test_a_pattern_for_a_differential_equation():
    n = 12
    heat = lambda t, u: np.concatenate([[0.0], u[2:] - 2.0 * u[1:-1] + u[:-2], [0.0]])
    band = scipy.sparse.diags_array([1.0, 1.0, 1.0], offsets=[-1, 0, 1], shape=(n, n))
    u0 = np.sin(np.pi * np.linspace(0.0, 1.0, n))
    given = wg.scipy.solve_ivp(heat, (0.0, 1.0), u0, "Radau", jac_sparsity=band, rtol=1e-8)
    assert np.allclose(given.y[:, -1], wg.scipy.solve_ivp(heat, (0.0, 1.0), u0, rtol=1e-8).y[:, -1], rtol=1e-5)
    with pytest.raises(SparsityError, match="misses entry"):
        wg.scipy.solve_ivp(heat, (0.0, 1.0), u0, "Radau", jac_sparsity=np.eye(n))


def test_a_missing_entry_that_is_zero_at_first_is_found_later():
    """The entry (1, 0) of a Jacobian is zero at the first point."""
    s = wg.for_scipy(lambda x: np.stack([x[0], x[0] ** 2 + x[1]]), sparsity=np.eye(2))
    s.jac(np.array([0.0, 1.0]))
    with pytest.raises(SparsityError, match="misses entry"):
        s.jac(np.array([1.0, 1.0]))


# ---------------------------------------------------------------- trees that hold more than floats

def _powers(p):
    return np.sum((p["a"] - p["n"]) ** 2)


def test_integers_beside_floats_stay_as_they_are():
    """As for `grad`, `optim` and `fit`."""
    for n in (3, 5, np.int64(7), np.array([2, 4])):  # another integer is another function
        start = {"a": np.zeros(np.shape(n)) if np.ndim(n) else 0.0, "n": n}
        found = wg.scipy.minimize(_powers, start)
        np.testing.assert_allclose(found.x["a"], n, rtol=1e-6)
        assert found.jac["n"] is None and np.array_equal(found.x["n"], n) and type(found.x["n"]) is type(n)
    assert wg.scipy.root(lambda p: p["a"] ** p["n"] - 8.0, {"a": 1.5, "n": 3}).x["a"] == pytest.approx(2.0)
    found = wg.scipy.least_squares(lambda p: [p["a"] ** p["n"] - 8.0], {"a": 1.5, "n": 3}, bounds=({"a": 0.0, "n": 0}, 5.0))
    assert found.x["a"] == pytest.approx(2.0) and found.x["n"] == 3


def test_points_of_integers_alone_move_as_with_scipy():
    assert wg.scipy.minimize(lambda p: np.sum((p["a"] - 0.5) ** 2), {"a": np.array([1, 2])}).x["a"] == pytest.approx(0.5)
    assert wg.scipy.minimize(lambda x: np.sum((x - 0.5) ** 2), np.array([1, 2])).x == pytest.approx(0.5)


def test_models_with_functions_and_frozen_parts():
    nn = wg.nn
    first, second = wg.random.split(wg.random.key(0))
    model = nn.Sequential((nn.Linear.init(first, 1, 3), nn.tanh, nn.Frozen(nn.Linear.init(second, 3, 1))))
    x = np.linspace(-1.0, 1.0, 9)[:, None]

    def loss(model):
        return nn.mean_squared_error(model(x), 0.2 * x)
    found = wg.scipy.minimize(loss, model)
    assert loss(found.x) < 0.1 * loss(model) and found.x.layers[1] is nn.tanh
    np.testing.assert_array_equal(found.x.layers[2].value.weight, model.layers[2].value.weight)
    s = wg.for_scipy(loss, model)
    assert s.x0.shape == (6,) and s.jac(s.x0).shape == (6,)
    np.testing.assert_allclose(s.jac(s.x0)[:3], np.ravel(wg.grad(loss)(model).layers[0].weight))
