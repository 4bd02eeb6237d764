"""Edges: empty batches, small integers, complex numbers, extremes, targets at 0 and 1, options and shapes that mean nothing."""

import functools
from dataclasses import dataclass

import mpmath
import numpy as np
import pytest

import wengert as wg
from wengert import nn
from wengert.errors import InputError

KEYS = wg.random.split(wg.random.key(0), 10)
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 255, (2, 3, 6, 6)).astype(np.uint8)


# ---------------------------------------------------------------- numbers

@pytest.mark.parametrize("pool", [
    lambda x: nn.average_pool(x, 3, 1), lambda x: nn.max_pool(x, 3, 2, 1), lambda x: nn.average_pool(x, 3),
    lambda x: nn.adaptive_average_pool(x, (4, 5))], ids=["average", "max", "tiles", "adaptive"])
def test_pixels_are_pooled_as_numbers(pool):
    """Sums of bytes wrap around at 256, and a third is none of them."""
    np.testing.assert_array_equal(pool(PIXELS), pool(PIXELS.astype(float)))
    np.testing.assert_array_equal(wg.jit(pool)(PIXELS), pool(PIXELS))


def test_differences_of_small_integers_do_not_wrap_around():
    assert nn.mean_squared_error(np.array([3, 200], np.uint8), np.array([5, 100], np.uint8)) == 5002.0
    assert nn.mean_absolute_error(np.array([True, False]), np.array([True, True])) == 0.5


def test_derivatives_with_regard_to_targets_that_are_sure():
    """−t log p is linear in t, so that its derivative does not vanish at t = 0."""
    p, t = np.array([0.3, 0.2, 0.9]), np.array([0.0, 1.0, 0.5])
    np.testing.assert_allclose(wg.grad(lambda t: nn.binary_cross_entropy(p, t, reduction="sum"))(t), np.log1p(-p) - np.log(p))
    logits, classes = RNG.normal(size=(3, 4)), np.eye(4)[[2, 0, 3]]
    g = wg.jit(wg.grad(lambda t: nn.cross_entropy(logits, t, reduction="sum")))(classes)
    np.testing.assert_allclose(g, np.log(np.sum(np.exp(logits), -1, keepdims=True)) - logits, rtol=1e-13)
    sure = nn.binary_cross_entropy(np.array([0.0, 1.0]), np.array([0.0, 1.0]), reduction="none")
    np.testing.assert_array_equal(sure, 0.0)
    logits[0, 1] = -np.inf
    assert np.all(np.isfinite(wg.grad(nn.cross_entropy)(logits, classes)))


def test_log_cosh_of_small_numbers():
    d = np.array([1e-9, -1e-5, 0.3, 0.999, 1.001, -5.0, 800.0])
    with mpmath.workdps(40):
        expected = [float(mpmath.log(mpmath.cosh(mpmath.mpf(v)))) for v in d]
    np.testing.assert_allclose(nn.log_cosh(d, 0 * d, reduction="none"), expected, rtol=1e-15)
    first = wg.grad(lambda v: nn.log_cosh(v, 0.0 * v))
    np.testing.assert_allclose(wg.vmap(first)(d), np.tanh(d), rtol=1e-14)
    np.testing.assert_allclose(wg.vmap(wg.grad(first))(d[:-1]), 1 / np.cosh(d[:-1]) ** 2, rtol=1e-11)


def test_large_numbers():
    x = np.array([1e300, -1e300, 1e160, -1e160, 11.0, -11.0])
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(nn.gelu(x, True)))(x), x > 0)
    g = wg.grad(lambda x: nn.huber(x, np.zeros(6), delta=0.5, reduction="sum"))(x)
    np.testing.assert_array_equal(g, 0.5 * np.sign(x))


def test_spectral_norm_of_complex_weights():
    weight = RNG.normal(size=(3, 4)) + 1j * RNG.normal(size=(3, 4))
    norm = nn.SpectralNorm.init(KEYS[0], nn.Linear(weight), steps=200)
    np.testing.assert_allclose(norm(np.eye(3)), weight / np.linalg.norm(weight, 2), rtol=1e-10)


def test_rotary_takes_positions_of_each_sequence():
    x, at = RNG.normal(size=(2, 2, 4)), np.array([[0, 1], [3, 5]])
    np.testing.assert_array_equal(nn.rotary(x, at), [nn.rotary(a, list(p)) for a, p in zip(x, at)])


