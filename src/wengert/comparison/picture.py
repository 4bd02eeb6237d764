"""A comparison as a picture.

What comes in: a `Comparison`. What goes out: a file with error against time and, where the function takes other sizes, time
and operations against the number of inputs. The one idea: colors are the five ways, so the eye groups what belongs together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from wengert.comparison.report import Comparison

__all__ = ["draw"]

COLORS = {"differences": "C0", "random": "C7", "symbolic": "C4", "forward": "C1", "reverse": "C2", "mixed": "C3"}
MARKERS = "osD^vP*X<>"


def draw(comparison: Comparison, file: Any) -> None:
    """Draw into a file (PNG, PDF or SVG)."""
    from matplotlib.figure import Figure
    shown = [e for e in comparison.entries if e.value is not None]
    growing = any(len(e.sizes) > 1 for e in shown)
    figure = Figure(figsize=(13, 5.6) if growing else (7.5, 5.6), layout="constrained")
    axes = figure.subplots(1, 3 if growing else 1, squeeze=False)[0]
    seen: dict[str, int] = {}
    for e in shown:
        marker = MARKERS[seen.setdefault(e.kind, 0) % len(MARKERS)]
        seen[e.kind] += 1
        style = {"color": COLORS[e.kind], "marker": marker, "label": e.name}
        error = min(max(e.relative_error, 1e-17), 10.0)
        axes[0].loglog([e.seconds], [error], linestyle="", markersize=8, **style)
        if growing and len(e.sizes) > 1:
            n = np.array(sorted(e.sizes))
            for axis, what in ((axes[1], "seconds"), (axes[2], "operations")):
                axis.loglog(n, [e.sizes[k][what] for k in n], linewidth=1.2, markersize=5, **style)
    axes[0].set(xlabel="seconds", ylabel="relative error", title="error and time", ylim=(3e-18, 30))
    if growing:
        axes[1].set(xlabel="inputs n", ylabel="seconds", title="time against n")
        axes[2].set(xlabel="inputs n", ylabel="operations", title="operations against n")
        sizes = sorted({n for e in shown for n in e.sizes})
        for axis in axes[1:]:
            axis.set_xticks(sizes, [f"{n:,}" for n in sizes])
            axis.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    for axis in axes:
        axis.grid(alpha=0.3)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5 if growing else 3, fontsize=8.5)
    figure.suptitle(f"{comparison.name}, {comparison.n:,} inputs", fontsize=11)
    figure.savefig(file, dpi=110)
