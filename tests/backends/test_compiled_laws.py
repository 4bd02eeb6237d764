"""Compiled equals interpreted: every primitive with its derivatives on its samples, and random graphs with theirs.

The samples of a primitive make one graph, so that few compilations are needed; the kernels run between guard pages (see
guarded.py). ``python -m tests.backends.compiled_campaign`` runs any number of random graphs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent.parent / "laws"))

from guarded import check
from law_cases import all_cases, case_of, direction, quiet
from random_graphs import from_rng, random_graph
from wide_graphs import wide_graph

from wengert.errors import MissingRuleError
from wengert.graph import REGISTRY, ArrayType, Graph
from wengert.transforms.jvp import jvp
from wengert.transforms.vjp import vjp

pytestmark = pytest.mark.filterwarnings("ignore")
SAMPLES = 3  # of a primitive, the most in one graph
NAMES = [n for n in sorted({name for name, k in all_cases() if k >= 0}) if REGISTRY[n].differentiable and REGISTRY[n].pure]


def joined(cases):
    """One graph that does what several do, and values for its inputs."""
    inputs, equations, outputs, values = [], [], [], []
    for graph, given in cases:
        if all(isinstance(v.type, ArrayType) for v in (*graph.inputs, *graph.outputs)):
            inputs += graph.inputs
            equations += graph.equations
            outputs += graph.outputs
            values += given
    return Graph(tuple(inputs), tuple(equations), tuple(outputs)), values


def derivatives(name, most):
    """Graphs of the forward and the reverse derivative on the samples of a primitive."""
    for k in [k for n, k in all_cases() if n == name][:most]:
        case = case_of(name, k)
        if case.differentiable:
            yield from [(g, list(v)) for g, v in case.graphs()][1:]


def derived(graph, values):
    """A graph, and its forward and reverse derivatives where it has some, with values for their inputs."""
    yield graph, values
    rng, active = np.random.default_rng(0), [np.asarray(v).dtype.kind in "fc" for v in values]
    if not any(active):
        return
    try:
        forward, _ = jvp(graph, active)
        reverse, takes, _ = vjp(graph, active)
    except MissingRuleError:
        return
    yield forward, [*values, *[direction(rng, v) for v, a in zip(values, active) if a]]
    yield reverse, [*values, *[direction(rng, np.empty(o.type.shape, o.type.dtype)) for o, t in zip(graph.outputs, takes) if t]]


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_of_a_primitive(name):
    with quiet():
        graph, values = joined(derivatives(name, SAMPLES))
        if graph.outputs:
            assert check(graph, values)


@pytest.mark.parametrize("block", range(4))
def test_random_graphs_of_the_laws(block):
    """All graphs of a block as one, under settings by which they lie in registers, in memory, in vector loops."""
    with quiet():
        for dtype in (np.float64, np.float32):
            choices = [from_rng(np.random.default_rng(100 * block + seed)) for seed in range(3)]
            cases = [case for c in choices for case in derived(*random_graph(c, dtype=dtype))]
            assert check(*joined(cases), number=block)


@pytest.mark.parametrize("seed", range(28))
def test_wide_graphs(seed):
    """Lengths at which vector loops change, all dtypes, NaN and infinity among the inputs."""
    with quiet():
        graph, values = wide_graph(seed)
        for k, case in enumerate(derived(graph, values)):
            if k == 0 or seed % 4 == k:
                check(*case, number=[0, 0, 2, 3, 1, 4, 5][seed % 7])
