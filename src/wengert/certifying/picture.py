"""A certificate as a picture.

What comes in: a `Certificate`. What goes out: a file with Taylor remainders and their rates on the left, and on the right the
error of differences against their step. The one idea: a right derivative shows as straight lines of slope 2 and 3, a wrong one
as a line of slope 1, and a wrong one's differences level off.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from wengert.certifying.report import Certificate

__all__ = ["draw"]

COLORS = ("C7", "C0", "C2")
NAMES = ("value", "first order", "second order")


def draw(c: Certificate, file: Any) -> None:
    """Draw into a file (PNG, PDF or SVG)."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _remainders(left, c)
    _errors(right, c)
    for axis in (left, right):
        axis.grid(alpha=0.3)
    figure.suptitle(f"{c.name}, {c.inputs:,} inputs: {'certified' if c.ok else 'not certified'}", fontsize=11)
    figure.savefig(file, dpi=90)


def _remainders(axis: Any, c: Certificate) -> None:
    """At the point in full, near it faint; dashed: the slopes that they should have."""
    for place, t in enumerate(c.taylor):
        for k, row in enumerate(t.remainders):
            shown = np.where(np.isfinite(row) & (row > 0), row, np.nan)
            if not np.any(np.isfinite(shown)):
                continue
            rate = t.rates[k]
            label = f"{NAMES[k]}, rate {'∞' if math.isinf(rate) else f'{rate:.2f}'} ({k + 1} expected)" if place == 0 else None
            axis.loglog(t.steps, shown, "o-" if place == 0 else "-", color=COLORS[k], label=label, markersize=4,
                        linewidth=1.2, alpha=1.0 if place == 0 else 0.3)
            first = np.flatnonzero(np.isfinite(shown))[0]
            if place == 0:
                axis.loglog(t.steps, shown[first] * (t.steps / t.steps[first]) ** (k + 1), "--", color=COLORS[k], linewidth=0.8,
                            alpha=0.6)
    if c.taylor:
        values = [r for t in c.taylor for r in t.remainders.ravel() if np.isfinite(r) and r > 0]
        if values:
            axis.set_ylim(max(min(values) / 3, max(values) * 1e-19), max(values) * 5)
        axis.axhline(c.taylor[0].rounding, color="gray", linestyle=":", linewidth=1, label="rounding of the values")
        axis.legend(fontsize=8.5)
    axis.set(xlabel="step h, in units of the inputs", ylabel="remainder", title="Taylor remainders (faint: near the point)")


def _errors(axis: Any, c: Certificate) -> None:
    """The V of differences: where it ends above rounding, the derivative is wrong."""
    if c.curve is not None:
        steps, forward, central, size = c.curve
        for values, name, color in ((forward, "forward differences", "C1"), (central, "central differences", "C0")):
            shown = np.where(np.isfinite(values) & (values > 0), values, np.nan)
            if np.any(np.isfinite(shown)):
                axis.loglog(steps, shown, ".-", color=color, label=name, linewidth=1.2)
        if size:
            axis.axhline(size, color="gray", linestyle=":", linewidth=1, label="the derivative itself")
        axis.legend(fontsize=8.5)
    axis.set(xlabel="step h, in units of the inputs", ylabel="difference from the derivative",
             title="quotients along a random direction")
