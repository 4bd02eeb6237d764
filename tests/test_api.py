"""The API: structure, dtypes, nesting, errors.

What comes in: functions of trees of arrays. What goes out: derivatives of the same structure and dtype, or one clear
error. The one idea: what JAX users expect of these names, on plain NumPy.
"""

import dataclasses
import pickle
import threading
from typing import NamedTuple

import numpy as np
import pytest

import wengert as wg
from wengert.errors import (
    EscapedTracerError,
    InputError,
    NonDifferentiableError,
    UnsupportedError,
    WengertError,
)


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


X = np.linspace(0.5, 1.5, 5)


# ---------------------------------------------------------------- arguments and results

def test_argnums_and_keywords():
    f = lambda a, b, scale=1.0: scale * a * b ** 2
    assert wg.grad(f)(2.0, 3.0) == 9.0
    assert wg.grad(f, 1)(2.0, 3.0, scale=2.0) == 24.0
    assert wg.grad(f, (0, 1))(2.0, 3.0) == (9.0, 12.0)
    assert wg.grad(f, -1)(2.0, 3.0) == 12.0


def test_has_aux():
    f = lambda x: (np.sum(x ** 2), {"double": 2.0 * x, "note": "text"})
    g, aux = wg.grad(f, has_aux=True)(X)
    np.testing.assert_array_equal(g, 2.0 * X)
    np.testing.assert_array_equal(aux["double"], 2.0 * X)
    assert aux["note"] == "text"
    (value, aux), g = wg.value_and_grad(f, has_aux=True)(X)
    assert value == np.sum(X ** 2)
    assert type(aux["double"]) is np.ndarray


class Point(NamedTuple):
    x: float
    y: np.ndarray


@dataclasses.dataclass(frozen=True)
class Layer:
    weight: np.ndarray
    bias: np.ndarray
    name: str = "layer"
    size: int = 3


def test_trees():
    f = lambda p: p["a"] * np.sum(p["b"][0]) + p["b"][1]
    g = wg.grad(f)({"a": 2.0, "b": [np.ones(2), 5.0]})
    assert g["a"] == 2.0
    np.testing.assert_array_equal(g["b"][0], [2.0, 2.0])
    assert g["b"][1] == 1.0
    g = wg.grad(lambda p: p.x * np.sum(p.y))(Point(2.0, np.ones(3)))
    assert isinstance(g, Point)
    assert g.x == 3.0


def test_dataclasses_are_trees_and_static_leaves_stay():
    layer = Layer(np.ones((2, 3)), np.zeros(2))
    g = wg.grad(lambda m, x: np.sum(m.weight @ x + m.bias) * m.size)(layer, np.arange(3.0))
    assert isinstance(g, Layer)
    np.testing.assert_array_equal(g.bias, [3.0, 3.0])
    assert g.name is None
    assert g.size is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_dtypes_are_kept(dtype):
    x = np.array([1.0, 2.0], dtype)
    value, g = wg.value_and_grad(lambda x: np.sum(np.abs(2.0 * x) ** 2))(x)
    assert g.dtype == dtype
    assert value.dtype == np.zeros(0, dtype).real.dtype
    assert wg.jvp(lambda x: x * 3, (x,), (x,))[1].dtype == dtype


def test_results_are_the_users_own():
    g1 = wg.grad(np.sum)(X)
    g1[0] = 99.0
    np.testing.assert_array_equal(wg.grad(np.sum)(X), np.ones(5))
    a, b = wg.grad(lambda a, b: np.sum(a + b), (0, 1))(X, X)
    a[0] = 7.0
    assert b[0] == 1.0
    value, _ = wg.value_and_grad(lambda x: np.sum(x), has_aux=False)(X)
    assert isinstance(value, float)
    assert type(wg.grad(lambda x: x * x)(np.array(3.0))) is np.ndarray
    assert isinstance(wg.grad(lambda x: x * x)(3.0), float)


def test_unused_and_partly_used_inputs():
    np.testing.assert_array_equal(wg.grad(lambda x, y: np.sum(x), 1)(X, np.ones(2)), np.zeros(2))
    np.testing.assert_array_equal(wg.jacobian(lambda x: np.array([1.0, 2.0]))(X), np.zeros((2, 5)))
    assert wg.jvp(lambda x: 3.0, (1.0,), (1.0,)) == (3.0, 0.0)
    np.testing.assert_array_equal(wg.grad(lambda x: 5.0)(X), np.zeros(5))


