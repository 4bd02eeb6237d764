"""The loop of training.

What comes in: a model, a loss, data, an optimizer. What goes out: a `Fit`. The one idea: all that changes from one update
to the next is one tuple, replaced at once; whatever ends the run, the last complete update is there, to be returned,
written and resumed.
"""

from __future__ import annotations

import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wengert.errors import CheckpointWarning, ConversionError, InputError, NonFiniteError, TrainingWarning, kind_of
from wengert.flatten import flatten, is_array, is_inexact, trainable
from wengert.progress import Progress
from wengert.random import key as key_of
from wengert.staging import jit
from wengert.structured import call, user_line

from .checkpoint import clear, read, write
from .data import Batch, Rows, Stream, source_of, whole
from .idle import has_keys, idle
from .nonfinite import nonfinite_error
from .result import Fit, History
from .step import Objective, Updates, named

__all__ = ["fit"]

INTERRUPTED, DONE = "interrupted", "all epochs are done"
_NONE: Mapping[str, Any] = {}
_SHOWN = 0.1  # seconds between two changes of the progress bar


class Now(NamedTuple):
    """Where a run stands after an update."""

    arrays: tuple[Any, ...]
    state: tuple[Any, ...]
    epoch: int  # epochs that are done
    step: int  # updates of the next one that are done
    updates: int
    total: float  # of this epoch: the sum of losses times rows
    rows: int
    seconds: float  # of this epoch, before the run was resumed


def fit(model: Any, loss: Callable[..., Any], data: Any, *, optimizer: Any, epochs: int, batch_size: int | None = None,
        shuffle: bool = True, drop_last: bool = False, accumulate: int = 1, clip_norm: float | None = None,
        gradient: Callable[..., Any] | None = None, validation: Any = None, metrics: Mapping[str, Callable[..., Any]] = _NONE,
        patience: int | None = None, checkpoint: str | Path | None = None, checkpoint_every: float = 60.0,
        resume: bool = False, callbacks: Sequence[Callable[[Fit], Any]] = (), seed: int = 0, progress: bool = True) -> Fit:
    """Minimize the mean of a loss over data: one update from each batch, compiled whole (see docs/fit.md).

    Parameters
    ----------
    model : tree
        A dataclass, tuple, list or dict of arrays; floats that are not below ``wg.nn.Frozen`` are trained.
    loss : callable
        ``loss(model, *batch)``, a mean over rows. A parameter named ``key`` gets a fresh key with each update, and None in
        validation. It may give ``(number, model)``: what is not trained of that model (running statistics) is taken over.
    data : tree of arrays, or callable
        Arrays of one leading length (an `np.memmap` stays on the disk); the rows of a tuple are several arguments of the
        loss. Or a stream: a function, of nothing or of ``epoch``, that makes a generator of batches.
    optimizer
        With ``init(model)`` and ``update(gradient, state, model)``: ``wg.optim.Adam(1e-3)``.
    epochs, batch_size : int
        Rows of a batch: all if it is None; the last batch may be smaller. Updates per epoch: n / batch_size, rounded up.
    shuffle, drop_last, seed : bool, bool, int
        Rows in a new order, of `seed` and the epoch alone; no smaller last batch; keys are of `seed`, too.
    accumulate, clip_norm : int, float
        Compute a batch's gradient in so many parts, one after the other; the most that the norm of it all may be.
    gradient : callable, optional
        ``gradient(model, *batch)`` gives ``(value, gradient)`` in the place of the derivative of the loss.
    validation, metrics, patience : tree of arrays or callable, dict of str to callable, int
        After each epoch, loss and ``metric(model, *batch)`` on other data, means over rows; stop after so many epochs
        without a lower loss, and give the model that had the lowest.
    checkpoint, checkpoint_every, resume : path, float, bool
        A file with the state of the run, replaced as a whole about every so many seconds; `resume` goes on from it, if it
        is there, bit for bit as without a break.
    callbacks, progress : sequence of callable, bool
        Each is called with a `Fit` after each epoch, and ends the run by True; False: no progress bar on the terminal.

    Returns
    -------
    Fit
        Also of Ctrl-C, which ends the run after the update at work (at once if it comes twice). An error (`NonFiniteError`,
        `DataError`, `InputError`) has the run up to the update before it as its attribute ``fit``.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> x, line = np.linspace(-1.0, 1.0, 50), lambda p, x, y: np.mean((p["a"] * x + p["b"] - y) ** 2)
    >>> found = wg.fit({"a": 0.0, "b": 0.0}, line, (x, 3 * x - 1), optimizer=wg.optim.SGD(0.1), epochs=40, batch_size=10)
    >>> round(float(found.model["a"]), 2), round(float(found.model["b"]), 2), found.updates_per_epoch
    (3.0, -1.0, 5)
    """
    _require(model, loss, optimizer, metrics, validation is None and bool(metrics or patience is not None),
             resume and checkpoint is None)
    _require_settings(clip_norm, gradient, checkpoint_every, callbacks)
    patience = None if patience is None else whole("patience", patience)
    given = Given(whole("epochs", epochs, 0), None if batch_size is None else whole("batch_size", batch_size), shuffle,
                  drop_last, whole("accumulate", accumulate), clip_norm, gradient, dict(metrics), patience, checkpoint,
                  checkpoint_every, callbacks, whole("seed", seed, 0))
    return _Training(model, loss, data, validation, optimizer, given).run(resume, progress)


