"""Random graphs: forward, reverse and differences agree; simplify, printing and the interpreter change no bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from law_cases import EPS, direction, directional, environment, norm, plain, quiet
from random_graphs import from_hypothesis, from_rng, random_graph
from test_laws import same_bits

from wengert.backends.interpret import Program
from wengert.graph import Const, type_of
from wengert.graph.check import check
from wengert.graph.text import from_text, to_text
from wengert.graph.walk import same_graph
from wengert.transforms.batch import batch
from wengert.transforms.jvp import jvp
from wengert.transforms.partition import partition
from wengert.transforms.simplify import simplify
from wengert.transforms.vjp import vjp


@st.composite
def graphs(draw, **options):
    return random_graph(from_hypothesis(draw), **options)


def derived(graph, values):
    """(graph, values) of the function, its forward and its reverse derivative."""
    rng = np.random.default_rng(0)
    active = [True] * len(values)
    yield graph, values
    forward, _ = jvp(graph, active)
    yield check(forward), [*values, *[direction(rng, v) for v in values]]
    reverse, takes, _ = vjp(graph, active)
    yield check(reverse), [*values, *[np.asarray(1.0, v.type.dtype) for v, t in zip(graph.outputs, takes) if t]]


def magnitude(graph, values):
    """The largest intermediate value: what rounding is relative to."""
    return max([1.0] + [norm([v[np.isfinite(v)]]) for v in map(np.asarray, environment(graph, values).values())
                        if v.dtype.kind in "fc"])


@settings(max_examples=60)
@given(graphs())
def test_exactness(case):
    """Interpreter, text and simplification, on the function and on its derivatives."""
    with quiet():
        for graph, values in derived(*case):
            check(graph)
            expected = plain(graph, values)
            program = Program(graph)
            small = check(simplify(graph))
            back = from_text(to_text(graph))
            assert same_graph(back, graph) and same_graph(simplify(small), small)
            before = [np.array(v) for v in values]
            for got in (program(*values), program(*values), plain(small, values), Program(small)(*values), plain(back, values)):
                assert all(same_bits(a, b) for a, b in zip(got, expected, strict=True)), to_text(graph)
            assert all(same_bits(a, b) for a, b in zip(before, values))


@settings(max_examples=60)
@given(graphs())
def test_forward_reverse_and_differences(case):
    graph, values = case
    n = len(values)
    with quiet():
        forward, nonzero = jvp(graph, [True] * n)
        reverse, takes, gives = vjp(graph, [True] * n)
        rng = np.random.default_rng(1)
        tangents = [direction(rng, v) for v in values]
        assert nonzero == takes
        if not nonzero[0]:
            return
        moved = plain(forward, [*values, *tangents])[1]
        gradients = plain(reverse, [*values, np.float64(1.0)])[1:]
        found = iter(gradients)
        whole = [next(found) if g else np.zeros_like(v) for g, v in zip(gives, values)]
        assert all(type_of(g) is type_of(v) for g, v in zip(whole, values))
        assert all(np.all(np.isfinite(g)) for g in [moved, *whole]), f"a dead arm spoils a derivative\n{to_text(graph)}"
        terms = [np.sum(g * t) for g, t in zip(whole, tangents)]
        scale = magnitude(forward, [*values, *tangents]) + magnitude(reverse, [*values, np.float64(1.0)])
        assert abs(moved - sum(terms)) <= 1e4 * EPS * scale ** 2, to_text(graph)
        (numeric, error), = directional(lambda *x: plain(graph, x), values, [True] * n, tangents)
        if error < 1e-5 * scale:  # else a kink is near
            assert abs(moved - numeric) <= 100 * error + 1e4 * EPS * scale ** 2, to_text(graph)


@settings(max_examples=30)
@given(graphs(dead_arms=False))
def test_batch(case):
    graph, values = case
    with quiet():
        for g, v in derived(graph, values):
            lanes = [v, [x * 0.5 for x in v], [x + 0.25 for x in v]]
            lanes = [[np.asarray(x, y.dtype) for x, y in zip(lane, v)] for lane in lanes]
            many, marks = batch(g, 3, [True] * len(v))
            got = plain(check(many), [np.stack(column) for column in zip(*lanes)])
            loop = [plain(g, lane) for lane in lanes]
            scale = max(magnitude(g, lane) for lane in lanes)
            for k, (a, mark) in enumerate(zip(got, marks, strict=True)):
                expected = np.stack([row[k] for row in loop]) if mark else loop[0][k]
                assert np.shape(a) == np.shape(expected)
                assert np.allclose(a, expected, rtol=1e-10, atol=1e4 * EPS * scale), to_text(g)


@settings(max_examples=30)
@given(graphs())
def test_partition(case):
    """Forward then backward gives the bits of the joint graph."""
    graph, values = case
    with quiet():
        reverse, takes, _ = vjp(graph, [True] * len(values))
        count = sum(takes)
        parts = partition(reverse, len(values), len(graph.outputs))
        cotangents = [np.float64(1.5)] * count
        check(parts.forward)
        check(parts.backward)
        out = plain(parts.forward, values)
        known = dict(zip(parts.forward.inputs, values)) | dict(zip(parts.saved, out[len(graph.outputs):]))
        got = [*out[:len(graph.outputs)], *plain(parts.backward, [*[known[v] for v in parts.residuals], *cotangents])]
        assert all(same_bits(a, b) for a, b in zip(got, plain(reverse, [*values, *cotangents]), strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_single_precision_stays_single(seed):
    rng = np.random.default_rng(seed)
    graph, values = random_graph(from_rng(rng), steps=20, dtype=np.float32)
    with quiet():
        for g, v in derived(graph, values):
            for var, value in environment(g, v).items():
                assert type_of(value) is var.type and var.type.dtype not in (np.float64, np.complex128)


@pytest.mark.parametrize("f, x, expected", [
    (lambda P, x: P["select"](x > 0.0, P["sqrt"](x), x * 0.0), 0.0, 0.0),
    (lambda P, x: P["select"](x > 0.0, P["log"](x), x), 0.0, 1.0),
    (lambda P, x: P["sqrt"](P["select"](x > 0.0, x, Const(np.asarray(0.0)))), -1.0, 0.0),
    (lambda P, x: P["sqrt"](x) * P["sqrt"](x), 0.0, np.nan),
    (lambda P, x: P["select"](x < 1.0, x, 1.0 / (x - 1.0)), 0.5, 1.0),
    (lambda P, x: P["select"](x < 1.0, x, 1.0 / (x - 0.5)), 0.5, 1.0),
])
def test_strong_zeros_in_both_modes(f, x, expected):
    from wengert.graph import REGISTRY, ArrayType, build_graph
    graph = build_graph(lambda h: f(REGISTRY, h), ArrayType((), float))
    with quiet():
        forward, _ = jvp(graph, [True])
        reverse, _, _ = vjp(graph, [True])
        one = np.float64(1.0)
        assert same_bits(plain(forward, [np.float64(x), one])[1], np.float64(expected))
        assert same_bits(plain(reverse, [np.float64(x), one])[1], np.float64(expected))