# ---------------------------------------------------------------- agreement and nesting

def test_modes_agree():
    v = np.arange(5.0)
    g = wg.grad(rosenbrock)(X)
    assert wg.jvp(rosenbrock, (X,), (v,))[1] == pytest.approx(g @ v, rel=1e-14)
    y, pullback = wg.vjp(rosenbrock, X)
    np.testing.assert_array_equal(pullback(1.0)[0], g)
    y2, push = wg.linearize(rosenbrock, X)
    assert y == y2 == rosenbrock(X)
    assert push(v) == pytest.approx(g @ v, rel=1e-14)
    f = lambda x: np.stack([np.sum(x ** 2), x[0] * x[-1], np.prod(x)])
    np.testing.assert_allclose(wg.jacrev(f)(X), wg.jacfwd(f)(X), rtol=1e-14)
    h = wg.hessian(rosenbrock)(X)
    np.testing.assert_allclose(h, wg.jacrev(wg.grad(rosenbrock))(X), rtol=1e-13)
    np.testing.assert_allclose(h @ v, wg.hvp(rosenbrock, X, v), rtol=1e-13)


def test_third_derivatives_in_all_nestings():
    f = lambda x: np.exp(2.0 * x) * x
    third = np.exp(2.0) * (8.0 + 12.0)
    fwd = lambda g: lambda x: wg.jvp(g, (x,), (1.0,))[1]
    for a in (wg.grad, fwd):
        for b in (wg.grad, fwd):
            for c in (wg.grad, fwd):
                assert a(b(c(f)))(1.0) == pytest.approx(third, rel=1e-14)


def test_inner_derivative_with_captured_outer_value():
    f = lambda a: wg.grad(lambda x: a * x ** 3)(2.0) * a
    assert wg.grad(f)(5.0) == 2 * 5.0 * 12.0
    outer = lambda x: np.sum(wg.jacobian(lambda y: x * y ** 2)(x))
    np.testing.assert_allclose(wg.grad(outer)(X), 4.0 * X)


def test_vmap():
    xs = np.stack([X, X + 1.0, X - 2.0])
    np.testing.assert_allclose(wg.vmap(rosenbrock)(xs), [rosenbrock(x) for x in xs], rtol=1e-14)
    np.testing.assert_allclose(wg.vmap(wg.grad(rosenbrock))(xs), [wg.grad(rosenbrock)(x) for x in xs], rtol=1e-14)
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(wg.vmap(rosenbrock)(np.stack([x, 2.0 * x]))))(X),
                               wg.grad(rosenbrock)(X) + 2.0 * wg.grad(rosenbrock)(2.0 * X), rtol=1e-13)
    np.testing.assert_array_equal(wg.vmap(lambda x, y: x * y, (0, None))(np.ones((2, 3)), np.arange(3.0)),
                                  [np.arange(3.0)] * 2)
    np.testing.assert_array_equal(wg.vmap(lambda x: (x, 2.0), 1)(np.ones((2, 3)))[1], [2.0] * 3)
    np.testing.assert_allclose(wg.vmap(wg.vmap(np.sin))(np.ones((2, 3))), np.sin(np.ones((2, 3))))
    np.testing.assert_allclose(wg.vmap(wg.hessian(rosenbrock))(xs), [wg.hessian(rosenbrock)(x) for x in xs], rtol=1e-13)


def test_vmap_of_a_function_with_branches():
    xs = np.array([-2.0, 0.5, 3.0])
    f = lambda x: x ** 2 if x > 0 else -x
    np.testing.assert_array_equal(wg.vmap(f)(xs), [f(x) for x in xs])
    np.testing.assert_array_equal(wg.vmap(wg.grad(f))(xs), [-1.0, 1.0, 6.0])
    np.testing.assert_array_equal(wg.grad(lambda xs: np.sum(wg.vmap(f)(xs)))(xs), [-1.0, 1.0, 6.0])


def test_python_control_flow_follows_values():
    def f(x):
        total = 0.0
        for k in range(3):
            if x > 1.0:
                total = total + x ** k
            else:
                total = total - x
        while total > 10.0:
            total = total / 2.0
        return total
    assert wg.grad(f)(2.0) == 5.0
    assert wg.grad(f)(0.5) == -3.0
    assert wg.grad(f)(4.0) == (1.0 + 8.0) / 4.0


