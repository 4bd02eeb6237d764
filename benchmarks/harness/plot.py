"""The picture of a run: one line per variant, one mark per system, time on a logarithmic axis.

What comes in: the groups of a run. What goes out: a PNG. The one idea: distances between marks of a line are ratios.
"""

from __future__ import annotations

from pathlib import Path

from harness.report import Group

COLORS = {"wengert": "#d1495b", "C": "#222222", "jax": "#2e6f95", "torch": "#e08e2b", "autograd": "#7a9e4b",
          "casadi": "#8e6bb0"}
MARKS = {"wengert": "D", "C": "|", "jax": "o", "torch": "s", "autograd": "^", "casadi": "v"}


def plot(groups: list[Group], path: Path) -> None:
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    shown = [g for g in groups if any(r.steady for r in g.rows)]
    figure, axes = plt.subplots(figsize=(11, 1.6 + 0.33 * len(shown)))
    seen: set[str] = set()
    for y, g in enumerate(reversed(shown)):
        limits = [limit for t, limit, _ in g.judged if limit and t.of == "steady"]
        for limit in limits:
            axes.plot([limit, limit], [y - 0.42, y + 0.42], color="#3a9d5d", lw=3, alpha=0.6, solid_capstyle="butt",
                      label=None if "target" in seen else "target", zorder=1)
            seen.add("target")
        times = [r.steady for r in g.rows if r.steady]
        axes.plot([min(times), max(times)], [y, y], color="#dddddd", lw=1, zorder=0)
        for r in g.rows:
            if r.steady:
                kind = r.system.split()[0]
                name = kind if kind in COLORS else "baseline"
                axes.plot(r.steady, y, MARKS.get(kind, "x"), color=COLORS.get(kind, "#888888"), ms=11 if kind == "C" else 6.5,
                          mew=2 if kind == "C" else 1, ls="", label=None if name in seen else name,
                          zorder=3 if kind == "wengert" else 2, mfc="none" if " " in r.system else None)
                seen.add(name)
    axes.set_xscale("log")
    ticks = [10.0**k for k in range(-7, 2)]
    axes.set_xticks(ticks, ["0.1 µs", "1 µs", "10 µs", "0.1 ms", "1 ms", "10 ms", "0.1 s", "1 s", "10 s"])
    axes.set_yticks(range(len(shown)), [g.name for g in reversed(shown)], fontsize=8.5)
    for y, (g, above) in enumerate(zip(list(reversed(shown)), list(reversed(shown))[1:])):
        if g.case != above.case:
            axes.axhline(y + 0.5, color="#999999", lw=0.5)
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.set_title("Steady state, median time of a call (left is better)", fontsize=11, loc="left")
    figure.legend(loc="lower center", ncols=8, fontsize=9, frameon=False)
    figure.tight_layout(rect=(0, 0.45 / figure.get_figheight(), 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)
