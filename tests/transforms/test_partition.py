"""What is saved and what is computed again: equal values, pinned counts."""

import numpy as np
import pytest

import wengert as wg
from wengert.backends.interpret import evaluate
from wengert.graph import REGISTRY as P
from wengert.graph import ArrayType, build_graph
from wengert.graph.check import check
from wengert.primitives.effects import Action
from wengert.transforms.partition import partition
from wengert.transforms.vjp import vjp

RNG = np.random.default_rng(7)


def mlp(x, w1, w2, w3):
    h = np.tanh(np.tanh(x @ w1) @ w2)
    return np.sum((h @ w3) ** 2)


def chain(x):
    for _ in range(6):
        x = np.sin(x * x)
    return np.sum(x)


def log_softmax(x, w):
    z = x @ w
    e = np.exp(z)
    return np.sum(np.log(e / np.sum(e, 1)[:, None]))


def masked(x):
    return np.sum(np.where(x > 0, np.sqrt(x), 0.0) * x)


def gathered(x):
    return np.sum(np.exp(x)[np.array([0, 2, 2])] * 3.0)


PROGRAMS = {  # saved arrays, saved elements
    "mlp": (mlp, [RNG.normal(size=s) for s in ((8, 5), (5, 7), (7, 7), (7, 2))], 3, 128),
    "chain": (chain, [RNG.uniform(0.3, 1.0, 10)], 5, 50),
    "log_softmax": (log_softmax, [RNG.normal(size=(4, 5)), RNG.normal(size=(5, 3))], 3, 28),
    "masked": (masked, [RNG.uniform(0.5, 1.0, 4)], 3, 12),
    "gathered": (gathered, [RNG.normal(size=3)], 1, 3),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_partition_keeps_values(name):
    f, args, arrays, elements = PROGRAMS[name]
    graph = wg.make_graph(f, *args)
    joint, takes, _ = vjp(graph, [True] * len(args))
    parts = partition(joint, len(args), len(graph.outputs))
    check(parts.forward)
    check(parts.backward)
    whole = evaluate(joint, [*args, 1.0])
    values = evaluate(parts.forward, args)
    known = dict(zip(parts.forward.inputs, args)) | dict(zip(parts.saved, values[len(graph.outputs):]))
    gradients = evaluate(parts.backward, [*[known[v] for v in parts.residuals], *[1.0] * sum(takes)])
    for got, expected in zip([*values[:1], *gradients], whole):
        np.testing.assert_array_equal(got, expected)
    assert (len(parts.saved), parts.saved_elements) == (arrays, elements)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_backward_pass_repeats_no_decision(name):
    f, args, _, _ = PROGRAMS[name]
    graph = wg.make_graph(f, *args)
    joint, _, _ = vjp(graph, [True] * len(args))
    parts = partition(joint, len(args), len(graph.outputs))
    forward = set(parts.forward.equations)
    for e in parts.backward.equations:
        if e in forward:  # computed a second time
            assert e.primitive.pure
            assert all(r.type.inexact for r in e.results)
            assert e.primitive.elementwise or e.primitive.structural


def test_a_conversion_that_chose_is_not_repeated():
    """Recomputed by another fused loop, the number before the rounding may differ, and the index with it."""
    graph = build_graph(lambda x, y: P["index"](y, P["convert"](x * x, dtype=np.dtype(np.int64)), spec=(("a",),)),
                        ArrayType((), np.float64), ArrayType((9,), np.float64))
    joint, takes, _ = vjp(graph, [False, True])
    parts = partition(joint, 2, 1)
    assert takes == (True,)
    assert "convert" in [e.primitive.name for e in parts.forward.equations]
    assert "convert" not in [e.primitive.name for e in parts.backward.equations]


def test_effects_of_the_values_stay():
    noted = []
    action = Action("note", lambda x: (noted.append(float(x)), (x,))[1])
    scalar = ArrayType((), np.float64)
    graph = build_graph(lambda x: (P["effect"](x, action=action, types=(scalar,)), P["sin"](x))[1], scalar)
    joint, _, _ = vjp(graph, [True])
    evaluate(partition(joint, 1, 1).forward, [np.float64(2.0)])
    assert noted == [2.0]
