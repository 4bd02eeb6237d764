"""The primitives contract, window and window_sum: values, both modes, second order, batches, dtypes."""

import itertools

import numpy as np
import pytest

from wengert.backends.interpret import evaluate
from wengert.graph import ArrayType, build_graph, type_of
from wengert.primitives.contract import contract, contract_labels, diagonal, make_spec, matmul, split_spec
from wengert.primitives.structure import reshape
from wengert.primitives.window import window, window_sum
from wengert.transforms.batch import batch
from wengert.transforms.linearize import linearize
from wengert.transforms.transpose import transpose

CASES = [(p, operands, params) for p in (contract, window, window_sum)
         for operands, params in p.sample(np.random.default_rng(5))]
IDS = [f"{p.name}-{params}" for p, _, params in CASES]
by_case = pytest.mark.parametrize(("p", "operands", "params"), CASES, ids=IDS)


def inner(a, b):
    return float(np.sum(np.real(np.conj(a) * b)))


def draw_like(rng, x):
    out = rng.normal(size=np.shape(x)).astype(np.asarray(x).dtype)
    return out + 1j * rng.normal(size=np.shape(x)) if np.iscomplexobj(x) else out


def graph_of(p, operands, params):
    return build_graph(lambda *xs: p(*xs, **params), *[type_of(x) for x in operands])


@by_case
def test_type(p, operands, params):
    found = p.type(*[type_of(x) for x in operands], **params)
    assert found == type_of(p(*operands, **params))
    single = [x.astype(np.complex64 if np.iscomplexobj(x) else np.float32) for x in operands]
    assert np.asarray(p(*single, **params)).dtype == single[0].dtype


@by_case
def test_forward_against_differences(p, operands, params):
    """Central differences of a map of degree two are exact at any step."""
    tangents = [draw_like(np.random.default_rng(1), x) for x in operands]
    graph = graph_of(p, operands, params)
    linear = linearize(graph, [True] * len(operands))
    values = dict(zip(graph.inputs, operands))
    found, = evaluate(linear.graph, [*tangents, *[values[v] for v in linear.residuals]])
    above = p(*[x + t for x, t in zip(operands, tangents)], **params)
    below = p(*[x - t for x, t in zip(operands, tangents)], **params)
    np.testing.assert_allclose(found, (above - below) / 2, atol=1e-12)


@by_case
def test_reverse_against_forward(p, operands, params):
    rng = np.random.default_rng(2)
    tangents = [draw_like(rng, x) for x in operands]
    y = p(*operands, **params)
    w = draw_like(rng, y)
    graph = graph_of(p, operands, params)
    for active in itertools.product([False, True], repeat=len(operands)):
        if not any(active):
            continue
        linear = linearize(graph, active)
        env = dict(zip(graph.inputs, operands))
        residuals = [env[v] for v in linear.residuals]
        seeds = [t for t, a in zip(tangents, active) if a]
        forward, = evaluate(linear.graph, [*seeds, *residuals])
        adjoint = transpose(linear)
        backward = evaluate(adjoint.graph, [w, *residuals])
        assert [type_of(b) for b in backward] == [type_of(t) for t in seeds]
        assert inner(forward, w) == pytest.approx(sum(inner(t, b) for t, b in zip(seeds, backward)),
                                                  abs=1e-11)


@by_case
def test_reverse_over_forward(p, operands, params):
    """The derivative of x -> J(x)ᵀ w along t, against a difference: exact, since it is linear in x."""
    rng = np.random.default_rng(3)
    graph = graph_of(p, operands, params)
    linear = linearize(graph, [True] * len(operands))
    adjoint = transpose(linear)
    if len(operands) == 1:
        assert not linear.residuals
        return
    w, tangents = draw_like(rng, p(*operands, **params)), [draw_like(rng, x) for x in operands]
    values, moved = dict(zip(graph.inputs, operands)), dict(zip(graph.inputs, tangents))
    residuals, directions = [[m[v] for v in linear.residuals] for m in (values, moved)]
    second = linearize(adjoint.graph, [False] + [True] * len(residuals))
    names = dict(zip(adjoint.graph.inputs, [w, *residuals]))
    found = evaluate(second.graph, [*directions, *[names[v] for v in second.residuals]])
    there = evaluate(adjoint.graph, [w, *[r + d for r, d in zip(residuals, directions)]])
    here = evaluate(adjoint.graph, [w, *residuals])
    for a, b, c in zip(found, there, here):
        np.testing.assert_allclose(a, b - c, atol=1e-11)


@by_case
def test_batch_against_lanes(p, operands, params):
    graph = graph_of(p, operands, params)
    for marks in itertools.product([False, True], repeat=len(operands)):
        if not any(marks):
            continue
        given = [np.stack([x, 2.0 * x, x - 1.0]) if m else x for x, m in zip(operands, marks)]
        lanes, flags = batch(graph, 3, marks)
        found, = evaluate(lanes, given)
        assert flags == (True,) and type_of(found) == lanes.outputs[0].type
        for k in range(3):
            one = p(*[g[k] if m else g for g, m in zip(given, marks)], **params)
            np.testing.assert_allclose(found[k], one, atol=1e-13)


