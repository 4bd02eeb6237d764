"""What `wg.fit` can be asked for: accumulation, keys, statistics, streams, files, validation; each against the plain way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import DataError, InputError, NonFiniteError

RNG = np.random.default_rng(1)
X = RNG.normal(size=(30, 3))
Y = X @ np.array([1.0, -2.0, 0.5]) + 0.3
START = {"w": np.zeros(3), "b": np.zeros(())}


def loss(model: Any, x: Any, y: Any) -> Any:
    return np.mean((x @ model["w"] + model["b"] - y) ** 2)


def train(data: Any = (X, Y), f: Any = loss, start: Any = START, **more: Any) -> wg.learning.Fit:
    return wg.fit(start, f, data, **{"optimizer": wg.optim.SGD(0.05), "epochs": 3, "seed": 2, **more})


def test_parts_of_a_batch_add_up_to_its_gradient() -> None:
    """Batches of 7 in parts of 3, 2 and 2 rows, the last batch of 2 rows in two: weights differ, the sum does not."""
    whole, parts = train(batch_size=7), train(batch_size=7, accumulate=3)
    assert parts.updates == whole.updates == 15
    np.testing.assert_allclose(parts.history.update_loss, whole.history.update_loss, rtol=1e-13)
    np.testing.assert_allclose(parts.model["w"], whole.model["w"], rtol=1e-13)


def test_full_batch_descent_is_one_update_per_epoch() -> None:
    found = train()
    model = START
    for _ in range(3):
        gradient = wg.grad(loss)(model, X, Y)
        model = {k: model[k] - 0.05 * gradient[k] for k in model}
    assert found.updates_per_epoch == 1 and "30 rows all at once: 1 update per epoch" in str(found)
    np.testing.assert_allclose(found.model["w"], model["w"], rtol=1e-13)


def test_the_key_is_of_the_update_and_none_in_validation() -> None:
    def noisy(model: Any, x: Any, y: Any, *, key: Any) -> Any:
        return loss(model, x if key is None else x + wg.random.normal(key, x.shape), y)
    found = train(f=noisy, batch_size=10, validation=(X, Y))
    model, losses = START, []
    for epoch in range(3):
        for k, (x, y) in enumerate(wg.minibatches((X, Y), 10, seed=2, epoch=epoch)):
            key = wg.random.fold_in(wg.random.key(2), 3 * epoch + k)
            value, gradient = wg.value_and_grad(lambda m: loss(m, x + wg.random.normal(key, x.shape), y))(model)
            model = {k: model[k] - 0.05 * gradient[k] for k in model}
            losses.append(value)
    np.testing.assert_allclose(found.history.update_loss, losses, rtol=1e-12)
    assert found.history.validation is not None
    np.testing.assert_allclose(found.history.validation[-1], loss(model, X, Y), rtol=1e-12)


@dataclass(frozen=True)
class Centered:
    """A layer with running statistics, an activation, and a number that is none of a float."""

    weight: Any
    mean: wg.nn.Frozen
    activation: Any
    label: str = "centered"
    count: int = 3


def test_statistics_are_taken_over_and_the_rest_stays() -> None:
    def centered(model: Any, x: Any, y: Any) -> Any:
        mean = np.mean(x, axis=0)
        new = wg.nn.Frozen(0.9 * model.mean.value + 0.1 * mean)
        out = model.activation((x - mean) @ model.weight)
        return np.mean((out - y) ** 2), replace(model, mean=new)
    start = Centered(np.full(3, 0.1), wg.nn.Frozen(np.zeros(3)), np.tanh)
    for accumulate in (1, 2):
        found = train(f=centered, start=start, batch_size=10, accumulate=accumulate, epochs=2).model
        mean = np.zeros(3)
        for epoch in range(2):
            for x in wg.minibatches(X, 10, seed=2, epoch=epoch):
                for part in np.split(x, accumulate):
                    mean = 0.9 * mean + 0.1 * part.mean(axis=0)
        np.testing.assert_allclose(found.mean.value, mean, rtol=1e-13)
        assert found.activation is np.tanh and (found.label, found.count) == ("centered", 3)
        assert np.all(found.weight != 0.1)


def test_float32_stays() -> None:
    found = train((np.float32(X), np.float32(Y)), start={k: np.float32(v) for k, v in START.items()}, batch_size=7,
                  optimizer=wg.optim.Adam(0.01), clip_norm=1.0, accumulate=2)
    assert {k: np.asarray(v).dtype for k, v in found.model.items()} == {"w": np.float32, "b": np.float32}


def test_clipping_is_of_the_whole_gradient() -> None:
    found = train(clip_norm=0.5, epochs=1)
    step = np.concatenate([found.model["w"], [found.model["b"]]]) / 0.05
    np.testing.assert_allclose(np.linalg.norm(step), 0.5, rtol=1e-12)


def test_a_file_larger_than_a_batch_is_read_row_by_row(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    tree = {"x": mapped, "y": Y}
    found = train(tree, lambda model, batch: loss(model, batch["x"], batch["y"]), batch_size=7)
    assert found.model["w"].tolist() == train(batch_size=7).model["w"].tolist()


def test_a_stream_gives_what_the_same_arrays_give() -> None:
    def batches(epoch: int) -> Iterator[Any]:
        return wg.minibatches((X, Y), 7, seed=2, epoch=epoch)
    found = train(batches)
    assert found.model["w"].tolist() == train(batch_size=7).model["w"].tolist()
    assert found.updates_per_epoch == 5 and "a stream: 5 updates per epoch" in str(found)


def _ends_early() -> Any:
    left = iter((3, 2))
    return lambda: iter([(X[:5], Y[:5])] * next(left))


STREAMS = {
    "early": (_ends_early(), DataError, r"data\(\) ended early in epoch 2: after 2 batches, and an epoch before it had 3", 5),
    "shapes": (lambda: iter([(X, Y), (X[:, :2], Y)]), DataError,
               r"batch 2 of epoch 1 .*: batch\[0\] is float64\[30, 2\], and that of the first batch float64\[any, 3\]", 1),
    "dtype": (lambda: iter([(X, Y), (np.float32(X), Y)]), DataError, r"batch\[0\] is float32\[30, 3\]", 1),
    "structure": (lambda: iter([(X, Y), X]), DataError, "batch 2 of epoch 1 .* has the structure", 1),
    "lengths": (lambda: iter([(X, Y[:4])]), DataError, r"shapes \(30, 3\), \(4,\)", 0),
    "none": (lambda: None, InputError, r"data\(\) gives None", 0),
}


@pytest.mark.parametrize("case", STREAMS)
def test_what_is_wrong_with_a_stream(case: str) -> None:
    data, kind, text, updates = STREAMS[case]
    with pytest.raises(kind, match=text) as caught:
        train(data)
    assert caught.value.fit.updates == updates  # nothing is lost
    assert caught.value.fit.reason == "stopped by an error"


def test_early_stopping_gives_the_best_model() -> None:
    """A model that was best after the third epoch: validation data are a line that training passes by."""
    def error(model: Any, x: Any) -> Any:
        return np.mean((model["w"] - x) ** 2)
    start = {"w": 0.0}
    history: list[float] = []
    found = wg.fit(start, error, np.array([1.0]), validation=np.array([0.5]), optimizer=wg.optim.SGD(0.1), epochs=50,
                   patience=4,
                   metrics={"distance": lambda model, x: np.mean(np.abs(model["w"] - x))},
                   callbacks=[lambda fit: history.append(fit.model["w"])])
    assert (found.best_epoch, found.epochs, found.reason) == (3, 7, "no better for 4 epochs")
    np.testing.assert_allclose(found.model["w"], 1 - 0.8 ** 3, rtol=1e-14)
    np.testing.assert_allclose(found.history.metrics["distance"], np.abs(1 - 0.8 ** np.arange(1, 8) - 0.5), rtol=1e-13)
    assert len(history) == 7


def test_validation_is_a_mean_over_rows() -> None:
    found = train(batch_size=7, validation=(X[:10], Y[:10]), epochs=1)
    assert found.history.validation is not None
    np.testing.assert_allclose(found.history.validation, [loss(found.model, X[:10], Y[:10])], rtol=1e-13)


def test_a_callback_ends_the_run() -> None:
    found = train(epochs=9, callbacks=[lambda fit: fit.epochs == 2])
    assert (found.reason, found.epochs) == ("stopped by a callback", 2)


def test_another_gradient() -> None:
    def twice(model: Any, x: Any, y: Any) -> Any:
        value, gradient = wg.value_and_grad(loss)(model, x, y)
        return value, {k: 2 * v for k, v in gradient.items()}
    found, plain = train(gradient=twice), train(optimizer=wg.optim.SGD(0.1))
    np.testing.assert_allclose(found.model["w"], plain.model["w"], rtol=1e-13)


def test_what_does_not_fit_is_told_before_training() -> None:
    with pytest.raises(ValueError, match="matmul") as caught:
        train((X[:, :2], Y))
    line, update = caught.value.__notes__
    assert line.startswith(f"raised at {__file__}:")
    assert update == ("fit: in the first update, of a batch with batch[0] float64[30, 2], batch[1] float64[30]; "
                      "rows 0 to 29 of the data")
    with pytest.raises(ValueError, match="matmul") as caught:
        train(validation=(X[:, :2], Y))
    assert "on the first batch of the validation data" in caught.value.__notes__[-1]
    assert caught.value.fit.updates == 0
    with pytest.raises(InputError, match="holds no float"):
        train(start={"w": 3})


def test_a_loss_that_is_not_finite_names_operation_line_and_rows() -> None:
    def bad(model: Any, x: Any, y: Any) -> Any:
        return np.mean(np.log(model["w"] @ x.T + 4.0))
    with pytest.raises(NonFiniteError) as caught:
        train(f=bad, batch_size=10, epochs=100, optimizer=wg.optim.SGD(1.0))
    error = caught.value
    assert error.finding.operation == "log" and error.finding.passed == "forward"
    assert error.finding.source == 'return np.mean(np.log(model["w"] @ x.T + 4.0))'
    assert error.rows.size == 10 and np.isfinite(error.fit.model["w"]).all()
    assert error.fit.updates == 3 * (error.epoch - 1) + error.step - 1 > 0
    x = X[error.rows]
    assert np.any(error.fit.model["w"] @ x.T + 4.0 < 0)  # the rows are those of the batch


def test_a_gradient_that_is_not_finite_is_found_in_the_backward_pass() -> None:
    def bad(model: Any, x: Any, y: Any) -> Any:
        return np.sqrt(np.sum(model["w"] ** 2)) + loss(model, x, y)
    with pytest.raises(NonFiniteError, match="its gradient is not finite, in epoch 1, step 1") as caught:
        train(f=bad)
    finding = caught.value.finding
    assert finding.passed == "backward" and finding.cause.operation == "divide" and "np.sqrt" in finding.cause.source


def test_bad_data_are_named() -> None:
    y = Y.copy()
    y[[4, 17]] = np.nan
    with pytest.raises(NonFiniteError, match=r"batch\[1\] holds NaN in rows 4, 17"):
        train((X, y))


def test_what_a_loss_reads_from_around_it_may_change_and_its_loops_stay_loops() -> None:
    """The loss, the metrics: a captured number that a callback changes; a loop with an end that the values decide."""
    weight = [1.0]

    def looped(model: Any, x: Any, y: Any) -> Any:
        total = 0.0
        for _ in range(50):
            total = total + weight[0] * loss(model, x, y)
            if total > 1e9:
                break
        return total / 50

    def off(found: Any) -> None:
        weight[0] = 0.0
    metrics = {"w": lambda m, x, y: weight[0] + 0.0 * y[0]}
    found = train(f=looped, batch_size=10, validation=(X, Y), callbacks=[off], metrics=metrics)
    np.testing.assert_allclose(found.model["w"], train(batch_size=10, epochs=1).model["w"], rtol=1e-12)
    assert found.history.validation is not None and found.history.validation[1] == found.history.metrics["w"][1] == 0.0


def test_a_given_gradient_is_taken_in_parts_too_and_checked() -> None:
    rows = []

    def given(model: Any, x: Any, y: Any) -> Any:
        rows.append(len(x))
        return wg.value_and_grad(loss)(model, x, y)
    found = train(batch_size=10, accumulate=3, gradient=given, epochs=1)
    assert rows == [3, 3, 4] * 3
    np.testing.assert_allclose(found.model["w"], train(batch_size=10, epochs=1).model["w"], rtol=1e-13)
    g = {"w": np.ones(3), "b": 1.0}
    for out, text in ((g, "a pair"), ((np.ones(2), g), "one real number"), ((1j, g), "one real number"),
                      ((1.0, {"w": None, "b": 1.0}), r"for model\['w'\]"), ((1.0, {"w": np.ones(4), "b": 1.0}), "has shape")):
        with pytest.raises(InputError, match=text):
            train(gradient=lambda model, x, y, out=out: out)


def test_a_comparison_of_numpys_ends_the_run() -> None:
    assert train(callbacks=[lambda f: f.history.loss[-1] < np.inf]).reason == "stopped by a callback"


def test_squares_that_overflow_are_told() -> None:
    """float32: the gradient is finite, its square is not, and Adam would never move again."""
    start = {"w": np.full(3, 1e12, np.float32), "b": np.float32(0.0)}
    with pytest.raises(NonFiniteError, match=r"state.slots\['square'\]\['w'\] is not finite after epoch 1"):
        train((X.astype(np.float32) * 1e4, Y.astype(np.float32)), start=start, optimizer=wg.optim.Adam(0.1))


def test_a_constant_that_is_not_finite_is_told() -> None:
    bad = np.array([np.nan, 1.0, 1.0])
    told = "NaN came in with a constant, at entry .0., .*\n.*: it is among what the loss reads from around it"
    with pytest.raises(NonFiniteError, match=told):
        train(f=lambda model, x, y: loss(model, x * bad, y))


def test_data_on_the_disk_are_the_same_data(tmp_path):
    """A memory map is read batch by batch, and gives what the array gives, bit for bit."""
    x = np.random.default_rng(0).normal(size=(50, 3))
    stored = np.memmap(tmp_path / "rows", x.dtype, "w+", shape=x.shape)
    stored[:] = x
    stored.flush()
    del stored
    mapped = np.memmap(tmp_path / "rows", x.dtype, "r", shape=x.shape)

    def error(model, rows):
        return np.mean((rows - model["w"]) ** 2)
    found = [wg.fit({"w": np.zeros(3)}, error, data, optimizer=wg.optim.Adam(0.1), epochs=3, batch_size=16).model["w"]
             for data in (x, mapped)]
    np.testing.assert_array_equal(found[0], found[1])
