"""Programs of wengert in JAX and functions of JAX in wengert: both systems' derivatives of one function agree."""

import numpy as np
import pytest

import wengert as wg
from wengert.errors import InputError, UnsupportedError

jax = pytest.importorskip("jax")
jnp = jax.numpy

X = np.array([0.3, 0.5, -0.2])
P = {"a": 1.3, "b": np.array(2.0)}


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def steps(x, p):
    y = np.zeros(3)
    for i in range(3):
        y[i] = np.sin(x[i] * p["a"]) * y[i - 1] + x[i]
    return np.sum(y**2) * p["b"]


def of_jax(x, p):
    return jnp.sum(jnp.sin(x * p["a"]) * x) * p["b"]


def of_numpy(x, p):
    return np.sum(np.sin(x * p["a"]) * x) * p["b"]


@pytest.mark.parametrize("order", [
    lambda f: jax.grad(f), lambda f: jax.jit(jax.grad(f)), lambda f: jax.jacfwd(f), lambda f: jax.hessian(f),
    lambda f: jax.jacfwd(jax.jacfwd(f)), lambda f: jax.jacrev(jax.jacrev(f)), lambda f: jax.jacrev(jax.jacfwd(f)),
    lambda f: jax.jit(jax.hessian(f))])
def test_jax_differentiates_programs(order):
    wanted = {1: wg.grad(steps)(X, P), 2: wg.hessian(steps)(X, P)}
    found = order(wg.interop.to_jax(steps))(jnp.array(X), P)
    np.testing.assert_allclose(found, wanted[found.ndim], rtol=1e-13, atol=1e-14)


def test_third_derivatives_and_other_arguments():
    g = wg.interop.to_jax(steps)
    third = jax.jacfwd(jax.hessian(g))(jnp.array(X), P)
    np.testing.assert_allclose(third, wg.jacfwd(wg.hessian(steps))(X, P), rtol=1e-12, atol=1e-13)
    found, wanted = jax.grad(g, 1)(X, P), wg.grad(steps, 1)(X, P)
    assert found["a"] == pytest.approx(wanted["a"]) and found["b"] == pytest.approx(wanted["b"])


def test_jax_maps_programs():
    g = wg.interop.to_jax(steps)
    rows = np.stack([X, 2 * X])
    np.testing.assert_allclose(jax.vmap(g, (0, None))(rows, P), [steps(x, P) for x in rows], rtol=1e-14)
    found = jax.jit(jax.vmap(jax.hessian(g), (0, None)))(rows, P)
    np.testing.assert_allclose(found, [wg.hessian(steps)(x, P) for x in rows], rtol=1e-13, atol=1e-14)


def test_the_transpose_of_a_mapped_tangent():
    g = wg.interop.to_jax(lambda x: np.sin(x) * x[::-1])
    linear = jax.linearize(g, jnp.array(X))[1]
    rows = np.arange(12.0).reshape(4, 3)
    found, = jax.linear_transpose(jax.vmap(linear), rows)(rows)
    np.testing.assert_allclose(found, rows @ np.asarray(jax.jacobian(g)(X)), rtol=1e-13)


def test_complex_derivatives_are_jaxs():
    z = np.array([1 + 2j, 0.3 - 0.5j])
    ours, theirs = wg.interop.to_jax(lambda z: z * np.exp(z)), lambda z: z * jnp.exp(z)
    c = np.array([1j, 2.0 + 0j])
    np.testing.assert_allclose(jax.vjp(ours, z)[1](c)[0], jax.vjp(theirs, z)[1](c)[0], rtol=1e-14)
    back = wg.interop.from_jax(lambda z: jnp.sum(jnp.abs(z * jnp.exp(z))))
    np.testing.assert_allclose(wg.grad(back)(z), wg.grad(lambda z: np.sum(np.abs(z * np.exp(z))))(z), rtol=1e-14)


