"""Each layer, activation and loss: value and gradient, with regard to inputs and parameters, against PyTorch's to 1e-10.

One table: a function of arrays in wengert, the same in PyTorch, and arrays. What is compared is a weighted sum of the result,
so that every derivative counts.
"""

import numpy as np
import pytest

import wengert as wg
from wengert import nn

torch = pytest.importorskip("torch")
F = torch.nn.functional
RNG = np.random.default_rng(3)
KINKS = np.array([-1e4, -6.0, -3.0, -1.3, -1.0, -1e-9, 0.0, 1e-9, 0.7, 1.0, 2.0, 3.0, 6.0, 1e4])


def draw(*shape):
    return RNG.normal(size=shape)


def positive(*shape):
    return RNG.uniform(0.1, 0.9, size=shape)


def weights(shape):
    return np.cos(1.0 + np.arange(np.prod(shape, dtype=int))).reshape(shape)


LABELS = RNG.integers(0, 4, 6)
GAPS = np.where(np.arange(6) % 3 == 1, -100, LABELS)
SHARES = positive(6, 4) / 4
CLASS_WEIGHT = positive(4)
SIGNS = np.where(RNG.random(6) < 0.5, -1.0, 1.0)

ACTIVATIONS = {
    "relu": (nn.relu, F.relu), "leaky_relu": (nn.leaky_relu, F.leaky_relu), "relu6": (nn.relu6, F.relu6),
    "elu": (lambda x: nn.elu(x, 1.5), lambda x: F.elu(x, 1.5)), "selu": (nn.selu, F.selu),
    "celu": (lambda x: nn.celu(x, 1.5), lambda x: F.celu(x, 1.5)), "gelu": (nn.gelu, F.gelu),
    "gelu_tanh": (lambda x: nn.gelu(x, True), lambda x: F.gelu(x, approximate="tanh")), "silu": (nn.silu, F.silu),
    "mish": (nn.mish, F.mish), "sigmoid": (nn.sigmoid, torch.sigmoid),
    "hard_sigmoid": (nn.hard_sigmoid, lambda x: F.hardtanh(x / 6 + 0.5, 0.0, 1.0)),  # torch's own divides by 6 in float32
    "hard_tanh": (nn.hard_tanh, F.hardtanh), "tanh": (nn.tanh, torch.tanh), "softsign": (nn.softsign, F.softsign),
    "softplus": (nn.softplus, lambda x: F.softplus(x, threshold=1e9) if x.max() < 700 else torch.logaddexp(x, 0 * x.detach())),
    "log_sigmoid": (nn.log_sigmoid, F.logsigmoid),
    "softmax": (nn.softmax, lambda x: F.softmax(x, -1)), "log_softmax": (nn.log_softmax, lambda x: F.log_softmax(x, -1)),
    "logsumexp": (nn.logsumexp, lambda x: torch.logsumexp(x, 0)), "glu": (nn.glu, F.glu),
}
LOSSES = {
    "mean_squared_error": (nn.mean_squared_error, F.mse_loss, draw(3, 4), draw(3, 4)),
    "mean_absolute_error": (nn.mean_absolute_error, F.l1_loss, draw(3, 4), draw(3, 4)),
    "sum": (lambda p, t: nn.mean_squared_error(p, t, reduction="sum"), lambda p, t: F.mse_loss(p, t, reduction="sum"), draw(3),
            draw(3)),
    "none": (lambda p, t: nn.mean_squared_error(p, t, reduction="none"), lambda p, t: F.mse_loss(p, t, reduction="none"),
             draw(3), draw(3)),
    "huber": (lambda p, t: nn.huber(p, t, delta=0.7), lambda p, t: F.huber_loss(p, t, delta=0.7), 2 * draw(20), draw(20)),
    "smooth_l1": (lambda p, t: nn.smooth_l1(p, t, beta=0.7), lambda p, t: F.smooth_l1_loss(p, t, beta=0.7), draw(20),
                  draw(20)),
    "log_cosh": (nn.log_cosh, lambda p, t: torch.mean(torch.log(torch.cosh(p - t))), draw(20), draw(20)),
    "pinball": (lambda p, t: nn.pinball(p, t, quantile=0.9),
                lambda p, t: torch.mean(torch.maximum(0.9 * (t - p), -0.1 * (t - p))), draw(20), draw(20)),
    "cross_entropy": (lambda z: nn.cross_entropy(z, LABELS), lambda z: F.cross_entropy(z, torch.tensor(LABELS)), draw(6, 4)),
    "cross_entropy none": (lambda z: nn.cross_entropy(z, LABELS, reduction="none"),
                           lambda z: F.cross_entropy(z, torch.tensor(LABELS), reduction="none"), draw(6, 4)),
    "cross_entropy large": (lambda z: nn.cross_entropy(z, LABELS), lambda z: F.cross_entropy(z, torch.tensor(LABELS)),
                            1e4 * draw(6, 4)),
    "cross_entropy all": (
        lambda z: nn.cross_entropy(z, GAPS, weight=CLASS_WEIGHT, label_smoothing=0.1, ignore_index=-100),
        lambda z: F.cross_entropy(z, torch.tensor(GAPS), weight=torch.tensor(CLASS_WEIGHT), label_smoothing=0.1), draw(6, 4)),
    "cross_entropy probabilities": (
        lambda z: nn.cross_entropy(z, SHARES, weight=CLASS_WEIGHT, label_smoothing=0.1),
        lambda z: F.cross_entropy(z, torch.tensor(SHARES), weight=torch.tensor(CLASS_WEIGHT), label_smoothing=0.1), draw(6, 4)),
    "cross_entropy of images": (lambda z: nn.cross_entropy(z, LABELS.reshape(2, 3), axis=1),
                                lambda z: F.cross_entropy(z, torch.tensor(LABELS.reshape(2, 3))), draw(2, 4, 3)),
    "negative_log_likelihood": (lambda z: nn.negative_log_likelihood(z, GAPS, weight=CLASS_WEIGHT, ignore_index=-100),
                                lambda z: F.nll_loss(z, torch.tensor(GAPS), weight=torch.tensor(CLASS_WEIGHT)), draw(6, 4)),
    "binary_cross_entropy": (nn.binary_cross_entropy, F.binary_cross_entropy, positive(5), positive(5)),
    "binary_cross_entropy labels": (lambda p: nn.binary_cross_entropy(p, np.array([0, 1, 1])),
                                    lambda p: F.binary_cross_entropy(p, torch.tensor([0.0, 1.0, 1.0]).double()), positive(3)),
    "binary_cross_entropy_with_logits": (
        lambda z, t: nn.binary_cross_entropy_with_logits(z, t, positive_weight=3.0),
        lambda z, t: F.binary_cross_entropy_with_logits(z, t, pos_weight=torch.tensor(3.0)), 100 * draw(9), positive(9)),
    "kl_divergence": (nn.kl_divergence, lambda q, t: F.kl_div(q, t, reduction="batchmean"), draw(5, 3), positive(5, 3)),
    "gaussian": (nn.gaussian_negative_log_likelihood, F.gaussian_nll_loss, draw(5), draw(5), positive(5)),
    "gaussian full": (lambda m, t, v: nn.gaussian_negative_log_likelihood(m, t, v, full=True),
                      lambda m, t, v: F.gaussian_nll_loss(m, t, v, full=True), draw(5), draw(5), positive(5)),
    "poisson": (nn.poisson_negative_log_likelihood, F.poisson_nll_loss, draw(5), positive(5)),
    "hinge": (lambda s: nn.hinge(s, SIGNS), lambda s: torch.mean(torch.clamp(1 - torch.tensor(SIGNS) * s, min=0)), draw(6)),
    "cosine_similarity": (nn.cosine_similarity, F.cosine_similarity, draw(5, 3), draw(5, 3)),
    "cosine_distance": (nn.cosine_distance, lambda a, b: F.cosine_embedding_loss(a, b, torch.ones(5)), draw(5, 3),
                        draw(5, 3)),
    "triplet_margin": (nn.triplet_margin, lambda a, p, n: F.triplet_margin_with_distance_loss(
        a, p, n, distance_function=lambda x, y: torch.linalg.vector_norm(x - y, dim=-1)), draw(9, 3), draw(9, 3),
        draw(9, 3)),
}
CONVOLUTIONS = {
    "conv1d": (1, (2, 4, 9), (6, 4, 3), {}), "conv1d strided": (1, (2, 4, 9), (6, 2, 3), dict(stride=2, padding=2, groups=2)),
    "conv2d": (2, (2, 3, 6, 5), (4, 3, 3, 2), dict(padding=(1, 0), dilation=(2, 1))),
    "conv2d same": (2, (2, 3, 6, 5), (4, 3, 3, 5), dict(padding="same")),
    "conv2d depthwise": (2, (2, 4, 6, 5), (8, 1, 3, 3), dict(groups=4, stride=(2, 1))),
    "conv3d": (3, (1, 2, 4, 3, 4), (3, 2, 2, 2, 3), dict(stride=(1, 1, 2), padding=1)),
}
TRANSPOSED = {
    "1d": (1, (2, 4, 5), (4, 3, 3), dict(stride=2)),
    "1d groups": (1, (2, 4, 5), (4, 3, 4), dict(stride=3, padding=2, output_padding=1, groups=2, dilation=2)),
    "1d more": (1, (2, 4, 5), (4, 3, 2), dict(stride=2, output_padding=1)),
    "2d": (2, (2, 3, 3, 4), (3, 2, 3, 2), dict(stride=(2, 1), padding=(1, 0), output_padding=(1, 0))),
    "3d": (3, (1, 2, 2, 3, 2), (2, 2, 2, 2, 2), dict(stride=2)),
}
POOLS = {
    "max": (lambda x: nn.max_pool(x, 2), lambda x: F.max_pool2d(x, 2), draw(2, 3, 7, 6)),
    "max padded": (lambda x: nn.max_pool(x, (3, 2), 2, (1, 0)), lambda x: F.max_pool2d(x, (3, 2), 2, (1, 0)), draw(2, 3, 7, 6)),
    "max 1d": (lambda x: nn.max_pool(x, 3, 1), lambda x: F.max_pool1d(x, 3, 1), draw(2, 3, 7)),
    "average": (lambda x: nn.average_pool(x, 3), lambda x: F.avg_pool2d(x, 3), draw(2, 3, 7, 6)),
    "average padded": (lambda x: nn.average_pool(x, 3, 2, 1), lambda x: F.avg_pool2d(x, 3, 2, 1), draw(2, 3, 7, 6)),
    "adaptive": (lambda x: nn.adaptive_average_pool(x, (3, 4)), lambda x: F.adaptive_avg_pool2d(x, (3, 4)), draw(2, 3, 7, 6)),
    "global average": (nn.global_average_pool, lambda x: F.adaptive_avg_pool2d(x, 1)[..., 0, 0], draw(2, 3, 7, 6)),
    "global max": (nn.global_max_pool, lambda x: F.adaptive_max_pool2d(x, 1)[..., 0, 0], draw(2, 3, 7, 6)),
}


def norm(cls, *args, **options):
    return lambda x, scale, shift: cls(scale, shift, *args, **options)(x)


def trained(x, scale, shift):
    y, after = nn.BatchNorm(scale, shift, nn.BatchNorm.init(3).statistics).train(x)
    return np.concatenate([y.ravel(), after.statistics.value.mean, after.statistics.value.variance])


def trained_torch(x, scale, shift):
    mean, variance = torch.zeros(3, dtype=x.dtype), torch.ones(3, dtype=x.dtype)
    y = F.batch_norm(x, mean, variance, scale, shift, training=True)
    axes = [k for k in range(x.ndim) if k != 1]  # the running statistics of torch have no derivative, ours do
    mean, variance = 0.1 * x.mean(axes), 0.9 + 0.1 * x.var(axes)
    return torch.cat([y.ravel(), mean, variance])


RUNNING = nn.Frozen(nn.Statistics(draw(3), positive(3), 4))
LAYERS = {
    "linear": (lambda x, w, b: nn.Linear(w, b)(x), lambda x, w, b: F.linear(x, w.T, b), draw(2, 5, 3), draw(3, 4), draw(4)),
    "bilinear": (lambda x, z, w, b: nn.Bilinear(w, b)(x, z), F.bilinear, draw(5, 3), draw(5, 2), draw(4, 3, 2), draw(4)),
    "embedding": (lambda w: nn.Embedding(w)(LABELS.reshape(2, 3)), lambda w: F.embedding(torch.tensor(LABELS.reshape(2, 3)), w),
                  draw(4, 3)),
    "layer norm": (norm(nn.LayerNorm), lambda x, s, t: F.layer_norm(x, (3, 4), s, t), draw(2, 3, 4), draw(3, 4), draw(3, 4)),
    "rms norm": (lambda x, s: nn.RMSNorm(s)(x), lambda x, s: F.rms_norm(x, (4,), s, 1e-6), draw(2, 3, 4), draw(4)),
    "group norm": (norm(nn.GroupNorm, 2), lambda x, s, t: F.group_norm(x, 2, s, t), draw(2, 6, 4, 3), draw(6), draw(6)),
    "instance norm": (norm(nn.InstanceNorm), lambda x, s, t: F.instance_norm(x, weight=s, bias=t), draw(2, 3, 4, 2), draw(3),
                      draw(3)),
    "batch norm": (norm(nn.BatchNorm, RUNNING), lambda x, s, t: F.batch_norm(
        x, torch.tensor(RUNNING.value.mean), torch.tensor(RUNNING.value.variance), s, t), draw(5, 3, 4, 2), draw(3), draw(3)),
    "batch norm in training": (trained, trained_torch, draw(5, 3, 4, 2), draw(3), draw(3)),
    "batch norm of features": (trained, trained_torch, draw(5, 3), draw(3), draw(3)),
}
CASES = {
    **{name: (*pair, KINKS) for name, pair in ACTIVATIONS.items()},
    **{f"{name} of normal numbers": (*pair, draw(6, 4)) for name, pair in ACTIVATIONS.items() if name != "logsumexp"},
    **LOSSES, **LAYERS, **{f"{name} pool": case for name, case in POOLS.items()},
    **{name: (lambda x, w, b, kw=kw: nn.Conv(w, b, **kw)(x), lambda x, w, b, n=n, kw=kw: getattr(F, f"conv{n}d")(x, w, b, **kw),
              draw(*x), draw(*w), draw(w[0])) for name, (n, x, w, kw) in CONVOLUTIONS.items()},
    **{f"{name} fft": (lambda x, w, b, kw=kw: nn.Conv(w, b, method="fft", **kw)(x),
                       lambda x, w, b, n=n, kw=kw: getattr(F, f"conv{n}d")(x, w, b, **kw),
                       draw(*x), draw(*w), draw(w[0])) for name, (n, x, w, kw) in CONVOLUTIONS.items()},
    **{f"transposed {name}": (lambda x, w, b, kw=kw: nn.ConvTranspose(w, b, **kw)(x),
                              lambda x, w, b, n=n, kw=kw: getattr(F, f"conv_transpose{n}d")(x, w, b, **kw),
                              draw(*x), draw(*w), draw(w[1] * kw.get("groups", 1)))
       for name, (n, x, w, kw) in TRANSPOSED.items()},
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(name):
    ours, theirs, *arrays = CASES[name]
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = theirs(*tensors)
    value = ours(*arrays)
    close(value, expected.detach().numpy())
    w = weights(np.shape(value))
    (expected * torch.tensor(w)).sum().backward()
    for k, tensor in enumerate(tensors):
        close(wg.grad(lambda *a: np.sum(w * ours(*a)), argnums=k)(*arrays), tensor.grad.numpy())


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
