"""Structural primitives and indexing on their own samples: type, adjoint, batch, linearity, dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wengert.backends.interpret import evaluate
from wengert.graph import REGISTRY, Build, build_graph, type_of
from wengert.transforms.batch import batch
from wengert.transforms.linearize import linearize
from wengert.transforms.transpose import transpose

NAMES = [
    "reshape",
    "transpose",
    "broadcast",
    "reduce_sum",
    "convert",
    "select",
    "concatenate",
    "pad",
    "flip",
    "index",
    "index_add",
    "index_set",
]
CASES = [(name, k) for name in NAMES for k in range(len(REGISTRY[name].sample(np.random.default_rng(0))))]


def case(name: str, k: int) -> tuple[Any, list[Any], dict[str, Any]]:
    operands, params = REGISTRY[name].sample(np.random.default_rng(0))[k]
    return REGISTRY[name], [np.asarray(o) for o in operands], params


def like(rng: np.random.Generator, x: Any) -> Any:
    out = rng.normal(size=x.shape)
    return (
        (out + 1j * rng.normal(size=x.shape)).astype(x.dtype) if x.dtype.kind == "c" else out.astype(x.dtype)
    )


def graph_of(primitive: Any, operands: list[Any], params: dict[str, Any]) -> Any:
    return build_graph(lambda *xs: primitive(*xs, **params), *[type_of(o) for o in operands])


@pytest.mark.parametrize(("name", "k"), CASES)
def test_type_is_that_of_the_value(name: str, k: int) -> None:
    primitive, operands, params = case(name, k)
    assert type_of(primitive.evaluate(*operands, **params)) is primitive.type(
        *map(type_of, operands), **params
    )


@pytest.mark.parametrize(("name", "k"), CASES)
def test_reverse_is_the_adjoint_of_forward(name: str, k: int) -> None:
    rng = np.random.default_rng(1)
    primitive, operands, params = case(name, k)
    graph = graph_of(primitive, operands, params)
    active = [o.dtype.kind in "fc" for o in operands]
    linear = linearize(graph, active)
    values = dict(zip(graph.inputs, operands, strict=True))
    residuals = [values[v] for v in linear.residuals]
    tangents = [like(rng, o) for o, a in zip(operands, active, strict=True) if a]
    (out,) = evaluate(linear.graph, [*tangents, *residuals])
    moved = iter(tangents)
    shifted = [o + next(moved) if a else o for o, a in zip(operands, active, strict=True)]
    change = primitive.evaluate(*shifted, **params) - primitive.evaluate(
        *operands, **params
    )  # all are linear
    np.testing.assert_allclose(out, change, rtol=1e-6 if out.dtype.itemsize == 4 else 1e-12, atol=1e-7)
    w = like(rng, np.asarray(out))
    adjoint = transpose(linear)
    found = iter(evaluate(adjoint.graph, [w, *residuals]))
    pulled = [next(found) if nonzero else np.zeros_like(t)
              for t, nonzero in zip(tangents, adjoint.nonzero, strict=True)]
    inner = sum(np.real(np.vdot(t, p)) for t, p in zip(tangents, pulled, strict=True))
    np.testing.assert_allclose(np.real(np.vdot(out, w)), inner, rtol=1e-6, atol=1e-12)
    assert [p.dtype for p in pulled] == [t.dtype for t in tangents]


@pytest.mark.parametrize(("name", "k"), CASES)
def test_batch_is_a_loop_over_lanes(name: str, k: int) -> None:
    rng = np.random.default_rng(2)
    primitive, operands, params = case(name, k)
    graph = graph_of(primitive, operands, params)
    inexact = [j for j, o in enumerate(operands) if o.dtype.kind in "fc"]
    for chosen in [inexact, inexact[:1], inexact[-1:]]:
        marks = [j in chosen for j in range(len(operands))]
        lanes = [np.stack([like(rng, o) for _ in range(3)]) if b else o
                 for o, b in zip(operands, marks, strict=True)]
        batched, _ = batch(graph, 3, marks)
        (got,) = evaluate(batched, lanes)
        for j in range(3):
            one = primitive.evaluate(*[x[j] if b else x for x, b in zip(lanes, marks, strict=True)], **params)
            np.testing.assert_array_equal(got[j], one)


def test_equal_equations_are_shared() -> None:
    build = Build()
    x = build.input(type_of(np.zeros((2, 3))))
    first, second = [REGISTRY["index"](x, spec=(("i", 0),)) for _ in range(2)]
    assert first.atom is second.atom
