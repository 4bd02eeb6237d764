"""The Taylor coefficients of every primitive, at its own samples, and of random programs.

The law is the remainder: ``f(x + h v) - Σ c_k h^k`` over k <= 3 falls like h⁴, where a wrong coefficient would leave h³ or
less. It compares with values of f alone.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from law_cases import (
    EPS,
    case_of,
    direction,
    each_case,
    environment,
    inexact_outputs,
    norm,
    plain,
    precision,
    quiet,
)
from test_random import graphs

from wengert.errors import MissingRuleError
from wengert.graph import ArrayType, Var
from wengert.graph.check import check
from wengert.graph.text import to_text
from wengert.transforms.jvp import jvp
from wengert.transforms.taylor import taylor

ORDER = 3
STEPS = (2.0 ** -4, 2.0 ** -6, 2.0 ** -8)
FALL = 2.0 ** 7  # in four times fewer: 2⁸ for h⁴, 2⁶ for h³
NOISE = 1e3  # roundings of a value


def coefficients(graph, found, operands, tangents, order):
    """The coefficients 0 .. order of the inexact outputs: a list for each order."""
    env = environment(graph, operands)
    values = [env[a] if isinstance(a, Var) else a.value[()] for a in graph.outputs]
    out = iter(plain(found.graph, [*tangents, *[env[v] for v in found.residuals]]))
    rows = []
    for a, value, nonzero in zip(graph.outputs, values, found.nonzero, strict=True):
        row = [value, *[next(out) if n else np.zeros_like(value) for n in nonzero]]
        if a.type.inexact:
            assert all(np.asarray(c).dtype == a.type.dtype and np.shape(c) == a.type.shape for c in row)
            rows.append(row[:order + 1])
    return [[row[k] for row in rows] for k in range(order + 1)]


def moved(case, tangents, h):
    """The inexact outputs a step along the line, or None outside the domain."""
    rest = iter(tangents)
    x = [(o + np.asarray(h, o.dtype) * next(rest)).astype(o.dtype) if a else o for o, a in zip(case.operands, case.active)]
    try:
        out = [v for v, a in zip(plain(case.graph, x), case.outputs, strict=True) if a.type.inexact]
    except (np.linalg.LinAlgError, ValueError):
        return None
    return out if all(np.isfinite(v).all() for v in out) else None


@each_case
def test_the_remainder_is_of_the_next_order(name, k):
    case = case_of(name, k)
    if not case.differentiable or not all(isinstance(a.type, ArrayType) for a in case.outputs):
        pytest.skip("no derivative is claimed")
    if name == "frexp":
        pytest.skip("it jumps at powers of two")
    try:
        found = taylor(case.graph, case.active, ORDER)
    except MissingRuleError as error:
        pytest.skip(str(error))
    check(found.graph)
    with quiet():
        rows = coefficients(case.graph, found, case.operands, case.tangents, ORDER)
        remainders = {}
        for h in STEPS:
            ends = [(s * h, moved(case, case.tangents, s * h)) for s in (1, -1)]
            remainders[h] = None if any(end is None for _, end in ends) else norm(
                [np.asarray(v - sum(c * t ** i for i, c in enumerate(column))) for t, end in ends
                 for v, column in zip(end, zip(*rows, strict=True), strict=True)])
    noise = NOISE * precision(case.operands, inexact_outputs(rows[0])) * max(norm(rows[0]), norm(rows[1]))
    known = [(h, r) for h, r in remainders.items() if r is not None]
    assert len(known) >= 2, "the samples leave their domain"
    falls = [small <= large / FALL + noise for (_, large), (_, small) in itertools.pairwise(known)]
    assert any(falls), f"the remainders {known} do not fall like h^{ORDER + 1}"
    assert known[-1][1] <= 1e-4 * max(norm(rows[0]), norm(rows[1]), 1e-3)


@settings(max_examples=40)
@given(graphs())
def test_random_programs_agree_with_nested_forward_mode(case):
    """Choices included: what an arm left out is exactly zero in both."""
    graph, values = case
    n = len(values)
    with quiet():
        found = taylor(graph, [True] * n, 2)
        tangents = [direction(np.random.default_rng(1), v) for v in values]
        got = [c[0] for c in coefficients(graph, found, values, tangents, 2)]
        first, nonzero = jvp(graph, [True] * n)
        if not nonzero[0]:
            assert got[1] == got[2] == 0.0
            return
        second, _ = jvp(first, [True] * n + [False] * n)
        out = plain(second, [*values, *tangents, *tangents])
        moved, curved = out[1], out[3] if len(out) > 3 else 0.0
        scale = norm([v for v in environment(second, [*values, *tangents, *tangents]).values() if np.isfinite(v).all()])
        assert abs(got[1] - moved) <= 1e4 * EPS * scale ** 2, to_text(graph)
        assert abs(2 * got[2] - curved) <= 1e4 * EPS * scale ** 2, to_text(graph)
