"""What training gives: the model, and how it came about.

What comes in: losses by update and by epoch. What goes out: a `Fit`, printed, plotted. The one idea: a run that was
interrupted, or that an error ended, has a `Fit` like one that came to its end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wengert.errors import InputError
from wengert.units import seconds_text

__all__ = ["Fit", "History"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class History:
    """Training as numbers.

    Attributes
    ----------
    loss : ndarray
        Of each epoch: the mean over its rows, each update's loss as it was before the update.
    validation : ndarray or None
        The loss on the validation data after each epoch.
    metrics : dict of str to ndarray
        Likewise each metric.
    seconds : ndarray
        Of each epoch, validation included.
    update_loss : ndarray
        Of each update.
    update_epoch : ndarray of int
        The epoch of each update, counted from 1.
    """

    loss: Array
    validation: Array | None
    metrics: dict[str, Array]
    seconds: Array
    update_loss: Array
    update_epoch: Array


@dataclass(frozen=True, eq=False)
class Fit:
    """What `fit` gives; print it.

    Attributes
    ----------
    model : tree
        Like the one that was given: the last, or with `patience` the one with the least loss on the validation data.
    state : tree
        Of the optimizer, after the last update.
    history : History
    reason : str
        Why it ended: "all epochs are done", "interrupted", "no better for 5 epochs", "stopped by a callback"; in the `fit`
        that an error carries, "stopped by an error".
    epochs, updates : int
        How many are done. An epoch that was left in its middle does not count.
    updates_per_epoch : int or None
        One for full-batch descent, n / batch rounded up for batches; None for a stream that has not ended once.
    best_epoch : int or None
        With the least loss on the validation data, counted from 1.
    seconds : float
        All together, those before it was resumed included.
    """

    model: Any
    state: Any = field(repr=False)
    history: History = field(repr=False)
    reason: str
    epochs: int
    updates: int
    updates_per_epoch: int | None
    best_epoch: int | None
    seconds: float
    data: str = ""

    def plot(self, path: str | Path | None = None) -> Any:
        """The losses against the epoch, and what is asked of the validation data; needs Matplotlib.

        Parameters
        ----------
        path : str or Path, optional
            Where to write the picture.

        Returns
        -------
        matplotlib.figure.Figure
        """
        return _plotted(self, path)

    def __str__(self) -> str:
        h = self.history
        rows = [f"{self.reason} after {self.epochs:,} epoch{'s' * (self.epochs != 1)} ({self.updates:,} updates) in "
                f"{seconds_text(self.seconds)}", self.data]
        if h.loss.size:
            rows.append(f"loss {h.loss[0]:.6g} in the first epoch, {h.loss[-1]:.6g} in the last")
        if h.validation is not None and h.validation.size and self.best_epoch is not None:
            rows.append(f"validation {h.validation[-1]:.6g}; best {h.validation[self.best_epoch - 1]:.6g} in epoch "
                        f"{self.best_epoch}")
        elif h.validation is not None and h.validation.size:
            rows.append(f"validation {h.validation[-1]:.6g}; no epoch had a number for its loss")
        rows += [f"{name} {values[-1]:.6g}" for name, values in h.metrics.items() if values.size]
        return "\n".join(rows)


def _plotted(fit: Fit, path: str | Path | None) -> Any:
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise InputError("plot: Matplotlib is not installed; pip install 'wengert[plot]'") from error
    h = fit.history
    if not h.update_loss.size:
        raise InputError("plot: there was no update, so there is nothing to draw")
    figure = Figure(figsize=(7.0, 3.6 + 1.8 * bool(h.metrics)), layout="constrained")
    panels = figure.subplots(1 + bool(h.metrics), sharex=True, squeeze=False, height_ratios=[2, 1] if h.metrics else [1])[:, 0]
    axes = panels[0]
    if h.update_loss.size > h.loss.size:
        counts = np.bincount(h.update_epoch)[1:]
        within = np.concatenate([np.arange(n) for n in counts]) / counts.max()
        axes.plot(h.update_epoch - 1 + within, h.update_loss, color="#bbccdd", linewidth=0.8, label="each update")
    epochs = np.arange(1, h.loss.size + 1)
    dots = "o" if h.loss.size < 30 else None
    axes.plot(epochs, h.loss, color="#4477aa", marker=dots, markersize=3, label="training")
    if h.validation is not None and h.validation.size:
        axes.plot(epochs[:h.validation.size], h.validation, color="#cc6677", marker=dots, markersize=3, label="validation")
        if fit.best_epoch is not None:
            best = fit.best_epoch, h.validation[fit.best_epoch - 1]
            axes.plot(*best, "o", color="#cc6677", markerfacecolor="white", markersize=7)
            axes.annotate(f"best, epoch {fit.best_epoch}", best, xytext=(0, 9), textcoords="offset points", ha="center",
                          fontsize=8, color="#cc6677")
    shown = np.concatenate([h.update_loss, h.loss, [] if h.validation is None else h.validation])
    if (shown[np.isfinite(shown)] > 0).all():
        axes.set_yscale("log")
    axes.set_ylabel("loss")
    axes.legend(frameon=False, fontsize=8)
    for (name, values), color in zip(h.metrics.items(), ("#228833", "#aa3377", "#ccbb44", "#66ccee") * len(h.metrics)):
        panels[1].plot(epochs[:values.size], values, color=color, marker=dots, markersize=3, label=name)
    if h.metrics:
        panels[1].legend(frameon=False, fontsize=8)
        panels[1].set_ylabel("validation")
    panels[-1].set_xlabel(f"epoch ({fit.updates_per_epoch:,} updates each)" if fit.updates_per_epoch else "epoch")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
    axes.set_title(fit.reason, fontsize=10, loc="left")
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure
