"""Losses of classes.

What comes in: logits or log-probabilities, and labels. What goes out: a number, or with ``reduction="none"`` one for each
example. The one idea: a label picks by comparison, which fuses with the sum of exponentials; labels are checked, for one that
is out of range would pick nothing, or the wrong class.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import InputError
from wengert.frontends.scipy_data import require
from wengert.frontends.trace import user_line

from .checks import array, integers, reduced, require_real, size_text, within
from .softmax import logsumexp

__all__ = ["accuracy", "cross_entropy", "negative_log_likelihood"]


def cross_entropy(logits: Any, labels: Any, *, axis: int = -1, weight: Any = None, label_smoothing: float = 0.0,
                  ignore_index: int | None = None, reduction: str = "mean") -> Any:
    """−Σ_k p_k log softmax(logits)_k, of labels (p is 1 at the label) or of probabilities p.

    Parameters
    ----------
    logits : array of float, shape (..., classes)
        Numbers of any size; not probabilities.
    labels : array of int, shape (...), or of float, shape (..., classes)
        Labels from 0 to classes − 1, or probabilities.
    axis : int
        Of the classes; torch's is 1.
    weight : array, shape (classes,), optional
        A factor for each class.
    label_smoothing : float
        ε in p ← (1 − ε) p + ε / classes.
    ignore_index : int, optional
        Labels that do not count.
    reduction : {"mean", "sum", "none"}
        The mean is over the examples that count; with weights and integer labels it is the weighted mean.

    Returns
    -------
    float, or array of shape (...)

    Raises
    ------
    InputError
        Shapes that do not fit; labels that are not integers or out of range. Where labels are traced, as under `jit`, a label
        out of range is a `ValueError` when the graph runs.

    Examples
    --------
    >>> import numpy as np
    >>> logits = np.array([[2.0, 0.0, -1.0], [0.0, 1e4, 0.0]])
    >>> cross_entropy(logits, np.array([0, 1]), reduction="none").round(4)
    array([0.1698, 0.    ])
    >>> float(cross_entropy(logits, np.array([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]])).round(4))
    0.5849
    """
    where = f"cross_entropy at {user_line()}"
    logits, labels = _classes_last(array(logits), axis, where), array(labels)
    if not 0.0 <= label_smoothing <= 1.0:
        raise InputError(f"{where}: label_smoothing is from 0 to 1, not {label_smoothing!r}")
    if labels.dtype.kind == "f" and labels.ndim == logits.ndim:
        if ignore_index is not None:
            raise InputError(f"{where}: ignore_index is for integer labels")
        losses = _of_probabilities(logits, _classes_last(labels, axis, where), weight, label_smoothing, where)
        return reduced(losses, reduction, where)
    labels = _labels_fit(logits, labels, where)
    total = logsumexp(logits, axis=-1)
    losses, weights, counts = _of_labels(total, logits, labels, weight, ignore_index, "cross_entropy")
    if label_smoothing:
        others = total[..., None] - logits
        spread = np.mean(others if weight is None else weight * others, axis=-1)
        losses = (1.0 - label_smoothing) * losses + label_smoothing * spread
    return _mean_of_those_that_count(losses, weights, counts, reduction, where)


def _of_probabilities(logits: Any, p: Any, weight: Any, label_smoothing: float, where: str) -> Any:
    if p.shape != logits.shape:
        raise _unfit(logits, p, where)
    p = require(p, p >= 0, f"{where}: a probability is negative")
    p = (1.0 - label_smoothing) * p + label_smoothing / p.shape[-1] if label_smoothing else p
    p = p if weight is None else p * _of_classes(weight, p.shape[-1], where)
    others = logsumexp(logits, axis=-1, keepdims=True) - logits
    return np.sum(p * np.where((p == 0) & (others == np.inf), 0, others), axis=-1)  # 0 log 0 is 0


def negative_log_likelihood(log_probabilities: Any, labels: Any, *, axis: int = -1, weight: Any = None,
                            ignore_index: int | None = None, reduction: str = "mean") -> Any:
    """−log p at the label, of logarithms of probabilities, such as `log_softmax` gives.

    Parameters
    ----------
    log_probabilities : array of float, shape (..., classes)
    labels : array of int, shape (...)
        From 0 to classes − 1.
    axis, weight, ignore_index, reduction
        As in `cross_entropy`.

    Returns
    -------
    float, or array of shape (...)

    Examples
    --------
    >>> import numpy as np
    >>> float(negative_log_likelihood(np.log([[0.25, 0.75]]), np.array([1])).round(4))
    0.2877
    """
    where = f"negative_log_likelihood at {user_line()}"
    logs, labels = _classes_last(array(log_probabilities), axis, where), array(labels)
    labels = _labels_fit(logs, labels, where)
    losses, weights, counts = _of_labels(0, logs, labels, weight, ignore_index, "negative_log_likelihood")
    return _mean_of_those_that_count(losses, weights, counts, reduction, where)


def _classes_last(x: Any, axis: int, where: str) -> Any:
    if not -x.ndim <= axis < x.ndim:
        raise InputError(f"{where}: axis {axis} of an array of shape {x.shape}")
    require_real(where, x)
    return x if axis in (-1, x.ndim - 1) else np.moveaxis(x, axis, -1)


def _labels_fit(logits: Any, labels: Any, where: str) -> Any:
    """The labels, which have to be integers of the shape of the logits without their classes."""
    if labels.shape != logits.shape[:-1]:
        raise _unfit(logits, labels, where)
    return integers(labels, f"{where}: labels of shape {labels.shape}")


def _unfit(logits: Any, labels: Any, where: str) -> InputError:
    one_more = labels.shape == (*logits.shape[:-1], 1) and labels.dtype.kind in "iu"
    hint = "; drop the axis of length 1: labels[..., 0]" if one_more else ""
    return InputError(f"{where}: logits are {size_text(logits)}, with the classes last, and labels {size_text(labels)}; labels "
                      f"have to be integers {logits.shape[:-1]} or probabilities {logits.shape}{hint}")


def _of_labels(total: Any, logits: Any, labels: Any, weight: Any, ignore_index: int | None, name: str) -> tuple[Any, Any, Any]:
    """Each example's loss, its weight, and whether it counts; None where all weigh, or count, the same."""
    n, counts, weights = logits.shape[-1], None, None
    if ignore_index is not None:
        counts = labels != ignore_index
        labels = np.where(counts, labels, 0)
    picked = within(labels, n, name, "label")[..., None] == np.arange(n)
    losses = total - np.sum(np.where(picked, logits, 0), axis=-1)
    if weight is not None:
        weight = _of_classes(weight, n, f"{name} at {user_line()}")
        weights = np.sum(np.where(picked, weight, 0), axis=-1)
        weights = weights if counts is None else np.where(counts, weights, 0)
        losses = weights * losses
    return losses, weights, counts


