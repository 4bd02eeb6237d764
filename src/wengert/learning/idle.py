"""Layers of a model that a loss leaves idle in training: dropout without a key, running statistics that never run.

What comes in: model, loss and data. What goes out: a sentence, or None. The one idea: only what is certain is told, so a loss
whose code, or the code that it reaches, so much as names a key, random numbers or training is taken to know what it does.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from wengert.flatten import Frozen, flatten

__all__ = ["has_keys", "idle"]

_KNOWN = ("wengert", "numpy", "scipy", "math", "builtins")  # packages that draw nothing unless by a name that tells
_WRITTEN = {"<string>", dataclasses.__file__}  # where the code of methods is that dataclasses write


def idle(model: Any, loss: Callable[..., Any]) -> str | None:
    """What the model holds that does nothing in training, for certain."""
    nn: Any = sys.modules.get("wengert.nn")
    if nn is None or not isinstance(loss, types.FunctionType) or _open(loss):
        return None
    parts = list(_parts(model))
    drops = [p for p in parts if _of_layer(p) and getattr(p, "rate" if isinstance(p, nn.Dropout) else "dropout", None)]
    runs = [p for p in parts if isinstance(p, (nn.BatchNorm, nn.SpectralNorm))]
    if not drops and not runs:
        return None
    words = _words(loss, [type(p) for p in parts if not _of_layer(p)])
    if words is None:
        return None
    own = words["class"] | words["loss"]
    if drops and not _names(words["loss"], "key") and not _names(own, "random", "rng", "fold_in") and not has_keys(model):
        return (f"the model holds {_a(drops[0])}, which drops nothing without a key: give the loss a parameter `key` and call "
                "model(x, key=key)")
    if runs and not _names(own, "train"):
        return (f"the model holds {_a(runs[0])}, which normalizes by its first statistics unless its method `train` is called: "
                "let the loss call y, new = model.train(x), and return (value, new); nn.Frozen(layer) keeps them as they are")
    return None


def _a(part: Any) -> str:
    name = type(part).__name__
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def _open(loss: Callable[..., Any]) -> bool:
    """Whether the loss takes keywords of any name."""
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(loss).parameters.values())


def _of_layer(part: Any) -> bool:
    return type(part).__module__.startswith("wengert.nn")


def _parts(x: Any) -> Iterator[Any]:
    """The dataclasses in a tree, but not what is frozen."""
    if isinstance(x, (tuple, list, dict)):
        for part in x.values() if isinstance(x, dict) else x:
            yield from _parts(part)
    elif dataclasses.is_dataclass(x) and not isinstance(x, (type, Frozen)):
        yield x
        for f in dataclasses.fields(x):
            yield from _parts(getattr(x, f.name))


def _names(words: set[str], *parts: str) -> bool:
    return any(part in word.lower() for word in words for part in parts)


def has_keys(x: Any) -> bool:
    """Whether a tree holds integers that may be keys."""
    return any(getattr(leaf, "dtype", None) == np.uint64 for leaf in flatten(x)[0])


def _words(loss: types.FunctionType, classes: list[type]) -> dict[str, set[str]] | None:
    """All names in the code that the loss reaches, and in that of classes; None if it reaches what cannot be read."""
    words: dict[str, set[str]] = {"loss": set(), "class": set()}
    if not _read(loss, words["loss"], set()):
        return None
    for kind in dict.fromkeys(classes):
        for base in kind.__mro__:
            for name, f in vars(base).items():
                f = inspect.unwrap(f) if callable(f) else f
                if (isinstance(f, types.FunctionType) and name != "train" and f.__code__.co_filename not in _WRITTEN
                        and not _read(f, words["class"], set())):
                    return None
    return words


def _read(f: types.FunctionType, words: set[str], seen: set[int]) -> bool:
    """Add the names in a function and in those that it calls; False if one of them cannot be read."""
    if id(f) in seen:
        return True
    seen.add(id(f))
    mine: set[str] = set()
    _of_code(f.__code__, mine)
    words |= mine
    try:
        around = inspect.getclosurevars(f)
    except ValueError:  # a cell that is empty yet
        return False
    for value in (*around.globals.values(), *around.nonlocals.values()):
        if isinstance(value, types.FunctionType) and not _is_known(value.__module__):
            if not _read(value, words, seen):
                return False
        elif isinstance(value, types.ModuleType):
            if not _is_known(value.__name__):
                return False
        elif has_keys(value):
            return False
        elif callable(value) and not _is_known(getattr(value, "__module__", None) or type(value).__module__):
            return False
    return True


def _of_code(code: types.CodeType, words: set[str]) -> None:
    words.update(code.co_names, code.co_varnames, code.co_freevars)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _of_code(constant, words)
        elif isinstance(constant, str):
            words.add(constant)
        elif isinstance(constant, tuple):  # names of keywords
            words.update(part for part in constant if isinstance(part, str))


def _is_known(module: str | None) -> bool:
    return (module or "").partition(".")[0] in _KNOWN
