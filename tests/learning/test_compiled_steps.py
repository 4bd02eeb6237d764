"""Training steps of networks of `wg.nn` with an optimizer of `wg.optim`: one compiled kernel each, nothing of it in Python.

What comes in: small models, among them functions as layers. What goes out: counts of the compiler, and the step of the
interpreter.
"""

import numpy as np
import pytest

import wengert as wg
from wengert import nn

RNG = np.random.default_rng(0)
KEYS = [wg.random.fold_in(wg.random.key(0), k) for k in range(4)]
F = np.float32
IMAGES, LABELS = RNG.normal(size=(6, 1, 8, 8)).astype(F), RNG.integers(0, 10, 6)
SEQUENCE = RNG.normal(size=(2, 12, 16)).astype(F)


def dense():
    return nn.Sequential((nn.Flatten(), nn.Linear.init(KEYS[0], 64, 20, dtype=F), nn.relu,
                          nn.Linear.init(KEYS[1], 20, 10, dtype=F)))


def convolutional():
    return nn.Sequential((nn.Conv2d.init(KEYS[0], 1, 4, 3, padding="same", dtype=F), nn.relu,
                          nn.Conv2d.init(KEYS[1], 4, 6, 3, padding="same", dtype=F), nn.relu, nn.MaxPool(2), nn.Flatten(),
                          nn.Linear.init(KEYS[2], 96, 10, dtype=F)))


def classes(model, x, labels):
    return nn.cross_entropy(model(x), labels)


def squares(model, x):
    y = model(x)
    return np.mean((y[0] if isinstance(y, tuple) else y) ** 2)


CASES = {
    "dense": (classes, dense, (IMAGES, LABELS)),
    "convolutional": (classes, convolutional, (IMAGES, LABELS)),
    "transformer": (squares, lambda: nn.TransformerEncoderLayer.init(KEYS[0], 16, 2, hidden=32, dtype=F), (SEQUENCE,)),
    "LSTM": (squares, lambda: nn.LSTM.init(KEYS[0], 16, 16, dtype=F), (SEQUENCE,)),
}


def stepped(loss):
    optimizer = wg.optim.Adam(1e-2)

    def step(model, state, *batch):
        value, gradient = wg.value_and_grad(loss)(model, *batch)
        model, state = optimizer.update(gradient, state, model)
        return value, model, state
    return optimizer, step


@pytest.mark.parametrize("name", CASES)
def test_a_step_is_one_kernel(name):
    loss, make, batch = CASES[name]
    optimizer, step = stepped(loss)
    model = make()
    state = optimizer.init(model)
    assert wg.explain_compilation(step, model, state, *batch).counts["python_calls"] == 0
    compiled, value = wg.jit(step), None
    with wg.config.set(backend="interpreted"):
        expected = step(model, state, *batch)[0]
    for k in range(6):
        value, model, state = compiled(model, state, *batch)
        assert value.dtype == F
        if k == 0:
            first = value
            np.testing.assert_allclose(value, expected, rtol=1e-4)
    assert value < first


def test_functions_of_a_model_come_back():
    def doubled(model):
        flatten, first, activation, last = model.layers
        return nn.Sequential((flatten, nn.Linear(2 * first.weight, first.bias), activation, last))
    model, compiled = dense(), wg.jit(doubled)
    for _ in range(5):
        found = compiled(model)
        assert found.layers[2] is nn.relu
        np.testing.assert_array_equal(found.layers[1].weight, 2 * model.layers[1].weight)


def test_labels_out_of_range_raise():
    _, step = stepped(classes)
    model = dense()
    state = wg.optim.Adam(1e-2).init(model)
    compiled = wg.jit(step)
    for _ in range(5):
        compiled(model, state, IMAGES, LABELS)
    with pytest.raises(ValueError, match="label"):
        compiled(model, state, IMAGES, LABELS + 5)