def _of_classes(weight: Any, n: int, where: str) -> Any:
    weight = array(weight)
    if weight.shape != (n,):
        raise InputError(f"{where}: weight is {size_text(weight)}; it has to be ({n},), one for each class")
    return weight


def _mean_of_those_that_count(losses: Any, weights: Any, counts: Any, reduction: str, where: str) -> Any:
    number = None
    if counts is not None:
        losses = np.where(counts, losses, 0)
    if reduction == "mean" and (weights is not None or counts is not None):
        number = np.sum(counts if weights is None else weights).astype(losses.dtype)
        number = require(number, number > 0, f"{where}: the mean of no losses; no label counts")
    return reduced(losses, reduction, where, number)


def accuracy(logits: Any, labels: Any, *, axis: int = -1) -> Any:
    """The share of examples whose largest logit is that of the label; it has no derivative.

    Parameters
    ----------
    logits : array, shape (..., classes)
    labels : array of int, shape (...)
    axis : int

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> float(accuracy(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([0, 0])))
    0.5
    """
    where = f"accuracy at {user_line()}"
    logits, labels = _classes_last(array(logits), axis, where), array(labels)
    labels = _labels_fit(logits, labels, where)
    return reduced(np.argmax(logits, axis=-1) == labels, "mean", where)
