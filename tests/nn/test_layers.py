"""Layers, activations and losses without a peer: derivatives against differences,
transforms against plain calls."""

import pickle

import numpy as np
import pytest

import wengert as wg
from wengert import nn
from wengert.errors import InputError
from wengert.flatten import flatten, is_inexact

KEYS = wg.random.split(wg.random.key(0), 40)
RNG = np.random.default_rng(1)


def randomized(layer, seed=2):
    """The layer with all its floats drawn, so that no scale is 1 and no shift 0."""
    rng = np.random.default_rng(seed)
    leaves, spec = flatten(layer)
    return spec.unflatten([rng.uniform(0.3, 1.2, np.shape(x)).astype(x.dtype) if is_inexact(x) else x for x in leaves])


LAYERS = {
    "linear": (nn.Linear.init(KEYS[0], 3, 4), (2, 3)), "no bias": (nn.Linear.init(KEYS[0], 3, 4, bias=False), (5, 2, 3)),
    "conv1d": (nn.Conv1d.init(KEYS[1], 2, 4, 3, stride=2, padding=1, groups=2), (2, 2, 7)),
    "conv2d": (nn.Conv2d.init(KEYS[2], 2, 3, (2, 3), dilation=2), (2, 2, 5, 6)),
    "conv fft": (nn.Conv.init(KEYS[3], 2, 3, (2, 3), method="fft", stride=2), (2, 2, 5, 6)),
    "conv transpose": (nn.ConvTranspose2d.init(KEYS[4], 2, 3, 3, stride=2, padding=1, output_padding=1), (2, 2, 3, 2)),
    "max pool": (nn.MaxPool(2), (2, 2, 4, 5)), "max pool overlapping": (nn.MaxPool(3, 2, 1), (2, 2, 5, 5)),
    "average pool": (nn.AveragePool(3, 2, 1), (2, 2, 5, 5)),
    "layer norm": (nn.LayerNorm.init(4), (2, 3, 4)), "rms norm": (nn.RMSNorm.init((3, 4)), (2, 3, 4)),
    "batch norm": (nn.BatchNorm.init(3), (4, 3, 2)), "group norm": (nn.GroupNorm.init(2, 4), (2, 4, 3)),
    "instance norm": (nn.InstanceNorm.init(3), (2, 3, 4)),
    "sequential": (nn.Sequential((nn.Linear.init(KEYS[5], 3, 4), nn.gelu, nn.Dropout(0.5), nn.Flatten(),
                                  nn.Frozen(nn.Linear.init(KEYS[6], 4, 2)))), (5, 3)),
}
# At points without kinks.
ACTIVATIONS = [nn.relu, nn.leaky_relu, nn.relu6, nn.elu, nn.selu, nn.celu, nn.gelu, lambda x: nn.gelu(x, approximate=True),
               nn.silu, nn.mish, nn.sigmoid, nn.hard_sigmoid, nn.hard_swish, nn.hard_tanh, nn.tanh, nn.softsign, nn.softplus,
               nn.log_sigmoid, nn.softmax, nn.log_softmax, nn.logsumexp, nn.glu]
