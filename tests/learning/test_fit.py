"""`wg.fit` against loops written out by hand, and what it says of data and models that do not fit."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ConversionError, DataError, InputError, TrainingWarning
from wengert.flatten import flatten
from wengert.learning.step import Objective


@dataclass(frozen=True)
class Descent:
    """An optimizer by the contract alone."""

    rate: float = 0.1

    def init(self, params: Any) -> Any:
        return {"count": np.int64(0)}

    def update(self, gradient: Any, state: Any, params: Any) -> Any:
        g, (p, spec) = flatten(gradient)[0], flatten(params)
        new = [a if d is None else a - self.rate * d for a, d in zip(p, g, strict=True)]
        return spec.unflatten(new), {"count": state["count"] + 1}


@dataclass(frozen=True)
class Line:
    slope: Any
    offset: Any
    power: int = field(default=1, metadata={"static": True})

    def __call__(self, x: Any) -> Any:
        return self.slope * x ** self.power + self.offset


X = np.linspace(-1.0, 1.0, 23)
Y = 3.0 * X - 1.0
MODEL = Line(np.array(0.5), np.array(0.0))


def loss(model: Any, x: Any, y: Any) -> Any:
    return np.mean((model(x) - y) ** 2)


def test_equals_a_loop_by_hand() -> None:
    optimizer = Descent()

    @functools.partial(wg.jit, at_once=True)
    def update(model: Any, state: Any, x: Any, y: Any) -> Any:
        value, gradient = wg.value_and_grad(loss)(model, x, y)
        return value, *optimizer.update(gradient, state, model)

    model, state, losses = MODEL, optimizer.init(MODEL), []
    for epoch in range(4):
        for x, y in wg.minibatches((X, Y), 5, seed=3, epoch=epoch):
            value, model, state = update(model, state, x, y)
            losses.append(value)
    found = wg.fit(MODEL, loss, (X, Y), optimizer=optimizer, epochs=4, batch_size=5, seed=3)
    assert found.model == model
    assert found.state == state == {"count": 20}
    assert found.history.update_loss.tolist() == losses
    assert found.updates_per_epoch == 5 and found.history.update_epoch.tolist() == [1] * 5 + [2] * 5 + [3] * 5 + [4] * 5
    assert "5 updates per epoch" in str(found) and found.reason == "all epochs are done"


def test_each_row_once_and_another_order_each_epoch() -> None:
    orders = [np.concatenate(list(wg.minibatches(np.arange(23), 5, epoch=e))) for e in range(3)]
    assert all(sorted(order) == list(range(23)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert [len(x) for x in wg.minibatches(X, 5, drop_last=True)] == [5] * 4


def test_minibatches_refuse_at_the_call() -> None:
    with pytest.raises(DataError, match="minibatches: batch_size is 24, and data has 23 rows"):
        wg.minibatches((X, Y), 24)
    with pytest.raises(InputError, match="minibatches: epoch is a whole number from 0 up, not -1"):
        wg.minibatches((X, Y), 5, epoch=-1)


def test_a_smaller_last_batch_is_traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    traced, objective = [], Objective.__call__

    def noted(self: Objective, model: Any, args: Any, key: Any) -> Any:
        traced.append(args[0].shape)
        return objective(self, model, args, key)
    monkeypatch.setattr(Objective, "__call__", noted)
    wg.fit(MODEL, loss, (X, Y), optimizer=Descent(), epochs=5, batch_size=5)
    assert sorted(traced) == [(3,), (5,)]


BAD = {
    "empty": ((np.zeros((0, 3)), np.zeros(0)), {}, DataError, r"data is empty: data\[0\] has shape \(0, 3\)"),
    "lengths": ((X, Y[:-1]), {}, DataError, r"data\[0\] has 23 rows, and data\[1\] 22"),
    "batch": ((X, Y), {"batch_size": 24}, DataError, "batch_size is 24, and data has 23 rows"),
    "list": (([1.0, 2.0], Y), {}, InputError, r"data\[0\]\[0\] is a float; data are arrays"),
    "text": ((X, np.array(["a"] * 23)), {}, InputError, r"data\[1\] has dtype <U1"),
    "used up": (iter([(X, Y)]), {}, InputError, "used up after one epoch"),
    "no batch": (lambda: iter(()), {}, DataError, "gave no batch in epoch 1"),
    "batches twice": (lambda: [(X, Y)], {"batch_size": 2}, InputError, "batch_size is theirs"),
    "zero": ((X, Y), {"batch_size": 0}, InputError, "batch_size is a whole number from 1 up, not 0"),
    "metrics": ((X, Y), {"metrics": {"a": loss}}, InputError, "metrics asks for validation data"),
    "metrics list": ((X, Y), {"metrics": [loss], "validation": (X, Y)}, InputError, "metrics is a dict of functions"),
    "metrics name": ((X, Y), {"metrics": {"": loss}, "validation": (X, Y)}, InputError, "metrics is a dict of functions"),
    "patience": ((X, Y), {"patience": 0, "validation": (X, Y)}, InputError, "patience is a whole number from 1 up, not 0"),
    "clipping": ((X, Y), {"clip_norm": -1.0}, InputError, "clip_norm is a positive number, not -1.0"),
    "seconds": ((X, Y), {"checkpoint_every": "1m"}, InputError, "checkpoint_every is a number of seconds"),
    "callback": ((X, Y), {"callbacks": print}, InputError, "callbacks is a list of functions"),
    "gradient": ((X, Y), {"gradient": 3}, InputError, "gradient is a function"),
    "batches": ([(X, Y), (X, Y)], {}, InputError, r"arrays of all rows are a tuple, data=\(x, y\), and a list of batches is"),
    "resume": ((X, Y), {"resume": True}, InputError, "resume=True asks for checkpoint="),
}


@pytest.mark.parametrize("case", BAD)
def test_refuses(case: str) -> None:
    data, more, kind, text = BAD[case]
    with pytest.raises(kind, match=text):
        wg.fit(MODEL, loss, data, optimizer=Descent(), epochs=1, **more)


def test_refuses_to_be_differentiated() -> None:
    def trained(rate: Any, start: Any) -> Any:
        return wg.fit(Line(start, 0.0), loss, (X, Y), optimizer=wg.optim.SGD(rate), epochs=1).model.slope
    for k in (0, 1):
        with pytest.raises(ConversionError, match="is traced at .*test_fit.py:.*, and a run of training has no derivative"):
            wg.grad(trained, k)(0.1, 1.0)


def test_an_optimizer_is_an_object_and_not_its_class() -> None:
    with pytest.raises(InputError, match="the optimizer is a class"):
        wg.fit(MODEL, loss, (X, Y), optimizer=wg.optim.Adam, epochs=1)


def test_compiled_at_once_every_call_gives_the_same_bits() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.exp(np.sin(x)) / np.tanh(1.0 + x))
    once = wg.jit(wg.value_and_grad(f), at_once=True)
    x = np.linspace(0.1, 7.0, 1001)
    first = once(x)
    (staged,) = once.found.values()
    assert staged.program.compiled is not None
    for _ in range(10):
        again = once(x)
    assert again[0] == first[0] and np.array_equal(again[1], first[1])


def test_a_loss_that_cannot_be_staged_runs_with_one_warning() -> None:
    seen: list[Any] = []
    optimizer = wg.optim.Adam(wg.optim.CosineDecay(0.1, steps=15))

    def noting(model: Any, x: Any, y: Any) -> Any:
        value = loss(model, x, y)
        seen.append(len(x))
        if value > 1e9:
            seen.append(value)
        return value
    with pytest.warns(wg.StagingWarning, match="jit: fit with the loss .*noting runs unstaged") as caught:
        found = wg.fit(MODEL, noting, (X, Y), optimizer=optimizer, epochs=3, batch_size=5)
    assert len(caught) == 1
    staged = wg.fit(MODEL, loss, (X, Y), optimizer=optimizer, epochs=3, batch_size=5)
    np.testing.assert_allclose(found.history.update_loss, staged.history.update_loss, rtol=1e-12)


def test_the_curves() -> None:
    pytest.importorskip("matplotlib")
    found = wg.fit(MODEL, loss, (X, Y), optimizer=Descent(), epochs=4, batch_size=5, validation=(X, Y), metrics={"twice": loss})
    losses, metrics = found.plot().axes
    updates, training, validation, _ = losses.lines
    assert updates.get_ydata().tolist() == found.history.update_loss.tolist()
    np.testing.assert_allclose(updates.get_xdata(), np.arange(20) / 5)
    assert training.get_ydata().tolist() == found.history.loss.tolist()
    assert validation.get_ydata().tolist() == metrics.lines[0].get_ydata().tolist() == found.history.metrics["twice"].tolist()


class Plain:
    def __init__(self) -> None:
        self.w = np.zeros(3)


def test_a_plain_class_is_told_to_be_a_dataclass() -> None:
    with pytest.raises(InputError, match="the model is a Plain, which is no tree of arrays; a class is one as a dataclass"):
        wg.fit(Plain(), lambda m, x, y: np.mean((x @ m.w - y) ** 2), (X, Y), optimizer=wg.optim.SGD(0.1), epochs=1)


@pytest.mark.parametrize("size", [None, 5])
def test_a_loss_cannot_change_the_callers_data(size: int | None) -> None:
    x = X.copy()

    def doubling(p: Any, x: Any, y: Any) -> Any:
        x *= 2.0
        return np.mean((x @ p - y) ** 2)
    with pytest.raises(ValueError, match="read-only"):
        wg.fit(np.zeros(3), doubling, (x, Y), optimizer=wg.optim.SGD(0.1), epochs=2, batch_size=size, shuffle=False)
    np.testing.assert_array_equal(x, X)
    assert x.flags.writeable


def test_a_validation_loss_that_is_nan_is_told_once() -> None:
    with pytest.warns(TrainingWarning, match="on the validation data is NaN after epoch 1") as told:
        found = wg.fit(MODEL, loss, (X, Y), optimizer=wg.optim.SGD(0.1), epochs=3, validation=(np.nan * X, Y))
    assert len(told) == 1 and told[0].filename == __file__
    assert (found.epochs, found.best_epoch) == (3, None) and "no epoch had a number" in str(found)
