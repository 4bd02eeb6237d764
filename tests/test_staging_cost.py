"""What staging costs, in numbers of equations: by the program text, not by trip counts or data (`benchmarks/staging.py`)."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.graph import ArrayType, Graph
from wengert.graph.walk import subgraphs
from wengert.transforms.ownership import inner_ownership, ownership

_SPEC = importlib.util.spec_from_file_location("staging", Path(__file__).parent.parent / "benchmarks" / "staging.py")
assert _SPEC is not None and _SPEC.loader is not None
staging: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(staging)


@pytest.mark.parametrize("derive, most", [(lambda f: f, 25), (wg.grad, 40)], ids=["value", "gradient"])
def test_equations_grow_with_the_program_text(derive: Any, most: int) -> None:
    sizes = {n: staging.size(staging.graph_of(derive(staging.text(n)), staging.X)) for n in (1, 2, 4, 8)}
    each = sizes[2] - sizes[1]
    assert each <= most  # of a loop of eight lines
    assert [sizes[n] - sizes[1] for n in (4, 8)] == [3 * each, 7 * each]


def test_equations_do_not_grow_with_trip_counts() -> None:
    """Nothing runs here: ten million turns are staged as fast as a thousand."""
    for derive, expected in ((lambda f: f, 13), (wg.grad, 21), (lambda f: wg.grad(lambda x: np.sum(wg.grad(f)(x))), 61)):
        sizes = [staging.size(staging.traced(derive(lambda x, n=n: staging.recurrence(x, n)))[1])
                 for n in (10**3, 10**5, 10**7)]
        assert len(set(sizes)) == 1
        assert sizes[0] <= expected


def loops(graph: Graph) -> Iterator[Graph]:
    for e in graph.equations:
        if e.primitive.name == "scan":
            yield e.params["body"]
        for inner in subgraphs(e):
            yield from loops(inner)


@pytest.mark.parametrize("derive, writes", [(lambda f: f, 1), (wg.grad, 2)], ids=["value", "gradient"])
def test_a_turn_that_writes_an_element_handles_the_element(derive: Any, writes: int) -> None:
    """No equation of a turn makes or copies the array of a million numbers."""
    big, found = 10**6, 0
    graph = staging.graph_of(derive(lambda x: staging.scattered(x, big, 50)), staging.X)
    for body in loops(graph):
        given = inner_ownership((body,), frozenset(range(len(body.inputs))))
        in_place = ownership(body, given.consumed).given
        for e in body.equations:
            if any(isinstance(r.type, ArrayType) and r.type.size >= big for r in e.results):
                assert e.primitive.name in ("index_set", "index_add")
                assert 0 in in_place[e]
                found += 1
    assert found >= writes