LABELS, SIGNS = np.array([0, 2, 1]), np.array([[1, -1], [-1, 1], [1, 1]])
P, T = RNG.uniform(0.1, 0.9, (2, 3, 2))
Z = RNG.normal(size=(3, 3))
LOSSES = {
    "mean_squared_error": (nn.mean_squared_error, P, T), "mean_absolute_error": (nn.mean_absolute_error, P, T),
    "huber": (lambda p, t: nn.huber(p, t, delta=0.2), P, T), "smooth_l1": (lambda p, t: nn.smooth_l1(p, t, beta=0.2), P, T),
    "log_cosh": (nn.log_cosh, P, T), "pinball": (lambda p, t: nn.pinball(p, t, quantile=0.8), P, T),
    "cross_entropy": (lambda z: nn.cross_entropy(z, LABELS, weight=np.array([1.0, 2.0, 3.0]), label_smoothing=0.1), Z),
    "ignored": (lambda z: nn.cross_entropy(z, LABELS, ignore_index=2), Z),
    "probabilities": (lambda z: nn.cross_entropy(z, np.full((3, 3), 1 / 3)), Z),
    "negative_log_likelihood": (lambda z: nn.negative_log_likelihood(z, LABELS), Z),
    "binary_cross_entropy": (nn.binary_cross_entropy, P, T), "with logits": (nn.binary_cross_entropy_with_logits, 9 * P, T),
    "kl_divergence": (nn.kl_divergence, P, T), "gaussian": (nn.gaussian_negative_log_likelihood, P, T, P[::-1]),
    "poisson": (nn.poisson_negative_log_likelihood, P, T), "hinge": (lambda s: nn.hinge(s, SIGNS), P),
    "cosine_distance": (nn.cosine_distance, P, T), "triplet_margin": (nn.triplet_margin, P, T, P[:, ::-1]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_under_transforms(name):
    layer, shape = randomized(LAYERS[name][0]), LAYERS[name][1]
    leaves, spec = flatten(layer)
    moving = [k for k, leaf in enumerate(leaves) if is_inexact(leaf)]
    x = RNG.normal(size=shape)

    def f(numbers, x):
        whole = list(leaves)
        for k, number in zip(moving, numbers, strict=True):
            whole[k] = number
        return spec.unflatten(whole)(x)
    wg.check_grads(*(f, ([leaves[k] for k in moving], x)) if moving else (layer, (x,)), order=2)
    np.testing.assert_allclose(wg.jit(lambda layer, x: layer(x))(layer, x), layer(x), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(wg.vmap(layer)(np.stack([x, 2 * x])), [layer(x), layer(2 * x)], rtol=1e-12, atol=1e-12)
    again = pickle.loads(pickle.dumps(layer))
    np.testing.assert_array_equal(again(x), layer(x))
    half = spec.unflatten([leaf.astype(np.float32) if is_inexact(leaf) else leaf for leaf in leaves])
    assert half(x.astype(np.float32)).dtype == np.float32
    g = wg.jit(wg.grad(lambda layer, x: np.sum(layer(x) ** 2), argnums=(0, 1) if moving else (1,)))(half, x.astype(np.float32))
    assert {leaf.dtype for leaf in flatten(g)[0] if is_inexact(leaf)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("f", ACTIVATIONS)
def test_activations(f):
    x = np.array([-7.1, -2.9, -0.9, -0.1, 0.2, 0.8, 2.2, 6.4])
    wg.check_grads(f, (x,), order=2)
    np.testing.assert_allclose(wg.jit(f)(x), f(x), rtol=1e-13, atol=1e-15)
    extreme = np.array([-1e4, -1e3, 0.0, -0.0, 1e3, 1e4])
    assert np.all(np.isfinite(f(extreme)))
    slope = wg.grad(lambda x: np.sum(f(x)))
    for derivative in (slope, wg.jit(slope), wg.grad(lambda x: np.sum(slope(x))), wg.jit(wg.grad(lambda x: np.sum(slope(x))))):
        assert np.all(np.isfinite(derivative(extreme)))
    assert f(x.astype(np.float32)).dtype == slope(x.astype(np.float32)).dtype == np.float32
    with np.errstate(invalid="ignore"):  # NumPy's logaddexp says so
        assert np.any(np.isnan(f(np.array([np.nan, 1.0]))))


@pytest.mark.parametrize("f, x, expected", [
    (nn.relu, 0.0, 0.0), (nn.leaky_relu, 0.0, 0.01), (nn.relu6, 6.0, 0.0), (nn.hard_tanh, -1.0, 0.0),
    (nn.hard_sigmoid, 3.0, 0.0), (nn.elu, 0.0, 1.0), (nn.celu, 0.0, 1.0),
    (nn.selu, 0.0, 1.7580993408473766), (nn.softsign, 0.0, 1.0), (nn.silu, -1e4, 0.0),
    (nn.hard_swish, -3.0, 0.0), (nn.hard_swish, 3.0, 1.0), (nn.log_sigmoid, -1e4, 1.0), (nn.softplus, -1e4, 0.0),
    (nn.gelu, 1e4, 1.0), (nn.mish, 0.0, 0.6),
])
def test_derivatives_at_kinks_and_far_away(f, x, expected):
    assert wg.grad(f)(x) == pytest.approx(expected, abs=1e-15)
    assert wg.jvp(f, (x,), (1.0,))[1] == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    f, *arrays = LOSSES[name]
    wg.check_grads(f, tuple(arrays), order=2)
    value, slope = wg.jit(wg.value_and_grad(f))(*arrays)
    assert value == pytest.approx(f(*arrays), rel=1e-13) and np.shape(value) == ()
    half = [np.asarray(a, np.float32) for a in arrays]
    if name not in ("probabilities", "cross_entropy"):  # whose float64 constants count
        assert f(*half).dtype == wg.grad(f)(*half).dtype == np.float32


def test_log_cosh_and_norms_at_zero():
    assert wg.grad(wg.grad(lambda x: nn.log_cosh(x, 0.0)))(0.0) == pytest.approx(1.0)
    zero = np.zeros((1, 3))
    for g in wg.grad(nn.triplet_margin, argnums=(0, 1, 2))(zero, zero, zero):
        np.testing.assert_array_equal(g, zero)
    assert nn.cosine_similarity(zero, zero + 1.0) == 0.0
    assert np.all(np.isfinite(wg.grad(nn.cosine_distance)(zero, zero + 1.0)))


def test_certain_predictions():
    """What has probability 0 and does not count adds nothing, to the value or the derivative."""
    value, slope = wg.value_and_grad(nn.binary_cross_entropy)(np.array([0.0, 1.0, 0.5]), np.array([0, 1, 1]))
    assert value == pytest.approx(np.log(2.0) / 3) and slope == pytest.approx([1 / 3, -1 / 3, -2 / 3])
    logits = np.array([[-np.inf, 0.0, 1.0]])
    value, slope = wg.value_and_grad(lambda z: nn.cross_entropy(z, np.array([2])))(logits)
    assert value == pytest.approx(np.log1p(np.exp(-1.0))) and np.all(np.isfinite(slope)) and slope[0, 0] == 0.0
    assert np.all(np.isfinite(wg.grad(lambda z: nn.cross_entropy(z, np.array([[0.0, 0.0, 1.0]])))(logits)))
    t = np.array([0.0, 1.0])
    assert nn.kl_divergence(np.log([0.5, 0.5]), t) == pytest.approx(np.log(2.0))
    assert np.all(np.isfinite(wg.grad(nn.kl_divergence)(np.log([0.5, 0.5]), t)))


def test_long_windows():
    x = RNG.normal(size=(2, 3, 40, 5))
    seen = np.lib.stride_tricks.sliding_window_view(x, (20, 3), (2, 3))[:, :, ::7, ::2]
    np.testing.assert_array_equal(nn.max_pool(x, (20, 3), (7, 2)), seen.max((-2, -1)))
    np.testing.assert_allclose(nn.average_pool(x, (20, 3), (7, 2)), seen.mean((-2, -1)), rtol=1e-13)
    wg.check_grads(lambda x: nn.max_pool(x, (20, 3), (7, 2)), (x,), order=1)


# ---------------------------------------------------------------- constructors as everybody types them first

X, KEY = np.ones((2, 3)), wg.random.key(0)


@pytest.mark.parametrize("make, wanted", [
    (lambda: nn.Linear(3, 2), "Linear holds arrays; nn.Linear.init(key, n_in, n_out) makes one"),
    (lambda: nn.Linear(3, 2, False), "nn.Linear.init(key, n_in, n_out)"),
    (lambda: nn.Linear(n_in=3, n_out=2), "nn.Linear.init(key, n_in, n_out)"),
    (lambda: nn.LSTM(3, 8), "LSTM holds arrays; nn.LSTM.init(key, n_in, n_hidden) makes one"),
    (lambda: nn.GRUCell(3, 8), "nn.GRUCell.init(key, n_in, n_hidden) makes one"),
    (lambda: nn.Conv2d(1, 8, 3), "nn.Conv2d.init(key, n_in, n_out, kernel) makes one"),
    (lambda: nn.ConvTranspose2d(1, 8, 3), "nn.ConvTranspose2d.init(key, n_in, n_out, kernel) makes one"),
    (lambda: nn.Embedding(10, 3), "nn.Embedding.init(key, n, n_features) makes one"),
    (lambda: nn.BatchNorm(4), "nn.BatchNorm.init(n_channels) makes one"),
    (lambda: nn.LayerNorm(4), "nn.LayerNorm.init(shape) makes one"),
    (lambda: nn.MultiHeadAttention(64, 4), "nn.MultiHeadAttention.init(key, features) makes one"),
    (lambda: nn.Transformer(64, 4), "nn.Transformer.init(key, n_source, n_target, features=...) makes one"),
    (lambda: nn.Sequential(nn.Flatten(), nn.relu, nn.tanh), "nn.Sequential((first, second))"),
])
def test_sizes_in_the_place_of_arrays_are_told_how_layers_are_made(make, wanted):
    with pytest.raises(InputError) as error:
        make()
    assert wanted in str(error.value) and "test_layers.py" in str(error.value)


@pytest.mark.parametrize("make, wanted", [
    (lambda: nn.Linear.init(3, 2), "nn.Linear.init(key, n_in, n_out) makes a layer: missing a required argument: 'n_out'"),
    (lambda: nn.Linear.init(KEY, -3, 2), "n_in is -3, not a positive integer"),
    (lambda: nn.Linear.init(KEY, 3.0, 2), "n_in is a float, not a positive integer"),
    (lambda: nn.Conv2d.init(KEY, 3, 0, 3), "n_out is 0"),
    (lambda: nn.Conv2d.init(KEY, 3, 1, -3), "kernel"),
    (lambda: nn.LSTM.init(KEY, 3, 8, layers=0), "layers is 0"),
    (lambda: nn.MultiHeadAttention.init(KEY, 8, 0), "heads is 0"),
    (lambda: nn.BatchNorm.init(-1), "nn.BatchNorm.init(n_channels): n_channels is -1"),
    (lambda: nn.Linear.init(0, 3, 2), "wg.random.key"),
])
def test_sizes_are_positive(make, wanted):
    with pytest.raises(InputError) as error:
        make()
    assert wanted in str(error.value)


def test_trees_of_layers_hold_anything():
    """What puts a tree together calls no constructor: specs, gradients, metadata of leaves."""
    assert wg.tree.map(np.size, nn.Linear.init(KEY, 3, 2)).weight == 6


def test_compiled_code_names_the_label_that_is_out_of_range():
    logits, labels = np.zeros((2, 3)), np.array([1, 3])
    f = wg.jit(lambda logits, labels: nn.cross_entropy(logits, labels), at_once=True)
    assert f(logits, labels - 1) == pytest.approx(np.log(3.0))
    with pytest.raises(ValueError, match=r"it has to be from 0 to 2; 3 at \[1\]"):
        f(logits, labels)
    with pytest.raises(InputError, match=r"label 3 at \[1\] is out of range; it has to be from 0 to 2"):
        nn.cross_entropy(logits, labels)
