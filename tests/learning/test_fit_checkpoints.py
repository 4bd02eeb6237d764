"""Runs that end before their end: killed, interrupted, on a full disk; and what goes on from there."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import CheckpointWarning, DataError, InputError, NonFiniteError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(23, 3))
Y = np.sin(X @ np.ones(3))
MODEL = {"hidden": (0.1 * RNG.normal(size=(3, 4)), np.zeros(4)), "out": 0.1 * RNG.normal(size=4), "scale": wg.nn.Frozen(1.5)}


def loss(model: Any, x: Any, y: Any, *, key: Any) -> Any:
    w, b = model["hidden"]
    noise = 0.0 if key is None else 0.1 * wg.random.normal(key, x.shape)
    return np.mean((np.tanh((x + noise) @ w + b) @ model["out"] * model["scale"].value - y) ** 2)


def train(epochs: int = 4, **more: Any) -> wg.learning.Fit:
    given = {"batch_size": 5, "seed": 7, "validation": (X[:7], Y[:7]), "patience": 10, **more}
    return wg.fit(MODEL, loss, (X, Y), optimizer=wg.optim.Adam(0.01), epochs=epochs, **given)


def same(a: wg.learning.Fit, b: wg.learning.Fit) -> bool:
    """Bit for bit, but for the clock."""
    from wengert.flatten import flatten
    pairs = [(a.model, b.model), (a.state, b.state), *[(getattr(a.history, n), getattr(b.history, n))
             for n in ("loss", "validation", "update_loss", "update_epoch")]]
    return all(type(p) is type(q) and np.array_equal(p, q) for s, t in pairs
               for p, q in zip(flatten(s)[0], flatten(t)[0], strict=True)) and a.best_epoch == b.best_epoch


KILLED = """
import os, signal, sys
sys.path.insert(0, {folder!r})
import test_fit_checkpoints as t
count, sync = [0], os.fsync
def fsync(number):
    count[0] += 1
    if count[0] == 25:  # of a file and then of its folder: in the middle of writing the checkpoint of the 12th update
        os.kill(os.getpid(), signal.SIGKILL)
    sync(number)
