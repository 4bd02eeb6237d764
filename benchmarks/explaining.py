"""How long it takes to see a derivative: ``python benchmarks/explaining.py``.

What comes in: nothing. What goes out, printed: processor time of `wg.explain` on a program of 10,000 equations and of its
page, and wall time of `wg.compare` on a program of 1,000 parameters. The one idea: what a person waits for.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import wengert as wg


def steps(x: Any) -> Any:
    for _ in range(3334):
        x = np.sin(x) * 0.9 + x
    return x


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def main() -> None:
    start = time.process_time()
    explanation = wg.explain(steps, 0.3)
    print(f"explain, {len(explanation.nodes):,} nodes: {time.process_time() - start:.2f} s")
    start = time.process_time()
    size = len(explanation.html())
    print(f"its page, {size / 1e6:.1f} MB: {time.process_time() - start:.2f} s")
    begun = time.perf_counter()
    compared = wg.compare(rosenbrock, np.linspace(0.0, 1.0, 1000))
    print(f"compare, 1,000 parameters, {len(compared.entries)} ways: {time.perf_counter() - begun:.1f} s")


if __name__ == "__main__":
    main()
