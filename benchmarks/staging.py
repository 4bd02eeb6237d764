"""What staging costs: against the length of the program text, against trip counts, and for one element written.

What comes in: nothing (``python benchmarks/staging.py``). What goes out: a table of times and of numbers of equations. The
one idea: the numbers of equations are exact and tested (`tests/test_staging_cost.py`); the times are there to be looked at.
"""

from __future__ import annotations

import linecache
import os
import time
from collections.abc import Callable
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402  (after the thread settings)

import wengert as wg  # noqa: E402
from wengert.graph import Graph  # noqa: E402
from wengert.graph.walk import subgraphs  # noqa: E402


def size(graph: Graph) -> int:
    """Equations, those of inner graphs included."""
    return sum(1 + sum(size(g) for g in subgraphs(e)) for e in graph.equations)


def graph_of(f: Callable[..., Any], *args: Any) -> Graph:
    """The graph of the staged function; running unstaged is an error."""
    staged = wg.jit(f)
    staged(*args)
    graph = next(iter(staged.found.values())).graph
    assert graph is not None
    return graph  # type: ignore[no-any-return]


def text(loops: int) -> Callable[[Any], Any]:
    """A program of so many loops, each of eight lines with a branch and a write."""
    lines = ["def f(x):", "    a = x * 1.0", "    s = 0.0"]
    for k in range(loops):
        lines += [f"    for i in range(1, {k + 10}):", f"        if a[i % 4] > s + {k}.5:", "            s += a[0] * a[i % 4]",
                  "            a[i % 4] = np.sin(s)", "        else:", f"            s = s * 0.5 - {k}.25",
                  "        if s > 1e3:", "            break"]
    source = "\n".join([*lines, "    return s * np.sum(a)", ""])
    name = f"<{loops} loops>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    scope: dict[str, Any] = {"np": np}
    exec(compile(source, name, "exec"), scope)
    return scope["f"]  # type: ignore[no-any-return]


def recurrence(x: Any, n: int) -> Any:
    """Many turns of a loop that nothing but its trip count makes long."""
    a, b = x[0], x[1]
    for i in range(n):
        if i % 3 == 0:
            a, b = b, a * 0.5 + 0.1
        else:
            a = a * 0.9 - 0.2 * b
    return a * b


def scattered(x: Any, size: int, n: int) -> Any:
    """One element of a large array is written in each turn."""
    a = np.zeros(size)
    for i in range(1, n):
        a[i] = a[i - 1] * x[0] + x[1]
    return a[n - 1]


def seconds(f: Callable[[], Any], rounds: int = 3) -> float:
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        f()
        best = min(best, time.perf_counter() - start)
    return best


X = np.array([0.5, 1.25, -0.75, 2.0])


def against_text() -> list[str]:
    """Time to stage and equations, against the lines of the program."""
    out = []
    for loops in (1, 4, 16, 64):
        f = text(loops)
        graph_of(f, X)  # the source is rewritten once
        value, gradient = (seconds(lambda g=g: graph_of(g, X)) for g in (f, wg.grad(f)))
        out.append(f"{3 + 8 * loops:4d} lines: value {1e3 * value:8.1f} ms, {size(graph_of(f, X)):6d} equations; "
                   f"gradient {1e3 * gradient:8.1f} ms, {size(graph_of(wg.grad(f), X)):6d} equations")
    return out


def against_trips() -> list[str]:
    """Time to stage and equations, against the trip count; nothing runs but one turn of the tracing."""
    out = []
    for n in (10**3, 10**5, 10**7):
        f = lambda x, n=n: recurrence(x, n)
        staged = [traced(g) for g in (f, wg.grad(f))]
        out.append(f"{n:8d} turns: " + "; ".join(
            f"{name} {1e3 * t:6.1f} ms, {size(graph)} equations" for name, (t, graph) in zip(("value", "gradient"), staged)))
    return out


def traced(f: Callable[..., Any]) -> tuple[float, Graph]:
    """Time to stage, and the graph; it does not run."""
    staged = wg.jit(f)
    leaves, _, rebuild = staged._signature((X,), {})
    start = time.perf_counter()
    found = staged._stage(leaves, None, rebuild)
    t = time.perf_counter() - start
    assert found.graph is not None, found.reason
    return t, found.graph


def element_writes() -> list[str]:
    """The cost of a turn that writes one element, against the size of the array."""
    out = []
    for name, derive in (("value", lambda f: f), ("gradient", wg.grad)):
        costs = []
        for length in (10**3, 10**4, 10**5, 10**6):
            few, many = 100, 900
            runs = [wg.jit(derive(lambda x, n=n, length=length: scattered(x, length, n))) for n in (few, many)]
            for run in runs:
                run(X)
            costs.append((seconds(lambda r=runs[1]: r(X), 5) - seconds(lambda r=runs[0]: r(X), 5)) / (many - few))
        out.append(f"one element in an array of 10^3, 10^4, 10^5, 10^6, {name}: "
                   + ", ".join(f"{1e6 * c:.1f}" for c in costs) + " µs a turn (target: the same for all)")
    return out


def main() -> None:
    for part in (against_text, against_trips, element_writes):
        for line in part():
            print(line, flush=True)


if __name__ == "__main__":
    main()
