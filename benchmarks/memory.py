"""What memory costs in time: a chain of 10,000 steps on 10,000 numbers, reversed from fewer and fewer stored states.

    python benchmarks/memory.py [--steps 10000] [--size 10000] [--picture docs/images/memory.png]

Each point runs in a process of its own, in machine code on one core. The memory is that of the process: its high-water mark
during one call, over what it had before; the time is the median of five calls.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "memory.json"


def resident(field: str) -> int:
    """Bytes of this process: "VmRSS" now, "VmHWM" at most."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(re.search(rf"{field}:\s+(\d+)", text)[1])  # type: ignore[index]


def measured(steps: int, size: int, how: str) -> dict[str, Any]:
    """One point, in this process."""
    import wengert as wg
    kind, _, amount = how.partition("=")
    more = {"checkpoints": int(amount)} if kind == "checkpoints" else {}

    def chain(x: Any) -> Any:
        return np.sum(wg.fori_loop(0, steps, lambda i, x: x + 0.01 * np.sin(x), x, **more))
    gradient = wg.jit(wg.grad(chain, memory=amount) if kind == "memory" else wg.grad(chain))
    x = np.linspace(0.0, 1.0, size)
    _, staged = gradient._find((x,), {})
    gradient._compile(staged, (x,), {}, now=True)
    predicted = gradient.memory(x).peak
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the high-water mark
    before = resident("VmRSS")
    out = gradient(x)
    peak = resident("VmHWM") - before
    times = []
    for _ in range(5):
        begun = time.thread_time()
        gradient(x)
        times.append(time.thread_time() - begun)
    return {"how": how, "predicted": predicted, "peak": peak, "seconds": float(np.median(times)), "sum": float(np.sum(out))}


def points(steps: int, size: int) -> list[str]:
    log = math.ceil(math.log2(steps))
    slots = sorted({3, 5, log, 30, 100, 300, 1000, math.isqrt(steps)})
    state = 8 * size
    return ["everything", *[f"checkpoints={s}" for s in slots],
            *[f"memory={k * state / 1e6:.3g} MB" for k in (2000, 250, 40, 8)]]


def draw(rows: list[dict[str, Any]], steps: int, size: int, path: Path) -> None:
    """Time over memory, against storing everything."""
    import matplotlib as mpl
    mpl.use("Agg")
    import matplotlib.pyplot as plt
    every = rows[0]
    axes = plt.figure(figsize=(7.0, 4.4), layout="constrained").add_subplot()
    for kind, marker, color, label in (("everything", "s", "#222222", "everything stored"),
                                       ("checkpoints", "o", "#2a6fbb", "checkpoints=…"),
                                       ("memory", "^", "#c8452e", "memory=…")):
        mine = [r for r in rows if r["how"].startswith(kind)]
        axes.plot([r["peak"] / 1e6 for r in mine], [r["seconds"] / every["seconds"] for r in mine], marker, color=color,
                  label=label, linestyle="-" if kind == "checkpoints" else "none", linewidth=1.0)
        for r in mine:
            name = r["how"].partition("=")[2]
            name = {str(math.isqrt(steps)): f"√n = {math.isqrt(steps)}",
                    str(math.ceil(math.log2(steps))): f"log n = {math.ceil(math.log2(steps))}"}.get(name, name)
            if name:
                axes.annotate(name, (r["peak"] / 1e6, r["seconds"] / every["seconds"]), textcoords="offset points",
                              xytext=(5, 7 if kind == "checkpoints" else -14), fontsize=8, color=color)
    axes.axhline(3.0, color="#8a8a8a", linewidth=0.8, linestyle=":", label="3 × the time")
    axes.set_xscale("log")
    axes.set_ylim(0.8, max(3.2, 1.08 * max(r["seconds"] for r in rows) / every["seconds"]))
    axes.set_xlabel("peak of memory, measured (MB)")
    axes.set_ylabel("time / time of storing everything")
    axes.set_title(f"gradient of a chain of {steps:,} steps on {size:,} numbers", fontsize="medium")
    axes.legend(frameon=False)
    axes.figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--point", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.point:
        print(json.dumps(measured(given.steps, given.size, given.point)))
        return
    rows: list[dict[str, Any]] = []
    print(f"{'':>18} {'predicted':>12} {'measured':>12} {'time':>9} {'ratio':>6}")
    for how in points(given.steps, given.size):
        command = [sys.executable, __file__, "--steps", str(given.steps), "--size", str(given.size), "--point", how]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        r, first = rows[-1], rows[0]
        assert abs(r["sum"] - first["sum"]) <= 1e-9 * abs(first["sum"])
        print(f"{how:>18} {r['predicted'] / 1e6:>9.2f} MB {r['peak'] / 1e6:>9.2f} MB {r['seconds']:>7.3f} s "
              f"{r['seconds'] / first['seconds']:>6.2f}", flush=True)
    found = {"steps": given.steps, "size": given.size, "points": rows}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if given.picture:
        draw(rows, given.steps, given.size, given.picture)


if __name__ == "__main__":
    main()