os.fsync = fsync
t.train(checkpoint={path!r}, checkpoint_every=0)
"""


def test_goes_on_after_a_kill_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    program = KILLED.format(folder=str(Path(__file__).parent), path=str(path))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ})
    assert done.returncode == -signal.SIGKILL, done.stderr
    with np.load(path) as content:
        assert content["history losses"].size == 11  # in the third epoch of five updates each
    assert len(list(tmp_path.iterdir())) == 2  # and what was being written
    assert same(train(checkpoint=path, resume=True), train())
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def test_goes_on_after_its_end_and_refuses_another_run(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    train(2, checkpoint=path)
    assert same(train(4, checkpoint=path, resume=True), train(4))
    assert train(4, checkpoint=path, resume=True).updates == 20
    with pytest.raises(DataError, match="of another run: there batch_size is 5, and here 6"):
        train(4, checkpoint=path, resume=True, batch_size=6)
    with pytest.raises(DataError, match=r"there model\['out'\] is float64\[4\], and here float64\[5\]"):
        wg.fit({**MODEL, "out": np.zeros(5)}, loss, (X, Y), optimizer=wg.optim.Adam(), epochs=4, batch_size=5, seed=7,
               checkpoint=path, resume=True)
    with pytest.raises(DataError, match="there state.*mean.* and here"):
        wg.fit(MODEL, loss, (X, Y), optimizer=wg.optim.SGD(0.1), epochs=4, batch_size=5, seed=7, checkpoint=path, resume=True)
    def of_another_kind(path: Path) -> None:
        np.savez(path, header=np.frombuffer(b'{"format": 2}', np.uint8))

    def put_together_otherwise(path: Path) -> None:
        train(2, checkpoint=path.with_name("other.npz"))
        with np.load(path.with_name("other.npz")) as content:
            found = {name: content[name] for name in content.files}
        np.savez(path, **found | {"model 0": np.float32(1)})

    def one_array(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, X)
    for spoil in (lambda path: path.write_bytes(path.read_bytes()[:500]), of_another_kind, put_together_otherwise, one_array):
        spoil(path)
        with pytest.raises(DataError, match="is no checkpoint, or a damaged one"):
            train(4, checkpoint=path, resume=True)


def test_validation_may_be_added_when_a_run_goes_on(tmp_path: Path) -> None:
    """What was not measured is NaN, and each value stands at its epoch."""
    path = tmp_path / "run.npz"
    train(2, checkpoint=path, validation=None, patience=None)
    found, whole = train(4, checkpoint=path, resume=True), train(4)
    assert found.history.validation is not None and whole.history.validation is not None
    assert np.isnan(found.history.validation[:2]).all()
    np.testing.assert_array_equal(found.history.validation[2:], whole.history.validation[2:])
    assert found.best_epoch in (3, 4) and f"in epoch {found.best_epoch}" in str(found)


def failing(monkeypatch: pytest.MonkeyPatch, when: Callable[[int], bool]) -> list[int]:
    """A disk that is full at the times given."""
    count, write = [0], np.savez

    def savez(file: Any, **content: Any) -> None:
        count[0] += 1
        if when(count[0]):
            file.write(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")
        write(file, **content)
    monkeypatch.setattr(np, "savez", savez)
    return count


def test_a_full_disk_is_told_and_the_last_good_checkpoint_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.npz"
    failing(monkeypatch, lambda k: k >= 12)  # the first is written before the first update
    with pytest.warns(CheckpointWarning, match=r"after update .*No space left on device.*the one before it stays"):
        found = train(checkpoint=path, checkpoint_every=0)
    assert same(found, train())
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]
    with np.load(path) as content:
        assert content["history losses"].size == 10
    monkeypatch.undo()
    assert same(train(checkpoint=path, resume=True), found)


def test_a_place_that_cannot_be_written_is_told_before_training(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run\.npz cannot be written: there is no folder .*nowhere$"):
        train(checkpoint=tmp_path / "nowhere" / "run.npz")


def test_a_good_checkpoint_is_not_overwritten_by_another_run(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    train(2, checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="is there; go on from it with resume=True, or remove it"):
        train(2, checkpoint=path)
    assert path.read_bytes() == before


def test_a_run_ended_by_an_error_can_go_on(tmp_path: Path) -> None:
    path, whole = tmp_path / "run.npz", train()

    def failing_once(fit: wg.learning.Fit) -> None:
        if fit.epochs == 3:
            raise OSError("no connection")
    with pytest.raises(OSError, match="no connection"):
        train(checkpoint=path, callbacks=[failing_once])
    with np.load(path) as content:
        assert content["history losses"].size == 15
    assert same(train(checkpoint=path, resume=True), whole)


def test_a_model_that_became_infinite_does_not_replace_a_good_one(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"

    def steep(p: Any, x: Any) -> Any:
        return np.mean(p["a"] * x)
    with pytest.raises(NonFiniteError, match=r"model\['a'\] is not finite after epoch"), np.errstate(all="ignore"):
        wg.fit({"a": 1.0}, steep, np.ones(1), optimizer=wg.optim.SGD(8e307), epochs=9, checkpoint=path)
    with np.load(path) as content:
        assert np.isfinite(content["model 0"])


def test_an_interrupted_run_gives_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"

    def batches() -> Any:
        for k in range(5):
            if k == 3 and not path.with_suffix(".seen").exists():
                path.with_suffix(".seen").touch()
                os.kill(os.getpid(), signal.SIGINT)
            yield X[4 * k:4 * k + 4], Y[4 * k:4 * k + 4]
    before = signal.getsignal(signal.SIGINT)
    found = wg.fit(MODEL, loss, batches, optimizer=wg.optim.Adam(0.01), epochs=3, checkpoint=path)
    assert (found.reason, found.updates, found.epochs) == ("interrupted", 4, 0)
    assert signal.getsignal(signal.SIGINT) is before
    again = wg.fit(MODEL, loss, batches, optimizer=wg.optim.Adam(0.01), epochs=3, checkpoint=path, resume=True)
    whole = wg.fit(MODEL, loss, batches, optimizer=wg.optim.Adam(0.01), epochs=3)
    assert (again.reason, again.updates) == ("all epochs are done", 15)
    assert again.history.update_loss.tolist() == whole.history.update_loss.tolist()