def test_lengths_are_arguments():
    """Sequences of other lengths are no other program: nothing runs unstaged, which would be a warning."""
    mask = wg.jit(lambda lengths: nn.length_mask(lengths, 3))
    for lengths in ([0, 2], [3, 1]):
        np.testing.assert_array_equal(mask(np.array(lengths, np.uint8)), [[k < n for k in range(3)] for n in lengths])


def test_running_statistics_keep_their_dtype():
    _, norm = nn.BatchNorm.init(2, dtype=np.float32).train(RNG.normal(size=(5, 2)))
    assert {norm.statistics.value.mean.dtype, norm.statistics.value.variance.dtype} == {np.dtype(np.float32)}


@pytest.mark.parametrize("f", [
    nn.celu, nn.elu, nn.gelu, functools.partial(nn.gelu, approximate=True), nn.hard_sigmoid, nn.hard_swish, nn.hard_tanh,
    nn.leaky_relu, nn.log_sigmoid, nn.mish, nn.relu, nn.relu6, nn.selu, nn.sigmoid, nn.silu, nn.softplus, nn.softsign, nn.tanh])
@pytest.mark.filterwarnings("ignore:overflow encountered in multiply")  # of x² in e^(−x²)
def test_activations_are_finite_far_out(f):
    for order in (f, wg.grad(f), wg.grad(wg.grad(f))):
        assert all(np.isfinite(order(x)) for x in (-1e300, -1e160, 1e160, 1e300))


@pytest.mark.parametrize("layer, shape", [
    (nn.GroupNorm.init(2, 4), (4, 3)), (nn.InstanceNorm(None, None), (4, 3)), (nn.GroupNorm(None, None, 2), (4, 3)),
    (nn.Flatten(), (4, 3)), (nn.Conv1d.init(KEYS[0], 4, 2, 3), (4, 3)), (nn.MultiHeadAttention.init(KEYS[0], 4, 2), (3, 4)),
    (nn.ConvTranspose1d.init(KEYS[0], 4, 2, 3, stride=2), (4, 3)), (lambda x: nn.LSTM.init(KEYS[0], 4, 3)(x)[0], (3, 4))])
def test_empty_batches(layer, shape):
    """They have the shape of others, without the examples."""
    assert layer(np.ones((0, *shape))).shape == (0, *layer(np.ones((2, *shape))).shape[1:])
    assert wg.grad(lambda x: np.sum(layer(x)))(np.ones((0, *shape))).shape == (0, *shape)


def test_attention_to_nothing_at_all():
    y = nn.scaled_dot_product_attention(np.ones((2, 5, 3)), np.ones((2, 0, 3)), np.ones((2, 0, 4)), causal=True)
    np.testing.assert_array_equal(y, np.zeros((2, 5, 4)))


def test_highway_trains_its_layer():
    layer, x = nn.Highway.init(KEYS[0], nn.BatchNorm.init(3), 3), RNG.normal(size=(5, 3))
    y, after = nn.Sequential((layer,)).train(x)
    gate = nn.sigmoid(layer.gate(x))
    np.testing.assert_allclose(y, gate * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) + (1 - gate) * x, rtol=1e-12)
    assert after[0].layer.statistics.value.count == 1.0


# ---------------------------------------------------------------- keys

@dataclass(frozen=True)
class Keyless:
    body: object

    def __call__(self, x):
        return self.body(x)


def test_a_key_that_would_be_lost():
    x, drop = np.ones(50), nn.Dropout(0.5)
    with pytest.raises(InputError, match=r"\.layers\[1\]: Keyless holds a Dropout that drops numbers, and takes no key"):
        nn.Sequential((nn.relu, Keyless([drop])))(x, key=KEYS[0])
    for harmless in (Keyless(nn.Dropout(0.0)), Keyless(nn.FeedForward.init(KEYS[1], 50, 3))):
        assert nn.Sequential((harmless,))(x, key=KEYS[0]).shape == (50,)

    def scaled(x, by, key=None):
        return by * drop(x, key=key)
    for layer in (functools.partial(scaled, by=1.0), lambda x, **words: scaled(x, 1.0, **words)):
        assert set(nn.Sequential((layer,))(x, key=KEYS[0])) == {0.0, 2.0}


# ---------------------------------------------------------------- what means nothing

