"""Models are trees: static fields belong to the structure, frozen parts are differentiated and not trained."""

import pickle
from dataclasses import dataclass, field

import numpy as np
import pytest

import wengert as wg
from wengert.errors import InputError
from wengert.flatten import flatten, trainable


@dataclass(frozen=True)
class Scaled:
    weight: np.ndarray
    bias: object = None
    step: int = field(default=2, metadata={"static": True})
    activation: object = field(default=np.tanh, metadata={"static": True})

    def __call__(self, x):
        y = x @ self.weight
        return self.activation(y if self.bias is None else y + self.bias)[:, ::self.step]


def loss(model, x):
    return np.sum(model[0](x) ** 2)


X = np.linspace(-1.0, 1.0, 15).reshape(5, 3)


@pytest.mark.parametrize("transform", [wg.grad, lambda f: wg.jit(wg.grad(f)), lambda f: wg.grad(wg.jit(f))])
def test_static_fields_are_kept_and_not_differentiated(transform):
    model = [Scaled(np.full((3, 4), 0.5)), wg.nn.Frozen({"a": np.ones(2), "b": 3})]
    g = transform(loss)(model, X)
    assert (g[0].step, g[0].activation, g[0].bias) == (2, np.tanh, None)
    assert np.count_nonzero(g[0].weight[:, 1::2]) == 0 and np.count_nonzero(g[0].weight[:, ::2]) == 6
    np.testing.assert_array_equal(g[1].value["a"], np.zeros(2))


def test_jit_sees_another_static_field():
    compiled = wg.jit(loss)
    for step in (1, 2, 1):
        model = [Scaled(np.full((3, 4), 0.5), step=step)]
        assert compiled(model, X) == pytest.approx(loss(model, X))


def test_static_fields_that_are_equal_and_not_the_same():
    f = lambda model: model.weight * (10 if model.step is True else 20) + np.copysign(1.0, model.activation[0])
    compiled = wg.jit(f, at_once=True)
    for step, zero in ((1, 0.0), (True, 0.0), (1, -0.0), (1, 0.0), (True, -0.0)):
        model = Scaled(1.0, step=step, activation=(zero, 3))
        assert compiled(model) == f(model)


def test_static_fields_are_hashable():
    with pytest.raises(InputError, match=r"Scaled.step is a static field, and its value, a list, cannot be hashed"):
        flatten(Scaled(np.ones((3, 4)), step=[2]))


def test_models_pickle():
    model = Scaled(np.ones((3, 4)), np.zeros(4), step=1)
    back = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(back(X), model(X))
    assert flatten(back)[1] == flatten(model)[1] != flatten(Scaled(np.ones((3, 4)), np.zeros(4)))[1]


def test_what_is_trained():
    model = [Scaled(np.ones((3, 4))), wg.nn.Frozen(Scaled(np.ones((3, 4)))), 2.0, 3, np.arange(3), np.sin, None]
    assert trainable(model) == [True, False, False, False, True, False, False, False, False]
    assert trainable(wg.nn.Frozen(1.0)) == [False]


def made(key):
    first, second = wg.random.split(key)
    return wg.nn.Sequential((wg.nn.Linear.init(first, 3, 4), wg.nn.gelu, wg.nn.Linear.init(second, 4, 1, bias=False)))


def squares(model, x):
    return np.sum(model(x) ** 2)


def test_an_ensemble_is_one_model_with_lanes():
    keys = wg.random.split(wg.random.key(0), 5)
    models = wg.vmap(made)(keys)
    assert models.layers[1] is wg.nn.gelu and models.layers[2].bias is None and models.layers[0].weight.shape == (5, 3, 4)
    values = wg.vmap(squares, (0, None))(models, X)
    gradients = wg.jit(wg.vmap(wg.grad(squares), (0, None)))(models, X)
    for k, key in enumerate(keys):
        assert values[k] == pytest.approx(squares(made(key), X), rel=1e-13)
        np.testing.assert_allclose(gradients.layers[0].weight[k], wg.grad(squares)(made(key), X).layers[0].weight, rtol=1e-12)


def test_products_with_the_hessian_of_a_model():
    model = made(wg.random.key(0))
    gradient = wg.grad(squares)(model, X)
    found = wg.hvp(lambda model: squares(model, X), model, gradient)
    assert found.layers[1] is None and found.layers[2].bias is None
    other = wg.hvp(lambda model: squares(model, X), model, gradient, mode="reverse-over-reverse")
    np.testing.assert_allclose(found.layers[0].weight, other.layers[0].weight, rtol=1e-10)
