"""What is said when training meets NaN or infinity.

What comes in: the update at which it happened. What goes out: an error that names the operation, the line, the batch. The
one idea: that one update is replayed, equation by equation, from where the run stood before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import NonFiniteError
from wengert.flatten import leaf_names
from wengert.nonfinite import Finding, find_nonfinite

from .data import SHOWN, Batch
from .step import Updates

__all__ = ["nonfinite_error"]


def nonfinite_error(updates: Updates, arrays: tuple[Any, ...], batch: Batch, key: Any, count: int, epoch: int, step: int,
                    value: float, accumulate: int) -> NonFiniteError:
    """The error of an update that gave a value or a gradient which is not finite."""
    what = "its gradient is not finite" if np.isfinite(value) else f"it is {value}"
    lines = [f"fit: the loss: {what}, in epoch {epoch + 1}, step {step + 1} (update {count + 1:,})",
             f"the batch: {batch.where()}"]
    lines += [text for text in (_given("the model", updates.model.names("model"), arrays),
                                _given("the batch", leaf_names(batch.spec, "batch"), batch.leaves, batch.rows)) if text]
    finding = None if updates.given is not None else _replayed(updates, arrays, batch, key, count, accumulate)
    if finding is not None and finding.operation:
        lines.append(str(finding))
    elif updates.given is not None:
        lines.append("value and gradient were given by the function gradient=")
    elif finding is not None and len(lines) == 2:
        lines.append(f"{finding}: it is among what the loss reads from around it")
    elif len(lines) == 2:
        lines.append("replayed by the interpreter, all is finite: the values are at the limits of their dtype")
    lines.append("the model up to the update before is the error's `fit.model`")
    rows = None if batch.rows is None else np.asarray(batch.rows)
    return NonFiniteError("\n".join(lines), finding, epoch + 1, step + 1, rows)


def _given(owner: str, names: list[str], arrays: Any, rows: Any = None) -> str:
    """What was NaN or infinite before the update began, and in which rows."""
    said = []
    for name, x in zip(names, arrays, strict=True):
        array = np.asarray(x)
        if array.dtype.kind not in "fc" or np.all(finite := np.isfinite(array)):
            continue
        kind = "NaN" if np.isnan(array).any() else "infinity"
        where = ""
        if rows is not None:
            bad = np.asarray(rows)[~finite.reshape(len(array), -1).all(axis=1)]
            where = f" in rows {', '.join(str(int(row)) for row in bad[:SHOWN])}{', ...' if len(bad) > SHOWN else ''}"
        said.append(f"{name} holds {kind}{where}")
    return f"{owner} came with it: {'; '.join(said)}" if said else ""


def _replayed(updates: Updates, arrays: tuple[Any, ...], batch: Batch, key: Any, count: int, accumulate: int) -> Finding | None:
    """What the interpreter finds in the same update."""
    for k, part in enumerate(batch.parts(accumulate) if accumulate > 1 else [batch]):
        found = find_nonfinite(*updates.replay(arrays, part, key, count, k if accumulate > 1 else None))
        if found is not None:
            return found
    return None
