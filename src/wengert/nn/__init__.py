"""Layers, activations and losses: immutable dataclasses of arrays, and pure functions on them.

What comes in: a key and sizes, or arrays. What goes out: trees that `grad`, `jit`, `vmap` and pickle take as they are. The one
idea: a model is its parameters; calling it is an ordinary NumPy program.
"""

from wengert.flatten import Frozen

from . import initializers
from .activations import (
    celu,
    complex_relu,
    elu,
    gelu,
    hard_sigmoid,
    hard_swish,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    mish,
    modulus_relu,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softplus,
    softsign,
    swish,
    tanh,
)
from .attention import (
    MultiHeadAttention,
    Positions,
    attention_weights,
    causal_mask,
    rotary,
    scaled_dot_product_attention,
    sinusoidal,
)
from .classes import accuracy, cross_entropy, negative_log_likelihood
from .convolution import (
    Conv,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    fft_convolve,
)
from .gating import FeedForward, GatedLinear, Highway, Residual
from .linear import Bilinear, Embedding, Linear
from .losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cosine_distance,
    cosine_similarity,
    gaussian_negative_log_likelihood,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_squared_error,
    pinball,
    poisson_negative_log_likelihood,
    smooth_l1,
    triplet_margin,
)
from .normalization import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm, Statistics
from .pooling import (
    AveragePool,
    MaxPool,
    adaptive_average_pool,
    average_pool,
    global_average_pool,
    global_max_pool,
    max_pool,
)
from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell, length_mask
from .sequential import Dropout, Flatten, Sequential
from .softmax import glu, log_softmax, logsumexp, softmax
from .spectral import SpectralNorm
from .summary import Summary, SummaryRow, count_parameters, summary
from .transformer import (
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)

__all__ = [
    # trees
    "Frozen", "initializers",
    # layers
    "AveragePool", "BatchNorm", "Bilinear", "Conv", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose", "ConvTranspose1d",
    "ConvTranspose2d", "ConvTranspose3d", "Dropout", "Embedding", "Flatten", "GroupNorm", "InstanceNorm", "LayerNorm",
    "Linear", "MaxPool", "RMSNorm", "Sequential", "SpectralNorm", "Statistics",
    # recurrent layers
    "GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNCell", "length_mask",
    # attention
    "FeedForward", "GatedLinear", "Highway", "MultiHeadAttention", "Positions", "Residual", "Transformer",
    "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer", "attention_weights",
    "causal_mask", "rotary", "scaled_dot_product_attention", "sinusoidal",
    # functions of images
    "adaptive_average_pool", "average_pool", "fft_convolve", "global_average_pool", "global_max_pool", "max_pool",
    # what a model is made of
    "Summary", "SummaryRow", "count_parameters", "summary",
    # activations
    "celu", "complex_relu", "elu", "gelu", "glu", "hard_sigmoid", "hard_swish", "hard_tanh", "leaky_relu",
    "log_sigmoid", "log_softmax", "logsumexp", "mish", "modulus_relu", "relu", "relu6", "selu", "sigmoid", "silu",
    "softmax", "softplus", "softsign", "swish", "tanh",
    # losses
    "accuracy", "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_distance", "cosine_similarity",
    "cross_entropy", "gaussian_negative_log_likelihood", "hinge", "huber", "kl_divergence", "log_cosh",
    "mean_absolute_error", "mean_squared_error", "negative_log_likelihood", "pinball",
    "poisson_negative_log_likelihood", "smooth_l1", "triplet_margin",
]