def test_structure_and_integers_pass():
    g = wg.interop.to_jax(lambda x, n, scale: {"s": np.argmax(x), "y": x * n * scale, "k": 3, "t": None})
    out = g(X, 2, 0.5)
    assert (int(out["s"]), out["k"], out["t"]) == (1, 3, None)
    np.testing.assert_array_equal(jax.jvp(lambda x: g(x, 2, 0.5)["y"], (X,), (X,))[1], X)
    assert g(X.astype(np.float32), 2, 0.5)["y"].dtype == np.float32  # a Python number gives way


def test_graphs_and_captured_values():
    graph = wg.make_graph(wg.jit(np.sin), X)
    np.testing.assert_allclose(jax.grad(lambda x: wg.interop.to_jax(graph)(x)[0].sum())(X), np.cos(X), rtol=1e-15)
    scale = np.ones(3)
    g = wg.interop.to_jax(lambda x: np.sum(x * scale))
    assert g(X) == pytest.approx(X.sum())
    scale[:] = 2.0
    assert g(X) == pytest.approx(2 * X.sum())


def test_weak_numbers_stay_weak():
    g = wg.interop.to_jax(lambda scale, x: scale * x)
    x = jnp.ones(2, np.float32)
    for scale in (2.0, jnp.sin(2.0)):
        assert g(scale, x).dtype == jax.jit(g)(scale, x).dtype == np.float32
    assert g(jnp.float64(2.0), x).dtype == np.float64
    triple = wg.interop.to_jax(lambda x, how: x * 3 if how is True else x)
    assert [float(triple(1.0, how)) for how in (1, True, 1)] == [1, 3, 1]


def test_what_functions_of_jax_are_given():
    with pytest.raises(InputError, match="from_jax: <lambda> reads a, which is being differentiated or traced"):
        wg.grad(lambda a: wg.interop.from_jax(lambda x: jnp.sin(x) * a)(1.0))(2.0)
    with pytest.raises(InputError, match="the function takes NumPy arrays"):
        wg.interop.from_jax(jnp.sin)(jnp.ones(2))
    assert wg.interop.from_jax(lambda x: ())(X) == () and wg.interop.from_jax(lambda n: n * 1.5)(np.arange(2))[1] == 1.5


def test_what_does_not_stage_is_refused():
    with pytest.raises(UnsupportedError, match="to_jax: .* runs unstaged: an index .* needs the value"):
        wg.interop.to_jax(lambda x: x[:int(x[0])])(X)
    with pytest.raises(InputError, match="a function or a graph is wanted"):
        wg.interop.to_jax(3)


@pytest.mark.parametrize("order", [
    wg.grad, wg.hessian, lambda f: wg.jit(wg.hessian(f)), lambda f: wg.jacfwd(wg.jacfwd(f)), lambda f: wg.jacrev(wg.jacrev(f)),
    lambda f: wg.jit(wg.jacrev(wg.hessian(f)))])
def test_wengert_differentiates_functions_of_jax(order):
    np.testing.assert_allclose(order(wg.interop.from_jax(of_jax))(X, P), order(of_numpy)(X, P), rtol=1e-13, atol=1e-14)


def test_trees_maps_and_dtypes_of_functions_of_jax():
    g = wg.interop.from_jax(of_jax)
    found, wanted = wg.grad(g, 1)(X, P), wg.grad(of_numpy, 1)(X, P)
    assert found["a"] == pytest.approx(wanted["a"]) and found["b"] == pytest.approx(wanted["b"])
    rows = np.stack([X, 2 * X])
    np.testing.assert_allclose(wg.vmap(wg.grad(g), (0, None))(rows, P), [wg.grad(of_numpy)(x, P) for x in rows], rtol=1e-14)
    with jax.enable_x64(False):  # float64 stays float64 whatever the setting
        assert wg.grad(wg.interop.from_jax(lambda x: jnp.sum(x * x)))(X).dtype == np.float64
    small = wg.interop.from_jax(lambda x, y: {"a": x * y.sum(), "b": (y,)})
    out = small(X.astype(np.float32), X)
    assert out["b"][0].dtype == np.float64 and isinstance(out["a"], np.ndarray)


def test_functions_of_jax_return_floats():
    with pytest.raises(InputError, match="from_jax: .* returns int64"):
        wg.interop.from_jax(jnp.argmax)(X)