class Given(NamedTuple):
    """What a run is asked for, checked."""

    epochs: int
    batch_size: int | None
    shuffle: bool
    drop_last: bool
    accumulate: int
    clip_norm: float | None
    gradient: Callable[..., Any] | None
    metrics: dict[str, Callable[..., Any]]
    patience: int | None
    checkpoint: str | Path | None
    checkpoint_every: float
    callbacks: Sequence[Callable[[Fit], Any]]
    seed: int


def _require(model: Any, loss: Any, optimizer: Any, metrics: Mapping[str, Any], unmeasured: bool, nowhere: bool) -> None:
    if not callable(loss):
        raise InputError(f"fit: the loss is a function of model and batch, not {kind_of(loss)}")
    if not (callable(getattr(optimizer, "init", None)) and callable(getattr(optimizer, "update", None))):
        raise InputError(f"fit: the optimizer is {kind_of(optimizer)}; it has functions init and update: wg.optim.Adam(1e-3)")
    if isinstance(optimizer, type):
        raise InputError(f"fit: the optimizer is a class; make one of it: wg.optim.{optimizer.__name__}(...)")
    if not isinstance(metrics, Mapping) or not all(isinstance(name, str) and name for name in metrics):
        raise InputError("fit: metrics is a dict of functions of model and batch, by their names: "
                         'metrics={"accuracy": accuracy}')
    for name, f in metrics.items():
        if not callable(f):
            raise InputError(f"fit: metrics[{name!r}] is a function of model and batch, not {kind_of(f)}")
    if unmeasured:
        raise InputError(f"fit: {'metrics' if metrics else 'patience'} asks for validation data: validation=(x, y)")
    if nowhere:
        raise InputError("fit: resume=True asks for checkpoint=, the file to go on from")
    if any(is_inexact(x) and not is_array(x) for x in (*flatten(model)[0], *flatten(optimizer)[0])):
        raise ConversionError(f"fit: the model, or the optimizer, is traced at {user_line()}, and a run of training has no "
                              "derivative; train outside of the differentiated function, or write the updates as a loop in it")
    if flatten(model)[1].tree is None and not is_array(model):
        raise InputError(f"fit: the model is {kind_of(model)}, which is no tree of arrays; a class is one as a dataclass: "
                         "@dataclass(frozen=True) with its arrays as fields, given as an instance")
    if not any(trainable(model)):
        raise InputError("fit: the model holds no float that could be trained; write 3.0 for 3, or convert it: x.astype(float)")


def _require_settings(clip_norm: Any, gradient: Any, seconds: Any, callbacks: Any) -> None:
    if clip_norm is not None and not (_is_number(clip_norm) and clip_norm > 0):
        raise InputError(f"fit: clip_norm is a positive number, not {clip_norm!r}")
    if not (_is_number(seconds) and seconds >= 0):
        raise InputError(f"fit: checkpoint_every is a number of seconds, not {seconds!r}")
    if gradient is not None and not callable(gradient):
        raise InputError(f"fit: gradient is a function that gives value and gradient, not {kind_of(gradient)}")
    if not isinstance(callbacks, Sequence) or not all(map(callable, callbacks)):
        raise InputError("fit: callbacks is a list of functions of a Fit: callbacks=[f]")


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float, np.integer, np.floating)) and not isinstance(x, bool)


