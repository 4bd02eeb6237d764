"""Losses: functions of a prediction and a target.

What comes in: a prediction and what it should have been, of the same shape. What goes out: a number, or with
``reduction="none"`` one for each example. The one idea: shapes have to be equal, for what NumPy would broadcast, (n, 1) against
(n,), is a loss of all pairs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.errors import InputError
from wengert.frontends.scipy_data import require

from .activations import log_sigmoid, relu, softplus
from .checks import array, pair, reduced, size_text

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_distance", "cosine_similarity",
    "gaussian_negative_log_likelihood", "hinge", "huber", "kl_divergence", "log_cosh", "mean_absolute_error",
    "mean_squared_error", "pinball", "poisson_negative_log_likelihood", "smooth_l1", "triplet_margin",
]


# ---------------------------------------------------------------- of numbers

def mean_squared_error(prediction: Any, target: Any, *, reduction: str = "mean") -> Any:
    """|prediction − target|², averaged over all elements.

    Parameters
    ----------
    prediction, target : array of float or complex
        Of one shape.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    float, or array

    Raises
    ------
    InputError
        Of different shapes.

    Examples
    --------
    >>> import numpy as np
    >>> float(mean_squared_error(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    2.0
    >>> mean_squared_error(np.ones((3, 1)), np.ones(3))
    Traceback (most recent call last):
        ...
    wengert.errors.InputError: mean_squared_error at ...: prediction is float64 (3, 1) and target float64 (3,); they have ...
    """
    prediction, target, where = pair("mean_squared_error", prediction, target, may_be_complex=True)
    d = prediction - target
    squares = np.real(d) ** 2 + np.imag(d) ** 2 if np.iscomplexobj(d) else d * d
    return reduced(squares, reduction, where)


def mean_absolute_error(prediction: Any, target: Any, *, reduction: str = "mean") -> Any:
    """|prediction − target|, averaged over all elements; the derivative is 0 where they are equal.

    Parameters
    ----------
    prediction, target : array of float or complex
        Of one shape.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    float, or array

    Examples
    --------
    >>> import numpy as np
    >>> float(mean_absolute_error(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    1.0
    """
    prediction, target, where = pair("mean_absolute_error", prediction, target, may_be_complex=True)
    return reduced(np.abs(prediction - target), reduction, where)


def huber(prediction: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean") -> Any:
    """d²/2 where |d| ≤ δ, and δ (|d| − δ/2) beyond, with d = prediction − target.

    Parameters
    ----------
    prediction, target : array of float
        Of one shape.
    delta : float
        Positive.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    float, or array

    Examples
    --------
    >>> import numpy as np
    >>> huber(np.array([0.5, 3.0]), np.zeros(2), reduction="none")
    array([0.125, 2.5  ])

    References
    ----------
    Huber, Robust estimation of a location parameter, Annals of Mathematical Statistics 35 (1964).
    """
    prediction, target, where = pair("huber", prediction, target)
    return reduced(_rounded(prediction - target, delta, f"{where}: delta"), reduction, where)


def _rounded(d: Any, delta: float, name: str) -> Any:
    """d²/2 where |d| ≤ δ, and δ (|d| − δ/2) beyond; there d² is not computed, for it may overflow."""
    delta = require(delta, delta > 0, f"{name} has to be positive")
    size = np.abs(d)
    near = size <= delta
    inner = np.where(near, d, 0)
    return np.where(near, 0.5 * inner * inner, delta * (size - 0.5 * delta))


def smooth_l1(prediction: Any, target: Any, *, beta: float = 1.0, reduction: str = "mean") -> Any:
    """`huber` divided by its δ, here β: |d| − β/2 beyond β, the absolute error rounded at 0.

    Parameters
    ----------
    prediction, target : array of float
        Of one shape.
    beta : float
        Positive.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    float, or array

    Examples
    --------
    >>> import numpy as np
    >>> smooth_l1(np.array([0.5, 3.0]), np.zeros(2), beta=2.0, reduction="none")
    array([0.0625, 2.    ])

    References
    ----------
    Girshick, Fast R-CNN, ICCV 2015.
    """
    prediction, target, where = pair("smooth_l1", prediction, target)
    return reduced(_rounded(prediction - target, beta, f"{where}: beta") / beta, reduction, where)


def log_cosh(prediction: Any, target: Any, *, reduction: str = "mean") -> Any:
    """log cosh(prediction − target): d²/2 near 0, |d| − log 2 far away, smooth everywhere.

    Parameters
    ----------
    prediction, target : array of float
        Of one shape.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    float, or array

    Examples
    --------
    >>> import numpy as np
    >>> log_cosh(np.array([0.0, 1e4]), np.zeros(2), reduction="none")
    array([   0.        , 9999.30685282])
    """
    prediction, target, where = pair("log_cosh", prediction, target)
    d = prediction - target
    near = np.abs(d) < 1  # there, log 2 would cancel what is small
    half = np.sinh(0.5 * np.where(near, d, 0))
    return reduced(np.where(near, np.log1p(2 * half * half), np.logaddexp(d, -d) - math.log(2.0)), reduction, where)


def pinball(prediction: Any, target: Any, *, quantile: Any = 0.5, reduction: str = "mean") -> Any:
    """q (t − p) where the target t is above the prediction p, (1 − q) (p − t) below: least in the mean at the q-quantile.

    Parameters
    ----------
    prediction, target : array of float
        Of one shape.
    quantile : float or array
        q, between 0 and 1.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    float, or array

    Examples
    --------
    >>> import numpy as np
    >>> pinball(np.zeros(2), np.array([1.0, -1.0]), quantile=0.9, reduction="none")
    array([0.9, 0.1])

    References
    ----------
    Koenker and Bassett, Regression quantiles, Econometrica 46 (1978).
    """
    prediction, target, where = pair("pinball", prediction, target)
    quantile = require(quantile, (quantile >= 0) & (quantile <= 1), f"{where}: quantile is not from 0 to 1")
    d = target - prediction
    return reduced(np.where(d > 0, quantile * d, (quantile - 1) * d), reduction, where)


# ---------------------------------------------------------------- of probabilities

def binary_cross_entropy_with_logits(logits: Any, target: Any, *, positive_weight: Any = 1.0, reduction: str = "mean") -> Any:
    """−t log σ(z) − (1 − t) log(1 − σ(z)), with the logistic function σ of the logits z.

    Parameters
    ----------
    logits : array of float
    target : array of float, int or bool, of the same shape
        t: 0 or 1, or a probability.
    positive_weight : float or array
        A factor of the first term.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    float, or array

    Examples
    --------
    >>> import numpy as np
    >>> binary_cross_entropy_with_logits(np.array([1e4, 0.0]), np.array([0, 1]), reduction="none")
    array([1.00000000e+04, 6.93147181e-01])
    """
    logits, target, where = pair("binary_cross_entropy_with_logits", logits, target)
    t = _share(target, where, logits)
    return reduced((1 - t) * softplus(logits) - positive_weight * t * log_sigmoid(logits), reduction, where)


def binary_cross_entropy(probability: Any, target: Any, *, reduction: str = "mean") -> Any:
    """−t log p − (1 − t) log(1 − p), of probabilities p; of logits take `binary_cross_entropy_with_logits`, which is exact.

    Parameters
    ----------
    probability : array of float
        p, from 0 to 1.
    target : array of float, int or bool, of the same shape
        t: 0 or 1, or a probability.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    float, or array
        Infinite where p is 0 and t is not, and the like.

    Examples
    --------
    >>> import numpy as np
    >>> binary_cross_entropy(np.array([0.5, 1.0]), np.array([0.0, 1.0]), reduction="none")
    array([0.69314718, 0.        ])
    """
    p, target, where = pair("binary_cross_entropy", probability, target)
    p = require(p, (p >= 0) & (p <= 1), f"{where}: a probability is not from 0 to 1; for logits there is "
                                        "binary_cross_entropy_with_logits")
    t = _share(target, where, p)
    surely, never = (t == 1) & (p == 1), (t == 0) & (p == 0)  # 0 log 0 is 0
    losses = np.where(never, 0, -t * np.log(np.where(never, 1, p)))
    losses = losses + np.where(surely, 0, (t - 1) * np.log1p(-np.where(surely, 0, p)))
    return reduced(losses, reduction, where)


def _share(target: Any, where: str, like: Any) -> Any:
    """A target from 0 to 1, in the dtype of the prediction if it is no float."""
    t = require(target, (target >= 0) & (target <= 1), f"{where}: a target is not from 0 to 1")
    return t if t.dtype.kind == "f" else t.astype(like.dtype)


def kl_divergence(log_prediction: Any, target: Any, *, axis: int = -1, reduction: str = "mean") -> Any:
    """Σ_k t_k (log t_k − log q_k) along an axis: how far the distribution q is from the target t.

    Parameters
    ----------
    log_prediction : array of float
        log q, such as `log_softmax` gives.
    target : array of float
        t, of the same shape.
    axis : int
        Along which both are distributions. The mean is over the others (torch calls it "batchmean").
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    float, or array

    Examples
    --------
    >>> import numpy as np
    >>> float(kl_divergence(np.log([0.5, 0.5]), np.array([0.25, 0.75])).round(4))
    0.1308

    References
    ----------
    Kullback and Leibler, On information and sufficiency, Annals of Mathematical Statistics 22 (1951).
    """
    log_prediction, t, where = pair("kl_divergence", log_prediction, target)
    t = require(t, t >= 0, f"{where}: a probability is negative; the target is given as probabilities, not their logarithms")
    none = t == 0
    terms = np.where(none, 0, t * (np.log(np.where(none, 1, t)) - log_prediction))
    return reduced(np.sum(terms, axis=axis), reduction, where)


def gaussian_negative_log_likelihood(mean: Any, target: Any, variance: Any, *, full: bool = False,
                                     reduction: str = "mean") -> Any:
    """½ (log v + (t − m)² / v), with the predicted mean m and variance v.

    Parameters
    ----------
    mean, target : array of float
        m and t, of one shape.
    variance : array of float
        v, positive; of that shape, or a number for all.
    full : bool
        With the constant ½ log 2π, so that it is the likelihood itself.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    float, or array

    Examples
    --------
    >>> import numpy as np
    >>> float(gaussian_negative_log_likelihood(np.zeros(2), np.array([1.0, 3.0]), 4.0).round(4))
    1.3181
    """
    mean, target, where = pair("gaussian_negative_log_likelihood", mean, target)
    v = array(variance)
    if v.shape not in ((), mean.shape):
        raise InputError(f"{where}: variance is {size_text(v)} and mean {size_text(mean)}; they have to have one shape")
    v = require(v, v > 0, f"{where}: a variance is not positive; predict its logarithm, or take softplus of it")
    losses = 0.5 * (np.log(v) + (target - mean) ** 2 / v) + (0.5 * math.log(2.0 * math.pi) if full else 0.0)
    return reduced(losses, reduction, where)


def poisson_negative_log_likelihood(log_rate: Any, target: Any, *, full: bool = False, reduction: str = "mean") -> Any:
    """e^η − t η, with the logarithm η of the predicted rate and the count t.

    Parameters
    ----------
    log_rate : array of float
        η.
    target : array of int or float, of the same shape
        t, not negative.
    full : bool
        With the constant log t!, so that it is the likelihood itself.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    float, or array

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import poisson
    >>> loss = poisson_negative_log_likelihood(np.log([2.5]), np.array([3]), full=True)
    >>> bool(np.isclose(loss, -poisson.logpmf(3, 2.5)))
    True
    """
    log_rate, t, where = pair("poisson_negative_log_likelihood", log_rate, target)
    t = require(t, t >= 0, f"{where}: a count is negative")
    t = t if t.dtype.kind == "f" else t.astype(log_rate.dtype)
    losses = np.exp(log_rate) - t * log_rate
    if full:
        from scipy.special import gammaln
        losses = losses + gammaln(t + 1)
    return reduced(losses, reduction, where)


# ---------------------------------------------------------------- of margins and angles

def hinge(score: Any, target: Any, *, margin: float = 1.0, reduction: str = "mean") -> Any:
    """max(0, margin − t s), of scores s and targets t that are −1 or 1; the derivative at the kink is 0.

    Parameters
    ----------
    score : array of float
    target : array of int or float, of the same shape
    margin : float
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    float, or array

    Examples
    --------
    >>> import numpy as np
    >>> hinge(np.array([0.5, -3.0]), np.array([1, -1]), reduction="none")
    array([0.5, 0. ])

    References
    ----------
    Cortes and Vapnik, Support-vector networks, Machine Learning 20 (1995).
    """
    score, t, where = pair("hinge", score, target)
    t = require(t, (t == 1) | (t == -1), f"{where}: a target is neither -1 nor 1; of labels 0 and 1 take 2 * target - 1")
    return reduced(relu(margin - (t if t.dtype.kind == "f" else t.astype(score.dtype)) * score), reduction, where)


def cosine_similarity(x: Any, y: Any, *, axis: int = -1, epsilon: float = 1e-8) -> Any:
    """x · y / (‖x‖ ‖y‖), the cosine of the angle between them.

    Parameters
    ----------
    x, y : array of float
        Of one shape.
    axis : int
    epsilon : float
        Norms below this count as this; a zero vector has similarity 0.

    Returns
    -------
    array
        Without the axis.

    Examples
    --------
    >>> import numpy as np
    >>> float(cosine_similarity(np.array([3.0, 4.0]), np.array([4.0, 3.0])))
    0.96
    """
    x, y, _ = pair("cosine_similarity", x, y, "the other")
    return np.sum(x * y, axis=axis) / (_norm(x, axis, epsilon) * _norm(y, axis, epsilon))


def _norm(x: Any, axis: int, epsilon: float) -> Any:
    """The Euclidean norm, at least epsilon, with derivative 0 below it."""
    square = np.sum(x * x, axis=axis)
    small = square <= epsilon * epsilon
    return np.where(small, epsilon, np.sqrt(np.where(small, 1, square)))


def cosine_distance(prediction: Any, target: Any, *, axis: int = -1, reduction: str = "mean") -> Any:
    """1 − the cosine of the angle between prediction and target.

    Parameters
    ----------
    prediction, target : array of float
        Of one shape.
    axis : int
        Of the vectors.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    float, or array

    Examples
    --------
    >>> import numpy as np
    >>> float(cosine_distance(np.array([[3.0, 4.0]]), np.array([[4.0, 3.0]])).round(4))
    0.04
    """
    prediction, target, where = pair("cosine_distance", prediction, target)
    return reduced(1 - cosine_similarity(prediction, target, axis=axis), reduction, where)


def triplet_margin(anchor: Any, positive: Any, negative: Any, *, margin: float = 1.0, axis: int = -1,
                   reduction: str = "mean") -> Any:
    """max(0, ‖anchor − positive‖ − ‖anchor − negative‖ + margin); the derivative at the kink is 0.

    Parameters
    ----------
    anchor, positive, negative : array of float
        Vectors of one shape: the second like the first, the third unlike it.
    margin : float
    axis : int
        Of the vectors.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    float, or array

    Examples
    --------
    >>> import numpy as np
    >>> float(triplet_margin(np.zeros((1, 2)), np.array([[3.0, 4.0]]), np.array([[0.0, 5.5]])))
    0.5

    References
    ----------
    Schroff, Kalenichenko and Philbin, FaceNet, CVPR 2015.
    """
    anchor, positive, where = pair("triplet_margin", anchor, positive, "positive")
    _, negative, _ = pair("triplet_margin", anchor, negative, "negative")
    near, far = (_norm(anchor - other, axis, 1e-150) for other in (positive, negative))
    return reduced(relu(near - far + margin), reduction, where)
