"""What `fit` says of layers that do nothing in training, and of which losses it says nothing."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import nn
from wengert.errors import TrainingWarning

X, Y = np.arange(12.0).reshape(6, 2) / 12.0, np.ones((6, 1))
KEY = wg.random.key(0)
LINEAR = nn.Linear.init(KEY, 2, 1)
DROPS, RUNS = nn.Sequential((LINEAR, nn.Dropout(0.5))), nn.Sequential((nn.BatchNorm.init(2), LINEAR))


@dataclass(frozen=True)
class Own:
    inner: Any

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        return self.inner(x, key=key)

    def train(self, x: Any, *, key: Any = None) -> Any:
        y, inner = self.inner.train(x, key=key)
        return y, Own(inner)


def plain(model: Any, x: Any, y: Any) -> Any:
    return np.mean((model(x) - y) ** 2)


def through(model: Any, x: Any, y: Any) -> Any:
    return plain(model, x, y)


def with_key(model: Any, x: Any, y: Any, *, key: Any) -> Any:
    return np.mean((model(x, key=key) - y) ** 2)


def one_key(model: Any, x: Any, y: Any) -> Any:
    return np.mean((model(x, key=KEY) - y) ** 2)


def with_train(model: Any, x: Any, y: Any) -> Any:
    y_found, new = model.train(x)
    return np.mean((y_found - y) ** 2), new


def through_train(model: Any, x: Any, y: Any) -> Any:
    return with_train(model, x, y)


def run(model: Any, loss: Any) -> None:
    wg.fit(model, loss, (X, Y), optimizer=wg.optim.SGD(0.01), epochs=2)


@pytest.mark.parametrize("model, loss, text", [
    (DROPS, plain, "holds a Dropout, which drops nothing without a key: give the loss a parameter `key`"),
    (DROPS, through, "Dropout"), (Own(DROPS), plain, "Dropout"),
    (RUNS, plain, "holds a BatchNorm, which normalizes by its first statistics"), (Own(RUNS), through, "BatchNorm"),
])
def test_idle_layers_are_told(model: Any, loss: Any, text: str) -> None:
    with pytest.warns(TrainingWarning, match=text) as told:
        run(model, loss)
    assert len(told) == 1 and told[0].filename == __file__


@pytest.mark.parametrize("model, loss", [
    (DROPS, with_key), (Own(DROPS), with_key), (DROPS, one_key), (nn.Sequential((LINEAR, nn.Dropout(0.0))), plain),
    (RUNS, with_train), (Own(RUNS), with_train), (RUNS, through_train),
    (nn.Sequential((nn.Frozen(nn.BatchNorm.init(2)), LINEAR)), plain), (LINEAR, plain),
])
def test_layers_at_work_are_not(model: Any, loss: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(model, loss)
