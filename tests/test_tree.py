"""Trees of arrays: a function on every array, and all floats as one vector."""

import numpy as np
import pytest

import wengert as wg
from wengert.errors import InputError

KEY = wg.random.key(0)
MODEL = {"net": wg.nn.Sequential((wg.nn.Linear.init(KEY, 2, 3), wg.nn.tanh)), "steps": 4, "scale": 0.5, "name": "a"}
X = np.array([[0.3, -0.2], [1.0, 0.4]])


def loss(model):
    return model["scale"] * np.sum(model["net"](X) ** 2) * model["steps"]


def test_descent_by_hand():
    @wg.jit
    def step(model):
        return wg.tree.map(lambda w, g: w - 0.01 * g, model, wg.grad(loss)(model))
    moved = step(MODEL)
    expected, _ = wg.optim.SGD(0.01).update(wg.grad(loss)(MODEL), wg.optim.SGD(0.01).init(MODEL), MODEL)
    np.testing.assert_allclose(moved["net"].layers[0].weight, expected["net"].layers[0].weight, rtol=1e-14)
    assert (moved["steps"], moved["name"], moved["net"].layers[1]) == (4, "a", wg.nn.tanh)
    assert moved["scale"] == pytest.approx(expected["scale"])


def test_all_floats_are_one_vector():
    vector, unravel = wg.tree.ravel(MODEL)
    assert vector.shape == (2 * 3 + 3 + 1,) and unravel(vector)["steps"] == 4
    np.testing.assert_array_equal(unravel(vector)["net"].layers[0].weight, MODEL["net"].layers[0].weight)
    gradient = wg.jit(wg.grad(lambda v: loss(unravel(v))))(vector)
    expected = np.concatenate([np.ravel(g) for g in wg.tree.leaves(wg.grad(loss)(MODEL))])
    np.testing.assert_allclose(gradient, expected, rtol=1e-13)
    hessian = wg.hessian(lambda v: loss(unravel(v)))(vector)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-13)


def test_single_precision_is_kept():
    vector, unravel = wg.tree.ravel([np.ones(2, np.float32), 2.0])
    assert vector.dtype == np.float64 and unravel(vector)[0].dtype == np.float32


def test_refusals():
    with pytest.raises(InputError, match="tree 2 has the structure"):
        wg.tree.map(np.add, {"a": 1.0}, {"b": 1.0})
    with pytest.raises(InputError, match="holds no float"):
        wg.tree.ravel([1, None])
    with pytest.raises(InputError, match=r"shape \(3,\), the tree 2 floats"):
        wg.tree.ravel(np.ones(2))[1](np.ones(3))
    with pytest.raises(InputError, match="a leaf is a real float"):
        wg.tree.ravel(np.ones(2) + 1j)