def test_the_function_is_never_stale():
    scale = [2.0]
    f = lambda x: scale[0] * x
    g = wg.grad(f)
    assert g(1.0) == 2.0
    scale[0] = 3.0
    assert g(1.0) == 3.0


def test_threads_and_pickles():
    results = {}

    def work(k):
        results[k] = [wg.grad(rosenbrock)(X + k)[0] for _ in range(20)]
    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    for k in range(4):
        assert results[k] == [wg.grad(rosenbrock)(X + k)[0]] * 20
    graph = wg.make_graph(rosenbrock, X)
    assert str(pickle.loads(pickle.dumps(graph))) == str(graph)


def test_stop_gradient_and_make_graph():
    assert wg.grad(lambda x: x * wg.stop_gradient(x))(3.0) == 3.0
    assert wg.stop_gradient(2.0) == 2.0
    graph = wg.make_graph(lambda x, n: x * 2.0 + n, 1.0, 3)
    assert [e.primitive.name for e in graph.equations] == ["multiply", "add"]
    assert "test_api.py" in str(graph)


# ---------------------------------------------------------------- errors

BAD = [
    (lambda: wg.grad(lambda x: x)(3), InputError, "3.0"),
    (lambda: wg.grad(lambda x: np.sum(x))(np.arange(3)), InputError, "astype"),
    (lambda: wg.grad(lambda x: x)(True), InputError, "bool"),
    (lambda: wg.grad(lambda x: x)("a"), InputError, "str"),
    (lambda: wg.grad(lambda x: x)(np.ones(3)), NonDifferentiableError, "shape"),
    (lambda: wg.grad(lambda x: (x, x))(1.0), NonDifferentiableError, "2 values"),
    (lambda: wg.grad(lambda x: None)(1.0), NonDifferentiableError, "return"),
    (lambda: wg.grad(lambda x: x * 1j)(1.0), NonDifferentiableError, "complex"),
    (lambda: wg.grad(lambda x: np.argmax(x))(X), NonDifferentiableError, "integer"),
    (lambda: wg.grad(lambda x: x, 1)(1.0), InputError, "argnums"),
    (lambda: wg.grad(lambda x: x, "x")(1.0), InputError, "argnums"),
    (lambda: wg.grad(lambda x, y: x, (0, 0))(1.0, 2.0), InputError, "twice"),
    (lambda: wg.grad(3.0), InputError, "function"),
    (lambda: wg.grad(lambda x: x, has_aux=True)(1.0), InputError, "has_aux"),
    (lambda: wg.jvp(np.sin, (1.0,), (np.ones(2),)), InputError, "shape"),
    (lambda: wg.jvp(np.sin, (1.0,), ()), InputError, "tangents"),
    (lambda: wg.jvp(np.sin, 1.0, 1.0), InputError, "tuple"),
    (lambda: wg.vjp(np.sin, 1.0)[1](np.ones(3)), InputError, "shape"),
    (lambda: wg.vjp(np.sin, 1.0)[1]((1.0, 2.0)), InputError, "structure"),
    (lambda: wg.vmap(lambda x: x)(1.0), InputError, "in_axes"),
    (lambda: wg.vmap(lambda x, y: x)(np.ones(2), np.ones(3)), InputError, "lengths"),
    (lambda: wg.vmap(lambda x: x[x > 0])(np.array([[1.0, 2.0], [1.0, -1.0]])), WengertError, "shapes"),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_errors(case):
    call, kind, words = BAD[case]
    with pytest.raises(kind, match=words):
        call()


def test_unsupported_functions_name_the_line_and_the_remedy():
    with pytest.raises(UnsupportedError, match=r"test_api\.py:\d+.*opaque"):
        wg.grad(lambda x: np.sum(np.packbits(x)))(X)


def test_escaped_tracers_name_the_line():
    kept = []

    def f(x):
        kept.append(x * 2.0)
        return np.sum(x)
    wg.grad(f)(X)
    with pytest.raises(EscapedTracerError, match=r"test_api\.py:\d+"):
        kept[0] + 1.0
    with pytest.raises(EscapedTracerError):
        wg.grad(lambda x: np.sum(x * kept[0]))(X)


def test_nan_in_the_data_stays_nan():
    g = wg.grad(lambda x: np.sum(x ** 2))(np.array([1.0, np.nan]))
    assert g[0] == 2.0
    assert np.isnan(g[1])
