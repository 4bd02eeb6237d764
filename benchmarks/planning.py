"""What `wg.plan` predicts against what is measured: ``python benchmarks/planning.py``.

What comes in: nothing. What goes out, printed: for each program and mode, interpreted and compiled, the predicted and the
measured time of a call and their ratio, and how many ratios lie within a factor of 3. The one idea: a prediction is worth what
its errors are. Linear algebra has one thread, as in the other benchmarks.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402  (after the thread settings)

import wengert as wg  # noqa: E402
from wengert.modes import MODES  # noqa: E402

FACTOR = 3.0


def network(*sizes: int) -> Callable[[Any], Any]:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(m, n)) / np.sqrt(n) for n, m in pairwise(sizes)]

    def f(x: Any) -> Any:
        for w in weights:
            x = np.tanh(w @ x)
        return x
    return f


def neighbors(x: Any) -> Any:
    return np.exp(x[1:] * x[:-1]) - x[1:] ** 2


def steps(x: Any) -> Any:
    for _ in range(50):
        x = 0.9 * np.sin(x) + 0.1 * x[::-1]
    return x


def products(x: Any) -> Any:
    return np.outer(x, x) @ np.cos(x)


PROGRAMS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "network 100-100-100": (network(100, 100, 100), 100), "waist 200-100-5-100-200": (network(200, 100, 5, 100, 200), 200),
    "network 10-300-300": (network(10, 300, 300), 10), "neighbors, n = 1000": (neighbors, 1000),
    "50 steps, n = 40": (steps, 40), "products, n = 100": (products, 100),
}


def measured(f: Callable[..., Any], x: Any) -> float:
    """The median processor time of a call."""
    for _ in range(6):
        f(x)
    times, begun = [], time.perf_counter()
    while len(times) < 5 or (time.perf_counter() - begun < 0.2 and len(times) < 300):
        start = time.thread_time()
        f(x)
        times.append(time.thread_time() - start)
    return statistics.median(times)


def main() -> None:
    ratios = []
    for name, (f, n) in PROGRAMS.items():
        x = np.linspace(0.1, 1.0, n)
        for jitted in (False, True):
            kind = "compiled" if jitted else "interpreted"
            for mode in MODES[1:]:
                derivative = wg.jacobian(f, mode=mode)
                derivative = wg.jit(derivative) if jitted else derivative
                predicted = wg.plan(derivative, x)[mode].seconds
                took = measured(derivative, x)
                assert predicted is not None
                ratios.append(predicted / took)
                print(f"{name:26}{kind:13}{mode:9}predicted {1e6 * predicted:10,.1f} µs, measured {1e6 * took:10,.1f} µs, "
                      f"ratio {ratios[-1]:5.2f}")
    inside = sum(1 / FACTOR <= r <= FACTOR for r in ratios)
    print(f"{inside} of {len(ratios)} within a factor of {FACTOR:g}; median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
