"""Graphs that are cut, and loops that keep checkpoints, in random programs: the same derivatives."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import wengert as wg
from wengert.backends.interpret import evaluate
from wengert.graph import Equation, Graph
from wengert.graph.walk import with_subgraphs
from wengert.transforms.stretches import cut, segmented
from wengert.transforms.vjp import vjp

sys.path.append(str(Path(__file__).resolve().parent.parent / "backends"))
sys.path.append(str(Path(__file__).resolve().parent.parent / "programs"))
from harness import load
from loop_programs import arguments, loop_program


def marked(graph: Graph, slots: int) -> Graph:
    """The graph whose loops, the inner ones too, keep so many checkpoints."""
    out = []
    for e in graph.equations:
        params = {k: with_subgraphs(v, lambda g: marked(g, slots)) for k, v in e.params.items()}
        if e.primitive.name in ("scan", "while_loop"):
            params["checkpoints"] = slots
        out.append(Equation(e.primitive, e.operands, params, e.results))
    return Graph(graph.inputs, tuple(out), graph.outputs)


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 5, 7, 9])  # those that stage
@pytest.mark.filterwarnings("ignore")
def test_random_programs(seed):
    f, at = load(loop_program(seed), f"<segments {seed}>"), arguments(seed)
    leaves, staged = wg.jit(f)._find(at, {})
    assert staged.graph is not None, staged.reason
    graph = staged.graph
    values = [np.asarray(x, v.type.dtype)[()] for x, v in zip(leaves, graph.inputs, strict=True)]
    active = [v.type.inexact for v in graph.inputs]
    rng = np.random.default_rng(seed)

    def derived(g):
        joint, _, _ = vjp(g, active)
        return evaluate(joint, [*values, *cotangents])
    plain, _, _ = vjp(graph, active)
    cotangents = [rng.normal(size=v.type.shape) for v in plain.inputs[len(values):]]
    with np.errstate(all="ignore"):
        expected = derived(graph)
        for other in (marked(graph, 1), marked(graph, 3), segmented(graph, cut(graph, 3))):
            for a, b in zip(derived(other), expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * max(1.0, np.nanmax(np.abs(b), initial=0.0)))