Z, C = np.ones((2, 3)), np.ones((2, 3)) * 1j
CASES = {
    "huber of complex": (lambda: nn.huber(C, Z), "huber at .* complex"),
    "cosines of complex": (lambda: nn.cosine_similarity(C, C), "cosine_similarity at .* complex"),
    "cross-entropy of complex": (lambda: nn.cross_entropy(C, np.array([0, 1])), "cross_entropy at .* complex"),
    "accuracy of complex": (lambda: nn.accuracy(C, np.array([0, 1])), "accuracy at .* complex"),
    "attention of complex": (lambda: nn.attention_weights(C, C), "attention_weights at .* complex"),
    "accuracy of nothing": (lambda: nn.accuracy(np.ones((0, 3)), np.ones(0, int)), "accuracy at .* empty"),
    "delta 0": (lambda: nn.huber(Z, Z, delta=0.0), "huber at .*: delta has to be positive"),
    "beta 0": (lambda: nn.smooth_l1(Z, Z, beta=0.0), "smooth_l1 at .*: beta has to be positive"),
    "quantile 2": (lambda: nn.pinball(Z, Z, quantile=2.0), "pinball at .*: quantile is not from 0 to 1"),
    "smoothing 2": (lambda: nn.cross_entropy(Z, np.array([0, 1]), label_smoothing=2.0), "label_smoothing is from 0 to 1"),
    "weights of examples": (lambda: nn.cross_entropy(Z, Z / 3, weight=np.ones((2, 1))), r"weight is float64 \(2, 1\)"),
    "groups": (lambda: nn.GroupNorm(np.ones(6), np.zeros(6), 4)(np.ones((2, 6, 4))), "multiple of 4 groups"),
    "one position": (lambda: nn.InstanceNorm.init(2)(np.ones((5, 2, 1))), "InstanceNorm at .* variance takes more"),
    "no windows": (lambda: nn.adaptive_average_pool(np.ones((1, 1, 4)), 0), "no window"),
    "bias as a column": (lambda: nn.Linear(np.ones((3, 2)), np.ones((2, 1)))(Z), r"bias float64 \(2, 1\); .* \(2,\)"),
    "frozen weight": (lambda: nn.Linear(nn.Frozen(np.ones((3, 2))))(Z), "weight is a Frozen"),
    "one bias": (lambda: nn.Conv1d(np.ones((5, 2, 3)), np.ones(1))(np.ones((1, 2, 5))), r"the bias has to be \(5,\)"),
    "output groups": (lambda: nn.Conv1d(np.ones((5, 2, 3)), groups=2)(np.ones((1, 4, 5))), "no multiple of 2 groups"),
    "negative padding": (lambda: nn.ConvTranspose1d(np.ones((3, 4, 3)), padding=-1)(np.ones((1, 3, 5))), "padding -1"),
    "all cropped": (lambda: nn.ConvTranspose1d(np.ones((3, 4, 3)), padding=4)(np.ones((1, 3, 5))), "padding 4 leaves none"),
    "heads": (lambda: nn.MultiHeadAttention.init(KEYS[0], 8, 0), "heads is 0"),
    "positions": (lambda: nn.rotary(np.ones((3, 4)), np.arange(2)), r"positions \(2,\); they have to be \(3,\)"),
    "half a length": (lambda: nn.length_mask(np.array([1.5]), 3), "lengths are float64, not integers"),
    "a length that is cut off": (lambda: nn.length_mask(np.array([4]), 3), r"length 4 at \[0\] is out of range"),
    "no weight": (lambda: nn.SpectralNorm.init(KEYS[0], nn.Frozen(nn.Linear(Z))), "has no field `weight`"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_means_nothing_is_refused(name):
    f, message = CASES[name]
    with pytest.raises((InputError, ValueError), match=message):
        f()


@pytest.mark.parametrize("mask", [np.ones((2, 3)), np.ones((1, 3), bool), np.ones((3, 2), bool), np.ones((2, 3), int)])
def test_a_mask_of_tokens_is_of_bool_and_of_their_shape(mask):
    """Floats would be added to the scores."""
    model = nn.Transformer.init(KEYS[0], 5, 7, features=4, heads=2, longest=5)
    with pytest.raises(InputError, match=r"source_mask is .*, of shape \(2, 3\)"):
        model(np.zeros((2, 3), int), np.zeros((2, 2), int), source_mask=mask)


def test_the_running_variance_is_the_unbiased_one():
    import numpy as np

    import wengert as wg
    x = np.random.default_rng(0).normal(size=(7, 2))
    after = wg.nn.BatchNorm.init(2).train(x)[1].statistics.value
    np.testing.assert_allclose(after.variance, 0.9 + 0.1 * np.var(x, axis=0, ddof=1), rtol=1e-12)
    np.testing.assert_allclose(after.mean, 0.1 * np.mean(x, axis=0), rtol=1e-12)
