"""The law of sparsity: a pattern contains every entry that is not zero, for each primitive at its own samples.

The Jacobian comes from the tangent graph, evaluated by `plain` at unit vectors: forward, and of the adjoint. Patterns are found
with nothing known, with the integers known (indices, lengths, counters), and with everything known.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
from law_cases import case_of, each_case, environment, plain, quiet

from wengert.errors import MissingRuleError
from wengert.graph import REGISTRY, ArrayType, build_graph
from wengert.transforms.linearize import linearize
from wengert.transforms.pattern import Pattern
from wengert.transforms.sparsity import propagate
from wengert.transforms.transpose import transpose

# A function of elements has for its tangent a product with its partial: a few of them stand for all.
FEW = ("arctan2", "divide", "hypot", "power", "sin")
each_differentiable = functools.partial(each_case, wanted=lambda p: p.differentiable and p.pure and (
    p.partials is None or p.name in FEW))
EXACT = {"concatenate", "contract", "flip", "index", "index_set", "negative", "pad", "reduce_sum", "reshape", "sin",
         "transpose", "window", "window_sum"}


def patterns_of(graph, count, values):
    """The pattern of a graph that is linear in its first inputs, whose other inputs have these values (None: not known)."""
    sizes = [v.type.size for v in graph.inputs[:count]]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    width = int(starts[-1])
    given = [Pattern.identity(n, s, width) for n, s in zip(sizes, starts, strict=False)]
    _, found = propagate(graph, [*[None] * count, *values], [*given, *[None] * len(values)], width)
    parts = [Pattern.empty(o.type.size, width) if p is None else p for o, p in zip(graph.outputs, found, strict=True)]
    return Pattern.stacked(parts).toarray() if parts else np.zeros((0, width), bool)


def nonzeros(graph, count, values):
    """Where the matrix of the graph is not zero, by unit vectors (times i too, for the graph is linear over the reals)."""
    columns = []
    for j, v in enumerate(graph.inputs[:count]):
        for k in range(v.type.size):
            hit = False
            for unit in (1.0, 1j) if v.type.dtype.kind == "c" else (1.0,):
                inputs = [np.zeros(w.type.shape, w.type.dtype) for w in graph.inputs[:count]]
                inputs[j].reshape(-1)[k] = unit
                with quiet():
                    out = plain(graph, [*inputs, *values])
                hit = np.concatenate([np.ravel(np.not_equal(y, 0)) for y in out] or [np.zeros(0, bool)]) | hit
            columns.append(hit)
    rows = sum(o.type.size for o in graph.outputs)
    return np.stack(columns, axis=1) if columns else np.zeros((rows, 0), bool)


@each_differentiable
def test_a_pattern_contains_every_entry(name, k):
    case = case_of(name, k)
    if not any(case.active):
        pytest.skip("no derivative is claimed")
    try:
        linear = linearize(case.graph, case.active)
    except MissingRuleError:
        pytest.skip("no derivative is known")
    env = environment(linear.primal, case.operands)
    adjoint = transpose(linear)
    for graph, count in ((linear.graph, linear.count), (adjoint.graph, len(linear.graph.outputs))):
        if any(not isinstance(v.type, ArrayType) for v in (*graph.inputs, *graph.outputs)):
            continue  # stacks: what a loop of unknown length saves; tests/test_sparse.py has such loops
        values = [env[v] for v in linear.residuals]
        exact = nonzeros(graph, count, values)
        whole = [x if v.type.inexact is False else None for v, x in zip(linear.residuals, values, strict=True)]
        for known in ([None] * len(values), whole, values):
            found = patterns_of(graph, count, known)
            assert not (exact & ~found).any(), np.argwhere(exact & ~found)[:3].tolist()
        if name in EXACT and not any(np.any(x == 0) for x in values if x.dtype.kind in "fc"):
            assert np.array_equal(found, exact)


def test_the_law_sees_a_wrong_rule(monkeypatch):
    from wengert.transforms import sparsity
    right = sparsity._RULES["reduce_sum"]
    monkeypatch.setitem(sparsity._RULES, "reduce_sum",
                        lambda *args: right(*args).keep(np.arange(right(*args).size) != 0))
    with pytest.raises(AssertionError):
        test_a_pattern_contains_every_entry("reduce_sum")


def test_a_branch_that_is_not_known_may_take_either_arm():
    vector = ArrayType((4,), float)
    arms = tuple(build_graph(f, vector) for f in (lambda x: (x * 2.0,), lambda x: (REGISTRY["flip"](x, axes=(0,)),)))
    graph = build_graph(lambda x, p: REGISTRY["cond"](p, x, branches=arms)[0], vector, ArrayType((), bool))
    straight = np.eye(4, dtype=bool)
    assert np.array_equal(patterns_of(graph, 1, [None]), straight | straight[::-1])
    assert np.array_equal(patterns_of(graph, 1, [np.asarray(False)]), straight[::-1])
