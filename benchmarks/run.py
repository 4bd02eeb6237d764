"""The figures that this project promises, measured side by side in one run.

What comes in: nothing (``python benchmarks/run.py``; peers that are installed take part). What goes out: a table of
targets and measurements. The one idea: ratios within one run on one thread; the machine's noise cancels, and nothing
is asserted by a clock.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402  (after the thread settings)

import wengert as wg  # noqa: E402


def interleaved(functions: dict[str, Callable[[], Any]], rounds: int = 400) -> dict[str, float]:
    """The least time of each, in microseconds, measured in turn so that noise hits all alike."""
    best = dict.fromkeys(functions, float("inf"))
    for f in functions.values():
        for _ in range(20):
            f()
    for _ in range(rounds):
        for name, f in functions.items():
            start = time.perf_counter()
            f()
            best[name] = min(best[name], time.perf_counter() - start)
    return {name: 1e6 * t for name, t in best.items()}


def import_time() -> list[str]:
    """`import wengert` beyond `import numpy`, in milliseconds."""
    def seconds(module: str) -> float:
        code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
        # bytecode is kept between runs, as in any installation
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        return min(float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                                        env=environment).stdout) for _ in range(15))
    numpy, wengert, used = seconds("numpy"), seconds("wengert, numpy"), seconds("wengert.api, numpy")
    return [f"import numpy {1e3 * numpy:6.1f} ms; import wengert beside it {1e3 * (wengert - numpy):5.1f} ms more "
            f"(target: at most 60); what the first call of wg.grad imports {1e3 * (used - wengert):5.1f} ms"]


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def gradient_call() -> list[str]:
    """One un-jitted gradient of the 10-dimensional Rosenbrock function."""
    x = np.linspace(0.5, 1.5, 10)
    ours = wg.grad(rosenbrock)
    functions: dict[str, Callable[[], Any]] = {"plain value": lambda: rosenbrock(x), "wengert": lambda: ours(x)}
    try:
        import autograd
        import autograd.numpy as anp
    except ImportError:
        return ["autograd is not installed: pip install -e '.[bench]'"]

    def theirs(x: Any) -> Any:
        return anp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
    gradient = autograd.grad(theirs)
    functions["autograd"] = lambda: gradient(x)
    t = interleaved(functions)
    return ["gradient of Rosenbrock, n = 10: " + ", ".join(f"{k} {v:.1f} µs" for k, v in t.items()) +
            f"; ratio to autograd {t['wengert'] / t['autograd']:.2f} (target: at most 1)"]


def chain(n: int) -> Callable[[Any], Any]:
    """A straight-line program of n equations."""
    def f(x: Any) -> Any:
        for _ in range(n // 2):
            x = np.sin(x) * 0.9
        return np.sum(x)
    return f


def long_graphs() -> list[str]:
    """Tracing, linearizing and transposing, for the first time, against the number of equations."""
    from wengert.frontends import trace
    lines, x = [], np.ones(3)
    for n in (1_000, 2_500, 5_000, 10_000, 20_000, 40_000):
        best = float("inf")
        for _ in range(3):
            trace._LOCAL.build = trace.Interned()  # forget what was traced before
            start = time.perf_counter()
            wg.grad(chain(n))(x)
            best = min(best, time.perf_counter() - start)
        lines.append(f"first gradient of {n:6d} equations: {best:6.3f} s, {1e6 * best / n:5.1f} µs an equation"
                     + (" (target: under 1 s)" if n == 10_000 else ""))
    return lines


def main() -> None:
    for part in (import_time, gradient_call, long_graphs):
        for line in part():
            print(line, flush=True)


if __name__ == "__main__":
    main()
