"""Random graphs and programs, compiled, without end: ``python -m tests.backends.compiled_campaign --seconds 600 --first 1000``.

What comes in: how long, the first seed, and kinds: wide (graphs of arrays of all lengths), loops (programs that write into
long arrays), programs (those of tests/programs). What goes out, printed: counts, and each WRONG graph with its seed and
settings, made small. The exit status is 1 if there was one. A kernel that reads or writes outside of its memory ends the
process.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "programs"))
sys.path.insert(0, str(Path(__file__).parent.parent / "laws"))

import numpy as np
from generator import program
from guarded import SETTINGS, Different, check
from harness import load, points
from loop_programs import arguments, loop_program
from test_compiled_laws import derived
from wide_graphs import wide_graph

import wengert as wg
from wengert.backends.interpret import Program
from wengert.graph import ArrayType, Graph
from wengert.graph.text import to_text
from wengert.transforms.simplify import simplify

Case = tuple[str, Graph, list[Any]]


def staged(f: Any, at: tuple[Any, ...]) -> tuple[Graph, list[Any]] | None:
    """The graph of a function at this signature, if it has one."""
    j = wg.jit(f)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            j(*at)
        except Exception:
            return None
    graph = next(iter(j.found.values())).graph if j.found else None
    return None if graph is None else (graph, j._signature(at, {})[0])


def program_cases(seed: int) -> Iterator[Case]:
    f, at = load(program(seed), f"<program {seed}>"), points(seed)[0]
    ways = [("value", f), ("gradient", wg.value_and_grad(f, argnums=(0, 1, 2)))]
    if seed % 8 == 0:
        ways.append(("second", lambda x, y, z: wg.hvp(f, (x, y, z), (x * 0.5 + 0.1, y * 0.3 - 0.2, 1.0))))
    for name, way in ways:
        found = staged(way, at)
        if found is not None:
            yield name, *found


def loop_cases(seed: int) -> Iterator[Case]:
    f, at = load(loop_program(seed), f"<loops {seed}>"), arguments(seed)

    def total(x: Any, y: Any, z: Any, k: Any) -> Any:
        return sum(np.sum(o * 0.3) for o in f(x, y, z, k))
    ways = [("value", f), ("gradient", lambda x, y, z, k: wg.grad(total, argnums=(0, 1, 2))(x, y, z, k))]
    if seed % 8 == 0:
        ways.append(("second", lambda x, y, z, k: wg.hvp(lambda *a: total(*a, k), (x, y, z), (x * 0.5, y * 0.2 + 0.1, 1.0))))
    if seed % 16 == 4:
        ways.append(("third", lambda x, y, z, k: wg.grad(lambda z: wg.jvp(
            lambda z: wg.grad(lambda z: total(x, y, z, k))(z), (z,), (1.0,))[1])(z)))
    for name, way in ways:
        found = staged(way, at)
        if found is None:
            return
        yield name, *found


def wide_cases(seed: int) -> Iterator[Case]:
    for name, case in zip(("value", "forward", "reverse"), derived(*wide_graph(seed))):
        yield name, *case


KINDS = {"wide": wide_cases, "loops": loop_cases, "programs": program_cases}


# ---------------------------------------------------------------- made small

def fails(graph: Graph, values: list[Any], number: int) -> str:
    try:
        check(graph, values, number)
    except Different as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def shrunk(graph: Graph, values: list[Any], number: int) -> tuple[Graph, list[Any]]:
    """A part of a graph that still fails: up to the first wrong variable, what comes before made an input where that can be."""
    for k, e in enumerate(graph.equations):
        outputs = tuple(r for r in e.results if isinstance(r.type, ArrayType))
        part = simplify(Graph(graph.inputs, graph.equations[:k + 1], outputs))
        if part.outputs and fails(part, values, number):
            graph = part
            break
    k = 0
    while k < len(graph.equations):
        smaller = _given(graph, values, k)
        if smaller is not None and fails(*smaller, number):
            graph, values = smaller
            k = 0
        else:
            k += 1
    return graph, values


def _given(graph: Graph, values: list[Any], k: int) -> tuple[Graph, list[Any]] | None:
    """The graph with the results of equation `k` as inputs."""
    e = graph.equations[k]
    if not all(isinstance(r.type, ArrayType) for r in e.results):
        return None
    try:
        made = Program(Graph(graph.inputs, graph.equations[:k + 1], e.results))(*[np.array(v)[()] for v in values])
    except Exception:
        return None
    rest = simplify(Graph((*graph.inputs, *e.results), (*graph.equations[:k], *graph.equations[k + 1:]), graph.outputs))
    used = {o for q in rest.equations for o in q.operands} | set(rest.outputs)
    pairs = [(v, x) for v, x in zip(rest.inputs, [*values, *made]) if v in used]
    return Graph(tuple(v for v, _ in pairs), rest.equations, rest.outputs), [x for _, x in pairs]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=10**9, help="at most so many seeds")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    options = parser.parse_args()
    faulthandler.enable()
    np.set_printoptions(threshold=60)
    warnings.simplefilter("ignore")
    counts: Counter[str] = Counter()
    start = shown = time.monotonic()
    seed = options.first
    while time.monotonic() - start < options.seconds and seed < options.first + options.count:
        for kind in options.kinds:
            for name, graph, values in KINDS[kind](seed):
                number = seed % len(SETTINGS)
                wrong = fails(graph, values, number)
                counts["WRONG" if wrong else kind] += 1
                if wrong:
                    print(f"\n== {kind}, seed {seed}, {name}, settings {number}: {wrong}", flush=True)
                    small, given = shrunk(graph, values, number)
                    print(f"{to_text(small)}\n{given}", flush=True)
        seed += 1
        if time.monotonic() - shown > 20:
            shown = time.monotonic()
            print(f"{seed - options.first} seeds, {shown - start:.0f} s: {dict(counts)}", flush=True)
    print(f"seeds {options.first} to {seed - 1}: {dict(counts)}")
    return 1 if counts["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
