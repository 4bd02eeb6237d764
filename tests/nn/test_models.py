"""Models: running statistics, dropout, complex layers, Fourier transforms, initial values, summaries, bad input."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest

import wengert as wg
from wengert import nn
from wengert.errors import InputError
from wengert.flatten import trainable

KEYS = wg.random.split(wg.random.key(0), 20)
RNG = np.random.default_rng(4)
init = nn.initializers


# ---------------------------------------------------------------- randomness and statistics

def test_dropout_draws_by_its_key_and_keeps_the_mean():
    layer, x = nn.Dropout(0.25), np.ones((100, 200))
    y = layer(x, key=KEYS[0])
    assert layer(x) is x and set(np.unique(y)) == {0.0, 1.0 / 0.75}
    assert abs(y.mean() - 1.0) < 4 * np.sqrt(0.25 / 0.75 / x.size)
    np.testing.assert_array_equal(wg.jit(lambda x, key: layer(x, key=key))(x, KEYS[0]), y)
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(layer(x, key=KEYS[0])))(x), y)
    assert not np.any(nn.Dropout(1.0)(x, key=KEYS[0]))
    assert layer(x.astype(np.float32), key=KEYS[0]).dtype == np.float32


def test_sequential_gives_a_new_key_to_each_part():
    drop = nn.Dropout(0.5)
    noisy = lambda x, key=None: x if key is None else x + wg.random.normal(key, x.shape)
    model = nn.Sequential((drop, np.tanh, nn.Frozen(drop), noisy, wg.jit(noisy), nn.Sequential((drop,))))
    x = np.ones(1000)
    fold = wg.random.fold_in
    expected = drop(np.tanh(drop(x, key=fold(KEYS[0], 0))), key=fold(KEYS[0], 2))
    expected = noisy(noisy(expected, fold(KEYS[0], 3)), fold(KEYS[0], 4))
    expected = drop(expected, key=fold(fold(KEYS[0], 5), 0))
    np.testing.assert_allclose(model(x, key=KEYS[0]), expected, rtol=1e-15)
    np.testing.assert_array_equal(model(x), np.tanh(x))
    assert len(model) == 6 and model[1] is np.tanh and len(model[1:3]) == 2


@pytest.mark.parametrize("momentum", [0.1, None])
def test_running_statistics(momentum):
    model = nn.Sequential((nn.Linear(np.eye(3)), nn.BatchNorm.init(3, momentum=momentum)))
    batches = RNG.normal(2.0, 3.0, (4, 10, 3))

    def loss(model, x):
        y, model = model.train(x)
        return np.sum(y ** 3), model
    step = wg.jit(wg.value_and_grad(loss, has_aux=True))
    for x in batches:
        (value, model), g = step(model, x)
    assert len(step.found) == 1  # traced once
    found = model[1].statistics.value
    shares = [0.1 * 0.9 ** (3 - k) for k in range(4)] if momentum else [0.25] * 4
    rest = 1.0 - sum(shares)
    np.testing.assert_allclose(found.mean, sum(s * x.mean(0) for s, x in zip(shares, batches)), rtol=1e-12)
    np.testing.assert_allclose(found.variance, rest + sum(s * x.var(0, ddof=1) for s, x in zip(shares, batches)), rtol=1e-12)
    assert found.count == 4 and trainable(model) == [True, False, True, True, False, False, False]
    np.testing.assert_allclose(model(x), (x - found.mean) / np.sqrt(found.variance + 1e-5), rtol=1e-12)


@dataclass(frozen=True)
class Block:
    body: object

    def __call__(self, x):
        return x + self.body(x)


def test_running_statistics_are_not_forgotten():
    """A part that cannot train would run its normalization by running statistics, in training too."""
    norm, x = nn.BatchNorm.init(3), RNG.normal(size=(5, 3))
    with pytest.raises(InputError, match=r"\.layers\[1\]: Block holds a BatchNorm and has no method `train`"):
        nn.Sequential((nn.relu, Block([norm]))).train(x)
    model = nn.Sequential((nn.Frozen(norm), Block(nn.Frozen(norm)), nn.Residual(nn.Sequential((norm,)))))
    y, after = model.train(x)
    before = model[:2](x)
    assert after[2].layer[0].statistics.value.count == 1 and after[0] is model[0]
    np.testing.assert_allclose(y, before + (before - before.mean(0)) / np.sqrt(before.var(0) + 1e-5), rtol=1e-13)


# ---------------------------------------------------------------- complex numbers, Fourier transforms

@pytest.mark.parametrize("kinds", ["rr", "cc", "rc", "cr"])
@pytest.mark.parametrize("options", [dict(), dict(stride=2, padding=(3, 1), dilation=(1, 2), groups=2), dict(padding="same")])
def test_fft_convolution(kinds, options):
    def draw(kind, shape):
        return RNG.normal(size=shape) + (1j * RNG.normal(size=shape) if kind == "c" else 0.0)
    x, w = draw(kinds[0], (2, 4, 9, 8)), draw(kinds[1], (6, 4 // options.get("groups", 1), 4, 3))
    direct = wg.convolve_nd(x, w, **options)
    np.testing.assert_allclose(nn.fft_convolve(x, w, **options), direct, rtol=1e-12, atol=1e-12)
    norm = lambda f: lambda x, w: np.sum(np.abs(f(x, w, **options)) ** 2)
    for a, b in zip(wg.jit(wg.grad(norm(nn.fft_convolve), argnums=(0, 1)))(x, w),
                    wg.grad(norm(wg.convolve_nd), argnums=(0, 1))(x, w)):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-10)
    if kinds == "rr":
        assert nn.fft_convolve(x.astype(np.float32), w.astype(np.float32), **options).dtype == np.float32


def test_complex_layers():
    """The gradient is ∂/∂Re + i ∂/∂Im, held against central differences in both parts."""
    model = nn.Sequential((nn.Conv1d.init(KEYS[0], 2, 4, 3, dtype=complex), lambda z: nn.modulus_relu(z, -0.1),
                           nn.Flatten(), nn.LayerNorm.init(24, dtype=complex),
                           nn.Linear.init(KEYS[1], 24, 3, dtype=complex), nn.complex_relu))
    z = RNG.normal(size=(5, 2, 8)) + 1j * RNG.normal(size=(5, 2, 8))
    loss = lambda model, z: nn.mean_squared_error(model(z), np.full((5, 3), 0.3 - 0.2j))
    assert loss(model, z).dtype == np.float64
    g = wg.jit(wg.grad(loss))(model, z)
    for k, path in ((0, "weight"), (0, "bias"), (3, "scale"), (4, "weight")):
        array, slope, h = getattr(model[k], path), getattr(g[k], path), 1e-6
        place = (0,) * array.ndim
        for unit in (1.0, 1j):
            before = array[place]
            sides = []
            for sign in (1, -1):
                array[place] = before + sign * h * unit
                sides.append(loss(model, z))
            array[place] = before
            part = slope[place].real if unit == 1.0 else slope[place].imag
            assert (sides[0] - sides[1]) / (2 * h) == pytest.approx(part, rel=1e-6, abs=1e-9)
    wg.check_grads(lambda z: nn.modulus_relu(z, -0.5), (z[0],), order=2)
    assert wg.grad(lambda z: np.real(nn.modulus_relu(z, -1.0)))(0j) == 0.0
    with pytest.raises(InputError, match=r"relu at .*test_models.py:\d+ is given complex numbers, which have no order"):
        nn.relu(z)


@pytest.mark.parametrize("layer", [nn.Conv2d.init(KEYS[5], 3, 4, 3), nn.Conv2d.init(KEYS[5], 3, 4, 3, method="fft", bias=False),
                                   nn.ConvTranspose2d.init(KEYS[5], 3, 4, 3)])
def test_images_have_any_leading_axes(layer):
    x = RNG.normal(size=(2, 5, 3, 6, 7))
    y = layer(x)
    np.testing.assert_allclose(y[1], layer(x[1]), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(y[1, 2], layer(x[1, 2]), rtol=1e-12, atol=1e-12)
    ensemble = wg.vmap(lambda key: nn.Conv2d.init(key, 3, 4, 3))(KEYS[:2])
    for k, single in enumerate(wg.vmap(lambda layer, x: layer(x))(ensemble, x)):
        np.testing.assert_allclose(single, nn.Conv2d(ensemble.weight[k], ensemble.bias[k])(x[k]), rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- initial values

@pytest.mark.parametrize("name, fan", [("lecun", lambda i, o: 1 / i), ("glorot", lambda i, o: 2 / (i + o)),
                                       ("he", lambda i, o: 2 / i)])
@pytest.mark.parametrize("dtype", [float, np.float32, complex])
def test_initial_variances(name, fan, dtype):
    for shape, fans in (((80, 250), (80, 250)), ((50, 16, 5, 5), (16 * 25, 50 * 25))):
        for kind in ("normal", "uniform"):
            x = getattr(init, f"{name}_{kind}")(KEYS[2], shape, dtype)
            assert x.dtype == dtype and x.shape == shape
            assert np.mean(np.abs(x) ** 2) == pytest.approx(fan(*fans), rel=6 * np.sqrt(2 / x.size))
            assert abs(x.mean()) < 5 * np.sqrt(fan(*fans) / x.size)


@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (5, 2, 3, 1)])
@pytest.mark.parametrize("dtype", [float, complex])
def test_orthogonal(shape, dtype):
    q = init.orthogonal(KEYS[3], shape, dtype, scale=2.0).reshape(shape[0], -1)
    q = q if q.shape[0] <= q.shape[1] else q.T
    np.testing.assert_allclose(q @ q.conj().T, 4.0 * np.eye(len(q)), atol=1e-12)


def test_initial_values_depend_on_the_key_alone():
    make = lambda key: nn.Linear.init(key, 3, 4, initializer=init.he_uniform)
    ensemble = wg.vmap(make)(KEYS[:5])
    for k in range(5):
        np.testing.assert_array_equal(ensemble.weight[k], make(KEYS[k]).weight)
    assert ensemble.bias.shape == (5, 4)
    np.testing.assert_array_equal(wg.jit(make)(KEYS[0]).weight, make(KEYS[0]).weight)
    draws = init.truncated_normal(KEYS[0], (10_000,))
    assert abs(draws.std() - 1.0) < 0.03 and abs(draws).max() < 2.28
    assert init.constant(None, (2,), np.float32, value=3).dtype == np.float32


# ---------------------------------------------------------------- bad input

IMAGES = np.ones((2, 3, 8, 8))
CASES = {
    r"Linear at .*test_models.py:\d+: x is float64 \(2, 4\) and weight float64 \(3, 5\); x has to have 3 features":
        lambda: nn.Linear.init(KEYS[0], 3, 5)(np.ones((2, 4))),
    r"\.layers\[1\]\.layers\[0\]: Linear at": lambda: nn.Sequential((nn.relu, nn.Sequential((
        nn.Linear.init(KEYS[0], 3, 5),))))(np.ones((2, 4))),
    r"Conv2d at .*: x is float64 \(2, 3, 8, 8\) and weight float64 \(5, 4, 3, 3\); x has to have 4 channels before":
        lambda: nn.Conv2d.init(KEYS[0], 4, 5, 3)(IMAGES),
    r"x has to have space for a kernel that reaches over \(9, 9\)":
        lambda: nn.Conv2d.init(KEYS[0], 3, 5, 5, dilation=2)(IMAGES),
    r"Conv2d: kernel is an int or a tuple of 2, not \(3,\)": lambda: nn.Conv2d.init(KEYS[0], 3, 5, (3,)),
    r"Conv: kernel is a tuple with one size for each spatial axis, not 3": lambda: nn.Conv.init(KEYS[0], 3, 5, 3),
    r"Conv2d at .*: stride has 3 entries for 2 spatial axes":
        lambda: nn.Conv2d.init(KEYS[0], 3, 5, 3, stride=(1, 1, 1))(IMAGES),
    r"Conv2d at .*: stride 0 and dilation 1 have to be positive": lambda: nn.Conv2d.init(KEYS[0], 3, 5, 3, stride=0)(IMAGES),
    r"Sequential: layers is a tuple of layers and functions; an int is none": lambda: nn.Sequential((np.tanh, 3)),
    r"Sequential: layers is a tuple of layers and functions; a Linear is none": lambda: nn.Sequential(nn.Linear(np.eye(2))),
    r"Conv1d: 3 channels to 4 in 2 groups": lambda: nn.Conv1d.init(KEYS[0], 3, 4, 3, groups=2),
    r"max_pool at .*: x is float64 \(2, 3, 8, 8\) with its padding; a window of \(9, 9\) does not fit":
        lambda: nn.max_pool(IMAGES, 9),
    r"LayerNorm at .*: x is float64 \(2, 4\) and scale float64 \(3,\)": lambda: nn.LayerNorm.init(3)(np.ones((2, 4))),
    r"BatchNorm at .*3 channels along axis 1": lambda: nn.BatchNorm.init(3)(np.ones((2, 4))),
    r"BatchNorm at .*a variance takes more than one number": lambda: nn.BatchNorm.init(3).train(np.ones((1, 3))),
    r"Embedding at .*: index 4 at \[0, 1\] is out of range; it has to be from 0 to 3": lambda: nn.Embedding(np.eye(4))(
        np.array([[0, 4]])),
    r"Embedding at .*: the indices are float64, not integers": lambda: nn.Embedding(np.eye(4))(np.array([0.0])),
    r"Dropout: the rate is a number from 0 to 1, not 2": lambda: nn.Dropout(2),
    r"GroupNorm: 5 channels in 2 groups": lambda: nn.GroupNorm.init(2, 5),
    r"Bilinear at .*z \(?float64": lambda: nn.Bilinear.init(KEYS[0], 2, 3, 4)(np.ones((5, 2)), np.ones((5, 2))),
    r"mean_squared_error at .*prediction is float64 \(3, 1\) and target float64 \(3,\); .*prediction\[..., 0\]":
        lambda: nn.mean_squared_error(np.ones((3, 1)), np.ones(3)),
    r"huber at .*target\[..., 0\]": lambda: nn.huber(np.ones(3), np.ones((3, 1))),
    r"cross_entropy at .*: label -1 at \[1\] is out of range; it has to be from 0 to 2": lambda: nn.cross_entropy(
        np.ones((2, 3)), np.array([0, -1])),
    r"labels have to be integers \(2,\) or probabilities \(2, 3\); drop the axis of length 1": lambda: nn.cross_entropy(
        np.ones((2, 3)), np.array([[0], [1]])),
    r"labels of shape \(2,\) are float64, not integers": lambda: nn.cross_entropy(np.ones((2, 3)), np.array([0.0, 1.0])),
    r"weight is float64 \(2,\); it has to be \(3,\)":
        lambda: nn.cross_entropy(np.ones((1, 3)), np.array([0]), weight=np.ones(2)),
    r'reduction is "mean", "sum" or "none", not \'avg\'': lambda: nn.huber(np.ones(3), np.ones(3), reduction="avg"),
    r"the mean of no losses; the batch is empty": lambda: nn.huber(np.ones(0), np.ones(0)),
    r"initial values are float or complex numbers, not int64": lambda: nn.Linear.init(KEYS[0], 2, 3, dtype=int),
    r"glu at .*3 is odd": lambda: nn.glu(np.ones(3)),
    r"summary: a model is called, and an ndarray cannot be": lambda: nn.summary(np.ones(3)),
}
VALUES = {
    r"hinge at .*neither -1 nor 1; of labels 0 and 1 take 2 \* target - 1": (nn.hinge, np.ones(2), np.array([0, 1])),
    r"binary_cross_entropy at .*a probability is not from 0 to 1": (nn.binary_cross_entropy, np.array([2.0]), np.array([1.0])),
    r"a target is not from 0 to 1": (nn.binary_cross_entropy_with_logits, np.ones(1), np.array([-1])),
    r"a variance is not positive": (nn.gaussian_negative_log_likelihood, np.ones(1), np.ones(1), np.zeros(1)),
    r"a probability is negative": (nn.kl_divergence, np.zeros(2), np.array([-0.1, 1.1])),
    r"a count is negative": (nn.poisson_negative_log_likelihood, np.ones(1), np.array([-1])),
    r"a label is out of range; it has to be from 0 to 2": (nn.cross_entropy, np.ones((2, 3)), np.array([0, 3])),
    r"an index is out of range; it has to be from 0 to 3": (lambda w, i: nn.Embedding(w)(i), np.eye(4), np.array([-1])),
    r"the mean of no losses; no label counts": (
        lambda z, y: nn.cross_entropy(z, y, ignore_index=-1), np.ones((1, 2)), np.array([-1])),
}


@pytest.mark.parametrize("message", CASES)
def test_bad_input_names_the_layer_and_the_shapes(message):
    with pytest.raises(InputError, match=message):
        CASES[message]()


@pytest.mark.parametrize("message", VALUES)
def test_bad_values_are_found_when_the_graph_runs(message):
    f, *arrays = VALUES[message]
    with pytest.raises((InputError, ValueError)):
        f(*arrays)
    with pytest.raises(ValueError, match=message):
        wg.jit(lambda *a: np.sum(f(*a)))(*arrays)


@pytest.mark.parametrize("dtype", ["u1", "i1", "i4", "u8"])
def test_labels_of_few_bits(dtype):
    logits, labels = RNG.normal(size=(3, 300)), np.array([1, 120, 0])
    for options in (dict(), dict(ignore_index=-100), dict(ignore_index=120)):
        loss = lambda z, y: nn.cross_entropy(z, y, **options)
        assert loss(logits, labels.astype(dtype)) == wg.jit(loss)(logits, labels.astype(dtype)) == pytest.approx(
            loss(logits, labels))
    np.testing.assert_array_equal(wg.jit(nn.Embedding(logits.T))(labels.astype(dtype)), logits.T[labels])


def test_gradients_by_example():
    model = nn.Sequential((nn.Linear.init(KEYS[0], 3, 5), nn.relu, nn.LayerNorm.init(5), nn.Linear.init(KEYS[1], 5, 4)))
    x, labels = RNG.normal(size=(6, 3)), RNG.integers(0, 4, 6)
    loss = lambda model, x, labels: nn.cross_entropy(model(x), labels)
    found = wg.jit(wg.vmap(wg.grad(loss), in_axes=(None, 0, 0)))(model, x, labels)
    for mean, whole in zip(found[0].weight.mean(0), wg.grad(loss)(model, x, labels)[0].weight):
        np.testing.assert_allclose(mean, whole, rtol=1e-10, atol=1e-15)


def test_steps_compile_whole():
    """A model with functions in it comes out of compiled code as it went in; layers that are captured are compiled too."""
    model = nn.Sequential((nn.Embedding.init(KEYS[0], 5, 3), nn.relu, np.tanh, lambda x: 2.0 * x,
                           nn.Linear.init(KEYS[1], 3, 2)))
    i = np.array([0, 4, 4])

    def step(model, i):
        gradient = wg.grad(lambda model: np.sum(model(i) ** 2))(model)
        return nn.Sequential((nn.Embedding(model[0].weight - 0.1 * gradient[0].weight), *model[1:4], model[4], nn.silu))
    after, plain = wg.jit(step)(model, i), step(model, i)
    assert after[1] is nn.relu and after[2] is np.tanh and after[3] is model[3] and after[5] is nn.silu
    np.testing.assert_allclose(after[0].weight, plain[0].weight, rtol=1e-14)
    np.testing.assert_allclose(wg.jit(model)(i), model(i), rtol=1e-14)
    np.testing.assert_allclose(wg.jit(lambda i: model(i))(i), model(i), rtol=1e-14)


# ---------------------------------------------------------------- summaries

@dataclass(frozen=True)
class Twice:
    body: object
    heads: dict

    def __call__(self, x):
        x = self.body(self.body(x)) @ self.heads["a"].weight
        return wg.fori_loop(0, 3, lambda _, x: self.heads["b"](x), x)


def test_summary():
    model = Twice(nn.Sequential((nn.Linear.init(KEYS[0], 4, 4), nn.relu, nn.Frozen(nn.Linear.init(KEYS[1], 4, 4)))),
                  {"a": nn.Linear.init(KEYS[2], 4, 2), "b": nn.Linear.init(KEYS[3], 2, 2, dtype=np.float32)})
    found = nn.summary(model, np.ones((5, 4)))
    assert [row.place for row in found.rows] == ["", ".body", ".body.layers[0]", ".body.layers[1]", ".body.layers[2]",
                                                 ".body.layers[2].value", ".heads['b']"]
    row = found[".body.layers[0]"]
    assert (row.inputs, row.outputs, row.calls, row.parameters, row.frozen) == (((5, 4),), ((5, 4),), 2, 20, 0)
    assert (row.memory, row.activations) == (160, 320) and row.operations == 2 * (2 * 5 * 16 + 20)
    assert found[".body.layers[2]"].frozen == found[".body.layers[2].value"].frozen == 20
    assert found.rows[0].parameters == nn.count_parameters(model) == 36
    lines = str(found).splitlines()
    assert len(lines) == 10 and lines[2].startswith("Twice") and "layers[0] Linear ×2" in lines[4]
    page = found._repr_html_()
    assert page.count("<tr>") == 8 and "layers[1] relu" in page
    assert repr(found) == "<summary of Twice: 36 parameters; print it>"


def test_layers_are_shown_by_their_sizes():
    model = nn.Sequential((nn.Conv1d.init(KEYS[0], 1, 2, 3, stride=2), np.tanh, nn.LayerNorm.init(3)))
    assert repr(model) == ("Sequential(layers=(Conv1d(weight=float64 (2, 1, 3), bias=float64 (2,), stride=2, padding=0, "
                           "dilation=1, groups=1, method='direct'), tanh, LayerNorm(scale=float64 (3,), shift=float64 (3,), "
                           "epsilon=1e-05)))")


@dataclass(frozen=True)
class Various:
    body: nn.Sequential
    head: nn.Linear
    memory: nn.LSTM

    def __call__(self, x):
        for layer in self.body.layers:
            x = layer(x)
        x = self.body[0](x) / len(self.body)
        assert isinstance(self.head, nn.Linear)
        x, state = self.memory(dataclasses.replace(self.head, bias=None)(x))
        return wg.checkpoint(lambda memory, x: memory(x, state)[0])(self.memory, x)


def test_a_model_under_summary_is_what_it_was():
    """Its parts are of their classes: they are indexed, counted, replaced, and taken apart and put together."""
    model = Various(nn.Sequential((nn.Linear.init(KEYS[0], 3, 3), nn.relu)), nn.Linear.init(KEYS[1], 3, 3),
                    nn.LSTM.init(KEYS[2], 3, 3))
    x = np.ones((2, 4, 3))
    found = nn.summary(model, x)
    assert found.rows[0].outputs == (model(x).shape,)
    assert {row.place: row.calls for row in found.rows} == {
        "": 1, ".body.layers[0]": 2, ".body.layers[1]": 1, ".head": 1, ".memory": 2}


def test_a_frozen_function_is_staged_like_one_that_is_not() -> None:
    """What it reads from around it is followed under `jit`."""
    scale = [1.0]
    frozen = nn.Frozen(lambda x: scale[0] * x)
    compiled = wg.jit(lambda model, x: model(x))
    assert compiled(frozen, 2.0) == 2.0
    scale[0] = 3.0
    assert compiled(frozen, 2.0) == 6.0
