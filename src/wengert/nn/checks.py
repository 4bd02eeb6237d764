"""What layers and losses say of bad input.

What comes in: shapes and values. What goes out: an `InputError` that names the layer, its place in the model, and both shapes.
The one idea: a layer names itself, and whatever holds it puts its place before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import InputError
from wengert.frontends.scipy_data import require
from wengert.frontends.trace import user_line
from wengert.structured import call

__all__ = ["array", "bias_fits", "called", "features", "integers", "last_axis", "pair", "reduced", "require_axes",
           "require_real", "shown", "size_text", "within"]


def size_text(x: Any) -> str:
    """``float64 (3, 4)``: what an array is, in a message."""
    dtype = getattr(x, "dtype", None)
    return f"{'' if dtype is None else f'{np.dtype(dtype).name} '}{np.shape(x)}"


def called(place: str, layer: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """``layer(*args, **kwargs)``, staged if it is the user's; bad input is told with its place in front: ``.layers[2]``."""
    try:
        return call(layer, *args, **kwargs)
    except InputError as error:
        text = str(error.args[0]) if error.args else ""
        error.args = (f"{place}{'' if text.startswith('.') else ': '}{text}",)
        raise


def last_axis(layer: Any, x: Any, size: int, weight: str = "weight") -> None:
    """That the last axis of x has as many features as the layer takes."""
    shape = np.shape(x)
    if not shape or shape[-1] != size:
        raise features(layer, x, f"{size} features along the last axis", weight)


def bias_fits(layer: Any, n_out: int) -> None:
    """That the bias is one number for each output: others that broadcast would mix it with axes of the batch."""
    if np.shape(layer.bias) != (n_out,):
        raise InputError(f"{type(layer).__name__} at {user_line()}: weight is {size_text(layer.weight)} and bias "
                         f"{size_text(layer.bias)}; the bias has to be ({n_out},)")


def features(layer: Any, x: Any, wanted: str, weight: str = "weight") -> InputError:
    """The error for an x that does not have what is wanted."""
    return InputError(f"{type(layer).__name__} at {user_line()}: x is {size_text(x)} and {weight} "
                      f"{size_text(getattr(layer, weight))}; x has to have {wanted}")


def require_axes(what: str, x: Any, least: int, meaning: str) -> None:
    """That x has at least so many axes."""
    if np.ndim(x) < least:
        raise InputError(f"{what} at {user_line()}: x is {size_text(x)}; it has to be {meaning}")


def shown(layer: Any) -> str:
    """``Linear(weight=float64 (3, 4), bias=float64 (4,))``: a layer by its sizes, not its numbers."""
    parts = [f"{f.name}={_shown(getattr(layer, f.name))}" for f in dataclasses.fields(layer)]
    return f"{type(layer).__name__}({', '.join(parts)})"


def _shown(x: Any) -> str:
    if isinstance(x, (np.ndarray, np.generic)) or (hasattr(x, "dtype") and hasattr(x, "shape")):
        return size_text(x)
    if isinstance(x, tuple) and x and not all(isinstance(part, (int, float)) for part in x):
        return f"({', '.join(map(_shown, x))}{',' if len(x) == 1 else ''})"
    return getattr(x, "__name__", None) or repr(x)


def pair(name: str, prediction: Any, target: Any, other: str = "target", *,
         may_be_complex: bool = False) -> tuple[Any, Any, str]:
    """Both as arrays of one shape, and how the loss is called in messages; differences of integers would wrap around."""
    where = f"{name} at {user_line()}"
    prediction, target = array(prediction), array(target)
    if not may_be_complex:
        require_real(where, prediction, target)
    if prediction.dtype.kind in "iub":
        prediction = prediction.astype(np.result_type(target.dtype, np.float64) if target.dtype.kind in "iub" else target.dtype)
    if prediction.shape != target.shape:
        a, b = prediction.shape, target.shape
        hint = ""
        if (a[:-1] == b and a[-1:] == (1,)) or (b[:-1] == a and b[-1:] == (1,)):
            hint = f"; drop the axis of length 1: {'prediction' if len(a) > len(b) else other}[..., 0]"
        raise InputError(f"{where}: prediction is {size_text(prediction)} and {other} {size_text(target)}; they have to have "
                         f"one shape{hint}")
    return prediction, target, where


def require_real(where: str, *xs: Any) -> None:
    """That none is complex: formulas of real numbers give some number for others too, and it means nothing."""
    if any(map(np.iscomplexobj, xs)):
        raise InputError(f"{where} is given complex numbers; take real and imaginary part, or the modulus: np.abs")


def array(x: Any) -> Any:
    return x if hasattr(x, "dtype") and hasattr(x, "shape") else np.asarray(x)


def reduced(losses: Any, reduction: str, where: str, count: Any = None) -> Any:
    """The losses as they are, their sum, or their mean: the sum by `count`, which is their number unless told."""
    if reduction == "none":
        return losses
    if reduction not in ("mean", "sum"):
        raise InputError(f'{where}: reduction is "mean", "sum" or "none", not {reduction!r}')
    if reduction == "mean" and losses.size == 0:
        raise InputError(f"{where}: the mean of no losses; the batch is empty")
    total = np.sum(losses)
    if reduction == "sum":
        return total
    return total / (losses.size if count is None else count)


def integers(x: Any, what: str) -> Any:
    """x, which has to be of integers, as int64: what it is compared with may not fit into fewer bits."""
    x = x if hasattr(x, "dtype") else np.asarray(x)
    if x.dtype.kind not in "iu":
        raise InputError(f"{what} are {x.dtype}, not integers; convert them if you mean it: .astype(int)")
    return x if x.dtype == np.int64 else x.astype(np.int64)


def within(x: Any, n: int, name: str, noun: str) -> Any:
    """x, integers, which have to be from 0 to n - 1; where they are traced, that is seen when the graph runs."""
    holds, wanted = (x >= 0) & (x < n), f"it has to be from 0 to {n - 1}"
    a = "an" if noun[0] in "aeiou" else "a"
    if isinstance(holds, (np.ndarray, np.generic)) and not np.all(holds):
        place = tuple(int(k) for k in np.argwhere(~np.asarray(holds))[0])
        at = f" at {list(place)}" if place else ""
        raise InputError(f"{name} at {user_line()}: {noun} {np.asarray(x)[place]}{at} is out of range; {wanted}")
    return require(x, holds, f"{name} at {user_line()}: {a} {noun} is out of range; {wanted}")