# ---------------------------------------------------------------- values

@pytest.mark.parametrize(("operands", "params"), contract.sample(np.random.default_rng(4)))
def test_contract_is_einsum(operands, params):
    np.testing.assert_allclose(contract(*operands, **params), np.einsum(params["spec"], *operands),
                               atol=1e-13)


SHAPES = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)),
          ((5, 2, 3), (3,)),
          ((3,), (5, 3, 2)), ((5, 1, 2, 3), (4, 3, 2)), ((1, 2, 3), (6, 3, 2)), ((1, 2, 3), (1, 3, 2)),
          ((6, 1, 2, 3), (1, 7, 3, 2)), ((2, 3), (6, 5, 3, 4)), ((6, 1, 2, 3), (3,)), ((2, 0), (0, 3)),
          ((0, 2), (2, 3)), ((40, 30), (30, 50))]


@pytest.mark.parametrize(("a", "b"), SHAPES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.int64])
def test_matmul_is_numpys_to_the_bit(a, b, dtype):
    rng = np.random.default_rng(0)
    x, y = [(10 * rng.normal(size=n)).astype(dtype) for n in (a, b)]
    found = matmul(x, y, by="matmul")
    assert np.array_equal(found, x @ y) and np.shape(found) == np.shape(x @ y)
    np.testing.assert_allclose(matmul(x, y), x @ y, rtol=1e-5, atol=1e-5)


def test_strided_and_broadcast_operands():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(40, 60)), rng.normal(size=(30, 80))
    x, y = a[::2, ::2], b.T[:60:2]
    for by in ("", "matmul", "dot"):
        np.testing.assert_allclose(contract(x, y[:30], spec="ab,bc->ac", by=by), x @ y[:30], atol=1e-12)
        constant = np.broadcast_to(2.0, (20, 30))
        np.testing.assert_allclose(contract(constant, y[:30], spec="ab,bc->ac", by=by), constant @ y[:30],
                                   atol=1e-12)
    stack = rng.normal(size=(30, 20, 5)).transpose(2, 1, 0)
    np.testing.assert_allclose(contract(stack, stack, spec="abc,adc->abd"), stack @ stack.transpose(0, 2, 1),
                               atol=1e-12)


def test_specs():
    assert make_spec(["x", 3], [3, None], ["x", None]) == "ab,bc->ac"
    assert split_spec("ab,bc->ac") == ("ab", "bc", "ac")
    labels = list(range(130))
    assert len(set(make_spec(labels, labels, [])[:130])) == 130
    for bad in ("ab,b->", "aa,a->", "a,b->abc"):
        with pytest.raises(ValueError):
            split_spec(bad)
    with pytest.raises(ValueError, match="length"):
        contract.type(ArrayType((2, 3), float), ArrayType((4,), float), spec="ab,b->a")


def test_equal_contractions_are_shared():
    def f(a, b):
        return matmul(a, b), contract_labels(a, "ij", b, "jk", "ik")
    graph = build_graph(f, ArrayType((2, 3), float), ArrayType((3, 4), float))
    assert len(graph.equations) == 1


def test_lonely_labels_are_summed():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 4)), rng.normal(size=(3, 5))
    np.testing.assert_allclose(contract_labels(a, "ijk", b, "jl", "k"), np.einsum("ijk,jl->k", a, b),
                               atol=1e-13)


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (0, 3), (1, 1)])
@pytest.mark.parametrize("offset", [-6, -2, -1, 0, 1, 2, 6])
def test_diagonal(shape, offset):
    x = np.arange(float(np.prod(shape))).reshape(shape)
    assert np.array_equal(diagonal(x, 0, 1, offset), np.diagonal(x, offset))
    y = reshape(np.repeat(x, 2), shape=(*shape, 2))
    assert np.array_equal(diagonal(y, 1, 0, offset), np.diagonal(y, offset, 1, 0))


def test_windows_that_do_not_fit():
    with pytest.raises(ValueError, match="does not fit"):
        window(np.ones(3), windows=((0, 4, 1, 1),))
    assert not window(np.ones(3), windows=((0, 2, 1, 1),)).flags.writeable


@pytest.mark.parametrize(("n", "length", "stride", "dilation"),
                         [(30, 25, 1, 1), (30, 3, 4, 2), (9, 9, 3, 1), (40, 12, 2, 3)])
def test_both_ways_of_adding_windows(n, length, stride, dilation):
    """Few long windows and many short ones are added up by different loops."""
    windows = ((0, length, stride, dilation),)
    dense = np.array([window(row, windows=windows) for row in np.eye(n)])
    y = np.random.default_rng(0).normal(size=dense.shape[1:])
    np.testing.assert_allclose(window_sum(y, windows=windows, shape=(n,)), np.einsum("nij,ij->n", dense, y),
                               atol=1e-13)


def test_window_sum_of_masks():
    y = np.array([[True, False], [False, False], [False, True]])
    assert window_sum(y, windows=((0, 2, 1, 1),), shape=(4,)).tolist() == [True, False, False, True]
