"""Printed source runs without wengert and computes what the graph computes: of primitives, programs, random graphs."""

import ast
import sys
import warnings
from pathlib import Path

import numpy as np
import optree
import pytest
from test_notation import NAMES, cases, close

import wengert as wg
from wengert.backends.interpret import evaluate
from wengert.errors import UnsupportedError
from wengert.sources import graph_source

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "laws"), str(HERE.parent / "programs")]
from generator import program  # noqa: E402
from harness import load, points  # noqa: E402
from random_graphs import from_rng, random_graph  # noqa: E402

OPAQUE = {"python_call", "effect", "stack_add", "empty_stack"}


def runs(text, *args):
    """What the printed function gives; it may import NumPy, SciPy and the standard library only."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
            assert all(n.partition(".")[0] in {"numpy", "scipy", *sys.stdlib_module_names} for n in names), names
    with np.errstate(all="ignore"):
        return text.function()(*args)


def same(got, wanted, rtol=1e-11):
    for a, b in zip(optree.tree_leaves(got), optree.tree_leaves(wanted), strict=True):
        scale = np.max(np.abs(b), initial=0.0, where=np.isfinite(b))
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in OPAQUE])
def test_every_primitive(name):
    for graph, operands, _ in cases(name):
        if name == "custom_vjp_linear" and graph.equations[0].params["tangent"] is None:
            continue
        text = graph_source(graph, "f", [f"x{k}" for k in range(len(operands))])
        with np.errstate(all="ignore"):
            wanted = evaluate(graph, operands)
        got = runs(text, *operands)
        for a, b in zip(got if len(graph.outputs) > 1 else [got], wanted, strict=True):
            close(a, b)


FOLDER = HERE.parent.parent / "examples" / "programs"


def derived(name):
    sys.path.insert(0, str(HERE.parent))
    import test_programs
    return test_programs.flat(name)


@pytest.mark.parametrize("name", sorted(p.stem for p in FOLDER.glob("*.py")))
def test_gradients_of_the_example_programs(name):
    f, at = derived(name)
    both = wg.value_and_grad(f)
    text = wg.source(both, at)
    same(runs(text, at), both(at), 1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs(seed):
    graph, values = random_graph(from_rng(np.random.default_rng(seed)))
    with np.errstate(all="ignore"):
        wanted = evaluate(graph, values)[0]
    same(runs(graph_source(graph, "f", [f"x{k}" for k in range(len(values))]), *values), wanted)


@pytest.mark.parametrize("block", range(4))
def test_random_programs(block):
    written = 0
    for seed in range(block * 10, block * 10 + 10):
        f = load(program(seed))
        at = points(seed)[0]
        gradient = wg.value_and_grad(f, argnums=(0, 1, 2))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                text = wg.source(gradient, *at)
            except UnsupportedError as error:
                assert "cannot be staged" in str(error) or "has an effect" in str(error), (seed, error)
                continue
            same(runs(text, *at), gradient(*at), 1e-8)
        written += 1
    assert written >= 3