class _Training:
    """A run: what is fixed, what has been, and where it stands."""

    def __init__(self, model: Any, loss: Callable[..., Any], data: Any, validation: Any, optimizer: Any, given: Given):
        self.given, self.seed, self.key = given, given.seed, key_of(given.seed)
        self.source = source_of("data", data, given.batch_size, shuffle=given.shuffle, drop_last=given.drop_last,
                                seed=given.seed)
        self.validation = None if validation is None else source_of("validation", validation, None)
        if isinstance(self.validation, Rows) and isinstance(self.source, Rows):
            self.validation.cut(self.source.batch_size)
        self.path = None if given.checkpoint is None else Path(given.checkpoint)
        if self.path is not None and not self.path.parent.is_dir():
            raise InputError(f"fit: the checkpoint {self.path} cannot be written: there is no folder {self.path.parent}")
        self.objective = Objective(loss)
        state = optimizer.init(model)
        self.updates = Updates(self.objective, optimizer, model, state, given.clip_norm, given.gradient)
        self.parts = self.updates.model
        self.measures = {"": self._of_model("the loss", lambda model, args: self.objective(model, args, None)[0]),
                         **{name: self._of_model(f"the metric {name!r}", lambda model, args, f=f: call(f, model, *args))
                            for name, f in given.metrics.items()}}
        self.now = Now(self.parts.take(model, "the model"), self.updates.state.take(state, "the state"), 0, 0, 0, 0.0, 0, 0.0)
        self.start = self.now
        self.losses: list[float] = []
        self.steps: list[int] = []  # updates at the end of each epoch
        self.epoch_losses: list[float] = []
        self.seconds: list[float] = []
        self.measured: dict[str, list[float]] = {name: [] for name in self.measures}
        self.best: tuple[tuple[Any, ...], int] | None = None  # arrays, and the number of epochs that they have had
        self.reason = ""
        self.told = False  # that the validation loss is NaN
        self.saved = 0.0
        self.modes: Any = np.geterr()  # for code of the user's that is none of the model's
        self.spent, self.begun = 0.0, time.perf_counter()  # seconds before the run was resumed, and when it was
        self._tell_idle(model, loss, data)

    def _of_model(self, name: str, f: Callable[..., Any]) -> Callable[..., Any]:
        """A function of model and batch as one of arrays, compiled."""
        put = self.parts.put

        def of_arrays(arrays: tuple[Any, ...], args: tuple[Any, ...]) -> Any:
            return f(put(arrays), args)
        return jit(named(of_arrays, f"fit on validation data, {name}"), at_once=True)

    def _tell_idle(self, model: Any, loss: Callable[..., Any], data: Any) -> None:
        """Warn of layers that the loss leaves idle; keys among the data may be what they draw with."""
        found = None if self.given.gradient is not None or callable(data) or has_keys(data) else idle(model, loss)
        if found:
            warnings.warn(f"fit: {found}", TrainingWarning, stacklevel=4)

    # ------------------------------------------------------------ the loop

    def run(self, resume: bool, shown: bool) -> Fit:
        if resume:
            self._resume()
        elif self.path is not None and self.path.exists():
            raise InputError(f"fit: the checkpoint {self.path} is there; go on from it with resume=True, or "
                             "remove it to begin anew")
        total = None if self.source.updates is None else self.source.updates * self.given.epochs
        try:
            # NumPy's warnings: what is not finite ends the run, and is told with its origin
            with _Interrupts() as asked, Progress(total) as progress, np.errstate(all="ignore"):
                self.asked, self.shown = asked, 0.0
                self.progress = progress if shown and progress.enabled else None
                self._check()
                self._save()
                self._ended()
                while not self.reason:
                    self._epoch()
        except KeyboardInterrupt:
            self.reason = INTERRUPTED
        except Exception as error:
            error.fit = self.result("stopped by an error")  # type: ignore[attr-defined]
            if self.saved and self._first_not_finite() is None:  # else the file that is there is the good one
                self._save()
            raise
        self._save()
        return self.result(self.reason)

    def _epoch(self) -> None:
        now, begun = self.now, time.perf_counter()
        for batch in self.source.batches(now.epoch, now.step):
            self._update(batch)
            if self.asked.count:
                self.reason = INTERRUPTED
                self.now = self.now._replace(seconds=now.seconds + time.perf_counter() - begun)
                return
            if self.path is not None and time.perf_counter() - self.saved >= self.given.checkpoint_every:
                self._save(5)
        now = self.now
        self._require_finite()
        found = {name: self._measure(f) for name, f in self.measures.items()} if self.validation is not None else {}
        self.asked.held = True
        self.epoch_losses.append(now.total / now.rows)
        self.steps.append(now.updates)
        self.seconds.append(now.seconds + time.perf_counter() - begun)
        for name, value in found.items():
            self.measured[name].append(value)
        if found and math.isnan(found[""]) and not self.told:
            self.told = True
            warnings.warn(f"fit: the loss on the validation data is NaN after epoch {now.epoch + 1}; training goes on, and "
                          "such an epoch counts as no better", TrainingWarning, stacklevel=4)
        if found and found[""] < (self.measured[""][self.best[1] - 1] if self.best else math.inf):
            self.best = now.arrays, now.epoch + 1
        self.now = Now(now.arrays, now.state, now.epoch + 1, 0, now.updates, 0.0, 0, 0.0)
        self.asked.held = False
        for callback in self.given.callbacks:
            with np.errstate(**self.modes):
                ended = callback(self.result(""))
            if isinstance(ended, (bool, np.bool_)) and ended:
                self.reason = "stopped by a callback"
        self._ended()

    def _update(self, batch: Batch) -> None:
        now = self.now
        try:
            value, arrays, state, finite = self.updates(now.arrays, now.state, batch, self.key, now.updates,
                                                        self.given.accumulate)
        except Exception as error:
            which = "the first update" if not now.updates else f"epoch {now.epoch + 1}, step {now.step + 1}"
            error.add_note(f"fit: in {which}, of a batch with {batch.shapes()}; {batch.where()}")
            raise
        value = float(value)
        if not finite:
            raise nonfinite_error(self.updates, now.arrays, batch, self.key, now.updates, now.epoch, now.step, value,
                                  self.given.accumulate)
        self.losses.append(value)
        self.now = Now(arrays, state, now.epoch, now.step + 1, now.updates + 1, now.total + value * batch.size,
                       now.rows + batch.size, now.seconds)
        if self.progress is not None and (clock := time.perf_counter()) - self.shown > _SHOWN:
            self._show(clock)

    def _first_not_finite(self) -> tuple[str, Any] | None:
        """What is trained, or the optimizer remembers, that became NaN or infinite: its name and dtype."""
        for owner, parts, arrays, start in (("model", self.parts, self.now.arrays, self.start.arrays),
                                            ("state", self.updates.state, self.now.state, self.start.state)):
            for name, x, before in zip(parts.names(owner), arrays, start, strict=True):
                if np.asarray(x).dtype.kind in "fc" and not np.all(np.isfinite(x)) and np.all(np.isfinite(before)):
                    return name, np.asarray(x).dtype
        return None

    def _require_finite(self) -> None:
        """Losses may not tell that an update gave NaN or infinity."""
        found = self._first_not_finite()
        if found is not None:
            raise NonFiniteError(
                f"fit: {found[0]} is not finite after epoch {self.now.epoch + 1}, though losses and gradients were: an "
                f"update made it so (a square beyond {found[1]}, a learning rate that is too large); clip "
                "the gradient (clip_norm=), scale the loss, or train in float64",
                None, self.now.epoch + 1, self.now.step, None)

    def _ended(self) -> None:
        """Whether the run is at its end, by what has been."""
        epoch = self.now.epoch
        if self.given.patience is not None and epoch - (self.best[1] if self.best else 0) >= self.given.patience:
            self.reason = self.reason or f"no better for {self.given.patience} epochs"
        if epoch >= self.given.epochs:
            self.reason = self.reason or DONE

    def _check(self) -> None:
        """Validation data that do not fit the model are to be found before training, not after an epoch of it."""
        if self.validation is None:
            return
        batch = next(self.validation.batches(0))
        for name, f in self.measures.items():
            try:
                value = f(self.now.arrays, batch.args)
            except Exception as error:
                error.add_note(f"fit: on the first batch of the validation data, {batch.shapes()}")
                raise
            if np.shape(value) != () or np.iscomplexobj(value):
                what = f"metrics[{name!r}]" if name else "the loss"
                raise InputError(f"fit: {what} gives an array of shape {np.shape(value)}; it is to give one real number")

    def _measure(self, f: Callable[..., Any]) -> float:
        """The mean over the validation data, by rows."""
        assert self.validation is not None
        total, rows = 0.0, 0
        for batch in self.validation.batches(0):
            total += float(f(self.now.arrays, batch.args)) * batch.size
            rows += batch.size
        return total / rows

    def _show(self, clock: float) -> None:
        now = self.now
        pace = 1.0 / (clock - self.shown) if self.shown else 0.0
        done = now.updates - getattr(self, "shown_updates", 0)
        self.shown, self.shown_updates = clock, now.updates
        text = f"epoch {now.epoch + 1}/{self.given.epochs}  loss {self.losses[-1]:.4g}  {done * pace:,.0f} updates/s"
        if self.measured[""]:
            text += f"  validation {self.measured[''][-1]:.4g}"
        assert self.progress is not None
        self.progress(text, now.updates)

    # ------------------------------------------------------------ what comes of it

    def result(self, reason: str) -> Fit:
        now = self.now
        epochs = np.searchsorted(self.steps, np.arange(now.updates), side="right") + 1
        values = {name: np.array(v) for name, v in self.measured.items()}
        history = History(np.array(self.epoch_losses), values[""] if self.validation is not None else None,
                          {name: v for name, v in values.items() if name}, np.array(self.seconds),
                          np.array(self.losses[:now.updates]), epochs)
        arrays = self.best[0] if self.best is not None and self.given.patience is not None else now.arrays
        return Fit(self.parts.put(arrays), self.updates.state.put(now.state), history, reason, now.epoch, now.updates,
                   self.source.updates, None if self.best is None else self.best[1], self._elapsed(), str(self.source))

    def _elapsed(self) -> float:
        return self.spent + time.perf_counter() - self.begun

    # ------------------------------------------------------------ checkpoints

    def _settings(self) -> dict[str, Any]:
        """What has to be the same for a run to go on bit for bit."""
        s = self.source
        found: dict[str, Any] = {"seed": self.seed, "accumulate": self.given.accumulate}
        if isinstance(s, Rows):
            found |= {"rows": s.count, "batch_size": s.batch_size, "shuffle": s.shuffle, "updates per epoch": s.updates}
        return found

    def _save(self, frames: int = 4) -> None:
        """Write the checkpoint, if there is to be one; the caller of `fit` is so many frames away."""
        if self.path is None:
            return
        now = self.now
        arrays = {"model": now.arrays, "state": now.state, "best": self.best[0] if self.best else ()}
        history = {"losses": self.losses[:now.updates], "epoch_losses": self.epoch_losses, "seconds": self.seconds,
                   "steps": self.steps, **{f"measured {name}": v for name, v in self.measured.items()}}
        fixed = {"settings": self._settings(), "model": self.parts.described(), "state": self.updates.state.described()}
        at = {"epoch": now.epoch, "step": now.step, "updates": now.updates, "total": now.total.hex(), "rows": now.rows,
              "seconds": now.seconds, "best": self.best[1] if self.best else None, "length": self.source.updates,
              "spent": self._elapsed()}
        first = not self.saved
        if first:
            clear(self.path)
        try:
            write(self.path, arrays, {k: np.array(v) for k, v in history.items()}, fixed, at)
        except OSError as error:
            if first:
                error.add_note(f"fit: the checkpoint {self.path} cannot be written; it is tried before training")
                raise
            warnings.warn(f"fit: the checkpoint {self.path} could not be written after update {now.updates:,} ({error}); the "
                          "one before it stays", CheckpointWarning, stacklevel=frames)
        self.saved = time.perf_counter()

    def _resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        assert self.path is not None
        if not self.path.exists():
            return
        fixed = {"settings": self._settings(), "model": self.parts.described(), "state": self.updates.state.described()}
        arrays, history, at = read(self.path, fixed)
        self.now = Now(arrays["model"], arrays["state"], at["epoch"], at["step"], at["updates"], float.fromhex(at["total"]),
                       at["rows"], at["seconds"])
        self.losses, self.epoch_losses = history["losses"].tolist(), history["epoch_losses"].tolist()
        self.seconds, self.steps = history["seconds"].tolist(), [int(n) for n in history["steps"]]
        for name, found in self.measured.items():  # what was not asked for then is not known
            known = history.get(f"measured {name}", np.empty(0)).tolist()
            found[:] = [*known, *[math.nan] * (self.now.epoch - len(known))] if self.validation is not None else known
        self.best = None if at["best"] is None else (arrays["best"], at["best"])
        self.spent = at["spent"]
        if isinstance(self.source, Stream):
            self.source.updates = at["length"]


class _Interrupts:
    """Ctrl-C, counted: the first lets the update at work end, the second is raised at once."""

    def __init__(self) -> None:
        self.count = 0
        self.held = False  # while the books are not in order
        self.before: Any = None

    def _on_signal(self, number: int, frame: Any) -> None:
        self.count += 1
        if self.count > 1 and not self.held:
            raise KeyboardInterrupt

    def __enter__(self) -> _Interrupts:
        self.mine = (threading.current_thread() is threading.main_thread()
                     and signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        if self.mine:
            self.before = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        if self.mine:
            signal.signal(signal.SIGINT, self.before)
